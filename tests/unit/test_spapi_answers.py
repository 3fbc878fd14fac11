"""Odd answers of the Selling Partner API: other people's text is read or named, a mixed-up one is asked for again."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import given, strategies as st

from amazon_ae import (
    AE,
    InventoryUpdate,
    OrderPage,
    OutcomeUnknown,
    PackageDimensions,
    PackageWeight,
    PickupSlot,
    RetryPolicy,
    SpApiClient,
    SpApiGateway,
    UnreadableResponse,
)
from amazon_ae._spapi.values import decimal, instant, integer, load, money
from amazon_ae.testing import FakeSpApi, VirtualClock

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)
ONE, OTHER = "404-1234567-1234567", "404-7654321-7654321"
BOX, WEIGHT = PackageDimensions(Decimal(30), Decimal(20), Decimal(10)), PackageWeight(Decimal(500))


class Far:
    """The other side: a token, then always the same answer."""

    def __init__(self, answer: bytes | httpx.Response) -> None:
        self.answer = answer
        self.asked = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/o2/token"):
            return httpx.Response(200, json={"access_token": "Atza|x", "token_type": "bearer", "expires_in": 3600})
        self.asked += 1
        if isinstance(self.answer, bytes):
            return httpx.Response(200, content=self.answer)
        return httpx.Response(self.answer.status_code, content=self.answer.content)


def client_of(far: Far) -> SpApiClient:
    clock = VirtualClock(NOW)
    return SpApiClient(
        FakeSpApi(clock=clock).credentials,
        AE,
        http=httpx.AsyncClient(transport=httpx.MockTransport(far)),
        clock=clock,
        random=lambda: 0.0,
        retries=RetryPolicy(delays_seconds=(0.0,)),
    )


def order(order_id: object = ONE, **more: Any) -> dict[str, Any]:
    """A small order with one item."""
    item = {"orderItemId": "1", "quantityOrdered": 2, "product": {"sellerSku": "S"}}
    return {
        "orderId": order_id,
        "lastUpdatedTime": "2026-11-28T08:00:00Z",
        "fulfillment": {"fulfillmentStatus": "UNSHIPPED", "fulfilledBy": "MERCHANT"},
        "orderItems": [item],
        **more,
    }


async def page_of(body: bytes) -> OrderPage:
    return await anext(client_of(Far(body)).orders.search(last_updated_after=NOW - timedelta(days=1)))


def page(*orders: object) -> bytes:
    return json.dumps({"orders": orders}).encode()


async def listed(pages: Any) -> list[Any]:
    return [each async for each in pages]


CALLS: dict[str, Callable[[SpApiClient], Awaitable[Any]]] = {
    "searchOrders": lambda c: listed(c.orders.search(last_updated_after=NOW - timedelta(days=1))),
    "getOrder": lambda c: c.orders.get(ONE),
    "getFeeds": lambda c: listed(c.feeds.list(["JSON_LISTINGS_FEED"])),
    "getFeed": lambda c: c.feeds.get("F1"),
    "getFeedDocument": lambda c: c.feeds.get_document("D1"),
    "getListingsItem": lambda c: c.listings.get("SKU-1"),
    "searchListingsItems": lambda c: c.listings.search(["SKU-1"]),
    "patchListingsItem": lambda c: c.listings.patch_stock(InventoryUpdate("SKU-1", 3)),
    "listHandoverSlots": lambda c: c.easy_ship.list_handover_slots(ONE, dimensions=BOX, weight=WEIGHT),
    "getScheduledPackage": lambda c: c.easy_ship.get_scheduled_package(ONE),
    "getMarketplaceParticipations": lambda c: c.sellers.participations(),
    "getReport": lambda c: c.reports.get("R1"),
    "createRestrictedDataToken": lambda c: c.easy_ship_bulk.schedule([ONE]),
}
WRITES: dict[str, Callable[[SpApiClient], Awaitable[Any]]] = {
    "createFeed": lambda c: c.feeds.create("JSON_LISTINGS_FEED", "D1"),
    "createScheduledPackage": lambda c: c.easy_ship.create_scheduled_package(ONE, PickupSlot(slot_id="S")),
    "updateScheduledPackages": lambda c: c.easy_ship.update_scheduled_packages({ONE: PickupSlot(slot_id="S")}),
}
NOT_ASKED = [b"", b"{}", b"null", b"[]", b'"x"', b"7", b'{"foo":1}', b'{"payload":{}}', b'{"errors":[]}', b'{"orders":']


@pytest.mark.parametrize("body", NOT_ASKED)
@pytest.mark.parametrize("name", CALLS)
async def test_an_answer_that_is_not_the_asked_one_is_asked_for_again(name: str, body: bytes) -> None:
    """Never an empty success: a second request, then an error that names the operation."""
    far = Far(body)
    with pytest.raises(UnreadableResponse, match=name) as caught:
        await CALLS[name](client_of(far))
    assert (far.asked, caught.value.retryable) == (2, True)


@pytest.mark.parametrize("body", NOT_ASKED)
@pytest.mark.parametrize("name", WRITES)
async def test_a_write_whose_answer_is_not_the_asked_one_is_a_doubt(name: str, body: bytes) -> None:
    """It may have arrived, and is not sent again."""
    far = Far(body)
    with pytest.raises(OutcomeUnknown, match=name):
        await WRITES[name](client_of(far))
    assert far.asked == 1


def package(order_id: str) -> dict[str, Any]:
    return {"scheduledPackageId": {"amazonOrderId": order_id, "packageId": "p"}, "packageTimeSlot": {"slotId": "S"}}


ANOTHERS: dict[str, object] = {
    "getOrder": {"order": order(OTHER)},
    "getFeed": {"feedId": "F2", "feedType": "JSON_LISTINGS_FEED", "processingStatus": "DONE"},
    "getFeedDocument": {"feedDocumentId": "D2", "url": "https://documents.example/x"},
    "getListingsItem": {"sku": "SKU-2"},
    "searchListingsItems": {"items": [{"sku": "SKU-1"}, {"sku": "SKU-2"}]},
    "patchListingsItem": {"sku": "SKU-2", "status": "ACCEPTED"},
    "listHandoverSlots": {"amazonOrderId": OTHER, "timeSlots": [{"slotId": "S"}]},
    "getScheduledPackage": package(OTHER),
    "getReport": {"reportId": "R2", "processingStatus": "DONE"},
    "createScheduledPackage": package(OTHER),
    "updateScheduledPackages": {"packages": [package(OTHER)]},
}


@pytest.mark.parametrize("name", ANOTHERS)
async def test_an_answer_about_another_one_is_no_answer(name: str) -> None:
    """Two were mixed up: another order's package would be called booked, another feed's status believed."""
    call = {**CALLS, **WRITES}[name]
    with pytest.raises((UnreadableResponse, OutcomeUnknown), match="another"):
        await call(client_of(Far(json.dumps(ANOTHERS[name]).encode())))


async def test_a_sku_may_come_back_in_another_spelling() -> None:
    """Whether Amazon keeps case and width is not published."""
    found = await client_of(Far(b'{"sku":"sku-1"}')).listings.get("SKU-1")
    assert found.sku == "sku-1"


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("getFeeds", {"feeds": [None]}),
        ("getFeeds", {"feeds": [{"feedId": "F1", "processingStatus": "DONE"}, {}]}),
        ("getFeeds", {"feeds": {}}),
        ("searchListingsItems", {"items": [None]}),
        ("listHandoverSlots", {"timeSlots": ["x"]}),
        ("getMarketplaceParticipations", {"payload": [{}]}),
    ],
)
async def test_a_list_is_read_whole_or_not_at_all(name: str, answer: object) -> None:
    """A feed that is left out would pass for one that never arrived, and be sent twice."""
    with pytest.raises(UnreadableResponse):
        await CALLS[name](client_of(Far(json.dumps(answer).encode())))


@pytest.mark.parametrize(
    "poison",
    [
        None,
        5,
        "x",
        {},
        order(4041234567),
        order(" "),
        order("S02-1234567-1234567"),
        order("../../etc"),
        order(OTHER, orderItems=[None]),
        order(OTHER, orderItems={}),
        order(OTHER, orderItems=[{"orderItemId": "1"}]),
        order(OTHER, orderItems=[{"quantityOrdered": 1}]),
    ],
)
async def test_one_order_that_cannot_be_read_is_named_and_the_others_come(poison: object) -> None:
    """By its id where it has one."""
    found = await page_of(page(order(ONE), poison, order("404-0000000-0000003")))
    assert [each.amazon_order_id for each in found.orders] == [ONE, "404-0000000-0000003"]
    (named,) = found.unreadable
    assert named.order_id == (OTHER if isinstance(poison, dict) and poison.get("orderId") == OTHER else None)
    assert bool(named.digest) == (named.order_id is None)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (rb"A\u0000B", "AB"),
        (rb"A\u001fB", "AB"),
        (b"A\x01B", "AB"),
        (b"A\nB", "A\nB"),
        (rb"A\ud800B", "AB"),
        (rb"A\uDC00B", "AB"),
        (rb"A\uffffB", "AB"),
        (b"caf\xe9", "café"),
        (b"caf\xe9 \xd8\xaf\xd8\xa8\xd9\x8a", "café دبي"),
        (b"A\x81B", "A\x81B"),
        (rb"A\xB", r"A\xB"),
        (rb"A\u12", r"A\u12"),
        (rb"\ud83d\ude00", "😀"),
        (rb"A\\nB", r"A\nB"),
    ],
)
async def test_one_bad_character_costs_no_order(written: bytes, name: str) -> None:
    """Two of two are read, the one text without what no database takes."""
    body = page(order(ONE), order(OTHER, buyer={"buyerName": "@@"})).replace(b"@@", written)
    found = await page_of(body)
    assert [each.buyer_name for each in found.orders] == [None, name]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252"])
@pytest.mark.parametrize(("before", "behind"), [("", ""), ("\r\n ", "\n"), ("", "\0")])
async def test_encodings_and_white_space_are_passed_over(encoding: str, before: str, behind: str) -> None:
    """Byte order marks, UTF-16, a line end before and a NUL behind."""
    written = json.dumps({"orders": [order(buyer={"buyerName": "Café"})]}, ensure_ascii=False)
    found = await page_of(f"{before}{written}{behind}".encode(encoding))
    assert [each.buyer_name for each in found.orders] == ["Café"]


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("1e999999", None),
        ("1e99999999999999999999", None),
        ("1e-99999999999", None),
        ("NaN", None),
        ("-Infinity", None),
        ("1" * 5000, None),
        ('"9e999999"', None),
        ('"1,234.50"', "1234.50"),
        ('"1.234,50"', "1234.50"),
        ('"1 234,50"', "1234.50"),
        ('"٧٫٥"', None),
        ('"٧"', "7"),
        ("12.50", "12.50"),
        ("true", None),
    ],
)
async def test_odd_numbers_cost_no_order(written: str, amount: str | None) -> None:
    """As a total, as a price that is multiplied, and as a quantity."""
    total = {"grandTotal": {"amount": "@@", "currencyCode": "AED"}}
    item = {"orderItemId": "1", "quantityOrdered": 2}
    price = {**item, "product": {"price": {"unitPrice": {"amount": "@@", "currencyCode": "AED"}}}}
    body = page(order(ONE, proceeds=total), order(OTHER, orderItems=[price]), order("404-0000000-0000003"))
    found = await page_of(body.replace(b'"@@"', written.encode()))
    assert len(found.orders) == 3
    first, second = found.orders[0].order_total, (found.orders[1].items or ())[0].item_price
    assert (first and str(first.amount)) == amount
    assert (second and second.amount) == (amount and 2 * Decimal(amount))
    counted = page(order(ONE, orderItems=[{**item, "quantityOrdered": "@@"}]), order(OTHER))
    found = await page_of(counted.replace(b'"@@"', written.encode()))
    assert OTHER in [each.amazon_order_id for each in found.orders]


def test_numbers_and_instants_are_read_as_others_write_them() -> None:
    """The same way on both backends."""
    whole: tuple[object, ...] = ("1,045", 2.0, "2.0", "2.5", True, None)
    assert [integer(written) for written in whole] == [
        1045,
        None,
        2,
        None,
        None,
        None,
    ]
    numbers: tuple[object, ...] = (Decimal("1.5"), "1,5", "x", [])
    assert [decimal(written) for written in numbers] == [Decimal("1.5"), None, None, None]
    assert str(getattr(money({"amount": "1,234.50", "currencyCode": "AED"}), "amount", None)) == "1234.50"
    eight = NOW - timedelta(hours=1)
    same = ["2026-11-28T12:00:00+04:00", "2026-11-28T08:00:00", " 2026-11-28T08:00:00Z ", "20261128T080000Z"]
    assert [instant(written) for written in [*same, "Sat, 28 Nov 2026 08:00:00 GMT"]] == [eight] * 5
    odd: list[object] = [
        "2026-11-28T08:00:00+99:00",
        "9999-12-31T23:59:59-14:00",
        "0001-01-01T00:00:00+14:00",
        "soon",
        1764316800,
    ]
    assert [instant(written) for written in odd] == [None] * 5


def test_of_a_repeated_name_the_first_value_that_is_not_empty_counts() -> None:
    """An empty list behind a full one hides nothing."""
    assert load(b'{"orders":[1],"orders":[],"a":1,"a":2}') == {"orders": [1], "a": 1}
    assert load(b'{"orders":[],"orders":[1]}') == {"orders": [1]}


@given(st.text(max_size=40))
def test_whatever_a_buyer_types_the_document_is_read(typed: str) -> None:
    """And holds nothing that a database refuses."""
    for written in (json.dumps({"a": typed}), json.dumps({"a": typed}, ensure_ascii=False)):
        found = load(written.encode("utf-8", "surrogatepass"))["a"]
        assert not any(character == "\0" or "\ud800" <= character <= "\udfff" for character in found)
        found.encode()


@given(st.binary(max_size=60))
def test_any_bytes_are_json_or_a_value_error(body: bytes) -> None:
    """Nothing else is raised."""
    with contextlib.suppress(ValueError):
        load(body)


async def test_a_token_of_amazons_own_that_is_refused_is_read_around() -> None:
    """The window is cut then; as a refusal of the request it would end a service."""

    class Pages(Far):
        async def __call__(self, request: httpx.Request) -> httpx.Response:
            if b"paginationToken" in request.url.query:
                return httpx.Response(400, json={"errors": [{"code": "InvalidInput", "message": "token"}]})
            return await super().__call__(request)

    body = json.dumps({"orders": [order()], "pagination": {"nextToken": "t"}}).encode()
    gateway = SpApiGateway(client_of(Pages(body)))
    with pytest.raises(UnreadableResponse, match="token of Amazon's own was refused: InvalidInput"):
        await listed(gateway.orders(updated_after=NOW - timedelta(days=1)))


@pytest.mark.parametrize("answer", [{"order": order(orderItems=None)}, {"order": {**order(), "orderItems": []}}])
async def test_an_order_of_no_items_is_never_called_one_without_any(answer: dict[str, Any]) -> None:
    """The look-up of items says so; an empty list is for ``OrderSync`` to refuse."""
    gateway = SpApiGateway(client_of(Far(json.dumps(answer).encode())))
    if answer["order"]["orderItems"] is None:
        with pytest.raises(UnreadableResponse, match="no items"):
            await gateway.items(ONE)
    else:
        assert await gateway.items(ONE) == ()
