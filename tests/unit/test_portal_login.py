"""The sign-in table: every page of the reference is recognised, and each has its action and its end."""

from __future__ import annotations

import pytest

from amazon_ae._exceptions import ChallengeRequired, LoginRejected, PageChanged, PermissionMissing
from amazon_ae._portal.html import parse_html
from amazon_ae._portal.login_rules import (
    SIGNED_OUT,
    TABLE,
    Action,
    FetchedPage,
    Progress,
    Snapshot,
    classify,
    decide,
    signed_out,
    snapshot_of_document,
)
from amazon_ae._portal.site_map import SITE, Page

APP = '<meta name="anti-csrftoken-a2z" content="t">'
EMAIL = '<form name="signIn"><input id="ap_email" name="email"><input id="continue" type="submit"></form>'
PASSWORD = '<input type="hidden" name="email"><input id="ap_password" name="password" type="password">'
KNOWN = [
    ("/ap/signin", EMAIL, Page.EMAIL),
    ("/ax/claim", '<input id="ap_email_login" name="email">', Page.EMAIL),
    ("/ap/signin", '<input name="email" type="email">', Page.EMAIL),
    ("/ap/signin", PASSWORD, Page.PASSWORD),
    ("/ap/signin", '<input id="ap_email"><input id="ap_password">', Page.EMAIL_AND_PASSWORD),
    ("/ap/signin", '<form id="intent-confirmation-form"></form>', Page.UNKNOWN_ACCOUNT),
    ("/ap/signin", '<div id="intent-confirmation-container"></div>', Page.UNKNOWN_ACCOUNT),
    (
        "/ap/mfa",
        '<form id="auth-select-device-form"><p class="auth-TOTP"><input name="otpDeviceContext"></p></form>',
        Page.DEVICE_CHOICE,
    ),
    (
        "/ap/mfa",
        '<form id="auth-select-device-form"><p class="auth-SMS"><input name="otpDeviceContext"></p></form>',
        Page.NO_AUTHENTICATOR,
    ),
    ("/ap/mfa", '<form id="auth-mfa-form"><input id="auth-mfa-otpcode" name="otpCode"></form>', Page.CODE),
    ("/ap/mfa", '<form id="auth-mfa-form"><input name="otpCode"></form>', Page.CODE),
    ("/ap/cvf/request", '<input id="cvf-input-code" name="code">', Page.SMS_CODE),
    ("/ap/cvf/request", '<input id="cvf_input_code" name="code">', Page.SMS_CODE),
    ("/ap/cvf/request", '<input id="input-box-otp">', Page.SMS_CODE),
    ("/ap/cvf/request", '<form id="verification-code-form"></form>', Page.SMS_CODE),
    ("/ap/cvf/approval", '<input type="hidden" name="transactionApprovalStatus">', Page.DEVICE_APPROVAL),
    ("/ap/cvf/approval", '<form action="/ap/cvf/approval/poll"></form>', Page.DEVICE_APPROVAL),
    ("/ap/cvf/approval", '<a id="resend-approval-link"></a>', Page.DEVICE_APPROVAL),
    ("/ap/accountfixup", '<a id="ap-account-fixup-phone-skip-link"></a>', Page.PHONE_NAG),
    ("/ap/accountfixup", '<button id="remind-me-later"></button>', Page.REMIND_NAG),
    ("/ap/switchaccount", '<div class="cvf-account-switcher-claim"></div>', Page.IDENTITY_CHOICE),
    ("/ap/signin", PASSWORD + '<img id="auth-captcha-image">', Page.CAPTCHA),
    ("/ap/signin", PASSWORD + '<input id="auth-captcha-guess">', Page.CAPTCHA),
    ("/ap/cvf/request", '<form class="x cvf-widget-form-captcha"></form>', Page.CAPTCHA),
    ("/ap/cvf/request", '<input name="cvf_captcha_input">', Page.CAPTCHA),
    ("/ap/cvf/request", '<div id="cvf-aamation-container"></div>', Page.CAPTCHA),
    ("/errors/validateCaptcha", "<p>", Page.CAPTCHA),
    ("/home", '<form action="/errors/validateCaptcha"></form>', Page.CAPTCHA),
    ("/home", '<input id="captchacharacters">', Page.CAPTCHA),
    ("/home", '<script>window.gokuProps={"key":"k"}</script>', Page.WAF),
    ("/home", '<script src="https://x.token.awswaf.com/challenge.js"></script>', Page.WAF),
    ("/ap/passkey", "<p>", Page.PASSKEY),
    ("/forgotpassword/reverification", "<input type=password name=newPassword>", Page.PASSWORD_CHANGE),
    ("/home", "<h1>Continued access by an unauthorized AI agent</h1>" + APP, Page.AGENT_POLICY),
    (
        "/account-switcher/default/merchantMarketplace",
        APP + '<div class="full-page-account-switcher-account"></div>',
        Page.PICKER,
    ),
    (
        "/account-switcher/default/merchantMarketplace",
        APP + '<div class="full-page-account-switcher-accounts-error"></div>',
        Page.PICKER_FAULT,
    ),
    ("/merchant-picker", APP + '<div class="picker-app"><p class="picker-name"></p></div>', Page.OLD_PICKER),
    ("/global-picker", '<span class="picker-name"></span>', Page.OLD_PICKER),
    ("/account-switcher/default/merchantMarketplace", APP + "<h1>Select an account</h1>", Page.PICKER_PENDING),
    ("/home", APP + '<div class="full-page-account-switcher-accounts"></div>', Page.PICKER_PENDING),
    ("/home", APP + '<input name="email" type="email"><p>invite a colleague</p>', Page.APP),
    ("/home", APP + "<h3>an unauthorized AI agent</h3>", Page.APP),
    ("/home", APP + '<script>{"news": "unauthorized AI agent"}</script>', Page.APP),
    ("/home", APP + '<a href="/orders-v3">x</a><h1>Continued access by an unauthorized AI agent: news</h1>', Page.APP),
    ("/ap/mfa", "<p>sent to the number ending in 12</p><input id=auth-mfa-otpcode>", Page.CODE_BY_MESSAGE),
    (
        "/ap/mfa",
        "<p>Type the code of your Authenticator App</p><input id=auth-mfa-otpcode><p>or by text message</p>",
        Page.CODE,
    ),
    ("/ap/enroll", '<div class="passkey-enrollment"><a href="/x">Not now</a></div>', Page.PASSKEY_NUDGE),
    ("/ap/enroll", '<form id="passkey-x"><button>ليس الآن</button></form>', Page.PASSKEY_NUDGE),
    ("/authorization/failed", APP, Page.NO_PERMISSION),
    ("/home", APP, Page.APP),
    ("/orders-v3/order/1", APP + '<a id="continue">next</a>', Page.APP),
    ("/home", "<p>maintenance</p>", Page.UNKNOWN),
    ("/home", "", Page.UNKNOWN),
]


