"""Performs the sign-in that ``sign_in_rules`` decides: recognise the page, decide, act, until the app is reached."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import attrs

from amazon_ae._exceptions import (
    ChallengeRequired,
    LoginRejected,
    PageChanged,
    PortalError,
    PortalTimeout,
    PortalUnavailable,
)
from amazon_ae._portal.http import retry_after_seconds
from amazon_ae._portal.navigation import RETRY_SECONDS, navigate
from amazon_ae._portal.network_monitor import NetworkMonitor
from amazon_ae._portal.pacing import RequestPacer
from amazon_ae._portal.page_controls import PageContent, read_content
from amazon_ae._portal.playwright_calls import run_step
from amazon_ae._portal.sign_in_actions import SIGN_IN_STEP, SignInActions, SignInPlan
from amazon_ae._portal.sign_in_rules import UNSETTLED, Action, SignInProgress, decide, ends
from amazon_ae._portal.site_map import PageKind
from amazon_ae._portal.snapshot import PageView, observe, origin_of, picture
from amazon_ae._portal.totp import CodePlan, clock_skew_seconds, refused_codes_text
from amazon_ae._ports import Clock

if TYPE_CHECKING:
    from playwright.async_api import Page as BrowserPage, Response

__all__ = ["SignIn", "SignInEvidence", "SignInPlan"]

_OBSERVE_SECONDS: Final = 0.04
# An app page is drawn by scripts: a page that is not known yet and waits for no answer gets this long to become known.
_DRAW_SECONDS: Final = 5.0
# A page that ends the sign-in must stay what it is: this long, or, where the app shows nothing of its own yet, as long
# as scripts were seen to take before an account picker is drawn (1.5 s).
_SETTLED_SECONDS: Final = 0.4
_BARE_APP_SECONDS: Final = 1.6
_PERSON_OBSERVE_SECONDS: Final = 0.5


@attrs.frozen(kw_only=True)
class SignInEvidence:
    """The page on which a sign-in ended, without its texts.

    Attributes:
        status: the page's HTTP status.
    """

    path: str
    status: int
    content: PageContent
    picture: bytes | None = attrs.field(repr=False)


class SignIn:
    """One sign-in on one page.

    Args:
        reserve_code: as ``SignInActions``.
    """

    def __init__(
        self,
        page: BrowserPage,
        plan: SignInPlan,
        *,
        clock: Clock,
        pacer: RequestPacer,
        reserve_code: Callable[[], Awaitable[CodePlan]],
    ) -> None:
        self._page = page
        self._plan = plan
        self._clock = clock
        self._pacer = pacer
        self._progress = SignInProgress()
        self._status = 0
        self._retry_after: str | None = None
        self._network = NetworkMonitor(page, plan.origins)
        self._actions = SignInActions(
            page, plan, clock=clock, pacer=pacer, network=self._network, reserve_code=reserve_code
        )
        self.pages: list[PageKind] = []
        """The pages seen, in order."""
        self.views: list[PageView] = []
        """The snapshots by which they were recognised."""
        self.evidence: SignInEvidence | None = None
        """The page on which it ended, where that was not the app."""
        self.skew_seconds: float | None = None
        """Local clock minus the site's, where the site stated its time."""

    @property
    def typed(self) -> bool:
        """Whether a credential was typed."""
        return self._actions.typed

    @property
    def password_typed(self) -> bool:
        """Whether the password was typed."""
        return self._progress.password_typed

    async def run(self) -> None:
        """Open the home page and handle each page until the app is reached.

        Raises:
            ChallengeRequired, LoginRejected, PermissionMissing, PageChanged: as ``sign_in_rules.TABLE`` says;
                the first and the last carry a picture without text.
            PortalTimeout, PortalUnavailable, BrowserLost, PortalStopped: nothing is decided; try again later.
        """
        self._page.on("response", self._note_answer)
        try:
            with self._network:
                await self._follow_pages()
        except (PageChanged, ChallengeRequired) as error:
            await self._keep_evidence(error)
            raise
        finally:
            self._page.remove_listener("response", self._note_answer)

    async def _follow_pages(self) -> None:
        view = await self._open(self._plan.marketplace.portal_origin + self._plan.site.urls["home"])
        while True:
            self._pacer.check(SIGN_IN_STEP)
            if ends(view.page, self._progress):
                view = await self._confirmed(view)
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
            await self._pacer.acquire(SIGN_IN_STEP)
            await self._actions.perform(action, view)
            view = await self._next(view, self._plan.timeout_seconds)

    async def _keep_evidence(self, error: PageChanged | ChallengeRequired) -> None:
        error.picture = error.picture or await picture(self._page)
        with contextlib.suppress(PortalError):  # the page may be gone
            reading = read_content(self._page.main_frame, self._plan.site)
            content = await run_step(reading, SIGN_IN_STEP, self._plan.timeout_seconds)
            path = urlsplit(self._page.url).path
            self.evidence = SignInEvidence(path=path, status=self._status, content=content, picture=error.picture)

    def _decide(self, view: PageView) -> Action:
        if view.page is PageKind.APP and view.origin != self._plan.marketplace.portal_origin:
            raise PageChanged("the app's page is on another address than the marketplace's", step=SIGN_IN_STEP)
        refused = self._actions.codes_typed if view.page is PageKind.CODE else 0
        if refused > 1 or (refused and self._clock_is_wrong()):
            raise LoginRejected(refused_codes_text(self.skew_seconds), step=SIGN_IN_STEP)
        return decide(view.page, self._progress)

    async def _confirmed(self, view: PageView) -> PageView:
        """The page once it has settled. Misrecognising a page that is still being drawn would end the sign-in."""
        bare = view.page is PageKind.APP and "app_navigation" not in view.snapshot.present
        needed = _BARE_APP_SECONDS if bare else _SETTLED_SECONDS

        async def settled() -> PageView:
            latest, quiet = view, 0.0
            while quiet < needed:
                await self._page.wait_for_timeout(_OBSERVE_SECONDS * 1000)
                seen = await self._try_observe()
                if seen is None or seen.page is not latest.page or self._network.busy:
                    quiet = 0.0
                else:
                    quiet += _OBSERVE_SECONDS
                latest = seen or latest
                if latest.page is not view.page and not ends(latest.page, self._progress):
                    break
            return latest

        if view.page in UNSETTLED or view.origin == "null":
            return view  # it was waited for already
        try:
            return await run_step(settled(), SIGN_IN_STEP, self._plan.timeout_seconds)
        except PortalTimeout:
            return view

    async def _person(self, view: PageView, error: PortalError) -> PageView:
        """Let a person pass the page, if there is one; otherwise the error, with a picture, is the end."""
        if not self._plan.person_seconds:
            error.picture = await picture(self._page)
            raise error
        try:
            if view.page is PageKind.CAPTCHA and "password" in view.matched and not self._progress.password_typed:
                await self._actions.fill_for_person(view)
                self._progress.password_typed = True
                view = await self._observe()
            # A new start for every page: what the person did is not this program's repeated attempt.
            self._progress = SignInProgress(password_typed=self._progress.password_typed)
            return await self._next(view, self._plan.person_seconds, pause_seconds=_PERSON_OBSERVE_SECONDS)
        except PortalError:
            raise error from None

    async def _open(self, url: str) -> PageView:
        for last in (False, True):  # a single fault of the site, or a bare 403 of its bot wall, is asked again once
            await self._pacer.acquire(SIGN_IN_STEP)
            try:
                result = await navigate(
                    self._page,
                    url,
                    until="domcontentloaded",
                    step=SIGN_IN_STEP,
                    timeout_seconds=self._plan.timeout_seconds,
                )
                if result.response.status != 403 and result.response.status < 500:
                    break
            except PortalUnavailable:
                if last:
                    raise
            if not last:
                await self._clock.sleep(RETRY_SECONDS)
        return await self._settled(await self._observe())

    def _check_health(self, view: PageView) -> None:
        """Raise the site's own fault, so that its error page is not taken for a changed page."""
        if view.page is not PageKind.UNKNOWN:
            return
        if self._status >= 500 or self._status in (403, 429):
            raise PortalUnavailable(
                f"Seller Central answered {self._status}; try again later",
                status=self._status,
                retry_after_seconds=retry_after_seconds(self._retry_after),
                step=SIGN_IN_STEP,
            )
        if view.origin == "null":  # the browser's own error page
            raise PortalUnavailable("the connection failed; try again later", step=SIGN_IN_STEP)

    async def _observe(self) -> PageView:
        return await run_step(
            observe(self._page, self._plan.site, self._plan.marketplace), SIGN_IN_STEP, self._plan.timeout_seconds
        )

    async def _next(self, before: PageView, seconds: float, *, pause_seconds: float = _OBSERVE_SECONDS) -> PageView:
        """The next page: another document, or another page drawn into the same one.

        The same page in the same document is no answer, whatever a script shows or hides on it, until it stays so.
        """

        async def changed() -> PageView:
            quiet = 0.0
            while True:
                view = await self._try_observe()
                if view is not None and view.ready and view.key != before.key:
                    is_other = (view.born, view.page) != (before.born, before.page)
                    if is_other or quiet >= _DRAW_SECONDS:
                        return view
                await self._page.wait_for_timeout(pause_seconds * 1000)
                quiet = 0.0 if self._network.busy else quiet + pause_seconds

        return await self._settled(await run_step(changed(), SIGN_IN_STEP, seconds))

    async def _settled(self, view: PageView) -> PageView:
        """A page that is not known yet may still be drawing itself; wait a little before calling it unknown."""

        async def known() -> PageView:
            quiet, seconds = 0.0, min(_DRAW_SECONDS, self._plan.timeout_seconds)
            while quiet < seconds:
                again = await self._try_observe()
                if again is not None and again.page not in UNSETTLED:
                    return again
                await self._page.wait_for_timeout(_OBSERVE_SECONDS * 1000)
                if not self._network.busy:
                    quiet += _OBSERVE_SECONDS
            return view

        if view.page not in UNSETTLED or self._status >= 400 or view.origin == "null":
            return view
        try:
            return await run_step(known(), SIGN_IN_STEP, self._plan.timeout_seconds)
        except PortalTimeout:
            return view

    async def _try_observe(self) -> PageView | None:
        """``None`` in the middle of a navigation."""
        try:
            return await observe(self._page, self._plan.site, self._plan.marketplace)
        except Exception as error:
            text = str(error)
            if "context was destroyed" in text or "navigat" in text or "Cannot find context" in text:
                return None
            raise

    def _note_answer(self, response: Response) -> None:
        if origin_of(response.url) in self._plan.origins:
            skew = clock_skew_seconds(response.headers.get("date"), self._clock.now())
            # A slow answer makes the clocks seem further apart than they are.
            known = [value for value in (skew, self.skew_seconds) if value is not None]
            self.skew_seconds = min(known, key=abs, default=None)
        if response.request.is_navigation_request() and response.frame == self._page.main_frame:
            self._status = response.status
            self._retry_after = response.headers.get("retry-after")

    def _clock_is_wrong(self) -> bool:
        return self.skew_seconds is not None and abs(self.skew_seconds) > self._plan.secret.period / 2
