"""XML feed documents: what is written, what is refused, and how it streams."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings, strategies as st
from loop_support import heartbeat

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.feeds import InventoryUpdate
from amazon_ae._models.text import invisible_edge
from amazon_ae._mws.feed_bodies import (
    CANCEL_REASONS,
    CARRIER_CODES,
    AcknowledgedItem,
    EasyShipDocumentRequest,
    FeedWriter,
    FulfilledItem,
    OrderAcknowledgement,
    OrderFulfillment,
    easy_ship_document_feed,
    inventory_feed,
    join_feed,
    order_acknowledgement_feed,
    order_fulfillment_feed,
)
from amazon_ae._mws.feeds import gather_feed

SELLER = "A1EXAMPLESELLR"
ORDER = "171-1234567-1234567"
CODE = "12345678901234"
ILLEGAL = "\x00\x08\x0b\x0c\x1f\ud800\udfff\ufffe\uffff"


def tree(chunks: Iterator[bytes]) -> ElementTree.Element:
    """The feed as a parser sees it."""
    return ElementTree.fromstring(join_feed(chunks))


def shape(element: ElementTree.Element) -> Any:
    """Names and texts, without the white space between elements."""
    return (element.tag, [shape(child) for child in element] or (element.text or "").strip())


# Inventory


def test_an_inventory_feed_holds_the_schemas_elements_in_its_order() -> None:
    """RestockDate stands before FulfillmentLatency; what is not given is left out."""
    feed = tree(
        inventory_feed(
            SELLER,
            [
                InventoryUpdate("A-1", 12),
                InventoryUpdate("A-2", 0, fulfillment_latency_days=2, restock_date=date(2021, 12, 1)),
            ],
        )
    )
    assert shape(feed) == (
        "AmazonEnvelope",
        [
            ("Header", [("DocumentVersion", "1.01"), ("MerchantIdentifier", SELLER)]),
            ("MessageType", "Inventory"),
            (
                "Message",
                [
                    ("MessageID", "1"),
                    ("OperationType", "Update"),
                    ("Inventory", [("SKU", "A-1"), ("Quantity", "12")]),
                ],
            ),
            (
                "Message",
                [
                    ("MessageID", "2"),
                    ("OperationType", "Update"),
                    (
                        "Inventory",
                        [
                            ("SKU", "A-2"),
                            ("Quantity", "0"),
                            ("RestockDate", "2021-12-01"),
                            ("FulfillmentLatency", "2"),
                        ],
                    ),
                ],
            ),
        ],
    )


@settings(deadline=None)  # the machine may be busy
@given(
    st.lists(
        st.text(
            st.characters(exclude_categories=["Cc", "Cs"], exclude_characters=f"{ILLEGAL}\u2028\u2029"),
            min_size=1,
            max_size=40,
        ).filter(lambda sku: not invisible_edge(sku)),
        min_size=1,
        max_size=5,
    ),
    st.text("ab&<>\"'\t\r\n", min_size=1, max_size=9),
)
def test_whatever_sku_there_can_be_arrives_unchanged(skus: list[str], seller: str) -> None:
    """Arabic, emoji, markup, quotes, blanks inside: what a parser reads is what was meant."""
    feed = tree(inventory_feed(seller, [InventoryUpdate(sku, number) for number, sku in enumerate(skus)]))
    assert [sku.text for sku in feed.iter("SKU")] == skus
    assert [quantity.text for quantity in feed.iter("Quantity")] == [str(number) for number in range(len(skus))]
    assert [number.text for number in feed.iter("MessageID")] == [str(number) for number in range(1, len(skus) + 1)]
    assert feed.findtext("Header/MerchantIdentifier") == seller


@pytest.mark.parametrize("character", ILLEGAL)
def test_what_xml_forbids_is_refused_by_name_before_it_gets_anywhere(character: str) -> None:
    """The SKU, the character and its place are in the message."""
    with pytest.raises(ConfigurationError, match=rf"SKU 'AB.*U\+{ord(character):04X} at position 3"):
        InventoryUpdate(f"AB{character}C", 1)


def test_the_document_refuses_on_its_own_what_a_model_let_pass() -> None:
    """A value made behind the model's back does not reach the wire either."""
    update = InventoryUpdate("GOOD", 1)
    object.__setattr__(update, "sku", "BA\x0bD")
    with pytest.raises(ConfigurationError, match=r"U\+000B"):
        join_feed(inventory_feed(SELLER, [InventoryUpdate("A", 1), update]))


