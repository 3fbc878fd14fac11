"""Clients that others wrote work against the fake over HTTP: orders, listings and feeds."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from amazon_ae.testing import FakeSpApi, make_item, serve

SCRIPT = Path(__file__).with_name("spapi_peers.py")
PEERS = {"python-amazon-sp-api": "sp_api", "amzn-sp-api": "spapi"}


@pytest.mark.parametrize("peer", PEERS)
async def test_a_client_of_others_reads_orders_and_changes_stock(peer: str) -> None:
    if importlib.util.find_spec(PEERS[peer]) is None:
        pytest.skip(f"{peer} is not installed: pip install {peer}")
    fake = FakeSpApi(processing_seconds=0.2)
    fake.add_sku("SKU/1 a")
    bought = fake.clock.now() - timedelta(minutes=10)  # searches leave out the last two minutes
    order = fake.new_order(items=[make_item("SKU/1 a", 2)], purchased_at=bought)
    async with serve(fake) as origin:
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(SCRIPT), peer, origin, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()[-3000:]
    assert json.loads(output.splitlines()[-1]) == {
        "order": [order.amazon_order_id, "UNSHIPPED"],
        "patched": "ACCEPTED",
        "quantity": 7,
        "feed": "DONE",
        "report": {
            "errors": 0,
            "warnings": 0,
            "messagesProcessed": 1,
            "messagesAccepted": 1,
            "messagesInvalid": 0,
        },
        "store": fake.marketplace.marketplace_id,
    }
    assert fake.stock == {"SKU/1 a": 9}
