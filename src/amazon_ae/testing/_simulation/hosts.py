"""Simulated host processes: each can be frozen or killed at any ``await``, has a skewed clock and a faulty network.

Everything a process does to the outside passes through a *checkpoint*: the clock, the storage and the network. A frozen
process waits there until it thaws; in a killed one the checkpoint raises `ProcessKilled`, so no clean-up of it has any
effect, as after SIGKILL. Between two checkpoints only pure code runs, so this covers every ``await``.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine, Iterator
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Any, Final

import attrs
import httpx

from amazon_ae._ports import Storage
from amazon_ae.testing._clocks import VirtualClock
from amazon_ae.testing._mws import FakeMws

__all__ = ["Faults", "FaultyNetwork", "HostClock", "HostProcess", "HostStorage", "ProcessKilled", "track_processes"]

_CURRENT: ContextVar[HostProcess | None] = ContextVar("amazon_ae_simulated_process", default=None)
# What a storage is asked for; everything else of it is the simulator's own business.
_STORE_VERBS: Final = frozenset(name for name in vars(Storage) if not name.startswith("_")) - {"watch", "aclose"}


class ProcessKilled(BaseException):
    """This simulated process was killed: nothing it does from now on has an effect."""


@attrs.define
class HostProcess:
    """One simulated process: its tasks, whether it lives, and until when it is frozen."""

    name: str
    clock: VirtualClock
    alive: bool = True
    frozen_until: datetime | None = None
    tasks: dict[asyncio.Task[Any], None] = attrs.field(factory=dict)  # in the order of their start, for replays

    async def checkpoint(self) -> None:
        """Wait while frozen; raise in a killed process."""
        while self.alive and self.frozen_until is not None and self.clock.now() < self.frozen_until:
            await self.clock.sleep((self.frozen_until - self.clock.now()).total_seconds())
        if not self.alive:
            raise ProcessKilled(self.name)

    def freeze(self, seconds: float) -> None:
        """Stop the process for ``seconds``, as SIGSTOP or a closed laptop lid does."""
        self.frozen_until = self.clock.now() + timedelta(seconds=seconds)

    async def kill(self) -> None:
        """End the process at once; its tasks are gone when this returns."""
        self.alive = False
        while tasks := [task for task in self.tasks if task is not asyncio.current_task()]:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine as part of this process: every task it starts belongs to the process too."""
        token = _CURRENT.set(self)
        try:
            return asyncio.get_running_loop().create_task(work)
        finally:
            _CURRENT.reset(token)


@contextlib.contextmanager
def track_processes() -> Iterator[None]:
    """Register each new task of the running loop with the simulated process that starts it."""
    loop = asyncio.get_running_loop()

    def create(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **options)
        process = _CURRENT.get()
        if process is not None:
            process.tasks[task] = None
            task.add_done_callback(process.tasks.pop)
        return task

    loop.set_task_factory(create)
    try:
        yield
    finally:
        loop.set_task_factory(None)


def _start_outside(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Start a task that belongs to no simulated process."""
    token = _CURRENT.set(None)
    try:
        return asyncio.get_running_loop().create_task(work)
    finally:
        _CURRENT.reset(token)


class HostClock:
    """The clock of one host: the world's, ``skew_seconds`` ahead; it stops for a frozen process."""

    def __init__(self, process: HostProcess, skew_seconds: float) -> None:
        self._process = process
        self._skew = timedelta(seconds=skew_seconds)

    def now(self) -> datetime:
        """The host's instant, aware UTC."""
        if not self._process.alive:
            raise ProcessKilled(self._process.name)
        return self._process.clock.now() + self._skew

    async def sleep(self, seconds: float) -> None:
        """Sleep on the world's clock."""
        await self._process.clock.sleep(seconds)
        await self._process.checkpoint()


class HostStorage:
    """The storage as one host uses it: each verb takes a moment, one verb at a time, in an order the seed decides.

    Args:
        inner: the real storage.
        process: whose verbs these are.
        turn: shared by all hosts, so that verbs complete in the same order in every run of a seed.
        moment: how long the next verb takes, in seconds.
    """

    def __init__(self, inner: Any, process: HostProcess, turn: asyncio.Lock, moment: Callable[[], float]) -> None:
        self._inner, self._process, self._turn, self._moment = inner, process, turn, moment

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._inner, name)
        if name not in _STORE_VERBS:
            return verb

        async def checked(*args: Any, **kwargs: Any) -> Any:
            await self._process.checkpoint()
            await self._process.clock.sleep(self._moment())
            await self._process.checkpoint()
            async with self._turn:
                answer = await self._run(verb, args, kwargs)
            await self._process.checkpoint()
            return answer

        return checked

    async def _run(self, verb: Any, args: Any, kwargs: Any) -> Any:
        # The transaction of a killed process commits or not as a whole: it is never cut in the middle.
        with self._process.clock.paused():
            # Connections that the storage opens on the way outlive this process, as those of a server do.
            running = _start_outside(verb(*args, **kwargs))
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                await asyncio.wait({running})
                raise

    def watch(self, *args: Any, **kwargs: Any) -> Callable[[], None]:
        """As the storage's own; what it starts for that outlives the process."""
        token = _CURRENT.set(None)
        try:
            undo: Callable[[], None] = self._inner.watch(*args, **kwargs)
        finally:
            _CURRENT.reset(token)
        return undo

    async def aclose(self) -> None:
        """The storage outlives its hosts."""


