"""Settled items go by themselves after their time, in small steps; what still matters stays."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.feeds import ItemKind, ItemOutcome, Outcome
from amazon_ae._models.stored import Change
from amazon_ae._storage import retention
from amazon_ae._storage.memory import MemoryStorage
from amazon_ae._storage.postgres.store import PostgresStorage
from amazon_ae._storage.retention import DEFAULT_RETENTION, Retention, RetentionProgress
from amazon_ae._storage.sqlite.store import SQLiteStorage
from amazon_ae.testing._clocks import VirtualClock

if TYPE_CHECKING:
    from pathlib import Path

    from amazon_ae._ports import Storage

STOCK, PICKUP = ItemKind.INVENTORY, ItemKind.PICKUP
DAY = 86_400.0
PERIODS = {STOCK: timedelta(days=30), PICKUP: timedelta(days=90)}


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Makes a store of each kind on a clock."""

    def make(clock: VirtualClock, **options: Any) -> Storage:
        if request.param == "memory":
            return MemoryStorage(clock=clock, **options)
        if request.param == "sqlite":
            return SQLiteStorage(tmp_path / "store.db", clock=clock, **options)
        uri = request.getfixturevalue("postgres_uri")
        return PostgresStorage(uri, clock=clock, schema=f"s_{uuid.uuid4().hex[:12]}", **options)

    return make


async def _send(store: Storage, account: str, kind: ItemKind, outcomes: dict[str, Outcome]) -> None:
    await store.put(account, kind, [Change(key, "1") for key in outcomes])
    batch = await store.open(
        account, kind, batch_id=uuid.uuid4().hex, limit=10_000, lease_seconds=60, exclusive=False, keys=list(outcomes)
    )
    assert batch is not None
    await store.settle(batch.batch_id, batch.fence, [ItemOutcome(key, outcome) for key, outcome in outcomes.items()])


async def _work(store: Storage, clock: VirtualClock) -> None:
    """A store at work for half a day: each write may bring the next step."""
    for number in range(24):
        clock.jump(1800)
        await store.put("A3BUSY/AE", STOCK, [Change("SKU-1", str(number))])
        for _ in range(5):
            await asyncio.sleep(0.002)  # the step runs beside the caller
            await store.stats("A3BUSY/AE", STOCK)


async def test_old_items_go_and_the_rest_stays(make: Any) -> None:
    """Accepted stock after 30 days, pickups after 90; refused stock, unknown items and what waits stay."""
    clock = VirtualClock(autojump=False)
    store = make(clock, retention=PERIODS)
    account = "A1SELLER/AE"
    outcomes = {"ok": Outcome.ACCEPTED, "refused": Outcome.REJECTED, "lost": Outcome.UNKNOWN, "again": Outcome.RETRY}
    await _send(store, account, STOCK, outcomes)
    await _send(store, account, PICKUP, outcomes)
    await _send(store, "A2OTHER/AE", STOCK, {f"SKU-{number}": Outcome.ACCEPTED for number in range(2_500)})

    async def left(kind: ItemKind) -> list[str]:
        return [key for key in outcomes if await store.item(account, kind, key) is not None]

    clock.jump(29 * DAY)
    await _work(store, clock)
    assert await left(STOCK) == list(outcomes)
    clock.jump(2 * DAY)
    await _work(store, clock)
    assert await left(STOCK) == ["refused", "lost", "again"]
    assert await left(PICKUP) == list(outcomes)
    assert [await store.item("A2OTHER/AE", STOCK, f"SKU-{number}") for number in range(0, 2_500, 100)] == [None] * 25
    clock.jump(60 * DAY)
    await _work(store, clock)
    assert await left(PICKUP) == ["lost", "again"]
    assert await store.item("A3BUSY/AE", STOCK, "SKU-1") is not None
    await store.aclose()


async def test_a_kind_without_a_period_is_kept(make: Any) -> None:
    """``None`` keeps a kind forever."""
    clock = VirtualClock(autojump=False)
    store = make(clock, retention={STOCK: None, PICKUP: timedelta(days=1)})
    await _send(store, "A1SELLER/AE", STOCK, {"ok": Outcome.ACCEPTED})
    await _send(store, "A1SELLER/AE", PICKUP, {"ok": Outcome.ACCEPTED})
    clock.jump(1000 * DAY)
    await _work(store, clock)
    assert await store.item("A1SELLER/AE", STOCK, "ok") is not None
    assert await store.item("A1SELLER/AE", PICKUP, "ok") is None
    await store.aclose()


async def test_a_purge_of_a_file_lets_others_write_in_between(tmp_path: Path) -> None:
    """While one store purges ten pages, another one's puts go through before it has finished."""
    clock = VirtualClock(autojump=False)
    path = tmp_path / "s.db"
    async with SQLiteStorage(path, clock=clock) as store, SQLiteStorage(path, clock=clock) as other:
        await _send(store, "A1/AE", STOCK, {f"SKU-{number:05d}": Outcome.ACCEPTED for number in range(10_000)})
        await other.stats("A1/AE", STOCK)
        clock.jump(10)
        purge = asyncio.create_task(store.purge("A1/AE", STOCK, settled_before=clock.now()))
        for number in range(3):
            await other.put("A2/AE", STOCK, [Change(f"SKU-{number}", "1")])
        assert not purge.done()
        assert await purge == 10_000


def test_progress_survives_its_text_and_rests_after_a_pass() -> None:
    """Busy where something was deleted, slow where not, at rest after the last page, then from the start again."""
    progress = RetentionProgress().stepped(("A", "pickup", "مفتاح"), 5, now=0)
    assert (
        RetentionProgress.read(progress.to_text()) == progress == RetentionProgress(("A", "pickup", "مفتاح"), 1_000_000)
    )
    assert progress.stepped(("B", "pickup", "k"), 0, now=0) == RetentionProgress(("B", "pickup", "k"), 10_000_000)
    assert progress.stepped(None, 0, now=0) == RetentionProgress(("", "", ""), 600_000_000)
    assert RetentionProgress.read(None) == RetentionProgress()


@pytest.mark.parametrize("period", [timedelta(0), timedelta(days=-1), 30])
def test_a_period_is_a_positive_timedelta(period: Any) -> None:
    """A number of days would be taken for seconds by the next reader."""
    with pytest.raises(ConfigurationError, match="retention of inventory"):
        Retention({STOCK: period})


def test_pickups_are_remembered_longer_than_any_parcel_is_on_its_way() -> None:
    """The defaults: a repeated request for a pickup joins it for 90 days."""
    assert DEFAULT_RETENTION == PERIODS
    assert retention.PAGE_ROWS <= 2_000
