"""Hear of what other processes commit: SQLite sends no messages, so somebody must look."""

from __future__ import annotations

import threading
import weakref

from amazon_ae._storage.sqlite.connection import SqliteDatabase

__all__ = ["Lookout"]


class Lookout:
    """A thread that asks a database every ``seconds`` (real ones) whether another connection has committed.

    It holds no reference to the database, so that a store that nobody closed can still go.
    """

    def __init__(self, database: SqliteDatabase, seconds: float) -> None:
        self._stop = threading.Event()
        threading.Thread(
            target=_look, args=(weakref.ref(database), self._stop, seconds), name="amazon-ae-sqlite-watch", daemon=True
        ).start()

    def stop(self) -> None:
        """End the thread; twice is fine."""
        self._stop.set()


def _look(database: weakref.ref[SqliteDatabase], stop: threading.Event, seconds: float) -> None:
    while not stop.wait(seconds):
        one = database()
        if one is None:
            return
        one.look()
        del one
