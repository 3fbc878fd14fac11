"""Thirty days of trade on one SQLite file in virtual time: what grows, and what does not.

python benchmarks/bench_thirty_days.py [--days 30] [--folder DIR]

60 packs and 6,000 stock changes an hour, two processes with a scheduler and an order intake each, 5,000 SKUs at one
time of which a tenth is replaced every day. Stock is remembered for 5 days and pickups for 10, so that the last twenty
days show whether everything stays as it is. Real seconds are those of the machine; the file is best on a memory disk.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import tempfile
from datetime import timedelta
from pathlib import Path

from amazon_ae import ItemKind
from amazon_ae.testing._simulation import Day, Load, trade_for_days

LOAD = Load(packs_per_hour=60, changes_per_hour=6000, skus=5000)
RETENTION = {ItemKind.INVENTORY: timedelta(days=5), ItemKind.PICKUP: timedelta(days=10)}


def resident_bytes() -> int:
    """Memory of this process, the simulated marketplace included."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def percentile(values: list[float], part: float) -> float:
    """The value below which ``part`` of all lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


def show(day: Day) -> None:
    """One line of the table."""
    gc.collect()
    puts, outcomes = list(day.put_seconds), list(day.outcome_seconds)
    cells = [
        f"{day.day}",
        f"{day.file_bytes / 1e6:.1f} MB",
        f"{day.items:,}",
        f"{day.documents}, {day.document_bytes / 1e3:.0f} kB",
        f"{day.remembered}",
        f"{percentile(puts, 0.5) * 1000:.1f} ms",
        f"{percentile(outcomes, 0.5):.0f} / {percentile(outcomes, 0.99):.0f} s",
        f"{resident_bytes() / 1e6:.0f} MB",
    ]
    print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Print the table, a line as each day ends."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--folder", type=Path, help="where the file is made; a temporary folder by default")
    options = parser.parse_args()
    print(
        "| day | file | items | documents | order versions in memory | put of a minute's changes, p50 |"
        " pickup to outcome, p50 / p99 | memory |"
    )
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="amazon-ae-", dir=options.folder) as folder:
        path = Path(folder) / "store.db"
        asyncio.run(trade_for_days(path, LOAD, days=options.days, retention=RETENTION, on_day=show))


if __name__ == "__main__":
    main()
