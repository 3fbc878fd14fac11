"""What the Selling Partner API keeps of one seller besides the shared state: feeds, documents, reports, settings."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, Literal

import attrs

from amazon_ae.testing._seller import SellerState
from amazon_ae.testing._spapi.access import Access
from amazon_ae.testing._spapi.documents import DocumentStore

__all__ = ["Account", "FakeSpApiFeed", "FakeSpApiReport", "Settings"]

_FIRST_FEED_ID: Final = 385_934
_FIRST_REPORT_ID: Final = 383_187_020_424


@attrs.define(kw_only=True, eq=False)
class FakeSpApiFeed:
    """A feed that createFeed accepted.

    Attributes:
        feed_id: digits, as Amazon's.
        body: the uploaded document; ``None`` where nothing was uploaded before createFeed.
        options: ``feedOptions``.
        status: its ``processingStatus`` when it was last read.
        end_status: how it will end; a status that is not final holds it and those of its type behind it.
        message_count: how many messages were processed; 0 until the feed ends.
        report_id: the id of the result document, once there is one.
        takes: how many of its messages are taken if it ends ``FATAL``; ``None`` for all.
        missing_from_report: how many messages its report leaves out of its counts.
    """

    feed_id: str
    feed_type: str
    submitted_at: datetime
    body: bytes | None = attrs.field(repr=False)
    marketplace_ids: tuple[str, ...] = ()
    options: Mapping[str, str] = attrs.field(factory=dict)
    status: str = "IN_QUEUE"
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    end_status: str = "DONE"
    message_count: int = 0
    report_id: str | None = None
    takes: int | None = None
    missing_from_report: int = 0

    @property
    def is_held(self) -> bool:
        """Whether it never ends by itself."""
        return self.end_status not in ("DONE", "FATAL", "CANCELLED")

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the body."""
        return hashlib.sha256(self.body or b"").hexdigest()


@attrs.define(kw_only=True)
class FakeSpApiReport:
    """A report: asked for by createReport, or made by an Easy Ship documents feed."""

    report_id: str
    report_type: str
    created_at: datetime
    ready_at: datetime
    document_id: str | None
    data_start: datetime | None = None
    data_end: datetime | None = None
    end_status: str = "DONE"
    is_cancelled: bool = False


@attrs.define(kw_only=True)
class Settings:
    """Amazon's behaviour where no public source states it, or where countries differ.

    Attributes:
        easy_ship: ``"all"``; ``"single"``: bulk is refused, as in India; ``"bulk"``: everything else is, as in Poland;
            ``"none"``: all are.
        unknown_sku: a patch of an unknown SKU is 200 ``INVALID`` or 400 ``BAD_REQUEST`` (UNVERIFIED which).
        shows_unscheduled_package: whether an Easy Ship order has a package (``PENDING_SCHEDULE``) before its pickup is
            scheduled (UNVERIFIED).
        json_feed_limit: which limit createFeed has for JSON_LISTINGS_FEED: the five-minute window, the general bucket,
            or both (UNVERIFIED).
        sends_rate: whether answers carry ``x-amzn-RateLimit-Limit``; Amazon sends it "where available".
        compresses: whether result documents are gzip.
        gives_drop_off: whether slots include drop-off ones.
        bulk_archive: the ZIP of a bulk call: ``"given"``; ``"missing"``: the answer has no URL; ``"gone"``: S3 has no
            such object.
        bulk_url_seconds: how long its URL is valid ("short-lived", UNVERIFIED).
        easy_ship_documents: what the documents feed's report holds: one PDF of all labels, or a tar of folders with ZPL
            and PDF, as recorded in Brazil.
        report_tag: the name of the report reference in the documents feed's report.
    """

    easy_ship: Literal["all", "single", "bulk", "none"] = "all"
    unknown_sku: Literal["invalid", "bad_request"] = "invalid"
    shows_unscheduled_package: bool = True
    json_feed_limit: Literal["both", "window", "bucket"] = "both"
    sends_rate: bool = True
    compresses: bool = True
    gives_drop_off: bool = False
    bulk_archive: Literal["given", "missing", "gone"] = "given"
    bulk_url_seconds: int = 300
    easy_ship_documents: Literal["pdf", "tar"] = "pdf"
    report_tag: str = "DocumentReportReferenceId"


@attrs.define(kw_only=True, eq=False)
class Account:
    """One seller on the Selling Partner API."""

    seller: SellerState
    settings: Settings
    access: Access
    documents: DocumentStore = attrs.field(factory=DocumentStore)
    feeds: dict[str, FakeSpApiFeed] = attrs.field(factory=dict)
    reports: dict[str, FakeSpApiReport] = attrs.field(factory=dict)
    measures: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    """By order id: the dimensions and weight of the last listHandoverSlots."""
    full_slots: set[str] = attrs.field(factory=set)
    """Slots that nobody may take any more."""
    on_feed_end: list[Callable[[FakeSpApiFeed, datetime], None]] = attrs.field(factory=list, repr=False)
    """Called with each feed that has ended, and when."""
    ids: int = 0

    def next_feed_id(self) -> str:
        """A new feed id."""
        return str(_FIRST_FEED_ID + len(self.feeds))

    def next_report_id(self) -> str:
        """A new report id."""
        self.ids += 1
        return str(_FIRST_REPORT_ID + self.ids)

    def next_submission_id(self) -> str:
        """A new submission id of the Listings Items API."""
        self.ids += 1
        text = hashlib.sha256(f"{self.seller.seller_id} {self.ids}".encode()).hexdigest()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:32]}"
