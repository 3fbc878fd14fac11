"""Keeps every operation below Amazon's limits, and waits when Amazon reports them exceeded.

One limiter per (account, group of operations). A rolling window is counted beside the bucket where Amazon sets one,
because a bucket of 10 that restores one per 45 s admits 90 in its first hour.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from amazon_ae._exceptions import QuotaExceeded, QuotaTimeout, RequestThrottled
from amazon_ae._models.checks import check_aware
from amazon_ae._ports import Clock
from amazon_ae._transport.limiter import Limiter
from amazon_ae._transport.throttles import Throttle

__all__ = ["Pacer"]


class Pacer:
    """Rate limiters for any number of sellers in one process. Clients that share a pacer share the limits.

    Args:
        clock: the time source, which also sleeps.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._limiters: dict[tuple[str, str], Limiter] = {}

    @asynccontextmanager
    async def slot(
        self, owner: str, throttle: Throttle, *, wait: bool = True, deadline: datetime | None = None
    ) -> AsyncIterator[None]:
        """Take a slot, waiting for one, and keep it taken until the block ends: put the exchange inside.

        Cancelling the wait takes nothing.

        Raises:
            QuotaTimeout: no slot before ``deadline``, or none now and ``wait`` is false; ``retry_at`` is the next
                chance.
        """
        check_aware(deadline=deadline)
        limiter = self._limiter(owner, throttle)
        await self._acquire(limiter, throttle, wait, deadline)
        limiter.hold()
        try:
            yield
        finally:
            limiter.release()

    def obey(self, owner: str, throttle: Throttle, error: RequestThrottled | QuotaExceeded) -> None:
        """Amazon throttled this group: no call of it leaves before the throttle ends."""
        limiter = self._limiter(owner, throttle)
        if isinstance(error, RequestThrottled):
            limiter.drain()
        elif error.retry_at is not None:
            limiter.block((error.retry_at - self._clock.now()).total_seconds())

    def learn(self, owner: str, throttle: Throttle, restore_seconds: float) -> None:
        """Use the rate that Amazon stated for this group from now on, higher or lower."""
        self._limiter(owner, throttle).learn(restore_seconds)

    def restore_seconds(self, owner: str, throttle: Throttle) -> float:
        """Seconds in which one slot of this group comes back: as Amazon stated it last, else the table's."""
        return self._limiter(owner, throttle).restore_seconds

    def _limiter(self, owner: str, throttle: Throttle) -> Limiter:
        limiter = self._limiters.get((owner, throttle.group))
        if limiter is None:
            limiter = self._limiters[owner, throttle.group] = Limiter(
                self._clock,
                burst=throttle.burst,
                restore_seconds=throttle.restore_seconds,
                limit=throttle.limit,
                window_seconds=throttle.window_seconds,
            )
        return limiter

    async def _acquire(self, limiter: Limiter, throttle: Throttle, wait: bool, deadline: datetime | None) -> None:
        if not wait and (seconds := limiter.wait_seconds()):
            free_at = self._clock.now() + timedelta(seconds=seconds)
            raise QuotaTimeout(f"{throttle.group}: no slot for {seconds:.0f} s", retry_at=free_at)
        try:
            await limiter.acquire(deadline=deadline)
        except QuotaTimeout as error:
            raise QuotaTimeout(f"{throttle.group}: {error}", retry_at=error.retry_at) from None
