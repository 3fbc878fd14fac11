"""Orders 2013-09-01 out of XML: tables derived from the classes, irregular names listed. Pure.

Source: MWS Orders API reference, "Datatypes"; legacy elements as in recordings and in Amazon's own Java client.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any, Final

from amazon_ae._exceptions import UnreadableResponse
from amazon_ae._models.orders import (
    Address,
    AutomatedShippingSettings,
    BuyerTaxInfo,
    Order,
    OrderItem,
    PaymentExecutionDetail,
    TaxClassification,
    TaxRegistration,
    UnreadableOrder,
)
from amazon_ae._models.text import ORDER_ID
from amazon_ae._mws.field_tables import list_of, structure, table_of
from amazon_ae._mws.parsing import (
    Fields,
    Node,
    children,
    fields,
    integer,
    required,
    text,
    values,
)

__all__ = ["read_broken_order", "read_order", "read_order_item", "unreadable_order", "unreadable_record"]


def _tax_registrations(node: Any) -> tuple[TaxRegistration, ...]:
    found = []
    for member in children(node, "member"):
        if isinstance(member, dict):
            authority = fields(member.get("taxRegistrationAuthority"), _AUTHORITY)
            found.append(TaxRegistration(**fields(member, _REGISTRATION), **authority))
    return tuple(found)


def _inner(name: str, read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A reader of the one element inside another."""
    return lambda node: read(node.get(name)) if isinstance(node, dict) else None


_REGISTRATION: Final[Fields] = {
    "taxRegistrationType": ("tax_registration_type", text),
    "taxRegistrationId": ("tax_registration_id", text),
}
_AUTHORITY: Final[Fields] = {
    name[0].lower() + name[1:]: row
    for name, row in table_of(TaxRegistration).items()
    if not row[0].startswith("tax_registration")
}
_ADDRESS: Final[Fields] = table_of(
    Address,
    names={"is_address_sharing_confidential": ("isAddressSharingConfidential", "IsAddressSharingConfidential")},
)
_SHIPPING_SETTINGS: Final[Fields] = {
    # The reference prints these names with a small first letter.
    spelled: row
    for name, row in table_of(AutomatedShippingSettings).items()
    for spelled in (name, name[0].lower() + name[1:])
}
# SubPaymentMethod is the element's name in answers of the version before.
_PAYMENT: Final[Fields] = table_of(
    PaymentExecutionDetail, names={"payment_method": ("PaymentMethod", "SubPaymentMethod")}
)
_address: Final = structure(Address, _ADDRESS)
_ORDER: Final[Fields] = table_of(
    Order,
    names={
        "is_iba": "IsIBA",
        "is_ispu": "IsISPU",
        "is_sold_by_ab": "IsSoldByAB",
        "shipped_by_amazon_tfm": "ShippedByAmazonTFM",
        "tfm_shipment_status": "TFMShipmentStatus",
    },
    readers={
        "shipping_address": _address,
        "default_ship_from_location_address": _address,
        "payment_execution_detail": list_of(
            "PaymentExecutionDetailItem",
            structure(
                lambda **found: PaymentExecutionDetail(**{"payment": None, "payment_method": None, **found}), _PAYMENT
            ),
        ),
        "payment_method_details": lambda node: values(node, "PaymentMethodDetail"),
        "buyer_tax_info": structure(
            BuyerTaxInfo,
            table_of(
                BuyerTaxInfo,
                readers={
                    "tax_classifications": list_of(
                        "TaxClassification",
                        structure(TaxClassification, table_of(TaxClassification)),
                    )
                },
            ),
        ),
        "automated_shipping_settings": structure(AutomatedShippingSettings, _SHIPPING_SETTINGS),
        "tax_registration_details": _tax_registrations,
    },
    # Inside BuyerIdentificationInformation; from other backends only.
    leave_out={"buyer_citizen_id", "buyer_legal_name", "items", "programs"},
)
_BUYER_IDENTIFICATION: Final[Fields] = {
    "BuyerCitizenId": ("buyer_citizen_id", text),
    "BuyerLegalName": ("buyer_legal_name", text),
}
_ITEM: Final[Fields] = table_of(
    OrderItem,
    names={
        "asin": "ASIN",
        "cod_fee": "CODFee",
        "cod_fee_discount": "CODFeeDiscount",
        "customized_url": "BuyerCustomizedInfo",
        "number_of_items": "ProductInfo",
        "seller_sku": "SellerSKU",
    },
    readers={
        "customized_url": _inner("CustomizedURL", text),
        "number_of_items": _inner("NumberOfItems", integer),
        "promotion_ids": lambda node: values(node, "PromotionId"),
    },
)


_DECISIVE: Final = ("AmazonOrderId", "OrderStatus", "FulfillmentChannel", "EasyShipShipmentStatus")


def read_order(node: Node) -> Order:
    """One ``<Order>``.

    Raises:
        UnreadableResponse: it has no AmazonOrderId of 3-7-7 digits.
    """
    if not isinstance(node, dict):
        raise UnreadableResponse("an order without content")
    found = fields(node, _ORDER)
    order_id = required(node, "AmazonOrderId", "an order")
    if not ORDER_ID.fullmatch(order_id):
        raise UnreadableResponse(f"an order whose AmazonOrderId is not 3-7-7 digits: {order_id[:40]!r}")
    buyer = node.get("BuyerIdentificationInformation")
    if buyer is not None:
        found |= fields(buyer, _BUYER_IDENTIFICATION)
    found.setdefault("purchase_date", None)
    found.setdefault("last_update_date", None)
    found.setdefault("order_status", "")
    return Order(**found)


def read_broken_order(record: str) -> Order:
    """The decisive fields of an ``<Order>`` whose XML is broken: id, status, channel and Easy Ship status.

    Raises:
        UnreadableResponse: id or status cannot be read.
    """
    leaves = dict(re.findall(r"<(?:[\w.-]+:)?(\w+)>\s*([^<>&]*?)\s*</", record))
    found = {_ORDER[name][0]: leaves[name] for name in _DECISIVE if leaves.get(name)}
    if not ORDER_ID.fullmatch(found.get("amazon_order_id", "")) or "order_status" not in found:
        raise UnreadableResponse("an order whose XML is not well-formed, without a readable id and status")
    return Order(purchase_date=None, last_update_date=None, **found)


def unreadable_record(record: str) -> UnreadableOrder:
    """The record of an ``<Order>`` whose XML is broken, with its id where that can be read."""
    found = re.search(rf"<(?:[\w.-]+:)?AmazonOrderId>\s*({ORDER_ID.pattern})\s*<", record)
    return UnreadableOrder(
        order_id=found[1] if found else None, reason="its XML is not well-formed", digest=_digest(record)
    )


def unreadable_order(node: Any, reason: str) -> UnreadableOrder:
    """The record of an ``<Order>`` that lacks a required element."""
    return UnreadableOrder(order_id=None, reason=reason, digest=_digest(repr(node)))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def read_order_item(node: Node) -> OrderItem:
    """One ``<OrderItem>``.

    Raises:
        UnreadableResponse: it has no OrderItemId, or no quantity that could be packed.
    """
    found = fields(node, _ITEM)
    required(node, "OrderItemId", "an order item")
    if found.get("quantity_ordered") is None:
        raise UnreadableResponse(f"order item {found['order_item_id']} without a QuantityOrdered that is a number")
    found.setdefault("asin", "")
    return OrderItem(**found)
