"""The short how-to pages: each example runs on the fakes."""

from __future__ import annotations

import asyncio
import re
import signal
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import httpx
import pytest

from amazon_ae import (
    Change,
    FeedScheduler,
    InventoryBuffer,
    ItemKind,
    ItemOutcome,
    MemoryStorage,
    MwsClient,
    MwsGateway,
    Outcome,
    PickupRequest,
    SchedulePickupFeed,
    SpApiClient,
    SpApiGateway,
    SQLiteStorage,
)
from amazon_ae.testing import (
    FakeMws,
    FakeSellerPortal,
    FakeSpApi,
    SellerState,
    VirtualClock,
    make_item,
    make_order,
    make_order_id,
)
from amazon_ae.testing.pytest import fake_mws, fake_portal, memory_storage, virtual_clock

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["fake_mws", "fake_portal", "memory_storage", "virtual_clock"]
HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"


def page(name: str) -> dict[str, Any]:
    """What the page's blocks define, run as one module."""
    text = (HOW_TO / f"{name}.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": name}
    exec(
        compile("\n\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL)), name, "exec", dont_inherit=True),
        names,
    )
    return names


def gateway_of(amazon: FakeMws, http: httpx.AsyncClient) -> MwsGateway:
    """Client and gateway of the fake's seller."""
    client = MwsClient(amazon.credentials, amazon.marketplace, http=http, clock=amazon.clock)
    return MwsGateway(client, pickup_route=SchedulePickupFeed(feed_type=amazon.pickup_feed_type))


# That page is one program, which the contract tests run in a process of its own.
PROGRAMS = {"write-your-own-storage"}


@pytest.mark.parametrize("name", sorted({path.stem for path in HOW_TO.glob("*.md")} - PROGRAMS))
def test_every_page_can_be_pasted_into_a_module(name: str) -> None:
    """Its imports exist, its classes and functions can be defined."""
    page(name)


def test_the_credentials_of_the_onboarding_page_are_complete() -> None:
    """And none of their secrets is in a ``repr``."""
    names = page("onboard-a-seller")
    shown = repr((names["credentials"], names["user"]))
    assert "long password" not in shown
    assert "JBSW" not in shown


async def test_many_sellers_run_side_by_side(virtual_clock: VirtualClock) -> None:
    """One scheduler each on one storage and one HTTP client: each works until the host stops."""
    amazon = FakeSpApi(clock=virtual_clock)
    storage = MemoryStorage(clock=virtual_clock)
    amazon.add_sku("BOTTLE-1")
    await InventoryBuffer(storage, f"{amazon.credentials.seller_id}/AE").put("BOTTLE-1", 3)
    stop = asyncio.Event()
    async with httpx.AsyncClient(transport=amazon) as http:
        serving = asyncio.create_task(
            page("many-sellers")["serve"]([amazon.credentials], storage, http, stop, virtual_clock)
        )
        await virtual_clock.sleep(600)
        stop.set()
        await serving
    assert amazon.stock["BOTTLE-1"] == 3


async def test_credentials_are_rotated_without_a_loss(virtual_clock: VirtualClock) -> None:
    """What was queued under the old ones leaves under the new ones: the storage files it under the account."""
    amazon = FakeSpApi(clock=virtual_clock)
    storage = MemoryStorage(clock=virtual_clock)
    amazon.add_sku("BOTTLE-1")
    buffer = InventoryBuffer(storage, f"{amazon.credentials.seller_id}/AE")
    work_with = page("rotate-credentials")["work_with"]
    ended = attrs.evolve(amazon.credentials, client_secret="ended")
    async with httpx.AsyncClient(transport=amazon) as http:
        for credentials, quantity in ((ended, 3), (amazon.credentials, 4)):
            rotated = asyncio.Event()
            await buffer.put("BOTTLE-1", quantity)
            working = asyncio.create_task(work_with(credentials, rotated, storage, http, virtual_clock))
            await virtual_clock.sleep(600)
            rotated.set()
            await working
            assert amazon.stock["BOTTLE-1"] == (4 if credentials is amazon.credentials else 0)


async def test_a_client_behind_a_proxy_can_be_made(fake_mws: FakeMws) -> None:
    """With the host's own HTTP client, which the host closes."""
    client, http = page("proxies-and-certificates")["connect"](fake_mws.credentials)
    assert client.marketplace.code == "AE"
    await http.aclose()


async def test_a_put_from_a_synchronous_program_waits_in_the_file(tmp_path: Path) -> None:
    """As Celery's worker would call it: from a thread without a loop."""
    path = str(tmp_path / "warehouse.sqlite")
    await asyncio.to_thread(page("asyncio-only")["stock_changed"], path, "BOTTLE-1", 7)
    async with SQLiteStorage(path) as storage:
        status = await InventoryBuffer(storage, "A1SELLER/AE").status("BOTTLE-1")
    assert status is not None
    assert status.newest.quantity == 7


async def test_sigterm_ends_the_host_in_order(
    fake_mws: FakeMws, memory_storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handler that the page installs leaves the scheduler's block."""
    handlers: dict[int, Callable[[], object]] = {}
    installed = asyncio.Event()

    def install(number: int, handler: Callable[[], object]) -> None:
        handlers[number] = handler
        installed.set()

    monkeypatch.setattr(asyncio.get_running_loop(), "add_signal_handler", install)
    async with httpx.AsyncClient(transport=fake_mws) as http:
        gateway = gateway_of(fake_mws, http)
        running = asyncio.create_task(page("deploy-and-shut-down")["run"](memory_storage, gateway, gateway))
        await installed.wait()
        handlers[signal.SIGTERM]()
        await running


async def test_a_label_can_be_printed_again(fake_mws: FakeMws, fake_portal: FakeSellerPortal, tmp_path: Path) -> None:
    """As often as the printer jams."""
    order_id = make_order_id(1)
    item = make_item()
    fake_mws.add_order(make_order(order_id, items=[item]), [item])
    fake_mws.schedule_pickup(order_id, (fake_mws.clock.now() + timedelta(days=1)).date())
    reprint = page("print-papers-again")["reprint"]
    for _ in range(2):
        (path,) = (await reprint(fake_portal, order_id, tmp_path)).values()
        assert path.read_bytes().startswith(b"%PDF")


async def test_old_orders_are_fetched_page_by_page(fake_mws: FakeMws) -> None:
    """All of the range, each once."""
    wanted = [make_order_id(number) for number in range(1, 121)]
    for order_id in wanted:
        fake_mws.add_order(make_order(order_id), [make_item()])
    now = fake_mws.clock.now()
    async with httpx.AsyncClient(transport=fake_mws) as http:
        found = await page("back-fill-old-orders")["back_fill"](
            gateway_of(fake_mws, http), now - timedelta(days=3650), now - timedelta(minutes=2)
        )
    assert sorted(order.amazon_order_id for order in found) == wanted


async def test_dead_letters_are_looked_through(
    memory_storage: MemoryStorage, capsys: pytest.CaptureFixture[str]
) -> None:
    """A SKU that is gone is dropped, the other is sent again, and both are named."""
    account, kind = "A1SELLER/AE", ItemKind.INVENTORY
    buffer = InventoryBuffer(memory_storage, account)
    await buffer.put("BOTTLE-1", 3)
    await buffer.put("GONE-1", 1)
    batch = await memory_storage.open(account, kind, batch_id="b1", limit=5, lease_seconds=60, exclusive=True)
    assert batch is not None
    outcomes = [
        ItemOutcome("BOTTLE-1", Outcome.REJECTED, code="90041", message="try again"),
        ItemOutcome("GONE-1", Outcome.REJECTED, code="8560", message="no such SKU"),
    ]
    await memory_storage.settle("b1", batch.fence, outcomes)
    await page("purge-and-dead-letters")["look_through"](buffer)
    assert capsys.readouterr().out == "BOTTLE-1 90041 try again\nGONE-1 8560 no such SKU\n"
    stats = await buffer.stats()
    assert (stats.waiting, stats.dead) == (1, 0)


def test_an_order_becomes_a_line_of_json() -> None:
    """Without its buyer; and a pydantic model has the instants and amounts again."""
    pytest.importorskip("pydantic")
    names = page("pydantic-and-json")
    order = make_order(make_order_id(1))
    line = names["order_line"](order)
    assert '"amazon_order_id": "171-0000000-0000001"' in line
    assert "buyer_email" not in line
    job = names["pack_job"](order)
    assert (job.amazon_order_id, job.purchase_date) == (order.amazon_order_id, order.purchase_date)
    assert order.order_total is None or job.order_total.amount == order.order_total.amount


async def test_a_queued_pickup_is_moved_or_taken_back(fake_mws: FakeMws, memory_storage: MemoryStorage) -> None:
    """While it is queued both work; a pickup that Amazon has is changed where the backend can."""
    names = page("cancel-and-reschedule")
    day = (fake_mws.clock.now() + timedelta(days=4)).date()
    async with httpx.AsyncClient(transport=fake_mws) as http:
        scheduler = FeedScheduler(memory_storage, gateway_of(fake_mws, http), clock=fake_mws.clock)
        request = PickupRequest(order_id=make_order_id(1), pickup_date=day)
        change = Change(request.order_id, request.to_text())
        await memory_storage.put(scheduler.account, ItemKind.PICKUP, [change], keep_first=True)
        moved = await names["not_today"](scheduler, request.order_id, day + timedelta(days=1))
        assert moved.pickup_date == day + timedelta(days=1)
        assert await names["the_buyer_cancelled"](scheduler, request.order_id)
        assert await scheduler.outcome(request.order_id) is None


async def test_a_station_works_until_it_is_stopped(postgres_uri: str) -> None:
    """On a real database, with the fake in Amazon's place."""
    fake = FakeSpApi()
    stop = asyncio.Event()
    stop.set()
    async with httpx.AsyncClient(transport=fake) as http:
        client = SpApiClient(fake.credentials, fake.marketplace, http=http)
        await page("many-hosts")["station"](client, postgres_uri, stop)


def test_both_gateways_of_a_move_are_the_same_account(fake_mws: FakeMws) -> None:
    """So the queue is found again."""
    names = page("move-to-the-selling-partner-api")
    client = MwsClient(fake_mws.credentials, fake_mws.marketplace, clock=fake_mws.clock)
    credentials = FakeSpApi().credentials
    assert names["before"](client, "_X_").account == names["after"](credentials, fake_mws.clock).account


async def test_a_move_settles_what_the_old_backend_has(capsys: pytest.CaptureFixture[str]) -> None:
    """An MWS feed is under way at the move: it is named, settled, and what waits leaves by the new backend."""
    clock = VirtualClock()
    state = SellerState(clock=clock)
    old_amazon, new_amazon = FakeMws(state=state, processing_seconds=600), FakeSpApi(state=state)
    state.add_sku("BOTTLE-1")
    storage = MemoryStorage(clock=clock)
    async with httpx.AsyncClient(transport=old_amazon) as http, httpx.AsyncClient(transport=new_amazon) as newer:
        old = gateway_of(old_amazon, http)
        new = SpApiGateway(SpApiClient(new_amazon.credentials, new_amazon.marketplace, http=newer, clock=clock))
        buffer = InventoryBuffer(storage, new.account)
        async with FeedScheduler(storage, old, clock=clock):
            await buffer.put("BOTTLE-1", 3)
            while not old_amazon.feeds:
                await clock.sleep(1)
        await buffer.put("BOTTLE-1", 4)
        async with page("move-to-the-selling-partner-api")["moving"](storage, old, new, clock) as scheduler:
            assert scheduler.account == new.account
            while state.advance().stock["BOTTLE-1"] != 4:
                await clock.sleep(5)
    assert "1 inventory items in batch" in capsys.readouterr().out
    assert [len(old_amazon.feeds), new_amazon.feeds] == [1, []]
