"""The pages that only a person can pass; on the sandbox the control page knows every answer."""

from __future__ import annotations

from base64 import b64encode

from amazon_ae.testing._seller_central.assets import APPROVAL_POLL
from amazon_ae.testing._seller_central.html import alert, hidden, narrow_page
from amazon_ae.testing._seller_central.state import SignIn
from amazon_ae.testing._seller_central.texts import say
from amazon_ae.testing._seller_central.variants import Challenge, Language

__all__ = ["captcha_fields", "challenge_page"]


def captcha_fields(sign_in: SignIn, language: Language) -> str:
    """The picture and its box, inside a sign-in form."""
    return (
        f'<div id="image-captcha-section"><p>{say("captcha", language)}</p>'
        f'<img id="auth-captcha-image" alt="" src="{_picture(sign_in.answer)}">'
        f'<label for="auth-captcha-guess">{say("captcha_box", language)}</label>'
        '<input type="text" id="auth-captcha-guess" name="guess" autocomplete="off"></div>'
    )


def challenge_page(challenge: Challenge, sign_in: SignIn, language: Language, *, error: bool = False) -> str:
    """The page of one challenge; with ``error`` it shows that the last answer was wrong."""
    build = {
        Challenge.CAPTCHA_PAGE: _captcha_page,
        Challenge.CAPTCHA_CVF: _captcha_cvf,
        Challenge.CAPTCHA_PUZZLE: _puzzle,
        Challenge.WAF: _waf,
        Challenge.PASSKEY: _passkey,
        Challenge.APPROVAL: _approval,
        Challenge.SMS_CODE: _sms_code,
        Challenge.PASSWORD_CHANGE: _password_change,
        Challenge.AGENT_POLICY: _agent_policy,
    }[challenge]
    return build(sign_in, language, error)


def _captcha_page(sign_in: SignIn, language: Language, error: bool) -> str:
    wrong = alert(say("wrong_answer", language), language=language) if error else ""
    body = (
        f"{wrong}<h1>{say('captcha', language)}</h1><p>{say('robot', language)}</p>"
        '<form method="get" action="/errors/validateCaptcha">'
        f'{hidden(amzn=sign_in.sign_in_id)}<img alt="" src="{_picture(sign_in.answer)}">'
        '<input type="text" id="captchacharacters" name="field-keywords" '
        f'autocomplete="off">{_button("continue", language)}</form>'
    )
    return narrow_page("Robot Check", body, language=language)


def _captcha_cvf(sign_in: SignIn, language: Language, error: bool) -> str:
    wrong = f'<div class="cvf-widget-alert" role="alert">{say("wrong_answer", language)}</div>' if error else ""
    body = (
        f"<h1>{say('captcha', language)}</h1>{wrong}"
        '<form class="cvf-widget-form cvf-widget-form-captcha" method="post" action="/ap/cvf/verify">'
        f'{hidden(workflowState=sign_in.sign_in_id)}<img alt="captcha" src="{_picture(sign_in.answer)}">'
        f'<input type="text" name="cvf_captcha_input" autocomplete="off">{_button("continue", language)}</form>'
    )
    return narrow_page(say("captcha", language), body, language=language)


def _puzzle(sign_in: SignIn, language: Language, error: bool) -> str:
    body = (
        f'<div id="cvf-aamation-container"><h1>{say("puzzle", language)}</h1>'
        f'<form method="post" action="/ap/cvf/verify">{hidden(workflowState=sign_in.sign_in_id, puzzle="solved")}'
        f"{_button('solved', language)}</form></div>"
    )
    return narrow_page(say("puzzle", language), body, language=language)


def _waf(sign_in: SignIn, language: Language, error: bool) -> str:
    body = (
        f"<h1>{say('human', language)}</h1><noscript>In order to continue, we need to verify that you're not a robot. "
        'This requires JavaScript. Enable JavaScript and then reload the page.</noscript><div id="captcha-container">'
        f'<form method="post" action="/ap/waf">{hidden(workflowState=sign_in.sign_in_id)}'
        f"{_button('continue', language)}</form></div>"
    )
    head = "<script>window.gokuProps = { key: 'sandbox', iv: 'sandbox', context: 'sandbox' }</script>"
    return narrow_page("Human Verification", body, language=language, head=head)


