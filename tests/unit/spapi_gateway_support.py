"""A fake Selling Partner API with a gateway before it, and batches for both."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx

from amazon_ae import (
    InventoryUpdate,
    ItemKind,
    ItemOutcome,
    Outcome,
    PickupRequest,
    RetryPolicy,
    SpApiClient,
    SpApiGateway,
)
from amazon_ae._models.feeds import FeedBatch, FeedItem
from amazon_ae.testing import FakeSpApi, VirtualClock, make_item, make_order

__all__ = ["NOW", "TOMORROW", "Shop", "add_orders", "kinds", "open_shop", "pickup", "pickup_batch", "stock_batch"]

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)
TOMORROW = date(2026, 11, 29)


class Shop:
    """A fake with SKUs and orders, and a gateway."""

    def __init__(self, http: httpx.AsyncClient, fake: FakeSpApi, clock: VirtualClock) -> None:
        self.http, self.fake, self.clock = http, fake, clock
        self.told: list[ItemOutcome] = []

    def gateway(self, retries: RetryPolicy | None = None, **options: Any) -> SpApiGateway:
        client = SpApiClient(
            self.fake.credentials,
            self.fake.marketplace,
            http=self.http,
            clock=self.clock,
            retries=retries or RetryPolicy(delays_seconds=()),
        )
        return SpApiGateway(client, **options)

    def stock(self, *skus: str, quantity: int = 5) -> list[InventoryUpdate]:
        for sku in skus:
            self.fake.add_sku(sku)
        return [InventoryUpdate(sku, quantity) for sku in skus]

    async def settle(self, outcomes: Sequence[ItemOutcome]) -> None:
        self.told += outcomes


@contextlib.asynccontextmanager
async def open_shop() -> AsyncIterator[Shop]:
    """A shop without SKUs and orders."""
    clock = VirtualClock(NOW)
    fake = FakeSpApi(clock=clock)
    async with httpx.AsyncClient(transport=fake) as http:
        yield Shop(http, fake, clock)


def stock_batch(route: str, *updates: InventoryUpdate) -> FeedBatch:
    items = tuple(FeedItem(number, update.sku, update) for number, update in enumerate(updates, 1))
    return FeedBatch(batch_id="b", kind=ItemKind.INVENTORY, items=items, route=route)


def pickup_batch(*requests: PickupRequest) -> FeedBatch:
    items = tuple(FeedItem(number, request.order_id, request) for number, request in enumerate(requests, 1))
    return FeedBatch(batch_id="b", kind=ItemKind.PICKUP, items=items, route="spapi:easy-ship")


def pickup(order_id: str, **changes: Any) -> PickupRequest:
    measures = {"weight_grams": "750", "length_cm": "30", "width_cm": "20", "height_cm": "10"}
    return PickupRequest(
        **{"order_id": order_id, "pickup_date": TOMORROW, **{k: Decimal(v) for k, v in measures.items()}, **changes}
    )


def kinds(outcomes: Sequence[ItemOutcome] | None) -> dict[str, Outcome]:
    return {outcome.key: outcome.outcome for outcome in outcomes or ()}


def add_orders(shop: Shop, count: int) -> list[str]:
    orders = [make_order(f"404-0000000-000000{n}", purchased_at=NOW - timedelta(hours=2)) for n in range(count)]
    for order in orders:
        shop.fake.add_order(order, [make_item()])
    return [order.amazon_order_id for order in orders]
