"""What other people's text does to an answer: it is read all the same, or one record is named and the others come."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import given, strategies as st
from mws_support import NOW, ORDER_ID, Amazon, client_of, envelope

from amazon_ae import MwsClient, OutcomeUnknown, PackageDimensions, PackageWeight, UnreadableResponse
from amazon_ae._models.xml_repair import cleaned, split_records
from amazon_ae._mws.parsing import boolean, decimal, instant, integer, money, parse, text
from amazon_ae._transport.retries import RetryPolicy

IDS = [f"403-0000000-000000{n}" for n in range(5)]


def page(*names: str) -> bytes:
    """Five orders whose buyers have these names."""
    orders = "".join(
        f"<Order><AmazonOrderId>{order_id}</AmazonOrderId><BuyerName>{name}</BuyerName></Order>"
        for order_id, name in zip(IDS, names, strict=False)
    )
    return envelope("ListOrders", f"<Orders>{orders}</Orders>")


async def read(body: bytes) -> Any:
    return await anext(client_of(Amazon(body)).orders.list(created_after=NOW).pages())


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("A&#x1;B", "AB"),
        ("A&#11;B", "AB"),
        ("A\x01B", "AB"),
        ("A\ufffeB", "AB"),
        ("A&#xFFFF;B", "AB"),
        ("A&#9999999;B", "AB"),
        ("A & B", "A & B"),
        ("A&B;", "A&B;"),
        ("Caf&eacute;&nbsp;1", "Café\xa01"),
        ("&nosuch;", "&nosuch;"),
        ("<![CDATA[A & <b>\x02]]>", "A & <b>"),
        ("محل &#x1F600;", "محل 😀"),
    ],
)
async def test_one_bad_character_costs_no_order(written: str, name: str) -> None:
    """Five of five are read, the one text without what XML forbids."""
    found = await read(page("a", "b", written, "d", "e"))
    assert [order.buyer_name for order in found.orders] == ["a", "b", name, "d", "e"]
    assert found.unreadable == ()


@pytest.mark.parametrize("before", [b"\n", b"\r\n  ", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n", b"\t\xef\xbb\xbf"])
async def test_what_stands_before_the_declaration_is_passed_over(before: bytes) -> None:
    """A line end or a byte order mark."""
    assert len((await read(before + b'<?xml version="1.0" encoding="UTF-8"?>' + page("a", "b"))).orders) == 2


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [("cp1252", "utf-8"), ("latin-1", "UTF-8"), ("utf-8", "klingon"), ("utf-8", "us-ascii"), ("cp1252", "ISO-8859-1")],
)
async def test_a_wrong_encoding_is_read_by_the_ladder(encoding: str, declared: str) -> None:
    """It says one encoding and is another."""
    body = f'<?xml version="1.0" encoding="{declared}"?>{page("Café").decode()}'.encode(encoding)
    assert (await read(body)).orders[0].buyer_name == "Café"


def test_one_stray_byte_does_not_spoil_the_arabic_around_it() -> None:
    """The rest of the page stays UTF-8."""
    body = page("محل دبي", "@@", "d").replace(b"@@", b"Caf\xe9 \x81")
    assert [found["BuyerName"] for found in parse(body)[1]["ListOrdersResult"]["Orders"]["Order"]] == [
        "محل دبي",
        "Café \x81",
        "d",
    ]


@pytest.mark.parametrize(
    "order_id", ["S02-1234567-1234567", "../../x", "\u200b403-0000000-0000002", "4030000000", "x" * 500]
)
async def test_an_order_whose_id_is_none_is_named_and_the_others_come(order_id: str) -> None:
    """Nothing can be asked about it, so it must not reach those who ask."""
    body = page("a", "b", "c").replace(IDS[1].encode(), order_id.encode())
    found = await read(body)
    assert [order.amazon_order_id for order in found.orders] == [IDS[0], IDS[2]]
    (named,) = found.unreadable
    assert (named.order_id, bool(named.digest)) == (None, True)
    assert "3-7-7" in named.reason


PACKAGE = (
    "<ScheduledPackage><ScheduledPackageId><AmazonOrderId>{}</AmazonOrderId></ScheduledPackageId></ScheduledPackage>"
)
OTHERS = {
    "GetOrder": f"<Orders><Order><AmazonOrderId>{IDS[0]}</AmazonOrderId></Order></Orders>",
    "ListOrderItems": f"<AmazonOrderId>{IDS[0]}</AmazonOrderId><OrderItems/>",
    "GetScheduledPackage": PACKAGE.format(IDS[0]),
    "CreateScheduledPackage": PACKAGE.format(IDS[0]),
    "ListPickupSlots": f"<AmazonOrderId>{IDS[0]}</AmazonOrderId><PickupSlotList/>",
    "GetFeedSubmissionList": "<HasNext>false</HasNext><FeedSubmissionInfo><FeedSubmissionId>2</FeedSubmissionId>"
    "</FeedSubmissionInfo>",
}
ASKS: dict[str, Any] = {
    "GetOrder": lambda c: c.orders.get(ORDER_ID),
    "ListOrderItems": lambda c: c.orders.items(ORDER_ID),
    "GetScheduledPackage": lambda c: c.easy_ship.get_scheduled_package(ORDER_ID),
    "CreateScheduledPackage": lambda c: c.easy_ship.create_scheduled_package(ORDER_ID, "slot"),
    "ListPickupSlots": lambda c: c.easy_ship.list_pickup_slots(
        ORDER_ID,
        dimensions=PackageDimensions(Decimal(3), Decimal(2), Decimal(1)),
        weight=PackageWeight(Decimal(9)),
    ),
    "GetFeedSubmissionList": lambda c: c.feeds.list(feed_submission_ids=["1"]).all(),
}


@pytest.mark.parametrize("action", ASKS)
async def test_an_answer_about_another_one_is_no_answer(action: str) -> None:
    """Two answers that were mixed up: one order would be packed with the items of another."""
    amazon = Amazon(envelope(action, OTHERS[action]))
    client = client_of(amazon, retries=RetryPolicy(delays_seconds=(0.0,)))
    with pytest.raises((UnreadableResponse, OutcomeUnknown), match="another"):
        await ASKS[action](client)
    assert len(amazon.asked) == (1 if action.startswith("Create") else 2)


@pytest.mark.parametrize("broken", ["<b>", "</BuyerName>", "<BuyerName", "a < b", "<![CDATA[x", "</Order>"])
async def test_one_broken_order_is_named_and_the_others_come(broken: str) -> None:
    """Its structure is beyond repair: it is isolated by its id."""
    found = await read(page("a", "b", broken, "d", "e"))
    assert [order.amazon_order_id for order in found.orders] in ([*IDS[:2], *IDS[3:]], IDS[:2] + IDS[2:3] + IDS[3:])
    if len(found.orders) < 5:
        assert [each.order_id for each in found.unreadable] == [IDS[2]]


async def test_an_order_that_cannot_be_read_never_passes_for_an_unknown_one() -> None:
    """Left out of GetOrder, it would be refused: it comes with id and status, or the look-up raises."""
    body = page("<b>", "b").replace(b"ListOrders", b"GetOrder")
    with pytest.raises(UnreadableResponse, match="id and status"):
        await client_of(Amazon(body)).orders.get_many(IDS[:2])
    body = body.replace(b"<BuyerName>", b"<OrderStatus>Canceled</OrderStatus><BuyerName>")
    found = await client_of(Amazon(body)).orders.get_many(IDS[:2])
    assert {order.amazon_order_id: order.order_status for order in found} == dict.fromkeys(IDS[:2], "Canceled")


async def test_a_broken_item_costs_all_items_of_its_order() -> None:
    """An order is not packed without one of its items."""
    items = "<OrderItem><OrderItemId>1</OrderItemId><QuantityOrdered>1</QuantityOrdered></OrderItem><OrderItem><b>"
    client = client_of(Amazon(envelope("ListOrderItems", f"<OrderItems>{items}</OrderItem></OrderItems>")))
    with pytest.raises(UnreadableResponse):
        await client.orders.items(ORDER_ID)


async def test_two_orders_with_one_id_in_a_page_both_come() -> None:
    """Both are Amazon's word; the host keeps the newer."""
    orders = "".join(
        f"<Order><AmazonOrderId>{ORDER_ID}</AmazonOrderId><OrderStatus>{status}</OrderStatus></Order>"
        for status in ("Unshipped", "Canceled")
    )
    found = await read(envelope("ListOrders", f"<Orders>{orders}</Orders>"))
    assert [order.order_status for order in found.orders] == ["Unshipped", "Canceled"]


