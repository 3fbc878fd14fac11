"""``PostgresStorage``: one database for any number of hosts, processes and sellers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from amazon_ae._clocks import SystemClock
from amazon_ae._exceptions import StorageError
from amazon_ae._models.checks import check_aware
from amazon_ae._models.feeds import ItemKind, ItemOutcome, Outcome
from amazon_ae._models.hidden import sealed_init
from amazon_ae._models.stored import Change, QueueStats, Receipt, StoredBatch, StoredItem
from amazon_ae._storage.notices import Notice, Settled, queued, settled
from amazon_ae._storage.postgres import verbs
from amazon_ae._storage.postgres.connection import Database, ask, refuse_foreign_connection
from amazon_ae._storage.postgres.notify import Notifier
from amazon_ae._storage.postgres.rows import outcomes_json, to_batch, to_item, to_stats
from amazon_ae._storage.postgres.schema import DEFAULT_SCHEMA, check_schema_name, schema_sql
from amazon_ae._storage.postgres.sql import Statements
from amazon_ae._storage.retention import DEFAULT_RETENTION, Retention
from amazon_ae._storage.rows import (
    by_key,
    can_be_kept,
    check_changes,
    check_ledger,
    check_resolution,
    check_storable,
    prefix_end,
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


@sealed_init
class PostgresStorage:
    """A ``Storage`` in PostgreSQL 12 or newer: many hosts, many processes, many sellers.

    The tables live in a schema of their own. They are made at the first use, or by your own migration tool from
    ``PostgresStorage.schema_sql()``; the role then needs no right to create anything. A waiting row that another
    process is just taking is skipped (``FOR UPDATE SKIP LOCKED``), and the quota's row is locked before the clock
    is read.

    Args:
        conninfo_or_pool: a connection string or URI, for a pool of this object's own; or your open
            ``psycopg_pool.AsyncConnectionPool``, which is never closed here. The settings of your pool's
            connections (autocommit, isolation, row factory) are restored after each use.
        clock: used in place of the database's clock; for tests. Hosts whose clocks differ should leave it out.
        schema: the tables' schema, a plain lower-case name.
        create_schema: ``False`` leaves the tables to the host's migrations (``schema_sql``); missing or old tables then
            raise ``StorageError``.
        max_connections: the most connections of the own pool; it keeps one while idle. ``watch`` uses one more. One of
            them is left to your calls, however many schedulers use this store.
        timeout_seconds: how long to wait for a free connection.
        statement_timeout_seconds: the longest a statement may take in the own pool; a transaction of a stopped process
            is ended after half of it. ``None`` leaves both to the server. With a pool of yours, set them there.
        listen_conninfo: where to ``LISTEN`` directly, if ``conninfo_or_pool`` leads to a pooler in transaction mode.
            Without it, notices of other processes are asked for every ``poll_seconds`` behind a pooler.
        poll_seconds: how often to ask for notices where ``LISTEN`` does not work.
        retention: how long accepted items, and rejected pickups, are remembered, by kind; ``None`` for a kind keeps
            them forever. They are forgotten in steps of some milliseconds, as the store is written to.

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
        max_connections: int = 4,
        timeout_seconds: float = 10.0,
        statement_timeout_seconds: float | None = 60.0,
        listen_conninfo: str | None = None,
        poll_seconds: float = 1.0,
        retention: Mapping[ItemKind, timedelta | None] = DEFAULT_RETENTION,
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
            listen_conninfo=listen_conninfo,
        )
        self._notifier = Notifier(self._database, channel=schema, queues=self._sql.queues, poll_seconds=poll_seconds)
        self._retention = Retention(retention)
        self._stepping: asyncio.Task[None] | None = None

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
            connection: your open ``psycopg.AsyncConnection`` to the same database. Others see what is put, and
                watchers are called back, when you commit. The rows stay locked until then: commit soon.

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
        # By key, so that two processes that put the same keys lock them in the same order.
        ordered = sorted(counting.values(), key=lambda change: change.key)

        async def store(cursor: Cursor) -> verbs.PutResult:
            return await verbs.put(cursor, self._sql, account, kind, ordered, self._now(), keep_first=keep_first)

        if connection is not None:

            async def store_and_notify(cursor: Cursor) -> verbs.PutResult:
                result = await store(cursor)
                if result.news:
                    await self._notifier.send_at_commit(cursor, queued(account))
                return result

            result = await self._database.within(connection, store_and_notify)
        else:

            async def notify(cursor: Cursor, result: verbs.PutResult) -> None:
                if result.news or (result.waits and self._notifier.is_due(account, kind)):
                    await self._notifier.send(cursor, queued(account), kind)

            one_statement = len(ordered) <= verbs.CHUNK and not keep_first
            result = await self._database.run(store, transaction=not one_statement, background=False, after=notify)
            self._forget_old()
        return receipts_in_order(changes, result.receipts, keep_first=keep_first)

    async def open(
        self,
        account: str,
        kind: ItemKind,
        *,
        batch_id: str,
        limit: int,
        lease_seconds: float,
        exclusive: bool,
        route: str = "",
        keys: Collection[str] | None = None,
        ledger: str | None = None,
        admit: Callable[[str | None, datetime], str | None] | None = None,
    ) -> StoredBatch | None:
        """See ``ports.Storage.open``."""
        check_storable("account", account)
        check_storable("batch_id", batch_id)
        check_ledger(ledger, admit, limit)
        queue: dict[str, Any] = {
            "account": account,
            "kind": kind.value,
            "route": route,
            "batch_id": batch_id,
            "limit": limit,
        }
        if keys is not None:
            queue["keys"] = list(keys)

        async def take(cursor: Cursor) -> StoredBatch | None:
            return await verbs.take(
                cursor,
                self._sql,
                queue,
                schema=self._schema,
                clock=self._clock,
                exclusive=exclusive,
                lease_seconds=lease_seconds,
                ledger=ledger,
                admit=admit,
            )

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
            verbs.refuse_stale(cursor, arguments)

        await self._database.run(write, transaction=False)

    async def settle(self, batch_id: str, fence: int, outcomes: Sequence[ItemOutcome]) -> Sequence[ItemOutcome]:
        """See ``ports.Storage.settle``."""
        kept = by_key(outcomes)
        batch = {"batch_id": batch_id, "fence": fence, "at": self._now()}
        return await self._write(lambda cursor: verbs.settle(cursor, self._sql, batch, kept))

    async def settle_some(
        self, batch_id: str, fence: int, outcomes: Sequence[ItemOutcome], *, lease_seconds: float
    ) -> Sequence[ItemOutcome]:
        """See ``ports.Storage.settle_some``."""
        kept = by_key(outcomes)
        lease = timedelta(seconds=lease_seconds)
        batch = {"batch_id": batch_id, "fence": fence, "at": self._now(), "lease": lease}
        return await self._write(lambda cursor: verbs.settle_some(cursor, self._sql, batch, kept))

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
            await cursor.execute(self._sql.in_flight, batch)
            return to_batch(row, await cursor.fetchall())

        return await self._database.run(take)

    async def item(self, account: str, kind: ItemKind, key: str) -> StoredItem | None:
        """See ``ports.Storage.item``."""
        if not can_be_kept(key):
            return None
        arguments = {"account": account, "kind": kind.value, "key": key}
        rows = await self._select(self._sql.get, arguments, background=False)
        return to_item(rows[0]) if rows else None

    async def waiting(self, account: str, kind: ItemKind, *, limit: int) -> Sequence[StoredItem]:
        """See ``ports.Storage.waiting``."""
        rows = await self._select(self._sql.waiting, {"account": account, "kind": kind.value, "limit": limit})
        return [to_item(row) for row in rows]

    async def stats(self, account: str, kind: ItemKind) -> QueueStats:
        """See ``ports.Storage.stats``. Counts stop at 10,000; ``in_flight`` and the ages are exact."""
        rows = await self._select(self._sql.stats, {"account": account, "kind": kind.value})
        return to_stats(rows[0])

    async def dead(self, account: str, kind: ItemKind, *, after: str = "", limit: int = 100) -> Sequence[StoredItem]:
        """See ``ports.Storage.dead``."""
        queue = {"account": account, "kind": kind.value, "after": after, "limit": limit}
        return [to_item(row) for row in await self._select(self._sql.dead, queue)]

    async def reject(self, account: str, kind: ItemKind, outcomes: Sequence[ItemOutcome]) -> Sequence[ItemOutcome]:
        """See ``ports.Storage.reject``."""
        kept = by_key(outcomes)
        changed = await self._rewrite(account, kind, list(kept), self._sql.reject, outcomes=outcomes_json(kept))
        return [kept[key] for key in changed]

    async def resolve(
        self, account: str, kind: ItemKind, keys: Sequence[str], *, outcome: Outcome
    ) -> Sequence[ItemOutcome]:
        """See ``ports.Storage.resolve``."""
        check_resolution(outcome)
        statements = {
            Outcome.RETRY: (self._sql.resolve_retry,),
            Outcome.ACCEPTED: (self._sql.resolve_accepted,),
            Outcome.ACCEPTED_WITH_WARNINGS: (self._sql.resolve_accepted,),
            Outcome.REJECTED: (self._sql.resolve_drop, self._sql.resolve_forget),
        }[outcome]
        changed = await self._rewrite(account, kind, keys, *statements, leaves=outcome is Outcome.RETRY)
        return [ItemOutcome(key, outcome) for key in changed]

    async def requeue(self, account: str, kind: ItemKind, keys: Sequence[str]) -> int:
        """See ``ports.Storage.requeue``."""
        return len(await self._rewrite(account, kind, keys, self._sql.requeue, leaves=True))

    async def withdraw(self, account: str, kind: ItemKind, keys: Sequence[str]) -> Sequence[str]:
        """See ``ports.Storage.withdraw``."""
        return await self._rewrite(account, kind, keys, self._sql.withdraw, self._sql.withdraw_forget)

    async def _rewrite(
        self,
        account: str,
        kind: ItemKind,
        keys: Sequence[str],
        *statements: bytes,
        leaves: bool = False,
        outcomes: str | None = None,
    ) -> list[str]:
        """Change the rows of these keys, and send the notice that items can leave or that keys have an outcome."""
        asked = [key for key in keys if can_be_kept(key)]
        queue = {"account": account, "kind": kind.value, "keys": asked, "at": self._now(), "outcomes": outcomes}

        async def write(cursor: Cursor) -> tuple[list[str], Notice | None]:
            changed = await verbs.rewrite(cursor, self._sql, queue, *statements)
            if not changed:
                return changed, None
            return changed, queued(account) if leaves else settled(account, kind.value, changed)

        return await self._write(write, background=outcomes is not None)

    async def _write(
        self, work: Callable[[Cursor], Awaitable[tuple[T, Notice | None]]], *, background: bool = True
    ) -> T:
        """Run ``work`` in a transaction; once it is committed, its notice reaches watchers here and elsewhere."""

        async def notify(cursor: Cursor, result: tuple[T, Notice | None]) -> None:
            if result[1] is not None:
                await self._notifier.send(cursor, result[1])

        answer, _ = await self._database.run(work, background=background, after=notify)
        self._forget_old()
        return answer

    def _forget_old(self) -> None:
        """After a write, run the next step of the retention in the background."""
        if (self._stepping is None or self._stepping.done()) and self._retention.due(
            self._now() or SystemClock().now()
        ):
            self._stepping = asyncio.create_task(self._step(), name=f"{self._schema} retention")

    async def _step(self) -> None:
        with contextlib.suppress(StorageError):  # the next write tries again
            next_at = await self._database.run(
                lambda cursor: verbs.forget_old(cursor, self._sql, self._retention, self._clock)
            )
            self._retention.wait_until(next_at)

    async def load(self, name: str) -> str | None:
        """See ``ports.Storage.load``."""
        if not can_be_kept(name):
            return None
        rows = await self._select(self._sql.load, {"name": name})
        text: str | None = rows[0][0] if rows else None
        return text

    async def change(self, name: str, fn: Callable[[str | None, datetime], tuple[str | None, T]]) -> T:
        """See ``ports.Storage.change``."""
        check_storable("name", name)

        async def write(cursor: Cursor) -> T:
            text, now = await verbs.lock_document(cursor, self._sql, name, self._clock)
            newer, answer = ask(fn, text, now)
            if newer is None:
                await cursor.execute(self._sql.drop_document, {"name": name})
            elif newer != text:
                await cursor.execute(self._sql.save_document, {"name": name, "body": newer})
            return answer

        return await self._database.run(write)

    async def names(self, prefix: str) -> Sequence[str]:
        """See ``ports.Storage.names``."""
        return [name for (name,) in await self._select(self._sql.names, {"prefix": prefix, "end": prefix_end(prefix)})]

    async def purge(self, account: str, kind: ItemKind, *, settled_before: datetime) -> int:
        """See ``ports.Storage.purge``. Works in transactions of 5,000 items."""
        check_aware(settled_before=settled_before)
        queue = {"account": account, "kind": kind.value, "before": settled_before, "limit": verbs.CHUNK}
        forgotten, after = 0, ""
        while keys := [key for (key,) in await self._select(self._sql.purge, {**queue, "after": after})]:
            forgotten += len(keys)
            after = max(keys)
        return forgotten

    def watch(
        self, account: str, callback: Callable[[], None], *, settled: Settled | None = None
    ) -> Callable[[], None]:
        """See ``ports.Storage.watch``. Notices of other processes come over ``LISTEN``, on one more connection.

        Once that connection listens (again), accounts with something queued are called back one after the other, and
        ``settled`` is called without keys: notices may have been missed before.
        """
        return self._notifier.watch(account, callback, settled)

    async def aclose(self) -> None:
        """Close the own pool and the listening connection; a pool that was given stays open. Twice is fine."""
        await self._notifier.aclose()
        if self._stepping is not None and not self._stepping.done():
            await asyncio.wait([self._stepping])
        await self._database.aclose()

    async def __aenter__(self) -> PostgresStorage:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _now(self) -> datetime | None:
        """The injected clock's instant; ``None`` for the database's."""
        return None if self._clock is None else self._clock.now()

    async def _select(
        self, statement: bytes, arguments: dict[str, Any], *, background: bool = True
    ) -> list[tuple[Any, ...]]:
        async def read(cursor: Cursor) -> list[tuple[Any, ...]]:
            await cursor.execute(statement, arguments)
            return await cursor.fetchall()

        return await self._database.run(read, transaction=False, background=background)
