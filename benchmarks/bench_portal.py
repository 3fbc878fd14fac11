"""How long the papers of an order take, beside a minimal hand-written Playwright script in the same run.

Run it: ``python benchmarks/bench_portal.py [rounds] [orders]``; for every face of the site, ``python
benchmarks/bench_portal.py variants [rounds]``. Both sides talk to the look-alike site on loopback,
which runs in a thread of its own. The script does the least that gives three files: no verification, no session store,
no limit of pace, no second look at any answer. Rounds alternate, so that a busy machine slows both.

* warm: the browser runs and is signed in. Target: 1.3 times the script, about a second.
* cold: no browser, no session. Target: 1.5 times the script.
* slow: the site takes 5 s for each document. Target: 7 s for all three.
* variants: warm on each way to the invoice and the label, cold on each sign-in, a label that is made in the background.
* many: orders in a row. Target: no growth of memory, pages or processes.
"""

from __future__ import annotations

import asyncio
import os
import re
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import pyotp
from playwright.async_api import BrowserContext, FrameLocator, Page, Route, async_playwright

from amazon_ae._clocks import SystemClock
from amazon_ae._models.documents import DocumentKind
from amazon_ae._models.marketplaces import AE, Marketplace, PortalCredentials
from amazon_ae._portal.browser_options import find_browser
from amazon_ae._portal.scraper import SellerPortalScraper
from amazon_ae.testing._papers import PortalOrder, PortalPickup, sample_order
from amazon_ae.testing._seller_central import (
    Drawing,
    Fault,
    InvoiceForm,
    LabelForm,
    SellerCentralSite,
    SignInForm,
    SiteUser,
)
from amazon_ae.testing._serving import serve_in_thread

EMAIL, PASSWORD, SECRET = "packer@example.ae", "Camel-Date-Palm-7", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
# The script's own user: a code works once, and both sides shall sign in within the same step.
SCRIPT_EMAIL, SCRIPT_SECRET = "script@example.ae", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
SLOW_SECONDS = 5.0


async def script_sign_in(
    context: BrowserContext, origin: str, form: SignInForm = SignInForm.TWO_PAGES, email: str = EMAIL
) -> None:
    """The sign-in as a script: the happy path and nothing else."""
    page = await context.new_page()
    await page.goto(f"{origin}/home")
    await page.fill("#ap_email_login" if form is SignInForm.CLAIM else "#ap_email", email)
    if form is not SignInForm.ONE_PAGE:
        await page.click("#continue")
    await page.fill("#ap_password", PASSWORD)
    await page.click("#signInSubmit")
    await page.fill("#auth-mfa-otpcode", pyotp.TOTP(SECRET if email == EMAIL else SCRIPT_SECRET).now())
    await page.click("#auth-signin-button")
    await page.wait_for_selector("meta[name=anti-csrftoken-a2z]", state="attached")
    await page.close()


async def script_invoice(page: Page, origin: str, form: InvoiceForm) -> bytes:
    """The invoice by the way that its author knows; each is a few lines that fit one face only."""
    request = page.context.request
    if form is InvoiceForm.LINK:
        href = await page.get_attribute("[data-test-id=download-invoice-link]", "href")
        return await (await request.get(f"{origin}{href}")).body()
    await page.click("[data-test-id=manage-idu-invoice-button] input")
    if form is InvoiceForm.MODAL_FORM:
        action = await page.get_attribute("form[action*='/documents/download']", "action")
        token = await page.input_value("form[action*='/documents/download'] [name=anti-csrftoken-a2z]")
        return await (await request.post(f"{origin}{action}", form={"anti-csrftoken-a2z": token})).body()
    if form is InvoiceForm.MODAL_CLICK:
        async with page.expect_download() as downloading:
            await page.click("[data-invoice]")
        path = await (await downloading.value).path()
        return await asyncio.to_thread(path.read_bytes)
    if form is InvoiceForm.MODAL_POPUP:
        bodies: list[bytes] = []

        async def keep(route: Route) -> None:
            response = await route.fetch()
            bodies.append(await response.body())
            await route.fulfill(response=response)

        await page.context.route("**/document.pdf*", keep)
        async with page.expect_popup() as opening:
            await page.click("[data-invoice]")
        window = await opening.value
        while not bodies:
            await page.wait_for_timeout(10)
        await window.close()
        await page.context.unroute("**/document.pdf*", keep)
        return bodies[0]
    where: Page | FrameLocator = page.frame_locator("iframe") if form is InvoiceForm.MODAL_FRAME else page
    href = await where.locator("a[href*='/documents/download']").last.get_attribute("href") or ""
    return await (await request.get(f"{origin}{urlsplit(href).path}")).body()


