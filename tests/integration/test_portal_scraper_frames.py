"""Error trackers collect the variables of every frame of a traceback: no secret and nothing of a buyer is in them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import attrs
import pytest
from error_tracker import collected
from playwright.async_api import async_playwright
from portal_stage import (
    EMAIL,
    PASSWORD,
    SECRET,
    Stage,
    allow_retry,
    chromium_processes,
    open_pages,
    running_browser,
    stage,
    start_browser,
)

from amazon_ae._exceptions import AmazonAeError, ChallengeRequired
from amazon_ae._models.documents import DocumentKind
from amazon_ae._portal.browser_options import BrowserOptions, find_browser
from amazon_ae._portal.scraper import SellerPortalScraper
from amazon_ae._portal.session_store import FileSessionStore
from amazon_ae.testing._seller_central import Challenge, Fault, InvoiceForm, SignInForm
from amazon_ae.testing._seller_central.codes import code_of, step_of
from amazon_ae.testing._serving import Receive, Scope, Send, serve

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

WRONG = "Not-The-Password-9"
PROXY_PASSWORD = "Pr0xy-Pass"
COOKIE = "cookie-value-4711-0815"
E_MAIL_PAGE = """<!doctype html><form method="post" action="/ap/password"><input id="ap_email" name="email">
<input id="continue" type="submit"></form>"""
PASSWORD_PAGE = """<!doctype html><form name="signIn" method="post" action="http://localhost:9/steal">
<input type="hidden" name="email"><input id="ap_password" type="password" name="password">
<input id="signInSubmit" type="submit"></form>"""


@attrs.define
class Errors:
    """The errors of one test, and what must not be in them."""

    on: Stage
    errors: dict[str, BaseException] = attrs.field(factory=dict)
    cookies: set[str] = attrs.field(factory=set)

    async def note(self, name: str, portal: SellerPortalScraper, *, order: int = 0) -> None:
        """Ask for an order's papers and keep every error."""
        try:
            papers = await portal.documents(self.on.order_ids[order])
        except AmazonAeError as error:
            self.errors[name] = error
        else:
            self.errors.update({f"{name}, {kind}": error for kind, error in papers.failed.items()})
        if open_pages(portal) and (running := running_browser(portal)).alive:
            found = {item["value"] for item in await running.context.cookies()}
            self.cookies |= {value for value in found if len(value) > 7}

    def shown(self) -> dict[str, list[str]]:
        """By error: which of the secrets, and what of a buyer, a tracker would have."""
        buyers = {
            text
            for order in self.on.orders.values()
            for text in (order.buyer_name, order.phone, *(line for line in order.address if len(line) > 5))
        }
        now = step_of(self.on.clock.now())
        codes = {code_of(SECRET, step) for step in range(now - 60, now + 3)}
        plain = {
            EMAIL,
            PASSWORD,
            WRONG,
            PROXY_PASSWORD,
            COOKIE,
            SECRET,
            SECRET.replace(" ", ""),
            *buyers,
            *self.cookies,
        }
        texts = {name: collected(error) for name, error in self.errors.items()}
        found = {
            name: sorted({item for item in plain if item in text} | (codes & set(re.findall(r"\d+", text))))
            for name, text in texts.items()
        }
        return {name: items for name, items in found.items() if items}


