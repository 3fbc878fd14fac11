"""Answers everything of the sign-in: checks what was typed, and shows the page that comes next."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from amazon_ae.testing._seller_central.codes import code_of, step_of
from amazon_ae.testing._seller_central.pages import challenge_page, render
from amazon_ae.testing._seller_central.request_context import (
    SESSION_COOKIE,
    TRUST_COOKIE,
    Visit,
    local_path,
    read_form,
    visit_of,
)
from amazon_ae.testing._seller_central.sign_in_steps import AFTER_PASSWORD, Step, next_step, path_of
from amazon_ae.testing._seller_central.state import SignIn, SiteState
from amazon_ae.testing._seller_central.texts import say
from amazon_ae.testing._seller_central.variants import Challenge, SignInForm

__all__ = ["SignInHandlers"]

# Amazon's own number is not public (UNVERIFIED); sources only warn of a temporary lockout.
_WRONG_CODES: Final = 5
# A code that is too late by up to ten minutes is called expired; an older one is unknown.
_EXPIRED_STEPS: Final = 20
_YEAR_SECONDS: Final = 365 * 86_400


class SignInHandlers:
    """Answers everything of the sign-in: ``/ap``, ``/ax``, and the two pages that live elsewhere."""

    def __init__(self, state: SiteState) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        """Where each answer lives."""
        return [
            *(
                Route(path, self.show, methods=["GET"])
                for path in ("/ap/signin", "/ax/claim", "/ap/mfa", "/ap/cvf/request", "/ap/cvf/approval")
            ),
            Route("/ap/signin", self.post_password, methods=["POST"]),
            Route("/ap/switchaccount", self.switch_account, methods=["POST"]),
            Route("/ax/claim", self.post_password, methods=["POST"]),
            Route("/ap/mfa", self.post_code, methods=["POST"]),
            Route("/ap/mfa/new-otp", self.resend_code, methods=["GET"]),
            Route("/ap/accountfixup", self.account_fixup, methods=["GET", "POST"]),
            Route("/errors/validateCaptcha", self.validate_captcha, methods=["GET"]),
            Route("/ap/waf", self.pass_at_once, methods=["POST"]),
            Route("/ap/agent-policy", self.pass_at_once, methods=["POST"]),
            Route("/ap/cvf/verify", self.post_cvf, methods=["POST"]),
            Route("/ap/cvf/approval/poll", self.poll_approval, methods=["GET"]),
            Route("/ap/passkey", self.passkey, methods=["GET", "POST"]),
            Route("/forgotpassword/reverification", self.change_password, methods=["GET", "POST"]),
            Route("/ap/signout", self.sign_out, methods=["GET", "POST"]),
        ]

    def first_page(self, visit: Visit, *, status: int = 200) -> Response:
        """The first page of a new sign-in, shown in place of what was asked for."""
        sign_in = self._state.start_sign_in(visit.browser, visit.wanted)
        return self._page(visit, sign_in, self._step(visit, sign_in), status=status)

    async def show(self, request: Request) -> Response:
        """The present page of a sign-in; a new sign-in where there is none."""
        visit = visit_of(request, self._state)
        sign_in = self._state.sign_ins.get(request.query_params.get("arb", ""))
        if sign_in is None or sign_in.browser is not visit.browser:
            return_to = local_path(request.query_params.get("openid.return_to", "/home"))
            sign_in = self._state.start_sign_in(visit.browser, return_to)
        return self._advance(visit, sign_in)

    async def switch_account(self, request: Request) -> Response:
        """The e-mail that was chosen from the list; none of them leads to the empty form."""
        visit = visit_of(request, self._state)
        form = await read_form(request)
        sign_in = self._found(visit, form)
        if sign_in is None:
            return self.first_page_from_home(visit)
        user = self._state.user(form.get("claim", ""))
        sign_in.account_chosen = True
        sign_in.email = user.email if user else ""
        return self._advance(visit, sign_in)

    async def post_password(self, request: Request) -> Response:
        """E-mail, password or both."""
        visit = visit_of(request, self._state)
        form = await read_form(request)
        sign_in = self._found(visit, form)
        if sign_in is None:
            return self.first_page_from_home(visit)
        if self._step(visit, sign_in) not in (Step.EMAIL, Step.PASSWORD):
            return self._advance(visit, sign_in)
        if not sign_in.email or form.get("email", sign_in.email) != sign_in.email:
            sign_in.email = ""
            user = self._state.user(form.get("email", ""))
            if user is None:
                return self._unknown_account(visit, sign_in, form.get("email", ""))
            sign_in.email = user.email
        if "password" not in form:
            return self._advance(visit, sign_in)
        error = self._check_password(visit, sign_in, form)
        if not error:
            sign_in.password_ok = True
            return self._advance(visit, sign_in)
        one_page = visit.variants.sign_in is SignInForm.ONE_PAGE and not sign_in.account_chosen
        return self._page(visit, sign_in, Step.EMAIL if one_page else Step.PASSWORD, error=error)

    def _check_password(self, visit: Visit, sign_in: SignIn, form: dict[str, str]) -> str:
        """The error to show, or ``""``."""
        counts = self._state.counts
        if visit.variants.challenge is Challenge.CAPTCHA and Challenge.CAPTCHA not in visit.browser.passed:
            if form.get("guess", "").strip() != sign_in.answer:
                return say("wrong_answer", visit.language)
            visit.browser.passed.add(Challenge.CAPTCHA)
        counts.passwords += 1
        user = self._state.user(sign_in.email)
        if user is not None and form.get("password") == user.password:
            return ""
        counts.wrong_passwords += 1
        return say("wrong_password" if form.get("password") else "wrong_credentials", visit.language)

    def _unknown_account(self, visit: Visit, sign_in: SignIn, email: str) -> Response:
        if visit.variants.sign_in is SignInForm.CLAIM:
            return HTMLResponse(render("sign_in/intent.html", visit.language, sign_in=sign_in, email=email))
        return self._page(visit, sign_in, Step.EMAIL, error=say("unknown_email", visit.language))

    async def post_code(self, request: Request) -> Response:
        """The chosen device, or the one-time code."""
        visit = visit_of(request, self._state)
        form = await read_form(request)
        sign_in = self._found(visit, form)
        if sign_in is None:
            return self.first_page_from_home(visit)
        step = self._step(visit, sign_in)
        if step is Step.DEVICE and "otpDeviceContext" in form:
            sign_in.device_chosen = True
            sign_in.by_message = not form["otpDeviceContext"].endswith("TOTP")
            self._state.counts.messages_sent += sign_in.by_message
            return self._advance(visit, sign_in)
        if step is not Step.CODE:
            return self._advance(visit, sign_in)
        error = self._check_code(sign_in, form.get("otpCode", ""))
        if error:
            sign_in.wrong_codes += 1
            if sign_in.wrong_codes >= _WRONG_CODES:
                del self._state.sign_ins[sign_in.sign_in_id]
                error = "too_many_codes"
            return self._page(visit, sign_in, Step.CODE, error=say(error, visit.language))
        sign_in.code_ok = True
        if sign_in.by_message:
            visit.browser.passed.add(Challenge.SMS_IN_PLACE)
        response = self._advance(visit, sign_in)
        if form.get("rememberDevice"):
            response.set_cookie(
                TRUST_COOKIE, self._state.trust(sign_in.email), max_age=_YEAR_SECONDS, httponly=True, samesite="lax"
            )
        return response

    def _check_code(self, sign_in: SignIn, code: str) -> str:
        """The error to show, or ``""``; a good code is spent by this."""
        state, user = self._state, self._state.user(sign_in.email)
        code = code.replace(" ", "")
        state.counts.codes += 1
        if sign_in.by_message and code == sign_in.answer:
            state.counts.accepted_codes += 1
            return ""
        step = step_of(state.clock.now())
        for steps in range(state.code_steps, -state.code_steps - _EXPIRED_STEPS - 1, -1):
            if user is None or sign_in.by_message or code != code_of(user.totp_secret, step + steps):
                continue
            if steps < -state.code_steps:
                state.counts.wrong_codes += 1
                return "expired_code"
            if not state.spend_code(sign_in.email, step + steps):
                state.counts.reused_codes += 1
                return "wrong_code"
            state.counts.accepted_codes += 1
            return ""
        state.counts.wrong_codes += 1
        return "wrong_code"

    async def resend_code(self, request: Request) -> Response:
        """ "Didn't receive the OTP?": counted, because a program should not ask."""
        self._state.counts.messages_sent += 1
        return RedirectResponse(f"/ap/mfa?arb={quote(request.query_params.get('arb', ''))}", 302)

    async def account_fixup(self, request: Request) -> Response:
        """The nags; both skipping and answering close them for this browser."""
        visit = visit_of(request, self._state)
        form = await read_form(request)
        sign_in = self._found(visit, {**request.query_params, **form})
        if sign_in is None:
            return self.first_page_from_home(visit)
        skipped = form.get("skip") or request.query_params.get("skip") or ("phone" if "phone" in form else "")
        if skipped in ("phone", "remind_later", "passkey"):
            visit.browser.closed.add(skipped)
        return self._advance(visit, sign_in)

    async def validate_captcha(self, request: Request) -> Response:
        """The captcha page; with an answer, its check."""
        visit = visit_of(request, self._state)
        answers = request.query_params
        sign_in = self._found(visit, {"workflowState": answers.get("amzn", answers.get("arb", ""))})
        if sign_in is None:
            return self.first_page_from_home(visit)
        if "field-keywords" in answers:
            if answers["field-keywords"].strip() != sign_in.answer:
                return HTMLResponse(challenge_page(Challenge.CAPTCHA_PAGE, sign_in, visit.language, error=True))
            visit.browser.passed.add(Challenge.CAPTCHA_PAGE)
        return self._advance(visit, sign_in)

    async def pass_at_once(self, request: Request) -> Response:
        """Challenges that a click passes: AWS WAF's page and the agent policy."""
        visit = visit_of(request, self._state)
        sign_in = self._found(visit, await read_form(request))
        if sign_in is None:
            return self.first_page_from_home(visit)
        is_waf = request.url.path == "/ap/waf"
        visit.browser.passed.add(Challenge.WAF if is_waf else Challenge.AGENT_POLICY)
        if not is_waf:
            return RedirectResponse(sign_in.return_to, 302)
        response = self._advance(visit, sign_in)
        response.set_cookie("aws-waf-token", "sandbox", max_age=300)
        return response

    async def post_cvf(self, request: Request) -> Response:
        """The answers of the ``/ap/cvf`` pages."""
        visit = visit_of(request, self._state)
        form = await read_form(request)
        sign_in = self._found(visit, form)
        if sign_in is None:
            return self.first_page_from_home(visit)
        challenge = visit.variants.challenge
        given = {
            Challenge.CAPTCHA_CVF: form.get("cvf_captcha_input", ""),
            Challenge.SMS_CODE: form.get("code", ""),
            Challenge.CAPTCHA_PUZZLE: sign_in.answer if form.get("puzzle") == "solved" else "",
        }.get(challenge, "")
        if challenge in AFTER_PASSWORD and given.strip() != sign_in.answer:
            return HTMLResponse(challenge_page(challenge, sign_in, visit.language, error=True))
        visit.browser.passed.add(challenge)
        # The code that came by SMS replaces the authenticator's.
        sign_in.code_ok = sign_in.code_ok or challenge is Challenge.SMS_CODE
        return self._advance(visit, sign_in)

    async def poll_approval(self, request: Request) -> Response:
        """What the waiting page asks about twice a second."""
        visit = visit_of(request, self._state)
        sign_in = self._found(visit, dict(request.query_params))
        if sign_in is None or not sign_in.approved:
            return JSONResponse({"transactionApprovalStatus": "TransactionPending"})
        visit.browser.passed.add(Challenge.APPROVAL)
        location = f"/ap/cvf/approval?arb={sign_in.sign_in_id}"
        return JSONResponse({"transactionApprovalStatus": "TransactionCompleted", "next": location})

    async def passkey(self, request: Request) -> Response:
        """The passkey prompt; the link under it passes it."""
        visit = visit_of(request, self._state)
        sign_in = self._found(visit, dict(request.query_params))
        if sign_in is None:
            return self.first_page_from_home(visit)
        if "skip" in request.query_params:
            visit.browser.passed.add(Challenge.PASSKEY)
        return self._advance(visit, sign_in)

    async def change_password(self, request: Request) -> Response:
        """The forced password change. The user keeps the new password, as on the real site."""
        visit = visit_of(request, self._state)
        form = await read_form(request)
        sign_in = self._found(visit, {**request.query_params, **form})
        if sign_in is None:
            return self.first_page_from_home(visit)
        if form.get("newPassword") and sign_in.password_ok:
            self._state.set_password(sign_in.email, form["newPassword"])
            visit.browser.passed.add(Challenge.PASSWORD_CHANGE)
        return self._advance(visit, sign_in)

    async def sign_out(self, request: Request) -> Response:
        """End the session."""
        self._state.sessions.pop(request.cookies.get(SESSION_COOKIE, ""), None)
        response = RedirectResponse("/home", 302)
        response.delete_cookie(SESSION_COOKIE)
        return response

    def first_page_from_home(self, visit: Visit) -> Response:
        """A sign-in that was forgotten (or never was) starts anew."""
        return self._advance(visit, self._state.start_sign_in(visit.browser, "/home"))

    def _found(self, visit: Visit, form: dict[str, str]) -> SignIn | None:
        sign_in = self._state.sign_ins.get(form.get("workflowState") or form.get("arb", ""))
        return sign_in if sign_in is not None and sign_in.browser is visit.browser else None

    def _step(self, visit: Visit, sign_in: SignIn) -> Step:
        owner = self._state.trusted.get(visit.request.cookies.get(TRUST_COOKIE, ""))
        trusted = visit.variants.honour_trust and owner is not None and owner == sign_in.email.casefold()
        return next_step(sign_in, visit.variants, self._state.user(sign_in.email), trusted=trusted)

    def _advance(self, visit: Visit, sign_in: SignIn) -> Response:
        """Show the next page, at its own address."""
        step = self._step(visit, sign_in)
        if step is Step.DONE:
            session = self._state.open_session(sign_in.email)
            self._state.sign_ins.pop(sign_in.sign_in_id, None)
            response = RedirectResponse(sign_in.return_to, 302)
            response.set_cookie(
                SESSION_COOKIE,
                session.session_id,
                max_age=int(self._state.session_seconds),
                httponly=True,
                samesite="lax",
            )
            return response
        path = path_of(step, visit.variants)
        if visit.request.url.path == path and visit.request.method == "GET":
            return self._page(visit, sign_in, step)
        return RedirectResponse(f"{path}?{urlencode({'arb': sign_in.sign_in_id})}", 302)

    def _page(self, visit: Visit, sign_in: SignIn, step: Step, *, error: str = "", status: int = 200) -> Response:
        variants, passed = visit.variants, visit.browser.passed
        if step is Step.CHALLENGE:
            # AWS WAF answers its captcha page with 405 and a header.
            is_waf = variants.challenge is Challenge.WAF
            return HTMLResponse(
                challenge_page(variants.challenge, sign_in, visit.language),
                status_code=405 if is_waf else status,
                headers={"x-amzn-waf-action": "captcha"} if is_waf else None,
            )
        if step is Step.CODE and variants.challenge is Challenge.SMS_IN_PLACE and variants.challenge not in passed:
            sign_in.by_message = True
        remembered = self._state.remembered_emails
        is_claim = step is Step.EMAIL and variants.sign_in is SignInForm.CLAIM
        html = render(
            f"sign_in/{'claim' if is_claim else step}.html",
            visit.language,
            sign_in=sign_in,
            error=error,
            asks_password=step is Step.PASSWORD or variants.sign_in is SignInForm.ONE_PAGE,
            asks_captcha=variants.challenge is Challenge.CAPTCHA and Challenge.CAPTCHA not in passed,
            emails=[user.email for user in self._state.users.values()] if remembered is None else remembered,
        )
        return HTMLResponse(html, status_code=status)
