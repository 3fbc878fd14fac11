"""``FeedScheduler`` against ``FakeMws`` on virtual time: packing first and together, and every outcome its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from amazon_ae.core.lanes import FeedPolicy
from amazon_ae.exceptions import ConfigurationError, PickupRejected, PickupUnknown, QuotaTimeout
from amazon_ae.models import events
from amazon_ae.models.feeds import InventoryUpdate, ItemKind, Outcome
from amazon_ae.models.stored import Change, ItemState
from amazon_ae.mws.client import MwsClient
from amazon_ae.mws.gateway import MwsGateway
from amazon_ae.mws.routes import SchedulePickupFeed
from amazon_ae.scheduling import FeedScheduler, SchedulerTiming
from amazon_ae.storage.memory import MemoryStorage
from amazon_ae.testing.builders import make_order, make_order_id
from amazon_ae.testing.clocks import VirtualClock
from amazon_ae.testing.mws import FakeMws, MwsFault

PICKUP, INVENTORY = ItemKind.PICKUP, ItemKind.INVENTORY


class Shop:
    """One seller: Amazon, a store, a clock, and what the scheduler told."""

    def __init__(self, **fake: Any) -> None:
        self.clock = VirtualClock()
        self.start = self.clock.now()
        self.fake = FakeMws(clock=self.clock, **fake)
        self.storage = MemoryStorage(clock=self.clock)
        self.http = httpx.AsyncClient(transport=self.fake)
        self.client = MwsClient(self.fake.credentials, self.fake.marketplace, http=self.http, clock=self.clock)
        self.gateway = MwsGateway(self.client, pickup_route=SchedulePickupFeed(feed_type=self.fake.pickup_feed_type))
        self.events: list[events.Event] = []

    def scheduler(self, **options: Any) -> FeedScheduler:
        return FeedScheduler(
            self.storage, self.gateway, orders=self.gateway, clock=self.clock, on_event=self.events.append, **options
        )

    @asynccontextmanager
    async def open(self, **options: Any) -> AsyncIterator[FeedScheduler]:
        async with self.scheduler(**options) as scheduler:
            yield scheduler
        await self.http.aclose()

    def orders(self, count: int, first: int = 1) -> list[str]:
        ids = [make_order_id(number) for number in range(first, first + count)]
        for order_id in ids:
            self.fake.add_order(make_order(order_id))
        return ids

    async def stock(self, sku: str, quantity: int, *, urgent: bool = False) -> None:
        self.fake._state.stock.setdefault(sku, 0)
        change = Change(sku, InventoryUpdate(sku, quantity).to_text(), urgent=urgent)
        await self.storage.put(self.gateway.account, INVENTORY, [change])

    def seconds(self) -> float:
        return (self.clock.now() - self.start).total_seconds()

    def said(self, kind: type[events.Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def submitted(self) -> list[float]:
        return [(seen.at - self.start).total_seconds() for seen in self.fake.requests if seen.action == "SubmitFeed"]


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
    assert shop.fake.pickups_sent == {order_id: 1}


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


async def test_a_lost_answer_is_settled_by_looking() -> None:
    """Amazon had the feed: it is found by type, time and count, its outcome comes, and no second one leaves."""
    shop = Shop()
    (order_id,) = shop.orders(1)
    shop.fake.fail("SubmitFeed", MwsFault.ANSWER_LOST)
    async with shop.open() as scheduler:
        outcome = await scheduler.schedule_pickup(order_id)
    assert outcome.state is ItemState.ACCEPTED
    assert shop.fake.pickups_sent == {order_id: 1}
    assert [event.verdict for event in shop.said(events.DoubtSettled)] == ["found"]


async def test_a_request_that_never_arrived_is_sent_again() -> None:
    """Nothing listed once everything must be: the pickup leaves a second time, and Amazon gets it once."""
    shop = Shop()
    (order_id,) = shop.orders(1)

    original = shop.gateway.submit
    sent = 0

    async def swallowed(batch: Any) -> Any:
        nonlocal sent
        sent += 1
        if sent == 1:
            raise TimeoutError("somewhere on the way")
        return await original(batch)

    class Lossy:
        submit = staticmethod(swallowed)

        def __getattr__(self, name: str) -> Any:
            return getattr(shop.gateway, name)

    async with FeedScheduler(
        shop.storage, Lossy(), orders=shop.gateway, clock=shop.clock, on_event=shop.events.append
    ) as scheduler:
        outcome = await scheduler.schedule_pickup(order_id)
    await shop.http.aclose()
    assert outcome.state is ItemState.ACCEPTED
    assert [event.verdict for event in shop.said(events.DoubtSettled)] == ["absent"]
    assert shop.fake.pickups_sent == {order_id: 1}


async def test_two_feeds_that_look_alike_are_handed_to_the_host() -> None:
    """Another program's feed of the same type and size in the same minute: nobody can tell, so nobody guesses."""
    shop = Shop()
    ours, theirs = shop.orders(2)
    async with shop.open() as scheduler:
        shop.fake.fail("SubmitFeed", MwsFault.ANSWER_LOST)
        asked = asyncio.ensure_future(scheduler.schedule_pickup(ours))
        await shop.clock.sleep(1)
        other = MwsGateway(shop.client, pickup_route=SchedulePickupFeed(feed_type=shop.fake.pickup_feed_type))
        from amazon_ae.models.feeds import FeedBatch, FeedItem, PickupRequest

        request = PickupRequest(order_id=theirs, pickup_date=date(2021, 11, 19))
        await other.submit(FeedBatch(batch_id="theirs", kind=PICKUP, items=(FeedItem(1, theirs, request),)))
        with pytest.raises(PickupUnknown):
            await asked
        assert await scheduler.resolve(ours, scheduled=True)
        outcome = await scheduler.outcome(ours)
        assert not await scheduler.resolve(ours, scheduled=True)
    assert outcome is not None
    assert outcome.state is ItemState.ACCEPTED
    assert shop.fake.pickups_sent == {ours: 1, theirs: 1}


