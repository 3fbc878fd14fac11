"""An order as Orders 2026-01-01 writes it, with what the application's roles let it see.

Sources: the model; "Access orders' personal information" (which role shows what; the rest is left out in silence);
the package statuses' words from the migration guide of Orders v0.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from amazon_ae._models.money import Money
from amazon_ae._models.orders import Address, Order, OrderItem
from amazon_ae.testing._seller import FakeOrder, FakePackage, SellerState
from amazon_ae.testing._spapi.wire import instant

__all__ = ["FULFILLMENT_STATUSES", "fulfilled_by", "fulfillment_status", "order_data"]

SHIPPING: Final = "Direct to Consumer Shipping (Restricted)"
_TAX: Final = ("Tax Invoicing (Restricted)", "Tax Remittance (Restricted)")
_IRREGULAR: Final = {"Canceled": "CANCELLED", "LabelCanceled": "LABEL_CANCELLED"}
FULFILLMENT_STATUSES: Final = frozenset(
    ("PENDING_AVAILABILITY", "PENDING", "UNSHIPPED", "PARTIALLY_SHIPPED", "SHIPPED", "CANCELLED", "UNFULFILLABLE")
)
# The coarse status beside each detailed one: the model has the six words, their pairing is UNVERIFIED.
_PACKAGE_STATUS: Final = {
    "PENDING_SCHEDULE": "PENDING",
    "PENDING_PICK_UP": "PENDING",
    "PENDING_DROP_OFF": "PENDING",
    "LABEL_CANCELLED": "CANCELLED",
    "DELIVERED": "DELIVERED",
    "REJECTED_BY_BUYER": "UNDELIVERABLE",
    "UNDELIVERABLE": "UNDELIVERABLE",
    "RETURNING_TO_SELLER": "UNDELIVERABLE",
    "RETURNED_TO_SELLER": "UNDELIVERABLE",
    "LOST": "UNDELIVERABLE",
    "DAMAGED": "UNDELIVERABLE",
}
_ACRONYM: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


def snake(word: str) -> str:
    """``PendingPickUp`` -> ``PENDING_PICK_UP``."""
    return _IRREGULAR.get(word) or _ACRONYM.sub("_", word).upper()


def fulfillment_status(order: Order) -> str:
    """The order's status in the words of 2026."""
    return snake(order.order_status)


def fulfilled_by(order: Order) -> str:
    """``MERCHANT`` or ``AMAZON``."""
    return "AMAZON" if order.fulfillment_channel == "AFN" else "MERCHANT"


def order_data(
    seller: SellerState,
    record: FakeOrder,
    included: Container[str],
    roles: Container[str],
    now: datetime,
    *,
    shows_unscheduled_package: bool,
) -> dict[str, Any]:
    """The order with the datasets that were asked for."""
    order = record.order
    data = _core(seller, record, now)
    data["orderItems"] = [_item(item, included) for item in record.items]
    sections = {
        "BUYER": ("buyer", _buyer(order, roles)),
        "RECIPIENT": ("recipient", _recipient(order, roles, now)),
        "PROCEEDS": ("proceeds", _total(order)),
        "FULFILLMENT": ("fulfillment", _fulfillment(order)),
        "PAYMENT": ("payment", _payment(order)),
        "PACKAGES": ("packages", _packages(seller, record, shows_unscheduled_package)),
    }
    if record.easy_ship:
        # Both are documented for Easy Ship orders only.
        sections["TAX"] = ("tax", {"taxInvoicing": {"invoiceStatus": "NOT_REQUIRED"}})
        sections["FULFILLMENT_ORDERS"] = (
            "fulfillmentOrders",
            [{"fulfillmentOrderId": f"U{order.amazon_order_id[-8:]}"}],
        )
    data.update({name: value for dataset, (name, value) in sections.items() if dataset in included and value})
    return data


