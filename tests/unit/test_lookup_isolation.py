"""One order about which Amazon's answer fails: its pickup waits, the others leave. An outage sets nobody aside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st
from shop_support import Shop
from spapi_gateway_support import open_shop, stock_batch

from amazon_ae._exceptions import AmazonAeError, InvalidRequest, QuotaTimeout, ServiceUnavailable, UnreadableResponse
from amazon_ae._models.events import FeedReconciled, LookupFailed
from amazon_ae._models.orders import Order
from amazon_ae._models.stored import ItemState
from amazon_ae._scheduling.lookup_isolation import LookupIsolation
from amazon_ae.testing import SpApiFault
from amazon_ae.testing._mws import MwsFault

ERRORS: list[Callable[[], AmazonAeError]] = [
    lambda: UnreadableResponse("GetOrder: it is not XML", request_id="r"),
    lambda: ServiceUnavailable("no", status=500, code="InternalError"),
    lambda: InvalidRequest("no", status=400, code="InvalidParameterValue"),
]


class PoisonedOrders:
    """Orders of a shop, some of which make the whole answer fail, or which fail until an instant."""

    def __init__(self, shop: Shop, poison: Collection[str], error: Callable[[], AmazonAeError] = ERRORS[0]) -> None:
        self._shop, self.poison, self._error = shop, set(poison), error
        self.asked: list[list[str]] = []

    async def get(self, order_ids: Sequence[str]) -> Sequence[Order]:
        self.asked.append(list(order_ids))
        if self.poison & set(order_ids):
            raise self._error()
        return await self._shop.gateway.get(order_ids)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("place", [0, 3, 7])
async def test_one_order_that_cannot_be_looked_up_holds_up_no_other(
    place: int, error: Callable[[], AmazonAeError]
) -> None:
    """The others leave within minutes, later ones at once; it is named, asked about ever more rarely, and waits."""
    shop = Shop()
    ids = shop.orders(8)
    bad = ids[place]
    orders = PoisonedOrders(shop, [bad], error)
    async with shop.open(orders=orders) as scheduler:
        lost = asyncio.ensure_future(scheduler.schedule_pickup(bad, deadline=timedelta(hours=3)))
        others = [order_id for order_id in ids if order_id != bad]
        done = await asyncio.gather(*map(scheduler.schedule_pickup, others))
        assert {outcome.state for outcome in done} == {ItemState.ACCEPTED}
        assert shop.seconds() < 600
        assert len(orders.asked) < 20
        for late in shop.orders(5, first=20):
            await shop.clock.sleep(500)
            before = shop.seconds()
            assert (await scheduler.schedule_pickup(late)).state is ItemState.ACCEPTED
            assert shop.seconds() - before < 100  # a minute of it is Amazon's
        with pytest.raises(QuotaTimeout, match="Amazon's answer about this order"):
            await lost
        assert sum(asked == [bad] for asked in orders.asked) < 20
        assert {event.order_id for event in shop.said(LookupFailed)} == {None, bad}
        # It is readable again: it leaves too.
        orders.poison.clear()
        assert (await scheduler.schedule_pickup(bad, deadline=timedelta(minutes=20))).state is ItemState.ACCEPTED


@pytest.mark.parametrize("minutes", [2, 20, 120])
async def test_an_outage_sets_no_order_aside(minutes: int) -> None:
    """All look-ups fail for a while. Then all orders leave within two minutes and a half, Amazon's minute included."""
    shop = Shop()
    ids = shop.orders(9)
    orders = PoisonedOrders(shop, ids)
    async with shop.open(orders=orders) as scheduler:
        asked = [
            asyncio.ensure_future(scheduler.schedule_pickup(order_id, deadline=timedelta(hours=4))) for order_id in ids
        ]
        await shop.clock.sleep(minutes * 60)
        orders.poison.clear()
        before = shop.seconds()
        done = await asyncio.gather(*asked)
        assert {outcome.state for outcome in done} == {ItemState.ACCEPTED}
        assert shop.seconds() - before < 240
        assert {event.order_id for event in shop.said(LookupFailed)} == {None}


async def test_an_unreadable_order_does_not_keep_its_batch_in_doubt() -> None:
    """The answer about a feed was lost. The orders that can be read show their pickups; the other one is unknown."""
    shop = Shop()
    ids = shop.orders(3)
    orders = PoisonedOrders(shop, [])
    async with shop.open(orders=orders) as scheduler:
        shop.fake.fail("SubmitFeed", MwsFault.ANSWER_LOST)
        shop.fake.fail("GetFeedSubmissionList", MwsFault.EMPTY)
        asked = [asyncio.ensure_future(scheduler.schedule_pickup(order_id)) for order_id in ids]
        await shop.clock.sleep(5)
        assert shop.submitted()
        orders.poison.add(ids[1])
        results = await asyncio.gather(*asked, return_exceptions=True)
        states = [getattr(result, "state", None) for result in results]
        assert states[0] is states[2] is ItemState.ACCEPTED
        assert shop.said(FeedReconciled)
    assert shop.fake.pickups_sent == dict.fromkeys(ids, 1)


async def test_the_status_of_one_feed_that_cannot_be_had_holds_up_no_other() -> None:
    """On the Selling Partner API each feed is a request of its own; only if all fail the poll has failed."""
    async with open_shop() as shop:
        gateway = shop.gateway()
        feeds = [
            (await gateway.submit(stock_batch("spapi:feed", *shop.stock(sku)))).feed_id or "" for sku in ("A", "B")
        ]
        shop.fake.fail("getFeed", SpApiFault.INTERNAL_ERROR)
        (found,) = await gateway.status(feeds)
        assert found.feed_id in feeds
        shop.fake.fail("getFeed", SpApiFault.INTERNAL_ERROR, times=2)
        with pytest.raises(ServiceUnavailable):
            await gateway.status(feeds)


@given(count=st.integers(1, 50), data=st.data())
def test_every_innocent_order_is_answered_soon(count: int, data: st.DataObject) -> None:
    """One or two bad orders among fifty: the others are found with few requests, and only bad ones are set aside."""
    keys = [f"order {number}" for number in range(count)]
    bad = set(data.draw(st.lists(st.sampled_from(keys), max_size=2)))
    isolation, now = LookupIsolation(), datetime(2026, 11, 29, tzinfo=UTC)
    left, requests = list(keys), 0
    while set(left) - bad:
        free = [key for key in left if key not in isolation.set_aside(now)]
        asked = isolation.choose(free)
        assert asked
        requests += 1
        if bad & set(asked):
            isolation.failed(asked, now)
        else:
            left = [key for key in left if key not in asked]
            isolation.answered(asked, left)
        now += timedelta(seconds=5)
        assert isolation.set_aside(now) <= bad
    assert requests <= 3 + 14 * len(bad)
