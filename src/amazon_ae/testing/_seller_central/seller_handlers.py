"""Answers behind the sign-in: the pages, and every answer to a lost session."""

from __future__ import annotations

from datetime import date, timedelta
from math import ceil
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from amazon_ae.testing._seller_central.document_handlers import DocumentHandlers
from amazon_ae.testing._seller_central.pages import challenge_page
from amazon_ae.testing._seller_central.request_context import (
    MARKETPLACES,
    Handler,
    Visit,
    local_path,
    order_for,
    read_form,
    seller_page,
    sentence_page,
    unknown_order,
    visit_of,
)
from amazon_ae.testing._seller_central.sign_in_handlers import SignInHandlers
from amazon_ae.testing._seller_central.state import Session, SiteState
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
        return seller_page(visit, session, "home.html")

    async def authorization_failed(self, visit: Visit, session: Session) -> Response:
        """The user may not see the page."""
        return sentence_page(visit, session, "problem", "no_permission")

    async def picker(self, visit: Visit, session: Session) -> Response:
        """The account picker of either generation."""
        return_to = local_path(visit.request.query_params.get("returnTo", "/home"))
        user = self._state.user(session.email)
        accounts = (user.name, *user.other_accounts) if user else (session.email,)
        fails_once = visit.variants.account_picker is AccountPicker.CURRENT_FAILS_ONCE
        if visit.request.url.path in ("/merchant-picker", "/global-picker"):
            template = "older_picker.html"
        elif fails_once and "picker-error" not in visit.browser.closed:
            visit.browser.closed.add("picker-error")
            template = "picker_error.html"
        else:
            template = "picker.html"
        return seller_page(visit, session, template, accounts=accounts, return_to=return_to)

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
        path = visit.request.url.path
        return seller_page(visit, session, "orders.html", orders=shown, page=page, last_page=last_page, path=path)

    async def order(self, visit: Visit, session: Session) -> Response:
        """One order."""
        order = order_for(self._state, session, visit.request.path_params["order_id"])
        if order is None:
            return unknown_order(visit, session)
        return seller_page(visit, session, "order.html", order=order)

    async def schedule(self, visit: Visit, session: Session) -> Response:
        """Schedule a pickup by hand, where the program that serves the sandbox allows it."""
        order = order_for(self._state, session, visit.request.query_params.get("orderId", ""))
        if order is None:
            return unknown_order(visit, session)
        if self._state.schedule is None:
            return sentence_page(visit, session, "schedule", "pickup_by_feed")
        if visit.request.method == "POST":
            form = await read_form(visit.request)
            if form.get("anti-csrftoken-a2z") != session.csrf:
                return Response(status_code=403)
            try:
                day = date.fromisoformat(form.get("day", ""))
            except ValueError:
                return RedirectResponse(visit.wanted, 302)
            self._state.schedule(order.order_id, day)
            return RedirectResponse(f"/orders-v3/order/{order.order_id}", 302)
        today = self._state.clock.now().date()
        days = [today + timedelta(days=ahead) for ahead in range(1, 8)]
        return seller_page(visit, session, "schedule.html", days=days)
