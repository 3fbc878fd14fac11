"""Fetch from Seller Central through the browser context's own HTTP client: its cookies, no page, no rendering.

Every answer is looked at before anybody uses it: where it came from, whether it means "sign in first", whether the site
is ill. What is left is the body.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

import attrs

from amazon_ae._exceptions import (
    DocumentInvalid,
    DocumentNotReady,
    PermissionMissing,
    PortalError,
    PortalUnavailable,
)
from amazon_ae._portal.html import Document as HtmlDocument, Form
from amazon_ae._portal.login_rules import FetchedPage, signed_out
from amazon_ae._portal.navigation import RETRY_SECONDS
from amazon_ae._portal.pace import Gate, call
from amazon_ae._portal.site_map import Page, SiteMap
from amazon_ae._portal.snapshot import origin_of
from amazon_ae._ports import Clock

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext

__all__ = ["Answer", "Fetcher", "SignedOut"]

_DEFAULT_RETRY_AFTER_SECONDS: Final = 5.0
_LONGEST_RETRY_AFTER_SECONDS: Final = 3600.0
# Up to this size a page is read in a few milliseconds, about what a thread costs.
_PARSED_INLINE_BYTES: Final = 50_000


class SignedOut(Exception):
    """There is no usable session; mended once, never shown to a host."""

    def __init__(self, page: Page) -> None:
        super().__init__(page.value)
        self.page = page


@attrs.frozen(kw_only=True)
class Answer:
    """One good answer. ``url`` is the final address."""

    status: int
    url: str
    content_type: str
    body: bytes = attrs.field(repr=False)
    document: HtmlDocument | None = attrs.field(default=None, repr=False)
    """The page's tree, where the answer calls itself a web page."""


class Fetcher:
    """Fetches for one context. Raises ``SignedOut`` for its owner to mend."""

    def __init__(
        self, context: BrowserContext, *, origin: str, site: SiteMap, gate: Gate, clock: Clock, timeout_seconds: float
    ) -> None:
        self._context = context
        self._origin = origin
        self._site = site
        self._gate = gate
        self._clock = clock
        self._timeout_seconds = timeout_seconds

    def absolute(self, href: str, base: str | None = None) -> str:
        """An address on the session's own host. Links name sibling hosts now and then, which know nothing of it."""
        parts = urlsplit(urljoin(base or self._origin, href))
        return self._origin + parts.path + (f"?{parts.query}" if parts.query else "")

    async def get(self, url: str, *, step: str, referer: str | None = None) -> Answer:
        """GET one address below the portal's origin; a fault of the site is asked about a second time.

        Raises:
            SignedOut: no session.
            PermissionMissing, DocumentNotReady, DocumentInvalid, PortalUnavailable, PortalTimeout, BrowserLost: typed.
        """
        return await self._twice(url, step=step, referer=referer)

    async def submit(self, form: Form, *, step: str, referer: str) -> Answer:
        """Submit a form in the session. A POST is sent once; it may have done something before it failed."""
        url = self.absolute(form.url)
        if form.method == "GET":
            return await self._twice(url, step=step, referer=referer, params=form.fields)
        return await self._once(url, step=step, referer=referer, form=form.fields)

    async def _twice(
        self, url: str, *, step: str, referer: str | None, params: Mapping[str, str] | None = None
    ) -> Answer:
        try:
            return await self._once(url, step=step, referer=referer, params=params)
        except PortalUnavailable:
            await self._clock.sleep(RETRY_SECONDS)
            return await self._once(url, step=step, referer=referer, params=params)

    async def _once(
        self,
        url: str,
        *,
        step: str,
        referer: str | None,
        params: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> Answer:
        await self._gate.enter(step)
        return await call(self._fetch(url, step, referer, params, form), step, self._timeout_seconds)

    async def _fetch(
        self, url: str, step: str, referer: str | None, params: Mapping[str, str] | None, form: Mapping[str, str] | None
    ) -> Answer:
        response = await self._context.request.fetch(
            url,
            method="GET" if form is None else "POST",
            params=dict(params) if params else None,
            form=dict(form) if form is not None else None,
            headers={"Referer": referer} if referer else None,
            timeout=self._timeout_seconds * 1000,
        )
        try:
            status, final, headers = response.status, response.url, response.headers
            body = await response.body()
        finally:
            await response.dispose()
        return await self.examine(status, final, headers, body, step=step)

    async def examine(self, status: int, url: str, headers: Mapping[str, str], body: bytes, *, step: str) -> Answer:
        """Turn whatever came from ``url`` into an answer, or its error. A large page is parsed in a thread, once.

        Args:
            headers: names in lower case, as Playwright gives them.
        """
        shown: FetchedPage | None = None
        if "html" in headers.get("content-type", "").lower():
            arguments = urlsplit(url).path, body, self._site
            if len(body) > _PARSED_INLINE_BYTES:
                shown = await asyncio.to_thread(FetchedPage.read, *arguments)
            else:
                shown = FetchedPage.read(*arguments)
        return self._check(status, url, headers, body, shown, step=step)

    def _check(
        self, status: int, url: str, headers: Mapping[str, str], body: bytes, shown: FetchedPage | None, *, step: str
    ) -> Answer:
        path = urlsplit(url).path
        content_type = headers.get("content-type", "").lower()
        if origin_of(url) != self._origin:
            # Where a site sends people who are not signed in is on no list; anything else from elsewhere is not ours.
            if path.startswith((self._site.urls["sign_in"], self._site.urls["claim"])):
                raise SignedOut(Page.EMAIL)
            raise DocumentInvalid("the answer came from another address than the marketplace's", step=step)
        if page := signed_out(status, path, content_type, body, shown, self._site):
            raise SignedOut(page)
        if path.startswith("/authorization/failed"):
            raise PermissionMissing(
                "this user may not open it; the account's owner grants it under Settings, User Permissions", step=step
            )
        retry_after = headers.get("retry-after")
        if status == 202 or (status in (429, 503) and retry_after):
            raise DocumentNotReady("it is still being made", retry_after_seconds=_seconds(retry_after), step=step)
        if status >= 500 or status in (403, 429):
            raise PortalUnavailable(f"Seller Central answered {status}; try again later", status=status, step=step)
        if status in (404, 410):
            raise DocumentInvalid("Seller Central does not know it", step=step)
        if status >= 400:
            raise PortalError(f"Seller Central answered {status}", step=step)
        document = None if shown is None else shown.document
        return Answer(status=status, url=url, content_type=content_type, body=body, document=document)


def _seconds(retry_after: str | None) -> float:
    """``Retry-After`` in seconds; a date or rubbish gives the default."""
    try:
        seconds = float(retry_after or "")
    except ValueError:
        return _DEFAULT_RETRY_AFTER_SECONDS
    return min(max(seconds, 1.0), _LONGEST_RETRY_AFTER_SECONDS)
