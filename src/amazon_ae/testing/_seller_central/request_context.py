"""One request as the handlers see it: whose browser it is, which face it is shown, and whether it is signed in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import attrs
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from amazon_ae._models.marketplaces import AE, EG, SA
from amazon_ae.testing._papers import PortalOrder
from amazon_ae.testing._seller_central.pages import render
from amazon_ae.testing._seller_central.state import Browser, Session, SiteState
from amazon_ae.testing._seller_central.variants import Language, SiteVariants, Tour

__all__ = [
    "BROWSER_COOKIE",
    "LANGUAGE_COOKIE",
    "MARKETPLACES",
    "SESSION_COOKIE",
    "TRUST_COOKIE",
    "VARIANTS_COOKIE",
    "Handler",
    "Visit",
    "local_path",
    "order_for",
    "read_form",
    "seller_page",
    "sentence_page",
    "unknown_order",
    "visit_of",
]

BROWSER_COOKIE = "session-id"
SESSION_COOKIE = "at-sandbox"
TRUST_COOKIE = "device-sandbox"
VARIANTS_COOKIE = "sandbox-variants"
LANGUAGE_COOKIE = "language"

MARKETPLACES: Final = {marketplace.code: marketplace for marketplace in (AE, SA, EG)}
"""Where the account sells."""

_TOURS: Final = {
    Tour.NONE: (),
    Tour.JOYRIDE: ("joyride",),
    Tour.KATAL: ("katal",),
    Tour.BOTH: ("joyride", "katal"),
    Tour.CONSENT: ("consent",),
    Tour.STACKED: ("joyride", "consent", "katal"),
}


@attrs.frozen
class Visit:
    """A request with its browser, session and user."""

    request: Request
    browser: Browser
    variants: SiteVariants
    session: Session | None

    @property
    def language(self) -> Language:
        """The language of the answer."""
        return self.variants.language

    @property
    def wanted(self) -> str:
        """Path and query, to come back to."""
        url = self.request.url
        return url.path + (f"?{url.query}" if url.query else "")


Handler = Callable[[Visit, Session], Awaitable[Response]]
"""Answers a visitor who is signed in and may see the page."""


def visit_of(request: Request, state: SiteState) -> Visit:
    """Look up browser, variants and session by the cookies. Variants in the cookie win over the site's."""
    variants = state.variants
    # A cookie that does not fit (an old name) is ignored: a person could not get rid of an error page.
    with suppress(ValueError):
        variants = variants.with_text(request.cookies.get(VARIANTS_COOKIE, "").strip('"'))
    for name in (request.query_params.get("language"), request.cookies.get(LANGUAGE_COOKIE)):
        if name and name[:2] in tuple(Language):
            variants = attrs.evolve(variants, language=Language(name[:2]))
            break
    session = state.session(request.cookies.get(SESSION_COOKIE, ""), state.clock.now())
    return Visit(request, state.browser(request.scope["sandbox.browser_id"]), variants, session)


def seller_page(
    visit: Visit,
    session: Session,
    template: str,
    *,
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
    **values: object,
) -> Response:
    """A page behind the sign-in: its own ``values``, and what all of them show of this visitor."""
    html = render(
        f"seller/{template}",
        visit.language,
        variants=visit.variants,
        csrf=session.csrf,
        marketplace=session.marketplace,
        marketplaces=MARKETPLACES,
        tours=[tour for tour in _TOURS[visit.variants.tour] if tour not in visit.browser.closed],
        **values,
    )
    return HTMLResponse(html, status_code=status_code, headers=headers)


def sentence_page(
    visit: Visit,
    session: Session,
    title: str,
    sentence: str,
    *,
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A page with one sentence. Title and sentence are names of texts; what is none is shown as it is."""
    return seller_page(
        visit, session, "sentence.html", status_code=status_code, headers=headers, title=title, sentence=sentence
    )


def order_for(state: SiteState, session: Session, order_id: str) -> PortalOrder | None:
    """An order of the account and marketplace that this visitor chose; all of them are the UAE's."""
    user = state.user(session.email)
    is_owner = user is None or session.account in (None, user.name)
    return state.orders.get(order_id) if is_owner and session.marketplace in (None, "AE") else None


def unknown_order(visit: Visit, session: Session) -> Response:
    """404: there is no such order, or no such paper of it."""
    return sentence_page(visit, session, "problem", "unknown_order", status_code=404)


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a posted form; of several with one name, the last."""
    return dict(parse_qsl((await request.body()).decode("utf-8", errors="replace"), keep_blank_values=True))


def local_path(url: str) -> str:
    """Path and query of ``url``; never another site, whatever was asked for."""
    parts = urlsplit(url)
    path = "/" + parts.path.lstrip("/\\")
    return path + (f"?{parts.query}" if parts.query else "")
