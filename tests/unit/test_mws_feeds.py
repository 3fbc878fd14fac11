"""Feeds: how a feed travels, what its answers mean, and the hazards that are refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import httpx
import pytest
from mws_support import CREDENTIALS, NOW, Amazon, client_of, envelope, error

from amazon_ae._exceptions import ConfigurationError, InvalidRequest, OutcomeUnknown, UnreadableResponse
from amazon_ae._models.marketplaces import MwsCredentials
from amazon_ae._mws.client import MwsClient
from amazon_ae._mws.feeds import FLAT_FILE, FLAT_FILE_UTF8, XML
from amazon_ae._mws.signing import content_md5

SECTION = "Feeds/2009-01-01"
SUBMITTED = envelope(
    "SubmitFeed",
    "<FeedSubmissionInfo><FeedSubmissionId>355372017648</FeedSubmissionId><FeedType>_POST_X_</FeedType>"
    "<SubmittedDate>2021-11-18T09:00:01+00:00</SubmittedDate><FeedProcessingStatus>_SUBMITTED_</FeedProcessingStatus>"
    "</FeedSubmissionInfo>",
    section=SECTION,
)


async def test_a_feed_travels_in_the_body_and_its_parameters_in_the_url() -> None:
    """POST, the feed's bytes as they are, their MD5 signed, the content type of its kind."""
    amazon = Amazon(SUBMITTED)
    body = "سطر\r\n\x00".encode()
    feed = await client_of(amazon).feeds.submit("_POST_X_", body, content_type=FLAT_FILE)
    (request,) = amazon.requests
    assert (request.method, request.url.path, request.content) == ("POST", "/Feeds/2009-01-01", body)
    assert request.headers["content-type"] == "text/tab-separated-values; charset=iso-8859-1"
    params = amazon.asked[0]
    assert params["ContentMD5Value"] == content_md5(body)
    assert (params["FeedType"], params["MarketplaceIdList.Id.1"]) == ("_POST_X_", "A2VIGQ35RCS4UG")
    assert "PurgeAndReplace" not in params
    assert (feed.feed_submission_id, feed.feed_processing_status, feed.final) == ("355372017648", "_SUBMITTED_", False)
    assert (feed.submitted_date, feed.meta.request_id) == (datetime(2021, 11, 18, 9, 0, 1, tzinfo=UTC), "req-1")


async def test_the_rarer_parameters_are_sent_when_asked_for() -> None:
    """Easy Ship documents, purge, options, all marketplaces."""
    amazon = Amazon(SUBMITTED)
    await client_of(amazon).feeds.submit(
        "_POST_EASYSHIP_DOCUMENTS_",
        b"<x/>",
        content_type=XML,
        marketplace_ids=(),
        purge_and_replace=True,
        amazon_order_id="403-1234567-7654321",
        document_type="ShippingLabel",
        feed_options="a=b",
    )
    params = amazon.asked[0]
    assert (params["PurgeAndReplace"], params["AmazonOrderId"], params["DocumentType"], params["FeedOptions"]) == (
        "true", "403-1234567-7654321", "ShippingLabel", "a=b",
    )  # fmt: skip
    assert "MarketplaceIdList.Id.1" not in params
    assert amazon.requests[0].headers["content-type"] == "text/xml"


class _Huge(bytes):
    """Says that it has 2 GiB, and has not."""

    def __len__(self) -> int:
        return 2_147_483_648


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"body": b""}, "1 byte to just under 2 GiB"),
        ({"body": _Huge(b"x")}, "1 byte to just under 2 GiB"),
        ({"feed_type": ""}, "feed_type"),
        ({"content_type": ""}, "content_type"),
        ({"content_type": "text/xml\r\nX-Evil: 1"}, "content_type"),
        ({"document_type": "Receipt"}, "document_type"),
    ],
)
async def test_a_feed_that_breaks_a_rule_is_not_sent(change: dict[str, Any], rule: str) -> None:
    """Size, names, headers."""
    amazon = Amazon(SUBMITTED)
    call = {"feed_type": "_POST_X_", "body": b"x", "content_type": FLAT_FILE_UTF8, **change}
    with pytest.raises(ConfigurationError, match=rule):
        await client_of(amazon).feeds.submit(call.pop("feed_type"), call.pop("body"), **call)
    assert not amazon.asked


