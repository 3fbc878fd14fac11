"""Checks of single items: what a put stores, what an outcome does, what is not sent again."""

from __future__ import annotations

from datetime import timedelta

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.feeds import ItemKind, Outcome
from amazon_ae._models.stored import Change, ItemState, Receipt, ReceiptState
from amazon_ae.testing._storage_contract.trial import StorageTrial, expect, expect_equal, expect_raises, present

__all__ = ["CHECKS"]

ODD_KEYS = (
    "تمر-خلاص-١٢٣",
    "قهوة عربية",
    "🐪-📦",
    "e\u0301",
    "\u00e9",
    "O'Neil\"s `x`; DROP TABLE items;--",
    "100%_\\{}[]$1:name?",
    "a",
    "A",
    "a ",
    " a",
    "tab\tline\n",
    "\u202eright-to-left",
    "\U0010fffd",
)


async def check_put_stores_a_value(trial: StorageTrial) -> None:
    """What was put waits, with its reference, its urgency and the store's instant."""
    async with trial.queue() as queue:
        receipts = await queue.put(Change("SKU-1", '{"quantity":7}', urgent=True, reference="erp-4711"))
        expect_equal(receipts, [Receipt("SKU-1", receipts[0].version, ReceiptState.WAITING)], "one receipt")
        item = await (await queue.beside()).item("SKU-1")
        expect_equal(item.state, ItemState.WAITING, "state")
        expect_equal(item.value, '{"quantity":7}', "value")
        expect_equal((item.urgent, item.reference), (True, "erp-4711"), "urgent and reference")
        expect_equal(item.version, receipts[0].version, "the receipt's version is the item's")
        expect_equal((item.batch_id, item.feed_id, item.accepted_value), (None, None, None), "nothing sent yet")
        expect_equal(item.put_at.utcoffset(), timedelta(0), "put_at is aware UTC")
        expect_equal(await queue.store.item(queue.account, queue.kind, "SKU-2"), None, "a key that was never put")
        expect_equal(await queue.put(), [], "no changes, no receipts")


async def check_latest_value_wins(trial: StorageTrial) -> None:
    """A newer value replaces a waiting one, under a higher version, and keeps its place in the queue."""
    async with trial.queue() as queue:
        (first,) = await queue.put(Change("SKU-1", "1", reference="old"))
        put_at = (await queue.item("SKU-1")).put_at
        await trial.elapse(0.05)
        await queue.put(("SKU-2", "9"))
        (second,) = await queue.put(Change("SKU-1", "2", reference="new"))
        expect(second.version > first.version, "versions grow")
        item = await queue.item("SKU-1")
        expect_equal((item.value, item.version, item.reference), ("2", second.version, "new"), "the newest value")
        expect_equal(item.put_at, put_at, "put_at is the first unsent change's")
        expect_equal(await queue.waiting(), ["SKU-1", "SKU-2"], "it is not sent to the back")
        batch = await queue.open()
        expect_equal(batch.items[0], ("SKU-1", second.version, "2"), "only the newest value leaves")


async def check_a_key_twice_in_one_put(trial: StorageTrial) -> None:
    """The later one wins; both get its receipt."""
    async with trial.queue() as queue:
        receipts = await queue.put(("SKU-1", "1"), ("SKU-2", "5"), ("SKU-1", "2"))
        item = await queue.item("SKU-1")
        expect_equal([receipt.key for receipt in receipts], ["SKU-1", "SKU-2", "SKU-1"], "receipts in order")
        expect_equal(receipts[0], receipts[2], "both get the later one's receipt")
        expect_equal((item.value, item.version), ("2", receipts[0].version), "the later value")
        expect_equal((await queue.stats()).waiting, 2, "two keys wait")


