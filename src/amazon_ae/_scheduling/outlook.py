"""Forecasts of a scheduler, and the numbers for a dashboard."""

from __future__ import annotations

import math
from datetime import timedelta

from amazon_ae._models.feeds import ItemKind
from amazon_ae._models.pickups import Forecast, SchedulerStats
from amazon_ae._models.stored import ItemState, StoredItem
from amazon_ae._scheduling.batch_phases import BatchPhase
from amazon_ae._scheduling.context import KINDS, SchedulerContext
from amazon_ae._scheduling.dispatcher import Dispatcher
from amazon_ae._scheduling.policy import Departure
from amazon_ae._scheduling.shared_state import SharedState

__all__ = ["Outlook"]


class Outlook:
    """Forecasts and statistics of one scheduler."""

    __slots__ = ("_context", "_dispatcher", "_shared")

    def __init__(self, context: SchedulerContext, shared: SharedState, dispatcher: Dispatcher) -> None:
        self._context = context
        self._shared = shared
        self._dispatcher = dispatcher

    async def of_order(self, order_id: str) -> Forecast:
        """When one pickup leaves, and what it waits for."""
        item = await self._context.storage.item(self._context.account, ItemKind.PICKUP, order_id)
        if item is None:
            return Forecast(leaves_at=None, why="nothing: this pickup was never asked for")
        if item.state is ItemState.IN_FLIGHT:
            return Forecast(leaves_at=None, why=self._in_flight(item))
        if item.state is not ItemState.WAITING:
            return Forecast(leaves_at=None, why=f"nothing: its outcome is {item.state.value}")
        return await self.of_kind(ItemKind.PICKUP)

    async def of_kind(self, kind: ItemKind) -> Forecast:
        """When the next feed of a kind leaves, and what it waits for."""
        for departure in await self._dispatcher.departures():
            if departure.kind is kind:
                return self._forecast(departure)
        return Forecast(leaves_at=None, why="nothing: no item of this kind waits")

    def _in_flight(self, item: StoredItem) -> str:
        batch = self._dispatcher.runner.batches.get(item.batch_id or "")
        if batch is not None and batch.phase is BatchPhase.UNANSWERED:
            return "a request that was not answered: Amazon is asked what came of it"
        return f"Amazon's report on feed {item.feed_id}" if item.feed_id else "a feed that is leaving right now"

    def _forecast(self, departure: Departure) -> Forecast:
        if departure.wait_seconds == math.inf:
            return Forecast(leaves_at=None, why=departure.why)
        leaves_at = self._context.now() + timedelta(seconds=departure.wait_seconds)
        now = "nothing: it leaves now"
        if self._dispatcher.passed_at is None:
            now = "a scheduler at work: this one has not read its queues yet"
        return Forecast(leaves_at=leaves_at, why=departure.why or now)

    async def stats(self) -> SchedulerStats:
        """A snapshot for a dashboard."""
        context, dispatcher = self._context, self._dispatcher
        unfinished = await context.storage.unfinished(context.account)
        rules = {rule.name: rule for rule in dispatcher.rules()}
        ledgers = {name: await self._shared.ledger(rule) for name, rule in rules.items()}
        obstacles = {kind: dispatcher.obstacle(kind) for kind in KINDS}
        return SchedulerStats(
            queues=await dispatcher.queue_stats(),
            quota_free={name: ledger.free for name, ledger in ledgers.items()},
            quota_used={name: ledger.used for name, ledger in ledgers.items()},
            feeds_in_flight={kind: sum(stored.kind is kind for stored in unfinished) for kind in KINDS},
            blocked={kind: found.why for kind, found in obstacles.items() if found is not None},
            passed_at=dispatcher.passed_at,
        )
