"""Owns the one browser and its few pages: starts it when needed, replaces it after a crash, lends pages."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Final

import attrs

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._pdf import require_portal_extra
from amazon_ae._portal.browser import RunningBrowser, close_page, new_page, start_browser
from amazon_ae._portal.browser_options import BrowserOptions
from amazon_ae._portal.cookies import SessionState

if TYPE_CHECKING:
    from playwright.async_api import Page

__all__ = ["BrowserPool"]

# A browser page grows a little with every load; after so many it is replaced.
_LOADS_PER_PAGE: Final = 50


@attrs.define(eq=False)
class _LentPage:
    """A page. In one that was printed, clicks take seconds (measured), so printing has pages of its own."""

    page: Page
    printing: bool
    loads: int = 0


class BrowserPool:
    """One browser at a time.

    Args:
        state: returns the cookies to start with.
        hosts: whose cookies they are.
        max_pages: lent out at the same time, and kept.
    """

    def __init__(
        self,
        options: BrowserOptions,
        *,
        state: Callable[[], Awaitable[SessionState | None]],
        hosts: frozenset[str],
        time_zone: str,
        timeout_seconds: float,
        max_pages: int,
    ) -> None:
        self._options = options
        self._state = state
        self._hosts = hosts
        self._time_zone = time_zone
        self._timeout_seconds = timeout_seconds
        self._max_pages = max_pages
        self._slots = asyncio.Semaphore(max_pages)
        self._lock = asyncio.Lock()
        self._busy = 0
        self._idle: list[_LentPage] = []
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self.running: RunningBrowser | None = None
        """The browser, if it was started."""

    async def get(self) -> RunningBrowser:
        """The browser; started if there is none, or if the last one crashed.

        Raises:
            BrowserNotFound: there is none, or it does not start.
            ConfigurationError: after ``aclose``, or pypdf is missing.
        """
        async with self._lock:
            self._check_open()
            if self.running is not None and self.running.alive:
                return self.running
            await self._end()
            return await self._start()

    @contextlib.asynccontextmanager
    async def headed(self) -> AsyncIterator[RunningBrowser]:
        """A browser with a window beside the one in use, which goes on working; ended afterwards. Raises as ``get``."""
        self._check_open()
        running = await self._launch(headless=False)
        try:
            yield running
        finally:
            await running.aclose()

    async def aclose(self) -> None:
        """End the browser for good; twice is fine."""
        self._closed = True
        if self._loop is not None and self._loop is not asyncio.get_running_loop():
            self.running, self._idle = None, []  # the browser ended with its event loop
            return
        async with self._lock:
            await self._end()

    @contextlib.asynccontextmanager
    async def page(self, running: RunningBrowser, printing: bool) -> AsyncIterator[Page]:
        """Lend a page. One on which something failed is not lent again."""
        if running is not self.running:  # the window of a headed sign-in, whose page is not shared
            page = await new_page(running.context, self._timeout_seconds)
            try:
                yield page
            finally:
                await close_page(page)
            return
        async with self._slots:
            self._busy += 1
            try:
                lent = await self._lend(running, printing)
                good = False
                try:
                    yield lent.page
                    good = True
                finally:
                    lent.loads += 1
                    if good and lent.loads < _LOADS_PER_PAGE and running is self.running:
                        self._idle.append(lent)
                    else:
                        await close_page(lent.page)
            finally:
                self._busy -= 1

    async def _lend(self, running: RunningBrowser, printing: bool) -> _LentPage:
        self._idle = [item for item in self._idle if not item.page.is_closed()]
        for item in self._idle:
            if item.printing is printing:
                self._idle.remove(item)
                return item
        if self._idle and len(self._idle) + self._busy > self._max_pages:
            await close_page(self._idle.pop(0).page)
        return _LentPage(await new_page(running.context, self._timeout_seconds), printing)

    def _check_open(self) -> None:
        if self._closed:
            raise ConfigurationError("this scraper was closed; make a new one")
        loop = asyncio.get_running_loop()
        self._loop = self._loop or loop
        if self._loop is not loop:
            raise ConfigurationError(
                "this scraper was first used in another event loop, and its browser belongs to that one: make one for "
                "each asyncio.run"
            )

    async def _start(self) -> RunningBrowser:
        self.running = await self._launch(headless=True)
        return self.running

    async def _launch(self, *, headless: bool) -> RunningBrowser:
        require_portal_extra()
        state = await self._state()
        # Importing the PDF reader takes 0.2 s: do it while the browser starts.
        warming = asyncio.ensure_future(asyncio.to_thread(require_portal_extra, load=True))
        try:
            return await start_browser(
                self._options,
                headless=headless,
                time_zone=self._time_zone,
                state=state,
                timeout_seconds=self._timeout_seconds,
                hosts=self._hosts,
            )
        finally:
            await asyncio.wait([warming])

    async def _end(self) -> None:
        running, self.running = self.running, None
        idle, self._idle = self._idle, []
        if running is None:
            return
        if not running.owns_context:
            # The host's context stays open; the pages that were opened in it do not.
            for item in idle:
                await close_page(item.page)
        await running.aclose()
