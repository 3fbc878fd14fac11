"""``OrderSync``: acknowledging, claiming, cutting windows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
from hypothesis import given, settings, strategies as st
from order_sync_support import START, Shop, World, new_world, polled

from amazon_ae._exceptions import (
    ConfigurationError,
    InvalidRequest,
    UnreadableResponse,
)
from amazon_ae._models.orders import OrderPage
from amazon_ae._mws.client import MwsClient
from amazon_ae._mws.gateway import MwsGateway
from amazon_ae._orders.sync import OrderSync
from amazon_ae._orders.windows import OrderCursor, cut, version_of
from amazon_ae._storage.sqlite.store import SQLiteStorage
from amazon_ae.testing import FakeMws, VirtualClock, make_item, make_order, make_order_id


@pytest.fixture
def world() -> World:
    return new_world()


async def test_an_acknowledged_order_never_comes_again_and_a_changed_one_does(world: World) -> None:
    """Also after a restart."""
    one, two = world.shop.put(1), world.shop.put(2)
    world.later()
    assert await polled(world.sync()) == [one, two]
    world.later()
    assert await polled(world.sync()) == []
    world.shop.put(2, "PartiallyShipped")
    world.shop.put(3, "Shipped")
    world.later()
    assert await polled(world.sync()) == [two]
    assert await polled(world.sync()) == []


async def test_an_order_comes_again_until_it_is_acknowledged_however_late(world: World) -> None:
    """Long after the cursor has passed it; from memory; a process that starts looks it up by id."""
    one = world.shop.put(1)
    world.later()
    sync = world.sync()
    for _ in range(3):
        assert await polled(sync, acknowledge=False) == [one]
        world.later(7200)
    assert [after for after, _ in world.shop.windows][-1] > START
    assert await polled(world.sync()) == [one]
    assert await polled(world.sync()) == []
    assert world.shop.looked_up == [one], "only a process that starts asks for it"


async def test_what_was_shipped_or_changed_before_it_was_acknowledged_comes_no_more(world: World) -> None:
    """The old version is dropped; the changed order comes as its new version, once."""
    one, two = world.shop.put(1), world.shop.put(2)
    world.later()
    assert await polled(world.sync(), acknowledge=False) == [one, two]
    world.later(3600)
    world.shop.put(1, "Shipped")
    world.shop.put(2)
    world.later(3600)
    assert await polled(world.sync()) == [two]
    assert await polled(world.sync()) == []
    assert [name for name in await world.storage.names("order-sync/") if START.strftime("%H:%M") in name] == []


async def test_acknowledging_tells_who_was_first_and_takes_a_ticket(world: World) -> None:
    """In any process, at any time."""
    world.shop.put(1)
    world.later()
    first, second = world.sync(), world.sync()
    (synced,) = [synced async for synced in first.poll()]
    assert await second.acknowledge(synced.version)
    assert not await first.acknowledge(synced)
    assert await polled(first) == []
    for _ in range(3):
        world.later(3600)
        assert await polled(second) == []
    assert not await second.acknowledge(synced), "long forgotten, and still not the first"
    assert await world.storage.names("order-sync/A1SELLER/AE/orders/v/") == []


async def test_two_processes_at_once_hand_over_everything_and_acknowledge_once(world: World) -> None:
    """Without claims both may see an order; exactly one acknowledges it."""
    ids = {world.shop.put(number) for number in range(30)}
    world.later()
    first: list[str] = []

    async def process() -> None:
        sync = world.sync()
        async for synced in sync.poll():
            await asyncio.sleep(0)
            if await sync.acknowledge(synced):
                first.append(synced.order.amazon_order_id)

    await asyncio.gather(process(), process(), process())
    assert sorted(first) == sorted(ids)
    assert await polled(world.sync()) == []


async def test_with_claims_no_two_processes_are_handed_the_same_order(world: World) -> None:
    """Until the claim ends, is released or the order is acknowledged."""
    ids = [world.shop.put(number) for number in range(10)]
    world.later()
    one, other = world.sync(claim_seconds=900), world.sync(claim_seconds=900)
    mine = [synced async for synced in one.poll()]
    assert [synced.order.amazon_order_id for synced in mine] == ids
    assert await polled(other) == []
    await one.release(mine[3])
    await one.acknowledge(mine[4])
    assert await polled(other) == [ids[3]]
    world.later(901)
    assert await polled(other) == [order_id for place, order_id in enumerate(ids) if place not in (3, 4)]
    await one.release(mine[0])
    assert await polled(one) == []


async def test_the_cursor_is_the_returned_instant_and_a_poll_overlaps(world: World) -> None:
    """Amazon's answer reaches to two minutes before the request."""
    sync = world.sync(overlap_seconds=60, first_since=START - timedelta(days=2))
    await polled(sync)
    world.later(1000)
    await polled(sync)
    assert world.shop.windows == [
        (START - timedelta(days=2), None),
        (START - timedelta(seconds=120 + 60), None),
    ]


