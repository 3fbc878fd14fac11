"""Labels by the documents feed: many orders in one feed, matched by their text, kept before anybody gets them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest

from amazon_ae import (
    ConfigurationError,
    DocumentError,
    DocumentKind,
    DocumentNotReady,
    InvalidRequest,
    LabelArchiveFolder,
    MemoryStorage,
    SpApiClient,
    SpApiDocumentsFeed,
    UnreadableResponse,
)
from amazon_ae._easy_ship.documents_feed import DocumentsReport, RefusedDocument, read_documents_report
from amazon_ae._spapi.documents_feed import _Ended, _reason
from amazon_ae.testing import FakeSpApi, SpApiFault, VirtualClock, make_item, make_order, make_order_id

LABEL, INVOICE, SLIP = DocumentKind.SHIPPING_LABEL, DocumentKind.INVOICE, DocumentKind.PACKING_SLIP


@attrs.define
class World:
    fake: FakeSpApi
    clock: VirtualClock
    client: SpApiClient
    folder: Path
    storage: MemoryStorage

    def source(self, **options: Any) -> SpApiDocumentsFeed:
        """A process."""
        return SpApiDocumentsFeed(self.client, self.storage, LabelArchiveFolder(self.folder), **options)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = VirtualClock(grace_seconds=0.02)
    fake = FakeSpApi(clock=clock)
    for number in range(1, 13):
        fake.add_order(make_order(make_order_id(number), updated_at=clock.now()), [make_item()])
        fake.schedule_pickup(make_order_id(number), clock.now().date() + timedelta(days=1))
    fake.add_order(make_order(make_order_id(99), updated_at=clock.now()), [make_item()])
    async with httpx.AsyncClient(transport=fake) as http, SpApiClient(fake.credentials, http=http, clock=clock) as api:
        yield World(fake, clock, api, tmp_path / "labels", MemoryStorage(clock=clock))


@pytest.mark.parametrize("tag", ["DocumentReportReferenceId", "DocumentReportReferenceID", "documentreportreferenceid"])
async def test_orders_that_are_asked_for_together_travel_in_one_feed(world: World, tag: str) -> None:
    """One feed, one report, one download; each order gets its own label although Amazon shuffles them."""
    world.fake.settings.report_tag = tag
    source = world.source()
    ids = [make_order_id(number) for number in range(1, 13)]
    papers = await asyncio.gather(*(source.documents(order_id, [LABEL]) for order_id in ids))
    assert [each[LABEL].order_id for each in papers] == ids
    assert len({each[LABEL].sha256 for each in papers}) == 12
    assert {each[LABEL].pages for each in papers} == {1}
    assert [world.fake.count(name) for name in ("createFeed", "getReportDocument")] == [1, 1]
    again = await world.source().documents(ids[3], [LABEL])
    assert again[LABEL].sha256 == papers[3][LABEL].sha256
    assert world.fake.count("createFeed") == 1, "what is kept is not asked for again"
    assert await world.storage.names("easy-ship-documents/") == []


async def test_orders_beyond_a_feeds_limit_travel_in_the_next(world: World) -> None:
    """As do those that come while a feed waits for its slot."""
    source = world.source(most_orders=5)
    ids = [make_order_id(number) for number in range(1, 13)]
    papers = await asyncio.gather(*(source.documents(order_id, [LABEL]) for order_id in ids))
    assert [len(each.ready) for each in papers] == [1] * 12
    assert world.fake.count("createFeed") == 3


async def test_a_tar_of_zpl_gives_zpl_where_it_is_asked_for(world: World) -> None:
    """As recorded in Brazil; its posting list is no label."""
    world.fake.settings.easy_ship_documents = "tar"
    order_id = make_order_id(1)
    failed = (await world.source().documents(order_id, [LABEL])).failed
    assert "not in a format that is asked for" in str(failed[LABEL])
    papers = await world.source(media_types=["application/pdf", "application/zpl"]).documents(order_id, [LABEL])
    assert papers[LABEL].media_type == "application/zpl"
    assert order_id.encode() in papers[LABEL].content


async def test_each_order_has_amazons_reason_for_itself(world: World) -> None:
    """One that was never scheduled, beside one that was."""
    source = world.source()
    good, bad = await asyncio.gather(
        source.documents(make_order_id(1), [LABEL]), source.documents(make_order_id(99), [LABEL])
    )
    assert LABEL in good.ready
    assert "610013" in str(bad.failed[LABEL])
    assert not bad.failed[LABEL].retryable
    slip = (await source.documents(make_order_id(1), [SLIP, LABEL])).failed[SLIP]
    assert type(slip) is DocumentError


async def test_a_slow_feed_is_remembered_and_costs_nothing_more(world: World) -> None:
    """Also in another process."""
    world.fake.end_feeds("IN_PROGRESS")
    first = (await world.source(wait_seconds=20).documents(make_order_id(1), [LABEL])).failed[LABEL]
    assert isinstance(first, DocumentNotReady)
    assert first.retry_after_seconds == 5.0
    world.fake.release(world.fake.feeds[0].feed_id)
    assert LABEL in (await world.source().documents(make_order_id(1), [LABEL])).ready
    assert world.fake.count("createFeed") == 1


async def test_a_remembered_feed_of_another_kind_is_not_waited_for(world: World) -> None:
    """Label first, invoice later: a feed of its own."""
    world.fake.end_feeds("IN_PROGRESS", times=2)
    source = world.source(wait_seconds=10)
    await source.documents(make_order_id(1), [LABEL])
    await source.documents(make_order_id(1), [INVOICE])
    await source.documents(make_order_id(1), [INVOICE])
    assert world.fake.count("createFeed") == 2


async def test_a_feed_that_ended_fatally_gives_what_it_made(world: World) -> None:
    """Some, none or all of it may be done: its report decides."""
    world.fake.end_feeds("FATAL")
    assert LABEL in (await world.source().documents(make_order_id(1), [LABEL])).ready


async def test_a_cancelled_feed_may_be_asked_for_again(world: World) -> None:
    """With a reason, and a new feed."""
    world.fake.end_feeds("CANCELLED")
    failed = (await world.source().documents(make_order_id(1), [LABEL])).failed[LABEL]
    assert failed.retryable
    assert LABEL in (await world.source().documents(make_order_id(1), [LABEL])).ready


async def test_amazons_error_is_the_cause(world: World) -> None:
    """A missing role."""
    world.fake.roles.clear()
    failed = (await world.source().documents(make_order_id(1), [LABEL])).failed[LABEL]
    assert isinstance(failed.__cause__, InvalidRequest)
    assert not failed.retryable


async def test_an_outage_while_the_report_is_fetched_keeps_the_feed(world: World) -> None:
    """The next call goes on from there."""
    world.fake.fail("getReportDocument", SpApiFault.UNAVAILABLE, times=20)
    failed = (await world.source().documents(make_order_id(1), [LABEL])).failed[LABEL]
    assert failed.retryable
    world.fake.clear_faults()
    assert LABEL in (await world.source().documents(make_order_id(1), [LABEL])).ready
    assert world.fake.count("createFeed") == 1


async def test_a_report_that_stays_unreadable_is_not_waited_for_forever(world: World) -> None:
    """Whoever asks again asks for a new feed."""
    world.fake.fail("downloadDocument", SpApiFault.HTML_PAGE, times=20)
    failed = (await world.source().documents(make_order_id(1), [LABEL])).failed[LABEL]
    assert isinstance(failed.__cause__, UnreadableResponse)
    world.fake.clear_faults()
    assert LABEL in (await world.source().documents(make_order_id(1), [LABEL])).ready
    assert world.fake.count("createFeed") == 2


@pytest.mark.parametrize(
    ("code", "message", "again"),
    [("5001", "system error, submit again", True), ("InternalError", "", True), ("610013", "no package", False)],
)
def test_a_passing_refusal_may_be_asked_for_again(code: str, message: str, again: bool) -> None:
    """Amazon's words decide, as they do for stock and pickups."""
    refused = RefusedDocument(order_id="171-0000000-0000002", message_id="2", code=code, message=message)
    report = DocumentsReport(references=(), made=(), refused=(refused,))
    reason, retryable = _reason("171-0000000-0000002", _Ended(report))
    assert (code in reason, retryable) == (True, again)


