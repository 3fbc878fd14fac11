"""The status cache: all processes of an account share one poll."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from amazon_ae._backoff import doubling
from amazon_ae._models.feeds import FeedState, FeedStatus, ItemKind
from amazon_ae._scheduling.status_cache import MOST_POLLED, POLL_INTERVAL_SECONDS, StatusCache

NOW = datetime(2021, 11, 18, 9, 0, tzinfo=UTC)


def status(feed_id: str, state: FeedState) -> FeedStatus:
    return FeedStatus(feed_id=feed_id, kind=ItemKind.PICKUP, state=state, raw="_DONE_", submitted_at=NOW)


def test_one_process_asks_and_the_others_read() -> None:
    """Two cannot ask within the interval; what the first learnt is on the cache."""
    cache = (
        StatusCache()
        .asking(NOW)
        .polled(
            [status("1", FeedState.DONE), status("2", FeedState.PROCESSING)], asked=["1", "2"], in_flight=["1", "2"]
        )
    )
    read = StatusCache.read(cache.to_text())
    assert read == cache
    assert read.wait_seconds(NOW + timedelta(seconds=10)) == POLL_INTERVAL_SECONDS - 10
    assert read.wait_seconds(NOW + timedelta(seconds=POLL_INTERVAL_SECONDS)) == 0
    assert dict(read.states) == {"1": status("1", FeedState.DONE)}


def test_settled_feeds_leave_the_cache() -> None:
    """It stays small."""
    cache = StatusCache().polled([status("1", FeedState.DONE)], asked=["1"], in_flight=["1"])
    cache = cache.polled([], asked=["2"], in_flight=["2"])
    assert cache.states == ()


def test_our_feed_ids_are_remembered_for_hours() -> None:
    """A search for a lost feed must not take another batch's for it."""
    cache = StatusCache().note(["1"], NOW).asking(NOW + timedelta(hours=5)).note(["1", "2"], NOW + timedelta(hours=5))
    assert [feed_id for feed_id, _ in StatusCache.read(cache.to_text()).known] == ["1", "2"]
    assert [feed_id for feed_id, _ in cache.asking(NOW + timedelta(hours=7)).known] == ["2"]


def test_what_the_host_abandoned_and_what_was_answered_late_is_remembered() -> None:
    """Through the document; only the latest, so that it stays small."""
    cache = StatusCache()
    for number in range(60):
        cache = StatusCache.read(cache.abandon(f"a{number}").answered(f"b{number}", f"f{number}").to_text())
    assert cache.abandoned == tuple(f"a{number}" for number in range(10, 60))
    assert cache.answers == tuple((f"b{number}", f"f{number}") for number in range(10, 60))


def test_more_feeds_than_one_request_takes_are_asked_for_in_turn() -> None:
    """Every feed is asked for; none twice before all were."""
    feeds = [f"{number:04}" for number in range(250)]
    cache, seen = StatusCache(), []
    for _ in range(3):
        asked = cache.slice(feeds)
        assert len(asked) == MOST_POLLED
        seen += asked
        cache = StatusCache.read(cache.polled([], asked=asked, in_flight=feeds).to_text())
    assert set(seen) == set(feeds)
    assert len(set(seen[:200])) == 200
    assert StatusCache().slice(feeds[:7]) == feeds[:7]


def test_pickups_may_use_polls_that_nobody_needed() -> None:
    """Five at once after a quiet time, for feeds that may end at any moment; then one an interval; stock saves them."""
    cache = StatusCache()
    for _ in range(5):
        assert cache.wait_seconds(NOW, saved=True) == 0
        cache = cache.asking(NOW)
    assert cache.wait_seconds(NOW, saved=True) == POLL_INTERVAL_SECONDS
    assert cache.wait_seconds(NOW) == 5 * POLL_INTERVAL_SECONDS
    later = NOW + timedelta(seconds=POLL_INTERVAL_SECONDS)
    assert cache.wait_seconds(later, saved=True) == 0


def test_polls_of_any_hour_stay_within_the_quota() -> None:
    """Asked for at every second: 80 an hour are allowed, and a search for lost feeds needs some."""
    cache, asked = StatusCache(), []
    for second in range(7200):
        now = NOW + timedelta(seconds=second)
        if cache.wait_seconds(now, saved=True) == 0:
            cache = cache.asking(now)
            asked.append(second)
    assert max(sum(start <= second < start + 3600 for second in asked) for start in asked) == 76


def test_a_clock_that_was_set_back_does_not_lock_the_cache() -> None:
    """An hour back, and polling goes on."""
    assert StatusCache().asking(NOW).wait_seconds(NOW - timedelta(hours=1)) == 0


@pytest.mark.parametrize("text", [None, "", "[]", "{", '{"v":9}', '{"v":1}', "null"])
def test_a_cache_that_cannot_be_read_is_empty(text: str | None) -> None:
    """It is a cache: losing it costs a poll."""
    assert StatusCache.read(text) == StatusCache()


def test_polls_of_one_hour_stay_within_amazons_eighty() -> None:
    """GetFeedSubmissionList: 80 an hour, one per 45 s; the interval leaves some for the search for lost feeds."""
    assert 3600 / POLL_INTERVAL_SECONDS <= 75
    assert POLL_INTERVAL_SECONDS >= 45


def test_doubling_grows_to_its_limit() -> None:
    """5, 10, 20, ... and no overflow after a thousand failures."""
    assert [doubling(attempt, first=5, limit=60) for attempt in (1, 2, 3, 4, 5, 1000)] == [5, 10, 20, 40, 60, 60]
