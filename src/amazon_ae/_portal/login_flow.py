"""Perform the sign-in that ``login_rules`` decides: look, decide, act, until a page of the app is there.

Two rules are kept here because only here something is typed. Credentials go into a field only if, at that moment, its
page and its form belong to an allowed origin. A one-time code's counter is stored before the code is typed.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING, Final, TypeVar

import attrs

from amazon_ae._exceptions import (
    ChallengeRequired,
    ConfigurationError,
    LoginRejected,
    PageChanged,
    PortalError,
    PortalTimeout,
    PortalUnavailable,
)
from amazon_ae._models.marketplaces import Marketplace, PortalCredentials
from amazon_ae._portal.login_rules import Action, Progress, decide
from amazon_ae._portal.navigation import RETRY_SECONDS, Traffic, visit
from amazon_ae._portal.pace import Gate, call
from amazon_ae._portal.site_map import Page, SiteMap
from amazon_ae._portal.snapshot import View, look, origin_of, picture
from amazon_ae._portal.totp import TotpSecret, clock_skew_seconds, plan_code
from amazon_ae._ports import Clock

if TYPE_CHECKING:
    from playwright.async_api import ElementHandle, Locator, Page as BrowserPage, Response

__all__ = ["SignIn", "SignInPlan"]

T = TypeVar("T")
_STEP: Final = "sign-in"
_LOOK_AGAIN_SECONDS: Final = 0.04
# An app page is drawn by scripts: an unknown page that waits for no answer gets this long to become a known one.
_DRAW_SECONDS: Final = 5.0
_PERSON_LOOKS_SECONDS: Final = 0.5
_FORM_ORIGIN: Final = """element => [location.origin,
  element.form ? new URL(element.form.getAttribute('action') || '', document.baseURI).origin : location.origin]"""


@attrs.frozen(kw_only=True)
class SignInPlan:
    """What one sign-in needs; no part of it changes.

    Attributes:
        origins: where credentials may be typed.
        account_name: the seller account to pick where a user has several.
        timeout_seconds: for each page.
        person_seconds: how long a person may take for each page that only a person passes; 0 without a person.
    """

    marketplace: Marketplace
    credentials: PortalCredentials = attrs.field(repr=False)
    secret: TotpSecret = attrs.field(repr=False)
    site: SiteMap = attrs.field(repr=False)
    origins: frozenset[str]
    account_name: str | None = None
    timeout_seconds: float = 30.0
    person_seconds: float = 0.0


class SignIn:
    """One sign-in on one page.

    Args:
        use_counter: remembers a one-time code's counter for all processes; awaited before the code is typed.
        last_counter: the newest counter used by any process.
    """

    def __init__(
        self,
        page: BrowserPage,
        plan: SignInPlan,
        *,
        clock: Clock,
        gate: Gate,
        last_counter: int | None,
        use_counter: Callable[[int], Awaitable[None]],
    ) -> None:
        self._page = page
        self._plan = plan
        self._clock = clock
        self._gate = gate
        self._last_counter = last_counter
        self._use_counter = use_counter
        self._progress = Progress()
        self._codes_typed = 0
        self._status = 0
        self._traffic = Traffic(page, plan.origins)
        self.pages: list[Page] = []
        """The pages seen, in order."""
        self.views: list[View] = []
        """The looks they were recognised by."""
        self.typed: bool = False
        """Whether a credential was typed."""
        self.skew_seconds: float | None = None
        """Local clock minus the site's, where the site said its time."""

    async def run(self) -> None:
        """Go to the home page and through whatever comes until the app is there.

        Raises:
            ChallengeRequired, LoginRejected, PermissionMissing, PageChanged: as ``login_rules.TABLE`` says;
                the first and the last carry a picture without text.
            PortalTimeout, PortalUnavailable, BrowserLost, PortalStopped: nothing is decided; try again later.
        """
        self._page.on("response", self._note_answer)
        try:
            with self._traffic:
                await self._walk()
        finally:
            self._page.remove_listener("response", self._note_answer)

    async def _walk(self) -> None:
        view = await self._open(self._plan.marketplace.portal_origin + self._plan.site.urls["home"])
        while True:
            self._gate.check(_STEP)
            self._check_health(view)
            self.pages.append(view.page)
            self.views.append(view)
            try:
                action = self._decide(view)
            except (ChallengeRequired, PageChanged) as error:
                view = await self._person(view, error)
                continue
            if action is Action.DONE:
                return
            await self._act(action, view)
            view = await self._next(view, self._plan.timeout_seconds)

    def _decide(self, view: View) -> Action:
        if view.page is Page.APP and view.origin != self._plan.marketplace.portal_origin:
            raise PageChanged("the app's page is on another address than the marketplace's", step=_STEP)
        if view.page is Page.CODE and self._codes_typed and self._clock_is_wrong():
            raise LoginRejected(self._skew_text(), step=_STEP)
        return decide(view.page, self._progress)

    async def _person(self, view: View, error: PortalError) -> View:
        """Let a person pass the page, if there is one; otherwise the error, with a picture, is the end."""
        if not self._plan.person_seconds:
            error.picture = await picture(self._page)
            raise error
        try:
            # A new start for every page: what the person did is not this program's repeated attempt.
            self._progress = Progress()
            return await self._next(view, self._plan.person_seconds, pause_seconds=_PERSON_LOOKS_SECONDS)
        except PortalError:
            raise error from None

    async def _open(self, url: str) -> View:
        for last in (False, True):  # a single fault of the site, or a bare 403 of its bot wall, is asked again once
            await self._gate.enter(_STEP)
            try:
                landing = await visit(
                    self._page, url, until="domcontentloaded", step=_STEP, timeout_seconds=self._plan.timeout_seconds
                )
                if landing.answer.status != 403 and landing.answer.status < 500:
                    break
            except PortalUnavailable:
                if last:
                    raise
            if not last:
                await self._clock.sleep(RETRY_SECONDS)
        return await self._settled(await self._look())

    def _check_health(self, view: View) -> None:
        """A page that is unknown because the site is ill is no changed page."""
        if view.page is not Page.UNKNOWN:
            return
        if self._status >= 500 or self._status in (403, 429):
            raise PortalUnavailable(f"Seller Central answered {self._status}", status=self._status, step=_STEP)
        if view.origin == "null":  # the browser's own error page
            raise PortalUnavailable("the connection failed; try again later", step=_STEP)

    async def _look(self) -> View:
        return await call(look(self._page, self._plan.site, self._plan.marketplace), _STEP, self._plan.timeout_seconds)

    async def _next(self, before: View, seconds: float, *, pause_seconds: float = _LOOK_AGAIN_SECONDS) -> View:
        """The next page: another document, or another page drawn into the same one.

        The same page in the same document is no answer, whatever a script shows or hides on it, until it stays so.
        """

        async def changed() -> View:
            quiet = 0.0
            while True:
                view = await self._try_look()
                if view is not None and view.ready and view.key != before.key:
                    is_other = (view.born, view.page) != (before.born, before.page)
                    if is_other or quiet >= _DRAW_SECONDS:
                        return view
                await self._page.wait_for_timeout(pause_seconds * 1000)
                quiet = 0.0 if self._traffic.waits else quiet + pause_seconds

        return await self._settled(await call(changed(), _STEP, seconds))

    async def _settled(self, view: View) -> View:
        """A page that is not known yet may still be drawing itself; wait a little before calling it unknown."""

        async def known() -> View:
            quiet, seconds = 0.0, min(_DRAW_SECONDS, self._plan.timeout_seconds)
            while quiet < seconds:
                again = await self._try_look()
                if again is not None and again.page is not Page.UNKNOWN:
                    return again
                await self._page.wait_for_timeout(_LOOK_AGAIN_SECONDS * 1000)
                if not self._traffic.waits:
                    quiet += _LOOK_AGAIN_SECONDS
            return view

        if view.page is not Page.UNKNOWN or self._status >= 400 or view.origin == "null":
            return view
        try:
            return await call(known(), _STEP, self._plan.timeout_seconds)
        except PortalTimeout:
            return view

    async def _try_look(self) -> View | None:
        """A look that may meet a page in the middle of a navigation."""
        try:
            return await look(self._page, self._plan.site, self._plan.marketplace)
        except Exception as error:
            text = str(error)
            if "context was destroyed" in text or "navigat" in text or "Cannot find context" in text:
                return None
            raise

    async def _act(self, action: Action, view: View) -> None:
        work = {
            Action.TYPE_EMAIL: self._type_email,
            Action.TYPE_PASSWORD: self._type_password,
            Action.TYPE_EMAIL_AND_PASSWORD: self._type_both,
            Action.CHOOSE_AUTHENTICATOR: self._choose_authenticator,
            Action.TYPE_CODE: self._type_code,
            Action.PICK_IDENTITY: self._pick_identity,
            Action.PICK_MARKETPLACE: self._pick_marketplace,
            Action.PICK_MARKETPLACE_OLD: self._pick_marketplace_old,
            Action.SWITCH_MARKETPLACE: self._switch_marketplace,
            Action.RELOAD: self._reload,
            Action.SKIP_PHONE: self._skip_phone,
            Action.SKIP_REMINDER: self._skip_reminder,
        }[action]
        await self._gate.enter(_STEP)
        await work(view)

    async def _type_email(self, view: View) -> None:
        await self._type(view, "email", self._plan.credentials.email)
        await self._click(view, "email_next")

    async def _type_password(self, view: View) -> None:
        await self._tick(view, "remember_me")
        await self._type(view, "password", self._plan.credentials.password)
        await self._click(view, "sign_in")

    async def _type_both(self, view: View) -> None:
        await self._type(view, "email", self._plan.credentials.email)
        await self._type_password(view)

    async def _choose_authenticator(self, view: View) -> None:
        selector = ", ".join(self._plan.site.selectors["device_totp"])
        await self._do(self._page.locator(selector).first.check(timeout=self._milliseconds, force=True))
        await self._click(view, "device_send")

    async def _type_code(self, view: View) -> None:
        while True:
            planned = plan_code(self._plan.secret, self._clock.now(), last_counter=self._last_counter)
            if planned.wait_seconds <= 0:
                break
            await self._clock.sleep(planned.wait_seconds)
            self._gate.check(_STEP)
        await self._tick(view, "remember_device")
        # First remembered, then typed: a crash in between wastes a code, the other order would use one twice.
        await self._use_counter(planned.counter)
        self._last_counter = planned.counter
        self._codes_typed += 1
        await self._type(view, "code", self._plan.secret.code(planned.counter))
        await self._click(view, "code_submit")

    async def _pick_identity(self, view: View) -> None:
        rows = await self._rows("identity_row")
        ours = rows.filter(has_text=self._plan.credentials.email)
        row = ours if await self._count(ours) else rows
        await self._do(row.first.click(timeout=self._milliseconds))

    async def _pick_marketplace(self, view: View) -> None:
        await self._pick("picker_row", "picker_confirm")

    async def _pick_marketplace_old(self, view: View) -> None:
        await self._pick("old_picker_row", "old_picker_confirm")

    async def _pick(self, row_name: str, confirm_name: str) -> None:
        """Open the account where the marketplaces do not show yet, choose ours, confirm. Clicks are trusted ones."""
        names = self._plan.site.marketplace_names[self._plan.marketplace.code]
        rows = await self._rows(row_name)
        marketplace = rows.filter(has_text=_any_of(names))
        if not await self._count(marketplace):
            wanted = self._plan.account_name
            account = rows.filter(has_text=wanted) if wanted else rows
            count = await self._count(account)
            if count > 1 and not wanted:
                raise ConfigurationError(f"this user has {count} seller accounts: pass account_name= to pick one")
            if not count:
                raise PageChanged("no row of the account picker has this account's name", step=_STEP)
            await self._do(account.first.click(timeout=self._milliseconds))
        await self._do(marketplace.last.click(timeout=self._milliseconds))
        confirm = await self._rows(confirm_name)
        await self._do(confirm.last.click(timeout=self._milliseconds, no_wait_after=True))

    async def _switch_marketplace(self, view: View) -> None:
        selector = ", ".join(self._plan.site.selectors["marketplace_switch"])
        options = self._page.locator(selector).first.locator("option")
        values: list[str] = await self._do(options.evaluate_all("options => options.map(option => option.value)"))
        marketplace = self._plan.marketplace
        ours = [value for value in values if value == marketplace.code or marketplace.marketplace_id in value]
        if not ours:
            raise PageChanged("the marketplace is not in the page's list of marketplaces", step=_STEP)
        await self._do(self._page.locator(selector).first.select_option(ours[0], timeout=self._milliseconds))

    async def _reload(self, view: View) -> None:
        await self._do(self._page.reload(wait_until="domcontentloaded", timeout=self._milliseconds))

    async def _skip_phone(self, view: View) -> None:
        await self._click(view, "phone_nag_skip")

    async def _skip_reminder(self, view: View) -> None:
        await self._click(view, "remind_nag_skip")

    async def _type(self, view: View, name: str, value: str) -> None:
        """Fill one field. Check and typing are on the same element: a page that comes in between gets neither."""
        field = await self._do(self._locator(view, name).element_handle(timeout=self._milliseconds))
        await self._check_origin(field)
        self.typed = True
        await self._do(field.fill(value, timeout=self._milliseconds))

    async def _check_origin(self, field: ElementHandle) -> None:
        origins: list[str] = await self._do(field.evaluate(_FORM_ORIGIN))
        if not {*origins, origin_of(self._page.url)} <= self._plan.origins:
            raise PageChanged(
                "the page that asks for credentials is not the marketplace's own; nothing was typed", step=_STEP
            )

    async def _tick(self, view: View, name: str) -> None:
        if name in view.matched:
            await self._do(self._locator(view, name).check(timeout=self._milliseconds))

    async def _click(self, view: View, name: str) -> None:
        await self._do(self._locator(view, name).click(timeout=self._milliseconds, no_wait_after=True))

    def _locator(self, view: View, name: str) -> Locator:
        if name not in view.matched:
            raise PageChanged(f"nothing on the page fits {name!r}", step=_STEP)
        selector = self._plan.site.selectors[name][view.matched[name]]
        return self._page.locator(selector).locator("visible=true").first

    async def _rows(self, name: str) -> Locator:
        """What the first fitting selector finds; not all of them at once, for one may lie inside another."""
        for selector in self._plan.site.selectors[name]:
            rows = self._page.locator(selector).locator("visible=true")
            if await self._count(rows):
                return rows
        raise PageChanged(f"nothing on the page fits {name!r}", step=_STEP)

    async def _count(self, locator: Locator) -> int:
        return await self._do(locator.count())

    async def _do(self, work: Awaitable[T]) -> T:
        return await call(work, _STEP, self._plan.timeout_seconds)

    @property
    def _milliseconds(self) -> float:
        return self._plan.timeout_seconds * 1000

    def _note_answer(self, response: Response) -> None:
        if origin_of(response.url) in self._plan.origins:
            skew = clock_skew_seconds(response.headers.get("date"), self._clock.now())
            self.skew_seconds = skew if skew is not None else self.skew_seconds
        if response.request.is_navigation_request() and response.frame == self._page.main_frame:
            self._status = response.status

    def _clock_is_wrong(self) -> bool:
        return self.skew_seconds is not None and abs(self.skew_seconds) > self._plan.secret.period / 2

    def _skew_text(self) -> str:
        skew = self.skew_seconds or 0.0
        side = "ahead of" if skew > 0 else "behind"
        return (
            f"Amazon refused the one-time code, and this machine's clock is {abs(skew):.0f} s {side} Amazon's: "
            "set the clock, then call login() once"
        )


def _any_of(names: Collection[str]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(name) for name in names), re.IGNORECASE)
