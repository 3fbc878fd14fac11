"""``FakeSpApi``: the Selling Partner API of one seller, behind an ``httpx`` transport or a server."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Literal

import httpx

from amazon_ae._models.marketplaces import AE, Marketplace, SpApiCredentials
from amazon_ae._ports import Clock
from amazon_ae.testing._faults import FaultPlan
from amazon_ae.testing._network import (
    LATE,
    NOT_REACHED,
    Answer,
    Exchange,
    FakeEndpoint,
    Headers,
    deliver,
    named_headers,
)
from amazon_ae.testing._seller import SellerState
from amazon_ae.testing._seller.account import new_state
from amazon_ae.testing._seller.controls import SellerControls
from amazon_ae.testing._spapi import easy_ship, listings, orders, reports, sellers
from amazon_ae.testing._spapi.access import Access
from amazon_ae.testing._spapi.account import Account, FakeSpApiFeed, Settings
from amazon_ae.testing._spapi.faults import ON_THE_WAY, SpApiFault
from amazon_ae.testing._spapi.feeds import Feeds
from amazon_ae.testing._spapi.notifications import KINDS, FakeNotificationQueue
from amazon_ae.testing._spapi.plans import DOCUMENT_OPERATIONS, OPERATIONS, TOKEN_OPERATION
from amazon_ae.testing._spapi.service import Service
from amazon_ae.testing._spapi.visits import SeenSpApiRequest, Visit, wire_url

__all__ = ["FAKE_SPAPI_CREDENTIALS", "FakeSpApi"]

FAKE_SPAPI_CREDENTIALS: Final = SpApiCredentials(
    seller_id="A1SANDBOXSELLER",
    client_id="amzn1.application-oa2-client.00000000000000000000000000000000",
    client_secret="amzn1.oa2-cs.v1.sandbox00000000000000000000000000000000",
    refresh_token="Atzr|SandboxSandboxSandboxSandbox",
)
"""Credentials that open nothing but a sandbox."""
_NAMES: Final = frozenset((*(operation.name for operation in OPERATIONS), TOKEN_OPERATION, *DOCUMENT_OPERATIONS, "*"))
_LONGEST_USER_AGENT: Final = 500


class FakeSpApi(SellerControls, FakeEndpoint):
    """One seller's Selling Partner API, Login with Amazon and document store, written without the client's code.

    Give it to a client as its transport, no socket needed::

        fake = FakeSpApi(clock=VirtualClock())
        fake.add_sku("SKU-1")
        async with httpx.AsyncClient(transport=fake) as http:
            client = SpApiClient(fake.credentials, fake.marketplace, http=http, clock=clock)

    Tokens, roles, usage plans, page tokens and pre-signed URLs are checked; feeds are processed on the clock; accepted
    stock and pickups show in ``stock`` and ``pickups``. ``async with serve(fake) as origin`` answers over sockets, all
    three on one origin: ``attrs.evolve(AE, spapi_endpoint=origin, lwa_endpoint=origin)``.

    Args:
        clock: Amazon's clock; the machine's by default.
        marketplace: whose rules apply; its ``spapi_endpoint`` and ``lwa_endpoint`` are the hosts the transport reaches.
        credentials: the application and the seller who authorised it.
        state: the seller's state, shared with another fake; it brings clock and marketplace.
        processing_seconds: how long a feed is processed, in seconds; a function decides feed by feed.
        start_seconds: how long an accepted feed waits before it is processed.
        token_seconds: how long an access token is valid.
        settings: behaviour that no public source states, or that differs by country.

    Raises:
        ValueError: ``state`` came with a clock or marketplace beside it, or is another seller's.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        marketplace: Marketplace | None = None,
        credentials: SpApiCredentials = FAKE_SPAPI_CREDENTIALS,
        state: SellerState | None = None,
        processing_seconds: float | Callable[[FakeSpApiFeed], float] = 60.0,
        start_seconds: float = 0.0,
        token_seconds: float = 3600.0,
        settings: Settings | None = None,
    ) -> None:
        super().__init__(
            new_state(state, clock=clock, marketplace=marketplace, seller_id=credentials.seller_id, default=AE)
        )
        self.credentials: SpApiCredentials = credentials
        self._access = Access(token_seconds=token_seconds)
        self._account = Account(seller=self.state, settings=settings or Settings(), access=self._access)
        self._feeds = Feeds(self._account, processing_seconds=processing_seconds, start_seconds=start_seconds)
        self._faults = FaultPlan()
        operations = {
            **orders.OPERATIONS,
            **listings.OPERATIONS,
            **self._feeds.operations,
            **reports.OPERATIONS,
            **sellers.OPERATIONS,
            **easy_ship.OPERATIONS,
        }
        self._service = Service(self._account, operations)
        self.requests: deque[SeenSpApiRequest] = self._service.requests
        """Every request that arrived, oldest first."""
        self.authorise(credentials)

    # What it holds

    @property
    def settings(self) -> Settings:
        """Amazon's behaviour where no source states it; change it at any time."""
        return self._account.settings

    @property
    def roles(self) -> set[str]:
        """The application's roles by Amazon's names; take one away with ``discard``."""
        return self._access.roles

    @property
    def feeds(self) -> list[FakeSpApiFeed]:
        """Every accepted feed in its present state, oldest first."""
        self._feeds.refresh()
        return list(self._account.feeds.values())

    def count(self, operation: str) -> int:
        """How many requests for this operation arrived, late ones included."""
        self.state.advance()
        return sum(seen.operation == operation for seen in self.requests)

    # What a test changes

    def authorise(self, credentials: SpApiCredentials) -> None:
        """Let an application work for this seller, or give a known one a new secret.

        Raises:
            ValueError: they are another seller's.
        """
        if credentials.seller_id != self.state.seller_id:
            raise ValueError(f"this is the account of {self.state.seller_id}, not of {credentials.seller_id}")
        self._access.authorise(credentials)

    def revoke(self, credentials: SpApiCredentials) -> None:
        """The seller withdraws the authorisation: ``invalid_grant``, and 403 for tokens given out."""
        self._access.revoke(credentials)

    def expire_tokens(self) -> None:
        """Every access token given out so far is refused from now on."""
        self._access.expire_tokens()

    def warn(self, sku: str, code: str, message: str) -> None:
        """Amazon accepts this SKU with a warning from now on."""
        self.state.warnings[sku] = (code, message)

    def fail(
        self,
        operation: str,
        fault: SpApiFault | str,
        times: int | None = 1,
        *,
        until: datetime | None = None,
        probability: float = 1.0,
        seed: int = 0,
        seconds: float = 0.0,
        feed_type: str | None = None,
    ) -> None:
        """Requests for ``operation`` meet ``fault``.

        Args:
            operation: by the model's name; ``"requestAccessToken"``, ``"uploadDocument"``, ``"downloadDocument"``; or
                ``"*"`` for any.
            times: how many requests it strikes; ``None`` for no limit.
            until: the fault ends at this instant of the fake's clock.
            probability: the share of requests it strikes, drawn from ``seed``.
            seconds: how long the answer (or, for ``LATE``, the request) takes.
            feed_type: only a createFeed of this type.

        Raises:
            ValueError: no such operation or fault; a typing error would otherwise never strike.
        """
        if operation not in _NAMES:
            raise ValueError(f"there is no operation {operation!r}")
        self._faults.order(
            action=operation,
            fault=SpApiFault(fault),
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

    def end_feeds(
        self,
        status: str,
        *,
        times: int = 1,
        feed_type: str | None = None,
        takes: int | None = None,
        missing_from_report: int = 0,
    ) -> None:
        """The next ``times`` feeds end in ``status`` instead of ``DONE``.

        Args:
            status: ``FATAL``, ``CANCELLED`` or ``DONE``; any other (``IN_PROGRESS``) holds the feed, and those of its
                type behind it, until ``release``.
            takes: of a ``FATAL`` feed, how many messages Amazon took before it stopped without a result document;
                ``None`` takes all and writes one.
            missing_from_report: how many messages the result document leaves out of its counts.
        """
        self._feeds.decide(
            status, feed_type=feed_type, times=times, takes=takes, missing_from_report=missing_from_report
        )

    def release(self, feed_id: str, *, status: str = "DONE") -> None:
        """A held feed ends now, in ``status``.

        Raises:
            ValueError: it has ended already.
        """
        self._feeds.release(feed_id, status)

    def set_rate(self, operation: str, rate: float, burst: int | None = None) -> None:
        """Amazon changes an operation's usage plan: requests per second, and the bucket's size.

        Raises:
            ValueError: there is no such operation.
        """
        self._service.limits.set_rate(operation, rate, burst)

    def spend(self, operation: str, count: int = 1, *, credentials: SpApiCredentials | None = None) -> int:
        """Another program of the same application makes ``count`` requests now; how many of them pass.

        Raises:
            ValueError: there is no such operation.
        """
        client_id = (credentials or self.credentials).client_id
        return self._service.limits.spend(client_id, operation, count, self.state.now())

    def spend_every(
        self,
        operation: str,
        seconds: float,
        *,
        until: datetime | None = None,
        credentials: SpApiCredentials | None = None,
    ) -> None:
        """Another program of the same application makes one request now and one every ``seconds``, until ``until``.

        Raises:
            ValueError: there is no such operation.
        """
        client_id = (credentials or self.credentials).client_id
        limits = self._service.limits
        limits.spend(client_id, operation, 0, self.state.now())  # an unknown operation raises here

        def request(now: datetime) -> None:
            limits.spend(client_id, operation, 1, now)

        self.state.arrivals.repeat(self.state.now(), seconds, request, until)

    def subscribe(
        self,
        *kinds: str,
        envelope: Literal["sqs", "eventbridge"] = "sqs",
        is_doubled: bool = False,
    ) -> FakeNotificationQueue:
        """A queue to which Amazon publishes changes from now on: ``for text in await queue.receive()``.

        Args:
            *kinds: ``ORDER_CHANGE``, ``FEED_PROCESSING_FINISHED``, ``LISTINGS_ITEM_MFN_QUANTITY_CHANGE``; all without.
            envelope: what the text is: the notification itself, or an EventBridge event around it.
            is_doubled: each comes twice: Amazon promises "at least once".

        Raises:
            ValueError: there is no such kind.
        """
        return FakeNotificationQueue(self._account, kinds=kinds or KINDS, envelope=envelope, is_doubled=is_doubled)

    # What it answers

    def exchange(self, method: str, url: str, headers: Headers, body: bytes = b"") -> Exchange:
        """Answer one request, and say what happens to it on its way."""
        self._feeds.refresh()
        visit = Visit.of(method, url, named_headers(headers), body)
        ordered = self._faults.take(visit.name, visit.feed_type, self.state.now())
        if ordered is None:
            return Exchange(answer=self._service.perform(visit, None, self.state.now()))
        if ordered.fault == NOT_REACHED:
            return Exchange(answer=Answer(0, [], b""), lost=NOT_REACHED)
        if ordered.fault == LATE:
            at = self.state.now() + timedelta(seconds=ordered.seconds)
            self.state.arrivals.add(at, lambda now: self._arrive_late(visit, now))
            return Exchange(answer=Answer(0, [], b""), lost=LATE)
        lost = ordered.fault if ordered.fault in ON_THE_WAY else None
        answer = self._service.perform(visit, ordered, self.state.now())
        return Exchange(answer=answer, delay_seconds=ordered.seconds, lost=lost)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer an ``httpx`` client. Network faults become the exceptions that httpx raises for them."""
        self._check_host(request)
        body = await request.aread()
        # The URL as it goes over the wire: httpx's own text of it.
        exchange = self.exchange(request.method, wire_url(request), request.headers.multi_items(), body)
        return await deliver(exchange, request, self.clock)

    # Inside

    def _check_host(self, request: httpx.Request) -> None:
        known = {httpx.URL(url).host for url in (self.marketplace.spapi_endpoint, self.marketplace.lwa_endpoint)}
        host = request.url.host
        if host not in known and not host.endswith(".amazonaws.com"):
            raise httpx.ConnectError(f"{host} is not {self.marketplace.spapi_endpoint}", request=request)

    def _arrive_late(self, visit: Visit, now: datetime) -> None:
        self._service.perform(visit, None, now, answered=False)
