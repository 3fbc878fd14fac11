"""Pauses of one kind of item after failures: longer with each failure in a row."""

from __future__ import annotations

from datetime import datetime, timedelta

import attrs

from amazon_ae._backoff import doubling
from amazon_ae._models.feeds import ItemKind
from amazon_ae._ports import Clock

__all__ = ["Cooldowns"]


@attrs.define
class _Cooldown:
    """Until when (the scheduler's clock) a kind pauses, and why."""

    until: datetime
    why: str
    failures: int


class Cooldowns:
    """The pauses of one scheduler, by kind."""

    __slots__ = ("_clock", "_cooldowns")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._cooldowns: dict[ItemKind, _Cooldown] = {}

    def start(self, kind: ItemKind, why: str, *, first: float, limit: float) -> float:
        """Pause a kind after a failure: ``first`` seconds, doubled per failure in a row. Returns the seconds."""
        failures = self._failures(kind) + 1
        seconds = doubling(failures, first=first, limit=limit)
        self._cooldowns[kind] = _Cooldown(self._clock.now() + timedelta(seconds=seconds), why, failures)
        return seconds

    def pause(self, kind: ItemKind, seconds: float, why: str) -> None:
        """Pause a kind without counting a failure; a longer pause is kept."""
        remaining = self.remaining(kind)
        if remaining is None or remaining[0] < seconds:
            until = self._clock.now() + timedelta(seconds=seconds)
            self._cooldowns[kind] = _Cooldown(until, why, self._failures(kind))

    def clear(self, kind: ItemKind) -> None:
        """End a kind's pause and forget its failures."""
        self._cooldowns.pop(kind, None)

    def remaining(self, kind: ItemKind) -> tuple[float, str] | None:
        """The remaining seconds of a kind's pause and its reason; ``None`` if it does not pause."""
        cooldown = self._cooldowns.get(kind)
        if cooldown is None:
            return None
        left = (cooldown.until - self._clock.now()).total_seconds()
        return (left, cooldown.why) if left > 0 else None

    def clock_set_back(self, now: datetime) -> None:
        """The clock was set back to ``now``: every pause ends."""
        for cooldown in self._cooldowns.values():
            cooldown.until = min(cooldown.until, now)

    def _failures(self, kind: ItemKind) -> int:
        return self._cooldowns[kind].failures if kind in self._cooldowns else 0
