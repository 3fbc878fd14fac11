"""What a test reads and changes of a seller: the same methods on every fake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import attrs

from amazon_ae._models.marketplaces import Marketplace
from amazon_ae._models.orders import BuyerRequestedCancel, Order, OrderItem
from amazon_ae._ports import Clock
from amazon_ae.testing._builders import make_item, make_order, make_order_id
from amazon_ae.testing._papers import PortalOrder
from amazon_ae.testing._seller.panel import PortalView, papers
from amazon_ae.testing._seller.records import FakeOrder, FakePackage, FakePickup
from amazon_ae.testing._seller.state import SellerState

__all__ = ["SellerControls"]


class SellerControls:
    """The part of a fake that is the seller's, not the backend's: the same methods on every fake of one state.

    Attributes:
        state: the seller's state; give it to another fake and both serve the same seller.
    """

    def __init__(self, state: SellerState) -> None:
        self.state = state
        self._view = PortalView(state)

    # What it holds

    @property
    def clock(self) -> Clock:
        """The clock that Amazon is on, without its skew."""
        return self.state.clock

    @property
    def skew_seconds(self) -> float:
        """How far Amazon's clock is ahead of ``clock``."""
        return self.state.skew_seconds

    @skew_seconds.setter
    def skew_seconds(self, value: float) -> None:
        self.state.skew_seconds = value

    @property
    def marketplace(self) -> Marketplace:
        """The marketplace it plays."""
        return self.state.marketplace

    @marketplace.setter
    def marketplace(self, value: Marketplace) -> None:
        self.state.marketplace = value

    @property
    def stock(self) -> dict[str, int]:
        """The quantities that are live, by SKU."""
        return self.state.advance().stock

    @property
    def orders(self) -> dict[str, FakeOrder]:
        """Orders with their items, by order id."""
        return self.state.advance().orders

    @property
    def pickups(self) -> dict[str, FakePickup]:
        """Every pickup that was booked, by order id."""
        return self.state.advance().pickups

    @property
    def pickups_sent(self) -> dict[str, int]:
        """How often each order's pickup was asked for, refused or not: more than 1 means sent twice."""
        return self.state.advance().pickups_sent

    @property
    def packages(self) -> dict[str, FakePackage]:
        """Scheduled packages, by order id."""
        return self.state.advance().packages

    @property
    def portal_orders(self) -> Mapping[str, PortalOrder]:
        """The same orders as Seller Central shows them, live: for ``FakeSellerPortal`` and ``SellerCentralSite``."""
        return self._view

    def documents(self) -> dict[str, dict[str, str]]:
        """Hex SHA-256 of the panel's invoice and label of every order with a pickup, by order id and kind."""
        return papers(self.portal_orders, list(self.pickups))

    # What a test changes

    def add_sku(self, sku: str, quantity: int = 0) -> None:
        """Add a SKU, or set its live quantity; stock for unknown SKUs is refused."""
        self.state.add_sku(sku, quantity)

    def add_order(self, order: Order, items: Sequence[OrderItem] = (), *, easy_ship: bool = True) -> None:
        """Add an order (``make_order``) or replace it, with its items.

        Args:
            easy_ship: false for an order that Easy Ship does not carry: its pickup is refused.
        """
        self.state.add_order(order, items, easy_ship=easy_ship)

    def new_order(
        self, order_id: str | None = None, items: Sequence[OrderItem] = (), *, easy_ship: bool = True, **fields: Any
    ) -> Order:
        """Let a buyer order now: made by ``make_order``, dated by this fake's clock, and added.

        Args:
            order_id: the next free one without.
            items: one sample item without.
            **fields: further arguments of ``make_order``, such as ``status``.

        Returns:
            The order.
        """
        order_id = order_id or make_order_id(len(self.state.orders) + 1)
        items = tuple(items) or (make_item(marketplace=self.marketplace),)
        made = {"purchased_at": self.state.now(), "marketplace": self.marketplace, **fields}
        order = make_order(order_id, items=items, **made)
        self.add_order(order, items, easy_ship=easy_ship)
        return order

    def change_order(
        self,
        order_id: str,
        *,
        status: str | None = None,
        easy_ship_shipment_status: str | None = None,
        items: Sequence[OrderItem] | None = None,
    ) -> None:
        """Change an order now; its ``LastUpdateDate`` moves. Without arguments it is only touched.

        Raises:
            KeyError: there is no such order.
        """
        given = {"order_status": status, "easy_ship_shipment_status": easy_ship_shipment_status}
        changes = {name: value for name, value in given.items() if value is not None}
        self.state.advance().touch(order_id, self.state.now(), items=items, **changes)

    def cancel_order(self, order_id: str) -> None:
        """The order is cancelled now.

        Raises:
            KeyError: there is no such order.
        """
        self.change_order(order_id, status="Canceled")

    def request_cancellation(self, order_id: str, reason: str = "") -> None:
        """The buyer asks to cancel: every item shows it, and the order's status stays.

        Raises:
            KeyError: there is no such order.
        """
        request = BuyerRequestedCancel(is_buyer_requested_cancel=True, buyer_cancel_reason=reason or None)
        items = self.state.advance().orders[order_id].items
        self.change_order(order_id, items=[attrs.evolve(item, buyer_requested_cancel=request) for item in items])

    def schedule_pickup(self, order_id: str, day: date) -> None:
        """Book a pickup as a person does on the panel, without a feed or a call.

        Raises:
            KeyError: there is no such order.
        """
        self.state.advance().book(order_id, self.state.now(), day=day)

    def refuse(self, key: str, code: str, message: str, *, times: int | None = None) -> None:
        """Amazon refuses this SKU or order id with this code and text: ``times`` times, or from now on."""
        self.state.refuse(key, code, message, times=times)
