"""Orders and their items as XML: the elements of Orders 2013-09-01 in the order of recorded answers.

Source: Orders API reference, "Datatypes"; recordings put ``LatestShipDate`` first and ``AmazonOrderId`` in the middle.
"""

from __future__ import annotations

from datetime import datetime

from amazon_ae._models.money import Money
from amazon_ae._models.orders import Address, Order, OrderItem
from amazon_ae.testing._mws.wire import seconds_instant
from amazon_ae.testing._mws.xml import element, leaf
from amazon_ae.testing._seller import FakeOrder

__all__ = ["item_xml", "order_xml"]


def _money(name: str, value: Money | None) -> str:
    if value is None:
        return ""
    return element(name, leaf("CurrencyCode", value.currency), leaf("Amount", value.amount))


def _date(name: str, value: datetime | None) -> str:
    return "" if value is None else leaf(name, seconds_instant(value))


def _address(name: str, value: Address | None) -> str:
    if value is None:
        return ""
    return element(
        name,
        leaf("StateOrRegion", value.state_or_region),
        leaf("City", value.city),
        leaf("Municipality", value.municipality),
        leaf("Phone", value.phone),
        leaf("CountryCode", value.country_code),
        leaf("County", value.county),
        leaf("District", value.district),
        leaf("PostalCode", value.postal_code),
        leaf("Name", value.name),
        leaf("AddressLine1", value.address_line1),
        leaf("AddressLine2", value.address_line2),
        leaf("AddressLine3", value.address_line3),
        leaf("AddressType", value.address_type),
        leaf("isAddressSharingConfidential", value.is_address_sharing_confidential),
    )


def _buyer_tax(order: Order) -> str:
    info = order.buyer_tax_info
    if info is None:
        return ""
    rows = [
        element("TaxClassification", leaf("Name", row.name), leaf("Value", row.value))
        for row in info.tax_classifications
    ]
    return element(
        "BuyerTaxInfo",
        leaf("CompanyLegalName", info.company_legal_name),
        leaf("TaxingRegion", info.taxing_region),
        element("TaxClassifications", *rows) if rows else "",
    )


def _payment(order: Order) -> str:
    parts = [
        element("PaymentExecutionDetailItem", _money("Payment", row.payment), leaf("PaymentMethod", row.payment_method))
        for row in order.payment_execution_detail
    ]
    details = [leaf("PaymentMethodDetail", text) for text in order.payment_method_details]
    return "".join(
        (
            element("PaymentExecutionDetail", *parts) if parts else "",
            leaf("PaymentMethod", order.payment_method),
            element("PaymentMethodDetails", *details) if details else "",
        )
    )


def order_xml(record: FakeOrder) -> str:
    """One order. A Pending one shows neither buyer nor address nor total (page "Order")."""
    order = record.order
    pending = order.order_status == "Pending"
    settings = order.automated_shipping_settings
    return element(
        "Order",
        _date("LatestShipDate", order.latest_ship_date),
        leaf("OrderType", order.order_type),
        _date("PurchaseDate", order.purchase_date),
        "" if pending else leaf("BuyerEmail", order.buyer_email),
        leaf("AmazonOrderId", order.amazon_order_id),
        leaf("SellerOrderId", order.seller_order_id),
        _date("LastUpdateDate", order.last_update_date),
        leaf("ShipServiceLevel", order.ship_service_level),
        leaf("NumberOfItemsShipped", order.number_of_items_shipped),
        leaf("OrderStatus", order.order_status),
        leaf("SalesChannel", order.sales_channel),
        leaf("OrderChannel", order.order_channel),
        leaf("ShippedByAmazonTFM", order.shipped_by_amazon_tfm),
        leaf("TFMShipmentStatus", order.tfm_shipment_status),
        leaf("CbaDisplayableShippingLabel", order.cba_displayable_shipping_label),
        _date("LatestDeliveryDate", order.latest_delivery_date),
        leaf("NumberOfItemsUnshipped", order.number_of_items_unshipped),
        "" if pending else leaf("BuyerName", order.buyer_name),
        leaf("BuyerCounty", order.buyer_county),
        "" if pending else _buyer_tax(order),
        _date("EarliestDeliveryDate", order.earliest_delivery_date),
        "" if pending else _money("OrderTotal", order.order_total),
        leaf("IsPremiumOrder", order.is_premium_order),
        _date("EarliestShipDate", order.earliest_ship_date),
        leaf("MarketplaceId", order.marketplace_id),
        leaf("FulfillmentChannel", order.fulfillment_channel),
        _payment(order),
        "" if pending else _address("ShippingAddress", order.shipping_address),
        _address("DefaultShipFromLocationAddress", order.default_ship_from_location_address),
        leaf("IsPrime", order.is_prime),
        leaf("ShipmentServiceLevelCategory", order.shipment_service_level_category),
        leaf("EasyShipShipmentStatus", order.easy_ship_shipment_status),
        leaf("IsReplacementOrder", order.is_replacement_order),
        leaf("ReplacedOrderId", order.replaced_order_id),
        leaf("IsBusinessOrder", order.is_business_order),
        leaf("IsSoldByAB", order.is_sold_by_ab),
        leaf("IsIBA", order.is_iba),
        leaf("IsAccessPointOrder", order.is_access_point_order),
        leaf("PurchaseOrderNumber", order.purchase_order_number),
        leaf("IsGlobalExpressEnabled", order.is_global_express_enabled),
        _date("PromiseResponseDueDate", order.promise_response_due_date),
        leaf("IsEstimatedShipDateSet", order.is_estimated_ship_date_set),
        ""
        if settings is None
        else element(
            "AutomatedShippingSettings",
            leaf("HasAutomatedShippingSettings", settings.has_automated_shipping_settings),
            leaf("AutomatedCarrier", settings.automated_carrier),
            leaf("AutomatedShipMethod", settings.automated_ship_method),
        ),
    )


