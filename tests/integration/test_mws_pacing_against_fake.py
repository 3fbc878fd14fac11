"""The client's pace against a marketplace that counts by itself: it is never throttled, and every call succeeds."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

import httpx
import pytest
from hypothesis import given, settings, strategies as st

from amazon_ae._exceptions import NotSent, OutcomeUnknown, UnreadableResponse
from amazon_ae._mws.client import MwsClient
from amazon_ae._mws.feeds import FLAT_FILE
from amazon_ae.testing._clocks import VirtualClock
from amazon_ae.testing._mws import FakeMws, MwsFault

ORDER_ID = "403-1234567-7654321"
HEADER = b"sku\tprice\tquantity\n"


async def _one(client: MwsClient, name: str) -> None:
    match name:
        case "orders":
            await client.orders.list(last_updated_after=client.clock.now() - timedelta(days=1)).all()
        case "order":
            await client.orders.get(ORDER_ID)
        case "list":
            await client.feeds.list().all()
        case "count":
            await client.feeds.count()
        case "submit":
            feed_type = "_POST_FLAT_FILE_PRICEANDQUANTITYONLY_UPDATE_DATA_"
            await client.feeds.submit(feed_type, HEADER, content_type=FLAT_FILE)
        case "status":
            await client.sellers.service_status()


async def test_a_hundred_calls_at_once_are_never_throttled() -> None:
    """Twenty-five of each of four operations, all started together: nobody is refused, nothing is asked twice."""
    clock = VirtualClock()
    fake = FakeMws(clock=clock)
    async with httpx.AsyncClient(transport=fake) as http:
        client = MwsClient(fake.credentials, fake.marketplace, http=http, clock=clock)
        await asyncio.gather(
            *(_one(client, name) for name in ("orders", "order", "count", "submit") for _ in range(25))
        )
    assert [seen.code for seen in fake.requests if seen.code] == []
    assert Counter(seen.action for seen in fake.requests) == {
        "ListOrders": 25, "GetOrder": 25, "GetFeedSubmissionCount": 25, "SubmitFeed": 25,
    }  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["orders", "order", "list", "count", "submit", "status"]), st.floats(0, 200)),
        min_size=1,
        max_size=60,
    )
)
def test_no_pattern_of_calls_is_throttled(plan: list[tuple[str, float]]) -> None:
    """Any operations after any pauses."""

    async def run() -> list[str]:
        clock = VirtualClock()
        fake = FakeMws(clock=clock)
        async with httpx.AsyncClient(transport=fake) as http:
            client = MwsClient(fake.credentials, fake.marketplace, http=http, clock=clock, max_wait=None)
            for name, pause in plan:
                clock.jump(pause)
                await _one(client, name)
        return [seen.code for seen in fake.requests if seen.code]

    assert asyncio.run(run()) == []


async def test_what_another_program_spent_is_waited_for() -> None:
    """Amazon's bucket and hour are shared with programs that nobody here knows of; every call succeeds all the same."""
    clock = VirtualClock()
    fake = FakeMws(clock=clock)
    fake.spend("GetFeedSubmissionCount", 10)
    fake.spend("GetOrder", 6)
    async with httpx.AsyncClient(transport=fake) as http:
        client = MwsClient(fake.credentials, fake.marketplace, http=http, clock=clock)
        await asyncio.gather(*(_one(client, name) for name in ("order", "count") for _ in range(4)))
    refused = [seen for seen in fake.requests if seen.code]
    assert {seen.code for seen in refused} == {"RequestThrottled"}
    assert len(fake.requests) - len(refused) == 8


@pytest.mark.parametrize("fault", MwsFault)
async def test_a_feed_meets_every_fault_and_arrives_at_most_once(fault: MwsFault) -> None:
    """The error says whether it may be sent again, and the marketplace agrees."""
    clock = VirtualClock()
    fake = FakeMws(clock=clock)
    fake.fail("SubmitFeed", fault, seconds=1.0)
    async with httpx.AsyncClient(transport=fake) as http:
        client = MwsClient(fake.credentials, fake.marketplace, http=http, clock=clock)
        outcome = "accepted"
        try:
            await _one(client, "submit")
        except NotSent:
            outcome = "not sent"
        except OutcomeUnknown:
            outcome = "unknown"
    throttled = fault in (MwsFault.THROTTLED, MwsFault.QUOTA_EXCEEDED)
    assert fake.count("SubmitFeed") == (2 if throttled else 0 if outcome == "not sent" else 1)
    if outcome != "unknown":
        assert len(fake.feeds) == (1 if outcome == "accepted" else 0)
    assert (outcome == "accepted") is (throttled or fault in (MwsFault.SLOW, MwsFault.WRONG_MD5))


@pytest.mark.parametrize("fault", MwsFault)
async def test_a_read_gets_over_every_fault_that_passes(fault: MwsFault) -> None:
    """All but a web page with status 200, which is told for what it is."""
    clock = VirtualClock()
    fake = FakeMws(clock=clock)
    fake.fail("GetFeedSubmissionCount", fault, seconds=1.0)
    async with httpx.AsyncClient(transport=fake) as http:
        client = MwsClient(fake.credentials, fake.marketplace, http=http, clock=clock)
        if fault is MwsFault.HTML_PAGE:
            with pytest.raises(UnreadableResponse, match="HTML page"):
                await client.feeds.count()
        else:
            assert await client.feeds.count() == 0
