"""SIGKILL at every step of put, open, submit and settle, on real SQLite and real PostgreSQL.

Whatever instant a process dies at: what ``put`` promised reaches Amazon, no older value arrives after a newer one,
versions only grow, and nothing stays behind. Run with ``-s`` to see the matrix (step x store).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from storage_process import lines, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("storage_process.py")
# Enough items that a verb takes far longer than the parent needs to kill its process in the middle.
MANY = 10_000

BETWEEN = (
    "before put",
    "after put",
    "inside admit",
    "after open",
    "before submit",
    "after submit, before its answer",
    "after mark_submitted",
    "after settle",
)
INSIDE = ("inside put", "inside open", "inside settle")
# A verb, and the step before it: its process is killed while the database keeps it waiting for a lock of ours.
BLOCKED = {
    "put": "before put",
    "open": "after put",
    "mark_submitted": "after submit, before its answer",
    "settle": "after mark_submitted",
}
RANDOM_KILLS = 12

_rows: dict[tuple[str, str], str] = {}


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the store is; a new account keeps the cases of one server apart."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_uri"))
    return str(tmp_path / "store.db")


@pytest.fixture(scope="module", autouse=True)
def print_matrix() -> Iterator[None]:
    """Show the matrix at the end of the module."""
    _rows.clear()
    yield
    if _rows:
        print("\n\nkilled with SIGKILL ...".ljust(40), "sqlite".ljust(50), "postgres")
        for step in dict.fromkeys(step for step, _ in _rows):
            print(step.ljust(38), *(_rows.get((step, kind), "-").ljust(50) for kind in ("sqlite", "postgres")))


class Case:
    """One account on one store, and the processes that work on it."""

    def __init__(self, store: str, folder: Path, *, keys: int = 3) -> None:
        self.store = store
        self.kind = "postgres" if store.startswith("postgresql:") else "sqlite"
        self.folder = folder / uuid.uuid4().hex
        self.folder.mkdir()
        self.account = f"A1{uuid.uuid4().hex[:10].upper()}/AE"
        self.keys = keys

    def start(self, job: str, **more: Any) -> subprocess.Popen[str]:
        """A process at work."""
        told = {
            "job": job,
            "store": self.store,
            "account": self.account,
            "folder": str(self.folder),
            "keys": self.keys,
            **more,
        }
        return subprocess.Popen(
            [sys.executable, str(SCRIPT), json.dumps(told)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def kill_at(self, step: str) -> None:
        """Let a process run to a step, where it stands still, and kill it there."""
        with self.start("once", stop_at=step) as process:
            assert _read(process) == f"at {step}"
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL

    def kill_blocked(self, step: str) -> None:
        """Let a process run into a lock right after ``step``, and kill it there; the lock is gone afterwards."""
        asyncio.run(_make_tables(self.store))
        with self.start("once", stop_at=step) as process, contextlib.closing(self._connect()) as connection:
            assert _read(process) == f"at {step}"
            if isinstance(connection, sqlite3.Connection):
                connection.execute("BEGIN IMMEDIATE")
            else:
                connection.execute("LOCK TABLE amazon_ae.items, amazon_ae.batches IN EXCLUSIVE MODE")
            print(file=process.stdin, flush=True)
            time.sleep(0.2)  # SQLite does not tell who waits; on a slow machine the process dies a little earlier
            if isinstance(connection, psycopg.Connection):
                waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'"
                for _ in range(500):
                    if connection.execute(waiting).fetchone() == (1,):
                        break
                    time.sleep(0.02)
                else:
                    pytest.fail("the process never came to wait for the lock")
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL

    def _connect(self) -> sqlite3.Connection | psycopg.Connection[Any]:
        if self.kind == "postgres":
            return psycopg.connect(self.store)
        return sqlite3.connect(self.store, isolation_level=None)

    def kill_inside(self, verb: str, delay_seconds: float) -> bool:
        """Kill a process ``delay_seconds`` after a verb began; whether the verb had not returned by then."""
        with self.start("once", stop_at=f"inside {verb}") as process:
            assert _read(process) == f"at inside {verb}"
            time.sleep(delay_seconds)
            process.send_signal(signal.SIGKILL)
            rest = process.stdout.read() if process.stdout else ""
        assert process.returncode == -signal.SIGKILL
        return f"past {verb}" not in rest

    def rescue(self) -> dict[str, Any]:
        """What a fresh process finds and finishes."""
        with self.start("rescue") as process:
            answer = _read(process)
        assert process.returncode == 0
        assert isinstance(answer, dict)
        return answer

    def check(self, after: dict[str, Any]) -> str:
        """Nothing lost, nothing overtaken, nothing left; says what came of it."""
        journal, feeds = lines(self.folder / "journal"), lines(self.folder / "amazon")
        meant = [line["meant"] for line in journal if "meant" in line]
        promised = [line for line in journal if "promised" in line]
        last_promised = max((line["promised"] for line in promised), default=0)

        assert after["left"] == [0, 0, 0, 0], "everything was sent"
        # Each key of the store holds what it promised, or a later value that was being put when the process died.
        for item in after["items"]:
            state, version, accepted = item or ["accepted", 0, 0]
            assert state == "accepted"
            assert last_promised <= accepted <= max(meant, default=0)
            if promised and accepted == promised[-1]["promised"]:
                assert version == promised[-1]["versions"][0]
        # Amazon never got an older value after a newer one, and its last one is what the store says it accepted.
        last: dict[str, int] = {}
        for feed in feeds:
            for key, value in feed["items"].items():
                assert value >= last.get(key, 0), f"{key}: {value} after {last[key]}"
                last[key] = value
        if last_promised:
            assert len(last) == self.keys
        if last:
            assert {item[2] for item in after["items"]} == set(last.values())
        # Versions of one key grow from put to put, across the death of a process.
        for before, then in itertools.pairwise(promised):
            assert all(old < new for old, new in zip(before["versions"], then["versions"], strict=True))
        # Every feed has its place in the quota; a place without a feed is one whose owner died before it sent.
        assert len({feed["batch"] for feed in feeds}) == len(feeds) <= after["places"]
        return f"ok: put {last_promised or '-'}, Amazon has {max(last.values(), default='-')}, {len(feeds)} feeds"


async def _make_tables(store: str) -> None:
    opened = open_store(store)
    try:
        await opened.load("x")
    finally:
        await opened.aclose()


def _read(process: subprocess.Popen[str]) -> Any:
    line = process.stdout.readline() if process.stdout else ""
    assert line, "the process died by itself"
    return json.loads(line)


@pytest.mark.parametrize("step", BETWEEN)
def test_killed_between_two_steps(store: str, tmp_path: Path, step: str) -> None:
    """A process that dies between any two steps leaves work that another one finishes."""
    case = Case(store, tmp_path)
    case.kill_at(step)
    _rows[step, case.kind] = "FAILED"
    _rows[step, case.kind] = case.check(case.rescue())


@pytest.mark.parametrize("verb", BLOCKED)
def test_killed_while_the_database_keeps_it_waiting(store: str, tmp_path: Path, verb: str) -> None:
    """PostgreSQL may still finish the statement of a process that is dead; that is no worse than a late death."""
    case = Case(store, tmp_path)
    case.kill_blocked(BLOCKED[verb])
    step = f"waiting for a lock in {verb}"
    _rows[step, case.kind] = "FAILED"
    _rows[step, case.kind] = case.check(case.rescue())


@pytest.mark.parametrize("step", INSIDE)
def test_killed_inside_a_verb(store: str, tmp_path: Path, step: str) -> None:
    """A process that dies while the database works for it leaves all of the verb or nothing of it."""
    verb = step.removeprefix("inside ")
    hits = 0
    # Early and late in the verb; a machine that is quicker than this one is killed sooner.
    for delay_seconds in (0.07, 0.02, 0.005, 0.001):
        case = Case(store, tmp_path, keys=MANY)
        hits += case.kill_inside(verb, delay_seconds)
        _rows[step, case.kind] = "FAILED"
        _rows[step, case.kind] = case.check(case.rescue())
        if hits == 2:
            break
    assert hits, f"no process was inside {verb} when it was killed"


def test_killed_at_random_instants(store: str, tmp_path: Path) -> None:
    """A dozen processes in a row, each killed after some milliseconds of work: the survivors' promises hold."""
    case = Case(store, tmp_path, keys=20)
    dice = random.Random(4)
    for _ in range(RANDOM_KILLS):
        with case.start("for_ever", lease_seconds=0.05) as process:
            assert _read(process) == "at work"
            time.sleep(dice.uniform(0.0, 0.2))  # any instant will do: that is the test
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
    step = f"{RANDOM_KILLS} times at random"
    _rows[step, case.kind] = "FAILED"
    _rows[step, case.kind] = case.check(case.rescue())
    assert lines(case.folder / "amazon"), "the processes did work before they died"


def test_a_zombie_cannot_settle(store: str, tmp_path: Path) -> None:
    """A process that was stopped, lost its lease and comes back gets StaleLease, and changes nothing."""
    case = Case(store, tmp_path)
    with case.start("once", stop_at="after mark_submitted") as zombie:
        assert _read(zombie) == "at after mark_submitted"
        zombie.send_signal(signal.SIGSTOP)
        after = case.rescue()
        zombie.send_signal(signal.SIGCONT)
        assert zombie.stdin is not None
        print(file=zombie.stdin, flush=True)
        assert _read(zombie) == "stale"
    assert zombie.returncode == 0
    assert case.rescue() == after
    _rows["stopped, then back: settle", case.kind] = "StaleLease; " + case.check(after)
