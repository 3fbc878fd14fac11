"""What every check works with: a store to try, its clock, and a queue to write short checks on."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar

from amazon_ae._models.feeds import ItemKind, ItemOutcome, Outcome
from amazon_ae._models.stored import Change, QueueStats, Receipt, StoredBatch, StoredItem
from amazon_ae._ports import Clock, Storage
from amazon_ae.testing._clocks import VirtualClock

__all__ = ["StorageTrial", "TrialQueue", "expect", "expect_equal", "expect_raises", "present"]

T = TypeVar("T")
MakeStorage = Callable[[Clock], Storage | Awaitable[Storage]]
Transaction = Callable[[], AbstractAsyncContextManager[Any]]


class StorageTrial:
    """A storage on trial. One trial may serve many checks: each works under an account of its own.

    Args:
        make: opens the store on the given clock; called again, it opens another object on the same data, as another
            process would. A store that lives in one object returns that object each time, with ``shared=False``.
        shared: objects that ``make`` returned see each other's writes as two processes do.
        transaction: for stores that take ``put(..., connection=)``: an async context that yields the host's own
            connection in a transaction, commits at its end and rolls back on an exception. Without it those checks
            only see to it that ``connection=`` is refused.
        elapse: lets seconds of the store's clock pass. By default the clock that ``make`` was given is moved; a store
            on its database's clock passes ``asyncio.sleep``.
        big: items in the checks of big batches.
    """

    def __init__(
        self,
        make: MakeStorage,
        *,
        shared: bool = True,
        transaction: Transaction | None = None,
        elapse: Callable[[float], Awaitable[None]] | None = None,
        big: int = 10_000,
    ) -> None:
        self.clock: VirtualClock = VirtualClock(autojump=False)
        self.shared = shared
        self.transaction = transaction
        self.big = big
        self._make = make
        self._elapse = elapse

    async def open_store(self) -> Storage:
        """One more object on the data; the caller closes it."""
        made = self._make(self.clock)
        return await made if inspect.isawaitable(made) else made

    async def elapse(self, seconds: float) -> None:
        """Let time pass for the store."""
        self.clock.jump(seconds)
        if self._elapse is not None:
            await self._elapse(seconds)

    @asynccontextmanager
    async def queue(self, kind: ItemKind = ItemKind.INVENTORY) -> AsyncIterator[TrialQueue]:
        """A fresh account in the store; everything that was opened on the way is closed at the end."""
        queue = TrialQueue(self, await self.open_store(), f"A1{uuid.uuid4().hex[:12].upper()}/AE", kind, [])
        try:
            yield queue
        finally:
            for store in {id(store): store for store in queue.opened}.values():
                await store.aclose()


class TrialQueue:
    """One account and kind in one store object, with short forms of the verbs."""

    def __init__(
        self, trial: StorageTrial, store: Storage, account: str, kind: ItemKind, opened: list[Storage]
    ) -> None:
        self.trial = trial
        self.store = store
        self.account = account
        self.kind = kind
        self.opened = opened
        opened.append(store)

    async def beside(self, *, account: str | None = None, kind: ItemKind | None = None) -> TrialQueue:
        """Another object on the same data, as another process has it; the first one may be abandoned."""
        return TrialQueue(
            self.trial, await self.trial.open_store(), account or self.account, kind or self.kind, self.opened
        )

    def name(self, suffix: str) -> str:
        """A document's name that nobody else uses."""
        return f"{self.account}/{suffix}"

    async def put(self, *changes: Change | tuple[str, str], keep_first: bool = False) -> list[Receipt]:
        """Put changes; a pair is a key and a value."""
        listed = [change if isinstance(change, Change) else Change(*change) for change in changes]
        return list(await self.store.put(self.account, self.kind, listed, keep_first=keep_first))

    async def try_open(
        self,
        *,
        limit: int = 1000,
        lease_seconds: float = 60.0,
        exclusive: bool = False,
        route: str = "",
        keys: Collection[str] | None = None,
        ledger: str | None = None,
        admit: Callable[[str | None, datetime], str | None] | None = None,
        batch_id: str | None = None,
    ) -> StoredBatch | None:
        """Open a batch with a fresh id."""
        return await self.store.open(
            self.account,
            self.kind,
            batch_id=batch_id or uuid.uuid4().hex,
            limit=limit,
            lease_seconds=lease_seconds,
            exclusive=exclusive,
            route=route,
            keys=keys,
            ledger=ledger,
            admit=admit,
        )

    async def open(self, *, limit: int = 1000, lease_seconds: float = 60.0) -> StoredBatch:
        """Open a batch of what waits; something must wait."""
        batch = await self.try_open(limit=limit, lease_seconds=lease_seconds)
        return present(batch, "open() gives a batch while something waits")

    async def settle(
        self, batch: StoredBatch, outcome: Outcome | Mapping[str, Outcome], *, code: str = "", message: str = ""
    ) -> None:
        """Settle a batch: one outcome for all its items, or one for each key."""
        outcomes = outcome if isinstance(outcome, Mapping) else {key: outcome for key, _, _ in batch.items}
        told = [ItemOutcome(key, one, code, message) for key, one in outcomes.items()]
        await self.store.settle(batch.batch_id, batch.fence, told)

    async def send(self, key: str, value: str, outcome: Outcome = Outcome.ACCEPTED) -> None:
        """Put one value and carry it through to its outcome."""
        await self.put((key, value))
        batch = present(await self.try_open(keys=[key]), f"{key!r} waits")
        await self.settle(batch, outcome)

    async def item(self, key: str) -> StoredItem:
        """The item of a key, which must exist."""
        return present(await self.store.item(self.account, self.kind, key), f"item({key!r}) is known")

    async def waiting(self, limit: int = 1000) -> list[str]:
        """The keys that could leave now, in their order."""
        return [item.key for item in await self.store.waiting(self.account, self.kind, limit=limit)]

    async def dead(self) -> list[str]:
        """The keys of the dead letters."""
        return [item.key for item in await self.store.dead(self.account, self.kind)]

    async def stats(self) -> QueueStats:
        """Counts and ages."""
        return await self.store.stats(self.account, self.kind)

    async def unfinished(self) -> list[StoredBatch]:
        """The account's unsettled batches."""
        return list(await self.store.unfinished(self.account))


def expect(condition: bool, fact: str) -> None:
    """Raise ``AssertionError`` unless ``fact`` holds (also under ``python -O``)."""
    if not condition:
        raise AssertionError(fact)


def expect_equal(got: object, wanted: object, fact: str) -> None:
    """Raise ``AssertionError`` with both values unless they are equal."""
    if got != wanted:
        raise AssertionError(f"{fact}: expected {wanted!r}, got {got!r}")


def present(value: T | None, fact: str) -> T:
    """``value``, which must not be ``None``."""
    if value is None:
        raise AssertionError(f"{fact}: got None")
    return value


async def expect_raises(error: type[Exception], call: Awaitable[object], fact: str) -> None:
    """Raise ``AssertionError`` unless ``call`` raises ``error``."""
    try:
        await call
    except error:
        return
    except Exception as other:
        raise AssertionError(f"{fact}: expected {error.__name__}, got {other!r}") from other
    raise AssertionError(f"{fact}: expected {error.__name__}, nothing was raised")
