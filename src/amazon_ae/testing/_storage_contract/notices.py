"""Checks of ``watch``: which commits call back, and which do not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from amazon_ae._models.feeds import ItemKind, ItemOutcome, Outcome
from amazon_ae._models.stored import Change
from amazon_ae.testing._storage_contract.trial import StorageTrial, TrialQueue, expect, expect_equal

__all__ = ["CHECKS"]


class Calls:
    """Counts what one watcher is called for."""

    def __init__(self, queue: TrialQueue) -> None:
        self.queued: int = 0
        self.settled: list[tuple[ItemKind, tuple[str, ...]]] = []
        self.undo: Callable[[], None] = queue.store.watch(queue.account, self._queued, settled=self._settled)

    def _queued(self) -> None:
        self.queued += 1

    def _settled(self, kind: ItemKind, keys: Sequence[str]) -> None:
        self.settled.append((kind, tuple(keys)))

    async def quiet(self) -> None:
        """Let a store that listens to other processes call for what it may have missed before; then forget it."""
        await until(lambda: bool(self.queued), (0.01,) * 20)
        self.queued, self.settled = 0, []

    def names(self, kind: ItemKind, *keys: str) -> bool:
        """Whether these keys were named, or some keys were without a name."""
        named = {key for one, some in self.settled if one is kind for key in some}
        return set(keys) <= named or (kind, ()) in self.settled


async def check_a_put_calls_back(trial: StorageTrial) -> None:
    """A watcher is called for its account once something can leave, not for others, and no more after the undo."""
    async with trial.queue(ItemKind.PICKUP) as queue:
        other = await queue.beside(account=queue.account + "-2")
        called: list[str] = []

        def fail() -> None:
            raise ZeroDivisionError("a check raises this on purpose: a store logs it at most")

        undo = queue.store.watch(queue.account, lambda: called.append("mine"))
        queue.store.watch(queue.account, fail)
        second = queue.store.watch(queue.account, lambda: called.append("second"))
        await queue.put(("111-1", "1"))
        await until(lambda: {"mine", "second"} <= set(called))
        expect_equal(set(called), {"mine", "second"}, "both were called, the failing one hurt nobody")
        second()
        called.clear()
        await queue.put(("111-2", "2"))
        await until(lambda: bool(called))
        expect_equal(set(called), {"mine"}, "one undo leaves the other watcher")
        undo()
        undo()
        await asyncio.sleep(0)
        called.clear()
        await queue.put(("111-3", "1"))
        await queue.store.put(other.account, queue.kind, [Change("111-4", "1")])
        await asyncio.sleep(0)
        expect_equal(called, [], "nobody watches any more")
        mine = queue.store.watch(queue.account, lambda: called.append("mine"))
        await queue.store.put(other.account, queue.kind, [Change("111-5", "1")])
        await asyncio.sleep(0)
        expect_equal(called, [], "another account's put")
        mine()


async def check_a_put_of_nothing_new_calls_nobody(trial: StorageTrial) -> None:
    """Keys that waited already, repeated pickups, accepted values and values behind a batch in flight give no notice.

    Stock that becomes urgent does.
    """
    async with trial.queue() as queue:
        await queue.send("known", "1")
        calls = Calls(queue)
        await calls.quiet()
        await queue.put(("SKU-1", "1"))
        await until(lambda: bool(calls.queued))
        expect(calls.queued > 0, "the queue was empty")
        await trial.elapse(0.01)
        calls.queued = 0
        await queue.put(("SKU-1", "2"), ("SKU-1", "3"))
        await queue.put(("known", "1"))
        expect_equal(calls.queued, 0, "SKU-1 waited already, and Amazon has the value of 'known'")
        await queue.put(Change("SKU-1", "0", urgent=True))
        await until(lambda: bool(calls.queued))
        expect(calls.queued > 0, "nothing urgent waited before")
        batch = await queue.open()
        await trial.elapse(0.01)
        calls.queued = 0
        await queue.put(("SKU-1", "4"))
        expect_equal(calls.queued, 0, "it cannot leave before the batch is settled")
        await queue.settle(batch, Outcome.ACCEPTED)
        pickups = await queue.beside(kind=ItemKind.PICKUP)
        await queue.store.put(queue.account, pickups.kind, [Change("111-1", "1")], keep_first=True)
        await until(lambda: bool(calls.queued))
        expect(calls.queued > 0, "a pickup, although stock waits")
        calls.queued = 0
        await queue.store.put(queue.account, pickups.kind, [Change("111-1", "2")], keep_first=True)
        expect_equal(calls.queued, 0, "a repeated pickup")
        calls.undo()


async def check_a_retry_calls_back(trial: StorageTrial) -> None:
    """A dead letter that waits again calls back, as a put does; so does a key that is queued again."""
    async with trial.queue() as queue:
        await queue.send("SKU-1", "1", Outcome.REJECTED)
        await queue.send("SKU-2", "1")
        calls = Calls(queue)
        await calls.quiet()
        await queue.store.resolve(queue.account, queue.kind, ["SKU-1"], outcome=Outcome.RETRY)
        await until(lambda: bool(calls.queued))
        expect(calls.queued > 0, "a retried dead letter")
        calls.queued = 0
        await queue.store.requeue(queue.account, queue.kind, ["SKU-2"])
        await until(lambda: bool(calls.queued))
        expect(calls.queued > 0, "a key that is queued again")
        calls.undo()


async def check_an_outcome_calls_back(trial: StorageTrial) -> None:
    """Settled, rejected, resolved and withdrawn keys are named to ``settled``; a watcher without it is called too."""
    async with trial.queue(ItemKind.PICKUP) as queue:
        calls, plain = Calls(queue), 0

        def count() -> None:
            nonlocal plain
            plain += 1

        undo = queue.store.watch(queue.account, count)
        await calls.quiet()
        kind = queue.kind

        async def named(*keys: str) -> None:
            await until(lambda: calls.names(kind, *keys))
            expect(calls.names(kind, *keys), f"{keys} have an outcome")
            expect_equal([one for one, _ in calls.settled if one is not kind], [], "kind")
            calls.settled = []

        await queue.put(("a", "1"), ("b", "1"), ("c", "1"), ("d", "1"))
        batch = await queue.open(limit=2)
        first, second = (key for key, _, _ in batch.items)
        some = [ItemOutcome(first, Outcome.ACCEPTED)]
        await queue.store.settle_some(batch.batch_id, batch.fence, some, lease_seconds=60)
        await named(first)
        plain = 0
        await queue.settle(batch, {second: Outcome.REJECTED})
        await named(second)
        await until(lambda: plain > 0)
        expect(plain > 0, "a watcher without settled=")
        third, fourth = sorted(await queue.waiting())
        await queue.store.reject(queue.account, kind, [ItemOutcome(third, Outcome.REJECTED, "c", "m")])
        await named(third)
        await queue.store.withdraw(queue.account, kind, [fourth])
        await named(fourth)
        await queue.store.resolve(queue.account, kind, [second], outcome=Outcome.ACCEPTED)
        await named(second)
        calls.undo()
        undo()


async def until(condition: Callable[[], bool], seconds: Iterable[float] = (0.01,) * 300) -> None:
    """Give a notification that comes from outside the loop its time: three real seconds at most."""
    for pause in seconds:
        if condition():
            return
        await asyncio.sleep(pause)


CHECKS = (
    check_a_put_calls_back,
    check_a_put_of_nothing_new_calls_nobody,
    check_a_retry_calls_back,
    check_an_outcome_calls_back,
)