async def script_label(page: Page, origin: str, href: str, order_id: str, form: LabelForm) -> bytes:
    """The label by its link, or out of the page that makes it, looked at once a second."""
    if form is LabelForm.LINK:
        return await (await page.context.request.get(f"{origin}{href}")).body()
    await page.goto(f"{origin}{href}")
    rows = page.locator("#label-batches tr")
    done = (rows.filter(has_text=order_id) if form is LabelForm.BATCH else rows.last).locator("a")
    while not await done.count():
        await page.wait_for_timeout(1000)
        await page.click("input[name=refresh]")
    link = await done.get_attribute("href")
    return await (await page.context.request.get(f"{origin}{link}")).body()


async def script_face(
    context: BrowserContext, origin: str, order_id: str, invoice: InvoiceForm, label: LabelForm
) -> list[bytes]:
    """Three papers on one face of the site."""
    page = await context.new_page()
    await page.goto(f"{origin}/orders-v3/order/{order_id}")
    href = await page.get_attribute("a[data-test-id=print-shipping-label-button]", "href") or ""
    papers = [await script_invoice(page, origin, invoice), await script_label(page, origin, href, order_id, label)]
    await page.goto(f"{origin}/orders/packing-slip?orderIds={order_id}")
    papers.append(await page.pdf(format="A4"))
    await page.close()
    return papers


async def script_papers(context: BrowserContext, origin: str, order_id: str) -> list[bytes]:
    """Three papers, one after the other, on one page: what one writes in an afternoon."""
    page = await context.new_page()
    await page.goto(f"{origin}/orders-v3/order/{order_id}")
    label = await page.get_attribute("a[href*='/easyship/label']", "href")
    await page.click("[data-test-id=manage-idu-invoice-button] input")
    invoice = await page.get_attribute("a[href*='/documents/download']", "href")
    papers = [await (await context.request.get(f"{origin}{href}")).body() for href in (label, invoice)]
    await page.goto(f"{origin}/orders/packing-slip?orderIds={order_id}")
    papers.append(await page.pdf(format="A4"))
    await page.close()
    return papers


