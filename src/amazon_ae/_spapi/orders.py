"""Orders 2026-01-01. No restricted data token: answers contain buyers' data if the application has the role.

Source: ``orders_2026-01-01.json``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from amazon_ae._exceptions import ConfigurationError, InvalidRequest, UnreadableResponse
from amazon_ae._models.checks import check_aware, check_count, listed
from amazon_ae._models.orders import Order, OrderPage
from amazon_ae._models.responses import ResponseMeta
from amazon_ae._models.text import check_order_id
from amazon_ae._spapi.calls import SpApiCall, SpApiExecutor
from amazon_ae._spapi.operations import find_operation
from amazon_ae._spapi.order_values import read_order, read_order_page
from amazon_ae._spapi.order_words import status_filter
from amazon_ae._spapi.values import node, same, text
from amazon_ae._transport.calls import WaitPolicy

__all__ = ["INCLUDED", "Orders"]

#: ``includedData``: every data set that the library's ``Order`` has attributes for.
INCLUDED: Final = (
    "BUYER",
    "RECIPIENT",
    "PROCEEDS",
    "EXPENSE",
    "PROMOTION",
    "CANCELLATION",
    "FULFILLMENT",
    "PACKAGES",
    "TAX",
    "PAYMENT",
    "FULFILLMENT_ORDERS",
)
_SEARCH: Final = find_operation("searchOrders")
_GET: Final = find_operation("getOrder")
_UNKNOWN: Final = frozenset({"NotFound", "NOT_FOUND", "ResourceNotFound"})
# searchOrders: the end of a window lies at least two minutes before the request.
_SETTLING: Final = timedelta(minutes=2)
_PARALLEL: Final = 5


class Orders:
    """The orders of one seller in one marketplace."""

    def __init__(self, calls: SpApiExecutor, *, marketplace_id: str) -> None:
        self._calls = calls
        self._marketplace_id = marketplace_id

    async def search(
        self,
        *,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        last_updated_after: datetime | None = None,
        last_updated_before: datetime | None = None,
        statuses: Sequence[str] = (),
        fulfilled_by: Sequence[str] = (),
        included: Sequence[str] = INCLUDED,
        max_results_per_page: int = 100,
        position: str | None = None,
        wait: bool = True,
        deadline: datetime | timedelta | None = None,
    ) -> AsyncIterator[OrderPage]:
        """searchOrders, page by page. Each page costs one request, and Amazon gives one per 178.6 s (burst 20).

        Args:
            created_after, last_updated_after: exactly one of them, aware.
            created_before, last_updated_before: aware; moved back to two minutes before now, the latest that Amazon
                allows.
            statuses: in this library's spelling (``Unshipped``); all by default.
            fulfilled_by: ``MERCHANT`` or ``AMAZON``.
            included: Amazon's data sets; without ``FULFILLMENT`` an order has no status.
            position: of the last page that was processed, from a search with the same arguments, at most 24 hours
                ago.

        Raises:
            ConfigurationError: a rule is broken; nothing was sent.
            AmazonAeError: as every call.
        """
        check_aware(
            created_after=created_after,
            created_before=created_before,
            last_updated_after=last_updated_after,
            last_updated_before=last_updated_before,
        )
        if (created_after is None) == (last_updated_after is None):
            raise ConfigurationError("searchOrders: give exactly one of created_after and last_updated_after")
        check_count("max_results_per_page", max_results_per_page, most=100)
        now = self._calls.clock.now()
        query: dict[str, Any] = {
            "createdAfter": created_after,
            "createdBefore": _settled(created_before, now),
            "lastUpdatedAfter": last_updated_after,
            "lastUpdatedBefore": _settled(last_updated_before, now),
            "fulfillmentStatuses": status_filter(listed("statuses", statuses)),
            "marketplaceIds": [self._marketplace_id],
            "fulfilledBy": listed("fulfilled_by", fulfilled_by),
            "maxResultsPerPage": max_results_per_page,
            "includedData": listed("included", included),
        }
        _check_window(query)
        policy = WaitPolicy(wait=wait, deadline=deadline)
        seen: set[str] = set()
        while True:
            # Every page repeats all parameters unchanged (amzn/selling-partner-api-sdk issue 717).
            call = SpApiCall(row=_SEARCH, query={**query, "paginationToken": position})
            page = await self._calls.json(call, _read_page, policy)
            yield page
            position = page.position
            if position is None:
                return
            if position in seen:
                raise UnreadableResponse("searchOrders: the same page twice")
            seen.add(position)

    async def get(
        self,
        order_id: str,
        *,
        included: Sequence[str] = INCLUDED,
        wait: bool = True,
        deadline: datetime | timedelta | None = None,
    ) -> Order | None:
        """getOrder, items included; ``None`` if Amazon does not know the order.

        Raises:
            ConfigurationError: that is not an Amazon order id (3-7-7 digits).
            AmazonAeError: as every call.
        """
        call = SpApiCall(
            row=_GET, fields={"orderId": check_order_id(order_id)}, query={"includedData": listed("included", included)}
        )

        def read(body: Any, _: ResponseMeta) -> Order:
            same(text(node(body, "order").get("orderId")), order_id, "order")
            return read_order(node(body, "order"))

        try:
            return await self._calls.json(call, read, WaitPolicy(wait=wait, deadline=deadline))
        except InvalidRequest as error:
            if error.code in _UNKNOWN or error.status == 404:
                return None
            raise

    async def get_many(
        self, order_ids: Sequence[str], *, wait: bool = True, deadline: datetime | timedelta | None = None
    ) -> tuple[Order, ...]:
        """Orders by Amazon's id, one request each (0.5 a second, burst 30); unknown ones are left out.

        Raises:
            ConfigurationError: one of them is not an Amazon order id; nothing was sent.
            AmazonAeError: as every call.
        """
        ids = list(dict.fromkeys(check_order_id(order_id) for order_id in order_ids))
        slots = asyncio.Semaphore(_PARALLEL)

        async def one(order_id: str) -> Order | None:
            async with slots:
                return await self.get(order_id, wait=wait, deadline=deadline)

        tasks = [asyncio.ensure_future(one(order_id)) for order_id in ids]
        try:
            found = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
        return tuple(order for order in found if order is not None)


def _settled(before: datetime | None, now: datetime) -> datetime | None:
    return None if before is None else min(before, now - _SETTLING)


def _check_window(query: dict[str, Any]) -> None:
    for name in ("created", "lastUpdated"):
        after, before = query[f"{name}After"], query[f"{name}Before"]
        if after is not None and before is not None and after >= before:
            raise ConfigurationError(
                f"searchOrders: {name}After must be earlier than {name}Before, which is at most two minutes before now"
            )


def _read_page(body: Any, meta: ResponseMeta) -> OrderPage:
    if not isinstance(node(body).get("orders"), list):
        raise UnreadableResponse("searchOrders: an answer without orders", request_id=meta.request_id)
    return read_order_page(body, meta)
