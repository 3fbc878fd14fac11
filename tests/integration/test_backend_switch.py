"""A host changes its backend in the middle of the work: same store, same seller, nothing lost and nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from amazon_ae import (
    FeedScheduler,
    InventoryBuffer,
    InventoryUpdate,
    MemoryStorage,
    MwsClient,
    MwsGateway,
    QuotaTimeout,
    SchedulePickupFeed,
    SpApiClient,
    SpApiGateway,
)
from amazon_ae.testing import FakeMws, FakeSpApi, SellerState, VirtualClock


class Shop:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.state = SellerState(clock=self.clock)
        self.mws = FakeMws(state=self.state, processing_seconds=600)
        self.spapi = FakeSpApi(state=self.state)
        self.storage = MemoryStorage(clock=self.clock)
        self.http = httpx.AsyncClient(transport=self.mws), httpx.AsyncClient(transport=self.spapi)
        client = MwsClient(self.mws.credentials, self.mws.marketplace, http=self.http[0], clock=self.clock)
        self.old = MwsGateway(client, pickup_route=SchedulePickupFeed(feed_type=self.mws.pickup_feed_type))
        self.new = SpApiGateway(
            SpApiClient(self.spapi.credentials, self.spapi.marketplace, http=self.http[1], clock=self.clock)
        )
        self.buffer = InventoryBuffer(self.storage, self.old.account)


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    shop = Shop()
    yield shop
    for http in shop.http:
        await http.aclose()


async def test_stock_goes_on_by_the_other_backend(shop: Shop) -> None:
    """An MWS feed is under way when the host comes back with the Selling Partner API; then it goes back once more."""
    assert shop.old.account == shop.new.account
    for number in range(4):
        shop.state.add_sku(f"SKU-{number}")
    async with FeedScheduler(shop.storage, shop.old, clock=shop.clock):
        await shop.buffer.put("SKU-0", 10)
        await shop.buffer.put("SKU-1", 11)
        while not shop.mws.feeds:
            await shop.clock.sleep(1)
        await shop.buffer.put("SKU-2", 12)
    polls = shop.mws.count("GetFeedSubmissionList")
    async with FeedScheduler(shop.storage, shop.new, clock=shop.clock):
        await shop.buffer.put("SKU-3", 13)
        while shop.spapi.stock["SKU-3"] != 13 or shop.spapi.stock["SKU-2"] != 12:
            await shop.clock.sleep(1)
    assert shop.mws.count("GetFeedSubmissionList") == polls  # another backend's feed is none of this one's business
    async with FeedScheduler(shop.storage, shop.old, clock=shop.clock):
        while (stats := await shop.buffer.stats()).waiting or stats.in_flight:
            await shop.clock.sleep(10)
    assert shop.state.advance().stock == {"SKU-0": 10, "SKU-1": 11, "SKU-2": 12, "SKU-3": 13}
    assert len(shop.mws.feeds) == 1


async def test_pickups_go_on_by_the_other_backend(shop: Shop) -> None:
    """One pickup is in an unsettled MWS feed, one waits: the waiting one is booked by Easy Ship's API, none twice."""
    first, second = shop.mws.new_order(), shop.mws.new_order()
    async with FeedScheduler(shop.storage, shop.old, clock=shop.clock) as scheduler:
        packing = asyncio.create_task(scheduler.schedule_pickup(first.amazon_order_id, weight_grams=500))
        while not shop.mws.feeds:
            await shop.clock.sleep(1)
    with pytest.raises(QuotaTimeout):
        await packing
    async with FeedScheduler(shop.storage, shop.new, clock=shop.clock) as scheduler:
        started = shop.clock.now()
        await scheduler.schedule_pickup(
            second.amazon_order_id, weight_grams=500, length_cm=20, width_cm=10, height_cm=5
        )
        assert (shop.clock.now() - started).total_seconds() < 10
    async with FeedScheduler(shop.storage, shop.old, clock=shop.clock) as scheduler:
        await scheduler.schedule_pickup(first.amazon_order_id, weight_grams=500)  # joins what is there
    assert shop.mws.pickups_sent == {first.amazon_order_id: 1, second.amazon_order_id: 1}
    assert set(shop.state.pickups) == {first.amazon_order_id, second.amazon_order_id}


async def test_a_resync_by_feed_keeps_the_daily_trickle_moving(shop: Shop) -> None:
    """Patches of other SKUs, urgent or not, do not wait for a JSON feed that Amazon takes ten minutes for."""
    fake = FakeSpApi(state=shop.state, processing_seconds=600)
    async with httpx.AsyncClient(transport=fake) as http:
        client = SpApiClient(fake.credentials, fake.marketplace, http=http, clock=shop.clock)
        gateway = SpApiGateway(client)
        for number in range(1000):
            shop.state.add_sku(f"SKU-{number}")
        async with FeedScheduler(shop.storage, gateway, clock=shop.clock):
            await shop.buffer.put_many(InventoryUpdate(f"SKU-{number}", 5) for number in range(900))
            while not fake.feeds:
                await shop.clock.sleep(1)
            for sku, quantity in (("SKU-950", 9), ("SKU-951", 0)):
                started = shop.clock.now()
                shop.state.add_sku(sku, 1)
                await shop.buffer.put(sku, quantity)
                while fake.stock[sku] == 1:
                    await shop.clock.sleep(0.5)
                assert (shop.clock.now() - started).total_seconds() < 10
            assert [feed.status for feed in fake.feeds] == ["IN_PROGRESS"]


async def test_stock_goes_on_by_patch_while_amazon_does_not_end_a_feed(shop: Shop) -> None:
    """Every later feed would queue behind it, for days. When it ends, feeds carry stock again."""
    fake = FakeSpApi(state=shop.state, processing_seconds=30)
    async with httpx.AsyncClient(transport=fake) as http:
        gateway = SpApiGateway(SpApiClient(fake.credentials, fake.marketplace, http=http, clock=shop.clock))
        for number in range(800):
            shop.state.add_sku(f"SKU-{number}")
        fake.end_feeds("IN_PROGRESS")
        async with FeedScheduler(shop.storage, gateway, clock=shop.clock):
            await shop.buffer.put_many(InventoryUpdate(f"SKU-{number}", 5) for number in range(400))
            await shop.clock.sleep(4000)
            await shop.buffer.put_many(InventoryUpdate(f"SKU-{number}", 6) for number in range(400, 800))
            await shop.clock.sleep(200)
            assert [fake.stock[f"SKU-{number}"] for number in range(400, 800)] == [6] * 400
            await shop.clock.sleep(3600)  # the feed is passed
            assert [fake.stock[f"SKU-{number}"] for number in range(400)] == [5] * 400
            (stuck,) = fake.feeds
            fake.release(stuck.feed_id)
            await shop.clock.sleep(4 * 3600)
            await shop.buffer.put_many(InventoryUpdate(f"SKU-{number}", 7) for number in range(800))
            await shop.clock.sleep(600)
        assert len(fake.feeds) == 3  # the stuck one, what it brought late once more, the newest values
        assert {fake.stock[f"SKU-{number}"] for number in range(800)} == {7}
        assert not [seen for seen in fake.requests if seen.status == 429]
