"""``FakeMws``: the rules of each operation, feeds in all their states, and ordered faults."""

from __future__ import annotations

from datetime import datetime, timedelta

import attrs
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_fake_mws import call, first, found, header, inventory, submit

from amazon_ae.models.marketplaces import AE
from amazon_ae.testing.builders import make_item, make_order, make_order_id
from amazon_ae.testing.clocks import VirtualClock
from amazon_ae.testing.mws import FakeMws, MwsFault
from amazon_ae.testing.mws.quotas import SECTIONS, Limit, Meter
from amazon_ae.testing.mws.user_agent import check_user_agent
from amazon_ae.testing.mws.wire import Refused

MARKET = {"MarketplaceId.Id.1": AE.marketplace_id}
SINCE = {"LastUpdatedAfter": "2021-11-01T00:00:00Z"}
PRICES = "_POST_FLAT_FILE_PRICEANDQUANTITYONLY_UPDATE_DATA_"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(autojump=False)


@pytest.fixture
def fake(clock: VirtualClock) -> FakeMws:
    return FakeMws(clock=clock)


# Orders


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({}, "CreatedAfter or LastUpdatedAfter must be specified"),
        ({**SINCE, "CreatedAfter": "2021-11-01T00:00:00Z"}, "both"),
        ({**SINCE, "CreatedBefore": "2021-11-02T00:00:00Z"}, "CreatedBefore"),
        ({**SINCE, "LastUpdatedBefore": "2021-10-01T00:00:00Z"}, "later than"),
        ({**SINCE, "OrderStatus.Status.1": "Unshipped"}, "used together"),
        ({**SINCE, "OrderStatus.Status.1": "Packed"}, "not an order status"),
        ({**SINCE, "BuyerEmail": "a@b.example"}, "cannot be used with BuyerEmail"),
        ({"CreatedAfter": "2021-11-01", "SellerOrderId": "1", "OrderStatus.Status.1": "Shipped"}, "with SellerOrderId"),
        ({**SINCE, "MaxResultsPerPage": "101"}, "from 1 to 100"),
        ({**SINCE, "MaxResultsPerPage": "0"}, "from 1 to 100"),
        ({"LastUpdatedAfter": "yesterday"}, "ISO 8601"),
        ({**SINCE, "MarketplaceId.Id.1": "ATVPDKIKX0DER"}, "not a marketplace of this seller"),
    ],
)
def test_list_orders_refuses_what_its_page_forbids(fake: FakeMws, params: dict[str, str], word: str) -> None:
    """Every documented rule is an ``InvalidParameterValue`` that names it."""
    answer = call(fake, "Orders", "ListOrders", {**MARKET, **params})
    assert (answer.status, first(answer.body, "Code")) == (400, "InvalidParameterValue")
    assert word in answer.body.decode()


def test_list_orders_needs_a_marketplace(fake: FakeMws) -> None:
    """``MarketplaceId.Id.1`` is required."""
    assert first(call(fake, "Orders", "ListOrders", SINCE).body, "Code") == "MissingParameter"


