"""The fake publishes notifications as Amazon's schemas have them, when things happen and to a queue one can wait on."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import jsonschema
import pytest
from spapi_support import Caller, stock_feed

from amazon_ae import FeedFinished, OrderChanged, QuantityChanged, read_notification
from amazon_ae.testing import FakeSpApi, VirtualClock, make_item

SCHEMAS = {
    "ORDER_CHANGE": "OrderChangeNotification.json",
    "FEED_PROCESSING_FINISHED": "FeedProcessingFinishedNotification.json",
    "LISTINGS_ITEM_MFN_QUANTITY_CHANGE": "ListingsItemMfnQuantityChange.json",
}


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def fake(clock: VirtualClock) -> FakeSpApi:
    return FakeSpApi(clock=clock)


async def publish_all(fake: FakeSpApi) -> None:
    call = Caller(fake)
    fake.add_sku("SKU-1")
    order = fake.new_order(items=[make_item("SKU-1", 2)])
    fake.request_cancellation(order.amazon_order_id)
    fake.schedule_pickup(order.amazon_order_id, fake.clock.now().date())
    await call.feed(stock_feed(("SKU-1", 3)))
    await call.http.aclose()


async def test_every_notification_follows_its_schema(spapi_material: Path, fake: FakeSpApi) -> None:
    queue = fake.subscribe()
    await publish_all(fake)
    texts = await queue.receive(limit=100)
    texts += await queue.receive(wait_seconds=100, limit=100)
    kinds = set()
    for text in texts:
        found = json.loads(text)
        kind = found.get("NotificationType") or found["notificationType"]
        jsonschema.validate(found, json.loads((spapi_material / "schemas" / SCHEMAS[kind]).read_text()))
        kinds.add(kind)
    assert kinds == set(SCHEMAS)


async def test_a_queue_is_filled_as_a_feed_ends_though_nobody_asks(fake: FakeSpApi, clock: VirtualClock) -> None:
    queue = fake.subscribe("FEED_PROCESSING_FINISHED")
    await publish_all(fake)
    started = clock.now()
    (text,) = await queue.receive(wait_seconds=600)
    found = read_notification(text)
    assert isinstance(found, FeedFinished)
    assert (found.processing_status, found.feed_id) == ("DONE", fake.feeds[0].feed_id)
    assert (clock.now() - started).total_seconds() == 60


async def test_a_waiting_receiver_gets_an_order_at_once(fake: FakeSpApi, clock: VirtualClock) -> None:
    queue = fake.subscribe("ORDER_CHANGE")
    started = clock.now()
    receiving = asyncio.create_task(queue.receive(wait_seconds=20))
    await clock.sleep(5)
    order = fake.new_order()
    found = read_notification((await receiving)[0])
    assert isinstance(found, OrderChanged)
    assert found.order_id == order.amazon_order_id
    assert found.easy_ship_shipment_status == "PendingSchedule"
    assert (clock.now() - started).total_seconds() == 5


async def test_an_empty_queue_answers_after_its_wait(fake: FakeSpApi, clock: VirtualClock) -> None:
    queue = fake.subscribe("ORDER_CHANGE")
    started = clock.now()
    assert await queue.receive(wait_seconds=20) == []
    assert (clock.now() - started).total_seconds() == 20


async def test_an_event_bridge_event_may_come_twice(fake: FakeSpApi) -> None:
    queue = fake.subscribe("LISTINGS_ITEM_MFN_QUANTITY_CHANGE", envelope="eventbridge", is_doubled=True)
    fake.add_sku("SKU-1", 4)
    first, second = await queue.receive()
    assert first == second
    found = read_notification(first)
    assert isinstance(found, QuantityChanged)
    assert (found.sku, found.quantity) == ("SKU-1", 4)


async def test_an_unknown_kind_is_refused(fake: FakeSpApi) -> None:
    with pytest.raises(ValueError, match="ORDER_CHANGED"):
        fake.subscribe("ORDER_CHANGED")
