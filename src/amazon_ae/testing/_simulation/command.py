"""``amazon-ae simulate``: the delays to expect for a load, and how the quota is spent."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from bisect import bisect_right
from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path
from time import perf_counter

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.feeds import ItemKind
from amazon_ae._progress import bar
from amazon_ae._scheduling.policy import FeedPolicy
from amazon_ae.testing._simulation.loads import Load, Processing
from amazon_ae.testing._simulation.trade import Delays, Trade, paper, simulate

__all__ = ["add_arguments", "main", "report", "run"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments; returns the exit code: 130 after Ctrl-C, 0 when the reader has left."""
    parser = argparse.ArgumentParser(prog="amazon-ae simulate")
    add_arguments(parser)
    return run(parser.parse_args(argv))


def run(options: argparse.Namespace) -> int:
    """Run the command with parsed options."""
    try:
        return _run(options)
    except ConfigurationError as error:
        print(f"amazon-ae simulate: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("amazon-ae simulate: stopped, nothing was written", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (`| head`) has left. The interpreter flushes once more at its exit: give it somewhere to write.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(options: argparse.Namespace) -> int:
    load = Load(
        packs_per_hour=options.packs_per_hour,
        changes_per_hour=options.changes_per_hour,
        skus=options.skus,
        burst_packs=options.burst_packs,
        burst_minutes=options.burst_minutes,
        burst_every_hours=options.burst_every,
        day_profile=options.day_profile,
        foreign_per_hour=options.foreign_per_hour,
    )
    median, p95 = options.processing
    processing = Processing(seconds=median, p95_seconds=p95, day_profile=options.processing_profile)
    policy = FeedPolicy() if options.stock_every is None else FeedPolicy.every(minutes=options.stock_every)
    if not 0 < options.hours < inf:
        raise ConfigurationError("--hours must be above 0")
    draw = None if options.plot is None else _painter(options.plot)
    market = paper
    if options.wire:
        from amazon_ae.testing._simulation.wire import wire

        market = wire
    began = perf_counter()
    with bar(options.hours, "h") as progress:
        trade = simulate(
            load,
            processing=processing,
            hours=options.hours,
            seed=options.seed,
            policy=policy,
            market=market,
            progress=progress,
        )
    print(report(trade, perf_counter() - began))
    if draw is not None:
        try:
            draw(trade)
        except OSError as error:
            print(f"amazon-ae simulate: --plot {options.plot}: {error.strerror or error}", file=sys.stderr)
            return 1
        print(f"plot: {options.plot}")
    sys.stdout.flush()  # a reader that has left is noticed here and not at the interpreter's exit
    return 0


def _painter(path: str) -> Callable[[Trade], None]:
    """Checked before days of trade are computed, so that a missing package or folder is reported at once."""
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
    polls = trade.requests.get("GetFeedSubmissionList", 0) / hours
    lines = [
        f"{trade.load}; processing {trade.processing}",
        f"{hours:g} h of trade in {seconds:.1f} s, seed {trade.seed}",
        "",
        f"{'seconds':28}{'count':>9}{'mean':>9}{'median':>9}{'p99':>9}{'longest':>9}",
        _row("pickups, asked to accepted", trade.pickups),
        _row("pickups, asked to outcome", trade.outcomes),
        _row("pickups, ended to outcome", trade.detection),
        _row("stock, changed to accepted", trade.stock),
        "",
        *(
            f"{kind.value:10}{len(sizes) / hours:8.1f} feeds an hour, {sum(sizes) / max(1, len(sizes)):.1f} items each"
            for kind, sizes in by_kind.items()
        ),
        f"{'quota':10}{len(trade.feeds) / hours:8.1f} of 30 slots an hour; the most in any hour: {_most(trade)}",
        f"{'polls':10}{polls:8.1f} of 80 an hour",
        f"{'throttled':10}{_refused(trade)}",
        f"{'waiting':10}{trade.waiting:8d} at the end",
    ]
    return "\n".join(lines)


def _row(name: str, delays: Delays) -> str:
    return f"{name:28}{delays.count:9d}{delays.mean:9.1f}{delays.median:9.1f}{delays.p99:9.1f}{delays.longest:9.1f}"


def _most(trade: Trade) -> int:
    instants = [at for at, _, _ in trade.feeds]
    return max((bisect_right(instants, at + 3600) - index for index, at in enumerate(instants)), default=0)


def _refused(trade: Trade) -> str:
    if not trade.refused:
        return f"{0:8d} requests"
    return "  ".join(f"{count} {action}" for action, count in sorted(trade.refused.items()))


def _profile(text: str) -> tuple[float, ...]:
    """``"8-18"``: these hours only; or 24 factors, one an hour."""
    try:
        if "," not in text:
            begin, end = (int(hour) for hour in text.split("-"))
            if not 0 <= begin < end <= 24:
                raise ValueError(text)
            return tuple(float(begin <= hour < end) for hour in range(24))
        factors = tuple(float(factor) for factor in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither FROM-TO (hours, 0 to 24) nor 24 factors") from None
    if len(factors) != 24:
        raise argparse.ArgumentTypeError(f"{len(factors)} factors, one an hour makes 24")
    return factors


def _seconds(text: str) -> tuple[float, float | None]:
    """``"300"`` for a fixed time, ``"300:900"`` for a median and a 95th percentile."""
    median, _, p95 = text.partition(":")
    try:
        return float(median), float(p95) if p95 else None
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither SECONDS nor MEDIAN:P95") from None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of the simulation."""
    parser.description = "Run the real scheduler over days of virtual trade and print the delays to expect."
    seller = parser.add_argument_group("the seller")
    seller.add_argument("--packs-per-hour", type=float, default=8.0, help="parcels packed, all day (default: 8)")
    seller.add_argument("--changes-per-hour", type=float, default=600.0, help="stock changes (default: 600)")
    seller.add_argument("--skus", type=int, default=5000, help="over so many SKUs (default: 5000)")
    seller.add_argument("--burst-packs", type=float, default=0.0, help="more parcels at the start of every burst hour")
    seller.add_argument("--burst-minutes", type=float, default=10.0, help="how long a burst takes (default: 10)")
    seller.add_argument(
        "--burst-every", type=float, metavar="HOURS", default=1.0, help="from burst to burst (default: 1)"
    )
    seller.add_argument(
        "--day-profile",
        type=_profile,
        default=(),
        metavar="PROFILE",
        help="hours in which parcels are packed, counted from the start (0-10), or 24 factors of --packs-per-hour",
    )
    amazon = parser.add_argument_group("Amazon")
    amazon.add_argument(
        "--processing",
        type=_seconds,
        default=(60.0, None),
        metavar="SECONDS[:P95]",
        help="how long a feed is processed: always, or in the median and at most in 95 of 100 (default: 60)",
    )
    amazon.add_argument(
        "--processing-profile", type=_profile, default=(), metavar="PROFILE", help="24 factors of --processing"
    )
    amazon.add_argument(
        "--foreign-per-hour", type=float, default=0.0, metavar="FEEDS", help="of another program (default: 0)"
    )
    parser.add_argument("--hours", type=float, default=48.0, help="of virtual trade (default: 48)")
    parser.add_argument("--seed", type=int, default=0, help="other arrivals for another seed (default: 0)")
    parser.add_argument(
        "--stock-every", type=float, metavar="MINUTES", default=None, help="one stock feed per so many minutes"
    )
    parser.add_argument("--wire", action="store_true", help="with the real client and FakeMws: slower, same decisions")
    parser.add_argument("--plot", metavar="FILE", default=None, help="draw quota, feeds and delays into a PNG or SVG")
