"""What ``OrderSync`` does about orders that cannot be read, and orders that are cancelled."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import attrs
import pytest
from order_sync_support import Shop, World, new_world, polled

from amazon_ae import (
    Event,
    Order,
    OrderCancelled,
    OrderChanged,
    OrderPage,
    OrderSync,
    OrderUnreadable,
    UnreadableOrder,
    UnreadableResponse,
)
from amazon_ae.testing import make_order_id


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
