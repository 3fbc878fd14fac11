"""What processing a feed does to the marketplace, message by message, and its processing report.

Codes: 5000 (identical to an earlier update), 18021 and 18028 (quantity, unknown order) are Amazon's, as recorded; 6001
(unreadable document) and 13013 (no such SKU) are Amazon's as public code and help pages quote them. Codes from 90000
are the sandbox's own, since nobody published Amazon's: treat every code as opaque.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Final

import attrs

from amazon_ae.testing._mws.documents import XML_TYPES, Row, Unreadable, flat_report, read_feed, xml_report
from amazon_ae.testing._mws.reports import make_documents
from amazon_ae.testing._mws.state import FakeFeed, FeedMessage, State
from amazon_ae.testing._mws.wire import is_number

__all__ = ["process"]

MAX_PICKUPS: Final = 500  # UAE help page 201383340: at most 500 orders in one Schedule Pickup file
_DATE: Final = re.compile(r"\d{4}[-/]\d{2}[-/]\d{2}")

_Handler = Callable[[State, FakeFeed, FeedMessage, datetime], "Row | None"]


def process(state: State, feed: FakeFeed, now: datetime) -> None:
    """Take a feed's messages at the instant ``now`` and give it its report."""
    is_xml = feed.feed_type in XML_TYPES
    rows: list[Row] = []
    processed = 0
    extra: dict[str, str] = {}
    try:
        messages = read_feed(feed.feed_type, feed.body).messages
        handler = _HANDLERS.get(feed.feed_type, _pickup)
        if handler is _pickup and len(messages) > MAX_PICKUPS:
            raise Unreadable(f"the file has {len(messages)} orders, {MAX_PICKUPS} are allowed")
    except Unreadable as error:
        rows.append(Row(message_id=0, is_error=True, code="6001", text=str(error)))
    else:
        processed = feed.message_count = len(messages)
        for message in messages:
            refusal = state.seller.refusal_of(message.key)
            row = _refusal(message, handler, *refusal) if refusal else handler(state, feed, message, now)
            if row is not None:
                rows.append(row)
        if feed.feed_type == "_POST_EASYSHIP_DOCUMENTS_":
            failed = {row.message_id for row in rows}
            wanted = [message for message in messages if message.message_id not in failed]
            if wanted:
                extra["ReportReferenceId"] = make_documents(state, feed, wanted, now)
    if is_xml:
        feed.report = xml_report(feed.feed_id, state.seller_id, processed, rows, extra=extra)
    else:
        feed.report = flat_report(processed, rows)
        feed.report_type = "text/plain;charset=ISO-8859-1"


def _error(message: FeedMessage, code: str, text: str, *, is_order: bool = False, is_error: bool = True) -> Row:
    return Row(
        message_id=message.message_id,
        is_error=is_error,
        code=code,
        text=text,
        sku="" if is_order else message.key,
        order_id=message.key if is_order else "",
    )


def _refusal(message: FeedMessage, handler: _Handler, code: str, text: str) -> Row:
    return _error(message, code, text, is_order=handler not in (_inventory, _price_quantity))


def _inventory(state: State, feed: FakeFeed, message: FeedMessage, now: datetime) -> Row | None:
    fields, seller = message.fields, state.seller
    if not 1 <= len(message.key) <= 40:
        return _error(message, "90001", "SKU must have 1 to 40 characters")
    latency = fields.get("FulfillmentLatency", "1")
    if not is_number(latency) or int(latency) < 1:
        return _error(message, "90002", f"FulfillmentLatency must be a positive number, not {latency!r}")
    if "RestockDate" in fields and _day(fields["RestockDate"]) is None:
        return _error(message, "90002", f"RestockDate must be a date, not {fields['RestockDate']!r}")
    if message.key not in seller.stock:
        return _error(message, "13013", "There is no record of this SKU in your account.")
    before = state.stock_feeds.get(message.key)
    if before is not None and before[0] == fields and seller.listings[message.key].source == before[1]:
        return _error(
            message,
            "5000",
            f"The update was skipped, it is identical to the update in feed {before[1]}.",
            is_error=False,
        )
    if "Quantity" in fields:
        if not is_number(fields["Quantity"]):
            return _error(message, "90002", f"Quantity must be a whole number, not {fields['Quantity']!r}")
        quantity = int(fields["Quantity"])
    else:
        quantity = 0 if fields.get("Available") == "false" else seller.stock[message.key]
    seller.set_stock(
        message.key,
        quantity,
        now,
        source=feed.feed_id,
        lead_time_days=int(fields["FulfillmentLatency"]) if "FulfillmentLatency" in fields else None,
        restock_date=fields.get("RestockDate"),
    )
    state.stock_feeds[message.key] = (fields, feed.feed_id)
    return None


def _price_quantity(state: State, feed: FakeFeed, message: FeedMessage, now: datetime) -> Row | None:
    quantity = message.fields.get("quantity", "")
    if not quantity:
        return (
            None if message.key in state.seller.stock else _error(message, "13013", "There is no record of this SKU.")
        )
    as_inventory = FeedMessage(message_id=message.message_id, key=message.key, fields={"Quantity": quantity})
    return _inventory(state, feed, as_inventory, now)


