"""A host cancels a call of the scheduler at any turn of the event loop. Nothing is lost, sent twice or left behind."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Coroutine
from typing import Any

import pytest
from scheduler_world import ORDERS, World, all_is_well, in_memory

from amazon_ae._models.stored import ItemState
from amazon_ae.testing._clocks import VirtualClock


class Yielding:
    """Lets others run before and after each verb, as a store with a thread or a socket does."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._inner, name)
        if not inspect.iscoroutinefunction(verb):
            return verb

        async def yielding(*args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(0)
            result = await verb(*args, **kwargs)
            await asyncio.sleep(0)
            return result

        return yielding


def a_world() -> World:
    return World(VirtualClock(), in_memory())


async def cancelled_after(turns: int, work: Coroutine[Any, Any, Any]) -> bool:
    """Cancel ``work`` after so many turns; whether it was still at work then."""
    task = asyncio.ensure_future(work)
    for _ in range(turns):
        await asyncio.sleep(0)
    under_way = not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return under_way


async def ends_well(world: World) -> None:
    """A scheduler that nobody disturbs gets everything done."""
    async with world.process() as scheduler:
        await world.stock(0, urgent=True)
        asked = await asyncio.gather(*map(scheduler.schedule_pickup, ORDERS))
        assert {outcome.state for outcome in asked} == {ItemState.ACCEPTED}
        await world.clock.sleep(3600)
    await all_is_well(world)
    await world.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_schedule_pickup_cancelled_at_any_turn() -> None:
    """Stored or not stored: asked for again, it is sent once."""
    for turns in range(30):  # from the sixth on it waits for its outcome
        world = a_world()
        async with world.scheduler(Yielding(world.storage), world.gateway) as scheduler:
            assert await cancelled_after(turns, scheduler.schedule_pickup(ORDERS[0]))
        await ends_well(world)


async def test_run_once_cancelled_at_any_turn() -> None:
    """The next call goes on."""
    turns = 0
    while turns < 1000:
        world = a_world()
        scheduler = world.scheduler(Yielding(world.storage), world.gateway)
        await world.stock(7)
        asked = [asyncio.ensure_future(scheduler.schedule_pickup(order_id)) for order_id in ORDERS]
        for _ in range(10):
            await asyncio.sleep(0)
        under_way = await cancelled_after(turns, scheduler.run_once())
        while not all(task.done() for task in asked):
            await world.clock.sleep(await scheduler.run_once())
        await scheduler.aclose()
        await ends_well(world)
        if not under_way:
            break
        turns += 1
    assert 10 < turns < 1000


@pytest.mark.parametrize("seconds", [0.0, 30.0], ids=["a request on its way", "a feed at Amazon"])
async def test_closing_cancelled_at_any_turn(seconds: float) -> None:
    """No waiter is forgotten, a second close ends what is left, and the next process goes on."""
    turns = 0
    while turns < 1000:
        world = a_world()
        scheduler = world.scheduler(Yielding(world.storage), world.gateway)
        await scheduler.__aenter__()
        await world.stock(7)
        asked = [asyncio.ensure_future(scheduler.schedule_pickup(order_id)) for order_id in ORDERS]
        for _ in range(12):
            await asyncio.sleep(0)
        await world.clock.sleep(seconds)
        under_way = await cancelled_after(turns, scheduler.__aexit__(None, None, None))
        await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 5)
        await scheduler.aclose()
        await ends_well(world)
        if not under_way:
            break
        turns += 1
    assert 3 < turns < 1000
