"""Bugs to plant, one at a time: a seed of the simulator or a named test must catch each.

``python planted_bugs.py NAME [NAME ...]`` plays up to 100 seeds with each bug planted and prints the first that breaks
a promise. As a plugin of pytest (``-p planted_bugs --plant NAME``) it plants one for the tests that are run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import attrs
import pytest

from amazon_ae import InventoryBuffer, ItemOutcome, MemoryStorage, Outcome
from amazon_ae._models.stored import Receipt, ReceiptState
from amazon_ae._mws.gateway import MwsGateway
from amazon_ae._orders.intake import Intake
from amazon_ae._scheduling import context, polling, reconciliation, recovery, sender
from amazon_ae._scheduling.batch_phases import BatchEvent
from amazon_ae._scheduling.batch_runner import BatchRunner
from amazon_ae._scheduling.eligibility import PickupEvidence
from amazon_ae._scheduling.late_checks import LateChecks
from amazon_ae._scheduling.loop import SchedulerLoop
from amazon_ae._scheduling.order_lookup import PickupLookup
from amazon_ae._scheduling.quota import Ledger
from amazon_ae._scheduling.reachability import Reachability
from amazon_ae._storage import transitions

__all__ = ["PLANTED", "Planted"]

SEEDS = 100
Plant = Callable[[pytest.MonkeyPatch], None]


@attrs.frozen
class Planted:
    """One bug.

    Attributes:
        plant: puts it in.
        what: as ``docs/explanation/proof.md`` says it.
        seed: of the simulator, which shows it.
        test: that fails with it, where no seed is named.
    """

    plant: Plant
    what: str
    seed: int | None = None
    test: str = ""

    @property
    def caught_by(self) -> str:
        """As ``docs/explanation/proof.md`` says it."""
        return f"seed {self.seed}" if self.seed is not None else f"`{self.test.rpartition('::')[2]}`"


# What is stored


def acknowledge_by_key(patch: pytest.MonkeyPatch) -> None:
    right = transitions.settle

    def settle(row: Any, outcome: ItemOutcome, now: int) -> Any:
        settled = right(row, outcome, now)
        accepted = outcome.outcome in (Outcome.ACCEPTED, Outcome.ACCEPTED_WITH_WARNINGS)
        return settled._replace(state="accepted", accepted_value=row.value) if accepted else settled

    patch.setattr(transitions, "settle", settle)


def forget_what_must_be_retried(patch: pytest.MonkeyPatch) -> None:
    right = transitions.settle

    def settle(row: Any, outcome: ItemOutcome, now: int) -> Any:
        if outcome.outcome is Outcome.RETRY:
            return right(row, ItemOutcome(outcome.key, Outcome.ACCEPTED), now)
        return right(row, outcome, now)

    patch.setattr(transitions, "settle", settle)


def lose_a_put(patch: pytest.MonkeyPatch) -> None:
    right, count = InventoryBuffer.put, [0]

    async def put(self: Any, sku: str, quantity: int, **options: Any) -> Any:
        count[0] += 1
        if count[0] % 10:
            return await right(self, sku, quantity, **options)
        return Receipt(sku, 1_000_000 + count[0], ReceiptState.WAITING)

    patch.setattr(InventoryBuffer, "put", put)


def forget_the_fence(patch: pytest.MonkeyPatch) -> None:
    right = MemoryStorage._held

    def held(self: Any, batch_id: str, fence: int) -> Any:
        batch = self._batches.get(batch_id)
        return right(self, batch_id, batch.fence if batch else fence)

    patch.setattr(MemoryStorage, "_held", held)


def take_a_batch_from_the_living(patch: pytest.MonkeyPatch) -> None:
    right = MemoryStorage.take_over

    async def take_over(self: Any, batch_id: str, *, lease_seconds: float) -> Any:
        if batch := self._batches.get(batch_id):
            self._batches[batch_id] = batch._replace(lease_until=0)
        return await right(self, batch_id, lease_seconds=lease_seconds)

    patch.setattr(MemoryStorage, "take_over", take_over)


# The quota


def count_before_the_lock(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ledger, "reserve", lambda self, name, priority: self)


def give_the_slot_of_an_unanswered_request_back(patch: pytest.MonkeyPatch) -> None:
    right = sender.Sender.unanswered

    def unanswered(self: Any, batch: Any, since: Any) -> None:
        right(self, batch, since)
        batch.ledger_entry = lambda ledger: ledger.cancel(batch.batch_id)

    patch.setattr(sender.Sender, "unanswered", unanswered)


# What was not answered


def resend_after_a_timeout(patch: pytest.MonkeyPatch) -> None:
    def unanswered(self: Any, batch: Any, since: Any) -> None:
        batch.ledger_entry = sender.pin(batch.batch_id)
        batch.decide(BatchEvent.NOT_SENT)

    patch.setattr(sender.Sender, "unanswered", unanswered)


def accept_any_found_feed(patch: pytest.MonkeyPatch) -> None:
    right = reconciliation.judge_pickups

    def judge(keys: Sequence[str], evidence: Any, feeds: Any, **options: Any) -> Any:
        if feeds:
            return reconciliation.Judgement("found", feeds[0])
        return right(keys, evidence, feeds, **options)

    patch.setattr(recovery, "judge_pickups", judge)


def decide_at_the_first_look(patch: pytest.MonkeyPatch) -> None:
    right = reconciliation.judge_pickups

    def judge(keys: Sequence[str], evidence: Any, feeds: Any, *, visible: bool, resend: bool) -> Any:
        del visible
        return right(keys, evidence, feeds, visible=True, resend=resend)

    for module in (reconciliation, recovery):
        patch.setattr(module, "judge_pickups", judge)


def resend_without_a_look_at_the_order(patch: pytest.MonkeyPatch) -> None:
    async def evidence(self: Any, keys: Sequence[str]) -> Any:
        return dict.fromkeys(keys, PickupEvidence.UNSCHEDULED)

    patch.setattr(PickupLookup, "evidence", evidence)


def forget_what_may_arrive_late(patch: pytest.MonkeyPatch) -> None:
    async def leave_behind(self: Any, batch: Any, keys: Any = None) -> None:
        del self, batch, keys

    patch.setattr(BatchRunner, "leave_behind", leave_behind)


def leave_the_old_quantity_of_a_late_feed(patch: pytest.MonkeyPatch) -> None:
    async def repair(self: Any, late: Any, status: str) -> None:
        del self, late, status

    patch.setattr(LateChecks, "_repair", repair)


def two_minutes_of_skew(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(context, "_SIGNED_SKEW", timedelta(minutes=2))


def send_after_a_freeze(patch: pytest.MonkeyPatch) -> None:
    right = sender.Sender._submit

    async def submit(self: Any, batch: Any, departing: Any, opened_at: Any) -> None:
        del opened_at
        await right(self, batch, departing, self._runner.context.now())

    patch.setattr(sender.Sender, "_submit", submit)


def mix_up_the_outcomes_of_a_feed(patch: pytest.MonkeyPatch) -> None:
    right = MwsGateway.report

    async def report(self: Any, feed_id: str, batch: Any) -> Any:
        found = await right(self, feed_id, batch)
        keys = [outcome.key for outcome in found.outcomes]
        mixed = [attrs.evolve(each, key=key) for each, key in zip(found.outcomes, reversed(keys), strict=True)]
        return attrs.evolve(found, outcomes=tuple(mixed))

    patch.setattr(MwsGateway, "report", report)


# Orders


def keep_the_cursor_in_local_time(patch: pytest.MonkeyPatch) -> None:
    right = Intake._settle

    async def settle(self: Any, poll: Any, after: Any, window: Any) -> None:
        now = self._clock.now()
        await right(self, poll, after, attrs.evolve(window, until=now, reach=now) if window.reach else window)

    patch.setattr(Intake, "_settle", settle)


# Latency


def drop_the_wake_up(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SchedulerLoop, "_noticed", lambda self, dispatcher: None)


def poll_every_quarter_of_an_hour(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(polling, "next_poll", lambda *args, **options: 900.0)


def probe_an_outage_ever_more_rarely(patch: pytest.MonkeyPatch) -> None:
    right = Reachability.__init__

    def init(self: Any, clock: Any, probe_seconds: float) -> None:
        right(self, clock, 100 * probe_seconds)

    patch.setattr(Reachability, "__init__", init)


TROUBLES = "tests/unit/test_scheduling_troubles.py"
TRUTH = "tests/unit/test_scheduling_truth.py"
CONTRACT = "tests/contract/test_storage_contract.py::test_memory_storage"

PLANTED: dict[str, Planted] = {
    each.plant.__name__: each
    for each in (
        Planted(acknowledge_by_key, "an older outcome settles a newer value", 0),
        Planted(forget_what_must_be_retried, "an item that must be retried is dropped", 1),
        Planted(lose_a_put, "a put is acknowledged and not stored", 0),
        Planted(mix_up_the_outcomes_of_a_feed, "outcomes of a feed go to the wrong items", 7),
        Planted(count_before_the_lock, "slots are counted before the lock", 22),
        Planted(accept_any_found_feed, "any feed found is taken for ours", 34),
        Planted(poll_every_quarter_of_an_hour, "feeds are looked at every quarter of an hour (latency)", 22),
        Planted(resend_after_a_timeout, 'no answer is taken for "not sent"', 7),
        Planted(
            give_the_slot_of_an_unanswered_request_back,
            "an unanswered request gives its slot back",
            test=f"{TROUBLES}::test_an_unanswered_request_keeps_its_slot",
        ),
        Planted(
            forget_the_fence,
            "a process that lost its batch may still settle it",
            test=f"{CONTRACT}[check_a_lease_runs_out_and_is_taken_over]",
        ),
        Planted(
            take_a_batch_from_the_living,
            "a batch is taken from a living process",
            test=f"{CONTRACT}[check_one_takes_over]",
        ),
        Planted(
            decide_at_the_first_look,
            "the first look at Amazon's list decides",
            test="tests/unit/test_reconciliation.py::test_nothing_is_sent_again_before_everything_must_be_visible",
        ),
        Planted(
            resend_without_a_look_at_the_order,
            "the order is not looked at before a pickup is resent",
            test=f"{TROUBLES}::test_a_lost_answer_is_settled_by_looking",
        ),
        Planted(
            forget_what_may_arrive_late,
            "a request that was given up is forgotten",
            test=f"{TROUBLES}::test_a_copy_that_turns_up_late_counts_and_is_told",
        ),
        Planted(
            leave_the_old_quantity_of_a_late_feed,
            "what a late feed brought stays",
            test=f"{TROUBLES}::test_stock_passes_a_feed_that_amazon_does_not_end",
        ),
        Planted(
            two_minutes_of_skew,
            "clocks are trusted to two minutes",
            test=f"{TRUTH}::test_a_lost_answer_of_an_amazon_whose_clock_is_off",
        ),
        Planted(
            send_after_a_freeze,
            "what was opened before a freeze is sent after it",
            test=f"{TRUTH}::test_a_process_that_is_frozen_before_it_sends_sends_nothing",
        ),
        Planted(
            keep_the_cursor_in_local_time,
            "the cursor of orders is this machine's time",
            test="tests/unit/test_order_sync.py::test_the_cursor_is_the_returned_instant_and_a_poll_overlaps",
        ),
        Planted(
            drop_the_wake_up,
            "the wake-up of a put is dropped (latency)",
            test="tests/unit/test_scheduling.py::test_urgent_stock_leaves_as_a_pickup_would",
        ),
        Planted(
            probe_an_outage_ever_more_rarely,
            "an outage is probed ever more rarely (latency)",
            test=f"{TRUTH}::test_the_first_pickup_leaves_soon_after_an_outage",
        ),
    )
}


def first_seed(name: str, seeds: Sequence[int] = range(SEEDS)) -> tuple[int, str] | None:
    """The first seed that shows a bug, and the promise that it breaks."""
    from amazon_ae.testing._simulation.chaos import run_chaos
    from amazon_ae.testing._simulation.chaos_command import without_logs
    from amazon_ae.testing._simulation.chaos_plan import ChaosPlan

    for seed in seeds:
        with without_logs(), pytest.MonkeyPatch.context() as patch:
            PLANTED[name].plant(patch)
            broken = run_chaos(ChaosPlan.draw(seed)).violations
        if broken:
            return seed, broken[0]
    return None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--plant", choices=PLANTED, help="plant this bug")


def pytest_configure(config: pytest.Config) -> None:
    if name := config.getoption("--plant"):
        PLANTED[name].plant(pytest.MonkeyPatch())


if __name__ == "__main__":
    import sys

    for name in sys.argv[1:]:
        print(name, first_seed(name), flush=True)
