"""The sign-in table: every page of the reference is recognised, and each has its action and its end."""

from __future__ import annotations

import pytest

from amazon_ae._exceptions import ChallengeRequired, LoginRejected, PageChanged, PermissionMissing
from amazon_ae._portal.html import parse_html
from amazon_ae._portal.sign_in_rules import (
    SIGNED_OUT,
    TABLE,
    Action,
    FetchedPage,
    SignInProgress,
    Snapshot,
    classify,
    decide,
    signed_out,
    snapshot_of_document,
)
from amazon_ae._portal.site_map import SITE, PageKind

APP = '<meta name="anti-csrftoken-a2z" content="t">'
EMAIL = '<form name="signIn"><input id="ap_email" name="email"><input id="continue" type="submit"></form>'
PASSWORD = '<input type="hidden" name="email"><input id="ap_password" name="password" type="password">'
MFA = (
    '<form id="auth-mfa-form"><input type="hidden" name="otpDeviceContext" value="@">'
    '<input id="auth-mfa-otpcode"></form>'
)
KNOWN = [
    ("/ap/signin", EMAIL, PageKind.EMAIL),
    ("/ax/claim", '<input id="ap_email_login" name="email">', PageKind.EMAIL),
    ("/ap/signin", '<input name="email" type="email">', PageKind.EMAIL),
    ("/ap/signin", PASSWORD, PageKind.PASSWORD),
    ("/ap/signin", '<input id="ap_email"><input id="ap_password">', PageKind.EMAIL_AND_PASSWORD),
    ("/ap/signin", '<form id="intent-confirmation-form"></form>', PageKind.UNKNOWN_ACCOUNT),
    ("/ap/signin", '<div id="intent-confirmation-container"></div>', PageKind.UNKNOWN_ACCOUNT),
    (
        "/ap/mfa",
        '<form id="auth-select-device-form"><p class="auth-TOTP"><input name="otpDeviceContext"></p></form>',
        PageKind.DEVICE_CHOICE,
    ),
    (
        "/ap/mfa",
        '<form id="auth-select-device-form"><p class="auth-SMS"><input name="otpDeviceContext"></p></form>',
        PageKind.NO_AUTHENTICATOR,
    ),
    ("/ap/mfa", '<form id="auth-mfa-form"><input id="auth-mfa-otpcode" name="otpCode"></form>', PageKind.CODE),
    ("/ap/mfa", '<form id="auth-mfa-form"><input name="otpCode"></form>', PageKind.CODE),
    ("/ap/cvf/request", '<input id="cvf-input-code" name="code">', PageKind.SMS_CODE),
    ("/ap/cvf/request", '<input id="cvf_input_code" name="code">', PageKind.SMS_CODE),
    ("/ap/cvf/request", '<input id="input-box-otp">', PageKind.SMS_CODE),
    ("/ap/cvf/request", '<form id="verification-code-form"></form>', PageKind.SMS_CODE),
    ("/ap/cvf/approval", '<input type="hidden" name="transactionApprovalStatus">', PageKind.DEVICE_APPROVAL),
    ("/ap/cvf/approval", '<form action="/ap/cvf/approval/poll"></form>', PageKind.DEVICE_APPROVAL),
    ("/ap/cvf/approval", '<a id="resend-approval-link"></a>', PageKind.DEVICE_APPROVAL),
    ("/ap/accountfixup", '<a id="ap-account-fixup-phone-skip-link"></a>', PageKind.PHONE_NAG),
    ("/ap/accountfixup", '<button id="remind-me-later"></button>', PageKind.REMIND_NAG),
    ("/ap/switchaccount", '<div class="cvf-account-switcher-claim"></div>', PageKind.IDENTITY_CHOICE),
    ("/ap/signin", PASSWORD + '<img id="auth-captcha-image">', PageKind.CAPTCHA),
    ("/ap/signin", PASSWORD + '<input id="auth-captcha-guess">', PageKind.CAPTCHA),
    ("/ap/cvf/request", '<form class="x cvf-widget-form-captcha"></form>', PageKind.CAPTCHA),
    ("/ap/cvf/request", '<input name="cvf_captcha_input">', PageKind.CAPTCHA),
    ("/ap/cvf/request", '<div id="cvf-aamation-container"></div>', PageKind.CAPTCHA),
    ("/errors/validateCaptcha", "<p>", PageKind.CAPTCHA),
    ("/home", '<form action="/errors/validateCaptcha"></form>', PageKind.CAPTCHA),
    ("/home", '<input id="captchacharacters">', PageKind.CAPTCHA),
    ("/home", '<script>window.gokuProps={"key":"k"}</script>', PageKind.WAF),
    ("/home", '<script src="https://x.token.awswaf.com/challenge.js"></script>', PageKind.WAF),
    ("/ap/passkey", "<p>", PageKind.PASSKEY),
    ("/forgotpassword/reverification", "<input type=password name=newPassword>", PageKind.PASSWORD_CHANGE),
    ("/home", "<h1>Continued access by an unauthorized AI agent</h1>" + APP, PageKind.AGENT_POLICY),
    (
        "/account-switcher/default/merchantMarketplace",
        APP + '<div class="full-page-account-switcher-account"></div>',
        PageKind.PICKER,
    ),
    (
        "/account-switcher/default/merchantMarketplace",
        APP + '<div class="full-page-account-switcher-accounts-error"></div>',
        PageKind.PICKER_FAULT,
    ),
    ("/merchant-picker", APP + '<div class="picker-app"><p class="picker-name"></p></div>', PageKind.OLD_PICKER),
    ("/global-picker", '<span class="picker-name"></span>', PageKind.OLD_PICKER),
    ("/account-switcher/default/merchantMarketplace", APP + "<h1>Select an account</h1>", PageKind.PICKER_PENDING),
    ("/home", APP + '<div class="full-page-account-switcher-accounts"></div>', PageKind.PICKER_PENDING),
    ("/home", APP + '<input name="email" type="email"><p>invite a colleague</p>', PageKind.APP),
    ("/home", APP + "<h3>an unauthorized AI agent</h3>", PageKind.APP),
    ("/home", APP + '<script>{"news": "unauthorized AI agent"}</script>', PageKind.APP),
    (
        "/home",
        APP + '<a href="/orders-v3">x</a><h1>Continued access by an unauthorized AI agent: news</h1>',
        PageKind.APP,
    ),
    ("/ap/mfa", "<p>sent to the number ending in 12</p><input id=auth-mfa-otpcode>", PageKind.CODE_BY_MESSAGE),
    (
        "/ap/mfa",
        "<p>Type the code of your Authenticator App</p><input id=auth-mfa-otpcode><p>or by text message</p>",
        PageKind.CODE,
    ),
    ("/ap/enroll", '<div class="passkey-enrollment"><a href="/x">Not now</a></div>', PageKind.PASSKEY_NUDGE),
    ("/ap/enroll", '<form id="passkey-x"><button>ليس الآن</button></form>', PageKind.PASSKEY_NUDGE),
    ("/authorization/failed", APP, PageKind.NO_PERMISSION),
    ("/home", APP, PageKind.APP),
    ("/orders-v3/order/1", APP + '<a id="continue">next</a>', PageKind.APP),
    ("/home", "<p>maintenance</p>", PageKind.UNKNOWN),
    ("/home", "", PageKind.UNKNOWN),
]


