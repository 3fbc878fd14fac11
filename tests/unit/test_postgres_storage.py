"""``PostgresStorage`` beyond the contract: the host's pool, the clock, the bell, cancellation."""

from __future__ import annotations

import asyncio
import gc
import random
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import IsolationLevel
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from amazon_ae._exceptions import ConfigurationError, StorageError
from amazon_ae._models.feeds import ItemKind, ItemOutcome, Outcome
from amazon_ae._models.stored import Change, ItemState
from amazon_ae._storage.postgres.store import PostgresStorage
from amazon_ae.testing._clocks import VirtualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.postgres
KIND = ItemKind.INVENTORY


@pytest.fixture
async def store(postgres_uri: str) -> AsyncIterator[PostgresStorage]:
    """A store on the database's clock."""
    async with PostgresStorage(postgres_uri) as opened:
        yield opened


async def test_a_pool_that_was_given_is_used_as_it_is_and_never_closed(postgres_uri: str, account: str) -> None:
    """Rows as dictionaries, no autocommit, SERIALIZABLE, read-only: the store copes, and hands connections back so."""
    made = {"row_factory": dict_row, "options": "-c TimeZone=Asia/Dubai"}

    async def configure(connection: psycopg.AsyncConnection[Any]) -> None:
        await connection.set_isolation_level(IsolationLevel.SERIALIZABLE)
        await connection.set_read_only(True)

    async with AsyncConnectionPool(
        postgres_uri, min_size=1, max_size=2, open=False, kwargs=made, configure=configure
    ) as pool:
        async with PostgresStorage(pool) as store:
            await store.put(account, KIND, [Change("a", "1")])
            batch = await store.open(
                account,
                KIND,
                batch_id=uuid.uuid4().hex,
                limit=1,
                lease_seconds=60,
                exclusive=True,
                ledger=f"{account}/quota",
                admit=lambda text, now: f"{text} {now.utcoffset()}",
            )
            assert batch is not None
            assert batch.opened_at.tzinfo is UTC
            assert await store.load(f"{account}/quota") == "None 0:00:00"
            await store.settle(batch.batch_id, batch.fence, [ItemOutcome("a", Outcome.ACCEPTED)])
            item = await store.item(account, KIND, "a")
            assert item is not None
            assert item.accepted_at is not None
            assert item.accepted_at.tzinfo is UTC
        async with pool.connection() as connection:
            assert connection.autocommit is False
            assert connection.isolation_level is IsolationLevel.SERIALIZABLE
            assert connection.read_only is True
            assert await (await connection.execute("SELECT 1 AS one")).fetchone() == {"one": 1}


async def test_the_clock_is_read_once_the_ledger_is_locked(store: PostgresStorage, host: Any, account: str) -> None:
    """Who waits for the quota's row sees the instant at which it got the row, not the one at which it asked."""
    ledger = f"{account}/quota"
    await store.change(ledger, lambda _text, _now: ("0", None))
    await host.execute("SELECT FROM amazon_ae.documents WHERE name = %s FOR UPDATE", (ledger,))
    seen: list[datetime] = []

    def note(text: str | None, now: datetime) -> tuple[str | None, None]:
        seen.append(now)
        return text, None

    waiting = asyncio.create_task(store.change(ledger, note))
    async with await psycopg.AsyncConnection.connect(host.info.dsn, autocommit=True) as watcher:
        for _ in range(500):
            if await (await watcher.execute("SELECT 1 FROM pg_locks WHERE NOT granted")).fetchone():
                break
            await asyncio.sleep(0.01)
        assert not seen
    released_at = (await (await host.execute("SELECT clock_timestamp() AS at")).fetchone())["at"]
    await host.commit()
    await waiting
    assert seen[0] > released_at


async def test_two_exclusive_opens_at_once_open_one_batch(postgres_uri: str, account: str) -> None:
    """Without a ledger to meet at, the lane itself is locked."""
    async with PostgresStorage(postgres_uri) as one, PostgresStorage(postgres_uri) as two:
        for number in range(10):
            lane = f"{account}{number}"
            await one.put(lane, KIND, [Change("a", "1"), Change("b", "1")])
            opened = await asyncio.gather(
                *(
                    store.open(lane, KIND, batch_id=uuid.uuid4().hex, limit=1, lease_seconds=60, exclusive=True)
                    for store in (one, two) * 3
                )
            )
            assert sum(batch is not None for batch in opened) == 1


