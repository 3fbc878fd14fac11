"""The scraper in a real browser, on every face of the look-alike."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import attrs
import pytest
from playwright.async_api import Locator
from portal_stage import ALL, complete, idle_pages, open_pages, stage

from amazon_ae._exceptions import (
    ChallengeRequired,
    ConfigurationError,
    DocumentInvalid,
    DocumentNotReady,
    LoginRejected,
    PageChanged,
    PermissionMissing,
    PortalStopped,
)
from amazon_ae._models.documents import DocumentKind
from amazon_ae._portal.pacing import RequestPacer
from amazon_ae._portal.site_map import SITE
from amazon_ae._ports import Clock
from amazon_ae.testing._clocks import VirtualClock
from amazon_ae.testing._seller_central import (
    AccountPicker,
    Challenge,
    Drawing,
    InvoiceForm,
    LabelForm,
    Language,
    Nag,
    SignInForm,
    Tour,
)

pytestmark = pytest.mark.browser


FACES: dict[str, dict[str, Any]] = {
    "one page": {"sign_in": SignInForm.ONE_PAGE, "account_picker": AccountPicker.CURRENT, "language": Language.ARABIC},
    "two pages": {"account_picker": AccountPicker.OLDER, "nag": Nag.BOTH, "language": Language.ARABIC},
    "claim": {
        "sign_in": SignInForm.CLAIM,
        "device_choice": True,
        "account_picker": AccountPicker.CURRENT_FAILS_ONCE,
        "language": Language.ENGLISH,
    },
}


@pytest.mark.parametrize("face", FACES)
async def test_the_sign_in_passes_every_face(face: str) -> None:
    """In English and in Arabic, through both pickers (shadow DOM, trusted clicks) to the three papers."""
    async with stage() as on:
        on.show(tour=Tour.BOTH, **FACES[face])
        async with on.scraper() as portal:
            assert complete(await portal.documents(on.order_ids[0]))
        counts = on.site.counts
        assert (counts.sign_ins, counts.wrong_passwords, counts.wrong_codes, counts.messages_sent) == (1, 0, 0, 0)
        assert [event.outcome for event in on.sign_ins] == ["signed in"]


async def test_every_way_to_the_invoice_and_the_label() -> None:
    """Link, form, click, new window, frame and sibling host; link and background page; with tours in the way."""
    async with stage() as on, on.scraper() as portal:
        for invoice in InvoiceForm:
            for tour in (Tour.NONE, Tour.BOTH):
                on.show(invoice=invoice, tour=tour)
                on.site.forget_devices()
                papers = await portal.documents(on.order_ids[0], [DocumentKind.INVOICE])
                if invoice is InvoiceForm.MISSING:
                    assert isinstance(papers.failed[DocumentKind.INVOICE], DocumentNotReady)
                else:
                    assert complete(papers, [DocumentKind.INVOICE]), invoice
        assert open_pages(portal) == idle_pages(portal), "no window is left open"
        for label in LabelForm:
            on.show(label=label)
            papers = await portal.documents(on.order_ids[0], [DocumentKind.SHIPPING_LABEL])
            assert complete(papers, [DocumentKind.SHIPPING_LABEL]), label
        on.show(label_on_a4=True)
        papers = await portal.documents(on.order_ids[0], [DocumentKind.SHIPPING_LABEL])
        assert round(papers[DocumentKind.SHIPPING_LABEL].width_mm) == 210


KINDS = {
    Challenge.CAPTCHA: "captcha",
    Challenge.CAPTCHA_PAGE: "captcha",
    Challenge.CAPTCHA_CVF: "captcha",
    Challenge.CAPTCHA_PUZZLE: "captcha",
    Challenge.WAF: "waf",
    Challenge.PASSKEY: "passkey",
    Challenge.APPROVAL: "device_approval",
    Challenge.SMS_CODE: "sms_code",
    Challenge.SMS_IN_PLACE: "sms_code",
    Challenge.PASSWORD_CHANGE: "password_change",
    Challenge.AGENT_POLICY: "agent_policy",
}


async def test_each_wall_that_only_a_person_passes_is_named_at_once() -> None:
    """With a picture, in seconds, with the password typed at most once."""
    assert set(KINDS) == set(Challenge) - {Challenge.NONE}
    async with stage() as on:
        on.show(honour_trust=False)
        async with on.scraper() as portal:
            for challenge, kind in KINDS.items():
                on.show(challenge=challenge)
                typed = on.site.counts.passwords
                with pytest.raises(ChallengeRequired, match="a person must pass it once") as caught:
                    await portal.login()
                assert caught.value.kind == kind
                assert (caught.value.picture or b"").startswith(b"\x89PNG")
                assert on.site.counts.passwords - typed <= 1, challenge
                on.site.expire_sessions()
        assert [event.detail for event in on.sign_ins] == list(KINDS.values())
        assert on.site.counts.messages_sent <= 1  # the site itself sends the SMS


async def test_waiting_callers_share_one_attempt_and_nobody_tries_again() -> None:
    """Three packers meet one captcha: one attempt. Afterwards nothing is sent until login() is called."""
    async with stage() as on:
        on.show(challenge=Challenge.CAPTCHA)
        async with on.scraper() as portal:
            results = await asyncio.gather(
                *(portal.documents(order_id) for order_id in on.order_ids), return_exceptions=True
            )
            assert {type(error) for error in results} == {ChallengeRequired}
            sent = on.site.counts.requests
            with pytest.raises(ChallengeRequired):
                await portal.documents(on.order_ids[0])
            assert on.site.counts.requests == sent
            assert len(on.sign_ins) == 1
            on.show(challenge=Challenge.NONE)
            await portal.login()
            assert complete(await portal.documents(on.order_ids[0]))


async def test_a_wrong_password_is_typed_once() -> None:
    """And not again by the next caller, who would lock the account."""
    async with stage() as on, on.scraper(password="wrong") as portal:
        for _ in range(3):
            with pytest.raises(LoginRejected, match="refused the password"):
                await portal.documents(on.order_ids[0])
        assert on.site.counts.wrong_passwords == 1


async def test_an_unknown_account_is_no_new_account() -> None:
    """The "create account?" page ends the sign-in."""
    async with stage() as on:
        on.show(sign_in=SignInForm.CLAIM)
        on.site.users = []
        async with on.scraper() as portal:
            with pytest.raises(LoginRejected, match="no account"):
                await portal.documents(on.order_ids[0])


async def test_a_wrong_secret_is_tried_twice_with_two_codes() -> None:
    """Then it is a clear stop."""
    async with stage(speed=20.0) as on, on.scraper(totp="GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ") as portal:
        with pytest.raises(LoginRejected, match="two one-time codes"):
            await portal.documents(on.order_ids[0])
        assert (on.site.counts.codes, on.site.counts.reused_codes, on.site.counts.messages_sent) == (2, 0, 0)


@attrs.frozen
class _WrongClock:
    """A clock that is off."""

    right: Clock
    seconds: float

    def now(self) -> datetime:
        return self.right.now() + timedelta(seconds=self.seconds)

    async def sleep(self, seconds: float) -> None:
        await self.right.sleep(seconds)


@pytest.mark.parametrize(("seconds", "side"), [(300.0, "ahead of"), (-300.0, "behind")])
async def test_a_wrong_clock_is_named_after_one_code(seconds: float, side: str) -> None:
    """The site's Date tells; the secret is not blamed, and no second code is wasted."""
    async with stage() as on, on.scraper(clock=_WrongClock(on.clock, seconds)) as portal:
        with pytest.raises(LoginRejected, match=rf"clock is (29\d|30\d) s {side} Amazon's: set the clock"):
            await portal.documents(on.order_ids[0])
        assert on.site.counts.codes == 1
        assert abs((on.sign_ins[0].skew_seconds or 0) - seconds) < 10


