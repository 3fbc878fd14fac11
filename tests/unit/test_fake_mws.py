"""``FakeMws``: what it checks before it does anything. The requests here are signed by hand, not by the client."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import attrs
import httpx
import pytest

from amazon_ae.testing._builders import make_item, make_order
from amazon_ae.testing._clocks import VirtualClock
from amazon_ae.testing._mws import FAKE_CREDENTIALS, FakeMws, MwsFault
from amazon_ae.testing._mws.signature import expected_signature
from amazon_ae.testing._mws.wire import Answer

VERSIONS = {
    "Orders": "2013-09-01",
    "Feeds": "2009-01-01",
    "Reports": "2009-01-01",
    "Sellers": "2011-07-01",
    "EasyShip": "2018-09-01",
}
HOST = "mws.amazonservices.ae"


def sign(path: str, params: Mapping[str, str], secret: str = FAKE_CREDENTIALS.secret_key, host: str = HOST) -> str:
    query = "&".join(f"{quote(k, safe='-_.~')}={quote(params[k], safe='-_.~')}" for k in sorted(params))
    text = f"POST\n{host}\n{path}\n{query}".encode()
    signature = base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest()).decode()
    return f"{query}&Signature={quote(signature, safe='-_.~')}"


def common(section: str, action: str, at: datetime) -> dict[str, str]:
    return {
        "AWSAccessKeyId": FAKE_CREDENTIALS.access_key_id,
        "Action": action,
        "MWSAuthToken": FAKE_CREDENTIALS.auth_token or "",
        "SellerId": FAKE_CREDENTIALS.seller_id,
        "SignatureMethod": "HmacSHA256",
        "SignatureVersion": "2",
        "Timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "Version": VERSIONS[section],
    }


FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}


def call(fake: FakeMws, section: str, action: str, params: Mapping[str, str] | None = None, **changes: str) -> Answer:
    path = f"/{section}/{VERSIONS[section]}"
    rows = {**common(section, action, fake.clock.now()), **(params or {}), **changes}
    return fake.answer("POST", f"https://{HOST}{path}", FORM, sign(path, rows).encode())


def submit(fake: FakeMws, body: bytes, feed_type: str = "_POST_INVENTORY_AVAILABILITY_DATA_", **changes: str) -> Answer:
    path = f"/Feeds/{VERSIONS['Feeds']}"
    md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
    rows = {**common("Feeds", "SubmitFeed", fake.clock.now()), "FeedType": feed_type, "ContentMD5Value": md5, **changes}
    return fake.answer("POST", f"https://{HOST}{path}?{sign(path, rows)}", {"Content-Type": "text/xml"}, body)


def found(body: bytes, name: str) -> list[str]:
    return re.findall(rf"<{name}>([^<]*)</{name}>", body.decode())


def first(body: bytes, name: str) -> str:
    return found(body, name)[0]


def header(headers: list[tuple[str, str]], name: str) -> str:
    return dict(headers)[name]


def inventory(*rows: tuple[str, int]) -> bytes:
    messages = "".join(
        f"<Message><MessageID>{number}</MessageID><OperationType>Update</OperationType>"
        f"<Inventory><SKU>{sku}</SKU><Quantity>{quantity}</Quantity></Inventory></Message>"
        for number, (sku, quantity) in enumerate(rows, start=1)
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?><AmazonEnvelope><Header><DocumentVersion>1.01</DocumentVersion>'
        "<MerchantIdentifier>A1SANDBOXSELLER</MerchantIdentifier></Header><MessageType>Inventory</MessageType>"
        f"{messages}</AmazonEnvelope>"
    ).encode()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(autojump=False)


@pytest.fixture
def fake(clock: VirtualClock) -> FakeMws:
    return FakeMws(clock=clock)


@pytest.mark.parametrize("section", sorted(VERSIONS))
def test_a_request_signed_by_hand_is_answered(fake: FakeMws, section: str) -> None:
    """The signature rule of the developer guide opens every section."""
    action = "GetFeedSubmissionCount" if section == "Feeds" else "GetServiceStatus"
    if section == "Reports":
        action = "GetReportList"
    answer = call(fake, section, action)
    assert answer.status == 200, answer.body
    assert f"<{action}Response xmlns=".encode() in answer.body


def test_one_changed_parameter_breaks_the_signature(fake: FakeMws) -> None:
    """What was signed is what is checked."""
    path = "/Orders/2013-09-01"
    body = sign(path, common("Orders", "GetServiceStatus", fake.clock.now())) + "&Extra=1"
    answer = fake.answer("POST", f"https://{HOST}{path}", FORM, body.encode())
    assert (answer.status, first(answer.body, "Code")) == (403, "SignatureDoesNotMatch")


def test_the_host_is_part_of_the_signature(fake: FakeMws) -> None:
    """A request signed for another host is refused; a non-standard port counts."""
    path = "/Orders/2013-09-01"
    rows = common("Orders", "GetServiceStatus", fake.clock.now())
    for host, url_host, status in (
        ("127.0.0.1:8080", "127.0.0.1:8080", 200),
        ("127.0.0.1", "127.0.0.1:8080", 403),
        (HOST, f"{HOST}:443", 200),
    ):
        answer = fake.answer("POST", f"https://{url_host}{path}", FORM, sign(path, rows, host=host).encode())
        assert answer.status == status, (host, url_host)


def test_credentials_are_told_apart(fake: FakeMws) -> None:
    """An unknown key, a wrong secret and a missing authorisation have their own status and code."""
    path = "/Orders/2013-09-01"
    rows = common("Orders", "GetServiceStatus", fake.clock.now())
    url = f"https://{HOST}{path}"
    wrong_secret = fake.answer("POST", url, FORM, sign(path, rows, secret="wrong").encode())
    unknown_key = fake.answer("POST", url, FORM, sign(path, {**rows, "AWSAccessKeyId": "AKIAUNKNOWN"}).encode())
    wrong_token = fake.answer("POST", url, FORM, sign(path, {**rows, "MWSAuthToken": "amzn.mws.other"}).encode())
    fake.revoke(FAKE_CREDENTIALS)
    revoked = fake.answer("POST", url, FORM, sign(path, rows).encode())
    assert [(a.status, first(a.body, "Code")) for a in (wrong_secret, unknown_key, wrong_token, revoked)] == [
        (403, "SignatureDoesNotMatch"),
        (403, "InvalidAccessKeyId"),
        (401, "AccessDenied"),
        (401, "AccessDenied"),
    ]


@pytest.mark.parametrize(("minutes", "status"), [(-15, 200), (15, 200), (-16, 400), (16, 400)])
def test_a_timestamp_more_than_fifteen_minutes_off_has_expired(fake: FakeMws, minutes: int, status: int) -> None:
    """Too old and too new are refused alike, with the documented code."""
    stamp = (fake.clock.now() + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
    answer = call(fake, "Orders", "GetServiceStatus", Timestamp=stamp)
    assert answer.status == status
    if status == 400:
        assert first(answer.body, "Code") == "InvalidParameterValue"
        assert "expired" in first(answer.body, "Message")
    assert fake.requests[-1].is_authentic is (status == 200)  # one that has expired is not counted


def test_the_public_signature_vectors_hold(samples: Path) -> None:
    """The fake's own signing reproduces every published vector."""
    vectors = json.loads((samples / "derived" / "signing_vectors.json").read_text())["signatures"]
    assert len(vectors) >= 6
    for vector in vectors:
        pairs = tuple(vector["params"].items())
        signature = expected_signature(
            vector["method"], vector["host"], vector["path"], pairs, vector["secret"], "HmacSHA256"
        )
        assert signature == vector["signature"], vector["name"]


