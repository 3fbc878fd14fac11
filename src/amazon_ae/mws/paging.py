"""Lists that come in pages: iterate the items, or the pages with a position to go on from.

1. Retries and throttles sit below: a call that had to wait is not seen here.
2. No item is handed over twice in one listing, none is lost. ``NextTokenCorrupted`` starts the listing again and passes
   over what was handed over already (MWS developer guide, "Using NextToken": never retry a corrupted token).
3. An error reaches the caller; the last position is still good.
4. A position remembers what was handed over (8 bytes per item), so that rule 2 holds in another process too.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final, Generic, TypeVar

import attrs

from amazon_ae.exceptions import AmazonError, ConfigurationError
from amazon_ae.models.responses import Page, ResponseMeta

__all__ = ["Listing", "Pager", "RawPage", "fingerprint"]

T = TypeVar("T")
# A listing that is started anew this often without a single new item goes nowhere.
_MOST_RESTARTS: Final = 3


@attrs.frozen(kw_only=True)
class RawPage(Generic[T]):
    """A page as Amazon sent it. ``next_token`` is ``None`` on the last one."""

    items: tuple[T, ...]
    next_token: str | None
    complete_until: datetime | None = None
    meta: ResponseMeta = attrs.field(factory=ResponseMeta)


def fingerprint(action: str, params: Mapping[str, object]) -> str:
    """What tells two queries apart."""
    text = json.dumps([action, sorted((name, str(value)) for name, value in params.items())])
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _digest(key: str) -> bytes:
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()


@attrs.define
class _Place:
    """Where a listing is: the token of the next page and what was handed over before it."""

    token: str | None = None
    complete_until: datetime | None = None
    seen: set[bytes] = attrs.Factory(set)

    def dump(self, query: str) -> str:
        return json.dumps(
            {
                "query": query,
                "token": self.token,
                "until": self.complete_until.isoformat() if self.complete_until else None,
                "seen": base64.b64encode(b"".join(sorted(self.seen))).decode("ascii"),
            },
            separators=(",", ":"),
        )

    @classmethod
    def load(cls, position: str, query: str) -> _Place:
        try:
            data = json.loads(position)
            seen = base64.b64decode(data["seen"], validate=True)
            place = cls(
                str(data["token"]),
                datetime.fromisoformat(data["until"]) if data["until"] else None,
                {seen[start : start + 8] for start in range(0, len(seen), 8)},
            )
            same = data["query"] == query
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationError("this position was not made by a listing") from error
        if not same:
            raise ConfigurationError("this position belongs to a listing with other filters")
        return place


class Pager(Generic[T]):
    """Items that come in pages; nothing is asked before somebody iterates."""

    def __init__(
        self,
        *,
        start: Callable[[], Awaitable[RawPage[T]]],
        follow: Callable[[str], Awaitable[RawPage[T]]],
        key: Callable[[T], str],
        query: str,
    ) -> None:
        self._start = start
        self._follow = follow
        self._key = key
        self._query = query

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page, _ in self.raw_pages():
            for item in page.items:
                yield item

    async def all(self) -> tuple[T, ...]:
        """Every item. Mind the memory: a seller's whole history may be behind it."""
        return tuple([item async for item in self])

    async def raw_pages(self, position: str | None = None) -> AsyncIterator[tuple[Page[T], datetime | None]]:
        """Pages with the instant up to which the listing is complete."""
        place = _Place() if position is None else _Place.load(position, self._query)
        restarts = 0
        while True:
            try:
                raw = await (self._start() if place.token is None else self._follow(place.token))
            except AmazonError as error:
                if error.code != "NextTokenCorrupted" or place.token is None or restarts == _MOST_RESTARTS:
                    raise
                restarts += 1
                place.token = None
                continue
            fresh = []
            for item in raw.items:
                digest = _digest(self._key(item))
                if digest not in place.seen:
                    place.seen.add(digest)
                    fresh.append(item)
            if fresh:
                restarts = 0
            # A listing that began anew is complete up to where the first one was: what changed since may be passed
            # over.
            place.complete_until = min(filter(None, (place.complete_until, raw.complete_until)), default=None)
            place.token = raw.next_token
            last = place.token is None
            if fresh or last or not raw.items:
                page = Page(items=tuple(fresh), position=None if last else place.dump(self._query), meta=raw.meta)
                yield page, place.complete_until
            if last:
                return


class Listing(Pager[T]):
    """Items that come in pages: ``async for item in listing``, or ``listing.pages()``. Nothing is asked before."""

    async def pages(self, position: str | None = None) -> AsyncIterator[Page[T]]:
        """Page by page.

        Args:
            position: of the last page that was dealt with, out of a listing with the same filters.

        Raises:
            ConfigurationError: ``position`` is of another listing.
            AmazonError: as the operation raises; iterate again from the last position.
        """
        async for page, _ in self.raw_pages(position):
            yield page
