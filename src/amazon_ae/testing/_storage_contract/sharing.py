"""Checks of what is shared: documents, races with exact counts, crash points, the host's transaction."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from itertools import count
from typing import TypeVar

from amazon_ae._exceptions import ConfigurationError, StaleLease
from amazon_ae._models.feeds import Outcome
from amazon_ae._models.stored import Change, ItemState, ReceiptState, StoredBatch
from amazon_ae.testing._storage_contract.trial import (
    StorageTrial,
    TrialQueue,
    expect,
    expect_equal,
    expect_raises,
    present,
)

__all__ = ["CHECKS"]

T = TypeVar("T")
# Objects that race for one thing: more than most pools hold.
RACERS = 8


async def check_documents(trial: StorageTrial) -> None:
    """Loaded, changed, deleted, listed by prefix; a function that raises changes nothing."""
    async with trial.queue() as queue:
        store, name = queue.store, queue.name("cursor-مؤشر")
        expect_equal(await store.load(name), None, "no document yet")
        seen: list[tuple[str | None, datetime]] = []

        def write(text: str | None, now: datetime) -> tuple[str | None, str]:
            seen.append((text, now))
            return "نص 🐪", "answer"

        expect_equal(await store.change(name, write), "answer", "change() returns the second value")
        expect_equal((seen[-1][0], seen[-1][1].utcoffset()), (None, timedelta(0)), "what fn is given")
        expect_equal(await (await queue.beside()).store.load(name), "نص 🐪", "another object reads it")
        expect_equal(await store.change(name, lambda text, _now: (text, text)), "نص 🐪", "fn is given the text")

        def fail(_text: str | None, _now: datetime) -> tuple[str | None, None]:
            raise ZeroDivisionError

        await expect_raises(ZeroDivisionError, store.change(name, fail), "what fn raises comes out")
        expect_equal(await store.load(name), "نص 🐪", "a failure changes nothing")
        await store.change(name, lambda _text, _now: ("", None))
        expect_equal(await store.load(name), "", "an empty text is a text")
        await store.change(name, lambda _text, _now: (None, None))
        expect_equal(await store.load(name), None, "None deletes")
        await store.change(name, lambda _text, _now: (None, None))
        await expect_raises(ConfigurationError, store.change("", write), "an empty name")


async def check_names_by_prefix(trial: StorageTrial) -> None:
    """Exactly the names that begin with the prefix, sorted by code points; no character is a wildcard."""
    async with trial.queue() as queue:
        names = [queue.name(end) for end in ("a", "a%", "a_b", "aXb", "a\\b", "B", "b", "é", "ب", "\U0001f42a")]
        for name in names:
            await queue.store.change(name, lambda _text, _now: ("x", None))
        everything = list(await queue.store.names(queue.name("")))
        expect_equal(everything, sorted(names), "all of them, sorted")
        for prefix in ("a", "a%", "a_", "a\\", "b", "ب", "none"):
            wanted = sorted(name for name in names if name.startswith(queue.name(prefix)))
            expect_equal(list(await queue.store.names(queue.name(prefix))), wanted, f"prefix {prefix!r}")


async def check_no_change_is_lost_under_contention(trial: StorageTrial) -> None:
    """A counter that eight objects raise 25 times each is 200, and no object read a number twice."""
    async with trial.queue() as queue:
        name = queue.name("counter")

        def raise_it(text: str | None, _now: datetime) -> tuple[str | None, int]:
            number = int(text or "0") + 1
            return str(number), number

        async def raise_often(one: TrialQueue) -> list[int]:
            return [await one.store.change(name, raise_it) for _ in range(25)]

        numbers = await race(queue, raise_often)
        expect_equal(await queue.store.load(name), str(25 * RACERS), "the counter")
        seen = sorted(number for some in numbers for number in some)
        expect_equal(seen, list(range(1, 25 * RACERS + 1)), "each number once")


async def check_racing_puts_have_different_versions(trial: StorageTrial) -> None:
    """Eight objects put one key 20 times each: 160 different versions, and the highest one's value is kept."""
    async with trial.queue() as queue:

        async def put_often(one: TrialQueue) -> list[tuple[int, str]]:
            answers: list[tuple[int, str]] = []
            for number in range(20):
                value = f"{id(one)}-{number}"
                (receipt,) = await one.put(("SKU-1", value))
                answers.append((receipt.version, value))
            return answers

        answers = [answer for some in await race(queue, put_often) for answer in some]
        expect_equal(len({version for version, _ in answers}), 20 * RACERS, "different versions")
        version, value = max(answers)
        item = await queue.item("SKU-1")
        expect_equal((item.version, item.value), (version, value), "the highest version is the newest value")
        expect_equal((await queue.stats()).waiting, 1, "one key")


