"""Checks that a host's connection is to the store's own database: a put into another one would be lost."""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from amazon_ae._exceptions import ConfigurationError

if TYPE_CHECKING:
    from psycopg import AsyncConnection, AsyncCursor

    Cursor = AsyncCursor[tuple[Any, ...]]

__all__ = ["DatabaseIdentity"]

# The number that initdb gave the server: equal on its standbys, another one on every other server. Where a service
# hides it, the database's name is compared alone.
_WHERE: Final = b"SELECT current_database(), system_identifier FROM pg_catalog.pg_control_system()"
_NAME_ONLY: Final = b"SELECT current_database(), NULL"


class DatabaseIdentity:
    """Knows the store's own database, and the connections that were found to be to it.

    Args:
        connect: makes a connection to the store's own database, in autocommit mode; closed here.
        cursor: makes a cursor whose rows are tuples.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[AsyncConnection[Any]]],
        cursor: Callable[[AsyncConnection[Any]], Cursor],
    ) -> None:
        self._connect = connect
        self._cursor = cursor
        self._statement = _WHERE
        self._own: tuple[Any, ...] | None = None
        self._checked: weakref.WeakSet[AsyncConnection[Any]] = weakref.WeakSet()

    async def check(self, cursor: Cursor) -> None:
        """Pass if the cursor's connection is to the store's own database. Asks the server once for each connection.

        Raises:
            ConfigurationError: it is to another database: pass a connection to the store's.
        """
        if cursor.connection in self._checked:
            return
        if self._own is None:
            self._own = await self._find()
        there = await self._ask(cursor)
        if there != self._own:
            # The server behind the store's address may have been replaced since we asked.
            self._own = await self._find()
        if there != self._own:
            raise ConfigurationError(
                f"connection= is to database {there[0]!r} (server {there[1]}), this store is in {self._own[0]!r} "
                f"(server {self._own[1]}): what is put there would never be sent"
            )
        self._checked.add(cursor.connection)

    async def _find(self) -> tuple[Any, ...]:
        from psycopg import errors

        connection = await self._connect()
        try:
            cursor = self._cursor(connection)
            try:
                return await self._ask(cursor)
            except (errors.InsufficientPrivilege, errors.UndefinedFunction):
                self._statement = _NAME_ONLY
                return await self._ask(cursor)
        finally:
            await connection.close()

    async def _ask(self, cursor: Cursor) -> tuple[Any, ...]:
        await cursor.execute(self._statement)
        row = await cursor.fetchone()
        assert row is not None
        return row
