"""``PostgresStorage``: one database for any number of hosts, processes and sellers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

from amazon_ae._exceptions import StaleLease
from amazon_ae._models.feeds import ItemKind, ItemOutcome, Outcome
from amazon_ae._models.stored import Change, ItemState, QueueStats, Receipt, ReceiptState, StoredBatch, StoredItem
from amazon_ae._storage.postgres.connection import Database, ask, refuse_foreign_connection
from amazon_ae._storage.postgres.notify import Bell
from amazon_ae._storage.postgres.rows import changes_json, outcomes_json, to_batch, to_item, utc
from amazon_ae._storage.postgres.schema import DEFAULT_SCHEMA, check_schema_name, schema_sql
from amazon_ae._storage.postgres.sql import COUNT_CAP, Statements
from amazon_ae._storage.rows import (
    by_key,
    can_be_kept,
    check_changes,
    check_ledger,
    check_resolution,
    check_text,
    receipts_in_order,
)

if TYPE_CHECKING:
    from types import TracebackType

    from psycopg import AsyncConnection, AsyncCursor
    from psycopg_pool import AsyncConnectionPool

    from amazon_ae._ports import Clock

    Cursor = AsyncCursor[tuple[Any, ...]]

__all__ = ["PostgresStorage"]

T = TypeVar("T")

# Rows per statement: what the event loop formats at a stretch stays below about 20 ms.
_CHUNK: Final = 5_000


class PostgresStorage:
    """A ``Storage`` in PostgreSQL 12 or newer: many hosts, many processes, many sellers.

    The tables live in a schema of their own. They are made at the first use, or by your own migration tool from
    ``PostgresStorage.schema_sql()``; the role then needs no right to create anything. A waiting row that another
    process is just taking is stepped over (``FOR UPDATE SKIP LOCKED``), and the quota's row is locked before the clock
    is read.

    Args:
        conninfo_or_pool: a connection string or URI, for a pool of this object's own; or your open
            ``psycopg_pool.AsyncConnectionPool``, which is never closed here. Whatever your pool's connections are set
            to (autocommit, isolation, row factory), they come back as they were.
        clock: tells the time in place of the database; for tests. Hosts whose clocks differ should leave it out.
        schema: the tables' schema, a plain lower-case name.
        create_schema: ``False`` leaves the tables to the host's migrations (``schema_sql``); missing or old tables then
            raise ``StorageError``.
        max_connections: the most connections of the own pool. ``watch`` uses one more.
        timeout_seconds: how long to wait for a free connection.
        statement_timeout_seconds: the longest a statement, or a transaction of a stopped process, may take in the own
            pool; ``None`` leaves it to the server. With a pool of yours, set it there.

    Raises:
        ConfigurationError: psycopg is missing (``pip install 'amazon-ae[postgres]'``), the connection string cannot be
            read, or ``schema`` is no plain name.
    """

    def __init__(
        self,
        conninfo_or_pool: str | AsyncConnectionPool[Any],
        *,
        clock: Clock | None = None,
        schema: str = DEFAULT_SCHEMA,
        create_schema: bool = True,
        max_connections: int = 8,
        timeout_seconds: float = 10.0,
        statement_timeout_seconds: float | None = 60.0,
    ) -> None:
        self._clock = clock
        self._schema = check_schema_name(schema)
        self._sql = Statements(schema)
        self._database = Database(
            conninfo_or_pool,
            schema=schema,
            create_schema=create_schema,
            max_connections=max_connections,
            timeout_seconds=timeout_seconds,
            statement_timeout_seconds=statement_timeout_seconds,
        )
        self._bell = Bell(self._database, channel=schema)

    @staticmethod
    def schema_sql(schema: str = DEFAULT_SCHEMA, *, after: int = 0) -> str:
        """The DDL as text, for the host's own migration tool: from version ``after`` (0: nothing) to the newest."""
        return schema_sql(schema, after=after)

    async def put(
        self,
        account: str,
        kind: ItemKind,
        changes: Sequence[Change],
        *,
        keep_first: bool = False,
        connection: AsyncConnection[Any] | None = None,
    ) -> Sequence[Receipt]:
        """See ``ports.Storage.put``.

        Args:
            connection: your open ``psycopg.AsyncConnection`` to the same database. What is put is seen, and watchers
                hear of it, when you commit. The rows stay locked until then: commit soon.

        Raises:
            ConfigurationError: a text that no database can keep; or ``connection`` is something else, is to another
                database, or is in autocommit mode outside a transaction.
            StorageError: nothing was stored. Your transaction is as it was before the call, if its connection lives.
        """
        if connection is not None:
            refuse_foreign_connection(connection)
        counting = check_changes(account, changes, keep_first=keep_first)
        if not counting:
            return []
        # By key: two processes that put the same keys lock them in the same order.
        ordered = sorted(counting.values(), key=lambda change: change.key)

        async def store(cursor: Cursor) -> dict[str, Receipt]:
            receipts: dict[str, Receipt] = {}
            for chunk in _chunks(ordered):
                await self._put_chunk(cursor, account, kind, chunk, keep_first, receipts)
            return receipts

        if connection is not None:

            async def store_and_tell(cursor: Cursor) -> dict[str, Receipt]:
                receipts = await store(cursor)
                if _any_waits(receipts.values()):
                    await self._bell.ring_at_commit(cursor, account)
                return receipts

            receipts = await self._database.within(connection, store_and_tell)
        else:

            async def tell(cursor: Cursor, receipts: dict[str, Receipt]) -> None:
                if _any_waits(receipts.values()):
                    await self._bell.ring(cursor, account)

            one_statement = len(ordered) <= _CHUNK and not keep_first
            receipts = await self._database.run(store, transaction=not one_statement, after=tell)
        return receipts_in_order(changes, receipts, keep_first=keep_first)

    async def _put_chunk(
        self,
        cursor: Cursor,
        account: str,
        kind: ItemKind,
        chunk: Sequence[Change],
        keep_first: bool,
        receipts: dict[str, Receipt],
    ) -> None:
        place = {"account": account, "kind": kind.value}
        statement = self._sql.put_first if keep_first else self._sql.put
        await cursor.execute(statement, {**place, "at": self._now(), "changes": changes_json(chunk)})
        waits, unchanged, waiting = ReceiptState.WAITING, ReceiptState.UNCHANGED, ItemState.WAITING.value
        for key, version, state in await cursor.fetchall():
            receipts[key] = Receipt(key, version, waits if state == waiting else unchanged)
        if keep_first and (standing := [item.key for item in chunk if item.key not in receipts]):
            await cursor.execute(self._sql.standing, {**place, "keys": standing})
            for key, version in await cursor.fetchall():
                receipts[key] = Receipt(key, version, ReceiptState.JOINED)

    async def open(
        self,
        account: str,
        kind: ItemKind,
        *,
        batch_id: str,
        limit: int,
        lease_seconds: float,
        exclusive: bool,
        keys: Collection[str] | None = None,
        ledger: str | None = None,
        admit: Callable[[str | None, datetime], str | None] | None = None,
    ) -> StoredBatch | None:
        """See ``ports.Storage.open``."""
        check_text("account", account)
        check_text("batch_id", batch_id)
        check_ledger(ledger, admit, limit)
        place: dict[str, Any] = {"account": account, "kind": kind.value, "batch_id": batch_id, "limit": limit}
        if keys is not None:
            place["keys"] = list(keys)

        async def take(cursor: Cursor) -> StoredBatch | None:
            text: str | None = None
            if exclusive:
                # Whoever else opens this lane exclusively waits here, and then sees our batch.
                await cursor.execute(self._sql.lock_lane, {"lane": f"{self._schema} {kind.value} {account}"})
                await cursor.execute(self._sql.lane_busy, place)
                if await _value(cursor):
                    return None
            if ledger is not None and admit is not None:
                text, now = await self._lock_document(cursor, ledger)
                text = ask(admit, text, now)
                if text is None:
                    return None
            else:
                now = await self._present(cursor)
            await cursor.execute(self._sql.begin_take if keys is None else self._sql.begin_take_keys)
            await cursor.execute(self._sql.take if keys is None else self._sql.take_keys, place)
            items = await cursor.fetchall()
            if not items:
                return None
            if ledger is not None:
                await cursor.execute(self._sql.save_document, {"name": ledger, "body": text})
            lease_until = now + timedelta(seconds=lease_seconds)
            await cursor.execute(
                self._sql.open_batch, {**place, "size": len(items), "at": now, "lease_until": lease_until}
            )
            return to_batch(await _row(cursor), items)

        return await self._database.run(take, keep=lambda batch: batch is not None)

    async def mark_submitted(
        self, batch_id: str, fence: int, *, feed_id: str, submitted_at: datetime, lease_seconds: float
    ) -> None:
        """See ``ports.Storage.mark_submitted``."""
        held = {"batch_id": batch_id, "fence": fence, "at": self._now(), "lease": timedelta(seconds=lease_seconds)}
        await self._held(self._sql.submitted, {**held, "feed_id": feed_id, "submitted_at": submitted_at})

    async def renew(self, batch_id: str, fence: int, *, lease_seconds: float) -> None:
        """See ``ports.Storage.renew``."""
        held = {"batch_id": batch_id, "fence": fence, "at": self._now(), "lease": timedelta(seconds=lease_seconds)}
        await self._held(self._sql.renew, held)

    async def _held(self, statement: bytes, arguments: dict[str, Any]) -> None:
        async def write(cursor: Cursor) -> None:
            await cursor.execute(statement, arguments)
            _refuse_stale(cursor, arguments)

        await self._database.run(write, transaction=False)

    async def settle(self, batch_id: str, fence: int, outcomes: Sequence[ItemOutcome]) -> None:
        """See ``ports.Storage.settle``."""
        told = outcomes_json(by_key(outcomes))
        batch = {"batch_id": batch_id, "fence": fence}

        async def finish(cursor: Cursor) -> None:
            await cursor.execute(self._sql.close_batch, batch)
            _refuse_stale(cursor, batch)
            await cursor.execute(self._sql.no_full_scan)
            await cursor.execute(self._sql.lock_flight, batch)
            await cursor.execute(self._sql.settle, {**batch, "at": self._now(), "outcomes": told})

        await self._database.run(finish)

    async def unfinished(self, account: str) -> Sequence[StoredBatch]:
        """See ``ports.Storage.unfinished``."""
        return [to_batch(row) for row in await self._select(self._sql.unfinished, {"account": account})]

    async def take_over(self, batch_id: str, *, lease_seconds: float) -> StoredBatch | None:
        """See ``ports.Storage.take_over``."""
        batch = {"batch_id": batch_id, "at": self._now(), "lease": timedelta(seconds=lease_seconds)}

        async def take(cursor: Cursor) -> StoredBatch | None:
            await cursor.execute(self._sql.take_over, batch)
            row = await cursor.fetchone()
            if row is None:
                return None
            await cursor.execute(self._sql.flight, batch)
            return to_batch(row, await cursor.fetchall())

        return await self._database.run(take)

    async def item(self, account: str, kind: ItemKind, key: str) -> StoredItem | None:
        """See ``ports.Storage.item``."""
        if not can_be_kept(key):
            return None
        rows = await self._select(self._sql.get, {"account": account, "kind": kind.value, "key": key})
        return to_item(rows[0]) if rows else None

    async def waiting(self, account: str, kind: ItemKind, *, limit: int) -> Sequence[StoredItem]:
        """See ``ports.Storage.waiting``."""
        rows = await self._select(self._sql.waiting, {"account": account, "kind": kind.value, "limit": limit})
        return [to_item(row) for row in rows]

    async def stats(self, account: str, kind: ItemKind) -> QueueStats:
        """See ``ports.Storage.stats``. Counts stop at 10,000; ``in_flight`` and the ages are exact."""
        rows = await self._select(self._sql.stats, {"account": account, "kind": kind.value})
        normal, urgent, in_flight, dead, unknown, oldest_normal_at, oldest_urgent_at = rows[0]
        return QueueStats(
            waiting=min(normal + urgent, COUNT_CAP),
            urgent=urgent,
            in_flight=in_flight,
            dead=dead,
            unknown=unknown,
            oldest_at=utc(min((at for at in (oldest_normal_at, oldest_urgent_at) if at), default=None)),
            oldest_urgent_at=utc(oldest_urgent_at),
        )

    async def dead(self, account: str, kind: ItemKind, *, after: str = "", limit: int = 100) -> Sequence[StoredItem]:
        """See ``ports.Storage.dead``."""
        place = {"account": account, "kind": kind.value, "after": after, "limit": limit}
        return [to_item(row) for row in await self._select(self._sql.dead, place)]

    async def reject(self, account: str, kind: ItemKind, outcomes: Sequence[ItemOutcome]) -> None:
        """See ``ports.Storage.reject``."""
        told = by_key(outcomes)
        place = {"account": account, "kind": kind.value, "keys": list(told), "outcomes": outcomes_json(told)}

        async def refuse(cursor: Cursor) -> None:
            await cursor.execute(self._sql.lock_keys, place)
            await cursor.execute(self._sql.reject, place)

        await self._database.run(refuse)

    async def resolve(self, account: str, kind: ItemKind, keys: Sequence[str], *, outcome: Outcome) -> int:
        """See ``ports.Storage.resolve``."""
        check_resolution(outcome)
        asked = [key for key in keys if can_be_kept(key)]
        place = {"account": account, "kind": kind.value, "keys": asked, "at": self._now()}
        statements = {
            Outcome.RETRY: (self._sql.resolve_retry,),
            Outcome.ACCEPTED: (self._sql.resolve_accepted,),
            Outcome.ACCEPTED_WITH_WARNINGS: (self._sql.resolve_accepted,),
            Outcome.REJECTED: (self._sql.resolve_drop, self._sql.resolve_forget),
        }[outcome]

        async def say(cursor: Cursor) -> int:
            resolved = 0
            await cursor.execute(self._sql.lock_keys, place)
            for statement in statements:
                await cursor.execute(statement, place)
                resolved += cursor.rowcount
            return resolved

        async def tell(cursor: Cursor, resolved: int) -> None:
            if resolved and outcome is Outcome.RETRY:
                await self._bell.ring(cursor, account)

        return await self._database.run(say, after=tell)

    async def load(self, name: str) -> str | None:
        """See ``ports.Storage.load``."""
        if not can_be_kept(name):
            return None
        rows = await self._select(self._sql.load, {"name": name})
        text: str | None = rows[0][0] if rows else None
        return text

    async def change(self, name: str, fn: Callable[[str | None, datetime], tuple[str | None, T]]) -> T:
        """See ``ports.Storage.change``."""
        check_text("name", name)

        async def write(cursor: Cursor) -> T:
            text, now = await self._lock_document(cursor, name)
            newer, answer = ask(fn, text, now)
            if newer is None:
                await cursor.execute(self._sql.drop_document, {"name": name})
            elif newer != text:
                await cursor.execute(self._sql.save_document, {"name": name, "body": newer})
            return answer

        return await self._database.run(write)

    async def names(self, prefix: str) -> Sequence[str]:
        """See ``ports.Storage.names``."""
        return [name for (name,) in await self._select(self._sql.names, {"prefix": prefix})]

    async def purge(self, account: str, kind: ItemKind, *, settled_before: datetime) -> int:
        """See ``ports.Storage.purge``. Works in transactions of 5,000 items."""
        place = {"account": account, "kind": kind.value, "before": settled_before, "limit": _CHUNK}
        forgotten, after = 0, ""
        while keys := [key for (key,) in await self._select(self._sql.purge, {**place, "after": after})]:
            forgotten += len(keys)
            after = max(keys)
        return forgotten

    def watch(self, account: str, callback: Callable[[], None]) -> Callable[[], None]:
        """See ``ports.Storage.watch``. Hears other processes over ``LISTEN``, on one connection while anybody watches.

        ``callback`` is also called once when that connection stands (again): something may have been missed before.
        """
        return self._bell.watch(account, callback)

    async def aclose(self) -> None:
        """Close the own pool and the listening connection; a pool that was given stays open. Twice is fine."""
        await self._bell.aclose()
        await self._database.aclose()

    async def __aenter__(self) -> PostgresStorage:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _now(self) -> datetime | None:
        """The injected clock's instant; ``None`` lets the database say."""
        return None if self._clock is None else self._clock.now()

    async def _present(self, cursor: Cursor) -> datetime:
        if self._clock is not None:
            return self._clock.now()
        await cursor.execute(b"SELECT clock_timestamp()")
        now: datetime = await _value(cursor)
        return now.astimezone(UTC)

    async def _lock_document(self, cursor: Cursor, name: str) -> tuple[str | None, datetime]:
        """Lock one document, there or not, and read it; then, and only then, the clock."""
        while True:
            await cursor.execute(self._sql.lock_document, {"name": name})
            row = await cursor.fetchone()
            if row is not None:
                body, now = row
                return body, now.astimezone(UTC) if self._clock is None else self._clock.now()
            await cursor.execute(self._sql.place_document, {"name": name})

    async def _select(self, statement: bytes, arguments: dict[str, Any]) -> list[tuple[Any, ...]]:
        async def read(cursor: Cursor) -> list[tuple[Any, ...]]:
            await cursor.execute(statement, arguments)
            return await cursor.fetchall()

        return await self._database.run(read, transaction=False)


def _chunks(changes: Sequence[Change]) -> Iterator[Sequence[Change]]:
    for start in range(0, len(changes), _CHUNK):
        yield changes[start : start + _CHUNK]


def _any_waits(receipts: Iterable[Receipt]) -> bool:
    return any(receipt.state is ReceiptState.WAITING for receipt in receipts)


def _refuse_stale(cursor: Cursor, batch: dict[str, Any]) -> None:
    if cursor.rowcount != 1:
        raise StaleLease(f"batch {batch['batch_id']} was taken over or settled (fence {batch['fence']})")


async def _row(cursor: Cursor) -> tuple[Any, ...]:
    """The one row of a statement that always has one."""
    row = await cursor.fetchone()
    assert row is not None
    return row


async def _value(cursor: Cursor) -> Any:
    return (await _row(cursor))[0]
