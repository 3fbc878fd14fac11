"""What one seed of the chaos simulator does, drawn from the seed alone."""

from __future__ import annotations

import random

import attrs

from amazon_ae.testing._faulty_network import NetworkFaults

__all__ = ["ChaosPlan"]


@attrs.frozen(kw_only=True)
class ChaosPlan:
    """What one seed does.

    Attributes:
        seed: decides everything below and every draw of the run.
        hours: of disaster; then everything is well for up to eight hours, in which all must be settled.
        hosts: processes on one storage.
        packs_per_hour, puts_per_hour: what is asked for.
        processing_seconds: median time in which Amazon processes a feed; feeds of one type run in sequence.
        faults: of the network.
        crashes_per_hour, freezes_per_hour: of each host.
        freeze_seconds: a freeze lasts at most this long.
        skews: each host's clock ahead of Amazon's, in seconds; Amazon's signature check admits 15 minutes.
        outages: (start, length) in seconds in which Amazon answers 503 or nothing.
        stuck: share of feeds that Amazon does not finish for a long time; ``cancelled``: share that it cancels.
        foreign_per_hour: feeds of another program that shares the quota.
        cancellations: share of orders that the buyer cancels before or after they are packed.
    """

    seed: int
    hours: float = 3.0
    hosts: int = 1
    packs_per_hour: float = 10.0
    puts_per_hour: float = 120.0
    processing_seconds: float = 60.0
    faults: NetworkFaults = attrs.field(factory=NetworkFaults)
    crashes_per_hour: float = 0.0
    freezes_per_hour: float = 0.0
    freeze_seconds: float = 900.0
    skews: tuple[float, ...] = (0.0,)
    outages: tuple[tuple[float, float], ...] = ()
    stuck: float = 0.0
    cancelled: float = 0.0
    foreign_per_hour: float = 0.0
    cancellations: float = 0.0

    @classmethod
    def draw(cls, seed: int) -> ChaosPlan:
        """A plan from a seed. About one in ten has no faults at all, so that bounds without an excuse are tried too."""
        rng = random.Random(f"plan {seed}")
        calm = rng.random() < 0.1
        hosts = rng.choice((1, 1, 2, 3))

        def some(limit: float, chance: float = 0.5) -> float:
            return rng.uniform(0, limit) if not calm and rng.random() < chance else 0.0

        outages = () if calm or rng.random() < 0.6 else ((rng.uniform(0, 7200), rng.uniform(60, 3000)),)
        skewed = not calm and rng.random() < 0.4
        return cls(
            seed=seed,
            hosts=hosts,
            packs_per_hour=rng.uniform(4, 30),
            puts_per_hour=rng.uniform(30, 300),
            processing_seconds=rng.choice((20.0, 60.0, 60.0, 180.0, 400.0)),
            faults=NetworkFaults(
                refused=some(0.08),
                unavailable=some(0.1),
                garbled=some(0.04),
                answer_lost=some(0.1),
                arrives_late=some(0.05),
            ),
            crashes_per_hour=some(4.0),
            freezes_per_hour=some(3.0, 0.35),
            skews=tuple(rng.uniform(-840, 840) if skewed else 0.0 for _ in range(hosts)),
            outages=outages,
            stuck=some(0.04, 0.25),
            cancelled=some(0.06, 0.3),
            foreign_per_hour=some(10.0, 0.25),
            cancellations=some(0.2, 0.3),
        )

    @property
    def calm(self) -> bool:
        """Whether nothing goes wrong at all: then delays have narrow bounds."""
        faults = self.faults
        lossy = faults.refused + faults.answer_lost + faults.arrives_late + faults.garbled + faults.unavailable
        disturbed = self.crashes_per_hour + self.freezes_per_hour + self.stuck + self.cancelled + self.foreign_per_hour
        return not (lossy or disturbed or self.outages or any(self.skews))
