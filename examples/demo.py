"""The main job, watched: the warehouse runs against the bundled sandbox, is killed, goes on, and is called to account.

    python examples/demo.py [--backend mws|spapi] [--speed 20] [--folder demo-output] [--plant-difference]

Sandbox and warehouse are two processes that talk over loopback and share one fast clock; the quotas are Amazon's
documented ones on that clock. The exit code is 0 only if the sandbox holds exactly what was asked for.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pypdf import PdfReader
from rich.console import Console
from rich.table import Table

from amazon_ae import DocumentKind
from amazon_ae.testing import FakeFeed, MwsFault, Sandbox, ScaledClock, SpApiFault, open_sandbox
from warehouse import PARCELS, stock_changes

HERE = Path(__file__).parent
ORDERS, KNOWN_SKUS = 130, 990
REFUSED = ("90100", "No collection from this address on that day.")
console = Console(soft_wrap=True, highlight=False)


def environment(sandbox: Sandbox, backend: str) -> dict[str, str]:
    """All that the warehouse is told. Over the Selling Partner API the panel is out of reach: nothing listens there."""
    about = sandbox.describe()
    names = {
        "AMAZON_AE_ENDPOINT": "mws_endpoint",
        "AMAZON_AE_PORTAL": "portal_origin",
        "AMAZON_AE_SELLER_ID": "seller_id",
        "AMAZON_AE_ACCESS_KEY_ID": "access_key_id",
        "AMAZON_AE_SECRET_KEY": "secret_key",
        "AMAZON_AE_AUTH_TOKEN": "auth_token",
        "AMAZON_AE_PICKUP_FEED_TYPE": "pickup_feed_type",
        "AMAZON_AE_SPAPI_ENDPOINT": "spapi_endpoint",
        "AMAZON_AE_SPAPI_SELLER_ID": "seller_id",
        "AMAZON_AE_SPAPI_CLIENT_ID": "client_id",
        "AMAZON_AE_SPAPI_CLIENT_SECRET": "client_secret",
        "AMAZON_AE_SPAPI_REFRESH_TOKEN": "refresh_token",
        "AMAZON_AE_PORTAL_EMAIL": "portal_email",
        "AMAZON_AE_PORTAL_PASSWORD": "portal_password",
        "AMAZON_AE_PORTAL_TOTP": "portal_totp",
        "CLOCK_SPEED": "speed",
        "CLOCK_ORIGIN": "clock_origin",
    }
    told = {name: str(about[key]) for name, key in names.items()}
    if backend == "spapi":
        told["AMAZON_AE_PORTAL"] = "http://127.0.0.1:9"
    return {**os.environ, "AMAZON_AE_BACKEND": backend, **told}


async def run_and_kill(sandbox: Sandbox, folder: Path, backend: str) -> int:
    """Start the warehouse, kill it between Amazon's acceptance of a pickup and its answer, start it again."""
    command, env = [sys.executable, str(HERE / "warehouse.py"), str(folder)], environment(sandbox, backend)
    if backend == "spapi":
        sandbox.spapi.fail("createScheduledPackage", SpApiFault.NEVER_ANSWERED)
    else:
        sandbox.mws.fail("SubmitFeed", MwsFault.NEVER_ANSWERED, feed_type=sandbox.mws.pickup_feed_type)
    first = await asyncio.create_subprocess_exec(*command, env=env)
    ended = asyncio.create_task(first.wait())
    try:
        while not accepted(sandbox, backend) and not ended.done():
            await asyncio.sleep(0.02)
        ended_itself = ended.done()
    finally:
        if not ended.done():
            first.kill()
    await ended
    if ended_itself:
        console.print(f"[red]the warehouse ended before it packed (exit code {first.returncode})")
        return first.returncode or 1
    what = accepted(sandbox, backend)
    console.print(f"[bold red]SIGKILL[/] after Amazon accepted {what} and before the answer was read")
    second = await asyncio.create_subprocess_exec(*command, env=env)
    try:
        return await second.wait()
    finally:
        if second.returncode is None:
            second.kill()


def pickup_feeds(sandbox: Sandbox) -> list[FakeFeed]:
    """The pickup feeds that Amazon accepted."""
    return [feed for feed in sandbox.mws.feeds if feed.feed_type == sandbox.mws.pickup_feed_type]


def accepted(sandbox: Sandbox, backend: str) -> str:
    """The first pickup that Amazon accepted; ``""`` before."""
    if backend == "spapi":
        return next((f"the pickup of {order_id}" for order_id in sandbox.mws.pickups), "")
    return next((f"feed {feed.feed_id}" for feed in pickup_feeds(sandbox)), "")


