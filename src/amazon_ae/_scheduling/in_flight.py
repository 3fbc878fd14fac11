"""A batch that this process carries: its state between two steps."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

import attrs

from amazon_ae._models.feeds import (
    BatchTerms,
    FeedBatch,
    FeedItem,
    FeedState,
    FeedStatus,
    InventoryUpdate,
    ItemKind,
    ItemOutcome,
    Outcome,
    PickupRequest,
)
from amazon_ae._models.stored import StoredBatch
from amazon_ae._scheduling.batch_phases import BatchEvent, BatchPhase, next_phase
from amazon_ae._scheduling.quota import Ledger

__all__ = ["InFlightBatch", "occupied", "read_batch"]


@attrs.define(eq=False)
class InFlightBatch:
    """One batch. Instants are of this process's clock, except those of ``stored``, ``unanswered_since`` and
    ``sent_before``, which are the store's, and ``submitted_at``, which is Amazon's.

    Attributes:
        stored: the batch as the store gave it; its fence goes with every write.
        feed: its values, read back.
        terms: those under which it left, or would leave now if another process opened it.
        since: when it was opened; from the answer on, when that came.
        leased_at: when the lease was last renewed.
        due_at: no step is due before.
        phase: see ``batch_phases``.
        ledger_entry: the change that is still to be booked in the quota ledger.
        feed_id, submitted_at: Amazon's.
        unanswered_since: since when no answer is expected any more.
        sent_before: the request left before this instant, if it left.
        outcomes: one per item, once decided; items without one wait again.
        state, raw: the feed's status as Amazon stated it last.
        failures: failed steps in a row.
        delay_reported: the host knows that it takes too long.
        refusal: the throttle error that answered it, ``""`` if none did.
        answered_by_item: a route without feeds has answered.
        settled_keys: items whose outcome is durable already, one by one.
        busy: a step is under way.
    """

    stored: StoredBatch
    feed: FeedBatch
    terms: BatchTerms
    since: datetime
    leased_at: datetime
    due_at: datetime
    phase: BatchPhase = BatchPhase.OPENED
    ledger_entry: Callable[[Ledger], Ledger] | None = None
    feed_id: str | None = None
    submitted_at: datetime | None = None
    unanswered_since: datetime | None = None
    sent_before: datetime | None = None
    outcomes: Sequence[ItemOutcome] = ()
    state: FeedState = FeedState.PROCESSING
    raw: str = ""
    failures: int = 0
    delay_reported: bool = False
    refusal: str = ""
    settled_keys: set[str] = attrs.field(factory=set)
    answered_by_item: bool = False
    busy: bool = False

    @property
    def batch_id(self) -> str:
        """The id under which the store has it."""
        return self.stored.batch_id

    @property
    def kind(self) -> ItemKind:
        """The kind of all its items."""
        return self.stored.kind

    @property
    def has_feed(self) -> bool:
        """Whether its route submits feeds; the others answer item by item."""
        return not self.terms.answers_by_item

    @property
    def open_keys(self) -> list[str]:
        """Keys whose outcome is not durable yet."""
        return [item.key for item in self.feed.items if item.key not in self.settled_keys]

    def apply(self, event: BatchEvent) -> None:
        """Move to the next phase.

        Raises:
            IllegalTransition: ``event`` cannot happen now; nothing is changed.
        """
        self.phase = next_phase(self.phase, event)

    def decide(self, event: BatchEvent, outcomes: Iterable[ItemOutcome] = ()) -> None:
        """The outcomes are known; items without one wait again.

        Raises:
            IllegalTransition: ``event`` cannot happen now; nothing is changed.
        """
        self.apply(event)
        self.outcomes = tuple(outcomes)
        self.failures = 0

    def decide_all(self, event: BatchEvent, outcome: Outcome, code: str, message: str) -> None:
        """Every item that is not settled has this outcome; see ``decide``."""
        self.decide(event, [ItemOutcome(key, outcome, code, message) for key in self.open_keys])

    def seen(self, status: FeedStatus) -> None:
        """Take the status that Amazon states."""
        self.state, self.raw = status.state, status.raw

    def clock_set_back(self, now: datetime) -> None:
        """The clock was set back to ``now``: the next step is due."""
        self.since, self.leased_at = min(self.since, now), min(self.leased_at, now)
        self.due_at = now


@contextlib.contextmanager
def occupied(*batches: InFlightBatch) -> Iterator[None]:
    """While a step of these batches is under way, no other one begins."""
    before = [batch.busy for batch in batches]
    for batch in batches:
        batch.busy = True
    try:
        yield
    finally:
        for batch, busy in zip(batches, before, strict=True):
            batch.busy = busy


def read_batch(stored: StoredBatch, route: str) -> tuple[FeedBatch, list[ItemOutcome]]:
    """The batch with its values parsed, and a refusal for each that cannot be parsed."""
    read = InventoryUpdate.from_text if stored.kind is ItemKind.INVENTORY else PickupRequest.from_text
    items, unreadable = [], []
    for number, (key, _, value) in enumerate(stored.items, 1):
        try:
            items.append(FeedItem(number, key, read(key, value)))
        except Exception as error:  # a value that another program wrote may fail in any way
            unreadable.append(ItemOutcome(key, Outcome.REJECTED, "Unreadable", f"{type(error).__name__}: {error}"))
    return FeedBatch(batch_id=stored.batch_id, kind=stored.kind, items=tuple(items), route=route), unreadable
