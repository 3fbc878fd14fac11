"""``python -m amazon_ae.testing._simulation.chaos_command``: many chaos seeds on all cores, and each broken promise.

A failure prints the seed; ``--first SEED --seeds 1`` plays it again, on memory and on SQLite exactly. ``--journal``
shows everything that happened.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from amazon_ae._progress import bar
from amazon_ae.testing._clocks import VirtualClock
from amazon_ae.testing._simulation.chaos import ChaosReport, run_chaos
from amazon_ae.testing._simulation.chaos_plan import ChaosPlan

__all__ = ["main", "play", "without_logs"]


def play(seed: int, *, store: str = "memory", postgres: str = "") -> ChaosReport:
    """Play one seed on a fresh storage: ``memory``, ``sqlite`` or ``postgres`` (at the address ``postgres``)."""
    plan = ChaosPlan.draw(seed)
    with without_logs(), tempfile.TemporaryDirectory(prefix="amazon-ae-chaos-") as folder:
        if store == "memory":
            return run_chaos(plan)
        if store == "postgres":
            return run_chaos(plan, _postgres(postgres, f"chaos_{seed}_{uuid.uuid4().hex[:8]}"))
        return run_chaos(plan, _sqlite(Path(folder) / "chaos.sqlite"))


@contextmanager
def without_logs() -> Iterator[None]:
    """Nothing is logged in this block: thousands of faults on purpose are no news."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def _sqlite(path: Path) -> Callable[[VirtualClock], Any]:
    from amazon_ae._storage.sqlite.store import SQLiteStorage

    return lambda clock: SQLiteStorage(path, clock=clock, watch_seconds=None)


def _postgres(uri: str, schema: str) -> Callable[[VirtualClock], Any]:
    from amazon_ae._storage.postgres.store import PostgresStorage

    return lambda clock: PostgresStorage(uri, clock=clock, schema=schema)


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the seeds; 0 if every promise held in all of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=100, help="how many (default: 100)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--store", choices=("memory", "sqlite", "postgres"), default="memory")
    parser.add_argument("--postgres", default="", metavar="URI", help="of the server, for --store postgres")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)")
    parser.add_argument("--traces", action="store_true", help="print a digest of what happened in each seed")
    parser.add_argument("--journal", action="store_true", help="print what happened, line by line")
    options = parser.parse_args(arguments)
    seeds = range(options.first, options.first + options.seeds)
    counts: Counter[str] = Counter()
    broken = 0
    with ProcessPoolExecutor(options.jobs) as pool, bar(options.seeds, "seeds") as progress:
        played = pool.map(partial(play, store=options.store, postgres=options.postgres), seeds)
        for done, report in enumerate(played, start=1):
            if progress is not None:
                progress(done)
            counts.update(report.counts)
            if options.traces:
                print(f"seed {report.plan.seed} trace {report.trace}", flush=True)
            if options.journal:
                print(*report.journal, sep="\n")
            if report.violations:
                broken += 1
                print(f"seed {report.plan.seed}: {report.plan}")
                print(*(f"    {line}" for line in report.violations), sep="\n", flush=True)
    print(f"{options.seeds} seeds on {options.store}, {broken} broken; {dict(sorted(counts.items()))}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
