"""The documents that all processes of an account share in the store: ledgers, status cache, claims, late feeds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from amazon_ae._models.feeds import FeedStatus, ItemKind, QuotaRule
from amazon_ae._scheduling.context import SchedulerContext
from amazon_ae._scheduling.feed_pace import FeedPace
from amazon_ae._scheduling.late_feeds import LateFeed, late_prefix
from amazon_ae._scheduling.lookup_claims import Claimed, LookupClaims
from amazon_ae._scheduling.quota import Ledger
from amazon_ae._scheduling.status_cache import StatusCache

__all__ = ["SharedState", "keys_of"]

T = TypeVar("T")


class SharedState:
    """Reads and changes the shared documents, each under its lock."""

    __slots__ = ("_context",)

    def __init__(self, context: SchedulerContext) -> None:
        self._context = context

    async def _change(self, name: str, fn: Callable[[str | None, datetime], tuple[str | None, T]]) -> T:
        def timed(text: str | None, now: datetime) -> tuple[str | None, tuple[T, datetime]]:
            changed, answer = fn(text, now)
            return changed, (answer, now)

        answer, now = await self._context.storage.change(name, timed)
        self._context.store_time_seen(now)
        return answer

    # Quota ledgers

    async def ledger(self, rule: QuotaRule) -> Ledger:
        """The ledger as it is, for planning. One whose clock was set back is written anew: otherwise every reading
        would count what was spent as spent just now, for as long as the clock is behind.
        """
        ledger = Ledger.read(await self._context.storage.load(rule.name), rule, self._context.store_now())
        return await self.book(rule, lambda same: same) if ledger.set_back else ledger

    async def book(self, rule: QuotaRule, entry: Callable[[Ledger], Ledger]) -> Ledger:
        """Change the ledger; returns it as it is now."""

        def change(text: str | None, now: datetime) -> tuple[str, Ledger]:
            ledger = entry(Ledger.read(text, rule, now))
            return ledger.to_text(), ledger

        return await self._change(rule.name, change)

    # Status cache

    @property
    def _status_name(self) -> str:
        return f"{self._context.account}/feeds"

    async def status_cache(self) -> StatusCache:
        """The cache as it is."""
        return StatusCache.read(await self._context.storage.load(self._status_name))

    async def claim_poll(self, *, saved: bool) -> tuple[StatusCache, bool]:
        """The cache, and whether this process may ask Amazon now, with a ``saved`` poll if need be."""

        def change(text: str | None, now: datetime) -> tuple[str | None, tuple[StatusCache, bool]]:
            cache = StatusCache.read(text)
            if cache.wait_seconds(now, saved=saved) > 0:
                return text, (cache, False)
            cache = cache.asking(now)
            return cache.to_text(), (cache, True)

        return await self._change(self._status_name, change)

    async def record_poll(
        self, statuses: Sequence[FeedStatus], *, asked: Sequence[str], in_flight: Collection[str]
    ) -> None:
        """Write a poll's answer where the other processes read it."""
        await self._change_cache(lambda cache, _: cache.polled(statuses, asked=asked, in_flight=in_flight))

    async def note_feeds(self, feed_ids: Collection[str]) -> None:
        """Record that these feeds belong to batches of this account."""
        if feed_ids:
            await self._change_cache(lambda cache, now: cache.note(feed_ids, now))

    async def note_answer(self, batch_id: str, feed_id: str) -> None:
        """Record for the process that took a batch over which feed its request became."""
        await self._change_cache(lambda cache, now: cache.answered(batch_id, feed_id).note([feed_id], now))

    async def abandon(self, name: str) -> None:
        """Ask the process that carries this feed or batch to give it up."""
        await self._change_cache(lambda cache, _: cache.abandon(name))

    async def _change_cache(self, fn: Callable[[StatusCache, datetime], StatusCache]) -> None:
        await self._change(self._status_name, lambda text, now: (fn(StatusCache.read(text), now).to_text(), None))

    # Feed pace

    async def pace(self, kind: ItemKind) -> FeedPace:
        """The pace at which Amazon processes feeds of a kind."""
        return FeedPace.read(await self._context.storage.load(self._pace_name(kind)))

    async def feeds_ended(self, kind: ItemKind, statuses: Sequence[FeedStatus]) -> FeedPace:
        """Amazon has processed these feeds; returns what is known now."""

        def change(text: str | None, _: datetime) -> tuple[str | None, FeedPace]:
            pace = FeedPace.read(text).seen(statuses)
            return pace.to_text(), pace

        return await self._change(self._pace_name(kind), change)

    def _pace_name(self, kind: ItemKind) -> str:
        return f"{self._context.account}/pace/{kind.value}"

    # Look-ups of orders

    @property
    def _lookups_name(self) -> str:
        return f"{self._context.account}/lookups"

    async def claim_lookups(self, keys: Sequence[str], seconds: float) -> Claimed:
        """Decide which of these orders this process looks up."""

        def change(text: str | None, now: datetime) -> tuple[str | None, Claimed]:
            before = LookupClaims.read(text)
            claims, claimed = before.claim(keys, now, seconds)
            return (claims.to_text() if claimed.mine else text), claimed

        return await self._change(self._lookups_name, change)

    async def looked_up(self, keys: Collection[str], *, eligible: Collection[str]) -> None:
        """A look-up is over; those of ``keys`` that are not eligible are looked up anew before they leave."""

        def change(text: str | None, now: datetime) -> tuple[str | None, None]:
            return LookupClaims.read(text).looked_up(keys, eligible, now).to_text(), None

        await self._change(self._lookups_name, change)

    # Late feeds

    async def late_feeds(self, kind: ItemKind | None = None) -> list[LateFeed]:
        """Every late feed of the account, or those of one kind."""
        storage = self._context.storage
        names = await storage.names(late_prefix(self._context.account, kind))
        found = [LateFeed.read(await storage.load(name)) for name in names]
        return [late for late in found if late is not None]

    async def write_late(self, late: LateFeed) -> None:
        """Store a late feed as it is now."""
        await self._change(self._late_name(late), lambda _, __: (late.to_text(), None))

    async def forget_late(self, late: LateFeed) -> None:
        """Delete a late feed that needs no more checks."""
        await self._change(self._late_name(late), lambda _, __: (None, None))

    async def claim_late(self, late: LateFeed) -> LateFeed | None:
        """The late feed, to be asked for by this process now; ``None`` if another was faster."""

        def change(text: str | None, now: datetime) -> tuple[str | None, LateFeed | None]:
            current = LateFeed.read(text)
            if current is None or not current.due(now):
                return text, None
            current = current.checking(now)
            return current.to_text(), current

        return await self._change(self._late_name(late), change)

    def _late_name(self, late: LateFeed) -> str:
        return f"{late_prefix(self._context.account, late.kind)}{late.batch_id}"


def keys_of(late: Iterable[LateFeed]) -> set[str]:
    """All items of these feeds."""
    return {key for each in late for key in each.keys}
