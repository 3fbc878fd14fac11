"""What came of a request that was not answered: taken for ours only with evidence per item."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from amazon_ae._models.feeds import FeedState, FeedStatus, ItemKind, Outcome
from amazon_ae._scheduling.eligibility import PickupEvidence
from amazon_ae._scheduling.reconciliation import (
    Judgement,
    candidates,
    judge_pickups,
    judge_stock,
    likely,
    next_check,
)

FIRST = datetime(2021, 11, 18, 9, 0, tzinfo=UTC)
LAST = FIRST + timedelta(seconds=60)
KEYS = ["a", "b", "c"]
S, U, G, X = (
    PickupEvidence.SCHEDULED,
    PickupEvidence.UNSCHEDULED,
    PickupEvidence.GONE,
    PickupEvidence.UNCLEAR,
)


def feed(feed_id: str, state: FeedState = FeedState.DONE, *, after: float = 30.0) -> FeedStatus:
    return FeedStatus(
        feed_id=feed_id, kind=ItemKind.PICKUP, state=state, raw="", submitted_at=FIRST + timedelta(seconds=after)
    )


def judge(
    evidence: list[PickupEvidence] | None, *feeds: FeedStatus, visible: bool = True, resend: bool = True
) -> Judgement:
    seen = None if evidence is None else dict(zip(KEYS, evidence, strict=True))
    return judge_pickups(KEYS, seen, feeds, visible=visible, resend=resend)


def outcomes(judgement: Judgement) -> dict[str, Outcome]:
    return {each.key: each.outcome for each in judgement.outcomes}


def test_candidates_were_received_in_the_window_and_have_no_other_batch() -> None:
    """A cancelled feed took nothing, so it is none."""
    listed = [feed("1", after=-1), feed("2"), feed("3"), feed("4", after=61), feed("5", FeedState.CANCELLED)]
    assert [each.feed_id for each in candidates(listed, (FIRST, LAST), {"3"})] == ["2"]


def test_a_report_that_counts_other_items_is_another_programs() -> None:
    """One without a count, or one that has not ended, may be ours."""
    feeds = [feed("1"), feed("2"), feed("3"), feed("4", FeedState.PROCESSING)]
    assert [each.feed_id for each in likely(feeds, {"1": 3, "2": 7, "3": None}, 3)] == ["1", "3", "4"]


def test_orders_that_are_all_scheduled_prove_the_feed_at_once() -> None:
    """Whatever is listed, and long before everything must be visible."""
    for feeds in ((), (feed("1"),), (feed("1"), feed("2", FeedState.PROCESSING))):
        judgement = judge([S, S, S], *feeds, visible=False)
        assert (judgement.verdict, set(outcomes(judgement).values())) == ("found", {Outcome.ACCEPTED})
        assert judgement.explained == (feeds[0] if len(feeds) == 1 else None)


def test_one_scheduled_order_makes_the_only_feed_ours() -> None:
    """Its report has the outcomes of the others, refusals included."""
    ours = feed("1")
    assert judge([S, U, X], ours, visible=False) == Judgement("found", ours)


def test_nothing_is_sent_again_before_everything_must_be_visible() -> None:
    """Absence from a list is no evidence before."""
    assert judge([U, U, U], visible=False) == Judgement("")
    assert judge([S, U, U], visible=False) == Judgement("")


def test_a_feed_that_has_not_ended_is_waited_for() -> None:
    """The orders tell when it has."""
    running = feed("1", FeedState.HELD)
    assert judge([U, U, U], running) == Judgement("", running)


def test_absent_from_the_list_and_unscheduled_waits_again() -> None:
    """Item by item; an order that is gone waits too, and the next look-up refuses it."""
    assert judge([U, U, G]) == Judgement("absent")
    mixed = judge([S, U, G])
    assert (mixed.verdict, outcomes(mixed)) == ("absent", {"a": Outcome.ACCEPTED})


def test_the_host_may_choose_to_look_instead() -> None:
    """``resend_pickups=False``."""
    judgement = judge([U, S, U], resend=False)
    assert outcomes(judgement) == {"a": Outcome.UNKNOWN, "b": Outcome.ACCEPTED, "c": Outcome.UNKNOWN}


@pytest.mark.parametrize("feeds", [(feed("1"),), (feed("1"), feed("2"))])
def test_a_feed_of_equal_size_is_no_evidence(feeds: tuple[FeedStatus, ...]) -> None:
    """Another program's, or ours whose orders are indexed late: a person looks, and nothing counts as accepted."""
    judgement = judge([U, U, U], *feeds)
    assert (judgement.verdict, set(outcomes(judgement).values())) == ("unknown", {Outcome.UNKNOWN})


def test_without_a_lookup_nobody_guesses() -> None:
    """A scheduler without ``orders``."""
    assert judge(None, visible=False).verdict == ""
    for feeds in ((), (feed("1"),)):
        assert set(outcomes(judge(None, *feeds)).values()) == {Outcome.UNKNOWN}


def test_an_unknown_status_is_no_evidence_either_way() -> None:
    """Amazon's list of words grows."""
    assert outcomes(judge([X, U, U])) == {"a": Outcome.UNKNOWN}


def test_stock_is_sent_again_when_nothing_older_can_land_after_it() -> None:
    """A feed that may be ours has ended, or everything must be visible."""
    running = feed("1", FeedState.PROCESSING)
    assert judge_stock([], visible=False) == Judgement("")
    assert judge_stock([running], visible=True) == Judgement("", running)
    assert judge_stock([feed("1")], visible=False) == Judgement("absent")
    assert judge_stock([], visible=True) == Judgement("absent")


def test_checks_become_rare() -> None:
    """A minute, then a tenth of the wait, once when everything must be visible, at least every quarter of an hour."""
    assert next_check(60, 900) == 60
    assert next_check(880, 900) == 20
    assert next_check(900, 900) == 90
    assert next_check(1e6, 900) == 900
