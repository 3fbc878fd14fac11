"""Checks of batches: what leaves together, the quota's slot, leases, fences, dead letters and statistics."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from amazon_ae._exceptions import ConfigurationError, StaleLease, StorageError
from amazon_ae._models.feeds import ItemKind, ItemOutcome, Outcome
from amazon_ae._models.stored import Change, ItemState, QueueStats, ReceiptState
from amazon_ae.testing._storage_contract.trial import (
    StorageTrial,
    expect,
    expect_equal,
    expect_raises,
    present,
)

__all__ = ["CHECKS"]

# Longer than the widest column of some databases, in bytes.
LONG = "رسالة " + "x" * 70_000
SUBMITTED_AT = datetime(2021, 11, 18, 9, 0, 1, 250_000, tzinfo=UTC)


async def check_a_batch_holds_what_waits(trial: StorageTrial) -> None:
    """Up to ``limit`` items leave, sorted by key; another object sees them in flight."""
    async with trial.queue() as queue:
        expect_equal(await queue.try_open(), None, "nothing waits")
        receipts = await queue.put(("c", "3"), ("a", "1"), ("b", "2"), ("d", "4"))
        versions = {receipt.key: receipt.version for receipt in receipts}
        batch = await queue.open(limit=10, lease_seconds=60)
        wanted = tuple((key, versions[key], value) for key, value in zip("abcd", "1234", strict=True))
        expect_equal(batch.items, wanted, "items sorted by key")
        expect_equal((batch.account, batch.kind, batch.size), (queue.account, queue.kind, 4), "whose")
        expect_equal((batch.feed_id, batch.submitted_at), (None, None), "not submitted")
        expect_equal(batch.lease_until - batch.opened_at, timedelta(seconds=60), "lease")
        beside = await queue.beside()
        (seen,) = await beside.unfinished()
        expect_equal((seen.items, seen.size, seen.fence), ((), 4, batch.fence), "unfinished, without items")
        expect_equal((seen.opened_at, seen.lease_until), (batch.opened_at, batch.lease_until), "instants")
        expect_equal([at.utcoffset() for at in (seen.opened_at, seen.lease_until)], [timedelta(0)] * 2, "aware UTC")
        item = await beside.item("a")
        expect_equal((item.state, item.batch_id), (ItemState.IN_FLIGHT, batch.batch_id), "in flight")
        expect_equal(item.feed_id, None, "not submitted")
        expect_equal(await beside.try_open(), None, "nothing leaves twice")
        await queue.settle(batch, Outcome.ACCEPTED)
        expect_equal(await beside.unfinished(), [], "settled, gone")


async def check_limit_and_keys(trial: StorageTrial) -> None:
    """``limit`` leaves the rest waiting; ``keys`` takes only those."""
    async with trial.queue() as queue:
        await queue.put(*((f"k{number}", "1") for number in range(10)))
        first = await queue.open(limit=4)
        expect_equal((first.size, len(first.items), (await queue.stats()).waiting), (4, 4, 6), "limit")
        taken = {key for key, _, _ in first.items}
        left = sorted({f"k{number}" for number in range(10)} - taken)
        wanted = [left[3], left[0], left[3], "unknown", min(taken)]
        some = present(await queue.try_open(limit=2, keys=wanted), "keys that wait")
        expect_equal([key for key, _, _ in some.items], [left[0], left[3]], "only those keys, only if they wait")
        expect_equal(await queue.try_open(keys=[]), None, "no keys, no batch")
        expect_equal(await queue.try_open(keys=[min(taken)]), None, "in flight already")
        await expect_raises(ConfigurationError, queue.try_open(limit=0), "limit 0")


async def check_exclusive(trial: StorageTrial) -> None:
    """``exclusive`` opens nothing while the account has an unsettled batch of that kind; other kinds do not matter."""
    async with trial.queue() as queue:
        pickups = await queue.beside(kind=ItemKind.PICKUP)
        await pickups.put(("p", "1"))
        await pickups.open()
        await queue.put(("a", "1"), ("b", "1"))
        batch = present(await queue.try_open(limit=1, exclusive=True), "no batch of its kind yet")
        expect_equal(await (await queue.beside()).try_open(exclusive=True), None, "one is in flight")
        expect(await queue.try_open(limit=1, exclusive=False) is not None, "not exclusive: beside the other")
        await queue.settle(batch, Outcome.ACCEPTED)
        await queue.put(("c", "1"))
        expect_equal(await queue.try_open(exclusive=True), None, "the other one is still in flight")


async def check_the_quota_is_spent_with_the_batch(trial: StorageTrial) -> None:
    """``admit`` sees the ledger's text and the store's instant; its answer is stored with the batch."""
    async with trial.queue() as queue:
        ledger = queue.name("quota")
        calls: list[tuple[str | None, datetime]] = []

        def admit(text: str | None, now: datetime) -> str | None:
            calls.append((text, now))
            return (text or "") + "x"

        await queue.put(("a", "1"), ("b", "1"))
        batch = present(await queue.try_open(limit=1, ledger=ledger, admit=admit), "admitted")
        expect_equal(await queue.store.load(ledger), "x", "the ledger's new text")
        expect_equal(calls[-1][0], None, "there was no ledger")
        expect_equal(calls[-1][1], batch.opened_at, "the instant of the batch")
        expect_equal(calls[-1][1].utcoffset(), timedelta(0), "aware UTC")
        present(await queue.try_open(limit=1, ledger=ledger, admit=admit), "admitted again")
        expect_equal((calls[-1][0], await queue.store.load(ledger)), ("x", "xx"), "admit sees the ledger")


async def check_a_refusal_changes_nothing(trial: StorageTrial) -> None:
    """Refused, raised, nothing waiting, not exclusive, used id: neither items nor ledger nor batches change."""
    async with trial.queue() as queue:
        ledger = queue.name("quota")
        await queue.store.change(ledger, lambda _text, _now: ("full", None))

        def spend(_text: str | None, _now: datetime) -> str | None:
            return "spent"

        def fail(_text: str | None, _now: datetime) -> str | None:
            raise ZeroDivisionError

        expect_equal(await queue.try_open(ledger=ledger, admit=spend), None, "nothing waits")
        expect_equal(await queue.store.load(ledger), "full", "no place spent for nothing")
        await queue.put(("a", "1"), ("b", "2"))
        before = [await queue.item("a"), await queue.item("b")]
        expect_equal(await queue.try_open(ledger=ledger, admit=lambda _text, _now: None), None, "refused")
        await expect_raises(ZeroDivisionError, queue.try_open(ledger=ledger, admit=fail), "admit raised")
        await expect_raises(ConfigurationError, queue.try_open(ledger=ledger), "a ledger without admit")
        await expect_raises(ConfigurationError, queue.try_open(admit=spend), "admit without a ledger")
        expect_equal([await queue.item("a"), await queue.item("b")], before, "items as they were")
        expect_equal((await queue.store.load(ledger), await queue.unfinished()), ("full", []), "ledger and batches")
        batch = await queue.open(limit=1)
        again = queue.try_open(batch_id=batch.batch_id, ledger=ledger, admit=spend)
        await expect_raises(StorageError, again, "a batch id that is in use")
        expect_equal(await queue.store.load(ledger), "full", "no place spent for a used id")
        expect_equal((await queue.stats()).waiting, 1, "the other item still waits")
        expect_equal(await queue.try_open(ledger=ledger, admit=spend, exclusive=True), None, "exclusive")
        expect_equal(await queue.store.load(ledger), "full", "no place spent where exclusive refused")
        expect(await queue.try_open(ledger=ledger, admit=spend) is not None, "the store still works")


async def check_submitted_is_remembered(trial: StorageTrial) -> None:
    """The feed id and Amazon's instant are the batch's from then on, for every object."""
    async with trial.queue() as queue:
        await queue.put(("a", "1"))
        batch = await queue.open(lease_seconds=60)
        await trial.elapse(0.05)
        await queue.store.mark_submitted(
            batch.batch_id, batch.fence, feed_id="5000", submitted_at=SUBMITTED_AT, lease_seconds=60
        )
        beside = await queue.beside()
        (seen,) = await beside.unfinished()
        expect_equal((seen.feed_id, seen.submitted_at), ("5000", SUBMITTED_AT), "remembered")
        expect_equal(present(seen.submitted_at, "submitted_at").utcoffset(), timedelta(0), "aware UTC")
        expect(seen.lease_until > batch.lease_until, "the lease is renewed")
        expect_equal((await beside.item("a")).feed_id, "5000", "the item tells its feed")


async def check_a_lease_runs_out_and_is_taken_over(trial: StorageTrial) -> None:
    """Nobody takes a batch before its lease ends; afterwards one other does, and the first is a zombie."""
    async with trial.queue() as queue:
        await queue.put(("b", "2"), ("a", "1"))
        batch = await queue.open(lease_seconds=0.5)
        other = await queue.beside()
        expect_equal(await other.store.take_over(batch.batch_id, lease_seconds=60), None, "the lease holds")
        expect_equal(await other.store.take_over("no-such-batch", lease_seconds=60), None, "no such batch")
        await queue.put(("a", "newer"))
        await trial.elapse(0.5)
        taken = present(await other.store.take_over(batch.batch_id, lease_seconds=60), "the lease ran out")
        expect(taken.fence > batch.fence, "the fence grows")
        expect_equal((taken.items, taken.opened_at), (batch.items, batch.opened_at), "the items as they left")
        expect_equal(await queue.store.take_over(batch.batch_id, lease_seconds=60), None, "it is held again")

        async def zombie_is_refused() -> None:
            store, stale = queue.store, (batch.batch_id, batch.fence)
            submitted = store.mark_submitted(*stale, feed_id="z", submitted_at=SUBMITTED_AT, lease_seconds=9999)
            await expect_raises(StaleLease, submitted, "a zombie's mark_submitted")
            await expect_raises(StaleLease, store.renew(*stale, lease_seconds=9999), "a zombie's renew")
            await expect_raises(StaleLease, queue.settle(batch, Outcome.REJECTED), "a zombie's settle")

        await zombie_is_refused()
        (seen,) = await other.unfinished()
        expect_equal((seen.feed_id, seen.fence, seen.lease_until), (None, taken.fence, taken.lease_until), "unchanged")
        await other.settle(taken, Outcome.ACCEPTED)
        await zombie_is_refused()
        item = await queue.item("a")
        expect_equal((item.accepted_value, item.value, item.state), ("1", "newer", ItemState.WAITING), "a")
        expect_equal((await queue.item("b")).state, ItemState.ACCEPTED, "b")


async def check_renew_holds_a_batch(trial: StorageTrial) -> None:
    """A renewed lease counts from the renewal."""
    async with trial.queue() as queue:
        await queue.put(("a", "1"))
        batch = await queue.open(lease_seconds=0.5)
        await trial.elapse(0.3)
        await queue.store.renew(batch.batch_id, batch.fence, lease_seconds=30)
        await trial.elapse(0.3)
        expect_equal(await queue.store.take_over(batch.batch_id, lease_seconds=1), None, "still held")
        await queue.store.renew(batch.batch_id, batch.fence, lease_seconds=0.0)
        taken = present(await queue.store.take_over(batch.batch_id, lease_seconds=0.1), "a lease of nothing is over")
        await trial.elapse(0.1)
        again = present(await queue.store.take_over(batch.batch_id, lease_seconds=1), "taken over twice")
        expect(again.fence > taken.fence > batch.fence, "each take-over has a higher fence")


async def check_settling_gives_each_item_its_own_outcome(trial: StorageTrial) -> None:
    """One of each; a key without an outcome waits again, a foreign key is ignored, settling twice is stale."""
    async with trial.queue() as queue:
        await queue.put(*(Change(key, "1", reference=f"ref-{key}") for key in ("a", "w", "r", "u", "t", "none")))
        await queue.put(("foreign", "1"))
        batch = present(await queue.try_open(keys=["a", "w", "r", "u", "t", "none"]), "batch")
        outcomes = [
            ItemOutcome("a", Outcome.ACCEPTED),
            ItemOutcome("w", Outcome.ACCEPTED_WITH_WARNINGS, "13", "nearly"),
            ItemOutcome("r", Outcome.REJECTED, "8560", "unknown SKU"),
            ItemOutcome("u", Outcome.UNKNOWN, "", "nobody knows"),
            ItemOutcome("t", Outcome.RETRY, "x", "cancelled"),
            ItemOutcome("foreign", Outcome.REJECTED, "no", "not in the batch"),
            ItemOutcome("nowhere", Outcome.ACCEPTED),
        ]
        await queue.store.settle(batch.batch_id, batch.fence, outcomes)
        beside = await queue.beside()
        wanted = {
            "a": (ItemState.ACCEPTED, "", ""),
            "w": (ItemState.ACCEPTED, "13", "nearly"),
            "r": (ItemState.REJECTED, "8560", "unknown SKU"),
            "u": (ItemState.UNKNOWN, "", "nobody knows"),
            "t": (ItemState.WAITING, "", ""),
            "none": (ItemState.WAITING, "", ""),
            "foreign": (ItemState.WAITING, "", ""),
        }
        for key, (state, code, message) in wanted.items():
            item = await beside.item(key)
            expect_equal((item.state, item.code, item.message), (state, code, message), f"outcome of {key}")
            expect_equal((item.batch_id, item.value), (None, "1"), f"{key} is not in flight")
        expect_equal((await beside.item("r")).reference, "ref-r", "the host's reference comes back")
        expect_equal(await queue.store.item(queue.account, queue.kind, "nowhere"), None, "no item out of an outcome")
        expect_equal(await beside.dead(), ["r", "u"], "dead letters")
        await expect_raises(StaleLease, queue.settle(batch, Outcome.ACCEPTED), "settling twice")
        expect_equal((await beside.item("r")).state, ItemState.REJECTED, "settling twice changes nothing")


async def check_odd_words_of_amazon_settle(trial: StorageTrial) -> None:
    """NUL and half surrogate pairs in a code or a message never leave a batch unsettled, nor does a long text."""
    async with trial.queue() as queue:
        await queue.put(("odd", "1"), ("long", "1"))
        batch = await queue.open()
        outcomes = [
            ItemOutcome("odd", Outcome.REJECTED, "8\x00", "half \ud83d, غير معروف"),
            ItemOutcome("long", Outcome.REJECTED, "8560", LONG),
            ItemOutcome("nul\x00", Outcome.REJECTED, "not in the batch", ""),
        ]
        await queue.store.settle(batch.batch_id, batch.fence, outcomes)
        odd = await queue.item("odd")
        expect_equal(odd.state, ItemState.REJECTED, "state")
        expect(odd.message.startswith("half ") and odd.message.endswith(", غير معروف"), "the rest of the text is kept")
        expect((await queue.item("long")).message == LONG, f"a text of {len(LONG):,} characters is kept whole")
        resolved = await queue.store.resolve(queue.account, queue.kind, ["long"], outcome=Outcome.REJECTED)
        expect_equal(resolved, [ItemOutcome("long", Outcome.REJECTED)], "dropped")
        await queue.put(("odd", "2"))
        await queue.store.reject(queue.account, queue.kind, outcomes)
        expect_equal((await queue.item("odd")).state, ItemState.REJECTED, "reject() bears them too")


async def check_unfinished_by_account_oldest_first(trial: StorageTrial) -> None:
    """Every kind's unsettled batches of the account, oldest first."""
    async with trial.queue() as queue:
        pickups = await queue.beside(kind=ItemKind.PICKUP)
        other = await queue.beside(account=queue.account + "-2")
        ids: list[str] = []
        for one in (queue, pickups, queue):
            await one.put((f"k{len(ids)}", "1"))
            ids.append((await one.open()).batch_id)
            await trial.elapse(0.01)
        await other.put(("k", "1"))
        await other.open()
        seen = await queue.unfinished()
        expect_equal([batch.batch_id for batch in seen], ids, "oldest first")
        expect_equal([batch.kind for batch in seen], [queue.kind, ItemKind.PICKUP, queue.kind], "kinds")


