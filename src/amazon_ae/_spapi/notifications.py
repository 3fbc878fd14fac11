"""Parses notifications. Pure: receiving them (SQS, EventBridge) is up to the host.

Amazon may send one twice, and in any order. Sources: the notification schemas; "Set up notifications (Amazon SQS)" and
"(Amazon EventBridge)".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from amazon_ae._exceptions import UnreadableResponse
from amazon_ae._models.hidden import sealed
from amazon_ae._models.notifications import FeedFinished, Notification, OrderChanged, QuantityChanged
from amazon_ae._spapi.order_words import EASY_SHIP
from amazon_ae._spapi.values import Node, instant, integer, load, node, text, texts

__all__ = ["read_notification"]

_DEPTH: Final = 4


@sealed
def read_notification(body: str | bytes) -> Notification:
    """The notification in the body of a message.

    Args:
        body: the body of an SQS message (also one that came through SNS), or an EventBridge event.

    Returns:
        ``OrderChanged``, ``FeedFinished`` or ``QuantityChanged``, whose docstrings name the method that takes them; a
        plain ``Notification`` for every other kind.

    Raises:
        UnreadableResponse: it is not a notification of Amazon's. Set the message aside; a retry cannot help.
    """
    found = _unwrap(body)
    kind = _get(found, "NotificationType")
    if kind is None:
        raise UnreadableResponse("the message is no notification: it has no NotificationType")
    payload = _object(found, "Payload")
    reader = _READERS.get(kind)
    at = instant(_get(found, "EventTime"))
    if reader is None:
        return Notification(seller_id=_get(payload, "SellerId") or "", at=at)
    return reader(payload, {"at": at})


def _unwrap(body: str | bytes) -> Node:
    """The notification inside its envelopes: EventBridge's ``detail``, SNS's ``Message``, SQS's ``body``."""
    value: object = body
    for _ in range(_DEPTH):
        if isinstance(value, (str, bytes)):
            try:
                value = load(value if isinstance(value, bytes) else value.encode())
            except ValueError as error:  # UnicodeEncodeError is one too
                raise UnreadableResponse("the message is no notification: it is not JSON") from error
        if not isinstance(value, dict):
            break
        if _get(value, "NotificationType") is not None:
            return value
        inner = next((value[name] for name in ("detail", "Message", "body", "Body") if name in value), None)
        if inner is None:
            break
        value = inner
    raise UnreadableResponse("the message is no notification: it has no NotificationType")


def _other(name: str) -> str:
    return name[0].lower() + name[1:]


def _get(found: Node, name: str) -> str | None:
    """Some kinds are spelled in PascalCase, some in camelCase."""
    return text(found.get(name)) or text(found.get(_other(name)))


def _object(found: Node, name: str) -> Node:
    return node(found, name) or node(found, _other(name))


def _order_changed(payload: Node, common: dict[str, Any]) -> Notification:
    found = _object(payload, "OrderChangeNotification") or payload
    summary = _object(found, "Summary")
    order_id = _get(found, "AmazonOrderId")
    if order_id is None:
        raise UnreadableResponse("ORDER_CHANGE without AmazonOrderId")
    # This notification has the values of Orders v0, which are MWS's.
    programs = [*texts(summary.get("OrderPrograms")), *texts(summary.get("ShippingPrograms"))]
    return OrderChanged(
        **common,
        order_id=order_id,
        seller_id=_get(found, "SellerId") or "",
        marketplace_id=_get(summary, "MarketplaceId") or "",
        order_status=_get(summary, "OrderStatus") or "",
        easy_ship_shipment_status=_get(summary, "EasyShipShipmentStatus"),
        programs=tuple(EASY_SHIP if name == "EasyShip" else name for name in programs),
    )


def _feed_finished(payload: Node, common: dict[str, Any]) -> Notification:
    found = _object(payload, "FeedProcessingFinishedNotification") or payload
    feed_id = _get(found, "FeedId")
    if feed_id is None:
        raise UnreadableResponse("FEED_PROCESSING_FINISHED without feedId")
    return FeedFinished(
        **common,
        feed_id=feed_id,
        feed_type=_get(found, "FeedType") or "",
        seller_id=_get(found, "SellerId") or "",
        processing_status=_get(found, "ProcessingStatus") or "",
        result_document_id=_get(found, "ResultFeedDocumentId"),
    )


def _quantity_changed(payload: Node, common: dict[str, Any]) -> Notification:
    sku, quantity = _get(payload, "Sku"), integer(payload.get("Quantity", payload.get("quantity")))
    if sku is None or quantity is None:
        raise UnreadableResponse("LISTINGS_ITEM_MFN_QUANTITY_CHANGE without Sku or Quantity")
    return QuantityChanged(**common, sku=sku, quantity=quantity, seller_id=_get(payload, "SellerId") or "")


_READERS: Final[dict[str, Callable[[Node, dict[str, Any]], Notification]]] = {
    "ORDER_CHANGE": _order_changed,
    "FEED_PROCESSING_FINISHED": _feed_finished,
    "LISTINGS_ITEM_MFN_QUANTITY_CHANGE": _quantity_changed,
}
