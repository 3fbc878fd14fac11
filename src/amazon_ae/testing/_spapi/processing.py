"""What processing a feed does, and its result document.

Sources: the schemas listing-feed-schema-v2 and listings-feed-processing-report-schema-v2; Amazon's sample of the Easy
Ship documents feed and its report; ``processingStatus`` FATAL ("some, none, or all of the operations may have
completed").
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from typing import Any, Final

from amazon_ae.testing._mws import processing as mws_processing, state as mws
from amazon_ae.testing._spapi.account import Account, FakeSpApiFeed
from amazon_ae.testing._spapi.listings import Issue, are_patches, listing_data, submit_patches
from amazon_ae.testing._spapi.wire import Refused

__all__ = ["ORDER_TYPES", "process"]

ORDER_TYPES: Final = ("POST_ORDER_FULFILLMENT_DATA", "POST_ORDER_ACKNOWLEDGEMENT_DATA")

MAX_MESSAGES: Final = 25_000  # changelog of 2025-05-06
_LARGEST_ID: Final = 2_147_483_647
_OPERATIONS: Final = frozenset(("UPDATE", "PARTIAL_UPDATE", "PATCH", "DELETE"))


class _Unreadable(Exception):
    """The whole feed is refused."""


def process(account: Account, feed: FakeSpApiFeed, now: datetime) -> None:
    """Take a feed's messages at the instant ``now`` and give it its result document."""
    if feed.feed_type == "JSON_LISTINGS_FEED":
        _process_listings(account, feed, now)
    elif feed.feed_type == "POST_EASYSHIP_DOCUMENTS":
        from amazon_ae.testing._spapi.easy_ship_documents import process_documents_feed

        process_documents_feed(account, feed, now)
    elif feed.feed_type in ORDER_TYPES:
        _process_orders(account, feed, now)
    else:
        feed.status = feed.end_status = "FATAL"


def _process_orders(account: Account, feed: FakeSpApiFeed, now: datetime) -> None:
    """Feeds about orders kept their XML and its report when they moved from MWS."""
    older = mws.FakeFeed(
        feed_id=feed.feed_id, feed_type=f"_{feed.feed_type}_", submitted_at=feed.submitted_at, body=feed.body or b""
    )
    mws_processing.process(mws.State(seller=account.seller), older, now)
    feed.message_count = older.message_count
    document = account.documents.add(
        "tortuga", "text/xml; charset=UTF-8", older.report, compress=account.settings.compresses
    )
    feed.report_id = document.document_id


def _process_listings(account: Account, feed: FakeSpApiFeed, now: datetime) -> None:
    issues: list[dict[str, Any]] = []
    bad: set[int] = set()
    header: dict[str, Any] = {}
    messages: list[dict[str, Any]] = []
    try:
        header, messages = _read(account, feed.body)
    except _Unreadable as error:
        feed.status = feed.end_status = "FATAL"
        issues.append({"severity": "ERROR", "code": "4000001", "message": str(error)})
    taken = messages
    if feed.status == "FATAL" and feed.takes is not None:
        taken = messages[: feed.takes]
    for message in taken:
        for issue in _take(account, message, feed.feed_id, now):
            issues.append(_issue_data(message, issue))
            if issue.severity == "ERROR":
                bad.add(message["messageId"])
    feed.message_count = len(taken)
    if feed.status == "FATAL" and feed.takes is not None:
        return  # Amazon stopped in the middle: no result document
    processed = max(0, len(taken) - feed.missing_from_report)
    content = _report(account, feed, header, issues, processed, len(bad), taken)
    document = account.documents.add(
        "tortuga", "application/json; charset=UTF-8", content, compress=account.settings.compresses
    )
    feed.report_id = document.document_id


