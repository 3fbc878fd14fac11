"""The look-alike's sign-in: passwords, codes, devices."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given, settings, strategies as st
from site_visitor import START, USER, Visitor, make_site

from amazon_ae.testing._clocks import ScaledClock, VirtualClock
from amazon_ae.testing._seller_central import (
    Challenge,
    Nag,
    SellerCentralSite,
    SignInForm,
    SiteUser,
    SiteVariants,
)
from amazon_ae.testing._seller_central.codes import code_of, step_of
from amazon_ae.testing._seller_central.sign_in_steps import Step, next_step, path_of
from amazon_ae.testing._seller_central.state import Browser, SignIn


def show(site: SellerCentralSite, **changes: Any) -> None:
    """Give the site another face."""
    site.variants = attrs.evolve(site.variants, **changes)


def test_codes_are_those_of_the_rfc() -> None:
    """RFC 6238, appendix B: the last six of the eight digits at its instants, SHA-1."""
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    for seconds, digits in ((59, "94287082"), (1111111109, "07081804"), (2000000000, "69279037")):
        assert code_of(secret, seconds // 30) == digits[2:]


@pytest.mark.parametrize("form", list(SignInForm))
async def test_password_and_code_lead_to_the_page_that_was_wanted(form: SignInForm) -> None:
    """Each form of the first page ends on the address that asked for a sign-in."""
    site = make_site()
    show(site, sign_in=form)
    async with Visitor(site) as visitor:
        first = await visitor.go("/orders-v3?page=1")
        assert visitor.path == ("/ax/claim" if form is SignInForm.CLAIM else "/ap/signin")
        assert first.has("ap_password") is (form is SignInForm.ONE_PAGE)
        await visitor.type_credentials()
        assert visitor.path == "/ap/mfa"
        page = await visitor.type_code()
        assert (visitor.path, visitor.answer.url.query) == ("/orders-v3", b"page=1")
        assert page.has("orders-table")
    assert (site.counts.sign_ins, site.counts.passwords, site.counts.accepted_codes) == (1, 1, 1)


async def test_the_ids_of_every_step_are_there() -> None:
    """The ids that public scrapers look for are on their pages."""
    site = make_site()
    show(site, device_choice=True)
    async with Visitor(site) as visitor:
        page = await visitor.go("/home")
        assert page.has("ap_email")
        assert page.has("continue")
        assert page.forms[0].attributes["name"] == "signIn"
        page = await visitor.submit({"email": USER.email})
        assert page.has("ap_password")
        assert page.has("signInSubmit")
        assert "rememberMe" in page.forms[0].fields
        page = await visitor.submit({"password": USER.password})
        assert page.has("auth-select-device-form")
        assert page.has("auth-send-code")
        page = await visitor.submit({"otpDeviceContext": "sandbox-totp,TOTP"})
        for element_id in (
            "auth-mfa-form",
            "auth-mfa-otpcode",
            "auth-mfa-remember-device",
            "auth-signin-button",
            "auth-get-new-otp-link",
        ):
            assert page.has(element_id), element_id
    assert site.counts.messages_sent == 0


async def test_a_wrong_password_says_so_and_the_right_one_still_works() -> None:
    """An error box, the same page again, and no session."""
    site = make_site()
    async with Visitor(site) as visitor:
        await visitor.go("/home")
        page = await visitor.type_credentials(password="wrong")
        assert page.has("auth-error-message-box")
        assert "Your password is incorrect" in page.texts()
        await visitor.submit({"password": USER.password})
        assert visitor.path == "/ap/mfa"
    assert (site.counts.passwords, site.counts.wrong_passwords, site.counts.sign_ins) == (2, 1, 0)


@pytest.mark.parametrize(
    ("form", "element_id"),
    [
        (SignInForm.ONE_PAGE, "auth-error-message-box"),
        (SignInForm.TWO_PAGES, "auth-email-invalid-claim-alert"),
        (SignInForm.CLAIM, "intent-confirmation-form"),
    ],
)
async def test_an_unknown_account_is_named(form: SignInForm, element_id: str) -> None:
    """Each form of the first page has its own way to say that nobody has this e-mail."""
    site = make_site()
    show(site, sign_in=form)
    async with Visitor(site) as visitor:
        await visitor.go("/home")
        page = await visitor.submit({"email": "nobody@example.ae"})
        assert page.has(element_id)
    assert site.counts.passwords == 0


async def test_a_code_works_once() -> None:
    """The same code again is refused, also in another browser; the next step's code is good."""
    clock = VirtualClock(START, autojump=False)
    site = make_site(clock)
    async with Visitor(site) as first, Visitor(site) as second:
        await first.sign_in()
        assert first.path == "/home"
        page = await second.sign_in()
        assert second.path == "/ap/mfa"
        assert "not valid" in page.texts()
        clock.jump(30)
        await second.type_code(steps=1)
        assert second.path == "/home"
    assert (site.counts.reused_codes, site.counts.accepted_codes) == (1, 2)


