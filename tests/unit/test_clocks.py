"""The injected clock, the limiter on it, and the clocks for tests."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from amazon_ae._clocks import SystemClock
from amazon_ae._exceptions import QuotaTimeout
from amazon_ae._transport.limiter import Limiter
from amazon_ae.testing._clocks import ScaledClock, VirtualClock


def test_the_system_clock_tells_aware_utc() -> None:
    """An instant without a zone is a bug waiting for daylight saving."""
    assert SystemClock().now().utcoffset() == timedelta(0)


async def test_a_limiter_gives_its_burst_at_once_and_then_one_place_per_restore_interval() -> None:
    """Ten callers on a bucket of 6 restored one per minute leave at 0 s (six times), 60, 120, 180 and 240 s."""
    clock = VirtualClock()
    limiter = Limiter(clock, burst=6, restore_seconds=60)
    start, left = clock.now(), []

    async def call() -> None:
        await limiter.acquire()
        left.append((clock.now() - start).total_seconds())

    await asyncio.gather(*(call() for _ in range(10)))
    assert left == pytest.approx([0, 0, 0, 0, 0, 0, 60, 120, 180, 240], abs=0.01)


async def test_a_wait_beyond_the_deadline_ends_at_once_and_takes_nothing() -> None:
    """The caller learns when a place will be free, without having waited."""
    clock = VirtualClock()
    limiter = Limiter(clock, burst=1, restore_seconds=60)
    await limiter.acquire()
    before = clock.now()
    with pytest.raises(QuotaTimeout) as refused:
        await limiter.acquire(deadline=before + timedelta(seconds=59))
    assert clock.now() == before
    assert refused.value.retry_at == before + timedelta(seconds=60)
    await limiter.acquire(deadline=before + timedelta(seconds=61))
    assert (clock.now() - before).total_seconds() == pytest.approx(60, abs=0.01)


async def test_cancelling_a_wait_takes_no_place() -> None:
    """The next caller gets the place that the cancelled one waited for."""
    clock = VirtualClock(autojump=False)
    limiter = Limiter(clock, burst=1, restore_seconds=60)
    await limiter.acquire()
    waiter = asyncio.create_task(limiter.acquire())
    await asyncio.sleep(0)
    waiter.cancel()
    await asyncio.gather(waiter, return_exceptions=True)
    clock.jump(61)
    assert limiter.wait_seconds() == 0


async def test_a_virtual_clock_jumps_to_the_earliest_sleeper_when_all_wait() -> None:
    """Three tasks with other rhythms run in the order of their instants, in no real time."""
    clock = VirtualClock()
    start, seen = clock.now(), []

    async def tick(seconds: float) -> None:
        for _ in range(3):
            await clock.sleep(seconds)
            seen.append((seconds, (clock.now() - start).total_seconds()))

    await asyncio.gather(tick(5), tick(7), tick(3600))
    assert seen == [(5, 5), (7, 7), (5, 10), (7, 14), (5, 15), (7, 21), (3600, 3600), (3600, 7200), (3600, 10800)]


async def test_a_held_clock_does_not_jump_until_it_is_let_go() -> None:
    """A thread works meanwhile: the loop looks idle, and no time passes for its sleepers."""
    clock = VirtualClock()
    start = clock.now()
    sleeper = asyncio.ensure_future(clock.sleep(60))
    with clock.paused():
        await asyncio.to_thread(lambda: None)
        with clock.paused():
            await asyncio.to_thread(lambda: None)
        for _ in range(100):
            await asyncio.sleep(0)
        assert clock.now() == start
        assert not sleeper.done()
    await sleeper
    assert (clock.now() - start).total_seconds() == 60


async def test_a_clock_that_does_not_jump_moves_only_when_told() -> None:
    """``advance`` runs each sleeper at its own instant."""
    clock = VirtualClock(autojump=False)
    start, seen = clock.now(), []

    async def nap(seconds: float) -> None:
        await clock.sleep(seconds)
        seen.append((clock.now() - start).total_seconds())

    tasks = [asyncio.create_task(nap(seconds)) for seconds in (30, 10, 90)]
    await asyncio.sleep(0)
    assert clock.sleeping == 3
    await clock.advance(60)
    assert seen == [10, 30]
    assert clock.now() == start + timedelta(seconds=60)
    await clock.advance(30)
    assert seen == [10, 30, 90]
    await asyncio.gather(*tasks)


async def test_a_cancelled_sleeper_does_not_move_the_clock() -> None:
    """Nobody is left, so there is nothing to jump to."""
    clock = VirtualClock()
    start = clock.now()
    sleeper = asyncio.create_task(clock.sleep(3600))
    await asyncio.sleep(0)
    sleeper.cancel()
    await asyncio.gather(sleeper, return_exceptions=True)
    for _ in range(10):
        await asyncio.sleep(0)
    assert clock.now() == start


def test_one_virtual_clock_serves_one_loop_after_another() -> None:
    """A synchronous test may call ``asyncio.run`` twice."""
    clock = VirtualClock()
    start = clock.now()
    asyncio.run(clock.sleep(10))
    asyncio.run(clock.sleep(10))
    assert clock.now() == start + timedelta(seconds=20)


async def test_a_scaled_clock_agrees_between_processes_with_equal_arguments() -> None:
    """Both compute the instant out of the real time, so they need not talk to each other."""
    origin = datetime.now(UTC) - timedelta(seconds=10)
    one, other = ScaledClock(speed=60, origin=origin), ScaledClock(speed=60, origin=origin)
    first = one.now()
    assert timedelta(0) <= other.now() - first < timedelta(seconds=60)
    assert first - origin >= timedelta(minutes=10)
    await one.sleep(0.6)
    assert one.now() - first >= timedelta(seconds=0.6)
