"""The look-alike behind the sign-in: orders, papers and planned faults."""

from __future__ import annotations

import io
from datetime import date, timedelta
from typing import Any

import attrs
import pypdf
import pytest
from jinja2 import UndefinedError
from site_visitor import ANOTHER, READY, START, UNKNOWN, UNSCHEDULED, USER, Visitor, make_orders, make_site

from amazon_ae._models.documents import DocumentKind
from amazon_ae.testing._clocks import VirtualClock
from amazon_ae.testing._papers import PortalPickup, sample_order
from amazon_ae.testing._seller_central import Fault, InvoiceForm, LabelForm, SellerCentralSite, Tour
from amazon_ae.testing._seller_central.pages import render

SLIP = f"/orders/packing-slip?orderIds={READY}"
LABEL = f"/easyship/label/download?orderId={READY}"


def text_of(content: bytes) -> str:
    """All text of a PDF."""
    return "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages)


def show(site: SellerCentralSite, **changes: Any) -> None:
    """Give the site another face."""
    site.variants = attrs.evolve(site.variants, **changes)


async def test_the_order_page_has_the_known_test_ids() -> None:
    """Every ``data-test-id`` that public scrapers read, and the mark of a signed-in page."""
    async with Visitor(make_site()) as visitor:
        await visitor.sign_in()
        page = await visitor.go(f"/orders-v3/order/{READY}")
        assert page.test_ids() >= {
            "order-id-value",
            "order-summary-shipby-value",
            "order-summary-deliverby-value",
            "order-summary-purchase-date-value",
            "order-summary-shipping-service-value",
            "order-summary-fulfillment-channel-value",
            "order-summary-sales-channel-value",
            "shipping-section-buyer-address",
            "buyer-name-with-link",
            "item-status-label",
            "order-details-header-action-buttons",
            "manage-idu-invoice-button",
        }
        assert 'meta name="anti-csrftoken-a2z"' in page.html
        assert READY in page.texts()


async def test_an_unscheduled_order_offers_nothing_but_schedule_pickup() -> None:
    """No label link before a pickup, and no label by guessing its address."""
    async with Visitor(make_site()) as visitor:
        await visitor.sign_in()
        page = await visitor.go(f"/orders-v3/order/{UNSCHEDULED}")
        assert page.links("/easyship/schedule") == [f"/easyship/schedule?orderId={UNSCHEDULED}"]
        assert page.links("/easyship/label") == []
        for path in ("download?orderId=", "batch?orderIds="):
            await visitor.go(f"/easyship/label/{path}{UNSCHEDULED}")
            assert visitor.answer.status_code == 404


async def test_an_unknown_order_is_not_found() -> None:
    """Its page and its papers answer 404."""
    async with Visitor(make_site()) as visitor:
        await visitor.sign_in()
        for path in (f"/orders-v3/order/{UNKNOWN}", SLIP.replace(READY, UNKNOWN), LABEL.replace(READY, UNKNOWN)):
            await visitor.go(path)
            assert visitor.answer.status_code == 404, path


async def test_orders_are_listed_fifty_on_a_page() -> None:
    """Newest first, with the link to the next page as the real list has it."""
    orders = [sample_order(n, purchased_at=START + timedelta(minutes=n)) for n in range(120)]
    many = {order.order_id: order for order in orders}
    site = make_site(orders=many)
    async with Visitor(site) as visitor:
        await visitor.sign_in()
        page = await visitor.go("/orders-v3/mfn/unshipped")
        seen = [link.rsplit("/", 1)[1] for link in page.links("/orders-v3/order/")]
        while more := page.links("?page="):
            page = await visitor.go(more[0])
            seen += [link.rsplit("/", 1)[1] for link in page.links("/orders-v3/order/")]
        assert seen == sorted(many, key=lambda order_id: many[order_id].purchased_at, reverse=True)
        assert "a-disabled" in page.html
        assert (await visitor.go("/orders-v3/mfn/shipped")).links("/orders-v3/order/") == []


