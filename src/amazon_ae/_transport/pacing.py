"""Keeps every operation below Amazon's limits, and obeys Amazon when it says that they were passed.

``aiolimiter``'s bucket paces each (seller, developer, operation group); a rolling hour is counted beside it where
Amazon has an hourly quota, because a bucket of 10 that gives back one per 45 s admits 90 in its first hour.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import Final

from amazon_ae._clocks import ClockLimiter, SteadyTime
from amazon_ae._exceptions import QuotaExceeded, QuotaTimeout, RequestThrottled
from amazon_ae._ports import Clock
from amazon_ae._transport.throttles import Throttle

__all__ = ["Pacer"]

_HOUR_SECONDS: Final = 3600.0


class Pacer:
    """The paces of any number of sellers in one process. Clients that share one share the paces.

    Args:
        clock: tells the time and sleeps.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._paces: dict[tuple[str, str], _Pace] = {}

    def _pace(self, owner: str, throttle: Throttle) -> _Pace:
        pace = self._paces.get((owner, throttle.group))
        if pace is None:
            pace = self._paces[owner, throttle.group] = _Pace(self._clock, throttle)
        return pace

    async def take(
        self, owner: str, throttle: Throttle, *, wait: bool = True, deadline: datetime | None = None
    ) -> None:
        """Take a place, waiting for one. Cancelling the wait takes nothing.

        Raises:
            QuotaTimeout: no place before ``deadline``, or none now and ``wait`` is false; ``retry_at`` is the next
                chance.
        """
        pace = self._pace(owner, throttle)
        while seconds := pace.wait_seconds():
            free_at = self._clock.now() + timedelta(seconds=seconds)
            if not wait or (deadline is not None and free_at > deadline):
                raise QuotaTimeout(f"{throttle.group}: no place for {seconds:.0f} s", retry_at=free_at)
            await self._clock.sleep(seconds)
        await pace.take()

    def obey(self, owner: str, throttle: Throttle, error: RequestThrottled | QuotaExceeded) -> None:
        """Amazon refused: nobody of this group sends before the refusal is over."""
        self._pace(owner, throttle).obey(error)


class _Pace:
    """One group of operations of one seller."""

    def __init__(self, clock: Clock, throttle: Throttle) -> None:
        self._clock = clock
        self._time = SteadyTime(clock)
        self._bucket = ClockLimiter(clock, burst=throttle.burst, restore_seconds=throttle.restore_seconds)
        self._hour: deque[float] | None = None if throttle.per_hour is None else deque(maxlen=throttle.per_hour)
        self._closed_until = 0.0

    def wait_seconds(self) -> float:
        """Seconds until a place is free; 0 if one is."""
        now = self._time.time()
        seconds = max(self._bucket.wait_seconds(), self._closed_until - now)
        if self._hour is not None and len(self._hour) == self._hour.maxlen:
            # The oldest of the last n requests leaves the rolling hour.
            seconds = max(seconds, self._hour[0] + _HOUR_SECONDS - now)
        # A wait too short for the clock to move would be asked for without end.
        return max(seconds, 0.001) if seconds > 0 else 0.0

    async def take(self) -> None:
        """Take the place that is free now: does not wait, so nobody else runs in between."""
        await self._bucket.take()
        if self._hour is not None:
            self._hour.append(self._time.time())

    def obey(self, error: RequestThrottled | QuotaExceeded) -> None:
        """The bucket is empty, or the hour is used up until ``retry_at``."""
        if isinstance(error, RequestThrottled):
            self._bucket.drain()
        elif error.retry_at is not None:
            seconds = (error.retry_at - self._clock.now()).total_seconds()
            self._closed_until = max(self._closed_until, self._time.time() + seconds)