async def test_a_connection_that_was_never_made_gives_the_place_back() -> None:
    """``NotSent``: fifteen failures cost no place."""
    shop = Shop()
    (order_id,) = shop.orders(1)
    shop.fake.fail("SubmitFeed", MwsFault.NOT_REACHED, times=4)
    async with shop.open() as scheduler:
        await scheduler.schedule_pickup(order_id)
        stats = await scheduler.stats()
    assert list(stats.quota_used.values()) == [1]
    assert len(shop.said(events.FeedRefused)) >= 1
    assert shop.fake.pickups_sent == {order_id: 1}


async def test_another_program_costs_one_refusal_per_burst() -> None:
    """It empties the bucket behind our back: one ``RequestThrottled``, then we wait for Amazon's restore."""
    shop = Shop()
    orders = shop.orders(4)
    async with shop.open() as scheduler:
        shop.fake.spend("SubmitFeed", 15)
        await asyncio.gather(*map(scheduler.schedule_pickup, orders))
    refused = [seen for seen in shop.fake.requests if seen.action == "SubmitFeed" and seen.status == 503]
    assert len(refused) == 1
    assert shop.said(events.QuotaCorrected)[0].reason == "RequestThrottled"
    assert shop.fake.pickups_sent == dict.fromkeys(orders, 1)


async def test_an_exceeded_hour_waits_for_its_reset() -> None:
    """``QuotaExceeded`` costs one refusal, however long the hour still is."""
    shop = Shop()
    (order_id,) = shop.orders(1)
    shop.fake.fail("SubmitFeed", MwsFault.QUOTA_EXCEEDED)
    async with shop.open() as scheduler:
        await scheduler.schedule_pickup(order_id)
    assert [event.code for event in shop.said(events.FeedRefused)] == ["QuotaExceeded"]
    assert len(shop.submitted()) == 2


async def test_a_cancelled_feed_is_sent_again_after_a_pause() -> None:
    """Nothing of it was taken; stock goes on meanwhile."""
    shop = Shop()
    (order_id,) = shop.orders(1)
    shop.fake.end_feeds("_CANCELLED_", feed_type=shop.fake.pickup_feed_type)
    async with shop.open() as scheduler:
        asked = asyncio.ensure_future(scheduler.schedule_pickup(order_id))
        await shop.clock.sleep(120)
        await shop.stock("A", 1)
        await shop.clock.sleep(10)
        assert len(shop.submitted()) == 2
        outcome = await asked
    assert outcome.state is ItemState.ACCEPTED
    assert len(shop.said(events.FeedCancelled)) == 1