async def check_dead_letters_are_resolved(trial: StorageTrial) -> None:
    """Retried, dropped or declared accepted; what is not a dead letter is left alone."""
    async with trial.queue() as queue:
        await queue.send("had", "old")
        await queue.put(*((key, "1") for key in ("retry", "drop", "accept", "had", "lost")))
        put_at = (await queue.item("retry")).put_at
        await trial.elapse(0.05)
        batch = await queue.open()
        verdicts = {key: Outcome.REJECTED for key, _, _ in batch.items} | {"lost": Outcome.UNKNOWN}
        await queue.settle(batch, verdicts, code="c", message="m")
        await queue.put(("waits", "1"))

        async def resolve(outcome: Outcome, *keys: str) -> int:
            return len(await queue.store.resolve(queue.account, queue.kind, keys, outcome=outcome))

        expect_equal(await resolve(Outcome.RETRY, "retry", "waits", "nowhere", "retry"), 1, "only dead letters count")
        item = await queue.item("retry")
        expect_equal((item.state, item.put_at, item.code), (ItemState.WAITING, put_at, ""), "waits with its old put_at")
        expect_equal(await resolve(Outcome.REJECTED, "drop", "had", "waits"), 2, "dropped")
        expect_equal(await queue.store.item(queue.account, queue.kind, "drop"), None, "forgotten")
        item = await queue.item("had")
        expect_equal((item.state, item.value, item.code), (ItemState.ACCEPTED, "old", ""), "back to the accepted value")
        expect_equal(await resolve(Outcome.ACCEPTED, "accept", "lost"), 2, "declared accepted")
        (receipt,) = await queue.put(("lost", "1"))
        expect_equal(receipt.state, ReceiptState.UNCHANGED, "its value counts as accepted")
        expect_equal((await queue.item("waits")).state, ItemState.WAITING, "what waits is left alone")
        expect_equal(await queue.dead(), [], "none left")
        await expect_raises(ConfigurationError, resolve(Outcome.UNKNOWN, "waits"), "UNKNOWN resolves nothing")


