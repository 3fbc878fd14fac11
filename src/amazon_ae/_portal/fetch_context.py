"""Shared by the document fetchers: addresses, browser pages that are examined like answers, and verification."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Final

import attrs

from amazon_ae._exceptions import DocumentInvalid, PortalError, PortalUnavailable
from amazon_ae._models.documents import DocumentKind
from amazon_ae._pdf import PdfFacts, inspect_pdf
from amazon_ae._portal.html import HtmlDocument, leads_to_a_page
from amazon_ae._portal.http import Answer, PortalHttp, RawResponse
from amazon_ae._portal.navigation import RETRY_SECONDS, navigate
from amazon_ae._portal.network_monitor import NetworkMonitor
from amazon_ae._portal.pacing import RequestPacer
from amazon_ae._portal.playwright_calls import run_step
from amazon_ae._portal.site_map import SiteMap
from amazon_ae._portal.snapshot import Offer, discover, origin_of
from amazon_ae._ports import Clock

if TYPE_CHECKING:
    from playwright.async_api import Page, Route

__all__ = ["DRAW_SECONDS", "FetchContext", "FetchedDocument", "FetchedOrderPage", "hrefs"]

DRAW_SECONDS: Final = 3.0
"""How long a page without pending requests may take to show the element that was asked for."""
_OBSERVE_SECONDS: Final = 0.04
_MOST_CANDIDATES: Final = 4


@attrs.frozen
class FetchedOrderPage:
    """The order's page as fetched: its final address, its bytes and its tree."""

    url: str
    body: bytes = attrs.field(repr=False)
    tree: HtmlDocument = attrs.field(repr=False)


@attrs.frozen
class FetchedDocument:
    """The bytes of a document, and how they are verified."""

    order_id: str
    kind: DocumentKind
    content: bytes = attrs.field(repr=False)

    def inspect(self, require_order_id: bool) -> PdfFacts:
        """Check it; for a thread. Raises as ``inspect_pdf``."""
        return inspect_pdf(
            self.content, self.order_id, kind=self.kind, step=str(self.kind), require_order_id=require_order_id
        )


