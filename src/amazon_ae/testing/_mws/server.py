"""``FakeMws`` behind a web server: the same answers over sockets, a page that tells what it holds, a switch for faults.

The pages under ``/__sandbox`` are this project's own, JSON, and need no signature:

* ``GET /__sandbox/state``: stock, orders, pickups, feeds with their digests, documents, request counts.
* ``POST /__sandbox/faults``: ``{"action": "SubmitFeed", "fault": "never_answered", "times": 1}``, with ``seconds`` and
  ``feed_type`` if wanted.
* ``POST /__sandbox/stock``: ``{"SKU-1": 5}`` sets what the marketplace holds, to plant a difference.
* ``POST /__sandbox/orders``: ``{"order_id": "171-...", "status": "Canceled"}`` changes an order, as a buyer does.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import MutableMapping
from typing import Any

from amazon_ae.testing._mws.fake import FakeMws
from amazon_ae.testing._mws.wire import instant
from amazon_ae.testing._network import Answer, Receive, Send, read_body, respond, send as send_answer, url_of

__all__ = ["MwsApp", "describe"]


class MwsApp:
    """An ASGI application around a fake."""

    def __init__(self, fake: FakeMws) -> None:
        self.fake = fake

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request (ASGI 3)."""
        if scope["type"] != "http":
            return
        body = await read_body(receive)
        if body is None:
            return
        if scope["path"].startswith("/__sandbox"):
            await send_answer(send, self._control(scope["method"], scope["path"], body))
            return
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        exchange = self.fake.exchange(scope["method"], url_of(scope, headers), headers, body)
        await respond(exchange, scope, receive, send, self.fake.clock)

    def _control(self, method: str, path: str, body: bytes) -> Answer:
        if (method, path) == ("GET", "/__sandbox/state"):
            return _json(200, describe(self.fake))
        try:
            given = json.loads(body or b"{}")
            if not isinstance(given, dict):
                raise TypeError("a JSON object is expected")
            if (method, path) == ("POST", "/__sandbox/faults"):
                self.fake.fail(
                    str(given["action"]),
                    str(given["fault"]),
                    int(given.get("times", 1)),
                    seconds=float(given.get("seconds", 0)),
                    feed_type=given.get("feed_type"),
                )
            elif (method, path) == ("POST", "/__sandbox/stock"):
                for sku, quantity in given.items():
                    self.fake.add_sku(sku, int(quantity))
            elif (method, path) == ("POST", "/__sandbox/orders"):
                self.fake.change_order(str(given["order_id"]), status=given.get("status"))
            else:
                return _json(404, {"error": f"there is no {method} {path}"})
        except KeyError as error:
            return _json(400, {"error": f"missing or unknown: {error}"})
        except (ValueError, TypeError) as error:
            return _json(400, {"error": f"{type(error).__name__}: {error}"})
        return _json(200, {"done": True})


def describe(fake: FakeMws) -> dict[str, Any]:
    """What the marketplace now holds, ready for JSON; without buyers, keys and tokens."""
    return {
        "now": instant(fake.clock.now()),
        "seller_id": fake.credentials.seller_id,
        "marketplace_id": fake.marketplace.marketplace_id,
        "pickup_feed_type": fake.pickup_feed_type,
        "stock": fake.stock,
        "orders": {
            order_id: {
                "status": record.order.order_status,
                "easy_ship_shipment_status": record.order.easy_ship_shipment_status,
                "items": {item.order_item_id: [item.seller_sku, item.quantity_ordered] for item in record.items},
            }
            for order_id, record in fake.orders.items()
        },
        "pickups": {
            order_id: {"feed_id": pickup.feed_id, "date": pickup.date, "time": pickup.time, "at": instant(pickup.at)}
            for order_id, pickup in fake.pickups.items()
        },
        "pickups_sent": fake.pickups_sent,
        "feeds": [
            {
                "id": feed.feed_id,
                "type": feed.feed_type,
                "status": feed.status,
                "digest": feed.digest,
                "submitted_at": instant(feed.submitted_at),
                "messages": feed.message_count,
            }
            for feed in fake.feeds
        ],
        "documents": fake.documents(),
        "requests": dict(Counter(seen.action for seen in fake.requests)),
        "refused": dict(Counter(seen.code for seen in fake.requests if seen.code)),
    }


def _json(status: int, content: object) -> Answer:
    body = json.dumps(content, indent=1).encode()
    return Answer(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))], body)
