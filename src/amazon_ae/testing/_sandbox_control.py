"""The sandbox's own pages below ``/__sandbox``, on the port of either backend: JSON, no signature, no token.

* ``GET /__sandbox/state``: stock, orders, pickups, feeds of both backends, documents, request counts.
* ``POST /__sandbox/faults``: ``{"action": "SubmitFeed", "fault": "never_answered", "times": 1}`` on the port of the
  backend that shall fail; with ``seconds``, ``for_seconds``, ``probability``, ``seed`` and ``feed_type`` if wanted.
* ``POST /__sandbox/stock``: ``{"SKU-1": 5}`` sets what is live, to plant a difference.
* ``POST /__sandbox/orders``: ``{"order_id": "171-...", "status": "Canceled"}`` changes an order, as a buyer does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from amazon_ae.testing._mws import FakeMws
from amazon_ae.testing._mws.wire import instant
from amazon_ae.testing._spapi import FakeSpApi

__all__ = ["describe", "with_control"]

Given = dict[str, Any]


def with_control(fake: FakeMws | FakeSpApi, *, mws: FakeMws, spapi: FakeSpApi) -> Starlette:
    """The web application of one backend, with the sandbox's pages beside it."""

    async def state(request: Request) -> JSONResponse:
        del request
        return JSONResponse(describe(mws, spapi))

    def order_fault(given: Given) -> None:
        seconds = given.get("for_seconds")
        fake.fail(
            str(given["action"]),
            str(given["fault"]),
            None if given.get("times", 1) is None else int(given.get("times", 1)),
            until=None if seconds is None else fake.state.now() + timedelta(seconds=float(seconds)),
            probability=float(given.get("probability", 1)),
            seed=int(given.get("seed", 0)),
            seconds=float(given.get("seconds", 0)),
            feed_type=given.get("feed_type"),
        )

    def set_stock(given: Given) -> None:
        for sku, quantity in given.items():
            fake.add_sku(sku, int(quantity))

    def change_order(given: Given) -> None:
        fake.change_order(str(given["order_id"]), status=given.get("status"))

    return Starlette(
        routes=[
            Route("/__sandbox/state", state, methods=["GET"]),
            Route("/__sandbox/faults", _changing(order_fault), methods=["POST"]),
            Route("/__sandbox/stock", _changing(set_stock), methods=["POST"]),
            Route("/__sandbox/orders", _changing(change_order), methods=["POST"]),
            Route("/__sandbox/{rest:path}", _missing, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
            Mount("/", app=fake),
        ]
    )


def _changing(change: Callable[[Given], None]) -> Callable[[Request], Awaitable[JSONResponse]]:
    async def answer(request: Request) -> JSONResponse:
        try:
            given = await request.json() if await request.body() else {}
            if not isinstance(given, dict):
                raise TypeError("a JSON object is expected")
            change(given)
        except KeyError as error:
            return JSONResponse({"error": f"missing or unknown: {error}"}, status_code=400)
        except (ValueError, TypeError) as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, status_code=400)
        return JSONResponse({"done": True})

    return answer


async def _missing(request: Request) -> JSONResponse:
    return JSONResponse({"error": f"there is no {request.method} {request.url.path}"}, status_code=404)


def describe(mws: FakeMws, spapi: FakeSpApi) -> dict[str, Any]:
    """What Amazon now holds of the seller, ready for JSON; without buyers, keys and tokens."""
    return {
        "now": instant(mws.clock.now()),
        "seller_id": mws.credentials.seller_id,
        "marketplace_id": mws.marketplace.marketplace_id,
        "pickup_feed_type": mws.pickup_feed_type,
        "stock": mws.stock,
        "orders": {
            order_id: {
                "status": record.order.order_status,
                "easy_ship_shipment_status": record.order.easy_ship_shipment_status,
                "items": {item.order_item_id: [item.seller_sku, item.quantity_ordered] for item in record.items},
            }
            for order_id, record in mws.orders.items()
        },
        "pickups": {
            order_id: {"feed_id": pickup.feed_id, "date": pickup.date, "time": pickup.time, "at": instant(pickup.at)}
            for order_id, pickup in mws.pickups.items()
        },
        "pickups_sent": mws.pickups_sent,
        "feeds": [
            _feed(feed.feed_id, feed.feed_type, feed.status, feed.digest, feed.submitted_at, feed.message_count)
            for feed in mws.feeds
        ],
        "documents": mws.documents(),
        "requests": dict(Counter(seen.action for seen in mws.requests)),
        "refused": dict(Counter(seen.code for seen in mws.requests if seen.code)),
        "spapi": {
            "feeds": [
                _feed(feed.feed_id, feed.feed_type, feed.status, feed.digest, feed.submitted_at, feed.message_count)
                for feed in spapi.feeds
            ],
            "requests": dict(Counter(seen.operation for seen in spapi.requests)),
            "refused": dict(Counter(seen.code for seen in spapi.requests if seen.code)),
        },
    }


def _feed(feed_id: str, feed_type: str, status: str, digest: str, submitted_at: datetime, messages: int) -> Given:
    return {
        "id": feed_id,
        "type": feed_type,
        "status": status,
        "digest": digest,
        "submitted_at": instant(submitted_at),
        "messages": messages,
    }