async def check_accepted_value_is_not_sent_again(trial: StorageTrial) -> None:
    """A value equal to the last accepted one is UNCHANGED; another one waits."""
    async with trial.queue() as queue:
        await queue.send("SKU-1", "5")
        before = await queue.item("SKU-1")
        expect_equal(before.state, ItemState.ACCEPTED, "accepted")
        expect_equal((before.accepted_value, before.accepted_version), ("5", before.version), "last accepted")
        expect(before.accepted_at is not None, "accepted_at is known")
        (receipt,) = await queue.put(("SKU-1", "5"))
        expect_equal(receipt, Receipt("SKU-1", before.version, ReceiptState.UNCHANGED), "receipt")
        expect_equal(await queue.waiting(), [], "nothing waits")
        (receipt,) = await queue.put(("SKU-1", "6"))
        expect_equal(receipt.state, ReceiptState.WAITING, "another value")
        expect(receipt.version > before.version, "versions grow")
        item = await queue.item("SKU-1")
        expect_equal((item.state, item.value, item.accepted_value), (ItemState.WAITING, "6", "5"), "both values kept")


async def check_going_back_withdraws_what_waits(trial: StorageTrial) -> None:
    """5 accepted, 6 waits, 5 again: nothing needs to be sent, and the version still grows."""
    async with trial.queue() as queue:
        await queue.send("SKU-1", "5")
        (second,) = await queue.put(("SKU-1", "6"))
        (third,) = await queue.put(("SKU-1", "5"))
        expect_equal(third.state, ReceiptState.UNCHANGED, "receipt")
        expect(third.version > second.version, "versions grow")
        item = await queue.item("SKU-1")
        expect_equal((item.state, item.value, item.version), (ItemState.ACCEPTED, "5", third.version), "withdrawn")
        expect_equal(await queue.try_open(), None, "nothing leaves")
        (fourth,) = await queue.put(("SKU-1", "6"))
        expect(fourth.version > third.version, "versions grow")
        expect_equal(await queue.waiting(), ["SKU-1"], "it waits again")


async def check_going_back_withdraws_a_dead_letter(trial: StorageTrial) -> None:
    """5 accepted, 6 refused, 5 again: Amazon has 5, the dead letter is gone."""
    async with trial.queue() as queue:
        await queue.send("SKU-1", "5")
        await queue.send("SKU-1", "6", Outcome.REJECTED)
        expect_equal(await queue.dead(), ["SKU-1"], "dead letter")
        (receipt,) = await queue.put(("SKU-1", "5"))
        item = await queue.item("SKU-1")
        expect_equal((receipt.state, item.state), (ReceiptState.UNCHANGED, ItemState.ACCEPTED), "withdrawn")
        expect_equal((await queue.dead(), await queue.waiting()), ([], []), "nothing waits, nothing is dead")


async def check_a_new_value_replaces_a_dead_letter(trial: StorageTrial) -> None:
    """A refused key that is put again waits, without the old code and text."""
    async with trial.queue() as queue:
        await queue.put(("SKU-1", "6"))
        await queue.settle(await queue.open(), Outcome.REJECTED, code="8560", message="SKU غير معروف")
        item = await queue.item("SKU-1")
        expect_equal((item.state, item.code, item.message), (ItemState.REJECTED, "8560", "SKU غير معروف"), "why")
        await queue.put(("SKU-1", "6"))
        item = await queue.item("SKU-1")
        expect_equal((item.state, item.code, item.message), (ItemState.WAITING, "", ""), "waits again")
        expect_equal((await queue.dead(), await queue.waiting()), ([], ["SKU-1"]), "where it is")