def test_list_orders_filters(fake: FakeMws, clock: VirtualClock) -> None:
    """Status, channel, payment, Easy Ship status, buyer, the seller's own id and both windows."""
    base = make_order(make_order_id(1))
    rows = [
        base,
        attrs.evolve(make_order(make_order_id(2), status="Shipped"), fulfillment_channel="AFN"),
        attrs.evolve(make_order(make_order_id(3)), payment_method="COD", buyer_email="other@marketplace.example"),
        make_order(make_order_id(4), easy_ship_shipment_status="PickedUp", seller_order_id="SO-4"),
        make_order(make_order_id(5), updated_at=clock.now() - timedelta(seconds=119)),
    ]
    for row in rows:
        fake.add_order(row)
    created = {"CreatedAfter": "2021-11-01T00:00:00Z"}

    def numbers(**changes: str) -> list[int]:
        clock.jump(61)  # ListOrders has six, then one a minute
        answer = call(fake, "Orders", "ListOrders", {**MARKET, **changes})
        assert answer.status == 200, answer.body
        return [int(order_id[-7:]) for order_id in found(answer.body, "AmazonOrderId")]

    early = {"LastUpdatedBefore": "2021-11-18T06:00:00Z"}
    assert numbers(**SINCE, **early) == [1, 2, 3, 4]
    assert numbers(**SINCE, **early, **{"OrderStatus.Status.1": "Shipped"}) == [2]
    both = {"OrderStatus.Status.1": "Unshipped", "OrderStatus.Status.2": "PartiallyShipped"}
    assert numbers(**SINCE, **early, **both) == [1, 3, 4]
    assert numbers(**SINCE, **early, **{"FulfillmentChannel.Channel.1": "AFN"}) == [2]
    assert numbers(**SINCE, **early, **{"PaymentMethod.Method.1": "COD"}) == [3]
    assert numbers(**SINCE, **early, **{"EasyShipShipmentStatus.Status.1": "PickedUp"}) == [4]
    assert numbers(**created, BuyerEmail="other@marketplace.example") == [3]
    assert numbers(**created, SellerOrderId="SO-4") == [4]
    assert numbers(**SINCE) == [1, 2, 3, 4, 5]


def test_orders_of_the_last_two_minutes_wait(fake: FakeMws, clock: VirtualClock) -> None:
    """Recorded answers end two minutes before the request, whatever was asked for."""
    fake.add_order(make_order(make_order_id(1), updated_at=clock.now() - timedelta(seconds=119)))
    wanted = {**MARKET, **SINCE, "LastUpdatedBefore": "2021-11-18T08:59:30Z"}
    early = call(fake, "Orders", "ListOrders", wanted)
    assert found(early.body, "AmazonOrderId") == []
    assert b"<Orders/>" in early.body
    assert first(early.body, "LastUpdatedBefore") == "2021-11-18T08:58:00.000Z"
    clock.jump(1)
    assert found(call(fake, "Orders", "ListOrders", {**MARKET, **SINCE}).body, "AmazonOrderId") == [make_order_id(1)]


def test_a_token_belongs_to_its_query_and_operation(fake: FakeMws) -> None:
    """It carries the filters on, and is corrupted for anything else."""
    for number in range(3):
        fake.add_order(make_order(make_order_id(number)))
    page = call(fake, "Orders", "ListOrders", {**MARKET, **SINCE, "MaxResultsPerPage": "2"})
    token = first(page.body, "NextToken")
    rest = call(fake, "Orders", "ListOrdersByNextToken", {"NextToken": token})
    assert found(rest.body, "AmazonOrderId") == [make_order_id(2)]
    assert found(rest.body, "NextToken") == []
    assert first(rest.body, "LastUpdatedBefore") == first(page.body, "LastUpdatedBefore")
    for action, value in (
        ("ListOrdersByNextToken", token[:-8] + "AAAAAAA="),
        ("ListOrdersByNextToken", "none"),
        ("ListOrderItemsByNextToken", token),
    ):
        answer = call(fake, "Orders", action, {"NextToken": value})
        assert first(answer.body, "Code") == "NextTokenCorrupted"


def test_a_pending_order_shows_no_buyer_and_no_prices(fake: FakeMws) -> None:
    """Pages "Order" and "OrderItem"."""
    item = make_item()
    fake.add_order(make_order(make_order_id(1), items=[item], status="Pending"), [item])
    order = call(fake, "Orders", "GetOrder", {"AmazonOrderId.Id.1": make_order_id(1)}).body
    for name in (b"BuyerName", b"BuyerEmail", b"ShippingAddress", b"OrderTotal"):
        assert name not in order
    items = call(fake, "Orders", "ListOrderItems", {"AmazonOrderId": make_order_id(1)}).body
    assert b"ItemPrice" not in items
    assert b"<QuantityOrdered>1<" in items


def test_get_order_takes_fifty_ids_in_3_7_7_format(fake: FakeMws) -> None:
    """51 ids, or one that is none, are refused."""
    many = {f"AmazonOrderId.Id.{number}": make_order_id(number) for number in range(1, 52)}
    for params in (many, {"AmazonOrderId.Id.1": "SO-1"}):
        assert first(call(fake, "Orders", "GetOrder", params).body, "Code") == "InvalidParameterValue"


