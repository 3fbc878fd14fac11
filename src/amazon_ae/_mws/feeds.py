"""Feeds 2009-01-01.

Source: MWS Feeds API reference, one page per operation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from amazon_ae._exceptions import ConfigurationError, UnreadableResponse
from amazon_ae._models.checks import check_aware, check_count, check_text, listed
from amazon_ae._models.feeds import QuotaRule
from amazon_ae._models.responses import Download, ResponseMeta
from amazon_ae._models.submissions import FeedCancellation, FeedSubmission
from amazon_ae._models.text import check_order_id
from amazon_ae._mws.calls import MwsCall, MwsExecutor
from amazon_ae._mws.feed_bodies import MAX_BYTES, FeedWriter
from amazon_ae._mws.field_tables import table_of
from amazon_ae._mws.paging import Listing, RawPage
from amazon_ae._mws.params import flatten
from amazon_ae._mws.parsing import Fields, Node, boolean, children, fields, integer, required, text
from amazon_ae._mws.service import Section
from amazon_ae._mws.signing import content_md5
from amazon_ae._transport.calls import WaitPolicy
from amazon_ae._transport.slicing import feed_slices

__all__ = ["FLAT_FILE", "FLAT_FILE_UTF8", "XML", "Feeds", "gather_feed", "next_token"]

XML: Final = "text/xml"
"""Content type of an XML feed (page "SubmitFeed")."""
FLAT_FILE: Final = "text/tab-separated-values; charset=iso-8859-1"
"""Content type of a flat file in Europe and North America (page "SubmitFeed")."""
FLAT_FILE_UTF8: Final = "text/tab-separated-values; charset=utf-8"
"""Content type of a flat file with Arabic text: UNVERIFIED, Amazon's table does not name the UAE."""

# Page "SubmitFeed": the body must be smaller than 2 GiB.
_FEED_LIMIT_BYTES: Final = 2_147_483_648
_DOCUMENT_TYPES: Final = ("ShippingLabel", "Invoice", "Warranty")


