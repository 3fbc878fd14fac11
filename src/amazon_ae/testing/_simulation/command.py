"""``amazon-ae simulate``: the delays to expect for a load, and how the quota is spent."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path
from time import perf_counter

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.feeds import ItemKind
from amazon_ae._scheduling.policy import FeedPolicy
from amazon_ae.testing._simulation.loads import Load
from amazon_ae.testing._simulation.trade import Delays, Trade, paper, simulate

__all__ = ["main", "report"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments; returns the exit code."""
    options = _parser().parse_args(argv)
    try:
        load = Load(
            packs_per_hour=options.packs_per_hour,
            changes_per_hour=options.changes_per_hour,
            skus=options.skus,
            burst_packs=options.burst_packs,
            burst_minutes=options.burst_minutes,
        )
        policy = FeedPolicy() if options.stock_every is None else FeedPolicy.every(minutes=options.stock_every)
        if not 0 < options.hours < inf:
            raise ConfigurationError("--hours must be above 0")
        draw = None if options.plot is None else _painter(options.plot)
    except ConfigurationError as error:
        print(f"amazon-ae simulate: {error}", file=sys.stderr)
        return 2
    market = paper
    if options.wire:
        from amazon_ae.testing._simulation.wire import wire

        market = wire
    began = perf_counter()
    trade = simulate(load, hours=options.hours, seed=options.seed, policy=policy, market=market)
    print(report(trade, perf_counter() - began))
    if draw is not None:
        try:
            draw(trade)
        except OSError as error:
            print(f"amazon-ae simulate: --plot {options.plot}: {error.strerror or error}", file=sys.stderr)
            return 1
        print(f"plot: {options.plot}")
    return 0


def _painter(path: str) -> Callable[[Trade], None]:
    """Looked for before days of trade are computed, so that a missing package or folder costs nobody the wait."""
    if Path(path).suffix.lower() not in (".png", ".svg"):
        raise ConfigurationError(f"--plot {path}: the name must end in .png or .svg")
    if not Path(path).parent.is_dir():
        raise ConfigurationError(f"--plot {path}: there is no folder {Path(path).parent}")
    try:
        from amazon_ae.testing._simulation.plot import draw
    except ImportError as error:
        raise ConfigurationError(f"{error.name} is missing: pip install 'amazon-ae[plot]'") from None
    return lambda trade: draw(trade, path)


def report(trade: Trade, seconds: float) -> str:
    """What the command prints."""
    hours = trade.hours
    by_kind = {kind: [size for _, its, size in trade.feeds if its is kind] for kind in ItemKind}
    lines = [
        f"{hours:g} h of trade in {seconds:.1f} s, seed {trade.seed}",
        "",
        f"{'':10}{'count':>9}{'mean':>9}{'median':>9}{'p99':>9}{'longest':>9}   (seconds from asking to acceptance)",
        _row("pickups", trade.pickups),
        _row("stock", trade.stock),
        "",
        *(
            f"{kind.value:10}{len(sizes) / hours:8.1f} feeds an hour, {sum(sizes) / max(1, len(sizes)):.1f} items each"
            for kind, sizes in by_kind.items()
        ),
        f"{'quota':10}{len(trade.feeds) / hours:8.1f} of 30 places an hour; the most in any hour: {_most(trade)}",
        f"{'throttled':10}{_refused(trade)}",
        f"{'waiting':10}{trade.waiting:8d} at the end",
    ]
    return "\n".join(lines)


def _row(name: str, delays: Delays) -> str:
    return f"{name:10}{delays.count:9d}{delays.mean:9.1f}{delays.median:9.1f}{delays.p99:9.1f}{delays.longest:9.1f}"


def _most(trade: Trade) -> int:
    instants = [at for at, _, _ in trade.feeds]
    return max(
        (sum(at <= other <= at + 3600 for other in instants[index:]) for index, at in enumerate(instants)), default=0
    )


def _refused(trade: Trade) -> str:
    if not trade.refused:
        return f"{0:8d} requests"
    return "  ".join(f"{count} {action}" for action, count in sorted(trade.refused.items()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="amazon-ae simulate",
        description="Run the real scheduler over days of virtual trade and print the delays to expect.",
    )
    parser.add_argument("--packs-per-hour", type=float, default=8.0, help="parcels packed, all day (default: 8)")
    parser.add_argument("--changes-per-hour", type=float, default=600.0, help="stock changes (default: 600)")
    parser.add_argument("--skus", type=int, default=5000, help="over so many SKUs (default: 5000)")
    parser.add_argument("--burst-packs", type=float, default=0.0, help="more parcels at the start of every hour")
    parser.add_argument("--burst-minutes", type=float, default=10.0, help="how long that burst takes (default: 10)")
    parser.add_argument("--hours", type=float, default=48.0, help="of virtual trade (default: 48)")
    parser.add_argument("--seed", type=int, default=0, help="other arrivals for another seed (default: 0)")
    parser.add_argument(
        "--stock-every", type=float, metavar="MINUTES", default=None, help="one stock feed per so many minutes"
    )
    parser.add_argument("--wire", action="store_true", help="with the real client and FakeMws: slower, same decisions")
    parser.add_argument("--plot", metavar="FILE", default=None, help="draw quota, feeds and delays into a PNG or SVG")
    return parser
