"""The own pool of ``PostgresStorage``: timeouts that cannot race, a connection kept for callers, clear errors."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

from amazon_ae._exceptions import ConfigurationError, StorageError
from amazon_ae._models.feeds import ItemKind
from amazon_ae._models.stored import Change
from amazon_ae._storage.notices import queued, settled
from amazon_ae._storage.postgres.pool import ConnectErrors
from amazon_ae._storage.postgres.queues import QueueState, changes
from amazon_ae._storage.postgres.store import PostgresStorage

KIND = ItemKind.INVENTORY


async def _show(cursor: psycopg.AsyncCursor[Any], *names: str) -> tuple[str, ...]:
    values: list[str] = []
    for name in names:
        await cursor.execute(f"SHOW {name}".encode())
        values += await cursor.fetchone() or ()
    return tuple(values)


@pytest.mark.postgres
async def test_a_stopped_transaction_ends_before_those_that_wait_for_it_give_up(postgres_uri: str) -> None:
    """An idle transaction is ended after half the time a statement may take: two timers never run out together."""
    async with PostgresStorage(postgres_uri, statement_timeout_seconds=30.0) as store:
        # Settings of the store's own connections: another one has its own.
        names = ("statement_timeout", "idle_in_transaction_session_timeout")
        assert await store._database.run(lambda cursor: _show(cursor, *names)) == ("30s", "15s")
    async with PostgresStorage(postgres_uri, statement_timeout_seconds=None) as store:
        assert await store._database.run(lambda cursor: _show(cursor, *names)) == ("0", "0")


@pytest.mark.postgres
async def test_background_work_leaves_a_connection_to_callers(postgres_uri: str, account: str) -> None:
    """Two hundred schedulers' transactions stand in line; a put beside them does not."""
    async with PostgresStorage(postgres_uri, max_connections=2, timeout_seconds=0.5) as store:
        await store.put(account, KIND, [Change("a", "1")])
        release = asyncio.Event()

        async def hold(_cursor: object) -> None:
            await release.wait()

        # A transaction that lasts: no verb of the store waits inside one.
        held = [asyncio.create_task(store._database.run(hold)) for _ in range(200)]
        await asyncio.sleep(0.05)
        (receipt,) = await store.put(account, KIND, [Change("b", "1")])
        assert receipt.version == 1
        assert await store.item(account, KIND, "b") is not None
        release.set()
        await asyncio.gather(*held)


@pytest.mark.postgres
async def test_too_many_clients_is_said_with_what_to_do(postgres_uri: str) -> None:
    """A role that may have one connection: the second process gets the server's reason and the remedy."""
    role = f"r_{uuid.uuid4().hex[:12]}"
    async with await psycopg.AsyncConnection.connect(postgres_uri, autocommit=True) as admin:
        await admin.execute(f"CREATE ROLE {role} LOGIN SUPERUSER".encode())
        await admin.execute(f"ALTER ROLE {role} NOSUPERUSER CONNECTION LIMIT 1".encode())
        uri = psycopg.conninfo.make_conninfo(postgres_uri, user=role)
        async with await psycopg.AsyncConnection.connect(uri):
            async with PostgresStorage(uri, timeout_seconds=0.5) as store:
                with pytest.raises(StorageError, match=r"too many connections.*lower max_connections.*pooler"):
                    await store.load("x")
        await admin.execute(f"DROP ROLE {role}".encode())


@pytest.mark.parametrize(
    "text",
    [
        "FATAL:  sorry, too many clients already",
        "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
        'FATAL:  too many connections for role "host"',
        "FATAL: no more connections allowed (max_client_conn)",
    ],
)
def test_every_wording_of_a_full_server_gets_the_advice(text: str) -> None:
    """Servers, roles and poolers say it in words of their own; another failure gets no advice."""
    errors = ConnectErrors()
    errors.last = psycopg.OperationalError(text)
    assert "lower max_connections" in errors.advice()
    errors.last = psycopg.OperationalError("connection refused")
    assert errors.advice() == ""


@pytest.mark.postgres
def test_a_second_event_loop_is_refused_by_name(postgres_uri: str, account: str) -> None:
    """A pool belongs to the loop it was opened in; the store of another ``asyncio.run`` says so before it sends."""
    store = PostgresStorage(postgres_uri)

    async def put() -> None:
        await store.put(account, KIND, [Change("a", "1")])

    async def close() -> None:
        await store.aclose()

    with asyncio.Runner() as first:
        first.run(put())
        with asyncio.Runner() as second, pytest.raises(ConfigurationError, match="event loop"):
            second.run(put())
        with asyncio.Runner() as second, pytest.raises(ConfigurationError, match="event loop"):
            second.run(close())
        first.run(close())


@pytest.mark.postgres
async def test_a_dead_connection_of_the_hosts_pool_is_replaced(postgres_uri: str, account: str) -> None:
    """A pool of the host's without ``check=``: an idle connection that the server ended is not used."""
    async with AsyncConnectionPool(postgres_uri, min_size=1, max_size=1, open=False) as pool:
        store = PostgresStorage(pool)
        await store.put(account, KIND, [Change("a", "1")])
        async with await psycopg.AsyncConnection.connect(postgres_uri, autocommit=True) as admin:
            async with pool.connection() as connection:
                pid = connection.info.backend_pid
            await admin.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
        await store.put(account, KIND, [Change("b", "1")])


def test_asking_finds_what_listening_would_have_said() -> None:
    """More pickups, the first stock, the first urgent stock; outcomes where batches differ or fewer items wait."""
    idle = QueueState(0, False, None)
    assert changes({}, {("A", "pickup"): QueueState(3, False, None)}) == []
    for kind, before, now, notices in (
        ("pickup", idle, QueueState(1, False, None), [queued("A")]),
        ("pickup", QueueState(1, False, None), QueueState(2, False, None), [queued("A")]),
        ("inventory", idle, QueueState(1, False, None), [queued("A")]),
        ("inventory", QueueState(1, False, None), QueueState(9, False, None), []),
        ("inventory", QueueState(9, False, None), QueueState(9, True, None), [queued("A")]),
        ("pickup", QueueState(2, False, None), QueueState(1, False, None), [settled("A", "pickup", ())]),
        ("pickup", QueueState(0, False, "x"), idle, [settled("A", "pickup", ())]),
        ("pickup", QueueState(2, False, "x"), QueueState(2, False, "x"), []),
    ):
        assert changes({("A", kind): before}, {("A", kind): now}) == notices


@pytest.mark.postgres
@pytest.mark.parametrize("own", [True, False], ids=["own pool", "the host's pool"])
async def test_a_cancellation_that_comes_with_a_connection_counts(postgres_uri: str, own: bool) -> None:
    """Cancelled at any turn while the pool hands its only connection over, a call ends as cancelled."""
    theirs = AsyncConnectionPool(postgres_uri, min_size=1, max_size=1, open=False)
    store = PostgresStorage(postgres_uri, max_connections=1) if own else PostgresStorage(theirs)
    pool = store._database._pool  # whose connections both kinds of pool give out
    async with theirs, store:
        await store.load("made ready")
        for turns in range(12):
            connection = await pool.getconn()
            call = asyncio.create_task(store.load("a name"))
            await asyncio.sleep(0.01)  # it waits for the connection
            await pool.putconn(connection)
            for _ in range(turns):
                await asyncio.sleep(0)
            was_under_way = call.cancel()
            await asyncio.wait((call,), timeout=10)
            assert call.cancelled() or not was_under_way, f"the cancellation after {turns} turns was lost"
        assert await store.load("a name") is None  # and the pool still has its connection
