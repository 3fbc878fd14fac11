"""The short form of ``benchmarks/bench_many_hosts.py``: real processes on a real server. Bounds are for any machine."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.postgres

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "bench_many_hosts.py"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    """The benchmark as a module."""
    spec = importlib.util.spec_from_file_location("bench_many_hosts", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_three_processes_tell_outcomes_at_once_and_wake_each_other_rarely(
    benchmark: ModuleType, postgres_uri: str
) -> None:
    """No call fails, every scheduler gets its look, pickups have their outcome soon, and a put costs few transactions.

    A put that wakes every process costs five transactions for each; one that its own process carries about six.
    """
    found = benchmark.measure(postgres_uri, processes=3, sellers=20, seconds=6.0, warm_up=6.0)
    assert found["failed"] == 0
    assert found["first_passes"] < 60
    assert found["pickups"] >= 3
    assert found["pickup_p50"] < 2.0
    assert found["transactions"] < 10
    assert found["cpu_hosts"] + found["cpu_server"] < 1.0


async def test_a_pickup_is_not_held_up_by_batches_of_dead_processes(benchmark: ModuleType, postgres_uri: str) -> None:
    """A thousand of them: some seconds at most, on a machine that is busy with other things."""
    assert await benchmark.pickup_beside_dead_batches(postgres_uri, 1_000) < 10.0
