"""One seller's account, shared by every fake backend and the panel's look-alike."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

import attrs

from amazon_ae._clocks import SystemClock
from amazon_ae._models.marketplaces import AE, Marketplace
from amazon_ae._models.orders import Order, OrderItem
from amazon_ae._ports import Clock
from amazon_ae.testing._seller.records import FakeListing, FakeOrder, FakePackage, FakePickup, StockChange
from amazon_ae.testing._seller.timeline import Arrivals, Timeline

__all__ = ["SellerState"]

SELLER_ID: Final = "A1SANDBOXSELLER"
_SLOT_HOURS: Final = 2


def _no_delay(order_id: str) -> float:
    del order_id
    return 0.0


@attrs.define(kw_only=True, eq=False)
class SellerState:
    """A seller's orders, SKUs, pickups and parcels: one truth below several fakes.

    Give the same state to two fakes and they serve the same seller::

        state = SellerState(clock=clock)
        mws, spapi = FakeMws(state=state), FakeSpApi(state=state)

    Attributes:
        clock: the seller's clock; every fake of this state is on it.
        skew_seconds: how far Amazon's clock is ahead of ``clock``.
        orders, pickups, packages: by order id.
        stock: the live quantity by SKU. A SKU that is missing here does not exist.
        listings: what was submitted last, by SKU.
        pickups_sent: how often each order's pickup was asked for, refused or not: more than 1 means sent twice.
        refusals: by SKU or order id, the code and text with which Amazon refuses it.
        warnings: by SKU, the code and text of a warning that comes with its acceptance.
        frozen_skus: SKUs whose submissions are accepted and never go live.
        live_seconds: how long an accepted quantity takes to go live.
        index_seconds: how long an order's change takes to show in order lists, by order id.
        on_stock_change: called with each ``StockChange``.
        on_order_change: called with the order id and the instant of each new or changed order.
    """

    clock: Clock = attrs.field(factory=SystemClock)
    seller_id: str = SELLER_ID
    marketplace: Marketplace = AE
    skew_seconds: float = 0.0
    orders: dict[str, FakeOrder] = attrs.field(factory=dict)
    stock: dict[str, int] = attrs.field(factory=dict)
    listings: dict[str, FakeListing] = attrs.field(factory=dict)
    pickups: dict[str, FakePickup] = attrs.field(factory=dict)
    pickups_sent: dict[str, int] = attrs.field(factory=dict)
    packages: dict[str, FakePackage] = attrs.field(factory=dict)
    refusals: dict[str, tuple[str, str]] = attrs.field(factory=dict)
    warnings: dict[str, tuple[str, str]] = attrs.field(factory=dict)
    frozen_skus: set[str] = attrs.field(factory=set)
    live_seconds: float = 0.0
    index_seconds: Callable[[str], float] = _no_delay
    on_stock_change: list[Callable[[StockChange], None]] = attrs.field(factory=list, repr=False)
    on_order_change: list[Callable[[str, datetime], None]] = attrs.field(factory=list, repr=False)
    _refusals_left: dict[str, int | None] = attrs.field(factory=dict, init=False, repr=False)
    timeline: Timeline = attrs.field(factory=Timeline, repr=False, init=False)
    arrivals: Arrivals = attrs.field(factory=Arrivals, repr=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.timeline.sources.append(self.arrivals)

    # Time

    def now(self) -> datetime:
        """Amazon's instant."""
        return self.clock.now() + timedelta(seconds=self.skew_seconds)

    def advance(self) -> SellerState:
        """Let everything happen that is due, on every backend; the state itself."""
        self.timeline.advance(self.now())
        return self

    # SKUs

    def add_sku(self, sku: str, quantity: int = 0) -> None:
        """Add a SKU, or set its quantity as a sale does."""
        self.listings.setdefault(sku, FakeListing(quantity=quantity))
        self._go_live(sku, quantity, self.now(), "test")

    def set_stock(
        self,
        sku: str,
        quantity: int,
        now: datetime,
        *,
        source: str,
        lead_time_days: int | None = None,
        restock_date: str | None = None,
        keep: bool = True,
    ) -> None:
        """Take an accepted submission.

        Args:
            keep: a lead time or restock date of ``None`` stays what it was; otherwise it is cleared.
        """
        listing = self.listings.setdefault(sku, FakeListing())
        listing.quantity = quantity
        listing.updated_at = now
        listing.source = source
        if lead_time_days is not None or not keep:
            listing.lead_time_days = lead_time_days
        if restock_date is not None or not keep:
            listing.restock_date = restock_date
        if sku in self.frozen_skus:
            return
        if self.live_seconds:
            at = now + timedelta(seconds=self.live_seconds)
            self.arrivals.add(at, lambda then: self._go_live(sku, quantity, then, source))
        else:
            self._go_live(sku, quantity, now, source)

    def _go_live(self, sku: str, quantity: int, now: datetime, source: str) -> None:
        self.stock[sku] = quantity
        for call in self.on_stock_change:
            call(StockChange(at=now, sku=sku, quantity=quantity, source=source))

    def refuse(self, key: str, code: str, message: str, *, times: int | None = None) -> None:
        """Amazon refuses this SKU or order id: ``times`` times, or from now on."""
        self.refusals[key] = (code, message)
        self._refusals_left[key] = times

    def refusal_of(self, key: str) -> tuple[str, str] | None:
        """The code and text with which a submission of this key is refused now; asking counts."""
        found = self.refusals.get(key)
        left = self._refusals_left.get(key)
        if found is not None and left is not None:
            self._refusals_left[key] = left - 1
            if left <= 1:
                self.refusals.pop(key)
                self._refusals_left.pop(key)
        return found

    # Orders

    def add_order(self, order: Order, items: Sequence[OrderItem] = (), *, easy_ship: bool = True) -> None:
        """Add an order (``make_order``) or replace it, with its items.

        Args:
            easy_ship: false for an order that Easy Ship does not carry: its pickup is refused.
        """
        before = self.orders.get(order.amazon_order_id)
        record = FakeOrder(order=order, items=tuple(items), easy_ship=easy_ship)
        self.orders[order.amazon_order_id] = record
        if before is not None:
            record.indexed = before.indexed
        self._index_late(record, before.order if before else None, before.items if before else ())
        self._publish_order(order.amazon_order_id, self.now())

    def touch(self, order_id: str, now: datetime, *, items: Sequence[OrderItem] | None = None, **changes: Any) -> None:
        """Change an order; every change moves its LastUpdateDate."""
        record = self.orders[order_id]
        before = (record.order, record.items)
        record.order = attrs.evolve(record.order, last_update_date=now, **changes)
        if items is not None:
            record.items = tuple(items)
        self._index_late(record, *before)
        self._publish_order(order_id, now)

    def _publish_order(self, order_id: str, now: datetime) -> None:
        for call in self.on_order_change:
            call(order_id, now)

    def _index_late(self, record: FakeOrder, order: Order | None, items: tuple[OrderItem, ...]) -> None:
        seconds = self.index_seconds(record.order.amazon_order_id)
        if seconds > 0:
            record.indexed.append((self.now() + timedelta(seconds=seconds), order, items))

    def listed(self) -> list[FakeOrder]:
        """Orders as lists show them now: an order's latest change may be missing, or the order itself."""
        now = self.now()
        shown = []
        for record in self.orders.values():
            while record.indexed and record.indexed[0][0] <= now:
                record.indexed.pop(0)
            if not record.indexed:
                shown.append(record)
            elif (order := record.indexed[0][1]) is not None:
                shown.append(FakeOrder(order=order, items=record.indexed[0][2], easy_ship=record.easy_ship))
        return shown

    # Pickups

    def book(
        self,
        order_id: str,
        now: datetime,
        *,
        day: date | None = None,
        at: str = "",
        package: FakePackage | None = None,
        feed_id: str | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> None:
        """Book a pickup: the package and the order's status follow.

        Args:
            day, at: for a booking without a slot of its own, its day and time of day.
            package: for a booking with a slot.
        """
        has_day = package is None
        package = package or self._package(order_id, day or self._today(now), at, fields or {})
        self.packages[order_id] = package
        self.pickups[order_id] = FakePickup(
            order_id=order_id,
            at=now,
            feed_id=feed_id,
            date=package.slot_start.date().isoformat(),
            time=at if has_day else package.slot_start.strftime("%I:%M %p"),
            fields=fields or {},
        )
        self.touch(order_id, now, easy_ship_shipment_status="PendingPickUp")

    def package_id(self, order_id: str) -> str:
        """The id of an order's package."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.seller_id}/{order_id}"))

    def _today(self, now: datetime) -> date:
        return now.astimezone(self.marketplace.zone).date()

    def _package(self, order_id: str, day: date, at: str, fields: Mapping[str, str]) -> FakePackage:
        start = datetime.combine(day, _time_of(at), self.marketplace.zone)
        return FakePackage(
            order_id=order_id,
            package_id=self.package_id(order_id),
            slot_id=start.astimezone(UTC).strftime("%Y%m%d%H"),
            slot_start=start,
            slot_end=start + timedelta(hours=_SLOT_HOURS),
            length=fields.get("package_length", ""),
            width=fields.get("package_width", ""),
            height=fields.get("package_height", ""),
            weight=fields.get("package_weight", ""),
            identifier=fields.get("merchant_additional_identifier", ""),
        )


def _time_of(text: str) -> time:
    """``"02:00 PM"`` or ``"14:00"``; ten in the morning where nothing readable was sent."""
    for form in ("%I:%M %p", "%H:%M"):
        try:
            return datetime.strptime(text.strip(), form).time()  # noqa: DTZ007  # a time of day has no zone
        except ValueError:
            continue
    return time(10)
