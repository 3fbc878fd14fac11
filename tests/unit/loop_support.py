"""Measures how long the event loop is held by whatever runs beside a heartbeat."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterator

import attrs


@attrs.define
class Beats:
    """How often another task came to run, and the longest that it waited, in seconds of this thread's processor time.

    Processor time, because the machine may be busy with something else.
    """

    count: int = 0
    longest: float = 0.0


@contextlib.asynccontextmanager
async def heartbeat() -> AsyncIterator[Beats]:
    """Beat as often as the loop lets, until the block ends. The collector rests: its pauses are the whole run's."""
    beats = Beats()

    async def beat() -> None:
        last = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            beats.count, beats.longest, last = beats.count + 1, max(beats.longest, now - last), now

    task = asyncio.create_task(beat())
    gc.disable()
    try:
        await asyncio.sleep(0)
        yield beats
        await asyncio.sleep(0)
    finally:
        gc.enable()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
