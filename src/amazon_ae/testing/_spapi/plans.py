"""The usage plans: the fake's own copy of the operations, their paths and their rates.

Sources: the description tables of Amazon's models, the pages "Listings Items API rate limits" (getListingsItem's burst)
and "Feeds: JSON_LISTINGS_FEED" (changelog of 2025-05-06: 5 feeds per 5 minutes).
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import unquote

import attrs

__all__ = ["DOCUMENT_OPERATIONS", "OPERATIONS", "TOKEN_OPERATION", "Bucket", "Operation", "Window", "find_operation"]

_TOLERANCE: Final = timedelta(milliseconds=1)


@attrs.frozen
class Operation:
    """One operation of the API.

    Attributes:
        rate: requests per second that come back.
        burst: the bucket's size.
        needs: the role without which every call is refused; ``""`` for none.
        is_restricted: whether it wants a restricted data token.
        rate_on_429: whether its 429 carries the rate's header too.
    """

    name: str
    method: str
    path: str
    rate: float
    burst: int
    needs: str = ""
    is_restricted: bool = False
    rate_on_429: bool = False


_ORDERS = "Inventory and Order Tracking"
_LISTINGS = "Product Listing"
_SHIPPING = "Direct to Consumer Shipping (Restricted)"

OPERATIONS: Final = (
    Operation("searchOrders", "GET", "/orders/2026-01-01/orders", 0.0056, 20, _ORDERS),
    Operation("getOrder", "GET", "/orders/2026-01-01/orders/{orderId}", 0.5, 30, _ORDERS),
    Operation("createFeedDocument", "POST", "/feeds/2021-06-30/documents", 0.5, 15),
    Operation("createFeed", "POST", "/feeds/2021-06-30/feeds", 0.0083, 15),
    Operation("getFeed", "GET", "/feeds/2021-06-30/feeds/{feedId}", 2, 15),
    Operation("cancelFeed", "DELETE", "/feeds/2021-06-30/feeds/{feedId}", 2, 15),
    Operation("getFeeds", "GET", "/feeds/2021-06-30/feeds", 0.0222, 10),
    Operation("getFeedDocument", "GET", "/feeds/2021-06-30/documents/{feedDocumentId}", 0.0222, 10),
    Operation("patchListingsItem", "PATCH", "/listings/2021-08-01/items/{sellerId}/{sku}", 5, 5, _LISTINGS),
    Operation("getListingsItem", "GET", "/listings/2021-08-01/items/{sellerId}/{sku}", 5, 5, _LISTINGS),
    Operation("searchListingsItems", "GET", "/listings/2021-08-01/items/{sellerId}", 5, 5, _LISTINGS),
    Operation("createReport", "POST", "/reports/2021-06-30/reports", 0.0167, 15),
    Operation("getReport", "GET", "/reports/2021-06-30/reports/{reportId}", 2, 15),
    Operation("getReports", "GET", "/reports/2021-06-30/reports", 0.0222, 10),
    Operation("cancelReport", "DELETE", "/reports/2021-06-30/reports/{reportId}", 0.0222, 10),
    Operation("getReportDocument", "GET", "/reports/2021-06-30/documents/{reportDocumentId}", 0.0167, 15),
    Operation(
        "getMarketplaceParticipations", "GET", "/sellers/v1/marketplaceParticipations", 0.016, 15, "", False, True
    ),
    Operation("getAccount", "GET", "/sellers/v1/account", 0.016, 15),
    Operation("createRestrictedDataToken", "POST", "/tokens/2021-03-01/restrictedDataToken", 1, 10, rate_on_429=True),
    Operation("listHandoverSlots", "POST", "/easyShip/2022-03-23/timeSlot", 1, 5, _SHIPPING),
    Operation("getScheduledPackage", "GET", "/easyShip/2022-03-23/package", 1, 5, _SHIPPING),
    Operation("createScheduledPackage", "POST", "/easyShip/2022-03-23/package", 1, 5, _SHIPPING),
    Operation("updateScheduledPackages", "PATCH", "/easyShip/2022-03-23/package", 1, 5, _SHIPPING),
    Operation("createScheduledPackageBulk", "POST", "/easyShip/2022-03-23/packages/bulk", 1, 5, _SHIPPING, True),
)
TOKEN_OPERATION: Final = "requestAccessToken"
"""The name of Login with Amazon's one endpoint in faults and counts."""
DOCUMENT_OPERATIONS: Final = ("uploadDocument", "downloadDocument")
"""The names of PUT and GET of a pre-signed URL."""


def find_operation(method: str, raw_path: str) -> tuple[Operation, dict[str, str]] | None:
    """The operation of a path as it was sent, and its path parameters unquoted.

    A ``/`` that was not quoted splits the path: there is no such operation then, as at Amazon.
    """
    parts = raw_path.split("/")
    for operation in OPERATIONS:
        names = operation.path.split("/")
        if operation.method != method or len(names) != len(parts):
            continue
        values = dict(zip(names, parts, strict=True))
        if all(value and (name.startswith("{") or name == value) for name, value in values.items() if name):
            return operation, {name[1:-1]: unquote(value) for name, value in values.items() if name.startswith("{")}
    return None


class Bucket:
    """A token bucket. One that is asked too early by rounding alone lets the request pass."""

    def __init__(self, rate: float, burst: int) -> None:
        self.rate = rate
        self.burst = burst
        # As the instant at which it would be full again: whole microseconds, no float drifts.
        self._full_at: datetime | None = None

    @property
    def _restore(self) -> timedelta:
        return timedelta(seconds=1 / self.rate)

    def take(self, now: datetime) -> bool:
        """Take one request out, if there is one."""
        full_at = now if self._full_at is None else max(now, self._full_at)
        if full_at + self._restore > now + self._restore * self.burst + _TOLERANCE:
            return False
        self._full_at = full_at + self._restore
        return True


class Window:
    """At most ``limit`` requests in any ``seconds``."""

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit = limit
        self.seconds = seconds
        self._taken: deque[datetime] = deque()

    def has_room(self, now: datetime) -> bool:
        """Whether one more would pass."""
        while self._taken and self._taken[0] + timedelta(seconds=self.seconds) <= now + _TOLERANCE:
            self._taken.popleft()
        return len(self._taken) < self.limit

    def take(self, now: datetime) -> None:
        """Count one."""
        self._taken.append(now)
