"""Stock, pickups and orders over the Selling Partner API: the real client against `FakeSpApi`, in virtual time.

python benchmarks/bench_spapi.py                       # all tables, 48 h and five seeds: hours of real time
python benchmarks/bench_spapi.py --hours 4 --seeds 1   # quicker
python benchmarks/bench_spapi.py stock resync          # some of: stock, resync, pickups, orders, cpu, papers
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gzip
import json
import random
import re
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from statistics import fmean
from typing import Any

import attrs
import httpx

from amazon_ae import (
    AE,
    AmazonAeError,
    DocumentKind,
    FeedScheduler,
    InventoryBuffer,
    InventoryUpdate,
    ItemKind,
    ItemOutcome,
    LabelArchiveFolder,
    MemoryStorage,
    OrderSync,
    Outcome,
    Receipt,
    ReceiptState,
    SpApiClient,
    SpApiDocumentsFeed,
    SpApiGateway,
    SyncedOrder,
    read_notification,
    spapi_throttles,
)
from amazon_ae._spapi.operations import OPERATIONS
from amazon_ae.testing import FakeSpApi, VirtualClock, make_item, make_order, make_order_id

HOUR = 3600.0
PARCEL = {"weight_grams": Decimal(750), "length_cm": Decimal(30), "width_cm": Decimal(20), "height_cm": Decimal(10)}


class TimedStorage(MemoryStorage):
    """Knows how long each change waited from its put to its acceptance."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock=clock)
        self.clock = clock
        self.delays: list[float] = []
        self.urgent_delays: list[float] = []
        self.in_feed: set[str] = set()
        self._unaccepted: dict[str, list[tuple[int, float, bool]]] = {}
        self._versions_of: dict[str, dict[str, int]] = {}

    def noted(self, receipt: Receipt, *, urgent: bool) -> None:
        """A put was done: its change waits from now on."""
        if receipt.state is ReceiptState.WAITING:
            # A SKU that a feed carries waits for it.
            prompt = urgent and receipt.key not in self.in_feed
            self._unaccepted.setdefault(receipt.key, []).append((receipt.version, self.clock.now().timestamp(), prompt))

    @property
    def waiting_changes(self) -> int:
        """Changes that were put and not accepted yet."""
        return sum(map(len, self._unaccepted.values()))

    async def open(self, *args: Any, **options: Any) -> Any:
        batch = await super().open(*args, **options)
        if batch is not None:
            self._versions_of[batch.batch_id] = {key: version for key, version, _ in batch.items}
            if batch.route == "spapi:feed":
                self.in_feed |= self._versions_of[batch.batch_id].keys()
        return batch

    async def settle(self, batch_id: str, fence: int, outcomes: Sequence[ItemOutcome]) -> Any:
        found = await super().settle(batch_id, fence, outcomes)
        self._accepted(batch_id, outcomes)
        self.in_feed -= self._versions_of.pop(batch_id, {}).keys()
        return found

    async def settle_some(self, batch_id: str, fence: int, outcomes: Sequence[ItemOutcome], **options: Any) -> Any:
        found = await super().settle_some(batch_id, fence, outcomes, **options)
        self._accepted(batch_id, outcomes)
        return found

    def _accepted(self, batch_id: str, outcomes: Sequence[ItemOutcome]) -> None:
        now, versions = self.clock.now().timestamp(), self._versions_of.get(batch_id, {})
        for outcome in outcomes:
            if outcome.outcome is not Outcome.ACCEPTED or outcome.key not in versions:
                continue
            puts = self._unaccepted.get(outcome.key, [])
            done = [put for put in puts if put[0] <= versions[outcome.key]]
            self._unaccepted[outcome.key] = [put for put in puts if put[0] > versions[outcome.key]]
            self.delays += [now - at for _, at, _ in done]
            self.urgent_delays += [now - at for _, at, prompt in done if prompt]


class World:
    """One seller, one or several hosts over one store."""

    def __init__(self, *, skus: int, latency: float = 0.1) -> None:
        self.clock = VirtualClock()
        self.fake = FakeSpApi(clock=self.clock)
        for number in range(skus):
            self.fake.add_sku(f"SKU-{number:06d}")
        self.latency = latency
        self.storage = TimedStorage(self.clock)
        self.throttled = 0
        self.requests = 0

    def gateway(self) -> SpApiGateway:
        """The gateway of one host: its own process would have its own paces."""
        http = httpx.AsyncClient(transport=_Slow(self))
        return SpApiGateway(SpApiClient(self.fake.credentials, self.fake.marketplace, http=http, clock=self.clock))

    @property
    def account(self) -> str:
        """Whose stock it is."""
        return f"{self.fake.credentials.seller_id}/{self.fake.marketplace.code}"


