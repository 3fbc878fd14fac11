"""How each paper is got out of Seller Central, by the shortest way that works.

* packing slip: its page is opened and printed.
* invoice: a link on the order's page; else a form; else the button that opens a list: a link, a form or a click there.
* shipping label: a link on the order's page, to the PDF or to a page that makes it, asked again until it is made.

The order's page is fetched once for both and read without a browser page; one is opened only where it must be.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

import attrs

from amazon_ae._exceptions import DocumentInvalid, DocumentNotReady, PageChanged, PortalTimeout, PortalUnavailable
from amazon_ae._models.documents import DocumentKind
from amazon_ae._portal.download import click_for_answer
from amazon_ae._portal.html import Document as HtmlDocument, Form, read_form
from amazon_ae._portal.http import Answer, Fetcher
from amazon_ae._portal.navigation import RETRY_SECONDS, Traffic, visit
from amazon_ae._portal.pace import Gate, call
from amazon_ae._portal.site_map import SiteMap
from amazon_ae._portal.snapshot import discover, origin_of, picture
from amazon_ae._ports import Clock

if TYPE_CHECKING:
    from playwright.async_api import Page as BrowserPage

__all__ = ["OrderPage", "Sources"]

T = TypeVar("T")
_NOT_UPLOADED_RETRY_SECONDS: Final = 300.0
_NOT_SCHEDULED_RETRY_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 1.0
_LOOK_AGAIN_SECONDS: Final = 0.04
_CLICK_SECONDS: Final = 2.0
# How long a page that waits for no answer may take to show what was asked for.
_DRAW_SECONDS: Final = 3.0


@attrs.frozen
class OrderPage:
    """The order's page as fetched: its final address and its tree."""

    url: str
    tree: HtmlDocument = attrs.field(repr=False)


