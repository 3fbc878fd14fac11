"""Which orders may have a pickup scheduled, and what an order says about a pickup that was asked for. Pure.

``EasyShipShipmentStatus`` is an open list (MWS Orders API, "ListOrders"; the Selling Partner API's words of the same
name): a status that is not in the table below says nothing, so it neither refuses an order nor proves a pickup.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from enum import Enum, auto
from typing import Final

from amazon_ae._models.feeds import ItemOutcome, Outcome
from amazon_ae._models.orders import Order

__all__ = ["HAS_PICKUP", "LOOKUP_CODES", "PickupEvidence", "may_be_easy_ship", "pickup_evidence", "refusals"]

HAS_PICKUP: Final = "AlreadyScheduled"
_UNKNOWN: Final = "OrderUnknown"
_CANCELED: Final = "OrderCanceled"
_NOT_EASY_SHIP: Final = "NotEasyShip"
LOOKUP_CODES: Final = frozenset({HAS_PICKUP, _UNKNOWN, _CANCELED, _NOT_EASY_SHIP})
"""Codes with which the look-up refuses an order: checking it again costs a request, but no feed."""

_CANCELED_STATUSES: Final = ("Canceled", "Cancelled")
_UNSCHEDULED: Final = frozenset({"PendingSchedule", "LabelCanceled"})
_SCHEDULED: Final = frozenset(
    {
        "AtDestinationFC",
        "AtOriginFC",
        "Damaged",
        "Delivered",
        "DroppedOff",
        "Lost",
        "OutForDelivery",
        "PendingDropOff",
        "PendingPickUp",
        "PickedUp",
        "ReadyForPickup",
        "RejectedByBuyer",
        "ReturnedToSeller",
        "ReturningToSeller",
        "Undeliverable",
        "WaitingForPickup",
    }
)


class PickupEvidence(Enum):
    """Whether an order shows that Amazon has its pickup."""

    SCHEDULED = auto()  # Amazon has it
    UNSCHEDULED = auto()  # Amazon does not have it
    GONE = auto()  # the order is unknown or cancelled: no pickup can be scheduled
    UNCLEAR = auto()  # a status that is not in the table, or an order without any


def may_be_easy_ship(order: Order) -> bool:
    """Whether Easy Ship may carry this order: false only where Amazon's own warehouse ships it.

    MWS has no field that says Easy Ship for an order whose pickup is not scheduled yet, so the rest is Amazon's
    report to judge. A host that knows its shipping templates passes a stricter function, e.g. one over
    ``ship_service_level``.
    """
    return order.fulfillment_channel != "AFN"


def refusals(
    order_ids: Sequence[str], found: Sequence[Order], *, is_easy_ship: Callable[[Order], bool] = may_be_easy_ship
) -> list[ItemOutcome]:
    """The orders to refuse before a quota slot is spent, each with its reason; eligible ones are left out."""
    orders = {order.amazon_order_id: order for order in found}
    return [
        ItemOutcome(order_id, Outcome.REJECTED, *reason)
        for order_id in order_ids
        if (reason := _reason(orders.get(order_id), is_easy_ship)) is not None
    ]


def pickup_evidence(order_ids: Collection[str], found: Sequence[Order]) -> dict[str, PickupEvidence]:
    """For each order, whether Amazon has its pickup."""
    orders = {order.amazon_order_id: order for order in found}
    return {order_id: _evidence(orders.get(order_id)) for order_id in order_ids}


def _evidence(order: Order | None) -> PickupEvidence:
    if order is None or order.order_status in _CANCELED_STATUSES:
        return PickupEvidence.GONE
    status = order.easy_ship_shipment_status
    if status in _SCHEDULED or order.order_status == "Shipped":
        return PickupEvidence.SCHEDULED
    if not order.order_status:
        return PickupEvidence.UNCLEAR  # an answer that leaves out what no order can lack proves nothing
    return PickupEvidence.UNSCHEDULED if not status or status in _UNSCHEDULED else PickupEvidence.UNCLEAR


def _reason(order: Order | None, is_easy_ship: Callable[[Order], bool]) -> tuple[str, str] | None:
    if order is None:
        return _UNKNOWN, "Amazon does not know this order id in this account"
    if order.order_status in _CANCELED_STATUSES:
        return _CANCELED, "the order is cancelled: do not ship it"
    if not is_easy_ship(order):
        return _NOT_EASY_SHIP, "Amazon Easy Ship does not carry this order"
    if _evidence(order) is PickupEvidence.SCHEDULED:
        status = order.easy_ship_shipment_status or order.order_status
        return HAS_PICKUP, f"Amazon has this order's pickup already ({status})"
    return None
