"""The reference page of the stores is executed."""

from __future__ import annotations

import re
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from amazon_ae._models.feeds import ItemKind
from amazon_ae._storage.postgres.schema import SCHEMA_VERSION, schema_sql
from amazon_ae._storage.postgres.store import PostgresStorage
from amazon_ae._storage.sqlite.store import SQLiteStorage

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "storage.md"


@pytest.fixture
def page() -> dict[str, Any]:
    """What the page's blocks define, all in one namespace."""
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        exec(block, names)
    return names


@pytest.mark.postgres
async def test_the_examples_work(page: dict[str, Any], postgres_uri: str, tmp_path: Path) -> None:
    """Every block runs; each sale is committed with its stock row."""
    database = f"docs_{uuid.uuid4().hex[:8]}"
    async with await psycopg.AsyncConnection.connect(postgres_uri, autocommit=True) as admin:
        await admin.execute(f"CREATE DATABASE {database}".encode())
    uri = psycopg.conninfo.make_conninfo(postgres_uri, dbname=database)
    async with await psycopg.AsyncConnection.connect(uri, autocommit=True) as host:
        await host.execute("CREATE TABLE stock (sku text, pieces int)")
        await host.execute("INSERT INTO stock VALUES ('MUG-RED', 12)")
        await page["main"](uri)
        async with PostgresStorage(uri) as storage:
            await page["sell"](storage, uri)
            item = await storage.item("A1EXAMPLE/AE", ItemKind.INVENTORY, "MUG-RED")
            assert item is not None
        assert await (await host.execute("SELECT pieces FROM stock")).fetchone() == (11,)
    path = str(tmp_path / "store.db")
    await page["local"](path)
    with closing(sqlite3.connect(path)) as own, own:
        own.execute("CREATE TABLE stock (sku text, pieces int)")
        own.execute("INSERT INTO stock VALUES ('MUG-RED', 12)")
    async with SQLiteStorage(path) as local:
        await page["sell_locally"](local, path)
        assert await local.item("A1EXAMPLE/AE", ItemKind.INVENTORY, "MUG-RED") is not None
    with closing(sqlite3.connect(path)) as own:
        assert own.execute("SELECT pieces FROM stock").fetchone() == (11,)


def test_the_tables_and_columns_of_the_page_exist() -> None:
    """Each name in the tables of the schema is a name in the DDL."""
    text = PAGE.read_text(encoding="utf-8").partition("### The schema")[2].partition("### Faults")[0]
    ddl = schema_sql()
    for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE):
        for name in re.findall(r"`(\w+)`", row):
            assert re.search(rf"\b{name}\b", ddl), name
    assert f"what is new since version {SCHEMA_VERSION}" in text
