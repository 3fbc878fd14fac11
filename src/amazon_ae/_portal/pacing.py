"""Rate limit and kill switch of every request to the site."""

from __future__ import annotations

from collections.abc import Callable

from amazon_ae._exceptions import PortalStopped
from amazon_ae._ports import Clock
from amazon_ae._transport.limiter import Limiter

__all__ = ["RequestPacer"]


class RequestPacer:
    """The kill switch and the rate limit: every request passes here.

    Args:
        burst: requests at once after a quiet time.
        restore_seconds: afterwards one request per this many seconds.
        stopped: the host's own kill switch (a file, a row, an event), asked before each request.
    """

    def __init__(
        self, clock: Clock, *, burst: float, restore_seconds: float, stopped: Callable[[], bool] | None = None
    ) -> None:
        self._limiter = Limiter(clock, burst=burst, restore_seconds=restore_seconds)
        self._stopped = stopped
        self._is_stopped = False

    def stop(self) -> None:
        """Refuse every request from now on."""
        self._is_stopped = True

    def resume(self) -> None:
        """Let requests pass again; the host's own switch still counts."""
        self._is_stopped = False

    def check(self, step: str) -> None:
        """Raises ``PortalStopped`` if a kill switch is on."""
        if self._is_stopped or (self._stopped is not None and self._stopped()):
            raise PortalStopped("the kill switch is on; nothing more is sent to Seller Central", step=step)

    async def acquire(self, step: str) -> None:
        """Wait for a turn; raises ``PortalStopped`` if a kill switch is on, also if it came on during the wait."""
        self.check(step)
        await self._limiter.acquire()
        self.check(step)
