"""Orders 2013-09-01 out of XML: the elements as data, one row each. Pure.

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
    BuyerRequestedCancel,
    BuyerTaxInfo,
    InvoiceData,
    Order,
    OrderItem,
    PaymentExecutionDetail,
    PointsGranted,
    TaxClassification,
    TaxCollection,
    TaxRegistration,
    UnreadableOrder,
)
from amazon_ae._models.text import ORDER_ID
from amazon_ae._mws.parsing import (
    Fields,
    Node,
    boolean,
    children,
    fields,
    instant,
    integer,
    money,
    required,
    text,
    values,
)

__all__ = ["read_broken_order", "read_order", "read_order_item", "unreadable_order", "unreadable_record"]


def _structure(kind: Callable[..., Any], table: Fields) -> Callable[[Any], Any]:
    """A reader of a nested element; ``None`` where it is empty."""

    def read(node: Any) -> Any:
        return kind(**fields(node, table)) if isinstance(node, dict) else None

    return read


def _payment_execution(node: Any) -> tuple[PaymentExecutionDetail, ...]:
    return tuple(
        # SubPaymentMethod is the element's name in answers of the version before.
        PaymentExecutionDetail(
            money(item.get("Payment")), text(item.get("PaymentMethod")) or text(item.get("SubPaymentMethod"))
        )
        for item in children(node, "PaymentExecutionDetailItem")
        if isinstance(item, dict)
    )


def _classifications(node: Any) -> tuple[TaxClassification, ...]:
    return tuple(
        TaxClassification(text(item.get("Name")), text(item.get("Value")))
        for item in children(node, "TaxClassification")
        if isinstance(item, dict)
    )


def _tax_registrations(node: Any) -> tuple[TaxRegistration, ...]:
    found = []
    for member in children(node, "member"):
        if isinstance(member, dict):
            authority = fields(member.get("taxRegistrationAuthority"), _AUTHORITY)
            found.append(TaxRegistration(**fields(member, _REGISTRATION), **authority))
    return tuple(found)


_REGISTRATION: Final[Fields] = {
    "taxRegistrationType": ("tax_registration_type", text),
    "taxRegistrationId": ("tax_registration_id", text),
}
_AUTHORITY: Final[Fields] = {
    "country": ("country", text),
    "state": ("state", text),
    "district": ("district", text),
    "province": ("province", text),
    "city": ("city", text),
    "warehouseId": ("warehouse_id", text),
}
_ADDRESS: Final[Fields] = {
    "Name": ("name", text),
    "AddressLine1": ("address_line1", text),
    "AddressLine2": ("address_line2", text),
    "AddressLine3": ("address_line3", text),
    "City": ("city", text),
    "Municipality": ("municipality", text),
    "County": ("county", text),
    "District": ("district", text),
    "StateOrRegion": ("state_or_region", text),
    "PostalCode": ("postal_code", text),
    "CountryCode": ("country_code", text),
    "Phone": ("phone", text),
    "AddressType": ("address_type", text),
    "isAddressSharingConfidential": ("is_address_sharing_confidential", boolean),
    "IsAddressSharingConfidential": ("is_address_sharing_confidential", boolean),
}
_SHIPPING_SETTINGS: Final[Fields] = {
    # The reference prints these names with a small first letter.
    spelled: row
    for name, row in {
        "HasAutomatedShippingSettings": ("has_automated_shipping_settings", boolean),
        "AutomatedCarrier": ("automated_carrier", text),
        "AutomatedShipMethod": ("automated_ship_method", text),
    }.items()
    for spelled in (name, name[0].lower() + name[1:])
}
_address: Final = _structure(Address, _ADDRESS)
_ORDER: Final[Fields] = {
    "AmazonOrderId": ("amazon_order_id", text),
    "SellerOrderId": ("seller_order_id", text),
    "PurchaseDate": ("purchase_date", instant),
    "LastUpdateDate": ("last_update_date", instant),
    "OrderStatus": ("order_status", text),
    "FulfillmentChannel": ("fulfillment_channel", text),
    "SalesChannel": ("sales_channel", text),
    "OrderChannel": ("order_channel", text),
    "ShipServiceLevel": ("ship_service_level", text),
    "ShippingAddress": ("shipping_address", _address),
    "DefaultShipFromLocationAddress": ("default_ship_from_location_address", _address),
    "OrderTotal": ("order_total", money),
    "NumberOfItemsShipped": ("number_of_items_shipped", integer),
    "NumberOfItemsUnshipped": ("number_of_items_unshipped", integer),
    "PaymentExecutionDetail": ("payment_execution_detail", _payment_execution),
    "PaymentMethod": ("payment_method", text),
    "PaymentMethodDetails": ("payment_method_details", lambda node: values(node, "PaymentMethodDetail")),
    "IsReplacementOrder": ("is_replacement_order", boolean),
    "ReplacedOrderId": ("replaced_order_id", text),
    "MarketplaceId": ("marketplace_id", text),
    "BuyerEmail": ("buyer_email", text),
    "BuyerName": ("buyer_name", text),
    "BuyerCounty": ("buyer_county", text),
    "BuyerTaxInfo": (
        "buyer_tax_info",
        _structure(
            BuyerTaxInfo,
            {
                "CompanyLegalName": ("company_legal_name", text),
                "TaxingRegion": ("taxing_region", text),
                "TaxClassifications": ("tax_classifications", _classifications),
            },
        ),
    ),
    "ShipmentServiceLevelCategory": ("shipment_service_level_category", text),
    "EasyShipShipmentStatus": ("easy_ship_shipment_status", text),
    "OrderType": ("order_type", text),
    "EarliestShipDate": ("earliest_ship_date", instant),
    "LatestShipDate": ("latest_ship_date", instant),
    "EarliestDeliveryDate": ("earliest_delivery_date", instant),
    "LatestDeliveryDate": ("latest_delivery_date", instant),
    "IsBusinessOrder": ("is_business_order", boolean),
    "IsSoldByAB": ("is_sold_by_ab", boolean),
    "IsIBA": ("is_iba", boolean),
    "IsAccessPointOrder": ("is_access_point_order", boolean),
    "PurchaseOrderNumber": ("purchase_order_number", text),
    "IsISPU": ("is_ispu", boolean),
    "IsPrime": ("is_prime", boolean),
    "IsPremiumOrder": ("is_premium_order", boolean),
    "IsGlobalExpressEnabled": ("is_global_express_enabled", boolean),
    "PromiseResponseDueDate": ("promise_response_due_date", instant),
    "IsEstimatedShipDateSet": ("is_estimated_ship_date_set", boolean),
    "AutomatedShippingSettings": (
        "automated_shipping_settings",
        _structure(AutomatedShippingSettings, _SHIPPING_SETTINGS),
    ),
    "ShippedByAmazonTFM": ("shipped_by_amazon_tfm", boolean),
    "TFMShipmentStatus": ("tfm_shipment_status", text),
    "CbaDisplayableShippingLabel": ("cba_displayable_shipping_label", text),
    "TaxRegistrationDetails": ("tax_registration_details", _tax_registrations),
}
_BUYER_IDENTIFICATION: Final[Fields] = {
    "BuyerCitizenId": ("buyer_citizen_id", text),
    "BuyerLegalName": ("buyer_legal_name", text),
}
_ITEM: Final[Fields] = {
    "ASIN": ("asin", text),
    "OrderItemId": ("order_item_id", text),
    "SellerSKU": ("seller_sku", text),
    "Title": ("title", text),
    "QuantityOrdered": ("quantity_ordered", integer),
    "QuantityShipped": ("quantity_shipped", integer),
    "BuyerCustomizedInfo": (
        "customized_url",
        lambda node: text(node.get("CustomizedURL")) if isinstance(node, dict) else None,
    ),
    "BuyerRequestedCancel": (
        "buyer_requested_cancel",
        _structure(
            BuyerRequestedCancel,
            {
                "IsBuyerRequestedCancel": ("is_buyer_requested_cancel", boolean),
                "BuyerCancelReason": ("buyer_cancel_reason", text),
            },
        ),
    ),
    "PointsGranted": (
        "points_granted",
        _structure(
            PointsGranted,
            {"PointsNumber": ("points_number", integer), "PointsMonetaryValue": ("points_monetary_value", money)},
        ),
    ),
    "ProductInfo": (
        "number_of_items",
        lambda node: integer(node.get("NumberOfItems")) if isinstance(node, dict) else None,
    ),
    "ItemPrice": ("item_price", money),
    "ShippingPrice": ("shipping_price", money),
    "GiftWrapPrice": ("gift_wrap_price", money),
    "ItemTax": ("item_tax", money),
    "ShippingTax": ("shipping_tax", money),
    "GiftWrapTax": ("gift_wrap_tax", money),
    "ShippingDiscount": ("shipping_discount", money),
    "ShippingDiscountTax": ("shipping_discount_tax", money),
    "PromotionDiscount": ("promotion_discount", money),
    "PromotionDiscountTax": ("promotion_discount_tax", money),
    "CODFee": ("cod_fee", money),
    "CODFeeDiscount": ("cod_fee_discount", money),
    "TaxCollection": (
        "tax_collection",
        _structure(TaxCollection, {"Model": ("model", text), "ResponsibleParty": ("responsible_party", text)}),
    ),
    "PromotionIds": ("promotion_ids", lambda node: values(node, "PromotionId")),
    "IsGift": ("is_gift", boolean),
    "GiftMessageText": ("gift_message_text", text),
    "GiftWrapLevel": ("gift_wrap_level", text),
    "ConditionNote": ("condition_note", text),
    "ConditionId": ("condition_id", text),
    "ConditionSubtypeId": ("condition_subtype_id", text),
    "ScheduledDeliveryStartDate": ("scheduled_delivery_start_date", instant),
    "ScheduledDeliveryEndDate": ("scheduled_delivery_end_date", instant),
    "PriceDesignation": ("price_designation", text),
    "IsTransparency": ("is_transparency", boolean),
    "SerialNumberRequired": ("serial_number_required", boolean),
    "IossNumber": ("ioss_number", text),
    "InvoiceData": (
        "invoice_data",
        _structure(
            InvoiceData,
            {
                "InvoiceRequirement": ("invoice_requirement", text),
                "BuyerSelectedInvoiceCategory": ("buyer_selected_invoice_category", text),
                "InvoiceTitle": ("invoice_title", text),
                "InvoiceInformation": ("invoice_information", text),
            },
        ),
    ),
}


_DECISIVE: Final = ("AmazonOrderId", "OrderStatus", "FulfillmentChannel", "EasyShipShipmentStatus")


def read_order(node: Node) -> Order:
    """One ``<Order>``.

    Raises:
        UnreadableResponse: it has no AmazonOrderId.
    """
    if not isinstance(node, dict):
        raise UnreadableResponse("an order without content")
    found = fields(node, _ORDER)
    if not found.get("amazon_order_id"):
        required(node, "AmazonOrderId", "an order")
    buyer = node.get("BuyerIdentificationInformation")
    if buyer is not None:
        found |= fields(buyer, _BUYER_IDENTIFICATION)
    found.setdefault("purchase_date", None)
    found.setdefault("last_update_date", None)
    found.setdefault("order_status", "")
    return Order(**found)


def read_broken_order(record: str) -> Order:
    """What a look-up needs of an ``<Order>`` whose XML is broken: id, status, channel and Easy Ship status.

    Raises:
        UnreadableResponse: id or status cannot be read.
    """
    leaves = dict(re.findall(r"<(?:[\w.-]+:)?(\w+)>\s*([^<>&]*?)\s*</", record))
    found = {_ORDER[name][0]: leaves[name] for name in _DECISIVE if leaves.get(name)}
    if not ORDER_ID.fullmatch(found.get("amazon_order_id", "")) or "order_status" not in found:
        raise UnreadableResponse("an order whose XML is not well-formed, without a readable id and status")
    return Order(purchase_date=None, last_update_date=None, **found)


def unreadable_record(record: str) -> UnreadableOrder:
    """Names an ``<Order>`` whose XML is broken, by its id where that stands in it."""
    found = re.search(rf"<(?:[\w.-]+:)?AmazonOrderId>\s*({ORDER_ID.pattern})\s*<", record)
    return UnreadableOrder(
        order_id=found[1] if found else None, reason="its XML is not well-formed", digest=_digest(record)
    )


def unreadable_order(node: Any, reason: str) -> UnreadableOrder:
    """Names an ``<Order>`` that lacks what no order can lack."""
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
