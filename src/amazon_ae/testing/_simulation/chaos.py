"""Hours of disaster from one seed: hosts that crash, freeze and disagree about the time, and an Amazon with faults.

`run_chaos` draws everything from the seed: arrivals, faults, crashes, freezes, clock skew and the order in which
storage verbs complete. Afterwards it compares what Amazon has and what the hosts were told with what was asked for. A
seed replays exactly on `MemoryStorage` (with ``PYTHONHASHSEED`` set).
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any, Final
from unittest import mock

import attrs
import httpx

from amazon_ae._exceptions import AmazonAeError, PickupRejected, PickupUnknown
from amazon_ae._inventory import InventoryBuffer
from amazon_ae._models.events import Event
from amazon_ae._models.feeds import ItemKind
from amazon_ae._mws.client import MwsClient
from amazon_ae._mws.gateway import MwsGateway
from amazon_ae._mws.pickup_routes import SchedulePickupFeed
from amazon_ae._scheduling import FeedScheduler
from amazon_ae._storage.memory import MemoryStorage
from amazon_ae.testing._builders import make_order, make_order_id
from amazon_ae.testing._clocks import VirtualClock
from amazon_ae.testing._mws import FakeMws
from amazon_ae.testing._simulation.chaos_checks import Put, Told, find_violations
from amazon_ae.testing._simulation.hosts import (
    Faults,
    FaultyNetwork,
    HostClock,
    HostProcess,
    HostStorage,
    ProcessKilled,
    track_processes,
)

__all__ = ["ChaosPlan", "ChaosReport", "run_chaos"]

_SKUS: Final = [f"SKU-{number}" for number in range(12)]
_SETTLE_HOURS: Final = 8.0


@attrs.frozen(kw_only=True)
class ChaosPlan:
    """What one seed does.

    Attributes:
        seed: decides everything below and every draw of the run.
        hours: of disaster; then everything is well for up to eight hours, in which all must be settled.
        hosts: processes on one storage.
        packs_per_hour, puts_per_hour: what is asked for.
        processing_seconds: median time in which Amazon processes a feed; feeds of one type run in sequence.
        faults: of the network.
        crashes_per_hour, freezes_per_hour: of each host.
        freeze_seconds: a freeze lasts at most this long.
        skews: each host's clock ahead of Amazon's, in seconds; Amazon's signature check admits 15 minutes.
        outages: (start, length) in seconds in which Amazon answers 503 or nothing.
        stuck: share of feeds that Amazon does not finish for a long time; ``cancelled``: share that it cancels.
        foreign_per_hour: feeds of another program that shares the quota.
        cancellations: share of orders that the buyer cancels before or after they are packed.
    """

    seed: int
    hours: float = 3.0
    hosts: int = 1
    packs_per_hour: float = 10.0
    puts_per_hour: float = 120.0
    processing_seconds: float = 60.0
    faults: Faults = attrs.field(factory=Faults)
    crashes_per_hour: float = 0.0
    freezes_per_hour: float = 0.0
    freeze_seconds: float = 900.0
    skews: tuple[float, ...] = (0.0,)
    outages: tuple[tuple[float, float], ...] = ()
    stuck: float = 0.0
    cancelled: float = 0.0
    foreign_per_hour: float = 0.0
    cancellations: float = 0.0

    @classmethod
    def draw(cls, seed: int) -> ChaosPlan:
        """A plan from a seed. About one in ten has no faults at all, so that bounds without an excuse are tried too."""
        rng = random.Random(f"plan {seed}")
        calm = rng.random() < 0.1
        hosts = rng.choice((1, 1, 2, 3))

        def some(limit: float, chance: float = 0.5) -> float:
            return rng.uniform(0, limit) if not calm and rng.random() < chance else 0.0

        outages = () if calm or rng.random() < 0.6 else ((rng.uniform(0, 7200), rng.uniform(60, 3000)),)
        skewed = not calm and rng.random() < 0.4
        return cls(
            seed=seed,
            hosts=hosts,
            packs_per_hour=rng.uniform(4, 30),
            puts_per_hour=rng.uniform(30, 300),
            processing_seconds=rng.choice((20.0, 60.0, 60.0, 180.0, 400.0)),
            faults=Faults(
                refused=some(0.08),
                unavailable=some(0.1),
                garbled=some(0.04),
                answer_lost=some(0.1),
                arrives_late=some(0.05),
            ),
            crashes_per_hour=some(4.0),
            freezes_per_hour=some(3.0, 0.35),
            skews=tuple(rng.uniform(-840, 840) if skewed else 0.0 for _ in range(hosts)),
            outages=outages,
            stuck=some(0.04, 0.25),
            cancelled=some(0.06, 0.3),
            foreign_per_hour=some(10.0, 0.25),
            cancellations=some(0.2, 0.3),
        )

    @property
    def doubtful(self) -> bool:
        """Whether a request may be lost between Amazon and a host, or a process between two steps."""
        faults = self.faults
        lossy = faults.answer_lost + faults.arrives_late + faults.garbled + faults.unavailable
        return bool(lossy or self.crashes_per_hour or self.freezes_per_hour or self.outages or self.stuck)


@attrs.define
class ChaosReport:
    """What a run showed. ``violations`` is empty where every promise held; ``counts`` names faults and crashes."""

    plan: ChaosPlan
    violations: list[str]
    counts: dict[str, int]
    trace: str
    """A digest of everything that happened, in order: equal for every replay of the seed."""


def run_chaos(
    plan: ChaosPlan, open_storage: Callable[[VirtualClock], Any] | None = None, *, grace_seconds: float = 0.0
) -> ChaosReport:
    """Play one plan in an event loop of its own.

    Args:
        plan: what happens.
        open_storage: makes the storage on the run's clock; called once per host, since each process opens its own.
            By default all hosts share one `MemoryStorage`.
        grace_seconds: of `VirtualClock`, for storages on threads or sockets.
    """
    ids = random.Random(f"ids {plan.seed}")
    with mock.patch("uuid.uuid4", side_effect=lambda: uuid.UUID(int=ids.getrandbits(128), version=4)):
        return asyncio.run(_World(plan, open_storage, grace_seconds).run())


class _World:
    """Amazon, the clock, the storage and what was asked: everything that outlives a process."""

    def __init__(self, plan: ChaosPlan, open_storage: Callable[[VirtualClock], Any] | None, grace: float) -> None:
        self.plan = plan
        self.rng = random.Random(f"run {plan.seed}")
        random.seed(plan.seed)  # jitter that the library draws for itself
        self.clock = VirtualClock(grace_seconds=grace)
        self.start = self.clock.now()
        self.counts: Counter[str] = Counter()
        self.fake = FakeMws(clock=self.clock, processing_seconds=lambda _: self._processing())
        for sku in _SKUS:
            self.fake.add_sku(sku, -1)
        shared = MemoryStorage(clock=self.clock)
        self._open = open_storage or (lambda clock: shared)
        self._stores: list[Any] = []
        self.turn = asyncio.Lock()
        self.processes: dict[int, HostProcess] = {}
        self.schedulers: dict[int, FeedScheduler] = {}
        self.buffers: dict[int, InventoryBuffer] = {}
        self.networks: list[FaultyNetwork] = []
        self.puts: list[Put] = []
        self.told: list[Told] = []
        self.asked: set[str] = set()
        self.cancelled: set[str] = set()
        self.events: list[Event] = []
        self.account = f"{self.fake.credentials.seller_id}/{self.fake.marketplace.code}"
        self.calm = False

    @property
    def seconds(self) -> float:
        """Since the start."""
        return (self.clock.now() - self.start).total_seconds()

    async def run(self) -> ChaosReport:
        """The disaster, the calm after it, and the checks."""
        with track_processes():
            for number in range(self.plan.hosts):
                await self._boot(number)
            disasters = [asyncio.ensure_future(work) for work in self._disasters()]
            await self.clock.sleep(self.plan.hours * 3600)
            for task in disasters:
                task.cancel()
            await asyncio.gather(*disasters, return_exceptions=True)
            await self._calm_down()
            violations = await self._check()
            for process in self.processes.values():
                await process.kill()
        for store in self._stores:
            await store.aclose()
        return ChaosReport(self.plan, violations, dict(sorted(self.counts.items())), self._trace())

    # Hosts

    async def _boot(self, number: int) -> None:
        process = HostProcess(f"host-{number}", self.clock)
        clock = HostClock(process, self.plan.skews[number % len(self.plan.skews)])
        network = FaultyNetwork(
            self.fake,
            process,
            random.Random(f"{self.plan.seed} {number} {self.seconds}"),
            self.plan.faults,
            self._down,
            self.counts,
        )
        self.networks.append(network)
        self._stores.append(self._open(self.clock))
        storage: Any = HostStorage(self._stores[-1], process, self.turn, lambda: self.rng.uniform(0.001, 0.05))
        ready = asyncio.Event()

        async def live() -> None:
            http = httpx.AsyncClient(transport=network, timeout=60.0)
            client = MwsClient(
                self.fake.credentials, self.fake.marketplace, http=http, clock=clock, random=network.rng.random
            )
            gateway = MwsGateway(client, pickup_route=SchedulePickupFeed(feed_type=self.fake.pickup_feed_type))
            scheduler = FeedScheduler(storage, gateway, orders=gateway, clock=clock, on_event=self.events.append)
            async with scheduler:
                self.schedulers[number] = scheduler
                self.buffers[number] = InventoryBuffer(storage, gateway.account)
                ready.set()
                await asyncio.get_running_loop().create_future()

        self.processes[number] = process
        process.start(live())
        await ready.wait()

    # What happens

    def _disasters(self) -> list[Awaitable[None]]:
        plan = self.plan
        works: list[Awaitable[None]] = [
            self._every(plan.puts_per_hour, self._put),
            self._every(plan.packs_per_hour, self._pack),
            self._every(plan.foreign_per_hour, self._foreign),
        ]
        for number in range(plan.hosts):
            works.append(self._every(plan.crashes_per_hour, partial(self._crash, number)))
            works.append(self._every(plan.freezes_per_hour, partial(self._freeze, number)))
        return works

    async def _every(self, per_hour: float, act: Callable[[], Awaitable[None]]) -> None:
        if not per_hour:
            return
        running: set[asyncio.Future[None]] = set()
        while True:
            await self.clock.sleep(self.rng.expovariate(per_hour / 3600))
            task = asyncio.ensure_future(act())
            running.add(task)
            task.add_done_callback(running.discard)

    async def _on_a_host(self, work: Callable[[int], Any]) -> Any:
        """Run work in some living process; ``None`` if it died meanwhile or the storage failed."""
        number = self.rng.choice([number for number, process in self.processes.items() if process.alive] or [-1])
        if number < 0 or number not in self.schedulers:
            return None
        try:
            return await self.processes[number].start(work(number))
        except (ProcessKilled, asyncio.CancelledError):
            return None

    async def _put(self) -> None:
        sku = self.rng.choice(_SKUS)
        put = Put(sku=sku, quantity=0 if self.rng.random() < 0.2 else len(self.puts) + 1)
        self.puts.append(put)

        async def work(number: int) -> bool:
            await self.buffers[number].put(put.sku, put.quantity)
            put.acknowledged_at = self.clock.now()
            return True

        await self._on_a_host(work)

    async def _pack(self) -> None:
        order_id = make_order_id(len(self.asked) + 1)
        self.asked.add(order_id)
        self.fake.add_order(make_order(order_id))
        if self.rng.random() < self.plan.cancellations:
            self.cancelled.add(order_id)
            asyncio.ensure_future(self._cancel(order_id, self.rng.uniform(0, 900)))  # noqa: RUF006  # ends with the run
        while not self.calm and not await self._ask(order_id):
            await self.clock.sleep(self.rng.uniform(5, 300))

    async def _ask(self, order_id: str) -> bool:
        """One packer asks once; whether the answer is final."""

        async def work(number: int) -> bool:
            try:
                outcome = await self.schedulers[number].schedule_pickup(order_id)
            except PickupRejected as error:
                self.told.append(Told(order_id, "rejected", self.clock.now(), error.code))
            except PickupUnknown:
                self.told.append(Told(order_id, "unknown", self.clock.now()))
            except AmazonAeError as error:
                self.counts[f"told {type(error).__name__}"] += 1
                return False
            else:
                self.told.append(Told(order_id, str(outcome.state), self.clock.now(), outcome.code))
            return True

        return bool(await self._on_a_host(work))

    async def _cancel(self, order_id: str, after: float) -> None:
        await self.clock.sleep(after)
        if order_id not in self.fake.pickups:
            self.fake.change_order(order_id, status="Canceled")

    async def _foreign(self) -> None:
        self.counts["foreign feeds"] += self.fake.spend("SubmitFeed")

    async def _crash(self, number: int) -> None:
        process = self.processes[number]
        if not process.alive:
            return
        self.counts["crashes"] += 1
        self.schedulers.pop(number, None)
        await process.kill()
        await self.clock.sleep(self.rng.uniform(1, 600))
        if not self.calm:
            await self._boot(number)

    async def _freeze(self, number: int) -> None:
        self.counts["freezes"] += 1
        self.processes[number].freeze(self.rng.uniform(1, self.plan.freeze_seconds))

    def _down(self) -> bool:
        return any(begin <= self.seconds < begin + length for begin, length in self.plan.outages)

    def _processing(self) -> float:
        drawn = self.rng.random()
        if drawn < self.plan.stuck:
            self.counts["stuck feeds"] += 1
            return self.rng.uniform(2 * 3600, 5 * 3600)
        if drawn < self.plan.stuck + self.plan.cancelled:
            self.counts["cancelled feeds"] += 1
            self.fake.end_feeds("_CANCELLED_")
        return self.plan.processing_seconds * self.rng.lognormvariate(0, 0.5)

    async def _calm_down(self) -> None:
        """No more faults; every host runs; wait until nothing is queued, at most eight hours."""
        self.calm = True
        for network in self.networks:
            network.faults = Faults()
        for number, process in list(self.processes.items()):
            process.frozen_until = None
            if not process.alive or number not in self.schedulers:
                await process.kill()
                await self._boot(number)
        for order_id in sorted(self.asked - {told.order_id for told in self.told}):
            asyncio.ensure_future(self._ask_until_final(order_id))  # noqa: RUF006  # ends with the run
        end = self.clock.now() + timedelta(hours=_SETTLE_HOURS)
        while self.clock.now() < end and await self._pending():
            await self.clock.sleep(60)

    async def _ask_until_final(self, order_id: str) -> None:
        while not await self._ask(order_id):
            await self.clock.sleep(60)

    async def _pending(self) -> bool:
        storage, account = self._stores[0], self.account
        for kind in ItemKind:
            stats = await storage.stats(account, kind)
            if stats.waiting or stats.in_flight:
                return True
        return bool(self.asked - {told.order_id for told in self.told}) or any(
            network.late for network in self.networks
        )

    # Afterwards

    async def _check(self) -> list[str]:
        if self.plan.stuck:
            await self.clock.sleep(6 * 3600)  # feeds that were passed as stuck end too
        storage, account = self._stores[0], self.account
        left = {str(kind): await storage.stats(account, kind) for kind in ItemKind}
        return find_violations(
            self.plan, self.fake, puts=self.puts, told=self.told, asked=self.asked, events=self.events, left=left
        )

    def _trace(self) -> str:
        import hashlib

        lines = [f"{seen.at.isoformat()} {seen.action} {seen.status}" for seen in self.fake.requests]
        lines += [f"{told}" for told in self.told]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