async def check_newer_value_outlives_the_older_ones_outcome(trial: StorageTrial) -> None:
    """Whatever comes of the value in flight, the newer one that waited behind it is sent afterwards."""
    for outcome in Outcome:
        async with trial.queue() as queue:
            await queue.put(("SKU-1", "1"))
            first_put_at = (await queue.item("SKU-1")).put_at
            batch = await queue.open()
            expect_equal((await queue.item("SKU-1")).state, ItemState.IN_FLIGHT, "in flight")
            await trial.elapse(0.05)
            (newer,) = await queue.put(("SKU-1", "2"))
            second_put_at = (await queue.item("SKU-1")).put_at
            expect(second_put_at > first_put_at, "the newer value is unsent since it was put")
            item = await queue.item("SKU-1")
            expect_equal((item.state, item.batch_id), (ItemState.WAITING, batch.batch_id), "waits behind the flight")
            expect_equal((await queue.waiting(), await queue.try_open()), ([], None), "not beside the older one")
            await queue.settle(batch, outcome, code="c", message="m")
            item = await queue.item("SKU-1")
            expect_equal((item.state, item.value, item.version), (ItemState.WAITING, "2", newer.version), f"{outcome}")
            expect_equal((item.batch_id, item.code, item.message), (None, "", ""), f"{outcome}: nothing in flight")
            accepted = outcome in (Outcome.ACCEPTED, Outcome.ACCEPTED_WITH_WARNINGS)
            expect_equal(item.accepted_value, "1" if accepted else None, f"{outcome}: accepted value")
            expect_equal(
                item.put_at, first_put_at if outcome is Outcome.RETRY else second_put_at, f"{outcome}: unsent since"
            )
            expect_equal(await queue.dead(), [], f"{outcome}: no dead letter")
            second = await queue.open()
            expect_equal(second.items, (("SKU-1", newer.version, "2"),), f"{outcome}: the newer value leaves")


async def check_newer_value_equal_to_the_accepted_one_is_withdrawn(trial: StorageTrial) -> None:
    """1 in flight, 1 put again: once 1 is accepted nothing needs to be sent."""
    async with trial.queue() as queue:
        await queue.put(("SKU-1", "1"))
        batch = await queue.open()
        (receipt,) = await queue.put(("SKU-1", "1"))
        expect_equal(receipt.state, ReceiptState.WAITING, "it must wait: the outcome is not known")
        await queue.settle(batch, Outcome.ACCEPTED)
        item = await queue.item("SKU-1")
        expect_equal((item.state, item.version), (ItemState.ACCEPTED, receipt.version), "withdrawn")
        expect_equal(await queue.waiting(), [], "nothing waits")


async def check_nothing_is_unchanged_while_another_value_flies(trial: StorageTrial) -> None:
    """5 accepted, 6 in flight, 5 put: it must be sent after 6, or Amazon keeps 6."""
    async with trial.queue() as queue:
        await queue.send("SKU-1", "5")
        await queue.put(("SKU-1", "6"))
        batch = await queue.open()
        (receipt,) = await queue.put(("SKU-1", "5"))
        expect_equal(receipt.state, ReceiptState.WAITING, "not suppressed")
        await queue.settle(batch, Outcome.ACCEPTED)
        expect_equal((await queue.open()).items, (("SKU-1", receipt.version, "5"),), "5 leaves after 6")


async def check_doubt_sends_again(trial: StorageTrial) -> None:
    """After RETRY or UNKNOWN Amazon may hold the value that came back: a put of the accepted one is sent."""
    for outcome in (Outcome.RETRY, Outcome.UNKNOWN):
        async with trial.queue() as queue:
            await queue.send("SKU-1", "5")
            await queue.send("SKU-1", "6", outcome)
            (receipt,) = await queue.put(("SKU-1", "5"))
            expect_equal(receipt.state, ReceiptState.WAITING, f"after {outcome}")
            await queue.settle(await queue.open(), Outcome.REJECTED)
            (receipt,) = await queue.put(("SKU-1", "5"))
            expect_equal(receipt.state, ReceiptState.WAITING, f"a refusal does not end the doubt of {outcome}")
            await queue.settle(await queue.open(), Outcome.REJECTED)
            await queue.store.resolve(queue.account, queue.kind, ["SKU-1"], outcome=Outcome.REJECTED)
            (receipt,) = await queue.put(("SKU-1", "5"))
            expect_equal(receipt.state, ReceiptState.WAITING, f"nor does a dropped dead letter after {outcome}")
            await queue.settle(await queue.open(), Outcome.ACCEPTED)
            (receipt,) = await queue.put(("SKU-1", "5"))
            expect_equal(receipt.state, ReceiptState.UNCHANGED, "an accepted value ends the doubt")


async def check_retry_keeps_its_place(trial: StorageTrial) -> None:
    """A value that came back through no fault of its own waits with its old put_at, urgency and reference."""
    async with trial.queue() as queue:
        await queue.put(Change("SKU-1", "1", urgent=True, reference="r"))
        before = await queue.item("SKU-1")
        batch = await queue.open()
        await trial.elapse(0.05)
        await queue.put(Change("SKU-2", "1", urgent=True))
        await queue.settle(batch, Outcome.RETRY, code="c", message="m")
        expect_equal(await queue.item("SKU-1"), before, "as it was")
        expect_equal(await queue.waiting(), ["SKU-1", "SKU-2"], "in its old place")


