"""Polls late feeds and sends the newest stock again where a late feed may have overwritten it."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any, Final

from amazon_ae._exceptions import AmazonAeError, StorageError
from amazon_ae._models import events
from amazon_ae._models.feeds import FeedState, ItemKind
from amazon_ae._scheduling.context import SchedulerContext
from amazon_ae._scheduling.late_feeds import LateFeed
from amazon_ae._scheduling.shared_state import SharedState

__all__ = ["LateChecks"]

logger: Final[logging.Logger] = logging.getLogger(__name__)

# How often a pass reads whether there are late feeds; while there is one, passes are made for it.
_EVERY: Final = timedelta(minutes=15)
_WHILE_LATE: Final = timedelta(minutes=5)


class LateChecks:
    """One scheduler's checks. A document of the store decides which process makes one."""

    __slots__ = ("_any", "_context", "_next_at", "_shared")

    def __init__(self, context: SchedulerContext, shared: SharedState) -> None:
        self._context = context
        self._shared = shared
        self._any = False
        self._next_at = context.now()

    def due_in(self) -> float:
        """Seconds until late feeds need a pass; ``inf`` while none is known."""
        return max(0.0, (self._next_at - self._context.now()).total_seconds()) if self._any else float("inf")

    def begin(self) -> bool:
        """Whether late feeds are due to be read; if so, the next reading is scheduled."""
        now = self._context.now()
        if now < self._next_at:
            return False
        self._next_at = now + _EVERY
        return True

    def clock_set_back(self, now: datetime) -> None:
        """The clock was set back to ``now``: late feeds are due."""
        self._next_at = min(self._next_at, now)

    async def check(self) -> None:
        """Read the late feeds, and ask Amazon about those that are due."""
        context = self._context
        late_feeds = await self._shared.late_feeds()
        self._any = bool(late_feeds)
        self._next_at = context.now() + (_WHILE_LATE if late_feeds else _EVERY)
        for late in late_feeds:
            if late.route and late.route not in context.gateway.routes:
                continue
            if not late.due(context.store_now()):
                continue
            claimed = await self._shared.claim_late(late)
            if claimed is None:
                continue
            try:
                await self._ask(claimed)
            except StorageError:
                raise
            except AmazonAeError as error:
                logger.warning("asking for a late feed of batch %s: %s", late.batch_id, type(error).__name__)

    async def _ask(self, late: LateFeed) -> None:
        if late.feed_id is None:
            late = await self._find(late)
        elif not late.ended:
            late = await self._follow(late)
        if late.over(self._context.store_now()):
            if late.feed_id is not None and not late.ended:
                await self._repair(late, "never ended")
            await self._shared.forget_late(late)

    async def _find(self, late: LateFeed) -> LateFeed:
        """Whether Amazon lists the request after all."""
        context = self._context
        terms = context.carried(late.kind)
        if terms is not None and terms.answers_by_item and late.route == terms.route:
            return late  # no feed: the orders show it
        listed = await context.answer(context.gateway.recent(late.kind, late.received_from))
        cache = await self._shared.status_cache()
        known = {feed_id for feed_id, _ in cache.known}
        known |= {each.feed_id for each in await context.storage.unfinished(context.account) if each.feed_id}
        found = late.candidates(listed, known)
        if len(found) != 1:  # none, or another program's among them: undecidable
            return late
        late = late.found(found[0].feed_id)
        await self._shared.note_feeds([found[0].feed_id])
        await self._shared.write_late(late)
        context.emit(events.LateFeedFound(**self._about(late)))
        if late.kind is ItemKind.PICKUP:
            context.sent_twice(late.keys, late.batch_id)
        return late

    async def _follow(self, late: LateFeed) -> LateFeed:
        """Whether Amazon has ended it."""
        assert late.feed_id is not None
        statuses = await self._context.answer(self._context.gateway.status([late.feed_id]))
        state = statuses[0].state if statuses else FeedState.PROCESSING
        if state in (FeedState.PROCESSING, FeedState.HELD):
            return late
        if state is not FeedState.CANCELLED:
            await self._repair(late, statuses[0].raw)
        late = late.at_end()
        if late.kind is ItemKind.PICKUP:
            await self._shared.write_late(late)  # remembered: its pickups count as asked for
        else:
            await self._shared.forget_late(late)
        return late

    async def _repair(self, late: LateFeed, status: str) -> None:
        """An old quantity may have overwritten a newer one: send the newest once more."""
        requeued = 0
        if late.kind is ItemKind.INVENTORY:
            requeued = await self._context.storage.requeue(self._context.account, late.kind, late.keys)
        self._context.emit(events.LateFeedEnded(**self._about(late), status=status, requeued=requeued))

    def _about(self, late: LateFeed) -> dict[str, Any]:
        context = self._context
        return {
            "at": context.now(),
            "account": context.account,
            "kind": late.kind,
            "batch_id": late.batch_id,
            "size": len(late.keys),
            "feed_id": late.feed_id,
        }
