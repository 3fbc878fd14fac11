"""Turns an error answer into the exception whose class decides the caller's next step. Pure.

1. The code decides before the status: Amazon sends ``ResourceNotFound`` with 400 and with 404.
2. 429 ``QuotaExceeded`` means that a bucket is empty: ``RequestThrottled``, to be sent again within seconds. MWS's
   error of the same name means that the hour is used up.
3. Amazon also answers 403 to an expired token, a missing role and a SKU that was not encoded. The message names these
   causes in the order in which to check them.
4. ``message`` may be ``null``; a gateway in between answers with HTML; a document store answers with S3's XML.

Sources: the models' ``ErrorList``; amzn/selling-partner-api-models issues 1269, 4429.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

from amazon_ae._exceptions import (
    AccessDenied,
    AmazonError,
    InvalidRequest,
    RegionNotSupported,
    RequestThrottled,
    ServiceUnavailable,
    UnreadableResponse,
)
from amazon_ae._models.hidden import sealed
from amazon_ae._models.responses import ResponseMeta
from amazon_ae._spapi.values import load, node, nodes, text

__all__ = ["ERROR_BODY_BYTES", "rate_of", "read_body", "read_error", "read_meta", "scrub"]

#: The most bytes of an error's body that are read.
ERROR_BODY_BYTES: Final = 65_536
_LONGEST_MESSAGE: Final = 800
_LONGEST_CODE: Final = 100

# Tokens, secrets, and URLs with a query: a pre-signed URL is a credential.
_SECRETS: Final = re.compile(
    r"(?:Atza|Atzr|Atc|Atz\.sprdt)\|[^\s\"'&<]*|amzn1\.oa2-cs\.[^\s\"'&<]*|(?<=[?&])X-Amz-[A-Za-z]+=[^\s\"'&<]*"
)
_URL_QUERY: Final = re.compile(r"(https?://[^\s\"'?<]+)\?[^\s\"'<]*")
_TAG: Final = re.compile(rb"<(Code|Message|RequestId)>([^<]{0,500})</")
_TITLE: Final = re.compile(rb"<title[^>]*>([^<]{1,100})", re.IGNORECASE)
_NOT_HERE: Final = re.compile(
    r"not (?:supported|available)[^.]*marketplace|marketplace[^.]*not supported", re.IGNORECASE
)

_BROKEN: Final = object()
# A proxy or gateway answered, not Amazon: the request may be sent again.
_PASSING: Final = frozenset({408, 425})
_403: Final = (
    "Check in this order: the access token; whether the application has the operation's role; whether the seller "
    "authorised the application again after a role was added; whether every part of the path is percent-encoded"
)


def read_meta(headers: Mapping[str, str]) -> ResponseMeta:
    """Request id and Amazon's instant of an answer; header names in lower case."""
    return ResponseMeta(
        request_id=headers.get("x-amzn-requestid") or headers.get("x-amz-request-id") or None,
        timestamp=_date(headers.get("date")),
    )


def rate_of(headers: Mapping[str, str]) -> float | None:
    """The seller's real rate in requests a second, where the answer states it (``x-amzn-RateLimit-Limit``)."""
    try:
        rate = float(headers.get("x-amzn-ratelimit-limit", ""))
    except ValueError:
        return None
    return rate if 0.0 < rate < 1e6 else None


@sealed
def read_body(status: int, headers: Mapping[str, str], body: bytes, *, action: str) -> Any:
    """The JSON of a success.

    Raises:
        UnreadableResponse: it is not JSON, or it is a list of errors (``retryable`` where it was cut off).
    """
    if not body.strip():
        return {}
    value = _loaded(body)
    kind = _kind_of(body) if value is _BROKEN else ""
    del body  # it may hold a token or a URL, and a traceback with locals would show it
    if value is _BROKEN:
        raise UnreadableResponse(
            f"{action}: {kind} in place of JSON",
            status=status,
            request_id=read_meta(headers).request_id,
            retryable=kind != _PAGE,
        )
    if isinstance(value, dict) and isinstance(value.get("errors"), list) and value["errors"] and "payload" not in value:
        code, message = (scrub(words) for words in _words(value))
        raise UnreadableResponse(
            f"{action}: HTTP {status} with errors: {code}: {message}",
            status=status,
            request_id=read_meta(headers).request_id,
        )
    return value


