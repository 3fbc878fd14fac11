"""What Amazon, the network and bad values do to feeds: each outcome is found, and a place costs what it must."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import Any

import pytest
from shop_support import INVENTORY, PICKUP, Shop

from amazon_ae._exceptions import ConfigurationError, OutcomeUnknown, PickupRejected, PickupUnknown
from amazon_ae._models import events
from amazon_ae._models.feeds import FeedBatch, FeedItem, Outcome, PickupRequest
from amazon_ae._models.stored import Change, ItemState
from amazon_ae._mws.gateway import MwsGateway
from amazon_ae._scheduling import FeedScheduler
from amazon_ae.testing._builders import make_order, make_order_id
from amazon_ae.testing._mws import MwsFault


class Lossy:
    """The first submit is never answered, whether it ``arrives`` or not."""

    def __init__(self, inner: Any, *, arrives: bool) -> None:
        self.lost = False
        self._inner, self._arrives = inner, arrives

    async def submit(self, batch: Any, **options: Any) -> Any:
        if self.lost:
            return await self._inner.submit(batch, **options)
        self.lost = True
        if self._arrives:
            await self._inner.submit(batch, **options)
        raise OutcomeUnknown("no answer")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


async def submits(shop: Shop, order_id: str) -> None:
    """Another program schedules a pickup by a feed of its own."""
    request = PickupRequest(order_id=order_id, pickup_date=date(2021, 11, 19))
    await shop.gateway.submit(FeedBatch(batch_id="theirs", kind=PICKUP, items=(FeedItem(1, order_id, request),)))


async def test_a_lost_answer_is_settled_by_looking() -> None:
    """Amazon had the feed: it is found by type, time and count, its outcome comes, and no second one leaves."""
    shop = Shop()
    (order_id,) = shop.orders(1)
    shop.fake.fail("SubmitFeed", MwsFault.ANSWER_LOST)
    async with shop.open() as scheduler:
        outcome = await scheduler.schedule_pickup(order_id)
    assert outcome.state is ItemState.ACCEPTED
    assert shop.fake.pickups_sent == {order_id: 1}
    assert [event.verdict for event in shop.said(events.FeedReconciled)] == ["found"]


async def test_a_request_that_never_arrived_is_sent_again() -> None:
    """Nothing listed once everything must be: the pickup leaves a second time, and Amazon gets it once."""
    shop = Shop()
    (order_id,) = shop.orders(1)

    original = shop.gateway.submit
    sent = 0

    async def swallowed(batch: Any, **options: Any) -> Any:
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
    assert [event.verdict for event in shop.said(events.FeedReconciled)] == ["absent"]
    assert shop.fake.pickups_sent == {order_id: 1}


async def test_an_unanswered_request_keeps_its_slot() -> None:
    """Amazon counts it, so the ledger does: an hour of lost answers brings no throttle."""
    shop = Shop()
    shop.fake.fail("SubmitFeed", MwsFault.ANSWER_LOST, None)
    async with shop.open():
        for number in range(60):
            await shop.stock(f"SKU-{number}", 0, urgent=True)
            await shop.clock.sleep(60)
    assert len(shop.submitted()) > 15
    assert not [seen for seen in shop.fake.requests if seen.status == 503]


async def test_another_programs_feed_of_equal_size_is_not_taken_for_ours() -> None:
    """Same type, same size, same minute: the order tells which of them is ours."""
    shop = Shop()
    ours, theirs = shop.orders(2)
    async with shop.open() as scheduler:
        shop.fake.fail("SubmitFeed", MwsFault.ANSWER_LOST)
        asked = asyncio.ensure_future(scheduler.schedule_pickup(ours))
        await shop.clock.sleep(1)
        await submits(shop, theirs)
        assert (await asked).state is ItemState.ACCEPTED
        await shop.clock.sleep(60)
    assert shop.fake.pickups_sent == {ours: 1, theirs: 1}


async def test_another_programs_feed_never_makes_ours_accepted() -> None:
    """Ours never arrived, theirs of equal size did: a person looks, and says what Seller Central shows."""
    shop = Shop()
    ours, theirs = shop.orders(2)
    async with shop.open(gateway=Lossy(shop.gateway, arrives=False)) as scheduler:
        asked = asyncio.ensure_future(scheduler.schedule_pickup(ours))
        await shop.clock.sleep(1)
        await submits(shop, theirs)
        with pytest.raises(PickupUnknown):
            await asked
        assert shop.fake.pickups_sent == {theirs: 1}
        assert await scheduler.resolve(ours, scheduled=False)
        await shop.clock.sleep(200)
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
async def test_a_feed_that_does_not_end_is_reported_and_holds_back_ordinary_stock_only(status: str) -> None:
    """Parcels and urgent stock pass it; the host can end the wait, and the newest stock is sent again."""
    shop = Shop()
    (order_id,) = shop.orders(1)
    shop.fake.end_feeds(status, feed_type="_POST_INVENTORY_AVAILABILITY_DATA_")
    async with shop.open() as scheduler:
        await shop.stock("A", 3)
        await shop.clock.sleep(4500)
        (delayed,) = shop.said(events.FeedDelayed)
        assert delayed.status == status
        await shop.stock("B", 1)
        await scheduler.schedule_pickup(order_id)
        forecast = await scheduler.forecast(kind=INVENTORY)
        assert forecast.leaves_at is None
        assert "still being processed" in forecast.why
        assert len(shop.submitted()) == 2
        assert await scheduler.abandon(delayed.feed_id)
        assert not await scheduler.abandon("no such feed")
        await shop.clock.sleep(60)
        assert len(shop.submitted()) == 3
        await shop.stock("C", 0, urgent=True)
        await shop.clock.sleep(5)
        assert len(shop.submitted()) == 4


async def test_stock_passes_a_feed_that_amazon_does_not_end() -> None:
    """After the bound, told by an event; should it end after all, the newest values are sent once more."""
    shop = Shop()
    shop.fake.end_feeds("_IN_PROGRESS_", feed_type="_POST_INVENTORY_AVAILABILITY_DATA_")
    async with shop.open():
        await shop.stock("A", 3)
        await shop.clock.sleep(60)
        await shop.stock("A", 4)
        await shop.stock("B", 1)
        await shop.clock.sleep(7100)
        assert len(shop.submitted()) == 1
        await shop.clock.sleep(1000)
        (passed,) = shop.said(events.FeedPassed)
        assert passed.seconds == pytest.approx(7200, abs=900)
        assert len(shop.submitted()) == 2
        shop.fake.release(passed.feed_id)  # Amazon's old value lands, then the new one
        await shop.clock.sleep(3600)
        (ended,) = shop.said(events.LateFeedEnded)
        assert (ended.feed_id, ended.requeued) == (passed.feed_id, 1)
        assert len(shop.submitted()) == 3
        assert (shop.fake.stock["A"], shop.fake.stock["B"]) == (4, 1)


async def test_two_feeds_in_a_row_that_amazon_does_not_end_leave_the_newest_stock() -> None:
    """Each is passed after the bound; whenever they end, in order, the newest value is the last to land."""
    shop = Shop()
    shop.fake.end_feeds("_IN_PROGRESS_", feed_type="_POST_INVENTORY_AVAILABILITY_DATA_", times=2)
    async with shop.open():
        await shop.stock("A", 1)
        await shop.clock.sleep(60)
        await shop.stock("A", 2)
        await shop.clock.sleep(9000)
        await shop.stock("A", 3)
        await shop.clock.sleep(9000)
        first, second = shop.said(events.FeedPassed)
        for passed in (first, second):
            shop.fake.release(passed.feed_id)
            await shop.clock.sleep(5400)
        assert shop.fake.stock["A"] == 3
        stats = await shop.storage.stats(shop.gateway.account, INVENTORY)
        assert (stats.waiting, stats.in_flight) == (0, 0)


async def test_pickups_behind_a_feed_that_takes_hours_travel_together() -> None:
    """Every twenty minutes one feed leaves behind it, and not one for each parcel, which would be processed in turn."""
    seconds = iter([60.0, 60.0, 60.0, 3 * 3600.0])
    shop = Shop(processing_seconds=lambda feed: next(seconds, 60.0) if "PICKUP" in feed.feed_type else 60.0)
    orders = shop.orders(63)
    async with shop.open() as scheduler:
        for order_id in orders[:3]:
            await scheduler.schedule_pickup(order_id)
        asked = []
        for order_id in orders[3:]:
            asked.append(asyncio.ensure_future(scheduler.schedule_pickup(order_id, deadline=timedelta(hours=6))))
            await shop.clock.sleep(120)
        assert len(shop.submitted()) <= 3 + 1 + 2 * 3
        outcomes = await asyncio.gather(*asked)
        assert {outcome.state for outcome in outcomes} == {ItemState.ACCEPTED}
    assert shop.fake.pickups_sent == dict.fromkeys(orders, 1)


async def test_stock_is_asked_about_together_with_pickups() -> None:
    """A poll that is made for a pickup tells of stock, too: stock waits a minute for it, and spends none of its own."""
    shop = Shop(processing_seconds=120.0)
    (order_id,) = shop.orders(1)
    async with shop.open() as scheduler:
        await shop.stock("A", 1)
        await shop.clock.sleep(20)
        await scheduler.schedule_pickup(order_id)
        _, pickup = shop.submitted()
    first = next(seen.at for seen in shop.fake.requests if seen.action == "GetFeedSubmissionList")
    polled = (first - shop.start).total_seconds()
    assert polled - pickup >= 60.0


async def test_an_item_that_breaks_a_rule_is_singled_out() -> None:
    """The gateway refuses the whole batch for one item: halving finds it, and its neighbours leave."""
    shop = Shop()
    orders = shop.orders(5)
    submit = shop.gateway.submit

    class Picky:
        async def submit(self, batch: Any, **options: Any) -> Any:
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


@pytest.mark.parametrize("looks", [True, False], ids=["with orders", "without"])
@pytest.mark.parametrize("arrives", ["first", "second", "both", "neither"])
async def test_two_unanswered_feeds_of_one_size_are_never_taken_for_each_other(arrives: str, looks: bool) -> None:
    """Two processes, one parcel each, no answer to either: the orders tell; without a look-up, a person does."""
    shop = Shop()
    orders = shop.orders(2)
    first = Lossy(shop.gateway, arrives=arrives in ("first", "both"))
    second = Lossy(shop.gateway, arrives=arrives in ("second", "both"))
    gateway = shop.gateway if looks else None
    here = FeedScheduler(shop.storage, first, orders=gateway, clock=shop.clock)
    there = FeedScheduler(shop.storage, second, orders=gateway, clock=shop.clock)
    async with here:
        asked = [asyncio.ensure_future(here.schedule_pickup(orders[0]))]
        await shop.clock.sleep(5)
        async with there:
            asked.append(asyncio.ensure_future(there.schedule_pickup(orders[1])))
            results = await asyncio.gather(*asked, return_exceptions=True)
    await shop.http.aclose()
    if looks:
        assert shop.fake.pickups_sent == dict.fromkeys(orders, 1)
        assert [getattr(each, "state", each) for each in results] == [ItemState.ACCEPTED] * 2
    else:
        assert PickupUnknown in [type(each) for each in results]
        assert max(shop.fake.pickups_sent.values(), default=1) == 1


async def test_a_feed_is_abandoned_from_any_process() -> None:
    """The one that carries it hears of it at its next poll, within a quarter of an hour."""
    shop = Shop()
    shop.fake.end_feeds("_IN_SAFETY_NET_", feed_type="_POST_INVENTORY_AVAILABILITY_DATA_")
    async with shop.open():
        await shop.stock("A", 3)
        await shop.clock.sleep(4500)
        (delayed,) = shop.said(events.FeedDelayed)
        other = FeedScheduler(shop.storage, shop.gateway, clock=shop.clock)  # a tool of the operator's
        assert not await other.abandon("no such feed")
        assert await other.abandon(delayed.feed_id)
        await shop.clock.sleep(900 + 60)
        assert len(shop.submitted()) == 2
        assert not await other.abandon(delayed.feed_id)
    (settled,) = shop.said(events.FeedSettled)
    assert (settled.feed_id, settled.retried) == (delayed.feed_id, 1)


async def test_a_feed_that_is_looked_for_is_abandoned_from_any_process() -> None:
    """By its batch's id: it has no other. Amazon's list cannot be read, so nothing else would end it."""
    shop = Shop()
    (order_id,) = shop.orders(1)
    shop.fake.fail("SubmitFeed", MwsFault.ANSWER_LOST)
    shop.fake.fail("GetFeedSubmissionList", MwsFault.INTERNAL_ERROR, times=10_000)
    async with shop.open() as scheduler:
        asked = asyncio.ensure_future(scheduler.schedule_pickup(order_id))
        await shop.clock.sleep(600)
        (doubt,) = shop.said(events.FeedUnanswered)
        assert await FeedScheduler(shop.storage, shop.gateway, clock=shop.clock).abandon(doubt.batch_id)
        with pytest.raises(PickupUnknown):
            await asked
    assert shop.seconds() < 1800


@pytest.mark.parametrize("listed_after", [200.0, 400.0, 880.0, 1e9])
async def test_a_pickup_that_amazon_lists_late_is_not_sent_twice(listed_after: float) -> None:
    """However late, the order shows the pickup: it is ours, and it is accepted."""
    shop = Shop()
    (order_id,) = shop.orders(1)

    class Lagging:
        async def recent(self, kind: Any, since: Any) -> Any:
            listed = await shop.gateway.recent(kind, since)
            shown_until = shop.clock.now() - timedelta(seconds=listed_after)
            return [each for each in listed if each.submitted_at and each.submitted_at <= shown_until]

        def __getattr__(self, name: str) -> Any:
            return getattr(shop.gateway, name)

    shop.fake.fail("SubmitFeed", MwsFault.ANSWER_LOST)
    async with shop.open(gateway=Lagging()) as scheduler:
        assert (await scheduler.schedule_pickup(order_id)).state is ItemState.ACCEPTED
    assert shop.fake.pickups_sent == {order_id: 1}


async def test_a_copy_that_turns_up_late_counts_and_is_told() -> None:
    """Neither listed nor processed for longer than the patience: it is sent again, and one pickup is made of both."""
    shop = Shop(processing_seconds=lambda feed: 2400.0)
    (order_id,) = shop.orders(1)

    class Lagging:
        async def recent(self, kind: Any, since: Any) -> Any:
            return await shop.gateway.recent(kind, since) if shop.seconds() > 1200 else []

        def __getattr__(self, name: str) -> Any:
            return getattr(shop.gateway, name)

    shop.fake.fail("SubmitFeed", MwsFault.ANSWER_LOST)
    async with shop.open(gateway=Lagging()) as scheduler:
        assert (await scheduler.schedule_pickup(order_id)).state is ItemState.ACCEPTED
        await shop.clock.sleep(3600)
    (late,) = shop.said(events.LateFeedFound)
    assert late.feed_id == shop.fake.feeds[0].feed_id
    assert set(shop.fake.pickups) == {order_id}
    assert [event.outcome for event in shop.said(events.PickupSettled)] == [Outcome.ACCEPTED]


async def test_a_list_that_cannot_be_read_is_told() -> None:
    """An unanswered feed cannot be looked for: after an hour a person hears of it, once."""
    shop = Shop()
    (order_id,) = shop.orders(1)
    shop.fake.fail("SubmitFeed", MwsFault.ANSWER_LOST)
    shop.fake.fail("GetFeedSubmissionList", MwsFault.UNAVAILABLE, times=10_000)
    async with shop.open() as scheduler:
        asked = asyncio.ensure_future(scheduler.schedule_pickup(order_id))
        await shop.clock.sleep(4 * 3600)
        (delayed,) = shop.said(events.FeedDelayed)
        assert await scheduler.abandon(delayed.batch_id)
        with pytest.raises(PickupUnknown):
            await asked


async def test_a_report_that_never_comes_is_told_and_can_be_abandoned_from_any_process() -> None:
    """The feed is done, and Amazon says for hours that its report is not ready: a person decides."""
    shop = Shop()
    (order_id,) = shop.orders(1)
    shop.fake.fail("GetFeedSubmissionResult", MwsFault.UNAVAILABLE, times=10_000)
    async with shop.open() as scheduler:
        asked = asyncio.ensure_future(scheduler.schedule_pickup(order_id))
        await shop.clock.sleep(4500)
        (delayed,) = shop.said(events.FeedDelayed)
        assert delayed.status == "_DONE_"
        assert delayed.seconds >= 3600
        assert await FeedScheduler(shop.storage, shop.gateway, clock=shop.clock).abandon(delayed.feed_id)
        with pytest.raises(PickupUnknown):
            await asked
    assert shop.seconds() < 4500 + 900
