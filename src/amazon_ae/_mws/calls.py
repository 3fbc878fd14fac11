"""MWS as a dialect of the call loop: signed POSTs out, XML or documents in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, TypeVar

import attrs

from amazon_ae._exceptions import AmazonAeError
from amazon_ae._models.marketplaces import MwsCredentials
from amazon_ae._models.responses import Download, ResponseMeta
from amazon_ae._mws.parsing import Node
from amazon_ae._mws.requests import build_request, section_of
from amazon_ae._mws.responses import read_document, read_error, read_meta, read_result
from amazon_ae._transport.calls import Arrival, CallExecutor, WaitPolicy
from amazon_ae._transport.http import RawAnswer, WireRequest
from amazon_ae._transport.retries import DamagedBody

__all__ = ["MwsCall", "MwsDialect", "MwsExecutor"]

T = TypeVar("T")

# Feeds API reference, "MD5": on a mismatch discard the document and fetch it again, up to three more times.
_DOCUMENT_REFETCHES: Final = 3


@attrs.frozen(kw_only=True)
class MwsCall:
    """One operation with its parameters.

    Attributes:
        section: ``"Orders"``, or ``"Products/2011-10-01"`` for a section that this client does not know.
        action: Amazon's operation.
        params: flat, without the common ones.
        idempotent: a repetition changes nothing; ``None``: so for ``Get...`` and ``List...``.
        feed: the body of SubmitFeed.
        content_type: the type of ``feed``.
    """

    section: str
    action: str
    params: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    idempotent: bool | None = None
    feed: bytes | None = attrs.field(default=None, repr=False)
    content_type: str = ""

    @property
    def name(self) -> str:
        """Amazon's operation."""
        return self.action

    @property
    def operation(self) -> str:
        """The key in the throttle table."""
        return f"{section_of(self.section)[0]}/{self.action}"

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent again after it may have arrived."""
        return self.action.startswith(("Get", "List")) if self.idempotent is None else self.idempotent


class MwsDialect:
    """How MWS writes calls and reads answers.

    Args:
        credentials: sign every request.
        endpoint: scheme and host.
        agent: the User-Agent header.
    """

    def __init__(self, credentials: MwsCredentials, *, endpoint: str, agent: str) -> None:
        self._credentials = credentials
        self._endpoint = endpoint
        self._agent = agent

    async def build(self, call: MwsCall, *, now: datetime, deadline: datetime | None) -> WireRequest:
        """The signed request, dated ``now``."""
        return build_request(
            self._credentials,
            endpoint=self._endpoint,
            section=call.section,
            action=call.action,
            params=call.params,
            timestamp=now,
            agent=self._agent,
            feed=call.feed,
            content_type=call.content_type,
        )

    def error(self, call: MwsCall, answer: RawAnswer, arrival: Arrival) -> AmazonAeError:
        """The error of an answer outside 2xx. ``ErrorResponse`` with a 2xx raises when the answer is read."""
        return read_error(
            answer.status,
            answer.headers,
            answer.body,
            action=call.action,
            now=arrival.at,
            restore_seconds=arrival.restore_seconds,
        )

    def meta(self, answer: RawAnswer) -> ResponseMeta:
        """Request id, instant and hourly quota."""
        return read_meta(answer.headers)

    def restore_seconds(self, call: MwsCall, answer: RawAnswer) -> float | None:
        """MWS never states its rates."""
        return None

    async def renew(self, call: MwsCall, error: AmazonAeError, *, deadline: datetime | None) -> bool:
        """Keys don't expire; there is nothing to renew."""
        return False


class MwsExecutor(CallExecutor[MwsCall]):
    """Performs the calls of one MWS client."""

    async def result(self, call: MwsCall, read: Callable[[Node, ResponseMeta], T], policy: WaitPolicy) -> T:
        """Call, and read the content of ``<...Result>`` with ``read``.

        Raises:
            AmazonAeError: as ``CallExecutor.execute``.
        """

        def reader(answer: RawAnswer, arrival: Arrival) -> T:
            node, meta = read_result(
                answer.status,
                answer.headers,
                answer.body,
                action=call.action,
                now=arrival.at,
                restore_seconds=arrival.restore_seconds,
            )
            return read(node, meta)

        return await self.execute(call, reader, policy)

    async def document(self, call: MwsCall, policy: WaitPolicy) -> Download:
        """Call, and take the body as it is, its MD5 checked; a damaged one is discarded and fetched again.

        Raises:
            UnreadableResponse: the MD5 was wrong four times.
        """

        def reader(answer: RawAnswer, arrival: Arrival) -> Download:
            content, meta = read_document(
                answer.status,
                answer.headers,
                answer.body,
                action=call.action,
                now=arrival.at,
                restore_seconds=arrival.restore_seconds,
            )
            return Download(content=content, content_type=answer.headers.get("content-type", ""), meta=meta)

        for _ in range(_DOCUMENT_REFETCHES):
            try:
                return await self.execute(call, reader, policy)
            except DamagedBody:
                continue
        return await self.execute(call, reader, policy)
