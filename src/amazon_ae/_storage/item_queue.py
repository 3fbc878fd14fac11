"""The items of one account and kind in plain dictionaries, for ``MemoryStorage``."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection
from itertools import count, islice
from typing import Final

from amazon_ae._models.stored import ItemState
from amazon_ae._storage import transitions
from amazon_ae._storage.notices import Leaving
from amazon_ae._storage.rows import ItemRow

__all__ = ["DEAD", "ItemQueue"]

DEAD: Final = (ItemState.REJECTED, ItemState.UNKNOWN)
"""The states of dead letters."""

_Position = tuple[int, int, str]  # put_at, id, key


class ItemQueue:
    """The items of one account and kind, and which of them wait, are in flight, or are dead letters."""

    def __init__(self) -> None:
        self.rows: dict[str, ItemRow] = {}
        # Two sorted lists, normal and urgent. A new entry nearly always goes to the end.
        self.waiting: tuple[list[_Position], list[_Position]] = ([], [])
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
            insort(self.waiting[row.urgent], _position(row))
        elif row.state in DEAD:
            self.dead.add(row.key)

    def take(self, rows: Collection[ItemRow], batch_id: str) -> None:
        """Move waiting rows into a batch, in one pass over the queue."""
        keys = {row.key for row in rows}
        for positions in self.waiting:
            positions[:] = [position for position in positions if position[2] not in keys]
        for row in rows:
            self.rows[row.key] = transitions.take(row, batch_id)
        self.flights[batch_id] = keys

    def in_flight(self, batch_id: str) -> Collection[str]:
        """The keys that a batch carries."""
        return self.flights.get(batch_id, ())

    def leaving(self) -> Leaving:
        """Whether anything can leave."""
        return Leaving(bool(self.waiting[1]), bool(self.waiting[0]))

    def forget(self, key: str) -> None:
        """Drop a row that is not in flight."""
        self._unlist(self.rows.pop(key))

    def forget_old(self, before: int, *, rejected: bool = False) -> int:
        """Drop items accepted before that instant, with ``rejected`` also those put before it and rejected."""
        old = [
            row.key
            for row in self.rows.values()
            if (row.state == ItemState.ACCEPTED and row.accepted_at is not None and row.accepted_at < before)
            or (rejected and row.state == ItemState.REJECTED and row.put_at < before)
        ]
        for key in old:
            self.forget(key)
        return len(old)

    def first(self, limit: int, keys: Collection[str] | None) -> list[ItemRow]:
        """Up to ``limit`` waiting rows, urgent ones first, then by ``put_at``; only those of ``keys`` if given."""
        positions = (position for positions in (self.waiting[1], self.waiting[0]) for position in positions)
        return [self.rows[key] for _, _, key in islice((p for p in positions if keys is None or p[2] in keys), limit)]

    def _unlist(self, row: ItemRow) -> None:
        if row.batch_id is not None:
            flight = self.flights[row.batch_id]
            flight.discard(row.key)
            if not flight:
                del self.flights[row.batch_id]
        elif row.state == ItemState.WAITING:
            positions = self.waiting[row.urgent]
            del positions[bisect_left(positions, _position(row))]
        else:
            self.dead.discard(row.key)


def _position(row: ItemRow) -> _Position:
    return row.put_at, row.id, row.key
