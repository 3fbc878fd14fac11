"""``OrderSync.run``: for ever, through outages, and whose fault ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from order_sync_support import World, new_world, polled

from amazon_ae._exceptions import (
    AccessDenied,
    AmazonError,
    RequestExpired,
    RequestThrottled,
    ServiceUnavailable,
    SignatureMismatch,
    UnreadableResponse,
)
from amazon_ae._models.events import ClockRefused, Event
from amazon_ae._models.notifications import FeedFinished, OrderChanged
from amazon_ae._models.orders import Order
from amazon_ae._mws.client import MwsClient
from amazon_ae._mws.gateway import MwsGateway
from amazon_ae._orders.sync import OrderSync, SyncedOrder
from amazon_ae._storage.memory import MemoryStorage
from amazon_ae.testing import FakeMws, MwsFault, VirtualClock, make_item, make_order, make_order_id


@pytest.fixture
def world() -> World:
    return new_world()


async def run_for(world: World, sync: OrderSync, seconds: float, handler: Any, **options: Any) -> None:
    """Let ``run`` run for a while on virtual time, then cancel it."""
    task = asyncio.create_task(sync.run(handler, **options))
    await asyncio.sleep(0)
    await world.clock.advance(seconds)
    assert not task.done(), task.exception()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_run_hands_over_for_ever_and_pauses_as_told(world: World) -> None:
    """One ListOrders per pause; cancelling is clean."""
    world.shop.put(1)
    world.later()
    taken: list[str] = []

    async def handler(synced: SyncedOrder) -> None:
        taken.append(synced.order.amazon_order_id)

    sync = world.sync(poll_seconds=120)
    await run_for(world, sync, 1200, handler)
    assert taken == [make_order_id(1)]
    assert 10 <= len(world.shop.windows) <= 11
    world.shop.put(2)
    await run_for(world, sync, 600, handler)
    assert taken == [make_order_id(1), make_order_id(2)]


async def test_run_waits_out_outages_and_throttles_until_they_said(world: World) -> None:
    """What waiting heals does not end it."""
    world.shop.put(1)
    world.later()
    taken: list[str] = []

    async def handler(synced: SyncedOrder) -> None:
        taken.append(synced.order.amazon_order_id)

    world.shop.broken["orders"] = ServiceUnavailable("down", status=503, retryable=True)
    sync = world.sync(poll_seconds=60)
    task = asyncio.create_task(sync.run(handler))
    await world.clock.advance(200)
    # A proxy's page in place of Amazon's answer: the service goes on asking.
    world.shop.broken["orders"] = UnreadableResponse("an HTML page", status=200)
    await world.clock.advance(100)
    assert not task.done()
    world.shop.broken["orders"] = RequestThrottled(
        "slow", status=503, code="RequestThrottled", retryable=True, retry_at=world.clock.now() + timedelta(hours=1)
    )
    await world.clock.advance(100)
    world.shop.broken.clear()
    await world.clock.advance(3000)
    assert taken == []
    await world.clock.advance(700)
    assert taken == [make_order_id(1)]
    task.cancel()


@pytest.mark.parametrize(
    ("error", "skew"),
    [
        (RequestExpired("too old", skew_seconds=-1200.0), -1200.0),
        (SignatureMismatch("no match", status=403, code="SignatureDoesNotMatch"), None),
    ],
)
async def test_run_waits_for_a_clock_that_is_wrong_and_names_it(
    world: World, error: AmazonError, skew: float | None
) -> None:
    """As the scheduler does: somebody sets the clock while the service runs."""
    events: list[Event] = []
    taken: list[str] = []

    async def handler(synced: SyncedOrder) -> None:
        taken.append(synced.order.amazon_order_id)

    one = world.shop.put(1)
    world.later()
    world.shop.broken["orders"] = error
    task = asyncio.create_task(world.sync(on_event=events.append).run(handler))
    await asyncio.sleep(0)
    await world.clock.advance(130)
    assert {type(event) for event in events} == {ClockRefused}
    assert [event.skew_seconds for event in events if isinstance(event, ClockRefused)] == [skew, skew]
    world.shop.broken.clear()
    await world.clock.advance(130)
    assert taken == [one]
    task.cancel()


async def test_a_notified_order_comes_at_once(world: World) -> None:
    """Between two polls, by its id; it does not come again with the poll; a notification may come twice."""
    taken: list[tuple[str, float]] = []

    async def handler(synced: SyncedOrder) -> None:
        taken.append((synced.order.amazon_order_id, (world.clock.now() - begun).total_seconds()))

    sync = world.sync()
    begun = world.clock.now()
    task = asyncio.create_task(sync.run(handler))
    await asyncio.sleep(0)
    await world.clock.advance(30)
    one = world.shop.put(1)
    for _ in range(2):
        assert sync.notify(OrderChanged(seller_id="A1SELLER", order_id=one, order_status="Unshipped"))
    assert not sync.notify(OrderChanged(seller_id="ANOTHER", order_id=one))
    assert not sync.notify(FeedFinished(feed_id="1"))
    await world.clock.advance(0)
    assert taken == [(one, 30.0)]
    await world.clock.advance(1000)
    assert taken == [(one, 30.0)]
    assert world.shop.looked_up == [one]
    task.cancel()


async def test_an_order_that_changes_while_it_is_asked_for_is_asked_for_again(world: World) -> None:
    """The second notification came after Amazon had answered: the answer is older than the change."""
    taken: list[datetime | None] = []

    async def handler(synced: SyncedOrder) -> None:
        taken.append(synced.order.last_update_date)

    sync = world.sync(poll_seconds=3600)
    task = asyncio.create_task(sync.run(handler))
    await asyncio.sleep(0)
    await world.clock.advance(10)
    one = world.shop.put(1)
    real = world.shop.get

    async def slow(order_ids: Sequence[str]) -> Sequence[Order]:
        found = await real(order_ids)
        if len(world.shop.looked_up) == 1:
            await world.clock.sleep(5)
            world.shop.put(1)
            sync.notify(OrderChanged(order_id=one))
        return found

    world.shop.get = slow  # type: ignore[method-assign]  # the test's own shop
    sync.notify(OrderChanged(order_id=one))
    for _ in range(3):
        await world.clock.advance(10)
    assert world.shop.looked_up == [one, one]
    assert len(taken) == 2
    task.cancel()


@pytest.mark.parametrize("status", ["Unshipped", "Canceled"])
async def test_an_old_page_brings_no_version_after_a_newer_one(world: World, status: str) -> None:
    """The handler takes its time with the page's first order, and the second changes: nobody packs its old state."""
    taken: list[SyncedOrder] = []

    async def handler(synced: SyncedOrder) -> None:
        taken.append(synced)
        if len(taken) == 1:
            await world.clock.sleep(20)
            world.shop.put(2, status)
            sync.notify(OrderChanged(order_id=two))
            await world.clock.sleep(20)

    one, two = world.shop.put(1), world.shop.put(2)
    world.later()
    sync = world.sync(on_event=lambda event: None)
    task = asyncio.create_task(sync.run(handler))
    await asyncio.sleep(0)
    for _ in range(60):
        await world.clock.advance(10)
    newest = world.shop.known[two].last_update_date
    expected = [(one, taken[0].order.last_update_date), *([(two, newest)] if status == "Unshipped" else [])]
    assert [(each.order.amazon_order_id, each.order.last_update_date) for each in taken] == expected
    task.cancel()


