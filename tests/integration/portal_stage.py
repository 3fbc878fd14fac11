"""A look-alike site on loopback and scrapers for it: what all browser tests of the portal share."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs

from amazon_ae._models.documents import DocumentKind, DocumentSet
from amazon_ae._models.events import DocumentEvent, Event, SignInEvent
from amazon_ae._models.marketplaces import AE, Marketplace, PortalCredentials
from amazon_ae._portal.browser import RunningBrowser
from amazon_ae._portal.scraper import SellerPortalScraper
from amazon_ae._ports import Clock
from amazon_ae.testing._clocks import ScaledClock
from amazon_ae.testing._papers import PortalOrder, PortalPickup, sample_order
from amazon_ae.testing._seller_central import SellerCentralSite, SiteUser
from amazon_ae.testing._serving import serve

EMAIL = "packer.person@example.ae"
PASSWORD = "Camel-Date-Palm-7"
SECRET = "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP"
ALL = frozenset(DocumentKind)


@attrs.define
class Stage:
    """One site, its orders, and what its scrapers reported."""

    site: SellerCentralSite
    marketplace: Marketplace
    clock: Clock
    orders: dict[str, PortalOrder]
    events: list[Event] = attrs.field(factory=list)

    @property
    def order_ids(self) -> list[str]:
        """Orders with a pickup, an invoice and a label."""
        return list(self.orders)

    @property
    def sign_ins(self) -> list[SignInEvent]:
        """The audit of sign-ins."""
        return [event for event in self.events if isinstance(event, SignInEvent)]

    @property
    def papers(self) -> list[DocumentEvent]:
        """The audit of documents."""
        return [event for event in self.events if isinstance(event, DocumentEvent)]

    def show(self, **variants: Any) -> None:
        """Change the site's face."""
        self.site.variants = attrs.evolve(self.site.variants, **variants)

    def scraper(self, *, password: str = PASSWORD, totp: str = SECRET, **options: Any) -> SellerPortalScraper:
        """A scraper for the site. Only a test in which the site hangs has a reason to be less patient."""
        return SellerPortalScraper(
            options.pop("marketplace", self.marketplace),
            PortalCredentials(email=EMAIL, password=password, totp=totp),
            **{
                "clock": self.clock,
                "timeout": 30.0,
                "burst": 1000.0,
                "on_event": self.events.append,
                **options,
            },
        )


@asynccontextmanager
async def stage(*, orders: int = 3, speed: float = 10.0) -> AsyncIterator[Stage]:
    """Serve the look-alike. Its clock, and the scrapers', run ``speed`` times as fast as the real one."""
    clock = ScaledClock(speed=speed, origin=datetime.now(UTC))
    now = clock.now()
    pickup = PortalPickup(scheduled_at=now - timedelta(hours=1), day=now.date(), tracking_id="AE4711")
    found = [sample_order(number, purchased_at=now - timedelta(days=1), pickup=pickup) for number in range(orders)]
    known = {order.order_id: attrs.evolve(order, status="Shipped") for order in found}
    user = SiteUser(email=EMAIL, password=PASSWORD, totp_secret=SECRET)
    site = SellerCentralSite(clock=clock, users=[user], orders=known)
    async with serve(site) as origin:
        yield Stage(site, attrs.evolve(AE, portal_origin=origin), clock, known)


# The scraper's browser, its pages and its refusals are internal: tests reach for them here only.
def running_browser(portal: SellerPortalScraper) -> RunningBrowser:
    """The browser that a scraper uses now; it must have one."""
    running = portal._browser.running
    assert running is not None
    return running


def open_pages(portal: SellerPortalScraper) -> int:
    """How many pages the scraper's browser has open."""
    running = portal._browser.running
    return len(running.context.pages) if running is not None else 0


def allow_retry(portal: SellerPortalScraper) -> None:
    """Let a scraper try again after a refusal, without the sign-in that ``login`` would make."""
    portal._session.allow_retry()


async def start_browser(portal: SellerPortalScraper) -> None:
    """Start the browser without a request, so that a time limit begins at the first one."""
    await portal._browser.get()


def idle_pages(portal: SellerPortalScraper) -> int:
    """How many of them wait for the next document."""
    return len(portal._browser._idle)


def complete(papers: DocumentSet, kinds: Collection[DocumentKind] = ALL) -> bool:
    """Whether all kinds arrived; the assertion says which did not."""
    assert not papers.failed, papers.failed
    assert set(papers.ready) == set(kinds)
    assert all(paper.order_id == papers.order_id for paper in papers.ready.values())
    return True


def processes(*, parent: int | None = None, named: Callable[[str], bool] = lambda name: True) -> set[int]:
    """Ids of the living descendants of a process (of this one by default), read off the operating system."""
    parents: dict[int, int] = {}
    names: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            text = (entry / "stat").read_text()
        except OSError:
            continue
        name, _, rest = text.partition("(")[2].rpartition(")")
        state, parent_id = rest.split()[:2]
        if state != "Z":
            parents[int(entry.name)], names[int(entry.name)] = int(parent_id), name
    root = parent or os.getpid()
    below = {root}
    grown = True
    while grown:
        more = {child for child, above in parents.items() if above in below} - below
        below |= more
        grown = bool(more)
    return {process for process in below - {root} if named(names[process])}


def chromium_processes() -> set[int]:
    """Chromium's processes below this one."""
    return processes(named=lambda name: "chrom" in name.lower())


def driver_processes() -> set[int]:
    """Playwright's driver below this one."""
    return processes(named=lambda name: name.startswith("node") or name == "MainThread")


def browser_processes() -> set[int]:
    """Both."""
    return chromium_processes() | driver_processes()