@pytest.mark.parametrize(("steps", "text"), [(-10, "has expired"), (-400, "not valid"), (7, "not valid")])
async def test_codes_of_other_times_are_refused(steps: int, text: str) -> None:
    """An old code is called expired; a very old one, or one of a clock that runs ahead, is not valid."""
    site = make_site()
    async with Visitor(site) as visitor:
        await visitor.go("/home")
        await visitor.type_credentials()
        page = await visitor.type_code(steps=steps)
        assert page.has("auth-error-message-box")
        assert text in page.texts()
    assert (site.counts.wrong_codes, site.counts.sign_ins) == (1, 0)


def test_a_secret_that_is_no_base32_is_refused_at_once() -> None:
    """Not in the middle of a sign-in, and without quoting it."""
    with pytest.raises(ValueError, match="must be Base32") as caught:
        SiteUser(email="a@b.example", password="x", totp_secret="0189-secret")
    assert "0189" not in str(caught.value)


def test_a_fast_clock_gives_codes_the_time_a_browser_needs() -> None:
    """Five real seconds to send a code, whatever the speed; one step beside the present one is the least."""
    for speed, steps in ((1.0, 1), (6.0, 1), (60.0, 10), (600.0, 100)):
        site = SellerCentralSite(clock=ScaledClock(speed=speed, origin=START), users=[USER], orders={})
        assert site.code_steps == steps


async def test_how_far_off_a_code_may_be_can_be_set() -> None:
    """Exact to the step, or generous."""
    site = make_site()
    for allowed, steps, path in ((0, 1, "/ap/mfa"), (0, -1, "/ap/mfa"), (3, -3, "/home")):
        site.code_steps = allowed
        async with Visitor(site) as visitor:
            await visitor.go("/home")
            await visitor.type_credentials()
            await visitor.type_code(steps=steps)
            assert visitor.path == path


async def test_five_wrong_codes_end_the_sign_in() -> None:
    """After five wrong codes the right one does not help any more."""
    site = make_site()
    async with Visitor(site) as visitor:
        await visitor.go("/home")
        await visitor.type_credentials()
        for _ in range(5):
            page = await visitor.submit({"otpCode": "000000"})
        assert "Too many attempts" in page.texts()
        await visitor.type_code()
        assert visitor.path == "/ap/signin"
    assert site.counts.sign_ins == 0


async def test_a_code_by_sms_replaces_the_authenticator() -> None:
    """Who asks for an SMS must type what it says."""
    site = make_site()
    show(site, device_choice=True)
    async with Visitor(site) as visitor:
        await visitor.go("/home")
        await visitor.type_credentials()
        await visitor.submit({"otpDeviceContext": "sandbox-sms,SMS"})
        await visitor.type_code()
        assert visitor.path == "/ap/mfa"
        await visitor.submit({"otpCode": site.answer()})
        assert visitor.path == "/home"
    assert site.counts.messages_sent == 1


async def test_a_trusted_device_is_not_asked_for_a_code() -> None:
    """ "Don't ask again" lasts beyond the session, until the site forgets it or does not honour it."""
    site = make_site()
    async with Visitor(site) as visitor:
        await visitor.sign_in(trust=True)
        site.expire_sessions()
        await visitor.go("/home")
        await visitor.type_credentials()
        assert visitor.path == "/home"
        site.expire_sessions()
        show(site, honour_trust=False)
        await visitor.go("/home")
        await visitor.type_credentials()
        assert visitor.path == "/ap/mfa"
    assert site.counts.codes == 1