def test_merchant_is_an_alias_of_seller_id_and_root_path_reaches_feeds(fake: FakeMws) -> None:
    """Amazon's own Java client says ``Merchant`` and posts to ``/``."""
    rows = common("Feeds", "GetFeedSubmissionCount", fake.clock.now())
    rows["Merchant"] = rows.pop("SellerId")
    answer = fake.answer("POST", f"https://{HOST}/", FORM, sign("/", rows).encode())
    assert answer.status == 200


def test_ping_needs_no_signature(fake: FakeMws) -> None:
    """``GET /`` tells the server's time."""
    answer = fake.answer("GET", f"https://{HOST}/", {})
    assert answer.status == 200
    assert b"<PingResponse>" in answer.body
    assert header(answer.headers, "Date") == "Thu, 18 Nov 2021 09:00:00 GMT"


def test_submit_feed_checks_its_md5(fake: FakeMws) -> None:
    """A missing or wrong MD5 is refused; the header and the parameter must agree."""
    wrong = submit(fake, b"<a/>", ContentMD5Value="1B2M2Y8AsgTpgAmY7PhCfg==")
    missing = submit(fake, b"<a/>", ContentMD5Value="")
    assert [first(a.body, "Code") for a in (wrong, missing)] == ["ContentMD5DoesNotMatch", "ContentMD5Missing"]
    assert fake.feeds == []