async def test_a_version_that_another_process_has_passed_is_not_delivered(world: World) -> None:
    """Its poll, or a notification, brought a newer one between this process's question and its answer."""
    one = world.shop.put(1)
    world.later(150)
    stale = world.shop.known[one]
    world.shop.put(1)
    other = world.sync()
    other.notify(OrderChanged(order_id=one))
    assert await polled(other) == [one]
    world.shop.known[one] = stale  # a list that is not up to date yet
    assert await polled(world.sync()) == []


async def test_a_notified_order_whose_request_fails_is_asked_for_again(world: World) -> None:
    """Not in a loop: after the pause that Amazon asked for."""
    taken: list[str] = []

    async def handler(synced: SyncedOrder) -> None:
        taken.append(synced.order.amazon_order_id)

    sync = world.sync(poll_seconds=3600)
    task = asyncio.create_task(sync.run(handler))
    await asyncio.sleep(0)
    await world.clock.advance(10)
    one = world.shop.put(1)
    real, asked = world.shop.get, []

    async def down(order_ids: Sequence[str]) -> Sequence[Order]:
        asked.append(world.clock.now())
        raise ServiceUnavailable("down", status=503, retryable=True)

    world.shop.get = down  # type: ignore[method-assign]  # the test's own shop
    sync.notify(OrderChanged(order_id=one))
    await world.clock.advance(1000)
    assert len(asked) == 1
    world.shop.get = real  # type: ignore[method-assign]
    await world.clock.advance(3600)
    assert taken == [one]
    task.cancel()


