"""Feeds of one type are processed one after another, types side by side, on the seller's clock.

Source: MWS developer guide, "How feeds are processed"; Feeds API 2021-06-30, ``processingStatus`` ("the feed may be
waiting for another IN_PROGRESS feed").
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

__all__ = ["FeedQueues", "QueuedFeed"]


class QueuedFeed(Protocol):
    """The attributes of a feed that the queues use.

    Attributes:
        starts_at, ends_at: when processing starts and ends; ``ends_at`` is ``None`` for "never, unless released".
        is_held: whether processing never ends by itself.
    """

    feed_type: str
    submitted_at: datetime
    starts_at: datetime | None
    ends_at: datetime | None

    @property
    def is_held(self) -> bool: ...


F = TypeVar("F", bound=QueuedFeed)


class FeedQueues(Generic[F]):
    """The queues of one backend.

    Args:
        seconds: how long one feed is processed; a function gets the feed and answers for that one.
        start_seconds: from acceptance to the start of processing, if nothing of its type runs.
        end: called with each feed as its processing ends, at ``feed.ends_at``.
    """

    def __init__(
        self, *, seconds: float | Callable[[F], float], start_seconds: float, end: Callable[[F], None]
    ) -> None:
        self.seconds = seconds
        self.start_seconds = start_seconds
        self._end = end
        self._queues: dict[str, deque[F]] = {}

    def add(self, feed: F) -> None:
        """Queue a feed behind those of its type."""
        queue = self._queues.setdefault(feed.feed_type, deque())
        queue.append(feed)
        if len(queue) == 1:
            self._schedule(feed, not_before=feed.submitted_at)

    def heads(self) -> list[F]:
        """The first feed of each type: the one that is processed, or starts next."""
        return [queue[0] for queue in self._queues.values() if queue]

    def __contains__(self, feed: F) -> bool:
        return feed in self._queues.get(feed.feed_type, ())

    def release(self, feed: F, now: datetime) -> None:
        """End a held feed now; one that waits behind another ends in its turn."""
        if self._queues[feed.feed_type][0] is feed and feed.starts_at is not None:
            feed.ends_at = max(now, feed.starts_at)

    def remove(self, feed: F, now: datetime) -> None:
        """Take a feed out before it is processed."""
        queue = self._queues[feed.feed_type]
        was_head = queue[0] is feed
        queue.remove(feed)
        if was_head and queue:
            self._schedule(queue[0], not_before=now)

    def next_at(self) -> datetime | None:
        """When the next feed ends."""
        return min((feed.ends_at for feed in self.heads() if feed.ends_at is not None), default=None)

    def run_next(self) -> None:
        """End the feed whose turn it is."""
        feed = min((feed for feed in self.heads() if feed.ends_at is not None), key=lambda feed: _end_of(feed))
        queue = self._queues[feed.feed_type]
        queue.popleft()
        self._end(feed)
        if queue:
            self._schedule(queue[0], not_before=_end_of(feed))

    def _schedule(self, feed: F, *, not_before: datetime) -> None:
        feed.starts_at = max(feed.submitted_at + timedelta(seconds=self.start_seconds), not_before)
        seconds = self.seconds(feed) if callable(self.seconds) else self.seconds
        feed.ends_at = None if feed.is_held else feed.starts_at + timedelta(seconds=seconds)


def _end_of(feed: QueuedFeed) -> datetime:
    assert feed.ends_at is not None
    return feed.ends_at
