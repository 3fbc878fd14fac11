"""One request as the handlers see it: whose browser it is, which face it is shown, and whether it is signed in."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import parse_qsl

import attrs
from starlette.requests import Request

from amazon_ae.testing.seller_central.state import Browser, Session, SiteState
from amazon_ae.testing.seller_central.variants import Language, SiteVariants

__all__ = ["BROWSER_COOKIE", "SESSION_COOKIE", "TRUST_COOKIE", "VARIANTS_COOKIE", "Visit", "read_form", "visit_of"]

BROWSER_COOKIE = "session-id"
SESSION_COOKIE = "at-sandbox"
TRUST_COOKIE = "device-sandbox"
VARIANTS_COOKIE = "sandbox-variants"
_LANGUAGE_COOKIE = "language"


@attrs.frozen
class Visit:
    """A request, with what the site knows of who asks."""

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


def visit_of(request: Request, state: SiteState) -> Visit:
    """Look up browser, variants and session by the cookies. Variants in the cookie win over the site's."""
    variants = state.variants
    # A cookie that does not fit (an old name) is ignored: a person could not get rid of an error page.
    with suppress(ValueError):
        variants = variants.with_text(request.cookies.get(VARIANTS_COOKIE, "").strip('"'))
    for name in (request.query_params.get("language"), request.cookies.get(_LANGUAGE_COOKIE)):
        if name and name[:2] in tuple(Language):
            variants = attrs.evolve(variants, language=Language(name[:2]))
            break
    session = state.session(request.cookies.get(SESSION_COOKIE, ""), state.clock.now())
    return Visit(request, state.browser(request.scope["sandbox.browser_id"]), variants, session)


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a posted form; of several with one name, the last."""
    return dict(parse_qsl((await request.body()).decode("utf-8", errors="replace"), keep_blank_values=True))