@pytest.mark.parametrize("ids", [[], (), "", [""], ["1", ""], [" "], [None], ["1"] * 101])
async def test_a_cancellation_without_ids_is_refused(ids: Any) -> None:
    """Amazon would cancel every feed of the seller."""
    amazon = Amazon(b"")
    with pytest.raises(ConfigurationError, match=r"every feed|100"):
        await client_of(amazon).feeds.cancel(ids)
    assert not amazon.asked


async def test_a_cancellation_tells_what_matched_and_what_was_cancelled() -> None:
    """Count counts matches; a text is one id, not its letters."""
    amazon = Amazon(
        envelope(
            "CancelFeedSubmissions",
            "<Count>2</Count><FeedSubmissionInfo><FeedSubmissionId>1</FeedSubmissionId>"
            "<FeedProcessingStatus>_CANCELLED_</FeedProcessingStatus></FeedSubmissionInfo><FeedSubmissionInfo>"
            "<FeedSubmissionId>2</FeedSubmissionId><FeedProcessingStatus>_DONE_</FeedProcessingStatus>"
            "<CompletedProcessingDate>2021-11-18T08:00:00+00:00</CompletedProcessingDate></FeedSubmissionInfo>",
        )
    )
    cancelled = await client_of(amazon).feeds.cancel("12")
    assert amazon.asked[0]["FeedSubmissionIdList.Id.1"] == "12"
    assert "FeedSubmissionIdList.Id.2" not in amazon.asked[0]
    assert (cancelled.count, [feed.feed_processing_status for feed in cancelled.feeds]) == (
        2,
        ["_CANCELLED_", "_DONE_"],
    )
    assert all(feed.final for feed in cancelled.feeds)
    assert cancelled.feeds[1].completed_processing_date == datetime(2021, 11, 18, 8, tzinfo=UTC)


async def test_a_list_is_asked_for_by_amazons_names() -> None:
    """Ids alone, or filters; never both, because Amazon would ignore the filters."""
    empty = envelope("GetFeedSubmissionList", "<HasNext>false</HasNext>", section=SECTION)
    amazon = Amazon(empty)
    client = client_of(amazon)
    assert await client.feeds.list(feed_submission_ids=["1", "2"]).all() == ()
    await client.feeds.list(
        feed_types=["_A_", "_B_"],
        statuses=["_DONE_"],
        submitted_from=NOW - timedelta(hours=1),
        submitted_to=NOW,
        max_count=5,
    ).all()
    by_id, by_filter = amazon.asked
    assert (by_id["FeedSubmissionIdList.Id.2"], by_id["MaxCount"]) == ("2", "100")
    names = ("FeedTypeList.Type.2", "FeedProcessingStatusList.Status.1", "MaxCount")
    assert tuple(by_filter[name] for name in names) == (
        "_B_",
        "_DONE_",
        "5",
    )
    window = (by_filter["SubmittedFromDate"], by_filter["SubmittedToDate"])
    assert window == ("2021-11-18T08:00:00Z", "2021-11-18T09:00:00Z")
    unusable: list[dict[str, Any]] = [
        {"feed_submission_ids": ["1"], "feed_types": ["_A_"]},
        {"feed_submission_ids": ["1"], "submitted_from": NOW},
        {"feed_submission_ids": ["1"] * 101},
        {"feed_submission_ids": []},
        {"feed_submission_ids": "12"},
        {"feed_types": "_A_"},
        {"max_count": 101},
        {"max_count": 0},
    ]
    for broken in unusable:
        with pytest.raises(ConfigurationError, match=r"GetFeedSubmissionList|100|list of texts"):
            client.feeds.list(**broken)


async def test_feeds_are_counted() -> None:
    """An answer whose count is no number is unreadable, not zero."""
    assert await client_of(Amazon(envelope("GetFeedSubmissionCount", "<Count>463</Count>"))).feeds.count() == 463
    with pytest.raises(UnreadableResponse):
        await client_of(Amazon(envelope("GetFeedSubmissionCount", "<Count>many</Count>"))).feeds.count()