def _loaded(body: bytes) -> Any:
    try:
        return load(body)
    except ValueError:
        return _BROKEN


def read_error(
    status: int, headers: Mapping[str, str], body: bytes, *, action: str, now: datetime, restore_seconds: float
) -> AmazonError:
    """The exception for an error answer.

    Args:
        headers: names in lower case.
        now: the local clock when the answer came, aware UTC.
        restore_seconds: of the operation's bucket; dates a throttle's ``retry_at``.
    """
    meta = read_meta(headers)
    code, message = _error_words(body[:ERROR_BODY_BYTES])
    code = code or headers.get("x-amzn-errortype", "").partition(":")[0][:_LONGEST_CODE]
    kind = _kind(status, code, message)
    retry_at = None
    if kind is RequestThrottled:
        # A rate that comes with the refusal is newer than the table's.
        rate = rate_of(headers)
        retry_at = now + timedelta(seconds=restore_seconds if rate is None else 1.0 / rate)
    elif kind is AccessDenied:
        message = f"{message} ({_403})" if status == 403 else message
    return kind(
        message,
        status=status,
        code=code,
        request_id=meta.request_id,
        timestamp=meta.timestamp,
        retryable=kind in (RequestThrottled, ServiceUnavailable),
        retry_at=retry_at,
        action=action,
    )


def _kind(status: int, code: str, message: str) -> type[AmazonError]:
    if status == 429:
        return RequestThrottled
    if code == "RegionNotSupported" or (code == "InvalidInput" and _NOT_HERE.search(message)):
        return RegionNotSupported
    if status >= 500 or status in _PASSING or status < 400:
        return ServiceUnavailable
    return AccessDenied if status in (401, 403) else InvalidRequest


def _error_words(body: bytes) -> tuple[str, str]:
    """Code and message of an error's body, as far as there are any."""
    code, message = _words(_loaded(body))
    if not code and not message:
        code, message = _xml_words(body)
    if not code and not message:
        message = f"no error of Amazon's but {_kind_of(body)}"
        if title := _TITLE.search(body):
            message += f" titled {title[1].decode('utf-8', 'replace').strip()!r}"
    return scrub(code)[:_LONGEST_CODE], scrub(message)[:_LONGEST_MESSAGE]


def _words(value: object) -> tuple[str, str]:
    found = nodes(value, "errors")
    if not found:
        # Login with Amazon: {"error": ..., "error_description": ...}; the gateway: {"message": ...}.
        alone = node(value)
        return text(alone.get("error")) or "", text(alone.get("error_description")) or text(alone.get("message")) or ""
    shown = []
    for each in found[:4]:
        words, details = text(each.get("message")), text(each.get("details"))
        shown += [word for word in (words, details if details != words else None) if word]
    return text(found[0].get("code")) or "", "; ".join(shown)


def _xml_words(body: bytes) -> tuple[str, str]:
    """S3's error document: ``<Error><Code>...</Code><Message>...</Message>``."""
    if b"<Error>" not in body[:1000]:
        return "", ""
    found = {name.decode(): words.decode("utf-8", "replace") for name, words in _TAG.findall(body)}
    return found.get("Code", ""), found.get("Message", "")


_PAGE: Final = "an HTML page"


def _kind_of(body: bytes) -> str:
    start = body[:500].lstrip().lower()
    if not start:
        return "an empty body"
    if b"<html" in start or b"<!doctype html" in start:
        return _PAGE
    return "XML" if start.startswith(b"<") else "a body that is not JSON"


def scrub(message: str) -> str:
    """Text without tokens, secrets and the queries of URLs."""
    return _SECRETS.sub("…", _URL_QUERY.sub(r"\1?…", message))


def _date(value: str | None) -> datetime | None:
    if not value:
        return None
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else None
