"""``FeedScheduler`` over a route that spends no feed: outcomes come at once, and no ledger makes anything wait."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import httpx
import pytest
from shop_support import Shop

from amazon_ae._exceptions import OutcomeUnknown, QuotaTimeout, RequestThrottled
from amazon_ae._models import events
from amazon_ae._models.feeds import FeedBatch, FeedReceipt, ItemOutcome, Outcome
from amazon_ae._models.pickups import PickupOutcome
from amazon_ae._models.stored import ItemState
from amazon_ae._mws.client import MwsClient
from amazon_ae._mws.gateway import MwsGateway
from amazon_ae._mws.pickup_routes import EasyShipPickup
from amazon_ae._scheduling import FeedScheduler
from amazon_ae.testing._mws import MwsFault

PARCEL: dict[str, Any] = {name: Decimal(20) for name in ("weight_grams", "length_cm", "width_cm", "height_cm")}


class EasyShop(Shop):
    """A shop whose pickups go by the Easy Ship operations."""

    def __init__(self) -> None:
        super().__init__(easy_ship_api=True)
        self.http = httpx.AsyncClient(transport=self.fake, timeout=None)  # a host may be as patient as it likes
        self.client = MwsClient(self.fake.credentials, self.fake.marketplace, http=self.http, clock=self.clock)
        self.gateway = MwsGateway(self.client, pickup_route=EasyShipPickup())

    def pack(self, scheduler: FeedScheduler, order_ids: list[str]) -> list[asyncio.Future[PickupOutcome]]:
        return [asyncio.ensure_future(scheduler.schedule_pickup(order_id, **PARCEL)) for order_id in order_ids]

    def booked(self) -> int:
        return self.fake.count("CreateScheduledPackage")


async def test_pickups_go_order_by_order_and_spend_no_feed() -> None:
    """More than one batch; each hears of its own."""
    shop = EasyShop()
    orders = shop.orders(12)
    async with shop.open() as scheduler:
        outcomes = await asyncio.gather(*shop.pack(scheduler, orders))
        stats = await scheduler.stats()
    assert [outcome.state for outcome in outcomes] == [ItemState.ACCEPTED] * 12
    assert set(shop.fake.pickups) == set(orders)
    assert list(stats.quota_used.values()) == [0]


async def test_a_batch_that_takes_too_long_is_settled_by_asking_again() -> None:
    """Amazon is slow with the second of three: what it has is recognised, what it has not is booked, once each."""
    shop = EasyShop()
    orders = shop.orders(3)
    async with shop.open() as scheduler:
        shop.fake.fail("CreateScheduledPackage", MwsFault.SLOW, seconds=0.001)
        shop.fake.fail("CreateScheduledPackage", MwsFault.SLOW, seconds=1000.0)
        outcomes = await asyncio.gather(*shop.pack(scheduler, orders))
    assert [outcome.state for outcome in outcomes] == [ItemState.ACCEPTED] * 3
    assert set(shop.fake.pickups) == set(orders)
    assert [event.verdict for event in shop.said(events.FeedReconciled)] == ["absent"]
    assert shop.seconds() < 600


async def test_a_batch_of_a_dead_process_is_settled_by_the_next() -> None:
    """It died between Amazon's answers; the heir waits for the lease, asks again, and nothing is booked twice."""
    shop = EasyShop()
    orders = shop.orders(3)
    dead = shop.scheduler()
    await dead.__aenter__()
    asked = shop.pack(dead, orders)
    shop.fake.fail("CreateScheduledPackage", MwsFault.SLOW, seconds=30.0)
    shop.fake.fail("CreateScheduledPackage", MwsFault.SLOW, seconds=1000.0)
    await shop.clock.sleep(60)
    its_tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in its_tasks:
        task.cancel()
    await asyncio.gather(*its_tasks, *asked, return_exceptions=True)
    assert shop.booked() == 2
    async with shop.open() as heir:
        outcomes = await asyncio.gather(*shop.pack(heir, orders))
    assert [outcome.state for outcome in outcomes] == [ItemState.ACCEPTED] * 3
    assert set(shop.fake.pickups) == set(orders)


class Scripted:
    """A route that answers as it is told."""

    def __init__(self, shop: Shop, *answers: Outcome | Exception) -> None:
        self.tries: list[float] = []
        self._shop, self._answers = shop, list(answers)

    async def submit(self, batch: FeedBatch, *, settle: object = None) -> FeedReceipt:
        self.tries.append(self._shop.seconds())
        answer = self._answers.pop(0) if self._answers else Outcome.ACCEPTED
        if isinstance(answer, Exception):
            raise answer
        outcomes = tuple(ItemOutcome(item.key, answer) for item in batch.items)
        return FeedReceipt(feed_id=None, submitted_at=self._shop.clock.now(), outcomes=outcomes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._shop.gateway, name)


@pytest.mark.parametrize(
    ("answers", "tries"),
    [
        ([Outcome.RETRY] * 4, [0, 5, 15, 35, 75]),
        ([RequestThrottled("slow down", status=503, code="RequestThrottled")] * 3, [0, 60, 180, 420]),
        ([QuotaTimeout("no place for a minute")], [0, 5]),
        ([OutcomeUnknown("no answer")], [0, 180]),
        ([ValueError("a fault of the route")], [0, 180]),
    ],
    ids=["nothing taken", "refused", "no place", "no answer", "fault"],
)
async def test_what_comes_back_is_tried_again_after_a_pause(
    answers: list[Outcome | Exception], tries: list[float]
) -> None:
    """Never at once: nothing but the pause holds such a route back."""
    shop = EasyShop()
    (order_id,) = shop.orders(1)
    route = Scripted(shop, *answers)
    async with FeedScheduler(shop.storage, route, clock=shop.clock) as scheduler:
        assert (await shop.pack(scheduler, [order_id])[0]).state is ItemState.ACCEPTED
    await shop.http.aclose()
    assert route.tries == pytest.approx(tries, abs=1)