@pytest.mark.parametrize(("path", "html", "page"), KNOWN)
def test_every_page_of_the_reference_is_recognised(path: str, html: str, page: PageKind) -> None:
    """By ids, addresses and hidden signatures; no word of the page is needed."""
    assert classify(snapshot_of_document(path, parse_html(f"<html><body>{html}</body></html>"), SITE)) is page


def test_the_cases_above_cover_every_page() -> None:
    """A page nobody tests is a page nobody recognises."""
    assert {page for _, _, page in KNOWN} == set(PageKind) - {PageKind.WRONG_MARKETPLACE}


def test_another_marketplace_in_the_header_is_seen() -> None:
    """The app's page counts only for our marketplace; a header that does not say is believed."""
    app = frozenset({"app"})
    assert classify(Snapshot(path="/home", present=app, marketplace=False)) is PageKind.WRONG_MARKETPLACE
    assert classify(Snapshot(path="/home", present=app, marketplace=True)) is PageKind.APP
    assert classify(Snapshot(path="/home", present=app, marketplace=None)) is PageKind.APP


def test_news_about_the_agent_policy_is_not_the_interstitial() -> None:
    """The words count in a heading only."""
    html = APP + "<p>New policy: an unauthorized AI agent may not ...</p>"
    assert classify(snapshot_of_document("/home", parse_html(html), SITE)) is PageKind.APP


