"""Orders 2026-01-01: searchOrders with its rules, getOrder.

Sources: the model; sdk#717 ("All parameters must match the original request except maxResultsPerPage"); "Orders API"
(orders older than two years are not returned).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from amazon_ae.testing._seller import FakeOrder
from amazon_ae.testing._spapi.account import Account
from amazon_ae.testing._spapi.order_data import FULFILLMENT_STATUSES, fulfilled_by, fulfillment_status, order_data
from amazon_ae.testing._spapi.wire import TWO_MINUTES, Refused, Reply, Request, instant, invalid, seal, unseal

__all__ = ["OPERATIONS"]

_TWO_YEARS: Final = timedelta(days=730)
_TOKEN_HOURS: Final = 24
_DATASETS: Final = frozenset(
    (
        "BUYER",
        "RECIPIENT",
        "PROCEEDS",
        "EXPENSE",
        "PROMOTION",
        "CANCELLATION",
        "FULFILLMENT",
        "PACKAGES",
        "TAX",
        "PAYMENT",
        "FULFILLMENT_ORDERS",
    )
)
_NOT_COMPARED: Final = ("maxResultsPerPage", "paginationToken")


def search_orders(account: Account, request: Request) -> Reply:
    """searchOrders: oldest change first."""
    query = _query(request)
    size = request.number("maxResultsPerPage", 100, low=1, high=100)
    asked = {name: value for name, value in request.query.items() if name not in _NOT_COMPARED}
    position: tuple[str, str] = ("", "")
    if (token := request.query.get("paginationToken")) is not None:
        query["before"], position = _resume(token, asked, request.now)
    rows = [row for row in _sorted(account, query, request.now) if row[0] > position]
    page = rows[:size]
    body: dict[str, Any] = {"orders": [_data(account, record, query["included"], request.now) for _, record in page]}
    body["lastUpdatedBefore" if query["field"] == "last_update_date" else "createdBefore"] = instant(query["before"])
    if len(rows) > len(page):
        body["pagination"] = {
            "nextToken": seal(
                {
                    "asked": asked,
                    "at": request.now.isoformat(),
                    "before": query["before"].isoformat(),
                    "position": page[-1][0],
                }
            )
        }
    return Reply(200, body)


def _resume(token: str, asked: dict[str, str], now: datetime) -> tuple[datetime, tuple[str, str]]:
    """The end of the search's window, and the order after which this page begins."""
    content = unseal(token, "paginationToken")
    if content["asked"] != asked:
        raise invalid("All parameters must match the original request except maxResultsPerPage.")
    if datetime.fromisoformat(content["at"]) + timedelta(hours=_TOKEN_HOURS) < now:
        raise invalid("The paginationToken has expired.")
    return datetime.fromisoformat(content["before"]), (content["position"][0], content["position"][1])


def get_order(account: Account, request: Request) -> Reply:
    """getOrder."""
    included = _datasets(request)
    record = account.seller.orders.get(request.parts["orderId"])
    if record is None:
        raise Refused(404, "NotFound", f"The order {request.parts['orderId']} was not found.", "")
    return Reply(200, {"order": _data(account, record, included, request.now)})


OPERATIONS: Final[dict[str, Callable[[Account, Request], Reply]]] = {
    "searchOrders": search_orders,
    "getOrder": get_order,
}


def _query(request: Request) -> dict[str, Any]:
    statuses, parties = request.texts("fulfillmentStatuses"), request.texts("fulfilledBy")
    if not FULFILLMENT_STATUSES.issuperset(statuses) or not {"MERCHANT", "AMAZON"}.issuperset(parties):
        raise invalid("fulfillmentStatuses or fulfilledBy has a value that is not valid.")
    if len(request.texts("marketplaceIds")) > 50:
        raise invalid("marketplaceIds has more than 50 values.")
    return {
        **_span(request),
        "statuses": statuses,
        "parties": parties,
        "marketplaces": request.texts("marketplaceIds"),
        "included": _datasets(request),
    }


def _span(request: Request) -> dict[str, Any]:
    """The field that is searched, and from when to when."""
    created, updated = request.moment("createdAfter"), request.moment("lastUpdatedAfter")
    if (created is None) == (updated is None):
        raise invalid("Exactly one of createdAfter and lastUpdatedAfter must be provided.")
    other, own = ("createdBefore", "lastUpdatedBefore") if created is None else ("lastUpdatedBefore", "createdBefore")
    if request.query.get(other):
        raise invalid(f"{other} does not go with the other parameters.")
    after = created or updated
    assert after is not None  # exactly one of both is there
    ceiling = request.now - TWO_MINUTES
    before = request.moment(own)
    if before is not None and not after <= before <= ceiling:
        raise invalid(f"{own} must not be before the start, and must be at least two minutes before the request.")
    field = "last_update_date" if created is None else "purchase_date"
    return {"field": field, "after": after, "before": before or ceiling}


def _datasets(request: Request) -> list[str]:
    included = request.texts("includedData")
    if not _DATASETS.issuperset(included):
        raise invalid("includedData has a value that is not valid.")
    return included


def _sorted(account: Account, query: dict[str, Any], now: datetime) -> list[tuple[tuple[str, str], FakeOrder]]:
    rows = [
        (_position(record, query["field"]), record)
        for record in account.seller.listed()
        if _matches(account, record, query, now)
    ]
    return sorted(rows, key=lambda row: row[0])


def _position(record: FakeOrder, field: str) -> tuple[str, str]:
    moment: datetime = getattr(record.order, field)
    return (moment.isoformat(), record.order.amazon_order_id)


def _matches(account: Account, record: FakeOrder, query: dict[str, Any], now: datetime) -> bool:
    order = record.order
    moment: datetime | None = getattr(order, query["field"])
    marketplace_id = order.marketplace_id or account.seller.marketplace.marketplace_id
    return (
        moment is not None
        and query["after"] <= moment <= query["before"]
        and (order.purchase_date or now) > now - _TWO_YEARS
        and (not query["statuses"] or fulfillment_status(order) in query["statuses"])
        and (not query["parties"] or fulfilled_by(order) in query["parties"])
        and (not query["marketplaces"] or marketplace_id in query["marketplaces"])
    )


def _data(account: Account, record: FakeOrder, included: list[str], now: datetime) -> dict[str, Any]:
    return order_data(
        account.seller,
        record,
        included,
        account.access.roles,
        now,
        shows_unscheduled_package=account.settings.shows_unscheduled_package,
    )
