"""Greedy processes on one store, a bad network, sudden deaths: Amazon's own count is never passed.

``test_quota_ledger`` proves it of the ledger alone. Here the whole scheduler spends. Two judges that share no code with
it count what arrives: the paper market's meter, and a plain look at every hour and every interval.
"""

from __future__ import annotations

import asyncio
import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from amazon_ae._exceptions import NotSent, OutcomeUnknown
from amazon_ae._models.feeds import FeedBatch, FeedReceipt, InventoryUpdate, ItemKind
from amazon_ae._models.stored import Change
from amazon_ae._scheduling import FeedScheduler
from amazon_ae._scheduling.policy import FeedPolicy
from amazon_ae._storage.memory import MemoryStorage
from amazon_ae.testing._builders import make_order_id
from amazon_ae.testing._clocks import VirtualClock
from amazon_ae.testing._simulation import PaperMarket

pytestmark = pytest.mark.slow

ACCOUNT = "A1SIMULATED/AE"
# Everything leaves as soon as a place is free: only the ledger holds it back.
GREEDY = FeedPolicy(prompt_spacing=0.0, spare_slots=0.0, stock_every_seconds=1.0)
HOURS = 5


class Process:
    """One process with a bad network. Dead, it takes no further step, but what it sent arrives all the same."""

    def __init__(self, street: Street) -> None:
        self.dead = False
        self._street = street
        self.scheduler = FeedScheduler(Mortal(self, street.storage), self, clock=street.clock, policy=GREEDY)

    async def submit(self, batch: FeedBatch, *, settle: object = None) -> FeedReceipt:
        street, rng = self._street, self._street.rng
        if rng.random() < 0.1:
            raise NotSent("no connection")
        await street.clock.sleep(rng.choice([0.0, 1.0, 50.0]) * rng.random())
        receipt = await street.market.submit(batch)
        await street.clock.sleep(rng.choice([0.0, 1.0, 50.0]) * rng.random())
        if rng.random() < 0.1:
            raise OutcomeUnknown("the answer was lost")
        return receipt

    def __getattr__(self, name: str) -> Any:
        return getattr(self._street.market, name)


class Mortal:
    """The store as a process sees it: for a dead one, no call ever returns."""

    def __init__(self, process: Process, inner: Any) -> None:
        self._process, self._inner = process, inner

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._inner, name)
        if not asyncio.iscoroutinefunction(verb):
            return verb

        async def mortal(*args: Any, **options: Any) -> Any:
            if not self._process.dead:
                result = await verb(*args, **options)
                if not self._process.dead:
                    return result
            return await asyncio.get_running_loop().create_future()

        return mortal


class Street:
    """Amazon, one store, and a host that puts more than can leave and replaces processes that die."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.clock = VirtualClock()
        self.storage = MemoryStorage(clock=self.clock)
        self.arrivals: list[datetime] = []
        self.pickups: list[str] = []
        self.market = PaperMarket(self.clock, on_feed=self._arrived)

    def _arrived(self, batch: FeedBatch, at: datetime) -> None:
        self.arrivals.append(at)
        if batch.kind is ItemKind.PICKUP:
            self.pickups += [item.key for item in batch.items]

    async def live(self) -> None:
        processes = [await self._born() for _ in range(3)]
        for number in range(HOURS * 120):
            await self.clock.sleep(30.0)
            await self.storage.put(ACCOUNT, ItemKind.PICKUP, [pickup(number)])
            await self.storage.put(ACCOUNT, ItemKind.INVENTORY, [stock(number)])
            if self.rng.random() < 0.02:
                old = self.rng.randrange(3)
                processes[old].dead = True
                processes[old] = await self._born()

    async def _born(self) -> Process:
        process = Process(self)
        await process.scheduler.__aenter__()
        return process


def pickup(number: int) -> Change:
    return Change(make_order_id(number), '{"pickup_date":"2021-11-20"}')


def stock(number: int) -> Change:
    return Change(f"S{number}", InventoryUpdate(f"S{number}", number).to_text(), urgent=number % 5 == 0)


def most_in(arrivals: list[datetime], length: timedelta) -> int:
    """The most arrivals in any interval of that length, ends included."""
    return max(sum(first <= at <= first + length for at in arrivals[number:]) for number, first in enumerate(arrivals))


@pytest.mark.parametrize("seed", range(6))
async def test_greedy_processes_never_pass_amazons_count(seed: int) -> None:
    """Five hours: fifteen at most at once, one more per two minutes, thirty in any hour, and nothing refused."""
    street = Street(seed)
    await street.live()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    arrivals = sorted(street.arrivals)
    assert street.market.meters["SubmitFeed"].refused == 0
    assert most_in(arrivals, timedelta(hours=1)) <= 30
    for minutes in range(0, 60, 2):
        assert most_in(arrivals, timedelta(minutes=minutes)) <= 15 + minutes / 2
    assert len(arrivals) > 80
    assert len(set(street.pickups)) == len(street.pickups)
