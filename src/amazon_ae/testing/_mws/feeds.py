"""Feeds 2009-01-01: SubmitFeed, its look-ups, and the state machine of processing on the fake's clock.

Sources: Feeds API reference, one page per operation; "FeedProcessingStatus enumeration"; "How feeds are processed":
feeds of one type run one after the other, types run side by side.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import attrs

from amazon_ae.testing._mws.documents import XML_TYPES
from amazon_ae.testing._mws.processing import process
from amazon_ae.testing._mws.state import FakeFeed, State, iso
from amazon_ae.testing._mws.wire import Refused, Request, Result, invalid, wire_date
from amazon_ae.testing._mws.xml import element, leaf
from amazon_ae.testing._seller.feed_queues import FeedQueues

__all__ = ["FINAL_STATUSES", "Feeds"]

FINAL_STATUSES: Final = frozenset(("_DONE_", "_CANCELLED_"))
_FLAT_TYPES: Final = frozenset(("_POST_FLAT_FILE_PRICEANDQUANTITYONLY_UPDATE_DATA_",))
_MAX_BYTES: Final = 2_147_483_648  # page "SubmitFeed": smaller than 2 GiB
_LIST: Final = "GetFeedSubmissionList"


@attrs.define
class _Fate:
    """How the next feeds end."""

    status: str
    feed_type: str | None
    times: int


class Feeds:
    """The feeds of one seller.

    Args:
        state: what they change.
        processing_seconds: how long one feed is processed; a function gets the feed and answers for that one.
        start_seconds: from acceptance to the start of processing, if nothing of its type runs.
        pickup_feed_type: the type that carries the Schedule Pickup file. No document names Amazon's.
    """

    def __init__(
        self,
        state: State,
        *,
        processing_seconds: float | Callable[[FakeFeed], float],
        start_seconds: float,
        pickup_feed_type: str,
    ) -> None:
        self._state = state
        self._types = {*XML_TYPES, *_FLAT_TYPES, pickup_feed_type}
        self.queues: FeedQueues[FakeFeed] = FeedQueues(
            seconds=processing_seconds, start_seconds=start_seconds, end=self._end
        )
        state.seller.timeline.sources.append(self.queues)
        self._fates: list[_Fate] = []
        self.operations: dict[str, Callable[[State, Request], Result]] = {
            "SubmitFeed": self._submit,
            "GetFeedSubmissionList": self._list,
            "GetFeedSubmissionListByNextToken": self._list_by_next_token,
            "GetFeedSubmissionCount": self._count,
            "CancelFeedSubmissions": self._cancel,
            "GetFeedSubmissionResult": self._result,
        }

    # The state machine

    def decide(self, status: str, *, feed_type: str | None, times: int) -> None:
        """The next ``times`` feeds end in ``status``."""
        self._fates.append(_Fate(status, feed_type, times))

    def release(self, feed_id: str, status: str) -> None:
        """Let a held feed go on: it ends now, in ``status``; one that waits behind another ends so in its turn."""
        self.refresh()
        feed = self._state.feeds[feed_id]
        if feed not in self.queues:
            raise ValueError(f"feed {feed_id} has ended: {feed.status}")
        feed.end_status = status
        self.queues.release(feed, self._state.seller.now())
        self.refresh()

    def refresh(self) -> None:
        """Bring every feed to where it is now; effects happen in the order in which feeds end."""
        seller = self._state.seller.advance()
        now = seller.now()
        for feed in self.queues.heads():
            running = feed.end_status if feed.ends_at is None else "_IN_PROGRESS_"
            feed.status = running if feed.starts_at is not None and feed.starts_at <= now else "_SUBMITTED_"

    def _end(self, feed: FakeFeed) -> None:
        assert feed.ends_at is not None
        feed.status = feed.end_status
        if feed.status == "_DONE_":
            process(self._state, feed, feed.ends_at)

    def _fate_of(self, feed_type: str) -> str:
        for fate in self._fates:
            if fate.feed_type in (None, feed_type):
                fate.times -= 1
                if not fate.times:
                    self._fates.remove(fate)
                return fate.status
        return "_DONE_"

    # Operations

    def _submit(self, state: State, request: Request) -> Result:
        if request.method != "POST":
            raise Refused(400, "InvalidRequest", "SubmitFeed requires POST.")
        feed_type = request.text("FeedType")
        if feed_type not in self._types:
            raise Refused(400, "InvalidFeedType", f"The feed type {feed_type} is not valid.")
        for name in request.texts("MarketplaceIdList.Id."):
            if name != state.marketplace.marketplace_id:
                raise Refused(400, "InvalidMarketplace", f"The marketplace {name} is not one of this seller's.")
        if request.flag("PurgeAndReplace"):
            raise invalid("PurgeAndReplace", "true", "is for flat-file product feeds only")
        md5 = _check_md5(request)
        if not request.body:
            raise Refused(400, "InputDataError", "The feed is empty.")
        if len(request.body) >= _MAX_BYTES:
            raise Refused(400, "InvalidParameterValue", "The feed exceeds the maximum size.")
        feed = FakeFeed(
            feed_id=state.next_feed_id(),
            feed_type=feed_type,
            submitted_at=request.now,
            body=request.body,
            content_type=request.headers.get("content-type", ""),
            md5=md5,
            parameters={
                name: request.params[name] for name in ("AmazonOrderId", "DocumentType") if name in request.params
            },
            end_status=self._fate_of(feed_type),
        )
        state.feeds[feed.feed_id] = feed
        self.queues.add(feed)
        # The recorded answer: this order, no processing dates.
        return Result(
            element(
                "FeedSubmissionInfo",
                leaf("FeedSubmissionId", feed.feed_id),
                leaf("FeedType", feed.feed_type),
                leaf("SubmittedDate", wire_date(feed.submitted_at)),
                leaf("FeedProcessingStatus", "_SUBMITTED_"),
            )
        )

    def _matching(self, query: dict[str, Any]) -> list[FakeFeed]:
        """Newest first, as recorded. Dates are compared as they are shown: in whole seconds."""
        feeds = reversed(self._state.feeds.values())
        if query["ids"]:
            wanted = set(query["ids"])
            return [feed for feed in feeds if feed.feed_id in wanted]
        begin, end = datetime.fromisoformat(query["from"]), datetime.fromisoformat(query["to"])
        return [
            feed
            for feed in feeds
            if begin <= feed.submitted_at.replace(microsecond=0) <= end
            and (not query["types"] or feed.feed_type in query["types"])
            and (not query["statuses"] or feed.status in query["statuses"])
        ]

    def _query(self, request: Request, *, days: int) -> dict[str, Any]:
        ids = request.texts("FeedSubmissionIdList.Id.")
        if len(ids) > 100:
            raise invalid("FeedSubmissionIdList", str(len(ids)), "has a maximum of 100 values")
        return {
            "ids": ids,
            "types": request.texts("FeedTypeList.Type."),
            "statuses": request.texts("FeedProcessingStatusList.Status."),
            "from": iso(request.moment("SubmittedFromDate") or request.now - timedelta(days=days)),
            "to": iso(request.moment("SubmittedToDate") or request.now),
            "size": request.number("MaxCount", 10, low=1, high=100),
        }

    def _list(self, state: State, request: Request) -> Result:
        return self._page(state, self._query(request, days=90), None)

    def _list_by_next_token(self, state: State, request: Request) -> Result:
        if not request.params.get("NextToken"):
            raise Refused(
                400, "ValidationError", "1 validation error detected: Value null at 'nextToken' must not be null"
            )
        query = state.open_token(_LIST, request.params["NextToken"])
        return self._page(state, query, query.pop("at"))

    def _page(self, state: State, query: dict[str, Any], below: str | None) -> Result:
        rows = self._matching(query)
        if below is not None:
            rows = [feed for feed in rows if int(feed.feed_id) < int(below)]
        page = rows[: query["size"]]
        more = len(rows) > len(page)
        token = leaf("NextToken", state.token(_LIST, {**query, "at": page[-1].feed_id})) if more else ""
        return Result(token + leaf("HasNext", more) + "".join(map(_info_xml, page)))

    def _count(self, state: State, request: Request) -> Result:
        del state
        query = {**self._query(request, days=90), "ids": []}
        return Result(leaf("Count", len(self._matching(query))))

    def _cancel(self, state: State, request: Request) -> Result:
        """Without ids every matching feed is cancelled, as documented; ``Count`` is how many matched."""
        del state
        query = {**self._query(request, days=180), "statuses": []}
        rows = self._matching(query)
        for feed in rows:
            if feed.status == "_SUBMITTED_":
                self.queues.remove(feed, request.now)
                feed.status = feed.end_status = "_CANCELLED_"
                feed.ends_at = request.now
        return Result(leaf("Count", len(rows)) + "".join(map(_info_xml, rows[:100])))

    def _result(self, state: State, request: Request) -> Result:
        feed_id = request.text("FeedSubmissionId")
        feed = state.feeds.get(feed_id)
        if feed is None:
            raise Refused(404, "InvalidFeedSubmissionId", f"The Feed Submission Id {feed_id} is not valid.")
        if feed.status == "_CANCELLED_":
            raise Refused(404, "FeedCanceled", f"Feed Submission Id {feed_id} was canceled.")
        if feed.report is None:
            raise Refused(
                404,
                "FeedProcessingResultNotReady",
                f"Feed Submission Result is not ready for Feed Submission Id: {feed_id}",
            )
        return Result(feed.report, feed.report_type)


def _check_md5(request: Request) -> str:
    """``ContentMD5Value``, or the older ``Content-MD5`` header; both must agree (page "Content-MD5")."""
    given = {request.params.get("ContentMD5Value", ""), request.headers.get("content-md5", "")} - {""}
    if not given:
        raise Refused(400, "ContentMD5Missing", "The Content-MD5 of the feed is missing.")
    # A plain checksum; nothing is protected by it.
    actual = base64.b64encode(hashlib.md5(request.body, usedforsecurity=False).digest()).decode()
    if given != {actual}:
        raise Refused(400, "ContentMD5DoesNotMatch", "The Content-MD5 does not match the feed.")
    return actual


def _info_xml(feed: FakeFeed) -> str:
    started = feed.starts_at if feed.status != "_SUBMITTED_" and feed.starts_at is not None else None
    completed = feed.ends_at if feed.status in FINAL_STATUSES else None
    if completed is not None and started is not None and started > completed:
        started = None  # cancelled before it started
    return element(
        "FeedSubmissionInfo",
        leaf("FeedProcessingStatus", feed.status),
        leaf("FeedType", feed.feed_type),
        leaf("FeedSubmissionId", feed.feed_id),
        leaf("StartedProcessingDate", wire_date(started) if started else None),
        leaf("SubmittedDate", wire_date(feed.submitted_at)),
        leaf("CompletedProcessingDate", wire_date(completed) if completed and started else None),
    )
