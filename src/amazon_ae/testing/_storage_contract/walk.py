"""A random walk: a long one must leave any store exactly as it leaves ``MemoryStorage``."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import attrs

from amazon_ae._models.feeds import ItemOutcome, Outcome
from amazon_ae._models.stored import Change, StoredBatch, StoredItem
from amazon_ae._storage.memory import MemoryStorage
from amazon_ae.testing._storage_contract.trial import StorageTrial, TrialQueue, expect_equal

__all__ = ["CHECKS"]

KEYS = ("a", "b", "c", "تمر", "'")
VALUES = ("1", "2", "3")
WALKS = 8
STEPS = 50


async def check_a_random_walk_ends_as_in_memory(trial: StorageTrial) -> None:
    """Seeded random verbs, side by side on the store and on ``MemoryStorage``: same answers, same items."""
    for seed in range(WALKS):
        async with trial.queue() as queue:
            walk = _Walk(random.Random(seed), queue)
            for step in range(STEPS):
                await walk.step(f"seed {seed}, step {step}")


class _Walk:
    """The same verbs on two stores. Instants are compared by their order only: the clocks may differ."""

    def __init__(self, rng: random.Random, queue: TrialQueue) -> None:
        self._rng = rng
        self._queue = queue
        self._memory = MemoryStorage(clock=queue.trial.clock)
        self._open: list[tuple[StoredBatch, StoredBatch]] = []
        self._number = 0
        self._steps: list[str] = []

    async def step(self, where: str) -> None:
        rng = self._rng
        verb = rng.choices(
            (
                self._put,
                self._open_one,
                self._settle,
                self._settle_some,
                self._resolve,
                self._reject,
                self._requeue,
                self._withdraw,
            ),
            weights=(46, 20, 15, 6, 8, 4, 4, 4),
        )[0]
        self._steps.append(await verb())
        # Comparing costs more than a step, so it is done every few steps; the message lists the steps since.
        if len(self._steps) == 5:
            await self._agree(f"{where}: {'; '.join(self._steps)}")
            self._steps.clear()

    async def _put(self) -> str:
        rng = self._rng
        changes = [
            Change(rng.choice(KEYS), rng.choice(VALUES), rng.random() < 0.2, rng.choice((None, "r")))
            for _ in range(rng.choice((1, 1, 2, 4)))
        ]
        keep_first = rng.random() < 0.2
        one, two = await self._both("put", changes, keep_first=keep_first)
        expect_equal(list(one), list(two), f"receipts of {changes}, keep_first={keep_first}")
        return f"put {changes}, keep_first={keep_first}"

    async def _open_one(self) -> str:
        self._number += 1
        batch_id = f"{self._queue.account}-{self._number}"
        keys = self._rng.sample(KEYS, 2) if self._rng.random() < 0.3 else None
        options: dict[str, Any] = {"batch_id": batch_id, "limit": 10, "lease_seconds": 9.0, "keys": keys}
        one, two = await self._both("open", exclusive=self._rng.random() < 0.3, **options)
        expect_equal(one and one.items, two and two.items, f"items of open(keys={keys})")
        if one is not None and two is not None:
            self._open.append((one, two))
        return f"open {keys}"

    async def _settle(self) -> str:
        if not self._open:
            return "nothing to settle"
        one, two = self._open.pop(self._rng.randrange(len(self._open)))
        outcomes = self._outcomes(one)
        ours = await self._queue.store.settle(one.batch_id, one.fence, outcomes)
        expect_equal(list(ours), list(await self._memory.settle(two.batch_id, two.fence, outcomes)), f"{outcomes}")
        return f"settle {outcomes}"

    async def _settle_some(self) -> str:
        if not self._open:
            return "nothing to settle"
        one, two = self._rng.choice(self._open)
        outcomes = self._outcomes(one)[:1]
        ours = await self._queue.store.settle_some(one.batch_id, one.fence, outcomes, lease_seconds=9.0)
        wanted = await self._memory.settle_some(two.batch_id, two.fence, outcomes, lease_seconds=9.0)
        expect_equal(list(ours), list(wanted), f"{outcomes}")
        return f"settle some {outcomes}"

    def _outcomes(self, batch: StoredBatch) -> list[ItemOutcome]:
        return [
            ItemOutcome(key, self._rng.choice(list(Outcome)), self._rng.choice(("", "c")), "m")
            for key, _, _ in batch.items
            if self._rng.random() < 0.9
        ]

    async def _requeue(self) -> str:
        keys = self._rng.sample(KEYS, 2)
        one, two = await self._both("requeue", keys)
        expect_equal(one, two, f"how many of {keys} were queued again")
        return f"requeue {keys}"

    async def _withdraw(self) -> str:
        keys = self._rng.sample(KEYS, 2)
        one, two = await self._both("withdraw", keys)
        expect_equal(list(one), list(two), f"which of {keys} were withdrawn")
        return f"withdraw {keys}"

    async def _resolve(self) -> str:
        keys = self._rng.sample(KEYS, 2)
        outcome = self._rng.choice((Outcome.RETRY, Outcome.ACCEPTED, Outcome.REJECTED))
        one, two = await self._both("resolve", keys, outcome=outcome)
        expect_equal(list(one), list(two), f"which of {keys} were resolved")
        return f"resolve {keys} {outcome}"

    async def _reject(self) -> str:
        outcomes = [ItemOutcome(key, Outcome.REJECTED, "c", "m") for key in self._rng.sample(KEYS, 2)]
        one, two = await self._both("reject", outcomes)
        expect_equal(list(one), list(two), f"which were rejected by {outcomes}")
        return f"reject {outcomes}"

    async def _both(self, verb: str, *arguments: Any, **options: Any) -> tuple[Any, Any]:
        queue = self._queue
        await queue.trial.elapse(0.001)
        one = await getattr(queue.store, verb)(queue.account, queue.kind, *arguments, **options)
        two = await getattr(self._memory, verb)(queue.account, queue.kind, *arguments, **options)
        return one, two

    async def _agree(self, where: str) -> None:
        queue, memory = self._queue, self._memory
        ours = {key: await queue.store.item(queue.account, queue.kind, key) for key in KEYS}
        wanted = {key: await memory.item(queue.account, queue.kind, key) for key in KEYS}
        expect_equal(_timeless(ours), _timeless(wanted), where)
        dead = [item.key for item in await memory.dead(queue.account, queue.kind)]
        expect_equal(await queue.dead(), dead, f"{where}: dead letters")
        one, two = await queue.stats(), await memory.stats(queue.account, queue.kind)
        same = ("waiting", "urgent", "in_flight", "dead", "unknown")
        expect_equal([getattr(one, name) for name in same], [getattr(two, name) for name in same], f"{where}: stats")
        mine = await queue.waiting()
        theirs = [item.key for item in await memory.waiting(queue.account, queue.kind, limit=100)]
        expect_equal(_order(mine, ours), _order(theirs, wanted), f"{where}: order of what waits")


def _order(keys: list[str], items: dict[str, StoredItem | None]) -> list[frozenset[str]]:
    """Keys in their order; those of one urgency and instant may come in any."""
    groups: list[tuple[object, set[str]]] = []
    for key in keys:
        item = items[key]
        mark = (item.urgent, item.put_at) if item else None
        if groups and groups[-1][0] == mark:
            groups[-1][1].add(key)
        else:
            groups.append((mark, {key}))
    return [frozenset(keys) for _, keys in groups]


def _timeless(items: dict[str, StoredItem | None]) -> dict[str, StoredItem | None]:
    """Items without their instants."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return {
        key: item and attrs.evolve(item, put_at=epoch, accepted_at=item.accepted_at and epoch)
        for key, item in items.items()
    }


CHECKS = (check_a_random_walk_ends_as_in_memory,)
