"""Documents behind pre-signed URLs: uploaded and downloaded outside the API, without a token and unpaced.

1. An upload sends the very ``Content-Type`` that the document was made for, no token, and a ``Content-Length``;
   anything else is a wrong signature (S3 answers 403 with XML).
2. The URL is a credential: no log, error or traceback frame contains it.
3. Uploading the same bytes again changes nothing; an expired URL is requested again by the caller.

Source: developer guide, "Feeds API v2021-06-30 use case guide"; amzn/selling-partner-api-docs issues 949, 1602.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from amazon_ae._exceptions import (
    AmazonAeError,
    OutcomeUnknown,
    ServiceUnavailable,
    UnreadableResponse,
)
from amazon_ae._ports import Clock
from amazon_ae._spapi.errors import read_error
from amazon_ae._spapi.models import SignedDocument
from amazon_ae._transport.http import HttpTransport, RawAnswer, WireRequest
from amazon_ae._transport.retries import RetryPolicy, is_transient

__all__ = ["Transfers", "unpacked"]

_GZIP: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = 31


class Transfers:
    """Uploads and downloads of one client.

    Args:
        transport: returns the transport; called for each request.
        agent: the User-Agent header.
        clock: the time source, which also sleeps.
        retries: of transfers that failed for a passing reason.
        random: gives numbers in [0, 1).
        max_body_bytes: the most that a document may have, unpacked.
    """

    def __init__(
        self,
        *,
        transport: Callable[[], HttpTransport],
        agent: str,
        clock: Clock,
        retries: RetryPolicy,
        random: Callable[[], float],
        max_body_bytes: int,
    ) -> None:
        self._transport = transport
        self._agent = agent
        self._clock = clock
        self._retries = retries
        self._random = random
        self._max_body_bytes = max_body_bytes

    async def upload(
        self, document: SignedDocument, content: bytes, *, content_type: str, deadline: datetime | None = None
    ) -> None:
        """PUT the bytes.

        Raises:
            AccessDenied: the document store refused the signature, or the URL has expired: request a new document.
            ServiceUnavailable: no answer or a fault, after the retries. Nothing reached a seller's account.
            NotSent: no connection.
        """
        headers = {"Content-Type": content_type, "User-Agent": self._agent}
        await self._perform(document, "PUT", headers, content, "upload of a document", deadline)

    async def download(self, document: SignedDocument, *, deadline: datetime | None = None) -> bytes:
        """GET the bytes, unpacked where they are gzip.

        Raises:
            AccessDenied: the URL has expired: request a new one.
            UnreadableResponse: too large, or damaged on its way.
            ServiceUnavailable, NotSent: as of ``upload``.
        """
        headers = {"User-Agent": self._agent, "Accept-Encoding": "identity"}
        answer = await self._perform(document, "GET", headers, b"", "download of a document", deadline)
        return unpacked(answer.body, most=self._max_body_bytes)

    async def _perform(
        self,
        document: SignedDocument,
        method: str,
        headers: dict[str, str],
        content: bytes,
        name: str,
        deadline: datetime | None,
    ) -> RawAnswer:
        retry = 0
        while True:
            found = await self._once(document, method, headers, content, name)
            if isinstance(found, RawAnswer):
                return found
            seconds = self._retries.delay(retry, self._random()) if is_transient(found) else None
            if seconds is None or _too_late(self._clock.now(), seconds, deadline):
                raise _for_the_caller(found)
            retry += 1
            await self._clock.sleep(seconds)

    async def _once(
        self, document: SignedDocument, method: str, headers: dict[str, str], content: bytes, name: str
    ) -> RawAnswer | AmazonAeError:
        """The answer, or an error without a traceback: the frames below hold the URL."""
        try:
            answer = await self._transport().exchange(
                WireRequest(method=method, url=document.url, headers=headers, content=content), name=name
            )
        except AmazonAeError as error:
            return _bare(error)
        if 200 <= answer.status < 300:
            return answer
        return read_error(
            answer.status, answer.headers, answer.body, action=name, now=self._clock.now(), restore_seconds=1.0
        )


def _bare(error: AmazonAeError) -> AmazonAeError:
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return error


def _for_the_caller(error: AmazonAeError) -> AmazonAeError:
    """The error to raise: a transfer may always be repeated, so an unanswered one is not an ``OutcomeUnknown``."""
    if isinstance(error, OutcomeUnknown):
        return ServiceUnavailable(str(error), retryable=True)
    return error


def _too_late(now: datetime, seconds: float, deadline: datetime | None) -> bool:
    return deadline is not None and now + timedelta(seconds=seconds) > deadline


def unpacked(body: bytes, *, most: int) -> bytes:
    """The document; gzip is recognised by its first bytes, not by a header.

    Raises:
        UnreadableResponse: it has more than ``most`` bytes unpacked, or it is damaged.
    """
    if not body.startswith(_GZIP):
        return body
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    try:
        found = unpacker.decompress(body, most + 1)
    except zlib.error as error:
        raise UnreadableResponse(f"the document is damaged: {error}", retryable=True) from None
    if len(found) > most:
        raise UnreadableResponse(f"the document has more than {most:,} bytes unpacked (max_body_bytes)")
    if not unpacker.eof:
        raise UnreadableResponse("the document was cut off on its way", retryable=True)
    return found
