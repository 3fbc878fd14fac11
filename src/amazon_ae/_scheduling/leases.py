"""Which process carries a batch: renew, take over from a dead process, release at the end."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

from amazon_ae._exceptions import StaleLease, StorageError
from amazon_ae._models import events
from amazon_ae._models.stored import StoredBatch
from amazon_ae._scheduling.batch_phases import BatchPhase
from amazon_ae._scheduling.batch_runner import BatchRunner
from amazon_ae._scheduling.in_flight import InFlightBatch
from amazon_ae._scheduling.sender import pin

__all__ = ["Leases"]

logger: Final[logging.Logger] = logging.getLogger(__name__)

# Batches of dead processes that one pass takes over, and that one process carries: a pickup must not wait for them.
_PER_PASS: Final = 20
_MOST_CARRIED: Final = 200
# The store decides whether a lease is over, and its clock is known here only roughly: ask no more often than this.
_AFTER_SECONDS: Final = 5.0
_MORE_SECONDS: Final = 0.5


class Leases:
    """The leases of one scheduler's batches."""

    __slots__ = ("_more", "_reported", "_runner")

    def __init__(self, runner: BatchRunner) -> None:
        self._runner = runner
        self._more = False
        self._reported: set[str] = set()

    async def take_over(self, unfinished: Sequence[StoredBatch]) -> None:
        """Carry on batches of this account whose process died, a bounded number at a time."""
        runner, context = self._runner, self._runner.context
        now = context.store_now()
        expired = [each for each in self._foreign(unfinished) if each.lease_until <= now]
        room = max(0, min(_PER_PASS, _MOST_CARRIED - len(runner.batches)))
        self._more = len(expired) > room > 0
        taken = []
        for stored in expired[:room]:
            terms = context.terms_of(stored)
            if terms is None:
                continue  # a gateway without this kind
            ours = await context.storage.take_over(stored.batch_id, lease_seconds=context.lease_seconds(terms))
            if ours is not None:
                taken.append(self._carry(ours))
        await runner.shared.note_feeds([batch.feed_id for batch in taken if batch.feed_id is not None])

    def _carry(self, stored: StoredBatch) -> InFlightBatch:
        runner, context = self._runner, self._runner.context
        terms = context.terms_of(stored)
        assert terms is not None
        phase = BatchPhase.UNANSWERED if stored.feed_id is None else BatchPhase.PROCESSING
        batch = runner.carry(stored, terms, phase)
        batch.ledger_entry = pin(batch.batch_id)
        logger.info("took over batch %s (feed %s)", stored.batch_id, stored.feed_id)
        if stored.feed_id is None:
            # Its process may have been frozen, and may have sent it at any time until now. If it has been dead for
            # long, the next owner need not wait that long again.
            batch.sent_before = context.store_now()
            sent_by = stored.opened_at + timedelta(seconds=terms.answer_seconds + context.lease_seconds(terms))
            batch.unanswered_since = min(batch.sent_before, sent_by)
            context.emit(events.FeedUnanswered(**runner.about(batch)))
        else:
            age = context.store_now() - (stored.submitted_at or stored.opened_at)
            batch.since = context.now() - max(timedelta(0), age)
        return batch

    def _foreign(self, unfinished: Iterable[StoredBatch]) -> list[StoredBatch]:
        """Batches that this process does not carry and could; those of another backend are left alone, and named."""
        runner, context = self._runner, self._runner.context
        found = []
        for stored in unfinished:
            if stored.batch_id in runner.batches:
                continue
            if not stored.route or stored.route in context.gateway.routes:
                found.append(stored)
            elif stored.batch_id not in self._reported and not context.settle_only:
                self._reported.add(stored.batch_id)
                context.emit(
                    events.FeedOfOtherRoute(
                        at=context.now(),
                        account=context.account,
                        kind=stored.kind,
                        batch_id=stored.batch_id,
                        size=stored.size,
                        feed_id=stored.feed_id,
                        route=stored.route,
                    )
                )
        return found

    def take_over_in(self, unfinished: Sequence[StoredBatch]) -> float:
        """Seconds until a batch of another process may be taken over, should that process be dead."""
        if self._more:
            return _MORE_SECONDS
        if len(self._runner.batches) >= _MOST_CARRIED:
            return float("inf")
        now = self._runner.context.store_now()
        ends = [stored.lease_until for stored in self._foreign(unfinished)]
        return max(_AFTER_SECONDS, (min(ends) - now).total_seconds()) if ends else float("inf")

    async def renew(self) -> None:
        """Renew every lease that is half over, also while a step waits for Amazon."""
        context = self._runner.context
        for batch in list(self._runner.batches.values()):
            if self.renew_in(batch) > 0:
                continue
            try:
                seconds = context.lease_seconds(batch.terms)
                await context.storage.renew(batch.batch_id, batch.stored.fence, lease_seconds=seconds)
                batch.leased_at = context.now()
            except StaleLease:
                # A step that is under way finds out by itself, and one that has ended meanwhile has settled the batch.
                if not batch.busy and batch.batch_id in self._runner.batches:
                    await self._runner.lose(batch)

    def renew_in(self, batch: InFlightBatch) -> float:
        """Seconds until a batch's lease is to be renewed."""
        context = self._runner.context
        return context.lease_seconds(batch.terms) / 2 - (context.now() - batch.leased_at).total_seconds()

    async def hand_over(self) -> None:
        """End the leases of batches at Amazon, so that the next process can take them over at once."""
        for batch in list(self._runner.batches.values()):
            if batch.phase is BatchPhase.PROCESSING and batch.ledger_entry is None and not batch.busy:
                with contextlib.suppress(StorageError):
                    await self._runner.context.storage.renew(batch.batch_id, batch.stored.fence, lease_seconds=0.0)
        self._runner.batches.clear()
