"""A seller's orders as Seller Central shows them: the same truth behind the panel and every backend."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from amazon_ae._models.documents import DocumentKind
from amazon_ae.testing._papers import PortalOrder, PortalPickup, paper_pages
from amazon_ae.testing._pdf import write_pdf
from amazon_ae.testing._seller.state import SellerState

__all__ = ["PortalView", "papers", "portal_order"]


class PortalView(Mapping[str, PortalOrder]):
    """A live view: what a feed or a call changed, the panel shows."""

    def __init__(self, state: SellerState) -> None:
        self._state = state

    def __getitem__(self, order_id: str) -> PortalOrder:
        return portal_order(self._state.advance(), order_id)

    def __contains__(self, order_id: object) -> bool:
        return order_id in self._state.orders

    def __iter__(self) -> Iterator[str]:
        return iter(self._state.orders)

    def __len__(self) -> int:
        return len(self._state.orders)


def portal_order(state: SellerState, order_id: str) -> PortalOrder:
    """One order as it is shown and printed."""
    record = state.orders[order_id]
    return PortalOrder.of(record.order, record.items, pickup=_pickup(state, order_id))


def papers(view: Mapping[str, PortalOrder], order_ids: list[str]) -> dict[str, dict[str, str]]:
    """Hex SHA-256 of the panel's PDFs, by order id and kind. The packing slip is a page there, not a PDF."""
    kinds = (DocumentKind.INVOICE, DocumentKind.SHIPPING_LABEL)
    return {
        order_id: {
            kind.value: hashlib.sha256(write_pdf(paper_pages(kind, view[order_id]))).hexdigest() for kind in kinds
        }
        for order_id in order_ids
    }


def _pickup(state: SellerState, order_id: str) -> PortalPickup | None:
    booked, package = state.pickups.get(order_id), state.packages.get(order_id)
    if booked is None or package is None:
        return None
    return PortalPickup(
        scheduled_at=booked.at,
        day=package.day,
        tracking_id=package.tracking_id,
        slot=booked.time,
        package_identifier=package.identifier,
    )