async def check_keep_first_joins(trial: StorageTrial) -> None:
    """A requested pickup is kept in any state; a refused one is queued again."""
    async with trial.queue(ItemKind.PICKUP) as queue:
        receipts = await queue.put(("111-1", "a"), ("111-1", "b"), keep_first=True)
        states = [receipt.state for receipt in receipts]
        expect_equal(states, [ReceiptState.WAITING, ReceiptState.JOINED], "the first of two equal keys stands")
        version = receipts[0].version

        async def joins(where: str) -> None:
            (receipt,) = await queue.put(("111-1", "b"), keep_first=True)
            expect_equal(receipt, Receipt("111-1", version, ReceiptState.JOINED), where)
            expect_equal((await queue.item("111-1")).value, "a", where)

        await joins("waiting")
        batch = await queue.open()
        await joins("in flight")
        await queue.settle(batch, Outcome.RETRY)
        await joins("waiting again")
        await queue.settle(await queue.open(), Outcome.UNKNOWN)
        await joins("unknown")
        expect_equal((await queue.item("111-1")).state, ItemState.UNKNOWN, "still unknown")
        await queue.store.resolve(queue.account, queue.kind, ["111-1"], outcome=Outcome.RETRY)
        await queue.settle(await queue.open(), Outcome.REJECTED)
        (again,) = await queue.put(("111-1", "c"), keep_first=True)
        expect_equal(again.state, ReceiptState.WAITING, "a refused one is asked for anew")
        expect(again.version > version, "versions grow")
        version, accepted = again.version, await queue.open()
        expect_equal(accepted.items, (("111-1", version, "c"),), "the new one leaves")
        await queue.settle(accepted, Outcome.ACCEPTED)
        (receipt,) = await queue.put(("111-1", "d"), keep_first=True)
        expect_equal(receipt, Receipt("111-1", version, ReceiptState.JOINED), "accepted")


async def check_urgent_first_then_oldest(trial: StorageTrial) -> None:
    """Items leave urgent ones first, then by put_at; ``waiting`` shows that order."""
    async with trial.queue() as queue:
        for key, urgent in (("n1", False), ("u1", True), ("n2", False), ("u2", True)):
            await queue.put(Change(key, "1", urgent=urgent))
            await trial.elapse(0.01)
        expect_equal(await queue.waiting(), ["u1", "u2", "n1", "n2"], "order")
        expect_equal(await queue.waiting(limit=1), ["u1"], "limit")
        await queue.put(Change("n2", "0", urgent=True))
        expect_equal(await queue.waiting(), ["u1", "n2", "u2", "n1"], "urgent now, with its old put_at")
        batch = await queue.open(limit=3)
        expect_equal({key for key, _, _ in batch.items}, {"u1", "u2", "n2"}, "the first three leave")
        expect_equal(await queue.waiting(), ["n1"], "the rest waits")


async def check_accounts_and_kinds_are_apart(trial: StorageTrial) -> None:
    """The same key under another account or kind is another item."""
    async with trial.queue() as queue:
        other = await queue.beside(account=queue.account + "-2")
        pickups = await queue.beside(kind=ItemKind.PICKUP)
        await queue.put(("K", "1"))
        await other.put(("K", "2"))
        await pickups.put(("K", "3"))
        batch = await queue.open()
        expect_equal([value for _, _, value in batch.items], ["1"], "only its own items")
        await queue.settle(batch, Outcome.ACCEPTED)
        expect_equal(((await other.item("K")).value, (await pickups.item("K")).value), ("2", "3"), "others untouched")
        expect_equal(((await other.stats()).waiting, (await pickups.stats()).waiting), (1, 1), "others still wait")