def test_no_record_and_too_many_records_are_refused() -> None:
    """The envelope needs a message; a limit counts over chunks."""
    with pytest.raises(ConfigurationError, match="at least one message"):
        join_feed(inventory_feed(SELLER, []))
    updates = [InventoryUpdate(f"S{number}", 1) for number in range(1_201)]
    assert len(tree(inventory_feed(SELLER, updates, max_records=1_201)).findall("Message")) == 1_201
    with pytest.raises(ConfigurationError, match=r"more than 1,200 records"):
        join_feed(inventory_feed(SELLER, updates, max_records=1_200))


def test_a_feed_that_grows_beyond_the_limit_is_refused_while_it_grows() -> None:
    """Amazon's limit is 2 GiB; a smaller one shows it."""
    writer = FeedWriter(max_bytes=10)
    writer.write(b"0123456789")
    with pytest.raises(ConfigurationError, match="larger than 10 bytes"):
        writer.write(b"!")
    with pytest.raises(ConfigurationError, match="larger than"):
        join_feed(inventory_feed(SELLER, [InventoryUpdate("A", 1)]), max_bytes=100)


def _many(count: int) -> Iterator[InventoryUpdate]:
    return (InventoryUpdate(f"AE-SKU-{number:06d}", number % 100) for number in range(count))


def test_memory_holds_the_body_and_little_else() -> None:
    """50,000 messages out of a generator: the peak is the body plus less than half of it, not twice."""
    tracemalloc.start()
    try:
        body = join_feed(inventory_feed(SELLER, _many(50_000)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(body) > 7_000_000
    assert peak < 1.5 * len(body)


async def test_writing_a_large_feed_lets_others_run() -> None:
    """50,000 messages are written in slices of a few hundred."""
    updates = list(_many(50_000))
    async with heartbeat() as beats:
        body = await gather_feed(inventory_feed(SELLER, updates))
    assert body.count(b"<Message>") == 50_000
    assert beats.count > 90


# Orders


def test_a_ship_confirmation_holds_what_it_was_given() -> None:
    """Instants in UTC, texts escaped, both kinds of item codes."""
    when = datetime(2021, 11, 18, 13, 0, 30, 999, tzinfo=timezone(timedelta(hours=4)))
    feed = tree(
        order_fulfillment_feed(
            SELLER,
            [
                OrderFulfillment(
                    amazon_order_id=ORDER,
                    merchant_fulfillment_id="77",
                    fulfilled_at=when,
                    carrier_code="Other",
                    carrier_name="شركة <النقل> & Co",
                    shipping_method="Standard",
                    tracking_number="1&2",
                    cash_on_delivery=True,
                    items=(
                        FulfilledItem(amazon_order_item_code=CODE, quantity=2, transparency_codes=("AZ:1", "AZ:2")),
                        FulfilledItem(merchant_order_item_id="line-2", merchant_fulfillment_item_id="8"),
                    ),
                ),
                OrderFulfillment(merchant_order_id="SO-1", fulfilled_at=when),
            ],
        )
    )
    first, second = feed.findall("Message")
    assert shape(first) == (
        "Message",
        [
            ("MessageID", "1"),
            (
                "OrderFulfillment",
                [
                    ("AmazonOrderID", ORDER),
                    ("MerchantFulfillmentID", "77"),
                    ("FulfillmentDate", "2021-11-18T09:00:30Z"),
                    (
                        "FulfillmentData",
                        [
                            ("CarrierCode", "Other"),
                            ("CarrierName", "شركة <النقل> & Co"),
                            ("ShippingMethod", "Standard"),
                            ("ShipperTrackingNumber", "1&2"),
                        ],
                    ),
                    ("CODCollectionMethod", "DirectPayment"),
                    (
                        "Item",
                        [
                            ("AmazonOrderItemCode", CODE),
                            ("Quantity", "2"),
                            ("TransparencyCode", "AZ:1"),
                            ("TransparencyCode", "AZ:2"),
                        ],
                    ),
                    ("Item", [("MerchantOrderItemID", "line-2"), ("MerchantFulfillmentItemID", "8")]),
                ],
            ),
        ],
    )
    assert shape(second)[1][1] == (
        "OrderFulfillment",
        [("MerchantOrderID", "SO-1"), ("FulfillmentDate", "2021-11-18T09:00:30Z")],
    )


NOW = datetime(2021, 11, 18, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: OrderFulfillment(fulfilled_at=NOW), "exactly one of AmazonOrderID"),
        (lambda: OrderFulfillment(amazon_order_id=ORDER, merchant_order_id="1", fulfilled_at=NOW), "exactly one"),
        (lambda: OrderFulfillment(amazon_order_id="1-2-3", fulfilled_at=NOW), "3-7-7"),
        (
            lambda: OrderFulfillment(amazon_order_id=ORDER, fulfilled_at=datetime(2021, 1, 1)),  # noqa: DTZ001
            "with a time zone",
        ),
        (lambda: OrderFulfillment(amazon_order_id=ORDER, fulfilled_at="2021-01-01"), "must be a datetime"),  # type: ignore[arg-type]
        (lambda: OrderFulfillment(amazon_order_id=7, fulfilled_at=NOW), "3-7-7"),  # type: ignore[arg-type]
        (
            lambda: OrderFulfillment(
                amazon_order_id=ORDER, fulfilled_at=NOW, carrier_code="DHL", carrier_name="Fast One"
            ),
            "CarrierName goes alone",
        ),
        (lambda: FulfilledItem(), "exactly one of AmazonOrderItemCode"),
        (lambda: FulfilledItem(amazon_order_item_code="123"), "14 digits"),
        (lambda: FulfilledItem(amazon_order_item_code=CODE, quantity=0), ">= 1"),
        (lambda: FulfilledItem(amazon_order_item_code=CODE, quantity=True), ">= 1"),
        (lambda: FulfilledItem(amazon_order_item_code=CODE, transparency_codes=("A",) * 11), "at most 10"),
        (lambda: AcknowledgedItem(amazon_order_item_code=CODE, cancel_reason="Bored"), "CancelReason is one of"),
        (lambda: OrderAcknowledgement(amazon_order_id=ORDER, status_code="Maybe"), "Success or Failure"),  # type: ignore[arg-type]
        (
            lambda: OrderAcknowledgement(
                amazon_order_id=ORDER,
                status_code="Success",
                items=(AcknowledgedItem(amazon_order_item_code=CODE, cancel_reason="NoInventory"),),
            ),
            "Failure only",
        ),
        (lambda: EasyShipDocumentRequest(ORDER, "Passport"), "DocumentType is one of"),
    ],
)
def test_rules_of_order_feeds_are_checked_when_the_value_is_made(make: Any, rule: str) -> None:
    """The error names the rule; nothing is written."""
    with pytest.raises(ConfigurationError, match=rule):
        make()


