"""A marketplace of a few lists, fast enough for days of simulated trade: it counts requests exactly as documented.

It shares no line with the ledger it is there to judge: the bucket ticks, the hour is a list of instants.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from amazon_ae._exceptions import ConfigurationError, NotSupported, QuotaExceeded, RequestThrottled
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
    QuotaRule,
)
from amazon_ae._models.orders import Order, OrderItem, OrderPage
from amazon_ae._ports import Clock
from amazon_ae._transport.limiter import Limiter
from amazon_ae.testing._builders import make_order

__all__ = ["Meter", "PaperMarket"]

_HOUR = timedelta(hours=1)
_ROUTE: Final = "paper:feed"


class Meter:
    """One operation's limits, counted request by request."""

    def __init__(self, *, burst: int, restore_seconds: float, per_hour: int | None = None) -> None:
        self._burst = burst
        self._restore = timedelta(seconds=restore_seconds)
        self._per_hour = per_hour
        self._level = burst
        self._ticked_at: datetime | None = None
        self._hour: deque[datetime] = deque()
        self.taken: int = 0
        self.refused: int = 0

    def take(self, now: datetime) -> str:
        """``""`` if the request is admitted, else the code of the refusal."""
        if self._ticked_at is None or self._level == self._burst:
            self._ticked_at = now  # nothing to restore: the timer starts with the next request
        ticks = (now - self._ticked_at) // self._restore
        self._level = min(self._burst, self._level + ticks)
        self._ticked_at += ticks * self._restore
        while self._hour and now - self._hour[0] >= _HOUR:
            self._hour.popleft()
        if self._per_hour is not None and len(self._hour) >= self._per_hour:
            self.refused += 1
            return "QuotaExceeded"
        if self._level < 1:
            self.refused += 1
            return "RequestThrottled"
        self._level -= 1
        self._hour.append(now)
        self.taken += 1
        return ""


class PaperMarket:
    """A ``FeedGateway`` and ``OrderGateway`` over nothing but memory.

    Args:
        clock: Amazon's clock.
        processing_seconds: how long a feed is processed.
        on_feed: hears of every accepted feed: its batch and the instant.
        account: the account it stands for.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        processing_seconds: float = 60.0,
        on_feed: Callable[[FeedBatch, datetime], None] | None = None,
        account: str = "A1SIMULATED/AE",
    ) -> None:
        self._clock = clock
        self._processing = timedelta(seconds=processing_seconds)
        self._on_feed = on_feed
        self._account = account
        self._rule = QuotaRule(name=f"{account}/SubmitFeed", burst=15, restore_seconds=120.0, limit=30)
        self._feeds: dict[str, tuple[ItemKind, datetime]] = {}
        self._pace = Limiter(clock, burst=6, restore_seconds=60)  # as a gateway paces its look-ups
        # MWS API reference, the pages of SubmitFeed, GetFeedSubmissionList, GetFeedSubmissionResult and GetOrder.
        self.meters: dict[str, Meter] = {
            "SubmitFeed": Meter(burst=15, restore_seconds=120, per_hour=30),
            "GetFeedSubmissionList": Meter(burst=10, restore_seconds=45, per_hour=80),
            "GetFeedSubmissionResult": Meter(burst=15, restore_seconds=60, per_hour=60),
            "GetOrder": Meter(burst=6, restore_seconds=60),
        }

    @property
    def account(self) -> str:
        """See ``FeedGateway``."""
        return self._account

    @property
    def poll_seconds(self) -> float:
        """See ``OrderGateway``."""
        return 120.0

    @property
    def routes(self) -> frozenset[str]:
        """See ``FeedGateway``."""
        return frozenset({_ROUTE})

    def terms(self, kind: ItemKind, waiting: int, *, urgent: bool = False) -> BatchTerms:
        """One quota for all kinds, as documented."""
        stock = kind is ItemKind.INVENTORY
        return BatchTerms(
            route=_ROUTE, quota=self._rule, max_items=10_000 if stock else 500, exclusive=stock and not urgent
        )

    async def submit(
        self, batch: FeedBatch, *, settle: Callable[[Sequence[ItemOutcome]], Awaitable[None]] | None = None
    ) -> FeedReceipt:
        """Accept a feed, or refuse it exactly where Amazon would."""
        self._take("SubmitFeed")
        if not batch.items:
            raise ConfigurationError("a batch must hold something")
        now = self._clock.now()
        feed_id = str(50_000_000_000 + len(self._feeds))
        self._feeds[feed_id] = (batch.kind, now)
        if self._on_feed is not None:
            self._on_feed(batch, now)
        return FeedReceipt(feed_id=feed_id, submitted_at=now)

    async def status(self, feed_ids: Sequence[str]) -> Sequence[FeedStatus]:
        """See ``FeedGateway``; one request per 100 ids."""
        for _ in range(0, len(feed_ids), 100):
            self._take("GetFeedSubmissionList")
        return [self._status(feed_id) for feed_id in feed_ids if feed_id in self._feeds]

    async def report(self, feed_id: str, batch: FeedBatch) -> FeedReport:
        """Everything is accepted."""
        self._take("GetFeedSubmissionResult")
        outcomes = tuple(ItemOutcome(item.key, Outcome.ACCEPTED) for item in batch.items)
        return FeedReport(outcomes=outcomes, processed=len(outcomes))

    async def recent(self, kind: ItemKind, since: datetime) -> Sequence[FeedStatus]:
        """See ``FeedGateway``."""
        self._take("GetFeedSubmissionList")
        return [self._status(feed_id) for feed_id, (its, at) in self._feeds.items() if its is kind and at >= since]

    def orders(
        self, *, updated_after: datetime, updated_before: datetime | None = None, statuses: Collection[str] = ()
    ) -> AsyncIterator[OrderPage]:
        """Not simulated."""
        raise NotSupported("the paper market has no list of orders: use FakeMws")

    async def items(self, order_id: str) -> Sequence[OrderItem]:
        """Not simulated."""
        raise NotSupported("the paper market has no order items: use FakeMws")

    async def get(self, order_ids: Sequence[str]) -> Sequence[Order]:
        """Every order that is asked for exists and waits to be packed; one request per 50, as documented."""
        for _ in range(0, len(order_ids), 50):
            await self._pace.acquire()
            self._take("GetOrder")
        return [make_order(order_id) for order_id in order_ids]

    def _take(self, action: str) -> None:
        now = self._clock.now()
        code = self.meters[action].take(now)
        if code:
            error = RequestThrottled if code == "RequestThrottled" else QuotaExceeded
            raise error("refused", status=503, code=code, timestamp=now, retryable=True, action=action)

    def _status(self, feed_id: str) -> FeedStatus:
        kind, at = self._feeds[feed_id]
        done = self._clock.now() - at >= self._processing
        return FeedStatus(
            feed_id=feed_id,
            kind=kind,
            state=FeedState.DONE if done else FeedState.PROCESSING,
            raw="_DONE_" if done else "_IN_PROGRESS_",
            submitted_at=at,
            completed_at=at + self._processing if done else None,
        )
