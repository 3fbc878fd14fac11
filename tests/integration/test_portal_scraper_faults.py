"""Whatever goes wrong at the site is a typed error and costs no good document."""

from __future__ import annotations

import asyncio

import pytest
from portal_stage import complete, stage

from amazon_ae._exceptions import (
    DocumentInvalid,
    DocumentNotReady,
    PageChanged,
    PortalError,
    PortalTimeout,
    PortalUnavailable,
)
from amazon_ae._models.documents import DocumentKind
from amazon_ae.testing._seller_central import Fault, InvoiceForm

pytestmark = pytest.mark.browser

# How long a site that hangs is waited for: enough for a slow machine to do the rest.
HANGING = 6.0
PERSISTENT: list[tuple[Fault, type[Exception] | tuple[type[Exception], ...]]] = [
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
            assert isinstance(papers.failed[DocumentKind.PACKING_SLIP], PortalError | DocumentInvalid), fault
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


def test_all_faults_are_tried() -> None:
    """A new fault of the look-alike must get its row, here or in ``test_portal_documents_browser.py``."""
    elsewhere = {Fault.CUT_SHORT, Fault.ERROR_PAGE, Fault.THROTTLED, Fault.BUSY, Fault.WAF_CHALLENGE, Fault.WAF_BLOCK}
    assert {fault for fault, _ in PERSISTENT} | elsewhere == set(Fault) - {Fault.DELAY, Fault.HANG}
