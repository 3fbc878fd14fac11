"""``EasyShipDocumentsFeed``: shipping label and invoice of an Easy Ship order by feed, without the panel.

The flow is Amazon's ("How to get Easy Ship documents", documented for India only): SubmitFeed with the order and the
document type, GetFeedSubmissionList until it is done, the processing report's ``ReportReferenceId``, GetReportList,
GetReport. One feed per document, so each costs a slot of SubmitFeed's quota, which packing and stock share: prefer the
panel where both work. (Several orders fit in one feed; how Amazon then returns the PDFs is not published.)
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, Protocol

from amazon_ae._exceptions import (
    AmazonAeError,
    AmazonError,
    ConfigurationError,
    DocumentError,
    DocumentNotReady,
    NotSent,
    QuotaExceeded,
    RequestThrottled,
)
from amazon_ae._models.documents import Document, DocumentKind, DocumentSet
from amazon_ae._models.refusals import may_pass
from amazon_ae._models.submissions import FeedSubmission
from amazon_ae._mws.client import MwsClient
from amazon_ae._mws.feed_bodies import EasyShipDocumentRequest, easy_ship_document_feed, join_feed
from amazon_ae._mws.feeds import XML
from amazon_ae._mws.gateway import fetch_report
from amazon_ae._pdf import inspect_pdf
from amazon_ae._ports import Storage
from amazon_ae._scheduling.quota import Ledger

__all__ = ["EASY_SHIP_DOCUMENTS_FEED", "EasyShipDocumentsFeed", "InspectedPdf"]

#: FeedType (Feeds API reference, "FeedType enumeration").
EASY_SHIP_DOCUMENTS_FEED: Final = "_POST_EASYSHIP_DOCUMENTS_"

_TYPES: Final = MappingProxyType({DocumentKind.SHIPPING_LABEL: "ShippingLabel", DocumentKind.INVOICE: "Invoice"})
_PRIORITY_CLASS: Final = "documents"


class InspectedPdf(Protocol):
    """Page count and size of a PDF."""

    @property
    def pages(self) -> int:
        """Number of pages."""
        ...

    @property
    def width_mm(self) -> float:
        """Of the first page."""
        ...

    @property
    def height_mm(self) -> float:
        """Of the first page."""
        ...


class EasyShipDocumentsFeed:
    """A second ``DocumentSource`` beside the panel. It has no packing slip: that kind always fails.

    A feed that takes longer than ``max_wait_seconds`` is remembered in ``storage``: the next call goes on with it and
    spends nothing. The slots that it spends are booked in the scheduler's ledger.

    Args:
        client: not closed by this object.
        storage: the scheduler's, since they share a quota.
        inspect: checks that the bytes are this order's PDF and reads its size; it runs in a thread. By default the
            check that all documents of this library pass, which needs the extra ``portal``.
        poll_seconds: between two status requests; GetFeedSubmissionList restores one slot per 45 s.
        max_wait_seconds: how long a call waits for Amazon before it raises ``DocumentNotReady``.
    """

    def __init__(
        self,
        client: MwsClient,
        storage: Storage,
        *,
        inspect: Callable[[bytes, str], InspectedPdf] = inspect_pdf,
        poll_seconds: float = 60.0,
        max_wait_seconds: float = 600.0,
    ) -> None:
        self._client = client
        self._storage = storage
        self._inspect = inspect
        self._poll_seconds = poll_seconds
        self._max_wait = timedelta(seconds=max_wait_seconds)

    async def documents(
        self, order_id: str, kinds: Collection[DocumentKind] = (DocumentKind.SHIPPING_LABEL, DocumentKind.INVOICE)
    ) -> DocumentSet:
        """The documents of one order. A kind that failed holds a ``DocumentError`` whose cause is Amazon's own error.

        Raises:
            ConfigurationError: that is not an Amazon order id; nothing was sent.
            StorageError: the store failed.
        """
        results: dict[DocumentKind, Document | DocumentError] = {}
        feeds: dict[DocumentKind, str] = {}
        EasyShipDocumentRequest(order_id, "Invoice")  # refuses what is no order id
        for kind in dict.fromkeys(kinds):
            try:
                feeds[kind] = await self._feed_for(order_id, kind)
            except DocumentError as error:
                results[kind] = error
        await self._follow(order_id, feeds, results)
        return DocumentSet(order_id, {kind: results[kind] for kind in dict.fromkeys(kinds)})

    async def _follow(
        self, order_id: str, feeds: dict[DocumentKind, str], results: dict[DocumentKind, Document | DocumentError]
    ) -> None:
        """Poll the status of all feeds together until each is done or ``max_wait_seconds`` have passed."""
        clock = self._client.clock
        give_up_at = clock.now() + self._max_wait
        while feeds:
            try:
                listing = self._client.feeds.list(feed_submission_ids=list(feeds.values()))
                found = {feed.feed_submission_id: feed async for feed in listing}
            except AmazonAeError as error:
                results.update((kind, _wrapped(error, kind)) for kind in feeds)
                return
            for kind, feed_id in list(feeds.items()):
                feed = found.get(feed_id)
                if feed is not None and feed.final:
                    del feeds[kind]
                    results[kind] = await self._collect(order_id, kind, feed)
            if feeds and clock.now() + timedelta(seconds=self._poll_seconds) > give_up_at:
                for kind in feeds:
                    text = "Amazon is still making it"
                    results[kind] = DocumentNotReady(text, retry_after_seconds=self._poll_seconds, step=kind)
                return
            if feeds:
                await clock.sleep(self._poll_seconds)

    async def _feed_for(self, order_id: str, kind: DocumentKind) -> str:
        """The feed that was asked for this document, or a new one."""
        if kind not in _TYPES:
            raise DocumentError("Amazon's Easy Ship feed has no such document; take it from the panel", step=kind)
        text = await self._storage.load(self._name(order_id, kind))
        if text is not None:
            return str(json.loads(text)["feed_id"])
        body = join_feed(
            easy_ship_document_feed(
                self._client.credentials.seller_id, [EasyShipDocumentRequest(order_id, _TYPES[kind])]
            )
        )
        reservation = f"{_PRIORITY_CLASS}/{uuid.uuid4()}"
        await self._reserve(reservation, kind)
        outcome: FeedSubmission | AmazonAeError | None = None
        try:
            outcome = feed = await self._client.feeds.submit(
                EASY_SHIP_DOCUMENTS_FEED,
                body,
                content_type=XML,
                amazon_order_id=order_id,
                document_type=_TYPES[kind],
                paced=False,
            )
        except AmazonAeError as error:
            outcome = error
            raise _wrapped(error, kind) from error
        finally:
            await self._book(reservation, outcome)
        await self._storage.change(
            self._name(order_id, kind), lambda _, __: (json.dumps({"feed_id": feed.feed_submission_id}), None)
        )
        return feed.feed_submission_id

    async def _reserve(self, reservation: str, kind: DocumentKind) -> None:
        rule = self._client.feeds.submit_quota
        wait = await self._storage.change(
            rule.name, lambda text, now: _reserved(Ledger.read(text, rule, now), reservation)
        )
        if wait is not None:
            raise DocumentNotReady("SubmitFeed's quota is used up", retry_after_seconds=max(wait, 1.0), step=kind)

    async def _book(self, reservation: str, outcome: FeedSubmission | AmazonAeError | None) -> None:
        rule, client_now = self._client.feeds.submit_quota, self._client.clock.now()

        def book(text: str | None, now: datetime) -> tuple[str | None, None]:
            return _booked(Ledger.read(text, rule, now), reservation, outcome, client_now).to_text(), None

        await self._storage.change(rule.name, book)

    async def _collect(self, order_id: str, kind: DocumentKind, feed: FeedSubmission) -> Document | DocumentError:
        """The document of a feed that has ended."""
        try:
            if feed.feed_processing_status != "_DONE_":
                raise DocumentError("Amazon cancelled the request; ask again", step=kind)
            report = await fetch_report(self._client, feed.feed_submission_id)
            if errors := [row for row in report.rows if row.is_error]:
                again = all(may_pass(row.code, row.text) for row in errors)
                raise DocumentError(f"Amazon refused: {errors[0].code}: {errors[0].text}", step=kind, retryable=again)
            if not report.references:
                raise DocumentError("the processing report names no ReportReferenceId", step=kind)
            content = await self._fetch(report.references[0].value)
            facts = await asyncio.to_thread(self._inspect, content, order_id)
        except AmazonError as error:
            if error.retryable:
                return _wrapped(error, kind)  # the feed stays stored: the next call continues from here
            await self._forget(order_id, kind)
            return _wrapped(error, kind)
        except AmazonAeError as error:
            await self._forget(order_id, kind)
            return error if isinstance(error, DocumentError) else _wrapped(error, kind)
        await self._forget(order_id, kind)
        return Document(
            order_id=order_id,
            kind=kind,
            content=content,
            pages=facts.pages,
            width_mm=facts.width_mm,
            height_mm=facts.height_mm,
            fetched_at=self._client.clock.now(),
        )

    async def _fetch(self, reference: str) -> bytes:
        """The PDF behind a ReportReferenceId: by the list, else by the id itself (the documents say both)."""
        async for report in self._client.reports.list(report_request_ids=(reference,)):
            return (await self._client.reports.get(report.report_id)).content
        return (await self._client.reports.get(reference)).content

    async def _forget(self, order_id: str, kind: DocumentKind) -> None:
        await self._storage.change(self._name(order_id, kind), lambda _, __: (None, None))

    def _name(self, order_id: str, kind: DocumentKind) -> str:
        return f"easy-ship-documents/{self._client.account}/{order_id}/{kind}"


def _reserved(ledger: Ledger, reservation: str) -> tuple[str | None, float | None]:
    after = ledger.reserve(reservation, _PRIORITY_CLASS)
    return (ledger.to_text(), ledger.wait_seconds()) if after is None else (after.to_text(), None)


def _booked(ledger: Ledger, reservation: str, outcome: FeedSubmission | AmazonAeError | None, now: datetime) -> Ledger:
    """The ledger after a submission; ``None``: it was cancelled and may have arrived."""
    match outcome:
        case NotSent() | ConfigurationError():
            return ledger.cancel(reservation)
        case RequestThrottled():
            return ledger.pin(reservation).throttled()
        case QuotaExceeded():
            left = None if outcome.retry_at is None else (outcome.retry_at - now).total_seconds()
            return ledger.pin(reservation).exceeded(left)
        case FeedSubmission():
            return ledger.pin(reservation).observe(outcome.meta.quota)
        case _:
            return ledger.pin(reservation)


def _wrapped(error: AmazonAeError, kind: DocumentKind) -> DocumentError:
    retryable = bool(getattr(error, "retryable", isinstance(error, NotSent)))
    wrapped = DocumentError(str(error), retryable=retryable, step=kind)
    wrapped.__cause__ = error
    return wrapped