EMPTY = [
    b"<FooResponse/>",
    b"<FooResponse><FooResult/></FooResponse>",
    b"<{action}Response/>",
    b"<{action}Response><ResponseMetadata/></{action}Response>",
    b"<{action}Response><{action}Result/></{action}Response>",
    b"<{action}Response><{action}Result><Unheard/></{action}Result></{action}Response>",
]
READS = {
    "ListOrders": lambda c: c.orders.list(created_after=NOW).all(),
    "GetOrder": lambda c: c.orders.get(ORDER_ID),
    "ListOrderItems": lambda c: c.orders.items(ORDER_ID),
    "GetFeedSubmissionList": lambda c: c.feeds.list().all(),
    "GetFeedSubmissionCount": lambda c: c.feeds.count(),
    "GetReportList": lambda c: c.reports.list().all(),
    "GetReportRequestList": lambda c: c.reports.requests().all(),
    "ListMarketplaceParticipations": lambda c: c.sellers.participations(),
    "GetScheduledPackage": lambda c: c.easy_ship.get_scheduled_package(ORDER_ID),
    "GetServiceStatus": lambda c: c.orders.service_status(),
}


@pytest.mark.parametrize("action", READS)
@pytest.mark.parametrize("body", EMPTY)
async def test_an_answer_that_is_not_the_asked_one_is_no_empty_success(action: str, body: bytes) -> None:
    """Not "nothing was found" but "nothing was said": a read asks again, then raises."""
    amazon = Amazon(body.replace(b"{action}", action.encode()))
    client: MwsClient = client_of(amazon, retries=RetryPolicy(delays_seconds=(0.0,)))
    with pytest.raises(UnreadableResponse):
        await READS[action](client)
    assert len(amazon.asked) == 2


