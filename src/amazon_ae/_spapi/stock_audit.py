"""The stock audit: compares the stock that Amazon shows with what it accepted last.

Public bug reports describe hundreds of SKUs that Amazon accepted and never showed (amzn/selling-partner-api-models
issue 5327). ``ACCEPTED`` means queued, so an audit asks some time later. It compares only SKUs without waiting or
in-flight changes: for the others a difference is expected.
"""

from __future__ import annotations

import asyncio
import logging
import random as _random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Final, Self

from amazon_ae._exceptions import (
    AmazonAeError,
    ConfigurationError,
    InvalidRequest,
    NotSent,
    QuotaTimeout,
    UnreadableResponse,
)
from amazon_ae._models.events import EventSink, StockDiffers
from amazon_ae._models.feeds import InventoryUpdate, ItemKind
from amazon_ae._models.stored import ItemState, StoredItem
from amazon_ae._ports import Storage
from amazon_ae._spapi.client import SpApiClient

__all__ = ["StockAudit"]

_log: Final = logging.getLogger(__name__)
_KIND: Final = ItemKind.INVENTORY
_PER_REQUEST: Final = 20
_MOST_PENDING: Final = 10_000
_PAUSE_SECONDS: Final = 60.0
_FIRST_STRIKE: Final = 3
_MOST_FAILURES: Final = 24 * 60  # in a row: a day


