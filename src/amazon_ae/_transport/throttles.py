"""The throttle table: every limit Amazon sets, as data.

Amazon counts per (seller, developer) and per operation: a bucket that starts full and gets one place back per restore
interval, and for Feeds and Reports also an hourly quota (MWS developer guide, "Throttling"). Operations in one row
share. Each number comes from the operation's own page, named in ``source``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import attrs

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.feeds import QuotaRule

__all__ = ["QUOTA_LONGEST_SECONDS", "QUOTA_UNKNOWN_SECONDS", "THROTTLES", "UNLISTED", "Throttle", "ThrottleTable"]


@attrs.frozen
class Throttle:
    """The limits of one group of operations.

    Attributes:
        section: e.g. ``"Orders"``; ``""`` in the row for what no page lists.
        actions: the operations that share the limits.
        burst: places when nothing was used for long.
        restore_seconds: one place comes back per this many seconds.
        per_hour: requests an hour; ``None`` where Amazon sets no hourly quota.
        source: the page of the API reference.

    Raises:
        ConfigurationError: limits under which no call could ever leave.
    """

    section: str
    actions: tuple[str, ...]
    burst: int
    restore_seconds: float
    per_hour: int | None
    source: str

    def __attrs_post_init__(self) -> None:
        if not self.actions:
            raise ConfigurationError("a Throttle names at least one action")
        if self.burst < 1 or self.restore_seconds <= 0 or (self.per_hour is not None and self.per_hour < 1):
            raise ConfigurationError(
                f"{self.group}: burst and per_hour must be >= 1, restore_seconds above 0; a call would wait for ever"
            )

    @property
    def group(self) -> str:
        """What names the limits: section and first operation, e.g. ``"Feeds/SubmitFeed"``."""
        return f"{self.section}/{self.actions[0]}"

    def rule(self, *, seller_id: str, access_key_id: str) -> QuotaRule:
        """The limits as the scheduler's ledger wants them, named after the pair that Amazon counts by."""
        return QuotaRule(
            name=f"{seller_id}/{access_key_id}/{self.actions[0]}",
            burst=self.burst,
            restore_seconds=self.restore_seconds,
            limit=self.per_hour,
        )


THROTTLES: Final[tuple[Throttle, ...]] = (
    Throttle("Orders", ("ListOrders", "ListOrdersByNextToken"), 6, 60, None, "Orders_ListOrders"),
    Throttle("Orders", ("GetOrder",), 6, 60, None, "Orders_GetOrder"),
    Throttle("Orders", ("ListOrderItems", "ListOrderItemsByNextToken"), 30, 2, None, "Orders_ListOrderItems"),
    Throttle("Orders", ("GetServiceStatus",), 2, 300, None, "MWS_GetServiceStatus"),
    Throttle("Feeds", ("SubmitFeed",), 15, 120, 30, "Feeds_SubmitFeed"),
    Throttle("Feeds", ("GetFeedSubmissionList",), 10, 45, 80, "Feeds_GetFeedSubmissionList"),
    Throttle("Feeds", ("GetFeedSubmissionListByNextToken",), 30, 2, 1800, "Feeds_GetFeedSubmissionListByNextToken"),
    Throttle("Feeds", ("GetFeedSubmissionCount",), 10, 45, 80, "Feeds_GetFeedSubmissionCount"),
    Throttle("Feeds", ("CancelFeedSubmissions",), 10, 45, 80, "Feeds_CancelFeedSubmissions"),
    Throttle("Feeds", ("GetFeedSubmissionResult",), 15, 60, 60, "Feeds_GetFeedSubmissionResult"),
    Throttle("Feeds", ("GetServiceStatus",), 2, 300, None, "MWS_GetServiceStatus"),
    Throttle(
        "Sellers",
        ("ListMarketplaceParticipations", "ListMarketplaceParticipationsByNextToken"),
        15,
        60,
        None,
        "Sellers_ListMarketplaceParticipations",
    ),
    Throttle("Sellers", ("GetServiceStatus",), 2, 300, None, "MWS_GetServiceStatus"),
    # Easy Ship gives 15 places back per minute, that is one per 4 s.
    Throttle("EasyShip", ("ListPickupSlots",), 15, 4, None, "EasyShip_ListPickupSlots"),
    Throttle("EasyShip", ("CreateScheduledPackage",), 15, 4, None, "EasyShip_CreateScheduledPackage"),
    Throttle("EasyShip", ("GetScheduledPackage",), 15, 4, None, "EasyShip_GetScheduledPackage"),
    Throttle("EasyShip", ("UpdateScheduledPackages",), 10, 4, None, "EasyShip_UpdateScheduledPackages"),
    Throttle("EasyShip", ("GetServiceStatus",), 2, 300, None, "MWS_GetServiceStatus"),
    Throttle("Reports", ("RequestReport",), 15, 60, 60, "Reports_RequestReport"),
    Throttle("Reports", ("GetReportRequestList",), 10, 45, 80, "Reports_GetReportRequestList"),
    Throttle("Reports", ("GetReportRequestListByNextToken",), 30, 2, 1800, "Reports_GetReportRequestListByNextToken"),
    Throttle("Reports", ("GetReportList",), 10, 60, 60, "Reports_GetReportList"),
    # By analogy with GetReportRequestListByNextToken: UNVERIFIED.
    Throttle("Reports", ("GetReportListByNextToken",), 30, 2, 1800, "UNVERIFIED"),
    Throttle("Reports", ("GetReport",), 15, 60, 60, "Reports_GetReport"),
    Throttle("Reports", ("GetServiceStatus",), 2, 300, None, "MWS_GetServiceStatus"),
)
UNLISTED: Final = Throttle("", ("*",), 6, 60, None, "UNVERIFIED")
"""What an operation gets that no row lists (``client.call`` of other sections): the pace of ListOrders."""

# QuotaExceeded that does not say when the hour ends: ask again after this long (our choice; Amazon documents none).
QUOTA_UNKNOWN_SECONDS: Final = 300.0
# Amazon's hour is never longer than an hour; a minute more for its own clocks.
QUOTA_LONGEST_SECONDS: Final = 3660.0


class ThrottleTable:
    """Finds the row of an operation.

    Args:
        rows: the table; later rows win, so that ``(*THROTTLES, your_row)`` overrides one.
        unlisted: the limits of an operation without a row; each such operation has its own.
    """

    def __init__(self, rows: Iterable[Throttle] = THROTTLES, *, unlisted: Throttle = UNLISTED) -> None:
        self._rows = {(row.section, action): row for row in rows for action in row.actions}
        self._unlisted = unlisted

    def find(self, section: str, action: str) -> Throttle:
        """The row of ``action``; the unlisted one's limits under the operation's own name where there is none."""
        row = self._rows.get((section, action))
        return attrs.evolve(self._unlisted, section=section, actions=(action,)) if row is None else row
