"""The how-tos on orders, pickup routes, errors and other feeds are executed against the fake marketplace."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest

from amazon_ae import FeedScheduler, InventoryBuffer
from amazon_ae._exceptions import OutcomeUnknown
from amazon_ae._models.feeds import FeedBatch, FeedItem, ItemKind, PickupRequest
from amazon_ae._models.orders import Order, OrderItem
from amazon_ae._mws.client import MwsClient
from amazon_ae._mws.feed_bodies import OrderFulfillment, join_feed, order_fulfillment_feed
from amazon_ae._mws.gateway import MwsGateway
from amazon_ae._orders.sync import OrderSync
from amazon_ae._storage.memory import MemoryStorage
from amazon_ae.testing import FakeMws, MwsFault, VirtualClock, make_item, make_order, make_order_id

PAGES = Path(__file__).parents[2] / "docs" / "how-to"
ITEM = make_item(order_item_id="12345678901234")


def names_of(page: str) -> dict[str, Any]:
    """What the page's examples define."""
    text = (PAGES / page).read_text(encoding="utf-8")
    code = "\n\n".join(re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE))
    names: dict[str, Any] = {}
    exec(compile(code, page, "exec", dont_inherit=True), names)
    return names


@attrs.define
class World:
    clock: VirtualClock
    fake: FakeMws
    client: MwsClient


@pytest.fixture
async def world() -> AsyncIterator[World]:
    clock = VirtualClock()
    fake = FakeMws(clock=clock, easy_ship_api=True)
    for number in (1, 2):
        updated = clock.now() - timedelta(hours=1)
        fake.add_order(make_order(make_order_id(number), items=[ITEM], updated_at=updated), [ITEM])
    async with httpx.AsyncClient(transport=fake) as http, MwsClient(fake.credentials, http=http, clock=clock) as client:
        yield World(clock, fake, client)


class Warehouse:
    """The host's own system."""

    def __init__(self) -> None:
        self.saved: list[str] = []
        self.broken = False

    async def save(self, order: Order, items: Sequence[OrderItem]) -> None:
        if self.broken:
            self.broken = False
            raise OSError("disk full")
        assert items
        self.saved.append(order.amazon_order_id)


async def test_take_orders(world: World) -> None:
    """Both orders once; a service that fails once gets the order again."""
    page, warehouse = names_of("take-orders.md"), Warehouse()
    sync = OrderSync(MemoryStorage(clock=world.clock), MwsGateway(world.client), clock=world.clock)
    assert await page["take_orders"](sync, warehouse) == 2
    assert await page["take_orders"](sync, warehouse) == 0
    world.fake.change_order(make_order_id(1))
    warehouse.broken = True
    task: asyncio.Task[None] = page["start"](sync, warehouse)
    await world.clock.sleep(1000)
    task.cancel()
    assert warehouse.saved == [make_order_id(1), make_order_id(2), make_order_id(1)]


async def test_take_orders_sections(world: World) -> None:
    """A cancellation reaches the bench, a notification the service; without dead letters nothing is read again."""
    page = names_of("take-orders.md")
    stopped: list[str] = []
    on_event = page["stop_packing"](stopped.append)
    sync = OrderSync(MemoryStorage(clock=world.clock), MwsGateway(world.client), clock=world.clock, on_event=on_event)
    assert await page["take_orders"](sync, Warehouse()) == 2
    world.fake.change_order(make_order_id(2), status="Canceled")
    await world.clock.sleep(600)
    assert await page["take_orders"](sync, Warehouse()) == 0
    assert stopped == [make_order_id(2)]
    storage = MemoryStorage(clock=world.clock)
    gateway = MwsGateway(world.client)
    scheduler, buffer = FeedScheduler(storage, gateway, clock=world.clock), InventoryBuffer(storage, gateway.account)
    world.fake.change_order(make_order_id(1))
    changed = {"OrderChangeNotification": {"AmazonOrderId": make_order_id(1), "Summary": {"OrderStatus": "Unshipped"}}}
    message = json.dumps({"NotificationType": "ORDER_CHANGE", "Payload": changed})

    async def messages() -> AsyncIterator[str]:
        for body in (message, "not one of Amazon's"):
            yield body

    assert await page["listen"](messages(), sync, scheduler, buffer) == 1
    assert [synced.order.amazon_order_id async for synced in sync.poll()] == [make_order_id(1)]
    assert await page["read_again"](sync) == []


class Scanner:
    """The host's own system at the packing bench."""

    async def scanned(self, order_id: str) -> list[tuple[str, list[str]]]:
        return [(ITEM.order_item_id, ["IMEI-1", "IMEI-2"])]


