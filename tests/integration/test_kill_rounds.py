"""Real processes over real sockets, killed with SIGKILL at random instants: nothing lost, nothing sent twice.

Twenty rounds per store here; ``nox -s kills`` runs two hundred (``KILL_ROUNDS``).
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest
from killed_host import append, lines

from amazon_ae.testing import FakeMws, ScaledClock, make_order, make_order_id, open_sandbox

ROUNDS = int(os.environ.get("KILL_ROUNDS", "20"))
SPEED = 60.0
SKUS = [f"SKU-{number}" for number in range(8)]
HOST = Path(__file__).with_name("killed_host.py")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60 + 10 * ROUNDS)]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A file or a server's address."""
    if request.param == "sqlite":
        return str(tmp_path / "kills.sqlite")
    return str(request.getfixturevalue("postgres_uri"))


async def test_no_kill_loses_or_repeats_anything(where: str, tmp_path: Path) -> None:
    """Each round adds work, lets the host live for a moment and kills it; the last one may finish."""
    rng = random.Random(ROUNDS)
    clock = ScaledClock(speed=SPEED, origin=datetime.now(UTC).replace(microsecond=0))
    fake = FakeMws(clock=clock)
    for sku in SKUS:
        fake.add_sku(sku)
    work, journal = tmp_path / "work.jsonl", tmp_path / "journal.jsonl"
    async with open_sandbox(fake=fake) as sandbox:
        job = {
            "endpoint": sandbox.marketplace.mws_endpoint,
            "credentials": attrs.asdict(sandbox.credentials),
            "pickup_feed_type": fake.pickup_feed_type,
            "store": where,
            "speed": SPEED,
            "origin": clock.origin.isoformat(),
            "work": str(work),
            "journal": str(journal),
        }
        number = 0
        for round_number in range(ROUNDS):
            for _ in range(rng.randint(1, 4)):
                append(work, {"job": number, "sku": rng.choice(SKUS), "quantity": rng.choice((0, number + 1))})
                number += 1
            if round_number % 2 == 0:
                order_id = make_order_id(number)
                fake.add_order(make_order(order_id))
                append(work, {"job": number, "order_id": order_id})
                number += 1
            await live_and_die(job, rng.uniform(0.5, 2.5))
        append(work, {"stop": True})
        code, said = await finish(job)
        assert code == 0, said
    judge(fake, lines(work), lines(journal))


async def start(job: dict[str, Any]) -> asyncio.subprocess.Process:
    """One host process."""
    return await asyncio.create_subprocess_exec(
        sys.executable, str(HOST), json.dumps(job), stderr=asyncio.subprocess.PIPE
    )


async def live_and_die(job: dict[str, Any], seconds: float) -> None:
    """A host that works for ``seconds`` and gets SIGKILL."""
    host = await start(job)
    await asyncio.sleep(seconds)  # a real process in real time
    assert host.returncode is None, (await host.communicate())[1].decode()
    host.kill()
    await host.communicate()


async def finish(job: dict[str, Any]) -> tuple[int | None, str]:
    """A host that may end by itself."""
    host = await start(job)
    _, said = await host.communicate()
    return host.returncode, said.decode()


def judge(fake: FakeMws, asked: list[dict[str, Any]], done: list[dict[str, Any]]) -> None:
    """What Amazon holds beside what was asked for."""
    jobs = [line for line in asked if "job" in line]
    assert {line["job"] for line in done} == {line["job"] for line in jobs}
    newest = {line["sku"]: line["quantity"] for line in jobs if "sku" in line}
    assert {sku: fake.stock[sku] for sku in newest} == newest
    orders = {line["order_id"] for line in jobs if "order_id" in line}
    accepted = {line["order_id"] for line in done if line.get("outcome") == "accepted"}
    assert accepted == orders
    assert set(fake.pickups) == orders
    assert fake.pickups_sent == dict.fromkeys(orders, 1)
    assert not [seen for seen in fake.requests if seen.action == "SubmitFeed" and seen.status == 503]
