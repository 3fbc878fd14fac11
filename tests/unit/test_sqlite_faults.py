"""Faults under ``SQLiteStorage``: ``StorageError`` with the cause, nothing half-written, usable again afterwards."""

# The folders and files of these tests are the faults under test, so their coroutines touch them directly.
# ruff: noqa: ASYNC240
from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_support import host, keys, put, run_script, turns_of_the_loop

from amazon_ae._exceptions import StorageError
from amazon_ae._storage.sqlite.store import SQLiteStorage


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


async def test_a_file_that_stays_locked_is_given_up_at_the_first_use_too(path: Path) -> None:
    """After about ``busy_seconds``, not after as many as there are tries to open it."""
    with closing(host(path, isolation_level=None)) as other:
        other.execute("CREATE TABLE picks (sku TEXT)")
        other.execute("BEGIN EXCLUSIVE")
        store = SQLiteStorage(path, busy_seconds=1)
        async with asyncio.timeout(25):  # the tries, a hundred of them, once waited a second each
            with pytest.raises(StorageError, match="locked"):
                await put(store, "a")
        other.execute("ROLLBACK")
    await put(store, "a")
    await store.aclose()


async def test_a_reader_of_the_hosts_file_delays_the_first_use(path: Path) -> None:
    """The switch to a write-ahead log needs a moment without readers: it waits for them, and then happens."""
    with closing(host(path, isolation_level=None)) as reader:
        reader.execute("CREATE TABLE picks (sku TEXT)")
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM picks").fetchall()
        store = SQLiteStorage(path, busy_seconds=30)
        waiting = asyncio.create_task(put(store, "a"))
        await turns_of_the_loop()
        assert not waiting.done()
        reader.execute("ROLLBACK")
        await waiting
    with closing(host(path)) as fresh:
        assert fresh.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    await store.aclose()


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be moved there")
@pytest.mark.parametrize("how", ["deleted", "moved", "replaced"])
async def test_a_file_that_went_away_takes_no_more_changes(path: Path, how: str) -> None:
    """SQLite would write on into a file without a name, and every change would be lost with the process."""
    store = SQLiteStorage(path)
    await put(store, "a")
    if how == "deleted":
        path.unlink()
    else:
        path.rename(path.with_suffix(".old"))
    if how == "replaced":
        path.touch()
    for attempt in (put(store, "b"), keys(store)):
        with pytest.raises(StorageError, match="moved, replaced or deleted"):
            await attempt
    if how == "moved":
        path.with_suffix(".old").rename(path)
        await put(store, "b")
        assert await keys(store) == ["a", "b"]
    await store.aclose()


def test_a_full_disk_stores_nothing_and_passes(path: Path) -> None:
    """The operating system refuses to let the file grow: StorageError, all of the put or nothing, then normal again."""
    out = run_script(
        """
        import asyncio, resource, sqlite3, sys
        from amazon_ae._exceptions import StorageError
        from amazon_ae._models.feeds import ItemKind
        from amazon_ae._models.stored import Change
        from amazon_ae._storage.sqlite.store import SQLiteStorage

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
        from amazon_ae._exceptions import StorageError
        from amazon_ae._models.feeds import ItemKind
        from amazon_ae._models.stored import Change
        from amazon_ae._storage.sqlite.store import SQLiteStorage

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
