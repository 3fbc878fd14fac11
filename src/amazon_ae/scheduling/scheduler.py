"""The public face of the scheduler: one look after the other, each decided by ``core.lanes``."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import TracebackType
from typing import Any, Final

import attrs

from amazon_ae.clocks import SystemClock
from amazon_ae.core.lanes import STOCK, URGENT, Departure, FeedPolicy, Queue, Send, decide, plan
from amazon_ae.core.pickups import PickupDays, PickupPolicy, may_be_easy_ship
from amazon_ae.core.quota import Ledger
from amazon_ae.exceptions import ConfigurationError, QuotaTimeout, StorageError
from amazon_ae.models.events import EventSink
from amazon_ae.models.feeds import FeedState, ItemKind, ItemOutcome, Outcome, PickupRequest, QuotaRule
from amazon_ae.models.orders import Order
from amazon_ae.models.pickups import Forecast, PickupOutcome, SchedulerStats
from amazon_ae.models.stored import ItemState, QueueStats, StoredBatch
from amazon_ae.ports import Clock, FeedGateway, OrderGateway, Storage
from amazon_ae.scheduling.desk import Desk, raise_unless_accepted
from amazon_ae.scheduling.flights import Flight, Flights
from amazon_ae.scheduling.room import KINDS, Room, SchedulerTiming
from amazon_ae.scheduling.tracking import Tracker

__all__ = ["FeedScheduler"]

logger = logging.getLogger(__name__)

_INF: Final = math.inf
# A nap ends this much after the instant it was for, so that rounding never makes it end just before.
_AFTER: Final = 0.001
# When the store refuses what our plan allowed (another process was faster, or our clock is ahead), look again so soon.
_REFUSED_SECONDS: Final = 0.25
_STORE_FIRST: Final = 1.0
_STORE_LIMIT: Final = 60.0


class FeedScheduler:
    """Spends the feed quota: pickups first and together, stock spread evenly over the rest, never over.

    One per seller account and process; any number of processes may share one store. What waits lives in the store, so a
    killed process loses nothing, and a pickup that was asked for here may be carried by another process.

    Use ``async with``: it works in the background until the block ends. A host that owns its loop calls ``run_once``
    instead.

    Args:
        storage: where items wait and the quota is counted.
        gateway: how feeds reach Amazon; it names the quota.
        orders: looks an order up before its pickup spends a place; ``None`` leaves that to Amazon's report.
        clock: tells the time and sleeps.
        policy: how places are spent; see ``FeedPolicy.every`` and ``FeedPolicy.hourly_flush`` for the classic ways.
        pickup_days: chooses the day where ``schedule_pickup`` is not told one.
        is_easy_ship: refuses an order that Easy Ship does not carry; by default only those of Amazon's own warehouses.
        on_event: hears what happens (``models.events``); called on the event loop, must be quick.
        timing: how patient it is.
    """

    def __init__(
        self,
        storage: Storage,
        gateway: FeedGateway,
        *,
        orders: OrderGateway | None = None,
        clock: Clock | None = None,
        policy: FeedPolicy | None = None,
        pickup_days: PickupDays | None = None,
        is_easy_ship: Callable[[Order], bool] = may_be_easy_ship,
        on_event: EventSink | None = None,
        timing: SchedulerTiming | None = None,
    ) -> None:
        self._policy = policy or FeedPolicy()
        self._pickup_days = pickup_days or PickupPolicy()
        self._room = Room(
            storage, gateway, clock=clock or SystemClock(), timing=timing or SchedulerTiming(), on_event=on_event
        )
        self._desk = Desk(self._room, orders, is_easy_ship)
        self._flights = Flights(self._room, self._heard)
        self._tracker = Tracker(self._flights)
        self._sending: set[ItemKind] = set()
        self._polling = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop_task: asyncio.Task[None] | None = None
        self._nap: asyncio.Future[None] | None = None
        self._unwatch: Callable[[], None] | None = None
        self._woken = False
        self._closing = False
        self._looked_at = self._glanced_at = self._room.now()
        self._glance: asyncio.Future[None] | None = None
        self._signs: tuple[int, bool, bool] = (0, False, False)

    @property
    def account(self) -> str:
        """The seller account whose items it carries."""
        return self._room.account

    # Life

    async def __aenter__(self) -> FeedScheduler:
        """Begin to work in the background."""
        if self._loop_task is not None:
            raise ConfigurationError("this scheduler works already")
        loop = asyncio.get_running_loop()
        self._closing = False

        def put_somewhere() -> None:  # in whatever thread the store works
            loop.call_soon_threadsafe(self._put_seen)

        self._unwatch = self._room.storage.watch(self.account, put_somewhere)
        self._loop_task = asyncio.create_task(self._work(), name=f"FeedScheduler {self.account}")
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Stop: see ``aclose``."""
        await self.aclose()

    async def aclose(self) -> None:
        """Send nothing more, let requests that are under way end (at most ``drain_seconds``), then stop. Twice is fine.

        What waits stays queued; feeds at Amazon are taken over by the next process.
        """
        self._closing = True
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        if self._loop_task is not None:
            self._wake()
            await asyncio.gather(self._loop_task, return_exceptions=True)
            self._loop_task = None
        await self._drain()
        self._desk.close()
        await self._hand_over()

    async def _drain(self) -> None:
        if not self._tasks:
            return
        nap = asyncio.ensure_future(self._room.clock.sleep(self._room.timing.drain_seconds))
        work = asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.wait((nap, work), return_when=asyncio.FIRST_COMPLETED)
        nap.cancel()
        if not work.done():
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def _hand_over(self) -> None:
        """Batches at Amazon need not wait for our lease to run out."""
        for flight in list(self._flights.held.values()):
            if flight.saved and flight.booking is None and not flight.busy:
                with contextlib.suppress(StorageError):
                    await self._room.storage.renew(flight.batch_id, flight.batch.fence, lease_seconds=0.0)
        self._flights.held.clear()

    async def _work(self) -> None:
        failures = 0
        while not self._closing:
            try:
                seconds = await self._look()
                failures = 0
            except StorageError as error:
                failures += 1
                seconds = min(_STORE_LIMIT, _STORE_FIRST * 2.0 ** min(failures, 10))
                logger.warning("the store failed: %s; looking again in %.0f s", error, seconds)
            except Exception:
                seconds = _STORE_LIMIT
                logger.exception("a look failed unexpectedly; looking again in %.0f s", seconds)
            await self._sleep(seconds)

    async def _sleep(self, seconds: float) -> None:
        """Sleep until it is time or somebody wakes us. Puts that change nothing for us do not end the sleep."""
        until = self._room.now() + timedelta(seconds=seconds)
        while not self._woken and not self._closing:
            left = (until - self._room.now()).total_seconds()
            if left <= 0:
                return
            self._nap = asyncio.ensure_future(self._room.clock.sleep(left + _AFTER))
            try:
                await asyncio.wait((self._nap,))
            finally:
                self._nap.cancel()
                self._nap = None
        self._woken = False

    def _wake(self) -> None:
        self._woken = True
        if self._nap is not None:
            self._nap.cancel()

    def _put_seen(self) -> None:
        """Somebody put something: glance at the queues, at most once per ``wake_seconds``."""
        if not self._closing and self._glance is None:
            self._glance = asyncio.ensure_future(self._glance_at_queues())

    async def _glance_at_queues(self) -> None:
        try:
            rest = self._room.timing.wake_seconds - (self._room.now() - self._glanced_at).total_seconds()
            if rest > 0:
                await self._room.clock.sleep(min(rest, self._room.timing.wake_seconds))
            self._glanced_at = self._room.now()
            if _signs(await self._queue_stats()) != self._signs:
                self._wake()
        except StorageError as error:
            logger.warning("the store failed: %s", error)
        finally:
            self._glance = None

    # One look

    async def run_once(self) -> float:
        """Do everything that is due now, requests included; returns the seconds after which to call again.

        For hosts that own the loop. Do not mix it with ``async with``. A host that hears of new work earlier calls earlier.

        Raises:
            StorageError: the store failed; what was under way goes on at the next call.
        """
        if self._loop_task is not None:
            raise ConfigurationError("run_once is for schedulers that do not work in the background")
        while True:
            seconds = await self._look()
            if not self._tasks:
                return seconds
            await asyncio.wait(self._tasks)

    async def _look(self) -> float:
        """Look at everything once, start what can be done now, and say when to look again (seconds)."""
        room = self._room
        self._rewind()
        unfinished = await room.storage.unfinished(self.account)
        await self._tracker.take_over(unfinished)
        await self._tracker.renew()
        await self._desk.recheck({key for flight in self._flights.held.values() for key, _, _ in flight.batch.items})
        self._carry_on(unfinished)
        stats = await self._queue_stats()
        self._signs = _signs(stats)
        return max(0.0, min(await self._send_all(stats, unfinished), self._due_seconds(), room.timing.idle_seconds))

    async def _queue_stats(self) -> dict[ItemKind, QueueStats]:
        return {kind: await self._room.storage.stats(self.account, kind) for kind in KINDS}

    def _rewind(self) -> None:
        """Our clock was set back: what was to be looked at in its future is looked at now."""
        now = self._room.now()
        if now < self._looked_at:
            self._flights.clock_set_back(now)
        self._looked_at = now

    def _carry_on(self, unfinished: Sequence[StoredBatch]) -> None:
        """Start the steps of feeds in flight that are due."""
        now = self._room.now()
        poll = False
        for flight in self._flights.held.values():
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
        if flight.in_doubt and flight.booking is None:
            await self._tracker.look_for(flight)
        await self._flights.carry(flight)

    async def _poll(self, feed_ids: Sequence[str]) -> None:
        try:
            for flight in await self._tracker.poll(feed_ids):
                self._start(self._step(flight))
        finally:
            self._polling = False

    def _due_seconds(self) -> float:
        """Seconds until a feed in flight or a waiter wants attention."""
        now = self._room.now()
        due = [self._desk.recheck_in()]
        for flight in self._flights.held.values():
            if not flight.busy:
                due.append(self._tracker.renew_in(flight))
                if not (flight.polled and self._polling):
                    due.append((flight.look_at - now).total_seconds())
        return min(due)

    async def _send_all(self, stats: Mapping[ItemKind, QueueStats], unfinished: Sequence[StoredBatch]) -> float:
        """Start every feed that may leave now; returns the seconds until the next one may."""
        wait = _INF
        queues = self._queues(stats, unfinished)
        for rule, group in self._groups(queues):
            ledger = await self._room.ledger(rule) if rule is not None else None
            while not self._closing:
                decision = decide(ledger, group, self._policy)
                if not isinstance(decision, Send):
                    wait = min(wait, decision.seconds)
                    break
                chosen = next(queue for queue in group if queue.kind is decision.kind)
                self._sending.add(chosen.kind)
                self._start(self._send(decision, tuple(group), rule, stats[chosen.kind]))
                group[group.index(chosen)] = attrs.evolve(chosen, waiting=0, urgent=0)
                if ledger is not None:
                    ledger = ledger.reserve(chosen.kind, decision.lane) or ledger
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
            seconds, why = self._obstacle(kind, unfinished)
            queues[kind] = Queue(
                kind=kind,
                waiting=stats[kind].waiting,
                urgent=stats[kind].urgent,
                busy=any(batch.kind is kind for batch in unfinished),
                blocked=why,
                blocked_seconds=seconds,
            )
        return queues

    def _obstacle(self, kind: ItemKind, unfinished: Sequence[StoredBatch]) -> tuple[float, str]:
        """Why nothing of a kind may leave now, and for how long; ``""`` where nothing is in the way."""
        room, now = self._room, self._room.store_now()
        if kind in self._sending:
            return _INF, "a feed that is leaving right now"
        for batch in unfinished:
            if batch.kind is not kind:
                continue
            flight = self._flights.held.get(batch.batch_id)
            age = (now - (batch.submitted_at or batch.opened_at)).total_seconds()
            if flight is not None and flight.in_doubt:
                return _INF, "a feed that was sent and not answered: Amazon is asked what came of it"
            if batch.feed_id is None and (flight is None or not flight.busy) and age > room.timing.submit_seconds:
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
            limit = self._flights.limit(kind)
            keys = await self._desk.may_leave(limit) if kind is ItemKind.PICKUP else None
            if keys == [] or (keys is None and kind is ItemKind.PICKUP):
                return
            opened, batch_id = room.now(), uuid.uuid4().hex

            def admit(text: str | None, now: datetime) -> str | None:
                room.store_said(now)
                ledger = Ledger.read(text, rule, now) if rule is not None else None
                if ledger is None or decide(ledger, group, self._policy) != decision:
                    return None
                after = ledger.reserve(batch_id, decision.lane)
                return None if after is None else after.to_text()

            batch = await room.storage.open(
                self.account,
                kind,
                batch_id=batch_id,
                limit=limit,
                lease_seconds=room.timing.lease_seconds,
                exclusive=decision.lane == STOCK,
                keys=keys,
                ledger=None if rule is None else rule.name,
                admit=None if rule is None else admit,
            )
            if batch is None:
                room.pause(kind, _REFUSED_SECONDS)
                return
            oldest = stats.oldest_at or batch.opened_at
            waited = max(0.0, (batch.opened_at - oldest).total_seconds())
            await self._flights.send(batch, opened=opened, waited_seconds=waited, urgent=decision.lane == URGENT)
        finally:
            self._sending.discard(kind)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        """Perform beside the loop; whatever it ends with, look again."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a step failed: %s", error, exc_info=None if isinstance(error, StorageError) else error)
        self._wake()

    async def _heard(self, flight: Flight, outcomes: Sequence[ItemOutcome]) -> None:
        if flight.kind is ItemKind.PICKUP:
            await self._desk.heard(outcomes)

    # The pack station

    async def schedule_pickup(
        self,
        order_id: str,
        *,
        pickup_date: date | None = None,
        pickup_time: str | None = None,
        weight_grams: Decimal | None = None,
        length_cm: Decimal | None = None,
        width_cm: Decimal | None = None,
        height_cm: Decimal | None = None,
        package_identifier: str | None = None,
        invoice_id: str | None = None,
        reference: str | None = None,
        deadline: datetime | timedelta | None = None,
    ) -> PickupOutcome:
        """Ask for a pickup and wait for this order's own outcome. Durable before it waits; asked twice, it is sent once.

        Cancelling the call does not cancel the pickup: ``outcome(order_id)`` tells later. The first request for an order
        stands; a repeat joins it, whatever it says; one that was rejected is asked for anew.

        Args:
            order_id: the channel (Amazon) order id, 3-7-7 digits.
            pickup_date: the day in the marketplace's time zone; ``pickup_days`` chooses without one.
            pickup_time: the slot, as the marketplace's template wants it.
            weight_grams, length_cm, width_cm, height_cm: of the packed parcel; the route says which it needs.
            package_identifier, invoice_id: see ``PickupRequest``.
            reference: the host's own, handed back.
            deadline: an instant (aware), or a length from now; no longer is waited.

        Raises:
            PickupRejected: Amazon's report or the look-up refused it; ``code`` and ``message`` say why.
            PickupUnknown: nobody can tell: look in Seller Central, then call ``resolve``.
            QuotaTimeout: no outcome before ``deadline``; the pickup stays queued; ``retry_at`` is when it should leave.
            ConfigurationError: the request breaks a rule.
            StorageError: nothing was stored.
        """
        until = self._room.now() + deadline if isinstance(deadline, timedelta) else deadline
        if until is not None and until.tzinfo is None:
            raise ConfigurationError("deadline must be an aware datetime or a timedelta")
        request = PickupRequest(
            order_id=order_id,
            pickup_date=pickup_date or self._pickup_days.pickup_date(self._room.now()),
            pickup_time=pickup_time,
            weight_grams=weight_grams,
            length_cm=length_cm,
            width_cm=width_cm,
            height_cm=height_cm,
            package_identifier=package_identifier,
            invoice_id=invoice_id,
        )
        outcome = await self._desk.ask(request, reference)
        if outcome.state in (ItemState.WAITING, ItemState.IN_FLIGHT):
            self._wake()
            try:
                return await self._desk.wait(order_id, until)
            except TimeoutError as error:
                if isinstance(error, QuotaTimeout):
                    raise
                forecast = await self.forecast(order_id=order_id)
                raise QuotaTimeout(
                    f"no outcome of {order_id} before the deadline; it stays queued and waits for {forecast.why}",
                    retry_at=forecast.leaves_at,
                ) from None
        return raise_unless_accepted(outcome)

    async def outcome(self, order_id: str) -> PickupOutcome | None:
        """How an order's pickup stands, whichever process asked for it; ``None`` if nobody did."""
        return await self._desk.outcome(order_id)

    async def resolve(self, order_id: str, *, scheduled: bool) -> bool:
        """Say what a person saw in Seller Central about a pickup that is ``UNKNOWN``.

        Args:
            scheduled: true if Amazon has the pickup; false sends it again.

        Returns:
            Whether there was such a pickup.
        """
        item = await self._room.storage.item(self.account, ItemKind.PICKUP, order_id)
        if item is None or item.state is not ItemState.UNKNOWN:
            return False
        outcome = Outcome.ACCEPTED if scheduled else Outcome.RETRY
        resolved = await self._room.storage.resolve(self.account, ItemKind.PICKUP, [order_id], outcome=outcome)
        self._wake()
        return resolved > 0

    async def abandon(self, feed_id: str) -> bool:
        """Wait no longer for a feed that Amazon holds or does not finish: its stock is sent again, its pickups become
        ``UNKNOWN``. Only for feeds that this process carries.

        Returns:
            Whether this process carried such a feed.
        """
        for flight in self._flights.held.values():
            if feed_id in (flight.feed_id, flight.batch_id) and flight.outcomes is None and not flight.busy:
                self._flights.give_up(flight, "FeedAbandoned", "the host gave up waiting for Amazon's report")
                flight.look_at = self._room.now()
                self._wake()
                return True
        return False

    # Telling

    async def forecast(self, *, order_id: str | None = None, kind: ItemKind | None = None) -> Forecast:
        """When a pickup, or the next feed of a kind, will leave if nothing else happens, and what it waits for.

        Raises:
            ConfigurationError: neither or both were given.
        """
        if (order_id is None) == (kind is None):
            raise ConfigurationError("forecast takes either order_id= or kind=")
        if order_id is not None:
            item = await self._room.storage.item(self.account, ItemKind.PICKUP, order_id)
            if item is None:
                return Forecast(leaves_at=None, why="nothing: this pickup was never asked for")
            if item.state is ItemState.IN_FLIGHT:
                return Forecast(leaves_at=None, why=f"Amazon's report on feed {item.feed_id or '(being sent)'}")
            if item.state is not ItemState.WAITING:
                return Forecast(leaves_at=None, why=f"nothing: its outcome is {item.state.value}")
            kind = ItemKind.PICKUP
        return next(
            (self._told(departure) for departure in await self._plan() if departure.kind is kind),
            Forecast(leaves_at=None, why="nothing: no item of this kind waits"),
        )

    async def _plan(self) -> list[Departure]:
        unfinished = await self._room.storage.unfinished(self.account)
        departures = []
        for rule, group in self._groups(self._queues(await self._queue_stats(), unfinished)):
            departures += plan(await self._room.ledger(rule) if rule else None, group, self._policy)
        return departures

    def _told(self, departure: Departure) -> Forecast:
        if departure.wait_seconds == _INF:
            return Forecast(leaves_at=None, why=departure.why)
        leaves_at = self._room.now() + timedelta(seconds=departure.wait_seconds)
        return Forecast(leaves_at=leaves_at, why=departure.why or "nothing: it leaves now")

    async def stats(self) -> SchedulerStats:
        """A snapshot for a dashboard: what waits, what is in flight, and what is left of the quota."""
        unfinished = await self._room.storage.unfinished(self.account)
        ledgers = {
            rule.name: await self._room.ledger(rule) for rule in self._room.rules.values() if rule is not None
        }
        obstacles = {kind: self._obstacle(kind, unfinished)[1] for kind in KINDS}
        return SchedulerStats(
            queues=await self._queue_stats(),
            quota_free={name: ledger.free for name, ledger in ledgers.items()},
            quota_used={name: ledger.used for name, ledger in ledgers.items()},
            feeds_in_flight={kind: sum(batch.kind is kind for batch in unfinished) for kind in KINDS},
            blocked={kind: why for kind, why in obstacles.items() if why},
        )


def _signs(stats: Mapping[ItemKind, QueueStats]) -> tuple[int, bool, bool]:
    """What of the queues a decision depends on, coarsely: a change is worth a look."""
    pickup, inventory = stats[ItemKind.PICKUP], stats[ItemKind.INVENTORY]
    return pickup.waiting, inventory.urgent > 0, inventory.waiting > 0
