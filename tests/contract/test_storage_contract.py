"""One contract over every store of the library."""

from __future__ import annotations

import pytest

from amazon_ae.storage.memory import MemoryStorage
from amazon_ae.testing.storage_contract import STORAGE_CHECKS, StorageTrial


@pytest.mark.parametrize("check", STORAGE_CHECKS, ids=lambda check: check.__name__)
async def test_memory_storage(check) -> None:
    """``MemoryStorage`` keeps the contract."""
    stores: list[MemoryStorage] = []

    def make(clock) -> MemoryStorage:
        if not stores:
            stores.append(MemoryStorage(clock=clock))
        return stores[0]

    await check(StorageTrial(make, shared=False))
