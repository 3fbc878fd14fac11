"""Notices between processes on one PostgreSQL: ``NOTIFY`` after a commit, ``LISTEN`` while an account is watched.

Behind a pooler in transaction mode ``LISTEN`` does not work. There the queues of all watched accounts are polled.

A notice is a ``NOTIFY`` in a transaction of its own, after the write's: PostgreSQL lets such transactions commit one at
a time, in the whole server, and a write that waits for its disk would hold up all others. So a notice can be lost (the
process died in between, the listener was reconnecting). Three things make up for it: a put is worth a notice again
after ``_REPEAT_SECONDS``, a new connection asks for the accounts that have something queued, and schedulers read their
queues from time to time anyway.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import random
import secrets
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from amazon_ae._backoff import doubling
from amazon_ae._clocks import SystemClock
from amazon_ae._exceptions import StorageError
from amazon_ae._models.feeds import ItemKind
from amazon_ae._storage.notices import CARRIED, Notice, Settled, Watchers, queued, settled
from amazon_ae._storage.postgres.queues import Queues, changes, read_queues
from amazon_ae._storage.postgres.schema import quoted

if TYPE_CHECKING:
    from psycopg import AsyncConnection, AsyncCursor

    from amazon_ae._storage.postgres.connection import Database

    Cursor = AsyncCursor[tuple[Any, ...]]

__all__ = ["Notifier"]

_log = logging.getLogger(__name__)

_NOTIFY_AT_COMMIT: Final = b"SELECT pg_notify(%s, %s)"
# The server-wide lock is held until the commit is on the disk: a notice need not be, a crash ends its listeners too.
_NOTIFY: Final = b"SELECT pg_catalog.set_config('synchronous_commit', 'off', true), pg_catalog.pg_notify(%s, %s)"
# pg_notify takes payloads below 8,000 bytes; keys that do not fit are not named.
_MAX_KEYS_BYTES: Final = 6_000
_HEARTBEAT_SECONDS: Final = 60.0
_FIRST_DELAY_SECONDS: Final = 0.2
_LONGEST_DELAY_SECONDS: Final = 15.0
_REPEAT_SECONDS: Final = 30.0
_CARRIED_SECONDS: Final = 20.0
# After a lost connection, accounts are called back one by one, so many seconds apart: a thousand schedulers that all
# read at the same instant would leave no connection for a put.
_SPREAD_SECONDS: Final = 0.01


class Notifier:
    """The watchers of one ``PostgresStorage``, and the connection that listens for other processes."""

    def __init__(self, database: Database, *, channel: str, queues: bytes, poll_seconds: float) -> None:
        self._database = database
        self._channel = channel
        self._queues = queues
        self._poll_seconds = poll_seconds
        self._watchers = Watchers()
        self._accounts: dict[str, str] = {}
        self._listener: asyncio.Task[None] | None = None
        self._catching_up: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._failures = 0
        # Marks our own notices, whose watchers have been called directly, except at a host's commit.
        self._token = secrets.token_hex(8)
        self._commit_token = secrets.token_hex(8)
        self._sent: dict[tuple[str, str], float] = {}
        self._later: dict[str, asyncio.TimerHandle] = {}

    def watch(self, account: str, callback: Callable[[], None], settled: Settled | None) -> Callable[[], None]:
        """Call back at every notice for ``account``; returns a function that ends it."""
        undo_entry = self._watchers.add(account, callback, settled)
        self._accounts[_digest(account)] = account
        self._listen_if_watched()

        def undo() -> None:
            undo_entry()
            loop = self._loop
            if not self._watchers and loop is not None and not loop.is_closed():
                loop.call_soon_threadsafe(self._stop_if_unwatched)

        return undo

    def is_due(self, account: str, kind: str) -> bool:
        """Whether the last notice of queued items is so old that it is worth repeating: it may have been lost."""
        sent = self._sent.get((account, kind))
        return sent is None or asyncio.get_running_loop().time() - sent > _REPEAT_SECONDS

    async def send(self, cursor: Cursor, notice: Notice, kind: str = "") -> None:
        """Call our own watchers at once, other processes over the database. Never fails: the write is committed."""
        from psycopg import Error

        self._listen_if_watched()
        if kind:
            self._sent[notice.account, kind] = asyncio.get_running_loop().time()
        self._watchers.call(notice)
        try:
            await cursor.execute(_NOTIFY, (self._channel, self._payload(self._token, notice)))
        except Error as error:
            _log.debug("other processes got no notice of this write: %s", type(error).__name__)

    async def send_at_commit(self, cursor: Cursor, notice: Notice) -> None:
        """Call everybody, our own watchers too, when the host's transaction commits."""
        self._listen_if_watched()
        await cursor.execute(_NOTIFY_AT_COMMIT, (self._channel, self._payload(self._commit_token, notice)))

    async def aclose(self) -> None:
        """Stop listening. Twice is fine."""
        self._closed = True
        for timer in self._later.values():
            timer.cancel()
        self._later.clear()
        tasks = [task for task in (self._listener, self._catching_up) if task is not None and not task.done()]
        self._listener = self._catching_up = None
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _listen_if_watched(self) -> None:
        if self._closed or (self._listener is not None and not self._listener.done()) or not self._watchers:
            return
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # called outside of the event loop: the next write of ours starts it
        self._listener = self._loop.create_task(self._listen(), name=f"{self._channel} listener")

    def _stop_if_unwatched(self) -> None:
        if self._listener is not None and not self._watchers:
            self._listener.cancel()
            self._listener = None

    async def _listen(self) -> None:
        from psycopg import Error

        while True:
            try:
                connection = await self._database.connect_to_listen()
                if connection is None:
                    await self._poll()
                else:
                    await self._listen_on(connection)
            except (Error, OSError) as error:
                self._failures += 1
                delay = doubling(self._failures, first=_FIRST_DELAY_SECONDS, limit=_LONGEST_DELAY_SECONDS)
                delay *= random.uniform(
                    0.5, 1.0
                )  # processes that lost the same server do not all reconnect at the same instant
                _log.info("not listening (%s); next try in %.1f s", type(error).__name__, delay)
                # Real time, since the outage is real, whatever clock the store was given.
                await SystemClock().sleep(delay)

    async def _listen_on(self, connection: AsyncConnection[Any]) -> None:
        """Pass on the notices of this connection, until it breaks."""
        try:
            await connection.execute(f"LISTEN {quoted(self._channel)}".encode())
            self._failures = 0
            self._catch_up()
            while True:
                async for notice in connection.notifies(timeout=_HEARTBEAT_SECONDS):
                    self._receive(notice.payload)
                await connection.execute(b"SELECT 1")  # a server that vanished silently shows here
        finally:
            await connection.close()

    async def _poll(self) -> None:
        """Behind a pooler: compare the watched queues with what they were, every ``poll_seconds``."""
        _log.info("a pooler is in the way of LISTEN: notices are asked for every %.1f s", self._poll_seconds)
        self._catch_up()
        before: Queues = {}
        while True:
            with contextlib.suppress(StorageError):
                now = await self._read_queues(self._watchers.accounts())
                for notice in changes(before, now):
                    self._watchers.call(notice)
                before = now
            await SystemClock().sleep(self._poll_seconds)

    async def _read_queues(self, accounts: list[str]) -> Queues:
        return await self._database.run(
            lambda cursor: read_queues(cursor, self._queues, accounts), transaction=False, background=False
        )

    def _payload(self, token: str, notice: Notice) -> str:
        carried = not notice.kind and notice.account in self._watchers
        keys = json.dumps(CARRIED if carried else notice.keys)
        if len(keys) > _MAX_KEYS_BYTES:
            keys = "[]"
        return f'["{token}", "{_digest(notice.account)}", "{notice.kind}", {keys}]'

    def _receive(self, payload: str) -> None:
        token, digest, kind, keys = json.loads(payload)
        account = self._accounts.get(digest)
        if token == self._token or account is None:
            return
        notice = Notice(account, kind, tuple(keys))
        if notice.kind or notice.keys != CARRIED or token == self._commit_token:
            self._watchers.call(notice)
        elif account not in self._later:
            seconds = _CARRIED_SECONDS * random.uniform(0.5, 1.0)  # several processes do not poll at the same instant
            self._later[account] = asyncio.get_running_loop().call_later(seconds, self._call_later, account)

    def _call_later(self, account: str) -> None:
        del self._later[account]
        self._watchers.call(queued(account))

    def _catch_up(self) -> None:
        """Commits before this connection listened gave no notice here: read the queues while listening."""
        if self._catching_up is None or self._catching_up.done():
            self._catching_up = asyncio.create_task(self._call_back_all(), name=f"{self._channel} catching up")

    async def _call_back_all(self) -> None:
        accounts = self._watchers.accounts()
        try:
            queues = await self._read_queues(accounts)
        except StorageError as error:
            _log.info("queued accounts could not be read after a lost connection: %s", error)
            return
        waiting = {account for (account, _), state in queues.items() if state.waiting}
        random.shuffle(accounts)
        for account in accounts:
            if account in waiting:
                self._watchers.call(queued(account))
            for kind in ItemKind:
                self._watchers.call(settled(account, kind.value, ()))
            await SystemClock().sleep(_SPREAD_SECONDS)


@lru_cache(maxsize=10_000)
def _digest(account: str) -> str:
    """The account in 32 characters: a payload is short, whatever an account is called."""
    return hashlib.blake2b(account.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