class _Slow(httpx.AsyncBaseTransport):
    """The fake, a network away."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        world = self._world
        await world.clock.sleep(world.latency / 2)
        response = await world.fake.handle_async_request(request)
        await world.clock.sleep(world.latency / 2)
        world.requests += 1
        world.throttled += response.status_code == 429
        world.fake.requests.clear()
        return response


def arrivals(per_hour: float, seconds: float, rng: random.Random) -> Iterator[float]:
    """A Poisson process."""
    at = rng.expovariate(per_hour / HOUR)
    while at < seconds:
        yield at
        at += rng.expovariate(per_hour / HOUR)


async def change_stock(world: World, per_hour: float, seconds: float, skus: int, rng: random.Random) -> None:
    """Changes of random SKUs; one of twenty is a drop to zero."""
    buffer, start, quantity = InventoryBuffer(world.storage, world.account), world.clock.now(), 1
    for at in arrivals(per_hour, seconds, rng):
        await world.clock.sleep(at - (world.clock.now() - start).total_seconds())
        zero = rng.random() < 0.05
        quantity += 1
        receipt = await buffer.put(f"SKU-{rng.randrange(skus):06d}", 0 if zero else quantity)
        world.storage.noted(receipt, urgent=zero)


@contextlib.asynccontextmanager
async def hosts(world: World, count: int) -> Any:
    """So many schedulers over one store."""
    async with contextlib.AsyncExitStack() as stack:
        found = []
        for _ in range(count):
            gateway = world.gateway()
            found.append(
                await stack.enter_async_context(
                    FeedScheduler(world.storage, gateway, orders=gateway, clock=world.clock)
                )
            )
        yield found


def p99(values: Sequence[float]) -> float:
    """The 99th percentile."""
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))] if values else 0.0


def mean(values: Sequence[float]) -> float:
    """The mean; 0 of nothing."""
    return fmean(values) if values else 0.0


async def stock(per_hour: float, hours: float, seed: int, *, skus: int, host_count: int = 1) -> list[Any]:
    """One load of stock changes."""
    world = World(skus=skus)
    async with hosts(world, host_count):
        await change_stock(world, per_hour, hours * HOUR, skus, random.Random(seed))
        left = world.storage.waiting_changes
        await world.clock.sleep(300)
    delays, urgent = world.storage.delays, world.storage.urgent_delays
    half = len(delays) // 2
    return [mean(delays), p99(delays), mean(delays[:half]), mean(delays[half:]), p99(urgent), left, world.throttled]


async def resync(count: int, seed: int) -> list[Any]:
    """All SKUs at once, with the daily trickle beside."""
    world, rng = World(skus=count + 1000), random.Random(seed)
    buffer = InventoryBuffer(world.storage, world.account)
    async with hosts(world, 1):
        begin = world.clock.now()
        updates = [InventoryUpdate(f"SKU-{number:06d}", 1 + rng.randrange(90)) for number in range(count)]
        await buffer.put_many(updates)
        zeros: list[float] = []

        async def drop(number: int) -> None:
            receipt = await buffer.put(f"SKU-{count + number:06d}", 0)
            world.storage.noted(receipt, urgent=True)

        for number in range(60):
            await world.clock.sleep(rng.uniform(5, 10))
            await drop(number)
        while True:
            stats = await world.storage.stats(world.account, ItemKind.INVENTORY)
            if not stats.waiting and not stats.in_flight:
                break
            await world.clock.sleep(1)
        zeros = world.storage.urgent_delays
        return [(world.clock.now() - begin).total_seconds(), mean(zeros), p99(zeros), len(zeros), world.throttled]


async def pickups(packs_per_hour: float, burst: int, hours: float, seed: int) -> list[Any]:
    """Parcels that are packed, each pack station waiting for its outcome."""
    world, rng = World(skus=0), random.Random(seed)
    instants = list(arrivals(packs_per_hour, hours * HOUR, rng))
    for hour in range(int(hours) if burst else 0):
        instants += [hour * HOUR + rng.uniform(0, 600) for _ in range(burst)]
    delays: list[float] = []
    async with hosts(world, 1) as (scheduler,):
        start = world.clock.now()

        async def pack(order_id: str) -> None:
            begin = world.clock.now()
            with contextlib.suppress(AmazonAeError):
                await scheduler.schedule_pickup(order_id, **PARCEL)
                delays.append((world.clock.now() - begin).total_seconds())

        tasks = []
        for number, at in enumerate(sorted(instants), 1):
            await world.clock.sleep(at - (world.clock.now() - start).total_seconds())
            order = make_order(make_order_id(number), purchased_at=world.clock.now() - timedelta(hours=1))
            world.fake.add_order(order, [make_item()])
            tasks.append(asyncio.ensure_future(pack(order.amazon_order_id)))
        await asyncio.gather(*tasks)
    return [mean(delays), p99(delays), len(delays), world.throttled]


def notification(order_id: str) -> str:
    """ORDER_CHANGE, as far as it is read."""
    changed = {"AmazonOrderId": order_id, "Summary": {"OrderStatus": "Unshipped"}}
    return json.dumps({"NotificationType": "ORDER_CHANGE", "Payload": {"OrderChangeNotification": changed}})


async def orders(hours: float, seed: int, *, notified: bool) -> list[Any]:
    """Orders until the host has them, by polling alone or by notification."""
    world, rng = World(skus=0), random.Random(seed)
    gateway = world.gateway()
    sync = OrderSync(world.storage, gateway, clock=world.clock, first_since=world.clock.now())
    placed: dict[str, float] = {}
    delays: list[float] = []

    async def take(synced: SyncedOrder) -> None:
        delays.append(world.clock.now().timestamp() - placed[synced.order.amazon_order_id])

    task = asyncio.ensure_future(sync.run(take))
    start = world.clock.now()
    for number, at in enumerate(arrivals(60, hours * HOUR, rng), 1):
        await world.clock.sleep(at - (world.clock.now() - start).total_seconds())
        now = world.clock.now()
        placed[make_order_id(number)] = now.timestamp()
        world.fake.add_order(make_order(make_order_id(number), purchased_at=now), [make_item()])
        if notified:
            sync.notify(read_notification(notification(make_order_id(number))))
    await world.clock.sleep(900)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return [mean(delays), max(delays, default=0.0), len(placed) - len(delays), world.throttled]


_ENVELOPE = (
    '<?xml version="1.0" encoding="utf-8"?><AmazonEnvelope><Header><DocumentVersion>1.0</DocumentVersion>'
    "<MerchantIdentifier>{seller}</MerchantIdentifier></Header><MessageType>EasyShipDocument</MessageType>"
    "<Message><MessageID>1</MessageID><EasyShipDocument><AmazonOrderID>{order}</AmazonOrderID>"
    "<DocumentType>ShippingLabel</DocumentType></EasyShipDocument></Message></AmazonEnvelope>"
)


async def papers_by_hand(world: World, http: httpx.AsyncClient, order_id: str, token: str) -> bytes:
    """The label of one order with bare httpx: a feed, its report, the document that it names."""
    origin, clock = world.fake.marketplace.spapi_endpoint, world.clock
    headers = {"x-amz-access-token": token}

    async def call(method: str, path: str, body: Any = None, *, restricted: str = "") -> Any:
        given = headers if not restricted else {"x-amz-access-token": restricted}
        found = await http.request(method, origin + path, json=body, headers=given)
        assert found.is_success, found.text
        return found.json()

    kind = "text/xml; charset=UTF-8"
    place = await call("POST", "/feeds/2021-06-30/documents", {"contentType": kind})
    content = _ENVELOPE.format(seller=world.fake.credentials.seller_id, order=order_id).encode()
    assert (await http.put(place["url"], content=content, headers={"content-type": kind})).is_success
    feed = await call(
        "POST",
        "/feeds/2021-06-30/feeds",
        {
            "feedType": "POST_EASYSHIP_DOCUMENTS",
            "marketplaceIds": [world.fake.marketplace.marketplace_id],
            "inputFeedDocumentId": place["feedDocumentId"],
            "feedOptions": {"AmazonOrderId": order_id, "DocumentType": "ShippingLabel"},
        },
    )
    while (at := await call("GET", f"/feeds/2021-06-30/feeds/{feed['feedId']}"))["processingStatus"] != "DONE":
        await clock.sleep(5)
    found = await call("GET", f"/feeds/2021-06-30/documents/{at['resultFeedDocumentId']}")
    report = _inflated((await http.get(found["url"])).content).decode()
    reference = re.findall(r"<DocumentReportReferenceI[dD]>([^<]+)<", report)[0]
    while (made := await call("GET", f"/reports/2021-06-30/reports/{reference}"))["processingStatus"] != "DONE":
        await clock.sleep(5)
    path = f"/reports/2021-06-30/documents/{made['reportDocumentId']}"
    resource = {"restrictedResources": [{"method": "GET", "path": path}]}
    restricted = await call("POST", "/tokens/2021-03-01/restrictedDataToken", resource)
    found = await call("GET", path, restricted=restricted["restrictedDataToken"])
    label = _inflated((await http.get(found["url"])).content)
    assert label
    return label


def _inflated(content: bytes) -> bytes:
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content


async def papers(count: int, seed: int) -> list[float]:
    """Seconds of the clock from the pickup to the label: the library's documents feed, and a script, by turns."""
    world, rng = World(skus=0), random.Random(seed)
    world.clock = VirtualClock(grace_seconds=0.02)  # files are written in threads
    world.fake = FakeSpApi(clock=world.clock, processing_seconds=lambda _: rng.uniform(10, 40))
    http = httpx.AsyncClient(transport=_Slow(world))
    client = SpApiClient(world.fake.credentials, world.fake.marketplace, http=http, clock=world.clock)
    seconds: tuple[list[float], list[float]] = ([], [])
    with tempfile.TemporaryDirectory() as folder:
        source = SpApiDocumentsFeed(client, MemoryStorage(clock=world.clock), LabelArchiveFolder(Path(folder)))
        for number in range(1, 2 * count + 1):
            order_id, now = make_order_id(number), world.clock.now()
            world.fake.add_order(make_order(order_id, purchased_at=now - timedelta(hours=1)), [make_item()])
            world.fake.schedule_pickup(order_id, now.date() + timedelta(days=1))
            await world.clock.sleep(300)  # createFeed has one slot per 120 s, and both ways share it
            begin = world.clock.now()
            if number % 2:
                found = await source.documents(order_id, [DocumentKind.SHIPPING_LABEL])
                assert not found.failed, found.failed
            else:
                form = {"grant_type": "refresh_token", "refresh_token": client.credentials.refresh_token}
                form |= {"client_id": client.credentials.client_id, "client_secret": client.credentials.client_secret}
                answer = await http.post(f"{world.fake.marketplace.lwa_endpoint}/auth/o2/token", data=form)
                await papers_by_hand(world, http, order_id, answer.json()["access_token"])
            seconds[number % 2].append((world.clock.now() - begin).total_seconds())
    by_hand, ours = map(mean, seconds)
    return [ours, by_hand, ours / by_hand, world.throttled]


