"""Orders 2026-01-01 in the library's words."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from amazon_ae import ConfigurationError, Money, Order, UnreadableResponse
from amazon_ae._models.responses import ResponseMeta
from amazon_ae._scheduling.eligibility import refusals
from amazon_ae._spapi.order_values import read_order, read_order_page
from amazon_ae._spapi.order_words import easy_ship_status, order_status, status_filter

ORDER: dict[str, Any] = {
    "orderId": "404-1234567-1234567",
    "orderAliases": [{"aliasType": "SELLER_ORDER_ID", "aliasId": "S-1"}],
    "createdTime": "2026-11-28T07:00:00Z",
    "lastUpdatedTime": "2026-11-28T11:05:00+04:00",
    "programs": ["AMAZON_EASY_SHIP"],
    "salesChannel": {"channelName": "AMAZON", "marketplaceId": "A2VIGQ35RCS4UG", "marketplaceName": "Amazon.ae"},
    "recipient": {"deliveryAddress": {"name": "N", "city": "Dubai", "districtOrCounty": "Deira", "countryCode": "AE"}},
    "proceeds": {"grandTotal": {"amount": "120.00", "currencyCode": "AED"}},
    "fulfillment": {
        "fulfillmentStatus": "UNSHIPPED",
        "fulfilledBy": "MERCHANT",
        "fulfillmentServiceLevel": "SECOND_DAY",
        "shipByWindow": {"earliestDateTime": "2026-11-28T08:00:00Z", "latestDateTime": "2026-11-29T19:59:59Z"},
    },
    "orderItems": [
        {
            "orderItemId": "12345678901234",
            "quantityOrdered": 2,
            "product": {
                "asin": "B000000000",
                "title": "T",
                "sellerSku": "SKU/1 a",
                "price": {"unitPrice": {"amount": "60.00", "currencyCode": "AED"}},
            },
            "fulfillment": {
                "quantityFulfilled": 0,
                "quantityUnfulfilled": 2,
                "packing": {"serialNumberRequirement": {"requirementType": "REQUIRED"}},
            },
        }
    ],
    "packages": [
        {"packageReferenceId": "1", "packageStatus": {"status": "PENDING", "detailedStatus": "PENDING_SCHEDULE"}}
    ],
}


def order(**changes: Any) -> Order:
    return read_order(ORDER | changes)


def test_an_order_carries_its_items_and_our_words() -> None:
    """No request per order; MWS's spelling."""
    found = order()
    assert (found.amazon_order_id, found.seller_order_id) == ("404-1234567-1234567", "S-1")
    assert (found.order_status, found.fulfillment_channel) == ("Unshipped", "MFN")
    assert (found.easy_ship_shipment_status, found.shipment_service_level_category) == ("PendingSchedule", "SecondDay")
    assert found.last_update_date == datetime(2026, 11, 28, 7, 5, tzinfo=UTC)
    assert found.order_total == Money(Decimal("120.00"), "AED")
    assert (found.number_of_items_shipped, found.number_of_items_unshipped) == (0, 2)
    assert found.shipping_address is not None
    assert (found.shipping_address.county, found.shipping_address.postal_code) == ("Deira", None)
    (item,) = found.items or ()
    assert (item.seller_sku, item.quantity_ordered, item.serial_number_required) == ("SKU/1 a", 2, True)
    assert item.item_price == Money(Decimal("120.00"), "AED")


def test_what_the_roles_do_not_show_is_none() -> None:
    """Amazon leaves it out without an error."""
    bare = {name: ORDER[name] for name in ("orderId", "createdTime", "lastUpdatedTime", "salesChannel", "orderItems")}
    found = read_order(bare)
    assert (found.buyer_email, found.buyer_name, found.shipping_address, found.programs) == (None,) * 4
    assert (found.is_prime, found.order_total, found.easy_ship_shipment_status) == (None, None, None)


def test_programs_say_what_an_order_takes_part_in() -> None:
    """The flags are known as soon as Amazon lists programs at all."""
    found = order(programs=["PRIME", "AMAZON_EASY_SHIP"])
    assert found.programs == ("PRIME", "AMAZON_EASY_SHIP")
    assert (found.is_prime, found.is_business_order) == (True, False)
    # ordersV0.json on IsISPU: picked up from a store. An Access Point is something else, and no program.
    shop = order(programs=["IN_STORE_PICK_UP"])
    assert (shop.is_ispu, found.is_ispu, shop.is_access_point_order) == (True, False, None)


