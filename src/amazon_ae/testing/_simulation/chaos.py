"""Hours of disaster from one seed: hosts that crash, freeze and disagree about the time, and an Amazon with faults.

`run_chaos` draws everything from the seed: arrivals, faults, crashes, freezes, clock skew and the order in which
storage verbs complete. Afterwards it compares what Amazon has and what the hosts were told with what was asked for. A
seed replays exactly on memory and on SQLite, in any process.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
import uuid
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Final
from unittest import mock

import attrs
import httpx

from amazon_ae._exceptions import AmazonAeError, PickupRejected, PickupUnknown
from amazon_ae._inventory import InventoryBuffer
from amazon_ae._models.events import Event
from amazon_ae._models.feeds import FeedBatch, FeedItem, InventoryUpdate, ItemKind, PickupRequest
from amazon_ae._mws.client import MwsClient
from amazon_ae._mws.gateway import MwsGateway
from amazon_ae._mws.pickup_routes import SchedulePickupFeed
from amazon_ae._scheduling import FeedScheduler
from amazon_ae._storage.memory import MemoryStorage
from amazon_ae._storage.sqlite.store import SQLiteStorage
from amazon_ae.testing._builders import make_order, make_order_id
from amazon_ae.testing._clocks import VirtualClock
from amazon_ae.testing._faulty_network import FaultyNetwork, NetworkFaults
from amazon_ae.testing._hosts import HostKilled, SimulatedHost, SimulatedHosts
from amazon_ae.testing._mws import FakeMws
from amazon_ae.testing._network import Exchange
from amazon_ae.testing._simulation.chaos_checks import ENDED, Evidence, Put, Told, find_violations
from amazon_ae.testing._simulation.chaos_plan import ChaosPlan
from amazon_ae.testing._simulation.inline_storage import inline_sqlite

__all__ = ["ChaosPlan", "ChaosReport", "run_chaos"]

_SKUS: Final = [f"SKU-{number}" for number in range(12)]
_FOREIGN_SKU: Final = "FOREIGN"
_SETTLE_HOURS: Final = 8.0
_ACTION: Final = re.compile(r"\bAction=(\w+)")
_ORDER_ID: Final = re.compile(r"\d{3}-\d{7}-\d{7}")


@attrs.define
class ChaosReport:
    """What a run showed. ``violations`` is empty where every promise held; ``counts`` names faults and crashes."""

    plan: ChaosPlan
    violations: list[str]
    counts: dict[str, int]
    journal: list[str]
    """Every storage verb, request, answer, event and word, in order."""

    @property
    def trace(self) -> str:
        """A digest of the journal: equal for every replay of the seed."""
        return hashlib.sha256("\n".join(self.journal).encode()).hexdigest()[:16]


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
    with (
        mock.patch("uuid.uuid4", side_effect=lambda: uuid.UUID(int=ids.getrandbits(128), version=4)),
        inline_sqlite(),
    ):
        return asyncio.run(_World(plan, open_storage, grace_seconds).run())


class _World:
    """Amazon, the clock, the storage and what was asked: everything that outlives a process."""

    def __init__(self, plan: ChaosPlan, open_storage: Callable[[VirtualClock], Any] | None, grace: float) -> None:
        self.plan = plan
        self.rng = random.Random(f"run {plan.seed}")
        random.seed(plan.seed)  # jitter that the library draws for itself
        self.clock = VirtualClock(grace_seconds=grace)
        self.start = self.clock.now()
        self.fake = FakeMws(clock=self.clock, processing_seconds=lambda _: self._processing())
        for sku in (*_SKUS, _FOREIGN_SKU):
            self.fake.add_sku(sku, -1)
        shared = MemoryStorage(clock=self.clock)
        self._open = open_storage or (lambda clock: shared)
        self._stores: list[Any] = []
        self.hosts = SimulatedHosts(self.clock, seed=plan.seed)
        self.hosts.on_step = self._stepped
        self.counts = self.hosts.counts
        self.running: dict[int, SimulatedHost] = {}
        self.schedulers: dict[int, FeedScheduler] = {}
        self.buffers: dict[int, InventoryBuffer] = {}
        self.networks: list[_Network] = []
        self.puts: list[Put] = []
        self.told: list[Told] = []
        self.asked: dict[str, datetime] = {}
        self.events: list[Event] = []
        self.journal: list[str] = []
        self.evidence = Evidence()
        self.account = f"{self.fake.credentials.seller_id}/{self.fake.marketplace.code}"
        self.calm_since: float | None = None
        # Tasks by the order in which they began: a set's order would not replay.
        self._running: dict[asyncio.Future[Any], None] = {}

    @property
    def seconds(self) -> float:
        """Since the start."""
        return (self.clock.now() - self.start).total_seconds()

    def note(self, line: str) -> None:
        """Write a line of the journal."""
        self.journal.append(f"{self.seconds:.6f} {line}")

    def _stepped(self, host: SimulatedHost, verb: str) -> None:
        self.note(f"{host.name} storage.{verb}")
        for store in self._stores:  # a file tells its other connections nothing by itself
            if isinstance(store, SQLiteStorage):
                store._database.check_foreign_commits()

    def _happened(self, event: Event) -> None:
        self.events.append(event)
        self.note(repr(event))

    async def run(self) -> ChaosReport:
        """The disaster, the calm after it, and the checks."""
        async with self.hosts, httpx.AsyncClient(transport=self.fake) as http:
            foreign = MwsClient(self.fake.credentials, self.fake.marketplace, http=http, clock=self.clock)
            self.foreign = MwsGateway(foreign, pickup_route=SchedulePickupFeed(feed_type=self.fake.pickup_feed_type))
            for number in range(self.plan.hosts):
                await self._boot(number)
            disasters = [asyncio.ensure_future(work) for work in self._disasters()]
            await self.clock.sleep(self.plan.hours * 3600)
            for task in disasters:
                task.cancel()
            await asyncio.gather(*disasters, return_exceptions=True)
            await self._calm_down()
            violations = await self._check()
        for store in self._stores:
            await store.aclose()
        return ChaosReport(self.plan, violations, dict(sorted(self.counts.items())), self.journal)

    # Hosts

    async def _boot(self, number: int) -> None:
        ready = asyncio.Event()
        store = self._open(self.clock)
        self._stores.append(store)

        async def live(host: SimulatedHost) -> None:
            network = _Network(self, host, random.Random(f"{self.plan.seed} {number} {self.seconds}"))
            self.networks.append(network)
            http = httpx.AsyncClient(transport=network, timeout=60.0)
            client = MwsClient(
                self.fake.credentials, self.fake.marketplace, http=http, clock=host.clock, random=network.rng.random
            )
            gateway = MwsGateway(client, pickup_route=SchedulePickupFeed(feed_type=self.fake.pickup_feed_type))
            storage = host.storage(store)
            scheduler = FeedScheduler(storage, gateway, orders=gateway, clock=host.clock, on_event=self._happened)
            async with scheduler:
                self.schedulers[number] = scheduler
                self.buffers[number] = InventoryBuffer(storage, gateway.account)
                ready.set()
                await asyncio.get_running_loop().create_future()

        skew = self.plan.skews[number % len(self.plan.skews)]
        self.running[number] = self.hosts.boot(live, name=f"host-{number}", skew_seconds=skew)
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
        while True:
            await self.clock.sleep(self.rng.expovariate(per_hour / 3600))
            self._start(act())

    def _start(self, work: Awaitable[Any]) -> None:
        """Perform beside everything else; what still runs at the end ends with the loop."""
        task = asyncio.ensure_future(work)
        self._running[task] = None
        task.add_done_callback(self._running.pop)

    async def _on_a_host(self, work: Callable[[int], Any]) -> Any:
        """Run work in some living process; ``None`` if it died meanwhile or the storage failed."""
        number = self.rng.choice([number for number, host in self.running.items() if host.alive] or [-1])
        if number < 0 or number not in self.schedulers:
            return None
        try:
            return await self.running[number].start(work(number))
        except (HostKilled, asyncio.CancelledError):
            return None

    async def _put(self) -> None:
        sku = self.rng.choice(_SKUS)
        quantity = 0 if self.rng.random() < 0.2 else len(self.puts) + 1
        put = Put(sku=sku, quantity=quantity, asked_at=self.clock.now())
        self.puts.append(put)

        async def work(number: int) -> bool:
            receipt = await self.buffers[number].put(put.sku, put.quantity)
            put.version, put.acknowledged_at = receipt.version, self.clock.now()
            return True

        await self._on_a_host(work)

    async def _pack(self) -> None:
        order_id = make_order_id(len(self.asked) + 1)
        self.asked[order_id] = self.clock.now()
        self.fake.add_order(make_order(order_id, clock=self.clock))
        if self.rng.random() < self.plan.cancellations:
            self._start(self._cancel(order_id, self.rng.uniform(0, 900)))
        while self.calm_since is None and not await self._ask(order_id):
            await self.clock.sleep(self.rng.uniform(5, 300))

    async def _ask(self, order_id: str) -> bool:
        """One packer asks once; whether the answer is final."""

        async def work(number: int) -> bool:
            try:
                outcome = await self.schedulers[number].schedule_pickup(order_id)
            except PickupRejected as error:
                self._tell(order_id, "rejected", error.code)
            except PickupUnknown:
                self._tell(order_id, "unknown")
            except AmazonAeError as error:
                self.counts[f"told {type(error).__name__}"] += 1
                return False
            else:
                self._tell(order_id, str(outcome.state), outcome.code)
            return True

        return bool(await self._on_a_host(work))

    def _tell(self, order_id: str, outcome: str, code: str = "") -> None:
        self.told.append(Told(order_id, outcome, self.clock.now(), code))
        self.note(f"told {order_id} {outcome} {code}")

    async def _cancel(self, order_id: str, after: float) -> None:
        await self.clock.sleep(after)
        if order_id not in self.fake.pickups:
            self.fake.cancel_order(order_id)

    async def _foreign(self) -> None:
        """Another program of the seller sends a feed of its own, often of the size of ours."""
        self.counts["foreign feeds"] += 1
        number = self.counts["foreign feeds"]
        value: InventoryUpdate | PickupRequest = InventoryUpdate(_FOREIGN_SKU, number)
        kind = ItemKind.INVENTORY
        if self.rng.random() < 0.5:
            order = self.fake.new_order(make_order_id(1_000_000 + number))
            kind, value = (
                ItemKind.PICKUP,
                PickupRequest(order_id=order.amazon_order_id, pickup_date=_pickup_day(self.clock)),
            )
        key = value.order_id if isinstance(value, PickupRequest) else value.sku
        try:
            await self.foreign.submit(
                FeedBatch(batch_id=f"foreign-{number}", kind=kind, items=(FeedItem(1, key, value),))
            )
        except AmazonAeError:
            self.counts["foreign feeds refused"] += 1

    async def _crash(self, number: int) -> None:
        host = self.running[number]
        if not host.alive:
            return
        self.counts["crashes"] += 1
        self.note(f"{host.name} is killed")
        self.evidence.stopped.append(self.clock.now())
        self.schedulers.pop(number, None)
        await host.kill()
        await self.clock.sleep(self.rng.uniform(1, 600))
        if self.calm_since is None:
            await self._boot(number)

    async def _freeze(self, number: int) -> None:
        self.counts["freezes"] += 1
        self.evidence.stopped.append(self.clock.now())
        self.note(f"{self.running[number].name} freezes")
        self.running[number].freeze(self.rng.uniform(1, self.plan.freeze_seconds))

    def down(self) -> bool:
        """Whether Amazon is down at this instant."""
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
        """No more faults; every host runs; wait until nothing is queued, at most eight hours after Amazon."""
        self.calm_since = self.seconds
        self.note("calm")
        for network in self.networks:
            network.faults = NetworkFaults()
        for number, host in list(self.running.items()):
            host.thaw()
            if not host.alive or number not in self.schedulers:
                await host.kill()
                await self._boot(number)
                self.networks[-1].faults = NetworkFaults()
        for order_id in self._untold():
            self._start(self._ask_until_final(order_id))
        end = self.clock.now() + timedelta(hours=_SETTLE_HOURS)
        while self.clock.now() < end and await self._pending():
            await self.clock.sleep(60)
            if any(feed.status not in ENDED for feed in self.fake.feeds):  # several stuck ones wait for each other
                end = self.clock.now() + timedelta(hours=_SETTLE_HOURS)

    def _untold(self) -> list[str]:
        told = {told.order_id for told in self.told}
        return [order_id for order_id in self.asked if order_id not in told]

    async def _ask_until_final(self, order_id: str) -> None:
        while not await self._ask(order_id):
            await self.clock.sleep(60)

    async def _pending(self) -> bool:
        storage, account = self._stores[0], self.account
        for kind in ItemKind:
            stats = await storage.stats(account, kind)
            if stats.waiting or stats.in_flight:
                return True
        return bool(self._untold()) or any(network.late for network in self.networks)

    # Afterwards

    async def _check(self) -> list[str]:
        if self.plan.stuck:
            await self.clock.sleep(6 * 3600)  # feeds that were passed as stuck end too
        storage, account = self._stores[0], self.account
        left = {str(kind): await storage.stats(account, kind) for kind in ItemKind}
        return find_violations(
            self.plan,
            self.fake,
            puts=self.puts,
            told=self.told,
            asked=self.asked,
            events=self.events,
            left=left,
            evidence=self.evidence,
            start=self.start,
        )


class _Network(FaultyNetwork):
    """The network of a chaos run: it is down when Amazon is, and keeps evidence of what it did."""

    def __init__(self, world: _World, host: SimulatedHost, rng: random.Random) -> None:
        super().__init__(world.fake, host, rng, world.plan.faults)
        self._world = world

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Deliver one request, and note what came of it."""
        action = _ACTION.search(str(request.url)) or _ACTION.search((await request.aread()).decode("latin-1"))
        name = action[1] if action else ""
        self._world.note(f"{self.host.name} {name}")
        request.extensions["begun"] = self._world.seconds
        came_back = ""
        try:
            response = await super().handle_async_request(request)
            came_back = str(response.status_code) if response.content[:6] != b"<html>" else "garbled"
            return response
        except httpx.TransportError as error:
            came_back = type(error).__name__
            raise
        finally:
            self._world.note(f"{self.host.name} {name}: {came_back}")
            if came_back != "200":
                self._doubt(name, request)

    def _doubt(self, name: str, request: httpx.Request) -> None:
        """The pickups of a request without a good answer."""
        evidence, fake = self._world.evidence, self._world.fake
        if name == "SubmitFeed":
            evidence.orders.update(_ORDER_ID.findall(request.content.decode("latin-1")))
        elif name == "GetFeedSubmissionResult":
            feed_id = request.url.params.get("FeedSubmissionId")
            evidence.orders.update(
                message.key for feed in fake.feeds if feed.feed_id == feed_id for message in feed.messages
            )

    def fate(self) -> str:
        """As the plan says."""
        drawn = self.rng.random()
        if self._world.down():
            return "unavailable" if drawn < 0.7 else "refused"
        return super().fate()

    def pass_on(self, request: httpx.Request, body: bytes) -> Exchange:
        """The request reaches Amazon."""
        before = len(self._world.fake.feeds)
        exchange = super().pass_on(request, body)
        feeds = self._world.fake.feeds
        if len(feeds) > before:
            self._world.evidence.under_way[feeds[-1].feed_id] = self._world.seconds - request.extensions["begun"]
        return exchange


def _pickup_day(clock: VirtualClock) -> date:
    return clock.now().date() + timedelta(days=1)
