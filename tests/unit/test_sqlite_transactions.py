"""``SQLiteStorage`` in a file that is the host's too: the host's transaction, the schema, first starts."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_support import ACCOUNT, KIND, host, keys, put

from amazon_ae._exceptions import ConfigurationError, SchemaTooNew, StorageError
from amazon_ae._models.stored import Receipt, ReceiptState
from amazon_ae._storage.sqlite.store import SQLiteStorage

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


async def test_a_failing_first_put_leaves_no_lock_behind(store: SQLiteStorage, path: Path) -> None:
    """Where the put itself began the transaction, it ends with it: nobody has to wait for a host that gave up."""
    await put(store, "before")
    with closing(host(path)) as connection:
        connection.execute(
            "CREATE TRIGGER stop BEFORE INSERT ON amazon_ae_items WHEN NEW.key = 'bad'"
            " BEGIN SELECT raise(ABORT, 'the host forbids it'); END"
        )
        connection.commit()
        with pytest.raises(StorageError, match="the host forbids it"):
            await put(store, "bad", connection=connection)
        assert not connection.in_transaction
        await put(store, "after")
    assert await keys(store) == ["after", "before"]


async def test_the_hosts_rows_and_texts_may_be_of_any_kind(store: SQLiteStorage, path: Path) -> None:
    """A connection that reads bytes and dictionaries takes part, and reads them afterwards."""
    with closing(host(path)) as connection:
        connection.text_factory = bytes
        connection.row_factory = sqlite3.Row
        for value in ("1", "2"):  # the second one reads what the first one wrote
            await put(store, "تمر", value=value, connection=connection)
        row = connection.execute("SELECT key FROM amazon_ae_items").fetchone()
        assert row["key"] == "تمر".encode()
        connection.commit()
    assert await keys(store) == ["تمر"]


async def test_a_transaction_that_has_read_old_rows_is_told_what_is_wrong(store: SQLiteStorage, path: Path) -> None:
    """A deferred transaction that began with reading cannot write once another has; no waiting helps."""
    await put(store, "a")
    with closing(host(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM amazon_ae_items").fetchone()
        await put(store, "b")
        with pytest.raises(StorageError, match=r"locked \(SQLITE_BUSY_SNAPSHOT\)"):
            await put(store, "c", connection=connection)
        connection.execute("ROLLBACK")
        connection.execute("BEGIN IMMEDIATE")
        await put(store, "c", connection=connection)
        connection.execute("COMMIT")
    assert await keys(store) == ["a", "b", "c"]


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
        await put(store, "a", connection="store.db")  # type: ignore[arg-type]
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
        with pytest.raises(SchemaTooNew, match=r"version 7.*up to 2: upgrade"):
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
    assert SQLiteStorage.schema_sql(after=2) == ""
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


@pytest.mark.parametrize("prefix", ["", "1a", "a-b", 'a"; DROP TABLE x; --', "أ", "a" * 41, "sqlite_", "SQLite_x"])
def test_a_prefix_is_a_plain_identifier(path: Path, prefix: str) -> None:
    """Anything else would have to be quoted everywhere."""
    with pytest.raises(ConfigurationError, match="prefix"):
        SQLiteStorage(path, prefix=prefix)


async def test_prefixes_that_differ_in_case_name_the_same_tables(path: Path) -> None:
    """As everywhere in SQLite; the second store does not try to make them again."""
    one, two = SQLiteStorage(path, prefix="shop_"), SQLiteStorage(path, prefix="SHOP_")
    await put(one, "a")
    assert await keys(two) == ["a"]
    await one.aclose()
    await two.aclose()


async def test_concurrent_first_starts_do_not_collide(tmp_path: Path) -> None:
    """Eight objects meet a fresh file at once, ten times: each put is stored, one schema is made."""
    for turn in range(10):
        path = tmp_path / f"{turn}.db"
        stores = [SQLiteStorage(path) for _ in range(8)]
        await asyncio.gather(*(put(store, f"k{number}") for number, store in enumerate(stores)))
        assert await keys(stores[0]) == [f"k{number}" for number in range(8)]
        await asyncio.gather(*(store.aclose() for store in stores))
        with closing(host(path)) as connection:
            assert connection.execute("SELECT version FROM amazon_ae_schema").fetchall() == [(2,)]