class PostsElsewhere:
    """Asks for the e-mail, then for the password in a form that posts to somebody else."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        page = PASSWORD_PAGE if scope["path"] == "/ap/password" else E_MAIL_PAGE
        headers = [(b"content-type", b"text/html")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": page.encode()})


@asynccontextmanager
async def errors_of(*, orders: int = 2, speed: float = 20.0) -> AsyncIterator[Errors]:
    """Collect errors; at the end none shows anything."""
    async with stage(orders=orders, speed=speed) as on:
        found = Errors(on)
        yield found
        assert found.errors
        assert found.shown() == {}


async def test_what_the_tracker_helper_finds() -> None:
    """It sees a variable of a suppressed context; otherwise the tests below could not fail."""

    def inner() -> None:
        raise ValueError("x")

    namespace: dict[str, object] = {}
    code = "def leak(call):\n secret = 'Camel'\n try: call()\n except ValueError: raise KeyError() from None"
    exec(compile(code, "elsewhere.py", "exec"), namespace)
    with pytest.raises(KeyError) as caught:
        namespace["leak"](inner)  # type: ignore[operator]
    assert "Camel" in collected(caught.value)


async def test_a_sign_in_that_fails() -> None:
    """A form that posts elsewhere, a wrong password, a wrong secret, no row of our own."""
    async with errors_of() as found:
        on = found.on
        async with serve(PostsElsewhere()) as origin:
            there = attrs.evolve(on.marketplace, portal_origin=origin)
            async with on.scraper(marketplace=there) as portal:
                await found.note("posts elsewhere", portal)
            assert "nothing was typed" in str(found.errors["posts elsewhere"])
        for form in SignInForm:
            on.show(sign_in=form)
            async with on.scraper(password=WRONG) as portal:
                await found.note(f"wrong password, {form}", portal)
        on.show(honour_trust=False)
        async with on.scraper(totp="GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ") as portal:
            await found.note("wrong secret", portal)
        on.show(switch_accounts=True)
        on.site.users = []
        async with on.scraper() as portal:
            await found.note("no user's row", portal)
        assert len(found.errors) == 6


async def test_walls_before_and_after_the_password() -> None:
    """They are met with the e-mail, the password or a code just typed."""
    async with errors_of() as found:
        on = found.on
        on.show(honour_trust=False)
        async with on.scraper() as portal:
            for challenge in [wall for wall in Challenge if wall is not Challenge.NONE]:
                on.show(challenge=challenge)
                on.site.expire_sessions()
                allow_retry(portal)
                await found.note(challenge, portal)
        assert {type(error) for error in found.errors.values()} == {ChallengeRequired}
        assert len(found.errors) == len(Challenge) - 1


async def test_a_sign_in_that_hangs_is_cancelled_or_loses_its_browser(tmp_path: Path) -> None:
    """On each page, by the library's time limit, by the host's own, and by a killed browser."""
    async with errors_of(speed=5.0) as found:
        on = found.on
        store = FileSessionStore(tmp_path)
        on.show(honour_trust=False)
        for where in ("/home", "/ap/signin", "/ap/mfa"):
            on.site.fail(where, Fault.HANG, times=None)
            async with on.scraper(timeout=3.0) as portal:
                await found.note(f"hangs at {where}", portal)
            async with on.scraper() as portal:
                await start_browser(portal)
                with pytest.raises(TimeoutError) as caught:
                    async with asyncio.timeout(3.0):
                        await portal.login()
                found.errors[f"cancelled at {where}"] = caught.value
            async with on.scraper(sessions=store) as portal:
                waiting = asyncio.ensure_future(found.note(f"killed at {where}", portal))
                await asyncio.sleep(3.0)  # until it hangs: the browser has no event for it
                for process in chromium_processes():
                    _kill(process)
                await waiting
            on.site.clear_faults()


async def test_documents_that_fail() -> None:
    """Each fault on each document: another order's text, a page in place of a PDF, a hang, a lost session."""
    async with errors_of() as found:
        on = found.on
        on.show(invoice=InvoiceForm.LINK)
        async with on.scraper(timeout=4.0, label_wait=1.0) as portal:
            await portal.login()
            for fault in Fault:
                if fault is Fault.DELAY:
                    continue
                for kind in DocumentKind:
                    on.site.fail(kind, fault, times=None, seconds=7_000)
                await found.note(fault, portal)
                on.site.clear_faults()
                allow_retry(portal)
        for form in (InvoiceForm.MODAL_CLICK, InvoiceForm.MODAL_POPUP, InvoiceForm.MODAL_FORM):
            on.show(invoice=form)
            async with on.scraper(timeout=4.0) as portal:
                await portal.login()
                on.site.fail(DocumentKind.INVOICE, Fault.WRONG_ORDER, times=None)
                await found.note(form, portal)
                on.site.clear_faults()
        assert len(found.errors) > 40


async def test_a_stored_session_and_a_browser_that_fails(tmp_path: Path) -> None:
    """Cookies at hand, and no browser, a dead one, a closed context, an address of a proxy with a password."""
    async with errors_of() as found:
        on = found.on
        store = FileSessionStore(tmp_path)
        async with on.scraper(sessions=store) as portal:
            await portal.login()
            await found.note("nothing fails", portal)
        broken = {
            "no browser": BrowserOptions(executable_path="/bin/false"),
            "no such file": BrowserOptions(executable_path="/nowhere"),
            "a proxy": BrowserOptions(
                executable_path="/bin/false", args=[f"--proxy-server=http://me:{PROXY_PASSWORD}@proxy.invalid:3128"]
            ),
            "a dead address": BrowserOptions(cdp_url=f"http://me:{PROXY_PASSWORD}@127.0.0.1:9/?token={COOKIE}"),
        }
        for name, options in broken.items():
            async with on.scraper(sessions=store, browser=options) as portal:
                await found.note(name, portal)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=find_browser(), chromium_sandbox=False)
            context = await browser.new_context()
            await context.close()
            async with on.scraper(sessions=store, browser=BrowserOptions(context=context)) as portal:
                await found.note("closed context", portal)
            await browser.close()
        assert len(found.errors) == 5


async def test_a_session_that_cannot_be_read_or_kept(tmp_path: Path) -> None:
    """An import for another site, a damaged file, a folder that is none, a disk that refuses."""
    state = {"cookies": [{"name": "at-main", "value": COOKIE, "domain": ".amazon.de", "path": "/"}], "origins": []}
    async with errors_of() as found:
        on = found.on
        (tmp_path / "half.json").write_text(json.dumps(state)[:-4])
        async with on.scraper() as portal:
            for name, source in {
                "another site's": state,
                "half a file": tmp_path / "half.json",
                "a list": [state],
            }.items():
                with pytest.raises(AmazonAeError) as caught:
                    await portal.import_session(source)  # type: ignore[arg-type]
                found.errors[name] = caught.value
        store = FileSessionStore(tmp_path / "sessions")
        async with on.scraper(sessions=store) as portal:
            (tmp_path / "sessions" / f"{portal.account}.json").mkdir(parents=True)
            await found.note("before a code", portal)
        ours = {"cookies": [{**state["cookies"][0], "domain": "127.0.0.1"}], "origins": []}
        async with on.scraper(sessions=store) as portal:
            with pytest.raises(AmazonAeError) as caught:
                await portal.import_session(ours)
            found.errors["an import that is not kept"] = caught.value
        assert len(found.errors) == 5


def _kill(process: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