async def test_a_missing_ledger_is_locked_too(postgres_uri: str, account: str) -> None:
    """Ten first changes of one document at once count to ten."""
    async with PostgresStorage(postgres_uri) as one, PostgresStorage(postgres_uri) as two:
        name = f"{account}/new"
        await asyncio.gather(
            *(store.change(name, lambda text, _now: (str(int(text or 0) + 1), None)) for store in (one, two) * 5)
        )
        assert await one.load(name) == "10"
        # Deleted and made again by turns, all at once: an odd number of turns ends with a deletion.
        toggled = await asyncio.gather(
            *(
                store.change(name, lambda text, _now: (None, text) if text else ("made", text))
                for store in [*(one, two) * 10, one]
            )
        )
        assert sorted(text or "" for text in toggled) == [""] * 10 + ["10"] + ["made"] * 10
        assert await one.load(name) is None
        assert await one.names(f"{account}/") == []


async def test_what_a_callers_function_raises_comes_out_untouched(store: PostgresStorage, account: str) -> None:
    """Even an OSError, which of the database's would be a StorageError; and the connection is whole."""
    cause = ValueError("the reason")

    def fail(_text: str | None, _now: datetime) -> tuple[str | None, None]:
        raise OSError("mine") from cause

    for _ in range(20):
        with pytest.raises(OSError, match="mine") as caught:
            await store.change(account, fail)
        assert caught.value.__cause__ is cause
    assert await store.load(account) is None


async def test_watchers_hear_puts_of_other_objects(postgres_uri: str, account: str) -> None:
    """A put through another object, as in another process, rings; so does the host's commit, and not before it."""
    async with PostgresStorage(postgres_uri) as here, PostgresStorage(postgres_uri) as there:
        rang = asyncio.Event()
        elsewhere = asyncio.Event()
        listens, beside = asyncio.Event(), asyncio.Event()
        undo = here.watch(account, rang.set, settled=lambda _kind, _keys: listens.set())
        here.watch(account + "-2", elsewhere.set, settled=lambda _kind, _keys: beside.set())
        await asyncio.wait_for(asyncio.gather(listens.wait(), beside.wait()), 10)

        await there.put(account, KIND, [Change("a", "1")])
        await asyncio.wait_for(rang.wait(), 10)
        rang.clear()

        async with await psycopg.AsyncConnection.connect(postgres_uri) as connection:
            await there.put(account, KIND, [Change("a", "0", urgent=True)], connection=connection)
            await asyncio.sleep(0.1)
            assert not rang.is_set()
            await connection.commit()
            await asyncio.wait_for(rang.wait(), 10)
        rang.clear()
        assert not elsewhere.is_set()

        undo()
        undo()
        await there.put(account, KIND, [Change("b", "0", urgent=True)])
        await asyncio.sleep(0.1)
        assert not rang.is_set()


