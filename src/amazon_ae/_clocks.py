"""The only file that reads the time or sleeps."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from aiolimiter import AsyncLimiter

from amazon_ae._exceptions import QuotaTimeout

if TYPE_CHECKING:
    from amazon_ae._ports import Clock

__all__ = ["ClockLimiter", "SteadyTime", "SystemClock"]


class SystemClock:
    """The machine's clock: the default of every ``clock=`` parameter."""

    def now(self) -> datetime:
        """The present instant, aware UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Sleep ``seconds``; at once when zero or less."""
        await asyncio.sleep(max(0.0, seconds))


class SteadyTime:
    """Seconds on an injected clock that never run backwards: a machine's clock that is set back must not stop a pace.

    Args:
        clock: tells the time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen = clock.now().timestamp()
        self._seconds = 0.0

    def time(self) -> float:
        """Seconds since this was made; what ``AsyncLimiter`` asks its event loop for, as long as it never blocks."""
        now = self._clock.now().timestamp()
        self._seconds += max(0.0, now - self._seen)
        self._seen = now
        return self._seconds


class ClockLimiter(AsyncLimiter):
    """``aiolimiter``'s leaky bucket on an injected clock, with an end to the wait.

    Args:
        clock: tells the time and sleeps.
        burst: places when nothing was used for long.
        restore_seconds: one place comes back per this many seconds.
    """

    def __init__(self, clock: Clock, *, burst: float, restore_seconds: float) -> None:
        super().__init__(burst, burst * restore_seconds)
        self._clock = clock
        self._time = SteadyTime(clock)

    @property
    def _loop(self) -> SteadyTime:  # type: ignore[override]  # the only thing the base class asks of it here is time()
        return self._time

    def wait_seconds(self) -> float:
        """Seconds until a place is free; 0 if one is."""
        if self.has_capacity():
            return 0.0
        return (self._level + 1 - self.max_rate) * self.time_period / self.max_rate

    def drain(self) -> None:
        """Empty the bucket: the other side says that it is. The next place is free one restore interval from now."""
        self._leak()
        self._level = self.max_rate

    async def take(self, *, deadline: datetime | None = None) -> None:
        """Take a place, waiting for one on the injected clock. Cancelling the wait takes nothing.

        Args:
            deadline: an instant, aware UTC; a wait that would go beyond it ends at once.

        Raises:
            QuotaTimeout: no place before ``deadline``; ``retry_at`` says when there is one.
        """
        while seconds := self.wait_seconds():
            free_at = self._clock.now() + timedelta(seconds=seconds)
            if deadline is not None and free_at > deadline:
                raise QuotaTimeout(
                    f"no place before the deadline; the next one is free in {seconds:.0f} s", retry_at=free_at
                )
            await self._clock.sleep(max(seconds, 0.001))
        await super().acquire()
