"""The session: kept, shared, mended once, and passed on by a person."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import attrs
import pytest
from portal_stage import complete, running_browser, stage

from amazon_ae._exceptions import ChallengeRequired, ConfigurationError, StorageError
from amazon_ae._models.documents import DocumentKind
from amazon_ae._portal.browser_options import BrowserOptions, find_browser
from amazon_ae._portal.session_store import FileSessionStore, MemorySessionStore, SavedSession
from amazon_ae.testing._seller_central import Challenge, Fault, InvoiceForm, SignedOutAnswer

pytestmark = pytest.mark.browser


async def test_a_later_run_signs_in_no_more(tmp_path: Path) -> None:
    """The file holds the session; a new scraper goes straight to the order."""
    async with stage() as on:
        for order_id in on.order_ids[:2]:
            async with on.scraper(sessions=FileSessionStore(tmp_path)) as portal:
                assert complete(await portal.documents(order_id))
        assert (on.site.counts.sign_ins, on.site.counts.passwords, on.site.counts.codes) == (1, 1, 1)


async def test_each_face_of_an_expired_session_is_mended_once() -> None:
    """Redirect, 200 with the sign-in page, 401, JSON 403; the trusted device is not asked for a code again."""
    async with stage() as on, on.scraper() as portal:
        on.show(invoice=InvoiceForm.LINK)
        await portal.login()
        for signed_out in SignedOutAnswer:
            on.show(signed_out=signed_out)
            before = on.site.counts.sign_ins
            on.site.expire_sessions()
            assert complete(await portal.documents(on.order_ids[0])), signed_out
            assert on.site.counts.sign_ins == before + 1
        assert on.site.counts.codes == 1


async def test_a_session_lost_between_two_papers_is_mended_and_none_is_lost() -> None:
    """Several orders at once, the session gone in the middle: one sign-in for all."""
    async with stage(orders=4) as on, on.scraper() as portal:
        await portal.login()
        on.site.fail(DocumentKind.INVOICE, Fault.SIGN_OUT)
        papers = await asyncio.gather(*(portal.documents(order_id) for order_id in on.order_ids))
        assert all(complete(item) for item in papers)
        assert on.site.counts.sign_ins == 2


async def test_a_page_of_a_lost_session_is_not_used_again() -> None:
    """Its forms hold that session's tokens: after the sign-in the order's page is fetched anew."""
    async with stage() as on, on.scraper() as portal:
        on.show(invoice=InvoiceForm.LINK)
        await portal.login()
        on.site.fail(DocumentKind.INVOICE, Fault.SIGN_OUT)
        kinds = [DocumentKind.INVOICE]
        assert complete(await portal.documents(on.order_ids[0], kinds), kinds)
        pages = [request for request in on.site.requests if request.path.startswith("/orders-v3/order/")]
        assert [request.status for request in pages] == [200, 200]


async def test_two_programs_sign_in_once_and_share_the_session(tmp_path: Path) -> None:
    """Two scrapers with stores of their own on one folder: the second takes what the first brought."""
    async with stage() as on:
        async with (
            on.scraper(sessions=FileSessionStore(tmp_path)) as first,
            on.scraper(sessions=FileSessionStore(tmp_path)) as second,
        ):
            both = await asyncio.gather(first.documents(on.order_ids[0]), second.documents(on.order_ids[1]))
            assert all(complete(item) for item in both)
            assert (on.site.counts.sign_ins, on.site.counts.codes) == (1, 1)
            on.site.expire_sessions()
            both = await asyncio.gather(first.documents(on.order_ids[0]), second.documents(on.order_ids[1]))
            assert all(complete(item) for item in both)
            assert on.site.counts.sign_ins == 2


async def test_two_programs_never_use_one_code_twice(tmp_path: Path) -> None:
    """On devices that are not trusted, one sign-in after the other within one step: each has its own code."""
    async with stage() as on:
        on.show(honour_trust=False)
        for _ in range(3):
            async with on.scraper(sessions=FileSessionStore(tmp_path)) as portal:
                await portal.login()
            on.site.expire_sessions()
        counts = on.site.counts
        assert (counts.sign_ins, counts.codes, counts.reused_codes, counts.wrong_codes) == (3, 3, 0, 0)


class DiesOnceAfterTheCounter(FileSessionStore):
    """A folder whose program ends right after it stored that a code is used, and before the code is typed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.counter: int | None = None

    async def save(self, account: str, data: bytes) -> None:
        await super().save(account, data)
        stored = SavedSession.from_bytes(data).last_counter
        if stored is not None and self.counter is None:
            self.counter = stored
            raise asyncio.CancelledError