class StockAudit:
    """Compares the stock that Amazon shows with what it accepted last.

    ``check`` and ``check_all`` ask about the SKUs that you name. With ``async with`` it also checks a sample of the
    changes that are accepted from then on. Stock is not compared before Amazon must show it, but by ``check``.

    Args:
        client: not closed by this object.
        storage: that of the ``InventoryBuffer``.
        sample: the share of accepted SKUs that is asked about later, 0 to 1. The store's notice
            of a batch of thousands has no SKUs, so such a batch is not sampled: use ``check_all``.
        after_seconds: how long after the acceptance: a patch is live within minutes, a feed's stock too.
        requests_per_second: the pace; Amazon gives 5 a second, and each asks about 20 SKUs.
        resend: send SKUs that differ once more.
        channel: the fulfilment channel of the merchant's own stock.
        on_event: gets a ``StockDiffers`` per difference.
        random: gives numbers in [0, 1).

    Raises:
        ConfigurationError: a share or a pace that makes no sense.
    """

    def __init__(
        self,
        client: SpApiClient,
        storage: Storage,
        *,
        sample: float = 0.05,
        after_seconds: float = 900.0,
        requests_per_second: float = 1.0,
        resend: bool = False,
        channel: str = "DEFAULT",
        on_event: EventSink | None = None,
        random: Callable[[], float] = _random.random,
    ) -> None:
        if not 0 <= sample <= 1 or after_seconds < 0 or requests_per_second <= 0:
            raise ConfigurationError("StockAudit: sample is 0 to 1, after_seconds >= 0, requests_per_second above 0")
        self._client = client
        self._storage = storage
        self._sample = sample
        self._after = timedelta(seconds=after_seconds)
        self._pause_seconds = 1.0 / requests_per_second
        self._resend = resend
        self._channel = channel
        self._on_event = on_event
        self._random = random
        self._due: dict[str, datetime] = {}
        self._task: asyncio.Task[None] | None = None
        self._unwatch: Callable[[], None] | None = None
        self._news = asyncio.Event()

    async def check(self, skus: Sequence[str]) -> tuple[StockDiffers, ...]:
        """Ask about these SKUs now, 20 a request, at the audit's pace.

        Returns:
            The differences, each of which was also an event.

        Raises:
            AmazonAeError: as every call.
            StorageError: the store failed.
        """
        return await self._check(skus, timedelta(0))

    async def _check(self, skus: Sequence[str], age: timedelta) -> tuple[StockDiffers, ...]:
        """Ask about those that were accepted at least ``age`` ago."""
        found: list[StockDiffers] = []
        asked = False
        for begin in range(0, len(skus), _PER_REQUEST):
            stored = [item for sku in skus[begin : begin + _PER_REQUEST] if (item := await self._settled(sku, age))]
            if not stored:
                continue
            if asked:
                await self._client.clock.sleep(self._pause_seconds)
            asked = True
            shown = await self._shown([item.key for item in stored])
            found += [event for item in stored if (event := await self._compare(item, shown.get(item.key)))]
        return tuple(found)

    async def check_all(self, skus: Iterable[str]) -> int:
        """Ask about every SKU at the audit's pace; a passing failure is waited out, for a day at most.

        A SKU whose newest value was accepted less than ``after_seconds`` ago is passed over. So is one for which alone
        Amazon's answer keeps failing; a warning in the log names it.

        Returns:
            How many differ.
        """
        count, part = 0, list[str]()
        for sku in skus:
            part.append(sku)
            if len(part) == _PER_REQUEST:
                count += await self._part(part)
                part = []
        return count + (await self._part(part) if part else 0)

    async def __aenter__(self) -> Self:
        """Begin to sample."""
        if self._task is not None:
            raise ConfigurationError("this audit works already")
        loop = asyncio.get_running_loop()
        self._news = asyncio.Event()  # of this loop: a host may call asyncio.run several times

        def settled(kind: ItemKind, keys: Sequence[str]) -> None:
            if kind is _KIND and keys:
                loop.call_soon_threadsafe(self._take, list(keys))

        self._unwatch = self._storage.watch(self._client.account, lambda: None, settled=settled)
        self._task = asyncio.create_task(self._work(), name=f"StockAudit {self._client.account}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop sampling; twice is fine."""
        task, self._task = self._task, None
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    # Internal

    async def _part(self, skus: Sequence[str]) -> int:
        """One request's SKUs. If it keeps failing it is halved: one of them may be the reason."""
        left = deque([list(skus)])
        count, failures, answered = 0, 0, False
        while left:
            try:
                count += len(await self._check(left[0], self._after))
            except AmazonAeError as error:
                failures += 1
                if not _passing(error) or failures > _MOST_FAILURES:
                    raise
                _log.warning("stock audit: %s; going on in %.0f s", error, _PAUSE_SECONDS)
                await self._client.clock.sleep(_PAUSE_SECONDS)
                if failures < _FIRST_STRIKE:
                    continue
                part = left[0]
                if len(part) > 1:
                    left.popleft()
                    left += [part[: len(part) // 2], part[len(part) // 2 :]]
                elif answered:
                    left.popleft()
                    _log.warning("stock audit: Amazon's answer about SKU %r alone fails; it was not compared", part[0])
            else:
                left.popleft()
                failures, answered = 0, True
                await self._client.clock.sleep(self._pause_seconds)
        return count

    def _take(self, keys: Sequence[str]) -> None:
        due = self._client.clock.now() + self._after
        for key in keys:
            if key in self._due or (len(self._due) < _MOST_PENDING and self._random() < self._sample):
                self._due[key] = due  # of the newest acceptance: Amazon need not show it earlier
        self._news.set()

    async def _work(self) -> None:
        clock = self._client.clock
        while True:
            now = clock.now()
            ripe = [sku for sku, due in self._due.items() if due <= now][:_PER_REQUEST]
            for sku in ripe:
                del self._due[sku]
            if ripe:
                try:
                    await self._check(ripe, self._after)
                except AmazonAeError as error:
                    _log.warning("stock audit: %s", error)
                except Exception:
                    _log.exception("the stock audit failed unexpectedly")
                await clock.sleep(self._pause_seconds)
            elif self._due:
                await clock.sleep((min(self._due.values()) - now).total_seconds() + 0.001)
            else:
                self._news.clear()
                await self._news.wait()

    async def _settled(self, sku: str, age: timedelta = timedelta(0)) -> StoredItem | None:
        item = await self._storage.item(self._client.account, _KIND, sku)
        if item is None or item.state is not ItemState.ACCEPTED or item.accepted_value is None:
            return None
        if age and item.accepted_at is not None and item.accepted_at + age > self._client.clock.now():
            return None
        return item

    async def _shown(self, skus: Sequence[str]) -> dict[str, int]:
        """The quantities that Amazon shows, by SKU; a SKU without one is left out."""
        listings = self._client.listings
        plain = [sku for sku in skus if "," not in sku]
        found = list(await listings.search(plain)) if plain else []
        for sku in skus:
            if "," in sku:
                try:
                    found.append(await listings.get(sku, included=("fulfillmentAvailability",)))
                except InvalidRequest:
                    continue
        return {each.sku: each.quantities[self._channel] for each in found if self._channel in each.quantities}

    async def _compare(self, item: StoredItem, shown: int | None) -> StockDiffers | None:
        accepted = InventoryUpdate.from_text(item.key, item.accepted_value or "").quantity
        if accepted == shown:
            return None
        now = await self._settled(item.key)
        if now is None or now.accepted_version != item.accepted_version:
            return None  # it changed while Amazon was asked
        if self._resend:
            await self._storage.requeue(self._client.account, _KIND, [item.key])
        event = StockDiffers(
            at=self._client.clock.now(),
            account=self._client.account,
            sku=item.key,
            accepted=accepted,
            shown=shown,
            accepted_at=item.accepted_at,
            is_resent=self._resend,
        )
        self._tell(event)
        return event

    def _tell(self, event: StockDiffers) -> None:
        if self._on_event is None:
            return
        try:
            self._on_event(event)
        except Exception:
            _log.exception("on_event raised; the audit goes on")


def _passing(error: AmazonAeError) -> bool:
    passing = isinstance(error, NotSent | QuotaTimeout | UnreadableResponse)
    return passing or bool(getattr(error, "retryable", False))
