"""Orders and their items: every element of Orders 2013-09-01, in Amazon's words as snake_case.

Source: MWS Orders API reference, "Datatypes". A field that Amazon left out, or whose text is not of its type (Amazon's
own examples hold impossible dates), is ``None``; a list is always a tuple. Enumerations stay text, because Amazon adds
values. Buyer data never appears in a ``repr``.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import attrs

from amazon_ae._models.money import Money
from amazon_ae._models.responses import ResponseMeta

__all__ = [
    "Address",
    "AutomatedShippingSettings",
    "BuyerRequestedCancel",
    "BuyerTaxInfo",
    "InvoiceData",
    "Order",
    "OrderItem",
    "OrderPage",
    "PaymentExecutionDetail",
    "PointsGranted",
    "TaxClassification",
    "TaxCollection",
    "TaxRegistration",
    "UnreadableOrder",
]


@attrs.frozen(kw_only=True)
class Address:
    """A postal address; in the UAE usually without a postal code."""

    name: str | None = attrs.field(default=None, repr=False)
    address_line1: str | None = attrs.field(default=None, repr=False)
    address_line2: str | None = attrs.field(default=None, repr=False)
    address_line3: str | None = attrs.field(default=None, repr=False)
    city: str | None = attrs.field(default=None, repr=False)
    municipality: str | None = attrs.field(default=None, repr=False)
    county: str | None = attrs.field(default=None, repr=False)
    district: str | None = attrs.field(default=None, repr=False)
    state_or_region: str | None = attrs.field(default=None, repr=False)
    postal_code: str | None = attrs.field(default=None, repr=False)
    country_code: str | None = None
    phone: str | None = attrs.field(default=None, repr=False)
    address_type: str | None = None
    is_address_sharing_confidential: bool | None = None


@attrs.frozen
class PaymentExecutionDetail:
    """A part of a cash-on-delivery order's payment."""

    payment: Money | None = None
    payment_method: str | None = None


@attrs.frozen
class TaxClassification:
    """A tax id of the buyer."""

    name: str | None = None
    value: str | None = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class BuyerTaxInfo:
    """Tax information of a business buyer."""

    company_legal_name: str | None = attrs.field(default=None, repr=False)
    taxing_region: str | None = None
    tax_classifications: tuple[TaxClassification, ...] = ()


@attrs.frozen(kw_only=True)
class AutomatedShippingSettings:
    """Shipping settings automation of the order."""

    has_automated_shipping_settings: bool | None = None
    automated_carrier: str | None = None
    automated_ship_method: str | None = None


@attrs.frozen(kw_only=True)
class TaxRegistration:
    """A tax registration of the buyer; no longer documented, but present in recordings of 2016 to 2020."""

    tax_registration_type: str | None = None
    tax_registration_id: str | None = attrs.field(default=None, repr=False)
    country: str | None = None
    state: str | None = None
    district: str | None = None
    province: str | None = None
    city: str | None = None
    warehouse_id: str | None = None


@attrs.frozen(kw_only=True)
class Order:
    """One order. ``amazon_order_id`` is the channel order id (3-7-7 digits). Instants are aware UTC.

    ``easy_ship_shipment_status``, ``order_status`` and the other enumerations are Amazon's values. A ``Pending`` order
    has no buyer, address or total yet. ``programs`` names the programs of the order (``AMAZON_EASY_SHIP``), and is
    ``None`` where the backend does not state them. ``items`` is ``None`` where the backend returns items by a request
    of their own.
    """

    amazon_order_id: str
    purchase_date: datetime | None
    last_update_date: datetime | None
    order_status: str
    seller_order_id: str | None = None
    fulfillment_channel: str | None = None
    sales_channel: str | None = None
    order_channel: str | None = None
    ship_service_level: str | None = None
    shipping_address: Address | None = attrs.field(default=None, repr=False)
    default_ship_from_location_address: Address | None = attrs.field(default=None, repr=False)
    order_total: Money | None = None
    number_of_items_shipped: int | None = None
    number_of_items_unshipped: int | None = None
    payment_execution_detail: tuple[PaymentExecutionDetail, ...] = ()
    payment_method: str | None = None
    payment_method_details: tuple[str, ...] = ()
    is_replacement_order: bool | None = None
    replaced_order_id: str | None = None
    marketplace_id: str | None = None
    buyer_email: str | None = attrs.field(default=None, repr=False)
    buyer_name: str | None = attrs.field(default=None, repr=False)
    buyer_county: str | None = attrs.field(default=None, repr=False)
    buyer_tax_info: BuyerTaxInfo | None = attrs.field(default=None, repr=False)
    shipment_service_level_category: str | None = None
    easy_ship_shipment_status: str | None = None
    order_type: str | None = None
    earliest_ship_date: datetime | None = None
    latest_ship_date: datetime | None = None
    earliest_delivery_date: datetime | None = None
    latest_delivery_date: datetime | None = None
    is_business_order: bool | None = None
    is_sold_by_ab: bool | None = None
    is_iba: bool | None = None
    is_access_point_order: bool | None = None
    purchase_order_number: str | None = None
    is_ispu: bool | None = None
    is_prime: bool | None = None
    is_premium_order: bool | None = None
    is_global_express_enabled: bool | None = None
    promise_response_due_date: datetime | None = None
    is_estimated_ship_date_set: bool | None = None
    automated_shipping_settings: AutomatedShippingSettings | None = None
    buyer_citizen_id: str | None = attrs.field(default=None, repr=False)
    buyer_legal_name: str | None = attrs.field(default=None, repr=False)
    shipped_by_amazon_tfm: bool | None = None
    tfm_shipment_status: str | None = None
    cba_displayable_shipping_label: str | None = None
    tax_registration_details: tuple[TaxRegistration, ...] = attrs.field(default=(), repr=False)
    programs: tuple[str, ...] | None = None
    items: tuple[OrderItem, ...] | None = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class PointsGranted:
    """Loyalty points that came with an item."""

    points_number: int | None = None
    points_monetary_value: Money | None = None


