"""``FakeMws``: a marketplace that remembers, behind an ``httpx`` transport or a server."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Literal
from urllib.parse import urlsplit

import attrs
import httpx

from amazon_ae._models.marketplaces import AE, Marketplace, MwsCredentials
from amazon_ae._ports import Clock
from amazon_ae.testing._faults import FaultPlan
from amazon_ae.testing._mws import easy_ship, orders, reports, sellers
from amazon_ae.testing._mws.answers import (
    ping,
)
from amazon_ae.testing._mws.faults import ON_THE_WAY_BACK, MwsFault
from amazon_ae.testing._mws.feeds import Feeds
from amazon_ae.testing._mws.quotas import limit_of
from amazon_ae.testing._mws.service import Service
from amazon_ae.testing._mws.state import FakeFeed, SeenRequest, State
from amazon_ae.testing._mws.wire import Refused, Request, read_request
from amazon_ae.testing._network import LATE, NOT_REACHED, Answer, Exchange, FakeEndpoint, Headers, deliver
from amazon_ae.testing._seller import SellerState
from amazon_ae.testing._seller.account import new_state
from amazon_ae.testing._seller.controls import SellerControls

__all__ = ["FAKE_CREDENTIALS", "FAKE_PICKUP_FEED_TYPE", "FakeMws"]

FAKE_CREDENTIALS: Final = MwsCredentials(
    seller_id="A1SANDBOXSELLER",
    access_key_id="AKIASANDBOXSANDBOX00",
    secret_key="sandbox/secret+key/of/the/sandbox0123456",
    auth_token="amzn.mws.00000000-0000-0000-0000-000000000000",
)
"""Credentials that open nothing but a sandbox."""

FAKE_PICKUP_FEED_TYPE: Final = "_SANDBOX_SCHEDULE_PICKUP_"
"""The sandbox's feed type for the Schedule Pickup file. Amazon's is not published: give a real host its own."""


class FakeMws(SellerControls, FakeEndpoint):
    """One seller's MWS, checked as strictly as the documents say and written without any of the client's code.

    Give it to a client as its transport, no socket needed::

        fake = FakeMws(clock=VirtualClock())
        fake.add_sku("SKU-1")
        async with httpx.AsyncClient(transport=fake) as http:
            client = MwsClient(fake.credentials, fake.marketplace, http=http, clock=clock)

    Signatures, timestamps, MD5 sums and quotas are checked; feeds are processed on the injected clock; accepted pickups
    and stock show in ``pickups`` and ``stock``. ``answer`` is the plain function behind it; ``open_sandbox`` serves the
    same over sockets.

    Args:
        clock: the marketplace's clock; the machine's by default.
        marketplace: whose rules apply (``AE`` by default); its ``mws_endpoint`` is the only host the transport reaches.
        credentials: the developer and the seller who authorised it.
        state: the seller's state, shared with another fake; it brings clock, marketplace and skew.
        processing_seconds: how long a feed is processed, in seconds; a function decides feed by feed.
        start_seconds: how long an accepted feed waits before it is processed.
        pickup_feed_type: the feed type that carries the Schedule Pickup file.
        easy_ship_api: whether the Easy Ship operations work here; ``None`` as documented: in India only.
        hour: how the hourly quota counts, ``"rolling"`` (the strictest reading) or ``"fixed"``.
        skew_seconds: how far the marketplace's clock is ahead of ``clock``.

    Raises:
        ValueError: ``state`` came with a clock, marketplace or skew beside it, or is another seller's.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        marketplace: Marketplace | None = None,
        credentials: MwsCredentials = FAKE_CREDENTIALS,
        state: SellerState | None = None,
        processing_seconds: float | Callable[[FakeFeed], float] = 60.0,
        start_seconds: float = 0.0,
        pickup_feed_type: str = FAKE_PICKUP_FEED_TYPE,
        easy_ship_api: bool | None = None,
        hour: Literal["rolling", "fixed"] = "rolling",
        skew_seconds: float | None = None,
    ) -> None:
        super().__init__(
            new_state(
                state,
                clock=clock,
                marketplace=marketplace,
                skew_seconds=skew_seconds,
                seller_id=credentials.seller_id,
                default=AE,
            )
        )
        self.credentials: MwsCredentials = credentials
        self.pickup_feed_type = pickup_feed_type
        self._state = State(seller=self.state)
        self._feeds = Feeds(
            self._state,
            processing_seconds=processing_seconds,
            start_seconds=start_seconds,
            pickup_feed_type=pickup_feed_type,
        )
        self._faults = FaultPlan()
        operations = {
            "Orders": orders.OPERATIONS,
            "Feeds": self._feeds.operations,
            "Reports": reports.OPERATIONS,
            "Sellers": sellers.OPERATIONS,
            "EasyShip": easy_ship.OPERATIONS,
        }
        self._service = Service(self._state, operations, hour=hour)
        self.easy_ship_api = self.marketplace.code == "IN" if easy_ship_api is None else easy_ship_api
        self.requests: deque[SeenRequest] = self._service.requests
        """Every request that arrived, oldest first."""
        self.authorise(credentials)

    # What it holds

    @property
    def easy_ship_api(self) -> bool:
        """Whether the Easy Ship operations work here."""
        return self._service.has_easy_ship

    @easy_ship_api.setter
    def easy_ship_api(self, value: bool) -> None:
        self._service.has_easy_ship = value

    @property
    def feeds(self) -> list[FakeFeed]:
        """Every accepted feed in its present state, oldest first."""
        self._feeds.refresh()
        return list(self._state.feeds.values())

    def count(self, action: str) -> int:
        """How many requests for this operation arrived, late ones included."""
        self.state.advance()
        return sum(seen.action == action for seen in self.requests)

    # What a test changes

    def authorise(self, credentials: MwsCredentials) -> None:
        """Let another developer work for this seller; it has quotas of its own.

        Raises:
            ValueError: they are another seller's; make another ``FakeMws`` for that one.
        """
        if credentials.seller_id != self._state.seller_id:
            raise ValueError(f"this is the marketplace of {self._state.seller_id}, not of {credentials.seller_id}")
        self._service.secrets[credentials.access_key_id] = credentials.secret_key
        self._service.tokens[credentials.access_key_id, credentials.seller_id] = credentials.auth_token

    def revoke(self, credentials: MwsCredentials) -> None:
        """The seller withdraws the authorisation: ``AccessDenied`` from now on."""
        self._service.tokens.pop((credentials.access_key_id, credentials.seller_id), None)

    def fail(
        self,
        action: str,
        fault: MwsFault | str,
        times: int | None = 1,
        *,
        until: datetime | None = None,
        probability: float = 1.0,
        seed: int = 0,
        seconds: float = 0.0,
        feed_type: str | None = None,
    ) -> None:
        """Requests for ``action`` (``"*"``: any) meet ``fault``.

        Args:
            times: how many requests it strikes; ``None`` for no limit.
            until: the fault ends at this instant of the fake's clock.
            probability: the share of requests it strikes, drawn from ``seed``.
            seconds: how long the answer (or, for ``LATE``, the request) takes, on the fake's clock. A client that waits
                less times out, by its own read timeout counted on the same clock.
            feed_type: only a SubmitFeed of this type.

        Raises:
            ValueError: no such operation or fault; a typing error would otherwise never strike.
        """
        if action != "*":
            limit_of(action)
        self._faults.order(
            action=action,
            fault=MwsFault(fault),
            times=times,
            until=until,
            probability=probability,
            seed=seed,
            seconds=seconds,
            feed_type=feed_type,
        )

    def clear_faults(self) -> None:
        """Forget every ordered fault that has not struck yet."""
        self._faults.clear()

    def end_feeds(self, status: str, *, times: int = 1, feed_type: str | None = None) -> None:
        """The next ``times`` feeds end in ``status`` instead of ``_DONE_``.

        ``_CANCELLED_`` is final: nothing of the feed is taken. Any other status (``_IN_SAFETY_NET_``,
        ``_IN_PROGRESS_`` for a stuck feed, an unknown one) holds the feed, and those of its type behind it,
        until ``release``.
        """
        self._feeds.decide(status, feed_type=feed_type, times=times)

    def release(self, feed_id: str, *, status: str = "_DONE_") -> None:
        """A held feed ends now, in ``status``.

        Raises:
            ValueError: it has ended already.
        """
        self._feeds.release(feed_id, status)

    def spend(self, action: str, count: int = 1, *, credentials: MwsCredentials | None = None) -> int:
        """Another program of the same developer makes ``count`` requests now.

        Returns:
            How many of them the quota let pass.

        Raises:
            ValueError: there is no such operation.
        """
        now = self.state.now()
        limit = limit_of(action)
        meter = self._service.meters.of((credentials or self.credentials).access_key_id, limit)
        for done in range(count):
            if not meter.free(now) or meter.left(now) == 0:
                return done
            meter.spend(now)
        return count

    def spend_every(
        self,
        action: str,
        seconds: float,
        *,
        until: datetime | None = None,
        credentials: MwsCredentials | None = None,
    ) -> None:
        """Another program of the same developer makes one request now and one every ``seconds``, until ``until``.

        Raises:
            ValueError: there is no such operation.
        """
        limit = limit_of(action)
        meter = self._service.meters.of((credentials or self.credentials).access_key_id, limit)

        def request(now: datetime) -> None:
            if meter.free(now) and meter.left(now) != 0:
                meter.spend(now)

        self.state.arrivals.repeat(self.state.now(), seconds, request, until)

    def forget_tokens(self) -> None:
        """Every NextToken given out so far is ``NextTokenCorrupted`` from now on."""
        self._state.token_key += b"'"

    # What it answers

    def exchange(self, method: str, url: str, headers: Headers, body: bytes = b"") -> Exchange:
        """Answer one request, and say what happens to it on its way."""
        self._feeds.refresh()
        now = self.state.now()
        if method == "GET" and urlsplit(url).path in ("", "/") and "Action=" not in url:
            return Exchange(answer=ping(now))
        try:
            request = read_request(method, url, headers, body, now)
        except Refused as refused:
            return Exchange(answer=self._service.answer(None, refused, now))
        ordered = self._faults.take(request.action, request.params.get("FeedType"), now)
        if ordered is None:
            return Exchange(answer=self._service.perform(request))
        if ordered.fault == MwsFault.NOT_REACHED:
            return Exchange(answer=Answer(0, [], b""), lost=NOT_REACHED)
        if ordered.fault == MwsFault.LATE:
            self.state.arrivals.add(
                now + timedelta(seconds=ordered.seconds),
                lambda then: self._arrive_late(attrs.evolve(request, now=then)),
            )
            return Exchange(answer=Answer(0, [], b""), lost=LATE)
        lost = ordered.fault if ordered.fault in ON_THE_WAY_BACK else None
        answer = self._service.perform(request, ordered, answered=lost is None)
        return Exchange(answer=answer, delay_seconds=ordered.seconds, lost=lost)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer an ``httpx`` client. Network faults become the exceptions that httpx raises for them."""
        if request.url.host != httpx.URL(self.marketplace.mws_endpoint).host:
            raise httpx.ConnectError(f"{request.url.host} is not {self.marketplace.mws_endpoint}", request=request)
        body = await request.aread()
        exchange = self.exchange(request.method, str(request.url), request.headers.items(), body)
        return await deliver(exchange, request, self.clock)

    def _arrive_late(self, request: Request) -> None:
        self._service.perform(request, answered=False)
