"""Reports of the Selling Partner API: made, followed, downloaded and cancelled."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from amazon_ae import ConfigurationError, InvalidRequest, OutcomeUnknown, SpApiClient
from amazon_ae.testing import FakeSpApi, SpApiFault, VirtualClock

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)
STOCK = "GET_MERCHANT_LISTINGS_ALL_DATA"


class World:
    """A client of a fake Amazon."""

    def __init__(self, http: httpx.AsyncClient, fake: FakeSpApi, clock: VirtualClock) -> None:
        self.fake, self.clock = fake, clock
        self.client = SpApiClient(fake.credentials, fake.marketplace, http=http, clock=clock)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    clock = VirtualClock(NOW)
    fake = FakeSpApi(clock=clock)
    async with httpx.AsyncClient(transport=fake) as http:
        yield World(http, fake, clock)


async def test_a_report_is_made_followed_and_downloaded(world: World) -> None:
    """Its document comes unpacked."""
    world.fake.add_sku("MUG-1", 5)
    asked = await world.client.reports.create(STOCK)
    assert asked.report_type == STOCK
    assert asked.document_id is None
    assert (await world.client.reports.get(asked.report_id)).processing_status == "IN_QUEUE"
    await world.clock.sleep(600)
    done = await world.client.reports.get(asked.report_id)
    assert (done.processing_status, done.report_id) == ("DONE", asked.report_id)
    assert done.document_id is not None
    assert b"MUG-1" in await world.client.reports.download(done.document_id)


async def test_a_report_that_waits_can_be_cancelled(world: World) -> None:
    """One that is being made cannot."""
    asked = await world.client.reports.create(STOCK)
    await world.client.reports.cancel(asked.report_id)
    assert (await world.client.reports.get(asked.report_id)).processing_status == "CANCELLED"
    other = await world.client.reports.create(STOCK)
    await world.clock.sleep(600)
    with pytest.raises(InvalidRequest):
        await world.client.reports.cancel(other.report_id)


async def test_the_period_and_the_options_are_sent(world: World) -> None:
    """Instants with their zone; a naive one is refused before anything is sent."""
    sent: list[dict[str, object]] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/reports"):
            sent.append(json.loads(request.content))
        return await world.fake.handle_async_request(request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        client = SpApiClient(world.fake.credentials, world.fake.marketplace, http=http, clock=world.clock)
        await client.reports.create(STOCK, data_start=NOW - timedelta(days=1), data_end=NOW, options={"custom": "true"})
        with pytest.raises(ConfigurationError, match="data_start"):
            await client.reports.create(STOCK, data_start=datetime(2026, 11, 27))  # noqa: DTZ001
    (body,) = sent
    assert (body["dataStartTime"], body["dataEndTime"]) == ("2026-11-27T09:00:00Z", "2026-11-28T09:00:00Z")
    assert body["reportOptions"] == {"custom": "true"}
    assert body["marketplaceIds"] == [world.fake.marketplace.marketplace_id]


async def test_a_report_is_never_asked_for_twice(world: World) -> None:
    """The first request may have arrived."""
    world.fake.fail("createReport", SpApiFault.ANSWER_LOST)
    with pytest.raises(OutcomeUnknown):
        await world.client.reports.create(STOCK)
    assert world.fake.count("createReport") == 1


@pytest.mark.parametrize("answer", [{}, {"reportId": None}, {"reportId": ""}, []])
async def test_an_answer_without_an_id_is_no_report(world: World, answer: object) -> None:
    """It may have been made all the same, so it is not asked for again."""

    async def changed(request: httpx.Request) -> httpx.Response:
        found = await world.fake.handle_async_request(request)
        return httpx.Response(202, json=answer) if request.url.path.endswith("/reports") else found

    async with httpx.AsyncClient(transport=httpx.MockTransport(changed)) as http:
        client = SpApiClient(world.fake.credentials, world.fake.marketplace, http=http, clock=world.clock)
        with pytest.raises(OutcomeUnknown):
            await client.reports.create(STOCK)
    assert world.fake.count("createReport") == 1
