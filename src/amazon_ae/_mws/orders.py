"""Orders 2013-09-01.

Source: MWS Orders API reference, one page per operation.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from amazon_ae._exceptions import ConfigurationError, UnreadableResponse
from amazon_ae._models.checks import check_aware, check_count, check_text, listed
from amazon_ae._models.hidden import Hidden, sealed
from amazon_ae._models.orders import Order, OrderItem, OrderPage
from amazon_ae._models.responses import ResponseMeta
from amazon_ae._models.text import check_order_id
from amazon_ae._mws.calls import MwsCall, MwsExecutor
from amazon_ae._mws.order_values import (
    read_broken_order,
    read_order,
    read_order_item,
    unreadable_order,
    unreadable_record,
)
from amazon_ae._mws.paging import Listing, Pager, RawPage, fingerprint
from amazon_ae._mws.params import flatten, settled_before
from amazon_ae._mws.parsing import BROKEN, Node, instant, listed_in, same, text
from amazon_ae._mws.service import Section
from amazon_ae._transport.calls import WaitPolicy

__all__ = ["OrderListing", "Orders", "read_item_page", "read_order_page"]

_MOST_IDS: Final = 50


class OrderListing(Pager[Order]):
    """Orders that come in pages: ``async for order in listing``, or ``listing.pages()``. Nothing is sent before you
    iterate.
    """

    async def pages(self, position: str | None = None) -> AsyncIterator[OrderPage]:
        """Page by page, with the instant up to which the listing is complete.

        Args:
            position: of the last page that was processed, from a listing with the same filters.

        Raises:
            ConfigurationError: ``position`` is of another listing.
            AmazonError: as ListOrders raises; iterate again from the last position.
        """
        async for step in self.steps(position):
            yield OrderPage(
                orders=step.items,
                complete_until=step.complete_until,
                position=step.position(),
                meta=step.meta,
                unreadable=step.unreadable,
            )


class Orders(Section):
    """The Orders section of one client."""

    name = "Orders"

    def __init__(self, calls: MwsExecutor, *, marketplace_id: str) -> None:
        super().__init__(calls)
        self._marketplace_id = marketplace_id

    @sealed
    def list(
        self,
        *,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        last_updated_after: datetime | None = None,
        last_updated_before: datetime | None = None,
        order_statuses: Sequence[str] = (),
        marketplace_ids: Sequence[str] | None = None,
        fulfillment_channels: Sequence[str] = (),
        payment_methods: Sequence[str] = (),
        easy_ship_shipment_statuses: Sequence[str] = (),
        tfm_shipment_statuses: Sequence[str] = (),
        buyer_email: str | None = None,
        seller_order_id: str | None = None,
        max_results_per_page: int = 100,
        wait: bool = True,
        deadline: datetime | timedelta | None = None,
    ) -> OrderListing:
        """ListOrders, and ListOrdersByNextToken for the pages behind the first. Nothing is sent before you iterate.

        Args:
            created_after, last_updated_after: exactly one of them, aware.
            created_before, last_updated_before: aware; at the latest two minutes before the request (a later instant is
                moved back to that).
            order_statuses: ``Unshipped`` and ``PartiallyShipped`` only together; all statuses by default.
            marketplace_ids: 1 to 50; the client's marketplace by default.
            easy_ship_shipment_statuses: documented for India only.
            buyer_email, seller_order_id: exclude each other and nearly every other filter. For Amazon's own order id
                use ``get``.
            max_results_per_page: 1 to 100.
            wait, deadline: how long to wait for a quota slot (6, then one a minute).

        Raises:
            ConfigurationError: a rule is broken; the message says which. Nothing was sent.
            AmazonAeError: while iterating; see ``Listing``.
        """
        check_aware(
            created_after=created_after,
            created_before=created_before,
            last_updated_after=last_updated_after,
            last_updated_before=last_updated_before,
        )
        narrow = {"buyer_email": buyer_email, "seller_order_id": seller_order_id}
        for name, value in narrow.items():
            if value is not None:
                check_text(name, value)
        lists = {
            "order_statuses": listed("order_statuses", order_statuses),
            "fulfillment_channels": listed("fulfillment_channels", fulfillment_channels),
            "payment_methods": listed("payment_methods", payment_methods),
        }
        _check_window(created_after, last_updated_after, narrow=bool(buyer_email or seller_order_id))
        _check_exclusive(
            narrow,
            {**lists, "last_updated_after": last_updated_after, "last_updated_before": last_updated_before, **narrow},
        )
        if ("Unshipped" in order_statuses) != ("PartiallyShipped" in order_statuses):
            raise ConfigurationError("ListOrders: Unshipped and PartiallyShipped must be asked for together")
        check_count("max_results_per_page", max_results_per_page, most=100)
        marketplaces = (
            (self._marketplace_id,) if marketplace_ids is None else listed("marketplace_ids", marketplace_ids)
        )
        check_count("marketplace_ids", marketplaces, most=50)
        filters = {
            "CreatedAfter": created_after,
            "LastUpdatedAfter": last_updated_after,
            "OrderStatus.Status": lists["order_statuses"],
            "MarketplaceId.Id": marketplaces,
            "FulfillmentChannel.Channel": lists["fulfillment_channels"],
            "PaymentMethod.Method": lists["payment_methods"],
            "EasyShipShipmentStatus.Status": listed("easy_ship_shipment_statuses", easy_ship_shipment_statuses),
            "TFMShipmentStatus.Status": listed("tfm_shipment_statuses", tfm_shipment_statuses),
            "BuyerEmail": buyer_email,
            "SellerOrderId": seller_order_id,
            "MaxResultsPerPage": max_results_per_page,
        }
        # It may hold a buyer's address, and a traceback may show variables.
        hidden = Hidden(flatten(filters))
        policy = WaitPolicy(wait=wait, deadline=deadline)

        async def start() -> RawPage[Order]:
            now = self._calls.clock.now()
            before = {
                "CreatedBefore": settled_before(created_before, now=now),
                "LastUpdatedBefore": settled_before(last_updated_before, now=now),
            }
            _check_order(created_after, before["CreatedBefore"], "created_after")
            _check_order(last_updated_after, before["LastUpdatedBefore"], "last_updated_after")
            call = MwsCall(section="Orders", action="ListOrders", params={**hidden.value, **flatten(before)})
            return await self._calls.result(call, read_order_page, policy)

        async def follow(token: str) -> RawPage[Order]:
            call = MwsCall(section="Orders", action="ListOrdersByNextToken", params={"NextToken": token})
            return await self._calls.result(call, read_order_page, policy)

        asked = {**hidden.value, **flatten({"CreatedBefore": created_before, "LastUpdatedBefore": last_updated_before})}
        return OrderListing(
            start=start, follow=follow, key=lambda order: order.amazon_order_id, query=fingerprint("ListOrders", asked)
        )

    async def get(
        self, order_id: str, *, wait: bool = True, deadline: datetime | timedelta | None = None
    ) -> Order | None:
        """GetOrder for one Amazon order id (3-7-7 digits); ``None`` if Amazon does not know it.

        Raises:
            ConfigurationError: that is not an Amazon order id.
            AmazonAeError: as every call.
        """
        return next(iter(await self.get_many((order_id,), wait=wait, deadline=deadline)), None)

    async def get_many(
        self, order_ids: Sequence[str], *, wait: bool = True, deadline: datetime | timedelta | None = None
    ) -> tuple[Order, ...]:
        """GetOrder for any number of Amazon order ids, 50 a call; ids that Amazon does not know are left out.

        Raises:
            ConfigurationError: one of them is not an Amazon order id; nothing was sent.
            UnreadableResponse: not even id and status of one order can be read. (Where only those can, the order comes
                with them alone.)
            AmazonAeError: as every call.
        """
        ids = list(dict.fromkeys(check_order_id(order_id) for order_id in order_ids))
        policy = WaitPolicy(wait=wait, deadline=deadline)
        found: list[Order] = []
        for begin in range(0, len(ids), _MOST_IDS):
            params = flatten({"AmazonOrderId.Id": ids[begin : begin + _MOST_IDS]})
            call = MwsCall(section="Orders", action="GetOrder", params=params)
            found.extend(await self._calls.result(call, _found_among(set(ids[begin : begin + _MOST_IDS])), policy))
        return tuple(found)

    async def items(
        self, order_id: str, *, wait: bool = True, deadline: datetime | timedelta | None = None
    ) -> tuple[OrderItem, ...]:
        """Every item of one order: ListOrderItems and, for long orders, ListOrderItemsByNextToken.

        Raises:
            ConfigurationError: that is not an Amazon order id.
            AmazonAeError: as every call.
        """
        return await self.list_items(order_id, wait=wait, deadline=deadline).all()

    def list_items(
        self, order_id: str, *, wait: bool = True, deadline: datetime | timedelta | None = None
    ) -> Listing[OrderItem]:
        """The items of one order as a listing, page by page.

        Raises:
            ConfigurationError: that is not an Amazon order id.
        """
        params = {"AmazonOrderId": check_order_id(order_id)}
        return self._listing(
            "ListOrderItems",
            params,
            lambda node, meta: read_item_page(node, meta, order_id=order_id),
            key=lambda item: item.order_item_id,
            policy=WaitPolicy(wait=wait, deadline=deadline),
        )


def _check_window(created_after: datetime | None, last_updated_after: datetime | None, *, narrow: bool) -> None:
    if created_after is None and last_updated_after is None and narrow:
        raise ConfigurationError("ListOrders: buyer_email and seller_order_id need created_after")
    if (created_after is None) == (last_updated_after is None):
        raise ConfigurationError("ListOrders: give exactly one of created_after and last_updated_after")


def _check_exclusive(narrow: Mapping[str, object], others: Mapping[str, object]) -> None:
    """Each of ``narrow``, where given, excludes every one of ``others``."""
    for name in (name for name, value in narrow.items() if value is not None):
        for other in (other for other, value in others.items() if value and other != name):
            raise ConfigurationError(f"ListOrders: {name} and {other} exclude each other")


def _check_order(after: datetime | None, before: datetime | None, name: str) -> None:
    if after is not None and before is not None and after >= before:
        raise ConfigurationError(
            f"ListOrders: {name} must be earlier than {name.replace('after', 'before')}, "
            "which is at most two minutes before now"
        )


def read_order_page(node: Node, meta: ResponseMeta) -> RawPage[Order]:
    """The content of ``<ListOrdersResult>`` or ``<GetOrderResult>``. One unreadable order does not affect the others.

    Raises:
        UnreadableResponse: it has no ``<Orders>``.
    """
    orders: list[Order] = []
    unreadable = [unreadable_record(record) for record in node.get(BROKEN, ())]
    for child in listed_in(node, "Orders", "Order"):
        try:
            orders.append(read_order(child))
        except UnreadableResponse as error:
            unreadable.append(unreadable_order(child, str(error)))
    return RawPage(
        items=tuple(orders),
        unreadable=tuple(unreadable),
        next_token=text(node.get("NextToken")),
        complete_until=instant(node.get("LastUpdatedBefore")) or instant(node.get("CreatedBefore")),
        meta=meta,
    )


def _found_among(asked: Collection[str]) -> Callable[[Node, ResponseMeta], list[Order]]:
    """A reader of ``<GetOrderResult>``. Every order counts here: a missing one would look unknown to Amazon."""

    def read(node: Node, _: ResponseMeta) -> list[Order]:
        orders = [read_order(order) for order in listed_in(node, "Orders", "Order")]
        orders += [read_broken_order(record) for record in node.get(BROKEN, ())]
        if any(order.amazon_order_id not in asked for order in orders):
            raise UnreadableResponse("GetOrder: the answer is about another order than the asked ones", retryable=True)
        return orders

    return read


def read_item_page(node: Node, meta: ResponseMeta, *, order_id: str | None = None) -> RawPage[OrderItem]:
    """The content of ``<ListOrderItemsResult>``. All items or none: an order is not packed without one of them.

    Raises:
        UnreadableResponse: it has no ``<OrderItems>``, an item cannot be read, or they are of another order than
            ``order_id``.
    """
    if order_id is not None:
        same(text(node.get("AmazonOrderId")), order_id, "order")
    return RawPage(
        items=tuple([read_order_item(item) for item in listed_in(node, "OrderItems", "OrderItem")]),
        next_token=text(node.get("NextToken")),
        meta=meta,
    )
