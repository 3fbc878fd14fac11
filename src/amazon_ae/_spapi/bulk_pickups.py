"""``EasyShipBulkPickup``: the pickup route over Easy Ship's bulk call.

The archive of labels can be downloaded only once, so it is kept **before** any outcome is stored:

* A crash before the call: nothing is booked, the batch is sent again.
* After the call, before the archive is kept: the orders are booked, their archive is lost. When they are sent again,
  Amazon refuses them as scheduled already, which is ``ACCEPTED_WITH_WARNINGS`` (``LabelArchiveLost``).
* After the archive is kept, before the outcomes are stored: when they are sent again, Amazon refuses them, and the
  archive is found: ``ACCEPTED``.

"Scheduled already" is our own booking, or one that a person made of the same parcel: both are accepted.

One order may break the whole call. Then the batch goes out in parts, and the others are booked on the way; see
``BulkParts``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from typing import Final

from amazon_ae._easy_ship.archive_folder import LabelArchives
from amazon_ae._easy_ship.archives import MediaType, refuse_damage
from amazon_ae._easy_ship.failing_orders import FailingOrders
from amazon_ae._easy_ship.labels import LabelTexts
from amazon_ae._exceptions import (
    AccessDenied,
    AmazonAeError,
    ConfigurationError,
    InvalidRequest,
    NotSupported,
    RegionNotSupported,
)
from amazon_ae._models.easy_ship import ScheduledPackage
from amazon_ae._models.feeds import FeedBatch, FeedReceipt, FeedReport, ItemOutcome, Outcome, PickupRequest, QuotaRule
from amazon_ae._spapi.bulk_parts import BulkParts, Failed
from amazon_ae._spapi.client import SpApiClient
from amazon_ae._spapi.easy_ship import ALREADY_SCHEDULED, NEEDS_NEW_SLOTS
from amazon_ae._spapi.easy_ship_bulk import LABEL_FORMATS, MOST_ORDERS, BulkSchedule, RejectedOrder
from amazon_ae._spapi.models import SignedDocument
from amazon_ae._spapi.pickups import HandoverPickup

__all__ = ["EasyShipBulkPickup", "keep_labels"]

_log = logging.getLogger(__name__)

_BOOKING: Final = "createScheduledPackageBulk"
_TRIES: Final = 4
_FIRST_PAUSE_SECONDS: Final = 1.0
# Amazon's passing faults among the reasons of rejected orders.
_PASSING: Final = NEEDS_NEW_SLOTS | {"InternalServerError"}


class EasyShipBulkPickup:
    """A pickup route for marketplaces where Easy Ship offers the bulk call: up to 100 pickups at once.

    Amazon chooses the slot, so a day that differs from the request's is a warning (``OtherPickupDay``).

    Args:
        archives: where the labels are kept, e.g. ``LabelArchiveFolder("/var/lib/warehouse/labels")``; ``KeptLabels``
            is the document source over them.
        media_type: of the labels: ``MediaType.PDF``, or ``MediaType.ZPL`` for a label printer.
        max_pickups: the most orders in one call, 1 to 100.

    Raises:
        ConfigurationError: a value that cannot be used.
    """

    route: str = "spapi:easy-ship-bulk"
    feed_type: str | None = None

    def __init__(
        self, archives: LabelArchives, *, media_type: str = MediaType.PDF, max_pickups: int = MOST_ORDERS
    ) -> None:
        if media_type not in LABEL_FORMATS:
            raise ConfigurationError(f"media_type is one of {', '.join(LABEL_FORMATS)}, not {media_type!r}")
        if not 1 <= max_pickups <= MOST_ORDERS:
            raise ConfigurationError(f"max_pickups is 1 to {MOST_ORDERS}, not {max_pickups!r}")
        self.max_pickups: int = max_pickups
        self._archives = archives
        self._media_type = media_type
        self._failing = FailingOrders()
        self._unanswered = 0

    def block_quota(self, client: SpApiClient) -> QuotaRule:
        """The quota that all processes share: createScheduledPackageBulk's bucket."""
        return QuotaRule(
            name=f"{client.quota_owner}/{_BOOKING}",
            burst=client.burst(_BOOKING),
            restore_seconds=client.restore_seconds(_BOOKING),
        )

    def quota(self, submit_feed: QuotaRule) -> QuotaRule | None:
        """``None``: it paces itself."""
        del submit_feed
        return None

    async def submit(
        self,
        client: SpApiClient,
        batch: FeedBatch,
        *,
        settle: Callable[[Sequence[ItemOutcome]], Awaitable[None]] | None = None,
    ) -> FeedReceipt:
        """Book the batch in one call, if Amazon lets it; keep the archive, then return the outcomes.

        Raises:
            RegionNotSupported: not offered here; use another route.
            AmazonAeError: nothing was booked, or (``OutcomeUnknown``) it may have been: the batch may be sent again.
        """
        requests = {request.order_id: request for request in batch.pickups()}
        suspects = {order_id for order_id in requests if self._failing.is_suspect(order_id)}
        parts = BulkParts(list(requests), suspects, self._unanswered)
        outcomes: list[ItemOutcome] = []
        while parts:
            order_ids = parts.next
            try:
                found = await self._book(client, [requests[order_id] for order_id in order_ids])
                parts.done()
            except RegionNotSupported:
                raise
            except AmazonAeError as error:
                verdict, self._unanswered = parts.failed(error), parts.unanswered
                if verdict is Failed.HALVED:
                    continue
                if verdict is Failed.ALL:
                    if not parts.answered:
                        raise
                    outcomes += [_retry(order_id, error) for order_id in parts.rest()]
                    break
                found = [_refused(order_ids[0], error)]
            self._unanswered = parts.unanswered
            found = [self._failing.judge(outcome, client.clock.now()) for outcome in found]
            final = [outcome for outcome in found if outcome.outcome is not Outcome.RETRY]
            if settle is not None and final and parts:  # more calls follow: what this one brought is kept
                await settle(final)
                found = [outcome for outcome in found if outcome.outcome is Outcome.RETRY]
            outcomes += found
        return FeedReceipt(feed_id=None, submitted_at=client.clock.now(), outcomes=tuple(outcomes))

    async def _book(self, client: SpApiClient, requests: Sequence[PickupRequest]) -> list[ItemOutcome]:
        """One call, and its outcomes."""
        wanted = {request.order_id: request for request in requests}
        answer = await client.easy_ship_bulk.schedule(list(wanted), media_type=self._media_type)
        lost = await keep_labels(client, answer, self._archives)
        outcomes = [
            _scheduled(package, wanted[package.amazon_order_id], client, lost)
            for package in answer.scheduled
            if package.amazon_order_id in wanted
        ]
        outcomes += [await self._rejected(each) for each in answer.rejected if each.order_id in wanted]
        decided = {outcome.key: outcome for outcome in outcomes}
        rest = [
            ItemOutcome(order_id, Outcome.RETRY, "NotAnswered", "Amazon's answer does not name this order")
            for order_id in wanted
            if order_id not in decided
        ]
        return [*decided.values(), *rest]

    async def report(self, client: SpApiClient, feed_id: str, batch: FeedBatch) -> FeedReport:
        """Never called: this route sends no feed.

        Raises:
            NotSupported: always.
        """
        raise NotSupported(f"{self.route} makes no feeds, so feed {feed_id} is another route's")

    async def reschedule(
        self, client: SpApiClient, order_id: str, *, pickup_date: date, pickup_time: str | None = None
    ) -> ScheduledPackage:
        """As ``HandoverPickup.reschedule``; ``RegionNotSupported`` where Amazon offers the bulk call only."""
        return await HandoverPickup().reschedule(client, order_id, pickup_date=pickup_date, pickup_time=pickup_time)

    async def withdraw(self, order_id: str) -> None:
        """Always raises ``NotSupported``: Easy Ship's API has no such operation."""
        await HandoverPickup().withdraw(order_id)

    async def _rejected(self, order: RejectedOrder) -> ItemOutcome:
        if order.code in ALREADY_SCHEDULED:
            try:
                kept = await self._archives.find(order.order_id)
            except Exception as error:  # as above
                _log.warning("the archives cannot be read: %s", type(error).__name__)
                kept = []
            if kept:
                return ItemOutcome(order.order_id, Outcome.ACCEPTED)
            return _lost_label(order.order_id, "it was booked before, and its archive of labels was not kept")
        outcome = Outcome.RETRY if order.code in _PASSING else Outcome.REJECTED
        return ItemOutcome(order.order_id, outcome, order.code, order.message)