def test_more_than_a_page_of_items_has_a_token(fake: FakeMws) -> None:
    """ListOrderItemsByNextToken gives the rest."""
    items = [make_item(f"SKU-{number}", order_item_id=f"{number:014d}") for number in range(130)]
    fake.add_order(make_order(make_order_id(1), items=items), items)
    page = call(fake, "Orders", "ListOrderItems", {"AmazonOrderId": make_order_id(1)})
    rest = call(fake, "Orders", "ListOrderItemsByNextToken", {"NextToken": first(page.body, "NextToken")})
    assert found(page.body, "SellerSKU") + found(rest.body, "SellerSKU") == [item.seller_sku for item in items]


# Feeds


def test_feeds_of_one_type_run_in_turn_and_types_side_by_side(fake: FakeMws, clock: VirtualClock) -> None:
    """Two inventory feeds take twice as long, an order feed beside them does not wait."""
    fake.add_sku("S")
    for quantity in (1, 2):
        submit(fake, inventory(("S", quantity)))
    submit(fake, b"sku\tprice\tquantity\nS\t\t9\n", PRICES)
    clock.jump(60)
    assert [feed.status for feed in fake.feeds] == ["_DONE_", "_IN_PROGRESS_", "_DONE_"]
    clock.jump(60)
    assert [feed.status for feed in fake.feeds] == ["_DONE_"] * 3
    assert fake.stock["S"] == 2
    assert [feed.ends_at - feed.submitted_at for feed in fake.feeds if feed.ends_at] == [
        timedelta(seconds=seconds) for seconds in (60, 120, 60)
    ]


def test_an_identical_update_is_warned_about(fake: FakeMws, clock: VirtualClock) -> None:
    """Code 5000 names the feed that brought it; another value is no repetition."""
    fake.add_sku("S")
    ids = [first(submit(fake, inventory(("S", quantity))).body, "FeedSubmissionId") for quantity in (1, 1, 2)]
    clock.jump(180)
    reports = [call(fake, "Feeds", "GetFeedSubmissionResult", {"FeedSubmissionId": one}).body for one in ids]
    assert [found(report, "ResultMessageCode") for report in reports] == [[], ["5000"], []]
    assert first(reports[1], "ResultCode") == "Warning"
    assert ids[0] in first(reports[1], "ResultDescription")


@pytest.mark.parametrize(
    "body",
    [
        b"no XML at all",
        b"<AmazonEnvelope><Header>",
        inventory(("S", 1)).replace(b"<MessageID>1<", b"<MessageID>x<"),
        inventory(("S", 1), ("S", 2)).replace(b"<MessageID>2<", b"<MessageID>1<"),
        inventory(("S", 1)).replace(b"<SKU>S</SKU><Quantity>1</Quantity>", b"<Quantity>1</Quantity><SKU>S</SKU>"),
        inventory(("S", 1)).replace(b"Inventory</MessageType", b"Price</MessageType"),
        inventory(),
        b'<!DOCTYPE a [<!ENTITY b "c">]>' + inventory(("S", 1)),
    ],
)
def test_a_feed_that_breaks_the_schema_is_refused_whole(fake: FakeMws, clock: VirtualClock, body: bytes) -> None:
    """One error row for message 0, and nothing of it is taken."""
    fake.add_sku("S", 7)
    feed_id = first(submit(fake, body).body, "FeedSubmissionId")
    clock.jump(60)
    report = call(fake, "Feeds", "GetFeedSubmissionResult", {"FeedSubmissionId": feed_id}).body
    assert found(report, "MessageID")[1:] == ["0"]
    assert first(report, "MessagesSuccessful") == "0"
    assert fake.stock == {"S": 7}


