"""Eight processes cost Amazon and their callers what one does: short forms of the benchmarks, in virtual time."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from shop_support import Shop

from amazon_ae._models import events
from amazon_ae._models.feeds import ItemKind, Outcome
from amazon_ae._models.orders import Order
from amazon_ae._models.stored import ItemState
from amazon_ae._mws.client import MwsClient
from amazon_ae._mws.gateway import MwsGateway
from amazon_ae._mws.pickup_routes import SchedulePickupFeed
from amazon_ae._orders.sync import OrderSync, SyncedOrder
from amazon_ae._scheduling import FeedScheduler, SchedulerTiming
from amazon_ae._storage.sqlite.store import SQLiteStorage
from amazon_ae.testing._clocks import VirtualClock
from amazon_ae.testing._simulation import Day, Load, trade_for_days

ORDERS = 60


@attrs.frozen
class Counted:
    """What a trade cost: requests by operation, those that were refused, and each pickup's delay in seconds."""

    lookups: int
    refused: int
    feeds: int
    delays: list[float]
    settled: list[tuple[str, Outcome]]


def gateway_of(shop: Shop) -> MwsGateway:
    """A process's own client, with a pace of its own."""
    client = MwsClient(shop.fake.credentials, shop.fake.marketplace, http=shop.http, clock=shop.clock)
    return MwsGateway(client, pickup_route=SchedulePickupFeed(feed_type=shop.fake.pickup_feed_type))


async def packed(processes: int) -> Counted:
    """Twenty orders an hour arrive, are taken by an intake and packed by whichever process took them."""
    shop = Shop()
    delays: list[float] = []
    packing: list[asyncio.Task[None]] = []

    async def pack(scheduler: FeedScheduler, order: Order) -> None:
        # Whichever process took it and when: all packers start at the same instants.
        assert order.purchase_date is not None
        await shop.clock.sleep(1200 - (shop.clock.now() - order.purchase_date).total_seconds())
        asked = shop.seconds()
        assert (await scheduler.schedule_pickup(order.amazon_order_id)).state is ItemState.ACCEPTED
        delays.append(shop.seconds() - asked)

    async with AsyncExitStack() as stack:
        syncs: list[asyncio.Task[None]] = []
        for _ in range(processes):
            gateway = gateway_of(shop)
            scheduler = shop.scheduler(gateway=gateway, orders=gateway)
            await stack.enter_async_context(scheduler)

            async def take(synced: SyncedOrder, scheduler: FeedScheduler = scheduler) -> None:
                if synced.order.easy_ship_shipment_status is None:  # it comes again with its pickup
                    packing.append(asyncio.ensure_future(pack(scheduler, synced.order)))

            sync = OrderSync(shop.storage, gateway, clock=shop.clock, first_since=shop.start)
            syncs.append(asyncio.ensure_future(sync.run(take)))
            await shop.clock.sleep(7)
        await shop.clock.sleep(60 - 7 * processes)
        for _ in range(ORDERS):
            shop.fake.new_order()
            await shop.clock.sleep(180)
        await shop.clock.sleep(1800)
        await asyncio.gather(*packing)
        for task in syncs:
            task.cancel()
        await asyncio.gather(*syncs, return_exceptions=True)
    await shop.http.aclose()
    said = [(event.order_id, event.outcome) for event in shop.said(events.PickupSettled)]
    requests = shop.fake.requests
    return Counted(
        sum(seen.action == "GetOrder" for seen in requests),
        sum(seen.status == 503 and seen.action in ("GetOrder", "SubmitFeed") for seen in requests),
        sum(seen.action == "SubmitFeed" for seen in requests),
        sorted(delays),
        said,
    )


async def test_calls_and_delays_of_eight_processes_are_those_of_one(caplog: pytest.LogCaptureFixture) -> None:
    """Twenty pickups an hour, intakes included: within 10 %, nothing refused, each outcome said once and true.

    At ``INFO`` the library says next to nothing about work that goes well.
    """
    caplog.set_level("INFO", "amazon_ae")
    one = await packed(1)
    assert sum(record.levelname == "INFO" for record in caplog.records) < ORDERS / 10
    eight = await packed(8)
    assert len(one.delays) == len(eight.delays) == ORDERS
    assert (one.refused, eight.refused) == (0, 0)
    assert one.lookups * 0.9 <= eight.lookups <= one.lookups * 1.1
    assert eight.feeds <= one.feeds * 1.1
    for part in (0.5, 0.99):
        at = int(part * ORDERS)
        assert eight.delays[at] <= one.delays[at] * 1.1
    for counted in (one, eight):
        assert len(counted.settled) == ORDERS
        assert len(set(counted.settled)) == ORDERS
        assert {outcome for _, outcome in counted.settled} == {Outcome.ACCEPTED}


class Bystander:
    """A store through which its process never gets a batch."""

    def __init__(self, inner: SQLiteStorage) -> None:
        self._inner = inner

    async def open(self, *args: Any, **options: Any) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


async def test_an_outcome_reaches_the_callers_of_another_process_on_one_file(tmp_path: Path) -> None:
    """One process asks, another carries: the file's notice ends the wait, no recheck and no deadline does."""
    shop = Shop(clock=VirtualClock(grace_seconds=0.05))  # threads work beside the loop
    (order_id,) = shop.orders(1)
    timing = SchedulerTiming(recheck_seconds=1e6)
    path = tmp_path / "store.db"
    async with (
        SQLiteStorage(path, clock=shop.clock, watch_seconds=0.01) as first,
        SQLiteStorage(path, clock=shop.clock, watch_seconds=0.01) as second,
    ):
        gateway = shop.gateway
        here = FeedScheduler(Bystander(first), gateway, orders=gateway, clock=shop.clock, timing=timing)
        there = FeedScheduler(second, gateway, orders=gateway, clock=shop.clock, timing=timing)
        async with here, there:
            outcome = await here.schedule_pickup(order_id, deadline=timedelta(hours=2))
        assert outcome.state is ItemState.ACCEPTED
        assert shop.clock.now() - shop.start < timedelta(minutes=30)
    await shop.http.aclose()


@pytest.mark.slow
async def test_days_of_trade_leave_a_file_as_large_as_two(tmp_path: Path) -> None:
    """Six days with a retention of one: rows, documents, memory of the intakes and the file stay as they are."""
    load = Load(packs_per_hour=5, changes_per_hour=60, skus=200)
    retention = dict.fromkeys(ItemKind, timedelta(days=1))
    days: list[Day] = await trade_for_days(
        tmp_path / "store.db", load, days=6, retention=retention, poll_seconds=900.0, group_seconds=1800.0
    )
    assert len(days) == 6
    early, late = days[1:3], days[4:]
    # Nearly everything in the store is of the last hours, which differ; a day brings 120 orders in two versions.
    slack = {"file_bytes": 0, "items": 0, "documents": 20, "document_bytes": 4000, "remembered": 40}
    for name, more in slack.items():
        before, after = ([getattr(day, name) for day in some] for some in (early, late))
        assert max(after) <= 1.3 * max(before) + more, (name, [getattr(day, name) for day in days])
    assert min(len(day.outcome_seconds) for day in days) > 50  # and it did trade
    assert late[-1].items < 5 * 24 * 2.5 + 200 * 1.5
