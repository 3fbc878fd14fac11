"""EasyShip 2018-09-01. Amazon documents every operation for India only; elsewhere it answers ``RegionNotSupported``.

Source: MWS Easy Ship API reference, one page per operation.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from amazon_ae._exceptions import UnreadableResponse
from amazon_ae._models.checks import check_text
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
from amazon_ae._mws.calls import MwsCall, MwsExecutor
from amazon_ae._mws.params import Value, flatten
from amazon_ae._mws.parsing import Node, children, decimal, instant, listed_in, required, same, text, values
from amazon_ae._mws.service import Section
from amazon_ae._transport.calls import WaitPolicy

__all__ = ["ALREADY_SCHEDULED", "NEEDS_NEW_SLOTS", "EasyShip"]

ALREADY_SCHEDULED: Final = frozenset({"ScheduledPackageAlreadyExists", "SchedulesdPackageAlreadyExists"})
"""Codes that mean the order has its pickup already; the second is the reference's spelling."""
NEEDS_NEW_SLOTS: Final = frozenset({"RetryableAfterGettingNewSlots", "PickupSlotNotAvailable", "ScheduleWindowExpired"})
"""Codes after which ListPickupSlots must be asked again before another attempt."""


class EasyShip(Section):
    """The Easy Ship section of one client. Its service status is GREEN also where nothing else of it is offered."""

    name = "EasyShip"

    def __init__(self, calls: MwsExecutor, *, marketplace_id: str) -> None:
        super().__init__(calls)
        self._marketplace_id = marketplace_id

    async def list_pickup_slots(
        self,
        order_id: str,
        *,
        dimensions: PackageDimensions,
        weight: PackageWeight,
        wait: bool = True,
        deadline: datetime | timedelta | None = None,
    ) -> PickupSlots:
        """ListPickupSlots: when Amazon can collect this parcel.

        Raises:
            RegionNotSupported: Amazon does not offer the operation in this marketplace.
            ConfigurationError: that is not an Amazon order id.
            AmazonAeError: as every call.
        """
        params = {
            "AmazonOrderId": check_order_id(order_id),
            "MarketplaceId": self._marketplace_id,
            **_dimensions("PackageDimensions", dimensions),
            **_weight("PackageWeight", weight),
        }
        call = MwsCall(section="EasyShip", action="ListPickupSlots", params=flatten(params))
        return await self._calls.result(
            call, lambda node, meta: _read_slots(node, meta, order_id), WaitPolicy(wait=wait, deadline=deadline)
        )

    async def create_scheduled_package(
        self,
        order_id: str,
        slot: PickupSlot | str,
        *,
        dimensions: PackageDimensions | None = None,
        weight: PackageWeight | None = None,
        items: Sequence[PackageItem] = (),
        package_identifier: str | None = None,
        wait: bool = True,
        deadline: datetime | timedelta | None = None,
    ) -> ScheduledPackage:
        """CreateScheduledPackage: books the slot; Amazon makes label and invoice.

        Never sent again once it may have arrived.

        Args:
            slot: out of ``list_pickup_slots``, or its id.
            items: only where an item's ``serial_number_required`` is true.
            package_identifier: printed on the label.

        Raises:
            NotSent: it surely never left.
            OutcomeUnknown: it may have arrived: ask ``get_scheduled_package``.
            InvalidRequest: ``code`` in ``ALREADY_SCHEDULED`` (fine: ask for it) or ``NEEDS_NEW_SLOTS``.
            RegionNotSupported: Amazon does not offer the operation in this marketplace.
        """
        prefix = "PackageRequestDetails"
        params: dict[str, Value] = {"AmazonOrderId": check_order_id(order_id), "MarketplaceId": self._marketplace_id}
        if dimensions is not None:
            params |= _dimensions(f"{prefix}.PackageDimensions", dimensions)
        if weight is not None:
            params |= _weight(f"{prefix}.PackageWeight", weight)
        for index, item in enumerate(items, 1):
            path = f"{prefix}.PackageItemList.Item.{index}"
            params[f"{path}.OrderItemId"] = item.order_item_id
            for number, serial in enumerate(item.serial_numbers, 1):
                params[f"{path}.OrderItemSerialNumberList.member.{number}"] = serial
        params |= _slot(f"{prefix}.PackagePickupSlot", slot)
        params[f"{prefix}.PackageIdentifier"] = package_identifier
        call = MwsCall(section="EasyShip", action="CreateScheduledPackage", params=flatten(params))
        return await self._calls.result(
            call, lambda node, meta: _read_scheduled(node, meta, order_id), WaitPolicy(wait=wait, deadline=deadline)
        )

    async def get_scheduled_package(
        self,
        order_id: str,
        *,
        package_id: str | None = None,
        wait: bool = True,
        deadline: datetime | timedelta | None = None,
    ) -> ScheduledPackage:
        """GetScheduledPackage: what is booked for this order.

        Raises:
            InvalidRequest: ``code`` ``ResourceNotFound``: nothing is booked.
            AmazonAeError: as every call.
        """
        if package_id is not None:
            check_text("package_id", package_id)
        params = {
            "ScheduledPackageId.AmazonOrderId": check_order_id(order_id),
            "ScheduledPackageId.PackageId": package_id,
            "MarketplaceId": self._marketplace_id,
        }
        call = MwsCall(section="EasyShip", action="GetScheduledPackage", params=flatten(params))
        return await self._calls.result(
            call, lambda node, meta: _read_scheduled(node, meta, order_id), WaitPolicy(wait=wait, deadline=deadline)
        )

    async def update_scheduled_packages(
        self,
        order_id: str,
        package_id: str,
        slot: PickupSlot | str,
        *,
        member: str = "PackageUpdateDetails",
        wait: bool = True,
        deadline: datetime | timedelta | None = None,
    ) -> tuple[ScheduledPackage, ...]:
        """UpdateScheduledPackages: move one parcel to another slot (Amazon's list takes exactly one).

        Args:
            member: the list's element as the reference writes it; Amazon's Java client writes
                ``"ScheduledPackageUpdateDetails"``. Which one the server takes is UNVERIFIED.

        Raises:
            NotSent, OutcomeUnknown, AmazonError: as ``create_scheduled_package``.
        """
        check_text("package_id", package_id)
        path = f"ScheduledPackageUpdateDetailsList.{member}.1"
        params: dict[str, Value] = {
            "MarketplaceId": self._marketplace_id,
            f"{path}.ScheduledPackageId.AmazonOrderId": check_order_id(order_id),
            f"{path}.ScheduledPackageId.PackageId": package_id,
            **_slot(f"{path}.PackagePickupSlot", slot),
        }
        call = MwsCall(section="EasyShip", action="UpdateScheduledPackages", params=flatten(params))
        return await self._calls.result(
            call, lambda node, meta: _read_updated(node, meta, order_id), WaitPolicy(wait=wait, deadline=deadline)
        )