def test_cancel_without_ids_hits_everything_of_a_type(fake: FakeMws, clock: VirtualClock) -> None:
    """The documented hazard: a misspelled parameter is ignored; ``Count`` is what matched, not what was cancelled."""
    fake.add_sku("S")
    for quantity in (1, 2, 3):
        submit(fake, inventory(("S", quantity)))
    clock.jump(60)
    answer = call(fake, "Feeds", "CancelFeedSubmissions", {"FeedSubmissionId": "1"})
    assert first(answer.body, "Count") == "3"
    assert found(answer.body, "FeedProcessingStatus") == ["_CANCELLED_", "_IN_PROGRESS_", "_DONE_"]
    clock.jump(600)
    assert fake.stock["S"] == 2
    result = call(fake, "Feeds", "GetFeedSubmissionResult", {"FeedSubmissionId": fake.feeds[2].feed_id})
    assert first(result.body, "Code") == "FeedCanceled"


def test_feed_lists_are_newest_first_with_tokens_and_counts(fake: FakeMws, clock: VirtualClock) -> None:
    """``HasNext`` drives the pages; ids override every other filter; dates are whole seconds."""
    ids = []
    for number in range(12):
        clock.jump(120.4)
        ids.append(first(submit(fake, inventory(("S", number))).body, "FeedSubmissionId"))
    clock.jump(60)
    page = call(fake, "Feeds", "GetFeedSubmissionList")
    rest = call(fake, "Feeds", "GetFeedSubmissionListByNextToken", {"NextToken": first(page.body, "NextToken")})
    assert found(page.body, "FeedSubmissionId") + found(rest.body, "FeedSubmissionId") == ids[::-1]
    assert (first(page.body, "HasNext"), first(rest.body, "HasNext")) == ("true", "false")
    by_id = {"FeedSubmissionIdList.Id.1": ids[3], "FeedTypeList.Type.1": "_POST_PRODUCT_DATA_"}
    assert found(call(fake, "Feeds", "GetFeedSubmissionList", by_id).body, "FeedSubmissionId") == [ids[3]]
    second = fake.feeds[11].submitted_at.replace(microsecond=0)
    since = {"SubmittedFromDate": second.isoformat()}
    assert first(call(fake, "Feeds", "GetFeedSubmissionCount", since).body, "Count") == "1"
    since = {"SubmittedFromDate": (second + timedelta(milliseconds=300)).isoformat()}
    assert first(call(fake, "Feeds", "GetFeedSubmissionCount", since).body, "Count") == "0"
    missing = call(fake, "Feeds", "GetFeedSubmissionListByNextToken")
    assert (missing.status, first(missing.body, "Code")) == (400, "ValidationError")


@pytest.mark.parametrize(
    ("feed", "changes", "code"),
    [
        ("_POST_PRODUCT_DATA_", {}, "InvalidFeedType"),
        (PRICES, {"MarketplaceIdList.Id.1": "ATVPDKIKX0DER"}, "InvalidMarketplace"),
        (PRICES, {"PurgeAndReplace": "true"}, "InvalidParameterValue"),
    ],
)
def test_submit_feed_refuses(fake: FakeMws, feed: str, changes: dict[str, str], code: str) -> None:
    """An unknown type, a foreign marketplace, and what would empty the catalogue."""
    answer = submit(fake, b"sku\tquantity\nS\t1\n", feed, **changes)
    assert first(answer.body, "Code") == code
    assert fake.feeds == []


def envelope(kind: str, *contents: str) -> bytes:
    messages = "".join(
        f"<Message><MessageID>{number}</MessageID><{kind}>{content}</{kind}></Message>"
        for number, content in enumerate(contents, start=1)
    )
    return (
        "<AmazonEnvelope><Header><DocumentVersion>1.01</DocumentVersion><MerchantIdentifier>A1</MerchantIdentifier>"
        f"</Header><MessageType>{kind}</MessageType>{messages}</AmazonEnvelope>"
    ).encode()


