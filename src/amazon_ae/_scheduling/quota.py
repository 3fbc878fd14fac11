"""The quota ledger: a bucket and a rolling window, never over, whatever the network does.

Amazon counts a request when it *arrives*, an instant that no client knows. Three rules keep the count exact anyway:

1. A slot counts from its reservation. Until the answer (or its absence) is known, it counts as if spent **now**.
2. When the answer is in, the slot is pinned to that instant, which is never before the arrival.
3. Only a request that surely never left is taken out again.

Why that suffices, for any latency: of the requests that arrive in some window, look at the one reserved last, at *r*.
    Every other one was either unanswered at *r*, and counted, or pinned at or after its own arrival, less than a
    window before *r*, and counted. The reservation was made with all of them in the sum, so they are at most
    ``limit``. The same argument, with an interval of any length in place of the window, holds for the bucket.

What Amazon states corrects the count downwards only. The ledger is one small JSON document in the store's time. Its
instants are whole microseconds since the epoch, so that no rounding ever makes a slot out of nothing. Nothing here
reads a clock.

The numbers of a rule are Amazon's (MWS developer guide, "Throttling", and each operation's page; for the Selling
Partner API the usage plan of each operation and the notes on the feed type).
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Final

import attrs

from amazon_ae._exceptions import StorageError
from amazon_ae._models.feeds import QuotaRule, QuotaSeen

__all__ = ["FOREIGN", "Ledger", "Slot"]

FOREIGN: Final = "foreign"
"""The priority class of a slot that another program spent."""


_SECOND: Final = 1_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# A store's clock that steps back by less is skew between processes: the ledger's time stops until it has caught
# up. A larger step is a clock being set: what was spent counts as spent just now.
_SKEW: Final = 60 * _SECOND
# No request lasts a day: an unanswered slot that old has no owner any more.
_ABANDONED: Final = 24 * 3600 * _SECOND
# A fixed distance of stock feeds (``FeedPolicy.every``) may be an hour, longer than some windows.
_HOUR: Final = 3600 * _SECOND
# Amazon's remaining count is that of the arrival, which a slow answer leaves behind: slots are kept this much longer
# than the window to compare both counts at one instant (see ``Ledger.pin``).
_KEPT_LONGER: Final = 900 * _SECOND
_VERSION: Final = 1


@attrs.frozen
class Slot:
    """One spent slot: when (microseconds since the epoch, the store's time) and what left by it.

    ``priority`` is one of the policy's priority classes, or ``FOREIGN`` for a slot that another program spent.
    """

    at: int
    priority: str


@attrs.frozen(kw_only=True)
class Ledger:
    """What was spent of one quota, as of ``now``. Immutable: every verb returns the next ledger.

    Attributes:
        rule: Amazon's limits.
        now: the instant of this ledger in the store's time, microseconds since the epoch; never runs backwards unless
            the clock was set back.
        full_at: when the bucket would be full again if nothing more was spent, unanswered slots left out.
        spent: slots pinned within the last window and a little longer, oldest first.
        open: (batch id, slot) of those whose answer is not in; each counts as spent now.
        blocked_until: no slot before this instant (``QuotaExceeded``); 0 without such an answer.
        set_back: the clock was set back since this was written. Store it: until then, every reading takes what was
            spent for spent just now.
    """

    rule: QuotaRule
    now: int
    full_at: int
    spent: tuple[Slot, ...] = ()
    open: tuple[tuple[str, Slot], ...] = ()
    blocked_until: int = 0
    set_back: bool = False

    # The document.

    @classmethod
    def read(cls, text: str | None, rule: QuotaRule, now: datetime) -> Ledger:
        """The ledger as of ``now`` (aware UTC, the store's time); a full one when ``text`` is ``None``.

        The document does not name the rule: a ledger that was written under other limits is read under these.

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
                spent=tuple(Slot(int(at), str(priority)) for at, priority in value["spent"]),
                open=tuple((str(name), Slot(int(at), str(priority))) for name, at, priority in value["open"]),
                blocked_until=int(value["blocked_until"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise StorageError(f"the quota ledger of {rule.name} cannot be read: {error}") from error
        return ledger._at(instant)

    def to_text(self) -> str:
        """The document; ``read`` at the same instant gives the same ledger back."""
        document = {
            "v": _VERSION,
            "now": self.now,
            "full_at": self.full_at,
            "spent": [[slot.at, slot.priority] for slot in self.spent],
            "open": [[name, slot.at, slot.priority] for name, slot in self.open],
            "blocked_until": self.blocked_until,
        }
        return json.dumps(document, separators=(",", ":"))

    def _at(self, now: int) -> Ledger:
        if now < self.now - _SKEW:
            # How long ago a slot was really spent is lost, but it was not in the future: an instant in the new clock's
            # future counts as spent now, and the bucket keeps its level.
            debt = max(0, self.full_at - self.now)
            return attrs.evolve(
                self,
                now=now,
                full_at=now + debt,
                spent=tuple(attrs.evolve(slot, at=min(slot.at, now)) for slot in self.spent),
                open=tuple((name, attrs.evolve(slot, at=min(slot.at, now))) for name, slot in self.open),
                blocked_until=min(self.blocked_until, now + self._window),
                set_back=True,
            )
        now = max(now, self.now)
        kept = self._horizon if self.rule.limit is None else max(self._horizon, _HOUR) + _KEPT_LONGER
        return attrs.evolve(
            self,
            now=now,
            spent=tuple(slot for slot in self.spent if now - slot.at <= kept),
            open=tuple(entry for entry in self.open if now - entry[1].at <= _ABANDONED),
        )

    # What is free.

    @property
    def horizon_seconds(self) -> float:
        """How far back spending matters: the window, or the time in which an empty bucket fills, if that is longer."""
        return self._horizon / _SECOND

    @property
    def used(self) -> int:
        """Slots of the rolling window that are taken, unanswered ones included."""
        return len(self._counted) + len(self.open)

    @property
    def free(self) -> int:
        """How many slots could be spent now."""
        if self.now < self.blocked_until:
            return 0
        capacity = self.rule.burst * self._restore
        free = (capacity - max(0, self.full_at - self.now)) // self._restore - len(self.open)
        if self.rule.limit is not None:
            free = min(free, self.rule.limit - self.used)
        return max(0, free)

    def wait_seconds(self, slots: int = 1) -> float:
        """Seconds until ``slots`` are free if nothing else happens; 0 if they are.

        Unanswered slots count as answered now. ``inf`` for more slots than the limits ever hold.
        """
        rule = self.rule
        if slots > rule.burst or (rule.limit is not None and slots > rule.limit):
            return math.inf
        instant = max(self.now, self.blocked_until)
        debt = max(0, self.full_at - self.now) + len(self.open) * self._restore
        instant = max(instant, self.now + debt - (rule.burst - slots) * self._restore)
        if rule.limit is not None and (over := self.used + slots - rule.limit) > 0:
            counted = self._counted
            back = counted[over - 1].at if over <= len(counted) else self.now
            instant = max(instant, back + self._window + 1)
        return (instant - self.now) / _SECOND

    def ages(self, *priorities: str) -> list[float]:
        """How many seconds ago slots of these classes were spent, the latest first, older ones than the horizon too."""
        slots = [*self.spent, *(slot for _, slot in self.open)]
        return sorted((self.now - slot.at) / _SECOND for slot in slots if slot.priority in priorities)

    # What changes it.

    def reserve(self, name: str, priority: str) -> Ledger | None:
        """Take a slot for the batch ``name``; ``None`` if there is none. Store the result **before** anything is
        sent.
        """
        if self.free < 1 or any(known == name for known, _ in self.open):
            return None
        return attrs.evolve(self, open=(*self.open, (name, Slot(self.now, priority))))

    def cancel(self, name: str) -> Ledger:
        """The request of ``name`` never left, or Amazon refused to take it: its slot was never spent."""
        return attrs.evolve(self, open=tuple(entry for entry in self.open if entry[0] != name))

    def pin(self, name: str, seen: QuotaSeen | None = None) -> Ledger:
        """The answer to ``name`` is in, or there will be none: its slot counts as spent at this instant. Twice is fine.

        Args:
            name: the batch's id.
            seen: Amazon's headers. If they leave fewer slots than our count at the instant of the reservation, another
                program spent the difference. That instant is compared, and not this one: a slot may have left our
                window while the answer was on its way, although Amazon still counted it when the request arrived.
        """
        slot = next((slot for known, slot in self.open if known == name), None)
        if slot is None:
            return self
        return self.cancel(name)._spend(slot.priority).observe(seen, since=slot.at)

    def throttled(self) -> Ledger:
        """Amazon answered ``RequestThrottled``: its bucket is empty now, whatever the ledger counts."""
        return attrs.evolve(self, full_at=self.now + self.rule.burst * self._restore)

    def exceeded(self, seconds: float | None) -> Ledger:
        """Amazon answered ``QuotaExceeded``: no slot for ``seconds``, the rest of its window (a whole window if it
        states none).
        """
        longest = self.rule.window_seconds
        wait = longest if seconds is None else min(max(seconds, 0.0), longest)
        return attrs.evolve(self, blocked_until=max(self.blocked_until, self.now + math.ceil(wait * _SECOND)))

    def observe(self, seen: QuotaSeen | None, *, since: int | None = None) -> Ledger:
        """Amazon's headers: if fewer slots are left than we count, another program spent the difference.

        More left than we count changes nothing: the header lags, and Amazon's window need not be the rolling one.

        Args:
            seen: the headers; ``None`` changes nothing.
            since: an instant (microseconds) before the request arrived, from which on the window is counted; ``None``
                for now.
        """
        if seen is None or self.rule.limit is None:
            return self
        begin = (self.now if since is None else min(since, self.now)) - self._window
        ours = sum(slot.at >= begin for slot in self.spent) + len(self.open)
        ledger = self
        for _ in range(self.rule.limit - ours - max(0, math.floor(seen.remaining))):
            ledger = ledger._spend(FOREIGN)
        return ledger

    def _spend(self, priority: str) -> Ledger:
        # Amazon's own bucket never goes below zero, so neither need ours: that only happens after foreign spending.
        full_at = min(max(self.full_at, self.now), self.now + (self.rule.burst - 1) * self._restore) + self._restore
        return attrs.evolve(self, full_at=full_at, spent=(*self.spent, Slot(self.now, priority)))

    @property
    def _counted(self) -> tuple[Slot, ...]:
        """The pinned slots within the window, oldest first."""
        return tuple(slot for slot in self.spent if self.now - slot.at <= self._window)

    @property
    def _restore(self) -> int:
        return math.ceil(self.rule.restore_seconds * _SECOND)

    @property
    def _window(self) -> int:
        return math.ceil(self.rule.window_seconds * _SECOND)

    @property
    def _horizon(self) -> int:
        filled = self.rule.burst * self._restore
        return filled if self.rule.limit is None else max(filled, self._window)