async def check_reject_before_sending(trial: StorageTrial) -> None:
    """The look-up refuses what waits; what is in flight, or waits behind a value in flight, is left alone."""
    async with trial.queue() as queue:
        await queue.put(("flies", "1"), ("behind", "1"))
        batch = await queue.open()
        await queue.put(("behind", "2"), ("waits", "1"))
        keys = ("flies", "behind", "waits", "nowhere")
        refused = [ItemOutcome(key, Outcome.REJECTED, "OrderCanceled", "m") for key in keys]
        await queue.store.reject(queue.account, queue.kind, refused)
        expect_equal(await queue.dead(), ["waits"], "only what could leave")
        item = await queue.item("waits")
        expect_equal((item.code, item.message), ("OrderCanceled", "m"), "why")
        expect_equal((await queue.item("flies")).state, ItemState.IN_FLIGHT, "in flight")
        await queue.settle(batch, Outcome.ACCEPTED)
        expect_equal(await queue.waiting(), ["behind"], "behind a flight")


async def check_statistics(trial: StorageTrial) -> None:
    """Counts by state and the oldest instants of what waits."""
    async with trial.queue() as queue:
        expect_equal(await queue.stats(), QueueStats(), "nothing")
        await queue.put(*((f"f{number}", "1") for number in range(3)))
        batch = await queue.open()
        await queue.put(("f0", "2"))
        await queue.put(*((f"n{number}", "1") for number in range(4)))
        oldest = (await queue.item("n0")).put_at
        await trial.elapse(0.05)
        await queue.put(*(Change(f"u{number}", "0", urgent=True) for number in range(2)))
        urgent = (await queue.item("u0")).put_at
        stats = await queue.stats()
        expect_equal((stats.waiting, stats.urgent, stats.in_flight), (6, 2, 3), "waiting, urgent, in flight")
        expect_equal((stats.oldest_at, stats.oldest_urgent_at), (oldest, urgent), "ages")
        await queue.settle(batch, {"f0": Outcome.ACCEPTED, "f1": Outcome.REJECTED, "f2": Outcome.UNKNOWN})
        stats = await queue.stats()
        expect_equal((stats.in_flight, stats.dead, stats.unknown, stats.waiting), (0, 1, 1, 7), "after settling")


