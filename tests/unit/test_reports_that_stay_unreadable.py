"""A processing report that nobody can read: what was sent is not sent without end, on either backend."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import httpx
import pytest
from shop_support import INVENTORY, PICKUP, Shop

from amazon_ae import (
    FeedScheduler,
    InventoryBuffer,
    ItemState,
    MemoryStorage,
    MwsClient,
    MwsGateway,
    PickupUnknown,
    SchedulePickupFeed,
    SpApiClient,
    SpApiGateway,
    StockRouting,
)
from amazon_ae.testing import FakeSpApi, VirtualClock

Answer = Callable[[bytes], bytes | httpx.Response]
HOUR = 3600.0


class Spoiler(httpx.AsyncBaseTransport):
    """Amazon, whose reports arrive as ``answer`` makes them."""

    def __init__(
        self, inner: httpx.AsyncBaseTransport, is_report: Callable[[httpx.Request], bool], answer: Answer
    ) -> None:
        self._inner, self._is_report, self._answer = inner, is_report, answer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        if not self._is_report(request):
            return response
        found = self._answer(await response.aread())
        return httpx.Response(200, content=found) if isinstance(found, bytes) else found


def whole(request: httpx.Request) -> bytes:
    """Parameters, wherever they stand."""
    return request.url.query + request.content


class Spoiled(Shop):
    """A shop whose reports are spoiled."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        reports = Spoiler(self.fake, lambda request: b"GetFeedSubmissionResult" in whole(request), answer)
        self.http = httpx.AsyncClient(transport=reports)
        self.client = MwsClient(self.fake.credentials, self.fake.marketplace, http=self.http, clock=self.clock)
        route = SchedulePickupFeed(feed_type=self.fake.pickup_feed_type)
        self.gateway = MwsGateway(self.client, pickup_route=route)


def refused(code: str) -> httpx.Response:
    body = f"<ErrorResponse><Error><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"
    return httpx.Response(400, content=body.encode())


@pytest.mark.parametrize(
    "answer",
    [
        lambda body: body[:-30],
        lambda body: b"<!DOCTYPE html><html></html>",
        lambda body: b"",
        lambda body: b"junk",
        lambda body: b"<FooResponse/>",
        lambda body: re.sub(rb"<DocumentTransactionID>\d+", b"<DocumentTransactionID>9", body),
        lambda body: httpx.Response(200, content=body, headers={"content-md5": "AAAA"}),
        lambda body: httpx.Response(404, content=b"<html>"),
        lambda body: refused("FeedProcessingResultNoLongerAvailable"),
    ],
    ids=["cut", "page", "empty", "junk", "another root", "another feed's", "wrong MD5", "404", "gone"],
)
async def test_stock_becomes_a_dead_letter_and_a_pickup_a_persons(answer: Answer) -> None:
    """Six feeds at most; never eleven in three hours, without end."""
    shop = Spoiled(answer)
    (order_id,) = shop.orders(1)
    async with shop.open() as scheduler:
        await shop.stock("A", 0)
        pickup = asyncio.ensure_future(scheduler.schedule_pickup(order_id))
        await shop.clock.sleep(12 * HOUR)
        ended = await asyncio.gather(pickup, return_exceptions=True)
    item = await shop.storage.item(shop.gateway.account, INVENTORY, "A")
    assert item is not None
    assert (item.state, item.code) == (ItemState.REJECTED, "ReportUnreadable")
    assert len(shop.submitted()) <= 7
    # Where only XML reports are spoiled, the pickup's flat file was read.
    stored = await shop.storage.item(shop.gateway.account, PICKUP, order_id)
    assert stored is not None
    assert isinstance(ended[0], PickupUnknown) == (stored.state is ItemState.UNKNOWN)
    assert stored.state in (ItemState.UNKNOWN, ItemState.ACCEPTED)


@pytest.mark.parametrize(
    "answer", [lambda body: httpx.Response(500, content=b"x"), lambda body: refused("FeedProcessingResultNotReady")]
)
async def test_stock_waits_two_hours_at_most_for_a_report_that_amazon_fails_to_give(answer: Answer) -> None:
    """As it does for a feed that does not end."""
    shop = Spoiled(answer)
    async with shop.open():
        await shop.stock("A", 0)
        await shop.clock.sleep(2.5 * HOUR)
    assert len(shop.submitted()) == 2


async def test_one_row_that_nobody_can_read_costs_only_its_item() -> None:
    """The others have their outcome by the summary."""
    row = "<Result><MessageID>2</MessageID><ResultCode>Error</ResultCode><b></Result>"
    shop = Spoiled(lambda body: body.replace(b"<ProcessingSummary>", row.encode() + b"<ProcessingSummary>"))
    async with shop.open():
        for sku in "ABC":
            await shop.stock(sku, 0)
        await shop.clock.sleep(HOUR)
    items = [await shop.storage.item(shop.gateway.account, INVENTORY, sku) for sku in "ABC"]
    assert [str(item and item.state) for item in items] == ["accepted", "rejected", "accepted"]
    assert "cannot be read" in (items[1].message if items[1] else "")


@pytest.mark.parametrize(
    "answer", [lambda body: body[:-5], lambda body: b"<html>", lambda body: b"", lambda body: b"7"]
)
async def test_stock_of_unreadable_feeds_goes_by_patch(answer: Answer) -> None:
    """The Selling Partner API has another way: two feeds, then a request for each SKU."""
    clock = VirtualClock()
    fake = FakeSpApi(clock=clock)
    reports = Spoiler(fake, lambda request: request.method == "GET" and b"X-Amz-" in request.url.query, answer)
    http = httpx.AsyncClient(transport=reports)
    async with http, SpApiClient(fake.credentials, http=http, clock=clock) as client:
        gateway, storage = SpApiGateway(client, stock=StockRouting(feed_from=0)), MemoryStorage(clock=clock)
        buffer = InventoryBuffer(storage, gateway.account)
        async with FeedScheduler(storage, gateway, clock=clock):
            for sku in "ABC":
                fake.add_sku(sku)
                await buffer.put(sku, 5)
            await clock.sleep(3 * HOUR)
    assert (fake.count("createFeed"), fake.count("patchListingsItem")) == (2, 3)
    assert [str(status and status.state) for status in [await buffer.status(sku) for sku in "ABC"]] == ["accepted"] * 3