def test_an_illegal_character_in_an_order_feed_names_order_and_element() -> None:
    """A person can find it."""
    with pytest.raises(ConfigurationError, match=rf"ShipperTrackingNumber of order {ORDER} holds U\+001F at position"):
        OrderFulfillment(amazon_order_id=ORDER, fulfilled_at=NOW, carrier_code="UPS", tracking_number="12\x1f3")


@pytest.mark.parametrize("number", ["", " ", 1234567890])
def test_a_text_that_is_none_in_an_order_feed_is_named(number: Any) -> None:
    """A number out of a database, or an empty column: None leaves an element out, nothing else does."""
    with pytest.raises(ConfigurationError, match=rf"ShipperTrackingNumber of order {ORDER} must be a text and not"):
        OrderFulfillment(amazon_order_id=ORDER, fulfilled_at=NOW, carrier_code="UPS", tracking_number=number)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"carrier_code": "Fedex"}, "no CarrierCode of Amazon's"),
        ({"carrier_code": "Emirates Post"}, "carrier_name"),
        ({"carrier_code": "Other"}, "Other needs a carrier_name"),
        ({"tracking_number": "1"}, "a tracking number needs carrier_code or carrier_name"),
        ({"merchant_fulfillment_id": "F-1"}, "MerchantFulfillmentID is a number"),
        ({"merchant_fulfillment_id": "0"}, "MerchantFulfillmentID is a number"),
        ({"merchant_fulfillment_id": "1" * 21}, "1 to 20 digits"),
        ({"merchant_fulfillment_id": 77}, "MerchantFulfillmentID is a number"),
        ({"carrier_name": "x" * 51}, "CarrierName of order .* at most 50 characters, this one has 51"),
        ({"carrier_name": "A\tB"}, "tab"),
        ({"carrier_name": "A", "shipping_method": "x" * 51}, "ShippingMethod"),
        ({"carrier_name": "A", "tracking_number": "x" * 51}, "ShipperTrackingNumber"),
        ({"amazon_order_id": None, "merchant_order_id": "x" * 51}, "MerchantOrderID"),
    ],
)
def test_what_amazons_schema_refuses_is_refused_where_it_is_made(changes: dict[str, Any], rule: str) -> None:
    """By rule and name: one such value would cost its whole feed."""
    with pytest.raises(ConfigurationError, match=rule):
        OrderFulfillment(**{"amazon_order_id": ORDER, "fulfilled_at": NOW, **changes})


