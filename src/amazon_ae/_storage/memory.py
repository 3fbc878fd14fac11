"""``MemoryStorage``: the contract in plain dictionaries, for tests, simulations and throw-away runs."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from itertools import count, islice
from types import TracebackType
from typing import Any, TypeVar

from amazon_ae._clocks import SystemClock
from amazon_ae._exceptions import ConfigurationError, StaleLease, StorageError
from amazon_ae._models.feeds import ItemKind, ItemOutcome, Outcome
from amazon_ae._models.stored import Change, ItemState, QueueStats, Receipt, ReceiptState, StoredBatch, StoredItem
from amazon_ae._ports import Clock
from amazon_ae._storage import transitions
from amazon_ae._storage.rows import (
    BatchRow,
    ItemRow,
    by_key,
    check_changes,
    check_ledger,
    check_resolution,
    check_text,
    instant,
    lease_end,
    micros,
    receipts_in_order,
)
from amazon_ae._storage.wakeups import Watchers

__all__ = ["MemoryStorage"]

T = TypeVar("T")
_Place = tuple[int, int, str]  # put_at, id, key
_DEAD = (ItemState.REJECTED, ItemState.UNKNOWN)


class MemoryStorage:
    """A ``Storage`` that lives and dies with this object: nothing is durable, everything else is as in the others.

    One event loop, one process. No verb waits for anything, so each is atomic by itself.

    Args:
        clock: the store's clock.
    """

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock = clock if clock is not None else SystemClock()
        self._queues: dict[tuple[str, str], _Queue] = {}
        self._batches: dict[str, BatchRow] = {}
        self._documents: dict[str, str] = {}
        self._watchers = Watchers()

    async def put(
        self,
        account: str,
        kind: ItemKind,
        changes: Sequence[Change],
        *,
        keep_first: bool = False,
        connection: Any = None,
    ) -> Sequence[Receipt]:
        """See ``ports.Storage.put``.

        Raises:
            ConfigurationError: with ``connection``: there is no database whose transaction it could join.
        """
        if connection is not None:
            raise ConfigurationError("MemoryStorage has no database: put without connection=")
        counting = check_changes(account, changes, keep_first=keep_first)
        queue = self._queue(account, kind)
        now = micros(self._clock.now())
        receipts: dict[str, Receipt] = {}
        for key, change in counting.items():
            row = queue.rows.get(key)
            if row is None:
                first = transitions.first_put(change, now)
                queue.write(ItemRow(account, kind, key, *first))
                receipts[key] = Receipt(key, first.version, ReceiptState.WAITING)
                continue
            newer, state = transitions.put(row, change, now, keep_first=keep_first)
            if newer is not None:
                queue.write(row._replace(**newer._asdict(), code="", message=""))
            receipts[key] = Receipt(key, row.version if newer is None else newer.version, state)
        if any(receipt.state is ReceiptState.WAITING for receipt in receipts.values()):
            self._watchers.call(account)
        return receipts_in_order(changes, receipts, keep_first=keep_first)

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
        if batch_id in self._batches:
            raise StorageError(f"batch {batch_id} is open already")
        queue = self._queue(account, kind)
        taken = queue.first(limit, None if keys is None else set(keys))
        if not taken or (exclusive and any(self._batches_of(account, kind))):
            return None
        now = self._clock.now()
        if ledger is not None and admit is not None:
            text = admit(self._documents.get(ledger), now)
            if text is None:
                return None
            self._documents[ledger] = text
        queue.take(taken, batch_id)
        batch = BatchRow(batch_id, account, kind, 1, micros(now), lease_end(now, lease_seconds), None, None, len(taken))
        self._batches[batch_id] = batch
        return batch.to_batch((row.key, row.version, row.value) for row in taken)

    async def mark_submitted(
        self, batch_id: str, fence: int, *, feed_id: str, submitted_at: datetime, lease_seconds: float
    ) -> None:
        """See ``ports.Storage.mark_submitted``."""
        batch = self._held(batch_id, fence)
        self._batches[batch_id] = batch._replace(
            feed_id=feed_id,
            submitted_at=micros(submitted_at),
            lease_until=lease_end(self._clock.now(), lease_seconds),
        )

    async def renew(self, batch_id: str, fence: int, *, lease_seconds: float) -> None:
        """See ``ports.Storage.renew``."""
        batch = self._held(batch_id, fence)
        self._batches[batch_id] = batch._replace(lease_until=lease_end(self._clock.now(), lease_seconds))

    async def settle(self, batch_id: str, fence: int, outcomes: Sequence[ItemOutcome]) -> None:
        """See ``ports.Storage.settle``."""
        batch = self._held(batch_id, fence)
        queue = self._queue(batch.account, batch.kind)
        told = by_key(outcomes)
        now = micros(self._clock.now())
        for key in tuple(queue.flights.get(batch_id, ())):
            queue.write(transitions.settle(queue.rows[key], told.get(key) or ItemOutcome(key, Outcome.RETRY), now))
        del self._batches[batch_id]

    async def unfinished(self, account: str) -> Sequence[StoredBatch]:
        """See ``ports.Storage.unfinished``."""
        rows = sorted((row for row in self._batches.values() if row.account == account), key=lambda row: row.opened_at)
        return [row.to_batch() for row in rows]

    async def take_over(self, batch_id: str, *, lease_seconds: float) -> StoredBatch | None:
        """See ``ports.Storage.take_over``."""
        batch = self._batches.get(batch_id)
        now = self._clock.now()
        if batch is None or micros(now) < batch.lease_until:
            return None
        batch = batch._replace(fence=batch.fence + 1, lease_until=lease_end(now, lease_seconds))
        self._batches[batch_id] = batch
        queue = self._queue(batch.account, batch.kind)
        rows = (queue.rows[key] for key in queue.flights[batch_id])
        return batch.to_batch((row.key, row.flight_version or 0, row.flight_value or "") for row in rows)

    async def item(self, account: str, kind: ItemKind, key: str) -> StoredItem | None:
        """See ``ports.Storage.item``."""
        row = self._queue(account, kind).rows.get(key)
        return None if row is None else self._to_item(row)

    async def waiting(self, account: str, kind: ItemKind, *, limit: int) -> Sequence[StoredItem]:
        """See ``ports.Storage.waiting``."""
        return [self._to_item(row) for row in self._queue(account, kind).first(limit, None)]

    async def stats(self, account: str, kind: ItemKind) -> QueueStats:
        """See ``ports.Storage.stats``; the counts are exact here."""
        queue = self._queue(account, kind)
        urgent, normal = queue.waiting[1], queue.waiting[0]
        oldest = min((places[0][0] for places in (urgent, normal) if places), default=None)
        unknown = sum(queue.rows[key].state == ItemState.UNKNOWN for key in queue.dead)
        return QueueStats(
            waiting=len(urgent) + len(normal),
            urgent=len(urgent),
            in_flight=sum(batch.size for batch in self._batches_of(account, kind)),
            dead=len(queue.dead) - unknown,
            unknown=unknown,
            oldest_at=None if oldest is None else instant(oldest),
            oldest_urgent_at=instant(urgent[0][0]) if urgent else None,
        )

    async def dead(self, account: str, kind: ItemKind, *, after: str = "", limit: int = 100) -> Sequence[StoredItem]:
        """See ``ports.Storage.dead``."""
        queue = self._queue(account, kind)
        keys = sorted(key for key in queue.dead if key > after)
        return [self._to_item(queue.rows[key]) for key in keys[:limit]]

    async def reject(self, account: str, kind: ItemKind, outcomes: Sequence[ItemOutcome]) -> None:
        """See ``ports.Storage.reject``."""
        queue = self._queue(account, kind)
        for key, outcome in by_key(outcomes).items():
            if (row := queue.rows.get(key)) is not None:
                queue.write(transitions.reject(row, outcome))

    async def resolve(self, account: str, kind: ItemKind, keys: Sequence[str], *, outcome: Outcome) -> int:
        """See ``ports.Storage.resolve``."""
        check_resolution(outcome)
        queue = self._queue(account, kind)
        now = micros(self._clock.now())
        resolved = 0
        for key in dict.fromkeys(keys):
            if key not in queue.dead:
                continue
            resolved += 1
            row = transitions.resolve(queue.rows[key], outcome, now)
            if row is None:
                queue.forget(key)
            else:
                queue.write(row)
        if resolved and outcome is Outcome.RETRY:
            self._watchers.call(account)
        return resolved

    async def load(self, name: str) -> str | None:
        """See ``ports.Storage.load``."""
        return self._documents.get(name)

    async def change(self, name: str, fn: Callable[[str | None, datetime], tuple[str | None, T]]) -> T:
        """See ``ports.Storage.change``."""
        check_text("name", name)
        text, answer = fn(self._documents.get(name), self._clock.now())
        if text is None:
            self._documents.pop(name, None)
        else:
            self._documents[name] = text
        return answer

    async def names(self, prefix: str) -> Sequence[str]:
        """See ``ports.Storage.names``."""
        return sorted(name for name in self._documents if name.startswith(prefix))

    async def purge(self, account: str, kind: ItemKind, *, settled_before: datetime) -> int:
        """See ``ports.Storage.purge``."""
        queue = self._queue(account, kind)
        before = micros(settled_before)
        old = [
            row.key
            for row in queue.rows.values()
            if row.state == ItemState.ACCEPTED and row.accepted_at is not None and row.accepted_at < before
        ]
        for key in old:
            queue.forget(key)
        return len(old)

    def watch(self, account: str, callback: Callable[[], None]) -> Callable[[], None]:
        """See ``ports.Storage.watch``."""
        return self._watchers.add(account, callback)

    async def aclose(self) -> None:
        """Nothing to close; what was stored stays until this object goes."""

    async def __aenter__(self) -> MemoryStorage:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _queue(self, account: str, kind: str) -> _Queue:
        return self._queues.setdefault((account, kind), _Queue())

    def _batches_of(self, account: str, kind: str) -> Iterator[BatchRow]:
        return (row for row in self._batches.values() if row.account == account and row.kind == kind)

    def _held(self, batch_id: str, fence: int) -> BatchRow:
        batch = self._batches.get(batch_id)
        if batch is None or batch.fence != fence:
            raise StaleLease(f"batch {batch_id} was taken over or settled (fence {fence})")
        return batch

    def _to_item(self, row: ItemRow) -> StoredItem:
        return row.to_item(None if row.batch_id is None else self._batches[row.batch_id].feed_id)


class _Queue:
    """The items of one account and kind, and who waits, flies and is dead among them."""

    def __init__(self) -> None:
        self.rows: dict[str, ItemRow] = {}
        # Two sorted lists, normal and urgent. A new place nearly always goes to the end.
        self.waiting: tuple[list[_Place], list[_Place]] = ([], [])
        self.flights: dict[str, set[str]] = {}
        self.dead: set[str] = set()
        self._ids = count(1)

    def write(self, row: ItemRow) -> None:
        """Store a row, known or new."""
        old = self.rows.get(row.key)
        if old is row:
            return
        if old is None:
            row = row._replace(id=next(self._ids))
        else:
            self._unlist(old)
        self.rows[row.key] = row
        if row.batch_id is not None:
            self.flights.setdefault(row.batch_id, set()).add(row.key)
        elif row.state == ItemState.WAITING:
            insort(self.waiting[row.urgent], _place(row))
        elif row.state in _DEAD:
            self.dead.add(row.key)

    def take(self, rows: Collection[ItemRow], batch_id: str) -> None:
        """Let waiting rows leave in a batch, at one pass over the queue."""
        keys = {row.key for row in rows}
        for places in self.waiting:
            places[:] = [place for place in places if place[2] not in keys]
        for row in rows:
            self.rows[row.key] = transitions.take(row, batch_id)
        self.flights[batch_id] = keys

    def forget(self, key: str) -> None:
        """Drop a row that is not in flight."""
        self._unlist(self.rows.pop(key))

    def first(self, limit: int, keys: Collection[str] | None) -> list[ItemRow]:
        """Up to ``limit`` waiting rows, urgent ones first, then by ``put_at``; only those of ``keys`` if given."""
        places = (place for places in (self.waiting[1], self.waiting[0]) for place in places)
        return [self.rows[key] for _, _, key in islice((p for p in places if keys is None or p[2] in keys), limit)]

    def _unlist(self, row: ItemRow) -> None:
        if row.batch_id is not None:
            flight = self.flights[row.batch_id]
            flight.discard(row.key)
            if not flight:
                del self.flights[row.batch_id]
        elif row.state == ItemState.WAITING:
            places = self.waiting[row.urgent]
            del places[bisect_left(places, _place(row))]
        else:
            self.dead.discard(row.key)


def _place(row: ItemRow) -> _Place:
    return row.put_at, row.id, row.key
