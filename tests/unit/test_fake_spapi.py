"""The fake Selling Partner API: access, usage plans, stock, orders and feeds as Amazon's pages describe them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from spapi_support import API, MARKETPLACE, Caller, stock_feed

from amazon_ae.testing import FakeSpApi, FakeSpApiSettings, SellerState, VirtualClock, make_item, make_order

ORDERS = "/orders/2026-01-01/orders"
ALL = "BUYER,RECIPIENT,PROCEEDS,FULFILLMENT,PACKAGES,TAX,PAYMENT,FULFILLMENT_ORDERS"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def fake(clock: VirtualClock) -> FakeSpApi:
    return FakeSpApi(clock=clock)


@pytest.fixture
async def call(fake: FakeSpApi) -> AsyncIterator[Caller]:
    caller = Caller(fake)
    yield caller
    await caller.http.aclose()


def code(answer: httpx.Response) -> str:
    return str(answer.json()["errors"][0]["code"])


# Access


async def test_a_refresh_token_buys_an_access_token_for_an_hour(call: Caller) -> None:
    answer = await call.sign_in()
    assert answer.status_code == 200
    assert answer.json()["expires_in"] == 3600
    assert answer.json()["access_token"].startswith("Atza|")


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"client_id": "nobody", "client_secret": ""}, 401, "invalid_client"),
        ({"refresh_token": "Atzr|other"}, 400, "invalid_grant"),
        ({"refresh_token": ""}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials", "scope": "all"}, 400, "invalid_scope"),
    ],
)
async def test_login_with_amazon_refuses_in_the_words_of_oauth(
    call: Caller, change: dict[str, str], status: int, error: str
) -> None:
    answer = await call.sign_in(**change)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


async def test_a_stranger_without_a_secret_gets_no_token(call: Caller) -> None:
    form = {"grant_type": "client_credentials", "scope": "sellingpartnerapi::notifications", "client_id": "nobody"}
    answer = await call.http.post("https://api.amazon.com/auth/o2/token", data=form)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_a_token_request_may_be_json(fake: FakeSpApi, call: Caller) -> None:
    given = fake.credentials
    body = {
        "grant_type": "refresh_token",
        "refresh_token": given.refresh_token,
        "client_id": given.client_id,
        "client_secret": given.client_secret,
    }
    answer = await call.http.post("https://api.amazon.com/auth/o2/token", json=body)
    assert answer.status_code == 200


async def test_an_old_token_is_refused_and_says_so(clock: VirtualClock, call: Caller) -> None:
    await call.sign_in()
    clock.jump(3601)
    answer = await call("GET", "/sellers/v1/account")
    assert (answer.status_code, code(answer)) == (403, "Unauthorized")
    assert "expired" in answer.json()["errors"][0]["details"]


async def test_a_missing_role_is_unauthorized(fake: FakeSpApi, call: Caller) -> None:
    fake.roles.discard("Product Listing")
    answer = await call.patch("SKU-1", 1)
    assert (answer.status_code, code(answer)) == (403, "Unauthorized")


async def test_a_sku_with_a_raw_slash_is_a_path_that_does_not_exist(fake: FakeSpApi, call: Caller) -> None:
    fake.add_sku("SKU/1")
    answer = await call("GET", "/listings/2021-08-01/items/A1SANDBOXSELLER/SKU/1", marketplaceIds=MARKETPLACE)
    assert (answer.status_code, code(answer)) == (403, "Unauthorized")


async def test_a_request_without_user_agent_is_refused(fake: FakeSpApi, call: Caller) -> None:
    await call.sign_in()
    headers = {"x-amz-access-token": call.token or "", "user-agent": ""}
    answer = await call.http.get(f"{API}/sellers/v1/account", headers=headers)
    assert answer.status_code == 400


# Usage plans


async def test_a_bucket_gives_its_burst_and_then_one_per_second_share(clock: VirtualClock, call: Caller) -> None:
    statuses = [(await call("GET", "/sellers/v1/account")).status_code for _ in range(16)]
    assert statuses == [200] * 15 + [429]
    clock.jump(62.5)
    assert (await call("GET", "/sellers/v1/account")).status_code == 200
    assert (await call("GET", "/sellers/v1/account")).status_code == 429


async def test_good_answers_tell_the_rate_and_throttled_ones_do_not(fake: FakeSpApi, call: Caller) -> None:
    good = await call("GET", ORDERS, lastUpdatedAfter="2021-11-01T00:00:00Z", marketplaceIds=MARKETPLACE)
    assert good.headers["x-amzn-ratelimit-limit"] == "0.0056"
    fake.spend("searchOrders", 100)
    throttled = await call("GET", ORDERS, lastUpdatedAfter="2021-11-01T00:00:00Z", marketplaceIds=MARKETPLACE)
    assert (throttled.status_code, code(throttled)) == (429, "QuotaExceeded")
    assert "x-amzn-ratelimit-limit" not in throttled.headers


async def test_a_changed_plan_shows_in_the_header_and_in_the_count(fake: FakeSpApi, call: Caller) -> None:
    fake.add_sku("SKU-1")
    fake.set_rate("patchListingsItem", 1, 2)
    answers = [await call.patch("SKU-1", number) for number in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].headers["x-amzn-ratelimit-limit"] == "1"


async def test_five_listings_feeds_fit_into_five_minutes(fake: FakeSpApi, clock: VirtualClock, call: Caller) -> None:
    fake.add_sku("SKU-1")
    document = await call.upload(stock_feed(("SKU-1", 1)))
    body = {"feedType": "JSON_LISTINGS_FEED", "marketplaceIds": [MARKETPLACE], "inputFeedDocumentId": document}
    statuses = [(await call("POST", "/feeds/2021-06-30/feeds", body)).status_code for _ in range(6)]
    assert statuses == [202] * 5 + [429]
    clock.jump(300)
    assert (await call("POST", "/feeds/2021-06-30/feeds", body)).status_code == 202


# Stock


async def test_a_patch_changes_the_stock_and_keeps_the_lead_time(fake: FakeSpApi, call: Caller) -> None:
    fake.add_sku("SKU/1 a")
    first = await call.patch("SKU/1 a", 5, lead_time_to_ship_max_days=3)
    await call.patch("SKU/1 a", 7)
    assert first.json()["status"] == "ACCEPTED"
    assert fake.stock == {"SKU/1 a": 7}
    shown = (await call.listing("SKU/1 a", "attributes", "fulfillmentAvailability")).json()
    assert shown["fulfillmentAvailability"] == [{"fulfillmentChannelCode": "DEFAULT", "quantity": 7}]
    assert shown["attributes"]["fulfillment_availability"][0]["lead_time_to_ship_max_days"] == 3


async def test_replace_forgets_the_lead_time(fake: FakeSpApi, call: Caller) -> None:
    fake.add_sku("SKU-1")
    await call.patch("SKU-1", 5, lead_time_to_ship_max_days=3)
    await call.patch("SKU-1", 7, op="replace")
    shown = (await call.listing("SKU-1", "attributes")).json()
    assert "lead_time_to_ship_max_days" not in shown["attributes"]["fulfillment_availability"][0]


async def test_a_refused_sku_is_invalid_in_a_good_answer(fake: FakeSpApi, call: Caller) -> None:
    fake.add_sku("SKU-1", 4)
    fake.refuse("SKU-1", "8541", "The item is blocked.", times=1)
    answer = await call.patch("SKU-1", 5)
    assert (answer.status_code, answer.json()["status"]) == (200, "INVALID")
    assert answer.json()["issues"][0]["code"] == "8541"
    assert fake.stock == {"SKU-1": 4}
    assert (await call.patch("SKU-1", 5)).json()["status"] == "ACCEPTED"


async def test_a_warning_comes_with_an_acceptance(fake: FakeSpApi, call: Caller) -> None:
    fake.add_sku("SKU-1")
    fake.warn("SKU-1", "18027", "The main image has text.")
    answer = (await call.patch("SKU-1", 5)).json()
    assert (answer["status"], answer["issues"][0]["severity"]) == ("ACCEPTED", "WARNING")
    assert fake.stock == {"SKU-1": 5}


async def test_a_validation_preview_changes_nothing(fake: FakeSpApi, call: Caller) -> None:
    fake.add_sku("SKU-1", 4)
    assert (await call.patch("SKU-1", 5, mode="VALIDATION_PREVIEW")).json()["status"] == "VALID"
    assert fake.stock == {"SKU-1": 4}


async def test_an_unknown_sku_is_invalid_or_a_bad_request_as_set(fake: FakeSpApi, call: Caller) -> None:
    assert (await call.patch("SKU-9", 5)).json()["status"] == "INVALID"
    fake.settings.unknown_sku = "bad_request"
    answer = await call.patch("SKU-9", 5)
    assert (answer.status_code, code(answer)) == (400, "BAD_REQUEST")


async def test_an_accepted_quantity_may_never_go_live(fake: FakeSpApi, call: Caller) -> None:
    fake.add_sku("SKU-1", 4)
    fake.state.frozen_skus.add("SKU-1")
    assert (await call.patch("SKU-1", 9)).json()["status"] == "ACCEPTED"
    shown = (await call.listing("SKU-1", "attributes", "fulfillmentAvailability")).json()
    assert shown["attributes"]["fulfillment_availability"][0]["quantity"] == 9
    assert shown["fulfillmentAvailability"][0]["quantity"] == 4


# Feeds


async def test_a_listings_feed_is_processed_and_reports_per_message(
    fake: FakeSpApi, clock: VirtualClock, call: Caller
) -> None:
    fake.add_sku("SKU-1")
    feed_id = await call.feed(stock_feed(("SKU-1", 3), ("SKU-9", 3)))
    assert (await call.get_feed(feed_id))["processingStatus"] == "IN_PROGRESS"
    clock.jump(60)
    feed = await call.get_feed(feed_id)
    assert feed["processingStatus"] == "DONE"
    report = json.loads(await call.document(feed["resultFeedDocumentId"]))
    assert report["summary"] == {
        "errors": 1,
        "warnings": 0,
        "messagesProcessed": 2,
        "messagesAccepted": 1,
        "messagesInvalid": 1,
    }
    assert report["issues"][0]["messageId"] == 2
    assert fake.stock == {"SKU-1": 3}


async def test_feeds_of_one_type_run_one_after_the_other(fake: FakeSpApi, clock: VirtualClock, call: Caller) -> None:
    fake.add_sku("SKU-1")
    first, second = [await call.feed(stock_feed(("SKU-1", quantity))) for quantity in (1, 2)]
    clock.jump(90)
    assert (await call.get_feed(first))["processingStatus"] == "DONE"
    assert (await call.get_feed(second))["processingStatus"] == "IN_PROGRESS"
    clock.jump(30)
    assert (await call.get_feed(second))["processingStatus"] == "DONE"
    assert fake.stock == {"SKU-1": 2}


async def test_a_fatal_feed_may_have_taken_some_of_its_messages(
    fake: FakeSpApi, clock: VirtualClock, call: Caller
) -> None:
    fake.add_sku("SKU-1")
    fake.add_sku("SKU-2")
    fake.end_feeds("FATAL", takes=1)
    feed_id = await call.feed(stock_feed(("SKU-1", 3), ("SKU-2", 3)))
    clock.jump(60)
    feed = await call.get_feed(feed_id)
    assert (feed["processingStatus"], "resultFeedDocumentId" in feed) == ("FATAL", False)
    assert fake.stock == {"SKU-1": 3, "SKU-2": 0}


async def test_a_stuck_feed_blocks_its_type_until_it_is_released(
    fake: FakeSpApi, clock: VirtualClock, call: Caller
) -> None:
    fake.add_sku("SKU-1")
    fake.end_feeds("IN_PROGRESS")
    first, second = [await call.feed(stock_feed(("SKU-1", quantity))) for quantity in (1, 2)]
    clock.jump(3 * 86_400)
    assert [feed.status for feed in fake.feeds] == ["IN_PROGRESS", "IN_QUEUE"]
    fake.release(first)
    await call.sign_in()
    clock.jump(60)
    assert (await call.get_feed(second))["processingStatus"] == "DONE"


async def test_only_a_feed_that_waits_can_be_cancelled(fake: FakeSpApi, call: Caller) -> None:
    fake.add_sku("SKU-1")
    first, second = [await call.feed(stock_feed(("SKU-1", quantity))) for quantity in (1, 2)]
    assert (await call("DELETE", f"/feeds/2021-06-30/feeds/{first}")).status_code == 400
    assert (await call("DELETE", f"/feeds/2021-06-30/feeds/{second}")).status_code == 200
    assert (await call.get_feed(second))["processingStatus"] == "CANCELLED"


async def test_stock_by_xml_ends_fatal_since_amazon_removed_it(clock: VirtualClock, call: Caller) -> None:
    feed_id = await call.feed(b"<AmazonEnvelope/>", "POST_INVENTORY_AVAILABILITY_DATA")
    clock.jump(60)
    assert (await call.get_feed(feed_id))["processingStatus"] == "FATAL"


async def test_a_fulfilment_feed_ships_the_order(fake: FakeSpApi, clock: VirtualClock, call: Caller) -> None:
    order_id = fake.new_order().amazon_order_id
    feed = (
        "<AmazonEnvelope><Header><DocumentVersion>1.01</DocumentVersion><MerchantIdentifier>A1SANDBOXSELLER"
        "</MerchantIdentifier></Header><MessageType>OrderFulfillment</MessageType><Message><MessageID>1</MessageID>"
        f"<OrderFulfillment><AmazonOrderID>{order_id}</AmazonOrderID><FulfillmentDate>2021-11-18T09:00:00Z"
        "</FulfillmentDate></OrderFulfillment></Message></AmazonEnvelope>"
    ).encode()
    feed_id = await call.feed(feed, "POST_ORDER_FULFILLMENT_DATA")
    clock.jump(60)
    report = await call.document((await call.get_feed(feed_id))["resultFeedDocumentId"])
    assert b"<MessagesSuccessful>1</MessagesSuccessful>" in report
    assert fake.orders[order_id].order.order_status == "Shipped"


async def test_feeds_are_listed_newest_first_and_a_token_stands_alone(fake: FakeSpApi, call: Caller) -> None:
    fake.add_sku("SKU-1")
    ids = [await call.feed(stock_feed(("SKU-1", quantity))) for quantity in range(3)]
    first = (await call("GET", "/feeds/2021-06-30/feeds", feedTypes="JSON_LISTINGS_FEED", pageSize=2)).json()
    assert [feed["feedId"] for feed in first["feeds"]] == ids[:0:-1]
    rest = (await call("GET", "/feeds/2021-06-30/feeds", nextToken=first["nextToken"])).json()
    assert [feed["feedId"] for feed in rest["feeds"]] == ids[:1]
    both = await call("GET", "/feeds/2021-06-30/feeds", nextToken=first["nextToken"], pageSize=2)
    assert both.status_code == 400


# The document store


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"Content-Type": "application/json"}, 403, "SignatureDoesNotMatch"),
        ({"x-amz-access-token": "Atza|x"}, 403, "AccessDenied"),
        ({"Authorization": "Bearer x"}, 400, "InvalidArgument"),
    ],
)
async def test_an_upload_must_match_what_was_signed(
    call: Caller, change: dict[str, str], status: int, error: str
) -> None:
    kind = "application/json; charset=UTF-8"
    made = (await call("POST", "/feeds/2021-06-30/documents", {"contentType": kind})).json()
    answer = await call.http.put(made["url"], content=b"{}", headers={"Content-Type": kind, **change})
    assert answer.status_code == status
    assert f"<Code>{error}</Code>" in answer.text


async def test_an_upload_may_not_be_chunked(call: Caller) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"{}"

    kind = "application/json; charset=UTF-8"
    made = (await call("POST", "/feeds/2021-06-30/documents", {"contentType": kind})).json()
    answer = await call.http.put(made["url"], content=parts(), headers={"Content-Type": kind})
    assert answer.status_code == 501


async def test_a_signed_url_ends_after_five_minutes(clock: VirtualClock, call: Caller) -> None:
    kind = "application/json; charset=UTF-8"
    made = (await call("POST", "/feeds/2021-06-30/documents", {"contentType": kind})).json()
    clock.jump(301)
    answer = await call.http.put(made["url"], content=b"{}", headers={"Content-Type": kind})
    assert answer.status_code == 403
    assert "Request has expired" in answer.text


# Orders


async def test_a_search_shows_an_easy_ship_order_with_its_items(
    fake: FakeSpApi, clock: VirtualClock, call: Caller
) -> None:
    item = make_item("SKU-1", 2, price="60.00")
    fake.add_order(make_order("404-1234567-1234567", items=[item]), [item])
    answer = await call("GET", ORDERS, lastUpdatedAfter="2021-11-01T00:00:00Z", includedData=ALL)
    (order,) = answer.json()["orders"]
    assert order["programs"] == ["AMAZON_EASY_SHIP"]
    assert order["fulfillment"]["fulfillmentStatus"] == "UNSHIPPED"
    assert order["packages"][0]["packageStatus"]["detailedStatus"] == "PENDING_SCHEDULE"
    assert order["orderItems"][0]["product"]["sellerSku"] == "SKU-1"
    assert order["orderItems"][0]["product"]["price"]["unitPrice"] == {"amount": "60.00", "currencyCode": "AED"}
    until = clock.now() - timedelta(minutes=2)
    assert answer.json()["lastUpdatedBefore"] == until.strftime("%Y-%m-%dT%H:%M:%SZ")


async def test_without_the_role_personal_data_is_left_out_in_silence(fake: FakeSpApi, call: Caller) -> None:
    fake.add_order(make_order("404-1234567-1234567"), [make_item()])
    fake.roles.discard("Direct to Consumer Shipping (Restricted)")
    path = f"{ORDERS}/404-1234567-1234567"
    order = (await call("GET", path, includedData=ALL)).json()["order"]
    assert "recipient" not in order
    assert order["buyer"] == {"buyerName": "Sample Buyer"}
    fake.roles.clear()
    fake.roles.add("Inventory and Order Tracking")
    assert "buyer" not in (await call("GET", path, includedData=ALL)).json()["order"]


async def test_a_page_token_wants_every_other_parameter_again(fake: FakeSpApi, call: Caller) -> None:
    for number in range(3):
        fake.add_order(make_order(f"404-1234567-000000{number}"), [make_item()])
    query = {"lastUpdatedAfter": "2021-11-01T00:00:00Z", "marketplaceIds": MARKETPLACE}
    first = (await call("GET", ORDERS, maxResultsPerPage=2, **query)).json()
    token = first["pagination"]["nextToken"]
    second = (await call("GET", ORDERS, maxResultsPerPage=100, paginationToken=token, **query)).json()
    assert [order["orderId"][-1] for page in (first, second) for order in page["orders"]] == ["0", "1", "2"]
    assert "pagination" not in second
    other = await call("GET", ORDERS, paginationToken=token, lastUpdatedAfter="2021-11-02T00:00:00Z")
    assert (other.status_code, code(other)) == (400, "InvalidInput")


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"createdAfter": "2021-11-01T00:00:00Z", "lastUpdatedAfter": "2021-11-01T00:00:00Z"},
        {"lastUpdatedAfter": "2021-11-01T00:00:00Z", "createdBefore": "2021-11-02T00:00:00Z"},
        {"lastUpdatedAfter": "2021-11-01T00:00:00Z", "lastUpdatedBefore": "2021-11-18T08:59:00Z"},
        {"lastUpdatedAfter": "yesterday"},
        {"lastUpdatedAfter": "2021-11-01T00:00:00Z", "maxResultsPerPage": "101"},
        {"lastUpdatedAfter": "2021-11-01T00:00:00Z", "fulfillmentStatuses": "Unshipped"},
    ],
)
async def test_a_search_that_breaks_a_rule_is_refused(call: Caller, query: dict[str, str]) -> None:
    answer = await call("GET", ORDERS, **query)
    assert (answer.status_code, code(answer)) == (400, "InvalidInput")


async def test_an_order_may_be_indexed_late(clock: VirtualClock) -> None:
    fake = FakeSpApi(state=SellerState(clock=clock, index_seconds=lambda order_id: 300.0))
    call = Caller(fake)
    fake.add_order(make_order("404-1234567-1234567"), [make_item()])
    query = {"lastUpdatedAfter": "2021-11-01T00:00:00Z"}
    assert (await call("GET", ORDERS, **query)).json()["orders"] == []
    assert (await call("GET", f"{ORDERS}/404-1234567-1234567")).status_code == 200
    clock.jump(300)
    assert len((await call("GET", ORDERS, **query)).json()["orders"]) == 1
    await call.http.aclose()


# Faults


async def test_a_fault_ends_at_its_instant(fake: FakeSpApi, clock: VirtualClock, call: Caller) -> None:
    fake.fail("getAccount", "unavailable", None, until=clock.now() + timedelta(seconds=60))
    assert [(await call("GET", "/sellers/v1/account")).status_code for _ in range(2)] == [503, 503]
    clock.jump(60)
    assert (await call("GET", "/sellers/v1/account")).status_code == 200


async def test_a_fault_strikes_a_share_of_requests_by_its_seed(clock: VirtualClock) -> None:
    async def statuses() -> list[int]:
        fake = FakeSpApi(clock=clock)
        fake.fail("getAccount", "internal_error", None, probability=0.5, seed=7)
        call = Caller(fake)
        found = [(await call("GET", "/sellers/v1/account")).status_code for _ in range(12)]
        await call.http.aclose()
        return found

    first = await statuses()
    assert first == await statuses()
    assert set(first) == {200, 500}


async def test_a_late_request_is_carried_out_after_its_sender_gave_up(
    fake: FakeSpApi, clock: VirtualClock, call: Caller
) -> None:
    fake.add_sku("SKU-1")
    await call.sign_in()
    fake.fail("patchListingsItem", "late", seconds=120)
    with pytest.raises(httpx.ReadTimeout):
        await call.patch("SKU-1", 5)
    assert fake.stock == {"SKU-1": 0}
    clock.jump(120)
    assert fake.stock == {"SKU-1": 5}


async def test_a_lost_answer_was_carried_out(fake: FakeSpApi, call: Caller) -> None:
    fake.add_sku("SKU-1")
    await call.sign_in()
    fake.fail("patchListingsItem", "answer_lost")
    with pytest.raises(httpx.ReadError):
        await call.patch("SKU-1", 5)
    assert fake.stock == {"SKU-1": 5}
    assert [seen.answered for seen in fake.requests if seen.operation == "patchListingsItem"] == [False]


async def test_a_name_that_no_operation_has_cannot_be_made_to_fail(fake: FakeSpApi) -> None:
    with pytest.raises(ValueError, match="no operation 'patchListingItem'"):
        fake.fail("patchListingItem", "unavailable")


async def test_settings_are_the_constructors_too(clock: VirtualClock) -> None:
    fake = FakeSpApi(clock=clock, settings=FakeSpApiSettings(sends_rate=False))
    call = Caller(fake)
    assert "x-amzn-ratelimit-limit" not in (await call("GET", "/sellers/v1/account")).headers
    await call.http.aclose()