def test_one_source_works_in_several_event_loops(tmp_path: Path) -> None:
    """``asyncio.run`` twice, with calls that wait for each other in both."""
    clock = VirtualClock(grace_seconds=0.02)
    fake = FakeSpApi(clock=clock)
    storage = MemoryStorage(clock=clock)
    sources: list[SpApiDocumentsFeed] = []
    for number in range(1, 9):
        fake.add_order(make_order(make_order_id(number), updated_at=clock.now()), [make_item()])
        fake.schedule_pickup(make_order_id(number), clock.now().date() + timedelta(days=1))

    async def labels(*numbers: int) -> list[int]:
        async with (
            httpx.AsyncClient(transport=fake) as http,
            SpApiClient(fake.credentials, http=http, clock=clock) as api,
        ):
            if not sources:
                sources.append(SpApiDocumentsFeed(api, storage, LabelArchiveFolder(tmp_path), most_orders=2))
            sources[0]._client = api  # a client of the host's belongs to its loop
            asked = (sources[0].documents(make_order_id(number), [LABEL]) for number in numbers)
            return [len(each.ready) for each in await asyncio.gather(*asked)]

    assert asyncio.run(labels(1, 2, 3, 4)) == [1] * 4
    assert asyncio.run(labels(5, 6, 7, 8)) == [1] * 4


