"""A database that version 1 wrote, items waiting and in flight, goes on under this version: upgraded in place."""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import pytest

from amazon_ae._models.feeds import ItemKind, ItemOutcome, Outcome
from amazon_ae._models.stored import Change, ItemState, ReceiptState
from amazon_ae._storage.postgres.store import PostgresStorage
from amazon_ae._storage.sqlite.store import SQLiteStorage

if TYPE_CHECKING:
    from pathlib import Path

    from amazon_ae._ports import Storage

ACCOUNT = "A1SELLER/AE"
KIND = ItemKind.INVENTORY
LEDGER = '{"places": []}'

# As version 1 made and wrote them; what was released never changes.
SQLITE_VERSION_1 = """\
CREATE TABLE amazon_ae_schema (version INTEGER NOT NULL);
INSERT INTO amazon_ae_schema (version) VALUES (1);
CREATE TABLE amazon_ae_items (
    id               INTEGER PRIMARY KEY,
    account          TEXT NOT NULL,
    kind             TEXT NOT NULL,
    key              TEXT NOT NULL,
    version          INTEGER NOT NULL,
    state            TEXT NOT NULL,
    value            TEXT NOT NULL,
    urgent           INTEGER NOT NULL,
    reference        TEXT,
    put_at           INTEGER NOT NULL,
    batch_id         TEXT,
    flight_version   INTEGER,
    flight_value     TEXT,
    flight_put_at    INTEGER,
    accepted_version INTEGER,
    accepted_value   TEXT,
    accepted_at      INTEGER,
    in_doubt         INTEGER NOT NULL,
    code             TEXT NOT NULL,
    message          TEXT NOT NULL,
    UNIQUE (account, kind, key)
);
CREATE INDEX amazon_ae_waiting ON amazon_ae_items (account, kind, urgent DESC, put_at)
    WHERE state = 'waiting' AND batch_id IS NULL;
CREATE INDEX amazon_ae_flight ON amazon_ae_items (batch_id) WHERE batch_id IS NOT NULL;
CREATE INDEX amazon_ae_dead ON amazon_ae_items (account, kind, key, state) WHERE state IN ('rejected', 'unknown');
CREATE TABLE amazon_ae_batches (
    batch_id     TEXT PRIMARY KEY,
    account      TEXT NOT NULL,
    kind         TEXT NOT NULL,
    fence        INTEGER NOT NULL,
    opened_at    INTEGER NOT NULL,
    lease_until  INTEGER NOT NULL,
    feed_id      TEXT,
    submitted_at INTEGER,
    size         INTEGER NOT NULL
);
CREATE INDEX amazon_ae_batches_of ON amazon_ae_batches (account, opened_at);
CREATE TABLE amazon_ae_documents (name TEXT PRIMARY KEY, text TEXT NOT NULL);
INSERT INTO amazon_ae_items (account, kind, key, version, state, value, urgent, put_at, batch_id, flight_version,
    flight_value, flight_put_at, accepted_version, accepted_value, accepted_at, in_doubt, code, message) VALUES
    ('A1SELLER/AE', 'inventory', 'flies', 1, 'in_flight', '1', 0, 9, 'old', 1, '1', 9, NULL, NULL, NULL, 0, '', ''),
    ('A1SELLER/AE', 'inventory', 'has', 1, 'accepted', '1', 0, 9, NULL, NULL, NULL, NULL, 1, '1', 10, 0, '', ''),
    ('A1SELLER/AE', 'inventory', 'waits', 3, 'waiting', '3', 1, 8, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, '', '');
INSERT INTO amazon_ae_batches VALUES ('old', 'A1SELLER/AE', 'inventory', 1, 10, 20, '5000', 15, 1);
INSERT INTO amazon_ae_documents VALUES ('quota', '{"places": []}');
"""

POSTGRES_VERSION_1 = """\
CREATE SCHEMA {schema};
CREATE TABLE {schema}.items (
    account          text COLLATE "C" NOT NULL,
    kind             text COLLATE "C" NOT NULL,
    key              text COLLATE "C" NOT NULL,
    state            text COLLATE "C" NOT NULL
        CHECK (state IN ('waiting', 'in_flight', 'accepted', 'rejected', 'unknown')),
    version          bigint NOT NULL,
    value            text COLLATE "C" NOT NULL,
    urgent           boolean NOT NULL,
    in_doubt         boolean NOT NULL DEFAULT false,
    put_at           timestamptz NOT NULL,
    reference        text,
    batch_id         text COLLATE "C",
    flight_version   bigint,
    flight_value     text COLLATE "C",
    flight_put_at    timestamptz,
    accepted_version bigint,
    accepted_value   text COLLATE "C",
    accepted_at      timestamptz,
    code             text NOT NULL DEFAULT '',
    message          text NOT NULL DEFAULT '',
    PRIMARY KEY (account, kind, key),
    CHECK ((batch_id IS NULL) = (flight_value IS NULL)),
    CHECK (state IN ('waiting', 'in_flight') OR batch_id IS NULL),
    CHECK (state <> 'in_flight' OR batch_id IS NOT NULL)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);

CREATE INDEX items_waiting ON {schema}.items (account, kind, urgent DESC, put_at)
    WHERE state = 'waiting' AND batch_id IS NULL;

CREATE INDEX items_in_flight ON {schema}.items (batch_id, key)
    WHERE batch_id IS NOT NULL;

CREATE INDEX items_dead ON {schema}.items (account, kind, state, key)
    WHERE state IN ('rejected', 'unknown');

CREATE TABLE {schema}.batches (
    batch_id     text COLLATE "C" PRIMARY KEY,
    account      text COLLATE "C" NOT NULL,
    kind         text COLLATE "C" NOT NULL,
    fence        bigint NOT NULL,
    size         integer NOT NULL,
    opened_at    timestamptz NOT NULL,
    lease_until  timestamptz NOT NULL,
    feed_id      text,
    submitted_at timestamptz
);

CREATE INDEX batches_account ON {schema}.batches (account, kind, opened_at);

CREATE TABLE {schema}.documents (
    name text COLLATE "C" PRIMARY KEY,
    body text
);

CREATE TABLE {schema}.schema_version (
    version    integer NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

INSERT INTO {schema}.schema_version (version) VALUES (1);
INSERT INTO {schema}.items (account, kind, key, version, state, value, urgent, put_at, batch_id, flight_version,
    flight_value, flight_put_at, accepted_version, accepted_value, accepted_at) VALUES
    ('A1SELLER/AE', 'inventory', 'flies', 1, 'in_flight', '1', false, now(), 'old', 1, '1', now(), NULL, NULL, NULL),
    ('A1SELLER/AE', 'inventory', 'has', 1, 'accepted', '1', false, now(), NULL, NULL, NULL, NULL, 1, '1', now()),
    ('A1SELLER/AE', 'inventory', 'waits', 3, 'waiting', '3', true, now(), NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO {schema}.batches (batch_id, account, kind, fence, size, opened_at, lease_until, feed_id, submitted_at)
    VALUES ('old', 'A1SELLER/AE', 'inventory', 1, 1, now(), now(), '5000', now());
INSERT INTO {schema}.documents VALUES ('quota', '{{"places": []}}');
"""


