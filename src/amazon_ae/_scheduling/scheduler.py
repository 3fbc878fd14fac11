"""``FeedScheduler``: what a host calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import TracebackType
from typing import Final

import attrs

from amazon_ae._clocks import SystemClock
from amazon_ae._exceptions import ConfigurationError, NotSupported, PickupRejected, QuotaTimeout, StorageError
from amazon_ae._models import events
from amazon_ae._models.checks import check_storage_first, deadline_at
from amazon_ae._models.events import EventSink
from amazon_ae._models.feeds import ItemKind, ItemOutcome, Outcome, PickupRequest
from amazon_ae._models.notifications import FeedFinished, Notification
from amazon_ae._models.orders import Order
from amazon_ae._models.pickups import Forecast, PickupOutcome, SchedulerStats
from amazon_ae._models.refusals import may_pass
from amazon_ae._models.stored import Change, ItemState, ReceiptState
from amazon_ae._models.text import check_order_id
from amazon_ae._ports import Clock, FeedGateway, OrderGateway, PickupRescheduling, Storage
from amazon_ae._scheduling.context import SchedulerContext
from amazon_ae._scheduling.cooldowns import Cooldowns
from amazon_ae._scheduling.dispatcher import Dispatcher
from amazon_ae._scheduling.eligibility import LOOKUP_CODES, may_be_easy_ship
from amazon_ae._scheduling.loop import SchedulerLoop
from amazon_ae._scheduling.order_lookup import PickupLookup
from amazon_ae._scheduling.outlook import Outlook
from amazon_ae._scheduling.pickup_days import PickupCalendar, PickupDays, check_pickup
from amazon_ae._scheduling.policy import FeedPolicy
from amazon_ae._scheduling.reachability import Reachability
from amazon_ae._scheduling.shared_state import SharedState
from amazon_ae._scheduling.timing import SchedulerTiming
from amazon_ae._scheduling.waiters import FINAL, Waiters, outcome_of, raise_unless_accepted

__all__ = ["FeedScheduler"]

# How long a call waits for a scheduler that another task is about to start (our choice).
_START_SECONDS: Final = 1.0


class FeedScheduler:
    """Spends the feed quota: pickups first and together, stock spread evenly over the rest, never over.

    One per seller account and process; any number of processes may share one store. Waiting items are in the store, so
    a killed process loses nothing, and a pickup that was asked for here may be carried by another process.

    Use ``async with``: it works in the background until the block ends. A host that owns its loop calls ``run_once``
    instead.

    Args:
        storage: where items wait and the quota is counted.
        gateway: how feeds reach Amazon; it names the quota.
        orders: looks an order up before its pickup spends a quota slot, and after a request that was not answered.
            Without it, Amazon's report alone refuses orders, and an unanswered pickup ends as ``PickupUnknown``.
        clock: the time, and the sleeps.
        policy: how quota slots are spent; see ``FeedPolicy.every`` and ``FeedPolicy.hourly_flush`` for classic ways.
        pickup_days: chooses the day where ``schedule_pickup`` is called without one.
        is_easy_ship: refuses an order that Easy Ship does not carry; by default only those of Amazon's own warehouses.
        resend_pickups: an unanswered pickup is sent again once Amazon neither lists its feed nor shows the order as
            scheduled; ``False`` ends it as ``PickupUnknown`` instead.
        on_event: called with each event (``Event``) on the event loop; must be quick.
        timing: timeouts and intervals.
        settle_only: open no batch; only settle those that this gateway's routes left unsettled, whichever process
            opened them. For the backend that you are leaving, beside the scheduler of the new one.
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
        resend_pickups: bool = True,
        on_event: EventSink | None = None,
        timing: SchedulerTiming | None = None,
        settle_only: bool = False,
    ) -> None:
        check_storage_first("FeedScheduler", storage, gateway, "submit")
        context = SchedulerContext(
            storage,
            gateway,
            clock=clock or SystemClock(),
            timing=timing or SchedulerTiming(),
            on_event=on_event,
            settle_only=settle_only,
        )
        cooldowns, reachability = Cooldowns(context.clock), Reachability(context.clock, context.timing.probe_seconds)
        shared = SharedState(context)
        self._context = context
        self._ran_once = False
        self._pickup_days = pickup_days or PickupCalendar()
        self._shared = shared
        self._waiters = Waiters(context)
        self._loop = SchedulerLoop(context, self._waiters)
        lookup = PickupLookup(
            context,
            shared,
            self._waiters,
            cooldowns=cooldowns,
            reachability=reachability,
            orders=orders,
            is_easy_ship=is_easy_ship,
        )
        self._dispatcher = Dispatcher(
            context,
            shared,
            cooldowns=cooldowns,
            reachability=reachability,
            lookup=lookup,
            waiters=self._waiters,
            policy=policy or FeedPolicy(),
            resend_pickups=resend_pickups,
            wake=self._loop.wake,
        )
        self._outlook = Outlook(context, shared, self._dispatcher)

    @property
    def account(self) -> str:
        """The seller account whose items it carries."""
        return self._context.account

    # Life

    async def __aenter__(self) -> FeedScheduler:
        """Begin to work in the background."""
        self._loop.start(self._dispatcher)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Stop: see ``aclose``."""
        await self.aclose()

    async def aclose(self) -> None:
        """Send nothing more, let what is under way end (at most ``drain_seconds``), then stop. Twice is fine.

        Waiting items stay queued; feeds at Amazon are taken over by the next process.
        """
        await self._loop.stop(self._dispatcher)

    async def run_once(self) -> float:
        """Do everything that is due now, requests included; returns the seconds after which to call again.

        For hosts that own the loop. Do not mix it with ``async with``. A host that learns of new work earlier calls
        earlier.

        Raises:
            StorageError: the store failed; what was under way goes on at the next call.
            ConfigurationError: the scheduler works in the background already.
        """
        if self._loop.running:
            raise ConfigurationError("run_once is for schedulers that do not work in the background")
        self._ran_once = True
        while True:
            seconds = await self._loop.limited(self._dispatcher.tick())
            if not self._dispatcher.tasks:
                return seconds
            await asyncio.wait(self._dispatcher.tasks)

    # The pack station

    async def schedule_pickup(
        self,
        order_id: str,
        *,
        pickup_date: date | None = None,
        pickup_time: str | None = None,
        weight_grams: int | Decimal | str | None = None,
        length_cm: int | Decimal | str | None = None,
        width_cm: int | Decimal | str | None = None,
        height_cm: int | Decimal | str | None = None,
        package_identifier: str | None = None,
        invoice_id: str | None = None,
        reference: str | None = None,
        deadline: datetime | timedelta | None = None,
        again: bool = False,
    ) -> PickupOutcome:
        """Ask for a pickup and wait for this order's own outcome. Durable before it waits; asked twice, it is sent
        once. This scheduler must work (``async with``, or calls of ``run_once``): it delivers the outcome.

        Cancelling the call does not cancel the pickup: ``outcome(order_id)`` has it later, ``withdraw_pickup`` takes it
        back. The first request for an order is kept; a repeat joins it, whatever its arguments:
        ``PickupOutcome.pickup_date`` is the day that was kept, and ``PickupJoined`` names both. A repeat of a pickup
        that Amazon refused gets the refusal back, without a feed, unless the request has changed; one that the look-up
        refused is looked up again.

        Args:
            order_id: the channel (Amazon) order id, 3-7-7 digits.
            pickup_date: the day in the marketplace's time zone; ``pickup_days`` chooses without one.
            pickup_time: the slot, as the marketplace's template wants it.
            weight_grams, length_cm, width_cm, height_cm: of the packed parcel; the route says which it needs.
            package_identifier, invoice_id: see ``PickupRequest``.
            reference: the host's own, returned with the outcome.
            deadline: an instant (aware), or a length from now; the call waits no longer.
            again: send a refused pickup again although the request is the same.

        Raises:
            PickupRejected: Amazon's report or the look-up refused it; ``code`` and ``message`` say why.
            PickupUnknown: the outcome can't be determined: look in Seller Central, then call ``resolve``.
            QuotaTimeout: no outcome before ``deadline``; the pickup stays queued; ``retry_at`` is when it should leave.
            ConfigurationError: the request breaks a rule (nothing was stored), or there is no ``deadline`` and
                this scheduler does not run (the pickup stays queued for one that does).
            StorageError: the store failed, and the request may or may not be stored: ask again, it is sent once.
        """
        if self._context.settle_only:
            raise ConfigurationError("this scheduler only settles (settle_only): ask that of the new backend")
        until = deadline_at(deadline, self._context.now())
        check_pickup(order_id, pickup_date, now=self._context.now(), days=self._pickup_days)
        request = PickupRequest(
            order_id=order_id,
            pickup_date=pickup_date or self._pickup_days.pickup_date(self._context.now()),
            pickup_time=pickup_time,
            weight_grams=weight_grams,
            length_cm=length_cm,
            width_cm=width_cm,
            height_cm=height_cm,
            package_identifier=package_identifier,
            invoice_id=invoice_id,
        )
        self._context.gateway.terms(ItemKind.PICKUP, 1)  # a gateway without a route for pickups says so here
        outcome = await self._ask(request, reference, again=again)
        if outcome.state in FINAL:
            return raise_unless_accepted(outcome)
        self._loop.wake()
        if until is None:
            await self._check_working(order_id)
        try:
            return await self._waiters.wait(order_id, until)
        except QuotaTimeout:
            raise
        except TimeoutError:
            return await self._at_deadline(order_id)

    async def _check_working(self, order_id: str) -> None:
        """Refuse to wait for an outcome that this scheduler can never deliver."""
        for seconds in (_START_SECONDS, 0.0):
            if self._loop.running or self._ran_once or self._waiters.closed:
                return
            await self._context.clock.sleep(seconds)
        raise ConfigurationError(
            f"this scheduler is not running: use `async with` or run_once; the pickup of {order_id} stays queued"
        )

    async def _ask(self, request: PickupRequest, reference: str | None, *, again: bool) -> PickupOutcome:
        """Store a pickup durably, unless the order has one already; returns the stored one."""
        storage, text = self._context.storage, request.to_text()
        if not again:
            item = await storage.item(self.account, ItemKind.PICKUP, request.order_id)
            unchanged = item is not None and item.state is ItemState.REJECTED and item.value == text
            # A refusal of the look-up is looked up again, which costs no feed; one that may pass is worth a feed.
            if item is not None and unchanged and not _worth_asking(item.code, item.message):
                return outcome_of(item)
        change = Change(request.order_id, text, reference=reference)
        (receipt,) = await storage.put(self.account, ItemKind.PICKUP, [change], keep_first=True)
        outcome = await self._waiters.outcome(request.order_id)
        if outcome is None:
            raise StorageError(f"the store lost the pickup of {request.order_id}")
        if receipt.state is ReceiptState.JOINED and outcome.pickup_date != request.pickup_date:
            self._context.emit(
                events.PickupJoined(
                    at=self._context.now(),
                    account=self.account,
                    order_id=request.order_id,
                    pickup_date=outcome.pickup_date,
                    asked_date=request.pickup_date,
                )
            )
        return outcome

    async def _at_deadline(self, order_id: str) -> PickupOutcome:
        """The outcome, where it is in the store by now.

        Raises:
            PickupRejected, PickupUnknown: it is.
            QuotaTimeout: it is not.
        """
        try:
            outcome = await self._waiters.outcome(order_id)
            if outcome is not None and outcome.state in FINAL:
                return raise_unless_accepted(outcome)
            forecast = await self.forecast(order_id=order_id)
        except StorageError:  # the pickup is stored all the same, and the caller must know that
            forecast = Forecast(leaves_at=None, why="a store that cannot be read at the moment")
        raise QuotaTimeout(
            f"no outcome of {order_id} before the deadline; it stays queued and waits for {forecast.why}",
            retry_at=forecast.leaves_at,
        )

    async def outcome(self, order_id: str) -> PickupOutcome | None:
        """An order's pickup as stored, whichever process asked for it; ``None`` if none did.

        Raises:
            ConfigurationError: that is not an Amazon order id.
            StorageError: the store failed; ask again.
        """
        check_order_id(order_id)
        return await self._waiters.outcome(order_id)

    async def resolve(self, order_id: str, *, scheduled: bool) -> bool:
        """Decide a pickup that is ``UNKNOWN`` by what a person saw in Seller Central.

        Args:
            scheduled: true if Amazon has the pickup; false sends it again.

        Returns:
            Whether there was such a pickup.

        Raises:
            ConfigurationError: that is not an Amazon order id.
            StorageError: the store failed; call again.
        """
        check_order_id(order_id)
        item = await self._context.storage.item(self.account, ItemKind.PICKUP, order_id)
        if item is None or item.state is not ItemState.UNKNOWN:
            return False
        outcome = Outcome.ACCEPTED if scheduled else Outcome.RETRY
        resolved = await self._context.storage.resolve(self.account, ItemKind.PICKUP, [order_id], outcome=outcome)
        self._loop.wake()
        return bool(resolved)

    async def withdraw_pickup(self, order_id: str) -> bool:
        """Take back a pickup that has not left. Calls that wait for it end with ``PickupRejected``, code
        ``Withdrawn``; asked for again, it counts as new.

        Returns:
            Whether it was withdrawn; ``False`` if it was never asked for, is on its way, or has its outcome.

        Raises:
            ConfigurationError: that is not an Amazon order id.
            StorageError: the store failed; call again.
        """
        check_order_id(order_id)
        return bool(await self._context.storage.withdraw(self.account, ItemKind.PICKUP, [order_id]))

    async def drop_pickup(self, order_id: str) -> bool:
        """Delete a pickup that was rejected or is unknown from the dead letters.

        Returns:
            Whether there was such a pickup.

        Raises:
            ConfigurationError: that is not an Amazon order id.
            StorageError: the store failed; call again.
        """
        check_order_id(order_id)
        outcome = Outcome.REJECTED
        return bool(await self._context.storage.resolve(self.account, ItemKind.PICKUP, [order_id], outcome=outcome))

    async def reschedule_pickup(
        self, order_id: str, *, pickup_date: date, pickup_time: str | None = None
    ) -> PickupOutcome:
        """Give a pickup another day or slot. One that waits is changed here; one that Amazon has, at Amazon.

        Args:
            order_id: the channel (Amazon) order id.
            pickup_date: the new day, in the marketplace's time zone.
            pickup_time: the new slot, as in ``schedule_pickup``.

        Returns:
            The pickup as it is now; a waiting one leaves later, and ``schedule_pickup`` then waits for its outcome.

        Raises:
            NotSupported: it is on its way, or Amazon has it and this gateway's route cannot change it there; the
                message says how.
            ConfigurationError: there is no such pickup, or it was refused: call ``schedule_pickup``.
            PickupRejected: Amazon refused the change; the earlier slot is kept.
            StorageError: the store failed; call again.
        """
        check_pickup(order_id, pickup_date, now=self._context.now(), days=self._pickup_days)
        item = await self._context.storage.item(self.account, ItemKind.PICKUP, order_id)
        if item is None or item.state in (ItemState.REJECTED, ItemState.UNKNOWN):
            raise ConfigurationError(f"there is no pickup of {order_id} to reschedule: call schedule_pickup")
        request = attrs.evolve(
            PickupRequest.from_text(order_id, item.value), pickup_date=pickup_date, pickup_time=pickup_time
        )
        if item.state is ItemState.WAITING and await self.withdraw_pickup(order_id):
            return await self._ask(request, item.reference, again=True)
        if item.state is not ItemState.ACCEPTED:
            raise NotSupported(f"the pickup of {order_id} is on its way: call again when it has its outcome")
        done = await self._reschedule_at_amazon(request)
        moved = attrs.evolve(
            outcome_of(item), pickup_date=pickup_date, pickup_time=pickup_time, code=done.code, message=done.message
        )
        await self._waiters.note_move(item, moved)
        return moved

    async def _reschedule_at_amazon(self, request: PickupRequest) -> ItemOutcome:
        gateway = self._context.gateway
        if not isinstance(gateway, PickupRescheduling):
            raise NotSupported(
                f"{type(gateway).__name__} cannot change a pickup that Amazon has: change the pickup of "
                f"{request.order_id} in Seller Central (Manage Orders, Reschedule pickup)"
            )
        outcome = await gateway.reschedule(request)
        if outcome.outcome is Outcome.REJECTED:
            raise PickupRejected(request.order_id, outcome.code, outcome.message)
        return outcome

    async def abandon(self, feed_id: str) -> bool:
        """Give up a feed that Amazon holds or does not finish: its stock is sent again, its pickups become
        ``UNKNOWN``. A process that carries the feed learns of it through the store, at its next poll of that feed,
        within a quarter of an hour.

        Args:
            feed_id: of ``FeedDelayed``; or the ``batch_id`` of a feed that Amazon never answered.

        Returns:
            Whether any process of this account carries such a feed.

        Raises:
            StorageError: the store failed; ask again.
        """
        if await self._dispatcher.abandon(feed_id):
            self._loop.wake()
            return True
        unfinished = await self._context.storage.unfinished(self.account)
        if not any(feed_id in (stored.feed_id, stored.batch_id) for stored in unfinished):
            return False
        await self._shared.abandon(feed_id)
        return True

    # Forecasts and numbers

    def notify(self, notification: Notification) -> bool:
        """Take what ``read_notification`` returned: a feed that ended is asked about at once instead of being polled.

        Call it on the event loop. A notification that comes twice, late, or never does no harm: polls go on.

        Returns:
            Whether it is about a feed that this process carries; otherwise another process may carry it.
        """
        if not isinstance(notification, FeedFinished) or not self._dispatcher.feed_ended(notification.feed_id):
            return False
        self._loop.wake()
        return True

    async def forecast(self, *, order_id: str | None = None, kind: ItemKind | None = None) -> Forecast:
        """When a pickup, or the next feed of a kind, will leave if nothing else happens, and what it waits for.

        Raises:
            ConfigurationError: neither or both were given.
        """
        if order_id is not None and kind is None:
            return await self._outlook.of_order(order_id)
        if kind is not None and order_id is None:
            return await self._outlook.of_kind(kind)
        raise ConfigurationError("forecast takes either order_id= or kind=")

    async def stats(self) -> SchedulerStats:
        """A snapshot for a dashboard: what waits, what is in flight, and what is left of the quota."""
        return await self._outlook.stats()


def _worth_asking(code: str, message: str) -> bool:
    """Whether a refused pickup may be accepted although its request has not changed."""
    return code in LOOKUP_CODES or may_pass(code, message)
