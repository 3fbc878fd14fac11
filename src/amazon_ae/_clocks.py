"""The machine's clock, and seconds that never run backwards on any clock."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from amazon_ae._ports import Clock

__all__ = ["SteadyTime", "SystemClock"]


class SystemClock:
    """The machine's clock: the default of every ``clock=`` parameter."""

    def now(self) -> datetime:
        """The present instant, aware UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Sleep ``seconds``; at once when zero or less."""
        await asyncio.sleep(max(0.0, seconds))


class SteadyTime:
    """Seconds on an injected clock that never run backwards, so that a clock that is set back does not stop a rate
    limiter.

    Args:
        clock: the time source.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen = clock.now().timestamp()
        self._seconds = 0.0

    def time(self) -> float:
        """Seconds since this was made."""
        now = self._clock.now().timestamp()
        self._seconds += max(0.0, now - self._seen)
        self._seen = now
        return self._seconds
