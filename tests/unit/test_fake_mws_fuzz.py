"""``FakeMws`` under any input: an answer, never an exception. A sandbox that falls over helps nobody."""

from __future__ import annotations

import base64
import hashlib
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from test_fake_mws import FORM, HOST, VERSIONS, call, common, inventory, sign, submit

from amazon_ae.testing._builders import make_item, make_order, make_order_id
from amazon_ae.testing._clocks import VirtualClock
from amazon_ae.testing._mws import FAKE_PICKUP_FEED_TYPE, FakeMws
from amazon_ae.testing._mws.documents import XML_TYPES
from amazon_ae.testing._mws.quotas import SECTIONS

OPERATIONS = [(section, action) for section, known in SECTIONS.items() for action in known.operations]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
WORDS = [
    "0",
    "-1",
    "²",
    "99999999999999999999",
    "1e309",
    "nan",
    "true",
    "2021-11-18",
    "2021-11-18T09:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "A2VIGQ35RCS4UG",
    "171-0000000-0000001",
    "_DONE_",
    "_GET_EASYSHIP_PICKEDUP_",
]
VALUES = st.one_of(TEXT, st.sampled_from(["", *WORDS]))
NAMES = st.sampled_from(
    [
        "NextToken",
        "AmazonOrderId",
        "AmazonOrderId.Id.1",
        "AmazonOrderId.Id.²",
        "MarketplaceId.Id.1",
        "MarketplaceId",
        "CreatedAfter",
        "CreatedBefore",
        "LastUpdatedAfter",
        "LastUpdatedBefore",
        "MaxResultsPerPage",
        "MaxCount",
        "OrderStatus.Status.1",
        "BuyerEmail",
        "SellerOrderId",
        "FeedType",
        "ContentMD5Value",
        "PurgeAndReplace",
        "FeedSubmissionIdList.Id.1",
        "FeedSubmissionId",
        "SubmittedFromDate",
        "SubmittedToDate",
        "ReportType",
        "ReportId",
        "ReportRequestIdList.Id.1",
        "StartDate",
        "EndDate",
        "Acknowledged",
        "AvailableFromDate",
        "RequestedToDate",
        "PackageDimensions.Length",
        "PackageDimensions.Unit",
        "PackageWeight.Value",
        "PackageWeight.Unit",
        "PackageRequestDetails.PackagePickupSlot.SlotId",
        "ScheduledPackageId.AmazonOrderId",
        "PackageRequestDetails.PackageItemList.Item.1.OrderItemId",
        "Timestamp",
        "SignatureMethod",
        "ScheduledPackageUpdateDetailsList.PackageUpdateDetails.1.ScheduledPackageId.AmazonOrderId",
    ]
)
QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def filled() -> FakeMws:
    fake = FakeMws(clock=VirtualClock(autojump=False), easy_ship_api=True)
    for number in range(3):
        fake.add_order(make_order(make_order_id(number)), [make_item()])
    fake.add_sku("S")
    return fake


@QUICK
@given(st.data())
@pytest.mark.parametrize(("section", "action"), OPERATIONS)
def test_any_signed_parameters_get_an_answer(section: str, action: str, data: st.DataObject) -> None:
    """200 or a documented kind of error, as well-formed XML unless it is a document; never 500."""
    params = data.draw(st.dictionaries(NAMES, VALUES, max_size=6))
    answer = call(filled(), section, action, params)
    assert answer.status in (200, 400, 401, 403, 404), answer.body
    if not answer.body.startswith(b"%PDF-"):
        ElementTree.fromstring(answer.body)


@QUICK
@given(
    st.sampled_from(["GET", "POST", "PUT", "", "post"]),
    TEXT,
    st.dictionaries(st.sampled_from(["Host", "Content-Type", "User-Agent", "Content-MD5"]), TEXT),
    st.binary(max_size=200),
)
def test_garbage_gets_an_error(method: str, path: str, headers: dict[str, str], body: bytes) -> None:
    """No section, no key, no text: an error without a namespace of anybody."""
    answer = filled().answer(method, f"https://{HOST}/{path}", headers, body)
    assert answer.status in (200, 400, 401, 403, 404)