async def keep_labels(client: SpApiClient, answer: BulkSchedule, archives: LabelArchives) -> str:
    """Download the archive of a bulk call and keep it; returns why it is lost, or ``""``. It never raises."""
    if not answer.scheduled:
        return ""
    if answer.archive is None:
        return "Amazon's answer has no archive of labels"
    orders = {
        package.amazon_order_id: LabelTexts(
            tracking_id=package.tracking_id or "", package_identifier=package.package_identifier or ""
        )
        for package in answer.scheduled
    }
    reason = ""
    content: bytes | None = None
    for attempt in range(_TRIES):
        try:
            if content is None:
                content = await _archive(client, answer.archive)
            await archives.keep(content, orders, at=client.clock.now())
        except (AccessDenied, InvalidRequest) as error:
            reason = f"its archive of labels is gone: {type(error).__name__}"
            break
        except Exception as error:  # the archives may be the host's own: whatever they raise, the pickups are booked
            reason = f"its archive of labels could not be kept: {type(error).__name__}"
            await client.clock.sleep(_FIRST_PAUSE_SECONDS * 2.0**attempt)
        else:
            return ""
    _log.error("%d pickups are booked, but %s", len(answer.scheduled), reason)
    return reason


async def _archive(client: SpApiClient, place: SignedDocument) -> bytes:
    """The archive's bytes. Damaged ones are never kept: labels that nobody can read are lost ones."""
    content = await client.easy_ship_bulk.download(place)
    await asyncio.to_thread(refuse_damage, content)
    return content


