"""``PackingSlips``: the seller's own packing slip, rendered from the order, without Amazon's pages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Protocol
from zoneinfo import ZoneInfo

from amazon_ae._clocks import SystemClock
from amazon_ae._documents.slip_html import SlipSeller, SlipTemplate
from amazon_ae._exceptions import AmazonAeError, DocumentError, PortalError
from amazon_ae._models.documents import Document, DocumentKind, DocumentSet, kinds_asked
from amazon_ae._models.marketplaces import AE, Marketplace
from amazon_ae._models.orders import Order, OrderItem
from amazon_ae._models.text import check_order_id
from amazon_ae._pdf import inspect_pdf
from amazon_ae._ports import Clock, OrderGateway

__all__ = ["OrderLookup", "PackingSlips", "PdfPrinter"]

OrderLookup = Callable[[str], Awaitable[tuple[Order, Sequence[OrderItem]] | None]]
"""Finds an order with its items, e.g. in the host's own table; ``None`` if it is not there."""

_SLIP = DocumentKind.PACKING_SLIP


class PdfPrinter(Protocol):
    """Makes a PDF of HTML, e.g. ``ChromiumPrinter``."""

    async def print(self, html: str) -> bytes:
        """The PDF. Fetches nothing: pictures are part of the HTML.

        Raises:
            PortalError: the browser failed.
        """
        ...


class PackingSlips:
    """A ``DocumentSource`` for packing slips only.

    An order whose address Amazon does not give (a missing role) has a slip without one. The slip is no invoice: the VAT
    invoice is the seller's own duty.

    Args:
        orders: a gateway (one or two requests an order), or a function of yours that finds the order among those
            that ``OrderSync`` delivered.
        printer: makes the PDF.
        seller: name, address, logo and note.
        language: ``"en"``, ``"ar"``, or a function that chooses one by the order.
        template: your own template; ``SlipTemplate()`` is the library's.
        prices: whether each line shows its price. A gift's receiver sees them.
        page_size: as CSS has it, e.g. ``"A4"``, ``"A5"`` or ``"100mm 150mm"``.
        marketplace: its time zone gives the dates.
        clock: dates the documents.

    Raises:
        ConfigurationError: an unknown language; pypdf or Jinja is missing (``pip install 'amazon-ae[portal]'``).
    """

    def __init__(
        self,
        orders: OrderGateway | OrderLookup,
        printer: PdfPrinter,
        *,
        seller: SlipSeller,
        language: str | Callable[[Order], str] = "en",
        template: SlipTemplate | None = None,
        prices: bool = False,
        page_size: str = "A4",
        marketplace: Marketplace = AE,
        clock: Clock | None = None,
    ) -> None:
        self._find: OrderLookup = orders if callable(orders) else _of_gateway(orders)
        self._printer = printer
        self._seller = seller
        self._template = template or SlipTemplate()
        self._language = language
        if isinstance(language, str):
            self._template.check_language(language)
        self._prices = prices
        self._page_size = page_size
        self._zone: ZoneInfo = marketplace.zone
        self._clock = clock or SystemClock()

    async def documents(self, order_id: str, kinds: Collection[DocumentKind] = (_SLIP,)) -> DocumentSet:
        """The packing slip of one order; every other kind holds a ``DocumentError``.

        Raises:
            ConfigurationError: an unknown kind, no Amazon order id, or your template failed.
        """
        wanted = kinds_asked(kinds)
        check_order_id(order_id)
        results: dict[DocumentKind, Document | DocumentError | PortalError] = {
            kind: DocumentError("only packing slips are made here", step=kind) for kind in wanted
        }
        if _SLIP in results:
            results[_SLIP] = await self._slip(order_id)
        return DocumentSet(order_id, results)

    async def render(self, order: Order, items: Sequence[OrderItem]) -> Document:
        """The packing slip of an order that you have.

        Raises:
            ConfigurationError: your template failed.
            DocumentInvalid: the PDF does not name the order, or is damaged.
            PortalError: the browser failed.
        """
        content = await self._printer.print(self.html(order, items))
        facts = await asyncio.to_thread(inspect_pdf, content, order.amazon_order_id, step=_SLIP)
        return Document(
            order_id=order.amazon_order_id,
            kind=_SLIP,
            content=content,
            pages=facts.pages,
            width_mm=facts.width_mm,
            height_mm=facts.height_mm,
            fetched_at=self._clock.now(),
        )

    def html(self, order: Order, items: Sequence[OrderItem]) -> str:
        """The HTML that is printed; useful while you write a template.

        Raises:
            ConfigurationError: an unknown language, or your template failed.
        """
        language = self._language if isinstance(self._language, str) else self._language(order)
        return self._template.html(
            order,
            items,
            seller=self._seller,
            language=language,
            zone=self._zone,
            prices=self._prices,
            page_size=self._page_size,
        )

    async def _slip(self, order_id: str) -> Document | DocumentError | PortalError:
        try:
            found = await self._find(order_id)
        except AmazonAeError as error:
            retryable = bool(getattr(error, "retryable", False))
            wrapped = DocumentError(f"the order could not be looked up: {error}", step=_SLIP, retryable=retryable)
            wrapped.__cause__ = error
            return wrapped
        if found is None:
            return DocumentError("Amazon does not know this order", step=_SLIP)
        try:
            return await self.render(*found)
        except (DocumentError, PortalError) as error:
            return error


def _of_gateway(gateway: OrderGateway) -> OrderLookup:
    async def find(order_id: str) -> tuple[Order, Sequence[OrderItem]] | None:
        orders = await gateway.get([order_id])
        if not orders:
            return None
        items = orders[0].items
        return orders[0], await gateway.items(order_id) if items is None else items

    return find
