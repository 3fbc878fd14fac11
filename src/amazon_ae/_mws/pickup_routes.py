"""How a pickup reaches Amazon. No public document names an MWS feed type for it, so the host chooses the route.

* ``SchedulePickupFeed``: the Schedule Pickup tab file through SubmitFeed, whose quota it spends. The file is documented
  for the UAE; its feed type is not published.
* ``EasyShipPickup``: ListPickupSlots and CreateScheduledPackage, order by order, on their own quota. Documented for
  India only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final

from amazon_ae._easy_ship.booking import BookingState, EasyShipApi, Settle
from amazon_ae._easy_ship.route import BookingRoute
from amazon_ae._easy_ship.slots import Parcel
from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.easy_ship import PackageItem, PickupSlot
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
from amazon_ae._mws.feeds import gather_feed
from amazon_ae._mws.gateway import FEED_ROUTE, fetch_report, receipt_of
from amazon_ae._mws.processing_reports import outcome_steps
from amazon_ae._transport.slicing import in_slices

__all__ = ["EasyShipPickup", "SchedulePickupFeed"]

_NO_FEED_TYPE: Final = (
    "SchedulePickupFeed needs a feed_type: Amazon publishes the Schedule Pickup file but not the MWS FeedType that "
    "carries it, so there is no default. Ask Amazon's developer support for the one that your account may use, or take "
    "EasyShipPickup() where the Easy Ship operations are offered"
)


class SchedulePickupFeed:
    """Pickups by the Schedule Pickup tab file: up to 500 orders in one SubmitFeed, whose quota stock shares.

    An order that the file cannot carry (an identifier with a letter that ``form.charset`` lacks) is left out of it and
    refused; the others are sent.

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
        settle: Settle | None = None,
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
        """One outcome per pickup. ``UNKNOWN`` where the report is unclear: a pickup is never resent on a guess.

        Raises:
            AmazonError: ``retryable`` where the report is not ready yet.
            UnreadableResponse: it is no processing report.
        """
        report = await fetch_report(client, feed_id, first_record=self._first_record)
        good, refused = self._sort(batch)
        sent = [item for item, _ in good]
        found = {
            each.key: each for each in await in_slices(outcome_steps(report, sent, undecided=Outcome.UNKNOWN))
        } | refused
        # A feed is recognised by the size of its batch, so the orders left out of the file count too.
        processed = None if report.processed is None else report.processed + len(refused)
        return FeedReport(outcomes=tuple(found[item.key] for item in batch.items), processed=processed)

    def _sort(self, batch: FeedBatch) -> tuple[list[tuple[FeedItem, PickupRequest]], dict[str, ItemOutcome]]:
        """The orders that the file can carry, and an outcome for each of the others."""
        good: list[tuple[FeedItem, PickupRequest]] = []
        refused: dict[str, ItemOutcome] = {}
        for item, request in zip(batch.items, batch.pickups(), strict=True):
            try:
                self.form.line(request)
            except ConfigurationError as error:
                refused[item.key] = ItemOutcome(item.key, Outcome.REJECTED, "NotWritable", str(error))
            else:
                good.append((item, request))
        return good, refused


class EasyShipPickup(BookingRoute[MwsClient]):
    """Pickups by the Easy Ship operations, order by order, with the outcome at once. Documented for India only.

    Of an order's slots that begin at least ``lead`` from now, the one is booked in which the request's ``pickup_time``
    lies on its ``pickup_date``; where there is none, or the request names no time, the earliest that begins then or
    later (days and times in the marketplace's time zone). An order that Amazon has scheduled already is a success. An
    unanswered booking is looked up with GetScheduledPackage.

    Args:
        lead: the least time between now and the slot's begin, for packing.
        max_pickups: orders in one batch, 1 to 500; each costs two requests of 15 + 15 a minute.
        packed_items: called with each order id for the items whose ``serial_number_required`` is true, with the serial
            numbers in the parcel; returns ``()`` for all other orders. Without it none are sent, and Amazon refuses an
            order that needs them. Its exception refuses that order alone, code ``PackedItemsFailed``; raise ``NotSent``
            from it to keep the order waiting.
    """

    route: str = "mws:easy-ship"

    def __init__(
        self,
        *,
        lead: timedelta = timedelta(0),
        max_pickups: int = 10,
        packed_items: Callable[[str], Awaitable[Sequence[PackageItem]]] | None = None,
    ) -> None:
        super().__init__(lead=lead, max_pickups=max_pickups, most=MAX_PICKUPS, packed_items=packed_items)

    def _api(self, client: MwsClient) -> EasyShipApi:
        return _MwsEasyShip(client)

    def _instead(self) -> str:
        return (
            "Amazon documents the Easy Ship operations for India only: "
            "use SchedulePickupFeed(feed_type=...) as the pickup route instead"
        )


class _MwsEasyShip:
    """The three operations of a booking over MWS; see ``EasyShipApi``."""

    scheduled_codes: frozenset[str] = ALREADY_SCHEDULED | {"InvalidOrderState"}
    new_slots_codes: frozenset[str] = NEEDS_NEW_SLOTS

    def __init__(self, client: MwsClient) -> None:
        self._api = client.easy_ship

    async def slots(self, parcel: Parcel) -> Sequence[PickupSlot]:
        """ListPickupSlots."""
        answer = await self._api.list_pickup_slots(parcel.order_id, dimensions=parcel.dimensions, weight=parcel.weight)
        return answer.slots

    async def book(self, parcel: Parcel, slot: PickupSlot) -> None:
        """CreateScheduledPackage."""
        await self._api.create_scheduled_package(
            parcel.order_id,
            slot,
            dimensions=parcel.dimensions,
            weight=parcel.weight,
            items=parcel.items,
            package_identifier=parcel.identifier,
        )

    async def booked(self, order_id: str) -> BookingState:
        """GetScheduledPackage."""
        package = await self._api.get_scheduled_package(order_id)
        return BookingState.UNSCHEDULED if package.package_status == "Unscheduled" else BookingState.SCHEDULED