async def test_a_crash_between_storing_a_code_s_counter_and_typing_it_wastes_the_code(tmp_path: Path) -> None:
    """The program ends there: the site saw no code, and the next program types a later one, never that one."""
    async with stage() as on:
        dying = DiesOnceAfterTheCounter(tmp_path)
        async with on.scraper(sessions=dying) as portal:
            with pytest.raises(asyncio.CancelledError):
                await portal.login()
            account = portal.account
        assert dying.counter is not None
        assert (on.site.counts.codes, on.site.counts.sign_ins) == (0, 0)
        store = FileSessionStore(tmp_path)
        after = SavedSession.from_bytes(await store.load(account))
        assert (after.last_counter, after.state) == (dying.counter, None)
        async with on.scraper(sessions=store) as portal:
            await portal.login()
        counts = on.site.counts
        assert (counts.sign_ins, counts.codes, counts.wrong_codes, counts.reused_codes) == (1, 1, 0, 0)
        typed = SavedSession.from_bytes(await store.load(account)).last_counter
        assert typed is not None
        assert typed > dying.counter


async def test_an_older_program_does_not_overwrite_a_newer_session(tmp_path: Path) -> None:
    """Closing saves cookies only where the store still holds the same sign-in."""
    async with stage() as on:
        async with on.scraper(sessions=FileSessionStore(tmp_path)) as old:
            await old.login()
            on.site.expire_sessions()
            async with on.scraper(sessions=FileSessionStore(tmp_path)) as new:
                await new.login()
                stored = SavedSession.from_bytes(await FileSessionStore(tmp_path).load(new.account))
        after = SavedSession.from_bytes(await FileSessionStore(tmp_path).load(new.account))
        assert after.signed_in_at == stored.signed_in_at
        async with on.scraper(sessions=FileSessionStore(tmp_path)) as later:
            assert complete(await later.documents(on.order_ids[0]))
        assert on.site.counts.sign_ins == 2


class FullDisk(MemorySessionStore):
    """A store with no room for what ``full`` says."""

    def __init__(self) -> None:
        super().__init__()
        self.full: set[str] = set()

    async def save(self, account: str, data: bytes) -> None:
        new = SavedSession.from_bytes(data)
        if ("session" in self.full and new.state is not None) or ("counter" in self.full and new.state is None):
            raise StorageError("the disk is full; free space and save again")
        await super().save(account, data)


async def test_a_full_disk_does_not_hold_up_parcels_once_signed_in() -> None:
    """The session is in the browser; it is saved at the end, when there is room again."""
    async with stage() as on:
        store = FullDisk()
        store.full = {"session"}
        async with on.scraper(sessions=store) as portal:
            for order_id in on.order_ids[:2]:
                assert complete(await portal.documents(order_id))
            store.full = set()
        async with on.scraper(sessions=store) as later:
            assert complete(await later.documents(on.order_ids[2]))
        assert on.site.counts.sign_ins == 1


async def test_no_code_is_typed_that_could_not_be_remembered() -> None:
    """It might be typed twice. The next call tries again by itself."""
    async with stage() as on:
        store = FullDisk()
        store.full = {"counter"}
        async with on.scraper(sessions=store) as portal:
            with pytest.raises(StorageError, match="free space"):
                await portal.documents(on.order_ids[0])
            assert on.site.counts.codes == 0
            store.full = set()
            assert complete(await portal.documents(on.order_ids[0]))


DAMAGED = {
    "half a file": b"\x00 half a file",
    "a cookie that is none": SavedSession(state={"cookies": [1]}).to_bytes(),
    "a cookie without a value": SavedSession(state={"cookies": [{"name": "a"}]}).to_bytes(),
    "another program's words": SavedSession(
        state={"cookies": [{"name": "a", "value": "b", "domain": "127.0.0.1", "path": "/", "sameSite": "unspecified"}]}
    ).to_bytes(),
    "a cookie no browser takes": SavedSession(
        state={"cookies": [{"name": "a", "value": "b", "domain": "", "path": "x", "expires": -7}], "origins": []}
    ).to_bytes(),
    "no list of origins": SavedSession(state={"cookies": [], "origins": 7}).to_bytes(),
}


