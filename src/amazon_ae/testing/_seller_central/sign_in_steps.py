"""Which page of the sign-in comes next, as plain functions."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from amazon_ae.testing._seller_central.state import SignIn, SiteUser
from amazon_ae.testing._seller_central.variants import Challenge, Nag, SignInForm, SiteVariants

__all__ = ["AFTER_PASSWORD", "Step", "next_step", "path_of"]

_BEFORE_EMAIL: Final = frozenset({Challenge.CAPTCHA_PAGE, Challenge.WAF})
AFTER_PASSWORD: Final = frozenset(
    {
        Challenge.CAPTCHA_CVF,
        Challenge.CAPTCHA_PUZZLE,
        Challenge.PASSKEY,
        Challenge.APPROVAL,
        Challenge.SMS_CODE,
        Challenge.PASSWORD_CHANGE,
    }
)
"""The challenges that come once the password was right."""


class Step(StrEnum):
    """The present page of a sign-in."""

    CHALLENGE = "challenge"
    SWITCH = "switch"
    EMAIL = "email"
    PASSWORD = "password"
    DEVICE = "device"
    CODE = "code"
    PHONE = "phone"
    REMIND = "remind"
    PASSKEY = "passkey"
    DONE = "done"


def next_step(sign_in: SignIn, variants: SiteVariants, user: SiteUser | None, *, trusted: bool) -> Step:
    """The page that comes next; each rule is tried in the order in which the real site asks."""
    nags, done = variants.nag, sign_in.browser.closed
    pending = variants.challenge if variants.challenge not in sign_in.browser.passed else Challenge.NONE
    code_due = user is not None and bool(user.totp_secret) and not sign_in.code_ok and not trusted
    rules = (
        (pending in _BEFORE_EMAIL, Step.CHALLENGE),
        (variants.switch_accounts and not sign_in.email and not sign_in.account_chosen, Step.SWITCH),
        (not sign_in.email, Step.EMAIL),
        (not sign_in.password_ok, Step.PASSWORD),
        (pending in AFTER_PASSWORD, Step.CHALLENGE),
        (code_due and variants.device_choice and not sign_in.device_chosen, Step.DEVICE),
        (code_due or (pending is Challenge.SMS_IN_PLACE and not sign_in.code_ok), Step.CODE),
        (nags in (Nag.PHONE, Nag.BOTH) and "phone" not in done, Step.PHONE),
        (nags in (Nag.REMIND_LATER, Nag.BOTH) and "remind_later" not in done, Step.REMIND),
        (nags is Nag.PASSKEY and "passkey" not in done, Step.PASSKEY),
    )
    return next((step for holds, step in rules if holds), Step.DONE)


_CHALLENGE_PATHS: Final = {
    Challenge.CAPTCHA_PAGE: "/errors/validateCaptcha",
    Challenge.WAF: "/ap/signin",
    Challenge.CAPTCHA_CVF: "/ap/cvf/request",
    Challenge.CAPTCHA_PUZZLE: "/ap/cvf/request",
    Challenge.PASSKEY: "/ap/passkey",
    Challenge.APPROVAL: "/ap/cvf/approval",
    Challenge.SMS_CODE: "/ap/cvf/request",
    Challenge.PASSWORD_CHANGE: "/forgotpassword/reverification",
}
_STEP_PATHS: Final = {
    Step.SWITCH: "/ap/signin",
    Step.PASSWORD: "/ap/signin",
    Step.DEVICE: "/ap/mfa",
    Step.CODE: "/ap/mfa",
    Step.PHONE: "/ap/accountfixup",
    Step.REMIND: "/ap/accountfixup",
    Step.PASSKEY: "/ap/accountfixup",
}


def path_of(step: Step, variants: SiteVariants) -> str:
    """Where the page of a step lives."""
    if step is Step.CHALLENGE:
        return _CHALLENGE_PATHS[variants.challenge]
    if step is Step.EMAIL:
        return "/ax/claim" if variants.sign_in is SignInForm.CLAIM else "/ap/signin"
    return _STEP_PATHS[step]
