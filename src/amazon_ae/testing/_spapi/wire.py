"""Parses requests, and builds answers and errors in Amazon's format."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import attrs

from amazon_ae.testing._network import Answer

__all__ = [
    "TWO_MINUTES",
    "Refused",
    "Reply",
    "Request",
    "api_error",
    "instant",
    "invalid",
    "json_answer",
    "lwa_error",
    "mapping",
    "mappings",
    "moment",
    "s3_error",
    "seal",
    "texts",
    "unauthorized",
    "unseal",
]

_ERROR_TYPES: Final = {400: "InvalidInputException", 403: "AccessDeniedException", 404: "ResourceNotFoundException"}


class Refused(Exception):
    """A request that Amazon refuses.

    Args:
        status: the HTTP status.
        code, message, details: of the error list; ``message`` may be ``None``, as it was seen live.
    """

    def __init__(self, status: int, code: str, message: str | None, details: str | None = None) -> None:
        super().__init__(code, message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details


def invalid(message: str, details: str | None = None) -> Refused:
    """400 ``InvalidInput``."""
    return Refused(400, "InvalidInput", message, details)


def unauthorized(details: str | None = None) -> Refused:
    """403 ``Unauthorized``: token, role, or a path that does not exist."""
    return Refused(403, "Unauthorized", "Access to requested resource is denied.", details or "")


@attrs.frozen(kw_only=True)
class Request:
    """One request of the API, after its token was checked.

    Attributes:
        parts: path parameters, unquoted.
        query: as sent; a repeated parameter is joined by commas.
        body: the JSON document, or ``None``.
        origin: scheme and host that the client used; pre-signed URLs of a served fake are below it.
        application: the client id of the application.
        is_restricted: whether a restricted data token for this operation came with it.
    """

    method: str
    path: str
    parts: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    headers: Mapping[str, str]
    now: datetime
    origin: str
    application: str = ""
    is_restricted: bool = False

    def texts(self, name: str) -> list[str]:
        """A comma-joined list; empty where the parameter is missing."""
        value = self.query.get(name, "")
        return value.split(",") if value else []

    def moment(self, name: str) -> datetime | None:
        """An instant.

        Raises:
            Refused: it is not ISO 8601.
        """
        return moment(self.query[name], name) if self.query.get(name) else None

    def number(self, name: str, default: int, *, low: int, high: int) -> int:
        """A whole number within its bounds.

        Raises:
            Refused: it is not one.
        """
        text = self.query.get(name)
        if text is None:
            return default
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise invalid(f"{name} must be a number from {low} to {high}.")
        return int(text)

    def member(self, name: str, kind: type = str) -> Any:
        """A required member of the body.

        Raises:
            Refused: the body is no object, or the member is missing, empty or of another type.
        """
        value = self.body.get(name) if isinstance(self.body, dict) else None
        if not isinstance(value, kind) or value in ("", [], {}):
            raise invalid(f"'{name}' is missing or not valid.")
        return value


def mapping(value: Any, name: str) -> dict[str, Any]:
    """An optional object of a body; empty where it is missing.

    Raises:
        Refused: it is something else.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid(f"'{name}' must be an object.")
    return value


def mappings(value: Any, name: str) -> list[dict[str, Any]]:
    """An optional list of objects; empty where it is missing.

    Raises:
        Refused: it is something else.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise invalid(f"'{name}' must be a list.")
    return [mapping(row, name) for row in value]


def texts(value: Any, name: str) -> tuple[str, ...]:
    """An optional list of texts; empty where it is missing.

    Raises:
        Refused: it is something else.
    """
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise invalid(f"'{name}' must be a list of texts.")
    return tuple(value)


@attrs.frozen
class Reply:
    """A good answer of an operation; a ``body`` of ``None`` has no content."""

    status: int
    body: Any


def json_answer(status: int, body: Any, headers: Iterable[tuple[str, str]] = ()) -> Answer:
    """An answer with a JSON document, or an empty one."""
    content = b"" if body is None else json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return Answer(status, [("Content-Type", "application/json"), *headers], content)


def api_error(refused: Refused) -> Answer:
    """The API's error list."""
    row: dict[str, Any] = {"code": refused.code, "message": refused.message}
    if refused.details is not None:
        row["details"] = refused.details
    kind = _ERROR_TYPES.get(refused.status)
    return json_answer(refused.status, {"errors": [row]}, [("x-amzn-ErrorType", kind)] if kind else [])


def lwa_error(refused: Refused) -> Answer:
    """An error of Login with Amazon."""
    return json_answer(refused.status, {"error": refused.code, "error_description": refused.message or ""})


def s3_error(refused: Refused) -> Answer:
    """An error of the document store, in S3's XML."""
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{refused.code}</Code><Message>{refused.message}</Message>{refused.details or ''}"
        "<RequestId>SANDBOX0000000000</RequestId><HostId>c2FuZGJveA==</HostId></Error>"
    )
    return Answer(refused.status, [("Content-Type", "application/xml")], text.encode())


def instant(value: datetime) -> str:
    """``2026-11-28T09:00:00Z``."""
    return value.astimezone(UTC).replace(microsecond=0).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str, name: str) -> datetime:
    """Read an instant.

    Raises:
        Refused: it is not ISO 8601; one without a zone counts as UTC.
    """
    try:
        value = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise invalid(f"'{name}' is not a valid ISO 8601 date: {text}") from None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def seal(content: Mapping[str, Any]) -> str:
    """An opaque page token; it holds ``+``, ``/`` and ``=`` as Amazon's do."""
    text = json.dumps(content, separators=(",", ":"), sort_keys=True).encode()
    return base64.b64encode(b"\xfb\xff" + zlib.crc32(text).to_bytes(4, "big") + text).decode()


def unseal(token: str, name: str) -> dict[str, Any]:
    """What ``seal`` put in.

    Raises:
        Refused: it is not a token of ours, or it was changed on its way.
    """
    try:
        data = base64.b64decode(token, validate=True)
    except ValueError:
        data = b""
    if data[:2] != b"\xfb\xff" or zlib.crc32(data[6:]) != int.from_bytes(data[2:6], "big"):
        raise invalid(f"The {name} is not valid.")
    return dict(json.loads(data[6:]))


TWO_MINUTES: Final = timedelta(minutes=2)
"""Order lists leave out the last two minutes (model of searchOrders, ``lastUpdatedBefore``)."""
