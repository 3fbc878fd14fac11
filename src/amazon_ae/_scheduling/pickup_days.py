"""Which day a pickup is scheduled for where the host names none. Pure.

Source: Seller Central help for the UAE, "How to process Amazon Easy Ship orders": a pickup is normally one or more days
ahead. Cut-off hour, working days and holidays of the UAE's collection service are not published: **UNVERIFIED**, the
host sets what its carrier does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

import attrs

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.checks import check_aware
from amazon_ae._models.marketplaces import AE, Marketplace
from amazon_ae._models.text import check_order_id

__all__ = ["PickupCalendar", "PickupDays", "check_pickup"]


class PickupDays(Protocol):
    """Chooses the day for a pickup that was asked for without one."""

    def pickup_date(self, now: datetime) -> date:
        """The day, in the marketplace's time zone. ``now`` is aware UTC."""
        ...


def _no_day_off(_: object, __: object, value: Collection[int]) -> None:
    if not value or not set(value) <= set(range(7)):
        raise ConfigurationError("working_days must name at least one weekday, 0 (Monday) to 6 (Sunday)")


# Converters with a type of their own: mypy reads no argument type out of a generic class such as `frozenset`.
def _weekdays(values: Iterable[int]) -> frozenset[int]:
    return frozenset(values)


def _dates(values: Iterable[date]) -> frozenset[date]:
    return frozenset(values)


@attrs.frozen(kw_only=True)
class PickupCalendar:
    """The first working day that is far enough away. A host with other rules passes its own ``PickupDays``.

    Attributes:
        lead_days: working days between packing and collection; 0 collects on the same day.
        cut_off: from this local time on, a parcel counts as packed on the next day. UNVERIFIED for the UAE.
        working_days: weekdays with a collection, 0 is Monday. UNVERIFIED for the UAE.
        holidays: days without a collection.
        marketplace: whose time zone the days are counted in.
    """

    lead_days: int = attrs.field(default=1, validator=attrs.validators.ge(0))
    cut_off: time = time(14, 0)
    working_days: frozenset[int] = attrs.field(default=frozenset(range(6)), converter=_weekdays, validator=_no_day_off)
    holidays: frozenset[date] = attrs.field(default=frozenset(), converter=_dates)
    marketplace: Marketplace = AE

    def pickup_date(self, now: datetime) -> date:
        """The day on which a parcel packed at ``now`` (aware) is collected."""
        check_aware(now=now)
        local = now.astimezone(self._zone())
        day = local.date() + timedelta(days=local.time() >= self.cut_off)
        for _ in range(self.lead_days):
            day = self._working(day + timedelta(days=1))
        return self._working(day)

    def _working(self, day: date) -> date:
        for _ in range(366):
            if day.weekday() in self.working_days and day not in self.holidays:
                return day
            day += timedelta(days=1)
        raise ConfigurationError(f"no working day in the year before {day}: check holidays and working_days")

    def _zone(self) -> ZoneInfo:
        return self.marketplace.zone


def check_pickup(order_id: str, pickup_date: date | None, *, now: datetime, days: PickupDays) -> None:
    """Refuse a mistyped order id and a day in the past, before anything is stored or spent.

    Args:
        now: aware UTC.
        days: the scheduler's calendar. One that names a ``marketplace`` decides by its day; for others a day counts as
            past when it is over everywhere on Earth (UTC-12).

    Raises:
        ConfigurationError: fix the call.
    """
    check_order_id(order_id)
    marketplace = getattr(days, "marketplace", None)
    local = now.astimezone(marketplace.zone) if isinstance(marketplace, Marketplace) else now - timedelta(hours=12)
    if isinstance(pickup_date, date) and not isinstance(pickup_date, datetime) and pickup_date < local.date():
        raise ConfigurationError(
            f"pickup_date of order {order_id} is {pickup_date}, in the past: today is {local.date()}"
        )
