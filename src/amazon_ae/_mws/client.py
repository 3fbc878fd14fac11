"""The MWS client: typed, paced by default, and exact about which requests may have reached Amazon.

Example::

    async with MwsClient(credentials, AE, app_name="Warehouse", app_version="1.4") as client:
        async for order in client.orders.list(last_updated_after=yesterday):
            print(order.amazon_order_id, order.order_status)
"""

from __future__ import annotations

import random as _random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NoReturn

import httpx

from amazon_ae._clocks import SystemClock
from amazon_ae._exceptions import ConfigurationError, NotSupported
from amazon_ae._models.checks import check_text
from amazon_ae._models.marketplaces import AE, Marketplace, MwsCredentials
from amazon_ae._mws.calls import MwsCall, MwsDialect, MwsExecutor
from amazon_ae._mws.easy_ship import EasyShip
from amazon_ae._mws.feeds import Feeds
from amazon_ae._mws.orders import Orders
from amazon_ae._mws.params import Params, flatten
from amazon_ae._mws.reports import Reports
from amazon_ae._mws.requests import section_of
from amazon_ae._mws.responses import REQUEST_ID_HEADER, scrub
from amazon_ae._mws.sellers import Sellers
from amazon_ae._mws.throttles import mws_throttles
from amazon_ae._ports import Clock
from amazon_ae._transport.calls import RequestRecord, WaitPolicy
from amazon_ae._transport.client import ApiClient
from amazon_ae._transport.connection import HttpConnection
from amazon_ae._transport.http import check_endpoint
from amazon_ae._transport.pacing import Pacer
from amazon_ae._transport.retries import RetryPolicy
from amazon_ae._transport.throttles import ThrottleTable
from amazon_ae._transport.user_agent import library_user_agent

__all__ = ["MwsClient", "Returns"]


class Returns:
    """Returns are not part of this library."""

    def list(self) -> NoReturn:
        """Always raises.

        Raises:
            NotSupported: the message says what to use instead.
        """
        raise NotSupported(
            "returns are not supported: MWS has no operation for them; look in Seller Central under Orders, "
            "Manage Returns, or fetch a returns report with client.reports"
        )


