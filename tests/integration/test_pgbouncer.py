"""``PostgresStorage`` behind a real PgBouncer in transaction mode, as hosted databases offer it.

PgBouncer is a program of the operating system (Debian and Ubuntu: ``apt install pgbouncer``); without it these skip.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from amazon_ae._exceptions import StorageError
from amazon_ae._models.feeds import ItemKind, ItemOutcome, Outcome
from amazon_ae._models.stored import Change
from amazon_ae._storage.postgres.store import PostgresStorage

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.postgres
KIND = ItemKind.INVENTORY
ACCOUNT = "A1SELLER/AE"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as client:
            client.settimeout(1)
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)  # its start is a process's, no event says so
    pytest.fail(f"PgBouncer did not start (exit code {process.poll()})")


@pytest.fixture(scope="module")
def pooler(postgres_uri: str) -> Iterator[str]:
    """A PgBouncer in transaction mode with two server connections before the tests' server; its connection string."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("PgBouncer is not installed (Debian: apt install pgbouncer)")
    given = conninfo_to_dict(postgres_uri)
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="amazon-ae-pooler-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        users, config = Path(folder) / "users.txt", Path(folder) / "pgbouncer.ini"
        users.write_text(f'"{given["user"]}" ""\n')
        server = f"host={given['host']} user={given['user']}" + (f" port={given['port']}" if "port" in given else "")
        config.write_text(
            f"""\
[databases]
* = {server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
auth_file = {users}
pool_mode = transaction
default_pool_size = 2
max_client_conn = 50
"""
        )
        # It refuses to be root; the server's own user may enter the folder with the server's socket.
        owner = pwd.getpwuid(os.stat(str(given["host"])).st_uid).pw_name
        command = [program, "-q", *(["-u", owner] if os.geteuid() == 0 else []), str(config)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait_for(port, process)
            yield make_conninfo(host="127.0.0.1", port=port, user=given["user"], dbname=given["dbname"])
        finally:
            process.terminate()
            process.wait(10)


def _schema() -> str:
    return f"s_{uuid.uuid4().hex[:12]}"


async def test_two_stores_behind_one_pooler_keep_their_own_items(pooler: str) -> None:
    """Two schemas share two server connections; 120 acknowledged puts each are all there, and nowhere else."""
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(PostgresStorage(pooler, schema=_schema())) for _ in range(2)]

        async def put_many(store: PostgresStorage, name: str, start: int) -> None:
            for number in range(start, start + 30):
                await store.put(ACCOUNT, KIND, [Change(f"{name}-{number}", "1")])

        await asyncio.gather(
            *(
                put_many(store, name, start)
                for store, name in zip(stores, "ab", strict=True)
                for start in range(0, 120, 30)
            )
        )
        for store, name in zip(stores, "ab", strict=True):
            keys = {item.key for item in await store.waiting(ACCOUNT, KIND, limit=1000)}
            assert keys == {f"{name}-{number}" for number in range(120)}


async def test_a_whole_life_behind_a_pooler(pooler: str) -> None:
    """Eight objects race for a ledger of ten slots; every batch is settled; exactly ten leave."""
    schema = _schema()
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(PostgresStorage(pooler, schema=schema)) for _ in range(8)]
        await stores[0].put(ACCOUNT, KIND, [Change(f"SKU-{number:03d}", "1") for number in range(100)])

        def admit(text: str | None, _now: object) -> str | None:
            spent = int(text or "0")
            return str(spent + 1) if spent < 10 else None

        async def send(store: PostgresStorage) -> int:
            sent = 0
            for _ in range(5):
                batch = await store.open(
                    ACCOUNT,
                    KIND,
                    batch_id=uuid.uuid4().hex,
                    limit=2,
                    lease_seconds=60,
                    exclusive=False,
                    ledger="quota",
                    admit=admit,
                )
                if batch is not None:
                    sent += 1
                    outcomes = [ItemOutcome(key, Outcome.ACCEPTED) for key, _, _ in batch.items]
                    await store.settle(batch.batch_id, batch.fence, outcomes)
            return sent

        assert sum(await asyncio.gather(*map(send, stores))) == 10
        stats = await stores[0].stats(ACCOUNT, KIND)
        assert (stats.waiting, stats.in_flight) == (80, 0)


