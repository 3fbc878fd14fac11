"""Faults that a test can order from the Selling Partner API: on the way there, inside, or on the way back."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from amazon_ae.testing._network import Answer
from amazon_ae.testing._spapi.wire import Refused, unauthorized

__all__ = ["NOT_DONE", "ON_THE_WAY", "SpApiFault", "refusal_of", "spoil"]

_HTML: Final = (
    b"<html><head><title>503 Service Unavailable</title></head><body><h1>Service Unavailable</h1></body></html>"
)


class SpApiFault(StrEnum):
    """The fault. "Done" means that Amazon carried the request out all the same."""

    THROTTLED = "throttled"
    """429 ``QuotaExceeded``; nothing was done."""
    INTERNAL_ERROR = "internal_error"
    """500 ``InternalFailure``; nothing was done."""
    UNAVAILABLE = "unavailable"
    """503 ``ServiceUnavailable`` (S3: ``SlowDown``; LWA: ``temporarily_unavailable``); nothing was done."""
    NULL_MESSAGE = "null_message"
    """500 whose error has a ``message`` of null; nothing was done."""
    UNAUTHORIZED = "unauthorized"
    """403 ``Unauthorized``, as for a revoked token; nothing was done."""
    HTML_ERROR = "html_error"
    """503 with a web page, as a gateway sends it; nothing was done."""
    HTML_PAGE = "html_page"
    """200 with a web page; nothing was done."""
    EMPTY = "empty"
    """The right status with an empty body; done."""
    TRUNCATED = "truncated"
    """The right answer, cut in half; done."""
    NOT_REACHED = "not_reached"
    """No connection; nothing was done."""
    ANSWER_LOST = "answer_lost"
    """The connection breaks before the answer arrives; done."""
    NEVER_ANSWERED = "never_answered"
    """The answer never comes: the client waits until its read timeout; done."""
    LATE = "late"
    """The request arrives ``seconds`` later: the client sees a timeout, and Amazon carries it out afterwards."""
    SLOW = "slow"
    """The right answer after ``seconds`` of the clock; done at once."""


NOT_DONE: Final = frozenset(
    (
        SpApiFault.THROTTLED,
        SpApiFault.INTERNAL_ERROR,
        SpApiFault.UNAVAILABLE,
        SpApiFault.NULL_MESSAGE,
        SpApiFault.UNAUTHORIZED,
        SpApiFault.HTML_ERROR,
        SpApiFault.HTML_PAGE,
    )
)
ON_THE_WAY: Final = frozenset((SpApiFault.ANSWER_LOST, SpApiFault.NEVER_ANSWERED))

_API: Final = {
    SpApiFault.THROTTLED: Refused(429, "QuotaExceeded", "You exceeded your quota for the requested resource.", ""),
    SpApiFault.NULL_MESSAGE: Refused(500, "InternalFailure", None),
    SpApiFault.UNAUTHORIZED: unauthorized("The access token you provided is revoked, malformed or invalid."),
    SpApiFault.INTERNAL_ERROR: Refused(
        500, "InternalFailure", "We encountered an internal error. Please try again.", ""
    ),
    SpApiFault.UNAVAILABLE: Refused(503, "ServiceUnavailable", "Service is temporarily unavailable.", ""),
}
_LWA: Final = {
    SpApiFault.UNAUTHORIZED: Refused(401, "invalid_client", "Client authentication failed"),
    SpApiFault.INTERNAL_ERROR: Refused(500, "server_error", "The authorization server encountered an error"),
}
_S3: Final = {
    SpApiFault.UNAUTHORIZED: Refused(403, "AccessDenied", "Request has expired"),
    SpApiFault.INTERNAL_ERROR: Refused(500, "InternalError", "We encountered an internal error. Please try again."),
}


def refusal_of(fault: str, kind: str) -> Refused:
    """The error of an ordered fault at ``"api"``, ``"lwa"`` or ``"s3"``."""
    if kind == "lwa":
        busy = Refused(503, "temporarily_unavailable", "The authorization server is overloaded")
        return _LWA.get(SpApiFault(fault), busy)
    if kind == "s3":
        return _S3.get(SpApiFault(fault), Refused(503, "SlowDown", "Please reduce your request rate."))
    return _API.get(SpApiFault(fault), _API[SpApiFault.UNAVAILABLE])


def spoil(answer: Answer, fault: str) -> Answer:
    """What is left of an answer after a fault."""
    if fault in (SpApiFault.HTML_ERROR, SpApiFault.HTML_PAGE):
        headers = [row for row in answer.headers if row[0].lower() not in ("content-type", "x-amzn-errortype")]
        status = 503 if fault == SpApiFault.HTML_ERROR else 200
        return Answer(status, [*headers, ("Content-Type", "text/html")], _HTML)
    if fault == SpApiFault.EMPTY:
        return Answer(answer.status, answer.headers, b"")
    if fault == SpApiFault.TRUNCATED:
        return Answer(answer.status, answer.headers, answer.body[: len(answer.body) // 2])
    return answer
