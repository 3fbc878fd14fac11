"""Decides what became of a request that was never answered, from Amazon's list of feeds and the orders. Pure.

SubmitFeed takes no token of ours, so a feed in Amazon's list can't be recognised as ours: another program may have sent
one of equal size in the same minute. Its outcome is taken only with evidence per item.

*Pickups.* The order is the evidence. One that is scheduled now, and was not when the request left, has our pickup. One
that is not scheduled after ``visible_after_seconds``, while Amazon lists no feed that could be ours, does not have it
and is asked for again. In any other case a person must decide.

*Stock* is absolute: the newest values are sent again in any case, as soon as nothing older can still land after them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import attrs

from amazon_ae._models.feeds import FeedState, FeedStatus, ItemOutcome, Outcome
from amazon_ae._scheduling.eligibility import PickupEvidence

__all__ = ["Judgement", "candidates", "judge_pickups", "judge_stock", "likely", "next_check"]

_LOOK = "it cannot be determined what Amazon has: check the order in Seller Central, then call resolve()"


@attrs.frozen
class Judgement:
    """What to do about one unanswered batch.

    Attributes:
        verdict: ``""`` to check again later; ``"found"`` where Amazon has it, by the orders or as ``feed``;
            ``"absent"`` where all of it is sent again; ``"unknown"`` where a person must decide about some of it.
        feed: the feed that it became, for its report; or, with ``""``, the one whose end is waited for.
        outcomes: where the orders decided; items without one wait again.
        explained: the feed that the orders show to be this batch's, so that it is no other's.
    """

    verdict: str
    feed: FeedStatus | None = None
    outcomes: tuple[ItemOutcome, ...] = ()
    explained: FeedStatus | None = None


def candidates(
    listed: Sequence[FeedStatus], window: tuple[datetime, datetime], known: Collection[str]
) -> list[FeedStatus]:
    """Feeds that Amazon received within ``window`` (its clock), took, and that are no other batch's."""
    return [
        status
        for status in listed
        if status.feed_id not in known
        and status.submitted_at is not None
        and window[0] <= status.submitted_at <= window[1]
        and status.state is not FeedState.CANCELLED
    ]


def likely(feeds: Sequence[FeedStatus], processed: Mapping[str, int | None], size: int) -> list[FeedStatus]:
    """Those that may be a batch of ``size``: a report that counts other than our items is another program's."""
    return [feed for feed in feeds if not _ended(feed) or processed.get(feed.feed_id) in (None, size)]


def judge_stock(feeds: Sequence[FeedStatus], *, visible: bool) -> Judgement:
    """Decide about unanswered stock.

    Args:
        feeds: ``likely``.
        visible: whether Amazon must list by now whatever arrived.
    """
    running = [feed for feed in feeds if not _ended(feed)]
    if running:  # it may be ours: the newest values leave when it has ended
        return Judgement("", running[0])
    if feeds or visible:
        return Judgement("absent")
    return Judgement("")


def judge_pickups(
    keys: Sequence[str],
    evidence: Mapping[str, PickupEvidence] | None,
    feeds: Sequence[FeedStatus],
    *,
    visible: bool,
    resend: bool,
) -> Judgement:
    """Decide about unanswered pickups.

    Args:
        evidence: what the orders showed in a look-up made after ``feeds`` were listed; ``None`` without a look-up.
        feeds: ``likely``.
        visible: whether Amazon must list by now whatever arrived.
        resend: whether the host lets a pickup be sent again that Amazon does not have.
    """
    running = [feed for feed in feeds if not _ended(feed)]
    scheduled = [key for key in keys if evidence is not None and evidence[key] is PickupEvidence.SCHEDULED]
    if len(scheduled) == len(keys):
        return Judgement("found", None, _accepted(keys), feeds[0] if len(feeds) == 1 else None)
    if running:
        return Judgement("", running[0])
    if scheduled and len(feeds) == 1:
        return Judgement("found", feeds[0])  # the orders show that it is ours: its report has the other outcomes
    if not visible:
        return Judgement("")
    if evidence is None:
        return Judgement("unknown", None, _unknown(keys))
    return _item_by_item(keys, evidence, lacking=not feeds, resend=resend)


def _item_by_item(
    keys: Sequence[str], evidence: Mapping[str, PickupEvidence], *, lacking: bool, resend: bool
) -> Judgement:
    outcomes: list[ItemOutcome] = []
    for key in keys:
        match evidence[key]:
            case PickupEvidence.SCHEDULED:
                outcomes += _accepted([key])
            case PickupEvidence.UNSCHEDULED if lacking and resend:
                pass  # waits again
            case PickupEvidence.GONE:
                pass  # waits again, and the look-up before the next feed refuses it
            case _:
                outcomes += _unknown([key])
    unknown = any(outcome.outcome is Outcome.UNKNOWN for outcome in outcomes)
    verdict = "unknown" if unknown else "absent" if len(outcomes) < len(keys) else "found"
    return Judgement(verdict, None, tuple(outcomes))


def next_check(waited_seconds: float, visible_after_seconds: float) -> float:
    """Seconds until Amazon is asked again: a minute, then ever more rarely, and once when all must be visible."""
    wait = min(max(60.0, waited_seconds / 10.0), 900.0)
    left = visible_after_seconds - waited_seconds
    return min(wait, left) if left > 0 else wait


def _ended(feed: FeedStatus) -> bool:
    return feed.state in (FeedState.DONE, FeedState.FAILED)


def _accepted(keys: Sequence[str]) -> tuple[ItemOutcome, ...]:
    return tuple(ItemOutcome(key, Outcome.ACCEPTED) for key in keys)


def _unknown(keys: Sequence[str]) -> tuple[ItemOutcome, ...]:
    return tuple(ItemOutcome(key, Outcome.UNKNOWN, "OutcomeUnknown", _LOOK) for key in keys)