async def check_purge_forgets_only_the_accepted(trial: StorageTrial) -> None:
    """Accepted items of before are forgotten; newer ones, dead letters and what waits or flies stay."""
    async with trial.queue() as queue:
        for key, outcome in (("old", Outcome.ACCEPTED), ("dead", Outcome.REJECTED), ("lost", Outcome.UNKNOWN)):
            await queue.send(key, "1", outcome)
        await queue.send("again", "1")
        await queue.send("flies", "1")
        await queue.put(("flies", "2"))
        await queue.open()
        await queue.put(("again", "2"), ("waits", "1"))
        await trial.elapse(0.05)
        await queue.put(("new", "1"))
        await queue.settle(present(await queue.try_open(keys=["new"]), "batch"), Outcome.ACCEPTED)
        before = present((await queue.item("new")).accepted_at, "accepted_at")
        purged = await queue.store.purge(queue.account, queue.kind, settled_before=before)
        expect_equal(purged, 1, "one was old")
        expect_equal(await queue.store.item(queue.account, queue.kind, "old"), None, "forgotten")
        for key in ("dead", "lost", "again", "flies", "waits", "new"):
            await queue.item(key)
        later = before + timedelta(seconds=1)
        expect_equal(
            await queue.store.purge(queue.account, queue.kind, settled_before=later), 1, "new is older than that"
        )


