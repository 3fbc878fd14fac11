"""Pacing, throttles, retries and deadlines of one call and of many at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import httpx
import pytest
from hypothesis import given, settings, strategies as st
from loop_support import heartbeat
from mws_support import CREDENTIALS, NOW, ORDER_ID, Amazon, client_of, envelope, error, orders_page

from amazon_ae._exceptions import (
    AmazonError,
    ConfigurationError,
    InvalidRequest,
    NotSent,
    NotSupported,
    QuotaExceeded,
    QuotaTimeout,
    RequestThrottled,
    ServiceUnavailable,
    UnreadableResponse,
)
from amazon_ae._models.marketplaces import AE
from amazon_ae._mws.client import MwsClient
from amazon_ae._mws.throttles import MWS_THROTTLES, QUOTA_UNKNOWN_SECONDS, mws_throttles
from amazon_ae._transport.calls import RequestRecord
from amazon_ae._transport.pacing import Pacer
from amazon_ae._transport.retries import RetryPolicy
from amazon_ae._transport.throttles import Throttle
from amazon_ae.testing._clocks import VirtualClock

STATUS = envelope("GetServiceStatus", "<Status>GREEN</Status>")
COUNT = envelope("GetFeedSubmissionCount", "<Count>0</Count>", section="Feeds/2009-01-01")
NONE = envelope("GetOrder", "<Orders/>")


@pytest.mark.parametrize("row", MWS_THROTTLES, ids=lambda row: row.group)
async def test_every_row_of_the_throttle_table_is_kept(row: Throttle) -> None:
    """The burst leaves at once, then one per restore interval; never more than the hour allows in any hour."""
    clock = VirtualClock(NOW)
    pacer = Pacer(clock)
    taken = []
    for _ in range(row.burst + 3):
        async with pacer.slot("owner", row):
            taken.append((clock.now() - NOW).total_seconds())
    expected = [0.0] * row.burst + [row.restore_seconds * n for n in (1, 2, 3)]
    assert taken == pytest.approx(expected, abs=0.01)
    if row.limit is not None and row.limit <= 80:
        for _ in range(2 * row.limit):
            async with pacer.slot("owner", row):
                taken.append((clock.now() - NOW).total_seconds())
        for begin in taken:
            assert sum(begin <= moment < begin + 3600 for moment in taken) <= row.limit


def test_the_table_names_a_source_for_every_number() -> None:
    """And no operation stands in two rows."""
    assert all(row.source for row in MWS_THROTTLES)
    count = Counter(operation for row in MWS_THROTTLES for operation in row.operations)
    assert set(count.values()) == {1}
    submit = mws_throttles().find("Feeds/SubmitFeed")
    assert (submit.burst, submit.restore_seconds, submit.limit) == (15, 120, 30)


def test_rows_can_be_overridden_and_unlisted_operations_have_their_own_pace() -> None:
    """UNVERIFIED limits are the host's to correct."""
    table = mws_throttles((*MWS_THROTTLES, Throttle(("Orders/GetOrder",), 1, 5, source="measured")))
    assert table.find("Orders/GetOrder").burst == 1
    assert table.find("Products/GetA").group == "Products/GetA" != table.find("Products/GetB").group


@pytest.mark.parametrize(
    ("actions", "burst", "restore_seconds", "per_hour"),
    [((), 1, 1, None), (("A",), 0, 1, None), (("A",), 1, 0, None), (("A",), 1, -1, None), (("A",), 1, 1, 0)],
)
def test_limits_that_admit_no_call_are_refused(
    actions: tuple[str, ...], burst: int, restore_seconds: float, per_hour: int | None
) -> None:
    """When the row is made, not as a division by zero at the first call."""
    with pytest.raises(ConfigurationError):
        Throttle(actions, burst, restore_seconds, per_hour, source="test")


async def test_operations_of_one_row_share_a_pace_and_others_do_not() -> None:
    """ListOrders and its next pages draw on one bucket of six; GetOrder has its own."""
    pages = [orders_page([f"403-0000000-{n:07d}"], f"t{n}") for n in range(7)]
    amazon = Amazon(*pages, orders_page(["403-0000000-9999999"]))
    client = client_of(amazon)
    assert len(await client.orders.list(created_after=NOW - timedelta(days=1)).all()) == 8
    assert amazon.seconds == pytest.approx([0] * 6 + [60, 120], abs=0.01)
    amazon.answers[:] = [NONE]
    await client.orders.get(ORDER_ID)
    assert amazon.seconds[-1] == amazon.seconds[-2]


