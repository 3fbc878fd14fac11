"""Finds out what became of unanswered requests."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from amazon_ae._exceptions import AmazonAeError, StorageError
from amazon_ae._models import events
from amazon_ae._models.feeds import FeedState, FeedStatus, ItemKind, Outcome
from amazon_ae._scheduling.batch_phases import BatchEvent
from amazon_ae._scheduling.batch_runner import BatchRunner
from amazon_ae._scheduling.in_flight import InFlightBatch, occupied
from amazon_ae._scheduling.order_lookup import PickupLookup
from amazon_ae._scheduling.polling import StatusPolls
from amazon_ae._scheduling.reconciliation import (
    Judgement,
    candidates,
    judge_pickups,
    judge_stock,
    likely,
    next_check,
)
from amazon_ae._scheduling.status_cache import StatusCache

__all__ = ["Recovery"]

logger: Final[logging.Logger] = logging.getLogger(__name__)


class Recovery:
    """One scheduler's reconciliation."""

    __slots__ = ("_lookup", "_polls", "_resend_pickups", "_runner")

    def __init__(self, runner: BatchRunner, polls: StatusPolls, lookup: PickupLookup, *, resend_pickups: bool) -> None:
        self._runner = runner
        self._polls = polls
        self._lookup = lookup
        self._resend_pickups = resend_pickups

    async def check(self, batches: Sequence[InFlightBatch]) -> None:
        """Reconcile unanswered batches of one kind: one list of Amazon's feeds serves all of them."""
        try:
            with occupied(*batches):
                left = await self._without_amazon(batches)
                if left:
                    await self._against_amazon(left)
        except StorageError:
            for batch in batches:
                self._runner.later(batch, 1)
            raise
        except AmazonAeError as error:
            for batch in batches:
                self._failed(batch, error)

    def _failed(self, batch: InFlightBatch, error: AmazonAeError) -> None:
        logger.warning("looking for the unanswered batch %s: %s", batch.batch_id, type(error).__name__)
        batch.failures += 1
        self._runner.later(batch, batch.failures)
        self._runner.report_delay(batch)

    async def _without_amazon(self, batches: Sequence[InFlightBatch]) -> list[InFlightBatch]:
        """Decide what needs no request; returns the others."""
        cache = await self._runner.shared.status_cache()
        answers = dict(cache.answers)
        gone = await self._polls.abandoned(cache, batches)
        left = []
        for batch in batches:
            if batch in gone:
                continue
            if batch.batch_id in answers:  # its sender learnt it after the lease
                batch.feed_id = answers[batch.batch_id]
                self._conclude(batch, BatchEvent.FEED_FOUND, "found")
            elif not batch.has_feed:
                await self._retry_item_by_item(batch)
            else:
                left.append(batch)
        return left

    async def _retry_item_by_item(self, batch: InFlightBatch) -> None:
        """A route without feeds recognises what Amazon has already, so asking again is safe."""
        wait = self._runner.context.timing.retry_unanswered_seconds - self._waited(batch)
        if wait > 0:
            batch.due_at = self._runner.context.now() + timedelta(seconds=wait)
        else:
            if batch.kind is ItemKind.PICKUP:
                await self._runner.leave_behind(batch)
            batch.decide(BatchEvent.RESOLVED)
            self._conclude(batch, None, "absent")

    async def _against_amazon(self, batches: Sequence[InFlightBatch]) -> None:
        context, runner = self._runner.context, self._runner
        kind = batches[0].kind
        since = min(self._window(batch)[0] for batch in batches)
        listed = await context.answer(context.gateway.recent(kind, since))
        # Read only now: a feed that another process has noted meanwhile is no candidate.
        known = await self._known(await runner.shared.status_cache())
        for batch in batches:
            found = candidates(listed, self._window(batch), known)
            try:
                judgement = await self._judge(batch, found)
            except StorageError:
                raise
            except AmazonAeError as error:  # what the others need may be readable
                self._failed(batch, error)
                continue
            if (ours := judgement.explained or judgement.feed) is not None and judgement.verdict:
                known.add(ours.feed_id)
                await runner.shared.note_feeds([ours.feed_id])
            await self._apply(batch, judgement)

    async def _known(self, cache: StatusCache) -> set[str]:
        """Feed ids that have a batch."""
        context = self._runner.context
        known = {feed_id for feed_id, _ in cache.known}
        return known | {
            other.feed_id for other in await context.storage.unfinished(context.account) if other.feed_id is not None
        }

    async def _judge(self, batch: InFlightBatch, found: Sequence[FeedStatus]) -> Judgement:
        size = len(batch.feed.items)
        feeds = likely(found, await self._processed(batch, found), size)
        visible = self._waited(batch) >= self._runner.context.timing.visible_after_seconds
        if batch.kind is ItemKind.INVENTORY:
            return judge_stock(feeds, visible=visible)
        evidence = await self._lookup.evidence(batch.open_keys)
        return judge_pickups(batch.open_keys, evidence, feeds, visible=visible, resend=self._resend_pickups)

    async def _processed(self, batch: InFlightBatch, found: Sequence[FeedStatus]) -> dict[str, int | None]:
        """How many messages the reports of those that have ended count."""
        context = self._runner.context
        return {
            feed.feed_id: (await context.answer(context.gateway.report(feed.feed_id, batch.feed))).processed
            for feed in found
            if feed.state in (FeedState.DONE, FeedState.FAILED)
        }

    async def _apply(self, batch: InFlightBatch, judgement: Judgement) -> None:
        runner, context = self._runner, self._runner.context
        if judgement.feed is not None:
            batch.seen(judgement.feed)
        if not judgement.verdict:
            if batch.kind is ItemKind.INVENTORY and self._waited(batch) >= context.timing.pass_after_seconds:
                await runner.pass_stuck(batch)
                return
            runner.report_delay(batch)
            wait = next_check(self._waited(batch), context.timing.visible_after_seconds)
            batch.due_at = context.now() + timedelta(seconds=wait)
            return
        if judgement.verdict == "found" and judgement.feed is not None:
            batch.feed_id, batch.submitted_at = judgement.feed.feed_id, judgement.feed.submitted_at
            self._conclude(batch, BatchEvent.FEED_FOUND, "found")
            return
        if judgement.verdict != "found":  # should it turn up after all, its outcome counts
            accepted = {each.key for each in judgement.outcomes if each.outcome is Outcome.ACCEPTED}
            await runner.leave_behind(batch, [key for key in batch.open_keys if key not in accepted])
        batch.decide(BatchEvent.RESOLVED, judgement.outcomes)
        self._conclude(batch, None, judgement.verdict)

    def _conclude(self, batch: InFlightBatch, event: BatchEvent | None, verdict: str) -> None:
        if event is not None:
            batch.apply(event)
        batch.failures = 0
        batch.due_at = self._runner.context.now()
        self._runner.context.emit(events.FeedReconciled(**self._runner.about(batch), verdict=verdict))

    def _waited(self, batch: InFlightBatch) -> float:
        context = self._runner.context
        return (context.store_now() - (batch.unanswered_since or context.store_now())).total_seconds()

    def _window(self, batch: InFlightBatch) -> tuple[datetime, datetime]:
        return self._runner.arrival_window(batch)
