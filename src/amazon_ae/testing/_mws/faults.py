"""Faults that a test or a demonstration can order: on the way to MWS, inside it, or on the way back."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["NOT_DONE", "ON_THE_WAY_BACK", "MwsFault"]


class MwsFault(StrEnum):
    """The fault. "Done" means that the marketplace carried the request out all the same."""

    THROTTLED = "throttled"
    """503 ``RequestThrottled``; nothing was done."""
    QUOTA_EXCEEDED = "quota_exceeded"
    """503 ``QuotaExceeded``; nothing was done."""
    INTERNAL_ERROR = "internal_error"
    """500 ``InternalError``; nothing was done."""
    UNAVAILABLE = "unavailable"
    """503 ``ServiceUnavailable``; nothing was done."""
    HTML_ERROR = "html_error"
    """503 with a web page, as a proxy sends it; nothing was done."""
    HTML_PAGE = "html_page"
    """200 with a web page; nothing was done."""
    EMPTY = "empty"
    """The right status with an empty body; done."""
    TRUNCATED = "truncated"
    """The right answer, cut in half; done."""
    WRONG_MD5 = "wrong_md5"
    """The right document under a wrong ``Content-MD5``; done."""
    NOT_REACHED = "not_reached"
    """No connection; nothing was done."""
    ANSWER_LOST = "answer_lost"
    """The connection breaks before the answer arrives; done."""
    NEVER_ANSWERED = "never_answered"
    """The answer never comes: the client waits until its read timeout; done."""
    LATE = "late"
    """The request arrives ``seconds`` later: the client sees a timeout, and MWS carries it out afterwards."""
    SLOW = "slow"
    """The right answer after ``seconds`` of the clock; done at once."""


NOT_DONE = frozenset(
    (
        MwsFault.THROTTLED,
        MwsFault.QUOTA_EXCEEDED,
        MwsFault.INTERNAL_ERROR,
        MwsFault.UNAVAILABLE,
        MwsFault.HTML_ERROR,
        MwsFault.HTML_PAGE,
        MwsFault.NOT_REACHED,
    )
)

ON_THE_WAY_BACK = frozenset((MwsFault.ANSWER_LOST, MwsFault.NEVER_ANSWERED))
