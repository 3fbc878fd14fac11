"""``SQLiteStorage``: one file on a local disk, safe for several processes of one host; the embedded default.

Reads and writes happen on a thread of the store's own, never on the event loop. A verb is one transaction: rows are
read, ``transitions`` decides in Python, what changed is written back. ``BEGIN IMMEDIATE`` takes SQLite's one write
lock before anything is read (a deferred transaction that reads first fails when another process has written
meanwhile), so that nothing can change between the reading and the writing, and the clock is read under the lock.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from amazon_ae._clocks import SystemClock
from amazon_ae._exceptions import StaleLease
from amazon_ae._models.feeds import ItemKind, ItemOutcome, Outcome
from amazon_ae._models.stored import Change, QueueStats, Receipt, ReceiptState, StoredBatch, StoredItem
from amazon_ae._ports import Clock
from amazon_ae._storage import transitions
from amazon_ae._storage.rows import (
    BatchRow,
    ItemRow,
    by_key,
    can_be_kept,
    check_changes,
    check_ledger,
    check_resolution,
    check_text,
    instant,
    lease_end,
    micros,
    receipts_in_order,
)
from amazon_ae._storage.sqlite.connection import SqliteDatabase
from amazon_ae._storage.sqlite.notify import Lookout
from amazon_ae._storage.sqlite.schema import DEFAULT_PREFIX, check_prefix, schema_sql
from amazon_ae._storage.sqlite.sql import Queries, Standing
from amazon_ae._storage.wakeups import Watchers

if TYPE_CHECKING:
    import sqlite3
    from types import TracebackType

__all__ = ["SQLiteStorage"]

T = TypeVar("T")

# Rows that one transaction of purge() deletes: a few tens of milliseconds during which others wait.
_PURGE_PAGE: Final = 5_000


class SQLiteStorage:
    """A ``Storage`` in a SQLite file (3.35 or newer, with the standard library's driver).

    Durable when a verb returns: the write-ahead log is on the disk (``synchronous=FULL``). The file must be on a local
    disk; SQLite's locks do not hold on network file systems. Memory does not grow with what waits.

    Args:
        path: the file; it and its tables are made at the first use, its folder must exist. The host's own tables may
            live in the same file, which is switched to a write-ahead log (WAL).
        clock: the store's clock; processes that share a file share the host's time.
        prefix: what the names of all tables begin with.
        create_schema: ``False`` leaves the tables to the host's migrations (``schema_sql``); missing or old tables then
            raise ``StorageError``.
        busy_seconds: how long to wait for another process's transaction before ``StorageError``; only the store's own
            thread waits.
        watch_seconds: how often to look whether another process has committed something, once somebody watches (a
            thread, real seconds, some microseconds each time); ``None``: never.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        clock: Clock | None = None,
        prefix: str = DEFAULT_PREFIX,
        create_schema: bool = True,
        busy_seconds: float = 10.0,
        watch_seconds: float | None = 1.0,
    ) -> None:
        self._clock = clock if clock is not None else SystemClock()
        self._sql = Queries(check_prefix(prefix))
        self._database = SqliteDatabase(path, prefix=prefix, create=create_schema, busy_seconds=busy_seconds)
        self._watchers = Watchers()
        self._watch_seconds = watch_seconds
        self._lookout: Lookout | None = None

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

        def work(cursor: sqlite3.Cursor) -> dict[str, Receipt]:
            return self._put(cursor, account, kind, counting, keep_first=keep_first)

        def tell(receipts: dict[str, Receipt]) -> None:
            if any(receipt.state is ReceiptState.WAITING for receipt in receipts.values()):
                self._watchers.call(account)

        if connection is not None:
            receipts = self._database.within(connection, work)
        else:
            receipts = await self._database.write(work, tell)
        return receipts_in_order(changes, receipts, keep_first=keep_first)

    def _put(
        self, cursor: sqlite3.Cursor, account: str, kind: ItemKind, changes: dict[str, Change], *, keep_first: bool
    ) -> dict[str, Receipt]:
        now = micros(self._clock.now())
        found = cursor.execute(self._sql.standings, (account, kind.value, _listed(changes)))
        known = {row[0]: row for row in map(Standing._make, found)}
        new: list[tuple[Any, ...]] = []
        changed: list[tuple[Any, ...]] = []
        in_place: list[tuple[Any, ...]] = []
        receipts: dict[str, Receipt] = {}
        # In the order of their keys: neighbours in the index are written one after the other.
        for key in sorted(changes):
            row = known.get(key)
            if row is None:
                change = changes[key]
                new.append((account, kind.value, key, change.value, change.urgent, change.reference, now))
                receipts[key] = Receipt(key, 1, ReceiptState.WAITING)
                continue
            newer, state = transitions.put(row, changes[key], now, keep_first=keep_first)
            if newer is None:
                version = row.version
            elif (newer.state, newer.urgent, newer.put_at) == (row.state, row.urgent, row.put_at):
                version = newer.version
                in_place.append((version, newer.value, newer.reference, row.id))
            else:
                version = newer.version
                changed.append((*newer, row.id))
            receipts[key] = Receipt(key, version, state)
        cursor.executemany(self._sql.first_put, new)
        cursor.executemany(self._sql.put, changed)
        cursor.executemany(self._sql.put_in_place, in_place)
        return receipts

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
        """See ``ports.Storage.open``. ``admit`` runs on the store's thread."""
        check_text("account", account)
        check_text("batch_id", batch_id)
        check_ledger(ledger, admit, limit)
        sql = self._sql

        def work(cursor: sqlite3.Cursor) -> StoredBatch | None:
            if exclusive and cursor.execute(sql.any_batch, (account, kind.value)).fetchone():
                return None
            # The key list comes first in a statement that has one.
            before = () if keys is None else (_listed(set(keys)),)
            first = sql.first if keys is None else sql.first_of_keys
            if cursor.execute(first, (*before, account, kind.value, 1)).fetchone() is None:
                return None
            now = self._clock.now()
            if ledger is not None and admit is not None:
                text = admit(self._document(cursor, ledger), now)
                if text is None:
                    return None
                cursor.execute(sql.save_document, (ledger, text))
            take = sql.take if keys is None else sql.take_keys
            items = cursor.execute(take, (batch_id, *before, account, kind.value, limit)).fetchall()
            batch = BatchRow(
                batch_id, account, kind.value, 1, micros(now), lease_end(now, lease_seconds), None, None, len(items)
            )
            cursor.execute(sql.insert_batch, batch)
            return batch.to_batch(items)

        return await self._database.write(work)

    async def mark_submitted(
        self, batch_id: str, fence: int, *, feed_id: str, submitted_at: datetime, lease_seconds: float
    ) -> None:
        """See ``ports.Storage.mark_submitted``."""

        def work(cursor: sqlite3.Cursor) -> None:
            self._held(cursor, batch_id, fence)
            until = lease_end(self._clock.now(), lease_seconds)
            cursor.execute(self._sql.submit_batch, (feed_id, micros(submitted_at), until, batch_id))

        await self._database.write(work)

    async def renew(self, batch_id: str, fence: int, *, lease_seconds: float) -> None:
        """See ``ports.Storage.renew``."""

        def work(cursor: sqlite3.Cursor) -> None:
            self._held(cursor, batch_id, fence)
            cursor.execute(self._sql.lease_batch, (fence, lease_end(self._clock.now(), lease_seconds), batch_id))

        await self._database.write(work)

    async def settle(self, batch_id: str, fence: int, outcomes: Sequence[ItemOutcome]) -> None:
        """See ``ports.Storage.settle``."""
        told = by_key(outcomes)

        def work(cursor: sqlite3.Cursor) -> None:
            self._held(cursor, batch_id, fence)
            now = micros(self._clock.now())
            rows = [ItemRow._make(row) for row in cursor.execute(self._sql.items_in_flight, (batch_id,))]
            retry = Outcome.RETRY
            self._update(
                cursor,
                [transitions.settle(row, told.get(row.key) or ItemOutcome(row.key, retry), now) for row in rows],
            )
            cursor.execute(self._sql.delete_batch, (batch_id,))

        await self._database.write(work)

    async def unfinished(self, account: str) -> Sequence[StoredBatch]:
        """See ``ports.Storage.unfinished``."""

        def work(cursor: sqlite3.Cursor) -> list[StoredBatch]:
            return [BatchRow._make(row).to_batch() for row in cursor.execute(self._sql.batches, (account,))]

        return await self._database.read(work)

    async def take_over(self, batch_id: str, *, lease_seconds: float) -> StoredBatch | None:
        """See ``ports.Storage.take_over``."""

        def work(cursor: sqlite3.Cursor) -> StoredBatch | None:
            batch = self._batch(cursor, batch_id)
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

        def work(cursor: sqlite3.Cursor) -> StoredItem | None:
            found = cursor.execute(self._sql.item, (account, kind.value, key)).fetchone()
            if found is None:
                return None
            row = ItemRow._make(found)
            batch = None if row.batch_id is None else self._batch(cursor, row.batch_id)
            return row.to_item(None if batch is None else batch.feed_id)

        return await self._database.read(work)

    async def waiting(self, account: str, kind: ItemKind, *, limit: int) -> Sequence[StoredItem]:
        """See ``ports.Storage.waiting``."""

        def work(cursor: sqlite3.Cursor) -> list[StoredItem]:
            return [_item(row) for row in cursor.execute(self._sql.waiting, (account, kind.value, limit))]

        return await self._database.read(work)

    async def stats(self, account: str, kind: ItemKind) -> QueueStats:
        """See ``ports.Storage.stats``; counts stop at 100,000 each (the dead and the unknown together)."""

        def work(cursor: sqlite3.Cursor) -> QueueStats:
            whose = (account, kind.value)
            urgent, oldest_urgent = cursor.execute(self._sql.count_waiting, (*whose, 1)).fetchone()
            normal, oldest_normal = cursor.execute(self._sql.count_waiting, (*whose, 0)).fetchone()
            (in_flight,) = cursor.execute(self._sql.count_in_flight, whose).fetchone()
            dead, unknown = cursor.execute(self._sql.count_dead, whose).fetchone()
            oldest = min((at for at in (oldest_urgent, oldest_normal) if at is not None), default=None)
            return QueueStats(
                waiting=urgent + normal,
                urgent=urgent,
                in_flight=in_flight,
                dead=dead - unknown,
                unknown=unknown,
                oldest_at=None if oldest is None else instant(oldest),
                oldest_urgent_at=None if oldest_urgent is None else instant(oldest_urgent),
            )

        return await self._database.read(work)

    async def dead(self, account: str, kind: ItemKind, *, after: str = "", limit: int = 100) -> Sequence[StoredItem]:
        """See ``ports.Storage.dead``."""

        def work(cursor: sqlite3.Cursor) -> list[StoredItem]:
            return [_item(row) for row in cursor.execute(self._sql.dead, (account, kind.value, after, limit))]

        return await self._database.read(work)

    async def reject(self, account: str, kind: ItemKind, outcomes: Sequence[ItemOutcome]) -> None:
        """See ``ports.Storage.reject``."""
        told = by_key(outcomes)

        def work(cursor: sqlite3.Cursor) -> None:
            rows = self._rows(cursor, account, kind, told).values()
            self._update(cursor, [new for row in rows if (new := transitions.reject(row, told[row.key])) is not row])

        await self._database.write(work)

    async def resolve(self, account: str, kind: ItemKind, keys: Sequence[str], *, outcome: Outcome) -> int:
        """See ``ports.Storage.resolve``."""
        check_resolution(outcome)
        asked = [key for key in keys if can_be_kept(key)]

        def work(cursor: sqlite3.Cursor) -> int:
            now = micros(self._clock.now())
            changed: list[ItemRow] = []
            dropped: list[tuple[int]] = []
            for row in self._rows(cursor, account, kind, asked).values():
                newer = transitions.resolve(row, outcome, now)
                if newer is None:
                    dropped.append((row.id,))
                elif newer is not row:
                    changed.append(newer)
            self._update(cursor, changed)
            cursor.executemany(self._sql.delete_item, dropped)
            return len(changed) + len(dropped)

        def tell(resolved: int) -> None:
            if resolved and outcome is Outcome.RETRY:
                self._watchers.call(account)

        return await self._database.write(work, tell)

    async def load(self, name: str) -> str | None:
        """See ``ports.Storage.load``."""
        if not can_be_kept(name):
            return None
        return await self._database.read(lambda cursor: self._document(cursor, name))

    async def change(self, name: str, fn: Callable[[str | None, datetime], tuple[str | None, T]]) -> T:
        """See ``ports.Storage.change``. ``fn`` runs on the store's thread."""
        check_text("name", name)

        def work(cursor: sqlite3.Cursor) -> T:
            old = self._document(cursor, name)
            text, answer = fn(old, self._clock.now())
            if text is None:
                cursor.execute(self._sql.delete_document, (name,))
            elif text != old:
                cursor.execute(self._sql.save_document, (name, text))
            return answer

        return await self._database.write(work)

    async def names(self, prefix: str) -> Sequence[str]:
        """See ``ports.Storage.names``."""

        def work(cursor: sqlite3.Cursor) -> list[str]:
            return [name for (name,) in cursor.execute(self._sql.names, (prefix, len(prefix), prefix))]

        return await self._database.read(work)

    async def purge(self, account: str, kind: ItemKind, *, settled_before: datetime) -> int:
        """See ``ports.Storage.purge``; a transaction for every few thousand items."""
        before = micros(settled_before)
        purged, after = 0, ""

        def work(cursor: sqlite3.Cursor) -> list[tuple[int, str]]:
            page = cursor.execute(self._sql.old, (account, kind.value, after, before, _PURGE_PAGE)).fetchall()
            cursor.executemany(self._sql.delete_item, [(number,) for number, _ in page])
            return page

        while page := await self._database.write(work):
            purged += len(page)
            after = page[-1][1]
        return purged

    def watch(self, account: str, callback: Callable[[], None]) -> Callable[[], None]:
        """See ``ports.Storage.watch``.

        Puts of this object are told at once. Those of other processes, and the host's with ``connection=``, are found
        within ``watch_seconds``; a callback may then come although it was another verb that committed.
        """
        if self._lookout is None and self._watch_seconds is not None:
            self._database.on_foreign_commit(self._tell_of_others)
            self._lookout = Lookout(self._database, self._watch_seconds)
        return self._watchers.add(account, callback)

    def _tell_of_others(self, cursor: sqlite3.Cursor) -> None:
        for account in self._watchers.accounts():
            if any(cursor.execute(self._sql.first, (account, kind.value, 1)).fetchone() for kind in ItemKind):
                self._watchers.call(account)

    async def aclose(self) -> None:
        """Finish what was begun and close the file; twice is fine."""
        if self._lookout is not None:
            self._lookout.stop()
        await self._database.aclose()

    async def __aenter__(self) -> SQLiteStorage:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _rows(self, cursor: sqlite3.Cursor, account: str, kind: ItemKind, keys: Collection[str]) -> dict[str, ItemRow]:
        found = cursor.execute(self._sql.items_by_keys, (account, kind.value, _listed(keys)))
        return {row.key: row for row in map(ItemRow._make, found)}

    def _update(self, cursor: sqlite3.Cursor, rows: Sequence[ItemRow]) -> None:
        cursor.executemany(self._sql.update_item, [row[3:] for row in rows])

    def _batch(self, cursor: sqlite3.Cursor, batch_id: str) -> BatchRow | None:
        row = cursor.execute(self._sql.batch, (batch_id,)).fetchone()
        return None if row is None else BatchRow._make(row)

    def _held(self, cursor: sqlite3.Cursor, batch_id: str, fence: int) -> BatchRow:
        batch = self._batch(cursor, batch_id)
        if batch is None or batch.fence != fence:
            raise StaleLease(f"batch {batch_id} was taken over or settled (fence {fence})")
        return batch

    def _document(self, cursor: sqlite3.Cursor, name: str) -> str | None:
        row = cursor.execute(self._sql.document, (name,)).fetchone()
        return None if row is None else str(row[0])


def _item(row: tuple[Any, ...]) -> StoredItem:
    """A row that is in no batch."""
    return ItemRow._make(row).to_item()


def _listed(keys: Collection[str]) -> str:
    """Keys as the JSON array that ``json_each`` reads: one parameter, whatever their number."""
    return json.dumps(list(keys), ensure_ascii=False)
