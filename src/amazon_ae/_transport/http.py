"""The only user of httpx: sends one request, reads a bounded answer, maps every foreign error.

httpx writes each URL to its log at level INFO, and the query of a URL may carry credentials. While such a request is
in flight, that one record is written without the URL's query.

httpx bounds each step of a request (connecting, one read, one write) but not their sum: an answer that drips never
ends for it. So the whole exchange has a limit of its own, in real time like httpx's: a network doesn't follow an
injected clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

import attrs
import httpx

from amazon_ae._exceptions import ConfigurationError, NotSent, OutcomeUnknown, UnreadableResponse
from amazon_ae._models.hidden import without_frames
from amazon_ae._transport.retries import ClosedClient

__all__ = ["ERROR_BODY_BYTES", "HttpTransport", "RawAnswer", "WireRequest", "check_endpoint", "surely_unsent"]

ERROR_BODY_BYTES: Final = 65_536
"""The most bytes of an error's body that are read; Amazon's own are below 2 kB."""

# Raised before a connection carries the first byte of the request.
_UNSENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)
_MAX_REASON_LENGTH: Final = 200


@attrs.frozen(kw_only=True)
class WireRequest:
    """The request as sent: exactly these bytes, since a signature may cover them."""

    method: str = "POST"
    url: str = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(repr=False)
    content: bytes = attrs.field(default=b"", repr=False)


@attrs.frozen
class RawAnswer:
    """Status, headers (names in lower case) and body of an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes = attrs.field(repr=False)


class _WithoutQuery(logging.Filter):
    """Passes every record; in those that show ``url`` itself, its query is left out."""

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
def _query_out_of_logs(url: httpx.URL) -> Iterator[None]:
    if not url.query:
        yield
        return
    logger, without_query = logging.getLogger("httpx"), _WithoutQuery(url)
    logger.addFilter(without_query)
    try:
        yield
    finally:
        logger.removeFilter(without_query)


def surely_unsent(error: Exception) -> bool:
    """Whether the request cannot have reached Amazon."""
    return isinstance(error, _UNSENT)


def check_endpoint(endpoint: str, what: str = "endpoint") -> str:
    """The endpoint without a trailing slash.

    Args:
        what: whose endpoint it is, for the error.

    Raises:
        ConfigurationError: it has a path, or it is not ``https``. Plain ``http`` is allowed for this machine only (a
            sandbox).
    """
    if not isinstance(endpoint, str):
        raise ConfigurationError(f"{what} must be scheme and host as a text, not {endpoint!r}")
    try:
        parts = urlsplit(endpoint)
        host = parts.hostname
        _ = parts.port  # raises for a port that is none
    except ValueError as error:
        raise ConfigurationError(f"{what} {endpoint!r} is not a URL: {error}") from error
    if not host or parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None:
        raise ConfigurationError(f"{what} must be scheme and host only, not {endpoint!r}")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise ConfigurationError(f"{what} must be https (http is for this machine only), not {endpoint!r}")
    return f"{parts.scheme}://{parts.netloc}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class HttpTransport:
    """Sends requests through an ``httpx.AsyncClient``.

    Args:
        http: the client; its connection pool, proxies, certificates and timeouts apply, its ``auth``, cookies, default
            headers and parameters do not.
        max_body_bytes: an answer above this is refused, unread.
        max_seconds: a request with its answer is given up after so long; ``None``: never.
        request_id_header: the header with Amazon's request id, in lower case.
        scrub: removes credentials from a text before it gets into an error.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        max_body_bytes: int,
        max_seconds: float | None = None,
        request_id_header: str,
        scrub: Callable[[str], str],
    ) -> None:
        self._http = http
        self._max_body_bytes = max_body_bytes
        self._max_seconds = max_seconds
        self._request_id_header = request_id_header
        self._scrub = scrub

    async def exchange(self, wire: WireRequest, *, name: str) -> RawAnswer:
        """Send once, read the answer.

        Args:
            name: of the operation, for errors.

        Raises:
            ConfigurationError: httpx cannot make a request of it (a URL above 64 KiB, for one); nothing was sent.
            NotSent: no connection was made.
            OutcomeUnknown: any other failure after the connection was made, or the limit ran out.
            UnreadableResponse: a success larger than the cap.
        """
        try:
            return await self._exchange(wire, name)
        except BaseException as error:  # cancellation too: its frames hold the URL, in which MWS has the token
            failure = without_frames(error)
        raise failure

    async def _exchange(self, wire: WireRequest, name: str) -> RawAnswer:
        if self._http.is_closed:
            raise ClosedClient(f"{name}: the HTTP client is closed")
        try:
            request = httpx.Request(
                wire.method,
                wire.url,
                headers=wire.headers,
                content=wire.content,
                # Older httpx gives a request that it did not build no timeout at all.
                extensions={"timeout": self._http.timeout.as_dict()},
            )
        except Exception as error:
            raise ConfigurationError(f"{name}: the request cannot be built: {error}"[:200]) from error
        limit = asyncio.timeout(self._max_seconds)
        try:
            async with limit:
                with _query_out_of_logs(request.url):
                    response = await self._http.send(request, stream=True, auth=None, follow_redirects=False)
                try:
                    return await self._read(response, name)
                finally:
                    await response.aclose()
        except UnreadableResponse:
            raise
        except Exception as error:  # whatever a transport, proxy or event hook of the host raises
            without_frames(error)
            if limit.expired():
                raise OutcomeUnknown(
                    f"{name}: no whole answer in {self._max_seconds:g} s (max_exchange); the request may have arrived"
                ) from error
            if surely_unsent(error):
                why = self._scrub(f"{type(error).__name__}: {error}")[:_MAX_REASON_LENGTH].rstrip(": ")
                raise NotSent(f"{name}: no connection to {request.url.host}: {why}") from error
            what = type(error).__name__
            raise OutcomeUnknown(f"{name}: the exchange broke off ({what}); the request may have arrived") from error

    async def _read(self, response: httpx.Response, name: str) -> RawAnswer:
        success = response.is_success
        limit = self._max_body_bytes if success else ERROR_BODY_BYTES
        headers = {header.lower(): value for header, value in response.headers.items()}
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
                f"{name}: the answer is larger than {limit:,} bytes (max_body_bytes)",
                status=response.status_code,
                request_id=headers.get(self._request_id_header),
            )
        return RawAnswer(response.status_code, headers, bytes(body[:limit]))
