"""What a scheduler says is true, and what it does is done once: freezes, outages, many processes."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, timedelta
from typing import Any

import attrs
import pytest
from shop_support import INVENTORY, Shop

from amazon_ae._exceptions import (
    OutcomeUnknown,
    QuotaTimeout,
    ServiceUnavailable,
)
from amazon_ae._models import events
from amazon_ae._models.feeds import BatchTerms, FeedReceipt, ItemOutcome, Outcome
from amazon_ae._models.stored import ItemState, StoredBatch
from amazon_ae._scheduling import FeedScheduler, SchedulerTiming
from amazon_ae.testing._mws import MwsFault


class Around:
    """The shop's gateway or store, with some verbs replaced."""

    def __init__(self, inner: Any, **verbs: Any) -> None:
        self._inner = inner
        self.__dict__.update(verbs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


# Frozen processes


@pytest.mark.parametrize("pause", [310.0, 600.0, 900.0])
@pytest.mark.parametrize("kind", ["pickup", "stock"])
async def test_a_process_that_is_frozen_before_it_sends_sends_nothing(pause: float, kind: str) -> None:
    """It sees how long ago it opened the batch, and another process carries the items."""
    shop = Shop()
    (order_id,) = shop.orders(1)
    frozen: list[StoredBatch] = []

    async def opens(*args: Any, **options: Any) -> Any:
        batch = await shop.storage.open(*args, **options)
        if batch is not None and not frozen:
            frozen.append(batch)
            await shop.clock.sleep(pause)
        return batch

    laptop = shop.scheduler(storage=Around(shop.storage, open=opens))
    async with laptop:
        await shop.stock("A", 3)
        asked = asyncio.ensure_future(laptop.schedule_pickup(order_id))
        await shop.clock.sleep(1)
        async with shop.open() as server:
            assert (await server.schedule_pickup(order_id)).state is ItemState.ACCEPTED
            assert (await asked).state is ItemState.ACCEPTED
            await shop.clock.sleep(3600)
            assert shop.fake.pickups_sent == {order_id: 1}
            assert shop.fake.stock["A"] == 3
            assert not shop.said(events.FeedSentTwice)


class Laptop:
    """A machine whose lid is closed for ``pause`` seconds while its first feed is on its way."""

    def __init__(self, shop: Shop, pause: float) -> None:
        self._shop, self._pause = shop, pause
        self._frozen_until = shop.clock.now()
        self._sent = False
        deaf = Around(shop.storage, watch=lambda account, callback, settled=None: lambda: None)
        gateway = Around(shop.gateway, submit=self._submit)
        self.scheduler = FeedScheduler(deaf, gateway, orders=shop.gateway, clock=self, on_event=shop.events.append)

    def now(self) -> datetime:
        return self._shop.clock.now()

    async def sleep(self, seconds: float) -> None:
        """Timers stand still too."""
        await self._shop.clock.sleep(seconds)
        while (rest := (self._frozen_until - self.now()).total_seconds()) > 0:
            await self._shop.clock.sleep(rest)

    async def _submit(self, batch: Any, **options: Any) -> Any:
        if not self._sent:
            self._sent = True
            self._frozen_until = self.now() + timedelta(seconds=self._pause)
            await self._shop.clock.sleep(self._pause)
        return await self._shop.gateway.submit(batch, **options)


@pytest.mark.parametrize("pause", [310.0, 700.0, 900.0])
async def test_stock_of_a_process_that_was_frozen_while_sending_ends_right(pause: float) -> None:
    """Its old value may land after the newer one: the newest is sent once more."""
    shop = Shop()
    await shop.stock("A", 1)
    async with Laptop(shop, pause).scheduler:
        await shop.clock.sleep(1)
        async with shop.open():
            await shop.stock("A", 2)
            await shop.clock.sleep(3 * 3600)
            assert shop.fake.stock["A"] == 2
            assert len(shop.said(events.FeedSentTwice)) == 1
            assert not [seen for seen in shop.fake.requests if seen.status == 503]


@pytest.mark.parametrize("pause", [310.0, 700.0, 900.0])
async def test_a_pickup_of_a_process_that_was_frozen_while_sending_is_sent_once(pause: float) -> None:
    """The other process is still looking for it when it arrives: nothing is sent beside it."""
    shop = Shop()
    (order_id,) = shop.orders(1)
    async with Laptop(shop, pause).scheduler as laptop:
        asked = asyncio.ensure_future(laptop.schedule_pickup(order_id))
        await shop.clock.sleep(1)
        async with shop.open():
            assert (await asked).state is ItemState.ACCEPTED
            await shop.clock.sleep(3600)
            assert shop.fake.pickups_sent == {order_id: 1}


# Outages


@pytest.mark.parametrize("minutes", [2, 30, 60, 300])
async def test_the_first_pickup_leaves_soon_after_an_outage(minutes: int) -> None:
    """Reads probe, no slot is risked, and within 120 s of Amazon's return the parcel leaves."""
    shop = Shop()
    (order_id,) = shop.orders(1)
    down = True
    submits = 0

    def guarded(verb: Any) -> Any:
        async def call(*args: Any, **options: Any) -> Any:
            nonlocal submits
            submits += verb.__name__ == "submit"
            if down:
                raise ServiceUnavailable("maintenance", status=503, retryable=True)
            return await verb(*args, **options)

        return call

    verbs = {name: guarded(getattr(shop.gateway, name)) for name in ("get", "submit", "status", "report", "recent")}
    gateway = Around(shop.gateway, **verbs)
    async with shop.open(gateway=gateway, orders=gateway) as scheduler:
        await shop.stock("A", 1)
        asked = asyncio.ensure_future(scheduler.schedule_pickup(order_id))
        await shop.clock.sleep(60 * minutes)
        forecast = await scheduler.forecast(order_id=order_id)
        assert "order lookup failed (ServiceUnavailable)" in forecast.why or "not been reachable" in forecast.why
        assert submits <= 1
        down = False
        back = shop.seconds()
        await asked
    assert next(at for at in shop.submitted() if at >= back) - back <= 120


async def test_a_lookup_that_is_under_way_or_failed_is_said() -> None:
    """Never "a feed that is leaving right now" while Amazon cannot be reached."""
    shop = Shop()
    (order_id,) = shop.orders(1)

    async def get(order_ids: Any) -> Any:
        await shop.clock.sleep(1e6)

    gateway = Around(shop.gateway, get=get)
    async with shop.open(orders=gateway) as scheduler:
        asked = asyncio.ensure_future(scheduler.schedule_pickup(order_id))
        seen = set()
        for _ in range(100):
            await shop.clock.sleep(7)
            seen.add((await scheduler.forecast(order_id=order_id)).why)
        asked.cancel()
    assert any("lookup" in why for why in seen)
    assert not any("leaving right now" in why for why in seen)
    assert shop.said(events.LookupFailed)


# Many processes


@pytest.mark.parametrize("processes", [1, 2, 8])
async def test_a_pickup_costs_one_lookup_whatever_the_number_of_processes(processes: int) -> None:
    """And only one of them says what came of it."""
    shop = Shop()
    orders = shop.orders(6)
    looked_up: list[str] = []

    async def get(order_ids: Any) -> Any:
        looked_up.extend(order_ids)
        await shop.clock.sleep(0.5)
        return await shop.gateway.get(order_ids)

    schedulers = [shop.scheduler(orders=Around(shop.gateway, get=get)) for _ in range(processes)]
    for scheduler in schedulers:
        await scheduler.__aenter__()
    for order_id in orders:
        outcomes = await asyncio.gather(*(scheduler.schedule_pickup(order_id) for scheduler in schedulers))
        assert {outcome.state for outcome in outcomes} == {ItemState.ACCEPTED}
    for scheduler in schedulers:
        await scheduler.aclose()
    await shop.http.aclose()
    assert sorted(looked_up) == sorted(orders)
    assert [(e.order_id, e.outcome) for e in shop.said(events.PickupSettled)] == [(o, Outcome.ACCEPTED) for o in orders]


async def test_an_outcome_reaches_every_process_at_once() -> None:
    """Not at the next recheck: the store tells."""
    shop = Shop()
    (order_id,) = shop.orders(1)
    timing = SchedulerTiming(recheck_seconds=1e6)
    async with shop.open(timing=timing) as here, shop.scheduler(timing=timing) as there:
        asked = [asyncio.ensure_future(each.schedule_pickup(order_id)) for each in (here, there)]
        await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        first = shop.seconds()
        await asyncio.gather(*asked)
    assert shop.seconds() - first < 1


async def test_a_deadline_reads_the_store_once_more() -> None:
    """The outcome came, and the notice was lost: it is returned, not "waits for nothing"."""
    shop = Shop()
    (order_id,) = shop.orders(1)
    deaf = Around(shop.storage, watch=lambda account, callback, settled=None: lambda: None)
    here = shop.scheduler(storage=deaf, timing=SchedulerTiming(recheck_seconds=1e6))
    async with shop.open() as there, here:
        asked = asyncio.ensure_future(here.schedule_pickup(order_id, deadline=timedelta(minutes=5)))
        await shop.clock.sleep(0)
        await there.schedule_pickup(order_id)
        assert (await asked).state is ItemState.ACCEPTED


async def test_a_pickup_leaves_within_a_second_beside_many_batches_of_dead_processes() -> None:
    """A bounded number is taken over in one pass."""
    shop = Shop()
    (order_id,) = shop.orders(1)
    for number in range(1000):
        await shop.stock(f"S{number}", 1)
        batch = await shop.storage.open(
            shop.gateway.account,
            INVENTORY,
            batch_id=f"dead{number}",
            limit=1,
            lease_seconds=1.0,
            exclusive=False,
            route="mws:feed",
        )
        assert batch is not None
    await shop.clock.sleep(600)
    async with shop.open() as scheduler:
        asked = asyncio.ensure_future(scheduler.schedule_pickup(order_id))
        at = shop.seconds()
        await shop.clock.sleep(1)
        assert [each for each in shop.submitted() if each >= at]
        await asked


async def test_batches_of_another_backend_are_left_alone_and_named() -> None:
    """After a switch of the backend its scheduler settles them."""
    shop = Shop()
    await shop.stock("A", 1)
    batch = await shop.storage.open(
        shop.gateway.account,
        INVENTORY,
        batch_id="theirs",
        limit=1,
        lease_seconds=1.0,
        exclusive=True,
        route="spapi:feed",
    )
    assert batch is not None
    await shop.storage.mark_submitted("theirs", 1, feed_id="amzn1", submitted_at=shop.clock.now(), lease_seconds=1.0)
    async with shop.open():
        await shop.clock.sleep(3600)
    (other,) = shop.said(events.FeedOfOtherRoute)
    assert (other.route, other.batch_id, other.feed_id) == ("spapi:feed", "theirs", "amzn1")
    assert not shop.fake.requests
    assert len(await shop.storage.unfinished(shop.gateway.account)) == 1


# Item by item


async def test_outcomes_are_durable_as_they_come_and_a_slow_batch_stays_alive() -> None:
    """Each item takes a minute, the whole batch far longer than an answer may: nothing is asked twice."""
    shop = Shop()
    orders = shop.orders(30)
    sent: list[str] = []

    def terms(kind: Any, waiting: int, *, urgent: bool = False) -> BatchTerms:
        return BatchTerms(route="items", quota=None, max_items=100, exclusive=False, answers_by_item=True)

    async def submit(batch: Any, *, settle: Any = None) -> FeedReceipt:
        for item in batch.items:
            await shop.clock.sleep(60)
            sent.append(item.key)
            await settle([ItemOutcome(item.key, Outcome.ACCEPTED)])
        return FeedReceipt(feed_id=None, submitted_at=shop.clock.now(), outcomes=())

    gateway = Around(shop.gateway, terms=terms, submit=submit, routes=frozenset({"items"}))
    async with shop.open(gateway=gateway) as scheduler:
        asked = [asyncio.ensure_future(scheduler.schedule_pickup(order_id)) for order_id in orders]
        await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        assert shop.seconds() < 70
        outcomes = await asyncio.gather(*asked)
    assert {outcome.state for outcome in outcomes} == {ItemState.ACCEPTED}
    assert sorted(sent) == sorted(orders)
    assert not shop.said(events.FeedUnanswered)


async def test_a_batch_whose_progress_stops_is_carried_on_without_what_was_answered() -> None:
    """The sixth item hangs: after the time of one answer the other seven are asked for, the first five not again."""
    shop = Shop()
    skus = [f"S{number:02}" for number in range(12)]
    sent: list[str] = []
    hung: list[str] = []

    def terms(kind: Any, waiting: int, *, urgent: bool = False) -> BatchTerms:
        return BatchTerms(route="items", quota=None, max_items=100, exclusive=True, answers_by_item=True)

    async def submit(batch: Any, *, settle: Any = None) -> FeedReceipt:
        for item in batch.items:
            if item.key == skus[5] and not hung:
                hung.append(item.key)
                await shop.clock.sleep(1e7)
            sent.append(item.key)
            await settle([ItemOutcome(item.key, Outcome.ACCEPTED)])
        return FeedReceipt(feed_id=None, submitted_at=shop.clock.now(), outcomes=())

    for sku in skus:
        await shop.stock(sku, 1)
    async with shop.open(gateway=Around(shop.gateway, terms=terms, submit=submit, routes=frozenset({"items"}))):
        await shop.clock.sleep(7200)
        stats = await shop.storage.stats(shop.gateway.account, INVENTORY)
    assert (stats.waiting, stats.in_flight, stats.dead) == (0, 0, 0)
    assert sorted(sent) == skus


async def test_a_crash_between_two_items_keeps_what_was_answered() -> None:
    """The heir asks only for the others, and what Amazon has already is a success."""
    shop = Shop()
    orders = shop.orders(3)
    sent: list[str] = []

    def terms(kind: Any, waiting: int, *, urgent: bool = False) -> BatchTerms:
        return BatchTerms(route="items", quota=None, max_items=100, exclusive=False, answers_by_item=True)

    async def submit(batch: Any, *, settle: Any = None) -> FeedReceipt:
        for number, item in enumerate(batch.items):
            if item.key not in sent:
                sent.append(item.key)
                shop.fake.schedule_pickup(item.key, date(2021, 11, 19))
            if len(sent) == 2 and number == 1:
                raise OutcomeUnknown("the second was booked, and its answer was lost")
            await settle([ItemOutcome(item.key, Outcome.ACCEPTED)])
        return FeedReceipt(feed_id=None, submitted_at=shop.clock.now(), outcomes=())

    gateway = Around(shop.gateway, terms=terms, submit=submit, routes=frozenset({"items"}))
    async with shop.open(gateway=gateway) as scheduler:
        outcomes = await asyncio.gather(*map(scheduler.schedule_pickup, orders))
    assert {outcome.state for outcome in outcomes} == {ItemState.ACCEPTED}
    assert sorted(sent) == sorted(orders)
    assert {event.outcome for event in shop.said(events.PickupSettled)} == {Outcome.ACCEPTED}


# Clocks


@pytest.mark.parametrize("minutes", [-14, -3, 3, 14])
@pytest.mark.parametrize("processing", [60.0, 900.0, 3000.0])
async def test_any_skew_that_a_signature_admits_and_a_lost_answer(minutes: int, processing: float) -> None:
    """The pickup is at Amazon once, and the host learns what is true."""
    shop = Shop(processing_seconds=lambda feed: processing)
    (order_id,) = shop.orders(1)

    async def recent(kind: Any, since: Any) -> Any:
        listed = await shop.gateway.recent(kind, since - timedelta(minutes=minutes))
        moved = timedelta(minutes=minutes)
        return [attrs.evolve(one, submitted_at=one.submitted_at + moved) for one in listed if one.submitted_at]

    lost: list[FeedReceipt] = []

    async def submit(batch: Any, **options: Any) -> Any:
        receipt = await shop.gateway.submit(batch, **options)
        if not lost:
            lost.append(receipt)
            raise OutcomeUnknown("the answer was lost")
        return receipt

    async with shop.open(gateway=Around(shop.gateway, recent=recent, submit=submit)) as scheduler:
        assert (await scheduler.schedule_pickup(order_id)).state is ItemState.ACCEPTED
        await shop.clock.sleep(3600)
    assert shop.fake.pickups_sent == {order_id: 1}
    assert not shop.said(events.LateFeedFound)


@pytest.mark.parametrize("minutes", [-14, 14])
@pytest.mark.parametrize("processing", [20.0, 1200.0, 5400.0])
async def test_a_lost_answer_of_an_amazon_whose_clock_is_off(minutes: int, processing: float) -> None:
    """Two hosts, the one that sent is gone: the other knows no receipt, and finds the feed wherever the clocks are."""
    shop = Shop(processing_seconds=processing, skew_seconds=minutes * 60.0)
    (order_id,) = shop.orders(1)
    shop.fake.fail("SubmitFeed", MwsFault.ANSWER_LOST)
    async with shop.scheduler() as gone:
        asked = asyncio.ensure_future(gone.schedule_pickup(order_id))
        await shop.clock.sleep(30)
    with pytest.raises(QuotaTimeout):
        await asked
    async with shop.open() as scheduler:
        assert (await scheduler.schedule_pickup(order_id)).state is ItemState.ACCEPTED
    assert shop.fake.pickups_sent == {order_id: 1}
    assert len(shop.submitted()) == 1
