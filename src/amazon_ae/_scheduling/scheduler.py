"""The public face of the scheduler: one look after the other, each decided by ``policy``."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import TracebackType
from typing import Final

from amazon_ae._clocks import SystemClock
from amazon_ae._exceptions import ConfigurationError, QuotaTimeout, StorageError
from amazon_ae._models.events import EventSink
from amazon_ae._models.feeds import ItemKind, Outcome, PickupRequest
from amazon_ae._models.orders import Order
from amazon_ae._models.pickups import Forecast, PickupOutcome, SchedulerStats
from amazon_ae._models.stored import ItemState
from amazon_ae._ports import Clock, FeedGateway, OrderGateway, Storage
from amazon_ae._scheduling.context import KINDS, Room, SchedulerTiming
from amazon_ae._scheduling.dispatcher import Looker, signs_of
from amazon_ae._scheduling.eligibility import PickupDays, PickupPolicy, may_be_easy_ship
from amazon_ae._scheduling.policy import Departure, FeedPolicy
from amazon_ae._scheduling.waiters import Desk, raise_unless_accepted

__all__ = ["FeedScheduler"]

logger: Final[logging.Logger] = logging.getLogger(__name__)

# A nap ends this much after the instant it was for, so that rounding never makes it end just before.
_AFTER: Final = 0.001
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
        self._pickup_days = pickup_days or PickupPolicy()
        self._room = Room(
            storage, gateway, clock=clock or SystemClock(), timing=timing or SchedulerTiming(), on_event=on_event
        )
        self._desk = Desk(self._room, orders, is_easy_ship)
        self._looker = Looker(self._room, self._desk, policy or FeedPolicy(), self._wake)
        self._loop_task: asyncio.Task[None] | None = None
        self._nap: asyncio.Future[None] | None = None
        self._unwatch: Callable[[], None] | None = None
        self._woken = False
        self._glanced_at = self._room.now()
        self._glance: asyncio.Task[None] | None = None

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
        self._looker.closing = self._desk.closed = False

        def put_somewhere() -> None:
            if self._glance is None:  # else one is under way, and will see this put too
                try:
                    here = asyncio.get_running_loop() is loop
                except RuntimeError:  # the store works in a thread of its own
                    here = False
                if here:
                    self._put_seen()
                else:
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
        """Send nothing more, let what is under way end (at most ``drain_seconds``), then stop. Twice is fine.

        What waits stays queued; feeds at Amazon are taken over by the next process.
        """
        self._looker.closing = True
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        if self._glance is not None:
            self._glance.cancel()  # it rests, and would read a store that the host is about to close
            self._glance = None
        try:
            self._wake()
            await self._drain()
            self._loop_task = None
        finally:
            self._desk.close()  # also when the host's patience ends before ours: nobody waits for ever
        await self._hand_over()

    async def _drain(self) -> None:
        def at_work() -> set[asyncio.Task[None]]:
            looking = {self._loop_task} if self._loop_task is not None and not self._loop_task.done() else set()
            return self._looker.tasks | looking

        if not at_work():
            return
        nap = asyncio.ensure_future(self._room.clock.sleep(self._room.timing.drain_seconds))
        try:
            while (tasks := at_work()) and not nap.done():  # one that ends may start another: a poll starts the reports
                await asyncio.wait({nap, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            nap.cancel()
        left = [nap, *at_work()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _hand_over(self) -> None:
        """Batches at Amazon need not wait for our lease to run out."""
        for flight in list(self._looker.flights.held.values()):
            if flight.saved and flight.booking is None and not flight.busy:
                with contextlib.suppress(StorageError):
                    await self._room.storage.renew(flight.batch_id, flight.batch.fence, lease_seconds=0.0)
        self._looker.flights.held.clear()

    async def _work(self) -> None:
        failures = 0
        while not self._looker.closing:
            try:
                seconds = await self._looker.look()
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
        """Sleep that long, or until somebody wakes us. A nap that ends early costs one look too many, and no instant is
        waited for: the clock may be set back meanwhile.
        """
        if seconds > 0 and not self._woken and not self._looker.closing:
            self._nap = asyncio.ensure_future(self._room.clock.sleep(seconds + _AFTER))
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
        if not self._looker.closing and self._glance is None:
            self._glance = asyncio.ensure_future(self._glance_at_queues())
            self._looker.tasks.add(self._glance)  # closing waits for one that reads the store
            self._glance.add_done_callback(self._looker.tasks.discard)

    async def _glance_at_queues(self) -> None:
        try:
            rest = self._room.timing.wake_seconds - (self._room.now() - self._glanced_at).total_seconds()
            if rest > 0:
                await self._room.clock.sleep(min(rest, self._room.timing.wake_seconds))
            self._glanced_at = self._room.now()
            self._glance = None  # what is put from here on wants another glance
            if signs_of(await self._looker.queue_stats()) != self._looker.signs:
                self._wake()
        except StorageError as error:
            logger.warning("the store failed: %s", error)
        except Exception:
            logger.exception("a glance at the queues failed unexpectedly")

    async def run_once(self) -> float:
        """Do everything that is due now, requests included; returns the seconds after which to call again.

        For hosts that own the loop. Do not mix it with ``async with``. A host that hears of new work earlier calls
        earlier.

        Raises:
            StorageError: the store failed; what was under way goes on at the next call.
        """
        if self._loop_task is not None:
            raise ConfigurationError("run_once is for schedulers that do not work in the background")
        while True:
            seconds = await self._looker.look()
            if not self._looker.tasks:
                return seconds
            await asyncio.wait(self._looker.tasks)

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
        """Ask for a pickup and wait for this order's own outcome. Durable before it waits; asked twice, it is sent
        once. This scheduler must work (``async with``, or calls of ``run_once``): it hands the outcome over.

        Cancelling the call does not cancel the pickup: ``outcome(order_id)`` tells later. The first request for an
        order stands; a repeat joins it, whatever it says; one that was rejected is asked for anew.

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
            StorageError: the store failed, and nobody can tell whether the request was stored: ask again, it is sent
                once.
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
        self._room.gateway.terms(ItemKind.PICKUP, 1)  # a gateway without a route for pickups says so here
        outcome = await self._desk.ask(request, reference)
        if outcome.state in (ItemState.WAITING, ItemState.IN_FLIGHT):
            self._wake()
            try:
                return await self._desk.wait(order_id, until)
            except TimeoutError as error:
                if isinstance(error, QuotaTimeout):
                    raise
                try:
                    forecast = await self.forecast(order_id=order_id)
                except StorageError:  # it is stored all the same: the caller must hear that, and not of this
                    forecast = Forecast(leaves_at=None, why="a store that cannot be read at the moment")
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
        return bool(resolved)

    async def abandon(self, feed_id: str) -> bool:
        """Wait no longer for a feed that Amazon holds or does not finish: its stock is sent again, its pickups become
        ``UNKNOWN``. Where another process carries it, word is left for it in the store: it hears at its next poll of
        that feed, within a quarter of an hour.

        Args:
            feed_id: as ``FeedDelayed`` tells it; or the ``batch_id`` of a feed that Amazon never answered.

        Returns:
            Whether any process of this account carries such a feed.

        Raises:
            StorageError: the store failed; ask again.
        """
        for flight in self._looker.flights.held.values():
            if feed_id in (flight.feed_id, flight.batch_id) and flight.outcomes is None and not flight.busy:
                self._looker.flights.abandon(flight)
                flight.look_at = self._room.now()
                self._wake()
                return True
        return await self._looker.tracker.abandon(feed_id)

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
            (self._told(departure) for departure in await self._looker.departures() if departure.kind is kind),
            Forecast(leaves_at=None, why="nothing: no item of this kind waits"),
        )

    def _told(self, departure: Departure) -> Forecast:
        if departure.wait_seconds == math.inf:
            return Forecast(leaves_at=None, why=departure.why)
        leaves_at = self._room.now() + timedelta(seconds=departure.wait_seconds)
        now = "nothing: it leaves now" if self._looker.looked_at else "a scheduler at work: this one has not looked yet"
        return Forecast(leaves_at=leaves_at, why=departure.why or now)

    async def stats(self) -> SchedulerStats:
        """A snapshot for a dashboard: what waits, what is in flight, and what is left of the quota."""
        unfinished = await self._room.storage.unfinished(self.account)
        ledgers = {rule.name: await self._room.ledger(rule) for rule in self._room.rules.values() if rule is not None}
        obstacles = {kind: self._looker.obstacle(kind, unfinished)[1] for kind in KINDS}
        return SchedulerStats(
            queues=await self._looker.queue_stats(),
            quota_free={name: ledger.free for name, ledger in ledgers.items()},
            quota_used={name: ledger.used for name, ledger in ledgers.items()},
            feeds_in_flight={kind: sum(batch.kind is kind for batch in unfinished) for kind in KINDS},
            blocked={kind: why for kind, why in obstacles.items() if why},
            looked_at=self._looker.looked_at,
        )
