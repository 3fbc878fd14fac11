"""Sellers 2011-07-01.

Source: MWS Sellers API reference.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from amazon_ae._exceptions import AmazonError, UnreadableResponse
from amazon_ae._models.responses import ResponseMeta, ServiceStatus
from amazon_ae._models.sellers import MarketplaceInfo, Participation, SellerParticipations
from amazon_ae._mws.calls import MwsCall, MwsExecutor
from amazon_ae._mws.parsing import Fields, Node, boolean, children, fields, listed_in, required, text
from amazon_ae._mws.service import read_service_status
from amazon_ae._transport.calls import WaitPolicy

__all__ = ["Sellers"]

_MOST_RESTARTS: Final = 3


class Sellers:
    """The Sellers section of one client."""

    def __init__(self, calls: MwsExecutor) -> None:
        self._calls = calls

    async def participations(
        self, *, wait: bool = True, deadline: datetime | timedelta | None = None
    ) -> SellerParticipations:
        """ListMarketplaceParticipations with all its pages: where this seller may sell. The best check of credentials.

        Raises:
            AccessDenied, SignatureMismatch: the keys, the token or the secret are wrong.
            UnreadableResponse: an answer that makes no sense, such as pages without end.
            AmazonAeError: as every call.
        """
        policy = WaitPolicy(wait=wait, deadline=deadline)
        restarts = 0
        token: str | None = None
        tokens: set[str] = set()
        found = SellerParticipations()
        while True:
            action = "ListMarketplaceParticipations" + ("ByNextToken" if token else "")
            call = MwsCall(section="Sellers", action=action, params={"NextToken": token} if token else {})
            try:
                page, following = await self._calls.result(call, _read_page, policy)
            except AmazonError as error:
                if error.code != "NextTokenCorrupted" or token is None or restarts == _MOST_RESTARTS:
                    raise
                restarts, token, found = restarts + 1, None, SellerParticipations()
                tokens.clear()
                continue
            found = SellerParticipations(
                participations=found.participations + page.participations,
                marketplaces=found.marketplaces + page.marketplaces,
                meta=page.meta,
            )
            token = following
            if token is None:
                return found
            if token in tokens:
                raise UnreadableResponse("ListMarketplaceParticipations: a NextToken leads back to a page read before")
            tokens.add(token)

    async def service_status(self, *, wait: bool = True, deadline: datetime | timedelta | None = None) -> ServiceStatus:
        """GetServiceStatus of this section (2, then one in five minutes)."""
        call = MwsCall(section="Sellers", action="GetServiceStatus")
        return await self._calls.result(call, read_service_status, WaitPolicy(wait=wait, deadline=deadline))


_PARTICIPATION: Final[Fields] = {
    "SellerId": ("seller_id", text),
    "HasSellerSuspendedListings": ("has_seller_suspended_listings", boolean),
}
_MARKETPLACE: Final[Fields] = {
    "Name": ("name", text),
    "DefaultCountryCode": ("default_country_code", text),
    "DefaultCurrencyCode": ("default_currency_code", text),
    "DefaultLanguageCode": ("default_language_code", text),
    "DomainName": ("domain_name", text),
}


def _read_page(node: Node, meta: ResponseMeta) -> tuple[SellerParticipations, str | None]:
    participations = [
        Participation(marketplace_id=required(one, "MarketplaceId", "a participation"), **fields(one, _PARTICIPATION))
        for one in listed_in(node, "ListParticipations", "Participation")
    ]
    marketplaces = [
        MarketplaceInfo(marketplace_id=required(one, "MarketplaceId", "a marketplace"), **fields(one, _MARKETPLACE))
        for one in children(node.get("ListMarketplaces"), "Marketplace")
    ]
    page = SellerParticipations(participations=tuple(participations), marketplaces=tuple(marketplaces), meta=meta)
    return page, text(node.get("NextToken"))
