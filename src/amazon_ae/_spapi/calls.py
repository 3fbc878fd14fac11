"""The Selling Partner API as a dialect of the call loop: JSON out and in, a token in every request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypeVar
from urllib.parse import quote

import attrs

from amazon_ae._exceptions import AccessDenied, AmazonAeError, ConfigurationError, UnreadableResponse
from amazon_ae._models.responses import ResponseMeta
from amazon_ae._spapi.errors import rate_of, read_body, read_error, read_meta
from amazon_ae._spapi.login import TokenSource
from amazon_ae._spapi.operations import Operation
from amazon_ae._spapi.params import Params, flat
from amazon_ae._spapi.throttles import throttle_group
from amazon_ae._spapi.values import to_json
from amazon_ae._transport.calls import Arrival, CallExecutor, WaitPolicy
from amazon_ae._transport.http import RawAnswer, WireRequest

__all__ = ["SpApiCall", "SpApiDialect", "SpApiExecutor"]

T = TypeVar("T")
_JSON: Final = "application/json"


@attrs.frozen(kw_only=True)
class SpApiCall:
    """One call of an operation.

    Attributes:
        row: the operation.
        fields: the parts of its path.
        query: parameters; a list becomes one parameter, joined by commas.
        body: what JSON is made of; ``None``: no body.
        token: a restricted data token in place of the access token; never shown.
    """

    row: Operation
    fields: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    query: Params = attrs.field(factory=dict, repr=False)
    body: object = attrs.field(default=None, repr=False)
    token: str | None = attrs.field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Amazon's name of the operation."""
        return self.row.name

    @property
    def operation(self) -> str:
        """The key in the throttle table."""
        return throttle_group(self.row.name, self.query)

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent again after it may have arrived."""
        return self.row.repeatable


class SpApiDialect:
    """How the Selling Partner API writes calls and reads answers.

    Args:
        tokens: gives the access token.
        endpoint: scheme and host.
        agent: the User-Agent header.
    """

    def __init__(self, tokens: TokenSource, *, endpoint: str, agent: str) -> None:
        self._tokens = tokens
        self._endpoint = endpoint
        self._agent = agent

    async def build(self, call: SpApiCall, *, now: datetime, deadline: datetime | None) -> WireRequest:
        """The request with its token.

        Raises:
            ConfigurationError: a value that cannot be sent.
            AccessDenied, NotSent: there is no token.
        """
        url, content = _url(self._endpoint, call), _content(call)
        headers = {"User-Agent": self._agent, "Accept": _JSON, "Accept-Encoding": "gzip"}
        if content:
            headers["Content-Type"] = _JSON
        # No local variable holds the token: a traceback with locals would show it.
        headers["x-amz-access-token"] = (
            call.token or (await self._tokens.token(call.row.scope, deadline=deadline)).value
        )
        return WireRequest(method=call.row.method, url=url, headers=_Hidden(headers), content=content)

    def error(self, call: SpApiCall, answer: RawAnswer, arrival: Arrival) -> AmazonAeError:
        """The error of an answer outside 2xx."""
        return read_error(
            answer.status,
            answer.headers,
            answer.body,
            action=call.name,
            now=arrival.at,
            restore_seconds=arrival.restore_seconds,
        )

    def meta(self, answer: RawAnswer) -> ResponseMeta:
        """Request id and instant."""
        return read_meta(answer.headers)

    def restore_seconds(self, call: SpApiCall, answer: RawAnswer) -> float | None:
        """The interval that ``x-amzn-RateLimit-Limit`` states."""
        rate = rate_of(answer.headers)
        return None if rate is None else 1.0 / rate

    async def renew(self, call: SpApiCall, error: AmazonAeError, *, deadline: datetime | None) -> bool:
        """After 401 or 403: an expired token gets these too, so one more request goes out with another token."""
        if not isinstance(error, AccessDenied) or error.action != call.name or call.token is not None:
            return False
        self._tokens.refuse(call.row.scope)
        return True


class _Hidden(dict[str, str]):
    """Headers whose values no ``repr`` shows."""

    def __repr__(self) -> str:
        return f"<{len(self)} headers>"


class SpApiExecutor(CallExecutor[SpApiCall]):
    """Performs the calls of one client."""

    async def json(self, call: SpApiCall, read: Callable[[Any, ResponseMeta], T], policy: WaitPolicy) -> T:
        """Call, and read the JSON of the answer with ``read``.

        Raises:
            AmazonAeError: as ``CallExecutor.execute``.
        """

        def reader(answer: RawAnswer, arrival: Arrival) -> T:
            body = read_body(answer.status, answer.headers, answer.body, action=call.name)
            try:
                return read(body, read_meta(answer.headers))
            except UnreadableResponse as error:
                words = str(error)
            del body  # it may hold a token, a URL or a buyer, and a traceback with locals would show it
            # JSON, but not the asked answer: two may have been mixed up on their way.
            raise UnreadableResponse(
                words if words.startswith(call.name) else f"{call.name}: {words}",
                status=answer.status,
                request_id=read_meta(answer.headers).request_id,
                retryable=True,
            )

        return await self.execute(call, reader, policy)


def _url(endpoint: str, call: SpApiCall) -> str:
    path = f"{endpoint}{call.row.url_path(call.fields)}"
    pairs = flat(call.query)
    if not pairs:
        return path
    # The comma between values is Amazon's separator and is not encoded; commas inside values are.
    query = "&".join(f"{quote(name, safe='')}={','.join(quote(v, safe='') for v in values)}" for name, values in pairs)
    return f"{path}?{query}"


def _content(call: SpApiCall) -> bytes:
    if call.body is None:
        return b""
    try:
        return to_json(call.body)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{call.name}: the body cannot be sent as JSON: {error}"[:300]) from None
