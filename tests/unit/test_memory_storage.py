"""What ``MemoryStorage`` does besides the contract."""

from __future__ import annotations

import logging

import pytest

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.feeds import ItemKind, ItemOutcome, Outcome
from amazon_ae._models.stored import Change, QueueStats
from amazon_ae._storage.memory import MemoryStorage
from amazon_ae._storage.notices import Watchers, queued
from amazon_ae._storage.rows import check_storable, from_micros, micros
from amazon_ae.testing._clocks import VirtualClock

ACCOUNT = "A1SELLER/AE"
KIND = ItemKind.INVENTORY


async def test_what_was_stored_outlives_aclose() -> None:
    """There is nothing to close, so a test may look into the store afterwards."""
    store = MemoryStorage()
    await store.put(ACCOUNT, KIND, [Change("a", "1")])
    await store.aclose()
    await store.aclose()
    assert (await store.stats(ACCOUNT, KIND)).waiting == 1


async def test_a_connection_is_refused() -> None:
    """There is no database whose transaction a put could join."""
    with pytest.raises(ConfigurationError, match="no database"):
        await MemoryStorage().put(ACCOUNT, KIND, [Change("a", "1")], connection=object())


async def test_everything_forgotten_leaves_nothing_behind() -> None:
    """Rows, places, flights and dead letters go together: a long simulation does not grow."""
    clock = VirtualClock(autojump=False)
    store = MemoryStorage(clock=clock)
    for turn in range(3):
        await store.put(ACCOUNT, KIND, [Change(f"{turn}-{number}", "1") for number in range(50)])
        batch = await store.open(ACCOUNT, KIND, batch_id=f"b{turn}", limit=50, lease_seconds=60, exclusive=True)
        assert batch is not None
        verdicts = [Outcome.ACCEPTED, Outcome.REJECTED]
        outcomes = [ItemOutcome(key, verdicts[number % 2]) for number, (key, _, _) in enumerate(batch.items)]
        await store.settle(batch.batch_id, batch.fence, outcomes)
        letters = [item.key for item in await store.dead(ACCOUNT, KIND)]
        assert len(await store.resolve(ACCOUNT, KIND, letters, outcome=Outcome.REJECTED)) == 25
        clock.jump(1)
        assert await store.purge(ACCOUNT, KIND, settled_before=clock.now()) == 25
    queue = store._queues[ACCOUNT, KIND]  # memory that is kept after a purge shows nowhere else
    assert not queue.rows
    assert not queue.flights
    assert not queue.dead
    assert queue.waiting == ([], [])
    assert await store.stats(ACCOUNT, KIND) == QueueStats()


async def test_only_a_dead_letter_that_waits_again_wakes_a_watcher() -> None:
    """Dropped and accepted keys have an outcome, unknown ones nothing; only a retry queues something."""
    store, called = MemoryStorage(), []
    await store.put(ACCOUNT, KIND, [Change(key, "1") for key in ("drop", "accept", "again")])
    batch = await store.open(ACCOUNT, KIND, batch_id="b", limit=9, lease_seconds=9, exclusive=True)
    assert batch is not None
    outcomes = [ItemOutcome(key, Outcome.REJECTED) for key, _, _ in batch.items]
    await store.settle("b", batch.fence, outcomes)
    store.watch(ACCOUNT, lambda: called.append("queued"), settled=lambda _kind, keys: called.append(*keys))
    await store.resolve(ACCOUNT, KIND, ["drop"], outcome=Outcome.REJECTED)
    await store.resolve(ACCOUNT, KIND, ["accept"], outcome=Outcome.ACCEPTED)
    await store.resolve(ACCOUNT, KIND, ["nowhere"], outcome=Outcome.RETRY)
    assert called == ["drop", "accept"]
    await store.resolve(ACCOUNT, KIND, ["again"], outcome=Outcome.RETRY)
    assert called == ["drop", "accept", "queued"]


def test_instants_come_back_exactly() -> None:
    """Microseconds since 1970 keep what a float would round."""
    clock = VirtualClock(autojump=False)
    for step in (0, 0.000_001, 86_399.999_999, 1e9):
        clock.jump(step)
        assert from_micros(micros(clock.now())) == clock.now()


@pytest.mark.parametrize("text", ["", "\x00", "a\x00b", "ب\x00", "\ud800", "ok \udfff"])
def test_text_that_no_database_can_keep_is_refused(text: str) -> None:
    """The message names what is wrong, and shows the text."""
    with pytest.raises(ConfigurationError, match="the name"):
        check_storable("the name", text)


def test_a_failing_watcher_is_logged_and_the_others_are_called(caplog: pytest.LogCaptureFixture) -> None:
    """The put is committed: its caller must not hear of a broken dashboard."""
    watchers = Watchers()
    called: list[int] = []

    def fail() -> None:
        raise RuntimeError("broken dashboard")

    undo = watchers.add(ACCOUNT, fail)
    watchers.add(ACCOUNT, lambda: called.append(1))
    with caplog.at_level(logging.ERROR):
        watchers.call(queued(ACCOUNT))
    assert called == [1]
    assert "a watcher of account A1SELLER/AE failed" in caplog.text
    undo()
    assert watchers.accounts() == [ACCOUNT]


def test_the_same_callback_may_watch_twice() -> None:
    """Each has its own undo, and an undo may be called twice."""
    watchers = Watchers()
    called: list[int] = []
    callback = lambda: called.append(1)  # noqa: E731  # one object, added twice
    first = watchers.add(ACCOUNT, callback)
    second = watchers.add(ACCOUNT, callback)
    first()
    first()
    watchers.call(queued(ACCOUNT))
    assert called == [1]
    second()
    assert watchers.accounts() == []
