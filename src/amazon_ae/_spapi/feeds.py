"""Feeds 2021-06-30: all six operations, and the transfers around them.

Source: ``feeds_2021-06-30.json``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from amazon_ae._exceptions import UnreadableResponse
from amazon_ae._models.checks import check_aware, check_count, check_text, deadline_at, listed
from amazon_ae._models.responses import ResponseMeta
from amazon_ae._spapi.calls import SpApiCall, SpApiExecutor
from amazon_ae._spapi.models import SignedDocument, SpApiFeed
from amazon_ae._spapi.operations import find_operation
from amazon_ae._spapi.transfers import Transfers
from amazon_ae._spapi.values import every, instant, node, same, text
from amazon_ae._transport.calls import WaitPolicy

__all__ = ["Feeds", "read_signed"]

_MOST_TYPES: Final = 10
_PAGE: Final = 100
JSON_TYPE: Final = "application/json; charset=UTF-8"


class Feeds:
    """The feeds of one seller."""

    def __init__(self, calls: SpApiExecutor, transfers: Transfers, *, marketplace_id: str) -> None:
        self._calls = calls
        self._transfers = transfers
        self._marketplace_id = marketplace_id

    async def submit(
        self,
        feed_type: str,
        content: bytes,
        *,
        content_type: str = JSON_TYPE,
        options: Mapping[str, str] | None = None,
        paced: bool = True,
        wait: bool = True,
        deadline: datetime | timedelta | None = None,
    ) -> SpApiFeed:
        """createFeedDocument, the upload, and createFeed, which is sent once.

        Args:
            feed_type: e.g. ``"JSON_LISTINGS_FEED"``.
            content: the feed; never compressed: Amazon refuses that.
            options: ``feedOptions`` of some types.
            paced: false: the caller keeps createFeed's quota itself.

        Raises:
            OutcomeUnknown: createFeed was not answered: check with ``list`` before sending it again.
            NotSent, AmazonError: no feed was made.
        """
        document = await self.create_document(content_type, wait=wait, deadline=deadline)
        until = deadline_at(deadline, self._calls.clock.now())
        await self._transfers.upload(document, content, content_type=content_type, deadline=until)
        return await self.create(
            feed_type, document.document_id, options=options, paced=paced, wait=wait, deadline=deadline
        )

    async def create_document(
        self, content_type: str = JSON_TYPE, *, wait: bool = True, deadline: datetime | timedelta | None = None
    ) -> SignedDocument:
        """createFeedDocument: a URL to upload a feed to, valid for five minutes."""
        body = {"contentType": check_text("content_type", content_type)}
        call = SpApiCall(row=find_operation("createFeedDocument"), body=body)
        return await self._calls.json(call, _signed_feed, WaitPolicy(wait=wait, deadline=deadline))

    async def create(
        self,
        feed_type: str,
        document_id: str,
        *,
        options: Mapping[str, str] | None = None,
        paced: bool = True,
        wait: bool = True,
        deadline: datetime | timedelta | None = None,
    ) -> SpApiFeed:
        """createFeed: have an uploaded document processed. Never sent again: it takes no client token.

        Raises:
            OutcomeUnknown: it may have arrived: check with ``list``.
        """
        body: dict[str, Any] = {
            "feedType": check_text("feed_type", feed_type),
            "marketplaceIds": [self._marketplace_id],
            "inputFeedDocumentId": document_id,
        }
        if options:
            body["feedOptions"] = dict(options)
        call = SpApiCall(row=find_operation("createFeed"), body=body)

        def read(answer: Any, meta: ResponseMeta) -> SpApiFeed:
            feed_id = text(node(answer).get("feedId"))
            if feed_id is None:
                raise UnreadableResponse("createFeed: an answer without feedId", request_id=meta.request_id)
            return SpApiFeed(feed_id=feed_id, feed_type=feed_type, created_at=meta.timestamp, meta=meta)

        return await self._calls.json(call, read, WaitPolicy(wait=wait, deadline=deadline, paced=paced))

    async def get(self, feed_id: str, *, wait: bool = True, deadline: datetime | timedelta | None = None) -> SpApiFeed:
        """getFeed: the status of a feed."""
        call = SpApiCall(row=find_operation("getFeed"), fields={"feedId": feed_id})

        def read(body: Any, meta: ResponseMeta) -> SpApiFeed:
            same(text(node(body).get("feedId")), feed_id, "feed")
            return _read_feed(body, meta)

        return await self._calls.json(call, read, WaitPolicy(wait=wait, deadline=deadline))

    async def list(
        self,
        feed_types: Sequence[str],
        *,
        created_since: datetime | None = None,
        created_until: datetime | None = None,
        statuses: Sequence[str] = (),
        page_size: int = _PAGE,
        wait: bool = True,
        deadline: datetime | timedelta | None = None,
    ) -> AsyncIterator[SpApiFeed]:
        """getFeeds, page by page: the feeds of up to ten types, Amazon's order, at most 90 days old."""
        check_aware(created_since=created_since, created_until=created_until)
        check_count("feed_types", listed("feed_types", feed_types), most=_MOST_TYPES)
        check_count("page_size", page_size, most=_PAGE)
        query: dict[str, Any] = {
            "feedTypes": list(feed_types),
            "marketplaceIds": [self._marketplace_id],
            "pageSize": page_size,
            "processingStatuses": list(statuses),
            "createdSince": created_since,
            "createdUntil": created_until,
        }
        policy = WaitPolicy(wait=wait, deadline=deadline)
        seen: set[str] = set()
        while True:
            call = SpApiCall(row=find_operation("getFeeds"), query=query)
            feeds, token = await self._calls.json(call, _read_feeds, policy)
            for feed in feeds:
                yield feed
            if token is None:
                return
            if token in seen:
                raise UnreadableResponse("getFeeds: the same page twice")
            seen.add(token)
            query = {"nextToken": token}  # alone

    async def cancel(self, feed_id: str, *, wait: bool = True, deadline: datetime | timedelta | None = None) -> None:
        """cancelFeed: only a feed in ``IN_QUEUE`` can be cancelled."""
        call = SpApiCall(row=find_operation("cancelFeed"), fields={"feedId": feed_id})
        await self._calls.json(call, lambda _body, _meta: None, WaitPolicy(wait=wait, deadline=deadline))

    async def get_document(
        self, document_id: str, *, wait: bool = True, deadline: datetime | timedelta | None = None
    ) -> SignedDocument:
        """getFeedDocument: the URL of a processing report, valid for five minutes."""
        call = SpApiCall(row=find_operation("getFeedDocument"), fields={"feedDocumentId": document_id})

        def read(body: Any, meta: ResponseMeta) -> SignedDocument:
            document = _signed_feed(body, meta)
            del body  # it holds a URL
            same(document.document_id, document_id, "document")
            return document

        return await self._calls.json(call, read, WaitPolicy(wait=wait, deadline=deadline))

    async def download(
        self, document_id: str, *, wait: bool = True, deadline: datetime | timedelta | None = None
    ) -> bytes:
        """getFeedDocument and the download: a processing report, unpacked."""
        document = await self.get_document(document_id, wait=wait, deadline=deadline)
        return await self._transfers.download(document, deadline=deadline_at(deadline, self._calls.clock.now()))


