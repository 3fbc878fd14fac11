"""Notifications as Amazon publishes them, and a queue to receive them from.

Sources: the notification schemas (ORDER_CHANGE and LISTINGS_ITEM_MFN_QUANTITY_CHANGE in PascalCase,
FEED_PROCESSING_FINISHED in camelCase); "Set up notifications (Amazon EventBridge)" for the envelope.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections import deque
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from amazon_ae._models.orders import Order, OrderItem
from amazon_ae.testing._seller import SellerState, StockChange
from amazon_ae.testing._spapi.account import Account, FakeSpApiFeed
from amazon_ae.testing._spapi.wire import instant

__all__ = ["KINDS", "FakeNotificationQueue"]

KINDS: Final = ("ORDER_CHANGE", "FEED_PROCESSING_FINISHED", "LISTINGS_ITEM_MFN_QUANTITY_CHANGE")
_PROGRAMS: Final = {
    "Business": "is_business_order",
    "Prime": "is_prime",
    "Premium": "is_premium_order",
    "IBA": "is_iba",
}


class FakeNotificationQueue:
    """A queue that one subscription fills, with SQS's way of waiting: ``FakeSpApi.subscribe`` makes one.

    Args:
        account: whose changes are published.
        kinds: the notification types.
        envelope: ``"sqs"`` is the notification itself, ``"eventbridge"`` an event around it.
        is_doubled: each notification comes twice ("at least once").
    """

    def __init__(
        self,
        account: Account,
        *,
        kinds: Collection[str] = KINDS,
        envelope: Literal["sqs", "eventbridge"] = "sqs",
        is_doubled: bool = False,
    ) -> None:
        if unknown := set(kinds) - set(KINDS):
            raise ValueError(f"no such notification: {', '.join(sorted(unknown))}")
        self._account = account
        self._kinds = frozenset(kinds)
        self._envelope = envelope
        self._is_doubled = is_doubled
        self._texts: deque[str] = deque()
        self._filled = asyncio.Event()
        self._count = 0
        seller = account.seller
        seller.on_order_change.append(self._order_changed)
        seller.on_stock_change.append(self._stock_changed)
        account.on_feed_end.append(self._feed_ended)

    async def receive(self, *, wait_seconds: float = 20.0, limit: int = 10) -> list[str]:
        """Up to ``limit`` messages; waits ``wait_seconds`` of the fake's clock for the first one.

        Returns:
            The messages' bodies; empty if none came.
        """
        seller = self._account.seller
        ends_at = seller.now() + timedelta(seconds=wait_seconds)
        seller.advance()
        while not self._texts:
            left = (ends_at - seller.now()).total_seconds()
            if left <= 0:
                break
            await self._pause(left)
            seller.advance()
        return [self._texts.popleft() for _ in range(min(limit, len(self._texts)))]

    async def _pause(self, seconds: float) -> None:
        """Wait until something is published, something is due on the seller's timeline, or ``seconds`` are over."""
        seller = self._account.seller
        due = seller.timeline.next_at()
        if due is not None:
            seconds = min(seconds, max(0.0, (due - seller.now()).total_seconds()))
        self._filled.clear()
        filled, slept = (
            asyncio.ensure_future(self._filled.wait()),
            asyncio.ensure_future(seller.clock.sleep(seconds)),
        )
        try:
            await asyncio.wait({filled, slept}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (filled, slept):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    # What is published

    def _order_changed(self, order_id: str, now: datetime) -> None:
        record = self._account.seller.orders[order_id]
        asked = any(item.buyer_requested_cancel is not None for item in record.items)
        body = {
            "OrderChangeNotification": {
                "NotificationLevel": "OrderLevel",
                "SellerId": self._account.seller.seller_id,
                "AmazonOrderId": order_id,
                "OrderChangeType": "BuyerRequestedChange" if asked else "OrderStatusChange",
                "OrderChangeTrigger": {
                    "TimeOfOrderChange": instant(now),
                    "ChangeReason": "Buyer Requested Cancel" if asked else "",
                },
                "Summary": _summary(self._account.seller, record.order, record.items, easy_ship=record.easy_ship),
            }
        }
        self._publish("ORDER_CHANGE", body, now)

    def _stock_changed(self, change: StockChange) -> None:
        body = {
            "SellerId": self._account.seller.seller_id,
            "FulfillmentChannelCode": "DEFAULT",
            "Sku": change.sku,
            "Quantity": change.quantity,
        }
        self._publish("LISTINGS_ITEM_MFN_QUANTITY_CHANGE", body, change.at)

    def _feed_ended(self, feed: FakeSpApiFeed, now: datetime) -> None:
        found = {
            "sellerId": self._account.seller.seller_id,
            "accountId": f"amzn1.merchant.o.{self._account.seller.seller_id}",
            "feedId": feed.feed_id,
            "feedType": feed.feed_type,
            "processingStatus": feed.status,
        }
        if feed.report_id is not None:
            found["resultFeedDocumentId"] = feed.report_id
        self._publish("FEED_PROCESSING_FINISHED", {"feedProcessingFinishedNotification": found}, now)

    def _publish(self, kind: str, payload: dict[str, Any], now: datetime) -> None:
        if kind not in self._kinds:
            return
        self._count += 1
        version = "2020-09-04" if kind == "FEED_PROCESSING_FINISHED" else "1.0"
        notification = {
            "NotificationVersion": version,
            "NotificationType": kind,
            "PayloadVersion": version,
            "EventTime": instant(now),
            "Payload": payload,
            "NotificationMetadata": {
                "ApplicationId": "amzn1.sellerapps.app.00000000-0000-0000-0000-000000000000",
                "SubscriptionId": str(uuid.uuid5(uuid.NAMESPACE_URL, kind)),
                "PublishTime": instant(now),
                "NotificationId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{kind} {self._count}")),
            },
        }
        if kind == "FEED_PROCESSING_FINISHED":
            notification = _in_camel_case(notification)
        text = json.dumps(self._wrapped(notification, now), ensure_ascii=False)
        self._texts.extend([text] * (2 if self._is_doubled else 1))
        self._filled.set()

    def _wrapped(self, notification: dict[str, Any], now: datetime) -> dict[str, Any]:
        if self._envelope == "sqs":
            return notification
        return {
            "version": "0",
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"event {self._count}")),
            "detail-type": notification.get("NotificationType") or notification["notificationType"],
            "source": "aws.partner/sellingpartnerapi.amazon.com/000000000000/sandbox",
            "account": "000000000000",
            "time": instant(now),
            "region": "eu-west-1",
            "resources": [],
            "detail": notification,
        }


