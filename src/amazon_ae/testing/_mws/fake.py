"""``FakeMws``: a marketplace that remembers, behind an ``httpx`` transport or a server."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final, Literal
from urllib.parse import urlsplit

import attrs
import httpx

from amazon_ae._clocks import SystemClock
from amazon_ae._models.marketplaces import AE, Marketplace, MwsCredentials
from amazon_ae._models.orders import Order, OrderItem
from amazon_ae._ports import Clock
from amazon_ae.testing._mws import easy_ship, orders, reports, sellers
from amazon_ae.testing._mws.answers import (
    common_headers,
    error_answer,
    good_answer,
    ping,
    quota_exceeded,
    quota_headers,
    refusal_of,
    spoil,
    throttled,
)
from amazon_ae.testing._mws.faults import NOT_DONE, ON_THE_WAY_BACK, FaultPlan, MwsFault, OrderedFault
from amazon_ae.testing._mws.feeds import Feeds
from amazon_ae.testing._mws.portal_view import PortalView, papers
from amazon_ae.testing._mws.quotas import Meters, limit_of
from amazon_ae.testing._mws.signature import authenticate
from amazon_ae.testing._mws.state import FakeFeed, FakeOrder, FakePickup, SeenRequest, State
from amazon_ae.testing._mws.wire import Answer, Refused, Request, Result, read_request
from amazon_ae.testing._papers import PortalOrder

__all__ = ["FAKE_CREDENTIALS", "FAKE_PICKUP_FEED_TYPE", "Exchange", "FakeMws"]

FAKE_CREDENTIALS: Final = MwsCredentials(
    seller_id="A1SANDBOXSELLER",
    access_key_id="AKIASANDBOXSANDBOX00",
    secret_key="sandbox/secret+key/of/the/sandbox0123456",
    auth_token="amzn.mws.00000000-0000-0000-0000-000000000000",
)
"""Credentials that open nothing but a sandbox."""

FAKE_PICKUP_FEED_TYPE: Final = "_SANDBOX_SCHEDULE_PICKUP_"
"""The sandbox's feed type for the Schedule Pickup file. Amazon's is not published: give a real host its own."""

_PRIVATE: Final = frozenset(
    [
        "AWSAccessKeyId",
        "Action",
        "MWSAuthToken",
        "Signature",
        "SignatureMethod",
        "SignatureVersion",
        "Timestamp",
        "Version",
    ]
)


@attrs.frozen(kw_only=True)
class Exchange:
    """What becomes of one request: the answer, and what happens to it on the way.

    Attributes:
        answer: what the marketplace answers.
        delay_seconds: of the fake's clock, before the answer leaves.
        lost: ``NOT_REACHED``, ``ANSWER_LOST``, ``NEVER_ANSWERED`` or ``None``: then the answer arrives.
    """

    answer: Answer
    delay_seconds: float = 0.0
    lost: MwsFault | None = None


class FakeMws(httpx.AsyncBaseTransport):
    """One seller's MWS, checked as strictly as the documents say and written without a line of the client's code.

    Give it to a client as its transport, no socket needed::

        fake = FakeMws(clock=VirtualClock())
        fake.add_sku("SKU-1")
        async with httpx.AsyncClient(transport=fake) as http:
            client = MwsClient(fake.credentials, fake.marketplace, http=http, clock=clock)

    Signatures, timestamps, MD5 sums and quotas are checked; feeds are processed on the injected clock; accepted pickups
    and stock show in ``pickups`` and ``stock``. ``answer`` is the plain function behind it; ``open_sandbox`` serves the
    same over sockets.

    Args:
        clock: the marketplace's clock.
        marketplace: whose rules apply; its ``mws_endpoint`` is the only host the transport reaches.
        credentials: the developer and the seller who authorised it.
        processing_seconds: how long a feed is processed, in seconds; a function decides feed by feed.
        start_seconds: how long an accepted feed waits before it is processed.
        pickup_feed_type: the feed type that carries the Schedule Pickup file.
        easy_ship_api: whether the Easy Ship operations work here; ``None`` as documented: in India only.
        hour: how the hourly quota counts, ``"rolling"`` (the strictest reading) or ``"fixed"``.
        skew_seconds: how far the marketplace's clock is ahead of ``clock``.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        marketplace: Marketplace = AE,
        credentials: MwsCredentials = FAKE_CREDENTIALS,
        processing_seconds: float | Callable[[FakeFeed], float] = 60.0,
        start_seconds: float = 0.0,
        pickup_feed_type: str = FAKE_PICKUP_FEED_TYPE,
        easy_ship_api: bool | None = None,
        hour: Literal["rolling", "fixed"] = "rolling",
        skew_seconds: float = 0.0,
    ) -> None:
        self.clock: Clock = clock or SystemClock()
        self.credentials: MwsCredentials = credentials
        self.pickup_feed_type = pickup_feed_type
        self.easy_ship_api: bool = marketplace.code == "IN" if easy_ship_api is None else easy_ship_api
        self.skew_seconds = skew_seconds
        self.requests: deque[SeenRequest] = deque(maxlen=100_000)
        """Every request that arrived, oldest first."""
        self._state = State(seller_id=credentials.seller_id, marketplace=marketplace)
        self._feeds = Feeds(
            self._state,
            processing_seconds=processing_seconds,
            start_seconds=start_seconds,
            pickup_feed_type=pickup_feed_type,
        )
        self._view = PortalView(self._state, self._advance)
        self._faults = FaultPlan()
        self._meters = Meters(hour)
        self._count = 0
        self._secrets: dict[str, str] = {}
        self._tokens: dict[tuple[str, str], str | None] = {}
        self._operations: dict[str, Mapping[str, Callable[[State, Request], Result]]] = {
            "Orders": orders.OPERATIONS,
            "Feeds": self._feeds.operations,
            "Reports": reports.OPERATIONS,
            "Sellers": sellers.OPERATIONS,
            "EasyShip": easy_ship.OPERATIONS,
        }
        self.authorise(credentials)

    # What it holds

    @property
    def marketplace(self) -> Marketplace:
        """The marketplace it plays."""
        return self._state.marketplace

    @marketplace.setter
    def marketplace(self, value: Marketplace) -> None:
        self._state.marketplace = value

    @property
    def stock(self) -> dict[str, int]:
        """What the marketplace now holds, by SKU."""
        return self._now_state().stock

    @property
    def orders(self) -> dict[str, FakeOrder]:
        """Orders with their items, by order id."""
        return self._now_state().orders

    @property
    def feeds(self) -> list[FakeFeed]:
        """Every feed that was accepted, oldest first, as it stands now."""
        return list(self._now_state().feeds.values())

    @property
    def pickups(self) -> dict[str, FakePickup]:
        """Every pickup that was booked, by order id."""
        return self._now_state().pickups

    @property
    def pickups_sent(self) -> dict[str, int]:
        """How often each order's pickup came in a processed feed, refused or not: more than 1 means sent twice."""
        return self._now_state().pickups_sent

    @property
    def portal_orders(self) -> Mapping[str, PortalOrder]:
        """The same orders as Seller Central shows them, live: for ``FakeSellerPortal`` and ``SellerCentralSite``."""
        return self._view

    def documents(self) -> dict[str, dict[str, str]]:
        """Hex SHA-256 of the panel's invoice and label of every order with a pickup, by order id and kind."""
        return papers(self.portal_orders, list(self.pickups))

    def count(self, action: str) -> int:
        """How many requests for this operation arrived."""
        return sum(seen.action == action for seen in self.requests)

    # What a test changes

    def authorise(self, credentials: MwsCredentials) -> None:
        """Let another developer work for this seller; it has quotas of its own.

        Raises:
            ValueError: they are another seller's; make another ``FakeMws`` for that one.
        """
        if credentials.seller_id != self._state.seller_id:
            raise ValueError(f"this is the marketplace of {self._state.seller_id}, not of {credentials.seller_id}")
        self._secrets[credentials.access_key_id] = credentials.secret_key
        self._tokens[credentials.access_key_id, credentials.seller_id] = credentials.auth_token

    def revoke(self, credentials: MwsCredentials) -> None:
        """The seller withdraws the authorisation: ``AccessDenied`` from now on."""
        self._tokens.pop((credentials.access_key_id, credentials.seller_id), None)

    def add_sku(self, sku: str, quantity: int = 0) -> None:
        """Let the marketplace know a SKU; stock for others is refused."""
        self._state.stock[sku] = quantity

    def add_order(self, order: Order, items: Sequence[OrderItem] = (), *, easy_ship: bool = True) -> None:
        """Add an order (``builders.make_order``) or replace it, with its items.

        Args:
            easy_ship: false for an order that Easy Ship does not carry: its pickup is refused.
        """
        record = FakeOrder(order=order, items=tuple(items), easy_ship=easy_ship)
        self._state.orders[order.amazon_order_id] = record

    def change_order(
        self, order_id: str, *, status: str | None = None, easy_ship_shipment_status: str | None = None
    ) -> None:
        """Change an order now; its ``LastUpdateDate`` moves. Without arguments it is only touched."""
        given = {"order_status": status, "easy_ship_shipment_status": easy_ship_shipment_status}
        changes = {name: value for name, value in given.items() if value is not None}
        self._now_state().touch(order_id, self._now(), **changes)

    def schedule_pickup(self, order_id: str, day: date) -> None:
        """Book a pickup as a person does on the panel, without a feed.

        Raises:
            KeyError: there is no such order.
        """
        now = self._now()
        self._now_state().touch(order_id, now, easy_ship_shipment_status="PendingPickUp")
        self._state.pickups[order_id] = FakePickup(order_id=order_id, at=now, date=day.isoformat())

    def refuse(self, key: str, code: str, message: str) -> None:
        """Processing refuses this SKU or order id from now on, with this code and text."""
        self._state.refusals[key] = (code, message)

    def fail(
        self, action: str, fault: MwsFault | str, times: int = 1, *, seconds: float = 0.0, feed_type: str | None = None
    ) -> None:
        """The next ``times`` requests for ``action`` (``"*"``: any) meet ``fault``.

        Args:
            seconds: how long the answer takes, on the fake's clock. A client that waits less times out, by its own
                read timeout counted on the same clock.
            feed_type: only a SubmitFeed of this type.

        Raises:
            ValueError: no such operation or fault; a typing error would otherwise never strike.
        """
        if action != "*":
            limit_of(action)
        self._faults.order(OrderedFault(action, MwsFault(fault), times, seconds, feed_type))

    def end_feeds(self, status: str, *, times: int = 1, feed_type: str | None = None) -> None:
        """The next ``times`` feeds end in ``status`` instead of ``_DONE_``.

        ``_CANCELLED_`` is final: nothing of the feed is taken. Any other status (``_IN_SAFETY_NET_``,
        ``_IN_PROGRESS_`` for a stuck feed, one that nobody knows) holds the feed, and those of its type behind it,
        until ``release``.
        """
        self._feeds.decide(status, feed_type=feed_type, times=times)

    def release(self, feed_id: str, *, status: str = "_DONE_") -> None:
        """A held feed ends now, in ``status``.

        Raises:
            ValueError: it has ended already.
        """
        self._feeds.release(feed_id, self._now(), status)

    def spend(self, action: str, count: int = 1, *, credentials: MwsCredentials | None = None) -> int:
        """Another program of the same developer makes ``count`` requests now.

        Returns:
            How many of them the quota let pass.

        Raises:
            ValueError: there is no such operation.
        """
        now = self._now()
        limit = limit_of(action)
        meter = self._meters.of((credentials or self.credentials).access_key_id, limit)
        for done in range(count):
            if not meter.free(now) or meter.left(now) == 0:
                return done
            meter.spend(now)
        return count

    def forget_tokens(self) -> None:
        """Every NextToken given out so far is ``NextTokenCorrupted`` from now on."""
        self._state.token_key += b"'"

    # The heart

    def answer(
        self, method: str, url: str, headers: Mapping[str, str] | Iterable[tuple[str, str]], body: bytes = b""
    ) -> Answer:
        """Answer one request: ``(status, headers, body)``. ``exchange`` also tells of faults of the network."""
        return self.exchange(method, url, headers, body).answer

    def exchange(
        self, method: str, url: str, headers: Mapping[str, str] | Iterable[tuple[str, str]], body: bytes = b""
    ) -> Exchange:
        """Answer one request, and say what happens to the answer on its way back."""
        now = self._now()
        self._feeds.advance(now)
        if method == "GET" and urlsplit(url).path in ("", "/") and "Action=" not in url:
            return Exchange(answer=ping(now))
        request: Request | None = None
        ordered: OrderedFault | None = None
        request_id = self._request_id(now)
        authentic = False
        code = ""
        try:
            request = read_request(method, url, headers, body, now)
            ordered = self._faults.take(request.action, request.params.get("FeedType"))
            if ordered is not None and ordered.fault is MwsFault.NOT_REACHED:
                return Exchange(answer=Answer(0, [], b""), lost=MwsFault.NOT_REACHED)
            authenticate(request, self._secrets, self._tokens)
            authentic = True
            if ordered is not None and ordered.fault in NOT_DONE:
                raise refusal_of(ordered.fault, request, now)
            self._throttle(request)
            result = self._perform(request)
        except Refused as refused:
            code = refused.code
            answer = error_answer(refused, request, request_id)
        else:
            answer = good_answer(result, request, request_id)
        if request is not None and authentic:
            meter = self._meters.of(request.params["AWSAccessKeyId"], request.limit)
            answer.headers.extend(quota_headers(meter, now))
        answer.headers.extend(common_headers(now, request_id, len(answer.body)))
        if ordered is not None:
            answer = spoil(answer, ordered.fault)
        lost = ordered.fault if ordered is not None and ordered.fault in ON_THE_WAY_BACK else None
        self._remember(request, now, answer.status, code, lost)
        return Exchange(answer=answer, delay_seconds=ordered.seconds if ordered is not None else 0.0, lost=lost)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer an ``httpx`` client. Network faults become the exceptions that httpx raises for them."""
        if request.url.host != httpx.URL(self.marketplace.mws_endpoint).host:
            raise httpx.ConnectError(f"{request.url.host} is not {self.marketplace.mws_endpoint}", request=request)
        body = await request.aread()
        exchange = self.exchange(request.method, str(request.url), request.headers.items(), body)
        if exchange.lost is MwsFault.NOT_REACHED:
            raise httpx.ConnectError("connection refused", request=request)
        # The client's own patience, as a socket would try it; on the fake's clock.
        patience: float | None = request.extensions.get("timeout", {}).get("read")
        if exchange.lost is MwsFault.NEVER_ANSWERED or (patience is not None and exchange.delay_seconds > patience):
            await self.clock.sleep(patience if patience is not None else exchange.delay_seconds)
            raise httpx.ReadTimeout("timed out", request=request)
        if exchange.delay_seconds:
            await self.clock.sleep(exchange.delay_seconds)
        if exchange.lost is MwsFault.ANSWER_LOST:
            raise httpx.ReadError("connection reset by peer", request=request)
        answer = exchange.answer
        return httpx.Response(answer.status, headers=answer.headers, content=answer.body, request=request)

    # Inside

    def _now(self) -> datetime:
        return self.clock.now() + timedelta(seconds=self.skew_seconds)

    def _now_state(self) -> State:
        self._advance()
        return self._state

    def _advance(self) -> None:
        self._feeds.advance(self._now())

    def _request_id(self, now: datetime) -> str:
        self._count += 1
        seed = f"{self._state.seller_id} {self._count} {now.isoformat()}".encode()
        text = hashlib.sha256(seed).hexdigest()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:32]}"

    def _throttle(self, request: Request) -> None:
        """Count the request. One that is refused later, for its content, has been counted too (UNVERIFIED)."""
        meter = self._meters.of(request.params["AWSAccessKeyId"], request.limit)
        if meter.left(request.now) == 0:
            raise quota_exceeded(request, meter.resets_at(request.now))
        if not meter.free(request.now):
            raise throttled()
        meter.spend(request.now)

    def _perform(self, request: Request) -> Result:
        if request.action == "GetServiceStatus":
            return sellers.service_status(self._state, request)
        if request.section == "EasyShip" and not self.easy_ship_api:
            raise Refused(404, "RegionNotSupported", "This operation is not supported in this region.")
        return self._operations[request.section][request.action](self._state, request)

    def _remember(self, request: Request | None, now: datetime, status: int, code: str, lost: MwsFault | None) -> None:
        params = request.params if request is not None else {}
        self.requests.append(
            SeenRequest(
                section=request.section if request is not None else "",
                action=request.action if request is not None else "",
                at=now,
                status=status,
                code=code,
                access_key_id=params.get("AWSAccessKeyId", ""),
                parameters={name: value for name, value in params.items() if name not in _PRIVATE},
                answered=lost is None,
            )
        )
