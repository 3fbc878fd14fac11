"""Values that a store returns: items, batches in flight, counts."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import attrs

from amazon_ae._models.feeds import ItemKind

__all__ = ["Change", "ItemState", "QueueStats", "Receipt", "ReceiptState", "StoredBatch", "StoredItem"]


@attrs.frozen
class Change:
    """One item to be put.

    Attributes:
        key: SKU or order id.
        value: canonical JSON text; opaque to the store, which only compares it.
        urgent: leaves before the others.
        reference: the host's own reference, returned with the outcome.
    """

    key: str
    value: str
    urgent: bool = False
    reference: str | None = None


class ReceiptState(StrEnum):
    """The result of ``put``."""

    WAITING = "waiting"  # stored; it will be sent
    UNCHANGED = "unchanged"  # equal to the last accepted value: not sent again
    JOINED = "joined"  # keep_first: an earlier request for this key is kept


@attrs.frozen
class Receipt:
    """The result of ``put`` for one change.

    ``version`` is that of the newest value the store has for the key now; it grows with every value that is stored.
    """

    key: str
    version: int
    state: ReceiptState


class ItemState(StrEnum):
    """The state of an item."""

    WAITING = "waiting"
    IN_FLIGHT = "in_flight"  # in a feed whose outcome is not known yet
    ACCEPTED = "accepted"
    REJECTED = "rejected"  # a dead letter: code and message have the reason
    UNKNOWN = "unknown"  # the outcome cannot be determined: the host decides


@attrs.frozen(kw_only=True)
class StoredItem:
    """One item as the store has it.

    Attributes:
        key: SKU or order id.
        state: of the newest value: ``WAITING`` while a newer value waits, also when an older one is in flight.
        version: of the newest value.
        value: the newest value, canonical JSON text.
        urgent: leaves before the others.
        reference: the host's own, of the newest value.
        put_at: since when this key has something unsent (the first unsent change, not the last), aware UTC.
        batch_id, feed_id: the batch that carries an older or this value, if one is in flight.
        accepted_value, accepted_version, accepted_at: the value that Amazon last accepted.
        code, message: the reason of a rejection or warning; ``""`` otherwise.
    """

    key: str
    state: ItemState
    version: int
    value: str
    urgent: bool = False
    reference: str | None = None
    put_at: datetime
    batch_id: str | None = None
    feed_id: str | None = None
    accepted_value: str | None = None
    accepted_version: int | None = None
    accepted_at: datetime | None = None
    code: str = ""
    message: str = ""


@attrs.frozen(kw_only=True)
class StoredBatch:
    """A batch that was opened and is not settled.

    Attributes:
        batch_id: chosen by the process that opened it.
        fence: grows with every take-over; a write with an older fence raises ``StaleLease``.
        opened_at: the store's instant, aware UTC; no request for it left before.
        lease_until: from this instant on another process may take it over.
        feed_id, submitted_at: Amazon's, once ``mark_submitted`` stored them.
        items: (key, version, value) in message order, 1 to n: sorted by key, so that every load gives the same; empty
            where the verb does not load them.
        size: number of items it still carries; ``settle_some`` lowers it.
        route: the backend's name of its route (``BatchTerms.route``); ``""`` for a batch that was opened before
            routes had names.
    """

    batch_id: str
    account: str
    kind: ItemKind
    fence: int
    opened_at: datetime
    lease_until: datetime
    feed_id: str | None = None
    submitted_at: datetime | None = None
    items: tuple[tuple[str, int, str], ...] = ()
    size: int = 0
    route: str = ""


@attrs.frozen(kw_only=True)
class QueueStats:
    """Counts and ages of one account's items of one kind. Counts above the store's cap are given as the cap.

    Attributes:
        waiting: items that could leave now (not in flight, not dead).
        urgent: how many of them are urgent.
        in_flight: items in unsettled batches.
        dead: dead letters (rejected) that nobody retried or dropped; ``unknown``: items whose outcome cannot be
            determined.
        oldest_at: the oldest ``put_at`` of the waiting; ``oldest_urgent_at`` of the urgent ones.
    """

    waiting: int = 0
    urgent: int = 0
    in_flight: int = 0
    dead: int = 0
    unknown: int = 0
    oldest_at: datetime | None = None
    oldest_urgent_at: datetime | None = None
