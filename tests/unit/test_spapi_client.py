"""``SpApiClient`` against ``FakeSpApi``: tokens, paces, repetitions and secrets."""

from __future__ import annotations

import asyncio
import json
import logging
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import attrs
import httpx
import pytest

from amazon_ae import (
    AccessDenied,
    ConfigurationError,
    InvalidRequest,
    InventoryUpdate,
    NotSent,
    NotSupported,
    Order,
    OutcomeUnknown,
    PackageDimensions,
    PackageWeight,
    QuotaTimeout,
    RequestThrottled,
    RetryPolicy,
    ServiceUnavailable,
    SpApiClient,
    UnreadableResponse,
)
from amazon_ae._transport.pacing import Pacer
from amazon_ae.testing import FakeSpApi, SpApiFault, VirtualClock, make_item, make_order

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)
LWA = "requestAccessToken"
BOX = PackageDimensions(Decimal(30), Decimal(20), Decimal(10))


class Shop:
    """A fake, a clock that runs by itself, and clients."""

    def __init__(self, http: httpx.AsyncClient, fake: FakeSpApi, clock: VirtualClock) -> None:
        self.http, self.fake, self.clock = http, fake, clock
        self.pacer = Pacer(clock)

    def client(self, **options: Any) -> SpApiClient:
        defaults: dict[str, Any] = {"http": self.http, "clock": self.clock, "random": lambda: 0.0, "pacer": self.pacer}
        return SpApiClient(
            options.pop("credentials", self.fake.credentials), self.fake.marketplace, **defaults | options
        )


@asynccontextmanager
async def open_shop(**options: Any) -> AsyncIterator[Shop]:
    clock = VirtualClock(NOW)
    fake = FakeSpApi(clock=clock, **options)
    fake.add_sku("SKU-1")
    async with httpx.AsyncClient(transport=fake) as http:
        yield Shop(http, fake, clock)


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with open_shop() as shop:
        yield shop


async def test_a_patch_makes_the_quantity_live(shop: Shop) -> None:
    """With one token for all calls."""
    client = shop.client()
    for quantity in (7, 8):
        found = await client.listings.patch_stock(InventoryUpdate("SKU-1", quantity))
        assert (found.status, found.sku, bool(found.submission_id)) == ("ACCEPTED", "SKU-1", True)
    assert (await client.listings.get("SKU-1")).quantities == {"DEFAULT": 8}
    assert shop.fake.count(LWA) == 1
    assert found.meta.request_id


async def test_calls_at_the_same_time_share_one_exchange(shop: Shop) -> None:
    """And each gets the token."""
    client = shop.client()
    await asyncio.gather(*(client.listings.get("SKU-1") for _ in range(5)))
    assert shop.fake.count(LWA) == 1


async def test_a_call_that_comes_when_the_last_one_gave_up_begins_an_exchange_of_its_own(shop: Shop) -> None:
    """The cancelled exchange takes a moment to end, and no other call is cancelled with it."""
    client = shop.client()
    shop.fake.fail(LWA, SpApiFault.SLOW, seconds=20)
    first = asyncio.ensure_future(client.listings.get("SKU-1"))
    await shop.clock.sleep(1)
    first.cancel()
    await asyncio.sleep(0)  # the first has given up, and its exchange has not ended yet
    assert (await client.listings.get("SKU-1")).sku == "SKU-1"
    assert first.cancelled()


async def test_a_token_is_renewed_before_it_ends(shop: Shop) -> None:
    """No call meets an expired one."""
    client = shop.client()
    await client.listings.get("SKU-1")
    await shop.clock.sleep(3541)
    await client.listings.get("SKU-1")
    assert shop.fake.count(LWA) == 2
    assert {seen.status for seen in shop.fake.requests} == {200}


async def test_a_refused_token_is_replaced_once(shop: Shop) -> None:
    """Also for many calls at once: one exchange."""
    client = shop.client()
    await client.listings.get("SKU-1")
    shop.fake.expire_tokens()
    await asyncio.gather(*(client.listings.get("SKU-1") for _ in range(4)))
    assert shop.fake.count(LWA) == 2


async def test_a_missing_role_costs_one_renewal_and_says_so(shop: Shop) -> None:
    """A new token opens no more than the old one."""
    client = shop.client()
    shop.fake.roles.discard("Product Listing")
    for _ in range(3):
        with pytest.raises(AccessDenied, match="has the operation's role"):
            await client.listings.get("SKU-1")
    assert shop.fake.count("getListingsItem") == 6
    assert shop.fake.count(LWA) <= 3


async def test_a_withdrawn_authorisation_is_told_as_such(shop: Shop) -> None:
    """The message says who acts."""
    client = shop.client()
    shop.fake.revoke(shop.fake.credentials)
    with pytest.raises(AccessDenied, match="authorise again"):
        await client.listings.get("SKU-1")