@pytest.mark.parametrize("seconds", [-86_400, -90])
async def test_a_clock_that_is_set_back_stops_no_pace(seconds: float) -> None:
    """The bucket, the hour and the end of a refusal go on: nobody waits until the old time comes again."""
    amazon = Amazon(*[STATUS] * 4, error("QuotaExceeded", 503), STATUS)
    row = Throttle(("Orders/GetServiceStatus",), 2, 300, 4, source="test")
    clock = VirtualClock(NOW)
    client = client_of(amazon, clock=clock, throttles=mws_throttles((row,)))

    async def waited() -> float:
        began = clock.now()
        await client.orders.service_status()
        return (clock.now() - began).total_seconds()

    assert [await waited(), await waited()] == [0, 0]
    clock.jump(seconds)
    assert await waited() == pytest.approx(300, abs=0.01)
    clock.jump(seconds)
    assert await waited() == pytest.approx(300, abs=0.01)
    clock.jump(seconds)
    # The hour's four places are taken until 3,600 s after the first; then Amazon refuses once without saying how long.
    assert await waited() == pytest.approx(3000 + QUOTA_UNKNOWN_SECONDS, abs=0.01)
    clock.jump(seconds)
    assert await waited() == pytest.approx(0, abs=0.01)


async def test_clients_that_share_a_pacer_share_the_sellers_quota() -> None:
    """Two clients of one seller: three requests each for a bucket of two."""
    clock = VirtualClock(NOW)
    amazon, pacer = Amazon(STATUS), Pacer(clock)
    one, two = (client_of(amazon, clock=clock, pacer=pacer) for _ in range(2))
    await one.orders.service_status()
    await two.orders.service_status()
    await one.orders.service_status()
    assert amazon.seconds == pytest.approx([0, 0, 300], abs=0.01)
    http = httpx.AsyncClient(transport=httpx.MockTransport(amazon))
    other = MwsClient(attrs.evolve(CREDENTIALS, seller_id="A2OTHER"), http=http, clock=clock, pacer=pacer)
    await other.orders.service_status()
    assert amazon.seconds[-1] == pytest.approx(300, abs=0.01)


async def test_a_read_is_retried_as_amazon_advises() -> None:
    """At once, then after 1, 4, 10 and 30 s; then the error."""
    amazon = Amazon(error("InternalError", 500))
    with pytest.raises(ServiceUnavailable) as caught:
        await client_of(amazon).orders.get(ORDER_ID)
    assert amazon.seconds == pytest.approx([0, 0, 1, 5, 15, 45], abs=0.01)
    assert caught.value.code == "InternalError"


async def test_each_retry_is_signed_anew() -> None:
    """A timestamp of its own, so that no retry expires."""
    amazon = Amazon(*[httpx.Response(503, content=b"")] * 3, NONE)
    await client_of(amazon).orders.get(ORDER_ID)
    assert [params["Timestamp"] for params in amazon.asked] == [
        "2021-11-18T09:00:00Z", "2021-11-18T09:00:00Z", "2021-11-18T09:00:01Z", "2021-11-18T09:00:05Z",
    ]  # fmt: skip
    assert len({params["Signature"] for params in amazon.asked}) == 3


async def test_jitter_comes_from_the_injected_source() -> None:
    """Up to a quarter more, never less than Amazon's advice."""
    amazon = Amazon(error("InternalError", 500))
    with pytest.raises(ServiceUnavailable):
        await client_of(amazon, random=lambda: 0.8).orders.get(ORDER_ID)
    assert amazon.seconds == pytest.approx([0, 0, 1.2, 6, 18, 54], abs=0.01)


@pytest.mark.parametrize(
    "answer",
    [error("AccessDenied", 401), error("InvalidParameterValue", 400), error("SignatureDoesNotMatch", 403),
     error("FeedProcessingResultNotReady", 404), httpx.Response(200, content=b"<html>login</html>")],
)  # fmt: skip
async def test_what_a_retry_cannot_mend_is_not_retried(answer: httpx.Response) -> None:
    """One request, and the error."""
    amazon = Amazon(answer)
    with pytest.raises((AmazonError, UnreadableResponse)):
        await client_of(amazon).orders.get(ORDER_ID)
    assert len(amazon.asked) == 1


