"""Clocks that are set while the scheduler works: its own, the store's, back and forth. Amazon counts in real time."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import attrs
import pytest
from shop_support import PICKUP, Shop

from amazon_ae._exceptions import NotSent
from amazon_ae._models import events
from amazon_ae._models.feeds import ItemOutcome, Outcome
from amazon_ae._models.stored import ItemState
from amazon_ae._ports import Clock
from amazon_ae._scheduling import FeedScheduler
from amazon_ae._scheduling.policy import FeedPolicy
from amazon_ae._storage.memory import MemoryStorage

DAY = timedelta(days=1)


class Wall:
    """A clock on the wall: somebody may set it; how long a nap lasts does not depend on that."""

    def __init__(self, clock: Clock) -> None:
        self.shift = timedelta()
        self._clock = clock

    def now(self) -> datetime:
        return self._clock.now() + self.shift

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


class OneByOne:
    """A gateway whose feeds have room for one item, so that no item waits to travel with others."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def terms(self, *about: Any, **options: Any) -> Any:
        terms = self._inner.terms(*about, **options)
        return terms and attrs.evolve(terms, max_items=1)


class Walls(Shop):
    """A shop in which the store and the scheduler have clocks of their own."""

    def __init__(self, **fake: Any) -> None:
        super().__init__(**fake)
        self.wall, self.store_wall = Wall(self.clock), Wall(self.clock)
        self.storage = MemoryStorage(clock=self.store_wall)

    def scheduler(self, **options: Any) -> FeedScheduler:
        options.setdefault("orders", self.gateway)
        return FeedScheduler(
            self.storage, options.pop("gateway", self.gateway), clock=self.wall, on_event=self.events.append, **options
        )

    async def trade(self, minutes: int) -> None:
        """One stock change a minute."""
        for number in range(minutes):
            await self.stock("A", number + 1)
            await self.clock.sleep(60)


@pytest.mark.parametrize("whose", ["both", "scheduler", "store"])
async def test_stock_goes_on_when_a_clock_loses_a_day(whose: str) -> None:
    """What was spent counts as spent just now, once, and not again at every look."""
    shop = Walls()
    async with shop.open():
        await shop.trade(30)
        before = len(shop.submitted())
        if whose != "store":
            shop.wall.shift -= DAY
        if whose != "scheduler":
            shop.store_wall.shift -= DAY
        await shop.trade(120)
    assert before > 10
    assert len(shop.submitted()) - before > 40
    assert not [seen for seen in shop.fake.requests if seen.status == 503]


async def test_a_feed_at_amazon_is_settled_although_the_clock_lost_a_day() -> None:
    """Nobody puts anything that would wake the scheduler."""
    shop = Walls()
    (order_id,) = shop.orders(1)
    async with shop.open() as scheduler:
        asked = asyncio.ensure_future(scheduler.schedule_pickup(order_id))
        await shop.clock.sleep(30)
        shop.wall.shift -= DAY
        assert (await asked).state is ItemState.ACCEPTED
    assert shop.seconds() < 300


async def test_a_rest_does_not_last_until_an_instant_of_the_wrong_time() -> None:
    """A failure just before the clock is set back holds nothing back for a day."""
    shop = Walls()
    (order_id,) = shop.orders(1)

    class Down:
        tries = 0

        async def submit(self, batch: Any, **options: Any) -> Any:
            self.tries += 1
            if self.tries <= 3:
                raise NotSent("no network")
            return await shop.gateway.submit(batch)

        def __getattr__(self, name: str) -> Any:
            return getattr(shop.gateway, name)

    async with shop.open(gateway=Down()) as scheduler:
        asked = asyncio.ensure_future(scheduler.schedule_pickup(order_id))
        await shop.clock.sleep(20)
        shop.wall.shift -= DAY
        assert (await asked).state is ItemState.ACCEPTED
    assert shop.seconds() < 600


async def test_a_waiter_hears_of_another_process_although_the_clock_lost_a_day() -> None:
    """It looks the outcome up in the store, every half minute."""
    shop = Walls()
    (order_id,) = shop.orders(1)
    account = shop.gateway.account
    async with shop.open() as scheduler:
        shop.fake.spend("SubmitFeed", 15)  # so this scheduler cannot carry it
        asked = asyncio.ensure_future(scheduler.schedule_pickup(order_id))
        await shop.clock.sleep(1)
        batch = await shop.storage.open(
            account, PICKUP, batch_id="theirs", limit=1, lease_seconds=3600, exclusive=False
        )
        assert batch is not None
        await shop.clock.sleep(35)
        shop.wall.shift -= DAY
        await shop.storage.settle("theirs", batch.fence, [ItemOutcome(order_id, Outcome.ACCEPTED)])
        assert (await asked).state is ItemState.ACCEPTED
    assert shop.seconds() < 120


@pytest.mark.parametrize(
    ("gap", "sent", "jump", "refusals"),
    [(1.0, 15, 1800, 1), (60.0, 30, 1800, 1), (100.0, 28, 10_800, 0)],
    ids=["the bucket is empty", "the hour is full", "headers tell in time"],
)
async def test_a_store_whose_clock_jumps_ahead_costs_at_most_one_refusal(
    gap: float, sent: int, jump: float, refusals: int
) -> None:
    """The jump looks like idle time. Amazon does not think so, and its word corrects the ledger."""
    shop = Walls()
    orders = shop.orders(60)
    options: dict[str, Any] = {"gateway": OneByOne(shop.gateway), "policy": FeedPolicy(prompt_spacing=0.0)}
    async with shop.open(orders=None, **options) as scheduler:
        asked = []
        for number, order_id in enumerate(orders):
            if number == sent:
                shop.store_wall.shift += timedelta(seconds=jump)
            asked.append(asyncio.ensure_future(scheduler.schedule_pickup(order_id)))
            await shop.clock.sleep(gap)
        await asyncio.gather(*asked)
    refused = [seen for seen in shop.fake.requests if seen.action == "SubmitFeed" and seen.status == 503]
    assert len(refused) == refusals
    assert shop.said(events.QuotaCorrected)
    assert shop.fake.pickups_sent == dict.fromkeys(orders, 1)
