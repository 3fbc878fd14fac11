"""Orders: what is asked, and the rules that are checked before anything is sent."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from mws_support import NOW, ORDER_ID, Amazon, client_of, envelope, orders_page

from amazon_ae._exceptions import ConfigurationError

SINCE = NOW - timedelta(days=1)
EMPTY = orders_page([])


async def asked(**filters: Any) -> dict[str, str]:
    amazon = Amazon(EMPTY)
    await client_of(amazon).orders.list(**filters).all()
    return amazon.asked[0]


async def test_every_filter_is_asked_for_by_amazons_name() -> None:
    """Lists are numbered from 1, instants are UTC, the marketplace is the client's."""
    params = await asked(
        last_updated_after=SINCE,
        last_updated_before=NOW - timedelta(hours=1),
        order_statuses=["Unshipped", "PartiallyShipped"],
        fulfillment_channels=["MFN"],
        payment_methods=["COD", "Other"],
        easy_ship_shipment_statuses=["PendingPickUp"],
        tfm_shipment_statuses=["Lost"],
        max_results_per_page=7,
    )
    common = {
        "AWSAccessKeyId", "Action", "MWSAuthToken", "SellerId", "Signature", "SignatureMethod", "SignatureVersion",
        "Timestamp", "Version",
    }  # fmt: skip
    assert {name: value for name, value in params.items() if name not in common} == {
        "LastUpdatedAfter": "2021-11-17T09:00:00Z",
        "LastUpdatedBefore": "2021-11-18T08:00:00Z",
        "OrderStatus.Status.1": "Unshipped",
        "OrderStatus.Status.2": "PartiallyShipped",
        "MarketplaceId.Id.1": "A2VIGQ35RCS4UG",
        "FulfillmentChannel.Channel.1": "MFN",
        "PaymentMethod.Method.1": "COD",
        "PaymentMethod.Method.2": "Other",
        "EasyShipShipmentStatus.Status.1": "PendingPickUp",
        "TFMShipmentStatus.Status.1": "Lost",
        "MaxResultsPerPage": "7",
    }
    assert common <= params.keys()
    assert (params["Action"], params["Version"]) == ("ListOrders", "2013-09-01")


async def test_the_next_page_is_asked_for_by_its_token_alone() -> None:
    """And the common parameters."""
    amazon = Amazon(orders_page([ORDER_ID], "token+/="), EMPTY)
    await client_of(amazon).orders.list(created_after=SINCE, order_statuses=["Canceled"]).all()
    second = amazon.asked[1]
    assert (second["Action"], second["NextToken"]) == ("ListOrdersByNextToken", "token+/=")
    assert not {"CreatedAfter", "OrderStatus.Status.1", "MarketplaceId.Id.1"} & second.keys()


async def test_the_end_of_the_window_is_at_most_two_minutes_before_now() -> None:
    """A later one is brought back; an earlier one stays."""
    assert (await asked(created_after=SINCE, created_before=NOW))["CreatedBefore"] == "2021-11-18T08:58:00Z"
    assert (await asked(last_updated_after=SINCE, last_updated_before=NOW))[
        "LastUpdatedBefore"
    ] == "2021-11-18T08:58:00Z"
    early = NOW - timedelta(minutes=2, seconds=1)
    assert (await asked(created_after=SINCE, created_before=early))["CreatedBefore"] == "2021-11-18T08:57:59Z"
    assert "CreatedBefore" not in await asked(created_after=SINCE)


