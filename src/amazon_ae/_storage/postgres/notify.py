"""The bell of ``PostgresStorage``: a put in one process wakes the scheduler of another.

A ring is a ``NOTIFY`` in a transaction of its own, after the put's: PostgreSQL lets such transactions commit one at a
time, in the whole server, and a put that waits for its disk would hold up all others. So a ring can be lost (the
process died in between, the listener was reconnecting); whoever watches also looks by itself now and then.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from amazon_ae._clocks import SystemClock
from amazon_ae._storage.postgres.schema import quoted
from amazon_ae._storage.wakeups import Watchers

if TYPE_CHECKING:
    from psycopg import AsyncCursor

    from amazon_ae._storage.postgres.connection import Database

    Cursor = AsyncCursor[tuple[Any, ...]]

__all__ = ["Bell"]

_log = logging.getLogger(__name__)

_NOTIFY: Final = b"SELECT pg_notify(%s, %s)"
_HEARTBEAT_SECONDS: Final = 60.0
_FIRST_DELAY_SECONDS: Final = 0.2
_LONGEST_DELAY_SECONDS: Final = 15.0


class Bell:
    """Watchers of one ``PostgresStorage``, and the connection that listens for other processes while there are any."""

    def __init__(self, database: Database, *, channel: str) -> None:
        self._database = database
        self._channel = channel
        self._watchers = Watchers()
        self._listener: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        # Says which rings are our own: those watchers were called directly.
        self._token = secrets.token_hex(8)

    def watch(self, account: str, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` at every ring for ``account``; returns the undo."""
        undo_entry = self._watchers.add(account, callback)
        self._listen_if_watched()

        def undo() -> None:
            undo_entry()
            loop = self._loop
            if not self._watchers.accounts() and loop is not None and not loop.is_closed():
                loop.call_soon_threadsafe(self._stop_if_unwatched)

        return undo

    async def ring(self, cursor: Cursor, account: str) -> None:
        """Tell our own watchers at once, other processes over the database. Never fails: the put is stored."""
        from psycopg import Error

        self._listen_if_watched()
        self._watchers.call(account)
        try:
            await cursor.execute(_NOTIFY, (self._channel, f"{self._token} {_digest(account)}"))
        except Error as error:
            _log.debug("no other process hears of this put: %s", type(error).__name__)

    async def ring_at_commit(self, cursor: Cursor, account: str) -> None:
        """Tell everybody, ourselves too, when the host's transaction commits."""
        self._listen_if_watched()
        await cursor.execute(_NOTIFY, (self._channel, f"- {_digest(account)}"))

    async def aclose(self) -> None:
        """Stop listening. Twice is fine."""
        self._closed = True
        listener, self._listener = self._listener, None
        if listener is not None and not listener.done():
            listener.cancel()
            await asyncio.wait([listener])

    def _listen_if_watched(self) -> None:
        if self._closed or (self._listener is not None and not self._listener.done()) or not self._watchers.accounts():
            return
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # called outside of the event loop: the next put of ours starts it
        self._listener = self._loop.create_task(self._listen(), name=f"{self._channel} listener")

    def _stop_if_unwatched(self) -> None:
        if self._listener is not None and not self._watchers.accounts():
            self._listener.cancel()
            self._listener = None

    async def _listen(self) -> None:
        from psycopg import Error

        delay_seconds = _FIRST_DELAY_SECONDS
        while True:
            try:
                connection = await self._database.connect()
                try:
                    await connection.execute(f"LISTEN {quoted(self._channel)}".encode())
                    delay_seconds = _FIRST_DELAY_SECONDS
                    # What was put before this connection stood went unheard.
                    for account in self._watchers.accounts():
                        self._watchers.call(account)
                    while True:
                        async for notice in connection.notifies(timeout=_HEARTBEAT_SECONDS):
                            self._hear(notice.payload)
                        await connection.execute(b"SELECT 1")  # a server that vanished without a word shows here
                finally:
                    await connection.close()
            except (Error, OSError) as error:
                _log.info("not listening (%s); next try in %.1f s", type(error).__name__, delay_seconds)
            # The database's absence is real, whatever clock a test gave the store.
            await SystemClock().sleep(delay_seconds)
            delay_seconds = min(delay_seconds * 2, _LONGEST_DELAY_SECONDS)

    def _hear(self, payload: str) -> None:
        token, _, digest = payload.partition(" ")
        if token == self._token:
            return
        for account in self._watchers.accounts():
            if _digest(account) == digest:
                self._watchers.call(account)


def _digest(account: str) -> str:
    """The account in 32 characters: a payload is short, and ``pg_notify`` takes no more than 8,000 bytes."""
    return hashlib.blake2b(account.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
