"""XML to plain values: local names, any order, nothing that one odd element could break."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given, settings, strategies as st
from mws_support import ORDER_ID, envelope, order

from amazon_ae._exceptions import UnreadableResponse
from amazon_ae._models.money import Money
from amazon_ae._models.orders import Order
from amazon_ae._models.responses import ResponseMeta
from amazon_ae._mws.order_values import _ADDRESS, _AUTHORITY, _ITEM, _ORDER, _REGISTRATION, read_order, read_order_item
from amazon_ae._mws.orders import read_item_page, read_order_page
from amazon_ae._mws.parsing import boolean, children, decimal, instant, integer, local_names, money, parse, text

META = ResponseMeta()


def orders_in(body: bytes) -> tuple[Order, ...]:
    _, node = parse(body)
    return read_order_page(node["ListOrdersResult"], META).items


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2021-11-18T09:00:00Z", datetime(2021, 11, 18, 9, tzinfo=UTC)),
        ("2021-11-18T09:00:00.5Z", datetime(2021, 11, 18, 9, 0, 0, 500_000, tzinfo=UTC)),
        ("2021-11-18T09:00:00.123456789Z", datetime(2021, 11, 18, 9, 0, 0, 123_456, tzinfo=UTC)),
        ("2021-11-18T13:00:00+04:00", datetime(2021, 11, 18, 9, tzinfo=UTC)),
        ("2021-11-18T09:00:00", datetime(2021, 11, 18, 9, tzinfo=UTC)),
        ("2017-02-25T18%3A10%3A21.687Z", datetime(2017, 2, 25, 18, 10, 21, 687_000, tzinfo=UTC)),
        ("Wed, 06 Mar 2013 19:07:58 GMT", datetime(2013, 3, 6, 19, 7, 58, tzinfo=UTC)),
        (" 2013-09-09T01:30:00.000-06:00 ", datetime(2013, 9, 9, 7, 30, tzinfo=UTC)),
    ],
)
def test_every_spelling_of_an_instant_becomes_aware_utc(written: str, meant: datetime) -> None:
    """ISO 8601 with and without zone and fraction, percent-encoded, RFC 1123."""
    read = instant(written)
    assert read is not None
    assert (read, read.tzinfo) == (meant, UTC)


@pytest.mark.parametrize(
    "written",
    [
        None,
        "",
        "20178-02-20T19:49:35Z",
        "2013-09-071T02:00:00Z",
        "soon",
        {},
        "0001-01-01T00:00:00+14:00",
        "Wed, 06 Mar 99999999999999999999 19:07:58 GMT",
        "Wed, 06 Mar 2013 19:07:58 +999999999999999999999",
        "Wed, 06 Mar 2013 19:07:99999999999999999999 GMT",
    ],
)
def test_what_is_no_instant_is_none(written: object) -> None:
    """Amazon's own examples hold impossible dates."""
    assert instant(written) is None


@given(
    st.lists(
        st.sampled_from(
            ["Wed, ", "06 ", "Mar ", "2013 ", "19:07:58", " GMT", "+0400", "T", "Z", "2021-11-18", ".5", "%3A"]
        )
        | st.integers(-(10**30), 10**30).map(str),
        max_size=8,
    )
)
def test_no_text_whatever_breaks_the_reading_of_an_instant(parts: list[str]) -> None:
    """A header of a proxy must not turn a feed that Amazon took into a foreign error."""
    found = instant("".join(parts))
    assert found is None or found.tzinfo is UTC


@given(st.datetimes(timezones=st.just(timezone(timedelta(hours=4)))))
def test_instants_survive_the_way_there_and_back(moment: datetime) -> None:
    """What isoformat writes is read back as the same instant in UTC."""
    try:
        expected = moment.astimezone(UTC)
    except OverflowError:
        expected = None
    assert instant(moment.isoformat()) == expected


def test_leaves_of_the_wrong_kind_are_none() -> None:
    """A number that is none, a truth that is none, money without an amount."""
    assert [decimal("1,5"), decimal("NaN"), decimal("Infinity"), decimal(None), integer("1.5"), integer("1e999")] == [
        None
    ] * 6
    assert [boolean("maybe"), boolean(None), money("5 AED"), money({"CurrencyCode": "AED"}), text({})] == [None] * 5
    assert (integer("2"), integer("2.0"), decimal("-0.10"), boolean("Yes"), boolean("FALSE")) == (
        2, 2, Decimal("-0.10"), True, False,
    )  # fmt: skip
    assert money({"Amount": "10.00", "CurrencyCode": "AED"}) == Money(Decimal("10.00"), "AED")
    price = money({"Amount": "10.00", "CurrencyCode": "AED"})
    assert price is not None
    assert str(price.amount) == "10.00"


