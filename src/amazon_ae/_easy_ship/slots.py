"""Which pickup slot a request gets. Pure.

The order of preference, among slots that begin at least ``lead`` from now:

1. the slot in which the requested time lies;
2. else the earliest that begins at the requested time or later;
3. else none: the pickup is refused, never moved to an earlier time.

A request without a time asks for midnight of its day, so that it gets the day's first slot.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, time
from typing import Final
from zoneinfo import ZoneInfo

import attrs

from amazon_ae._models.easy_ship import PackageDimensions, PackageItem, PackageWeight, PickupSlot
from amazon_ae._models.feeds import ItemOutcome, Outcome, PickupRequest

__all__ = ["Parcel", "choose_slot", "clock_time", "other_day", "parcel_of"]

_TIME: Final = re.compile(r"([0-9]{1,2}):([0-9]{2})(?: ?([AaPp][Mm]))?")


@attrs.frozen(kw_only=True)
class Parcel:
    """One order's parcel with everything a booking needs.

    Attributes:
        requested_at: the time of the pickup that the host asked for, aware.
        items: order items with serial numbers; ``()`` where the order needs none.
        identifier: printed on the label; ``None`` prints the order id.
    """

    order_id: str
    requested_at: datetime
    dimensions: PackageDimensions
    weight: PackageWeight
    items: Sequence[PackageItem] = ()
    identifier: str | None = None


def parcel_of(request: PickupRequest, zone: ZoneInfo) -> Parcel | ItemOutcome:
    """The parcel of a request, still without serial numbers; the refusal where it lacks something.

    Args:
        zone: the marketplace's time zone, in which day and time are meant.
    """
    length, width, height, grams = request.length_cm, request.width_cm, request.height_cm, request.weight_grams
    if length is None or width is None or height is None or grams is None:
        text = "Amazon lists pickup slots only for a parcel with weight, length, width and height"
        return ItemOutcome(request.order_id, Outcome.REJECTED, "PackageSizeMissing", text)
    moment = time.min if request.pickup_time is None else clock_time(request.pickup_time)
    if moment is None:
        text = f"pickup_time must be a time such as '10:00 AM' or '14:30', not {request.pickup_time!r}"
        return ItemOutcome(request.order_id, Outcome.REJECTED, "PickupTimeUnreadable", text)
    return Parcel(
        order_id=request.order_id,
        requested_at=datetime.combine(request.pickup_date, moment, tzinfo=zone),
        dimensions=PackageDimensions(length, width, height),
        weight=PackageWeight(grams),
        identifier=request.package_identifier,
    )


def choose_slot(slots: Iterable[PickupSlot], requested_at: datetime, *, soonest: datetime) -> PickupSlot | None:
    """The slot to book, by the module's rules; ``None``: none fits.

    Args:
        slots: in any order; those without a begin are passed over.
        soonest: no slot that begins earlier is taken.
    """
    usable = sorted(
        ((slot.pickup_time_start, slot) for slot in slots if slot.pickup_time_start is not None),
        key=lambda pair: pair[0],
    )
    usable = [(begin, slot) for begin, slot in usable if begin >= soonest]
    for begin, slot in usable:
        if slot.pickup_time_end is not None and begin <= requested_at < slot.pickup_time_end:
            return slot
    return next((slot for begin, slot in usable if begin >= requested_at), None)


def other_day(slot: PickupSlot | None, wanted: datetime) -> str:
    """In words, that a slot lies on another day than ``wanted``, whose time zone counts; ``""`` where it does not."""
    begin = None if slot is None else slot.pickup_time_start
    day = None if begin is None else begin.astimezone(wanted.tzinfo).date()
    if day is None or day == wanted.date():
        return ""
    return f"Amazon collects on {day}, not on {wanted.date()}: the earliest slot that it offers"


def clock_time(text: str) -> time | None:
    """The time that ``"10:00 AM"``, ``"2:30pm"`` or ``"14:30"`` means; ``None`` for every other text."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    hour, minute, half = int(match[1]), int(match[2]), (match[3] or "").upper()
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "PM" else 0)
    return time(hour, minute) if hour < 24 and minute < 60 else None
