"""One poisoned order in Amazon's answers: the others come, it is named, and nothing is asked without end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import attrs
import httpx
import pytest

from amazon_ae import Event, MemoryStorage, MwsClient, MwsGateway, OrderSync, OrderUnreadable, SyncedOrder
from amazon_ae.testing import FakeMws, VirtualClock, make_item, make_order, make_order_id

POISONED = make_order_id(3)


class Edited(httpx.AsyncBaseTransport):
    """The fake marketplace, its answers changed on their way."""

    def __init__(self, inner: FakeMws, edit: Callable[[str, bytes], bytes]) -> None:
        self.inner, self.edit = inner, edit

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        answer = await self.inner.handle_async_request(request)
        content = await answer.aread()
        return httpx.Response(
            answer.status_code,
            headers={name: value for name, value in answer.headers.items() if name not in ("content-length",)},
            content=self.edit(body.decode(), content),
            request=request,
        )


@attrs.define
class World:
    clock: VirtualClock
    fake: FakeMws
    events: list[Event] = attrs.field(factory=list)
    taken: list[str] = attrs.field(factory=list)

    async def run(self, edit: Callable[[str, bytes], bytes], hours: float) -> OrderSync:
        """A service for some hours."""

        async def handler(synced: SyncedOrder) -> None:
            self.taken.append(synced.order.amazon_order_id)

        async with (
            httpx.AsyncClient(transport=Edited(self.fake, edit)) as http,
            MwsClient(self.fake.credentials, http=http, clock=self.clock) as client,
        ):
            storage = MemoryStorage(clock=self.clock)
            sync = OrderSync(storage, MwsGateway(client), clock=self.clock, on_event=self.events.append)
            task = asyncio.create_task(sync.run(handler))
            await self.clock.sleep(hours * 3600)
            assert not task.done(), task.exception()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return sync

    @property
    def told(self) -> list[tuple[str | None, bool]]:
        return [(event.order_id, event.given_up) for event in self.events if isinstance(event, OrderUnreadable)]


@pytest.fixture
def world() -> World:
    clock = VirtualClock()
    fake = FakeMws(clock=clock)
    for number in range(1, 6):
        updated = clock.now() - timedelta(minutes=10 + 7 * number)
        fake.add_order(make_order(make_order_id(number), updated_at=updated), [make_item()])
    return World(clock, fake)


def _inside(content: bytes, order_id: str, change: Callable[[bytes], bytes]) -> bytes:
    """Change the one ``<Order>`` element of an answer."""
    parts = content.split(b"<Order>")
    return b"<Order>".join(change(part) if order_id.encode() in part else part for part in parts)


@pytest.mark.parametrize(
    "bad",
    [b"A&#x1;B", b"A\x01B", b"A\xffB", b"A&nbsp;B", b"A & B"],
    ids=["reference", "control", "byte", "entity", "ampersand"],
)
async def test_a_bad_character_costs_no_order(world: World, bad: bytes) -> None:
    """What can be read is read."""

    def edit(_: str, content: bytes) -> bytes:
        return _inside(
            content,
            POISONED,
            lambda part: part.replace(b"<OrderStatus>", b"<BuyerName>" + bad + b"</BuyerName><OrderStatus>", 1),
        )

    await world.run(edit, 1)
    assert sorted(world.taken) == [make_order_id(number) for number in range(1, 6)]


@pytest.mark.parametrize(
    "change",
    [
        lambda part: part.replace(b"</OrderStatus>", b"</OrderStatu>", 1),
        lambda part: part.replace(b"<AmazonOrderId>" + POISONED.encode() + b"</AmazonOrderId>", b"", 1),
        lambda part: part.replace(b"<OrderStatus>", b"<OrderStatus><", 1),
    ],
    ids=["unbalanced", "no id", "stray bracket"],
)
async def test_an_order_that_cannot_be_read_is_named_and_the_others_come(
    world: World, change: Callable[[bytes], bytes]
) -> None:
    """An event and a dead letter; the requests are those of a quiet shop."""

    def edit(_: str, content: bytes) -> bytes:
        return _inside(content, POISONED, change)

    sync = await world.run(edit, 12)
    assert sorted(world.taken) == [make_order_id(number) for number in (1, 2, 4, 5)]
    assert [given_up for _, given_up in world.told][-1:] == [True]
    assert len(world.told) <= 2
    assert len(await sync.dead()) == 1
    assert world.fake.count("ListOrders") <= 12 * 30 + 60


async def test_a_page_that_stays_unreadable_costs_only_its_own_minutes(world: World) -> None:
    """Wherever the poison is, the orders around it come: the page is cut by time until only it is left."""

    def edit(_: str, content: bytes) -> bytes:
        return content[: len(content) // 2] if POISONED.encode() in content else content

    sync = await world.run(edit, 24)
    assert sorted(world.taken) == [make_order_id(number) for number in (1, 2, 4, 5)]
    (letter,) = await sync.dead()
    assert letter.order_id is None
    assert "2021-11-18" in letter.reason
    assert [given_up for _, given_up in world.told] == [True]


async def test_an_outage_of_unreadable_pages_skips_nothing(world: World) -> None:
    """A proxy's page in place of every answer is no poison: all come once it is gone."""
    begun = world.clock.now()

    def edit(_: str, content: bytes) -> bytes:
        late = (world.clock.now() - begun).total_seconds() > 5 * 3600
        return content if late else b"<html><body>Sign in to the proxy</body></html>"

    sync = await world.run(edit, 8)
    assert sorted(world.taken) == [make_order_id(number) for number in range(1, 6)]
    assert await sync.dead() == []
    assert world.told == []
