"""Sellers v1: where a seller sells, and the account.

Source: ``sellers.json``.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from amazon_ae._exceptions import UnreadableResponse
from amazon_ae._models.responses import ResponseMeta
from amazon_ae._models.sellers import MarketplaceInfo, Participation, SellerParticipations
from amazon_ae._spapi.calls import SpApiCall, SpApiExecutor
from amazon_ae._spapi.operations import find_operation
from amazon_ae._spapi.values import boolean, every, node, text
from amazon_ae._transport.calls import WaitPolicy

__all__ = ["Sellers"]


class Sellers:
    """The account of one seller."""

    def __init__(self, calls: SpApiExecutor) -> None:
        self._calls = calls

    async def participations(
        self, *, wait: bool = True, deadline: datetime | timedelta | None = None
    ) -> SellerParticipations:
        """getMarketplaceParticipations: where this seller may sell. The best check of credentials.

        Raises:
            AccessDenied: client, secret or authorisation was refused; the message says which.
            AmazonAeError: as every call.
        """
        call = SpApiCall(row=find_operation("getMarketplaceParticipations"))
        return await self._calls.json(call, _read, WaitPolicy(wait=wait, deadline=deadline))


def _read(body: Any, meta: ResponseMeta) -> SellerParticipations:
    participations, marketplaces = [], []
    for each in every(body, "payload", "an answer"):
        marketplace, participation = node(each, "marketplace"), node(each, "participation")
        marketplace_id = text(marketplace.get("id"))
        if marketplace_id is None:
            raise UnreadableResponse("a marketplace without id")
        marketplaces.append(
            MarketplaceInfo(
                marketplace_id=marketplace_id,
                name=text(marketplace.get("name")),
                default_country_code=text(marketplace.get("countryCode")),
                default_currency_code=text(marketplace.get("defaultCurrencyCode")),
                default_language_code=text(marketplace.get("defaultLanguageCode")),
                domain_name=text(marketplace.get("domainName")),
            )
        )
        if boolean(participation.get("isParticipating")) is not False:
            suspended = boolean(participation.get("hasSuspendedListings"))
            participations.append(Participation(marketplace_id=marketplace_id, has_seller_suspended_listings=suspended))
    return SellerParticipations(participations=tuple(participations), marketplaces=tuple(marketplaces), meta=meta)
