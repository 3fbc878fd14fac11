"""``MwsGateway`` over the client and a marketplace that remembers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import httpx
import pytest
from loop_support import heartbeat

from amazon_ae._exceptions import (
    AmazonError,
    ConfigurationError,
    NotSent,
    OutcomeUnknown,
    QuotaExceeded,
    UnreadableResponse,
)
from amazon_ae._models.feeds import (
    FeedBatch,
    FeedItem,
    FeedState,
    InventoryUpdate,
    ItemKind,
    Outcome,
)
from amazon_ae._models.pickups import PickupOutcome
from amazon_ae._mws.client import MwsClient
from amazon_ae._mws.gateway import INVENTORY_FEED, MwsGateway
from amazon_ae._mws.pickup_routes import EasyShipPickup, SchedulePickupFeed
from amazon_ae._scheduling import FeedScheduler
from amazon_ae._storage.memory import MemoryStorage
from amazon_ae.testing import FakeMws, MwsFault, VirtualClock, make_item, make_order, make_order_id, make_updates


def stock(updates: list[InventoryUpdate]) -> FeedBatch:
    """A batch of stock updates."""
    items = tuple(FeedItem(number, update.sku, update) for number, update in enumerate(updates, 1))
    return FeedBatch(batch_id="b-1", kind=ItemKind.INVENTORY, items=items)


@attrs.define
class World:
    clock: VirtualClock
    fake: FakeMws
    client: MwsClient
    gateway: MwsGateway


@pytest.fixture
async def world() -> AsyncIterator[World]:
    clock = VirtualClock()
    fake = FakeMws(clock=clock)
    async with httpx.AsyncClient(transport=fake) as http, MwsClient(fake.credentials, http=http, clock=clock) as client:
        route = SchedulePickupFeed(fake.pickup_feed_type)
        yield World(clock, fake, client, MwsGateway(client, pickup_route=route))


async def test_stock_reaches_the_marketplace_and_every_item_gets_its_own_outcome(world: World) -> None:
    """Two SKUs are known, one is not: only that one is rejected, with Amazon's code."""
    for sku in ("SKU-0001", "SKU-0003", "دفتر & <ورق>"):
        world.fake.add_sku(sku)
    batch = stock([*make_updates(3), InventoryUpdate("دفتر & <ورق>", 7)])
    receipt = await world.gateway.submit(batch)
    assert receipt.feed_id is not None
    assert receipt.submitted_at == world.clock.now()
    assert receipt.quota is not None
    assert receipt.quota.maximum == 30.0
    with pytest.raises(AmazonError) as caught:
        await world.gateway.report(receipt.feed_id, batch)
    assert caught.value.retryable
    await world.clock.sleep(61)
    (status,) = await world.gateway.status([receipt.feed_id])
    assert (status.state, status.kind, status.raw) == (FeedState.DONE, ItemKind.INVENTORY, "_DONE_")
    report = await world.gateway.report(receipt.feed_id, batch)
    assert [outcome.key for outcome in report.outcomes] == ["SKU-0001", "SKU-0002", "SKU-0003", "دفتر & <ورق>"]
    assert [outcome.outcome for outcome in report.outcomes] == [
        Outcome.ACCEPTED,
        Outcome.REJECTED,
        Outcome.ACCEPTED,
        Outcome.ACCEPTED,
    ]
    assert report.outcomes[1].code
    assert report.processed == 4
    assert world.fake.stock["دفتر & <ورق>"] == 7


async def test_kinds_that_share_submit_feed_share_a_rule_named_after_seller_and_developer(world: World) -> None:
    """Amazon counts by (seller, developer): 15, one per two minutes, 30 an hour."""
    stock, pickup = world.gateway.terms(ItemKind.INVENTORY, 1), world.gateway.terms(ItemKind.PICKUP, 1)
    rule = stock.quota
    assert rule is not None
    assert rule == pickup.quota
    assert rule.name == f"{world.fake.credentials.seller_id}/developer/SubmitFeed"
    assert (rule.burst, rule.restore_seconds, rule.limit) == (15, 120, 30)
    assert (stock.max_items, pickup.max_items) == (30_000, 500)
    assert stock.route == pickup.route == "mws:feed"
    assert (stock.exclusive, world.gateway.terms(ItemKind.INVENTORY, 1, urgent=True).exclusive) == (True, False)


