"""``/__sandbox``: where a person, or a program in any language, sets the face of the site and its faults."""

from __future__ import annotations

from datetime import datetime

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from amazon_ae._models.documents import DocumentKind
from amazon_ae.testing._seller_central.codes import code_of, step_of
from amazon_ae.testing._seller_central.faults import Fault, PlannedFault
from amazon_ae.testing._seller_central.pages import render
from amazon_ae.testing._seller_central.request_context import VARIANTS_COOKIE, read_form, visit_of
from amazon_ae.testing._seller_central.state import SiteState
from amazon_ae.testing._seller_central.variants import choices_of

__all__ = ["ControlHandlers"]

_SHOWN_REQUESTS = 25


class ControlHandlers:
    """The control page and the addresses behind its buttons."""

    def __init__(self, state: SiteState) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        """Where each answer lives."""
        return [
            Route("/__sandbox", self.show, methods=["GET"]),
            Route("/__sandbox/state", self.as_json, methods=["GET"]),
            Route("/__sandbox/variants", self.set_variants, methods=["POST"]),
            Route("/__sandbox/faults", self.plan_fault, methods=["POST"]),
            Route("/__sandbox/clear", self.clear, methods=["POST"]),
            Route("/__sandbox/expire", self.expire, methods=["POST"]),
            Route("/__sandbox/approve", self.approve, methods=["POST"]),
            Route("/__sandbox/close", self.close, methods=["POST"]),
        ]

    async def set_variants(self, request: Request) -> Response:
        """Change variants, each as ``name=value``.

        ``scope=browser`` keeps the change to this cookie jar; ``reset=1`` forgets what is this jar's own.
        """
        form = await read_form(request)
        scope, reset = form.pop("scope", "site"), form.pop("reset", "")
        response = RedirectResponse("/__sandbox", 303)
        if reset:
            response.delete_cookie(VARIANTS_COOKIE)
            return response
        try:
            if scope == "browser":
                chosen = visit_of(request, self._state).variants.with_changes(form)
                response.set_cookie(VARIANTS_COOKIE, chosen.to_text(), samesite="lax")
            else:
                self._state.variants = self._state.variants.with_changes(form)
        except ValueError as error:
            return PlainTextResponse(str(error), status_code=400)
        return response

    async def plan_fault(self, request: Request) -> Response:
        """Plan ``fault`` at ``where``, a kind of document or the beginning of a path.

        If wanted with ``times`` (1 by default, 0: forever), ``seconds`` and ``order_id``.
        """
        form = await read_form(request)
        try:
            times = int(form.get("times") or 1)
            where = form.get("path") or form.get("where", "")
            self._state.faults.add(
                PlannedFault(
                    Fault(form.get("fault", "")),
                    DocumentKind(where) if where in tuple(DocumentKind) else where,
                    float(form.get("seconds") or 0),
                    times or None,
                    form.get("order_id") or None,
                )
            )
        except ValueError as error:
            return PlainTextResponse(str(error), status_code=400)
        return RedirectResponse("/__sandbox", 303)

    async def clear(self, request: Request) -> Response:
        """Forget the planned faults."""
        self._state.faults.clear()
        return RedirectResponse("/__sandbox", 303)

    async def expire(self, request: Request) -> Response:
        """End every session."""
        self._state.sessions.clear()
        return RedirectResponse("/__sandbox", 303)

    async def approve(self, request: Request) -> Response:
        """Confirm every push message that waits."""
        for sign_in in self._state.sign_ins.values():
            sign_in.approved = True
        return RedirectResponse("/__sandbox", 303)

    async def close(self, request: Request) -> Response:
        """A tour was closed: do not show it to this browser again."""
        visit_of(request, self._state).browser.closed.add((await read_form(request)).get("what", ""))
        return Response(status_code=204)

    async def as_json(self, request: Request) -> Response:
        """Variants, counts and faults, for programs in other languages."""
        counts = self._state.counts
        return JSONResponse(
            {
                "variants": self._state.variants.to_changes(),
                "counts": {
                    "sign_ins": counts.sign_ins,
                    "passwords": counts.passwords,
                    "codes": counts.codes,
                    "accepted_codes": counts.accepted_codes,
                    "wrong_codes": counts.wrong_codes,
                    "reused_codes": counts.reused_codes,
                    "messages_sent": counts.messages_sent,
                    "requests": counts.requests,
                    "documents": {str(kind): counts.documents[kind] for kind in DocumentKind},
                },
                "faults": [_fault_text(planned) for planned in self._state.faults.planned],
            }
        )

    async def show(self, request: Request) -> Response:
        """The control page."""
        state, now = self._state, self._state.clock.now()
        html = render(
            "control.html",
            now=now,
            users=[(user, _code(user.totp_secret, now)) for user in state.users.values()],
            sign_ins=[sign_in for sign_in in state.sign_ins.values() if sign_in.email][-3:],
            is_own=VARIANTS_COOKIE in request.cookies,
            chosen=visit_of(request, state).variants.to_changes(),
            choices_of=choices_of,
            planned=[_fault_text(planned) for planned in state.faults.planned],
            kinds=DocumentKind,
            faults=Fault,
            counts=state.counts,
            requests=list(state.requests)[: -_SHOWN_REQUESTS - 1 : -1],
        )
        return HTMLResponse(html)


def _fault_text(planned: PlannedFault) -> str:
    times = "always" if planned.times is None else f"{planned.times} times"
    seconds = f", {planned.seconds:g} s" if planned.seconds else ""
    order = f", order {planned.order_id}" if planned.order_id else ""
    return f"{planned.fault} at {planned.where}: {times}{seconds}{order}"


def _code(secret: str, now: datetime) -> str:
    return code_of(secret, step_of(now)) if secret else "two-step verification is off"
