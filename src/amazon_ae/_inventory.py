"""``InventoryBuffer``: stock changes are durable once put, and only the newest of each SKU is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import date, datetime
from itertools import islice
from typing import Any, Final

import attrs

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.checks import check_account
from amazon_ae._models.feeds import InventoryUpdate, ItemKind, Outcome
from amazon_ae._models.notifications import Notification, QuantityChanged
from amazon_ae._models.stored import Change, ItemState, QueueStats, Receipt, ReceiptState, StoredItem
from amazon_ae._ports import Storage

__all__ = ["BufferedCount", "InventoryBuffer", "SkuStatus"]

_KIND: Final = ItemKind.INVENTORY

# Changes in one transaction of put_many: few enough that memory (about 12 MB) stays bounded; enough that commits, and
# the pages each one writes anew, are few. They are taken from the caller in pieces, and others run after each.
_CHUNK: Final = 20_000
_PIECE: Final = 1_000
_PAGE: Final = 500


@attrs.frozen(kw_only=True)
class BufferedCount:
    """What ``put_many`` did: how many changes wait to be sent, and how many Amazon has already."""

    waiting: int = 0
    unchanged: int = 0


@attrs.frozen(kw_only=True)
class SkuStatus:
    """The state of one SKU.

    Attributes:
        sku: the seller's SKU.
        state: of the newest change: waiting, in flight, accepted, rejected (a dead letter).
        newest: the newest change, with the host's reference.
        version: the store's number of the newest change.
        waiting_since: since when the SKU has something unsent, aware UTC; ``None`` where nothing waits.
        feed_id: the feed that carries a change of this SKU, once Amazon has it; ``batch_id`` from the moment it left.
        accepted: the change that Amazon last accepted, with ``accepted_at``; ``None`` where there is none.
        code, message: Amazon's, where the newest change was rejected or accepted with a warning; ``""`` otherwise.
    """

    sku: str
    state: ItemState
    newest: InventoryUpdate
    version: int
    waiting_since: datetime | None = None
    batch_id: str | None = None
    feed_id: str | None = None
    accepted: InventoryUpdate | None = None
    accepted_at: datetime | None = None
    code: str = ""
    message: str = ""


class InventoryBuffer:
    """Takes stock changes for one seller account and keeps them until Amazon has them.

    A change is durable when ``put`` returns (with a durable storage). The newest change of a SKU wins; one that arrives
    while an older one is on its way is sent afterwards. A change counts as sent only when Amazon's report accepted its
    SKU. A drop to zero is urgent: it leaves before other changes, since it prevents overselling. The ``FeedScheduler``
    on the same storage sends what waits, from this process or another one.

    Args:
        storage: where changes wait.
        account: whose they are: the gateway's ``account``, e.g. ``"A1SELLER/AE"``.

    Raises:
        ConfigurationError: ``account`` is not of that form, or is not a text: nothing would ever send what waits there.
    """

    def __init__(self, storage: Storage, account: str) -> None:
        self._storage = storage
        if isinstance(storage, str):
            raise ConfigurationError("InventoryBuffer takes the storage first, then the account: these two are swapped")
        self._account = check_account(account)

    async def put(
        self,
        sku: str,
        quantity: int,
        *,
        fulfillment_latency_days: int | None = None,
        restock_date: date | None = None,
        reference: str | None = None,
        connection: Any = None,
    ) -> Receipt:
        """Store the absolute stock of one SKU.

        Args:
            sku: the seller's SKU, 1-40 characters, none of them a control character, no blank first or last.
            quantity: pieces available to sell, >= 0.
            fulfillment_latency_days: days from order to shipment, >= 1; ``None`` leaves Amazon's value.
            restock_date: the day on which the SKU is sold again (no ``datetime``); ``None`` leaves it out.
            reference: the host's own reference, returned with the outcome.
            connection: the host's open connection to the storage's database: the change is stored if and only if the
                host's transaction commits.

        Returns:
            A receipt whose ``state`` is ``WAITING`` (it will be sent) or ``UNCHANGED`` (Amazon has it already). Follow
            it with ``status(sku)``.

        Raises:
            ConfigurationError: the SKU, the quantity or another argument breaks a rule: fix the call.
            StorageError: nothing was stored; put again when the database is back.
        """
        update = InventoryUpdate(
            sku,
            quantity,
            fulfillment_latency_days=fulfillment_latency_days,
            restock_date=restock_date,
            reference=reference,
        )
        receipts = await self._storage.put(self._account, _KIND, [_change(update)], connection=connection)
        return receipts[0]

    async def put_many(self, updates: Iterable[InventoryUpdate], *, connection: Any = None) -> BufferedCount:
        """Store any number of changes; a generator is read as it goes, so that memory stays bounded.

        Every 20,000 changes are one transaction. When an error comes out, the whole chunks before it are stored and the
        rest is not. Putting all of them again is harmless: the newest change of a SKU wins, and equal ones are not sent
        twice. With ``connection`` all of them belong to the host's one transaction.

        Raises:
            ConfigurationError: a value is no ``InventoryUpdate``: fix the call.
            StorageError: the database failed; put all of them again when it is back.
        """
        waiting = unchanged = 0
        remaining = iter(updates)
        while chunk := await _gather(remaining):
            receipts = await self._storage.put(self._account, _KIND, chunk, connection=connection)
            sent = [receipt.state for receipt in receipts].count(ReceiptState.WAITING)
            waiting += sent
            unchanged += len(receipts) - sent
        return BufferedCount(waiting=waiting, unchanged=unchanged)

    async def stats(self) -> QueueStats:
        """Counts of waiting items, items in flight and dead letters, and the age of the oldest, at a bounded cost."""
        return await self._storage.stats(self._account, _KIND)

    async def status(self, sku: str) -> SkuStatus | None:
        """The state of one SKU; ``None`` if it was never put."""
        item = await self._storage.item(self._account, _KIND, sku)
        return None if item is None else _status(item)

    async def notify(self, notification: Notification) -> SkuStatus | None:
        """Take what ``read_notification`` returned, and compare: does Amazon show what it accepted last?

        Nothing is sent: a sale lowers Amazon's quantity too, and only your warehouse knows which figure is right.

        Returns:
            The state of the SKU, if Amazon shows another quantity although no change of it waits or is in flight.
            ``None`` otherwise, and for notifications of other kinds.

        Raises:
            StorageError: the store failed; ask again.
        """
        if not isinstance(notification, QuantityChanged):
            return None
        status = await self.status(notification.sku)
        if status is None or status.state is not ItemState.ACCEPTED or status.accepted is None:
            return None
        return status if status.accepted.quantity != notification.quantity else None

    async def dead_letters(self) -> AsyncIterator[SkuStatus]:
        """Every SKU whose newest change Amazon refused, sorted; read page by page."""
        after = ""
        while page := await self._storage.dead(self._account, _KIND, after=after, limit=_PAGE):
            for item in page:
                yield _status(item)
            after = page[-1].key

    async def retry(self, skus: Iterable[str]) -> int:
        """Queue dead letters again with the value that was refused; returns how many ``skus`` were dead letters."""
        return await self._resolve(skus, Outcome.RETRY)

    async def drop(self, skus: Iterable[str]) -> int:
        """Drop dead letters, back to the last accepted change; returns how many ``skus`` were dead letters."""
        return await self._resolve(skus, Outcome.REJECTED)

    async def _resolve(self, skus: Iterable[str], outcome: Outcome) -> int:
        if isinstance(skus, str):
            raise ConfigurationError(f"give a list of SKUs, not one text: [{skus!r}]")
        resolved = 0
        remaining = iter(skus)
        while chunk := list(islice(remaining, _CHUNK)):
            resolved += len(await self._storage.resolve(self._account, _KIND, chunk, outcome=outcome))
        return resolved


async def _gather(updates: Iterator[InventoryUpdate]) -> list[Change]:
    """The changes of one transaction; none where ``updates`` have ended."""
    chunk: list[Change] = []
    while len(chunk) < _CHUNK and (piece := [_change(update) for update in islice(updates, _PIECE)]):
        chunk += piece
        await asyncio.sleep(0)
    return chunk


def _change(update: InventoryUpdate) -> Change:
    if not isinstance(update, InventoryUpdate):
        raise ConfigurationError(f"put_many takes InventoryUpdate(sku, quantity) values, not {update!r}")
    return Change(update.sku, update.to_text(), update.quantity == 0, update.reference)


def _status(item: StoredItem) -> SkuStatus:
    newest = attrs.evolve(InventoryUpdate.from_text(item.key, item.value), reference=item.reference)
    accepted = None if item.accepted_value is None else InventoryUpdate.from_text(item.key, item.accepted_value)
    return SkuStatus(
        sku=item.key,
        state=item.state,
        newest=newest,
        version=item.version,
        waiting_since=item.put_at if item.state is ItemState.WAITING else None,
        batch_id=item.batch_id,
        feed_id=item.feed_id,
        accepted=accepted,
        accepted_at=item.accepted_at,
        code=item.code,
        message=item.message,
    )