@attrs.frozen(kw_only=True)
class BuyerRequestedCancel:
    """Whether and why the buyer asked to cancel."""

    is_buyer_requested_cancel: bool | None = None
    buyer_cancel_reason: str | None = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class TaxCollection:
    """Who collects the tax."""

    model: str | None = None
    responsible_party: str | None = None


@attrs.frozen(kw_only=True)
class InvoiceData:
    """What the buyer wants on the invoice; no longer documented, part of Amazon's own client library."""

    invoice_requirement: str | None = None
    buyer_selected_invoice_category: str | None = None
    invoice_title: str | None = attrs.field(default=None, repr=False)
    invoice_information: str | None = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class OrderItem:
    """One line of an order.

    ``item_price`` is the line's total (unit price times quantity), without shipping and wrap.
    ``serial_number_required`` is sent for Easy Ship orders only.
    """

    asin: str
    order_item_id: str
    quantity_ordered: int
    seller_sku: str | None = None
    title: str | None = None
    quantity_shipped: int | None = None
    customized_url: str | None = attrs.field(default=None, repr=False)
    buyer_requested_cancel: BuyerRequestedCancel | None = None
    points_granted: PointsGranted | None = None
    number_of_items: int | None = None
    item_price: Money | None = None
    shipping_price: Money | None = None
    gift_wrap_price: Money | None = None
    item_tax: Money | None = None
    shipping_tax: Money | None = None
    gift_wrap_tax: Money | None = None
    shipping_discount: Money | None = None
    shipping_discount_tax: Money | None = None
    promotion_discount: Money | None = None
    promotion_discount_tax: Money | None = None
    cod_fee: Money | None = None
    cod_fee_discount: Money | None = None
    tax_collection: TaxCollection | None = None
    promotion_ids: tuple[str, ...] = ()
    is_gift: bool | None = None
    gift_message_text: str | None = attrs.field(default=None, repr=False)
    gift_wrap_level: str | None = None
    condition_note: str | None = None
    condition_id: str | None = None
    condition_subtype_id: str | None = None
    scheduled_delivery_start_date: datetime | None = None
    scheduled_delivery_end_date: datetime | None = None
    price_designation: str | None = None
    is_transparency: bool | None = None
    serial_number_required: bool | None = None
    ioss_number: str | None = None
    invoice_data: InvoiceData | None = None

    @property
    def unit_price(self) -> Money | None:
        """``item_price`` divided by the quantity; ``None`` while Pending or for a quantity of zero."""
        if self.item_price is None or not self.quantity_ordered:
            return None
        return Money(self.item_price.amount / Decimal(self.quantity_ordered), self.item_price.currency)


@attrs.frozen(kw_only=True)
class UnreadableOrder:
    """One unreadable order of an answer; the other orders of the answer are delivered.

    Attributes:
        order_id: Amazon's, where at least that could be read; else ``None``.
        reason: in words, without a value of the answer.
        digest: names the unreadable bytes, so that the same ones are reported once; ``""`` where ``order_id`` does.
    """

    order_id: str | None
    reason: str
    digest: str = ""


@attrs.frozen(kw_only=True)
class OrderPage:
    """One page of orders.

    Attributes:
        orders: up to 100.
        complete_until: only changes up to this instant are surely in the answer (``LastUpdatedBefore`` or
            ``CreatedBefore`` as Amazon returned it): the next cursor.
        position: pass it to continue after this page, also in another process; ``None`` on the last page.
        meta: Amazon's request id and instant of the answer.
        unreadable: orders of this page that could not be read.
    """

    orders: tuple[Order, ...]
    complete_until: datetime | None = None
    position: str | None = attrs.field(default=None, repr=False)
    meta: ResponseMeta = attrs.field(default=ResponseMeta(), eq=False)
    unreadable: tuple[UnreadableOrder, ...] = ()
