"""The verbs of ``SQLiteStorage`` as plain functions, each inside a transaction that its caller has begun.

A verb reads rows, ``transitions`` decides, and changed rows are written back. ``now`` is in ``micros`` and was read
under the write lock.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from amazon_ae._exceptions import StaleLease
from amazon_ae._models.feeds import ItemKind, ItemOutcome
from amazon_ae._models.stored import Change, ItemState, QueueStats, Receipt, ReceiptState, StoredItem
from amazon_ae._storage import transitions
from amazon_ae._storage.notices import Leaving, Notice, news, queued
from amazon_ae._storage.retention import DOCUMENT, PAGE_ROWS, Retention, RetentionProgress
from amazon_ae._storage.rows import BatchRow, ItemRow, from_micros, outcomes_of
from amazon_ae._storage.sqlite.sql import PutState, Queries

if TYPE_CHECKING:
    import sqlite3

__all__ = [
    "PutResult",
    "batch_of",
    "document",
    "forget_old",
    "held",
    "item_at",
    "json_array",
    "put",
    "rewrite",
    "settle",
    "stats",
    "to_item",
]


class PutResult(NamedTuple):
    """Receipts by key, and the notice that the put is worth, if any."""

    receipts: dict[str, Receipt]
    notice: Notice | None


def put(
    cursor: sqlite3.Cursor,
    sql: Queries,
    account: str,
    kind: ItemKind,
    changes: Mapping[str, Change],
    now: int,
    *,
    keep_first: bool,
) -> PutResult:
    """Store one change for each key."""
    before = Leaving(
        *(bool(cursor.execute(sql.can_leave, (account, kind.value, urgent)).fetchone()[0]) for urgent in (1, 0))
    )
    found = cursor.execute(sql.put_states, (account, kind.value, json_array(changes)))
    known = {row[0]: row for row in map(PutState._make, found)}
    new: list[tuple[Any, ...]] = []
    changed: list[tuple[Any, ...]] = []
    in_place: list[tuple[Any, ...]] = []
    receipts: dict[str, Receipt] = {}
    urgent = normal = False
    # In the order of their keys: neighbours in the index are written one after the other.
    for key in sorted(changes):
        row, change = known.get(key), changes[key]
        if row is None:
            new.append((account, kind.value, key, change.value, change.urgent, change.reference, now))
            receipts[key] = Receipt(key, 1, ReceiptState.WAITING)
        else:
            newer, state = transitions.put(row, change, now, keep_first=keep_first)
            receipts[key] = Receipt(key, row.version if newer is None else newer.version, state)
            if newer is None:
                continue
            if (newer.state, newer.urgent, newer.put_at) == (row.state, row.urgent, row.put_at):
                in_place.append((newer.version, newer.value, newer.reference, row.id))
                continue
            changed.append((*newer, row.id))
            waited = row.state == ItemState.WAITING and row.urgent >= change.urgent
            if newer.state != ItemState.WAITING or row.batch_id is not None or waited:
                continue
        urgent, normal = urgent or change.urgent, normal or not change.urgent
    cursor.executemany(sql.first_put, new)
    cursor.executemany(sql.put, changed)
    cursor.executemany(sql.put_in_place, in_place)
    return PutResult(receipts, queued(account) if news(kind, before, Leaving(urgent, normal)) else None)


def settle(
    cursor: sqlite3.Cursor, sql: Queries, batch_id: str, outcomes: Mapping[str, ItemOutcome], now: int, *, some: bool
) -> Sequence[ItemOutcome]:
    """Apply outcomes to the items of a batch; with ``some``, only to those that have one."""
    found = map(ItemRow._make, cursor.execute(sql.items_in_flight, (batch_id,)).fetchall())
    rows = {row.key: row for row in found if not some or row.key in outcomes}
    applied = outcomes_of(rows, outcomes)
    _update(cursor, sql, [transitions.settle(rows[outcome.key], outcome, now) for outcome in applied])
    return applied


def rewrite(
    cursor: sqlite3.Cursor,
    sql: Queries,
    account: str,
    kind: str,
    keys: Collection[str],
    change: Callable[[ItemRow], ItemRow | None],
) -> list[str]:
    """Change the rows of these keys; ``None`` forgets one. Returns the keys that changed, sorted."""
    found = cursor.execute(sql.items_by_keys, (account, kind, json_array(keys)))
    rows = [ItemRow._make(row) for row in found.fetchall()]
    changed: list[ItemRow] = []
    dropped: list[ItemRow] = []
    for row in rows:
        newer = change(row)
        if newer is None:
            dropped.append(row)
        elif newer is not row:
            changed.append(newer)
    _update(cursor, sql, changed)
    cursor.executemany(sql.delete_item, [(row.id,) for row in dropped])
    return sorted(row.key for row in (*changed, *dropped))


def _update(cursor: sqlite3.Cursor, sql: Queries, rows: Sequence[ItemRow]) -> None:
    cursor.executemany(sql.update_item, [row[3:] for row in rows])


def batch_of(cursor: sqlite3.Cursor, sql: Queries, batch_id: str) -> BatchRow | None:
    """An unsettled batch; ``None`` if there is none of this id."""
    row = cursor.execute(sql.batch, (batch_id,)).fetchone()
    return None if row is None else BatchRow._make(row)


def held(cursor: sqlite3.Cursor, sql: Queries, batch_id: str, fence: int) -> BatchRow:
    """The batch, if its fence is still this one.

    Raises:
        StaleLease: it was taken over or settled.
    """
    batch = batch_of(cursor, sql, batch_id)
    if batch is None or batch.fence != fence:
        raise StaleLease(f"batch {batch_id} was taken over or settled (fence {fence})")
    return batch


def item_at(cursor: sqlite3.Cursor, sql: Queries, account: str, kind: str, key: str) -> StoredItem | None:
    """One item with its batch's feed id."""
    found = cursor.execute(sql.item, (account, kind, key)).fetchone()
    if found is None:
        return None
    row = ItemRow._make(found)
    batch = None if row.batch_id is None else batch_of(cursor, sql, row.batch_id)
    return row.to_item(None if batch is None else batch.feed_id)


