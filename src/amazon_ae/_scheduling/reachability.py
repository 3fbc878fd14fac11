"""Whether Amazon can be reached. During an outage reads probe the connection, so that no quota slot is spent on it."""

from __future__ import annotations

from datetime import datetime, timedelta

from amazon_ae._backoff import doubling
from amazon_ae._exceptions import NotSent, OutcomeUnknown, ServiceUnavailable
from amazon_ae._ports import Clock

__all__ = ["Reachability"]

_FIRST_SECONDS = 5.0


class Reachability:
    """One scheduler's record of outages. An unanswered request begins one; an answered read ends it.

    Args:
        clock: the scheduler's.
        probe_seconds: the longest pause between two reads.
    """

    __slots__ = ("_clock", "_failed_reads", "_failures", "_next_at", "_probe_seconds", "since")

    def __init__(self, clock: Clock, probe_seconds: float) -> None:
        self._clock = clock
        self._probe_seconds = probe_seconds
        self._failures = 0
        self._failed_reads = 0
        self._next_at = clock.now()
        self.since: datetime | None = None

    def request_failed(self, error: BaseException, *, read: bool = False) -> bool:
        """Whether the failure means that Amazon cannot be reached; if so, an outage begins or continues."""
        if not isinstance(error, NotSent | OutcomeUnknown | ServiceUnavailable):
            return False
        now = self._clock.now()
        self._failures += 1
        self._failed_reads += read
        self.since = self.since or now
        wait = doubling(self._failures, first=_FIRST_SECONDS, limit=self._probe_seconds)
        self._next_at = now + timedelta(seconds=wait)
        return True

    def read_answered(self) -> bool:
        """A read was answered. Whether that ends an outage in which reads had failed too."""
        ended = self.since is not None and self._failed_reads > 0
        self.since = None
        self._failed_reads = 0
        return ended

    def submit_answered(self) -> None:
        """A submit was answered: the outage is over, and failures are counted from zero."""
        self.since = None
        self._failures = self._failed_reads = 0

    def probe_in(self) -> float | None:
        """Seconds until a read is to be tried; ``None`` while Amazon can be reached."""
        if self.since is None:
            return None
        return max(0.0, (self._next_at - self._clock.now()).total_seconds())

    def clock_set_back(self, now: datetime) -> None:
        """The clock was set back to ``now``: the next probe is due."""
        self._next_at = min(self._next_at, now)
        if self.since is not None:
            self.since = min(self.since, now)
