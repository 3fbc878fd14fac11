"""The Selling Partner API's client: typed, paced by default, and exact about which requests may have reached Amazon.

Example::

    async with SpApiClient(credentials, AE, app_name="Warehouse", app_version="1.4") as client:
        async for page in client.orders.search(last_updated_after=yesterday):
            for order in page.orders:
                print(order.amazon_order_id, order.order_status)
"""

from __future__ import annotations

import random as _random
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import attrs
import httpx

from amazon_ae._clocks import SystemClock
from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.marketplaces import AE, Marketplace, SpApiCredentials
from amazon_ae._ports import Clock
from amazon_ae._spapi.calls import SpApiCall, SpApiDialect, SpApiExecutor
from amazon_ae._spapi.easy_ship import EasyShip
from amazon_ae._spapi.easy_ship_bulk import EasyShipBulk
from amazon_ae._spapi.errors import scrub
from amazon_ae._spapi.feeds import Feeds
from amazon_ae._spapi.listings import Listings
from amazon_ae._spapi.login import TokenSource
from amazon_ae._spapi.operations import UNLISTED_BURST, UNLISTED_RATE, Operation, find_operation
from amazon_ae._spapi.orders import Orders
from amazon_ae._spapi.params import Params
from amazon_ae._spapi.reports import Reports
from amazon_ae._spapi.sellers import Sellers
from amazon_ae._spapi.throttles import spapi_throttles
from amazon_ae._spapi.tokens import Tokens
from amazon_ae._spapi.transfers import Transfers
from amazon_ae._transport.calls import RequestRecord, WaitPolicy
from amazon_ae._transport.client import ApiClient
from amazon_ae._transport.connection import HttpConnection
from amazon_ae._transport.http import check_endpoint
from amazon_ae._transport.pacing import Pacer
from amazon_ae._transport.retries import RetryPolicy
from amazon_ae._transport.throttles import ThrottleTable
from amazon_ae._transport.user_agent import library_user_agent

__all__ = ["SpApiClient"]

_REQUEST_ID: Final = "x-amzn-requestid"


