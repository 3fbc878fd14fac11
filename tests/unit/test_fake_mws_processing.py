"""``FakeMws``: every reason for which processing or an Easy Ship operation refuses something."""

from __future__ import annotations

import re
from datetime import timedelta

import attrs
import pytest
from test_fake_mws import call, first, inventory, submit

from amazon_ae.testing._builders import make_item, make_order, make_order_id
from amazon_ae.testing._clocks import VirtualClock
from amazon_ae.testing._mws import FakeMws

PRICES = "_POST_FLAT_FILE_PRICEANDQUANTITYONLY_UPDATE_DATA_"
MARKET = {"MarketplaceId": "A2VIGQ35RCS4UG"}
ORDER = make_order_id(1)
SIZE = {
    "PackageDimensions.Length": "30",
    "PackageDimensions.Width": "20",
    "PackageDimensions.Height": "10",
    "PackageDimensions.Unit": "cm",
    "PackageWeight.Value": "500",
    "PackageWeight.Unit": "g",
}
SLOT_ID = "PackageRequestDetails.PackagePickupSlot.SlotId"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(autojump=False)


@pytest.fixture
def fake(clock: VirtualClock) -> FakeMws:
    fake = FakeMws(clock=clock, easy_ship_api=True)
    fake.add_order(make_order(ORDER), [make_item(order_item_id="1" * 14)])
    fake.add_sku("S", 7)
    return fake


def codes(
    fake: FakeMws, clock: VirtualClock, body: bytes, feed_type: str = "_POST_INVENTORY_AVAILABILITY_DATA_"
) -> list[str]:
    """The codes in the report on this feed."""
    assert submit(fake, body, feed_type).status == 200
    clock.jump(60)
    report = (fake.feeds[-1].report or b"").decode("iso-8859-1")
    if report.startswith("<?xml"):
        return re.findall("<ResultMessageCode>([^<]*)<", report)
    return [line.split("\t")[2] for line in report.splitlines() if re.match(r"\d+\t", line)]


def one(content: str) -> bytes:
    return inventory(("S", 1)).replace(b"<SKU>S</SKU><Quantity>1</Quantity>", content.encode())


@pytest.mark.parametrize(
    ("content", "expected", "stock"),
    [
        ("<SKU>S</SKU><Quantity>3</Quantity><FulfillmentLatency>2</FulfillmentLatency>", [], 3),
        ("<SKU>S</SKU><Available>false</Available>", [], 0),
        ("<SKU>S</SKU><Available>true</Available>", [], 7),
        ("<SKU>S</SKU><Quantity>3</Quantity><RestockDate>2021-12-01</RestockDate>", [], 3),
        ("<SKU></SKU><Quantity>3</Quantity>", ["90001"], 7),
        (f"<SKU>{'x' * 41}</SKU><Quantity>3</Quantity>", ["90001"], 7),
        ("<SKU>S</SKU><Quantity>3</Quantity><FulfillmentLatency>0</FulfillmentLatency>", ["90002"], 7),
        ("<SKU>S</SKU><Quantity>3</Quantity><RestockDate>soon</RestockDate>", ["90002"], 7),
        ("<SKU>S</SKU><Quantity>-3</Quantity>", ["90002"], 7),
        ("<SKU>S</SKU>", ["6001"], 7),
        ("<SKU>S</SKU><Quantity>3</Quantity><Colour>red</Colour>", ["6001"], 7),
    ],
)
def test_inventory_messages(fake: FakeMws, clock: VirtualClock, content: str, expected: list[str], stock: int) -> None:
    """What the schema and the marketplace make of one message."""
    assert codes(fake, clock, one(content)) == expected
    assert fake.stock["S"] == stock


def test_a_message_without_its_content_spoils_the_feed(fake: FakeMws, clock: VirtualClock) -> None:
    """A Message that holds something else than its type, and a header without its merchant."""
    other = inventory(("S", 1)).replace(b"<Inventory>", b"<Price>").replace(b"</Inventory>", b"</Price>")
    headless = inventory(("S", 1)).replace(b"A1SANDBOXSELLER", b"")
    for body in (other, headless, b"<Envelope/>"):
        assert codes(fake, clock, body) == ["6001"]
        clock.jump(120)


