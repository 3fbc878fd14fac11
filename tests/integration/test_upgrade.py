"""A running system is upgraded: databases that the version before schema 2 wrote, with its work half done.

That version was killed on both stores while a stock feed was at Amazon, a request for a pickup had not been answered, a
newer quantity of a SKU in flight and another pickup were queued, and its quota ledger had five requests. ``tests/data``
has what it left behind, and the feeds that Amazon had from it by then.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from amazon_ae import (
    FeedScheduler,
    InventoryBuffer,
    ItemState,
    MwsClient,
    MwsGateway,
    PostgresStorage,
    SchedulePickupFeed,
    SQLiteStorage,
    Storage,
)
from amazon_ae._scheduling.quota import Ledger
from amazon_ae.testing import FakeMws, VirtualClock, make_item, make_order, make_order_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LEFT = Path(__file__).parents[1] / "data" / "version_1"
PICKUPS = [make_order_id(number) for number in (1, 2, 3)]


@pytest.fixture
def virtual_clock() -> VirtualClock:
    """It waits a little for the stores' threads and sockets before it jumps."""
    return VirtualClock(grace_seconds=0.02)


@pytest.fixture
async def amazon(virtual_clock: VirtualClock) -> FakeMws:
    """Amazon as it was when the old version was killed."""
    fake = FakeMws(clock=virtual_clock)
    for sku in ("ACCEPTED-1", "FLYING-1", "WAITING-1"):
        fake.add_sku(sku)
    for order_id in PICKUPS:
        fake.add_order(make_order(order_id), [make_item("ACCEPTED-1")])
    async with httpx.AsyncClient(transport=fake) as http:
        client = client_of(fake, http)
        for feed in json.loads((LEFT / "feeds.json").read_text(encoding="utf-8")):
            virtual_clock.jump(
                max(0.0, (datetime.fromisoformat(feed["submitted_at"]) - virtual_clock.now()).total_seconds())
            )
            kind = "text/xml" if feed["body"].startswith("<") else "text/tab-separated-values; charset=UTF-8"
            await client.feeds.submit(feed["feed_type"], feed["body"].encode(), content_type=kind)
    assert [feed.feed_id for feed in fake.feeds] == [str(50000018547 + number) for number in range(5)]
    return fake


def client_of(fake: FakeMws, http: httpx.AsyncClient) -> MwsClient:
    return MwsClient(fake.credentials, fake.marketplace, http=http, clock=fake.clock)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def storage(
    request: pytest.FixtureRequest, tmp_path: Path, virtual_clock: VirtualClock
) -> AsyncIterator[Storage]:
    """What the old version left in a file, or in a schema of a server, opened by this version."""
    script = (LEFT / f"{request.param}.sql").read_text(encoding="utf-8")
    if request.param == "sqlite":
        path = tmp_path / "warehouse.sqlite"
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(script)
        async with SQLiteStorage(path, clock=virtual_clock) as opened:
            yield opened
        return
    psycopg = pytest.importorskip("psycopg")
    uri, schema = request.getfixturevalue("postgres_uri"), f"old_{uuid.uuid4().hex[:12]}"
    async with await psycopg.AsyncConnection.connect(uri, autocommit=True) as admin:
        await admin.execute(script.replace("amazon_ae.", f"{schema}.").replace("SCHEMA amazon_ae", f"SCHEMA {schema}"))
    async with PostgresStorage(uri, clock=virtual_clock, schema=schema) as opened_schema:
        yield opened_schema


async def test_half_done_work_of_the_previous_version_is_finished_once(
    storage: Storage, amazon: FakeMws, virtual_clock: VirtualClock
) -> None:
    """The newest stock arrives, each pickup is booked once, and nothing is sent that the old version had sent."""
    async with httpx.AsyncClient(transport=amazon) as http:
        gateway = MwsGateway(
            client_of(amazon, http), pickup_route=SchedulePickupFeed(feed_type=amazon.pickup_feed_type)
        )
        buffer = InventoryBuffer(storage, gateway.account)
        async with FeedScheduler(storage, gateway, orders=gateway, clock=virtual_clock) as scheduler:
            outcomes = [await scheduler.schedule_pickup(order_id) for order_id in PICKUPS]
            while (stats := await buffer.stats()).waiting or stats.in_flight:
                await virtual_clock.sleep(10)
    assert [outcome.state for outcome in outcomes] == [ItemState.ACCEPTED] * 3
    assert amazon.stock == {"ACCEPTED-1": 5, "FLYING-1": 6, "WAITING-1": 0}
    assert dict(amazon.pickups_sent) == dict.fromkeys(PICKUPS, 1)
    assert stats.dead == 1
    assert await storage.unfinished(gateway.account) == []
    assert len(amazon.feeds) == 5 + 2


async def test_the_previous_versions_ledger_is_read_as_it_is(storage: Storage, virtual_clock: VirtualClock) -> None:
    """All five requests count as spent, each at its own microsecond."""
    name = "A1SANDBOXSELLER/developer/SubmitFeed"
    text = await storage.load(name)
    assert text is not None
    async with httpx.AsyncClient() as http:
        fake = FakeMws(clock=virtual_clock)
        rule = client_of(fake, http).feeds.submit_quota
    assert rule.name == name
    spent_at = datetime.fromisoformat("2021-11-18T09:02:40+00:00")
    ledger = Ledger.read(text, rule, spent_at)
    assert ledger.used == 5
    assert json.loads(ledger.to_text())["spent"] == json.loads(text)["spent"]
