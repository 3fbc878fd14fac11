"""The contract is worth something: each of these stores has one bug, and a check says so."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from amazon_ae._exceptions import StorageError
from amazon_ae._models.feeds import ItemOutcome, Outcome
from amazon_ae._models.stored import Receipt, ReceiptState
from amazon_ae._storage.memory import MemoryStorage
from amazon_ae._storage.notices import Watchers, queued
from amazon_ae.testing._storage_contract import STORAGE_CHECKS, StorageTrial, check_storage

BUGS: list[Callable[..., MemoryStorage]] = []


def bug(cls):
    """Add a store with a bug to the list."""
    BUGS.append(cls)
    return cls


@bug
class ForgetsTheReference(MemoryStorage):
    async def put(self, account, kind, changes, **options):
        return await super().put(account, kind, [attrs.evolve(c, reference=None) for c in changes], **options)


@bug
class SendsEverythingAgain(MemoryStorage):
    async def put(self, account, kind, changes, **options):
        receipts = await super().put(account, kind, changes, **options)
        return [attrs.evolve(receipt, state=ReceiptState.WAITING) for receipt in receipts]


@bug
class VersionsStandStill(MemoryStorage):
    async def put(self, account, kind, changes, **options):
        receipts = await super().put(account, kind, changes, **options)
        return [Receipt(receipt.key, 1, receipt.state) for receipt in receipts]


@bug
class FoldsCase(MemoryStorage):
    async def put(self, account, kind, changes, **options):
        return await super().put(account, kind, [attrs.evolve(c, key=c.key.lower()) for c in changes], **options)


@bug
class MixesAccounts(MemoryStorage):
    async def open(self, account, kind, **options):
        return await super().open(next(iter(self._queues))[0], kind, **options)


@bug
class SpendsTheSlotFirst(MemoryStorage):
    """The ledger is written even where nothing waits."""

    async def open(self, account, kind, *, ledger=None, admit=None, **options):
        if ledger is not None and admit is not None:
            self._documents[ledger] = admit(self._documents.get(ledger), self._clock.now()) or "refused"
        return await super().open(account, kind, ledger=ledger, admit=admit, **options)


@bug
class IgnoresTheLimit(MemoryStorage):
    async def open(self, account, kind, *, limit, **options):
        return await super().open(account, kind, limit=limit + 1, **options)


@bug
class IsNeverExclusive(MemoryStorage):
    async def open(self, account, kind, *, exclusive, **options):
        return await super().open(account, kind, exclusive=False, **options)


@bug
class LetsZombiesSettle(MemoryStorage):
    async def settle(self, batch_id, fence, outcomes):
        batch = self._batches.get(batch_id)
        return await super().settle(batch_id, batch.fence if batch else fence, outcomes)


@bug
class TakesOverTooEarly(MemoryStorage):
    async def take_over(self, batch_id, *, lease_seconds):
        if batch := self._batches.get(batch_id):
            self._batches[batch_id] = batch._replace(lease_until=0)
        return await super().take_over(batch_id, lease_seconds=lease_seconds)


@bug
class KeepsTheFence(MemoryStorage):
    async def take_over(self, batch_id, *, lease_seconds):
        taken = await super().take_over(batch_id, lease_seconds=lease_seconds)
        if taken is None:
            return None
        self._batches[batch_id] = self._batches[batch_id]._replace(fence=taken.fence - 1)
        return attrs.evolve(taken, fence=taken.fence - 1)


@bug
class ForgetsTheFeed(MemoryStorage):
    async def mark_submitted(self, batch_id, fence, *, feed_id, **options):
        await super().mark_submitted(batch_id, fence, feed_id="", **options)


@bug
class AcceptsWhatHasNoOutcome(MemoryStorage):
    """A key without an outcome counts as accepted."""

    async def settle(self, batch_id, fence, outcomes):
        told = {outcome.key for outcome in outcomes}
        flights = [queue.flights.get(batch_id, set()) for queue in self._queues.values()]
        more = [ItemOutcome(key, Outcome.ACCEPTED) for keys in flights for key in keys - told]
        return await super().settle(batch_id, fence, [*outcomes, *more])


@bug
class TreatsUnknownAsRejected(MemoryStorage):
    async def settle(self, batch_id, fence, outcomes):
        rejected = {Outcome.UNKNOWN: Outcome.REJECTED}
        changed = [attrs.evolve(one, outcome=rejected.get(one.outcome, one.outcome)) for one in outcomes]
        return await super().settle(batch_id, fence, changed)


@bug
class PurgesEverything(MemoryStorage):
    async def purge(self, account, kind, *, settled_before):
        rows = self._queue(account, kind).rows
        for key in [key for key, row in rows.items() if row.batch_id is None]:
            self._queue(account, kind).forget(key)
        return 1


@bug
class HasWildcards(MemoryStorage):
    async def names(self, prefix):
        cut = prefix.rstrip("%_")
        return sorted(name for name in self._documents if name.startswith(cut))


@bug
class SavesWhatFailed(MemoryStorage):
    async def change(self, name, fn):
        self._documents.setdefault(name, "")
        return await super().change(name, fn)


@bug
class CallsNobodyBack(MemoryStorage):
    def watch(self, account, callback, *, settled=None):
        return lambda: None


@bug
class RetriesWithoutANotice(MemoryStorage):
    async def resolve(self, account, kind, keys, *, outcome):
        watchers, self._watchers = self._watchers, Watchers()
        try:
            return await super().resolve(account, kind, keys, outcome=outcome)
        finally:
            self._watchers = watchers


@bug
class CallsBackForEveryPut(MemoryStorage):
    async def put(self, account, kind, changes, **options):
        receipts = await super().put(account, kind, changes, **options)
        self._watchers.call(queued(account))
        return receipts


@bug
class SettlesWithoutANotice(MemoryStorage):
    async def settle(self, batch_id, fence, outcomes):
        watchers, self._watchers = self._watchers, Watchers()
        try:
            return await super().settle(batch_id, fence, outcomes)
        finally:
            self._watchers = watchers


@bug
class ForgetsTheRoute(MemoryStorage):
    async def open(self, account, kind, *, route="", **options):
        return await super().open(account, kind, **options)


@bug
class ReturnsWhatItWasGiven(MemoryStorage):
    async def settle(self, batch_id, fence, outcomes):
        await super().settle(batch_id, fence, outcomes)
        return outcomes


@bug
class SettlesSomeWithoutALease(MemoryStorage):
    async def settle_some(self, batch_id, fence, outcomes, *, lease_seconds):
        until = self._batches[batch_id].lease_until
        changed = await super().settle_some(batch_id, fence, outcomes, lease_seconds=lease_seconds)
        self._batches[batch_id] = self._batches[batch_id]._replace(lease_until=until)
        return changed


@bug
class RequeuesWithoutDoubt(MemoryStorage):
    """A put of the accepted value withdraws what was queued again."""

    async def requeue(self, account, kind, keys):
        count = await super().requeue(account, kind, keys)
        rows = self._queue(account, kind).rows
        for key in keys:
            if key in rows:
                rows[key] = rows[key]._replace(in_doubt=0)
        return count


@bug
class WithdrawsDeadLetters(MemoryStorage):
    async def withdraw(self, account, kind, keys):
        await super().resolve(account, kind, keys, outcome=Outcome.REJECTED)
        return await super().withdraw(account, kind, keys)


@bug
class ChokesOnHalfACharacter(MemoryStorage):
    """Amazon's words are encoded as they are."""

    async def settle(self, batch_id, fence, outcomes):
        for outcome in outcomes:
            outcome.message.encode()
        return await super().settle(batch_id, fence, outcomes)


