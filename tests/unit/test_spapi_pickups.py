"""``SpApiGateway`` books pickups through Easy Ship, one by one, and moves them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import httpx
import pytest
from spapi_gateway_support import TOMORROW, Shop, add_orders, kinds, open_shop, pickup, pickup_batch

from amazon_ae import (
    AccessDenied,
    Event,
    FeedScheduler,
    HandoverPickup,
    ItemState,
    MemoryStorage,
    NotSupported,
    Outcome,
    PackageItem,
    PickupJoined,
    PickupRejected,
    RegionNotSupported,
    SpApiClient,
    SpApiGateway,
)
from amazon_ae.testing import SpApiFault


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with open_shop() as shop:
        yield shop


async def test_pickups_are_booked_one_by_one(shop: Shop) -> None:
    """Each durable before the next one."""
    ids = add_orders(shop, 3)
    receipt = await shop.gateway().submit(pickup_batch(*map(pickup, ids)), settle=shop.settle)
    assert receipt.outcomes == ()
    assert kinds(shop.told) == dict.fromkeys(ids, Outcome.ACCEPTED)
    assert set(shop.fake.pickups) == set(ids)


async def test_an_unanswered_booking_is_looked_up(shop: Shop) -> None:
    """And is not made twice."""
    (order_id,) = add_orders(shop, 1)
    shop.fake.fail("createScheduledPackage", SpApiFault.ANSWER_LOST)
    receipt = await shop.gateway().submit(pickup_batch(pickup(order_id)))
    assert kinds(receipt.outcomes) == {order_id: Outcome.ACCEPTED}
    assert shop.fake.pickups_sent == {order_id: 1}


async def test_an_order_that_is_scheduled_already_is_a_success(shop: Shop) -> None:
    """It was ours, or a person's."""
    (order_id,) = add_orders(shop, 1)
    gateway = shop.gateway()
    for _ in range(2):
        receipt = await gateway.submit(pickup_batch(pickup(order_id)))
        assert kinds(receipt.outcomes) == {order_id: Outcome.ACCEPTED}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"weight_grams": Decimal(10)}, "PackageTooLight"),
        ({"weight_grams": None}, "PackageSizeMissing"),
        ({"pickup_time": "noonish"}, "PickupTimeUnreadable"),
    ],
)
async def test_what_amazon_cannot_take_is_refused_before_a_call(shop: Shop, changes: dict[str, Any], code: str) -> None:
    """No slot of the rate is spent."""
    (order_id,) = add_orders(shop, 1)
    receipt = await shop.gateway().submit(pickup_batch(pickup(order_id, **changes)))
    assert [(outcome.outcome, outcome.code) for outcome in receipt.outcomes or ()] == [(Outcome.REJECTED, code)]
    assert not shop.fake.requests


async def test_drop_off_slots_are_no_pickups(shop: Shop) -> None:
    """The seller would have to bring the parcel."""
    (order_id,) = add_orders(shop, 1)
    shop.fake.settings.gives_drop_off = True
    await shop.gateway().submit(pickup_batch(pickup(order_id)))
    package = shop.fake.packages[order_id]
    assert "DROPOFF" not in repr(package).upper()


@pytest.mark.parametrize("easy_ship", ["bulk", "none"])
async def test_a_region_that_is_not_served_says_so(shop: Shop, easy_ship: Any) -> None:
    """As Poland does; a missing role is another error."""
    (order_id,) = add_orders(shop, 1)
    shop.fake.settings.easy_ship = easy_ship
    with pytest.raises(RegionNotSupported, match="Seller Central"):
        await shop.gateway().submit(pickup_batch(pickup(order_id)))
    shop.fake.settings.easy_ship = "all"
    shop.fake.roles.discard("Direct to Consumer Shipping (Restricted)")
    with pytest.raises(AccessDenied, match="role"):
        await shop.gateway().submit(pickup_batch(pickup(order_id)))


async def test_a_pickup_moves_to_another_slot_and_is_never_withdrawn(shop: Shop) -> None:
    """The parcel's measures are Amazon's."""
    (order_id,) = add_orders(shop, 1)
    gateway = shop.gateway()
    await gateway.submit(pickup_batch(pickup(order_id)))
    first = await gateway.client.easy_ship.get_scheduled_package(order_id)
    for fault in (None, SpApiFault.ANSWER_LOST):
        if fault is not None:
            shop.fake.fail("updateScheduledPackages", fault)
        moved = await gateway.reschedule_pickup(order_id, pickup_date=date(2026, 11, 30), pickup_time="2:00 PM")
        assert moved.package_pickup_slot != first.package_pickup_slot
    with pytest.raises(NotSupported):
        await gateway.withdraw_pickup(order_id)
    with pytest.raises(PickupRejected, match="NoPickupSlot"):
        await gateway.reschedule_pickup(order_id, pickup_date=date(2027, 11, 30))
    with pytest.raises(PickupRejected):
        await gateway.reschedule_pickup("404-9999999-9999999", pickup_date=TOMORROW)


