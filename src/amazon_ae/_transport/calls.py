"""One call from parameters to value: paced, signed, sent, read, and sent again where that is safe.

Decisions are made elsewhere, in plain functions; this coroutine performs them. All state of a call lives in the call.

1. A *read* (``Get...``, ``List...``) is sent again after what may pass (``RetryPolicy``).
2. A *write* is never sent again after it may have arrived: no answer, an answer that cannot be read and a 5xx (other
   than a throttle) become ``OutcomeUnknown``. What surely never left is ``NotSent``.
3. A throttle took nothing. It is waited for, read or write, until it is over, ``deadline`` comes or ``wait`` is false.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final, TypeVar

import attrs

from amazon_ae._clocks import SystemClock
from amazon_ae._exceptions import (
    AmazonAeError,
    AmazonError,
    NotSent,
    OutcomeUnknown,
    QuotaExceeded,
    RequestThrottled,
    ServiceUnavailable,
    UnreadableResponse,
)
from amazon_ae._models.marketplaces import MwsCredentials
from amazon_ae._models.responses import Download, ResponseMeta
from amazon_ae._mws.params import check_aware
from amazon_ae._mws.parsing import Node
from amazon_ae._mws.requests import build_request, section_of
from amazon_ae._mws.responses import WrongMd5, read_document, read_meta, read_result
from amazon_ae._ports import Clock
from amazon_ae._transport.http import RawAnswer, Transport
from amazon_ae._transport.pacing import Pacer
from amazon_ae._transport.retries import RetryPolicy, is_transient
from amazon_ae._transport.throttles import Throttle, ThrottleTable

__all__ = ["Call", "Caller", "Exchange", "Patience"]

log: Final[logging.Logger] = logging.getLogger(__name__)
T = TypeVar("T")
Reader = Callable[[RawAnswer, datetime, float], T]

# Feeds API reference, "MD5": on a mismatch discard the document and fetch it again, up to three more times.
_DOCUMENT_REFETCHES = 3


@attrs.frozen(kw_only=True)
class Exchange:
    """One request and what came of it, for the host's own records (Amazon's support asks for id and instant).

    Attributes:
        status: HTTP status; 0 where no answer came.
        code: Amazon's error code, or the name of this library's error; ``""`` after a success.
    """

    section: str
    action: str
    at: datetime
    status: int
    code: str
    meta: ResponseMeta


@attrs.frozen(kw_only=True)
class Patience:
    """How long a call may wait for a place.

    Attributes:
        wait: false: not at all.
        deadline: not beyond this instant, aware UTC.
        paced: false: the caller keeps the quota itself; nothing waits, nothing is counted, a throttle raises at once.
    """

    wait: bool = True
    deadline: datetime | None = None
    paced: bool = True

    def __attrs_post_init__(self) -> None:
        check_aware(deadline=self.deadline)


@attrs.frozen(kw_only=True)
class Call:
    """What is asked. ``params`` are flat and hold none of the common ones.

    Attributes:
        idempotent: asking twice changes nothing; ``None``: so for ``Get...`` and ``List...``.
        feed: the body of SubmitFeed.
        content_type: of ``feed``.
    """

    section: str
    action: str
    params: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    idempotent: bool | None = None
    feed: bytes | None = attrs.field(default=None, repr=False)
    content_type: str = ""

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent again after it may have arrived."""
        return self.action.startswith(("Get", "List")) if self.idempotent is None else self.idempotent


