"""The only user of httpx: sends one request, reads a bounded answer, maps every foreign error.

httpx writes each URL to its log at level INFO, and a SubmitFeed's URL carries the auth token. While such a request is
on its way, that one record is written without the URL's query.

httpx bounds each step of a request (connecting, one read, one write), not their sum: an answer that comes drop by drop
never ends for it. So the whole exchange has a limit of its own. It is real time, as httpx's are: a network does not
follow an injected clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Final

import attrs
import httpx

from amazon_ae._exceptions import ConfigurationError, NotSent, OutcomeUnknown, UnreadableResponse
from amazon_ae._mws.requests import WireRequest
from amazon_ae._mws.responses import ERROR_BODY_BYTES, scrub
from amazon_ae._transport.retries import ClosedClient

__all__ = ["RawAnswer", "Transport", "surely_unsent"]

# Raised before a connection carries the first byte of the request.
_UNSENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)
_LONGEST_REASON: Final = 200


@attrs.frozen
class RawAnswer:
    """Status, headers (names in lower case) and body of an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes = attrs.field(repr=False)


class _WithoutQuery(logging.Filter):
    """Lets every record pass; in those that show ``url`` itself, its query is left out."""

    def __init__(self, url: httpx.URL) -> None:
        super().__init__()
        self._url = url

    def filter(self, record: logging.LogRecord) -> bool:
        """Never drops a record."""
        if isinstance(record.args, tuple):
            shown = str(self._url).partition("?")[0] + "?…"
            record.args = tuple(shown if arg is self._url else arg for arg in record.args)
        return True


@contextlib.contextmanager
def _quiet(url: httpx.URL) -> Iterator[None]:
    if not url.query:
        yield
        return
    logger, quiet = logging.getLogger("httpx"), _WithoutQuery(url)
    logger.addFilter(quiet)
    try:
        yield
    finally:
        logger.removeFilter(quiet)


def surely_unsent(error: Exception) -> bool:
    """Whether the request cannot have reached Amazon."""
    return isinstance(error, _UNSENT)


class Transport:
    """Sends requests through an ``httpx.AsyncClient``.

    Args:
        http: the client; its connection pool, proxies, certificates and timeouts apply, its ``auth``, cookies, default
            headers and parameters do not.
        max_body_bytes: an answer above this is refused, unread.
        max_seconds: a request with its answer is given up after so long; ``None``: never.
    """

    def __init__(self, http: httpx.AsyncClient, *, max_body_bytes: int, max_seconds: float | None = None) -> None:
        self._http = http
        self._max_body_bytes = max_body_bytes
        self._max_seconds = max_seconds

    async def exchange(self, wire: WireRequest, *, action: str) -> RawAnswer:
        """Send once, read the answer.

        Raises:
            ConfigurationError: httpx cannot make a request of it (a URL above 64 KiB, for one); nothing was sent.
            NotSent: no connection was made.
            OutcomeUnknown: whatever else went wrong on the way, or it took longer than the limit.
            UnreadableResponse: a success larger than the cap.
        """
        if self._http.is_closed:
            raise ClosedClient(f"{action}: the HTTP client is closed")
        try:
            request = httpx.Request(
                "POST",
                wire.url,
                headers=wire.headers,
                content=wire.content,
                # Older httpx gives a request that it did not build no timeout at all.
                extensions={"timeout": self._http.timeout.as_dict()},
            )
        except Exception as error:
            raise ConfigurationError(f"{action}: the request cannot be built: {error}"[:200]) from error
        limit = asyncio.timeout(self._max_seconds)
        try:
            async with limit:
                with _quiet(request.url):
                    response = await self._http.send(request, stream=True, auth=None, follow_redirects=False)
                try:
                    return await self._read(response, action)
                finally:
                    await response.aclose()
        except UnreadableResponse:
            raise
        except Exception as error:  # whatever a transport, proxy or event hook of the host raises
            if limit.expired():
                raise OutcomeUnknown(f"{action}: no whole answer in {self._max_seconds:g} s (max_exchange)") from error
            if surely_unsent(error):
                why = scrub(f"{type(error).__name__}: {error}")[:_LONGEST_REASON].rstrip(": ")
                raise NotSent(f"{action}: no connection to {request.url.host}: {why}") from error
            raise OutcomeUnknown(f"{action}: {type(error).__name__}") from error

    async def _read(self, response: httpx.Response, action: str) -> RawAnswer:
        success = response.is_success
        limit = self._max_body_bytes if success else ERROR_BODY_BYTES
        headers = {name.lower(): value for name, value in response.headers.items()}
        announced = headers.get("content-length", "")
        body = bytearray()
        if not (success and announced.isdecimal() and int(announced) > limit):
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > limit:
                    break
            else:
                return RawAnswer(response.status_code, headers, bytes(body))
        if success:
            raise UnreadableResponse(
                f"{action}: the answer is larger than {limit:,} bytes (max_body_bytes)",
                status=response.status_code,
                request_id=headers.get("x-mws-request-id"),
            )
        return RawAnswer(response.status_code, headers, bytes(body[:limit]))
