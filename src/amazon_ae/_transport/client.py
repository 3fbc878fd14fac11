"""The base of both APIs' clients: account, marketplace, credentials, closing."""

from __future__ import annotations

import warnings
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from amazon_ae._models.marketplaces import Marketplace
from amazon_ae._ports import Clock
from amazon_ae._transport.calls import CallExecutor
from amazon_ae._transport.connection import HttpConnection

__all__ = ["ApiClient"]


class _Credentials(Protocol):
    @property
    def seller_id(self) -> str: ...


CredentialsT = TypeVar("CredentialsT", bound=_Credentials)


class ApiClient(Generic[CredentialsT]):
    """One seller's access to one marketplace. Use it with ``async with``, or call ``aclose`` yourself.

    Args:
        credentials: the application's keys and the seller's authorisation.
        marketplace: where the seller sells.
        connection: sends the requests; closed with this client.
        calls: performs the calls.
    """

    def __init__(
        self,
        credentials: CredentialsT,
        marketplace: Marketplace,
        *,
        connection: HttpConnection,
        calls: CallExecutor[Any],
    ) -> None:
        self._credentials = credentials
        self._marketplace = marketplace
        self._connection = connection
        self._clock = calls.clock

    @property
    def account(self) -> str:
        """``"<seller id>/<marketplace code>"``: the key of this seller's items in storage, whatever the backend."""
        return f"{self._credentials.seller_id}/{self._marketplace.code}"

    @property
    def marketplace(self) -> Marketplace:
        """The marketplace that this client calls."""
        return self._marketplace

    @property
    def credentials(self) -> CredentialsT:
        """The credentials whose quota this client spends. Their ``repr`` shows no secret."""
        return self._credentials

    @property
    def clock(self) -> Clock:
        """The injected clock."""
        return self._clock

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections that this client opened; twice is fine. An ``http`` that you passed in stays open."""
        await self._connection.aclose()

    def __del__(self) -> None:
        connection = getattr(self, "_connection", None)
        if connection is not None and connection.is_open:
            name = type(self).__name__
            warnings.warn(
                f"{name} was not closed: use 'async with' or aclose()", ResourceWarning, stacklevel=2, source=self
            )
