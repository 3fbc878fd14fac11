"""What an error tracker collects, every variable of every frame, holds no key, no token and no buyer."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest
from error_tracker import variables
from mws_support import CREDENTIALS, ORDER_ID, Amazon, client_of, envelope, order

from amazon_ae import (
    AE,
    AmazonAeError,
    ItemKind,
    MwsClient,
    PostgresStorage,
    RetryPolicy,
    SpApiClient,
    read_notification,
)
from amazon_ae._models.stored import Change
from amazon_ae.testing import FakeSpApi, VirtualClock

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)
ONE, OTHER = "404-1234567-1234567", "404-7654321-7654321"
KEYS = FakeSpApi(clock=VirtualClock(NOW)).credentials
BUYER = {"buyer": {"buyerName": "BUYERNAME"}, "recipient": {"deliveryAddress": {"addressLine1": "STREET-7"}}}
XML = "<BuyerName>BUYERNAME</BuyerName><ShippingAddress><AddressLine1>STREET-7</AddressLine1></ShippingAddress>"
SECRETS = ["BUYERNAME", "STREET-7", "GIFTTEXT", "PASSWORD-1", "Atza|", "X-Amz-Signature", KEYS.client_secret,
           KEYS.refresh_token, CREDENTIALS.secret_key, str(CREDENTIALS.auth_token), "top%2Fsecret"]  # fmt: skip


def check(error: BaseException) -> None:
    """No secret in what is collected."""
    text = variables(error)
    for secret in SECRETS:
        assert secret not in text, text


def mws(*answers: Any) -> MwsClient:
    return client_of(Amazon(*answers), retries=RetryPolicy(delays_seconds=()))


def spapi(answer: Any) -> SpApiClient:
    async def far(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/o2/token"):
            return httpx.Response(200, json={"access_token": "Atza|x", "token_type": "bearer", "expires_in": 3600})
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(200, content=answer)

    http = httpx.AsyncClient(transport=httpx.MockTransport(far))
    return SpApiClient(KEYS, AE, http=http, clock=VirtualClock(NOW), retries=RetryPolicy(delays_seconds=()))


def listing(*, body: bytes) -> Any:
    return mws(body).orders.list(created_after=NOW - timedelta(days=9)).all()


ITEM = "<OrderItem><GiftMessageText>GIFTTEXT</GiftMessageText>{}</OrderItem>"
ITEMS = [
    envelope("ListOrderItems", f"<OrderItems>{ITEM.format('')}</OrderItems>"),
    envelope("ListOrderItems", f"<OrderItems>{ITEM.format('<OrderItemId>1</OrderItemId>')}</OrderItems>"),
    envelope("ListOrderItems", f"<AmazonOrderId>x</AmazonOrderId><OrderItems>{ITEM}</OrderItems>"),
    envelope("ListOrderItems", f"<OrderItems>{ITEM}</OrderItems>")[:-70],
]
PAGES = [
    envelope("ListOrders", f"<Orders><Order>{XML}</Order></Orders>")[:-70],
    envelope("ListOrders", f"<X>{XML}</X>"),
    f"<Foo>{XML}</Foo>".encode(),
    f"<!DOCTYPE x [<!ENTITY a 'b'>]><Foo>{XML}</Foo>".encode(),
]
GETS = [
    envelope("GetOrder", f"<Orders>{order('403-1234567-7654322', XML)}</Orders>"),
    envelope("GetOrder", f"<Orders><Order>{XML}</Order></Orders>"),
    envelope("GetOrder", f"<Orders><Order>{XML}<b></Order></Orders>"),
]
JSON = [
    {"x": BUYER},
    {"order": {"orderId": OTHER, **BUYER}},
    {"order": {"orderId": ONE, **BUYER, "orderItems": [None]}},
    {"errors": [{"code": "x", "message": "Atza|abc"}], **BUYER},
    {"url": "https://documents.example?X-Amz-Signature=1"},
]
LOST = [httpx.ReadError("x"), httpx.ConnectError("x")]


def items(body: bytes) -> Any:
    return mws(body).orders.items(ORDER_ID)


def get(answer: Any) -> Any:
    return mws(answer).orders.get(ORDER_ID)


def submit(error: Exception) -> Any:
    return mws(error).feeds.submit("X", b"BUYERNAME", content_type="text/xml")


def get_order(body: object) -> Any:
    return spapi(json.dumps(body).encode()).orders.get(ONE)


def create_feed(error: Exception) -> Any:
    return spapi(error).feeds.create("X", "D")


CALLS: list[Callable[[], Any]] = [
    *(partial(items, body) for body in ITEMS),
    *(partial(listing, body=body) for body in PAGES),
    *(partial(get, answer) for answer in [*GETS, *LOST]),
    *(partial(submit, error) for error in LOST),
    lambda: mws(httpx.ReadError("x")).orders.list(created_after=NOW, buyer_email="BUYERNAME").all(),
    lambda: mws(b"").orders.list(created_after=NOW, buyer_email="BUYERNAME", seller_order_id="1").all(),
    *(partial(get_order, body) for body in JSON),
    lambda: spapi(json.dumps({"orders": [BUYER]}).encode()[:-3]).orders.get(ONE),
    lambda: spapi(json.dumps(JSON[-1]).encode()).feeds.get_document("D"),
    *(partial(create_feed, error) for error in LOST),
    lambda: read_notification(json.dumps({"NotificationType": "ORDER_CHANGE", "Payload": BUYER})),
    lambda: read_notification('{"x":"BUYERNAME"'),
]


@pytest.mark.parametrize("call", CALLS)
async def test_a_failed_call_shows_no_secret_and_no_buyer(call: Callable[[], Any]) -> None:
    """Whatever went wrong, on either backend."""

    async def perform() -> None:
        found = call()
        if inspect.isawaitable(found):
            await found

    with pytest.raises(AmazonAeError) as caught:
        await perform()
    check(caught.value)


async def test_a_call_that_is_given_up_shows_no_token() -> None:
    """The time-out of a host strikes inside the exchange, whose URL has MWS's token."""

    async def never(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(3600)
        raise AssertionError("unreachable")

    client = client_of(never)
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0.01):
            await client.orders.get(ORDER_ID)
    check(caught.value)


@pytest.mark.parametrize(
    "conninfo", ["postgresql://user:PASSWORD-1@127.0.0.1:1/x", "postgresql://user:PASSWORD-1@[bad", "PASSWORD-1"]
)
async def test_a_database_out_of_reach_shows_no_password(conninfo: str) -> None:
    """Neither the driver's frames nor ours."""
    pytest.importorskip("psycopg_pool")

    async def use() -> None:
        async with PostgresStorage(conninfo, timeout_seconds=1.0) as storage:
            await storage.put("A1SELLER/AE", ItemKind.INVENTORY, [Change("A", "{}")])

    with pytest.raises(AmazonAeError) as caught:
        await use()
    check(caught.value)
