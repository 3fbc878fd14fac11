"""What a host writes against the MWS client; checked by mypy and pyright, never run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import assert_type

import httpx

from amazon_ae import (
    AE,
    MWS_THROTTLES,
    Address,
    Clock,
    Download,
    FeedCancellation,
    FeedSubmission,
    Money,
    MwsClient,
    MwsCredentials,
    Order,
    OrderItem,
    OrderPage,
    OutcomeUnknown,
    Pacer,
    PackageDimensions,
    PackageWeight,
    Page,
    PickupSlot,
    PickupSlots,
    QuotaRule,
    QuotaSeen,
    QuotaTimeout,
    ReportInfo,
    ReportRequest,
    RequestRecord,
    ResponseMeta,
    RetryPolicy,
    ScheduledPackage,
    SellerParticipations,
    ServiceStatus,
    Throttle,
    mws_throttles,
)
from amazon_ae._mws.feeds import XML


def record(request: RequestRecord) -> None:
    """A host's own record of requests."""
    assert_type(request.meta, ResponseMeta)
    assert_type(request.meta.quota, QuotaSeen | None)
    print(request.at, request.operation, request.status, request.code, request.meta.request_id)


def connect(credentials: MwsCredentials, http: httpx.AsyncClient, clock: Clock) -> MwsClient:
    """Every option once."""
    return MwsClient(
        credentials,
        AE,
        http=http,
        clock=clock,
        app_name="Warehouse",
        app_version="1.4",
        pacer=Pacer(clock),
        throttles=mws_throttles((*MWS_THROTTLES, Throttle(("Products/GetA",), 20, 1, source="measured"))),
        retries=RetryPolicy(delays_seconds=(0, 1), jitter=0.5),
        random=lambda: 0.5,
        max_wait=timedelta(minutes=5),
        max_exchange=timedelta(minutes=1),
        max_body_bytes=10_000_000,
        thread_bytes=100_000,
        on_request=record,
    )


async def read_orders(client: MwsClient) -> None:
    """Orders, pages, items, one and many."""
    since = datetime.now(UTC) - timedelta(days=1)
    listing = client.orders.list(last_updated_after=since, order_statuses=["Unshipped", "PartiallyShipped"])
    async for order in listing:
        assert_type(order, Order)
        assert_type(order.order_total, Money | None)
        assert_type(order.shipping_address, Address | None)
        assert_type(order.purchase_date, datetime | None)
        for item in await client.orders.items(order.amazon_order_id, deadline=since):
            assert_type(item, OrderItem)
            assert_type(item.quantity_ordered, int)
            assert_type(item.unit_price, Money | None)
    async for page in listing.pages(position=None):
        assert_type(page, OrderPage)
        assert_type(page.complete_until, datetime | None)
        assert_type(page.position, str | None)
    assert_type(await client.orders.get("403-1234567-7654321"), Order | None)
    assert_type(await client.orders.get_many(["403-1234567-7654321"], wait=False), tuple[Order, ...])
    assert_type(await client.orders.service_status(), ServiceStatus)


async def send_a_feed(client: MwsClient, body: bytes) -> None:
    """Submit, follow, read the result."""
    assert_type(client.feeds.submit_quota, QuotaRule)
    try:
        feed = await client.feeds.submit("_POST_INVENTORY_AVAILABILITY_DATA_", body, content_type=XML, wait=False)
    except QuotaTimeout as error:
        assert_type(error.retry_at, datetime | None)
        return
    except OutcomeUnknown:
        async for feed in client.feeds.list(feed_types=["_POST_INVENTORY_AVAILABILITY_DATA_"]):
            assert_type(feed, FeedSubmission)
        return
    assert_type(feed, FeedSubmission)
    async for page in client.feeds.list(feed_submission_ids=[feed.feed_submission_id]).pages():
        assert_type(page, Page[FeedSubmission])
    assert_type(await client.feeds.result(feed.feed_submission_id), bytes)
    assert_type(await client.feeds.download_result(feed.feed_submission_id), Download)
    assert_type(await client.feeds.count(), int)
    assert_type(await client.feeds.cancel([feed.feed_submission_id]), FeedCancellation)


async def book_a_pickup(client: MwsClient, order_id: str) -> None:
    """Slots, booking, moving."""
    dimensions = PackageDimensions(Decimal(30), Decimal(20), Decimal(10))
    weight = PackageWeight(Decimal(500))
    slots = await client.easy_ship.list_pickup_slots(order_id, dimensions=dimensions, weight=weight)
    assert_type(slots, PickupSlots)
    slot = slots.earliest(not_before=datetime.now(UTC))
    assert_type(slot, PickupSlot | None)
    if slot is not None:
        package = await client.easy_ship.create_scheduled_package(order_id, slot)
        assert_type(package, ScheduledPackage)
        assert_type(
            await client.easy_ship.update_scheduled_packages(order_id, package.package_id or "", slot.slot_id),
            tuple[ScheduledPackage, ...],
        )


async def the_rest(client: MwsClient, ids: Sequence[str]) -> None:
    """Sellers, reports, and any other operation."""
    assert_type(await client.sellers.participations(), SellerParticipations)
    assert_type(await client.reports.request("_GET_EASYSHIP_PICKEDUP_"), ReportRequest)
    assert_type(await client.reports.requests(report_request_ids=ids).all(), tuple[ReportRequest, ...])
    assert_type(await client.reports.list().all(), tuple[ReportInfo, ...])
    assert_type(await client.reports.get("1"), Download)
    answer = await client.call("Products/2011-10-01", "GetMatchingProduct", {"ASINList.ASIN": list(ids), "Deep": True})
    print(answer.get("Product"))