async def test_a_read_survives_everything_that_passes() -> None:
    """No connection, no answer, a cut answer, an ill Amazon: the fifth answer counts."""
    amazon = Amazon(
        httpx.ConnectError("refused"), httpx.ReadTimeout("silence"), STATUS[:-20], error("InternalError", 500), STATUS
    )
    table = mws_throttles((Throttle(("Orders/GetServiceStatus",), 10, 1, source="test"),))
    status = await client_of(amazon, throttles=table).orders.service_status()
    assert (status.status, len(amazon.asked)) == ("GREEN", 5)


async def test_many_calls_with_retries_make_exactly_what_they_should() -> None:
    """The state of a call lives in the call: 40 calls, each refused twice, make 120 requests."""
    tries: Counter[str] = Counter()

    def answer(params: Mapping[str, str]) -> httpx.Response:
        key = params["AmazonOrderId.Id.1"]
        tries[key] += 1
        return error("InternalError", 500) if tries[key] <= 2 else httpx.Response(200, content=NONE)

    client = client_of(Amazon(answer))
    await asyncio.gather(*(client.orders.get(f"403-0000000-{n:07d}") for n in range(40)))
    assert set(tries.values()) == {3}
    assert len(tries) == 40


async def test_many_calls_that_never_succeed_stop_at_their_own_count() -> None:
    """20 calls with three retries each: 80 requests, 20 errors."""
    amazon = Amazon(error("InternalError", 500))
    client = client_of(amazon, retries=RetryPolicy(delays_seconds=(0, 1, 1)), max_wait=None)
    results = await asyncio.gather(
        *(client.orders.get(f"403-0000000-{n:07d}") for n in range(20)), return_exceptions=True
    )
    assert [type(result) for result in results] == [ServiceUnavailable] * 20
    assert len(amazon.asked) == 80


async def test_a_throttle_is_waited_for_and_is_not_an_attempt() -> None:
    """Ten throttles and no retry allowed: the eleventh request, ten intervals later, is answered."""
    amazon = Amazon(*[error("RequestThrottled", 503)] * 10, NONE)
    client = client_of(amazon, retries=RetryPolicy(delays_seconds=()))
    await client.orders.get(ORDER_ID)
    assert amazon.seconds == pytest.approx([60 * n for n in range(11)], abs=0.1)


async def test_a_throttle_stops_everybody_of_its_group() -> None:
    """After one throttle the other calls leave one per interval, not all together."""
    amazon = Amazon(error("RequestThrottled", 503), NONE)
    client = client_of(amazon)
    await asyncio.gather(*(client.orders.get(f"403-0000000-{n:07d}") for n in range(3)))
    assert amazon.seconds == pytest.approx([0, 60, 120, 180], abs=0.1)


async def test_a_used_up_hour_is_waited_for_until_it_resets() -> None:
    """Nobody of the group asks before."""
    reset = {
        "x_mws_quota_max": "80.0",
        "x_mws_quota_remaining": "0.0",
        "x_mws_quota_resetsOn": "2021-11-18T09:25:00.000Z",
    }
    amazon = Amazon(error("QuotaExceeded", 503, **reset), COUNT)
    client = client_of(amazon)
    await asyncio.gather(client.feeds.count(), client.feeds.count())
    assert amazon.seconds[0] == 0
    assert all(moment >= 1500 for moment in amazon.seconds[2:])


@pytest.mark.parametrize("code", ["RequestThrottled", "QuotaExceeded"])
async def test_without_wait_a_throttle_and_a_full_bucket_end_the_call_at_once(code: str) -> None:
    """Amazon's error first; then, from this side, QuotaTimeout with the same instant."""
    amazon = Amazon(error(code, 503))
    client = client_of(amazon)
    with pytest.raises((RequestThrottled, QuotaExceeded)) as first:
        await client.feeds.count(wait=False)
    with pytest.raises(QuotaTimeout) as second:
        await client.feeds.count(wait=False)
    assert second.value.retry_at == first.value.retry_at
    assert amazon.seconds == [0]
    assert client.clock.now() == NOW


async def test_a_deadline_ends_the_wait_before_it_begins() -> None:
    """The next place is 60 s away, the deadline 59: the error comes now, and says when."""
    amazon = Amazon(NONE)
    client = client_of(amazon)
    for _ in range(6):
        await client.orders.get(ORDER_ID)
    with pytest.raises(QuotaTimeout) as caught:
        await client.orders.get(ORDER_ID, deadline=NOW + timedelta(seconds=59))
    assert caught.value.retry_at == NOW + timedelta(seconds=60)
    assert client.clock.now() == NOW
    await client.orders.get(ORDER_ID, deadline=NOW + timedelta(seconds=60.1))
    assert len(amazon.asked) == 7


