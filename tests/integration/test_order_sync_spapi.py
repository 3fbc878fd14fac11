"""``OrderSync`` on the Selling Partner API: requests, delay by polling and by notification."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import attrs
import httpx
import pytest

from amazon_ae import MemoryStorage, OrderChanged, OrderSync, SpApiClient, SpApiGateway, SyncedOrder
from amazon_ae.testing import FakeSpApi, VirtualClock, make_item, make_order, make_order_id

SEARCH, GET = "searchOrders", "getOrder"


@attrs.define
class World:
    clock: VirtualClock
    fake: FakeSpApi
    gateway: SpApiGateway

    def add(self, number: int, *, at: datetime | None = None) -> str:
        order_id = make_order_id(number)
        self.fake.add_order(make_order(order_id, updated_at=at or self.clock.now()), [make_item()])
        return order_id

    def sync(self) -> OrderSync:
        return OrderSync(MemoryStorage(clock=self.clock), self.gateway, clock=self.clock)

    @property
    def requests(self) -> int:
        return self.fake.count(SEARCH) + self.fake.count(GET)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    clock = VirtualClock()
    fake = FakeSpApi(clock=clock)
    async with (
        httpx.AsyncClient(transport=fake) as http,
        SpApiClient(fake.credentials, http=http, clock=clock) as api,
    ):
        yield World(clock, fake, SpApiGateway(api))


async def test_a_thousand_open_unchanged_orders_cost_one_request_a_poll(world: World) -> None:
    """Items come with the order; a search has one slot in 178.6 s."""
    for number in range(1000):
        world.add(number, at=world.clock.now() - timedelta(hours=1, seconds=3 * number))
    sync = world.sync()
    assert len([synced async for synced in sync.poll()]) == 1000
    assert world.fake.count(GET) == 0
    counts = []
    for _ in range(5):
        await world.clock.sleep(700)
        before = world.requests
        assert len([synced async for synced in sync.poll()]) == 1000
        counts.append(world.requests - before)
    assert max(counts) <= 2, counts


async def test_a_new_order_comes_within_310_s_by_polling_and_at_once_by_notification(world: World) -> None:
    """Amazon shows an order two minutes after its change; from then on a poll is at most three minutes away."""
    came: dict[str, datetime] = {}

    async def handler(synced: SyncedOrder) -> None:
        came[synced.order.amazon_order_id] = world.clock.now()
        assert synced.items

    sync = world.sync()
    task = asyncio.create_task(sync.run(handler))
    added: dict[str, datetime] = {}
    for number in range(40):
        await world.clock.sleep(431)
        added[world.add(number)] = world.clock.now()
    await world.clock.sleep(1000)
    assert set(came) == set(added)
    assert max((came[order_id] - added[order_id]).total_seconds() for order_id in added) <= 310
    order_id = world.add(99)
    sync.notify(OrderChanged(order_id=order_id, seller_id=world.fake.credentials.seller_id))
    begun = world.clock.now()
    await world.clock.sleep(5)
    assert (came[order_id] - begun).total_seconds() <= 5
    task.cancel()
