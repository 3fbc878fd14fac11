"""Simulated hosts: what is killed has no effect any more, what is frozen goes on later, and a seed decides the rest."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from amazon_ae import (
    AE,
    AmazonAeError,
    Change,
    ItemKind,
    MemoryStorage,
    MwsClient,
    MwsGateway,
    SpApiClient,
    SQLiteStorage,
)
from amazon_ae.testing import (
    FAKE_SPAPI_CREDENTIALS,
    FakeMws,
    FakeSpApi,
    HostKilled,
    MwsFault,
    NetworkFaults,
    SimulatedHost,
    SimulatedHosts,
    VirtualClock,
)

ACCOUNT = "A1SELLER/AE"


async def put(storage: Any, key: str) -> None:
    """One change."""
    await storage.put(ACCOUNT, ItemKind.INVENTORY, [Change(key, "1")])


async def test_a_killed_host_has_no_effect_any_more() -> None:
    """Neither its next steps nor its clean-up; what it started dies with it."""
    clock = VirtualClock()
    storage = MemoryStorage(clock=clock)

    async def program(host: SimulatedHost) -> None:
        store = host.storage(storage)
        beside = asyncio.ensure_future(later(store, host))
        try:
            await put(store, "before")
            await host.clock.sleep(100)
        finally:
            await asyncio.gather(beside, return_exceptions=True)
            await put(store, "clean-up")

    async def later(store: Any, host: SimulatedHost) -> None:
        await host.clock.sleep(50)
        await put(store, "beside")

    async with SimulatedHosts(clock) as hosts:
        host = hosts.boot(program)
        await clock.sleep(10)
        await host.kill()
        await clock.sleep(1000)
        assert await host.finished() is None
        with pytest.raises(HostKilled):
            host.clock.now()
    waiting = await storage.waiting(ACCOUNT, ItemKind.INVENTORY, limit=9)
    assert [item.key for item in waiting] == ["before"]


async def test_a_frozen_host_goes_on_later_with_a_clock_of_its_own() -> None:
    """Its timers fire when it thaws, and its time is off by its skew."""
    clock = VirtualClock()
    begun = clock.now()
    woken: list[float] = []

    async def program(host: SimulatedHost) -> float:
        await host.clock.sleep(10)
        woken.append((clock.now() - begun).total_seconds())
        return (host.clock.now() - clock.now()).total_seconds()

    async with SimulatedHosts(clock) as hosts:
        host = hosts.boot(program, name="laptop", skew_seconds=-90)
        await clock.sleep(5)
        host.freeze(600)
        assert await host.finished() == -90
    assert woken == [605]
    assert host.name == "laptop"


async def test_a_host_is_killed_or_frozen_at_a_step() -> None:
    """Steps count from 1; a host that dies at the second performed the first."""
    clock = VirtualClock()
    storage = MemoryStorage(clock=clock)

    async def program(host: SimulatedHost) -> None:
        for key in "abc":
            await put(host.storage(storage), key)

    async with SimulatedHosts(clock) as hosts:
        whole = hosts.boot(program)
        await whole.finished()
        assert whole.steps == 9  # before, when its turn comes, and after each of three calls
        begun = clock.now()
        slow = hosts.boot(program)
        slow.freeze_at(2, 300)
        await slow.finished()
        assert (clock.now() - begun).total_seconds() > 300
        dead = hosts.boot(program)
        dead.kill_at(4)
        assert await dead.finished() is None
        assert (dead.steps, dead.alive) == (4, False)


async def test_the_exception_of_a_program_is_raised() -> None:
    """By ``finished``, and at the end of the block."""
    clock = VirtualClock()

    async def program(host: SimulatedHost) -> None:
        await host.clock.sleep(1)
        raise LookupError("a bug of the host")

    async def unnoticed() -> None:
        async with SimulatedHosts(clock) as hosts:
            hosts.boot(program)
            await clock.sleep(5)

    with pytest.raises(LookupError):
        await unnoticed()
    async with SimulatedHosts(clock) as hosts:
        with pytest.raises(LookupError):
            await hosts.boot(program).finished()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("refused", httpx.ConnectError),
        ("answer_lost", httpx.ReadError),
        ("arrives_late", httpx.ReadTimeout),
        ("unavailable", None),
        ("garbled", None),
    ],
)
async def test_each_fault_of_the_network(fault: str, error: type[Exception] | None) -> None:
    """What the client sees, and whether Amazon was reached."""
    clock = VirtualClock()
    amazon = FakeMws(clock=clock)
    url = f"{amazon.marketplace.mws_endpoint}/Orders/2013-09-01?Action=GetServiceStatus"

    async def program(host: SimulatedHost) -> httpx.Response:
        async with httpx.AsyncClient(transport=host.network(amazon, NetworkFaults(**{fault: 1.0}))) as http:
            return await http.post(url)

    async with SimulatedHosts(clock) as hosts:
        host = hosts.boot(program)
        if error is None:
            answer = await host.finished()
            assert (answer.status_code, b"<html>" in answer.content) == {
                "unavailable": (503, False),
                "garbled": (200, True),
            }[fault]
        else:
            with pytest.raises(error):
                await host.finished()
        seen = len(amazon.requests)
        await clock.sleep(150)
        assert hosts.counts == {fault: 1}
    assert (seen, len(amazon.requests)) == {"answer_lost": (1, 1), "arrives_late": (0, 1)}.get(fault, (0, 0))


async def test_ordered_faults_strike_too_and_the_selling_partner_api_is_reached() -> None:
    """``fail`` of the fake, and a client of the other backend."""
    clock = VirtualClock()
    amazon = FakeMws(clock=clock)
    other = FakeSpApi(clock=clock)
    amazon.fail("*", MwsFault.ANSWER_LOST, None)

    async def old(host: SimulatedHost) -> None:
        async with httpx.AsyncClient(transport=host.network(amazon)) as http:
            client = MwsClient(amazon.credentials, amazon.marketplace, http=http, clock=host.clock)
            await MwsGateway(client).recent(ItemKind.INVENTORY, host.clock.now())

    async def new(host: SimulatedHost) -> int:
        http = httpx.AsyncClient(transport=host.network(other))
        async with SpApiClient(FAKE_SPAPI_CREDENTIALS, AE, http=http, clock=host.clock) as client:
            pages = client.orders.search(last_updated_after=host.clock.now() - timedelta(days=1))
            return len([order async for page in pages for order in page.orders])

    async with SimulatedHosts(clock) as hosts:
        with pytest.raises(AmazonAeError):
            await hosts.boot(old).finished()
        assert await hosts.boot(new).finished() == 0


async def test_hosts_share_a_file(tmp_path: Path) -> None:
    """Each with a connection of its own; the virtual clock waits for their threads."""
    clock = VirtualClock()
    path = tmp_path / "shared.sqlite"
    stores = [SQLiteStorage(path, clock=clock, watch_seconds=None) for _ in range(2)]

    async with SimulatedHosts(clock) as hosts:

        async def program(host: SimulatedHost) -> None:
            store = host.storage(stores[int(host.name)])
            for number in range(5):
                await put(store, f"{host.name}-{number}")

        await asyncio.gather(*(hosts.boot(program, name=name).finished() for name in "01"))
    assert (await stores[0].stats(ACCOUNT, ItemKind.INVENTORY)).waiting == 10
    for store in stores:
        await store.aclose()


async def test_a_seed_decides_the_order_of_what_hosts_do() -> None:
    """The same in every run of it, another with another."""

    async def order(seed: int) -> list[str]:
        clock, done = VirtualClock(), []
        storage = MemoryStorage(clock=clock)

        async def program(host: SimulatedHost) -> None:
            for _ in range(5):
                await put(host.storage(storage), host.name)
                done.append(host.name)

        async with SimulatedHosts(clock, seed=seed) as hosts:
            await asyncio.gather(*[hosts.boot(program).finished() for _ in range(3)])
        return done

    assert await order(1) == await order(1)
    assert len({tuple(await order(seed)) for seed in range(5)}) == 5
