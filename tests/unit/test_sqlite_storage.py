"""What ``SQLiteStorage`` adds to the contract: the file, its faults, the host's transaction, the schema."""

# The folders and files of these tests are the faults under test, so their coroutines touch them directly.
# ruff: noqa: ASYNC240
from __future__ import annotations

import asyncio
import gc
import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from amazon_ae.clocks import SystemClock
from amazon_ae.exceptions import ConfigurationError, SchemaTooNew, StorageError
from amazon_ae.models.feeds import ItemKind
from amazon_ae.models.stored import Change, Receipt, ReceiptState
from amazon_ae.storage.memory import MemoryStorage
from amazon_ae.storage.sqlite import SQLiteStorage

ACCOUNT = "A1SELLER/AE"
KIND = ItemKind.INVENTORY


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
async def store(path: Path):
    store = SQLiteStorage(path, busy_seconds=0.2)
    yield store
    await store.aclose()


async def put(store: SQLiteStorage, *keys: str, value: str = "1", connection=None) -> list[Receipt]:
    """Put one value under some keys."""
    return list(await store.put(ACCOUNT, KIND, [Change(key, value) for key in keys], connection=connection))


async def keys(store: SQLiteStorage) -> list[str]:
    """The keys that wait."""
    return sorted(item.key for item in await store.waiting(ACCOUNT, KIND, limit=100_000))


def host(path: Path, **options) -> sqlite3.Connection:
    """The host's own connection."""
    return sqlite3.connect(path, **options)


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


async def turns_of_the_loop() -> None:
    """Let the loop turn a thousand times: some milliseconds in which threads get on, too."""
    for _ in range(1_000):
        await asyncio.sleep(0)


def run_script(script: str, *arguments: str) -> str:
    """Run a Python script in a process of its own; its output."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *arguments], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- driver, durability, event loop


def test_importing_the_store_loads_no_driver() -> None:
    """``sqlite3`` is loaded at the first use."""
    out = run_script(
        """
        import sys
        import amazon_ae.storage.sqlite
        store = amazon_ae.storage.sqlite.SQLiteStorage("never-opened.db")
        print("sqlite3" in sys.modules)
        """
    )
    assert out.split() == ["False"]


async def test_commits_reach_the_disk_before_put_returns(store: SQLiteStorage) -> None:
    """A write-ahead log that is synchronised at every commit: WAL with synchronous=FULL (2)."""
    database = store._database
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
    """The put that was under way when its caller was cancelled is stored whole, and its watcher is told."""
    clock = GateClock()
    store = SQLiteStorage(path, clock=clock)
    await put(store, "first")
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
    assert await keys(store) == ["a", "b", "first"]
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
        from amazon_ae.models.feeds import ItemKind
        from amazon_ae.models.stored import Change
        from amazon_ae.storage.sqlite import SQLiteStorage

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


async def test_memory_is_not_a_file() -> None:
    """``:memory:`` would lose everything at the first fault."""
    with pytest.raises(ConfigurationError, match="MemoryStorage"):
        SQLiteStorage(":memory:")


# --- faults


async def test_a_lock_that_stays_is_a_storage_error(store: SQLiteStorage, path: Path) -> None:
    """After ``busy_seconds``; reading goes on meanwhile, and writing once the lock is gone."""
    await put(store, "a")
    with closing(host(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="locked") as caught:
            await put(store, "b")
        assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
        assert await keys(store) == ["a"]
        other.execute("ROLLBACK")
    await put(store, "b")
    assert await keys(store) == ["a", "b"]


async def test_a_locked_file_without_a_write_ahead_log_is_waited_for(path: Path) -> None:
    """The host's file is switched to WAL; meanwhile its lock is waited for as long as any other."""
    with closing(host(path, isolation_level=None)) as other:
        other.execute("CREATE TABLE picks (sku TEXT)")
        other.execute("BEGIN EXCLUSIVE")
        impatient = SQLiteStorage(path, busy_seconds=0.05)
        with pytest.raises(StorageError, match="locked"):
            await put(impatient, "a")
        patient = SQLiteStorage(path, busy_seconds=30)
        waiting = asyncio.create_task(put(patient, "b"))
        await turns_of_the_loop()
        assert not waiting.done()
        other.execute("ROLLBACK")
        await waiting
        await put(impatient, "a")
        assert await keys(patient) == ["a", "b"]
    with closing(host(path)) as fresh:
        assert fresh.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    await impatient.aclose()
    await patient.aclose()


