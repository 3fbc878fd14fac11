"""One seller with all that a scheduler needs: Amazon, a store, a clock, and what it told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from amazon_ae._models import events
from amazon_ae._models.feeds import InventoryUpdate, ItemKind
from amazon_ae._models.stored import Change
from amazon_ae._mws.client import MwsClient
from amazon_ae._mws.gateway import MwsGateway
from amazon_ae._mws.pickup_routes import SchedulePickupFeed
from amazon_ae._scheduling import FeedScheduler
from amazon_ae._storage.memory import MemoryStorage
from amazon_ae.testing._builders import make_order, make_order_id
from amazon_ae.testing._clocks import VirtualClock
from amazon_ae.testing._mws import FakeMws

PICKUP, INVENTORY = ItemKind.PICKUP, ItemKind.INVENTORY


class Shop:
    """One seller: Amazon, a store, a clock, and what the scheduler told."""

    def __init__(self, *, clock: VirtualClock | None = None, **fake: Any) -> None:
        self.clock = clock or VirtualClock()
        self.start = self.clock.now()
        self.fake = FakeMws(clock=self.clock, **fake)
        self.storage = MemoryStorage(clock=self.clock)
        self.http = httpx.AsyncClient(transport=self.fake)
        self.client = MwsClient(self.fake.credentials, self.fake.marketplace, http=self.http, clock=self.clock)
        self.gateway = MwsGateway(self.client, pickup_route=SchedulePickupFeed(feed_type=self.fake.pickup_feed_type))
        self.events: list[events.Event] = []

    def scheduler(self, **options: Any) -> FeedScheduler:
        options.setdefault("orders", self.gateway)
        gateway = options.pop("gateway", self.gateway)
        storage = options.pop("storage", self.storage)
        return FeedScheduler(storage, gateway, clock=self.clock, on_event=self.events.append, **options)

    @asynccontextmanager
    async def open(self, **options: Any) -> AsyncIterator[FeedScheduler]:
        async with self.scheduler(**options) as scheduler:
            yield scheduler
        await self.http.aclose()

    def orders(self, count: int, first: int = 1) -> list[str]:
        ids = [make_order_id(number) for number in range(first, first + count)]
        for order_id in ids:
            self.fake.add_order(make_order(order_id))
        return ids

    async def stock(self, sku: str, quantity: int, *, urgent: bool = False) -> None:
        if sku not in self.fake.stock:
            self.fake.add_sku(sku)
        change = Change(sku, InventoryUpdate(sku, quantity).to_text(), urgent=urgent)
        await self.storage.put(self.gateway.account, INVENTORY, [change])

    def seconds(self) -> float:
        return (self.clock.now() - self.start).total_seconds()

    def said(self, kind: type[events.Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def submitted(self) -> list[float]:
        return [(seen.at - self.start).total_seconds() for seen in self.fake.requests if seen.action == "SubmitFeed"]