def test_price_and_quantity_files(fake: FakeMws, clock: VirtualClock) -> None:
    """Quantities are taken, prices alone change nothing here, unknown SKUs are refused, Latin-1 is read."""
    body = "sku\tprice\tquantity\nS\t9.50\t4\nS\t9.50\t\nX\t\t1\nY\t1.00\t\nCaf\u00e9\t\t1\n".encode("iso-8859-1")
    assert codes(fake, clock, body, PRICES) == ["13013"] * 3
    assert fake.stock == {"S": 4}
    assert [message.key for message in fake.feeds[0].messages][-1] == "Caf\u00e9"


@pytest.mark.parametrize(
    ("status", "columns", "expected"),
    [
        ("Unshipped", {}, []),
        ("PartiallyShipped", {}, []),
        ("Shipped", {}, ["90013"]),
        ("Pending", {}, ["90013"]),
        ("Canceled", {}, ["90010"]),
        ("Unshipped", {"package_weight": "heavy"}, ["90016"]),
        ("Unshipped", {"package_height": "0"}, ["90016"]),
        ("Unshipped", {"schedule_pickup_date": "2021-13-01"}, ["90014"]),
        ("Unshipped", {"schedule_pickup_date": ""}, ["90014"]),
    ],
)
def test_pickup_rows(
    fake: FakeMws, clock: VirtualClock, status: str, columns: dict[str, str], expected: list[str]
) -> None:
    """The order's state, the measures and the date decide; only an accepted one is booked."""
    fake.change_order(ORDER, status=status)
    row = {"order_id": ORDER, "package_weight": "500", "package_height": "10", "schedule_pickup_date": "2021-11-19"}
    row |= columns
    body = ("\t".join(row) + "\r\n" + "\t".join(row.values()) + "\r\n").encode()
    assert codes(fake, clock, body, fake.pickup_feed_type) == expected
    assert list(fake.pickups) == ([] if expected else [ORDER])
    assert fake.pickups_sent == {ORDER: 1}


def test_an_order_of_amazons_own_warehouse_has_no_pickup(fake: FakeMws, clock: VirtualClock) -> None:
    """``AFN`` is not Easy Ship."""
    fake.add_order(attrs.evolve(make_order(ORDER), fulfillment_channel="AFN"))
    body = f"order_id\tschedule_pickup_date\n{ORDER}\t2021-11-19\n".encode()
    assert codes(fake, clock, body, fake.pickup_feed_type) == ["90012"]


@pytest.mark.parametrize("body", [b"\n\n", b"name\tvalue\nA\t1\n"])
def test_a_table_without_header_or_rows_is_refused_whole(fake: FakeMws, clock: VirtualClock, body: bytes) -> None:
    """Row 0, code 6001; such a feed tells of no messages."""
    assert codes(fake, clock, body, fake.pickup_feed_type) == ["6001"]
    assert fake.feeds[0].messages == ()


def test_a_fulfillment_without_items_ships_the_whole_order(fake: FakeMws, clock: VirtualClock) -> None:
    """And one whose quantity is no number is refused."""
    head = (
        "<AmazonEnvelope><Header><DocumentVersion>1.01</DocumentVersion><MerchantIdentifier>A1</MerchantIdentifier>"
        "</Header><MessageType>OrderFulfillment</MessageType><Message><MessageID>1</MessageID><OrderFulfillment>"
        f"<AmazonOrderID>{ORDER}</AmazonOrderID><FulfillmentDate>2021-11-18T09:00:00Z</FulfillmentDate>"
    )
    tail = "</OrderFulfillment></Message></AmazonEnvelope>"
    bad = f"<Item><AmazonOrderItemCode>{'1' * 14}</AmazonOrderItemCode><Quantity>one</Quantity></Item>"
    assert codes(fake, clock, (head + bad + tail).encode(), "_POST_ORDER_FULFILLMENT_DATA_") == ["90002"]
    assert codes(fake, clock, (head + tail).encode(), "_POST_ORDER_FULFILLMENT_DATA_") == []
    assert fake.orders[ORDER].order.order_status == "Shipped"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"PackageDimensions.Unit": "in"}, "InvalidParameterValue"),
        ({"PackageDimensions.Length": "-1"}, "InvalidParameterValue"),
        ({"PackageDimensions.Width": "wide"}, "InvalidParameterValue"),
        ({"PackageWeight.Unit": "kg"}, "InvalidParameterValue"),
        ({"PackageWeight.Value": ""}, "MissingParameter"),
        ({"MarketplaceId": "A21TJRUUN4KGV"}, "InvalidParameterValue"),
        ({"AmazonOrderId": make_order_id(9)}, "ResourceNotFound"),
    ],
)
def test_list_pickup_slots_refuses(fake: FakeMws, changes: dict[str, str], code: str) -> None:
    """Units, measures, a foreign marketplace, an unknown order."""
    answer = call(fake, "EasyShip", "ListPickupSlots", {**MARKET, **SIZE, "AmazonOrderId": ORDER, **changes})
    assert first(answer.body, "Code") == code


