"""Orders 2013-09-01: ListOrders with its rules, GetOrder, ListOrderItems.

Source: Orders API reference, one page per operation; the order of elements and their dates as recorded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from amazon_ae._models.orders import Order
from amazon_ae.testing._mws.orders_xml import item_xml, order_xml
from amazon_ae.testing._mws.state import State, ceiling
from amazon_ae.testing._mws.wire import Refused, Request, Result, instant, invalid
from amazon_ae.testing._mws.xml import element, leaf
from amazon_ae.testing._seller import FakeOrder

__all__ = ["OPERATIONS"]

_ORDER_ID: Final = re.compile(r"\d{3}-\d{7}-\d{7}")
_STATUSES: Final = frozenset(
    ("PendingAvailability", "Pending", "Unshipped", "PartiallyShipped", "Shipped", "Canceled", "Unfulfillable")
)
_ITEMS_PER_PAGE: Final = 100
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
# Page "ListOrders", the parameters' "you cannot specify" notes.
_EXCLUDED_BY_BUYER: Final = (
    "FulfillmentChannel.Channel.",
    "OrderStatus.Status.",
    "PaymentMethod.Method.",
    "LastUpdatedAfter",
    "LastUpdatedBefore",
)


def list_orders(state: State, request: Request) -> Result:
    """ListOrders."""
    return _page(state, "ListOrders", _query(state, request), after=None)


def list_orders_by_next_token(state: State, request: Request) -> Result:
    """ListOrdersByNextToken."""
    query = state.open_token("ListOrders", request.text("NextToken"))
    return _page(state, "ListOrders", query, after=query.pop("at"))


def get_order(state: State, request: Request) -> Result:
    """GetOrder: unknown orders are left out, as recorded."""
    ids = request.texts("AmazonOrderId.Id.")
    if not ids:
        raise Refused(400, "MissingParameter", "The request must contain the parameter AmazonOrderId.Id.1.")
    if len(ids) > 50:
        raise invalid("AmazonOrderId.Id", str(len(ids)), "has a maximum of 50 values")
    for order_id in ids:
        _check_order_id(order_id)
    found = [state.seller.orders[order_id] for order_id in ids if order_id in state.seller.orders]
    return Result(element("Orders", *map(order_xml, found)))


def list_order_items(state: State, request: Request) -> Result:
    """ListOrderItems."""
    order_id = request.text("AmazonOrderId")
    _check_order_id(order_id)
    return _items(state, order_id, 0)


def list_order_items_by_next_token(state: State, request: Request) -> Result:
    """ListOrderItemsByNextToken."""
    token = state.open_token("ListOrderItems", request.text("NextToken"))
    return _items(state, token["order"], token["at"])


OPERATIONS: Final[dict[str, Callable[[State, Request], Result]]] = {
    "ListOrders": list_orders,
    "ListOrdersByNextToken": list_orders_by_next_token,
    "GetOrder": get_order,
    "ListOrderItems": list_order_items,
    "ListOrderItemsByNextToken": list_order_items_by_next_token,
}


def _check_order_id(order_id: str) -> None:
    if not _ORDER_ID.fullmatch(order_id):
        raise invalid("AmazonOrderId", order_id, "must be in 3-7-7 format")


def _query(state: State, request: Request) -> dict[str, Any]:
    """The checked query, as it is sealed into the NextToken."""
    created_after, updated_after = request.moment("CreatedAfter"), request.moment("LastUpdatedAfter")
    created_before, updated_before = request.moment("CreatedBefore"), request.moment("LastUpdatedBefore")
    if created_after is None and updated_after is None:
        raise Refused(400, "InvalidParameterValue", "CreatedAfter or LastUpdatedAfter must be specified")
    if created_after is not None and (updated_after is not None or updated_before is not None):
        raise Refused(400, "InvalidParameterValue", "CreatedAfter and LastUpdatedAfter cannot both be specified")
    if updated_after is not None and created_before is not None:
        raise Refused(400, "InvalidParameterValue", "CreatedBefore cannot be used with LastUpdatedAfter")
    _check_exclusions(request)
    marketplaces = request.texts("MarketplaceId.Id.")
    if not marketplaces:
        raise Refused(400, "MissingParameter", "The request must contain the parameter MarketplaceId.Id.1.")
    for name in marketplaces:
        if name != state.marketplace.marketplace_id:
            raise invalid("MarketplaceId.Id", name, "is not a marketplace of this seller")
    statuses = request.texts("OrderStatus.Status.")
    for status in statuses:
        if status not in _STATUSES:
            raise invalid("OrderStatus.Status", status, "is not an order status")
    if ("Unshipped" in statuses) != ("PartiallyShipped" in statuses):
        raise Refused(400, "InvalidParameterValue", "Unshipped and PartiallyShipped must be used together")
    after, before = (created_after, created_before) if created_after is not None else (updated_after, updated_before)
    assert after is not None  # one of both was checked above
    if before is not None and before <= after:
        raise invalid("CreatedBefore or LastUpdatedBefore", instant(before), "must be later than the date after which")
    latest = ceiling(request.now)
    return {
        "by": "created" if created_after is not None else "updated",
        "after": after.isoformat(),
        # Recorded answers name an instant two minutes back. Whether a later one is refused is UNVERIFIED.
        "before": min(before or latest, latest).isoformat(),
        "statuses": statuses,
        "channels": request.texts("FulfillmentChannel.Channel."),
        "payments": request.texts("PaymentMethod.Method."),
        "easy_ship": request.texts("EasyShipShipmentStatus.Status."),
        "tfm": request.texts("TFMShipmentStatus.Status."),
        "buyer": request.params.get("BuyerEmail"),
        "seller_order": request.params.get("SellerOrderId"),
        "size": request.number("MaxResultsPerPage", 100, low=1, high=100),
    }


def _check_exclusions(request: Request) -> None:
    for name, others in (
        ("BuyerEmail", (*_EXCLUDED_BY_BUYER, "SellerOrderId")),
        ("SellerOrderId", (*_EXCLUDED_BY_BUYER, "BuyerEmail")),
    ):
        if name not in request.params:
            continue
        for other in others:
            if any(given == other or (other.endswith(".") and given.startswith(other)) for given in request.params):
                raise Refused(400, "InvalidParameterValue", f"{other.rstrip('.')} cannot be used with {name}")


def _page(state: State, action: str, query: dict[str, Any], after: list[str] | None) -> Result:
    by_creation = query["by"] == "created"
    begin, end = datetime.fromisoformat(query["after"]), datetime.fromisoformat(query["before"])

    def when(record: FakeOrder) -> datetime:
        return (record.order.purchase_date if by_creation else record.order.last_update_date) or _NEVER

    wanted = _wanted(query)
    listed = {record.order.amazon_order_id: record for record in state.seller.listed()}
    rows = sorted(
        (when(record), order_id)
        for order_id, record in listed.items()
        if begin <= when(record) <= end and wanted(record.order)
    )
    if after is not None:
        position = (datetime.fromisoformat(after[0]), after[1])
        rows = [row for row in rows if row > position]
    size = query["size"]
    page = rows[:size]
    token = ""
    if len(rows) > size:
        last = page[-1]
        token = leaf("NextToken", state.token(action, {**query, "at": [last[0].isoformat(), last[1]]}))
    name = "CreatedBefore" if by_creation else "LastUpdatedBefore"
    orders = element("Orders", *(order_xml(listed[order_id]) for _, order_id in page))
    return Result(orders + leaf(name, instant(end)) + token)


def _wanted(query: dict[str, Any]) -> Callable[[Order], bool]:
    def wanted(order: Order) -> bool:
        return (
            (not query["statuses"] or order.order_status in query["statuses"])
            and (not query["channels"] or order.fulfillment_channel in query["channels"])
            and (not query["payments"] or order.payment_method in query["payments"])
            and (not query["easy_ship"] or order.easy_ship_shipment_status in query["easy_ship"])
            and (not query["tfm"] or order.tfm_shipment_status in query["tfm"])
            and (query["buyer"] is None or order.buyer_email == query["buyer"])
            and (query["seller_order"] is None or order.seller_order_id == query["seller_order"])
        )

    return wanted


def _items(state: State, order_id: str, begin: int) -> Result:
    record = state.seller.orders.get(order_id)
    if record is None:
        raise Refused(404, "InvalidParameterValue", f"The order {order_id} was not found.")
    end = begin + _ITEMS_PER_PAGE
    pending = record.order.order_status == "Pending"
    items = element("OrderItems", *(item_xml(item, pending=pending) for item in record.items[begin:end]))
    token = ""
    if len(record.items) > end:
        token = leaf("NextToken", state.token("ListOrderItems", {"order": order_id, "at": end}))
    return Result(token + leaf("AmazonOrderId", order_id) + items)