@attrs.frozen(kw_only=True)
class Faults:
    """How often a request meets a fault, as probabilities.

    Attributes:
        refused: no connection; nothing was done.
        unavailable: 503 from Amazon; nothing was done.
        garbled: 200 with a web page; nothing was done.
        answer_lost: done, but the connection breaks before the answer.
        arrives_late: the client's read times out first; the request arrives ``late_seconds`` after it was sent.
        late_seconds: at most this long; Amazon lists a feed only after it arrived.
    """

    refused: float = 0.0
    unavailable: float = 0.0
    garbled: float = 0.0
    answer_lost: float = 0.0
    arrives_late: float = 0.0
    late_seconds: float = 150.0


@attrs.define
class FaultyNetwork(httpx.AsyncBaseTransport):
    """The way from one host to Amazon.

    Args:
        fake: Amazon.
        process: whose requests these are.
        rng: draws each request's fate.
        faults: how often which fault strikes.
        down: whether Amazon is down at this instant.
        counts: how often each fault struck, for the report; shared by all hosts.
    """

    fake: FakeMws
    process: HostProcess
    rng: random.Random
    faults: Faults
    down: Callable[[], bool]
    counts: dict[str, int]
    late: set[asyncio.Task[None]] = attrs.field(factory=set)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Deliver one request with latency, or with the fault that was drawn for it."""
        await self.process.checkpoint()
        fate = self._fate()
        if fate:
            self.counts[fate] = self.counts.get(fate, 0) + 1
        await self.process.clock.sleep(self.rng.uniform(0.02, 0.4))
        await self.process.checkpoint()
        if fate == "refused":
            raise httpx.ConnectError("connection refused", request=request)
        if fate == "unavailable":
            return await self._answered(httpx.Response(503, content=b"", request=request))
        if fate == "garbled":
            page = b"<html><body>one moment</body></html>"
            return await self._answered(httpx.Response(200, content=page, request=request))
        if fate == "arrives_late":
            return await self._late(request)
        exchange = self.fake.exchange(request.method, str(request.url), request.headers.items(), await request.aread())
        if fate == "answer_lost":
            await self._pause()
            raise httpx.ReadError("connection reset by peer", request=request)
        answer = exchange.answer
        return await self._answered(
            httpx.Response(answer.status, headers=answer.headers, content=answer.body, request=request)
        )

    def _fate(self) -> str:
        drawn = self.rng.random()
        if self.down():
            return "unavailable" if drawn < 0.7 else "refused"
        for name in ("refused", "unavailable", "garbled", "answer_lost", "arrives_late"):
            drawn -= getattr(self.faults, name)
            if drawn < 0:
                return name
        return ""

    async def _pause(self) -> None:
        await self.process.clock.sleep(self.rng.uniform(0.02, 1.0))
        await self.process.checkpoint()

    async def _answered(self, response: httpx.Response) -> httpx.Response:
        await self._pause()
        return response

    async def _late(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        seconds = self.rng.uniform(61.0, self.faults.late_seconds)

        async def arrive() -> None:
            await self.process.clock.sleep(seconds)
            self.fake.exchange(request.method, str(request.url), request.headers.items(), body)

        task = _start_outside(arrive())  # what is on its way outlives the process that sent it
        self.late.add(task)
        task.add_done_callback(self.late.discard)
        await self.process.clock.sleep(60.0)
        await self.process.checkpoint()
        raise httpx.ReadTimeout("timed out", request=request)
