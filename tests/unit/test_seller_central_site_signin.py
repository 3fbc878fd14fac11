"""The look-alike's sign-in, page by page."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from site_visitor import SECRET, START, USER, Visitor, make_site

from amazon_ae.testing.clocks import ScaledClock, VirtualClock
from amazon_ae.testing.seller_central import (
    AccountPicker,
    Challenge,
    Language,
    Nag,
    SellerCentralSite,
    SignedOutAnswer,
    SignInForm,
    SiteUser,
    SiteVariants,
)
from amazon_ae.testing.seller_central.codes import code_of, step_of
from amazon_ae.testing.seller_central.signin import Step, next_step, path_of
from amazon_ae.testing.seller_central.state import Browser, SignIn


def show(site: SellerCentralSite, **changes: object) -> None:
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
        sign_ins = list(site._state.sign_ins.values())
        seen = repr((USER, list(site._state.sessions.values()), sign_ins, site.requests))
        assert "Session(" in seen
        assert "SignIn(" in seen
        session_id, csrf = visitor.http.cookies["at-sandbox"], next(iter(site._state.sessions.values())).csrf
    for secret in (USER.password, SECRET, USER.email, session_id, csrf):
        assert secret not in seen


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
        assert variants.challenge in (*late, *sign_in.browser.passed)
    else:
        assert path_of(step, variants).startswith("/")


def test_what_is_remembered_is_bounded() -> None:
    """A sandbox that runs for weeks does not grow: the oldest go first."""
    state = make_site()._state
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


@pytest.mark.parametrize("challenge", [item for item in Challenge if item is not Challenge.NONE])
async def test_every_challenge_stops_a_program_and_lets_a_person_pass(challenge: Challenge) -> None:
    """With password and code alone nobody gets in; with the challenge's own answer, once per browser."""
    site = make_site()
    show(site, challenge=challenge)
    async with Visitor(site) as visitor:
        await visitor.go("/home")
        await meet(visitor, challenge)
        assert visitor.path == "/home", challenge
        assert visitor.page.test_ids() == set()
        assert "Welcome" in visitor.page.texts()
        site.expire_sessions()
        await visitor.go("/home")
        await visitor.type_credentials(password="changed" if challenge is Challenge.PASSWORD_CHANGE else USER.password)
        await visitor.type_code(steps=1)
        assert visitor.path == "/home"


async def meet(visitor: Visitor, challenge: Challenge) -> None:
    """Go through the sign-in as a person does, and look at the challenge's page on the way."""
    site = visitor.site
    if challenge is Challenge.CAPTCHA_PAGE:
        assert visitor.path == "/errors/validateCaptcha"
        assert visitor.page.has("captchacharacters")
        page = await visitor.submit({"field-keywords": "wrong"})
        assert page.has("auth-error-message-box")
        await visitor.submit({"field-keywords": site.answer()})
    if challenge is Challenge.WAF:
        assert visitor.answer.status_code == 405
        assert visitor.answer.headers["x-amzn-waf-action"] == "captcha"
        assert "gokuProps" in visitor.page.html
        await visitor.submit({})
        assert "aws-waf-token" in visitor.http.cookies
    await visitor.type_credentials()
    if challenge is Challenge.CAPTCHA:
        page = visitor.page
        assert page.has("auth-captcha-image")
        assert page.has("auth-captcha-guess")
        assert site.counts.passwords == 0
        page = await visitor.submit({"password": USER.password, "guess": "wrong"})
        assert page.has("auth-warning-message-box")
        assert site.counts.passwords == 0
        await visitor.submit({"password": USER.password, "guess": site.answer()})
    elif challenge is Challenge.CAPTCHA_CVF:
        assert "cvf-widget-form-captcha" in visitor.page.html
        page = await visitor.submit({"cvf_captcha_input": "wrong"})
        assert "cvf-widget-alert" in page.html
        await visitor.submit({"cvf_captcha_input": site.answer()})
    elif challenge is Challenge.CAPTCHA_PUZZLE:
        assert visitor.page.has("cvf-aamation-container")
        await visitor.submit({})
    elif challenge is Challenge.PASSKEY:
        (skip,) = visitor.page.links("/ap/passkey")
        await visitor.go(skip)
    elif challenge is Challenge.APPROVAL:
        form = visitor.page.forms[0]
        assert visitor.page.has("resend-approval-link")
        waiting = (await visitor.http.get(form.action, params=form.fields)).json()
        assert waiting == {"transactionApprovalStatus": "TransactionPending"}
        site.approve()
        state = (await visitor.http.get(form.action, params=form.fields)).json()
        await visitor.go(state["next"])
    elif challenge is Challenge.SMS_CODE:
        assert visitor.page.has("cvf-input-code")
        await visitor.submit({"code": "nonsense"})
        assert "cvf-widget-alert" in visitor.page.html
        await visitor.submit({"code": site.answer()})
        return
    elif challenge is Challenge.PASSWORD_CHANGE:
        assert visitor.path == "/forgotpassword/reverification"
        await visitor.submit({"newPassword": "changed"})
    await visitor.type_code()
    if challenge is Challenge.AGENT_POLICY:
        assert "unauthorized AI agent" in visitor.page.texts()
        assert "anti-csrftoken-a2z" not in visitor.page.html
        await visitor.submit({})
