"""Clocks for tests and demonstrations: an hour of quota in a millisecond, or in a real minute."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from amazon_ae._models.checks import check_aware

__all__ = ["ScaledClock", "VirtualClock"]

_START: Final = datetime(2021, 11, 18, 9, 0, tzinfo=UTC)
# Loop turns without any sign of life before the loop counts as idle, where the loop does not report it itself.
_QUIET_TURNS: Final = 50


class VirtualClock:
    """A clock that moves when a test moves it, or by itself once every task only waits.

    With ``autojump`` (the default), as soon as every task only waits, the clock jumps to the earliest sleeper.
    Without it, ``advance`` moves the clock and wakes sleepers in their order.

    Args:
        start: the first instant, aware UTC; a working morning in Dubai by default.
        autojump: jump by itself when the event loop is idle.
        grace_seconds: real seconds for which the clock must not have been used before it jumps. Give a little (0.02)
            where threads or sockets work besides the loop (SQLite, PostgreSQL, a server): the loop looks idle
            meanwhile. Where the caller sees that work begin and end, ``paused`` is exact and faster.
    """

    def __init__(self, start: datetime = _START, *, autojump: bool = True, grace_seconds: float = 0.0) -> None:
        check_aware(start=start)
        self._now = start.astimezone(UTC)
        self._autojump = autojump
        self._grace_seconds = grace_seconds
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._watch: asyncio.Handle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._quiet_turns = 0
        self._used_at = 0.0
        self._pause_count = 0

    def now(self) -> datetime:
        """The virtual instant, aware UTC."""
        self._touch()
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Sleep in virtual time. ``sleep(0)`` lets others run."""
        self._touch()
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        sleeper = loop.create_future()
        heapq.heappush(self._sleepers, (self._now + timedelta(seconds=seconds), next(self._order), sleeper))
        if self._autojump:
            self._start_watching(loop)
        await sleeper

    def jump(self, seconds: float) -> None:
        """Move the clock without running any task.

        Sleepers that are due wake at the loop's next turns, in their order.
        """
        self._now += timedelta(seconds=seconds)
        self._wake_due()

    async def advance(self, seconds: float) -> None:
        """Move the clock by ``seconds``, stopping at each sleeper on the way so that it runs at its own instant."""
        end = self._now + timedelta(seconds=seconds)
        while self._drop_gone() and self._sleepers[0][0] <= end:
            self._now = max(self._now, self._sleepers[0][0])
            self._wake_due()
            await self._others_run()
        self._now = end
        await self._others_run()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Do not jump by itself in this block: something works besides the event loop. Blocks may overlap."""
        self._pause_count += 1
        try:
            yield
        finally:
            self._pause_count -= 1
            self._touch()
            if self._autojump and not self._pause_count and self._drop_gone():
                self._start_watching(self._sleepers[0][2].get_loop())

    @property
    def sleeping(self) -> int:
        """How many sleepers there are."""
        self._drop_gone()
        return len(self._sleepers)

    async def _others_run(self) -> None:
        for _ in range(_QUIET_TURNS):
            await asyncio.sleep(0)

    def _touch(self) -> None:
        self._quiet_turns = 0
        if self._grace_seconds:
            self._used_at = time.monotonic()

    def _drop_gone(self) -> bool:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return bool(self._sleepers)

    def _wake_due(self) -> None:
        while self._drop_gone() and self._sleepers[0][0] <= self._now:
            heapq.heappop(self._sleepers)[2].set_result(None)

    def _start_watching(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._watch is None or self._loop is not loop:
            self._loop = loop
            self._quiet_turns = 0
            self._watch = loop.call_soon(self._jump_if_idle, loop)

    def _jump_if_idle(self, loop: asyncio.AbstractEventLoop) -> None:
        """Runs once per turn of the loop: jumps when the loop is idle, stops when no task sleeps."""
        self._watch = None
        if self._pause_count or not self._drop_gone():
            return
        self._quiet_turns += 1
        # asyncio's own loops keep a queue of what is ready; empty during our turn, twice, means that no other task
        # runs.
        ready = getattr(loop, "_ready", None)
        idle = self._quiet_turns >= _QUIET_TURNS if ready is None else not ready and self._quiet_turns >= 2
        if ready:
            self._quiet_turns = 0
        if idle and self._grace_seconds and time.monotonic() - self._used_at < self._grace_seconds:
            self._watch = loop.call_later(self._grace_seconds / 4, self._jump_if_idle, loop)
            return
        if idle:
            self._now = max(self._now, self._sleepers[0][0])
            self._wake_due()
            self._quiet_turns = 0
        self._watch = loop.call_soon(self._jump_if_idle, loop) if self._drop_gone() else None


class ScaledClock:
    """A clock that runs ``speed`` times as fast as the real one; several processes with equal arguments agree.

    Args:
        speed: virtual seconds per real second.
        origin: the instant (aware UTC) at which real and virtual time are equal.
    """

    def __init__(self, *, speed: float, origin: datetime) -> None:
        self.speed = speed
        self.origin = origin

    def now(self) -> datetime:
        """The fast instant, aware UTC."""
        return self.origin + (datetime.now(UTC) - self.origin) * self.speed

    async def sleep(self, seconds: float) -> None:
        """Sleep ``seconds`` of fast time."""
        await asyncio.sleep(max(0.0, seconds) / self.speed)
