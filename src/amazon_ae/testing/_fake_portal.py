"""``FakeSellerPortal``: the papers of a parcel without a browser, a site or a network."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

import attrs

from amazon_ae._clocks import SystemClock
from amazon_ae._exceptions import ConfigurationError, DocumentError, DocumentInvalid, DocumentNotReady, PortalError
from amazon_ae._models.documents import Document, DocumentKind, DocumentSet, kinds_asked
from amazon_ae._models.text import check_order_id
from amazon_ae._ports import Clock
from amazon_ae.testing._papers import PortalOrder, PortalPickup, paper_pages
from amazon_ae.testing._pdf import write_pdf

__all__ = ["FakeSellerPortal", "PortalRequest"]

_NOT_UPLOADED_RETRY_SECONDS: Final = 300.0


@attrs.frozen
class PortalRequest:
    """One document that was asked for. ``at`` is aware UTC."""

    order_id: str
    kind: DocumentKind
    at: datetime


@attrs.define(eq=False)
class _Fault:
    error: DocumentError | PortalError
    order_id: str | None
    times: int | None


class FakeSellerPortal:
    """A ``DocumentSource`` for host tests: real PDFs, errors on demand, no browser.

    It is held to the same contract as ``SellerPortalScraper`` (``check_document_source``).

    Args:
        clock: gives the time, and sleeps for ``delay_seconds``.
        orders: Seller Central's orders, by order id. Any mapping, also a live view of the host's own fake; it is read
            at each call. The default is a dict of its own, filled by ``add_order``.
        label_seconds: how long Amazon makes a label after the pickup was scheduled, in seconds.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        orders: Mapping[str, PortalOrder] | None = None,
        label_seconds: float = 0.0,
    ) -> None:
        self._clock = clock or SystemClock()
        self._own: dict[str, PortalOrder] = {}
        self._orders = self._own if orders is None else orders
        self.label_seconds = label_seconds
        self.delay_seconds: float = 0.0
        """How long each call takes, in seconds of the clock; the kinds of one call run side by side."""
        self.requests: deque[PortalRequest] = deque(maxlen=10_000)
        """What was asked for, oldest first."""
        self._faults: dict[DocumentKind, list[_Fault]] = {}

    def add_order(self, order: PortalOrder) -> None:
        """Add an order, or replace the one of the same id.

        Raises:
            ConfigurationError: the orders are the host's own mapping: add it there.
        """
        self._require_own()
        self._own[order.order_id] = order

    def schedule_pickup(self, order_id: str) -> None:
        """Do what an accepted pickup feed does: the order now has a pickup tomorrow, and soon a label.

        Raises:
            ConfigurationError: the orders are the host's own mapping: change the order there.
            KeyError: no order has this id.
        """
        self._require_own()
        order = self._own[order_id]
        now = self._clock.now()
        pickup = PortalPickup(
            scheduled_at=now, day=now.date() + timedelta(days=1), tracking_id=f"AE{order_id.replace('-', '')[-10:]}"
        )
        self.add_order(attrs.evolve(order, pickup=pickup))

    def fail(
        self,
        kind: DocumentKind,
        error: DocumentError | PortalError,
        *,
        times: int | None = 1,
        order_id: str | None = None,
    ) -> None:
        """Let the next ``times`` documents of this kind hold ``error`` instead; ``None``: forever.

        Args:
            order_id: only this order's; of any order by default.

        Raises:
            ConfigurationError: ``times`` is below 1: it could never happen.
        """
        if times is not None and times < 1:
            raise ConfigurationError("times must be at least 1, or None for no limit")
        self._faults.setdefault(kind, []).append(_Fault(error, order_id, times))

    def clear_faults(self) -> None:
        """Forget every fault that was not used up."""
        self._faults.clear()

    async def documents(self, order_id: str, kinds: Collection[DocumentKind] = tuple(DocumentKind)) -> DocumentSet:
        """The documents of one order; a kind that failed holds its own error.

        Raises:
            ConfigurationError: ``order_id`` is not 3-7-7 digits, or a kind is unknown.
        """
        check_order_id(order_id)
        asked = kinds_asked(kinds)
        now = self._clock.now()
        self.requests.extend(PortalRequest(order_id, kind, now) for kind in asked)
        await self._clock.sleep(self.delay_seconds)
        return DocumentSet(order_id, {kind: self._document(order_id, kind) for kind in asked})

    def _require_own(self) -> None:
        if self._orders is not self._own:
            raise ConfigurationError("this portal reads the host's own orders: change them there")

    def _document(self, order_id: str, kind: DocumentKind) -> Document | DocumentError | PortalError:
        if (error := self._fault(order_id, kind)) is not None:
            return error
        now = self._clock.now()
        order = self._orders.get(order_id)
        if order is None:
            return DocumentInvalid(f"Seller Central does not know order {order_id}", step=str(kind))
        if (wait := self._wait_seconds(order, kind, now)) > 0:
            return DocumentNotReady(f"not made yet for {order_id}", retry_after_seconds=wait, step=str(kind))
        pages = paper_pages(kind, order)
        return Document(
            order_id=order_id,
            kind=kind,
            content=write_pdf(pages),
            pages=len(pages),
            width_mm=pages[0].width_mm,
            height_mm=pages[0].height_mm,
            fetched_at=now,
        )

    def _wait_seconds(self, order: PortalOrder, kind: DocumentKind, now: datetime) -> float:
        """Seconds until this paper may exist; 0 or less once it does."""
        if kind is DocumentKind.INVOICE and order.invoice_number is None:
            return _NOT_UPLOADED_RETRY_SECONDS
        if kind is DocumentKind.SHIPPING_LABEL:
            if order.pickup is None:
                return max(1.0, self.label_seconds)
            return self.label_seconds - (now - order.pickup.scheduled_at).total_seconds()
        return 0.0

    def _fault(self, order_id: str, kind: DocumentKind) -> DocumentError | PortalError | None:
        faults = self._faults.get(kind, [])
        for fault in faults:
            if fault.order_id in (None, order_id):
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times == 0:
                        faults.remove(fault)
                return fault.error
        return None
