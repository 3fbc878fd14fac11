"""Fetches each document from Seller Central by the shortest way that works.

The order's page is fetched once for invoice and label and read without a browser page; where its scripts must run, the
fetched page is shown in one, so that the site is not asked again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from amazon_ae._exceptions import PageChanged
from amazon_ae._models.documents import DocumentKind
from amazon_ae._portal.fetch_context import FetchContext, FetchedDocument, FetchedOrderPage
from amazon_ae._portal.invoice import fetch_invoice
from amazon_ae._portal.packing_slip import fetch_packing_slip
from amazon_ae._portal.shipping_label import fetch_label

__all__ = ["fetch_document", "fetch_order_page"]


async def fetch_order_page(context: FetchContext, order_id: str) -> FetchedOrderPage:
    """The order's page, fetched once for every document that is linked from it."""
    answer = await context.http.get(context.url("order", order_id), step="order page")
    if answer.document is None:
        raise PageChanged("the order's address gives no page; run check()", step="order page")
    return FetchedOrderPage(answer.url, answer.body, answer.document)


async def fetch_document(
    context: FetchContext, kind: DocumentKind, order_id: str, order_page: Callable[[], Awaitable[FetchedOrderPage]]
) -> FetchedDocument:
    """The bytes of one document, not verified yet. Raises ``SignedOut``: the caller renews the session."""
    if kind is DocumentKind.PACKING_SLIP:
        return FetchedDocument(order_id, kind, await fetch_packing_slip(context, order_id))
    order = await order_page()
    fetch = fetch_invoice if kind is DocumentKind.INVOICE else fetch_label
    return FetchedDocument(order_id, kind, await fetch(context, order_id, order))