@pytest.mark.parametrize(("path", "html", "page"), KNOWN)
def test_every_page_of_the_reference_is_recognised(path: str, html: str, page: Page) -> None:
    """By ids, addresses and hidden signatures; no word of the page is needed."""
    assert classify(snapshot_of_document(path, parse_html(f"<html><body>{html}</body></html>"), SITE)) is page


def test_the_cases_above_cover_every_page() -> None:
    """A page nobody tests is a page nobody recognises."""
    assert {page for _, _, page in KNOWN} == set(Page) - {Page.WRONG_MARKETPLACE}


def test_another_marketplace_in_the_header_is_seen() -> None:
    """The app's page counts only for our marketplace; a header that does not say is believed."""
    app = frozenset({"app"})
    assert classify(Snapshot(path="/home", present=app, marketplace=False)) is Page.WRONG_MARKETPLACE
    assert classify(Snapshot(path="/home", present=app, marketplace=True)) is Page.APP
    assert classify(Snapshot(path="/home", present=app, marketplace=None)) is Page.APP


def test_news_about_the_agent_policy_is_not_the_interstitial() -> None:
    """The words count in a heading only."""
    html = APP + "<p>New policy: an unauthorized AI agent may not ...</p>"
    assert classify(snapshot_of_document("/home", parse_html(html), SITE)) is Page.APP


