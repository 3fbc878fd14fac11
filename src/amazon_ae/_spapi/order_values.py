"""Orders 2026-01-01 as the library's ``Order``. Pure.

Amazon leaves out, without an error, what the application's roles do not allow: such a field is ``None``.
Source: ``orders_2026-01-01.json``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Final

from amazon_ae._exceptions import UnreadableResponse
from amazon_ae._models.money import Money
from amazon_ae._models.orders import (
    Address,
    BuyerRequestedCancel,
    BuyerTaxInfo,
    Order,
    OrderItem,
    OrderPage,
    PaymentExecutionDetail,
    PointsGranted,
    TaxClassification,
    TaxCollection,
    UnreadableOrder,
)
from amazon_ae._models.responses import ResponseMeta
from amazon_ae._models.text import ORDER_ID
from amazon_ae._spapi.order_words import channel, easy_ship_status, order_status, service_category
from amazon_ae._spapi.values import Node, every, instant, integer, money, node, nodes, text, texts

__all__ = ["read_order", "read_order_item", "read_order_page"]

_CASH: Final = {"CashOnDelivery": "COD", "ConvenienceStore": "CVS"}
_ADDRESS: Final = {
    "name": "name",
    "addressLine1": "address_line1",
    "addressLine2": "address_line2",
    "addressLine3": "address_line3",
    "city": "city",
    "municipality": "municipality",
    "districtOrCounty": "county",
    "stateOrRegion": "state_or_region",
    "postalCode": "postal_code",
    "countryCode": "country_code",
    "phone": "phone",
}
# type and subtype of a line's proceeds -> our attribute
_BREAKDOWNS: Final = {
    ("ITEM", ""): "item_price",
    ("SHIPPING", ""): "shipping_price",
    ("GIFT_WRAP", ""): "gift_wrap_price",
    ("COD_FEE", ""): "cod_fee",
    ("TAX", "ITEM"): "item_tax",
    ("TAX", "SHIPPING"): "shipping_tax",
    ("TAX", "GIFT_WRAP"): "gift_wrap_tax",
    ("TAX", "DISCOUNT"): "promotion_discount_tax",
    ("DISCOUNT", "ITEM"): "promotion_discount",
    ("DISCOUNT", "SHIPPING"): "shipping_discount",
    ("DISCOUNT", "COD_FEE"): "cod_fee_discount",
}


def read_order_page(body: Any, meta: ResponseMeta, position: Callable[[str], str] = str) -> OrderPage:
    """The answer to searchOrders.

    Args:
        position: makes a page's position out of Amazon's token.
    """
    token = text(node(body, "pagination").get("nextToken"))
    orders, unreadable = [], []
    for found in node(body).get("orders") or ():
        try:
            orders.append(read_order(found))
        except UnreadableResponse as error:
            order_id = text(node(found).get("orderId")) or ""
            known = ORDER_ID.fullmatch(order_id) is not None
            digest = "" if known else hashlib.sha256(repr(found).encode("utf-8", "replace")).hexdigest()[:32]
            unreadable.append(UnreadableOrder(order_id=order_id if known else None, reason=str(error), digest=digest))
    return OrderPage(
        orders=tuple(orders),
        unreadable=tuple(unreadable),
        complete_until=instant(node(body).get("lastUpdatedBefore")) or instant(node(body).get("createdBefore")),
        position=position(token) if token else None,
        meta=meta,
    )


def read_order(found: Node) -> Order:
    """One order with its items.

    Raises:
        UnreadableResponse: it has no orderId of Amazon's form (3-7-7 digits), or one of its items cannot be read.
    """
    order_id = text(node(found).get("orderId"))
    if order_id is None:
        raise UnreadableResponse("an order without orderId")
    order_id = order_id.strip()
    if not ORDER_ID.fullmatch(order_id):
        raise UnreadableResponse(f"an order whose orderId is not 3-7-7 digits: {order_id[:40]!r}")
    fulfillment, sales_channel = node(found, "fulfillment"), node(found, "salesChannel")
    ship_by, deliver_by = node(fulfillment, "shipByWindow"), node(fulfillment, "deliverByWindow")
    items = None
    if found.get("orderItems") is not None:
        items = tuple(read_order_item(item) for item in every(found, "orderItems", "an order"))
    buyer, replaced = node(found, "buyer"), _associated(found, "REPLACEMENT_ORIGINAL_ID")
    return Order(
        amazon_order_id=order_id,
        seller_order_id=_alias(found),
        purchase_date=instant(found.get("createdTime")),
        last_update_date=instant(found.get("lastUpdatedTime")),
        order_status=order_status(text(fulfillment.get("fulfillmentStatus"))),
        fulfillment_channel=channel(text(fulfillment.get("fulfilledBy"))),
        sales_channel=text(sales_channel.get("marketplaceName")),
        marketplace_id=text(sales_channel.get("marketplaceId")),
        shipment_service_level_category=service_category(text(fulfillment.get("fulfillmentServiceLevel"))),
        shipping_address=_address(node(found, "recipient", "deliveryAddress")),
        default_ship_from_location_address=_ship_from(found),
        order_total=money(node(found, "proceeds").get("grandTotal")),
        number_of_items_shipped=_total(found, "quantityFulfilled"),
        number_of_items_unshipped=_total(found, "quantityUnfulfilled"),
        replaced_order_id=replaced,
        is_replacement_order=True if replaced else None,
        buyer_email=text(buyer.get("buyerEmail")),
        buyer_name=text(buyer.get("buyerName")),
        purchase_order_number=text(buyer.get("buyerPurchaseOrderNumber")),
        buyer_tax_info=_tax_info(found),
        easy_ship_shipment_status=_package_status(found),
        earliest_ship_date=instant(ship_by.get("earliestDateTime")),
        latest_ship_date=instant(ship_by.get("latestDateTime")),
        earliest_delivery_date=instant(deliver_by.get("earliestDateTime")),
        latest_delivery_date=instant(deliver_by.get("latestDateTime")),
        items=items,
        **_programs(found),
        **_payment(found),
    )


def read_order_item(found: Node) -> OrderItem:
    """One line of an order.

    Raises:
        UnreadableResponse: it has no orderItemId, or no quantity that could be packed.
    """
    item_id, quantity = text(found.get("orderItemId")), integer(found.get("quantityOrdered"))
    if item_id is None or quantity is None:
        raise UnreadableResponse(f"an order item without orderItemId or quantityOrdered (id {item_id!r})")
    product, fulfillment = node(found, "product"), node(found, "fulfillment")
    packing, shipping = node(fulfillment, "packing"), node(fulfillment, "shipping")
    condition, gift = node(product, "condition"), node(packing, "giftOption")
    window, serials = node(shipping, "scheduledDeliveryWindow"), node(packing, "serialNumberRequirement")
    amounts = _amounts(found)
    amounts.setdefault("item_price", _line_total(money(node(product, "price").get("unitPrice")), quantity))
    return OrderItem(
        asin=text(product.get("asin")) or "",
        order_item_id=item_id,
        quantity_ordered=quantity,
        quantity_shipped=integer(fulfillment.get("quantityFulfilled")),
        seller_sku=text(product.get("sellerSku")),
        title=text(product.get("title")),
        customized_url=text(node(product, "customization").get("customizedUrl")),
        buyer_requested_cancel=_cancellation(found),
        points_granted=_points(found),
        tax_collection=_tax_collection(found),
        promotion_ids=tuple(
            name for each in nodes(node(found, "promotion"), "breakdowns") if (name := text(each.get("promotionId")))
        ),
        is_gift=True if gift else None,
        gift_message_text=text(gift.get("giftMessage")),
        gift_wrap_level=text(gift.get("giftWrapLevel")),
        condition_note=text(condition.get("conditionNote")),
        condition_id=service_category(text(condition.get("conditionType"))),
        condition_subtype_id=service_category(text(condition.get("conditionSubtype"))),
        scheduled_delivery_start_date=instant(window.get("earliestDateTime")),
        scheduled_delivery_end_date=instant(window.get("latestDateTime")),
        price_designation=text(node(product, "price").get("priceDesignation")),
        is_transparency="TRANSPARENCY" in texts(found.get("programs")),
        serial_number_required=(text(serials.get("requirementType")) == "REQUIRED") if fulfillment else None,
        ioss_number=text(node(shipping, "internationalShipping").get("iossNumber")),
        **amounts,
    )


def _alias(found: Node) -> str | None:
    for alias in nodes(found, "orderAliases"):
        if alias.get("aliasType") == "SELLER_ORDER_ID":
            return text(alias.get("aliasId"))
    return None


def _associated(found: Node, kind: str) -> str | None:
    for other in nodes(found, "associatedOrders"):
        if other.get("associationType") == kind:
            return text(other.get("orderId"))
    return None


def _address(found: Node) -> Address | None:
    if not found:
        return None
    kind = text(found.get("addressType"))
    fields: dict[str, Any] = {ours: text(found.get(theirs)) for theirs, ours in _ADDRESS.items()}
    return Address(**fields, address_type=service_category(kind))


def _ship_from(found: Node) -> Address | None:
    for package in nodes(found, "packages"):
        if address := _address(node(package, "shipFromAddress")):
            return address
    return None


def _total(found: Node, name: str) -> int | None:
    counts = [integer(node(item, "fulfillment").get(name)) for item in nodes(found, "orderItems")]
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None


def _package_status(found: Node) -> str | None:
    """The status of the package whose pickup matters: one to be scheduled, else one that is under way."""
    words = [
        word
        for package in nodes(found, "packages")
        if (word := text(node(package, "packageStatus").get("detailedStatus"))) is not None
    ]
    if "PENDING_SCHEDULE" in words:
        return easy_ship_status("PENDING_SCHEDULE")
    valid = [word for word in words if word != "LABEL_CANCELLED"]
    return easy_ship_status(next(iter(valid or words), None))


def _programs(found: Node) -> dict[str, Any]:
    """Flags are ``None`` where Amazon names no programs at all."""
    if not isinstance(found.get("programs"), list):
        return {}
    programs = texts(found["programs"])
    return {
        "programs": programs,
        "is_prime": "PRIME" in programs,
        "is_business_order": "AMAZON_BUSINESS" in programs,
        "is_premium_order": "PREMIUM" in programs,
        "is_iba": "INVOICE_BY_AMAZON" in programs,
        "is_ispu": "IN_STORE_PICK_UP" in programs,
    }


def _payment(found: Node) -> dict[str, Any]:
    executions = nodes(node(found, "payment"), "paymentExecutions")
    methods = [(text(each.get("paymentMethod")), money(each.get("paymentAmount"))) for each in executions]
    named = [method for method, _ in methods if method]
    if not named:
        return {}
    return {
        "payment_method": next((_CASH[method] for method in named if method in _CASH), "Other"),
        "payment_method_details": tuple(named),
        "payment_execution_detail": tuple(
            PaymentExecutionDetail(amount, _CASH.get(method or "", method)) for method, amount in methods
        ),
    }


def _tax_info(found: Node) -> BuyerTaxInfo | None:
    buyers = [each for each in nodes(node(found, "tax"), "taxRegistrations") if each.get("entityType") == "BUYER"]
    company = text(node(found, "buyer").get("buyerCompanyName"))
    if not buyers and company is None:
        return None
    return BuyerTaxInfo(
        company_legal_name=next((name for each in buyers if (name := text(each.get("legalName")))), company),
        tax_classifications=tuple(
            TaxClassification(text(each.get("taxRegistrationType")), text(each.get("taxRegistrationNumber")))
            for each in buyers
        ),
    )


def _line_total(unit: Money | None, quantity: int) -> Money | None:
    return None if unit is None else Money(unit.amount * quantity, unit.currency)


def _amounts(found: Node) -> dict[str, Any]:
    amounts: dict[str, Any] = {}
    for breakdown in nodes(node(found, "proceeds"), "breakdowns"):
        kind = text(breakdown.get("type")) or ""
        parts: Sequence[tuple[str, Any]] = [("", breakdown.get("subtotal"))]
        parts = [
            *parts,
            *((text(d.get("subtype")) or "", d.get("value")) for d in nodes(breakdown, "detailedBreakdowns")),
        ]
        for subtype, value in parts:
            name, amount = _BREAKDOWNS.get((kind, subtype)), money(value)
            if name is not None and amount is not None:
                # MWS states a discount as a positive amount. Which sign the newer API uses is UNVERIFIED.
                amounts[name] = Money(abs(amount.amount), amount.currency) if kind == "DISCOUNT" else amount
    return amounts


def _cancellation(found: Node) -> BuyerRequestedCancel | None:
    request = node(found, "cancellation", "cancellationRequest")
    if not request:
        return None
    requester = text(request.get("requester"))
    return BuyerRequestedCancel(
        is_buyer_requested_cancel=None if requester is None else requester == "BUYER",
        buyer_cancel_reason=text(request.get("cancelReason")),
    )


def _points(found: Node) -> PointsGranted | None:
    points = node(found, "expense", "pointsCost", "pointsGranted")
    if not points:
        return None
    return PointsGranted(
        points_number=integer(points.get("pointsNumber")),
        points_monetary_value=money(points.get("pointsMonetaryValue")),
    )


def _tax_collection(found: Node) -> TaxCollection | None:
    for each in nodes(node(found, "tax"), "taxCollections"):
        return TaxCollection(
            model=service_category(text(each.get("model"))), responsible_party=text(each.get("responsibleParty"))
        )
    return None
