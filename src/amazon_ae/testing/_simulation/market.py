"""A marketplace of a few lists, fast enough for days of simulated trade: it counts requests exactly as documented.

It shares no line with the ledger it is there to judge: the bucket ticks, the hour is a list of instants.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

import attrs

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
    QuotaSeen,
)
from amazon_ae._models.orders import Order, OrderItem, OrderPage
from amazon_ae._ports import Clock
from amazon_ae._transport.limiter import Limiter
from amazon_ae.testing._builders import make_order
from amazon_ae.testing._simulation.loads import Processing

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

    @property
    def left(self) -> float:
        """Amazon's header: requests left in the hour, as of the last one; 0 without an hourly quota."""
        return 0.0 if self._per_hour is None else float(self._per_hour - len(self._hour))

    def resets_at(self, now: datetime) -> datetime:
        """When the rolling hour admits a request again, as in Amazon's header."""
        full = self._per_hour is not None and len(self._hour) >= self._per_hour
        return self._hour[0] + _HOUR if full else now

    def take(self, now: datetime, *, foreign: bool = False) -> str:
        """``""`` if the request is admitted, else the code of the refusal; only ours are counted."""
        if self._ticked_at is None or self._level == self._burst:
            self._ticked_at = now  # nothing to restore: the timer starts with the next request
        ticks = (now - self._ticked_at) // self._restore
        self._level = min(self._burst, self._level + ticks)
        self._ticked_at += ticks * self._restore
        while self._hour and now - self._hour[0] >= _HOUR:
            self._hour.popleft()
        if self._per_hour is not None and len(self._hour) >= self._per_hour:
            self.refused += not foreign
            return "QuotaExceeded"
        if self._level < 1:
            self.refused += not foreign
            return "RequestThrottled"
        self._level -= 1
        self._hour.append(now)
        self.taken += not foreign
        return ""


class PaperMarket:
    """A ``FeedGateway`` and ``OrderGateway`` over nothing but memory.

    Args:
        clock: Amazon's clock.
        processing: how long a feed is processed; feeds of one kind are processed one after another.
        rng: draws processing times.
        on_feed: called with every accepted feed: its batch and the instant.
        account: the seller account.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        processing: Processing | None = None,
        rng: random.Random | None = None,
        on_feed: Callable[[FeedBatch, datetime], None] | None = None,
        account: str = "A1SIMULATED/AE",
    ) -> None:
        self._clock = clock
        self._start = clock.now()
        self._processing = processing or Processing()
        self._rng = rng or random.Random(0)  # simulated processing times
        self._on_feed = on_feed
        self._account = account
        self._rule = QuotaRule(name=f"{account}/SubmitFeed", burst=15, restore_seconds=120.0, limit=30)
        self._feeds: dict[str, FeedStatus] = {}
        self._submitted = 0
        self._free_at: dict[ItemKind, datetime] = {}
        self._on_end: Callable[[str], object] | None = None
        self._telling: set[asyncio.Task[None]] | None = None
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
        begin = max(now, self._free_at.get(batch.kind, now))
        seconds = self._processing.draw((begin - self._start).total_seconds(), self._rng)
        done = self._free_at[batch.kind] = begin + timedelta(seconds=seconds)
        feed_id = str(50_000_000_000 + self._submitted)
        self._submitted += 1
        self._feeds[feed_id] = FeedStatus(
            feed_id=feed_id,
            kind=batch.kind,
            state=FeedState.DONE,
            raw="_DONE_",
            submitted_at=now,
            started_at=begin,
            completed_at=done,
        )
        if self._on_feed is not None:
            self._on_feed(batch, now)
        if self._on_end is not None and self._telling is not None:
            task = asyncio.ensure_future(self._tell(self._on_end, feed_id, seconds=(done - now).total_seconds()))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)
        left = self.meters["SubmitFeed"].left
        return FeedReceipt(feed_id=feed_id, submitted_at=now, quota=QuotaSeen(maximum=30.0, remaining=left))

    def tell(self, on_end: Callable[[str], object]) -> None:
        """From now on, call this with the id of each feed that ends, and answer questions for a status for nothing."""
        self._on_end, self._telling = on_end, set()

    async def _tell(self, on_end: Callable[[str], object], feed_id: str, *, seconds: float) -> None:
        await self._clock.sleep(seconds)
        on_end(feed_id)

    def busy_until(self, kind: ItemKind) -> datetime:
        """When the last accepted feed of a kind will have been processed."""
        return self._free_at.get(kind, self._start)

    def forget(self, before: datetime) -> None:
        """Drop feeds that were processed before this instant, so that many days take no more memory than a few."""
        self._feeds = {
            feed_id: feed
            for feed_id, feed in self._feeds.items()
            if feed.completed_at is None or feed.completed_at >= before
        }

    async def foreign_feed(self) -> None:
        """Another program submits a feed of another type; refused, it gives up."""
        self.meters["SubmitFeed"].take(self._clock.now(), foreign=True)

    async def status(self, feed_ids: Sequence[str]) -> Sequence[FeedStatus]:
        """See ``FeedGateway``; one request per 100 ids."""
        if self._on_end is None:
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
        return [
            self._status(feed.feed_id)
            for feed in self._feeds.values()
            if feed.kind is kind and feed.submitted_at is not None and feed.submitted_at >= since
        ]

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
            raise error(
                "refused",
                status=503,
                code=code,
                timestamp=now,
                retryable=True,
                action=action,
                retry_at=self.meters[action].resets_at(now) if error is QuotaExceeded else None,
            )

    def _status(self, feed_id: str) -> FeedStatus:
        feed, now = self._feeds[feed_id], self._clock.now()
        if feed.completed_at is not None and feed.completed_at <= now:
            return feed
        started = feed.started_at if feed.started_at is not None and feed.started_at <= now else None
        raw = "_SUBMITTED_" if started is None else "_IN_PROGRESS_"
        return attrs.evolve(feed, state=FeedState.PROCESSING, raw=raw, started_at=started, completed_at=None)
