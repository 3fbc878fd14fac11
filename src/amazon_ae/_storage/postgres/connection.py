"""Transactions for ``PostgresStorage``: borrow a connection, make the schema once, run one transaction, map errors."""

from __future__ import annotations

import asyncio
import inspect
import logging
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from amazon_ae._exceptions import ConfigurationError, SchemaTooNew, StorageError
from amazon_ae._models.hidden import without_frames
from amazon_ae._storage.postgres.identity import DatabaseIdentity
from amazon_ae._storage.postgres.pool import ConnectErrors, Timeouts, check_alive, is_direct, make_pool
from amazon_ae._storage.postgres.schema import SCHEMA_VERSION, migrations, quoted

if TYPE_CHECKING:
    from psycopg import AsyncConnection, AsyncCursor
    from psycopg_pool import AsyncConnectionPool

    Cursor = AsyncCursor[tuple[Any, ...]]

__all__ = ["Database", "ask", "refuse_foreign_connection"]

T = TypeVar("T")
_log = logging.getLogger(__name__)

# Two of ours never deadlock (see ``sql``); one of ours and a host's transaction may: PostgreSQL then rolls one back.
_TRIES: Final = 5
# Schedulers' own transactions leave one connection of the pool to callers, and queue no longer than this.
_RESERVED: Final = 1
_LINE_SECONDS: Final = 60.0


