"""Where a backend has several routes, urgent stock has its own."""

from __future__ import annotations

from datetime import UTC, datetime

from amazon_ae._models.feeds import BatchTerms, ItemKind, QuotaRule
from amazon_ae._scheduling.policy import STOCK, URGENT
from amazon_ae._scheduling.readiness import ItemClass, urgent_first

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)


def item_class(priority: str, route: str) -> ItemClass:
    quota = QuotaRule(name=route, burst=1, restore_seconds=2.0)
    terms = BatchTerms(route=route, quota=quota, max_items=10)
    return ItemClass(kind=ItemKind.INVENTORY, priority=priority, waiting=3, oldest_at=NOW, terms=terms)


def test_urgent_stock_is_not_taken_along_by_a_slower_route() -> None:
    """A store gives urgent items out first, and a feed would keep them for minutes."""
    urgent, by_feed, by_patch = (
        item_class(URGENT, "spapi:patch"),
        item_class(STOCK, "spapi:feed"),
        item_class(STOCK, "spapi:patch"),
    )
    assert urgent_first([urgent, by_feed]) == [urgent]
    assert urgent_first([urgent, by_patch]) == [urgent, by_patch]
    assert urgent_first([by_feed]) == [by_feed]
