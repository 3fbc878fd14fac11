"""Eight processes on one store: exact counts, no tolerance."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from storage_process import KIND, open_store

from amazon_ae._models.stored import Change

if TYPE_CHECKING:
    from collections.abc import Sequence

SCRIPT = Path(__file__).with_name("storage_process.py")
PROCESSES = 8


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the store is."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_uri"))
    return str(tmp_path / "store.db")


def race(
    store: str, account: str, job: str, *, keys: int = 0, schema: str = "amazon_ae", **arguments: Any
) -> list[Any]:
    """Let eight processes get ready, start them together, and return what each said at its end."""
    told = {
        "job": job,
        "store": store,
        "schema": schema,
        "account": account,
        "folder": "",
        "keys": keys,
        "arguments": arguments,
    }
    processes = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), json.dumps(told)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(PROCESSES)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline()) == "ready"
        for process in processes:
            print(file=process.stdin, flush=True)
        answers = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert [process.returncode for process in processes] == [0] * PROCESSES
    return answers


async def fill(store: str, account: str, keys: Sequence[str]) -> None:
    """Put one value for each key."""
    opened = open_store(store)
    try:
        await opened.put(account, KIND, [Change(key, "1") for key in keys])
    finally:
        await opened.aclose()


def test_a_quota_of_30_places_admits_exactly_30(store: str, account: str) -> None:
    """Eight processes ask 160 times for 30 places: 30 batches leave, whoever is first."""
    asyncio.run(fill(store, account, [f"SKU-{number:03d}" for number in range(160)]))
    answers = race(store, account, "race_for_places", limit=30, tries=20)
    taken = [key for answer in answers for key in answer["taken"]]
    assert len(taken) == 30
    assert len(set(taken)) == 30
    assert asyncio.run(_left(store, account)) == (130, 30, "30")


def test_each_item_is_taken_exactly_once(store: str, account: str) -> None:
    """Eight processes empty a queue of 2,000 items in batches of 7: every item leaves, none twice."""
    keys = [f"SKU-{number:04d}" for number in range(2_000)]
    asyncio.run(fill(store, account, keys))
    answers = race(store, account, "race_for_items", limit=7)
    assert sorted(key for answer in answers for key in answer["taken"]) == keys
    assert asyncio.run(_left(store, account)) == (0, 2_000, None)


def test_puts_of_the_same_keys_in_any_order_never_deadlock(store: str, account: str) -> None:
    """Eight processes put the same 200 keys 20 times, half of them backwards: 160 versions, none lost, no error."""
    answers = race(store, account, "race_to_put", keys=200, rounds=20)
    assert answers == ["done"] * PROCESSES
    assert asyncio.run(_versions(store, account)) == {160}


def test_first_starts_do_not_collide(store: str, account: str) -> None:
    """Eight processes meet a database without tables: one makes them, all work."""
    answers = race(store, account, "race_to_put", keys=1, schema=f"new_{uuid.uuid4().hex[:8]}", rounds=1)
    assert answers == ["done"] * PROCESSES


async def _left(store: str, account: str) -> tuple[int, int, str | None]:
    opened = open_store(store)
    try:
        stats = await opened.stats(account, KIND)
        return stats.waiting, stats.in_flight, await opened.load(f"{account}/quota")
    finally:
        await opened.aclose()


async def _versions(store: str, account: str) -> set[int]:
    opened = open_store(store)
    try:
        return {item.version for item in await opened.waiting(account, KIND, limit=1_000)}
    finally:
        await opened.aclose()
