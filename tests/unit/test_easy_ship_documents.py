"""``EasyShipDocumentsFeed``: label and invoice by feed, on the quota that packing and stock share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from urllib.parse import parse_qsl

import attrs
import httpx
import pytest

from amazon_ae._exceptions import (
    AmazonError,
    ConfigurationError,
    DocumentError,
    DocumentInvalid,
    DocumentNotReady,
    NotSent,
    OutcomeUnknown,
)
from amazon_ae._models.documents import DocumentKind
from amazon_ae._mws.client import MwsClient
from amazon_ae._mws.easy_ship_documents import EasyShipDocumentsFeed
from amazon_ae._pdf import inspect_pdf
from amazon_ae._scheduling.quota import Ledger
from amazon_ae._storage.memory import MemoryStorage
from amazon_ae.testing import FakeMws, MwsFault, VirtualClock, make_order, make_order_id
from amazon_ae.testing._pdf import PdfPage, PdfText, write_pdf

LABEL, INVOICE, SLIP = DocumentKind.SHIPPING_LABEL, DocumentKind.INVOICE, DocumentKind.PACKING_SLIP
READY, UNSCHEDULED = make_order_id(1), make_order_id(2)


@attrs.define
class World:
    clock: VirtualClock
    fake: FakeMws
    client: MwsClient
    storage: MemoryStorage

    def source(self, **options: float) -> EasyShipDocumentsFeed:
        """A process."""
        return EasyShipDocumentsFeed(self.client, self.storage, inspect=inspect_pdf, **options)

    async def ledger(self) -> Ledger:
        rule = self.client.feeds.submit_quota
        return Ledger.read(await self.storage.load(rule.name), rule, self.clock.now())


@pytest.fixture
async def world() -> AsyncIterator[World]:
    pytest.importorskip("pypdf")
    clock = VirtualClock(grace_seconds=0.02)
    fake = FakeMws(clock=clock)
    for order_id in (READY, UNSCHEDULED):
        fake.add_order(make_order(order_id))
    fake.schedule_pickup(READY, date(2021, 11, 19))
    async with httpx.AsyncClient(transport=fake) as http, MwsClient(fake.credentials, http=http, clock=clock) as client:
        yield World(clock, fake, client, MemoryStorage(clock=clock))


async def test_label_and_invoice_arrive_verified_and_their_places_are_booked(world: World) -> None:
    """One feed each, one look at both at a time; the PDF names the order."""
    papers = await world.source().documents(READY)
    assert set(papers.ready) == {LABEL, INVOICE}
    assert papers[LABEL].order_id == READY
    assert papers[LABEL].pages == 1
    assert papers[LABEL].content.startswith(b"%PDF-")
    assert [feed.parameters["DocumentType"] for feed in world.fake.feeds] == ["ShippingLabel", "Invoice"]
    assert {feed.parameters["AmazonOrderId"] for feed in world.fake.feeds} == {READY}
    assert world.fake.count("GetFeedSubmissionList") <= 3
    ledger = await world.ledger()
    assert (ledger.used, ledger.open) == (2, ())
    assert await world.storage.names("easy-ship-documents/") == []


async def test_a_feed_that_takes_long_is_gone_on_with_and_costs_one_place(world: World) -> None:
    """DocumentNotReady says when to ask again; another process asks and gets it."""
    papers = await world.source(max_wait_seconds=0).documents(READY, [LABEL])
    with pytest.raises(DocumentNotReady) as caught:
        _ = papers[LABEL]
    await world.clock.sleep(caught.value.retry_after_seconds)
    papers = await world.source().documents(READY, [LABEL])
    assert list(papers.ready) == [LABEL]
    assert world.fake.count("SubmitFeed") == 1


async def test_without_a_place_nothing_is_sent_and_the_error_says_when(world: World) -> None:
    """The bucket of 15 is empty: one place per two minutes."""
    ledger = await world.ledger()
    for number in range(15):
        ledger = ledger.reserve(f"b{number}", "stock") or ledger
    await world.storage.change(ledger.rule.name, lambda *_: (ledger.to_text(), None))
    papers = await world.source().documents(READY, [LABEL])
    error = papers.failed[LABEL]
    assert isinstance(error, DocumentNotReady)
    assert 0 < error.retry_after_seconds <= 1800
    assert not world.fake.requests


@pytest.mark.parametrize(
    ("fault", "cause", "places", "free_again"),
    [
        (MwsFault.NOT_REACHED, NotSent, 0, True),
        (MwsFault.ANSWER_LOST, OutcomeUnknown, 1, True),
        (MwsFault.THROTTLED, AmazonError, 1, False),
        (MwsFault.QUOTA_EXCEEDED, AmazonError, 1, False),
    ],
)
async def test_what_goes_wrong_is_booked_as_it_was(
    world: World, fault: MwsFault, cause: type[Exception], places: int, free_again: bool
) -> None:
    """Only what surely never left gives its place back; Amazon's word empties the ledger."""
    world.fake.fail("SubmitFeed", fault)
    error = (await world.source().documents(READY, [LABEL])).failed[LABEL]
    assert isinstance(error.__cause__, cause)
    ledger = await world.ledger()
    assert (ledger.used, ledger.open) == (places, ())
    assert (ledger.free > 0) is free_again