def test_a_hidden_error_box_or_field_is_no_mark() -> None:
    """The real pages carry hidden fields of their neighbours."""
    html = EMAIL + '<div style="display:none"><input id="ap_password" name="password"></div>'
    assert classify(snapshot_of_document("/ap/signin", parse_html(html), SITE)) is PageKind.EMAIL


@pytest.mark.parametrize(
    ("html", "page"),
    [
        ('<script src="https://x.awswaf.com/challenge.js"></script>' + EMAIL, PageKind.EMAIL),
        ('<script src="https://x.awswaf.com/challenge.js"></script>' + PASSWORD, PageKind.PASSWORD),
        ('<script src="https://x.awswaf.com/challenge.js"></script>', PageKind.WAF),
        (
            APP + '<a href="/orders-v3">orders</a><div class="passkey-banner"><button>Not now</button></div>',
            PageKind.APP,
        ),
        (
            MFA.replace("@", "a, VOICE"),
            PageKind.CODE_BY_MESSAGE,
        ),
        (
            MFA.replace("@", "a, TOTP"),
            PageKind.CODE,
        ),
    ],
)
def test_what_other_pages_have_too_is_no_mark(html: str, page: PageKind) -> None:
    """A script of the bot wall on a sign-in, a banner in the app; what a hidden field says of the code counts."""
    assert FetchedPage.read("/x", html, SITE).page is page


def test_every_page_has_a_rule() -> None:
    """The table is total."""
    assert set(TABLE) == set(PageKind)


CHALLENGES = {
    PageKind.AGENT_POLICY: "agent_policy",
    PageKind.CAPTCHA: "captcha",
    PageKind.WAF: "waf",
    PageKind.PASSKEY: "passkey",
    PageKind.DEVICE_APPROVAL: "device_approval",
    PageKind.PASSWORD_CHANGE: "password_change",
    PageKind.SMS_CODE: "sms_code",
    PageKind.NO_AUTHENTICATOR: "sms_code",
}