class Sources:
    """Gets the bytes of one order's papers. Raises ``SignedOut`` for its owner to mend.

    Args:
        open_page: lends a browser page, ``True`` for printing; there is a bounded number of them.
        label_wait_seconds: how long a label in the making is waited for before ``DocumentNotReady``.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        *,
        site: SiteMap,
        origin: str,
        gate: Gate,
        clock: Clock,
        open_page: Callable[[bool], AbstractAsyncContextManager[BrowserPage]],
        timeout_seconds: float,
        label_wait_seconds: float,
    ) -> None:
        self.fetcher = fetcher
        self._site = site
        self._origin = origin
        self._gate = gate
        self._clock = clock
        self._open_page = open_page
        self._timeout_seconds = timeout_seconds
        self._label_wait_seconds = label_wait_seconds

    async def order_page(self, order_id: str) -> OrderPage:
        """The order's page, fetched once for every paper that is linked from it."""
        url = self._url("order", order_id)
        answer = await self.fetcher.get(url, step="order page")
        if answer.document is None:
            raise PageChanged("the order's address gives no page; run check()", step="order page")
        return OrderPage(answer.url, answer.document)

    async def content(self, kind: DocumentKind, order_id: str, order_page: Callable[[], Awaitable[OrderPage]]) -> bytes:
        """The bytes of one paper, not verified yet."""
        if kind is DocumentKind.PACKING_SLIP:
            return await self._packing_slip(order_id)
        if kind is DocumentKind.INVOICE:
            return await self._invoice(order_id, await order_page())
        return await self._label(order_id, await order_page())

    # The packing slip

    async def _packing_slip(self, order_id: str) -> bytes:
        step = str(DocumentKind.PACKING_SLIP)
        async with self._open_page(True) as page:
            await self._goto(page, self._url("packing_slip", order_id), step)
            await self._check_slip(page, order_id, step)
            printing = page.pdf(format="A4", print_background=True, prefer_css_page_size=True)
            return await call(printing, step, self._timeout_seconds)

    async def _check_slip(self, page: BrowserPage, order_id: str, step: str) -> None:
        """The app's own pages name the order too: one of them, printed, would pass for its packing slip."""
        path = urlsplit(page.url).path
        if any(path == urlsplit(self._url(name, order_id)).path for name in ("home", "orders", "order")):
            raise PageChanged(
                "the packing slip's address leads to another page; run check() and override urls['packing_slip']",
                step=step,
                picture=await picture(page),
            )

    async def _goto(self, page: BrowserPage, url: str, step: str) -> None:
        """Open a page and examine the answer as any other; a fault of the site is asked about a second time."""
        try:
            await self._goto_once(page, url, step)
        except PortalUnavailable:
            await self._clock.sleep(RETRY_SECONDS)
            await self._goto_once(page, url, step)

    async def _goto_once(self, page: BrowserPage, url: str, step: str) -> None:
        await self._gate.enter(step)
        landing = await visit(page, url, until="load", step=step, timeout_seconds=self._timeout_seconds)
        answer = landing.answer
        body = b""
        if landing.shown and _readable(answer.headers):
            body = await call(answer.body(), step, self._timeout_seconds)
        final = page.url if landing.shown else answer.url
        examined = await self.fetcher.examine(answer.status, final, answer.headers, body, step=step)
        if examined.document is None:
            raise DocumentInvalid("the answer is not a page", step=step)

    # The invoice

    async def _invoice(self, order_id: str, order: OrderPage) -> bytes:
        step = str(DocumentKind.INVOICE)
        names = self._site.selectors
        if answer := await self._direct(order, names["invoice_link"], names["invoice_form"], step):
            return answer.body
        missing = _any(order.tree, names["invoice_missing"])
        if missing and not _any(order.tree, names["invoice_button"]):
            raise DocumentNotReady(
                "no invoice was uploaded for the order yet", retry_after_seconds=_NOT_UPLOADED_RETRY_SECONDS, step=step
            )
        return await self._invoice_by_hand(order_id, step)

    async def _invoice_by_hand(self, order_id: str, step: str) -> bytes:
        """Open the order's page, press the button, take what the list offers."""
        url = self._url("order", order_id)
        async with self._open_page(False) as page:
            found = None
            with contextlib.suppress(PortalUnavailable):  # asked again, as everywhere
                found = await self._invoice_offer(page, url, step)
            if found is None:
                # The list is filled by a request of the page's own; a session lost just then leaves it empty.
                await self.fetcher.get(url, step=step)
                found = await self._invoice_offer(page, url, step)
            if found is None:
                raise PageChanged(
                    "the order's page offers no invoice this version knows; run check()",
                    step=step,
                    picture=await picture(page),
                )
            if "click" in found:
                return await self._download(page, found["click"], step)
        if "link" in found:
            answer = await self.fetcher.get(self.fetcher.absolute(found["link"]), step=step, referer=url)
        else:
            form = Form(found["form"]["method"], found["form"]["url"], found["form"]["fields"])
            answer = await self.fetcher.submit(form, step=step, referer=url)
        return answer.body

    async def _invoice_offer(self, page: BrowserPage, url: str, step: str) -> dict[str, Any] | None:
        """What the opened list, or the page itself once its scripts ran, offers; ``None`` if it is nothing known."""
        names = self._site.selectors
        links, forms = names["invoice_link"], names["invoice_form"]
        with Traffic(page, {self._origin}) as traffic:
            await self._goto(page, url, step)
            found = await self._wait_for(page, traffic, step, links=links, forms=forms, clicks=names["invoice_button"])
            if found is not None and "click" in found:
                await self._press(page, names["invoice_button"], step)
                clicks = names["invoice_click"]
                return await self._wait_for(page, traffic, step, links=links, forms=forms, clicks=clicks)
        if found is None and await self._first_of(page, names["invoice_missing"]):
            raise DocumentNotReady(
                "no invoice was uploaded for the order yet", retry_after_seconds=_NOT_UPLOADED_RETRY_SECONDS, step=step
            )
        return found

    # The label

    async def _label(self, order_id: str, order: OrderPage) -> bytes:
        step = str(DocumentKind.SHIPPING_LABEL)
        names = self._site.selectors
        href = _href(order.tree, names["label_link"])
        if href is None and not _any(order.tree, names["label_schedule"]):
            href = await self._label_on_page(order_id, step)
        if href is None:
            raise DocumentNotReady(
                "the order has no pickup yet, so there is no label",
                retry_after_seconds=_NOT_SCHEDULED_RETRY_SECONDS,
                step=step,
            )
        answer = await self._patiently(self.fetcher.absolute(href, order.url), order.url, step)
        if answer.document is not None:
            answer = await self._batch(answer, step)
        return answer.body

    async def _label_on_page(self, order_id: str, step: str) -> str | None:
        """The link as the order's page shows it once its scripts ran."""
        names = self._site.selectors
        async with self._open_page(False) as page:
            with Traffic(page, {self._origin}) as traffic:
                await self._goto(page, self._url("order", order_id), step)
                found = await self._wait_for(
                    page, traffic, step, links=names["label_link"], forms=(), clicks=names["label_schedule"]
                )
            if found is None:
                raise PageChanged(
                    "the order's page offers no label this version knows; run check()",
                    step=step,
                    picture=await picture(page),
                )
            link: str | None = found.get("link")
            return link

    async def _patiently(self, url: str, referer: str, step: str) -> Answer:
        """Ask for the label until it is there, for ``label_wait_seconds`` at most."""
        deadline = self._clock.now() + timedelta(seconds=self._label_wait_seconds)
        while True:
            try:
                return await self.fetcher.get(url, step=step, referer=referer)
            except DocumentNotReady as error:
                left = (deadline - self._clock.now()).total_seconds()
                if error.retry_after_seconds > left:
                    raise
                await self._clock.sleep(error.retry_after_seconds)

    async def _batch(self, answer: Answer, step: str) -> Answer:
        """The page that makes labels in the background: refresh it until it links to the PDF."""
        names = self._site.selectors
        deadline = self._clock.now() + timedelta(seconds=self._label_wait_seconds)
        while (tree := answer.document) is not None:
            if href := _href(tree, names["batch_link"]):
                return await self.fetcher.get(self.fetcher.absolute(href, answer.url), step=step, referer=answer.url)
            button = tree.first(names["batch_refresh"])
            if button is None:
                raise PageChanged("the label's page is neither a PDF nor the known batch page; run check()", step=step)
            if self._clock.now() + timedelta(seconds=_POLL_SECONDS) > deadline:
                raise DocumentNotReady(
                    "Amazon is still making the label", retry_after_seconds=_POLL_SECONDS * 5, step=step
                )
            await self._clock.sleep(_POLL_SECONDS)
            form = button.form
            if form is None:
                answer = await self.fetcher.get(answer.url, step=step, referer=answer.url)
            else:
                answer = await self.fetcher.submit(
                    read_form(form, answer.url, button=button), step=step, referer=answer.url
                )
        return answer

    # Shared

    async def _direct(
        self, order: OrderPage, links: tuple[str, ...], forms: tuple[str, ...], step: str
    ) -> Answer | None:
        if href := _href(order.tree, links):
            return await self.fetcher.get(self.fetcher.absolute(href, order.url), step=step, referer=order.url)
        if (form := order.tree.first(forms)) is not None:
            return await self.fetcher.submit(read_form(form, order.url), step=step, referer=order.url)
        return None

    async def _wait_for(
        self,
        page: BrowserPage,
        traffic: Traffic,
        step: str,
        *,
        links: tuple[str, ...],
        forms: tuple[str, ...],
        clicks: tuple[str, ...],
    ) -> dict[str, Any] | None:
        """What turns up first in any frame of the page; ``None`` if it stays away though nothing is awaited any more.

        Raises:
            PortalUnavailable: the page's own request was answered with 500 or more.
            PortalTimeout: the page still waits for an answer.
        """

        async def look() -> dict[str, Any] | None:
            quiet = 0.0
            while quiet < _DRAW_SECONDS:
                for frame in page.frames:
                    if frame is not page.main_frame and origin_of(frame.url) != self._origin:
                        continue
                    with contextlib.suppress(Exception):  # a frame may go away while it is looked at
                        if found := await discover(frame, links=links, forms=forms, clicks=clicks):
                            return found
                await page.wait_for_timeout(_LOOK_AGAIN_SECONDS * 1000)
                if not traffic.waits:
                    quiet += _LOOK_AGAIN_SECONDS
            if traffic.ill:
                raise PortalUnavailable(
                    f"Seller Central answered {traffic.ill}; try again later", status=traffic.ill, step=step
                )
            return None

        return await call(look(), step, max(self._timeout_seconds, _DRAW_SECONDS * 2))

    async def _press(self, page: BrowserPage, selectors: tuple[str, ...], step: str) -> None:
        """A trusted click. Tours that lie over the page and swallow it are closed first."""
        for last in (False, True):
            await self._close_tours(page, step)
            target = page.locator(", ".join(selectors)).locator("visible=true").first
            try:
                await call(target.click(timeout=_CLICK_SECONDS * 1000, no_wait_after=True), step, self._timeout_seconds)
            except PortalTimeout:
                if last:
                    await call(target.click(timeout=_CLICK_SECONDS * 1000, force=True), step, self._timeout_seconds)
                continue
            return

    async def _close_tours(self, page: BrowserPage, step: str) -> None:
        tours = page.locator(", ".join(self._site.selectors["tour_close"])).locator("visible=true")
        for _ in range(3):
            if not await call(tours.count(), step, self._timeout_seconds):
                return
            with contextlib.suppress(PortalTimeout):
                # The last one lies on top.
                await call(tours.last.click(timeout=_CLICK_SECONDS * 1000), step, self._timeout_seconds)

    async def _download(self, page: BrowserPage, selector: str, step: str) -> bytes:
        await self._gate.enter(step)

        async def check(status: int, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
            return await self.fetcher.examine(status, url, headers, body, step=step)

        answer = await click_for_answer(page, selector, check, step=step, timeout_seconds=self._timeout_seconds)
        return answer.body

    async def _first_of(self, page: BrowserPage, selectors: tuple[str, ...]) -> bool:
        locator = page.locator(", ".join(selectors))
        return bool(await call(locator.count(), "order page", self._timeout_seconds))

    def _url(self, name: str, order_id: str) -> str:
        return self._origin + self._site.urls[name].replace("{order_id}", order_id)


def _readable(headers: dict[str, str]) -> bool:
    kind = headers.get("content-type", "")
    return "html" in kind or "json" in kind


def _href(tree: HtmlDocument, selectors: tuple[str, ...]) -> str | None:
    for element in tree.find(selectors):
        href = element.attributes.get("href", "")
        if href and not href.startswith("#") and urlsplit(href).scheme in ("", "http", "https"):
            return href
    return None


def _any(tree: HtmlDocument, selectors: tuple[str, ...]) -> bool:
    return tree.first(selectors) is not None