async def test_an_exchange_takes_no_longer_than_the_call_may(shop: Shop) -> None:
    """And leaves nothing running."""
    client = shop.client()
    shop.fake.fail(LWA, SpApiFault.UNAVAILABLE, times=None)
    begin = shop.clock.now()
    with pytest.raises(NotSent, match="before the call's deadline"):
        await client.feeds.create("JSON_LISTINGS_FEED", "doc", deadline=timedelta(seconds=10))
    assert shop.clock.now() - begin < timedelta(seconds=11)
    assert shop.fake.count("createFeed") == 0


async def test_a_write_that_got_no_token_is_not_unanswered(shop: Shop) -> None:
    """It never left."""
    client = shop.client(retries=RetryPolicy(delays_seconds=(1.0,)))
    shop.fake.fail(LWA, SpApiFault.UNAVAILABLE, times=None)
    with pytest.raises(NotSent, match="Login with Amazon"):
        await client.feeds.create("JSON_LISTINGS_FEED", "doc")
    assert shop.fake.count("createFeed") == 0


@pytest.mark.parametrize("fault", [SpApiFault.INTERNAL_ERROR, SpApiFault.HTML_ERROR, SpApiFault.ANSWER_LOST])
async def test_an_exchange_is_repeated_after_a_passing_fault(shop: Shop, fault: SpApiFault) -> None:
    """As every read."""
    shop.fake.fail(LWA, fault, times=2)
    assert (await shop.client().listings.get("SKU-1")).sku == "SKU-1"


@pytest.mark.parametrize(
    "fault",
    [
        SpApiFault.INTERNAL_ERROR,
        SpApiFault.NULL_MESSAGE,
        SpApiFault.HTML_ERROR,
        SpApiFault.ANSWER_LOST,
        SpApiFault.EMPTY,
        SpApiFault.TRUNCATED,
        SpApiFault.HTML_PAGE,
    ],
)
async def test_a_feed_is_never_sent_twice(shop: Shop, fault: SpApiFault) -> None:
    """Whatever became of the answer."""
    client = shop.client()
    shop.fake.fail("createFeed", fault, times=None)
    with pytest.raises(OutcomeUnknown, match="createFeed"):
        await client.feeds.submit("JSON_LISTINGS_FEED", b"{}")
    assert shop.fake.count("createFeed") == 1


@pytest.mark.parametrize("fault", [SpApiFault.INTERNAL_ERROR, SpApiFault.ANSWER_LOST, SpApiFault.TRUNCATED])
async def test_an_absolute_quantity_is_sent_again(shop: Shop, fault: SpApiFault) -> None:
    """Twice the same is the same."""
    shop.fake.fail("patchListingsItem", fault, times=2)
    assert (await shop.client().listings.patch_stock(InventoryUpdate("SKU-1", 3))).status == "ACCEPTED"
    assert shop.fake.count("patchListingsItem") == 3


@pytest.mark.parametrize("operation", ["uploadDocument", "createFeedDocument"])
async def test_the_steps_before_a_feed_are_repeated(shop: Shop, operation: str) -> None:
    """They make nothing that counts."""
    shop.fake.fail(operation, SpApiFault.ANSWER_LOST, times=2)
    feed = await shop.client().feeds.submit("JSON_LISTINGS_FEED", b'{"messages": []}')
    assert shop.fake.feeds[0].feed_id == feed.feed_id
    assert shop.fake.feeds[0].body == b'{"messages": []}'


async def test_a_store_that_stays_away_means_no_feed(shop: Shop) -> None:
    """So nothing is unknown."""
    shop.fake.fail("uploadDocument", SpApiFault.ANSWER_LOST, times=None)
    with pytest.raises(ServiceUnavailable):
        await shop.client().feeds.submit("JSON_LISTINGS_FEED", b"{}")
    assert shop.fake.feeds == []


async def test_no_call_is_throttled_and_a_stated_rate_is_adopted(shop: Shop) -> None:
    """Downwards and upwards, by every client that shares the pacer."""
    one, two = shop.client(), shop.client()
    for rate in (2.0, 20.0):
        await shop.clock.sleep(10)
        shop.fake.set_rate("getListingsItem", rate)
        await one.listings.get("SKU-1")
        await shop.clock.sleep(10)
        begin = shop.clock.now()
        await asyncio.gather(*(client.listings.get("SKU-1") for client in (one, two) for _ in range(15)))
        seconds = (shop.clock.now() - begin).total_seconds()
        assert seconds == pytest.approx(25 / rate, abs=0.5)
    assert not [seen for seen in shop.fake.requests if seen.status == 429]
    assert two.restore_seconds("getListingsItem") == pytest.approx(1 / 20)


