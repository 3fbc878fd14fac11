"""What reached Amazon and what did not; bounded answers; no secret in a log."""

from __future__ import annotations

import asyncio
import gzip
import inspect
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import attrs
import httpx
import pytest
from mws_support import CREDENTIALS, ORDER_ID, Amazon, client_of, envelope, error

from amazon_ae._exceptions import (
    AmazonAeError,
    ConfigurationError,
    InvalidRequest,
    NotSent,
    OutcomeUnknown,
    QuotaExceeded,
    RequestThrottled,
    ServiceUnavailable,
    UnreadableResponse,
)
from amazon_ae._models.easy_ship import PackageDimensions, PackageWeight
from amazon_ae._models.marketplaces import AE
from amazon_ae._mws.client import MwsClient
from amazon_ae._transport.http import surely_unsent
from amazon_ae._transport.retries import RetryPolicy
from amazon_ae.testing._clocks import VirtualClock

ONCE = RetryPolicy(delays_seconds=())
FEED = envelope("SubmitFeed", "<FeedSubmissionInfo><FeedSubmissionId>1</FeedSubmissionId></FeedSubmissionInfo>")


def httpx_exceptions() -> list[type[Exception]]:
    """Every exception class that httpx shows."""
    found = [value for _, value in inspect.getmembers(httpx, inspect.isclass) if issubclass(value, Exception)]
    assert len(found) >= 25
    return found


def instance(kind: type[Exception]) -> Exception:
    if issubclass(kind, httpx.HTTPStatusError):
        request = httpx.Request("POST", "https://x")
        return kind("no", request=request, response=httpx.Response(500))
    try:
        return kind("no")
    except TypeError:
        return kind()