class Caller:
    """Performs calls for one seller. Shared by the sections of a client."""

    def __init__(
        self,
        credentials: MwsCredentials,
        *,
        endpoint: str,
        transport: Callable[[], Transport],
        agent: str,
        pacer: Pacer,
        throttles: ThrottleTable,
        retries: RetryPolicy,
        random: Callable[[], float],
        clock: Clock | None = None,
        max_wait: timedelta | None = None,
        thread_bytes: int = 262_144,
        on_exchange: Callable[[Exchange], None] | None = None,
    ) -> None:
        self._credentials = credentials
        self._endpoint = endpoint
        self._transport = transport
        self._agent = agent
        self._pacer = pacer
        self._throttles = throttles
        self._retries = retries
        self._random = random
        self._clock = clock or SystemClock()
        self._max_wait = max_wait
        self._thread_bytes = thread_bytes
        self._on_exchange = on_exchange
        # Amazon counts per pair of seller and developer.
        self._owner = f"{credentials.seller_id}/{credentials.access_key_id}"

    @property
    def clock(self) -> Clock:
        """The injected clock."""
        return self._clock

    def throttle(self, section: str, action: str) -> Throttle:
        """The limits of an operation."""
        return self._throttles.find(section_of(section)[0], action)

    async def result(self, call: Call, read: Callable[[Node, ResponseMeta], T], patience: Patience) -> T:
        """Call, and read the content of ``<...Result>`` with ``read``.

        Raises:
            AmazonAeError: as the module's rules say.
        """

        def reader(answer: RawAnswer, now: datetime, restore_seconds: float) -> T:
            node, meta = read_result(
                answer.status, answer.headers, answer.body, action=call.action, now=now, restore_seconds=restore_seconds
            )
            return read(node, meta)

        return await self._perform(call, reader, patience)

    async def document(self, call: Call, patience: Patience) -> Download:
        """Call, and take the body as it is, its MD5 checked; a wrong one is discarded and fetched again.

        Raises:
            UnreadableResponse: the MD5 was wrong four times.
        """

        def reader(answer: RawAnswer, now: datetime, restore_seconds: float) -> Download:
            content, meta = read_document(
                answer.status, answer.headers, answer.body, action=call.action, now=now, restore_seconds=restore_seconds
            )
            return Download(content=content, content_type=answer.headers.get("content-type", ""), meta=meta)

        for _ in range(_DOCUMENT_REFETCHES):
            try:
                return await self._perform(call, reader, patience)
            except WrongMd5:
                continue
        return await self._perform(call, reader, patience)

    async def off_loop(self, size: int, compute: Callable[[], T]) -> T:
        """Compute here, or in a thread where ``size`` bytes would hold up the event loop."""
        return await asyncio.to_thread(compute) if size > self._thread_bytes else compute()

    async def _perform(self, call: Call, reader: Reader[T], patience: Patience) -> T:
        throttle = self.throttle(call.section, call.action)
        give_up_at = patience.deadline
        if give_up_at is None and self._max_wait is not None:
            give_up_at = self._clock.now() + self._max_wait
        retry = 0
        while True:
            if patience.paced:
                await self._pacer.take(self._owner, throttle, wait=patience.wait, deadline=give_up_at)
            try:
                return await self._once(call, reader, throttle)
            except (RequestThrottled, QuotaExceeded) as error:
                log.info("%s: %s until %s [request %s]", call.action, error.code, error.retry_at, error.request_id)
                if not patience.paced:
                    raise
                self._pacer.obey(self._owner, throttle, error)
                if not patience.wait or _later(error.retry_at, give_up_at):
                    raise
            except AmazonAeError as error:
                seconds = self._retries.delay(retry, self._random())
                if not call.repeatable or not is_transient(error) or seconds is None or (seconds and not patience.wait):
                    raise
                if _later(self._clock.now() + timedelta(seconds=seconds), give_up_at):
                    raise
                retry += 1
                await self._clock.sleep(seconds)

    async def _once(self, call: Call, reader: Reader[T], throttle: Throttle) -> T:
        wire = build_request(
            self._credentials,
            endpoint=self._endpoint,
            section=call.section,
            action=call.action,
            params=call.params,
            timestamp=self._clock.now(),
            agent=self._agent,
            feed=call.feed,
            content_type=call.content_type,
        )
        answer: RawAnswer | None = None
        try:
            answer = await self._transport().exchange(wire, action=call.action)
            received, now = answer, self._clock.now()
            value = await self.off_loop(len(received.body), lambda: reader(received, now, throttle.restore_seconds))
        except AmazonAeError as error:
            self._tell(call, answer, error)
            told = _for_the_caller(error, call)
            if told is error:
                raise
            raise told from error
        self._tell(call, answer, None)
        return value

    def _tell(self, call: Call, answer: RawAnswer | None, error: AmazonAeError | None) -> None:
        if self._on_exchange is None:
            return
        exchange = Exchange(
            section=call.section,
            action=call.action,
            at=self._clock.now(),
            status=answer.status if answer else 0,
            code="" if error is None else getattr(error, "code", "") or type(error).__name__,
            meta=read_meta(answer.headers) if answer else ResponseMeta(),
        )
        try:
            self._on_exchange(exchange)
        except Exception:
            log.exception("on_exchange raised; the call goes on")


def _later(one: datetime | None, other: datetime | None) -> bool:
    return one is not None and other is not None and one > other


def _for_the_caller(error: AmazonAeError, call: Call) -> AmazonAeError:
    """By what the caller does next: a write's doubt is ``OutcomeUnknown``, a read's is ``ServiceUnavailable``."""
    if call.repeatable:
        if isinstance(error, OutcomeUnknown):
            return ServiceUnavailable(str(error), retryable=True, action=None)
        return error
    if isinstance(error, (NotSent, RequestThrottled, QuotaExceeded)):
        return error
    # 408: somebody on the way gave up on the request; nobody knows how far it went.
    doubtful = isinstance(error, AmazonError) and (error.status >= 500 or error.status == 408)
    if doubtful or isinstance(error, (UnreadableResponse, ServiceUnavailable)):
        return OutcomeUnknown(f"{call.action} may have been taken: {error}")
    return error
