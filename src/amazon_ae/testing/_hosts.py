"""Simulated host processes: each can be frozen or killed at any ``await``, has a skewed clock and a faulty network.

Everything a process does to the outside passes through a *checkpoint*: the clock, the storage and the network. A frozen
process waits there until it thaws; in a killed one the checkpoint raises `HostKilled`, so no clean-up of it has any
effect, as after SIGKILL. Between two checkpoints only pure code runs, so this covers every ``await``.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from amazon_ae._ports import Clock, Storage
from amazon_ae.testing._clocks import VirtualClock
from amazon_ae.testing._faulty_network import FaultyNetwork, NetworkFaults

if TYPE_CHECKING:
    from amazon_ae.testing._faulty_network import Amazon

__all__ = ["HostKilled", "SimulatedHost", "SimulatedHosts"]

T = TypeVar("T")

_CURRENT: ContextVar[SimulatedHost | None] = ContextVar("amazon_ae_simulated_host", default=None)
# The verbs of a storage that pass a checkpoint.
_STORE_VERBS: Final = frozenset(name for name in vars(Storage) if not name.startswith("_")) - {"watch", "aclose"}


class HostKilled(BaseException):
    """This simulated process was killed: nothing it does from now on has an effect."""


class SimulatedHosts:
    """Host processes on one virtual clock, which a test boots, freezes and kills::

        async with SimulatedHosts(clock) as hosts:
            first, second = hosts.boot(program), hosts.boot(program, skew_seconds=300)
            await clock.sleep(30)
            await first.kill()
            second.freeze(600)

    A program is your own start-up code; it takes clock, storage and network from its `SimulatedHost`. Leaving the block
    kills every process that still runs, and raises the first exception that ended a program, unless ``finished`` did.

    Args:
        clock: the world's, shared with the fake.
        seed: decides latencies, faults and the order in which storage verbs complete.

    Attributes:
        counts: the number of network faults by kind.
    """

    def __init__(self, clock: VirtualClock, *, seed: int = 0) -> None:
        self.clock: VirtualClock = clock
        self.counts: Counter[str] = Counter()
        self.on_step: Callable[[SimulatedHost, str], None] | None = None
        """Called with each storage verb of each host before it is performed."""
        self._seed = seed
        self._rng = random.Random(f"hosts {seed}")
        self._turn = asyncio.Lock()
        self._hosts: list[SimulatedHost] = []
        self._outer_factory: Any = None

    async def __aenter__(self) -> SimulatedHosts:
        loop = asyncio.get_running_loop()
        self._outer_factory = loop.get_task_factory()
        loop.set_task_factory(_new_task)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failed = [failure for host in self._hosts if (failure := host.failure()) is not None]
        try:
            for host in self._hosts:
                await host.kill()
        finally:
            asyncio.get_running_loop().set_task_factory(self._outer_factory)
        if error is None and failed:
            raise failed[0]

    def boot(
        self,
        program: Callable[[SimulatedHost], Coroutine[Any, Any, Any]],
        *,
        name: str | None = None,
        skew_seconds: float = 0.0,
    ) -> SimulatedHost:
        """Start a process.

        Args:
            program: what it runs; it takes clock, storage and network from its host.
            name: for your own messages.
            skew_seconds: how far its clock is ahead of the world's.
        """
        number = len(self._hosts) + 1
        rng = random.Random(f"{self._seed} network {number}")
        host = SimulatedHost(self, name or f"host-{number}", skew_seconds, rng)
        self._hosts.append(host)
        host.main = host.start(program(host))
        return host

    def moment(self) -> float:
        """How long the next storage verb takes, in seconds."""
        return self._rng.uniform(0.001, 0.05)

    @property
    def turn(self) -> asyncio.Lock:
        """Held by the storage verb that is being performed, so that verbs complete in the order of the seed."""
        return self._turn


class SimulatedHost:
    """One simulated process; ``SimulatedHosts.boot`` makes it.

    Attributes:
        name: as booted.
        world: the world's clock, for the test.
        clock: this host's, skewed; it stops while the process is frozen. For the program.
        steps: how many checkpoints it has passed, one before and one after everything that it does to the outside.
        main: the program's task; ``None`` once ``finished`` has raised its exception.
    """

    def __init__(self, hosts: SimulatedHosts, name: str, skew_seconds: float, rng: random.Random) -> None:
        self.name: str = name
        self.world: VirtualClock = hosts.clock
        self.clock: Clock = _HostClock(self, skew_seconds)
        self.steps: int = 0
        self.main: asyncio.Task[Any] | None = None
        self._hosts = hosts
        self._rng = rng
        self._alive = True
        self._frozen_until: datetime | None = None
        self._plans: dict[int, float | None] = {}  # step -> seconds of a freeze, or None: killed
        self._tasks: dict[asyncio.Task[Any], None] = {}  # in the order of their start, for replays

    @property
    def alive(self) -> bool:
        """Whether it was not killed."""
        return self._alive

    @property
    def counts(self) -> Counter[str]:
        """How often which fault of the network has struck any host."""
        return self._hosts.counts

    # What a program takes

    def storage(self, inner: Storage) -> Storage:
        """A storage as this process uses it: each verb takes a moment, and is performed as a whole or not at all."""
        return cast("Storage", _HostStorage(inner, self, self._hosts))

    def network(self, amazon: Amazon, faults: NetworkFaults | None = None) -> FaultyNetwork:
        """The transport for this process's ``httpx.AsyncClient``. Faults that ``amazon.fail`` ordered strike too."""
        return FaultyNetwork(amazon, self, self._rng, faults or NetworkFaults())

    # What a test does

    def freeze(self, seconds: float) -> None:
        """Stop the process for ``seconds``, as SIGSTOP or a closed laptop lid does."""
        self._frozen_until = self.world.now() + timedelta(seconds=seconds)

    def thaw(self) -> None:
        """Let a frozen process go on when its timers next fire."""
        self._frozen_until = None

    async def kill(self) -> None:
        """End the process at once, as SIGKILL does; its tasks are gone when this returns."""
        self._alive = False
        while tasks := [task for task in self._tasks if task is not asyncio.current_task()]:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def kill_at(self, step: int) -> None:
        """Kill the process when it reaches this checkpoint, counted from 1: ``steps`` of a whole run tells how many
        there are.
        """
        self._plans[step] = None

    def freeze_at(self, step: int, seconds: float) -> None:
        """Freeze the process for ``seconds`` when it reaches this checkpoint."""
        self._plans[step] = seconds

    async def finished(self) -> Any:
        """Wait for the program; returns what it returned, and ``None`` if the process was killed meanwhile.

        Raises:
            Exception: the program's own.
        """
        if self.main is None:
            return None
        await asyncio.wait({self.main})
        if (failure := self.failure()) is not None:
            self.main = None
            raise failure
        return None if not self._alive or self.main.cancelled() else self.main.result()

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run a further coroutine in this process: every task it starts belongs to the process too."""
        return _start_in(self, work)

    # Inside

    async def checkpoint(self) -> None:
        """Wait while frozen; raise in a killed process."""
        self.steps += 1
        if self.steps in self._plans:
            seconds = self._plans.pop(self.steps)
            if seconds is None:
                self._alive = False
                self.outlived_by(self.kill())
            else:
                self.freeze(seconds)
        while self._alive and self._frozen_until is not None and self.world.now() < self._frozen_until:
            await self.world.sleep((self._frozen_until - self.world.now()).total_seconds())
        if not self._alive:
            raise HostKilled(self.name)

    def failure(self) -> BaseException | None:
        """The exception that ended the program."""
        if self.main is None or not self.main.done() or self.main.cancelled() or not self._alive:
            return None
        return self.main.exception()

    def outlived_by(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a task that belongs to no process: it goes on when this one is killed."""
        return _start_in(None, work)

    def started(self, task: asyncio.Task[Any]) -> None:
        """A task of this process was created."""
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)


