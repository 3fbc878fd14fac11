"""A person helps while orders wait; a host's own browser is treated as its own; each fault has its true message."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, async_playwright
from portal_stage import EMAIL, PASSWORD, Stage, complete, running_browser, stage

from amazon_ae._exceptions import BrowserNotFound, ChallengeRequired, ConfigurationError
from amazon_ae._models.documents import DocumentKind
from amazon_ae._portal.browser_options import BrowserOptions, find_browser
from amazon_ae.testing._seller_central import Challenge, Fault, SignInForm

pytestmark = pytest.mark.browser

LABEL = [DocumentKind.SHIPPING_LABEL]


@pytest.fixture
def windowless(tmp_path: Path) -> BrowserOptions:
    """A Chromium that shows no window even where one is asked for: this machine has no display."""
    path = tmp_path / "chromium"
    path.write_text(f'#!/bin/sh\nexec "{find_browser()}" --headless=new "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return BrowserOptions(executable_path=str(path))


@asynccontextmanager
async def chromium(**options: Any) -> AsyncIterator[Browser]:
    """A host's own browser."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=find_browser(), chromium_sandbox=os.geteuid() != 0, **options
        )
        yield browser
        await browser.close()


async def asked_for(on: Stage, path: str, *, after: int) -> None:
    """Wait until a request behind the first ``after`` ones asks for a path that begins so."""
    while not any(request.path.startswith(path) for request in on.site.requests[after:]):  # noqa: ASYNC110 - no event
        await asyncio.sleep(0.05)


async def approve_soon(on: Stage, *, after: int = 0) -> None:
    """A person takes a moment to find the phone."""
    await asked_for(on, "/ap/cvf/approval", after=after)
    await asyncio.sleep(0.2)
    on.site.approve()


async def test_those_who_waited_for_a_person_get_their_documents(windowless: BrowserOptions) -> None:
    """In the same process: the window is another browser's, and theirs takes over its session."""
    async with stage() as on, on.scraper(browser=windowless) as portal:
        assert complete(await portal.documents(on.order_ids[0], LABEL), LABEL)
        browser = running_browser(portal)
        on.show(challenge=Challenge.APPROVAL, honour_trust=False)
        on.site.expire_sessions()
        with pytest.raises(ChallengeRequired):  # on the way to the label, or before it
            raise (await portal.documents(on.order_ids[1], LABEL)).failed[DocumentKind.SHIPPING_LABEL]
        earlier = len(on.site.requests)
        helping = asyncio.ensure_future(portal.login(headed=True, person=60.0))
        await asked_for(on, "/ap/", after=earlier)
        waiting = [asyncio.ensure_future(portal.documents(order_id, LABEL)) for order_id in on.order_ids]
        await approve_soon(on, after=earlier)
        await helping
        for papers in await asyncio.gather(*waiting):
            assert complete(papers, LABEL)
        assert running_browser(portal) is browser


async def test_orders_in_flight_are_not_cut_by_a_headed_sign_in(windowless: BrowserOptions) -> None:
    """They end as they would have ended."""
    async with stage() as on, on.scraper(browser=windowless) as portal:
        await portal.login()
        on.site.fail(DocumentKind.SHIPPING_LABEL, Fault.DELAY, seconds=30.0)
        earlier = len(on.site.requests)
        fetching = asyncio.ensure_future(portal.documents(on.order_ids[0]))
        await asked_for(on, "/", after=earlier)
        await portal.login(headed=True)
        assert complete(await fetching)


async def test_the_program_types_and_the_person_solves_the_captcha() -> None:
    """On the password's page: it is typed once, and sent by the person with the answer."""
    async with stage() as on, chromium() as browser:
        context = await browser.new_context()
        on.show(challenge=Challenge.CAPTCHA, sign_in=SignInForm.TWO_PAGES)

        async def person() -> None:
            while not context.pages:  # noqa: ASYNC110 - a person looks
                await asyncio.sleep(0.02)
            field = context.pages[-1].locator("#ap_password")
            async with asyncio.timeout(60):
                while not (await field.count() and await field.input_value() == PASSWORD):  # noqa: ASYNC110 - a person looks
                    await asyncio.sleep(0.05)
            await context.pages[-1].fill("#auth-captcha-guess", on.site.answer())
            await context.pages[-1].click("#signInSubmit")

        async with on.scraper(browser=BrowserOptions(context=context)) as portal:
            helping = asyncio.ensure_future(person())
            await portal.login(headed=True, person=60.0)
            await helping
        assert (on.site.counts.passwords, on.site.counts.wrong_passwords) == (1, 0)


