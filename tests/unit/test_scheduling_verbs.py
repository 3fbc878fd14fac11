"""The verbs of a warehouse: withdraw, reschedule, drop, ask again."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import pytest
from shop_support import PICKUP, Shop

from amazon_ae._exceptions import (
    ConfigurationError,
    NotSupported,
    OutcomeUnknown,
    PickupRejected,
    PickupUnknown,
    QuotaTimeout,
)
from amazon_ae._models.stored import ItemState


class Around:
    """The shop's gateway or store, with some verbs replaced."""

    def __init__(self, inner: Any, **verbs: Any) -> None:
        self._inner = inner
        self.__dict__.update(verbs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


async def test_a_pickup_that_waits_can_be_withdrawn() -> None:
    """Its waiters are told, here and in another process; asked for again, it is new."""
    shop = Shop()
    (order_id,) = shop.orders(1)
    async with shop.open() as here, shop.scheduler() as there:
        shop.fake.spend("SubmitFeed", 15)
        asked = [asyncio.ensure_future(each.schedule_pickup(order_id)) for each in (here, there)]
        await shop.clock.sleep(20)
        assert await here.withdraw_pickup(order_id)
        assert not await here.withdraw_pickup(order_id)
        for error in await asyncio.gather(*asked, return_exceptions=True):
            assert isinstance(error, PickupRejected)
            assert error.code == "Withdrawn"
        assert await there.outcome(order_id) is None
        assert (await there.schedule_pickup(order_id)).state is ItemState.ACCEPTED
        assert not await here.withdraw_pickup(order_id)
    assert shop.fake.pickups_sent == {order_id: 1}


async def test_a_pickup_that_waits_can_be_rescheduled() -> None:
    """The new day leaves; one at Amazon is for a backend that can change it."""
    shop = Shop()
    order_id, other = shop.orders(2)
    async with shop.open() as scheduler:
        shop.fake.spend("SubmitFeed", 15)
        asked = asyncio.ensure_future(scheduler.schedule_pickup(order_id, reference="bench 3"))
        await shop.clock.sleep(20)
        moved = await scheduler.reschedule_pickup(order_id, pickup_date=date(2021, 11, 22))
        assert (moved.state, moved.pickup_date) == (ItemState.WAITING, date(2021, 11, 22))
        outcome = await asked
        assert (outcome.pickup_date, outcome.reference) == (date(2021, 11, 22), "bench 3")
        assert shop.fake.pickups[order_id].date == "2021-11-22"
        with pytest.raises(NotSupported, match="Seller Central"):
            await scheduler.reschedule_pickup(order_id, pickup_date=date(2021, 11, 23))
        with pytest.raises(ConfigurationError, match="schedule_pickup"):
            await scheduler.reschedule_pickup(other, pickup_date=date(2021, 11, 23))


async def test_dead_letters_of_pickups_can_be_dropped() -> None:
    """A refused one is forgotten; nothing else is."""
    shop = Shop()
    refused, good = shop.orders(2)
    shop.fake.refuse(refused, "8541", "no such slot")
    async with shop.open() as scheduler:
        await asyncio.gather(*map(scheduler.schedule_pickup, (refused, good)), return_exceptions=True)
        assert await scheduler.drop_pickup(refused)
        assert not await scheduler.drop_pickup(refused)
        assert not await scheduler.drop_pickup(good)
        assert await scheduler.outcome(refused) is None


async def test_a_refused_pickup_is_sent_again_when_its_request_changes() -> None:
    """The same request is refused at once, by a refusal of the look-up after one more look-up."""
    shop = Shop()
    refused, cancelled = shop.orders(2)
    shop.fake.refuse(refused, "8541", "no such slot")
    shop.fake.change_order(cancelled, status="Canceled")
    async with shop.open() as scheduler:
        for _ in range(3):
            for order_id in (refused, cancelled):
                with pytest.raises(PickupRejected):
                    await scheduler.schedule_pickup(order_id)
        assert len(shop.submitted()) == 1
        with pytest.raises(PickupRejected):
            await scheduler.schedule_pickup(refused, pickup_date=date(2021, 11, 22))
        assert len(shop.submitted()) == 2


async def test_the_host_may_refuse_to_send_an_unanswered_pickup_again() -> None:
    """``resend_pickups=False``: a person looks first."""
    shop = Shop()
    (order_id,) = shop.orders(1)

    async def submit(batch: Any, **options: Any) -> Any:
        raise OutcomeUnknown("no answer")

    async with shop.open(gateway=Around(shop.gateway, submit=submit), resend_pickups=False) as scheduler:
        with pytest.raises(PickupUnknown):
            await scheduler.schedule_pickup(order_id)
    assert shop.seconds() == pytest.approx(900, abs=5)
    assert not shop.submitted()


async def test_a_closed_scheduler_says_so() -> None:
    """Not at the deadline: at once."""
    shop = Shop()
    (order_id,) = shop.orders(1)
    async with shop.open() as scheduler:
        pass
    with pytest.raises(QuotaTimeout, match="closed"):
        await scheduler.schedule_pickup(order_id)
    assert (await shop.storage.stats(shop.gateway.account, PICKUP)).waiting == 1
