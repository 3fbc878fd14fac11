"""Feeds 2021-06-30: all six operations, and the state machine of processing on the seller's clock.

Sources: the model; "Feeds API best practices"; docs#3227 (a feed in progress for days blocks those behind it);
"Listings feeds removal" (XML stock feeds end FATAL since 2025-07-31).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import attrs

from amazon_ae.testing._seller.feed_queues import FeedQueues
from amazon_ae.testing._spapi.account import Account, FakeSpApiFeed
from amazon_ae.testing._spapi.processing import ORDER_TYPES, process
from amazon_ae.testing._spapi.wire import Refused, Reply, Request, instant, invalid, mapping, seal, unseal

__all__ = ["FEED_TYPES", "FINAL_STATUSES", "PROCESSING_STATUSES", "Feeds", "document_data"]

FINAL_STATUSES: Final = frozenset(("DONE", "FATAL", "CANCELLED"))
PROCESSING_STATUSES: Final = FINAL_STATUSES | {"IN_QUEUE", "IN_PROGRESS"}
FEED_TYPES: Final = frozenset(
    (
        "JSON_LISTINGS_FEED",
        "POST_EASYSHIP_DOCUMENTS",
        *ORDER_TYPES,
        # Accepted and ended FATAL since 2025-07-31:
        "POST_INVENTORY_AVAILABILITY_DATA",
        "POST_FLAT_FILE_PRICEANDQUANTITYONLY_UPDATE_DATA",
    )
)


@attrs.define(kw_only=True)
class _Fate:
    """How the next feeds end."""

    status: str
    feed_type: str | None
    times: int
    takes: int | None
    missing_from_report: int


class Feeds:
    """The feeds of one seller."""

    def __init__(
        self,
        account: Account,
        *,
        processing_seconds: float | Callable[[FakeSpApiFeed], float],
        start_seconds: float,
    ) -> None:
        self._account = account
        self._fates: list[_Fate] = []
        self.queues: FeedQueues[FakeSpApiFeed] = FeedQueues(
            seconds=processing_seconds, start_seconds=start_seconds, end=self._end
        )
        account.seller.timeline.sources.append(self.queues)
        self.operations: dict[str, Callable[[Account, Request], Reply]] = {
            "createFeedDocument": _create_document,
            "createFeed": self._create,
            "getFeed": self._get,
            "getFeeds": self._list,
            "cancelFeed": self._cancel,
            "getFeedDocument": _get_document,
        }

    def decide(
        self, status: str, *, feed_type: str | None, times: int, takes: int | None = None, missing_from_report: int = 0
    ) -> None:
        """The next ``times`` feeds end in ``status``."""
        self._fates.append(
            _Fate(
                status=status,
                feed_type=feed_type,
                times=times,
                takes=takes,
                missing_from_report=missing_from_report,
            )
        )

    def release(self, feed_id: str, status: str) -> None:
        """Let a held feed go on.

        Raises:
            ValueError: it has ended already.
        """
        self.refresh()
        feed = self._account.feeds[feed_id]
        if feed not in self.queues:
            raise ValueError(f"feed {feed_id} has ended: {feed.status}")
        feed.end_status = status
        self.queues.release(feed, self._account.seller.now())
        self.refresh()

    def refresh(self) -> None:
        """Bring every feed to where it is now."""
        seller = self._account.seller.advance()
        now = seller.now()
        for feed in self.queues.heads():
            started = feed.starts_at is not None and feed.starts_at <= now
            feed.status = "IN_PROGRESS" if started else "IN_QUEUE"

    def _end(self, feed: FakeSpApiFeed) -> None:
        feed.status = feed.end_status
        assert feed.ends_at is not None
        if feed.status != "CANCELLED":
            process(self._account, feed, feed.ends_at)
        for call in self._account.on_feed_end:
            call(feed, feed.ends_at)

    def _fate_of(self, feed: FakeSpApiFeed) -> None:
        for fate in self._fates:
            if fate.feed_type in (None, feed.feed_type):
                fate.times -= 1
                if fate.times <= 0:
                    self._fates.remove(fate)
                feed.end_status = fate.status
                feed.takes = fate.takes
                feed.missing_from_report = fate.missing_from_report
                return

    # Operations

    def _create(self, account: Account, request: Request) -> Reply:
        feed_type = request.member("feedType")
        marketplaces = request.member("marketplaceIds", list)
        document_id = request.member("inputFeedDocumentId")
        options = mapping(request.body.get("feedOptions"), "feedOptions")
        if feed_type not in FEED_TYPES:
            raise invalid("Invalid Input", f"The feed type {feed_type} is not valid.")
        if len(marketplaces) > 25 or account.seller.marketplace.marketplace_id not in marketplaces:
            raise invalid("Invalid Input", "marketplaceIds are not valid for this seller.")
        document = account.documents.documents.get(document_id)
        if document is None or not document_id.startswith("amzn1.tortuga."):
            raise invalid("Invalid Input", f"The feed document {document_id} does not exist.")
        feed = FakeSpApiFeed(
            feed_id=account.next_feed_id(),
            feed_type=feed_type,
            submitted_at=request.now,
            body=document.content,
            marketplace_ids=tuple(marketplaces),
            options={str(name): str(value) for name, value in options.items()},
        )
        self._fate_of(feed)
        account.feeds[feed.feed_id] = feed
        self.queues.add(feed)
        return Reply(202, {"feedId": feed.feed_id})

    def _get(self, account: Account, request: Request) -> Reply:
        return Reply(200, _feed_data(_feed(account, request)))

    def _cancel(self, account: Account, request: Request) -> Reply:
        """cancelFeed: only a feed that waits for its turn can be cancelled."""
        feed = _feed(account, request)
        if feed.status != "IN_QUEUE":
            raise invalid("Invalid Input", f"Feed {feed.feed_id} is {feed.status} and cannot be cancelled.")
        self.queues.remove(feed, request.now)
        feed.status = feed.end_status = "CANCELLED"
        feed.starts_at = None
        feed.ends_at = request.now
        for call in account.on_feed_end:
            call(feed, request.now)
        return Reply(200, None)

    def _list(self, account: Account, request: Request) -> Reply:
        token = request.query.get("nextToken")
        if token is not None:
            if set(request.query) - {"nextToken"}:
                raise invalid("Invalid Input", "nextToken must be the only parameter.")
            return self._page(account, unseal(token, "nextToken"))
        types = request.texts("feedTypes")
        if not types or len(types) > 10:
            raise invalid("Invalid Input", "feedTypes must have 1 to 10 values.")
        if not PROCESSING_STATUSES.issuperset(request.texts("processingStatuses")):
            raise invalid("Invalid Input", "processingStatuses has a value that is not valid.")
        since = request.moment("createdSince") or request.now - timedelta(days=90)
        return self._page(
            account,
            {
                "types": types,
                "statuses": request.texts("processingStatuses"),
                "marketplaces": request.texts("marketplaceIds"),
                "since": since.isoformat(),
                "until": (request.moment("createdUntil") or request.now).isoformat(),
                "size": request.number("pageSize", 10, low=1, high=100),
                "below": None,
            },
        )

    def _page(self, account: Account, query: dict[str, Any]) -> Reply:
        since, until = datetime.fromisoformat(query["since"]), datetime.fromisoformat(query["until"])
        rows = [
            feed
            for feed in reversed(account.feeds.values())
            if since <= feed.submitted_at <= until
            and feed.feed_type in query["types"]
            and (not query["statuses"] or feed.status in query["statuses"])
            and (not query["marketplaces"] or set(query["marketplaces"]) & set(feed.marketplace_ids))
            and (query["below"] is None or int(feed.feed_id) < query["below"])
        ]
        page = rows[: query["size"]]
        body: dict[str, Any] = {"feeds": [_feed_data(feed) for feed in page]}
        if len(rows) > len(page):
            body["nextToken"] = seal({**query, "below": int(page[-1].feed_id)})
        return Reply(200, body)


def _create_document(account: Account, request: Request) -> Reply:
    content_type = request.member("contentType")
    document = account.documents.add("tortuga", content_type)
    url = account.documents.url(document.document_id, "PUT", request.origin, request.now)
    return Reply(201, {"feedDocumentId": document.document_id, "url": url})


def _get_document(account: Account, request: Request) -> Reply:
    return Reply(200, document_data(account, request, "feedDocumentId"))


def document_data(account: Account, request: Request, name: str) -> dict[str, Any]:
    """A document's URL, as getFeedDocument and getReportDocument give it.

    Raises:
        Refused: there is no such document, or nothing was uploaded to it.
    """
    document_id = request.parts[name]
    document = account.documents.documents.get(document_id)
    if document is None:
        raise Refused(404, "NotFound", f"The document {document_id} does not exist.", "")
    encoding = "gzip" if document.compression and request.query.get("enableContentEncodingUrlHeader") == "true" else ""
    data = {
        name: document_id,
        "url": account.documents.url(document_id, "GET", request.origin, request.now, content_encoding=encoding),
    }
    if document.compression is not None:
        data["compressionAlgorithm"] = document.compression
    return data


def _feed(account: Account, request: Request) -> FakeSpApiFeed:
    feed = account.feeds.get(request.parts["feedId"])
    if feed is None:
        raise Refused(404, "NotFound", f"The feed {request.parts['feedId']} does not exist.", "")
    return feed


def _feed_data(feed: FakeSpApiFeed) -> dict[str, Any]:
    data: dict[str, Any] = {
        "feedId": feed.feed_id,
        "feedType": feed.feed_type,
        "marketplaceIds": list(feed.marketplace_ids),
        "createdTime": _offset(feed.submitted_at),
        "processingStatus": feed.status,
    }
    if feed.starts_at is not None and feed.status != "IN_QUEUE":
        data["processingStartTime"] = _offset(feed.starts_at)
    if feed.ends_at is not None and feed.status in FINAL_STATUSES:
        data["processingEndTime"] = _offset(feed.ends_at)
    if feed.report_id is not None:
        data["resultFeedDocumentId"] = feed.report_id
    return data


def _offset(value: datetime) -> str:
    """``2026-11-28T09:00:00+00:00``, as feeds and reports have it."""
    return instant(value).replace("Z", "+00:00")
