"""The callers of this process that wait for a pickup's outcome. Outcomes are always read from the store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Final

import attrs

from amazon_ae._exceptions import PickupRejected, PickupUnknown, QuotaTimeout
from amazon_ae._models import events
from amazon_ae._models.feeds import ItemKind, ItemOutcome, Outcome, PickupRequest
from amazon_ae._models.pickups import PickupOutcome
from amazon_ae._models.refusals import may_pass
from amazon_ae._models.stored import ItemState, StoredItem
from amazon_ae._scheduling.context import SchedulerContext

__all__ = ["FINAL", "Waiters", "outcome_of", "raise_unless_accepted"]

FINAL: Final = (ItemState.ACCEPTED, ItemState.REJECTED, ItemState.UNKNOWN)


class Waiters:
    """Futures by order id."""

    __slots__ = ("_context", "_futures", "_rechecked_at", "closed")

    def __init__(self, context: SchedulerContext) -> None:
        self._context = context
        self._futures: dict[str, list[asyncio.Future[PickupOutcome]]] = {}
        self._rechecked_at = context.now()
        self.closed: bool = False

    async def outcome(self, order_id: str) -> PickupOutcome | None:
        """An order's pickup as the store has it; ``None`` if it was never asked for."""
        storage, account = self._context.storage, self._context.account
        item = await storage.item(account, ItemKind.PICKUP, order_id)
        if item is None:
            return None
        moved = await storage.load(_moved_name(account, order_id)) if item.state is ItemState.ACCEPTED else None
        return outcome_of(item) if moved is None else _moved(outcome_of(item), moved, item.accepted_version)

    async def note_move(self, item: StoredItem, moved: PickupOutcome) -> None:
        """Remember the slot that Amazon gave a pickup in place of the one that was asked for; durable."""
        text = json.dumps(
            {
                "version": item.accepted_version,
                "pickup_date": moved.pickup_date.isoformat(),
                "pickup_time": moved.pickup_time,
                "code": moved.code,
                "message": moved.message,
            }
        )
        name = _moved_name(self._context.account, item.key)
        await self._context.storage.change(name, lambda _, __: (text, None))

    async def wait(self, order_id: str, until: datetime | None) -> PickupOutcome:
        """Wait for an order's outcome. Cancelling the wait changes nothing else.

        Raises:
            PickupRejected, PickupUnknown: its outcome.
            TimeoutError: none before ``until`` (this process's clock).
            QuotaTimeout: the scheduler is closed.
        """
        if self.closed:
            raise _closed(order_id)
        future = asyncio.get_running_loop().create_future()
        self._futures.setdefault(order_id, []).append(future)
        timer: asyncio.Future[None] | None = None
        try:
            if until is not None:
                timer = asyncio.ensure_future(self._context.clock.sleep((until - self._context.now()).total_seconds()))
                await asyncio.wait((future, timer), return_when=asyncio.FIRST_COMPLETED)
                if not future.done():
                    raise TimeoutError
            return raise_unless_accepted(await future)
        finally:
            if timer is not None:
                timer.cancel()
            others = self._futures.get(order_id, [])
            if future in others:
                others.remove(future)
            if not others:
                self._futures.pop(order_id, None)

    async def settled(self, outcomes: Sequence[ItemOutcome]) -> None:
        """These outcomes were just stored: emit their events, and wake the callers that wait for one."""
        context = self._context
        for outcome in outcomes:
            if outcome.outcome is not Outcome.RETRY:
                context.emit(
                    events.PickupSettled(
                        at=context.now(),
                        account=context.account,
                        order_id=outcome.key,
                        outcome=outcome.outcome,
                        code=outcome.code,
                    )
                )
        await self.reread(outcome.key for outcome in outcomes)

    async def reread(self, order_ids: Iterable[str]) -> None:
        """Read these outcomes from the store, if a caller waits for them."""
        for order_id in order_ids:
            if order_id not in self._futures:
                continue
            outcome = await self.outcome(order_id)
            for future in self._futures.get(order_id, ()):
                if future.done():
                    continue
                if outcome is None:
                    future.set_exception(_withdrawn(order_id))
                elif outcome.state in FINAL:
                    future.set_result(outcome)

    def waiting(self, order_ids: Sequence[str] = ()) -> list[str]:
        """The orders for which a caller waits: of these, or all."""
        return [order_id for order_id in order_ids or tuple(self._futures) if order_id in self._futures]

    def recheck_in(self) -> float:
        """Seconds until the outcomes are read again, in case a notice of the store was lost."""
        if not self._futures:
            return float("inf")
        age = (self._context.now() - self._rechecked_at).total_seconds()
        return max(0.0, self._context.timing.recheck_seconds - age)

    async def recheck(self, carried: set[str]) -> None:
        """Read what other processes may have settled; ``carried`` are the keys of this process's own batches."""
        if self.recheck_in() > 0:
            return
        self._rechecked_at = self._context.now()
        await self.reread(key for key in tuple(self._futures) if key not in carried)

    def close(self) -> None:
        """Deliver no more outcomes: every waiting call ends with ``QuotaTimeout``; its pickup stays queued."""
        self.closed = True
        for order_id, futures in self._futures.items():
            for future in futures:
                if not future.done():
                    future.set_exception(_closed(order_id))

    def clock_set_back(self, now: datetime) -> None:
        """The clock was set back to ``now``: the next recheck is due."""
        self._rechecked_at = min(self._rechecked_at, now)


def raise_unless_accepted(outcome: PickupOutcome) -> PickupOutcome:
    """The outcome if Amazon accepted it; raises its error otherwise."""
    if outcome.state is ItemState.REJECTED:
        retryable = may_pass(outcome.code, outcome.message)
        raise PickupRejected(outcome.order_id, outcome.code, outcome.message, retryable=retryable)
    if outcome.state is ItemState.UNKNOWN:
        raise PickupUnknown(outcome.order_id, outcome.message)
    return outcome


def outcome_of(item: StoredItem) -> PickupOutcome:
    """A stored pickup as the host sees it."""
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


def _moved_name(account: str, order_id: str) -> str:
    return f"pickup-moved/{account}/{order_id}"


def _moved(outcome: PickupOutcome, text: str, version: int | None) -> PickupOutcome:
    """The pickup with the slot that it was moved to, unless it was asked for anew since."""
    moved = json.loads(text)
    if moved["version"] != version:
        return outcome
    return attrs.evolve(
        outcome,
        pickup_date=date.fromisoformat(moved["pickup_date"]),
        pickup_time=moved["pickup_time"],
        code=moved["code"],
        message=moved["message"],
    )


def _closed(order_id: str) -> QuotaTimeout:
    return QuotaTimeout(f"the scheduler was closed; the pickup of {order_id} stays queued")


def _withdrawn(order_id: str) -> PickupRejected:
    return PickupRejected(order_id, "Withdrawn", "the pickup was withdrawn before it left")