async def check_any_text_is_a_key(trial: StorageTrial) -> None:
    """Arabic, emoji, quotes, case, blanks and combining marks: every different text is a different key."""
    async with trial.queue() as queue:
        await queue.put(*(Change(key, f"قيمة {key}", reference=key) for key in ODD_KEYS))
        expect_equal((await queue.stats()).waiting, len(ODD_KEYS), "none is taken for another")
        for key in ODD_KEYS:
            item = await queue.item(key)
            expect_equal((item.key, item.value, item.reference), (key, f"قيمة {key}", key), "text comes back")
        batch = await queue.open()
        expect_equal([key for key, _, _ in batch.items], sorted(ODD_KEYS), "a batch is sorted by code points")
        await queue.settle(batch, Outcome.REJECTED, code="e", message="رفض 🐪")
        expect_equal(await queue.dead(), sorted(ODD_KEYS), "dead letters are sorted by code points")
        rest = await queue.store.dead(queue.account, queue.kind, after=sorted(ODD_KEYS)[4], limit=3)
        expect_equal([item.key for item in rest], sorted(ODD_KEYS)[5:8], "a page of dead letters")


async def check_long_text_is_kept_whole(trial: StorageTrial) -> None:
    """Values, references and documents far longer than one column of some databases holds; an empty one is a text."""
    async with trial.queue() as queue:
        long, name = "قيمة " + "x" * 70_000, queue.name("long")
        await queue.put(Change("SKU-1", long, reference=long), Change("SKU-2", "1", reference=""))
        item = await (await queue.beside()).item("SKU-1")
        expect(item.value == long, f"a value of {len(long):,} characters")
        expect(item.reference == long, f"a reference of {len(long):,} characters")
        expect_equal((await queue.item("SKU-2")).reference, "", "an empty reference is not None")
        batch = await queue.open()
        expect(batch.items[0][2] == long, "the value as it leaves")
        await queue.settle(batch, Outcome.ACCEPTED)
        accepted = await queue.item("SKU-1")
        expect(accepted.accepted_value == long, "the accepted value")
        await queue.store.change(name, lambda _text, _now: (long, None))
        expect(await queue.store.load(name) == long, f"a document of {len(long):,} characters")
        # Not to be carried along by the checks that follow.
        await queue.store.change(name, lambda _text, _now: (None, None))
        later = present(accepted.accepted_at, "accepted_at") + timedelta(seconds=1)
        expect_equal(await queue.store.purge(queue.account, queue.kind, settled_before=later), 2, "both are forgotten")


async def check_impossible_text_is_refused(trial: StorageTrial) -> None:
    """Text that no database can keep raises ConfigurationError, and nothing of that put is stored."""
    async with trial.queue() as queue:
        for bad in ("", "nul\x00", "half \ud83d"):
            await expect_raises(ConfigurationError, queue.put(("good", "1"), (bad, "1")), f"key {bad!r}")
            if bad:
                await expect_raises(ConfigurationError, queue.put(("good", bad)), f"value {bad!r}")
            expect_equal(await queue.store.item(queue.account, queue.kind, bad), None, f"item({bad!r})")
            resolved = await queue.store.resolve(queue.account, queue.kind, [bad], outcome=Outcome.RETRY)
            expect_equal((list(resolved), await queue.store.load(bad)), ([], None), f"resolve() and load() of {bad!r}")
        expect_equal(await queue.store.item(queue.account, queue.kind, "good"), None, "nothing was stored")


CHECKS = (
    check_put_stores_a_value,
    check_latest_value_wins,
    check_a_key_twice_in_one_put,
    check_accepted_value_is_not_sent_again,
    check_going_back_withdraws_what_waits,
    check_going_back_withdraws_a_dead_letter,
    check_a_new_value_replaces_a_dead_letter,
    check_newer_value_outlives_the_older_ones_outcome,
    check_newer_value_equal_to_the_accepted_one_is_withdrawn,
    check_nothing_is_unchanged_while_another_value_flies,
    check_doubt_sends_again,
    check_retry_keeps_its_place,
    check_keep_first_joins,
    check_urgent_first_then_oldest,
    check_accounts_and_kinds_are_apart,
    check_any_text_is_a_key,
    check_long_text_is_kept_whole,
    check_impossible_text_is_refused,
)
