"""Parses signed requests, and builds answers and errors in Amazon's format."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

import attrs

from amazon_ae.testing._mws.quotas import SECTIONS, Limit
from amazon_ae.testing._network import Answer, Headers, named_headers

__all__ = [
    "Answer",
    "Refused",
    "Request",
    "Result",
    "instant",
    "invalid",
    "is_number",
    "read_request",
    "seconds_instant",
    "wire_date",
]

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Result(NamedTuple):
    """What an operation gives: XML for the documented envelope, or with ``content_type`` a raw document."""

    content: str | bytes
    content_type: str | None = None


class Refused(Exception):
    """An error answer. ``status`` and ``code`` as in the developer guide, "API errors"."""

    def __init__(self, status: int, code: str, message: str, *, sender: bool = True, namespace: bool = True) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.sender = sender
        self.namespace = namespace


@attrs.frozen(kw_only=True)
class Request:
    """One request, as far as it could be understood.

    Attributes:
        section: ``"Orders"``, ``"Feeds"``, ...
        action: the operation.
        pairs: every parameter as it was sent, decoded, in its order.
        params: the same as a mapping.
        headers: lower-case names.
        limit: what throttles this operation.
    """

    method: str
    host: str
    path: str
    section: str
    action: str
    pairs: tuple[tuple[str, str], ...] = attrs.field(repr=False)
    params: Mapping[str, str] = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    now: datetime
    limit: Limit

    @property
    def seller_id(self) -> str:
        """``SellerId``, or ``Merchant`` as Amazon's Java client names it."""
        return self.params.get("SellerId") or self.params.get("Merchant", "")

    def text(self, name: str) -> str:
        """A required parameter."""
        value = self.params.get(name, "")
        if not value:
            raise Refused(400, "MissingParameter", f"The request must contain the parameter {name}.")
        return value

    def texts(self, prefix: str) -> list[str]:
        """A list parameter: ``prefix`` is the name up to the number, e.g. ``"OrderStatus.Status."``."""
        numbered = [
            (int(name[len(prefix) :]), value)
            for name, value in self.pairs
            if name.startswith(prefix) and is_number(name[len(prefix) :])
        ]
        return [value for _, value in sorted(numbered)]

    def number(self, name: str, default: int, *, low: int, high: int) -> int:
        """An optional whole number between ``low`` and ``high``."""
        text = self.params.get(name)
        if text is None:
            return default
        if not is_number(text) or not low <= int(text) <= high:
            raise invalid(name, text, f"must be a number from {low} to {high}")
        return int(text)

    def flag(self, name: str, default: bool = False) -> bool:
        """An optional ``true`` or ``false``."""
        text = self.params.get(name)
        if text is None:
            return default
        if text not in ("true", "false"):
            raise invalid(name, text, "must be true or false")
        return text == "true"

    def moment(self, name: str) -> datetime | None:
        """An optional ISO 8601 instant; a date alone means its midnight, UTC."""
        text = self.params.get(name)
        if text is None:
            return None
        try:
            value = datetime.fromisoformat(text)
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        except (ValueError, OverflowError):
            raise invalid(name, text, "must be in ISO 8601 format") from None


def is_number(text: str) -> bool:
    """Whether it is a whole number in ASCII digits; ``str.isdigit`` also takes what ``int`` refuses."""
    return text.isascii() and text.isdigit()


def invalid(name: str, value: str, rule: str) -> Refused:
    """The error for a parameter that breaks a rule."""
    return Refused(400, "InvalidParameterValue", f"Invalid value {value!r} for the parameter {name}: it {rule}.")


def read_request(method: str, url: str, headers: Headers, body: bytes, now: datetime) -> Request:
    """Take a request apart.

    Raises:
        Refused: it names no section or operation that this marketplace has.
    """
    named = named_headers(headers)
    parts = urlsplit(url)
    host = (named.get("host") or parts.netloc).lower()
    name, _, port = host.rpartition(":")
    if name and port.isdigit() and int(port) == _DEFAULT_PORTS.get(parts.scheme):
        host = name
    if method not in ("GET", "POST"):
        raise Refused(400, "InvalidRequest", f"The HTTP method {method} is not supported.", namespace=False)
    query = _pairs(parts.query)
    # SubmitFeed has its parameters in the query and the feed in the body; everything else may use either.
    is_form = named.get("content-type", "").lower().startswith("application/x-www-form-urlencoded")
    pairs = query + (_pairs(body.decode("utf-8", "replace")) if is_form and body else ())
    params = dict(pairs)
    if not params.get("AWSAccessKeyId"):
        raise Refused(400, "MissingClientTokenId", "Request must contain AWSAccessKeyId.", namespace=False)
    section = _section(parts.path or "/", params)
    action = params.get("Action", "")
    limit = SECTIONS[section].operations.get(action)
    if limit is None:
        raise Refused(400, "InvalidAction", f"The action {action!r} is not valid for this web service.")
    return Request(
        method=method,
        host=host,
        path=parts.path or "/",
        section=section,
        action=action,
        pairs=pairs,
        params=params,
        headers=named,
        body=b"" if is_form else body,
        now=now,
        limit=limit,
    )


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    return tuple(parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="replace"))


def _section(path: str, params: Mapping[str, str]) -> str:
    """The section that a path names. Amazon's own clients used ``/`` for Feeds and Reports: the operation decides."""
    version = params.get("Version", "")
    if path == "/":
        for name in ("Feeds", "Reports"):
            if version == SECTIONS[name].version and params.get("Action") in SECTIONS[name].operations:
                return name
    name, _, path_version = path.strip("/").partition("/")
    section = SECTIONS.get(name)
    if section is None or path_version != section.version:
        # Recorded for a path without its version.
        raise Refused(
            404,
            "InvalidAddress",
            f"Resource {path} is not found on this server. API Version is missing",
            namespace=False,
        )
    if version != section.version:
        raise invalid("Version", version, f"must be {section.version}")
    return name


def instant(value: datetime) -> str:
    """``2021-11-18T09:00:00.000Z``: instants of Orders, Sellers and the headers."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"


def seconds_instant(value: datetime) -> str:
    """``2021-11-18T09:00:00Z``: order dates."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def wire_date(value: datetime) -> str:
    """``2021-11-18T09:00:00+00:00``: dates of Feeds and Reports, whole seconds only."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")
