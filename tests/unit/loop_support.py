"""Counts how often others come to run beside a long computation; how long that takes is for the benchmarks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import attrs


@attrs.define
class Beats:
    """How often another task came to run."""

    count: int = 0


@contextlib.asynccontextmanager
async def heartbeat() -> AsyncIterator[Beats]:
    """Beat as often as the loop lets, until the block ends."""
    beats = Beats()

    async def beat() -> None:
        while True:
            await asyncio.sleep(0)
            beats.count += 1

    task = asyncio.create_task(beat())
    try:
        await asyncio.sleep(0)
        yield beats
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