@pytest.mark.parametrize("damage", DAMAGED)
async def test_a_damaged_session_means_a_new_sign_in(damage: str, tmp_path: Path) -> None:
    """Never a stop, and never a browser that seems not to start."""
    async with stage() as on:
        store = FileSessionStore(tmp_path)
        async with on.scraper(sessions=store) as portal:
            await store.save(portal.account, DAMAGED[damage])
            kinds = [DocumentKind.PACKING_SLIP]
            assert complete(await portal.documents(on.order_ids[0], kinds), kinds)
        assert on.site.counts.sign_ins == 1


async def test_one_damaged_cookie_costs_no_sign_in(tmp_path: Path) -> None:
    """The good ones are taken: at the start, and from another program's newer session while this one runs."""
    kinds = [DocumentKind.PACKING_SLIP]
    async with stage() as on:
        store = FileSessionStore(tmp_path)
        async with on.scraper(sessions=store) as portal:
            await portal.login()
            account = portal.account

        async def damage(signed_in_at: str) -> None:
            saved = SavedSession.from_bytes(await store.load(account))
            assert saved.state is not None
            state = {**saved.state, "cookies": [{"name": "half"}, *saved.state["cookies"]]}
            await store.save(account, attrs.evolve(saved, state=state, signed_in_at=signed_in_at).to_bytes())

        await damage("2026-01-01T00:00:00+00:00")
        async with on.scraper(sessions=store) as portal:
            assert complete(await portal.documents(on.order_ids[0], kinds), kinds)
            await damage("2026-01-02T00:00:00+00:00")
            running = running_browser(portal)
            await running.context.clear_cookies()
            assert complete(await portal.documents(on.order_ids[1], kinds), kinds)
        assert on.site.counts.sign_ins == 1


async def test_the_other_cookies_of_a_hosts_own_context_are_its_own_business(tmp_path: Path) -> None:
    """They are not saved with the session, and neither an import nor another program's newer session clears them."""
    from playwright.async_api import async_playwright

    store, kinds = FileSessionStore(tmp_path), [DocumentKind.PACKING_SLIP]
    theirs: Any = {"name": "bank", "value": "open-sesame", "domain": ".bank.example", "path": "/"}
    async with stage() as on, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_browser(), chromium_sandbox=False)
        context = await browser.new_context()
        await context.add_cookies([theirs])

        async def still_there() -> bool:
            return [item["value"] for item in await context.cookies("https://www.bank.example/")] == ["open-sesame"]

        async with on.scraper(sessions=store, browser=BrowserOptions(context=context)) as portal:
            assert complete(await portal.documents(on.order_ids[0], kinds), kinds)
            saved = await store.load(portal.account)
            on.site.expire_sessions()
            async with on.scraper(sessions=store) as other:
                await other.login()
            assert complete(await portal.documents(on.order_ids[1], kinds), kinds)
            assert on.site.counts.sign_ins == 2, "the newer session was taken"
            assert await still_there()
            state = SavedSession.from_bytes(await store.load(portal.account)).state
            assert state is not None
            await portal.import_session({**state, "cookies": [*state["cookies"], {**theirs, "value": "stolen"}]})
            assert complete(await portal.documents(on.order_ids[2], kinds), kinds)
        assert on.site.counts.sign_ins == 2
        assert b"bank" not in (saved or b"bank")
        assert await still_there()
        await browser.close()


async def test_a_sign_in_that_the_site_forgot_begins_again() -> None:
    """The e-mail is asked for once more, which is no refusal; the password is still typed once."""
    async with stage() as on:
        forgotten = False

        def forget() -> bool:
            nonlocal forgotten
            if not forgotten and any(request.path == "/ap/signin" for request in on.site.requests):
                on.site.forget_devices()
                forgotten = True
            return False

        async with on.scraper(stopped=forget) as portal:
            await portal.login()
        assert forgotten
        posts = [request for request in on.site.requests if request.method == "POST" and request.path == "/ap/signin"]
        assert len(posts) == 3
        assert on.site.counts.passwords == 1


