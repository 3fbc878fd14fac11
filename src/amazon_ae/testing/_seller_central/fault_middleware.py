"""Every request passes here: it is counted, its planned fault happens, and the answer gets its cookies."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import format_datetime
from math import ceil
from typing import Final
from urllib.parse import parse_qs

import attrs
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse

from amazon_ae._models.documents import DocumentKind
from amazon_ae.testing._seller_central.faults import Fault
from amazon_ae.testing._seller_central.pages import render
from amazon_ae.testing._seller_central.request_context import BROWSER_COOKIE, LANGUAGE_COOKIE, SESSION_COOKIE
from amazon_ae.testing._seller_central.state import SiteRequest, SiteState, new_token
from amazon_ae.testing._seller_central.variants import Language
from amazon_ae.testing._serving import AsgiApp, Message, Receive, Scope, Send, drop_connection

__all__ = ["FaultMiddleware"]

_YEAR_SECONDS: Final = 365 * 86_400
# A browser shows a page of its own for an empty 500; the real site sends one. A bot wall's 403 is bare.
_ANSWERS: Final[Mapping[Fault, tuple[int, str]]] = {
    Fault.STATUS_500: (500, "error.html"),
    Fault.STATUS_503: (503, "error.html"),
    Fault.BARE_403: (403, ""),
    Fault.STRANGE_PAGE: (200, "strange_page.html"),
    Fault.THROTTLED: (429, "error.html"),
    Fault.BUSY: (503, "error.html"),
    Fault.WAF_CHALLENGE: (202, "waf_challenge.html"),
    Fault.WAF_BLOCK: (403, "waf_block.html"),
}
# AWS WAF names what it did in a header (AWS WAF developer guide, "Actions: CAPTCHA and Challenge").
_WAF_ACTIONS: Final = {Fault.WAF_CHALLENGE: "challenge", Fault.WAF_BLOCK: "block"}


class FaultMiddleware:
    """Stands before the site's own application. The control page and the browser tab's icon are not its business.

    An icon's late answer must bring no cookies: it would replace those of a sign-in that began meanwhile.
    """

    def __init__(self, state: SiteState, app: AsgiApp) -> None:
        self._state = state
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI 3)."""
        if scope["type"] != "http" or scope["path"].startswith(("/__sandbox", "/favicon.ico")):
            scope["sandbox.browser_id"] = _cookies(scope).get(BROWSER_COOKIE) or new_token()
            await self._app(scope, receive, send)
            return
        state, counts = self._state, self._state.counts
        kind, order_id = self._about(scope)
        log = SiteRequest(
            method=scope["method"], path=scope["path"], at=state.clock.now(), status=0, kind=kind, order_id=order_id
        )
        counts.requests += 1
        counts.in_flight += 1
        counts.most_in_flight = max(counts.most_in_flight, counts.in_flight)
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                date = format_datetime(state.clock.now(), usegmt=True)
                message = {**message, "headers": [*message.get("headers", []), (b"date", date.encode())]}
            await send(message)

        try:
            await self._pass(scope, receive, watched, kind, order_id)
        finally:
            counts.in_flight -= 1
            state.requests.append(attrs.evolve(log, status=status))

    async def _pass(
        self, scope: Scope, receive: Receive, send: Send, kind: DocumentKind | None, order_id: str | None
    ) -> None:
        """Apply the planned faults; pass every other request on."""
        fault: Fault | None = None
        seconds = 0.0
        for planned in self._state.faults.take(scope["path"], kind, order_id):
            if planned.fault is Fault.DELAY:
                await self._state.clock.sleep(planned.seconds)
                continue
            fault, seconds = planned.fault, planned.seconds
            scope["sandbox.fault"] = planned
        if fault is not None and fault in _ANSWERS:
            status, template = _ANSWERS[fault]
            headers = {}
            if fault in (Fault.THROTTLED, Fault.BUSY):
                headers["retry-after"] = str(ceil(seconds))
            if fault in _WAF_ACTIONS:
                headers["x-amzn-waf-action"] = _WAF_ACTIONS[fault]
            page = render(f"faults/{template}") if template else ""
            await HTMLResponse(page, status_code=status, headers=headers)(scope, receive, send)
        elif fault is Fault.CUT_SHORT:
            await self._app(scope, receive, _cut_short(_with_cookies(scope, send)))
        elif fault is Fault.HANG:
            await _until_client_leaves(receive)
        elif fault is Fault.DROP:
            await drop_connection(scope, receive)
        elif fault is Fault.CUT:
            # Without cookies: Playwright (1.65) misses a connection that ends while it still stores an answer's
            # cookies, and then waits for its time limit instead of telling at once that the answer was cut.
            scope["sandbox.browser_id"] = _cookies(scope).get(BROWSER_COOKIE) or new_token()
            await self._app(scope, receive, _cut(send))
            await drop_connection(scope, receive)
        else:
            if fault is Fault.SIGN_OUT:
                self._state.sessions.pop(_cookies(scope).get(SESSION_COOKIE, ""), None)
            await self._app(scope, receive, _with_cookies(scope, send))

    def _about(self, scope: Scope) -> tuple[DocumentKind | None, str | None]:
        """The document and order of a request, as far as its address shows them."""
        path: str = scope["path"]
        query = _query(scope)
        named = (query.get("orderIds") or query.get("orderId") or [""])[0] or None
        parts = path.split("/")
        if path == "/orders/packing-slip":
            return DocumentKind.PACKING_SLIP, named
        if path == "/invoice/download":
            return DocumentKind.INVOICE, named
        if path.startswith("/documents/download/"):
            return DocumentKind.INVOICE, self._state.invoices.get(parts[3])
        if path == "/easyship/label/download":
            return DocumentKind.SHIPPING_LABEL, named
        if path.startswith("/easyship/label/batch/"):
            batch = self._state.batches.get(parts[4])
            kind = DocumentKind.SHIPPING_LABEL if path.endswith(".pdf") else None
            return kind, batch.order_id if batch else None
        if path.startswith("/orders-v3/order/"):
            return None, parts[3]
        return None, named