def _order_problem(state: State, message: FeedMessage) -> Row | None:
    record = state.seller.orders.get(message.key)
    if record is None:
        text = f"Your order cannot be found using Merchant ID {state.seller_id} and order {message.key}."
        return _error(message, "18028", text, is_order=True)
    if record.order.order_status == "Canceled":
        return _error(message, "90010", "The order was canceled.", is_order=True)
    return None


def _pickup(state: State, feed: FakeFeed, message: FeedMessage, now: datetime) -> Row | None:
    order_id, fields = message.key, message.fields
    state.seller.pickups_sent[order_id] = state.seller.pickups_sent.get(order_id, 0) + 1
    if (problem := _order_problem(state, message)) is not None:
        return problem
    record = state.seller.orders[order_id]
    if not record.easy_ship or record.order.fulfillment_channel == "AFN":
        return _error(message, "90012", "The order is not an Easy Ship order.", is_order=True)
    if order_id in state.seller.pickups:
        return _error(message, "90011", "A pickup is already scheduled for this order.", is_order=True)
    if record.order.order_status not in ("Unshipped", "PartiallyShipped"):
        text = f"An order in the state {record.order.order_status} cannot be picked up."
        return _error(message, "90013", text, is_order=True)
    day = fields.get("schedule_pickup_date", "")
    if not _DATE.fullmatch(day) or (pickup_day := _day(day.replace("/", "-"))) is None:
        return _error(message, "90014", f"schedule_pickup_date {day!r} is not a date.", is_order=True)
    if pickup_day < now.astimezone(state.marketplace.zone).date():
        return _error(message, "90015", f"The pickup date {day} is in the past.", is_order=True)
    for name in ("package_weight", "package_length", "package_width", "package_height"):
        text = fields.get(name, "")
        if text and not _is_positive(text):
            return _error(message, "90016", f"{name} {text!r} is not a positive number.", is_order=True)
    state.seller.book(
        order_id, now, day=pickup_day, at=fields.get("schedule_pickup_time", ""), feed_id=feed.feed_id, fields=fields
    )
    return None


def _fulfillment(state: State, feed: FakeFeed, message: FeedMessage, now: datetime) -> Row | None:
    del feed
    if (problem := _order_problem(state, message)) is not None:
        return problem
    record = state.seller.orders[message.key]
    codes = message.fields.get("Item.AmazonOrderItemCode", "")
    quantities = message.fields.get("Item.Quantity", "")
    open_pieces = {item.order_item_id: item.quantity_ordered - (item.quantity_shipped or 0) for item in record.items}
    if codes and quantities:
        if not all(is_number(text) for text in quantities.split(",")):
            return _error(message, "90002", f"Quantity must be a whole number, not {quantities!r}", is_order=True)
        shipped = dict(zip(codes.split(","), map(int, quantities.split(",")), strict=False))
    else:
        shipped = {code: open_pieces.get(code, 0) for code in codes.split(",")} if codes else dict(open_pieces)
    if any(pieces > open_pieces.get(code, 0) for code, pieces in shipped.items()):
        text = "The quantity is larger than what can be fulfilled."
        return _error(message, "18021", text, is_order=True)
    record.items = tuple(
        attrs.evolve(item, quantity_shipped=(item.quantity_shipped or 0) + shipped.get(item.order_item_id, 0))
        for item in record.items
    )
    left = sum(open_pieces.values()) - sum(shipped.values())
    done = sum(item.quantity_shipped or 0 for item in record.items)
    state.seller.touch(
        message.key,
        now,
        order_status="PartiallyShipped" if left else "Shipped",
        number_of_items_shipped=done,
        number_of_items_unshipped=left,
    )
    return None


def _acknowledgement(state: State, feed: FakeFeed, message: FeedMessage, now: datetime) -> Row | None:
    del feed
    if (problem := _order_problem(state, message)) is not None:
        return problem
    if message.fields["StatusCode"] == "Failure":
        state.seller.touch(message.key, now, order_status="Canceled")
    elif message.fields.get("MerchantOrderID"):
        # What later lets ListOrders find the order by SellerOrderId.
        state.seller.touch(message.key, now, seller_order_id=message.fields["MerchantOrderID"])
    return None


def _document(state: State, feed: FakeFeed, message: FeedMessage, now: datetime) -> Row | None:
    del feed, now
    if (problem := _order_problem(state, message)) is not None:
        return problem
    if message.key not in state.seller.pickups and message.key not in state.seller.packages:
        return _error(message, "90020", "Schedule the pickup first.", is_order=True)
    return None


# Any other type is the one that carries the Schedule Pickup file: SubmitFeed lets no further type in.
_HANDLERS: Final[dict[str, _Handler]] = {
    "_POST_INVENTORY_AVAILABILITY_DATA_": _inventory,
    "_POST_FLAT_FILE_PRICEANDQUANTITYONLY_UPDATE_DATA_": _price_quantity,
    "_POST_ORDER_FULFILLMENT_DATA_": _fulfillment,
    "_POST_ORDER_ACKNOWLEDGEMENT_DATA_": _acknowledgement,
    "_POST_EASYSHIP_DOCUMENTS_": _document,
}


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _is_positive(text: str) -> bool:
    try:
        return float(text) > 0
    except ValueError:
        return False
