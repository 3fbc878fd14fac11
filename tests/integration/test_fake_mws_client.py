"""The library's client against ``FakeMws``: two implementations of the same documents, written apart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from decimal import Decimal

import attrs
import httpx
import pytest

from amazon_ae._exceptions import (
    AccessDenied,
    AmazonError,
    OutcomeUnknown,
    QuotaExceeded,
    RegionNotSupported,
    RequestExpired,
    RequestThrottled,
    SignatureMismatch,
)
from amazon_ae._models.easy_ship import PackageDimensions, PackageItem, PackageWeight
from amazon_ae._models.feeds import FeedBatch, FeedItem, FeedState, InventoryUpdate, ItemKind, Outcome, PickupRequest
from amazon_ae._models.marketplaces import AE, EG, SA, Marketplace
from amazon_ae._mws.client import MwsClient
from amazon_ae._mws.gateway import MwsGateway
from amazon_ae._mws.pickup_routes import EasyShipPickup, SchedulePickupFeed
from amazon_ae.testing import FakeMws, MwsFault, VirtualClock, make_item, make_order, make_order_id


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def fake(clock: VirtualClock) -> FakeMws:
    return FakeMws(clock=clock)


@pytest.fixture
async def client(fake: FakeMws, clock: VirtualClock) -> AsyncIterator[MwsClient]:
    async with httpx.AsyncClient(transport=fake) as http, client_of(fake, clock, http) as client:
        yield client


def client_of(fake: FakeMws, clock: VirtualClock, http: httpx.AsyncClient, **changes: str) -> MwsClient:
    return MwsClient(attrs.evolve(fake.credentials, **changes), fake.marketplace, http=http, clock=clock)


def batch(kind: ItemKind, *values: InventoryUpdate | PickupRequest) -> FeedBatch:
    items = tuple(
        FeedItem(number, value.sku if isinstance(value, InventoryUpdate) else value.order_id, value)
        for number, value in enumerate(values, start=1)
    )
    return FeedBatch(batch_id="b", kind=kind, items=items)


def pickup(order_id: str) -> PickupRequest:
    return PickupRequest(
        order_id=order_id,
        pickup_date=date(2021, 11, 19),
        pickup_time="10:00 AM",
        weight_grams=Decimal(500),
        length_cm=Decimal(30),
        width_cm=Decimal(20),
        height_cm=Decimal(10),
    )


async def test_an_order_survives_the_way_through_the_wire(fake: FakeMws, client: MwsClient) -> None:
    """Every field that the builder fills comes back equal, Arabic and reserved characters included."""
    item = make_item("SKU & <1>", 3, title="قهوة & «بن» <100 g>")
    order = make_order(items=[item])
    fake.add_order(order, [item])
    found = await client.orders.get(order.amazon_order_id)
    assert found is not None
    assert found == order
    assert list(await client.orders.items(order.amazon_order_id)) == [item]


async def test_pages_of_orders_come_complete_and_in_order(
    fake: FakeMws, client: MwsClient, clock: VirtualClock
) -> None:
    """250 orders on three pages; the returned instant is two minutes back."""
    begin = clock.now() - timedelta(days=1)
    for number in range(250):
        fake.add_order(make_order(make_order_id(number), updated_at=begin + timedelta(seconds=number)))
    pages = [page async for page in client.orders.list(last_updated_after=begin).pages()]
    assert [len(page.orders) for page in pages] == [100, 100, 50]
    assert [o.amazon_order_id for page in pages for o in page.orders] == [make_order_id(n) for n in range(250)]
    assert {page.complete_until for page in pages} == {clock.now() - timedelta(minutes=2)}


async def test_an_order_that_changes_between_pages_is_in_the_next_window(
    fake: FakeMws, client: MwsClient, clock: VirtualClock
) -> None:
    """It leaves this window and comes in the one that begins at the returned instant."""
    begin = clock.now() - timedelta(days=1)
    for number in range(150):
        fake.add_order(make_order(make_order_id(number), updated_at=begin + timedelta(seconds=number)))
    seen: list[str] = []
    complete_until = begin
    async for page in client.orders.list(last_updated_after=begin).pages():
        if not seen:
            fake.change_order(make_order_id(140), status="Canceled")
        seen += [order.amazon_order_id for order in page.orders]
        complete_until = page.complete_until or begin
    assert make_order_id(140) not in seen
    clock.jump(300)
    later = [order async for order in client.orders.list(last_updated_after=complete_until)]
    assert [(order.amazon_order_id, order.order_status) for order in later] == [(make_order_id(140), "Canceled")]


async def test_a_corrupted_token_restarts_the_listing(fake: FakeMws, client: MwsClient, clock: VirtualClock) -> None:
    """The client begins anew and hands over no order twice."""
    begin = clock.now() - timedelta(days=1)
    for number in range(150):
        fake.add_order(make_order(make_order_id(number), updated_at=begin + timedelta(seconds=number)))
    seen: list[str] = []
    async for order in client.orders.list(last_updated_after=begin):
        if len(seen) == 50:
            fake.forget_tokens()
        seen.append(order.amazon_order_id)
    assert seen == [make_order_id(number) for number in range(150)]
    assert "NextTokenCorrupted" in [request.code for request in fake.requests]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"secret_key": "wrong"}, SignatureMismatch),
        ({"access_key_id": "AKIANOBODY"}, AccessDenied),
        ({"auth_token": "amzn.mws.other"}, AccessDenied),
    ],
)
async def test_wrong_credentials_have_their_own_error(
    fake: FakeMws, clock: VirtualClock, change: dict[str, str], error: type[AmazonError]
) -> None:
    """A wrong secret, an unknown key and a missing authorisation."""
    async with httpx.AsyncClient(transport=fake) as http:
        with pytest.raises(error):
            await client_of(fake, clock, http, **change).sellers.participations()


async def test_a_wrong_clock_is_named(clock: VirtualClock) -> None:
    """The skew comes out of the ``Date`` header."""
    fake = FakeMws(clock=clock, skew_seconds=3600)
    async with httpx.AsyncClient(transport=fake) as http:
        with pytest.raises(RequestExpired) as caught:
            await client_of(fake, clock, http).sellers.participations()
    assert caught.value.skew_seconds == pytest.approx(-3600, abs=1)


async def test_stock_is_taken_item_by_item(fake: FakeMws, client: MwsClient, clock: VirtualClock) -> None:
    """A known SKU, an unknown one and a repeated value: accepted, rejected, accepted with a warning."""
    gateway = MwsGateway(client)
    fake.add_sku("A")
    first = await gateway.submit(batch(ItemKind.INVENTORY, InventoryUpdate("A", 7)))
    assert first.feed_id is not None
    assert first.quota is not None
    assert (first.quota.maximum, first.quota.remaining) == (30.0, 29.0)
    clock.jump(60)
    second_batch = batch(ItemKind.INVENTORY, InventoryUpdate("A", 7), InventoryUpdate("B", 1))
    second = await gateway.submit(second_batch)
    assert second.feed_id is not None
    clock.jump(60)
    assert [status.state for status in await gateway.status([first.feed_id, second.feed_id])] == [FeedState.DONE] * 2
    report = await gateway.report(second.feed_id, second_batch)
    assert [(item.key, item.outcome, item.code) for item in report.outcomes] == [
        ("A", Outcome.ACCEPTED_WITH_WARNINGS, "5000"),
        ("B", Outcome.REJECTED, "13013"),
    ]
    assert fake.stock == {"A": 7}


async def test_pickups_share_a_feed_and_each_has_its_outcome(
    fake: FakeMws, client: MwsClient, clock: VirtualClock
) -> None:
    """Accepted, unknown, cancelled, not Easy Ship, refused, and a second time."""
    gateway = MwsGateway(client, pickup_route=SchedulePickupFeed(fake.pickup_feed_type))
    ids = [make_order_id(number) for number in range(5)]
    fake.add_order(make_order(ids[0]))
    fake.add_order(make_order(ids[2], status="Canceled"))
    fake.add_order(make_order(ids[3]), easy_ship=False)
    fake.add_order(make_order(ids[4]))
    fake.refuse(ids[4], "90099", "The parcel is too heavy.")
    wanted = batch(ItemKind.PICKUP, *map(pickup, ids))
    receipt = await gateway.submit(wanted)
    assert receipt.feed_id is not None
    clock.jump(60)
    report = await gateway.report(receipt.feed_id, wanted)
    assert [(item.outcome, item.code) for item in report.outcomes] == [
        (Outcome.ACCEPTED, ""),
        (Outcome.REJECTED, "18028"),
        (Outcome.REJECTED, "90010"),
        (Outcome.REJECTED, "90012"),
        (Outcome.REJECTED, "90099"),
    ]
    assert list(fake.pickups) == [ids[0]]
    assert fake.pickups[ids[0]].date == "2021-11-19"
    order = await client.orders.get(ids[0])
    assert order is not None
    assert order.easy_ship_shipment_status == "PendingPickUp"
    again = await gateway.submit(batch(ItemKind.PICKUP, pickup(ids[0])))
    assert again.feed_id is not None
    clock.jump(60)
    report = await gateway.report(again.feed_id, batch(ItemKind.PICKUP, pickup(ids[0])))
    assert [(item.outcome, item.code) for item in report.outcomes] == [(Outcome.REJECTED, "90011")]
    assert fake.pickups_sent[ids[0]] == 2


async def test_both_throttles_reach_the_caller(fake: FakeMws, client: MwsClient, clock: VirtualClock) -> None:
    """``RequestThrottled`` names the restore interval, ``QuotaExceeded`` the reset."""
    gateway = MwsGateway(client)
    fake.spend("SubmitFeed", 15)
    with pytest.raises(RequestThrottled) as throttled:
        await gateway.submit(batch(ItemKind.INVENTORY, InventoryUpdate("A", 7)))
    assert throttled.value.retry_at == clock.now() + timedelta(seconds=120)
    clock.jump(1800)
    fake.spend("SubmitFeed", 15)
    with pytest.raises(QuotaExceeded) as exceeded:
        await gateway.submit(batch(ItemKind.INVENTORY, InventoryUpdate("A", 7)))
    assert exceeded.value.retry_at == clock.now() + timedelta(seconds=1800)


async def test_a_lost_answer_is_an_unknown_outcome_and_recent_finds_the_feed(
    fake: FakeMws, client: MwsClient, clock: VirtualClock
) -> None:
    """What the scheduler needs to settle it: the feed, by type and time."""
    gateway = MwsGateway(client)
    fake.add_sku("A")
    since = clock.now()
    clock.jump(0.4)
    fake.fail("SubmitFeed", MwsFault.ANSWER_LOST)
    with pytest.raises(OutcomeUnknown):
        await gateway.submit(batch(ItemKind.INVENTORY, InventoryUpdate("A", 7)))
    assert [status.feed_id for status in await gateway.recent(ItemKind.INVENTORY, since)] == [fake.feeds[0].feed_id]
    assert fake.count("SubmitFeed") == 1


async def test_feeds_end_in_other_ways(fake: FakeMws, client: MwsClient, clock: VirtualClock) -> None:
    """Cancelled, held by people, stuck behind it, and a status that nobody knows."""
    gateway = MwsGateway(client)
    for status in ("_CANCELLED_", "_IN_SAFETY_NET_"):
        fake.end_feeds(status)
    ids = []
    for quantity in range(3):
        receipt = await gateway.submit(batch(ItemKind.INVENTORY, InventoryUpdate("A", quantity)))
        ids.append(receipt.feed_id or "")
    clock.jump(10_000)
    states = {status.feed_id: status.raw for status in await gateway.status(ids)}
    assert [states[feed_id] for feed_id in ids] == ["_CANCELLED_", "_IN_SAFETY_NET_", "_SUBMITTED_"]
    fake.release(ids[1])
    clock.jump(60)
    states = {status.feed_id: status.raw for status in await gateway.status(ids)}
    assert [states[feed_id] for feed_id in ids] == ["_CANCELLED_", "_DONE_", "_DONE_"]
    with pytest.raises(ValueError, match="has ended"):
        fake.release(ids[1])


async def test_easy_ship_is_for_india_unless_switched_on(fake: FakeMws, client: MwsClient, clock: VirtualClock) -> None:
    """``RegionNotSupported`` in the UAE; with the switch, slots, package, change of slot and the order's status."""
    order_id = make_order_id(1)
    fake.add_order(make_order(order_id))
    size = PackageDimensions(length=Decimal(30), width=Decimal(20), height=Decimal(10))
    weight = PackageWeight(value=Decimal(500))
    with pytest.raises(RegionNotSupported):
        await client.easy_ship.list_pickup_slots(order_id, dimensions=size, weight=weight)
    fake.easy_ship_api = True
    slots = (await client.easy_ship.list_pickup_slots(order_id, dimensions=size, weight=weight)).slots
    assert len(slots) >= 4
    made = await client.easy_ship.create_scheduled_package(
        order_id,
        slots[0],
        dimensions=size,
        weight=weight,
        items=[PackageItem(order_item_id="10000000000001", serial_numbers=("S1", "S2"))],
        package_identifier="BOX-1",
    )
    assert (made.amazon_order_id, made.package_pickup_slot) == (order_id, slots[0])
    assert made.package_items == (PackageItem(order_item_id="10000000000001", serial_numbers=("S1", "S2")),)
    assert (made.package_dimensions, made.package_weight, made.package_identifier) == (size, weight, "BOX-1")
    with pytest.raises(AmazonError) as twice:
        await client.easy_ship.create_scheduled_package(order_id, slots[0])
    assert twice.value.code == "SchedulesdPackageAlreadyExists"
    (moved,) = await client.easy_ship.update_scheduled_packages(order_id, made.package_id or "", slots[1])
    assert moved.package_pickup_slot == slots[1]
    assert await client.easy_ship.get_scheduled_package(order_id) == moved
    assert fake.orders[order_id].order.easy_ship_shipment_status == "PendingPickUp"


