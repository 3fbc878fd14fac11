"""Whatever arrives, the fake answers as Amazon would: no request and no feed breaks it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from hypothesis import given, settings, strategies as st

from amazon_ae.testing import FakeSpApi, VirtualClock, make_item, make_order
from amazon_ae.testing._spapi.plans import OPERATIONS

ORDER = "404-1234567-1234567"
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner)
)
KNOWN = st.sampled_from(
    ["A2VIGQ35RCS4UG", ORDER, "SKU-1", "DEFAULT", "cm", "g", "PDF", "JSON_LISTINGS_FEED", "PATCH", 1, 750]
)
NAMES = st.sampled_from(
    [
        "marketplaceId",
        "marketplaceIds",
        "amazonOrderId",
        "packageDimensions",
        "packageWeight",
        "packageDetails",
        "packageTimeSlot",
        "slotId",
        "packageItems",
        "updatePackageDetailsList",
        "scheduledPackageId",
        "orderScheduleDetailsList",
        "labelFormat",
        "length",
        "width",
        "height",
        "unit",
        "value",
        "productType",
        "patches",
        "op",
        "path",
        "contentType",
        "feedType",
        "inputFeedDocumentId",
        "feedOptions",
        "reportType",
        "restrictedResources",
        "method",
    ]
)
BODIES = st.recursive(
    SCALARS | KNOWN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=8),
    max_leaves=12,
)
MEMBERS = st.sampled_from(["header", "messages", "sellerId", "version", "messageId", "sku", "operationType", "patches"])


def made() -> tuple[FakeSpApi, VirtualClock, dict[str, str]]:
    clock = VirtualClock(autojump=False)
    fake = FakeSpApi(clock=clock)
    fake.add_sku("SKU-1")
    fake.add_order(make_order(ORDER), [make_item("SKU-1")])
    given_ = fake.credentials
    form = (
        f"grant_type=refresh_token&refresh_token={quote(given_.refresh_token)}&client_id={given_.client_id}"
        f"&client_secret={given_.client_secret}"
    )
    answer = fake.answer("POST", "https://api.amazon.com/auth/o2/token", {}, form.encode())
    token = json.loads(answer.body)["access_token"]
    return fake, clock, {"x-amz-access-token": token, "user-agent": "Test/1", "content-type": "application/json"}


@settings(max_examples=100)
@given(
    operation=st.sampled_from(OPERATIONS),
    part=st.text(max_size=10) | KNOWN.map(str),
    query=st.dictionaries(st.text(max_size=10) | NAMES, st.text(max_size=12) | KNOWN.map(str), max_size=4),
    body=BODIES,
)
def test_no_request_breaks_it(operation: Any, part: str, query: dict[str, str], body: Any) -> None:
    fake, _, headers = made()
    path = "/".join(quote(part, safe="") if name.startswith("{") else name for name in operation.path.split("/"))
    path = path.replace(quote(part, safe=""), "A1SANDBOXSELLER", 1) if "sellerId" in operation.path else path
    text = "&".join(f"{quote(name)}={quote(value)}" for name, value in query.items())
    url = f"https://sellingpartnerapi-eu.amazon.com{path}?{text}"
    answer = fake.answer(operation.method, url, headers, json.dumps(body).encode())
    assert answer.status in (200, 201, 202, 400, 403, 404, 405)
    if answer.body:
        assert isinstance(json.loads(answer.body), dict)


SLOT = {"slotId": "MjAyMTExMTkxMFBJQ0tVUA==", "startTime": "2021-11-19T10:00:00+04:00"}
ABOUT = {"marketplaceId": "A2VIGQ35RCS4UG", "amazonOrderId": ORDER}
DETAILS = {
    "packageTimeSlot": SLOT,
    "packageItems": [{"orderItemId": "1", "orderItemSerialNumbers": ["SN"]}],
    "packageIdentifier": "P",
}
VALUE = {
    "fulfillment_channel_code": "DEFAULT",
    "quantity": 3,
    "lead_time_to_ship_max_days": 2,
    "restock_date": "2021-12-01",
}
RIGHT: dict[str, tuple[str, str, Any]] = {
    "createFeed": (
        "POST",
        "/feeds/2021-06-30/feeds",
        {
            "feedType": "JSON_LISTINGS_FEED",
            "marketplaceIds": ["A2VIGQ35RCS4UG"],
            "inputFeedDocumentId": "amzn1.tortuga.x",
            "feedOptions": {"a": "b"},
        },
    ),
    "createReport": (
        "POST",
        "/reports/2021-06-30/reports",
        {"reportType": "GET_EASYSHIP_PICKEDUP", "marketplaceIds": ["A2VIGQ35RCS4UG"]},
    ),
    "createRestrictedDataToken": (
        "POST",
        "/tokens/2021-03-01/restrictedDataToken",
        {"restrictedResources": [{"method": "POST", "path": "/easyShip/2022-03-23/packages/bulk"}]},
    ),
    "patchListingsItem": (
        "PATCH",
        "/listings/2021-08-01/items/A1SANDBOXSELLER/SKU-1?marketplaceIds=A2VIGQ35RCS4UG",
        {
            "productType": "PRODUCT",
            "patches": [{"op": "merge", "path": "/attributes/fulfillment_availability", "value": [VALUE]}],
        },
    ),
    "listHandoverSlots": (
        "POST",
        "/easyShip/2022-03-23/timeSlot",
        {
            **ABOUT,
            "packageDimensions": {"length": 3, "width": 2, "height": 1, "unit": "cm"},
            "packageWeight": {"value": 750, "unit": "g"},
        },
    ),
    "createScheduledPackage": ("POST", "/easyShip/2022-03-23/package", {**ABOUT, "packageDetails": DETAILS}),
    "updateScheduledPackages": (
        "PATCH",
        "/easyShip/2022-03-23/package",
        {
            "marketplaceId": "A2VIGQ35RCS4UG",
            "updatePackageDetailsList": [{"scheduledPackageId": {"amazonOrderId": ORDER}, "packageTimeSlot": SLOT}],
        },
    ),
    "createScheduledPackageBulk": (
        "POST",
        "/easyShip/2022-03-23/packages/bulk",
        {
            "marketplaceId": "A2VIGQ35RCS4UG",
            "labelFormat": "PDF",
            "orderScheduleDetailsList": [{"amazonOrderId": ORDER, "packageDetails": DETAILS}],
        },
    ),
}


def paths(document: Any) -> list[tuple[Any, ...]]:
    """Every place in a document that can be changed."""
    rows = document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    return [(), *((key, *rest) for key, value in rows for rest in paths(value))]


def changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[path[0]] = changed(document[path[0]], path[1:], value)
    return copy


@settings(max_examples=200)
@given(
    case=st.sampled_from(sorted(RIGHT)).flatmap(
        lambda name: st.tuples(st.just(name), st.sampled_from(paths(RIGHT[name][2])))
    ),
    value=DOCUMENTS,
)
def test_no_wrong_member_breaks_it(case: tuple[str, tuple[Any, ...]], value: Any) -> None:
    """A right request in which one member is anything at all."""
    name, path = case
    method, where, right = RIGHT[name]
    fake, _, headers = made()
    api = "https://sellingpartnerapi-eu.amazon.com"
    made_document = fake.answer("POST", f"{api}/feeds/2021-06-30/documents", headers, b'{"contentType": "text/plain"}')
    document_id = json.loads(made_document.body)["feedDocumentId"]
    body = changed(right, path, value)
    if name == "createFeed" and isinstance(body, dict) and body.get("inputFeedDocumentId") == "amzn1.tortuga.x":
        body = {**body, "inputFeedDocumentId": document_id}
    if name == "updateScheduledPackages":
        fake.schedule_pickup(ORDER, fake.clock.now().date())
    if name == "createScheduledPackageBulk":
        rows = {"restrictedResources": [{"method": "POST", "path": where}]}
        text = json.dumps(rows).encode()
        token = fake.answer("POST", f"{api}/tokens/2021-03-01/restrictedDataToken", headers, text)
        headers["x-amz-access-token"] = json.loads(token.body)["restrictedDataToken"]
    answer = fake.answer(method, f"{api}{where}", headers, json.dumps(body).encode())
    assert answer.status in (200, 202, 400, 403, 404, 405)


def test_the_right_requests_are_right() -> None:
    assert {name: answer_to(name) for name in RIGHT} == {
        "createFeed": 400,  # its document is made by the test above
        "createReport": 202,
        "createRestrictedDataToken": 200,
        "patchListingsItem": 200,
        "listHandoverSlots": 200,
        "createScheduledPackage": 200,
        "updateScheduledPackages": 404,  # nothing is scheduled
        "createScheduledPackageBulk": 403,  # without a restricted token
    }


def answer_to(name: str) -> int:
    method, where, body = RIGHT[name]
    fake, _, headers = made()
    url = f"https://sellingpartnerapi-eu.amazon.com{where}"
    return fake.answer(method, url, headers, json.dumps(body).encode()).status


@settings(max_examples=60)
@given(body=st.binary(max_size=60) | DOCUMENTS.map(lambda value: json.dumps(value).encode()))
def test_no_feed_breaks_it(body: bytes) -> None:
    run_feed(body)


@settings(max_examples=100)
@given(
    messages=st.lists(
        st.fixed_dictionaries(
            {"messageId": st.integers(-1, 3) | SCALARS},
            optional={
                "sku": st.just("SKU-1") | DOCUMENTS,
                "operationType": st.sampled_from(["PATCH", "PARTIAL_UPDATE", "DELETE"]) | SCALARS,
                "productType": st.just("PRODUCT") | DOCUMENTS,
                "attributes": st.dictionaries(st.just("fulfillment_availability") | st.text(max_size=4), DOCUMENTS),
                "patches": st.lists(
                    st.fixed_dictionaries(
                        {
                            "op": st.sampled_from(["merge", "replace", "delete", "move"]),
                            "path": st.just("/attributes/fulfillment_availability") | st.text(max_size=6),
                        },
                        optional={
                            "value": st.lists(
                                st.fixed_dictionaries(
                                    {},
                                    optional={
                                        "fulfillment_channel_code": st.just("DEFAULT") | SCALARS,
                                        "quantity": st.integers(-2, 9) | DOCUMENTS,
                                        "lead_time_to_ship_max_days": SCALARS,
                                        "restock_date": SCALARS,
                                    },
                                ),
                                max_size=2,
                            )
                            | DOCUMENTS
                        },
                    ),
                    max_size=2,
                )
                | DOCUMENTS,
            },
        ),
        max_size=3,
    ),
    report=st.none() | st.fixed_dictionaries({"includedData": DOCUMENTS}),
)
def test_no_message_breaks_it(messages: list[Any], report: Any) -> None:
    header = {"sellerId": "A1SANDBOXSELLER", "version": "2.0", "report": report}
    run_feed(json.dumps({"header": header, "messages": messages}).encode())


def run_feed(body: bytes) -> None:
    fake, clock, headers = made()
    api = "https://sellingpartnerapi-eu.amazon.com/feeds/2021-06-30"
    document = json.loads(fake.answer("POST", f"{api}/documents", headers, b'{"contentType": "text/plain"}').body)
    upload = {"host": document["url"].split("/")[2], "content-type": "text/plain", "content-length": str(len(body))}
    assert fake.answer("PUT", document["url"], upload, body).status == 200
    for feed_type in ("JSON_LISTINGS_FEED", "POST_EASYSHIP_DOCUMENTS"):
        given_ = {
            "feedType": feed_type,
            "marketplaceIds": ["A2VIGQ35RCS4UG"],
            "inputFeedDocumentId": document["feedDocumentId"],
        }
        assert fake.answer("POST", f"{api}/feeds", headers, json.dumps(given_).encode()).status == 202
    clock.jump(60)
    assert {feed.status for feed in fake.feeds} <= {"DONE", "FATAL"}
    assert all(isinstance(quantity, int) and quantity >= 0 for quantity in fake.stock.values())
