"""The verbs of ``PostgresStorage`` that take several statements, on a cursor inside the caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from amazon_ae._exceptions import StaleLease
from amazon_ae._models.feeds import ItemKind, ItemOutcome
from amazon_ae._models.stored import Change, ItemState, Receipt, ReceiptState, StoredBatch
from amazon_ae._storage.notices import Leaving, Notice, news, settled
from amazon_ae._storage.postgres.connection import ask
from amazon_ae._storage.postgres.rows import changes_json, outcomes_json, to_batch
from amazon_ae._storage.postgres.sql import Statements
from amazon_ae._storage.retention import DOCUMENT, PAGE_ROWS, Retention, RetentionProgress
from amazon_ae._storage.rows import from_micros, micros, outcomes_of

if TYPE_CHECKING:
    from psycopg import AsyncCursor

    from amazon_ae._ports import Clock

    Cursor = AsyncCursor[tuple[Any, ...]]

__all__ = [
    "CHUNK",
    "PutResult",
    "forget_old",
    "lock_document",
    "put",
    "refuse_stale",
    "rewrite",
    "settle",
    "settle_some",
    "take",
]

CHUNK: Final = 5_000
"""Rows per statement, so that formatting them blocks the event loop for less than about 20 ms."""


class PutResult(NamedTuple):
    """Receipts by key; whether an item of the put can leave, and whether that is worth a notice."""

    receipts: dict[str, Receipt]
    waits: bool
    news: bool


async def put(
    cursor: Cursor,
    sql: Statements,
    account: str,
    kind: ItemKind,
    changes: Sequence[Change],
    at: datetime | None,
    *,
    keep_first: bool,
) -> PutResult:
    """Store one change for each key; ``changes`` are sorted by key, so that two processes lock in the same order."""
    queue = {"account": account, "kind": kind.value}
    receipts: dict[str, Receipt] = {}
    before: Leaving | None = None
    urgent = normal = False
    for chunk in _chunks(changes):
        await cursor.execute(
            sql.put_first if keep_first else sql.put, {**queue, "at": at, "changes": changes_json(chunk)}
        )
        for key, version, state, is_urgent, alone, had_urgent, had_normal in await cursor.fetchall():
            waits = state == ItemState.WAITING
            receipts[key] = Receipt(key, version, ReceiptState.WAITING if waits else ReceiptState.UNCHANGED)
            before = before or Leaving(had_urgent, had_normal)
            if waits and alone:
                urgent, normal = urgent or is_urgent, normal or not is_urgent
        if keep_first and (earlier := [change.key for change in chunk if change.key not in receipts]):
            await cursor.execute(sql.put_earlier, {**queue, "keys": earlier})
            for key, version in await cursor.fetchall():
                receipts[key] = Receipt(key, version, ReceiptState.JOINED)
    after = Leaving(urgent, normal)
    return PutResult(receipts, any(after), before is not None and news(kind, before, after))


async def take(
    cursor: Cursor,
    sql: Statements,
    queue: Mapping[str, Any],
    *,
    schema: str,
    clock: Clock | None,
    exclusive: bool,
    lease_seconds: float,
    ledger: str | None,
    admit: Callable[[str | None, datetime], str | None] | None,
) -> StoredBatch | None:
    """``Storage.open``. ``queue`` holds account, kind, route, batch_id, limit and, maybe, keys."""
    text: str | None = None
    if exclusive:
        # Another process that opens this queue exclusively waits here, and then sees our batch.
        await cursor.execute(sql.lock_queue, {"queue": f"{schema} {queue['kind']} {queue['account']}"})
        await cursor.execute(sql.route_busy, queue)
        if await _value(cursor):
            return None
    if ledger is not None and admit is not None:
        text, now = await lock_document(cursor, sql, ledger, clock)
        text = ask(admit, text, now)
        if text is None:
            return None
    else:
        now = await _present(cursor, clock)
    any_key = "keys" not in queue
    await cursor.execute(sql.begin_take if any_key else sql.begin_take_keys)
    await cursor.execute(sql.take if any_key else sql.take_keys, queue)
    items = await cursor.fetchall()
    if not items:
        return None
    if ledger is not None:
        await cursor.execute(sql.save_document, {"name": ledger, "body": text})
    lease_until = now + timedelta(seconds=lease_seconds)
    await cursor.execute(sql.open_batch, {**queue, "size": len(items), "at": now, "lease_until": lease_until})
    return to_batch(await _row(cursor), items)


async def settle(
    cursor: Cursor, sql: Statements, batch: dict[str, Any], outcomes: Mapping[str, ItemOutcome]
) -> tuple[Sequence[ItemOutcome], Notice]:
    """Finish a batch. ``batch`` holds batch_id, fence and at."""
    await cursor.execute(sql.close_batch, batch)
    refuse_stale(cursor, batch)
    account, kind = await _row(cursor)
    applied = await _apply(cursor, sql, {**batch, "keys": None}, outcomes)
    return applied, settled(account, kind, [outcome.key for outcome in applied])


async def settle_some(
    cursor: Cursor, sql: Statements, batch: dict[str, Any], outcomes: Mapping[str, ItemOutcome]
) -> tuple[Sequence[ItemOutcome], Notice]:
    """Apply some outcomes and renew the lease. ``batch`` holds batch_id, fence, at and lease."""
    await cursor.execute(sql.hold_batch, batch)
    refuse_stale(cursor, batch)
    account, kind = await _row(cursor)
    applied = await _apply(cursor, sql, {**batch, "keys": list(outcomes)}, outcomes)
    await cursor.execute(sql.shrink_batch, {**batch, "count": len(applied)})
    return applied, settled(account, kind, [outcome.key for outcome in applied])


async def _apply(
    cursor: Cursor, sql: Statements, batch: dict[str, Any], outcomes: Mapping[str, ItemOutcome]
) -> Sequence[ItemOutcome]:
    await cursor.execute(sql.no_full_scan)
    await cursor.execute(sql.lock_in_flight, batch)
    await cursor.execute(sql.settle, {**batch, "outcomes": outcomes_json(outcomes)})
    return outcomes_of([key for (key,) in await cursor.fetchall()], outcomes)


async def rewrite(cursor: Cursor, sql: Statements, queue: dict[str, Any], *statements: bytes) -> list[str]:
    """Change the rows of ``queue``'s keys, locked in order; returns the keys that changed, sorted."""
    changed: list[str] = []
    await cursor.execute(sql.lock_keys, queue)
    for statement in statements:
        await cursor.execute(statement, queue)
        changed += [key for (key,) in await cursor.fetchall()]
    return sorted(changed)


