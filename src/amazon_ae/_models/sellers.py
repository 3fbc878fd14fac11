"""Where a seller sells (Sellers 2011-07-01)."""

from __future__ import annotations

import attrs

from amazon_ae._models.responses import ResponseMeta

__all__ = ["MarketplaceInfo", "Participation", "SellerParticipations"]


@attrs.frozen(kw_only=True)
class Participation:
    """One seller in one marketplace. ``has_seller_suspended_listings`` is ``None`` where Amazon does not state it."""

    marketplace_id: str
    seller_id: str | None = None
    has_seller_suspended_listings: bool | None = None


@attrs.frozen(kw_only=True)
class MarketplaceInfo:
    """A marketplace as Amazon describes it."""

    marketplace_id: str
    name: str | None = None
    default_country_code: str | None = None
    default_currency_code: str | None = None
    default_language_code: str | None = None
    domain_name: str | None = None


@attrs.frozen(kw_only=True)
class SellerParticipations:
    """Every marketplace of the seller on one endpoint.

    Amazon also lists entries that are not marketplaces (``iba.login.amazon.com``): ask by id with ``participates``.
    """

    participations: tuple[Participation, ...] = ()
    marketplaces: tuple[MarketplaceInfo, ...] = ()
    meta: ResponseMeta = attrs.field(default=ResponseMeta(), eq=False)

    def participates(self, marketplace_id: str) -> bool:
        """Whether the seller may sell in that marketplace."""
        return any(one.marketplace_id == marketplace_id for one in self.participations)
