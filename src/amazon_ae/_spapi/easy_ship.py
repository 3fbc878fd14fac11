"""Easy Ship 2022-03-23: slots, packages and their pickups. Whether it serves the UAE: UNVERIFIED; ``probe`` asks.

Decide by the error's code, not by its status: Amazon's model and its own examples disagree about the latter.
Source: ``easyShip_2022-03-23.json``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from amazon_ae._exceptions import ConfigurationError, NotSupported, UnreadableResponse
from amazon_ae._models.checks import check_count
from amazon_ae._models.easy_ship import (
    EasyShipInvoice,
    PackageDimensions,
    PackageItem,
    PackageWeight,
    PickupSlot,
    PickupSlots,
    ScheduledPackage,
)
from amazon_ae._models.responses import ResponseMeta
from amazon_ae._models.text import check_order_id
from amazon_ae._spapi.calls import SpApiCall, SpApiExecutor
from amazon_ae._spapi.operations import find_operation
from amazon_ae._spapi.params import instant_text
from amazon_ae._spapi.values import Node, decimal, every, instant, node, nodes, same, text, texts
from amazon_ae._transport.calls import WaitPolicy

__all__ = ["ALREADY_SCHEDULED", "LEAST_GRAMS", "NEEDS_NEW_SLOTS", "EasyShip", "read_package"]

#: The order has its pickup already.
ALREADY_SCHEDULED: Final = frozenset({"ScheduledPackageAlreadyExists"})
#: List the slots again, once.
NEEDS_NEW_SLOTS: Final = frozenset(
    {"InvalidTimeSlotId", "ScheduleWindowExpired", "RetryableAfterGettingNewSlots", "TimeSlotNotAvailable"}
)
#: The model's ``minimum`` of a weight.
LEAST_GRAMS: Final = 11
_LEAST_CM: Final = Decimal("0.01")
_MOST_UPDATES: Final = 500


class EasyShip:
    """The pickups of one seller in one marketplace. Every operation has one slot a second, burst 5."""

    def __init__(self, calls: SpApiExecutor, *, marketplace_id: str) -> None:
        self._calls = calls
        self._marketplace_id = marketplace_id

    async def list_handover_slots(
        self,
        order_id: str,
        *,
        dimensions: PackageDimensions,
        weight: PackageWeight,
        wait: bool = True,
        deadline: datetime | timedelta | None = None,
    ) -> PickupSlots:
        """listHandoverSlots: when Amazon collects, or takes in, this parcel. It schedules nothing.

        Raises:
            ConfigurationError: weight below 11 g, or a measure below 0.01 cm; nothing was sent.
            RegionNotSupported: Easy Ship's API does not serve this marketplace.
            AccessDenied: the role "Direct to Consumer Shipping (Restricted)" is missing.
            InvalidRequest: the order cannot be scheduled; ``code`` has the reason.
        """
        body = {
            "marketplaceId": self._marketplace_id,
            "amazonOrderId": check_order_id(order_id),
            "packageDimensions": _dimensions(dimensions),
            "packageWeight": _weight(weight),
        }
        call = SpApiCall(row=find_operation("listHandoverSlots"), body=body)

        def read(answer: Any, meta: ResponseMeta) -> PickupSlots:
            same(text(node(answer).get("amazonOrderId")), order_id, "order")
            return _read_slots(answer, meta)

        return await self._calls.json(call, read, WaitPolicy(wait=wait, deadline=deadline))

    async def create_scheduled_package(
        self,
        order_id: str,
        slot: PickupSlot,
        *,
        items: Sequence[PackageItem] = (),
        package_identifier: str | None = None,
        wait: bool = True,
        deadline: datetime | timedelta | None = None,
    ) -> ScheduledPackage:
        """createScheduledPackage: book the slot. Sent once.

        Raises:
            OutcomeUnknown: it may have arrived: check with ``get_scheduled_package``.
            InvalidRequest: ``code`` has the reason; see ``NEEDS_NEW_SLOTS`` and ``ALREADY_SCHEDULED``.
        """
        details: dict[str, Any] = {"packageTimeSlot": _slot(slot)}
        if items:
            details["packageItems"] = [_item(item) for item in items]
        if package_identifier is not None:
            details["packageIdentifier"] = package_identifier
        body = {
            "amazonOrderId": check_order_id(order_id),
            "marketplaceId": self._marketplace_id,
            "packageDetails": details,
        }
        call = SpApiCall(row=find_operation("createScheduledPackage"), body=body)
        return await self._calls.json(call, _package_of(order_id), WaitPolicy(wait=wait, deadline=deadline))

    async def get_scheduled_package(
        self, order_id: str, *, wait: bool = True, deadline: datetime | timedelta | None = None
    ) -> ScheduledPackage:
        """getScheduledPackage: what is booked for an order.

        Raises:
            InvalidRequest: code ``ResourceNotFound``: nothing is.
        """
        query = {"amazonOrderId": check_order_id(order_id), "marketplaceId": self._marketplace_id}
        call = SpApiCall(row=find_operation("getScheduledPackage"), query=query)
        return await self._calls.json(call, _package_of(order_id), WaitPolicy(wait=wait, deadline=deadline))

    async def update_scheduled_packages(
        self,
        changes: Mapping[str, PickupSlot],
        *,
        package_ids: Mapping[str, str] | None = None,
        wait: bool = True,
        deadline: datetime | timedelta | None = None,
    ) -> tuple[ScheduledPackage, ...]:
        """updateScheduledPackages: move pickups to other slots.

        Args:
            changes: the new slot by order id, 1 to 500.
            package_ids: Amazon's package id by order id, where known.

        Raises:
            OutcomeUnknown: it may have arrived: check with ``get_scheduled_package``.
            InvalidRequest: code ``OrderNotEligibleForRescheduling``: too late, or nothing is scheduled.
        """
        check_count("changes", changes, most=_MOST_UPDATES)
        known = package_ids or {}
        updates = [
            {"scheduledPackageId": _package_id(order_id, known.get(order_id)), "packageTimeSlot": _slot(slot)}
            for order_id, slot in changes.items()
        ]
        body = {"marketplaceId": self._marketplace_id, "updatePackageDetailsList": updates}
        call = SpApiCall(row=find_operation("updateScheduledPackages"), body=body)

        def read(answer: Any, meta: ResponseMeta) -> tuple[ScheduledPackage, ...]:
            packages = _read_packages(answer, meta)
            if any(package.amazon_order_id not in changes for package in packages):
                raise UnreadableResponse("the answer is about another order than the asked ones")
            return packages

        return await self._calls.json(call, read, WaitPolicy(wait=wait, deadline=deadline))

    async def cancel(self, order_id: str) -> None:
        """Always raises: Easy Ship's API cannot withdraw a pickup.

        Raises:
            NotSupported: the message says what to do instead.
        """
        raise NotSupported(
            f"Easy Ship's API cannot withdraw the pickup of {order_id}: reschedule it with update_scheduled_packages, "
            "or cancel it in Seller Central under Manage Orders"
        )


def _number(value: Decimal) -> Decimal | int:
    return int(value) if value == value.to_integral_value() else value


def _dimensions(found: PackageDimensions) -> dict[str, Any]:
    for name in ("length", "width", "height"):
        if getattr(found, name) < _LEAST_CM:
            raise ConfigurationError(f"PackageDimensions: {name} must be at least 0.01 cm")
    body: dict[str, Any] = {
        "length": _number(found.length),
        "width": _number(found.width),
        "height": _number(found.height),
        "unit": found.unit,
    }
    return body if found.name is None else body | {"identifier": found.name}


def _weight(found: PackageWeight) -> dict[str, Any]:
    if found.value < LEAST_GRAMS:
        raise ConfigurationError(f"PackageWeight: Amazon takes {LEAST_GRAMS} g and more, not {found.value}")
    return {"value": _number(found.value), "unit": found.unit}


def _slot(slot: PickupSlot) -> dict[str, str]:
    body = {"slotId": slot.slot_id}
    if slot.pickup_time_start is not None:
        body["startTime"] = instant_text(slot.pickup_time_start)
    if slot.pickup_time_end is not None:
        body["endTime"] = instant_text(slot.pickup_time_end)
    if slot.handover_method is not None:
        body["handoverMethod"] = slot.handover_method
    return body


def _item(item: PackageItem) -> dict[str, Any]:
    body: dict[str, Any] = {"orderItemId": item.order_item_id}
    return body | {"orderItemSerialNumbers": list(item.serial_numbers)} if item.serial_numbers else body


def _package_id(order_id: str, package_id: str | None) -> dict[str, str]:
    body = {"amazonOrderId": check_order_id(order_id)}
    return body if package_id is None else body | {"packageId": package_id}


def _read_slots(body: Any, meta: ResponseMeta) -> PickupSlots:
    slots = [_read_slot(each) for each in every(body, "timeSlots", "an answer")]
    return PickupSlots(
        amazon_order_id=text(node(body).get("amazonOrderId")),
        slots=tuple(slot for slot in slots if slot is not None),
        meta=meta,
    )


def _read_slot(found: Node) -> PickupSlot | None:
    slot_id, method = text(found.get("slotId")), text(found.get("handoverMethod"))
    if slot_id is None:
        return None
    return PickupSlot(
        slot_id=slot_id,
        pickup_time_start=instant(found.get("startTime")),
        pickup_time_end=instant(found.get("endTime")),
        # Spelled "Pickup" until 2025-10-01.
        handover_method=None if method is None else method.upper(),
    )


def _package_of(order_id: str) -> Callable[[Any, ResponseMeta], ScheduledPackage]:
    def read(body: Any, meta: ResponseMeta) -> ScheduledPackage:
        package = read_package(node(body), meta)
        if package is None:
            raise UnreadableResponse("a package without amazonOrderId")
        same(package.amazon_order_id, order_id, "order")
        return package

    return read


def _read_packages(body: Any, meta: ResponseMeta) -> tuple[ScheduledPackage, ...]:
    packages = [read_package(each, meta) for each in every(body, "packages", "an answer")]
    return tuple(package for package in packages if package is not None)


def read_package(found: Node, meta: ResponseMeta) -> ScheduledPackage | None:
    """One package; ``None`` where it does not name its order."""
    ids, invoice = node(found, "scheduledPackageId"), node(found, "invoice")
    order_id = text(ids.get("amazonOrderId"))
    if order_id is None:
        return None
    return ScheduledPackage(
        amazon_order_id=order_id,
        package_id=text(ids.get("packageId")),
        package_dimensions=_read_dimensions(node(found, "packageDimensions")),
        package_weight=_read_weight(node(found, "packageWeight")),
        package_items=tuple(
            PackageItem(order_item_id=item_id, serial_numbers=texts(each.get("orderItemSerialNumbers")))
            for each in nodes(found, "packageItems")
            if (item_id := text(each.get("orderItemId"))) is not None
        ),
        package_pickup_slot=_read_slot(node(found, "packageTimeSlot")),
        package_identifier=text(found.get("packageIdentifier")),
        invoice=EasyShipInvoice(
            invoice_number=text(invoice.get("invoiceNumber")), invoice_date=instant(invoice.get("invoiceDate"))
        )
        if invoice
        else None,
        package_status=text(found.get("packageStatus")),
        tracking_id=text(node(found, "trackingDetails").get("trackingId")),
        meta=meta,
    )


def _read_dimensions(found: Node) -> PackageDimensions | None:
    length, width, height = (decimal(found.get(name)) for name in ("length", "width", "height"))
    if not (length and width and height) or min(length, width, height) <= 0:
        return None
    unit, name = text(found.get("unit")), text(found.get("identifier"))
    return PackageDimensions(length, width, height, unit=(unit or "cm").lower(), name=name)


def _read_weight(found: Node) -> PackageWeight | None:
    value = decimal(found.get("value"))
    return None if value is None or value <= 0 else PackageWeight(value, unit=text(found.get("unit")) or "g")