async def check_racing_puts_in_opposite_orders(trial: StorageTrial) -> None:
    """Puts of the same 50 keys in different orders neither fail nor lose a change."""
    async with trial.queue() as queue:
        keys = [f"SKU-{number:02d}" for number in range(50)]
        role = count()

        async def put_all(one: TrialQueue) -> int:
            order = keys if next(role) % 2 else keys[::-1]
            for number in range(4):
                await one.put(*((key, f"{id(one)}-{number}") for key in order))
            return 4

        await race(queue, put_all)
        # The first put of a key is a version like any other.
        versions = {(await queue.item(key)).version for key in keys}
        expect_equal(versions, {4 * RACERS}, "every change was counted")


async def check_first_puts_of_one_pickup_race(trial: StorageTrial) -> None:
    """Eight objects ask for one pickup: exactly one is first, the others join it."""
    async with trial.queue() as queue:

        async def ask(one: TrialQueue) -> tuple[ReceiptState, int]:
            (receipt,) = await one.put(("111-1", f"{id(one)}"), keep_first=True)
            return receipt.state, receipt.version

        answers = await race(queue, ask)
        states = Counter(state for state, _ in answers)
        expect_equal(states, Counter({ReceiptState.JOINED: RACERS - 1, ReceiptState.WAITING: 1}), "one is first")
        expect_equal(len({version for _, version in answers}), 1, "all know its version")


async def check_each_item_leaves_once(trial: StorageTrial) -> None:
    """Eight objects open batches of 7 from 100 items: every item is in exactly one batch."""
    async with trial.queue() as queue:
        await queue.put(*((f"SKU-{number:03d}", "1") for number in range(100)))

        async def take_all(one: TrialQueue) -> list[str]:
            taken: list[str] = []
            # Another object may hold the rest for a moment, so that nothing seems to wait: try at least 15 times.
            for _ in range(15):
                batch = await one.try_open(limit=7)
                if batch is not None:
                    taken += [key for key, _, _ in batch.items]
            return taken

        taken = sorted(key for keys in await race(queue, take_all) for key in keys)
        expect_equal(taken, [f"SKU-{number:03d}" for number in range(100)], "each once")


async def check_one_exclusive_batch(trial: StorageTrial) -> None:
    """Eight objects open exclusively at once: exactly one batch."""
    async with trial.queue() as queue:
        await queue.put(*((f"SKU-{number:03d}", "1") for number in range(100)))
        batches = [batch for batch in await race(queue, lambda one: one.try_open(limit=5, exclusive=True)) if batch]
        expect_equal((len(batches), len(await queue.unfinished())), (1, 1), "one batch")


async def check_the_quota_is_never_overspent(trial: StorageTrial) -> None:
    """A ledger of 10 slots, 8 objects, 5 tries each: exactly 10 batches."""
    async with trial.queue() as queue:
        ledger = queue.name("quota")
        await queue.put(*((f"SKU-{number:03d}", "1") for number in range(100)))

        def admit(text: str | None, _now: datetime) -> str | None:
            spent = int(text or "0")
            return str(spent + 1) if spent < 10 else None

        async def open_often(one: TrialQueue) -> int:
            return sum([await one.try_open(limit=2, ledger=ledger, admit=admit) is not None for _ in range(5)])

        opened = sum(await race(queue, open_often))
        expect_equal((opened, await queue.store.load(ledger)), (10, "10"), "batches and places")
        expect_equal((len(await queue.unfinished()), (await queue.stats()).in_flight), (10, 20), "none without a place")


