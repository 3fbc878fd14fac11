"""One process of a host, for tests that stop or kill it: ``python storage_process.py '{"job": ..., ...}'``.

It speaks on stdout, one JSON value per line, and can be told to stand still at a step until it is killed. What it
handed over is in ``journal`` (before and after each put), what "Amazon" received is in ``amazon``, one line per feed,
both written with one system call each.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amazon_ae._exceptions import StaleLease
from amazon_ae._models.feeds import ItemKind, ItemOutcome, Outcome
from amazon_ae._models.stored import Change
from amazon_ae._storage.postgres.store import PostgresStorage
from amazon_ae._storage.sqlite.store import SQLiteStorage

if TYPE_CHECKING:
    from amazon_ae._models.stored import StoredBatch
    from amazon_ae._ports import Storage

KIND = ItemKind.INVENTORY


def open_store(where: str, schema: str = "amazon_ae") -> Storage:
    """The store at a PostgreSQL URI or a file's path."""
    return PostgresStorage(where, schema=schema) if where.startswith("postgresql:") else SQLiteStorage(where)


def say(value: Any) -> None:
    """Tell the parent process."""
    print(json.dumps(value), flush=True)


def append(path: Path, value: Any) -> None:
    """Add one line, whole or not at all as far as a killed process is concerned."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(handle, json.dumps(value).encode() + b"\n")
    finally:
        os.close(handle)


def lines(path: Path) -> list[Any]:
    """What was appended."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class Host:
    """A host's life with one store, in steps."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.store = open_store(job["store"], job.get("schema", "amazon_ae"))
        self.account: str = job["account"]
        self.folder = Path(job["folder"])
        self.keys = [f"SKU-{number:06d}" for number in range(job.get("keys", 3))]
        self.stop_at: str = job.get("stop_at", "")
        self.lease_seconds: float = job.get("lease_seconds", 0.3)

    def step(self, name: str) -> None:
        """Stand still here if told to; killed or continued from outside."""
        if name == self.stop_at:
            say(f"at {name}")
            sys.stdin.readline()

    def begin(self, verb: str) -> None:
        """A verb that the parent wants to interrupt begins now."""
        if f"inside {verb}" == self.stop_at:
            say(f"at inside {verb}")

    def end(self, verb: str) -> None:
        """It returned."""
        if f"inside {verb}" == self.stop_at:
            say(f"past {verb}")

    async def put(self, value: int) -> None:
        """Hand over one value for every key; the journal says what was meant and what was promised."""
        append(self.folder / "journal", {"meant": value})
        self.begin("put")
        receipts = await self.store.put(self.account, KIND, [Change(key, str(value)) for key in self.keys])
        self.end("put")
        append(self.folder / "journal", {"promised": value, "versions": [receipt.version for receipt in receipts]})

    def admit(self, text: str | None, _now: datetime) -> str | None:
        """Every place is granted; the ledger counts them."""
        self.step("inside admit")
        return str(int(text or 0) + 1)

    async def open(self) -> StoredBatch | None:
        """Take what waits."""
        self.begin("open")
        batch = await self.store.open(
            self.account,
            KIND,
            batch_id=uuid.uuid4().hex,
            limit=100_000,
            lease_seconds=self.lease_seconds,
            exclusive=True,
            ledger=f"{self.account}/quota",
            admit=self.admit,
        )
        self.end("open")
        return batch

    def submit(self, batch: StoredBatch) -> None:
        """Amazon receives a feed."""
        items = {key: int(value) for key, _, value in batch.items}
        append(self.folder / "amazon", {"batch": batch.batch_id, "items": items})

    async def mark_submitted(self, batch: StoredBatch) -> None:
        """Remember the feed's id."""
        await self.store.mark_submitted(
            batch.batch_id,
            batch.fence,
            feed_id=f"feed-{batch.batch_id}",
            submitted_at=datetime.now(UTC),
            lease_seconds=self.lease_seconds,
        )

    async def settle(self, batch: StoredBatch, outcome: Outcome) -> None:
        """Every item of the batch came back with this outcome."""
        self.begin("settle")
        outcomes = [ItemOutcome(key, outcome) for key, _, _ in batch.items]
        await self.store.settle(batch.batch_id, batch.fence, outcomes)
        self.end("settle")

    async def once(self) -> None:
        """One value through all its steps, with a newer one put while it is in flight."""
        self.step("before put")
        await self.put(1)
        self.step("after put")
        batch = await self.open()
        assert batch is not None
        self.step("after open")
        await self.put(2)
        self.step("before submit")
        self.submit(batch)
        self.step("after submit, before its answer")
        await self.mark_submitted(batch)
        self.step("after mark_submitted")
        try:
            await self.settle(batch, Outcome.ACCEPTED)
        except StaleLease:
            say("stale")
            return
        self.step("after settle")
        say("done")

    async def for_ever(self) -> None:
        """The same again and again, until somebody kills it; values go on where the last process was."""
        value = max((line.get("meant", 0) for line in lines(self.folder / "journal")), default=0)
        say("at work")
        while True:
            await self.rescue_expired()
            value += 1
            await self.put(value)
            batch = await self.open()
            if batch is None:
                await asyncio.sleep(0.005)  # another one's batch is in flight until its lease runs out
                continue
            value += 1
            await self.put(value)
            self.submit(batch)
            await self.mark_submitted(batch)
            await self.settle(batch, Outcome.ACCEPTED)

    async def rescue_expired(self) -> None:
        """Take over what nobody holds any more: accepted if Amazon has it, else it waits again."""
        for seen in await self.store.unfinished(self.account):
            batch = await self.store.take_over(seen.batch_id, lease_seconds=30)
            if batch is not None:
                received = {line["batch"] for line in lines(self.folder / "amazon")}
                await self.settle(batch, Outcome.ACCEPTED if batch.batch_id in received else Outcome.RETRY)

    async def rescue(self) -> None:
        """A fresh process: take over, send what waits, until nothing is left; then say how every key stands."""
        while True:
            await self.rescue_expired()
            batch = await self.open()
            if batch is not None:
                self.submit(batch)
                await self.mark_submitted(batch)
                await self.settle(batch, Outcome.ACCEPTED)
            elif await self.store.unfinished(self.account):
                await asyncio.sleep(0.02)  # a lease still runs
            else:
                break
        items = [await self.store.item(self.account, KIND, key) for key in (self.keys[0], self.keys[-1])]
        stats = await self.store.stats(self.account, KIND)
        say(
            {
                "items": [
                    None if item is None else [item.state, item.version, int(item.accepted_value or 0)]
                    for item in items
                ],
                "left": [stats.waiting, stats.in_flight, stats.dead, stats.unknown],
                "places": int(await self.store.load(f"{self.account}/quota") or 0),
            }
        )

    async def race_for_places(self, limit: int, tries: int) -> None:
        """Open batches of one item as fast as possible under a quota of ``limit`` places in all."""

        def admit(text: str | None, _now: datetime) -> str | None:
            spent = int(text or 0)
            return str(spent + 1) if spent < limit else None

        say("ready")
        sys.stdin.readline()
        taken: list[str] = []
        for _ in range(tries):
            batch = await self.store.open(
                self.account,
                KIND,
                batch_id=uuid.uuid4().hex,
                limit=1,
                lease_seconds=60,
                exclusive=False,
                ledger=f"{self.account}/quota",
                admit=admit,
            )
            if batch is not None:
                taken.extend(key for key, _, _ in batch.items)
        say({"taken": taken})

    async def race_for_items(self, limit: int) -> None:
        """Take items until nothing waits."""
        say("ready")
        sys.stdin.readline()
        taken: list[str] = []
        while True:
            batch = await self.store.open(
                self.account, KIND, batch_id=uuid.uuid4().hex, limit=limit, lease_seconds=60, exclusive=False
            )
            if batch is not None:
                taken.extend(key for key, _, _ in batch.items)
            elif not await self.store.waiting(self.account, KIND, limit=1):
                break
        say({"taken": taken})

    async def race_to_put(self, rounds: int) -> None:
        """Put all keys again and again, forwards and backwards."""
        say("ready")
        sys.stdin.readline()
        for number in range(rounds):
            keys = self.keys if number % 2 else self.keys[::-1]
            await self.store.put(self.account, KIND, [Change(key, f"{os.getpid()}-{number}") for key in keys])
        say("done")


async def main() -> None:
    job = json.loads(sys.argv[1])
    host = Host(job)
    try:
        await getattr(host, job["job"])(**job.get("arguments", {}))
    finally:
        await host.store.aclose()


if __name__ == "__main__":
    asyncio.run(main())
