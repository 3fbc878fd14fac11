"""Stock as the Listings Items API takes it. Pure.

Sources: ``listingsItems_2021-08-01.json``; "Merge a listing" (changelog of 2025-06-16);
``listings-feed-schema-v2.json``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import attrs

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.feeds import FeedItem, InventoryUpdate

__all__ = ["LISTINGS_FEED", "MOST_MESSAGES", "StockFormat", "listings_feed"]

#: The feed type that carries listings as JSON.
LISTINGS_FEED: Final = "JSON_LISTINGS_FEED"
#: At most so many messages in one feed (changelog of 2025-05-06).
MOST_MESSAGES: Final = 25_000
_CHUNK: Final = 500


@attrs.frozen(kw_only=True)
class StockFormat:
    """How stock is written. The defaults come from public sources; each of them is UNVERIFIED for the UAE.

    Attributes:
        product_type: ``PRODUCT`` works for offer data whatever the product is; Amazon does not guarantee that.
        channel_code: the merchant's own stock.
        operation: ``merge`` keeps lead time and restock date where an update has none; ``replace`` drops
            them.
        latency_name: the attribute of ``fulfillment_latency_days``.
        restock_name: the attribute of ``restock_date``, written as ``YYYY-MM-DD``.
        issue_locale: the language of Amazon's issues; ``en_US`` is always possible.
    """

    product_type: str = "PRODUCT"
    channel_code: str = "DEFAULT"
    operation: str = "merge"
    latency_name: str = "lead_time_to_ship_max_days"
    restock_name: str = "restock_date"
    issue_locale: str = "en_US"

    def __attrs_post_init__(self) -> None:
        if self.operation not in ("merge", "replace"):
            raise ConfigurationError(f"StockFormat: operation is 'merge' or 'replace', not {self.operation!r}")

    def patches(self, update: InventoryUpdate) -> list[dict[str, Any]]:
        """The patches that set one SKU's stock."""
        value: dict[str, Any] = {"fulfillment_channel_code": self.channel_code, "quantity": update.quantity}
        if update.fulfillment_latency_days is not None:
            value[self.latency_name] = update.fulfillment_latency_days
        if update.restock_date is not None:
            value[self.restock_name] = update.restock_date.isoformat()
        return [{"op": self.operation, "path": "/attributes/fulfillment_availability", "value": [value]}]

    def patch_body(self, update: InventoryUpdate) -> dict[str, Any]:
        """The body of patchListingsItem for one SKU."""
        return {"productType": self.product_type, "patches": self.patches(update)}


def listings_feed(seller_id: str, items: Iterable[FeedItem], form: StockFormat) -> Iterator[bytes]:
    """A JSON_LISTINGS_FEED in chunks: one PATCH message per item, under the item's ``message_id``.

    Raises:
        ConfigurationError: an item that is no stock update of its key, or more than 25,000.
    """
    header: Mapping[str, str] = {"sellerId": seller_id, "version": "2.0", "issueLocale": form.issue_locale}
    yield b'{"header":' + _json(header) + b',"messages":['
    parts: list[bytes] = []
    count = 0
    for item in items:
        count += 1
        if count > MOST_MESSAGES:
            raise ConfigurationError(f"a {LISTINGS_FEED} holds at most {MOST_MESSAGES:,} messages")
        parts.append(_json(_message(item, form)))
        if len(parts) == _CHUNK:
            yield (b"," if count > _CHUNK else b"") + b",".join(parts)
            parts = []
    if parts:
        yield (b"," if count > len(parts) else b"") + b",".join(parts)
    yield b"]}"


def _message(item: FeedItem, form: StockFormat) -> dict[str, Any]:
    if not isinstance(item.value, InventoryUpdate) or item.value.sku != item.key:
        raise ConfigurationError(f"item {item.message_id} of an inventory batch is no stock update of {item.key!r}")
    return {
        "messageId": item.message_id,
        "sku": item.key,
        "operationType": "PATCH",
        "productType": form.product_type,
        "patches": form.patches(item.value),
    }


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
