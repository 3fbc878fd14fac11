"""A simulated seller: arrivals, the real scheduler on virtual time, and how long everything waited."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from datetime import datetime

import attrs

from amazon_ae._exceptions import AmazonAeError
from amazon_ae._models.events import Event
from amazon_ae._models.feeds import FeedBatch, InventoryUpdate, ItemKind
from amazon_ae._models.notifications import FeedFinished
from amazon_ae._models.stored import Change
from amazon_ae._ports import FeedGateway, OrderGateway
from amazon_ae._scheduling import FeedScheduler, SchedulerTiming
from amazon_ae._scheduling.policy import FeedPolicy
from amazon_ae._storage.memory import MemoryStorage
from amazon_ae.testing._builders import make_order_id
from amazon_ae.testing._clocks import VirtualClock
from amazon_ae.testing._simulation.loads import (
    Load,
    Processing,
    change_instants,
    foreign_instants,
    pack_instants,
)
from amazon_ae.testing._simulation.market import PaperMarket

__all__ = ["Books", "Delays", "Market", "Scene", "Side", "Trade", "paper", "simulate", "sku_name"]

_HOUR = 3600.0
_GROUP_SECONDS = 2.0
# Puts that change nothing for the decision are looked at every five seconds: there is no urgent stock in this trade.
_TIMING = SchedulerTiming(wake_seconds=5.0)


@attrs.frozen(kw_only=True)
class Delays:
    """Delays in seconds: how many, their mean, median, 99th percentile and maximum."""

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
        load, processing, hours, seed: what was simulated.
        pickups, stock: from asking to Amazon's acceptance.
        outcomes: of pickups, from asking until the caller has the outcome.
        detection: of pickups, from the end of Amazon's processing until the caller has the outcome.
        waiting: items that had not left at the end.
        feeds: (seconds from the start, kind, items) of every accepted feed, in order.
        pickup_delays, stock_delays, outcome_delays: (seconds from the start when it was asked for, delay) of every
            item, for plots.
        refused: requests that the marketplace throttled, by operation; those without one are left out.
        requests: requests that it admitted, by operation.
        events: how many events of each type the scheduler emitted.
    """

    load: Load
    processing: Processing
    hours: float
    seed: int
    pickups: Delays
    stock: Delays
    outcomes: Delays
    detection: Delays
    waiting: int
    feeds: list[tuple[float, ItemKind, int]] = attrs.field(repr=False)
    pickup_delays: list[tuple[float, float]] = attrs.field(repr=False)
    stock_delays: list[tuple[float, float]] = attrs.field(repr=False)
    outcome_delays: list[tuple[float, float]] = attrs.field(repr=False)
    refused: dict[str, int]
    requests: dict[str, int]
    events: dict[str, int]


class Books:
    """Since when each item waits, and how long each waited."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._packed: dict[str, float] = {}
        self._changed: dict[str, list[float]] = {}
        self._sent: dict[str, int] = {}
        self._accepted: dict[str, tuple[float, float]] = {}
        self.feeds: list[tuple[float, ItemKind, int]] = []
        self.pickup_delays: list[tuple[float, float]] = []
        self.stock_delays: list[tuple[float, float]] = []
        self.outcome_delays: list[tuple[float, float]] = []
        self.detection_delays: list[float] = []
        self.on_packed: Callable[[str], None] | None = None

    def packed(self, order_id: str, at: float) -> None:
        """A parcel was packed."""
        self._packed[order_id] = at
        if self.on_packed is not None:
            self.on_packed(order_id)

    def changed(self, sku: str, quantity: int, at: float) -> None:
        """The stock of a SKU changed. Quantities only grow here, so a feed's quantity shows which changes it covers."""
        self._changed.setdefault(sku, []).append(at)
        assert quantity == self._sent.get(sku, 0) + len(self._changed[sku])

    def since_start(self, instant: datetime) -> float:
        """Seconds from the start."""
        return (instant - self._start).total_seconds()

    def accepted(self, batch: FeedBatch, now: datetime, done: datetime | None = None) -> None:
        """A feed was accepted: what it carries waited until now, and so did every older change of the same SKU.

        Args:
            batch: the feed's items.
            now: the instant of acceptance.
            done: when Amazon will have processed it, where that is known.
        """
        at = self.since_start(now)
        self.feeds.append((at, batch.kind, len(batch.items)))
        for item in batch.items:
            if batch.kind is ItemKind.PICKUP:
                asked = self._packed.pop(item.key)
                self.pickup_delays.append((asked, at - asked))
                self._accepted[item.key] = (asked, at if done is None else self.since_start(done))
            elif isinstance(item.value, InventoryUpdate):
                since = self._changed[item.key]
                covered = item.value.quantity - self._sent.get(item.key, 0)
                self._sent[item.key] = item.value.quantity
                self.stock_delays += [(asked, at - asked) for asked in since[:covered]]
                del since[:covered]

    def answered(self, order_id: str, now: datetime) -> None:
        """The caller has the outcome of a pickup."""
        if order_id in self._accepted:
            (asked, done), at = self._accepted.pop(order_id), self.since_start(now)
            self.outcome_delays.append((asked, at - asked))
            self.detection_delays.append(at - done)

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


