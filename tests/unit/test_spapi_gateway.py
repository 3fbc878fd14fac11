"""``SpApiGateway``: routes of stock, outcomes item by item, feeds and their ends, pickups, orders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import httpx
import pytest

from amazon_ae import (
    AccessDenied,
    ConfigurationError,
    Event,
    FeedScheduler,
    HandoverPickup,
    InventoryUpdate,
    ItemKind,
    ItemOutcome,
    ItemState,
    MemoryStorage,
    NotSent,
    NotSupported,
    Outcome,
    OutcomeUnknown,
    PackageItem,
    PickupJoined,
    PickupRejected,
    PickupRequest,
    RegionNotSupported,
    RetryPolicy,
    ServiceUnavailable,
    SpApiClient,
    SpApiGateway,
    StockRouting,
    UnreadableResponse,
)
from amazon_ae._models.feeds import FeedBatch, FeedItem, FeedState
from amazon_ae.testing import FakeSpApi, SpApiFault, VirtualClock, make_item, make_order

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)
TOMORROW = date(2026, 11, 29)


class Shop:
    """A fake with SKUs and orders, and a gateway."""

    def __init__(self, http: httpx.AsyncClient, fake: FakeSpApi, clock: VirtualClock) -> None:
        self.http, self.fake, self.clock = http, fake, clock
        self.told: list[ItemOutcome] = []

    def gateway(self, retries: RetryPolicy | None = None, **options: Any) -> SpApiGateway:
        client = SpApiClient(
            self.fake.credentials,
            self.fake.marketplace,
            http=self.http,
            clock=self.clock,
            retries=retries or RetryPolicy(delays_seconds=()),
        )
        return SpApiGateway(client, **options)

    def stock(self, *skus: str, quantity: int = 5) -> list[InventoryUpdate]:
        for sku in skus:
            self.fake.add_sku(sku)
        return [InventoryUpdate(sku, quantity) for sku in skus]

    async def settle(self, outcomes: Sequence[ItemOutcome]) -> None:
        self.told += outcomes


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    clock = VirtualClock(NOW)
    fake = FakeSpApi(clock=clock)
    async with httpx.AsyncClient(transport=fake) as http:
        yield Shop(http, fake, clock)


def stock_batch(route: str, *updates: InventoryUpdate) -> FeedBatch:
    items = tuple(FeedItem(number, update.sku, update) for number, update in enumerate(updates, 1))
    return FeedBatch(batch_id="b", kind=ItemKind.INVENTORY, items=items, route=route)


def pickup_batch(*requests: PickupRequest) -> FeedBatch:
    items = tuple(FeedItem(number, request.order_id, request) for number, request in enumerate(requests, 1))
    return FeedBatch(batch_id="b", kind=ItemKind.PICKUP, items=items, route="spapi:easy-ship")


def pickup(order_id: str, **changes: Any) -> PickupRequest:
    measures = {"weight_grams": "750", "length_cm": "30", "width_cm": "20", "height_cm": "10"}
    return PickupRequest(
        **{"order_id": order_id, "pickup_date": TOMORROW, **{k: Decimal(v) for k, v in measures.items()}, **changes}
    )


def kinds(outcomes: Sequence[ItemOutcome] | None) -> dict[str, Outcome]:
    return {outcome.key: outcome.outcome for outcome in outcomes or ()}


# Terms


async def test_what_waits_decides_between_patches_and_a_feed(shop: Shop) -> None:
    """Stock gone to zero does not wait for company."""
    gateway = shop.gateway(stock=StockRouting(feed_from=300))
    trickle = gateway.terms(ItemKind.INVENTORY, 300)
    urgent = gateway.terms(ItemKind.INVENTORY, 3, urgent=True)
    resync = gateway.terms(ItemKind.INVENTORY, 301)
    assert (trickle.route, trickle.max_items, trickle.coalesce_seconds) == ("spapi:patch", 10, 1.0)
    assert (urgent.route, urgent.coalesce_seconds) == ("spapi:patch", 0.0)
    assert (resync.route, resync.max_items) == ("spapi:feed", 25_000)
    assert gateway.routes == {"spapi:patch", "spapi:feed", "spapi:easy-ship"}


async def test_a_feed_keeps_the_bucket_and_the_window_of_its_type(shop: Shop) -> None:
    """Which of them counts is not verified; either can be left out."""
    rule = shop.gateway().terms(ItemKind.INVENTORY, 1000).quota
    assert rule is not None
    assert (rule.burst, rule.limit, rule.window_seconds) == (15, 5, 300.0)
    assert rule.restore_seconds == pytest.approx(120.5, abs=0.1)
    only_window = StockRouting(feed_bucket=None)
    rule = shop.gateway(stock=only_window).terms(ItemKind.INVENTORY, 1000).quota
    assert rule is not None
    assert (rule.burst, rule.restore_seconds, rule.limit) == (5, 60.0, 5)
    with pytest.raises(ConfigurationError):
        StockRouting(feed_bucket=None, feed_window=None)


async def test_the_rate_that_amazon_stated_is_the_blocks_pace(shop: Shop) -> None:
    """A block of ten leaves when the bucket of five is full again: a second after the one before was answered."""
    gateway = shop.gateway()
    rule = gateway.terms(ItemKind.INVENTORY, 1).quota
    assert rule is not None
    assert (rule.burst, rule.restore_seconds) == (1, 1.0)
    shop.fake.set_rate("patchListingsItem", 2.0)
    await gateway.submit(stock_batch("spapi:patch", *shop.stock("A")))
    rule = gateway.terms(ItemKind.INVENTORY, 1).quota
    assert rule is not None
    assert rule.restore_seconds == 2.5


# Patches


async def test_each_patch_has_its_own_outcome_as_it_comes(shop: Shop) -> None:
    """INVALID in a 200 refuses its SKU alone."""
    updates = shop.stock("A", "B/1", "C")
    shop.fake.refuse("B/1", "8541", "no such offer")
    shop.fake.warn("C", "99", "look at it")
    receipt = await shop.gateway().submit(stock_batch("spapi:patch", *updates), settle=shop.settle)
    assert receipt.feed_id is None
    assert receipt.outcomes == ()
    assert kinds(shop.told) == {
        "A": Outcome.ACCEPTED,
        "B/1": Outcome.REJECTED,
        "C": Outcome.ACCEPTED_WITH_WARNINGS,
    }
    assert shop.fake.stock == {"A": 5, "B/1": 0, "C": 5}


async def test_without_settle_the_receipt_has_all(shop: Shop) -> None:
    """For hosts that call the gateway themselves."""
    receipt = await shop.gateway().submit(stock_batch("spapi:patch", *shop.stock("A", "B")))
    assert kinds(receipt.outcomes) == {"A": Outcome.ACCEPTED, "B": Outcome.ACCEPTED}


async def test_an_unknown_sku_is_refused_however_amazon_says_it(shop: Shop) -> None:
    """200 INVALID or 400: not verified which."""
    ways: tuple[Literal["invalid", "bad_request"], ...] = ("invalid", "bad_request")
    for way in ways:
        shop.fake.settings.unknown_sku = way
        receipt = await shop.gateway().submit(stock_batch("spapi:patch", InventoryUpdate(f"X-{way}", 1)))
        assert kinds(receipt.outcomes) == {f"X-{way}": Outcome.REJECTED}


async def test_a_batch_that_breaks_in_the_middle_keeps_what_was_done(shop: Shop) -> None:
    """The rest waits again."""
    updates = shop.stock(*"ABCDEFGHIJ")
    gateway = shop.gateway()

    async def settle(outcomes: Sequence[ItemOutcome]) -> None:
        await shop.settle(outcomes)
        if len(shop.told) >= 3:
            shop.fake.fail("patchListingsItem", SpApiFault.NOT_REACHED, times=None)

    receipt = await gateway.submit(stock_batch("spapi:patch", *updates), settle=settle)
    left = kinds(receipt.outcomes)
    assert set(left.values()) == {Outcome.RETRY}
    assert {outcome.key for outcome in shop.told} | set(left) == set("ABCDEFGHIJ")
    assert len(shop.told) + len(left) == 10
    assert {sku for sku, quantity in shop.fake.stock.items() if quantity} == {outcome.key for outcome in shop.told}


@pytest.mark.parametrize(
    ("fault", "error"),
    [(SpApiFault.NOT_REACHED, NotSent), (SpApiFault.UNAVAILABLE, ServiceUnavailable)],
)
async def test_a_fault_before_the_first_outcome_is_raised(
    shop: Shop, fault: SpApiFault, error: type[Exception]
) -> None:
    """The scheduler pauses, and nothing is taken."""
    shop.fake.fail("patchListingsItem", fault, times=None)
    with pytest.raises(error):
        await shop.gateway().submit(stock_batch("spapi:patch", *shop.stock("A", "B")))


class FailsWith(httpx.AsyncBaseTransport):
    """Amazon, which fails with one SKU whenever it is named."""

    def __init__(self, inner: FakeSpApi, sku: str, answer: httpx.Response) -> None:
        self.inner, self.sku, self.answer = inner, sku, answer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "PATCH" and request.url.path.endswith(f"/{self.sku}"):
            return httpx.Response(self.answer.status_code, content=self.answer.content)
        return await self.inner.handle_async_request(request)


INVALID = {"sku": "A", "status": "INVALID", "submissionId": "1", "issues": [{"code": "5001", "severity": "ERROR"}]}


@pytest.mark.parametrize(
    ("answer", "tries"),
    [
        (httpx.Response(500, json={"errors": [{"code": "InternalFailure", "message": "x"}]}), 20),
        (httpx.Response(400, json={"errors": [{"code": "InternalError", "message": "system error"}]}), 5),
        (httpx.Response(200, json=INVALID), 5),
        (httpx.Response(200, json={"sku": "Z", "status": "ACCEPTED"}), 5),
        (httpx.Response(200, content=b"<html>"), 5),
    ],
    ids=["500", "400", "INVALID", "another's", "page"],
)
async def test_one_sku_that_amazon_fails_with_does_not_hold_up_the_others(
    shop: Shop, answer: httpx.Response, tries: int
) -> None:
    """They are accepted in the same batch; it waits again, and becomes a dead letter in the end."""
    updates = shop.stock("A", "B", "C", "D", "E", "F", "G")
    shop.http = httpx.AsyncClient(transport=FailsWith(shop.fake, "A", answer))
    gateway = shop.gateway()
    for attempt in range(tries + 1):
        found = kinds((await gateway.submit(stock_batch("spapi:patch", *updates))).outcomes)
        assert found.pop("A") is (Outcome.RETRY if attempt < tries else Outcome.REJECTED)
        assert set(found.values()) == {Outcome.ACCEPTED}


async def test_a_missing_role_is_raised_and_refuses_no_sku(shop: Shop) -> None:
    """All of them are concerned."""
    shop.fake.roles.discard("Product Listing")
    with pytest.raises(AccessDenied):
        await shop.gateway().submit(stock_batch("spapi:patch", *shop.stock("A", "B")))


async def test_a_patch_that_is_cut_off_leaves_no_task_behind(shop: Shop) -> None:
    """A scheduler that closes cancels it."""
    task = asyncio.ensure_future(shop.gateway().submit(stock_batch("spapi:patch", *shop.stock(*"ABCDEFGHIJ"))))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert [each for each in asyncio.all_tasks() if "PatchBatch" in repr(each)] == []


# Feeds


async def send_feed(shop: Shop, gateway: SpApiGateway, *updates: InventoryUpdate) -> tuple[str, FeedBatch]:
    batch = stock_batch("spapi:feed", *updates)
    receipt = await gateway.submit(batch)
    assert receipt.feed_id is not None
    await shop.clock.sleep(120)
    return receipt.feed_id, batch


async def test_a_feed_tells_of_each_sku(shop: Shop) -> None:
    """By its report."""
    gateway = shop.gateway()
    updates = shop.stock("A", "B", "C")
    shop.fake.refuse("B", "90220", "is required")
    shop.fake.warn("C", "99", "look at it")
    feed_id, batch = await send_feed(shop, gateway, *updates)
    (status,) = await gateway.status([feed_id, feed_id])
    assert (status.state, status.kind, status.raw) == (FeedState.DONE, ItemKind.INVENTORY, "DONE")
    assert kinds((await gateway.report(feed_id, batch)).outcomes) == {
        "A": Outcome.ACCEPTED,
        "B": Outcome.REJECTED,
        "C": Outcome.ACCEPTED_WITH_WARNINGS,
    }


async def test_unanswered_feeds_are_found_by_type_and_time(shop: Shop) -> None:
    """As on the other backend."""
    gateway = shop.gateway()
    batch = stock_batch("spapi:feed", *shop.stock("A"))
    shop.fake.fail("createFeed", SpApiFault.ANSWER_LOST)
    with pytest.raises(OutcomeUnknown):
        await gateway.submit(batch)
    (found,) = await gateway.recent(ItemKind.INVENTORY, NOW)
    assert found.feed_id == shop.fake.feeds[0].feed_id
    assert await gateway.recent(ItemKind.PICKUP, NOW) == ()


async def test_a_feed_that_ends_fatal_without_a_report_leaves_all_unclear(shop: Shop) -> None:
    """Some, none or all was done; stock is absolute, so all of it goes again."""
    gateway = shop.gateway()
    shop.fake.end_feeds("FATAL", takes=1)
    feed_id, batch = await send_feed(shop, gateway, *shop.stock("A", "B"))
    (status,) = await gateway.status([feed_id])
    assert status.state is FeedState.FAILED
    assert kinds((await gateway.report(feed_id, batch)).outcomes) == {"A": Outcome.RETRY, "B": Outcome.RETRY}


async def test_a_fatal_feed_with_a_report_is_believed_as_far_as_it_adds_up(shop: Shop) -> None:
    """Then nothing goes twice."""
    gateway = shop.gateway()
    shop.fake.end_feeds("FATAL")
    feed_id, batch = await send_feed(shop, gateway, *shop.stock("A", "B"))
    await gateway.status([feed_id])
    assert set(kinds((await gateway.report(feed_id, batch)).outcomes).values()) == {Outcome.ACCEPTED}


async def test_what_feeds_leave_unclear_twice_goes_by_patch(shop: Shop) -> None:
    """Amazon's own example of a report does not add up: no SKU waits forever for one that does."""
    gateway = shop.gateway(stock=StockRouting(feed_from=1))
    updates = shop.stock("A", "B", "C")
    for round_number in (1, 2):
        assert gateway.terms(ItemKind.INVENTORY, 3).route == "spapi:feed", round_number
        shop.fake.end_feeds("DONE", missing_from_report=1)
        feed_id, batch = await send_feed(shop, gateway, *updates)
        await gateway.status([feed_id])
        assert set(kinds((await gateway.report(feed_id, batch)).outcomes).values()) == {Outcome.RETRY}
    assert gateway.terms(ItemKind.INVENTORY, 3).route == "spapi:patch"
    await gateway.submit(stock_batch("spapi:patch", *updates), settle=shop.settle)
    assert set(kinds(shop.told).values()) == {Outcome.ACCEPTED}
    assert gateway.terms(ItemKind.INVENTORY, 3).route == "spapi:feed"


