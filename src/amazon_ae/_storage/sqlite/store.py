"""``SQLiteStorage``: one file on a local disk, safe for several processes of one host; the embedded default.

Reads and writes happen on a thread of the store's own, never on the event loop. Each method is one transaction (see
``verbs``). ``BEGIN IMMEDIATE`` takes SQLite's one write lock before anything is read (a deferred transaction that reads
first fails when another process has written meanwhile), so that nothing can change between the reading and the writing,
and the clock is read under the lock.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from amazon_ae._clocks import SystemClock
from amazon_ae._models.checks import check_aware
from amazon_ae._models.feeds import ItemKind, ItemOutcome, Outcome
from amazon_ae._models.stored import Change, ItemState, QueueStats, Receipt, StoredBatch, StoredItem
from amazon_ae._ports import Clock
from amazon_ae._storage import transitions
from amazon_ae._storage.notices import Notice, Settled, queued, settled
from amazon_ae._storage.retention import DEFAULT_RETENTION, Retention
from amazon_ae._storage.rows import (
    BatchRow,
    ItemRow,
    by_key,
    can_be_kept,
    check_changes,
    check_ledger,
    check_resolution,
    check_storable,
    lease_end,
    micros,
    prefix_end,
    receipts_in_order,
)
from amazon_ae._storage.sqlite import verbs
from amazon_ae._storage.sqlite.connection import SqliteDatabase
from amazon_ae._storage.sqlite.notify import FileNotices
from amazon_ae._storage.sqlite.schema import DEFAULT_PREFIX, check_prefix, schema_sql
from amazon_ae._storage.sqlite.sql import Queries

if TYPE_CHECKING:
    import sqlite3
    from types import TracebackType

__all__ = ["SQLiteStorage"]

T = TypeVar("T")

# Rows that one transaction of purge() reads, and the pause that it then makes for other writers: SQLite's lock has no
# queue in which they would get their turn.
_PURGE_PAGE: Final = 1_000
_PURGE_PAUSE_SECONDS: Final = 0.02
_DEAD: Final = (ItemState.REJECTED, ItemState.UNKNOWN)


class SQLiteStorage:
    """A ``Storage`` in a SQLite file (3.35 or newer, with the standard library's driver).

    Durable when a verb returns: the write-ahead log is on the disk (``synchronous=FULL``). The file must be on a local
    disk; SQLite's locks do not hold on network file systems. Memory does not grow with the number of items.

    Args:
        path: the file; it and its tables are made at the first use, its folder must exist. The host's own tables may
            live in the same file, which is switched to a write-ahead log (WAL).
        clock: the store's clock; processes that share a file share the host's time.
        prefix: the beginning of all table names.
        create_schema: ``False`` leaves the tables to the host's migrations (``schema_sql``); missing or old tables then
            raise ``StorageError``.
        busy_seconds: how long to wait for another process's transaction before ``StorageError``; only the store's own
            thread waits.
        watch_seconds: how often to ask the file for notices of other processes, once an account is watched (a thread,
            real seconds, some microseconds each time); ``None``: never.
        retention: how long accepted items, and rejected pickups, are remembered, by kind; ``None`` for a kind keeps
            them forever. They are forgotten in steps of some milliseconds, as the store is written to.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        clock: Clock | None = None,
        prefix: str = DEFAULT_PREFIX,
        create_schema: bool = True,
        busy_seconds: float = 10.0,
        watch_seconds: float | None = 0.1,
        retention: Mapping[ItemKind, timedelta | None] = DEFAULT_RETENTION,
    ) -> None:
        self._clock = clock if clock is not None else SystemClock()
        self._sql = Queries(check_prefix(prefix))
        self._notices = FileNotices(self._sql, watch_seconds)
        self._database = SqliteDatabase(
            path, prefix=prefix, create=create_schema, busy_seconds=busy_seconds, on_open=self._notices.start
        )
        self._retention = Retention(retention)

    @staticmethod
    def schema_sql(prefix: str = DEFAULT_PREFIX, *, after: int = 0) -> str:
        """The DDL as text, for the host's own migration tool: from version ``after`` (0: nothing) to the newest."""
        return schema_sql(prefix, after=after)

    async def put(
        self,
        account: str,
        kind: ItemKind,
        changes: Sequence[Change],
        *,
        keep_first: bool = False,
        connection: sqlite3.Connection | None = None,
    ) -> Sequence[Receipt]:
        """See ``ports.Storage.put``.

        Args:
            connection: the host's own ``sqlite3`` connection on the same file. The write happens at once, on the
                calling thread (where the host uses its connection), inside the host's transaction, under a savepoint;
                where the host has not written yet, its transaction is begun, as the driver would.

        Raises:
            ConfigurationError: ``connection`` is open on another file, or in autocommit mode outside a transaction.
        """
        counting = check_changes(account, changes, keep_first=keep_first)
        if not counting:
            return []

        def work(cursor: sqlite3.Cursor) -> verbs.PutResult:
            now = micros(self._clock.now())
            result = verbs.put(cursor, self._sql, account, kind, counting, now, keep_first=keep_first)
            if result.notice is not None:
                self._notices.write(cursor, result.notice, by_host=connection is not None)
            return result

        def committed(result: verbs.PutResult) -> None:
            if result.notice is not None:
                self._notices.call(result.notice)
            self._forget_old()

        if connection is not None:
            result = self._database.within(connection, work)
        else:
            result = await self._database.write(work, committed)
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
        """See ``ports.Storage.open``. ``admit`` runs on the store's thread."""
        check_storable("account", account)
        check_storable("batch_id", batch_id)
        check_ledger(ledger, admit, limit)
        sql = self._sql

        def work(cursor: sqlite3.Cursor) -> StoredBatch | None:
            if exclusive and cursor.execute(sql.any_batch, (account, kind.value, route)).fetchone():
                return None
            # The key list comes first in a statement that has one.
            before = () if keys is None else (verbs.json_array(set(keys)),)
            first = sql.first if keys is None else sql.first_of_keys
            if cursor.execute(first, (*before, account, kind.value, 1)).fetchone() is None:
                return None
            now = self._clock.now()
            if ledger is not None and admit is not None:
                text = admit(verbs.document(cursor, sql, ledger), now)
                if text is None:
                    return None
                cursor.execute(sql.save_document, (ledger, text))
            take = sql.take if keys is None else sql.take_keys
            items = cursor.execute(take, (batch_id, *before, account, kind.value, limit)).fetchall()
            until = lease_end(now, lease_seconds)
            batch = BatchRow(batch_id, account, kind.value, 1, micros(now), until, None, None, len(items), route)
            cursor.execute(sql.insert_batch, batch)
            return batch.to_batch(items)

        return await self._database.write(work, calls_back=True)

    async def mark_submitted(
        self, batch_id: str, fence: int, *, feed_id: str, submitted_at: datetime, lease_seconds: float
    ) -> None:
        """See ``ports.Storage.mark_submitted``."""

        def work(cursor: sqlite3.Cursor) -> None:
            verbs.held(cursor, self._sql, batch_id, fence)
            until = lease_end(self._clock.now(), lease_seconds)
            cursor.execute(self._sql.submit_batch, (feed_id, micros(submitted_at), until, batch_id))

        await self._database.write(work)

    async def renew(self, batch_id: str, fence: int, *, lease_seconds: float) -> None:
        """See ``ports.Storage.renew``."""

        def work(cursor: sqlite3.Cursor) -> None:
            verbs.held(cursor, self._sql, batch_id, fence)
            cursor.execute(self._sql.lease_batch, (fence, lease_end(self._clock.now(), lease_seconds), batch_id))

        await self._database.write(work)

    async def settle(self, batch_id: str, fence: int, outcomes: Sequence[ItemOutcome]) -> Sequence[ItemOutcome]:
        """See ``ports.Storage.settle``."""

        def finish(cursor: sqlite3.Cursor, _: int) -> None:
            cursor.execute(self._sql.delete_batch, (batch_id,))

        return await self._settle(batch_id, fence, outcomes, finish, some=False)

    async def settle_some(
        self, batch_id: str, fence: int, outcomes: Sequence[ItemOutcome], *, lease_seconds: float
    ) -> Sequence[ItemOutcome]:
        """See ``ports.Storage.settle_some``."""

        def shrink(cursor: sqlite3.Cursor, count: int) -> None:
            until = lease_end(self._clock.now(), lease_seconds)
            cursor.execute(self._sql.shrink_batch, (count, until, batch_id))

        return await self._settle(batch_id, fence, outcomes, shrink, some=True)

    async def _settle(
        self,
        batch_id: str,
        fence: int,
        outcomes: Sequence[ItemOutcome],
        then: Callable[[sqlite3.Cursor, int], None],
        *,
        some: bool,
    ) -> Sequence[ItemOutcome]:
        kept = by_key(outcomes)

        def work(cursor: sqlite3.Cursor) -> tuple[Sequence[ItemOutcome], Notice | None]:
            batch = verbs.held(cursor, self._sql, batch_id, fence)
            applied = verbs.settle(cursor, self._sql, batch_id, kept, micros(self._clock.now()), some=some)
            then(cursor, len(applied))
            return applied, settled(batch.account, batch.kind, [outcome.key for outcome in applied])

        return await self._write(work)

    async def unfinished(self, account: str) -> Sequence[StoredBatch]:
        """See ``ports.Storage.unfinished``."""

        def work(cursor: sqlite3.Cursor) -> list[StoredBatch]:
            return [BatchRow._make(row).to_batch() for row in cursor.execute(self._sql.batches, (account,))]

        return await self._database.read(work)

    async def take_over(self, batch_id: str, *, lease_seconds: float) -> StoredBatch | None:
        """See ``ports.Storage.take_over``."""

        def work(cursor: sqlite3.Cursor) -> StoredBatch | None:
            batch = verbs.batch_of(cursor, self._sql, batch_id)
            now = self._clock.now()
            if batch is None or micros(now) < batch.lease_until:
                return None
            batch = batch._replace(fence=batch.fence + 1, lease_until=lease_end(now, lease_seconds))
            cursor.execute(self._sql.lease_batch, (batch.fence, batch.lease_until, batch_id))
            return batch.to_batch(cursor.execute(self._sql.flight, (batch_id,)))

        return await self._database.write(work)

    async def item(self, account: str, kind: ItemKind, key: str) -> StoredItem | None:
        """See ``ports.Storage.item``."""
        if not can_be_kept(key):
            return None
        return await self._database.read(lambda cursor: verbs.item_at(cursor, self._sql, account, kind.value, key))

    async def waiting(self, account: str, kind: ItemKind, *, limit: int) -> Sequence[StoredItem]:
        """See ``ports.Storage.waiting``."""

        def work(cursor: sqlite3.Cursor) -> list[StoredItem]:
            return [verbs.to_item(row) for row in cursor.execute(self._sql.waiting, (account, kind.value, limit))]

        return await self._database.read(work)

    async def stats(self, account: str, kind: ItemKind) -> QueueStats:
        """See ``ports.Storage.stats``; counts stop at 100,000 each (the dead and the unknown together)."""
        return await self._database.read(lambda cursor: verbs.stats(cursor, self._sql, account, kind.value))

    async def dead(self, account: str, kind: ItemKind, *, after: str = "", limit: int = 100) -> Sequence[StoredItem]:
        """See ``ports.Storage.dead``."""

        def work(cursor: sqlite3.Cursor) -> list[StoredItem]:
            found = cursor.execute(self._sql.dead, (account, kind.value, after, limit))
            return [verbs.to_item(row) for row in found]

        return await self._database.read(work)

    async def reject(self, account: str, kind: ItemKind, outcomes: Sequence[ItemOutcome]) -> Sequence[ItemOutcome]:
        """See ``ports.Storage.reject``."""
        kept = by_key(outcomes)
        keys = await self._rewrite(account, kind, kept, lambda row, _: transitions.reject(row, kept[row.key]))
        return [kept[key] for key in keys]

    async def resolve(
        self, account: str, kind: ItemKind, keys: Sequence[str], *, outcome: Outcome
    ) -> Sequence[ItemOutcome]:
        """See ``ports.Storage.resolve``."""
        check_resolution(outcome)
        leaves = outcome is Outcome.RETRY
        changed = await self._rewrite(
            account, kind, keys, lambda row, now: transitions.resolve(row, outcome, now), leaves=leaves
        )
        return [ItemOutcome(key, outcome) for key in changed]

    async def requeue(self, account: str, kind: ItemKind, keys: Sequence[str]) -> int:
        """See ``ports.Storage.requeue``."""
        known: set[str] = set()

        def again(row: ItemRow, now: int) -> ItemRow:
            if row.state not in _DEAD:
                known.add(row.key)
            return transitions.requeue(row, now)

        await self._rewrite(account, kind, keys, again, leaves=True)
        return len(known)

    async def withdraw(self, account: str, kind: ItemKind, keys: Sequence[str]) -> Sequence[str]:
        """See ``ports.Storage.withdraw``."""
        return await self._rewrite(account, kind, keys, lambda row, _: transitions.withdraw(row))

    async def _rewrite(
        self,
        account: str,
        kind: ItemKind,
        keys: Collection[str],
        change: Callable[[ItemRow, int], ItemRow | None],
        *,
        leaves: bool = False,
    ) -> list[str]:
        """Change the rows of these keys, and send the notice that items can leave or that keys have an outcome."""
        asked = [key for key in keys if can_be_kept(key)]

        def work(cursor: sqlite3.Cursor) -> tuple[list[str], Notice | None]:
            now = micros(self._clock.now())
            changed = verbs.rewrite(cursor, self._sql, account, kind.value, asked, lambda row: change(row, now))
            if not changed:
                return changed, None
            return changed, queued(account) if leaves else settled(account, kind.value, changed)

        return await self._write(work)

    async def _write(self, work: Callable[[sqlite3.Cursor], tuple[T, Notice | None]]) -> T:
        """Run ``work`` in a transaction; once it is committed, its notice reaches watchers here and elsewhere."""

        def write(cursor: sqlite3.Cursor) -> tuple[T, Notice | None]:
            answer, notice = work(cursor)
            if notice is not None:
                self._notices.write(cursor, notice)
            return answer, notice

        def committed(result: tuple[T, Notice | None]) -> None:
            if result[1] is not None:
                self._notices.call(result[1])
            self._forget_old()

        return (await self._database.write(write, committed))[0]

    def _forget_old(self) -> None:
        """After a write, on the thread: run the next step of the retention once the caller has its answer."""
        if self._retention.due(self._clock.now()):
            self._database.write_later(self._step)

    def _step(self, cursor: sqlite3.Cursor) -> None:
        now = micros(self._clock.now())
        self._retention.wait_until(verbs.forget_old(cursor, self._sql, self._retention, now))

    async def load(self, name: str) -> str | None:
        """See ``ports.Storage.load``."""
        if not can_be_kept(name):
            return None
        return await self._database.read(lambda cursor: verbs.document(cursor, self._sql, name))

    async def change(self, name: str, fn: Callable[[str | None, datetime], tuple[str | None, T]]) -> T:
        """See ``ports.Storage.change``. ``fn`` runs on the store's thread."""
        check_storable("name", name)

        def work(cursor: sqlite3.Cursor) -> T:
            old = verbs.document(cursor, self._sql, name)
            text, answer = fn(old, self._clock.now())
            if text is None:
                cursor.execute(self._sql.delete_document, (name,))
            elif text != old:
                cursor.execute(self._sql.save_document, (name, text))
            return answer

        return await self._database.write(work, calls_back=True)

    async def names(self, prefix: str) -> Sequence[str]:
        """See ``ports.Storage.names``."""
        end = prefix_end(prefix)

        def work(cursor: sqlite3.Cursor) -> list[str]:
            if end is None:
                found = cursor.execute(self._sql.names_from, (prefix,))
            else:
                found = cursor.execute(self._sql.names, (prefix, end))
            return [name for (name,) in found]

        return await self._database.read(work)

    async def purge(self, account: str, kind: ItemKind, *, settled_before: datetime) -> int:
        """See ``ports.Storage.purge``; a transaction for every 1,000 items, with a pause for others in between."""
        check_aware(settled_before=settled_before)
        before = micros(settled_before)
        purged, after = 0, ""

        def work(cursor: sqlite3.Cursor) -> tuple[int, str | None]:
            page = cursor.execute(self._sql.queue_page, (before, account, kind.value, after, _PURGE_PAGE)).fetchall()
            old = [(number,) for number, _, is_old in page if is_old]
            cursor.executemany(self._sql.delete_item, old)
            return len(old), page[-1][1] if len(page) == _PURGE_PAGE else None

        while True:
            deleted, last = await self._database.write(work)
            purged += deleted
            if last is None:
                return purged
            after = last
            await SystemClock().sleep(_PURGE_PAUSE_SECONDS)

    def watch(
        self, account: str, callback: Callable[[], None], *, settled: Settled | None = None
    ) -> Callable[[], None]:
        """See ``ports.Storage.watch``.

        Writes of this object call back at once; those of other processes, and the host's with ``connection=``, within
        ``watch_seconds``.
        """
        return self._notices.add(self._database, account, callback, settled)

    async def aclose(self) -> None:
        """Finish what was begun and close the file; twice is fine."""
        self._notices.stop()
        await self._database.aclose()

    async def __aenter__(self) -> SQLiteStorage:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
