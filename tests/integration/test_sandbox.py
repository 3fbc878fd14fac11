"""The sandbox over real sockets on loopback: both halves, its pages, its faults, and the command."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import attrs
import httpx
import pytest

from amazon_ae._exceptions import OutcomeUnknown, SignatureMismatch
from amazon_ae._models.feeds import FeedBatch, FeedItem, InventoryUpdate, ItemKind
from amazon_ae._models.marketplaces import AE, MwsCredentials
from amazon_ae._mws.client import MwsClient
from amazon_ae._mws.gateway import MwsGateway
from amazon_ae.testing._clocks import ScaledClock
from amazon_ae.testing._sandbox import Sandbox, open_sandbox


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox(orders=120, skus=10, seed=7) as sandbox:
        yield sandbox


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
        yield http


def stock(sku: str, quantity: int) -> FeedBatch:
    return FeedBatch(batch_id="b", kind=ItemKind.INVENTORY, items=(FeedItem(1, sku, InventoryUpdate(sku, quantity)),))


async def test_a_client_reads_orders_from_it(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    """Signed over the loopback host and its port; 120 orders on two pages, with items."""
    client = MwsClient(sandbox.credentials, sandbox.marketplace, http=http)
    names = [row.marketplace_id for row in (await client.sellers.participations()).marketplaces]
    assert AE.marketplace_id in names
    since = sandbox.clock.now() - timedelta(days=3)
    pages = [page async for page in client.orders.list(last_updated_after=since).pages()]
    assert [len(page.orders) for page in pages] == [100, 20]
    order_id = pages[0].orders[0].amazon_order_id
    assert tuple(await client.orders.items(order_id)) == sandbox.mws.orders[order_id].items


async def test_a_wrong_secret_is_refused_over_sockets(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    """The error a user would see."""
    wrong = attrs.evolve(sandbox.credentials, secret_key="wrong")
    with pytest.raises(SignatureMismatch):
        await MwsClient(wrong, sandbox.marketplace, http=http).sellers.participations()


@pytest.mark.parametrize("fault", ["answer_lost", "never_answered"])
async def test_a_fault_ordered_from_outside_loses_the_answer_of_an_accepted_feed(sandbox: Sandbox, fault: str) -> None:
    """The connection closes, or nothing ever comes; the state page shows the feed that was accepted."""
    async with httpx.AsyncClient(timeout=0.5, trust_env=False) as http:
        endpoint = sandbox.marketplace.mws_endpoint
        order = {"action": "SubmitFeed", "fault": fault}
        assert (await http.post(f"{endpoint}/__sandbox/faults", json=order)).json() == {"done": True}
        gateway = MwsGateway(MwsClient(sandbox.credentials, sandbox.marketplace, http=http))
        with pytest.raises(OutcomeUnknown):
            await gateway.submit(stock("SKU-0001", 4))
        state = (await http.get(f"{endpoint}/__sandbox/state")).json()
        assert [feed["digest"] for feed in state["feeds"]] == [sandbox.mws.feeds[0].digest]
        assert state["requests"] == {"SubmitFeed": 1}


async def test_a_connection_that_is_refused_leaves_no_feed(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    """``not_reached`` closes the connection before anything was done."""
    sandbox.mws.fail("SubmitFeed", "not_reached")
    gateway = MwsGateway(MwsClient(sandbox.credentials, sandbox.marketplace, http=http))
    with pytest.raises(OutcomeUnknown):  # over a socket nobody can tell
        await gateway.submit(stock("SKU-0001", 4))
    assert sandbox.mws.feeds == []


async def test_the_control_pages_refuse_nonsense(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    """A wrong fault, a mistyped operation, no JSON, an unknown page, an unknown order."""
    origin = f"{sandbox.marketplace.mws_endpoint}/__sandbox"
    wrong_fault = await http.post(f"{origin}/faults", json={"action": "SubmitFeed", "fault": "gremlins"})
    no_action = await http.post(f"{origin}/faults", json={"action": "SubmitFed", "fault": "throttled"})
    no_json = await http.post(f"{origin}/faults", content=b"{")
    no_page = await http.post(f"{origin}/nothing")
    no_order = await http.post(f"{origin}/orders", json={"order_id": "171-9", "status": "Canceled"})
    no_object = await http.post(f"{origin}/stock", json=[1])
    answers = (wrong_fault, no_action, no_json, no_page, no_order, no_object)
    assert [answer.status_code for answer in answers] == [400, 400, 400, 404, 400, 400]


async def test_a_difference_can_be_planted(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    """Stock and orders change from outside, for a demonstration that must notice."""
    origin = f"{sandbox.marketplace.mws_endpoint}/__sandbox"
    order_id = next(iter(sandbox.mws.orders))
    await http.post(f"{origin}/stock", json={"SKU-0001": 99})
    await http.post(f"{origin}/orders", json={"order_id": order_id, "status": "Canceled"})
    state = (await http.get(f"{origin}/state")).json()
    assert state["stock"]["SKU-0001"] == 99
    assert state["orders"][order_id]["status"] == "Canceled"
    assert sandbox.credentials.secret_key not in json.dumps(state)
    assert "Sample Buyer" not in json.dumps(state)


async def test_both_halves_tell_of_the_same_orders(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    """A pickup that the panel books shows in MWS, with its papers."""
    order_id = next(iter(sandbox.mws.orders))
    page = await http.get(f"{sandbox.marketplace.portal_origin}/home", follow_redirects=True)
    assert page.status_code == 200
    assert "/ap/signin" in str(page.url)
    assert sandbox.mws.portal_orders[order_id].pickup is None
    day = sandbox.clock.now().date() + timedelta(days=1)
    sandbox.mws.schedule_pickup(order_id, day)
    booked = sandbox.mws.portal_orders[order_id].pickup
    assert booked is not None
    assert booked.day == day
    assert set(sandbox.mws.documents()[order_id]) == {"invoice", "shipping_label"}
    client = MwsClient(sandbox.credentials, sandbox.marketplace, http=http)
    order = await client.orders.get(order_id)
    assert order is not None
    assert order.easy_ship_shipment_status == "PendingPickUp"


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
async def test_the_command_serves_until_it_is_told_to_stop(http: httpx.AsyncClient, ending: signal.Signals) -> None:
    """``amazon-ae sandbox --json`` prints one line with all that a client needs, on the clock that it names."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "amazon_ae._cli", "sandbox", "--port", "0", "--json", "--speed", "60"),
        *("--orders", "3", "--skus", "5"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        about = json.loads(await asyncio.wait_for(process.stdout.readline(), 30))
        clock = ScaledClock(speed=about["speed"], origin=datetime.fromisoformat(about["clock_origin"]))
        credentials = MwsCredentials(
            seller_id=about["seller_id"],
            access_key_id=about["access_key_id"],
            secret_key=about["secret_key"],
            auth_token=about["auth_token"],
        )
        marketplace = attrs.evolve(AE, mws_endpoint=about["mws_endpoint"], portal_origin=about["portal_origin"])
        client = MwsClient(credentials, marketplace, http=http, clock=clock)
        begin = clock.now() - timedelta(days=3)
        assert len([order async for order in client.orders.list(last_updated_after=begin)]) == 3
        theirs = datetime.fromisoformat((await http.get(about["state"])).json()["now"])
        assert abs(theirs - clock.now()) < timedelta(seconds=60 * 2)
        process.send_signal(ending)
        assert await asyncio.wait_for(process.wait(), 10) == 0
        assert process.stderr is not None
        assert await process.stderr.read() == b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_an_occupied_port_is_named(sandbox: Sandbox) -> None:
    """Exit code 1 and the port, no traceback."""
    port = sandbox.marketplace.mws_endpoint.rpartition(":")[2]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "amazon_ae._cli", "sandbox", "--port", port, "--portal-port", "0"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 1
    assert port in output.decode()
    assert "Traceback" not in output.decode()


async def test_both_backends_serve_one_seller(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    """A patch over the one port is the stock that the other port's state page shows; faults strike where ordered."""
    origin = sandbox.marketplace.spapi_endpoint
    given = sandbox.spapi_credentials
    form = {
        "grant_type": "refresh_token",
        "refresh_token": given.refresh_token,
        "client_id": given.client_id,
        "client_secret": given.client_secret,
    }
    token = (await http.post(f"{sandbox.marketplace.lwa_endpoint}/auth/o2/token", data=form)).json()["access_token"]
    url = f"{origin}/listings/2021-08-01/items/{given.seller_id}/SKU-0001"
    query = {"marketplaceIds": sandbox.marketplace.marketplace_id}
    value = [{"fulfillment_channel_code": "DEFAULT", "quantity": 7}]
    patch = {"op": "merge", "path": "/attributes/fulfillment_availability", "value": value}
    body = {"productType": "PRODUCT", "patches": [patch]}
    headers = {"x-amz-access-token": token, "user-agent": "Test/1"}
    answer = await http.patch(url, params=query, json=body, headers=headers)
    assert answer.json()["status"] == "ACCEPTED"
    state = (await http.get(f"{sandbox.marketplace.mws_endpoint}/__sandbox/state")).json()
    assert state["stock"]["SKU-0001"] == 7
    assert state["spapi"]["requests"] == {"requestAccessToken": 1, "patchListingsItem": 1}
    order = {"action": "patchListingsItem", "fault": "throttled", "times": None, "for_seconds": 3600}
    assert (await http.post(f"{origin}/__sandbox/faults", json=order)).json() == {"done": True}
    answer = await http.patch(url, params=query, json=body, headers=headers)
    assert answer.status_code == 429
