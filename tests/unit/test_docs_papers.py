"""The how-to on papers without the panel is executed against the fake Selling Partner API and the fake panel."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
from slip_support import picture

from amazon_ae import (
    DocumentKind,
    FeedBatch,
    FeedItem,
    ItemKind,
    LabelArchiveFolder,
    LabelTexts,
    MemoryStorage,
    NotDelivered,
    Order,
    OrderItem,
    Outcome,
    PickupRequest,
    SpApiClient,
)
from amazon_ae.testing import FakeSellerPortal, FakeSpApi, VirtualClock, make_item, make_order, make_order_id
from amazon_ae.testing._pdf import text_pages, write_pdf

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "papers-without-a-browser.md"
SLIP, INVOICE, LABEL = DocumentKind


class Printer:
    """Prints what the HTML names."""

    async def print(self, html: str) -> bytes:
        return write_pdf(text_pages(re.findall(r"[0-9]{3}-[0-9]{7}-[0-9]{7}", html)))


@attrs.define
class World:
    page: dict[str, Any]
    clock: VirtualClock
    fake: FakeSpApi
    client: SpApiClient


@pytest.fixture
async def world() -> AsyncIterator[World]:
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    exec(compile("\n\n".join(blocks), PAGE.name, "exec", dont_inherit=True), names)
    clock = VirtualClock(grace_seconds=0.02)
    fake = FakeSpApi(clock=clock)
    for number in (1, 2):
        fake.add_order(make_order(make_order_id(number), updated_at=clock.now()), [make_item()])
    async with (
        httpx.AsyncClient(transport=fake) as http,
        SpApiClient(fake.credentials, http=http, clock=clock) as client,
    ):
        yield World(names, clock, fake, client)


async def find_order(order_id: str) -> tuple[Order, Sequence[OrderItem]]:
    return make_order(order_id), [make_item()]


async def test_the_chain_and_the_bulk_route(world: World, tmp_path: Path) -> None:
    """Booked in bulk: the label is kept, the slip is our own, the invoice is named as missing."""
    gateway = world.page["bulk_gateway"](world.client, tmp_path)
    assert gateway.routes >= {"spapi:easy-ship-bulk"}
    request = PickupRequest(order_id=make_order_id(1), pickup_date=world.clock.now().date())
    receipt = await gateway.submit(
        FeedBatch(
            batch_id="b1",
            kind=ItemKind.PICKUP,
            route="spapi:easy-ship-bulk",
            items=(FeedItem(1, request.order_id, request),),
        )
    )
    assert [outcome.outcome for outcome in receipt.outcomes or ()] == [Outcome.ACCEPTED]
    world.fake.schedule_pickup(make_order_id(2), world.clock.now().date() + timedelta(days=1))
    panel = FakeSellerPortal(clock=world.clock)
    chain = world.page["papers_of_a_parcel"](
        world.client, MemoryStorage(clock=world.clock), tmp_path, panel, Printer(), find_order
    )
    kept = await chain.documents(make_order_id(1))
    fed = await chain.documents(make_order_id(2))
    for papers in (kept, fed):
        assert set(papers.ready) == {SLIP, LABEL}
        missing = papers.failed[INVOICE]
        assert isinstance(missing, NotDelivered)
        assert list(missing.reasons) == ["kept labels", "documents feed", "panel", "own slip"]
    assert world.fake.count("createFeed") == 2, "one for the invoice of the first, one for both of the second"


async def test_the_other_examples(world: World, tmp_path: Path) -> None:
    """Forgetting, languages, a template of one's own."""
    archives = LabelArchiveFolder(tmp_path)
    await archives.keep(b"%PDF-1.4", {make_order_id(1): LabelTexts()}, at=world.clock.now() - timedelta(days=31))
    assert await world.page["forget_old_labels"](archives, world.clock.now()) == 1
    language = world.page["arabic_for"](lambda order: order.amazon_order_id == make_order_id(1))
    assert [language(make_order(make_order_id(number))) for number in (1, 2)] == ["ar", "en"]
    template = "<p>{{ order.amazon_order_id }} {{ seller.note }}</p>"
    slips = world.page["your_own"](find_order, Printer(), template, picture())
    assert SLIP in (await slips.documents(make_order_id(1))).ready
