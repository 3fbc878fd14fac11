"""What the SQLite store costs beside raw driver code that does the same writes, in interleaved ratios.

Run it: ``python benchmarks/bench_storage.py [folder]``. The folder decides which disk is measured (a temporary folder
by default). "raw" is the standard library's driver on the same tables and indexes, with the same durability.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from amazon_ae._inventory import InventoryBuffer
from amazon_ae._models.feeds import InventoryUpdate, ItemKind, ItemOutcome, Outcome
from amazon_ae._storage.sqlite.store import SQLiteStorage

ACCOUNT = "A1SELLER/AE"
KIND = ItemKind.INVENTORY
Cost = tuple[float, float]  # seconds on the wall, seconds of processor time

RAW_UPSERT = """\
INSERT INTO amazon_ae_items
    (account, kind, key, version, state, value, urgent, reference, put_at, in_doubt, code, message)
VALUES (?, 'inventory', ?, 1, 'waiting', ?, 0, NULL, ?, 0, '', '')
ON CONFLICT (account, kind, key) DO UPDATE SET version = version + 1, state = 'waiting', value = excluded.value,
    urgent = excluded.urgent, reference = excluded.reference,
    put_at = CASE WHEN state = 'waiting' THEN put_at ELSE excluded.put_at END, code = '', message = ''"""

RAW_CLAIM = """\
UPDATE amazon_ae_items SET state = 'in_flight', batch_id = ?, flight_version = version, flight_value = value,
    flight_put_at = put_at
WHERE id IN (
    SELECT id FROM amazon_ae_items
    WHERE account = ? AND kind = 'inventory' AND state = 'waiting' AND batch_id IS NULL
    ORDER BY urgent DESC, put_at LIMIT ?)
RETURNING key, version, value"""


class Table:
    """The rows of the table that is printed at the end."""

    def __init__(self) -> None:
        print("| what | raw | library | library / raw | in processor time | target |")
        print("|---|---|---|---|---|---|")

    def row(self, what: str, raw: list[Cost], library: list[Cost], target: str) -> None:
        """One line: the median of many runs, the best of a few (what else runs on the machine only adds)."""
        typical = statistics.median if len(raw) > 20 else min
        a, b = (typical([wall for wall, _ in costs]) for costs in (raw, library))
        c, d = (typical([processor for _, processor in costs]) for costs in (raw, library))
        print(f"| {what} | {a * 1e3:.2f} ms | {b * 1e3:.2f} ms | {b / a:.2f} | {d / c:.2f} | {target} |", flush=True)


def raw_connection(path: Path) -> sqlite3.Connection:
    """The driver with the durability of the store, on its tables."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -16000"):
        connection.execute(f"PRAGMA {pragma}")
    if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        connection.executescript(SQLiteStorage.schema_sql())
    return connection


def raw_put(connection: sqlite3.Connection, keys: list[str], quantity: int, account: str = ACCOUNT) -> None:
    """Upsert all keys in one transaction."""
    value, now = f'{{"quantity":{quantity}}}', time.time_ns() // 1000
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(RAW_UPSERT, [(account, key, value, now) for key in keys])
    connection.execute("COMMIT")