def test_fulfillment_ships_and_acknowledgement_cancels(fake: FakeMws, clock: VirtualClock) -> None:
    """A part, the rest, too much, an unknown order; a failure cancels, a success names the seller's own id."""
    item = make_item("S", 3, order_item_id="1" * 14)
    for number in (1, 2, 3):
        fake.add_order(make_order(make_order_id(number), items=[item]), [item])

    def shipped(number: int, quantity: int) -> str:
        return (
            f"<AmazonOrderID>{make_order_id(number)}</AmazonOrderID><FulfillmentDate>2021-11-18T09:00:00Z"
            f"</FulfillmentDate><Item><AmazonOrderItemCode>{'1' * 14}</AmazonOrderItemCode>"
            f"<Quantity>{quantity}</Quantity></Item>"
        )

    rows = [shipped(1, 1), shipped(1, 2), shipped(2, 4), shipped(9, 1)]
    submit(fake, envelope("OrderFulfillment", *rows), "_POST_ORDER_FULFILLMENT_DATA_")
    no = f"<AmazonOrderID>{make_order_id(2)}</AmazonOrderID><StatusCode>Failure</StatusCode>"
    yes = (
        f"<AmazonOrderID>{make_order_id(3)}</AmazonOrderID><MerchantOrderID>SO-3</MerchantOrderID>"
        "<StatusCode>Success</StatusCode>"
    )
    submit(fake, envelope("OrderAcknowledgement", no, yes), "_POST_ORDER_ACKNOWLEDGEMENT_DATA_")
    clock.jump(60)
    report = call(fake, "Feeds", "GetFeedSubmissionResult", {"FeedSubmissionId": fake.feeds[0].feed_id}).body
    assert list(zip(found(report, "MessageID")[1:], found(report, "ResultMessageCode"), strict=True)) == [
        ("3", "18021"),
        ("4", "18028"),
    ]
    states = [fake.orders[make_order_id(number)].order for number in (1, 2, 3)]
    assert [order.order_status for order in states] == ["Shipped", "Canceled", "Unshipped"]
    assert (states[0].number_of_items_shipped, states[0].number_of_items_unshipped) == (3, 0)
    assert states[2].seller_order_id == "SO-3"
    assert states[0].last_update_date == clock.now()


def pickup_file(*rows: tuple[str, str]) -> bytes:
    head = "order_id\tpackage_weight (g)\tpackage_length\tpackage_width\tpackage_height\tschedule_pickup_date\n"
    return (head + "".join(f"{order_id}\t500\t30\t20\t10\t{day}\n" for order_id, day in rows)).encode()


@pytest.mark.parametrize(
    ("day", "code"), [("2021-11-19", ""), ("2021/11/19", ""), ("19.11.2021", "90014"), ("2021-11-17", "90015")]
)
def test_pickup_dates_are_checked(fake: FakeMws, clock: VirtualClock, day: str, code: str) -> None:
    """Both documented formats are taken; another one and a day in the past are refused."""
    fake.add_order(make_order(make_order_id(1)))
    submit(fake, pickup_file((make_order_id(1), day)), fake.pickup_feed_type)
    clock.jump(60)
    rows = (fake.feeds[0].report or b"").decode().splitlines()
    assert rows[1].endswith("\t1")
    assert [row.split("\t")[2] for row in rows if row.startswith("1\t")] == ([code] if code else [])
    assert len(fake.pickups) == (0 if code else 1)


def test_a_pickup_file_holds_five_hundred_orders(fake: FakeMws, clock: VirtualClock) -> None:
    """501 rows are refused as a whole."""
    rows = [(make_order_id(number), "2021-11-19") for number in range(501)]
    for order_id, _ in rows:
        fake.add_order(make_order(order_id))
    submit(fake, pickup_file(*rows), fake.pickup_feed_type)
    submit(fake, pickup_file(*rows[:500]), fake.pickup_feed_type)
    clock.jump(60)
    assert len(fake.pickups) == 0
    clock.jump(60)
    assert len(fake.pickups) == 500


# Quotas