def stats(cursor: sqlite3.Cursor, sql: Queries, account: str, kind: str) -> QueueStats:
    """Counts and ages of one queue."""
    urgent, oldest_urgent = cursor.execute(sql.count_waiting, (account, kind, 1)).fetchone()
    normal, oldest_normal = cursor.execute(sql.count_waiting, (account, kind, 0)).fetchone()
    (in_flight,) = cursor.execute(sql.count_in_flight, (account, kind)).fetchone()
    dead, unknown = cursor.execute(sql.count_dead, (account, kind)).fetchone()
    oldest = min((at for at in (oldest_urgent, oldest_normal) if at is not None), default=None)
    return QueueStats(
        waiting=urgent + normal,
        urgent=urgent,
        in_flight=in_flight,
        dead=dead - unknown,
        unknown=unknown,
        oldest_at=None if oldest is None else from_micros(oldest),
        oldest_urgent_at=None if oldest_urgent is None else from_micros(oldest_urgent),
    )


def document(cursor: sqlite3.Cursor, sql: Queries, name: str) -> str | None:
    """The text of a document; ``None`` if there is none."""
    row = cursor.execute(sql.document, (name,)).fetchone()
    return None if row is None else str(row[0])


def forget_old(cursor: sqlite3.Cursor, sql: Queries, retention: Retention, now: int) -> int:
    """One step of ``retention``, if it is due; returns when the next one is."""
    progress = RetentionProgress.read(document(cursor, sql, DOCUMENT))
    if now < progress.next_at:
        return progress.next_at
    page = cursor.execute(sql.page, (*progress.after, PAGE_ROWS)).fetchall()
    limits = retention.limits(now)
    old = [
        (number,)
        for number, _, kind, _, state, accepted_at, put_at in page
        if (limit := limits.get(kind)) is not None
        and (
            (state == ItemState.ACCEPTED and accepted_at is not None and accepted_at < limit)
            or (state == ItemState.REJECTED and kind == ItemKind.PICKUP and put_at < limit)
        )
    ]
    cursor.executemany(sql.delete_item, old)
    last = page[-1][1:4] if len(page) == PAGE_ROWS else None
    progress = progress.stepped(last, len(old), now)
    cursor.execute(sql.save_document, (DOCUMENT, progress.to_text()))
    return progress.next_at


def to_item(row: tuple[Any, ...]) -> StoredItem:
    """A row that is in no batch."""
    return ItemRow._make(row).to_item()


def json_array(keys: Collection[str]) -> str:
    """Keys as the JSON array that ``json_each`` reads: one parameter, whatever their number."""
    return json.dumps(list(keys), ensure_ascii=False)
