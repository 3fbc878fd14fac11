"""The rules in SQL are the rules in Python: any history gives the same answers in PostgreSQL and in memory."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import Phase, example, given, settings, strategies as st

from amazon_ae._exceptions import StaleLease
from amazon_ae._models.feeds import ItemKind, ItemOutcome, Outcome
from amazon_ae._models.stored import Change
from amazon_ae._ports import Storage
from amazon_ae._storage.memory import MemoryStorage
from amazon_ae._storage.postgres.store import PostgresStorage
from amazon_ae.testing._clocks import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.postgres
KIND = ItemKind.INVENTORY
KEYS = ["a", "ج"]
_numbers = itertools.count()

_keys = st.sampled_from(KEYS)
_changes = st.lists(
    st.builds(Change, _keys, st.sampled_from("12"), st.booleans(), st.sampled_from([None, "ref"])),
    min_size=1,
    max_size=4,
)
_words = st.sampled_from(["", "why"])
_mixed_outcomes = st.lists(st.builds(ItemOutcome, _keys, st.sampled_from(Outcome), _words, _words), max_size=4)
_one_outcome_for_all = st.sampled_from(Outcome).map(lambda outcome: [ItemOutcome(key, outcome) for key in KEYS])
_outcomes = _one_outcome_for_all | _mixed_outcomes
_put = st.tuples(st.just("put"), _changes, st.just(False))
# Values go to Amazon and back several times in every history; the other steps are what may come between.
_trip = st.tuples(
    _put, st.just(("open", None, False, True)), st.just(("submit",)) | _put, st.tuples(st.just("settle"), _outcomes)
)
_other_steps = st.one_of(
    st.tuples(st.just("put"), _changes, st.just(True)),
    st.tuples(st.just("open"), st.none() | st.lists(_keys, max_size=2), st.booleans(), st.booleans()),
    st.tuples(st.just("submit")),
    st.tuples(st.just("take_over")),
    st.tuples(st.just("settle_as_zombie"), _outcomes),
    st.tuples(st.just("reject"), _mixed_outcomes),
    st.tuples(st.just("resolve"), st.just(KEYS), st.sampled_from([o for o in Outcome if o is not Outcome.UNKNOWN])),
    st.tuples(st.just("purge"), st.integers(0, 5)),
)
_history = st.lists(_trip | _other_steps.map(lambda step: (step,)), min_size=4, max_size=12).map(
    lambda parts: [step for part in parts for step in part]
)


@attrs.frozen
class Bench:
    """What all examples share: one event loop, one store, one clock."""

    runner: asyncio.Runner
    postgres: PostgresStorage
    clock: VirtualClock


@pytest.fixture(scope="module")
def bench(postgres_uri: str) -> Iterator[Bench]:
    """One connection serves every example."""
    clock = VirtualClock(autojump=False)
    with asyncio.Runner() as runner:
        store = PostgresStorage(postgres_uri, clock=clock, max_connections=1)
        yield Bench(runner, store, clock)
        runner.run(store.aclose())


class History:
    """One store, driven by steps; answers what a caller sees."""

    def __init__(self, store: Storage, clock: VirtualClock, account: str) -> None:
        self.store = store
        self.clock = clock
        self.account = account
        self.batches = itertools.count()
        self.fences: dict[str, list[int]] = {}

    async def perform(self, step: tuple[Any, ...]) -> Any:
        """Do one step and return its answer."""
        verb, *arguments = step
        store, account = self.store, self.account
        open_batches = await store.unfinished(account)
        batch = open_batches[0] if open_batches else None
        match verb:
            case "put":
                return await store.put(account, KIND, arguments[0], keep_first=arguments[1])
            case "open":
                keys, exclusive, admitted = arguments
                return await store.open(
                    account,
                    KIND,
                    batch_id=f"{account}-{next(self.batches)}",
                    limit=10,
                    lease_seconds=3,
                    exclusive=exclusive,
                    keys=keys,
                    ledger=f"{account}/quota",
                    admit=lambda text, now: f"{text or ''}{now.minute}" if admitted else None,
                )
            case "submit" if batch:
                await store.mark_submitted(
                    batch.batch_id, batch.fence, feed_id="f", submitted_at=self.clock.now(), lease_seconds=3
                )
            case "take_over" if batch:
                return await store.take_over(batch.batch_id, lease_seconds=3)
            case "settle" if batch:
                await store.settle(batch.batch_id, batch.fence, arguments[0])
            case "settle_as_zombie" if batch:
                with pytest.raises(StaleLease):
                    await store.settle(batch.batch_id, batch.fence - 1, arguments[0])
            case "reject":
                await store.reject(account, KIND, arguments[0])
            case "resolve":
                return await store.resolve(account, KIND, arguments[0], outcome=arguments[1])
            case "purge":
                before = self.clock.now() - timedelta(seconds=arguments[0])
                return await store.purge(account, KIND, settled_before=before)
        return None

    async def seen(self) -> tuple[Any, ...]:
        """Everything a caller can see."""
        store, account = self.store, self.account
        return (
            [await store.item(account, KIND, key) for key in KEYS],
            {item.key for item in await store.waiting(account, KIND, limit=10)},
            await store.stats(account, KIND),
            await store.dead(account, KIND),
            await store.unfinished(account),
            await store.names(account),
            await store.load(f"{account}/quota"),
        )


def _puts(value: str) -> tuple[Any, ...]:
    return ("put", [Change("a", value)], False)


def _settled(outcome: Outcome) -> tuple[Any, ...]:
    return ("settle", [ItemOutcome("a", outcome)])


_OPEN = ("open", None, False, True)


# Not shrunk: a history is short, and the step that differs is in the message.
@settings(max_examples=80, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(history=_history)
@example([_puts("1"), _OPEN, _settled(Outcome.ACCEPTED), _puts("2"), _OPEN, _settled(Outcome.RETRY), _puts("1")])
@example([_puts("1"), _OPEN, _puts("2"), _settled(Outcome.RETRY)])
@example([_puts("1"), _OPEN, _puts("1"), _settled(Outcome.ACCEPTED_WITH_WARNINGS)])
def test_any_history_gives_the_same_answers(bench: Bench, history: list[tuple[Any, ...]]) -> None:
    """Each step answers alike and leaves alike what can be seen."""
    account = f"rules-{next(_numbers)}"

    async def compare() -> None:
        sides = [History(store, bench.clock, account) for store in (MemoryStorage(clock=bench.clock), bench.postgres)]
        for step in history:
            answers = [await side.perform(step) for side in sides]
            assert answers[0] == answers[1], step
            seen = [await side.seen() for side in sides]
            assert seen[0] == seen[1], step
            bench.clock.jump(1)

    bench.runner.run(compare())