class _FromCaller(Exception):
    """Carries an exception of a caller's function past our error mapping, unchanged."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def ask(function: Callable[..., T], *arguments: Any) -> T:
    """Call a caller's function inside a transaction: its exception rolls the transaction back and is raised
    unchanged.
    """
    try:
        return function(*arguments)
    except Exception as error:
        raise _FromCaller(error) from error


def refuse_foreign_connection(connection: object) -> None:
    """Only psycopg's own async connection can take part.

    Raises:
        ConfigurationError: it is something else; the message names what to pass.
    """
    from psycopg import AsyncConnection

    if not isinstance(connection, AsyncConnection):
        raise ConfigurationError(
            f"connection= takes an open psycopg.AsyncConnection, not {type(connection).__module__}."
            f"{type(connection).__qualname__}; a library above psycopg hands its own out under a name such as "
            "driver_connection"
        )


class Database:
    """A pool, the host's or our own, and the schema in it. See ``PostgresStorage`` for the arguments."""

    def __init__(
        self,
        conninfo_or_pool: str | AsyncConnectionPool[Any],
        *,
        schema: str,
        create_schema: bool,
        max_connections: int,
        timeout_seconds: float,
        statement_timeout_seconds: float | None,
        listen_conninfo: str | None,
    ) -> None:
        self._schema = schema
        self._create_schema = create_schema
        self._timeout_seconds = timeout_seconds
        self._listen_conninfo = listen_conninfo
        self._schema_ready = False
        self._preparing = asyncio.Lock()
        self._opened = False
        self._closed = False
        self._connect_errors = ConnectErrors()
        self._timeouts = Timeouts(statement_timeout_seconds)
        self._pool: AsyncConnectionPool[Any]
        self._own = isinstance(conninfo_or_pool, str)
        try:
            import psycopg
            import psycopg_pool  # here, so that a missing driver shows at once
        except ImportError as error:
            raise ConfigurationError(
                "PostgresStorage needs psycopg and psycopg_pool: pip install 'amazon-ae[postgres]'"
            ) from error
        self._errors = (psycopg.Error, OSError, UnicodeError)
        self._psycopg = psycopg
        if isinstance(conninfo_or_pool, str):
            self._pool = make_pool(
                conninfo_or_pool,
                name=f"amazon_ae {schema}",
                max_connections=max_connections,
                timeout_seconds=timeout_seconds,
                timeouts=self._timeouts,
                errors=self._connect_errors,
            )
        elif isinstance(conninfo_or_pool, psycopg_pool.AsyncConnectionPool):
            self._pool = conninfo_or_pool
        else:
            raise ConfigurationError(
                "PostgresStorage takes a connection string or an open AsyncConnectionPool, not "
                f"{type(conninfo_or_pool).__name__}"
            )
        self._line = asyncio.Semaphore(max(1, self._pool.max_size - _RESERVED))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._identity = DatabaseIdentity(self.connect, self._cursor)

    async def run(
        self,
        work: Callable[[Cursor], Awaitable[T]],
        *,
        transaction: bool = True,
        background: bool = True,
        keep: Callable[[T], bool] = lambda result: True,
        after: Callable[[Cursor, T], Awaitable[None]] | None = None,
    ) -> T:
        """Do ``work`` on a connection of the pool, all or nothing; again, if the database rolled it back in favour of
        another transaction.

        Args:
            transaction: ``False`` where ``work`` is one statement, which is a transaction by itself.
            background: work of schedulers, however many there are, leaves a connection to the calls of the host.
            keep: decides by the result whether to commit; otherwise everything is rolled back.
            after: called once it is committed, on the same connection.

        Raises:
            StorageError: nothing was written, or the connection was lost while the commit was on its way.
            ConfigurationError: this store was first used in another event loop.
        """
        self._check_loop()
        with self._translated():
            if not self._schema_ready:
                await self._prepare()
            async with self._turn(background):
                for attempt in range(1, _TRIES + 1):
                    try:
                        async with self._borrow() as connection:
                            return await self._attempt(
                                connection, work, transaction=transaction or attempt > 1, keep=keep, after=after
                            )
                    except (self._psycopg.errors.SerializationFailure, self._psycopg.errors.DeadlockDetected) as error:
                        if attempt == _TRIES:
                            raise
                        _log.debug("PostgreSQL undid a transaction (%s): once more", error.sqlstate)
        raise AssertionError("unreachable")

    async def _attempt(
        self,
        connection: AsyncConnection[Any],
        work: Callable[[Cursor], Awaitable[T]],
        *,
        transaction: bool,
        keep: Callable[[T], bool],
        after: Callable[[Cursor, T], Awaitable[None]] | None,
    ) -> T:
        cursor = self._cursor(connection)
        # Behind a pooler the timeouts must be set in the transaction that they are for.
        pooled = self._own and connection.prepare_threshold is None
        # READ COMMITTED, whatever the server's default that failed a bare statement the first time.
        if transaction or pooled:
            async with connection.transaction() as block:
                if pooled:
                    await self._timeouts.set(cursor, local=True)
                result = await work(cursor)
                if not keep(result):
                    raise self._psycopg.Rollback(block)
        else:
            result = await work(cursor)
        if after is not None:
            await after(cursor, result)
        return result

    @asynccontextmanager
    async def _turn(self, background: bool) -> AsyncIterator[None]:
        """A turn for background work; callers need none.

        Raises:
            StorageError: no turn came within a minute.
        """
        if not background:
            yield
            return
        try:
            async with asyncio.timeout(_LINE_SECONDS):
                await self._line.acquire()
        except TimeoutError:
            raise StorageError(f"no connection was free for background work within {_LINE_SECONDS:.0f} s") from None
        try:
            yield
        finally:
            self._line.release()

    def _check_loop(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop and self._own:
            raise ConfigurationError(
                "this PostgresStorage was first used in another event loop: make one for each asyncio.run, and close it"
                " there"
            )

    async def within(self, connection: AsyncConnection[Any], work: Callable[[Cursor], Awaitable[T]]) -> T:
        """Do ``work`` in the host's transaction: all of it or, after an error, nothing of it. Commits nothing.

        Raises:
            ConfigurationError: there is no transaction, and none would begin: autocommit. Or the connection is to
                another database.
            StorageError: nothing of it was written; the transaction is as it was, if its connection lives.
        """
        with self._translated():
            cursor = self._cursor(connection)
            idle = connection.info.transaction_status == self._psycopg.pq.TransactionStatus.IDLE
            if idle and connection.autocommit:
                raise ConfigurationError(
                    "connection= is in autocommit mode with no transaction: async with connection.transaction() first"
                )
            if connection.info.transaction_status != self._psycopg.pq.TransactionStatus.INTRANS:
                # Begins the host's transaction, as any first statement does; the block below then is a savepoint in it.
                # A transaction that has failed already says so here.
                await cursor.execute(b"SELECT 1")
            async with connection.transaction():
                await self._identity.check(cursor)
                if not self._schema_ready:
                    # Checked here first: a pool of one connection may have given that one to the host.
                    self._schema_ready = await self._installed(cursor) == SCHEMA_VERSION
                    if not self._schema_ready:
                        await self._prepare()
                return await work(cursor)

    async def connect(self) -> AsyncConnection[Any]:
        """A connection outside the pool, made as the pool makes its own; the caller closes it."""
        conninfo, kwargs = await _setting(self._pool.conninfo), await _setting(self._pool.kwargs)
        connection: AsyncConnection[Any] = await self._pool.connection_class.connect(conninfo or "", **(kwargs or {}))
        try:
            await connection.set_autocommit(True)
        except BaseException:
            await connection.close()
            raise
        return connection

    async def connect_to_listen(self) -> AsyncConnection[Any] | None:
        """A direct connection for ``LISTEN``, which the caller closes; ``None`` behind a pooler if none is
        configured.
        """
        if self._listen_conninfo is None:
            connection = await self.connect()
        else:
            connection = await self._psycopg.AsyncConnection.connect(
                self._listen_conninfo, autocommit=True, application_name="amazon_ae"
            )
        try:
            if await is_direct(connection):
                return connection
        except BaseException:
            await connection.close()
            raise
        await connection.close()
        return None

    async def aclose(self) -> None:
        """Close the own pool; the host's stays open. Twice is fine."""
        if self._own and not self._closed:
            if self._opened:
                self._check_loop()
            self._closed = True
            await self._pool.close()

    def __del__(self) -> None:
        if getattr(self, "_opened", False) and not self._closed:
            warnings.warn("PostgresStorage was not closed: await aclose()", ResourceWarning, stacklevel=2)

    def _cursor(self, connection: AsyncConnection[Any]) -> Cursor:
        from psycopg.rows import tuple_row

        # Not connection.cursor(): the host's connection may make cursors and rows of another kind.
        return self._psycopg.AsyncCursor(connection, row_factory=tuple_row)

    @asynccontextmanager
    async def _borrow(self) -> AsyncIterator[AsyncConnection[Any]]:
        """A live connection of the pool: every statement a transaction, READ COMMITTED; put back as it was."""
        if self._own:
            await self._pool.open()
            self._opened = True
            async with self._taken() as connection:
                yield connection
            return
        while True:
            async with self._taken() as connection:
                was = connection.autocommit, connection.isolation_level, connection.read_only
                await connection.set_autocommit(True)
                await connection.set_isolation_level(self._psycopg.IsolationLevel.READ_COMMITTED)
                await connection.set_read_only(None)
                try:
                    if await self._lives(connection):
                        yield connection
                        return
                finally:
                    if not connection.closed:
                        if connection.info.transaction_status == self._psycopg.pq.TransactionStatus.IDLE:
                            await connection.set_autocommit(was[0])
                            await connection.set_isolation_level(was[1])
                            await connection.set_read_only(was[2])
                        else:
                            await connection.close()

    @asynccontextmanager
    async def _taken(self) -> AsyncIterator[AsyncConnection[Any]]:
        """A connection of the pool. A cancellation that arrives together with it counts, too.

        The pool waits with ``asyncio.wait_for``, which forgets such a cancellation on Python 3.11: a scheduler that is
        being closed would go on, and a caller's timeout would pass unnoticed.
        """
        task = asyncio.current_task()
        cancelled_before = task.cancelling() if task is not None else 0
        async with self._pool.connection(self._timeout_seconds) as connection:
            if task is not None and task.cancelling() > cancelled_before:
                raise asyncio.CancelledError
            yield connection

    async def _lives(self, connection: AsyncConnection[Any]) -> bool:
        """The own pool's ``check=``, for a pool of the host's that may have none."""
        try:
            await check_alive(connection)
        except self._psycopg.Error:
            await connection.close()
            return False
        return True

    async def _prepare(self) -> None:
        """Make or upgrade the schema, once; many processes may start together."""
        async with self._preparing:
            if self._schema_ready:
                return
            async with self._borrow() as connection:
                cursor = self._cursor(connection)
                installed = await self._installed(cursor)
                if installed < SCHEMA_VERSION:
                    if not self._create_schema:
                        raise StorageError(
                            f"schema {self._schema} has version {installed} and {SCHEMA_VERSION} is needed: run "
                            f"PostgresStorage.schema_sql({self._schema!r}, after={installed}) in your migration"
                        )
                    async with connection.transaction():
                        lock = (f"amazon_ae schema {self._schema}",)
                        await cursor.execute(b"SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", lock)
                        # Another process may have made it while we waited for the lock.
                        installed = await self._installed(cursor)
                        await cursor.execute(
                            b"SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = %s)", (self._schema,)
                        )
                        (exists,) = await cursor.fetchone() or (False,)
                        for step in migrations(self._schema, after=installed, schema_exists=exists):
                            await cursor.execute(step.encode())
            self._schema_ready = True

    async def _installed(self, cursor: Cursor) -> int:
        """The schema version that is there, 0 for none.

        Raises:
            SchemaTooNew: a newer library made it.
            ConfigurationError: the database does not keep text as UTF-8.
        """
        encoding = cursor.connection.info.parameter_status("server_encoding")
        if encoding not in ("UTF8", None):
            raise ConfigurationError(f"the database keeps text as {encoding}; SKUs need a database in UTF8")
        # Not to_regclass(): that may answer from a cache that is as old as the transaction.
        await cursor.execute(
            b"SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace "
            b"WHERE n.nspname = %s AND c.relname = 'schema_version'",
            (self._schema,),
        )
        if await cursor.fetchone() is None:
            return 0
        await cursor.execute(f"SELECT COALESCE(max(version), 0) FROM {quoted(self._schema)}.schema_version".encode())
        (version,) = await cursor.fetchone() or (0,)
        if version > SCHEMA_VERSION:
            raise SchemaTooNew(
                f"schema {self._schema} has version {version}, this library knows {SCHEMA_VERSION}: upgrade amazon-ae"
            )
        return int(version)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        cause: Exception | None = None
        try:
            yield
        except _FromCaller as carried:
            error = carried.error
        except self._errors as failure:
            # The driver's frames hold the connection string.
            cause = without_frames(self._reason(failure) or failure)
            error = self._failed(failure)
        else:
            return
        if cause is None:
            raise error
        raise error from cause

    def _failed(self, failure: Exception) -> StorageError:
        reason = self._reason(failure)
        lines = str(failure).splitlines() or [type(failure).__name__]
        text = f"PostgreSQL: {lines[0]}" + (f": {str(reason).splitlines()[0]}" if reason else "")
        return StorageError(text + (self._connect_errors.advice() if reason else ""))

    def _reason(self, failure: Exception) -> Exception | None:
        """The reason why the pool gave no connection, where it is known."""
        from psycopg_pool import PoolTimeout

        return self._connect_errors.last if isinstance(failure, PoolTimeout) else None


async def _setting(value: Any) -> Any:
    """The value of a pool's setting, which may be a function or a coroutine function that returns it."""
    if callable(value):
        value = value()
    return await value if inspect.isawaitable(value) else value
