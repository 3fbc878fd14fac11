"""A host that changes its backend dies at any of its steps: the other one goes on; nothing is lost, nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from scheduler_world import GATEWAY_VERBS, ORDERS, SKUS, STORE_VERBS, Mortal, Waited, in_memory

from amazon_ae import (
    FeedOfOtherRoute,
    FeedScheduler,
    InventoryBuffer,
    InventoryUpdate,
    ItemKind,
    MwsClient,
    MwsGateway,
    PickupUnknown,
    SchedulePickupFeed,
    SpApiClient,
    SpApiGateway,
    SQLiteStorage,
)
from amazon_ae.testing import FakeMws, FakeSpApi, SellerState, VirtualClock, make_order

BOTH = ("mws", "spapi")
PARCEL: Any = {"weight_grams": 500, "length_cm": 20, "width_cm": 10, "height_cm": 5}


class Shop:
    """One seller at Amazon, reached by two backends; each process opens the store anew."""

    def __init__(self, open_store: Callable[[VirtualClock], Any]) -> None:
        self.clock = VirtualClock()
        self.state = SellerState(clock=self.clock)
        self.mws = FakeMws(state=self.state, processing_seconds=120)
        self.spapi = FakeSpApi(state=self.state, processing_seconds=40)
        for sku in SKUS:
            self.state.add_sku(sku)
        for order_id in ORDERS:
            self.mws.add_order(make_order(order_id))
        self._open_store = open_store
        self._stores: list[Any] = []
        self._puts: set[asyncio.Future[Any]] = set()
        self.http = {
            "mws": httpx.AsyncClient(transport=self.mws),
            "spapi": httpx.AsyncClient(transport=self.spapi),
        }
        self.account = self.gateway("mws").account

    def store(self) -> Any:
        self._stores.append(self._open_store(self.clock))
        return Waited(self._stores[-1], self.clock)

    def gateway(self, backend: str) -> MwsGateway | SpApiGateway:
        http = self.http[backend]
        if backend == "spapi":
            return SpApiGateway(
                SpApiClient(self.spapi.credentials, self.spapi.marketplace, http=http, clock=self.clock)
            )
        client = MwsClient(self.mws.credentials, self.mws.marketplace, http=http, clock=self.clock)
        return MwsGateway(client, pickup_route=SchedulePickupFeed(feed_type=self.mws.pickup_feed_type))

    async def start(self, stack: AsyncExitStack, backend: str, mortal: Mortal | None = None) -> FeedScheduler:
        """The schedulers of one process: the one that works, and the one that settles what the other backend has."""
        schedulers = []
        for name in (backend, *(other for other in BOTH if other != backend)):
            storage, gateway = self.store(), self.gateway(name)
            if mortal is not None:
                storage, gateway = mortal.wrap(storage, STORE_VERBS), mortal.wrap(gateway, GATEWAY_VERBS)
            schedulers.append(
                FeedScheduler(storage, gateway, orders=gateway, clock=self.clock, settle_only=name != backend)
            )
            await stack.enter_async_context(schedulers[-1])
        return schedulers[0]

    async def stock(self, quantity: int) -> None:
        buffer = InventoryBuffer(self.store(), self.account)
        put = asyncio.ensure_future(buffer.put_many(InventoryUpdate(sku, quantity) for sku in SKUS))
        self._puts.add(put)
        await asyncio.shield(put)

    async def work(self, scheduler: FeedScheduler) -> None:
        """Three parcels, stock, and newer stock while the first is in flight."""
        await self.stock(7)
        asked = [asyncio.ensure_future(scheduler.schedule_pickup(order_id, **PARCEL)) for order_id in ORDERS]
        try:
            await self.clock.sleep(90)
            await self.stock(0)
            await asyncio.gather(*asked)
            await self.clock.sleep(600)
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    async def dies(self, backend: str, last: int) -> list[str]:
        """A process that dies at step ``last``; the steps that it took."""
        others, mortal = asyncio.all_tasks(), Mortal(last)
        scheduler = await self.start(AsyncExitStack(), backend, mortal)
        work, death = asyncio.ensure_future(self.work(scheduler)), asyncio.ensure_future(mortal.dead.wait())
        await asyncio.wait((work, death), return_when=asyncio.FIRST_COMPLETED)
        # A put that the store's thread has begun is done, or not, before the next process starts.
        its_tasks = asyncio.all_tasks() - others - self._puts
        for task in its_tasks:
            task.cancel()
        await asyncio.gather(*its_tasks, *self._puts, return_exceptions=True)
        return mortal.steps

    async def ends_well(self, backend: str) -> None:
        """The last process finishes, and Amazon has every pickup once and the newest stock."""
        async with AsyncExitStack() as stack:
            scheduler = await self.start(stack, backend)
            await self.stock(0)
            asked = (scheduler.schedule_pickup(each, deadline=timedelta(hours=3), **PARCEL) for each in ORDERS)
            await asyncio.gather(*asked)
            await self.clock.sleep(2 * 3600)
        storage = self.store()
        for kind in ItemKind:
            queue = await storage.stats(self.account, kind)
            assert (queue.waiting, queue.in_flight, queue.dead, queue.unknown) == (0, 0, 0, 0)
        assert self.mws.pickups_sent == dict.fromkeys(ORDERS, 1)
        assert {sku: self.state.advance().stock[sku] for sku in SKUS} == dict.fromkeys(SKUS, 0)
        assert not [seen for seen in self.mws.requests if seen.status == 503]
        assert not [seen for seen in self.spapi.requests if seen.status == 429]

    async def aclose(self) -> None:
        for store in self._stores:
            await store.aclose()
        for http in self.http.values():
            await http.aclose()


async def _steps(backend: str) -> list[str]:
    shop = Shop(in_memory())
    try:
        return await shop.dies(backend, 10**9)
    finally:
        await shop.aclose()


STEPS = {backend: asyncio.run(_steps(backend)) for backend in BOTH}
at_every_step = pytest.mark.parametrize(
    ("first", "last"),
    [
        pytest.param(name, last, id=f"{name}-{last}-{STEPS[name][last - 1].replace(' ', '-')}")
        for name in BOTH
        for last in range(1, len(STEPS[name]) + 1)
    ],
)


def other(backend: str) -> str:
    return BOTH[1 - BOTH.index(backend)]


@at_every_step
async def test_the_other_backend_goes_on_after_a_kill_at_any_step(first: str, last: int) -> None:
    """Stock and pickups wait or are at the first backend; the second one carries on, in either direction."""
    shop = Shop(in_memory())
    try:
        await shop.dies(first, last)
        await shop.ends_well(other(first))
    finally:
        await shop.aclose()


@pytest.mark.parametrize("first", BOTH)
@pytest.mark.parametrize("seed", range(12))
async def test_there_and_back_with_a_kill_between(first: str, seed: int, tmp_path: Path) -> None:
    """Over one SQLite file: the first backend dies, the second dies while it takes over, the first one ends it."""
    shop = Shop(lambda clock: SQLiteStorage(tmp_path / "s.db", clock=clock, watch_seconds=None))
    try:
        await shop.dies(first, 1 + (seed * 7) % len(STEPS[first]))
        await shop.dies(other(first), 1 + (seed * 5) % len(STEPS[other(first)]))
        await shop.ends_well(first)
    finally:
        await shop.aclose()


async def test_a_backend_that_is_gone_is_named_and_given_up_by_hand() -> None:
    """MWS answers nothing any more: its feeds are named, stock goes on after ``abandon``, pickups ask a person."""
    shop = Shop(in_memory())
    try:
        async with AsyncExitStack() as stack:
            scheduler = await shop.start(stack, "mws")
            await shop.stock(7)
            packing = asyncio.ensure_future(scheduler.schedule_pickup(ORDERS[0], weight_grams=500))
            while len(shop.mws.feeds) < 2:
                await shop.clock.sleep(1)
            packing.cancel()
        shop.http["mws"] = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(503)))
        named: list[FeedOfOtherRoute] = []

        def on_event(event: object) -> None:
            if isinstance(event, FeedOfOtherRoute):
                named.append(event)

        storage, old, new = shop.store(), shop.gateway("mws"), shop.gateway("spapi")
        async with (
            FeedScheduler(storage, new, orders=new, clock=shop.clock, on_event=on_event) as scheduler,
            FeedScheduler(storage, old, clock=shop.clock, settle_only=True) as former,
        ):
            asked = asyncio.ensure_future(scheduler.schedule_pickup(ORDERS[0], weight_grams=500))
            await shop.clock.sleep(300)
            assert sorted((each.kind, each.size) for each in named) == [
                (ItemKind.INVENTORY, len(SKUS)),
                (ItemKind.PICKUP, 1),
            ]
            for each in named:
                assert await former.abandon(each.batch_id)
            with pytest.raises(PickupUnknown):
                await asked
            assert await scheduler.resolve(ORDERS[0], scheduled=True)
            await shop.clock.sleep(60)
        assert {sku: shop.spapi.stock[sku] for sku in SKUS} == dict.fromkeys(SKUS, 7)
        assert not await storage.unfinished(shop.account)
    finally:
        await shop.aclose()
