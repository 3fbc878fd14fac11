"""The schema of ``PostgresStorage``: made once, by whomever; newer ones are refused."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from amazon_ae._exceptions import SchemaTooNew, StorageError
from amazon_ae._models.feeds import ItemKind
from amazon_ae._models.stored import Change
from amazon_ae._storage.postgres.schema import SCHEMA_VERSION
from amazon_ae._storage.postgres.store import PostgresStorage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.postgres
KIND = ItemKind.INVENTORY


@pytest.fixture
async def admin(postgres_uri: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A connection that may do everything."""
    async with await psycopg.AsyncConnection.connect(postgres_uri, autocommit=True) as connection:
        yield connection


@pytest.fixture
def schema() -> str:
    """A name that nobody has used."""
    return f"s_{uuid.uuid4().hex[:12]}"


async def _works(store: PostgresStorage) -> None:
    await store.put("A", KIND, [Change("a", "1")])
    assert (await store.stats("A", KIND)).waiting == 1


async def test_the_first_use_makes_the_schema(postgres_uri: str, schema: str, admin: Any) -> None:
    """Nothing has to be done beforehand; the second object finds it made."""
    for _ in range(2):
        async with PostgresStorage(postgres_uri, schema=schema) as store:
            await _works(store)
    rows = await admin.execute(f"SELECT version FROM {schema}.schema_version")
    assert await rows.fetchall() == [(number,) for number in range(1, SCHEMA_VERSION + 1)]


async def test_first_starts_at_once_do_not_collide(postgres_uri: str, schema: str) -> None:
    """Six objects meet an empty database at the same instant."""
    stores = [PostgresStorage(postgres_uri, schema=schema) for _ in range(6)]
    try:
        receipts = await asyncio.gather(*(store.put("A", KIND, [Change("a", "1")]) for store in stores))
        assert sorted(receipt.version for (receipt,) in receipts) == [1, 2, 3, 4, 5, 6]
    finally:
        for store in stores:
            await store.aclose()


async def test_a_newer_schema_is_refused(postgres_uri: str, schema: str, admin: Any) -> None:
    """The old library writes nothing, and says what to do; on the host's connection too."""
    async with PostgresStorage(postgres_uri, schema=schema) as store:
        await _works(store)
    await admin.execute(f"INSERT INTO {schema}.schema_version (version) VALUES ({SCHEMA_VERSION + 1})")
    async with PostgresStorage(postgres_uri, schema=schema) as store:
        for _ in range(2):
            with pytest.raises(SchemaTooNew, match="upgrade amazon-ae"):
                await store.put("A", KIND, [Change("b", "1")])
        async with admin.transaction():
            with pytest.raises(SchemaTooNew):
                await store.put("A", KIND, [Change("b", "1")], connection=admin)
    rows = await admin.execute(f"SELECT key FROM {schema}.items")
    assert await rows.fetchall() == [("a",)]


async def test_the_hosts_migration_tool_may_make_it(postgres_uri: str, schema: str, admin: Any) -> None:
    """With the tables in place, a role without the right to create anything is enough."""
    role = f"r_{schema}"
    async with admin.transaction():
        await admin.execute(PostgresStorage.schema_sql(schema))
        await admin.execute(f"CREATE ROLE {role} LOGIN")
        await admin.execute(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
        await admin.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}")
    as_role = psycopg.conninfo.make_conninfo(postgres_uri, user=role)
    async with PostgresStorage(as_role, schema=schema, create_schema=False) as store:
        await _works(store)
        batch = await store.open(
            "A",
            KIND,
            batch_id="b",
            limit=1,
            lease_seconds=1,
            exclusive=True,
            ledger="quota",
            admit=lambda _text, _now: "1",
        )
        assert batch is not None
        await store.settle("b", batch.fence, [])
    assert PostgresStorage.schema_sql(schema, after=SCHEMA_VERSION) == ""


