"""The pack station's side: a pickup is asked for, its order looked up, and its own outcome handed back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from amazon_ae._exceptions import AmazonAeError, PickupRejected, PickupUnknown, QuotaTimeout, StorageError
from amazon_ae._models import events
from amazon_ae._models.feeds import ItemKind, ItemOutcome, Outcome, PickupRequest
from amazon_ae._models.orders import Order
from amazon_ae._models.pickups import PickupOutcome
from amazon_ae._models.refusals import may_pass
from amazon_ae._models.stored import Change, ItemState, StoredItem
from amazon_ae._ports import OrderGateway
from amazon_ae._scheduling.context import Room
from amazon_ae._scheduling.eligibility import ALREADY_SCHEDULED, refusals

__all__ = ["Desk", "raise_unless_accepted"]

logger: Final[logging.Logger] = logging.getLogger(__name__)

_FINAL: Final = (ItemState.ACCEPTED, ItemState.REJECTED, ItemState.UNKNOWN)
# An order that was looked up and may go stays so for this long: longer than it ever waits for its feed.
_LOOKED_UP: Final = timedelta(minutes=30)
# Pickups that may leave wait no longer than this for others to be looked up (GetOrder has a quota too).
_COMPANY_SECONDS: Final = 5.0


class Desk:
    """See the module. ``orders`` of ``None`` sends pickups without looking their orders up."""

    __slots__ = ("_doubted", "_is_easy_ship", "_looked_up", "_orders", "_rechecked_at", "_room", "closed", "waiters")

    def __init__(self, room: Room, orders: OrderGateway | None, is_easy_ship: Callable[[Order], bool]) -> None:
        self._room = room
        self._orders = orders
        self._is_easy_ship = is_easy_ship
        self._looked_up: dict[str, datetime] = {}
        self._rechecked_at = room.now()
        self.closed: bool = False
        self._doubted: set[str] = set()
        self.waiters: dict[str, set[asyncio.Future[PickupOutcome]]] = {}

    @property
    def _pays_itself(self) -> bool:
        return self._room.rules[ItemKind.PICKUP] is None

    # Asking

    async def ask(self, request: PickupRequest, reference: str | None) -> PickupOutcome:
        """Store a pickup, durably. The first request for an order stands; returns how it stands now."""
        change = Change(request.order_id, request.to_text(), reference=reference)
        await self._room.storage.put(self._room.account, ItemKind.PICKUP, [change], keep_first=True)
        outcome = await self.outcome(request.order_id)
        if outcome is None:
            raise StorageError(f"the store lost the pickup of {request.order_id}")
        return outcome

    async def outcome(self, order_id: str) -> PickupOutcome | None:
        """How an order's pickup stands in the store; ``None`` if it was never asked for."""
        item = await self._room.storage.item(self._room.account, ItemKind.PICKUP, order_id)
        return None if item is None else _outcome(item)

    async def wait(self, order_id: str, until: datetime | None) -> PickupOutcome:
        """Wait for an order's own outcome. Cancelling the wait changes nothing but the wait.

        Raises:
            PickupRejected, PickupUnknown: its outcome.
            TimeoutError: not before ``until`` (our clock).
            QuotaTimeout: the scheduler is closed, maybe since this request was stored.
        """
        if self.closed:
            raise _closed(order_id)
        future = asyncio.get_running_loop().create_future()
        self.waiters.setdefault(order_id, set()).add(future)
        nap: asyncio.Future[None] | None = None
        try:
            if until is not None:
                nap = asyncio.ensure_future(self._room.clock.sleep((until - self._room.now()).total_seconds()))
                await asyncio.wait((future, nap), return_when=asyncio.FIRST_COMPLETED)
                if not future.done():
                    raise TimeoutError
            return raise_unless_accepted(await future)
        finally:
            if nap is not None:
                nap.cancel()
            others = self.waiters.get(order_id, set())
            others.discard(future)
            if not others:
                self.waiters.pop(order_id, None)

    # Hearing

    async def heard(self, outcomes: Sequence[ItemOutcome]) -> None:
        """Outcomes that are in the store now, of a batch of ours or of a look-up."""
        for outcome in outcomes:
            self._looked_up.pop(outcome.key, None)
            if outcome.outcome is not Outcome.RETRY:
                self._emit(outcome)
        await self._reread(outcome.key for outcome in outcomes)

    def doubt(self, order_ids: Iterable[str]) -> None:
        """Their pickup was sent, never answered, and not found at Amazon: look them up before they are sent again."""
        for order_id in order_ids:
            self._doubted.add(order_id)
            self._looked_up.pop(order_id, None)

    def close(self) -> None:
        """Nobody here will hear any more: every waiter is told that its pickup stays queued."""
        self.closed = True
        for order_id, futures in self.waiters.items():
            for future in futures:
                if not future.done():
                    future.set_exception(_closed(order_id))

    def clock_set_back(self, now: datetime) -> None:
        """Our clock was set back to ``now``: the next recheck is due."""
        self._rechecked_at = min(self._rechecked_at, now)

    def recheck_in(self) -> float:
        """Seconds until the waiters' items should be looked up again."""
        if not self.waiters:
            return float("inf")
        age = (self._room.now() - self._rechecked_at).total_seconds()
        return max(0.0, self._room.timing.recheck_seconds - age)

    async def recheck(self, ours: set[str]) -> None:
        """Read in the store what another process may have settled; ``ours`` are the keys of our own batches."""
        if not self.waiters or self.recheck_in() > 0:
            return
        self._rechecked_at = self._room.now()
        await self._reread(key for key in tuple(self.waiters) if key not in ours)

    async def _reread(self, order_ids: Iterable[str]) -> None:
        for order_id in order_ids:
            outcome = await self.outcome(order_id) if order_id in self.waiters else None
            if outcome is not None and outcome.state in _FINAL:
                for future in self.waiters.get(order_id, ()):
                    if not future.done():
                        future.set_result(outcome)

    def _emit(self, outcome: ItemOutcome) -> None:
        self._room.emit(
            events.PickupSettled(
                at=self._room.now(),
                account=self._room.account,
                order_id=outcome.key,
                outcome=outcome.outcome,
                code=outcome.code,
            )
        )

    # Looking up

    async def may_leave(self, limit: int) -> list[str] | None:
        """The waiting pickups that may leave, their orders looked up; those that may not are refused here and now.

        A look-up takes a moment. What was asked for meanwhile is looked up too, once and briefly, and shares the feed:
        it would cost that request anyway, and a place more.

        Returns ``None`` when the orders could not be looked up: pickups rest for a while.
        """
        before = dict(self._looked_up)
        keys = await self._looked_up_keys(limit)
        if not keys or self._orders is None or self._looked_up.keys() <= before.keys():
            return keys
        return await self._looked_up_keys(limit, within=_COMPANY_SECONDS) or keys

    async def _looked_up_keys(self, limit: int, *, within: float | None = None) -> list[str] | None:
        room = self._room
        waiting = await room.storage.waiting(room.account, ItemKind.PICKUP, limit=limit)
        keys = [item.key for item in waiting]
        if self._orders is None or not keys:
            return keys
        now = room.now()
        self._looked_up = {key: at for key, at in self._looked_up.items() if timedelta(0) <= now - at < _LOOKED_UP}
        new = [key for key in keys if key not in self._looked_up]
        if not new:
            return keys
        try:
            look_up = self._orders.get(new)
            found = await (room.answer(look_up) if within is None else room.bounded(within, look_up))
        except StorageError:
            raise
        except AmazonAeError as error:
            if within is not None:
                return None  # those that are looked up need not wait for it; the next feed tries again
            code = getattr(error, "code", "") or type(error).__name__
            seconds = room.hold(ItemKind.PICKUP, f"the orders cannot be looked up ({code})", first=5.0, limit=300.0)
            logger.warning("looking up %d orders: %s", len(new), code)
            room.emit(events.LookupFailed(at=room.now(), account=room.account, code=code, retry_seconds=seconds))
            return None
        refused = [
            outcome
            for outcome in refusals(new, found, is_easy_ship=self._is_easy_ship)
            # A route without feeds knows itself whether a pickup that Amazon has already is its own.
            if not (outcome.code == ALREADY_SCHEDULED and outcome.key in self._doubted and self._pays_itself)
        ]
        if refused:
            await room.storage.reject(room.account, ItemKind.PICKUP, refused)
            await self.heard(refused)
        self._doubted -= set(new)
        kept = set(new) - {outcome.key for outcome in refused}
        self._looked_up.update(dict.fromkeys(kept, room.now()))
        return [key for key in keys if key in self._looked_up]


def raise_unless_accepted(outcome: PickupOutcome) -> PickupOutcome:
    """The outcome where Amazon accepted; its own error where not."""
    if outcome.state is ItemState.REJECTED:
        retryable = may_pass(outcome.code, outcome.message)
        raise PickupRejected(outcome.order_id, outcome.code, outcome.message, retryable=retryable)
    if outcome.state is ItemState.UNKNOWN:
        raise PickupUnknown(outcome.order_id, outcome.message)
    return outcome


def _closed(order_id: str) -> QuotaTimeout:
    return QuotaTimeout(f"the scheduler was closed; the pickup of {order_id} stays queued")


def _outcome(item: StoredItem) -> PickupOutcome:
    request = PickupRequest.from_text(item.key, item.value)
    return PickupOutcome(
        order_id=item.key,
        state=item.state,
        pickup_date=request.pickup_date,
        pickup_time=request.pickup_time,
        asked_at=item.put_at,
        feed_id=item.feed_id,
        reference=item.reference,
        code=item.code,
        message=item.message,
    )