@pytest.mark.parametrize(
    ("filters", "rule"),
    [
        ({}, "exactly one"),
        ({"created_after": SINCE, "last_updated_after": SINCE}, "exactly one"),
        ({"buyer_email": "a@b"}, "need created_after"),
        ({"created_after": SINCE, "order_statuses": ["Unshipped"]}, "together"),
        ({"created_after": SINCE, "order_statuses": ["PartiallyShipped", "Shipped"]}, "together"),
        ({"created_after": SINCE, "order_statuses": "Shipped"}, "list of texts"),
        ({"created_after": SINCE, "order_statuses": ["Shipped", ""]}, "order_statuses"),
        ({"created_after": SINCE, "fulfillment_channels": "MFN"}, "list of texts"),
        ({"created_after": SINCE, "max_results_per_page": 0}, "1 to 100"),
        ({"created_after": SINCE, "max_results_per_page": 101}, "1 to 100"),
        ({"created_after": SINCE, "max_results_per_page": True}, "1 to 100"),
        ({"created_after": SINCE, "marketplace_ids": []}, "1 to 50"),
        ({"created_after": SINCE, "marketplace_ids": ["A"] * 51}, "1 to 50"),
        ({"created_after": SINCE, "buyer_email": "a@b", "seller_order_id": "1"}, "exclude each other"),
        ({"created_after": SINCE, "buyer_email": "a@b", "order_statuses": ["Shipped"]}, "exclude each other"),
        ({"created_after": SINCE, "buyer_email": "a@b", "fulfillment_channels": ["MFN"]}, "exclude each other"),
        ({"created_after": SINCE, "buyer_email": "a@b", "payment_methods": ["COD"]}, "exclude each other"),
        ({"last_updated_after": SINCE, "buyer_email": "a@b"}, "exclude each other"),
        ({"created_after": SINCE, "buyer_email": "a@b", "last_updated_before": NOW}, "exclude each other"),
        ({"last_updated_after": SINCE, "seller_order_id": "1"}, "exclude each other"),
        ({"created_after": SINCE, "seller_order_id": "1", "order_statuses": ["Shipped"]}, "exclude each other"),
        ({"created_after": datetime(2021, 1, 1)}, "aware"),  # noqa: DTZ001
        ({"created_after": SINCE, "created_before": datetime(2021, 1, 2)}, "aware"),  # noqa: DTZ001
        ({"created_after": SINCE, "created_before": SINCE}, "earlier than created_before"),
        ({"last_updated_after": NOW - timedelta(minutes=1), "last_updated_before": NOW}, "two minutes"),
    ],
)
async def test_a_broken_rule_is_named_and_nothing_is_sent(filters: dict[str, Any], rule: str) -> None:
    """Exclusive filters, statuses that go together, sizes, instants."""
    amazon = Amazon(EMPTY)
    with pytest.raises(ConfigurationError, match=rule):
        await client_of(amazon).orders.list(**filters).all()
    assert not amazon.asked


async def test_get_many_asks_for_fifty_at_a_time_and_leaves_out_the_unknown() -> None:
    """101 ids, one of them twice: three calls of 50, 50 and 1."""
    wanted = [f"403-0000000-{n:07d}" for n in range(101)]

    def answer(params: dict[str, str]) -> bytes:
        ids = [value for name, value in params.items() if name.startswith("AmazonOrderId.Id.")]
        return orders_page([one for one in ids if one != wanted[7]], action="GetOrder")

    amazon = Amazon(answer)
    found = await client_of(amazon).orders.get_many([*wanted, wanted[0]])
    assert sorted(one.amazon_order_id for one in found) == [one for one in wanted if one != wanted[7]]
    sizes = [sum(name.startswith("AmazonOrderId.Id.") for name in params) for params in amazon.asked]
    assert sizes == [50, 50, 1]
    assert "AmazonOrderId.Id.1" in amazon.asked[0]


async def test_no_ids_cost_no_request() -> None:
    """And one unknown id gives None."""
    amazon = Amazon(orders_page([], action="GetOrder"))
    client = client_of(amazon)
    assert await client.orders.get_many([]) == ()
    assert not amazon.asked
    assert await client.orders.get(ORDER_ID) is None


@pytest.mark.parametrize(
    "order_id",
    ["", "403-1234567", "403-1234567-76543210", "S01-1234567-1234567", "٤٠٣-1234567-7654321", f"{ORDER_ID}\n"],
)
async def test_what_is_no_order_id_is_refused_before_sending(order_id: str) -> None:
    """3-7-7 digits, for orders and for items; one bad id refuses the whole list."""
    amazon = Amazon(EMPTY)
    client = client_of(amazon)
    with pytest.raises(ConfigurationError, match="3-7-7"):
        await client.orders.get_many([ORDER_ID, order_id])
    with pytest.raises(ConfigurationError, match="3-7-7"):
        await client.orders.items(order_id)
    assert not amazon.asked


async def test_every_section_tells_its_status() -> None:
    """GetServiceStatus of all five, with Amazon's notes."""
    body = envelope(
        "GetServiceStatus",
        "<Status>GREEN_I</Status><Timestamp>2021-11-18T09:00:00.000Z</Timestamp><MessageId>173964729I</MessageId>"
        "<Messages><Message><Locale>en_US</Locale><Text>Slow today</Text></Message></Messages>",
    )
    amazon = Amazon(body)
    client = client_of(amazon)
    for section in (client.orders, client.feeds, client.sellers, client.easy_ship, client.reports):
        status = await section.service_status()
        assert (status.status, status.timestamp, status.message_id) == ("GREEN_I", NOW, "173964729I")
        assert (status.messages[0].locale, status.messages[0].text) == ("en_US", "Slow today")
        assert status.meta.request_id == "req-1"
    assert [request.url.path for request in amazon.requests] == [
        "/Orders/2013-09-01", "/Feeds/2009-01-01", "/Sellers/2011-07-01", "/EasyShip/2018-09-01", "/Reports/2009-01-01",
    ]  # fmt: skip
    assert set(amazon.actions) == {"GetServiceStatus"}