def item_xml(item: OrderItem, *, pending: bool) -> str:
    """One line of an order; without prices while the order is Pending (page "OrderItem")."""

    def money(name: str, value: Money | None) -> str:
        return "" if pending else _money(name, value)

    cancel, points, tax = item.buyer_requested_cancel, item.points_granted, item.tax_collection
    return element(
        "OrderItem",
        leaf("ASIN", item.asin),
        leaf("SellerSKU", item.seller_sku),
        leaf("OrderItemId", item.order_item_id),
        leaf("Title", item.title),
        leaf("QuantityOrdered", item.quantity_ordered),
        leaf("QuantityShipped", item.quantity_shipped),
        "" if item.number_of_items is None else element("ProductInfo", leaf("NumberOfItems", item.number_of_items)),
        ""
        if points is None
        else element(
            "PointsGranted",
            leaf("PointsNumber", points.points_number),
            _money("PointsMonetaryValue", points.points_monetary_value),
        ),
        money("ItemPrice", item.item_price),
        money("ShippingPrice", item.shipping_price),
        money("GiftWrapPrice", item.gift_wrap_price),
        money("ItemTax", item.item_tax),
        money("ShippingTax", item.shipping_tax),
        money("GiftWrapTax", item.gift_wrap_tax),
        money("ShippingDiscount", item.shipping_discount),
        money("ShippingDiscountTax", item.shipping_discount_tax),
        money("PromotionDiscount", item.promotion_discount),
        money("PromotionDiscountTax", item.promotion_discount_tax),
        element("PromotionIds", *(leaf("PromotionId", text) for text in item.promotion_ids))
        if item.promotion_ids
        else "",
        money("CODFee", item.cod_fee),
        money("CODFeeDiscount", item.cod_fee_discount),
        leaf("IsGift", item.is_gift),
        leaf("GiftMessageText", item.gift_message_text),
        leaf("GiftWrapLevel", item.gift_wrap_level),
        leaf("ConditionNote", item.condition_note),
        leaf("ConditionId", item.condition_id),
        leaf("ConditionSubtypeId", item.condition_subtype_id),
        _date("ScheduledDeliveryStartDate", item.scheduled_delivery_start_date),
        _date("ScheduledDeliveryEndDate", item.scheduled_delivery_end_date),
        leaf("PriceDesignation", item.price_designation),
        ""
        if item.customized_url is None
        else element("BuyerCustomizedInfo", leaf("CustomizedURL", item.customized_url)),
        ""
        if cancel is None
        else element(
            "BuyerRequestedCancel",
            leaf("IsBuyerRequestedCancel", cancel.is_buyer_requested_cancel),
            leaf("BuyerCancelReason", cancel.buyer_cancel_reason),
        ),
        ""
        if tax is None
        else element("TaxCollection", leaf("Model", tax.model), leaf("ResponsibleParty", tax.responsible_party)),
        leaf("SerialNumberRequired", item.serial_number_required),
        leaf("IsTransparency", item.is_transparency),
        leaf("IossNumber", item.ioss_number),
    )