async def test_the_scheduler_moves_a_pickup_that_amazon_has(shop: Shop) -> None:
    """It asks the gateway; a refusal is the caller's, and the earlier slot stands."""
    (order_id,) = add_orders(shop, 1)
    gateway = shop.gateway()
    async with FeedScheduler(MemoryStorage(clock=shop.clock), gateway, orders=gateway, clock=shop.clock) as scheduler:
        await scheduler.schedule_pickup(
            order_id, pickup_date=TOMORROW, weight_grams=500, length_cm=20, width_cm=10, height_cm=5
        )
        first = (await gateway.client.easy_ship.get_scheduled_package(order_id)).package_pickup_slot
        moved = await scheduler.reschedule_pickup(order_id, pickup_date=date(2026, 11, 30), pickup_time="2:00 PM")
        assert (moved.state, moved.pickup_date) == (ItemState.ACCEPTED, date(2026, 11, 30))
        second = (await gateway.client.easy_ship.get_scheduled_package(order_id)).package_pickup_slot
        assert second != first
        with pytest.raises(PickupRejected, match="NoPickupSlot"):
            await scheduler.reschedule_pickup(order_id, pickup_date=date(2026, 12, 20))
        assert (await gateway.client.easy_ship.get_scheduled_package(order_id)).package_pickup_slot == second


async def test_where_a_pickup_was_moved_to_is_known_afterwards(shop: Shop) -> None:
    """In any process: by ``outcome``, and by a repeat, which is told the day that stands."""
    (order_id,) = add_orders(shop, 1)
    gateway, storage = shop.gateway(), MemoryStorage(clock=shop.clock)
    parcel: dict[str, Any] = {"weight_grams": 500, "length_cm": 20, "width_cm": 10, "height_cm": 5}
    joined: list[Event] = []

    def process() -> FeedScheduler:
        return FeedScheduler(storage, gateway, orders=gateway, clock=shop.clock, on_event=joined.append)

    async with process() as scheduler:
        await scheduler.schedule_pickup(order_id, pickup_date=TOMORROW, **parcel)
        await scheduler.reschedule_pickup(order_id, pickup_date=date(2026, 11, 30), pickup_time="2:00 PM")
    async with process() as scheduler:
        known = await scheduler.outcome(order_id)
        assert known is not None
        assert (known.pickup_date, known.pickup_time) == (date(2026, 11, 30), "2:00 PM")
        again = await scheduler.schedule_pickup(order_id, pickup_date=date(2026, 12, 1), **parcel)
        assert again.pickup_date == date(2026, 11, 30)
        await scheduler.reschedule_pickup(order_id, pickup_date=date(2026, 12, 1))
        known = await scheduler.outcome(order_id)
        assert known is not None
        assert (known.pickup_date, known.pickup_time) == (date(2026, 12, 1), None)
    assert [(each.pickup_date, each.asked_date) for each in joined if isinstance(each, PickupJoined)] == [
        (date(2026, 11, 30), date(2026, 12, 1))
    ]


@pytest.mark.parametrize(("times", "works"), [(1, True), (2, False)])
async def test_a_move_lists_new_slots_once_where_amazon_asks_for_it(shop: Shop, times: int, works: bool) -> None:
    """A second refusal is the caller's."""
    (order_id,) = add_orders(shop, 1)
    await shop.gateway().submit(pickup_batch(pickup(order_id)))
    refusals = [httpx.Response(400, json={"errors": [{"code": "ScheduleWindowExpired", "message": None}]})] * times

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "PATCH" and refusals:
            return refusals.pop()
        return await shop.fake.handle_async_request(request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        client = SpApiClient(shop.fake.credentials, shop.fake.marketplace, http=http, clock=shop.clock)
        moving = SpApiGateway(client).reschedule_pickup(order_id, pickup_date=date(2026, 11, 30))
        if works:
            assert (await moving).package_pickup_slot is not None
        else:
            with pytest.raises(PickupRejected, match="ScheduleWindowExpired"):
                await moving
    assert not refusals


async def test_serial_numbers_travel(shop: Shop) -> None:
    """Where the host gives them."""
    (order_id,) = add_orders(shop, 1)

    async def packed(_: str) -> Sequence[PackageItem]:
        return [PackageItem(order_item_id="12345678901234", serial_numbers=("SN1",))]

    await shop.gateway(pickup_route=HandoverPickup(packed_items=packed)).submit(pickup_batch(pickup(order_id)))
    assert "SN1" in repr(next(seen.body for seen in shop.fake.requests if seen.operation == "createScheduledPackage"))
