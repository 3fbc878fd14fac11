"""What happens at Amazon by itself: feeds end, late requests arrive. One order of time for every fake of a seller."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

__all__ = ["Arrivals", "EventSource", "Timeline"]


class EventSource(Protocol):
    """Something with a next event."""

    def next_at(self) -> datetime | None:
        """When the next event is due; ``None`` while there is none."""
        ...

    def run_next(self) -> None:
        """Let the next event happen, as of its own instant."""
        ...


class Timeline:
    """Runs due events of all sources in the order of their instants."""

    def __init__(self) -> None:
        self.sources: list[EventSource] = []
        self._is_running = False

    def advance(self, now: datetime) -> None:
        """Let everything happen that is due at ``now``."""
        if self._is_running:  # an event looks at the state that is being advanced
            return
        self._is_running = True
        try:
            while (source := self._next(now)) is not None:
                source.run_next()
        finally:
            self._is_running = False

    def next_at(self) -> datetime | None:
        """When the next event of any source is due; ``None`` while there is none."""
        return min((at for source in self.sources if (at := source.next_at()) is not None), default=None)

    def _next(self, now: datetime) -> EventSource | None:
        earliest: tuple[datetime, EventSource] | None = None
        for source in self.sources:
            at = source.next_at()
            if at is not None and at <= now and (earliest is None or at < earliest[0]):
                earliest = (at, source)
        return earliest[1] if earliest is not None else None


class Arrivals:
    """Events at fixed instants, such as a request that reaches Amazon after its sender gave up."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, int, Callable[[datetime], None]]] = []
        self._numbers = itertools.count()

    def add(self, at: datetime, event: Callable[[datetime], None]) -> None:
        """Call ``event`` with its instant once the clock gets there."""
        heapq.heappush(self._heap, (at, next(self._numbers), event))

    def repeat(self, at: datetime, seconds: float, event: Callable[[datetime], None], until: datetime | None) -> None:
        """Call ``event`` at ``at`` and every ``seconds`` after it, as long as it is before ``until``."""

        def run(then: datetime) -> None:
            event(then)
            self.repeat(then + timedelta(seconds=seconds), seconds, event, until)

        if until is None or at < until:
            self.add(at, run)

    def next_at(self) -> datetime | None:
        """The earliest instant."""
        return self._heap[0][0] if self._heap else None

    def run_next(self) -> None:
        """Run the earliest event."""
        at, _, event = heapq.heappop(self._heap)
        event(at)
