"""``OrderSync``: every unfulfilled order with its items, from a durable cursor; none missed, none handed over twice.

How it keeps that promise:

1. **Only windows of a single page move the cursor.** Pages are no snapshot: an order that changes while they are read
   leaves the window, the rest move up, and one slips through between two pages. So a window that does not fit one page
   is cut smaller (at the median of what the page shows) until it does. Only where more orders than a page holds changed
   within two seconds are pages followed, again and again until a walk misses nothing that the walk before saw.
2. **The cursor is what Amazon returned** (``OrderPage.complete_until``); the next poll begins a little earlier.
3. **One small document per order version** (order id and last update) says ``open`` or ``done``, so an acknowledgement
   costs one small write however many orders there are. Before the cursor passes an order that is not acknowledged, its
   document says ``open``; every later poll hands it over again.
4. A ``done`` document is forgotten once the cursor can no longer come upon its order, and an hour has passed.

Documents in the store: ``order-sync/<account>/<name>/cursor`` and ``.../v/<last update>/<order id>``.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Final

import attrs

from amazon_ae._clocks import SystemClock
from amazon_ae._exceptions import (
    AmazonAeError,
    AmazonError,
    ConfigurationError,
    InvalidRequest,
    NotSent,
    OutcomeUnknown,
    QuotaTimeout,
    RegionNotSupported,
    UnreadableResponse,
)
from amazon_ae._models.orders import Order, OrderItem, OrderPage
from amazon_ae._orders.windows import (
    EDGE,
    UNDATED,
    OrderCursor,
    cut,
    done_at,
    done_text,
    held_until,
    open_text,
    stamp,
    ticket_of,
)
from amazon_ae._ports import Clock, OrderGateway, Storage

__all__ = ["UNFULFILLED", "OrderSync", "SyncedOrder"]

_log = logging.getLogger(__name__)

#: ListOrders: these two must be asked for together.
UNFULFILLED: Final = ("Unshipped", "PartiallyShipped")

_KEEP_DONE: Final = timedelta(hours=1)
_FIRST_LOOK_BACK: Final = timedelta(days=90)


@attrs.frozen(kw_only=True)
class SyncedOrder:
    """One version of one order, to be acknowledged.

    Attributes:
        order: as Amazon listed it.
        items: all its items.
        ticket: names this version of the order; ``acknowledge`` takes it in place of this object, in any process.
    """

    order: Order
    items: tuple[OrderItem, ...]
    ticket: str


@attrs.frozen
class _Look:
    """What one look at a window showed. ``until`` is ``None`` where it was too large; then ``cut`` is smaller."""

    orders: Sequence[Order]
    until: datetime | None
    cut: datetime | None = None


class OrderSync:
    """Hands over every unfulfilled order of one account with its items.

    ::

        async for synced in sync.poll():
            await warehouse.take(synced.order, synced.items)
            await sync.acknowledge(synced)

    An order counts as handed over only once it is acknowledged; until then every poll hands it over again. After that,
    the same version (order id and last update) never comes again, also after a restart or in another process. A changed
    order is a new version. An order that was fulfilled or cancelled before it was acknowledged does not come any more.

    Args:
        gateway: where orders come from.
        storage: where the cursor lives; any number of processes may share it.
        account: files the cursor; the gateway's own by default.
        name: several independent consumers of one account have a name each.
        statuses: the order statuses to hand over.
        first_since: where the very first poll begins, aware; ``None`` is 90 days ago.
        overlap_seconds: how much earlier than the cursor a poll begins, against orders that Amazon's index shows late.
        claim_seconds: 0 lets every poll hand over what is not acknowledged. If several processes poll, set it to the
            longest time that your handling takes: what one was handed, no other gets meanwhile. A crash then delays
            the order by as much.
        poll_seconds: the pause of ``run``; ListOrders gives one place back per 60 s, and other callers need some.
        clock: for pauses and the first poll.

    Raises:
        ConfigurationError: no ``account``, and the gateway has none; or a value that makes no sense.
    """

    def __init__(
        self,
        gateway: OrderGateway,
        storage: Storage,
        *,
        account: str | None = None,
        name: str = "orders",
        statuses: Collection[str] = UNFULFILLED,
        first_since: datetime | None = None,
        overlap_seconds: float = 300.0,
        claim_seconds: float = 0.0,
        poll_seconds: float = 120.0,
        clock: Clock | None = None,
    ) -> None:
        account = account or getattr(gateway, "account", None)
        if not account:
            raise ConfigurationError("OrderSync needs an account: this gateway does not name one")
        if first_since is not None and first_since.tzinfo is None:
            raise ConfigurationError("first_since needs a time zone")
        if min(overlap_seconds, claim_seconds, poll_seconds) < 0:
            raise ConfigurationError("overlap_seconds, claim_seconds and poll_seconds must not be negative")
        if isinstance(statuses, str):
            raise ConfigurationError(f"statuses is a list of texts, not one text: [{statuses!r}]")
        if "/" in name or not name:
            raise ConfigurationError(f"name must not be empty or hold a slash: {name!r}")
        self._gateway = gateway
        self._storage = storage
        self._prefix = f"order-sync/{account}/{name}/"
        self._statuses = tuple(statuses)
        self._first_since = first_since
        self._overlap = timedelta(seconds=overlap_seconds)
        self._claim = timedelta(seconds=claim_seconds)
        self._poll_seconds = poll_seconds
        self._clock = clock or SystemClock()
        # What the store is known to call done, and since when: saves reading it again. Emptied as the store forgets.
        self._done: dict[str, str] = {}

    async def poll(self) -> AsyncGenerator[SyncedOrder, None]:
        """Hand over what is new, changed or not acknowledged; ends when there is no more for now.

        Stop at any point: the next poll goes on where acknowledgements ended. The cursor moves when a window has been
        handed over as a whole.

        Raises:
            AmazonAeError: Amazon or the store failed. Nothing is lost; poll again later.
        """
        cursor = await self._load_cursor()
        after = await self._start(cursor)
        if cursor is not None:
            for order in await self._open_orders(until=after):
                if synced := await self._prepare(order):
                    yield synced
        before: datetime | None = None
        handed: set[str] = set()
        unsettled: set[str] = set()
        while True:
            look = await self._look(after, before)
            for order in look.orders:
                if (ticket := ticket_of(order)) not in handed:
                    handed.add(ticket)
                    unsettled.add(ticket)
                    if synced := await self._prepare(order):
                        yield synced
            if look.until is None:
                if look.cut is None:
                    return  # the backend does not say how far its answer reaches: the cursor stays
                before = look.cut
                continue
            await self._settle(look.until, unsettled)
            unsettled.clear()
            if before is None or look.until - EDGE <= after:
                return
            after, before = look.until - EDGE, None

    async def acknowledge(self, synced: SyncedOrder | str) -> bool:
        """The host has this version of the order for good. Durable when it returns.

        Args:
            synced: what ``poll`` handed over, or its ``ticket``.

        Returns:
            Whether this call was the first: ``False`` if another call or process had acknowledged it, or if it was
            fulfilled or changed meanwhile and is not waited for any more.
        """
        ticket = synced if isinstance(synced, str) else synced.ticket
        forgotten = await self._is_behind(ticket)

        def finish(text: str | None, now: datetime) -> tuple[str | None, tuple[bool, str | None]]:
            if text is None and forgotten:
                return None, (False, None)
            if at := done_at(text):
                return text, (False, at)
            return done_text(now), (True, stamp(now))

        first, at = await self._storage.change(self._document(ticket), finish)
        if at is not None:
            self._done[ticket] = at
        return first

    async def release(self, synced: SyncedOrder | str) -> None:
        """Give a claimed order back: the next poll, of any process, hands it over again."""
        ticket = synced if isinstance(synced, str) else synced.ticket
        await self._storage.change(
            self._document(ticket), lambda text, _: (text if text is None or done_at(text) else open_text(None), None)
        )

    async def run(
        self,
        handler: Callable[[SyncedOrder], Awaitable[None]],
        *,
        on_error: Callable[[SyncedOrder, Exception], None] | None = None,
    ) -> None:
        """Poll for ever: hand every order to ``handler`` and acknowledge it when that returns. Cancel the task to stop.

        Outages, throttles and answers that nobody can read (a proxy's page) are waited out. An order whose handler was
        cancelled or failed comes again.

        Args:
            on_error: told of an exception of the handler; polling then goes on. Without it, the exception ends ``run``.

        Raises:
            AmazonAeError: what waiting does not heal (access denied, a broken store).
            Exception: the handler's own, where there is no ``on_error``.
        """
        while True:
            pause_seconds = self._poll_seconds
            async with aclosing(self.poll()) as orders:
                while True:
                    try:
                        synced = await anext(orders)
                    except StopAsyncIteration:
                        break
                    except AmazonAeError as error:
                        if not _heals(error):
                            raise
                        _log.warning("order sync waits: %s %s", type(error).__name__, getattr(error, "code", ""))
                        retry_at = getattr(error, "retry_at", None)
                        if retry_at is not None:
                            pause_seconds = max(pause_seconds, (retry_at - self._clock.now()).total_seconds())
                        break
                    await self._handle(synced, handler, on_error)
            await self._clock.sleep(pause_seconds)

    async def _handle(
        self,
        synced: SyncedOrder,
        handler: Callable[[SyncedOrder], Awaitable[None]],
        on_error: Callable[[SyncedOrder, Exception], None] | None,
    ) -> None:
        try:
            await handler(synced)
        except Exception as error:
            if self._claim:
                await self.release(synced)
            if on_error is None:
                raise
            on_error(synced, error)
        else:
            await self.acknowledge(synced)

    # The cursor

    async def _load_cursor(self) -> OrderCursor | None:
        text = await self._storage.load(self._prefix + "cursor")
        return None if text is None else OrderCursor.from_text(text)

    async def _is_behind(self, ticket: str) -> bool:
        """Whether the cursor is so far beyond this version that without a document it is not waited for any more."""
        cursor = await self._load_cursor()
        return cursor is not None and ticket < stamp(cursor.floor)

    async def _start(self, cursor: OrderCursor | None) -> datetime:
        if cursor is not None:
            return cursor.complete_until - self._overlap
        return self._first_since or self._clock.now() - _FIRST_LOOK_BACK

    async def _settle(self, until: datetime, tickets: Collection[str]) -> None:
        """Open what is not acknowledged, then move the cursor, then forget what it cannot meet again."""
        cursor = await self._load_cursor()
        for ticket in sorted(tickets):
            if ticket not in self._done and (cursor is None or ticket >= stamp(cursor.floor)):
                await self._storage.change(
                    self._document(ticket), lambda text, _: (open_text(None) if text is None else text, None)
                )
        floor = until - self._overlap

        def advance(text: str | None, now: datetime) -> tuple[str | None, tuple[datetime, datetime]]:
            new = OrderCursor(until, floor)
            if text is not None:
                new = new.joined(OrderCursor.from_text(text))
            return new.to_text(), (new.floor, now)

        floor, now = await self._storage.change(self._prefix + "cursor", advance)
        await self._forget(floor, now - _KEEP_DONE)

    async def _forget(self, floor: datetime, acknowledged_before: datetime) -> None:
        limit = stamp(acknowledged_before)

        def drop(text: str | None, _: datetime) -> tuple[str | None, bool]:
            gone = text is None or (done_at(text) or limit) < limit
            return (None if gone else text), gone

        for ticket in await self._tickets():
            if ticket >= stamp(floor):
                break
            if (await self._when_done(ticket) or limit) < limit and await self._storage.change(
                self._document(ticket), drop
            ):
                self._done.pop(ticket, None)

    # Orders

    async def _tickets(self) -> list[str]:
        """Every version that has a document, the oldest update first."""
        start = len(self._prefix) + 2
        return sorted(name[start:] for name in await self._storage.names(self._prefix + "v/"))

    async def _open_orders(self, *, until: datetime) -> list[Order]:
        """The orders not acknowledged whose last update lies before ``until``, as they are now."""
        waiting = {
            ticket: ticket.rpartition("/")[2]
            for ticket in await self._tickets()
            if (ticket < stamp(until) or ticket.startswith(UNDATED)) and not await self._when_done(ticket)
        }
        if not waiting:
            return []
        ids = list(dict.fromkeys(waiting.values()))
        now_by_id = {order.amazon_order_id: order for order in await self._gateway.get(ids)}
        orders = []
        for ticket, order_id in waiting.items():
            order = now_by_id.get(order_id)
            if order is None:
                continue  # Amazon left it out this time
            if order.order_status in self._statuses and ticket_of(order) == ticket:
                orders.append(order)
            else:
                # Fulfilled meanwhile, or changed: then the newer version comes by its own last update.
                await self._storage.change(self._document(ticket), lambda _, __: (None, None))
        return orders

    async def _prepare(self, order: Order) -> SyncedOrder | None:
        """The order with its items, unless it was acknowledged or another process holds it."""
        ticket = ticket_of(order)
        if not await self._take(ticket):
            return None
        try:
            items = tuple(await self._gateway.items(order.amazon_order_id))
        except (InvalidRequest, UnreadableResponse) as error:
            if error.retryable or isinstance(error, RegionNotSupported):
                raise
            # One order that Amazon cannot show must not hold up the others; it stays open and comes again.
            _log.warning("items of order %s: %s", order.amazon_order_id, type(error).__name__)
            return None
        if await self._when_done(ticket):
            return None  # acknowledged elsewhere while its items were fetched
        return SyncedOrder(order=order, items=items, ticket=ticket)

    async def _take(self, ticket: str) -> bool:
        if await self._when_done(ticket):
            return False
        if await self._is_behind(ticket) and await self._storage.load(self._document(ticket)) is None:
            return False  # another process settled its window while we held an old page: done, and forgotten
        if not self._claim:
            return True

        def claim(text: str | None, now: datetime) -> tuple[str | None, bool]:
            if done_at(text) or held_until(text) > stamp(now):
                return text, False
            return open_text(now + self._claim), True

        return await self._storage.change(self._document(ticket), claim)

    async def _look(self, after: datetime, before: datetime | None) -> _Look:
        """The orders of one window, and whether that is all of them (rule 1)."""
        orders, until, more = await self._first_page(after, before)
        if not more:
            if before is not None:
                until = before if until is None else min(until, before)
            return _Look(orders, until)
        smaller = cut(orders, after, before)
        if smaller is not None:
            return _Look(orders, None, smaller)
        return await self._walk(after, before)

    async def _first_page(
        self, after: datetime, before: datetime | None
    ) -> tuple[Sequence[Order], datetime | None, bool]:
        pages = self._pages(after, before)
        try:
            async for page in pages:
                return page.orders, page.complete_until, page.position is not None
        finally:
            await _close(pages)
        return (), None, False

    async def _walk(self, after: datetime, before: datetime | None) -> _Look:
        """Every page of a window too dense to be cut, until a walk sees all that the walk before saw.

        An order can slip between two pages only if another one, seen before, left the window. A later walk then lacks
        that one. Nothing enters a window of the past, so this ends.
        """
        everything: dict[str, Order] = {}
        last: set[str] | None = None
        until = before
        while True:
            seen: set[str] = set()
            async for page in self._pages(after, before):
                until = min(filter(None, (until, page.complete_until)), default=None)
                for order in page.orders:
                    everything[ticket_of(order)] = order
                    seen.add(ticket_of(order))
            if last is not None and last <= seen:
                return _Look(list(everything.values()), until)
            last = seen

    def _pages(self, after: datetime, before: datetime | None) -> AsyncIterator[OrderPage]:
        return self._gateway.orders(updated_after=after, updated_before=before, statuses=self._statuses)

    async def _when_done(self, ticket: str) -> str | None:
        """When this version was acknowledged; ``None`` if it was not, as far as the store remembers."""
        if ticket not in self._done:
            at = done_at(await self._storage.load(self._document(ticket)))
            if at is None:
                return None
            self._done[ticket] = at
        return self._done[ticket]

    def _document(self, ticket: str) -> str:
        return f"{self._prefix}v/{ticket}"


async def _close(pages: AsyncIterator[OrderPage]) -> None:
    """End an iterator that is not read to its end; a plain iterator needs no ending."""
    if isinstance(pages, AsyncGenerator):
        await pages.aclose()


def _heals(error: AmazonAeError) -> bool:
    """Whether waiting may heal it. An answer that nobody can read may be a proxy's page: it is asked for again."""
    if isinstance(error, AmazonError):
        return error.retryable
    return isinstance(error, NotSent | OutcomeUnknown | QuotaTimeout | UnreadableResponse)
