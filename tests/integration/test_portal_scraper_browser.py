"""The browser and its driver: killed, hung, cancelled, missing or the host's own. Nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

import pytest
from portal_stage import (
    browser_processes,
    chromium_processes,
    complete,
    driver_processes,
    idle_pages,
    open_pages,
    stage,
)

from amazon_ae._exceptions import (
    BrowserLost,
    BrowserNotFound,
    ConfigurationError,
)
from amazon_ae._models.documents import DocumentKind
from amazon_ae._portal.browser_options import BrowserOptions
from amazon_ae.testing._seller_central import Fault

pytestmark = pytest.mark.browser


async def test_a_killed_browser_is_typed_and_replaced() -> None:
    """The call that runs ends with BrowserLost; the next one starts another browser and signs in no more."""
    async with stage() as on:
        async with on.scraper() as portal:
            assert complete(await portal.documents(on.order_ids[0]))
            on.site.fail(DocumentKind.INVOICE, Fault.HANG)
            on.site.fail(DocumentKind.PACKING_SLIP, Fault.HANG)
            running = asyncio.ensure_future(portal.documents(on.order_ids[1]))
            while on.site.faults:  # noqa: ASYNC110 - the site has no event for it
                await asyncio.sleep(0.01)
            for process in chromium_processes():
                os.kill(process, signal.SIGKILL)
            papers = await asyncio.wait_for(running, 60)
            assert BrowserLost in {type(error) for error in papers.failed.values()}
            assert all(error.retryable for error in papers.failed.values())
            on.site.clear_faults()
            assert complete(await portal.documents(on.order_ids[1]))
            assert on.site.counts.sign_ins == 1
        assert not browser_processes()


async def test_a_killed_driver_is_typed_and_replaced() -> None:
    """Playwright's own process may die as well."""
    async with stage() as on:
        async with on.scraper() as portal:
            assert complete(await portal.documents(on.order_ids[0]))
            drivers = driver_processes()
            assert drivers
            for process in drivers:
                os.kill(process, signal.SIGKILL)
            with contextlib.suppress(BrowserLost):
                papers = await asyncio.wait_for(portal.documents(on.order_ids[1]), 60)
                assert {type(error) for error in papers.failed.values()} <= {BrowserLost}
            assert complete(await portal.documents(on.order_ids[1]))
        await _gone()


@pytest.mark.parametrize("after", [0.05, 0.4, 0.9, 1.5])
async def test_a_cancelled_call_leaves_no_process(after: float) -> None:
    """Wherever it is: while the browser starts, signs in, or fetches."""
    async with stage() as on:
        portal = on.scraper()
        on.site.fail(DocumentKind.INVOICE, Fault.HANG, times=None)
        task = asyncio.ensure_future(portal.documents(on.order_ids[0]))
        await asyncio.sleep(after)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await portal.aclose()
        await portal.aclose()
        assert not browser_processes()


async def test_a_cancelled_call_does_not_harm_the_next() -> None:
    """The session's lock and the pages are given back."""
    async with stage() as on, on.scraper(max_pages=1) as portal:
        on.site.fail(DocumentKind.PACKING_SLIP, Fault.HANG)
        task = asyncio.ensure_future(portal.documents(on.order_ids[0], [DocumentKind.PACKING_SLIP]))
        while on.site.counts.sign_ins == 0 or on.site.faults:  # noqa: ASYNC110 - the site has no event for it
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
        assert complete(await portal.documents(on.order_ids[0]))


async def test_cancelled_calls_leave_no_page_open() -> None:
    """Also where the next document is just arriving: Chromium then forgets to close the page (one in three)."""
    kinds = [DocumentKind.PACKING_SLIP]
    async with stage() as on, on.scraper() as portal:
        await portal.login()
        for steps in range(24):
            sent = on.site.counts.requests
            task = asyncio.ensure_future(portal.documents(on.order_ids[0], kinds))
            while on.site.counts.requests == sent and not task.done():  # noqa: ASYNC110 - the site has no event for it
                await asyncio.sleep(0)
            for _ in range(steps * 10):  # a little later each time
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        assert complete(await portal.documents(on.order_ids[0], kinds), kinds)
        async with asyncio.timeout(60):  # what was just being opened is closed a moment later
            while open_pages(portal) > idle_pages(portal):  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0.01)
        assert on.site.counts.sign_ins == 1


async def test_a_hung_driver_does_not_outlive_the_scraper() -> None:
    """It answers nothing, so it is killed, and the browser with it."""
    async with stage() as on:
        async with on.scraper() as portal:
            await portal.login()
            drivers = driver_processes()
            assert drivers
            for process in drivers:
                os.kill(process, signal.SIGSTOP)
        await _gone()


async def test_a_scraper_that_was_closed_starts_nothing() -> None:
    """It says so."""
    async with stage() as on:
        portal = on.scraper()
        await portal.aclose()
        with pytest.raises(ConfigurationError, match="was closed"):
            await portal.documents(on.order_ids[0])
        with pytest.raises(ConfigurationError, match="was closed"):
            await portal.login(headed=True)


async def test_a_browser_that_does_not_start_is_typed() -> None:
    """No such file, and a file that is no browser."""
    async with stage() as on:
        for path in ("/nowhere/chromium", "/bin/false"):
            async with on.scraper(browser=BrowserOptions(executable_path=path)) as portal:
                with pytest.raises(BrowserNotFound, match="playwright install chromium"):
                    await portal.documents(on.order_ids[0])
        assert not browser_processes()


async def test_a_hosts_own_context_is_used_and_left_open() -> None:
    """Its pages are its own; ours are closed."""
    from playwright.async_api import async_playwright

    from amazon_ae._portal.browser_options import find_browser

    async with stage() as on, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_browser(), chromium_sandbox=False)
        context = await browser.new_context()
        theirs = await context.new_page()
        async with on.scraper(browser=BrowserOptions(context=context)) as portal:
            assert complete(await portal.documents(on.order_ids[0]))
        assert context.pages == [theirs]
        assert browser.is_connected()
        await browser.close()


async def test_a_running_browser_is_reached_and_left_running(unused_tcp_port: int) -> None:
    """By its debugging address."""
    from playwright.async_api import async_playwright

    from amazon_ae._portal.browser_options import find_browser

    async with stage() as on, async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=find_browser(),
            chromium_sandbox=False,
            args=[f"--remote-debugging-port={unused_tcp_port}"],
        )
        options = BrowserOptions(cdp_url=f"http://127.0.0.1:{unused_tcp_port}")
        async with on.scraper(browser=options) as portal:
            assert complete(await portal.documents(on.order_ids[0]))
        assert browser.is_connected()
        assert len(browser.contexts) == 0
        await browser.close()


async def _gone() -> None:
    """A browser whose driver was killed notices within moments."""
    async with asyncio.timeout(60):
        while browser_processes():  # noqa: ASYNC110 - the operating system has no event for it
            await asyncio.sleep(0.05)
