"""Every statement that ``SQLiteStorage`` runs, with the table prefix filled in once."""

from __future__ import annotations

from typing import Final, NamedTuple

from amazon_ae._storage.rows import BatchRow, ItemRow
from amazon_ae._storage.transitions import NewValue

__all__ = ["NOTICES_KEPT", "STATS_CAP", "PutState", "Queries"]

STATS_CAP: Final = 100_000
"""``stats`` counts up to here: the cost of reading this many index entries bounds it."""


NOTICES_KEPT: Final = 1_000
"""The most notices kept; a process that missed more reads the queues of its accounts instead."""


class PutState(NamedTuple):
    """The columns that a put reads: a ``transitions.StoredState``."""

    key: str
    id: int
    version: int
    state: str
    urgent: int
    put_at: int
    batch_id: str | None
    accepted_value: str | None
    in_doubt: int


# `id` is the last field of a row; the three before `version` never change.
_ITEM = ", ".join(ItemRow._fields)
_UPDATED = ", ".join(f"{name} = ?" for name in ItemRow._fields[3:-1])
# The columns that a put writes; those of other indexes are left out, so that SQLite does not touch those indexes.
_PUT = ", ".join(f"{name} = ?" for name in NewValue._fields)
_PUT_STATE = ", ".join(PutState._fields)
_BATCH = ", ".join(BatchRow._fields)
# The conditions of the partial indexes, so that the planner sees that they fit.
_WAITING = "account = ? AND kind = ? AND state = 'waiting' AND batch_id IS NULL"
_DEAD = "account = ? AND kind = ? AND state IN ('rejected', 'unknown')"