def test_none_one_and_many_children_are_always_a_list() -> None:
    """The peers give a dict, a list or None."""
    _, none = parse(b"<a/>")
    _, one = parse(b"<a><b>1</b></a>")
    _, many = parse(b"<a><b>1</b><b>2</b></a>")
    assert [children(node, "b") for node in (none, one, many)] == [[], ["1"], ["1", "2"]]


def test_prefixes_namespaces_and_attributes_are_passed_over() -> None:
    """The same order in another namespace, behind a prefix, with attributes."""
    plain = envelope("ListOrders", f"<Orders>{order(ORDER_ID)}</Orders>")
    prefixed = (
        plain.replace(b"</", b"</x:").replace(b"<", b"<x:").replace(b"<x:/", b"</").replace(b"<x:?", b"<?")
        .replace(b' xmlns="', b' xmlns:x="urn:other" lang="ar" unused="')
    )  # fmt: skip
    assert b"<x:AmazonOrderId>" in prefixed
    assert orders_in(prefixed) == orders_in(plain)
    utf16 = plain.decode().replace('"1.0"', '"1.0" encoding="utf-16"').encode("utf-16")
    assert orders_in(utf16) == orders_in(plain)


def test_a_new_element_a_new_value_and_another_order_of_elements_are_read() -> None:
    """What Amazon adds tomorrow does not stop parcels today."""
    body = envelope(
        "ListOrders",
        "<Orders><Order><Novelty><Deep>1</Deep></Novelty><LatestShipDate>2021-11-19T20:00:00Z</LatestShipDate>"
        f"<OrderStatus>Teleported</OrderStatus><AmazonOrderId>{ORDER_ID}</AmazonOrderId></Order></Orders><Extra/>",
    )
    (found,) = orders_in(body)
    assert (found.order_status, found.amazon_order_id) == ("Teleported", ORDER_ID)
    assert found.latest_ship_date == datetime(2021, 11, 19, 20, tzinfo=UTC)
    assert (found.purchase_date, found.order_total, found.payment_method_details) == (None, None, ())


def test_text_stays_text() -> None:
    """Leading zeros, things that look like numbers or truths, Arabic, entities."""
    body = envelope(
        "ListOrders",
        f"<Orders>{order(ORDER_ID, '<SellerOrderId>007</SellerOrderId><PurchaseOrderNumber>1e5</PurchaseOrderNumber>')}"
        + order(
            "403-1234567-7654322", "<BuyerName>مريم &amp; Söhne &#x2F;</BuyerName><SellerOrderId>true</SellerOrderId>"
        )
        + "</Orders>",
    )
    first, second = orders_in(body)
    assert (first.seller_order_id, first.purchase_order_number) == ("007", "1e5")
    assert (second.buyer_name, second.seller_order_id) == ("مريم & Söhne /", "true")


def test_buyers_stay_out_of_the_repr() -> None:
    """Names, addresses, e-mails and tax ids are personal data."""
    private = (
        "<BuyerEmail>secret-mail</BuyerEmail><BuyerName>secret-name</BuyerName><ShippingAddress><Name>secret-n</Name>"
        "<AddressLine1>secret-l</AddressLine1><City>secret-c</City><Phone>secret-p</Phone></ShippingAddress>"
        "<BuyerTaxInfo><CompanyLegalName>secret-co</CompanyLegalName><TaxClassifications><TaxClassification>"
        "<Name>VAT</Name><Value>secret-v</Value></TaxClassification></TaxClassifications></BuyerTaxInfo>"
        "<BuyerIdentificationInformation><BuyerCitizenId>secret-id</BuyerCitizenId></BuyerIdentificationInformation>"
    )
    (found,) = orders_in(envelope("ListOrders", f"<Orders>{order(ORDER_ID, private)}</Orders>"))
    assert found.buyer_citizen_id == "secret-id"
    assert found.shipping_address is not None
    assert found.shipping_address.city == "secret-c"
    assert found.buyer_tax_info is not None
    for value in (found, found.shipping_address, found.buyer_tax_info, found.buyer_tax_info.tax_classifications[0]):
        assert "secret" not in repr(value)


def test_both_spellings_of_the_shipping_settings_are_read() -> None:
    """The reference prints them with a small first letter."""
    for spelled in ("AutomatedCarrier", "automatedCarrier"):
        _, node = parse(
            f"<Order><AmazonOrderId>{ORDER_ID}</AmazonOrderId><AutomatedShippingSettings><{spelled}>ATS</{spelled}>"
            "</AutomatedShippingSettings></Order>".encode()
        )
        settings = read_order(node).automated_shipping_settings
        assert settings is not None
        assert settings.automated_carrier == "ATS"


