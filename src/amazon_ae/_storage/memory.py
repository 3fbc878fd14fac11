"""``MemoryStorage``: the contract in plain dictionaries, for tests, simulations and throw-away runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Final, TypeVar

from amazon_ae._clocks import SystemClock
from amazon_ae._exceptions import ConfigurationError, StaleLease, StorageError
from amazon_ae._models.checks import check_aware
from amazon_ae._models.feeds import ItemKind, ItemOutcome, Outcome
from amazon_ae._models.stored import Change, ItemState, QueueStats, Receipt, ReceiptState, StoredBatch, StoredItem
from amazon_ae._ports import Clock
from amazon_ae._storage import transitions
from amazon_ae._storage.item_queue import DEAD, ItemQueue
from amazon_ae._storage.notices import Leaving, Settled, Watchers, news, queued, settled
from amazon_ae._storage.retention import DEFAULT_RETENTION, Retention
from amazon_ae._storage.rows import (
    BatchRow,
    ItemRow,
    by_key,
    check_changes,
    check_ledger,
    check_resolution,
    check_storable,
    from_micros,
    lease_end,
    micros,
    outcomes_of,
    receipts_in_order,
)

__all__ = ["MemoryStorage"]

T = TypeVar("T")
_FORGET_EVERY: Final = 3600 * 1_000_000  # an hour, in micros


class MemoryStorage:
    """A ``Storage`` in this object's memory: nothing is durable, everything else is as in the other storages.

    One event loop, one process. No method awaits anything, so each is atomic.

    Args:
        clock: the store's clock.
        retention: how long accepted items, and rejected pickups, are remembered, by kind; ``None`` for a kind keeps
            them forever.
    """

    def __init__(
        self, *, clock: Clock | None = None, retention: Mapping[ItemKind, timedelta | None] = DEFAULT_RETENTION
    ) -> None:
        self._clock = clock if clock is not None else SystemClock()
        self._queues: dict[tuple[str, str], ItemQueue] = {}
        self._batches: dict[str, BatchRow] = {}
        self._documents: dict[str, str] = {}
        self._watchers = Watchers()
        self._retention = Retention(retention)

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
        before, urgent, normal = queue.leaving(), False, False
        for key, change in counting.items():
            row = queue.rows.get(key)
            if row is None:
                first = transitions.first_put(change, now)
                queue.write(ItemRow(account, kind, key, *first))
                receipts[key] = Receipt(key, first.version, ReceiptState.WAITING)
            else:
                newer, state = transitions.put(row, change, now, keep_first=keep_first)
                receipts[key] = Receipt(key, row.version if newer is None else newer.version, state)
                if newer is not None:
                    queue.write(row._replace(**newer._asdict(), code="", message=""))
                waited = row.state == ItemState.WAITING and row.urgent >= change.urgent
                if newer is None or newer.state != ItemState.WAITING or row.batch_id is not None or waited:
                    continue
            urgent, normal = urgent or change.urgent, normal or not change.urgent
        self._forget_old()
        if news(kind, before, Leaving(urgent, normal)):
            self._watchers.call(queued(account))
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
        route: str = "",
        keys: Collection[str] | None = None,
        ledger: str | None = None,
        admit: Callable[[str | None, datetime], str | None] | None = None,
    ) -> StoredBatch | None:
        """See ``ports.Storage.open``."""
        check_storable("account", account)
        check_storable("batch_id", batch_id)
        check_ledger(ledger, admit, limit)
        if batch_id in self._batches:
            raise StorageError(f"batch {batch_id} is open already")
        queue = self._queue(account, kind)
        taken = queue.first(limit, None if keys is None else set(keys))
        if not taken or (exclusive and any(batch.route == route for batch in self._batches_of(account, kind))):
            return None
        now = self._clock.now()
        if ledger is not None and admit is not None:
            text = admit(self._documents.get(ledger), now)
            if text is None:
                return None
            self._documents[ledger] = text
        queue.take(taken, batch_id)
        until = lease_end(now, lease_seconds)
        batch = BatchRow(batch_id, account, kind, 1, micros(now), until, None, None, len(taken), route)
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

    async def settle(self, batch_id: str, fence: int, outcomes: Sequence[ItemOutcome]) -> Sequence[ItemOutcome]:
        """See ``ports.Storage.settle``."""
        batch = self._held(batch_id, fence)
        applied = self._apply(batch, outcomes, tuple(self._queue(batch.account, batch.kind).in_flight(batch_id)))
        del self._batches[batch_id]
        self._forget_old()
        self._watchers.call(settled(batch.account, batch.kind, (outcome.key for outcome in applied)))
        return applied

    async def settle_some(
        self, batch_id: str, fence: int, outcomes: Sequence[ItemOutcome], *, lease_seconds: float
    ) -> Sequence[ItemOutcome]:
        """See ``ports.Storage.settle_some``."""
        batch = self._held(batch_id, fence)
        carried = self._queue(batch.account, batch.kind).in_flight(batch_id)
        applied = self._apply(batch, outcomes, [key for key in by_key(outcomes) if key in carried])
        self._batches[batch_id] = batch._replace(
            size=batch.size - len(applied), lease_until=lease_end(self._clock.now(), lease_seconds)
        )
        if applied:
            self._watchers.call(settled(batch.account, batch.kind, (outcome.key for outcome in applied)))
        return applied

    def _apply(self, batch: BatchRow, outcomes: Sequence[ItemOutcome], keys: Collection[str]) -> Sequence[ItemOutcome]:
        queue = self._queue(batch.account, batch.kind)
        now = micros(self._clock.now())
        applied = outcomes_of(keys, by_key(outcomes))
        for outcome in applied:
            queue.write(transitions.settle(queue.rows[outcome.key], outcome, now))
        return applied

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
        rows = (queue.rows[key] for key in queue.in_flight(batch_id))
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
        oldest = min((positions[0][0] for positions in (urgent, normal) if positions), default=None)
        unknown = sum(queue.rows[key].state == ItemState.UNKNOWN for key in queue.dead)
        return QueueStats(
            waiting=len(urgent) + len(normal),
            urgent=len(urgent),
            in_flight=sum(batch.size for batch in self._batches_of(account, kind)),
            dead=len(queue.dead) - unknown,
            unknown=unknown,
            oldest_at=None if oldest is None else from_micros(oldest),
            oldest_urgent_at=from_micros(urgent[0][0]) if urgent else None,
        )

    async def dead(self, account: str, kind: ItemKind, *, after: str = "", limit: int = 100) -> Sequence[StoredItem]:
        """See ``ports.Storage.dead``."""
        queue = self._queue(account, kind)
        keys = sorted(key for key in queue.dead if key > after)
        return [self._to_item(queue.rows[key]) for key in keys[:limit]]

    def _forget_old(self) -> None:
        """From time to time, forget items that are older than the retention."""
        now = self._clock.now()
        if not self._retention.due(now):
            return
        limits = self._retention.limits(micros(now))
        for (_, kind), queue in self._queues.items():
            if (before := limits.get(kind)) is not None:
                queue.forget_old(before, rejected=kind == ItemKind.PICKUP)
        self._retention.wait_until(micros(now) + _FORGET_EVERY)

    async def reject(self, account: str, kind: ItemKind, outcomes: Sequence[ItemOutcome]) -> Sequence[ItemOutcome]:
        """See ``ports.Storage.reject``."""
        rejected = by_key(outcomes)
        changed = self._rewrite(account, kind, rejected, lambda row: transitions.reject(row, rejected[row.key]))
        self._tell_settled(account, kind, changed)
        return [rejected[key] for key in sorted(changed)]

    async def resolve(
        self, account: str, kind: ItemKind, keys: Sequence[str], *, outcome: Outcome
    ) -> Sequence[ItemOutcome]:
        """See ``ports.Storage.resolve``."""
        check_resolution(outcome)
        now = micros(self._clock.now())
        changed = self._rewrite(account, kind, keys, lambda row: transitions.resolve(row, outcome, now))
        if changed and outcome is Outcome.RETRY:
            self._watchers.call(queued(account))
        else:
            self._tell_settled(account, kind, changed)
        return [ItemOutcome(key, outcome) for key in sorted(changed)]

    async def requeue(self, account: str, kind: ItemKind, keys: Sequence[str]) -> int:
        """See ``ports.Storage.requeue``."""
        now = micros(self._clock.now())
        rows = self._queue(account, kind).rows
        known = [key for key in dict.fromkeys(keys) if key in rows and rows[key].state not in DEAD]
        if self._rewrite(account, kind, known, lambda row: transitions.requeue(row, now)):
            self._watchers.call(queued(account))
        return len(known)

    async def withdraw(self, account: str, kind: ItemKind, keys: Sequence[str]) -> Sequence[str]:
        """See ``ports.Storage.withdraw``."""
        changed = self._rewrite(account, kind, keys, transitions.withdraw)
        self._tell_settled(account, kind, changed)
        return sorted(changed)

    def _rewrite(
        self, account: str, kind: str, keys: Collection[str], change: Callable[[ItemRow], ItemRow | None]
    ) -> set[str]:
        """Change the rows of these keys; ``None`` forgets one. Returns the keys that changed."""
        queue = self._queue(account, kind)
        changed: set[str] = set()
        for key in keys:
            row = queue.rows.get(key)
            if row is None or (newer := change(row)) is row:
                continue
            changed.add(key)
            if newer is None:
                queue.forget(key)
            else:
                queue.write(newer)
        return changed

    def _tell_settled(self, account: str, kind: str, keys: Collection[str]) -> None:
        if keys:
            self._watchers.call(settled(account, kind, sorted(keys)))

    async def load(self, name: str) -> str | None:
        """See ``ports.Storage.load``."""
        return self._documents.get(name)

    async def change(self, name: str, fn: Callable[[str | None, datetime], tuple[str | None, T]]) -> T:
        """See ``ports.Storage.change``."""
        check_storable("name", name)
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
        check_aware(settled_before=settled_before)
        return self._queue(account, kind).forget_old(micros(settled_before))

    def watch(
        self, account: str, callback: Callable[[], None], *, settled: Settled | None = None
    ) -> Callable[[], None]:
        """See ``ports.Storage.watch``."""
        return self._watchers.add(account, callback, settled)

    async def aclose(self) -> None:
        """Nothing to close; stored items stay until this object is deleted."""

    async def __aenter__(self) -> MemoryStorage:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _queue(self, account: str, kind: str) -> ItemQueue:
        return self._queues.setdefault((account, kind), ItemQueue())

    def _batches_of(self, account: str, kind: str) -> Iterator[BatchRow]:
        return (row for row in self._batches.values() if row.account == account and row.kind == kind)

    def _held(self, batch_id: str, fence: int) -> BatchRow:
        batch = self._batches.get(batch_id)
        if batch is None or batch.fence != fence:
            raise StaleLease(f"batch {batch_id} was taken over or settled (fence {fence})")
        return batch

    def _to_item(self, row: ItemRow) -> StoredItem:
        return row.to_item(None if row.batch_id is None else self._batches[row.batch_id].feed_id)
