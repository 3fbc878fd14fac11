"""The pace at which Amazon processes the account's feeds of one kind, learnt from ended feeds. Pure.

Feeds of one type are processed one after another. No source states how long that takes, so it is learnt: each feed that
has ended shows when it was received and when its processing was over. All processes of an account share what they
learn.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import attrs

from amazon_ae._models.feeds import FeedStatus

__all__ = ["FeedPace", "next_poll"]

_FIRST_GUESS: Final = 60.0
_LATEST: Final = 8
_HOUR: Final = timedelta(hours=1)
# An overdue feed may end at any moment, but not before it is noticed.
_OVERDUE_SHARE: Final = 0.15
_STUCK: Final = timedelta(hours=2)
_VERSION: Final = 1


@attrs.frozen(kw_only=True)
class FeedPace:
    """The durations of the ended feeds of one kind.

    Attributes:
        ended: (feed id, begun or received, processed) of the latest feeds, by the end of processing; Amazon's clock.
        sent: (instant, items) of the feeds of the last hour; the store's clock.
    """

    ended: tuple[tuple[str, datetime, datetime], ...] = ()
    sent: tuple[tuple[datetime, int], ...] = ()

    @classmethod
    def read(cls, text: str | None) -> FeedPace:
        """The document; an empty one where there is none or another version wrote it: it is learnt anew."""
        try:
            value = json.loads(text) if text else {}
            if value.get("v") != _VERSION:
                return cls()
            return cls(
                ended=tuple((str(name), _instant(received), _instant(done)) for name, received, done in value["ended"]),
                sent=tuple((_instant(at), int(items)) for at, items in value["sent"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            return cls()

    def to_text(self) -> str:
        """The document; ``read`` gives the same pace back."""
        document = {
            "v": _VERSION,
            "ended": [[name, received.isoformat(), done.isoformat()] for name, received, done in self.ended],
            "sent": [[at.isoformat(), items] for at, items in self.sent],
        }
        return json.dumps(document, separators=(",", ":"))

    def leaving(self, items: int, now: datetime) -> FeedPace:
        """A feed of ``items`` leaves at ``now``, the store's time."""
        recent = tuple((at, count) for at, count in self.sent if timedelta(0) <= now - at < _HOUR)
        return attrs.evolve(self, sent=(*recent, (now, items)))

    def seen(self, statuses: Sequence[FeedStatus]) -> FeedPace:
        """Feeds that have ended; one that is known already changes nothing."""
        found = {name: (name, received, done) for name, received, done in self.ended}
        for status in statuses:
            begin = status.started_at or status.submitted_at
            if begin is not None and status.completed_at is not None:
                found[status.feed_id] = (status.feed_id, begin, status.completed_at)
        latest = sorted(found.values(), key=lambda feed: (feed[2], feed[0]))[-_LATEST - 1 :]
        return attrs.evolve(self, ended=tuple(latest))

    @property
    def processing_seconds(self) -> float:
        """How long the next feed should be processed: the mean of the latest."""
        times = [
            (done - max(received, before)).total_seconds()
            for (_, _, before), (_, received, done) in zip(self.ended, self.ended[1:], strict=False)
        ]
        if not times and self.ended:
            times = [(self.ended[0][2] - self.ended[0][1]).total_seconds()]
        return max(1.0, sum(times) / len(times)) if times else _FIRST_GUESS

    def items_per_hour(self, now: datetime) -> float:
        """Items that left within the last hour; ``now`` is the store's."""
        return float(sum(items for at, items in self.sent if timedelta(0) <= now - at < _HOUR))

    def ahead_seconds(self, received: Sequence[datetime], now: datetime) -> float:
        """Seconds until Amazon should have processed the feeds received at these instants; ``now`` is its clock.

        An overdue feed takes as much longer as it is overdue. One of two hours is stuck, and others need not wait.
        """
        waited = sorted(at for at in received if now - at < _STUCK)
        if not waited:
            return 0.0
        start = waited[0] if not self.ended else max(waited[0], self.ended[-1][2])
        each, elapsed = self.processing_seconds, (now - start).total_seconds()
        head = each - elapsed if elapsed < each else max(_OVERDUE_SHARE * each, elapsed - each)
        return head + (len(waited) - 1) * each


def next_poll(age_seconds: float, *, first: float, interval: float, limit: float, left_seconds: float) -> float:
    """Seconds until a feed's status is worth asking for.

    At the age ``first``; then every ``interval``, and just after its expected end. After two hours every tenth of its
    age, at most ``limit``: a feed that takes a day is not asked about every minute.
    """
    if age_seconds < first:
        return first - age_seconds
    if age_seconds > 7200.0:
        return min(limit, max(interval, age_seconds / 10.0))
    return left_seconds + 2.0 if left_seconds < 1.5 * interval else interval


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