async def test_a_damaged_report_is_asked_for_again(shop: Shop) -> None:
    """It is no outcome."""
    gateway = shop.gateway()
    feed_id, batch = await send_feed(shop, gateway, *shop.stock("A"))
    await gateway.status([feed_id])
    shop.fake.fail("downloadDocument", SpApiFault.TRUNCATED)
    with pytest.raises(UnreadableResponse) as caught:
        await gateway.report(feed_id, batch)
    assert caught.value.retryable
    assert kinds((await gateway.report(feed_id, batch)).outcomes) == {"A": Outcome.ACCEPTED}


async def test_a_feed_of_nobody_is_left_out(shop: Shop) -> None:
    """Amazon keeps feeds for 90 days."""
    assert await shop.gateway().status(["123"]) == []


async def test_another_backends_batch_is_refused(shop: Shop) -> None:
    """Nothing is sent."""
    with pytest.raises(ConfigurationError, match="mws:feed"):
        await shop.gateway().submit(stock_batch("mws:feed", *shop.stock("A")))
    assert not shop.fake.requests


# Pickups


def add_orders(shop: Shop, count: int) -> list[str]:
    orders = [make_order(f"404-0000000-000000{n}", purchased_at=NOW - timedelta(hours=2)) for n in range(count)]
    for order in orders:
        shop.fake.add_order(order, [make_item()])
    return [order.amazon_order_id for order in orders]