async def test_an_order_that_amazons_index_shows_late_is_found(world: World) -> None:
    """Its last update lies before the cursor, within the overlap."""
    world.later()
    sync = world.sync()
    await polled(sync)
    late = world.shop.put(1, at=world.clock.now() - timedelta(seconds=200))
    world.later(60)
    assert await polled(sync) == [late]


@pytest.mark.parametrize("count", [101, 250, 1000])
async def test_a_backlog_is_read_in_windows_of_one_page(world: World, count: int) -> None:
    """Each order once; the cursor moves window by window; few requests more than pages."""
    ids = [world.shop.put(number, at=START - timedelta(seconds=97 * (count - number))) for number in range(count)]
    world.later()
    assert sorted(await polled(world.sync())) == sorted(ids)
    assert world.shop.pages <= 2 + 3 * count / 90


@pytest.mark.parametrize("begin", [0.0, 0.5, 1.0, 59.4, 60.0])
async def test_an_order_that_slips_between_two_pages_is_found_by_reading_them_again(world: World, begin: float) -> None:
    """It moves from page two to page one while page two is read; the second read finds it, in the same poll."""
    shop = world.shop
    shop.page_size = 4
    ids = [shop.put(number, at=START) for number in range(10)]
    world.later()
    shop.between_pages = [lambda: shop.put(0, "Shipped")]
    found = await polled(world.sync(first_since=START - timedelta(seconds=begin), overlap_seconds=0))
    assert set(ids[1:]) <= set(found)
    assert shop.pages <= 3 + 3 + 3


async def test_an_order_that_slips_out_of_a_long_read_is_found_once_the_change_is_listed(world: World) -> None:
    """Reading many pages again is dear; that one of them changed meanwhile is seen by the next poll, for nothing."""
    shop = world.shop
    shop.page_size = 4
    ids = [shop.put(number, at=START) for number in range(30)]
    world.later()
    shop.between_pages = [lambda: shop.put(0, "Shipped")]
    sync = world.sync()
    found = await polled(sync)
    assert ids[4] not in found
    world.later(200)
    found += await polled(sync)
    assert set(ids[1:]) <= set(found)
    pages = shop.pages
    world.later(200)
    assert await polled(sync) == []
    assert shop.pages == pages + 1, "sure by now: not read again"


async def test_a_process_that_dies_before_a_long_read_is_sure_leaves_it_to_the_next(world: World) -> None:
    """The durable cursor waits in front of it."""
    shop = world.shop
    shop.page_size = 4
    ids = [shop.put(number, at=START) for number in range(30)]
    world.later()
    shop.between_pages = [lambda: shop.put(0, "Shipped")]
    found = await polled(world.sync())
    world.later()
    found += await polled(world.sync())
    assert set(ids[1:]) <= set(found)


@pytest.mark.parametrize(
    "error",
    [InvalidRequest("odd", status=400, code="InvalidParameterValue"), UnreadableResponse("an item without its id")],
)
async def test_one_order_that_amazon_cannot_show_does_not_hold_up_the_others(world: World, error: Exception) -> None:
    """It stays open and comes when its items can be read."""
    one, two = world.shop.put(1), world.shop.put(2)
    world.shop.broken[one] = error
    world.later()
    assert await polled(world.sync()) == [two]
    world.later(7200)
    del world.shop.broken[one]
    assert await polled(world.sync()) == [one]


async def test_an_acknowledgement_costs_one_small_document_and_all_are_forgotten(world: World) -> None:
    """Thousands of orders: no document grows, and an hour behind the cursor nothing is left of them."""
    for number in range(500):
        world.shop.put(number, at=START - timedelta(seconds=number))
    world.later()
    sync = world.sync()
    await polled(sync)
    names = await world.storage.names("order-sync/")
    assert len(names) == 501
    assert max([len(await world.storage.load(name) or "") for name in names]) < 150
    for _ in range(3):
        world.later(3600)
        await polled(sync)
    assert await world.storage.names("order-sync/") == ["order-sync/A1SELLER/AE/orders/cursor"]
    assert await polled(world.sync()) == []


async def test_consumers_with_names_of_their_own_do_not_see_each_other(world: World) -> None:
    """Each gets every order."""
    one = world.shop.put(1)
    world.later()
    assert await polled(world.sync(name="warehouse")) == [one]
    assert await polled(world.sync(name="invoices")) == [one]


