"""``amazon-ae status``: what a storage holds, for those who wait."""

from __future__ import annotations

import array
import fcntl
import json
import signal
import sqlite3
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

import httpx
import pytest

from amazon_ae import (
    FeedScheduler,
    InventoryBuffer,
    ItemKind,
    MemoryStorage,
    MwsClient,
    MwsGateway,
    SchedulePickupFeed,
    SQLiteStorage,
    _cli as cli,
)
from amazon_ae._mws.throttles import mws_throttles
from amazon_ae._scheduling.late_feeds import LateFeed, late_prefix
from amazon_ae._scheduling.quota import Ledger
from amazon_ae._status import read_status, status_lines
from amazon_ae.testing import FakeMws, VirtualClock, make_order, make_order_id
from amazon_ae.testing.pytest import memory_storage, virtual_clock

__all__ = ["memory_storage", "virtual_clock"]


@pytest.fixture
async def store(tmp_path: Path) -> Path:
    """A warehouse with one SKU that Amazon refused, one accepted pickup and one change that is queued."""
    clock = VirtualClock(grace_seconds=0.02)
    amazon = FakeMws(clock=clock)
    amazon.add_order(make_order(make_order_id(1)))
    path = tmp_path / "warehouse.sqlite"
    async with httpx.AsyncClient(transport=amazon) as http, SQLiteStorage(path, clock=clock) as storage:
        client = MwsClient(amazon.credentials, amazon.marketplace, http=http, clock=clock)
        gateway = MwsGateway(client, pickup_route=SchedulePickupFeed(feed_type=amazon.pickup_feed_type))
        buffer = InventoryBuffer(storage, gateway.account)
        await buffer.put("UNKNOWN-1", 3)
        async with FeedScheduler(storage, gateway, orders=gateway, clock=clock) as scheduler:
            await scheduler.schedule_pickup(make_order_id(1))
            while not (await buffer.stats()).dead:
                await clock.sleep(30)
        await buffer.put("BOTTLE-1", 0)
    return path


