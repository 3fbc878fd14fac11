"""Feeds whose batch was settled before Amazon had ended them, or had shown them. Pure.

Four things leave such a feed behind: stock passed a feed that did not end in time; a request that was never answered
counts as lost and was made again; a process that had been frozen sent a batch that another had taken over; the host
abandoned a feed. When such a late feed ends, its stock is sent once more with the newest values, so that no old one
remains. Its pickups count as asked for: an order that Amazon shows as scheduled is
accepted, and one whose late feed is still being processed is not sent beside it.

One document of the store per feed, so that any process may notice the end.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import attrs

from amazon_ae._models.feeds import FeedState, FeedStatus, ItemKind

__all__ = ["LateFeed", "late_prefix"]

_FIRST_CHECK: Final = timedelta(minutes=5)
_LONGEST_CHECK: Final = timedelta(hours=1)
# A request that Amazon did not list within so long never arrived: signatures are refused after 15 minutes.
_REMEMBERED_FOR: Final = timedelta(hours=6)
_HELD_BACK_FOR: Final = timedelta(hours=2)
# Amazon's support cancels feeds that are stuck for days; after this long the newest stock is sent once more anyway.
_UNENDED_FOR: Final = timedelta(days=10)
_VERSION: Final = 1


def late_prefix(account: str, kind: ItemKind | None = None) -> str:
    """The beginning of the names of an account's documents, or of those of one kind."""
    return f"{account}/late/" + (f"{kind.value}/" if kind is not None else "")


@attrs.frozen(kw_only=True)
class LateFeed:
    """One late feed. Instants are the store's, except ``received_from`` and ``received_until``.

    Attributes:
        kind, batch_id, route: of its batch.
        feed_id: Amazon's; ``None`` where no answer named one.
        since: when its batch was settled without it.
        received_from, received_until: Amazon received the request between these instants of its own clock, if ever.
        keys: the batch's items.
        ended: Amazon has ended it; kept because its pickups count as asked for.
        check_at: when to ask Amazon next.
    """

    kind: ItemKind
    batch_id: str
    route: str
    feed_id: str | None
    since: datetime
    received_from: datetime
    received_until: datetime
    keys: tuple[str, ...]
    check_at: datetime
    ended: bool = False

    @classmethod
    def of(
        cls,
        kind: ItemKind,
        batch_id: str,
        route: str,
        *,
        feed_id: str | None,
        now: datetime,
        window: tuple[datetime, datetime],
        keys: Sequence[str],
    ) -> LateFeed:
        """A feed that is late from ``now`` on."""
        return cls(
            kind=kind,
            batch_id=batch_id,
            route=route,
            feed_id=feed_id,
            since=now,
            received_from=window[0],
            received_until=window[1],
            keys=tuple(keys),
            check_at=now + _FIRST_CHECK,
        )

    @classmethod
    def read(cls, text: str | None) -> LateFeed | None:
        """What ``to_text`` wrote; ``None`` where there is nothing, or nothing that this version understands."""
        try:
            value: dict[str, Any] = json.loads(text) if text else {}
            if value.get("v") != _VERSION:
                return None
            return cls(
                kind=ItemKind(value["kind"]),
                batch_id=str(value["batch_id"]),
                route=str(value["route"]),
                feed_id=None if value["feed_id"] is None else str(value["feed_id"]),
                keys=tuple(str(key) for key in value["keys"]),
                ended=bool(value["ended"]),
                **{name: datetime.fromisoformat(value[name]).astimezone(UTC) for name in _INSTANTS},
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
            return None

    def to_text(self) -> str:
        """The document."""
        return json.dumps(
            {
                "v": _VERSION,
                "kind": self.kind.value,
                "batch_id": self.batch_id,
                "route": self.route,
                "feed_id": self.feed_id,
                "keys": self.keys,
                "ended": self.ended,
                **{name: getattr(self, name).isoformat() for name in _INSTANTS},
            },
            separators=(",", ":"),
        )

    def due(self, now: datetime) -> bool:
        """Whether Amazon is to be asked now; a clock that was set back delays it only briefly."""
        return now >= self.check_at or now < self.since - _LONGEST_CHECK

    def checking(self, now: datetime) -> LateFeed:
        """The feed after a check; the older it is, the later the next check."""
        wait = min(max(_FIRST_CHECK, (now - self.since) / 2), _LONGEST_CHECK)
        return attrs.evolve(self, check_at=now + wait)

    def found(self, feed_id: str) -> LateFeed:
        """Amazon lists it after all."""
        return attrs.evolve(self, feed_id=feed_id)

    def at_end(self) -> LateFeed:
        """Amazon has ended it."""
        return attrs.evolve(self, ended=True)

    def over(self, now: datetime) -> bool:
        """Whether it needs no more checks."""
        return now - self.since > (_UNENDED_FOR if self._running else _REMEMBERED_FOR)

    def holds_back(self, now: datetime) -> bool:
        """Whether its items must wait because Amazon still processes it. A stuck feed holds them back only for a
        while.
        """
        return self._running and now - self.since < _HELD_BACK_FOR

    @property
    def _running(self) -> bool:
        return self.feed_id is not None and not self.ended

    def candidates(self, listed: Sequence[FeedStatus], known: Collection[str]) -> list[FeedStatus]:
        """The listed feeds that may be this one: received in its window, and not another batch's."""
        return [
            status
            for status in listed
            if status.feed_id not in known
            and status.submitted_at is not None
            and self.received_from <= status.submitted_at <= self.received_until
            and status.state is not FeedState.CANCELLED
        ]


_INSTANTS: Final = ("since", "received_from", "received_until", "check_at")
