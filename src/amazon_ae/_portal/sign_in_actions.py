"""Performs one action of the sign-in on a page. Credentials are typed only here.

Credentials go into a field only if, at that moment, its page and its form belong to an allowed origin. A one-time
code's counter is stored before the code is typed. What is typed is hidden from the frames that error trackers collect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

from amazon_ae._exceptions import PageChanged
from amazon_ae._models.hidden import Hidden
from amazon_ae._models.marketplaces import Marketplace, PortalCredentials
from amazon_ae._portal.account_picker import PickerRow, choose_account_row, choose_user_row, is_marketplace_row
from amazon_ae._portal.clicking import click
from amazon_ae._portal.network_monitor import NetworkMonitor
from amazon_ae._portal.pacing import RequestPacer
from amazon_ae._portal.playwright_calls import run_step
from amazon_ae._portal.sign_in_rules import Action
from amazon_ae._portal.site_map import BUTTONS, SiteMap
from amazon_ae._portal.snapshot import PageView, origin_of
from amazon_ae._portal.totp import CodePlan, TotpSecret
from amazon_ae._ports import Clock

if TYPE_CHECKING:
    from playwright.async_api import ElementHandle, Locator, Page as BrowserPage

__all__ = ["SIGN_IN_STEP", "SignInActions", "SignInPlan"]

T = TypeVar("T")
SIGN_IN_STEP: Final = "sign-in"
_DRAW_SECONDS: Final = 5.0
# Rows come by script, at once or after a request: read twice, this far apart, until both agree.
_PICKER_SECONDS: Final = 0.3
# Row B lies in row A if A's surroundings hold B and B's do not hold A.
_READ_ROWS: Final = """rows => rows.map(row => ({
  lines: row.innerText.split('\\n').map(line => line.trim()).filter(line => line),
  depth: rows.filter(other => other !== row && other.parentElement.contains(row)
    && !row.parentElement.contains(other)).length}))"""
_LABELS: Final = """buttons => buttons.map(button => ((button.tagName === 'INPUT' ? button.value : button.textContent)
  || button.getAttribute('label') || button.getAttribute('aria-label') || '').split(/\\s+/).join(' ').trim())"""
_FORM_ORIGIN: Final = """element => [location.origin,
  element.form ? new URL(element.form.getAttribute('action') || '', document.baseURI).origin : location.origin]"""


@attrs.frozen(kw_only=True)
class SignInPlan:
    """The inputs of one sign-in; constant.

    Attributes:
        origins: where credentials may be typed.
        account_name: the seller account to pick where a user has several.
        timeout_seconds: for each page.
        person_seconds: how long a person may take for each page that only a person passes; 0 without a person.
        turn: held while a page of the browser is clicked on.
    """

    marketplace: Marketplace
    credentials: PortalCredentials = attrs.field(repr=False)
    secret: TotpSecret = attrs.field(repr=False)
    site: SiteMap = attrs.field(repr=False)
    origins: frozenset[str]
    account_name: str | None = None
    timeout_seconds: float = 30.0
    person_seconds: float = 0.0
    turn: asyncio.Lock = attrs.field(factory=asyncio.Lock, repr=False)


class SignInActions:
    """The actions of one sign-in on one page.

    Args:
        reserve_code: plans a one-time code that nobody typed before, and remembers it for all processes where there is
            nothing to wait for.
    """

    def __init__(
        self,
        page: BrowserPage,
        plan: SignInPlan,
        *,
        clock: Clock,
        pacer: RequestPacer,
        network: NetworkMonitor,
        reserve_code: Callable[[], Awaitable[CodePlan]],
    ) -> None:
        self._page = page
        self._plan = plan
        self._clock = clock
        self._pacer = pacer
        self._network = network
        self._reserve_code = reserve_code
        self.codes_typed: int = 0
        """One-time codes typed so far."""
        self.typed: bool = False
        """Whether a credential was typed."""

    async def perform(self, action: Action, view: PageView) -> None:
        """Perform the action. The next snapshot shows its effect."""
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
            Action.SKIP_PASSKEY: self._skip_passkey,
        }[action]
        await self._pacer.acquire(SIGN_IN_STEP)
        await work(view)

    async def _type_email(self, view: PageView) -> None:
        await self._type(view, "email", Hidden(self._plan.credentials.email))
        await self._click(view, "email_next")

    async def _type_password(self, view: PageView) -> None:
        await self._fill_password(view)
        await self._click(view, "sign_in")

    async def _type_both(self, view: PageView) -> None:
        await self._type(view, "email", Hidden(self._plan.credentials.email))
        await self._type_password(view)

    async def fill_for_person(self, view: PageView) -> None:
        """Type e-mail and password into a page whose captcha a person solves; the person sends the form."""
        if "email" in view.matched:
            await self._type(view, "email", Hidden(self._plan.credentials.email))
        await self._fill_password(view)

    async def _fill_password(self, view: PageView) -> None:
        await self._tick(view, "remember_me")
        await self._type(view, "password", Hidden(self._plan.credentials.password))

    async def _choose_authenticator(self, view: PageView) -> None:
        selector = ", ".join(self._plan.site.selectors["device_totp"])
        await self._do(self._page.locator(selector).first.check(timeout=self._milliseconds, force=True))
        await self._click(view, "device_send")

    async def _type_code(self, view: PageView) -> None:
        while (planned := await self._reserve_code()).wait_seconds > 0:
            await self._clock.sleep(planned.wait_seconds)
            self._pacer.check(SIGN_IN_STEP)
        await self._tick(view, "remember_device")
        self.codes_typed += 1
        await self._type(view, "code", Hidden(self._plan.secret.code(planned.counter)))
        await self._click(view, "code_submit")

    async def _pick_identity(self, view: PageView) -> None:
        rows, read = await self._settled_rows("identity_row")
        index = choose_user_row(read, Hidden(self._plan.credentials.email))
        await self._press(rows.nth(index))

    async def _pick_marketplace(self, view: PageView) -> None:
        await self._pick("picker_row", "picker_confirm")

    async def _pick_marketplace_old(self, view: PageView) -> None:
        await self._pick("old_picker_row", "old_picker_confirm")

    async def _pick(self, row_name: str, confirm_name: str) -> None:
        """Open our account's row where its marketplaces are not listed, choose ours, confirm. Clicks are trusted."""
        site = self._plan.site
        ours = site.marketplace_names[self._plan.marketplace.code]
        every = [name for names in site.marketplace_names.values() for name in names]
        opened, quiet = False, 0.0
        while True:
            rows, read = await self._settled_rows(row_name)
            index = choose_account_row(
                read, account_name=self._plan.account_name, ours=ours, every=every, opened=opened
            )
            if index is not None:
                await self._press(rows.nth(index))
                if opened or is_marketplace_row(read[index], ours):
                    break
                opened = True
            elif quiet >= _DRAW_SECONDS:
                raise PageChanged(
                    "the account's row was opened and lists no marketplace; run check()", step=SIGN_IN_STEP
                )
            quiet += await self._pause(_PICKER_SECONDS)
        confirm = await self._rows(confirm_name)
        await self._press(confirm.last)

    async def _settled_rows(self, name: str) -> tuple[Locator, list[PickerRow]]:
        """The rows once two snapshots agree: one of two accounts may be drawn first."""
        rows = await self._rows(name)
        read = await self._read_rows(rows)
        for _ in range(int(_DRAW_SECONDS / _PICKER_SECONDS)):
            await self._pause(_PICKER_SECONDS)
            rows = await self._rows(name)
            before, read = read, await self._read_rows(rows)
            if read == before and not self._network.busy:
                break
        return rows, read

    async def _read_rows(self, rows: Locator) -> list[PickerRow]:
        read: list[dict[str, Any]] = await self._do(rows.evaluate_all(_READ_ROWS))
        return [PickerRow(tuple(row["lines"]), row["depth"]) for row in read]

    async def _pause(self, seconds: float) -> float:
        """Wait; returns how much of it the page waited for no answer of the site."""
        await self._do(self._page.wait_for_timeout(seconds * 1000))
        return 0.0 if self._network.busy else seconds

    async def _switch_marketplace(self, view: PageView) -> None:
        selector = ", ".join(self._plan.site.selectors["marketplace_switch"])
        options = self._page.locator(selector).first.locator("option")
        values: list[str] = await self._do(options.evaluate_all("options => options.map(option => option.value)"))
        marketplace = self._plan.marketplace
        ours = [value for value in values if value == marketplace.code or marketplace.marketplace_id in value]
        if not ours:
            raise PageChanged("the marketplace is not in the page's list of marketplaces", step=SIGN_IN_STEP)
        await self._do(self._page.locator(selector).first.select_option(ours[0], timeout=self._milliseconds))

    async def _reload(self, view: PageView) -> None:
        await self._do(self._page.reload(wait_until="domcontentloaded", timeout=self._milliseconds))

    async def _skip_phone(self, view: PageView) -> None:
        await self._click(view, "phone_nag_skip")

    async def _skip_reminder(self, view: PageView) -> None:
        await self._click(view, "remind_nag_skip")

    async def _skip_passkey(self, view: PageView) -> None:
        if view.matched["not_now"] >= 0:
            await self._click(view, "not_now")
            return
        texts = {text.casefold() for text in self._plan.site.phrases["not_now"]}
        buttons = self._page.locator(BUTTONS).locator("visible=true")
        labels: list[str] = await self._do(buttons.evaluate_all(_LABELS))
        index = next((index for index, label in enumerate(labels) if label.casefold() in texts), None)
        if index is None:
            raise PageChanged("the button that declines the passkey went away; run check()", step=SIGN_IN_STEP)
        await self._press(buttons.nth(index))

    async def _type(self, view: PageView, name: str, text: Hidden[str]) -> None:
        """Fill one field. Check and typing are on the same element: a page that comes in between gets neither."""
        field = await self._do(self._locator(view, name).element_handle(timeout=self._milliseconds))
        await self._check_origin(field)
        self.typed = True
        await self._do(field.fill(text.value, timeout=self._milliseconds))

    async def _check_origin(self, field: ElementHandle) -> None:
        origins: list[str] = await self._do(field.evaluate(_FORM_ORIGIN))
        if not {*origins, origin_of(self._page.url)} <= self._plan.origins:
            raise PageChanged(
                "the page that asks for credentials is not the marketplace's own; nothing was typed", step=SIGN_IN_STEP
            )

    async def _tick(self, view: PageView, name: str) -> None:
        if name in view.matched:
            await self._do(self._locator(view, name).check(timeout=self._milliseconds))

    async def _click(self, view: PageView, name: str) -> None:
        await self._press(self._locator(view, name))

    async def _press(self, target: Locator) -> None:
        plan = self._plan
        seconds = plan.timeout_seconds
        await click(self._page, target, plan.site, turn=plan.turn, step=SIGN_IN_STEP, timeout_seconds=seconds)

    def _locator(self, view: PageView, name: str) -> Locator:
        if name not in view.matched:
            raise PageChanged(f"nothing on the page fits {name!r}", step=SIGN_IN_STEP)
        selector = self._plan.site.selectors[name][view.matched[name]]
        return self._page.locator(selector).locator("visible=true").first

    async def _rows(self, name: str) -> Locator:
        """The elements of the first matching selector; not all of them at once, for one may lie inside another."""
        for selector in self._plan.site.selectors[name]:
            rows = self._page.locator(selector).locator("visible=true")
            if await self._count(rows):
                return rows
        raise PageChanged(f"nothing on the page fits {name!r}", step=SIGN_IN_STEP)

    async def _count(self, locator: Locator) -> int:
        return await self._do(locator.count())

    async def _do(self, work: Awaitable[T]) -> T:
        return await run_step(work, SIGN_IN_STEP, self._plan.timeout_seconds)

    @property
    def _milliseconds(self) -> float:
        return self._plan.timeout_seconds * 1000
