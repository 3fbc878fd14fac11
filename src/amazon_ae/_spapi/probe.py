"""Finds out by requests what the Selling Partner API offers this seller and this application.

1. Nothing is changed: stock is validated in preview, listing slots schedules nothing. Only ``allow_bulk`` schedules.
2. 403 is about the application (token, role, authorisation), ``RegionNotSupported`` about the marketplace. The two are
   never confused.
3. Where one question fails, the next one is asked all the same, except where nothing works without the first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

import attrs

from amazon_ae._easy_ship.archive_folder import LabelArchives
from amazon_ae._exceptions import (
    AccessDenied,
    AmazonAeError,
    ConfigurationError,
    InvalidRequest,
    RegionNotSupported,
)
from amazon_ae._models.easy_ship import PackageDimensions, PackageWeight
from amazon_ae._models.feeds import InventoryUpdate
from amazon_ae._models.orders import Order
from amazon_ae._models.text import check_order_id
from amazon_ae._spapi.access_tokens import LWA_ACTION, rotation_warning
from amazon_ae._spapi.bulk_pickups import keep_labels
from amazon_ae._spapi.client import SpApiClient
from amazon_ae._spapi.operations import find_operation
from amazon_ae._spapi.order_words import EASY_SHIP
from amazon_ae._spapi.values import nodes, text

__all__ = ["ProbeLine", "ProbeVerdict", "probe"]

_RECENT: Final = timedelta(days=30)
_BOX: Final = PackageDimensions(Decimal(30), Decimal(20), Decimal(10))
_PARCEL: Final = PackageWeight(Decimal(500))
_RATED: Final = ("searchOrders", "searchListingsItems", "patchListingsItem", "listHandoverSlots")
# Without a token, or without a connection, every other question would have the same answer.
_NOTHING_WORKS: Final = (LWA_ACTION, "NotSent")
_ROLE: Final = "add the role, and have the seller authorise the application again"
# Paths of listings hold the seller's id, which no answer of Amazon's contains: only the host can have it wrong.
_SELLER_ID: Final = f"check the seller id first, which only this operation needs; then {_ROLE}"
_PANEL: Final = "schedule pickups in Seller Central, and take labels from the panel"


class ProbeVerdict(StrEnum):
    """The answer to one question."""

    YES = "yes"
    NO = "no"  # not here, or refused for good
    ROLE = "role"  # the application may not ask: a role, or the seller's authorisation
    UNKNOWN = "unknown"  # not asked, or no answer


@attrs.frozen(kw_only=True)
class ProbeLine:
    """One question.

    Attributes:
        name: the question, e.g. ``"pickup slots"``.
        fact: Amazon's answer.
        consequence: what it means for a host.
        route: the route to use.
    """

    name: str
    verdict: ProbeVerdict
    fact: str
    consequence: str = ""
    route: str = ""


async def probe(
    client: SpApiClient,
    *,
    order_id: str | None = None,
    sku: str | None = None,
    allow_bulk: bool = False,
    archives: LabelArchives | None = None,
) -> tuple[ProbeLine, ...]:
    """Ask Amazon which parts of the API this seller and this application can use.

    Args:
        order_id: a real Easy Ship order whose pickup is not scheduled yet; without one, one of the last 30 days is
            looked for.
        sku: a SKU to validate a stock update for; without one, the first that Amazon lists.
        allow_bulk: where no slots are offered, **schedule** ``order_id`` through the bulk operation to see whether that
            one exists here. Give it only for an order that is packed.
        archives: keeps the label that such a call brings, and that may never come again.

    Returns:
        One line per question, in the order in which they were asked.

    Raises:
        ConfigurationError: ``allow_bulk`` without ``order_id`` and ``archives``, or an ``order_id`` that is none.
    """
    if order_id is not None:
        check_order_id(order_id)
    if allow_bulk and (order_id is None or archives is None):
        raise ConfigurationError(
            "allow_bulk schedules an order: name it with order_id, and say with archives where its label is kept"
        )
    lines = [_secret(client)]
    account = await _asked("account", lambda: _account(client))
    lines.append(account)
    if account.verdict is not ProbeVerdict.YES and any(sign in account.fact for sign in _NOTHING_WORKS):
        return tuple(lines)
    orders: list[Order] = []
    lines.append(await _asked("orders", lambda: _orders(client, orders)))
    lines.append(await _asked("stock", lambda: _stock(client, sku)))
    order_id = order_id or _schedulable(orders)
    slots = await _asked("pickup slots", lambda: _slots(client, order_id))
    lines.append(slots)
    lines.append(await _asked("bulk role", lambda: _bulk_role(client)))
    if allow_bulk and order_id is not None and archives is not None and slots.verdict is ProbeVerdict.NO:
        lines.append(await _asked("bulk pickups", lambda: _bulk(client, order_id, archives)))
    lines.append(_rates(client))
    return tuple(lines)


async def _asked(name: str, question: Callable[[], Awaitable[ProbeLine]]) -> ProbeLine:
    try:
        return await question()
    except RegionNotSupported as error:
        return ProbeLine(
            name=name,
            verdict=ProbeVerdict.NO,
            fact=f"not offered in this marketplace ({error.code})",
            consequence="no role and no other call changes that",
            route=_PANEL,
        )
    except AccessDenied as error:
        if error.action == LWA_ACTION:
            consequence, route = "no call works with these keys", "mend them as said; no role is missing"
        else:
            consequence = "the application may not ask this: it says nothing about the marketplace"
            route = _SELLER_ID if name == "stock" else _ROLE
        return ProbeLine(name=name, verdict=ProbeVerdict.ROLE, fact=str(error), consequence=consequence, route=route)
    except InvalidRequest as error:
        return ProbeLine(
            name=name, verdict=ProbeVerdict.UNKNOWN, fact=str(error), consequence="Amazon refused the call"
        )
    except AmazonAeError as error:
        fact = f"{type(error).__name__}: {error}"
        return ProbeLine(name=name, verdict=ProbeVerdict.UNKNOWN, fact=fact, consequence="ask again later")


def _secret(client: SpApiClient) -> ProbeLine:
    rotate_by = client.credentials.rotate_by
    warning = rotation_warning(rotate_by, client.clock.now())
    if warning is not None:
        return ProbeLine(name="client secret", verdict=ProbeVerdict.NO, fact=warning, route="rotate it now")
    if rotate_by is None:
        return ProbeLine(
            name="client secret",
            verdict=ProbeVerdict.UNKNOWN,
            fact="its end is not known here",
            consequence="Amazon refuses every call once it is 180 days old",
            route="give SpApiCredentials its rotate_by",
        )
    return ProbeLine(name="client secret", verdict=ProbeVerdict.YES, fact=f"good until {rotate_by}")


async def _account(client: SpApiClient) -> ProbeLine:
    found, marketplace = await client.sellers.participations(), client.marketplace
    if not found.participates(marketplace.marketplace_id):
        ids = ", ".join(one.marketplace_id for one in found.participations) or "none"
        fact = f"the seller does not sell in {marketplace.code}, but in: {ids}"
        return ProbeLine(name="account", verdict=ProbeVerdict.NO, fact=fact, route="choose another marketplace")
    own = [one for one in found.participations if one.marketplace_id == marketplace.marketplace_id]
    suspended = any(one.has_seller_suspended_listings for one in own)
    return ProbeLine(
        name="account",
        verdict=ProbeVerdict.YES,
        fact=f"sells in {marketplace.code}" + ("; its listings are suspended" if suspended else ""),
        consequence="no stock goes live until Amazon lifts that" if suspended else "",
    )


async def _orders(client: SpApiClient, orders: list[Order]) -> ProbeLine:
    now = client.clock.now()
    async for page in client.orders.search(last_updated_after=now - _RECENT, fulfilled_by=("MERCHANT",)):
        orders += page.orders
        break  # one request is enough
    if not orders:
        return ProbeLine(
            name="orders", verdict=ProbeVerdict.YES, fact="may be read; there are none of the last 30 days"
        )
    addresses = [order.shipping_address for order in orders if order.shipping_address is not None]
    arrives = {
        "buyer name": any(order.buyer_name for order in orders),
        "buyer e-mail": any(order.buyer_email for order in orders),
        "recipient": any(address.name for address in addresses),
        "street": any(address.address_line1 for address in addresses),
        "phone": any(address.phone for address in addresses),
    }
    there = [name for name, given in arrives.items() if given]
    missing = [name for name, given in arrives.items() if not given]
    easy_ship = sum(EASY_SHIP in (order.programs or ()) for order in orders)
    fact = f"{len(orders)} orders, {easy_ship} of Easy Ship; with: {', '.join(there) or 'no personal data'}"
    if not missing:
        return ProbeLine(name="orders", verdict=ProbeVerdict.YES, fact=fact)
    return ProbeLine(
        name="orders",
        verdict=ProbeVerdict.YES,
        fact=f"{fact}; without: {', '.join(missing)}",
        consequence="Amazon leaves out, without an error, what the roles do not cover",
        route="for a packing slip of your own, ask for the role Direct-to-Consumer Delivery (Restricted)",
    )


async def _stock(client: SpApiClient, sku: str | None) -> ProbeLine:
    if sku is None:
        found = await client.call(
            "searchListingsItems",
            fields={"sellerId": client.credentials.seller_id},
            query={"marketplaceIds": [client.marketplace.marketplace_id], "pageSize": 1, "includedData": ["summaries"]},
        )
        sku = next((name for each in nodes(found, "items") if (name := text(each.get("sku")))), None)
    if sku is None:
        return ProbeLine(name="stock", verdict=ProbeVerdict.UNKNOWN, fact="the seller has no listings to try")
    shown = (await client.listings.get(sku)).quantities.get("DEFAULT", 0)
    submission = await client.listings.patch_stock(InventoryUpdate(sku, shown), preview=True)
    if submission.status in ("VALID", "ACCEPTED"):
        return ProbeLine(name="stock", verdict=ProbeVerdict.YES, fact=f"an update of {sku!r} is valid (preview)")
    why = "; ".join(issue.message for issue in submission.issues[:2])
    return ProbeLine(
        name="stock",
        verdict=ProbeVerdict.NO,
        fact=f"an update of {sku!r} is {submission.status}: {why}",
        consequence="patches of such SKUs will be refused",
        route="StockFormat(...) has what can be written differently",
    )


def _schedulable(orders: Sequence[Order]) -> str | None:
    for order in orders:
        is_open = order.order_status == "Unshipped" and order.easy_ship_shipment_status in (None, "PendingSchedule")
        if is_open and EASY_SHIP in (order.programs or ()):
            return order.amazon_order_id
    return None


async def _slots(client: SpApiClient, order_id: str | None) -> ProbeLine:
    if order_id is None:
        return ProbeLine(
            name="pickup slots",
            verdict=ProbeVerdict.UNKNOWN,
            fact="there is no open Easy Ship order to ask about",
            route="ask again with order_id (--probe-order), once there is one",
        )
    try:
        slots = await client.easy_ship.list_handover_slots(order_id, dimensions=_BOX, weight=_PARCEL)
    except RegionNotSupported:
        raise
    except InvalidRequest as error:
        return ProbeLine(
            name="pickup slots",
            verdict=ProbeVerdict.UNKNOWN,
            fact=f"Amazon refuses this order: {error.code}: {error.message}",
            consequence="that is about the order, not about the marketplace",
            route="ask again with another order",
        )
    pickups = [slot for slot in slots.slots if slot.handover_method != "DROPOFF"]
    if not pickups:
        fact = f"{len(slots.slots)} slots, none of them a pickup"
        return ProbeLine(name="pickup slots", verdict=ProbeVerdict.NO, fact=fact, route=_PANEL)
    return ProbeLine(
        name="pickup slots",
        verdict=ProbeVerdict.YES,
        fact=f"{len(pickups)} pickup slots for {order_id}",
        route="HandoverPickup() schedules order by order",
    )


async def _bulk_role(client: SpApiClient) -> ProbeLine:
    row = find_operation("createScheduledPackageBulk")
    try:
        await client.tokens.restricted(row.method, row.path)
    except InvalidRequest as error:
        return ProbeLine(
            name="bulk role",
            verdict=ProbeVerdict.ROLE,
            fact=f"no restricted data token: {error.message}",
            consequence="labels by the bulk operation are out of reach",
            route="add the role Direct-to-Consumer Shipping (Restricted), and have the seller authorise again",
        )
    return ProbeLine(
        name="bulk role",
        verdict=ProbeVerdict.YES,
        fact="the application gets a restricted data token for it",
        consequence="whether the operation exists in this marketplace is not asked: it would schedule",
    )


async def _bulk(client: SpApiClient, order_id: str, archives: LabelArchives) -> ProbeLine:
    answer = await client.easy_ship_bulk.schedule([order_id])
    if answer.rejected:
        fact = f"the operation exists; {order_id} was refused: {answer.rejected[0].code}"
        return ProbeLine(name="bulk pickups", verdict=ProbeVerdict.YES, fact=fact, route="EasyShipBulkPickup(...)")
    lost = await keep_labels(client, answer, archives)
    return ProbeLine(
        name="bulk pickups",
        verdict=ProbeVerdict.YES,
        fact=f"{order_id} is scheduled, " + (f"but {lost}" if lost else "and its archive of labels is kept"),
        consequence="take its label from Seller Central" if lost else "",
        route="EasyShipBulkPickup(...)",
    )


def _rates(client: SpApiClient) -> ProbeLine:
    shown = [
        f"{name} one per {stated:.4g} s (default {find_operation(name).restore_seconds:.4g})"
        for name in _RATED
        if abs((stated := client.restore_seconds(name)) - find_operation(name).restore_seconds) > 1e-6
    ]
    fact = "; ".join(shown) or "Amazon's defaults, as far as its answers state them"
    return ProbeLine(name="rates", verdict=ProbeVerdict.YES, fact=fact, consequence="the client follows them by itself")