@pytest.mark.parametrize(("page", "kind"), CHALLENGES.items())
def test_what_only_a_person_passes_stops_at_once(page: PageKind, kind: str) -> None:
    """No attempt is made; the kind is named."""
    with pytest.raises(ChallengeRequired) as caught:
        decide(page, SignInProgress())
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("page", "action", "times", "error"),
    [
        (PageKind.EMAIL, Action.TYPE_EMAIL, 2, LoginRejected),
        (PageKind.PASSWORD, Action.TYPE_PASSWORD, 1, LoginRejected),
        (PageKind.EMAIL_AND_PASSWORD, Action.TYPE_EMAIL_AND_PASSWORD, 1, LoginRejected),
        (PageKind.CODE, Action.TYPE_CODE, 2, LoginRejected),
        (PageKind.DEVICE_CHOICE, Action.CHOOSE_AUTHENTICATOR, 2, PageChanged),
        (PageKind.IDENTITY_CHOICE, Action.PICK_IDENTITY, 1, PageChanged),
        (PageKind.PHONE_NAG, Action.SKIP_PHONE, 2, PageChanged),
        (PageKind.REMIND_NAG, Action.SKIP_REMINDER, 2, PageChanged),
        (PageKind.PICKER, Action.PICK_MARKETPLACE, 2, PageChanged),
        (PageKind.OLD_PICKER, Action.PICK_MARKETPLACE_OLD, 2, PageChanged),
        (PageKind.PICKER_FAULT, Action.RELOAD, 2, PageChanged),
        (PageKind.WRONG_MARKETPLACE, Action.SWITCH_MARKETPLACE, 1, PageChanged),
    ],
)
def test_a_page_is_acted_on_a_few_times_and_then_ends(
    page: PageKind, action: Action, times: int, error: type[Exception]
) -> None:
    """A page that comes back means a refusal; the passwords are typed once, codes twice."""
    progress = SignInProgress()
    for _ in range(times):
        assert decide(page, progress) is action
    with pytest.raises(error):
        decide(page, progress)


def test_pages_that_end_the_sign_in_without_an_attempt() -> None:
    """An unknown account, a missing permission and an unknown page each have their own error."""
    for page, error in [
        (PageKind.UNKNOWN_ACCOUNT, LoginRejected),
        (PageKind.NO_PERMISSION, PermissionMissing),
        (PageKind.UNKNOWN, PageChanged),
    ]:
        with pytest.raises(error):
            decide(page, SignInProgress())


def test_the_app_is_the_end() -> None:
    """Nothing more is done."""
    assert decide(PageKind.APP, SignInProgress()) is Action.DONE


def test_any_sequence_of_pages_ends() -> None:
    """However the pages alternate, the steps are bounded."""
    progress = SignInProgress()
    pages = [page for page in PageKind if TABLE[page].action is not None]

    def go_on() -> None:
        for turn in range(100):
            decide(pages[turn % len(pages)], progress)

    with pytest.raises((LoginRejected, PageChanged)):
        go_on()
    assert progress.steps <= 30


@pytest.mark.parametrize(
    ("status", "path", "content_type", "text", "lost"),
    [
        (200, "/ap/signin", "text/html", "anything", True),
        (200, "/ax/claim", "text/html", "anything", True),
        (200, "/orders-v3/order/1", "text/html; charset=utf-8", EMAIL, True),
        (401, "/orders-v3/order/1", "text/plain", "", True),
        (403, "/orders-v3/order/1", "application/json", '{"reason": "sign_in"}', True),
        (403, "/orders-v3/order/1", "application/json", '{"reason": "other"}', False),
        (403, "/orders-v3/order/1", "text/plain", "", False),
        (200, "/orders-v3/order/1", "text/html", APP, False),
        (200, "/orders-v3/order/1", "text/html", "<p>strange</p>", False),
        (200, "/doc.pdf", "application/pdf", "", False),
        (200, "/doc.pdf", "text/html", APP + '<button class="picker-button">x</button>', True),
    ],
)
def test_a_lost_session_is_known_by_each_of_its_faces(
    status: int, path: str, content_type: str, text: str, lost: bool
) -> None:
    """Redirect, 200 with the sign-in page, 401, JSON 403, and a picker in place of the page; nothing else."""
    shown = FetchedPage.read(path, text, SITE) if "html" in content_type else None
    assert (signed_out(status, path, content_type, text.encode(), shown, SITE) is not None) is lost


def test_pages_of_the_app_do_not_count_as_signed_out() -> None:
    """A missing permission must not start a sign-in."""
    assert {PageKind.APP, PageKind.NO_PERMISSION, PageKind.UNKNOWN}.isdisjoint(SIGNED_OUT)
