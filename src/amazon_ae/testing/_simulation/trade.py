"""A simulated seller: arrivals, the real scheduler on virtual time, and how long everything waited."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import attrs

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.events import Event
from amazon_ae._models.feeds import FeedBatch, InventoryUpdate, ItemKind
from amazon_ae._models.pickups import PickupOutcome
from amazon_ae._models.stored import Change
from amazon_ae._ports import FeedGateway, OrderGateway, Storage
from amazon_ae._scheduling import FeedScheduler, SchedulerTiming
from amazon_ae._scheduling.policy import FeedPolicy
from amazon_ae._storage.memory import MemoryStorage
from amazon_ae.testing._builders import make_order_id
from amazon_ae.testing._clocks import VirtualClock
from amazon_ae.testing._simulation.market import PaperMarket

__all__ = ["Books", "Delays", "Load", "Market", "Side", "Trade", "paper", "simulate", "sku_name"]

_HOUR = 3600.0
_GROUP_SECONDS = 2.0
# Puts that change nothing for the decision are looked at every five seconds: there is no urgent stock in this trade.
_TIMING = SchedulerTiming(wake_seconds=5.0)


@attrs.frozen(kw_only=True)
class Load:
    """What a seller does in an hour; arrivals are Poisson.

    Attributes:
        packs_per_hour: parcels packed, all day.
        changes_per_hour: stock changes.
        skus: over so many SKUs.
        burst_packs: more parcels, in the first ``burst_minutes`` of every hour.
    """

    packs_per_hour: float
    changes_per_hour: float
    skus: int = 5000
    burst_packs: float = 0.0
    burst_minutes: float = 10.0

    def __attrs_post_init__(self) -> None:
        if min(self.packs_per_hour, self.changes_per_hour, self.burst_packs) < 0 or self.skus < 1:
            raise ConfigurationError("rates must be at least 0, and there must be a SKU")
        if not 0 < self.burst_minutes <= 60:
            raise ConfigurationError("burst_minutes must be above 0 and at most 60")


@attrs.frozen(kw_only=True)
class Delays:
    """Seconds from asking to Amazon's acceptance: how many, their mean, median, 99th percentile and maximum."""

    count: int
    mean: float
    median: float
    p99: float
    longest: float

    @classmethod
    def of(cls, seconds: list[float]) -> Delays:
        """Of a list of any order; all zero for an empty one."""
        if not seconds:
            return cls(count=0, mean=0.0, median=0.0, p99=0.0, longest=0.0)
        ordered = sorted(seconds)
        last = len(ordered) - 1
        return cls(
            count=len(ordered),
            mean=sum(ordered) / len(ordered),
            median=ordered[len(ordered) // 2],
            p99=ordered[min(last, int(len(ordered) * 0.99))],
            longest=ordered[last],
        )


@attrs.frozen(kw_only=True)
class Trade:
    """What a simulation showed.

    Attributes:
        load, hours, seed: what was simulated.
        pickups, stock: delays.
        waiting: items that had not left at the end.
        feeds: (seconds from the start, kind, items) of every accepted feed, in order.
        pickup_delays, stock_delays: (seconds from the start when it was asked for, delay) of every item, for plots.
        refused: requests that the marketplace throttled, by operation; those without one are left out.
        requests: requests that it admitted, by operation.
        events: how many events of each type the scheduler emitted.
    """

    load: Load
    hours: float
    seed: int
    pickups: Delays
    stock: Delays
    waiting: int
    feeds: list[tuple[float, ItemKind, int]] = attrs.field(repr=False)
    pickup_delays: list[tuple[float, float]] = attrs.field(repr=False)
    stock_delays: list[tuple[float, float]] = attrs.field(repr=False)
    refused: dict[str, int]
    requests: dict[str, int]
    events: dict[str, int]


class Books:
    """Who waits since when. ``accepted`` is told of every feed that the marketplace took."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._packed: dict[str, float] = {}
        self._changed: dict[str, list[float]] = {}
        self._sent: dict[str, int] = {}
        self.feeds: list[tuple[float, ItemKind, int]] = []
        self.pickup_delays: list[tuple[float, float]] = []
        self.stock_delays: list[tuple[float, float]] = []
        self.on_packed: Callable[[str], None] | None = None

    def packed(self, order_id: str, at: float) -> None:
        """A parcel was packed."""
        self._packed[order_id] = at
        if self.on_packed is not None:
            self.on_packed(order_id)

    def changed(self, sku: str, quantity: int, at: float) -> None:
        """The stock of a SKU changed. Quantities only grow here, so a feed's quantity says which changes it covers."""
        self._changed.setdefault(sku, []).append(at)
        assert quantity == self._sent.get(sku, 0) + len(self._changed[sku])

    def accepted(self, batch: FeedBatch, now: datetime) -> None:
        """A feed was accepted: what it carries waited until now, and so did every older change of the same SKU."""
        at = (now - self._start).total_seconds()
        self.feeds.append((at, batch.kind, len(batch.items)))
        for item in batch.items:
            if batch.kind is ItemKind.PICKUP:
                asked = self._packed.pop(item.key)
                self.pickup_delays.append((asked, at - asked))
            elif isinstance(item.value, InventoryUpdate):
                since = self._changed[item.key]
                covered = item.value.quantity - self._sent.get(item.key, 0)
                self._sent[item.key] = item.value.quantity
                self.stock_delays += [(asked, at - asked) for asked in since[:covered]]
                del since[:covered]

    @property
    def waiting(self) -> int:
        """What was asked for and never accepted."""
        return len(self._packed) + sum(len(since) for since in self._changed.values())

    def quantity(self, sku: str) -> int:
        """The next quantity of a SKU."""
        return self._sent.get(sku, 0) + len(self._changed.get(sku, ())) + 1


def sku_name(number: int) -> str:
    """The SKU of that number."""
    return f"SKU-{number:05d}"


def pack_instants(load: Load, seconds: float, rng: random.Random) -> Iterator[float]:
    """When parcels are packed, seconds from the start."""
    burst = load.burst_minutes * 60.0
    peak = load.packs_per_hour + load.burst_packs * _HOUR / burst
    at = 0.0
    while peak > 0:
        at += rng.expovariate(peak / _HOUR)
        if at >= seconds:
            return
        rate = peak if at % _HOUR < burst else load.packs_per_hour
        if rng.random() * peak < rate:
            yield at


def change_instants(load: Load, seconds: float, rng: random.Random) -> Iterator[float]:
    """When stock changes, seconds from the start."""
    at = 0.0
    while load.changes_per_hour > 0:
        at += rng.expovariate(load.changes_per_hour / _HOUR)
        if at >= seconds:
            return
        yield at


@attrs.frozen
class Side:
    """Amazon's side of a trade: its two gateways, and what tells (admitted, refused) requests by operation."""

    feeds: FeedGateway
    orders: OrderGateway
    requests: Callable[[], dict[str, tuple[int, int]]]


Market = Callable[[VirtualClock, Books, Load], Side]
"""Builds Amazon's side."""


def paper(clock: VirtualClock, books: Books, load: Load) -> Side:
    """The fast marketplace, without requests and documents."""
    market = PaperMarket(clock, on_feed=books.accepted)
    return Side(market, market, lambda: {name: (meter.taken, meter.refused) for name, meter in market.meters.items()})


def simulate(
    load: Load,
    *,
    hours: float = 48.0,
    seed: int = 0,
    policy: FeedPolicy | None = None,
    timing: SchedulerTiming | None = None,
    market: Market = paper,
) -> Trade:
    """Run the real scheduler over ``hours`` of virtual trade. Equal arguments give equal results."""
    return asyncio.run(_simulate(load, hours, seed, policy, timing, market))


async def _simulate(
    load: Load, hours: float, seed: int, policy: FeedPolicy | None, timing: SchedulerTiming | None, market: Market
) -> Trade:
    clock = VirtualClock()
    start = clock.now()
    books = Books(start)
    side = market(clock, books, load)
    gateway = side.feeds
    storage = MemoryStorage(clock=clock)
    seen: dict[str, int] = {}

    def count(event: Event) -> None:
        seen[type(event).__name__] = seen.get(type(event).__name__, 0) + 1

    rng = random.Random(seed)  # simulated arrivals
    packs = list(pack_instants(load, hours * _HOUR, random.Random(rng.random())))
    changes = list(change_instants(load, hours * _HOUR, random.Random(rng.random())))
    scheduler = FeedScheduler(
        storage, gateway, orders=side.orders, clock=clock, policy=policy, timing=timing or _TIMING, on_event=count
    )
    async with scheduler:
        bench = asyncio.ensure_future(_pack(scheduler, clock, books, packs, start))
        shelf = asyncio.ensure_future(
            _change(storage, gateway.account, clock, books, changes, start, load.skus, random.Random(rng.random()))
        )
        await asyncio.gather(bench, shelf)
        await clock.sleep((start + timedelta(hours=hours) - clock.now()).total_seconds())
    counted = side.requests()
    return Trade(
        load=load,
        hours=hours,
        seed=seed,
        pickups=Delays.of([delay for _, delay in books.pickup_delays]),
        stock=Delays.of([delay for _, delay in books.stock_delays]),
        waiting=books.waiting,
        feeds=books.feeds,
        pickup_delays=books.pickup_delays,
        stock_delays=books.stock_delays,
        refused={name: refused for name, (_, refused) in counted.items() if refused},
        requests={name: taken for name, (taken, _) in counted.items()},
        events=seen,
    )


async def _pack(
    scheduler: FeedScheduler, clock: VirtualClock, books: Books, instants: list[float], start: datetime
) -> None:
    """Pack stations: each waits for its own outcome, as a person would."""
    waiting: set[asyncio.Task[PickupOutcome]] = set()
    for number, at in enumerate(instants, 1):
        await clock.sleep(at - (clock.now() - start).total_seconds())
        order_id = make_order_id(number)
        books.packed(order_id, (clock.now() - start).total_seconds())
        task = asyncio.ensure_future(scheduler.schedule_pickup(order_id))
        waiting.add(task)
        task.add_done_callback(waiting.discard)
    for task in waiting:
        task.add_done_callback(lambda task: task.cancelled() or task.exception())


async def _change(
    storage: Storage,
    account: str,
    clock: VirtualClock,
    books: Books,
    instants: list[float],
    start: datetime,
    skus: int,
    rng: random.Random,
) -> None:
    """Shelves: changes are put in groups, as a host's job does, and count from their own instants."""
    position = 0
    while position < len(instants):
        until = instants[position] + _GROUP_SECONDS
        changes = []
        while position < len(instants) and instants[position] <= until:
            sku = sku_name(rng.randrange(skus))
            quantity = books.quantity(sku)
            books.changed(sku, quantity, instants[position])
            changes.append(Change(sku, f'{{"quantity":{quantity}}}'))
            position += 1
        await clock.sleep(until - (clock.now() - start).total_seconds())
        await storage.put(account, ItemKind.INVENTORY, changes)
