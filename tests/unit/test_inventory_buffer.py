"""What a host may rely on when it hands stock changes over."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

import attrs
import pytest

from amazon_ae._exceptions import ConfigurationError, StorageError
from amazon_ae._inventory import BufferedCount, InventoryBuffer, SkuStatus
from amazon_ae._models.feeds import InventoryUpdate, ItemKind, ItemOutcome, Outcome
from amazon_ae._models.stored import Change, ItemState, QueueStats, ReceiptState
from amazon_ae._storage.memory import MemoryStorage
from amazon_ae.testing._clocks import VirtualClock

ACCOUNT = "A1SELLER/AE"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(autojump=False)


@pytest.fixture
def storage(clock: VirtualClock) -> MemoryStorage:
    return MemoryStorage(clock=clock)


@pytest.fixture
def buffer(storage: MemoryStorage) -> InventoryBuffer:
    return InventoryBuffer(storage, ACCOUNT)


async def send(storage: MemoryStorage, outcome: Outcome, *, code: str = "", message: str = "") -> None:
    """Carry everything that waits to one outcome."""
    batch = await storage.open(ACCOUNT, ItemKind.INVENTORY, batch_id="b", limit=10, lease_seconds=60, exclusive=True)
    assert batch is not None
    outcomes = [ItemOutcome(key, outcome, code, message) for key, _, _ in batch.items]
    await storage.settle("b", batch.fence, outcomes)


async def status(buffer: InventoryBuffer, sku: str) -> SkuStatus:
    """The status of a SKU that the buffer knows."""
    found = await buffer.status(sku)
    assert found is not None
    return found


async def test_a_status_tells_a_change_from_put_to_acceptance(
    buffer: InventoryBuffer, storage: MemoryStorage, clock: VirtualClock
) -> None:
    """Waiting since, in which feed, last accepted value and when."""
    receipt = await buffer.put(
        "SKU-1", 7, fulfillment_latency_days=2, restock_date=date(2021, 12, 1), reference="erp-1"
    )
    assert receipt.state is ReceiptState.WAITING
    put_at = clock.now()
    wanted = InventoryUpdate("SKU-1", 7, fulfillment_latency_days=2, restock_date=date(2021, 12, 1), reference="erp-1")
    assert await buffer.status("SKU-1") == SkuStatus(
        sku="SKU-1", state=ItemState.WAITING, newest=wanted, version=receipt.version, waiting_since=put_at
    )
    clock.jump(30)
    batch = await storage.open(ACCOUNT, ItemKind.INVENTORY, batch_id="b1", limit=9, lease_seconds=60, exclusive=True)
    assert batch is not None
    await storage.mark_submitted("b1", batch.fence, feed_id="501", submitted_at=clock.now(), lease_seconds=60)
    flying = await status(buffer, "SKU-1")
    assert (flying.state, flying.waiting_since) == (ItemState.IN_FLIGHT, None)
    assert (flying.batch_id, flying.feed_id) == ("b1", "501")
    clock.jump(60)
    await storage.settle("b1", batch.fence, [ItemOutcome("SKU-1", Outcome.ACCEPTED)])
    accepted = await status(buffer, "SKU-1")
    assert (accepted.state, accepted.accepted_at, accepted.feed_id) == (ItemState.ACCEPTED, clock.now(), None)
    assert accepted.accepted == attrs.evolve(wanted, reference=None)


async def test_an_unknown_sku_has_no_status(buffer: InventoryBuffer) -> None:
    """Never put: ``None``."""
    assert await buffer.status("SKU-1") is None


async def test_the_accepted_quantity_is_not_sent_again(buffer: InventoryBuffer, storage: MemoryStorage) -> None:
    """The receipt says so, and nothing waits."""
    await buffer.put("SKU-1", 7)
    await send(storage, Outcome.ACCEPTED)
    assert (await buffer.put("SKU-1", 7)).state is ReceiptState.UNCHANGED
    assert (await buffer.stats()).waiting == 0
    assert (await buffer.put("SKU-1", 7, fulfillment_latency_days=3)).state is ReceiptState.WAITING


async def test_a_drop_to_zero_is_urgent(buffer: InventoryBuffer, storage: MemoryStorage) -> None:
    """It leaves before changes that waited longer; stock that came back is not urgent any more."""
    await buffer.put("SKU-1", 5)
    await buffer.put("SKU-2", 0)
    assert [item.key for item in await storage.waiting(ACCOUNT, ItemKind.INVENTORY, limit=9)] == ["SKU-2", "SKU-1"]
    assert (await buffer.stats()).urgent == 1
    await buffer.put("SKU-2", 1)
    assert (await buffer.stats()).urgent == 0


async def test_put_many_counts_what_waits_and_what_amazon_has(buffer: InventoryBuffer, storage: MemoryStorage) -> None:
    """Two of three are new."""
    await buffer.put("SKU-1", 1)
    await send(storage, Outcome.ACCEPTED)
    count = await buffer.put_many(InventoryUpdate(f"SKU-{number}", 1) for number in (1, 2, 3))
    assert count == BufferedCount(waiting=2, unchanged=1)
    assert await buffer.put_many([]) == BufferedCount()


async def test_put_many_reads_a_generator_chunk_by_chunk(storage: MemoryStorage) -> None:
    """No more than one chunk is held: each is stored before the next is read."""
    read = 0
    stored: list[tuple[int, int]] = []

    class Watching:
        """Storage that notes how much was read when each chunk arrived."""

        async def put(self, account: str, kind: ItemKind, changes: Sequence[Change], **options: Any) -> Any:
            stored.append((read, len(changes)))
            return await storage.put(account, kind, changes)

    def updates() -> Iterator[InventoryUpdate]:
        nonlocal read
        for number in range(48_000):
            read += 1
            yield InventoryUpdate(f"SKU-{number}", 1)

    await InventoryBuffer(Watching(), ACCOUNT).put_many(updates())  # type: ignore[arg-type]
    assert stored == [(20_000, 20_000), (40_000, 20_000), (48_000, 8_000)]


async def test_others_run_while_many_changes_are_taken(buffer: InventoryBuffer) -> None:
    """The generator of 20,000 changes is read in pieces of 1,000: whoever waits for the loop gets it in between."""
    read_at: list[int] = []
    read = 0

    def updates() -> Iterator[InventoryUpdate]:
        nonlocal read
        for number in range(20_000):
            read += 1
            yield InventoryUpdate(f"SKU-{number}", 1)

    async def others() -> None:
        while True:
            read_at.append(read)
            await asyncio.sleep(0)

    running = asyncio.ensure_future(others())
    await buffer.put_many(updates())
    running.cancel()
    assert {1_000, 10_000, 19_000} <= set(read_at)


async def test_put_many_keeps_whole_chunks_when_a_later_one_fails(buffer: InventoryBuffer) -> None:
    """The first 20,000 are stored; the chunk with the bad change is not, not even its good part."""

    def updates() -> Iterator[InventoryUpdate]:
        for number in range(20_010):
            yield InventoryUpdate(f"SKU-{number}", 1)
        raise StorageError("the disk is full")

    with pytest.raises(StorageError):
        await buffer.put_many(updates())
    assert (await buffer.stats()).waiting == 20_000


async def test_rejected_skus_are_dead_letters_with_the_hosts_reference(
    buffer: InventoryBuffer, storage: MemoryStorage
) -> None:
    """Code, text and reference come back; the buffer lists them page by page, sorted."""
    await buffer.put_many(InventoryUpdate(f"SKU-{number:04}", 3, reference=f"erp-{number}") for number in range(3))
    await send(storage, Outcome.REJECTED, code="8560", message="unknown SKU")
    letters = [letter async for letter in buffer.dead_letters()]
    assert [(letter.sku, letter.newest.reference) for letter in letters] == [
        ("SKU-0000", "erp-0"),
        ("SKU-0001", "erp-1"),
        ("SKU-0002", "erp-2"),
    ]
    assert {(letter.code, letter.message, letter.newest.quantity) for letter in letters} == {("8560", "unknown SKU", 3)}


async def test_dead_letters_go_on_over_pages(buffer: InventoryBuffer, storage: MemoryStorage) -> None:
    """1,203 letters: every one, once."""
    await buffer.put_many(InventoryUpdate(f"SKU-{number:04}", 3) for number in range(1_203))
    batch = await storage.open(ACCOUNT, ItemKind.INVENTORY, batch_id="b", limit=2000, lease_seconds=9, exclusive=True)
    assert batch is not None
    await storage.settle("b", batch.fence, [ItemOutcome(key, Outcome.REJECTED) for key, _, _ in batch.items])
    assert [letter.sku async for letter in buffer.dead_letters()] == [f"SKU-{number:04}" for number in range(1_203)]


async def test_dead_letters_are_retried_and_dropped(buffer: InventoryBuffer, storage: MemoryStorage) -> None:
    """Retried ones wait; dropped ones are gone, back to the last accepted change where there is one."""
    await buffer.put("SKU-3", 9)
    await send(storage, Outcome.ACCEPTED)
    await buffer.put_many(InventoryUpdate(f"SKU-{number}", 3) for number in (1, 2, 3))
    await send(storage, Outcome.REJECTED, code="x")
    assert await buffer.retry(["SKU-1", "SKU-9"]) == 1
    assert await buffer.drop(iter(["SKU-2", "SKU-3"])) == 2
    waiting_since = (await status(buffer, "SKU-1")).waiting_since
    assert await buffer.stats() == QueueStats(waiting=1, oldest_at=waiting_since)
    assert await buffer.status("SKU-2") is None
    back = await status(buffer, "SKU-3")
    assert (back.state, back.newest.quantity) == (ItemState.ACCEPTED, 9)


async def test_one_text_is_not_a_list_of_skus(buffer: InventoryBuffer) -> None:
    """``retry("SKU")`` would retry S, K and U."""
    with pytest.raises(ConfigurationError, match="list of SKUs"):
        await buffer.retry("SKU")


@pytest.mark.parametrize(
    ("sku", "quantity", "options"),
    [
        ("", 1, {}),
        ("x" * 41, 1, {}),
        ("SKU", -1, {}),
        ("SKU", True, {}),
        ("SKU", 1, {"fulfillment_latency_days": 0}),
        ("SKU\x00", 1, {}),
        ("SKU\n", 1, {}),
        (" ", 1, {}),
        ("SKU", 1, {"restock_date": datetime(2021, 12, 1, tzinfo=UTC)}),
        ("SKU", 1, {"connection": object()}),
        ("SKU", 1, {"restock_date": "2026-01-01"}),
        ("SKU", 1, {"reference": 4711}),
    ],
)
async def test_a_broken_rule_stores_nothing(
    buffer: InventoryBuffer, sku: str, quantity: int, options: dict[str, Any]
) -> None:
    """The error comes before the store is touched."""
    with pytest.raises(ConfigurationError):
        await buffer.put(sku, quantity, **options)
    assert await buffer.stats() == QueueStats()


async def test_what_is_no_update_is_named(buffer: InventoryBuffer) -> None:
    """A pair, or a SKU that is no text, is a mistake in the host's code: the error says what is wanted."""
    with pytest.raises(ConfigurationError, match="InventoryUpdate"):
        await buffer.put_many([("SKU-1", 1)])  # type: ignore[list-item]
    with pytest.raises(ConfigurationError, match="must be a text"):
        await buffer.put(5, 1)  # type: ignore[arg-type]
