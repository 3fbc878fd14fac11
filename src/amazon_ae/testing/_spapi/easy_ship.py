"""Easy Ship 2022-03-23: slots, scheduled packages, rescheduling, and the bulk call with its archive.

Sources: the model (weights from 11 g, codes and their statuses in the enum of ``code``); models#5342 (Poland: bulk
only, ``RegionNotSupported``); models#4263 (India: bulk "not available for the current marketplace"). What is refused in
which order, and where slots lie, is the sandbox's own.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any, Final

from amazon_ae.testing._seller import FakePackage
from amazon_ae.testing._spapi.account import Account
from amazon_ae.testing._spapi.easy_ship_documents import label_archive
from amazon_ae.testing._spapi.wire import Refused, Reply, Request, invalid, mapping, mappings, texts

__all__ = ["OPERATIONS"]

_DAYS: Final = 3
_TIMES: Final = ((time(10), time(13)), (time(14), time(17)))
_OPEN: Final = ("Unshipped", "PartiallyShipped")
_LARGEST: Final = 1e6
_LEAST_WEIGHT: Final = 11.0
_LEAST_LENGTH: Final = 0.01
_MAX_BULK: Final = 100
_MAX_UPDATES: Final = 500
# The model's table of codes.
_STATUS: Final = {
    "TimeSlotNotAvailable": 404,
    "ResourceNotFound": 404,
    "InvalidOrderState": 404,
    "RegionNotSupported": 404,
    "OrderNotEligibleForRescheduling": 405,
    "InternalServerError": 500,
}
_DEFAULT_MEASURES: Final[dict[str, Any]] = {
    "packageDimensions": {"length": 10.0, "width": 10.0, "height": 10.0, "unit": "cm"},
    "packageWeight": {"value": 100.0, "unit": "g"},
}
Slot = dict[str, Any]


def _refused(code: str, message: str) -> Refused:
    return Refused(_STATUS.get(code, 400), code, message)


def list_handover_slots(account: Account, request: Request) -> Reply:
    """listHandoverSlots: schedules nothing."""
    _single_allowed(account)
    order_id = _order(account, request, request.member("amazonOrderId"))
    dimensions, weight = request.member("packageDimensions", dict), request.member("packageWeight", dict)
    for name in ("length", "width", "height"):
        _number(dimensions, name, _LEAST_LENGTH)
    _number(weight, "value", _LEAST_WEIGHT)
    if dimensions.get("unit") != "cm" or weight.get("unit") not in ("g", "grams"):
        raise invalid("Request has missing or invalid parameters and cannot be parsed.")
    _check_open(account, order_id)
    account.measures[order_id] = {"packageDimensions": dimensions, "packageWeight": weight}
    return Reply(200, {"amazonOrderId": order_id, "timeSlots": _slots(account, request.now)})


def create_scheduled_package(account: Account, request: Request) -> Reply:
    """createScheduledPackage."""
    _single_allowed(account)
    order_id = _order(account, request, request.member("amazonOrderId"))
    details = request.member("packageDetails", dict)
    if not mapping(details.get("packageTimeSlot"), "packageTimeSlot").get("slotId"):
        raise invalid("Request has missing or invalid parameters and cannot be parsed.")
    return Reply(200, package_data(_schedule(account, order_id, details, request.now)))


def get_scheduled_package(account: Account, request: Request) -> Reply:
    """getScheduledPackage."""
    _single_allowed(account)
    order_id = request.query.get("amazonOrderId", "")
    if request.query.get("marketplaceId") != account.seller.marketplace.marketplace_id:
        raise invalid("Request has missing or invalid parameters and cannot be parsed.")
    return Reply(200, package_data(_package(account, order_id)))


def update_scheduled_packages(account: Account, request: Request) -> Reply:
    """updateScheduledPackages: other slots for packages that wait for their pickup."""
    _single_allowed(account)
    _marketplace(account, request)
    rows = mappings(request.member("updatePackageDetailsList", list), "updatePackageDetailsList")
    if len(rows) > _MAX_UPDATES:
        raise invalid("Request has missing or invalid parameters and cannot be parsed.")
    changes = []
    for row in rows:
        key = mapping(row.get("scheduledPackageId"), "scheduledPackageId")
        slot = mapping(row.get("packageTimeSlot"), "packageTimeSlot")
        package = _package(account, str(key.get("amazonOrderId", "")))
        status = account.seller.orders[package.order_id].order.easy_ship_shipment_status
        if status not in ("PendingPickUp", "PendingDropOff"):
            raise _refused("OrderNotEligibleForRescheduling", f"The order {package.order_id} was handed over already.")
        changes.append((package, _slot(account, str(slot.get("slotId", "")), request.now)))
    for package, (slot_id, start, end, method) in changes:
        package.slot_id, package.slot_start, package.slot_end, package.method = slot_id, start, end, method
        account.seller.book(package.order_id, request.now, package=package)
    return Reply(200, {"packages": [package_data(package) for package, _ in changes]})


def create_scheduled_package_bulk(account: Account, request: Request) -> Reply:
    """createScheduledPackageBulk: schedules each order on its own, and makes one archive of their labels."""
    if account.settings.easy_ship in ("single", "none"):
        raise invalid("This operation is not available for the current marketplace.")
    _marketplace(account, request)
    rows = mappings(request.member("orderScheduleDetailsList", list), "orderScheduleDetailsList")
    label_format = request.member("labelFormat")
    if len(rows) > _MAX_BULK or label_format not in ("PDF", "ZPL"):
        raise invalid("Request has missing or invalid parameters and cannot be parsed.")
    scheduled: list[FakePackage] = []
    rejected: list[dict[str, Any]] = []
    for row in rows:
        order_id = str(row.get("amazonOrderId", ""))
        try:
            record = account.seller.orders.get(order_id)
            if record is None or not record.easy_ship:
                raise invalid(f"Couldn't find the order details for {order_id}")
            details = mapping(row.get("packageDetails"), "packageDetails")
            scheduled.append(_schedule(account, order_id, details, request.now))
        except Refused as refused:
            rejected.append(
                {"amazonOrderId": order_id, "error": {"code": refused.code, "message": refused.message or ""}}
            )
    body: dict[str, Any] = {
        "scheduledPackages": [package_data(package) for package in scheduled],
        "rejectedOrders": rejected,
    }
    if scheduled and account.settings.bulk_archive != "missing":
        body["printableDocumentsUrl"] = _archive_url(account, scheduled, label_format, request)
    return Reply(200, body)


OPERATIONS: Final[dict[str, Callable[[Account, Request], Reply]]] = {
    "listHandoverSlots": list_handover_slots,
    "createScheduledPackage": create_scheduled_package,
    "getScheduledPackage": get_scheduled_package,
    "updateScheduledPackages": update_scheduled_packages,
    "createScheduledPackageBulk": create_scheduled_package_bulk,
}


def _archive_url(account: Account, scheduled: list[FakePackage], label_format: str, request: Request) -> str:
    content = label_archive(account.seller, [package.order_id for package in scheduled], label_format)
    document = account.documents.add("easyship", "application/zip", content)
    document.is_lost = account.settings.bulk_archive == "gone"
    return account.documents.url(
        document.document_id, "GET", request.origin, request.now, seconds=account.settings.bulk_url_seconds
    )


def _single_allowed(account: Account) -> None:
    if account.settings.easy_ship in ("bulk", "none"):
        raise _refused("RegionNotSupported", "This operation is not supported in this region.")


def _marketplace(account: Account, request: Request) -> None:
    if request.member("marketplaceId") != account.seller.marketplace.marketplace_id:
        raise _refused("ResourceNotFound", "The specified resource does not exist.")


def _order(account: Account, request: Request, order_id: str) -> str:
    _marketplace(account, request)
    record = account.seller.orders.get(order_id)
    if record is None or not record.easy_ship:
        raise _refused(
            "ResourceNotFound",
            "The specified resource (for example, `AmazonOrderId` or `MarketplaceId`) does not exist.",
        )
    return order_id


def _check_open(account: Account, order_id: str) -> None:
    order = account.seller.orders[order_id].order
    if order.order_status not in _OPEN:
        raise _refused("InvalidOrderState", f"An order in the state {order.order_status} cannot be scheduled.")


def _number(values: dict[str, Any], name: str, least: float) -> None:
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= _LARGEST:
        raise invalid("Request has missing or invalid parameters and cannot be parsed.", f"{name} must be {least:g}.")


def _schedule(account: Account, order_id: str, details: dict[str, Any], now: datetime) -> FakePackage:
    seller = account.seller
    seller.pickups_sent[order_id] = seller.pickups_sent.get(order_id, 0) + 1
    if order_id in seller.packages:
        raise _refused("ScheduledPackageAlreadyExists", f"The order {order_id} is scheduled already.")
    _check_open(account, order_id)
    refusal = seller.refusal_of(order_id)
    if refusal is not None:
        raise _refused(*refusal)
    wanted = mapping(details.get("packageTimeSlot"), "packageTimeSlot")
    slot_id = str(wanted.get("slotId") or _slots(account, now)[0]["slotId"])
    slot_id, start, end, method = _slot(account, slot_id, now)
    measures = account.measures.get(order_id, _DEFAULT_MEASURES)
    sizes, weight = measures["packageDimensions"], measures["packageWeight"]
    package = FakePackage(
        order_id=order_id,
        package_id=seller.package_id(order_id),
        slot_id=slot_id,
        slot_start=start,
        slot_end=end,
        length=str(sizes["length"]),
        width=str(sizes["width"]),
        height=str(sizes["height"]),
        length_unit=sizes["unit"],
        weight=str(weight["value"]),
        weight_unit=weight["unit"],
        items=tuple(
            (str(item.get("orderItemId", "")), texts(item.get("orderItemSerialNumbers"), "orderItemSerialNumbers"))
            for item in mappings(details.get("packageItems"), "packageItems")
        ),
        identifier=str(details.get("packageIdentifier") or ""),
        method=method,
    )
    seller.book(order_id, now, package=package)
    return package


def _package(account: Account, order_id: str) -> FakePackage:
    package = account.seller.packages.get(order_id)
    if package is None:
        raise _refused("ResourceNotFound", f"No scheduled package was found for the order {order_id}.")
    return package


def _slots(account: Account, now: datetime) -> list[Slot]:
    zone = account.seller.marketplace.zone
    today = now.astimezone(zone).date()
    methods = ("DROPOFF", "PICKUP") if account.settings.gives_drop_off else ("PICKUP",)
    starts = [
        (datetime.combine(today + timedelta(days=days), begin, zone), end)
        for days in range(_DAYS + 1)
        for begin, end in _TIMES
    ]
    return [
        {
            "slotId": _slot_id(start, method),
            "startTime": start.isoformat(),
            "endTime": datetime.combine(start.date(), end, zone).isoformat(),
            "handoverMethod": method,
        }
        for start, end in starts
        for method in methods
        if start > now
    ]


def _slot_id(start: datetime, method: str) -> str:
    return base64.b64encode(f"{start:%Y%m%d%H}{method}".encode()).decode()


def _slot(account: Account, slot_id: str, now: datetime) -> tuple[str, datetime, datetime, str]:
    try:
        text = base64.b64decode(slot_id, validate=True).decode()
        start = datetime.strptime(text[:10], "%Y%m%d%H").replace(tzinfo=account.seller.marketplace.zone)
    except ValueError:
        raise _refused("InvalidTimeSlotId", "The time slot is not valid.") from None
    if start <= now:
        raise _refused("ScheduleWindowExpired", "The time slot's window has passed.")
    if slot_id in account.full_slots:
        raise _refused("TimeSlotNotAvailable", "The time slot is no longer available.")
    ends = dict(_TIMES)
    if start.time() not in ends:
        raise _refused("InvalidTimeSlotId", "The time slot is not valid.")
    return slot_id, start, datetime.combine(start.date(), ends[start.time()], start.tzinfo), text[10:]


def package_data(package: FakePackage) -> dict[str, Any]:
    """A package as the API writes it."""
    measures = _DEFAULT_MEASURES
    data: dict[str, Any] = {
        "scheduledPackageId": {"amazonOrderId": package.order_id, "packageId": package.package_id},
        "packageDimensions": {
            "length": float(package.length or measures["packageDimensions"]["length"]),
            "width": float(package.width or measures["packageDimensions"]["width"]),
            "height": float(package.height or measures["packageDimensions"]["height"]),
            "unit": "cm",
        },
        "packageWeight": {"value": float(package.weight or measures["packageWeight"]["value"]), "unit": "g"},
        "packageTimeSlot": {
            "slotId": package.slot_id,
            "startTime": package.slot_start.isoformat(),
            "endTime": package.slot_end.isoformat(),
            "handoverMethod": package.method,
        },
        "packageStatus": package.status,
        "trackingDetails": {"trackingId": package.tracking_id},
    }
    if package.items:
        data["packageItems"] = [
            {"orderItemId": item_id, "orderItemSerialNumbers": list(serials)} for item_id, serials in package.items
        ]
    if package.identifier:
        data["packageIdentifier"] = package.identifier
    return data
