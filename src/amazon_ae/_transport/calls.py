"""The call loop of every backend: pace, build, send, read, classify, and send again where that is safe.

A ``Dialect`` decides in plain functions how a call is written and how its answer is read; the executor performs it. All
state of a call lives in the call.

1. A *repeatable* call (a read, or an absolute value) is sent again after a passing failure (``RetryPolicy``).
2. Any other call is never sent again once it may have arrived: no answer, an unreadable answer and a 5xx (other than a
   throttle) become ``OutcomeUnknown``. What surely never left is ``NotSent``.
3. A throttle took nothing. It is waited for, whatever the call, until it is over, ``deadline`` comes or ``wait`` is
   false.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Generic, Protocol, TypeVar

import attrs

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
from amazon_ae._models.checks import check_deadline, deadline_at
from amazon_ae._models.hidden import without_frames
from amazon_ae._models.responses import ResponseMeta
from amazon_ae._ports import Clock
from amazon_ae._transport.http import HttpTransport, RawAnswer, WireRequest
from amazon_ae._transport.pacing import Pacer
from amazon_ae._transport.retries import RetryPolicy, is_transient
from amazon_ae._transport.throttles import Throttle, ThrottleTable

__all__ = ["Arrival", "Call", "CallExecutor", "Dialect", "Reader", "RequestRecord", "WaitPolicy"]

log: Final[logging.Logger] = logging.getLogger(__name__)


@attrs.frozen(kw_only=True)
class RequestRecord:
    """One request and its result, for the host's own records (Amazon's support asks for id and instant).

    Attributes:
        operation: as in the throttle table, e.g. ``"Feeds/SubmitFeed"``.
        at: when it ended, aware UTC.
        status: HTTP status; 0 where no answer came.
        code: Amazon's error code, or the name of this library's error; ``""`` after a success.
        meta: request id, Amazon's instant and quota of the answer.
    """

    operation: str
    at: datetime
    status: int
    code: str
    meta: ResponseMeta


@attrs.frozen(kw_only=True)
class WaitPolicy:
    """How long a call may wait for a slot.

    Attributes:
        wait: false: not at all.
        deadline: not beyond this instant (aware), or not longer than this from now.
        paced: false: the caller keeps the quota itself; nothing waits, nothing is counted, a throttle raises at once.
    """

    wait: bool = True
    deadline: datetime | timedelta | None = None
    paced: bool = True

    def __attrs_post_init__(self) -> None:
        check_deadline(self.deadline)


@attrs.frozen(kw_only=True)
class Arrival:
    """When an answer arrived; given to the functions that read it.

    Attributes:
        at: the local clock, aware UTC.
        restore_seconds: of the operation's bucket; dates a throttle's ``retry_at``.
    """

    at: datetime
    restore_seconds: float


class Call(Protocol):
    """One call of a backend's operation."""

    @property
    def name(self) -> str:
        """The operation in errors, e.g. ``"SubmitFeed"``."""
        ...

    @property
    def operation(self) -> str:
        """The operation's key in the throttle table, e.g. ``"Feeds/SubmitFeed"``."""
        ...

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent again after it may have arrived."""
        ...


C = TypeVar("C", bound=Call)
C_contra = TypeVar("C_contra", bound=Call, contravariant=True)
T = TypeVar("T")
Reader = Callable[[RawAnswer, Arrival], T]
"""Turns a successful answer into a value, or raises ``UnreadableResponse``. Pure."""


class Dialect(Protocol[C_contra]):
    """How one backend writes calls and reads answers. All but ``build`` and ``renew`` are pure."""

    async def build(self, call: C_contra, *, now: datetime, deadline: datetime | None) -> WireRequest:
        """The request to send, signed or with its token. What it raises, the caller gets: nothing was sent."""
        ...

    def error(self, call: C_contra, answer: RawAnswer, arrival: Arrival) -> AmazonAeError:
        """The error of an answer outside 2xx."""
        ...

    def meta(self, answer: RawAnswer) -> ResponseMeta:
        """Request id, instant and quota out of the headers."""
        ...

    def restore_seconds(self, call: C_contra, answer: RawAnswer) -> float | None:
        """The restore interval that the answer states for this operation; ``None`` where it states none."""
        ...

    async def renew(self, call: C_contra, error: AmazonAeError, *, deadline: datetime | None) -> bool:
        """Whether the cause of ``error`` (a token) was renewed, so that one more request is worth sending."""
        ...


class CallExecutor(Generic[C]):
    """Performs the calls of one account. Shared by the sections of a client.

    Args:
        dialect: how calls are written and answers read.
        owner: whose quota the calls spend, as Amazon counts it.
        transport: returns the transport; called for each request.
        pacer: paces the operations.
        throttles: Amazon's limits.
        retries: of repeatable calls.
        random: gives numbers in [0, 1).
        clock: the time source, which also sleeps.
        max_wait: the longest that a call without a deadline waits; ``None``: forever.
        thread_bytes: a larger body is read in a thread.
        on_request: called after every request with its record.
    """

    def __init__(
        self,
        dialect: Dialect[C],
        *,
        owner: str,
        transport: Callable[[], HttpTransport],
        pacer: Pacer,
        throttles: ThrottleTable,
        retries: RetryPolicy,
        random: Callable[[], float],
        clock: Clock,
        max_wait: timedelta | None = None,
        thread_bytes: int = 262_144,
        on_request: Callable[[RequestRecord], None] | None = None,
    ) -> None:
        self._dialect = dialect
        self._owner = owner
        self._transport = transport
        self._pacer = pacer
        self._throttles = throttles
        self._retries = retries
        self._random = random
        self._clock = clock
        self._max_wait = max_wait
        self._thread_bytes = thread_bytes
        self._on_request = on_request

    @property
    def clock(self) -> Clock:
        """The injected clock."""
        return self._clock

    def throttle(self, operation: str) -> Throttle:
        """The limits of an operation."""
        return self._throttles.find(operation)

    def restore_seconds(self, operation: str) -> float:
        """Seconds in which one slot of an operation comes back: as Amazon stated it last, else the table's."""
        return self._pacer.restore_seconds(self._owner, self.throttle(operation))

    async def off_loop(self, size: int, compute: Callable[[], T]) -> T:
        """Compute here, or in a thread where ``size`` bytes would hold up the event loop."""
        return await asyncio.to_thread(compute) if size > self._thread_bytes else compute()

    async def execute(self, call: C, read: Reader[T], policy: WaitPolicy) -> T:
        """Perform one call and read its answer.

        Raises:
            AmazonAeError: by the rules in the module's docstring.
        """
        throttle = self.throttle(call.operation)
        give_up_at = self._give_up_at(policy)
        retry, renewed = 0, False
        while True:
            try:
                async with self._slot(throttle, policy, give_up_at):
                    return await self._once(call, read, throttle, give_up_at)
            except (RequestThrottled, QuotaExceeded) as error:
                log.info("%s: %s until %s [request %s]", call.name, error.code, error.retry_at, error.request_id)
                if not policy.paced:
                    raise
                self._pacer.obey(self._owner, throttle, error)
                if not policy.wait or _later(error.retry_at, give_up_at):
                    raise
            except AmazonAeError as error:
                if not renewed and await self._dialect.renew(call, error, deadline=give_up_at):
                    renewed = True
                    continue
                seconds = self._retry_delay(call, error, retry, policy, give_up_at)
                if seconds is None:
                    raise
                retry += 1
                await self._clock.sleep(seconds)

    def _give_up_at(self, policy: WaitPolicy) -> datetime | None:
        now = self._clock.now()
        if policy.deadline is None and self._max_wait is not None:
            return now + self._max_wait
        return deadline_at(policy.deadline, now)

    def _slot(
        self, throttle: Throttle, policy: WaitPolicy, give_up_at: datetime | None
    ) -> contextlib.AbstractAsyncContextManager[None]:
        if not policy.paced:
            return contextlib.nullcontext()
        return self._pacer.slot(self._owner, throttle, wait=policy.wait, deadline=give_up_at)

    def _retry_delay(
        self, call: C, error: AmazonAeError, retry: int, policy: WaitPolicy, give_up_at: datetime | None
    ) -> float | None:
        """Seconds before the next attempt; ``None``: this error is final."""
        if not call.repeatable or not is_transient(error):
            return None
        seconds = self._retries.delay(retry, self._random())
        if seconds is None or (seconds and not policy.wait):
            return None
        return None if _later(self._clock.now() + timedelta(seconds=seconds), give_up_at) else seconds

    async def _once(self, call: C, read: Reader[T], throttle: Throttle, give_up_at: datetime | None) -> T:
        wire = await self._dialect.build(call, now=self._clock.now(), deadline=give_up_at)
        answer: RawAnswer | None = None
        try:
            answer = await self._transport().exchange(wire, name=call.name)
            value = await self._value(call, read, answer, throttle)
        except AmazonAeError as error:
            self._record(call, answer, error)
            raised = _for_the_caller(error, call)
            if raised is error:
                raise
            raise raised from error
        self._record(call, answer, None)
        return value

    async def _value(self, call: C, read: Reader[T], answer: RawAnswer, throttle: Throttle) -> T:
        stated = self._dialect.restore_seconds(call, answer)
        if stated is not None:
            self._pacer.learn(self._owner, throttle, stated)
        arrival = Arrival(at=self._clock.now(), restore_seconds=throttle.restore_seconds if stated is None else stated)
        if not 200 <= answer.status < 300:
            raise self._dialect.error(call, answer, arrival)
        try:
            return await self.off_loop(len(answer.body), lambda: read(answer, arrival))
        except AmazonAeError as unreadable:
            failure = without_frames(unreadable)  # they hold the answer, and buyers in it
        raise failure

    def _record(self, call: C, answer: RawAnswer | None, error: AmazonAeError | None) -> None:
        if self._on_request is None:
            return
        record = RequestRecord(
            operation=call.operation,
            at=self._clock.now(),
            status=answer.status if answer else 0,
            code="" if error is None else getattr(error, "code", "") or type(error).__name__,
            meta=self._dialect.meta(answer) if answer else ResponseMeta(),
        )
        try:
            self._on_request(record)
        except Exception:
            log.exception("on_request raised; the call goes on")


def _later(one: datetime | None, other: datetime | None) -> bool:
    return one is not None and other is not None and one > other


def _for_the_caller(error: AmazonAeError, call: Call) -> AmazonAeError:
    """The error to raise: an unanswered write is ``OutcomeUnknown``, a read ``ServiceUnavailable``."""
    if call.repeatable:
        if isinstance(error, OutcomeUnknown):
            return ServiceUnavailable(str(error), retryable=True, action=None)
        return error
    if isinstance(error, (NotSent, RequestThrottled, QuotaExceeded)):
        return error
    # 408: a proxy gave up on the request; how far it went is unknown.
    unanswered = isinstance(error, AmazonError) and (error.status >= 500 or error.status == 408)
    if unanswered or isinstance(error, (UnreadableResponse, ServiceUnavailable)):
        return OutcomeUnknown(
            f"{error}" if "may have arrived" in str(error) else f"{call.name} may have arrived: {error}"
        )
    return error
