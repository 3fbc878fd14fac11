"""Check the pages with a real account and say which selector still fits: for the day the site changes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import attrs

from amazon_ae._exceptions import DocumentNotReady
from amazon_ae._models.documents import DocumentSet
from amazon_ae._models.text import ORDER_ID
from amazon_ae._portal.html import Document
from amazon_ae._portal.site_map import Page, SiteMap
from amazon_ae._portal.snapshot import PageView

__all__ = ["CheckRecorder", "CheckReport", "CheckStep"]

# What each page of the ordinary way should show, by selector name.
_SIGN_IN: Final[dict[Page, tuple[str, ...]]] = {
    Page.EMAIL: ("email", "email_next"),
    Page.EMAIL_AND_PASSWORD: ("email", "password", "sign_in"),
    Page.PASSWORD: ("password", "sign_in"),
    Page.DEVICE_CHOICE: ("device_totp", "device_send"),
    Page.CODE: ("code", "remember_device", "code_submit"),
    Page.IDENTITY_CHOICE: ("identity_row",),
    Page.PICKER: ("picker_row", "picker_confirm"),
    Page.PICKER_FAULT: ("picker_fault",),
    Page.OLD_PICKER: ("old_picker_row", "old_picker_confirm"),
    Page.WRONG_MARKETPLACE: ("marketplace_switch",),
    Page.PHONE_NAG: ("phone_nag_skip",),
    Page.REMIND_NAG: ("remind_nag_skip",),
    Page.APP: ("app",),
}


@attrs.frozen(kw_only=True)
class CheckStep:
    """One thing that was looked for.

    Attributes:
        step: where, e.g. ``"e-mail"`` or ``"order page"``.
        name: the name in ``SiteMap.selectors``, or what was tried.
        fits: whether it is still there.
        selector: the selector that fits; ``""`` where none does.
        detail: why not, or what came instead; never a text of the page.
    """

    step: str
    name: str
    fits: bool
    selector: str = ""
    detail: str = ""


@attrs.frozen
class CheckReport:
    """All steps, in order. ``str(report)`` is a table for people."""

    steps: tuple[CheckStep, ...]

    @property
    def ok(self) -> bool:
        """Whether everything that was looked for is there."""
        return all(step.fits for step in self.steps)

    def __str__(self) -> str:
        width = max((len(f"{step.step}: {step.name}") for step in self.steps), default=0)
        lines = [
            f"{'fits   ' if step.fits else 'MISSING'} {f'{step.step}: {step.name}'.ljust(width)}  "
            f"{step.selector}{' ' if step.selector and step.detail else ''}{step.detail}".rstrip()
            for step in self.steps
        ]
        return "\n".join(lines)


class CheckRecorder:
    """Collects the steps of one check."""

    def __init__(self, site: SiteMap) -> None:
        self._site = site
        self._steps: list[CheckStep] = []

    def report(self) -> CheckReport:
        """What was noted so far."""
        return CheckReport(tuple(self._steps))

    def note(self, step: str, name: str, *, fits: bool = True, selector: str = "", detail: str = "") -> None:
        """Add a step."""
        self._steps.append(CheckStep(step=step, name=name, fits=fits, selector=selector, detail=detail))

    def note_sign_in(self, views: Sequence[PageView]) -> None:
        """What the pages of a sign-in showed."""
        for view in views:
            for name in _SIGN_IN.get(view.page, ()):
                selector = self._site.selectors[name][view.matched[name]] if name in view.matched else ""
                self.note(view.page.value, name, fits=name in view.snapshot.present, selector=selector)
            if view.page not in _SIGN_IN:
                self.note(view.page.value, "page", fits=False, detail="a person must look at it")

    def note_papers(self, papers: DocumentSet) -> None:
        """What became of the documents. One that is only not made yet says nothing against the selectors."""
        for kind in papers:
            error = papers.failed.get(kind)
            fits = error is None or isinstance(error, DocumentNotReady)
            detail = f"{type(error).__name__}: {error}" if error else "fetched and verified"
            self.note("document", str(kind), fits=fits, detail=detail)

    async def pages(self, page: Callable[[str, str], Awaitable[Document]], order_id: str | None) -> str | None:
        """Home, the order list where no order was given, and the order's page; returns the order id.

        Args:
            page: fetches one page: a name for errors, and a path.
        """
        urls = self._site.urls
        self._look_for("home", await page("home", urls["home"]), "signed in", "app")
        if order_id is None:
            orders = await page("order list", urls["orders"])
            self._look_for("order list", orders, "row", "orders_row")
            order_id = self._first_order_id(orders)
            if order_id is None:
                self.note("order list", "order id", fits=False, detail="give an order_id")
                return None
        order = await page("order page", urls["order"].replace("{order_id}", order_id))
        self._look_for("order page", order, "order id", "order")
        self._look_for(
            "order page", order, "invoice", "invoice_link", "invoice_form", "invoice_button", "invoice_missing"
        )
        self._look_for("order page", order, "label", "label_link", "label_schedule")
        return order_id

    def _look_for(self, step: str, tree: Document, what: str, *names: str) -> None:
        for name in names:
            for selector in self._site.selectors[name]:
                if tree.first((selector,)) is not None:
                    self.note(step, what, selector=selector)
                    return
        self.note(step, what, fits=False, detail=f"nothing fits {', '.join(names)}")

    def _first_order_id(self, orders: Document) -> str | None:
        for link in orders.find(self._site.selectors["orders_row"]):
            if match := ORDER_ID.search(link.attributes.get("href", "")):
                return match.group()
        return None