def test_the_report_names_queues_quota_and_dead_letters(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the reason of each dead letter and the call that settles it."""
    assert cli.main(["status", "--store", str(store)]) == 0
    text = capsys.readouterr().out
    assert "A1SANDBOXSELLER/AE" in text
    assert "quota" in text
    assert "0 in the last hour, 0 unanswered, 15 free" in text  # the fake's day is long gone
    assert "queued inventory items wait for a scheduler: start a host of this account" in text
    assert "inventory UNKNOWN-1: rejected: 13013" in text
    assert "buffer.retry(['UNKNOWN-1']) or buffer.drop(['UNKNOWN-1'])" in text


def test_the_same_as_json(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One list of accounts."""
    assert cli.main(["status", "--store", str(store), "--json"]) == 0
    (account,) = json.loads(capsys.readouterr().out)
    assert account["queues"]["inventory"]["waiting"] == 1
    assert account["queues"]["inventory"]["urgent"] == 1
    assert account["queues"]["inventory"]["waits_for"].startswith("a scheduler")
    assert account["last_seen_at"].startswith("2021-11-18T09:0")
    assert [letter["key"] for letter in account["dead_letters"]] == ["UNKNOWN-1"]


def test_reading_changes_nothing(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not one byte of the file, however often it is read."""
    before = store.read_bytes()
    assert cli.main(["status", "--store", f"sqlite:{store}", "--account", "A1SANDBOXSELLER/AE"]) == 0
    with _watching(store) as (watching, reports_of, errors):
        reports = [json.loads(reports_of.readline()) for _ in range(3)]
        watching.send_signal(signal.SIGINT)
        assert watching.wait(timeout=30) == 130
        assert errors.read() == ""
    assert [report[0]["queues"]["inventory"]["waiting"] for report in reports] == [1, 1, 1]
    assert store.read_bytes() == before


def test_ctrl_c_ends_a_watch_that_nobody_reads(store: Path) -> None:
    """The pipe is full, so a report waits to be written: that must not keep Ctrl-C waiting, too."""
    with _watching(store) as (watching, reports, errors):
        reports.readline()
        waiting = 0
        while waiting != (waiting := _waiting(reports)) or not waiting:
            time.sleep(0.2)  # until the pipe takes no more
        watching.send_signal(signal.SIGINT)
        assert watching.wait(timeout=30) == 130
        assert errors.read() == ""


@contextmanager
def _watching(store: Path) -> Iterator[tuple[subprocess.Popen[str], IO[str], IO[str]]]:
    """The command, which reports again and again, with its reports and its errors."""
    command = [sys.executable, "-m", "amazon_ae", "status", "--store", f"sqlite:{store}", "--watch", "0.001", "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=_heed_ctrl_c
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        yield process, process.stdout, process.stderr


def _heed_ctrl_c() -> None:
    """A test run in the background ignores Ctrl-C, and its children would, too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _waiting(pipe: IO[str]) -> int:
    """How many bytes wait in a pipe to be read."""
    count = array.array("i", [0])
    fcntl.ioctl(pipe.fileno(), termios.FIONREAD, count)
    return count[0]


def test_another_programs_database_is_left_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not even its journal's mode is changed."""
    other = tmp_path / "shop.sqlite"
    with closing(sqlite3.connect(other)) as connection, connection:
        connection.execute("CREATE TABLE parcels (id TEXT)")
    before = other.read_bytes()
    assert cli.main(["status", "--store", str(other)]) == 1
    assert "version 0" in capsys.readouterr().err
    assert other.read_bytes() == before
    assert cli.main(["status", "--store", f"mysql://{other}"]) == 2
    assert capsys.readouterr().err == "amazon-ae status: --store is a SQLite file or a postgresql:// address\n"


def test_a_server_that_is_away_is_said_once(capfd: pytest.CaptureFixture[str]) -> None:
    """The pool tries for five seconds; what it logs meanwhile is not shown."""
    pytest.importorskip("psycopg_pool")
    command = [sys.executable, "-m", "amazon_ae", "status", "--store", "postgresql://127.0.0.1:1/none"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("amazon-ae status: PostgreSQL")
    assert done.stderr.count("connection failed") == 1


def test_a_storage_that_is_not_there_is_named_and_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistyped path gives an error, not an empty report."""
    missing = tmp_path / "warehouse.sqlite"
    assert cli.main(["status", "--store", str(missing)]) == 2
    assert f"there is no storage at {missing}" in capsys.readouterr().err
    assert not missing.exists()


def test_a_file_that_is_no_storage_is_an_error_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not a traceback."""
    other = tmp_path / "notes.txt"
    other.write_text("not a database")
    assert cli.main(["status", "--store", str(other)]) == 1
    assert capsys.readouterr().err.startswith("amazon-ae status: ")


async def test_an_unanswered_batch_says_since_when(memory_storage: MemoryStorage, virtual_clock: VirtualClock) -> None:
    """Before Amazon's answer there is no feed to name."""
    await InventoryBuffer(memory_storage, "A1SELLER/AE").put("BOTTLE-1", 3)
    await memory_storage.open(
        "A1SELLER/AE", ItemKind.INVENTORY, batch_id="b1", limit=5, lease_seconds=60, exclusive=True
    )
    virtual_clock.jump(45)
    lines = status_lines(await read_status(memory_storage, "A1SELLER/AE", virtual_clock.now()))
    assert "  1 inventory item sent 45 s ago, no answer yet" in lines
    assert "  a scheduler was last at work: 0 s ago" in lines  # it still has its lease


async def lines_of(storage: MemoryStorage, clock: VirtualClock) -> str:
    return "\n".join(status_lines(await read_status(storage, "A1SELLER/AE", clock.now())))


async def test_queued_items_say_what_they_wait_for(memory_storage: MemoryStorage, virtual_clock: VirtualClock) -> None:
    """A host, a blocked quota, a full one, or just their turn; spending of an hour ago no longer counts."""
    rule = mws_throttles().find("Feeds/SubmitFeed").rule("A1SELLER/AKIA/SubmitFeed")
    await InventoryBuffer(memory_storage, "A1SELLER/AE").put("BOTTLE-1", 3)
    assert "wait for a scheduler" in await lines_of(memory_storage, virtual_clock)

    async def write(ledger: Ledger) -> None:
        await memory_storage.change(rule.name, lambda _, __: (ledger.to_text(), None))

    ledger = Ledger.read(None, rule, virtual_clock.now())
    await write(ledger)
    assert "items wait for their turn in the quota" in await lines_of(memory_storage, virtual_clock)
    await write(ledger.exceeded(300))
    text = await lines_of(memory_storage, virtual_clock)
    assert "wait for Amazon's quota, which admits no request before " in text
    assert ", blocked until " in text
    for number in range(15):
        spent = ledger.reserve(str(number), "stock")
        assert spent is not None
        ledger = spent.pin(str(number))
    await write(ledger)
    text = await lines_of(memory_storage, virtual_clock)
    assert "15 in the last hour, 0 unanswered, 0 free" in text
    assert "wait for a free quota slot" in text
    virtual_clock.jump(3601)
    assert "0 in the last hour, 0 unanswered, 15 free" in await lines_of(memory_storage, virtual_clock)


async def test_a_feed_without_an_end_has_its_verb(memory_storage: MemoryStorage, virtual_clock: VirtualClock) -> None:
    """After an hour; and one that was given up is listed for as long as Amazon is asked about it."""
    await InventoryBuffer(memory_storage, "A1SELLER/AE").put("BOTTLE-1", 3)
    batch = await memory_storage.open(
        "A1SELLER/AE", ItemKind.INVENTORY, batch_id="b1", limit=5, lease_seconds=60, exclusive=True
    )
    assert batch is not None
    await memory_storage.mark_submitted(
        "b1", batch.fence, feed_id="5001", submitted_at=virtual_clock.now(), lease_seconds=60
    )
    assert "waiting for Amazon's report for 0 s" in await lines_of(memory_storage, virtual_clock)
    virtual_clock.jump(3 * 86400)
    late = LateFeed.of(
        ItemKind.INVENTORY,
        "b0",
        "mws:feed",
        feed_id="5000",
        now=virtual_clock.now(),
        window=(virtual_clock.now(), virtual_clock.now()),
        keys=["BOTTLE-1"],
    )
    await memory_storage.change(f"{late_prefix('A1SELLER/AE', late.kind)}b0", lambda _, __: (late.to_text(), None))
    text = await lines_of(memory_storage, virtual_clock)
    assert "in feed 5001, waiting for Amazon's report for 3 days; scheduler.abandon('5001') gives it up" in text
    assert "1 inventory item of feed 5000, given up 0 s ago: Amazon is still asked" in text
