"""The ledger: exact for any latency, crash and clock step, and corrected downwards only."""

from __future__ import annotations

import heapq
import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from amazon_ae._exceptions import ConfigurationError, StorageError
from amazon_ae._models.feeds import QuotaRule, QuotaSeen
from amazon_ae._scheduling.quota import FOREIGN, Ledger

RULE = QuotaRule(name="A1/AK/SubmitFeed", burst=15, restore_seconds=120.0, limit=30)
START = datetime(2021, 11, 18, 9, 0, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def fresh(seconds: float = 0.0) -> Ledger:
    return Ledger.read(None, RULE, at(seconds))


def again(ledger: Ledger, seconds: float) -> Ledger:
    """Through the document, at another instant."""
    return Ledger.read(ledger.to_text(), RULE, at(seconds))


def later(ledger: Ledger, seconds: float) -> Ledger:
    """If nothing is spent until then."""
    return Ledger.read(
        ledger.to_text(), ledger.rule, EPOCH + timedelta(microseconds=ledger.now + math.ceil(seconds * 1e6))
    )


def spend(ledger: Ledger, name: str, priority: str = "stock") -> Ledger:
    reserved = ledger.reserve(name, priority)
    assert reserved is not None
    return reserved.pin(name)


def assert_within_amazons_limits(arrivals: list[int], rule: QuotaRule = RULE) -> None:
    """Amazon's own count, in whole microseconds: no rolling hour over the limit, the bucket never below zero."""
    arrivals = sorted(arrivals)
    restore, burst = round(rule.restore_seconds * 1e6), rule.burst
    for index, first in enumerate(arrivals):
        if rule.limit is not None:
            length = round(rule.window_seconds * 1e6)
            in_window = sum(first <= arrival <= first + length for arrival in arrivals[index:])
            assert in_window <= rule.limit
        for count, last in enumerate(arrivals[index:], 1):
            assert (count - burst) * restore <= last - first


def test_a_new_ledger_holds_the_burst() -> None:
    """Nothing was spent: all fifteen slots of the bucket are free."""
    assert fresh().free == 15
    assert fresh().wait_seconds() == 0


def test_the_burst_then_one_place_per_restore() -> None:
    """After fifteen, the next slot is free exactly two minutes later, and not a microsecond before."""
    ledger = fresh()
    for number in range(15):
        ledger = spend(ledger, str(number))
    assert ledger.reserve("next", "stock") is None
    assert ledger.wait_seconds() == 120.0
    assert again(ledger, 119.999999).free == 0
    assert again(ledger, 120).free == 1


def test_no_more_than_thirty_in_any_rolling_hour() -> None:
    """The bucket alone would give 44 in the first hour."""
    sent: list[int] = []
    ledger = fresh()
    for second in range(0, 7200, 1):
        ledger = again(ledger, second)
        while ledger.free:
            ledger = spend(ledger, str(len(sent)))
            sent.append(second)
    assert sum(second <= 3600 for second in sent) == 30
    assert len(sent) == 60  # and the same again in the second hour: spending first come, first served wastes nothing
    assert_within_amazons_limits([second * 1_000_000 for second in sent])


FIVE_IN_FIVE_MINUTES = QuotaRule(name="A1/createFeed", burst=5, restore_seconds=0.001, limit=5, window_seconds=300.0)


def test_five_feeds_in_any_five_minutes() -> None:
    """A window of another length: the sixth leaves when the first is five minutes old, not a microsecond earlier."""
    ledger = Ledger.read(None, FIVE_IN_FIVE_MINUTES, START)
    for number in range(5):
        reserved = Ledger.read(ledger.to_text(), FIVE_IN_FIVE_MINUTES, at(number)).reserve(str(number), "stock")
        assert reserved is not None
        ledger = reserved.pin(str(number))
    assert ledger.free == 0
    assert Ledger.read(ledger.to_text(), FIVE_IN_FIVE_MINUTES, at(300)).free == 0
    later = Ledger.read(ledger.to_text(), FIVE_IN_FIVE_MINUTES, at(300.000001))
    assert (later.free, later.used) == (1, 4)


def test_a_ledger_of_an_hourly_rule_is_read_under_a_window() -> None:
    """What an earlier version wrote: its slots count for as long as the window of the rule says."""
    written = (
        '{"v":1,"now":1637226000000000,"full_at":1637226240000000,'
        '"spent":[[1637223000000000,"stock"],[1637225900000000,"pickup"]],'
        '"open":[["b1",1637225990000000,"urgent"]],"blocked_until":0}'
    )
    assert Ledger.read(written, RULE, START).used == 3
    assert Ledger.read(written, FIVE_IN_FIVE_MINUTES, START).used == 2


@pytest.mark.parametrize("wrong", [{"burst": 0}, {"limit": 0}, {"restore_seconds": 0.0}, {"window_seconds": 0.0}])
def test_a_rule_under_which_nothing_could_leave_is_refused(wrong: dict[str, Any]) -> None:
    """Where it is made, not by a wait without end."""
    with pytest.raises(ConfigurationError, match="SubmitFeed"):
        attrs.evolve(RULE, **wrong)


def test_an_unanswered_slot_counts_as_spent_now() -> None:
    """A request on its way for an hour may still arrive now: it leaves neither the hour nor the bucket."""
    reserved = fresh().reserve("slow", "pickup")
    assert reserved is not None
    later = again(reserved, 3700)
    assert later.used == 1
    assert later.free == 14
    assert again(later.pin("slow"), 3700 + 120).free == 15


def test_an_answer_pins_the_slot_to_its_own_instant() -> None:
    """The hour of a slot begins when its answer is in, not when it was reserved."""
    reserved = fresh().reserve("a", "pickup")
    assert reserved is not None
    pinned = again(reserved, 100).pin("a")
    assert again(pinned, 3700).used == 1
    assert again(pinned, 3701).used == 0


def test_only_what_never_left_is_given_back() -> None:
    """``cancel`` makes the reservation undone, to the microsecond."""
    before = spend(fresh(), "a")
    reserved = before.reserve("b", "pickup")
    assert reserved is not None
    assert reserved.cancel("b") == before
    assert before.cancel("unknown") == before
    assert before.pin("unknown") == before


def test_a_batch_takes_one_slot_only() -> None:
    """The same batch cannot reserve twice."""
    reserved = fresh().reserve("a", "pickup")
    assert reserved is not None
    assert reserved.reserve("a", "pickup") is None


def test_amazons_throttle_empties_the_bucket() -> None:
    """After ``RequestThrottled`` the next slot is one restore away, whatever we had counted."""
    ledger = fresh().throttled()
    assert ledger.free == 0
    assert ledger.wait_seconds() == 120.0


def test_the_exceeded_hour_closes_the_ledger_until_its_reset() -> None:
    """``QuotaExceeded`` with a reset in ten minutes: nothing for ten minutes."""
    ledger = fresh().exceeded(600)
    assert again(ledger, 599.9).free == 0
    assert ledger.wait_seconds() == 600
    assert again(ledger, 600).free == 15
    assert fresh().exceeded(None).wait_seconds() == 3600
    assert fresh().exceeded(1e9).wait_seconds() == 3600


def test_fewer_slots_left_than_we_count_means_foreign_spending() -> None:
    """The header says 20, we count 30: ten were spent by somebody else."""
    ledger = fresh().observe(QuotaSeen(maximum=30.0, remaining=20.0))
    assert ledger.used == 10
    assert ledger.free == 5
    assert len(ledger.ages(FOREIGN)) == 10


def test_more_slots_left_than_we_count_changes_nothing() -> None:
    """The header lags: it never gives a slot back."""
    ledger = spend(spend(fresh(), "a"), "b")
    assert ledger.observe(QuotaSeen(maximum=30.0, remaining=30.0)) == ledger
    assert ledger.observe(QuotaSeen(maximum=30.0, remaining=28.0)) == ledger
    assert ledger.observe(None) == ledger


def test_a_slow_answer_is_no_foreign_spending() -> None:
    """Amazon counted at the arrival, when an old slot was still in its hour; the answer took longer."""
    ledger = spend(fresh(0), "old")
    reserved = again(ledger, 3599).reserve("slow", "stock")
    assert reserved is not None
    seen = QuotaSeen(maximum=30.0, remaining=28.0)
    answered = again(reserved, 3602).pin("slow", seen)
    assert answered.ages(FOREIGN) == []
    assert answered.used == 1
    assert len(again(reserved, 3602).pin("slow", attrs.evolve(seen, remaining=26.0)).ages(FOREIGN)) == 2


def test_a_clock_that_was_set_back_frees_nothing() -> None:
    """Two hours back: what was spent counts as spent just now."""
    ledger = fresh(7200)
    for number in range(15):
        ledger = spend(ledger, str(number))
    back = again(ledger, 0)
    assert back.free == 0
    assert back.used == 15
    assert again(back, 119.9).free == 0
    assert again(back, 120).free == 1
    assert again(back, 3600.1).used == 0


def test_a_little_skew_makes_time_stand_still() -> None:
    """Two processes half a minute apart: the ledger keeps to the later clock."""
    ledger = spend(fresh(30), "a")
    assert again(ledger, 0).now == ledger.now
    assert again(again(ledger, 0), 31).now > ledger.now


def test_a_slot_without_an_owner_is_forgotten_after_a_day() -> None:
    """No request lives that long."""
    reserved = fresh().reserve("lost", "pickup")
    assert reserved is not None
    assert again(reserved, 86_000).used == 1
    assert again(reserved, 86_401).used == 0


def test_a_rule_without_an_hour_is_a_bucket_only() -> None:
    """Easy Ship's operations have no hourly quota."""
    rule = QuotaRule(name="slots", burst=2, restore_seconds=4.0)
    ledger = Ledger.read(None, rule, START)
    assert ledger.observe(QuotaSeen(maximum=1, remaining=0)) == ledger
    assert [ledger.wait_seconds(slots) for slots in (1, 2, 3)] == [0, 0, math.inf]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"v":2}', '{"v":1,"now":"x"}', "null"])