def test_an_item_divides_its_price_by_its_quantity() -> None:
    """ItemPrice is the line's total."""
    _, node = parse(
        b"<OrderItem><ASIN>B1</ASIN><OrderItemId>1</OrderItemId><QuantityOrdered>3</QuantityOrdered><ItemPrice>"
        b"<CurrencyCode>AED</CurrencyCode><Amount>30.00</Amount></ItemPrice><PromotionIds/></OrderItem>"
    )
    item = read_order_item(node)
    assert item.unit_price == Money(Decimal("10"), "AED")
    assert (item.quantity_ordered, item.promotion_ids, item.shipping_price) == (3, (), None)


@pytest.mark.parametrize(
    "content",
    ["<ASIN>B1</ASIN><QuantityOrdered>1</QuantityOrdered>", "<OrderItemId>1</OrderItemId>",
     "<OrderItemId>1</OrderItemId><QuantityOrdered>many</QuantityOrdered>"],
)  # fmt: skip
def test_an_item_that_nobody_could_pack_is_refused(content: str) -> None:
    """Without an id or a quantity a guess would pack the wrong parcel."""
    _, node = parse(f"<OrderItem>{content}</OrderItem>".encode())
    with pytest.raises(UnreadableResponse, match=r"OrderItemId|QuantityOrdered"):
        read_order_item(node)


def test_an_order_without_an_id_is_named_and_costs_no_other() -> None:
    """Nothing can be done with it; silence would lose it."""
    good = "<Order><AmazonOrderId>403-1111111-1111111</AmazonOrderId></Order>"
    for bad in ("<Order><OrderStatus>Unshipped</OrderStatus></Order>", "<Order/>"):
        _, node = parse(envelope("ListOrders", f"<Orders>{bad}{good}</Orders>"))
        page = read_order_page(node["ListOrdersResult"], META)
        assert [order.amazon_order_id for order in page.items] == ["403-1111111-1111111"]
        (unreadable,) = page.unreadable
        assert unreadable.order_id is None
        assert unreadable.digest


def test_empty_lists_are_empty() -> None:
    """``<Orders/>`` is what Amazon sends for none."""
    assert orders_in(envelope("ListOrders", "<Orders/>")) == ()
    _, node = parse(envelope("ListOrderItems", "<OrderItems/>"))
    assert read_item_page(node["ListOrderItemsResult"], META).items == ()


def test_names_are_found_at_any_depth() -> None:
    """For elements whose place Amazon does not publish."""
    _, node = parse(b"<a><b><R>1</R></b><c><d><R>2</R></d><d><R>3</R></d></c></a>")
    assert sorted(local_names(node, "R")) == ["1", "2", "3"]


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE a [<!ENTITY x "y"><!ENTITY z "&x;&x;&x;">]><a>&z;</a>',
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'.encode("utf-16"),
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        b"<a><b></a>",
        b"",
        b"plain",
        b"\xff\xfe\xff",
    ],
)
def test_entities_and_broken_xml_are_value_errors(body: bytes) -> None:
    """Nothing expands, nothing is fetched, no foreign exception leaks."""
    with pytest.raises(ValueError, match=r"entit|XML"):
        parse(body)


@given(st.binary(max_size=200))
def test_any_bytes_are_xml_or_a_value_error(body: bytes) -> None:
    """No input raises anything else."""
    with contextlib.suppress(ValueError):
        parse(body)


_NAMES = sorted(
    {
        name
        for table in (_ORDER, _ITEM, _ADDRESS, _REGISTRATION, _AUTHORITY)
        for name in table
    }
    | {"Amount", "CurrencyCode", "PaymentExecutionDetailItem", "Payment", "TaxClassifications", "TaxClassification"}
    | {"member", "taxRegistrationAuthority", "BuyerIdentificationInformation", "PaymentMethodDetail", "PromotionId"}
)  # fmt: skip
_LEAVES = st.sampled_from(
    ["", "x", "true", "1", "1e400", "-1", "2021-11-18T09:00:00Z", "20178-02-20T19:49:35Z", "9" * 400]
)
_ODD = st.recursive(
    _LEAVES,
    lambda inner: st.lists(st.tuples(st.sampled_from(_NAMES), inner), max_size=6).map(
        lambda pairs: "".join(f"<{name}>{content}</{name}>" for name, content in pairs)
    ),
    max_leaves=25,
)


@settings(max_examples=300)
@given(_ODD)
def test_no_shape_of_an_order_or_an_item_breaks_the_reader(content: str) -> None:
    """Known elements anywhere, repeated, nested, empty, with any text: a value, or no order at all."""
    for read in (read_order, read_order_item):
        _, node = parse(f"<Row>{content}<AmazonOrderId>1</AmazonOrderId><OrderItemId>1</OrderItemId></Row>".encode())
        with contextlib.suppress(UnreadableResponse):
            value = read(node)
            assert repr(value)


def test_deep_nesting_costs_no_stack() -> None:
    """100,000 levels, and the interpreter stands."""
    depth = 100_000
    root, node = parse(b"<a>" * depth + b"</a>" * depth)
    assert root == "a"
    assert local_names(node, "nothing") == []
