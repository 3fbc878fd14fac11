"""Hours of crashes, freezes, skewed clocks and faults, thirty seeds of them: every promise holds in each."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from amazon_ae.testing._simulation.chaos import run_chaos
from amazon_ae.testing._simulation.chaos_plan import ChaosPlan

pytestmark = pytest.mark.slow


def play(*options: str, hash_seed: int = 0) -> str:
    """Play seeds; returns what the command printed, which is empty of broken promises."""
    command = [sys.executable, "-m", "amazon_ae.testing._simulation.chaos_command", "--jobs", "1", *options]
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(400)
@pytest.mark.parametrize("first", [0, 10, 20])
def test_nothing_is_lost_doubled_or_wrongly_told(first: int) -> None:
    """On the shared memory of one to three hosts."""
    assert "10 seeds on memory, 0 broken" in play("--first", str(first), "--seeds", "10")


@pytest.mark.parametrize(("store", "seed"), [("memory", 4), ("memory", 21), ("sqlite", 4), ("sqlite", 9)])
def test_a_seed_replays_exactly(store: str, seed: int) -> None:
    """Every storage verb, request, event and word in the same order at the same instant, in any process."""
    options = ("--first", str(seed), "--seeds", "1", "--store", store, "--journal")
    first = play(*options, hash_seed=1)
    assert first.count("\n") > 3000
    assert " storage.settle\n" in first
    assert " told 171-" in first
    assert first == play(*options, hash_seed=2)


@pytest.mark.postgres
def test_the_same_holds_on_postgresql(postgres_uri: str) -> None:
    """Where the database decides in which order verbs complete."""
    play("--first", "9", "--seeds", "1", "--store", "postgres", "--postgres", postgres_uri)


def test_a_plan_is_drawn_from_its_seed_alone() -> None:
    """Equal seeds are equal plans; a tenth of them has no fault at all."""
    plans = [ChaosPlan.draw(seed) for seed in range(200)]
    assert plans == [ChaosPlan.draw(seed) for seed in range(200)]
    assert 10 < sum(plan.calm for plan in plans) < 40
    assert {plan.hosts for plan in plans} == {1, 2, 3}


def test_a_calm_plan_settles_everything_without_a_fault() -> None:
    """No fault is counted and every pickup is accepted."""
    report = run_chaos(ChaosPlan(seed=5, hours=1.0))
    assert (report.violations, report.counts) == ([], {})
