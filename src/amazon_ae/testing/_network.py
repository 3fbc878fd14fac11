"""An answer, what happens to it on its way back, and the two ways to a client: an ``httpx`` transport and ASGI."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, NamedTuple, cast

import attrs
import httpx

from amazon_ae._ports import Clock
from amazon_ae.testing._serving import drop_connection

__all__ = [
    "ANSWER_LOST",
    "LATE",
    "NEVER_ANSWERED",
    "NOT_REACHED",
    "Answer",
    "Exchange",
    "FakeEndpoint",
    "Headers",
    "Receive",
    "Send",
    "answer_asgi",
    "deliver",
    "named_headers",
]

NOT_REACHED = "not_reached"
ANSWER_LOST = "answer_lost"
NEVER_ANSWERED = "never_answered"
LATE = "late"

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Mapping[str, str] | Iterable[tuple[str, str]]


class Answer(NamedTuple):
    """A whole answer. ``headers`` is a list: a name may occur twice."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


@attrs.frozen(kw_only=True)
class Exchange:
    """What becomes of one request: the answer, and what happens to it on the way.

    Attributes:
        answer: what Amazon answers.
        delay_seconds: of the fake's clock, before the answer leaves.
        lost: ``"not_reached"``, ``"answer_lost"``, ``"never_answered"``, ``"late"`` (the request itself arrives only
            after the client gave up) or ``None``: then the answer arrives.
    """

    answer: Answer
    delay_seconds: float = 0.0
    lost: str | None = None


def named_headers(headers: Headers) -> dict[str, str]:
    """Headers by lower-case name; the last of a repeated name counts."""
    rows = cast("Mapping[str, str]", headers).items() if isinstance(headers, Mapping) else headers
    return {name.lower(): value for name, value in rows}


class FakeEndpoint(ABC, httpx.AsyncBaseTransport):
    """An API without a network: an ``httpx`` transport, and an ASGI application for ``serve``."""

    @property
    @abstractmethod
    def clock(self) -> Clock:
        """The clock on which answers take their time."""

    @abstractmethod
    def exchange(self, method: str, url: str, headers: Headers, body: bytes = b"") -> Exchange:
        """Answer one request, and say what happens to it on its way."""

    def answer(self, method: str, url: str, headers: Headers, body: bytes = b"") -> Answer:
        """Answer one request: ``(status, headers, body)``. ``exchange`` has the faults of the network too."""
        return self.exchange(method, url, headers, body).answer

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request of a server (ASGI 3): ``async with serve(fake) as origin``."""
        await answer_asgi(self.exchange, scope, receive, send, self.clock)


async def deliver(exchange: Exchange, request: httpx.Request, clock: Clock) -> httpx.Response:
    """Give an ``httpx`` client its answer, or raise what httpx raises for the network's fault.

    The client's read timeout counts on the fake's clock, as a socket would count it on the machine's.
    """
    if exchange.lost == NOT_REACHED:
        raise httpx.ConnectError("connection refused", request=request)
    timeout: float | None = request.extensions.get("timeout", {}).get("read")
    is_silent = exchange.lost in (NEVER_ANSWERED, LATE)
    if is_silent or (timeout is not None and exchange.delay_seconds > timeout):
        await clock.sleep(timeout if timeout is not None else exchange.delay_seconds)
        raise httpx.ReadTimeout("timed out", request=request)
    if exchange.delay_seconds:
        await clock.sleep(exchange.delay_seconds)
    if exchange.lost == ANSWER_LOST:
        raise httpx.ReadError("connection reset by peer", request=request)
    answer = exchange.answer
    return httpx.Response(answer.status, headers=answer.headers, content=answer.body, request=request)


def _url_of(scope: MutableMapping[str, Any], headers: list[tuple[str, str]]) -> str:
    """The URL of an ASGI request as its client wrote it: nothing is unquoted."""
    raw_path = scope.get("raw_path") or scope["path"].encode()
    host = dict(headers).get("host", "localhost")
    query = scope.get("query_string", b"").decode("latin-1")
    return f"{scope['scheme']}://{host}{raw_path.decode('latin-1')}" + (f"?{query}" if query else "")


async def answer_asgi(
    exchange: Callable[[str, str, list[tuple[str, str]], bytes], Exchange],
    scope: MutableMapping[str, Any],
    receive: Receive,
    write: Send,
    clock: Clock,
) -> None:
    """Answer one request of a server (ASGI 3) with ``exchange(method, url, headers, body)``."""
    if scope["type"] != "http":
        return
    body = await _read_body(receive)
    if body is None:
        return
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    await _respond(exchange(scope["method"], _url_of(scope, headers), headers, body), scope, receive, write, clock)


async def _respond(
    exchange: Exchange, scope: MutableMapping[str, Any], receive: Receive, write: Send, clock: Clock
) -> None:
    """Give an ASGI client its answer, or do to its connection what the network's fault does."""
    if exchange.lost in (NEVER_ANSWERED, LATE):
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    if exchange.delay_seconds:
        await clock.sleep(exchange.delay_seconds)
    if exchange.lost is not None:
        await drop_connection(scope, receive)
        return
    await _send(write, exchange.answer)


async def _read_body(receive: Receive) -> bytes | None:
    """The whole body; ``None`` if the client left before it was complete."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _send(write: Send, answer: Answer) -> None:
    """Send a whole answer (ASGI 3)."""
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    await write({"type": "http.response.start", "status": answer.status, "headers": headers})
    await write({"type": "http.response.body", "body": answer.body})