async def test_a_feed_changes_the_stock_when_its_processing_ends(clock: VirtualClock) -> None:
    """``_SUBMITTED_``, ``_IN_PROGRESS_``, ``_DONE_`` on the clock; only the refused SKU has a row in the report."""
    fake = FakeMws(clock=clock, processing_seconds=60, start_seconds=10)
    fake.add_sku("SKU-1", 5)
    answer = submit(fake, inventory(("SKU-1", 12), ("NOBODY", 1)))
    assert answer.status == 200, answer.body
    feed_id = first(answer.body, "FeedSubmissionId")
    assert first(answer.body, "FeedProcessingStatus") == "_SUBMITTED_"
    assert [message.key for message in fake.feeds[0].messages] == ["SKU-1", "NOBODY"]
    seen = []
    for seconds in (0, 10, 59, 1):
        clock.jump(seconds)
        listed = call(fake, "Feeds", "GetFeedSubmissionList", {"FeedSubmissionIdList.Id.1": feed_id})
        seen.append((first(listed.body, "FeedProcessingStatus"), fake.stock["SKU-1"]))
        if seen[-1][0] != "_DONE_":
            early = call(fake, "Feeds", "GetFeedSubmissionResult", {"FeedSubmissionId": feed_id})
            assert (early.status, first(early.body, "Code")) == (404, "FeedProcessingResultNotReady")
    assert seen == [("_SUBMITTED_", 5), ("_IN_PROGRESS_", 5), ("_IN_PROGRESS_", 5), ("_DONE_", 12)]
    report = call(fake, "Feeds", "GetFeedSubmissionResult", {"FeedSubmissionId": feed_id})
    assert header(report.headers, "Content-MD5") == base64.b64encode(hashlib.md5(report.body).digest()).decode()
    assert found(report.body, "MessageID") == ["1", "2"]  # the report's own, and the refused message
    assert first(report.body, "ResultMessageCode") == "13013"
    assert [first(report.body, f"Messages{name}") for name in ("Processed", "Successful", "WithError")] == [
        "2",
        "1",
        "1",
    ]


def test_submit_feed_has_fifteen_at_once_and_one_per_two_minutes(fake: FakeMws, clock: VirtualClock) -> None:
    """The bucket: burst 15, one back per 120 seconds."""
    fake.add_sku("S")
    assert [submit(fake, inventory(("S", n))).status for n in range(16)] == [200] * 15 + [503]
    clock.jump(119)
    refused = submit(fake, inventory(("S", 99)))
    assert first(refused.body, "Code") == "RequestThrottled"
    assert first(refused.body, "Message") == "Request is throttled"
    assert b"<Type/>" in refused.body
    clock.jump(1)
    assert submit(fake, inventory(("S", 100))).status == 200
    assert len(fake.feeds) == 16


def test_submit_feed_has_thirty_in_any_hour(fake: FakeMws, clock: VirtualClock) -> None:
    """Beyond 30 in an hour the answer is ``QuotaExceeded``, worded as recorded, although the bucket has places."""
    for number in range(30):
        clock.jump(121 if number >= 14 else 0)
        answer = submit(fake, inventory(("S", number)))
        assert answer.status == 200
        assert header(answer.headers, "x-mws-quota-remaining") == f"{29 - number}.0"
    clock.jump(400)
    refused = submit(fake, inventory(("S", 31)))
    assert (refused.status, first(refused.body, "Code")) == (503, "QuotaExceeded")
    assert first(refused.body, "Message") == (
        "You exceeded your quota of 30.0 requests per 1 hour for operation Feeds/2009-01-01/SubmitFeed."
        "  Your quota will reset on Thu Nov 18 10:00:00 UTC 2021"
    )
    assert b"<ErrorResponse><Error>" in refused.body  # recorded without a namespace
    assert header(refused.headers, "x-mws-quota-max") == "30.0"
    assert header(refused.headers, "x-mws-quota-resetsOn") == "2021-11-18T10:00:00.000Z"
    clock.jump((datetime(2021, 11, 18, 10, tzinfo=UTC) - clock.now()).total_seconds())
    assert submit(fake, inventory(("S", 32))).status == 200


