"""Notifications out of every envelope that they arrive in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from amazon_ae import FeedFinished, Notification, OrderChanged, QuantityChanged, UnreadableResponse
from amazon_ae._spapi.notifications import read_notification

CHANGED: dict[str, Any] = {
    "NotificationVersion": "1.0",
    "NotificationType": "ORDER_CHANGE",
    "PayloadVersion": "1.0",
    "EventTime": "2026-11-28T09:00:00Z",
    "Payload": {
        "OrderChangeNotification": {
            "SellerId": "A1",
            "AmazonOrderId": "404-1234567-1234567",
            "Summary": {
                "MarketplaceId": "A2VIGQ35RCS4UG",
                "OrderStatus": "Unshipped",
                "OrderPrograms": ["Prime"],
                "ShippingPrograms": ["EasyShip"],
                "EasyShipShipmentStatus": "PendingSchedule",
            },
        }
    },
}


def envelopes(notification: dict[str, Any]) -> list[dict[str, Any]]:
    text = json.dumps(notification)
    return [
        notification,
        {"version": "0", "detail-type": "ORDER_CHANGE", "source": "aws.partner", "detail": notification},
        {"Type": "Notification", "MessageId": "1", "Message": text},
        {"messageId": "1", "receiptHandle": "r", "body": text},
        {"MessageId": "1", "Body": json.dumps({"Message": text})},
    ]


@pytest.mark.parametrize("envelope", range(5))
def test_an_order_is_found_in_every_envelope(envelope: int) -> None:
    """SQS, SNS through SQS, EventBridge."""
    body = json.dumps(envelopes(CHANGED)[envelope])
    for text in (body, body.encode()):
        found = read_notification(text)
        assert isinstance(found, OrderChanged)
        assert (found.order_id, found.order_status) == ("404-1234567-1234567", "Unshipped")
        assert (found.easy_ship_shipment_status, found.programs) == ("PendingSchedule", ("Prime", "AMAZON_EASY_SHIP"))
        assert found.at is not None


def test_amazons_own_examples_are_read(spapi_material: Path) -> None:
    """One of each kind; a kind that is not known is a plain notification."""
    kinds = {
        "OrderChangeNotification": OrderChanged,
        "FeedProcessingFinishedNotification": FeedFinished,
        "ListingsItemMfnQuantityChange": QuantityChanged,
        "ReportProcessingFinishedNotification": Notification,
    }
    for name, kind in kinds.items():
        schema = json.loads((spapi_material / "schemas" / f"{name}.json").read_text())
        for example in schema["examples"]:
            assert type(read_notification(json.dumps(example))) is kind


def test_a_finished_feed_names_its_report() -> None:
    """Spelled in camelCase, unlike the others."""
    body = {
        "notificationType": "FEED_PROCESSING_FINISHED",
        "payload": {
            "feedProcessingFinishedNotification": {
                "feedId": "7",
                "feedType": "JSON_LISTINGS_FEED",
                "processingStatus": "FATAL",
                "resultFeedDocumentId": "d",
            }
        },
    }
    found = read_notification(json.dumps(body))
    assert isinstance(found, FeedFinished)
    assert (found.feed_id, found.processing_status, found.result_document_id) == ("7", "FATAL", "d")


@pytest.mark.parametrize(
    "body",
    [
        "",
        "hello",
        "[]",
        "{}",
        '{"detail": 3}',
        '{"NotificationType": "ORDER_CHANGE"}',
        '{"notificationType": "FEED_PROCESSING_FINISHED", "payload": {}}',
        '{"NotificationType": "LISTINGS_ITEM_MFN_QUANTITY_CHANGE", "Payload": {"Sku": "A"}}',
        b"\xff",
        "[" * 100_000,
    ],
)
def test_what_is_no_notification_is_refused(body: str | bytes) -> None:
    """The host puts such a message aside."""
    with pytest.raises(UnreadableResponse):
        read_notification(body)
