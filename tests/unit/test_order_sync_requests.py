"""What ``OrderSync`` costs in requests, and that dense or late updates lose nothing."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import timedelta
from typing import Any

import attrs
import httpx
import pytest
from order_sync_support import START, Shop, World, new_world, polled

from amazon_ae import MemoryStorage, MwsClient, MwsGateway, OrderItem, OrderPage, OrderSync
from amazon_ae.testing import FakeMws, VirtualClock, make_item, make_order, make_order_id

LISTS = ("ListOrders", "ListOrdersByNextToken")


@attrs.define
class Mws:
    clock: VirtualClock
    fake: FakeMws
    gateway: MwsGateway

    def requests(self, *actions: str) -> int:
        return sum(self.fake.count(action) for action in actions)


@pytest.fixture
async def mws() -> AsyncIterator[Mws]:
    clock = VirtualClock()
    fake = FakeMws(clock=clock)
    async with httpx.AsyncClient(transport=fake) as http, MwsClient(fake.credentials, http=http, clock=clock) as client:
        yield Mws(clock, fake, MwsGateway(client))


async def test_a_thousand_open_unchanged_orders_cost_one_request_a_poll(mws: Mws) -> None:
    """However often their claims run out; their items were asked for once."""
    clock = mws.clock
    for number in range(1000):
        updated = clock.now() - timedelta(hours=1, seconds=3 * number)
        mws.fake.add_order(make_order(make_order_id(number), updated_at=updated), [make_item()])
    sync = OrderSync(MemoryStorage(clock=clock), mws.gateway, clock=clock)
    assert len(await polled(sync, acknowledge=False)) == 1000
    assert mws.requests("ListOrderItems") == 1000
    counts = []
    for _ in range(5):
        await clock.sleep(700)
        before = len(mws.fake.requests)
        assert len(await polled(sync, acknowledge=False)) == 1000
        counts.append(len(mws.fake.requests) - before)
    assert max(counts) <= 2, counts
    assert mws.requests("GetOrder") == 0


async def test_a_claimed_order_comes_again_only_when_it_changed(world: World) -> None:
    """By default for ten minutes."""
    one, two = world.shop.put(1), world.shop.put(2)
    world.later()
    sync = world.sync()
    assert await polled(sync, acknowledge=False) == [one, two]
    world.later(200)
    assert await polled(sync, acknowledge=False) == []
    world.shop.put(2)
    world.later(200)
    assert await polled(sync, acknowledge=False) == [two]
    world.later(250)
    assert await polled(sync, acknowledge=False) == [one]


async def test_an_open_order_that_ended_does_not_come_from_memory(world: World) -> None:
    """The list says that it was shipped or cancelled."""
    one, two = world.shop.put(1), world.shop.put(2)
    world.later()
    sync = world.sync()
    assert await polled(sync, acknowledge=False) == [one, two]
    world.later(500)
    world.shop.put(1, "Shipped")
    world.later(200)
    assert await polled(sync, acknowledge=False) == [two]
    assert world.shop.looked_up == []


class WithItems(Shop):
    """A backend that gives items with the order, as the Selling Partner API does."""

    poll_seconds = 180.0

    async def orders(self, **window: Any) -> AsyncIterator[OrderPage]:
        async for page in super().orders(**window):
            orders = tuple(attrs.evolve(order, items=(make_item(),)) for order in page.orders)
            yield attrs.evolve(page, orders=orders)

    async def items(self, order_id: str) -> Sequence[OrderItem]:
        raise AssertionError(f"the items of {order_id} came with it")


async def test_items_that_come_with_the_order_are_not_asked_for(world: World) -> None:
    """And a thousand open, unchanged orders cost one request a poll, also right after a restart."""
    shop = WithItems(world.clock)
    for number in range(1000):
        shop.put(number, at=START - timedelta(seconds=5 * number))
    world.later()
    sync = OrderSync(world.storage, shop, clock=world.clock)
    assert len(await polled(sync, acknowledge=False)) == 1000
    for process in (sync, OrderSync(world.storage, shop, clock=world.clock)):
        world.later(180)
        pages = shop.pages
        assert await polled(process, acknowledge=False) == []
        assert shop.pages - pages <= 2
    assert shop.looked_up == []


async def test_a_process_that_starts_lists_many_open_orders_instead_of_asking_for_each(world: World) -> None:
    """A backend may have no request for many orders by id."""
    shop = WithItems(world.clock)
    ids = [shop.put(number, at=START - timedelta(seconds=30 * number)) for number in range(300)]
    world.later()
    await polled(OrderSync(world.storage, shop, clock=world.clock), acknowledge=False)
    for number in range(10):
        shop.put(number, "Shipped")
    world.later(1200)
    sync = OrderSync(world.storage, shop, clock=world.clock)
    assert sorted(await polled(sync)) == sorted(ids[10:])
    assert shop.looked_up == []
    assert await polled(sync) == []


@pytest.mark.parametrize("others", [0, 30])
@pytest.mark.parametrize(("count", "seconds", "most"), [(101, 1, 5), (1000, 10, 14)])
async def test_dense_updates_take_few_lists(mws: Mws, count: int, seconds: int, most: int, others: int) -> None:
    """Also among other orders of the last minutes."""
    clock = mws.clock
    sync = OrderSync(MemoryStorage(clock=clock), mws.gateway, clock=clock)
    await polled(sync)
    await clock.sleep(600)
    began = clock.now() - timedelta(seconds=200)
    for number in range(count):
        updated = began + timedelta(seconds=seconds * number / count)
        mws.fake.add_order(make_order(make_order_id(number), updated_at=updated), [make_item()])
    for number in range(others):
        updated = began - timedelta(seconds=7 * number)
        mws.fake.add_order(make_order(make_order_id(count + number), updated_at=updated), [make_item()])
    await clock.sleep(100)
    before = mws.requests(*LISTS)
    assert len(await polled(sync)) == count + others
    assert mws.requests(*LISTS) - before <= most


class LateIndex(Shop):
    """Shows each order so many seconds after its update as the order's number says."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.late: dict[str, float] = {}

    async def orders(self, *, statuses: Collection[str] = (), **window: Any) -> AsyncIterator[OrderPage]:
        everything = dict(self.known)
        now = self.clock.now()
        self.known = {
            order_id: order
            for order_id, order in everything.items()
            if order.last_update_date is not None
            and now >= order.last_update_date + timedelta(seconds=self.late.get(order_id, 0.0))
        }
        try:
            pages = [page async for page in super().orders(statuses=statuses, **window)]
        finally:
            self.known = everything
        for page in pages:
            self.clock.jump(60)  # as Amazon's pace makes it
            yield page