async def test_the_easy_ship_route_books_a_pickup(fake: FakeMws, client: MwsClient) -> None:
    """The other pickup route, through the gateway."""
    fake.easy_ship_api = True
    fake.add_order(make_order(make_order_id(1)))
    gateway = MwsGateway(client, pickup_route=EasyShipPickup())
    receipt = await gateway.submit(batch(ItemKind.PICKUP, pickup(make_order_id(1))))
    assert receipt.outcomes is not None
    assert [item.outcome for item in receipt.outcomes] == [Outcome.ACCEPTED]
    assert list(fake.pickups) == [make_order_id(1)]


@pytest.mark.parametrize("marketplace", [AE, EG, SA], ids=lambda marketplace: marketplace.code)
async def test_every_marketplace_of_the_library_can_be_played(clock: VirtualClock, marketplace: Marketplace) -> None:
    """Its id, its currency, its host; a marketplace without a shop is listed too, as in real answers."""
    fake = FakeMws(clock=clock, marketplace=marketplace)
    order = make_order(make_order_id(1), marketplace=marketplace)
    fake.add_order(order)
    async with httpx.AsyncClient(transport=fake) as http:
        client = client_of(fake, clock, http)
        found = await client.sellers.participations()
        assert found.marketplaces[0].marketplace_id == marketplace.marketplace_id
        assert len(found.marketplaces) == 2
        begin = clock.now() - timedelta(days=1)
        assert [item async for item in client.orders.list(last_updated_after=begin)] == [order]


