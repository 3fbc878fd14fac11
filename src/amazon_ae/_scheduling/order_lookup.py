"""Looks up the orders of waiting pickups: which may be sent, which are refused, which Amazon has scheduled already."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Collection, Sequence
from typing import Final

from amazon_ae._exceptions import (
    AmazonAeError,
    InvalidRequest,
    OutcomeUnknown,
    ServiceUnavailable,
    StorageError,
    UnreadableResponse,
)
from amazon_ae._models import events
from amazon_ae._models.feeds import ItemKind, ItemOutcome, Outcome
from amazon_ae._models.orders import Order
from amazon_ae._ports import OrderGateway
from amazon_ae._scheduling.context import SchedulerContext
from amazon_ae._scheduling.cooldowns import Cooldowns
from amazon_ae._scheduling.eligibility import HAS_PICKUP, PickupEvidence, pickup_evidence, refusals
from amazon_ae._scheduling.lookup_claims import Claimed
from amazon_ae._scheduling.lookup_isolation import LookupIsolation
from amazon_ae._scheduling.reachability import Reachability
from amazon_ae._scheduling.shared_state import SharedState, keys_of
from amazon_ae._scheduling.waiters import Waiters

__all__ = ["PickupLookup"]

logger: Final[logging.Logger] = logging.getLogger(__name__)

# Pickups that may leave wait no longer than this for others to be looked up (GetOrder has a quota too).
_COMPANY_SECONDS: Final = 5.0
# Another process is looking these orders up; it sends them itself, or soon marks them eligible.
_OTHERS_SECONDS: Final = 2.0
# The pause where no waiting pickup may leave: one that is put meanwhile waits no longer than this.
_HELD_SECONDS: Final = 10.0
_PICKUP: Final = ItemKind.PICKUP
# Errors that one order among several can cause.
_ONE_ORDERS_FAULT: Final = (InvalidRequest, OutcomeUnknown, ServiceUnavailable, UnreadableResponse)
# Without any answer after so many requests for single orders, Amazon itself is ill.
_MOST_FAILURES: Final = 2


class PickupLookup:
    """One scheduler's look-ups. ``orders`` of ``None`` lets pickups leave without one."""

    __slots__ = (
        "_context",
        "_cooldowns",
        "_is_easy_ship",
        "_isolation",
        "_orders",
        "_reachability",
        "_shared",
        "_waiters",
        "busy",
    )

    def __init__(
        self,
        context: SchedulerContext,
        shared: SharedState,
        waiters: Waiters,
        *,
        cooldowns: Cooldowns,
        reachability: Reachability,
        orders: OrderGateway | None,
        is_easy_ship: Callable[[Order], bool],
    ) -> None:
        self._context = context
        self._shared = shared
        self._waiters = waiters
        self._cooldowns = cooldowns
        self._reachability = reachability
        self._orders = orders
        self._is_easy_ship = is_easy_ship
        self._isolation = LookupIsolation()
        self.busy: bool = False

    async def eligible(self, limit: int) -> list[str]:
        """The waiting pickups that may be sent. The ineligible ones are refused at once.

        A look-up takes a moment. Pickups that arrive meanwhile are looked up too, once and briefly, and share the feed:
        the request would be needed anyway, and a second feed would cost another quota slot.
        """
        keys, made = await self._pass(limit, self._context.timing.lookup_seconds)
        if not made or not keys:
            return keys
        more, _ = await self._pass(limit, _COMPANY_SECONDS, company=True)
        return more or keys

    async def _pass(self, limit: int, seconds: float, *, company: bool = False) -> tuple[list[str], bool]:
        """The keys that may be sent, and whether a look-up was made."""
        context = self._context
        late = await self._shared.late_feeds(_PICKUP)
        held = keys_of(each for each in late if each.holds_back(context.store_now()))
        aside = self._isolation.set_aside(context.now())
        waiting = await context.storage.waiting(context.account, _PICKUP, limit=limit + len(held | aside))
        queued = [item.key for item in waiting]
        keys = [key for key in queued if key not in held | aside][:limit]
        if queued and not keys:
            why = "an earlier feed with this order, which Amazon has not ended yet"
            if held.isdisjoint(queued):
                why = "blocked: Amazon's answer about this order is an error or unreadable"
            self._cooldowns.pause(_PICKUP, _HELD_SECONDS, why)
        if self._orders is None or not keys:
            return keys, False
        keys = self._isolation.choose(keys, company=company)
        if not keys:
            return [], False
        claimed = await self._shared.claim_lookups(keys, seconds + 60.0)
        eligible = set(claimed.eligible)
        if claimed.mine:
            eligible |= await self._look_up(claimed.mine, seconds, queued, company=company)
        ready = [key for key in keys if key in eligible]
        if not ready:
            self._wait_for_others(claimed)
        return ready, bool(claimed.mine)

    async def _look_up(
        self, keys: Sequence[str], seconds: float, queued: Collection[str], *, company: bool
    ) -> set[str]:
        """Look these orders up; returns the eligible ones."""
        self.busy = True
        eligible: set[str] = set()
        try:
            found = await self._ask(keys, seconds)
            self._isolation.answered(keys, queued)
            if found is not None:
                eligible = set(keys) - await self._refuse(keys, found)
        except StorageError:
            raise
        except AmazonAeError as error:
            if not company:  # latecomers that cannot be looked up wait for the next feed
                self._failed(keys, error)
        finally:
            self.busy = False
        await self._shared.looked_up(keys, eligible=eligible)
        return eligible

    async def _ask(self, keys: Sequence[str], seconds: float) -> Sequence[Order] | None:
        if self._orders is None:
            return None
        try:
            found = await self._context.bounded(seconds, self._orders.get(keys))
        except AmazonAeError as error:
            self._reachability.request_failed(error, read=True)
            raise
        self._reachability.read_answered()
        return found

    def _failed(self, keys: Sequence[str], error: AmazonAeError) -> None:
        context = self._context
        code = getattr(error, "code", "") or type(error).__name__
        seconds, is_outage = None, not self._isolation.others_answered
        if isinstance(error, _ONE_ORDERS_FAULT):
            seconds = self._isolation.failed(keys, context.now())
        order_id = None if seconds is None else keys[0]
        if seconds is None:
            limit = context.timing.probe_seconds
            seconds = self._cooldowns.start(_PICKUP, f"blocked: order lookup failed ({code})", first=5.0, limit=limit)
            logger.warning("looking up %d orders failed: %s; again in %.0f s", len(keys), code, seconds)
        else:
            self._cooldowns.clear(_PICKUP)
            if not is_outage:
                self._reachability.read_answered()
            logger.warning("order %s cannot be looked up: %s; again in %.0f s", order_id, code, seconds)
        context.emit(
            events.LookupFailed(
                at=context.now(), account=context.account, code=code, retry_seconds=seconds, order_id=order_id
            )
        )

    def _wait_for_others(self, claimed: Claimed) -> None:
        if claimed.wait_seconds > 0:
            seconds = min(_OTHERS_SECONDS, claimed.wait_seconds)
            self._cooldowns.pause(_PICKUP, seconds, "an order lookup of another process")

    async def _refuse(self, keys: Sequence[str], found: Sequence[Order]) -> set[str]:
        """Refuse the ineligible orders; returns the keys that were dealt with."""
        context = self._context
        refused = refusals(keys, found, is_easy_ship=self._is_easy_ship)
        ours = await self.asked_before([outcome.key for outcome in refused if outcome.code == HAS_PICKUP])
        if ours:
            await self._accept(ours)
        rejected = [outcome for outcome in refused if outcome.key not in ours]
        if rejected:
            changed = await context.storage.reject(context.account, _PICKUP, rejected)
            await self._waiters.settled(changed)
        return {outcome.key for outcome in refused}

    async def asked_before(self, order_ids: Collection[str]) -> set[str]:
        """The orders among these whose pickup may have reached Amazon in an earlier request of ours."""
        if not order_ids:
            return set()
        return keys_of(await self._shared.late_feeds(_PICKUP)) & set(order_ids)

    async def _accept(self, keys: Collection[str]) -> None:
        """Amazon has these waiting pickups from an earlier request: they count as accepted, and nothing is sent."""
        context = self._context
        terms = context.carried(_PICKUP, len(keys))
        batch = await context.storage.open(
            context.account,
            _PICKUP,
            batch_id=uuid.uuid4().hex,
            limit=len(keys),
            lease_seconds=context.timing.lease_seconds,
            exclusive=False,
            route="" if terms is None else terms.route,
            keys=keys,
        )
        if batch is not None:
            outcomes = [ItemOutcome(key, Outcome.ACCEPTED) for key, _, _ in batch.items]
            await self._waiters.settled(await context.storage.settle(batch.batch_id, batch.fence, outcomes))

    async def evidence(self, keys: Sequence[str]) -> dict[str, PickupEvidence] | None:
        """Whether the orders show their pickups now; ``None`` without an order gateway.

        An order about which only Amazon's answer fails is ``UNCLEAR``.

        Raises:
            AmazonAeError: the look-up failed.
        """
        seconds = self._context.timing.lookup_seconds
        try:
            found = await self._ask(keys, seconds)
        except _ONE_ORDERS_FAULT as error:
            if len(keys) == 1:
                raise
            return await self._evidence_one_by_one(keys, seconds, error)
        return None if found is None else pickup_evidence(keys, found)

    async def _evidence_one_by_one(
        self, keys: Sequence[str], seconds: float, error: AmazonAeError
    ) -> dict[str, PickupEvidence]:
        evidence: dict[str, PickupEvidence] = {}
        failed: list[str] = []
        for key in keys:
            try:
                evidence |= pickup_evidence([key], await self._ask([key], seconds) or ())
            except _ONE_ORDERS_FAULT:
                failed.append(key)
                if len(failed) >= _MOST_FAILURES and not evidence:
                    raise error from None
        if not evidence:
            raise error
        return evidence | dict.fromkeys(failed, PickupEvidence.UNCLEAR)

    async def accepted_before(self, outcomes: Sequence[ItemOutcome]) -> list[ItemOutcome]:
        """The report's outcomes, where "scheduled already" after an earlier request of ours is a success.

        Raises:
            AmazonAeError: the look-up failed.
        """
        rejected = [outcome.key for outcome in outcomes if outcome.outcome is Outcome.REJECTED]
        before = await self.asked_before(rejected)
        evidence = (await self.evidence(sorted(before)) or {}) if before else {}
        return [
            ItemOutcome(outcome.key, Outcome.ACCEPTED)
            if evidence.get(outcome.key) is PickupEvidence.SCHEDULED
            else outcome
            for outcome in outcomes
        ]

    async def forget(self, keys: Collection[str]) -> None:
        """Look these orders up again before they are sent again."""
        if self._orders is not None and keys:
            await self._shared.looked_up(keys, eligible=())