async def test_a_deadline_ends_a_throttle_and_a_backoff_too() -> None:
    """No wait begins that would end too late."""
    deadline = NOW + timedelta(seconds=3)
    throttled, ill = Amazon(error("RequestThrottled", 503)), Amazon(error("InternalError", 500))
    with pytest.raises(RequestThrottled):
        await client_of(throttled).orders.get(ORDER_ID, deadline=deadline)
    with pytest.raises(ServiceUnavailable):
        await client_of(ill).orders.get(ORDER_ID, deadline=deadline)
    assert throttled.seconds == [0]
    assert ill.seconds == pytest.approx([0, 0, 1], abs=0.01)
    with pytest.raises(ConfigurationError, match="aware"):
        await client_of(ill).orders.get(ORDER_ID, deadline=datetime(2021, 11, 18))  # noqa: DTZ001


async def test_a_call_without_a_deadline_does_not_wait_for_ever() -> None:
    """max_wait bounds what a throttle without end may cost."""
    amazon = Amazon(error("RequestThrottled", 503))
    client = client_of(amazon, max_wait=timedelta(minutes=5.5))
    with pytest.raises(RequestThrottled):
        await client.orders.get(ORDER_ID)
    assert amazon.seconds == pytest.approx([0, 60, 120, 180, 240, 300], abs=0.1)


async def test_cancelling_a_wait_takes_no_place() -> None:
    """Five wait, all are cancelled; the next caller gets the first free place."""
    amazon = Amazon(NONE)
    clock = VirtualClock(NOW, autojump=False)
    client = client_of(amazon, clock=clock)
    for _ in range(6):
        await client.orders.get(ORDER_ID)
    waiting = [asyncio.create_task(client.orders.get(ORDER_ID)) for _ in range(5)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert clock.sleeping == 5
    for task in waiting:
        task.cancel()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)
    clock.jump(60.001)
    await client.orders.get(ORDER_ID, wait=False)
    assert len(amazon.asked) == 7


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 400), min_size=1, max_size=40))
def test_no_pattern_of_calls_passes_the_bucket(gaps: list[float]) -> None:
    """Amazon's own bucket, kept beside it, never runs dry."""

    async def run() -> None:
        clock = VirtualClock(NOW)
        client = client_of(Amazon(NONE), clock=clock)
        level, last = 6.0, NOW
        for gap in gaps:
            clock.jump(gap)
            await client.orders.get(ORDER_ID)
            level = min(6.0, level + (clock.now() - last).total_seconds() / 60) - 1
            last = clock.now()
            assert level > -0.001

    asyncio.run(run())


async def test_every_request_is_recorded_with_what_support_asks_for() -> None:
    """Success and error; an id, an instant, a code; a broken listener stops nothing."""
    records: list[RequestRecord] = []

    def record(one: RequestRecord) -> None:
        records.append(one)
        raise RuntimeError("the host's dashboard is broken")

    answers = (
        error("InternalError", 500, x_mws_request_id="a"),
        httpx.ReadTimeout("silence"),
        httpx.Response(200, content=NONE, headers={"x-mws-request-id": "b", "x-mws-timestamp": "2021-11-18T09:00:00Z"}),
    )
    await client_of(Amazon(*answers), on_request=record).orders.get(ORDER_ID)
    assert [(one.operation, one.status, one.code, one.meta.request_id) for one in records] == [
        ("Orders/GetOrder", 500, "InternalError", "a"),
        ("Orders/GetOrder", 0, "OutcomeUnknown", None),
        ("Orders/GetOrder", 200, "", "b"),
    ]  # fmt: skip
    assert records[2].meta.timestamp == datetime(2021, 11, 18, 9, tzinfo=UTC)


async def test_a_large_body_is_read_in_a_thread() -> None:
    """While 3 MB become orders the loop goes on turning; a small body does not pay for a thread."""
    bodies = [
        orders_page([f"403-{n // 10_000_000:07d}-{n % 10_000_000:07d}" for n in range(count)]) for count in (5, 12_000)
    ]
    assert len(bodies[1]) > 2_000_000
    turns = []
    for body in bodies:
        http = httpx.AsyncClient(transport=httpx.MockTransport(lambda _, body=body: httpx.Response(200, content=body)))
        client = MwsClient(CREDENTIALS, http=http)
        async with heartbeat() as beats:
            await anext(client.orders.list(created_after=NOW).pages())
        turns.append(beats.count)
    assert turns[0] < 50 < turns[1]