async def test_a_missing_permission_is_final_and_no_sign_in() -> None:
    """The owner of the account must act; a new sign-in would not help."""
    async with stage() as on, on.scraper() as portal:
        on.show(may_see_orders=False)
        papers = await portal.documents(on.order_ids[0])
        assert {type(error) for error in papers.failed.values()} == {PermissionMissing}
        assert on.site.counts.sign_ins == 1


async def test_what_is_not_made_yet_says_when_to_ask_again() -> None:
    """An order without pickup, a label in the making, a background page that takes long."""
    async with stage() as on, on.scraper(label_wait=2.0) as portal:
        order = on.orders[on.order_ids[0]]
        kinds = [DocumentKind.SHIPPING_LABEL]
        on.orders[order.order_id] = attrs.evolve(order, pickup=None, status="Unshipped")
        first = (await portal.documents(order.order_id, kinds)).failed[kinds[0]]
        on.orders[order.order_id] = order
        on.site.label_seconds = 3_600 + 500
        second = (await portal.documents(order.order_id, kinds)).failed[kinds[0]]
        on.show(label=LabelForm.BATCH)
        third = (await portal.documents(order.order_id, kinds)).failed[kinds[0]]
        for error in (first, second, third):
            assert isinstance(error, DocumentNotReady)
            assert error.retry_after_seconds > 0
        on.site.label_seconds = 0
        on.site.batch_seconds = 1.0
        assert complete(await portal.documents(on.order_ids[1], kinds), kinds)  # the first one's batch is still made