async def test_the_packing_slip_is_a_page_with_one_section_per_order() -> None:
    """``orderIds`` takes several, separated by semicolons."""
    site = make_site()
    async with Visitor(site) as visitor:
        await visitor.sign_in()
        page = await visitor.go(f"/orders/packing-slip?orderIds={READY};{ANOTHER}")
        assert visitor.answer.headers["content-type"].startswith("text/html")
        assert page.html.count("<section") == 2
        assert READY in page.texts()
        assert ANOTHER in page.texts()
    assert site.counts.documents[DocumentKind.PACKING_SLIP] == 1


async def invoice(visitor: Visitor, form: InvoiceForm, order_id: str) -> bytes:
    """Fetch the invoice the way that the page shows."""
    page = await visitor.go(f"/orders-v3/order/{order_id}")
    if form is InvoiceForm.LINK:
        (link,) = page.links("/invoice/download")
        return (await visitor.http.get(link)).content
    csrf = page.csrf
    page = await visitor.go(f"/orders-v3/order/{order_id}/invoices")
    assert 'kat-table-row role="row"' in page.html
    if form is InvoiceForm.MODAL_FORM:
        assert page.forms[0].fields["anti-csrftoken-a2z"] == csrf
        await visitor.submit({})
        return visitor.answer.content
    if form in (InvoiceForm.MODAL_CLICK, InvoiceForm.MODAL_POPUP):
        assert ('data-target="_blank"' in page.html) is (form is InvoiceForm.MODAL_POPUP)
        (invoice_id,) = [values["data-invoice"] for _, values in page.elements if "data-invoice" in values]
        assert (await visitor.http.get(f"/documents/download/{invoice_id}/document.pdf")).status_code == 403
        token = await visitor.http.post(f"/documents/token/{invoice_id}", headers={"anti-csrftoken-a2z": csrf})
        answer = await visitor.http.get(token.json()["url"])
        kind = "attachment" if form is InvoiceForm.MODAL_CLICK else "inline"
        assert answer.headers["content-disposition"].startswith(kind)
        assert (await visitor.http.get(token.json()["url"])).status_code == 403
        return answer.content
    *credit_notes, link = page.links("/documents/download")
    assert len(credit_notes) == (form is InvoiceForm.MODAL_CREDIT_NOTE)
    assert link.startswith("https://sellercentral.sandbox.invalid/") is (form is InvoiceForm.MODAL_SIBLING)
    return (await visitor.http.get(link.removeprefix("https://sellercentral.sandbox.invalid"))).content


@pytest.mark.parametrize("form", [form for form in InvoiceForm if form is not InvoiceForm.MISSING])
async def test_each_way_to_the_invoice_leads_to_it(form: InvoiceForm) -> None:
    """Link, modal, form, click and iframe end in the same PDF."""
    site = make_site()
    show(site, invoice=form)
    async with Visitor(site) as visitor:
        await visitor.sign_in()
        content = await invoice(visitor, form, READY)
    assert content.startswith(b"%PDF-")
    assert READY in text_of(content)
    assert site.counts.documents[DocumentKind.INVOICE] == 1


async def test_a_missing_invoice_has_the_primary_button_and_no_document() -> None:
    """Nothing was uploaded, by variant or by order."""
    orders = make_orders()
    orders[ANOTHER] = attrs.evolve(orders[ANOTHER], invoice_number=None)
    site = make_site(orders=orders)
    async with Visitor(site) as visitor:
        await visitor.sign_in()
        page = await visitor.go(f"/orders-v3/order/{ANOTHER}")
        assert 'class="a-button a-button-primary"' in page.html
        assert (await visitor.http.get(f"/orders-v3/order/{ANOTHER}/invoices")).status_code == 404
        assert 'class="a-button"' in (await visitor.go(f"/orders-v3/order/{READY}")).html
        show(site, invoice=InvoiceForm.MISSING)
        assert 'class="a-button a-button-primary"' in (await visitor.go(f"/orders-v3/order/{READY}")).html
        assert (await visitor.http.get(f"/orders-v3/order/{READY}/invoices")).status_code == 404


