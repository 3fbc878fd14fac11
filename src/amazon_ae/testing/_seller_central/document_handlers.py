"""The three papers, as they should be or as a planned fault wants them."""

from __future__ import annotations

from datetime import timedelta
from math import ceil
from urllib.parse import quote

import attrs
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from amazon_ae._models.documents import DocumentKind
from amazon_ae.testing._papers import PortalOrder, PortalPickup, paper_pages, sample_order
from amazon_ae.testing._pdf import text_pages, write_pdf
from amazon_ae.testing._seller_central.faults import Fault, PlannedFault
from amazon_ae.testing._seller_central.pages import render
from amazon_ae.testing._seller_central.request_context import (
    Handler,
    Visit,
    order_for,
    read_form,
    seller_page,
    sentence_page,
    unknown_order,
)
from amazon_ae.testing._seller_central.state import Session, SiteState
from amazon_ae.testing._seller_central.texts import say
from amazon_ae.testing._seller_central.variants import InvoiceForm, LabelForm

__all__ = ["DocumentHandlers"]


class DocumentHandlers:
    """Answers for everything that ends in a paper. The site's guard has let the visitor in before."""

    def __init__(self, state: SiteState) -> None:
        self._state = state

    def handlers(self) -> list[tuple[str, Handler, list[str]]]:
        """Path, handler, methods."""
        return [
            ("/orders/packing-slip", self.packing_slip, ["GET"]),
            ("/orders-v3/order/{order_id}/invoices", self.invoices, ["GET"]),
            ("/invoice/download", self.linked_invoice, ["GET"]),
            ("/documents/token/{invoice_id}", self.invoice_token, ["POST"]),
            ("/documents/download/{invoice_id}/document.pdf", self.invoice, ["GET", "POST"]),
            ("/easyship/label/download", self.label, ["GET"]),
            ("/easyship/label/batch", self.start_batch, ["GET"]),
            ("/easyship/label/batch/{batch_id}", self.batch, ["GET"]),
            ("/easyship/label/batch/{batch_id}/labels.pdf", self.batch_label, ["GET"]),
        ]

    async def packing_slip(self, visit: Visit, session: Session) -> Response:
        """A page, not a PDF; ``orderIds`` are separated by semicolons."""
        fault = _fault(visit)
        if (answer := self._replaced(visit, session, fault)) is not None:
            return answer
        ids = visit.request.query_params.get("orderIds", "").split(";")
        found = [order for order_id in ids if (order := order_for(self._state, session, order_id))]
        if not found:
            return unknown_order(visit, session)
        self._state.counts.documents[DocumentKind.PACKING_SLIP] += 1
        if fault is not None and fault.fault is Fault.NO_TEXT:
            return HTMLResponse(render("faults/no_text.html"))
        if fault is not None and fault.fault is Fault.WRONG_ORDER:
            found = [_another(order) for order in found]
        return seller_page(visit, session, "packing_slip.html", orders=found)

    async def invoices(self, visit: Visit, session: Session) -> Response:
        """What the invoice modal is filled with; a whole page of its own inside an iframe."""
        order = self._invoiced(visit, session, visit.request.path_params["order_id"])
        if order is None:
            return unknown_order(visit, session)
        template = "invoices_frame.html" if "frame" in visit.request.query_params else "invoices.html"
        return seller_page(visit, session, template, order=order, invoice_id=self._state.invoice_id(order.order_id))

    async def invoice_token(self, visit: Visit, session: Session) -> Response:
        """A download address that works once: what the button that obeys only a person asks for."""
        if visit.request.headers.get("anti-csrftoken-a2z") != session.csrf:
            return Response(status_code=403)
        invoice_id = visit.request.path_params["invoice_id"]
        token = self._state.download_token(invoice_id)
        return JSONResponse({"url": f"/documents/download/{quote(invoice_id)}/document.pdf?token={token}"})

    async def linked_invoice(self, visit: Visit, session: Session) -> Response:
        """The invoice behind the plain link on the order's page."""
        order = self._invoiced(visit, session, visit.request.query_params.get("orderId", ""))
        if order is None or visit.variants.invoice is not InvoiceForm.LINK:
            return unknown_order(visit, session)
        return self._paper(visit, session, DocumentKind.INVOICE, order)

    async def invoice(self, visit: Visit, session: Session) -> Response:
        """The invoice behind the modal, for whoever came the way that the modal shows."""
        request, form = visit.request, visit.variants.invoice
        order_id = self._state.invoices.get(request.path_params["invoice_id"], "")
        order = self._invoiced(visit, session, order_id)
        if order is None:
            return unknown_order(visit, session)
        if (form is InvoiceForm.MODAL_FORM) != (request.method == "POST"):
            return Response(status_code=405)
        if request.method == "POST" and (await read_form(request)).get("anti-csrftoken-a2z") != session.csrf:
            return Response(status_code=403)
        if form in (InvoiceForm.MODAL_CLICK, InvoiceForm.MODAL_POPUP):
            allowed = self._state.download_tokens.pop(request.query_params.get("token", ""), None)
            if allowed != request.path_params["invoice_id"]:
                return Response(status_code=403)
        if "credit" in visit.request.query_params:
            lines = ["Credit note", f"Order ID: {order.order_id}", f"Invoice number: {order.invoice_number}"]
            return Response(write_pdf(text_pages(lines)), media_type="application/pdf")
        return self._paper(visit, session, DocumentKind.INVOICE, order, attachment=form is InvoiceForm.MODAL_CLICK)

    async def label(self, visit: Visit, session: Session) -> Response:
        """The label's PDF; 202 while it is being made."""
        order = order_for(self._state, session, visit.request.query_params.get("orderId", ""))
        ready_at = self._state.label_ready_at(order) if order else None
        if order is None or ready_at is None:
            return unknown_order(visit, session)
        wait = (ready_at - self._state.clock.now()).total_seconds()
        if wait > 0:
            return self._not_ready(visit, session, wait)
        return self._paper(visit, session, DocumentKind.SHIPPING_LABEL, order)

    async def start_batch(self, visit: Visit, session: Session) -> Response:
        """Begin to make a label in the background."""
        order = order_for(self._state, session, visit.request.query_params.get("orderIds", ""))
        ready_at = self._state.label_ready_at(order) if order else None
        if order is None or ready_at is None:
            return unknown_order(visit, session)
        in_background = self._state.clock.now() + timedelta(seconds=self._state.batch_seconds)
        if visit.variants.label is not LabelForm.BATCH and not self._state.batches:
            for number in (7_654_321, 7_654_322):  # what was printed on another day
                older = sample_order(number, purchased_at=order.purchased_at).order_id
                self._state.start_batch(older, self._state.clock.now() - timedelta(days=1))
        batch = self._state.start_batch(order.order_id, max(ready_at, in_background))
        is_list = visit.variants.label is LabelForm.BATCH_LIST
        return RedirectResponse(f"/easyship/label/batch/{'all' if is_list else batch.batch_id}", 302)

    async def batch(self, visit: Visit, session: Session) -> Response:
        """How far it is."""
        batch_id = visit.request.path_params["batch_id"]
        batch = self._state.batches.get(batch_id)
        if batch is None and batch_id != "all":
            return unknown_order(visit, session)
        alone = batch is not None and visit.variants.label is LabelForm.BATCH
        batches = [batch] if alone else list(self._state.batches.values())
        now = self._state.clock.now()
        return seller_page(visit, session, "label_batches.html", batch_id=batch_id, batches=batches, now=now)

    async def batch_label(self, visit: Visit, session: Session) -> Response:
        """The PDF that was made in the background."""
        batch = self._state.batches.get(visit.request.path_params["batch_id"])
        order = order_for(self._state, session, batch.order_id) if batch else None
        if batch is not None and order is None and self._state.clock.now() - batch.ready_at > timedelta(hours=12):
            pickup = PortalPickup(scheduled_at=batch.ready_at, day=batch.ready_at.date(), tracking_id="AE0000")
            order = attrs.evolve(
                sample_order(int(batch.order_id[-7:]), purchased_at=batch.ready_at), pickup=pickup, status="Shipped"
            )
        if batch is None or order is None or self._state.clock.now() < batch.ready_at:
            return unknown_order(visit, session)
        return self._paper(visit, session, DocumentKind.SHIPPING_LABEL, order, attachment=True)

    def _invoiced(self, visit: Visit, session: Session, order_id: str) -> PortalOrder | None:
        """The order, if it has an invoice."""
        order = order_for(self._state, session, order_id)
        missing = order is None or order.invoice_number is None or visit.variants.invoice is InvoiceForm.MISSING
        return None if missing else order

    def _paper(
        self, visit: Visit, session: Session, kind: DocumentKind, order: PortalOrder, *, attachment: bool = False
    ) -> Response:
        fault = _fault(visit)
        if (answer := self._replaced(visit, session, fault)) is not None:
            return answer
        self._state.counts.documents[kind] += 1
        if fault is not None and fault.fault is Fault.WRONG_ORDER:
            order = _another(order)
        sheets = paper_pages(kind, order, label_on_a4=visit.variants.label_on_a4)
        if fault is not None and fault.fault is Fault.NO_TEXT:
            sheets = [sheet.without_text() for sheet in sheets]
        disposition = f'{"attachment" if attachment else "inline"}; filename="{kind}.pdf"'
        return Response(write_pdf(sheets), media_type="application/pdf", headers={"content-disposition": disposition})

    def _replaced(self, visit: Visit, session: Session, fault: PlannedFault | None) -> Response | None:
        """The answer that some faults put in place of a document."""
        if fault is None:
            return None
        if fault.fault is Fault.NOT_READY:
            return self._not_ready(visit, session, fault.seconds)
        if fault.fault is Fault.ERROR_PAGE:
            whose = visit.request.query_params.get("orderIds") or visit.request.query_params.get("orderId") or ""
            return sentence_page(visit, session, "Error", f"{say('problem', visit.language)}: {whose}")
        if fault.fault is Fault.EMPTY:
            return Response(b"", media_type="application/pdf")
        if fault.fault is Fault.HTML_AS_PDF:
            page = sentence_page(visit, session, "Error", "problem")
            named = {"content-disposition": 'inline; filename="document.pdf"'}
            return Response(page.body, media_type="application/pdf", headers=named)
        return None

    def _not_ready(self, visit: Visit, session: Session, seconds: float) -> Response:
        headers = {"retry-after": str(max(1, ceil(seconds)))}
        return sentence_page(visit, session, "in_progress", "not_ready", status_code=202, headers=headers)


def _another(order: PortalOrder) -> PortalOrder:
    """Another order, as complete as this one."""
    other = sample_order(7_654_321, purchased_at=order.purchased_at)
    return attrs.evolve(order, order_id=other.order_id, invoice_number=other.invoice_number)


def _fault(visit: Visit) -> PlannedFault | None:
    """The fault that the middleware left to the document's own handler."""
    fault: PlannedFault | None = visit.request.scope.get("sandbox.fault")
    return fault
