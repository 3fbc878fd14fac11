"""A batch of stock as one JSON_LISTINGS_FEED, its status and report; and the SKUs whose outcome feeds leave unclear too
often.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from amazon_ae._exceptions import UnreadableResponse
from amazon_ae._models.feeds import (
    FeedBatch,
    FeedReceipt,
    FeedReport,
    FeedState,
    FeedStatus,
    ItemKind,
    ItemOutcome,
    Outcome,
)
from amazon_ae._spapi.client import SpApiClient
from amazon_ae._spapi.models import SpApiFeed
from amazon_ae._spapi.stock_outcomes import UNCLEAR, read_listings_report, report_outcomes
from amazon_ae._spapi.stock_values import LISTINGS_FEED, StockFormat, listings_feed
from amazon_ae._transport.slicing import feed_slices

__all__ = ["StockFeeds", "UnclearSkus", "all_unclear", "status_of"]

# feeds_2021-06-30.json, "processingStatus"; what is not here, known or new, is still being processed.
_STATES: Final = {"DONE": FeedState.DONE, "CANCELLED": FeedState.CANCELLED, "FATAL": FeedState.FAILED}
_MOST_REMEMBERED: Final = 100
_ASKED_LATELY: Final = timedelta(hours=3)  # a feed that is passed is asked about once an hour


class UnclearSkus:
    """Counts how often in a row feeds left a SKU unclear. In memory: a restarted process counts from zero."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._counts: dict[str, int] = {}

    def __bool__(self) -> bool:
        """Whether a SKU is due for a patch."""
        return any(count >= self._limit for count in self._counts.values())

    def note(self, outcomes: Iterable[ItemOutcome]) -> None:
        """Count the outcomes of a feed or a patch."""
        for outcome in outcomes:
            if outcome.outcome is Outcome.RETRY and outcome.code == UNCLEAR:
                self._counts[outcome.key] = self._counts.get(outcome.key, 0) + 1
            else:
                self._counts.pop(outcome.key, None)


def status_of(feed: SpApiFeed) -> FeedStatus:
    """A feed's status for the scheduler."""
    return FeedStatus(
        feed_id=feed.feed_id,
        kind=ItemKind.INVENTORY if feed.feed_type == LISTINGS_FEED else None,
        state=_STATES.get(feed.processing_status, FeedState.PROCESSING),
        raw=feed.processing_status,
        submitted_at=feed.created_at,
        completed_at=feed.ended_at,
    )


class StockFeeds:
    """The feeds of one gateway.

    Args:
        client: the client.
        form: how stock is written.
    """

    def __init__(self, client: SpApiClient, form: StockFormat) -> None:
        self._client = client
        self._form = form
        self._seen: dict[str, SpApiFeed] = {}
        self._under_way: dict[str, tuple[datetime, datetime]] = {}  # created, last asked

    async def submit(self, batch: FeedBatch) -> FeedReceipt:
        """Upload the feed and have it processed, once.

        Raises:
            OutcomeUnknown: createFeed was not answered.
            NotSent, AmazonError: there is no feed.
        """
        body = bytearray()
        await feed_slices(listings_feed(self._client.credentials.seller_id, batch.items, self._form), body.extend)
        feed = await self._client.feeds.submit(LISTINGS_FEED, bytes(body), paced=False)
        return FeedReceipt(feed_id=feed.feed_id, submitted_at=feed.created_at or self._client.clock.now())

    async def status(self, feed_id: str) -> FeedStatus:
        """The status of one feed."""
        feed = await self._client.feeds.get(feed_id)
        if feed.final:
            self._under_way.pop(feed_id, None)
            self._seen[feed_id] = feed
            while len(self._seen) > _MOST_REMEMBERED:
                del self._seen[next(iter(self._seen))]
        else:
            now = self._client.clock.now()
            created_at, _ = self._under_way.get(feed_id, (feed.created_at or now, now))
            self._under_way[feed_id] = (created_at, now)
            while len(self._under_way) > _MOST_REMEMBERED:
                del self._under_way[next(iter(self._under_way))]
        return status_of(feed)

    def is_stuck(self, seconds: float) -> bool:
        """Whether Amazon has a feed that is older than so many seconds and, when it was asked lately, had not ended.

        In memory: a process that starts anew learns it with its first polls, and another process may see the end.
        """
        now = self._client.clock.now()
        return any(
            (now - created_at).total_seconds() > seconds and now - asked_at < _ASKED_LATELY
            for created_at, asked_at in self._under_way.values()
        )

    async def report(self, feed_id: str, batch: FeedBatch) -> FeedReport:
        """One outcome per item. A feed without a report leaves all of them unclear.

        Raises:
            UnreadableResponse: ``retryable``: it was damaged on its way.
            AmazonError: it could not be fetched.
        """
        feed = self._seen.get(feed_id) or await self._client.feeds.get(feed_id)
        if feed.result_document_id is None:
            why = f"feed {feed_id} ended {feed.processing_status} without a report"
            return FeedReport(outcomes=all_unclear(batch, why))
        try:
            report = read_listings_report(await self._client.feeds.download(feed.result_document_id))
        except UnreadableResponse as error:
            if error.retryable:
                raise
            return FeedReport(outcomes=all_unclear(batch, str(error)))
        if report.feed_id not in (None, feed_id):
            raise UnreadableResponse(f"the report of feed {feed_id} is that of feed {report.feed_id}", retryable=True)
        # A feed that ended FATAL did some, none or all: its counts say which.
        return FeedReport(outcomes=report_outcomes(report, batch.items), processed=report.processed)

    async def recent(self, since: datetime) -> Sequence[FeedStatus]:
        """The stock feeds since an instant, oldest first."""
        listing = self._client.feeds.list([LISTINGS_FEED], created_since=since.replace(microsecond=0))
        found = [status_of(feed) async for feed in listing]
        return sorted(found, key=lambda status: status.submitted_at or since)


def all_unclear(batch: FeedBatch, why: str) -> tuple[ItemOutcome, ...]:
    """Nothing was said about any item."""
    return tuple(ItemOutcome(item.key, Outcome.RETRY, UNCLEAR, why) for item in batch.items)
