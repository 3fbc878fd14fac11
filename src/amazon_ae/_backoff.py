"""How long to wait before another attempt: pure numbers, no state but the count of attempts."""

from __future__ import annotations

from amazon_ae._exceptions import (
    AmazonAeError,
    AmazonError,
    NotSent,
    OutcomeUnknown,
    QuotaTimeout,
    RequestExpired,
    SignatureMismatch,
    UnreadableResponse,
)

__all__ = ["doubling", "is_passing"]


def is_passing(error: AmazonAeError) -> bool:
    """Whether a service that runs for days should retry after this error: one rule for the scheduler and ``OrderSync``.

    A wrong clock (``RequestExpired``, at some of Amazon's servers ``SignatureMismatch``) can be corrected while the
    program runs; an unreadable answer may be a proxy's page.
    """
    if isinstance(error, AmazonError):
        return error.retryable or isinstance(error, RequestExpired | SignatureMismatch)
    return isinstance(error, NotSent | OutcomeUnknown | QuotaTimeout | UnreadableResponse)


def doubling(attempts: int, *, first: float, limit: float) -> float:
    """``first`` seconds after the first failed attempt, twice as long after each further one, at most ``limit``."""
    return min(limit, first * 2.0 ** min(max(attempts - 1, 0), 60))