async def test_only_what_was_asked_for_is_fetched() -> None:
    """A host that prints labels only causes one document's requests."""
    async with stage() as on, on.scraper() as portal:
        papers = await portal.documents(on.order_ids[0], [DocumentKind.SHIPPING_LABEL])
        assert complete(papers, [DocumentKind.SHIPPING_LABEL])
        assert set(on.site.counts.documents) == {DocumentKind.SHIPPING_LABEL}


async def test_an_order_id_is_checked_before_anything_is_sent() -> None:
    """A path or a second id cannot be smuggled into an address."""
    async with stage() as on, on.scraper() as portal:
        for wrong in ("", "408-1-1", "../home", "408-1234567-1234567;408-7654321-7654321", "408-1234567-1234567\n"):
            with pytest.raises(ConfigurationError):
                await portal.documents(wrong)
        assert on.site.counts.requests == 0


async def test_an_unknown_order_is_each_papers_own_error() -> None:
    """Nothing is raised; nothing is lost."""
    async with stage() as on, on.scraper() as portal:
        papers = await portal.documents("408-9999999-9999999")
        assert {kind: type(error) for kind, error in papers.failed.items()} == dict.fromkeys(ALL, DocumentInvalid)


async def test_many_orders_share_one_session_and_few_pages() -> None:
    """Twelve orders at once: one sign-in, at most two pages."""
    async with stage(orders=12) as on, on.scraper(max_pages=2) as portal:
        most = 0

        async def watch() -> None:
            nonlocal most
            while True:
                most = max(most, open_pages(portal))
                await asyncio.sleep(0.005)

        watching = asyncio.ensure_future(watch())
        papers = await asyncio.gather(*(portal.documents(order_id) for order_id in on.order_ids))
        watching.cancel()
        assert all(complete(item) for item in papers)
        assert on.site.counts.sign_ins == 1
        assert 1 <= most <= 2
        assert len({paper.sha256 for item in papers for paper in item.ready.values()}) == 36


async def test_an_unknown_page_ends_with_its_picture() -> None:
    """Never a hang, and a host mends the selector without a release."""
    async with stage() as on:
        blind = SITE.override(selectors={"code": ["#gone"], "remember_device": ["#gone"], "code_submit": ["#gone"]})
        async with on.scraper(site=blind) as portal:
            with pytest.raises(PageChanged, match="not one this version knows") as caught:
                await portal.documents(on.order_ids[0])
            assert caught.value.step == "sign-in"
            assert (caught.value.picture or b"").startswith(b"\x89PNG")
        async with on.scraper(site=SITE.override(selectors={"code": ["input[name=otpCode]"]})) as portal:
            assert complete(await portal.documents(on.order_ids[0]))


async def test_the_orders_page_does_not_pass_for_its_packing_slip() -> None:
    """It names the order too; a moved address may well lead to it."""
    kinds = [DocumentKind.PACKING_SLIP]
    async with stage() as on:
        moved = SITE.override(urls={"packing_slip": "/orders-v3/order/{order_id}?print=slip"})
        async with on.scraper(site=moved) as portal:
            error = (await portal.documents(on.order_ids[0], kinds)).failed[DocumentKind.PACKING_SLIP]
        assert isinstance(error, PageChanged)
        assert error.step == "packing_slip"