@attrs.frozen(kw_only=True)
class FetchContext:
    """The site, its session and its rate, for one order's documents.

    Attributes:
        open_page: lends a browser page (``True``: for printing) out of a bounded number.
        label_wait_seconds: how long a label in the making is waited for before ``DocumentNotReady``.
        pictures: kinds whose PDFs hold no text.
        turn: held while a page is in front of the others for its click.
        routing: held while requests of all pages begin or end to be intercepted, and while pop-ups close.
        label_batches: the address of the page that makes an order's label, once it was begun: a second request must
            not begin another.
    """

    http: PortalHttp
    site: SiteMap
    origin: str
    pacer: RequestPacer
    clock: Clock
    open_page: Callable[[bool], AbstractAsyncContextManager[Page]]
    timeout_seconds: float
    label_wait_seconds: float
    pictures: frozenset[DocumentKind] = frozenset()
    turn: asyncio.Lock = attrs.field(factory=asyncio.Lock, repr=False)
    routing: asyncio.Lock = attrs.field(factory=asyncio.Lock, repr=False)
    label_batches: dict[str, str] = attrs.field(factory=dict, repr=False)

    def url(self, name: str, order_id: str) -> str:
        """An address of the site map, absolute."""
        return self.origin + self.site.urls[name].replace("{order_id}", order_id)

    async def goto(self, page: Page, url: str, step: str) -> RawResponse:
        """Open a page and examine the answer as any other; a passing fault of the site is asked about a second time."""
        try:
            return await self._goto_once(page, url, step)
        except PortalUnavailable as error:
            if error.retry_after_seconds is not None:
                raise
        await self.clock.sleep(RETRY_SECONDS)
        return await self._goto_once(page, url, step)

    async def show(self, page: Page, order: FetchedOrderPage, step: str) -> None:
        """Open the order's page as it was fetched already: its scripts run, and the site is not asked again."""

        async def answer(route: Route) -> None:
            await route.fulfill(status=200, content_type="text/html; charset=utf-8", body=order.body)

        await run_step(page.route(lambda url: url == order.url, answer, times=1), step, self.timeout_seconds)
        await navigate(page, order.url, until="domcontentloaded", step=step, timeout_seconds=self.timeout_seconds)

    async def _goto_once(self, page: Page, url: str, step: str) -> RawResponse:
        await self.pacer.acquire(step)
        result = await navigate(page, url, until="load", step=step, timeout_seconds=self.timeout_seconds)
        response = result.response
        kind = response.headers.get("content-type", "")
        readable = result.rendered and ("html" in kind or "json" in kind)
        raw = RawResponse(
            status=response.status,
            url=page.url if result.rendered else response.url,
            headers=response.headers,
            body=await run_step(response.body(), step, self.timeout_seconds) if readable else b"",
        )
        if (await self.http.examine(raw, step=step)).document is None:
            raise DocumentInvalid("the answer is not a page", step=step)
        return raw

    async def wait_for(
        self,
        page: Page,
        network: NetworkMonitor,
        step: str,
        *,
        links: tuple[str, ...],
        forms: tuple[str, ...] = (),
        clicks: tuple[str, ...] = (),
    ) -> Offer | None:
        """The first of these elements to appear in any frame; ``None`` if none does and no request is pending.

        Raises:
            PortalUnavailable: the page's own request was answered with 500 or more.
            PortalTimeout: the page still waits for an answer.
        """

        async def observe() -> Offer | None:
            quiet = 0.0
            while quiet < DRAW_SECONDS:
                for frame in page.frames:
                    if frame is not page.main_frame and origin_of(frame.url) != self.origin:
                        continue
                    with contextlib.suppress(Exception):  # a frame may go away meanwhile
                        if found := await discover(frame, links=links, forms=forms, clicks=clicks):
                            return found
                await page.wait_for_timeout(_OBSERVE_SECONDS * 1000)
                if not network.busy:
                    quiet += _OBSERVE_SECONDS
            if network.server_error:
                raise PortalUnavailable(
                    f"Seller Central answered {network.server_error}; try again later",
                    status=network.server_error,
                    step=step,
                )
            return None

        return await run_step(observe(), step, max(self.timeout_seconds, DRAW_SECONDS * 2))

    async def accepts(self, kind: DocumentKind, order_id: str, answer: Answer) -> bool:
        """Whether an answer is this order's document of this kind."""
        fetched = FetchedDocument(order_id, kind, answer.body)
        try:
            await asyncio.to_thread(fetched.inspect, kind not in self.pictures)
        except DocumentInvalid:
            return False
        return True

    async def first_valid(
        self, urls: Iterable[str], kind: DocumentKind, order_id: str, *, referer: str
    ) -> Answer | None:
        """Of several links the one whose document is this order's; a single one is returned as it is and verified
        later.

        Several stand on a page where a credit note, an older document or another order's is listed beside it.
        """
        candidates = list(dict.fromkeys(urls))[:_MOST_CANDIDATES]
        first: Answer | None = None
        failure: PortalError | DocumentInvalid | None = None
        for url in candidates:
            try:
                answer = await self.http.get(url, step=str(kind), referer=referer)
            except (DocumentInvalid, PortalUnavailable) as error:
                failure = error
                continue
            if len(candidates) == 1 or await self.accepts(kind, order_id, answer):
                return answer
            first = first or answer
        if first is None and failure is not None:
            raise failure
        return first


def hrefs(tree: HtmlDocument, selectors: tuple[str, ...]) -> list[str]:
    """The addresses of a page's links, without anchors and scripts."""
    found = (element.attributes.get("href", "") for element in tree.find(selectors))
    return [href for href in found if leads_to_a_page(href)]
