"""``OrderSync``: what a host calls to receive orders. ``_orders.intake`` makes the requests; this is the service
loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from amazon_ae._backoff import is_passing
from amazon_ae._clocks import SystemClock
from amazon_ae._exceptions import AmazonAeError, ConfigurationError
from amazon_ae._models.checks import check_account, check_aware, check_storage_first
from amazon_ae._models.events import EventSink
from amazon_ae._models.notifications import Notification, OrderChanged
from amazon_ae._orders.delivery import Delivery, SyncedOrder
from amazon_ae._orders.intake import Intake
from amazon_ae._orders.versions import DeadOrder, VersionStore
from amazon_ae._ports import Clock, OrderGateway, Storage

__all__ = ["UNFULFILLED", "DeadOrder", "OrderSync", "SyncedOrder"]

#: ListOrders: these two must be asked for together.
UNFULFILLED: Final = ("Unshipped", "PartiallyShipped")

# The most orders of notifications in one request: MWS takes 50 ids a request.
_FEW: Final = 50
_MOST_NOTIFIED: Final = 10_000

Handler = Callable[[SyncedOrder], Awaitable[None]]
OnError = Callable[[SyncedOrder, Exception], None]


class OrderSync:
    """Delivers every unfulfilled order of one account with its items.

    ::

        async for synced in sync.poll():
            await warehouse.take(synced.order, synced.items)
            await sync.acknowledge(synced)

    An order counts as delivered only once it is acknowledged. It comes again when it changed (a changed order is a
    new version), or when it was not acknowledged within ``claim_seconds``; an acknowledged version never comes again,
    also after a restart or in another process. An order that was fulfilled or cancelled before it was acknowledged does
    not come any more.

    Args:
        storage: keeps the cursor; any number of processes may share it.
        gateway: where orders come from.
        account: the cursor's key in storage; by default the gateway's.
        name: several independent consumers of one account have a name each.
        statuses: the order statuses to deliver.
        first_since: where the very first poll begins, aware; ``None`` is 90 days ago.
        overlap_seconds: how late Amazon's index may show a change: an order is found for as long.
        claim_seconds: the longest time that your handling takes. Meanwhile no process gets the order again, and
            after a crash it comes again when this time is over. 0: every poll delivers all unacknowledged orders.
        poll_seconds: the pause of ``run``; by default the gateway's, which knows its backend's rate.
        cancellations: whether an order that is cancelled is an ``OrderCancelled`` event; needs ``on_event``.
        on_event: a typed sink for ``OrderCancelled``, ``OrderUnreadable`` and ``ClockRefused``.
        clock: for pauses and the first poll.

    Raises:
        ConfigurationError: no ``account``, and the gateway has none; or a value out of bounds.
    """

    def __init__(
        self,
        storage: Storage,
        gateway: OrderGateway,
        *,
        account: str | None = None,
        name: str = "orders",
        statuses: Collection[str] = UNFULFILLED,
        first_since: datetime | None = None,
        overlap_seconds: float = 300.0,
        claim_seconds: float = 600.0,
        poll_seconds: float | None = None,
        cancellations: bool = True,
        on_event: EventSink | None = None,
        clock: Clock | None = None,
    ) -> None:
        check_storage_first("OrderSync", storage, gateway, "orders")
        account = account or getattr(gateway, "account", None)
        if not account:
            raise ConfigurationError("OrderSync needs an account: this gateway does not name one")
        check_account(account)
        check_aware(first_since=first_since)
        pause = gateway.poll_seconds if poll_seconds is None else poll_seconds
        if min(overlap_seconds, claim_seconds, pause) < 0:
            raise ConfigurationError("overlap_seconds, claim_seconds and poll_seconds must not be negative")
        if isinstance(statuses, str):
            raise ConfigurationError(f"statuses is a list of texts, not one text: [{statuses!r}]")
        if "/" in name or not name:
            raise ConfigurationError(f"name must not be empty or hold a slash: {name!r}")
        self._account: str = account
        self._versions = VersionStore(storage, f"order-sync/{account}/{name}/", timedelta(seconds=claim_seconds))
        clock = clock or SystemClock()
        cancellations = cancellations and on_event is not None
        self._delivery = Delivery(
            gateway,
            self._versions,
            account=account,
            statuses=tuple(statuses),
            cancellations=cancellations,
            on_event=on_event,
            clock=clock,
        )
        self._intake = Intake(
            gateway,
            self._versions,
            self._delivery,
            statuses=tuple(statuses),
            first_since=first_since,
            overlap=timedelta(seconds=overlap_seconds),
            claims=claim_seconds > 0,
            cancellations=cancellations,
            clock=clock,
        )
        self._claims = claim_seconds > 0
        self._poll_seconds = pause
        self._clock = clock
        self._notified: dict[str, int] = {}
        self._notifications = 0
        self._wake: asyncio.Event | None = None
        self._handling = asyncio.Lock()

    async def poll(self) -> AsyncGenerator[SyncedOrder, None]:
        """Deliver orders that are new, changed, or were not acknowledged in time; ends when there are no more for now.

        Stop at any point: the next poll goes on where acknowledgements ended. The cursor moves when a window has been
        delivered as a whole.

        Raises:
            AmazonAeError: Amazon or the store failed. Nothing is lost; poll again later.
        """
        async with aclosing(self._notified_orders()) as notified:
            async for synced in notified:
                yield synced
        async with aclosing(self._intake.poll()) as found:
            async for synced in found:
                yield synced

    async def acknowledge(self, synced: SyncedOrder | str) -> bool:
        """Confirm that the host has this version of the order. Durable when it returns.

        Args:
            synced: the order as ``poll`` delivered it, or its ``version``.

        Returns:
            Whether this call was the first: ``False`` if another call or process had acknowledged it, or if it was
            fulfilled or changed meanwhile.
        """
        version = synced if isinstance(synced, str) else synced.version
        first = await self._versions.acknowledge(version)
        self._delivery.drop(version)
        return first

    async def release(self, synced: SyncedOrder | str) -> None:
        """Give a claimed order back: the next poll, of any process, delivers it again."""
        await self._versions.release(synced if isinstance(synced, str) else synced.version)

    def notify(self, notification: Notification) -> bool:
        """Take what ``read_notification`` returned: a changed order comes within seconds, in ``run`` or the next poll.

        Call it on the event loop. It only remembers the order's id: a notification that comes twice, late or out of
        order does no harm, and one that never comes costs nothing but time, since polls go on.

        Returns:
            Whether it is about an order of this account.
        """
        if not isinstance(notification, OrderChanged):
            return False
        seller, slash, _ = self._account.partition("/")
        if slash and notification.seller_id and notification.seller_id != seller:
            return False
        if len(self._notified) < _MOST_NOTIFIED:  # the next polls find the rest
            self._remember(notification.order_id)
        return True

    @property
    def remembered(self) -> int:
        """How many order versions this process holds in memory: those of open and of lately changed orders."""
        return len(self._versions) + len(self._delivery)

    async def dead(self) -> Sequence[DeadOrder]:
        """The orders that could not be read and are not asked for any more. ``retry`` asks for one again."""
        return await self._versions.dead()

    async def retry(self, key: str) -> bool:
        """Ask for an unreadable order again, with the next poll; ``False`` if ``key`` is no dead letter's."""
        dead = {letter.key: letter for letter in await self._versions.dead()}
        if not await self._versions.unbury(key):
            return False
        letter = dead.get(key)
        if letter is not None and letter.order_id is not None:
            self._remember(letter.order_id)
        return True

    async def run(
        self,
        handler: Handler,
        *,
        on_error: OnError | None = None,
    ) -> None:
        """Poll forever: pass every order to ``handler`` and acknowledge it when that returns. Cancel the task to stop.

        Outages, throttles, a wrong clock and unreadable answers are retried; a ``ClockRefused`` event names the
        clock. An order whose handler was cancelled or failed comes again.

        Args:
            on_error: called with an exception of the handler; polling then goes on. Without it, the exception ends
                ``run``.

        Raises:
            AmazonAeError: a failure that waiting does not cure (access denied, a broken store).
            Exception: the handler's own, where there is no ``on_error``.
        """
        self._wake = asyncio.Event()
        self._handling = asyncio.Lock()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._serve_notifications(handler, on_error))
                await self._serve_polls(handler, on_error)
        except BaseExceptionGroup as errors:
            error = errors.exceptions[0]
            raise error from error.__cause__

    async def _serve_polls(self, handler: Handler, on_error: OnError | None) -> None:
        while True:
            await self._clock.sleep(await self._pass_on(self._intake.poll(), handler, on_error))

    async def _serve_notifications(self, handler: Handler, on_error: OnError | None) -> None:
        assert self._wake is not None
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._notified:
                before = len(self._notified)
                pause = await self._pass_on(self._notified_orders(), handler, on_error)
                if self._notified and len(self._notified) >= before:
                    await self._clock.sleep(pause)  # refused: not again at once

    def _remember(self, order_id: str) -> None:
        self._notifications += 1
        self._notified[order_id] = self._notifications
        if self._wake is not None:
            self._wake.set()

    async def _notified_orders(self) -> AsyncGenerator[SyncedOrder, None]:
        """The orders of notifications, asked for by id; again where that fails, or another one comes meanwhile."""
        while self._notified:
            asked = dict(islice(self._notified.items(), _FEW))
            async with aclosing(self._intake.by_id(list(asked))) as found:
                async for synced in found:
                    self._served(asked, synced.order.amazon_order_id)
                    yield synced
            for order_id in asked:
                self._served(asked, order_id)

    def _served(self, asked: Mapping[str, int], order_id: str) -> None:
        """Forget this order's notification, unless another one came since it was ``asked`` for."""
        if self._notified.get(order_id) == asked.get(order_id):
            self._notified.pop(order_id, None)

    async def _pass_on(
        self,
        orders: AsyncGenerator[SyncedOrder, None],
        handler: Handler,
        on_error: OnError | None,
    ) -> float:
        """Poll once and call the handler for each order; returns the seconds until the next poll."""
        pause = self._poll_seconds
        async with aclosing(orders):
            while True:
                try:
                    synced = await anext(orders)
                except StopAsyncIteration:
                    return pause
                except AmazonAeError as error:
                    if not is_passing(error):
                        raise
                    self._delivery.explain(error)
                    retry_at = getattr(error, "retry_at", None)
                    if retry_at is not None:
                        pause = max(pause, (retry_at - self._clock.now()).total_seconds())
                    return pause
                await self._handle(synced, handler, on_error)

    async def _handle(self, synced: SyncedOrder, handler: Handler, on_error: OnError | None) -> None:
        async with self._handling:
            if await self._versions.settled_at(synced.version):
                return  # acknowledged while it waited for its turn
            try:
                await handler(synced)
            except BaseException as error:
                if self._claims:
                    await self.release(synced)
                if on_error is None or not isinstance(error, Exception):
                    raise
                on_error(synced, error)
            else:
                await self.acknowledge(synced)
