"""Amazon's side of a simulation over the real client and ``FakeMws``: signatures, documents and reports included."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import httpx

from amazon_ae._models.feeds import BatchTerms, FeedBatch, FeedReceipt, FeedReport, FeedStatus, ItemKind, ItemOutcome
from amazon_ae._mws.client import MwsClient
from amazon_ae._mws.gateway import MwsGateway
from amazon_ae._mws.pickup_routes import SchedulePickupFeed
from amazon_ae._ports import Clock, FeedGateway
from amazon_ae.testing._builders import make_order
from amazon_ae.testing._mws import FakeMws
from amazon_ae.testing._mws.state import FakeFeed
from amazon_ae.testing._simulation.trade import Books, Scene, Side, sku_name

__all__ = ["wire"]


class _Observed:
    """A gateway whose accepted feeds are written into the books."""

    def __init__(self, gateway: FeedGateway, books: Books, clock: Clock) -> None:
        self._gateway = gateway
        self._books = books
        self._clock = clock

    @property
    def account(self) -> str:
        return self._gateway.account

    @property
    def routes(self) -> frozenset[str]:
        return self._gateway.routes

    def terms(self, kind: ItemKind, waiting: int, *, urgent: bool = False) -> BatchTerms:
        return self._gateway.terms(kind, waiting, urgent=urgent)

    async def submit(
        self, batch: FeedBatch, *, settle: Callable[[Sequence[ItemOutcome]], Awaitable[None]] | None = None
    ) -> FeedReceipt:
        receipt = await self._gateway.submit(batch, settle=settle)
        self._books.accepted(batch, self._clock.now())
        return receipt

    async def status(self, feed_ids: Sequence[str]) -> Sequence[FeedStatus]:
        return await self._gateway.status(feed_ids)

    async def report(self, feed_id: str, batch: FeedBatch) -> FeedReport:
        return await self._gateway.report(feed_id, batch)

    async def recent(self, kind: ItemKind, since: datetime) -> Sequence[FeedStatus]:
        return await self._gateway.recent(kind, since)


def wire(scene: Scene) -> Side:
    """The slow, complete marketplace."""
    clock, rng, start = scene.clock, random.Random(scene.seed), scene.clock.now()  # simulated processing times

    def seconds(feed: FakeFeed) -> float:
        begin = feed.starts_at or feed.submitted_at
        return scene.processing.draw((begin - start).total_seconds(), rng)

    fake = FakeMws(clock=clock, processing_seconds=seconds)
    for number in range(scene.load.skus):
        fake.add_sku(sku_name(number))

    def packed(order_id: str) -> None:
        fake.add_order(make_order(order_id))

    scene.books.on_packed = packed
    taken: Counter[str] = Counter()
    refused: Counter[str] = Counter()

    def requests() -> dict[str, tuple[int, int]]:
        for seen in fake.requests:
            (refused if seen.status == 503 else taken)[seen.action] += 1
        return {action: (taken[action], refused[action]) for action in taken | refused}

    async def foreign_feed() -> None:
        fake.spend("SubmitFeed")

    client = MwsClient(fake.credentials, fake.marketplace, http=httpx.AsyncClient(transport=fake), clock=clock)
    gateway = MwsGateway(client, pickup_route=SchedulePickupFeed(feed_type=fake.pickup_feed_type))
    return Side(_Observed(gateway, scene.books, clock), gateway, requests, foreign_feed)