def _new_task(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
    """The task factory: a task belongs to the process that starts it."""
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **options)
    host = _CURRENT.get()
    if host is not None:
        host.started(task)
    return task


def _start_in(host: SimulatedHost | None, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    token = _CURRENT.set(host)
    try:
        return asyncio.get_running_loop().create_task(work)
    finally:
        _CURRENT.reset(token)


class _HostClock:
    """The clock of one host: the world's, ``skew_seconds`` ahead; it stops for a frozen process."""

    def __init__(self, host: SimulatedHost, skew_seconds: float) -> None:
        self._host = host
        self._skew = timedelta(seconds=skew_seconds)

    def now(self) -> datetime:
        """The host's instant, aware UTC."""
        if not self._host.alive:
            raise HostKilled(self._host.name)
        return self._host.world.now() + self._skew

    async def sleep(self, seconds: float) -> None:
        """Sleep on the world's clock."""
        await self._host.world.sleep(seconds)
        await self._host.checkpoint()


class _HostStorage:
    """The storage as one host uses it: each verb takes a moment, one verb at a time, in an order the seed decides."""

    def __init__(self, inner: Storage, host: SimulatedHost, hosts: SimulatedHosts) -> None:
        self._inner, self._host, self._hosts = inner, host, hosts

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._inner, name)
        if name not in _STORE_VERBS:
            return verb

        async def checked(*args: Any, **kwargs: Any) -> Any:
            host, hosts = self._host, self._hosts
            await host.checkpoint()
            await host.world.sleep(hosts.moment())
            await host.checkpoint()
            async with hosts.turn:
                if hosts.on_step is not None:
                    hosts.on_step(host, name)
                answer = await self._run(verb, args, kwargs)
            await host.checkpoint()
            return answer

        return checked

    async def _run(self, verb: Any, args: Any, kwargs: Any) -> Any:
        # The transaction of a killed process commits or not as a whole: it is never cut in the middle.
        with self._host.world.paused():
            # Connections that the storage opens on the way outlive this process, as those of a server do.
            running = self._host.outlived_by(verb(*args, **kwargs))
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                await asyncio.wait({running})
                raise

    def watch(self, *args: Any, **kwargs: Any) -> Callable[[], None]:
        """As the storage's own; what it starts for that outlives the process."""
        token = _CURRENT.set(None)
        try:
            return self._inner.watch(*args, **kwargs)
        finally:
            _CURRENT.reset(token)

    async def aclose(self) -> None:
        """The storage outlives its hosts."""
