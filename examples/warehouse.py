"""A small warehouse: a whole host program, composed of the public pieces of ``amazon_ae``.

It takes in orders, sends its stock, packs twelve parcels and keeps their papers. Kill it at any moment and start it
again: it goes on where it was, also on another backend. Everything it needs to know is in its environment, and which
backend it is, only ``backend.py`` knows. ``examples/demo.py`` runs it against the bundled sandbox.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from amazon_ae import (
    AmazonError,
    ChromiumPrinter,
    DocumentKind,
    DocumentSource,
    FeedScheduler,
    FileSessionStore,
    InventoryBuffer,
    InventoryUpdate,
    OrderSync,
    PickupRejected,
    PortalCredentials,
    SellerPortalScraper,
    SQLiteStorage,
    save_documents,
)
from amazon_ae.testing import ScaledClock
from backend import connect, documents, former_backend, marketplace, with_wrong_secret
from board import Board

PARCELS = 12


def stock_changes() -> list[InventoryUpdate]:
    """A busy day: 5,000 changes over 1,000 SKUs, ten of which Amazon does not know."""
    chance, changes = random.Random(7), []
    for hour in range(5):
        skus = [f"SKU-{number:04d}" for number in range(1, 1001)]
        chance.shuffle(skus)
        changes += [InventoryUpdate(sku, chance.randint(0, 60), reference=f"count {hour}") for sku in skus]
    return changes


async def check_credentials(env: Mapping[str, str], board: Board) -> None:
    """Ask Amazon where this seller may sell, first with a wrong key: the error is what a user would see."""
    try:
        async with connect(with_wrong_secret(env), board.clock)[0] as stranger:
            await stranger.sellers.participations()
    except AmazonError as error:
        board.say(f"a wrong secret key: {error}")
    market = marketplace(env)
    async with connect(env, board.clock)[0] as client:
        assert (await client.sellers.participations()).participates(market.marketplace_id)
    board.say(f"credentials are good: this seller sells in {market.code}")


async def take_orders(sync: OrderSync, shelf: Path, board: Board) -> list[str]:
    """Every unfulfilled order with its items: put on our own shelf first, acknowledged then."""
    with shelf.open("a") as file:
        async for synced in sync.poll():
            file.write(json.dumps([synced.order.amazon_order_id, [item.seller_sku for item in synced.items]]) + "\n")
            file.flush()
            await sync.acknowledge(synced)
            board.count("orders")
    orders = sorted({json.loads(line)[0] for line in shelf.read_text().splitlines()})
    board.show(orders=len(orders))
    board.say(f"orders: {len(orders)} on the shelf, with their items")
    return orders


async def send_stock(buffer: InventoryBuffer, done: Path, board: Board) -> None:
    """Hand all changes in, once, and wait until every SKU has its own outcome."""
    if not done.exists():
        count = await buffer.put_many(stock_changes())
        done.touch()  # killed just before this line, we hand the same in again: no SKU is sent twice for that
        board.say(f"stock: {count.waiting + count.unchanged} changes handed in")
    while (stats := await buffer.stats()).waiting or stats.in_flight:
        board.show(buffer=f"{stats.waiting} waiting, {stats.in_flight} in flight")
        await board.clock.sleep(5)
    refused = [f"{letter.sku}: {letter.code} {letter.message}" async for letter in buffer.dead_letters()]
    board.show(buffer=f"all settled, {len(refused)} refused")
    board.say(f"stock: {len(refused)} SKUs refused: {'; '.join(refused[:2])}, ...")


async def pack(order_id: str, scheduler: FeedScheduler, source: DocumentSource, folder: Path, board: Board) -> None:
    """One parcel: its pickup, then its documents."""
    try:
        grams, long, wide, high = map(Decimal, (750, 30, 20, 10))
        outcome = await scheduler.schedule_pickup(
            order_id, weight_grams=grams, length_cm=long, width_cm=wide, height_cm=high
        )
    except PickupRejected as refused:
        board.count("refused")
        board.say(f"parcel {order_id}: refused: {refused.code} {refused.message}")
        return
    board.count("parcels")
    papers = await source.documents(order_id)
    tries = 1  # Amazon makes a label within minutes; after five of them a person looks
    while tries < 30 and (missing := papers.failed.get(DocumentKind.SHIPPING_LABEL)) and missing.retryable:
        await board.clock.sleep(10)
        papers, tries = await source.documents(order_id), tries + 1
    for kind, error in papers.failed.items():
        board.say(f"parcel {order_id}: no {kind}: {error}")
    save_documents(papers, folder / order_id)
    board.count("documents", len(papers.ready))
    board.say(f"parcel {order_id}: pickup {outcome.pickup_date}, {len(papers.ready)} papers")


async def main(folder: Path) -> None:
    """Compose the pieces and run the day."""
    env = os.environ
    # The sandbox's fast clock. Against Amazon leave every ``clock=`` out.
    clock = ScaledClock(speed=float(env["CLOCK_SPEED"]), origin=datetime.fromisoformat(env["CLOCK_ORIGIN"]))
    market, sessions, user = marketplace(env), FileSessionStore(folder / "session"), PortalCredentials.from_env(env)
    client, gateway = connect(env, clock)
    async with (
        client,
        Board(clock) as board,
        SellerPortalScraper(market, user, sessions=sessions, clock=clock, on_event=board.on_event) as portal,
        SQLiteStorage(folder / "warehouse.sqlite", clock=clock) as storage,
        former_backend(env, gateway, storage, clock, board.on_event),
        ChromiumPrinter() as printer,
    ):
        source = documents(client, storage, portal, printer, folder)
        buffer = InventoryBuffer(storage, gateway.account)
        await check_credentials(env, board)
        async with FeedScheduler(storage, gateway, orders=gateway, clock=clock, on_event=board.on_event) as scheduler:
            orders = await take_orders(OrderSync(storage, gateway, clock=clock), folder / "orders.jsonl", board)
            await send_stock(buffer, folder / "stock.done", board)
            await board.quota(scheduler)
            packing = [pack(order_id, scheduler, source, folder, board) for order_id in orders[:PARCELS]]
            await asyncio.gather(*packing)
            await board.quota(scheduler)


if __name__ == "__main__":
    try:
        asyncio.run(main(Path(sys.argv[1])))
    except KeyboardInterrupt:
        sys.exit(130)  # what was handed in is kept; start again to go on