def raw_claim(connection: sqlite3.Connection, batch_id: str, limit: int) -> list[tuple[str, int, str]]:
    """Take waiting rows in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    rows = connection.execute(RAW_CLAIM, (batch_id, ACCOUNT, limit)).fetchall()
    connection.execute("COMMIT")
    return rows


async def timed(work: Callable[[], Awaitable[object] | object]) -> Cost:
    """Seconds that ``work`` took, and seconds for which it kept a processor busy."""
    started, busy = time.perf_counter(), time.process_time()
    answer = work()
    if isinstance(answer, Awaitable):
        await answer
    return time.perf_counter() - started, time.process_time() - busy


async def interleaved(
    rounds: int, raw: Callable[[int], object], library: Callable[[int], Awaitable[object]]
) -> tuple[list[Cost], list[Cost]]:
    """Both, in turns, each first in half of the rounds."""
    times: tuple[list[Cost], list[Cost]] = ([], [])
    for number in range(rounds):
        for which in (0, 1) if number % 2 else (1, 0):
            times[which].append(await timed(lambda which=which, number=number: (raw, library)[which](number)))
    return times


async def bench_puts(table: Table, folder: Path) -> None:
    """``put_many`` of 100,000 new and known keys, and a single durable ``put``."""
    keys = [f"SKU-{number:07d}" for number in range(100_000)]
    random.Random(7).shuffle(keys)
    connections = [raw_connection(folder / f"raw-{number}.db") for number in range(4)]
    stores = [SQLiteStorage(folder / f"library-{number}.db") for number in range(4)]
    buffers = [InventoryBuffer(store, ACCOUNT) for store in stores]
    for store in stores:
        await store.names("")
    for what, quantity in (("new keys", 1), ("known keys", 2)):
        updates = [InventoryUpdate(key, quantity) for key in keys]
        raw, library = await interleaved(
            4,
            lambda number, quantity=quantity: raw_put(connections[number], keys, quantity),
            lambda number, updates=updates: buffers[number].put_many(updates),
        )
        table.row(f"put_many of 100,000 ({what})", raw, library, "<= 2.50 (40 % of the rate)")
    raw, library = await interleaved(
        300,
        lambda number: raw_put(connections[0], [f"SKU-{number:07d}"], 3),
        lambda number: buffers[0].put(f"SKU-{number:07d}", 3),
    )
    table.row("one durable put", raw, library, "<= 3.00")
    for store in stores:
        await store.aclose()


async def bench_claims(table: Table, folder: Path) -> None:
    """``open`` of 10,000 items when 10,000 and when 1,000,000 wait."""
    costs: dict[int, list[Cost]] = {}
    for waiting in (10_000, 1_000_000):
        full = folder / f"full-{waiting}.db"
        connection = raw_connection(full)
        keys = [f"SKU-{number:07d}" for number in range(waiting)]
        random.Random(7).shuffle(keys)
        for start in range(0, waiting, 10_000):
            raw_put(connection, keys[start : start + 10_000], 1)
        connection.close()
        raw: list[Cost] = []
        library: list[Cost] = []
        for number in range(5):
            # A fresh copy for each round: every one takes the first 10,000.
            times = [(0.0, 0.0), (0.0, 0.0)]
            for which in (0, 1) if number % 2 else (1, 0):
                copy = folder / f"copy-{which}.db"
                shutil.copyfile(full, copy)
                os.sync()  # or the claim's own sync would wait for the copy's pages
                if which == 0:
                    raw_side = raw_connection(copy)
                    times[0] = await timed(lambda: raw_claim(raw_side, "b", 10_000))  # noqa: B023
                    raw_side.close()
                else:
                    store = SQLiteStorage(copy)
                    await store.names("")
                    times[1] = await timed(lambda: claim(store, 10_000))  # noqa: B023
                    await store.aclose()
            raw.append(times[0])
            library.append(times[1])
        costs[waiting] = library
        table.row(f"open 10,000 of {waiting:,}", raw, library, "<= 2.00")
    table.row("open 10,000: of 1,000,000 beside of 10,000", costs[10_000], costs[1_000_000], "<= 1.30")


async def claim(store: SQLiteStorage, limit: int, account: str = ACCOUNT) -> None:
    """Open a batch, which must be full."""
    batch = await store.open(account, KIND, batch_id="b", limit=limit, lease_seconds=60, exclusive=True)
    if batch is None or batch.size != limit:
        raise RuntimeError("the batch is not full")


async def bench_sellers(table: Table, folder: Path) -> None:
    """One seller's put, open and settle when it is alone in the store, and among 1,000 with 1,000 items each."""
    alone, among = SQLiteStorage(folder / "alone.db"), SQLiteStorage(folder / "among.db")
    connection = raw_connection(folder / "among.db")
    keys = [f"SKU-{number:07d}" for number in range(1_000)]
    for number in range(1_000):
        raw_put(connection, keys, 1, f"A{number:04d}/AE")
    connection.close()
    mine = "A0500/AE"
    await InventoryBuffer(alone, mine).put_many(InventoryUpdate(key, 1) for key in keys)

    async def cycle(store: SQLiteStorage, number: int) -> None:
        buffer = InventoryBuffer(store, mine)
        await buffer.put_many(InventoryUpdate(key, number + 2) for key in keys[:100])
        batch = await store.open(mine, KIND, batch_id=f"b{number}", limit=100, lease_seconds=60, exclusive=True)
        if batch is None:
            raise RuntimeError("nothing waits")
        await store.settle(batch.batch_id, batch.fence, [ItemOutcome(key, Outcome.RETRY) for key, _, _ in batch.items])
        await buffer.stats()

    one, thousand = await interleaved(50, lambda number: cycle(alone, number), lambda number: cycle(among, number))
    table.row("put 100, open, settle, stats: 1 seller beside 1,000", one, thousand, "about 1")
    await alone.aclose()
    await among.aclose()


