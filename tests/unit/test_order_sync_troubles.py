"""What ``OrderSync`` does about orders that cannot be read, and orders that are cancelled."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import attrs
import pytest
from order_sync_support import START, Shop, World, new_world, polled

from amazon_ae import (
    AmazonAeError,
    ConfigurationError,
    Event,
    InvalidRequest,
    Order,
    OrderCancelled,
    OrderChanged,
    OrderPage,
    OrderSync,
    OrderUnreadable,
    ServiceUnavailable,
    UnreadableOrder,
    UnreadableResponse,
)
from amazon_ae.testing import make_order, make_order_id


@pytest.fixture
def world() -> World:
    return new_world()


async def test_items_that_stay_unreadable_become_a_dead_letter(world: World) -> None:
    """Asked for more and more rarely, then not any more: an event at the beginning and at the end, until ``retry``."""
    one, two = world.shop.put(1), world.shop.put(2)
    world.shop.broken[one] = UnreadableResponse("a stray byte")
    world.later()
    events: list[Event] = []
    sync = world.sync(on_event=events.append)
    found = await polled(sync)
    for _ in range(100):
        world.later(600)
        found += await polled(sync)
    assert found == [two]
    told = [event for event in events if isinstance(event, OrderUnreadable)]
    assert [(event.order_id, event.given_up) for event in told] == [(one, False), (one, True)]
    (letter,) = await sync.dead()
    assert (letter.order_id, letter.reason) == (one, "its items: UnreadableResponse")
    del world.shop.broken[one]
    assert await polled(sync) == []
    assert await world.sync().retry(letter.key)
    assert not await sync.retry("no such letter")
    assert await polled(world.sync()) == [one]
    assert await world.sync().dead() == []


@pytest.mark.parametrize(
    "error",
    [
        UnreadableResponse("cut off", retryable=True),
        ServiceUnavailable("oops", status=500, code="InternalError", retryable=True),
        ServiceUnavailable("no answer", retryable=True),
        InvalidRequest("no", status=400, code="InvalidParameterValue"),
        ConfigurationError("not an id"),
    ],
    ids=lambda error: f"{type(error).__name__}-{getattr(error, 'status', '')}",
)
async def test_one_order_whose_items_stay_out_of_reach_costs_only_itself(world: World, error: Exception) -> None:
    """It may be an outage, so the first poll may end; the others come with the next, and new ones too."""
    one, two, three = (world.shop.put(number) for number in (1, 2, 3))
    world.shop.broken[one] = error
    world.later()
    events: list[Event] = []
    sync = world.sync(on_event=events.append)
    found, failures = [], 0
    for number in range(10, 110):
        try:
            found += await polled(sync)
        except AmazonAeError:
            failures += 1
        world.shop.put(number)
        world.later(600)
    assert set(found) == {two, three} | {make_order_id(number) for number in range(10, 109)}
    assert failures <= 1
    told = [event for event in events if isinstance(event, OrderUnreadable)]
    assert [(event.order_id, event.given_up) for event in told] == [(one, False), (one, True)]
    assert [letter.order_id for letter in await sync.dead()] == [one]


async def test_in_an_outage_no_order_is_given_up(world: World) -> None:
    """Six hours without items: one poll after another ends, and all orders come when it is over."""
    ids = [world.shop.put(number) for number in range(5)]
    outage = ServiceUnavailable("oops", status=503, retryable=True)
    world.shop.broken.update(dict.fromkeys(ids, outage))
    world.later()
    sync = world.sync()
    for _ in range(60):
        with contextlib.suppress(ServiceUnavailable):
            assert await polled(sync) == []
        world.later(600)
    world.shop.broken.clear()
    found = []
    for _ in range(8):
        found += await polled(sync)
        world.later(600)
    assert sorted(found) == sorted(ids)
    assert await sync.dead() == []


async def test_an_order_alone_is_given_up_after_a_day(world: World) -> None:
    """Nothing shows that it is no outage, but it is no endless loop either."""
    one = world.shop.put(1)
    world.shop.broken[one] = UnreadableResponse("cut off", retryable=True)
    world.later()
    sync = world.sync()
    hours = 0.0
    while not await sync.dead():
        with contextlib.suppress(UnreadableResponse):
            await polled(sync)
        world.later(1800)
        hours += 0.5
    assert 20 < hours < 30


async def test_an_order_without_items_or_status_or_a_name_is_not_handed_over(world: World) -> None:
    """Nobody can pack it; it is named, and the others come."""
    two = world.shop.put(2)
    odd = {
        "empty": attrs.evolve(make_order(make_order_id(1), status="Unshipped", updated_at=START), items=()),
        "blank": attrs.evolve(make_order(make_order_id(3), status="Unshipped", updated_at=START), order_status=""),
        "slash": attrs.evolve(
            make_order(make_order_id(4), status="Unshipped", updated_at=START), amazon_order_id="a/b"
        ),
        "nul": attrs.evolve(make_order(make_order_id(5), status="Unshipped", updated_at=START), amazon_order_id="a\0b"),
    }

    class Odd(Shop):
        async def orders(self, **window: Any) -> AsyncIterator[OrderPage]:
            async for page in super().orders(**window):
                yield attrs.evolve(page, orders=(*odd.values(), *page.orders))

    shop = Odd(world.clock)
    shop.known = world.shop.known
    world.later()
    events: list[Event] = []
    sync = OrderSync(world.storage, shop, clock=world.clock, on_event=events.append)
    found = []
    for _ in range(100):
        found += await polled(sync)
        world.later(600)
    assert found == [two]
    reasons = {letter.reason for letter in await sync.dead()}
    assert reasons == {"it has no items", "it has no status", "its order id is no id"}
    assert len(await sync.dead()) == 4


async def test_a_notified_order_that_cannot_be_looked_up_does_not_hold_up_the_polls(world: World) -> None:
    """The answer about it is cut off every time; the second poll passes it over."""
    one, two = world.shop.put(1), world.shop.put(2)

    async def get(order_ids: Sequence[str]) -> Sequence[Order]:
        raise UnreadableResponse("cut off", retryable=True)

    world.shop.get = get  # type: ignore[method-assign]  # the test's own shop
    world.later()
    sync = world.sync()
    sync.notify(OrderChanged(order_id=one))
    with pytest.raises(UnreadableResponse):
        await polled(sync)
    assert await polled(sync) == [one, two]


async def test_minutes_that_amazon_itself_cannot_list_are_read_around(world: World) -> None:
    """``InternalError`` for every window that holds one order."""
    before, after = world.clock.now(), world.clock.now() + timedelta(minutes=30)
    one = world.shop.put(1, at=before + timedelta(minutes=10))
    others = [world.shop.put(2, at=before + timedelta(minutes=2)), world.shop.put(3, at=before + timedelta(minutes=20))]
    del world.shop.known[one]
    poisoned = before + timedelta(minutes=10)

    class Failing(Shop):
        async def orders(self, **window: Any) -> AsyncIterator[OrderPage]:
            until = window.get("updated_before") or self.clock.now()
            if window["updated_after"] <= poisoned <= until:
                raise ServiceUnavailable("oops", status=500, code="InternalError", retryable=True)
            async for page in super().orders(**window):
                yield page

    shop = Failing(world.clock)
    shop.known = world.shop.known
    world.later((after - before).total_seconds() + 300)
    events: list[Event] = []
    sync = OrderSync(world.storage, shop, clock=world.clock, first_since=before, on_event=events.append)
    found = []
    for _ in range(6):
        with contextlib.suppress(ServiceUnavailable):
            found += await polled(sync)
        world.later(120)
    assert sorted(found) == sorted(others)
    assert [type(event) for event in events] == [OrderUnreadable]


async def test_a_newer_version_ends_a_dead_letter(world: World) -> None:
    """Whatever was wrong with the older one."""
    one = world.shop.put(1)
    world.shop.broken[one] = UnreadableResponse("a stray byte")
    world.later()
    sync = world.sync()
    for _ in range(100):
        await polled(sync)
        world.later(600)
    assert [letter.key for letter in await sync.dead()] == [one]
    del world.shop.broken[one]
    world.shop.put(1)
    world.later()
    assert await polled(sync) == [one]
    assert await sync.dead() == []


async def test_an_unreadable_order_of_a_page_is_named_once_and_the_others_come(world: World) -> None:
    """With or without an id; also in another process."""

    class Poisoned(Shop):
        async def orders(self, **window: Any) -> AsyncIterator[OrderPage]:
            async for page in super().orders(**window):
                poison = (
                    UnreadableOrder(order_id=make_order_id(7), reason="a stray byte"),
                    UnreadableOrder(order_id=None, reason="no id", digest="cafe"),
                )
                yield attrs.evolve(page, unreadable=poison)

    shop = Poisoned(world.clock)
    shop.put(1)
    world.later()
    events: list[Event] = []
    for _ in range(2):
        sync = OrderSync(world.storage, shop, clock=world.clock, on_event=events.append)
        for _ in range(2):
            await polled(sync)
            world.later()
    assert [(event.order_id, event.given_up) for event in events if isinstance(event, OrderUnreadable)] == [
        (make_order_id(7), True),
        (None, True),
    ]
    assert [letter.key for letter in await sync.dead()] == [make_order_id(7), "cafe"]


async def test_one_order_that_spoils_a_request_for_many_is_found(world: World) -> None:
    """By halving."""
    ids = [world.shop.put(number) for number in range(9)]
    real = world.shop.get

    async def get(order_ids: Sequence[str]) -> Sequence[Order]:
        if ids[5] in order_ids:
            raise UnreadableResponse("a stray byte")
        return await real(order_ids)

    world.shop.get = get  # type: ignore[method-assign]  # the test's own shop
    sync = world.sync(first_since=world.clock.now())
    for order_id in ids:
        sync.notify(OrderChanged(order_id=order_id))
    assert sorted(await polled(sync)) == sorted(set(ids) - {ids[5]})


async def test_an_acknowledged_order_that_is_cancelled_is_an_event_once(world: World) -> None:
    """In any process; off by choice."""
    one, two = world.shop.put(1), world.shop.put(2)
    world.later()
    events: list[Event] = []
    sync = world.sync(on_event=events.append)
    assert await polled(sync) == [one, two]
    world.later(7200)
    assert await polled(sync) == []
    world.shop.put(1, "Canceled")
    world.shop.put(2, "Shipped")
    world.later(200)
    silent: list[Event] = []
    assert await polled(world.sync(on_event=silent.append, cancellations=False)) == []
    for process in (sync, world.sync(on_event=events.append)):
        for _ in range(3):
            assert await polled(process) == []
            world.later(200)
    assert [(type(event), event.order_id) for event in events if isinstance(event, OrderCancelled)] == [
        (OrderCancelled, one)
    ]
    assert silent == []


async def test_a_cancellation_during_a_long_absence_is_told(world: World) -> None:
    """By a list of their own, so that the thousands that were shipped are not listed."""
    one = world.shop.put(1)
    world.later()
    assert await polled(world.sync()) == [one]
    world.later(3 * 86400)
    world.shop.put(1, "Canceled")
    world.later(3 * 86400)
    events: list[Event] = []
    assert await polled(world.sync(on_event=events.append)) == []
    assert [event.order_id for event in events if isinstance(event, OrderCancelled)] == [one]