def test_slots_of_the_past_are_not_offered(fake: FakeMws, clock: VirtualClock) -> None:
    """At 13:00 in Dubai two slots a day are left; at 19:00 today's are gone, and a slot that was is not available."""
    params = {**MARKET, **SIZE, "AmazonOrderId": ORDER}
    early = call(fake, "EasyShip", "ListPickupSlots", params).body.decode()
    clock.jump(timedelta(hours=6).total_seconds())
    late = call(fake, "EasyShip", "ListPickupSlots", params).body.decode()
    assert (early.count("<PickupSlot>"), late.count("<PickupSlot>")) == (5, 4)
    gone = re.findall("<SlotId>([^<]*)<", early)[0]
    answer = call(fake, "EasyShip", "CreateScheduledPackage", {**MARKET, "AmazonOrderId": ORDER, SLOT_ID: gone})
    assert (answer.status, first(answer.body, "Code")) == (404, "PickupSlotNotAvailable")


def test_create_scheduled_package_refuses(fake: FakeMws) -> None:
    """An order in the wrong state, one that a test refuses; and nothing is booked before."""
    slots = call(fake, "EasyShip", "ListPickupSlots", {**MARKET, **SIZE, "AmazonOrderId": ORDER}).body
    wanted = {**MARKET, "AmazonOrderId": ORDER, SLOT_ID: first(slots, "SlotId")}
    none = call(fake, "EasyShip", "GetScheduledPackage", {**MARKET, "ScheduledPackageId.AmazonOrderId": ORDER})
    fake.change_order(ORDER, status="Shipped")
    state = call(fake, "EasyShip", "CreateScheduledPackage", wanted)
    fake.change_order(ORDER, status="Unshipped")
    fake.refuse(ORDER, "ScheduleWindowExpired", "Too late.")
    refused = call(fake, "EasyShip", "CreateScheduledPackage", wanted)
    assert [first(answer.body, "Code") for answer in (none, state, refused)] == [
        "ResourceNotFound",
        "InvalidOrderState",
        "ScheduleWindowExpired",
    ]
    assert fake.pickups == {}


def test_the_portals_view_is_a_mapping(fake: FakeMws) -> None:
    """Length, membership and iteration follow the orders."""
    view = fake.portal_orders
    assert (len(view), list(view), ORDER in view, make_order_id(9) in view) == (1, [ORDER], True, False)
    with pytest.raises(KeyError):
        view[make_order_id(9)]


@pytest.mark.parametrize(
    ("report_type", "changes", "code"),
    [
        ("_GET_MERCHANT_LISTINGS_DATA_", {}, "InvalidReportType"),
        ("_GET_EASYSHIP_PICKEDUP_", {"EndDate": "2021-11-19T00:00:00Z"}, "InvalidParameterValue"),
    ],
)
def test_request_report_refuses(fake: FakeMws, report_type: str, changes: dict[str, str], code: str) -> None:
    """Types that the fake does not make, and an end in the future."""
    answer = call(fake, "Reports", "RequestReport", {"ReportType": report_type, **changes})
    assert first(answer.body, "Code") == code


def test_a_report_without_rows_has_no_report_id(fake: FakeMws, clock: VirtualClock) -> None:
    """``_DONE_NO_DATA_``; and what is not ready, or unknown, says so."""
    asked = call(fake, "Reports", "RequestReport", {"ReportType": "_GET_EASYSHIP_PICKEDUP_"})
    made = next(iter(fake._state.reports.values()))  # Amazon states the id only once the report is ready
    early = call(fake, "Reports", "GetReport", {"ReportId": made.report_id})
    clock.jump(60)
    by_id = {"ReportRequestIdList.Id.1": first(asked.body, "ReportRequestId")}
    done = call(fake, "Reports", "GetReportRequestList", by_id)
    unknown = call(fake, "Reports", "GetReport", {"ReportId": "1"})
    assert first(done.body, "ReportProcessingStatus") == "_DONE_NO_DATA_"
    assert b"GeneratedReportId" not in done.body
    assert [first(answer.body, "Code") for answer in (early, unknown)] == ["ReportNotReady", "InvalidReportId"]