@pytest.mark.parametrize("status", ["_IN_SAFETY_NET_", "_IN_PROGRESS_"])
async def test_a_held_feed_is_reported_and_holds_back_only_its_own_kind(status: str) -> None:
    """Stock waits behind it, parcels do not; the host can end the wait, and the newest stock is sent again."""
    shop = Shop()
    (order_id,) = shop.orders(1)
    shop.fake.end_feeds(status, feed_type="_POST_INVENTORY_AVAILABILITY_DATA_")
    async with shop.open() as scheduler:
        await shop.stock("A", 3)
        await shop.clock.sleep(4500)
        (delayed,) = shop.said(events.FeedDelayed)
        assert delayed.status == status
        await shop.stock("B", 1, urgent=True)
        await scheduler.schedule_pickup(order_id)
        forecast = await scheduler.forecast(kind=INVENTORY)
        assert forecast.leaves_at is None
        assert delayed.feed_id in forecast.why
        assert len(shop.submitted()) == 2
        assert await scheduler.abandon(delayed.feed_id)
        assert not await scheduler.abandon("no such feed")
        await shop.clock.sleep(60)
        assert len(shop.submitted()) == 3


async def test_an_item_that_breaks_a_rule_is_singled_out() -> None:
    """The gateway refuses the whole batch for one item: halving finds it, and its neighbours leave."""
    shop = Shop()
    orders = shop.orders(5)
    submit = shop.gateway.submit

    class Picky:
        async def submit(self, batch: Any) -> Any:
            if any(item.key == orders[3] for item in batch.items):
                raise ConfigurationError(f"the weight of {orders[3]} is missing")
            return await submit(batch)

        def __getattr__(self, name: str) -> Any:
            return getattr(shop.gateway, name)

    async with FeedScheduler(shop.storage, Picky(), clock=shop.clock) as scheduler:
        results = await asyncio.gather(*map(scheduler.schedule_pickup, orders), return_exceptions=True)
        stats = await scheduler.stats()
    await shop.http.aclose()
    refused = results.pop(3)
    assert isinstance(refused, PickupRejected)
    assert "weight" in refused.message
    assert {type(result).__name__ for result in results} == {"PickupOutcome"}
    assert orders[3] not in shop.fake.pickups_sent
    assert list(stats.quota_used.values()) == [len(shop.submitted())]  # a batch that was never sent costs no place


async def test_a_value_that_nobody_can_read_does_not_block_the_others() -> None:
    """Another program wrote nonsense into the store: a dead letter, and the rest leaves."""
    shop = Shop()
    (order_id,) = shop.orders(1)
    nonsense = make_order_id(50)
    async with shop.open() as scheduler:
        shop.fake.spend("SubmitFeed", 15)
        shop.fake.add_order(make_order(nonsense))
        await shop.storage.put(shop.gateway.account, PICKUP, [Change(nonsense, '{"pickup_date":"tomorrow"}')])
        assert (await scheduler.schedule_pickup(order_id)).state is ItemState.ACCEPTED
        (dead,) = await shop.storage.dead(shop.gateway.account, PICKUP)
    assert (dead.key, dead.code) == (nonsense, "Unreadable")


async def test_a_gateway_without_a_route_says_so_before_anything_is_stored() -> None:
    """A stock-only host that asks for a pickup gets the reason, not a queue that never moves."""
    shop = Shop()
    gateway = MwsGateway(shop.client)
    async with FeedScheduler(shop.storage, gateway, clock=shop.clock) as scheduler:
        with pytest.raises(ConfigurationError, match="pickup_route"):
            await scheduler.schedule_pickup(make_order_id(1))
        assert await scheduler.outcome(make_order_id(1)) is None
    await shop.http.aclose()


