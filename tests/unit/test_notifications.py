"""What the scheduler and the buffer do with notifications; ``OrderSync``'s are with its own tests."""

from __future__ import annotations

import asyncio

from amazon_ae import (
    Event,
    FeedFinished,
    FeedScheduler,
    FeedSubmitted,
    InventoryBuffer,
    ItemState,
    MemoryStorage,
    Notification,
    OrderChanged,
    Outcome,
    QuantityChanged,
)
from amazon_ae._models.feeds import ItemKind, ItemOutcome
from amazon_ae.testing import VirtualClock, make_order_id
from amazon_ae.testing._simulation import PaperMarket, Processing


async def test_a_feed_that_ended_is_asked_about_at_once() -> None:
    """Not at the next poll; one of another process is left to it."""
    clock = VirtualClock()
    market = PaperMarket(clock, processing=Processing(seconds=20.0))
    fed: list[str] = []

    def on_event(event: Event) -> None:
        if isinstance(event, FeedSubmitted) and event.feed_id:
            fed.append(event.feed_id)

    scheduler = FeedScheduler(MemoryStorage(clock=clock), market, orders=market, clock=clock, on_event=on_event)
    async with scheduler:
        begun = clock.now()
        asked = asyncio.create_task(scheduler.schedule_pickup(make_order_id(1)))
        while not fed:
            await clock.sleep(0.5)
        sent = clock.now()
        await clock.sleep(21.0)
        assert not asked.done(), "the first poll is later"
        assert scheduler.notify(FeedFinished(feed_id=fed[0]))
        assert not scheduler.notify(FeedFinished(feed_id="another"))
        assert not scheduler.notify(OrderChanged(order_id=make_order_id(1)))
        await asked
        assert (clock.now() - sent).total_seconds() <= 24.0
        assert clock.now() > begun


async def test_a_notification_before_the_feeds_end_does_no_harm() -> None:
    """It comes early, or twice: the poll goes on as before."""
    clock = VirtualClock()
    market = PaperMarket(clock, processing=Processing(seconds=100.0))
    fed: list[str] = []

    def on_event(event: Event) -> None:
        if isinstance(event, FeedSubmitted) and event.feed_id:
            fed.append(event.feed_id)

    scheduler = FeedScheduler(MemoryStorage(clock=clock), market, orders=market, clock=clock, on_event=on_event)
    async with scheduler:
        asked = asyncio.create_task(scheduler.schedule_pickup(make_order_id(1)))
        while not fed:
            await clock.sleep(0.5)
        for _ in range(2):
            assert scheduler.notify(FeedFinished(feed_id=fed[0]))
            await clock.sleep(3.0)
        assert (await asked).order_id == make_order_id(1)


async def test_the_buffer_compares_what_amazon_shows_with_what_it_accepted() -> None:
    """And sends nothing: a sale lowers Amazon's quantity too."""
    clock = VirtualClock()
    storage, account = MemoryStorage(clock=clock), "A1SELLER/AE"
    buffer = InventoryBuffer(storage, account)
    await buffer.put("SKU-1", 7)
    assert await buffer.notify(QuantityChanged(sku="SKU-1", quantity=3)) is None, "it waits: a difference is expected"
    batch = await storage.open(account, ItemKind.INVENTORY, batch_id="b", limit=9, lease_seconds=60, exclusive=True)
    assert batch is not None
    await storage.settle("b", batch.fence, [ItemOutcome("SKU-1", Outcome.ACCEPTED)])
    assert await buffer.notify(QuantityChanged(sku="SKU-1", quantity=7)) is None
    differs = await buffer.notify(QuantityChanged(sku="SKU-1", quantity=3))
    assert differs is not None
    assert (differs.sku, differs.state) == ("SKU-1", ItemState.ACCEPTED)
    assert await buffer.notify(QuantityChanged(sku="SKU-2", quantity=3)) is None
    assert await buffer.notify(Notification()) is None
    assert (await buffer.stats()).waiting == 0
