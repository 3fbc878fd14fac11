"""The decisions of ``OrderSync`` about time: the cursor, the end of a window, which reads are final.

Plain functions of values; ``_orders.intake`` and ``_orders.reading`` perform the requests. The rules:

1. Amazon's index may show an order up to ``overlap`` late. So an instant is *final* once it was read in an answer that
   reaches ``overlap`` beyond it; the rest is read again by the next poll. What counts is the reach of the answer that
   showed the instant, not of the poll's last one: a poll of many requests takes minutes.
2. Pages are no snapshot. An order that is passed over between two pages was moved up because another one, *already
   seen*, left the window; and what leaves a window of the past has changed, so a later read shows its new version. A
   read of one page is sure at once, a read of several once none of its orders turns out to have changed meanwhile.
3. The durable cursor passes only what is final and sure.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import attrs

from amazon_ae._models.orders import Order

__all__ = [
    "EDGE",
    "INDEX_DELAY",
    "UNDATED",
    "OrderCursor",
    "PagedRead",
    "PollProgress",
    "cut",
    "next_end",
    "order_id_of",
    "sortable_instant",
    "span",
    "updated_text",
    "version_of",
]

# ListOrders' "after" and "before" include their ends or not, depending on the page that one reads: windows overlap by
# a second, hence the smallest one is two seconds long.
EDGE: Final = timedelta(seconds=1)
_SMALLEST: Final = 2 * EDGE
#: Answers reach to two minutes before the request (ListOrders, "LastUpdatedBefore").
INDEX_DELAY: Final = timedelta(minutes=2)
# Sorts behind every instant: a version without a last update (Amazon always sends one) is never forgotten.
UNDATED: Final = "~"
# The next window of a backlog is sized for so many orders, below the 100 of a page.
_AIM: Final = 80


@attrs.frozen
class OrderCursor:
    """The durable progress of one consumer.

    Attributes:
        complete_until: a poll begins ``overlap`` before it; everything earlier is acknowledged or has a document.
        floor: documents of acknowledged versions older than this may be gone: nothing older is new.
    """

    complete_until: datetime
    floor: datetime

    def to_text(self) -> str:
        """The document's text."""
        return json.dumps(
            {"complete_until": sortable_instant(self.complete_until), "floor": sortable_instant(self.floor)}
        )

    @classmethod
    def from_text(cls, text: str) -> OrderCursor:
        """Read back what ``to_text`` wrote."""
        value = json.loads(text)
        return cls(datetime.fromisoformat(value["complete_until"]), datetime.fromisoformat(value["floor"]))

    def joined(self, other: OrderCursor) -> OrderCursor:
        """The further of two cursors, field by field: both cover only final reads."""
        return OrderCursor(max(self.complete_until, other.complete_until), max(self.floor, other.floor))


@attrs.frozen
class PagedRead:
    """A read of several pages that is not sure yet (rule 2).

    Attributes:
        after: where its window begins.
        until: the part up to here is final by age.
        began: how far an answer reached when its first page came.
        ended: likewise for its last page.
        seen: the versions that it showed, by order id.
    """

    after: datetime
    until: datetime
    began: datetime
    ended: datetime
    seen: Mapping[str, str]

    @property
    def all_changes_by(self) -> datetime:
        """An answer that reaches this far shows whatever changed while the pages were read."""
        return self.ended + INDEX_DELAY

    def changed(self, versions: Mapping[str, str]) -> bool:
        """Whether one of its orders has another version among ``versions`` (by order id)."""
        return any(versions.get(order_id, version) != version for order_id, version in self.seen.items())


@attrs.define
class PollProgress:
    """The progress of one poll over its windows, in order.

    Attributes:
        overlap: how late Amazon's index may be.
        final_until: the next poll of this process begins here; ``None`` before the first window.
        closed: later windows do not move it: an instant behind them is not final.
        unsure: reads of several pages that wait for rule 2.
    """

    overlap: timedelta
    final_until: datetime | None = None
    closed: bool = False
    unsure: list[PagedRead] = attrs.field(factory=list)

    def window(self, after: datetime, until: datetime, reach: datetime) -> datetime | None:
        """A window was read whole by an answer that reached ``reach``; returns the end of its newly final part."""
        if self.closed:
            return None
        final = min(until - EDGE, reach - self.overlap) if until < reach else reach - self.overlap
        self.closed = until > reach - self.overlap
        self.final_until = final if self.final_until is None else max(self.final_until, final)
        return final if final > after else None

    def cursor(self) -> OrderCursor | None:
        """The durable cursor: behind everything that is not sure."""
        if self.final_until is None:
            return None
        start = min([self.final_until, *(read.after for read in self.unsure)])
        return OrderCursor(start + self.overlap, start)

    def next_start(self) -> datetime | None:
        """Where this process goes on: early enough to see what changed during reads that are not sure."""
        if self.final_until is None:
            return None
        return min([self.final_until, *(read.began - self.overlap for read in self.unsure)])


def sortable_instant(instant: datetime) -> str:
    """Texts that sort as their instants do."""
    # strftime writes the year 1, which some servers send for "never", without its zeros.
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def version_of(order: Order) -> str:
    """The name of one version of an order: last update, order id."""
    updated = order.last_update_date
    if updated is not None:
        return f"{sortable_instant(updated)}/{order.amazon_order_id}"
    counts = (order.order_status, order.number_of_items_shipped, order.number_of_items_unshipped)
    return f"{UNDATED}{'-'.join(map(str, counts))}/{order.amazon_order_id}"


def order_id_of(version: str) -> str:
    """The order id of a version."""
    return version.rpartition("/")[2]


def updated_text(version: str) -> str:
    """The last update of a version as ``sortable_instant`` writes it; sorts behind all instants where it has none."""
    return version.rpartition("/")[0]


def span(orders: Sequence[Order]) -> timedelta:
    """From the earliest to the latest update of these orders."""
    updates = _updates(orders)
    return max(updates) - min(updates) if updates else timedelta()


def cut(orders: Sequence[Order], after: datetime, before: datetime | None) -> datetime | None:
    """Where to end a window that does not fit a page: ``after`` < the result < ``before``; ``None`` if it is too small.

    The median of the page's last updates, since nothing says in which order Amazon lists them; behind most of them
    where the page itself is in order. Whole seconds.
    """
    smallest = after + _SMALLEST
    if before is not None and before <= smallest:
        return None
    shown = _updates(orders)
    updates = sorted(shown)
    index = len(updates) * 9 // 10 if shown == updates else len(updates) // 2
    middle = updates[index] if updates else smallest
    if before is not None and middle + EDGE >= before:
        middle = after + (before - after) / 2
    return max(smallest, middle.replace(microsecond=0) + EDGE)


def next_end(after: datetime, length: timedelta, count: int, reach: datetime) -> datetime | None:
    """Where to end the window that begins at ``after``, if the last one held ``count`` orders in ``length``.

    ``None``: it goes to the end of what Amazon shows.
    """
    factor = min(4.0, _AIM / count) if count else 4.0
    end = (after + max(_SMALLEST, length * factor)).replace(microsecond=0) + EDGE
    return end if end < reach else None


def _updates(orders: Collection[Order]) -> list[datetime]:
    return [order.last_update_date for order in orders if order.last_update_date is not None]