async def test_an_order_without_a_last_update_is_handed_over_once(world: World) -> None:
    """Amazon always sends one; without, its counts are its version."""
    one = world.shop.put(1)
    order = attrs.evolve(world.shop.known[one], last_update_date=None)

    class Undated(Shop):
        async def orders(self, **_: Any) -> AsyncIterator[OrderPage]:
            yield OrderPage(orders=(order,), complete_until=self.clock.now())

    shop = Undated(world.clock)
    shop.known[one] = order
    sync = OrderSync(world.storage, shop, clock=world.clock)
    assert await polled(sync, acknowledge=False) == [one]
    world.later(7200)
    assert await polled(sync) == [one]
    world.later(7200)
    assert await polled(OrderSync(world.storage, shop, clock=world.clock)) == []


async def test_a_backend_that_does_not_say_how_far_it_reaches_never_moves_the_cursor(world: World) -> None:
    """Nothing is invented: every poll begins where the first began."""

    class Vague(Shop):
        async def orders(self, **window: Any) -> AsyncIterator[OrderPage]:
            self.windows.append((window["updated_after"], window["updated_before"]))
            yield OrderPage(orders=tuple(self.known.values()))

    shop = Vague(world.clock)
    one = shop.put(1)
    sync = OrderSync(world.storage, shop, clock=world.clock, first_since=START)
    assert await polled(sync) == [one]
    assert await polled(sync) == []
    assert shop.windows == [(START, None), (START, None)]


@pytest.mark.parametrize(
    "options",
    [
        {"account": ""},
        {"name": ""},
        {"name": "a/b"},
        {"first_since": datetime(2021, 1, 1)},  # noqa: DTZ001
        {"claim_seconds": -1.0},
        {"statuses": "Unshipped"},
    ],
)
def test_what_cannot_work_is_refused(world: World, options: dict[str, Any]) -> None:
    """A gateway without an account needs one; a slash in the name would mix documents up."""
    gateway: Any = world.shop if "account" not in options else object()
    with pytest.raises(ConfigurationError):
        OrderSync(world.storage, gateway, **options)


_SECONDS = st.integers(0, 10**6)


@settings(deadline=None)  # the machine may be busy
@given(st.lists(_SECONDS, max_size=12), _SECONDS, st.none() | _SECONDS)
def test_a_cut_lies_inside_its_window_and_is_never_useless(updates: list[int], begin: int, length: int | None) -> None:
    """Whatever a page shows."""
    after = START + timedelta(seconds=begin, microseconds=250_000)
    before = None if length is None else after + timedelta(seconds=length)
    orders = [make_order(updated_at=START + timedelta(seconds=update)) for update in updates]
    found = cut(orders, after, before)
    if before is not None and before - after <= timedelta(seconds=2):
        assert found is None
    else:
        assert found is not None
        assert after + timedelta(seconds=2) <= found
        assert before is None or found < before


def test_tickets_and_cursors_survive_as_text() -> None:
    """They sort as their instants do."""
    order = make_order(updated_at=START)
    assert version_of(order) == "2021-11-18T09:00:00.000000Z/171-0000000-0000001"
    cursor = OrderCursor(START, START - timedelta(minutes=5))
    assert OrderCursor.from_text(cursor.to_text()) == cursor
    behind = OrderCursor(START - timedelta(hours=1), START)
    assert cursor.joined(behind) == OrderCursor(START, START)


async def test_over_the_real_gateway_and_sqlite(tmp_path: Path) -> None:
    """150 orders from the fake marketplace through the client into two lives of one store."""
    clock = VirtualClock(START, grace_seconds=0.02)
    fake = FakeMws(clock=clock)
    ids = [make_order_id(number) for number in range(150)]
    for number, order_id in enumerate(ids):
        fake.add_order(make_order(order_id, updated_at=START - timedelta(minutes=10 + number)), [make_item()])
    taken: list[str] = []
    async with httpx.AsyncClient(transport=fake) as http, MwsClient(fake.credentials, http=http, clock=clock) as client:
        for life in range(2):
            storage = SQLiteStorage(tmp_path / "store.db", clock=clock)
            try:
                sync = OrderSync(storage, MwsGateway(client), clock=clock)
                async for synced in sync.poll():
                    assert [item.seller_sku for item in synced.items] == ["SKU-0001"]
                    assert await sync.acknowledge(synced)
                    taken.append(synced.order.amazon_order_id)
                    if life == 0 and len(taken) == 60:
                        break
            finally:
                await storage.aclose()
    assert sorted(taken) == sorted(ids)
