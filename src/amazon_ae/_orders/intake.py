"""How ``OrderSync`` requests orders: none missed, none delivered twice, with few requests.

1. **Only what is final and sure moves the durable cursor**; ``_orders.windows`` has the rules.
2. **One small document per order version** is ``open`` or ``done``;  see ``_orders.versions``. Before the cursor passes
   an order that is not acknowledged, its document is stored as ``open``.
3. **A poll asks only for what changed**, the orders that ended included, so an open order that is not listed has not
   changed: it comes again from memory. Only a process that starts asks for open orders that it has not seen.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Final

import attrs

from amazon_ae._exceptions import ServiceUnavailable, UnreadableResponse
from amazon_ae._orders.delivery import CANCELLED, Delivery, Seen, SyncedOrder
from amazon_ae._orders.isolation import Isolation
from amazon_ae._orders.reading import Window, WindowReader
from amazon_ae._orders.versions import VersionStore
from amazon_ae._orders.windows import (
    UNDATED,
    OrderCursor,
    PagedRead,
    PollProgress,
    order_id_of,
    sortable_instant,
    version_of,
)
from amazon_ae._ports import Clock, OrderGateway

__all__ = ["Intake"]

# The statuses that an unfulfilled order ends in.
_ENDED: Final = ("Shipped", CANCELLED, "Unfulfillable")
_FIRST_LOOK_BACK: Final = timedelta(days=90)
# After a longer absence the ended orders of that time are not listed: there may be thousands.
_SHORT_ABSENCE: Final = timedelta(hours=1)
# A read of several pages that is not sure after this long is done again in small windows.
_UNSURE_LIMIT: Final = timedelta(minutes=30)
# Up to this many orders are requested by id, more of them by a list. MWS takes 50 ids a request, the Selling Partner
# API one.
_FEW: Final = 50


@attrs.define
class _Poll:
    """The state of one poll: versions seen, progress, and whether every window was sure so far."""

    seen: Seen
    progress: PollProgress
    reader: WindowReader
    sure: bool = True
    first_reach: datetime | None = None
    reach: datetime | None = None


class Intake:
    """One consumer's polls of one account, in one process. ``OrderSync`` explains the arguments."""

    def __init__(
        self,
        gateway: OrderGateway,
        versions: VersionStore,
        delivery: Delivery,
        *,
        statuses: tuple[str, ...],
        first_since: datetime | None,
        overlap: timedelta,
        claims: bool,
        cancellations: bool,
        clock: Clock,
    ) -> None:
        self._gateway = gateway
        self._versions = versions
        self._delivery = delivery
        self._statuses = statuses
        self._first_since = first_since
        self._overlap = overlap
        self._claims = claims
        self._cancellations = cancellations
        self._clock = clock
        self._isolation = Isolation(clock)
        self._next_start: datetime | None = None
        self._unsure: list[PagedRead] = []

    async def poll(self) -> AsyncGenerator[SyncedOrder, None]:
        """See ``OrderSync.poll``."""
        cursor = await self._versions.cursor()
        start, statuses = self._plan(cursor)
        poll = _Poll(
            Seen.beside(await self._versions.names()),
            PollProgress(self._overlap, unsure=list(self._unsure)),
            WindowReader(self._gateway, self._clock),
        )
        if cursor is not None and self._cancellations and CANCELLED not in statuses:
            await self._past_cancellations(poll, start)
        try:
            async with aclosing(self._windows(poll, start, statuses)) as windows:
                async for after, window in windows:
                    for order in window.orders:
                        if synced := await self._delivery.receive(poll.seen, order):
                            yield synced
                    await self._settle(poll, after, window)
        except (UnreadableResponse, ServiceUnavailable):
            self._isolation.failed()
            raise
        self._isolation.succeeded()
        async with aclosing(self._make_sure(poll)) as found:
            async for synced in found:
                yield synced
        self._finish(poll, listed_ended=statuses == self._with_ended(always=True))
        async with aclosing(self._due(poll, start)) as found:
            async for synced in found:
                yield synced
        await self._forget()

    def _windows(
        self, poll: _Poll, start: datetime, statuses: tuple[str, ...]
    ) -> AsyncGenerator[tuple[datetime, Window], None]:
        if self._isolation.is_needed(start):
            return self._isolation.windows(poll.reader, start, statuses)
        return poll.reader.windows(start, None, statuses)

    async def by_id(self, order_ids: Sequence[str]) -> AsyncGenerator[SyncedOrder, None]:
        """The present state of these orders, those that are to be delivered."""
        seen = Seen.beside(await self._versions.names())
        for order in await self._delivery.get(order_ids):
            if synced := await self._delivery.receive(seen, order):
                yield synced

    # Where a poll begins, and its progress

    def _plan(self, cursor: OrderCursor | None) -> tuple[datetime, tuple[str, ...]]:
        """Where the poll begins, and which statuses it lists: those of ended orders too, unless there may be many."""
        if cursor is None:
            return self._first_since or self._clock.now() - _FIRST_LOOK_BACK, self._statuses
        durable = cursor.complete_until - self._overlap
        if self._next_start is not None and self._next_start + _SHORT_ABSENCE >= durable:
            return self._next_start, self._with_ended()
        # The first poll of this process, or the first after a long pause: open orders in memory may be outdated.
        self._delivery.clear()
        self._unsure.clear()
        if self._clock.now() - cursor.complete_until <= _SHORT_ABSENCE:
            return durable, self._with_ended()
        return durable, self._statuses

    def _with_ended(self, *, always: bool = False) -> tuple[str, ...]:
        wanted = always or self._cancellations or self._unsure or self._delivery.has_open_orders
        if not self._statuses or not wanted:
            return self._statuses
        return (*self._statuses, *(status for status in _ENDED if status not in self._statuses))

    async def _settle(self, poll: _Poll, after: datetime, window: Window) -> None:
        """Report what a window could not read; where it was read whole, move the cursor."""
        await self._delivery.report(window.unreadable)
        if window.until is None or window.reach is None:
            return
        poll.first_reach = poll.first_reach or window.reach
        poll.reach = window.reach
        final = poll.progress.window(after, window.until, window.reach)
        if not window.sure:
            poll.sure = False
            if final is not None:
                seen = {order.amazon_order_id: version_of(order) for order in window.orders}
                ended = window.ended or window.reach
                poll.progress.unsure.append(PagedRead(after, final, window.reach, ended, seen))
        await self._advance(poll)

    async def _advance(self, poll: _Poll) -> None:
        cursor = poll.progress.cursor()
        if cursor is not None:
            # With claims, every version that was delivered has its document already.
            await self._versions.advance(cursor, () if self._claims else poll.seen.open)

    async def _make_sure(self, poll: _Poll) -> AsyncGenerator[SyncedOrder, None]:
        """Reads of several pages by earlier polls: sure by now, or done again in small windows."""
        for read in self._unsure:
            if poll.reach is None or poll.reach < read.all_changes_by:
                continue
            if read.changed(poll.seen.current) or (not poll.sure and poll.reach > read.ended + _UNSURE_LIMIT):
                async with aclosing(poll.reader.windows(read.after, read.until, self._statuses, strict=True)) as again:
                    async for _, window in again:
                        for order in window.orders:
                            if synced := await self._delivery.receive(poll.seen, order):
                                yield synced
                        await self._delivery.report(window.unreadable)
            elif not poll.sure:
                continue
            poll.progress.unsure.remove(read)
        await self._advance(poll)

    def _finish(self, poll: _Poll, *, listed_ended: bool) -> None:
        """Remember where the next poll of this process begins."""
        self._unsure = poll.progress.unsure
        self._next_start = poll.progress.next_start()
        if self._next_start is not None and not listed_ended and poll.first_reach is not None:
            # What ended while this poll ran is still to be listed.
            self._next_start = min(self._next_start, poll.first_reach - self._overlap)

    async def _forget(self) -> None:
        cursor = await self._versions.cursor()
        if cursor is not None:
            names = await self._versions.forget(cursor.floor)
            self._delivery.forget(names, sortable_instant(cursor.floor))

    async def _past_cancellations(self, poll: _Poll, start: datetime) -> None:
        """The cancellations of a long absence, by a list of their own."""
        async with aclosing(poll.reader.windows(start, None, (CANCELLED,))) as windows:
            async for _, window in windows:
                for order in window.orders:
                    await self._delivery.receive(poll.seen, order)

    # Open orders that no list of this poll showed

    async def _due(self, poll: _Poll, start: datetime) -> AsyncGenerator[SyncedOrder, None]:
        """Those whose claim ran out: from memory, else from Amazon."""
        missing: list[str] = []
        for version in await self._versions.names():
            if version in poll.seen.offered or not await self._versions.is_due(version, self._clock.now()):
                continue
            order = self._delivery.known(version)
            if order is None:
                missing.append(version)
            elif synced := await self._delivery.prepare(order, version):
                yield synced
        if len(missing) > _FEW:
            async with aclosing(self._listed(poll, missing, start)) as found:
                async for synced in found:
                    yield synced
            missing = [version for version in missing if version.startswith(UNDATED)]
        if missing:
            for order in await self._delivery.get(list(dict.fromkeys(map(order_id_of, missing)))):
                if synced := await self._delivery.receive(poll.seen, order):
                    yield synced

    async def _listed(self, poll: _Poll, versions: list[str], start: datetime) -> AsyncGenerator[SyncedOrder, None]:
        """Many open orders: listed from the update of the oldest one to where the poll's own list began.

        One that is not listed has ended or changed; a changed one is listed by its own last update.
        """
        dated = [version for version in versions if not version.startswith(UNDATED)]
        oldest = datetime.fromisoformat(dated[0].partition("/")[0])
        if oldest < start:
            async with aclosing(poll.reader.windows(oldest, start, self._statuses, strict=True)) as windows:
                async for _, window in windows:
                    for order in window.orders:
                        if synced := await self._delivery.receive(poll.seen, order):
                            yield synced
        if poll.sure:
            await self._versions.supersede([version for version in dated if version not in poll.seen.offered])
