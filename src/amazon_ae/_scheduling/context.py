"""What the parts of one scheduler share: the store, the gateway, the clock, the sink, and how time is measured.

Two clocks are involved, this process's and the store's. Instants are never compared across them: `Room.store_now`
shifts ours by the difference that the store's last answer showed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import attrs

from amazon_ae._backoff import doubling
from amazon_ae._exceptions import ConfigurationError, OutcomeUnknown
from amazon_ae._models.events import Event, EventSink
from amazon_ae._models.feeds import BatchTerms, ItemKind, QuotaRule
from amazon_ae._ports import Clock, FeedGateway, Storage
from amazon_ae._scheduling.quota import Ledger
from amazon_ae._scheduling.status_cache import Board

__all__ = ["KINDS", "Hold", "Room", "SchedulerTiming"]

logger: Final[logging.Logger] = logging.getLogger(__name__)
T = TypeVar("T")

KINDS: Final = (ItemKind.PICKUP, ItemKind.INVENTORY)


@attrs.frozen(kw_only=True)
class SchedulerTiming:
    """How patient a scheduler is, all in seconds. The defaults suit a warehouse; tests and simulations set their own.

    Attributes:
        answer_seconds: a look-up, a status poll or a report that takes longer, the client's own pacing included, is
            given up on and asked for again; the timeouts of the host's HTTP client are not relied on.
        lease_seconds: how long a batch stays ours without a sign of life; longer where a route may take half as
            long to answer.
        visible_after_seconds: Amazon lists a feed at the latest so long after it received it. UNVERIFIED.
        stuck_after_seconds: a feed that is not done at this age is reported and holds back its own kind.
        idle_seconds: an idle scheduler looks this often for what another process may have put.
        wake_seconds: puts by others wake a scheduler at most once in so long.
        recheck_seconds: how often a waiting pickup that another process may carry is looked up in the store.
        drain_seconds: how long leaving ``async with`` waits for requests that are under way.
    """

    answer_seconds: float = 900.0
    lease_seconds: float = 300.0
    visible_after_seconds: float = 180.0
    stuck_after_seconds: float = 3600.0
    idle_seconds: float = 900.0
    wake_seconds: float = 1.0
    recheck_seconds: float = 30.0
    drain_seconds: float = 30.0

    def __attrs_post_init__(self) -> None:
        if min(attrs.astuple(self)) <= 0:
            raise ConfigurationError("every length of a SchedulerTiming must be above 0")


@attrs.define
class Hold:
    """A kind rests after failures in a row: until when (our clock), and why, in words."""

    until: datetime
    why: str
    failures: int = 1


class Room:
    """See the module. One per scheduler."""

    __slots__ = ("_skew", "account", "clock", "gateway", "holds", "on_event", "rules", "storage", "timing")

    def __init__(
        self,
        storage: Storage,
        gateway: FeedGateway,
        *,
        clock: Clock,
        timing: SchedulerTiming,
        on_event: EventSink | None,
    ) -> None:
        self.storage: Storage = storage
        self.gateway: FeedGateway = gateway
        self.account: str = gateway.account
        self.clock: Clock = clock
        self.timing: SchedulerTiming = timing
        self.on_event: EventSink | None = on_event
        self.rules: dict[ItemKind, QuotaRule | None] = {
            kind: None if (terms := self.terms(kind)) is None else terms.quota for kind in KINDS
        }
        self.holds: dict[ItemKind, Hold] = {}
        self._skew = timedelta(0)

    def terms(self, kind: ItemKind, waiting: int = 0, *, urgent: bool = False) -> BatchTerms | None:
        """How the next batch of a kind may leave; ``None``: this gateway does not carry the kind."""
        try:
            return self.gateway.terms(kind, waiting, urgent=urgent)
        except ConfigurationError:
            return None

    def lease_seconds(self, terms: BatchTerms) -> float:
        """How long a batch stays ours: nobody may take one over whose request is still on its way."""
        return max(self.timing.lease_seconds, 2 * terms.answer_seconds)

    # Time

    def now(self) -> datetime:
        """Our clock, for everything that is only ever compared with itself."""
        return self.clock.now()

    def store_now(self) -> datetime:
        """The store's time, as well as we know it."""
        return self.clock.now() + self._skew

    def store_said(self, now: datetime) -> None:
        """The store told its time."""
        self._skew = now - self.clock.now()

    async def bounded(self, seconds: float, work: Coroutine[Any, Any, T]) -> T:
        """The result of ``work`` within ``seconds`` of the injected clock.

        Raises:
            OutcomeUnknown: it took longer, and was cancelled.
        """
        task = asyncio.ensure_future(work)
        nap = asyncio.ensure_future(self.clock.sleep(seconds))
        try:
            await asyncio.wait((task, nap), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise OutcomeUnknown(f"no answer within {seconds:.0f} s")
            return task.result()
        finally:
            nap.cancel()
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def clock_set_back(self, now: datetime) -> None:
        """Our clock was set back to ``now``: no rest lasts until an instant of the wrong time."""
        for hold in self.holds.values():
            hold.until = min(hold.until, now)

    async def answer(self, work: Coroutine[Any, Any, T]) -> T:
        """What the gateway answers to a question, within ``answer_seconds``; see ``bounded``."""
        return await self.bounded(self.timing.answer_seconds, work)

    # Quota

    async def ledger(self, rule: QuotaRule) -> Ledger:
        """The ledger as it stands, for planning. One that a clock was set back under is written anew: read only, what
        was spent would count as spent just now for as long as the clock is behind.
        """
        ledger = Ledger.read(await self.storage.load(rule.name), rule, self.store_now())
        return await self.book(rule, lambda same: same) if ledger.set_back else ledger

    async def book(self, rule: QuotaRule, entry: Callable[[Ledger], Ledger]) -> Ledger:
        """Change the ledger under its lock; returns it as it is now."""

        def change(text: str | None, now: datetime) -> tuple[str, tuple[Ledger, datetime]]:
            ledger = entry(Ledger.read(text, rule, now))
            return ledger.to_text(), (ledger, now)

        ledger, now = await self.storage.change(rule.name, change)
        self.store_said(now)
        return ledger

    async def note(self, feed_id: str) -> None:
        """Let the account's processes know that this feed is one of ours."""

        def change(text: str | None, now: datetime) -> tuple[str, None]:
            return Board.read(text).note([feed_id], now).to_text(), None

        await self.storage.change(self.board_name, change)

    @property
    def board_name(self) -> str:
        """The status board's document."""
        return f"{self.account}/feeds"

    # Rest after failures

    def hold(self, kind: ItemKind, why: str, *, first: float, limit: float) -> float:
        """Let a kind rest, longer with each failure in a row; returns the seconds."""
        failures = self.failures(kind) + 1
        seconds = doubling(failures, first=first, limit=limit)
        self.holds[kind] = Hold(self.now() + timedelta(seconds=seconds), why, failures)
        return seconds

    def pause(self, kind: ItemKind, seconds: float) -> None:
        """Leave a kind alone for a moment; no failure."""
        if self.held(kind) is None:
            until = self.now() + timedelta(seconds=seconds)
            self.holds[kind] = Hold(until, "a moment: another was faster", self.failures(kind))

    def failures(self, kind: ItemKind) -> int:
        """How often in a row this kind failed."""
        return self.holds[kind].failures if kind in self.holds else 0

    def rested(self, kind: ItemKind) -> None:
        """A kind works again."""
        self.holds.pop(kind, None)

    def held(self, kind: ItemKind) -> tuple[float, str] | None:
        """Seconds of rest that are left, and why; ``None`` when there is no rest."""
        hold = self.holds.get(kind)
        left = (hold.until - self.now()).total_seconds() if hold else 0.0
        return (left, hold.why) if hold and left > 0 else None

    # Events

    def emit(self, event: Event) -> None:
        """Tell the host. A sink that fails is logged and forgotten."""
        if self.on_event is None:
            return
        try:
            self.on_event(event)
        except Exception:
            logger.exception("the event sink failed on %s", type(event).__name__)