async def test_a_throttle_is_waited_for_with_one_restore_interval(shop: Shop) -> None:
    """Another program of the same application has emptied the bucket."""
    shop.fake.spend("patchListingsItem", 5)
    begin = shop.clock.now()
    assert (await shop.client().listings.patch_stock(InventoryUpdate("SKU-1", 1))).status == "ACCEPTED"
    assert timedelta(seconds=0.1) < shop.clock.now() - begin < timedelta(seconds=1)


async def test_a_call_that_must_not_wait_raises_at_once(shop: Shop) -> None:
    """With the instant at which it may leave."""
    client = shop.client()
    shop.fake.spend("getListingsItem", 5)
    with pytest.raises(RequestThrottled) as caught:
        await client.listings.get("SKU-1", wait=False)
    assert caught.value.retry_at is not None
    with pytest.raises(QuotaTimeout):
        await client.listings.get("SKU-1", wait=False)


async def test_a_feed_goes_up_and_its_report_comes_down(shop: Shop) -> None:
    """All six operations."""
    client = shop.client()
    message = {"messageId": 1, "sku": "SKU-1", "operationType": "PATCH", "productType": "PRODUCT", "patches": []}
    body = {"header": {"sellerId": "A1SANDBOXSELLER", "version": "2.0"}, "messages": [message]}
    made = await client.feeds.submit("JSON_LISTINGS_FEED", json.dumps(body).encode())
    assert (await client.feeds.get(made.feed_id)).final is False
    await shop.clock.sleep(1)
    with pytest.raises(InvalidRequest):
        await client.feeds.cancel(made.feed_id)
    await shop.clock.sleep(120)
    listed = [feed async for feed in client.feeds.list(["JSON_LISTINGS_FEED"], created_since=NOW)]
    assert [(feed.feed_id, feed.processing_status) for feed in listed] == [(made.feed_id, "DONE")]
    report = json.loads(await client.feeds.download(listed[0].result_document_id or ""))
    assert report["header"]["feedId"] == made.feed_id


def recent_orders() -> list[Order]:
    return [make_order(f"404-0000000-000000{n}", purchased_at=NOW - timedelta(hours=n)) for n in (1, 2, 3)]


async def test_orders_come_with_their_items(shop: Shop) -> None:
    """Page by page, and one by one; an unknown one is none."""
    orders = recent_orders()
    for order in orders:
        shop.fake.add_order(order, [make_item()])
    client = shop.client()
    pages = [
        page
        async for page in client.orders.search(
            last_updated_after=NOW - timedelta(days=1),
            statuses=("Unshipped", "PartiallyShipped"),
            max_results_per_page=2,
        )
    ]
    found = {order.amazon_order_id: order for page in pages for order in page.orders}
    assert len(pages) == 2
    assert set(found) == {order.amazon_order_id for order in orders}
    assert all(order.items and order.programs == ("AMAZON_EASY_SHIP",) for order in found.values())
    assert pages[0].complete_until is not None
    one = await client.orders.get(orders[0].amazon_order_id)
    assert one is not None
    assert one.order_status == "Unshipped"
    assert await client.orders.get("404-9999999-9999999") is None


async def test_a_search_goes_on_behind_a_page(shop: Shop) -> None:
    """Also in another process."""
    for order in recent_orders():
        shop.fake.add_order(order, [make_item()])
    client = shop.client()
    window: dict[str, Any] = {
        "last_updated_after": NOW - timedelta(days=1),
        "last_updated_before": NOW - timedelta(minutes=5),
    }
    first = await anext(client.orders.search(**window, max_results_per_page=1))
    rest = [page async for page in client.orders.search(**window, max_results_per_page=1, position=first.position)]
    ids = [order.amazon_order_id for page in (first, *rest) for order in page.orders]
    assert len(ids) == len(set(ids)) == 3


async def test_a_pickup_is_listed_booked_looked_up_and_moved(shop: Shop) -> None:
    """And never withdrawn."""
    order = make_order()
    shop.fake.add_order(order, [make_item()])
    client, order_id = shop.client(), order.amazon_order_id
    slots = await client.easy_ship.list_handover_slots(order_id, dimensions=BOX, weight=PackageWeight(Decimal(750)))
    package = await client.easy_ship.create_scheduled_package(order_id, slots.slots[0], package_identifier="PACK-7")
    assert (package.amazon_order_id, package.package_identifier) == (order_id, "PACK-7")
    (moved,) = await client.easy_ship.update_scheduled_packages({order_id: slots.slots[1]})
    assert moved.package_pickup_slot is not None
    assert moved.package_pickup_slot.slot_id == slots.slots[1].slot_id
    assert (await client.easy_ship.get_scheduled_package(order_id)).package_id == package.package_id
    with pytest.raises(NotSupported, match="reschedule"):
        await client.easy_ship.cancel(order_id)