@pytest.mark.parametrize("seed", range(10))
async def test_no_order_that_is_indexed_within_the_overlap_is_missed_by_a_slow_poll(seed: int) -> None:
    """1,200 orders in twenty minutes, each list takes a minute: a poll lasts longer than the overlap."""
    dice = random.Random(seed)
    clock = VirtualClock(START, autojump=False)
    shop = LateIndex(clock)
    sync = OrderSync(MemoryStorage(clock=clock), shop, clock=clock, first_since=START - timedelta(hours=1))
    ids = set()
    for number in range(1200):
        order_id = shop.put(number, at=START + timedelta(seconds=number))
        shop.late[order_id] = dice.choice([0, 0, 0, dice.uniform(0, 300), 299])
        ids.add(order_id)
    found: list[str] = []
    clock.jump(dice.uniform(0, 1200))
    for _ in range(12):
        found += await polled(sync)
        clock.jump(dice.uniform(100, 200))
    assert sorted(found) == sorted(ids)


async def test_two_processes_forget_what_the_store_forgot(world: World) -> None:
    """Thirty days of orders: what a process remembers is flat, though another one drops the documents."""
    one, other = world.sync(), world.sync()
    sizes = []
    for day in range(30):
        for hour in range(24):
            for number in range(5):
                world.shop.put(10_000 + day * 1000 + hour * 5 + number)
            for first, second in ((one, other), (other, one)):
                world.later(1800)
                await polled(first)
                await polled(second)
        world.shop.known.clear()
        sizes.append([sync.remembered for sync in (one, other)])
    assert max(map(max, sizes)) <= 40, sizes
    assert len(await world.storage.names("order-sync/")) <= 40


@pytest.fixture
def world() -> World:
    return new_world()
