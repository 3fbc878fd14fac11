"""Performs Login with Amazon: one exchange at a time per grant, cached, bounded by the call's deadline."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final

from amazon_ae._exceptions import NotSent, OutcomeUnknown
from amazon_ae._models.marketplaces import SpApiCredentials
from amazon_ae._ports import Clock
from amazon_ae._spapi.access_tokens import LWA_PATH, AccessToken, read_token, rotation_warning, token_form
from amazon_ae._transport.http import HttpTransport, WireRequest
from amazon_ae._transport.retries import ClosedClient, RetryPolicy

__all__ = ["TokenSource"]

_log: Final = logging.getLogger(__name__)
_NAME: Final = "Login with Amazon"
_FORM: Final = "application/x-www-form-urlencoded;charset=UTF-8"


class _Exchange:
    """One exchange under way, and how many calls wait for it."""

    def __init__(self, task: asyncio.Task[AccessToken]) -> None:
        self.task = task
        self.waiting = 0


class TokenSource:
    """The access tokens of one seller.

    Calls that need a token at the same time share one exchange. Each waits for it until its own deadline; an exchange
    that no call waits for is cancelled.

    Args:
        credentials: the application's keys and the seller's authorisation.
        endpoint: scheme and host of Login with Amazon.
        transport: returns the transport; called for each request.
        agent: the User-Agent header.
        clock: the time source, which also sleeps.
        retries: of exchanges that failed for a passing reason.
        random: gives numbers in [0, 1).
    """

    def __init__(
        self,
        credentials: SpApiCredentials,
        *,
        endpoint: str,
        transport: Callable[[], HttpTransport],
        agent: str,
        clock: Clock,
        retries: RetryPolicy,
        random: Callable[[], float],
    ) -> None:
        self._credentials = credentials
        self._url = f"{endpoint}{LWA_PATH}"
        self._transport = transport
        self._agent = agent
        self._clock = clock
        self._retries = retries
        self._random = random
        self._tokens: dict[str, AccessToken] = {}
        # An exchange belongs to the event loop that began it.
        self._exchanges: dict[tuple[str, asyncio.AbstractEventLoop], _Exchange] = {}
        self._warned_on: object = None

    async def token(self, scope: str = "", *, deadline: datetime | None = None) -> AccessToken:
        """A token that is valid for at least a minute.

        Args:
            scope: of a grantless operation; ``""``: the seller's token.
            deadline: wait no longer than this, aware UTC.

        Raises:
            AccessDenied: client, secret or authorisation was refused.
            NotSent: Login with Amazon gave none in time; the call was not sent.
        """
        token = self._tokens.get(scope)
        if token is not None and token.usable(self._clock.now()):
            return token
        key = (scope, asyncio.get_running_loop())
        exchange = self._exchanges.get(key)
        if exchange is None:
            exchange = _Exchange(asyncio.ensure_future(self._renew(scope)))
            self._exchanges[key] = exchange
            exchange.task.add_done_callback(partial(self._forget, key, exchange))
        exchange.waiting += 1
        try:
            await self._until(exchange.task, deadline)
        finally:
            exchange.waiting -= 1
            if not exchange.waiting and not exchange.task.done():
                self._forget(key, exchange)  # a call that comes now begins an exchange of its own
                exchange.task.cancel()
        return exchange.task.result()

    def _forget(self, key: tuple[str, asyncio.AbstractEventLoop], exchange: _Exchange, _task: object = None) -> None:
        if self._exchanges.get(key) is exchange:
            del self._exchanges[key]

    def refuse(self, scope: str = "") -> None:
        """Amazon refused a call with this token: the next call gets another one.

        A token that replaced a refused one a moment ago is kept: the refused call may have used the earlier one, or
        the refusal has another cause.
        """
        token = self._tokens.get(scope)
        if token is not None and token.replaceable(self._clock.now()):
            self._tokens[scope] = token.refused()

    async def _until(self, task: asyncio.Task[AccessToken], deadline: datetime | None) -> None:
        if deadline is None:
            await asyncio.wait({task})
            return
        seconds = (deadline - self._clock.now()).total_seconds()
        nap = asyncio.ensure_future(self._clock.sleep(max(0.0, seconds)))
        try:
            await asyncio.wait({task, nap}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            nap.cancel()
        if not task.done():
            raise NotSent(f"{_NAME} gave no token before the call's deadline")

    async def _renew(self, scope: str) -> AccessToken:
        self._warn()
        retry = 0
        while True:
            try:
                token = await self._exchange(scope)
            except (NotSent, OutcomeUnknown) as error:
                seconds = None if isinstance(error, ClosedClient) else self._retries.delay(retry, self._random())
                if seconds is None:
                    raise NotSent(f"no access token: {error}") from error
                retry += 1
                await self._clock.sleep(seconds)
                continue
            old = self._tokens.get(scope)
            self._tokens[scope] = token.replacing(old)
            return token

    async def _exchange(self, scope: str) -> AccessToken:
        asked_at = self._clock.now()
        answer = await self._transport().exchange(
            WireRequest(
                method="POST",
                url=self._url,
                headers={"User-Agent": self._agent, "Content-Type": _FORM, "Accept": "application/json"},
                content=token_form(self._credentials, scope),
            ),
            name=_NAME,
        )
        return read_token(answer.status, answer.headers, answer.body, asked_at=asked_at)

    def _warn(self) -> None:
        """Log the rotation warning, once a day."""
        now = self._clock.now()
        warning = rotation_warning(self._credentials.rotate_by, now)
        if warning is not None and self._warned_on != now.date():
            self._warned_on = now.date()
            _log.warning("%s", warning)
