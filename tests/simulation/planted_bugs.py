"""Bugs to plant, one at a time: the simulator, or a named test, must catch each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from amazon_ae import ItemOutcome, Outcome
from amazon_ae._scheduling import context, reconciliation, recovery, sender
from amazon_ae._scheduling.batch_phases import BatchEvent
from amazon_ae._scheduling.quota import Ledger
from amazon_ae._scheduling.reconciliation import Judgement
from amazon_ae._storage import transitions
from amazon_ae._storage.memory import MemoryStorage

__all__ = ["PLANTED"]

Plant = Callable[[pytest.MonkeyPatch], None]


def acknowledge_by_key(patch: pytest.MonkeyPatch) -> None:
    """An accepted older value settles the newer one that waits behind it."""
    right = transitions.settle

    def settle(row: Any, outcome: ItemOutcome, now: int) -> Any:
        settled = right(row, outcome, now)
        accepted = outcome.outcome in (Outcome.ACCEPTED, Outcome.ACCEPTED_WITH_WARNINGS)
        return settled._replace(state="accepted", accepted_value=row.value) if accepted else settled

    patch.setattr(transitions, "settle", settle)


def forget_what_must_be_retried(patch: pytest.MonkeyPatch) -> None:
    """An item whose batch was not taken is dropped."""
    right = transitions.settle

    def settle(row: Any, outcome: ItemOutcome, now: int) -> Any:
        if outcome.outcome is Outcome.RETRY:
            return right(row, ItemOutcome(outcome.key, Outcome.ACCEPTED), now)
        return right(row, outcome, now)

    patch.setattr(transitions, "settle", settle)


def count_before_the_lock(patch: pytest.MonkeyPatch) -> None:
    """Whoever asks under the lock gets a slot, whatever has been spent since the plan."""

    def reserve(self: Ledger, name: str, priority: str) -> Ledger:
        import attrs

        return attrs.evolve(self, spent=self.spent)

    patch.setattr(Ledger, "reserve", reserve)


def unbook_the_unanswered(patch: pytest.MonkeyPatch) -> None:
    """A request that was not answered gives its slot back."""
    patch.setattr(sender, "pin", lambda batch_id: lambda ledger: ledger.cancel(batch_id))


def resend_after_a_timeout(patch: pytest.MonkeyPatch) -> None:
    """No answer is taken for "not sent"."""

    def unanswered(self: Any, batch: Any, since: Any) -> None:
        batch.ledger_entry = sender.pin(batch.batch_id)
        batch.decide(BatchEvent.NOT_SENT)

    patch.setattr(sender.Sender, "unanswered", unanswered)


def do_not_wait_until_amazon_lists_it(patch: pytest.MonkeyPatch) -> None:
    """The first look at Amazon's list decides."""
    right = reconciliation.judge_pickups

    def judge(*args: Any, visible: bool, **options: Any) -> Judgement:
        return right(*args, visible=True, **options)

    patch.setattr(recovery, "judge_pickups", judge)


def take_any_feed_for_ours(patch: pytest.MonkeyPatch) -> None:
    """A feed of the right type in the window is believed without evidence."""

    def judge(keys: Any, evidence: Any, feeds: Any, **_: Any) -> Judgement:
        return Judgement("found", feeds[0]) if feeds else Judgement("absent")

    patch.setattr(recovery, "judge_pickups", judge)


def assume_two_minutes_of_skew(patch: pytest.MonkeyPatch) -> None:
    """Clocks are taken to agree within two minutes, whatever Amazon's ``Date`` says."""
    from datetime import timedelta

    def window(self: Any, first: Any, last: Any) -> Any:
        return first - timedelta(minutes=2), last + timedelta(minutes=2)

    patch.setattr(context.SchedulerContext, "amazon_window", window)


def do_not_look_at_the_order_again(patch: pytest.MonkeyPatch) -> None:
    """A pickup that is missing in Amazon's list is sent again, whatever its order shows."""

    def judge(keys: Any, evidence: Any, feeds: Any, *, visible: bool, resend: bool) -> Judgement:
        return Judgement("absent") if visible else Judgement("")

    patch.setattr(recovery, "judge_pickups", judge)


def forget_the_lease(patch: pytest.MonkeyPatch) -> None:
    """A batch can be taken from a process that still works on it."""
    from amazon_ae._scheduling.leases import Leases

    right = MemoryStorage.take_over

    async def take_over(self: MemoryStorage, batch_id: str, *, lease_seconds: float) -> Any:
        batch = self._batches.get(batch_id)
        if batch is not None:
            self._batches[batch_id] = batch._replace(lease_until=0)
        return await right(self, batch_id, lease_seconds=lease_seconds)

    patch.setattr(MemoryStorage, "take_over", take_over)

    async def eager(self: Leases, unfinished: Any) -> None:
        import attrs

        from amazon_ae._clocks import SystemClock

        past = SystemClock().now().replace(year=2000)
        await honest(self, [attrs.evolve(stored, lease_until=past) for stored in unfinished])

    honest = Leases.take_over
    patch.setattr(Leases, "take_over", eager)


def forget_the_fence(patch: pytest.MonkeyPatch) -> None:
    """A process that lost its batch may still settle it."""

    def held(self: MemoryStorage, batch_id: str, fence: int) -> Any:
        from amazon_ae import StaleLease

        batch = self._batches.get(batch_id)
        if batch is None:
            raise StaleLease(batch_id)
        return batch

    patch.setattr(MemoryStorage, "_held", held)


def do_not_check_after_a_freeze(patch: pytest.MonkeyPatch) -> None:
    """What was opened before a freeze is sent after it."""
    right = sender.Sender._submit

    async def submit(self: Any, batch: Any, departing: Any, opened_at: Any) -> None:
        await right(self, batch, departing, self._runner.context.now())

    patch.setattr(sender.Sender, "_submit", submit)


def lose_a_put(patch: pytest.MonkeyPatch) -> None:
    """One change in forty is acknowledged and not stored."""
    from amazon_ae import InventoryBuffer

    right, count = InventoryBuffer.put, [0]

    async def put(self: Any, sku: str, quantity: int, **options: Any) -> Any:
        count[0] += 1
        return None if count[0] % 40 == 0 else await right(self, sku, quantity, **options)

    patch.setattr(InventoryBuffer, "put", put)


def one_batch_beside_another(patch: pytest.MonkeyPatch) -> None:
    """A newer value of a SKU leaves while an older one is in flight."""
    right = transitions.put

    def put(row: Any, change: Any, now: int, *, keep_first: bool) -> Any:
        return right(row._replace(batch_id=None), change, now, keep_first=keep_first)

    patch.setattr(transitions, "put", put)


PLANTED: dict[str, Plant] = {
    plant.__name__: plant
    for plant in (
        acknowledge_by_key,
        forget_what_must_be_retried,
        count_before_the_lock,
        unbook_the_unanswered,
        resend_after_a_timeout,
        do_not_wait_until_amazon_lists_it,
        take_any_feed_for_ours,
        assume_two_minutes_of_skew,
        do_not_look_at_the_order_again,
        forget_the_lease,
        forget_the_fence,
        do_not_check_after_a_freeze,
        lose_a_put,
    )
}
