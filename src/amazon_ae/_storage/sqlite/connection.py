"""One SQLite connection on a thread of its own: transactions, durability, recovery from faults."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from amazon_ae._exceptions import ConfigurationError, SchemaTooNew, StorageError
from amazon_ae._models.checks import check_path
from amazon_ae._storage.sqlite.schema import SCHEMA_VERSION, statements

if TYPE_CHECKING:
    import sqlite3

__all__ = ["SqliteDatabase", "ensure_schema"]

T = TypeVar("T")

# WAL: readers never wait for a writer. FULL: the log is on the disk before COMMIT returns; in WAL mode NORMAL would
# keep the file sound, but lose the last commits when the power fails. fullfsync does the same on macOS, and nothing
# elsewhere.
_PRAGMAS = (
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = ON",
    "PRAGMA checkpoint_fullfsync = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -16000",  # 16 MB, whatever the size of the store
    "PRAGMA journal_size_limit = 67108864",  # a log that a huge put made long is cut back to 64 MB
)
# What comes of a column that holds a value of another type: the file was damaged, or written to by something else.
_NOT_OUR_ROWS: Final = (TypeError, ValueError, OverflowError)
_NEEDED: Final = (3, 35)  # UPDATE ... RETURNING
_PAUSE_SECONDS: Final = 0.01  # of the store's own thread, between two tries to open or lock a file


class SqliteDatabase:
    """A file, its connection and its thread.

    The connection opens at the first use, and again after any fault: the store works as soon as the fault is gone.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        prefix: str,
        create: bool,
        busy_seconds: float,
        on_open: Callable[[sqlite3.Cursor], None],
    ) -> None:
        if str(path) in ("", ":memory:"):
            raise ConfigurationError("SQLiteStorage needs a file; MemoryStorage keeps nothing")
        self.path: Path = check_path("SQLiteStorage: path", path)
        self._prefix = prefix
        self._create = create
        self._busy_seconds = busy_seconds
        self._on_open = on_open
        self._connection: sqlite3.Connection | None = None
        self._executor: ThreadPoolExecutor | None = None
        self._pid = 0
        self._closed = False
        self._on_foreign_commit: Callable[[sqlite3.Cursor], None] | None = None
        self._data_version: int | None = None
        self._file_id: int | None = None

    async def read(self, work: Callable[[sqlite3.Cursor], T]) -> T:
        """Run ``work`` on one snapshot of the file, on the thread."""
        return await self._run("BEGIN", work)

    async def write(
        self, work: Callable[[sqlite3.Cursor], T], then: Callable[[T], None] | None = None, *, calls_back: bool = False
    ) -> T:
        """Run ``work`` in one transaction that excludes other writers, on the thread.

        Args:
            then: called on the thread with the answer once it is committed, even if the caller has been cancelled.
            calls_back: ``work`` calls a function of the caller's, whose exceptions are the caller's.
        """
        return await self._run("BEGIN IMMEDIATE", work, then, calls_back)

    def write_later(self, work: Callable[[sqlite3.Cursor], None]) -> None:
        """From any thread: run ``work`` in a transaction of its own, after what is under way; a fault is dropped."""
        import sqlite3

        def perform() -> None:
            with contextlib.suppress(sqlite3.Error, StorageError):
                self._perform("BEGIN IMMEDIATE", work, None)

        executor = self._executor
        if executor is not None and self._pid == os.getpid() and not self._closed:
            with contextlib.suppress(RuntimeError):  # it is being closed
                executor.submit(perform)

    def within(self, connection: Any, work: Callable[[sqlite3.Cursor], T]) -> T:
        """Run ``work`` in the transaction of the host's connection, on the host's thread; all of it or nothing."""
        import sqlite3

        if not isinstance(connection, sqlite3.Connection):
            raise ConfigurationError(
                f"connection= takes an open sqlite3.Connection, not {type(connection).__module__}."
                f"{type(connection).__qualname__}; one of a library above sqlite3 lives on a thread of that library"
            )
        # Rows and texts in the form that this store needs, whatever the host has set.
        text_factory, connection.text_factory = connection.text_factory, str
        try:
            cursor = connection.cursor()
            cursor.row_factory = None
            self._check_same_file(cursor)
            begins = not connection.in_transaction
            if begins:
                if connection.isolation_level is None or getattr(connection, "autocommit", -1) is True:
                    raise ConfigurationError("connection= is in autocommit mode with no transaction: BEGIN one first")
                # What the driver would do before a first write; IMMEDIATE, since this one reads before it writes.
                cursor.execute("BEGIN IMMEDIATE")
            cursor.execute("SAVEPOINT amazon_ae")
            try:
                ensure_schema(cursor, self._prefix, create=self._create)
                answer = work(cursor)
            except BaseException:
                # A full disk may have ended the transaction, and with it the savepoint.
                if connection.in_transaction:
                    cursor.execute("ROLLBACK TO amazon_ae")
                    cursor.execute("RELEASE amazon_ae")
                    if begins:
                        cursor.execute(
                            "ROLLBACK"
                        )  # otherwise the file stays locked until the host ends its transaction
                raise
            cursor.execute("RELEASE amazon_ae")
            return answer
        except sqlite3.Error as error:
            raise self._storage_error(error) from error
        finally:
            connection.text_factory = text_factory

    def on_foreign_commit(self, work: Callable[[sqlite3.Cursor], None]) -> None:
        """Run ``work`` on the thread, reading only, when ``check_foreign_commits`` finds a commit of another."""
        self._on_foreign_commit = work

    def check_foreign_commits(self) -> None:
        """From any thread: have the thread ask soon whether another connection has committed."""
        executor = self._executor
        if executor is not None and self._pid == os.getpid():
            with contextlib.suppress(RuntimeError):  # it is being closed
                executor.submit(self._check_foreign_commits)

    def _check_foreign_commits(self) -> None:
        import sqlite3

        connection, work = self._connection, self._on_foreign_commit
        if connection is None or work is None:
            return
        # A fault here is left to the next call, which can raise it.
        with contextlib.suppress(sqlite3.Error):
            cursor = connection.cursor()
            version = _data_version(cursor)
            if self._data_version != version:
                self._data_version = version
                work(cursor)

    async def aclose(self) -> None:
        """Finish what was begun, close the connection, end the thread; twice is fine."""
        self._closed = True
        executor, self._executor = self._executor, None
        if executor is None or self._pid != os.getpid():
            return
        try:
            # Shielded: a cancelled caller must not leave the connection open.
            await asyncio.shield(asyncio.get_running_loop().run_in_executor(executor, self._disconnect))
        finally:
            executor.shutdown(wait=False)

    async def _run(
        self,
        begin: str,
        work: Callable[[sqlite3.Cursor], T],
        then: Callable[[T], None] | None = None,
        calls_back: bool = False,
    ) -> T:
        if self._closed:
            raise StorageError(f"{self.path} was closed: make a new SQLiteStorage")
        return await asyncio.get_running_loop().run_in_executor(
            self._thread(), self._perform, begin, work, then, calls_back
        )

    def _thread(self) -> ThreadPoolExecutor:
        if self._executor is None or self._pid != os.getpid():
            # After a fork the child has neither the thread nor a right to the connection: it starts with its own.
            self._pid = os.getpid()
            self._connection = None
            self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="amazon-ae-sqlite")
        return self._executor

    def _perform(
        self,
        begin: str,
        work: Callable[[sqlite3.Cursor], T],
        then: Callable[[T], None] | None,
        calls_back: bool = False,
    ) -> T:
        import sqlite3

        try:
            connection = self._connect()
            self._check_still_there()
            cursor = connection.cursor()
            self._begin(cursor, begin)
            try:
                answer = work(cursor)
                cursor.execute("COMMIT")
            except BaseException as error:
                if connection.in_transaction:
                    cursor.execute("ROLLBACK")
                if calls_back or not isinstance(error, _NOT_OUR_ROWS):
                    raise
                raise StorageError(f"a row in {self.path} is not as this library writes it: {error}") from error
        except sqlite3.IntegrityError as error:
            raise self._storage_error(error) from error
        except (sqlite3.Error, UnicodeDecodeError) as error:  # the driver's words about a damaged page may be no text
            self._disconnect()
            raise self._storage_error(error) from error
        if then is not None:
            then(answer)
        return answer

    def _begin(self, cursor: sqlite3.Cursor, begin: str) -> None:
        """Begin a transaction; the lock of a writer is asked for every few milliseconds, for ``busy_seconds``.

        SQLite's own waiting sleeps longer from try to try, up to 100 ms: it would miss the short pauses that a purge
        leaves to others.
        """
        import sqlite3

        if begin == "BEGIN":
            cursor.execute(begin)
            return
        waited = 0.0
        cursor.execute(f"PRAGMA busy_timeout = {round(_PAUSE_SECONDS * 1000)}")
        while True:
            try:
                cursor.execute(begin)
                break
            except sqlite3.OperationalError as error:
                waited += _PAUSE_SECONDS
                if not _is_busy(error) or waited >= self._busy_seconds:
                    raise
        cursor.execute(f"PRAGMA busy_timeout = {round(self._busy_seconds * 1000)}")

    def _connect(self) -> sqlite3.Connection:
        """The open connection. A file that another process keeps locked is tried again for ``busy_seconds``.

        SQLite itself would not always wait: while several processes meet a new file at once, the switch to a
        write-ahead log answers "locked" at once.
        """
        import sqlite3

        waited = 0.0
        while self._connection is None:
            try:
                self._connection = self._open()
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or waited >= self._busy_seconds:
                    raise
                threading.Event().wait(_PAUSE_SECONDS)
                waited += _PAUSE_SECONDS
        return self._connection

    def _open(self) -> sqlite3.Connection:
        """A new connection, the file in WAL mode, the tables there; it waits for no lock longer than a pause."""
        import sqlite3

        if sqlite3.sqlite_version_info < _NEEDED:
            raise StorageError(f"SQLite 3.35 or newer is needed, this Python has {sqlite3.sqlite_version}")
        connection = sqlite3.connect(self.path, timeout=_PAUSE_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            cursor = connection.cursor()
            if not self._create and _version(cursor, self._prefix) != SCHEMA_VERSION:
                ensure_schema(cursor, self._prefix, create=False)  # raises: not even the file's mode is changed
            (mode,) = cursor.execute("PRAGMA journal_mode = WAL").fetchone()
            if mode != "wal":
                raise StorageError(f"{self.path} cannot have a write-ahead log (mode {mode}): is it on a local disk?")
            for pragma in _PRAGMAS:
                cursor.execute(pragma)
            if _version(cursor, self._prefix) != SCHEMA_VERSION:
                cursor.execute("BEGIN IMMEDIATE")
                ensure_schema(cursor, self._prefix, create=self._create)
                cursor.execute("COMMIT")
            cursor.execute(f"PRAGMA busy_timeout = {round(self._busy_seconds * 1000)}")
            self._file_id = _file_id(self.path)
            # The numbers of two connections have nothing to do with each other: after a fault the next check runs.
            self._data_version = _data_version(cursor) if self._data_version is None else -1
            self._on_open(cursor)
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_still_there(self) -> None:
        """Check that the file still has its name: a deleted or moved one can be written, but its content would be lost.

        The connection stays open: its end would delete the write-ahead log of whatever has the name now.
        """
        if _file_id(self.path) != self._file_id:
            raise StorageError(
                f"{self.path} was moved, replaced or deleted while it was open:"
                " put it back, or close this store and make a new one"
            )

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _check_same_file(self, cursor: sqlite3.Cursor) -> None:
        """Check that a host's connection is on this file: a put into another one would be lost silently."""
        main = next((file for _, name, file in cursor.execute("PRAGMA database_list") if name == "main"), "")
        if not main or not self.path.exists() or not os.path.samefile(main, self.path):
            raise ConfigurationError(f"connection= is open on {main or 'no file'!r}, this store on {str(self.path)!r}")

    def _storage_error(self, error: Exception) -> StorageError:
        # The name distinguishes e.g. a lock that waiting cannot free (SQLITE_BUSY_SNAPSHOT) from one that it can.
        name = getattr(error, "sqlite_errorname", "")
        return StorageError(f"SQLite on {self.path}: {error}" + (f" ({name})" if name else ""))

    def __del__(self) -> None:
        if getattr(self, "_connection", None) is not None and self._pid == os.getpid():
            warnings.warn(f"SQLiteStorage on {self.path} was not closed: await aclose()", ResourceWarning, stacklevel=2)


def ensure_schema(cursor: sqlite3.Cursor, prefix: str, *, create: bool) -> None:
    """Bring the tables to this library's version, inside the caller's transaction.

    Raises:
        SchemaTooNew: a newer library made the tables: upgrade this one.
        StorageError: with ``create=False``, tables are missing or old: run ``SQLiteStorage.schema_sql()``.
    """
    version = _version(cursor, prefix)
    if version > SCHEMA_VERSION:
        raise SchemaTooNew(
            f"tables {prefix}* are of version {version}, this library knows up to {SCHEMA_VERSION}: upgrade amazon-ae"
        )
    if version == SCHEMA_VERSION:
        return
    if not create:
        raise StorageError(
            f"tables {prefix}* are of version {version} and {SCHEMA_VERSION} is needed:"
            f" run SQLiteStorage.schema_sql({prefix!r}, after={version}) in your migration"
        )
    for statement in statements(prefix, after=version):
        cursor.execute(statement)


def _is_busy(error: sqlite3.OperationalError) -> bool:
    import sqlite3

    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def _file_id(path: Path) -> int | None:
    """The number of the file that has this name, as SQLite itself compares it; ``None`` where none can be seen."""
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _data_version(cursor: sqlite3.Cursor) -> int:
    """A number that changes when another connection has committed."""
    return int(cursor.execute("PRAGMA data_version").fetchone()[0])


def _version(cursor: sqlite3.Cursor, prefix: str) -> int:
    """0 where the tables do not exist."""
    found = cursor.execute(
        # To SQLite, names that differ in case only are one name.
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ? COLLATE NOCASE",
        (f"{prefix}schema",),
    ).fetchone()
    if found is None:
        return 0
    row = cursor.execute(f"SELECT max(version) FROM {prefix}schema").fetchone()
    try:
        return int(row[0] or 0)
    except ValueError:
        raise StorageError(f"tables {prefix}* have no version that could be read: {row[0]!r}") from None