@attrs.frozen
class Side:
    """Amazon's side of a trade: its two gateways, and the counter of (admitted, refused) requests by operation."""

    feeds: FeedGateway
    orders: OrderGateway
    requests: Callable[[], dict[str, tuple[int, int]]]
    foreign_feed: Callable[[], Awaitable[None]]
    tell: Callable[[Callable[[str], object]], None] | None = None
    """See ``PaperMarket.tell``; ``None`` where this market cannot."""


@attrs.frozen(kw_only=True)
class Scene:
    """The parts of a trade that Amazon's side needs."""

    clock: VirtualClock
    books: Books
    load: Load
    processing: Processing
    seed: int


Market = Callable[[Scene], Side]
"""Builds Amazon's side."""


def paper(scene: Scene) -> Side:
    """The fast marketplace, without requests and documents."""

    def accepted(batch: FeedBatch, now: datetime) -> None:
        scene.books.accepted(batch, now, market.busy_until(batch.kind))

    rng = random.Random(scene.seed)  # simulated processing times
    market = PaperMarket(scene.clock, processing=scene.processing, rng=rng, on_feed=accepted)
    meters = market.meters
    return Side(
        market,
        market,
        lambda: {name: (meter.taken, meter.refused) for name, meter in meters.items()},
        market.foreign_feed,
        market.tell,
    )


def simulate(
    load: Load,
    *,
    processing: Processing | None = None,
    hours: float = 48.0,
    seed: int = 0,
    policy: FeedPolicy | None = None,
    timing: SchedulerTiming | None = None,
    market: Market = paper,
    told: bool = False,
    progress: Callable[[float], None] | None = None,
) -> Trade:
    """Run the real scheduler over ``hours`` of virtual trade. Equal arguments give equal results.

    Args:
        load: the seller.
        processing: Amazon's pace; 60 s a feed by default.
        hours: of virtual time.
        seed: other arrivals and processing times for another seed.
        policy, timing: the scheduler's; its defaults without them.
        market: Amazon's side.
        told: the scheduler is notified of each feed's end at once, as no MWS seller is: a bound for every way to poll.
        progress: called with the hours that are done, about once per virtual quarter of an hour.
    """
    run = _Run(load, processing or Processing(), hours, seed, market, told)
    return asyncio.run(run.perform(policy, timing or _TIMING, progress))


