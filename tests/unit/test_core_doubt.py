"""What came of a feed that nobody answered: never a guess."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from amazon_ae._models.feeds import FeedState, FeedStatus, ItemKind
from amazon_ae._scheduling.reconciliation import Judgement, Verdict, candidates, claimed, judge, look_wait

OPENED = datetime(2021, 11, 18, 9, 0, tzinfo=UTC)
GIVEN_UP = OPENED + timedelta(seconds=60)


def feed(feed_id: str, state: FeedState = FeedState.DONE, *, after: float = 30.0) -> FeedStatus:
    return FeedStatus(
        feed_id=feed_id, kind=ItemKind.PICKUP, state=state, raw="", submitted_at=OPENED + timedelta(seconds=after)
    )


def verdict(
    *feeds: FeedStatus, kind: ItemKind = ItemKind.PICKUP, visible: bool = True, **counts: int | None
) -> Judgement:
    return judge(kind, 3, feeds, {name[1:]: count for name, count in counts.items()}, visible=visible)


def test_candidates_are_of_the_window_and_nobody_elses() -> None:
    """Received between opening and giving up, give or take the clocks, and no known batch's feed."""
    listed = [feed("1", after=-300), feed("2"), feed("3"), feed("4", after=400), feed("5", after=-100)]
    found = candidates(listed, opened_at=OPENED, given_up_at=GIVEN_UP, known={"3"})
    assert [status.feed_id for status in found] == ["2", "5"]


def test_nothing_is_decided_before_all_must_be_visible() -> None:
    """The one that is listed may be another program's."""
    assert verdict(visible=False).verdict is Verdict.LOOK_AGAIN
    assert verdict(feed("1"), visible=False, _1=3).verdict is Verdict.LOOK_AGAIN


def test_not_listed_means_never_arrived() -> None:
    """Then, and only then, its pickups are sent again."""
    assert verdict().verdict is Verdict.ABSENT


def test_the_only_one_that_counts_our_items_is_ours() -> None:
    """A second one in the window counts other items: it is another program's."""
    first = feed("1")
    assert verdict(first, feed("2"), _1=3, _2=7) == Judgement(Verdict.FOUND, first)
    assert verdict(first, _1=None) == Judgement(Verdict.FOUND, first)


def test_a_feed_that_another_unanswered_batch_may_be_is_given_to_neither() -> None:
    """The rival was opened before it arrived, give or take the clocks, and is of the size that its report counts."""
    lone, counts = feed("1"), {"1": 3}
    assert claimed([lone], counts, [(OPENED, 3)]) == {"1"}
    assert claimed([lone], {"1": None}, [(OPENED, 7)]) == {"1"}
    assert claimed([lone], counts, [(OPENED, 7)]) == set()
    assert claimed([lone], counts, [(OPENED + timedelta(seconds=151), 3)]) == set()
    assert claimed([feed("1", FeedState.PROCESSING)], {}, [(OPENED, 3)]) == set()  # its count will tell
    for kind, expected in ((ItemKind.PICKUP, Verdict.UNKNOWN), (ItemKind.INVENTORY, Verdict.ABSENT)):
        assert judge(kind, 3, [lone], counts, visible=True, contested={"1"}).verdict is expected


def test_a_feed_that_counts_other_items_is_not_ours() -> None:
    """Alone, but of another size."""
    assert verdict(feed("1"), _1=7).verdict is Verdict.ABSENT


def test_a_feed_in_the_making_is_waited_for() -> None:
    """Its count will tell."""
    slow = feed("1", FeedState.PROCESSING)
    assert verdict(slow) == Judgement(Verdict.LOOK_AGAIN, slow)
    assert verdict(slow, feed("2"), _2=3).verdict is Verdict.LOOK_AGAIN
    assert verdict(feed("1", FeedState.HELD)).verdict is Verdict.LOOK_AGAIN


def test_a_cancelled_feed_took_nothing() -> None:
    """Whose it was makes no difference."""
    assert verdict(feed("1", FeedState.CANCELLED)).verdict is Verdict.ABSENT


@pytest.mark.parametrize(
    ("kind", "expected"), [(ItemKind.PICKUP, Verdict.UNKNOWN), (ItemKind.INVENTORY, Verdict.ABSENT)]
)
def test_two_that_look_alike(kind: ItemKind, expected: Verdict) -> None:
    """Stock is absolute and is sent again; a pickup is handed to the host."""
    assert verdict(feed("1"), feed("2"), kind=kind, _1=3, _2=3).verdict is expected


def test_looks_become_rare() -> None:
    """First when all must be visible, then ever more rarely, at least every quarter of an hour."""
    assert look_wait(30, 180) == 150
    assert look_wait(180, 180) == 60
    assert look_wait(3000, 180) == 300
    assert look_wait(1e6, 180) == 900
