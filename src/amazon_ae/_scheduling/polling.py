"""The status of feeds in flight: one poll serves all processes of the account."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final

from amazon_ae._exceptions import AmazonAeError, StorageError
from amazon_ae._models.feeds import FeedState, FeedStatus, ItemKind
from amazon_ae._scheduling.batch_phases import BatchEvent, BatchPhase
from amazon_ae._scheduling.batch_runner import BatchRunner
from amazon_ae._scheduling.feed_pace import FeedPace, PollSteps, next_poll
from amazon_ae._scheduling.in_flight import InFlightBatch, occupied
from amazon_ae._scheduling.status_cache import POLL_INTERVAL_SECONDS, StatusCache

__all__ = ["StatusPolls"]

logger: Final[logging.Logger] = logging.getLogger(__name__)

_POLL_LIMIT_SECONDS: Final = 900.0
# A poll of stock alone costs pickups one that they may need: it waits so long for theirs.
_SOON: Final = timedelta(seconds=60)


class StatusPolls:
    """One scheduler's polls."""

    __slots__ = ("_notified", "_runner")

    def __init__(self, runner: BatchRunner) -> None:
        self._runner = runner
        self._notified: set[str] = set()

    def notify(self, feed_id: str) -> bool:
        """Amazon says that this feed ended: ask about it now, whenever the next poll is due. Whether it is ours."""
        for batch in self._runner.batches.values():
            if batch.feed_id == feed_id and batch.phase is BatchPhase.PROCESSING:
                self._notified.add(feed_id)
                batch.due_at = self._runner.context.now()
                return True
        return False

    async def poll(self, feed_ids: Sequence[str]) -> list[InFlightBatch]:
        """Poll feed statuses if a poll is due; returns the batches that can take their next step.

        Args:
            feed_ids: every unsettled feed of the account on this gateway's routes, whichever process carries it.
        """
        context, shared = self._runner.context, self._runner.shared
        due = [
            batch
            for batch in self._runner.batches.values()
            if batch.phase is BatchPhase.PROCESSING and not batch.busy and batch.due_at <= context.now()
        ]
        if not due or self._shared_with_pickups(due):
            return []
        cache, granted = await shared.claim_poll(saved=any(batch.kind is ItemKind.PICKUP for batch in due))
        ready = await self.abandoned(cache, due)
        due = [batch for batch in due if batch.phase is BatchPhase.PROCESSING]
        states: dict[str, FeedStatus] = dict(cache.states)
        notified = [batch.feed_id for batch in due if batch.feed_id in self._notified]
        self._notified.difference_update(notified)
        asked = list(dict.fromkeys([*filter(None, notified), *(cache.slice(feed_ids) if granted else ())]))
        if asked:
            try:
                answer = await context.answer(context.gateway.status(asked))
            except StorageError:
                raise
            except AmazonAeError as error:
                logger.warning("asking for the status of %d feeds: %s", len(asked), type(error).__name__)
                self._wait(due, POLL_INTERVAL_SECONDS)
                return ready
            states.update((status.feed_id, status) for status in answer)
            if len(asked) < len(feed_ids) or any(status.state is not FeedState.PROCESSING for status in answer):
                await shared.record_poll(answer, asked=asked, in_flight=feed_ids)
        now = context.store_now()
        paces = {kind: await self._learnt(kind, due, states) for kind in dict.fromkeys(batch.kind for batch in due)}
        for batch in due:
            if batch.busy or batch.phase is not BatchPhase.PROCESSING:
                continue  # given up or lost while Amazon was asked
            with occupied(batch):
                await self._apply(batch, states.get(batch.feed_id or ""))
            if batch.phase is BatchPhase.PROCESSING:
                self._runner.report_delay(batch)
                wait = cache.wait_seconds(now, saved=batch.kind is ItemKind.PICKUP)
                self._wait([batch], max(1.0, wait), paces[batch.kind])
            else:
                ready.append(batch)
        return ready

    def _shared_with_pickups(self, due: Sequence[InFlightBatch]) -> bool:
        """Whether stock alone is due and a pickup's poll, which asks about all feeds, comes soon: then it waits."""
        if any(batch.kind is ItemKind.PICKUP or batch.feed_id in self._notified for batch in due):
            return False
        pickups = [
            batch.due_at
            for batch in self._runner.batches.values()
            if batch.kind is ItemKind.PICKUP and batch.phase is BatchPhase.PROCESSING
        ]
        if not pickups or min(pickups) - self._runner.context.now() > _SOON:
            return False
        for batch in due:
            batch.due_at = min(pickups)
        return True

    async def _learnt(self, kind: ItemKind, due: Sequence[InFlightBatch], states: Mapping[str, FeedStatus]) -> FeedPace:
        """The pace of a kind, with what these answers show."""
        shared = self._runner.shared
        found = [states.get(batch.feed_id or "") for batch in due if batch.kind is kind]
        ended = [status for status in found if status is not None and status.state is FeedState.DONE]
        return await (shared.feeds_ended(kind, ended) if ended else shared.pace(kind))

    async def _apply(self, batch: InFlightBatch, status: FeedStatus | None) -> None:
        if status is not None:
            batch.seen(status)
        if batch.state is FeedState.CANCELLED:
            self._runner.cancelled(batch)
        elif batch.state in (FeedState.DONE, FeedState.FAILED):
            batch.apply(BatchEvent.ENDED)
        elif batch.kind is ItemKind.INVENTORY:
            age = (self._runner.context.now() - batch.since).total_seconds()
            if age >= self._runner.context.timing.pass_after_seconds:
                await self._runner.pass_stuck(batch)

    async def abandoned(self, cache: StatusCache, batches: Iterable[InFlightBatch]) -> list[InFlightBatch]:
        """Give up the batches that the host abandoned, in this process or another."""
        gone = [batch for batch in batches if {batch.feed_id, batch.batch_id} & set(cache.abandoned)]
        for batch in gone:
            with occupied(batch):
                await self._runner.abandon(batch)
        return gone

    def _wait(self, batches: Iterable[InFlightBatch], at_least: float, pace: FeedPace | None = None) -> None:
        context, pace = self._runner.context, pace or FeedPace()
        now, amazon_now = context.now(), context.amazon_now()
        for batch in batches:
            if batch.phase is not BatchPhase.PROCESSING:
                continue  # given up while Amazon was asked: its next step is due
            if batch.feed_id in self._notified:  # it ended while its status was asked: ask again
                batch.due_at = now
                continue
            received = batch.submitted_at or amazon_now
            seconds = next_poll(
                (now - batch.since).total_seconds(),
                PollSteps.of(batch.kind),
                left_seconds=pace.left_seconds(received, amazon_now),
                earliest_seconds=pace.earliest_seconds(received, amazon_now),
                limit=_POLL_LIMIT_SECONDS,
            )
            batch.due_at = now + timedelta(seconds=max(seconds, at_least))
