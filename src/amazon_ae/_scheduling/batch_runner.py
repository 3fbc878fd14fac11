"""Takes the batches of this process from step to step: book, store the feed id, fetch the report, settle."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from amazon_ae._backoff import doubling
from amazon_ae._exceptions import (
    AmazonAeError,
    AmazonError,
    NotSent,
    OutcomeUnknown,
    StaleLease,
    StorageError,
)
from amazon_ae._models import events
from amazon_ae._models.feeds import BatchTerms, FeedState, ItemKind, ItemOutcome, Outcome
from amazon_ae._models.refusals import RetryBudget
from amazon_ae._models.stored import StoredBatch
from amazon_ae._scheduling.batch_phases import BatchEvent, BatchPhase
from amazon_ae._scheduling.context import SchedulerContext
from amazon_ae._scheduling.cooldowns import Cooldowns
from amazon_ae._scheduling.feed_pace import PollSteps, first_poll
from amazon_ae._scheduling.in_flight import InFlightBatch, occupied, read_batch
from amazon_ae._scheduling.late_feeds import LateFeed
from amazon_ae._scheduling.order_lookup import PickupLookup
from amazon_ae._scheduling.quota import FOREIGN
from amazon_ae._scheduling.shared_state import SharedState
from amazon_ae._scheduling.waiters import Waiters

__all__ = ["BatchRunner"]

logger: Final[logging.Logger] = logging.getLogger(__name__)

# A report that stays unreadable is given up on after so many attempts, about a quarter of an hour.
_REPORT_ATTEMPTS: Final = 6
# After so many unreadable reports in a row the stock of a feed is not sent again: it becomes dead letters.
_UNREADABLE_REPORTS: Final = 5
_RETRY_FIRST: Final = 30.0
_RETRY_LIMIT: Final = 900.0
# Amazon cancelled a feed: a person may have to do something first.
_CANCELLED_FIRST: Final = 300.0
_CANCELLED_LIMIT: Final = 3600.0

_P, _E = BatchPhase, BatchEvent


class BatchRunner:
    """The batches that this process carries, by batch id."""

    __slots__ = ("_cooldowns", "_lookup", "_steps", "_unreadable", "_waiters", "batches", "context", "shared")

    def __init__(
        self,
        context: SchedulerContext,
        shared: SharedState,
        cooldowns: Cooldowns,
        lookup: PickupLookup,
        waiters: Waiters,
    ) -> None:
        self.context: SchedulerContext = context
        self.shared: SharedState = shared
        self._cooldowns = cooldowns
        self._lookup = lookup
        self._waiters = waiters
        self._unreadable = RetryBudget(_UNREADABLE_REPORTS)
        self.batches: dict[str, InFlightBatch] = {}
        self._steps: dict[BatchPhase, Callable[[InFlightBatch], Awaitable[None]]] = {
            _P.SUBMITTED: self._store_feed_id,
            _P.REPORTING: self._fetch_report,
            _P.DECIDED: self._settle,
        }

    def carry(self, stored: StoredBatch, terms: BatchTerms, phase: BatchPhase = _P.OPENED) -> InFlightBatch:
        """Start to carry a batch and parse its values. If one that was just opened has values that cannot be parsed,
        those become dead letters, and the other items wait for the next batch.
        """
        now = self.context.now()
        feed, unreadable = read_batch(stored, stored.route or terms.route)
        batch = InFlightBatch(
            stored=stored,
            feed=feed,
            terms=terms,
            since=now,
            leased_at=now,
            due_at=now,
            phase=phase,
            feed_id=stored.feed_id,
            submitted_at=stored.submitted_at,
        )
        if unreadable and phase is _P.OPENED:
            batch.decide(_E.NOT_SENT, unreadable)
        self.batches[batch.batch_id] = batch
        return batch

    async def advance(self, batch: InFlightBatch) -> None:
        """Take every step that is due. The report is fetched here; the feed's status comes from ``StatusPolls``."""
        if batch.busy:
            return
        with occupied(batch):
            try:
                await self._book(batch)
                while (step := self._steps.get(batch.phase)) is not None:
                    phase = batch.phase
                    await step(batch)
                    if batch.phase is phase:
                        break  # it failed, and is tried again later
            except StaleLease:
                await self.lose(batch)
            except StorageError as error:
                logger.warning("the store failed on batch %s: %s", batch.batch_id, error)
                self.later(batch, 1)

    async def lose(self, batch: InFlightBatch) -> None:
        """Another process took the batch over. If this one sent it too, Amazon may have it twice."""
        logger.info("batch %s belongs to another process now", batch.batch_id)
        self.batches.pop(batch.batch_id, None)
        overlapping = batch.has_feed and self._sent_after_its_lease(batch)
        batch.apply(_E.LEASE_LOST)
        if not overlapping:
            return
        if batch.feed_id is not None:
            await self.shared.note_answer(batch.batch_id, batch.feed_id)
        await self.leave_behind(batch)
        if batch.kind is ItemKind.INVENTORY:
            await self.context.storage.requeue(self.context.account, batch.kind, batch.open_keys)
        self.context.emit(events.FeedSentTwice(**self.about(batch)))
        if batch.kind is ItemKind.PICKUP:
            self.context.sent_twice(batch.open_keys, batch.batch_id)

    def _sent_after_its_lease(self, batch: InFlightBatch) -> bool:
        """Whether this process was still sending when its lease ended. The new owner's search covers an earlier
        request.
        """
        if batch.phase is not _P.UNANSWERED or batch.unanswered_since is None:
            return batch.phase in (_P.SENDING, _P.SUBMITTED)
        context = self.context
        over_for = (context.now() - batch.leased_at).total_seconds() - context.lease_seconds(batch.terms)
        return (context.store_now() - batch.unanswered_since).total_seconds() < over_for

    async def leave_behind(self, batch: InFlightBatch, keys: Sequence[str] | None = None) -> None:
        """Remember a request whose batch, or ``keys`` of it, is settled without Amazon's outcome: a *late feed*."""
        context = self.context
        late = LateFeed.of(
            batch.kind,
            batch.batch_id,
            batch.feed.route,
            feed_id=batch.feed_id,
            now=context.store_now(),
            window=self.arrival_window(batch),
            keys=batch.open_keys if keys is None else keys,
        )
        await self.shared.write_late(late)

    def arrival_window(self, batch: InFlightBatch) -> tuple[datetime, datetime]:
        """When Amazon may have received a batch's request, on its clock.

        A request may arrive after its sender gave up, so the window ends when Amazon must list everything it received.
        """
        context = self.context
        last = (batch.sent_before or context.store_now()) + timedelta(seconds=context.timing.visible_after_seconds)
        return context.amazon_window(batch.stored.opened_at, last)

    def later(self, batch: InFlightBatch, attempts: int) -> None:
        """Take the next step after a pause that grows with the failures in a row."""
        seconds = doubling(attempts, first=_RETRY_FIRST, limit=_RETRY_LIMIT)
        batch.due_at = self.context.now() + timedelta(seconds=seconds)

    # The steps

    async def _book(self, batch: InFlightBatch) -> None:
        rule, entry = batch.terms.quota, batch.ledger_entry
        if entry is None:
            return
        if rule is None:  # a route that paces itself has no ledger
            batch.ledger_entry = None
            return
        ledger = await self.shared.book(rule, entry)
        batch.ledger_entry = None
        last = ledger.spent[-1] if ledger.spent else None
        reason = batch.refusal
        if last is not None and last.priority == FOREIGN and last.at == ledger.now:
            reason = "headers"
        if reason:
            at, account = self.context.now(), self.context.account
            self.context.emit(
                events.QuotaCorrected(at=at, account=account, quota=rule.name, reason=reason, quota_free=ledger.free)
            )

    async def _store_feed_id(self, batch: InFlightBatch) -> None:
        context = self.context
        assert batch.feed_id is not None
        await context.storage.mark_submitted(
            batch.batch_id,
            batch.stored.fence,
            feed_id=batch.feed_id,
            submitted_at=batch.submitted_at or context.store_now(),
            lease_seconds=context.lease_seconds(batch.terms),
        )
        batch.leased_at = context.now()
        batch.apply(_E.STORED)
        await self.shared.note_feeds([batch.feed_id])
        pace = await self.shared.pace(batch.kind)
        first = first_poll(pace, PollSteps.of(batch.kind), default=batch.terms.first_poll_seconds)
        batch.due_at = batch.since + timedelta(seconds=first)
        if batch.state in (FeedState.DONE, FeedState.FAILED):  # it was found when it had ended
            batch.apply(_E.ENDED)

    async def _fetch_report(self, batch: InFlightBatch) -> None:
        """Fetch the report of a feed that has ended; after some attempts, its outcome counts as unknown."""
        assert batch.feed_id is not None
        try:
            report = await self.context.answer(self.context.gateway.report(batch.feed_id, batch.feed))
            outcomes: Sequence[ItemOutcome] = report.outcomes
            if batch.kind is ItemKind.PICKUP:
                outcomes = await self._lookup.accepted_before(outcomes)
            self._unreadable.forget(outcome.key for outcome in outcomes)
            batch.decide(_E.REPORTED, outcomes)
            return
        except StorageError:
            raise
        except (NotSent, OutcomeUnknown) as error:
            failure: AmazonAeError = error  # the network's fault: waiting costs nothing
        except AmazonAeError as error:
            failure = error
            batch.failures += not (isinstance(error, AmazonError) and error.retryable)
        logger.warning("the report of feed %s: %s", batch.feed_id, type(failure).__name__)
        self.report_delay(batch)
        if batch.failures >= _REPORT_ATTEMPTS or self._is_overdue(batch, failure):
            self._give_up_report(batch)
        else:
            self.later(batch, max(1, batch.failures))

    def _is_overdue(self, batch: InFlightBatch, failure: AmazonAeError) -> bool:
        """Whether stock waits no longer for a report that Amazon itself fails to give."""
        age = (self.context.now() - batch.since).total_seconds()
        stock = batch.kind is ItemKind.INVENTORY and isinstance(failure, AmazonError)
        return stock and age >= self.context.timing.pass_after_seconds

    def _give_up_report(self, batch: InFlightBatch) -> None:
        code, message = "ReportUnreadable", "Amazon processed the feed, but its report cannot be read"
        if batch.kind is ItemKind.PICKUP:
            self.give_up(batch, code, message)
            return
        outcomes = [ItemOutcome(key, Outcome.RETRY, code, message) for key in batch.open_keys]
        batch.decide(_E.GIVEN_UP, self._unreadable.apply(outcomes))

    async def _settle(self, batch: InFlightBatch) -> None:
        context = self.context
        if batch.kind is ItemKind.PICKUP and batch.answered_by_item:
            done = {outcome.key for outcome in batch.outcomes if outcome.outcome is not Outcome.RETRY}
            if again := [key for key in batch.open_keys if key not in done]:
                await self.leave_behind(batch, again)  # one of them may have reached Amazon
        settled = await context.storage.settle(batch.batch_id, batch.stored.fence, batch.outcomes)
        self.batches.pop(batch.batch_id, None)
        batch.apply(_E.SETTLED)
        if batch.feed_id is not None or batch.unanswered_since is not None:
            counts = Counter(outcome.outcome for outcome in settled)
            context.emit(
                events.FeedSettled(
                    **self.about(batch),
                    seconds=(context.now() - batch.since).total_seconds(),
                    accepted=counts[Outcome.ACCEPTED],
                    warned=counts[Outcome.ACCEPTED_WITH_WARNINGS],
                    rejected=counts[Outcome.REJECTED],
                    retried=counts[Outcome.RETRY],
                    unknown=counts[Outcome.UNKNOWN],
                )
            )
        if batch.kind is ItemKind.PICKUP:
            await self.pickups_settled(settled)

    async def settle_some(self, batch: InFlightBatch, outcomes: Sequence[ItemOutcome]) -> None:
        """Store outcomes of a route without feeds as they come; the batch goes on with the others.

        Raises:
            StaleLease: another process took the batch over.
        """
        context = self.context
        settled = await context.storage.settle_some(
            batch.batch_id, batch.stored.fence, outcomes, lease_seconds=context.lease_seconds(batch.terms)
        )
        batch.leased_at = context.now()
        batch.settled_keys.update(outcome.key for outcome in settled)
        if batch.kind is ItemKind.PICKUP:
            await self.pickups_settled(settled)

    async def pickups_settled(self, settled: Sequence[ItemOutcome]) -> None:
        """Wake the callers. An order whose pickup may be sent again is looked up again first."""
        again = (Outcome.RETRY, Outcome.REJECTED, Outcome.UNKNOWN)
        await self._waiters.settled(settled)
        await self._lookup.forget({outcome.key for outcome in settled if outcome.outcome in again})

    # Decisions without a report

    def give_up(self, batch: InFlightBatch, code: str, message: str) -> None:
        """Stop waiting for Amazon: stock is sent again, pickups become unknown."""
        outcome = Outcome.UNKNOWN if batch.kind is ItemKind.PICKUP else Outcome.RETRY
        batch.decide_all(_E.GIVEN_UP, outcome, code, message)

    async def abandon(self, batch: InFlightBatch) -> None:
        """The host gave this batch up."""
        await self.leave_behind(batch)
        self.give_up(batch, "FeedAbandoned", "the host gave up waiting for Amazon's report")

    async def pass_stuck(self, batch: InFlightBatch) -> None:
        """Stop holding stock back for a feed that Amazon does not finish; it is sent once more when the feed ends
        late.
        """
        await self.leave_behind(batch)
        age = (self.context.now() - batch.since).total_seconds()
        self.context.emit(events.FeedPassed(**self.about(batch), status=batch.raw, seconds=age))
        self.give_up(batch, "FeedPassed", "Amazon did not end the feed in time; the newest stock is sent again")

    def cancelled(self, batch: InFlightBatch) -> None:
        """Amazon cancelled the feed: nothing of it was taken, all its items wait again."""
        batch.decide(_E.CANCELLED)
        seconds = self._cooldowns.start(
            batch.kind, "a pause: Amazon cancelled a feed", first=_CANCELLED_FIRST, limit=_CANCELLED_LIMIT
        )
        self.context.emit(events.FeedCancelled(**self.about(batch), pause_seconds=seconds))

    # Events

    def about(self, batch: InFlightBatch) -> dict[str, Any]:
        """The fields that every event of a feed has."""
        return {
            "at": self.context.now(),
            "account": self.context.account,
            "kind": batch.kind,
            "batch_id": batch.batch_id,
            "size": len(batch.feed.items),
            "feed_id": batch.feed_id,
        }

    def report_delay(self, batch: InFlightBatch) -> None:
        """Emit ``FeedDelayed``, once, when Amazon holds the feed for review or it takes too long."""
        age = (self.context.now() - batch.since).total_seconds()
        if batch.delay_reported or (
            batch.state is not FeedState.HELD and age < self.context.timing.stuck_after_seconds
        ):
            return
        batch.delay_reported = True
        self.context.emit(events.FeedDelayed(**self.about(batch), status=batch.raw or "never listed", seconds=age))

    def clock_set_back(self, now: datetime) -> None:
        """The clock was set back to ``now``: every pending step is due."""
        for batch in self.batches.values():
            batch.clock_set_back(now)