async def test_pickups_are_booked_one_by_one(shop: Shop) -> None:
    """Each durable before the next one."""
    ids = add_orders(shop, 3)
    receipt = await shop.gateway().submit(pickup_batch(*map(pickup, ids)), settle=shop.settle)
    assert receipt.outcomes == ()
    assert kinds(shop.told) == dict.fromkeys(ids, Outcome.ACCEPTED)
    assert set(shop.fake.pickups) == set(ids)


async def test_an_unanswered_booking_is_looked_up(shop: Shop) -> None:
    """And is not made twice."""
    (order_id,) = add_orders(shop, 1)
    shop.fake.fail("createScheduledPackage", SpApiFault.ANSWER_LOST)
    receipt = await shop.gateway().submit(pickup_batch(pickup(order_id)))
    assert kinds(receipt.outcomes) == {order_id: Outcome.ACCEPTED}
    assert shop.fake.pickups_sent == {order_id: 1}


async def test_an_order_that_is_scheduled_already_is_a_success(shop: Shop) -> None:
    """It was ours, or a person's."""
    (order_id,) = add_orders(shop, 1)
    gateway = shop.gateway()
    for _ in range(2):
        receipt = await gateway.submit(pickup_batch(pickup(order_id)))
        assert kinds(receipt.outcomes) == {order_id: Outcome.ACCEPTED}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"weight_grams": Decimal(10)}, "PackageTooLight"),
        ({"weight_grams": None}, "PackageSizeMissing"),
        ({"pickup_time": "noonish"}, "PickupTimeUnreadable"),
    ],
)
async def test_what_amazon_cannot_take_is_refused_before_a_call(shop: Shop, changes: dict[str, Any], code: str) -> None:
    """No slot of the rate is spent."""
    (order_id,) = add_orders(shop, 1)
    receipt = await shop.gateway().submit(pickup_batch(pickup(order_id, **changes)))
    assert [(outcome.outcome, outcome.code) for outcome in receipt.outcomes or ()] == [(Outcome.REJECTED, code)]
    assert not shop.fake.requests