def _core(seller: SellerState, record: FakeOrder, now: datetime) -> dict[str, Any]:
    order = record.order
    data: dict[str, Any] = {
        "orderId": order.amazon_order_id,
        "createdTime": instant(order.purchase_date or now),
        "lastUpdatedTime": instant(order.last_update_date or order.purchase_date or now),
        "programs": _programs(record),
        "salesChannel": {
            "channelName": "AMAZON",
            "marketplaceId": order.marketplace_id or seller.marketplace.marketplace_id,
            "marketplaceName": order.sales_channel or seller.marketplace.sales_channel,
        },
    }
    if order.seller_order_id not in (None, order.amazon_order_id):
        data["orderAliases"] = [{"aliasId": order.seller_order_id, "aliasType": "SELLER_ORDER_ID"}]
    return data


def _programs(record: FakeOrder) -> list[str]:
    order = record.order
    flags = {
        "AMAZON_EASY_SHIP": record.easy_ship and fulfilled_by(order) == "MERCHANT",
        "AMAZON_BUSINESS": order.is_business_order,
        "PRIME": order.is_prime,
        "PREMIUM": order.is_premium_order,
        "INVOICE_BY_AMAZON": order.is_iba,
    }
    return [name for name, is_set in flags.items() if is_set]


def _is_open_to(order: Order) -> bool:
    """Whether personal data is shown at all: merchant-fulfilled, from Unshipped to Shipped."""
    return fulfilled_by(order) == "MERCHANT" and order.order_status in ("Unshipped", "PartiallyShipped", "Shipped")


def _buyer(order: Order, roles: Container[str]) -> dict[str, Any]:
    if not _is_open_to(order):
        return {}
    may_ship = SHIPPING in roles
    sees_name = may_ship or any(role in roles for role in _TAX)
    return _present(
        buyerName=order.buyer_name if sees_name else None,
        buyerEmail=order.buyer_email if may_ship else None,
        buyerPurchaseOrderNumber=order.purchase_order_number,
    )


def _recipient(order: Order, roles: Container[str], now: datetime) -> dict[str, Any]:
    address = order.shipping_address
    if address is None or SHIPPING not in roles or not _is_open_to(order):
        return {}
    shows_phone = order.latest_delivery_date is None or now <= order.latest_delivery_date
    return {"deliveryAddress": _address(address, shows_phone=shows_phone)}


def _address(address: Address, *, shows_phone: bool) -> dict[str, Any]:
    return _present(
        name=address.name,
        addressLine1=address.address_line1,
        addressLine2=address.address_line2,
        addressLine3=address.address_line3,
        city=address.city,
        districtOrCounty=address.county or address.district,
        stateOrRegion=address.state_or_region,
        municipality=address.municipality,
        postalCode=address.postal_code,
        countryCode=address.country_code,
        phone=address.phone if shows_phone else None,
        addressType=address.address_type.upper() if address.address_type else None,
    )


def _total(order: Order) -> dict[str, Any]:
    return {"grandTotal": _money(order.order_total)} if order.order_total is not None else {}


def _fulfillment(order: Order) -> dict[str, Any]:
    level = order.shipment_service_level_category
    return _present(
        fulfillmentStatus=fulfillment_status(order),
        fulfilledBy=fulfilled_by(order),
        fulfillmentServiceLevel=snake(level) if level else None,
        shipByWindow=_window(order.earliest_ship_date, order.latest_ship_date),
        deliverByWindow=_window(order.earliest_delivery_date, order.latest_delivery_date),
    )


def _payment(order: Order) -> dict[str, Any]:
    methods = order.payment_method_details or ((order.payment_method,) if order.payment_method else ())
    return {"paymentExecutions": [{"paymentMethod": method} for method in methods]} if methods else {}


def _packages(seller: SellerState, record: FakeOrder, shows_unscheduled: bool) -> list[dict[str, Any]]:
    order = record.order
    package = seller.packages.get(order.amazon_order_id)
    status = order.easy_ship_shipment_status
    if status is None and record.easy_ship and shows_unscheduled and order.order_status in _OPEN:
        status = "PendingSchedule"
    if status is None:
        return []
    detailed = snake(status)
    row: dict[str, Any] = {
        "packageReferenceId": "1",
        "packageStatus": {"status": _PACKAGE_STATUS.get(detailed, "IN_TRANSIT"), "detailedStatus": detailed},
    }
    if package is not None:
        row.update(_shipped(record.items, package))
    return [row]