async def script_cold(
    origin: str, order_id: str, form: SignInForm = SignInForm.TWO_PAGES, email: str = EMAIL
) -> list[bytes]:
    """From nothing to three papers."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_browser(), chromium_sandbox=os.geteuid() != 0)
        context = await browser.new_context()
        await script_sign_in(context, origin, form, email)
        papers = await script_papers(context, origin, order_id)
        await browser.close()
        return papers


def scraper(marketplace: Marketplace) -> SellerPortalScraper:
    """The library, with a pace that does not count here."""
    credentials = PortalCredentials(email=EMAIL, password=PASSWORD, totp=SECRET)
    return SellerPortalScraper(marketplace, credentials, burst=100_000.0)


async def scraper_cold(marketplace: Marketplace, order_id: str) -> None:
    """From nothing to three verified papers."""
    async with scraper(marketplace) as portal:
        assert len((await portal.documents(order_id)).ready) == 3


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    """Seconds."""
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


async def fresh_code() -> None:
    """Wait for the next one-time code's step: a code works once, and neither side shall pay for the other's."""
    now = time.time()
    await asyncio.sleep(30 - now % 30 + 0.5)


def row(name: str, ours: list[float], theirs: list[float], target: float) -> None:
    """One line of the result: medians, and the median of the ratios of neighbours."""
    ratio = statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))
    print(
        f"{name:<32} library {statistics.median(ours):6.2f} s   script {statistics.median(theirs):6.2f} s   "
        f"ratio {ratio:4.2f} (target {target})"
    )


async def warm(origin: str, marketplace: Marketplace, order_ids: list[str]) -> None:
    """Both are signed in already."""
    ours: list[float] = []
    theirs: list[float] = []
    async with scraper(marketplace) as portal, async_playwright() as playwright:
        await portal.login()
        await fresh_code()
        browser = await playwright.chromium.launch(executable_path=find_browser(), chromium_sandbox=os.geteuid() != 0)
        context = await browser.new_context()
        await script_sign_in(context, origin)
        for index, order_id in enumerate(order_ids):
            mine = await timed(lambda order_id=order_id: portal.documents(order_id))
            other = await timed(lambda order_id=order_id: script_papers(context, origin, order_id))
            if index:  # the first of each warms up
                ours.append(mine)
                theirs.append(other)
        await browser.close()
    row("warm, 3 papers", ours, theirs, 1.3)


async def cold(origin: str, marketplace: Marketplace, order_ids: list[str]) -> None:
    """Neither has a browser or a session."""
    ours: list[float] = []
    theirs: list[float] = []
    for order_id in order_ids:
        await fresh_code()
        ours.append(await timed(lambda order_id=order_id: scraper_cold(marketplace, order_id)))
        await fresh_code()
        theirs.append(await timed(lambda order_id=order_id: script_cold(origin, order_id)))
    row("cold, 3 papers", ours, theirs, 1.5)


async def variants(
    site: SellerCentralSite, origin: str, marketplace: Marketplace, order_ids: list[str], rounds: int
) -> None:
    """Every face, both sides in turn; the label that is made in the background takes 0.3 s."""
    plain = site.variants
    warm_faces: list[tuple[str, dict[str, Any]]] = [
        *((f"warm, invoice {form}", {"invoice": form}) for form in InvoiceForm if form is not InvoiceForm.MISSING),
        *((f"warm, label {form}", {"label": form}) for form in LabelForm),
        *((f"warm, drawn {drawing}", {"drawing": drawing}) for drawing in Drawing if drawing is not Drawing.AT_ONCE),
    ]
    site.batch_seconds = 0.3
    async with scraper(marketplace) as portal, async_playwright() as playwright:
        await fresh_code()
        await portal.login()
        browser = await playwright.chromium.launch(executable_path=find_browser(), chromium_sandbox=os.geteuid() != 0)
        context = await browser.new_context()
        await script_sign_in(context, origin, email=SCRIPT_EMAIL)
        at = 0
        for name, face in warm_faces:
            site.variants = attrs.evolve(plain, **face)
            forms = site.variants.invoice, site.variants.label
            ours: list[float] = []
            theirs: list[float] = []
            for index in range(rounds + 1):
                first, second, at = order_ids[at], order_ids[at + 1], at + 2
                mine = await timed(lambda order=first: complete(portal, order))
                other = await timed(lambda order=second, forms=forms: script_face(context, origin, order, *forms))
                if index:  # the first of each warms up
                    ours.append(mine)
                    theirs.append(other)
            row(name, ours, theirs, 1.3)
        await browser.close()
    for form in SignInForm:
        site.variants = attrs.evolve(plain, sign_in=form)
        ours, theirs = [], []
        for _ in range(max(2, rounds // 2)):
            await fresh_code()
            order = order_ids[0]
            ours.append(await timed(lambda order=order: scraper_cold(marketplace, order)))
            theirs.append(await timed(lambda form=form, order=order: script_cold(origin, order, form, SCRIPT_EMAIL)))
        row(f"cold, {form}", ours, theirs, 1.5)
    site.variants = plain


async def complete(portal: SellerPortalScraper, order_id: str) -> None:
    """Three verified papers."""
    papers = await portal.documents(order_id)
    assert len(papers.ready) == 3, papers.failed


async def slow(site: SellerCentralSite, marketplace: Marketplace, order_ids: list[str]) -> None:
    """The site takes its time for each document."""
    async with scraper(marketplace) as portal:
        await portal.login()
        for kind in DocumentKind:
            site.fail(kind, Fault.DELAY, times=None, seconds=SLOW_SECONDS)
        seconds = [await timed(lambda order_id=order_id: portal.documents(order_id)) for order_id in order_ids]
        site.clear_faults()
    print(f"{'5 s per document':<22} library {max(seconds):6.2f} s, the slowest of {len(seconds)} (target 7)")


def memory_of(process: int) -> tuple[int, int]:
    """Resident bytes and number of processes of a process and everything below it."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
    below = {process}
    while more := {child for child, parent in parents.items() if parent in below} - below:
        below |= more
    total = 0
    for member in below:
        try:
            found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{member}/smaps_rollup").read_text(), re.MULTILINE)
        except OSError:
            continue
        total += int(found[1]) * 1024 if found else 0
    return total, len(below)


