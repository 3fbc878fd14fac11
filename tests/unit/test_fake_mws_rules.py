"""``FakeMws``: the rules of each operation, and feeds in all their states."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest
from test_fake_mws import call, first, found, inventory, submit

from amazon_ae._models.marketplaces import AE
from amazon_ae.testing._builders import make_item, make_order, make_order_id
from amazon_ae.testing._clocks import VirtualClock
from amazon_ae.testing._mws import FakeMws

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
