"""A thousand schedulers that only look do not hold up the one that has something to do."""

from __future__ import annotations

import asyncio

from amazon_ae._scheduling.pass_limits import PassLimit, PassTurn


async def _pass(limit: PassLimit, turn: PassTurn, name: str, order: list[str]) -> None:
    async with limit.turn(turn):
        order.append(name)
        await asyncio.sleep(0)


async def test_a_woken_scheduler_goes_before_idle_ones() -> None:
    """Also where it stands in line already when it is woken."""
    order: list[str] = []
    limit = PassLimit(1)
    turns = [PassTurn() for _ in range(40)]
    passes = [asyncio.create_task(_pass(limit, turn, str(number), order)) for number, turn in enumerate(turns)]
    await asyncio.sleep(0)
    limit.hurry(turns[30])
    limit.hurry(turns[30])
    late = PassTurn()
    limit.hurry(late)
    passes.append(asyncio.create_task(_pass(limit, late, "late", order)))
    await asyncio.gather(*passes)
    assert order.index("30") <= 2
    assert order.index("late") <= 3
    assert sorted(order) == sorted(["late", *map(str, range(40))])


async def test_idle_schedulers_get_their_turn_beside_woken_ones() -> None:
    """Every fourth turn is an idle one's, however many are woken."""
    order: list[str] = []
    limit = PassLimit(1)
    idle = [asyncio.create_task(_pass(limit, PassTurn(), "idle", order)) for _ in range(5)]
    await asyncio.sleep(0)
    woken = []
    for _ in range(40):
        turn = PassTurn()
        limit.hurry(turn)
        woken.append(asyncio.create_task(_pass(limit, turn, "woken", order)))
    await asyncio.gather(*idle, *woken)
    assert order[:20].count("idle") >= 4


async def test_a_cancelled_turn_is_given_on() -> None:
    """Whether it still waits or was given its turn at that instant: the next one passes."""
    order: list[str] = []
    limit = PassLimit(1)
    for turns_of_the_loop in range(4):
        tasks = [asyncio.create_task(_pass(limit, PassTurn(), "x", order)) for _ in range(3)]
        for _ in range(turns_of_the_loop):
            await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.wait_for(_pass(limit, PassTurn(), "last", order), 1)
    assert order.count("last") == 4
