"""What ``forecast`` says is what then happens, if nothing else does."""

from __future__ import annotations

import random

import pytest

from amazon_ae._models.feeds import FeedBatch, InventoryUpdate, ItemKind
from amazon_ae._models.stored import Change
from amazon_ae._scheduling import FeedScheduler
from amazon_ae._storage.memory import MemoryStorage
from amazon_ae.testing._builders import make_order_id
from amazon_ae.testing._clocks import VirtualClock
from amazon_ae.testing._simulation import PaperMarket

ACCOUNT = "A1SIMULATED/AE"


def change(kind: ItemKind, number: int, *, urgent: bool = False) -> Change:
    if kind is ItemKind.PICKUP:
        return Change(make_order_id(number), '{"pickup_date":"2021-11-20"}')
    return Change(f"S{number}", InventoryUpdate(f"S{number}", number).to_text(), urgent=urgent)


async def told_and_done(kind: ItemKind, seed: int) -> tuple[float, float]:
    """A random morning; then one last item: how long it is said to wait, and how long it does."""
    rng, clock = random.Random(seed), VirtualClock()
    storage = MemoryStorage(clock=clock)
    sent: list[float] = []

    def accepted(batch: FeedBatch, at: object) -> None:
        sent.append(clock.now().timestamp())

    async with FeedScheduler(storage, PaperMarket(clock, on_feed=accepted), clock=clock) as scheduler:
        for number in range(rng.randrange(45)):
            await clock.sleep(rng.choice([0.5, 20.0, 100.0, 200.0]) * rng.random())
            which = rng.choice([ItemKind.PICKUP, ItemKind.INVENTORY])
            await storage.put(ACCOUNT, which, [change(which, number, urgent=number % 5 == 0)])
        while any(queue.waiting + queue.in_flight for queue in (await scheduler.stats()).queues.values()):
            await clock.sleep(7.0)
        before, asked = len(sent), clock.now()
        await storage.put(ACCOUNT, kind, [change(kind, 99)])
        forecast = await scheduler.forecast(kind=kind)
        await clock.sleep(3600.0)
    assert forecast.leaves_at is not None
    return (forecast.leaves_at - asked).total_seconds(), sent[before] - asked.timestamp()


@pytest.mark.parametrize("kind", list(ItemKind))
async def test_the_forecast_comes_true_to_the_second(kind: ItemKind) -> None:
    """After quiet and busy mornings; the scheduler takes up to a second to notice a put by others."""
    waits = []
    for seed in range(25):
        told, done = await told_and_done(kind, seed)
        assert done == pytest.approx(told, abs=1.0)
        waits.append(told)
    assert len({round(wait) for wait in waits}) > 5  # not only those that leave at once
