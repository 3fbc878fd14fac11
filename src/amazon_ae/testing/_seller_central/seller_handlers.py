"""Answers behind the sign-in: the pages, and every answer to a lost session."""

from __future__ import annotations

from datetime import date, timedelta
from math import ceil
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from amazon_ae.testing._seller_central import order_pages as pages
from amazon_ae.testing._seller_central.challenge_pages import challenge_page
from amazon_ae.testing._seller_central.document_handlers import DocumentHandlers
from amazon_ae.testing._seller_central.html import hidden
from amazon_ae.testing._seller_central.picker_pages import MARKETPLACES, older_picker_page, picker_page
from amazon_ae.testing._seller_central.request_context import (
    Handler,
    Visit,
    frame_of,
    local_path,
    order_for,
    read_form,
    unknown_order,
    visit_of,
)
from amazon_ae.testing._seller_central.sign_in_handlers import SignInHandlers
from amazon_ae.testing._seller_central.state import Session, SiteState
from amazon_ae.testing._seller_central.texts import say
from amazon_ae.testing._seller_central.variants import AccountPicker, Challenge, SignedOutAnswer

__all__ = ["SellerHandlers"]

_ORDERS_PER_PAGE: Final = 50
_PICKERS: Final = ("/account-switcher/", "/merchant-picker", "/global-picker")
_NEEDS_PERMISSION: Final = ("/orders", "/invoice", "/documents", "/easyship")