async def test_the_label_is_made_after_the_pickup_was_scheduled() -> None:
    """202 with ``Retry-After`` until it is made, then the PDF; paper as asked for."""
    clock = VirtualClock(START, autojump=False)
    site = make_site(clock)
    site.label_seconds = 90.0
    async with Visitor(site) as visitor:
        await visitor.sign_in()
        (link,) = (await visitor.go(f"/orders-v3/order/{READY}")).links("/easyship/label")
        answer = await visitor.http.get(link)
        assert (answer.status_code, answer.headers["retry-after"]) == (202, "30")
        clock.jump(30)
        answer = await visitor.http.get(link)
        assert READY in text_of(answer.content)
        paper = pypdf.PdfReader(io.BytesIO(answer.content)).pages[0].mediabox
        assert (round(float(paper.width) / 72 * 25.4, 1), round(float(paper.height) / 72 * 25.4)) == (99.1, 139)
        show(site, label_on_a4=True)
        paper = pypdf.PdfReader(io.BytesIO((await visitor.http.get(link)).content)).pages[0].mediabox
        assert round(float(paper.width) / 72 * 25.4) == 210
    assert site.counts.documents[DocumentKind.SHIPPING_LABEL] == 2


async def test_a_batch_label_is_polled_until_done() -> None:
    """The background page has a refresh button and, when it is done, the link."""
    clock = VirtualClock(START, autojump=False)
    site = make_site(clock)
    site.batch_seconds = 20.0
    show(site, label=LabelForm.BATCH)
    async with Visitor(site) as visitor:
        await visitor.sign_in()
        (link,) = (await visitor.go(f"/orders-v3/order/{READY}")).links("/easyship/label")
        page = await visitor.go(link)
        assert "In progress" in page.texts()
        assert page.links("labels.pdf") == []
        assert (await visitor.http.get(f"{visitor.path}/labels.pdf")).status_code == 404
        clock.jump(20)
        page = await visitor.submit({}, form=1)
        assert "Done" in page.texts()
        (download,) = page.links("labels.pdf")
        assert READY in text_of((await visitor.http.get(download)).content)
        site.fail(DocumentKind.SHIPPING_LABEL, Fault.EMPTY, order_id=READY)
        assert (await visitor.http.get(download)).content == b""


async def test_a_person_can_schedule_a_pickup_where_the_program_lets_them() -> None:
    """The site calls ``schedule``; without it the page says so."""
    orders = make_orders()

    def schedule(order_id: str, day: date) -> None:
        pickup = PortalPickup(scheduled_at=START, day=day, tracking_id="AE99")
        orders[order_id] = attrs.evolve(orders[order_id], pickup=pickup)

    clock = VirtualClock(START, autojump=False)
    site = SellerCentralSite(clock=clock, users=[USER], orders=orders, schedule=schedule)
    async with Visitor(site) as visitor, Visitor(make_site()) as other:
        await visitor.sign_in()
        await visitor.go(f"/easyship/schedule?orderId={UNSCHEDULED}")
        page = await visitor.submit({"day": "2021-11-20"}, form=1)
        assert page.links("/easyship/label")
        pickup = orders[UNSCHEDULED].pickup
        assert pickup is not None
        assert pickup.day == date(2021, 11, 20)
        await other.sign_in()
        page = await other.go(f"/easyship/schedule?orderId={UNSCHEDULED}")
        assert len(page.forms) == 1  # the one in the header


