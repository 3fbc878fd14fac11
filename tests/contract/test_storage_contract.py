"""One contract over every store of the library."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING

import psycopg
import pytest

from amazon_ae._ports import Clock
from amazon_ae._storage.memory import MemoryStorage
from amazon_ae._storage.postgres.store import PostgresStorage
from amazon_ae._storage.sqlite.store import SQLiteStorage
from amazon_ae.testing._storage_contract import STORAGE_CHECKS, StorageTrial

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

Check = Callable[[StorageTrial], Awaitable[None]]
every_check = pytest.mark.parametrize("check", STORAGE_CHECKS, ids=lambda check: check.__name__)


@every_check
async def test_memory_storage(check: Check) -> None:
    """``MemoryStorage`` keeps the contract."""
    stores: list[MemoryStorage] = []

    def make(clock: Clock) -> MemoryStorage:
        if not stores:
            stores.append(MemoryStorage(clock=clock))
        return stores[0]

    await check(StorageTrial(make, shared=False))


@every_check
async def test_sqlite_storage(check: Check, tmp_path: Path) -> None:
    """``SQLiteStorage`` keeps the contract."""
    path = tmp_path / "store.db"

    @asynccontextmanager
    async def transaction() -> AsyncIterator[sqlite3.Connection]:
        with closing(sqlite3.connect(path)) as connection, connection:
            yield connection

    await check(StorageTrial(lambda clock: SQLiteStorage(path, clock=clock), transaction=transaction))


def _transactions_of(uri: str) -> Callable[[], AbstractAsyncContextManager[psycopg.AsyncConnection]]:
    @asynccontextmanager
    async def transaction() -> AsyncIterator[psycopg.AsyncConnection]:
        async with await psycopg.AsyncConnection.connect(uri) as connection:
            yield connection

    return transaction


@pytest.mark.postgres
@every_check
async def test_postgres_storage(check: Check, postgres_uri: str) -> None:
    """``PostgresStorage`` keeps the contract, on the database's own clock."""
    transaction = _transactions_of(postgres_uri)
    await check(StorageTrial(lambda _: PostgresStorage(postgres_uri), transaction=transaction, elapse=asyncio.sleep))


@pytest.mark.postgres
@every_check
async def test_postgres_storage_on_an_injected_clock(check: Check, postgres_uri: str) -> None:
    """``PostgresStorage`` keeps the contract where a test tells the time."""
    transaction = _transactions_of(postgres_uri)
    await check(StorageTrial(lambda clock: PostgresStorage(postgres_uri, clock=clock), transaction=transaction))
