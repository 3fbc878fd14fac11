"""Eight processes on one store want places at once: the count is exact, and no parcel leaves twice."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from amazon_ae._models.feeds import BatchTerms, FeedBatch, FeedReceipt, FeedReport, FeedStatus, ItemKind, QuotaRule
from amazon_ae._models.stored import Change
from amazon_ae._scheduling import FeedScheduler
from amazon_ae._scheduling.policy import FeedPolicy
from amazon_ae._storage.postgres.store import PostgresStorage
from amazon_ae._storage.sqlite.store import SQLiteStorage

pytestmark = pytest.mark.slow

PROCESSES = 8
ACCOUNT = "A1RACE/AE"
# The documented bucket, and an hour that is the only limit.
BUCKET = QuotaRule(name="race/bucket", burst=15, restore_seconds=120.0, limit=30)
HOUR = QuotaRule(name="race/hour", burst=30, restore_seconds=0.001, limit=30)


class Counting:
    """A gateway that says yes and remembers what it was given."""

    account = ACCOUNT

    def __init__(self, rule: QuotaRule, limit: int) -> None:
        self._rule, self._limit = rule, limit
        self.feeds: list[list[str]] = []

    routes = frozenset({"race"})

    def terms(self, kind: ItemKind, waiting: int, *, urgent: bool = False) -> BatchTerms:
        exclusive = kind is ItemKind.INVENTORY and not urgent
        return BatchTerms(route="race", quota=self._rule, max_items=self._limit, exclusive=exclusive)

    async def submit(self, batch: FeedBatch, *, settle: object = None) -> FeedReceipt:
        self.feeds.append([item.key for item in batch.items])
        return FeedReceipt(feed_id=batch.batch_id, submitted_at=datetime.now(UTC))

    async def status(self, feed_ids: Sequence[str]) -> Sequence[FeedStatus]:
        return []

    async def report(self, feed_id: str, batch: FeedBatch) -> FeedReport:
        raise AssertionError("no feed ends in this race")

    async def recent(self, kind: ItemKind, since: datetime) -> Sequence[FeedStatus]:
        return []


def storage_of(where: str) -> Any:
    return PostgresStorage(where) if where.startswith("postgresql") else SQLiteStorage(Path(where))


def race(where: str, rule: QuotaRule, limit: int, number: int, start: Any, results: Any) -> None:
    """One process: its own store object, its own scheduler, forty parcels, as fast as it can for some seconds."""

    async def run() -> None:
        storage, gateway = storage_of(where), Counting(rule, limit)
        scheduler = FeedScheduler(storage, gateway, policy=FeedPolicy(prompt_spacing=0.0))
        parcels = [Change(f"{number}-{parcel}", '{"pickup_date":"2021-11-19"}') for parcel in range(40)]
        await storage.put(ACCOUNT, ItemKind.PICKUP, parcels[:1])
        await asyncio.to_thread(start.wait)
        await storage.put(ACCOUNT, ItemKind.PICKUP, parcels[1:])
        quiet = 0
        while quiet < 4:  # until nobody got a place for a while
            before = len(gateway.feeds)
            await scheduler.run_once()
            quiet = 0 if len(gateway.feeds) > before else quiet + 1
            await asyncio.sleep(0.2)  # the others' transactions get on meanwhile; processes share no event
        await storage.aclose()
        results.put(gateway.feeds)

    asyncio.run(run())


def run_race(where: str, rule: QuotaRule, limit: int) -> list[list[str]]:
    """All feeds that any process sent."""
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(PROCESSES), context.Queue()
    racers = [
        context.Process(target=race, args=(where, rule, limit, number, start, results)) for number in range(PROCESSES)
    ]
    for racer in racers:
        racer.start()
    feeds = [feed for _ in racers for feed in results.get(timeout=90)]
    for racer in racers:
        racer.join(timeout=30)
        assert racer.exitcode == 0
    return feeds


@pytest.fixture
def sqlite_file(tmp_path: Path) -> str:
    path = tmp_path / "store.db"

    async def create() -> None:
        storage = SQLiteStorage(path)
        await storage.load("nothing")
        await storage.aclose()

    asyncio.run(create())
    return str(path)


@pytest.fixture
def postgres(postgres_uri: str) -> str:
    async def clean() -> None:
        storage = PostgresStorage(postgres_uri)
        await storage.load("nothing")
        for name in await storage.names("race/"):
            await storage.change(name, lambda _text, _now: (None, None))
        for batch in await storage.unfinished(ACCOUNT):
            await storage.settle(batch.batch_id, batch.fence, [])
        waiting = await storage.waiting(ACCOUNT, ItemKind.PICKUP, limit=10_000)
        await storage.reject(ACCOUNT, ItemKind.PICKUP, [_dropped(item.key) for item in waiting])
        await storage.aclose()

    asyncio.run(clean())
    return postgres_uri


def _dropped(key: str) -> Any:
    from amazon_ae._models.feeds import ItemOutcome, Outcome

    return ItemOutcome(key, Outcome.REJECTED)


def assert_exact(feeds: list[list[str]], places: int) -> None:
    """Exactly so many feeds, and no parcel in two of them."""
    assert len(feeds) == places
    sent = Counter(key for feed in feeds for key in feed)
    assert max(sent.values()) == 1


@pytest.mark.parametrize(("rule", "places"), [(BUCKET, 15), (HOUR, 30)], ids=["bucket", "hour"])
def test_eight_processes_on_one_sqlite_file(sqlite_file: str, rule: QuotaRule, places: int) -> None:
    """320 parcels, one a feed: exactly as many feeds as there are places."""
    assert_exact(run_race(sqlite_file, rule, 1), places)


@pytest.mark.postgres
@pytest.mark.parametrize(("rule", "places"), [(BUCKET, 15), (HOUR, 30)], ids=["bucket", "hour"])
def test_eight_processes_on_one_postgresql(postgres: str, rule: QuotaRule, places: int) -> None:
    """The same, counted by the database's clock."""
    assert_exact(run_race(postgres, rule, 1), places)


def test_eight_processes_share_feeds(sqlite_file: str) -> None:
    """With room for 40 in a feed, 320 parcels of eight processes leave in full feeds, as long as there are some."""
    feeds = run_race(sqlite_file, BUCKET, 40)
    sent = Counter(key for feed in feeds for key in feed)
    assert max(sent.values()) == 1
    assert sum(len(feed) == 40 for feed in feeds) >= 6  # the others wait to travel together
    assert len(feeds) <= 9
