"""Three hosts on one store share what they write: Amazon throttles none of them, and they follow its rates."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from amazon_ae import (
    DocumentKind,
    FeedScheduler,
    InventoryBuffer,
    InventoryUpdate,
    LabelArchiveFolder,
    MemoryStorage,
    SpApiClient,
    SpApiDocumentsFeed,
    SpApiGateway,
    StockRouting,
)
from amazon_ae.testing import FakeSpApi, FakeSpApiSettings, VirtualClock, make_item, make_order, make_order_id

SKUS = [f"SKU-{number:05d}" for number in range(3000)]
PARCEL: Any = {"weight_grams": 750, "length_cm": 30, "width_cm": 20, "height_cm": 10}


class World:
    """One store, one account at Amazon, and a network whose answers take their time."""

    def __init__(
        self, seed: int, *, settings: FakeSpApiSettings | None = None, processing_seconds: float = 60.0
    ) -> None:
        self.random = random.Random(seed)
        self.clock = VirtualClock()
        self.fake = FakeSpApi(clock=self.clock, settings=settings, processing_seconds=processing_seconds)
        for sku in SKUS:
            self.fake.add_sku(sku)
        self.storage = MemoryStorage(clock=self.clock)
        self.throttled: list[tuple[float, str]] = []
        self.feeds_at: list[datetime] = []
        self.patches_at: list[datetime] = []
        self.began_at = self.clock.now()

    @property
    def seconds(self) -> float:
        return (self.clock.now() - self.began_at).total_seconds()

    def gateway(self, routing: StockRouting) -> SpApiGateway:
        """Of one host: a client, and so a pacer, of its own."""
        http = httpx.AsyncClient(transport=_Network(self))
        client = SpApiClient(self.fake.credentials, self.fake.marketplace, http=http, clock=self.clock)
        return SpApiGateway(client, stock=routing)

    @asynccontextmanager
    async def hosts(self, routing: StockRouting, count: int = 3) -> AsyncIterator[list[FeedScheduler]]:
        gateways = [self.gateway(routing) for _ in range(count)]
        schedulers = [FeedScheduler(self.storage, each, orders=each, clock=self.clock) for each in gateways]
        for scheduler in schedulers:
            await scheduler.__aenter__()
        try:
            yield schedulers
        finally:
            for scheduler in schedulers:
                await scheduler.aclose()

    async def stock(self, count: int) -> None:
        buffer = InventoryBuffer(self.storage, self.gateway(StockRouting()).account)
        await buffer.put_many(
            InventoryUpdate(sku, self.random.randint(1, 10**6)) for sku in self.random.sample(SKUS, count)
        )


class _Network(httpx.AsyncBaseTransport):
    def __init__(self, world: World) -> None:
        self._world = world

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        world = self._world
        await world.clock.sleep(world.random.uniform(0.02, 0.4))
        answer = await world.fake.handle_async_request(request)
        if answer.status_code == 429:
            world.throttled.append((world.seconds, f"{request.method} {request.url.path[:40]}"))
        elif request.method == "PATCH":
            world.patches_at.append(world.clock.now())
        elif request.method == "POST" and request.url.path.endswith("/feeds"):
            world.feeds_at.append(world.clock.now())
        world.fake.requests.clear()
        await world.clock.sleep(world.random.uniform(0.02, 0.4))
        return answer


def most_within(instants: list[datetime], seconds: float) -> int:
    """The most of them in any window."""
    length = timedelta(seconds=seconds)
    return max(sum(begin <= each < begin + length for each in instants) for begin in instants)


@pytest.mark.parametrize("count", [1, 3])
async def test_patches_feeds_and_pickups_are_never_throttled(count: int) -> None:
    """More of everything than Amazon takes, for a quarter of an hour: the store holds all hosts below every limit."""
    world = World(7)
    tasks = []
    async with world.hosts(StockRouting(feed_from=200), count) as schedulers:
        for look in range(40):
            await world.stock(60)
            if look % 8 == 0:
                await world.stock(1000)
            for number in range(2 * look, 2 * look + 2):
                order_id = make_order_id(number + 1)
                world.fake.add_order(
                    make_order(order_id, purchased_at=world.clock.now() - timedelta(hours=1)), [make_item()]
                )
                scheduler = schedulers[number % count]
                tasks.append(asyncio.ensure_future(scheduler.schedule_pickup(order_id, **PARCEL)))
            await world.clock.sleep(20)
        await asyncio.gather(*tasks)
    assert world.throttled == []
    assert len(world.fake.pickups) == 80
    assert world.fake.state.pickups_sent == dict.fromkeys(world.fake.pickups, 1)
    assert len(world.patches_at) > 300
    assert 1 <= most_within(world.feeds_at, 300) <= 5


async def test_the_window_of_feeds_is_counted_over_all_hosts() -> None:
    """Where Amazon has only the window, no five minutes see more than five feeds, from whichever host."""
    world = World(1, settings=FakeSpApiSettings(json_feed_limit="window"), processing_seconds=1.0)
    routing = StockRouting(feed_from=0, feed_bucket=None, first_poll_seconds=1.0, coalesce_seconds=0.0)
    async with world.hosts(routing):
        for _ in range(90):
            await world.stock(20)
            await world.clock.sleep(20)
    assert world.throttled == []
    assert 3 <= most_within(world.feeds_at, 300) <= 5
    assert len(world.feeds_at) > 12


async def test_rates_that_amazon_states_are_taken_over_downwards_and_upwards() -> None:
    """A lower rate costs no more than what was on its way at its change; a higher one is used."""
    world = World(3)
    async with world.hosts(StockRouting(feed_from=10**6)):
        rates = []
        for rate in (5.0, 1.0, 10.0):
            world.fake.set_rate("patchListingsItem", rate)
            await world.stock(40)
            await world.clock.sleep(60)  # every host has had an answer by now
            world.throttled.clear()
            before, begin = len(world.patches_at), world.seconds
            for _ in range(4):
                await world.stock(900)
                await world.clock.sleep(30)
            assert world.throttled == []
            rates.append((len(world.patches_at) - before) / (world.seconds - begin))
    assert 3.0 < rates[0] <= 5.1
    assert 0.7 < rates[1] <= 1.1
    assert rates[2] > rates[0] * 1.2


async def test_a_lower_rate_of_feeds_is_kept() -> None:
    """createFeed's own header counts, also for feeds that the store paces."""
    world = World(5, settings=FakeSpApiSettings(json_feed_limit="bucket"), processing_seconds=1.0)
    world.fake.set_rate("createFeed", 1 / 300)
    async with world.hosts(StockRouting(feed_from=0, first_poll_seconds=1.0)):
        for _ in range(160):
            await world.stock(10)
            await world.clock.sleep(60)
    assert world.throttled == []
    # At the table's rate there would be eighty, and Amazon would take 15 and one per 300 s.
    assert 9600 / 300 - 9 < len(world.feeds_at) < 9600 / 300 + 15