def document(body: bytes, *, md5: str | None = None) -> httpx.Response:
    headers = {"Content-MD5": md5 or content_md5(body), "Content-Type": "text/xml;charset=UTF-8"}
    return httpx.Response(200, content=body, headers=headers)


async def test_a_damaged_result_is_fetched_again_up_to_three_more_times() -> None:
    """The fourth fetch is the last; each draws on the operation's pace."""
    good, bad = document(b"<AmazonEnvelope/>"), document(b"<Amazon", md5=content_md5(b"other"))
    amazon = Amazon(bad, bad, bad, good)
    assert await client_of(amazon).feeds.result("17") == b"<AmazonEnvelope/>"
    assert [params["FeedSubmissionId"] for params in amazon.asked] == ["17"] * 4
    amazon = Amazon(bad)
    with pytest.raises(UnreadableResponse, match="MD5"):
        await client_of(amazon).feeds.result("17")
    assert len(amazon.asked) == 4


async def test_a_result_keeps_its_content_type_and_its_bytes() -> None:
    """A flat file tells its character set in the header."""
    flat = "Feed Processing Summary:\tü".encode("iso-8859-1")
    answer = httpx.Response(
        200, content=flat, headers={"Content-Type": "text/plain;charset=ISO-8859-1", "x-mws-request-id": "d"}
    )
    download = await client_of(Amazon(answer)).feeds.download_result("17")
    assert (download.content, download.content_type, download.meta.request_id) == (
        flat,
        "text/plain;charset=ISO-8859-1",
        "d",
    )
    assert "Summary" not in repr(download)


async def test_a_result_that_is_not_ready_says_so() -> None:
    """retryable, and asked for once: when is the caller's to decide."""
    amazon = Amazon(error("FeedProcessingResultNotReady", 404))
    with pytest.raises(InvalidRequest) as caught:
        await client_of(amazon).feeds.result("17")
    assert caught.value.retryable
    assert len(amazon.asked) == 1
    with pytest.raises(ConfigurationError, match="empty"):
        await client_of(amazon).feeds.result("")


def test_the_ledger_gets_the_limits_under_the_name_that_amazon_counts_by() -> None:
    """Seller and developer account, not marketplace and not key: a new key brings no new slots."""
    rule = client_of(Amazon(b"")).feeds.submit_quota
    assert (rule.burst, rule.restore_seconds, rule.limit) == (15, 120, 30)
    assert rule.name == f"{CREDENTIALS.seller_id}/developer/SubmitFeed"

    def named(credentials: MwsCredentials, **options: Any) -> str:
        return MwsClient(credentials, **options).feeds.submit_quota.name

    assert named(attrs.evolve(CREDENTIALS, access_key_id="AKIANEW")) == rule.name
    assert named(CREDENTIALS, developer="repricer") == f"{CREDENTIALS.seller_id}/repricer/SubmitFeed"
    assert named(attrs.evolve(CREDENTIALS, seller_id="A2OTHER")) == "A2OTHER/developer/SubmitFeed"
    for wrong in ("", " ", "a/b", "a\n"):
        with pytest.raises(ConfigurationError, match="developer must be a name"):
            MwsClient(CREDENTIALS, developer=wrong)


async def test_the_thirty_first_feed_of_an_hour_waits_for_the_hour() -> None:
    """15 at once, one per two minutes, and never more than 30 in 60 minutes."""
    amazon = Amazon(SUBMITTED)
    client = client_of(amazon)
    for _ in range(33):
        await client.feeds.submit("_POST_X_", b"x", content_type=XML)
    assert amazon.seconds[:15] == [0] * 15
    assert amazon.seconds[15:30] == pytest.approx([120 * n for n in range(1, 16)], abs=0.1)
    assert amazon.seconds[30:] == pytest.approx([3600] * 3, abs=0.1)


async def test_an_outcome_that_is_unknown_says_so_without_a_second_feed() -> None:
    """The connection broke after the feed was sent."""
    amazon = Amazon(httpx.ReadError("reset by peer"), SUBMITTED)
    with pytest.raises(OutcomeUnknown, match="SubmitFeed"):
        await client_of(amazon).feeds.submit("_POST_X_", b"x", content_type=XML)
    assert amazon.actions == ["SubmitFeed"]