def account(sandbox: Sandbox, folder: Path, backend: str) -> list[tuple[str, object, object]]:
    """What was asked for, beside what the sandbox holds: (what, asked, held)."""
    mws = sandbox.mws
    newest = {change.sku: change.quantity for change in stock_changes()}
    known = {sku: quantity for sku, quantity in newest.items() if sku in mws.stock}
    asked = sorted(mws.orders)[:PARCELS]
    refused = asked[-1]
    taken = {line.split('"')[1] for line in (folder / "orders.jsonl").read_text().splitlines()}
    papers = {path for path in folder.glob("*/*.pdf") if path.parent.name in mws.pickups}
    right = [path for path in papers if path.parent.name in (PdfReader(path).pages[0].extract_text() or "")]
    made = PARCELS - 1
    rows = [
        ("orders handed over", len(mws.orders), len(taken & set(mws.orders))),
        ("stock: SKUs with the newest quantity", len(known), sum(mws.stock[sku] == known[sku] for sku in known)),
        ("stock: SKUs that Amazon refused", len(newest) - KNOWN_SKUS, len(newest) - len(known)),
        ("parcels: pickups scheduled", sorted(set(asked) - {refused}), sorted(mws.pickups)),
        ("parcels: most often that one was booked", 1, max(mws.pickups_sent.values(), default=0)),
        ("parcels: pickup day", 1, len({pickup.date for pickup in mws.pickups.values()})),
    ]
    if backend == "spapi":
        return [
            *rows,
            ("documents: labels by API and slips of our own", 2 * made, len(right)),
            ("documents: invoices, which no API gives", 0, len(list(folder.glob("*/*invoice*.pdf")))),
            ("requests that Amazon throttled", 0, sum(seen.status == 429 for seen in sandbox.spapi.requests)),
        ]
    stock_feeds = [feed for feed in mws.feeds if feed.feed_type == "_POST_INVENTORY_AVAILABILITY_DATA_"]
    sent = [request for request in mws.requests if request.action == "SubmitFeed"]
    return [
        *rows,
        ("stock: feeds for 5,000 changes", 1, len(stock_feeds)),
        ("parcels: feeds for 12 parcels, one of them killed", 1, len(pickup_feeds(sandbox))),
        ("parcels: first working day", [first_working_day(sandbox)], sorted({p.date for p in mws.pickups.values()})),
        ("documents: PDFs that name their order", made * len(DocumentKind), len(right)),
        ("browser: sign-ins with password and code", 1, sandbox.site.counts.sign_ins),
        ("SubmitFeed requests, before and after the kill", 2, len(sent)),
        ("SubmitFeed requests that Amazon throttled", 0, sum(request.status == 503 for request in sent)),
    ]


def first_working_day(sandbox: Sandbox) -> str:
    """Tomorrow in the marketplace's zone, or Monday where that is a Sunday; from 14:00 on, a day later."""
    asked_at: datetime = pickup_feeds(sandbox)[0].submitted_at.astimezone(sandbox.marketplace.zone)
    day = asked_at.date()
    for _ in range(1 + (asked_at.hour >= 14)):
        day += timedelta(days=2 if day.weekday() == 5 else 1)
    return day.isoformat()


def show(rows: list[tuple[str, object, object]], seconds: float) -> bool:
    """Print the account; whether all agrees."""
    table = Table("what", "asked", "the sandbox holds", "", title=f"The account, after {seconds:.0f} s")
    for what, asked, held in rows:
        table.add_row(what, brief(asked), brief(held), "[green]agrees" if asked == held else "[bold red]DIFFERS")
    console.print(table)
    return all(asked == held for _, asked, held in rows)


def brief(value: object) -> str:
    """A short form for the table."""
    return f"{len(value)} orders" if isinstance(value, list) and len(value) > 1 else str(value).strip("[']")


async def main() -> int:
    """Run it; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--backend", choices=("mws", "spapi"), default="mws", help="whose API (default: mws)")
    parser.add_argument("--speed", type=float, default=20.0, help="seconds of the clock per real second (default: 20)")
    parser.add_argument(
        "--folder", type=Path, default=Path("demo-output"), help="for papers and database; emptied first"
    )
    parser.add_argument(
        "--plant-difference", action="store_true", help="change the sandbox's stock; the account must fail"
    )
    options = parser.parse_args()
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    started = time.monotonic()
    clock = ScaledClock(speed=options.speed, origin=datetime.now(UTC).replace(microsecond=0))
    async with open_sandbox(clock=clock, orders=ORDERS, skus=KNOWN_SKUS) as sandbox:
        market, names = sandbox.marketplace, {"mws": "Amazon MWS", "spapi": "Selling Partner API"}
        endpoint = market.spapi_endpoint if options.backend == "spapi" else market.mws_endpoint
        panel = "out of reach" if options.backend == "spapi" else f"at {market.portal_origin}"
        console.print(
            f"sandbox: {names[options.backend]} at {endpoint}, Seller Central {panel}, clock x {options.speed:g}"
        )
        sandbox.mws.refuse(sorted(sandbox.mws.orders)[PARCELS - 1], *REFUSED)
        code = await run_and_kill(sandbox, options.folder, options.backend)
        if code:
            console.print(f"[bold red]the warehouse failed with exit code {code}")
            return code
        if options.plant_difference:
            sandbox.mws.stock["SKU-0001"] += 1
        agrees = show(account(sandbox, options.folder, options.backend), time.monotonic() - started)
    console.print(f"papers: {options.folder}/<order id>/*.pdf" if agrees else "[bold red]the account does not agree")
    return 0 if agrees else 1


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except KeyboardInterrupt:
        console.print("stopped")
        sys.exit(130)
