"""A thousand sellers in one process: memory and timers of idle schedulers, and the time of one look.

python benchmarks/bench_scheduler.py
"""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from time import perf_counter

from amazon_ae._scheduling import FeedScheduler
from amazon_ae._storage.memory import MemoryStorage
from amazon_ae.testing._clocks import VirtualClock
from amazon_ae.testing._simulation import PaperMarket

SELLERS = 1000


async def measure(sellers: int = SELLERS) -> tuple[float, int, float]:
    """Bytes per idle seller (its gateway and tasks included), sleepers per 1,000 sellers, seconds per look."""
    clock = VirtualClock(autojump=False)
    storage = MemoryStorage(clock=clock)
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    schedulers = [
        FeedScheduler(storage, PaperMarket(clock, account=f"A{number}/AE"), clock=clock) for number in range(sellers)
    ]
    for scheduler in schedulers:
        await scheduler.__aenter__()
    for _ in range(20):  # let every one take its first look and fall asleep
        await asyncio.sleep(0)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    sleepers = clock.sleeping
    began = perf_counter()
    await clock.advance(901.0)  # one look each
    seconds = (perf_counter() - began) / sellers
    for scheduler in schedulers:
        await scheduler.aclose()
    return (after - before) / sellers, sleepers, seconds


def main() -> None:
    """Print the numbers."""
    size, sleepers, seconds = asyncio.run(measure())
    print(f"{SELLERS} idle sellers: {size / 1000:.1f} kB and {sleepers / SELLERS:.2f} timers each")
    print(f"one look of an idle seller: {seconds * 1e6:.0f} µs; four an hour")


if __name__ == "__main__":
    main()
