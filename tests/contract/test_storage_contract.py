"""One contract over every store of the library."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from amazon_ae.storage.memory import MemoryStorage
from amazon_ae.storage.sqlite import SQLiteStorage
from amazon_ae.testing.storage_contract import STORAGE_CHECKS, StorageTrial

if TYPE_CHECKING:
    from pathlib import Path

every_check = pytest.mark.parametrize("check", STORAGE_CHECKS, ids=lambda check: check.__name__)


@every_check
async def test_memory_storage(check) -> None:
    """``MemoryStorage`` keeps the contract."""
    stores: list[MemoryStorage] = []

    def make(clock) -> MemoryStorage:
        if not stores:
            stores.append(MemoryStorage(clock=clock))
        return stores[0]

    await check(StorageTrial(make, shared=False))


@every_check
async def test_sqlite_storage(check, tmp_path: Path) -> None:
    """``SQLiteStorage`` keeps the contract."""
    await check(StorageTrial(lambda clock: SQLiteStorage(tmp_path / "store.db", clock=clock)))
