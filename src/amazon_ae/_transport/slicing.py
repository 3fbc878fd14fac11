"""Long computations in slices, so that nothing on the event loop waits for more than a few milliseconds.

No threads: a slice is pure Python and short, and a virtual clock stays exact.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterable
from typing import TypeVar

from amazon_ae._mws.feed_bodies import MAX_BYTES, FeedWriter

__all__ = ["gather_feed", "in_slices"]

T = TypeVar("T")


async def in_slices(steps: Generator[None, None, T]) -> T:
    """Run a generator to its end, letting others run at each ``yield``; gives its return value."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            value: T = stop.value
            return value
        await asyncio.sleep(0)


async def gather_feed(chunks: Iterable[bytes], *, max_bytes: int = MAX_BYTES) -> bytes:
    """One body of a feed's chunks, letting others run after each.

    Raises:
        ConfigurationError: the feed is larger than ``max_bytes``, or an item in it breaks a rule.
    """
    writer = FeedWriter(max_bytes=max_bytes)
    for chunk in chunks:
        writer.write(chunk)
        await asyncio.sleep(0)
    return writer.body()
