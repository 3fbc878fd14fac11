"""Making a fake's state: its own, or one that it shares."""

from __future__ import annotations

from amazon_ae._clocks import SystemClock
from amazon_ae._models.marketplaces import Marketplace
from amazon_ae._ports import Clock
from amazon_ae.testing._seller.state import SellerState

__all__ = ["new_state"]


def new_state(
    state: SellerState | None,
    *,
    clock: Clock | None,
    marketplace: Marketplace | None,
    skew_seconds: float | None = None,
    seller_id: str,
    default: Marketplace,
) -> SellerState:
    """The given state, or a new one.

    Raises:
        ValueError: a clock, marketplace or skew was given beside a state, or the state is another seller's.
    """
    if state is None:
        return SellerState(
            clock=clock or SystemClock(),
            marketplace=marketplace or default,
            seller_id=seller_id,
            skew_seconds=skew_seconds or 0.0,
        )
    if any(value is not None for value in (clock, marketplace, skew_seconds)):
        raise ValueError("state brings its own clock, marketplace and skew: leave those arguments out")
    if state.seller_id != seller_id:
        raise ValueError(f"the state is that of seller {state.seller_id}, the credentials are those of {seller_id}")
    return state