def test_a_full_disk_stores_nothing_and_passes(path: Path) -> None:
    """The operating system refuses to let the file grow: StorageError, all of the put or nothing, then normal again."""
    out = run_script(
        """
        import asyncio, resource, sqlite3, sys
        from amazon_ae.exceptions import StorageError
        from amazon_ae.models.feeds import ItemKind
        from amazon_ae.models.stored import Change
        from amazon_ae.storage.sqlite import SQLiteStorage

        async def main():
            store = SQLiteStorage(sys.argv[1])
            kind = ItemKind.INVENTORY
            await store.put("A/AE", kind, [Change("before", "1")])
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (256 * 1024, hard))
            refused = 0
            for turn in range(3):
                try:
                    await store.put("A/AE", kind, [Change(f"{turn}-{n}", "x" * 100) for n in range(20_000)])
                except StorageError as error:
                    assert isinstance(error.__cause__, sqlite3.OperationalError), error.__cause__
                    refused += 1
            waiting = (await store.stats("A/AE", kind)).waiting
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            await store.put("A/AE", kind, [Change(f"after-{n}", "x" * 100) for n in range(20_000)])
            print(refused, waiting, (await store.stats("A/AE", kind)).waiting)
            await store.aclose()

        asyncio.run(main())
        """,
        str(path),
    )
    assert out.split() == ["3", "1", "20001"]
    with closing(host(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_read_only_file_is_a_storage_error_and_passes() -> None:
    """Without the right to write: StorageError; with the right again, the same object works."""
    out = run_script(
        """
        import asyncio, os, shutil, sqlite3, tempfile
        from amazon_ae.exceptions import StorageError
        from amazon_ae.models.feeds import ItemKind
        from amazon_ae.models.stored import Change
        from amazon_ae.storage.sqlite import SQLiteStorage

        folder = tempfile.mkdtemp()
        path = os.path.join(folder, "store.db")

        async def put(store, key):
            await store.put("A/AE", ItemKind.INVENTORY, [Change(key, "1")])

        async def main():
            first = SQLiteStorage(path)
            await put(first, "before")
            await first.aclose()
            os.chmod(path, 0o444)
            os.chmod(folder, 0o555)
            if root := os.geteuid() == 0:
                os.seteuid(65534)  # root may write everything: become nobody for a while
            store = SQLiteStorage(path)
            try:
                await put(store, "refused")
            except StorageError as error:
                print(type(error).__name__, isinstance(error.__cause__, sqlite3.OperationalError))
            if root:
                os.seteuid(0)
            os.chmod(folder, 0o755)
            os.chmod(path, 0o644)
            await put(store, "after")
            print(*sorted(i.key for i in await store.waiting("A/AE", ItemKind.INVENTORY, limit=9)))
            await store.aclose()

        asyncio.run(main())
        shutil.rmtree(folder)
        """
    )
    assert out.split() == ["StorageError", "True", "after", "before"]


async def test_a_corrupt_file_is_a_storage_error_and_passes(path: Path) -> None:
    """Bytes that are no database; the same object works once the backup is back."""
    first = SQLiteStorage(path)
    await put(first, "a")
    await first.aclose()
    backup = path.read_bytes()
    path.write_bytes(b"no database at all " * 1000)
    store = SQLiteStorage(path)
    for _ in range(2):
        with pytest.raises(StorageError, match="not a database") as caught:
            await put(store, "b")
        assert isinstance(caught.value.__cause__, sqlite3.DatabaseError)
    path.write_bytes(backup)
    await put(store, "b")
    assert await keys(store) == ["a", "b"]
    await store.aclose()


async def test_corruption_under_an_open_store_is_a_storage_error(path: Path) -> None:
    """The tables' pages are overwritten while the store is open: no wrong answer comes out, and a backup heals it."""
    store = SQLiteStorage(path)
    await put(store, *(f"SKU-{number:04d}" for number in range(3_000)))
    with closing(host(path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    backup = path.read_bytes()
    await store.aclose()
    store = SQLiteStorage(path)
    assert len(await keys(store)) == 3_000
    damaged = bytearray(backup)
    damaged[4096:] = b"\xff" * (len(backup) - 4096)
    path.write_bytes(damaged)
    os.utime(path)
    await store.aclose()
    store = SQLiteStorage(path)
    with pytest.raises(StorageError):
        await keys(store)
    path.write_bytes(backup)
    assert len(await keys(store)) == 3_000
    await store.aclose()


async def test_a_missing_folder_is_a_storage_error_and_passes(tmp_path: Path) -> None:
    """The folder is the host's to make; afterwards the same object works."""
    store = SQLiteStorage(tmp_path / "later" / "store.db")
    with pytest.raises(StorageError, match="unable to open"):
        await put(store, "a")
    (tmp_path / "later").mkdir()
    await put(store, "a")
    await store.aclose()


# --- the host's own transaction


async def test_a_put_commits_and_rolls_back_with_the_hosts_own_rows(store: SQLiteStorage, path: Path) -> None:
    """One transaction over the host's table and the buffer."""
    await put(store, "before")
    with closing(host(path)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("CREATE TABLE picks (sku TEXT)")
        connection.execute("INSERT INTO picks VALUES ('a')")
        await put(store, "a", connection=connection)
        assert connection.in_transaction
        assert await keys(store) == ["before"]
        connection.rollback()
        assert await keys(store) == ["before"]
        with connection:
            connection.execute("INSERT INTO picks VALUES ('b')")
            (receipt,) = await put(store, "b", connection=connection)
        assert receipt == Receipt("b", 1, ReceiptState.WAITING)
        assert await keys(store) == ["b", "before"]
        assert [row["sku"] for row in connection.execute("SELECT sku FROM picks")] == ["b"]


async def test_a_put_may_begin_the_hosts_transaction(store: SQLiteStorage, path: Path) -> None:
    """Where the host has not written yet, the driver's usual transaction begins, and is the host's to end."""
    await put(store, "before")
    with closing(host(path)) as connection:
        await put(store, "a", connection=connection)
        assert connection.in_transaction
        connection.rollback()
        assert await keys(store) == ["before"]
        await put(store, "a", connection=connection)
        connection.commit()
        assert await keys(store) == ["a", "before"]


async def test_a_failing_put_leaves_the_hosts_transaction_as_it_was(store: SQLiteStorage, path: Path) -> None:
    """Nothing of the put is in it, everything of the host is."""
    await put(store, "before")
    with closing(host(path)) as connection:
        connection.execute("CREATE TABLE picks (sku TEXT)")
        connection.execute(
            "CREATE TRIGGER stop BEFORE INSERT ON amazon_ae_items WHEN NEW.key = 'z-bad'"
            " BEGIN SELECT raise(ABORT, 'the host forbids it'); END"
        )
        connection.execute("INSERT INTO picks VALUES ('a')")
        with pytest.raises(StorageError, match="the host forbids it"):
            await put(store, "a", "z-bad", connection=connection)
        connection.commit()
        assert connection.execute("SELECT count(*) FROM picks").fetchone() == (1,)
    assert await keys(store) == ["before"]


async def test_the_tables_may_be_made_in_the_hosts_transaction(store: SQLiteStorage, path: Path) -> None:
    """A first put with ``connection=`` on an empty file: tables and change come and go with the transaction."""
    with closing(host(path)) as connection:
        await put(store, "a", connection=connection)
        connection.rollback()
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
        await put(store, "a", connection=connection)
        connection.commit()
    assert await keys(store) == ["a"]


async def test_a_connection_that_cannot_take_part_is_refused(store: SQLiteStorage, path: Path, tmp_path: Path) -> None:
    """Another file, no file, autocommit without a transaction, no connection at all: nothing is written anywhere."""
    await put(store, "before")
    with closing(host(tmp_path / "other.db")) as other, pytest.raises(ConfigurationError, match=r"other\.db"):
        await put(store, "a", connection=other)
    with closing(host(":memory:")) as other, pytest.raises(ConfigurationError, match="no file"):
        await put(store, "a", connection=other)
    with closing(host(path, isolation_level=None)) as other:
        with pytest.raises(ConfigurationError, match="BEGIN"):
            await put(store, "a", connection=other)
        other.execute("BEGIN")
        await put(store, "a", connection=other)
        other.execute("ROLLBACK")
    with pytest.raises(ConfigurationError, match=r"sqlite3\.Connection"):
        await put(store, "a", connection="store.db")
    assert await keys(store) == ["before"]


async def test_a_closed_connection_of_the_host_is_a_storage_error(store: SQLiteStorage, path: Path) -> None:
    """The driver's error is the cause."""
    connection = host(path)
    connection.close()
    with pytest.raises(StorageError) as caught:
        await put(store, "a", connection=connection)
    assert isinstance(caught.value.__cause__, sqlite3.ProgrammingError)


# --- schema


async def test_a_newer_schema_is_refused(store: SQLiteStorage, path: Path) -> None:
    """Neither read nor written; the message tells both versions and the remedy."""
    await put(store, "a")
    await store.aclose()
    with closing(host(path)) as connection, connection:
        connection.execute("UPDATE amazon_ae_schema SET version = 7")
    newer = SQLiteStorage(path)
    for attempt in (newer.stats(ACCOUNT, KIND), put(newer, "b")):
        with pytest.raises(SchemaTooNew, match=r"version 7.*up to 1: upgrade"):
            await attempt
    with closing(host(path)) as connection:
        with pytest.raises(SchemaTooNew):
            await put(newer, "b", connection=connection)
        assert connection.execute("SELECT count(*) FROM amazon_ae_items").fetchone() == (1,)
    await newer.aclose()


async def test_the_hosts_migration_tool_may_make_the_schema(path: Path) -> None:
    """``create_schema=False`` never makes a table; the text of ``schema_sql`` does."""
    store = SQLiteStorage(path, create_schema=False)
    with pytest.raises(StorageError, match=r"schema_sql\('amazon_ae_', after=0\)"):
        await put(store, "a")
    with closing(host(path)) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
        connection.executescript(SQLiteStorage.schema_sql())
    await put(store, "a")
    assert await keys(store) == ["a"]
    assert SQLiteStorage.schema_sql(after=1) == ""
    await store.aclose()


async def test_prefixes_keep_stores_apart_in_one_file(path: Path) -> None:
    """Every table and index begins with the prefix, and the host's ``user_version`` stays the host's."""
    with closing(host(path)) as connection:
        connection.execute("PRAGMA user_version = 42")
    one, two = SQLiteStorage(path, prefix="one_"), SQLiteStorage(path, prefix="two_")
    await put(one, "a")
    await put(two, "b")
    assert (await keys(one), await keys(two)) == (["a"], ["b"])
    await one.aclose()
    await two.aclose()
    with closing(host(path)) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        ours = ("one_", "two_", "sqlite_autoindex_one_", "sqlite_autoindex_two_")
        assert all(name.startswith(ours) for name in names)
        assert connection.execute("PRAGMA user_version").fetchone() == (42,)


@pytest.mark.parametrize("prefix", ["", "1a", "a-b", 'a"; DROP TABLE x; --', "أ", "a" * 41])
def test_a_prefix_is_a_plain_identifier(path: Path, prefix: str) -> None:
    """Anything else would have to be quoted everywhere."""
    with pytest.raises(ConfigurationError, match="prefix"):
        SQLiteStorage(path, prefix=prefix)


async def test_concurrent_first_starts_do_not_collide(tmp_path: Path) -> None:
    """Eight objects meet a fresh file at once, ten times: each put is stored, one schema is made."""
    for turn in range(10):
        path = tmp_path / f"{turn}.db"
        stores = [SQLiteStorage(path) for _ in range(8)]
        await asyncio.gather(*(put(store, f"k{number}") for number, store in enumerate(stores)))
        assert await keys(stores[0]) == [f"k{number}" for number in range(8)]
        await asyncio.gather(*(store.aclose() for store in stores))
        with closing(host(path)) as connection:
            assert connection.execute("SELECT version FROM amazon_ae_schema").fetchall() == [(1,)]


# --- watching


async def heard(event: threading.Event) -> bool:
    """Whether it was set within ten real seconds; the loop runs meanwhile."""
    return await asyncio.get_running_loop().run_in_executor(None, event.wait, 10)


async def test_a_put_of_another_process_is_noticed(path: Path) -> None:
    """Another object's commit wakes a watcher of that account; a watcher of another account sleeps on."""
    store, other = SQLiteStorage(path, watch_seconds=0.01), SQLiteStorage(path)
    mine, foreign = threading.Event(), threading.Event()
    store.watch(ACCOUNT, mine.set)
    store.watch("A2OTHER/AE", foreign.set)
    await keys(store)
    await put(other, "a")
    assert await heard(mine)
    assert not foreign.is_set()
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


async def test_nobody_is_told_while_nothing_happens(path: Path) -> None:
    """Looking alone wakes no watcher, though something waits."""
    store = SQLiteStorage(path, watch_seconds=None)
    await put(store, "a")
    calls: list[str] = []
    store.watch(ACCOUNT, lambda: calls.append("told"))
    store._database.on_foreign_commit(store._tell_of_others)
    for _ in range(50):
        store._database.look()
    await keys(store)
    assert calls == []
    await store.aclose()


async def test_every_question_has_its_index(store: SQLiteStorage) -> None:
    """No query walks a whole table or sorts: what makes a million rows as cheap as ten."""
    sql = store._sql
    whose = (ACCOUNT, KIND.value)
    questions = {
        sql.standings: (*whose, "[]"),
        sql.item: (*whose, "k"),
        sql.items_in_flight: ("b",),
        sql.flight: ("b",),
        sql.waiting: (*whose, 10),
        sql.first: (*whose, 10),
        sql.take: ("b", *whose, 10),
        sql.batches: (ACCOUNT,),
        sql.any_batch: whose,
        sql.batch: ("b",),
        sql.count_waiting: (*whose, 1),
        sql.count_in_flight: whose,
        sql.count_dead: whose,
        sql.dead: (*whose, "", 10),
        sql.old: (*whose, "", 0, 10),
        sql.document: ("n",),
        sql.names: ("n", 1, "n"),
    }
    for question, parameters in questions.items():
        plan = await store._database.read(
            lambda cursor, question=question, parameters=parameters: [
                row[3] for row in cursor.execute(f"EXPLAIN QUERY PLAN {question}", parameters)
            ]
        )
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