@bug
class TakesARefusalForCertainty(MemoryStorage):
    """A rejected outcome ends the doubt of an earlier one."""

    async def settle(self, batch_id, fence, outcomes):
        batch = self._batches[batch_id]
        changed = await super().settle(batch_id, fence, outcomes)
        rows = self._queue(batch.account, batch.kind).rows
        for outcome in outcomes:
            if outcome.outcome is Outcome.REJECTED and outcome.key in rows:
                rows[outcome.key] = rows[outcome.key]._replace(in_doubt=0)
        return changed


@bug
class HasShortColumns(MemoryStorage):
    async def put(self, account, kind, changes, **options):
        cut = [attrs.evolve(change, value=change.value[:65_535]) for change in changes]
        return await super().put(account, kind, cut, **options)


@bug
class CutsLongMessages(MemoryStorage):
    async def settle(self, batch_id, fence, outcomes):
        cut = [attrs.evolve(one, message=one.message[:1000]) for one in outcomes]
        return await super().settle(batch_id, fence, cut)


@bug
class TakesAnyConnection(MemoryStorage):
    async def put(self, account, kind, changes, *, connection=None, **options):
        return await super().put(account, kind, changes, **options)


@bug
class WritesBeforeItChecks(MemoryStorage):
    async def put(self, account, kind, changes, **options):
        receipts: list[Receipt] = []
        for change in changes:
            receipts += await super().put(account, kind, [change], **options)
        return receipts


@bug
class SilentlyReusesABatch(MemoryStorage):
    async def open(self, account, kind, **options):
        try:
            return await super().open(account, kind, **options)
        except StorageError:
            return None


@pytest.mark.parametrize("store", BUGS, ids=lambda store: store.__name__)
async def test_a_store_with_a_bug_fails(store) -> None:
    """``check_storage`` raises, and the note names the check and its fact."""
    stores: list[MemoryStorage] = []

    def make(clock) -> MemoryStorage:
        if not stores:
            stores.append(store(clock=clock))
        return stores[0]

    with pytest.raises((AssertionError, UnicodeEncodeError)) as caught:
        await check_storage(make, shared=False, big=100)
    assert any(note.startswith("in check_") for note in caught.value.__notes__)


async def test_a_store_that_opens_twice_fails_the_races() -> None:
    """Two objects with a copy each instead of the same data."""
    with pytest.raises(AssertionError):
        await check_storage(lambda clock: MemoryStorage(clock=clock), big=100)


def test_every_check_states_its_fact() -> None:
    """A docstring each, and no name twice."""
    names = [check.__name__ for check in STORAGE_CHECKS]
    assert len(set(names)) == len(names)
    assert all(check.__doc__ for check in STORAGE_CHECKS)


async def test_check_storage_tells_what_passed() -> None:
    """The names come back in order, and one by one through ``on_check``."""
    store: list[MemoryStorage] = []

    def make(clock) -> MemoryStorage:
        store[:] = store or [MemoryStorage(clock=clock)]
        return store[0]

    told: list[str] = []
    passed = await check_storage(make, shared=False, big=100, on_check=told.append)
    assert list(passed) == told == [check.__name__ for check in STORAGE_CHECKS]


async def test_a_trial_may_be_made_by_a_coroutine() -> None:
    """``make`` may be asynchronous, as stores with a pool need it."""
    store = MemoryStorage()

    async def make(_clock) -> MemoryStorage:
        return store

    assert await StorageTrial(make).open_store() is store
