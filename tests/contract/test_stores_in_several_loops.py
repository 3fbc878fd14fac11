"""One store object over several ``asyncio.run``. (PostgresStorage refuses: see test_postgres_pool.)"""

from __future__ import annotations

import asyncio
from pathlib import Path
from threading import Thread

from amazon_ae import (
    Change,
    ItemKind,
    ItemState,
    MemoryStorage,
    SQLiteStorage,
    Storage,
)

ACCOUNT, KIND = "A1LOOPS/AE", ItemKind.INVENTORY


async def use(storage: Storage, quantity: int) -> str:
    """Write, watch, and read back."""
    undo = storage.watch(ACCOUNT, lambda: None)
    await storage.put(ACCOUNT, KIND, [Change("SKU", f'{{"quantity":{quantity}}}')])
    item = await storage.item(ACCOUNT, KIND, "SKU")
    undo()
    assert item is not None
    assert item.state is ItemState.WAITING
    return item.value


def check(storage: Storage) -> None:
    """Three loops, one after the other, then closing in a fourth."""
    for quantity in (1, 2, 3):
        assert asyncio.run(use(storage, quantity)) == f'{{"quantity":{quantity}}}'
    asyncio.run(storage.aclose())
    asyncio.run(storage.aclose())


def test_memory() -> None:
    """No connection to belong to a loop."""
    check(MemoryStorage())


def test_sqlite(tmp_path: Path) -> None:
    """Its threads belong to no loop."""
    check(SQLiteStorage(tmp_path / "loops.db"))


def test_sqlite_in_two_threads_at_once(tmp_path: Path) -> None:
    """Two loops share one object."""
    storage = SQLiteStorage(tmp_path / "loops.db")
    threads = [Thread(target=lambda n=n: asyncio.run(use(storage, n))) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    asyncio.run(storage.aclose())