# What httpx raises while it looks for a connection: no byte of the request has left.
BEFORE = {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol", "InvalidURL"}


@pytest.mark.parametrize("kind", httpx_exceptions(), ids=lambda kind: kind.__name__)
async def test_every_exception_of_httpx_is_mapped(kind: type[Exception]) -> None:
    """A write: NotSent before the connection, OutcomeUnknown after. A read: NotSent or ServiceUnavailable."""
    amazon = Amazon(instance(kind))
    client = client_of(amazon, retries=ONCE)
    with pytest.raises(AmazonAeError) as write:
        await client.feeds.submit("_X_", b"x", content_type="text/xml")
    with pytest.raises(AmazonAeError) as read:
        await client.orders.service_status()
    unsent = kind.__name__ in BEFORE
    assert surely_unsent(instance(kind)) is unsent
    assert type(write.value) is (NotSent if unsent else OutcomeUnknown)
    assert type(read.value) is (NotSent if unsent else ServiceUnavailable)
    if isinstance(read.value, ServiceUnavailable):
        assert (read.value.status, read.value.retryable) == (0, True)
    assert len(amazon.asked) == 2
    cause = read.value.__cause__
    assert isinstance(cause if unsent or cause is None else cause.__cause__, kind)


@pytest.mark.parametrize(
    "foreign", [OSError("gone"), RuntimeError("closed"), ValueError("odd"), ExceptionGroup("g", [OSError()])]
)
async def test_a_foreign_error_of_a_transport_is_mapped_too(foreign: Exception) -> None:
    """The host's own transports, proxies and event hooks may raise anything; of a write nothing can be said then."""
    client = client_of(Amazon(foreign), retries=ONCE)
    with pytest.raises(OutcomeUnknown):
        await client.feeds.submit("_X_", b"x", content_type="text/xml")


async def test_a_closed_http_client_sent_nothing() -> None:
    """Closed before the call: NotSent, whoever closed it, and at once."""
    http, clock = httpx.AsyncClient(transport=httpx.MockTransport(Amazon(FEED))), VirtualClock()
    client = MwsClient(CREDENTIALS, http=http, clock=clock)
    await http.aclose()
    began = clock.now()
    with pytest.raises(NotSent, match="closed"):
        await client.feeds.submit("_X_", b"x", content_type="text/xml")
    with pytest.raises(NotSent, match="closed"):
        await client.orders.items(ORDER_ID)
    await client.aclose()
    with pytest.raises(NotSent, match="closed"):
        await client.orders.service_status()
    assert clock.now() == began, "no retry opens a closed client: a program that ends must not wait for any"


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        (httpx.ConnectError("[Errno -2] Name or service not known"), "Name or service not known"),
        (httpx.ProxyError("407 Proxy Authentication Required"), "ProxyError: 407 Proxy"),
        (httpx.PoolTimeout(""), "mws.amazonservices.ae: PoolTimeout$"),
        (httpx.ConnectError("https://x/?MWSAuthToken=amzn.mws.0000-unit&Signature=abc%3D no " + "x" * 500), "no xxx"),
    ],
)
async def test_a_missing_connection_says_where_to_and_why(refused: Exception, words: str) -> None:
    """A wrong host, a proxy's refusal: in words, without the credentials that a transport may quote."""
    with pytest.raises(NotSent, match=words) as caught:
        await client_of(Amazon(refused), retries=ONCE).orders.service_status()
    text = str(caught.value)
    assert "no connection to mws.amazonservices.ae" in text
    assert "unit" not in text
    assert "abc%3D" not in text
    assert len(text) < 300


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500, content=b""),
        error("InternalError", 500),
        error("ServiceUnavailable", 503),
        httpx.Response(502, content=b"<html>Bad gateway</html>"),
        httpx.Response(504, content=b"<html>Gateway timeout</html>"),
        httpx.Response(408, content=b"<html>Request timeout</html>"),
        httpx.Response(302, content=b""),
        httpx.Response(200, content=FEED[:-40]),
        httpx.Response(200, content=b""),
        httpx.Response(200, content=b"<html>who knows</html>"),
        httpx.Response(200, content=envelope("SubmitFeed", "<FeedSubmissionInfo/>")),
    ],
)  # fmt: skip
async def test_a_feed_that_may_have_arrived_is_outcome_unknown(answer: httpx.Response) -> None:
    """A 5xx, a proxy's page, a success that cannot be read: never resent, never called a failure."""
    amazon = Amazon(answer)
    client = client_of(amazon)
    with pytest.raises(OutcomeUnknown):
        await client.feeds.submit("_X_", b"x", content_type="text/xml")
    assert len(amazon.asked) == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error("AccessDenied", 401), "AccessDenied"),
        (error("InputStreamDisconnected", 400), "InvalidRequest"),
        (error("InvalidFeedType", 200), "InvalidRequest"),
        (error("ContentMD5DoesNotMatch", 400), "InvalidRequest"),
        (error("RequestThrottled", 503), "RequestThrottled"),
        (error("QuotaExceeded", 503), "QuotaExceeded"),
        (httpx.Response(404, content=b"<html>no</html>"), "InvalidRequest"),
    ],
)
async def test_a_feed_that_amazon_refused_was_not_taken(answer: httpx.Response, kind: str) -> None:
    """Amazon's own word: an AmazonError, and no second request."""
    amazon = Amazon(answer)
    with pytest.raises(AmazonAeError) as caught:
        await client_of(amazon).feeds.submit("_X_", b"x", content_type="text/xml", wait=False)
    assert type(caught.value).__name__ == kind
    assert len(amazon.asked) == 1


