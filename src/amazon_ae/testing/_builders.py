"""Small builders for tests: orders and items with every field that Amazon fills, all values invented.

For any other field, ``attrs.evolve(make_order(), is_prime=True)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from amazon_ae._models.checks import check_aware
from amazon_ae._models.feeds import InventoryUpdate
from amazon_ae._models.marketplaces import AE, Marketplace
from amazon_ae._models.money import Money
from amazon_ae._models.orders import Address, Order, OrderItem
from amazon_ae._ports import Clock

__all__ = ["make_item", "make_order", "make_order_id", "make_updates"]

_PURCHASED_AT: Final = datetime(2021, 11, 18, 5, 30, tzinfo=UTC)
_DISTRICTS: Final = ("Al Barsha 1", "Business Bay", "Deira", "Jumeirah 3", "دبي مارينا", "Al Nahda")


def make_order_id(number: int = 1) -> str:
    """A channel order id (3-7-7 digits); a number gives the same one each time."""
    return f"171-{number // 10_000_000:07d}-{number % 10_000_000:07d}"


def make_item(
    sku: str = "SKU-0001",
    quantity: int = 1,
    *,
    price: Decimal | str = "99.00",
    order_item_id: str = "10000000000001",
    title: str | None = None,
    marketplace: Marketplace = AE,
) -> OrderItem:
    """One line of an order. ``price`` is that of one piece."""
    total = Decimal(price) * quantity
    return OrderItem(
        asin=f"B0{_number_of(sku):08d}",
        order_item_id=order_item_id,
        quantity_ordered=quantity,
        quantity_shipped=0,
        seller_sku=sku,
        title=title or f"Sample article {sku}",
        number_of_items=1,
        item_price=Money(total, marketplace.currency),
        item_tax=Money(Decimal("0.00"), marketplace.currency),
        promotion_discount=Money(Decimal("0.00"), marketplace.currency),
        is_gift=False,
        condition_id="New",
        condition_subtype_id="New",
        is_transparency=False,
        serial_number_required=False,
    )


def make_order(
    order_id: str = "171-0000000-0000001",
    *,
    items: Sequence[OrderItem] = (),
    status: str = "Unshipped",
    purchased_at: datetime | None = None,
    updated_at: datetime | None = None,
    seller_order_id: str | None = None,
    easy_ship_shipment_status: str | None = None,
    marketplace: Marketplace = AE,
    clock: Clock | None = None,
) -> Order:
    """An order that waits to be packed.

    Args:
        items: its lines, for the total and the counts; one sample line without.
        purchased_at: now on ``clock`` where one is given, else a fixed morning in November 2021.
        updated_at: ``LastUpdateDate``; when it was bought without.
        easy_ship_shipment_status: ``"PendingPickUp"`` once a pickup is scheduled; ``None`` before.
    """
    check_aware(purchased_at=purchased_at, updated_at=updated_at)
    purchased_at = purchased_at or (clock.now() if clock is not None else _PURCHASED_AT)
    lines = tuple(items) or (make_item(marketplace=marketplace),)
    pieces = sum(item.quantity_ordered for item in lines)
    total = sum((item.item_price.amount for item in lines if item.item_price is not None), Decimal(0))
    shipped = pieces if status == "Shipped" else 0
    return Order(
        amazon_order_id=order_id,
        seller_order_id=seller_order_id or order_id,
        purchase_date=purchased_at,
        last_update_date=updated_at or purchased_at,
        order_status=status,
        fulfillment_channel="MFN",
        sales_channel=marketplace.sales_channel,
        ship_service_level="Std Domestic",
        shipping_address=Address(
            name="Sample Buyer",
            address_line1="Villa 7, Street 14",
            city="Dubai",
            state_or_region=_DISTRICTS[_number_of(order_id) % len(_DISTRICTS)],
            country_code=marketplace.code,
            phone="+971500000000",
        ),
        order_total=Money(total, marketplace.currency),
        number_of_items_shipped=shipped,
        number_of_items_unshipped=pieces - shipped,
        payment_method="Other",
        payment_method_details=("Standard",),
        is_replacement_order=False,
        marketplace_id=marketplace.marketplace_id,
        buyer_email="sample.buyer@marketplace.example",
        buyer_name="Sample Buyer",
        shipment_service_level_category="Standard",
        easy_ship_shipment_status=easy_ship_shipment_status,
        order_type="StandardOrder",
        earliest_ship_date=purchased_at,
        latest_ship_date=purchased_at + timedelta(days=2),
        earliest_delivery_date=purchased_at + timedelta(days=3),
        latest_delivery_date=purchased_at + timedelta(days=6),
        is_business_order=False,
        is_prime=False,
        is_premium_order=False,
        is_global_express_enabled=False,
    )


def make_updates(count: int, *, skus: int | None = None, prefix: str = "SKU-") -> list[InventoryUpdate]:
    """``count`` stock changes over ``skus`` SKUs (``count`` of them without), numbered from 1."""
    wide = skus or count
    return [InventoryUpdate(f"{prefix}{number % wide + 1:04d}", number % 100) for number in range(count)]


def _number_of(text: str) -> int:
    """A number that is the same for the same text in every process."""
    return int.from_bytes(text.encode(), "big") % 1_000_003
