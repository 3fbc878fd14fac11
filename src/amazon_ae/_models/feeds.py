"""Feeds in business words: items, batches, and the outcome of each item.

*A feed is a batch of items; an item has a key.* A stock change is keyed by SKU and the latest value wins; a pickup is
keyed by order id and the first request wins. An item's value travels through storage as canonical JSON text, so that
two equal values are equal texts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from math import inf
from typing import Any, Final

import attrs

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.checks import check_measure, measure
from amazon_ae._models.text import refuse_blank_edges, refuse_control

__all__ = [
    "BatchTerms",
    "FeedBatch",
    "FeedItem",
    "FeedReceipt",
    "FeedReport",
    "FeedState",
    "FeedStatus",
    "InventoryUpdate",
    "ItemKind",
    "ItemOutcome",
    "Outcome",
    "PickupRequest",
    "QuotaRule",
    "QuotaSeen",
]

# Our limit, not Amazon's: far above any stock, and within the range of every database and JSON parser.
_QUANTITY_BITS: Final = 63


class ItemKind(StrEnum):
    """What an item is. Each kind has its own feed type, and one kind never waits behind another's stuck feed."""

    INVENTORY = "inventory"
    PICKUP = "pickup"


def _check_sku(_: object, __: object, sku: str) -> None:
    if not isinstance(sku, str):
        raise ConfigurationError(f"SKU must be a text, not {sku!r}")
    # Inventory.xsd: SKU is 1-40 characters.
    if not 1 <= len(sku) <= 40:
        raise ConfigurationError(f"SKU must have 1-40 characters, this one has {len(sku)}: {sku[:60]!r}")
    # One stored SKU that XML cannot carry would make every feed with it invalid, so it is refused here. That tabs, line
    # ends and blanks at the edges are refused is our own rule: XML could carry them, but no flat file, no order and no
    # report that Amazon sends could name such a SKU, so its outcome would be lost.
    refuse_control(sku, f"SKU {sku!r}", carrier="Amazon's report")
    refuse_blank_edges(sku, f"SKU {sku!r}")


def _check_quantity(update: InventoryUpdate, _: object, value: int) -> None:
    if type(value) is not int or value < 0:
        raise ConfigurationError(f"quantity of {update.sku!r} must be a whole number >= 0, not {value!r}")
    if value.bit_length() > _QUANTITY_BITS:
        raise ConfigurationError(f"quantity of {update.sku!r} has more than {_QUANTITY_BITS} bits")


def _check_latency(update: InventoryUpdate, _: object, value: int | None) -> None:
    if value is not None and (type(value) is not int or value < 1):
        raise ConfigurationError(f"fulfillment latency of {update.sku!r} must be >= 1 day, not {value!r}")


def _check_restock(update: InventoryUpdate, _: object, value: date | None) -> None:
    if value is not None and not _is_day(value):
        raise ConfigurationError(f"restock_date of {update.sku!r} must be a date, not {value!r}")


def _check_reference(update: InventoryUpdate, _: object, value: str | None) -> None:
    if value is not None and not isinstance(value, str):
        raise ConfigurationError(f"reference of {update.sku!r} must be a text, not {value!r}")


def _is_day(value: object) -> bool:
    # A datetime is a date to Python, but has a zone of its own or none, and its text is not that of a day.
    return isinstance(value, date) and not isinstance(value, datetime)


@attrs.frozen
class InventoryUpdate:
    """The absolute stock of one SKU.

    Attributes:
        sku: the seller's SKU, 1-40 characters, none of them a control character, no blank first or last.
        quantity: pieces available to sell, >= 0 and below 2**63.
        fulfillment_latency_days: days from order to shipment, >= 1; ``None`` leaves Amazon's value.
        restock_date: the day on which the SKU is sold again (no ``datetime``); ``None`` leaves it out.
        reference: the host's own reference, returned with the outcome; not sent to Amazon.
    """

    sku: str = attrs.field(validator=_check_sku)
    quantity: int = attrs.field(validator=_check_quantity)
    fulfillment_latency_days: int | None = attrs.field(default=None, kw_only=True, validator=_check_latency)
    restock_date: date | None = attrs.field(default=None, kw_only=True, validator=_check_restock)
    reference: str | None = attrs.field(default=None, kw_only=True, validator=_check_reference)

    def to_text(self) -> str:
        """The value as canonical JSON (sorted, no blanks); the key and the reference are not part of it."""
        # Numbers and dates need no escaping, and a JSON encoder takes ten times as long over 100,000 changes.
        text = f'"quantity":{self.quantity}'
        if self.fulfillment_latency_days is not None:
            text = f'"latency":{self.fulfillment_latency_days},{text}'
        if self.restock_date is not None:
            text = f'{text},"restock":"{self.restock_date.isoformat()}"'
        return f"{{{text}}}"

    @classmethod
    def from_text(cls, sku: str, text: str) -> InventoryUpdate:
        """Read back what ``to_text`` wrote."""
        value = json.loads(text)
        restock = value.get("restock")
        return cls(
            sku,
            value["quantity"],
            fulfillment_latency_days=value.get("latency"),
            restock_date=date.fromisoformat(restock) if restock else None,
        )


