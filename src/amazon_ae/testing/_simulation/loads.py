"""What a simulated seller does, and how fast the simulated Amazon is: plain values, arrivals drawn from a seed."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from statistics import NormalDist
from typing import Final

import attrs

from amazon_ae._exceptions import ConfigurationError

__all__ = ["Load", "Processing", "change_instants", "foreign_instants", "pack_instants"]

_HOUR: Final = 3600.0
_P95: Final = NormalDist().inv_cdf(0.95)


def _check_profile(profile: tuple[float, ...]) -> None:
    if len(profile) not in (0, 24) or any(not 0 <= factor < math.inf for factor in profile):
        raise ConfigurationError("a day profile has 24 factors, one an hour, none below 0")


@attrs.frozen(kw_only=True)
class Load:
    """What a seller does in an hour; arrivals are Poisson.

    Attributes:
        packs_per_hour: parcels packed, all day.
        changes_per_hour: stock changes.
        skus: over so many SKUs.
        burst_packs: more parcels, in the first ``burst_minutes`` of every ``burst_every_hours``.
        burst_minutes: how long such a burst takes.
        burst_every_hours: from one burst to the next.
        day_profile: 24 factors of ``packs_per_hour``, one for each hour from the start on, every day; empty for 1.
        foreign_per_hour: feeds that another program submits for the same seller.
    """

    packs_per_hour: float
    changes_per_hour: float
    skus: int = 5000
    burst_packs: float = 0.0
    burst_minutes: float = 10.0
    burst_every_hours: float = 1.0
    day_profile: tuple[float, ...] = ()
    foreign_per_hour: float = 0.0

    def __attrs_post_init__(self) -> None:
        rates = (self.packs_per_hour, self.changes_per_hour, self.burst_packs, self.foreign_per_hour)
        if any(not 0 <= rate < math.inf for rate in rates) or self.skus < 1:
            raise ConfigurationError("rates must be at least 0, and there must be a SKU")
        if not 0 < self.burst_every_hours < math.inf or not 0 < self.burst_minutes <= self.burst_every_hours * 60:
            raise ConfigurationError("burst_minutes must be above 0 and at most burst_every_hours")
        _check_profile(self.day_profile)

    def pack_rate(self, at: float) -> float:
        """Parcels an hour, so many seconds from the start."""
        factor = self.day_profile[int(at // _HOUR) % 24] if self.day_profile else 1.0
        rate = self.packs_per_hour * factor
        in_burst = at % (self.burst_every_hours * _HOUR) < self.burst_minutes * 60.0
        return rate + (self.burst_packs * 60.0 / self.burst_minutes if in_burst else 0.0)

    def __str__(self) -> str:
        parts = [f"{self.packs_per_hour:g} packs/h"]
        if self.burst_packs:
            parts.append(
                f"{self.burst_packs:g} in {self.burst_minutes:g} min every {self.burst_every_hours:g} h"
                if self.burst_every_hours != 1
                else f"{self.burst_packs:g} in {self.burst_minutes:g} min of every hour"
            )
        if self.day_profile:
            parts.append("day profile")
        if self.foreign_per_hour:
            parts.append(f"{self.foreign_per_hour:g} foreign feeds/h")
        return f"{' + '.join(parts)}, {self.changes_per_hour:,g} changes/h"


@attrs.frozen(kw_only=True)
class Processing:
    """How long Amazon processes a feed; feeds of one type are processed one after another.

    Attributes:
        seconds: the median, or every feed's time without ``p95_seconds``.
        p95_seconds: 95 of 100 feeds take at most this long (lognormal); ``None`` for a fixed time.
        day_profile: 24 factors of both, one for each hour from the start on, every day; empty for 1.
    """

    seconds: float = 60.0
    p95_seconds: float | None = None
    day_profile: tuple[float, ...] = ()

    def __attrs_post_init__(self) -> None:
        p95 = self.seconds if self.p95_seconds is None else self.p95_seconds
        if not 0 < self.seconds <= p95 < math.inf:
            raise ConfigurationError("processing takes more than 0 s, and its 95th percentile is no shorter")
        _check_profile(self.day_profile)

    def draw(self, at: float, rng: random.Random) -> float:
        """The time of a feed whose processing begins so many seconds from the start."""
        seconds = self.seconds * (self.day_profile[int(at // _HOUR) % 24] if self.day_profile else 1.0)
        if self.p95_seconds is None:
            return seconds
        return seconds * math.exp(rng.gauss(0.0, math.log(self.p95_seconds / self.seconds) / _P95))

    def __str__(self) -> str:
        spread = "" if self.p95_seconds is None else f", p95 {self.p95_seconds:g} s"
        return f"{self.seconds:g} s{spread}{', day profile' if self.day_profile else ''}"


def pack_instants(load: Load, seconds: float, rng: random.Random) -> Iterator[float]:
    """When parcels are packed, seconds from the start."""
    peak = load.packs_per_hour * max(load.day_profile, default=1.0) + load.burst_packs * 60.0 / load.burst_minutes
    at = 0.0
    while peak > 0:
        at += rng.expovariate(peak / _HOUR)
        if at >= seconds:
            return
        if rng.random() * peak < load.pack_rate(at):
            yield at


def change_instants(load: Load, seconds: float, rng: random.Random) -> Iterator[float]:
    """When stock changes, seconds from the start."""
    return _even(load.changes_per_hour, seconds, rng)


def foreign_instants(load: Load, seconds: float, rng: random.Random) -> Iterator[float]:
    """When another program submits a feed, seconds from the start."""
    return _even(load.foreign_per_hour, seconds, rng)


def _even(per_hour: float, seconds: float, rng: random.Random) -> Iterator[float]:
    at = 0.0
    while per_hour > 0:
        at += rng.expovariate(per_hour / _HOUR)
        if at >= seconds:
            return
        yield at