async def test_drop_off_slots_are_no_pickups(shop: Shop) -> None:
    """The seller would have to bring the parcel."""
    (order_id,) = add_orders(shop, 1)
    shop.fake.settings.gives_drop_off = True
    await shop.gateway().submit(pickup_batch(pickup(order_id)))
    package = shop.fake.packages[order_id]
    assert "DROPOFF" not in repr(package).upper()


@pytest.mark.parametrize("easy_ship", ["bulk", "none"])
async def test_a_region_that_is_not_served_says_so(shop: Shop, easy_ship: Any) -> None:
    """As Poland does; a missing role is another error."""
    (order_id,) = add_orders(shop, 1)
    shop.fake.settings.easy_ship = easy_ship
    with pytest.raises(RegionNotSupported, match="Seller Central"):
        await shop.gateway().submit(pickup_batch(pickup(order_id)))
    shop.fake.settings.easy_ship = "all"
    shop.fake.roles.discard("Direct to Consumer Shipping (Restricted)")
    with pytest.raises(AccessDenied, match="role"):
        await shop.gateway().submit(pickup_batch(pickup(order_id)))


async def test_a_pickup_moves_to_another_slot_and_is_never_withdrawn(shop: Shop) -> None:
    """The parcel's measures are Amazon's."""
    (order_id,) = add_orders(shop, 1)
    gateway = shop.gateway()
    await gateway.submit(pickup_batch(pickup(order_id)))
    first = await gateway.client.easy_ship.get_scheduled_package(order_id)
    for fault in (None, SpApiFault.ANSWER_LOST):
        if fault is not None:
            shop.fake.fail("updateScheduledPackages", fault)
        moved = await gateway.reschedule_pickup(order_id, pickup_date=date(2026, 11, 30), pickup_time="2:00 PM")
        assert moved.package_pickup_slot != first.package_pickup_slot
    with pytest.raises(NotSupported):
        await gateway.withdraw_pickup(order_id)
    with pytest.raises(PickupRejected, match="NoPickupSlot"):
        await gateway.reschedule_pickup(order_id, pickup_date=date(2027, 11, 30))
    with pytest.raises(PickupRejected):
        await gateway.reschedule_pickup("404-9999999-9999999", pickup_date=TOMORROW)


