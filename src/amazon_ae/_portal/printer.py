"""``ChromiumPrinter``: HTML to PDF by the browser that the panel uses, without the panel and without a network."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from amazon_ae._models.hidden import sealed
from amazon_ae._portal.browser_options import BrowserOptions
from amazon_ae._portal.browser_pool import BrowserPool
from amazon_ae._portal.playwright_calls import run_step

if TYPE_CHECKING:
    from playwright.async_api import Page, Route

__all__ = ["ChromiumPrinter"]

_STEP = "printing"


class ChromiumPrinter:
    """Makes PDFs of HTML. The browser starts with the first one and stays until ``aclose``.

    Nothing that the HTML refers to is fetched: pictures are data URIs.

    Args:
        browser: which one; any Chromium will do.
        timeout_seconds: for a document.
        max_pages: printed at the same time.
    """

    def __init__(
        self, browser: BrowserOptions | None = None, *, timeout_seconds: float = 30.0, max_pages: int = 2
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._pool = BrowserPool(
            browser or BrowserOptions(),
            state=_no_state,
            hosts=frozenset(),
            time_zone="UTC",
            timeout_seconds=timeout_seconds,
            max_pages=max_pages,
        )

    @sealed
    async def print(self, html: str) -> bytes:
        """The PDF, on the paper that the HTML's ``@page`` asks for (A4 without).

        Raises:
            BrowserNotFound: there is no Chromium; the message names the commands that get one.
            BrowserLost, PortalTimeout: it ended, or took too long; call again.
            ConfigurationError: the printer was closed, or Playwright or pypdf is missing.
        """
        running = await self._pool.get()
        async with self._pool.page(running, True) as page:
            return await run_step(_print(page, html), _STEP, self._timeout_seconds)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the browser; twice is fine."""
        await self._pool.aclose()


async def _no_state() -> None:
    return None


async def _print(page: Page, html: str) -> bytes:
    await page.route("**/*", _refuse)
    await page.set_content(html, wait_until="load")
    content = await page.pdf(format="A4", print_background=True, prefer_css_page_size=True)
    await page.set_content("")  # keep no buyer's name in an idle page
    await page.unroute("**/*")
    return content


async def _refuse(route: Route) -> None:
    await route.abort()
