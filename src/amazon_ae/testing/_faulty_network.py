"""The network between a simulated host and Amazon: latency, and faults drawn from a seed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs
import httpx

from amazon_ae.testing._network import Exchange, deliver

if TYPE_CHECKING:
    import asyncio

    from amazon_ae.testing._hosts import SimulatedHost
    from amazon_ae.testing._mws import FakeMws
    from amazon_ae.testing._spapi import FakeSpApi

    Amazon: TypeAlias = FakeMws | FakeSpApi

__all__ = ["FaultyNetwork", "NetworkFaults"]

_FATES = ("refused", "unavailable", "garbled", "answer_lost", "arrives_late")
_READ_TIMEOUT_SECONDS = 60.0


@attrs.frozen(kw_only=True)
class NetworkFaults:
    """How often a request meets a fault, as probabilities.

    Attributes:
        refused: no connection; nothing was done.
        unavailable: 503 from Amazon; nothing was done.
        garbled: 200 with a web page; nothing was done.
        answer_lost: done, but the connection breaks before the answer.
        arrives_late: the client's read times out first; the request arrives up to ``late_seconds`` after it was sent.
        late_seconds: at least 61; Amazon lists a feed only after it arrived.
    """

    refused: float = 0.0
    unavailable: float = 0.0
    garbled: float = 0.0
    answer_lost: float = 0.0
    arrives_late: float = 0.0
    late_seconds: float = 150.0


class FaultyNetwork(httpx.AsyncBaseTransport):
    """An ``httpx`` transport from one host to Amazon.

    Args:
        amazon: who answers.
        host: whose requests these are.
        rng: draws each request's latency and fault.
        faults: how often which fault strikes; may be replaced at any time.
    """

    def __init__(self, amazon: Amazon, host: SimulatedHost, rng: random.Random, faults: NetworkFaults) -> None:
        self.amazon = amazon
        self.host = host
        self.rng = rng
        self.faults = faults
        self.late: set[asyncio.Task[None]] = set()
        """Requests that arrive later although their sender has given them up."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Deliver one request, or the fault that was drawn for it."""
        await self.host.checkpoint()
        fate = self.fate()
        if fate:
            self.host.counts[fate] += 1
        await self._pause(0.4)
        if fate == "refused":
            raise httpx.ConnectError("connection refused", request=request)
        if fate == "arrives_late":
            return await self._late(request)
        if fate in ("unavailable", "garbled"):
            await self._pause(1.0)
            page = b"<html><body>one moment</body></html>" if fate == "garbled" else b""
            return httpx.Response(200 if page else 503, content=page, request=request)
        exchange = self.pass_on(request, await request.aread())
        await self._pause(1.0)
        if fate == "answer_lost":
            raise httpx.ReadError("connection reset by peer", request=request)
        response = await deliver(exchange, request, self.host.world)
        await self.host.checkpoint()
        return response

    def fate(self) -> str:
        """What happens to the next request; ``""`` for nothing."""
        drawn = self.rng.random()
        for name in _FATES:
            drawn -= getattr(self.faults, name)
            if drawn < 0:
                return name
        return ""

    def pass_on(self, request: httpx.Request, body: bytes) -> Exchange:
        """The request reaches Amazon."""
        url = request.url  # as it goes over the wire: nothing is unquoted, nothing quoted again
        whole = f"{url.scheme}://{url.netloc.decode()}{url.raw_path.decode('ascii')}"
        return self.amazon.exchange(request.method, whole, request.headers.multi_items(), body)

    async def _pause(self, at_most: float) -> None:
        await self.host.world.sleep(self.rng.uniform(0.02, at_most))
        await self.host.checkpoint()

    async def _late(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        seconds = self.rng.uniform(_READ_TIMEOUT_SECONDS + 1, self.faults.late_seconds)

        async def arrive() -> None:
            await self.host.world.sleep(seconds)
            self.pass_on(request, body)

        task: asyncio.Task[Any] = self.host.outlived_by(arrive())
        self.late.add(task)
        task.add_done_callback(self.late.discard)
        await self.host.world.sleep(_READ_TIMEOUT_SECONDS)
        await self.host.checkpoint()
        raise httpx.ReadTimeout("timed out", request=request)
