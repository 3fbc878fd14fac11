"""The rules of an item's life, tried against an Amazon that the rules do not see."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings, strategies as st

from amazon_ae._models.feeds import ItemOutcome, Outcome
from amazon_ae._models.stored import Change, ItemState, ReceiptState
from amazon_ae._storage import transitions
from amazon_ae._storage.rows import ItemRow

KEY = "SKU-1"
SURE = (Outcome.ACCEPTED, Outcome.ACCEPTED_WITH_WARNINGS, Outcome.REJECTED)
FLIGHT = ("batch_id", "flight_version", "flight_value", "flight_put_at")


class World:
    """One key in a store, and what Amazon really holds."""

    def __init__(self) -> None:
        self.row: ItemRow | None = None
        self.amazon: str | None = None
        self.landed = 0  # the version of what Amazon holds
        self.now = 0

    def put(self, value: str, *, keep_first: bool = False) -> ReceiptState:
        self.now += 1
        change = Change(KEY, value)
        if self.row is None:
            self.row = ItemRow("A/AE", "inventory", KEY, *transitions.first_put(change, self.now))
            return ReceiptState.WAITING
        newer, state = transitions.put(self.row, change, self.now, keep_first=keep_first)
        if newer is not None:
            assert newer.version > self.row.version, "versions grow"
            self.row = self.row._replace(**newer._asdict(), code="", message="")
        return state

    def take(self) -> None:
        row = self.row
        if row is not None and row.state == ItemState.WAITING and row.batch_id is None:
            self.row = transitions.take(row, "b")

    def settle(self, outcome: Outcome, *, arrived: bool) -> None:
        """``arrived``: where the outcome is not sure, whether Amazon took the value after all."""
        self.now += 1
        row = self.row
        if row is None or row.batch_id is None:
            return
        if outcome in SURE[:2] or (outcome not in SURE and arrived):
            assert row.flight_version is not None
            assert row.flight_version >= self.landed, "no older value after a newer one"
            self.amazon, self.landed = row.flight_value, row.flight_version
        self.row = transitions.settle(row, ItemOutcome(KEY, outcome, "c", "m"), self.now)

    def resolve(self, outcome: Outcome) -> None:
        self.now += 1
        if self.row is None or self.row.state not in (ItemState.REJECTED, ItemState.UNKNOWN):
            return
        if outcome is Outcome.ACCEPTED:
            self.amazon, self.landed = self.row.value, self.row.version  # the host looked
        self.row = transitions.resolve(self.row, outcome, self.now)
        if self.row is None:
            self.landed = 0

    def drain(self) -> None:
        """Everything that waits goes out and is accepted."""
        self.settle(Outcome.ACCEPTED, arrived=True)
        while self.row is not None and self.row.state == ItemState.WAITING:
            self.take()
            self.settle(Outcome.ACCEPTED, arrived=True)

    def check(self) -> None:
        """The invariants that ``ItemRow`` states."""
        row = self.row
        if row is None:
            return
        flies = row.batch_id is not None
        assert all((getattr(row, name) is not None) == flies for name in FLIGHT)
        assert not (row.state == ItemState.IN_FLIGHT and row.flight_version != row.version)
        assert not (row.state not in (ItemState.IN_FLIGHT, ItemState.WAITING) and flies)
        if row.state == ItemState.ACCEPTED:
            assert row.value == row.accepted_value
        if row.accepted_value is not None and not row.in_doubt and not flies:
            assert row.accepted_value == self.amazon, "without doubt and flight, Amazon holds the accepted value"


values = st.sampled_from("123")
steps = st.one_of(
    st.tuples(st.just("put"), values, st.booleans()),
    st.tuples(st.just("take")),
    # Put, take and settle in a row, or the interesting states would be rare.
    st.tuples(st.just("send"), values, st.sampled_from(list(Outcome)), st.booleans()),
    st.tuples(st.just("settle"), st.sampled_from(list(Outcome)), st.booleans()),
    st.tuples(st.just("resolve"), st.sampled_from([Outcome.RETRY, Outcome.ACCEPTED, Outcome.REJECTED])),
)


def walk(world: World, script: list[tuple[Any, ...]]) -> None:
    """Carry out a script of steps; the invariants hold after each."""
    for step in script:
        match step:
            case ("put", value, keep_first):
                state = world.put(value, keep_first=keep_first)
                if state is ReceiptState.UNCHANGED:
                    assert world.amazon == value, "UNCHANGED never lies"
            case ("take",):
                world.take()
            case ("send", value, outcome, arrived):
                walk(world, [("put", value, False), ("take",), ("settle", outcome, arrived)])
            case ("settle", outcome, arrived):
                world.settle(outcome, arrived=arrived)
            case ("resolve", outcome):
                world.resolve(outcome)
        world.check()


@settings(max_examples=500)
@given(script=st.lists(steps, max_size=25), last=values)
def test_the_last_value_put_is_what_amazon_holds_in_the_end(script: list[tuple[Any, ...]], last: str) -> None:
    """Whatever happened before, retries that arrived after all included: put, let everything out, and it is there."""
    world = World()
    walk(world, script)
    world.put(last)
    world.drain()
    assert world.amazon == last
    assert world.row is not None
    assert world.row.state == ItemState.ACCEPTED
    world.check()


@settings(max_examples=300)
@given(script=st.lists(steps, max_size=25), value=values)
def test_a_pickup_is_asked_for_once(script: list[tuple[Any, ...]], value: str) -> None:
    """``keep_first`` never replaces a request, except a refused one."""
    world = World()
    walk(world, script)
    before = world.row
    state = world.put(value, keep_first=True)
    if before is not None and before.state != ItemState.REJECTED:
        assert state is ReceiptState.JOINED
        assert world.row is before


@settings(max_examples=300)
@given(script=st.lists(steps, max_size=25))
def test_a_waiting_key_never_moves_back_in_the_queue(script: list[tuple[Any, ...]]) -> None:
    """``put_at`` of what waits grows only when a value got its outcome in between."""
    world = World()
    since: int | None = None
    for step in script:
        walk(world, [step])
        row = world.row
        waits = row is not None and row.state == ItemState.WAITING
        if row is not None and waits and since is not None and step[0] in ("put", "take"):
            assert row.put_at <= since
        since = row.put_at if waits and row is not None else None