def test_a_foreign_document_is_refused(text: str) -> None:
    """A ledger that cannot be read must not be taken for an empty one."""
    with pytest.raises(StorageError, match="SubmitFeed"):
        Ledger.read(text, RULE, START)


def test_the_document_is_small() -> None:
    """A full hour fits in a few kilobytes."""
    ledger = fresh()
    for number in range(30):
        ledger = spend(again(ledger, number * 119.9), str(number)) if ledger.free else again(ledger, number * 119.9)
    assert len(ledger.to_text()) < 2048
    assert json.loads(ledger.to_text())["v"] == 1


steps = st.lists(
    st.tuples(
        st.sampled_from(
            [0.0, 0.0, 0.000001, 0.5, 1.0, 60.0, 119.999999, 120.0, 120.000001, 600.0, 1800.0, 3600.0, 5000.0]
        ),
        st.sampled_from(["send"] * 8 + ["not sent", "crash", "restart", "throttled", "observe"]),
        st.floats(0, 400),  # until it arrives
        st.floats(0, 400),  # from there until its answer is in
    ),
    max_size=120,
)


@pytest.mark.parametrize("rule", [RULE, FIVE_IN_FIVE_MINUTES], ids=["hour", "five minutes"])
@settings(max_examples=300, deadline=None)
@given(steps=steps)
def test_never_over_for_any_latency(rule: QuotaRule, steps: list[tuple[float, str, float, float]]) -> None:
    """Whatever the network and the processes do, Amazon's own count stays within both limits."""
    clock = 0.0
    arrivals: list[int] = []
    pending: list[tuple[float, str]] = []
    text: str | None = None
    for number, (pause, what, travel, answer) in enumerate(steps):
        until = clock + pause
        while pending and pending[0][0] <= until:
            clock, name = heapq.heappop(pending)
            text = Ledger.read(text, rule, at(clock)).pin(name).to_text()
        clock = until
        ledger = Ledger.read(text, rule, at(clock))
        if what == "throttled":
            text = ledger.throttled().to_text()
            continue
        if what == "observe":
            text = ledger.observe(
                QuotaSeen(maximum=rule.limit or 0, remaining=(rule.limit or 0) - len(arrivals))
            ).to_text()
            continue
        reserved = ledger.reserve(str(number), "stock")
        if reserved is None:
            assert ledger.wait_seconds() > 0
            continue
        assert ledger.wait_seconds() == 0
        if what == "not sent":
            text = reserved.cancel(str(number)).to_text()
            continue
        text = reserved.to_text()
        arrivals.append(round((clock + travel) * 1e6))
        # A process that dies after sending is found out when its lease has run out, long after the arrival.
        known = clock + travel + answer + (900 if what == "crash" else 0)
        heapq.heappush(pending, (known, str(number)))
    assert_within_amazons_limits(arrivals, rule)


