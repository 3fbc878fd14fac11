"""What ``SQLiteStorage`` adds to the contract: durability, its thread, what other processes commit, its indexes."""

from __future__ import annotations

import asyncio
import gc
import os
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest
from sqlite_support import ACCOUNT, KIND, heard, host, keys, put, run_script, turns_of_the_loop

from amazon_ae._clocks import SystemClock
from amazon_ae._exceptions import ConfigurationError, StorageError
from amazon_ae._models.feeds import ItemKind, ItemOutcome, Outcome
from amazon_ae._models.stored import Change, ReceiptState
from amazon_ae._storage.memory import MemoryStorage
from amazon_ae._storage.sqlite.store import SQLiteStorage


class GateClock(SystemClock):
    """A clock that can hold the store's thread in the middle of a verb, where it reads the time."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._free = threading.Event()
        self._free.set()

    def now(self) -> datetime:
        self.reached.set()
        assert self._free.wait(30)
        return super().now()

    def shut(self) -> None:
        self._free.clear()
        self.reached.clear()

    def open(self) -> None:
        self._free.set()


# --- driver, durability, event loop


def test_importing_the_store_loads_no_driver() -> None:
    """``sqlite3`` is loaded at the first use."""
    out = run_script(
        """
        import sys
        import amazon_ae._storage.sqlite.store
        store = amazon_ae._storage.sqlite.store.SQLiteStorage("never-opened.db")
        print("sqlite3" in sys.modules)
        """
    )
    assert out.split() == ["False"]


async def test_commits_reach_the_disk_before_put_returns(store: SQLiteStorage) -> None:
    """A write-ahead log that is synchronised at every commit: WAL with synchronous=FULL (2)."""
    database = store._database  # `synchronous` belongs to a connection: another one has its own
    assert await database.read(lambda cursor: cursor.execute("PRAGMA journal_mode").fetchone()) == ("wal",)
    assert await database.read(lambda cursor: cursor.execute("PRAGMA synchronous").fetchone()) == (2,)


async def test_the_event_loop_runs_while_another_process_holds_the_lock(path: Path) -> None:
    """Only the store's thread waits; the put goes through as soon as the lock is free."""
    store = SQLiteStorage(path, busy_seconds=30)
    await put(store, "first")
    with closing(host(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(put(store, "second"))
        await turns_of_the_loop()
        assert not waiting.done()
        other.execute("ROLLBACK")
        assert (await waiting)[0].state is ReceiptState.WAITING
    await store.aclose()


async def test_a_cancelled_caller_leaves_the_store_sound(path: Path) -> None:
    """The put that was under way when its caller was cancelled is stored whole, and its watcher is called."""
    clock = GateClock()
    store = SQLiteStorage(path, clock=clock)
    assert await keys(store) == []
    told: list[str] = []
    store.watch(ACCOUNT, lambda: told.append("told"))
    clock.shut()
    caller = asyncio.create_task(put(store, "a", "b"))
    assert await heard(clock.reached)
    queued = asyncio.create_task(put(store, "never began"))
    await asyncio.sleep(0)
    for task in (caller, queued):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    clock.open()
    # The thread works in order: once this is answered, what was under way has ended.
    assert await keys(store) == ["a", "b"]
    assert told == ["told"]
    await store.aclose()


async def test_a_closed_store_says_so(store: SQLiteStorage) -> None:
    """No silent reopening after ``aclose``."""
    await put(store, "a")
    await store.aclose()
    with pytest.raises(StorageError, match="closed"):
        await put(store, "b")


def test_a_store_that_was_not_closed_warns(path: Path) -> None:
    """A leak is a ``ResourceWarning``."""

    async def leak() -> None:
        await put(SQLiteStorage(path), "a")

    def run_and_collect() -> None:
        asyncio.run(leak())
        gc.collect()

    with pytest.warns(ResourceWarning, match="not closed"):
        run_and_collect()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_opens_its_own_connection(path: Path) -> None:
    """A server that forks its workers after the store was used: parent and child both write."""
    out = run_script(
        """
        import asyncio, os, sys, warnings
        warnings.simplefilter("ignore")
        from amazon_ae._models.feeds import ItemKind, ItemOutcome, Outcome
        from amazon_ae._models.stored import Change
        from amazon_ae._storage.sqlite.store import SQLiteStorage

        store = SQLiteStorage(sys.argv[1])

        async def put(key):
            await store.put("A/AE", ItemKind.INVENTORY, [Change(key, "1")])

        asyncio.run(put("parent-1"))
        child = os.fork()
        if child == 0:
            asyncio.run(put("child"))
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        asyncio.run(put("parent-2"))
        async def show():
            print(*sorted(i.key for i in await store.waiting("A/AE", ItemKind.INVENTORY, limit=9)))
            await store.aclose()
        asyncio.run(show())
        """,
        str(path),
    )
    assert out.split() == ["child", "parent-1", "parent-2"]


@pytest.mark.filterwarnings("error")
async def test_memory_is_not_a_file() -> None:
    """``:memory:`` would lose everything at the first fault. What was never made is not said to be left open."""
    with pytest.raises(ConfigurationError, match="MemoryStorage"):
        SQLiteStorage(":memory:")


# --- watching


async def test_a_put_of_another_process_is_noticed(path: Path) -> None:
    """Another object's commit wakes a watcher of that account; a watcher of another account sleeps on."""
    store, other = SQLiteStorage(path, watch_seconds=0.01), SQLiteStorage(path)
    mine, foreign = threading.Event(), threading.Event()
    store.watch(ACCOUNT, mine.set)
    store.watch("A2OTHER/AE", foreign.set)
    await keys(store)
    await put(other, "a")
    assert await heard(mine)
    mine.clear()
    await put(other, "a", value="2")
    assert not foreign.is_set()
    outcomes: list[tuple[str, ...]] = []
    settled = threading.Event()

    def note(kind: ItemKind, keys: Sequence[str]) -> None:
        outcomes.append((kind, *keys))
        settled.set()

    store.watch(ACCOUNT, lambda: None, settled=note)
    batch = await other.open(ACCOUNT, KIND, batch_id="b", limit=9, lease_seconds=9, exclusive=True)
    assert batch is not None
    await other.settle("b", batch.fence, [ItemOutcome("a", Outcome.ACCEPTED)])
    assert await heard(settled)
    assert outcomes == [("inventory", "a")]
    await store.aclose()
    await other.aclose()


async def test_a_commit_of_the_host_is_noticed(path: Path) -> None:
    """``connection=``: nobody is told before the host commits, everybody soon after."""
    store = SQLiteStorage(path, watch_seconds=0.01)
    await keys(store)
    told = threading.Event()
    store.watch(ACCOUNT, told.set)
    with closing(host(path)) as connection:
        await put(store, "a", connection=connection)
        await turns_of_the_loop()
        assert not told.is_set()
        connection.commit()
        assert await heard(told)
    await store.aclose()


async def test_who_missed_notices_looks_for_itself(path: Path) -> None:
    """The oldest notices are gone: whoever has something queued is called, and all read their outcomes again."""
    store = SQLiteStorage(path, watch_seconds=0.01)
    await put(store, "a")
    told, settled, other = threading.Event(), threading.Event(), threading.Event()
    store.watch(ACCOUNT, told.set, settled=lambda kind, keys: settled.set())
    store.watch("A1NOBODY/AE", other.set, settled=lambda kind, keys: None)
    with closing(sqlite3.connect(path)) as connection:
        (table,) = (
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if name.endswith("notices")
        )
        (last,) = connection.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()
        connection.execute(f"DELETE FROM {table}")
        row = (last + 5000, "another", "A1ELSE/AE", "inventory", "[]")
        connection.execute(f"INSERT INTO {table} (id, origin, account, kind, keys) VALUES (?, ?, ?, ?, ?)", row)
        connection.commit()
    assert await heard(settled)
    assert await heard(told)
    assert not other.is_set()
    await store.aclose()


async def test_nobody_is_told_while_nothing_happens(path: Path) -> None:
    """Asking the file alone calls nobody back, though something waits."""
    store = SQLiteStorage(path, watch_seconds=None)
    await put(store, "a")
    calls: list[str] = []
    store.watch(ACCOUNT, lambda: calls.append("told"))
    # The watching thread's own steps, fifty of them without its pauses.
    store._database.on_foreign_commit(store._notices.pass_on)
    for _ in range(50):
        store._database.check_foreign_commits()
    await keys(store)
    assert calls == []
    await store.aclose()


# --- cost


def explain(cursor: sqlite3.Cursor, *, question: str, parameters: Sequence[object]) -> list[str]:
    """The steps of SQLite's plan for one question."""
    return [row[3] for row in cursor.execute(f"EXPLAIN QUERY PLAN {question}", tuple(parameters))]


async def test_every_question_has_its_index(store: SQLiteStorage) -> None:
    """No query walks a whole table or sorts: what makes a million rows as cheap as ten."""
    sql = store._sql  # the plan of a statement is SQLite's: asked for by its own text
    whose = (ACCOUNT, KIND.value)
    questions = {
        sql.put_states: (*whose, "[]"),
        sql.item: (*whose, "k"),
        sql.items_in_flight: ("b",),
        sql.flight: ("b",),
        sql.waiting: (*whose, 10),
        sql.first: (*whose, 10),
        sql.take: ("b", *whose, 10),
        sql.batches: (ACCOUNT,),
        sql.any_batch: (*whose, "r"),
        sql.batch: ("b",),
        sql.count_waiting: (*whose, 1),
        sql.count_in_flight: whose,
        sql.count_dead: whose,
        sql.dead: (*whose, "", 10),
        sql.page: ("", "", "", 10),
        sql.queue_page: (0, *whose, "", 10),
        sql.document: ("n",),
        sql.names: ("n", "o"),
        sql.names_from: ("n",),
        sql.can_leave: (*whose, 1),
        sql.notices: (0,),
    }
    for question, parameters in questions.items():
        plan = await store._database.read(partial(explain, question=question, parameters=parameters))
        steps = "\n".join(plan)
        assert "TEMP B-TREE" not in steps, (question, steps)
        assert not [step for step in plan if step.startswith("SCAN amazon_ae_")], (question, steps)


async def test_statistics_stop_at_the_cap(store: SQLiteStorage, path: Path) -> None:
    """Counting goes no further than 100,000 rows, however many wait."""
    await put(store, "a")
    with closing(host(path)) as connection, connection:
        connection.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100500)"
            " INSERT INTO amazon_ae_items (account, kind, key, version, state, value, urgent, put_at, in_doubt, code,"
            " message) SELECT ?, ?, 'k' || i, 1, 'waiting', '1', 0, 9, 0, '', '' FROM n",
            (ACCOUNT, KIND.value),
        )
    assert (await store.stats(ACCOUNT, KIND)).waiting == 100_000


async def test_leaving_the_block_closes_the_file(tmp_path: Path) -> None:
    """Every storage can be used with ``async with``, so that a host may exchange one for another."""
    async with MemoryStorage() as memory:
        await memory.put("A1/AE", ItemKind.INVENTORY, [Change("SKU-1", "{}")])
    async with SQLiteStorage(tmp_path / "stock.sqlite") as storage:
        await storage.put("A1/AE", ItemKind.INVENTORY, [Change("SKU-1", "{}")])
    with pytest.raises(StorageError, match="closed"):
        await storage.item("A1/AE", ItemKind.INVENTORY, "SKU-1")
