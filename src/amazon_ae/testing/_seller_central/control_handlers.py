"""``/__sandbox``: where a person, or a program in any language, sets the face of the site and its faults."""

from __future__ import annotations

from datetime import datetime
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from amazon_ae._models.documents import DocumentKind
from amazon_ae.testing._seller_central.codes import code_of, step_of
from amazon_ae.testing._seller_central.faults import Fault, PlannedFault
from amazon_ae.testing._seller_central.html import narrow_page
from amazon_ae.testing._seller_central.request_context import VARIANTS_COOKIE, read_form, visit_of
from amazon_ae.testing._seller_central.state import SiteState
from amazon_ae.testing._seller_central.variants import Language, choices_of

__all__ = ["ControlHandlers"]

_SHOWN_REQUESTS = 25
_STYLE = """<style>
main.narrow { max-width: 1040px }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); gap: 2px 18px }
.line { display: flex; flex-wrap: wrap; gap: 8px }
.line > * { width: auto !important; flex: 1 1 120px }
td, th { padding: 4px 9px }
</style>"""


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
        visit = visit_of(request, self._state)
        own = " <b>(this browser has its own)</b>" if VARIANTS_COOKIE in request.cookies else ""
        body = (
            f"<h1>Sandbox control</h1>{self._users()}{self._sign_ins()}<h2>Variants{own}"
            f"</h2>{_variants_form(visit.variants.to_changes())}"
            f"<h2>Faults</h2>{self._faults()}<h2>Sessions</h2>"
            f'<div class="actions">{_button("expire", "End all sessions")}</div>'
            f"<h2>Requests</h2>{self._requests()}"
        )
        return HTMLResponse(narrow_page("Sandbox control", body, language=Language.ENGLISH, head=_STYLE))

    def _users(self) -> str:
        now = self._state.clock.now()
        rows = "".join(
            f"<tr><td>{escape(user.email)}</td><td>{escape(user.password)}</td><td>{_code(user.totp_secret, now)}"
            "</td></tr>"
            for user in self._state.users.values()
        )
        return (
            f'<p><a href="/home">Open the site</a> · its clock says {now:%Y-%m-%d %H:%M:%S} UTC</p>'
            f"<table><thead><tr><th>E-mail</th><th>Password</th><th>Code now</th></tr></thead><tbody>{rows}</tbody>"
            "</table>"
        )

    def _sign_ins(self) -> str:
        """The codes and answers that a person would have, for the sign-ins under way."""
        waiting = [sign_in for sign_in in self._state.sign_ins.values() if sign_in.email][-3:]
        if not waiting:
            return ""
        rows = "".join(
            f"<tr><td>{escape(sign_in.email)}</td><td>{sign_in.answer}</td></tr>" for sign_in in reversed(waiting)
        )
        return (
            "<h2>Sign-ins under way</h2><table><thead><tr><th>E-mail</th><th>Captcha and SMS code</th></tr></thead>"
            f"<tbody>{rows}</tbody></table>"
            f'<div class="actions">{_button("approve", "Approve the push notification")}</div>'
        )

    def _faults(self) -> str:
        planned = "".join(f"<li>{escape(_fault_text(fault))}</li>" for fault in self._state.faults.planned)
        kinds = "".join(f"<option>{kind}</option>" for kind in DocumentKind)
        faults = "".join(f"<option>{fault}</option>" for fault in Fault)
        return (
            f'<ul>{planned}</ul><form method="post" action="/__sandbox/faults"><div class="line">'
            f'<select name="where">{kinds}</select>'
            f'<input type="text" name="path" placeholder="or a path, /orders-v3"><select name="fault">{faults}</select>'
            '<input type="text" name="times" placeholder="times: 1, 0 = forever">'
            '<input type="text" name="seconds" placeholder="seconds">'
            '<input type="text" name="order_id" placeholder="only this order"></div><p>'
            '<input type="submit" class="primary" value="Plan the fault"></p></form>'
            + (f'<div class="actions">{_button("clear", "Forget all faults")}</div>' if planned else "")
        )

    def _requests(self) -> str:
        rows = "".join(
            f"<tr><td>{request.at:%H:%M:%S}</td><td>{request.method}</td><td>{escape(request.path)}</td>"
            f"<td>{request.status or 'dropped'}</td></tr>"
            for request in list(self._state.requests)[: -_SHOWN_REQUESTS - 1 : -1]
        )
        counts = self._state.counts
        documents = ", ".join(f"{counts.documents[kind]} {kind}" for kind in DocumentKind)
        return (
            f"<p>{counts.requests} requests, {counts.sign_ins} sign-ins, {counts.codes} codes tried; served "
            f"{documents}.</p>"
            f"<table><tbody>{rows}</tbody></table>"
        )


def _variants_form(chosen: dict[str, str]) -> str:
    fields = "".join(
        f'<div><label for="v-{name}">{name.replace("_", " ")}</label><select id="v-{name}" name="{name}">'
        + "".join(f"<option{' selected' if choice == value else ''}>{choice}</option>" for choice in choices_of(name))
        + "</select></div>"
        for name, value in chosen.items()
    )
    return (
        f'<form method="post" action="/__sandbox/variants"><div class="grid">{fields}</div><p class="actions">'
        '<button name="scope" value="site" class="primary">Set for everybody</button>'
        '<button name="scope" value="browser">Set for this browser only</button>'
        '<button name="reset" value="1">Forget this browser\'s own</button></p></form>'
    )


def _button(action: str, text: str) -> str:
    return f'<form method="post" action="/__sandbox/{action}"><button>{text}</button></form>'


def _fault_text(planned: PlannedFault) -> str:
    times = "always" if planned.times is None else f"{planned.times} times"
    seconds = f", {planned.seconds:g} s" if planned.seconds else ""
    order = f", order {planned.order_id}" if planned.order_id else ""
    return f"{planned.fault} at {planned.where}: {times}{seconds}{order}"


def _code(secret: str, now: datetime) -> str:
    return code_of(secret, step_of(now)) if secret else "two-step verification is off"