async def test_a_route_without_feeds_has_terms_of_its_own(world: World) -> None:
    """Easy Ship spends no feed, and its batches are told from those of feeds."""
    gateway = MwsGateway(world.client, pickup_route=EasyShipPickup())
    terms = gateway.terms(ItemKind.PICKUP, 1)
    assert terms.quota is None
    assert gateway.routes == {"mws:feed", terms.route}
    assert world.gateway.routes == {"mws:feed"}
    batch = attrs.evolve(stock(make_updates(1)), route="spapi:feed")
    with pytest.raises(ConfigurationError, match="not by MWS"):
        await gateway.submit(batch)
    assert not world.fake.requests


async def test_without_a_route_pickups_are_refused_with_both_routes_named(world: World) -> None:
    """Nothing is sent."""
    gateway = MwsGateway(world.client)
    with pytest.raises(ConfigurationError, match=r"SchedulePickupFeed.*EasyShipPickup"):
        gateway.terms(ItemKind.PICKUP, 1)
    with pytest.raises(ConfigurationError, match="no pickup route"):
        await gateway.submit(attrs.evolve(stock(make_updates(1)), kind=ItemKind.PICKUP))
    assert not world.fake.requests


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (MwsFault.NOT_REACHED, NotSent),
        (MwsFault.ANSWER_LOST, OutcomeUnknown),
        (MwsFault.TRUNCATED, OutcomeUnknown),
        (MwsFault.EMPTY, OutcomeUnknown),
        (MwsFault.INTERNAL_ERROR, OutcomeUnknown),
        (MwsFault.QUOTA_EXCEEDED, QuotaExceeded),
    ],
)
async def test_a_submit_that_fails_is_never_sent_twice(world: World, fault: MwsFault, error: type[Exception]) -> None:
    """One request, and the error says what is known of it."""
    world.fake.add_sku("SKU-0001")
    world.fake.fail("SubmitFeed", fault)
    with pytest.raises(error):
        await world.gateway.submit(stock(make_updates(1)))
    assert world.fake.count("SubmitFeed") <= 1


async def test_recent_finds_the_feed_whose_answer_was_lost(world: World) -> None:
    """By type and time, to the whole second, oldest first; other types stay out."""
    world.fake.add_sku("SKU-0001")
    world.clock.jump(0.7)
    since = world.clock.now()
    world.fake.fail("SubmitFeed", MwsFault.ANSWER_LOST)
    with pytest.raises(OutcomeUnknown):
        await world.gateway.submit(stock(make_updates(1)))
    await world.clock.sleep(30)
    second = await world.gateway.submit(stock(make_updates(1)))
    found = await world.gateway.recent(ItemKind.INVENTORY, since)
    assert [status.feed_id for status in found] == [feed.feed_id for feed in world.fake.feeds]
    assert found[1].feed_id == second.feed_id
    assert await world.gateway.recent(ItemKind.PICKUP, since) == []
    assert await world.gateway.recent(ItemKind.INVENTORY, world.clock.now() + timedelta(seconds=1)) == []


async def test_recent_pages_through_more_than_a_hundred_feeds(world: World) -> None:
    """GetFeedSubmissionList gives 100 at a time."""
    world.fake.add_sku("SKU-0001")
    since = world.clock.now()
    for _ in range(105):
        await world.gateway.submit(stock(make_updates(1)))
        await world.clock.sleep(125)
    found = await world.gateway.recent(ItemKind.INVENTORY, since)
    assert [status.feed_id for status in found] == [feed.feed_id for feed in world.fake.feeds]
    assert len(found) == 105


