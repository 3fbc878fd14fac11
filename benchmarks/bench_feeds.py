"""50,000 inventory messages: this library, a hand-written string template, and ``xmltodict.unparse``.

All contestants run interleaved in one process on the same updates; only ratios are printed, because only they survive
a change of machine. Also measured: the peak of memory beside the body itself, and the longest time that the event loop
waits for one slice.

    python benchmarks/bench_feeds.py
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from xml.sax.saxutils import escape

import xmltodict

from amazon_ae._models.feeds import InventoryUpdate
from amazon_ae._mws.feed_bodies import inventory_feed, join_feed
from amazon_ae._mws.feeds import gather_feed

MESSAGES = 50_000
ROUNDS = 9
HEAD = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<AmazonEnvelope xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    ' xsi:noNamespaceSchemaLocation="amzn-envelope.xsd"><Header><DocumentVersion>1.01</DocumentVersion>'
    "<MerchantIdentifier>A1EXAMPLESELLR</MerchantIdentifier></Header><MessageType>Inventory</MessageType>"
)


def ours(updates: list[InventoryUpdate]) -> bytes:
    """The library, checks and all."""
    return join_feed(inventory_feed("A1EXAMPLESELLR", updates))


def template(updates: list[InventoryUpdate]) -> bytes:
    """What one would write by hand: it escapes, checks nothing, and knows this feed's one optional element."""
    messages = [
        f"<Message><MessageID>{number}</MessageID><OperationType>Update</OperationType><Inventory>"
        f"<SKU>{escape(update.sku)}</SKU><Quantity>{update.quantity}</Quantity>"
        f"<FulfillmentLatency>{update.fulfillment_latency_days}</FulfillmentLatency></Inventory></Message>"
        for number, update in enumerate(updates, 1)
    ]
    return (HEAD + "".join(messages) + "</AmazonEnvelope>").encode()


def unparse(updates: list[InventoryUpdate]) -> bytes:
    """The parser's own writer, on a dictionary built for it."""
    messages = [
        {
            "MessageID": number,
            "OperationType": "Update",
            "Inventory": {
                "SKU": update.sku,
                "Quantity": update.quantity,
                "FulfillmentLatency": update.fulfillment_latency_days,
            },
        }
        for number, update in enumerate(updates, 1)
    ]
    envelope = {
        "@xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
        "Header": {"DocumentVersion": "1.01", "MerchantIdentifier": "A1EXAMPLESELLR"},
        "MessageType": "Inventory",
        "Message": messages,
    }
    text: str = xmltodict.unparse({"AmazonEnvelope": envelope})
    return text.encode()


def seconds(write: Callable[[list[InventoryUpdate]], bytes], updates: list[InventoryUpdate]) -> float:
    """One run's time."""
    gc.collect()
    start = time.perf_counter()
    write(updates)
    return time.perf_counter() - start


def peak_ratio(updates: list[InventoryUpdate]) -> float:
    """Peak of memory while writing, as a multiple of the body."""
    tracemalloc.start()
    body = ours(updates)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / len(body)


async def longest_slice_ms(updates: list[InventoryUpdate]) -> float:
    """The longest that another task had to wait while the feed was written, in processor time of the loop's thread."""
    longest = 0.0

    async def others() -> None:
        nonlocal longest
        last = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            longest, last = max(longest, now - last), now

    task = asyncio.create_task(others())
    await asyncio.sleep(0)
    await gather_feed(inventory_feed("A1EXAMPLESELLR", updates))
    task.cancel()
    return longest * 1000


def main() -> int:
    """Print the ratios; 1 if a promise is broken."""
    updates = [InventoryUpdate(f"AE-SKU-{n:06d}", n % 100, fulfillment_latency_days=1) for n in range(MESSAGES)]
    runs = [(seconds(ours, updates), seconds(template, updates)) for _ in range(ROUNDS)]
    slow = [(seconds(ours, updates), seconds(unparse, updates)) for _ in range(2)]
    by_hand = statistics.median(own / other for own, other in runs)
    by_unparse = statistics.median(other / own for own, other in slow)
    memory, pause_ms = peak_ratio(updates), asyncio.run(longest_slice_ms(updates))
    print(f"{MESSAGES:,} inventory messages")
    print(f"  time against a hand-written template : {by_hand:5.2f} x  (promised: at most 1.5)")
    print(f"  time saved against xmltodict.unparse : {by_unparse:5.1f} x  (promised: at least 15)")
    print(f"  peak memory, of the body             : {memory:5.2f} x  (promised: below 1.5)")
    print(f"  longest wait of the event loop       : {pause_ms:5.1f} ms (promised: below 50)")
    return 0 if by_hand <= 1.5 and by_unparse >= 15 and memory < 1.5 and pause_ms < 50 else 1


if __name__ == "__main__":
    sys.exit(main())