async def test_a_cancelled_handler_gives_its_order_back(world: World) -> None:
    """A service that is stopped and started does not wait for a claim."""
    one = world.shop.put(1)
    world.later()
    begun = asyncio.Event()

    async def handler(_: SyncedOrder) -> None:
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(world.sync().run(handler))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await polled(world.sync()) == [one]


async def test_run_ends_on_what_waiting_does_not_heal(world: World) -> None:
    """Access denied: a person must act."""

    async def handler(_: SyncedOrder) -> None:
        raise AssertionError("nothing to hand over")

    world.shop.broken["orders"] = AccessDenied("no", status=401, code="AccessDenied")
    with pytest.raises(AccessDenied):
        await world.sync().run(handler)


async def test_a_handler_that_fails_keeps_its_order(world: World) -> None:
    """Without ``on_error`` the exception is the caller's; with it the others go on and the order comes again."""
    one, two = world.shop.put(1), world.shop.put(2)
    world.later()
    taken: list[str] = []
    failures: list[tuple[str, str]] = []
    fail_for = {one}

    async def handler(synced: SyncedOrder) -> None:
        if synced.order.amazon_order_id in fail_for:
            raise LookupError("no shelf")
        taken.append(synced.order.amazon_order_id)

    def on_error(synced: SyncedOrder, error: Exception) -> None:
        failures.append((synced.order.amazon_order_id, str(error)))
        fail_for.clear()

    with pytest.raises(LookupError):
        await world.sync(claim_seconds=600).run(handler)
    await run_for(world, world.sync(claim_seconds=600), 300, handler, on_error=on_error)
    assert failures == [(one, "no shelf")]
    assert taken == [two, one]


@pytest.mark.parametrize("fault", list(MwsFault), ids=lambda fault: fault.value)
async def test_run_survives_whatever_the_way_to_amazon_does(fault: MwsFault) -> None:
    """Every fault that the fake knows, longer than the client's own retries last: the order comes, once."""
    clock = VirtualClock()
    fake = FakeMws(clock=clock)
    fake.add_order(make_order(updated_at=clock.now() - timedelta(minutes=10)), [make_item()])
    fake.fail("ListOrders", fault, times=8, seconds=5)
    fake.fail("ListOrderItems", fault, times=8, seconds=5)
    taken: list[str] = []

    async def handler(synced: SyncedOrder) -> None:
        taken.append(synced.order.amazon_order_id)

    async with httpx.AsyncClient(transport=fake) as http, MwsClient(fake.credentials, http=http, clock=clock) as client:
        task = asyncio.create_task(OrderSync(MemoryStorage(clock=clock), MwsGateway(client), clock=clock).run(handler))
        await clock.sleep(12 * 3600)
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert taken == [make_order_id(1)]
