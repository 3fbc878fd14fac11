"""Every recorded or official answer goes through the client, as it would have come over the wire."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import attrs
import httpx
import pytest

from amazon_ae._exceptions import AmazonError
from amazon_ae._models.easy_ship import PackageDimensions, PackageWeight
from amazon_ae._models.marketplaces import AE, MwsCredentials
from amazon_ae._models.orders import OrderItem
from amazon_ae._mws.client import MwsClient
from amazon_ae._mws.signing import canonical_query, content_md5, sign, string_to_sign
from amazon_ae._transport.retries import RetryPolicy
from amazon_ae.testing._clocks import VirtualClock

CREDENTIALS = MwsCredentials(seller_id="A1", access_key_id="AKIA", secret_key="secret")
START = datetime(2021, 11, 18, 9, tzinfo=UTC)
ORDER = "403-1234567-7654321"
BOX = PackageDimensions(Decimal(3), Decimal(2), Decimal(1))
GRAMS = PackageWeight(Decimal(5))


async def first(pages: Any) -> Any:
    async for page in pages:
        return page
    raise AssertionError("no page")


ASK: dict[str, Callable[[MwsClient], Awaitable[Any]]] = {
    "ListOrders": lambda c: first(c.orders.list(created_after=START).pages()),
    "GetOrder": lambda c: c.orders.get_many([ORDER]),
    "ListOrderItems": lambda c: first(c.orders.list_items(ORDER).pages()),
    "GetServiceStatus": lambda c: c.orders.service_status(),
    "SubmitFeed": lambda c: c.feeds.submit("_X_", b"x", content_type="text/xml"),
    "GetFeedSubmissionList": lambda c: first(c.feeds.list().pages()),
    "GetFeedSubmissionCount": lambda c: c.feeds.count(),
    "CancelFeedSubmissions": lambda c: c.feeds.cancel(["1"]),
    "ListMarketplaceParticipations": lambda c: c.sellers.participations(),
    "ListPickupSlots": lambda c: c.easy_ship.list_pickup_slots(ORDER, dimensions=BOX, weight=GRAMS),
    "CreateScheduledPackage": lambda c: c.easy_ship.create_scheduled_package(ORDER, "slot"),
    "GetScheduledPackage": lambda c: c.easy_ship.get_scheduled_package(ORDER),
    "UpdateScheduledPackages": lambda c: c.easy_ship.update_scheduled_packages(ORDER, "p", "slot"),
    "GetFeedSubmissionResult": lambda c: c.feeds.result("1"),
    "GetReport": lambda c: c.reports.get("1"),
    "RequestReport": lambda c: c.reports.request("_X_"),
    "GetReportRequestList": lambda c: first(c.reports.requests().pages()),
    "GetReportList": lambda c: first(c.reports.list().pages()),
}
# Part of Amazon's Java library, not of this client: they go through ``client.call``.
OTHERS = {
    "CancelReportRequests",
    "GetReportCount",
    "GetReportRequestCount",
    "GetReportScheduleCount",
    "GetReportScheduleList",
    "ManageReportSchedule",
    "UpdateReportAcknowledgements",
}


def answers(folder: Path) -> dict[str, tuple[int, list[tuple[str, str]], bytes]]:
    """Every well-formed answer in the folder: (status, headers, body) by file name."""
    found: dict[str, tuple[int, list[tuple[str, str]], bytes]] = {}
    for path in sorted(folder.rglob("*")):
        status, headers, body = 200, [], path.read_bytes() if path.is_file() else b""
        if path.suffix == ".http":
            _, _, rest = body.partition(b"\n\nHTTP/1.1 ")
            if not rest:
                _, _, rest = body.partition(b"\nHTTP/1.1 ")
            head, _, body = rest.partition(b"\n\n")
            first_line, *lines = head.decode().split("\n")
            status = int(first_line.split()[0])
            hop = {"content-length", "transfer-encoding", "content-encoding", "connection"}
            headers = [
                (name, value.strip())
                for name, _, value in (line.partition(":") for line in lines)
                if name.lower() not in hop
            ]
        elif path.suffix != ".xml":
            continue
        try:
            root = ElementTree.fromstring(body).tag.rpartition("}")[2]
        except ElementTree.ParseError:
            continue
        if root.endswith("Response"):
            found[str(path.relative_to(folder))] = status, headers, body
    return found


def root_of(body: bytes) -> str:
    return ElementTree.fromstring(body).tag.rpartition("}")[2]


def client_of(status: int, headers: list[tuple[str, str]], body: bytes) -> MwsClient:
    # Recorded ids are other orders', or placeholders: each answer is made one about the order that is asked for.
    body = re.sub(rb"(<(?:\w+:)?AmazonOrderId>)[^<]*", rb"\g<1>" + ORDER.encode(), body)
    asked = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        # A recorded next page would be asked for without end: the second request ends it.
        asked += 1
        content = (
            body if asked == 1 else body.replace(b"<NextToken>", b"<Ignored>").replace(b"</NextToken>", b"</Ignored>")
        )
        return httpx.Response(status, headers=headers, content=content)

    answer.asked = 0  # type: ignore[attr-defined]
    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return MwsClient(CREDENTIALS, AE, http=http, clock=VirtualClock(), retries=RetryPolicy(delays_seconds=()))


async def test_every_well_formed_answer_becomes_a_value(samples: Path) -> None:
    """Recordings, the reference's examples and Amazon's own client-library mocks, every one."""
    read = []
    for name, (status, headers, body) in answers(samples).items():
        action = root_of(body).removesuffix("Response").replace("ByNextToken", "")
        if action == "Error":
            continue
        client = client_of(status, headers, body)
        value = await (client.call("Reports", action) if action in OTHERS else ASK[action](client))
        assert value is not None, name
        read.append(name)
    print(f"{len(read)} answers read: {', '.join(read)}")
    assert len(read) >= 60


async def test_every_recorded_error_becomes_an_error_with_its_code(samples: Path) -> None:
    """Code, class and request id, whatever the namespace and the spelling of RequestID."""
    seen = {}
    for name, (status, headers, body) in answers(samples).items():
        if root_of(body) != "ErrorResponse":
            continue
        client = client_of(status if status != 200 else 400, headers, body)
        with pytest.raises(AmazonError) as caught:
            await client.orders.service_status(wait=False)
        code = next(e.text for e in ElementTree.fromstring(body).iter() if e.tag.rpartition("}")[2] == "Code")
        assert caught.value.code == code, name
        assert caught.value.request_id, name
        seen[name] = type(caught.value).__name__
    assert len(seen) >= 14, seen


async def test_a_recording_keeps_its_headers(samples: Path) -> None:
    """Request id, instant and hourly quota of a recorded SubmitFeed."""
    status, headers, body = answers(samples)["peddler_http/feeds_submit_feed_flat_us.http"]
    feed = await client_of(status, headers, body).feeds.submit("_X_", b"x", content_type="text/xml")
    assert feed.meta.request_id == "0083f33b-89eb-4da9-a840-1f22c4d480d1"
    assert feed.meta.quota is not None
    assert (feed.meta.quota.maximum, feed.meta.quota.remaining) == (30.0, 30.0)
    assert feed.meta.quota.resets_at == datetime(2018, 4, 27, 15, 15, tzinfo=UTC)
    assert feed.feed_processing_status == "_SUBMITTED_"


async def test_amazons_own_mock_fills_every_field(samples: Path) -> None:
    """The schema-complete order leaves no field of the model empty, but those that came after its schema."""
    _, _, body = answers(samples)["amazon_java_sdk/orders_ListOrdersResponse.xml"]
    # Its money is the placeholder "String".
    page = await first(
        client_of(200, [], body.replace(b"<Amount>String", b"<Amount>1.50")).orders.list(created_after=START).pages()
    )
    (order,) = page.orders
    later = {"is_iba", "is_access_point_order", "automated_shipping_settings", "default_ship_from_location_address"}
    later |= {"items", "programs", "is_ispu"}  # another backend's, or newer
    empty = {name for name in order.__slots__ if not name.startswith("__") and getattr(order, name) in (None, ())}
    assert empty <= later, empty - later
    _, _, body = answers(samples)["amazon_java_sdk/orders_ListOrderItemsResponse.xml"]
    body = body.replace(b"<Amount>String", b"<Amount>1.50").replace(b"Date>String", b"Date>2021-01-01T00:00:00Z")
    (item,) = await client_of(200, [], body).orders.items(ORDER)
    empty = {name for name in attrs.fields_dict(OrderItem) if getattr(item, name) in (None, ())}
    assert empty <= {"ioss_number", "buyer_requested_cancel"}, empty


def test_every_signing_vector_is_reproduced(samples: Path) -> None:
    """Public known answers and the worked ones of this marketplace."""
    vectors = json.loads((samples / "derived" / "signing_vectors.json").read_text("utf-8"))
    assert len(vectors["signatures"]) >= 7
    for vector in vectors["signatures"]:
        text = string_to_sign(vector["method"], vector["host"], vector["path"], canonical_query(vector["params"]))
        assert text == vector["string_to_sign"], vector["name"]
        assert sign(vector["secret"], text) == vector["signature"], vector["name"]
    for vector in vectors["md5"]:
        content = (
            vector["input_utf8"].encode() if "input_utf8" in vector else (samples / vector["input_file"]).read_bytes()
        )
        assert content_md5(content) == vector["md5_b64"]
