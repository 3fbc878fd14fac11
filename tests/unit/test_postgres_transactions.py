"""``put(..., connection=)`` in PostgreSQL: the host's transaction, and which connections may take part."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

from amazon_ae._exceptions import ConfigurationError, StorageError
from amazon_ae._models.feeds import ItemKind
from amazon_ae._models.stored import Change, ReceiptState
from amazon_ae._storage.postgres.store import PostgresStorage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.postgres
KIND = ItemKind.INVENTORY


@pytest.fixture
async def store(postgres_uri: str) -> AsyncIterator[PostgresStorage]:
    """A store on the database's clock."""
    async with PostgresStorage(postgres_uri) as opened:
        yield opened


async def test_put_commits_with_the_hosts_own_rows(store: PostgresStorage, host: Any, account: str) -> None:
    """Until the host commits nobody sees the item; afterwards both the parcel and the item are there."""
    await host.execute("INSERT INTO parcels VALUES (%s)", (account,))
    (receipt,) = await store.put(account, KIND, [Change("a", "1")], connection=host)
    assert receipt.state is ReceiptState.WAITING
    assert await store.item(account, KIND, "a") is None
    assert await store.open(account, KIND, batch_id=account, limit=9, lease_seconds=9, exclusive=True) is None
    await host.commit()
    assert (await store.stats(account, KIND)).waiting == 1


async def test_put_is_rolled_back_with_the_host_even_as_its_first_statement(
    store: PostgresStorage, host: Any, account: str
) -> None:
    """An idle connection that is not in autocommit mode begins its transaction with the put, as with any statement."""
    await store.put(account, KIND, [Change("a", "1")], connection=host)
    await host.execute("INSERT INTO parcels VALUES (%s)", (account,))
    await host.rollback()
    assert await store.item(account, KIND, "a") is None


async def test_a_failed_put_leaves_the_hosts_transaction_usable(
    store: PostgresStorage, host: Any, account: str
) -> None:
    """The put is undone to its beginning, chunk by chunk; the host's rows stand and may be committed."""
    await host.execute("INSERT INTO parcels VALUES (%s)", (account,))
    changes = [Change(f"{number:05d}", "1") for number in range(5_001)]
    await store.put(account, KIND, changes[-1:])
    async with await psycopg.AsyncConnection.connect(host.info.dsn) as other:
        # The last key, in the second chunk, is locked elsewhere: the first chunk has been written by then.
        await other.execute("SELECT FROM amazon_ae.items WHERE account = %s FOR UPDATE", (account,))
        await host.execute("SET LOCAL lock_timeout = '100ms'")
        with pytest.raises(StorageError) as caught:
            await store.put(account, KIND, changes, connection=host)
    assert isinstance(caught.value.__cause__, psycopg.errors.LockNotAvailable)
    await host.commit()
    parcels = await host.execute("SELECT id FROM parcels WHERE id = %s", (account,))
    assert await parcels.fetchall() == [{"id": account}]
    assert (await store.stats(account, KIND)).waiting == 1


async def test_only_psycopgs_async_connection_takes_part(
    store: PostgresStorage, postgres_uri: str, account: str
) -> None:
    """Anything else is refused with a word on what to pass."""
    with (
        psycopg.connect(postgres_uri) as connection,
        pytest.raises(ConfigurationError, match=r"psycopg\.AsyncConnection, not psycopg\.Connection"),
    ):
        await store.put(account, KIND, [Change("a", "1")], connection=connection)  # type: ignore[arg-type]


async def test_a_connection_to_another_database_is_refused(
    store: PostgresStorage, postgres_uri: str, account: str
) -> None:
    """What was put there would be lost without a word; the host's own rows there are none of our business."""
    elsewhere = psycopg.conninfo.make_conninfo(postgres_uri, dbname="template1")
    async with await psycopg.AsyncConnection.connect(elsewhere) as other:
        await other.execute("CREATE TEMP TABLE parcels (id text)")
        for _ in range(2):
            with pytest.raises(ConfigurationError, match=r"to database 'template1'.*this store is in 'postgres'"):
                await store.put(account, KIND, [Change("a", "1")], connection=other)
        await other.execute("INSERT INTO parcels VALUES ('stands')")
        await other.rollback()


async def test_a_server_that_keeps_its_number_to_itself_is_told_by_its_name(
    store: PostgresStorage, host: Any, account: str
) -> None:
    """Where ``pg_control_system`` is not for everybody, the database's name is compared."""
    role = f"weak_{uuid.uuid4().hex[:8]}"
    await store.load("x")
    await host.execute(f"CREATE ROLE {role} LOGIN")
    await host.execute(f"GRANT USAGE ON SCHEMA amazon_ae TO {role}")
    await host.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA amazon_ae TO {role}")
    await host.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    await host.commit()
    try:
        uri = psycopg.conninfo.make_conninfo(host.info.dsn, user=role)
        async with PostgresStorage(uri) as weak, await psycopg.AsyncConnection.connect(uri) as connection:
            await weak.put(account, KIND, [Change("a", "1")], connection=connection)
            await connection.commit()
            elsewhere = psycopg.conninfo.make_conninfo(uri, dbname="template1")
            async with await psycopg.AsyncConnection.connect(elsewhere) as other:
                with pytest.raises(ConfigurationError, match="template1"):
                    await weak.put(account, KIND, [Change("b", "1")], connection=other)
        assert (await store.stats(account, KIND)).waiting == 1
    finally:
        await host.execute("GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC")
        await host.execute(f"DROP OWNED BY {role}")
        await host.execute(f"DROP ROLE {role}")
        await host.commit()


async def test_a_transaction_that_has_failed_takes_no_put(store: PostgresStorage, host: Any, account: str) -> None:
    """The host must roll back first; the driver's error says so."""
    with pytest.raises(psycopg.errors.DivisionByZero):
        await host.execute("SELECT 1 / 0")
    with pytest.raises(StorageError, match="current transaction is aborted") as caught:
        await store.put(account, KIND, [Change("a", "1")], connection=host)
    assert isinstance(caught.value.__cause__, psycopg.errors.InFailedSqlTransaction)
    await host.rollback()
    await store.put(account, KIND, [Change("a", "1")], connection=host)
    await host.rollback()


async def test_autocommit_without_a_transaction_is_refused(store: PostgresStorage, host: Any, account: str) -> None:
    """There would be nothing to take part in, and nothing to roll back; inside ``transaction()`` there is."""
    await host.set_autocommit(True)
    with pytest.raises(ConfigurationError, match="autocommit"):
        await store.put(account, KIND, [Change("a", "1")], connection=host)
    async with host.transaction(force_rollback=True):
        await store.put(account, KIND, [Change("a", "1")], connection=host)
    assert await store.item(account, KIND, "a") is None
    async with host.transaction():
        await store.put(account, KIND, [Change("a", "1")], connection=host)
    assert (await store.stats(account, KIND)).waiting == 1


async def test_one_connection_is_enough_for_host_and_store(postgres_uri: str, account: str) -> None:
    """A host that puts on the pool's only connection does not wait for a second one."""
    async with AsyncConnectionPool(postgres_uri, min_size=1, max_size=1, open=False) as pool:
        store = PostgresStorage(pool, timeout_seconds=0.5)
        async with pool.connection() as connection:
            await store.put(account, KIND, [Change("a", "1")], connection=connection)
        assert (await store.stats(account, KIND)).waiting == 1
        await store.aclose()
