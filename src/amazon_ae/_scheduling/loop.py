"""The background task of one scheduler: pass, sleep until the next pass is due or something happens, end in time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from amazon_ae._backoff import doubling
from amazon_ae._exceptions import ConfigurationError, StorageError
from amazon_ae._models.feeds import ItemKind
from amazon_ae._scheduling.context import SchedulerContext
from amazon_ae._scheduling.dispatcher import Dispatcher
from amazon_ae._scheduling.pass_limits import PassTurn, jitter, pass_limit
from amazon_ae._scheduling.waiters import Waiters

__all__ = ["SchedulerLoop"]

logger: Final[logging.Logger] = logging.getLogger(__name__)

# A sleep ends this much after the instant that it was for, so that rounding never makes it end just before.
_AFTER: Final = 0.001
_FAILURE_FIRST: Final = 2.0
_FAILURE_LIMIT: Final = 60.0
# Idle schedulers of many sellers spread over this part of ``idle_seconds``.
_SPREAD: Final = 0.2


class SchedulerLoop:
    """Runs the passes of one scheduler."""

    def __init__(self, context: SchedulerContext, waiters: Waiters) -> None:
        self._context = context
        self._waiters = waiters
        self._jitter = jitter(context.account)
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.Future[None] | None = None
        self._woken = False
        self._turn = PassTurn()
        self._notice: asyncio.Task[None] | None = None
        self._noticed_at = context.now()
        self._unwatch: Callable[[], None] | None = None

    @property
    def running(self) -> bool:
        """Whether it works in the background."""
        return self._task is not None

    def start(self, dispatcher: Dispatcher) -> None:
        """Begin to work in the background.

        Raises:
            ConfigurationError: it works already.
        """
        if self._task is not None:
            raise ConfigurationError("this scheduler works already")
        loop = asyncio.get_running_loop()
        dispatcher.closing = self._waiters.closed = False

        def here(notice: Callable[[], None]) -> None:
            """Call on the event loop, also where the store calls from a thread of its own."""
            try:
                same = asyncio.get_running_loop() is loop
            except RuntimeError:
                same = False
            if same:
                notice()
            elif not loop.is_closed():
                loop.call_soon_threadsafe(notice)

        def something_waits() -> None:
            if self._notice is None:  # else a notice is on its way, and its pass will see this too
                here(lambda: self._noticed(dispatcher))

        def something_settled(kind: ItemKind, keys: Sequence[str]) -> None:
            if kind is ItemKind.PICKUP:
                here(lambda: self._settled(dispatcher, keys))

        self._unwatch = self._context.storage.watch(self._context.account, something_waits, settled=something_settled)
        self._task = asyncio.create_task(self._run(dispatcher), name=f"FeedScheduler {self._context.account}")

    async def stop(self, dispatcher: Dispatcher) -> None:
        """Send nothing more, let what is under way end (at most ``drain_seconds``), then stop. Twice is fine."""
        dispatcher.closing = True
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        if self._notice is not None:
            self._notice.cancel()
            self._notice = None
        try:
            self.wake()
            await self._drain(dispatcher)
            self._task = None
        finally:
            self._waiters.close()  # also when the host cancels this: no caller waits forever
        await dispatcher.leases.hand_over()

    def wake(self) -> None:
        """Pass at once."""
        self._woken = True
        pass_limit(self._context.storage).hurry(self._turn)
        if self._timer is not None:
            self._timer.cancel()

    async def _run(self, dispatcher: Dispatcher) -> None:
        failures = 0
        while not dispatcher.closing:
            try:
                seconds = await self.limited(dispatcher.tick())
                failures = 0
            except StorageError as error:
                failures += 1
                seconds = self._spread(doubling(failures, first=_FAILURE_FIRST, limit=_FAILURE_LIMIT), 0.5)
                logger.warning("the store failed: %s; next pass in %.0f s", error, seconds)
            except Exception:
                seconds = _FAILURE_LIMIT
                logger.exception("a pass failed unexpectedly; next pass in %.0f s", seconds)
            if seconds >= self._context.timing.idle_seconds:
                seconds = self._spread(seconds, _SPREAD)
            await self._sleep(seconds, dispatcher)

    async def limited(self, work: Coroutine[Any, Any, float]) -> float:
        """A pass, when few enough others of this store are under way."""
        try:
            async with pass_limit(self._context.storage).turn(self._turn):
                return await work
        finally:
            work.close()

    def _spread(self, seconds: float, part: float) -> float:
        """A little less, by an amount that depends on the account: schedulers do not all pass at the same instant."""
        return seconds * (1.0 - part * self._jitter)

    async def _sleep(self, seconds: float, dispatcher: Dispatcher) -> None:
        """Sleep, or until woken. Waking early costs one extra pass; no instant is waited for, because the clock may be
        set back meanwhile.
        """
        if seconds > 0 and not self._woken and not dispatcher.closing:
            self._timer = asyncio.ensure_future(self._context.clock.sleep(seconds + _AFTER))
            try:
                await asyncio.wait((self._timer,))
            finally:
                self._timer.cancel()
                self._timer = None
        self._woken = False

    async def _drain(self, dispatcher: Dispatcher) -> None:
        def under_way() -> set[asyncio.Task[None]]:
            passing = {self._task} if self._task is not None and not self._task.done() else set()
            return dispatcher.tasks | passing

        if not under_way():
            return
        timer = asyncio.ensure_future(self._context.clock.sleep(self._context.timing.drain_seconds))
        try:
            while (tasks := under_way()) and not timer.done():  # one that ends may start another
                await asyncio.wait({timer, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
        left = [timer, *under_way()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    # Notices of the store

    def _noticed(self, dispatcher: Dispatcher) -> None:
        """An item may be ready to leave: pass, at most once per ``wake_seconds``."""
        if dispatcher.closing or self._notice is not None:
            return
        wake_seconds = self._context.timing.wake_seconds
        rest = wake_seconds - (self._context.now() - self._noticed_at).total_seconds()
        if rest <= 0:
            self._noticed_at = self._context.now()
            self.wake()
        else:
            self._notice = asyncio.ensure_future(self._wake_after(min(rest, wake_seconds)))

    async def _wake_after(self, seconds: float) -> None:
        await self._context.clock.sleep(seconds)
        self._noticed_at = self._context.now()
        self._notice = None
        self.wake()

    def _settled(self, dispatcher: Dispatcher, keys: Sequence[str]) -> None:
        """Outcomes were stored, by any process: callers of this process read theirs."""
        if waiting := self._waiters.waiting(keys):
            dispatcher.perform(self._waiters.reread(waiting))