_SERVER = """
import asyncio, json
ANSWER = json.dumps({"sku": "A", "status": "ACCEPTED", "submissionId": "1", "issues": []}).encode()
TOKEN = json.dumps({"access_token": "Atza|1", "expires_in": 3600}).encode()

async def talk(reader, writer):
    while head := await reader.readuntil(b"\\r\\n\\r\\n"):
        size = [line for line in head.lower().split(b"\\r\\n") if line.startswith(b"content-length")]
        await reader.readexactly(int(size[0].split(b":")[1]) if size else 0)
        body = TOKEN if b"/auth/" in head else ANSWER
        lines = b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body)
        writer.write(lines + body)

async def main():
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


async def cpu(count: int = 1000) -> list[float]:
    """CPU seconds of patches through the client, and through bare httpx, to a server in another process."""
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SERVER, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert server.stdout is not None
    origin = f"http://127.0.0.1:{(await server.stdout.readline()).decode().strip()}"
    market = attrs.evolve(AE, spapi_endpoint=origin, lwa_endpoint=origin)
    unpaced = spapi_throttles(attrs.evolve(row, rate=1e6, burst=1_000_000) for row in OPERATIONS)
    try:
        async with httpx.AsyncClient() as http:
            client = SpApiClient(World(skus=0).fake.credentials, market, http=http, throttles=unpaced)
            patches = [{"op": "merge", "path": "/attributes/fulfillment_availability", "value": [{"quantity": 1}]}]
            await client.listings.patch("A", patches)

            async def ours() -> None:
                await client.listings.patch("A", patches)

            async def bare() -> None:
                url = f"{origin}/listings/2021-08-01/items/A1/A?marketplaceIds=A2VIGQ35RCS4UG"
                headers = {"x-amz-access-token": "Atza|1", "content-type": "application/json"}
                body = json.dumps({"productType": "PRODUCT", "patches": patches}).encode()
                found = await http.request("PATCH", url, content=body, headers=headers)
                assert json.loads(found.content)["status"] == "ACCEPTED"

            return [await _cpu_seconds(ours, count), await _cpu_seconds(bare, count)]
    finally:
        server.kill()
        await server.wait()


async def _cpu_seconds(one: Callable[[], Awaitable[None]], count: int) -> float:
    begin = time.process_time()
    for _ in range(count):
        await one()
    return time.process_time() - begin


def _over_seeds(seeds: int, run: Callable[[int], Any]) -> list[list[Any]]:
    return [asyncio.run(run(seed)) for seed in range(seeds)]


def _stock_table(options: argparse.Namespace) -> None:
    print("| load | mean | p99 | mean of first half | of second | zero-stock p99 | waiting at the end | throttled |")
    print("|---|---|---|---|---|---|---|---|")
    for name, per_hour, skus, count in (
        ("600 changes/h", 600, 1000, 1),
        ("6,000 changes/h", 6000, 5000, 1),
        ("6,000 changes/h, three hosts", 6000, 5000, 3),
        ("20,000 changes/h over 50,000 SKUs", 20000, 50000, 1),
    ):
        if options.load not in name:
            continue
        rows = _over_seeds(
            options.seeds, lambda seed, p=per_hour, s=skus, c=count: stock(p, options.hours, seed, skus=s, host_count=c)
        )
        cells = [f"{fmean(column):.1f}" for column in list(zip(*rows, strict=True))[:5]]
        left, throttled = (sum(row[at] for row in rows) for at in (5, 6))
        print(f"| {name} | {' | '.join(cells)} | {left} | {throttled} |", flush=True)


def _resync_table(options: argparse.Namespace) -> None:
    print("| resync | settled after | zero-stock beside it: mean | p99 | of | throttled |")
    print("|---|---|---|---|---|---|")
    for row in _over_seeds(min(options.seeds, 2), lambda seed: resync(options.resync, seed)):
        print(
            f"| {options.resync:,} SKUs | {row[0]:.0f} s | {row[1]:.1f} | {row[2]:.1f} | {row[3]} | {row[4]} |",
            flush=True,
        )


def _pickup_table(options: argparse.Namespace) -> None:
    print("| packs | mean | p99 | parcels | throttled |")
    print("|---|---|---|---|---|")
    for name, per_hour, burst in (("8/h", 8, 0), ("60/h", 60, 0), ("200 in 10 min + 20/h", 20, 200)):
        if options.load not in name:
            continue
        rows = _over_seeds(options.seeds, lambda seed, p=per_hour, b=burst: pickups(p, b, options.hours, seed))
        mean_, p99_, parcels, throttled = zip(*rows, strict=True)
        print(f"| {name} | {fmean(mean_):.1f} | {fmean(p99_):.1f} | {sum(parcels)} | {sum(throttled)} |", flush=True)


def _order_table(options: argparse.Namespace) -> None:
    print("| 60 orders/h | mean | longest | missed | throttled |")
    print("|---|---|---|---|---|")
    for name, notified in (("by polling alone", False), ("by notification", True)):
        rows = _over_seeds(options.seeds, lambda seed, n=notified: orders(options.hours, seed, notified=n))
        means, longest, missed, throttled = zip(*rows, strict=True)
        print(f"| {name} | {fmean(means):.1f} | {max(longest):.1f} | {sum(missed)} | {sum(throttled)} |", flush=True)


def _cpu_table(options: argparse.Namespace) -> None:
    ours, bare = asyncio.run(cpu())
    print("| CPU of 1,000 `client.listings.patch` | bare httpx | times |")
    print("|---|---|---|")
    print(f"| {ours:.2f} s | {bare:.2f} s | {ours / bare:.2f} |", flush=True)


def _papers_table(options: argparse.Namespace) -> None:
    print("| label by API, after the pickup | a hand-written script | times | throttled |")
    print("|---|---|---|---|")
    ours, by_hand, ratio, throttled = zip(*_over_seeds(options.seeds, lambda seed: papers(20, seed)), strict=True)
    print(f"| {fmean(ours):.1f} s | {fmean(by_hand):.1f} s | {fmean(ratio):.2f} | {sum(throttled)} |", flush=True)


TABLES: dict[str, Callable[[argparse.Namespace], None]] = {
    "stock": _stock_table,
    "resync": _resync_table,
    "pickups": _pickup_table,
    "orders": _order_table,
    "cpu": _cpu_table,
    "papers": _papers_table,
}


def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", choices=[*TABLES, []], default=[])
    parser.add_argument("--hours", type=float, default=48.0)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--load", default="", help="of stock and pickups only the rows with this text")
    parser.add_argument("--resync", type=int, default=100_000)
    options = parser.parse_args(argv)
    for name in options.tables or TABLES:
        TABLES[name](options)
        print()


if __name__ == "__main__":
    main()