def _in_camel_case(found: dict[str, Any]) -> dict[str, Any]:
    inner = {name: value for name, value in found.items() if name != "NotificationMetadata"}
    named = {f"{name[0].lower()}{name[1:]}": value for name, value in inner.items()}
    metadata = {f"{name[0].lower()}{name[1:]}": value for name, value in found["NotificationMetadata"].items()}
    return {**named, "notificationMetadata": metadata}


def _summary(seller: SellerState, order: Order, items: tuple[OrderItem, ...], *, easy_ship: bool) -> dict[str, Any]:
    """The order in the words of Orders v0, which are ours."""
    address = order.shipping_address
    summary: dict[str, Any] = {
        "MarketplaceId": order.marketplace_id or seller.marketplace.marketplace_id,
        "OrderStatus": order.order_status,
        "PurchaseDate": instant(order.purchase_date) if order.purchase_date else None,
        "DestinationPostalCode": address.postal_code if address is not None else None,
        "FulfillmentType": order.fulfillment_channel or "MFN",
        "OrderType": order.order_type or "StandardOrder",
        "NumberOfItemsShipped": order.number_of_items_shipped or 0,
        "NumberOfItemsUnshipped": order.number_of_items_unshipped or 0,
        "OrderPrograms": [name for name, field in _PROGRAMS.items() if getattr(order, field)],
        "ShippingPrograms": ["EasyShip"] if easy_ship else [],
        "OrderItems": [_item(item) for item in items],
    }
    if order.latest_ship_date is not None:
        summary["LatestShipDate"] = instant(order.latest_ship_date)
    if easy_ship:
        # Since 2025-08-11 a new Easy Ship order is PendingSchedule (changelog, "Update to getOrder and getOrders").
        summary["EasyShipShipmentStatus"] = order.easy_ship_shipment_status or "PendingSchedule"
    return summary


def _item(item: OrderItem) -> dict[str, Any]:
    return {
        "OrderItemId": item.order_item_id,
        "SellerSKU": item.seller_sku or "",
        "SupplySourceId": None,
        "Quantity": item.quantity_ordered,
        "QuantityShipped": item.quantity_shipped or 0,
        "IsBuyerRequestedCancel": item.buyer_requested_cancel is not None,
    }
