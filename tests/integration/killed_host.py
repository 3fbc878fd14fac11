"""A small host over real sockets, to be killed: ``python killed_host.py '{"endpoint": ..., "store": ...}'``.

It takes its work from ``work`` (one JSON line per job, numbered), does each job, and appends what is durable or final
to ``journal``, one system call per line. Started again, it repeats every job whose line is missing.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs

from amazon_ae import (
    AE,
    FeedScheduler,
    InventoryBuffer,
    MwsClient,
    MwsCredentials,
    MwsGateway,
    PickupRejected,
    PickupUnknown,
    PostgresStorage,
    SchedulePickupFeed,
    SQLiteStorage,
    Storage,
)
from amazon_ae.testing import ScaledClock


def open_store(where: str, clock: ScaledClock) -> Storage:
    """The store at a PostgreSQL address or in a file."""
    if where.startswith("postgresql:"):
        return PostgresStorage(where, clock=clock)
    return SQLiteStorage(where, clock=clock)


def append(path: Path, value: Any) -> None:
    """Add one line, whole or not at all as far as a killed process is concerned."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(handle, json.dumps(value).encode() + b"\n")
    finally:
        os.close(handle)


def lines(path: Path) -> list[Any]:
    """What was appended; a line that another process is writing right now is left for the next read."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


class Host:
    """Does the jobs of the work file for as long as it lives."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        self.work, self.journal = Path(job["work"]), Path(job["journal"])
        self.clock = ScaledClock(speed=job["speed"], origin=datetime.fromisoformat(job["origin"]))
        self.started: set[int] = {line["job"] for line in lines(self.journal)}
        self.tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until the work file says stop and every job is done."""
        market = attrs.evolve(AE, mws_endpoint=self.job["endpoint"])
        async with (
            MwsClient(MwsCredentials(**self.job["credentials"]), market, clock=self.clock) as client,
            open_store(self.job["store"], self.clock) as storage,  # type: ignore[attr-defined]  # both stores are context managers
        ):
            gateway = MwsGateway(client, pickup_route=SchedulePickupFeed(feed_type=self.job["pickup_feed_type"]))
            buffer = InventoryBuffer(storage, client.account)
            async with FeedScheduler(storage, gateway, orders=gateway, clock=self.clock) as scheduler:
                while not await self.take_jobs(buffer, scheduler) or await self.unsettled(scheduler):  # noqa: ASYNC110  # a file
                    await asyncio.sleep(0.02)

    @staticmethod
    async def unsettled(scheduler: FeedScheduler) -> bool:
        """Whether anything is queued or in flight."""
        stats = await scheduler.stats()
        return any(stats.feeds_in_flight.values()) or any(queue.waiting for queue in stats.queues.values())

    async def take_jobs(self, buffer: InventoryBuffer, scheduler: FeedScheduler) -> bool:
        """Start what is new, puts in their order; whether the last job was read and all are done."""
        stop = False
        for line in lines(self.work):
            if "stop" in line:
                stop = True
            elif line["job"] in self.started:
                continue
            elif "sku" in line:
                self.started.add(line["job"])
                await buffer.put(line["sku"], line["quantity"])
                append(self.journal, line)
            else:
                self.started.add(line["job"])
                task = asyncio.create_task(self.pack(line, scheduler))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)
        return stop and not self.tasks

    async def pack(self, line: dict[str, Any], scheduler: FeedScheduler) -> None:
        """One parcel; its final outcome goes into the journal."""
        try:
            outcome = str((await scheduler.schedule_pickup(line["order_id"])).state)
        except PickupRejected as error:
            outcome = f"rejected {error.code}"
        except PickupUnknown:
            outcome = "unknown"
        append(self.journal, {**line, "outcome": outcome})


if __name__ == "__main__":
    asyncio.run(Host(json.loads(sys.argv[1])).run())
