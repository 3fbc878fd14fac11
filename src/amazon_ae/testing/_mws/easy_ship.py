"""EasyShip 2018-09-01: slots and scheduled packages.

Source: Easy Ship API reference. Every operation but GetServiceStatus is documented "available only in the India
marketplace"; elsewhere the answer is ``RegionNotSupported`` unless the fake is set otherwise.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from datetime import datetime, time, timedelta
from typing import Final

from amazon_ae.testing._mws.state import State
from amazon_ae.testing._mws.wire import Refused, Request, Result, invalid
from amazon_ae.testing._mws.xml import element, leaf
from amazon_ae.testing._seller import FakePackage

__all__ = ["OPERATIONS"]

_DAYS: Final = 3
# Not sorted by time, as in the documented example.
_SLOTS: Final = ((time(14), time(16)), (time(10), time(13, 59)))
_ITEM: Final = re.compile(r"PackageItemList\.Item\.(\d+)\.(?:OrderItemId|(OrderItemSerialNumberList)\.member\.\d+)")
_UPDATE: Final = "ScheduledPackageUpdateDetailsList."


def list_pickup_slots(state: State, request: Request) -> Result:
    """ListPickupSlots."""
    order_id = _order(state, request, request.text("AmazonOrderId"))
    for name in ("Length", "Width", "Height"):
        _decimal(request, f"PackageDimensions.{name}")
    if request.text("PackageDimensions.Unit") != "cm":
        raise invalid("PackageDimensions.Unit", request.text("PackageDimensions.Unit"), "must be cm")
    _decimal(request, "PackageWeight.Value")
    if request.text("PackageWeight.Unit") != "g":
        raise invalid("PackageWeight.Unit", request.text("PackageWeight.Unit"), "must be g")
    slots = [
        element(
            "PickupSlot",
            leaf("SlotId", slot_id),
            leaf("PickupTimeStart", _time(begin)),
            leaf("PickupTimeEnd", _time(end)),
        )
        for slot_id, begin, end in _slots(state, request.now)
    ]
    return Result(leaf("AmazonOrderId", order_id) + element("PickupSlotList", *slots))


def create_scheduled_package(state: State, request: Request) -> Result:
    """CreateScheduledPackage: books the slot and marks the order ``PendingPickUp`` (that value is UNVERIFIED)."""
    order_id = _order(state, request, request.text("AmazonOrderId"))
    if order_id in state.seller.packages or order_id in state.seller.pickups:
        # The documents' own spelling.
        raise Refused(400, "SchedulesdPackageAlreadyExists", f"A package is already scheduled for order {order_id}.")
    order = state.seller.orders[order_id].order
    if order.order_status not in ("Unshipped", "PartiallyShipped"):
        raise Refused(404, "InvalidOrderState", f"The order is {order.order_status}.")
    refusal = state.seller.refusal_of(order_id)
    if refusal is not None:
        raise Refused(400, *refusal)
    prefix = "PackageRequestDetails."
    slot_id, begin, end = _slot(state, request, request.text(f"{prefix}PackagePickupSlot.SlotId"))
    given = {name[len(prefix) :]: value for name, value in request.pairs if name.startswith(prefix)}
    package = FakePackage(
        order_id=order_id,
        package_id=state.seller.package_id(order_id),
        slot_id=slot_id,
        slot_start=begin,
        slot_end=end,
        length=given.get("PackageDimensions.Length", ""),
        width=given.get("PackageDimensions.Width", ""),
        height=given.get("PackageDimensions.Height", ""),
        length_unit=given.get("PackageDimensions.Unit", ""),
        dimensions_name=given.get("PackageDimensions.Name", ""),
        weight=given.get("PackageWeight.Value", ""),
        weight_unit=given.get("PackageWeight.Unit", ""),
        items=_items(given),
        identifier=given.get("PackageIdentifier", ""),
    )
    state.seller.book(order_id, request.now, package=package, fields=given)
    return Result(_package_xml("ScheduledPackage", package))


def get_scheduled_package(state: State, request: Request) -> Result:
    """GetScheduledPackage."""
    order_id = _order(state, request, request.text("ScheduledPackageId.AmazonOrderId"))
    return Result(
        _package_xml("ScheduledPackage", _package(state, order_id, request.params.get("ScheduledPackageId.PackageId")))
    )


def update_scheduled_packages(state: State, request: Request) -> Result:
    """UpdateScheduledPackages, with either name of the list's member (documents and Amazon's Java client differ)."""
    for member in ("PackageUpdateDetails.", "ScheduledPackageUpdateDetails."):
        prefix = f"{_UPDATE}{member}1."
        if f"{prefix}ScheduledPackageId.AmazonOrderId" in request.params:
            break
    order_id = _order(state, request, request.text(f"{prefix}ScheduledPackageId.AmazonOrderId"))
    package = _package(state, order_id, request.params.get(f"{prefix}ScheduledPackageId.PackageId"))
    package.slot_id, package.slot_start, package.slot_end = _slot(
        state, request, request.text(f"{prefix}PackagePickupSlot.SlotId")
    )
    state.seller.book(order_id, request.now, package=package, fields=state.seller.pickups[order_id].fields)
    return Result(element("ScheduledPackageList", _package_xml("Package", package)))


OPERATIONS: Final[dict[str, Callable[[State, Request], Result]]] = {
    "ListPickupSlots": list_pickup_slots,
    "CreateScheduledPackage": create_scheduled_package,
    "GetScheduledPackage": get_scheduled_package,
    "UpdateScheduledPackages": update_scheduled_packages,
}


def _order(state: State, request: Request, order_id: str) -> str:
    marketplace = request.text("MarketplaceId")
    if marketplace != state.marketplace.marketplace_id:
        raise invalid("MarketplaceId", marketplace, "is not a marketplace of this seller")
    record = state.seller.orders.get(order_id)
    if record is None or not record.easy_ship:
        raise Refused(400, "ResourceNotFound", f"No Easy Ship order {order_id} was found.")
    return order_id


def _decimal(request: Request, name: str) -> None:
    text = request.text(name)
    try:
        good = float(text) > 0
    except ValueError:
        good = False
    if not good:
        raise invalid(name, text, "must be a positive decimal")


def _slots(state: State, now: datetime) -> list[tuple[str, datetime, datetime]]:
    zone = state.marketplace.zone
    today = now.astimezone(zone).date()
    slots = []
    for days in range(_DAYS):
        day = today + timedelta(days=days)
        for begin, end in _SLOTS:
            start = datetime.combine(day, begin, zone)
            if start > now:
                slot_id = base64.b64encode(start.strftime("%Y%m%d%H").encode()).decode()
                slots.append((slot_id, start, datetime.combine(day, end, zone)))
    return slots


def _slot(state: State, request: Request, slot_id: str) -> tuple[str, datetime, datetime]:
    for slot in _slots(state, request.now):
        if slot[0] == slot_id:
            return slot
    raise Refused(404, "PickupSlotNotAvailable", f"The pickup slot {slot_id} is not available.")


def _package(state: State, order_id: str, package_id: str | None) -> FakePackage:
    package = state.seller.packages.get(order_id)
    if package is None or package_id not in (None, "", package.package_id):
        raise Refused(400, "ResourceNotFound", f"No scheduled package was found for order {order_id}.")
    return package


def _time(value: datetime) -> str:
    return value.isoformat(timespec="seconds")


def _items(given: Mapping[str, str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The items as they were sent: ``PackageItemList.Item.N.OrderItemId`` and its serial numbers."""
    items: dict[str, tuple[list[str], list[str]]] = {}
    for name, value in given.items():
        match = _ITEM.fullmatch(name)
        if match:
            ids, serials = items.setdefault(match[1], ([], []))
            (serials if match[2] else ids).append(value)
    return tuple((ids[0] if ids else "", tuple(serials)) for ids, serials in items.values())


