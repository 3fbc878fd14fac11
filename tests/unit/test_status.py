"""``amazon-ae status``: what a storage holds, for those who wait."""

from __future__ import annotations

import json
from pathlib import Path

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
    assert "2 in the last hour, 0 unanswered" in text
    assert "inventory UNKNOWN-1: rejected: 13013" in text
    assert "buffer.retry(['UNKNOWN-1']) or buffer.drop(['UNKNOWN-1'])" in text


def test_the_same_as_json(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One list of accounts."""
    assert cli.main(["status", "--store", str(store), "--json"]) == 0
    (account,) = json.loads(capsys.readouterr().out)
    assert account["queues"]["inventory"]["waiting"] == 1
    assert account["queues"]["inventory"]["urgent"] == 1
    assert [letter["key"] for letter in account["dead_letters"]] == ["UNKNOWN-1"]


def test_reading_changes_nothing(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not one byte of the file."""
    before = store.read_bytes()
    assert cli.main(["status", "--store", f"sqlite:{store}", "--account", "A1SANDBOXSELLER/AE"]) == 0
    assert capsys.readouterr().out
    assert store.read_bytes() == before


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