class Queries:
    """The statements for one table prefix."""

    def __init__(self, prefix: str) -> None:
        items, batches, documents = f"{prefix}items", f"{prefix}batches", f"{prefix}documents"
        notices = f"{prefix}notices"
        chosen = f"{items} WHERE account = ? AND kind = ? AND key IN (SELECT value FROM json_each(?))"
        first = f"SELECT id FROM {items} WHERE {_WAITING} ORDER BY urgent DESC, put_at LIMIT ?"
        # CROSS JOIN fixes the order: from the few keys to their rows, never along the whole queue.
        first_of_keys = (
            f"SELECT i.id FROM json_each(?) AS k CROSS JOIN {items} AS i"
            f" WHERE {_WAITING.replace('account', 'i.account')} AND i.key = k.value"
            f" ORDER BY i.urgent DESC, i.put_at, i.id LIMIT ?"
        )
        # transitions.take() for many rows at once.
        take = (
            f"UPDATE {items} SET state = 'in_flight', batch_id = ?, flight_version = version, flight_value = value,"
            f" flight_put_at = put_at WHERE id IN ({{}}) RETURNING key, version, value"
        )
        capped = f"LIMIT {STATS_CAP}"

        self.items_by_keys: Final = f"SELECT {_ITEM} FROM {chosen}"
        self.item: Final = f"SELECT {_ITEM} FROM {items} WHERE account = ? AND kind = ? AND key = ?"
        self.put_states: Final = f"SELECT {_PUT_STATE} FROM {chosen}"
        # transitions.first_put(), in the statement itself.
        self.first_put: Final = (
            f"INSERT INTO {items} (account, kind, key, value, urgent, reference, put_at, version, state, in_doubt,"
            f" code, message) VALUES (?, ?, ?, ?, ?, ?, ?, 1, 'waiting', 0, '', '')"
        )
        self.put: Final = f"UPDATE {items} SET {_PUT}, code = '', message = '' WHERE id = ?"
        # A newer value replaces a waiting one: no index has to be touched, which is half the work.
        self.put_in_place: Final = f"UPDATE {items} SET version = ?, value = ?, reference = ? WHERE id = ?"
        self.items_in_flight: Final = f"SELECT {_ITEM} FROM {items} WHERE batch_id = ?"
        self.update_item: Final = f"UPDATE {items} SET {_UPDATED} WHERE id = ?"
        self.delete_item: Final = f"DELETE FROM {items} WHERE id = ?"

        self.waiting: Final = f"SELECT {_ITEM} FROM {items} WHERE {_WAITING} ORDER BY urgent DESC, put_at LIMIT ?"
        self.first: Final = first
        self.first_of_keys: Final = first_of_keys
        self.take: Final = take.format(first)
        self.take_keys: Final = take.format(first_of_keys)
        self.flight: Final = f"SELECT key, flight_version, flight_value FROM {items} WHERE batch_id = ?"

        self.batch: Final = f"SELECT {_BATCH} FROM {batches} WHERE batch_id = ?"
        self.batches: Final = f"SELECT {_BATCH} FROM {batches} WHERE account = ? ORDER BY opened_at, rowid"
        self.any_batch: Final = f"SELECT 1 FROM {batches} WHERE account = ? AND kind = ? AND route = ? LIMIT 1"
        self.insert_batch: Final = f"INSERT INTO {batches} ({_BATCH}) VALUES ({_marks(len(BatchRow._fields))})"
        self.submit_batch: Final = (
            f"UPDATE {batches} SET feed_id = ?, submitted_at = ?, lease_until = ? WHERE batch_id = ?"
        )
        self.shrink_batch: Final = f"UPDATE {batches} SET size = size - ?, lease_until = ? WHERE batch_id = ?"
        self.lease_batch: Final = f"UPDATE {batches} SET fence = ?, lease_until = ? WHERE batch_id = ?"
        self.delete_batch: Final = f"DELETE FROM {batches} WHERE batch_id = ?"

        self.count_waiting: Final = (
            f"SELECT count(*), min(put_at) FROM"
            f" (SELECT put_at FROM {items} WHERE {_WAITING} AND urgent = ? ORDER BY put_at {capped})"
        )
        self.count_in_flight: Final = f"SELECT coalesce(sum(size), 0) FROM {batches} WHERE account = ? AND kind = ?"
        self.count_dead: Final = (
            f"SELECT count(*), coalesce(sum(state = 'unknown'), 0) FROM"
            f" (SELECT state FROM {items} WHERE {_DEAD} ORDER BY key {capped})"
        )
        self.dead: Final = f"SELECT {_ITEM} FROM {items} WHERE {_DEAD} AND key > ? ORDER BY key LIMIT ?"
        # Pages of all items, in the order of their keys: those that are old are chosen afterwards.
        self.page: Final = (
            f"SELECT id, account, kind, key, state, accepted_at, put_at FROM {items}"
            f" WHERE (account, kind, key) > (?, ?, ?) ORDER BY account, kind, key LIMIT ?"
        )
        self.queue_page: Final = (
            f"SELECT id, key, state = 'accepted' AND accepted_at < ? FROM {items}"
            f" WHERE account = ? AND kind = ? AND key > ? ORDER BY key LIMIT ?"
        )

        self.document: Final = f"SELECT text FROM {documents} WHERE name = ?"
        self.save_document: Final = (
            f"INSERT INTO {documents} (name, text) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET text = excluded.text"
        )
        self.delete_document: Final = f"DELETE FROM {documents} WHERE name = ?"
        self.names: Final = f"SELECT name FROM {documents} WHERE name >= ? AND name < ? ORDER BY name"
        self.names_from: Final = f"SELECT name FROM {documents} WHERE name >= ? ORDER BY name"

        self.can_leave: Final = f"SELECT EXISTS (SELECT 1 FROM {items} WHERE {_WAITING} AND urgent = ?)"
        self.insert_notice: Final = f"INSERT INTO {notices} (origin, account, kind, keys) VALUES (?, ?, ?, ?)"
        self.trim_notices: Final = f"DELETE FROM {notices} WHERE id <= last_insert_rowid() - {NOTICES_KEPT}"
        self.last_notice: Final = f"SELECT coalesce(max(id), 0) FROM {notices}"
        self.notices: Final = f"SELECT id, origin, account, kind, keys FROM {notices} WHERE id > ? ORDER BY id"


def _marks(count: int) -> str:
    return ", ".join("?" * count)