@pytest.mark.parametrize("later_seconds", [0.01, 1e6])
async def test_a_put_that_its_own_process_carries_rings_elsewhere_later(
    postgres_uri: str, account: str, later_seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever watches what it puts, also in the host's transaction, carries it; others look some seconds later."""
    monkeypatch.setattr("amazon_ae._storage.postgres.notify._CARRIED_SECONDS", later_seconds)
    pickup = ItemKind.PICKUP
    async with (
        PostgresStorage(postgres_uri) as here,
        PostgresStorage(postgres_uri) as there,
        PostgresStorage(postgres_uri) as command,
    ):
        listens, beside = asyncio.Event(), asyncio.Event()
        own: asyncio.Queue[None] = asyncio.Queue()
        others: asyncio.Queue[None] = asyncio.Queue()
        here.watch(account, lambda: others.put_nowait(None), settled=lambda _kind, _keys: listens.set())
        there.watch(account, lambda: own.put_nowait(None), settled=lambda _kind, _keys: beside.set())
        await asyncio.wait_for(asyncio.gather(listens.wait(), beside.wait()), 10)
        await there.put(account, pickup, [Change("111-1", "1")])
        await asyncio.wait_for(own.get(), 10)
        async with await psycopg.AsyncConnection.connect(postgres_uri) as connection:
            await there.put(account, pickup, [Change("111-2", "1")], connection=connection)
        await asyncio.wait_for(own.get(), 10)
        if later_seconds < 1:
            await asyncio.wait_for(others.get(), 10)
            return
        # Notices arrive in order: one that nobody carries rings at once, and nothing rang before it.
        await command.put(account, pickup, [Change("111-3", "1")])
        await asyncio.wait_for(others.get(), 10)
        await asyncio.wait_for(own.get(), 10)
        assert others.empty()


async def test_own_puts_ring_at_once_and_only_when_something_waits(store: PostgresStorage, account: str) -> None:
    """The watcher has been called when ``put`` returns; a put that changes nothing rings nobody."""
    calls: list[int] = []
    store.watch(account, lambda: calls.append(1))
    await store.put(account, KIND, [Change("a", "1")], keep_first=True)
    assert calls
    batch = await store.open(account, KIND, batch_id=account, limit=1, lease_seconds=60, exclusive=True)
    assert batch is not None
    await store.settle(batch.batch_id, batch.fence, [ItemOutcome("a", Outcome.ACCEPTED)])
    await asyncio.sleep(0.2)  # the listener has called everybody once by now
    calls.clear()
    await store.put(account, KIND, [Change("a", "1")])
    await store.put(account, KIND, [Change("a", "2")], keep_first=True)
    assert not calls


async def test_nobody_listens_while_nobody_watches(store: PostgresStorage, host: Any, account: str) -> None:
    """The listening connection is there while somebody watches, and no longer."""
    await host.set_autocommit(True)

    async def listeners() -> int:
        question = "SELECT count(*) AS n FROM pg_stat_activity WHERE query LIKE 'LISTEN%%amazon_ae%%'"
        rows = await host.execute(question, ())
        return int((await rows.fetchone())["n"])

    before = await listeners()
    rang = asyncio.Event()
    undo = store.watch(account, rang.set)
    await asyncio.wait_for(rang.wait(), 10)
    assert await listeners() == before + 1
    undo()
    for _ in range(100):
        if await listeners() == before:
            break
        await asyncio.sleep(0.02)
    assert await listeners() == before


async def test_cancelled_calls_do_all_or_nothing_and_leak_nothing(postgres_uri: str, account: str) -> None:
    """Two hundred calls cancelled at random instants: the two connections survive, every put is whole or not there."""
    dice = random.Random(7)
    keys = [f"{number:03d}" for number in range(50)]
    async with PostgresStorage(postgres_uri, max_connections=2, timeout_seconds=5) as store:
        await store.put(account, KIND, [Change(key, "0") for key in keys])
        for number in range(1, 101):
            verbs = [
                store.put(account, KIND, [Change(key, str(number)) for key in keys]),
                store.open(
                    account,
                    KIND,
                    batch_id=uuid.uuid4().hex,
                    limit=10,
                    lease_seconds=60,
                    exclusive=False,
                    ledger=f"{account}/quota",
                    admit=lambda text, _now: str(int(text or 0) + 1),
                ),
            ]
            tasks = [asyncio.create_task(verb) for verb in verbs]
            await asyncio.sleep(dice.uniform(0, 0.004))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        items = [await store.item(account, KIND, key) for key in keys]
        assert len({item.value for item in items if item}) == 1
        batches = await store.unfinished(account)
        assert int(await store.load(f"{account}/quota") or 0) == len(batches)
        assert sum(batch.size for batch in batches) == (await store.stats(account, KIND)).in_flight
        in_flight = [item for item in items if item and item.batch_id]
        assert len(in_flight) == sum(batch.size for batch in batches)


async def test_a_deadlock_with_the_hosts_transaction_is_tried_again(
    store: PostgresStorage, host: Any, account: str
) -> None:
    """The host locks b then a, the store a then b: PostgreSQL undoes one, and the store's put lands all the same."""
    await store.put(account, KIND, [Change("a", "1"), Change("b", "1")])
    # Whoever looks first is undone: the host is told to be patient.
    await host.execute("SET LOCAL deadlock_timeout = '20s'")
    await store.put(account, KIND, [Change("b", "2")], connection=host)
    put = asyncio.create_task(store.put(account, KIND, [Change("a", "3"), Change("b", "3")]))
    await asyncio.sleep(0.2)
    await store.put(account, KIND, [Change("a", "2")], connection=host)
    await host.commit()
    await put
    items = [await store.item(account, KIND, key) for key in "ab"]
    assert [item.value for item in items if item] == ["3", "3"]
    assert [item.version for item in items if item] == [3, 3]


async def test_odd_text_of_amazon_never_leaves_a_batch_unsettled(store: PostgresStorage, account: str) -> None:
    """NUL and half surrogates, which no database keeps, are replaced in codes and messages."""
    await store.put(account, KIND, [Change("a", "1")])
    batch = await store.open(account, KIND, batch_id=account, limit=1, lease_seconds=60, exclusive=True)
    assert batch is not None
    outcomes = [
        ItemOutcome("a", Outcome.REJECTED, "8\x00", "half \ud83d"),
        ItemOutcome("b\x00", Outcome.REJECTED, "", ""),
    ]
    await store.settle(batch.batch_id, batch.fence, outcomes)
    item = await store.item(account, KIND, "a")
    assert item is not None
    assert (item.state, item.code, item.message) == (ItemState.REJECTED, "8\ufffd", "half \ufffd")


async def test_an_injected_clock_replaces_the_databases(postgres_uri: str, account: str) -> None:
    """Every instant is the clock's: put_at, opened_at, the lease and its end, accepted_at."""
    clock = VirtualClock(autojump=False)
    async with PostgresStorage(postgres_uri, clock=clock) as store:
        start = clock.now()
        await store.put(account, KIND, [Change("a", "1")])
        clock.jump(10)
        batch = await store.open(account, KIND, batch_id=account, limit=1, lease_seconds=5, exclusive=True)
        assert batch is not None
        assert batch.opened_at == start + timedelta(seconds=10)
        assert batch.lease_until == start + timedelta(seconds=15)
        clock.jump(5)
        taken = await store.take_over(batch.batch_id, lease_seconds=5)
        assert taken is not None
        await store.settle(batch.batch_id, taken.fence, [ItemOutcome("a", Outcome.ACCEPTED)])
        item = await store.item(account, KIND, "a")
        assert item is not None
        assert (item.put_at, item.accepted_at) == (start, start + timedelta(seconds=15))


async def test_counts_stop_at_their_cap(store: PostgresStorage, account: str) -> None:
    """12,000 waiting items are counted as 10,000; their ages are exact all the same."""
    await store.put(account, KIND, [Change(f"{number:05d}", "1", urgent=number < 11_000) for number in range(12_000)])
    stats = await store.stats(account, KIND)
    assert (stats.waiting, stats.urgent) == (10_000, 10_000)
    first = (await store.waiting(account, KIND, limit=1))[0]
    assert stats.oldest_urgent_at == first.put_at


async def test_closing_twice_is_fine_and_a_closed_store_says_so(postgres_uri: str, account: str) -> None:
    """``aclose`` may come from a context manager and from a host's own clean-up."""
    store = PostgresStorage(postgres_uri)
    store.watch(account, lambda: None)
    await store.put(account, KIND, [Change("a", "1")])
    await store.aclose()
    await store.aclose()
    with pytest.raises(StorageError, match="closed"):
        await store.load("x")


def test_a_store_that_was_not_closed_says_so(postgres_uri: str) -> None:
    """A leak warns, as an open file does."""

    async def use() -> None:
        store = PostgresStorage(postgres_uri)
        await store.load("x")
        await store._database._pool.close()  # the workers of a leaked pool sometimes outlive the loop's patience

    def use_and_forget() -> None:
        asyncio.run(use())
        gc.collect()

    with pytest.warns(ResourceWarning, match="await aclose"):
        use_and_forget()


def test_no_word_of_the_connection_string_is_told(postgres_uri: str) -> None:
    """Neither the repr nor the error for an unreadable string quotes it."""
    with pytest.raises(ConfigurationError) as caught:
        PostgresStorage("host=db password=hunter2 oops")
    assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert caught.value.__suppress_context__
    assert "hunter2" not in repr(PostgresStorage("postgresql://app:hunter2@db/x"))


@pytest.mark.parametrize("schema", ["", "Upper", "a b", 'a"b', "a.b", "pg_mine", "1st", "x" * 64, "ä"])
def test_a_schema_that_needs_quotes_is_refused(schema: str) -> None:
    """Nobody should have to write quotes to look at the tables."""
    with pytest.raises(ConfigurationError, match="schema"):
        PostgresStorage("", schema=schema)


def test_the_driver_is_loaded_by_the_constructor_only() -> None:
    """Importing the module, or the package, brings no database driver with it."""
    code = (
        "import sys, amazon_ae._storage.postgres.store; "
        "print([name for name in sys.modules if name.startswith('psycopg')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
