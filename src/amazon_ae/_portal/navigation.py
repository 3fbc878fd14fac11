"""Open an address in a browser page and get the site's answer, also one that the browser will not show.

Chromium shows an error page of its own for an answer of 400 and above without a body, and ``goto`` raises, as if the
connection had failed. But the site did answer, and 401, 403 and 404 mean three different things.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final, Literal

import attrs

from amazon_ae._exceptions import PageChanged, PortalUnavailable
from amazon_ae._portal.playwright_calls import run_step

if TYPE_CHECKING:
    from playwright.async_api import Frame, Page, Response

__all__ = ["RETRY_SECONDS", "NavigationResult", "navigate"]

RETRY_SECONDS: Final = 0.3
"""Between a fault of the site and the one time it is asked again."""
_ERROR_PAGE: Final = "chrome-error:"
_ERROR_PAGE_SECONDS: Final = 1.0


@attrs.frozen
class NavigationResult:
    """The site's last response. Where it is not ``rendered``, it had no body and the page shows the browser's own."""

    response: Response
    rendered: bool


async def navigate(
    page: Page, url: str, *, until: Literal["domcontentloaded", "load"], step: str, timeout_seconds: float
) -> NavigationResult:
    """Go to ``url``, once.

    Raises:
        PortalUnavailable: the connection failed before there was an answer.
        PortalTimeout, BrowserLost, PageChanged: as ``run_step``.
    """
    responses: list[Response] = []

    def note(response: Response) -> None:
        if response.request.is_navigation_request() and response.frame == page.main_frame:
            responses.append(response)

    error_page = asyncio.Event()

    def arrived(frame: Frame) -> None:
        if frame == page.main_frame and frame.url.startswith(_ERROR_PAGE):
            error_page.set()

    page.on("response", note)
    page.on("framenavigated", arrived)
    try:
        response = await run_step(
            page.goto(url, wait_until=until, timeout=timeout_seconds * 1000), step, timeout_seconds
        )
    except PortalUnavailable:
        # The error page comes a moment later, and would break off the next visit of this page.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ERROR_PAGE_SECONDS):
                await error_page.wait()
        if not responses or responses[-1].status < 400:
            raise
        return NavigationResult(responses[-1], rendered=False)
    finally:
        page.remove_listener("response", note)
        page.remove_listener("framenavigated", arrived)
    if response is None:
        raise PageChanged("the browser got no answer for the page", step=step)
    return NavigationResult(response, rendered=True)