class SpApiClient(ApiClient[SpApiCredentials]):
    """One seller's access to one marketplace through the Selling Partner API.

    Args:
        credentials: the application's keys and the seller's authorisation.
        marketplace: the marketplace; its ``spapi_endpoint`` and ``lwa_endpoint`` must be https (http only on this
            machine).
        http: your client, with your proxies, certificates and timeouts; it is never closed here. Without one, this
            client opens its own at the first call, without reading proxy settings out of the environment, and closes
            it in ``aclose``.
        clock: the time source, which also sleeps.
        app_name, app_version: the User-Agent that Amazon asks for; this library's own by default.
        pacer: share one between the clients of a process that act for the same seller and application: they share
            Amazon's rates, and what one learns of them from an answer.
        throttles: Amazon's default rates; an answer's ``x-amzn-RateLimit-Limit`` replaces them, up or down.
        retries: of calls that may be repeated.
        random: gives numbers in [0, 1) for the retries' jitter.
        max_wait: the longest that a call without a ``deadline`` waits for a slot or for a throttle to end; ``None``:
            forever.
        max_exchange: the longest that one request with its answer takes in real time; ``None``: forever.
        max_body_bytes: a larger answer is refused before it is read, a larger document before it is unpacked.
        thread_bytes: a larger body is read in a thread, so that the event loop goes on.
        on_request: called after every request with its id, instant and code, for your records. Quick, and never raises:
            what it raises is logged and dropped.

    Raises:
        ConfigurationError: an endpoint, the User-Agent, ``http`` or ``max_exchange`` cannot be used.
    """

    def __init__(
        self,
        credentials: SpApiCredentials,
        marketplace: Marketplace = AE,
        *,
        http: httpx.AsyncClient | None = None,
        clock: Clock | None = None,
        app_name: str | None = None,
        app_version: str | None = None,
        pacer: Pacer | None = None,
        throttles: ThrottleTable | None = None,
        retries: RetryPolicy | None = None,
        random: Callable[[], float] = _random.random,
        max_wait: timedelta | None = timedelta(hours=2),
        max_exchange: timedelta | None = timedelta(minutes=5),
        max_body_bytes: int = 50_000_000,
        thread_bytes: int = 262_144,
        on_request: Callable[[RequestRecord], None] | None = None,
    ) -> None:
        if not isinstance(credentials, SpApiCredentials) or not isinstance(marketplace, Marketplace):
            raise ConfigurationError("SpApiClient takes SpApiCredentials first, then a Marketplace")
        clock, retries = clock or SystemClock(), retries or RetryPolicy()
        agent = library_user_agent(app_name, app_version)
        connection = HttpConnection(
            type(self).__name__,
            http=http,
            max_exchange=max_exchange,
            max_body_bytes=max_body_bytes,
            request_id_header=_REQUEST_ID,
            scrub=scrub,
        )
        tokens = TokenSource(
            credentials,
            endpoint=check_endpoint(marketplace.lwa_endpoint, "Login with Amazon's endpoint"),
            transport=connection.transport,
            agent=agent,
            clock=clock,
            retries=retries,
            random=random,
        )
        self._calls = SpApiExecutor(
            SpApiDialect(tokens, endpoint=check_endpoint(marketplace.spapi_endpoint, "SP-API endpoint"), agent=agent),
            owner=_quota_owner(credentials),
            transport=connection.transport,
            pacer=pacer or Pacer(clock),
            throttles=throttles or spapi_throttles(),
            retries=retries,
            random=random,
            clock=clock,
            max_wait=max_wait,
            thread_bytes=thread_bytes,
            on_request=on_request,
        )
        self._transfers = Transfers(
            transport=connection.transport,
            agent=agent,
            clock=clock,
            retries=retries,
            random=random,
            max_body_bytes=max_body_bytes,
        )
        super().__init__(credentials, marketplace, connection=connection, calls=self._calls)
        marketplace_id = marketplace.marketplace_id
        self.orders: Orders = Orders(self._calls, marketplace_id=marketplace_id)
        self.listings: Listings = Listings(self._calls, seller_id=credentials.seller_id, marketplace_id=marketplace_id)
        self.feeds: Feeds = Feeds(self._calls, self._transfers, marketplace_id=marketplace_id)
        self.tokens: Tokens = Tokens(self._calls)
        self.reports: Reports = Reports(self._calls, self._transfers, self.tokens, marketplace_id=marketplace_id)
        self.sellers: Sellers = Sellers(self._calls)
        self.easy_ship: EasyShip = EasyShip(self._calls, marketplace_id=marketplace_id)
        self.easy_ship_bulk: EasyShipBulk = EasyShipBulk(
            self._calls, self._transfers, self.tokens, marketplace_id=marketplace_id
        )

    @property
    def quota_owner(self) -> str:
        """Seller and application: Amazon counts requests per such pair."""
        return _quota_owner(self._credentials)

    def restore_seconds(self, operation: str) -> float:
        """Seconds in which one slot of an operation comes back: as Amazon stated it last, else the table's."""
        return self._calls.restore_seconds(operation)

    def burst(self, operation: str) -> int:
        """Requests in an operation's full bucket, out of the table: no answer states them."""
        return self._calls.throttle(operation).burst

    async def call(
        self,
        operation: str,
        *,
        fields: Mapping[str, str] | None = None,
        query: Params | None = None,
        body: object = None,
        repeatable: bool | None = None,
        restricted_token: str | None = None,
        wait: bool = True,
        deadline: datetime | timedelta | None = None,
    ) -> Any:
        """Call any operation: with a token, paced, retried and with the same errors as the typed ones.

        Args:
            operation: Amazon's name (``"getListingsItem"``), or for an operation without a row its method and path:
                ``"GET /catalog/2022-04-01/items/{asin}"``. It gets one slot a second.
            fields: the parts of the path; each is encoded.
            query: ``None`` is left out; a list becomes one parameter, joined by commas.
            body: what JSON is made of.
            repeatable: whether it may be sent again after it may have arrived; by default the row decides; an operation
                without a row is repeatable if it is a ``GET``.
            restricted_token: in place of the access token; see ``client.tokens``.
            wait, deadline: how long a slot may be waited for.

        Returns:
            The JSON of the answer, numbers with a fraction as ``Decimal``.

        Raises:
            ConfigurationError: an unknown operation, or a value that cannot be sent.
            AmazonAeError: as every call.
        """
        row = _row(operation, repeatable)
        call = SpApiCall(row=row, fields=fields or {}, query=query or {}, body=body, token=restricted_token)
        return await self._calls.json(call, lambda found, _: found, WaitPolicy(wait=wait, deadline=deadline))


def _quota_owner(credentials: SpApiCredentials) -> str:
    return f"{credentials.seller_id}/{credentials.client_id}"


def _row(operation: str, repeatable: bool | None) -> Operation:
    method, _, path = operation.partition(" ")
    if path:
        again = method == "GET" if repeatable is None else repeatable
        return Operation(operation, "", method, path.strip(), UNLISTED_RATE, UNLISTED_BURST, again, False, "UNVERIFIED")
    row = find_operation(operation)
    if repeatable is None or repeatable == row.repeatable:
        return row
    return attrs.evolve(row, repeatable=repeatable)