async def test_every_write_is_sent_once_and_every_read_again() -> None:
    """Which operations are writes, seen from the wire."""
    box, grams = PackageDimensions(*[Decimal(1)] * 3), PackageWeight(Decimal(1))
    order_id = "403-1234567-7654321"
    writes: dict[str, Any] = {
        "SubmitFeed": lambda c: c.feeds.submit("_X_", b"x", content_type="text/xml"),
        "CancelFeedSubmissions": lambda c: c.feeds.cancel(["1"]),
        "CreateScheduledPackage": lambda c: c.easy_ship.create_scheduled_package(order_id, "slot"),
        "UpdateScheduledPackages": lambda c: c.easy_ship.update_scheduled_packages(order_id, "p", "slot"),
        "RequestReport": lambda c: c.reports.request("_X_"),
        "PutSomething": lambda c: c.call("Orders", "PutSomething"),
    }
    reads: dict[str, Any] = {
        "GetOrder": lambda c: c.orders.get_many([order_id]),
        "ListOrders": lambda c: c.orders.list(seller_order_id="1", created_after=c.clock.now()).all(),
        "ListOrderItems": lambda c: c.orders.items(order_id),
        "GetFeedSubmissionList": lambda c: c.feeds.list().all(),
        "GetFeedSubmissionCount": lambda c: c.feeds.count(),
        "GetFeedSubmissionResult": lambda c: c.feeds.result("1"),
        "ListMarketplaceParticipations": lambda c: c.sellers.participations(),
        "ListPickupSlots": lambda c: c.easy_ship.list_pickup_slots(order_id, dimensions=box, weight=grams),
        "GetScheduledPackage": lambda c: c.easy_ship.get_scheduled_package(order_id),
        "GetReport": lambda c: c.reports.get("1"),
        "GetReportList": lambda c: c.reports.list().all(),
        "GetReportRequestList": lambda c: c.reports.requests().all(),
        "GetSomething": lambda c: c.call("Orders", "GetSomething"),
    }
    for action, ask in {**writes, **reads}.items():
        amazon = Amazon(httpx.ReadTimeout("silence"))
        with pytest.raises(ServiceUnavailable if action in reads else OutcomeUnknown):
            await ask(client_of(amazon))
        assert amazon.actions == [action] * (6 if action in reads else 1)


class Endless(httpx.AsyncByteStream):
    """A body without end, which says how much of it was taken."""

    def __init__(self) -> None:
        self.taken = 0
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self.taken += 65_536
            assert self.taken < 100_000_000, "nobody stops"
            yield b"x" * 65_536

    async def aclose(self) -> None:
        self.closed = True


class Dripping(httpx.AsyncByteStream):
    """A body that comes byte by byte and never ends: each read succeeds."""

    closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0)
            yield b" "

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.parametrize("begins", [True, False])
async def test_an_answer_that_never_ends_is_given_up_after_the_limit(begins: bool) -> None:
    """Drop by drop, or not begun at all: a read ends in ServiceUnavailable, a write in OutcomeUnknown."""
    bodies: list[Dripping] = []

    async def answer(_: httpx.Request) -> httpx.Response:
        bodies.append(Dripping())
        if not begins:
            await asyncio.Event().wait()
        return httpx.Response(200, stream=bodies[-1])

    limit = timedelta(milliseconds=10)
    client = client_of(answer, max_exchange=limit, retries=RetryPolicy(delays_seconds=(0.0,)))
    with pytest.raises(ServiceUnavailable, match=r"no whole answer in 0.01 s \(max_exchange\)") as read:
        await client.orders.service_status()
    assert (len(bodies), read.value.status, read.value.retryable) == (2, 0, True)
    with pytest.raises(OutcomeUnknown, match="SubmitFeed: no whole answer"):
        await client.feeds.submit("_X_", b"x", content_type="text/xml")
    assert len(bodies) == 3
    assert all(body.closed for body in bodies) is begins
    assert not logging.getLogger("httpx").filters


def test_a_client_that_would_block_the_loop_is_refused() -> None:
    """httpx.Client has the same methods; it would send, and nobody could await its answer."""
    with httpx.Client() as http, pytest.raises(ConfigurationError, match="AsyncClient"):
        MwsClient(CREDENTIALS, http=http)  # type: ignore[arg-type]


def test_a_limit_that_nothing_could_keep_is_refused() -> None:
    """Zero would give up every request; None has no limit."""
    with pytest.raises(ConfigurationError, match="max_exchange"):
        MwsClient(CREDENTIALS, max_exchange=timedelta(0))
    MwsClient(CREDENTIALS, max_exchange=None)


