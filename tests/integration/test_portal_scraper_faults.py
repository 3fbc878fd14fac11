"""Whatever goes wrong is a typed error, costs no good document, and leaves no process behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

import pytest
from portal_stage import browser_processes, chromium_processes, complete, driver_processes, stage

from amazon_ae.exceptions import (
    BrowserLost,
    BrowserNotFound,
    ConfigurationError,
    DocumentInvalid,
    DocumentNotReady,
    PageChanged,
    PortalError,
    PortalTimeout,
    PortalUnavailable,
)
from amazon_ae.models.documents import DocumentKind
from amazon_ae.portal.browser import BrowserOptions
from amazon_ae.testing.seller_central import Fault, InvoiceForm

pytestmark = pytest.mark.browser

# How long a site that hangs is waited for: enough for a slow machine to do the rest.
HANGING = 6.0
PERSISTENT = [
    (Fault.DROP, PortalUnavailable),
    (Fault.STATUS_500, PortalUnavailable),
    (Fault.STATUS_503, PortalUnavailable),
    (Fault.BARE_403, PortalUnavailable),
    (Fault.SIGN_OUT, PortalUnavailable),
    (Fault.CUT, PortalUnavailable),
    (Fault.EMPTY, DocumentInvalid),
    (Fault.HTML_AS_PDF, DocumentInvalid),
    (Fault.WRONG_ORDER, DocumentInvalid),
    (Fault.NO_TEXT, DocumentInvalid),
    (Fault.NOT_READY, DocumentNotReady),
    (Fault.STRANGE_PAGE, (DocumentInvalid, PageChanged)),
]


@pytest.mark.parametrize("kind", list(DocumentKind))
async def test_each_fault_of_one_document_is_typed_and_the_other_two_arrive(kind: DocumentKind) -> None:
    """Every fault, for as long as it lasts, on every document; the scraper works on afterwards."""
    async with stage() as on, on.scraper(label_wait=1.0) as portal:
        on.show(invoice=InvoiceForm.LINK)
        await portal.login()
        for fault, expected in PERSISTENT:
            if kind is DocumentKind.PACKING_SLIP and fault in (Fault.HTML_AS_PDF, Fault.CUT):
                continue  # it is a page, and a page that is cut is still a page; see below
            on.site.fail(kind, fault, times=None, seconds=7_000)
            papers = await portal.documents(on.order_ids[0])
            error = papers.failed[kind]
            assert isinstance(error, expected), fault
            # A session that is lost again and again is lost for the others too.
            assert fault is Fault.SIGN_OUT or set(papers.failed) == {kind}, fault
            assert error.step
            if isinstance(error, DocumentNotReady):
                assert error.retry_after_seconds == 3_600
            on.site.clear_faults()
        assert complete(await portal.documents(on.order_ids[0]))


@pytest.mark.parametrize("kind", list(DocumentKind))
async def test_a_document_that_hangs_is_typed_and_the_other_two_arrive(kind: DocumentKind) -> None:
    """After the time that the host gave it."""
    async with stage() as on, on.scraper(timeout=HANGING) as portal:
        on.show(invoice=InvoiceForm.LINK)
        await portal.login()
        on.site.fail(kind, Fault.HANG, times=None)
        papers = await portal.documents(on.order_ids[0])
        assert {name: type(error) for name, error in papers.failed.items()} == {kind: PortalTimeout}
        on.site.clear_faults()
        assert complete(await portal.documents(on.order_ids[0]))


async def test_a_packing_slip_that_is_cut_is_not_believed() -> None:
    """Either it holds the order id or it is an error; half a page is never a document without its order."""
    async with stage() as on, on.scraper() as portal:
        for fault in (Fault.CUT, Fault.HTML_AS_PDF):
            on.site.fail(DocumentKind.PACKING_SLIP, fault, times=None)
            papers = await portal.documents(on.order_ids[0], [DocumentKind.PACKING_SLIP])
            assert isinstance(papers.failed[DocumentKind.PACKING_SLIP], PortalError), fault
            on.site.clear_faults()


async def test_one_passing_fault_is_not_seen() -> None:
    """A single 500, 503, bare 403, dropped or cut answer, or a lost session: asked again, once."""
    async with stage() as on, on.scraper() as portal:
        on.show(invoice=InvoiceForm.LINK)
        for fault in (Fault.STATUS_500, Fault.STATUS_503, Fault.BARE_403, Fault.DROP, Fault.CUT, Fault.SIGN_OUT):
            for where in (DocumentKind.INVOICE, DocumentKind.PACKING_SLIP, "/orders-v3/order/"):
                if where is DocumentKind.PACKING_SLIP and fault is Fault.CUT:
                    continue  # a page that is cut is still a page
                on.site.fail(where, fault)
                assert complete(await portal.documents(on.order_ids[0])), (fault, where)
                assert not on.site.faults


@pytest.mark.parametrize("fault", [Fault.BARE_403, Fault.STATUS_503, Fault.DROP])
async def test_one_passing_fault_of_the_home_page_is_not_seen(fault: Fault) -> None:
    """The sign-in asks for it again, once, and then signs in as ever."""
    async with stage() as on, on.scraper() as portal:
        on.site.fail("/home", fault)
        await portal.login()
        assert not on.site.faults
        assert [event.outcome for event in on.sign_ins] == ["signed in"]


async def test_a_packing_slip_refused_for_good_is_asked_for_twice() -> None:
    """An empty 403 is told as the site's answer, not as a failed connection."""
    async with stage() as on, on.scraper() as portal:
        await portal.login()
        on.site.fail(DocumentKind.PACKING_SLIP, Fault.BARE_403, times=None)
        papers = await portal.documents(on.order_ids[0], [DocumentKind.PACKING_SLIP])
        error = papers.failed[DocumentKind.PACKING_SLIP]
        assert isinstance(error, PortalUnavailable)
        assert error.status == 403
        asked = [request.status for request in on.site.requests if request.path == "/orders/packing-slip"]
        assert asked == [403, 403]