async def memory(folder: Path) -> None:
    """How much the library's own memory grows while 300,000 changes are put through ``put_many`` from a generator."""
    store = SQLiteStorage(folder / "memory.db")
    buffer = InventoryBuffer(store, ACCOUNT)
    peaks: list[float] = []
    for count in (30_000, 300_000):
        tracemalloc.start()
        await buffer.put_many(InventoryUpdate(f"{count}-{number:07d}", number) for number in range(count))
        peaks.append(tracemalloc.get_traced_memory()[1] / 1e6)
        tracemalloc.stop()
    await store.aclose()
    print(f"\nPython memory at the peak of put_many: 30,000 changes {peaks[0]:.1f} MB, 300,000 {peaks[1]:.1f} MB")


async def purge(folder: Path) -> None:
    """How long puts of another store wait while one purges 1,000,000 rows, beside how long they take alone."""
    path = folder / "purge.db"
    async with SQLiteStorage(path, retention={}) as store, SQLiteStorage(path, retention={}) as other:
        await store.load("x")
        connection = raw_connection(path)
        connection.execute(
            "INSERT INTO amazon_ae_items (account, kind, key, version, state, value, urgent, put_at, accepted_version,"
            " accepted_value, accepted_at, in_doubt, code, message)"
            " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)"
            " SELECT ?, 'inventory', printf('SKU-%07d', i), 1, 'accepted', '{\"quantity\":1}', 0, 1, 1,"
            " '{\"quantity\":1}', 1, 0, '', '' FROM n",
            (ACCOUNT,),
        )
        connection.commit()
        connection.close()
        buffer = InventoryBuffer(other, "A2OTHER/AE")

        async def put(number: int) -> float:
            began = time.perf_counter()
            await buffer.put(f"SKU-{number % 100}", number)
            return time.perf_counter() - began

        alone = sorted([await put(number) for number in range(500)])
        began = time.perf_counter()
        task = asyncio.create_task(store.purge(ACCOUNT, KIND, settled_before=datetime.now(UTC)))
        beside: list[float] = []
        while not task.done():
            beside.append(await put(len(beside)))
            await asyncio.sleep(0.002)
        took = time.perf_counter() - began
    beside.sort()
    print(f"\na purge of {await task:,} rows takes {took:.0f} s; another store's puts meanwhile, and alone:")
    for name, waits in (("meanwhile", beside), ("alone", alone)):
        p50, p99 = waits[len(waits) // 2], waits[int(len(waits) * 0.99)]
        print(f"{name}: p50 {p50 * 1e3:.1f}, p99 {p99 * 1e3:.1f}, max {waits[-1] * 1e3:.1f} ms ({len(waits):,} puts)")


async def main(folder: Path) -> None:
    """Every measurement, one table."""
    print(f"SQLite {sqlite3.sqlite_version}, Python {sys.version.split()[0]}, interleaved runs\n")
    table = Table()
    for bench in (bench_puts, bench_claims, bench_sellers):
        with tempfile.TemporaryDirectory(dir=folder) as one:
            await bench(table, Path(one))
    with tempfile.TemporaryDirectory(dir=folder) as one:
        await memory(Path(one))
    with tempfile.TemporaryDirectory(dir=folder) as one:
        await purge(Path(one))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.gettempdir())))
