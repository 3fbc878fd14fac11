"""Keeps a signed-in session between runs, with a lock so that one process at a time signs in.

A saved session is as good as a password: whoever reads it is signed in. ``FileSessionStore`` keeps it readable by its
owner only; a host that wants it encrypted, or in its database, writes a ``SessionStore`` of its own in a few lines,
because a store gets only bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import attrs
import filelock

from amazon_ae._clocks import SystemClock
from amazon_ae._document_files import write_atomically
from amazon_ae._exceptions import ConfigurationError, PortalTimeout, StorageError
from amazon_ae._models.hidden import sealed
from amazon_ae._ports import Clock

__all__ = ["FileSessionStore", "MemorySessionStore", "SavedSession", "SessionStore"]


class SessionStore(Protocol):
    """Keeps bytes per account. They hold live cookies: treat them as a password."""

    async def load(self, account: str) -> bytes | None:
        """The bytes saved last; ``None`` if there are none."""
        ...

    async def save(self, account: str, data: bytes) -> None:
        """Replace the saved bytes, all or nothing; durable when it returns. Called only while ``lock`` is held.

        Raises:
            StorageError: nothing was changed.
        """
        ...

    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        """Lock the account: at most one task of one process at a time. The lock of a process ends with it.

        Raises:
            PortalTimeout: another process held it for too long.
        StorageError: there can be no lock.
        """
        ...


@attrs.frozen(kw_only=True)
class SavedSession:
    """The stored session of one account.

    Attributes:
        state: cookies and local storage, in the shape of Playwright's ``storage_state``; ``None`` before a sign-in.
        signed_in_at: when the sign-in of ``state`` ended, ISO 8601; identifies the session.
        last_counter: the newest one-time-code counter that any process typed.
    """

    state: dict[str, Any] | None = attrs.field(default=None, repr=False)
    signed_in_at: str | None = None
    last_counter: int | None = None

    def to_bytes(self) -> bytes:
        """As JSON, for the store."""
        return json.dumps({"version": 1, **attrs.asdict(self, recurse=False)}).encode()

    @classmethod
    def from_bytes(cls, data: bytes | None) -> SavedSession:
        """Parse saved bytes; missing or invalid ones give an empty session (then a sign-in is due)."""
        try:
            values = json.loads(data or b"{}")
        except (ValueError, RecursionError):
            return cls()
        if not isinstance(values, dict):
            return cls()
        state, at, counter = values.get("state"), values.get("signed_in_at"), values.get("last_counter")
        return cls(
            state=state if isinstance(state, dict) and isinstance(state.get("cookies"), list) else None,
            signed_in_at=at if isinstance(at, str) else None,
            last_counter=counter if isinstance(counter, int) else None,
        )


class MemorySessionStore:
    """Sessions for the life of this object, in one event loop: tests, and hosts that sign in at every start."""

    def __init__(self) -> None:
        self._data: dict[str, bytes] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def load(self, account: str) -> bytes | None:
        """The bytes saved last."""
        return self._data.get(account)

    async def save(self, account: str, data: bytes) -> None:
        """Keep it."""
        self._data[account] = data

    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        """One task at a time."""
        lock = self._locks.setdefault(account, asyncio.Lock())

        @contextlib.asynccontextmanager
        async def hold() -> AsyncIterator[None]:
            async with lock:
                yield

        return hold()


class FileSessionStore:
    """One file per account in a folder only its owner may enter (0700); files are 0600 and replaced atomically.

    The lock is the operating system's, on a file beside it: it works across processes of one machine and ends with its
    process. On a network drive it depends on the drive.

    Args:
        folder: created if missing; ``~`` is the home folder.
        clock: waits between tries for the lock.
        lock_timeout: how long to wait for another process that signs in; seconds or ``timedelta``. A person who signs
            in by hand takes minutes.

    Raises:
        ConfigurationError: on Windows, whose files have neither these rights nor these locks: use
            ``MemorySessionStore`` or a store of your own.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        clock: Clock | None = None,
        lock_timeout: float | timedelta = 300.0,
    ) -> None:
        if os.name != "posix":
            raise ConfigurationError(
                "FileSessionStore needs POSIX rights and locks; on Windows use MemorySessionStore or your own store"
            )
        self._folder = Path(folder).expanduser()
        self._clock = clock or SystemClock()
        self._lock_timeout = lock_timeout if isinstance(lock_timeout, timedelta) else timedelta(seconds=lock_timeout)

    async def load(self, account: str) -> bytes | None:
        """The file's content; ``None`` without a file.

        Raises:
            StorageError: the file cannot be read.
        """
        path = self._path(account, "json")
        try:
            return await asyncio.to_thread(path.read_bytes)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"the session file {path} cannot be read: {error.strerror}") from error

    @sealed
    async def save(self, account: str, data: bytes) -> None:
        """Write beside, flush to the disk, then replace: a crash or a full disk leaves the old file as it was.

        Raises:
            StorageError: nothing was changed; free space or mend the folder's rights.
        """
        await asyncio.to_thread(self._replace, self._path(account, "json"), data)

    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        """The operating system's lock of ``<account>.lock``."""
        return self._hold(self._path(account, "lock"))

    def _path(self, account: str, suffix: str) -> Path:
        # Account names come from the library ("AE-1f2e...") or the host; a separator must not lead out of the folder.
        safe = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in account).lstrip(".")
        return self._folder / f"{safe or '_'}.{suffix}"

    def _make_folder(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"the session folder {self._folder} cannot be made: {error.strerror}") from error

    def _replace(self, path: Path, data: bytes) -> None:
        self._make_folder()
        write_atomically(path, data)  # 0600 from its first moment

    @contextlib.asynccontextmanager
    async def _hold(self, path: Path) -> AsyncIterator[None]:
        deadline = self._clock.now() + self._lock_timeout
        self._make_folder()
        lock = filelock.FileLock(path, mode=0o600, thread_local=False)
        try:
            while True:
                # Never a blocking call: a cancelled wait would leave a thread that takes the lock later.
                try:
                    lock.acquire(blocking=False)
                    break
                except filelock.Timeout:
                    if self._clock.now() >= deadline:
                        raise PortalTimeout(
                            "another process holds the session for too long; look for one that hangs in a sign-in",
                            step="session lock",
                        ) from None
                    await self._clock.sleep(0.1)
                except (OSError, NotImplementedError) as error:  # some network drives have no locks
                    raise StorageError(f"the session lock {path} cannot be taken: {error}") from error
            yield
        finally:
            lock.release()
