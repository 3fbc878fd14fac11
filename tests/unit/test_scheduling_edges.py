"""The scheduler where things end or begin at the same time: closing, company in a look-up, a neighbour that died."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from amazon_ae._exceptions import NotSent, QuotaTimeout, StorageError
from amazon_ae._models.events import FeedSubmitted, FeedUnanswered
from amazon_ae._models.feeds import InventoryUpdate, ItemKind
from amazon_ae._models.orders import Order, OrderItem
from amazon_ae._models.stored import Change, ItemState, QueueStats, StoredBatch
from amazon_ae._scheduling import FeedScheduler
from amazon_ae._storage.memory import MemoryStorage
from amazon_ae._storage.sqlite.store import SQLiteStorage
from amazon_ae.testing._builders import make_order, make_order_id
from amazon_ae.testing._clocks import VirtualClock
from amazon_ae.testing._simulation import PaperMarket

ACCOUNT = "A1SELLER/AE"


class SlowOrders:
    """Looks orders up in three seconds; fails from the ``fails_from``-th look-up on."""

    poll_seconds = 60.0

    def __init__(self, clock: VirtualClock, *, fails_from: int = 99) -> None:
        self.asked: list[list[str]] = []
        self._clock = clock
        self._fails_from = fails_from

    async def get(self, order_ids: Sequence[str]) -> Sequence[Order]:
        self.asked.append(sorted(order_ids))
        await self._clock.sleep(3.0)
        if len(self.asked) >= self._fails_from:
            raise NotSent("no network")
        return [make_order(order_id) for order_id in order_ids]

    async def items(self, order_id: str) -> Sequence[OrderItem]:
        return []

    def orders(self, **window: Any) -> Any:
        raise AssertionError("a scheduler asks for the orders that it knows")


async def test_a_pickup_asked_for_of_a_closed_scheduler_is_stored_and_does_not_wait_for_ever() -> None:
    """Nobody would ever tell its waiter."""
    clock = VirtualClock()
    storage = MemoryStorage(clock=clock)
    async with FeedScheduler(storage, PaperMarket(clock, account=ACCOUNT), clock=clock) as scheduler:
        pass
    with pytest.raises(QuotaTimeout, match="closed"):
        await asyncio.wait_for(scheduler.schedule_pickup(make_order_id(1)), 5)
    outcome = await scheduler.outcome(make_order_id(1))
    assert outcome is not None
    assert outcome.state is ItemState.WAITING
    async with scheduler:
        assert (await scheduler.schedule_pickup(make_order_id(1))).state is ItemState.ACCEPTED


async def test_a_scheduler_that_closes_while_a_pickup_is_being_stored_tells_its_waiter(tmp_path: Path) -> None:
    """The store answers when the closing is over already."""
    clock = VirtualClock(grace_seconds=0.02)
    storage = SQLiteStorage(tmp_path / "shop.db", clock=clock)
    scheduler = FeedScheduler(storage, PaperMarket(clock, account=ACCOUNT), clock=clock)
    caller = asyncio.create_task(scheduler.schedule_pickup(make_order_id(1)))
    await asyncio.sleep(0)  # its request is on its way to the file
    await scheduler.aclose()
    with pytest.raises(QuotaTimeout, match="closed"):
        await asyncio.wait_for(caller, 5)
    await storage.aclose()


async def test_a_closed_scheduler_does_not_touch_the_store_again() -> None:
    """The host closes its store right after the scheduler."""
    clock = VirtualClock()
    storage = MemoryStorage(clock=clock)
    async with FeedScheduler(storage, PaperMarket(clock, account=ACCOUNT), clock=clock):
        await clock.sleep(0.1)
        await storage.put(ACCOUNT, ItemKind.INVENTORY, [Change("S", InventoryUpdate("S", 1).to_text())])
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_pickups_asked_for_during_a_look_up_share_its_feed() -> None:
    """Twelve parcels within two seconds: two look-ups, one feed."""
    clock = VirtualClock()
    storage = MemoryStorage(clock=clock)
    market, orders = PaperMarket(clock, account=ACCOUNT), SlowOrders(clock)
    ids = [make_order_id(number) for number in range(1, 13)]
    feeds: list[int] = []
    async with FeedScheduler(
        storage,
        market,
        orders=orders,
        clock=clock,
        on_event=lambda event: feeds.append(event.size) if isinstance(event, FeedSubmitted) else None,
    ) as scheduler:
        callers = [asyncio.create_task(scheduler.schedule_pickup(ids[0]))]
        await clock.sleep(2.0)
        callers += [asyncio.create_task(scheduler.schedule_pickup(order_id)) for order_id in ids[1:]]
        await asyncio.gather(*callers)
    assert orders.asked == [ids[:1], sorted(ids[1:])]
    assert feeds == [12]


async def test_a_second_look_up_that_fails_does_not_keep_the_first_pickups() -> None:
    """They leave by themselves, in the moment the failure is known."""
    clock = VirtualClock()
    storage = MemoryStorage(clock=clock)
    market, orders = PaperMarket(clock, account=ACCOUNT), SlowOrders(clock, fails_from=2)
    async with FeedScheduler(storage, market, orders=orders, clock=clock) as scheduler:
        first = asyncio.create_task(scheduler.schedule_pickup(make_order_id(1)))
        await clock.sleep(2.0)
        second = asyncio.create_task(scheduler.schedule_pickup(make_order_id(2)))
        assert (await first).state is ItemState.ACCEPTED
        second.cancel()
    outcome = await scheduler.outcome(make_order_id(2))
    assert outcome is not None
    assert outcome.state is ItemState.WAITING


async def test_a_store_that_fails_at_the_deadline_still_lets_the_caller_hear_of_the_deadline() -> None:
    """The pickup is stored: a StorageError would say that it may not be."""
    clock = VirtualClock()

    class Failing(MemoryStorage):
        failing = False

        async def unfinished(self, account: str) -> Sequence[StoredBatch]:
            if self.failing:
                raise StorageError("gone")
            return await super().unfinished(account)

    storage = Failing(clock=clock)
    scheduler = FeedScheduler(storage, PaperMarket(clock, account=ACCOUNT), clock=clock)
    storage.failing = True
    with pytest.raises(QuotaTimeout, match="stays queued"):
        await scheduler.schedule_pickup(make_order_id(1), deadline=timedelta(seconds=10))


async def test_a_feed_of_a_dead_neighbour_is_taken_over_when_its_lease_is_over() -> None:
    """Not when an idle scheduler would look anyway, a quarter of an hour later."""
    clock = VirtualClock()
    storage = MemoryStorage(clock=clock)
    taken: list[datetime] = []
    await storage.put(ACCOUNT, ItemKind.INVENTORY, [Change("S", InventoryUpdate("S", 1).to_text())])
    start = clock.now()
    batch = await storage.open(
        ACCOUNT, ItemKind.INVENTORY, batch_id="dead", limit=10, lease_seconds=300, exclusive=True
    )
    assert batch is not None
    async with FeedScheduler(
        storage,
        PaperMarket(clock, account=ACCOUNT),
        clock=clock,
        on_event=lambda event: taken.append(event.at) if isinstance(event, FeedUnanswered) else None,
    ):
        await clock.sleep(400)
    assert [(at - start).total_seconds() for at in taken] == pytest.approx([300], abs=6)


async def test_a_glance_under_way_is_over_when_closing_is() -> None:
    """Somebody put something just before: the store is being read, and the host is about to close it."""
    clock = VirtualClock()

    class Slow(MemoryStorage):
        reading = 0

        async def stats(self, account: str, kind: ItemKind) -> QueueStats:
            self.reading += 1
            await clock.sleep(3.0)
            self.reading -= 1
            return await super().stats(account, kind)

    storage = Slow(clock=clock)
    async with FeedScheduler(storage, PaperMarket(clock, account=ACCOUNT), clock=clock):
        await clock.sleep(10.0)
        await storage.put(ACCOUNT, ItemKind.INVENTORY, [Change("S", InventoryUpdate("S", 1).to_text())])
        await clock.sleep(1.0)
        assert storage.reading == 1
    assert storage.reading == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}
