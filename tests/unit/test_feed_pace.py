"""How fast Amazon processes feeds is learnt from those that ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, strategies as st

from amazon_ae import FeedState, FeedStatus, ItemKind
from amazon_ae._scheduling.feed_pace import FeedPace, next_poll

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
    assert pace.processing_seconds == 300.0


def test_a_feed_that_is_seen_twice_counts_once() -> None:
    """Every process reports what its poll showed."""
    once = FeedPace().seen([ended("1", 0, 300), ended("2", 400, 500)])
    assert once.seen([ended("2", 400, 500)]) == once


def test_the_latest_feeds_decide() -> None:
    """Amazon's pace changes over the day."""
    slow = [ended(str(number), number * 1000, number * 1000 + 600) for number in range(10)]
    fast = [ended(str(number), number * 1000, number * 1000 + 60) for number in range(10, 20)]
    assert FeedPace().seen([*slow, *fast]).processing_seconds == 60.0


def test_what_is_ahead_is_the_rest_of_the_first_and_all_of_the_others() -> None:
    """From the end of the last one that has ended, if that was later than the receipt."""
    pace = FeedPace().seen([ended("1", 0, 300), ended("2", 0, 600)])
    assert pace.ahead_seconds([], at(700)) == 0.0
    assert pace.ahead_seconds([at(100), at(200)], at(700)) == 200.0 + 300.0


def test_an_overdue_feed_takes_as_much_longer_as_it_is_overdue_and_a_stuck_one_is_not_waited_for() -> None:
    """Before anything is known, too: the first guess is only a guess."""
    assert FeedPace().ahead_seconds([at(0)], at(30)) == 30.0
    assert FeedPace().ahead_seconds([at(0)], at(360)) == 300.0
    assert FeedPace().ahead_seconds([at(0)], at(7200)) == 0.0


def test_items_of_the_last_hour_are_counted() -> None:
    """Older ones are forgotten."""
    pace = FeedPace().leaving(5, at(0)).leaving(7, at(1800))
    assert pace.items_per_hour(at(1800)) == 12.0
    assert pace.leaving(1, at(5000)).sent == ((at(1800), 7), (at(5000), 1))


@given(st.text(max_size=40))
def test_any_text_in_the_store_is_a_pace(text: str) -> None:
    """One that cannot be read is learnt anew."""
    assert FeedPace.read(text) == FeedPace()


def test_the_document_gives_the_same_pace_back() -> None:
    """Through the store and back."""
    pace = FeedPace().seen([ended("1", 0, 300)]).leaving(5, at(0))
    assert FeedPace.read(pace.to_text()) == pace


def test_polls_meet_the_expected_end_and_become_rare_for_a_feed_of_a_day() -> None:
    """Within 80 an hour."""
    terms = {"first": 30.0, "interval": 50.0, "limit": 900.0}
    assert next_poll(10.0, left_seconds=500.0, **terms) == 20.0
    assert next_poll(100.0, left_seconds=500.0, **terms) == 50.0
    assert next_poll(100.0, left_seconds=60.0, **terms) == 62.0
    assert next_poll(8000.0, left_seconds=0.0, **terms) == 800.0
    assert next_poll(80_000.0, left_seconds=0.0, **terms) == 900.0