async def test_a_fault_of_the_orders_page_costs_only_what_needs_it() -> None:
    """The packing slip has an address of its own."""
    async with stage() as on, on.scraper() as portal:
        await portal.login()
        on.site.fail("/orders-v3/order/", Fault.STATUS_500, times=None)
        papers = await portal.documents(on.order_ids[0])
        assert set(papers.ready) == {DocumentKind.PACKING_SLIP}
        assert {type(error) for error in papers.failed.values()} == {PortalUnavailable}


@pytest.mark.parametrize("form", [InvoiceForm.MODAL_LINK, InvoiceForm.MODAL_FRAME])
async def test_a_list_of_invoices_that_is_slow_or_ill_is_no_changed_page(form: InvoiceForm) -> None:
    """The page fills it by a request of its own: a slow one is waited for, an ill one asked again, then named."""
    kinds = [DocumentKind.INVOICE]
    async with stage() as on, on.scraper(timeout=2 * HANGING) as portal:
        on.show(invoice=form)
        await portal.login()
        where = f"/orders-v3/order/{on.order_ids[0]}/invoices"
        on.site.fail(where, Fault.DELAY, seconds=40)  # four real ones
        assert complete(await portal.documents(on.order_ids[0], kinds), kinds)
        on.site.fail(where, Fault.STATUS_500)
        assert complete(await portal.documents(on.order_ids[0], kinds), kinds)
        assert not on.site.faults
        for fault, expected in ((Fault.STATUS_503, PortalUnavailable), (Fault.HANG, PortalTimeout)):
            on.site.fail(where, fault, times=None)
            papers = await portal.documents(on.order_ids[0], kinds)
            assert isinstance(papers.failed[DocumentKind.INVOICE], expected), fault
            on.site.clear_faults()
        assert complete(await portal.documents(on.order_ids[0], kinds), kinds)


@pytest.mark.parametrize(
    ("where", "fault", "expected"),
    [
        ("/home", Fault.HANG, PortalTimeout),
        ("/home", Fault.STATUS_503, PortalUnavailable),
        ("/home", Fault.DROP, PortalUnavailable),
        ("/ap/signin", Fault.STATUS_500, PortalUnavailable),
        ("/ap/mfa", Fault.HANG, PortalTimeout),
        ("/ap/mfa", Fault.BARE_403, PortalUnavailable),
    ],
)
async def test_a_fault_of_the_sign_in_is_typed_and_not_a_refusal(
    where: str, fault: Fault, expected: type[PortalError]
) -> None:
    """An ill site is neither a wrong password nor a changed page: the next call tries again by itself."""
    async with stage() as on, on.scraper(timeout=HANGING) as portal:
        on.site.fail(where, fault, times=None)
        with pytest.raises(expected) as caught:
            await portal.documents(on.order_ids[0])
        assert caught.value.retryable
        on.site.clear_faults()
        assert complete(await portal.documents(on.order_ids[0]))


async def test_a_page_nobody_knows_ends_with_a_picture_of_it() -> None:
    """In the sign-in and in place of the order's page: PageChanged names the step, in bounded time."""
    async with stage() as on, on.scraper() as portal:
        on.site.fail("/ap/mfa", Fault.STRANGE_PAGE, times=None)
        with pytest.raises(PageChanged) as caught:
            await asyncio.wait_for(portal.documents(on.order_ids[0]), 120)
        assert caught.value.step == "sign-in"
        assert (caught.value.picture or b"").startswith(b"\x89PNG")
        on.site.clear_faults()
        await portal.login()
        on.site.fail("/orders-v3/order/", Fault.STRANGE_PAGE, times=None)
        papers = await asyncio.wait_for(portal.documents(on.order_ids[0]), 120)
        assert set(papers.ready) == {DocumentKind.PACKING_SLIP}
        for kind, error in papers.failed.items():
            assert isinstance(error, PageChanged)
            assert error.step == str(kind)
            assert (error.picture or b"").startswith(b"\x89PNG")


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
        running = portal._browser.running
        assert running is not None
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
            while len(running.context.pages) > len(portal._browser._idle):  # noqa: ASYNC110 - no event for it
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

    from amazon_ae.portal.browser import find_browser

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

    from amazon_ae.portal.browser import find_browser

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


def test_all_faults_are_tried() -> None:
    """A new fault of the look-alike must get its row."""
    assert {fault for fault, _ in PERSISTENT} == set(Fault) - {Fault.DELAY, Fault.HANG}


async def _gone() -> None:
    """A browser whose driver was killed notices within moments."""
    async with asyncio.timeout(60):
        while browser_processes():  # noqa: ASYNC110 - the operating system has no event for it
            await asyncio.sleep(0.05)
