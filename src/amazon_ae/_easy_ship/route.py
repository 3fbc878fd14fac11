"""The route of pickups that are booked order by order: the same over both APIs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Generic, Protocol, TypeVar

from amazon_ae._easy_ship.booking import EasyShipApi, PickupBooking, Settle
from amazon_ae._exceptions import ConfigurationError, RegionNotSupported
from amazon_ae._models.easy_ship import PackageItem
from amazon_ae._models.feeds import FeedBatch, FeedReceipt, FeedReport, QuotaRule
from amazon_ae._models.marketplaces import Marketplace
from amazon_ae._ports import Clock

__all__ = ["BookingRoute"]


class _Client(Protocol):
    @property
    def marketplace(self) -> Marketplace: ...

    @property
    def clock(self) -> Clock: ...


ClientT = TypeVar("ClientT", bound=_Client)


class BookingRoute(ABC, Generic[ClientT]):
    """Books the pickups of a batch one after another, with each outcome at once. No feed is sent.

    Args:
        lead: the least time between now and the slot's begin, for packing.
        max_pickups: orders in one batch.
        most: the most that ``max_pickups`` may be.
        packed_items: called with each order id for the items that need serial numbers; see the backend's class.

    Raises:
        ConfigurationError: ``max_pickups`` outside 1 to ``most``, or a negative ``lead``.
    """

    feed_type: str | None = None

    def __init__(
        self,
        *,
        lead: timedelta,
        max_pickups: int,
        most: int,
        packed_items: Callable[[str], Awaitable[Sequence[PackageItem]]] | None,
    ) -> None:
        if not 1 <= max_pickups <= most:
            raise ConfigurationError(f"max_pickups must be 1-{most}, not {max_pickups}")
        self.max_pickups: int = max_pickups
        self._booking = PickupBooking(lead=lead, packed_items=packed_items)

    @abstractmethod
    def _api(self, client: ClientT) -> EasyShipApi:
        """The operations of this backend."""

    @abstractmethod
    def _instead(self) -> str:
        """What to do where Amazon does not serve the marketplace: the end of that error's message."""

    def quota(self, submit_feed: QuotaRule) -> QuotaRule | None:
        """``None``: this route sends no feed, and the client paces its operations."""
        return None

    async def submit(self, client: ClientT, batch: FeedBatch, *, settle: Settle | None = None) -> FeedReceipt:
        """Book every pickup of the batch. ``settle`` gets each final outcome as it comes, the receipt the others.

        Once one order was dealt with, an error that concerns all of them leaves the rest as ``RETRY``.

        Raises:
            RegionNotSupported: Amazon does not offer this here; its message says what to do. Nothing was booked.
            AmazonError: Amazon refused the first order for a reason that concerns all of them. Nothing was booked.
            NotSent: the first order's request never left.
        """
        try:
            outcomes = await self._booking.book_all(
                self._api(client), batch, zone=client.marketplace.zone, now=client.clock.now, settle=settle
            )
        except RegionNotSupported as error:
            raise RegionNotSupported(
                f"{error.message} {self._instead()}.",
                status=error.status,
                code=error.code,
                request_id=error.request_id,
                timestamp=error.timestamp,
                action=error.action,
            ) from error
        return FeedReceipt(feed_id=None, submitted_at=client.clock.now(), outcomes=outcomes)

    async def report(self, client: ClientT, feed_id: str, batch: FeedBatch) -> FeedReport:
        """Never called: the receipt has the outcomes.

        Raises:
            ConfigurationError: always.
        """
        raise ConfigurationError(f"{type(self).__name__} sends no feed, so there is no report")
