"""The pages of the sign-in that a program passes: e-mail, password, code, and what may be skipped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from amazon_ae.testing._seller_central.html import alert, hidden, narrow_page
from amazon_ae.testing._seller_central.state import SignIn
from amazon_ae.testing._seller_central.texts import say
from amazon_ae.testing._seller_central.variants import Language, SignInForm

__all__ = [
    "account_fixup_page",
    "claim_page",
    "code_page",
    "device_page",
    "intent_page",
    "passkey_nudge_page",
    "password_page",
    "remind_page",
    "sign_in_page",
    "switch_page",
]


def sign_in_page(sign_in: SignIn, form: SignInForm, language: Language, *, error: str = "", captcha: str = "") -> str:
    """``/ap/signin`` without an e-mail so far: both fields, or the e-mail alone."""
    one_page = form is SignInForm.ONE_PAGE
    fields = _email_field("ap_email", language)
    if one_page:
        fields += _password_field(language) + captcha + _remember_me(language)
        fields += _submit("signInSubmit", say("sign_in", language))
    else:
        fields += _submit("continue", say("continue", language))
    box_id = _password_box(captcha) if one_page else "auth-email-invalid-claim-alert"
    box = alert(error, box_id, language=language) if error else ""
    return _form_page(sign_in, "/ap/signin", box, fields, language)


def switch_page(sign_in: SignIn, emails: Iterable[str], language: Language) -> str:
    """ "Switch accounts": who signs in? No public source shows its markup: UNVERIFIED."""
    rows = "".join(
        f'<p><button type="submit" name="claim" value="{escape(email)}" class="cvf-account-switcher-claim">'
        f"{escape(email)}</button></p>"
        for email in emails
    )
    body = (
        f'<h1>{say("switch_accounts", language)}</h1><form method="post" action="/ap/switchaccount">'
        f"{hidden(workflowState=sign_in.sign_in_id)}{rows}"
        f'<p><button type="submit" name="claim" value="">{say("add_account", language)}</button></p></form>'
    )
    return narrow_page(say("switch_accounts", language), body, language=language)


def claim_page(sign_in: SignIn, language: Language, *, error: str = "") -> str:
    """``/ax/claim``: the newer first page."""
    box = alert(error, "auth-email-invalid-claim-alert", language=language) if error else ""
    fields = _email_field("ap_email_login", language) + _submit("continue", say("continue", language))
    return _form_page(sign_in, "/ax/claim", box, fields, language, form_class="auth-validate-form")


def intent_page(sign_in: SignIn, email: str, language: Language) -> str:
    """ "Create an account?": nobody has this e-mail."""
    body = (
        f'<div id="intent-confirmation-container"><h1>{say("new_here", language)}</h1><p>{escape(email)}</p>'
        '<form id="intent-confirmation-form" method="get" action="/ap/register">'
        f"{hidden(workflowState=sign_in.sign_in_id)}{_submit('intention-submit-button', say('create', language))}"
        "</form></div>"
    )
    return narrow_page(say("create", language), body, language=language)


def password_page(sign_in: SignIn, language: Language, *, error: str = "", captcha: str = "") -> str:
    """The second page: the e-mail is known, the password is asked for."""
    box = alert(error, _password_box(captcha), language=language) if error else ""
    fields = (
        f'<p>{escape(sign_in.email)}</p><input type="hidden" name="email" value="{escape(sign_in.email)}">'
        + _password_field(language)
        + captcha
        + _remember_me(language)
        + _submit("signInSubmit", say("sign_in", language))
    )
    return _form_page(sign_in, "/ap/signin", box, fields, language)


def device_page(sign_in: SignIn, language: Language) -> str:
    """Which device shows the code."""
    choices = "".join(
        f'<div class="auth-{kind}"><label class="plain">'
        f'<input type="radio" name="otpDeviceContext" value="{value}"{checked}> '
        f"{say(text, language)}</label></div>"
        for kind, value, text, checked in (
            ("SMS", "sandbox-sms,SMS", "device_sms", " checked"),
            ("TOTP", "sandbox-totp,TOTP", "device_totp", ""),
        )
    )
    body = (
        f"<h1>{say('two_step', language)}</h1><p>{say('choose_device', language)}</p>"
        '<form id="auth-select-device-form" method="post" action="/ap/mfa">'
        f"{hidden(workflowState=sign_in.sign_in_id)}{choices}{_submit('auth-send-code', say('send_code', language))}"
        "</form>"
    )
    return narrow_page(say("two_step", language), body, language=language)


def code_page(sign_in: SignIn, language: Language, *, error: str = "") -> str:
    """The one-time code of the authenticator app."""
    box = alert(error, language=language) if error else ""
    how = say("sms_sent" if sign_in.by_message else "enter_code", language)
    body = (
        f"{box}<h1>{say('two_step', language)}</h1><p>{how}</p>"
        '<form id="auth-mfa-form" method="post" action="/ap/mfa">'
        f'{hidden(workflowState=sign_in.sign_in_id)}<label for="auth-mfa-otpcode">{say("code", language)}</label>'
        '<input type="text" id="auth-mfa-otpcode" name="otpCode" inputmode="numeric" autocomplete="one-time-code" '
        "autofocus>"
        '<p><label class="plain"><input type="checkbox" id="auth-mfa-remember-device" name="rememberDevice" '
        'value="true"> '
        f"{say('trust', language)}</label></p>{_submit('auth-signin-button', say('sign_in', language))}</form>"
        f'<p><a id="auth-get-new-otp-link" href="/ap/mfa/new-otp?arb={sign_in.sign_in_id}">{say("no_code", language)}'
        "</a></p>"
    )
    return narrow_page(say("two_step", language), body, language=language)


def account_fixup_page(sign_in: SignIn, language: Language) -> str:
    """``/ap/accountfixup``: asks for a phone number, may be skipped."""
    body = (
        f"<h1>{say('add_phone', language)}</h1>"
        '<form id="auth-account-fixup-phone-form" method="post" action="/ap/accountfixup">'
        f"{hidden(workflowState=sign_in.sign_in_id)}"
        '<input type="text" id="ap_phone_number" name="phone" inputmode="tel">'
        f"{_submit('auth-continue', say('continue', language))}</form>"
        f'<p><a id="ap-account-fixup-phone-skip-link" href="/ap/accountfixup?skip=phone&amp;arb={sign_in.sign_in_id}">'
        f"{say('not_now', language)}</a></p>"
    )
    return narrow_page(say("add_phone", language), body, language=language)


def remind_page(sign_in: SignIn, language: Language) -> str:
    """Another nag: "remind me later"."""
    body = (
        f'<h1>{say("remind", language)}</h1><form method="post" action="/ap/accountfixup">'
        f"{hidden(workflowState=sign_in.sign_in_id, skip='remind_later')}"
        f'<p><button type="submit" id="remind-me-later">{say("remind_later", language)}</button></p></form>'
    )
    return narrow_page(say("remind", language), body, language=language)


def passkey_nudge_page(sign_in: SignIn, language: Language) -> str:
    """An offer to set up a passkey. No public source shows its markup: UNVERIFIED."""
    body = (
        f'<h1>{say("passkey_offer", language)}</h1><div class="passkey-enrollment">'
        f"{_submit('passkey-create', say('passkey_create', language))}"
        f'<p><a href="/ap/accountfixup?skip=passkey&amp;arb={sign_in.sign_in_id}">{say("not_now", language)}</a></p>'
        "</div>"
    )
    return narrow_page(say("passkey_offer", language), body, language=language)


def _form_page(sign_in: SignIn, action: str, box: str, fields: str, language: Language, *, form_class: str = "") -> str:
    body = (
        f"{box}<h1>{say('sign_in', language)}</h1>"
        f'<form name="signIn" method="post" action="{action}" novalidate class="{form_class}">'
        f"{hidden(workflowState=sign_in.sign_in_id)}{fields}</form>"
    )
    return narrow_page(say("sign_in", language), body, language=language)


def _password_box(captcha: str) -> str:
    """An error beside a captcha is about the captcha: a warning, as the real site calls it."""
    return "auth-warning-message-box" if captcha else "auth-error-message-box"


def _email_field(element_id: str, language: Language) -> str:
    return (
        f'<label for="{element_id}">{say("email", language)}</label>'
        f'<input type="email" id="{element_id}" name="email" autocomplete="username" autofocus>'
    )


def _password_field(language: Language) -> str:
    return (
        f'<label for="ap_password">{say("password", language)}</label>'
        '<input type="password" id="ap_password" name="password" autocomplete="current-password">'
    )


def _remember_me(language: Language) -> str:
    return (
        '<p><label class="plain"><input type="checkbox" name="rememberMe" value="true"> '
        f"{say('remember_me', language)}</label></p>"
    )


def _submit(element_id: str, text: str) -> str:
    return f'<p><input type="submit" id="{element_id}" class="primary" value="{text}"></p>'
