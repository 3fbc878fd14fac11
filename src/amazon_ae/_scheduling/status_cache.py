"""The status cache: one small document per account by which all its processes share their status polls. Pure.

GetFeedSubmissionList allows 80 requests an hour (MWS Feeds API, "GetFeedSubmissionList": 10, one per 45 s, 80 an hour),
so ten pack stations cannot each ask for themselves. The process that asks does so for the feeds in flight of all, and
stores the answer for the others. The cache also remembers feed ids for a while, so that a search for an unanswered
request does not take another batch's feed for it.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import attrs

from amazon_ae._models.feeds import FeedState, FeedStatus, ItemKind

__all__ = ["MOST_POLLED", "POLL_INTERVAL_SECONDS", "StatusCache"]

POLL_INTERVAL_SECONDS: Final = 50.0
"""72 an hour: what is left of 80 is for saved polls and the search for lost feeds."""

_INTERVAL: Final = timedelta(seconds=POLL_INTERVAL_SECONDS)
# Polls that nobody needed are saved, for pickups whose end may come at any moment.
_SAVED: Final = 4 * _INTERVAL

MOST_POLLED: Final = 100
"""Feeds of one poll: GetFeedSubmissionList takes 100 ids (MWS Feeds API, "FeedSubmissionIdList")."""

_KEEP: Final = timedelta(hours=6)
_LATEST: Final = 50
_VERSION: Final = 1


@attrs.frozen(kw_only=True)
class StatusCache:
    """What the account's processes know of its feeds.

    Attributes:
        asked_at: when a process was last allowed to ask, the store's time; ``None`` before the first. Where polls were
            saved, it is later than that: each poll moves it on by a whole interval.
        asked_up_to: the last feed id of the last poll, where it could not take all: the next one goes on behind it.
        known: feed ids of the account's batches, with the store's time at which they were noted.
        states: final or held states that a poll brought, by feed id.
        answers: (batch id, feed id) where an answer came after another process had taken the batch over; the latest.
        abandoned: feed or batch ids that the host gave up on, for the process that carries them; the latest.
    """

    asked_at: datetime | None = None
    asked_up_to: str = ""
    known: tuple[tuple[str, datetime], ...] = ()
    states: tuple[tuple[str, FeedStatus], ...] = ()
    answers: tuple[tuple[str, str], ...] = ()
    abandoned: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str | None) -> StatusCache:
        """The cache; an empty one where there is none, or where another version wrote it: it is only a cache."""
        try:
            value = json.loads(text) if text else {}
            if value.get("v") != _VERSION:
                return cls()
            return cls(
                asked_at=_instant(value["asked_at"]),
                asked_up_to=str(value.get("asked_up_to", "")),
                known=tuple((str(feed_id), datetime.fromisoformat(at)) for feed_id, at in value["known"]),
                states=tuple(
                    (
                        str(feed_id),
                        FeedStatus(
                            feed_id=str(feed_id),
                            kind=ItemKind(kind) if kind else None,
                            state=FeedState(state),
                            raw=str(raw),
                            submitted_at=_instant(submitted),
                            completed_at=_instant(completed),
                        ),
                    )
                    for feed_id, kind, state, raw, submitted, completed in value["states"]
                ),
                answers=tuple((str(batch_id), str(feed_id)) for batch_id, feed_id in value.get("answers", ())),
                abandoned=tuple(str(name) for name in value.get("abandoned", ())),
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
            return cls()

    def to_text(self) -> str:
        """The document; ``read`` gives the same cache back."""
        return json.dumps(
            {
                "v": _VERSION,
                "asked_at": _text(self.asked_at),
                "asked_up_to": self.asked_up_to,
                "known": [[feed_id, _text(at)] for feed_id, at in self.known],
                "states": [
                    [
                        feed_id,
                        status.kind,
                        status.state,
                        status.raw,
                        _text(status.submitted_at),
                        _text(status.completed_at),
                    ]
                    for feed_id, status in self.states
                ],
                "answers": self.answers,
                "abandoned": self.abandoned,
            },
            separators=(",", ":"),
        )

    def wait_seconds(self, now: datetime, *, saved: bool = False) -> float:
        """Seconds until a process may ask again, with a ``saved`` poll if need be; 0 if now.

        A store's clock that was set back blocks nothing.
        """
        if self.asked_at is None or self._is_set_back(now):
            return 0.0
        return max(0.0, (self.asked_at + _INTERVAL - (_SAVED if saved else timedelta(0)) - now).total_seconds())

    def _is_set_back(self, now: datetime) -> bool:
        """Whether the store's clock was set back since the last poll."""
        return self.asked_at is not None and now < self.asked_at - _SAVED - _INTERVAL

    def asking(self, now: datetime) -> StatusCache:
        """A process asks now; old entries are dropped."""
        before = None if self._is_set_back(now) else self.asked_at
        asked_at = now if before is None else max(now, before + _INTERVAL)
        return attrs.evolve(
            self, asked_at=asked_at, known=tuple((feed_id, at) for feed_id, at in self.known if now - at < _KEEP)
        )

    def slice(self, feed_ids: Collection[str]) -> list[str]:
        """The feeds of the next poll: all, or those behind the last poll's where there are too many."""
        ordered = sorted(feed_ids)
        start = bisect_right(ordered, self.asked_up_to) if len(ordered) > MOST_POLLED else 0
        return (ordered[start:] + ordered[:start])[:MOST_POLLED]

    def abandon(self, name: str) -> StatusCache:
        """The host gave this feed or batch up."""
        return attrs.evolve(self, abandoned=(*self.abandoned, name)[-_LATEST:])

    def answered(self, batch_id: str, feed_id: str) -> StatusCache:
        """The request of a batch became this feed, as its sender learnt after another process had taken it over."""
        return attrs.evolve(self, answers=(*self.answers, (batch_id, feed_id))[-_LATEST:])

    def note(self, feed_ids: Iterable[str], now: datetime) -> StatusCache:
        """Remember feed ids of the account's batches."""
        known = dict(self.known)
        for feed_id in feed_ids:
            known.setdefault(feed_id, now)
        return attrs.evolve(self, known=tuple(known.items()))

    def polled(
        self, statuses: Sequence[FeedStatus], *, asked: Sequence[str], in_flight: Collection[str]
    ) -> StatusCache:
        """A poll's answer: states worth keeping, and only those of feeds still in flight."""
        wanted = set(in_flight)
        states = dict(self.states)
        states.update((status.feed_id, status) for status in statuses)
        return attrs.evolve(
            self,
            asked_up_to=asked[-1] if asked else "",
            states=tuple(
                (feed_id, status)
                for feed_id, status in states.items()
                if feed_id in wanted and status.state is not FeedState.PROCESSING
            ),
        )


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()
