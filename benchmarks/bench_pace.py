"""What the default policy makes of thirty feeds an hour, on virtual time.

python benchmarks/bench_pace.py                 # everything, some minutes
python benchmarks/bench_pace.py loads           # eight loads, 48 h, ten seeds
python benchmarks/bench_pace.py loads --wire    # with the real client against FakeMws: the same decisions, slower
python benchmarks/bench_pace.py processing      # feeds that take up to 15 minutes each, 12 h
python benchmarks/bench_pace.py drawn           # processing drawn and changing by day, beside a scheduler that is told
python benchmarks/bench_pace.py ablation        # what each rule of the policy buys
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from statistics import fmean
from typing import Final

import attrs

from amazon_ae._scheduling.policy import FeedPolicy
from amazon_ae.testing._simulation import Load, Trade, simulate
from amazon_ae.testing._simulation.loads import Processing
from amazon_ae.testing._simulation.trade import paper
from amazon_ae.testing._simulation.wire import wire

_OFFICE: Final = (1.0,) * 10 + (0.0,) * 14
LOADS: Final[Mapping[str, Load]] = {
    "8 packs/h, 600 changes/h": Load(packs_per_hour=8, changes_per_hour=600),
    "60 packs/h, 6,000 changes/h": Load(packs_per_hour=60, changes_per_hour=6000),
    "200 in 10 min of each hour + 20/h, 6,000": Load(packs_per_hour=20, changes_per_hour=6000, burst_packs=200),
    "10 packs in 2 min each half hour, 800": Load(
        packs_per_hour=0, changes_per_hour=800, burst_packs=10, burst_minutes=2, burst_every_hours=0.5
    ),
    "200 packs in 5 min once a day, 600": Load(
        packs_per_hour=0, changes_per_hour=600, burst_packs=200, burst_minutes=5, burst_every_hours=24
    ),
    "1 pack/h, 600": Load(packs_per_hour=1, changes_per_hour=600),
    "25 packs/h for 10 h, quiet nights, 600": Load(packs_per_hour=25, changes_per_hour=600, day_profile=_OFFICE),
    "8 packs/h + another program's 10 feeds/h, 600": Load(packs_per_hour=8, changes_per_hour=600, foreign_per_hour=10),
}
ABLATIONS: Final[Mapping[str, FeedPolicy]] = {
    "as it is": FeedPolicy(),
    "no spacing of prompt feeds": FeedPolicy(prompt_spacing=0.0),
    "spacing from the first feed on": FeedPolicy(quiet_share=0.0),
    "spacing without regard to the queue": FeedPolicy(queue_exponent=0.0),
    "old feeds weigh as much as fresh ones": FeedPolicy(freshness=0.0),
    "no spare slots": FeedPolicy(spare_slots=0.0),
    "another program's feeds weigh as ours": FeedPolicy(foreign_weight=1.0),
}
_SPREAD: Final = (1.0,) * 6 + (5.0,) * 6 + (2.0,) * 12


@attrs.frozen
class Case:
    """One simulation of a table."""

    load: Load
    seed: int
    hours: float = 48.0
    processing: Processing = attrs.field(factory=Processing)
    policy: FeedPolicy = attrs.field(factory=FeedPolicy)
    real_client: bool = False
    told: bool = False

    def play(self) -> Trade:
        """Perform it."""
        return simulate(
            self.load,
            hours=self.hours,
            seed=self.seed,
            processing=self.processing,
            policy=self.policy,
            market=wire if self.real_client else paper,
            told=self.told,
        )


def play(case: Case) -> Trade:
    """``Case.play``, for other processes."""
    return case.play()


def loads(pool: ProcessPoolExecutor, seeds: Sequence[int], real_client: bool) -> None:
    """Eight loads: seconds from asking to Amazon's acceptance, 60 s of processing."""
    print(
        "| load | pickups: mean | p99 | stock: mean | feeds an hour | requests throttled |\n|---|---|---|---|---|---|"
    )
    for name, load in LOADS.items():
        trades = list(pool.map(play, [Case(load, seed, real_client=real_client) for seed in seeds]))
        print(
            f"| {name} | {fmean(trade.pickups.mean for trade in trades):.1f}"
            f" | {fmean(trade.pickups.p99 for trade in trades):.0f}"
            f" | {fmean(trade.stock.mean for trade in trades):.1f}"
            f" | {fmean(len(trade.feeds) / trade.hours for trade in trades):.1f}"
            f" | {sum(sum(trade.refused.values()) for trade in trades)} |",
            flush=True,
        )


