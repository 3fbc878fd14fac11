"""Days of trade on one SQLite file: two processes, their schedulers and order intakes, and what grows meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import attrs

from amazon_ae._exceptions import AmazonAeError
from amazon_ae._models.feeds import InventoryUpdate, ItemKind
from amazon_ae._models.orders import Order, OrderItem, OrderPage
from amazon_ae._models.stored import Change
from amazon_ae._orders.sync import OrderSync, SyncedOrder
from amazon_ae._scheduling import FeedScheduler
from amazon_ae._storage.sqlite.schema import DEFAULT_PREFIX
from amazon_ae._storage.sqlite.store import SQLiteStorage
from amazon_ae.testing._builders import make_item, make_order, make_order_id
from amazon_ae.testing._clocks import VirtualClock
from amazon_ae.testing._simulation.inline_storage import inline_sqlite
from amazon_ae.testing._simulation.loads import Load, change_instants, pack_instants
from amazon_ae.testing._simulation.market import PaperMarket

__all__ = ["Day", "trade_for_days"]

_DAY: Final = 86_400.0
_PROCESSES: Final = 2
# From an order's arrival until it is packed, and until it is gone from Amazon's lists.
_PACKED_AFTER: Final = 1200.0
_LISTED_FOR: Final = timedelta(hours=6)
_NEW_SKUS_A_DAY: Final = 0.1


@attrs.frozen(kw_only=True)
class Day:
    """What there was at the end of a day.

    Attributes:
        day: 1 for the first.
        file_bytes: of the file and its write-ahead log.
        items, documents: rows in the store.
        document_bytes: of all documents.
        remembered: order versions that the intakes of all processes hold in memory.
        put_seconds: real seconds of each put of this day.
        outcome_seconds: virtual seconds from ``schedule_pickup`` to its outcome, of each pickup of this day.
    """

    day: int
    file_bytes: int
    items: int
    documents: int
    document_bytes: int
    remembered: int
    put_seconds: Sequence[float] = attrs.field(repr=False)
    outcome_seconds: Sequence[float] = attrs.field(repr=False)


async def trade_for_days(
    path: Path,
    load: Load,
    *,
    days: int,
    retention: Mapping[ItemKind, timedelta | None],
    poll_seconds: float | None = None,
    group_seconds: float = 60.0,
    seed: int = 0,
    on_day: Callable[[Day], None] | None = None,
) -> list[Day]:
    """Trade on a new file for ``days`` virtual days. A tenth of the SKUs is replaced by new ones every day.

    Args:
        path: of the store's file.
        load: packs and changes an hour, and how many SKUs are sold at one time.
        days: how many.
        retention: of the store.
        poll_seconds: of the intakes; their default without.
        group_seconds: of how much time the stock changes are put together.
        seed: draws arrivals and SKUs.
        on_day: called at the end of each day.
    """
    with inline_sqlite():
        return await _Warehouse(path, load, days, retention, poll_seconds, group_seconds, seed).run(on_day)


class _Seller(PaperMarket):
    """The paper market with orders that arrive, are packed, and leave its lists."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.known: dict[str, Order] = {}

    def change(self, order_id: str, status: str) -> None:
        """An order arrives or has been handed to the carrier; old ones are listed no longer."""
        now = self._clock.now()
        self.known[order_id] = make_order(order_id, status=status, purchased_at=now, updated_at=now)
        self.known = {
            key: order
            for key, order in self.known.items()
            if order.last_update_date is not None and order.last_update_date >= now - _LISTED_FOR
        }

    async def _pages(
        self, updated_after: datetime, updated_before: datetime | None, statuses: Collection[str]
    ) -> AsyncIterator[OrderPage]:
        until = self._clock.now() - timedelta(minutes=2)
        until = until if updated_before is None else min(until, updated_before)
        found = [
            order
            for order in self.known.values()
            if order.order_status in statuses
            and order.last_update_date is not None
            and updated_after <= order.last_update_date <= until
        ]
        yield OrderPage(orders=tuple(found), complete_until=until, position=None)

    def orders(
        self, *, updated_after: datetime, updated_before: datetime | None = None, statuses: Collection[str] = ()
    ) -> AsyncIterator[OrderPage]:
        """One page, whatever it holds."""
        return self._pages(updated_after, updated_before, statuses)

    async def items(self, order_id: str) -> Sequence[OrderItem]:
        """One line."""
        return (make_item(order_item_id=order_id.replace("-", "")[:14]),)


class _Store:
    """A real store that notes how long its puts take."""

    def __init__(self, file: SQLiteStorage) -> None:
        self.file = file
        self.put_seconds: list[float] = []
        file._database._connect().execute(
            "PRAGMA synchronous = OFF"
        )  # nobody pulls the plug here, and days take minutes

    async def put(self, *args: Any, **options: Any) -> Any:
        """Put, and note how long that takes."""
        began = time.perf_counter()
        receipts = await self.file.put(*args, **options)
        self.put_seconds.append(time.perf_counter() - began)
        return receipts

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


