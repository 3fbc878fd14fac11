"""A thousand sellers in one process: small, quiet, one timer each."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections import Counter
from datetime import timedelta
from typing import Any

from amazon_ae._models.feeds import ItemKind
from amazon_ae._scheduling import FeedScheduler
from amazon_ae._storage.memory import MemoryStorage
from amazon_ae.testing._builders import make_order_id
from amazon_ae.testing._clocks import VirtualClock
from amazon_ae.testing._simulation import PaperMarket

SELLERS = 1000


async def test_a_thousand_idle_sellers_take_under_20_kb_and_one_timer_each() -> None:
    """Their gateways and tasks included."""
    clock = VirtualClock(autojump=False)
    storage = MemoryStorage(clock=clock)
    async with FeedScheduler(storage, PaperMarket(clock, account="A/AE"), clock=clock):
        await asyncio.sleep(0)  # what the first one imports is no part of a seller
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


class Watched:
    """A store that needs a moment to answer; notes how many schedulers read it at one time, and when."""

    def __init__(self, clock: VirtualClock) -> None:
        self._inner = MemoryStorage(clock=clock)
        self._clock = clock
        self.reading = self.most = 0
        self.looked_at: list[float] = []

    async def unfinished(self, account: str) -> Any:
        self.reading += 1
        self.most = max(self.most, self.reading)
        self.looked_at.append(self._clock.now().timestamp())
        await self._clock.sleep(0.005)
        self.reading -= 1
        return await self._inner.unfinished(account)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


async def test_a_thousand_schedulers_that_start_together_are_no_herd() -> None:
    """Four read at one time; a pickup that is asked for meanwhile leaves before most of them; later looks spread."""
    clock = VirtualClock()
    storage = Watched(clock)
    start = clock.now().timestamp()
    schedulers = [
        FeedScheduler(storage, PaperMarket(clock, account=f"A{number}/AE"), clock=clock) for number in range(SELLERS)
    ]
    for scheduler in schedulers:
        await scheduler.__aenter__()
    asked = asyncio.ensure_future(schedulers[-1].schedule_pickup(make_order_id(1), deadline=timedelta(hours=1)))
    left_at = None
    while len(storage.looked_at) < SELLERS:
        await clock.sleep(0.01)
        waiting = await storage.stats("A999/AE", ItemKind.PICKUP)
        if left_at is None and waiting.in_flight:
            left_at = clock.now().timestamp() - start
    await asked
    assert storage.most <= 4
    assert left_at is not None
    assert left_at < 0.2
    assert sorted(storage.looked_at)[SELLERS - 1] - start < 2.0
    storage.looked_at.clear()
    await clock.sleep(900)
    seconds = Counter(int(at) for at in storage.looked_at)
    assert len(storage.looked_at) >= SELLERS
    assert max(seconds.values()) < SELLERS / 20
    for scheduler in schedulers:
        await scheduler.aclose()
