"""Sellers 2011-07-01, and GetServiceStatus of every section.

Source: Sellers API reference; a real answer also lists marketplaces without a shop, so this one does too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from amazon_ae._models.marketplaces import Marketplace
from amazon_ae.testing._mws.state import State
from amazon_ae.testing._mws.wire import Request, Result, instant
from amazon_ae.testing._mws.xml import element, leaf

__all__ = ["OPERATIONS", "service_status"]

_PSEUDO: Final = ("A6W85IYQ5WB1C", "IBA", "US", "USD", "en_US", "iba.login.amazon.com")


def service_status(state: State, request: Request) -> Result:
    """GetServiceStatus."""
    del state
    return Result(leaf("Status", "GREEN") + leaf("Timestamp", instant(request.now)))


def _row(marketplace: Marketplace) -> tuple[str, ...]:
    domain = marketplace.sales_channel.lower()
    return (
        marketplace.marketplace_id,
        marketplace.sales_channel,
        marketplace.code,
        marketplace.currency,
        f"en_{marketplace.code}",
        f"www.{domain}",
    )


def list_marketplace_participations(state: State, request: Request) -> Result:
    """ListMarketplaceParticipations: everything on one page."""
    del request
    rows = (_row(state.marketplace), _PSEUDO)
    participations = [
        element(
            "Participation",
            leaf("MarketplaceId", row[0]),
            leaf("SellerId", state.seller_id),
            leaf("HasSellerSuspendedListings", "No"),
        )
        for row in rows
    ]
    names = ("MarketplaceId", "Name", "DefaultCountryCode", "DefaultCurrencyCode", "DefaultLanguageCode", "DomainName")
    marketplaces = [element("Marketplace", *map(leaf, names, row)) for row in rows]
    return Result(element("ListParticipations", *participations) + element("ListMarketplaces", *marketplaces))


def list_marketplace_participations_by_next_token(state: State, request: Request) -> Result:
    """ListMarketplaceParticipationsByNextToken: this fake never gives such a token away."""
    state.open_token("ListMarketplaceParticipations", request.text("NextToken"))
    return list_marketplace_participations(state, request)


OPERATIONS: Final[dict[str, Callable[[State, Request], Result]]] = {
    "ListMarketplaceParticipations": list_marketplace_participations,
    "ListMarketplaceParticipationsByNextToken": list_marketplace_participations_by_next_token,
}
