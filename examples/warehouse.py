"""A small warehouse: a whole host program, composed of the public pieces of ``amazon_ae``.

It takes in orders, sends its stock, packs twelve parcels and keeps their papers. Kill it at any moment and start it
again: it goes on where it was. Everything it needs to know is in its environment; ``examples/demo.py`` runs it against
the bundled sandbox.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import attrs

from amazon_ae import (
    AE,
    AmazonError,
    FeedScheduler,
    FileSessionStore,
    InventoryBuffer,
    InventoryUpdate,
    MwsClient,
    MwsCredentials,
    MwsGateway,
    OrderSync,
    PickupRejected,
    PortalCredentials,
    SchedulePickupFeed,
    SellerPortalScraper,
    SQLiteStorage,
    save_documents,
)
from amazon_ae.testing import ScaledClock
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


async def check_credentials(client: MwsClient, board: Board) -> None:
    """Ask Amazon where this seller may sell, first with a wrong key: the error is what a user would see."""
    wrong = attrs.evolve(client.credentials, secret_key="not-the-secret-key")
    try:
        async with MwsClient(wrong, client.marketplace, clock=client.clock) as stranger:
            await stranger.sellers.participations()
    except AmazonError as error:
        board.say(f"a wrong secret key: {error}")
    answer = await client.sellers.participations()
    assert answer.participates(client.marketplace.marketplace_id)
    board.say(f"credentials are good: this seller sells in {client.marketplace.code}")


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


async def pack(
    order_id: str, scheduler: FeedScheduler, portal: SellerPortalScraper, folder: Path, board: Board
) -> None:
    """One parcel: its pickup, then its three papers."""
    try:
        outcome = await scheduler.schedule_pickup(order_id, weight_grams=Decimal(750))
    except PickupRejected as refused:
        board.count("refused")
        board.say(f"parcel {order_id}: refused: {refused.code} {refused.message}")
        return
    board.count("parcels")
    papers = await portal.documents(order_id)
    tries = 1  # Amazon makes a label within minutes; after five of them a person looks
    while tries < 30 and papers.failed and all(error.retryable for error in papers.failed.values()):
        await board.clock.sleep(10)
        papers, tries = await portal.documents(order_id), tries + 1
    for kind, error in papers.failed.items():
        board.say(f"parcel {order_id}: no {kind}: {error}")
    save_documents(papers, folder / order_id)
    board.count("documents", len(papers.ready))
    board.say(f"parcel {order_id}: pickup {outcome.pickup_date}, {len(papers.ready)} papers")


async def main(folder: Path) -> None:
    """Compose the pieces and run the day."""
    env = os.environ
    # The sandbox's fast clock and addresses. Against Amazon leave every ``clock=`` out and take ``AE`` as it is.
    clock = ScaledClock(speed=float(env["CLOCK_SPEED"]), origin=datetime.fromisoformat(env["CLOCK_ORIGIN"]))
    market = attrs.evolve(AE, mws_endpoint=env["AMAZON_AE_ENDPOINT"], portal_origin=env["AMAZON_AE_PORTAL"])
    sessions = FileSessionStore(folder / "session")
    async with (
        Board(clock) as board,
        MwsClient(MwsCredentials.from_env(env), market, clock=clock) as client,
        SellerPortalScraper(
            market, PortalCredentials.from_env(env), sessions=sessions, clock=clock, on_event=board.on_event
        ) as portal,
        SQLiteStorage(folder / "warehouse.sqlite", clock=clock) as storage,
    ):
        gateway = MwsGateway(client, pickup_route=SchedulePickupFeed(feed_type=env["AMAZON_AE_PICKUP_FEED_TYPE"]))
        buffer = InventoryBuffer(storage, client.account)
        await check_credentials(client, board)
        async with FeedScheduler(storage, gateway, orders=gateway, clock=clock, on_event=board.on_event) as scheduler:
            orders = await take_orders(OrderSync(storage, gateway, clock=clock), folder / "orders.jsonl", board)
            await send_stock(buffer, folder / "stock.done", board)
            await board.quota(scheduler)
            packing = [pack(order_id, scheduler, portal, folder, board) for order_id in orders[:PARCELS]]
            await asyncio.gather(*packing)
            await board.quota(scheduler)


if __name__ == "__main__":
    try:
        asyncio.run(main(Path(sys.argv[1])))
    except KeyboardInterrupt:
        sys.exit(130)  # what was handed in is kept; start again to go on
