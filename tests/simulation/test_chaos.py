"""Hours of crashes, freezes, skewed clocks and faults, thirty seeds of them: every promise holds in each."""

from __future__ import annotations

import pytest

from amazon_ae.testing._simulation.chaos import ChaosPlan, run_chaos
from amazon_ae.testing._simulation.chaos_command import play

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", range(30))
def test_nothing_is_lost_doubled_or_wrongly_told(seed: int) -> None:
    """On the shared memory of one to three hosts."""
    assert play(seed).violations == []


@pytest.mark.parametrize("seed", [4, 8])
def test_the_same_holds_on_sqlite(seed: int) -> None:
    """Each host with its own connection to one file."""
    assert play(seed, store="sqlite").violations == []


@pytest.mark.postgres
@pytest.mark.parametrize("seed", [8])
def test_the_same_holds_on_postgresql(seed: int, postgres_uri: str) -> None:
    """Where the database decides in which order verbs complete."""
    assert play(seed, store="postgres", postgres=postgres_uri).violations == []


@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_a_seed_replays_exactly(store: str) -> None:
    """Every request and every word, in the same order."""
    assert play(4, store=store).trace == play(4, store=store).trace


def test_a_plan_is_drawn_from_its_seed_alone() -> None:
    """Equal seeds are equal plans; a tenth of them has no fault at all."""
    plans = [ChaosPlan.draw(seed) for seed in range(200)]
    assert plans == [ChaosPlan.draw(seed) for seed in range(200)]
    assert 5 < sum(not plan.doubtful for plan in plans) < 60
    assert {plan.hosts for plan in plans} == {1, 2, 3}


def test_a_calm_plan_settles_everything_without_a_fault() -> None:
    """No fault is counted and every pickup is accepted."""
    report = run_chaos(ChaosPlan(seed=5, hours=1.0))
    assert (report.violations, report.counts) == ([], {})
