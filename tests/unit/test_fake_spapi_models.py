"""Amazon's own models and schemas judge every answer of the fake (``--spapi DIR``)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from spapi_support import MARKETPLACE, Caller, Judge, documents_feed, stock_feed

from amazon_ae.testing import FakeSpApi, VirtualClock, make_item, make_order
from amazon_ae.testing._spapi.plans import OPERATIONS

ORDER, OTHER = "404-1234567-1234567", "404-1234567-1234568"
EASY_SHIP = "/easyShip/2022-03-23"
BULK = f"{EASY_SHIP}/packages/bulk"
ALL = "BUYER,RECIPIENT,PROCEEDS,EXPENSE,PROMOTION,CANCELLATION,FULFILLMENT,PACKAGES,TAX,PAYMENT,FULFILLMENT_ORDERS"
MEASURES = {
    "packageDimensions": {"length": 30, "width": 20, "height": 10, "unit": "cm"},
    "packageWeight": {"value": 750, "unit": "g"},
}
OPERATION_NAMES = frozenset(operation.name for operation in OPERATIONS)
SKU_DATA = "summaries,attributes,issues,offers,fulfillmentAvailability,procurement,relationships,productTypes"


@pytest.fixture(scope="session")
def judge(spapi_material: Path) -> Judge:
    return Judge(spapi_material)


async def run_everything(fake: FakeSpApi, clock: VirtualClock, call: Caller) -> None:
    """Every operation, with good and bad requests."""
    fake.add_sku("SKU-1", 3)
    fake.add_sku("SKU/2 #")
    fake.warn("SKU/2 #", "18027", "The main image has text.")
    for order_id in (ORDER, OTHER):
        fake.add_order(make_order(order_id), [make_item("SKU-1", 2)])
    await _sellers_and_tokens(call)
    await _orders(call)
    await _listings(call)
    await _feeds(fake, clock, call)
    await _easy_ship(fake, call)
    await _documents(clock, call)
    await _reports(clock, call)


async def _sellers_and_tokens(call: Caller) -> None:
    await call("GET", "/sellers/v1/account")
    await call("GET", "/sellers/v1/marketplaceParticipations")
    token = "/tokens/2021-03-01/restrictedDataToken"
    await call("POST", token, {"restrictedResources": [{"method": "POST", "path": BULK}]})
    await call("POST", token, {"restrictedResources": [{"method": "GET", "path": "/nowhere"}]})


async def _orders(call: Caller) -> None:
    path = "/orders/2026-01-01/orders"
    first = await call("GET", path, lastUpdatedAfter="2021-11-01T00:00:00Z", includedData=ALL, maxResultsPerPage=1)
    token = first.json()["pagination"]["nextToken"]
    await call("GET", path, lastUpdatedAfter="2021-11-01T00:00:00Z", includedData=ALL, paginationToken=token)
    await call("GET", path, createdAfter="2021-11-01T00:00:00Z")
    await call("GET", path)
    await call("GET", f"{path}/{ORDER}", includedData=ALL)
    await call("GET", f"{path}/404-0000000-0000000")


async def _listings(call: Caller) -> None:
    await call.patch("SKU-1", 5, lead_time_to_ship_max_days=2, restock_date="2021-12-01")
    await call.patch("SKU/2 #", 5, includedData="identifiers,issues")
    await call.patch("SKU-9", 5)
    await call.patch("SKU-1", -5)
    await call.patch("SKU-1", 5, mode="VALIDATION_PREVIEW", includedData="identifiers,issues")
    await call.patch("SKU-1", 5, mode="wrong")
    await call.listing("SKU/2 #", *SKU_DATA.split(","))
    await call.listing("SKU-9")
    await call("GET", "/listings/2021-08-01/items/A1SANDBOXSELLER", marketplaceIds=MARKETPLACE, pageSize=1)


async def _feeds(fake: FakeSpApi, clock: VirtualClock, call: Caller) -> None:
    fake.end_feeds("FATAL", takes=1)
    included = {"includedData": SKU_DATA.split(","), "apiVersion": "2021-08-01"}
    bodies = (
        stock_feed(("SKU-1", 7)),
        stock_feed(("SKU-1", 8), ("SKU-9", 1), report=included),
        b"not JSON",
        stock_feed(("SKU/2 #", 1)),
    )
    ids = [await call.feed(body) for body in bodies]
    await call.get_feed(ids[1])
    await call("DELETE", f"/feeds/2021-06-30/feeds/{ids[3]}")
    await call("DELETE", f"/feeds/2021-06-30/feeds/{ids[0]}")
    await call("GET", "/feeds/2021-06-30/feeds/1")
    await call("GET", "/feeds/2021-06-30/documents/1")
    await call("POST", "/feeds/2021-06-30/feeds", {"feedType": "NO_SUCH", "marketplaceIds": [MARKETPLACE]})
    clock.jump(600)
    await call("GET", "/feeds/2021-06-30/feeds", feedTypes="JSON_LISTINGS_FEED", pageSize=2)
    for feed_id in ids:
        feed = await call.get_feed(feed_id)
        if "resultFeedDocumentId" in feed:
            await call.document(feed["resultFeedDocumentId"])


async def _easy_ship(fake: FakeSpApi, call: Caller) -> None:
    fake.settings.gives_drop_off = True
    about = {"marketplaceId": MARKETPLACE, "amazonOrderId": ORDER}
    slots = (await call("POST", f"{EASY_SHIP}/timeSlot", {**about, **MEASURES})).json()["timeSlots"]
    await call("POST", f"{EASY_SHIP}/timeSlot", {**about, "packageDimensions": {}, "packageWeight": {}})
    await call("GET", f"{EASY_SHIP}/package", amazonOrderId=ORDER, marketplaceId=MARKETPLACE)
    details: dict[str, Any] = {
        "packageItems": [{"orderItemId": "10000000000001", "orderItemSerialNumbers": ["SN1"]}],
        "packageTimeSlot": slots[1],
        "packageIdentifier": "PACK-7",
    }
    for _ in range(2):
        await call("POST", f"{EASY_SHIP}/package", {**about, "packageDetails": details})
    await call("GET", f"{EASY_SHIP}/package", amazonOrderId=ORDER, marketplaceId=MARKETPLACE)
    row = {"scheduledPackageId": {"amazonOrderId": ORDER}, "packageTimeSlot": slots[3]}
    await call("PATCH", f"{EASY_SHIP}/package", {"marketplaceId": MARKETPLACE, "updatePackageDetailsList": [row]})
    token = "/tokens/2021-03-01/restrictedDataToken"
    answer = await call("POST", token, {"restrictedResources": [{"method": "POST", "path": BULK}]})
    plain, call.token = call.token, answer.json()["restrictedDataToken"]
    rows = [{"amazonOrderId": order_id} for order_id in (ORDER, OTHER, "404-0000000-0000000")]
    bulk = {"marketplaceId": MARKETPLACE, "orderScheduleDetailsList": rows, "labelFormat": "PDF"}
    await call("POST", BULK, bulk)
    call.token = plain
    await call("POST", BULK, bulk)
    fake.settings.easy_ship = "bulk"
    await call("POST", f"{EASY_SHIP}/timeSlot", {**about, **MEASURES})


async def _documents(clock: VirtualClock, call: Caller) -> None:
    feed_id = await call.feed(documents_feed(ORDER, "404-0000000-0000000"), "POST_EASYSHIP_DOCUMENTS")
    clock.jump(300)
    report = await call.document((await call.get_feed(feed_id))["resultFeedDocumentId"])
    reference = report.split(b"ReferenceId>")[1].split(b"<")[0].decode()
    document_id = (await call("GET", f"/reports/2021-06-30/reports/{reference}")).json()["reportDocumentId"]
    await call("GET", f"/reports/2021-06-30/documents/{document_id}")
    path = f"/reports/2021-06-30/documents/{document_id}"
    token = "/tokens/2021-03-01/restrictedDataToken"
    answer = await call("POST", token, {"restrictedResources": [{"method": "GET", "path": path}]})
    plain, call.token = call.token, answer.json()["restrictedDataToken"]
    assert (await call.document(document_id, "reports")).startswith(b"%PDF")
    call.token = plain


async def _reports(clock: VirtualClock, call: Caller) -> None:
    path = "/reports/2021-06-30/reports"
    for kind in ("GET_EASYSHIP_WAITING_FOR_PICKUP", "GET_EASYSHIP_DOCUMENTS", "NO_SUCH"):
        await call("POST", path, {"reportType": kind, "marketplaceIds": [MARKETPLACE]})
    ids = [
        r["reportId"]
        for r in (await call("GET", path, reportTypes="GET_EASYSHIP_WAITING_FOR_PICKUP")).json()["reports"]
    ]
    clock.jump(60)
    done = (await call("GET", f"{path}/{ids[0]}")).json()
    assert b"order-id" in await call.document(done["reportDocumentId"], "reports")
    other = await call("POST", path, {"reportType": "GET_MERCHANT_LISTINGS_ALL_DATA", "marketplaceIds": [MARKETPLACE]})
    await call("DELETE", f"{path}/{other.json()['reportId']}")
    await call("DELETE", f"{path}/{ids[0]}")


async def test_every_answer_is_one_that_amazons_models_allow(judge: Judge) -> None:
    clock = VirtualClock()
    fake = FakeSpApi(clock=clock)
    call = Caller(fake)
    await run_everything(fake, clock, call)
    await call.http.aclose()
    judged = {
        judge.check(method, path, answer.status_code, answer.json() if answer.content else None)
        for method, path, answer in call.seen
    }
    assert len(judged) == 24
    assert {answer.status_code for _, _, answer in call.seen} == {200, 201, 202, 400, 403, 404}


@pytest.mark.parametrize("fault", ["throttled", "internal_error", "unavailable", "unauthorized"])
async def test_ordered_errors_are_in_the_models_too(judge: Judge, fault: str) -> None:
    fake = FakeSpApi(clock=VirtualClock())
    call = Caller(fake)
    await call.sign_in()
    fake.fail("*", fault, None)
    for method, path in (
        ("GET", "/orders/2026-01-01/orders"),
        ("GET", "/sellers/v1/account"),
        ("POST", f"{EASY_SHIP}/timeSlot"),
        ("POST", "/feeds/2021-06-30/feeds"),
    ):
        answer = await call(method, path, {} if method == "POST" else None)
        judge.check(method, path, answer.status_code, answer.json())
    await call.http.aclose()


async def test_processing_reports_follow_amazons_schema(spapi_material: Path) -> None:
    schema = json.loads((spapi_material / "schemas" / "listings-feed-processing-report-schema-v2.json").read_text())
    clock = VirtualClock()
    fake = FakeSpApi(clock=clock)
    call = Caller(fake)
    fake.add_sku("SKU-1")
    included = {"includedData": SKU_DATA.split(","), "apiVersion": "2021-08-01"}
    reports = []
    for body in (b"{", stock_feed(("SKU-1", 1)), stock_feed(("SKU-1", -1), ("SKU-9", 1), report=included)):
        feed_id = await call.feed(body)
        clock.jump(60)
        feed = await call.get_feed(feed_id)
        reports.append(json.loads(await call.document(feed["resultFeedDocumentId"])))
    await call.http.aclose()
    for report in reports:
        jsonschema.validate(report, schema)
    assert [report["summary"]["messagesInvalid"] for report in reports] == [0, 0, 2]


async def test_amazons_own_example_feed_can_be_read(spapi_material: Path) -> None:
    text = (spapi_material / "schemas" / "listings-feed-schema-v2.example.json").read_text()
    clock = VirtualClock()
    fake = FakeSpApi(clock=clock)
    call = Caller(fake)
    for sku in "ABCDE":
        fake.add_sku(f"My-SKU-{sku}")
    feed_id = await call.feed(text.replace("AXXXXXXXXXXXX", "A1SANDBOXSELLER").encode())
    clock.jump(60)
    report = json.loads(await call.document((await call.get_feed(feed_id))["resultFeedDocumentId"]))
    await call.http.aclose()
    # DELETE and UPDATE are not this fake's: two of five are refused, and said so.
    assert report["summary"]["messagesAccepted"] == 3
    assert fake.stock["My-SKU-B"] == fake.stock["My-SKU-D"] == fake.stock["My-SKU-E"] == 10


async def test_what_amazons_sandbox_refuses_the_fake_refuses_too(spapi_material: Path, judge: Judge) -> None:
    """Each error pair of an operation that the fake has; ``getAccount``'s and ``cancelReport``'s have no request."""
    pairs = json.loads((spapi_material / "sandbox_pairs.json").read_text())["pairs"]
    refused = 0
    for pair in pairs:
        given = pair["request"].get("parameters", {})
        if pair["status"] < 400 or not given or pair["operation"] not in OPERATION_NAMES:
            continue
        call = Caller(FakeSpApi(clock=VirtualClock()))
        values = {name: value.get("value", value) for name, value in given.items()}
        path = str(pair["path"])
        for name in re.findall(r"{(\w+)}", path):
            path = path.replace(f"{{{name}}}", str(values.pop(name, "A1SANDBOXSELLER")))
        body = values.pop("body", None)
        if pair["operation"] == "createScheduledPackageBulk":
            rows = [{"method": "POST", "path": BULK}]
            token = await call("POST", "/tokens/2021-03-01/restrictedDataToken", {"restrictedResources": rows})
            call.token = token.json()["restrictedDataToken"]
        answer = await call(pair["method"], path, {} if body is None and pair["method"] == "PATCH" else body, **values)
        await call.http.aclose()
        assert answer.status_code in (400, 403, 404), (pair["operation"], answer.text)
        judge.check(pair["method"], path, answer.status_code, answer.json())
        refused += 1
    assert refused == 27


def test_the_judge_can_tell_a_wrong_answer(judge: Judge) -> None:
    with pytest.raises(jsonschema.ValidationError):
        judge.check("GET", "/feeds/2021-06-30/feeds/1", 200, {"feedId": "1"})
    with pytest.raises(AssertionError, match="no model"):
        judge.check("GET", "/nowhere", 200, httpx.Response(200))