async def test_a_live_session_in_the_hosts_context_is_not_overwritten() -> None:
    """Not by an older stored one."""
    from amazon_ae._portal.session_store import MemorySessionStore

    store = MemorySessionStore()
    async with stage() as on:
        async with on.scraper(sessions=store) as portal:
            await portal.login()
        async with chromium() as browser:
            context = await browser.new_context()
            async with on.scraper(browser=BrowserOptions(context=context)) as portal:
                await portal.login()
            live = {cookie["name"]: cookie["value"] for cookie in await context.cookies()}
            async with on.scraper(browser=BrowserOptions(context=context), sessions=store) as portal:
                assert complete(await portal.documents(on.order_ids[0], LABEL), LABEL)
            after = {cookie["name"]: cookie["value"] for cookie in await context.cookies()}
            assert after["at-sandbox"] == live["at-sandbox"]
            assert on.site.counts.sign_ins == 2


async def test_a_browser_at_a_debugging_address_brings_its_session(unused_tcp_port: int) -> None:
    """The profile that is signed in there is used: nothing is typed."""
    async with stage() as on, chromium(args=[f"--remote-debugging-port={unused_tcp_port}"]):
        options = BrowserOptions(cdp_url=f"http://127.0.0.1:{unused_tcp_port}")
        async with on.scraper(browser=options) as portal:
            await portal.login()
        typed = on.site.counts.passwords
        async with on.scraper(browser=options) as portal:
            await portal.login()
            assert complete(await portal.documents(on.order_ids[0]))
        assert on.site.counts.passwords == typed == 1


async def test_each_fault_of_the_browser_says_what_it_is(unused_tcp_port: int) -> None:
    """A closed context, a dead address, a missing and a broken program, no display, no window."""
    async with stage() as on:
        async with chromium() as browser:
            closed = await browser.new_context()
            await closed.close()
            for context, says in ((closed, "was closed"),):
                async with on.scraper(browser=BrowserOptions(context=context)) as portal:
                    with pytest.raises(ConfigurationError, match=says):
                        await portal.documents(on.order_ids[0])
            on.show(challenge=Challenge.WAF)
            async with on.scraper(browser=BrowserOptions(context=await browser.new_context())) as portal:
                with pytest.raises(ChallengeRequired, match="has no window"):
                    await portal.login(headed=True, person=0.5)
        for options, says in (
            (BrowserOptions(cdp_url=f"http://127.0.0.1:{unused_tcp_port}"), "no browser answers at cdp_url"),
            (BrowserOptions(executable_path="/nowhere/chromium"), "does not exist"),
            (BrowserOptions(executable_path="/bin/false"), "is no browser"),
        ):
            async with on.scraper(browser=options) as portal:
                with pytest.raises(BrowserNotFound, match=says):
                    await portal.documents(on.order_ids[0])
        if not os.environ.get("DISPLAY"):
            async with on.scraper() as portal:
                with pytest.raises(BrowserNotFound, match="no display"):
                    await portal.login(headed=True)


async def test_a_store_that_raises_leads_to_a_new_sign_in() -> None:
    """A host's database may be down; parcels wait for nobody."""
    from amazon_ae._portal.session_store import MemorySessionStore

    class Broken(MemorySessionStore):
        """Cannot decrypt what it holds."""

        async def load(self, account: str) -> bytes | None:
            raise KeyError("no key")

    async with stage() as on, on.scraper(sessions=Broken()) as portal:
        assert complete(await portal.documents(on.order_ids[0], LABEL), LABEL)
        assert on.site.counts.sign_ins == 1
        assert on.sign_ins[0].outcome == "signed in"
        assert EMAIL not in repr(portal)
