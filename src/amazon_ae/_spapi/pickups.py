"""Pickups through Easy Ship's API: the booking rules of ``_easy_ship`` over three operations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Final

from amazon_ae._easy_ship.booking import BookingState, EasyShipApi
from amazon_ae._easy_ship.route import BookingRoute
from amazon_ae._easy_ship.slots import Parcel, choose_slot, clock_time
from amazon_ae._exceptions import (
    ConfigurationError,
    InvalidRequest,
    NotSupported,
    OutcomeUnknown,
    PickupRejected,
    RegionNotSupported,
)
from amazon_ae._models.easy_ship import PackageItem, PickupSlot, ScheduledPackage
from amazon_ae._models.feeds import QuotaRule
from amazon_ae._spapi.client import SpApiClient
from amazon_ae._spapi.easy_ship import ALREADY_SCHEDULED, LEAST_GRAMS, NEEDS_NEW_SLOTS

__all__ = ["EASY_SHIP_ROUTE", "HandoverPickup"]

EASY_SHIP_ROUTE: Final = "spapi:easy-ship"
_DROP_OFF: Final = "DROPOFF"
_BOOKING: Final = "createScheduledPackage"
_MOST: Final = 100


class HandoverPickup(BookingRoute[SpApiClient]):
    """Pickups by listHandoverSlots and createScheduledPackage, order by order, each outcome durable as it comes.

    Whether Amazon offers this in the UAE is UNVERIFIED: ``probe`` asks. Of an order's slots the one is booked in which
    the request's time lies, else the earliest behind it; drop-off slots are not pickups. An unanswered booking is
    looked up, and an order that is scheduled already is a success.

    Args:
        lead: the least time between now and the slot's begin, for packing.
        max_pickups: orders in one batch; each costs two requests of one a second, burst 5.
        packed_items: called with each order id for the items whose ``serial_number_required`` is true, with the serial
            numbers in the parcel; ``()`` for all other orders. Its exception refuses that order alone.

    Raises:
        ConfigurationError: ``max_pickups`` outside 1 to 100, or a negative ``lead``.
    """

    route: str = EASY_SHIP_ROUTE

    def __init__(
        self,
        *,
        lead: timedelta = timedelta(0),
        max_pickups: int = 2,
        packed_items: Callable[[str], Awaitable[Sequence[PackageItem]]] | None = None,
    ) -> None:
        super().__init__(lead=lead, max_pickups=max_pickups, most=_MOST, packed_items=packed_items)
        self._lead = lead

    def _api(self, client: SpApiClient) -> EasyShipApi:
        return _SpApiEasyShip(client)

    def _instead(self) -> str:
        return (
            "Easy Ship's API does not serve this marketplace: schedule pickups in Seller Central, or ask Amazon which "
            "API your account may use"
        )

    def block_quota(self, client: SpApiClient) -> QuotaRule:
        """The quota that all processes share: the slots of a batch, as one block of createScheduledPackage's bucket."""
        seconds, burst = client.restore_seconds(_BOOKING), client.burst(_BOOKING)
        return QuotaRule(
            name=f"{client.quota_owner}/{_BOOKING} in blocks of {self.max_pickups}",
            burst=max(1, burst // self.max_pickups),
            restore_seconds=self.max_pickups * seconds,
        )

    async def reschedule(
        self, client: SpApiClient, order_id: str, *, pickup_date: date, pickup_time: str | None = None
    ) -> ScheduledPackage:
        """Move the pickup of an order to another slot.

        Args:
            pickup_date: the day in the marketplace's time zone.
            pickup_time: the slot in which this time lies, e.g. ``"10:00 AM"``; the day's first without.

        Raises:
            PickupRejected: code ``NoPickupSlot``: Amazon offers none; or its own code, e.g.
                ``OrderNotEligibleForRescheduling``.
            OutcomeUnknown: it may have arrived, and Amazon does not show it: check the order in Seller Central.
        """
        moment = time.min if pickup_time is None else clock_time(pickup_time)
        if moment is None:
            raise ConfigurationError(f"pickup_time must be a time such as '10:00 AM' or '14:30', not {pickup_time!r}")
        wanted = datetime.combine(pickup_date, moment, tzinfo=client.marketplace.zone)
        try:
            return await self._reschedule(client, order_id, wanted)
        except RegionNotSupported:
            raise
        except InvalidRequest as error:
            raise PickupRejected(order_id, error.code, error.message) from error

    async def _reschedule(self, client: SpApiClient, order_id: str, wanted: datetime) -> ScheduledPackage:
        package = await client.easy_ship.get_scheduled_package(order_id)
        try:
            return await self._move(client, package, wanted)
        except InvalidRequest as error:
            if error.code not in NEEDS_NEW_SLOTS:
                raise
        return await self._move(client, package, wanted)  # once, with new slots

    async def _move(self, client: SpApiClient, package: ScheduledPackage, wanted: datetime) -> ScheduledPackage:
        order_id = package.amazon_order_id
        if package.package_dimensions is None or package.package_weight is None:
            raise PickupRejected(order_id, "PackageSizeMissing", "Amazon does not say how large the parcel is")
        answer = await client.easy_ship.list_handover_slots(
            order_id, dimensions=package.package_dimensions, weight=package.package_weight
        )
        slot = choose_slot(_pickups_of(answer.slots), wanted, soonest=client.clock.now() + self._lead)
        if slot is None:
            text = f"Amazon offers no pickup slot on or after {wanted:%Y-%m-%d %H:%M}"
            raise PickupRejected(order_id, "NoPickupSlot", text)
        ids = {} if package.package_id is None else {order_id: package.package_id}
        try:
            moved = await client.easy_ship.update_scheduled_packages({order_id: slot}, package_ids=ids)
        except OutcomeUnknown:
            now = await client.easy_ship.get_scheduled_package(order_id)
            if now.package_pickup_slot is None or now.package_pickup_slot.slot_id != slot.slot_id:
                raise
            return now
        return moved[0] if moved else await client.easy_ship.get_scheduled_package(order_id)

    async def withdraw(self, order_id: str) -> None:
        """Always raises: Easy Ship's API has no such operation.

        Raises:
            NotSupported: the message says what to do instead.
        """
        raise NotSupported(
            f"Easy Ship's API cannot withdraw the pickup of {order_id}: reschedule it, or cancel it in Seller Central"
        )


class _SpApiEasyShip:
    """The three operations of a booking over the Selling Partner API; see ``EasyShipApi``."""

    scheduled_codes: frozenset[str] = ALREADY_SCHEDULED | {"InvalidOrderState"}
    new_slots_codes: frozenset[str] = NEEDS_NEW_SLOTS

    def __init__(self, client: SpApiClient) -> None:
        self._api = client.easy_ship

    async def slots(self, parcel: Parcel) -> Sequence[PickupSlot]:
        """listHandoverSlots, without the drop-off ones."""
        if parcel.weight.value < LEAST_GRAMS:
            text = f"Amazon takes parcels of {LEAST_GRAMS} g and more, this one has {parcel.weight.value} g"
            raise InvalidRequest(text, code="PackageTooLight")
        answer = await self._api.list_handover_slots(
            parcel.order_id, dimensions=parcel.dimensions, weight=parcel.weight
        )
        return _pickups_of(answer.slots)

    async def book(self, parcel: Parcel, slot: PickupSlot) -> None:
        """createScheduledPackage."""
        await self._api.create_scheduled_package(
            parcel.order_id, slot, items=parcel.items, package_identifier=parcel.identifier
        )

    async def booked(self, order_id: str) -> BookingState:
        """getScheduledPackage."""
        package = await self._api.get_scheduled_package(order_id)
        # A label that was cancelled is no pickup any more.
        return BookingState.ABSENT if package.package_status == "LabelCanceled" else BookingState.SCHEDULED


def _pickups_of(slots: Sequence[PickupSlot]) -> list[PickupSlot]:
    return [slot for slot in slots if slot.handover_method != _DROP_OFF]