def test_another_developer_has_quotas_of_its_own(fake: FakeMws) -> None:
    """Amazon counts per seller and developer."""
    assert fake.spend("SubmitFeed", 20) == 15
    other = attrs.evolve(FAKE_CREDENTIALS, access_key_id="AKIAOTHER")
    fake.authorise(other)
    assert submit(fake, inventory(("S", 1))).status == 503
    assert submit(fake, inventory(("S", 1)), AWSAccessKeyId="AKIAOTHER").status == 200


def test_another_sellers_developer_is_refused_at_once(fake: FakeMws) -> None:
    """One ``FakeMws`` is one seller's."""
    with pytest.raises(ValueError, match="A1OTHER"):
        fake.authorise(attrs.evolve(FAKE_CREDENTIALS, seller_id="A1OTHER"))


async def test_the_transport_reaches_the_marketplaces_host_only(fake: FakeMws) -> None:
    """A client with a wrong endpoint finds nobody."""
    async with httpx.AsyncClient(transport=fake) as http:
        assert (await http.get(f"https://{HOST}/")).status_code == 200
        with pytest.raises(httpx.ConnectError):
            await http.get("https://mws.amazonservices.com/")


async def test_an_answer_that_is_lost_leaves_its_feed_behind() -> None:
    """Accepted, then lost: the client sees a read error, the marketplace has the feed."""
    fake = FakeMws(clock=VirtualClock())
    path = "/Feeds/2009-01-01"
    body = inventory(("S", 1))
    md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
    rows = {**common("Feeds", "SubmitFeed", fake.clock.now()), "ContentMD5Value": md5}
    rows["FeedType"] = "_POST_INVENTORY_AVAILABILITY_DATA_"
    fake.fail("SubmitFeed", MwsFault.NOT_REACHED)
    fake.fail("SubmitFeed", MwsFault.ANSWER_LOST)
    fake.fail("SubmitFeed", MwsFault.NEVER_ANSWERED)
    async with httpx.AsyncClient(transport=fake) as http:
        for error in (httpx.ConnectError, httpx.ReadError, httpx.ReadTimeout):
            with pytest.raises(error):
                await http.post(f"https://{HOST}{path}?{sign(path, rows)}", content=body)
    assert [feed.digest for feed in fake.feeds] == [hashlib.sha256(body).hexdigest()] * 2
    assert [(seen.action, seen.status, seen.answered) for seen in fake.requests] == [("SubmitFeed", 200, False)] * 2


def test_orders_with_items_are_listed_and_found(fake: FakeMws) -> None:
    """ListOrders, GetOrder and ListOrderItems tell of the same order."""
    fake.add_order(make_order("171-0000000-0000001"), [make_item("SKU-1", 2)])
    listed = call(
        fake,
        "Orders",
        "ListOrders",
        {"LastUpdatedAfter": "2021-11-01T00:00:00Z", "MarketplaceId.Id.1": fake.marketplace.marketplace_id},
    )
    assert found(listed.body, "AmazonOrderId") == ["171-0000000-0000001"]
    assert first(listed.body, "LastUpdatedBefore") == "2021-11-18T08:58:00.000Z"
    one = call(
        fake,
        "Orders",
        "GetOrder",
        {"AmazonOrderId.Id.1": "171-0000000-0000001", "AmazonOrderId.Id.2": "171-9999999-9999999"},
    )
    assert found(one.body, "AmazonOrderId") == ["171-0000000-0000001"]
    items = call(fake, "Orders", "ListOrderItems", {"AmazonOrderId": "171-0000000-0000001"})
    assert found(items.body, "QuantityOrdered") == ["2"]


def test_a_mistyped_operation_is_no_fault_that_never_strikes() -> None:
    """A test that orders it would pass without its fault."""
    fake = FakeMws(clock=VirtualClock())
    with pytest.raises(ValueError, match="SubmitFed"):
        fake.fail("SubmitFed", MwsFault.THROTTLED)
    with pytest.raises(ValueError, match="SubmitFed"):
        fake.spend("SubmitFed")
