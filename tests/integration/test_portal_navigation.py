"""An answer that the browser will not show is still the site's answer."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from amazon_ae._exceptions import PortalUnavailable
from amazon_ae._portal.browser import new_page, start_browser
from amazon_ae._portal.browser_options import BrowserOptions
from amazon_ae._portal.navigation import NavigationResult, navigate
from amazon_ae.testing._serving import drop_connection, serve

pytestmark = pytest.mark.browser


async def site(scope: Scope, receive: Receive, send: Send) -> None:
    """``/403`` is an empty 403, ``/to/403`` a redirect to it, ``/drop`` no answer, all else a page."""
    path = Request(scope).url.path
    if path == "/drop":
        await drop_connection(scope, receive)
        return
    answer: Response = HTMLResponse("<p>a page</p>")
    if path.startswith("/to/"):
        answer = RedirectResponse(path.removeprefix("/to"), 302)
    elif path[1:].isdigit():
        answer = Response(status_code=int(path[1:]), headers={"Retry-After": "7"})
    await answer(scope, receive, send)


@pytest.fixture
async def browser_page() -> AsyncIterator[Page]:
    """A page of a browser of its own."""
    running = await start_browser(
        BrowserOptions(), headless=True, time_zone="Asia/Dubai", state=None, timeout_seconds=20.0
    )
    try:
        yield await new_page(running.context, 20.0)
    finally:
        await running.aclose()


async def test_an_empty_answer_keeps_its_status_and_the_page_stays_usable(browser_page: Page) -> None:
    """Each is followed at once by a good visit, which the browser's own error page does not break off."""

    async def go(path: str) -> NavigationResult:
        return await navigate(browser_page, origin + path, until="load", step="test", timeout_seconds=8.0)

    async with serve(site) as origin:
        for status in (401, 403, 404, 500, 503):
            for path in (f"/{status}", f"/to/{status}"):
                empty = await go(path)
                assert (empty.response.status, empty.response.url) == (status, f"{origin}/{status}")
                assert not empty.rendered
                assert empty.response.headers["retry-after"] == "7"
                good = await go("/page")
                assert (good.response.status, good.rendered) == (200, True)


async def test_no_answer_at_all_is_a_failed_connection(browser_page: Page) -> None:
    """Also behind a redirect, whose own answer counts for nothing."""
    async with serve(site) as origin:
        for path in ("/drop", "/to/drop", "/drop"):
            with pytest.raises(PortalUnavailable, match="connection"):
                await navigate(browser_page, origin + path, until="load", step="test", timeout_seconds=8.0)
        good = await navigate(browser_page, origin + "/page", until="load", step="test", timeout_seconds=8.0)
        assert good.rendered