async def test_the_kill_switch_stops_what_runs_and_what_comes() -> None:
    """Nothing is sent after it; resuming goes on."""
    async with stage() as on, on.scraper() as portal:
        await portal.login()
        portal.stop()
        sent = on.site.counts.requests
        with pytest.raises(PortalStopped):
            await portal.documents(on.order_ids[0])
        with pytest.raises(PortalStopped):
            await portal.login()
        assert on.site.counts.requests == sent
        portal.resume()
        running = asyncio.ensure_future(portal.documents(on.order_ids[0]))
        while on.site.counts.requests == sent:  # noqa: ASYNC110 - the site has no event for it
            await asyncio.sleep(0.001)
        portal.stop()
        papers = await running
        assert PortalStopped in {type(error) for error in papers.failed.values()}


async def test_the_pace_is_kept_on_the_injected_clock() -> None:
    """Two orders cause more than ten requests; with four at once and one per 5 s they take half a minute at least."""
    async with stage(speed=20.0) as on, on.scraper(burst=4.0, restore_seconds=5.0) as portal:
        started = on.clock.now()
        for order_id in on.order_ids[:2]:
            assert complete(await portal.documents(order_id))
        assert (on.clock.now() - started).total_seconds() >= 30


async def test_every_document_is_audited() -> None:
    """Size, digest, pages and the outcome; in the account's name, which does not show the e-mail."""
    async with stage() as on, on.scraper() as portal:
        papers = await portal.documents(on.order_ids[0])
        on.show(invoice=InvoiceForm.MISSING)
        await portal.documents(on.order_ids[1], [DocumentKind.INVOICE])
        by_kind = {event.kind: event for event in on.papers if event.order_id == on.order_ids[0]}
        assert set(by_kind) == ALL
        for kind, event in by_kind.items():
            assert (event.outcome, event.sha256, event.pages) == ("ready", papers[kind].sha256, papers[kind].pages)
            assert event.size == len(papers[kind].content)
        assert on.papers[-1].outcome == "DocumentNotReady"
        assert portal.account.startswith("AE-")
        assert {event.account for event in on.events} == {portal.account}
        assert "packer" not in portal.account


async def test_no_click_is_held_back_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages take turns in front: none waits for two seconds until it is clicked by script, whichever page is lent."""

    async def by_script(*_: object, **__: object) -> None:
        raise AssertionError("a click took too long")

    monkeypatch.setattr(Locator, "dispatch_event", by_script)
    async with stage(orders=4) as on, on.scraper() as portal:
        on.show(
            drawing=Drawing.LATE, tour=Tour.STACKED
        )  # invoice and label both need a page, the slip prints in a third
        for order_id in on.order_ids:
            assert complete(await portal.documents(order_id))
        papers = await asyncio.gather(*(portal.documents(order_id) for order_id in on.order_ids))
        assert all(complete(item) for item in papers)


async def test_an_order_takes_four_or_five_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """However its papers are offered. At the default pace 20 orders in a row wait for half a minute at most."""
    paced = 0
    acquire = RequestPacer.acquire

    async def count(pacer: RequestPacer, step: str) -> None:
        nonlocal paced
        paced += 1
        await acquire(pacer, step)

    monkeypatch.setattr(RequestPacer, "acquire", count)
    async with stage() as on, on.scraper() as portal:
        await portal.login()
        on.site.batch_seconds = 0.0
        faces = [(form, LabelForm.LINK) for form in InvoiceForm] + [(InvoiceForm.MODAL_LINK, LabelForm.BATCH)]
        taken: dict[tuple[InvoiceForm, LabelForm], int] = {}
        for invoice, label in faces:
            on.show(invoice=invoice, label=label)
            before = paced
            await portal.documents(on.order_ids[0])
            taken[invoice, label] = paced - before
        assert max(taken.values()) <= 5, taken
        assert taken[InvoiceForm.LINK, LabelForm.LINK] == taken[InvoiceForm.MODAL_LINK, LabelForm.LINK] == 4
    clock = VirtualClock()
    pacer = RequestPacer(clock, burst=30.0, restore_seconds=1.0)
    started = clock.now()
    for _ in range(6 + 20 * 4):  # a sign-in, then the orders
        await pacer.acquire("test")
    assert (clock.now() - started).total_seconds() <= 60
