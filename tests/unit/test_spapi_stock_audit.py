"""The stock audit: differences between what was accepted and what Amazon shows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from amazon_ae import (
    ConfigurationError,
    FeedScheduler,
    InventoryBuffer,
    ItemKind,
    ItemState,
    MemoryStorage,
    SpApiClient,
    SpApiGateway,
    StockAudit,
)
from amazon_ae._models.events import Event, StockDiffers
from amazon_ae.testing import FakeSpApi, SpApiFault, VirtualClock

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)


class World:
    """Stock that was accepted, and an audit."""

    def __init__(self, http: httpx.AsyncClient, fake: FakeSpApi, clock: VirtualClock) -> None:
        self.fake, self.clock = fake, clock
        self.client = SpApiClient(fake.credentials, fake.marketplace, http=http, clock=clock)
        self.gateway = SpApiGateway(self.client)
        self.storage = MemoryStorage(clock=clock)
        self.buffer = InventoryBuffer(self.storage, self.gateway.account)
        self.events: list[Event] = []

    def audit(self, **options: Any) -> StockAudit:
        return StockAudit(self.client, self.storage, on_event=self.events.append, **options)

    async def accept(self, **stock: int) -> None:
        for sku, quantity in stock.items():
            if sku not in self.fake.stock:
                self.fake.add_sku(sku)
            await self.buffer.put(sku, quantity)
        async with FeedScheduler(self.storage, self.gateway, clock=self.clock):
            while (await self.storage.stats(self.gateway.account, ItemKind.INVENTORY)).waiting:
                await self.clock.sleep(1)
            await self.clock.sleep(5)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    clock = VirtualClock(NOW)
    fake = FakeSpApi(clock=clock)
    async with httpx.AsyncClient(transport=fake) as http:
        yield World(http, fake, clock)


async def test_a_sku_that_was_accepted_and_is_not_live_is_an_event(world: World) -> None:
    """The others are none."""
    await world.accept(A=5, B=6, C=7)
    world.fake.state.stock["B"] = 1
    del world.fake.state.stock["C"]
    found = await world.audit().check(["A", "B", "C", "never put"])
    assert [(event.sku, event.accepted, event.shown, event.is_resent) for event in found] == [
        ("B", 6, 1, False),
        ("C", 7, None, False),
    ]
    assert world.events == list(found)


async def test_what_waits_is_not_compared(world: World) -> None:
    """A difference is expected there."""
    await world.accept(A=5)
    await world.buffer.put("A", 9)
    world.fake.state.stock["A"] = 1
    assert await world.audit().check(["A"]) == ()


async def test_a_difference_is_sent_again_by_choice(world: World) -> None:
    """And then Amazon shows it."""
    await world.accept(A=5)
    world.fake.state.stock["A"] = 1
    await world.audit(resend=True).check(["A"])
    item = await world.storage.item(world.gateway.account, ItemKind.INVENTORY, "A")
    assert item is not None
    assert item.state is ItemState.WAITING
    await world.accept(B=1)
    assert world.fake.stock["A"] == 5
    assert await world.audit().check(["A"]) == ()


async def test_twenty_skus_cost_one_request_and_a_comma_one_of_its_own(world: World) -> None:
    """At a pace that leaves room for others."""
    names = {f"S{n}": n + 1 for n in range(40)} | {"a,b": 3}
    await world.accept(**names)
    await world.clock.sleep(900)
    begin = world.clock.now()
    assert await world.audit(requests_per_second=0.5).check_all(names) == 0
    assert world.fake.count("searchListingsItems") == 2
    assert world.fake.count("getListingsItem") == 1
    assert (world.clock.now() - begin).total_seconds() == pytest.approx(6, abs=1)


async def test_an_outage_is_waited_out(world: World) -> None:
    """Every SKU is asked about in the end."""
    await world.accept(A=5)
    world.fake.state.stock["A"] = 1
    world.fake.fail("searchListingsItems", SpApiFault.UNAVAILABLE, times=8)
    await world.clock.sleep(900)
    assert await world.audit().check_all(["A"]) == 1


@pytest.mark.parametrize("answer", [httpx.Response(500, json={}), httpx.Response(200, content=b"<html>")])
async def test_one_sku_that_breaks_the_answer_hides_no_other(
    world: World, answer: httpx.Response, caplog: pytest.LogCaptureFixture
) -> None:
    """It is found by halving and named in the log; the others are compared."""
    skus = [f"S{number:02}" for number in range(30)]
    await world.accept(**dict.fromkeys(skus, 5))
    for sku in skus:
        world.fake.state.stock[sku] = 1
    await world.clock.sleep(900)

    async def ill(request: httpx.Request) -> httpx.Response:
        if "S07" in str(request.url):
            return httpx.Response(answer.status_code, content=answer.content)
        return await world.fake.handle_async_request(request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(ill)) as http:
        client = SpApiClient(world.fake.credentials, world.fake.marketplace, http=http, clock=world.clock)
        audit = StockAudit(client, world.storage, on_event=world.events.append)
        assert await audit.check_all(skus) == 29
    different = {event.sku for event in world.events if isinstance(event, StockDiffers)}
    assert different == set(skus) - {"S07"}
    assert "'S07' alone" in caplog.text


async def test_a_sample_of_what_is_accepted_is_asked_about_later(world: World) -> None:
    """Not before it can be live."""
    async with world.audit(sample=1.0, after_seconds=600):
        await world.accept(A=5, B=6)
        world.fake.state.stock["B"] = 1
        await world.clock.sleep(500)
        assert world.events == []
        await world.clock.sleep(200)
        assert [event.sku for event in world.events if isinstance(event, StockDiffers)] == ["B"]
        assert len(world.events) == 1


async def test_a_value_that_was_accepted_a_moment_ago_is_no_difference_yet(world: World) -> None:
    """The sample of an earlier one comes back when the newest must be live; a walk over all SKUs passes it over."""
    async with world.audit(sample=1.0, after_seconds=600, resend=True) as audit:
        await world.accept(A=5)
        await world.clock.sleep(550)
        await world.accept(A=7)
        world.fake.state.stock["A"] = 5  # Amazon shows the newest only after a while
        await world.clock.sleep(100)
        assert await audit.check_all(["A"]) == 0
        assert world.events == []
        await world.clock.sleep(600)
        assert [event.accepted for event in world.events if isinstance(event, StockDiffers)] == [7]


@pytest.mark.parametrize("options", [{"sample": 2}, {"requests_per_second": 0}, {"after_seconds": -1}])
async def test_an_audit_that_makes_no_sense_is_refused(world: World, options: dict[str, Any]) -> None:
    """Before it begins."""
    with pytest.raises(ConfigurationError):
        world.audit(**options)


def test_one_audit_samples_in_several_event_loops() -> None:
    """``asyncio.run`` twice: its task still waits for news in the second one."""
    clock = VirtualClock(NOW)
    client = SpApiClient(FakeSpApi(clock=clock).credentials, clock=clock)
    audit = StockAudit(client, MemoryStorage(clock=clock))

    async def sample() -> bool:
        async with audit:
            for _ in range(3):
                await asyncio.sleep(0)
            task = audit._task  # a task that died of a foreign loop shows nowhere else
            assert task is not None
            return task.done()

    assert [asyncio.run(sample()) for _ in range(2)] == [False, False]
