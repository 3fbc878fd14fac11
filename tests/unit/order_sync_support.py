"""An order gateway over a dictionary, a store and a clock, for the tests of ``OrderSync``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from amazon_ae._models.orders import Order, OrderItem, OrderPage
from amazon_ae._orders.sync import OrderSync
from amazon_ae._storage.memory import MemoryStorage
from amazon_ae.testing import VirtualClock, make_item, make_order, make_order_id

START = datetime(2021, 11, 18, 9, 0, tzinfo=UTC)


class Shop:
    """A gateway over a dictionary of orders; counts what it is asked."""

    account = "A1SELLER/AE"
    poll_seconds = 120.0

    def __init__(self, clock: VirtualClock, *, page_size: int = 100) -> None:
        self.clock = clock
        self.page_size = page_size
        self.known: dict[str, Order] = {}
        self.windows: list[tuple[datetime, datetime | None]] = []
        self.pages = 0
        self.looked_up: list[str] = []
        self.broken: dict[str, Exception] = {}
        self.between_pages: list[Any] = []

    def put(self, number: int, status: str = "Unshipped", *, at: datetime | None = None) -> str:
        """Add or change an order, now or at an instant."""
        order_id = make_order_id(number)
        self.known[order_id] = make_order(order_id, status=status, updated_at=at or self.clock.now())
        return order_id

    async def orders(
        self, *, updated_after: datetime, updated_before: datetime | None = None, statuses: Collection[str] = ()
    ) -> AsyncIterator[OrderPage]:
        if error := self.broken.get("orders"):
            raise error
        self.windows.append((updated_after, updated_before))
        until = self.clock.now() - timedelta(minutes=2)
        until = until if updated_before is None else min(until, updated_before)
        offset, more = 0, True
        while more:
            fit = [
                order
                for order in self.known.values()
                if order.last_update_date
                and updated_after <= order.last_update_date <= until
                and order.order_status in statuses
            ]
            page, offset = fit[offset : offset + self.page_size], offset + self.page_size
            more = offset < len(fit)
            self.pages += 1
            yield OrderPage(orders=tuple(page), complete_until=until, position="more" if more else None)
            if self.between_pages:
                self.between_pages.pop(0)()

    async def items(self, order_id: str) -> Sequence[OrderItem]:
        if error := self.broken.get(order_id):
            raise error
        return (make_item(order_item_id=order_id.replace("-", "")[:14]),)

    async def get(self, order_ids: Sequence[str]) -> Sequence[Order]:
        self.looked_up += order_ids
        return [self.known[order_id] for order_id in order_ids if order_id in self.known]


@attrs.define
class World:
    clock: VirtualClock
    shop: Shop
    storage: MemoryStorage

    def sync(self, **options: Any) -> OrderSync:
        """A process."""
        return OrderSync(self.storage, self.shop, clock=self.clock, **options)

    def later(self, seconds: float = 600) -> None:
        self.clock.jump(seconds)


def new_world() -> World:
    """A shop without orders, a store without documents."""
    clock = VirtualClock(START, autojump=False)
    return World(clock, Shop(clock), MemoryStorage(clock=clock))


async def polled(sync: OrderSync, *, acknowledge: bool = True) -> list[str]:
    """The order ids of one poll."""
    found = []
    async for synced in sync.poll():
        found.append(synced.order.amazon_order_id)
        if acknowledge:
            assert await sync.acknowledge(synced)
    return found