def _refused(order_id: str, error: AmazonAeError) -> ItemOutcome:
    """The outcome of an order whose call failed although it was alone in it."""
    if isinstance(error, InvalidRequest):
        return ItemOutcome(order_id, Outcome.REJECTED, error.code, error.message)
    return _retry(order_id, error)


def _retry(order_id: str, error: AmazonAeError) -> ItemOutcome:
    return ItemOutcome(order_id, Outcome.RETRY, getattr(error, "code", "") or type(error).__name__, str(error))


def _scheduled(package: ScheduledPackage, request: PickupRequest, client: SpApiClient, lost: str) -> ItemOutcome:
    order_id = package.amazon_order_id
    if lost:
        return _lost_label(order_id, lost)
    slot = package.package_pickup_slot
    start = None if slot is None else slot.pickup_time_start
    day = None if start is None else start.astimezone(client.marketplace.zone).date()
    if day is not None and day != request.pickup_date:
        text = f"Amazon collects on {day}, not on {request.pickup_date}: the bulk call takes the earliest slot"
        return ItemOutcome(order_id, Outcome.ACCEPTED_WITH_WARNINGS, "OtherPickupDay", text)
    return ItemOutcome(order_id, Outcome.ACCEPTED)


def _lost_label(order_id: str, why: str) -> ItemOutcome:
    text = f"the pickup is booked, but {why}: take the label from another source (the documents feed, the panel)"
    return ItemOutcome(order_id, Outcome.ACCEPTED_WITH_WARNINGS, "LabelArchiveLost", text)