def test_item_ids_are_checked_too() -> None:
    """The ids of items are numbers, the seller's own a text of 50 characters."""
    with pytest.raises(ConfigurationError, match="MerchantFulfillmentItemID is a number"):
        FulfilledItem(amazon_order_item_code=CODE, merchant_fulfillment_item_id="A")
    with pytest.raises(ConfigurationError, match="MerchantOrderItemID"):
        FulfilledItem(merchant_order_item_id="x" * 51)
    with pytest.raises(ConfigurationError, match="MerchantOrderItemID"):
        AcknowledgedItem(merchant_order_item_id="x" * 51, amazon_order_item_code=CODE)
    with pytest.raises(ConfigurationError, match="MerchantOrderID"):
        OrderAcknowledgement(amazon_order_id=ORDER, status_code="Success", merchant_order_id="x" * 51)


@pytest.mark.parametrize("code", ["Aramex", "DHL", "FedEx", "UPS", "Amazon Shipping", "ATS"])
def test_amazons_carriers_are_known(code: str) -> None:
    """The codes that the reference names."""
    assert code in CARRIER_CODES
    OrderFulfillment(amazon_order_id=ORDER, fulfilled_at=NOW, carrier_code=code, tracking_number="1")


def test_an_acknowledgement_and_a_cancellation() -> None:
    """Success binds the seller's own id to the order; Failure cancels items for a reason."""
    feed = tree(
        order_acknowledgement_feed(
            SELLER,
            [
                OrderAcknowledgement(amazon_order_id=ORDER, status_code="Success", merchant_order_id="SO-1"),
                OrderAcknowledgement(
                    amazon_order_id=ORDER,
                    status_code="Failure",
                    items=(
                        AcknowledgedItem(
                            amazon_order_item_code=CODE,
                            merchant_order_item_id="1",
                            cancel_reason="NoInventory",
                            quantity=1,
                        ),
                    ),
                ),
            ],
        )
    )
    assert [shape(each[1])[1] for each in feed.findall("Message")] == [
        [("AmazonOrderID", ORDER), ("MerchantOrderID", "SO-1"), ("StatusCode", "Success")],
        [
            ("AmazonOrderID", ORDER),
            ("StatusCode", "Failure"),
            (
                "Item",
                [
                    ("AmazonOrderItemCode", CODE),
                    ("MerchantOrderItemID", "1"),
                    ("CancelReason", "NoInventory"),
                    ("Quantity", "1"),
                ],
            ),
        ],
    ]
    assert len(CANCEL_REASONS) == 14


def test_easy_ship_documents_are_one_message_each_and_count_over_chunks() -> None:
    """250 requests: MessageID 1 to 250."""
    feed = tree(easy_ship_document_feed(SELLER, [EasyShipDocumentRequest(ORDER, "Invoice")] * 250))
    assert [message.findtext("MessageID") for message in feed.findall("Message")] == [
        str(number) for number in range(1, 251)
    ]
    assert feed.find("Message/OperationType") is None


# Against the derived samples


def test_our_feeds_have_the_samples_shape(samples: Path) -> None:
    """Element by element, white space aside."""
    folder = samples / "derived"

    def sample(name: str) -> Any:
        return shape(ElementTree.parse(folder / name).getroot())

    assert shape(
        tree(
            inventory_feed(
                SELLER,
                [
                    InventoryUpdate("AE-SKU-0001", 12, fulfillment_latency_days=1),
                    InventoryUpdate("AE-SKU-0002", 0, restock_date=date(2021, 12, 1)),
                ],
            )
        )
    ) == sample("feed_inventory.xml")
    shipped = OrderFulfillment(
        amazon_order_id=ORDER,
        fulfilled_at=NOW,
        carrier_name="Aramex",
        shipping_method="Standard",
        tracking_number="1234567890",
        items=(FulfilledItem(amazon_order_item_code=CODE, quantity=1),),
    )
    assert shape(tree(order_fulfillment_feed(SELLER, [shipped]))) == sample("feed_order_fulfillment.xml")
    item = AcknowledgedItem(
        amazon_order_item_code=CODE, merchant_order_item_id="SO-1001-1", cancel_reason="NoInventory"
    )
    cancelled = OrderAcknowledgement(
        amazon_order_id=ORDER, status_code="Failure", merchant_order_id="SO-1001", items=(item,)
    )
    assert shape(tree(order_acknowledgement_feed(SELLER, [cancelled]))) == sample(
        "feed_order_acknowledgement_cancel.xml"
    )
    label = EasyShipDocumentRequest(ORDER, "ShippingLabel")
    assert shape(tree(easy_ship_document_feed(SELLER, [label]))) == sample("feed_easyship_document.xml")
