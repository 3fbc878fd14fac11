"""Notices between processes on one SQLite file: SQLite sends no messages, so a thread asks the file."""

from __future__ import annotations

import threading
import weakref

from amazon_ae._storage.sqlite.connection import SqliteDatabase

__all__ = ["FileWatch"]


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