class Feeds(Section):
    """The Feeds section of one client."""

    name = "Feeds"

    def __init__(self, calls: MwsExecutor, *, marketplace_id: str, owner: str) -> None:
        super().__init__(calls)
        self._marketplace_id = marketplace_id
        self._owner = owner

    @property
    def submit_quota(self) -> QuotaRule:
        """SubmitFeed's limits (page "Feeds_SubmitFeed"), named after the pair of seller and developer account."""
        return self._calls.throttle("Feeds/SubmitFeed").rule(f"{self._owner}/SubmitFeed")

    async def submit(
        self,
        feed_type: str,
        body: bytes,
        *,
        content_type: str,
        marketplace_ids: Sequence[str] | None = None,
        purge_and_replace: bool = False,
        amazon_order_id: str | None = None,
        document_type: str | None = None,
        feed_options: str | None = None,
        paced: bool = True,
        wait: bool = True,
        deadline: datetime | timedelta | None = None,
    ) -> FeedSubmission:
        """SubmitFeed. Never sent again once it may have arrived.

        Args:
            feed_type: e.g. ``"_POST_INVENTORY_AVAILABILITY_DATA_"``.
            body: the feed, 1 byte to just under 2 GiB (Amazon advises up to 10 MiB and 30,000 records).
            content_type: ``XML``, ``FLAT_FILE`` or another.
            marketplace_ids: the client's marketplace by default; ``()`` means all of the seller's on this endpoint.
            purge_and_replace: **replaces the whole inventory** by this feed; once in 24 hours.
            amazon_order_id, document_type: for ``_POST_EASYSHIP_DOCUMENTS_``; ``ShippingLabel``, ``Invoice`` or
                ``Warranty``.
            paced: false: the caller keeps the quota itself; nothing waits, a throttle raises at once.
            wait, deadline: how long to wait for a quota slot.

        Returns:
            Amazon's id and status of the feed; follow it with ``list``.

        Raises:
            NotSent: it surely never left; send it again.
            OutcomeUnknown: it may have arrived: check with ``list`` before sending it again.
            RequestThrottled, QuotaExceeded: nothing was taken; ``retry_at`` says when a slot is free.
            AmazonError: nothing was taken.
            QuotaTimeout: no slot in time; nothing was sent.
            ConfigurationError: a rule is broken; nothing was sent.
        """
        check_text("feed_type", feed_type)
        if not isinstance(body, bytes):
            raise ConfigurationError(f"SubmitFeed: a feed's body is bytes, not {type(body).__name__}: encode it")
        if type(purge_and_replace) is not bool:
            # Any text is true, "false" included, and this one replaces the whole inventory.
            raise ConfigurationError(f"SubmitFeed: purge_and_replace is True or False, not {purge_and_replace!r}")
        if amazon_order_id is not None:
            check_order_id(amazon_order_id)
        if not 1 <= len(body) < _FEED_LIMIT_BYTES:
            raise ConfigurationError(f"SubmitFeed: a feed has 1 byte to just under 2 GiB, this one {len(body):,} bytes")
        check_text("content_type", content_type)
        if not content_type.isascii() or not content_type.isprintable():
            raise ConfigurationError("SubmitFeed: content_type must be printable ASCII")
        if document_type is not None and document_type not in _DOCUMENT_TYPES:
            raise ConfigurationError(f"SubmitFeed: document_type is one of {', '.join(_DOCUMENT_TYPES)}")
        params = flatten(
            {
                "FeedType": feed_type,
                "MarketplaceIdList.Id": (
                    (self._marketplace_id,) if marketplace_ids is None else listed("marketplace_ids", marketplace_ids)
                ),
                "PurgeAndReplace": purge_and_replace or None,
                "AmazonOrderId": amazon_order_id,
                "DocumentType": document_type,
                "FeedOptions": feed_options,
            }
        )
        params["ContentMD5Value"] = await self._calls.off_loop(len(body), partial(content_md5, body))
        call = MwsCall(
            section="Feeds", action="SubmitFeed", params=params, idempotent=False, feed=body, content_type=content_type
        )
        del body  # a traceback may show variables
        return await self._calls.result(call, _read_submitted, WaitPolicy(wait=wait, deadline=deadline, paced=paced))

    def list(
        self,
        *,
        feed_submission_ids: Sequence[str] | None = None,
        feed_types: Sequence[str] = (),
        statuses: Sequence[str] = (),
        submitted_from: datetime | None = None,
        submitted_to: datetime | None = None,
        max_count: int = 100,
        wait: bool = True,
        deadline: datetime | timedelta | None = None,
    ) -> Listing[FeedSubmission]:
        """GetFeedSubmissionList, and ...ByNextToken while ``HasNext`` is true. Nothing is sent before you iterate.

        Args:
            feed_submission_ids: 1 to 100; alone, because Amazon ignores every other filter beside them.
            statuses: e.g. ``"_DONE_"``; all by default.
            submitted_from: 90 days ago by default (Amazon's).
            max_count: feeds per page, 1 to 100.
            wait, deadline: how long to wait for a quota slot (10, then one in 45 s, 80 an hour).

        Raises:
            ConfigurationError: a rule is broken; nothing was sent.
            AmazonAeError: while iterating; see ``Listing``.
        """
        check_count("max_count", max_count, most=100)
        check_aware(submitted_from=submitted_from, submitted_to=submitted_to)
        filters = {
            "FeedTypeList.Type": listed("feed_types", feed_types),
            "FeedProcessingStatusList.Status": listed("statuses", statuses),
            "SubmittedFromDate": submitted_from,
            "SubmittedToDate": submitted_to,
        }
        ids = None if feed_submission_ids is None else listed("feed_submission_ids", feed_submission_ids)
        if ids is not None:
            check_count("feed_submission_ids", ids, most=100)
            if any(filters.values()):
                raise ConfigurationError(
                    "GetFeedSubmissionList: beside feed_submission_ids Amazon ignores every other filter"
                )
        params = flatten({"FeedSubmissionIdList.Id": ids, "MaxCount": max_count, **filters})
        return self._listing(
            "GetFeedSubmissionList",
            params,
            lambda node, meta: _read_page(node, meta, asked=ids),
            key=lambda feed: feed.feed_submission_id,
            policy=WaitPolicy(wait=wait, deadline=deadline),
        )

    async def count(
        self,
        *,
        feed_types: Sequence[str] = (),
        statuses: Sequence[str] = (),
        submitted_from: datetime | None = None,
        submitted_to: datetime | None = None,
        wait: bool = True,
        deadline: datetime | timedelta | None = None,
    ) -> int:
        """GetFeedSubmissionCount: how many feeds match."""
        check_aware(submitted_from=submitted_from, submitted_to=submitted_to)
        params = flatten(
            {
                "FeedTypeList.Type": listed("feed_types", feed_types),
                "FeedProcessingStatusList.Status": listed("statuses", statuses),
                "SubmittedFromDate": submitted_from,
                "SubmittedToDate": submitted_to,
            }
        )
        call = MwsCall(section="Feeds", action="GetFeedSubmissionCount", params=params)
        return await self._calls.result(
            call, lambda node, _: _read_count(node), WaitPolicy(wait=wait, deadline=deadline)
        )

    async def cancel(
        self, feed_submission_ids: Sequence[str], *, wait: bool = True, deadline: datetime | timedelta | None = None
    ) -> FeedCancellation:
        """CancelFeedSubmissions, by id only: without ids Amazon would cancel **every** feed of the seller.

        Returns:
            ``count`` is how many feeds matched; only those with status ``_CANCELLED_`` were cancelled.

        Raises:
            ConfigurationError: no id, or an empty one; nothing was sent.
            OutcomeUnknown: it may have arrived; asking again with the same ids does no harm.
        """
        ids = (feed_submission_ids,) if isinstance(feed_submission_ids, str) else tuple(feed_submission_ids)
        if not ids or not all(isinstance(one, str) and one.strip() for one in ids):
            raise ConfigurationError("CancelFeedSubmissions: without ids Amazon would cancel every feed; name them")
        check_count("feed_submission_ids", ids, most=100)
        call = MwsCall(
            section="Feeds", action="CancelFeedSubmissions", params=flatten({"FeedSubmissionIdList.Id": ids})
        )
        return await self._calls.result(call, _read_cancelled, WaitPolicy(wait=wait, deadline=deadline))

    async def result(
        self, feed_submission_id: str, *, wait: bool = True, deadline: datetime | timedelta | None = None
    ) -> bytes:
        """GetFeedSubmissionResult: the processing report's bytes. As ``download_result``, without its headers."""
        return (await self.download_result(feed_submission_id, wait=wait, deadline=deadline)).content

    async def download_result(
        self, feed_submission_id: str, *, wait: bool = True, deadline: datetime | timedelta | None = None
    ) -> Download:
        """GetFeedSubmissionResult: the processing report as Amazon sent it, its MD5 checked.

        A wrong MD5 is discarded and fetched again, up to three more times.

        Raises:
            AmazonError: ``code`` ``FeedProcessingResultNotReady`` (``retryable``) until the feed is ``_DONE_``.
            UnreadableResponse: the MD5 stayed wrong, or the report is larger than the client's ``max_body_bytes``.
        """
        check_text("feed_submission_id", feed_submission_id)
        call = MwsCall(
            section="Feeds", action="GetFeedSubmissionResult", params={"FeedSubmissionId": feed_submission_id}
        )
        return await self._calls.document(call, WaitPolicy(wait=wait, deadline=deadline))


