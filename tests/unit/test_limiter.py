"""The one limiter: a bucket that holds at arrival, a rolling window, and Amazon's own words about both."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
from aiolimiter import AsyncLimiter
from hypothesis import given, settings, strategies as st

from amazon_ae._exceptions import QuotaTimeout
from amazon_ae._transport.limiter import Limiter
from amazon_ae.testing._clocks import VirtualClock


def refused(arrivals: list[float], *, burst: int, restore_seconds: float) -> int:
    """How many requests a server with such a bucket turns away, given when they arrive."""
    level, at, count = 0.0, 0.0, 0
    for arrival in sorted(arrivals):
        level, at = max(0.0, level - (arrival - at) / restore_seconds), arrival
        if level + 1 > burst + 1e-6:
            count += 1
        else:
            level += 1
    return count


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 3)), min_size=1, max_size=40), st.integers(1, 4))
def test_no_order_of_arrival_passes_the_bucket(legs: list[tuple[float, float]], burst: int) -> None:
    """Requests take different times there and back, many at once: the server never turns one away."""
    arrivals: list[float] = []

    async def scenario() -> None:
        clock = VirtualClock()
        limiter = Limiter(clock, burst=burst, restore_seconds=2.0)
        start = clock.now()

        async def request(there: float, back: float) -> None:
            async with limiter:
                await clock.sleep(there)
                arrivals.append((clock.now() - start).total_seconds())
                await clock.sleep(back)

        await asyncio.gather(*(request(there, back) for there, back in legs))

    asyncio.run(scenario())
    assert len(arrivals) == len(legs)
    assert refused(arrivals, burst=burst, restore_seconds=2.0) == 0


async def test_the_window_counts_requests_in_flight() -> None:
    """Three of three are in flight: the fourth leaves when the first answer is an hour old, no earlier."""
    clock = VirtualClock()
    limiter = Limiter(clock, burst=10, restore_seconds=1, limit=3)
    start = clock.now()
    left: list[datetime] = []

    async def request() -> None:
        async with limiter:
            left.append(clock.now())
            await clock.sleep(30)

    await asyncio.gather(*(request() for _ in range(4)))
    assert (left[3] - start).total_seconds() == pytest.approx(3630, abs=0.1)


async def test_a_stated_rate_is_kept_upwards_and_downwards() -> None:
    """One per 2 s, then one per 10 s, then one per 0.5 s."""
    clock = VirtualClock()
    limiter = Limiter(clock, burst=1, restore_seconds=2)
    await limiter.acquire()
    assert limiter.wait_seconds() == pytest.approx(2)
    limiter.learn(10)
    assert limiter.wait_seconds() == pytest.approx(10)
    limiter.learn(0.5)
    assert limiter.wait_seconds() == pytest.approx(0.5)


async def test_a_throttle_empties_the_bucket_and_a_block_closes_it() -> None:
    """Amazon's word counts more than our count."""
    clock = VirtualClock()
    limiter = Limiter(clock, burst=5, restore_seconds=60)
    limiter.drain()
    assert limiter.wait_seconds() == pytest.approx(60)
    limiter.block(900)
    assert limiter.wait_seconds() == pytest.approx(900)
    with pytest.raises(QuotaTimeout) as caught:
        await limiter.acquire(deadline=clock.now() + timedelta(seconds=100))
    assert caught.value.retry_at == clock.now() + timedelta(seconds=900)


async def test_the_limiter_is_an_async_limiter() -> None:
    """Whoever takes an ``AsyncLimiter`` takes this one, with the same parameters."""
    limiter = Limiter(VirtualClock(), burst=3, restore_seconds=20)
    assert isinstance(limiter, AsyncLimiter)
    assert (limiter.max_rate, limiter.time_period, limiter.has_capacity(3), limiter.has_capacity(4)) == (
        3, 60, True, False,
    )  # fmt: skip