@settings(max_examples=200, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from([0.0, 1.0, 120.0, 700.0, 3599.0, 3601.0]),
            st.sampled_from([0, 0, 0, -30, -90, -4000, -100_000]),
        ),
        max_size=120,
    )
)
def test_never_over_when_the_clock_is_set_back(steps: list[tuple[float, int]]) -> None:
    """The store's clock may step back at any time by any length; real time is what Amazon counts in."""
    real, wrong = 0.0, 0.0
    arrivals: list[int] = []
    text: str | None = None
    for number, (pause, step) in enumerate(steps):
        real += pause
        wrong += step
        ledger = Ledger.read(text, RULE, at(real + wrong))
        while (reserved := ledger.reserve(f"{number}/{ledger.used}/{len(arrivals)}", "stock")) is not None:
            name = reserved.open[-1][0]
            ledger = reserved.pin(name)
            arrivals.append(round(real * 1e6))
        text = ledger.to_text()
    assert_within_amazons_limits(arrivals)


@settings(max_examples=200, deadline=None)
@given(spends=st.lists(st.floats(0, 900), max_size=40), slots=st.integers(1, 15))
def test_the_wait_is_exact(spends: list[float], slots: int) -> None:
    """After the wait the slots are there; a microsecond earlier they are not."""
    clock, ledger = 0.0, fresh()
    for number, pause in enumerate(spends):
        clock += pause
        ledger = again(ledger, clock)
        ledger = ledger if ledger.free == 0 else spend(ledger, str(number))
    wait = ledger.wait_seconds(slots)
    assert later(ledger, wait).free >= slots
    if wait > 0.000002:
        assert later(ledger, wait - 0.000002).free < slots