async def test_without_permission_order_pages_end_on_authorization_failed() -> None:
    """Home is shown, orders are not."""
    site = make_site()
    show(site, may_see_orders=False)
    async with Visitor(site) as visitor:
        await visitor.sign_in()
        assert visitor.path == "/home"
        for path in ("/orders-v3", SLIP, LABEL):
            await visitor.go(path)
            assert visitor.path == "/authorization/failed", path
    assert not site.counts.documents


async def test_tours_lie_over_the_pages_until_they_are_closed() -> None:
    """Both kinds; closing one closes it for this browser."""
    site = make_site()
    show(site, tour=Tour.BOTH)
    async with Visitor(site) as visitor:
        page = await visitor.sign_in()
        assert page.has("react-joyride-portal")
        assert "sellerOnboardingPopup" in page.html
        await visitor.http.post("/__sandbox/close", data={"what": "joyride"})
        page = await visitor.go("/orders-v3")
        assert not page.has("react-joyride-portal")
        assert "sellerOnboardingPopup" in page.html


@pytest.mark.parametrize(
    ("fault", "status"),
    [(Fault.STATUS_500, 500), (Fault.STATUS_503, 503), (Fault.BARE_403, 403), (Fault.NOT_READY, 202)],
)
@pytest.mark.parametrize("path", [SLIP, LABEL])
async def test_a_planned_status_is_answered_once(path: str, fault: Fault, status: int) -> None:
    """The next request is hit, the one after it is served."""
    site = make_site()
    async with Visitor(site) as visitor:
        await visitor.sign_in()
        site.fail(DocumentKind.PACKING_SLIP if path == SLIP else DocumentKind.SHIPPING_LABEL, fault, seconds=7)
        answer = await visitor.http.get(path)
        assert answer.status_code == status
        assert answer.headers.get("retry-after") == ("7" if fault is Fault.NOT_READY else None)
        assert (await visitor.http.get(path)).status_code == 200


async def test_documents_can_be_wrong_in_every_known_way() -> None:
    """Empty, a web page that calls itself a PDF, another order's, and one without text."""
    site = make_site()
    async with Visitor(site) as visitor:
        await visitor.sign_in()
        kind = DocumentKind.SHIPPING_LABEL
        site.fail(kind, Fault.EMPTY)
        assert (await visitor.http.get(LABEL)).content == b""
        site.fail(kind, Fault.HTML_AS_PDF)
        answer = await visitor.http.get(LABEL)
        assert answer.headers["content-type"] == "application/pdf"
        assert answer.content.startswith(b"<!doctype html>")
        site.fail(kind, Fault.WRONG_ORDER)
        content = (await visitor.http.get(LABEL)).content
        assert content.startswith(b"%PDF-")
        assert READY not in text_of(content)
        site.fail(kind, Fault.NO_TEXT)
        content = (await visitor.http.get(LABEL)).content
        assert len(pypdf.PdfReader(io.BytesIO(content)).pages) == 1
        assert text_of(content) == ""
        for fault in (Fault.WRONG_ORDER, Fault.NO_TEXT, Fault.EMPTY, Fault.STRANGE_PAGE):
            site.fail(DocumentKind.PACKING_SLIP, fault)
            assert READY not in (await visitor.http.get(SLIP)).text


async def test_a_session_can_be_lost_between_two_documents() -> None:
    """``SIGN_OUT`` ends this browser's session just before the request it hits; others keep theirs."""
    site = make_site()
    async with Visitor(site) as visitor, Visitor(site) as other:
        await visitor.sign_in()
        await other.go("/home")
        await other.type_credentials()
        await other.type_code(steps=1)
        site.fail(DocumentKind.SHIPPING_LABEL, Fault.SIGN_OUT)
        await visitor.go(SLIP)
        assert visitor.path == "/orders/packing-slip"
        await visitor.go(LABEL)
        assert visitor.path == "/ap/signin"
        await visitor.go(SLIP)
        assert visitor.path == "/ap/signin"
        await other.go(SLIP)
        assert other.path == "/orders/packing-slip"


