"""How long to wait before another attempt: pure numbers, no state but the count of attempts."""

from __future__ import annotations

__all__ = ["doubling", "poll_wait"]


def doubling(attempts: int, *, first: float, limit: float) -> float:
    """``first`` seconds after the first failed attempt, twice as long after each further one, at most ``limit``."""
    return min(limit, first * 2.0 ** min(max(attempts - 1, 0), 60))


def poll_wait(age_seconds: float, *, first: float, interval: float, limit: float) -> float:
    """Seconds until a feed's status is worth asking for: at the age ``first``, then every ``interval``, and after ten
    intervals every tenth of its age, at most ``limit``. A feed that takes a day is not asked about every minute.
    """
    if age_seconds < first:
        return first - age_seconds
    return min(limit, max(interval, age_seconds / 10.0))
