"""A thousand sellers in one process: small, quiet, one timer each."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc

from amazon_ae._scheduling import FeedScheduler
from amazon_ae._storage.memory import MemoryStorage
from amazon_ae.testing._clocks import VirtualClock
from amazon_ae.testing._simulation import PaperMarket

SELLERS = 1000


async def test_a_thousand_idle_sellers_take_under_20_kb_and_one_timer_each() -> None:
    """Their gateways and tasks included."""
    clock = VirtualClock(autojump=False)
    storage = MemoryStorage(clock=clock)
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    schedulers = [
        FeedScheduler(storage, PaperMarket(clock, account=f"A{number}/AE"), clock=clock) for number in range(SELLERS)
    ]
    for scheduler in schedulers:
        await scheduler.__aenter__()
    for _ in range(10_000):  # a few at a time read the store
        await asyncio.sleep(0)
        if clock.sleeping == SELLERS:
            break
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    sleepers = clock.sleeping
    for scheduler in schedulers:
        await scheduler.aclose()
    assert sleepers == SELLERS
    assert (after - before) / SELLERS < 20_000