async def test_an_idle_scheduler_wakes_a_few_times_an_hour() -> None:
    """No busy waiting: one sleeper, four looks an hour, no request."""
    shop = Shop()
    loads = 0

    class Counting:
        async def unfinished(self, account: str) -> Any:
            nonlocal loads
            loads += 1
            return await shop.storage.unfinished(account)

        def __getattr__(self, name: str) -> Any:
            return getattr(shop.storage, name)

    async with FeedScheduler(Counting(), shop.gateway, clock=shop.clock):
        await shop.clock.sleep(6 * 3600 + 1)
    await shop.http.aclose()
    assert 20 <= loads <= 30
    assert not shop.fake.requests


async def test_closing_waits_for_a_request_under_way_and_no_longer_than_told() -> None:
    """A slow answer within the bound is kept; the batch of one beyond it is left to the next process."""
    for slow, settled in ((4.0, True), (1000.0, False)):
        shop = Shop()
        (order_id,) = shop.orders(1)
        shop.fake.fail("SubmitFeed", MwsFault.SLOW, seconds=slow)
        scheduler = shop.scheduler(timing=SchedulerTiming(drain_seconds=20.0))
        async with scheduler:
            asked = asyncio.ensure_future(scheduler.schedule_pickup(order_id))
            await shop.clock.sleep(1)
        assert shop.seconds() <= 22
        with pytest.raises(QuotaTimeout):
            await asked
        (batch,) = await shop.storage.unfinished(shop.gateway.account)
        assert (batch.feed_id is not None) is settled
        async with shop.open() as heir:
            assert (await heir.schedule_pickup(order_id)).state is ItemState.ACCEPTED
        assert shop.fake.pickups_sent == {order_id: 1}


async def test_run_once_does_what_the_loop_does() -> None:
    """A host with its own loop calls it when told, and gets the same outcomes."""
    shop = Shop()
    orders = shop.orders(2)
    scheduler = shop.scheduler()
    asked = [asyncio.ensure_future(scheduler.schedule_pickup(order_id)) for order_id in orders]
    await asyncio.sleep(0)
    calls = 0
    while not all(task.done() for task in asked):
        await shop.clock.sleep(await scheduler.run_once())
        calls += 1
        assert calls < 20
    assert {task.result().state for task in asked} == {ItemState.ACCEPTED}
    await scheduler.aclose()
    await scheduler.aclose()
    await shop.http.aclose()


async def test_a_broken_sink_does_not_stop_parcels() -> None:
    """It is logged and forgotten."""
    shop = Shop()
    (order_id,) = shop.orders(1)

    def broken(event: events.Event) -> None:
        raise RuntimeError("the dashboard is down")

    async with FeedScheduler(
        shop.storage, shop.gateway, orders=shop.gateway, clock=shop.clock, on_event=broken
    ) as scheduler:
        assert (await scheduler.schedule_pickup(order_id)).state is ItemState.ACCEPTED
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
        assert forecast.why == "a place in the quota"
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


async def test_a_clock_that_is_set_back_does_not_stop_the_scheduler() -> None:
    """The machine's clock loses a day while a feed is at Amazon."""
    shop = Shop()
    (first, second) = shop.orders(2)
    async with shop.open(timing=SchedulerTiming(idle_seconds=300.0)) as scheduler:
        asked = asyncio.ensure_future(scheduler.schedule_pickup(first))
        await shop.clock.sleep(30)
        shop.clock._now -= timedelta(minutes=20)
        waited = asyncio.ensure_future(scheduler.schedule_pickup(second))
        await asyncio.gather(asked, waited)
    assert shop.fake.pickups_sent == {first: 1, second: 1}


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

    scarce = FeedPolicy(quiet_share=0.0, busy_share=0.001, prompt_spacing=2.0, crowd_exponent=0.0)
    slow = FeedScheduler(Slow(), shop.gateway, clock=shop.clock, policy=scarce)
    async with slow, shop.open(policy=scarce) as quick:
        asked = [asyncio.ensure_future(slow.schedule_pickup(first))]  # both see it; the quick one takes it
        await shop.clock.sleep(1)
        asked.append(asyncio.ensure_future(quick.schedule_pickup(second)))
        await asyncio.gather(*asked)
    assert shop.submitted()[0] == 0
    assert shop.submitted()[1] == pytest.approx(240, abs=5)
    assert len(shop.submitted()) == 2
