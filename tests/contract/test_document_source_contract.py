"""One contract over every source of documents: the fake without a browser, and the scraper on the look-alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import attrs
import pytest

from amazon_ae._clocks import SystemClock
from amazon_ae._exceptions import DocumentNotReady
from amazon_ae._models.documents import Document, DocumentKind, DocumentSet
from amazon_ae._models.marketplaces import AE, PortalCredentials
from amazon_ae.testing._clocks import VirtualClock
from amazon_ae.testing._document_contract import DOCUMENT_CHECKS, DocumentTrial, check_document_source
from amazon_ae.testing._fake_portal import FakeSellerPortal
from amazon_ae.testing._papers import PortalOrder, PortalPickup, sample_order

every_check = pytest.mark.parametrize("check", DOCUMENT_CHECKS, ids=lambda check: check.__name__)
SECRET = "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ"


def make_orders(now: datetime) -> dict[str, PortalOrder]:
    """Two orders with a pickup and one without."""
    pickup = PortalPickup(scheduled_at=now - timedelta(minutes=1), day=now.date(), tracking_id="AE4711")
    orders = [sample_order(number, purchased_at=now, pickup=pickup if number < 3 else None) for number in (1, 2, 3)]
    return {order.order_id: order for order in orders}


def trial_of(source: object, orders: dict[str, PortalOrder]) -> DocumentTrial:
    """The trial over three orders, in the order in which ``make_orders`` has them."""
    ready, another, unscheduled = orders
    return DocumentTrial(
        source=source,  # type: ignore[arg-type]
        ready=ready,
        another=another,
        unscheduled=unscheduled,
        unknown="408-9999999-9999999",
    )


@every_check
async def test_fake_seller_portal(check: Callable[[DocumentTrial], Awaitable[None]]) -> None:
    """``FakeSellerPortal`` keeps the contract."""
    orders = make_orders(datetime(2021, 11, 18, 9, 0, tzinfo=UTC))
    await check(trial_of(FakeSellerPortal(clock=VirtualClock(), orders=orders), orders))


@asynccontextmanager
async def scraper_on_the_look_alike() -> AsyncIterator[DocumentTrial]:
    """The scraper in a real browser, on the look-alike over loopback."""
    from amazon_ae._portal.scraper import SellerPortalScraper
    from amazon_ae.testing._seller_central import SellerCentralSite, SiteUser
    from amazon_ae.testing._serving import serve

    clock = SystemClock()
    orders = make_orders(clock.now())
    user = SiteUser(email="packer@example.ae", password="right & proper", totp_secret=SECRET)
    site = SellerCentralSite(clock=clock, users=[user], orders=orders)
    credentials = PortalCredentials(email=user.email, password=user.password, totp=SECRET)
    async with serve(site) as origin:
        marketplace = attrs.evolve(AE, portal_origin=origin)
        async with SellerPortalScraper(marketplace, credentials, clock=clock, burst=100.0) as source:
            yield trial_of(source, orders)
    assert site.counts.sign_ins == 1


@pytest.mark.browser
async def test_seller_portal_scraper() -> None:
    """``SellerPortalScraper`` keeps the contract, all of it with one sign-in."""
    async with scraper_on_the_look_alike() as trial:
        await check_document_source(trial)


class Flawed:
    """A source that spoils what a good one hands out."""

    def __init__(self, source: FakeSellerPortal, flaw: str) -> None:
        self._source = source
        self._flaw = flaw

    async def documents(self, order_id: str, kinds: Sequence[DocumentKind] = tuple(DocumentKind)) -> DocumentSet:
        """The good answer with one flaw."""
        if self._flaw == "swallows malformed ids" and len(order_id) != 19:
            return DocumentSet(order_id, {})
        if self._flaw == "drops unknown kinds":
            kinds = [kind for kind in DocumentKind if kind in kinds]
        papers = await self._source.documents(order_id, tuple(DocumentKind) if self._flaw == "ignores kinds" else kinds)
        results = dict(papers.results)
        for kind, paper in results.items():
            if isinstance(paper, Document):
                if self._flaw == "wrong page count":
                    results[kind] = attrs.evolve(paper, pages=paper.pages + 1)
                if self._flaw == "wrong paper":
                    results[kind] = attrs.evolve(paper, width_mm=paper.width_mm + 5)
                if self._flaw == "another order's" and order_id == "408-0015838-0000002":
                    other = await self._source.documents("408-0007919-0000001", [kind])
                    results[kind] = attrs.evolve(other[kind], order_id=order_id)
            elif self._flaw == "raises the first error":
                raise paper
            elif self._flaw == "never ready" and isinstance(paper, DocumentNotReady):
                results[kind] = DocumentNotReady("later", retry_after_seconds=0.0)
        return DocumentSet(order_id, results)


@pytest.mark.parametrize(
    "flaw",
    [
        "swallows malformed ids",
        "ignores kinds",
        "drops unknown kinds",
        "wrong page count",
        "wrong paper",
        "another order's",
        "raises the first error",
        "never ready",
    ],
)
async def test_the_contract_finds_a_flaw(flaw: str) -> None:
    """Each of these sources fails a check; a contract that nobody can break proves nothing."""
    orders = make_orders(datetime(2021, 11, 18, 9, 0, tzinfo=UTC))
    source = Flawed(FakeSellerPortal(clock=VirtualClock(), orders=orders), flaw)
    with pytest.raises((AssertionError, DocumentNotReady)):
        await check_document_source(trial_of(source, orders))