async def test_what_cannot_be_used_is_refused(world: World) -> None:
    """Before anything is sent."""
    unusable: list[dict[str, Any]] = [
        {"media_types": []},
        {"most_orders": 0},
        {"poll_seconds": 0.0},
        {"wait_seconds": -1.0},
    ]
    for options in unusable:
        with pytest.raises(ConfigurationError):
            world.source(**options)
    with pytest.raises(ConfigurationError):
        await world.source().documents("171-1", [LABEL])
    assert (await world.source().documents(make_order_id(1), [])).results == {}
    assert world.fake.count("createFeed") == 0


REPORT = b"""<EasyShipProcessingReport><FeedSubmissionID>1</FeedSubmissionID>
<SuccessMessage><MessageID>1</MessageID><AmazonOrderID>171-0000000-0000001</AmazonOrderID>
<DocumentReportReferenceId>a.b.c</DocumentReportReferenceId></SuccessMessage>
<ErrorMessage><MessageID>2</MessageID><AmazonOrderID>171-0000000-0000002</AmazonOrderID><TotalErrors>1</TotalErrors>
<Error><ErrorType>Error</ErrorType><ErrorCode>610013</ErrorCode><ErrorMessage>no\x01 package</ErrorMessage></Error>
</ErrorMessage></EasyShipProcessingReport>"""


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + REPORT,
        REPORT.replace(b"\x01", b"&#x1;"),
        REPORT.replace(b"\x01", b"\0"),
        b'<?xml version="1.0" encoding="UTF-16"?>'.decode().encode("utf-16") + REPORT.decode().encode("utf-16")[2:],
        b'<?xml version="1.0" encoding="klingon"?>' + REPORT,
        REPORT + b"\0\n",
    ],
    ids=["mark", "reference", "nul", "UTF-16", "unknown encoding", "nul behind"],
)
def test_a_report_is_read_in_any_encoding(content: bytes) -> None:
    """By the ladder that every document of Amazon's gets."""
    assert [each.order_id for each in read_documents_report(content).refused] == ["171-0000000-0000002"]


@pytest.mark.parametrize(
    ("written", "word"), [("A & B", "A & B"), ("caf&eacute;", "café"), ("5 % & more", "5 % & more")]
)
def test_a_report_with_unescaped_words_is_read(written: str, word: str) -> None:
    """As people type them."""
    (refused,) = read_documents_report(REPORT.replace(b"no\x01 package", written.encode())).refused
    assert refused.message == word


@pytest.mark.parametrize(
    "content",
    [REPORT, b"\n\n " + REPORT, b"<?xml version='1.0'?><AmazonEnvelope>" + REPORT + b"</AmazonEnvelope>"],
    ids=["bare", "blank first", "in an envelope"],
)
def test_a_report_is_read_whatever_it_is_wrapped_in(content: bytes) -> None:
    """A stray control character does not cost the others."""
    report = read_documents_report(content)
    assert report.references == ("a.b.c",)
    assert report.made == ("171-0000000-0000001",)
    (refused,) = report.refused
    assert (refused.order_id, refused.code, refused.message) == ("171-0000000-0000002", "610013", "no package")


@pytest.mark.parametrize("content", [b"", b"<html/>", b"not xml", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"])
def test_what_is_no_such_report_is_unreadable(content: bytes) -> None:
    """And no empty success."""
    with pytest.raises(UnreadableResponse):
        read_documents_report(content)


def test_amazons_recorded_report_is_read(pytestconfig: pytest.Config) -> None:
    """Out of the samples of the Selling Partner API."""
    folder = pytestconfig.getoption("--spapi", default=None)
    if folder is None:
        pytest.skip("no folder of Amazon's models and samples was given (--spapi DIR)")
    report = read_documents_report((Path(folder) / "samples" / "feeds-feedResultDocument.xml").read_bytes())
    assert report.made == ("701-5497852-1014649",)
    assert report.references == ("amzn1.easyship.document.12345678-abcd-efgh-ijkl-123456789012",)


@pytest.mark.parametrize("fault", [SpApiFault.HTML_PAGE, SpApiFault.EMPTY, SpApiFault.TRUNCATED])
async def test_a_damaged_document_is_downloaded_again_without_another_feed(world: World, fault: SpApiFault) -> None:
    """What is damaged is not kept in a label's place."""
    source = world.source()
    downloads = 0
    restricted = world.client.reports.download

    async def download(document_id: str, **options: Any) -> bytes:
        nonlocal downloads
        downloads += 1
        if downloads < 5:
            world.fake.fail("downloadDocument", fault)
        return await restricted(document_id, **options)

    world.client.reports.download = download  # type: ignore[method-assign]  # only the second document is damaged
    found = await source.documents(make_order_id(1), [LABEL])
    error = found.failed[LABEL]
    assert error.retryable
    assert not await LabelArchiveFolder(world.folder).find(make_order_id(1))
    assert not (await source.documents(make_order_id(1), [LABEL])).failed
    assert world.fake.count("createFeed") == 1
