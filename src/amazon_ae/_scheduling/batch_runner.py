"""The feeds that this process carries: submitted, polled, reported, settled, or looked for when nobody answered.

A flight moves by small steps. Each step does one durable thing and may fail or die there; the next look, or another
process after the lease, goes on from what the store says::

    opened (place reserved, items in the batch)
      ├ answered   ─> place pinned ─> feed id saved ─> polled ─> report ─> settled
      ├ not sent   ─> place cancelled ─> settled (all RETRY)
      ├ refused    ─> place pinned ─> settled (all RETRY)
      └ no answer  ─> place pinned ─> looked for ─┬ found  ─> feed id saved ─> ...
                                                  ├ absent ─> settled (all RETRY)
                                                  └ unknown ─> settled (pickups UNKNOWN, stock RETRY)

The place is always booked before the batch is settled: a batch in the store is what owns an unanswered place.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import attrs

from amazon_ae._backoff import doubling
from amazon_ae._exceptions import (
    AmazonAeError,
    AmazonError,
    ConfigurationError,
    NotSent,
    OutcomeUnknown,
    QuotaExceeded,
    QuotaTimeout,
    RequestThrottled,
    StaleLease,
    StorageError,
)
from amazon_ae._models import events
from amazon_ae._models.feeds import (
    BatchTerms,
    FeedBatch,
    FeedItem,
    FeedReceipt,
    FeedState,
    InventoryUpdate,
    ItemKind,
    ItemOutcome,
    Outcome,
    PickupRequest,
)
from amazon_ae._models.stored import StoredBatch
from amazon_ae._scheduling.context import Room
from amazon_ae._scheduling.quota import FOREIGN, Ledger

__all__ = ["Flight", "Flights"]

logger: Final[logging.Logger] = logging.getLogger(__name__)

# A report that stays unreadable is given up on after so many attempts, about a quarter of an hour.
_REPORT_ATTEMPTS: Final = 6
_RETRY_FIRST: Final = 30.0
_RETRY_LIMIT: Final = 900.0
# Amazon cancelled a feed, or refused one for its content or our rights: a person may have to do something first.
_REST_FIRST: Final = 60.0
_REST_LIMIT: Final = 3600.0


@attrs.define(eq=False)
class Flight:
    """One batch that this process holds. Instants are our clock's, but those of ``batch`` and ``given_up_at`` (the
    store's).

    Attributes:
        since: when it was opened; from the answer on, when that came.
        look_at: nothing to do before.
        booking: what the ledger still has to be told.
        feed_id: Amazon's; ``saved`` once the store knows it.
        given_up_at: when the answer was given up on, if it was.
        outcomes: one per item, once known; the next step settles them.
        state, raw: Amazon's last word on the feed.
        refusal: the throttle error that answered it, if one did.
        busy: a step is being taken.
    """

    batch: StoredBatch
    feed: FeedBatch
    terms: BatchTerms
    since: datetime
    leased_at: datetime
    look_at: datetime
    booking: Callable[[Ledger], Ledger] | None = None
    feed_id: str | None = None
    submitted_at: datetime | None = None
    saved: bool = False
    given_up_at: datetime | None = None
    outcomes: Sequence[ItemOutcome] | None = None
    state: FeedState = FeedState.PROCESSING
    raw: str = ""
    attempts: int = 0
    delayed: bool = False
    refusal: str = ""
    busy: bool = False

    @property
    def batch_id(self) -> str:
        """Ours."""
        return self.batch.batch_id

    @property
    def kind(self) -> ItemKind:
        """Of its items."""
        return self.batch.kind

    @property
    def in_doubt(self) -> bool:
        """Sent, not answered, not settled."""
        return self.given_up_at is not None and self.feed_id is None and self.outcomes is None

    @property
    def polled(self) -> bool:
        """Amazon has it, and its status is what is waited for."""
        return self.saved and self.outcomes is None and self.state is not FeedState.DONE


class Flights:
    """See the module. ``on_outcomes`` hears of every batch that was settled."""

    __slots__ = ("_limits", "_on_outcomes", "held", "room")

    def __init__(self, room: Room, on_outcomes: Callable[[Flight, Sequence[ItemOutcome]], Awaitable[None]]) -> None:
        self.room: Room = room
        self.held: dict[str, Flight] = {}
        self._on_outcomes = on_outcomes
        self._limits: dict[ItemKind, int] = {}

    def limit(self, kind: ItemKind, most: int) -> int:
        """How many items the next batch may hold: fewer while one that breaks a rule is being singled out."""
        return min(self._limits.get(kind, most), most)

    def about(self, flight: Flight) -> dict[str, Any]:
        """What every event of a feed says."""
        return {
            "at": self.room.now(),
            "account": self.room.account,
            "kind": flight.kind,
            "batch_id": flight.batch_id,
            "size": len(flight.feed.items),
            "feed_id": flight.feed_id,
        }

    def hold(self, batch: StoredBatch, terms: BatchTerms) -> Flight:
        """Take a batch into our hands; its values are read back."""
        now = self.room.now()
        feed, spoilt = _feed(batch, terms.route)
        flight = Flight(
            batch=batch, feed=feed, terms=terms, since=now, leased_at=now, look_at=now, feed_id=batch.feed_id
        )
        if spoilt:
            flight.outcomes = spoilt  # nothing of it leaves: the others wait again, for the next batch
        self.held[batch.batch_id] = flight
        return flight

    def clock_set_back(self, now: datetime) -> None:
        """Nothing is to be looked at only in the future of a clock that was wrong."""
        for flight in self.held.values():
            flight.since, flight.leased_at = min(flight.since, now), min(flight.leased_at, now)
            flight.look_at = now

    # A new feed

    async def send(
        self, batch: StoredBatch, terms: BatchTerms, *, opened: datetime, waited_seconds: float, urgent: bool
    ) -> None:
        """Submit a batch that was just opened, and book what came of it. ``opened``: our clock before the store's
        verb.
        """
        room, flight = self.room, self.hold(batch, terms)
        if flight.outcomes is not None:
            flight.booking = lambda ledger: ledger.cancel(batch.batch_id)
            await self.carry(flight)
            return
        flight.busy = True
        try:
            if (room.now() - opened).total_seconds() > room.lease_seconds(terms) / 2:
                # This process was paused. The batch may soon be another's, so nothing of it may leave.
                raise NotSent("this process was paused between opening the batch and sending it")
            receipt = await room.bounded(terms.answer_seconds, room.gateway.submit(flight.feed))
        except (NotSent, QuotaTimeout, ConfigurationError) as error:
            flight.booking = lambda ledger: ledger.cancel(batch.batch_id)
            self._not_sent(flight, error)
        except AmazonError as error:
            self._refused(flight, error)
        except Exception as error:
            # OutcomeUnknown, an answer that nobody can read, or a fault of the gateway: Amazon may have it.
            if not isinstance(error, AmazonAeError):
                logger.exception("submitting batch %s failed unexpectedly", batch.batch_id)
            self.doubt(flight, room.store_now())
        else:
            self._accepted(flight, receipt, waited_seconds=waited_seconds, urgent=urgent)
        finally:
            flight.busy = False
        await self.carry(flight)

    def doubt(self, flight: Flight, given_up_at: datetime) -> None:
        """Amazon may have it: its place stays spent, and the feed is looked for once it must be visible."""
        self.answered(flight)
        flight.given_up_at = given_up_at
        visible = self.room.timing.visible_after_seconds - (self.room.store_now() - given_up_at).total_seconds()
        flight.look_at = self.room.now() + timedelta(seconds=max(0.0, visible))
        self.room.emit(events.FeedInDoubt(**self.about(flight)))

    @staticmethod
    def answered(flight: Flight) -> None:
        """Its place counts as spent when the ledger hears of it; twice is fine."""
        flight.booking = lambda ledger: ledger.pin(flight.batch_id)

    def _accepted(self, flight: Flight, receipt: FeedReceipt, *, waited_seconds: float, urgent: bool) -> None:
        room, seen = self.room, receipt.quota
        flight.booking = lambda ledger: ledger.pin(flight.batch_id, seen)
        flight.since = room.now()
        flight.look_at = flight.since + timedelta(seconds=flight.terms.first_poll_seconds)
        flight.submitted_at = receipt.submitted_at
        flight.feed_id = receipt.feed_id
        if receipt.feed_id is None:
            flight.outcomes = receipt.outcomes or ()
        if flight.outcomes is not None and all(told.outcome is Outcome.RETRY for told in flight.outcomes):
            room.hold(flight.kind, "a pause: nothing of the last batch was taken", first=5.0, limit=60.0)
        else:
            room.rested(flight.kind)
        self._limits.pop(flight.kind, None)
        room.emit(events.FeedSubmitted(**self.about(flight), waited_seconds=waited_seconds, urgent=urgent))

    def _not_sent(self, flight: Flight, error: AmazonAeError) -> None:
        items = flight.feed.items
        flight.outcomes = ()  # nobody has an outcome: all wait again
        if not isinstance(error, ConfigurationError):
            self._rest(flight, type(error).__name__, first=5.0, limit=300.0)
        elif len(items) == 1:
            flight.outcomes = [ItemOutcome(items[0].key, Outcome.REJECTED, type(error).__name__, str(error))]
        else:
            # One item breaks a rule. Halving finds it, and what is good leaves on the way.
            self._limits[flight.kind] = len(items) // 2

    def _refused(self, flight: Flight, error: AmazonError) -> None:
        room, name = self.room, flight.batch_id
        flight.outcomes = ()
        if room.rules[flight.kind] is None:  # no ledger that could make it wait
            self._rest(flight, error.code or type(error).__name__, first=_REST_FIRST, limit=_REST_LIMIT)
            return
        if isinstance(error, RequestThrottled):
            flight.booking = lambda ledger: ledger.pin(name).throttled()
        elif isinstance(error, QuotaExceeded):
            # Both instants are Amazon's, where both are there; only their difference means anything to the store.
            said = error.timestamp or room.now()
            left = None if error.retry_at is None else (error.retry_at - said).total_seconds()
            flight.booking = lambda ledger: ledger.pin(name).exceeded(left)
        else:
            self.answered(flight)
            self._rest(flight, error.code or type(error).__name__, first=_REST_FIRST, limit=_REST_LIMIT)
            return
        flight.refusal = type(error).__name__
        room.emit(events.FeedRefused(**self.about(flight), code=flight.refusal, hold_seconds=0.0))

    def _rest(self, flight: Flight, code: str, *, first: float, limit: float) -> None:
        seconds = self.room.hold(flight.kind, f"a pause after a failure ({code})", first=first, limit=limit)
        self.room.emit(events.FeedRefused(**self.about(flight), code=code, hold_seconds=seconds))

    # One step after the other

    async def carry(self, flight: Flight) -> None:
        """Do what can be done for a flight without asking Amazon how it stands."""
        if flight.busy:
            return
        flight.busy = True
        try:
            await self._book(flight)
            if flight.feed_id is not None and not flight.saved:
                await self._save(flight)
            if flight.state is FeedState.DONE and flight.outcomes is None:
                await self._report(flight)
            if flight.outcomes is not None:
                await self._settle(flight, flight.outcomes)
        except StaleLease:
            logger.info("batch %s is another process's now", flight.batch_id)
            self.held.pop(flight.batch_id, None)
        except StorageError as error:
            logger.warning("the store failed on batch %s: %s", flight.batch_id, error)
            self.later(flight, 1)
        finally:
            flight.busy = False

    def later(self, flight: Flight, attempts: int) -> None:
        """Look at it again after a pause that grows with the failures in a row."""
        seconds = doubling(attempts, first=_RETRY_FIRST, limit=_RETRY_LIMIT)
        flight.look_at = self.room.now() + timedelta(seconds=seconds)

    async def _book(self, flight: Flight) -> None:
        rule, booking = self.room.rules[flight.kind], flight.booking
        if booking is None:
            return
        if rule is None:  # a route that paces itself: there is no ledger to tell
            flight.booking = None
            return
        ledger = await self.room.book(rule, booking)
        flight.booking = None
        last = ledger.spent[-1] if ledger.spent else None
        reason = flight.refusal
        if last is not None and last.priority == FOREIGN and last.at == ledger.now:
            reason = "headers"
        if reason:
            at, account = self.room.now(), self.room.account
            self.room.emit(
                events.QuotaCorrected(at=at, account=account, quota=rule.name, reason=reason, quota_free=ledger.free)
            )

    async def _save(self, flight: Flight) -> None:
        room = self.room
        assert flight.feed_id is not None
        await room.storage.mark_submitted(
            flight.batch_id,
            flight.batch.fence,
            feed_id=flight.feed_id,
            submitted_at=flight.submitted_at or room.now(),
            lease_seconds=room.lease_seconds(flight.terms),
        )
        flight.leased_at, flight.saved = room.now(), True
        await room.note(flight.feed_id)

    async def _report(self, flight: Flight) -> None:
        """Fetch the report of a feed that is done; unreadable for good, its outcome is nobody's to guess."""
        assert flight.feed_id is not None
        try:
            report = await self.room.answer(self.room.gateway.report(flight.feed_id, flight.feed))
            flight.outcomes = report.outcomes
            return
        except (NotSent, OutcomeUnknown) as error:
            failure: AmazonAeError = error  # the network's fault: patience costs nothing
        except AmazonAeError as error:
            failure = error
            flight.attempts += not (isinstance(error, AmazonError) and error.retryable)
        logger.warning("the report of feed %s: %s", flight.feed_id, type(failure).__name__)
        self.tell_if_late(flight)
        if flight.attempts >= _REPORT_ATTEMPTS:
            self.give_up(flight, "ReportUnreadable", "Amazon processed the feed, but its report cannot be read")
        else:
            self.later(flight, max(1, flight.attempts))

    def tell_if_late(self, flight: Flight) -> None:
        """Once, when Amazon's people hold the feed, or when it takes too long."""
        age = (self.room.now() - flight.since).total_seconds()
        if flight.delayed or (flight.state is not FeedState.HELD and age < self.room.timing.stuck_after_seconds):
            return
        flight.delayed = True
        self.room.emit(events.FeedDelayed(**self.about(flight), status=flight.raw or "never listed", seconds=age))

    def give_up(self, flight: Flight, code: str, message: str) -> None:
        """Nobody will ever tell: stock is sent again, pickups are handed to the host."""
        outcome = Outcome.UNKNOWN if flight.kind is ItemKind.PICKUP else Outcome.RETRY
        flight.outcomes = [ItemOutcome(item.key, outcome, code, message) for item in flight.feed.items]

    def abandon(self, flight: Flight) -> None:
        """The host waits no longer."""
        self.give_up(flight, "FeedAbandoned", "the host gave up waiting for Amazon's report")

    def cancelled(self, flight: Flight) -> None:
        """Amazon cancelled it: nothing of it was taken, all its items wait again."""
        flight.outcomes = ()
        seconds = self.room.hold(
            flight.kind, "a pause: Amazon cancelled a feed", first=5 * _REST_FIRST, limit=_REST_LIMIT
        )
        self.room.emit(events.FeedCancelled(**self.about(flight), hold_seconds=seconds))

    async def _settle(self, flight: Flight, outcomes: Sequence[ItemOutcome]) -> None:
        room = self.room
        await room.storage.settle(flight.batch_id, flight.batch.fence, outcomes)
        self.held.pop(flight.batch_id, None)
        if flight.feed_id is not None or flight.given_up_at is not None:
            counts = Counter(outcome.outcome for outcome in outcomes)
            counts[Outcome.RETRY] += len(flight.feed.items) - len(outcomes)
            room.emit(
                events.FeedSettled(
                    **self.about(flight),
                    seconds=(room.now() - flight.since).total_seconds(),
                    accepted=counts[Outcome.ACCEPTED],
                    warned=counts[Outcome.ACCEPTED_WITH_WARNINGS],
                    rejected=counts[Outcome.REJECTED],
                    retried=counts[Outcome.RETRY],
                    unknown=counts[Outcome.UNKNOWN],
                )
            )
        await self._on_outcomes(flight, outcomes)


def _feed(batch: StoredBatch, route: str) -> tuple[FeedBatch, list[ItemOutcome]]:
    """The batch's values, read back, and the dead letters of those that nobody can read."""
    read = InventoryUpdate.from_text if batch.kind is ItemKind.INVENTORY else PickupRequest.from_text
    items, spoilt = [], []
    for number, (key, _, value) in enumerate(batch.items, 1):
        try:
            items.append(FeedItem(number, key, read(key, value)))
        except Exception as error:  # whatever a foreign value makes of the parser
            spoilt.append(ItemOutcome(key, Outcome.REJECTED, "Unreadable", f"{type(error).__name__}: {error}"))
    return FeedBatch(batch_id=batch.batch_id, kind=batch.kind, items=tuple(items), route=route), spoilt
