"""The throttle table of MWS: every limit that Amazon sets, as data.

Amazon counts per (seller, developer) and per operation (MWS developer guide, "Throttling"): a bucket for each, and for
Feeds and Reports an hourly quota beside it. Each number comes from the operation's own page, named in ``source``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from amazon_ae._transport.throttles import Throttle, ThrottleTable

__all__ = ["MWS_THROTTLES", "QUOTA_LONGEST_SECONDS", "QUOTA_UNKNOWN_SECONDS", "UNLISTED", "mws_throttles"]


def _row(
    section: str, actions: tuple[str, ...], burst: int, restore_seconds: float, per_hour: int | None, source: str
) -> Throttle:
    operations = tuple(f"{section}/{action}" for action in actions)
    return Throttle(operations, burst, restore_seconds, per_hour, source=source)


MWS_THROTTLES: Final[tuple[Throttle, ...]] = (
    _row("Orders", ("ListOrders", "ListOrdersByNextToken"), 6, 60, None, "Orders_ListOrders"),
    _row("Orders", ("GetOrder",), 6, 60, None, "Orders_GetOrder"),
    _row("Orders", ("ListOrderItems", "ListOrderItemsByNextToken"), 30, 2, None, "Orders_ListOrderItems"),
    _row("Orders", ("GetServiceStatus",), 2, 300, None, "MWS_GetServiceStatus"),
    _row("Feeds", ("SubmitFeed",), 15, 120, 30, "Feeds_SubmitFeed"),
    _row("Feeds", ("GetFeedSubmissionList",), 10, 45, 80, "Feeds_GetFeedSubmissionList"),
    _row("Feeds", ("GetFeedSubmissionListByNextToken",), 30, 2, 1800, "Feeds_GetFeedSubmissionListByNextToken"),
    _row("Feeds", ("GetFeedSubmissionCount",), 10, 45, 80, "Feeds_GetFeedSubmissionCount"),
    _row("Feeds", ("CancelFeedSubmissions",), 10, 45, 80, "Feeds_CancelFeedSubmissions"),
    _row("Feeds", ("GetFeedSubmissionResult",), 15, 60, 60, "Feeds_GetFeedSubmissionResult"),
    _row("Feeds", ("GetServiceStatus",), 2, 300, None, "MWS_GetServiceStatus"),
    _row(
        "Sellers",
        ("ListMarketplaceParticipations", "ListMarketplaceParticipationsByNextToken"),
        15,
        60,
        None,
        "Sellers_ListMarketplaceParticipations",
    ),
    _row("Sellers", ("GetServiceStatus",), 2, 300, None, "MWS_GetServiceStatus"),
    # Easy Ship restores 15 slots per minute, that is one per 4 s.
    _row("EasyShip", ("ListPickupSlots",), 15, 4, None, "EasyShip_ListPickupSlots"),
    _row("EasyShip", ("CreateScheduledPackage",), 15, 4, None, "EasyShip_CreateScheduledPackage"),
    _row("EasyShip", ("GetScheduledPackage",), 15, 4, None, "EasyShip_GetScheduledPackage"),
    _row("EasyShip", ("UpdateScheduledPackages",), 10, 4, None, "EasyShip_UpdateScheduledPackages"),
    _row("EasyShip", ("GetServiceStatus",), 2, 300, None, "MWS_GetServiceStatus"),
    _row("Reports", ("RequestReport",), 15, 60, 60, "Reports_RequestReport"),
    _row("Reports", ("GetReportRequestList",), 10, 45, 80, "Reports_GetReportRequestList"),
    _row("Reports", ("GetReportRequestListByNextToken",), 30, 2, 1800, "Reports_GetReportRequestListByNextToken"),
    _row("Reports", ("GetReportList",), 10, 60, 60, "Reports_GetReportList"),
    # By analogy with GetReportRequestListByNextToken: UNVERIFIED.
    _row("Reports", ("GetReportListByNextToken",), 30, 2, 1800, "UNVERIFIED"),
    _row("Reports", ("GetReport",), 15, 60, 60, "Reports_GetReport"),
    _row("Reports", ("GetServiceStatus",), 2, 300, None, "MWS_GetServiceStatus"),
)
"""One row per group of operations that share a limit; operations are written ``"<section>/<action>"``."""
UNLISTED: Final = Throttle(("*",), 6, 60, None, source="UNVERIFIED")
"""The limits of an operation without a row (``client.call`` of other sections): the pace of ListOrders."""

# QuotaExceeded that doesn't say when the hour ends: ask again after this long (our choice; Amazon documents none).
QUOTA_UNKNOWN_SECONDS: Final = 300.0
# Amazon's hour is never longer than an hour; a minute more for its own clocks.
QUOTA_LONGEST_SECONDS: Final = 3660.0


def mws_throttles(rows: Iterable[Throttle] = MWS_THROTTLES, *, unlisted: Throttle = UNLISTED) -> ThrottleTable:
    """The table of MWS; ``mws_throttles((*MWS_THROTTLES, your_row))`` overrides a row."""
    return ThrottleTable(rows, unlisted=unlisted)
