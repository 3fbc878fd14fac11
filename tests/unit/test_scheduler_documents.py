"""The small documents that the processes of one account share: look-up claims and late feeds; pauses and outages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from amazon_ae._exceptions import AccessDenied, NotSent, OutcomeUnknown, RequestThrottled, ServiceUnavailable
from amazon_ae._models.feeds import FeedState, FeedStatus, ItemKind
from amazon_ae._scheduling.cooldowns import Cooldowns
from amazon_ae._scheduling.late_feeds import LateFeed
from amazon_ae._scheduling.lookup_claims import LookupClaims
from amazon_ae._scheduling.reachability import Reachability
from amazon_ae.testing import VirtualClock

NOW = datetime(2021, 11, 18, 9, 0, tzinfo=UTC)
GARBAGE = [None, "", "[]", "{", '{"v":9}', '{"v":1}', "null", '{"v":1,"orders":[["a"]]}']


def later(**options: float) -> datetime:
    return NOW + timedelta(**options)


def late(feed_id: str | None = None) -> LateFeed:
    return LateFeed.of(
        ItemKind.INVENTORY,
        "batch",
        "mws:feed",
        feed_id=feed_id,
        now=NOW,
        window=(NOW, later(minutes=2)),
        keys=["A", "B"],
    )


def test_an_order_is_looked_up_by_one_process() -> None:
    """The others wait, and may send it once it is eligible."""
    claims, here = LookupClaims().claim(["1", "2"], NOW, 60)
    claims = LookupClaims.read(claims.to_text())
    claims, there = claims.claim(["2", "3"], NOW, 60)
    assert (here.mine, there.mine, there.eligible) == (("1", "2"), ("3",), frozenset())
    assert there.wait_seconds == 60
    claims = LookupClaims.read(claims.looked_up(["1", "2"], ["2"], NOW).to_text())
    _, again = claims.claim(["1", "2"], later(seconds=5), 60)
    assert (again.mine, again.eligible) == (("1",), frozenset({"2"}))


def test_a_claim_of_a_dead_process_ends() -> None:
    """And one that was written before the store's clock was set back by a day."""
    claims, _ = LookupClaims().claim(["1"], NOW, 60)
    assert claims.claim(["1"], later(seconds=60), 60)[1].mine == ("1",)
    assert claims.claim(["1"], NOW - timedelta(days=1), 60)[1].mine == ("1",)


def test_nothing_is_remembered_where_nothing_waits() -> None:
    """The document goes."""
    claims, _ = LookupClaims().claim(["1"], NOW, 60)
    assert claims.looked_up(["1"], [], NOW).to_text() is None


@pytest.mark.parametrize("text", GARBAGE)
def test_documents_that_cannot_be_read_are_empty(text: str | None) -> None:
    """Another version's, or damaged."""
    assert LookupClaims.read(text) == LookupClaims()
    assert LateFeed.read(text) is None


def test_a_late_feed_is_asked_for_less_and_less_often() -> None:
    """Through its document; an instant beyond every check was written before the clock was set back."""
    feed = LateFeed.read(late("1").to_text())
    assert feed == late("1")
    assert not feed.due(later(minutes=4))
    assert feed.due(later(minutes=5))
    assert feed.due(NOW - timedelta(hours=2))
    assert feed.checking(later(minutes=5)).check_at == later(minutes=10)
    assert feed.checking(later(hours=12)).check_at == later(hours=13)


def test_how_long_a_late_feed_is_remembered() -> None:
    """One that was never listed for hours, one that runs for days; a stuck one holds its orders back for two hours."""
    unlisted, running = late(), late("1")
    assert (unlisted.over(later(hours=5)), unlisted.over(later(hours=7))) == (False, True)
    assert (running.over(later(days=9)), running.over(later(days=11))) == (False, True)
    assert (running.holds_back(later(hours=1)), running.holds_back(later(hours=3))) == (True, False)
    assert not unlisted.holds_back(NOW)
    assert not running.at_end().holds_back(NOW)


def test_a_late_copy_was_received_in_its_time_and_has_no_batch() -> None:
    """Cancelled ones took nothing."""

    def status(feed_id: str, seconds: float, state: FeedState = FeedState.DONE) -> FeedStatus:
        return FeedStatus(
            feed_id=feed_id, kind=ItemKind.INVENTORY, state=state, raw="", submitted_at=later(seconds=seconds)
        )

    listed = [status("1", 10), status("2", 10), status("3", 300), status("4", 20, FeedState.CANCELLED)]
    assert [each.feed_id for each in late().candidates(listed, {"2"})] == ["1"]


def test_pauses_grow_with_the_failures_in_a_row() -> None:
    """A pause without a failure does not shorten one."""
    clock = VirtualClock(autojump=False)
    pauses = Cooldowns(clock)
    kind = ItemKind.PICKUP
    assert [pauses.start(kind, "why", first=5, limit=12) for _ in range(3)] == [5, 10, 12]
    pauses.pause(kind, 1, "another")
    assert pauses.remaining(kind) == (12, "why")
    clock.jump(-3600)
    pauses.clock_set_back(clock.now())
    assert pauses.remaining(kind) is None
    assert pauses.start(kind, "why", first=5, limit=100) == 40
    pauses.clear(kind)
    assert pauses.start(kind, "why", first=5, limit=100) == 5


def test_an_outage_is_probed_by_reads() -> None:
    """5, 10, 20 s and so on, at most ``probe_seconds``; the first answered read ends it."""
    clock = VirtualClock(autojump=False)
    amazon = Reachability(clock, 45.0)
    assert amazon.probe_in() is None
    waits = []
    for _ in range(5):
        assert amazon.request_failed(ServiceUnavailable("down", status=503), read=True)
        waits.append(amazon.probe_in())
    assert waits == [5, 10, 20, 40, 45]
    assert amazon.since == clock.now()
    assert amazon.read_answered()
    assert amazon.probe_in() is None
    assert amazon.request_failed(NotSent("again"))
    assert amazon.probe_in() == 45  # reads are answered, submits are not
    assert not amazon.read_answered()
    amazon.submit_answered()
    assert amazon.request_failed(OutcomeUnknown("once more"))
    assert amazon.probe_in() == 5


@pytest.mark.parametrize(
    "error", [RequestThrottled("slow down", status=503), AccessDenied("no", status=401), ValueError()]
)
def test_a_refusal_is_no_outage(error: Exception) -> None:
    """Amazon answered."""
    amazon = Reachability(VirtualClock(autojump=False), 45.0)
    assert not amazon.request_failed(error)
    assert amazon.probe_in() is None
