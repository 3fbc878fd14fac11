"""Answers behind the sign-in: pages, the three papers, and every way in which a session turns out to be gone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from math import ceil
from urllib.parse import quote, urlencode

import attrs
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from amazon_ae.models.documents import DocumentKind
from amazon_ae.testing.papers import PortalOrder, paper_pages, sample_order
from amazon_ae.testing.pdf import write_pdf
from amazon_ae.testing.seller_central import order_pages as pages
from amazon_ae.testing.seller_central.challenge_pages import challenge_page
from amazon_ae.testing.seller_central.faults import Fault, PlannedFault
from amazon_ae.testing.seller_central.picker_pages import older_picker_page, older_switcher, picker_page
from amazon_ae.testing.seller_central.signin import SignInDesk, local_path
from amazon_ae.testing.seller_central.state import Session, SiteState, new_token
from amazon_ae.testing.seller_central.texts import say
from amazon_ae.testing.seller_central.variants import AccountPicker, Challenge, InvoiceForm, SignedOutAnswer
from amazon_ae.testing.seller_central.visits import Visit, read_form, visit_of

__all__ = ["SellerPages"]

_ORDERS_PER_PAGE = 50
_MARKETPLACES = ("AE", "SA", "EG")
_Handler = Callable[[Visit, Session], Awaitable[Response]]


class SellerPages:
    """Answers everything that needs a session."""

    def __init__(self, state: SiteState, desk: SignInDesk) -> None:
        self._state = state
        self._desk = desk

    def routes(self) -> list[Route]:
        """Where each answer lives."""

        def guarded(path: str, handler: _Handler, *methods: str) -> Route:
            async def answer(request: Request) -> Response:
                return await self._guard(visit_of(request, self._state), handler)

            return Route(path, answer, methods=list(methods) or ["GET"])

        return [
            guarded("/home", self.home),
            guarded("/authorization/failed", self.authorization_failed),
            guarded("/account-switcher/default/merchantMarketplace", self.picker),
            guarded("/merchant-picker", self.picker),
            guarded("/global-picker", self.picker),
            guarded("/account-switcher/select", self.pick, "POST"),
            guarded("/orders-v3", self.order_list),
            guarded("/orders-v3/mfn/{status}", self.order_list),
            guarded("/orders-v3/order/{order_id}", self.order),
            guarded("/orders-v3/order/{order_id}/invoices", self.invoices),
            guarded("/orders/packing-slip", self.packing_slip),
            guarded("/invoice/download", self.invoice),
            guarded("/documents/token/{invoice_id}", self.invoice_token, "POST"),
            guarded("/documents/download/{invoice_id}/document.pdf", self.invoice, "GET", "POST"),
            guarded("/easyship/schedule", self.schedule, "GET", "POST"),
            guarded("/easyship/label/download", self.label),
            guarded("/easyship/label/batch", self.start_batch),
            guarded("/easyship/label/batch/{batch_id}", self.batch),
            guarded("/easyship/label/batch/{batch_id}/labels.pdf", self.batch_label),
        ]

    async def _guard(self, visit: Visit, handler: _Handler) -> Response:
        """Let a visitor in, or say why not, in the order in which the real site asks."""
        session, variants, path = visit.session, visit.variants, visit.request.url.path
        if session is None:
            return self._signed_out(visit)
        if variants.challenge is Challenge.AGENT_POLICY and Challenge.AGENT_POLICY not in visit.browser.passed:
            sign_in = self._state.start_sign_in(visit.browser, visit.wanted)
            return HTMLResponse(challenge_page(Challenge.AGENT_POLICY, sign_in, visit.language))
        is_picker = path.startswith(("/account-switcher/", "/merchant-picker", "/global-picker"))
        if variants.account_picker is not AccountPicker.NONE and session.marketplace is None and not is_picker:
            older = variants.account_picker is AccountPicker.OLDER
            picker = "/merchant-picker" if older else "/account-switcher/default/merchantMarketplace"
            return RedirectResponse(f"{picker}?{urlencode({'returnTo': visit.wanted})}", 302)
        needs_permission = path.startswith(("/orders", "/invoice", "/documents", "/easyship"))
        if needs_permission and not variants.may_see_orders:
            return RedirectResponse("/authorization/failed", 302)
        return await handler(visit, session)

    def _signed_out(self, visit: Visit) -> Response:
        answer = visit.variants.signed_out
        if answer is SignedOutAnswer.PAGE:
            return self._desk.first_page(visit)
        if answer is SignedOutAnswer.UNAUTHORIZED:
            return self._desk.first_page(visit, status=401)
        if answer is SignedOutAnswer.JSON_403 and visit.request.url.path != "/home":
            return JSONResponse({"reason": "sign_in"}, status_code=403)
        origin = f"{visit.request.url.scheme}://{visit.request.url.netloc}"
        query = urlencode({"openid.return_to": origin + visit.wanted, "openid.mode": "checkid_setup", "pageId": "sandbox"})
        return RedirectResponse(f"/ap/signin?{query}", 302)

    def _frame(self, visit: Visit, session: Session) -> pages.Frame:
        return pages.Frame(variants=visit.variants, csrf=session.csrf, closed=frozenset(visit.browser.closed))

    async def home(self, visit: Visit, session: Session) -> Response:
        """``/home``."""
        header = ""
        if visit.variants.account_picker is AccountPicker.OLDER:
            header = older_switcher(_MARKETPLACES, session.marketplace, visit.language)
        return HTMLResponse(pages.home_page(self._frame(visit, session), header))

    async def authorization_failed(self, visit: Visit, session: Session) -> Response:
        """The user may not see the page."""
        sentence = say("no_permission", visit.language)
        return HTMLResponse(pages.sentence_page(self._frame(visit, session), say("problem", visit.language), sentence))

    async def picker(self, visit: Visit, session: Session) -> Response:
        """The account picker of either generation."""
        return_to = local_path(visit.request.query_params.get("returnTo", "/home"))
        user = self._state.user(session.email)
        account = user.name if user else session.email
        if visit.request.url.path in ("/merchant-picker", "/global-picker"):
            return HTMLResponse(older_picker_page(account, _MARKETPLACES, return_to, visit.language, csrf=session.csrf))
        fails = visit.variants.account_picker is AccountPicker.CURRENT_FAILS_ONCE and "picker-failed" not in visit.browser.closed
        if fails:
            visit.browser.closed.add("picker-failed")
        return HTMLResponse(
            picker_page(
                account, _MARKETPLACES, session.marketplace, return_to, visit.language, csrf=session.csrf, fails=fails
            )
        )

    async def pick(self, visit: Visit, session: Session) -> Response:
        """The choice that was made."""
        form = await read_form(visit.request)
        if form.get("anti-csrftoken-a2z") != session.csrf or form.get("marketplace") not in _MARKETPLACES:
            return Response(status_code=403)
        session.marketplace = form["marketplace"]
        return RedirectResponse(local_path(form.get("returnTo", "/home")), 302)

    async def order_list(self, visit: Visit, session: Session) -> Response:
        """The orders, newest first, 50 on a page."""
        wanted = {"unshipped": "Unshipped", "shipped": "Shipped", "canceled": "Canceled"}.get(
            visit.request.path_params.get("status", "")
        )
        found = [order for order in self._orders(session).values() if wanted in (None, order.status)]
        found.sort(key=lambda order: (order.purchased_at, order.order_id), reverse=True)
        last_page = max(1, ceil(len(found) / _ORDERS_PER_PAGE))
        asked = visit.request.query_params.get("page", "1")
        page = min(last_page, max(1, int(asked) if asked.isdecimal() else 1))
        shown = found[(page - 1) * _ORDERS_PER_PAGE : page * _ORDERS_PER_PAGE]
        return HTMLResponse(
            pages.order_list_page(
                self._frame(visit, session), shown, page=page, last_page=last_page, path=visit.request.url.path
            )
        )

    async def order(self, visit: Visit, session: Session) -> Response:
        """One order."""
        order = self._order(session, visit.request.path_params["order_id"])
        if order is None:
            return self._unknown(visit, session)
        return HTMLResponse(pages.order_page(self._frame(visit, session), order))

    async def invoices(self, visit: Visit, session: Session) -> Response:
        """What the invoice modal is filled with; a whole page of its own inside an iframe."""
        order = self._order(session, visit.request.path_params["order_id"])
        if order is None or order.invoice_number is None:
            return Response(status_code=404)
        rows = pages.invoice_rows(self._frame(visit, session), order, self._state.invoice_id(order.order_id))
        return HTMLResponse(f"<!doctype html><html><body>{rows}</body></html>" if "frame" in visit.request.query_params else rows)

    async def packing_slip(self, visit: Visit, session: Session) -> Response:
        """A page, not a PDF; ``orderIds`` are separated by semicolons."""
        fault = _fault(visit)
        if (answer := self._faulty(visit, session, fault)) is not None:
            return answer
        ids = visit.request.query_params.get("orderIds", "").split(";")
        found = [order for order_id in ids if (order := self._order(session, order_id))]
        if not found:
            return self._unknown(visit, session)
        self._state.counts.documents[DocumentKind.PACKING_SLIP] += 1
        if fault is not None and fault.fault is Fault.WRONG_ORDER:
            found = [self._other(order) for order in found]
        if fault is not None and fault.fault is Fault.NO_TEXT:
            return HTMLResponse('<!doctype html><html><body><hr style="height:40mm;background:#000"></body></html>')
        return HTMLResponse(pages.packing_slip_page(visit.language, found))

    async def invoice_token(self, visit: Visit, session: Session) -> Response:
        """A download address that works once: what the button that obeys a person only asks for."""
        if visit.request.headers.get("anti-csrftoken-a2z") != session.csrf:
            return Response(status_code=403)
        token = new_token()
        self._state.download_tokens.add(token)
        url = f"/documents/download/{quote(visit.request.path_params['invoice_id'])}/document.pdf?token={token}"
        return JSONResponse({"url": url})

    async def invoice(self, visit: Visit, session: Session) -> Response:
        """The invoice's PDF."""
        request, form = visit.request, visit.variants.invoice
        attachment = False
        order_id = request.query_params.get("orderId") or self._state.invoices.get(request.path_params.get("invoice_id", ""), "")
        order = self._order(session, order_id)
        if order is None or order.invoice_number is None:
            return self._unknown(visit, session)
        if request.url.path.startswith("/documents/"):
            if form is InvoiceForm.MODAL_FORM:
                if request.method != "POST":
                    return Response(status_code=405)
                if (await read_form(request)).get("anti-csrftoken-a2z") != session.csrf:
                    return Response(status_code=403)
            if form is InvoiceForm.MODAL_CLICK:
                token = request.query_params.get("token", "")
                if token not in self._state.download_tokens:
                    return Response(status_code=403)
                self._state.download_tokens.discard(token)
                attachment = True
        return self._paper(visit, session, DocumentKind.INVOICE, order, attachment=attachment)

    async def schedule(self, visit: Visit, session: Session) -> Response:
        """Schedule a pickup by hand, where the program that serves the sandbox allows it."""
        order = self._order(session, visit.request.query_params.get("orderId", ""))
        frame = self._frame(visit, session)
        if order is None:
            return self._unknown(visit, session)
        title = say("schedule", visit.language)
        back = f"/orders-v3/order/{order.order_id}"
        if self._state.schedule is None:
            return HTMLResponse(pages.sentence_page(frame, title, say("pickup_by_feed", visit.language)))
        if visit.request.method == "POST":
            form = await read_form(visit.request)
            if form.get("anti-csrftoken-a2z") != session.csrf:
                return Response(status_code=403)
            try:
                day = date.fromisoformat(form.get("day", ""))
            except ValueError:
                return RedirectResponse(visit.wanted, 302)
            self._state.schedule(order.order_id, day)
            return RedirectResponse(back, 302)
        today = self._state.clock.now().date()
        days = "".join(f"<option>{today + timedelta(days=ahead)}</option>" for ahead in range(1, 8))
        fields = f'<input type="hidden" name="anti-csrftoken-a2z" value="{session.csrf}"><select name="day">{days}</select>'
        extra = f'<form method="post">{fields}<p><input type="submit" class="primary" value="{title}"></p></form>'
        return HTMLResponse(pages.sentence_page(frame, title, say("pickup_when", visit.language), extra))

    async def label(self, visit: Visit, session: Session) -> Response:
        """The label's PDF; 202 while it is being made."""
        order = self._order(session, visit.request.query_params.get("orderId", ""))
        ready_at = self._state.label_ready_at(order) if order else None
        if order is None or ready_at is None:
            return self._unknown(visit, session)
        wait = (ready_at - self._state.clock.now()).total_seconds()
        if wait > 0:
            return self._not_ready(visit, session, wait)
        return self._paper(visit, session, DocumentKind.SHIPPING_LABEL, order)

    async def start_batch(self, visit: Visit, session: Session) -> Response:
        """Begin to make a label in the background."""
        order = self._order(session, visit.request.query_params.get("orderIds", ""))
        ready_at = self._state.label_ready_at(order) if order else None
        if order is None or ready_at is None:
            return self._unknown(visit, session)
        in_background = self._state.clock.now() + timedelta(seconds=self._state.batch_seconds)
        batch = self._state.start_batch(order.order_id, max(ready_at, in_background))
        return RedirectResponse(f"/easyship/label/batch/{batch.batch_id}", 302)

    async def batch(self, visit: Visit, session: Session) -> Response:
        """How far it is."""
        batch = self._state.batches.get(visit.request.path_params["batch_id"])
        if batch is None:
            return self._unknown(visit, session)
        done = self._state.clock.now() >= batch.ready_at
        return HTMLResponse(pages.batch_page(self._frame(visit, session), batch, done=done))

    async def batch_label(self, visit: Visit, session: Session) -> Response:
        """The PDF that was made in the background."""
        batch = self._state.batches.get(visit.request.path_params["batch_id"])
        order = self._order(session, batch.order_id) if batch else None
        if batch is None or order is None or self._state.clock.now() < batch.ready_at:
            return self._unknown(visit, session)
        return self._paper(visit, session, DocumentKind.SHIPPING_LABEL, order, attachment=True)

    def _paper(
        self, visit: Visit, session: Session, kind: DocumentKind, order: PortalOrder, *, attachment: bool = False
    ) -> Response:
        """A PDF as it should be, or as the planned fault wants it."""
        fault = _fault(visit)
        if (answer := self._faulty(visit, session, fault)) is not None:
            return answer
        self._state.counts.documents[kind] += 1
        if fault is not None and fault.fault is Fault.WRONG_ORDER:
            order = self._other(order)
        sheets = paper_pages(kind, order, label_on_a4=visit.variants.label_on_a4)
        if fault is not None and fault.fault is Fault.NO_TEXT:
            sheets = [sheet.without_text() for sheet in sheets]
        disposition = f'{"attachment" if attachment else "inline"}; filename="{kind}.pdf"'
        return Response(write_pdf(sheets), media_type="application/pdf", headers={"content-disposition": disposition})

    def _faulty(self, visit: Visit, session: Session, fault: PlannedFault | None) -> Response | None:
        """The answer that some faults put in a document's place."""
        if fault is None:
            return None
        if fault.fault is Fault.NOT_READY:
            return self._not_ready(visit, session, fault.seconds)
        if fault.fault is Fault.EMPTY:
            return Response(b"", media_type="application/pdf")
        if fault.fault is Fault.HTML_AS_PDF:
            sentence = pages.sentence_page(self._frame(visit, session), "Error", say("problem", visit.language))
            named = {"content-disposition": 'inline; filename="document.pdf"'}
            return Response(sentence, media_type="application/pdf", headers=named)
        return None

    def _not_ready(self, visit: Visit, session: Session, seconds: float) -> Response:
        sentence = say("not_ready", visit.language)
        html = pages.sentence_page(self._frame(visit, session), say("in_progress", visit.language), sentence)
        return HTMLResponse(html, status_code=202, headers={"retry-after": str(max(1, ceil(seconds)))})

    def _unknown(self, visit: Visit, session: Session) -> Response:
        sentence = say("unknown_order", visit.language)
        html = pages.sentence_page(self._frame(visit, session), say("problem", visit.language), sentence)
        return HTMLResponse(html, status_code=404)

    def _orders(self, session: Session) -> dict[str, PortalOrder]:
        """The orders of the chosen marketplace: all of them are the UAE's."""
        return dict(self._state.orders) if session.marketplace in (None, "AE") else {}

    def _order(self, session: Session, order_id: str) -> PortalOrder | None:
        return self._state.orders.get(order_id) if session.marketplace in (None, "AE") else None

    def _other(self, order: PortalOrder) -> PortalOrder:
        """Another order, as complete as this one."""
        other = sample_order(7_654_321, purchased_at=order.purchased_at)
        return attrs.evolve(order, order_id=other.order_id, invoice_number=other.invoice_number)


def _fault(visit: Visit) -> PlannedFault | None:
    """The fault that the site's gate left to the document's own handler."""
    fault: PlannedFault | None = visit.request.scope.get("sandbox.fault")
    return fault
