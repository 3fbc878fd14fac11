"""Every operation of the Selling Partner API that this library knows, as one table. Pure.

Rates are Amazon's defaults for one pair of seller and application: a bucket of ``burst`` requests that gets ``rate``
requests a second back. Amazon states a seller's real rate in ``x-amzn-RateLimit-Limit``, and the client adopts it. An
answer never states the burst.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote

import attrs

from amazon_ae._exceptions import ConfigurationError

__all__ = ["OPERATIONS", "UNLISTED_BURST", "UNLISTED_RATE", "Operation", "find_operation"]

_FIELD: Final = re.compile(r"\{(\w+)\}")
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")

#: The limits of an operation without a row (``client.call``): one request a second, burst 1. UNVERIFIED for each of
# them.
UNLISTED_RATE: Final = 1.0
UNLISTED_BURST: Final = 1


@attrs.frozen
class Operation:
    """One operation.

    Attributes:
        name: Amazon's name, e.g. ``"patchListingsItem"``.
        section: the client's section, e.g. ``"listings"``.
        method: the HTTP method.
        path: with ``{fields}`` for the parts that ``url_path`` fills in.
        rate: requests that the bucket gets back per second.
        burst: requests in a full bucket.
        repeatable: it may be sent again after it may have arrived: a read, or a write of an absolute value.
        restricted: it needs a restricted data token in place of the access token.
        source: the file in amzn/selling-partner-api-models, or the page, that states rate and burst.
        scope: of a grantless operation, which belongs to the application and to no seller; ``""`` for all others.
    """

    name: str
    section: str
    method: str
    path: str
    rate: float
    burst: int
    repeatable: bool
    restricted: bool
    source: str
    scope: str = ""

    def __attrs_post_init__(self) -> None:
        if self.method not in _METHODS or not self.path.startswith("/"):
            raise ConfigurationError(f"{self.name}: {self.method} {self.path} is no method and path")
        if self.rate <= 0 or self.burst < 1:
            raise ConfigurationError(f"{self.name}: rate must be above 0 and burst at least 1")

    @property
    def restore_seconds(self) -> float:
        """Seconds until the bucket gets one request back."""
        return 1.0 / self.rate

    def url_path(self, fields: Mapping[str, str]) -> str:
        """The path with its fields filled in, each percent-encoded with nothing safe.

        A raw ``/`` or ``#`` in a SKU gets 403 Unauthorized from Amazon, as if a role were missing.

        Raises:
            ConfigurationError: a field is missing, empty or unknown.
        """
        wanted = _FIELD.findall(self.path)
        if sorted(wanted) != sorted(fields):
            raise ConfigurationError(f"{self.name} takes {', '.join(wanted) or 'no path fields'}, not {sorted(fields)}")
        return _FIELD.sub(lambda found: _segment(self.name, found[1], fields[found[1]]), self.path)


def _segment(operation: str, name: str, value: str) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"{operation}: {name} must be a text and not empty, not {value!r}")
    if value in (".", ".."):  # such a segment would be removed in transit (RFC 3986, 5.2.4)
        return value.replace(".", "%2E")
    try:
        return quote(value, safe="")
    except UnicodeEncodeError as error:
        raise ConfigurationError(f"{operation}: {name} holds a lone surrogate, which no URL can carry") from error


_ORDERS: Final = "orders_2026-01-01.json"
_LISTINGS: Final = "listingsItems_2021-08-01.json"
_LISTINGS_PAGE: Final = "docs/listings-items-api-rate-limits"
_FEEDS: Final = "feeds_2021-06-30.json"
_EASY_SHIP: Final = "easyShip_2022-03-23.json"
_REPORTS: Final = "reports_2021-06-30.json"
_NOTIFICATIONS: Final = "notifications.json"
_ITEM: Final = "/listings/2021-08-01/items/{sellerId}/{sku}"
_FEED: Final = "/feeds/2021-06-30/feeds"
_PACKAGE: Final = "/easyShip/2022-03-23/package"
_REPORT: Final = "/reports/2021-06-30/reports"
_SUBSCRIPTION: Final = "/notifications/v1/subscriptions/{notificationType}"
_DESTINATION: Final = "/notifications/v1/destinations"
_GRANTLESS: Final = "sellingpartnerapi::notifications"

# fmt: off
OPERATIONS: Final[tuple[Operation, ...]] = (
    # name, section, method, path, rate, burst, repeatable, restricted, source
    Operation("searchOrders", "orders", "GET", "/orders/2026-01-01/orders", 0.0056, 20, True, False, _ORDERS),
    Operation("getOrder", "orders", "GET", "/orders/2026-01-01/orders/{orderId}", 0.5, 30, True, False, _ORDERS),
    # A PATCH of an absolute quantity may be sent again.
    Operation("patchListingsItem", "listings", "PATCH", _ITEM, 5.0, 5, True, False, _LISTINGS_PAGE),
    # The model says burst 10, the newer page 5.
    Operation("getListingsItem", "listings", "GET", _ITEM, 5.0, 5, True, False, _LISTINGS_PAGE),
    Operation("searchListingsItems", "listings", "GET", "/listings/2021-08-01/items/{sellerId}", 5.0, 5, True, False,
              _LISTINGS),
    Operation("createFeedDocument", "feeds", "POST", "/feeds/2021-06-30/documents", 0.5, 15, True, False, _FEEDS),
    Operation("createFeed", "feeds", "POST", _FEED, 0.0083, 15, False, False, _FEEDS),
    Operation("getFeed", "feeds", "GET", _FEED + "/{feedId}", 2.0, 15, True, False, _FEEDS),
    Operation("getFeeds", "feeds", "GET", _FEED, 0.0222, 10, True, False, _FEEDS),
    Operation("cancelFeed", "feeds", "DELETE", _FEED + "/{feedId}", 2.0, 15, True, False, _FEEDS),
    Operation("getFeedDocument", "feeds", "GET", "/feeds/2021-06-30/documents/{feedDocumentId}", 0.0222, 10, True,
              False, _FEEDS),
    Operation("listHandoverSlots", "easy_ship", "POST", "/easyShip/2022-03-23/timeSlot", 1.0, 5, True, False,
              _EASY_SHIP),
    Operation("getScheduledPackage", "easy_ship", "GET", _PACKAGE, 1.0, 5, True, False, _EASY_SHIP),
    Operation("createScheduledPackage", "easy_ship", "POST", _PACKAGE, 1.0, 5, False, False, _EASY_SHIP),
    Operation("updateScheduledPackages", "easy_ship", "PATCH", _PACKAGE, 1.0, 5, False, False, _EASY_SHIP),
    Operation("createScheduledPackageBulk", "easy_ship", "POST", "/easyShip/2022-03-23/packages/bulk", 1.0, 5, False,
              True, _EASY_SHIP),
    Operation("createReport", "reports", "POST", _REPORT, 0.0167, 15, False, False, _REPORTS),
    Operation("getReport", "reports", "GET", _REPORT + "/{reportId}", 2.0, 15, True, False, _REPORTS),
    Operation("getReports", "reports", "GET", _REPORT, 0.0222, 10, True, False, _REPORTS),
    Operation("cancelReport", "reports", "DELETE", _REPORT + "/{reportId}", 0.0222, 10, True, False, _REPORTS),
    # Restricted for some report types only: the caller states it.
    Operation("getReportDocument", "reports", "GET", "/reports/2021-06-30/documents/{reportDocumentId}", 0.0167, 15,
              True, False, _REPORTS),
    Operation("getMarketplaceParticipations", "sellers", "GET", "/sellers/v1/marketplaceParticipations", 0.016, 15,
              True, False, "sellers.json"),
    Operation("getAccount", "sellers", "GET", "/sellers/v1/account", 0.016, 15, True, False, "sellers.json"),
    # Asking twice makes two tokens and changes nothing.
    Operation("createRestrictedDataToken", "tokens", "POST", "/tokens/2021-03-01/restrictedDataToken", 1.0, 10, True,
              False, "tokens_2021-03-01.json"),
    Operation("getSubscription", "notifications", "GET", _SUBSCRIPTION, 1.0, 5, True, False, _NOTIFICATIONS),
    Operation("createSubscription", "notifications", "POST", _SUBSCRIPTION, 1.0, 5, False, False, _NOTIFICATIONS),
    Operation("deleteSubscriptionById", "notifications", "DELETE", _SUBSCRIPTION + "/{subscriptionId}", 1.0, 5, True,
              False, _NOTIFICATIONS),
    Operation("getDestinations", "notifications", "GET", _DESTINATION, 1.0, 5, True, False, _NOTIFICATIONS, _GRANTLESS),
    Operation("createDestination", "notifications", "POST", _DESTINATION, 1.0, 5, False, False, _NOTIFICATIONS,
              _GRANTLESS),
    Operation("deleteDestination", "notifications", "DELETE", _DESTINATION + "/{destinationId}", 1.0, 5, True, False,
              _NOTIFICATIONS, _GRANTLESS),
)
# fmt: on


def find_operation(name: str, rows: Iterable[Operation] = OPERATIONS) -> Operation:
    """The row of ``name``; a later row wins, so that ``(*OPERATIONS, your_row)`` overrides one.

    Raises:
        ConfigurationError: no row has that name.
    """
    found = {row.name: row for row in rows}.get(name)
    if found is None:
        raise ConfigurationError(
            f"no operation {name!r}: give one of Amazon's names, or a method and a path such as "
            "'GET /catalog/2022-04-01/items'"
        )
    return found
