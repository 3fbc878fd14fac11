"""The right document of the right order, whatever is listed beside it, in few requests."""

from __future__ import annotations

import asyncio

import attrs
import pytest
from portal_stage import ALL, complete, running_browser, stage

from amazon_ae._exceptions import ChallengeRequired, DocumentInvalid, PortalUnavailable
from amazon_ae._models.documents import DocumentKind
from amazon_ae.testing._seller_central import Drawing, Fault, InvoiceForm, LabelForm, Tour

pytestmark = pytest.mark.browser

LABEL, SLIP, INVOICE = DocumentKind.SHIPPING_LABEL, DocumentKind.PACKING_SLIP, DocumentKind.INVOICE


@pytest.mark.parametrize("form", [LabelForm.BATCH_HISTORY, LabelForm.BATCH_LIST])
async def test_of_several_label_batches_the_new_one_is_fetched(form: LabelForm) -> None:
    """While it is in the making and afterwards; asking again begins no other batch."""
    async with stage() as on, on.scraper() as portal:
        on.show(label=form)
        on.site.batch_seconds = 8.0
        for order_id in on.order_ids[:2]:
            assert complete(await portal.documents(order_id, [LABEL]), [LABEL])
            assert complete(await portal.documents(order_id, [LABEL]), [LABEL])
        begun = [request for request in on.site.requests if request.path == "/easyship/label/batch"]
        assert len(begun) == 2


async def test_a_slip_that_is_no_slip_is_refused() -> None:
    """Cut short, or an error page that names the order."""
    async with stage() as on, on.scraper() as portal:
        on.site.fail(SLIP, Fault.CUT_SHORT)
        papers = await portal.documents(on.order_ids[0], [SLIP])
        assert isinstance(papers.failed[SLIP], DocumentInvalid)
        assert papers.failed[SLIP].retryable
        on.site.fail(SLIP, Fault.ERROR_PAGE)
        papers = await portal.documents(on.order_ids[0], [SLIP])
        assert isinstance(papers.failed[SLIP], DocumentInvalid)
        assert "no goods" in str(papers.failed[SLIP])
        assert complete(await portal.documents(on.order_ids[0], [SLIP]), [SLIP])


async def test_of_several_invoices_the_credit_note_is_left_out() -> None:
    """Also where it is listed first."""
    async with stage() as on, on.scraper() as portal:
        on.show(invoice=InvoiceForm.MODAL_CREDIT_NOTE)
        assert complete(await portal.documents(on.order_ids[0], [INVOICE]), [INVOICE])


async def test_each_refusal_of_the_site_has_its_own_error() -> None:
    """Throttled and busy say how long; AWS WAF is a person's affair and no lost session."""
    async with stage() as on, on.scraper() as portal:
        await portal.login()
        signed_in = on.site.counts.sign_ins
        for fault in (Fault.THROTTLED, Fault.BUSY):
            on.site.fail(LABEL, fault, seconds=70)
            error = (await portal.documents(on.order_ids[0], [LABEL])).failed[LABEL]
            assert isinstance(error, PortalUnavailable)
            assert (error.retry_after_seconds, error.retryable) == (70.0, True)
        for fault in (Fault.WAF_CHALLENGE, Fault.WAF_BLOCK):
            on.site.fail(LABEL, fault, times=None)
            error = (await portal.documents(on.order_ids[0], [LABEL])).failed[LABEL]
            assert isinstance(error, ChallengeRequired)
            assert error.kind == "waf"
            on.site.clear_faults()
        assert on.site.counts.sign_ins == signed_in
        assert complete(await portal.documents(on.order_ids[0], [LABEL]), [LABEL])


async def test_an_order_takes_at_most_five_requests() -> None:
    """On every way to the invoice: the order's page is fetched once and shown as it was."""
    async with stage() as on, on.scraper() as portal:
        await portal.login()
        for invoice in InvoiceForm:
            if invoice is InvoiceForm.MISSING:
                continue
            on.show(invoice=invoice)
            before = on.site.counts.requests
            assert complete(await portal.documents(on.order_ids[0])), invoice
            most = {InvoiceForm.LINK: 4, InvoiceForm.MODAL_CLICK: 6, InvoiceForm.MODAL_POPUP: 6}.get(invoice, 5)
            most = 6 if invoice is InvoiceForm.MODAL_CREDIT_NOTE else most
            assert on.site.counts.requests - before <= most, invoice


async def test_actions_that_a_script_draws_late_under_stacked_overlays_are_found() -> None:
    """Tours and a banner lie over them; consent is not given."""
    async with stage() as on, on.scraper() as portal:
        on.show(drawing=Drawing.VERY_LATE, tour=Tour.STACKED)
        assert complete(await portal.documents(on.order_ids[0]))


async def test_pop_ups_that_close_under_other_orders_cost_nobody_a_document() -> None:
    """Three orders at once, ten times: the living browser is never taken for lost."""
    async with stage() as on, on.scraper() as portal:
        on.show(invoice=InvoiceForm.MODAL_POPUP)
        await portal.login()
        browser = running_browser(portal)
        for _ in range(10):
            results = await asyncio.gather(*(portal.documents(order_id, [INVOICE]) for order_id in on.order_ids))
            assert all(complete(papers, [INVOICE]) for papers in results)
        assert running_browser(portal) is browser
        assert attrs.asdict(on.site.counts)["sign_ins"] == 1
        assert set(DocumentKind) == ALL