async def test_without_leave_to_create_the_sql_is_named(postgres_uri: str, schema: str, admin: Any) -> None:
    """``create_schema=False`` and a role without rights: both say what is missing, and nothing is half-made."""
    async with PostgresStorage(postgres_uri, schema=schema, create_schema=False) as store:
        with pytest.raises(StorageError, match=r"PostgresStorage\.schema_sql\('s_\w+', after=0\)"):
            await store.load("x")
    await admin.execute(f"CREATE ROLE r_{schema} LOGIN")
    as_role = psycopg.conninfo.make_conninfo(postgres_uri, user=f"r_{schema}")
    async with PostgresStorage(as_role, schema=schema) as store:
        with pytest.raises(StorageError) as caught:
            await store.load("x")
    assert isinstance(caught.value.__cause__, psycopg.errors.InsufficientPrivilege)
    rows = await admin.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,))
    assert await rows.fetchone() is None


async def test_the_owner_of_an_empty_schema_may_make_the_tables(postgres_uri: str, schema: str, admin: Any) -> None:
    """An administrator made the schema; the role may create nothing else in the database."""
    role = f"owner_{schema}"
    await admin.execute(f"CREATE ROLE {role} LOGIN")
    await admin.execute(f"CREATE SCHEMA {schema} AUTHORIZATION {role}")
    try:
        async with PostgresStorage(psycopg.conninfo.make_conninfo(postgres_uri, user=role), schema=schema) as store:
            await store.put("A1/AE", ItemKind.INVENTORY, [Change("a", "1")])
            assert (await store.stats("A1/AE", ItemKind.INVENTORY)).waiting == 1
    finally:
        await admin.execute(f"DROP SCHEMA {schema} CASCADE")
        await admin.execute(f"DROP ROLE {role}")


async def test_a_word_of_sql_may_name_the_schema(postgres_uri: str, admin: Any) -> None:
    """``order`` or ``user``: the name is quoted wherever it stands, also where watchers listen."""
    account = "A1/AE"
    try:
        async with PostgresStorage(postgres_uri, schema="order") as store:
            rang = asyncio.Event()
            store.watch(account, rang.set)
            await asyncio.wait_for(rang.wait(), 10)  # it listens
            await store.put(account, ItemKind.INVENTORY, [Change("a", "1")])
            assert (await store.stats(account, ItemKind.INVENTORY)).waiting == 1
    finally:
        await admin.execute('DROP SCHEMA IF EXISTS "order" CASCADE')


async def test_two_schemas_of_one_database_are_apart(postgres_uri: str, schema: str) -> None:
    """Staging and production in one database do not see each other, and do not ring each other's bell."""
    async with (
        PostgresStorage(postgres_uri, schema=schema) as one,
        PostgresStorage(postgres_uri, schema=f"{schema}_2") as two,
    ):
        await _works(one)
        assert (await two.stats("A", KIND)).waiting == 0


async def test_a_database_that_cannot_keep_unicode_is_refused(postgres_uri: str, schema: str, admin: Any) -> None:
    """LATIN1 has no Arabic: said at the first use, not at the first Arabic SKU."""
    await admin.execute(f"CREATE DATABASE {schema} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    async with PostgresStorage(psycopg.conninfo.make_conninfo(postgres_uri, dbname=schema)) as store:
        with pytest.raises(ValueError, match="LATIN1"):
            await store.load("x")
    await admin.execute(f"DROP DATABASE {schema} WITH (FORCE)")


async def test_the_indexes_that_keep_questions_cheap_are_used(postgres_uri: str, schema: str, admin: Any) -> None:
    """On a table whose statistics are as old as can be, a claim walks the index of what waits and sorts nothing."""
    async with PostgresStorage(postgres_uri, schema=schema) as store:
        await _works(store)
        for statement, index, begin in (  # the plan of a statement is PostgreSQL's: asked for by its own text
            (store._sql.take, "items_waiting", store._sql.begin_take),
            (store._sql.stats, "items_waiting", None),
            (store._sql.dead, "items_dead", None),
        ):
            arguments = {"account": "A", "kind": "inventory", "batch_id": "b", "limit": 10, "after": ""}
            async with admin.transaction():
                if begin is not None:
                    await admin.execute(begin)
                else:
                    await admin.execute("SET LOCAL enable_seqscan = off")
                async with psycopg.AsyncClientCursor(admin) as cursor:
                    await cursor.execute(b"EXPLAIN " + statement, arguments)
                    plan = "\n".join(line for (line,) in await cursor.fetchall())
            assert index in plan, plan
            if begin is not None:
                assert "Sort" not in plan, plan
                assert "Seq Scan" not in plan, plan