async def goes_on(store: Storage) -> None:
    """What waited leaves, what was in flight is taken over and settled, what was accepted is not sent again."""
    (old,) = await store.unfinished(ACCOUNT)
    assert (old.batch_id, old.feed_id, old.route, old.size) == ("old", "5000", "", 1)
    (receipt,) = await store.put(ACCOUNT, KIND, [Change("has", "1")])
    assert receipt.state is ReceiptState.UNCHANGED
    batch = await store.open(
        ACCOUNT,
        KIND,
        batch_id="new",
        limit=9,
        lease_seconds=9,
        exclusive=True,
        route="mws:feed",
        ledger="quota",
        admit=lambda text, _now: text if text == LEDGER else None,
    )
    assert batch is not None
    assert batch.items == (("waits", 3, "3"),)
    taken = await store.take_over("old", lease_seconds=9)
    assert taken is not None
    assert taken.items == (("flies", 1, "1"),)
    for one in (batch, taken):
        await store.settle(one.batch_id, one.fence, [ItemOutcome(key, Outcome.ACCEPTED) for key, _, _ in one.items])
    assert await store.requeue(ACCOUNT, KIND, ["has"]) == 1
    states = {key: await store.item(ACCOUNT, KIND, key) for key in ("flies", "has", "waits")}
    wanted = {"flies": ItemState.ACCEPTED, "has": ItemState.WAITING, "waits": ItemState.ACCEPTED}
    assert {key: item and item.state for key, item in states.items()} == wanted
    assert await store.unfinished(ACCOUNT) == []


async def test_a_sqlite_file_of_version_1_goes_on(tmp_path: Path) -> None:
    """The first use upgrades the file; a process of version 1 that is at work still writes to it."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SQLITE_VERSION_1)
    async with SQLiteStorage(path) as store:
        await goes_on(store)
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(
                "INSERT INTO amazon_ae_batches (batch_id, account, kind, fence, opened_at, lease_until, feed_id,"
                " submitted_at, size) VALUES ('by-1', 'A1SELLER/AE', 'inventory', 1, 10, 20, NULL, NULL, 0)"
            )
        assert [batch.route for batch in await store.unfinished(ACCOUNT)] == [""]


async def test_a_sqlite_file_of_version_1_is_upgraded_by_the_hosts_migration(tmp_path: Path) -> None:
    """``schema_sql(after=1)`` is what is missing."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SQLITE_VERSION_1)
        connection.executescript(SQLiteStorage.schema_sql(after=1))
    async with SQLiteStorage(path, create_schema=False) as store:
        await goes_on(store)


@pytest.mark.postgres
async def test_a_postgres_schema_of_version_1_goes_on(postgres_uri: str) -> None:
    """The first use upgrades the schema; a process of version 1 that is at work still writes to it."""
    schema = f"s_{uuid.uuid4().hex[:12]}"
    async with await psycopg.AsyncConnection.connect(postgres_uri, autocommit=True) as admin:
        await admin.execute(POSTGRES_VERSION_1.format(schema=schema).encode())
        async with PostgresStorage(postgres_uri, schema=schema) as store:
            await goes_on(store)
            await admin.execute(
                f"INSERT INTO {schema}.batches (batch_id, account, kind, fence, size, opened_at, lease_until)"
                " VALUES ('by-1', 'A1SELLER/AE', 'inventory', 1, 0, now(), now())".encode()
            )
            assert [batch.route for batch in await store.unfinished(ACCOUNT)] == [""]


@pytest.mark.postgres
async def test_a_postgres_schema_of_version_1_is_upgraded_by_the_hosts_migration(postgres_uri: str) -> None:
    """``schema_sql(after=1)`` is what is missing."""
    schema = f"s_{uuid.uuid4().hex[:12]}"
    async with await psycopg.AsyncConnection.connect(postgres_uri, autocommit=True) as admin:
        await admin.execute(POSTGRES_VERSION_1.format(schema=schema).encode())
        await admin.execute(PostgresStorage.schema_sql(schema, after=1).encode())
    async with PostgresStorage(postgres_uri, schema=schema, create_schema=False) as store:
        await goes_on(store)
