"""The look-alike's challenges: each stops a program and lets a person pass."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from site_visitor import USER, Visitor, make_site

from amazon_ae.testing._seller_central import (
    Challenge,
    SellerCentralSite,
)


def show(site: SellerCentralSite, **changes: Any) -> None:
    """Give the site another face."""
    site.variants = attrs.evolve(site.variants, **changes)


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
    elif challenge is Challenge.SMS_IN_PLACE:
        assert visitor.page.has("auth-mfa-otpcode")
        assert "ending in" in visitor.page.texts()
        await visitor.submit({"otpCode": site.answer(), "rememberDevice": ""})
        return
    elif challenge is Challenge.PASSWORD_CHANGE:
        assert visitor.path == "/forgotpassword/reverification"
        await visitor.submit({"newPassword": "changed"})
    await visitor.type_code()
    if challenge is Challenge.AGENT_POLICY:
        assert "unauthorized AI agent" in visitor.page.texts()
        assert "anti-csrftoken-a2z" not in visitor.page.html
        await visitor.submit({})