async def test_the_scheduler_moves_a_pickup_that_amazon_has(shop: Shop) -> None:
    """It asks the gateway; a refusal is the caller's, and the earlier slot stands."""
    (order_id,) = add_orders(shop, 1)
    gateway = shop.gateway()
    async with FeedScheduler(MemoryStorage(clock=shop.clock), gateway, orders=gateway, clock=shop.clock) as scheduler:
        await scheduler.schedule_pickup(
            order_id, pickup_date=TOMORROW, weight_grams=500, length_cm=20, width_cm=10, height_cm=5
        )
        first = (await gateway.client.easy_ship.get_scheduled_package(order_id)).package_pickup_slot
        moved = await scheduler.reschedule_pickup(order_id, pickup_date=date(2026, 11, 30), pickup_time="2:00 PM")
        assert (moved.state, moved.pickup_date) == (ItemState.ACCEPTED, date(2026, 11, 30))
        second = (await gateway.client.easy_ship.get_scheduled_package(order_id)).package_pickup_slot
        assert second != first
        with pytest.raises(PickupRejected, match="NoPickupSlot"):
            await scheduler.reschedule_pickup(order_id, pickup_date=date(2026, 12, 20))
        assert (await gateway.client.easy_ship.get_scheduled_package(order_id)).package_pickup_slot == second