async def test_an_answer_of_another_operation_heals_at_the_next_try() -> None:
    """A mixed-up answer passes; the second one counts."""
    amazon = Amazon(b"<FooResponse/>", httpx.Response(200, content=envelope("GetOrder", "<Orders/>")))
    assert await client_of(amazon).orders.get(ORDER_ID) is None
    assert len(amazon.asked) == 2


def test_numbers_are_read_as_people_group_them() -> None:
    """Thousands by comma, point, blank or apostrophe; what could mean two things is none."""
    assert [integer(written) for written in ("1,045", "12,345,678", "1045", "2.0", ["7", "8"])] == [
        1045, 12345678, 1045, 2, 7,
    ]  # fmt: skip
    assert [decimal(written) for written in ("1,234.50", "1.234,50", "1 234,50", "-1'234.5", "١٢٫٥")] == [
        Decimal("1234.50"), Decimal("1234.50"), Decimal("1234.50"), Decimal("-1234.5"), None,
    ]  # fmt: skip
    assert [decimal(written) for written in ("12,34,567.00", "-1,00,000")] == [
        Decimal("1234567.00"),
        Decimal("-100000"),
    ]
    assert [decimal(written) for written in ("1,5", "1,23,4", "12,3456", "1.2.3", "AED 5", "")] == [None] * 6


def test_of_a_repeated_element_every_reader_takes_the_first() -> None:
    """Text, money, numbers, truths and instants alike."""
    assert text(["a", "b"]) == "a"
    first, second = {"Amount": "1,234.50", "CurrencyCode": "AED"}, {"Amount": "2", "CurrencyCode": "AED"}
    assert str(getattr(money([first, second]), "amount", None)) == "1234.50"
    assert (integer(["1", "2"]), boolean(["true", "false"])) == (1, True)
    # An empty one before it hides nothing.
    assert (text([None, "b"]), integer([None, "2"]), boolean([None, "true"])) == ("b", 2, True)
    assert str(getattr(money([None, first]), "amount", None)) == "1234.50"
    assert (text([None, None]), money([None])) == (None, None)
    assert instant(["2021-11-18T09:00:00Z", "x"]) == NOW


@given(st.text(max_size=60))
def test_whatever_a_buyer_types_the_page_is_read(typed: str) -> None:
    """As text without markup: every character that XML allows arrives."""
    written = typed.replace("<", "").replace("]]>", "").encode("utf-8", "replace").decode()
    _, content = parse(f"<a><b>x{written}</b></a>".encode())
    assert isinstance(content["b"], str)


@given(st.binary(max_size=80))
def test_cleaning_any_bytes_gives_text(body: bytes) -> None:
    """It never raises, and what it leaves XML allows."""
    head, records, tail = split_records(cleaned(body), "Order")
    assert not set(head + "".join(records) + tail) & set("\x00\x01\x0b\ufffe\uffff")
