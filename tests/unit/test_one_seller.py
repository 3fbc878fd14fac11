"""One seller below several fakes: what one backend changes, the others and the panel show."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta

import httpx
import pytest
from spapi_support import MARKETPLACE, Caller, stock_feed

from amazon_ae import AE, MwsClient, OutcomeUnknown
from amazon_ae.testing import (
    FakeMws,
    FakeSpApi,
    ProcessingTimes,
    SellerState,
    StockChange,
    VirtualClock,
    make_item,
    make_order,
)

ORDER = "404-1234567-1234567"
INVENTORY = "_POST_INVENTORY_AVAILABILITY_DATA_"


async def _submit(client: MwsClient, quantity: int) -> None:
    body = (
        "<AmazonEnvelope><Header><DocumentVersion>1.01</DocumentVersion><MerchantIdentifier>A1SANDBOXSELLER"
        "</MerchantIdentifier></Header><MessageType>Inventory</MessageType><Message><MessageID>1</MessageID>"
        f"<Inventory><SKU>SKU-1</SKU><Quantity>{quantity}</Quantity></Inventory></Message></AmazonEnvelope>"
    ).encode()
    await client.feeds.submit(INVENTORY, body, content_type="text/xml; charset=utf-8")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def state(clock: VirtualClock) -> SellerState:
    return SellerState(clock=clock)


@pytest.fixture
def mws(state: SellerState) -> FakeMws:
    return FakeMws(state=state, easy_ship_api=True)


@pytest.fixture
def spapi(state: SellerState) -> FakeSpApi:
    return FakeSpApi(state=state)


@pytest.fixture
async def call(spapi: FakeSpApi) -> AsyncIterator[Caller]:
    caller = Caller(spapi)
    yield caller
    await caller.http.aclose()


@pytest.fixture
async def client(mws: FakeMws, clock: VirtualClock) -> AsyncIterator[MwsClient]:
    async with httpx.AsyncClient(transport=mws) as http:
        yield MwsClient(mws.credentials, mws.marketplace, http=http, clock=clock)


async def test_stock_by_one_backend_is_stock_on_the_other(
    mws: FakeMws, spapi: FakeSpApi, call: Caller, client: MwsClient, clock: VirtualClock
) -> None:
    mws.add_sku("SKU-1")
    await call.patch("SKU-1", 5)
    assert mws.stock == spapi.stock == {"SKU-1": 5}
    await _submit(client, 9)
    clock.jump(60)
    shown = (await call.listing("SKU-1", "fulfillmentAvailability")).json()
    assert shown["fulfillmentAvailability"][0]["quantity"] == 9


async def test_an_mws_feed_is_no_repetition_where_a_patch_came_between(
    mws: FakeMws, call: Caller, client: MwsClient, clock: VirtualClock
) -> None:
    mws.add_sku("SKU-1")
    for quantity in (9, 4):
        if quantity == 4:
            await call.patch("SKU-1", 4)
        await _submit(client, 9)
        clock.jump(60)
        assert mws.stock == {"SKU-1": 9}


async def test_feeds_of_both_backends_end_in_the_order_of_time(
    spapi: FakeSpApi, call: Caller, client: MwsClient, clock: VirtualClock, state: SellerState
) -> None:
    """Nobody looks in between: the earlier end still comes first."""
    seen: list[StockChange] = []
    spapi.add_sku("SKU-1")
    state.on_stock_change.append(seen.append)
    await _submit(client, 1)
    clock.jump(30)
    await call.feed(stock_feed(("SKU-1", 2)))
    clock.jump(3600)
    assert spapi.stock == {"SKU-1": 2}
    assert [change.quantity for change in seen] == [1, 2]
    assert seen[1].at - seen[0].at == timedelta(seconds=30)


async def test_a_pickup_by_panel_is_a_package_for_easy_ship(mws: FakeMws, spapi: FakeSpApi, call: Caller) -> None:
    mws.add_order(make_order(ORDER), [make_item()])
    mws.schedule_pickup(ORDER, date(2021, 11, 20))
    path = "/easyShip/2022-03-23/package"
    package = (await call("GET", path, amazonOrderId=ORDER, marketplaceId=MARKETPLACE)).json()
    assert package["packageTimeSlot"]["startTime"].startswith("2021-11-20T10:00:00")
    shown = spapi.portal_orders[ORDER].pickup
    assert shown is not None
    assert shown.tracking_id == package["trackingDetails"]["trackingId"]


async def test_a_pickup_by_easy_ship_is_seen_by_mws_and_on_the_panel(
    mws: FakeMws, spapi: FakeSpApi, call: Caller, client: MwsClient
) -> None:
    spapi.add_order(make_order(ORDER), [make_item()])
    about = {"marketplaceId": MARKETPLACE, "amazonOrderId": ORDER}
    measures = {
        "packageDimensions": {"length": 30, "width": 20, "height": 10, "unit": "cm"},
        "packageWeight": {"value": 750, "unit": "g"},
    }
    slots = (await call("POST", "/easyShip/2022-03-23/timeSlot", {**about, **measures})).json()["timeSlots"]
    body = {**about, "packageDetails": {"packageTimeSlot": slots[0], "packageIdentifier": "PACK-7"}}
    assert (await call("POST", "/easyShip/2022-03-23/package", body)).status_code == 200
    order = await client.orders.get(ORDER)
    assert order is not None
    assert order.easy_ship_shipment_status == "PendingPickUp"
    package = await client.easy_ship.get_scheduled_package(ORDER)
    assert package.package_identifier == "PACK-7"
    assert package.package_dimensions is not None
    assert package.package_dimensions.length == 30
    shown = mws.portal_orders[ORDER].pickup
    assert shown is not None
    assert shown.package_identifier == "PACK-7"
    assert mws.pickups_sent == spapi.pickups_sent == {ORDER: 1}


async def test_a_refusal_holds_on_both(mws: FakeMws, call: Caller, client: MwsClient, clock: VirtualClock) -> None:
    mws.add_sku("SKU-1", 3)
    mws.refuse("SKU-1", "8541", "The item is blocked.")
    await _submit(client, 9)
    clock.jump(60)
    assert (await call.patch("SKU-1", 5)).json()["status"] == "INVALID"
    assert mws.stock == {"SKU-1": 3}


async def test_a_cancelled_order_is_cancelled_in_the_words_of_each(
    mws: FakeMws, spapi: FakeSpApi, call: Caller, client: MwsClient
) -> None:
    order = spapi.new_order(items=[make_item("SKU-1", 2)])
    mws.cancel_order(order.amazon_order_id)
    shown = await client.orders.get(order.amazon_order_id)
    assert shown is not None
    assert shown.order_status == "Canceled"
    path = f"/orders/2026-01-01/orders/{order.amazon_order_id}"
    there = (await call("GET", path, includedData="FULFILLMENT")).json()["order"]
    assert there["fulfillment"]["fulfillmentStatus"] == "CANCELLED"


async def test_a_new_order_is_dated_by_the_fakes_clock(spapi: FakeSpApi, clock: VirtualClock) -> None:
    clock.jump(86_400)
    first, second = spapi.new_order(), spapi.new_order(status="Pending")
    assert first.purchase_date == first.last_update_date == clock.now()
    assert [first.amazon_order_id, second.amazon_order_id] == list(spapi.orders)
    assert second.order_status == "Pending"
    assert make_order(clock=clock).purchase_date == clock.now()


async def test_a_buyers_wish_to_cancel_shows_on_the_item(spapi: FakeSpApi, call: Caller) -> None:
    order_id = spapi.new_order().amazon_order_id
    spapi.request_cancellation(order_id, "Bought by mistake")
    path = f"/orders/2026-01-01/orders/{order_id}"
    item = (await call("GET", path, includedData="CANCELLATION")).json()["order"]["orderItems"][0]
    assert item["cancellation"]["cancellationRequest"] == {"requester": "BUYER", "cancelReason": "Bought by mistake"}


async def test_changed_items_move_the_orders_update(spapi: FakeSpApi, clock: VirtualClock) -> None:
    order_id = spapi.new_order(items=[make_item("SKU-1", 2)]).amazon_order_id
    clock.jump(60)
    spapi.change_order(order_id, items=[make_item("SKU-1", 1)])
    record = spapi.orders[order_id]
    assert [item.quantity_ordered for item in record.items] == [1]
    assert record.order.last_update_date == clock.now()


async def test_a_late_index_shows_an_order_as_it_was(
    mws: FakeMws, client: MwsClient, clock: VirtualClock, state: SellerState
) -> None:
    order_id = mws.new_order().amazon_order_id
    clock.jump(600)
    state.index_seconds = lambda order: 300.0
    mws.cancel_order(order_id)
    clock.jump(130)
    after = clock.now() - timedelta(days=1)
    orders = await client.orders.list(last_updated_after=after).all()
    assert [order.order_status for order in orders] == ["Unshipped"]
    clock.jump(170)
    orders = await client.orders.list(last_updated_after=after).all()
    assert [order.order_status for order in orders] == ["Canceled"]


async def test_a_late_feed_is_accepted_after_its_sender_gave_up(
    mws: FakeMws, client: MwsClient, clock: VirtualClock
) -> None:
    mws.add_sku("SKU-1")
    mws.fail("SubmitFeed", "late", seconds=200)
    with pytest.raises(OutcomeUnknown):
        await _submit(client, 5)
    assert mws.feeds == []
    clock.jump(200)
    assert [feed.feed_type for feed in mws.feeds] == [INVENTORY]


def test_a_shared_state_brings_clock_and_marketplace(state: SellerState, clock: VirtualClock) -> None:
    with pytest.raises(ValueError, match="leave those arguments out"):
        FakeSpApi(state=state, clock=clock)
    with pytest.raises(ValueError, match="leave those arguments out"):
        FakeMws(state=state, marketplace=AE)
    with pytest.raises(ValueError, match="is that of seller A2"):
        FakeMws(state=SellerState(seller_id="A2", clock=clock))


async def test_another_program_uses_the_quota_all_day(
    mws: FakeMws, spapi: FakeSpApi, call: Caller, client: MwsClient, clock: VirtualClock
) -> None:
    """Ten feeds an hour of its own leave twenty of thirty, and an account call a minute leaves nothing in a while."""
    mws.spend_every("SubmitFeed", 360)
    spapi.spend_every("getAccount", 62.5, until=clock.now() + timedelta(hours=1))
    clock.jump(3600)
    assert mws.spend("SubmitFeed", 100) == 15  # the bucket; the hour has ten of the other program's
    clock.jump(3600)
    assert (await call("GET", "/sellers/v1/account")).status_code == 200
    with pytest.raises(ValueError, match="no operation 'SubmitFed'"):
        mws.spend_every("SubmitFed", 1)
    with pytest.raises(ValueError, match="no operation 'getacc'"):
        spapi.spend_every("getacc", 1)


def test_processing_times_follow_the_hour_and_the_seed(clock: VirtualClock, state: SellerState) -> None:
    class Feed:
        def __init__(self, hour: int) -> None:
            self.feed_type, self.is_held = "", False
            self.ends_at: datetime | None = None
            self.submitted_at = clock.now().replace(hour=hour)
            self.starts_at: datetime | None = None

    flat = ProcessingTimes(median=60, by_hour={9: 300, 20: 30})
    assert [flat(Feed(hour)) for hour in (3, 9, 19, 20, 23)] == [30, 300, 300, 30, 30]
    drawn = ProcessingTimes(median=60, p95=180, seed=4)
    times = sorted(drawn(Feed(9)) for _ in range(2000))
    assert 55 < times[1000] < 65
    assert 160 < times[1900] < 200
    again = ProcessingTimes(median=60, p95=180, seed=4)
    assert times == sorted(again(Feed(9)) for _ in range(2000))