def test_an_order_to_be_scheduled_is_not_refused() -> None:
    """A foreign word would make the rules take it for scheduled, or let a cancelled one through."""
    for changes, code in (
        ({}, None),
        ({"packages": []}, None),
        ({"packages": [package("LABEL_CANCELLED")]}, None),
        ({"packages": [package("PICKED_UP")]}, "AlreadyScheduled"),
        ({"fulfillment": ORDER["fulfillment"] | {"fulfillmentStatus": "CANCELLED"}}, "OrderCanceled"),
        ({"fulfillment": ORDER["fulfillment"] | {"fulfillmentStatus": "SHIPPED"}}, "AlreadyScheduled"),
        ({"fulfillment": ORDER["fulfillment"] | {"fulfilledBy": "AMAZON"}}, "NotEasyShip"),
    ):
        refused = refusals(["404-1234567-1234567"], [order(**changes)])
        assert [outcome.code for outcome in refused] == ([code] if code else []), changes


def package(word: str) -> dict[str, Any]:
    return {"packageReferenceId": "1", "packageStatus": {"status": "PENDING", "detailedStatus": word}}


def test_the_package_that_waits_for_its_pickup_decides() -> None:
    """One of several may have gone already."""
    both = [package("DELIVERED"), package("LABEL_CANCELLED"), package("PENDING_SCHEDULE")]
    assert order(packages=both).easy_ship_shipment_status == "PendingSchedule"
    assert order(packages=both[:2]).easy_ship_shipment_status == "Delivered"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("PENDING_SCHEDULE", "PendingSchedule"),
        ("PENDING_PICK_UP", "PendingPickUp"),
        ("PENDING_DROP_OFF", "PendingDropOff"),
        ("LABEL_CANCELLED", "LabelCanceled"),
        ("PICKED_UP", "PickedUp"),
        ("DROPPED_OFF", "DroppedOff"),
        ("AT_ORIGIN_FC", "AtOriginFC"),
        ("AT_DESTINATION_FC", "AtDestinationFC"),
        ("DELIVERED", "Delivered"),
        ("REJECTED_BY_BUYER", "RejectedByBuyer"),
        ("UNDELIVERABLE", "Undeliverable"),
        ("RETURNING_TO_SELLER", "ReturningToSeller"),
        ("RETURNED_TO_SELLER", "ReturnedToSeller"),
        ("LOST", "Lost"),
        ("OUT_FOR_DELIVERY", "OutForDelivery"),
        ("DAMAGED", "Damaged"),
        ("A_NEW_WORD", "ANewWord"),
    ],
)
def test_each_easy_ship_status_is_mws_word(theirs: str, ours: str) -> None:
    """A new one follows the same spelling."""
    assert easy_ship_status(theirs) == ours


def test_order_statuses_are_translated_both_ways() -> None:
    """What Amazon cannot look for is refused before it is sent."""
    ours = ("Pending", "Unshipped", "PartiallyShipped", "Shipped", "Canceled", "Unfulfillable", "PendingAvailability")
    assert tuple(order_status(word) for word in status_filter(ours)) == ours
    with pytest.raises(ConfigurationError, match="CANCELLED"):
        status_filter(("CANCELLED",))


def test_one_unreadable_order_does_not_cost_the_others() -> None:
    """It is named, by its id or by a digest."""
    broken = {"orderId": "404-0000000-0000001", "orderItems": [{"product": {}}]}
    body = {"orders": [ORDER, broken, {"nothing": 1}], "lastUpdatedBefore": "2026-11-28T08:58:00Z"}
    page = read_order_page(body | {"pagination": {"nextToken": "t+/="}}, ResponseMeta())
    assert [one.amazon_order_id for one in page.orders] == ["404-1234567-1234567"]
    assert [one.order_id for one in page.unreadable] == ["404-0000000-0000001", None]
    assert page.unreadable[1].digest
    assert page.complete_until == datetime(2026, 11, 28, 8, 58, tzinfo=UTC)
    assert page.position == "t+/="


@pytest.mark.parametrize("found", [{}, {"orderId": ""}, ORDER | {"orderItems": [{"orderItemId": "1"}]}])
def test_an_order_without_its_keys_cannot_be_read(found: dict[str, Any]) -> None:
    """Nothing could be packed after it."""
    with pytest.raises(UnreadableResponse):
        read_order(found)


def test_buyer_data_is_in_no_repr() -> None:
    """Nor are the items, which say what somebody bought."""
    found = order(buyer={"buyerName": "Hidden Name", "buyerEmail": "hidden@example.com"})
    assert "idden" not in repr(found)


def test_every_order_of_amazons_sandbox_is_read(spapi_material: Path) -> None:
    """With its total and every item's price."""
    pairs = json.loads((spapi_material / "sandbox_pairs.json").read_text())["pairs"]
    found: list[Order] = []
    for pair in pairs:
        if pair["api"] == "orders_2026-01-01" and pair["status"] == 200:
            page = read_order_page(pair["body"], ResponseMeta())
            assert not page.unreadable
            found += page.orders or [read_order(pair["body"]["order"])]
    assert len(found) >= 6
    for one in found:
        assert one.order_total is not None
        assert one.items
        assert all(item.item_price is not None and item.asin for item in one.items)
        assert one.order_status in ("Shipped", "Unshipped", "PartiallyShipped", "Pending")
