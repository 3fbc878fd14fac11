"""One look: what is due is started, what may leave leaves, and the next look gets its time. ``policy`` decides."""

from __future__ import annotations

import asyncio
import logging
import math
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import attrs

from amazon_ae._exceptions import StorageError
from amazon_ae._models.feeds import FeedState, ItemKind, ItemOutcome, QuotaRule
from amazon_ae._models.stored import QueueStats, StoredBatch
from amazon_ae._scheduling.batch_runner import Flight, Flights
from amazon_ae._scheduling.context import KINDS, Room
from amazon_ae._scheduling.policy import URGENT, Departure, FeedPolicy, Queue, Send, decide, plan
from amazon_ae._scheduling.polling import Tracker
from amazon_ae._scheduling.quota import Ledger
from amazon_ae._scheduling.waiters import Desk

__all__ = ["Looker", "signs_of"]

logger: Final[logging.Logger] = logging.getLogger(__name__)

_INF: Final = math.inf
# When the store refuses what our plan allowed (another process was faster, or our clock is ahead), look again so soon.
_REFUSED_SECONDS: Final = 0.25
# The store decides whether a lease is over, and its clock is only nearly known here: ask no more often than this.
_LEASE_AFTER_SECONDS: Final = 5.0


class Looker:
    """See the module. ``wake`` is called when something ended and another look is worth it."""

    def __init__(self, room: Room, desk: Desk, policy: FeedPolicy, wake: Callable[[], None]) -> None:
        self._room = room
        self._desk = desk
        self._policy = policy
        self._wake = wake
        self.flights: Flights = Flights(room, self._heard)
        self.tracker: Tracker = Tracker(self.flights)
        self._sending: set[ItemKind] = set()
        self._polling = False
        self.looked_at: datetime | None = None
        self.tasks: set[asyncio.Task[None]] = set()
        self.signs: tuple[int, bool, bool] = (0, False, False)
        self.closing = False

    async def look(self) -> float:
        """Look at everything once, start what can be done now, and say when to look again (seconds)."""
        room = self._room
        # What the last look started takes its first step, also over a store that never waits; else it is started again.
        await asyncio.sleep(0)
        self._rewind()
        unfinished = await room.storage.unfinished(self._room.account)
        await self.tracker.take_over(unfinished)
        await self.tracker.renew()
        if self._desk.recheck_in() <= 0:
            await self._desk.recheck({key for flight in self.flights.held.values() for key, _, _ in flight.batch.items})
        self._carry_on(unfinished)
        stats = await self.queue_stats()
        self.signs = signs_of(stats)
        due = min(self._due_seconds(), self._lease_seconds(unfinished))
        return max(0.0, min(await self._send_all(stats, unfinished), due, room.timing.idle_seconds))

    async def queue_stats(self) -> dict[ItemKind, QueueStats]:
        return {kind: await self._room.storage.stats(self._room.account, kind) for kind in KINDS}

    def _rewind(self) -> None:
        """Our clock was set back: what was to be looked at in its future is looked at now."""
        now = self._room.now()
        if self.looked_at is not None and now < self.looked_at:
            self._room.clock_set_back(now)
            self._desk.clock_set_back(now)
            self.flights.clock_set_back(now)
        self.looked_at = now

    def _carry_on(self, unfinished: Sequence[StoredBatch]) -> None:
        """Start the steps of feeds in flight that are due."""
        now = self._room.now()
        poll = False
        for flight in self.flights.held.values():
            if flight.busy or flight.look_at > now:
                continue
            if flight.polled and flight.booking is None:
                poll = True
            else:
                self._start(self._step(flight))
        if poll and not self._polling:
            self._polling = True
            self._start(self._poll([batch.feed_id for batch in unfinished if batch.feed_id is not None]))

    async def _step(self, flight: Flight) -> None:
        try:
            if flight.in_doubt and flight.booking is None:
                await self.tracker.look_for(flight)
            elif flight.delayed and flight.outcomes is None:
                await self.tracker.hear(flight)
            await self.flights.carry(flight)
        except Exception:
            flight.attempts += 1
            self.flights.later(flight, flight.attempts)  # whatever it was, it must not spin
            self.flights.tell_if_late(flight)
            raise

    async def _poll(self, feed_ids: Sequence[str]) -> None:
        try:
            for flight in await self.tracker.poll(feed_ids):
                self._start(self._step(flight))
        except Exception:
            for flight in self.flights.held.values():
                if flight.polled:
                    self.flights.later(flight, 1)
            raise
        finally:
            self._polling = False

    def _due_seconds(self) -> float:
        """Seconds until a feed in flight or a waiter wants attention."""
        now = self._room.now()
        due = [self._desk.recheck_in()]
        for flight in self.flights.held.values():
            if not flight.busy:
                due.append(self.tracker.renew_in(flight))
                if not (flight.polled and self._polling):
                    due.append((flight.look_at - now).total_seconds())
        return min(due)

    def _lease_seconds(self, unfinished: Sequence[StoredBatch]) -> float:
        """Seconds until a batch of another process is ours to take, should that process be dead."""
        now = self._room.store_now()
        ends = [batch.lease_until for batch in unfinished if batch.batch_id not in self.flights.held]
        return max(_LEASE_AFTER_SECONDS, (min(ends) - now).total_seconds()) if ends else _INF

    async def _send_all(self, stats: Mapping[ItemKind, QueueStats], unfinished: Sequence[StoredBatch]) -> float:
        """Start every feed that may leave now; returns the seconds until the next one may."""
        wait = _INF
        queues = self._queues(stats, unfinished)
        for rule, group in self._groups(queues):
            ledger = await self._room.ledger(rule) if rule is not None else None
            while not self.closing:
                decision = decide(ledger, group, self._policy)
                if not isinstance(decision, Send):
                    wait = min(wait, decision.seconds)
                    break
                chosen = next(queue for queue in group if queue.kind is decision.kind)
                self._sending.add(chosen.kind)
                self._start(self._send(decision, tuple(group), rule, stats[chosen.kind]))
                group[group.index(chosen)] = attrs.evolve(chosen, waiting=0, urgent=0)
                if ledger is not None:
                    ledger = ledger.reserve(chosen.kind, decision.priority) or ledger
        return wait

    def _groups(self, queues: Mapping[ItemKind, Queue]) -> list[tuple[QuotaRule | None, list[Queue]]]:
        """The queues that share a quota, each group with its rule."""
        groups: dict[str | None, tuple[QuotaRule | None, list[Queue]]] = {}
        for kind, queue in queues.items():
            rule = self._room.rules[kind]
            groups.setdefault(None if rule is None else rule.name, (rule, []))[1].append(queue)
        return list(groups.values())

    def _queues(self, stats: Mapping[ItemKind, QueueStats], unfinished: Sequence[StoredBatch]) -> dict[ItemKind, Queue]:
        queues = {}
        for kind in KINDS:
            seconds, why = self.obstacle(kind, unfinished)
            queues[kind] = Queue(
                kind=kind,
                waiting=stats[kind].waiting,
                urgent=stats[kind].urgent,
                busy=any(batch.kind is kind for batch in unfinished),
                blocked=why,
                blocked_seconds=seconds,
            )
        return queues

    def obstacle(self, kind: ItemKind, unfinished: Sequence[StoredBatch]) -> tuple[float, str]:
        """Why nothing of a kind may leave now, and for how long; ``""`` where nothing is in the way."""
        room, now = self._room, self._room.store_now()
        if kind in self._sending:
            return _INF, "a feed that is leaving right now"
        for batch in unfinished:
            if batch.kind is not kind:
                continue
            flight = self.flights.held.get(batch.batch_id)
            age = (now - (batch.submitted_at or batch.opened_at)).total_seconds()
            if flight is not None and flight.in_doubt:
                return _INF, "a feed that was sent and not answered: Amazon is asked what came of it"
            terms = room.terms(kind, batch.size)
            answer_seconds = 0.0 if terms is None else terms.answer_seconds
            if batch.feed_id is None and (flight is None or not flight.busy) and age > answer_seconds:
                return _INF, "a feed of another process that was not answered"
            if flight is not None and flight.state is FeedState.HELD:
                return _INF, f"feed {batch.feed_id}, which Amazon's people look at"
            if batch.feed_id is not None and age > room.timing.stuck_after_seconds:
                return _INF, f"feed {batch.feed_id}, which Amazon does not finish"
        return room.held(kind) or (_INF, "")

    async def _send(self, decision: Send, group: Sequence[Queue], rule: QuotaRule | None, stats: QueueStats) -> None:
        """Open a batch and submit it. The policy is asked again under the ledger's lock: processes that race share."""
        room, kind = self._room, decision.kind
        try:
            terms = room.terms(kind, stats.waiting, urgent=decision.priority == URGENT)
            if terms is None:
                return
            limit = self.flights.limit(kind, terms.max_items)
            keys = await self._desk.may_leave(limit) if kind is ItemKind.PICKUP else None
            if keys == [] or (keys is None and kind is ItemKind.PICKUP):
                return
            opened, batch_id = room.now(), uuid.uuid4().hex

            def admit(text: str | None, now: datetime) -> str | None:
                room.store_said(now)
                ledger = Ledger.read(text, rule, now) if rule is not None else None
                if ledger is None or decide(ledger, group, self._policy) != decision:
                    return None
                after = ledger.reserve(batch_id, decision.priority)
                return None if after is None else after.to_text()

            batch = await room.storage.open(
                self._room.account,
                kind,
                batch_id=batch_id,
                limit=limit,
                lease_seconds=room.lease_seconds(terms),
                exclusive=terms.exclusive,
                keys=keys,
                ledger=None if rule is None else rule.name,
                admit=None if rule is None else admit,
            )
            if batch is None:
                room.pause(kind, _REFUSED_SECONDS)
                return
            oldest = stats.oldest_at or batch.opened_at
            waited = max(0.0, (batch.opened_at - oldest).total_seconds())
            await self.flights.send(
                batch, terms, opened=opened, waited_seconds=waited, urgent=decision.priority == URGENT
            )
        except Exception:
            room.hold(kind, "a pause: a feed could not be prepared", first=1.0, limit=60.0)
            raise
        finally:
            self._sending.discard(kind)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        """Perform beside the loop; whatever it ends with, look again."""
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a step failed: %s", error, exc_info=None if isinstance(error, StorageError) else error)
        self._wake()

    async def _heard(self, flight: Flight, outcomes: Sequence[ItemOutcome]) -> None:
        if flight.kind is ItemKind.PICKUP:
            if flight.given_up_at is not None and not outcomes:
                self._desk.doubt(item.key for item in flight.feed.items)
            await self._desk.heard(outcomes)

    async def departures(self) -> list[Departure]:
        """When each lane would leave if nothing else happened."""
        unfinished = await self._room.storage.unfinished(self._room.account)
        departures: list[Departure] = []
        for rule, group in self._groups(self._queues(await self.queue_stats(), unfinished)):
            departures += plan(await self._room.ledger(rule) if rule else None, group, self._policy)
        return departures


def signs_of(stats: Mapping[ItemKind, QueueStats]) -> tuple[int, bool, bool]:
    """What of the queues a decision depends on, coarsely: a change is worth a look."""
    pickup, inventory = stats[ItemKind.PICKUP], stats[ItemKind.INVENTORY]
    return pickup.waiting, inventory.urgent > 0, inventory.waiting > 0