async def many(marketplace: Marketplace, order_ids: list[str]) -> None:
    """Orders in a row in one scraper: memory, pages and processes at the quarters of the way."""
    seconds: list[float] = []
    signatures: list[tuple[int, int, int]] = []
    pages = 0
    async with scraper(marketplace) as portal:
        for index, order_id in enumerate(order_ids, 1):
            seconds.append(await timed(lambda order_id=order_id: portal.documents(order_id)))
            running = portal._browser.running
            pages = max(pages, len(running.context.pages) if running else 0)
            if index % max(1, len(order_ids) // 4) == 0:
                memory, count = memory_of(os.getpid())
                signatures.append((memory, count, pages))
                pages = 0
    print(
        f"{len(order_ids)} orders in a row     median {statistics.median(seconds):.2f} s, "
        f"p99 {sorted(seconds)[int(len(seconds) * 0.99)]:.2f} s"
    )
    for quarter, (memory, count, most) in enumerate(signatures, 1):
        print(f"  after {quarter * len(order_ids) // 4:4d}: {memory / 1e6:5.0f} MB, {count} processes, {most} pages")
    half = len(seconds) // 2
    print(f"  second half / first half: {statistics.median(seconds[half:]) / statistics.median(seconds[:half]):.2f}")


def main() -> None:
    arguments = [text for text in sys.argv[1:] if text != "variants"]
    faces = len(arguments) < len(sys.argv) - 1
    rounds = int(arguments[0]) if arguments else 5 if faces else 20
    orders = int(arguments[1]) if len(arguments) > 1 else 200
    clock = SystemClock()
    now = clock.now()
    pickup = PortalPickup(scheduled_at=now - timedelta(hours=1), day=now.date(), tracking_id="AE4711")
    found = [sample_order(number, purchased_at=now - timedelta(days=1), pickup=pickup) for number in range(orders)]
    known: dict[str, PortalOrder] = {order.order_id: order for order in found}
    ids = list(known)
    user = SiteUser(email=EMAIL, password=PASSWORD, totp_secret=SECRET)
    other = SiteUser(email=SCRIPT_EMAIL, password=PASSWORD, totp_secret=SCRIPT_SECRET)
    site = SellerCentralSite(clock=clock, users=[user, other], orders=known)
    with serve_in_thread(site) as origin:
        marketplace = attrs.evolve(AE, portal_origin=origin)

        async def run() -> None:
            if faces:
                await variants(site, origin, marketplace, ids, rounds)
                return
            await warm(origin, marketplace, ids[: rounds + 1])
            await cold(origin, marketplace, ids[: max(2, rounds // 5)])
            await fresh_code()
            await slow(site, marketplace, ids[:2])
            await fresh_code()
            await many(marketplace, ids)

        asyncio.run(run())


if __name__ == "__main__":
    main()
