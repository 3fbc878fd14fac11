"""Paged lists: iterate the items, or the pages with a position to continue from.

1. Retries and throttles happen below.
2. No page repeats an item of an earlier one, and none is lost. ``NextTokenCorrupted`` starts the listing again and
   skips what was returned already (MWS developer guide, "Using NextToken": never retry a corrupted token).
3. An error reaches the caller; the last position is still good.
4. A position carries digests of what was returned (8 bytes per item), so that rule 2 holds in another process too.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, Generic, TypeVar

import attrs

from amazon_ae._exceptions import AmazonError, ConfigurationError, UnreadableResponse
from amazon_ae._models.orders import UnreadableOrder
from amazon_ae._models.responses import Page, ResponseMeta

__all__ = ["Listing", "Pager", "RawPage", "Step", "fingerprint"]

T = TypeVar("T")
# Restarts in a row without a single new item before the error is raised.
_MOST_RESTARTS: Final = 3
_DIGEST_BYTES: Final = 8


@attrs.frozen(kw_only=True)
class RawPage(Generic[T]):
    """A page as Amazon sent it. ``next_token`` is ``None`` on the last one."""

    items: tuple[T, ...]
    next_token: str | None
    unreadable: tuple[UnreadableOrder, ...] = ()
    complete_until: datetime | None = None
    meta: ResponseMeta = attrs.field(factory=ResponseMeta)


def fingerprint(action: str, params: Mapping[str, object]) -> str:
    """A digest of a query, so that a position is refused by another one."""
    text = json.dumps([action, sorted((name, str(value)) for name, value in params.items())])
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _digest(key: str) -> bytes:
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()


class _Position:
    """The progress of a listing: the next page's token, and digests of the items of earlier pages."""

    def __init__(self, token: str | None = None, until: datetime | None = None, seen: bytes = b"") -> None:
        self.token = token
        self.complete_until = until
        self._trail = bytearray(seen)
        self._seen = {seen[begin : begin + _DIGEST_BYTES] for begin in range(0, len(seen), _DIGEST_BYTES)}

    def fresh(self, items: Sequence[T], key: Callable[[T], str]) -> tuple[T, ...]:
        """The items of a page whose keys no earlier page had. Two of one page with the same key are both kept."""
        digests = [_digest(key(item)) for item in items]
        fresh = tuple([item for item, digest in zip(items, digests, strict=True) if digest not in self._seen])
        for digest in digests:
            if digest not in self._seen:
                self._seen.add(digest)
                self._trail += digest
        return fresh

    def dump(self, query: str) -> str | None:
        """The position as text; ``None`` at the end."""
        if self.token is None:
            return None
        data = {
            "query": query,
            "token": self.token,
            "until": self.complete_until.isoformat() if self.complete_until else None,
            "seen": base64.b64encode(self._trail).decode("ascii"),
        }
        return json.dumps(data, separators=(",", ":"))

    @classmethod
    def load(cls, position: str, query: str) -> _Position:
        """Read back what ``dump`` wrote."""
        try:
            data = json.loads(position)
            until = datetime.fromisoformat(data["until"]) if data["until"] else None
            found = cls(str(data["token"]), until, base64.b64decode(data["seen"], validate=True))
            same = data["query"] == query
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationError("this position was not made by a listing") from error
        if not same:
            raise ConfigurationError("this position belongs to a listing with other filters")
        return found


@attrs.frozen(kw_only=True)
class Step(Generic[T]):
    """A page as the caller gets it. ``position`` is computed on demand: it grows with the listing."""

    items: tuple[T, ...]
    complete_until: datetime | None
    meta: ResponseMeta
    position: Callable[[], str | None]
    unreadable: tuple[UnreadableOrder, ...] = ()


class Pager(Generic[T]):
    """Paged items; nothing is sent before you iterate."""

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
        async for step in self.steps():
            for item in step.items:
                yield item

    async def all(self) -> tuple[T, ...]:
        """Every item, in memory: a seller's whole history may be large."""
        return tuple([item async for item in self])

    async def steps(self, position: str | None = None) -> AsyncIterator[Step[T]]:
        """Page by page, as the subclasses' ``pages`` builds on it."""
        at = _Position() if position is None else _Position.load(position, self._query)
        tokens: set[str] = set()
        restarts = 0
        while True:
            try:
                raw = await (self._start() if at.token is None else self._follow(at.token))
            except AmazonError as error:
                if error.code != "NextTokenCorrupted" or at.token is None or restarts == _MOST_RESTARTS:
                    raise
                restarts += 1
                at.token = None
                tokens.clear()
                continue
            fresh = at.fresh(raw.items, self._key)
            if fresh:
                restarts = 0
            # A restarted listing is complete up to the first one's limit; later changes may be missing.
            at.complete_until = min(filter(None, (at.complete_until, raw.complete_until)), default=None)
            at.token = raw.next_token
            if at.token in tokens:
                raise UnreadableResponse("a NextToken leads back to a page that was read already")
            if fresh or not raw.items or raw.unreadable or at.token is None:
                yield Step(
                    items=fresh,
                    complete_until=at.complete_until,
                    meta=raw.meta,
                    position=lambda: at.dump(self._query),
                    unreadable=raw.unreadable,
                )
            if at.token is None:
                return
            tokens.add(at.token)


class Listing(Pager[T]):
    """Paged items: ``async for item in listing``, or ``listing.pages()``. Nothing is sent before you iterate."""

    async def pages(self, position: str | None = None) -> AsyncIterator[Page[T]]:
        """Page by page.

        Args:
            position: of the last page that was processed, from a listing with the same filters.

        Raises:
            ConfigurationError: ``position`` belongs to another listing.
            AmazonError: as the operation raises; iterate again from the last position.
        """
        async for step in self.steps(position):
            yield Page(items=step.items, position=step.position(), meta=step.meta)
