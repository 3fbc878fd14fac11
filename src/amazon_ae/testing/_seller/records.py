"""The records of a seller's account: orders, listings, pickups and packages, as no backend in particular has them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

import attrs

from amazon_ae._models.orders import Order, OrderItem

__all__ = ["FakeListing", "FakeOrder", "FakePackage", "FakePickup", "StockChange"]


@attrs.define(kw_only=True)
class FakeOrder:
    """An order and its items. ``easy_ship`` is false for orders that Easy Ship does not carry.

    Attributes:
        indexed: what order lists show instead while they lag behind: (until, order, items), oldest first. An order
            of ``None`` is in no list yet.
    """

    order: Order
    items: tuple[OrderItem, ...]
    easy_ship: bool = True
    indexed: list[tuple[datetime, Order | None, tuple[OrderItem, ...]]] = attrs.field(factory=list, repr=False)


@attrs.define(kw_only=True)
class FakeListing:
    """What the seller submitted for a SKU; ``SellerState.stock`` has the quantity that is live.

    Attributes:
        quantity: the quantity of the last accepted submission; it differs from the live one where Amazon lost it.
        lead_time_days: ``lead_time_to_ship_max_days`` (``FulfillmentLatency`` in XML feeds).
        restock_date: as it was sent, or ``None``.
        updated_at: when the last submission was accepted.
        source: what brought it: a feed's id, or ``"patch"``.
    """

    quantity: int = 0
    lead_time_days: int | None = None
    restock_date: str | None = None
    updated_at: datetime | None = None
    source: str = ""


@attrs.frozen(kw_only=True)
class FakePickup:
    """A pickup that the marketplace booked.

    Attributes:
        feed_id: the feed that booked it; ``None`` for an Easy Ship call or a person on the panel.
        date: ISO date in the marketplace's time zone.
        time: of the day, as it was sent.
        fields: what was sent with it, by the sender's own names.
    """

    order_id: str
    at: datetime
    feed_id: str | None = None
    date: str = ""
    time: str = ""
    fields: Mapping[str, str] = attrs.field(factory=dict)


@attrs.define(kw_only=True)
class FakePackage:
    """A scheduled package.

    Attributes:
        slot_start, slot_end: aware, in the marketplace's time zone.
        length, width, height: centimetres, as text; ``""`` where none was sent.
        weight: grams, as text.
        items: pairs of order item id and serial numbers; empty for "the whole order".
        identifier: the seller's own name for the parcel.
        method: ``PICKUP`` or ``DROPOFF``.
    """

    order_id: str
    package_id: str
    slot_id: str
    slot_start: datetime
    slot_end: datetime
    length: str = ""
    width: str = ""
    height: str = ""
    length_unit: str = ""
    dimensions_name: str = ""
    weight: str = ""
    weight_unit: str = ""
    items: tuple[tuple[str, tuple[str, ...]], ...] = ()
    identifier: str = ""
    method: str = "PICKUP"
    status: str = "ReadyForPickup"

    @property
    def tracking_id(self) -> str:
        """The number on the label: the same on every backend and on the panel."""
        return tracking_id(self.order_id)

    @property
    def day(self) -> date:
        """The handover's day in the marketplace's time zone."""
        return self.slot_start.date()


@attrs.frozen(kw_only=True)
class StockChange:
    """One change of a SKU's live quantity, for a test that watches them.

    Attributes:
        source: the feed's id, ``"patch"``, or ``"test"`` for a change that a test made.
    """

    at: datetime
    sku: str
    quantity: int
    source: str


def tracking_id(order_id: str) -> str:
    """The tracking number of an order's parcel."""
    return f"AE{order_id.replace('-', '')[-10:]}"
