"""Draws a simulated trade: the quota, the feeds and the percentiles of delays over time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from amazon_ae._models.feeds import ItemKind
from amazon_ae.testing._simulation.trade import Trade

__all__ = ["draw", "percentiles"]

_HOUR = 3600.0
_PICKUP, _STOCK = "#b8431f", "#1f5fb8"
# About so many intervals over the picture, none shorter than a quarter of an hour.
_INTERVALS = 48
_SHORTEST = 900.0


def draw(trade: Trade, path: str) -> None:
    """Write the picture; the ending of ``path`` chooses the format."""
    figure = Figure(figsize=(12, 11), layout="constrained")
    FigureCanvasAgg(figure)
    quota, feeds, pickups, stock = figure.subplots(4, 1, sharex=True)
    instants = [at for at, _, _ in trade.feeds]

    grid = [step * 60.0 for step in range(int(trade.hours * 60) + 1)]
    used = [bisect_right(instants, at) - bisect_left(instants, at - _HOUR) for at in grid]
    quota.step([at / _HOUR for at in grid], used, where="post", color="#444444")
    quota.axhline(30, color="#999999", linestyle="--", linewidth=1)
    quota.set_ylim(0, 32)
    quota.set_ylabel("feeds in the last hour")

    for kind, colour, label in ((ItemKind.PICKUP, _PICKUP, "pickups"), (ItemKind.INVENTORY, _STOCK, "stock")):
        mine = [(at / _HOUR, size) for at, its, size in trade.feeds if its is kind]
        feeds.scatter([at for at, _ in mine], [size for _, size in mine], s=6, color=colour, label=label)
    feeds.set_yscale("log")
    feeds.set_ylabel("items in the feed")
    feeds.legend(loc="upper right")

    seconds = trade.hours * _HOUR
    _bands(pickups, trade.outcome_delays, seconds, _PICKUP, "pickups: asked to outcome, s")
    _bands(stock, trade.stock_delays, seconds, _STOCK, "stock: changed to accepted, s")
    stock.set_xlabel("hours")
    figure.suptitle(f"{trade.load}; processing {trade.processing}; seed {trade.seed}")
    figure.savefig(path, dpi=120)


def percentiles(
    points: Sequence[tuple[float, float]], seconds: float, shares: Sequence[float]
) -> list[tuple[float, list[float]]]:
    """Percentiles of the delays in each interval of time: (middle of the interval, one value a share).

    Args:
        points: (seconds from the start, delay), in any order.
        seconds: how long the trade took; it is cut into about 48 intervals, none shorter than a quarter of an hour.
        shares: which percentiles, from 0 to 1. Intervals without a point are left out.
    """
    width = max(_SHORTEST, seconds / _INTERVALS)
    intervals: dict[int, list[float]] = {}
    for at, delay in points:
        intervals.setdefault(int(at // width), []).append(delay)
    found = []
    for number, delays in sorted(intervals.items()):
        delays.sort()
        values = [delays[min(len(delays) - 1, int(len(delays) * share))] for share in shares]
        found.append(((number + 0.5) * width, values))
    return found


def _bands(axes: Axes, points: Sequence[tuple[float, float]], seconds: float, colour: str, label: str) -> None:
    rows = percentiles(points, seconds, (0.25, 0.5, 0.75, 0.99))
    at = [middle / _HOUR for middle, _ in rows]
    low, median, high, top = ([values[number] for _, values in rows] for number in range(4))
    axes.fill_between(at, low, high, color=colour, alpha=0.25, linewidth=0, label="half of them")
    axes.plot(at, median, color=colour, linewidth=1.5, label="median")
    axes.plot(at, top, color=colour, linewidth=0.8, linestyle=":", label="99th percentile")
    axes.set_ylim(bottom=0)
    axes.set_ylabel(label)
    axes.legend(loc="upper right", ncols=3)
