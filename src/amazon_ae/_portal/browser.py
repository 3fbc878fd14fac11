"""Starts a browser, or reaches one, and makes sure that it ends.

A browser that this library started it also ends, whatever happens: a cancelled start, a crash, a hung close. A browser
that the host opened is never closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from typing import TYPE_CHECKING, Any, Final

import attrs

from amazon_ae._exceptions import BrowserLost, BrowserNotFound, ConfigurationError, PortalError
from amazon_ae._portal.browser_options import BrowserOptions, find_browser, why_not
from amazon_ae._portal.cookies import SessionCookies, SessionState
from amazon_ae._portal.playwright_calls import PageClosed, run_step
from amazon_ae._portal.profile_folders import remove_orphaned_profiles

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Page, Playwright

__all__ = [
    "RunningBrowser",
    "close_context",
    "close_page",
    "new_page",
    "start_browser",
]

_log = logging.getLogger(__name__)

# The browser's own traffic is of no use here, and costs start-up time. None of these hides what the browser is.
_QUIET: Final = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-pings",
)
_CLOSE_SECONDS: Final = 5.0
_PROBE_SECONDS: Final = 3.0
# Chromium ignores the close of a page whose next document is just arriving (measured: 30 %); a second one works.
_CLOSE_AGAIN_SECONDS: Final = 0.5
# A cold start is not an answer of the site, so a short ``timeout`` does not shorten it.
_START_SECONDS: Final = 30.0


async def new_page(context: BrowserContext, timeout_seconds: float) -> Page:
    """Open a page. An opening that was cancelled, or takes too long, leaves no page behind."""
    opening = asyncio.ensure_future(context.new_page())
    try:
        return await run_step(asyncio.shield(opening), "browser", timeout_seconds)
    except BaseException:
        opening.add_done_callback(_close_late)
        raise


async def close_page(page: Page) -> None:
    """Close a page, after some seconds at the latest; never raises, and cancelling does not stop it."""
    await _finish(asyncio.ensure_future(_try(_close_for_sure(page))))


async def close_context(context: BrowserContext) -> None:
    """Close a context; as ``close_page``."""
    await _finish(asyncio.ensure_future(_try(context.close())))


@attrs.define(eq=False)
class RunningBrowser:
    """A browser with one context. ``browser`` is ``None`` where the host gave the context."""

    context: BrowserContext
    browser: Browser | None = None
    playwright: Playwright | None = None
    owns_browser: bool = False
    owns_context: bool = False
    lost: bool = False
    session_generation: int = -1
    """Which session's cookies it holds; see ``PortalSession.generation``."""
    spare_state: SessionState | None = attrs.field(default=None, repr=False)
    """A stored session that did not replace the live one of a host's context; used if the live one is not valid."""
    _closed: bool = False

    @property
    def alive(self) -> bool:
        """Whether it can still be used; a killed driver shows only in use (see ``is_lost``)."""
        return not (self._closed or self.lost) and (self.browser is None or self.browser.is_connected())

    async def is_lost(self) -> bool:
        """Ask the browser whether it still runs. A closed page does not count as a lost browser, nor does a slow
        one.
        """
        if not self.alive:
            return True
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                await self.context.cookies("https://probe.invalid/")
        except TimeoutError:
            return not self.alive
        except Exception:
            return True
        return False

    async def is_headless(self) -> bool:
        """Whether it shows no window: such a Chromium has it in its name."""
        page = await new_page(self.context, _START_SECONDS)
        try:
            agent: str = await run_step(page.evaluate("navigator.userAgent"), "browser", _START_SECONDS)
            return "Headless" in agent
        finally:
            await close_page(page)

    async def aclose(self) -> None:
        """End what this library started, in some seconds at most; twice is fine. Cancelling does not stop it."""
        if self._closed:
            return
        self._closed = True
        await _finish(asyncio.ensure_future(self._close()))

    async def _close(self) -> None:
        if self.owns_context and not self.owns_browser:  # else it ends with its browser
            await _try(self.context.close())
        if self.browser is not None and (self.owns_browser or self.playwright is not None):
            # For a CDP browser close() only ends the connection.
            await _try(self.browser.close())
        await _stop(self.playwright)


