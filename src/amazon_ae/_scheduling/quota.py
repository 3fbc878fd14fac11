"""The quota ledger: a bucket and a rolling hour, never over, whatever the network does.

Amazon counts a request when it *arrives*; nobody here knows that instant. Three rules make the count exact anyway:

1. A place is counted from its reservation. Until the answer (or its absence) is known, it counts as if spent **now**.
2. When the answer is in, the place is pinned to that instant, which is never before the arrival.
3. Only a request that surely never left is taken out again.

Why that suffices, for any latency: of the requests that arrive in some hour, look at the one reserved last, at *r*.
    Every other one was either unanswered at *r*, and counted, or pinned at or after its own arrival, less than an
    hour before *r*, and counted. The reservation was made with all of them in the sum, so they are at most
    ``per_hour``. The same argument, with an interval of any length in place of the hour, holds for the bucket.

Amazon's own word corrects downwards only. The ledger is one small JSON document in the store's time. Its instants are
whole microseconds since the epoch, so that no rounding ever makes a place out of nothing. Nothing here reads a clock.

The numbers of a rule are Amazon's (MWS developer guide, "Throttling", and each operation's page).
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Final

import attrs

from amazon_ae._exceptions import StorageError
from amazon_ae._models.feeds import QuotaRule, QuotaSeen

__all__ = ["FOREIGN", "Ledger", "Place"]

FOREIGN: Final = "foreign"
"""The lane of a place that another program spent."""


_SECOND: Final = 1_000_000
_HOUR: Final = 3600 * _SECOND
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# A store's clock that steps back by less is skew between processes: the ledger's time stands still until it has caught
# up. A larger step is a clock being set: what was spent counts as spent just now.
_SKEW: Final = 60 * _SECOND
# No request lives for a day: an unanswered place that old has no owner any more.
_ABANDONED: Final = 24 * _HOUR
_VERSION: Final = 1


@attrs.frozen
class Place:
    """One spent place: when (microseconds since the epoch, the store's time) and what left by it.

    ``lane`` is the policy's word (``core.lanes``), or ``FOREIGN`` for a place that another program spent.
    """

    at: int
    lane: str


@attrs.frozen(kw_only=True)
class Ledger:
    """What was spent of one quota, as of ``now``. Immutable: every verb returns the next ledger.

    Attributes:
        rule: Amazon's limits.
        now: the store's time of which this ledger speaks, microseconds since the epoch; never runs backwards but for a
            clock that was set back.
        full_at: when the bucket would be full again if nothing more was spent, unanswered places left out.
        spent: places pinned within the last hour, oldest first.
        open: (batch id, place) of those whose answer is not in; each counts as spent now.
        blocked_until: no place before this instant (``QuotaExceeded``); 0 without such a word.
        set_back: the clock was set back since this was written. Store it: until then, every reading takes what was
            spent for spent just now.
    """

    rule: QuotaRule
    now: int
    full_at: int
    spent: tuple[Place, ...] = ()
    open: tuple[tuple[str, Place], ...] = ()
    blocked_until: int = 0
    set_back: bool = False

    # The document.

    @classmethod
    def read(cls, text: str | None, rule: QuotaRule, now: datetime) -> Ledger:
        """The ledger as of ``now`` (aware UTC, the store's time); a full one when ``text`` is ``None``.

        Raises:
            StorageError: the document is no ledger of this version: upgrade the library.
        """
        instant = (now - _EPOCH) // timedelta(microseconds=1)
        if text is None:
            return cls(rule=rule, now=instant, full_at=instant)
        try:
            value = json.loads(text)
            if value["v"] != _VERSION:
                raise ValueError(f"version {value['v']}")
            ledger = cls(
                rule=rule,
                now=int(value["now"]),
                full_at=int(value["full_at"]),
                spent=tuple(Place(int(at), str(lane)) for at, lane in value["spent"]),
                open=tuple((str(name), Place(int(at), str(lane))) for name, at, lane in value["open"]),
                blocked_until=int(value["blocked_until"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise StorageError(f"the quota ledger of {rule.name} cannot be read: {error}") from error
        return ledger._at(instant)

    def to_text(self) -> str:
        """The document; ``read`` at the same instant gives the same ledger back."""
        document = {
            "v": _VERSION,
            "now": self.now,
            "full_at": self.full_at,
            "spent": [[place.at, place.lane] for place in self.spent],
            "open": [[name, place.at, place.lane] for name, place in self.open],
            "blocked_until": self.blocked_until,
        }
        return json.dumps(document, separators=(",", ":"))

    def after(self, seconds: float) -> Ledger:
        """The same ledger later, if nothing happens until then: for looking ahead."""
        return self._at(self.now + math.ceil(seconds * _SECOND))

    def _at(self, now: int) -> Ledger:
        if now < self.now - _SKEW:
            # How long ago a place was really spent, nobody knows any more, but it is no negative time: whatever lies
            # in the new clock's future counts as spent now, and the bucket stands where it stood.
            debt = max(0, self.full_at - self.now)
            return attrs.evolve(
                self,
                now=now,
                full_at=now + debt,
                spent=tuple(attrs.evolve(place, at=min(place.at, now)) for place in self.spent),
                open=tuple((name, attrs.evolve(place, at=min(place.at, now))) for name, place in self.open),
                blocked_until=min(self.blocked_until, now + _HOUR),
                set_back=True,
            )
        now = max(now, self.now)
        return attrs.evolve(
            self,
            now=now,
            spent=tuple(place for place in self.spent if now - place.at <= _HOUR),
            open=tuple(entry for entry in self.open if now - entry[1].at <= _ABANDONED),
        )

    # What is free.

    @property
    def used(self) -> int:
        """Places of the rolling hour that are taken, unanswered ones included."""
        return len(self.spent) + len(self.open)

    @property
    def bucket(self) -> float:
        """Places in the bucket; below zero only while Amazon's word and unanswered places are both counted."""
        return self.rule.burst - max(0, self.full_at - self.now) / self._restore - len(self.open)

    @property
    def free(self) -> int:
        """How many places could be spent now."""
        if self.now < self.blocked_until:
            return 0
        capacity = self.rule.burst * self._restore
        free = (capacity - max(0, self.full_at - self.now)) // self._restore - len(self.open)
        if self.rule.per_hour is not None:
            free = min(free, self.rule.per_hour - self.used)
        return max(0, free)

    def wait_seconds(self, places: int = 1) -> float:
        """Seconds until ``places`` are free if nothing else happens; 0 if they are.

        Unanswered places count as answered now. ``inf`` for more places than the limits ever hold.
        """
        rule = self.rule
        if places > rule.burst or (rule.per_hour is not None and places > rule.per_hour):
            return math.inf
        instant = max(self.now, self.blocked_until)
        debt = max(0, self.full_at - self.now) + len(self.open) * self._restore
        instant = max(instant, self.now + debt - (rule.burst - places) * self._restore)
        if rule.per_hour is not None and (over := self.used + places - rule.per_hour) > 0:
            back = self.spent[over - 1].at if over <= len(self.spent) else self.now
            instant = max(instant, back + _HOUR + 1)
        return (instant - self.now) / _SECOND

    def ages(self, *lanes: str) -> list[float]:
        """How many seconds ago the places of these lanes were spent, within the hour, the latest first."""
        places = [*self.spent, *(place for _, place in self.open)]
        return sorted((self.now - place.at) / _SECOND for place in places if place.lane in lanes)

    # What changes it.

    def reserve(self, name: str, lane: str) -> Ledger | None:
        """Take a place for the batch ``name``; ``None`` if there is none. Store the result **before** anything is
        sent.
        """
        if self.free < 1 or any(known == name for known, _ in self.open):
            return None
        return attrs.evolve(self, open=(*self.open, (name, Place(self.now, lane))))

    def cancel(self, name: str) -> Ledger:
        """The request of ``name`` never left, or Amazon refused to take it: its place was never spent."""
        return attrs.evolve(self, open=tuple(entry for entry in self.open if entry[0] != name))

    def pin(self, name: str) -> Ledger:
        """The answer to ``name`` is in, or nobody will get one: its place counts as spent at this instant. Twice is
        fine.
        """
        lane = next((place.lane for known, place in self.open if known == name), None)
        return self if lane is None else self.cancel(name)._spend(lane)

    def throttled(self) -> Ledger:
        """Amazon said ``RequestThrottled``: whatever we count, its bucket is empty now."""
        return attrs.evolve(self, full_at=self.now + self.rule.burst * self._restore)

    def exceeded(self, seconds: float | None) -> Ledger:
        """Amazon said ``QuotaExceeded``: no place for ``seconds``, the rest of its hour (a whole hour if it did not
        say).
        """
        wait = 3600.0 if seconds is None else min(max(seconds, 0.0), 3600.0)
        return attrs.evolve(self, blocked_until=max(self.blocked_until, self.now + math.ceil(wait * _SECOND)))

    def observe(self, seen: QuotaSeen | None) -> Ledger:
        """Amazon's headers: if fewer places are left than we count, another program spent the difference.

        More left than we count changes nothing: the header lags, and Amazon's hour is not the rolling one.
        """
        if seen is None or self.rule.per_hour is None:
            return self
        ledger = self
        for _ in range(self.rule.per_hour - self.used - max(0, math.floor(seen.remaining))):
            ledger = ledger._spend(FOREIGN)
        return ledger

    def _spend(self, lane: str) -> Ledger:
        # Amazon's own bucket never goes below zero, so neither need ours: that only happens after foreign spending.
        full_at = min(max(self.full_at, self.now), self.now + (self.rule.burst - 1) * self._restore) + self._restore
        return attrs.evolve(self, full_at=full_at, spent=(*self.spent, Place(self.now, lane)))

    @property
    def _restore(self) -> int:
        return math.ceil(self.rule.restore_seconds * _SECOND)
