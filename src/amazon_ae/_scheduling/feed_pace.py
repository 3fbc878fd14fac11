"""The pace at which Amazon processes the account's feeds of one kind, learnt from ended feeds. Pure.

Feeds of one type are processed one after another. No source states how long that takes, so it is learnt: each feed that
has ended shows when it was received and when its processing was over. All processes of an account share what they
learn.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import attrs

from amazon_ae._models.feeds import FeedStatus, ItemKind

__all__ = ["FeedPace", "PollSteps", "first_poll", "next_poll"]

_LATEST: Final = 8
_VERSION: Final = 2

# Feeds often take 5 to 15 minutes, also where the latest took less. One that takes longer than this, and four times as
# long as the latest did, may be stuck: others no longer wait for it.
_PATIENCE_SECONDS: Final = 1200.0
_PATIENCE_FACTOR: Final = 4.0
# Behind a feed of less than two minutes, a second one costs those who ask later next to nothing.
_SHORT_SECONDS: Final = 120.0
_LONGEST_HOLD: Final = 3600.0

_OVERDUE_SHARE: Final = 0.15
# A feed that should have ended is asked about so much later; from so many times on, their minimum says something.
_NOTICE: Final = 2.0
_ENOUGH: Final = 3
_LONGEST_STEP: Final = 300.0


@attrs.frozen(kw_only=True)
class FeedPace:
    """The durations of the ended feeds of one kind.

    Attributes:
        ended: (feed id, begun or received, processed) of the latest feeds, by the end of processing; Amazon's clock.
    """

    ended: tuple[tuple[str, datetime, datetime], ...] = ()

    @classmethod
    def read(cls, text: str | None) -> FeedPace:
        """The document; an empty one where there is none or another version wrote it: it is learnt anew."""
        try:
            value = json.loads(text) if text else {}
            if value.get("v") != _VERSION:
                return cls()
            return cls(
                ended=tuple((str(name), _instant(received), _instant(done)) for name, received, done in value["ended"])
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            return cls()

    def to_text(self) -> str:
        """The document; ``read`` gives the same pace back."""
        ended = [[name, received.isoformat(), done.isoformat()] for name, received, done in self.ended]
        return json.dumps({"v": _VERSION, "ended": ended}, separators=(",", ":"))

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
    def shortest_seconds(self) -> float:
        """The fastest of the latest; 0 where too few are known to say something of the next."""
        times = self._times()
        return min(times) if len(times) >= _ENOUGH else 0.0

    def hold_seconds(self, received: Sequence[datetime], now: datetime) -> float:
        """Seconds for which items wait at most, to travel together, behind the feeds received at these instants.

        They leave when the last of those has ended; this is the bound for one that does not end. While feeds are short,
        nothing waits for one that is not overdue. ``now`` is Amazon's.
        """
        if not received:
            return 0.0
        if not self.ended:
            return max(0.0, _PATIENCE_SECONDS - self._elapsed(max(received), now))
        each, elapsed = self._mean(), self._elapsed(min(received), now)
        if each < _SHORT_SECONDS and elapsed < each:
            return 0.0
        # Counted from the latest: what leaves behind a feed that may be stuck travels together, too.
        waited = self._elapsed(max(received), now)
        return max(0.0, min(_LONGEST_HOLD, max(_PATIENCE_SECONDS, _PATIENCE_FACTOR * each)) - waited)

    def left_seconds(self, received: datetime, now: datetime) -> float:
        """Seconds until the feed received at this instant, the first of Amazon's, should have ended.

        ``inf`` before any has. An overdue one takes as much longer as it is overdue.
        """
        if not self.ended:
            return math.inf
        each, elapsed = self._mean(), self._elapsed(received, now)
        return each - elapsed if elapsed < each else max(_OVERDUE_SHARE * each, elapsed - each)

    def earliest_seconds(self, received: datetime, now: datetime) -> float:
        """Seconds before which that feed will hardly have ended."""
        shortest = self.shortest_seconds
        return shortest - self._elapsed(received, now) if shortest else 0.0

    def _elapsed(self, received: datetime, now: datetime) -> float:
        start = received if not self.ended else max(received, self.ended[-1][2])
        return max(0.0, (now - start).total_seconds())

    def _mean(self) -> float:
        times = self._times()
        return max(1.0, sum(times) / len(times))

    def _times(self) -> list[float]:
        """How long the latest feeds were processed: from the end of the one before, where they waited for it."""
        times = [
            (done - max(received, before)).total_seconds()
            for (_, _, before), (_, received, done) in zip(self.ended, self.ended[1:], strict=False)
        ]
        return times or [(done - received).total_seconds() for _, received, done in self.ended]


@attrs.frozen
class PollSteps:
    """How often a feed's status is asked for: after ``share`` of its age, and at least ``shortest`` seconds."""

    shortest: float
    share: float

    @classmethod
    def of(cls, kind: ItemKind) -> PollSteps:
        """Somebody waits for pickups; stock has time, and shares their polls."""
        return cls(20.0, 0.1) if kind is ItemKind.PICKUP else cls(60.0, 0.15)


def first_poll(pace: FeedPace, steps: PollSteps, *, default: float) -> float:
    """The age at which a feed's status is first asked for: ``default``, or earlier where feeds were faster lately."""
    shortest = pace.shortest_seconds
    return min(default, max(steps.shortest, shortest + _NOTICE)) if shortest else default


def next_poll(
    age_seconds: float, steps: PollSteps, *, left_seconds: float, earliest_seconds: float, limit: float
) -> float:
    """Seconds until a feed's status is worth asking for again.

    Not before its earliest end, but after five minutes at the latest: Amazon may have become faster. Then step by
    step, and just after its expected end. After two hours every tenth of its age, at most ``limit``: a feed that takes
    a day is not asked about every minute.
    """
    if age_seconds > 7200.0:
        return min(limit, max(steps.shortest, age_seconds / 10.0))
    step = min(_LONGEST_STEP, max(steps.shortest, age_seconds * steps.share))
    if earliest_seconds > step:
        return min(earliest_seconds + _NOTICE, _LONGEST_STEP)
    return left_seconds + _NOTICE if left_seconds < 1.5 * step else step


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