async def start_browser(
    options: BrowserOptions,
    *,
    headless: bool,
    time_zone: str,
    state: SessionState | None,
    timeout_seconds: float,
    hosts: frozenset[str] = frozenset(),
) -> RunningBrowser:
    """Start (or reach) the browser and open the one context, with ``state`` as its cookies.

    Args:
        hosts: in a context of the host's own, only cookies of these are added.

    Raises:
        BrowserNotFound: there is none, or it does not start; the message names what to do.
    """
    if options.context is not None:
        running = RunningBrowser(options.context, options.context.browser)
        if running.browser is not None and not running.browser.is_connected():
            raise ConfigurationError(
                "the browser of BrowserOptions(context=...) has ended: pass a context that is open"
            )
        await _adopt(running, state, hosts, "the context of BrowserOptions(context=...) was closed: pass an open one")
        return running
    starting = asyncio.ensure_future(
        _start(
            options, headless=headless, time_zone=time_zone, state=state, timeout_seconds=timeout_seconds, hosts=hosts
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        # A half-started browser cannot be found again later: let the start end, then end the browser.
        starting.add_done_callback(_consume)
        await _finish(asyncio.ensure_future(_close_when_started(starting)))
        raise


async def _start(
    options: BrowserOptions,
    *,
    headless: bool,
    time_zone: str,
    state: SessionState | None,
    timeout_seconds: float,
    hosts: frozenset[str],
) -> RunningBrowser:
    try:
        from playwright.async_api import Error, async_playwright
    except ImportError as error:
        raise ConfigurationError("the portal needs Playwright: pip install playwright") from error
    seconds = max(timeout_seconds, _START_SECONDS)
    milliseconds = seconds * 1000
    if options.cdp_url is None:
        await asyncio.to_thread(remove_orphaned_profiles)
    playwright = await async_playwright().start()
    browser: Browser | None = None
    failure: PortalError
    try:
        chromium = playwright.chromium
        if options.cdp_url is not None:
            browser = await chromium.connect_over_cdp(options.cdp_url, timeout=milliseconds)
            if browser.contexts:
                running = RunningBrowser(browser.contexts[0], browser, playwright)
                await _adopt(running, state, hosts, "the browser at cdp_url has no usable profile")
                return running
            owns_browser = False
        else:
            path = options.executable_path
            if path is None and options.channel is None:
                path = find_browser(bundled=str(chromium.executable_path))
            browser = await chromium.launch(
                executable_path=path,
                channel=options.channel,
                headless=headless,
                args=[*_QUIET, *options.args],
                # Chromium's sandbox does not work for root; every other user keeps it.
                chromium_sandbox=not (hasattr(os, "geteuid") and os.geteuid() == 0),
                timeout=milliseconds,
                # The host decides what Ctrl-C means.
                handle_sigint=False,
                handle_sigterm=False,
                handle_sighup=False,
            )
            owns_browser = True
        async with asyncio.timeout(seconds):
            context = await _new_context(browser, state, locale=options.locale, time_zone=time_zone)
        return RunningBrowser(context, browser, playwright, owns_browser=owns_browser, owns_context=True)
    except BaseException as error:
        if browser is not None:
            await _try(browser.close())
        await _stop(playwright)
        if isinstance(error, TimeoutError):
            failure = BrowserNotFound(f"the browser does not start within {seconds:g} s", step="browser")
        elif isinstance(error, Error):
            # Playwright's text quotes the command line: harmless, but long. The first line is enough.
            failure = BrowserNotFound(why_not(options, headless, str(error)), step="browser")
        else:
            raise
    # Raised outside of the handler: no traceback leads to frames that hold cookies.
    del state
    raise failure


async def _adopt(running: RunningBrowser, state: SessionState | None, hosts: frozenset[str], closed: str) -> None:
    """Use a context of the host's. A live session in it is newer than the stored one, which is kept in reserve."""
    cookies = SessionCookies(running.context, hosts)
    try:
        live = await cookies.state()
    except (PageClosed, BrowserLost):
        raise ConfigurationError(closed) from None
    if state is None:
        return
    known = {(item["name"], item["domain"], item["path"]) for item in live.value["cookies"]}
    stored = (item for item in state.value["cookies"] if isinstance(item, dict))
    if any((item.get("name"), item.get("domain"), item.get("path")) in known for item in stored):
        running.spare_state = state
    else:
        await cookies.add(state)


async def _new_context(browser: Browser, state: SessionState | None, *, locale: str, time_zone: str) -> BrowserContext:
    from playwright.async_api import Error

    stored: Any = None if state is None else state.value  # what does not fit is refused, and handled below
    try:
        return await browser.new_context(
            storage_state=stored,
            locale=locale,
            timezone_id=time_zone,
            accept_downloads=True,
        )
    except (Error, TypeError, KeyError, AttributeError):
        if state is None or not browser.is_connected():
            raise
    # A damaged session must not look like a browser that does not start: use the part of it that is valid.
    context = await browser.new_context(locale=locale, timezone_id=time_zone, accept_downloads=True)
    await SessionCookies(context).add(state)
    return context


async def _close_when_started(starting: asyncio.Future[RunningBrowser]) -> None:
    with contextlib.suppress(Exception):
        await (await starting).aclose()


async def _close_for_sure(page: Page) -> None:
    closing = asyncio.ensure_future(page.close())
    try:
        while not (await asyncio.wait([closing], timeout=_CLOSE_AGAIN_SECONDS))[0]:
            with contextlib.suppress(Exception):
                session = await page.context.new_cdp_session(page)
                await session.send("Page.close")
        await closing
    finally:
        closing.add_done_callback(_consume)


async def _finish(task: asyncio.Future[None]) -> None:
    """Wait for clean-up to end even while being cancelled, then continue the cancellation."""
    cancelled = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError


async def _try(work: Any) -> None:
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await work
    except Exception as error:
        _log.debug("closing the browser: %s", type(error).__name__)


async def _stop(playwright: Playwright | None) -> None:
    if playwright is None:
        return
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await playwright.stop()
    except Exception:
        # The driver hangs or has ended. Chromium depends on the driver's pipe: ending the driver ends both.
        process = _driver_of(playwright)
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            _log.warning("the browser did not close in time; its driver was killed")
        else:
            _log.warning("the browser did not close in time, and its driver was not found: end it by hand")


def _driver_of(playwright: Playwright) -> asyncio.subprocess.Process | None:
    """Playwright's driver. It has no public name: the connection of older versions leads to it, or the newer client."""
    manager = getattr(playwright.stop, "__self__", None)
    for way in (("_client", "_transport"), ("_connection", "_transport")):
        found: Any = manager
        for name in (*way, "_proc"):
            found = getattr(found, name, None)
        if isinstance(found, asyncio.subprocess.Process):
            return found
    return None


def _close_late(opening: asyncio.Future[Page]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        closing = asyncio.ensure_future(close_page(opening.result()))
        closing.add_done_callback(_consume)


def _consume(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