@pytest.mark.parametrize("status", [200, 500])
async def test_a_body_without_end_is_left_at_the_cap(status: int) -> None:
    """A success above the cap is refused by name, an error's body is read no further than it is of use."""
    body = Endless()
    http = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(status, stream=body)))
    client = MwsClient(CREDENTIALS, http=http, clock=VirtualClock(), retries=ONCE, max_body_bytes=1_000_000)
    with pytest.raises(UnreadableResponse if status == 200 else ServiceUnavailable) as caught:
        await client.orders.service_status()
    assert status != 200 or "1,000,000 bytes (max_body_bytes)" in str(caught.value)
    assert body.closed
    assert body.taken <= (1_200_000 if status == 200 else 140_000)


async def test_a_body_that_announces_itself_too_large_is_not_read() -> None:
    """100 MB by its own account: refused with not a byte taken, and not asked for again."""
    body = Endless()
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, stream=body, headers={"Content-Length": "100000000", "x-mws-request-id": "big"})

    client = client_of(answer)
    with pytest.raises(UnreadableResponse, match="larger than") as caught:
        await client.orders.service_status()
    assert (body.taken, body.closed, len(asked), caught.value.request_id) == (0, True, 1, "big")


async def test_a_compressed_bomb_is_left_at_the_cap() -> None:
    """The cap counts what comes out of the compression."""
    packed = gzip.compress(b"x" * 20_000_000)

    async def chunks() -> AsyncIterator[bytes]:
        for begin in range(0, len(packed), 1000):
            yield packed[begin : begin + 1000]

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=chunks(), headers={"Content-Encoding": "gzip"})

    client = client_of(answer, max_body_bytes=2_000_000)
    with pytest.raises(UnreadableResponse, match="larger than"):
        await client.orders.service_status()


async def test_a_redirect_is_not_followed() -> None:
    """A signed request goes to Amazon and nowhere else, also when the host's client follows redirects."""
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(307, headers={"Location": "https://evil.example/"})

    http = httpx.AsyncClient(transport=httpx.MockTransport(answer), follow_redirects=True)
    client = MwsClient(CREDENTIALS, http=http, clock=VirtualClock(), retries=ONCE)
    with pytest.raises(ServiceUnavailable):
        await client.orders.service_status()
    assert asked == ["mws.amazonservices.ae"]


async def test_the_hosts_auth_cookies_and_parameters_stay_out_of_a_signed_request() -> None:
    """What was signed is what travels, whatever the host's client does by default."""
    amazon = Amazon(FEED)
    http = httpx.AsyncClient(
        transport=httpx.MockTransport(amazon), auth=("user", "password"), params={"extra": "1"}, cookies={"c": "1"},
        headers={"X-Host": "1"},
    )  # fmt: skip
    await MwsClient(CREDENTIALS, http=http, clock=VirtualClock()).feeds.submit("_X_", b"x", content_type="text/xml")
    (request,) = amazon.requests
    assert not {"authorization", "cookie", "x-host"} & set(request.headers)
    assert "extra" not in amazon.asked[0]
    assert request.extensions["timeout"] == http.timeout.as_dict()


async def test_no_secret_is_logged_or_shown(caplog: pytest.LogCaptureFixture) -> None:
    """At the lowest level, httpx's included: not in a log, a repr, an error or its causes."""
    caplog.set_level(logging.DEBUG)
    ok, bad = client_of(Amazon(FEED)), client_of(Amazon(httpx.ReadError("reset")), retries=ONCE)
    await ok.feeds.submit("_X_", b"x", content_type="text/xml")
    shown = [repr(ok), repr(CREDENTIALS), repr(ok.feeds), str(AE)]
    with pytest.raises(OutcomeUnknown) as caught:
        await bad.feeds.submit("_X_", b"x", content_type="text/xml")
    cause: BaseException | None = caught.value
    while cause is not None:
        shown.append(f"{cause} {cause!r}")
        cause = cause.__cause__
    shown += [record.getMessage() for record in caplog.records]
    assert any("https://mws.amazonservices.ae/Feeds/2009-01-01?…" in text for text in shown)
    for text in shown:
        assert CREDENTIALS.secret_key not in text
        assert str(CREDENTIALS.auth_token) not in text
        assert "Signature" not in text
    assert not logging.getLogger("httpx").filters


