"""Opens a batch and submits it: the quota slot is reserved and the items are taken in one transaction of the store."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from amazon_ae._backoff import doubling
from amazon_ae._exceptions import (
    AmazonAeError,
    AmazonError,
    ConfigurationError,
    NotSent,
    QuotaExceeded,
    QuotaTimeout,
    RequestThrottled,
    StaleLease,
)
from amazon_ae._models import events
from amazon_ae._models.feeds import BatchTerms, FeedReceipt, ItemKind, ItemOutcome, Outcome
from amazon_ae._scheduling.batch_phases import BatchEvent
from amazon_ae._scheduling.batch_runner import BatchRunner
from amazon_ae._scheduling.cooldowns import Cooldowns
from amazon_ae._scheduling.in_flight import InFlightBatch, occupied
from amazon_ae._scheduling.order_lookup import PickupLookup
from amazon_ae._scheduling.quota import Ledger
from amazon_ae._scheduling.reachability import Reachability

__all__ = ["Departing", "Sender"]

logger: Final[logging.Logger] = logging.getLogger(__name__)

# When the store refuses what the plan allowed (another process was faster, or a clock is ahead), plan again so soon.
_LOST_FIRST: Final = 0.25
_LOST_LIMIT: Final = 5.0
_NOT_SENT_FIRST: Final = 5.0
_NOT_SENT_LIMIT: Final = 300.0
# Amazon refused a feed for its content or for the account's rights: a person may have to do something first.
_REFUSED_FIRST: Final = 60.0
_REFUSED_LIMIT: Final = 3600.0
# Amazon has an internal fault: not the feed's.
_FAULT_FIRST: Final = 30.0
_ITEMS_FIRST: Final = 5.0
_ITEMS_LIMIT: Final = 60.0
# When Amazon's list is first searched for an unanswered feed.
_FIRST_CHECK: Final = timedelta(seconds=60)

_E = BatchEvent


class Departing:
    """One batch that the policy lets leave.

    Attributes:
        kind, urgent: what leaves.
        terms: the gateway's, for this class.
        exclusive: nothing else of this kind and route may be unsettled.
        admits: asked under the ledger's lock: the ledger after this batch, or ``None`` where it may not leave now.
        oldest_at: since when its oldest item waits, the store's time.
    """

    __slots__ = ("admits", "exclusive", "kind", "oldest_at", "terms", "urgent")

    def __init__(
        self,
        kind: ItemKind,
        terms: BatchTerms,
        *,
        urgent: bool,
        exclusive: bool,
        admits: Callable[[Ledger, str], Ledger | None],
        oldest_at: datetime | None,
    ) -> None:
        self.kind = kind
        self.terms = terms
        self.urgent = urgent
        self.exclusive = exclusive
        self.admits = admits
        self.oldest_at = oldest_at


class Sender:
    """One scheduler's submits."""

    __slots__ = ("_cooldowns", "_limits", "_lookup", "_reachability", "_refusals", "_runner")

    def __init__(
        self, runner: BatchRunner, lookup: PickupLookup, cooldowns: Cooldowns, reachability: Reachability
    ) -> None:
        self._runner = runner
        self._lookup = lookup
        self._cooldowns = cooldowns
        self._reachability = reachability
        self._limits: dict[ItemKind, int] = {}
        self._refusals: dict[ItemKind, int] = {}

    async def send(self, departing: Departing) -> None:
        """Look up, open, submit, and take the steps that follow at once. After a failure this kind pauses."""
        try:
            keys = None
            if departing.kind is ItemKind.PICKUP and not (keys := await self._lookup.eligible(self._limit(departing))):
                return
            opened_at = self._runner.context.now()
            batch = await self._open(departing, keys)
            if batch is None:
                return
            if batch.outcomes:
                batch.ledger_entry = _cancel(batch.batch_id)
            else:
                with occupied(batch):
                    await self._submit(batch, departing, opened_at)
            await self._runner.advance(batch)
        except Exception:
            self._cooldowns.start(departing.kind, "a pause: a feed could not be prepared", first=1.0, limit=60.0)
            raise

    def _limit(self, departing: Departing) -> int:
        """Fewer items than allowed leave while one that breaks a rule is being singled out."""
        return min(self._limits.get(departing.kind, departing.terms.max_items), departing.terms.max_items)

    async def _open(self, departing: Departing, keys: Collection[str] | None) -> InFlightBatch | None:
        """Reserve the slot and take the items; ``None`` where another process was faster."""
        context, kind, terms, batch_id = self._runner.context, departing.kind, departing.terms, uuid.uuid4().hex
        rule = terms.quota

        def admit(text: str | None, now: datetime) -> str | None:
            context.store_time_seen(now)
            if rule is None:
                return None
            after = departing.admits(Ledger.read(text, rule, now), batch_id)
            return None if after is None else after.to_text()

        stored = await context.storage.open(
            context.account,
            kind,
            batch_id=batch_id,
            limit=self._limit(departing),
            lease_seconds=context.lease_seconds(terms),
            exclusive=departing.exclusive,
            route=terms.route,
            keys=keys,
            ledger=None if rule is None else rule.name,
            admit=None if rule is None else admit,
        )
        if stored is None:
            self._refusals[kind] = self._refusals.get(kind, 0) + 1
            seconds = doubling(self._refusals[kind], first=_LOST_FIRST, limit=_LOST_LIMIT)
            self._cooldowns.pause(kind, seconds, "a moment: another process was faster")
            return None
        self._refusals.pop(kind, None)
        return self._runner.carry(stored, terms)

    async def _submit(self, batch: InFlightBatch, departing: Departing, opened_at: datetime) -> None:
        """Submit, and record the result. ``opened_at``: this process's clock before the store opened the batch."""
        context, runner = self._runner.context, self._runner
        progress = asyncio.Event()

        async def settle(outcomes: Sequence[ItemOutcome]) -> None:
            await runner.settle_some(batch, outcomes)
            progress.set()

        sent = context.now()
        try:
            if (sent - opened_at).total_seconds() > context.lease_seconds(batch.terms) / 2:
                # The process was frozen. The batch may soon be another's, so nothing of it may leave.
                logger.warning("batch %s is not sent: this process was frozen after opening it", batch.batch_id)
                batch.ledger_entry = _cancel(batch.batch_id)
                batch.decide(_E.NOT_SENT)
                return
            batch.apply(_E.SENT)
            work = context.gateway.submit(batch.feed, settle=settle)
            receipt = await context.bounded(batch.terms.answer_seconds, work, progress=progress)
        except StaleLease:
            await runner.lose(batch)
        except Exception as error:
            self._failed(batch, error)
        else:
            batch.sent_before = context.store_now()
            if receipt.feed_id is not None:
                context.receipt_seen(receipt.submitted_at, sent=sent)
            self._answered(batch, receipt, departing)

    def _answered(self, batch: InFlightBatch, receipt: FeedReceipt, departing: Departing) -> None:
        context, seen = self._runner.context, receipt.quota
        batch.ledger_entry = lambda ledger: ledger.pin(batch.batch_id).observe(seen)
        batch.since = context.now()
        batch.due_at = batch.since + timedelta(seconds=batch.terms.first_poll_seconds)
        batch.submitted_at, batch.feed_id = receipt.submitted_at, receipt.feed_id
        self._reachability.submit_answered()
        self._limits.pop(batch.kind, None)
        if receipt.feed_id is not None:
            batch.apply(_E.FEED_ACCEPTED)
        else:
            batch.decide(_E.ANSWERED, receipt.outcomes or ())
            batch.answered_by_item = True
        if receipt.feed_id is None and not _any_done(batch):
            self._cooldowns.start(
                batch.kind, "a pause: nothing of the last batch was taken", first=_ITEMS_FIRST, limit=_ITEMS_LIMIT
            )
        else:
            self._cooldowns.clear(batch.kind)
        oldest = departing.oldest_at or batch.stored.opened_at
        waited = max(0.0, (batch.stored.opened_at - oldest).total_seconds())
        about = self._runner.about(batch)
        context.emit(events.FeedSubmitted(**about, waited_seconds=waited, urgent=departing.urgent))

    def _failed(self, batch: InFlightBatch, error: Exception) -> None:
        """Classify a failed submit: surely not sent, refused, or possibly received."""
        self._reachability.request_failed(error)
        if isinstance(error, NotSent | QuotaTimeout | ConfigurationError):
            batch.ledger_entry = _cancel(batch.batch_id)
            self._not_sent(batch, error)
        elif isinstance(error, AmazonError):
            self._refused(batch, error)
        else:
            # OutcomeUnknown, an answer that cannot be read, or a fault of the gateway: Amazon may have it.
            if not isinstance(error, AmazonAeError):
                logger.error("submitting batch %s failed unexpectedly", batch.batch_id, exc_info=error)
            self.unanswered(batch, self._runner.context.store_now())

    def unanswered(self, batch: InFlightBatch, since: datetime) -> None:
        """The request may have arrived: its slot stays spent, and reconciliation finds out."""
        runner, context = self._runner, self._runner.context
        batch.apply(_E.NO_ANSWER)
        batch.ledger_entry = pin(batch.batch_id)
        batch.unanswered_since = batch.sent_before = since
        batch.due_at = context.now() + _FIRST_CHECK
        context.emit(events.FeedUnanswered(**runner.about(batch)))

    def _not_sent(self, batch: InFlightBatch, error: AmazonAeError) -> None:
        items = batch.feed.items
        if not isinstance(error, ConfigurationError):
            batch.decide(_E.NOT_SENT)
            self._cool_down(batch, type(error).__name__, first=_NOT_SENT_FIRST, limit=_NOT_SENT_LIMIT)
        elif len(items) == 1:
            refusal = ItemOutcome(items[0].key, Outcome.REJECTED, type(error).__name__, str(error))
            batch.decide(_E.NOT_SENT, [refusal])
        else:
            # One item breaks a rule. Halving finds it, and the others leave on the way.
            batch.decide(_E.NOT_SENT)
            self._limits[batch.kind] = len(items) // 2

    def _refused(self, batch: InFlightBatch, error: AmazonError) -> None:
        context, name = self._runner.context, batch.batch_id
        batch.decide(_E.REFUSED)
        code = error.code or type(error).__name__
        if batch.terms.quota is None:  # no ledger that could make it wait
            self._cool_down(batch, code, first=_REFUSED_FIRST, limit=_REFUSED_LIMIT)
        elif isinstance(error, RequestThrottled):
            batch.ledger_entry = lambda ledger: ledger.pin(name).throttled()
            self._throttled(batch, error)
        elif isinstance(error, QuotaExceeded):
            # Both instants are Amazon's, where both are there; only their difference means anything to the store.
            said = error.timestamp or context.now()
            left = None if error.retry_at is None else (error.retry_at - said).total_seconds()
            batch.ledger_entry = lambda ledger: ledger.pin(name).exceeded(left)
            self._throttled(batch, error)
        else:
            batch.ledger_entry = pin(name)
            first = _FAULT_FIRST if error.retryable else _REFUSED_FIRST
            self._cool_down(batch, code, first=first, limit=_REFUSED_LIMIT)

    def _throttled(self, batch: InFlightBatch, error: AmazonError) -> None:
        batch.refusal = type(error).__name__
        about = self._runner.about(batch)
        self._runner.context.emit(events.FeedRefused(**about, code=batch.refusal, pause_seconds=0.0))

    def _cool_down(self, batch: InFlightBatch, code: str, *, first: float, limit: float) -> None:
        why = f"a pause after a failure ({code})"
        seconds = self._cooldowns.start(batch.kind, why, first=first, limit=limit)
        self._runner.context.emit(events.FeedRefused(**self._runner.about(batch), code=code, pause_seconds=seconds))


def pin(batch_id: str) -> Callable[[Ledger], Ledger]:
    """The ledger entry of an answered, or given up, request: its slot counts as spent; booked twice is fine."""
    return lambda ledger: ledger.pin(batch_id)


def _cancel(batch_id: str) -> Callable[[Ledger], Ledger]:
    return lambda ledger: ledger.cancel(batch_id)


def _any_done(batch: InFlightBatch) -> bool:
    return bool(batch.settled_keys) or any(outcome.outcome is not Outcome.RETRY for outcome in batch.outcomes)
