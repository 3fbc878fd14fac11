"""Isolates the order that makes the answer about several orders fail, so that the others' pickups leave. Pure.

Most damage costs one order: a gateway brings what can be read of it. What is left is an order for which Amazon's whole
answer is an error, or stays unreadable. An outage looks the same, so:

1. Nothing is done until ``_FIRST_STRIKE`` look-ups in a row have failed.
2. Then half as many orders are asked about at a time, those first that failed in the largest company.
3. An answer clears its orders. After the first one the others are asked about together again: if it was an outage, one
   more request is enough.
4. An order that fails alone while others are answered is set aside, for longer each time.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

import attrs

from amazon_ae._backoff import doubling

__all__ = ["LookupIsolation"]

_FIRST_STRIKE: Final = 2
_FIRST_SECONDS: Final = 60.0
_LONGEST_SECONDS: Final = 900.0


@attrs.define
class _Suspect:
    """An order whose look-ups failed.

    Attributes:
        company: how many orders the smallest failed look-up with it asked about; 0 since the last answer.
        times: how often it was set aside.
        aside_until: when it may be asked about again.
    """

    company: int = 0
    times: int = 0
    aside_until: datetime | None = None


class LookupIsolation:
    """One scheduler's failed look-ups.

    Attributes:
        others_answered: whether Amazon answered about others since an order was last set aside: it is no outage.
    """

    __slots__ = ("_isolating", "_strikes", "_suspects", "others_answered")

    def __init__(self) -> None:
        self._suspects: dict[str, _Suspect] = {}
        self._strikes = 0
        self._isolating = False
        self.others_answered: bool = False

    def set_aside(self, now: datetime) -> set[str]:
        """The orders that are not to be asked about now. A clock that was set back prolongs nothing."""
        latest = now + timedelta(seconds=_LONGEST_SECONDS)
        return {
            key
            for key, each in self._suspects.items()
            if each.aside_until is not None and now < each.aside_until <= latest
        }

    def choose(self, keys: Sequence[str], *, company: bool = False) -> list[str]:
        """Which of these orders to ask about together; those that join others are never suspects."""
        innocent = [key for key in keys if key not in self._suspects]
        if innocent or company:
            return innocent
        if self._strikes < _FIRST_STRIKE:
            return list(keys)
        known = {key: self._suspects[key] for key in keys if not self._suspects[key].times}
        if not known:
            return list(keys[:1])
        most = max(each.company for each in known.values())
        if any(each.company == 0 for each in known.values()):  # something was answered since: perhaps all are innocent
            return [key for key, each in known.items() if each.company == 0]
        return [key for key, each in known.items() if each.company == most][: max(1, most // 2)]

    def failed(self, keys: Collection[str], now: datetime) -> float | None:
        """A look-up of these orders failed; returns for how many seconds the only one is set aside, if it is."""
        self._strikes += 1
        for key in keys:
            suspect = self._suspects.setdefault(key, _Suspect())
            suspect.company = min(suspect.company or len(keys), len(keys))
        if len(keys) > 1:
            return None
        (key,) = keys
        suspect = self._suspects[key]
        if not (self.others_answered or suspect.times):
            self._isolating = False  # perhaps an outage: the next answer clears all
            return None
        self.others_answered = False
        suspect.times += 1
        seconds = doubling(suspect.times, first=_FIRST_SECONDS, limit=_LONGEST_SECONDS)
        suspect.aside_until = now + timedelta(seconds=seconds)
        return seconds

    def answered(self, keys: Collection[str], waiting: Collection[str]) -> None:
        """A look-up of these orders was answered; ``waiting`` are all that still wait."""
        self._suspects = {
            key: each for key, each in self._suspects.items() if key not in set(keys) and key in set(waiting)
        }
        if not self._isolating:
            for suspect in self._suspects.values():
                suspect.company = 0
        self._isolating = self.others_answered = bool(self._suspects)
        if not self._suspects:
            self._strikes = 0
