"""One window of orders, read from the gateway: in one page, in several, or found to be too large.

How a window is read:

1. One page holds it: done, and sure.
2. All its pages show updates within ``_DENSE``: they are followed to the end. Up to ``_SURE_PAGES`` pages are read
   again until nothing that was seen is missing (an order can slip between two pages only if another one, seen before,
   left the window). A longer read is returned unsure.
3. Else the window is cut. With ``strict`` it is cut until it is two seconds long, and what is still of several pages is
   read until it is sure.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection
from datetime import datetime, timedelta
from typing import Final

import attrs

from amazon_ae._models.orders import Order, OrderPage, UnreadableOrder
from amazon_ae._orders.windows import EDGE, INDEX_DELAY, cut, next_end, span, version_of
from amazon_ae._ports import Clock, OrderGateway

__all__ = ["Window", "WindowReader"]

# Steady polls read windows of some minutes: cutting those costs more requests than following their pages.
_DENSE: Final = timedelta(minutes=15)
_SURE_PAGES: Final = 3


@attrs.frozen(kw_only=True)
class Window:
    """The result of reading one window.

    Attributes:
        orders: each version once.
        until: the window was read whole, up to here; ``None``: it was too large (then ``cut`` is a smaller end), or the
            backend does not say how far its answer reaches.
        reach: how far an answer of that instant reaches, whatever the window.
        ended: likewise when the last page came.
        sure: no order was passed over between two pages.
        cut: where to end the window instead.
    """

    orders: tuple[Order, ...]
    unreadable: tuple[UnreadableOrder, ...] = ()
    until: datetime | None = None
    reach: datetime | None = None
    ended: datetime | None = None
    sure: bool = True
    cut: datetime | None = None


@attrs.define
class _Pages:
    """The pages of one window, so far."""

    versions: dict[str, Order] = attrs.field(factory=dict)
    unreadable: list[UnreadableOrder] = attrs.field(factory=list)
    first: OrderPage | None = None
    count: int = 0
    whole: bool = False

    def add(self, page: OrderPage) -> None:
        self.first = self.first or page
        self.count += 1
        self.whole = page.position is None
        self.unreadable += page.unreadable
        self.versions.update((version_of(order), order) for order in page.orders)

    @property
    def too_sparse(self) -> bool:
        """Cutting it by time is cheaper than following its pages."""
        return span(tuple(self.versions.values())) > _DENSE


class WindowReader:
    """Reads windows of one poll. The first answer shows how far answers reach; later ones are computed from the clock.

    Args:
        gateway: where orders come from.
        clock: for differences only, so a wrong clock does no harm.
    """

    def __init__(self, gateway: OrderGateway, clock: Clock) -> None:
        self._gateway = gateway
        self._clock = clock
        self._known: tuple[datetime, datetime] | None = None

    async def read(
        self, after: datetime, before: datetime | None, statuses: Collection[str], *, strict: bool = False
    ) -> Window:
        """Read one window, by the rules in the module's docstring.

        Raises:
            AmazonAeError: as the gateway raises.
        """
        asked_at = self._clock.now()
        pages = _Pages()
        source = self._gateway.orders(updated_after=after, updated_before=before, statuses=statuses)
        try:
            async for page in source:
                pages.add(page)
                if not pages.whole and self._is_too_large(pages, after, before, strict):
                    return Window(
                        orders=tuple(pages.versions.values()),
                        unreadable=tuple(pages.unreadable),
                        reach=self._reach(asked_at, pages.first, before),
                        cut=cut(pages.first.orders, after, before) if pages.first else None,
                    )
        finally:
            await _close(source)
        reach = self._reach(asked_at, pages.first, before)
        sure = pages.count <= 1
        if not sure and (strict or pages.count <= _SURE_PAGES):
            await self._until_nothing_is_missing(pages, after, before, statuses)
            sure = True
        return Window(
            orders=tuple(pages.versions.values()),
            unreadable=tuple(pages.unreadable),
            until=_end(pages.first, before),
            reach=reach,
            ended=self._reach(self._clock.now(), None, before),
            sure=sure,
        )

    async def windows(
        self, after: datetime, end: datetime | None, statuses: Collection[str], *, strict: bool = False
    ) -> AsyncGenerator[tuple[datetime, Window], None]:
        """From ``after`` to ``end`` (``None``: as far as answers reach), window by window, each with where it begins.

        Raises:
            AmazonAeError: as the gateway raises.
        """
        before = end
        while True:
            window = await self.read(after, before, statuses, strict=strict)
            yield after, window
            if window.until is None:
                if window.cut is None:
                    return  # the backend does not say how far its answer reaches
                before = window.cut
                continue
            if before == end or window.until - EDGE <= after:
                return
            length, after = window.until - after, window.until - EDGE
            before = next_end(after, length, len(window.orders), end or window.reach or window.until) or end

    def _is_too_large(self, pages: _Pages, after: datetime, before: datetime | None, strict: bool) -> bool:
        assert pages.first is not None  # one was added
        wanted = pages.too_sparse or (strict and pages.count == 1)
        return wanted and cut(pages.first.orders, after, before) is not None

    async def _until_nothing_is_missing(
        self, pages: _Pages, after: datetime, before: datetime | None, statuses: Collection[str]
    ) -> None:
        """Read the window again until a read shows all that the one before it showed. Adds what is new.

        Nothing enters a window of the past, so this ends.
        """
        last = set(pages.versions)
        before = _end(pages.first, before)
        while True:
            seen: set[str] = set()
            async for page in self._gateway.orders(updated_after=after, updated_before=before, statuses=statuses):
                pages.add(page)
                seen.update(version_of(order) for order in page.orders)
            if last <= seen:
                return
            last = seen

    def _reach(self, at: datetime, page: OrderPage | None, before: datetime | None) -> datetime:
        """How far an answer reaches that was asked for ``at`` the local instant."""
        stated = None if page is None else page.complete_until
        if stated is not None and (before is None or stated < before):
            self._known = (stated, at)
        if self._known is None:
            return at - INDEX_DELAY
        reach, asked_at = self._known
        return reach + (at - asked_at)


def _end(first: OrderPage | None, before: datetime | None) -> datetime | None:
    """Up to where the window is surely whole."""
    stated = first.complete_until if first is not None else None
    if before is None:
        return stated
    return before if stated is None else min(stated, before)


async def _close(pages: AsyncIterator[OrderPage]) -> None:
    """End an iterator that is not read to its end; a plain iterator needs no ending."""
    if isinstance(pages, AsyncGenerator):
        await pages.aclose()
