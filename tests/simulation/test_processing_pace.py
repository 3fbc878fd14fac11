"""Amazon processes feeds of one type one after another, often for many minutes; callers wait for the outcome."""

from __future__ import annotations

import itertools

import pytest

from amazon_ae.testing._simulation import Load, simulate
from amazon_ae.testing._simulation.loads import Processing

HOURS = 12.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seconds", "packs", "mean", "p99"),
    [
        (60, 20, 2.5, 5.2),
        (240, 20, 6.3, 9.3),
        (300, 20, 7.9, 11.3),
        (600, 8, 14.7, 21.3),
        (600, 20, 15.6, 21.3),
        (900, 20, 23.5, 31.3),
    ],
)
def test_outcomes_come_as_soon_as_a_queue_allows(seconds: float, packs: float, mean: float, p99: float) -> None:
    """Minutes from asking to the outcome; the first hour, in which nothing is known, counts."""
    load = Load(packs_per_hour=packs, changes_per_hour=600)
    trade = simulate(load, processing=Processing(seconds=seconds), hours=HOURS, seed=1)
    assert trade.outcomes.mean / 60 <= mean
    assert trade.outcomes.p99 / 60 <= p99
    assert trade.detection.mean <= 25.0
    assert trade.requests["GetFeedSubmissionList"] <= 80 * HOURS
    assert not trade.refused


@pytest.mark.slow
def test_a_pace_that_changes_over_the_day_is_followed() -> None:
    """From one minute to ten and back: nobody waits for more than two feeds and what it takes to notice."""
    profile = (1.0,) * 4 + (10.0,) * 4 + (1.0,) * 16
    load = Load(packs_per_hour=20, changes_per_hour=600)
    trade = simulate(load, processing=Processing(seconds=60, day_profile=profile), hours=HOURS, seed=1)
    slow = [delay for at, delay in trade.outcome_delays if 4 * 3600 <= at < 7.5 * 3600]
    fast = [delay for at, delay in trade.outcome_delays if at >= 9 * 3600]
    assert max(slow) <= 2 * 600 + 120
    assert sum(fast) / len(fast) <= 180
    assert not trade.refused


@pytest.mark.slow
def test_a_feed_that_never_ends_holds_pickups_back_for_a_bounded_time() -> None:
    """Here each takes two days: one leaves every twenty minutes, and nothing is refused."""
    load = Load(packs_per_hour=20, changes_per_hour=0)
    trade = simulate(load, processing=Processing(seconds=200_000), hours=6.0, seed=1)
    left = [at for at, _, _ in trade.feeds]
    assert len(left) > 6 * 2
    assert max(after - before for before, after in itertools.pairwise(left)) <= 1500
    assert trade.pickups.longest <= 1500