def test_the_throttle_table_is_the_documented_one() -> None:
    """Burst, seconds per place and requests per hour, operation by operation."""
    table = {
        action: (limit.burst, limit.restore_seconds, limit.per_hour)
        for section in SECTIONS.values()
        for action, limit in section.operations.items()
    }
    assert table["SubmitFeed"] == (15, 120, 30)
    assert table["GetFeedSubmissionResult"] == (15, 60, 60)
    assert table["GetFeedSubmissionList"] == (10, 45, 80)
    assert table["ListOrders"] == table["ListOrdersByNextToken"] == (6, 60, None)
    assert table["ListOrderItems"] == (30, 2, None)
    assert table["GetServiceStatus"] == (2, 300, None)
    assert (
        SECTIONS["Orders"].operations["ListOrders"].group
        == SECTIONS["Orders"].operations["ListOrdersByNextToken"].group
    )


@settings(deadline=None)
@given(st.lists(st.integers(min_value=0, max_value=400_000), max_size=120))
def test_both_limits_hold_exactly_for_any_arrivals(gaps: list[int]) -> None:
    """A request passes if, and only if, every window behind it keeps 15 + t/120 and the hour keeps 30."""
    start = datetime.fromisoformat("2021-11-18T09:00:00Z")
    meter = Meter(Limit("g", 15, 120, 30), offset=timedelta(0))
    passed: list[int] = []
    elapsed = 0
    for gap in gaps:
        elapsed += gap
        now = start + timedelta(milliseconds=elapsed)
        # The meter forgives one millisecond.
        fits_hour = sum(at > elapsed - 3_600_000 + 1 for at in passed) < 30
        fits_bucket = all(
            (len(passed) - place + 1 - 15) * 120_000 <= elapsed - at + 1 for place, at in enumerate(passed)
        )
        assert (meter.left(now) != 0) == fits_hour
        assert (meter.free(now) > 0) == fits_bucket
        if fits_hour and fits_bucket:
            meter.spend(now)
            passed.append(elapsed)


def test_the_hours_place_comes_back_exactly_an_hour_later() -> None:
    """Not a moment earlier, up to the meter's millisecond."""
    meter = Meter(Limit("g", 60, 1, 1), offset=timedelta(0))
    now = datetime.fromisoformat("2021-11-18T09:00:00Z")
    meter.spend(now)
    lefts = [meter.left(now + timedelta(hours=1, milliseconds=early)) for early in (-2, -1, 0)]
    assert lefts == [0, 1, 1]


def test_a_fixed_hour_begins_anew_for_everybody_at_once() -> None:
    """The other reading of Amazon's hour: 30 places come back together, at the caller's own minute."""
    meter = Meter(Limit("g", 60, 1, 30), hour="fixed", offset=timedelta(minutes=12))
    now = datetime.fromisoformat("2021-11-18T09:50:00Z")
    for _ in range(30):
        meter.spend(now)
    assert meter.left(now) == 0
    assert meter.resets_at(now) == datetime.fromisoformat("2021-11-18T10:12:00Z")
    assert meter.left(datetime.fromisoformat("2021-11-18T10:12:01Z")) == 30


def test_orders_carry_no_quota_headers(fake: FakeMws) -> None:
    """Only Feeds and Reports do; every answer has an id, an instant and a date."""
    orders = dict(call(fake, "Orders", "GetServiceStatus").headers)
    feeds = dict(call(fake, "Feeds", "GetFeedSubmissionCount").headers)
    assert {"x-mws-request-id", "x-mws-timestamp", "Date"} <= orders.keys()
    assert "x-mws-quota-max" not in orders
    assert (feeds["x-mws-quota-max"], feeds["x-mws-quota-remaining"]) == ("80.0", "79.0")


# Faults


@pytest.mark.parametrize(
    ("fault", "status", "start"),
    [
        (MwsFault.THROTTLED, 503, b"<?xml"),
        (MwsFault.QUOTA_EXCEEDED, 503, b"<?xml"),
        (MwsFault.INTERNAL_ERROR, 500, b"<?xml"),
        (MwsFault.UNAVAILABLE, 503, b"<?xml"),
        (MwsFault.HTML_ERROR, 503, b"<html>"),
        (MwsFault.HTML_PAGE, 200, b"<html>"),
    ],
)
def test_faults_that_do_nothing_leave_no_feed(fake: FakeMws, fault: MwsFault, status: int, start: bytes) -> None:
    """The fault comes as often as it was ordered, for its operation only, and the quota is not touched."""
    fake.fail("SubmitFeed", fault, times=2)
    assert call(fake, "Orders", "GetServiceStatus").status == 200
    for _ in range(2):
        answer = submit(fake, inventory(("S", 1)))
        assert (answer.status, answer.body[:5]) == (status, start[:5])
        assert header(answer.headers, "Content-Length") == str(len(answer.body))
    good = submit(fake, inventory(("S", 1)))
    assert header(good.headers, "x-mws-quota-remaining") == "29.0"
    assert len(fake.feeds) == 1


