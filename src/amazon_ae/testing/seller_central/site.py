"""``SellerCentralSite``: the look-alike as one ASGI application, and the gate through which every request comes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from datetime import date
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs

import attrs
from starlette.applications import Starlette
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse
from starlette.routing import Route

from amazon_ae.models.documents import DocumentKind
from amazon_ae.ports import Clock
from amazon_ae.testing.papers import PortalOrder
from amazon_ae.testing.seller_central.control import ControlPages
from amazon_ae.testing.seller_central.desk import SignInDesk
from amazon_ae.testing.seller_central.faults import Fault, PlannedFault
from amazon_ae.testing.seller_central.seller import SellerPages
from amazon_ae.testing.seller_central.state import SiteCounts, SiteRequest, SiteState, SiteUser, new_token
from amazon_ae.testing.seller_central.variants import Language, SiteVariants
from amazon_ae.testing.seller_central.visits import BROWSER_COOKIE, LANGUAGE_COOKIE, SESSION_COOKIE
from amazon_ae.testing.serving import drop_connection

__all__ = ["SellerCentralSite"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# Real time, since this is the network's: Playwright (1.65) misses a connection that ends while it still stores the
# answer's cookies, and then waits for its time limit instead of saying that the answer was cut.
_CUT_AFTER_SECONDS = 0.05
_YEAR_SECONDS = 365 * 86_400
_STRANGE_PAGE = "<!doctype html><html><head><title>Hello</title></head><body><p>Something quite new.</p></body></html>"
_STATUS = {Fault.STATUS_500: 500, Fault.STATUS_503: 503, Fault.BARE_403: 403}


class SellerCentralSite:
    """A look-alike of Seller Central for tests, demonstrations and people; an ASGI application.

    It shows the pages that public sources know, with their addresses and ids, and any of their faces and faults::

        user = SiteUser(email="...", password="...", totp_secret="...")
        site = SellerCentralSite(clock=clock, users=[user], orders=orders)
        site.variants = attrs.evolve(site.variants, sign_in=SignInForm.ONE_PAGE)
        site.fail(DocumentKind.INVOICE, Fault.CUT)
        async with serve(site) as origin: ...

    A person does the same on ``/__sandbox``. It is a fake of a browser's counterpart, not of Amazon's security.

    Args:
        clock: checks one-time codes, ends sessions, makes labels; give it the clock of the program under test.
        users: who may sign in.
        orders: what Seller Central knows, by order id. It is read at every request, so a live view of another fake's
            orders keeps both the same.
        variants: the face to begin with.
        schedule: called with order id and day when a person schedules a pickup on the site; it makes ``orders`` show
            the pickup. Without it the page says that pickups are scheduled elsewhere.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        users: Iterable[SiteUser],
        orders: Mapping[str, PortalOrder],
        variants: SiteVariants | None = None,
        schedule: Callable[[str, date], None] | None = None,
    ) -> None:
        self._state = SiteState(clock=clock, users=users, orders=orders, variants=variants or SiteVariants())
        self._state.schedule = schedule
        desk = SignInDesk(self._state)
        self._app = Starlette(
            routes=[
                Route("/", lambda request: RedirectResponse("/home", 302)),
                Route("/favicon.ico", lambda request: PlainTextResponse("", status_code=204)),
                *ControlPages(self._state).routes(),
                *desk.routes(),
                *SellerPages(self._state, desk).routes(),
            ]
        )

    @property
    def variants(self) -> SiteVariants:
        """The face shown to everybody whose browser has none of its own (cookie ``sandbox-variants``)."""
        return self._state.variants

    @variants.setter
    def variants(self, variants: SiteVariants) -> None:
        self._state.variants = variants

    @property
    def label_seconds(self) -> float:
        """How long a label is in the making after its pickup was scheduled."""
        return self._state.label_seconds

    @label_seconds.setter
    def label_seconds(self, seconds: float) -> None:
        self._state.label_seconds = seconds

    @property
    def batch_seconds(self) -> float:
        """How long the background page (``LabelForm.BATCH``) works on one label."""
        return self._state.batch_seconds

    @batch_seconds.setter
    def batch_seconds(self, seconds: float) -> None:
        self._state.batch_seconds = seconds

    @property
    def session_seconds(self) -> float:
        """How long a session lives, from sign-in on."""
        return self._state.session_seconds

    @session_seconds.setter
    def session_seconds(self, seconds: float) -> None:
        self._state.session_seconds = seconds

    @property
    def code_steps(self) -> int:
        """How many 30-second steps a one-time code may be early or late; 1, or more on a clock that runs fast."""
        return self._state.code_steps

    @code_steps.setter
    def code_steps(self, steps: int) -> None:
        self._state.code_steps = steps

    @property
    def counts(self) -> SiteCounts:
        """What happened so far."""
        return self._state.counts

    @property
    def requests(self) -> Sequence[SiteRequest]:
        """The last 5,000 requests, oldest first, without those of the control page."""
        return tuple(self._state.requests)

    @property
    def faults(self) -> Sequence[PlannedFault]:
        """The faults that are still to come."""
        return self._state.faults.planned

    def fail(
        self,
        where: DocumentKind | str,
        fault: Fault,
        *,
        times: int | None = 1,
        seconds: float = 0.0,
        order_id: str | None = None,
    ) -> None:
        """Let the next ``times`` requests to ``where`` go wrong.

        Args:
            where: a kind of document, or the beginning of a path: ``"/ap/mfa"``, ``"/orders-v3/order/"``, ``"/"``.
            times: ``None`` is for ever.
            seconds: how long a ``DELAY`` is, or what ``NOT_READY`` says in ``Retry-After``.
            order_id: only requests about this order.

        Raises:
            ValueError: it could never happen: a document's fault on a path, or no times at all.
        """
        self._state.faults.add(PlannedFault(fault, where, seconds, times, order_id))

    def clear_faults(self) -> None:
        """Forget all faults that are still to come."""
        self._state.faults.clear()

    def expire_sessions(self) -> None:
        """End every session: each browser must sign in again (a trusted one without a code)."""
        self._state.sessions.clear()

    def forget_devices(self) -> None:
        """Trust no device any more, and let nobody have passed a challenge or closed a nag."""
        self._state.trusted.clear()
        self._state.browsers.clear()

    def approve(self) -> None:
        """Confirm the push message of every sign-in that waits for one, as a person does on the phone."""
        for sign_in in self._state.sign_ins.values():
            sign_in.approved = True

    def answer(self) -> str:
        """What the newest sign-in's captcha shows, and the code that its SMS holds: for a test that plays the person.

        Raises:
            LookupError: nobody is signing in.
        """
        if not self._state.sign_ins:
            raise LookupError("nobody is signing in")
        return next(reversed(self._state.sign_ins.values())).answer

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request (ASGI 3)."""
        if scope["type"] != "http" or scope["path"].startswith("/__sandbox"):
            scope["sandbox.browser_id"] = self._browser_id(scope)[0]
            await self._app(scope, receive, send)
            return
        state, path = self._state, scope["path"]
        kind, order_id = self._about(scope)
        log = SiteRequest(
            method=scope["method"], path=path, at=state.clock.now(), status=0, kind=kind, order_id=order_id
        )
        counts = state.counts
        counts.requests += 1
        counts.in_flight += 1
        counts.most_in_flight = max(counts.most_in_flight, counts.in_flight)
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._gate(scope, receive, watched, kind, order_id)
        finally:
            counts.in_flight -= 1
            state.requests.append(attrs.evolve(log, status=status))

    async def _gate(
        self,
        scope: MutableMapping[str, Any],
        receive: Receive,
        send: Send,
        kind: DocumentKind | None,
        order_id: str | None,
    ) -> None:
        """Apply the planned faults, then hand on."""
        fault: Fault | None = None
        for planned in self._state.faults.take(scope["path"], kind, order_id):
            if planned.fault is Fault.DELAY:
                await self._state.clock.sleep(planned.seconds)
                continue
            fault = planned.fault
            scope["sandbox.fault"] = planned
        if fault is not None and fault in _STATUS:
            await PlainTextResponse("", status_code=_STATUS[fault])(scope, receive, send)
            return
        if fault is Fault.HANG:
            await _until_client_leaves(receive)
            return
        if fault is Fault.DROP:
            await drop_connection(scope, receive)
            return
        if fault is Fault.STRANGE_PAGE:
            await HTMLResponse(_STRANGE_PAGE)(scope, receive, send)
            return
        if fault is Fault.SIGN_OUT:
            self._state.sessions.pop(_cookies(scope).get(SESSION_COOKIE, ""), None)
        browser_id, is_new = self._browser_id(scope)
        scope["sandbox.browser_id"] = browser_id
        # Amazon re-issues session-token with every answer; a program must keep what it was given last.
        fresh = [("session-token", new_token())] + ([(BROWSER_COOKIE, browser_id)] if is_new else [])
        if (language := _query(scope).get("language", [""])[0][:2]) in tuple(Language):
            fresh.append((LANGUAGE_COOKIE, language))

        async def with_cookies(message: Message) -> None:
            if message["type"] == "http.response.start":
                lines = [
                    (b"set-cookie", f"{name}={value}; Max-Age={_YEAR_SECONDS}; Path=/; HttpOnly; SameSite=lax".encode())
                    for name, value in fresh
                ]
                lines.append((b"date", format_datetime(self._state.clock.now(), usegmt=True).encode()))
                message = {**message, "headers": [*message.get("headers", []), *lines]}
            await send(message)

        if fault is Fault.CUT:
            await self._app(scope, receive, _cut(with_cookies))
            await asyncio.sleep(_CUT_AFTER_SECONDS)
            await drop_connection(scope, receive)
        else:
            await self._app(scope, receive, with_cookies)

    def _browser_id(self, scope: Mapping[str, Any]) -> tuple[str, bool]:
        """The browser's id, and whether it was just given one."""
        known = _cookies(scope).get(BROWSER_COOKIE, "")
        return (known, False) if known else (new_token(), True)

    def _about(self, scope: Mapping[str, Any]) -> tuple[DocumentKind | None, str | None]:
        """Which document of which order a request wants, as far as its address tells."""
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


def _query(scope: Mapping[str, Any]) -> dict[str, list[str]]:
    return parse_qs(scope.get("query_string", b"").decode("latin-1"))


def _cookies(scope: Mapping[str, Any]) -> dict[str, str]:
    return cookie_parser(b"; ".join(value for name, value in scope["headers"] if name == b"cookie").decode("latin-1"))


async def _until_client_leaves(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


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
