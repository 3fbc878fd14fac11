"""One pass of a scheduler: read the store, start what is due, send what may leave, and say when to pass again.

Plain functions (``readiness``, ``policy``) decide what leaves; this file reads the state for them and performs.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import attrs

from amazon_ae._exceptions import AmazonAeError, StorageError
from amazon_ae._models.feeds import BatchTerms, ItemKind, QuotaRule
from amazon_ae._models.stored import QueueStats, StoredBatch
from amazon_ae._scheduling.batch_phases import BatchPhase
from amazon_ae._scheduling.batch_runner import BatchRunner
from amazon_ae._scheduling.context import KINDS, SchedulerContext
from amazon_ae._scheduling.cooldowns import Cooldowns
from amazon_ae._scheduling.in_flight import InFlightBatch, occupied
from amazon_ae._scheduling.late_checks import LateChecks
from amazon_ae._scheduling.leases import Leases
from amazon_ae._scheduling.order_lookup import PickupLookup
from amazon_ae._scheduling.policy import PICKUP, STOCK, URGENT, Departure, FeedPolicy, Send, decide, plan
from amazon_ae._scheduling.polling import StatusPolls
from amazon_ae._scheduling.quota import Ledger
from amazon_ae._scheduling.reachability import Reachability
from amazon_ae._scheduling.readiness import (
    Group,
    ItemClass,
    Obstacle,
    busy,
    classes_of,
    grouped,
    held_back,
    obstacle,
    urgent_first,
)
from amazon_ae._scheduling.recovery import Recovery
from amazon_ae._scheduling.sender import Departing, Sender
from amazon_ae._scheduling.shared_state import SharedState
from amazon_ae._scheduling.waiters import Waiters

__all__ = ["Dispatcher"]

logger: Final[logging.Logger] = logging.getLogger(__name__)

_INF: Final = math.inf
# A lease that could not be renewed, because a step is about to find out that it is lost, is tried again so soon.
_RENEW_AGAIN: Final = 1.0
_CLASSES: Final = ((ItemKind.PICKUP, PICKUP), (ItemKind.INVENTORY, URGENT), (ItemKind.INVENTORY, STOCK))


@attrs.frozen
class _Picture:
    """The state that a pass has read, and what follows for each kind."""

    stats: Mapping[ItemKind, QueueStats]
    ready: Sequence[ItemClass]
    groups: Sequence[Group]
    held: Sequence[Departure]
    unsettled: Collection[tuple[ItemKind, str]]


class Dispatcher:
    """One scheduler's passes. ``wake`` is called when a task has ended and another pass is worth it."""

    def __init__(
        self,
        context: SchedulerContext,
        shared: SharedState,
        *,
        cooldowns: Cooldowns,
        reachability: Reachability,
        lookup: PickupLookup,
        waiters: Waiters,
        policy: FeedPolicy,
        resend_pickups: bool,
        wake: Callable[[], None],
    ) -> None:
        self._context = context
        self._shared = shared
        self._cooldowns = cooldowns
        self._reachability = reachability
        self._lookup = lookup
        self._waiters = waiters
        self._policy = policy
        self._wake = wake
        self.runner: BatchRunner = BatchRunner(context, shared, cooldowns, lookup, waiters)
        self.leases: Leases = Leases(self.runner)
        self._polls = StatusPolls(self.runner)
        self._recovery = Recovery(self.runner, self._polls, lookup, resend_pickups=resend_pickups)
        self._sender = Sender(self.runner, lookup, cooldowns, reachability)
        self._late = LateChecks(context, shared)
        self._under_way: set[str] = set()
        self.passed_at: datetime | None = None
        self.tasks: set[asyncio.Task[None]] = set()
        self.closing = False

    # The pass

    async def tick(self) -> float:
        """Take every step that is due once; returns the seconds until the next pass."""
        context = self._context
        # Tasks of the last pass take their first step now, also with a store that never waits; else they would start
        # twice.
        await asyncio.sleep(0)
        self._notice_clock()
        unfinished = await context.storage.unfinished(context.account)
        await self.leases.take_over(unfinished)
        await self.leases.renew()
        if self._waiters.recheck_in() <= 0:
            await self._waiters.recheck({key for batch in self.runner.batches.values() for key in batch.open_keys})
        self._start_due(unfinished)
        wait = await self._send_ready(await self.queue_stats(), unfinished)
        due = min(self._due_in(), self.leases.take_over_in(unfinished), self._late.due_in())
        return max(0.0, min(wait, due, context.timing.idle_seconds))

    def feed_ended(self, feed_id: str) -> bool:
        """Amazon reports the end of a feed: see ``StatusPolls.notify``."""
        return self._polls.notify(feed_id)

    async def queue_stats(self) -> dict[ItemKind, QueueStats]:
        """Counts and ages of waiting items, by kind."""
        return {kind: await self._context.storage.stats(self._context.account, kind) for kind in KINDS}

    def _notice_clock(self) -> None:
        """If the clock was set back, every step that waits is due now."""
        now = self._context.now()
        if self.passed_at is not None and now < self.passed_at:
            for part in (self._cooldowns, self._reachability, self._waiters, self.runner, self._late):
                part.clock_set_back(now)
        self.passed_at = now

    # Steps of batches in flight

    def _start_due(self, unfinished: Sequence[StoredBatch]) -> None:
        now = self._context.now()
        due = [batch for batch in self.runner.batches.values() if not batch.busy and batch.due_at <= now]
        polled = []
        for batch in due:
            if batch.phase is BatchPhase.PROCESSING and batch.ledger_entry is None:
                polled.append(batch)
            elif batch.phase is not BatchPhase.UNANSWERED or batch.ledger_entry is not None:
                self._start(self._advance(batch))
        for kind in KINDS:
            lost = [each for each in due if each.phase is BatchPhase.UNANSWERED and each.kind is kind]
            lost = [each for each in lost if each.ledger_entry is None]
            if lost:
                self._start_once(f"reconcile {kind.value}", self._reconcile(lost))
        if polled:
            routes = self._context.gateway.routes
            feed_ids = [
                each.feed_id for each in unfinished if each.feed_id and (not each.route or each.route in routes)
            ]
            self._start_once("poll", self._poll(feed_ids))
        if self._late.begin():
            self._start_once("late feeds", self._late.check(), wake=False)
        if self._reachability.probe_in() == 0:
            self._start_once("probe", self._probe())

    async def _advance(self, batch: InFlightBatch) -> None:
        try:
            if batch.delay_reported and batch.phase is BatchPhase.REPORTING and not batch.busy:
                with occupied(batch):
                    await self._polls.abandoned(await self._shared.status_cache(), [batch])
            await self.runner.advance(batch)
        except Exception:
            batch.failures += 1
            self.runner.later(batch, batch.failures)  # any failure: pause, so that the loop does not spin
            self.runner.report_delay(batch)
            raise

    async def _reconcile(self, batches: Sequence[InFlightBatch]) -> None:
        try:
            await self._recovery.check(batches)
        except Exception:
            for batch in batches:
                batch.failures += 1
                self.runner.later(batch, batch.failures)
                self.runner.report_delay(batch)
            raise
        for batch in batches:
            await self.runner.advance(batch)

    async def _poll(self, feed_ids: Sequence[str]) -> None:
        try:
            for batch in await self._polls.poll(feed_ids):
                self._start(self._advance(batch))
        except Exception:
            for batch in self.runner.batches.values():
                if batch.phase is BatchPhase.PROCESSING:
                    self.runner.later(batch, 1)
            raise

    async def _probe(self) -> None:
        """Amazon cannot be reached: try a read. An answer ends the outage and its pauses."""
        context = self._context
        kind = ItemKind.INVENTORY if context.terms(ItemKind.INVENTORY) is not None else ItemKind.PICKUP
        since = context.amazon_window(context.store_now(), context.store_now())[1]
        try:
            await context.bounded(context.timing.probe_seconds, context.gateway.recent(kind, since))
        except StorageError:
            raise
        except AmazonAeError as error:
            if self._reachability.request_failed(error, read=True):
                return
        if self._reachability.read_answered():
            for each in KINDS:
                self._cooldowns.clear(each)

    def _due_in(self) -> float:
        """Seconds until a batch in flight, a waiting caller or an outage needs attention."""
        now = self._context.now()
        probe = self._reachability.probe_in()
        due = [self._waiters.recheck_in(), _INF if probe is None or "probe" in self._under_way else probe]
        for batch in self.runner.batches.values():
            due.append(max(_RENEW_AGAIN, self.leases.renew_in(batch)))
            if not batch.busy and self._shared_step(batch) not in self._under_way:
                due.append((batch.due_at - now).total_seconds())
        return min(due)

    @staticmethod
    def _shared_step(batch: InFlightBatch) -> str:
        """The name of the step that a batch takes together with others; ``""`` where it takes its own."""
        if batch.phase is BatchPhase.PROCESSING:
            return "poll"
        return f"reconcile {batch.kind.value}" if batch.phase is BatchPhase.UNANSWERED else ""

    # Sending

    async def _send_ready(self, stats: Mapping[ItemKind, QueueStats], unfinished: Sequence[StoredBatch]) -> float:
        """Start every batch that may leave now; returns the seconds until the next one may."""
        picture = await self._picture(stats, unfinished)
        wait = min((departure.wait_seconds for departure in picture.held), default=_INF)
        for group in picture.groups:
            queues = list(group.queues)
            ledger = await self._ledger(group)
            while not self.closing:
                decision = decide(ledger, queues, self._policy)
                if not isinstance(decision, Send):
                    wait = min(wait, decision.seconds)
                    break
                chosen = next(queue for queue in queues if queue.kind is decision.kind)
                self._start_sending(decision, tuple(queues), picture)
                queues[queues.index(chosen)] = attrs.evolve(chosen, waiting=0, urgent=0)
                if ledger is not None:
                    ledger = ledger.reserve(chosen.kind, decision.priority) or ledger
        return wait

    def _start_sending(self, decision: Send, queues: Sequence[Any], picture: _Picture) -> None:
        chosen = next(
            each for each in picture.ready if (each.kind, each.priority) == (decision.kind, decision.priority)
        )

        def admits(ledger: Ledger, batch_id: str) -> Ledger | None:
            # Processes that race share a quota: the policy decides again with what is left.
            if decide(ledger, queues, self._policy) != decision:
                return None
            return ledger.reserve(batch_id, decision.priority)

        departing = Departing(
            decision.kind,
            chosen.terms,
            urgent=decision.priority == URGENT,
            # A feed without an answer is unsettled and keeps only its own items back, in the store too.
            exclusive=chosen.terms.exclusive and (chosen.kind, chosen.terms.route) not in picture.unsettled,
            admits=admits,
            oldest_at=picture.stats[decision.kind].oldest_at,
        )
        self._start_once(_sending(decision.kind), self._sender.send(departing))

    async def _ledger(self, group: Group) -> Ledger | None:
        if group.rule is None or not any(queue.waiting for queue in group.queues):
            return None
        return await self._shared.ledger(group.rule)

    async def _picture(self, stats: Mapping[ItemKind, QueueStats], unfinished: Sequence[StoredBatch]) -> _Picture:
        context, now = self._context, self._context.store_now()
        terms: dict[tuple[ItemKind, str], BatchTerms] = {}
        for kind, priority in _CLASSES:
            count = stats[kind].urgent if priority == URGENT else stats[kind].waiting
            if (own := context.terms(kind, count, urgent=priority == URGENT)) is not None:
                terms[kind, priority] = own
        busy_routes = {
            (kind, own.route)
            for (kind, _), own in terms.items()
            if busy(kind, own.route, unfinished, self.runner.batches, now, context.timing)
        }
        ready, held = [], []
        for each in classes_of(stats, terms):
            departure = held_back(each, now, busy_routes)
            if departure is None:
                ready.append(each)
            else:
                held.append(departure)
        ready = urgent_first(ready)
        obstacles = {kind: found for kind in KINDS if (found := self.obstacle(kind)) is not None}
        return _Picture(
            stats,
            ready,
            grouped(ready, terms, obstacles, busy_routes, await self._holds(ready, unfinished)),
            held,
            {(stored.kind, stored.route) for stored in unfinished},
        )

    async def _holds(self, ready: Sequence[ItemClass], unfinished: Sequence[StoredBatch]) -> dict[ItemKind, float]:
        """How long pickups wait at most for the feeds that Amazon has; none where the next feed would be full."""
        ended = {batch.batch_id for batch in self.runner.batches.values() if batch.phase is BatchPhase.REPORTING}
        holds = {}
        for each in ready:
            if each.priority != PICKUP or each.terms.answers_by_item or each.waiting >= each.terms.max_items:
                continue
            received = [
                stored.submitted_at
                for stored in unfinished
                if stored.kind is each.kind and stored.submitted_at is not None and stored.batch_id not in ended
            ]
            if received:
                pace = await self._shared.pace(each.kind)
                holds[each.kind] = pace.hold_seconds(received, self._context.amazon_now())
        return holds

    def rules(self) -> list[QuotaRule]:
        """The quotas that this gateway's routes draw on at present."""
        terms = (self._context.terms(kind, urgent=priority == URGENT) for kind, priority in _CLASSES)
        return [each.quota for each in terms if each is not None and each.quota is not None]

    async def abandon(self, name: str) -> bool:
        """Give up a feed or batch if this process carries it; returns whether it does."""
        for batch in self.runner.batches.values():
            waits = batch.phase in (BatchPhase.UNANSWERED, BatchPhase.PROCESSING, BatchPhase.REPORTING)
            if name in (batch.feed_id, batch.batch_id) and waits and not batch.busy:
                with occupied(batch):
                    await self.runner.abandon(batch)
                batch.due_at = self._context.now()
                return True
        return False

    def obstacle(self, kind: ItemKind) -> Obstacle | None:
        """The obstacle that holds back all items of a kind at present."""
        probe, since = self._reachability.probe_in(), self._reachability.since
        return obstacle(
            kind,
            sending=_sending(kind) in self._under_way,
            looking_up=self._lookup.busy,
            cooldown=self._cooldowns.remaining(kind),
            outage=None if probe is None or since is None else (_INF if "probe" in self._under_way else probe, since),
        )

    async def departures(self) -> list[Departure]:
        """When each class would leave if nothing else happened."""
        context = self._context
        unfinished = await context.storage.unfinished(context.account)
        picture = await self._picture(await self.queue_stats(), unfinished)
        departures = list(picture.held)
        for group in picture.groups:
            departures += plan(await self._ledger(group), group.queues, self._policy)
        return departures

    # Tasks beside the loop

    def _start_once(self, name: str, work: Coroutine[Any, Any, None], *, wake: bool = True) -> None:
        """Perform beside the loop, unless the same is under way."""
        if name in self._under_way:
            work.close()
            return
        self._under_way.add(name)
        self._start(work, name, wake=wake)

    def perform(self, work: Coroutine[Any, Any, None]) -> None:
        """Perform beside the loop, so that closing waits for it."""
        if self.closing:
            work.close()
        else:
            self._start(work, wake=False)

    def _start(self, work: Coroutine[Any, Any, None], name: str = "", *, wake: bool = True) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self.tasks.discard(task)
            self._under_way.discard(name)
            if not task.cancelled() and (error := task.exception()) is not None:
                logger.error("a step failed: %s", error, exc_info=None if isinstance(error, StorageError) else error)
            if wake:
                self._wake()

        task.add_done_callback(ended)


def _sending(kind: ItemKind) -> str:
    return f"send {kind.value}"