def _with_cookies(scope: Scope, send: Send) -> Send:
    """Add the cookies of every answer, and pass the visitor's browser to the handlers."""
    known = _cookies(scope).get(BROWSER_COOKIE)
    scope["sandbox.browser_id"] = browser_id = known or new_token()
    # Amazon re-issues session-token with every answer; a program must keep what it was given last.
    fresh = {"session-token": new_token()} | ({} if known else {BROWSER_COOKIE: browser_id})
    if (language := _query(scope).get("language", [""])[0][:2]) in tuple(Language):
        fresh[LANGUAGE_COOKIE] = language
    lines = [
        (b"set-cookie", f"{name}={value}; Max-Age={_YEAR_SECONDS}; Path=/; HttpOnly; SameSite=lax".encode())
        for name, value in fresh.items()
    ]

    async def adding(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *lines]}
        await send(message)

    return adding


def _cut(send: Send) -> Send:
    """Send only the first half of the body, and never its end."""
    is_cut = False

    async def half(message: Message) -> None:
        nonlocal is_cut
        if message["type"] != "http.response.body":
            await send(message)
        elif not is_cut:
            is_cut = True
            body = message.get("body", b"")
            await send({**message, "body": body[: max(1, len(body) // 2)], "more_body": True})

    return half


def _cut_short(send: Send) -> Send:
    """Send the first half of the body as if it were the whole."""
    start: Message = {}
    body = bytearray()

    async def half(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
            return
        body.extend(message.get("body", b""))
        if message.get("more_body"):
            return
        part = bytes(body[: len(body) // 2])
        headers = [item for item in start.get("headers", []) if item[0] != b"content-length"]
        await send({**start, "headers": [*headers, (b"content-length", str(len(part)).encode())]})
        await send({"type": "http.response.body", "body": part})

    return half


async def _until_client_leaves(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _query(scope: Scope) -> dict[str, list[str]]:
    return parse_qs(scope.get("query_string", b"").decode("latin-1"))


def _cookies(scope: Scope) -> dict[str, str]:
    return cookie_parser(b"; ".join(value for name, value in scope["headers"] if name == b"cookie").decode("latin-1"))