def _passkey(sign_in: SignIn, language: Language, error: bool) -> str:
    # No public source shows this page's ids: UNVERIFIED.
    body = (
        f"<h1>{say('passkey', language)}</h1>"
        '<form id="passkey-form" name="passkeyForm" method="post" action="/ap/passkey">'
        f'{hidden(workflowState=sign_in.sign_in_id)}</form><p><a id="passkey-skip-link" '
        f'href="/ap/passkey?skip=1&amp;arb={sign_in.sign_in_id}">{say("passkey_skip", language)}</a></p>'
    )
    return narrow_page(say("passkey", language), body, language=language)


def _approval(sign_in: SignIn, language: Language, error: bool) -> str:
    body = (
        f'<h1>{say("approval", language)}</h1><form id="pollingForm" method="get" action="/ap/cvf/approval/poll">'
        f"{hidden(arb=sign_in.sign_in_id)}"
        '<input type="hidden" name="transactionApprovalStatus" value="TransactionPending"></form>'
        '<p><a id="resend-approval-link" '
        f'href="/ap/cvf/approval?resend=1&amp;arb={sign_in.sign_in_id}">{say("resend", language)}</a></p>'
        f"<script>{APPROVAL_POLL}</script>"
    )
    return narrow_page(say("approval", language), body, language=language)


def _sms_code(sign_in: SignIn, language: Language, error: bool) -> str:
    wrong = f'<div class="cvf-widget-alert" role="alert">{say("wrong_code", language)}</div>' if error else ""
    body = (
        f"<h1>{say('sms', language)}</h1>{wrong}"
        '<form id="verification-code-form" method="post" action="/ap/cvf/verify">'
        f"{hidden(workflowState=sign_in.sign_in_id)}"
        '<input type="text" id="cvf-input-code" name="code" inputmode="numeric" autocomplete="off">'
        f'<p><span id="cvf-submit-otp-button"><input type="submit" class="primary" value="{say("verify", language)}">'
        "</span></p></form>"
    )
    return narrow_page(say("sms", language), body, language=language)


def _password_change(sign_in: SignIn, language: Language, error: bool) -> str:
    body = (
        f"<h1>{say('new_password', language)}</h1>"
        '<form id="ap_change_password_form" method="post" action="/forgotpassword/reverification">'
        f'{hidden(workflowState=sign_in.sign_in_id)}<label for="fpp_new">{say("password", language)}</label>'
        '<input type="password" id="fpp_new" name="newPassword" autocomplete="new-password">'
        f"{_button('save', language)}</form>"
    )
    return narrow_page(say("new_password", language), body, language=language)


def _agent_policy(sign_in: SignIn, language: Language, error: bool) -> str:
    # Only its English headline and its button are known from public test data; the markup is UNVERIFIED.
    body = (
        '<div id="agent-policy-interstitial"><h1>Continued access by an unauthorized AI agent</h1>'
        "<p>Automated agents must identify themselves and follow the Agent Policy.</p>"
        f'<form method="post" action="/ap/agent-policy">{hidden(workflowState=sign_in.sign_in_id)}'
        f"{_button('continue', language)}</form></div>"
    )
    return narrow_page("Agent Policy", body, language=language)


def _button(text: str, language: Language) -> str:
    return f'<p><input type="submit" class="primary" value="{say(text, language)}"></p>'


def _picture(answer: str) -> str:
    """The answer as a picture that a person can read."""
    signs = "".join(
        f'<text x="{14 + 30 * place}" y="{42 + (-1) ** place * 6}" transform="rotate({(-1) ** place * 9} '
        f'{14 + 30 * place} 40)">{sign}</text>'
        for place, sign in enumerate(answer)
    )
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="200" height="60" font-family="serif" font-size="34">'
        '<rect width="200" height="60" fill="#eee"/>'
        f'<path d="M0 35 Q50 5 100 35 T200 30" stroke="#999" fill="none" stroke-width="2"/>{signs}</svg>'
    )
    return "data:image/svg+xml;base64," + b64encode(svg.encode()).decode()
