"""Putting answers together: the documented envelope, the headers, the errors, and what faults make of them."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Final

from amazon_ae.testing._mws.faults import MwsFault
from amazon_ae.testing._mws.quotas import SECTIONS, Meter
from amazon_ae.testing._mws.wire import Answer, Refused, Request, Result, instant
from amazon_ae.testing._mws.xml import error, response

__all__ = [
    "common_headers",
    "error_answer",
    "good_answer",
    "ping",
    "quota_exceeded",
    "quota_headers",
    "refusal_of",
    "spoil",
    "throttled",
]

_HTML: Final = (
    b"<html><head><title>503 Service Unavailable</title></head><body><h1>Service Unavailable</h1></body></html>"
)


def throttled() -> Refused:
    """The bucket is empty."""
    return Refused(503, "RequestThrottled", "Request is throttled", sender=False)


def quota_exceeded(request: Request, resets_at: datetime) -> Refused:
    """The hour is used up."""
    # Recorded to the letter: two spaces after the full stop, no namespace on the root.
    version = SECTIONS[request.section].version
    return Refused(
        503,
        "QuotaExceeded",
        f"You exceeded your quota of {request.limit.per_hour or 0:.1f} requests per 1 hour for operation "
        f"{request.section}/{version}/{request.action}.  Your quota will reset on "
        f"{resets_at.strftime('%a %b %d %H:%M:%S UTC %Y')}",
        namespace=False,
    )


def refusal_of(fault: MwsFault, request: Request, now: datetime) -> Refused:
    """The error of an ordered fault."""
    if fault is MwsFault.THROTTLED:
        return throttled()
    if fault is MwsFault.QUOTA_EXCEEDED:
        return quota_exceeded(request, now + timedelta(minutes=10))
    if fault is MwsFault.INTERNAL_ERROR:
        return Refused(500, "InternalError", "We encountered an internal error. Please try again.", sender=False)
    return Refused(503, "ServiceUnavailable", "Service is temporarily unavailable. Please try again.", sender=False)


def good_answer(result: Result, request: Request, request_id: str) -> Answer:
    """A good answer; raw documents carry their MD5."""
    if result.content_type is not None:
        body = result.content if isinstance(result.content, bytes) else result.content.encode()
        # A checksum for the reader, not a safeguard.
        md5 = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        return Answer(200, [("Content-Type", result.content_type), ("Content-MD5", md5)], body)
    assert isinstance(result.content, str)
    body = response(request.action, SECTIONS[request.section].namespace, result.content, request_id)
    return Answer(200, [("Content-Type", "text/xml")], body)


def error_answer(refused: Refused, request: Request | None, request_id: str) -> Answer:
    """An error answer."""
    namespace = SECTIONS[request.section].namespace if request is not None and refused.namespace else None
    rows = [("Sender" if refused.sender else "", refused.code, refused.message)]
    body = error(rows, namespace=namespace, request_id=request_id, legacy_id=refused.sender)
    return Answer(refused.status, [("Content-Type", "text/xml")], body)


def ping(now: datetime) -> Answer:
    """The unsigned answer to ``GET /`` (developer guide, "Timestamps")."""
    body = f'<?xml version="1.0"?>\n<PingResponse><Timestamp timestamp="{instant(now)}"/></PingResponse>'.encode()
    headers = [("Content-Type", "text/xml"), ("Date", _http_date(now)), ("Content-Length", str(len(body)))]
    return Answer(200, headers, body)


def _http_date(now: datetime) -> str:
    return format_datetime(now, usegmt=True)


def common_headers(now: datetime, request_id: str, length: int) -> list[tuple[str, str]]:
    """What every answer carries."""
    context = base64.b64encode(hashlib.sha256(request_id.encode()).digest()).decode()
    return [
        ("Date", _http_date(now)),
        ("Content-Length", str(length)),
        ("x-mws-request-id", request_id),
        ("x-mws-timestamp", instant(now)),
        ("x-mws-response-context", context),
    ]


def quota_headers(meter: Meter, now: datetime) -> list[tuple[str, str]]:
    """What Feeds and Reports add: decimals and ISO 8601, as in recordings of 2018 to 2020."""
    if meter.limit.per_hour is None:
        return []
    return [
        ("x-mws-quota-max", f"{meter.limit.per_hour:.1f}"),
        ("x-mws-quota-remaining", f"{meter.left(now) or 0:.1f}"),
        ("x-mws-quota-resetsOn", instant(meter.resets_at(now))),
    ]


def spoil(answer: Answer, fault: MwsFault) -> Answer:
    """What is left of an answer after a fault."""
    headers = [row for row in answer.headers if row[0] not in ("Content-Length", "Content-Type")]
    kind = next(value for name, value in answer.headers if name == "Content-Type")
    body = answer.body
    status = answer.status
    if fault is MwsFault.HTML_ERROR or fault is MwsFault.HTML_PAGE:
        status, body, kind = (503 if fault is MwsFault.HTML_ERROR else 200), _HTML, "text/html"
    elif fault is MwsFault.EMPTY:
        body = b""
    elif fault is MwsFault.TRUNCATED:
        body = body[: len(body) // 2]
    elif fault is MwsFault.WRONG_MD5:
        headers = [row for row in headers if row[0] != "Content-MD5"] + [("Content-MD5", "1B2M2Y8AsgTpgAmY7PhCfg==")]
    return Answer(status, [*headers, ("Content-Type", kind), ("Content-Length", str(len(body)))], body)
