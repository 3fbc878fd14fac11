"""The Inventory feed (``_POST_INVENTORY_AVAILABILITY_DATA_``): absolute stock by SKU. Source: Inventory.xsd (2017)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.feeds import InventoryUpdate
from amazon_ae._mws.feed_bodies.envelope import chunks_of, is_plain, xml_feed, xml_text

__all__ = ["inventory_feed"]


def inventory_feed(
    seller_id: str, updates: Iterable[InventoryUpdate], *, max_records: int | None = None
) -> Iterator[bytes]:
    """An Inventory feed in UTF-8, chunk by chunk. ``MessageID`` counts from 1 in the order of ``updates``.

    SKU, quantity and latency are within Amazon's rules because ``InventoryUpdate`` holds no others.

    Args:
        seller_id: ``MerchantIdentifier``.
        updates: any iterable, also a generator; read once.
        max_records: refuse more than these; ``None`` has no limit but the feed's size. Amazon advises 30,000.

    Raises:
        ConfigurationError: no update at all, or more than ``max_records``.
    """
    return xml_feed(seller_id, "Inventory", _messages(updates, max_records))


def _messages(updates: Iterable[InventoryUpdate], max_records: int | None) -> Iterator[str]:
    done = 0
    for chunk in chunks_of(updates):
        if max_records is not None and done + len(chunk) > max_records:
            raise ConfigurationError(f"more than {max_records:,} records in one feed: split the batch")
        skus = [update.sku for update in chunk]
        # All SKUs of the chunk are checked at once; escaping is rarely needed.
        if not is_plain("".join(skus)):
            skus = [xml_text(sku, f"SKU {sku!r}") for sku in skus]
        yield "".join(
            [
                f"<Message><MessageID>{number}</MessageID><OperationType>Update</OperationType>"
                f"<Inventory><SKU>{sku}</SKU><Quantity>{update.quantity}</Quantity>"
                f"{'' if update.fulfillment_latency_days is None and update.restock_date is None else _options(update)}"
                "</Inventory></Message>\n"
                for number, (sku, update) in enumerate(zip(skus, chunk, strict=True), done + 1)
            ]
        )
        done += len(chunk)


def _options(update: InventoryUpdate) -> str:
    # The order is the schema's: RestockDate, then FulfillmentLatency.
    restock, latency = update.restock_date, update.fulfillment_latency_days
    return (f"<RestockDate>{restock.isoformat()}</RestockDate>" if restock is not None else "") + (
        f"<FulfillmentLatency>{latency}</FulfillmentLatency>" if latency is not None else ""
    )
