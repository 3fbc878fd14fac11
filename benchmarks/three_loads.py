"""The three-load table: what the default policy makes of thirty feeds an hour.

python benchmarks/three_loads.py                 # the real client against FakeMws, 48 h, 5 seeds: some minutes
python benchmarks/three_loads.py --paper         # gateways of a few lists instead: the same decisions, faster
python benchmarks/three_loads.py --policy flush  # the hourly flush, for comparison
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from statistics import fmean

from amazon_ae._scheduling.policy import FeedPolicy
from amazon_ae.testing._simulation import Load, Trade, simulate
from amazon_ae.testing._simulation.trade import paper
from amazon_ae.testing._simulation.wire import wire

LOADS = {
    "8 packs/h, 600 changes/h": Load(packs_per_hour=8, changes_per_hour=600),
    "60 packs/h, 6,000 changes/h": Load(packs_per_hour=60, changes_per_hour=6000),
    "200 in 10 min + 20/h, 6,000 changes/h": Load(packs_per_hour=20, changes_per_hour=6000, burst_packs=200),
}
POLICIES = {"default": FeedPolicy(), "every20": FeedPolicy.every(minutes=20), "flush": FeedPolicy.hourly_flush()}


def row(name: str, trades: Sequence[Trade]) -> str:
    """One line of the table, averaged over the seeds."""
    feeds = [len(trade.feeds) / trade.hours for trade in trades]
    p99 = fmean(trade.pickups.p99 for trade in trades)
    return (
        f"| {name} | {fmean(trade.pickups.mean for trade in trades):.1f} s | {p99:.0f} s"
        f" | {fmean(trade.stock.mean for trade in trades):.1f} s | {fmean(feeds):.1f}"
        f" | {sum(sum(trade.refused.values()) for trade in trades)} |"
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=48.0)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--paper", action="store_true")
    parser.add_argument("--policy", choices=POLICIES, default="default")
    options = parser.parse_args(argv)
    print("| load | pickups: mean | p99 | stock: mean | feeds an hour | requests throttled |")
    print("|---|---|---|---|---|---|")
    for name, load in LOADS.items():
        trades = [
            simulate(
                load,
                hours=options.hours,
                seed=seed,
                policy=POLICIES[options.policy],
                market=paper if options.paper else wire,
            )
            for seed in range(options.first_seed, options.first_seed + options.seeds)
        ]
        print(row(name, trades), flush=True)


if __name__ == "__main__":
    main()
