"""An order with everything that a packing slip must bear."""

from __future__ import annotations

import struct
import zlib
from datetime import UTC, datetime, timedelta

import attrs

from amazon_ae import Address, Order, OrderItem, SlipSeller
from amazon_ae.testing import make_item, make_order, make_order_id

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)
ENGLISH = (
    "Wireless noise cancelling headphones with charging case, Bluetooth 5.3, 40 hours of battery life, foldable – "
    "Midnight Black " + "X" * 90
)
ARABIC = "سماعات لاسلكية مع خاصية إلغاء الضوضاء وعلبة شحن Bluetooth 5.3 – أسود (ضمان سنة)"


def picture(width: int = 160, height: int = 60) -> bytes:
    """A PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes([20, 90, 160]) * width for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


SELLER = SlipSeller(
    name="متجر الخليج – Gulf Store LLC",
    lines=("Warehouse 7, Al Quoz, Dubai", "+971 4 000 0000"),
    logo=picture(),
    note="Returns: amazon.ae/returns\nشكراً لتسوقكم معنا",
)


def slip_order(count: int = 2) -> tuple[Order, list[OrderItem]]:
    """Long titles in both languages, quantities, a gift note with markup in it."""
    order = attrs.evolve(
        make_order(make_order_id(1), updated_at=NOW),
        purchase_date=NOW,
        latest_ship_date=NOW + timedelta(days=1),
        buyer_name="Fatima",
        shipping_address=Address(
            name="فاطمة الزهراء <b>",
            address_line1="Flat 1204, Marina Tower",
            address_line2="شارع الشيخ زايد",
            district="Dubai Marina",
            city="Dubai",
            country_code="AE",
            phone="+971 50 123 4567",
        ),
    )
    titles = (ENGLISH, ARABIC, "USB-C cable, 2 m")
    items = [
        make_item(f"SKU/{number} a", 3 if number % 4 == 0 else 1, title=titles[number % 3]) for number in range(count)
    ]
    items[0] = attrs.evolve(
        items[0],
        is_gift=True,
        gift_wrap_level="Classic",
        gift_message_text="Happy birthday!\nعيد ميلاد سعيد\n<script>alert(1)</script>",
    )
    return order, items
