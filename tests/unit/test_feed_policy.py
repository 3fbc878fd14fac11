"""The decision: what leaves now, or when to look again."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.feeds import ItemKind, QuotaRule
from amazon_ae._scheduling.policy import FeedPolicy, Queue, Send, Wait, decide, plan
from amazon_ae._scheduling.quota import Ledger

RULE = QuotaRule(name="A1/AK/SubmitFeed", burst=15, restore_seconds=120.0, limit=30)
START = datetime(2021, 11, 18, 9, 0, tzinfo=UTC)
POLICY = FeedPolicy()
PICKUP, INVENTORY = ItemKind.PICKUP, ItemKind.INVENTORY


def ledger(*ages: float, priority: str = "stock") -> Ledger:
    """A ledger whose slots were spent so many seconds ago, by one priority class."""
    return with_slots([(age, priority) for age in ages])


def with_slots(slots: list[tuple[float, str]]) -> Ledger:
    now = Ledger.read(None, RULE, START)
    for number, (age, priority) in enumerate(sorted(slots, reverse=True)):
        now = Ledger.read(now.to_text(), RULE, START + timedelta(seconds=7200 - age))
        taken = now.reserve(str(number), priority)
        assert taken is not None, "the slots of this test break the quota"
        now = taken.pin(str(number))
    return Ledger.read(now.to_text(), RULE, START + timedelta(seconds=7200))


def later(ledger: Ledger, seconds: float) -> Ledger:
    """If nothing is spent until then."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ledger.now + math.ceil(seconds * 1e6))
    return Ledger.read(ledger.to_text(), ledger.rule, at)


def queues(*, pickups: int = 0, stock: int = 0, urgent: int = 0, busy: bool = False, blocked: str = "") -> list[Queue]:
    return [
        Queue(kind=PICKUP, waiting=pickups),
        Queue(kind=INVENTORY, waiting=stock + urgent, urgent=urgent, busy=busy, blocked=blocked),
    ]


def test_nothing_waits() -> None:
    """An idle seller needs no timer of its own."""
    assert decide(ledger(), queues(), POLICY) == Wait(math.inf, "nothing waits")


def test_a_pickup_leaves_at_once_in_a_quiet_hour() -> None:
    """A person waits: no spacing while prompt feeds take little of the hour."""
    assert decide(ledger(5.0, priority="pickup"), queues(pickups=1, stock=100), POLICY) == Send(PICKUP, "pickup")


def test_pickups_come_before_urgent_stock_and_that_before_the_rest() -> None:
    """All three could leave: the order is fixed."""
    empty = ledger()
    assert decide(empty, queues(pickups=1, urgent=1, stock=1), POLICY) == Send(PICKUP, "pickup")
    assert decide(empty, queues(urgent=1, stock=1), POLICY) == Send(INVENTORY, "urgent")
    assert decide(empty, queues(stock=1), POLICY) == Send(INVENTORY, "stock")


def test_many_prompt_feeds_are_spaced() -> None:
    """When pickups have taken half of the hour, the next one waits for company."""
    busy = ledger(*range(10, 3500, 230), priority="pickup")
    decision = decide(busy, queues(pickups=1), POLICY)
    assert isinstance(decision, Wait)
    assert 100 < decision.seconds < 300
    assert "shared" in decision.why


def test_a_crowd_leaves_sooner_than_a_single_parcel() -> None:
    """Forty people at the bench weigh more than one."""
    busy = ledger(*range(10, 3500, 230), priority="pickup")
    one, many = (plan(busy, queues(pickups=count), POLICY)[0].wait_seconds for count in (1, 40))
    assert many < one * 0.8


def test_urgent_stock_waits_no_longer_than_a_pickup_would() -> None:
    """In the same hour, with as many waiting, and beside a feed that is being processed."""
    for spent in ([], list(range(10, 3500, 230)), list(range(0, 1500, 100))):
        pickup = plan(ledger(*spent, priority="pickup"), queues(pickups=3), POLICY)[0]
        urgent = plan(ledger(*spent, priority="pickup"), queues(urgent=3, busy=True), POLICY)[0]
        assert urgent.wait_seconds <= pickup.wait_seconds


def test_stock_is_spread_evenly() -> None:
    """Alone, it leaves about every two minutes, although the burst would allow fifteen at once."""
    decision = decide(ledger(10.0), queues(stock=1), POLICY)
    assert isinstance(decision, Wait)
    assert 110 < decision.seconds < 120


def test_stock_makes_room_for_packing() -> None:
    """The more of the hour packing takes, the rarer stock leaves."""
    gaps = []
    for count in (0, 5, 10):
        slots = [(10.0, "stock"), *((20.0 + 300 * number, "pickup") for number in range(count))]
        decision = decide(with_slots(slots), queues(stock=1), POLICY)
        assert isinstance(decision, Wait)
        gaps.append(decision.seconds)
    assert gaps == sorted(gaps)
    assert gaps[2] > gaps[0] * 1.3