def _dimensions(path: str, dimensions: PackageDimensions) -> dict[str, Value]:
    return {
        f"{path}.Length": dimensions.length,
        f"{path}.Width": dimensions.width,
        f"{path}.Height": dimensions.height,
        f"{path}.Unit": dimensions.unit,
        f"{path}.Name": dimensions.name,
    }


def _weight(path: str, weight: PackageWeight) -> dict[str, Value]:
    # The reference's examples swap the two values; its table is right.
    return {f"{path}.Value": weight.value, f"{path}.Unit": weight.unit}


def _slot(path: str, slot: PickupSlot | str) -> dict[str, Value]:
    if isinstance(slot, str):
        slot = PickupSlot(slot_id=slot)
    check_text("slot_id", slot.slot_id)
    return {
        f"{path}.SlotId": slot.slot_id,
        f"{path}.PickupTimeStart": slot.pickup_time_start,
        f"{path}.PickupTimeEnd": slot.pickup_time_end,
    }


def _read_slot(node: Any) -> PickupSlot | None:
    if not isinstance(node, dict) or (slot_id := text(node.get("SlotId"))) is None:
        return None
    return PickupSlot(
        slot_id=slot_id,
        pickup_time_start=instant(node.get("PickupTimeStart")),
        pickup_time_end=instant(node.get("PickupTimeEnd")),
    )


def _read_slots(node: Node, meta: ResponseMeta, order_id: str) -> PickupSlots:
    same(text(node.get("AmazonOrderId")), order_id, "order")
    slots = [_read_slot(slot) for slot in listed_in(node, "PickupSlotList", "PickupSlot")]
    return PickupSlots(
        amazon_order_id=text(node.get("AmazonOrderId")), slots=tuple(slot for slot in slots if slot), meta=meta
    )


def _read_dimensions(node: Any) -> PackageDimensions | None:
    if not isinstance(node, dict):
        return None
    sides = [decimal(node.get(side)) for side in ("Length", "Width", "Height")]
    length, width, height = sides
    if length is None or width is None or height is None or min(length, width, height) <= 0:
        return None
    return PackageDimensions(length, width, height, unit=text(node.get("Unit")) or "cm", name=text(node.get("Name")))


def _read_weight(node: Any) -> PackageWeight | None:
    value = decimal(node.get("Value")) if isinstance(node, dict) else None
    return None if value is None or value <= 0 else PackageWeight(value, unit=text(node.get("Unit")) or "g")


def _read_invoice(node: Any) -> EasyShipInvoice | None:
    if not isinstance(node, dict):
        return None
    return EasyShipInvoice(
        invoice_number=text(node.get("InvoiceNumber")), invoice_date=instant(node.get("InvoiceDate"))
    )


def _read_package(node: Any, meta: ResponseMeta, order_id: str) -> ScheduledPackage:
    if not isinstance(node, dict):
        raise UnreadableResponse("the answer has no package", retryable=True)
    ids = node.get("ScheduledPackageId")
    same(text(ids.get("AmazonOrderId")) if isinstance(ids, dict) else None, order_id, "order")
    # The reference's table says PackageItemsList, Amazon's own client PackageItemList.
    items = children(node.get("PackageItemList") or node.get("PackageItemsList"), "Item")
    return ScheduledPackage(
        amazon_order_id=required(ids, "AmazonOrderId", "a package"),
        package_id=text(ids.get("PackageId")) if isinstance(ids, dict) else None,
        package_dimensions=_read_dimensions(node.get("PackageDimensions")),
        package_weight=_read_weight(node.get("PackageWeight")),
        package_items=tuple(
            PackageItem(
                order_item_id=required(item, "OrderItemId", "a package item"),
                serial_numbers=values(item.get("OrderItemSerialNumberList"), "member"),
            )
            for item in items
        ),
        package_pickup_slot=_read_slot(node.get("PackagePickupSlot")),
        package_identifier=text(node.get("PackageIdentifier")),
        invoice=_read_invoice(node.get("Invoice")),
        package_status=text(node.get("PackageStatus")),
        meta=meta,
    )


def _read_scheduled(node: Node, meta: ResponseMeta, order_id: str) -> ScheduledPackage:
    return _read_package(node.get("ScheduledPackage"), meta, order_id)


def _read_updated(node: Node, meta: ResponseMeta, order_id: str) -> tuple[ScheduledPackage, ...]:
    packages = listed_in(node, "ScheduledPackageList", "Package")
    return tuple([_read_package(package, meta, order_id) for package in packages])