def _items_xml(package: FakePackage) -> str:
    rows = [
        element(
            "Item",
            leaf("OrderItemId", item_id),
            element("OrderItemSerialNumberList", *(leaf("member", serial) for serial in serials)) if serials else "",
        )
        for item_id, serials in package.items
    ]
    return element("PackageItemList", *rows) if rows else ""


def _package_xml(name: str, package: FakePackage) -> str:
    return element(
        name,
        element("ScheduledPackageId", leaf("AmazonOrderId", package.order_id), leaf("PackageId", package.package_id)),
        element(
            "PackageDimensions",
            leaf("Length", package.length or None),
            leaf("Width", package.width or None),
            leaf("Height", package.height or None),
            leaf("Unit", package.length_unit or None),
            leaf("Name", package.dimensions_name or None),
        ),
        element("PackageWeight", leaf("Unit", package.weight_unit or None), leaf("Value", package.weight or None)),
        _items_xml(package),
        element(
            "PackagePickupSlot",
            leaf("SlotId", package.slot_id),
            leaf("PickupTimeStart", _time(package.slot_start)),
            leaf("PickupTimeEnd", _time(package.slot_end)),
        ),
        leaf("PackageIdentifier", package.identifier or None),
        leaf("PackageStatus", "Scheduled" if package.status == "ReadyForPickup" else package.status),
    )
