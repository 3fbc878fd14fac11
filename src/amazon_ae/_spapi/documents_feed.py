"""``SpApiDocumentsFeed``: labels of scheduled orders by the documents feed and its report, without the panel.

1. createFeed gives one slot per 120 s, to stock feeds and to these, of all processes: they share its ledger in the
   store. So orders that are asked for together travel in one feed, and those that are
   asked for while it waits for its slot travel in the next.
2. A feed is remembered in storage until its documents are there: asking again goes on with it and spends nothing.
3. The report's content is kept in the host's archives before it is returned: getReportDocument gives one slot a minute,
   and one download serves all its orders, also in other processes.

Source: "Easy Ship API use case guide", Amazon's recipe; whether it works in the UAE is UNVERIFIED.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from weakref import WeakKeyDictionary

import attrs

from amazon_ae._easy_ship.archive_folder import LabelArchives
from amazon_ae._easy_ship.archives import ArchiveLimits, MediaType, refuse_damage
from amazon_ae._easy_ship.documents_feed import DOCUMENT_TYPES, DocumentsReport, documents_feed, read_documents_report
from amazon_ae._easy_ship.labels import ArchiveReader, LabelTexts
from amazon_ae._exceptions import (
    AccessDenied,
    AmazonAeError,
    AmazonError,
    ConfigurationError,
    DocumentError,
    DocumentInvalid,
    DocumentNotReady,
    NotSent,
    OutcomeUnknown,
    QuotaTimeout,
    RequestThrottled,
    StorageError,
    UnreadableResponse,
)
from amazon_ae._models.documents import Document, DocumentKind, DocumentSet, kinds_asked
from amazon_ae._models.refusals import may_pass
from amazon_ae._models.text import check_order_id
from amazon_ae._ports import Storage
from amazon_ae._scheduling.quota import Ledger
from amazon_ae._spapi.client import SpApiClient
from amazon_ae._spapi.stock_terms import StockRouting, feed_terms

__all__ = ["DOCUMENTS_FEED", "SpApiDocumentsFeed"]

DOCUMENTS_FEED: Final = "POST_EASYSHIP_DOCUMENTS"
_XML: Final = "text/xml; charset=UTF-8"
_MOST_ORDERS: Final = 100
_PRIORITY_CLASS: Final = "documents"
_DOWNLOADS: Final = 3
# Reports of feeds that were read lately, for callers that wait for them.
_REPORTS_KEPT: Final = 50
_NO_REPORT: Final = "Amazon ended the feed without a report; ask again"


@attrs.define
class _Ended:
    """An ended feed: its report, or the error in its place."""

    report: DocumentsReport | None
    reason: str = ""


class SpApiDocumentsFeed:
    """A ``DocumentSource``: shipping label and, where Amazon makes one, invoice. It has no packing slip.

    The pickup must be scheduled. A feed that takes longer than ``wait_seconds`` is remembered: asking again goes on.

    Args:
        client: not closed by this object.
        storage: remembers feeds, no documents.
        archives: keeps the documents, e.g. ``LabelArchiveFolder``; kept ones are not requested again.
        media_types: which formats are good labels here, the best first.
        most_orders: in one feed. Amazon states no limit: UNVERIFIED.
        gather_seconds: how long a feed waits for further orders.
        poll_seconds: between two polls of a feed (getFeed: two a second).
        wait_seconds: how long a call waits for Amazon before it raises ``DocumentNotReady``.
        limits: what opening an archive may cost.

    Raises:
        ConfigurationError: a value that cannot be used.
    """

    def __init__(
        self,
        client: SpApiClient,
        storage: Storage,
        archives: LabelArchives,
        *,
        media_types: Sequence[str] = (MediaType.PDF,),
        most_orders: int = _MOST_ORDERS,
        gather_seconds: float = 1.0,
        poll_seconds: float = 5.0,
        wait_seconds: float = 300.0,
        limits: ArchiveLimits | None = None,
    ) -> None:
        if isinstance(media_types, str) or not media_types or not set(media_types) <= set(MediaType):
            raise ConfigurationError(f"media_types is a list of {', '.join(MediaType)}, not {media_types!r}")
        if most_orders < 1 or min(gather_seconds, wait_seconds) < 0 or poll_seconds <= 0:
            raise ConfigurationError(
                "SpApiDocumentsFeed: most_orders must be at least 1, poll_seconds above 0, gather_seconds and "
                "wait_seconds must not be negative"
            )
        self._client = client
        self._storage = storage
        self._archives = archives
        self._media_types = tuple(media_types)
        self._most_orders = most_orders
        self._gather_seconds = gather_seconds
        self._poll_seconds = poll_seconds
        self._wait = timedelta(seconds=wait_seconds)
        self._reader = ArchiveReader(limits=limits)
        self._asked: dict[str, set[DocumentKind]] = {}
        # A lock belongs to its event loop, and a host may call asyncio.run several times.
        self._locks: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Lock]] = WeakKeyDictionary()
        self._ended: dict[str, _Ended] = {}

    async def documents(self, order_id: str, kinds: Collection[DocumentKind] = tuple(DOCUMENT_TYPES)) -> DocumentSet:
        """The documents of one order. A kind that failed holds a ``DocumentError``; Amazon's own error is its cause.

        Raises:
            ConfigurationError: an unknown kind, or no Amazon order id.
            StorageError: the store or the archives failed.
        """
        wanted = kinds_asked(kinds)
        check_order_id(order_id)
        results: dict[DocumentKind, Document | DocumentError] = {
            kind: DocumentError("Amazon's documents feed has no such document; take it elsewhere", step=kind)
            for kind in wanted
            if kind not in DOCUMENT_TYPES
        }
        missing = [kind for kind in wanted if kind in DOCUMENT_TYPES]
        results |= await self._kept(order_id, missing)
        missing = [kind for kind in missing if not isinstance(results.get(kind), Document)]
        if missing:
            results |= await self._made(order_id, missing)
        return DocumentSet(order_id, {kind: results[kind] for kind in wanted})

    async def _kept(
        self, order_id: str, kinds: Collection[DocumentKind]
    ) -> dict[DocumentKind, Document | DocumentError]:
        kept = await self._archives.find(order_id) if kinds else []
        return await asyncio.to_thread(
            self._reader.documents,
            kept,
            order_id,
            kinds,
            media_types=self._media_types,
            fetched_at=self._client.clock.now(),
        )

    async def _made(
        self, order_id: str, kinds: Collection[DocumentKind]
    ) -> dict[DocumentKind, Document | DocumentError]:
        """Request the documents, wait, and read them."""
        try:
            feed_id = await self._feed_of(order_id, kinds)
            ended = await self._follow(feed_id, give_up_at=self._client.clock.now() + self._wait)
        except StorageError:
            raise
        except AmazonAeError as error:
            if not _goes_on(error):
                await self._forget(order_id)  # whoever asks again asks for a new feed
            return {kind: _wrapped(error, kind) for kind in kinds}
        found = await self._kept(order_id, kinds)
        await self._forget(order_id)
        reason, again = _reason(order_id, ended)
        return {kind: found.get(kind) or DocumentError(reason, step=kind, retryable=again) for kind in kinds}

    # One feed for many orders

    async def _feed_of(self, order_id: str, kinds: Collection[DocumentKind]) -> str:
        """The feed that was asked for this order's documents, or a new one."""
        if feed_id := await self._remembered(order_id, kinds):
            return feed_id
        self._asked.setdefault(order_id, set()).update(kinds)
        async with self._lock("submit"):
            if order_id in self._asked:
                await self._client.clock.sleep(self._gather_seconds)
                await self._submit()
        feed_id = await self._remembered(order_id, kinds)
        if feed_id is None:
            raise DocumentNotReady("no feed asks for it yet", retry_after_seconds=self._poll_seconds)
        return feed_id

    async def _submit(self) -> None:
        """Send one feed for the orders that were asked for; those that do not fit stay for the next.

        Raises:
            DocumentNotReady: createFeed has no slot within ``wait_seconds``; the orders stay for the next feed.
        """
        slot = await self._slot(give_up_at=self._client.clock.now() + self._wait)
        orders = dict(list(self._asked.items())[: self._most_orders])
        options: Mapping[str, str] | None = None
        if len(orders) == 1:
            ((order_id, kinds),) = orders.items()
            if len(kinds) == 1:
                options = {"AmazonOrderId": order_id, "DocumentType": DOCUMENT_TYPES[next(iter(kinds))]}
        body = documents_feed(
            self._client.credentials.seller_id,
            {order_id: [kind for kind in DOCUMENT_TYPES if kind in kinds] for order_id, kinds in orders.items()},
        )
        outcome: AmazonAeError | None = None
        try:
            feed = await self._client.feeds.submit(
                DOCUMENTS_FEED, body, content_type=_XML, options=options, paced=False
            )
        except AmazonAeError as error:
            outcome = error
            raise
        finally:
            await self._book(lambda ledger: _booked(ledger, slot, outcome))
            # Refused, unanswered or sent: callers that still need them ask again.
            for order_id in orders:
                self._asked.pop(order_id, None)
        for order_id, kinds in orders.items():
            await self._remember(order_id, feed.feed_id, kinds)

    # createFeed's slots, which stock feeds and all processes of the account spend too

    async def _slot(self, give_up_at: datetime) -> str:
        """Take a slot, waiting for one; orders that are asked for meanwhile travel along."""
        clock, name = self._client.clock, f"{_PRIORITY_CLASS}/{uuid.uuid4()}"
        while (wait := await self._book(lambda ledger: _reserved(ledger, name))) is not None:
            if clock.now() + timedelta(seconds=wait) > give_up_at:
                raise DocumentNotReady("createFeed's quota is used up", retry_after_seconds=max(wait, 1.0))
            await clock.sleep(max(wait, 0.001))
        return name

    async def _book(self, entry: Callable[[Ledger], tuple[Ledger, float | None]]) -> float | None:
        restore = self._client.restore_seconds("createFeed")
        rule = feed_terms(self._client.quota_owner, restore, StockRouting()).quota
        assert rule is not None

        def book(text: str | None, now: datetime) -> tuple[str | None, float | None]:
            ledger, wait = entry(Ledger.read(text, rule, now))
            return ledger.to_text(), wait

        return await self._storage.change(rule.name, book)

    async def _remember(self, order_id: str, feed_id: str, kinds: Collection[DocumentKind]) -> None:
        text = json.dumps({"feed_id": feed_id, "kinds": sorted(kinds)})
        await self._storage.change(self._name(order_id), lambda _, __: (text, None))

    async def _remembered(self, order_id: str, kinds: Collection[DocumentKind]) -> str | None:
        """The feed that was asked for all these documents of an order."""
        text = await self._storage.load(self._name(order_id))
        if text is None or not set(kinds) <= set(json.loads(text)["kinds"]):
            return None
        return str(json.loads(text)["feed_id"])

    async def _forget(self, order_id: str) -> None:
        await self._storage.change(self._name(order_id), lambda _, __: (None, None))

    # Its report, once for all of them

    async def _follow(self, feed_id: str, *, give_up_at: datetime) -> _Ended:
        """Wait for a feed's end and keep its documents; concurrent callers wait for the first.

        Raises:
            DocumentNotReady: Amazon is still making them.
            AmazonAeError: a poll failed; the feed stays stored.
        """
        async with self._lock(feed_id):
            if feed_id not in self._ended:
                self._ended[feed_id] = await self._collect(feed_id, give_up_at)
                while len(self._ended) > _REPORTS_KEPT:
                    old = next(iter(self._ended))
                    del self._ended[old]
                    self._locks[asyncio.get_running_loop()].pop(old, None)
            return self._ended[feed_id]

    async def _collect(self, feed_id: str, give_up_at: datetime) -> _Ended:
        clock = self._client.clock
        feed = await self._client.feeds.get(feed_id)
        while not feed.final:
            if clock.now() + timedelta(seconds=self._poll_seconds) > give_up_at:
                raise DocumentNotReady("Amazon is still making it", retry_after_seconds=self._poll_seconds)
            await clock.sleep(self._poll_seconds)
            feed = await self._client.feeds.get(feed_id)
        if feed.result_document_id is None:
            return _Ended(None, _NO_REPORT)
        report = read_documents_report(await self._client.feeds.download(feed.result_document_id))
        for reference in report.references:
            await self._keep(reference, report, give_up_at)
        return _Ended(report)

    async def _keep(self, reference: str, report: DocumentsReport, give_up_at: datetime) -> None:
        """Download what a reference names, and keep it."""
        clock = self._client.clock
        found = await self._client.reports.get(reference)
        while not found.final:
            if clock.now() + timedelta(seconds=self._poll_seconds) > give_up_at:
                raise DocumentNotReady("Amazon is still making it", retry_after_seconds=self._poll_seconds)
            await clock.sleep(self._poll_seconds)
            found = await self._client.reports.get(reference)
        if found.document_id is None:
            raise DocumentError("Amazon's report has no document", retryable=True)
        content = await self._downloaded(found.document_id)
        await self._archives.keep(content, {order_id: LabelTexts() for order_id in report.made}, at=clock.now())

    async def _downloaded(self, document_id: str) -> bytes:
        """The document's bytes; damaged ones are downloaded again before anything is kept.

        Raises:
            DocumentNotReady: they stay damaged; the feed stays stored.
        """
        damage = ""
        for _ in range(_DOWNLOADS):
            try:
                content = await self._client.reports.download(document_id, restricted=True)
                await asyncio.to_thread(refuse_damage, content)
            except (DocumentInvalid, UnreadableResponse) as error:
                if not error.retryable:
                    raise
                damage = str(error)
                await self._client.clock.sleep(self._poll_seconds)
            else:
                return content
        raise DocumentNotReady(f"its download is damaged: {damage}", retry_after_seconds=self._poll_seconds)

    def _lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(asyncio.get_running_loop(), {}).setdefault(name, asyncio.Lock())

    def _name(self, order_id: str) -> str:
        return f"easy-ship-documents/{self._client.account}/{order_id}/spapi"


