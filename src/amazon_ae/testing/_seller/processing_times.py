"""How long Amazon processes feeds, drawn feed by feed and different by the hour of the day."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from datetime import UTC, tzinfo
from typing import Final

import attrs

from amazon_ae.testing._seller.feed_queues import QueuedFeed

__all__ = ["ProcessingTimes"]

_P95: Final = 1.6449  # standard deviations from the median of a normal distribution to its 95th percentile


@attrs.define(kw_only=True)
class ProcessingTimes:
    """Processing times for ``FakeMws(processing_seconds=...)`` and ``FakeSpApi(processing_seconds=...)``::

        FakeMws(clock=clock, processing_seconds=ProcessingTimes(median=60, p95=180, by_hour={9: 300, 20: 60}))

    Args:
        median: seconds.
        p95: nineteen of twenty feeds take less; the times are lognormal. ``None``: every feed takes the median.
        by_hour: other medians from an hour of the day on, until the next hour listed; the last one lasts over midnight.
        zone: whose hours.
        seed: equal seeds draw equal times.
    """

    median: float = 60.0
    p95: float | None = None
    by_hour: Mapping[int, float] = attrs.field(factory=dict)
    zone: tzinfo = UTC
    seed: int = 0
    _chance: random.Random = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._chance = random.Random(self.seed)  # draws a test's times, protects nothing

    def __call__(self, feed: QueuedFeed) -> float:
        """The seconds for this feed, by the instant at which its processing starts."""
        hour = (feed.starts_at or feed.submitted_at).astimezone(self.zone).hour
        median = self._median_at(hour)
        if self.p95 is None:
            return median
        return median * math.exp(self._chance.gauss(0.0, math.log(self.p95 / self.median) / _P95))

    def _median_at(self, hour: int) -> float:
        if not self.by_hour:
            return self.median
        begun = [start for start in sorted(self.by_hour) if start <= hour]
        return self.by_hour[begun[-1] if begun else max(self.by_hour)]