async def test_without_two_step_verification_no_code_is_asked_for() -> None:
    """A user without a secret gets in by the password."""
    site = make_site(user=attrs.evolve(USER, totp_secret=""))
    async with Visitor(site) as visitor:
        await visitor.go("/home")
        await visitor.type_credentials()
        assert visitor.path == "/home"


async def test_a_sign_in_belongs_to_its_browser() -> None:
    """Another cookie jar cannot go on with it, and no address leads to another site."""
    site = make_site()
    async with Visitor(site) as visitor, Visitor(site) as thief:
        await visitor.go("/home")
        await visitor.type_credentials()
        await thief.go("/home")
        thief.answer = visitor.answer
        await thief.type_code()
        assert thief.path == "/ap/signin"
        await thief.go("/ap/signin?openid.return_to=https%3A%2F%2Fevil.example%2Fsteal%3Fa%3D1")
        await thief.type_credentials()
        page = await thief.type_code()
        assert str(thief.answer.url) == "http://site.test/steal?a=1"
        assert page is not None


async def test_forms_without_a_sign_in_start_anew() -> None:
    """A form that comes from nowhere (an old tab) leads to the first page, not to an error."""
    site = make_site()
    async with Visitor(site) as visitor:
        for path in ("/ap/signin", "/ap/mfa", "/ap/accountfixup", "/ap/cvf/verify", "/ap/waf", "/ap/switchaccount"):
            visitor.answer = await visitor.http.post(path, data={"workflowState": "gone"})
            assert visitor.page.has("ap_email"), path


every_variants = st.builds(
    SiteVariants,
    sign_in=st.sampled_from(SignInForm),
    switch_accounts=st.booleans(),
    device_choice=st.booleans(),
    challenge=st.sampled_from(Challenge),
    nag=st.sampled_from(Nag),
)
every_sign_in = st.builds(
    SignIn,
    sign_in_id=st.just("s"),
    browser=st.builds(
        Browser,
        browser_id=st.just("b"),
        passed=st.sets(st.sampled_from(Challenge)),
        closed=st.sets(st.sampled_from(["phone", "remind_later"])),
    ),
    return_to=st.just("/home"),
    email=st.sampled_from(["", USER.email]),
    account_chosen=st.booleans(),
    password_ok=st.booleans(),
    device_chosen=st.booleans(),
    code_ok=st.booleans(),
)


@settings(deadline=None)
@given(every_sign_in, every_variants, st.sampled_from([None, USER, attrs.evolve(USER, totp_secret="")]), st.booleans())
def test_nobody_is_done_without_password_and_code(
    sign_in: SignIn, variants: SiteVariants, user: SiteUser | None, trusted: bool
) -> None:
    """Whatever the order of pages: done means password, code (or a trusted device), and the challenge passed."""
    step = next_step(sign_in, variants, user, trusted=trusted)
    if step is Step.DONE:
        assert sign_in.email
        assert sign_in.password_ok
        assert sign_in.code_ok or trusted or user is None or not user.totp_secret
        late = (Challenge.NONE, Challenge.CAPTCHA, Challenge.AGENT_POLICY)
        by_code = Challenge.SMS_IN_PLACE if sign_in.code_ok else Challenge.NONE
        assert variants.challenge in (*late, by_code, *sign_in.browser.passed)
    else:
        assert path_of(step, variants).startswith("/")


def test_what_is_remembered_is_bounded() -> None:
    """A sandbox that runs for weeks does not grow: the oldest go first."""
    state = make_site()._state  # five thousand browsers without five thousand requests
    for number in range(5_100):
        browser = state.browser(str(number))
        state.start_sign_in(browser, "/home")
        state.open_session(USER.email)
    assert (len(state.browsers), len(state.sign_ins), len(state.sessions)) == (5_000, 5_000, 5_000)
    assert "0" not in state.browsers
    assert state.browser("5099") is browser


def test_step_numbers_follow_the_clock() -> None:
    """One number per 30 seconds."""
    assert step_of(START) + 1 == step_of(START.replace(second=30))
