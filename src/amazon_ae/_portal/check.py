"""Check the pages with a real account and say which entry of the site map still fits: for the day the site changes.

Each page is fetched once, then shown in a browser, so that its scripts draw what they draw. Nothing is changed at
Amazon: no form is posted, no label is asked for, no overlay is closed. A page that is not the asked one ends the walk
there: what would have come later is not looked for, instead of being called missing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

from amazon_ae._exceptions import AmazonAeError, DocumentInvalid, DocumentNotReady
from amazon_ae._models.documents import DocumentKind, DocumentSet
from amazon_ae._models.text import ORDER_ID
from amazon_ae._portal.check_report import CheckReport, CheckStep, Verdict
from amazon_ae._portal.check_rules import (
    HOME,
    INVOICES,
    LABELS,
    OPTIONAL,
    ORDER,
    ORDERS,
    PHRASES_OF,
    SIGN_IN_GROUPS,
    SLIP,
    Groups,
    guess_missing,
    instead_text,
    keys_of,
    why_not,
)
from amazon_ae._portal.fetch_context import DRAW_SECONDS, FetchContext, FetchedOrderPage
from amazon_ae._portal.http import Answer
from amazon_ae._portal.navigation import navigate
from amazon_ae._portal.network_monitor import NetworkMonitor
from amazon_ae._portal.page_controls import Control, PageContent, path_shape, paths_alike, read_content
from amazon_ae._portal.playwright_calls import run_step
from amazon_ae._portal.sign_in_flow import SignInEvidence
from amazon_ae._portal.site_map import SITE, PageKind, SiteMap
from amazon_ae._portal.snapshot import Offer, PageView, discover, origin_of, picture

if TYPE_CHECKING:
    from playwright.async_api import Page as BrowserPage

__all__ = ["CheckRecorder", "PageWalk"]

T = TypeVar("T")
_OBSERVE_SECONDS: Final = 0.05
_ENOUGH: Final = "another entry stands there; one of {} is enough"


class CheckRecorder:
    """Collects the lines of one check.

    Args:
        code: the marketplace's.
    """

    def __init__(self, site: SiteMap, code: str) -> None:
        self._site = site
        self._code = code
        self._steps: list[CheckStep] = []
        self._reasons: dict[str, str] = {}
        self._noted: list[AmazonAeError] = []
        self._signed_in = False
        self.blocked: str = ""
        """What ended the check early."""

    def report(self) -> CheckReport:
        """What was seen, then every other entry of the map with the reason why it was not looked for."""
        known = {step.key for step in self._steps}
        rest = [
            CheckStep(page="site map", key=key, verdict=Verdict.SKIPPED, detail=self._reason(key))
            for key in keys_of(self._site)
            if key not in known
        ]
        return CheckReport((*self._steps, *rest))

    def _reason(self, key: str) -> str:
        found = self._reasons.get(key)
        return found or why_not(key, code=self._code, signed_in=self._signed_in, blocked=self.blocked)

    def fits(self, page: str, key: str = "", found: str = "", detail: str = "") -> None:
        """Something is as the map says; noted once."""
        if not any((step.page, step.key) == (page, key) for step in self._steps):
            self._steps.append(CheckStep(page=page, key=key, verdict=Verdict.FITS, found=found, detail=detail))

    def failed(self, page: str, error: AmazonAeError) -> None:
        """Something else than the map is in the way."""
        if error in self._noted:
            return
        self._noted.append(error)
        taken: bytes | None = getattr(error, "picture", None)
        detail = f"{type(error).__name__}: {error}"
        self._steps.append(CheckStep(page=page, key="", verdict=Verdict.FAILED, detail=detail, picture=taken))
        self.blocked = self.blocked or f"{page}: {type(error).__name__}"

    def missing(
        self, page: str, key: str, detail: str, *, override: str = "", taken: bytes | None = None, ends: bool = True
    ) -> None:
        """The map is wrong here; where that ``ends`` the walk, nothing later is blamed."""
        self._steps.append(
            CheckStep(page=page, key=key, verdict=Verdict.MISSING, detail=detail, override=override, picture=taken)
        )
        if ends:
            self.blocked = self.blocked or f"{page}: {key} is missing"

    def skip(self, key: str, reason: str) -> None:
        """Why an entry is not looked for, where it is not the usual reason."""
        self._reasons[key] = reason

    def selector(self, page: str, name: str, index: int) -> None:
        """An entry of the selectors fits."""
        selectors = self._site.selectors[name]
        found = selectors[index] if 0 <= index < len(selectors) else "a button that says so"
        self.fits(page, f"selectors[{name!r}]", found)

    def groups(self, page: str, groups: Groups, content: PageContent, taken: bytes | None) -> bool:
        """Of each group the first entry that is there; returns whether all groups are."""
        whole = True
        for group in groups:
            first, *others = group
            there = [name for name in group if name in content.present]
            for name in there:
                self.selector(page, name, content.present[name])
            if there:
                for name in set(group) - set(there):
                    self.skip(f"selectors[{name!r}]", _ENOUGH.format(", ".join(group)))
            elif first in OPTIONAL:
                self.skip(f"selectors[{first!r}]", f"not on the page ({page}), which works without it")
            else:
                whole = False
                detail, override = instead_text(first, self._site, content.controls)
                also = f" nor any of {', '.join(others)}" if others else ""
                self.missing(
                    page, f"selectors[{first!r}]", f"nothing fits it{also}; {detail}", override=override, taken=taken
                )
                for name in others:
                    self.skip(f"selectors[{name!r}]", f"told with selectors[{first!r}] above")
        return whole

    def sign_in(self, views: Sequence[PageView], evidence: SignInEvidence | None, error: AmazonAeError | None) -> None:
        """What the pages of a sign-in showed, and what ended it."""
        self._signed_in = self._signed_in or bool(views)
        for view in views:
            self._sign_in_page(view, evidence if view is views[-1] else None)
        if error is None:
            return
        last = views[-1] if views else None
        if evidence is not None and last is not None and last.page is PageKind.UNKNOWN:
            self._unknown_page(views, evidence)
        if not any(step.verdict is Verdict.MISSING for step in self._steps):
            self.failed("sign-in", error)
        self.blocked = self.blocked or "the sign-in failed"

    def _sign_in_page(self, view: PageView, evidence: SignInEvidence | None) -> None:
        page = view.page.value
        for kind in ("sign_in", "claim"):
            if view.snapshot.path.startswith(self._site.urls[kind]):
                self.fits(page, f"urls[{kind!r}]", self._site.urls[kind])
        fields = view.page in (PageKind.EMAIL, PageKind.EMAIL_AND_PASSWORD, PageKind.PASSWORD)
        if fields and not view.snapshot.path.startswith((self._site.urls["sign_in"], self._site.urls["claim"])):
            self.missing(page, "urls['sign_in']", f"the page's path is {path_shape(view.snapshot.path)}", ends=False)
        for name in view.snapshot.phrases & PHRASES_OF.get(view.page, frozenset()):
            self.fits(page, f"phrases[{name!r}]", "its words are there")
        present = {name: view.matched.get(name, 0) for name in view.snapshot.present}
        if present.get("not_now") == -1:
            self.fits(page, "phrases['not_now']", "its words are there")
        controls = () if evidence is None else evidence.content.controls
        self.groups(
            page,
            SIGN_IN_GROUPS.get(view.page, ()),
            PageContent(present=present, controls=controls),
            None if evidence is None else evidence.picture,
        )
        if view.page in (PageKind.PICKER, PageKind.OLD_PICKER) and evidence is None:
            names = self._site.marketplace_names[self._code]
            self.fits(page, f"marketplace_names[{self._code!r}]", f"one of {len(names)} names")

    def _unknown_page(self, views: Sequence[PageView], evidence: SignInEvidence) -> None:
        path = path_shape(evidence.path)
        page = f"unknown page at {path}" + (f", after {views[-2].page.value!r}" if len(views) > 1 else "")
        if evidence.status >= 400:
            key = "urls['home']" if len(views) == 1 else ""
            self.missing(page, key, f"Seller Central answers {evidence.status} there", taken=evidence.picture)
        elif (name := guess_missing(evidence.content, self._site)) is not None:
            detail, override = instead_text(name, self._site, evidence.content.controls)
            self.missing(
                page,
                f"selectors[{name!r}]",
                f"nothing fits it (the likeliest of the sign-in's); {detail}",
                override=override,
                taken=evidence.picture,
            )
        else:
            there = [control.selector for control in evidence.content.controls if control.selector][:5]
            self.missing(
                page, "", f"no known page looks like it; there are {', '.join(there) or 'no controls'}",
                taken=evidence.picture,
            )  # fmt: skip


class PageWalk:
    """Home, the order list, the order, its packing slip, its invoices and, where allowed, its label.

    Args:
        with_session: does the work, with a session that is renewed where it is lost.
        documents: fetches and verifies papers of an order.
        make_label: also follow the label's link.
    """

    def __init__(
        self,
        site: SiteMap,
        context: FetchContext,
        recorder: CheckRecorder,
        *,
        with_session: Callable[[str, Callable[[], Awaitable[Answer]]], Awaitable[Answer]],
        documents: Callable[[str, Sequence[DocumentKind]], Awaitable[DocumentSet]],
        make_label: bool,
    ) -> None:
        self._site = site
        self._context = context
        self._recorder = recorder
        self._with_session = with_session
        self._documents = documents
        self._make_label = make_label
        self._kinds: list[DocumentKind] = []
        # What stood on the pages seen, to say where a lost address may have gone.
        self._controls: list[Control] = []
        # Whose page each path was found to be.
        self._seen: dict[str, str] = {}

    async def run(self, order_id: str | None) -> None:
        """Walk until a page is not what it should be."""
        async with self._context.open_page(False) as page:
            if not await self._see(page, "home", "home", self._site.urls["home"], HOME):
                return
            order_id = order_id or await self._newest_order(page)
            if order_id is None:
                return
            await self._order(page, order_id)
            await self._slip(page, order_id)
        # Outside: papers need a page too, and there may be one only.
        if self._kinds:
            papers = await self._documents(order_id, self._kinds)
            for kind in self._kinds:
                self._paper(papers, kind)
        await self._label_page(order_id)

    async def _newest_order(self, page: BrowserPage) -> str | None:
        recorder = self._recorder
        answer = await self._fetch("order list", "orders", self._site.urls["orders"])
        if answer is None:
            return None
        content = await self._show(page, "order list", answer, ORDERS)
        if "orders_row" not in content.present and not ORDER_ID.search(answer.body.decode(errors="replace")):
            if not await self._is_another("order list", "orders", answer, self._site.urls["orders"], page):
                reason = "the list shows no order: check(order_id=...)"
                recorder.skip("selectors['orders_row']", reason)
                recorder.blocked = recorder.blocked or "no order to look at: check(order_id=...)"
            return None
        if not await self._judge(page, "order list", "orders", answer, self._site.urls["orders"], ORDERS, content):
            return None
        found = await run_step(
            discover(page.main_frame, links=self._site.selectors["orders_row"], forms=(), clicks=()),
            "order list",
            self._context.timeout_seconds,
        )
        ids = [match.group() for link in (found.links if found else ()) if (match := ORDER_ID.search(link))]
        if not ids:
            taken = await picture(page)
            recorder.missing("order list", "selectors['orders_row']", "it fits links without an order id", taken=taken)
        return ids[0] if ids else None

    async def _slip(self, page: BrowserPage, order_id: str) -> None:
        path = self._site.urls["packing_slip"].replace("{order_id}", order_id)
        blocked = self._recorder.blocked
        if await self._see(page, "packing slip", "packing_slip", path, SLIP, order_id=order_id):
            self._kinds.append(DocumentKind.PACKING_SLIP)
        self._recorder.blocked = blocked  # the order's page is no later page

    async def _order(self, page: BrowserPage, order_id: str) -> None:
        path = self._site.urls["order"].replace("{order_id}", order_id)
        answer = await self._fetch("order page", "order", path)
        if answer is None:
            return
        with NetworkMonitor(page, {self._context.origin}) as network:
            content = await self._show(page, "order page", answer, ORDER, order_id)
            await self._judge(page, "order page", "order", answer, path, ORDER, content, order_id=order_id)
            if "invoice_link" in content.present:
                self._kinds.append(DocumentKind.INVOICE)
            elif "invoice_button" in content.present:
                await self._invoices(page, network)
        if "label_link" in content.present and self._make_label:
            self._kinds.append(DocumentKind.SHIPPING_LABEL)

    async def _invoices(self, page: BrowserPage, network: NetworkMonitor) -> None:
        """Open the list by a click of a script, which closes no overlay; what it offers is not sent."""
        names, context = self._site.selectors, self._context
        button = page.locator(", ".join(names["invoice_button"])).first
        await run_step(button.dispatch_event("click"), "invoice list", context.timeout_seconds)
        try:
            offer: Offer | None = await context.wait_for(
                page,
                network,
                "invoice list",
                links=names["invoice_link"],
                forms=names["invoice_form"],
                clicks=names["invoice_click"],
            )
        except AmazonAeError as error:
            self._recorder.failed("invoice list", error)
            return
        content = await self._read(page)
        taken = await picture(page) if offer is None else None
        self._recorder.groups("invoice list", INVOICES, content, taken)
        if offer is not None and offer.links:
            self._kinds.append(DocumentKind.INVOICE)
        elif offer is not None:
            how = "a click that asks for an address" if offer.click else "a form"
            self._recorder.fits("invoice list", detail=f"the invoice is got by {how}, which a check does not send")

    async def _label_page(self, order_id: str) -> None:
        """The page that makes labels, if one was begun for this order: looking at it begins no other."""
        batch = self._context.label_batches.get(order_id)
        if batch is None:
            if DocumentKind.SHIPPING_LABEL in self._kinds:
                for name in ("batch_refresh", "batch_link"):
                    self._recorder.skip(f"selectors[{name!r}]", "the label's link leads to the label itself")
            return
        answer = await self._fetch("label page", "", batch)
        if answer is None:
            return
        async with self._context.open_page(False) as page:
            content = await self._show(page, "label page", answer, LABELS)
            taken = None if all(set(group) & set(content.present) for group in LABELS) else await picture(page)
            self._recorder.groups("label page", LABELS, content, taken)

    def _paper(self, papers: DocumentSet, kind: DocumentKind) -> None:
        error = papers.failed.get(kind)
        if error is None:
            self._recorder.fits(f"{kind}: fetched and verified")
        elif isinstance(error, DocumentNotReady):
            self._recorder.fits(f"{kind}: not made yet", detail=str(error))
        else:
            self._recorder.failed(str(kind), error)

    # One page

    async def _see(
        self, page: BrowserPage, name: str, url: str, path: str, groups: Groups, *, order_id: str = ""
    ) -> bool:
        answer = await self._fetch(name, url, path)
        if answer is None:
            return False
        content = await self._show(page, name, answer, groups, order_id)
        return await self._judge(page, name, url, answer, path, groups, content, order_id=order_id)

    async def _fetch(self, name: str, url: str, path: str) -> Answer | None:
        """Fetch one page; a wrong address is the map's fault, everything else is not."""
        context = self._context
        address = path if path.startswith(context.origin) else context.origin + path
        try:
            answer = await self._with_session(name, lambda: context.http.get(address, step=name))
        except DocumentInvalid as error:
            await self._lost(name, url, f"{path_shape(path)}: {error}", address)
            return None
        except AmazonAeError as error:
            self._recorder.failed(name, error)
            return None
        if answer.document is None:
            kind = answer.content_type.partition(";")[0] or "something without a type"
            await self._lost(name, url, f"{path_shape(path)} gives {kind}, no page", "")
            return None
        return answer

    async def _lost(self, name: str, url: str, detail: str, address: str, *, taken: bytes | None = None) -> None:
        """An address that is not the page's any more; with a picture of what it shows, if it shows something."""
        if address:
            async with self._context.open_page(False) as page:
                with contextlib.suppress(AmazonAeError):
                    seconds = self._context.timeout_seconds
                    await navigate(page, address, until="domcontentloaded", step=name, timeout_seconds=seconds)
                taken = await picture(page)
        paths = paths_alike(url, SITE.urls.get(url, ""), self._controls)
        if paths:
            detail += f"; the pages seen link to {', '.join(paths)}"
        self._recorder.missing(name, f"urls[{url!r}]" if url else "", detail, taken=taken)

    async def _show(
        self, page: BrowserPage, name: str, answer: Answer, groups: Groups, order_id: str = ""
    ) -> PageContent:
        """Show what was fetched, until its scripts have drawn all that is wanted or nothing more comes."""
        assert answer.document is not None
        context = self._context

        async def drawn(network: NetworkMonitor) -> PageContent:
            quiet = 0.0
            while True:
                content = await self._read(page, order_id)
                wanted = [group for group in groups if not set(group) <= OPTIONAL]
                if all(set(group) & set(content.present) for group in wanted) or quiet >= DRAW_SECONDS:
                    return content
                await page.wait_for_timeout(_OBSERVE_SECONDS * 1000)
                quiet = 0.0 if network.busy else quiet + _OBSERVE_SECONDS

        with NetworkMonitor(page, {context.origin}) as network:
            await context.show(page, FetchedOrderPage(answer.url, answer.body, answer.document), name)
            content = await run_step(drawn(network), name, context.timeout_seconds)
        self._controls.extend(content.controls)
        if "tour_close" in content.present:
            self._recorder.selector(name, "tour_close", content.present["tour_close"])
        return content

    async def _judge(
        self,
        page: BrowserPage,
        name: str,
        url: str,
        answer: Answer,
        path: str,
        groups: Groups,
        content: PageContent,
        *,
        order_id: str = "",
    ) -> bool:
        """Note the address and the groups; where nothing of the page is there, the address is at fault."""
        if await self._is_another(name, url, answer, path, page):
            return False
        wanted = [group for group in groups if not set(group) <= OPTIONAL]
        if all(set(group) & set(content.present) for group in wanted):
            self._seen[urlsplit(answer.url).path.rstrip("/")] = url
            self._recorder.fits(name, f"urls[{url!r}]", self._site.urls[url])
            return self._recorder.groups(name, groups, content, None)
        taken = await picture(page)
        if urlsplit(path).path.rstrip("/") != urlsplit(answer.url).path.rstrip("/"):
            await self._lost(name, url, f"{path_shape(path)} leads to {path_shape(answer.url)}", "", taken=taken)
            return False
        if order_id and not content.names_order:
            await self._lost(name, url, f"{path_shape(path)} is a page that does not name the order", "", taken=taken)
            return False
        self._recorder.fits(name, f"urls[{url!r}]", self._site.urls[url])
        self._recorder.groups(name, groups, content, taken)
        return False

    async def _is_another(self, name: str, url: str, answer: Answer, path: str, page: BrowserPage) -> bool:
        """Whether the address is that of another page of the map; noted."""
        other = self._seen.get(urlsplit(answer.url).path.rstrip("/"), url)
        if other == url:
            return False
        detail = f"{path_shape(path)} is the page of urls[{other!r}]"
        await self._lost(name, url, detail, "", taken=await picture(page))
        return True

    async def _read(self, page: BrowserPage, order_id: str = "") -> PageContent:
        """The page with its frames."""
        step, seconds = "check", self._context.timeout_seconds
        whole = await run_step(read_content(page.main_frame, self._site, order_id), step, seconds)
        for frame in page.frames:
            if frame is not page.main_frame and origin_of(frame.url) == self._context.origin:
                inner = await run_step(read_content(frame, self._site, order_id), step, seconds)
                whole = PageContent(
                    present={**inner.present, **whole.present},
                    controls=(*whole.controls, *inner.controls),
                    names_order=whole.names_order or inner.names_order,
                )
        return whole