_OPEN: Final = ("Unshipped", "PartiallyShipped")


def _shipped(items: Sequence[OrderItem], package: FakePackage) -> dict[str, Any]:
    wanted = {item_id for item_id, _ in package.items}
    return {
        "carrier": "Easy Ship",
        "trackingNumber": package.tracking_id,
        "packageItems": [
            {"orderItemId": item.order_item_id, "quantity": item.quantity_ordered}
            for item in items
            if not wanted or item.order_item_id in wanted
        ],
    }


def _item(item: OrderItem, included: Container[str]) -> dict[str, Any]:
    data: dict[str, Any] = {
        "orderItemId": item.order_item_id,
        "quantityOrdered": item.quantity_ordered,
        "product": _product(item),
    }
    if item.is_transparency:
        data["programs"] = ["TRANSPARENCY"]
    promotions = [{"promotionId": text} for text in item.promotion_ids]
    sections = {
        "PROCEEDS": ("proceeds", _item_proceeds(item)),
        "FULFILLMENT": ("fulfillment", _item_fulfillment(item)),
        "CANCELLATION": ("cancellation", _cancellation(item)),
        "PROMOTION": ("promotion", {"breakdowns": promotions} if promotions else {}),
    }
    data.update({name: value for dataset, (name, value) in sections.items() if dataset in included and value})
    return data


def _item_fulfillment(item: OrderItem) -> dict[str, Any]:
    shipped = item.quantity_shipped or 0
    packing: dict[str, Any] = {}
    if item.serial_number_required:
        packing["serialNumberRequirement"] = {"requirementType": "REQUIRED"}
    if item.is_gift:
        packing["giftOption"] = _present(giftMessage=item.gift_message_text, giftWrapLevel=item.gift_wrap_level)
    return {
        "quantityFulfilled": shipped,
        "quantityUnfulfilled": max(0, item.quantity_ordered - shipped),
        **({"packing": packing} if packing else {}),
    }


def _cancellation(item: OrderItem) -> dict[str, Any]:
    asked = item.buyer_requested_cancel
    if asked is None or not asked.is_buyer_requested_cancel:
        return {}
    return {"cancellationRequest": _present(requester="BUYER", cancelReason=asked.buyer_cancel_reason)}


def _product(item: OrderItem) -> dict[str, Any]:
    unit_price = item.unit_price
    return _present(
        asin=item.asin,
        title=item.title,
        sellerSku=item.seller_sku,
        condition=_present(
            conditionType=snake(item.condition_id) if item.condition_id else None,
            conditionSubtype=snake(item.condition_subtype_id) if item.condition_subtype_id else None,
            conditionNote=item.condition_note,
        ),
        price={"unitPrice": _money(unit_price)} if unit_price is not None else None,
    )


def _item_proceeds(item: OrderItem) -> dict[str, Any]:
    if item.item_price is None:
        return {}
    rows = [
        ("ITEM", item.item_price),
        ("TAX", item.item_tax),
        ("SHIPPING", item.shipping_price),
        ("GIFT_WRAP", item.gift_wrap_price),
        ("COD_FEE", item.cod_fee),
    ]
    amounts = [money.amount for _, money in rows if money is not None]
    total = Money(sum(amounts, Decimal(0)), item.item_price.currency)
    return {
        "proceedsTotal": _money(total),
        "breakdowns": [{"type": kind, "subtotal": _money(money)} for kind, money in rows if money is not None],
    }


def _money(money: Money) -> dict[str, str]:
    return {"amount": str(money.amount), "currencyCode": money.currency}


def _window(earliest: datetime | None, latest: datetime | None) -> dict[str, str] | None:
    shown = _present(
        earliestDateTime=instant(earliest) if earliest else None, latestDateTime=instant(latest) if latest else None
    )
    return shown or None


def _present(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None and value != {}}