async def check_one_takes_over(trial: StorageTrial) -> None:
    """Eight objects take over one batch whose lease ran out: exactly one gets it."""
    async with trial.queue() as queue:
        await queue.put(("SKU-1", "1"))
        batch = await queue.open(lease_seconds=0.2)
        await trial.elapse(0.2)
        taken = await race(queue, lambda one: one.store.take_over(batch.batch_id, lease_seconds=60))
        expect_equal(len([one for one in taken if one is not None]), 1, "one takes it")


async def check_one_settles(trial: StorageTrial) -> None:
    """Eight objects settle one batch with one fence: one succeeds, for the others it is stale."""
    async with trial.queue() as queue:
        await queue.put(("SKU-1", "1"))
        batch = await queue.open()

        async def settle(one: TrialQueue) -> bool:
            try:
                await one.settle(batch, Outcome.ACCEPTED)
            except StaleLease:
                return False
            return True

        expect_equal(Counter(await race(queue, settle)), Counter({False: RACERS - 1, True: 1}), "one settles")


async def check_puts_during_flights_are_never_lost(trial: StorageTrial) -> None:
    """While one object opens and settles, others put: in the end Amazon has the newest value of every key."""
    async with trial.queue() as queue:
        keys = [f"SKU-{number}" for number in range(5)]
        amazon: dict[str, tuple[int, str]] = {}
        newest: dict[str, tuple[int, str]] = {}
        putting = RACERS - 1
        role = count()

        async def carry(one: TrialQueue) -> None:
            batch = await one.try_open(limit=3)
            if batch is None:
                await asyncio.sleep(0)
                return
            for key, version, value in batch.items:
                expect(amazon.get(key, (0, ""))[0] < version, f"{key}: no older value after a newer one")
                amazon[key] = version, value
            await one.settle(batch, Outcome.ACCEPTED)

        async def work(one: TrialQueue) -> None:
            nonlocal putting
            if next(role) == 0:
                while putting:
                    await carry(one)
                return
            for number in range(10):
                receipts = await one.put(*((key, f"{id(one)}-{number}") for key in keys))
                for receipt in receipts:
                    newest[receipt.key] = max(
                        newest.get(receipt.key, (0, "")), (receipt.version, f"{id(one)}-{number}")
                    )
            putting -= 1

        await race(queue, work)
        while (await queue.stats()).waiting:
            await carry(queue)
        expect_equal(amazon, newest, "Amazon has the newest of each")
        for key in keys:
            item = await queue.item(key)
            expect_equal((item.state, item.accepted_value), (ItemState.ACCEPTED, newest[key][1]), f"{key} is settled")


async def check_every_crash_point(trial: StorageTrial) -> None:
    """The object is abandoned after each verb in turn; another one on the same data finishes the work."""
    for steps in range(4):
        async with trial.queue() as queue:
            await queue.put(Change("SKU-1", "1", reference="r"), Change("SKU-2", "2"))
            batch: StoredBatch | None = None
            if steps >= 1:
                batch = await queue.open(lease_seconds=0.2)
            if batch and steps >= 2:
                submitted_at = batch.opened_at
                await queue.store.mark_submitted(
                    batch.batch_id, batch.fence, feed_id="77", submitted_at=submitted_at, lease_seconds=0.2
                )
            if batch and steps >= 3:
                await queue.put(("SKU-1", "newer"))
            successor = await queue.beside()
            await trial.elapse(0.2)
            if batch is None:
                batch = await successor.open()
            else:
                (left,) = await successor.unfinished()
                expect_equal((left.batch_id, left.feed_id), (batch.batch_id, "77" if steps >= 2 else None), "journal")
                batch = present(await successor.store.take_over(left.batch_id, lease_seconds=60), "taken over")
            expect_equal([(key, value) for key, _, value in batch.items], [("SKU-1", "1"), ("SKU-2", "2")], "items")
            await successor.settle(batch, {"SKU-1": Outcome.ACCEPTED, "SKU-2": Outcome.REJECTED})
            item = await successor.item("SKU-1")
            wanted = (ItemState.WAITING, "newer") if steps >= 3 else (ItemState.ACCEPTED, "1")
            expect_equal((item.state, item.value, item.accepted_value), (*wanted, "1"), f"after {steps} steps")
            expect_equal(await successor.dead(), ["SKU-2"], f"after {steps} steps")