@QUICK
@given(st.binary(max_size=400))
def test_a_form_of_any_bytes_gets_an_error(body: bytes) -> None:
    """Also one that is no UTF-8."""
    rows = sign("/Orders/2013-09-01", common("Orders", "GetOrder", filled().clock.now())).encode()
    answer = filled().answer("POST", f"https://{HOST}/Orders/{VERSIONS['Orders']}", FORM, rows + b"&" + body)
    assert answer.status in (400, 401, 403, 404)


FRAGMENTS = st.sampled_from(
    [
        *(b"<AmazonEnvelope>", b"</AmazonEnvelope>", b"<Header><DocumentVersion>1</DocumentVersion>", b"</Header>"),
        *(b"<MerchantIdentifier>A</MerchantIdentifier>", b"<MessageType>Inventory</MessageType>"),
        *(b"<Message>", b"</Message>", b"<MessageID>1</MessageID>", b"\xff\xfe", b"\x00", b"\t", b"\n"),
        "<Inventory><SKU>S</SKU><Quantity>²</Quantity></Inventory>".encode(),
        *(b"<?xml version='1.0' encoding='utf-16'?>", b"<?xml version='1.0' encoding='no-such'?>"),
        *(b"order_id\tschedule_pickup_date\n", b"171-0000000-0000001", b"2021-11-19", b"9999-99-99"),
        *(b"sku\tquantity\n", "S\t²\n".encode()),
    ]
)
FEED_TYPES = st.sampled_from([*XML_TYPES, FAKE_PICKUP_FEED_TYPE, "_POST_FLAT_FILE_PRICEANDQUANTITYONLY_UPDATE_DATA_"])


@QUICK
@given(FEED_TYPES, st.lists(FRAGMENTS, min_size=1, max_size=14))
def test_any_feed_ends_with_a_report(feed_type: str, parts: list[bytes]) -> None:
    """It is processed and reported on, whatever its bytes are."""
    fake = filled()
    assert submit(fake, b"".join(parts), feed_type).status == 200
    fake.clock.jump(60)  # type: ignore[attr-defined]
    (feed,) = fake.feeds
    assert feed.status == "_DONE_"
    answer = call(fake, "Feeds", "GetFeedSubmissionResult", {"FeedSubmissionId": feed.feed_id})
    assert answer.body == feed.report
    assert dict(answer.headers)["Content-MD5"] == base64.b64encode(hashlib.md5(answer.body).digest()).decode()
    if feed_type in XML_TYPES:
        ElementTree.fromstring(answer.body)


def test_a_row_that_ends_before_its_key_is_refused() -> None:
    """The other rows are taken."""
    fake = filled()
    rows = f"schedule_pickup_date\torder_id\n2021-11-19\n2021-11-19\t{make_order_id(1)}\n"
    submit(fake, rows.encode(), FAKE_PICKUP_FEED_TYPE)
    fake.clock.jump(60)  # type: ignore[attr-defined]
    (feed,) = fake.feeds
    assert [message.key for message in feed.messages] == ["", make_order_id(1)]
    assert list(fake.pickups) == [make_order_id(1)]


def test_superscript_digits_are_no_numbers() -> None:
    """``"²".isdigit()`` is true, and ``int`` refuses it: one row is rejected, nothing falls over."""
    fake = filled()
    submit(fake, inventory(("S", 1)).replace(b"<Quantity>1<", "<Quantity>²<".encode()))
    fake.clock.jump(60)  # type: ignore[attr-defined]
    assert b"<ResultMessageCode>90002<" in (fake.feeds[0].report or b"")
    assert fake.stock == {"S": 0}