async def test_status_asks_for_a_hundred_ids_at_a_time_and_leaves_unknown_ones_out(world: World) -> None:
    """250 ids are three requests."""
    world.fake.add_sku("SKU-0001")
    receipt = await world.gateway.submit(stock(make_updates(1)))
    assert receipt.feed_id is not None
    ids = [*(str(90_000_000_000 + number) for number in range(249)), receipt.feed_id, receipt.feed_id]
    assert [status.feed_id for status in await world.gateway.status(ids)] == [receipt.feed_id]
    assert world.fake.count("GetFeedSubmissionList") == 3
    assert await world.gateway.status([]) == []


@pytest.mark.parametrize(
    ("raw", "state"),
    [
        ("_CANCELLED_", FeedState.CANCELLED),
        ("_IN_SAFETY_NET_", FeedState.HELD),
        ("_IN_PROGRESS_", FeedState.PROCESSING),
        ("_A_NEW_WORD_", FeedState.PROCESSING),
    ],
)
async def test_amazons_states_become_ours_and_a_new_word_is_still_processing(
    world: World, raw: str, state: FeedState
) -> None:
    """Amazon's own word stays beside ours."""
    world.fake.add_sku("SKU-0001")
    world.fake.end_feeds(raw)
    receipt = await world.gateway.submit(stock(make_updates(1)))
    await world.clock.sleep(61)
    (status,) = await world.gateway.status([receipt.feed_id or ""])
    assert (status.state, status.raw) == (state, raw)


async def test_a_report_of_another_feed_is_not_believed(world: World) -> None:
    """DocumentTransactionID is the feed's id."""
    world.fake.add_sku("SKU-0001")
    receipt = await world.gateway.submit(stock(make_updates(1)))
    await world.clock.sleep(61)
    feed = world.fake.feeds[0]
    assert feed.report is not None
    feed.report = feed.report.replace(feed.feed_id.encode(), b"11111111111")
    with pytest.raises(UnreadableResponse, match="11111111111"):
        await world.gateway.report(receipt.feed_id or "", stock(make_updates(1)))


async def test_a_damaged_report_is_fetched_again(world: World) -> None:
    """Three wrong MD5 sums, then the right document."""
    world.fake.add_sku("SKU-0001")
    batch = stock(make_updates(1))
    receipt = await world.gateway.submit(batch)
    await world.clock.sleep(61)
    world.fake.fail("GetFeedSubmissionResult", MwsFault.WRONG_MD5, 3)
    report = await world.gateway.report(receipt.feed_id or "", batch)
    assert [each.outcome for each in report.outcomes] == [Outcome.ACCEPTED]
    assert world.fake.count("GetFeedSubmissionResult") == 4


async def test_a_batch_must_count_its_messages_from_one(world: World) -> None:
    """The report speaks of items by their place, so a gap would shift every outcome."""
    batch = stock(make_updates(2))
    with pytest.raises(ConfigurationError, match="count from 1"):
        await world.gateway.submit(attrs.evolve(batch, items=batch.items[1:]))
    with pytest.raises(ConfigurationError, match="at least one"):
        await world.gateway.submit(attrs.evolve(batch, items=()))
    with pytest.raises(ConfigurationError, match="more than 1 records"):
        await MwsGateway(world.client, max_inventory_records=1).submit(batch)
    assert not world.fake.requests


def test_one_text_in_place_of_the_channels_is_refused(world: World) -> None:
    """Its letters would be sent as channels."""
    with pytest.raises(ConfigurationError, match="fulfillment_channels is a list"):
        MwsGateway(world.client, fulfillment_channels="MFN")


async def test_orders_come_in_pages_with_the_instant_up_to_which_they_are_complete(world: World) -> None:
    """The instant is Amazon's: two minutes before the request; items and look-ups go by order id."""
    now = world.clock.now()
    ids = [make_order_id(number) for number in range(120)]
    for order_id in ids:
        world.fake.add_order(make_order(order_id, updated_at=now - timedelta(hours=1)), [make_item()])
    pages: list[Any] = [
        page
        async for page in world.gateway.orders(
            updated_after=now - timedelta(days=1), statuses=("Unshipped", "PartiallyShipped")
        )
    ]
    assert [len(page.orders) for page in pages] == [100, 20]
    assert [page.position is None for page in pages] == [False, True]
    assert all(page.complete_until == now - timedelta(minutes=2) for page in pages)
    assert {order.amazon_order_id for page in pages for order in page.orders} == set(ids)
    assert [item.seller_sku for item in await world.gateway.items(ids[0])] == ["SKU-0001"]
    found = await world.gateway.get([*ids, "171-9999999-9999999"])
    assert len(found) == 120
    assert world.fake.count("GetOrder") == 3