def test_stock_leaves_the_last_slot_to_packing() -> None:
    """One place left and the next two minutes away: it stays free, and a pickup takes it."""
    nearly = ledger(*[1.0] * 14, priority="stock")
    assert nearly.free == 1
    waiting = decide(nearly, queues(stock=1), attrs.evolve(POLICY, stock_every_seconds=0.5))
    assert isinstance(waiting, Wait)
    assert "packing" in waiting.why
    assert decide(nearly, queues(pickups=1, stock=1), POLICY) == Send(PICKUP, "pickup")


def test_stock_waits_for_the_feed_before_it() -> None:
    """One ordinary stock feed at a time: an older value must never land after a newer one."""
    decision = decide(ledger(), queues(stock=1, busy=True), POLICY)
    assert isinstance(decision, Wait)
    assert decision.seconds == math.inf


def test_a_blocked_kind_holds_back_only_itself() -> None:
    """A stuck stock feed does not keep parcels waiting."""
    assert decide(ledger(), queues(pickups=1, stock=1, blocked="feed 5"), POLICY) == Send(PICKUP, "pickup")
    stuck = decide(ledger(), queues(stock=1, urgent=1, blocked="feed 5"), POLICY)
    assert stuck == Wait(math.inf, "feed 5")


def test_a_route_without_a_quota_never_waits() -> None:
    """Easy Ship's own operations pace themselves."""
    assert decide(None, [Queue(kind=PICKUP, waiting=1)], POLICY) == Send(PICKUP, "pickup")


def test_one_stock_feed_per_twenty_minutes() -> None:
    """Amazon's advice, as one option; pickups then leave at once."""
    policy = FeedPolicy.every(minutes=20)
    waiting = decide(ledger(300.0), queues(stock=1), policy)
    assert isinstance(waiting, Wait)
    assert waiting.seconds == pytest.approx(900)
    assert decide(ledger(1201.0), queues(stock=1), policy) == Send(INVENTORY, "stock")
    busy = ledger(*range(10, 3500, 230), priority="pickup")
    assert decide(busy, queues(pickups=1), policy) == Send(PICKUP, "pickup")


def test_the_hourly_flush() -> None:
    """The classic way: one stock feed an hour."""
    waiting = decide(ledger(60.0), queues(stock=1), FeedPolicy.hourly_flush())
    assert isinstance(waiting, Wait)
    assert waiting.seconds == pytest.approx(3540)


@pytest.mark.parametrize(
    "change",
    [
        {"quiet_share": 0.5, "busy_share": 0.5},
        {"quiet_share": -0.1},
        {"prompt_spacing": -1.0},
        {"stock_every_seconds": 0.0},
        {"stock_every_seconds": 3601.0},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(change: dict[str, float]) -> None:
    """At once, not at the first feed."""
    with pytest.raises(ConfigurationError):
        FeedPolicy(**change)


slots = st.lists(st.tuples(st.floats(0, 3599), st.sampled_from(["pickup", "urgent", "stock"])), max_size=14)
counts = st.integers(0, 600)


@settings(max_examples=200, deadline=None)
@given(slots=slots, pickups=counts, stock=counts, urgent=counts, busy=st.booleans())
def test_what_the_decision_sends_is_there_and_has_a_place(
    slots: list[tuple[float, str]], pickups: int, stock: int, urgent: int, busy: bool
) -> None:
    """Never a feed of nothing, never one without a place."""
    now = with_slots(slots)
    decision = decide(now, queues(pickups=pickups, stock=stock, urgent=urgent, busy=busy), POLICY)
    if isinstance(decision, Send):
        assert now.reserve("new", decision.priority) is not None
        assert {"pickup": pickups, "urgent": urgent, "stock": stock}[decision.priority] > 0
        assert decision.priority != "stock" or not busy


@settings(max_examples=200, deadline=None)
@given(slots=slots, pickups=counts, stock=counts, urgent=counts)
def test_looking_again_at_the_told_time_is_never_in_vain_for_ever(
    slots: list[tuple[float, str]], pickups: int, stock: int, urgent: int
) -> None:
    """What waits leaves within two hours and a handful of looks: no busy waiting, no starvation."""
    now, looks = with_slots(slots), 0
    waiting = queues(pickups=pickups, stock=stock, urgent=urgent)
    if not pickups + stock + urgent:
        return
    elapsed = 0.0
    while isinstance(decision := decide(now, waiting, POLICY), Wait):
        assert decision.seconds > 0
        now, looks, elapsed = later(now, decision.seconds), looks + 1, elapsed + decision.seconds
        assert looks < 20
        assert elapsed < 7200


def test_a_slot_that_comes_back_within_seconds_is_not_saved() -> None:
    """Blocks of patches: ten in two seconds are there again before anybody misses them."""
    rule = QuotaRule(name="A1/patches", burst=1, restore_seconds=2.0)
    spent = Ledger.read(None, rule, START).reserve("one", "stock")
    assert spent is not None
    later = Ledger.read(spent.pin("one").to_text(), rule, START + timedelta(seconds=3))
    for urgent, priority in ((0, "stock"), (1, "urgent")):
        alone = [queue for queue in queues(stock=5, urgent=urgent) if queue.kind is INVENTORY]
        assert decide(later, alone, POLICY) == Send(INVENTORY, priority)