async def check_the_hosts_transaction(trial: StorageTrial) -> None:
    """``connection=``: rolled back with the host's transaction, committed with it, never by itself."""
    async with trial.queue() as queue:
        change = [Change("SKU-1", "1")]
        if trial.transaction is None:
            refused = queue.store.put(queue.account, queue.kind, change, connection=object())
            await expect_raises(ConfigurationError, refused, "what is not a connection of this store's database")
            return
        await queue.put(("SKU-0", "1"))

        async def put_and_fail() -> None:
            async with present(trial.transaction, "transaction")() as connection:
                (receipt,) = await queue.store.put(queue.account, queue.kind, change, connection=connection)
                expect_equal(receipt.state, ReceiptState.WAITING, "receipt")
                seen = await (await queue.beside()).store.item(queue.account, queue.kind, "SKU-1")
                expect_equal(seen, None, "nobody sees it before the commit")
                raise ZeroDivisionError

        await expect_raises(ZeroDivisionError, put_and_fail(), "the host's own failure")
        expect_equal(await queue.store.item(queue.account, queue.kind, "SKU-1"), None, "rolled back with it")
        async with trial.transaction() as connection:
            await queue.store.put(queue.account, queue.kind, change, connection=connection)
            bad = queue.store.put(queue.account, queue.kind, [Change("", "1")], connection=connection)
            await expect_raises(ConfigurationError, bad, "a refused put leaves the transaction as it was")
            second = [Change("SKU-1", "2"), Change("SKU-2", "2")]
            await queue.store.put(queue.account, queue.kind, second, connection=connection)
        item = await queue.item("SKU-1")
        expect_equal((item.value, item.state), ("2", ItemState.WAITING), "committed with it")
        expect_equal((await queue.stats()).waiting, 3, "all of it")


async def check_closing_twice(trial: StorageTrial) -> None:
    """``aclose`` twice is fine, and one object's close does not close the others."""
    async with trial.queue() as queue:
        await queue.put(("SKU-1", "1"))
        if not trial.shared:
            return
        other = await trial.open_store()
        expect(await other.item(queue.account, queue.kind, "SKU-1") is not None, "seen")
        await other.aclose()
        await other.aclose()
        await queue.item("SKU-1")


async def race(queue: TrialQueue, work: Callable[[TrialQueue], Awaitable[T]]) -> list[T]:
    """Run ``work`` at once in eight objects on the same data; their answers."""
    queues = [await queue.beside() for _ in range(RACERS)]
    return list(await asyncio.gather(*(_run(work, one) for one in queues)))


async def _run(work: Callable[[TrialQueue], Awaitable[T]], queue: TrialQueue) -> T:
    return await work(queue)


CHECKS = (
    check_documents,
    check_names_by_prefix,
    check_no_change_is_lost_under_contention,
    check_racing_puts_have_different_versions,
    check_racing_puts_in_opposite_orders,
    check_first_puts_of_one_pickup_race,
    check_each_item_leaves_once,
    check_one_exclusive_batch,
    check_the_quota_is_never_overspent,
    check_one_takes_over,
    check_one_settles,
    check_puts_during_flights_are_never_lost,
    check_every_crash_point,
    check_the_hosts_transaction,
    check_closing_twice,
)
