"""Feed submissions in Amazon's terms (Feeds 2009-01-01)."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import attrs

from amazon_ae._models.responses import ResponseMeta

__all__ = ["FeedCancellation", "FeedSubmission"]

# Feeds API reference, "FeedProcessingStatus enumeration": every other value, known or new, is not final.
_FINAL: Final = frozenset({"_DONE_", "_CANCELLED_"})


@attrs.frozen(kw_only=True)
class FeedSubmission:
    """One feed as Amazon lists it (``FeedSubmissionInfo``).

    Attributes:
        feed_submission_id: Amazon's id of the feed.
        feed_processing_status: Amazon's, e.g. ``"_SUBMITTED_"``; an unknown value is kept as it is.
        submitted_date, started_processing_date, completed_processing_date: aware UTC.
    """

    feed_submission_id: str
    feed_type: str = ""
    feed_processing_status: str = ""
    submitted_date: datetime | None = None
    started_processing_date: datetime | None = None
    completed_processing_date: datetime | None = None
    meta: ResponseMeta = attrs.field(default=ResponseMeta(), eq=False)

    @property
    def final(self) -> bool:
        """The status will not change any more: ``_DONE_`` (the result can be fetched) or ``_CANCELLED_``."""
        return self.feed_processing_status in _FINAL


@attrs.frozen(kw_only=True)
class FeedCancellation:
    """The answer to CancelFeedSubmissions.

    Attributes:
        count: feeds that **matched**, not feeds that were cancelled: look at each feed's status.
        feeds: the first 100 of them.
    """

    count: int
    feeds: tuple[FeedSubmission, ...] = ()
    meta: ResponseMeta = attrs.field(default=ResponseMeta(), eq=False)