def test_a_hidden_error_box_or_field_is_no_mark() -> None:
    """The real pages carry hidden fields of their neighbours."""
    html = EMAIL + '<div style="display:none"><input id="ap_password" name="password"></div>'
    assert classify(snapshot_of_document("/ap/signin", parse_html(html), SITE)) is Page.EMAIL


def test_every_page_has_a_rule() -> None:
    """The table is total."""
    assert set(TABLE) == set(Page)


CHALLENGES = {
    Page.AGENT_POLICY: "agent_policy",
    Page.CAPTCHA: "captcha",
    Page.WAF: "waf",
    Page.PASSKEY: "passkey",
    Page.DEVICE_APPROVAL: "device_approval",
    Page.PASSWORD_CHANGE: "password_change",
    Page.SMS_CODE: "sms_code",
    Page.NO_AUTHENTICATOR: "sms_code",
}


@pytest.mark.parametrize(("page", "kind"), CHALLENGES.items())
def test_what_only_a_person_passes_stops_at_once(page: Page, kind: str) -> None:
    """No attempt is made; the kind is named."""
    with pytest.raises(ChallengeRequired) as caught:
        decide(page, Progress())
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("page", "action", "times", "error"),
    [
        (Page.EMAIL, Action.TYPE_EMAIL, 2, LoginRejected),
        (Page.PASSWORD, Action.TYPE_PASSWORD, 1, LoginRejected),
        (Page.EMAIL_AND_PASSWORD, Action.TYPE_EMAIL_AND_PASSWORD, 1, LoginRejected),
        (Page.CODE, Action.TYPE_CODE, 2, LoginRejected),
        (Page.DEVICE_CHOICE, Action.CHOOSE_AUTHENTICATOR, 2, PageChanged),
        (Page.IDENTITY_CHOICE, Action.PICK_IDENTITY, 1, PageChanged),
        (Page.PHONE_NAG, Action.SKIP_PHONE, 2, PageChanged),
        (Page.REMIND_NAG, Action.SKIP_REMINDER, 2, PageChanged),
        (Page.PICKER, Action.PICK_MARKETPLACE, 2, PageChanged),
        (Page.OLD_PICKER, Action.PICK_MARKETPLACE_OLD, 2, PageChanged),
        (Page.PICKER_FAULT, Action.RELOAD, 2, PageChanged),
        (Page.WRONG_MARKETPLACE, Action.SWITCH_MARKETPLACE, 1, PageChanged),
    ],
)
def test_a_page_is_acted_on_a_few_times_and_then_ends(
    page: Page, action: Action, times: int, error: type[Exception]
) -> None:
    """A page that comes back means a refusal; the passwords are typed once, codes twice."""
    progress = Progress()
    for _ in range(times):
        assert decide(page, progress) is action
    with pytest.raises(error):
        decide(page, progress)


def test_pages_that_end_the_sign_in_without_an_attempt() -> None:
    """An unknown account, a missing permission and an unknown page each have their own error."""
    for page, error in [
        (Page.UNKNOWN_ACCOUNT, LoginRejected),
        (Page.NO_PERMISSION, PermissionMissing),
        (Page.UNKNOWN, PageChanged),
    ]:
        with pytest.raises(error):
            decide(page, Progress())


def test_the_app_is_the_end() -> None:
    """Nothing more is done."""
    assert decide(Page.APP, Progress()) is Action.DONE


def test_any_sequence_of_pages_ends() -> None:
    """However the pages alternate, the steps are bounded."""
    progress = Progress()
    pages = [page for page in Page if TABLE[page].action is not None]

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
    assert {Page.APP, Page.NO_PERMISSION, Page.UNKNOWN}.isdisjoint(SIGNED_OUT)
