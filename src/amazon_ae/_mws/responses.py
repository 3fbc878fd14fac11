"""An answer becomes a value or an error: ``(status, headers, body) -> value or raise``. Pure functions.

1. An answer outside 2xx always raises, whatever its body.
2. The error's code decides, not the status; where there is no code (HTML, an empty body), the status does.
3. ``ErrorResponse`` raises with every status.
4. Amazon's texts are kept to a bounded length, without credentials: ``SignatureDoesNotMatch`` repeats the whole
   request.

Sources: MWS developer guide, "Errors" and "Response format"; the "Errors" page of each section.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from amazon_ae._exceptions import (
    AccessDenied,
    AmazonError,
    InvalidRequest,
    QuotaExceeded,
    RegionNotSupported,
    RequestExpired,
    RequestThrottled,
    ServiceUnavailable,
    SignatureMismatch,
    UnreadableResponse,
)
from amazon_ae._models.feeds import QuotaSeen
from amazon_ae._models.responses import ResponseMeta
from amazon_ae._mws.parsing import BROKEN, CutOff, Node, children, decimal, instant, local_names, parse, text
from amazon_ae._mws.signing import content_md5
from amazon_ae._mws.throttles import QUOTA_LONGEST_SECONDS, QUOTA_UNKNOWN_SECONDS
from amazon_ae._transport.http import ERROR_BODY_BYTES
from amazon_ae._transport.retries import DamagedBody

__all__ = [
    "REQUEST_ID_HEADER",
    "excerpt",
    "read_document",
    "read_error",
    "read_meta",
    "read_result",
    "scrub",
]

REQUEST_ID_HEADER: Final = "x-mws-request-id"
_ERRORS: Final[Mapping[str, type[AmazonError]]] = {
    "RequestThrottled": RequestThrottled,
    "QuotaExceeded": QuotaExceeded,
    "AccessDenied": AccessDenied,
    "AccessToFeedProcessingResultDenied": AccessDenied,
    "AccessToReportDenied": AccessDenied,
    "InvalidAccessKeyId": AccessDenied,
    "InvalidClientTokenId": AccessDenied,
    "SignatureDoesNotMatch": SignatureMismatch,
    "RegionNotSupported": RegionNotSupported,
    "InternalError": ServiceUnavailable,
    "ServiceUnavailable": ServiceUnavailable,
}
# Pages whose broken records are taken out and named, so that the others are read.
_ISOLATED: Final[Mapping[str, str]] = {"ListOrders": "Order", "ListOrdersByNextToken": "Order", "GetOrder": "Order"}
# The same request may succeed later. 500 and 503 are retryable whatever their code.
_RETRYABLE: Final = frozenset(
    {
        "ContentMD5DoesNotMatch",  # the body was damaged on its way: the MD5 is taken of the bytes that are sent
        "FeedProcessingResultNotReady",
        "InputStreamDisconnected",
        "InternalError",
        "QuotaExceeded",
        "ReportNotReady",
        "RequestThrottled",
        "ServiceUnavailable",
    }
)
# Request timeout, too many requests: sent by a proxy, not by Amazon; a retry may succeed.
_PASSING: Final = (408, 429)
# Amazon refuses a timestamp that is more than 15 minutes off (developer guide, "Timestamps").
_TIMESTAMP_TOLERANCE_SECONDS: Final = 900
_LONGEST_MESSAGE: Final = 500
# "... Your quota will reset on Thu Oct 24 00:42:00 UTC 2013"
_RESET_IN_TEXT: Final = re.compile(r"reset on \w{3} (\w{3}) +(\d{1,2}) (\d\d):(\d\d):(\d\d) (?:UTC|GMT) (\d{4})")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SECRET_PAIR: Final = re.compile(r"(AWSAccessKeyId|MWSAuthToken|Signature|SellerId|Merchant)(=|%3D)[^&\s'\"<]*")
_AUTH_TOKEN: Final = re.compile(r"amzn\.mws\.[0-9a-fA-F-]+")
# Comments, declarations and CDATA; texts; attribute values, quoted or not.
_VALUES: Final = (
    (re.compile(r"<!.*?(-->|\]\]>|>|$)", re.DOTALL), "<!…>"),
    (re.compile(r">[^<]+"), ">…"),
    (re.compile(r"=\s*(\"[^\"]*\"?|'[^']*'?|[^\s>]+)"), "=…"),
)
_NOTHING: Final = "an empty body"
_PAGE: Final = "an HTML page"
_TITLE: Final = re.compile(rb"<title[^>]*>([^<]{1,100})", re.IGNORECASE)


def read_meta(headers: Mapping[str, str]) -> ResponseMeta:
    """Request id, instant (``Date`` where Amazon's own header is missing) and hourly quota; names in lower case."""
    maximum, remaining = decimal(headers.get("x-mws-quota-max")), decimal(headers.get("x-mws-quota-remaining"))
    quota = None
    if maximum is not None and remaining is not None:
        quota = QuotaSeen(
            maximum=float(maximum), remaining=float(remaining), resets_at=instant(headers.get("x-mws-quota-resetson"))
        )
    return ResponseMeta(
        request_id=headers.get(REQUEST_ID_HEADER) or None,
        timestamp=instant(headers.get("x-mws-timestamp")) or instant(headers.get("date")),
        quota=quota,
    )


def read_result(
    status: int, headers: Mapping[str, str], body: bytes, *, action: str, now: datetime, restore_seconds: float = 60.0
) -> tuple[Node, ResponseMeta]:
    """The content of ``<...Result>`` and what identifies the answer.

    Args:
        headers: names in lower case.
        now: the local clock when the answer came, aware UTC.
        restore_seconds: of the operation's bucket; dates a throttle's ``retry_at``.

    Raises:
        AmazonError: the answer is an error.
        UnreadableResponse: it is neither an error nor the answer of ``action``, which has a result even when empty.
    """
    meta = read_meta(headers)
    if not 200 <= status < 300:
        raise read_error(status, headers, body, action=action, now=now, restore_seconds=restore_seconds)
    try:
        root, content = parse(body, isolate=_ISOLATED.get(action))
    except ValueError as error:
        cut_off = isinstance(error, CutOff)
        raise _unreadable(f"{action}: {_kind_of(body)}: {error}", body, status, meta, retryable=cut_off) from None
    if root == "ErrorResponse":
        raise read_error(status, headers, body, action=action, now=now, restore_seconds=restore_seconds)
    # Some endpoints answer a next page under the name of the first, and the other way round.
    first = action.removesuffix("ByNextToken")
    names = {first, f"{first}ByNextToken"}
    name = root.removesuffix("Response")
    if not root.endswith("Response") or name not in names:
        what = f"{_kind_of(body)}, its root is <{root[:60]}>"
        raise _unreadable(f"{action}: {what}", body, status, meta, retryable=root.endswith("Response"))
    if f"{name}Result" not in content:
        raise _unreadable(f"{action}: <{root}> without its <{name}Result>", body, status, meta, retryable=True)
    request_id = text(next(iter(local_names(content.get("ResponseMetadata"), "RequestId")), None))
    if request_id and not meta.request_id:
        meta = ResponseMeta(request_id=request_id, timestamp=meta.timestamp, quota=meta.quota)
    return _result_of(content, f"{name}Result"), meta


def _result_of(content: Node, name: str) -> Node:
    """The content of the result element. Several of them (in sections that this client doesn't know) stay a list."""
    result = content[name]
    if isinstance(result, list):
        return {name: result}
    node = result if isinstance(result, dict) else {}
    return {**node, BROKEN: content[BROKEN]} if BROKEN in content else node


def read_document(
    status: int, headers: Mapping[str, str], body: bytes, *, action: str, now: datetime, restore_seconds: float = 60.0
) -> tuple[bytes, ResponseMeta]:
    """A document that Amazon sends without an envelope (processing report, report), its MD5 checked.

    Raises:
        AmazonError: the answer is an error.
        DamagedBody: the body does not match ``Content-MD5``. Discard it and fetch it again.
        UnreadableResponse: an HTML page or nothing at all, without ``Content-MD5``: that is not Amazon's.
    """
    meta = read_meta(headers)
    if not 200 <= status < 300 or b"<ErrorResponse" in body[:500]:
        raise read_error(status, headers, body, action=action, now=now, restore_seconds=restore_seconds)
    wanted = headers.get("content-md5", "").strip()
    kind = _kind_of(body)
    if not wanted and kind in (_NOTHING, _PAGE):
        what = f"{action}: {kind} and no Content-MD5 instead of the document"
        raise _unreadable(what, body, status, meta, retryable=kind == _NOTHING)
    if wanted and wanted != content_md5(body):
        raise DamagedBody(
            f"{action}: the document's MD5 is not that of Content-MD5",
            status=status,
            request_id=meta.request_id,
            retryable=True,
        )
    return body, meta


def read_error(
    status: int, headers: Mapping[str, str], body: bytes, *, action: str, now: datetime, restore_seconds: float = 60.0
) -> AmazonError:
    """The exception for an error answer."""
    meta = read_meta(headers)
    code, message, request_id = _error_words(body[:ERROR_BODY_BYTES])
    skew_seconds = _skew(headers, now)
    kind: type[AmazonError] = _ERRORS.get(code) or _kind_by_status(status, known=bool(code))
    if _is_expired(code, message, skew_seconds):
        return RequestExpired(
            message,
            skew_seconds=skew_seconds,
            status=status,
            code=code,
            request_id=meta.request_id or request_id,
            timestamp=meta.timestamp,
            action=action,
        )
    retry_at = None
    if kind is RequestThrottled:
        retry_at = now + timedelta(seconds=restore_seconds)
    elif kind is QuotaExceeded:
        retry_at = now + timedelta(seconds=_quota_wait(meta, message, now, skew_seconds))
    return kind(
        message,
        status=status,
        code=code,
        request_id=meta.request_id or request_id,
        timestamp=meta.timestamp,
        retryable=code in _RETRYABLE or status >= 500 or kind is ServiceUnavailable,
        retry_at=retry_at,
        action=action,
    )


def _kind_by_status(status: int, *, known: bool) -> type[AmazonError]:
    """The class of an error whose code has none of its own (``known``), or of an answer that is not Amazon's."""
    if status >= 500 or (not known and (status < 400 or status in _PASSING)):
        return ServiceUnavailable
    return AccessDenied if not known and status in (401, 403) else InvalidRequest


def _error_words(body: bytes) -> tuple[str, str, str | None]:
    """Code, message and request id of an error body, as far as there are any."""
    try:
        _, content = parse(body)
    except ValueError:
        content = {}
    errors: list[Any] = children(content, "Error") or local_names(content, "Error")
    first = errors[0] if errors and isinstance(errors[0], dict) else {}
    code = text(first.get("Code")) or ""
    message = text(first.get("Message")) or ""
    more = [text(error.get("Message")) for error in errors[1:4] if isinstance(error, dict)]
    message = "; ".join(filter(None, (message, *more)))
    if not code and not message:
        message = f"no error of Amazon's but {_kind_of(body)}"
        title = _TITLE.search(body)
        if title:
            message += f" titled {title[1].decode('utf-8', 'replace').strip()!r}"
    request_id = text(content.get("RequestID")) or text(content.get("RequestId"))
    return code[:100], scrub(message)[:_LONGEST_MESSAGE], request_id[:100] if request_id else None


def _kind_of(body: bytes) -> str:
    start = body[:500].lstrip().lower()
    if not start:
        return _NOTHING
    if b"<html" in start or b"<!doctype html" in start:
        return _PAGE
    return "XML that cannot be read" if start.startswith(b"<") else "a body that is not XML"


def _unreadable(message: str, body: bytes, status: int, meta: ResponseMeta, *, retryable: bool) -> UnreadableResponse:
    # A body that was damaged in transit may arrive whole the next time; a web page will not change.
    return UnreadableResponse(
        message[:_LONGEST_MESSAGE],
        excerpt=excerpt(body),
        status=status,
        request_id=meta.request_id,
        retryable=retryable and _kind_of(body) != _PAGE,
    )


def excerpt(body: bytes) -> str:
    """The markup of a body's beginning with every text, comment and attribute value replaced by an ellipsis."""
    head = body[:2000].decode("utf-8", "replace")
    if not head.lstrip().startswith("<"):
        return ""
    for pattern, shown in _VALUES:
        head = pattern.sub(shown, head)
    return head[:200]


def scrub(message: str) -> str:
    """Amazon's text without the credentials that it quotes."""
    return _AUTH_TOKEN.sub("amzn.mws.…", _SECRET_PAIR.sub(r"\1\2…", message))


def _skew(headers: Mapping[str, str], now: datetime) -> float | None:
    """Local clock minus Amazon's ``Date`` header, in seconds."""
    there = instant(headers.get("date"))
    return None if there is None else (now - there).total_seconds()


def _is_expired(code: str, message: str, skew_seconds: float | None) -> bool:
    if code == "RequestExpired":
        return True
    # Developer guide, "Errors": InvalidParameterValue is also what an expired request gets.
    if code != "InvalidParameterValue":
        return False
    return "expired" in message.lower() or (
        skew_seconds is not None and abs(skew_seconds) > _TIMESTAMP_TOLERANCE_SECONDS
    )


def _quota_wait(meta: ResponseMeta, message: str, now: datetime, skew_seconds: float | None) -> float:
    """Seconds until the hour ends, measured on Amazon's clock where the answer shows it."""
    resets_at = (meta.quota.resets_at if meta.quota else None) or _reset_in_text(message)
    if resets_at is None:
        return QUOTA_UNKNOWN_SECONDS
    wait = (resets_at - now).total_seconds() + (skew_seconds or 0.0)
    return min(max(wait, 1.0), QUOTA_LONGEST_SECONDS)


def _reset_in_text(message: str) -> datetime | None:
    found = _RESET_IN_TEXT.search(message)
    if not found or found[1] not in _MONTHS:
        return None
    try:
        return datetime(
            int(found[6]),
            _MONTHS.index(found[1]) + 1,
            int(found[2]),
            int(found[3]),
            int(found[4]),
            int(found[5]),
            tzinfo=UTC,
        )
    except ValueError:
        return None
