"""The throttle table and the counting behind it: the fake's own copy, so that a mistake in the client's copy shows.

Source: MWS developer guide, "Throttling: Limits to how often you can submit requests", and the "Throttling" line on
each operation's page. Amazon counts per operation and per pair of seller and developer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Literal

import attrs

__all__ = ["SECTIONS", "Limit", "Meter", "Meters", "Section", "limit_of"]

_HOUR: Final = timedelta(hours=1)
# A caller's clock and ours may differ in the last digits of a float: nobody is refused for a thousandth of a second.
_TOLERANCE: Final = timedelta(milliseconds=1)
_INSTANT: Final = timedelta(microseconds=1)


@attrs.frozen
class Limit:
    """How often an operation may be called.

    Attributes:
        group: operations that share a quota have the same group.
        burst: the maximum request quota.
        restore_seconds: one request comes back per this many seconds.
        per_hour: the hourly request quota of Feeds and Reports; ``None`` elsewhere.
    """

    group: str
    burst: int
    restore_seconds: float
    per_hour: int | None = None


@attrs.frozen(kw_only=True)
class Section:
    """One section of the API: its version, the namespace its answers carry, its operations."""

    version: str
    namespace: str
    operations: Mapping[str, Limit]


_LIST_ORDERS = Limit("Orders/ListOrders", 6, 60)  # pages "ListOrders" and "ListOrdersByNextToken": one quota together
_LIST_ORDER_ITEMS = Limit("Orders/ListOrderItems", 30, 2)  # "ListOrderItems", "ListOrderItemsByNextToken": together
_PARTICIPATIONS = Limit("Sellers/ListMarketplaceParticipations", 15, 60)  # both pages: together


def _status(section: str) -> Limit:
    return Limit(f"{section}/GetServiceStatus", 2, 300)  # page "GetServiceStatus" of every section


SECTIONS: Final[Mapping[str, Section]] = {
    "Orders": Section(
        version="2013-09-01",
        namespace="https://mws.amazonservices.com/Orders/2013-09-01",
        operations={
            "ListOrders": _LIST_ORDERS,
            "ListOrdersByNextToken": _LIST_ORDERS,
            "GetOrder": Limit("Orders/GetOrder", 6, 60),
            "ListOrderItems": _LIST_ORDER_ITEMS,
            "ListOrderItemsByNextToken": _LIST_ORDER_ITEMS,
            "GetServiceStatus": _status("Orders"),
        },
    ),
    "Feeds": Section(
        version="2009-01-01",
        namespace="http://mws.amazonaws.com/doc/2009-01-01/",
        operations={
            "SubmitFeed": Limit("Feeds/SubmitFeed", 15, 120, 30),
            "GetFeedSubmissionList": Limit("Feeds/GetFeedSubmissionList", 10, 45, 80),
            "GetFeedSubmissionListByNextToken": Limit("Feeds/GetFeedSubmissionListByNextToken", 30, 2, 1800),
            "GetFeedSubmissionCount": Limit("Feeds/GetFeedSubmissionCount", 10, 45, 80),
            "CancelFeedSubmissions": Limit("Feeds/CancelFeedSubmissions", 10, 45, 80),
            "GetFeedSubmissionResult": Limit("Feeds/GetFeedSubmissionResult", 15, 60, 60),
            "GetServiceStatus": _status("Feeds"),
        },
    ),
    "Reports": Section(
        version="2009-01-01",
        namespace="http://mws.amazonaws.com/doc/2009-01-01/",
        operations={
            "RequestReport": Limit("Reports/RequestReport", 15, 60, 60),
            "GetReportRequestList": Limit("Reports/GetReportRequestList", 10, 45, 80),
            "GetReportRequestListByNextToken": Limit("Reports/GetReportRequestListByNextToken", 30, 2, 1800),
            "GetReportList": Limit("Reports/GetReportList", 10, 60, 60),
            # Its page was not found: as its sibling of the request list, UNVERIFIED.
            "GetReportListByNextToken": Limit("Reports/GetReportListByNextToken", 30, 2, 1800),
            "GetReport": Limit("Reports/GetReport", 15, 60, 60),
            "GetServiceStatus": _status("Reports"),
        },
    ),
    "Sellers": Section(
        version="2011-07-01",
        namespace="https://mws.amazonservices.com/Sellers/2011-07-01",
        operations={
            "ListMarketplaceParticipations": _PARTICIPATIONS,
            "ListMarketplaceParticipationsByNextToken": _PARTICIPATIONS,
            "GetServiceStatus": _status("Sellers"),
        },
    ),
    "EasyShip": Section(
        version="2018-09-01",
        namespace="https://mws.amazonservices.com/EasyShip/2018-09-01",
        operations={
            "ListPickupSlots": Limit("EasyShip/ListPickupSlots", 15, 4),  # "15 requests every minute"
            "CreateScheduledPackage": Limit("EasyShip/CreateScheduledPackage", 15, 4),
            "GetScheduledPackage": Limit("EasyShip/GetScheduledPackage", 15, 4),
            "UpdateScheduledPackages": Limit("EasyShip/UpdateScheduledPackages", 10, 4),
            "GetServiceStatus": _status("EasyShip"),
        },
    ),
}


def limit_of(action: str) -> Limit:
    """The limit of an operation, of whichever section.

    Raises:
        ValueError: there is no such operation.
    """
    for section in SECTIONS.values():
        if action in section.operations:
            return section.operations[action]
    raise ValueError(f"there is no operation {action!r}")


class Meter:
    """Counts the requests of one caller in one group: a leaky bucket, and an hour.

    Args:
        limit: the documented numbers.
        hour: ``"rolling"`` counts the sixty minutes behind every request, the strictest reading. ``"fixed"`` starts a
            new hour at ``offset`` past every full hour, as Amazon's ``x-mws-quota-resetsOn`` suggests.
        offset: where the caller's fixed hour starts.
    """

    def __init__(self, limit: Limit, *, hour: Literal["rolling", "fixed"] = "rolling", offset: timedelta) -> None:
        self.limit = limit
        self._restore = timedelta(seconds=limit.restore_seconds)
        self._hour = hour
        self._offset = offset
        # The bucket as the instant at which it would be full again: whole microseconds, no float ever drifts.
        self._full_at: datetime | None = None
        self._spent: deque[datetime] = deque()

    def free(self, now: datetime) -> int:
        """How many requests the bucket holds now."""
        if self._full_at is None or self._full_at <= now + _TOLERANCE:
            return self.limit.burst
        return max(0, self.limit.burst - -((now + _TOLERANCE - self._full_at) // self._restore))

    def left(self, now: datetime) -> int | None:
        """How many requests the hour still allows; ``None`` where there is no hourly quota."""
        if self.limit.per_hour is None:
            return None
        begin = self._begin(now)
        while self._spent and self._spent[0] < begin:
            self._spent.popleft()
        return max(0, self.limit.per_hour - len(self._spent))

    def spend(self, now: datetime) -> None:
        """Count one request."""
        full_at = now if self._full_at is None else max(now, self._full_at)
        self._full_at = full_at + self._restore
        if self.limit.per_hour is not None:
            self._spent.append(now)

    def resets_at(self, now: datetime) -> datetime:
        """When the hour gives something back, in whole minutes as in all recordings; never too early."""
        if self._hour == "fixed":
            return self._begin(now) + _HOUR
        self.left(now)
        exact = (self._spent[0] if self._spent else now) + _HOUR
        minute = exact.replace(second=0, microsecond=0)
        return minute if minute == exact else minute + timedelta(minutes=1)

    def _begin(self, now: datetime) -> datetime:
        """Requests before this instant no longer count."""
        if self._hour == "rolling":
            return now - _HOUR + _TOLERANCE + _INSTANT
        full_hour = (now - self._offset).replace(minute=0, second=0, microsecond=0)
        return full_hour + self._offset


class Meters:
    """One meter per developer and group of operations."""

    def __init__(self, hour: Literal["rolling", "fixed"]) -> None:
        self._hour: Literal["rolling", "fixed"] = hour
        self._meters: dict[tuple[str, str], Meter] = {}

    def of(self, access_key_id: str, limit: Limit) -> Meter:
        """The developer's meter for this operation and those that share its quota."""
        key = (access_key_id, limit.group)
        meter = self._meters.get(key)
        if meter is None:
            # Where a caller's fixed hour starts differs from caller to caller.
            offset = timedelta(minutes=sum(access_key_id.encode()) % 60)
            meter = self._meters[key] = Meter(limit, hour=self._hour, offset=offset)
        return meter
