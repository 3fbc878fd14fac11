"""``MwsGateway``: batches, outcomes and orders in business words, over an ``MwsClient``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Final

from amazon_ae._exceptions import ConfigurationError, InvalidRequest, UnreadableResponse
from amazon_ae._models.checks import listed
from amazon_ae._models.feeds import (
    BatchTerms,
    FeedBatch,
    FeedReceipt,
    FeedReport,
    FeedState,
    FeedStatus,
    ItemKind,
    ItemOutcome,
    Outcome,
)
from amazon_ae._models.orders import Order, OrderItem, OrderPage
from amazon_ae._models.refusals import RetryBudget
from amazon_ae._models.submissions import FeedSubmission
from amazon_ae._models.text import ORDER_ID
from amazon_ae._mws.client import MwsClient
from amazon_ae._mws.feed_bodies import ADVISED_RECORDS, inventory_feed
from amazon_ae._mws.feeds import XML, gather_feed
from amazon_ae._mws.processing_reports import outcome_steps
from amazon_ae._mws.report_parsing import ProcessingReport, report_steps
from amazon_ae._ports import PickupRoute
from amazon_ae._transport.slicing import in_slices

__all__ = ["FEED_ROUTE", "INVENTORY_FEED", "MwsGateway", "fetch_report", "receipt_of"]

#: ``BatchTerms.route`` of everything that goes by SubmitFeed.
FEED_ROUTE: Final = "mws:feed"

#: FeedType of Inventory.xsd (Feeds API reference, "FeedType enumeration").
INVENTORY_FEED: Final = "_POST_INVENTORY_AVAILABILITY_DATA_"

# Feeds API reference, "FeedProcessingStatus enumeration"; what is not here, known or new, is still being processed.
_STATES: Final = {
    "_DONE_": FeedState.DONE,
    "_CANCELLED_": FeedState.CANCELLED,
    "_IN_SAFETY_NET_": FeedState.HELD,
}
_MOST_IDS: Final = 100  # GetFeedSubmissionList: FeedSubmissionIdList
# ListOrders gives one request back per 60 s (Orders API reference, "Throttling"); other callers need some of them.
_POLL_ORDERS_SECONDS: Final = 120.0

_NO_ROUTE: Final = (
    "this gateway has no pickup route: give MwsGateway(pickup_route=...) a SchedulePickupFeed(feed_type=...), "
    "or EasyShipPickup() where Amazon offers the Easy Ship operations"
)


class MwsGateway:
    """Amazon MWS for the scheduler and ``OrderSync``: a ``FeedGateway`` and an ``OrderGateway``.

    Feeds are submitted at once and unpaced: the caller keeps the quota that ``terms`` names.

    Args:
        client: not closed by this object.
        pickup_route: how pickups reach Amazon; ``None`` where this program schedules none.
        fulfillment_channels: ``("MFN",)`` leaves out orders that Amazon's own warehouses ship; empty is all.
        max_inventory_records: the most stock updates in one feed; Amazon advises up to 30,000.
        max_report_retries: how often in a row a stock update is sent again because its report named a passing fault of
            Amazon's or left its outcome open; then it is a dead letter. Counted per process.
    """

    def __init__(
        self,
        client: MwsClient,
        *,
        pickup_route: PickupRoute[MwsClient] | None = None,
        fulfillment_channels: Collection[str] = (),
        max_inventory_records: int = ADVISED_RECORDS,
        max_report_retries: int = 5,
    ) -> None:
        if max_inventory_records < 1:
            raise ConfigurationError(f"max_inventory_records must be >= 1, not {max_inventory_records}")
        self._client = client
        self._route = pickup_route
        self._channels = listed("fulfillment_channels", fulfillment_channels)
        self._max_inventory_records = max_inventory_records
        self._retry_budget = RetryBudget(max_report_retries)

    @property
    def account(self) -> str:
        """``"<seller id>/<marketplace code>"``."""
        return self._client.account

    @property
    def routes(self) -> frozenset[str]:
        """``"mws:feed"``, and the pickup route's own."""
        return frozenset({FEED_ROUTE} if self._route is None else {FEED_ROUTE, self._route.route})

    def terms(self, kind: ItemKind, waiting: int, *, urgent: bool = False) -> BatchTerms:
        """All feed types share SubmitFeed's quota; a pickup route without feeds has none. The number of waiting items
        changes nothing.

        Raises:
            ConfigurationError: pickups, and this gateway has no route for them; the message names both routes.
        """
        submit_feed = self._client.feeds.submit_quota
        if kind is ItemKind.INVENTORY:
            # Urgent stock may leave while a stock feed is being processed; one SKU is never in two feeds.
            return BatchTerms(
                route=FEED_ROUTE, quota=submit_feed, max_items=self._max_inventory_records, exclusive=not urgent
            )
        route = self._pickups()
        return BatchTerms(
            route=route.route,
            quota=route.quota(submit_feed),
            max_items=route.max_pickups,
            exclusive=False,
            answers_by_item=route.feed_type is None,
        )

    async def submit(
        self, batch: FeedBatch, *, settle: Callable[[Sequence[ItemOutcome]], Awaitable[None]] | None = None
    ) -> FeedReceipt:
        """Send one batch, once; see ``ports.FeedGateway.submit``."""
        if batch.route and batch.route not in self.routes:
            raise ConfigurationError(f"batch {batch.batch_id} goes by {batch.route}, not by MWS")
        numbers = [item.message_id for item in batch.items]
        if not numbers or numbers != list(range(1, len(numbers) + 1)):
            raise ConfigurationError("a batch holds at least one item, and message ids that count from 1")
        if batch.kind is ItemKind.PICKUP:
            return await self._pickups().submit(self._client, batch, settle=settle)
        updates = inventory_feed(
            self._client.credentials.seller_id, batch.updates(), max_records=self._max_inventory_records
        )
        body = await gather_feed(updates)
        return receipt_of(
            await self._client.feeds.submit(INVENTORY_FEED, body, content_type=XML, paced=False),
            self._client.clock.now(),
        )

    async def status(self, feed_ids: Sequence[str]) -> Sequence[FeedStatus]:
        """The status of feeds: one GetFeedSubmissionList per 100 ids; unknown ids are left out."""
        ids = list(dict.fromkeys(feed_ids))
        found: list[FeedStatus] = []
        for start in range(0, len(ids), _MOST_IDS):
            listing = self._client.feeds.list(feed_submission_ids=ids[start : start + _MOST_IDS])
            found += [self._status_of(feed) async for feed in listing]
        return found

    async def report(self, feed_id: str, batch: FeedBatch) -> FeedReport:
        """The report of a ``DONE`` feed; see ``ports.FeedGateway.report``."""
        if batch.kind is ItemKind.PICKUP:
            return await self._pickups().report(self._client, feed_id, batch)
        report = await fetch_report(self._client, feed_id)
        # Stock is absolute: sending it again is safe whatever Amazon has.
        outcomes = await in_slices(outcome_steps(report, batch.items, undecided=Outcome.RETRY))
        return FeedReport(outcomes=self._retry_budget.apply(outcomes), processed=report.processed)

    async def recent(self, kind: ItemKind, since: datetime) -> Sequence[FeedStatus]:
        """Every feed of this kind's type since ``since`` (whole seconds, by Amazon's clock), oldest first.

        Empty for a route without feeds: it reconciles its requests itself.
        """
        feed_type = INVENTORY_FEED if kind is ItemKind.INVENTORY else self._pickups().feed_type
        if feed_type is None:
            return ()
        # SubmittedDate has whole seconds: a feed of 09:00:00.9 is listed as of 09:00:00.
        listing = self._client.feeds.list(feed_types=(feed_type,), submitted_from=since.replace(microsecond=0))
        found = [self._status_of(feed) async for feed in listing]
        return sorted(found, key=lambda status: status.submitted_at or datetime.min.replace(tzinfo=UTC))

    @property
    def poll_seconds(self) -> float:
        """Seconds between two polls of ``orders``: half of the rate of ListOrders."""
        return _POLL_ORDERS_SECONDS

    async def orders(
        self, *, updated_after: datetime, updated_before: datetime | None = None, statuses: Collection[str] = ()
    ) -> AsyncIterator[OrderPage]:
        """Pages of up to 100 orders changed in the window; see ``ports.OrderGateway.orders``.

        Amazon takes ``Unshipped`` and ``PartiallyShipped`` together only.
        """
        listing = self._client.orders.list(
            last_updated_after=updated_after,
            last_updated_before=updated_before,
            order_statuses=tuple(statuses),
            fulfillment_channels=self._channels,
        )
        page: OrderPage | None = None
        try:
            async for page in listing.pages():
                yield page
        except InvalidRequest as error:
            if page is None:
                raise
            raise UnreadableResponse(f"ListOrders: a NextToken of Amazon's own was refused: {error.code}") from error

    async def items(self, order_id: str) -> Sequence[OrderItem]:
        """All items of one order."""
        return await self._client.orders.items(order_id)

    async def get(self, order_ids: Sequence[str]) -> Sequence[Order]:
        """Orders by channel order id, 50 a request; unknown ids are left out.

        So are ids that no Amazon order can have: one mistyped id must not hold up the others in its request.
        """
        return await self._client.orders.get_many([order_id for order_id in order_ids if ORDER_ID.fullmatch(order_id)])

    def _pickups(self) -> PickupRoute[MwsClient]:
        if self._route is None:
            raise ConfigurationError(_NO_ROUTE)
        return self._route

    def _status_of(self, feed: FeedSubmission) -> FeedStatus:
        kind = None
        if feed.feed_type == INVENTORY_FEED:
            kind = ItemKind.INVENTORY
        elif self._route is not None and feed.feed_type == self._route.feed_type:
            kind = ItemKind.PICKUP
        return FeedStatus(
            feed_id=feed.feed_submission_id,
            kind=kind,
            state=_STATES.get(feed.feed_processing_status, FeedState.PROCESSING),
            raw=feed.feed_processing_status,
            submitted_at=feed.submitted_date,
            completed_at=feed.completed_processing_date,
            started_at=feed.started_processing_date,
        )


def receipt_of(submission: FeedSubmission, now: datetime) -> FeedReceipt:
    """The receipt of a feed that Amazon accepted; ``now`` is used where the answer has no instant."""
    return FeedReceipt(
        feed_id=submission.feed_submission_id,
        submitted_at=submission.submitted_date or submission.meta.timestamp or now,
        quota=submission.meta.quota,
    )


async def fetch_report(client: MwsClient, feed_id: str, *, first_record: int = 1) -> ProcessingReport:
    """The processing report of one feed, read.

    Raises:
        AmazonError: ``retryable`` where it is not ready yet.
        UnreadableResponse: it is no processing report, or another feed's.
    """
    answer = await client.feeds.download_result(feed_id)
    _, _, charset = answer.content_type.partition("charset=")
    report = await in_slices(
        report_steps(answer.content, charset=charset.split(";")[0].strip(" \"'"), first_record=first_record)
    )
    if report.feed_id not in (None, feed_id):
        raise UnreadableResponse(f"the report of feed {feed_id} is that of feed {report.feed_id}", retryable=True)
    return report
