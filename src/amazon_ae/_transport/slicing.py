"""Cooperative slicing: long computations yield to the event loop every few milliseconds.

No threads: a slice is pure Python and short, and a virtual clock stays exact.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

__all__ = ["feed_slices", "in_slices"]

T = TypeVar("T")


async def in_slices(steps: Generator[None, None, T]) -> T:
    """Run a generator to its end and return its value; other tasks run at each ``yield``."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            value: T = stop.value
            return value
        await asyncio.sleep(0)


async def feed_slices(chunks: Iterable[bytes], write: Callable[[bytes], object]) -> None:
    """Pass each chunk to ``write``; other tasks run after each."""
    for chunk in chunks:
        write(chunk)
        await asyncio.sleep(0)
