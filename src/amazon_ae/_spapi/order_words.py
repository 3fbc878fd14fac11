"""Translates the values of Orders 2026-01-01 to MWS's and back. Pure.

Every rule of this library uses MWS's values: an untranslated one would make it refuse each unscheduled order.
Sources: ``orders_2026-01-01.json``, ``ordersV0.json``.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from amazon_ae._exceptions import ConfigurationError

__all__ = ["EASY_SHIP", "channel", "easy_ship_status", "order_status", "service_category", "status_filter"]

#: What ``programs`` holds for an order of Amazon Easy Ship.
EASY_SHIP: Final = "AMAZON_EASY_SHIP"

_ORDER_STATUS: Final = {
    "PENDING_AVAILABILITY": "PendingAvailability",
    "PENDING": "Pending",
    "UNSHIPPED": "Unshipped",
    "PARTIALLY_SHIPPED": "PartiallyShipped",
    "SHIPPED": "Shipped",
    "CANCELLED": "Canceled",
    "UNFULFILLABLE": "Unfulfillable",
}
_ORDER_FILTER: Final = {ours: theirs for theirs, ours in _ORDER_STATUS.items()}
_EASY_SHIP_STATUS: Final = {
    "LABEL_CANCELLED": "LabelCanceled",
    "AT_ORIGIN_FC": "AtOriginFC",
    "AT_DESTINATION_FC": "AtDestinationFC",
}
_CHANNEL: Final = {"MERCHANT": "MFN", "AMAZON": "AFN"}


def order_status(word: str | None) -> str:
    """``UNSHIPPED`` -> ``Unshipped``; a new word in the same spelling; ``""`` where there is none."""
    return _ORDER_STATUS.get(word or "") or _camel(word or "")


def status_filter(statuses: Collection[str]) -> tuple[str, ...]:
    """The values of ``fulfillmentStatuses`` for the library's statuses.

    Raises:
        ConfigurationError: a status that searchOrders cannot filter by.
    """
    if strange := sorted(set(statuses) - set(_ORDER_FILTER)):
        raise ConfigurationError(
            f"searchOrders knows no order status {', '.join(strange)}; it knows {', '.join(_ORDER_FILTER)}"
        )
    return tuple(_ORDER_FILTER[status] for status in statuses)


def easy_ship_status(word: str | None) -> str | None:
    """``PENDING_SCHEDULE`` -> ``PendingSchedule``; a new word in the same spelling."""
    return (_EASY_SHIP_STATUS.get(word) or _camel(word)) if word else None


def channel(word: str | None) -> str | None:
    """``MERCHANT`` -> ``MFN``, ``AMAZON`` -> ``AFN``; ``None`` for any other word."""
    return _CHANNEL.get(word or "")


def service_category(word: str | None) -> str | None:
    """``SECOND_DAY`` -> ``SecondDay``."""
    return _camel(word) if word else None


def _camel(word: str) -> str:
    # A value that has mixed case already is kept as it is.
    return word if word != word.upper() else "".join(part.capitalize() for part in word.split("_"))