def read_signed(body: Any, meta: ResponseMeta, *, id_name: str) -> SignedDocument:
    """The id, URL and compression of a document.

    Raises:
        UnreadableResponse: the id or the URL is missing.
    """
    document_id, url = text(node(body).get(id_name)), text(node(body).get("url"))
    if document_id is None or url is None or not url.startswith(("https://", "http://")):
        del body, url  # a traceback with locals would show the URL, which opens the document
        raise UnreadableResponse(f"a document without {id_name} or url", request_id=meta.request_id)
    return SignedDocument(document_id=document_id, url=url, compression=text(node(body).get("compressionAlgorithm")))


_signed_feed: Final = partial(read_signed, id_name="feedDocumentId")


def _read_feed(body: Any, meta: ResponseMeta) -> SpApiFeed:
    feed_id, status = text(node(body).get("feedId")), text(node(body).get("processingStatus"))
    if feed_id is None or status is None:
        raise UnreadableResponse("a feed without feedId or processingStatus", request_id=meta.request_id)
    return SpApiFeed(
        feed_id=feed_id,
        feed_type=text(node(body).get("feedType")) or "",
        processing_status=status,
        created_at=instant(node(body).get("createdTime")),
        started_at=instant(node(body).get("processingStartTime")),
        ended_at=instant(node(body).get("processingEndTime")),
        result_document_id=text(node(body).get("resultFeedDocumentId")),
        meta=meta,
    )


def _read_feeds(body: Any, meta: ResponseMeta) -> tuple[list[SpApiFeed], str | None]:
    # All or none: a feed that is left out would pass for one that never arrived.
    found = every(body, "feeds", "an answer")
    return [_read_feed(each, meta) for each in found], text(node(body).get("nextToken"))