async def test_a_throttled_feed_waits_and_is_sent_then() -> None:
    """A throttle took nothing: with wait the feed leaves one restore interval later, once."""
    amazon = Amazon(error("RequestThrottled", 503), FEED)
    feed = await client_of(amazon).feeds.submit("_X_", b"x", content_type="text/xml")
    assert (feed.feed_submission_id, amazon.seconds) == ("1", [0, 120])


@pytest.mark.parametrize("code", ["RequestThrottled", "QuotaExceeded"])
async def test_an_unpaced_feed_raises_its_throttle_at_once(code: str) -> None:
    """The scheduler's ledger keeps the quota then; the pacer neither waits nor counts."""
    amazon = Amazon(*[FEED] * 40, error(code, 503))
    client = client_of(amazon)
    for _ in range(40):
        await client.feeds.submit("_X_", b"x", content_type="text/xml", paced=False)
    with pytest.raises((RequestThrottled, QuotaExceeded)) as caught:
        await client.feeds.submit("_X_", b"x", content_type="text/xml", paced=False)
    assert caught.value.retry_at is not None
    assert amazon.seconds == [0] * 41
    amazon.answers[:] = [error("InputDataError", 400)]
    with pytest.raises(InvalidRequest):
        await client.feeds.submit("_X_", b"x", content_type="text/xml", paced=False)


async def test_cancelling_a_request_leaves_nothing_behind() -> None:
    """Before the answer and in the middle of it: the body is closed, the log is as it was, the next call works."""
    reached, body = asyncio.Event(), Stalled()
    answers = iter([None, httpx.Response(200, stream=body), httpx.Response(200, content=FEED)])

    async def answer(_: httpx.Request) -> httpx.Response:
        reached.set()
        response = next(answers)
        if response is None:
            await asyncio.Event().wait()
        assert response is not None
        return response

    client = client_of(answer)
    for _ in range(2):
        task = asyncio.create_task(client.feeds.submit("_X_", b"x", content_type="text/xml", paced=False))
        await reached.wait()
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        reached.clear()
        assert not logging.getLogger("httpx").filters
    assert body.closed
    assert (await client.feeds.submit("_X_", b"x", content_type="text/xml")).feed_submission_id == "1"


class Stalled(httpx.AsyncByteStream):
    """A body that stops in the middle."""

    closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield FEED[:50]
        await asyncio.Event().wait()

    async def aclose(self) -> None:
        self.closed = True


async def test_a_form_travels_as_amazon_asks() -> None:
    """POST, the form's content type, the host, a length; no parameter in the URL."""
    amazon = Amazon(envelope("GetServiceStatus", "<Status>GREEN</Status>"))
    await client_of(amazon).orders.service_status()
    (request,) = amazon.requests
    assert (request.method, str(request.url)) == ("POST", "https://mws.amazonservices.ae/Orders/2013-09-01")
    assert request.headers["content-type"] == "application/x-www-form-urlencoded; charset=utf-8"
    assert (request.headers["host"], request.headers["content-length"]) == (
        "mws.amazonservices.ae",
        str(len(request.content)),
    )


async def test_a_request_that_httpx_cannot_build_is_not_sent() -> None:
    """A URL above httpx's own limit is the caller's mistake; retrying would not help."""
    amazon = Amazon(FEED)
    with pytest.raises(ConfigurationError, match="URL too long"):
        await client_of(amazon).feeds.submit("_X_", b"x", content_type="text/xml", feed_options="x" * 70_000)
    assert not amazon.asked


def test_a_client_refuses_an_endpoint_that_would_leak() -> None:
    """Before anything is sent: plain http to another machine."""
    with pytest.raises(ConfigurationError, match="https"):
        MwsClient(CREDENTIALS, attrs.evolve(AE, mws_endpoint="http://mws.amazonservices.ae"))
