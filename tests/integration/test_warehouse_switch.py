"""The warehouse of the examples changes its backend between two runs: one file, one SQLite database, one setting."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from amazon_ae import (
    FeedScheduler,
    InventoryBuffer,
    MwsClient,
    MwsGateway,
    QuotaTimeout,
    SchedulePickupFeed,
    SpApiClient,
    SpApiGateway,
    SQLiteStorage,
)
from amazon_ae.testing import MwsFault, Sandbox, ScaledClock, SpApiFault, open_sandbox

EXAMPLES = Path(__file__).parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES))
from demo import KNOWN_SKUS, environment  # noqa: E402
from warehouse import PARCELS, stock_changes  # noqa: E402

PARCEL: Any = {"weight_grams": 750, "length_cm": 30, "width_cm": 20, "height_cm": 10}


async def run(sandbox: Sandbox, folder: Path, backend: str, *, until: Callable[[], bool] | None = None) -> str:
    """One run of the warehouse, killed as soon as ``until`` holds; returns what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLES / "warehouse.py"),
        str(folder),
        env=environment(sandbox, backend),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    reading = asyncio.ensure_future(process.communicate())
    try:
        while until is not None and not until() and not reading.done():  # noqa: ASYNC110 - it does not call
            await asyncio.sleep(0.02)
        if until is not None:
            assert not reading.done(), reading.result()[0].decode()
            process.kill()
        out = (await reading)[0].decode()
    finally:
        if process.returncode is None:
            process.kill()
    if until is None:
        assert process.returncode == 0, out
    return out


async def more_work(sandbox: Sandbox, folder: Path, backend: str) -> None:
    """While the warehouse is down, stock and a pickup are handed in: they wait in its database."""
    clock, market = sandbox.clock, sandbox.marketplace
    gateway: MwsGateway | SpApiGateway
    if backend == "mws":
        mws = MwsClient(sandbox.mws.credentials, market, clock=clock)
        gateway = MwsGateway(mws, pickup_route=SchedulePickupFeed(feed_type=sandbox.mws.pickup_feed_type))
    else:
        gateway = SpApiGateway(SpApiClient(sandbox.spapi.credentials, market, clock=clock))
    async with SQLiteStorage(folder / "warehouse.sqlite", clock=clock) as storage:
        await InventoryBuffer(storage, gateway.account).put("SKU-0001", 77)
        packing = FeedScheduler(storage, gateway, clock=clock).schedule_pickup(
            extra_order(sandbox), deadline=sandbox.clock.now(), **PARCEL
        )
        with pytest.raises(QuotaTimeout):
            await packing


def extra_order(sandbox: Sandbox) -> str:
    return sorted(sandbox.mws.orders)[PARCELS]


def nothing_lost_nothing_twice(sandbox: Sandbox) -> None:
    """Each pickup once, each SKU its newest quantity, no request over a quota."""
    newest = {change.sku: change.quantity for change in stock_changes()} | {"SKU-0001": 77}
    held = sandbox.mws.stock
    assert {sku: held[sku] for sku in held} == {sku: newest[sku] for sku in held}
    assert len(held) == KNOWN_SKUS
    asked = sorted(sandbox.mws.orders)[: PARCELS + 1]
    assert sandbox.mws.pickups_sent == dict.fromkeys(asked, 1)
    assert not [seen for seen in sandbox.spapi.requests if seen.status == 429]
    assert not [seen for seen in sandbox.mws.requests if seen.action == "SubmitFeed" and seen.status == 503]


@pytest.mark.browser
@pytest.mark.timeout(400)
@pytest.mark.parametrize("killed_in", ["stock", "pickups"])
@pytest.mark.parametrize("first", ["mws", "spapi"])
async def test_the_same_program_and_database_on_the_other_backend(first: str, killed_in: str, tmp_path: Path) -> None:
    """Killed after Amazon took stock, or a pickup, and before the answer was read; more waits; then the other one."""
    # The panel's browser, which only MWS needs, cannot be hurried as much as the rest.
    clock = ScaledClock(speed=20 if first == "spapi" else 40, origin=datetime.now(UTC).replace(microsecond=0))
    async with open_sandbox(clock=clock, orders=PARCELS + 1, skus=KNOWN_SKUS) as sandbox:
        mws, spapi = sandbox.mws, sandbox.spapi
        if first == "spapi":
            spapi.fail("createFeed" if killed_in == "stock" else "createScheduledPackage", SpApiFault.NEVER_ANSWERED)
        elif killed_in == "pickups":
            mws.fail("SubmitFeed", MwsFault.NEVER_ANSWERED, feed_type=mws.pickup_feed_type)
        else:
            mws.fail("SubmitFeed", MwsFault.NEVER_ANSWERED)

        def taken() -> bool:
            if killed_in == "stock":
                return bool(mws.feeds or spapi.feeds)
            pickup_feeds = [feed for feed in mws.feeds if feed.feed_type == mws.pickup_feed_type]
            return bool(mws.pickups or pickup_feeds)

        await run(sandbox, tmp_path, first, until=taken)
        await more_work(sandbox, tmp_path, first)
        said = await run(sandbox, tmp_path, "spapi" if first == "mws" else "mws")
        assert f"of {first}:" in said  # what the other backend still had is named
        nothing_lost_nothing_twice(sandbox)
