"""``SpApiGateway``: routes of stock, outcomes item by item, feeds and their ends, orders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Literal

import httpx
import pytest
from spapi_gateway_support import NOW, Shop, add_orders, kinds, open_shop, stock_batch

from amazon_ae import (
    AccessDenied,
    ConfigurationError,
    InventoryUpdate,
    ItemKind,
    ItemOutcome,
    NotSent,
    Outcome,
    OutcomeUnknown,
    ServiceUnavailable,
    SpApiGateway,
    StockRouting,
    UnreadableResponse,
)
from amazon_ae._models.feeds import FeedBatch, FeedState
from amazon_ae.testing import FakeSpApi, SpApiFault


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with open_shop() as shop:
        yield shop


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
