"""Bugs to plant, one at a time: the simulator must catch each.

``python planted_bugs.py NAME`` plays up to 100 seeds with one bug planted; its exit code is 0 if a promise was broken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from amazon_ae import ItemOutcome, Outcome
from amazon_ae._scheduling import sender
from amazon_ae._scheduling.batch_phases import BatchEvent
from amazon_ae._scheduling.quota import Ledger
from amazon_ae._storage import transitions

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


def resend_after_a_timeout(patch: pytest.MonkeyPatch) -> None:
    """No answer is taken for "not sent"."""

    def unanswered(self: Any, batch: Any, since: Any) -> None:
        batch.ledger_entry = sender.pin(batch.batch_id)
        batch.decide(BatchEvent.NOT_SENT)

    patch.setattr(sender.Sender, "unanswered", unanswered)


def lose_a_put(patch: pytest.MonkeyPatch) -> None:
    """One change in ten is acknowledged and not stored."""
    from amazon_ae import InventoryBuffer

    right, count = InventoryBuffer.put, [0]

    async def put(self: Any, sku: str, quantity: int, **options: Any) -> Any:
        count[0] += 1
        return None if count[0] % 10 == 0 else await right(self, sku, quantity, **options)

    patch.setattr(InventoryBuffer, "put", put)


PLANTED: dict[str, Plant] = {
    plant.__name__: plant
    for plant in (
        acknowledge_by_key,
        forget_what_must_be_retried,
        count_before_the_lock,
        resend_after_a_timeout,
        lose_a_put,
    )
}


if __name__ == "__main__":
    import logging
    import sys

    from amazon_ae.testing._simulation.chaos import ChaosPlan, run_chaos

    logging.disable(logging.CRITICAL)
    for seed in range(100):
        with pytest.MonkeyPatch.context() as patch:
            PLANTED[sys.argv[1]](patch)
            broken = run_chaos(ChaosPlan.draw(seed)).violations
        if broken:
            print(f"seed {seed}: {broken[0]}")
            sys.exit(0)
    sys.exit(1)