async def test_a_form_that_hides_its_button_while_it_is_sent_is_no_refusal() -> None:
    """The page still asks for the password, with another look; the answer takes its time."""
    from playwright.async_api import async_playwright

    script = "addEventListener('submit', event => { event.submitter.style.visibility = 'hidden' })"
    async with stage() as on, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_browser(), chromium_sandbox=False)
        context = await browser.new_context()
        await context.add_init_script(script)
        on.site.fail("/ap/signin", Fault.DELAY, times=None, seconds=5.0)
        async with on.scraper(browser=BrowserOptions(context=context)) as portal:
            await portal.login()
        assert on.site.counts.passwords == 1
        await browser.close()


async def test_an_imported_session_lets_work_go_on(tmp_path: Path) -> None:
    """A person signed in elsewhere; the captcha that stopped the program does not matter any more."""
    elsewhere = MemorySessionStore()
    async with stage() as on:
        async with on.scraper(sessions=elsewhere) as person:
            await person.login()
            state = SavedSession.from_bytes(await elsewhere.load(person.account)).state
        file = tmp_path / "state.json"
        file.write_text(json.dumps(state))
        on.show(challenge=Challenge.CAPTCHA)
        async with on.scraper() as portal:
            with pytest.raises(ChallengeRequired):
                await portal.documents(on.order_ids[0])
            await portal.import_session(file)
            assert complete(await portal.documents(on.order_ids[0]))
        assert on.site.counts.sign_ins == 1


async def test_what_is_no_session_of_this_marketplace_is_refused(tmp_path: Path) -> None:
    """Another site's cookies, no cookies, no file."""
    async with stage() as on, on.scraper() as portal:
        others = {"cookies": [{"name": "a", "value": "b", "domain": ".example.com", "path": "/"}], "origins": []}
        unusable: list[Any] = [others, {"cookies": []}, {}, tmp_path / "missing.json"]
        for wrong in unusable:
            with pytest.raises(ConfigurationError):
                await portal.import_session(wrong)


@pytest.mark.parametrize("challenge", [Challenge.CAPTCHA_CVF, Challenge.APPROVAL, Challenge.SMS_CODE])
async def test_a_person_passes_the_wall_and_the_program_goes_on(challenge: Challenge) -> None:
    """login(headed=True): the person does the wall, the table does the rest, the next order needs neither."""
    from playwright.async_api import async_playwright

    async with stage() as on, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_browser(), chromium_sandbox=False)
        context = await browser.new_context()
        on.show(challenge=challenge)

        async def person() -> None:
            """Wait until the wall is on the screen, then pass it as a person would."""
            async with asyncio.timeout(60):
                while not any("/cvf/" in page.url for page in context.pages):  # noqa: ASYNC110 - a person looks
                    await asyncio.sleep(0.02)
            page = next(page for page in context.pages if "/cvf/" in page.url)
            if challenge is Challenge.APPROVAL:
                on.site.approve()
                return
            box = page.locator("input[name=cvf_captcha_input], input[name=code]")
            await box.fill(on.site.answer())
            await page.locator("form input[type=submit]").first.click()

        async with on.scraper(browser=BrowserOptions(context=context)) as portal:
            with pytest.raises(ChallengeRequired):
                await portal.documents(on.order_ids[0])
            acting = asyncio.ensure_future(person())
            await portal.login(headed=True, person=60.0)
            await acting
            assert complete(await portal.documents(on.order_ids[0]))
        assert on.sign_ins[-1].headed
        assert on.site.counts.sign_ins == 1
        await browser.close()


async def test_a_person_who_does_not_come_is_not_waited_for_for_ever() -> None:
    """The wait per page is bounded; the wall is named."""
    from playwright.async_api import async_playwright

    async with stage() as on, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_browser(), chromium_sandbox=False)
        on.show(challenge=Challenge.WAF)
        async with on.scraper(browser=BrowserOptions(context=await browser.new_context())) as portal:
            with pytest.raises(ChallengeRequired) as caught:
                await asyncio.wait_for(portal.login(headed=True, person=1.0), 60)
            assert caught.value.kind == "waf"
        await browser.close()
