"""The invoice: a link or form on the order's page, else the button that opens a list with a link, a form or a click."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from amazon_ae._exceptions import DocumentNotReady, PageChanged, PortalUnavailable
from amazon_ae._models.documents import DocumentKind
from amazon_ae._portal.click_download import click_for_answer
from amazon_ae._portal.clicking import click
from amazon_ae._portal.fetch_context import FetchContext, FetchedOrderPage, hrefs
from amazon_ae._portal.html import read_form
from amazon_ae._portal.http import Answer, RawResponse
from amazon_ae._portal.network_monitor import NetworkMonitor
from amazon_ae._portal.playwright_calls import run_step
from amazon_ae._portal.snapshot import Offer, picture

if TYPE_CHECKING:
    from playwright.async_api import Page

__all__ = ["fetch_invoice"]

_KIND: Final = DocumentKind.INVOICE
_STEP: Final = str(_KIND)
_NOT_UPLOADED_RETRY_SECONDS: Final = 300.0


async def fetch_invoice(context: FetchContext, order_id: str, order: FetchedOrderPage) -> bytes:
    """The bytes of the invoice.

    Raises:
        DocumentNotReady: nothing was uploaded yet.
        PageChanged: the order's page offers no known way.
    """
    names = context.site.selectors
    urls = [context.http.absolute(href, order.url) for href in hrefs(order.tree, names["invoice_link"])]
    if answer := await context.first_valid(urls, _KIND, order_id, referer=order.url):
        return answer.body
    if (form := order.tree.first(names["invoice_form"])) is not None:
        return (await context.http.submit(read_form(form, order.url), step=_STEP, referer=order.url)).body
    if order.tree.first(names["invoice_missing"]) and not order.tree.first(names["invoice_button"]):
        raise _not_uploaded()
    return (await _by_browser(context, order_id, order)).body


async def _by_browser(context: FetchContext, order_id: str, order: FetchedOrderPage) -> Answer:
    """Open the order's page, press the button, and use the list's offer."""
    async with context.open_page(False) as page:
        found: Offer | None = None
        with contextlib.suppress(PortalUnavailable):  # asked again, as everywhere
            found = await _offer(context, page, order)
        if found is None:
            # The list is filled by a request of the page's own; a session lost just then leaves it empty.
            fresh = await context.http.get(order.url, step=_STEP)
            if fresh.document is not None:
                found = await _offer(context, page, FetchedOrderPage(fresh.url, fresh.body, fresh.document))
        if found is None:
            raise PageChanged(
                "the order's page offers no invoice this version knows; run check()",
                step=_STEP,
                picture=await picture(page),
            )
        if found.click:
            return await _download(context, page, found.click)
    if found.form is not None:
        return await context.http.submit(found.form, step=_STEP, referer=order.url)
    urls = [context.http.absolute(link) for link in found.links]
    answer = await context.first_valid(urls, _KIND, order_id, referer=order.url)
    if answer is None:
        raise PageChanged("the list of invoices holds no link that can be followed; run check()", step=_STEP)
    return answer


async def _offer(context: FetchContext, page: Page, order: FetchedOrderPage) -> Offer | None:
    """The offer of the opened list, or of the page once its scripts ran; ``None`` if there is no known one."""
    names = context.site.selectors
    links, forms = names["invoice_link"], names["invoice_form"]
    with NetworkMonitor(page, {context.origin}) as network:
        await context.show(page, order, _STEP)
        found = await context.wait_for(page, network, _STEP, links=links, forms=forms, clicks=names["invoice_button"])
        if found is not None and found.click:
            button = page.locator(", ".join(names["invoice_button"])).locator("visible=true")
            await click(
                page, button, context.site, turn=context.turn, step=_STEP, timeout_seconds=context.timeout_seconds
            )
            clicks = names["invoice_click"]
            return await context.wait_for(page, network, _STEP, links=links, forms=forms, clicks=clicks)
    if found is None:
        missing = page.locator(", ".join(names["invoice_missing"]))
        if await run_step(missing.count(), _STEP, context.timeout_seconds):
            raise _not_uploaded()
    return found


async def _download(context: FetchContext, page: Page, selector: str) -> Answer:
    await context.pacer.acquire(_STEP)

    async def check(raw: RawResponse) -> Answer:
        return await context.http.examine(raw, step=_STEP)

    return await click_for_answer(
        page,
        selector,
        check,
        routing=context.routing,
        turn=context.turn,
        step=_STEP,
        timeout_seconds=context.timeout_seconds,
    )


def _not_uploaded() -> DocumentNotReady:
    return DocumentNotReady(
        "no invoice was uploaded for the order yet", retry_after_seconds=_NOT_UPLOADED_RETRY_SECONDS, step=_STEP
    )
