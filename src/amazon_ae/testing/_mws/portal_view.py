"""The fake's orders as Seller Central shows them: one truth behind both halves of the sandbox."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from datetime import date

from amazon_ae._models.documents import DocumentKind
from amazon_ae.testing._mws.state import FakePickup, State
from amazon_ae.testing._papers import PortalOrder, PortalPickup, paper_pages
from amazon_ae.testing._pdf import write_pdf

__all__ = ["PortalView", "papers"]


class PortalView(Mapping[str, PortalOrder]):
    """A live view: what a feed changed, the panel shows."""

    def __init__(self, state: State, advance: Callable[[], None]) -> None:
        self._state = state
        self._advance = advance

    def __getitem__(self, order_id: str) -> PortalOrder:
        self._advance()
        record = self._state.orders[order_id]
        booked = self._state.pickups.get(order_id)
        return PortalOrder.of(record.order, record.items, pickup=_pickup(booked) if booked else None)

    def __contains__(self, order_id: object) -> bool:
        return order_id in self._state.orders

    def __iter__(self) -> Iterator[str]:
        return iter(self._state.orders)

    def __len__(self) -> int:
        return len(self._state.orders)


def papers(view: Mapping[str, PortalOrder], order_ids: list[str]) -> dict[str, dict[str, str]]:
    """Hex SHA-256 of the panel's PDFs, by order id and kind. The packing slip is a page there, not a PDF."""
    kinds = (DocumentKind.INVOICE, DocumentKind.SHIPPING_LABEL)
    return {
        order_id: {
            kind.value: hashlib.sha256(write_pdf(paper_pages(kind, view[order_id]))).hexdigest() for kind in kinds
        }
        for order_id in order_ids
    }


def _pickup(booked: FakePickup) -> PortalPickup:
    return PortalPickup(
        scheduled_at=booked.at,
        day=date.fromisoformat(booked.date),
        tracking_id=f"AE{booked.order_id.replace('-', '')[-10:]}",
        slot=booked.time,
        package_identifier=booked.fields.get("merchant_additional_identifier", ""),
    )
