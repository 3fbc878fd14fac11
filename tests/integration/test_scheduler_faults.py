"""The store or Amazon fails at any one call of a process's life. The loop goes on: nothing is lost or sent twice."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest
from scheduler_world import ORDERS, World, all_is_well, in_memory

from amazon_ae._exceptions import (
    AmazonAeError,
    DocumentError,
    OutcomeUnknown,
    PickupRejected,
    PickupUnknown,
    PortalError,
    StorageError,
    UnreadableResponse,
)
from amazon_ae._models.stored import ItemState
from amazon_ae.testing._clocks import VirtualClock

pytestmark = pytest.mark.slow


class Failing:
    """Raises instead of call number ``last``, or behind it: then it was carried out all the same."""

    def __init__(self, inner: Any, last: int, error: Exception, *, behind: bool) -> None:
        self.calls: list[str] = []
        self._inner, self._last, self._error, self._behind = inner, last, error, behind

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._inner, name)
        if not inspect.iscoroutinefunction(verb):
            return verb

        async def failing(*args: Any, **kwargs: Any) -> Any:
            self.calls.append(name)
            fails = len(self.calls) == self._last
            if fails and not self._behind:
                raise self._error
            result = await verb(*args, **kwargs)
            if fails:
                raise self._error
            return result

        return failing


async def lives(world: World, store: Any, gateway: Any) -> None:
    """A morning with one fault, after which all is well."""
    scheduler = world.scheduler(store, gateway)

    async def ask(order_id: str) -> ItemState:
        try:
            return (await scheduler.schedule_pickup(order_id)).state
        except StorageError:  # "ask again, it is sent once"
            return (await scheduler.schedule_pickup(order_id)).state

    async with scheduler:
        await world.stock(7)
        asked = [asyncio.ensure_future(ask(order_id)) for order_id in ORDERS]
        await world.clock.sleep(90)
        await world.stock(0, urgent=True)
        assert set(await asyncio.gather(*asked)) == {ItemState.ACCEPTED}
        await world.clock.sleep(7200)
    await all_is_well(world)
    await world.aclose()


def a_world() -> World:
    return World(VirtualClock(), in_memory())


async def with_store(last: int, *, behind: bool) -> list[str]:
    """Returns the store's calls."""
    world = a_world()
    store = Failing(world.storage, last, StorageError("the disk hiccups"), behind=behind)
    await lives(world, store, world.gateway)
    return store.calls


async def with_gateway(last: int, error: Exception, *, behind: bool) -> list[str]:
    """Returns the gateway's calls."""
    world = a_world()
    gateway = Failing(world.gateway, last, error, behind=behind)
    await lives(world, world.storage, gateway)
    return gateway.calls


CALLS = asyncio.run(with_store(0, behind=False))
GATEWAY_CALLS = asyncio.run(with_gateway(0, ValueError(), behind=False))


def test_every_verb_of_a_store_is_met() -> None:
    """What a scheduler calls in a quiet life; the rest is met in the crash matrix."""
    assert set(GATEWAY_CALLS) >= {"get", "submit", "status", "report"}
    assert {"put", "item", "open", "mark_submitted", "settle", "change", "load", "unfinished", "stats"} <= set(CALLS)


@pytest.mark.parametrize("behind", [False, True], ids=["before", "behind"])
async def test_a_store_that_fails_once_at_any_call_costs_nothing_but_time(behind: bool) -> None:
    """Not done, or done and not answered: every outcome comes, in the same process."""
    for last in range(1, len(CALLS) + 1):
        await with_store(last, behind=behind)


def errors_of(tree: type[AmazonAeError]) -> list[Exception]:
    """One of each class, but the panel's: this gateway opens no browser."""
    found: list[Exception] = []
    for kind in tree.__subclasses__():
        if not issubclass(kind, PortalError | DocumentError):
            found += [_made(kind), *errors_of(kind)]
    return found


def _made(kind: type[AmazonAeError]) -> Exception:
    if issubclass(kind, PickupRejected):
        return kind(ORDERS[0], "8541", "no")
    return kind(ORDERS[0], "no") if issubclass(kind, PickupUnknown) else kind("no")


ERRORS = [*errors_of(AmazonAeError), ValueError("a fault of the gateway"), TimeoutError("of the gateway's own")]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
async def test_a_gateway_that_fails_once_at_any_call_costs_nothing_but_time(error: Exception) -> None:
    """Submit, status, report, look-up: whatever the error, every item gets its outcome, and nothing leaves twice."""
    for last in range(1, len(GATEWAY_CALLS) + 1):
        await with_gateway(last, error, behind=False)


@pytest.mark.parametrize(
    "error", [OutcomeUnknown("no"), UnreadableResponse("no"), ValueError("no")], ids=lambda error: type(error).__name__
)
async def test_an_answer_that_is_lost_at_any_call_costs_nothing_but_time(error: Exception) -> None:
    """Amazon did what was asked, and nobody here knows."""
    for last in range(1, len(GATEWAY_CALLS) + 1):
        await with_gateway(last, error, behind=True)