class _Warehouse:
    def __init__(
        self,
        path: Path,
        load: Load,
        days: int,
        retention: Mapping[ItemKind, timedelta | None],
        poll_seconds: float | None,
        group_seconds: float,
        seed: int,
    ) -> None:
        self._path, self._load, self._days = path, load, days
        self._group_seconds = group_seconds
        self._rng = random.Random(seed)  # simulated arrivals
        self._clock = VirtualClock()
        self._start = self._clock.now()
        self._seller = _Seller(self._clock)
        self._stores: list[Any] = [  # each a whole storage, by `__getattr__`
            _Store(SQLiteStorage(path, clock=self._clock, retention=retention, watch_seconds=None))
            for _ in range(_PROCESSES)
        ]
        self._schedulers = [
            FeedScheduler(store, self._seller, orders=self._seller, clock=self._clock) for store in self._stores
        ]
        self._syncs = [
            OrderSync(store, self._seller, clock=self._clock, first_since=self._start, poll_seconds=poll_seconds)
            for store in self._stores
        ]
        self._outcome_seconds: list[float] = []
        self._packing: set[asyncio.Task[None]] = set()

    async def run(self, on_day: Callable[[Day], None] | None) -> list[Day]:
        found: list[Day] = []
        async with contextlib.AsyncExitStack() as stack:
            for store in self._stores:
                stack.push_async_callback(store.aclose)
            for scheduler in self._schedulers:
                await stack.enter_async_context(scheduler)
            jobs = [asyncio.ensure_future(sync.run(self._take)) for sync in self._syncs]
            jobs += [asyncio.ensure_future(self._sell()), asyncio.ensure_future(self._change())]
            try:
                for day in range(1, self._days + 1):
                    await self._until(day * _DAY)
                    self._seller.forget(self._clock.now() - timedelta(days=1))
                    found.append(self._day(day))
                    if on_day is not None:
                        on_day(found[-1])
                    for job in jobs:
                        if job.done() and not job.cancelled():
                            job.result()
            finally:
                for task in (*jobs, *self._packing):
                    task.cancel()
                await asyncio.gather(*jobs, *self._packing, return_exceptions=True)
        return found

    def _day(self, day: int) -> Day:
        with contextlib.closing(sqlite3.connect(self._path)) as connection:
            rows = {
                table: connection.execute(f"SELECT count(*) FROM {DEFAULT_PREFIX}{table}").fetchone()[0]
                for table in ("items", "documents")
            }
            query = f"SELECT coalesce(sum(length(text)), 0) FROM {DEFAULT_PREFIX}documents"
            (document_bytes,) = connection.execute(query).fetchone()
        log = self._path.with_name(self._path.name + "-wal")
        puts = [seconds for store in self._stores for seconds in store.put_seconds]
        for store in self._stores:
            store.put_seconds.clear()
        outcomes, self._outcome_seconds = self._outcome_seconds, []
        return Day(
            day=day,
            file_bytes=self._path.stat().st_size + (log.stat().st_size if log.exists() else 0),
            document_bytes=document_bytes,
            remembered=sum(sync.remembered for sync in self._syncs),
            put_seconds=puts,
            outcome_seconds=outcomes,
            **rows,
        )

    async def _until(self, seconds: float) -> None:
        await self._clock.sleep(seconds - (self._clock.now() - self._start).total_seconds())

    async def _sell(self) -> None:
        """Orders arrive."""
        for number, at in enumerate(pack_instants(self._load, self._days * _DAY, self._rng), 1):
            await self._until(at)
            self._seller.change(make_order_id(number), "Unshipped")

    async def _take(self, synced: SyncedOrder) -> None:
        """An order is taken; some time later a bench packs it."""
        task = asyncio.ensure_future(self._pack(synced.order.amazon_order_id))
        self._packing.add(task)
        task.add_done_callback(self._packing.discard)

    async def _pack(self, order_id: str) -> None:
        await self._clock.sleep(_PACKED_AFTER)
        scheduler = self._rng.choice(self._schedulers)
        asked = self._clock.now()
        with contextlib.suppress(AmazonAeError):
            await scheduler.schedule_pickup(order_id)
            self._outcome_seconds.append((self._clock.now() - asked).total_seconds())
            self._seller.change(order_id, "Shipped")

    async def _change(self) -> None:
        """Shelves change, in groups; the window of SKUs slides."""
        rng = random.Random(self._rng.random())
        group: dict[str, Change] = {}
        until = self._group_seconds
        for at in change_instants(self._load, self._days * _DAY, random.Random(rng.random())):
            if at > until:
                await self._until(at)
                until = at + self._group_seconds
                if group:
                    store = rng.choice(self._stores)
                    await store.put(self._seller.account, ItemKind.INVENTORY, list(group.values()))
                group = {}
            first = int(at / _DAY * _NEW_SKUS_A_DAY * self._load.skus)
            sku = f"SKU-{first + rng.randrange(self._load.skus):07d}"
            group[sku] = Change(sku, InventoryUpdate(sku, rng.randrange(100)).to_text())