def _reserved(ledger: Ledger, name: str) -> tuple[Ledger, float | None]:
    """The ledger with a slot taken, or the seconds until there is one."""
    after = ledger.reserve(name, _PRIORITY_CLASS)
    return (ledger, ledger.wait_seconds()) if after is None else (after, None)


def _booked(ledger: Ledger, name: str, outcome: AmazonAeError | None) -> tuple[Ledger, float | None]:
    """The ledger after a submission; ``outcome`` is what it raised."""
    if isinstance(outcome, NotSent | ConfigurationError):
        return ledger.cancel(name), None
    spent = ledger.pin(name)
    return (spent.throttled() if isinstance(outcome, RequestThrottled) else spent), None


def _reason(order_id: str, ended: _Ended) -> tuple[str, bool]:
    """Why an order has no document, and whether asking again may help."""
    if ended.report is None:
        return ended.reason, True
    for refused in ended.report.refused:
        if refused.order_id == order_id:
            again = may_pass(refused.code, refused.message)
            return f"Amazon refused: {refused.code}: {refused.message}", again
    if order_id in ended.report.made:
        return "what Amazon made does not hold it, or not in a format that is asked for", False
    return "Amazon's report does not name the order", False


def _goes_on(error: AmazonAeError) -> bool:
    """Whether the feed may still give the document, so that asking again goes on with it."""
    if isinstance(error, AmazonError):
        return error.retryable or isinstance(error, AccessDenied)
    return isinstance(error, DocumentNotReady | NotSent | OutcomeUnknown | QuotaTimeout)


def _wrapped(error: AmazonAeError, kind: DocumentKind) -> DocumentError:
    if isinstance(error, DocumentNotReady):
        return DocumentNotReady(str(error), retry_after_seconds=error.retry_after_seconds, step=kind)
    retryable = bool(getattr(error, "retryable", False)) or isinstance(error, NotSent | OutcomeUnknown)
    wrapped = DocumentError(str(error), step=kind, retryable=retryable)
    wrapped.__cause__ = error
    return wrapped
