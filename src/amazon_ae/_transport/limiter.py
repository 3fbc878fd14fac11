"""One rate limiter: ``aiolimiter``'s leaky bucket on an injected clock, with a rolling window and an end to the wait.

``AsyncLimiter`` reads the time of the event loop. Here its public methods (``has_capacity``, ``acquire`` and
``async with``) read the injected clock instead, so that a pace holds in virtual time too.

The bucket holds *at arrival*: Amazon counts a request when it arrives, some time between our send and its answer.
``async with limiter:`` around the request keeps its slot taken until the answer is there, and only then lets it
restore. Counted that late, no order of arrival can pass Amazon's limit.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from types import TracebackType
from typing import Final

from aiolimiter import AsyncLimiter

from amazon_ae._clocks import SteadyTime
from amazon_ae._exceptions import QuotaTimeout
from amazon_ae._ports import Clock

__all__ = ["Limiter"]

# A wait too short for the clock to move would be repeated without end.
_SHORTEST_WAIT_SECONDS: Final = 0.001


class Limiter(AsyncLimiter):
    """A leaky bucket, and a limit per rolling window where there is one.

    Args:
        clock: the time source, which also sleeps.
        burst: slots after a long idle time.
        restore_seconds: one slot comes back per this many seconds.
        limit: slots in any ``window_seconds``; ``None``: the bucket alone limits.
        window_seconds: length of the rolling window.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        burst: float,
        restore_seconds: float,
        limit: int | None = None,
        window_seconds: float = 3600.0,
    ) -> None:
        super().__init__(burst, burst * restore_seconds)
        self._clock = clock
        self._steady = SteadyTime(clock)
        self._restore_seconds = restore_seconds
        self._limit = limit
        self._window_seconds = window_seconds
        self._window: deque[float] = deque()
        self._spent = 0.0
        self._spent_at = 0.0
        self._in_flight = 0
        self._blocked_until = 0.0

    @property
    def restore_seconds(self) -> float:
        """Seconds in which one slot comes back, as stated last."""
        return self._restore_seconds

    def has_capacity(self, amount: float = 1) -> bool:
        """Whether ``amount`` slots are free now."""
        return self.wait_seconds(amount) == 0.0

    def wait_seconds(self, amount: float = 1) -> float:
        """Seconds until ``amount`` slots are free; 0 if they are. While requests are in flight, the least it takes."""
        now = self._restore()
        over = self._spent + self._in_flight + amount - self.max_rate
        seconds = max(over * self._restore_seconds, self._window_wait(now), self._blocked_until - now)
        # A slot that restores by a rounding error too late is there.
        return max(seconds, _SHORTEST_WAIT_SECONDS) if seconds > 1e-9 else 0.0

    async def acquire(self, amount: float = 1, *, deadline: datetime | None = None) -> None:
        """Take ``amount`` slots, waiting for them; they restore from now on. Cancelling the wait takes nothing.

        Args:
            deadline: an instant, aware UTC; a wait that would go beyond it ends at once.

        Raises:
            QuotaTimeout: no slot before ``deadline``; ``retry_at`` says when there is one.
        """
        while seconds := self.wait_seconds(amount):
            free_at = self._clock.now() + timedelta(seconds=seconds)
            if deadline is not None and free_at > deadline:
                raise QuotaTimeout(
                    f"no slot before the deadline; the next one is free in {seconds:.0f} s", retry_at=free_at
                )
            await self._clock.sleep(seconds)
        self._spent += amount
        self._remember(amount)

    async def __aenter__(self) -> None:
        await self.acquire()
        self.hold()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def hold(self) -> None:
        """Keep the slot just taken for a request in flight: it restores after ``release``."""
        self._spent = max(0.0, self._spent - 1)
        self._in_flight += 1
        if self._window:
            self._window.pop()

    def release(self) -> None:
        """The answer arrived: the slot that ``hold`` kept begins to restore."""
        self._restore()
        self._in_flight -= 1
        self._spent += 1
        self._remember(1)

    def drain(self) -> None:
        """Empty the bucket, because Amazon reported it empty. The next slot is free one restore interval from now."""
        self._restore()
        self._spent = max(self._spent, self.max_rate - self._in_flight)

    def block(self, seconds: float) -> None:
        """Give no slot for ``seconds`` from now, because Amazon reported that the window is used up."""
        self._blocked_until = max(self._blocked_until, self._steady.time() + seconds)

    def learn(self, restore_seconds: float) -> None:
        """Use the rate that Amazon stated from now on; slots spent so far were restored at the old one."""
        self._restore()
        self._restore_seconds = restore_seconds
        self.time_period = self.max_rate * restore_seconds

    def _restore(self) -> float:
        now = self._steady.time()
        self._spent = max(0.0, self._spent - (now - self._spent_at) / self._restore_seconds)
        self._spent_at = now
        while self._window and self._window[0] + self._window_seconds <= now:
            self._window.popleft()
        return now

    def _remember(self, amount: float) -> None:
        if self._limit is not None:
            self._window.extend([self._steady.time()] * round(amount))

    def _window_wait(self, now: float) -> float:
        if self._limit is None:
            return 0.0
        over = len(self._window) + self._in_flight + 1 - self._limit
        if over <= 0:
            return 0.0
        if over > len(self._window):
            return self._restore_seconds  # the window is full of requests in flight
        return self._window[over - 1] + self._window_seconds - now