class _Run:
    """One simulation."""

    def __init__(self, load: Load, processing: Processing, hours: float, seed: int, market: Market, told: bool) -> None:
        self._told = told
        self._load, self._processing, self._hours, self._seed = load, processing, hours, seed
        self._clock = VirtualClock()
        self._start = self._clock.now()
        self._books = Books(self._start)
        self._rng = random.Random(seed)  # simulated arrivals
        self._side = market(Scene(clock=self._clock, books=self._books, load=load, processing=processing, seed=seed))
        self._storage = MemoryStorage(clock=self._clock)
        self._events: dict[str, int] = {}

    async def perform(
        self, policy: FeedPolicy | None, timing: SchedulerTiming, progress: Callable[[float], None] | None
    ) -> Trade:
        load, seconds, side = self._load, self._hours * _HOUR, self._side
        packs = list(pack_instants(load, seconds, random.Random(self._rng.random())))
        changes = list(change_instants(load, seconds, random.Random(self._rng.random())))
        skus = random.Random(self._rng.random())
        foreign = list(foreign_instants(load, seconds, random.Random(self._rng.random())))
        scheduler = FeedScheduler(
            self._storage,
            side.feeds,
            orders=side.orders,
            clock=self._clock,
            policy=policy,
            timing=timing,
            on_event=self._count,
        )
        if self._told and side.tell is not None:
            side.tell(lambda feed_id: scheduler.notify(FeedFinished(feed_id=feed_id)))
        async with scheduler:
            await asyncio.gather(
                self._pack(scheduler, packs),
                self._change(changes, skus),
                self._spend(foreign),
                self._tell(progress),
            )
            await self._until(seconds)
        return self._trade()

    def _trade(self) -> Trade:
        books, counted = self._books, self._side.requests()
        return Trade(
            load=self._load,
            processing=self._processing,
            hours=self._hours,
            seed=self._seed,
            pickups=Delays.of([delay for _, delay in books.pickup_delays]),
            stock=Delays.of([delay for _, delay in books.stock_delays]),
            outcomes=Delays.of([delay for _, delay in books.outcome_delays]),
            detection=Delays.of(books.detection_delays),
            waiting=books.waiting,
            feeds=books.feeds,
            pickup_delays=books.pickup_delays,
            stock_delays=books.stock_delays,
            outcome_delays=books.outcome_delays,
            refused={name: refused for name, (_, refused) in counted.items() if refused},
            requests={name: taken for name, (taken, _) in counted.items()},
            events=self._events,
        )

    def _count(self, event: Event) -> None:
        name = type(event).__name__
        self._events[name] = self._events.get(name, 0) + 1

    async def _until(self, at: float) -> None:
        await self._clock.sleep(at - self._books.since_start(self._clock.now()))

    async def _pack(self, scheduler: FeedScheduler, instants: list[float]) -> None:
        """Pack stations: each waits for its own outcome, as a person would."""
        waiting: set[asyncio.Task[None]] = set()
        for number, at in enumerate(instants, 1):
            await self._until(at)
            task = asyncio.ensure_future(self._ask(scheduler, make_order_id(number)))
            waiting.add(task)
            task.add_done_callback(waiting.discard)

    async def _ask(self, scheduler: FeedScheduler, order_id: str) -> None:
        self._books.packed(order_id, self._books.since_start(self._clock.now()))
        with contextlib.suppress(AmazonAeError):  # the end of the simulation, for those that still wait
            await scheduler.schedule_pickup(order_id)
            self._books.answered(order_id, self._clock.now())

    async def _change(self, instants: list[float], rng: random.Random) -> None:
        """Shelves: changes are put in groups, as a host's job does, and count from their own instants."""
        position = 0
        while position < len(instants):
            until = instants[position] + _GROUP_SECONDS
            changes = []
            while position < len(instants) and instants[position] <= until:
                sku = sku_name(rng.randrange(self._load.skus))
                quantity = self._books.quantity(sku)
                self._books.changed(sku, quantity, instants[position])
                changes.append(Change(sku, f'{{"quantity":{quantity}}}'))
                position += 1
            await self._until(until)
            await self._storage.put(self._side.feeds.account, ItemKind.INVENTORY, changes)

    async def _spend(self, instants: list[float]) -> None:
        """Another program that spends the same quota."""
        for at in instants:
            await self._until(at)
            await self._side.foreign_feed()

    async def _tell(self, progress: Callable[[float], None] | None) -> None:
        quarter, at = 900.0, 0.0
        while progress is not None and at < self._hours * _HOUR:
            progress(at / _HOUR)
            at += quarter
            await self._until(at)
