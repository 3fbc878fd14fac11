"""What the tests of ``SQLiteStorage`` share: short verbs, the host's own connection, scripts in processes."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

from amazon_ae._models.feeds import ItemKind
from amazon_ae._models.stored import Change, Receipt
from amazon_ae._storage.sqlite.store import SQLiteStorage

__all__ = ["ACCOUNT", "KIND", "heard", "host", "keys", "put", "run_script", "turns_of_the_loop"]

ACCOUNT = "A1SELLER/AE"
KIND = ItemKind.INVENTORY


async def put(
    store: SQLiteStorage, *keys: str, value: str = "1", connection: sqlite3.Connection | None = None
) -> list[Receipt]:
    """Put one value under some keys."""
    return list(await store.put(ACCOUNT, KIND, [Change(key, value) for key in keys], connection=connection))


async def keys(store: SQLiteStorage) -> list[str]:
    """The keys that wait."""
    return sorted(item.key for item in await store.waiting(ACCOUNT, KIND, limit=100_000))


def host(path: Path | str, **options: Any) -> sqlite3.Connection:
    """The host's own connection."""
    connection: sqlite3.Connection = sqlite3.connect(path, **options)
    return connection


async def turns_of_the_loop() -> None:
    """Let the loop turn a thousand times: some milliseconds in which threads get on, too."""
    for _ in range(1_000):
        await asyncio.sleep(0)


def run_script(script: str, *arguments: str) -> str:
    """Run a Python script in a process of its own; its output."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *arguments], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def heard(event: threading.Event) -> bool:
    """Whether it was set within ten real seconds; the loop runs meanwhile."""
    return await asyncio.get_running_loop().run_in_executor(None, event.wait, 10)