async def test_where_a_pickup_was_moved_to_is_known_afterwards(shop: Shop) -> None:
    """In any process: by ``outcome``, and by a repeat, which is told the day that stands."""
    (order_id,) = add_orders(shop, 1)
    gateway, storage = shop.gateway(), MemoryStorage(clock=shop.clock)
    parcel: dict[str, Any] = {"weight_grams": 500, "length_cm": 20, "width_cm": 10, "height_cm": 5}
    joined: list[Event] = []

    def process() -> FeedScheduler:
        return FeedScheduler(storage, gateway, orders=gateway, clock=shop.clock, on_event=joined.append)

    async with process() as scheduler:
        await scheduler.schedule_pickup(order_id, pickup_date=TOMORROW, **parcel)
        await scheduler.reschedule_pickup(order_id, pickup_date=date(2026, 11, 30), pickup_time="2:00 PM")
    async with process() as scheduler:
        known = await scheduler.outcome(order_id)
        assert known is not None
        assert (known.pickup_date, known.pickup_time) == (date(2026, 11, 30), "2:00 PM")
        again = await scheduler.schedule_pickup(order_id, pickup_date=date(2026, 12, 1), **parcel)
        assert again.pickup_date == date(2026, 11, 30)
        await scheduler.reschedule_pickup(order_id, pickup_date=date(2026, 12, 1))
        known = await scheduler.outcome(order_id)
        assert known is not None
        assert (known.pickup_date, known.pickup_time) == (date(2026, 12, 1), None)
    assert [(each.pickup_date, each.asked_date) for each in joined if isinstance(each, PickupJoined)] == [
        (date(2026, 11, 30), date(2026, 12, 1))
    ]


@pytest.mark.parametrize(("times", "works"), [(1, True), (2, False)])
async def test_a_move_lists_new_slots_once_where_amazon_asks_for_it(shop: Shop, times: int, works: bool) -> None:
    """A second refusal is the caller's."""
    (order_id,) = add_orders(shop, 1)
    await shop.gateway().submit(pickup_batch(pickup(order_id)))
    refusals = [httpx.Response(400, json={"errors": [{"code": "ScheduleWindowExpired", "message": None}]})] * times

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "PATCH" and refusals:
            return refusals.pop()
        return await shop.fake.handle_async_request(request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        client = SpApiClient(shop.fake.credentials, shop.fake.marketplace, http=http, clock=shop.clock)
        moving = SpApiGateway(client).reschedule_pickup(order_id, pickup_date=date(2026, 11, 30))
        if works:
            assert (await moving).package_pickup_slot is not None
        else:
            with pytest.raises(PickupRejected, match="ScheduleWindowExpired"):
                await moving
    assert not refusals


async def test_serial_numbers_travel(shop: Shop) -> None:
    """Where the host gives them."""
    (order_id,) = add_orders(shop, 1)

    async def packed(_: str) -> Sequence[PackageItem]:
        return [PackageItem(order_item_id="12345678901234", serial_numbers=("SN1",))]

    await shop.gateway(pickup_route=HandoverPickup(packed_items=packed)).submit(pickup_batch(pickup(order_id)))
    assert "SN1" in repr(next(seen.body for seen in shop.fake.requests if seen.operation == "createScheduledPackage"))


# Orders


async def test_orders_come_with_items_in_our_words(shop: Shop) -> None:
    """Polled no more often than Amazon gives."""
    ids = add_orders(shop, 3)
    gateway = shop.gateway(fulfilled_by=("MERCHANT",))
    pages = [page async for page in gateway.orders(updated_after=NOW - timedelta(days=1), statuses=("Unshipped",))]
    assert {order.amazon_order_id for page in pages for order in page.orders} == set(ids)
    assert all(order.items for page in pages for order in page.orders)
    assert gateway.poll_seconds == pytest.approx(178.6, abs=0.1)
    assert await gateway.items(ids[0])
    found = await gateway.get([*ids, "404-9999999-9999999", "mistyped"])
    assert {order.amazon_order_id for order in found} == set(ids)
