"""Books pickups order by order, each with its own outcome.

1. An error about one order is that order's outcome. An error about all orders (no access, no connection) is raised if
   nothing was booked; later it leaves the rest of the batch as ``RETRY``. A fault of Amazon's own may be either: the
   others are tried, and ``_easy_ship.failing_orders`` decides when an order is given up.
2. An unanswered booking is looked up. Amazon has it: ``ACCEPTED``. Amazon doesn't: ``RETRY``, since an order that
   turns out to be booked after all is recognised by rule 3.
3. "Scheduled already" is looked up too: the existing booking is ours, made by a request whose answer was lost, or
   by a person who scheduled the same parcel. Both are ``ACCEPTED``.
4. A slot that is gone is replaced once, by a slot of a fresh list.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final, Protocol
from zoneinfo import ZoneInfo

import attrs

from amazon_ae._easy_ship.failing_orders import FailingOrders
from amazon_ae._easy_ship.slots import Parcel, choose_slot, other_day, parcel_of
from amazon_ae._exceptions import (
    AmazonAeError,
    AmazonError,
    ConfigurationError,
    InvalidRequest,
    NotSent,
    OutcomeUnknown,
    QuotaTimeout,
    RegionNotSupported,
    ServiceUnavailable,
    UnreadableResponse,
)
from amazon_ae._models.easy_ship import PackageItem, PickupSlot
from amazon_ae._models.feeds import FeedBatch, ItemOutcome, Outcome, PickupRequest

__all__ = ["BookingState", "EasyShipApi", "PickupBooking", "Settle"]

_log = logging.getLogger(__name__)

# So many orders that Amazon fails with, and none that it takes, are an outage.
_MOST_FAULTS: Final = 2
_NO_SLOTS: Final = "SlotsUnreadable"

Settle = Callable[[Sequence[ItemOutcome]], Awaitable[None]]
"""Makes outcomes durable; see ``FeedGateway.submit``."""


class BookingState(Enum):
    """What Amazon has for an order."""

    SCHEDULED = auto()
    UNSCHEDULED = auto()  # a package without a pickup
    ABSENT = auto()


class EasyShipApi(Protocol):
    """The three operations that a backend offers. Each raises ``InvalidRequest`` with Amazon's code where Amazon
    refuses.
    """

    @property
    def scheduled_codes(self) -> frozenset[str]:
        """Codes that mean, or may mean, that the order has its pickup already."""
        ...

    @property
    def new_slots_codes(self) -> frozenset[str]:
        """Codes after which the slots must be listed again."""
        ...

    async def slots(self, parcel: Parcel) -> Sequence[PickupSlot]:
        """When Amazon can collect this parcel, in any order."""
        ...

    async def book(self, parcel: Parcel, slot: PickupSlot) -> None:
        """Book the slot, once. ``OutcomeUnknown`` where the request may have arrived."""
        ...

    async def booked(self, order_id: str) -> BookingState:
        """What is booked for the order; ``InvalidRequest`` with the code ``ResourceNotFound`` where Amazon has none."""
        ...


class PickupBooking:
    """Books the pickups of a batch through any backend.

    Args:
        lead: the least time between now and the slot's begin, for packing.
        packed_items: the host's function for serial numbers; see ``EasyShipPickup``.

    Raises:
        ConfigurationError: a negative ``lead``.
    """

    def __init__(
        self,
        *,
        lead: timedelta = timedelta(0),
        packed_items: Callable[[str], Awaitable[Sequence[PackageItem]]] | None = None,
    ) -> None:
        if lead < timedelta(0):
            raise ConfigurationError(f"lead must not be negative: {lead}")
        self._lead = lead
        self._packed_items = packed_items
        self._failing = FailingOrders()

    async def book_all(
        self,
        api: EasyShipApi,
        batch: FeedBatch,
        *,
        zone: ZoneInfo,
        now: Callable[[], datetime],
        settle: Settle | None = None,
    ) -> tuple[ItemOutcome, ...]:
        """Book every pickup of ``batch``. ``settle`` gets each final outcome as it comes.

        Args:
            zone: the marketplace's time zone.
            now: the injected clock.

        Returns:
            The outcomes that ``settle`` didn't get: those that wait again, or all if ``settle`` is ``None``.

        Raises:
            AmazonAeError: an error that concerns all orders. Nothing was booked.
        """
        outcomes: list[ItemOutcome] = []
        # Those that failed before come last: they must not hold up the others.
        waiting = sorted(batch.pickups(), key=lambda request: self._failing.is_suspect(request.order_id))[::-1]
        faults: list[tuple[PickupRequest, ServiceUnavailable]] = []
        done = False
        while waiting:
            request = waiting.pop()
            try:
                outcome = await self._book_one(api, request, zone, now)
            except ServiceUnavailable as error:
                faults.append((request, error))
                if not done and len(faults) == _MOST_FAULTS:
                    break
                continue
            except AmazonAeError as error:
                if not done:
                    raise
                waiting.append(request)
                _log.warning("pickups: %d wait again: %s", len(waiting), type(error).__name__)
                outcomes += [_retry(each.order_id, error) for each in waiting]
                waiting.clear()
                break
            outcome = self._failing.judge(outcome, now(), booked=outcome.code != _NO_SLOTS)
            done = done or outcome.outcome is not Outcome.RETRY
            if settle is None or outcome.outcome is Outcome.RETRY:
                outcomes.append(outcome)
            else:
                await settle([outcome])
        failed = [self._failing.judge(_retry(each.order_id, error), now(), booked=False) for each, error in faults]
        if faults and not outcomes and not done and all(outcome.outcome is Outcome.RETRY for outcome in failed):
            raise faults[0][1]
        return (*outcomes, *failed, *(_retry(each.order_id, faults[0][1]) for each in waiting))

    async def _book_one(
        self, api: EasyShipApi, request: PickupRequest, zone: ZoneInfo, now: Callable[[], datetime]
    ) -> ItemOutcome:
        parcel = parcel_of(request, zone)
        if isinstance(parcel, Parcel):
            parcel = await self._with_serial_numbers(parcel)
        if isinstance(parcel, ItemOutcome):
            return parcel
        try:
            return await self._with_fresh_slots(api, parcel, now)
        except RegionNotSupported:
            raise
        except InvalidRequest as error:
            if error.retryable:
                return _retry(parcel.order_id, error)
            refusal = ItemOutcome(parcel.order_id, Outcome.REJECTED, error.code, error.message)
            return await _look_up(api, refusal) if error.code in api.scheduled_codes else refusal
        except (OutcomeUnknown, UnreadableResponse) as error:
            text = f"the booking was not answered, and Amazon has no pickup for this order yet: {error}"
            return await _look_up(api, ItemOutcome(parcel.order_id, Outcome.RETRY, "NotBooked", text))

    async def _with_serial_numbers(self, parcel: Parcel) -> Parcel | ItemOutcome:
        if self._packed_items is None:
            return parcel
        try:
            return attrs.evolve(parcel, items=tuple(await self._packed_items(parcel.order_id)))
        except AmazonAeError:
            raise
        except Exception as error:
            _log.exception("packed_items failed; the pickup of this order is refused")
            return ItemOutcome(parcel.order_id, Outcome.REJECTED, "PackedItemsFailed", type(error).__name__)

    async def _with_fresh_slots(self, api: EasyShipApi, parcel: Parcel, now: Callable[[], datetime]) -> ItemOutcome:
        try:
            return await self._list_and_book(api, parcel, now)
        except InvalidRequest as error:
            if error.code not in api.new_slots_codes:
                raise
            return await self._list_and_book(api, parcel, now)

    async def _list_and_book(self, api: EasyShipApi, parcel: Parcel, now: Callable[[], datetime]) -> ItemOutcome:
        try:
            offered = await api.slots(parcel)
        except UnreadableResponse as error:
            text = f"its slots cannot be read: {error}"
            return await _look_up(api, ItemOutcome(parcel.order_id, Outcome.RETRY, _NO_SLOTS, text))
        slot = choose_slot(offered, parcel.requested_at, soonest=now() + self._lead)
        if slot is None:
            text = f"Amazon offers no pickup slot on or after {parcel.requested_at:%Y-%m-%d %H:%M}"
            # An order that is booked already may be offered none.
            return await _look_up(api, ItemOutcome(parcel.order_id, Outcome.REJECTED, "NoPickupSlot", text))
        await api.book(parcel, slot)
        return _booked(parcel, slot)


def _booked(parcel: Parcel, slot: PickupSlot) -> ItemOutcome:
    text = other_day(slot, parcel.requested_at)
    if text:
        return ItemOutcome(parcel.order_id, Outcome.ACCEPTED_WITH_WARNINGS, "OtherPickupDay", text)
    return ItemOutcome(parcel.order_id, Outcome.ACCEPTED)


async def _look_up(api: EasyShipApi, otherwise: ItemOutcome) -> ItemOutcome:
    """``ACCEPTED`` where Amazon has the pickup, ``otherwise`` where it doesn't."""
    order_id = otherwise.key
    try:
        state = await api.booked(order_id)
    except RegionNotSupported:
        raise
    except InvalidRequest as error:
        if error.code == "ResourceNotFound":
            return otherwise
        return ItemOutcome(order_id, Outcome.UNKNOWN, error.code, error.message)
    except (AmazonError, NotSent, QuotaTimeout, UnreadableResponse) as error:
        # Booking again is safe: what is scheduled already is recognised as such.
        return _retry(order_id, error)
    if state is BookingState.SCHEDULED:
        return ItemOutcome(order_id, Outcome.ACCEPTED)
    if state is BookingState.UNSCHEDULED:
        text = "Amazon has a package for this order, but no pickup: look at it in Seller Central"
        return ItemOutcome(order_id, Outcome.UNKNOWN, "PackageUnscheduled", text)
    return otherwise


def _retry(order_id: str, error: AmazonAeError) -> ItemOutcome:
    return ItemOutcome(order_id, Outcome.RETRY, getattr(error, "code", "") or type(error).__name__, str(error))