class SellerHandlers:
    """Answers everything that needs a session."""

    def __init__(self, state: SiteState, sign_in: SignInHandlers) -> None:
        self._state = state
        self._sign_in = sign_in

    def routes(self) -> list[Route]:
        """Where each answer lives."""

        def guarded(path: str, handler: Handler, methods: list[str]) -> Route:
            async def answer(request: Request) -> Response:
                return await self._guard(visit_of(request, self._state), handler)

            return Route(path, answer, methods=methods)

        pages_and_papers = [
            ("/home", self.home, ["GET"]),
            ("/authorization/failed", self.authorization_failed, ["GET"]),
            ("/account-switcher/default/merchantMarketplace", self.picker, ["GET"]),
            ("/merchant-picker", self.picker, ["GET"]),
            ("/global-picker", self.picker, ["GET"]),
            ("/account-switcher/select", self.pick, ["POST"]),
            ("/orders-v3", self.order_list, ["GET"]),
            ("/orders-v3/mfn/{status}", self.order_list, ["GET"]),
            ("/orders-v3/order/{order_id}", self.order, ["GET"]),
            ("/easyship/schedule", self.schedule, ["GET", "POST"]),
            *DocumentHandlers(self._state).handlers(),
        ]
        return [guarded(path, handler, methods) for path, handler, methods in pages_and_papers]

    async def _guard(self, visit: Visit, handler: Handler) -> Response:
        """Let a visitor in or refuse, checking in the order of the real site."""
        session, variants, path = visit.session, visit.variants, visit.request.url.path
        if session is None:
            return self._signed_out(visit)
        if variants.challenge is Challenge.AGENT_POLICY and Challenge.AGENT_POLICY not in visit.browser.passed:
            sign_in = self._state.start_sign_in(visit.browser, visit.wanted)
            return HTMLResponse(challenge_page(Challenge.AGENT_POLICY, sign_in, visit.language))
        if variants.account_picker is AccountPicker.HEADER and session.marketplace is None:
            session.marketplace = "SA"
        asked = visit.request.query_params.get("mons_sel_mkid")
        for code, marketplace in MARKETPLACES.items():
            session.marketplace = code if marketplace.marketplace_id == asked else session.marketplace
        must_pick = variants.account_picker is not AccountPicker.NONE and session.marketplace is None
        if must_pick and not path.startswith(_PICKERS):
            older = variants.account_picker is AccountPicker.OLDER
            picker = "/merchant-picker" if older else "/account-switcher/default/merchantMarketplace"
            return RedirectResponse(f"{picker}?{urlencode({'returnTo': visit.wanted})}", 302)
        if path.startswith(_NEEDS_PERMISSION) and not variants.may_see_orders:
            return RedirectResponse("/authorization/failed", 302)
        return await handler(visit, session)

    def _signed_out(self, visit: Visit) -> Response:
        answer = visit.variants.signed_out
        if answer is SignedOutAnswer.PAGE:
            return self._sign_in.first_page(visit)
        if answer is SignedOutAnswer.UNAUTHORIZED:
            return self._sign_in.first_page(visit, status=401)
        if answer is SignedOutAnswer.JSON_403 and visit.request.url.path != "/home":
            return JSONResponse({"reason": "sign_in"}, status_code=403)
        origin = f"{visit.request.url.scheme}://{visit.request.url.netloc}"
        query = urlencode({"openid.return_to": origin + visit.wanted, "openid.mode": "checkid_setup"})
        return RedirectResponse(f"/ap/signin?{query}", 302)

    async def home(self, visit: Visit, session: Session) -> Response:
        """``/home``."""
        return HTMLResponse(pages.home_page(frame_of(visit, session)))

    async def authorization_failed(self, visit: Visit, session: Session) -> Response:
        """The user may not see the page."""
        sentence = say("no_permission", visit.language)
        return HTMLResponse(pages.sentence_page(frame_of(visit, session), say("problem", visit.language), sentence))

    async def picker(self, visit: Visit, session: Session) -> Response:
        """The account picker of either generation."""
        return_to = local_path(visit.request.query_params.get("returnTo", "/home"))
        user = self._state.user(session.email)
        accounts = (user.name, *user.other_accounts) if user else (session.email,)
        if visit.request.url.path in ("/merchant-picker", "/global-picker"):
            return HTMLResponse(older_picker_page(accounts, return_to, visit.variants, csrf=session.csrf))
        fails = visit.variants.account_picker is AccountPicker.CURRENT_FAILS_ONCE
        fails = fails and "picker-error" not in visit.browser.closed
        if fails:
            visit.browser.closed.add("picker-error")
        return HTMLResponse(
            picker_page(accounts, session.marketplace, return_to, visit.variants, csrf=session.csrf, fails=fails)
        )

    async def pick(self, visit: Visit, session: Session) -> Response:
        """The choice that was made."""
        form = await read_form(visit.request)
        if form.get("anti-csrftoken-a2z") != session.csrf or form.get("marketplace") not in MARKETPLACES:
            return Response(status_code=403)
        session.marketplace = form["marketplace"]
        session.account = form.get("account") or None
        self._state.counts.accounts[form.get("account", "")] += 1
        return RedirectResponse(local_path(form.get("returnTo", "/home")), 302)

    async def order_list(self, visit: Visit, session: Session) -> Response:
        """The orders, newest first, 50 on a page."""
        wanted = {"unshipped": "Unshipped", "shipped": "Shipped", "canceled": "Canceled"}.get(
            visit.request.path_params.get("status", "")
        )
        found = [
            order
            for order_id in self._state.orders
            if (order := order_for(self._state, session, order_id)) and wanted in (None, order.status)
        ]
        found.sort(key=lambda order: (order.purchased_at, order.order_id), reverse=True)
        last_page = max(1, ceil(len(found) / _ORDERS_PER_PAGE))
        asked = visit.request.query_params.get("page", "1")
        page = min(last_page, max(1, int(asked) if asked.isdecimal() else 1))
        shown = found[(page - 1) * _ORDERS_PER_PAGE : page * _ORDERS_PER_PAGE]
        return HTMLResponse(
            pages.order_list_page(
                frame_of(visit, session), shown, page=page, last_page=last_page, path=visit.request.url.path
            )
        )

    async def order(self, visit: Visit, session: Session) -> Response:
        """One order."""
        order = order_for(self._state, session, visit.request.path_params["order_id"])
        if order is None:
            return unknown_order(visit, session)
        return HTMLResponse(pages.order_page(frame_of(visit, session), order))

    async def schedule(self, visit: Visit, session: Session) -> Response:
        """Schedule a pickup by hand, where the program that serves the sandbox allows it."""
        order = order_for(self._state, session, visit.request.query_params.get("orderId", ""))
        frame = frame_of(visit, session)
        if order is None:
            return unknown_order(visit, session)
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
        fields = hidden(**{"anti-csrftoken-a2z": session.csrf}) + f'<select name="day">{days}</select>'
        extra = f'<form method="post">{fields}<p><input type="submit" class="primary" value="{title}"></p></form>'
        return HTMLResponse(pages.sentence_page(frame, title, say("pickup_when", visit.language), extra))
