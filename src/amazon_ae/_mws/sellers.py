"""Sellers 2011-07-01.

Source: MWS Sellers API reference.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from amazon_ae._models.responses import ResponseMeta
from amazon_ae._models.sellers import MarketplaceInfo, Participation, SellerParticipations
from amazon_ae._mws.field_tables import table_of
from amazon_ae._mws.paging import RawPage
from amazon_ae._mws.parsing import Fields, Node, children, fields, listed_in, required, text
from amazon_ae._mws.service import Section
from amazon_ae._transport.calls import WaitPolicy

__all__ = ["Sellers"]


class Sellers(Section):
    """The Sellers section of one client."""

    name = "Sellers"

    async def participations(
        self, *, wait: bool = True, deadline: datetime | timedelta | None = None
    ) -> SellerParticipations:
        """ListMarketplaceParticipations with all its pages: where this seller may sell. The best check of credentials.

        Raises:
            AccessDenied, SignatureMismatch: the keys, the token or the secret are wrong.
            UnreadableResponse: a contradictory answer, such as pages without end.
            AmazonAeError: as every call.
        """
        listing = self._listing(
            "ListMarketplaceParticipations",
            {},
            _read_page,
            key=lambda page: ",".join(each.marketplace_id for each in page.participations),
            policy=WaitPolicy(wait=wait, deadline=deadline),
        )
        pages = await listing.all()
        return SellerParticipations(
            participations=tuple(each for page in pages for each in page.participations),
            marketplaces=tuple(each for page in pages for each in page.marketplaces),
            meta=pages[-1].meta if pages else ResponseMeta(),
        )


_PARTICIPATION: Final[Fields] = table_of(Participation, leave_out={"marketplace_id"})
_MARKETPLACE: Final[Fields] = table_of(MarketplaceInfo, leave_out={"marketplace_id"})


def _read_page(node: Node, meta: ResponseMeta) -> RawPage[SellerParticipations]:
    participations = [
        Participation(marketplace_id=required(one, "MarketplaceId", "a participation"), **fields(one, _PARTICIPATION))
        for one in listed_in(node, "ListParticipations", "Participation")
    ]
    marketplaces = [
        MarketplaceInfo(marketplace_id=required(one, "MarketplaceId", "a marketplace"), **fields(one, _MARKETPLACE))
        for one in children(node.get("ListMarketplaces"), "Marketplace")
    ]
    page = SellerParticipations(participations=tuple(participations), marketplaces=tuple(marketplaces), meta=meta)
    return RawPage(items=(page,), next_token=text(node.get("NextToken")), meta=meta)