def _check_measure(request: PickupRequest, attribute: attrs.Attribute[Decimal | None], value: Decimal | None) -> None:
    if value is not None:
        check_measure(f"{attribute.name} of order {request.order_id!r}", value)


def _check_line(request: PickupRequest, attribute: attrs.Attribute[Any], value: str | None) -> None:
    if value is not None:
        what = f"{attribute.name} of order {request.order_id!r}"
        if not isinstance(value, str) or not value.strip():
            raise ConfigurationError(f"{what} must be a text and not empty (None leaves it out), not {value!r}")
        refuse_control(value, what)
        refuse_blank_edges(value, what)


def _check_order_id(_: object, __: object, order_id: str) -> None:
    if not isinstance(order_id, str) or not order_id:
        raise ConfigurationError(f"order_id must be an Amazon order id, not {order_id!r}")
    refuse_control(order_id, f"order id {order_id!r}")


def _check_date(request: PickupRequest, _: object, value: date) -> None:
    if not _is_day(value):
        raise ConfigurationError(f"pickup_date of order {request.order_id!r} must be a date, not {value!r}")


@attrs.frozen(kw_only=True)
class PickupRequest:
    """A parcel to be collected by Amazon Easy Ship.

    Attributes:
        order_id: the channel (Amazon) order id, 3-7-7 digits.
        pickup_date: the day in the marketplace's time zone.
        pickup_time: the slot as the marketplace's template wants it, e.g. ``"10:00 AM"`` (UAE's values: UNVERIFIED).
        weight_grams: the packed parcel's weight, as int, ``Decimal`` or text.
        length_cm, width_cm, height_cm: outside measures; length the largest, height the smallest.
        package_identifier: printed on the label; ``None`` prints the order id.
        invoice_id: the newer template's extra column.
    """

    order_id: str = attrs.field(validator=_check_order_id)
    pickup_date: date = attrs.field(validator=_check_date)
    pickup_time: str | None = attrs.field(default=None, validator=_check_line)
    weight_grams: Decimal | None = attrs.field(default=None, converter=measure, validator=_check_measure)
    length_cm: Decimal | None = attrs.field(default=None, converter=measure, validator=_check_measure)
    width_cm: Decimal | None = attrs.field(default=None, converter=measure, validator=_check_measure)
    height_cm: Decimal | None = attrs.field(default=None, converter=measure, validator=_check_measure)
    package_identifier: str | None = attrs.field(default=None, validator=_check_line)
    invoice_id: str | None = attrs.field(default=None, validator=_check_line)

    def to_text(self) -> str:
        """The value as canonical JSON; the key (order id) is not part of it."""
        value = {
            field.name: str(item)
            for field in attrs.fields(PickupRequest)
            if field.name != "order_id" and (item := getattr(self, field.name)) is not None
        }
        return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_text(cls, order_id: str, text: str) -> PickupRequest:
        """Read back what ``to_text`` wrote."""
        value: dict[str, Any] = json.loads(text)
        for name in ("weight_grams", "length_cm", "width_cm", "height_cm"):
            if name in value:
                value[name] = Decimal(value[name])
        value["pickup_date"] = date.fromisoformat(value["pickup_date"])
        return cls(order_id=order_id, **value)


@attrs.frozen
class FeedItem:
    """One item inside a batch. ``message_id`` is its 1-based position in the feed, by which the report names items."""

    message_id: int
    key: str
    value: InventoryUpdate | PickupRequest


@attrs.frozen(kw_only=True)
class FeedBatch:
    """The items that leave together.

    Attributes:
        batch_id: unique; stored before anything is sent.
        kind: of all items.
        items: in ``message_id`` order, 1 to n.
        route: ``BatchTerms.route`` of the terms under which the batch was opened; a gateway refuses one of another
            backend.
    """

    batch_id: str
    kind: ItemKind
    items: tuple[FeedItem, ...]
    route: str = ""

    def pickups(self) -> tuple[PickupRequest, ...]:
        """The pickups of the batch, in its order.

        Raises:
            ConfigurationError: an item of another kind, or under another order's id.
        """
        found = []
        for item in self.items:
            if not isinstance(item.value, PickupRequest) or item.value.order_id != item.key:
                raise ConfigurationError(f"item {item.message_id} of a pickup batch is no pickup of {item.key!r}")
            found.append(item.value)
        return tuple(found)

    def updates(self) -> Iterator[InventoryUpdate]:
        """The stock updates of the batch, in its order.

        Raises:
            ConfigurationError: an item of another kind, or under another SKU.
        """
        for item in self.items:
            if not isinstance(item.value, InventoryUpdate) or item.value.sku != item.key:
                raise ConfigurationError(
                    f"item {item.message_id} of an inventory batch is no stock update of {item.key!r}"
                )
            yield item.value


