"""Easy Ship packages and pickup slots: of MWS (EasyShip 2018-09-01) and of the Selling Partner API (2022-03-23)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import cast

import attrs

from amazon_ae._models.checks import check_aware, check_measure, measure
from amazon_ae._models.responses import ResponseMeta

__all__ = [
    "EasyShipInvoice",
    "PackageDimensions",
    "PackageItem",
    "PackageWeight",
    "PickupSlot",
    "PickupSlots",
    "ScheduledPackage",
]


def _positive(instance: object, attribute: attrs.Attribute[Decimal], value: Decimal) -> None:
    check_measure(f"{type(instance).__name__}: {attribute.name}", value)


def _measure(value: int | Decimal | str) -> Decimal:
    return cast(Decimal, measure(value))  # the validator refuses anything else


@attrs.frozen
class PackageDimensions:
    """Outside measures of a packed parcel, as int, ``Decimal`` or text.

    ``unit`` is ``cm``; ``name`` names one of Amazon's standard boxes.
    """

    length: Decimal = attrs.field(converter=_measure, validator=_positive)
    width: Decimal = attrs.field(converter=_measure, validator=_positive)
    height: Decimal = attrs.field(converter=_measure, validator=_positive)
    unit: str = attrs.field(default="cm", kw_only=True)
    name: str | None = attrs.field(default=None, kw_only=True)


@attrs.frozen
class PackageWeight:
    """The packed parcel's weight, as int, ``Decimal`` or text. ``unit`` is ``g``."""

    value: Decimal = attrs.field(converter=_measure, validator=_positive)
    unit: str = attrs.field(default="g", kw_only=True)


@attrs.frozen(kw_only=True)
class PickupSlot:
    """A time span in which Amazon collects. ``slot_id`` is opaque; the instants are aware UTC.

    ``handover_method`` is ``PICKUP`` or ``DROPOFF`` (the seller brings the parcel); ``None`` where Amazon does not say.
    """

    slot_id: str
    pickup_time_start: datetime | None = None
    pickup_time_end: datetime | None = None
    handover_method: str | None = None


@attrs.frozen(kw_only=True)
class PickupSlots:
    """The free slots of one order, in Amazon's order, which is **not** sorted by time."""

    amazon_order_id: str | None = None
    slots: tuple[PickupSlot, ...] = ()
    meta: ResponseMeta = attrs.field(default=ResponseMeta(), eq=False)

    def earliest(self, *, not_before: datetime) -> PickupSlot | None:
        """The first slot that begins at or after ``not_before`` (aware); ``None`` if there is none."""
        check_aware(not_before=not_before)
        fit = [
            slot for slot in self.slots if slot.pickup_time_start is not None and slot.pickup_time_start >= not_before
        ]
        return min(fit, key=lambda slot: slot.pickup_time_start or not_before, default=None)


@attrs.frozen(kw_only=True)
class PackageItem:
    """An order item inside the parcel; serial numbers only where the item's ``serial_number_required`` says so."""

    order_item_id: str
    serial_numbers: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class EasyShipInvoice:
    """The invoice that Amazon made for the parcel."""

    invoice_number: str | None = None
    invoice_date: datetime | None = None


@attrs.frozen(kw_only=True)
class ScheduledPackage:
    """A parcel that Amazon will collect.

    Attributes:
        package_status: ``Scheduled``, ``Unscheduled``, ``ReadyForPickup``; an unknown status is kept as it is.
        tracking_id: the carrier's number, where Amazon gives it.
    """

    amazon_order_id: str
    package_id: str | None = None
    package_dimensions: PackageDimensions | None = None
    package_weight: PackageWeight | None = None
    package_items: tuple[PackageItem, ...] = ()
    package_pickup_slot: PickupSlot | None = None
    package_identifier: str | None = None
    invoice: EasyShipInvoice | None = None
    package_status: str | None = None
    tracking_id: str | None = None
    meta: ResponseMeta = attrs.field(default=ResponseMeta(), eq=False)
