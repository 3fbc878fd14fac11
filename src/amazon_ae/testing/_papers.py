"""Orders as Seller Central shows them, and the three documents of a parcel, shared by both portal fakes.

The layouts are this project's own. The label's size, 99.1 x 139 mm, is Amazon's (UAE help page 201382200, "label ...
on A4, one label per box").
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

import attrs

from amazon_ae._models.documents import DocumentKind
from amazon_ae._models.money import Money
from amazon_ae._models.orders import Address, Order, OrderItem
from amazon_ae.testing._pdf import A4_MM, PdfBox, PdfPage, PdfText, text_pages

__all__ = ["LABEL_MM", "PortalItem", "PortalOrder", "PortalPickup", "paper_pages", "sample_order"]

LABEL_MM = (99.1, 139.0)


@attrs.frozen(kw_only=True)
class PortalItem:
    """One line of an order. ``unit_price`` is for one piece."""

    sku: str
    title: str
    quantity: int = 1
    unit_price: Money | None = None
    asin: str = ""


@attrs.frozen(kw_only=True)
class PortalPickup:
    """A scheduled Easy Ship pickup: from then on Amazon makes the label.

    Attributes:
        scheduled_at: when Amazon accepted it, aware UTC.
        day: the pickup day in the marketplace's time zone.
        tracking_id: printed on the label.
        slot: the time of day in Amazon's words, or ``""``.
        package_identifier: printed on the label; ``""`` prints the order id, as the UAE's help page states.
    """

    scheduled_at: datetime
    day: date
    tracking_id: str
    slot: str = ""
    package_identifier: str = ""


@attrs.frozen(kw_only=True)
class PortalOrder:
    """An order as Seller Central knows it.

    Attributes:
        order_id: 3-7-7 digits.
        purchased_at, ship_by, deliver_by: aware UTC.
        status: ``Unshipped``, ``Shipped`` or ``Canceled``.
        pickup: ``None`` until a pickup was scheduled; without one there is no label.
        invoice_number: ``None`` while the seller's invoice was not uploaded.
    """

    order_id: str
    purchased_at: datetime
    ship_by: datetime
    items: tuple[PortalItem, ...]
    deliver_by: datetime | None = None
    status: str = "Unshipped"
    buyer_name: str = attrs.field(default="", repr=False)
    address: tuple[str, ...] = attrs.field(default=(), repr=False)
    phone: str = attrs.field(default="", repr=False)
    ship_service: str = "Easy Ship Standard"
    sales_channel: str = "Amazon.ae"
    easy_ship: bool = True
    pickup: PortalPickup | None = None
    invoice_number: str | None = None

    @classmethod
    def of(cls, order: Order, items: Sequence[OrderItem], *, pickup: PortalPickup | None = None) -> PortalOrder:
        """The same order as the library's own values have it; its invoice counts as uploaded.

        Raises:
            ValueError: the order has no date at all.
        """
        address = order.shipping_address or Address()
        purchased_at = order.purchase_date or order.last_update_date
        if purchased_at is None:
            raise ValueError(f"{order.amazon_order_id} has no date, so Seller Central could not list it")
        lines = (
            address.address_line1,
            address.address_line2,
            address.address_line3,
            address.district,
            address.city,
            address.state_or_region,
            address.country_code,
        )
        return cls(
            order_id=order.amazon_order_id,
            purchased_at=purchased_at,
            ship_by=order.latest_ship_date or purchased_at + timedelta(days=2),
            deliver_by=order.latest_delivery_date,
            items=tuple(
                PortalItem(
                    sku=item.seller_sku or "",
                    title=item.title or "",
                    quantity=item.quantity_ordered,
                    unit_price=item.unit_price,
                    asin=item.asin,
                )
                for item in items
            ),
            status="Canceled" if order.order_status == "Canceled" else "Unshipped",
            buyer_name=address.name or order.buyer_name or "",
            address=tuple(line for line in lines if line),
            phone=address.phone or "",
            ship_service=order.ship_service_level or "",
            sales_channel=order.sales_channel or "",
            pickup=pickup,
            invoice_number=_invoice_number(order.amazon_order_id),
        )

    @property
    def total(self) -> Money | None:
        """The sum of all items; ``None`` where a price is missing."""
        prices = [item.unit_price for item in self.items]
        if not prices or any(price is None for price in prices):
            return None
        amounts = (item.unit_price.amount * item.quantity for item in self.items if item.unit_price)
        return Money(sum(amounts, Decimal(0)), prices[0].currency if prices[0] else "")


def sample_order(number: int, *, purchased_at: datetime, pickup: PortalPickup | None = None) -> PortalOrder:
    """A plausible order, invented from ``number`` alone: equal numbers give equal orders.

    Args:
        number: 0 to 9,999,999; it becomes the order id's last digits.
        purchased_at: aware UTC.
    """
    order_id = f"408-{(number * 7_919) % 10_000_000:07d}-{number:07d}"
    goods = (
        ("Cardamom coffee, 250 g", "32.50"),
        ("Cotton kandura, white, size 56", "149.00"),
        ("Date gift box, 12 pieces", "58.25"),
    )
    return PortalOrder(
        order_id=order_id,
        purchased_at=purchased_at,
        ship_by=purchased_at + timedelta(days=2),
        deliver_by=purchased_at + timedelta(days=5),
        items=tuple(
            PortalItem(
                sku=f"SKU-{(number + place) % 1000:04d}",
                title=goods[(number + place) % len(goods)][0],
                quantity=1 + (number + place) % 3,
                unit_price=Money(Decimal(goods[(number + place) % len(goods)][1]), "AED"),
                asin=f"B0{(number + place) % 10_000_000:08d}",
            )
            for place in range(1 + number % 2)
        ),
        buyer_name=("Aisha Rahman", "Omar Haddad", "Layla Nasser")[number % 3],
        address=(f"Villa {1 + number % 90}, Street {2 + number % 30}", "Al Barsha 2", "Dubai", "AE"),
        phone=f"+971 50 000 {number % 10_000:04d}",
        pickup=pickup,
        invoice_number=_invoice_number(order_id),
    )


def paper_pages(kind: DocumentKind, order: PortalOrder, *, label_on_a4: bool = False) -> list[PdfPage]:
    """The pages of one paper of this order; its order id is in the text of each.

    Args:
        label_on_a4: put the label into the upper left corner of an A4 sheet instead of on paper of its own size.

    Raises:
        ValueError: a label without a scheduled pickup, or an invoice without a number: there is no such paper yet.
    """
    if kind is DocumentKind.SHIPPING_LABEL:
        return [_label(order, A4_MM if label_on_a4 else LABEL_MM)]
    if kind is DocumentKind.INVOICE:
        return _invoice(order)
    lines = ["Packing slip", "", f"Order ID: {order.order_id}", "", *_ship_to(order), "", *_item_lines(order)]
    return text_pages(lines)


def _label(order: PortalOrder, paper_mm: tuple[float, float]) -> PdfPage:
    if order.pickup is None:
        raise ValueError(f"{order.order_id} has no scheduled pickup, so it has no label")
    pickup = order.pickup
    width, height = LABEL_MM

    def line(text: str, top_mm: float, size_points: float = 9.0, bold: bool = False) -> PdfText:
        return PdfText(text=text, left_mm=7.0, top_mm=top_mm, size_points=size_points, bold=bold)

    texts = [
        line("Easy Ship", 12.0, 16.0, bold=True),
        line(f"Pickup {pickup.day.isoformat()} {pickup.slot}".rstrip(), 19.0),
        line("Ship to", 30.0, 8.0, bold=True),
        *(line(text[:46], 36.0 + 5.0 * place, 10.0) for place, text in enumerate(_ship_to(order)[:8])),
        line(f"Tracking {pickup.tracking_id}", 112.0, 10.0, bold=True),
        line(f"Order {order.order_id}", 119.0, 11.0, bold=True),
        line(f"Package {pickup.package_identifier or order.order_id}", 125.0),
        line(f"{sum(item.quantity for item in order.items)} piece(s), {order.ship_service}", 131.0, 8.0),
    ]
    frame = [
        PdfBox(left_mm=3.0, top_mm=3.0, width_mm=width - 6.0, height_mm=0.5),
        PdfBox(left_mm=3.0, top_mm=height - 3.5, width_mm=width - 6.0, height_mm=0.5),
        PdfBox(left_mm=3.0, top_mm=3.0, width_mm=0.5, height_mm=height - 6.0),
        PdfBox(left_mm=width - 3.5, top_mm=3.0, width_mm=0.5, height_mm=height - 6.0),
        PdfBox(left_mm=3.0, top_mm=23.0, width_mm=width - 6.0, height_mm=0.3),
    ]
    return PdfPage(texts=texts, boxes=[*frame, *_bars(pickup.tracking_id)], width_mm=paper_mm[0], height_mm=paper_mm[1])


def _bars(text: str) -> list[PdfBox]:
    """Bars that look like a bar code; they are not one."""
    bars, left = [], 7.0
    for bit in "".join(f"{ord(sign):08b}" for sign in text):
        thick = 0.7 if bit == "1" else 0.3
        if left + thick > LABEL_MM[0] - 7.0:
            break
        bars.append(PdfBox(left_mm=left, top_mm=84.0, width_mm=thick, height_mm=22.0))
        left += thick + 0.45
    return bars


def _invoice(order: PortalOrder) -> list[PdfPage]:
    if order.invoice_number is None:
        raise ValueError(f"the invoice of {order.order_id} was not uploaded yet")
    total = order.total
    lines = [
        "Tax invoice",
        "",
        f"Invoice number: {order.invoice_number}",
        f"Order ID: {order.order_id}",
        f"Order date: {order.purchased_at:%Y-%m-%d}",
        "",
        *_ship_to(order),
        "",
        *_item_lines(order),
        "",
        f"Total: {money_text(total)}",
    ]
    return text_pages(lines)


def money_text(money: Money | None) -> str:
    """``"1,234.50 AED"``, or a dash where the price is unknown."""
    return f"{money.amount:,.2f} {money.currency}" if money else "-"


def _ship_to(order: PortalOrder) -> list[str]:
    return [text for text in (order.buyer_name, *order.address, order.phone) if text]


def _item_lines(order: PortalOrder) -> list[str]:
    return [f"{item.quantity} x {item.sku}  {item.title}  {money_text(item.unit_price)}" for item in order.items]


def _invoice_number(order_id: str) -> str:
    return f"INV-{order_id.replace('-', '')[-10:]}"
