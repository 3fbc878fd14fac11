"""What ``OrderSync`` decides: names of order versions, texts of its documents, the cursor, how to cut a window.

Plain functions of values; ``order_sync`` performs what they say.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import attrs

from amazon_ae._models.orders import Order

__all__ = [
    "EDGE",
    "UNDATED",
    "OrderCursor",
    "cut",
    "done_at",
    "done_text",
    "held_until",
    "open_text",
    "stamp",
    "ticket_of",
]

# ListOrders' "after" and "before" include their ends or not, depending on the page that one reads: windows overlap by
# a second, hence the smallest one is two seconds long.
EDGE: Final = timedelta(seconds=1)
_SMALLEST: Final = 2 * EDGE
# Sorts behind every instant: a version without a last update (Amazon always sends one) is never forgotten.
UNDATED: Final = "~"


@attrs.frozen
class OrderCursor:
    """How far one consumer has come.

    Attributes:
        complete_until: every change up to this instant is acknowledged, or has a document that says ``open``.
        floor: documents of acknowledged versions older than this may be gone: nothing older is new.
    """

    complete_until: datetime
    floor: datetime

    def to_text(self) -> str:
        """The document's text."""
        return json.dumps({"complete_until": stamp(self.complete_until), "floor": stamp(self.floor)})

    @classmethod
    def from_text(cls, text: str) -> OrderCursor:
        """Read back what ``to_text`` wrote."""
        value = json.loads(text)
        return cls(datetime.fromisoformat(value["complete_until"]), datetime.fromisoformat(value["floor"]))

    def joined(self, other: OrderCursor) -> OrderCursor:
        """The further of two cursors, field by field: both speak of windows that were settled as a whole."""
        return OrderCursor(max(self.complete_until, other.complete_until), max(self.floor, other.floor))


def stamp(instant: datetime) -> str:
    """Texts that sort as their instants do."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def ticket_of(order: Order) -> str:
    """The name of one version of an order: last update, order id."""
    updated = order.last_update_date
    if updated is not None:
        return f"{stamp(updated)}/{order.amazon_order_id}"
    counts = (order.order_status, order.number_of_items_shipped, order.number_of_items_unshipped)
    return f"{UNDATED}{'-'.join(map(str, counts))}/{order.amazon_order_id}"


def open_text(until: datetime | None) -> str:
    """The document of a version that is not acknowledged; ``until``: whoever took it holds it until then."""
    return json.dumps({"state": "open", "until": None if until is None else stamp(until)})


def done_text(now: datetime) -> str:
    """The document of an acknowledged version."""
    return json.dumps({"state": "done", "at": stamp(now)})


def done_at(text: str | None) -> str | None:
    """Since when the version is acknowledged, as ``stamp`` writes it; ``None`` if it is not."""
    if text is None:
        return None
    value = json.loads(text)
    return str(value["at"]) if value["state"] == "done" else None


def held_until(text: str | None) -> str:
    """Until when somebody holds the version, as ``stamp`` writes it; ``""`` if nobody does."""
    return "" if text is None else json.loads(text).get("until") or ""


def cut(orders: Sequence[Order], after: datetime, before: datetime | None) -> datetime | None:
    """Where to end a window that does not fit a page: ``after`` < the result < ``before``; ``None`` if it is too small.

    The median of the page's last updates, since nothing says in which order Amazon lists them; behind most of them
    where the page itself is in order. Whole seconds.
    """
    smallest = after + _SMALLEST
    if before is not None and before <= smallest:
        return None
    shown = [order.last_update_date for order in orders if order.last_update_date is not None]
    updates = sorted(shown)
    place = len(updates) * 9 // 10 if shown == updates else len(updates) // 2
    middle = updates[place] if updates else smallest
    if before is not None and middle + EDGE >= before:
        middle = after + (before - after) / 2
    return max(smallest, middle.replace(microsecond=0) + EDGE)