@pytest.mark.parametrize("fault", [MwsFault.EMPTY, MwsFault.TRUNCATED, MwsFault.WRONG_MD5, MwsFault.SLOW])
def test_faults_on_the_way_back_leave_the_feed(fake: FakeMws, fault: MwsFault) -> None:
    """The work was done all the same."""
    fake.fail("SubmitFeed", fault)
    submit(fake, inventory(("S", 1)))
    assert len(fake.feeds) == 1


def test_a_fault_can_wait_for_one_feed_type(fake: FakeMws) -> None:
    """Other feeds pass."""
    fake.fail("SubmitFeed", MwsFault.INTERNAL_ERROR, feed_type=PRICES)
    assert submit(fake, inventory(("S", 1))).status == 200
    assert submit(fake, b"sku\tquantity\nS\t1\n", PRICES).status == 500


@pytest.mark.parametrize(
    ("fault", "seconds", "timeout", "waited", "is_answered"),
    [
        (MwsFault.SLOW, 45, None, 45, True),
        (MwsFault.SLOW, 45, 60, 45, True),
        (MwsFault.SLOW, 45, 30, 30, False),
        (MwsFault.NEVER_ANSWERED, 0, 30, 30, False),
    ],
)
async def test_slowness_takes_the_clocks_time_and_meets_the_clients_patience(
    fault: MwsFault, seconds: float, timeout: float | None, waited: float, is_answered: bool
) -> None:
    """Both the delay and the client's read timeout pass on the injected clock."""
    clock = VirtualClock()
    fake = FakeMws(clock=clock)
    began = clock.now()
    fake.fail("*", fault, seconds=seconds)
    url = f"{AE.mws_endpoint}/Orders/2013-09-01?AWSAccessKeyId=x&Action=GetOrder&Version=2013-09-01"
    async with httpx.AsyncClient(transport=fake, timeout=timeout) as http:
        if is_answered:
            assert (await http.get(url)).status_code == 400
        else:
            with pytest.raises(httpx.ReadTimeout):
                await http.get(url)
    assert clock.now() - began == timedelta(seconds=waited)


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("curl/8.0", ""),
        ("My App/1.0 (Language=Python/3.11; Platform=Linux)", ""),
        ("My\\/App/1\\(0 (Language=Python; Key\\=x=a\\)b\\;c)", ""),
        ("My App/1.0 (Language=Python", "UserAgentHeaderMalformed"),
        ("Mozilla/5.0 (X11; Linux x86_64)", "UserAgentHeaderMalformed"),
        ("My App/1.0 (Platform=Linux)", "UserAgentHeaderLanguageAttributeMissing"),
        ("My App/1.0 (Language=" + "x" * 500 + ")", "UserAgentHeaderMaximumLengthExceeded"),
    ],
)
def test_a_user_agent_that_begins_the_form_must_end_it(header: str, code: str) -> None:
    """A plain one passes, since the header is recommended only."""
    caught = ""
    try:
        check_user_agent(header)
    except Refused as refused:
        caught = refused.code
    assert caught == code


def test_the_log_holds_no_key_token_or_signature(fake: FakeMws) -> None:
    """Neither the log of requests nor its ``repr``."""
    submit(fake, inventory(("S", 1)))
    (seen,) = fake.requests
    assert set(seen.parameters) == {"SellerId", "FeedType", "ContentMD5Value"}
    assert fake.credentials.secret_key not in repr(seen)
    assert (fake.credentials.auth_token or "") not in repr(fake.requests)