@pytest.mark.parametrize("route", ["by_feed", "by_easy_ship", "with_serial_numbers", "as_our_template_says"])
async def test_choose_a_pickup_route(world: World, route: str) -> None:
    """The feed routes write a file, the others ask for slots."""
    page = names_of("choose-a-pickup-route.md")
    second = {"by_easy_ship": (), "with_serial_numbers": (Scanner(),)}.get(route, (world.fake.pickup_feed_type,))
    gateway = page[route](world.client, *second)
    pickup = PickupRequest.from_text(
        make_order_id(1),
        '{"pickup_date":"2021-11-19","weight_grams":"500","length_cm":"3","width_cm":"2","height_cm":"1"}',
    )
    items = (FeedItem(1, pickup.order_id, pickup),)
    receipt = await gateway.submit(FeedBatch(batch_id="b", kind=ItemKind.PICKUP, items=items))
    await world.clock.sleep(61)
    assert world.fake.pickups[pickup.order_id].date == date(2021, 11, 19).isoformat()
    assert (receipt.feed_id is None) is (route in ("by_easy_ship", "with_serial_numbers"))
    if route == "with_serial_numbers":
        package = await world.client.easy_ship.get_scheduled_package(pickup.order_id)
        assert [item.serial_numbers for item in package.package_items] == [("IMEI-1", "IMEI-2")]
    if route == "as_our_template_says":
        assert world.fake.feeds[0].body.startswith(b"order-id\tinvoice_id\tpackage_weight")
        assert b"\t2021/11/19\t10:00 AM\t" in world.fake.feeds[0].body


async def test_send_other_feeds(world: World) -> None:
    """One order is confirmed, one cancelled, an unknown one is refused in Amazon's words."""
    page = names_of("send-other-feeds.md")
    shipped = await page["confirm"](world.client, make_order_id(1), ITEM.order_item_id, 1)
    cancelled = await page["cancel"](world.client, make_order_id(2), ITEM.order_item_id)
    refused = await page["confirm"](world.client, make_order_id(9), ITEM.order_item_id, 1)
    await world.clock.sleep(200)
    assert await page["problems"](world.client, shipped) == []
    assert await page["problems"](world.client, cancelled) == []
    assert [line.split(":")[1].split()[0] for line in await page["problems"](world.client, refused)] == ["18028"]
    assert world.fake.orders[make_order_id(1)].order.order_status == "Shipped"
    assert world.fake.orders[make_order_id(2)].order.order_status == "Canceled"


async def test_handle_errors_within_a_minute(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """An answer, a busy quota, an ill Amazon."""
    ask = names_of("handle-errors.md")["order_within_a_minute"]
    world.fake.fail("GetOrder", MwsFault.QUOTA_EXCEEDED)
    assert [await ask(world.client, make_order_id(1)) for _ in range(2)] == [None, None]
    assert capsys.readouterr().out.count("busy until 2021-11-18") == 2
    await world.clock.sleep(4000)
    order = await ask(world.client, make_order_id(1))
    assert (order.amazon_order_id, await ask(world.client, make_order_id(9))) == (make_order_id(1), None)
    await world.clock.sleep(4000)  # a full bucket: no try of the next call waits for a place beyond its minute
    world.fake.fail("GetOrder", MwsFault.INTERNAL_ERROR, times=99)
    assert await ask(world.client, make_order_id(1)) is None
    assert "no answer from Amazon: GetOrder: InternalError (500)" in capsys.readouterr().out


@pytest.mark.parametrize("fault", [None, MwsFault.ANSWER_LOST, MwsFault.INTERNAL_ERROR])
async def test_handle_errors_of_a_feed_that_may_have_arrived(world: World, fault: MwsFault | None) -> None:
    """Answered, lost on its way back, never taken."""
    page = names_of("handle-errors.md")
    shipped = OrderFulfillment(amazon_order_id=make_order_id(1), fulfilled_at=world.clock.now())
    body = join_feed(order_fulfillment_feed(world.client.credentials.seller_id, [shipped]))
    if fault is not None:
        world.fake.fail("SubmitFeed", fault)
    if fault is MwsFault.INTERNAL_ERROR:
        with pytest.raises(OutcomeUnknown):
            await page["confirm_once"](world.client, body)
        assert not world.fake.feeds
    else:
        assert await page["confirm_once"](world.client, body) == world.fake.feeds[0].feed_id
        assert len(world.fake.feeds) == 1
