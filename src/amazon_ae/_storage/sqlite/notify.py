"""Notices between processes on one SQLite file: SQLite sends no messages, so a thread asks the file."""

from __future__ import annotations

import json
import secrets
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

from amazon_ae._models.feeds import ItemKind
from amazon_ae._storage.notices import Notice, Settled, Watchers, queued, settled
from amazon_ae._storage.sqlite.connection import SqliteDatabase
from amazon_ae._storage.sqlite.sql import Queries

if TYPE_CHECKING:
    import sqlite3

__all__ = ["FileNotices", "FileWatch"]


class FileNotices:
    """The watchers of one ``SQLiteStorage``, and the table in which processes leave notices for each other."""

    def __init__(self, sql: Queries, watch_seconds: float | None) -> None:
        self._sql = sql
        self._watch_seconds = watch_seconds
        self._watch: FileWatch | None = None
        self._watchers = Watchers()
        # Marks our own notices, whose watchers have been called directly.
        self._token = secrets.token_hex(8)
        self._seen = 0
        self.call: Callable[[Notice], None] = self._watchers.call

    def add(
        self, database: SqliteDatabase, account: str, callback: Callable[[], None], settled: Settled | None
    ) -> Callable[[], None]:
        """Call back from now on; returns a function that ends it."""
        if self._watch is None and self._watch_seconds is not None:
            database.on_foreign_commit(self.pass_on)
            self._watch = FileWatch(database, self._watch_seconds)
        return self._watchers.add(account, callback, settled)

    def stop(self) -> None:
        """Stop asking the file; twice is fine."""
        if self._watch is not None:
            self._watch.stop()

    def write(self, cursor: sqlite3.Cursor, notice: Notice, *, by_host: bool = False) -> None:
        """Leave a notice for other processes; with ``by_host`` for our own watchers too, which get a host's commit as
        other processes do.
        """
        keys = json.dumps(notice.keys, ensure_ascii=False)
        origin = "" if by_host else self._token
        cursor.execute(self._sql.insert_notice, (origin, notice.account, notice.kind, keys))
        cursor.execute(self._sql.trim_notices)

    def start(self, cursor: sqlite3.Cursor) -> None:
        """The connection opened: skip older notices, since this object has read nothing yet."""
        if self._seen == 0:
            (self._seen,) = cursor.execute(self._sql.last_notice).fetchone()

    def pass_on(self, cursor: sqlite3.Cursor) -> None:
        """Call back for the commits of other connections. Runs on the store's thread."""
        found = cursor.execute(self._sql.notices, (self._seen,)).fetchall()
        if not found:
            return
        missed = found[0][0] > self._seen + 1
        self._seen = found[-1][0]
        if missed:
            self._call_all(cursor)
            return
        for _, origin, account, kind, keys in found:
            if origin != self._token:
                self._watchers.call(Notice(account, kind, tuple(json.loads(keys))))

    def _call_all(self, cursor: sqlite3.Cursor) -> None:
        """Notices were missed: call back for every watched account that has something queued, and for outcomes."""
        for account in self._watchers.accounts():
            for kind in ItemKind:
                self._watchers.call(settled(account, kind.value, ()))
            if any(cursor.execute(self._sql.first, (account, kind.value, 1)).fetchone() for kind in ItemKind):
                self._watchers.call(queued(account))


class FileWatch:
    """A thread that asks a database every ``seconds`` (real ones) whether another connection has committed.

    It holds no reference to the database, so that a store that was never closed can still be collected.
    """

    def __init__(self, database: SqliteDatabase, seconds: float) -> None:
        self._stop = threading.Event()
        threading.Thread(
            target=_poll, args=(weakref.ref(database), self._stop, seconds), name="amazon-ae-sqlite-watch", daemon=True
        ).start()

    def stop(self) -> None:
        """End the thread; twice is fine."""
        self._stop.set()


def _poll(database: weakref.ref[SqliteDatabase], stop: threading.Event, seconds: float) -> None:
    while not stop.wait(seconds):
        one = database()
        if one is None:
            return
        one.check_foreign_commits()
        del one
