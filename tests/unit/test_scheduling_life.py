"""``FeedScheduler`` as a neighbour in a service: quiet when idle, bounded at closing, unmoved by sinks and clocks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from shop_support import Shop

from amazon_ae._exceptions import QuotaTimeout
from amazon_ae._models import events
from amazon_ae._models.stored import ItemState
from amazon_ae._scheduling import FeedScheduler, SchedulerTiming
from amazon_ae.testing._mws import MwsFault


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


async def test_a_clock_that_is_set_back_does_not_stop_the_scheduler() -> None:
    """The machine's clock loses a day while a feed is at Amazon."""
    shop = Shop()
    (first, second) = shop.orders(2)
    async with shop.open(timing=SchedulerTiming(idle_seconds=300.0)) as scheduler:
        asked = asyncio.ensure_future(scheduler.schedule_pickup(first))
        await shop.clock.sleep(30)
        shop.clock.jump(-1200)
        waited = asyncio.ensure_future(scheduler.schedule_pickup(second))
        await asyncio.gather(asked, waited)
    assert shop.fake.pickups_sent == {first: 1, second: 1}


class Hanging:
    """Never answers the first call of one verb, and is well from then on."""

    def __init__(self, inner: Any, verb: str) -> None:
        self.hung = False
        self._inner, self._verb = inner, verb

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._inner, name)
        if name != self._verb or self.hung:
            return verb

        async def hang(*args: Any, **options: Any) -> Any:
            self.hung = True
            await asyncio.get_running_loop().create_future()

        return hang


@pytest.mark.parametrize("verb", ["get", "submit", "status", "report", "recent"])
async def test_a_gateway_that_never_answers_does_not_stop_the_scheduler(verb: str) -> None:
    """A host's HTTP client may have no timeout: the scheduler has its own."""
    shop = Shop()
    (order_id,) = shop.orders(1)
    if verb == "recent":
        shop.fake.fail("SubmitFeed", MwsFault.ANSWER_LOST)
    gateway = Hanging(shop.gateway, verb)
    async with FeedScheduler(shop.storage, gateway, orders=gateway, clock=shop.clock) as scheduler:
        assert (await scheduler.schedule_pickup(order_id)).state is ItemState.ACCEPTED
    await shop.http.aclose()
    assert gateway.hung
    assert shop.seconds() < 1200
    assert shop.fake.pickups_sent == {order_id: 1}


async def test_closing_is_bounded_although_the_store_hangs() -> None:
    """What the loop was doing there is given up on, as a request to Amazon is."""
    shop = Shop()
    storage = Hanging(shop.storage, "unfinished")
    async with FeedScheduler(storage, shop.gateway, clock=shop.clock, timing=SchedulerTiming(drain_seconds=20.0)):
        await shop.clock.sleep(1)
    await shop.http.aclose()
    assert storage.hung
    assert shop.seconds() == 21
    assert asyncio.all_tasks() == {asyncio.current_task()}