async def lock_document(cursor: Cursor, sql: Statements, name: str, clock: Clock | None) -> tuple[str | None, datetime]:
    """Lock one document, there or not, and read it; then, and only then, the clock."""
    while True:
        await cursor.execute(sql.lock_document, {"name": name})
        row = await cursor.fetchone()
        if row is not None:
            body, now = row
            return body, now.astimezone(UTC) if clock is None else clock.now()
        await cursor.execute(sql.make_document, {"name": name})


async def forget_old(cursor: Cursor, sql: Statements, retention: Retention, clock: Clock | None) -> int:
    """One step of ``retention``, if it is due; returns when the next one is, in ``micros``."""
    text, instant_now = await lock_document(cursor, sql, DOCUMENT, clock)
    now, progress = micros(instant_now), RetentionProgress.read(text)
    if now < progress.next_at:
        return progress.next_at
    await cursor.execute(sql.begin_take_keys)
    account, kind, key = progress.after
    page = {"account": account, "kind": kind, "key": key, "skip": PAGE_ROWS - 1}
    await cursor.execute(sql.page_end, page)
    last = await cursor.fetchone()
    last_account, last_kind, last_key = last or ("", "", "")
    limits = {one: from_micros(at).isoformat() for one, at in retention.limits(now).items()}
    await cursor.execute(
        sql.forget,
        {
            **page,
            "to_end": last is None,
            "last_account": last_account,
            "last_kind": last_kind,
            "last_key": last_key,
            "limits": json.dumps(limits),
        },
    )
    progress = progress.stepped(None if last is None else (last_account, last_kind, last_key), cursor.rowcount, now)
    await cursor.execute(sql.save_document, {"name": DOCUMENT, "body": progress.to_text()})
    return progress.next_at


def refuse_stale(cursor: Cursor, batch: dict[str, Any]) -> None:
    """Pass if the statement found the batch with this fence.

    Raises:
        StaleLease: it was taken over or settled.
    """
    if cursor.rowcount != 1:
        raise StaleLease(f"batch {batch['batch_id']} was taken over or settled (fence {batch['fence']})")


async def _present(cursor: Cursor, clock: Clock | None) -> datetime:
    if clock is not None:
        return clock.now()
    await cursor.execute(b"SELECT clock_timestamp()")
    now: datetime = await _value(cursor)
    return now.astimezone(UTC)


def _chunks(changes: Sequence[Change]) -> Iterator[Sequence[Change]]:
    for start in range(0, len(changes), CHUNK):
        yield changes[start : start + CHUNK]


async def _row(cursor: Cursor) -> tuple[Any, ...]:
    """The one row of a statement that always has one."""
    row = await cursor.fetchone()
    assert row is not None
    return row


async def _value(cursor: Cursor) -> Any:
    return (await _row(cursor))[0]
