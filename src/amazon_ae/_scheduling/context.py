"""What the parts of one scheduler share: store, gateway, clock, event sink, and the difference between the clocks.

Three clocks are involved: this process's, the store's and Amazon's. Instants are never compared across them:
``store_now`` and ``amazon_window`` shift by the difference that the last answer showed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from amazon_ae._exceptions import ConfigurationError, OutcomeUnknown
from amazon_ae._models.events import Event, EventSink, PickupSentTwice
from amazon_ae._models.feeds import BatchTerms, ItemKind
from amazon_ae._models.stored import StoredBatch
from amazon_ae._ports import Clock, FeedGateway, Storage
from amazon_ae._scheduling.timing import SchedulerTiming

__all__ = ["KINDS", "SchedulerContext"]

logger: Final[logging.Logger] = logging.getLogger(__name__)
T = TypeVar("T")

KINDS: Final = (ItemKind.PICKUP, ItemKind.INVENTORY)

_MANY: Final = 1_000_000

# A signature is refused beyond 15 minutes of clock difference (MWS developer guide, "Timestamp"): a request that Amazon
# took was signed by a clock that is at most this wrong.
_SIGNED_SKEW: Final = timedelta(minutes=15)
# SubmittedDate has whole seconds, and both clocks drift between a receipt and the next.
_MEASURED_SKEW: Final = timedelta(seconds=60)


class SchedulerContext:
    """The shared dependencies. One per scheduler."""

    __slots__ = (
        "_amazon_skew",
        "_on_event",
        "_store_skew",
        "account",
        "clock",
        "gateway",
        "settle_only",
        "storage",
        "timing",
    )

    def __init__(
        self,
        storage: Storage,
        gateway: FeedGateway,
        *,
        clock: Clock,
        timing: SchedulerTiming,
        on_event: EventSink | None,
        settle_only: bool = False,
    ) -> None:
        self.storage: Storage = storage
        self.gateway: FeedGateway = gateway
        self.account: str = gateway.account
        self.clock: Clock = clock
        self.timing: SchedulerTiming = timing
        self.settle_only: bool = settle_only
        self._on_event = on_event
        self._store_skew = timedelta(0)
        self._amazon_skew: tuple[timedelta, timedelta] | None = None

    def terms(self, kind: ItemKind, waiting: int = 0, *, urgent: bool = False) -> BatchTerms | None:
        """How the next batch may leave; ``None`` if none does: this gateway does not carry the kind, or the scheduler
        only settles what is in flight.
        """
        return None if self.settle_only else self.carried(kind, waiting, urgent=urgent)

    def carried(self, kind: ItemKind, waiting: int = 0, *, urgent: bool = False) -> BatchTerms | None:
        """The terms under which this gateway carries a kind; ``None`` if it does not."""
        try:
            return self.gateway.terms(kind, waiting, urgent=urgent)
        except ConfigurationError:
            return None

    def terms_of(self, stored: StoredBatch) -> BatchTerms | None:
        """The terms of a batch that another process opened, by its route; ``None`` if this gateway does not carry it.

        The gateway chooses a route by the number and urgency of waiting items, so it is asked for all of them.
        """
        asked = [(stored.size, False), (stored.size, True), (1, False), (1, True), (_MANY, False), (_MANY, True)]
        found = [
            terms for count, urgent in asked if (terms := self.carried(stored.kind, count, urgent=urgent)) is not None
        ]
        return next((terms for terms in found if stored.route in ("", terms.route)), found[0] if found else None)

    def lease_seconds(self, terms: BatchTerms) -> float:
        """The lease of a batch: no other process may take it over while its request can still be on its way."""
        return max(self.timing.lease_seconds, 2 * terms.answer_seconds)

    def emit(self, event: Event) -> None:
        """Hand an event to the host. A sink that raises is logged, and the event dropped."""
        if self._on_event is None:
            return
        try:
            self._on_event(event)
        except Exception:
            logger.exception("the event sink failed on %s", type(event).__name__)

    def sent_twice(self, order_ids: Iterable[str], batch_id: str) -> None:
        """Report pickups of which two requests may have reached Amazon."""
        for order_id in order_ids:
            self.emit(PickupSentTwice(at=self.now(), account=self.account, order_id=order_id, batch_id=batch_id))

    # Clocks

    def now(self) -> datetime:
        """This process's clock, for instants that are only compared with each other."""
        return self.clock.now()

    def store_now(self) -> datetime:
        """The store's time, as far as it is known here."""
        return self.clock.now() + self._store_skew

    def store_time_seen(self, now: datetime) -> None:
        """A storage call returned the store's time."""
        self._store_skew = now - self.clock.now()

    def receipt_seen(self, submitted_at: datetime, *, sent: datetime) -> None:
        """Amazon received a request at ``submitted_at`` on its clock, between ``sent`` and now on ours."""
        now = self.clock.now()
        self._amazon_skew = (submitted_at - now, submitted_at - sent)

    def amazon_window(self, first: datetime, last: datetime) -> tuple[datetime, datetime]:
        """The instants of Amazon's clock that may lie between two of the store's.

        Before the first receipt shows the difference, the window is as wide as Amazon's check of signatures allows.
        """
        if self._amazon_skew is None:
            return first - _SIGNED_SKEW, last + _SIGNED_SKEW
        low, high = self._amazon_skew
        return (
            first - self._store_skew + low - _MEASURED_SKEW,
            last - self._store_skew + high + _MEASURED_SKEW,
        )

    def amazon_now(self) -> datetime:
        """Amazon's clock, as far as receipts have shown it."""
        first, last = self.amazon_window(self.store_now(), self.store_now())
        return first + (last - first) / 2

    # Time limits

    async def bounded(
        self, seconds: float, work: Coroutine[Any, Any, T], *, progress: asyncio.Event | None = None
    ) -> T:
        """The result of ``work`` within ``seconds`` on the injected clock. If ``progress`` was set when the time is up,
        it gets as long again.

        Raises:
            OutcomeUnknown: it took longer, and was cancelled.
        """
        task = asyncio.ensure_future(work)
        timer = asyncio.ensure_future(self.clock.sleep(seconds))
        try:
            while True:
                await asyncio.wait((task, timer), return_when=asyncio.FIRST_COMPLETED)
                if task.done():
                    return task.result()
                if progress is None or not progress.is_set():
                    raise OutcomeUnknown(f"no answer within {seconds:.0f} s")
                progress.clear()
                timer = asyncio.ensure_future(self.clock.sleep(seconds))
        finally:
            timer.cancel()
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def answer(self, work: Coroutine[Any, Any, T]) -> T:
        """The gateway's answer to a read, within ``answer_seconds``; see ``bounded``."""
        return await self.bounded(self.timing.answer_seconds, work)
