"""``FeedScheduler`` against ``FakeMws`` on virtual time: packing first and together, and every outcome its own."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import Any

import pytest
from shop_support import PICKUP, Shop

from amazon_ae._exceptions import ConfigurationError, PickupRejected, PickupUnknown, QuotaTimeout
from amazon_ae._models import events
from amazon_ae._models.feeds import Outcome
from amazon_ae._models.stored import Change, ItemState
from amazon_ae._scheduling import FeedScheduler
from amazon_ae._scheduling.policy import FeedPolicy
from amazon_ae.testing._builders import make_order_id


async def test_a_pickup_leaves_at_once_and_brings_its_own_outcome() -> None:
    """No spacing in a quiet hour; the answer names the order and the day."""
    shop = Shop()
    (order_id,) = shop.orders(1)
    async with shop.open() as scheduler:
        outcome = await scheduler.schedule_pickup(order_id, reference="bench 3")
    assert (outcome.state, outcome.order_id, outcome.reference) == (ItemState.ACCEPTED, order_id, "bench 3")
    assert outcome.pickup_date == date(2021, 11, 19)
    assert shop.submitted() == [0.0]
    assert shop.fake.pickups[order_id].date == "2021-11-19"


async def test_packing_wakes_a_sleeping_scheduler() -> None:
    """It had nothing to do for a quarter of an hour; the parcel leaves in the same instant."""
    shop = Shop()
    orders = shop.orders(2)
    async with shop.open() as scheduler:
        await shop.clock.sleep(400)
        await scheduler.schedule_pickup(orders[0])
        await shop.storage.put(  # by another program on the same store, seen through watch()
            shop.gateway.account, PICKUP, [Change(orders[1], '{"pickup_date":"2021-11-20"}')], keep_first=True
        )
        asked = shop.seconds()
        await shop.clock.sleep(5)
    assert shop.submitted() == [400.0, asked]


async def test_pickups_of_two_schedulers_share_one_feed() -> None:
    """Two pack stations on one store: what waits together leaves together, and each hears of its own."""
    shop = Shop()
    orders = shop.orders(6)
    shop.fake.refuse(orders[5], "8541", "no such slot")
    async with shop.open() as here, shop.scheduler() as there:
        shop.fake.spend("SubmitFeed", 15)  # nothing leaves for two minutes, so everybody waits
        tasks = [
            asyncio.ensure_future((here if number % 2 else there).schedule_pickup(order_id))
            for number, order_id in enumerate(orders)
        ]
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [getattr(result, "order_id", None) for result in results] == orders
    assert [isinstance(result, PickupRejected) for result in results] == [False] * 5 + [True]
    assert isinstance(results[5], PickupRejected)
    assert results[5].code == "8541"
    assert len(shop.fake.feeds) == 1
    assert list(shop.fake.pickups) == orders[:5]


async def test_the_same_order_twice_is_sent_once() -> None:
    """Idempotent by order id, at the same time and long after."""
    shop = Shop()
    (order_id,) = shop.orders(1)
    async with shop.open() as scheduler:
        first, second = await asyncio.gather(*(scheduler.schedule_pickup(order_id) for _ in range(2)))
        await shop.clock.sleep(7200)
        third = await scheduler.schedule_pickup(order_id, pickup_date=date(2021, 12, 24))
    assert first == second == third
    assert third.pickup_date == date(2021, 11, 19)  # the first request stands
    (joined,) = shop.said(events.PickupJoined)
    assert (joined.pickup_date, joined.asked_date) == (third.pickup_date, date(2021, 12, 24))
    assert shop.fake.pickups_sent == {order_id: 1}


async def test_a_repeat_after_any_outcome_is_answered_as_the_outcome_asks() -> None:
    """Whichever process it comes from: accepted, unknown and refused ones stand; ``again`` sends once."""
    shop = Shop()
    accepted, refused, unknown = shop.orders(3)
    shop.fake.refuse(refused, "8541", "no such slot")
    async with shop.open() as here, shop.scheduler() as there:
        await here.schedule_pickup(accepted)
        with pytest.raises(PickupRejected):
            await here.schedule_pickup(refused)
        shop.fake.end_feeds("_IN_SAFETY_NET_")
        asked = asyncio.ensure_future(here.schedule_pickup(unknown))
        await shop.clock.sleep(200)
        assert await here.abandon(shop.fake.feeds[-1].feed_id)
        with pytest.raises(PickupUnknown):
            await asked
        shop.fake.release(shop.fake.feeds[-1].feed_id)
        feeds = len(shop.fake.feeds)
        assert (await there.schedule_pickup(accepted)).state is ItemState.ACCEPTED
        with pytest.raises(PickupUnknown):
            await there.schedule_pickup(unknown)
        assert len(shop.fake.feeds) == feeds
        with pytest.raises(PickupRejected):
            await there.schedule_pickup(refused)
        assert len(shop.fake.feeds) == feeds  # nothing has changed: the refusal is handed back
        again = [asyncio.ensure_future(process.schedule_pickup(refused, again=True)) for process in (here, there)]
        results = await asyncio.gather(*again, return_exceptions=True)
    assert [type(each) for each in results] == [PickupRejected] * 2
    assert len(shop.fake.feeds) == feeds + 1


async def test_a_deadline_leaves_the_pickup_queued() -> None:
    """``QuotaTimeout`` says when it should leave; it leaves all the same, and ``outcome`` tells."""
    shop = Shop()
    (order_id,) = shop.orders(1)
    async with shop.open() as scheduler:
        shop.fake.spend("SubmitFeed", 15)
        with pytest.raises(QuotaTimeout) as caught:
            await scheduler.schedule_pickup(order_id, deadline=timedelta(seconds=30))
        assert shop.seconds() == 30
        assert caught.value.retry_at is not None
        assert (caught.value.retry_at - shop.start).total_seconds() == pytest.approx(120, abs=1)
        waiting = await scheduler.outcome(order_id)
        assert waiting is not None
        assert waiting.state is ItemState.WAITING
        await shop.clock.sleep(300)
        done = await scheduler.outcome(order_id)
    assert done is not None
    assert done.state is ItemState.ACCEPTED


async def test_cancelling_the_waiter_does_not_cancel_the_pickup() -> None:
    """A person walks away from the bench; the parcel is collected."""
    shop = Shop()
    (order_id,) = shop.orders(1)
    async with shop.open() as scheduler:
        task = asyncio.ensure_future(scheduler.schedule_pickup(order_id))
        await shop.clock.sleep(1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await shop.clock.sleep(200)
        outcome = await scheduler.outcome(order_id)
    assert outcome is not None
    assert outcome.state is ItemState.ACCEPTED


async def test_orders_that_cannot_be_collected_cost_no_place() -> None:
    """Cancelled, unknown and scheduled ones are refused by one look-up; the good one leaves alone."""
    shop = Shop()
    good, cancelled, scheduled = shop.orders(3)
    shop.fake.change_order(cancelled, status="Canceled")
    shop.fake.schedule_pickup(scheduled, date(2021, 11, 19))
    asked = [good, cancelled, scheduled, make_order_id(99)]
    async with shop.open() as scheduler:
        results = await asyncio.gather(*map(scheduler.schedule_pickup, asked), return_exceptions=True)
    codes = [getattr(result, "code", None) for result in results]
    assert codes == ["", "OrderCanceled", "AlreadyScheduled", "OrderUnknown"]
    assert shop.fake.pickups_sent == {good: 1}
    assert shop.fake.count("GetOrder") <= 2
    assert len(shop.said(events.PickupSettled)) == 4


async def test_urgent_stock_leaves_as_a_pickup_would() -> None:
    """A SKU that sold out leaves at once, although a stock feed is being processed and the next is minutes away."""
    shop = Shop()
    async with shop.open():
        await shop.stock("A", 5)
        await shop.clock.sleep(10)
        await shop.stock("B", 6)
        await shop.clock.sleep(10)
        await shop.stock("C", 0, urgent=True)
        await shop.clock.sleep(5)
        assert shop.submitted() == [0.0, 20.0]
        assert shop.fake.stock["A"] == 0  # not processed yet: both feeds are still at Amazon


async def test_an_older_value_never_lands_after_a_newer_one() -> None:
    """A value put while its SKU is in flight waits for that flight, urgent or not."""
    shop = Shop(processing_seconds=lambda feed: 300.0 if len(seen) == 0 else 1.0)
    seen: list[float] = []
    async with shop.open():
        await shop.stock("A", 5)
        await shop.clock.sleep(1)
        seen.append(1.0)
        await shop.stock("A", 0, urgent=True)
        await shop.clock.sleep(30)
        assert len(shop.submitted()) == 1
        await shop.clock.sleep(900)
    assert shop.fake.stock["A"] == 0
    assert len(shop.submitted()) == 2


async def test_forecast_and_stats_reveal_a_scheduler_that_nobody_runs() -> None:
    """Neither ``async with`` nor ``run_once``: the pickup is stored, and nothing will happen."""
    shop = Shop()
    (order_id,) = shop.orders(1)
    scheduler = shop.scheduler()
    with pytest.raises(QuotaTimeout, match="has not read its queues yet"):
        await scheduler.schedule_pickup(order_id, deadline=timedelta(minutes=5))
    assert (await scheduler.stats()).passed_at is None
    assert not shop.submitted()
    await scheduler.run_once()
    assert (await scheduler.stats()).passed_at == shop.clock.now()
    assert len(shop.submitted()) == 1
    await scheduler.aclose()
    await shop.http.aclose()


async def test_forecast_and_stats_say_why() -> None:
    """What it waits for, in words, and when it leaves."""
    shop = Shop()
    (order_id,) = shop.orders(1)
    async with shop.open() as scheduler:
        with pytest.raises(ConfigurationError):
            await scheduler.forecast()
        assert (await scheduler.forecast(order_id=order_id)).leaves_at is None
        shop.fake.spend("SubmitFeed", 15)
        asked = asyncio.ensure_future(scheduler.schedule_pickup(order_id))
        await shop.clock.sleep(10)
        forecast = await scheduler.forecast(order_id=order_id)
        assert forecast.why == "a slot in the quota"
        assert forecast.leaves_at is not None
        assert (forecast.leaves_at - shop.start).total_seconds() == pytest.approx(120, abs=1)
        stats = await scheduler.stats()
        assert stats.queues[PICKUP].waiting == 1
        assert list(stats.quota_free.values()) == [0]
        await asked
        assert "accepted" in (await scheduler.forecast(order_id=order_id)).why


async def test_status_polls_are_batched_and_within_their_quota() -> None:
    """A busy hour: GetFeedSubmissionList at most 80 times, and nothing throttled."""
    shop = Shop(processing_seconds=600.0)
    orders = shop.orders(40)
    async with shop.open() as scheduler:
        tasks = []
        for order_id in orders:
            tasks.append(asyncio.ensure_future(scheduler.schedule_pickup(order_id)))
            await shop.clock.sleep(90)
        await asyncio.gather(*tasks)
    assert shop.fake.count("GetFeedSubmissionList") <= 80 * shop.seconds() / 3600
    assert not [seen for seen in shop.fake.requests if seen.status != 200]
    assert {event.outcome for event in shop.said(events.PickupSettled)} == {Outcome.ACCEPTED}


async def test_processes_that_race_share_a_feed_instead_of_sending_two() -> None:
    """The spacing is asked for again under the ledger's lock: the slower of two finds that a feed has just left."""
    shop = Shop()
    first, second = shop.orders(2)

    class Slow:
        async def waiting(self, *args: Any, **options: Any) -> Any:
            await shop.clock.sleep(2)
            return await shop.storage.waiting(*args, **options)

        def __getattr__(self, name: str) -> Any:
            return getattr(shop.storage, name)

    scarce = FeedPolicy(quiet_share=0.0, busy_share=0.001, prompt_spacing=2.0, queue_exponent=0.0)
    slow = FeedScheduler(Slow(), shop.gateway, clock=shop.clock, policy=scarce)
    async with slow, shop.open(policy=scarce) as quick:
        asked = [asyncio.ensure_future(slow.schedule_pickup(first))]  # both see it; the quick one takes it
        await shop.clock.sleep(1)
        asked.append(asyncio.ensure_future(quick.schedule_pickup(second)))
        await asyncio.gather(*asked)
    assert shop.submitted()[0] == 0
    assert shop.submitted()[1] == pytest.approx(240, abs=5)
    assert len(shop.submitted()) == 2