async def check_a_big_batch(trial: StorageTrial) -> None:
    """A batch of ``trial.big`` items opens, is taken over and settles whole."""
    async with trial.queue() as queue:
        big = trial.big
        receipts = await queue.put(*((f"SKU-{number:06d}", str(number)) for number in range(big)))
        expect_equal(len(receipts), big, "one receipt each")
        batch = await queue.open(limit=big, lease_seconds=0.5)
        wanted = tuple((receipt.key, receipt.version, str(number)) for number, receipt in enumerate(receipts))
        expect(batch.items == wanted, "every item, in order")
        await trial.elapse(0.5)
        taken = present(await queue.store.take_over(batch.batch_id, lease_seconds=600), "taken over")
        expect(taken.items == wanted, "every item, in the same order")
        outcomes = {key: (Outcome.REJECTED if int(value) % 10 == 0 else Outcome.ACCEPTED) for key, _, value in wanted}
        await queue.settle(taken, outcomes)
        refused = len(range(0, big, 10))
        stats = await queue.stats()
        expect_equal((stats.dead, stats.waiting, stats.in_flight), (refused, 0, 0), "each has its own outcome")
        again = await queue.put(*((key, value) for key, _, value in wanted))
        unchanged = sum(receipt.state is ReceiptState.UNCHANGED for receipt in again)
        expect_equal(unchanged, big - refused, "what was accepted is not sent again")
        keys = [key for key, _, _ in wanted]
        rest = present(await queue.try_open(limit=big, keys=keys), f"{refused:,} of {big:,} keys wait")
        expect(rest.items == tuple(item for item in rest.items if outcomes[item[0]] is Outcome.REJECTED), "only they")
        expect_equal(len(rest.items), refused, "all that wait, of many keys")
        await queue.settle(rest, Outcome.REJECTED)
        resolved = await queue.store.resolve(queue.account, queue.kind, keys, outcome=Outcome.RETRY)
        expect_equal(
            (len(resolved), (await queue.stats()).waiting), (refused, refused), "all dead letters, of many keys"
        )


CHECKS = (
    check_a_batch_holds_what_waits,
    check_limit_and_keys,
    check_exclusive,
    check_the_quota_is_spent_with_the_batch,
    check_a_refusal_changes_nothing,
    check_submitted_is_remembered,
    check_a_lease_runs_out_and_is_taken_over,
    check_renew_holds_a_batch,
    check_settling_gives_each_item_its_own_outcome,
    check_odd_words_of_amazon_settle,
    check_unfinished_by_account_oldest_first,
    check_dead_letters_are_resolved,
    check_reject_before_sending,
    check_statistics,
    check_purge_forgets_only_the_accepted,
    check_a_big_batch,
)