@pytest.mark.parametrize(("box", "grams"), [(BOX, "10"), (attrs.evolve(BOX, height=Decimal("0.001")), "750")])
async def test_a_parcel_that_amazon_cannot_take_is_refused_before_a_call(
    shop: Shop, box: PackageDimensions, grams: str
) -> None:
    """Nothing is sent."""
    with pytest.raises(ConfigurationError):
        await shop.client().easy_ship.list_handover_slots(
            "404-1234567-1234567", dimensions=box, weight=PackageWeight(Decimal(grams))
        )
    assert not shop.fake.requests


async def test_the_account_says_where_it_sells(shop: Shop) -> None:
    """The first question of every check."""
    assert (await shop.client().sellers.participations()).participates(shop.fake.marketplace.marketplace_id)


async def test_any_other_operation_can_be_called(shop: Shop) -> None:
    """By its name, or by method and path."""
    client = shop.client()
    found = await client.call(
        "getListingsItem",
        fields={"sellerId": "A1SANDBOXSELLER", "sku": "SKU-1"},
        query={"marketplaceIds": ["A2VIGQ35RCS4UG"]},
    )
    assert found["sku"] == "SKU-1"
    with pytest.raises(AccessDenied):
        await client.call("GET /catalog/2022-04-01/items/{asin}", fields={"asin": "B0/1"})
    assert shop.fake.requests[-1].path.endswith("/items/B0%2F1")


async def test_the_secrets_end_is_announced_once_a_day(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """Before Amazon refuses everything."""
    credentials = attrs.evolve(shop.fake.credentials, rotate_by=date(2026, 12, 1))
    client = shop.client(credentials=credentials)
    with caplog.at_level(logging.WARNING):
        await client.listings.get("SKU-1")
        shop.fake.expire_tokens()
        await client.listings.get("SKU-1")
    assert [record.message for record in caplog.records if "client secret ends in 3 days" in record.message]
    assert len(caplog.records) == 1


Act = Callable[[SpApiClient], Any]
ACTS: dict[str, Act] = {
    "getListingsItem": lambda client: client.listings.get("SKU-1"),
    "createFeed": lambda client: client.feeds.submit("JSON_LISTINGS_FEED", b"{}"),
    "uploadDocument": lambda client: client.feeds.submit("JSON_LISTINGS_FEED", b"{}"),
    "createFeedDocument": lambda client: client.feeds.submit("JSON_LISTINGS_FEED", b"{}"),
    LWA: lambda client: client.listings.get("SKU-1"),
}


@pytest.mark.parametrize("operation", ACTS)
@pytest.mark.parametrize(
    "fault",
    [
        SpApiFault.INTERNAL_ERROR,
        SpApiFault.UNAUTHORIZED,
        SpApiFault.HTML_PAGE,
        SpApiFault.EMPTY,
        SpApiFault.TRUNCATED,
        SpApiFault.NOT_REACHED,
        SpApiFault.ANSWER_LOST,
    ],
)
async def test_no_token_secret_or_signed_url_leaks(
    operation: str, fault: SpApiFault, caplog: pytest.LogCaptureFixture
) -> None:
    """Not into logs, errors, records or the locals of a traceback, whatever goes wrong."""
    records: list[object] = []
    async with open_shop() as shop:
        client = shop.client(retries=RetryPolicy(delays_seconds=()), on_request=records.append)
        shop.fake.fail(operation, fault, times=None)
        texts = []
        with caplog.at_level(logging.DEBUG):
            try:
                await asyncio.wait_for(ACTS[operation](client), 60)
            except Exception as error:
                shown = traceback.TracebackException.from_exception(error, capture_locals=True)
                texts.append("".join(shown.format()))
        credentials = shop.fake.credentials
        texts += [caplog.text, repr(records), repr(client), str(vars(client))]
    everything = "\n".join(texts)
    for secret in (credentials.client_secret, credentials.refresh_token, "Atza|", "X-Amz-Signature", "X-Amz-Date="):
        assert secret not in everything, secret


@pytest.mark.parametrize("options", [{"credentials": "me"}, {"http": httpx.Client()}, {"app_name": ""}])
async def test_what_cannot_work_is_refused_in_the_constructor(shop: Shop, options: dict[str, Any]) -> None:
    """Before the first call."""
    if options.get("app_name") == "":
        options = {"app_name": "Wäre"}
    with pytest.raises(ConfigurationError):
        shop.client(**options)


async def test_a_truncated_list_of_feeds_is_unreadable(shop: Shop) -> None:
    """After the retries."""
    shop.fake.fail("getFeeds", SpApiFault.HTML_PAGE, times=None)
    with pytest.raises(UnreadableResponse, match="HTML page"):
        _ = [feed async for feed in shop.client().feeds.list(["JSON_LISTINGS_FEED"])]
