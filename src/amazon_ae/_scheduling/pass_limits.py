"""Bounds how many schedulers of one process read the same store at once, so that a thousand do not starve its puts."""

from __future__ import annotations

import asyncio
import zlib
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakKeyDictionary

from amazon_ae._ports import Storage

__all__ = ["PassLimit", "PassTurn", "jitter", "pass_limit"]

_CONCURRENT_PASSES: Final = 4
# However many schedulers are woken, every so many turns one is an idle scheduler's, so that none waits forever.
_IDLE_EVERY: Final = 4


class PassTurn:
    """One scheduler's turn at a ``PassLimit``; ``hurry`` moves a waiting one ahead of idle schedulers."""

    def __init__(self) -> None:
        self.waiting: asyncio.Future[None] | None = None
        self.hurried = False


class PassLimit:
    """At most ``limit`` passes at once. A scheduler with work to do goes before idle ones.

    A thousand schedulers that start together queue for their first pass; a pickup that is asked for meanwhile must not
    wait for all of them.
    """

    def __init__(self, limit: int = _CONCURRENT_PASSES) -> None:
        self._free = limit
        self._hurried: deque[PassTurn] = deque()
        self._idle: deque[PassTurn] = deque()
        self._given = 0

    def hurry(self, turn: PassTurn) -> None:
        """Let this scheduler's waiting turn, or its next one, go before idle ones."""
        if not turn.hurried:
            turn.hurried = True
            if turn.waiting is not None and turn in self._idle:
                self._idle.remove(turn)
                self._hurried.append(turn)

    @asynccontextmanager
    async def turn(self, turn: PassTurn) -> AsyncIterator[None]:
        """Wait for a turn, and keep it inside the block."""
        await self._wait(turn)
        turn.hurried = False
        try:
            yield
        finally:
            self._give_on()

    async def _wait(self, turn: PassTurn) -> None:
        if self._free > 0:
            self._free -= 1
            return
        turn.waiting = asyncio.get_running_loop().create_future()
        line = self._hurried if turn.hurried else self._idle
        line.append(turn)
        try:
            await turn.waiting
        except asyncio.CancelledError:
            if turn.waiting.done() and not turn.waiting.cancelled():
                self._give_on()  # the turn was granted just now: pass it on
            for one in (self._hurried, self._idle):
                if turn in one:
                    one.remove(turn)
            raise
        finally:
            turn.waiting = None

    def _give_on(self) -> None:
        self._given += 1
        lines = (self._hurried, self._idle) if self._given % _IDLE_EVERY else (self._idle, self._hurried)
        for line in lines:
            while line:
                waiting = line.popleft().waiting
                if waiting is not None and not waiting.done():
                    waiting.set_result(None)
                    return
        self._free += 1


# One entry per open store, gone with it. The schedulers of one store have no other object in common.
_limits: WeakKeyDictionary[Storage, tuple[asyncio.AbstractEventLoop, PassLimit]] = WeakKeyDictionary()


def pass_limit(storage: Storage) -> PassLimit:
    """The limit that this store's schedulers share in the running event loop."""
    loop = asyncio.get_running_loop()
    known = _limits.get(storage)
    if known is None or known[0] is not loop:
        known = _limits[storage] = (loop, PassLimit())
    return known[1]


def jitter(account: str) -> float:
    """A number between 0 and 1 that differs from account to account, the same in every run."""
    return zlib.crc32(account.encode()) / 2**32
