"""Chooses the route of stock, and its terms. Pure.

1. ``spapi:patch`` sets one SKU per request, at once: for the daily trickle, and always first for stock gone to zero.
2. ``spapi:feed`` (JSON_LISTINGS_FEED) carries up to 25,000 SKUs: for a resync, i.e. when more SKUs wait than patches
   would carry within a minute. It is not used behind a feed that Amazon does not end: some were stuck for days, and
   all later ones with them (amzn/selling-partner-api-docs issues 1455, 3227).
3. Amazon orders neither route against the other: the store keeps a SKU out of a batch while another one has it.
4. Several processes share the rate of patches through the store: a batch takes its slots in one block, so that no
   single request costs a transaction. One block is on its way at a time. It is paced by its own process as from a full
   bucket; so the next one, of whichever process, leaves when the bucket had time to fill since the last answer.
5. createFeed has a bucket (15, one per 120.5 s), and for this feed type a window (5 in 5 minutes). Which of the two
   counts is UNVERIFIED: both are kept, unless the settings say otherwise.

Sources: "Listings Items API rate limits"; ``feeds_2021-06-30.json``; changelog of 2025-05-06.
"""

from __future__ import annotations

from typing import Final

import attrs

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.feeds import BatchTerms, QuotaRule
from amazon_ae._spapi.stock_values import MOST_MESSAGES

__all__ = ["FEED_ROUTE", "PATCH_ROUTE", "StockRouting", "feed_terms", "patch_terms", "takes_feed"]

PATCH_ROUTE: Final = "spapi:patch"
FEED_ROUTE: Final = "spapi:feed"
_PATCH_ANSWER_SECONDS: Final = 60.0
_FEED_ANSWER_SECONDS: Final = 300.0


@attrs.frozen(kw_only=True)
class StockRouting:
    """How stock is divided between patches and feeds.

    Attributes:
        feed_from: with more SKUs waiting than this, a feed carries them; 300 is a minute of patches.
        patches_per_batch: SKUs in one batch of patches. Stock gone to zero waits for the batch before it to end.
        coalesce_seconds: a batch of patches leaves this long after the oldest change, so that changes travel together.
        feed_records: SKUs in one feed, at most 25,000.
        first_poll_seconds: the age at which a feed's status is first asked for.
        feed_bucket: createFeed's bucket; ``None``: this feed type has none.
        feed_bucket_seconds: in which the bucket gets one feed back; ``None``: as Amazon stated it last, else one per
            120.5 s.
        feed_window, feed_window_seconds: the feeds of this type in any window; ``None``: it has none.
        unclear_limit: a SKU whose outcome so many feeds left unclear goes by patch.
        stuck_seconds: while Amazon has a feed of this age and does not end it, all stock goes by patch: Amazon
            processes feeds of one type one after another, so another one would only queue behind it.

    Raises:
        ConfigurationError: a value under which nothing could leave.
    """

    feed_from: int = 300
    patches_per_batch: int = 10
    coalesce_seconds: float = 1.0
    feed_records: int = MOST_MESSAGES
    first_poll_seconds: float = 20.0
    feed_bucket: int | None = 15
    feed_bucket_seconds: float | None = None
    feed_window: int | None = 5
    feed_window_seconds: float = 300.0
    unclear_limit: int = 2
    stuck_seconds: float = 3600.0

    def __attrs_post_init__(self) -> None:
        if not 1 <= self.feed_records <= MOST_MESSAGES:
            raise ConfigurationError(f"StockRouting: feed_records must be 1-{MOST_MESSAGES:,}")
        if self.patches_per_batch < 1 or self.feed_from < 0 or self.unclear_limit < 1 or self.coalesce_seconds < 0:
            raise ConfigurationError(
                "StockRouting: patches_per_batch and unclear_limit must be at least 1, feed_from and coalesce_seconds "
                "must not be negative"
            )
        if self.stuck_seconds <= 0:
            raise ConfigurationError("StockRouting: stuck_seconds must be above 0")
        if self.feed_bucket is None and self.feed_window is None:
            raise ConfigurationError(
                "StockRouting: give feed_bucket, feed_window or both; else nothing limits createFeed"
            )


def takes_feed(waiting: int, routing: StockRouting, *, unclear: bool, stuck: bool) -> bool:
    """Whether a feed carries the waiting stock.

    Args:
        unclear: SKUs wait that feeds have left unclear too often.
        stuck: Amazon does not end a feed that it has.
    """
    return waiting > routing.feed_from and not unclear and not stuck


def patch_terms(owner: str, restore_seconds: float, burst: int, routing: StockRouting, *, urgent: bool) -> BatchTerms:
    """The terms of a batch of patches.

    Args:
        owner: the pair by which Amazon counts.
        restore_seconds: in which one patch comes back, as Amazon stated it last.
        burst: patches in a full bucket.
        urgent: stock gone to zero: it does not wait for company.
    """
    size = routing.patches_per_batch
    return BatchTerms(
        route=PATCH_ROUTE,
        quota=QuotaRule(
            name=f"{owner}/patchListingsItem in blocks of {size}",
            burst=1,
            restore_seconds=min(size, burst) * restore_seconds,
        ),
        max_items=size,
        answer_seconds=_PATCH_ANSWER_SECONDS,
        coalesce_seconds=0.0 if urgent else routing.coalesce_seconds,
        exclusive=True,
        answers_by_item=True,
    )


def feed_terms(owner: str, restore_seconds: float, routing: StockRouting) -> BatchTerms:
    """The terms of a feed. One at a time: Amazon processes feeds of one type one after another.

    Args:
        owner: the pair by which Amazon counts.
        restore_seconds: in which createFeed's bucket gets one feed back, as Amazon stated it last.
    """
    window = routing.feed_window
    # A rule needs a bucket: where the feed type has none, the window serves as one.
    burst = routing.feed_bucket if routing.feed_bucket is not None else window or 1
    restore = restore_seconds if routing.feed_bucket_seconds is None else routing.feed_bucket_seconds
    if routing.feed_bucket is None:
        restore = routing.feed_window_seconds / burst
    return BatchTerms(
        route=FEED_ROUTE,
        quota=QuotaRule(
            name=f"{owner}/createFeed",
            burst=burst,
            restore_seconds=restore,
            limit=window,
            window_seconds=routing.feed_window_seconds,
        ),
        max_items=routing.feed_records,
        answer_seconds=_FEED_ANSWER_SECONDS,
        first_poll_seconds=routing.first_poll_seconds,
        exclusive=True,
    )
