"""The packing slip: its page is opened, recognised and printed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from amazon_ae._exceptions import DocumentInvalid, PageChanged
from amazon_ae._models.documents import DocumentKind
from amazon_ae._portal.fetch_context import FetchContext
from amazon_ae._portal.network_monitor import NetworkMonitor
from amazon_ae._portal.playwright_calls import run_step
from amazon_ae._portal.snapshot import picture

if TYPE_CHECKING:
    from playwright.async_api import Page

__all__ = ["fetch_packing_slip", "is_cut_short"]

_STEP: Final = str(DocumentKind.PACKING_SLIP)
_OBSERVE_SECONDS: Final = 0.05
_DRAW_SECONDS: Final = 1.5
# A packing slip lists goods: in a table, or at least by SKU or ASIN. An error page may name the order, and lists none.
_SLIP: Final = r"""arg => {
  const has = selectors => selectors.some(selector => {
    try { return [...document.querySelectorAll(selector)].some(item => item.getClientRects().length) }
    catch { return false }
  });
  const text = document.body ? document.body.innerText : '';
  const goods = /\bB0[A-Z0-9]{8}\b|\bSKU\b|\bASIN\b/.test(text) || has(arg.strong);
  return {named: text.replace(/\s+/g, '').includes(arg.orderId), error: has(arg.error),
          goods: goods || (has(arg.weak) && !has(arg.error))};
}"""


async def fetch_packing_slip(context: FetchContext, order_id: str) -> bytes:
    """The printed page.

    Raises:
        DocumentInvalid: the page is not a packing slip, or was cut short.
        PageChanged: the address leads to another page of the app.
    """
    async with context.open_page(True) as page:
        with NetworkMonitor(page, {context.origin}) as network:
            raw = await context.goto(page, context.url("packing_slip", order_id), _STEP)
            if is_cut_short(raw.body):
                raise DocumentInvalid("the packing slip's page was cut on its way", retryable=True, step=_STEP)
            await _check_address(context, page, order_id)
            await run_step(_check_content(context, page, network, order_id), _STEP, context.timeout_seconds)
        printing = page.pdf(format="A4", print_background=True, prefer_css_page_size=True)
        return await run_step(printing, _STEP, context.timeout_seconds)


def is_cut_short(body: bytes) -> bool:
    """Whether a page begins with the usual frame and ends before it is closed."""
    lower = body.lower()
    return (b"<html" in lower or b"<body" in lower) and not re.search(rb"</body\s*>|</html\s*>", lower)


async def _check_address(context: FetchContext, page: Page, order_id: str) -> None:
    """The app's own pages name the order too: one of them, printed, would pass for its packing slip."""
    path = urlsplit(page.url).path
    if any(path == urlsplit(context.url(name, order_id)).path for name in ("home", "orders", "order")):
        raise PageChanged(
            "the packing slip's address leads to another page; run check() and override urls['packing_slip']",
            step=_STEP,
            picture=await picture(page),
        )


async def _check_content(context: FetchContext, page: Page, network: NetworkMonitor, order_id: str) -> None:
    """Wait until the page lists goods and names the order. Otherwise the printed page is checked."""
    selectors = context.site.selectors
    arguments = {
        "orderId": order_id,
        "strong": [selector for selector in selectors["slip_content"] if "table" not in selector],
        "weak": list(selectors["slip_content"]),
        "error": list(selectors["page_error"]),
    }
    quiet = 0.0
    while True:
        seen: dict[str, Any] = await page.evaluate(_SLIP, arguments)
        if seen["named"] and seen["goods"]:
            return
        if quiet >= _DRAW_SECONDS or (seen["error"] and not network.busy):
            break
        await page.wait_for_timeout(_OBSERVE_SECONDS * 1000)
        if not network.busy:
            quiet += _OBSERVE_SECONDS
    if seen["error"] or seen["named"]:
        raise DocumentInvalid(
            "the page names no goods: Seller Central shows an error in place of the packing slip",
            retryable=True,
            step=_STEP,
        )