def _read(account: Account, body: bytes | None) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if body is None:
        raise _Unreadable("The feed document was not uploaded.")
    try:
        data = json.loads(body)
    except ValueError:
        raise _Unreadable("The feed is not a valid JSON document.") from None
    header = data.get("header") if isinstance(data, dict) else None
    if not isinstance(header, dict):
        raise _Unreadable("The feed has no header.")
    if header.get("version") != "2.0" or header.get("sellerId") != account.seller.seller_id:
        raise _Unreadable("The header's sellerId or version is not valid.")
    messages: Any = data.get("messages")
    _check_messages(messages)
    return header, messages


def _check_messages(messages: object) -> None:
    if not isinstance(messages, list) or not 1 <= len(messages) <= MAX_MESSAGES:
        raise _Unreadable(f"The feed must have 1 to {MAX_MESSAGES} messages.")
    if not all(isinstance(message, dict) and _is_id(message.get("messageId")) for message in messages):
        raise _Unreadable("A message has no valid messageId.")
    if len({message["messageId"] for message in messages}) < len(messages):
        raise _Unreadable("A messageId occurs twice.")


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _LARGEST_ID


def _take(account: Account, message: dict[str, Any], feed_id: str, now: datetime) -> list[Issue]:
    sku, operation = message.get("sku"), message.get("operationType")
    if not isinstance(sku, str) or not sku or operation not in _OPERATIONS:
        return [Issue("90002", "The message has no valid sku or operationType.", attribute="operationType")]
    patches = _patches_of(message, operation)
    if patches is None:
        return [Issue("90003", f"The operation {operation} is not valid with these members.", attribute="patches")]
    if not message.get("productType") or not are_patches(patches):
        return [Issue("90004", "The message has no productType or no valid patches.", attribute="patches")]
    try:
        return submit_patches(account.seller, sku, patches, now, source=feed_id, preview=False)
    except Refused as refused:
        return [Issue("90005", refused.message or "")]


def _patches_of(message: dict[str, Any], operation: str) -> list[dict[str, Any]] | None:
    """What a message changes, as patches; ``None`` where this fake does not take its operation or members."""
    attributes = message.get("attributes")
    if operation == "PARTIAL_UPDATE" and isinstance(attributes, dict):
        return [{"op": "replace", "path": f"/attributes/{name}", "value": value} for name, value in attributes.items()]
    if operation != "PATCH" or "attributes" in message or "requirements" in message:
        return None
    patches: list[dict[str, Any]] = message.get("patches") or []
    return patches


def _issue_data(message: dict[str, Any], issue: Issue) -> dict[str, Any]:
    data: dict[str, Any] = {"messageId": message["messageId"]}
    if isinstance(message.get("sku"), str) and message["sku"]:
        data["sku"] = message["sku"]
    return {
        **data,
        "code": issue.code,
        "severity": issue.severity,
        "message": issue.message or "-",
        "attributeName": issue.attribute,
    }


def _report(
    account: Account,
    feed: FakeSpApiFeed,
    header: dict[str, Any],
    issues: list[dict[str, Any]],
    processed: int,
    invalid: int,
    taken: list[dict[str, Any]],
) -> bytes:
    counts = Counter(issue["severity"] for issue in issues)
    wanted = header.get("report")
    data: dict[str, Any] = {
        "header": {"sellerId": account.seller.seller_id, "version": "2.0", "feedId": feed.feed_id},
        "issues": issues,
        "summary": {
            "errors": counts["ERROR"],
            "warnings": counts["WARNING"],
            "messagesProcessed": processed,
            "messagesAccepted": max(0, processed - invalid),
            "messagesInvalid": min(invalid, processed),
        },
    }
    if isinstance(wanted, dict) and isinstance(wanted.get("includedData"), list):
        sent = [message["sku"] for message in taken if isinstance(message.get("sku"), str)]
        skus = [sku for sku in sent if sku in account.seller.stock]
        data["header"]["report"] = {"includedData": wanted["includedData"], "apiVersion": "2021-08-01"}
        data["summary"]["itemSummary"] = {"items": len(skus), "errors": 0, "warnings": 0}
        data["items"] = [listing_data(account.seller, sku, wanted["includedData"]) for sku in skus]
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
