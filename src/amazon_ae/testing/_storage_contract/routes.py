"""Checks of routes, of batches that settle item by item, and of keys that are queued again or withdrawn."""

from __future__ import annotations

from amazon_ae._exceptions import StaleLease
from amazon_ae._models.feeds import ItemOutcome, Outcome
from amazon_ae._models.stored import ItemState, ReceiptState
from amazon_ae.testing._storage_contract.trial import StorageTrial, expect, expect_equal, expect_raises, present

__all__ = ["CHECKS"]


async def check_a_route_is_stored_and_exclusive_by_itself(trial: StorageTrial) -> None:
    """A batch remembers its route; ``exclusive`` minds the unsettled batches of the same route only."""
    async with trial.queue() as queue:
        await queue.put(("a", "1"), ("b", "1"), ("c", "1"))
        feed = present(await queue.try_open(limit=1, exclusive=True, route="spapi:feed"), "first")
        expect_equal(feed.route, "spapi:feed", "route of an opened batch")
        expect_equal(await queue.try_open(limit=1, exclusive=True, route="spapi:feed"), None, "the route is taken")
        patch = present(await queue.try_open(limit=1, exclusive=True, route="spapi:patch"), "another route")
        (one, two) = await (await queue.beside()).unfinished()
        expect_equal({one.route, two.route}, {"spapi:feed", "spapi:patch"}, "unfinished() tells the routes")
        await queue.settle(feed, Outcome.ACCEPTED)
        last = present(await queue.try_open(exclusive=True, route="spapi:feed", lease_seconds=0.2), "free again")
        expect_equal((last.route, last.size, patch.size), ("spapi:feed", 1, 1), "each item in one batch")
        await trial.elapse(0.2)
        taken = present(await queue.store.take_over(last.batch_id, lease_seconds=9), "taken over")
        expect_equal(taken.route, "spapi:feed", "take_over() tells the route")


async def check_items_settle_one_by_one(trial: StorageTrial) -> None:
    """Outcomes are stored as they come, the lease is renewed, and a successor finds the items that remain."""
    async with trial.queue() as queue:
        await queue.put(("a", "1"), ("b", "1"), ("c", "1"), ("d", "1"))
        batch = present(await queue.try_open(keys=["a", "b", "c"], lease_seconds=0.5), "batch")
        outcomes = [
            ItemOutcome("b", Outcome.REJECTED, "8560", "m"),
            ItemOutcome("a", Outcome.ACCEPTED),
            ItemOutcome("d", Outcome.REJECTED, "not", "in the batch"),
        ]
        # Parts of a lease: where the time is a database's own, a slow answer must not end the lease early.
        await trial.elapse(0.3)
        some = await queue.store.settle_some(batch.batch_id, batch.fence, outcomes, lease_seconds=0.5)
        expect_equal(list(some), [outcomes[1], outcomes[0]], "what changed, by key")
        states = {key: (await queue.item(key)).state for key in "abcd"}
        wanted = (ItemState.ACCEPTED, ItemState.REJECTED, ItemState.IN_FLIGHT, ItemState.WAITING)
        expect_equal(states, dict(zip("abcd", wanted, strict=True)), "states")
        again = await queue.store.settle_some(batch.batch_id, batch.fence, outcomes, lease_seconds=0.5)
        expect_equal(list(again), [], "each outcome is applied once")
        expect_equal((await queue.stats()).in_flight, 1, "one is still in flight")
        await trial.elapse(0.3)
        other = await queue.beside()
        expect_equal(await other.store.take_over(batch.batch_id, lease_seconds=60), None, "the lease was renewed")
        await trial.elapse(0.3)
        taken = present(await other.store.take_over(batch.batch_id, lease_seconds=60), "the lease ran out")
        expect_equal(([key for key, _, _ in taken.items], taken.size), (["c"], 1), "what remains")
        stale = queue.store.settle_some(batch.batch_id, batch.fence, outcomes, lease_seconds=60)
        await expect_raises(StaleLease, stale, "a zombie's settle_some")
        last = [ItemOutcome("c", Outcome.ACCEPTED)]
        some = await other.store.settle_some(taken.batch_id, taken.fence, last, lease_seconds=0.1)
        expect_equal(list(some), last, "the last one")
        await trial.elapse(0.1)
        empty = present(await queue.store.take_over(batch.batch_id, lease_seconds=60), "an empty batch is still one")
        expect_equal((empty.items, empty.size), ((), 0), "nothing remains")
        expect_equal(list(await queue.store.settle(empty.batch_id, empty.fence, [])), [], "nothing changed")
        expect_equal(await queue.unfinished(), [], "finished")