async def test_a_refusal_fails_its_kind_with_amazons_words_and_is_not_remembered(world: World) -> None:
    """Without a pickup there is no label; asking later starts anew."""
    source = world.source()
    error = (await source.documents(UNSCHEDULED, [LABEL])).failed[LABEL]
    assert "Schedule the pickup first" in str(error)
    world.fake.schedule_pickup(UNSCHEDULED, date(2021, 11, 19))
    assert list((await source.documents(UNSCHEDULED, [LABEL])).ready) == [LABEL]


async def test_a_cancelled_feed_and_a_foreign_pdf_fail_their_kind(world: World) -> None:
    """Bytes are believed only when they are this order's document."""
    world.fake.end_feeds("_CANCELLED_")
    error = (await world.source().documents(READY, [INVOICE])).failed[INVOICE]
    assert "cancelled" in str(error)

    def foreign(content: bytes, _: str) -> object:
        return inspect_pdf(content, "999-9999999-9999999")

    source = EasyShipDocumentsFeed(world.client, world.storage, inspect=foreign)  # type: ignore[arg-type]
    assert isinstance((await source.documents(READY, [INVOICE])).failed[INVOICE], DocumentInvalid)


class Unlisting(httpx.AsyncBaseTransport):
    """The fake, but GetReportList shows nothing and GetReport knows the reference itself."""

    def __init__(self, fake: FakeMws) -> None:
        self._fake = fake
        self.report_ids: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        params = dict(parse_qsl(request.url.query.decode() or (await request.aread()).decode()))
        if params["Action"] == "GetReportList":
            result = "<GetReportListResult><HasNext>false</HasNext></GetReportListResult>"
            return httpx.Response(200, text=f"<GetReportListResponse>{result}</GetReportListResponse>")
        if params["Action"] == "GetReport":
            self.report_ids.append(params["ReportId"])
            text = PdfText(text=f"Order {READY}", left_mm=20, top_mm=30)
            return httpx.Response(200, content=write_pdf([PdfPage(texts=[text])]))
        return await self._fake.handle_async_request(request)


async def test_a_document_that_amazon_lists_under_no_report_is_fetched_by_its_reference(world: World) -> None:
    """Amazon's documents say both; the list comes first."""
    wire = Unlisting(world.fake)
    async with httpx.AsyncClient(transport=wire) as http:
        client = MwsClient(world.fake.credentials, http=http, clock=world.clock)
        source = EasyShipDocumentsFeed(client, world.storage, inspect=inspect_pdf)
        assert list((await source.documents(READY, [LABEL])).ready) == [LABEL]
    report = world.fake.feeds[0].report
    assert report is not None
    assert f"<ReportReferenceId>{wire.report_ids[0]}</ReportReferenceId>".encode() in report


async def test_the_feed_has_no_packing_slip_and_refuses_what_is_no_order_id(world: World) -> None:
    """The other kinds are not kept back; nothing is sent for a malformed id."""
    papers = await world.source().documents(READY, [SLIP, INVOICE, INVOICE])
    assert list(papers) == [SLIP, INVOICE]
    assert isinstance(papers.failed[SLIP], DocumentError)
    assert list(papers.ready) == [INVOICE]
    asked = len(world.fake.requests)
    for order_id in ("", "../../home", f"{READY}\n", f"{READY};{UNSCHEDULED}"):
        with pytest.raises(ConfigurationError):
            await world.source().documents(order_id)
    assert len(world.fake.requests) == asked
    assert dict(await world.source().documents(READY, ())) == {}
