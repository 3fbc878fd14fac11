"""Draws a simulated trade: the quota, the feeds and the delays over time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from amazon_ae._models.feeds import ItemKind
from amazon_ae.testing._simulation.trade import Trade

__all__ = ["draw"]

_HOUR = 3600.0
_PICKUP, _STOCK = "#b8431f", "#1f5fb8"
_MOST_POINTS = 20_000


def draw(trade: Trade, path: str) -> None:
    """Write the picture; the ending of ``path`` chooses the format."""
    figure = Figure(figsize=(12, 9), layout="constrained")
    FigureCanvasAgg(figure)
    quota, feeds, delays = figure.subplots(3, 1, sharex=True)
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

    for points, colour, label in (
        (trade.stock_delays, _STOCK, f"stock, mean {trade.stock.mean:.0f} s"),
        (trade.pickup_delays, _PICKUP, f"pickups, mean {trade.pickups.mean:.0f} s, p99 {trade.pickups.p99:.0f} s"),
    ):
        shown = points[:: max(1, len(points) // _MOST_POINTS)]
        delays.scatter([at / _HOUR for at, _ in shown], [delay for _, delay in shown], s=2, color=colour, label=label)
    delays.set_ylabel("delay, s")
    delays.set_xlabel("hours")
    delays.legend(loc="upper right", markerscale=4)

    load = trade.load
    burst = f" + {load.burst_packs:g} in {load.burst_minutes:g} min of every hour" if load.burst_packs else ""
    figure.suptitle(f"{load.packs_per_hour:g} packs/h{burst}, {load.changes_per_hour:g} changes/h, seed {trade.seed}")
    figure.savefig(path, dpi=120)