async def test_a_channel_filter_is_passed_on(world: World) -> None:
    """What Amazon's own warehouses send can be left out."""
    now = world.clock.now()
    ours = make_order(make_order_id(1), updated_at=now - timedelta(hours=1))
    theirs = attrs.evolve(ours, amazon_order_id=make_order_id(2), fulfillment_channel="AFN")
    for order in (ours, theirs):
        world.fake.add_order(order)
    gateway = MwsGateway(world.client, fulfillment_channels=("MFN",))
    pages = [page async for page in gateway.orders(updated_after=datetime(2021, 11, 1, tzinfo=UTC))]
    assert [order.amazon_order_id for page in pages for order in page.orders] == [ours.amazon_order_id]


def test_the_inventory_feed_type_is_the_documented_one() -> None:
    """FeedType enumeration, Inventory."""
    assert INVENTORY_FEED == "_POST_INVENTORY_AVAILABILITY_DATA_"


async def test_submitting_a_full_feed_lets_others_run() -> None:
    """30,000 items from batch to wire and their report back: others run all the while."""
    clock = VirtualClock(grace_seconds=0.02)
    updates = make_updates(30_000)
    batch = stock(updates)
    rows = "".join(
        f"<Result><MessageID>{number}</MessageID><ResultCode>Error</ResultCode><ResultMessageCode>13013</ResultMessageCode>"
        f"<ResultDescription>There is no record of this SKU.</ResultDescription></Result>"
        for number in range(1, 30_001)
    )
    report = (
        "<AmazonEnvelope><MessageType>ProcessingReport</MessageType><Message><ProcessingReport>"
        f"<DocumentTransactionID>4711</DocumentTransactionID><StatusCode>Complete</StatusCode>{rows}"
        "</ProcessingReport></Message></AmazonEnvelope>"
    ).encode()
    submitted = (
        b"<SubmitFeedResponse><SubmitFeedResult><FeedSubmissionInfo><FeedSubmissionId>4711</FeedSubmissionId>"
        b"</FeedSubmissionInfo></SubmitFeedResult></SubmitFeedResponse>"
    )
    sizes: list[int] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        sizes.append(len(body))
        return httpx.Response(200, content=submitted if "SubmitFeed" in str(request.url) else report)

    fake = FakeMws(clock=clock)
    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http,
        MwsClient(fake.credentials, http=http, clock=clock) as client,
    ):
        gateway = MwsGateway(client)
        async with heartbeat() as beats:
            receipt = await gateway.submit(batch)
            outcomes = (await gateway.report(receipt.feed_id or "", batch)).outcomes
    assert receipt.submitted_at == clock.now()
    assert sizes[0] > 4_000_000
    assert len(outcomes) == 30_000
    assert beats.count > 200


async def test_one_mistyped_order_id_holds_up_no_other_pickup(world: World) -> None:
    """An id that no order can have is refused before anything is stored; the others are scheduled."""
    order_id = make_order_id(1)
    world.fake.add_order(make_order(order_id))
    storage = MemoryStorage(clock=world.clock)
    async with FeedScheduler(storage, world.gateway, orders=world.gateway, clock=world.clock) as scheduler:
        mistyped, good = await asyncio.gather(
            scheduler.schedule_pickup("171-12345"), scheduler.schedule_pickup(order_id), return_exceptions=True
        )
    assert isinstance(mistyped, ConfigurationError)
    assert await storage.item(world.gateway.account, ItemKind.PICKUP, "171-12345") is None
    assert isinstance(good, PickupOutcome)
    assert list(world.fake.pickups) == [order_id]