async def test_easy_ship_documents_come_by_feed_and_report(
    fake: FakeMws, client: MwsClient, clock: VirtualClock
) -> None:
    """The documented way: feed, processing report with a reference, report list, report, PDF."""
    order_id = make_order_id(1)
    fake.add_order(make_order(order_id))
    feed = (
        "<AmazonEnvelope><Header><DocumentVersion>1.01</DocumentVersion><MerchantIdentifier>A1</MerchantIdentifier>"
        "</Header><MessageType>EasyShipDocument</MessageType><Message><MessageID>1</MessageID><EasyShipDocument>"
        f"<AmazonOrderID>{order_id}</AmazonOrderID><DocumentType>ShippingLabel</DocumentType></EasyShipDocument>"
        "</Message></AmazonEnvelope>"
    ).encode()

    async def ask() -> str:
        submitted = await client.feeds.submit("_POST_EASYSHIP_DOCUMENTS_", feed, content_type="text/xml")
        clock.jump(60)
        return (await client.feeds.result(submitted.feed_submission_id)).decode()

    early = await ask()
    assert "<ResultMessageCode>90020<" in early
    assert "ReportReferenceId" not in early
    fake.schedule_pickup(order_id, date(2021, 11, 19))
    late = await ask()
    reference = late.split("<ReportReferenceId>")[1].split("<")[0]
    (info,) = [info async for info in client.reports.list(report_request_ids=[reference])]
    document = await client.reports.get(info.report_id)
    assert document.content.startswith(b"%PDF-")
    assert order_id.encode() in document.content


async def test_the_pickup_report_lists_what_waits(fake: FakeMws, client: MwsClient, clock: VirtualClock) -> None:
    """RequestReport, then submitted, in progress and done on the clock."""
    item = make_item("SKU-7", 2)
    fake.add_order(make_order(make_order_id(1), items=[item], easy_ship_shipment_status="PendingPickUp"), [item])
    asked = await client.reports.request("_GET_EASYSHIP_WAITING_FOR_PICKUP_")
    states = []
    for seconds in (0, 20, 40):
        clock.jump(seconds)
        (row,) = [row async for row in client.reports.requests(report_request_ids=[asked.report_request_id])]
        states.append(row.report_processing_status)
    assert states == ["_SUBMITTED_", "_IN_PROGRESS_", "_DONE_"]
    report = await client.reports.get(row.generated_report_id or "")
    assert report.content.decode().splitlines()[1].split("\t")[4:] == ["SKU-7", "Sample article SKU-7", "2"]