async def gather_feed(chunks: Iterable[bytes], *, max_bytes: int = MAX_BYTES) -> bytes:
    """One body of a feed's chunks; other tasks run after each chunk.

    Raises:
        ConfigurationError: the feed is larger than ``max_bytes``, or an item in it breaks a rule.
    """
    writer = FeedWriter(max_bytes=max_bytes)
    await feed_slices(chunks, writer.write)
    return writer.body()


_SUBMISSION: Final[Fields] = table_of(FeedSubmission, leave_out={"feed_submission_id", "meta"})


def next_token(node: Node, action: str, *elements: str) -> str | None:
    """The token of a list that is paged by ``HasNext``; ``None`` on the last page. Where ``HasNext`` is missing, a
    token means more pages.

    Args:
        elements: the names of the list's elements.

    Raises:
        UnreadableResponse: neither ``HasNext`` nor an element of such a list: it is unreadable, not empty.
    """
    if not node.keys() & {"HasNext", "NextToken", *elements}:
        raise UnreadableResponse(f"{action}: the answer has no HasNext", retryable=True)
    has_next, token = boolean(node.get("HasNext")), text(node.get("NextToken"))
    if has_next is False:
        return None
    if has_next and token is None:
        raise UnreadableResponse(f"{action}: HasNext without NextToken")
    return token


def _read_submission(node: Node, meta: ResponseMeta) -> FeedSubmission:
    feed_id = required(node, "FeedSubmissionId", "a feed")
    return FeedSubmission(feed_submission_id=feed_id, meta=meta, **fields(node, _SUBMISSION))


def _read_submitted(node: Node, meta: ResponseMeta) -> FeedSubmission:
    return _read_submission(node.get("FeedSubmissionInfo") or {}, meta)


def _read_feeds(node: Node, meta: ResponseMeta) -> tuple[FeedSubmission, ...]:
    return tuple([_read_submission(feed, meta) for feed in children(node, "FeedSubmissionInfo")])


def _read_page(node: Node, meta: ResponseMeta, *, asked: Sequence[str] | None) -> RawPage[FeedSubmission]:
    found = _read_feeds(node, meta)
    if asked is not None and any(feed.feed_submission_id not in asked for feed in found):
        raise UnreadableResponse("the answer is about another feed than the asked ones", retryable=True)
    return RawPage(
        items=found,
        next_token=next_token(node, "GetFeedSubmissionList", "FeedSubmissionInfo"),
        meta=meta,
    )


def _read_count(node: Node) -> int:
    count = integer(node.get("Count"))
    if count is None:
        raise UnreadableResponse("the answer has no Count that is a number", retryable=True)
    return count


def _read_cancelled(node: Node, meta: ResponseMeta) -> FeedCancellation:
    return FeedCancellation(count=_read_count(node), feeds=_read_feeds(node, meta), meta=meta)
