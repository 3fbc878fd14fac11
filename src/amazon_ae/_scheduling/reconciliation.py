"""What came of a feed that was sent and never answered: pure judgement over what Amazon lists.

SubmitFeed takes no token of ours, so the feed can only be recognised by its type, by when Amazon received it, by not
being another batch's, and, once it is done, by the number of messages in its report. Two batches that nobody answered
may both claim one feed: then it is given to neither. A feed that Amazon does not list after ``visible_after_seconds``
never arrived. That delay is not published: **UNVERIFIED**, and the host's to set.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final

import attrs

from amazon_ae._models.feeds import FeedState, FeedStatus, ItemKind

__all__ = ["Judgement", "Verdict", "candidates", "claimed", "judge", "look_wait"]

# Amazon's clock against the store's, when comparing SubmittedDate with the hour in our books. Both are set by NTP; the
# signature of a request is refused beyond 15 minutes anyway (MWS developer guide).
_CLOCKS: Final = timedelta(minutes=2)


class Verdict(Enum):
    """What to do about the batch."""

    LOOK_AGAIN = auto()  # not visible yet, or not done yet
    FOUND = auto()  # it is that feed
    ABSENT = auto()  # Amazon does not have it
    UNKNOWN = auto()  # nobody can tell


@attrs.frozen
class Judgement:
    """The verdict; ``feed`` is the one found, or the one whose end is waited for."""

    verdict: Verdict
    feed: FeedStatus | None = None


def candidates(
    listed: Sequence[FeedStatus], *, opened_at: datetime, given_up_at: datetime, known: Collection[str]
) -> list[FeedStatus]:
    """Feeds that Amazon received between opening the batch and giving up on the answer, and that are no other
    batch's.
    """
    return [
        status
        for status in listed
        if status.feed_id not in known
        and status.submitted_at is not None
        and opened_at - _CLOCKS <= status.submitted_at <= given_up_at + _CLOCKS
    ]


def claimed(
    feeds: Sequence[FeedStatus], processed: Mapping[str, int | None], rivals: Iterable[tuple[datetime, int]]
) -> set[str]:
    """Ids of those done ``feeds`` that may as well be one of the ``rivals``: when it was opened, and its size."""
    return {
        feed.feed_id
        for feed in feeds
        for opened_at, size in rivals
        if feed.state is FeedState.DONE
        and feed.submitted_at is not None
        and feed.submitted_at >= opened_at - _CLOCKS
        and processed.get(feed.feed_id) in (None, size)
    }


def judge(
    kind: ItemKind,
    size: int,
    feeds: Sequence[FeedStatus],
    processed: Mapping[str, int | None],
    *,
    visible: bool,
    contested: Collection[str] = (),
) -> Judgement:
    """Decide about one batch of ``size`` items.

    Args:
        feeds: ``candidates``.
        processed: what the reports of those that are done count, by feed id; ``None`` where a report does not say.
        visible: whether everything that was sent in the window must be listed by now. Before that nothing is decided:
            the one that is listed may be another program's, and ours the one that is not listed yet.
        contested: ids of feeds that another unanswered batch claims, or claimed, as well.
    """
    # A report that counts other than our items is another program's.
    likely = [
        feed
        for feed in feeds
        if feed.state is not FeedState.CANCELLED
        and (feed.state is not FeedState.DONE or processed.get(feed.feed_id) in (None, size))
    ]
    if not visible:
        return Judgement(Verdict.LOOK_AGAIN)
    if not likely:  # never arrived, or cancelled: nothing of it was taken
        return Judgement(Verdict.ABSENT)
    if len(likely) == 1 and likely[0].state is FeedState.DONE and likely[0].feed_id not in contested:
        return Judgement(Verdict.FOUND, likely[0])
    if any(feed.state is not FeedState.DONE for feed in likely):  # its count will tell
        return Judgement(Verdict.LOOK_AGAIN, likely[0])
    # Several that look alike, or one that is claimed twice. Stock is absolute: sending the newest value once more does
    # no harm. A pickup does.
    return Judgement(Verdict.ABSENT if kind is ItemKind.INVENTORY else Verdict.UNKNOWN)


def look_wait(waited_seconds: float, visible_after_seconds: float) -> float:
    """Seconds until the next look at Amazon's list: when everything must be visible, then ever more rarely."""
    if waited_seconds < visible_after_seconds:
        return visible_after_seconds - waited_seconds
    return min(max(60.0, waited_seconds / 10.0), 900.0)
