"""How fast Amazon processes feeds is learnt from those that ended."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from hypothesis import given, strategies as st

from amazon_ae import FeedState, FeedStatus, ItemKind
from amazon_ae._scheduling.feed_pace import FeedPace, PollSteps, first_poll, next_poll

START = datetime(2026, 1, 2, 9, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """An instant of the test's morning."""
    return START + timedelta(seconds=seconds)


def ended(feed_id: str, received: float, done: float) -> FeedStatus:
    """A feed that Amazon has processed."""
    return FeedStatus(
        feed_id=feed_id,
        kind=ItemKind.PICKUP,
        state=FeedState.DONE,
        raw="_DONE_",
        submitted_at=at(received),
        completed_at=at(done),
    )


def test_feeds_in_sequence_count_from_the_end_of_the_one_before() -> None:
    """Three feeds received at once and processed for 300 s each are not 300, 600 and 900 s."""
    pace = FeedPace().seen([ended("1", 0, 300), ended("2", 1, 600), ended("3", 2, 900)])
    assert pace.left_seconds(at(900), at(900)) == 300.0


def test_a_feed_that_is_seen_twice_counts_once() -> None:
    """Every process reports what its poll showed."""
    once = FeedPace().seen([ended("1", 0, 300), ended("2", 400, 500)])
    assert once.seen([ended("2", 400, 500)]) == once


def test_the_latest_feeds_decide() -> None:
    """Amazon's pace changes over the day."""
    slow = [ended(str(number), number * 1000, number * 1000 + 600) for number in range(10)]
    fast = [ended(str(number), number * 1000, number * 1000 + 60) for number in range(10, 20)]
    pace = FeedPace().seen([*slow, *fast])
    assert pace.left_seconds(at(20_000), at(20_000)) == pace.shortest_seconds == 60.0


def test_items_are_held_until_a_feed_is_long_overdue() -> None:
    """Twenty minutes, or four times as long as the latest took; from the end of the one before, if that was later."""
    pace = FeedPace().seen([ended("1", 0, 400), ended("2", 0, 800)])
    assert pace.hold_seconds([], at(900)) == 0.0
    assert pace.hold_seconds([at(100), at(200)], at(900)) == 4 * 400.0 - 100.0
    assert FeedPace().seen([ended("1", 0, 200)]).hold_seconds([at(300)], at(360)) == 1200.0 - 60.0


def test_nothing_waits_for_a_short_feed_unless_it_is_overdue() -> None:
    """A second one of less than two minutes costs those who ask later next to nothing; an overdue one may be long."""
    pace = FeedPace().seen([ended("1", 0, 60)])
    assert pace.hold_seconds([at(100)], at(159)) == 0.0
    assert pace.hold_seconds([at(100)], at(161)) == 1200.0 - 61.0
    assert pace.hold_seconds([at(100)], at(5000)) == 0.0


def test_the_first_feed_is_waited_for_at_most_twenty_minutes() -> None:
    """Nobody knows how long it takes; each feed that leaves nevertheless is waited for as long."""
    assert FeedPace().hold_seconds([at(0)], at(30)) == 1170.0
    assert FeedPace().hold_seconds([at(0)], at(1300)) == 0.0
    assert FeedPace().hold_seconds([at(0), at(1200)], at(1300)) == 1100.0


def test_what_leaves_behind_an_overdue_feed_is_waited_for_anew() -> None:
    """The bound counts from the latest feed: behind one that may be stuck, items travel together, too."""
    pace = FeedPace().seen([ended("1", 0, 400)])
    assert pace.hold_seconds([at(500)], at(2100)) == 0.0
    assert pace.hold_seconds([at(500), at(2100)], at(2200)) == 1500.0


def test_no_feed_is_waited_for_longer_than_an_hour() -> None:
    """However slow the others were."""
    pace = FeedPace().seen([ended("1", 0, 90_000)])
    assert pace.hold_seconds([at(90_000)], at(90_000)) == 3600.0


def test_an_overdue_feed_is_expected_to_take_as_much_longer_as_it_is_overdue() -> None:
    """At least a little longer; before any has ended, nothing is expected."""
    pace = FeedPace().seen([ended("1", 0, 100)])
    assert pace.left_seconds(at(100), at(150)) == 50.0
    assert pace.left_seconds(at(100), at(205)) == 15.0
    assert pace.left_seconds(at(100), at(500)) == 300.0
    assert FeedPace().left_seconds(at(0), at(30)) == math.inf


@given(st.text(max_size=40))
def test_any_text_in_the_store_is_a_pace(text: str) -> None:
    """One that cannot be read is learnt anew."""
    assert FeedPace.read(text) == FeedPace()


def test_the_document_gives_the_same_pace_back() -> None:
    """Through the store and back."""
    pace = FeedPace().seen([ended("1", 0, 300), ended("2", 10, 400)])
    assert FeedPace.read(pace.to_text()) == pace


def test_a_feed_is_first_asked_about_when_the_fastest_of_the_latest_would_have_ended() -> None:
    """Two feeds say nothing yet."""
    steps = PollSteps.of(ItemKind.PICKUP)
    three = [ended(str(number), number * 100, number * 100 + 40) for number in range(4)]
    assert first_poll(FeedPace().seen(three), steps, default=65.0) == 42.0
    assert first_poll(FeedPace().seen(three[:2]), steps, default=65.0) == 65.0


def test_polls_meet_the_expected_end_and_become_rare_for_a_feed_of_a_day() -> None:
    """Pickups, which somebody waits for, are asked about more often than stock."""
    pickup, stock = PollSteps.of(ItemKind.PICKUP), PollSteps.of(ItemKind.INVENTORY)
    rest: dict[str, float] = {"earliest_seconds": 0.0, "limit": 900.0}
    assert next_poll(100.0, pickup, left_seconds=500.0, **rest) == 20.0
    assert next_poll(400.0, pickup, left_seconds=500.0, **rest) == 40.0
    assert next_poll(100.0, stock, left_seconds=500.0, **rest) == 60.0
    assert next_poll(400.0, pickup, left_seconds=50.0, **rest) == 52.0
    assert next_poll(4000.0, stock, left_seconds=2000.0, **rest) == 300.0
    assert next_poll(8000.0, pickup, left_seconds=0.0, **rest) == 800.0
    assert next_poll(80_000.0, pickup, left_seconds=0.0, **rest) == 900.0


def test_no_poll_is_wasted_on_a_feed_that_cannot_have_ended() -> None:
    """But after five minutes one is: Amazon may have become faster."""
    steps = PollSteps.of(ItemKind.PICKUP)
    assert next_poll(20.0, steps, left_seconds=200.0, earliest_seconds=180.0, limit=900.0) == 182.0
    assert next_poll(20.0, steps, left_seconds=900.0, earliest_seconds=880.0, limit=900.0) == 300.0
