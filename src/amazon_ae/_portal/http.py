"""Fetch from Seller Central through the browser context's own HTTP client: its cookies, no page, no rendering.

Every answer is examined before use: its origin, whether it means "sign in first", whether the site has a fault. Only
then is the body returned. No variable that an error's frames show holds a body: bodies contain buyers' data.
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
from amazon_ae._portal.html import Form, HtmlDocument
from amazon_ae._portal.navigation import RETRY_SECONDS
from amazon_ae._portal.pacing import RequestPacer
from amazon_ae._portal.playwright_calls import run_step
from amazon_ae._portal.sign_in_rules import FetchedPage, signed_out
from amazon_ae._portal.site_map import PageKind, SiteMap
from amazon_ae._portal.snapshot import origin_of
from amazon_ae._ports import Clock

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext

__all__ = ["Answer", "PortalHttp", "RawResponse", "SignedOut", "retry_after_seconds"]

_DEFAULT_RETRY_AFTER_SECONDS: Final = 5.0
_LONGEST_RETRY_AFTER_SECONDS: Final = 3600.0
# Up to this size a page is read in a few milliseconds, about what a thread costs.
_PARSED_INLINE_BYTES: Final = 50_000


class SignedOut(Exception):
    """There is no usable session, or a challenge blocks it. It is renewed once; a host never sees this error."""

    def __init__(self, page: PageKind) -> None:
        super().__init__(page.value)
        self.page = page


@attrs.frozen(kw_only=True)
class RawResponse:
    """A response of the site. ``url`` is the final address; header names are in lower case, as Playwright gives
    them.
    """

    status: int
    url: str
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)

    @property
    def content_type(self) -> str:
        """In lower case; ``""`` where the answer has none."""
        return self.headers.get("content-type", "").lower()


@attrs.frozen(kw_only=True)
class Answer:
    """One good answer. ``url`` is the final address."""

    status: int
    url: str
    content_type: str
    body: bytes = attrs.field(repr=False)
    document: HtmlDocument | None = attrs.field(default=None, repr=False)
    """The page's tree, if the answer's type is a web page."""


class PortalHttp:
    """Fetches for one context. Raises ``SignedOut``: the caller renews the session."""

    def __init__(
        self,
        context: BrowserContext,
        *,
        origin: str,
        site: SiteMap,
        pacer: RequestPacer,
        clock: Clock,
        timeout_seconds: float,
    ) -> None:
        self._context = context
        self._origin = origin
        self._site = site
        self._pacer = pacer
        self._clock = clock
        self._timeout_seconds = timeout_seconds

    def absolute(self, href: str, base: str | None = None) -> str:
        """An address on the session's own host. Links sometimes name sibling hosts, where the session is not valid."""
        parts = urlsplit(urljoin(base or self._origin, href))
        return self._origin + parts.path + (f"?{parts.query}" if parts.query else "")

    async def get(self, url: str, *, step: str, referer: str | None = None) -> Answer:
        """GET one address below the portal's origin; a passing fault of the site is asked about a second time.

        Raises:
            SignedOut: no session.
            PermissionMissing, DocumentNotReady, DocumentInvalid, PortalUnavailable, PortalTimeout, BrowserLost: typed.
        """
        return await self._twice(url, step=step, referer=referer)

    async def submit(self, form: Form, *, step: str, referer: str) -> Answer:
        """Submit a form in the session. A POST is sent once; it may have done something before it failed."""
        url = self.absolute(form.url)
        if form.method == "GET":
            return await self._twice(url, step=step, referer=referer, form=form)
        return await self._once(url, step=step, referer=referer, form=form)

    async def _twice(self, url: str, *, step: str, referer: str | None, form: Form | None = None) -> Answer:
        try:
            return await self._once(url, step=step, referer=referer, form=form)
        except PortalUnavailable as error:
            if error.retry_after_seconds is not None:
                raise  # the site said when; a caller decides whether to wait
        await self._clock.sleep(RETRY_SECONDS)
        return await self._once(url, step=step, referer=referer, form=form)

    async def _once(self, url: str, *, step: str, referer: str | None, form: Form | None = None) -> Answer:
        await self._pacer.acquire(step)
        return await run_step(self._fetch(url, step, referer, form), step, self._timeout_seconds)

    async def _fetch(self, url: str, step: str, referer: str | None, form: Form | None) -> Answer:
        is_post = form is not None and form.method != "GET"
        response = await self._context.request.fetch(
            url,
            method="POST" if is_post else "GET",
            params=dict(form.fields) if form is not None and not is_post else None,
            form=dict(form.fields) if form is not None and is_post else None,
            headers={"Referer": referer} if referer else None,
            timeout=self._timeout_seconds * 1000,
        )
        try:
            raw = RawResponse(
                status=response.status, url=response.url, headers=response.headers, body=await response.body()
            )
        finally:
            await response.dispose()
        return await self.examine(raw, step=step)

    async def examine(self, raw: RawResponse, *, step: str) -> Answer:
        """Turn a response into an answer, or raise its error. A large page is parsed in a thread, once."""
        shown: FetchedPage | None = None
        if "html" in raw.content_type:
            if len(raw.body) > _PARSED_INLINE_BYTES:
                shown = await asyncio.to_thread(self._read_page, raw)
            else:
                shown = self._read_page(raw)
        self._check(raw, shown, step)
        document = None if shown is None else shown.document
        return Answer(status=raw.status, url=raw.url, content_type=raw.content_type, body=raw.body, document=document)

    def _read_page(self, raw: RawResponse) -> FetchedPage:
        return FetchedPage.read(urlsplit(raw.url).path, raw.body, self._site)

    def _check(self, raw: RawResponse, shown: FetchedPage | None, step: str) -> None:
        """Raise the error of a response that is not the answer."""
        path, status = urlsplit(raw.url).path, raw.status
        if origin_of(raw.url) != self._origin:
            # There is no list of the addresses to which a site redirects signed-out users; any other foreign address is
            # an error.
            if path.startswith((self._site.urls["sign_in"], self._site.urls["claim"])):
                raise SignedOut(PageKind.EMAIL)
            raise DocumentInvalid("the answer came from another address than the marketplace's", step=step)
        if page := signed_out(status, path, raw.content_type, raw.body, shown, self._site):
            raise SignedOut(page)
        if raw.headers.get("x-amzn-waf-action"):
            raise SignedOut(PageKind.WAF)
        if path.startswith("/authorization/failed"):
            raise PermissionMissing(
                "this user may not open it; the account's owner grants it under Settings, User Permissions", step=step
            )
        if status >= 202 and (error := _status_error(status, raw.headers.get("retry-after"), step)) is not None:
            raise error


def _status_error(status: int, retry_after: str | None, step: str) -> Exception | None:
    if status == 202:
        seconds = retry_after_seconds(retry_after) or _DEFAULT_RETRY_AFTER_SECONDS
        return DocumentNotReady("it is still being made", retry_after_seconds=seconds, step=step)
    if status >= 500 or status in (403, 429):
        return PortalUnavailable(
            f"Seller Central answered {status}; try again later",
            status=status,
            retry_after_seconds=retry_after_seconds(retry_after),
            step=step,
        )
    if status in (404, 410):
        return DocumentInvalid("Seller Central does not know it", step=step)
    return PortalError(f"Seller Central answered {status}", step=step) if status >= 400 else None


def retry_after_seconds(header: str | None) -> float | None:
    """``Retry-After`` in seconds, from 1 to 3600; a date or anything unreadable gives 5, no header ``None``."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        return _DEFAULT_RETRY_AFTER_SECONDS
    return min(max(seconds, 1.0), _LONGEST_RETRY_AFTER_SECONDS)
