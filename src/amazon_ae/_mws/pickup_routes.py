"""How a pickup reaches Amazon. No public document names an MWS feed type for it, so the host chooses the route.

* ``SchedulePickupFeed``: the Schedule Pickup tab file through SubmitFeed, whose quota it spends. The file is documented
  for the UAE; its feed type is not published.
* ``EasyShipPickup``: ListPickupSlots and CreateScheduledPackage, order by order, on their own quota. Documented for
  India only.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import attrs

from amazon_ae._exceptions import (
    AmazonAeError,
    AmazonError,
    ConfigurationError,
    InvalidRequest,
    NotSent,
    OutcomeUnknown,
    QuotaTimeout,
    RegionNotSupported,
)
from amazon_ae._models.easy_ship import PackageDimensions, PackageItem, PackageWeight, PickupSlot, PickupSlots
from amazon_ae._models.feeds import (
    FeedBatch,
    FeedItem,
    FeedReceipt,
    FeedReport,
    ItemOutcome,
    Outcome,
    PickupRequest,
    QuotaRule,
)
from amazon_ae._mws.client import MwsClient
from amazon_ae._mws.easy_ship import ALREADY_SCHEDULED, NEEDS_NEW_SLOTS
from amazon_ae._mws.feed_bodies import MAX_PICKUPS, PickupFormat, schedule_pickup_file
from amazon_ae._mws.feed_bodies.pickups import clock_time
from amazon_ae._mws.feeds import gather_feed
from amazon_ae._mws.gateway import FEED_ROUTE, fetch_report, receipt_of
from amazon_ae._mws.processing_reports import outcome_steps
from amazon_ae._transport.slicing import in_slices

__all__ = ["EasyShipPickup", "SchedulePickupFeed"]

_log = logging.getLogger(__name__)

_NO_FEED_TYPE: Final = (
    "SchedulePickupFeed needs a feed_type: Amazon publishes the Schedule Pickup file but not the MWS FeedType that "
    "carries it, so there is no default. Ask Amazon's developer support for the one that your account may use, or take "
    "EasyShipPickup() where the Easy Ship operations are offered"
)
_TAKE_THE_FEED: Final = "use SchedulePickupFeed(feed_type=...) as the pickup route instead"


def _pickups(batch: FeedBatch) -> list[tuple[FeedItem, PickupRequest]]:
    pairs = []
    for item in batch.items:
        if not isinstance(item.value, PickupRequest) or item.value.order_id != item.key:
            raise ConfigurationError(f"item {item.message_id} of a pickup batch is no pickup of {item.key!r}")
        pairs.append((item, item.value))
    return pairs


class SchedulePickupFeed:
    """Pickups by the Schedule Pickup tab file: up to 500 orders in one SubmitFeed, whose quota stock shares.

    An order that the file cannot carry (an identifier with a letter that ``form.charset`` lacks) is left out of it and
    refused by itself; the others go.

    Args:
        feed_type: the MWS FeedType; not published, so there is no default.
        form: columns, formats and character set of the marketplace's template (UNVERIFIED for the UAE).
        first_record: the number that the processing report gives the first order's line (UNVERIFIED for the UAE);
            order ids are looked for first.

    Raises:
        ConfigurationError: no ``feed_type``.
    """

    def __init__(
        self, feed_type: str | None = None, *, form: PickupFormat | None = None, first_record: int = 1
    ) -> None:
        if not feed_type or not feed_type.strip():
            raise ConfigurationError(_NO_FEED_TYPE)
        self.route: str = FEED_ROUTE
        self.feed_type: str | None = feed_type
        self.form: PickupFormat = form or PickupFormat()
        self.max_pickups: int = self.form.max_orders
        self._feed_type = feed_type
        self._first_record = first_record

    def quota(self, submit_feed: QuotaRule) -> QuotaRule | None:
        """``submit_feed``: it is a feed like every other."""
        return submit_feed

    async def submit(
        self,
        client: MwsClient,
        batch: FeedBatch,
        *,
        settle: Callable[[Sequence[ItemOutcome]], Awaitable[None]] | None = None,
    ) -> FeedReceipt:
        """Send the file, once. Outcomes come with the report, so ``settle`` is not called.

        Raises:
            NotSent, OutcomeUnknown, AmazonError: as ``MwsClient.feeds.submit``.
            ConfigurationError: an empty, too large or mixed batch; nothing was sent.
        """
        good, refused = self._sort(batch)
        if not good:
            return FeedReceipt(feed_id=None, submitted_at=client.clock.now(), outcomes=tuple(refused.values()))
        body = await gather_feed(schedule_pickup_file([request for _, request in good], self.form))
        submission = await client.feeds.submit(self._feed_type, body, content_type=self.form.content_type, paced=False)
        return receipt_of(submission, client.clock.now())

    async def report(self, client: MwsClient, feed_id: str, batch: FeedBatch) -> FeedReport:
        """One outcome per pickup. Where the report leaves doubt it is ``UNKNOWN``: a pickup is not sent again blindly.

        Raises:
            AmazonError: ``retryable`` where the report is not ready yet.
            UnreadableResponse: it is no processing report.
        """
        report = await fetch_report(client, feed_id, first_record=self._first_record)
        good, refused = self._sort(batch)
        sent = [item for item, _ in good]
        told = {
            each.key: each for each in await in_slices(outcome_steps(report, sent, doubtful=Outcome.UNKNOWN))
        } | refused
        # A feed is recognised by its size as a batch: what was left out of the file belongs to it all the same.
        processed = None if report.processed is None else report.processed + len(refused)
        return FeedReport(outcomes=tuple(told[item.key] for item in batch.items), processed=processed)

    def _sort(self, batch: FeedBatch) -> tuple[list[tuple[FeedItem, PickupRequest]], dict[str, ItemOutcome]]:
        """What the file can carry, and an outcome for every order that it cannot."""
        good: list[tuple[FeedItem, PickupRequest]] = []
        refused: dict[str, ItemOutcome] = {}
        for item, request in _pickups(batch):
            try:
                self.form.line(request)
            except ConfigurationError as error:
                refused[item.key] = ItemOutcome(item.key, Outcome.REJECTED, "NotWritable", str(error))
            else:
                good.append((item, request))
        return good, refused


class EasyShipPickup:
    """Pickups by the Easy Ship operations, order by order, with the outcome at once. Documented for India only.

    Of an order's slots that begin at least ``lead`` from now, the one is booked in which the request's ``pickup_time``
    lies on its ``pickup_date``; where there is none, or no time was asked for, the earliest that begins then or later
    (days and times in the marketplace's time zone). An order that Amazon has scheduled already is a success. Doubt
    about a request that may have arrived is settled by GetScheduledPackage.

    Args:
        lead: the least time between now and the slot's begin, for packing.
        max_pickups: orders in one batch; each costs two requests of 15 + 15 a minute, and a batch should not take long.
        packed_items: asked with each order id for the items whose ``serial_number_required`` is true, with the serial
            numbers in the parcel; ``()`` for all other orders. Without it none are sent, and Amazon refuses an order
            that needs them. What it raises refuses that order alone, code ``PackedItemsFailed``; let it raise
            ``NotSent`` where the order had better wait.
    """

    route: str = "mws:easy-ship"
    feed_type: str | None = None

    def __init__(
        self,
        *,
        lead: timedelta = timedelta(0),
        max_pickups: int = 10,
        packed_items: Callable[[str], Awaitable[Sequence[PackageItem]]] | None = None,
    ) -> None:
        if lead < timedelta(0):
            raise ConfigurationError("lead must not be negative")
        if not 1 <= max_pickups <= MAX_PICKUPS:
            raise ConfigurationError(f"max_pickups must be 1-{MAX_PICKUPS}, not {max_pickups}")
        self.max_pickups = max_pickups
        self._lead = lead
        self._packed_items = packed_items

    def quota(self, submit_feed: QuotaRule) -> QuotaRule | None:
        """``None``: the Easy Ship operations have throttles of their own, which the client keeps."""
        return None

    async def submit(
        self,
        client: MwsClient,
        batch: FeedBatch,
        *,
        settle: Callable[[Sequence[ItemOutcome]], Awaitable[None]] | None = None,
    ) -> FeedReceipt:
        """Schedule every pickup of the batch. ``settle`` gets each outcome as it comes, the receipt the others.

        Once one order was dealt with, a fault that concerns all of them leaves the rest as ``RETRY``.

        Raises:
            RegionNotSupported: Amazon does not offer this here; the message names the other route. Nothing was taken.
            AmazonError: Amazon refused the first order for a reason that concerns all of them. Nothing was taken.
            NotSent: the first order's request never left.
        """
        outcomes: list[ItemOutcome] = []
        pairs = _pickups(batch)
        for place, (item, request) in enumerate(pairs):
            try:
                outcome = await self._schedule(client, item.key, request)
            except AmazonAeError as error:
                if place == 0:
                    if isinstance(error, RegionNotSupported):
                        raise _name_the_other_route(error) from error
                    raise
                _log.warning("pickups: %d of %d wait again: %s", len(pairs) - place, len(pairs), type(error).__name__)
                code = getattr(error, "code", "") or type(error).__name__
                outcomes += [ItemOutcome(rest.key, Outcome.RETRY, code, str(error)) for rest, _ in pairs[place:]]
                break
            if settle is None or outcome.outcome is Outcome.RETRY:
                outcomes.append(outcome)
            else:
                await settle([outcome])
        return FeedReceipt(feed_id=None, submitted_at=client.clock.now(), outcomes=tuple(outcomes))

    async def report(self, client: MwsClient, feed_id: str, batch: FeedBatch) -> FeedReport:
        """Never asked for: the receipt has the outcomes.

        Raises:
            ConfigurationError: always.
        """
        raise ConfigurationError("EasyShipPickup spends no feeds, so there is no report")

    async def _schedule(self, client: MwsClient, order_id: str, request: PickupRequest) -> ItemOutcome:
        """One order. What concerns it alone is its outcome; what concerns all orders is raised."""
        length, width, height, grams = request.length_cm, request.width_cm, request.height_cm, request.weight_grams
        if length is None or width is None or height is None or grams is None:
            text = "ListPickupSlots needs the parcel's weight, length, width and height"
            return ItemOutcome(order_id, Outcome.REJECTED, "PackageSizeMissing", text)
        at = _asked_for(request, client.marketplace.zone)
        if at is None:
            text = f"pickup_time must be a time such as '10:00 AM' or '14:30', not {request.pickup_time!r}"
            return ItemOutcome(order_id, Outcome.REJECTED, "PickupTimeUnreadable", text)
        try:
            items = () if self._packed_items is None else await self._packed_items(order_id)
        except AmazonAeError:
            raise
        except Exception as error:
            _log.exception("packed_items failed; the pickup of this order is refused")
            return ItemOutcome(order_id, Outcome.REJECTED, "PackedItemsFailed", type(error).__name__)
        parcel = _Parcel(request, at, PackageDimensions(length, width, height), PackageWeight(grams), items)
        try:
            try:
                return await self._book(client, parcel)
            except InvalidRequest as error:
                if error.code not in NEEDS_NEW_SLOTS:
                    raise
                return await self._book(client, parcel)  # once, with the slots of now
        except RegionNotSupported:
            raise
        except InvalidRequest as error:
            if error.code in ALREADY_SCHEDULED:
                return await self._look_up(client, order_id)
            outcome = Outcome.RETRY if error.retryable else Outcome.REJECTED
            return ItemOutcome(order_id, outcome, error.code, error.message)
        except OutcomeUnknown:
            return await self._look_up(client, order_id)

    async def _book(self, client: MwsClient, parcel: _Parcel) -> ItemOutcome:
        request, order_id = parcel.request, parcel.request.order_id
        slots = await client.easy_ship.list_pickup_slots(order_id, dimensions=parcel.dimensions, weight=parcel.weight)
        slot = _slot_for(slots, parcel.at, soonest=client.clock.now() + self._lead)
        if slot is None:
            text = f"Amazon offers no pickup slot on or after {parcel.at:%Y-%m-%d %H:%M}"
            return ItemOutcome(order_id, Outcome.REJECTED, "NoPickupSlot", text)
        await client.easy_ship.create_scheduled_package(
            order_id,
            slot,
            dimensions=parcel.dimensions,
            weight=parcel.weight,
            items=parcel.items,
            package_identifier=request.package_identifier,
        )
        return ItemOutcome(order_id, Outcome.ACCEPTED)

    async def _look_up(self, client: MwsClient, order_id: str) -> ItemOutcome:
        """Whether Amazon has the pickup."""
        try:
            package = await client.easy_ship.get_scheduled_package(order_id)
        except RegionNotSupported:
            raise
        except InvalidRequest as error:
            if error.code == "ResourceNotFound":
                return ItemOutcome(order_id, Outcome.RETRY, error.code, "Amazon has no pickup for this order yet")
            return ItemOutcome(order_id, Outcome.UNKNOWN, error.code, error.message)
        except (AmazonError, NotSent, QuotaTimeout) as error:
            # Trying again is safe: what is scheduled already is recognised as such.
            return ItemOutcome(order_id, Outcome.RETRY, getattr(error, "code", ""), str(error))
        if package.package_status == "Unscheduled":
            text = "Amazon has a package for this order, but no pickup: look at it in Seller Central"
            return ItemOutcome(order_id, Outcome.UNKNOWN, "PackageUnscheduled", text)
        return ItemOutcome(order_id, Outcome.ACCEPTED)


@attrs.frozen
class _Parcel:
    """One order on its way to a slot. ``at``: when its pickup was asked for."""

    request: PickupRequest
    at: datetime
    dimensions: PackageDimensions
    weight: PackageWeight
    items: Sequence[PackageItem]


def _asked_for(request: PickupRequest, zone: ZoneInfo) -> datetime | None:
    """The instant that a request asks for, midnight where it names no time; ``None`` if its time cannot be read."""
    moment = time.min if request.pickup_time is None else clock_time(request.pickup_time)
    return None if moment is None else datetime.combine(request.pickup_date, moment, tzinfo=zone)


def _slot_for(slots: PickupSlots, at: datetime, *, soonest: datetime) -> PickupSlot | None:
    """The slot in which ``at`` lies, else the earliest behind it; none that begins before ``soonest``."""
    for slot in slots.slots:
        begin, end = slot.pickup_time_start, slot.pickup_time_end
        if begin is not None and end is not None and soonest <= begin <= at < end:
            return slot
    return slots.earliest(not_before=max(at, soonest))


def _name_the_other_route(error: RegionNotSupported) -> RegionNotSupported:
    return RegionNotSupported(
        f"{error.message} Amazon documents the Easy Ship operations for India only: {_TAKE_THE_FEED}.",
        status=error.status,
        code=error.code,
        request_id=error.request_id,
        timestamp=error.timestamp,
        action=error.action,
    )
