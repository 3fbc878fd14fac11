"""The look-alike behind the sign-in: nags, pickers, sessions, languages."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from site_visitor import SECRET, START, USER, Visitor, make_site

from amazon_ae.testing._clocks import VirtualClock
from amazon_ae.testing._seller_central import (
    AccountPicker,
    Language,
    Nag,
    SellerCentralSite,
    SignedOutAnswer,
)


def show(site: SellerCentralSite, **changes: Any) -> None:
    """Give the site another face."""
    site.variants = attrs.evolve(site.variants, **changes)


async def test_nags_are_skipped_once_per_browser() -> None:
    """Both nags come after the code and do not come again."""
    site = make_site()
    show(site, nag=Nag.BOTH)
    async with Visitor(site) as visitor:
        await visitor.sign_in()
        assert visitor.path == "/ap/accountfixup"
        (skip,) = visitor.page.links("skip=phone")
        page = await visitor.go(skip)
        assert page.has("remind-me-later")
        await visitor.submit({})
        assert visitor.path == "/home"
        site.expire_sessions()
        await visitor.go("/home")
        await visitor.type_credentials()
        await visitor.type_code(steps=1)
        assert visitor.path == "/home"


async def test_switch_accounts_offers_the_emails() -> None:
    """The list of e-mails comes first; the chosen one is asked for its password."""
    site = make_site()
    show(site, switch_accounts=True)
    async with Visitor(site) as visitor:
        page = await visitor.go("/home")
        assert not page.has("ap_email")
        await visitor.submit({"claim": USER.email})
        assert visitor.page.has("ap_password")
        await visitor.submit({"password": USER.password})
        await visitor.type_code()
        assert visitor.path == "/home"


@pytest.mark.parametrize("picker", [AccountPicker.CURRENT, AccountPicker.CURRENT_FAILS_ONCE, AccountPicker.OLDER])
async def test_an_account_must_be_picked_before_anything_else(picker: AccountPicker) -> None:
    """The picker is shown to a signed-in user; another marketplace has none of the orders."""
    site = make_site()
    show(site, account_picker=picker)
    async with Visitor(site) as visitor:
        page = await visitor.sign_in()
        assert site.counts.sign_ins == 1
        older = picker is AccountPicker.OLDER
        assert visitor.path == ("/merchant-picker" if older else "/account-switcher/default/merchantMarketplace")
        if picker is AccountPicker.CURRENT_FAILS_ONCE:
            assert "full-page-account-switcher-accounts-error" in page.html
            page = await visitor.go(str(visitor.answer.url))
        assert ("picker-switch-accounts-button" if older else "<kat-button") in page.html
        await visitor.submit({"marketplace": "SA"}, form=1)
        assert visitor.path == "/home"
        await visitor.go("/orders-v3/order/408-0007919-0000001")
        assert visitor.answer.status_code == 404
        await visitor.go("/merchant-picker")
        await visitor.submit({"marketplace": "AE"}, form=1)
        await visitor.go("/orders-v3/order/408-0007919-0000001")
        assert visitor.answer.status_code == 200


async def test_the_list_in_the_header_changes_the_marketplace() -> None:
    """The session begins in Saudi Arabia, where none of the orders is; the list's addresses lead elsewhere."""
    site = make_site()
    show(site, account_picker=AccountPicker.HEADER)
    async with Visitor(site) as visitor:
        page = await visitor.sign_in()
        assert page.has("sc-mkt-picker-switcher-select")
        options = [values for tag, values in page.elements if tag == "option"]
        assert [values["value"] for values in options if "selected" in values] == ["/home?mons_sel_mkid=A17E79C6D8DWNP"]
        await visitor.go("/orders-v3/order/408-0007919-0000001")
        assert visitor.answer.status_code == 404
        await visitor.go("/home?mons_sel_mkid=A2VIGQ35RCS4UG")
        page = await visitor.go("/orders-v3/order/408-0007919-0000001")
        assert visitor.answer.status_code == 200
        assert page.has("sc-mkt-picker-switcher-select")


@pytest.mark.parametrize("answer", list(SignedOutAnswer))
async def test_a_lost_session_is_answered_as_told(answer: SignedOutAnswer) -> None:
    """Redirect, the sign-in page with 200, 401, or a JSON 403."""
    site = make_site()
    show(site, signed_out=answer)
    async with Visitor(site) as visitor:
        visitor.http.follow_redirects = False
        page = await visitor.go("/orders-v3")
        status, location = visitor.answer.status_code, visitor.answer.headers.get("location", "")
        if answer is SignedOutAnswer.REDIRECT:
            assert status == 302
            assert location.startswith("/ap/signin?openid.return_to=http%3A%2F%2Fsite.test%2Forders-v3")
        elif answer is SignedOutAnswer.JSON_403:
            assert (status, visitor.answer.json()) == (403, {"reason": "sign_in"})
        else:
            assert (status, page.has("ap_email")) == (200 if answer is SignedOutAnswer.PAGE else 401, True)


async def test_a_session_ends_on_the_sites_clock() -> None:
    """Twelve hours by default; the clock is the injected one."""
    clock = VirtualClock(START, autojump=False)
    site = make_site(clock)
    async with Visitor(site) as visitor:
        await visitor.sign_in()
        clock.jump(site.session_seconds - 1)
        await visitor.go("/home")
        assert visitor.path == "/home"
        clock.jump(1)
        await visitor.go("/home")
        assert visitor.path == "/ap/signin"


async def test_signing_out_ends_the_session() -> None:
    """The button in the header."""
    site = make_site()
    async with Visitor(site) as visitor:
        await visitor.sign_in()
        await visitor.submit({})
        assert visitor.path == "/ap/signin"


@pytest.mark.parametrize("language", list(Language))
async def test_pages_speak_the_chosen_language(language: Language) -> None:
    """Arabic pages run from right to left; ids stay; an address may choose the language for good."""
    site = make_site()
    async with Visitor(site) as visitor:
        page = await visitor.go(f"/home?language={language}_AE")
        assert page.elements[0] == ("html", {"lang": f"{language}-AE", "dir": "rtl" if language == "ar" else "ltr"})
        assert ("كلمة" in (await visitor.submit({"email": USER.email})).texts()) is (language is Language.ARABIC)
        assert visitor.page.has("ap_password")


async def test_the_answer_carries_the_sites_date() -> None:
    """Clock skew can be told from the ``Date`` header, which is the injected clock's."""
    async with Visitor(make_site()) as visitor:
        await visitor.go("/home")
        assert visitor.answer.headers["date"] == "Thu, 18 Nov 2021 09:00:00 GMT"


async def test_session_token_changes_with_every_answer() -> None:
    """As on the real site: what was stored last is what counts."""
    async with Visitor(make_site()) as visitor:
        await visitor.go("/home")
        first = visitor.http.cookies["session-token"]
        await visitor.go("/home")
        assert visitor.http.cookies["session-token"] != first


async def test_secrets_are_in_no_repr() -> None:
    """Nothing of a user shows when a test prints the site's values."""
    site = make_site()
    async with Visitor(site) as visitor:
        await visitor.sign_in()
        await visitor.http.get("/ap/signin")
        # A failing assertion of a host's test prints these values; nothing public returns them.
        sign_ins = list(site._state.sign_ins.values())
        seen = repr((USER, list(site._state.sessions.values()), sign_ins, site.requests))
        assert "Session(" in seen
        assert "SignIn(" in seen
        session_id, csrf = visitor.http.cookies["at-sandbox"], next(iter(site._state.sessions.values())).csrf
    for secret in (USER.password, SECRET, USER.email, session_id, csrf):
        assert secret not in seen
