"""Chooses the ``httpx.AsyncClient`` of a request: the host's, or one of our own per event loop.

A pooled connection belongs to the event loop that opened it. Used from another one, a request may arrive although its
answer can't be read. So an own client is opened per loop, and a host's client is refused in a second loop before
anything is sent.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import httpx

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._transport.http import HttpTransport
from amazon_ae._transport.retries import ClosedClient

__all__ = ["HttpConnection"]

# For own connections; a client that the host passes in keeps its own timeouts. Large feeds take a while to be read.
_TIMEOUT: Final = httpx.Timeout(60.0, connect=10.0)

# The loop in which a host's client was first used. Global, because an httpx client may outlive the API client that
# used it first, and the next one must find the entry.
_first_loops: weakref.WeakKeyDictionary[httpx.AsyncClient, weakref.ref[asyncio.AbstractEventLoop]] = (
    weakref.WeakKeyDictionary()
)


class HttpConnection:
    """The HTTP side of one client.

    Args:
        owner: the class that it serves, for errors, e.g. ``"MwsClient"``.
        http: the host's client, never closed here; ``None``: own ones are opened at the first request, without proxy
            settings out of the environment.
        max_exchange: the longest that one request with its answer takes in real time; ``None``: forever.
        max_body_bytes: a larger answer is refused before it is read.
        request_id_header: the header with Amazon's request id, in lower case.
        scrub: removes credentials from a text before it gets into an error.

    Raises:
        ConfigurationError: ``http`` or ``max_exchange`` cannot be used.
    """

    def __init__(
        self,
        owner: str,
        *,
        http: httpx.AsyncClient | None,
        max_exchange: timedelta | None,
        max_body_bytes: int,
        request_id_header: str,
        scrub: Callable[[str], str],
    ) -> None:
        if http is not None and not isinstance(http, httpx.AsyncClient):
            blocking = ", which would block the event loop" if isinstance(http, httpx.Client) else ""
            raise ConfigurationError(f"http is {type(http).__name__}{blocking}: give an httpx.AsyncClient")
        if max_exchange is not None and max_exchange <= timedelta(0):
            raise ConfigurationError(f"max_exchange must be above 0, not {max_exchange}")
        self._owner = owner
        self._given = http
        self._max_seconds = None if max_exchange is None else max_exchange.total_seconds()
        self._max_body_bytes = max_body_bytes
        self._request_id_header = request_id_header
        self._scrub = scrub
        self._own: dict[asyncio.AbstractEventLoop, httpx.AsyncClient] = {}
        self._closed = False

    @property
    def is_open(self) -> bool:
        """Whether an own client is open."""
        return bool(self._own)

    def transport(self) -> HttpTransport:
        """The transport for one request in the running event loop.

        Raises:
            NotSent: ``aclose`` was called.
            ConfigurationError: the host's client belongs to another event loop, or no client can be opened.
        """
        if self._closed:
            raise ClosedClient(f"this {self._owner} is closed: make a new one")
        loop = asyncio.get_running_loop()
        return HttpTransport(
            self._own_in(loop) if self._given is None else self._given_in(self._given, loop),
            max_body_bytes=self._max_body_bytes,
            max_seconds=self._max_seconds,
            request_id_header=self._request_id_header,
            scrub=self._scrub,
        )

    async def aclose(self) -> None:
        """Close the own clients; twice is fine. The sockets of a closed loop were closed with it."""
        self._closed = True
        own, self._own = self._own, {}
        for loop, client in own.items():
            if loop is asyncio.get_running_loop():
                await client.aclose()
            elif loop.is_running():
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(client.aclose(), loop))

    def _own_in(self, loop: asyncio.AbstractEventLoop) -> httpx.AsyncClient:
        if loop not in self._own:
            for closed in [one for one in self._own if one.is_closed()]:
                del self._own[closed]
            try:
                self._own[loop] = httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False)
            except Exception as error:  # certificates or SSLKEYLOGFILE of this machine
                raise ConfigurationError(
                    f"{self._owner}: no HTTP client can be opened on this machine: {type(error).__name__}: {error}"
                ) from error
        return self._own[loop]

    def _given_in(self, http: httpx.AsyncClient, loop: asyncio.AbstractEventLoop) -> httpx.AsyncClient:
        first = _first_loops.setdefault(http, weakref.ref(loop))
        if first() is not loop:
            raise ConfigurationError(
                f"{self._owner}: this httpx.AsyncClient was used in another event loop, and its connections belong to "
                "that one: make one per asyncio.run, or leave http out"
            )
        return http
