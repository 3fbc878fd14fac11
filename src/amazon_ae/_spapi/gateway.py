"""``SpApiGateway``: batches, outcomes and orders in business words, over an ``SpApiClient``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from datetime import date, datetime, time

import attrs

from amazon_ae._easy_ship.slots import other_day
from amazon_ae._exceptions import AmazonAeError, ConfigurationError, InvalidRequest, PickupRejected, UnreadableResponse
from amazon_ae._models.checks import listed
from amazon_ae._models.easy_ship import ScheduledPackage
from amazon_ae._models.feeds import (
    BatchTerms,
    FeedBatch,
    FeedReceipt,
    FeedReport,
    FeedStatus,
    ItemKind,
    ItemOutcome,
    Outcome,
    PickupRequest,
)
from amazon_ae._models.orders import Order, OrderItem, OrderPage
from amazon_ae._models.refusals import RetryBudget
from amazon_ae._models.text import ORDER_ID
from amazon_ae._spapi.bulk_pickups import EasyShipBulkPickup
from amazon_ae._spapi.client import SpApiClient
from amazon_ae._spapi.pickups import HandoverPickup
from amazon_ae._spapi.stock_feeds import StockFeeds, UnclearSkus, all_unclear
from amazon_ae._spapi.stock_outcomes import UNCLEAR
from amazon_ae._spapi.stock_patches import PatchBatch
from amazon_ae._spapi.stock_terms import (
    FEED_ROUTE,
    PATCH_ROUTE,
    StockRouting,
    feed_terms,
    patch_terms,
    takes_feed,
)
from amazon_ae._spapi.stock_values import StockFormat

__all__ = ["SpApiGateway"]

_PICKUP_ANSWER_SECONDS = 120.0
_MOST_UNREADABLE = 3
_PATCH = "patchListingsItem"


class SpApiGateway:
    """The Selling Partner API for the scheduler and ``OrderSync``: a ``FeedGateway`` and an ``OrderGateway``.

    Stock goes by two routes: single patches within seconds, always for stock gone to zero, and feeds for a resync; see
    ``StockRouting``. Orders come with their items.

    Args:
        client: not closed by this object.
        pickup_route: how pickups reach Amazon; see ``HandoverPickup``, which is the default, and
            ``EasyShipBulkPickup`` for marketplaces that offer only the bulk call.
        fulfilled_by: ``("MERCHANT",)`` leaves out orders that Amazon's own warehouses ship; empty is all.
        stock: when patches and when feeds carry stock.
        stock_format: how stock is written.
        max_report_retries: how often in a row a stock update is sent again because Amazon named a passing fault of its
            own or its answer could not be read; then it is a dead letter. Counted per process.
    """

    def __init__(
        self,
        client: SpApiClient,
        *,
        pickup_route: HandoverPickup | EasyShipBulkPickup | None = None,
        fulfilled_by: Collection[str] = (),
        stock: StockRouting | None = None,
        stock_format: StockFormat | None = None,
        max_report_retries: int = 5,
    ) -> None:
        self._client = client
        self._pickups: HandoverPickup | EasyShipBulkPickup = pickup_route or HandoverPickup()
        self._fulfilled_by = listed("fulfilled_by", fulfilled_by)
        self._routing = stock or StockRouting()
        self._form = stock_format or StockFormat()
        self._feeds = StockFeeds(client, self._form)
        self._unclear = UnclearSkus(self._routing.unclear_limit)
        self._unreadable_reports: dict[str, int] = {}
        self._retry_budget = RetryBudget(max_report_retries)
        # Beside SKUs that Amazon takes: an outage is not counted. Each time means minutes of attempts.
        self._fault_budget = RetryBudget(4 * max_report_retries)

    @property
    def account(self) -> str:
        """``"<seller id>/<marketplace code>"``, the same as of every other backend."""
        return self._client.account

    @property
    def client(self) -> SpApiClient:
        """The client."""
        return self._client

    @property
    def routes(self) -> frozenset[str]:
        """``"spapi:patch"``, ``"spapi:feed"`` and the pickup route's own."""
        return frozenset({PATCH_ROUTE, FEED_ROUTE, self._pickups.route})

    def terms(self, kind: ItemKind, waiting: int, *, urgent: bool = False) -> BatchTerms:
        """Patches, or a feed where more SKUs wait than patches carry in a minute; pickups at Easy Ship's own rate."""
        if kind is ItemKind.PICKUP:
            return BatchTerms(
                route=self._pickups.route,
                quota=self._pickups.block_quota(self._client),
                max_items=self._pickups.max_pickups,
                answer_seconds=_PICKUP_ANSWER_SECONDS,
                exclusive=False,
                answers_by_item=True,
            )
        owner = self._client.quota_owner
        stuck = self._feeds.is_stuck(self._routing.stuck_seconds)
        if takes_feed(waiting, self._routing, unclear=bool(self._unclear), stuck=stuck):
            return feed_terms(owner, self._client.restore_seconds("createFeed"), self._routing)
        restore, burst = self._client.restore_seconds(_PATCH), self._client.burst(_PATCH)
        return patch_terms(owner, restore, burst, self._routing, urgent=urgent)

    async def submit(
        self, batch: FeedBatch, *, settle: Callable[[Sequence[ItemOutcome]], Awaitable[None]] | None = None
    ) -> FeedReceipt:
        """Send one batch by its route, once; see ``FeedGateway.submit``."""
        if batch.route and batch.route not in self.routes:
            raise ConfigurationError(f"batch {batch.batch_id} goes by {batch.route}, not by the Selling Partner API")
        if not batch.items:
            raise ConfigurationError("a batch holds at least one item")
        if batch.kind is ItemKind.PICKUP:
            return await self._pickups.submit(self._client, batch, settle=settle)
        if batch.route == FEED_ROUTE:
            return await self._feeds.submit(batch)
        patches = PatchBatch(
            self._client.listings,
            self._form,
            self._noting(settle),
            budget=self._retry_budget,
            faults=self._fault_budget,
        )
        outcomes = await patches.perform(list(batch.updates()))
        self._unclear.note(outcomes)
        return FeedReceipt(feed_id=None, submitted_at=self._client.clock.now(), outcomes=outcomes)

    async def status(self, feed_ids: Sequence[str]) -> Sequence[FeedStatus]:
        """The status of feeds: one getFeed each (2 a second); unknown ids are left out.

        So are feeds whose status cannot be had, while it can for others: one must not hold up all.
        """
        ids = list(dict.fromkeys(feed_ids))
        found = await asyncio.gather(*(self._status(feed_id) for feed_id in ids), return_exceptions=True)
        failed = [each for each in found if isinstance(each, BaseException)]
        if failed and (len(failed) == len(ids) or not all(isinstance(each, AmazonAeError) for each in failed)):
            raise failed[0]
        return [status for status in found if isinstance(status, FeedStatus)]

    async def report(self, feed_id: str, batch: FeedBatch) -> FeedReport:
        """One outcome per item; see ``FeedGateway.report``."""
        if batch.kind is ItemKind.PICKUP:
            return await self._pickups.report(self._client, feed_id, batch)
        report = await self._stock_report(feed_id, batch)
        outcomes = tuple(
            outcome if outcome.code == UNCLEAR else self._retry_budget.apply([outcome])[0]
            for outcome in report.outcomes
        )
        self._unclear.note(outcomes)
        return attrs.evolve(report, outcomes=outcomes)

    async def _stock_report(self, feed_id: str, batch: FeedBatch) -> FeedReport:
        """A report that stays unreadable leaves all items unclear: patches say more."""
        try:
            report = await self._feeds.report(feed_id, batch)
        except UnreadableResponse as error:
            failures = self._unreadable_reports.pop(feed_id, 0) + 1
            if failures < _MOST_UNREADABLE:
                self._unreadable_reports[feed_id] = failures
                raise
            return FeedReport(outcomes=all_unclear(batch, str(error)))
        self._unreadable_reports.pop(feed_id, None)
        return report

    async def recent(self, kind: ItemKind, since: datetime) -> Sequence[FeedStatus]:
        """The stock feeds since ``since``, oldest first; none for pickups, which spend no feed."""
        return await self._feeds.recent(since) if kind is ItemKind.INVENTORY else ()

    # Orders

    @property
    def poll_seconds(self) -> float:
        """Seconds between two polls of ``orders``: the rate of searchOrders as Amazon stated it last."""
        return self._client.restore_seconds("searchOrders")

    async def orders(
        self, *, updated_after: datetime, updated_before: datetime | None = None, statuses: Collection[str] = ()
    ) -> AsyncIterator[OrderPage]:
        """Pages of up to 100 orders changed in the window, each order with its items."""
        page: OrderPage | None = None
        try:
            async for page in self._client.orders.search(
                last_updated_after=updated_after,
                last_updated_before=updated_before,
                statuses=tuple(statuses),
                fulfilled_by=self._fulfilled_by,
            ):
                yield page
        except InvalidRequest as error:
            if page is None:
                raise
            raise UnreadableResponse(f"searchOrders: a token of Amazon's own was refused: {error.code}") from error

    async def items(self, order_id: str) -> Sequence[OrderItem]:
        """All items of one order; orders include theirs, so this is rarely called."""
        order = await self._client.orders.get(order_id)
        if order is None or order.items is None:
            raise UnreadableResponse(f"getOrder: no items of order {order_id}, which has some")
        return order.items

    async def get(self, order_ids: Sequence[str]) -> Sequence[Order]:
        """Orders by channel order id, one request each; unknown ids and ids that no order can have are left out."""
        return await self._client.orders.get_many([order_id for order_id in order_ids if ORDER_ID.fullmatch(order_id)])

    # Pickups

    async def reschedule_pickup(
        self, order_id: str, *, pickup_date: date, pickup_time: str | None = None
    ) -> ScheduledPackage:
        """Move the pickup of an order to another slot; see ``HandoverPickup.reschedule``."""
        return await self._pickups.reschedule(self._client, order_id, pickup_date=pickup_date, pickup_time=pickup_time)

    async def reschedule(self, request: PickupRequest) -> ItemOutcome:
        """Give a pickup that Amazon has the slot of ``request``; see ``PickupRescheduling``."""
        try:
            moved = await self.reschedule_pickup(
                request.order_id, pickup_date=request.pickup_date, pickup_time=request.pickup_time
            )
        except PickupRejected as error:
            return ItemOutcome(request.order_id, Outcome.REJECTED, error.code, error.message)
        wanted = datetime.combine(request.pickup_date, time.min, tzinfo=self._client.marketplace.zone)
        if text := other_day(moved.package_pickup_slot, wanted):
            return ItemOutcome(request.order_id, Outcome.ACCEPTED_WITH_WARNINGS, "OtherPickupDay", text)
        return ItemOutcome(request.order_id, Outcome.ACCEPTED)

    async def withdraw_pickup(self, order_id: str) -> None:
        """Always raises ``NotSupported``: Easy Ship's API cannot withdraw a pickup."""
        await self._pickups.withdraw(order_id)

    async def _status(self, feed_id: str) -> FeedStatus | None:
        try:
            return await self._feeds.status(feed_id)
        except InvalidRequest as error:
            if error.status in (400, 404):  # kept for 90 days; another application's is refused too
                return None
            raise

    def _noting(
        self, settle: Callable[[Sequence[ItemOutcome]], Awaitable[None]] | None
    ) -> Callable[[Sequence[ItemOutcome]], Awaitable[None]] | None:
        if settle is None:
            return None

        async def noted(outcomes: Sequence[ItemOutcome]) -> None:
            await settle(outcomes)
            self._unclear.note(outcomes)

        return noted