async def test_faults_hit_only_what_they_were_planned_for() -> None:
    """A kind, the beginning of a path, one order, so many times; a delay goes together with another fault."""
    clock = VirtualClock(START)
    site = make_site(clock)
    async with Visitor(site) as visitor:
        await visitor.sign_in()
        site.fail(DocumentKind.PACKING_SLIP, Fault.STATUS_500, order_id=ANOTHER)
        site.fail("/orders-v3/order/", Fault.STATUS_503, times=2)
        assert (await visitor.http.get(SLIP)).status_code == 200
        assert (await visitor.http.get(f"/orders/packing-slip?orderIds={READY};{ANOTHER}")).status_code == 500
        found = [(await visitor.http.get(f"/orders-v3/order/{READY}")).status_code for _ in range(3)]
        assert found == [503, 503, 200]
        site.fail("/", Fault.DELAY, seconds=40.0, times=None)
        site.fail("/", Fault.STATUS_500)
        before = clock.now()
        assert (await visitor.http.get("/home")).status_code == 500
        assert (await visitor.http.get("/home")).status_code == 200
        assert clock.now() - before == timedelta(seconds=80)
        assert [planned.fault for planned in site.faults] == [Fault.DELAY]
        site.clear_faults()
        assert site.faults == ()


def test_faults_that_could_never_happen_are_refused() -> None:
    """A document's fault needs a document, and at least one time."""
    site = make_site()
    with pytest.raises(ValueError, match="DocumentKind"):
        site.fail("/orders-v3", Fault.WRONG_ORDER)
    with pytest.raises(ValueError, match="at least 1"):
        site.fail(DocumentKind.INVOICE, Fault.EMPTY, times=0)
    assert site.faults == ()


async def test_requests_are_logged_and_counted() -> None:
    """Method, path, status, and which document of which order; the control page does not count."""
    site = make_site()
    async with Visitor(site) as visitor:
        await visitor.sign_in()
        before = site.counts.requests
        await visitor.go(SLIP)
        await visitor.go("/__sandbox")
        last = site.requests[-1]
        assert site.counts.requests == before + 1
        assert (last.method, last.path, last.status) == ("GET", "/orders/packing-slip", 200)
        assert (last.kind, last.order_id, last.at) == (DocumentKind.PACKING_SLIP, READY, START)
        assert (site.counts.in_flight, site.counts.most_in_flight) == (0, 1)


async def test_no_page_needs_anything_from_elsewhere() -> None:
    """Sign-in, seller pages and control page load nothing from another host."""
    async with Visitor(make_site()) as visitor:
        pages = [await visitor.go("/home"), await visitor.go("/__sandbox")]
        pages.append(await visitor.sign_in())
        pages += [await visitor.go(path) for path in ("/orders-v3", f"/orders-v3/order/{READY}", SLIP)]
    for page in pages:
        for tag, values in page.elements:
            for name in ("src", "href", "action"):
                address = values.get(name, "/")
                assert address.startswith(("/", "#", "data:")), (tag, address)


async def test_buyers_cannot_break_out_of_the_page() -> None:
    """Names and titles are escaped wherever they are shown."""
    orders = make_orders()
    nasty = '<script>alert("x")</script>'
    item = attrs.evolve(orders[READY].items[0], title=nasty, sku=nasty)
    orders[READY] = attrs.evolve(orders[READY], buyer_name=nasty, address=(nasty,), items=(item,), ship_service=nasty)
    async with Visitor(make_site(orders=orders)) as visitor:
        await visitor.sign_in()
        for path in ("/orders-v3", f"/orders-v3/order/{READY}", SLIP):
            assert nasty not in (await visitor.go(path)).html, path


def test_a_page_without_one_of_its_values_is_an_error() -> None:
    """Instead of a page with a gap."""
    with pytest.raises(UndefinedError, match="sign_in"):
        render("sign_in/code.html", error="")
