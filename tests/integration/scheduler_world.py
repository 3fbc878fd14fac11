"""A shop whose process may die or whose store may fail at any step, and what must hold after that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx

from amazon_ae._models.feeds import InventoryUpdate, ItemKind
from amazon_ae._models.stored import Change, ItemState
from amazon_ae._mws.client import MwsClient
from amazon_ae._mws.gateway import MwsGateway
from amazon_ae._mws.pickup_routes import SchedulePickupFeed
from amazon_ae._scheduling import FeedScheduler
from amazon_ae._storage.memory import MemoryStorage
from amazon_ae.testing._builders import make_order, make_order_id
from amazon_ae.testing._clocks import VirtualClock
from amazon_ae.testing._mws import FakeMws

ORDERS = [make_order_id(number) for number in (1, 2, 3)]
SKUS = [f"SKU-{number}" for number in range(4)]


class Mortal:
    """Everything a process does to the outside goes through here. At step ``last`` it dies, before or after it."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.steps: list[str] = []
        self.dead = asyncio.Event()

    async def step(self, name: str) -> None:
        if not self.dead.is_set():
            self.steps.append(name)
            if len(self.steps) < self.last:
                return
            self.dead.set()
        await asyncio.get_running_loop().create_future()  # nothing happens in a dead process

    def wrap(self, inner: Any, verbs: set[str]) -> Any:
        return _Wrapped(inner, self, verbs)


class _Wrapped:
    def __init__(self, inner: Any, mortal: Mortal, verbs: set[str]) -> None:
        self._inner, self._mortal, self._verbs = inner, mortal, verbs

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._inner, name)
        if name not in self._verbs:
            return verb

        async def mortal(*args: Any, **kwargs: Any) -> Any:
            await self._mortal.step(f"before {name}")
            result = await verb(*args, **kwargs)
            await self._mortal.step(f"after {name}")
            return result

        return mortal


# Reading verbs change nothing: dying beside one is dying beside the step before or behind it.
STORE_VERBS = {"put", "open", "mark_submitted", "renew", "settle", "take_over", "reject", "change"}
GATEWAY_VERBS = {"submit", "status", "report", "get"}


class Waited:
    """A store whose threads and sockets the virtual clock waits for."""

    def __init__(self, inner: Any, clock: VirtualClock) -> None:
        self._inner, self._clock = inner, clock

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._inner, name)
        if name == "watch":
            return verb

        async def waited(*args: Any, **kwargs: Any) -> Any:
            with self._clock.paused():
                return await verb(*args, **kwargs)

        return waited


class World:
    """Amazon, the clock and what is stored: what outlives a process. Every process opens a store of its own."""

    def __init__(self, clock: VirtualClock, open_store: Callable[[VirtualClock], Any]) -> None:
        self.clock = clock
        self._open_store = open_store
        self._stores: list[Any] = []
        self.storage = self.store()
        self.fake = FakeMws(clock=clock)
        for sku in SKUS:
            self.fake.add_sku(sku)
        for order_id in ORDERS:
            self.fake.add_order(make_order(order_id))
        self.http = httpx.AsyncClient(transport=self.fake)
        self.client = MwsClient(self.fake.credentials, self.fake.marketplace, http=self.http, clock=clock)
        self.gateway = MwsGateway(self.client, pickup_route=SchedulePickupFeed(feed_type=self.fake.pickup_feed_type))

    def store(self) -> Any:
        self._stores.append(self._open_store(self.clock))
        return Waited(self._stores[-1], self.clock)

    def process(self, mortal: Mortal | None = None) -> FeedScheduler:
        if mortal is None:
            return self.scheduler(self.store(), self.gateway)
        return self.scheduler(mortal.wrap(self.store(), STORE_VERBS), mortal.wrap(self.gateway, GATEWAY_VERBS))

    def scheduler(self, storage: Any, gateway: Any) -> FeedScheduler:
        return FeedScheduler(storage, gateway, orders=gateway, clock=self.clock)

    async def aclose(self) -> None:
        for store in self._stores:
            await store.aclose()
        await self.http.aclose()

    async def stock(self, quantity: int, *, urgent: bool = False) -> None:
        changes = [Change(sku, InventoryUpdate(sku, quantity).to_text(), urgent=urgent) for sku in SKUS]
        await self.storage.put(self.gateway.account, ItemKind.INVENTORY, changes)

    async def work(self, scheduler: FeedScheduler) -> None:
        """A morning: three parcels, stock, and newer stock while the first is in flight."""
        await self.stock(7)
        asked = [asyncio.ensure_future(scheduler.schedule_pickup(order_id)) for order_id in ORDERS]
        await self.clock.sleep(90)
        await self.stock(0, urgent=True)
        try:
            await asyncio.gather(*asked)
            await self.clock.sleep(600)
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)


def in_memory() -> Callable[[VirtualClock], MemoryStorage]:
    """The store that outlives its process is one object."""
    stores: list[MemoryStorage] = []

    def open_store(clock: VirtualClock) -> MemoryStorage:
        stores.append(stores[0] if stores else MemoryStorage(clock=clock))
        return stores[0]

    return open_store


async def dies(world: World, last: int) -> list[str]:
    """Run a process that dies at step ``last``; returns the steps it took."""
    others = asyncio.all_tasks()  # this test, and the workers of a pool that is not the process's own
    mortal = Mortal(last)
    scheduler = world.process(mortal)
    await scheduler.__aenter__()
    work = asyncio.ensure_future(world.work(scheduler))
    death = asyncio.ensure_future(mortal.dead.wait())
    await asyncio.wait((work, death), return_when=asyncio.FIRST_COMPLETED)
    its_tasks = asyncio.all_tasks() - others
    for task in its_tasks:
        task.cancel()
    await asyncio.gather(*its_tasks, return_exceptions=True)
    return mortal.steps


async def recovers(world: World) -> None:
    """The host starts again, asks for the same parcels once more, and a quarter of an hour later all is done."""
    scheduler = world.process()
    async with scheduler:
        await world.stock(0, urgent=True)
        results = await asyncio.gather(
            *(scheduler.schedule_pickup(order_id, deadline=timedelta(hours=2)) for order_id in ORDERS)
        )
        assert {result.state for result in results} == {ItemState.ACCEPTED}
        await world.clock.sleep(3600)
    await all_is_well(world)


async def all_is_well(world: World) -> None:
    """Nothing waits, flies or is dead; Amazon has every pickup once and the newest stock; no place is lost."""
    for kind in ItemKind:
        queue = await world.storage.stats(world.gateway.account, kind)
        assert (queue.waiting, queue.in_flight, queue.dead, queue.unknown) == (0, 0, 0, 0)
    assert world.fake.pickups_sent == dict.fromkeys(ORDERS, 1)
    assert {sku: world.fake.stock[sku] for sku in SKUS} == dict.fromkeys(SKUS, 0)
    assert not [seen for seen in world.fake.requests if seen.status == 503]
    ledger = await world.storage.load(world.client.feeds.submit_quota.name)
    assert '"open":[]' in ledger  # no place leaks