async def test_any_operation_can_be_called() -> None:
    """Signed, with lists numbered, and the answer as plain dicts."""
    amazon = Amazon(
        envelope("GetMatchingProduct", "<Product><ASIN>1</ASIN></Product><Product><ASIN>2</ASIN></Product>")
    )
    client = client_of(amazon)
    result = await client.call(
        "Products/2011-10-01",
        "GetMatchingProduct",
        {"ASINList.ASIN": ["1", "2"], "Since": NOW, "Deep": True, "None": None},
    )
    assert result == {"Product": [{"ASIN": "1"}, {"ASIN": "2"}]}
    asked = amazon.asked[0]
    assert (asked["ASINList.ASIN.1"], asked["ASINList.ASIN.2"], asked["Since"], asked["Deep"], asked["Version"]) == (
        "1", "2", "2021-11-18T09:00:00Z", "true", "2011-10-01",
    )  # fmt: skip
    assert "None" not in asked
    assert amazon.requests[0].url.path == "/Products/2011-10-01"
    for section in ("Products", "", "/", "Products/2011/10"):
        with pytest.raises(ConfigurationError, match="section"):
            await client.call(section, "Act")
    with pytest.raises(ConfigurationError, match="aware"):
        await client.call("Orders", "ListOrders", {"CreatedAfter": datetime(2021, 1, 1)})  # noqa: DTZ001
    with pytest.raises(ConfigurationError, match="float"):
        await client.call("Orders", "ListOrders", {"Weight": 1.5})  # type: ignore[dict-item]


async def test_an_unlisted_write_may_be_declared_repeatable() -> None:
    """idempotent= decides where the name does not."""
    for idempotent, requests in ((None, 1), (True, 6)):
        amazon = Amazon(httpx.ConnectError("refused"))
        with pytest.raises(NotSent):
            await client_of(amazon).call("Orders", "DoIt", idempotent=idempotent)
        assert len(amazon.asked) == requests


async def test_returns_say_that_they_are_not_supported() -> None:
    """And what to use instead."""
    with pytest.raises(NotSupported, match="Seller Central"):
        client_of(Amazon(b"")).returns.list()


def test_a_client_with_its_arguments_in_the_scrapers_order_says_so() -> None:
    """At once, and with the right order."""
    swapped: Any = (AE, CREDENTIALS)
    with pytest.raises(ConfigurationError, match="MwsCredentials first, then a Marketplace"):
        MwsClient(*swapped)


async def test_a_client_closes_what_it_opened_and_nothing_else() -> None:
    """Twice is fine; a client that was left open warns."""
    http = httpx.AsyncClient(transport=httpx.MockTransport(Amazon(STATUS)))
    async with MwsClient(CREDENTIALS, http=http, clock=VirtualClock()) as given:
        assert given.account == "A1SELLER/AE"
        await given.orders.service_status()
    await given.aclose()
    assert not http.is_closed
    own = MwsClient(CREDENTIALS, clock=VirtualClock(), retries=RetryPolicy(delays_seconds=()))
    market = attrs.evolve(own.marketplace, mws_endpoint="http://127.0.0.1:1")
    own = MwsClient(CREDENTIALS, market, clock=VirtualClock(), retries=RetryPolicy(delays_seconds=()))
    with pytest.raises(NotSent):
        await own.orders.service_status()
    with pytest.warns(ResourceWarning, match="not closed"):
        own.__del__()
    await own.aclose()
    await own.aclose()


async def test_the_user_agent_names_the_application() -> None:
    """Amazon asks who is calling."""
    amazon = Amazon(STATUS)
    await client_of(amazon, app_name="Ware/house", app_version="1.4").orders.service_status()
    agent = amazon.requests[0].headers["user-agent"]
    assert agent.startswith(r"Ware\/house/1.4 (Language=Python/3.")
    assert "Library=amazon-ae/" in agent
    with pytest.raises(ConfigurationError, match="User-Agent"):
        client_of(amazon, app_name="متجر")
    with pytest.raises(InvalidRequest):
        await client_of(Amazon(error("UserAgentHeaderMalformed", 400))).orders.service_status()