class Outcome(StrEnum):
    """The outcome of one item."""

    ACCEPTED = "accepted"
    ACCEPTED_WITH_WARNINGS = "accepted_with_warnings"
    REJECTED = "rejected"
    RETRY = "retry"  # not the item's fault (cancelled feed, outage): it waits again
    UNKNOWN = "unknown"  # cannot be determined: a person must check (pickups only)


@attrs.frozen
class ItemOutcome:
    """The outcome of one item: Amazon's code and text where it was refused or warned about, else ``""``."""

    key: str
    outcome: Outcome
    code: str = ""
    message: str = ""


@attrs.frozen(kw_only=True)
class QuotaRule:
    """The limits that one kind of request draws on. Every number is Amazon's, never ours.

    Attributes:
        name: requests that share the quota share this name, e.g. ``"A1SELLER/developer/SubmitFeed"``; also the ledger's
            name in storage.
        burst: slots in the bucket when nothing was spent for long.
        restore_seconds: one slot comes back per this many seconds.
        limit: at most this many in any rolling ``window_seconds``; ``None`` where Amazon sets none.
        window_seconds: the length of that window: 3,600 for MWS ("30 an hour"), 300 for "5 feeds in 5 minutes".

    Raises:
        ConfigurationError: limits under which no request could ever leave.
    """

    name: str
    burst: int
    restore_seconds: float
    limit: int | None = None
    window_seconds: float = 3600.0

    def __attrs_post_init__(self) -> None:
        if self.burst < 1 or (self.limit is not None and self.limit < 1):
            raise ConfigurationError(f"quota {self.name}: burst and limit must be at least 1")
        if not (0 < self.restore_seconds < inf and 0 < self.window_seconds < inf):
            raise ConfigurationError(f"quota {self.name}: restore_seconds and window_seconds must be above 0")


@attrs.frozen(kw_only=True)
class BatchTerms:
    """The terms of the next batch of a kind. Durations are in seconds.

    Attributes:
        route: the backend's name of the route, e.g. ``"mws:feed"``; stored with the batch, so that another backend's
            process leaves it alone.
        quota: the rule that the batch draws on; equal rules are shared. ``None``: the route paces itself.
        max_items: the most items in one batch.
        answer_seconds: how long ``submit`` may take. A route that settles item by item renews its lease while it makes
            progress, and may take longer.
        first_poll_seconds: the age at which a feed's status is first asked for; irrelevant to a route without feeds.
        coalesce_seconds: a batch leaves this long after the oldest put, so that changes travel together.
        exclusive: at most one unsettled batch of this account, kind and route.
        answers_by_item: the route submits no feed: each item gets its own answer, and sending again is safe, because
            the route recognises what Amazon has already.
    """

    route: str
    quota: QuotaRule | None
    max_items: int
    answer_seconds: float = 120.0
    first_poll_seconds: float = 65.0
    coalesce_seconds: float = 0.0
    exclusive: bool = True
    answers_by_item: bool = False


@attrs.frozen(kw_only=True)
class QuotaSeen:
    """The hourly quota in Amazon's headers; advisory, since it lags.

    Attributes:
        maximum: requests an hour.
        remaining: requests left in Amazon's hour.
        resets_at: when Amazon's hour ends, aware UTC.
    """

    maximum: float
    remaining: float
    resets_at: datetime | None = None


@attrs.frozen(kw_only=True)
class FeedReceipt:
    """Amazon's answer to a submitted batch.

    Attributes:
        feed_id: poll its status by this; ``None`` where the route answers at once (``outcomes`` is then complete).
        submitted_at: Amazon's instant, aware UTC.
        outcomes: one per item, for routes that need no feed; else ``None``.
        quota: the hourly quota that Amazon stated, where the answer has it.
    """

    feed_id: str | None
    submitted_at: datetime
    outcomes: tuple[ItemOutcome, ...] | None = None
    quota: QuotaSeen | None = None


class FeedState(StrEnum):
    """The state of a feed, the same for every backend."""

    PROCESSING = "processing"  # also every status this version does not know
    HELD = "held"  # held by Amazon for manual review (_IN_SAFETY_NET_); it may take days
    DONE = "done"  # the report can be fetched
    CANCELLED = "cancelled"  # nothing of it was taken
    FAILED = "failed"  # ended; some, none or all of it was done: the report shows it, where there is one


@attrs.frozen(kw_only=True)
class FeedStatus:
    """Amazon's status of one feed. ``raw`` is Amazon's own word.

    ``submitted_at``, ``started_at`` (of processing) and ``completed_at`` are Amazon's, aware UTC, where it states them.
    """

    feed_id: str
    kind: ItemKind | None
    state: FeedState
    raw: str
    submitted_at: datetime | None = None
    completed_at: datetime | None = None
    started_at: datetime | None = None


@attrs.frozen(kw_only=True)
class FeedReport:
    """A processing report: exactly one outcome per item of the batch, in the batch's order.

    Attributes:
        outcomes: one per item.
        processed: the number of messages that Amazon processed; ``None`` where the report does not state it.
    """

    outcomes: tuple[ItemOutcome, ...]
    processed: int | None = None
