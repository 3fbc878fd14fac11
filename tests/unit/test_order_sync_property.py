"""``OrderSync`` against a marketplace that moves while it is read, and a process that dies anywhere."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from amazon_ae._exceptions import ServiceUnavailable
from amazon_ae._models.orders import Order, OrderItem, OrderPage
from amazon_ae._orders.sync import UNFULFILLED, OrderSync, SyncedOrder
from amazon_ae._orders.windows import version_of
from amazon_ae._storage.memory import MemoryStorage
from amazon_ae.testing._clocks import VirtualClock

START = datetime(2021, 11, 18, 9, 0, tzinfo=UTC)


class Died(Exception):
    """The process is gone."""


class MovingMarketplace:
    """Lists by offset, the worst kind of paging: what leaves a window moves everything behind it up."""

    account = "A1SELLER/AE"
    poll_seconds = 120.0

    def __init__(self, clock: VirtualClock, dice: random.Random, *, page_size: int) -> None:
        self.clock = clock
        self.dice = dice
        self.page_size = page_size
        self.known: dict[str, Order] = {}
        self.moves = True
        self.order_by: Callable[[Order], Any] = dice.choice(
            [
                lambda order: order.last_update_date,
                lambda order: order.amazon_order_id,
                lambda order: -order.last_update_date.timestamp(),
            ]
        )

    def add(self) -> None:
        order_id = f"171-{len(self.known):07d}-1234567"
        now = self.clock.now()
        self.known[order_id] = Order(
            amazon_order_id=order_id, purchase_date=now, last_update_date=now, order_status="Unshipped"
        )

    def change(self) -> None:
        if not self.known:
            return
        order_id = self.dice.choice(list(self.known))
        status = self.dice.choice(["Unshipped", "Unshipped", "PartiallyShipped", "Shipped", "Canceled"])
        self.known[order_id] = attrs.evolve(
            self.known[order_id], last_update_date=self.clock.now(), order_status=status
        )

    def move(self) -> None:
        if self.moves:
            self.clock.jump(self.dice.choice([0, 0.4, 7, 90]))
            for _ in range(self.dice.randrange(3)):
                self.dice.choice([self.add, self.change, self.change])()

    async def orders(
        self, *, updated_after: datetime, updated_before: datetime | None = None, statuses: Collection[str] = ()
    ) -> AsyncIterator[OrderPage]:
        until = self.clock.now() - timedelta(minutes=2)
        until = until if updated_before is None else min(until, updated_before)
        offset = 0
        while True:
            self.move()
            fit = [
                order
                for order in sorted(self.known.values(), key=self.order_by)
                if updated_after <= (order.last_update_date or START) <= until and order.order_status in statuses
            ]
            page, offset = fit[offset : offset + self.page_size], offset + self.page_size
            more = offset < len(fit)
            yield OrderPage(orders=tuple(page), complete_until=until, position="more" if more else None)
            if not more:
                return

    async def items(self, order_id: str) -> Sequence[OrderItem]:
        self.move()
        return (OrderItem(asin="B0EXAMPLE1", order_item_id=order_id[4:11], quantity_ordered=1),)

    async def get(self, order_ids: Sequence[str]) -> Sequence[Order]:
        self.move()
        return [self.known[order_id] for order_id in order_ids if order_id in self.known]


class Mortal:
    """A gateway or a store whose owner dies before or after one of its calls."""

    def __init__(self, inner: Any, life: list[int], *, after: bool) -> None:
        self._inner, self._life, self._after = inner, life, after

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._inner, name)
        if name not in ("items", "get", "load", "change", "names"):
            return call

        async def mortal(*args: Any, **options: Any) -> Any:
            self._life[0] -= 1
            if self._life[0] == 0 and not self._after:
                raise Died
            answer = await call(*args, **options)
            if self._life[0] == 0:
                raise Died
            return answer

        return mortal


class Host:
    """Receives orders and checks the promise as they come."""

    def __init__(self) -> None:
        self.acknowledged: list[tuple[str, datetime | None]] = []

    async def take(self, sync: OrderSync, synced: SyncedOrder, *, acknowledge: bool) -> None:
        version = (synced.order.amazon_order_id, synced.order.last_update_date)
        assert version not in self.acknowledged, "handed over twice"
        assert synced.items[0].order_item_id == synced.order.amazon_order_id[4:11]
        if acknowledge:
            assert await sync.acknowledge(synced)
            self.acknowledged.append(version)


async def _live(seed: int) -> None:
    dice = random.Random(seed)
    clock = VirtualClock(START, autojump=False)
    market = MovingMarketplace(clock, dice, page_size=dice.choice([2, 3, 5]))
    storage = MemoryStorage(clock=clock)
    for _ in range(dice.randrange(25)):
        market.add()
        clock.jump(dice.choice([0, 0.2, 1, 40]))
    host = Host()
    options: dict[str, Any] = {
        "clock": clock,
        "overlap_seconds": dice.choice([0, 5, 300]),
        "first_since": START - timedelta(days=1),
    }
    for _ in range(dice.randrange(2, 7)):
        life = [dice.choice([0, dice.randrange(1, 60)])]  # 0: this one lives
        after = dice.random() < 0.5
        sync = OrderSync(
            Mortal(storage, life, after=after), Mortal(market, life, after=after), account=market.account, **options
        )
        try:
            for _ in range(2):
                async for synced in sync.poll():
                    await host.take(sync, synced, acknowledge=dice.random() < 0.8)
                    if dice.random() < 0.05:
                        break
                clock.jump(dice.choice([10, 130, 4000]))
        except Died:
            # An acknowledgement that died may be durable all the same, as the store tells.
            for name in await storage.names("order-sync/"):
                if "/v/" in name and '"done"' in (await storage.load(name) or ""):
                    stamp, order_id = name.split("/v/")[1].split("/")
                    version = (order_id, datetime.fromisoformat(stamp))
                    if version not in host.acknowledged:
                        host.acknowledged.append(version)
    market.moves = False
    clock.jump(3600)
    sync = OrderSync(storage, market, **options)
    for _ in range(2):
        async for synced in sync.poll():
            await host.take(sync, synced, acknowledge=True)
        clock.jump(600)
    assert len(set(host.acknowledged)) == len(host.acknowledged)
    owed = {
        (order.amazon_order_id, order.last_update_date)
        for order in market.known.values()
        if order.order_status in ("Unshipped", "PartiallyShipped")
    }
    assert owed <= set(host.acknowledged), "missed"
    assert [synced async for synced in OrderSync(storage, market, **options).poll()] == []


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32))
async def test_no_order_is_missed_or_handed_over_twice_whatever_moves_and_dies(seed: int) -> None:
    """Orders change between pages, processes die before or after any call, hosts forget to acknowledge."""
    await _live(seed)


async def _together(seed: int) -> None:
    """Several processes poll one account, step by step in any order; some stop in mid-poll."""
    dice = random.Random(seed)
    clock = VirtualClock(START, autojump=False)
    market = MovingMarketplace(clock, dice, page_size=dice.choice([2, 3, 5]))
    storage = MemoryStorage(clock=clock)
    for _ in range(dice.randrange(20)):
        market.add()
        clock.jump(dice.choice([0, 0.2, 1, 40]))
    claim_seconds = dice.choice([0.0, 600.0])
    options: dict[str, Any] = {
        "clock": clock,
        "overlap_seconds": dice.choice([0, 5, 300]),
        "claim_seconds": claim_seconds,
        "first_since": START - timedelta(days=1),
    }
    syncs = [OrderSync(storage, market, **options) for _ in range(3)]
    polls: dict[int, Any] = {}
    acknowledged: set[str] = set()
    held_until: dict[str, datetime] = {}
    for _ in range(dice.randrange(20, 120)):
        number = dice.randrange(len(syncs))
        if number not in polls or dice.random() < 0.03:
            polls[number] = syncs[number].poll()
        before, began = set(acknowledged), clock.now()
        synced = await anext(polls[number], None)
        if synced is None:
            del polls[number]
            clock.jump(dice.choice([10, 130, 4000]))
            continue
        assert synced.version not in before, "handed over after it was acknowledged"
        assert clock.now() >= held_until.get(synced.version, began), "handed over while another process held it"
        if claim_seconds:
            held_until[synced.version] = began + timedelta(seconds=claim_seconds)
        if dice.random() < 0.8:
            first = await syncs[dice.randrange(3)].acknowledge(synced)
            assert not (first and synced.version in acknowledged), "two calls were the first"
            if first:
                acknowledged.add(synced.version)
    market.moves = False
    clock.jump(7200)
    for _ in range(2):
        async for synced in syncs[0].poll():
            assert synced.version not in acknowledged
            assert await syncs[0].acknowledge(synced)
            acknowledged.add(synced.version)
        clock.jump(7200)
    owed = {version_of(order) for order in market.known.values() if order.order_status in UNFULFILLED}
    assert owed <= acknowledged, "missed"


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32))
async def test_processes_side_by_side_miss_nothing_and_acknowledge_once(seed: int) -> None:
    """With and without claims, on one store, while the marketplace moves."""
    await _together(seed)


async def test_an_outage_in_the_middle_of_a_window_loses_nothing() -> None:
    """An error reaches the caller; the next poll hands over what was not acknowledged."""
    clock = VirtualClock(START, autojump=False)
    market = MovingMarketplace(clock, random.Random(1), page_size=100)
    market.moves = False
    for _ in range(6):
        market.add()
        clock.jump(1)
    clock.jump(600)
    real = market.items

    async def broken(order_id: str) -> Sequence[OrderItem]:
        if order_id.startswith("171-0000003"):
            raise ServiceUnavailable("down", status=503, retryable=True)
        return await real(order_id)

    market.items = broken  # type: ignore[method-assign]
    sync = OrderSync(MemoryStorage(clock=clock), market, clock=clock)
    taken = []

    async def take_all() -> None:
        async for synced in sync.poll():
            taken.append(synced.order.amazon_order_id[4:11])
            await sync.acknowledge(synced)

    with pytest.raises(ServiceUnavailable):
        await take_all()
    market.items = real  # type: ignore[method-assign]
    await take_all()
    assert sorted(taken) == [f"{number:07d}" for number in range(6)]
