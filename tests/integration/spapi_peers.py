"""Independent clients of the Selling Partner API at work on a server: ``python spapi_peers.py NAME ORIGIN``.

Run in a process of its own: one of them sets up logging for the whole process when it is imported. It prints what it
saw as one JSON object.
"""

from __future__ import annotations

import gzip
import io
import json
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import httpx

CLIENT_ID = "amzn1.application-oa2-client.00000000000000000000000000000000"
SECRET = "amzn1.oa2-cs.v1.sandbox00000000000000000000000000000000"
REFRESH_TOKEN = "Atzr|SandboxSandboxSandboxSandbox"
SELLER, MARKETPLACE = "A1SANDBOXSELLER", "A2VIGQ35RCS4UG"
SKU = "SKU/1 a"
KIND = "application/json; charset=UTF-8"
AFTER = "2020-01-01T00:00:00Z"


def patches(quantity: int) -> list[dict[str, Any]]:
    value = [{"fulfillment_channel_code": "DEFAULT", "quantity": quantity}]
    return [{"op": "merge", "path": "/attributes/fulfillment_availability", "value": value}]


def feed(quantity: int) -> str:
    message = {"messageId": 1, "sku": SKU, "operationType": "PATCH", "productType": "PRODUCT"}
    header = {"sellerId": SELLER, "version": "2.0", "issueLocale": "en_US"}
    return json.dumps({"header": header, "messages": [{**message, "patches": patches(quantity)}]})


def wait(ask: Callable[[], str]) -> str:
    for _ in range(100):
        if (status := ask()) in ("DONE", "FATAL", "CANCELLED"):
            return status
        time.sleep(0.05)
    raise TimeoutError("the feed did not end")


def python_amazon_sp_api(origin: str) -> dict[str, Any]:
    """``python-amazon-sp-api``: its endpoints are constants, so they are replaced; everything else is its own."""
    from sp_api.api import FeedsV20210630, ListingsItemsV20210801, Sellers
    from sp_api.api.orders.orders_2026_01_01 import OrdersV20260101
    from sp_api.auth import AccessTokenClient
    from sp_api.base import Client

    class Login(AccessTokenClient):  # type: ignore[misc]  # the package has no types
        scheme, _, host = origin.partition("://")
        scheme += "://"

    its_headers = Client.headers.fget
    assert its_headers is not None
    # It cuts "https://" off its endpoint to make a Host header: wrong for a server without TLS.
    Client.headers = property(lambda self: {n: v for n, v in its_headers(self).items() if n != "host"})
    options: dict[str, Any] = {
        "marketplace": SimpleNamespace(endpoint=origin, marketplace_id=MARKETPLACE, region="eu-west-1"),
        "credentials": {"lwa_app_id": CLIENT_ID, "lwa_client_secret": SECRET, "refresh_token": REFRESH_TOKEN},
        "auth_token_client_class": Login,
    }
    orders, listings, feeds = OrdersV20260101(**options), ListingsItemsV20210801(**options), FeedsV20210630(**options)
    found = orders.search_orders(lastUpdatedAfter=AFTER, includedData=["FULFILLMENT"]).payload
    order_id = found["orders"][0]["orderId"]
    order = orders.get_order(order_id, includedData=["FULFILLMENT"]).payload
    body = {"productType": "PRODUCT", "patches": patches(7)}
    patched = listings.patch_listings_item(SELLER, SKU, marketplaceIds=[MARKETPLACE], body=body).payload
    item = listings.get_listings_item(
        SELLER, SKU, marketplaceIds=[MARKETPLACE], includedData=["fulfillmentAvailability"]
    ).payload
    made, created = feeds.submit_feed("JSON_LISTINGS_FEED", io.BytesIO(feed(9).encode()), content_type=KIND)
    del made
    feed_id = created.payload["feedId"]
    status = wait(lambda: str(feeds.get_feed(feed_id).payload["processingStatus"]))
    document_id = feeds.get_feed(feed_id).payload["resultFeedDocumentId"]
    report = json.loads(feeds.get_feed_document(document_id))
    return {
        "order": [order_id, order["order"]["fulfillment"]["fulfillmentStatus"]],
        "patched": patched["status"],
        "quantity": item["fulfillmentAvailability"][0]["quantity"],
        "feed": status,
        "report": report["summary"],
        "store": Sellers(**options).get_marketplace_participation().payload[0]["marketplace"]["id"],
    }


def amzn_sp_api(origin: str) -> dict[str, Any]:
    """``amzn-sp-api``, Amazon's own; generated from the models."""
    import spapi
    from spapi.api.orders_v2026_01_01.get_order_api import GetOrderApi
    from spapi.api.orders_v2026_01_01.search_orders_api import SearchOrdersApi
    from spapi.models.feeds_v2021_06_30 import CreateFeedDocumentSpecification, CreateFeedSpecification
    from spapi.models.listings_items_v2021_08_01 import ListingsItemPatchRequest, PatchOperation

    config = spapi.SPAPIConfig(client_id=CLIENT_ID, client_secret=SECRET, refresh_token=REFRESH_TOKEN, region="EU")
    client = spapi.SPAPIClient(config, oauth_endpoint=f"{origin}/auth/o2/token", endpoint=origin).api_client
    found = SearchOrdersApi(client).search_orders(last_updated_after=AFTER, included_data=["FULFILLMENT"])
    order_id = found.orders[0].order_id
    order = GetOrderApi(client).get_order(order_id, included_data=["FULFILLMENT"]).order
    listings = spapi.ListingsApi(client)
    body = ListingsItemPatchRequest(
        product_type="PRODUCT",
        patches=[PatchOperation(op=p["op"], path=p["path"], value=p["value"]) for p in patches(7)],
    )
    patched = listings.patch_listings_item(SELLER, SKU, [MARKETPLACE], body)
    item = listings.get_listings_item(SELLER, SKU, [MARKETPLACE], included_data=["fulfillmentAvailability"])
    feeds = spapi.FeedsApi(client)
    document = feeds.create_feed_document(CreateFeedDocumentSpecification(content_type=KIND))
    httpx.put(document.url, content=feed(9).encode(), headers={"Content-Type": KIND}).raise_for_status()
    created = feeds.create_feed(
        CreateFeedSpecification(
            feed_type="JSON_LISTINGS_FEED",
            marketplace_ids=[MARKETPLACE],
            input_feed_document_id=document.feed_document_id,
        )
    )
    status = wait(lambda: str(feeds.get_feed(created.feed_id).processing_status))
    result = feeds.get_feed_document(feeds.get_feed(created.feed_id).result_feed_document_id)
    content = httpx.get(result.url).content
    report = json.loads(gzip.decompress(content) if result.compression_algorithm == "GZIP" else content)
    participations = spapi.SellersApi(client).get_marketplace_participations()
    return {
        "order": [order_id, order.fulfillment.fulfillment_status],
        "patched": patched.status,
        "quantity": item.fulfillment_availability[0].quantity,
        "feed": status,
        "report": report["summary"],
        "store": participations.payload[0].marketplace.id,
    }


if __name__ == "__main__":
    print(
        json.dumps({"python-amazon-sp-api": python_amazon_sp_api, "amzn-sp-api": amzn_sp_api}[sys.argv[1]](sys.argv[2]))
    )