async def check_settling_returns_what_changed(trial: StorageTrial) -> None:
    """One outcome for each item of the batch, RETRY where none was given; none for foreign keys or a second time."""
    async with trial.queue() as queue:
        await queue.put(("b", "1"), ("a", "1"), ("other", "1"))
        batch = present(await queue.try_open(keys=["a", "b"]), "batch")
        given = [ItemOutcome("b", Outcome.REJECTED, "c", "m"), ItemOutcome("other", Outcome.REJECTED, "c", "m")]
        changed = await queue.store.settle(batch.batch_id, batch.fence, given)
        expect_equal(list(changed), [ItemOutcome("a", Outcome.RETRY), given[0]], "settle()")
        refused = [ItemOutcome(key, Outcome.REJECTED, "c", "m") for key in ("other", "b", "nowhere", "a")]
        changed = await queue.store.reject(queue.account, queue.kind, refused)
        expect_equal(list(changed), [refused[3], refused[0]], "reject(): b is a dead letter already")
        expect_equal(list(await queue.store.reject(queue.account, queue.kind, refused)), [], "reject() again")
        keys = ["other", "b", "nowhere"]
        changed = await queue.store.resolve(queue.account, queue.kind, keys, outcome=Outcome.ACCEPTED)
        wanted = [ItemOutcome(key, Outcome.ACCEPTED) for key in ("b", "other")]
        expect_equal(list(changed), wanted, "resolve()")
        changed = await queue.store.resolve(queue.account, queue.kind, keys, outcome=Outcome.ACCEPTED)
        expect_equal(list(changed), [], "resolve() again")


async def check_requeued_keys_leave_once_more(trial: StorageTrial) -> None:
    """Accepted keys wait again, keys in flight after their outcome; a put of the accepted value withdraws neither."""
    async with trial.queue() as queue:
        await queue.send("accepted", "1")
        await queue.send("dead", "1", Outcome.REJECTED)
        await queue.send("waits", "1")
        await queue.send("flies", "1")
        await queue.put(("waits", "2"), ("flies", "2"), ("behind", "1"))
        batch = present(await queue.try_open(keys=["flies", "behind"]), "batch")
        await queue.put(("behind", "1"))
        keys = ["accepted", "dead", "waits", "flies", "behind", "nowhere"]
        expect_equal(await queue.store.requeue(queue.account, queue.kind, keys), 4, "all but dead letters")
        expect_equal(set(await queue.waiting()), {"accepted", "waits"}, "what can leave at once")
        for key, value in (("accepted", "1"), ("waits", "1")):
            (receipt,) = await queue.put((key, value))
            expect_equal(receipt.state, ReceiptState.WAITING, f"{key}: Amazon may hold another value now")
        await queue.settle(batch, Outcome.ACCEPTED)
        expect_equal(set(await queue.waiting()), {"accepted", "waits", "flies", "behind"}, "in flight: once more")
        last = await queue.open()
        expect("flies" in [key for key, _, _ in last.items], "it leaves")
        await queue.settle(last, Outcome.ACCEPTED)
        expect_equal(await queue.waiting(), [], "once, not forever")
        (receipt,) = await queue.put(("flies", "2"))
        expect_equal(receipt.state, ReceiptState.UNCHANGED, "no doubt remains")
        expect_equal(await queue.dead(), ["dead"], "dead letters stay")


async def check_withdrawn_keys_do_not_leave(trial: StorageTrial) -> None:
    """A value that waits is dropped; one in flight, or behind one in flight, is not."""
    async with trial.queue() as queue:
        await queue.send("had", "1")
        await queue.put(("flies", "1"), ("behind", "1"))
        batch = await queue.open()
        await queue.send("dead", "1", Outcome.REJECTED)
        await queue.put(("behind", "2"), ("had", "2"), ("new", "1"))
        keys = ["new", "had", "flies", "behind", "dead", "nowhere", "new"]
        withdrawn = await queue.store.withdraw(queue.account, queue.kind, keys)
        expect_equal(list(withdrawn), ["had", "new"], "what had not left")
        expect_equal(await queue.store.item(queue.account, queue.kind, "new"), None, "forgotten")
        item = await queue.item("had")
        expect_equal((item.state, item.value), (ItemState.ACCEPTED, "1"), "back to the accepted value")
        expect_equal(
            (await queue.try_open(), await queue.dead()), (None, ["dead"]), "nothing leaves, dead letters stay"
        )
        await queue.settle(batch, Outcome.ACCEPTED)
        expect_equal(await queue.waiting(), ["behind"], "left alone")
        again = await queue.store.withdraw(queue.account, queue.kind, ["had", "flies"])
        expect_equal(list(again), [], "accepted values stay")


CHECKS = (
    check_a_route_is_stored_and_exclusive_by_itself,
    check_items_settle_one_by_one,
    check_settling_returns_what_changed,
    check_requeued_keys_leave_once_more,
    check_withdrawn_keys_do_not_leave,
)
