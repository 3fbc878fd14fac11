"""A process dies at any of its steps; the next one goes on from the store. Nothing is lost, nothing is sent twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from scheduler_world import World, dies, in_memory, recovers

from amazon_ae._storage.postgres.store import PostgresStorage
from amazon_ae._storage.sqlite.store import SQLiteStorage
from amazon_ae.testing._clocks import VirtualClock


async def steps_of_a_whole_life() -> list[str]:
    return await dies(World(VirtualClock(), in_memory()), 10**9)


STEPS = asyncio.run(steps_of_a_whole_life())
at_every_step = pytest.mark.parametrize(
    "last", range(1, len(STEPS) + 1), ids=lambda last: f"{last}-{STEPS[last - 1].replace(' ', '-')}"
)


def test_the_matrix_covers_a_whole_life() -> None:
    """Every verb that changes something outside is in it, on both sides."""
    assert {step.split()[1] for step in STEPS} >= {
        "open",
        "submit",
        "mark_submitted",
        "status",
        "report",
        "settle",
        "change",
    }
    assert len(STEPS) > 60


@at_every_step
async def test_a_crash_at_any_step_loses_and_repeats_nothing(last: int) -> None:
    """Each pickup reaches Amazon exactly once, stock ends at its newest value, the quota is never passed."""
    world = World(VirtualClock(), in_memory())
    await dies(world, last)
    await recovers(world)
    await world.aclose()


@at_every_step
async def test_the_same_over_a_sqlite_file(last: int, tmp_path: Path) -> None:
    """The dead process's store and its heir's are two connections to one file."""
    world = World(VirtualClock(), lambda clock: SQLiteStorage(tmp_path / "s.db", clock=clock, watch_seconds=None))
    try:
        await dies(world, last)
        await recovers(world)
    finally:
        await world.aclose()


@pytest.mark.postgres
@at_every_step
async def test_the_same_over_postgresql(last: int, postgres_uri: str) -> None:
    """The host's pool survives, as a database's other clients do; all that the process did with it ends."""
    psycopg_pool = pytest.importorskip("psycopg_pool")
    pool = psycopg_pool.AsyncConnectionPool(postgres_uri, min_size=4, max_size=4, open=False)
    await pool.open(wait=True)
    world = World(VirtualClock(), lambda clock: PostgresStorage(pool, clock=clock, schema=f"crash_{last}"))
    try:
        await world.storage.load("nothing")
        await dies(world, last)
        await recovers(world)
    finally:
        await world.aclose()
        await pool.close()
