"""The own connection pool of ``PostgresStorage``: the settings of its connections, direct or behind a pooler.

A pooler in transaction mode (PgBouncer, RDS Proxy, Supavisor ...) gives each transaction whichever server connection is
free. Session state then reaches other clients, or gets lost: prepared statements, ``SET``, ``LISTEN``. So
behind a pooler no statement is prepared, and timeouts are set inside each transaction. A pooler is recognised by
the process id that it gave when the connection began: it is not that of the server process that answers.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Any, Final

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.hidden import sealed

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg_pool import AsyncConnectionPool

__all__ = ["ConnectErrors", "Timeouts", "check_alive", "is_direct", "make_pool"]

_BACKEND_PID: Final = b"SELECT pg_catalog.pg_backend_pid()"
_SET_TIMEOUTS: Final = (
    b"SELECT set_config('statement_timeout', %s, %s), set_config('idle_in_transaction_session_timeout', %s, %s)"
)
# The messages of servers and poolers whose connections are all in use; a failed connection has only a text.
_CROWDED: Final = ("too many clients", "remaining connection slots", "too many connections", "max_client_conn")


class Timeouts:
    """The limits for a statement and for an idle transaction, in the own pool.

    A process that was stopped in the middle of a transaction keeps its locks until the server ends that transaction.
    That is done after half the statement timeout, so that a statement that waits for those locks gets them before
    it is given up itself. ``statement_seconds`` of ``None`` leaves both to the server.
    """

    def __init__(self, statement_seconds: float | None) -> None:
        self._statement = None if statement_seconds is None else str(round(statement_seconds * 1000))
        self._idle = None if statement_seconds is None else str(round(statement_seconds * 500))

    async def set(self, executor: Any, *, local: bool) -> None:
        """Set them for the session, or with ``local`` for the running transaction."""
        if self._statement is not None:
            await executor.execute(_SET_TIMEOUTS, (self._statement, local, self._idle, local))


class ConnectErrors:
    """Remembers why the last connection failed: the pool's own error is only a timeout."""

    def __init__(self) -> None:
        self.last: Exception | None = None

    def advice(self) -> str:
        """Advice where the server has no connection left; ``""`` for any other failure."""
        text = str(self.last).lower()
        if self.last is None or not any(words in text for words in _CROWDED):
            return ""
        return (
            ": every connection of the server is in use; lower max_connections, run fewer processes, or put a pooler in"
            " front (how-to: many hosts)"
        )


@sealed
def make_pool(
    conninfo: str, *, name: str, max_connections: int, timeout_seconds: float, timeouts: Timeouts, errors: ConnectErrors
) -> AsyncConnectionPool[Any]:
    """A closed pool whose connections are in autocommit mode and READ COMMITTED.

    Raises:
        ConfigurationError: the connection string cannot be read.
    """
    from psycopg import AsyncConnection, Error, IsolationLevel
    from psycopg.conninfo import conninfo_to_dict
    from psycopg_pool import AsyncConnectionPool

    try:
        given = conninfo_to_dict(conninfo)
    except Error:
        # The driver's own message quotes the string, and a password may be in it.
        raise ConfigurationError("the connection string cannot be read") from None
    # So that a host that vanished silently is noticed within about a minute; the string's own settings win.
    defaults = {
        "connect_timeout": max(2, round(timeout_seconds)),
        "keepalives_idle": 20,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "application_name": "amazon_ae",
    }

    class Connection(AsyncConnection[Any]):
        @classmethod
        async def connect(cls, *args: Any, **kwargs: Any) -> Any:
            try:
                connection = await super().connect(*args, **kwargs)
            except Exception as error:
                errors.last = error
                raise
            errors.last = None
            return connection

    async def configure(connection: AsyncConnection[Any]) -> None:
        await connection.set_isolation_level(IsolationLevel.READ_COMMITTED)
        if await is_direct(connection):
            await timeouts.set(connection, local=False)
        else:
            connection.prepare_threshold = None

    return AsyncConnectionPool(
        conninfo,
        connection_class=Connection,
        kwargs={"autocommit": True, **{name: value for name, value in defaults.items() if name not in given}},
        min_size=1,
        max_size=max_connections,
        open=False,
        configure=configure,
        check=check_alive,
        timeout=timeout_seconds,
        reconnect_timeout=timeout_seconds,
        name=name,
    )


async def is_direct(connection: AsyncConnection[Any]) -> bool:
    """Whether the server itself is at the other end, and no pooler."""
    from psycopg import AsyncRawCursor
    from psycopg.rows import tuple_row

    async with AsyncRawCursor(connection, row_factory=tuple_row) as cursor:
        await cursor.execute(_BACKEND_PID, prepare=False)
        row = await cursor.fetchone()
    return row is not None and row[0] == connection.info.backend_pid


async def check_alive(connection: AsyncConnection[Any]) -> None:
    """The pool's ``check=``: raise on a connection that died while it lay idle.

    A server that shuts down says so on every idle connection. So a round trip is needed only where something arrived.
    """
    if _readable(connection.fileno()):
        await connection.execute(b"")


def _readable(fileno: int) -> bool:
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(fileno, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([fileno], [], [], 0)[0])
