"""What several unit tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.rows import dict_row

from amazon_ae._storage.sqlite.store import SQLiteStorage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of ``store``."""
    return tmp_path / "store.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SQLiteStorage]:
    """An SQLite store with little patience."""
    async with SQLiteStorage(path, busy_seconds=0.2) as opened:
        yield opened


@pytest.fixture
async def host(postgres_uri: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """The host's own connection, with row and transaction habits of its own."""
    async with await psycopg.AsyncConnection.connect(postgres_uri, row_factory=dict_row) as connection:
        await connection.execute("CREATE TABLE IF NOT EXISTS parcels (id text PRIMARY KEY)")
        await connection.commit()
        yield connection