async def test_papers_and_stock_of_all_hosts_share_the_slots_of_feeds(tmp_path: Path) -> None:
    """Three hosts ask for labels while stock goes by feed: createFeed is never throttled, and every label comes."""
    world = World(9, processing_seconds=20.0)
    world.clock = VirtualClock(grace_seconds=0.02)  # archives are written in threads
    world.fake = FakeSpApi(clock=world.clock, processing_seconds=20.0)
    world.storage, world.began_at = MemoryStorage(clock=world.clock), world.clock.now()
    for sku in SKUS:
        world.fake.add_sku(sku)
    labels = []

    async def label(source: SpApiDocumentsFeed, order_id: str) -> None:
        while (found := await source.documents(order_id, [DocumentKind.SHIPPING_LABEL])).failed:
            assert all(error.retryable for error in found.failed.values())
            await world.clock.sleep(20)

    async with world.hosts(StockRouting(feed_from=0, first_poll_seconds=5.0)):
        sources = [
            SpApiDocumentsFeed(
                world.gateway(StockRouting()).client, world.storage, LabelArchiveFolder(tmp_path / str(number))
            )
            for number in range(3)
        ]
        for number in range(1, 31):
            order_id = make_order_id(number)
            world.fake.add_order(make_order(order_id), [make_item()])
            world.fake.schedule_pickup(order_id, world.clock.now().date() + timedelta(days=1))
            labels.append(asyncio.ensure_future(label(sources[number % 3], order_id)))
            await world.stock(20)
            await world.clock.sleep(100)
        await asyncio.gather(*labels)
    assert world.throttled == []
    kinds = [feed.feed_type for feed in world.fake.feeds]
    assert kinds.count("JSON_LISTINGS_FEED") >= 2
    assert kinds.count("POST_EASYSHIP_DOCUMENTS") > 5
