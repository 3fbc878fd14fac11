"""Values of the Selling Partner API that the business models do not have: listings, feeds, reports, accounts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import attrs

from amazon_ae._models.responses import ResponseMeta

__all__ = [
    "ListingIssue",
    "ListingSubmission",
    "ListingsItem",
    "RestrictedToken",
    "SignedDocument",
    "SpApiFeed",
    "SpApiReport",
]

_FINAL: Final = frozenset({"DONE", "CANCELLED", "FATAL"})


@attrs.frozen(kw_only=True)
class ListingIssue:
    """An issue that Amazon reports about a listing.

    Attributes:
        severity: ``ERROR``, ``WARNING`` or ``INFO``; an unknown value is kept as it is.
    """

    code: str = ""
    message: str = ""
    severity: str = ""
    attribute_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class ListingSubmission:
    """The answer to a patch.

    Attributes:
        status: ``ACCEPTED`` (queued, not live yet), ``INVALID`` (nothing was taken), or ``VALID`` for a preview.
        submission_id: names this submission to Amazon's support.
        issues: the errors of an invalid one, or warnings.
    """

    sku: str
    status: str
    submission_id: str | None = None
    issues: tuple[ListingIssue, ...] = ()
    meta: ResponseMeta = attrs.field(default=ResponseMeta(), eq=False)


@attrs.frozen(kw_only=True)
class ListingsItem:
    """One SKU as Amazon shows it.

    Attributes:
        quantities: by fulfilment channel (``DEFAULT`` is the merchant's own stock), where asked for; a channel without
            a figure is left out.
        statuses: ``BUYABLE``, ``DISCOVERABLE``.
        attributes: as Amazon stores them, where asked for.
    """

    sku: str
    asin: str | None = None
    title: str | None = None
    statuses: tuple[str, ...] = ()
    quantities: Mapping[str, int] = attrs.field(factory=dict)
    attributes: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    issues: tuple[ListingIssue, ...] = ()
    meta: ResponseMeta = attrs.field(default=ResponseMeta(), eq=False)


@attrs.frozen(kw_only=True)
class SpApiFeed:
    """One feed.

    Attributes:
        processing_status: ``IN_QUEUE``, ``IN_PROGRESS``, ``DONE``, ``CANCELLED`` (before it began) or ``FATAL`` (some,
            none or all of it may have been done); an unknown value is kept as it is.
        result_document_id: names the processing report, once there is one.
    """

    feed_id: str
    feed_type: str = ""
    processing_status: str = ""
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    result_document_id: str | None = None
    meta: ResponseMeta = attrs.field(default=ResponseMeta(), eq=False)

    @property
    def final(self) -> bool:
        """The status will not change any more."""
        return self.processing_status in _FINAL


@attrs.frozen(kw_only=True)
class SpApiReport:
    """One report that Amazon makes or made; statuses as of a feed. ``CANCELLED`` also means that there is no data."""

    report_id: str
    report_type: str = ""
    processing_status: str = ""
    created_at: datetime | None = None
    ended_at: datetime | None = None
    document_id: str | None = None
    meta: ResponseMeta = attrs.field(default=ResponseMeta(), eq=False)

    @property
    def final(self) -> bool:
        """The status will not change any more."""
        return self.processing_status in _FINAL


@attrs.frozen(kw_only=True)
class SignedDocument:
    """The URL of a document. Anyone can open it for five minutes: it is a credential and never shown."""

    document_id: str
    url: str = attrs.field(repr=False)
    compression: str | None = None


@attrs.frozen(kw_only=True)
class RestrictedToken:
    """A restricted data token; never shown."""

    value: str = attrs.field(repr=False)
    expires_in_seconds: int = 3600
