"""Downloads by a click: clicks, and intercepts the answer wherever it would be shown."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from amazon_ae._exceptions import PageChanged
from amazon_ae._portal.browser import close_page
from amazon_ae._portal.clicking import in_front
from amazon_ae._portal.http import Answer, RawResponse
from amazon_ae._portal.playwright_calls import PageClosed, run_step

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Download, Page, Request, Route

__all__ = ["Check", "click_for_answer"]

Check = Callable[[RawResponse], Awaitable[Answer]]
"""Turns a response into an answer, or raises its error."""

_POPUP_SECONDS: Final = 2.0
_ROUTE_TRIES: Final = 4
_ROUTE_PAUSE_SECONDS: Final = 0.03
Handler = Callable[["Route"], Awaitable[None]]


async def click_for_answer(
    page: Page,
    selector: str,
    check: Check,
    *,
    routing: asyncio.Lock,
    turn: asyncio.Lock,
    step: str,
    timeout_seconds: float,
) -> Answer:
    """Click on the first visible ``selector`` in any frame, and take the answer to what the click asks for.

    Three ways are known: the page itself goes to the file; a new window does; the page's script makes the file, which
    is never asked for and comes as a download. The first two are intercepted: a PDF that is shown fires no download
    event in a headless browser, and its address may work only once. New windows are closed.

    Raises:
        PageChanged: there is nothing to click on.
        PortalTimeout, PortalUnavailable, BrowserLost, ...: as ``run_step`` and ``check``.
    """
    arrived: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    windows: list[Page] = []
    opened = asyncio.Event()
    in_window = False

    def keep(window: Page) -> None:
        windows.append(window)
        opened.set()

    async def take(route: Route) -> None:
        nonlocal in_window
        where = await _where(route.request, page)
        if where is None or arrived.done():
            await route.fallback()
            return
        in_window = where == "window"
        try:
            response = await route.fetch(timeout=timeout_seconds * 1000)
            answer = await check(
                RawResponse(
                    status=response.status, url=response.url, headers=response.headers, body=await response.body()
                )
            )
        except Exception as error:
            _set(arrived, error=error)
        else:
            _set(arrived, answer)
        with contextlib.suppress(Exception):  # the page may be gone by now
            if in_window:
                await route.abort()
            else:
                # "No content": the page stays. Aborted, it would show an error page, which breaks off its next visit.
                await route.fulfill(status=204)

    async def download(item: Download) -> None:
        try:
            path = await item.path()
            reading = asyncio.to_thread(Path(path).read_bytes)
            _set(arrived, Answer(status=200, url=item.url, content_type="", body=await reading))
            await item.delete()
        except Exception as error:
            _set(arrived, error=error)

    async def click() -> Answer:
        for frame in page.frames:
            target = frame.locator(selector).locator("visible=true")
            if await target.count():
                async with in_front(page, turn, step, timeout_seconds):
                    await target.first.click(timeout=timeout_seconds * 1000, no_wait_after=True)
                return await arrived
        raise PageChanged("the list's offer disappeared before the click; run check()", step=step)

    page.on("download", download)
    page.on("popup", keep)
    # The first request of a new window is seen by its context only.
    async with routing:
        await _route(page.context, take, step, timeout_seconds)
    try:
        return await run_step(click(), step, timeout_seconds)
    finally:
        if in_window:  # it is announced only after its first request
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POPUP_SECONDS):
                    await opened.wait()
        page.remove_listener("download", download)
        page.remove_listener("popup", keep)
        # Not beside another order's: a page that closes while the routes of all pages change fails that change.
        async with routing:
            for window in windows:
                await close_page(window)
            await _unroute(page.context, take, step, timeout_seconds)


async def _route(context: BrowserContext, take: Handler, step: str, timeout_seconds: float) -> None:
    """Intercept the requests of all pages. Where one of them closes just then, it is done again."""
    for last in (False,) * _ROUTE_TRIES + (True,):
        try:
            await run_step(context.route("**/*", take), step, timeout_seconds)
            return
        except PageClosed:
            if last:
                raise
        await _unroute(context, take, step, timeout_seconds)
        await asyncio.sleep(_ROUTE_PAUSE_SECONDS)


async def _unroute(context: BrowserContext, take: Handler, step: str, timeout_seconds: float) -> None:
    """Intercept them no more. A request that is left when a page closes just then is continued by Playwright itself."""
    for _ in range(_ROUTE_TRIES):
        try:
            await run_step(context.unroute("**/*", take), step, timeout_seconds)
            return
        except PageClosed:
            await asyncio.sleep(_ROUTE_PAUSE_SECONDS)


async def _where(request: Request, page: Page) -> Literal["page", "window"] | None:
    """Whether ``page``, or a window that it opened, goes somewhere; ``None`` for all else that the context asks for."""
    if not request.is_navigation_request():
        return None
    try:
        other = request.frame.page
    except Exception:
        # A new window has no frame yet. Only the referrer may name the page that opened it.
        return "window" if page.url.startswith(request.headers.get("referer", "")) else None
    if other == page:
        return "page"
    return "window" if await other.opener() == page else None


def _set(arrived: asyncio.Future[Answer], answer: Answer | None = None, *, error: Exception | None = None) -> None:
    """Keep the first answer or error."""
    if arrived.done():
        return
    if error is not None:
        arrived.set_exception(error)
        arrived.exception()  # marks the exception as retrieved, also if no task awaits it
    elif answer is not None:
        arrived.set_result(answer)