class MwsClient(ApiClient[MwsCredentials]):
    """One seller's access to one marketplace through MWS.

    Args:
        credentials: the developer's keys and the seller's authorisation.
        marketplace: the marketplace; its ``mws_endpoint`` must be https (http only on this machine, for a sandbox).
        http: your client, with your proxies, certificates and timeouts; it is never closed here. Without one, this
            client opens its own at the first call, without reading proxy settings out of the environment, and closes
            it in ``aclose``.
        clock: the time source, which also sleeps.
        app_name, app_version: the User-Agent that Amazon asks for; this library's own by default.
        developer: a name for the developer account that the keys belong to. Amazon counts requests per seller and
            developer account, so clients of one seller and one ``developer`` share the quota's ledger whatever their
            keys, also after a key was replaced. That several keys count together is **UNVERIFIED**: give each its own
            name where they do not.
        pacer: share one between clients of the same seller in one process, since they share Amazon's quota.
        throttles: Amazon's limits; see ``MWS_THROTTLES``.
        retries: of reads.
        random: gives numbers in [0, 1) for the retries' jitter.
        max_wait: the longest that a call without a ``deadline`` waits for a slot or for a throttle to end; ``None``:
            forever.
        max_exchange: the longest that one request with its answer takes in real time, however slowly it drips; then a
            read is sent again or ends in ``ServiceUnavailable``, a write in ``OutcomeUnknown``. Give more for feeds of
            hundreds of megabytes; ``None``: forever.
        max_body_bytes: a larger answer is refused before it is read.
        thread_bytes: a larger body is read in a thread, so that the event loop goes on.
        on_request: called after every request with its id, instant and code, for your records (Amazon asks to keep
            them 30 days); not after one that you cancelled. Quick, and never raises: what it raises is logged and
            dropped.

    Raises:
        ConfigurationError: the endpoint, the User-Agent, ``http`` or ``max_exchange`` cannot be used.
    """

    def __init__(
        self,
        credentials: MwsCredentials,
        marketplace: Marketplace = AE,
        *,
        http: httpx.AsyncClient | None = None,
        clock: Clock | None = None,
        app_name: str | None = None,
        app_version: str | None = None,
        developer: str = "developer",
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
        if not isinstance(credentials, MwsCredentials) or not isinstance(marketplace, Marketplace):
            raise ConfigurationError("MwsClient takes MwsCredentials first, then a Marketplace")
        if not developer.isprintable() or not developer.strip() or "/" in developer:
            raise ConfigurationError(f"developer must be a name without a slash, not {developer!r}")
        # Amazon counts per pair of seller and developer account.
        owner = f"{credentials.seller_id}/{developer}"
        clock = clock or SystemClock()
        connection = HttpConnection(
            type(self).__name__,
            http=http,
            max_exchange=max_exchange,
            max_body_bytes=max_body_bytes,
            request_id_header=REQUEST_ID_HEADER,
            scrub=scrub,
        )
        self._calls = MwsExecutor(
            MwsDialect(
                credentials,
                endpoint=check_endpoint(marketplace.mws_endpoint, "MWS endpoint"),
                agent=library_user_agent(app_name, app_version),
            ),
            owner=owner,
            transport=connection.transport,
            pacer=pacer or Pacer(clock),
            throttles=throttles or mws_throttles(),
            retries=retries or RetryPolicy(),
            random=random,
            clock=clock,
            max_wait=max_wait,
            thread_bytes=thread_bytes,
            on_request=on_request,
        )
        super().__init__(credentials, marketplace, connection=connection, calls=self._calls)
        marketplace_id = marketplace.marketplace_id
        self.orders: Orders = Orders(self._calls, marketplace_id=marketplace_id)
        self.feeds: Feeds = Feeds(
            self._calls,
            marketplace_id=marketplace_id,
            owner=owner,
        )
        self.sellers: Sellers = Sellers(self._calls)
        self.easy_ship: EasyShip = EasyShip(self._calls, marketplace_id=marketplace_id)
        self.reports: Reports = Reports(self._calls, marketplace_id=marketplace_id)
        self.returns: Returns = Returns()

    async def call(
        self,
        section: str,
        action: str,
        params: Params | None = None,
        *,
        idempotent: bool | None = None,
        wait: bool = True,
        deadline: datetime | timedelta | None = None,
    ) -> dict[str, Any]:
        """Call any operation: signed, paced, retried and with the same errors as the typed ones.

        Args:
            section: ``"Orders"``, ``"Feeds"``, ``"Reports"``, ``"Sellers"``, ``"EasyShip"``, or another with its
                version: ``"Products/2011-10-01"``.
            params: without the common ones. ``None`` is left out; a list under ``"ASINList.ASIN"`` becomes
                ``ASINList.ASIN.1`` and on; instants, decimals and booleans are written in Amazon's formats.
            idempotent: whether it may be sent again after it may have arrived; by default ``Get...`` and ``List...``
                may.
            wait, deadline: how long a slot may be waited for. Operations outside the throttle table get
                ``UNLISTED`` (burst 6, one per 60 s).

        Returns:
            The content of ``<...Result>`` by local names: text, dicts, and lists where an element was repeated.

        Raises:
            ConfigurationError: a section without a version, or a value that cannot be sent.
            AmazonAeError: as every call.
        """
        section_of(section)
        check_text("action", action)
        call = MwsCall(section=section, action=action, params=flatten(params or {}), idempotent=idempotent)
        return await self._calls.result(call, lambda node, _: dict(node), WaitPolicy(wait=wait, deadline=deadline))