def processing(pool: ProcessPoolExecutor, seeds: Sequence[int]) -> None:
    """Minutes from asking to the outcome where feeds take long; 12 h."""
    print("| processing, packs/h | mean | p99 | notices the end after | polls an hour |\n|---|---|---|---|---|")
    for seconds, packs in ((60, 20), (240, 20), (300, 20), (600, 8), (600, 20), (900, 20)):
        load = Load(packs_per_hour=packs, changes_per_hour=600)
        cases = [Case(load, seed, hours=12.0, processing=Processing(seconds=seconds)) for seed in seeds]
        trades = list(pool.map(play, cases))
        polls = max(trade.requests.get("GetFeedSubmissionList", 0) / trade.hours for trade in trades)
        print(
            f"| {seconds} s, {packs} | {fmean(trade.outcomes.mean for trade in trades) / 60:.1f}"
            f" | {fmean(trade.outcomes.p99 for trade in trades) / 60:.1f}"
            f" | {fmean(trade.detection.mean for trade in trades):.0f} s | {polls:.0f} |",
            flush=True,
        )


def drawn(pool: ProcessPoolExecutor, seeds: Sequence[int]) -> None:
    """Processing drawn per feed and changing over the day, beside the same scheduler told of each end; 24 h."""
    times = {
        "median 60 s, p95 180 s": Processing(seconds=60, p95_seconds=180),
        "median 300 s, p95 900 s": Processing(seconds=300, p95_seconds=900),
        "60 s, 300 s for six hours, 120 s": Processing(seconds=60, day_profile=_SPREAD),
    }
    print("| processing | packs/h | minutes to the outcome | told of each end | ratio | notices the end after |")
    print("|---|---|---|---|---|---|")
    for name, time in times.items():
        for packs in (8, 20):
            load = Load(packs_per_hour=packs, changes_per_hour=600)
            cases = [Case(load, seed, hours=24.0, processing=time) for seed in seeds]
            trades = list(pool.map(play, cases))
            told = list(pool.map(play, [attrs.evolve(case, told=True) for case in cases]))
            found = fmean(trade.outcomes.mean for trade in trades) / 60
            best = fmean(trade.outcomes.mean for trade in told) / 60
            notice = fmean(trade.detection.mean for trade in trades)
            print(f"| {name} | {packs} | {found:.2f} | {best:.2f} | {found / best:.2f} | {notice:.0f} s |", flush=True)


def ablation(pool: ProcessPoolExecutor, seeds: Sequence[int]) -> None:
    """Pickups' mean / p99 and stock's mean, in seconds, without one rule each."""
    print(f"| rule left out | {' | '.join(LOADS)} |\n|{'---|' * (len(LOADS) + 1)}")
    for name, policy in ABLATIONS.items():
        cells = []
        for load in LOADS.values():
            trades = list(pool.map(play, [Case(load, seed, policy=policy) for seed in seeds]))
            mean, p99 = fmean(each.pickups.mean for each in trades), fmean(each.pickups.p99 for each in trades)
            cells.append(f"{mean:.1f} / {p99:.0f}; {fmean(each.stock.mean for each in trades):.0f}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", nargs="?", choices=("loads", "processing", "drawn", "ablation"))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--wire", action="store_true")
    options = parser.parse_args(argv)
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    with ProcessPoolExecutor() as pool:
        if options.table in (None, "loads"):
            loads(pool, seeds, options.wire)
        if options.table in (None, "processing"):
            processing(pool, seeds)
        if options.table in (None, "drawn"):
            drawn(pool, seeds)
        if options.table in (None, "ablation"):
            ablation(pool, seeds)


if __name__ == "__main__":
    main()