async def test_no_setting_leaks_to_other_clients(pooler: str) -> None:
    """What the store sets ends with its transactions: another client of the pooler keeps the server's own timeouts."""
    async with await psycopg.AsyncConnection.connect(pooler, autocommit=True, prepare_threshold=None) as other:

        async def timeouts() -> list[tuple[str, ...]]:
            row = await other.execute(
                "SELECT current_setting('statement_timeout'), current_setting('idle_in_transaction_session_timeout'),"
                " current_setting('enable_seqscan')"
            )
            return await row.fetchall()

        before = await timeouts()
        async with PostgresStorage(pooler, schema=_schema(), statement_timeout_seconds=17.0) as store:
            for number in range(10):
                await store.put(ACCOUNT, KIND, [Change(f"SKU-{number}", "1")])
                assert await timeouts() == before
            row = await other.execute("SELECT count(*) FROM pg_prepared_statements")
            assert await row.fetchall() == [(0,)]


async def test_the_statement_timeout_holds_behind_a_pooler(pooler: str) -> None:
    """It is set inside each transaction, of one statement or several."""
    async with PostgresStorage(pooler, schema=_schema(), statement_timeout_seconds=17.0) as store:
        await store.load("x")
        for transaction in (False, True):

            async def ask(cursor: psycopg.AsyncCursor[tuple[str]]) -> tuple[str] | None:
                await cursor.execute("SHOW statement_timeout")
                return await cursor.fetchone()

            # A setting of the store's own transaction: another one has its own.
            assert await store._database.run(ask, transaction=transaction) == ("17s",)


async def test_notices_arrive_by_asking(pooler: str) -> None:
    """Behind a pooler nobody can listen: what another object puts and settles is found within ``poll_seconds``."""
    schema = _schema()
    async with (
        PostgresStorage(pooler, schema=schema, poll_seconds=0.05) as here,
        PostgresStorage(pooler, schema=schema) as there,
    ):
        queued, settled = asyncio.Event(), asyncio.Event()
        here.watch(ACCOUNT, queued.set, settled=lambda _kind, _keys: settled.set())
        await asyncio.wait_for(settled.wait(), 10)  # it asks now
        await asyncio.sleep(0.2)
        settled.clear()
        await there.put(ACCOUNT, KIND, [Change("a", "1")])
        await asyncio.wait_for(queued.wait(), 10)
        batch = await there.open(ACCOUNT, KIND, batch_id="b", limit=1, lease_seconds=60, exclusive=True)
        assert batch is not None
        await asyncio.sleep(0.2)
        settled.clear()
        await there.settle("b", batch.fence, [ItemOutcome("a", Outcome.ACCEPTED)])
        await asyncio.wait_for(settled.wait(), 10)


async def test_a_direct_url_listens_beside_the_pooler(pooler: str, postgres_uri: str) -> None:
    """``listen_conninfo`` leads around the pooler: the key is named, as ``LISTEN`` does."""
    schema = _schema()
    async with (
        PostgresStorage(pooler, schema=schema, listen_conninfo=postgres_uri, poll_seconds=3600.0) as here,
        PostgresStorage(pooler, schema=schema) as there,
    ):
        keys: asyncio.Queue[tuple[str, ...]] = asyncio.Queue()
        here.watch(ACCOUNT, lambda: None, settled=lambda _kind, some: keys.put_nowait(tuple(some)))
        assert await asyncio.wait_for(keys.get(), 10) == ()  # it listens now
        await there.put(ACCOUNT, KIND, [Change("a", "1")])
        batch = await there.open(ACCOUNT, KIND, batch_id="b", limit=1, lease_seconds=60, exclusive=True)
        assert batch is not None
        await there.settle("b", batch.fence, [ItemOutcome("a", Outcome.ACCEPTED)])
        while (named := await asyncio.wait_for(keys.get(), 10)) == ():
            pass
        assert named == ("a",)


async def test_server_connections_that_end_behind_the_pooler_lose_no_acknowledged_put(
    pooler: str, postgres_uri: str
) -> None:
    """Every put that returned is there; one that met the end raises ``StorageError``, and the store goes on."""
    acknowledged: set[str] = set()
    async with (
        PostgresStorage(pooler, schema=_schema()) as store,
        await psycopg.AsyncConnection.connect(postgres_uri, autocommit=True) as admin,
    ):
        for number in range(60):
            if number % 20 == 10:
                await admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE pid <> pg_backend_pid() AND application_name LIKE 'amazon_ae%'"
                )
            try:
                await store.put(ACCOUNT, KIND, [Change(f"k{number}", "1")])
                acknowledged.add(f"k{number}")
            except StorageError:
                pass
        kept = {item.key for item in await store.waiting(ACCOUNT, KIND, limit=100)}
    assert acknowledged <= kept
    assert len(acknowledged) >= 54
