"""The status board: one small document per account by which all its processes share their status polls. Pure.

GetFeedSubmissionList allows 80 requests an hour (MWS Feeds API, "GetFeedSubmissionList": 10, one per 45 s, 80 an hour),
so ten pack stations cannot each ask for themselves. Whoever may ask asks for every feed in flight, and writes the
answer where the others read it. The board also remembers feed ids for a while, so that a search for a lost feed does
not take another batch's feed for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import attrs

from amazon_ae._models.feeds import FeedState, FeedStatus, ItemKind

__all__ = ["POLL_INTERVAL_SECONDS", "Board"]

POLL_INTERVAL_SECONDS: Final = 50.0
"""72 an hour: what is left of 80 is for the search for lost feeds."""

_KEEP: Final = timedelta(hours=6)
_LATEST: Final = 50
_VERSION: Final = 1


@attrs.frozen(kw_only=True)
class Board:
    """What the account's processes know of its feeds.

    Attributes:
        asked_at: when somebody was last allowed to ask, the store's time; ``None`` before the first.
        known: feed ids of our own batches, with the store's time at which they were noted.
        states: final or held states that a poll brought, by feed id.
        contested: feeds that more than one unanswered batch claimed, so that none may have them; the latest.
        abandoned: feed or batch ids that the host gave up on, for the process that carries them; the latest.
    """

    asked_at: datetime | None = None
    known: tuple[tuple[str, datetime], ...] = ()
    states: tuple[tuple[str, FeedStatus], ...] = ()
    contested: tuple[str, ...] = ()
    abandoned: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str | None) -> Board:
        """The board; an empty one where there is none, or where another version wrote it: it is only a cache."""
        try:
            value = json.loads(text) if text else {}
            if value.get("v") != _VERSION:
                return cls()
            return cls(
                asked_at=_instant(value["asked_at"]),
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
                contested=tuple(str(feed_id) for feed_id in value.get("contested", ())),
                abandoned=tuple(str(name) for name in value.get("abandoned", ())),
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            return cls()

    def to_text(self) -> str:
        """The document; ``read`` gives the same board back."""
        return json.dumps(
            {
                "v": _VERSION,
                "asked_at": _text(self.asked_at),
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
                "contested": self.contested,
                "abandoned": self.abandoned,
            },
            separators=(",", ":"),
        )

    def wait_seconds(self, now: datetime) -> float:
        """Seconds until somebody may ask again; 0 if now. A store's clock that was set back does not lock the board."""
        if self.asked_at is None or now < self.asked_at - timedelta(seconds=POLL_INTERVAL_SECONDS):
            return 0.0
        return max(0.0, POLL_INTERVAL_SECONDS - (now - self.asked_at).total_seconds())

    def asking(self, now: datetime) -> Board:
        """Somebody asks now; what is old is forgotten."""
        return attrs.evolve(
            self, asked_at=now, known=tuple((feed_id, at) for feed_id, at in self.known if now - at < _KEEP)
        )

    def abandon(self, name: str) -> Board:
        """The host waits no longer for this feed or batch."""
        return attrs.evolve(self, abandoned=(*self.abandoned, name)[-_LATEST:])

    def contest(self, feed_ids: Iterable[str]) -> Board:
        """Nobody can tell which unanswered batch these feeds are: no other may take one for its own either."""
        return attrs.evolve(self, contested=tuple(dict.fromkeys((*self.contested, *feed_ids)))[-_LATEST:])

    def note(self, feed_ids: Iterable[str], now: datetime) -> Board:
        """Remember feed ids of our own batches."""
        known = dict(self.known)
        for feed_id in feed_ids:
            known.setdefault(feed_id, now)
        return attrs.evolve(self, known=tuple(known.items()))

    def told(self, statuses: Sequence[FeedStatus], in_flight: Iterable[str]) -> Board:
        """A poll's answer: states worth keeping, and only those of feeds still in flight."""
        wanted = set(in_flight)
        states = dict(self.states)
        states.update((status.feed_id, status) for status in statuses)
        return attrs.evolve(
            self,
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
