"""The session of an account: loaded from the store, renewed when it is lost, by one task of one process at a time.

How a lost session is renewed::

    noticed     -> wait for the lock of this object -> renewed meanwhile? then continue
                -> wait for the lock of the store   -> another process signed in meanwhile? then take its session
                -> open the home page; sign in only if that asks for it -> save

Callers that waited for a failed sign-in get the same error: ten waiting packers make one attempt. After a refusal or a
challenge nothing is tried again until ``login()`` is called or a newer session is saved.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import attrs

from amazon_ae._exceptions import (
    AmazonAeError,
    ChallengeRequired,
    ConfigurationError,
    LoginRejected,
    StorageError,
)
from amazon_ae._models.events import SignInEvent
from amazon_ae._models.hidden import Hidden
from amazon_ae._portal.browser import close_page, new_page
from amazon_ae._portal.cookies import SessionCookies, SessionState
from amazon_ae._portal.pacing import RequestPacer
from amazon_ae._portal.session_store import SavedSession, SessionStore
from amazon_ae._portal.sign_in_flow import SignIn, SignInEvidence, SignInPlan
from amazon_ae._portal.snapshot import PageView
from amazon_ae._portal.totp import CodePlan
from amazon_ae._portal.used_codes import UsedCodes
from amazon_ae._ports import Clock

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page

__all__ = ["PortalSession"]

_log = logging.getLogger(__name__)
# Cookies change with every answer. Saved this often, a crash loses little and no caller waits for a disk.
_SAVE_EVERY: Final = timedelta(seconds=60)
_SAVE_TIMEOUT_SECONDS: Final = 2.0
# A hung site after a right password is worth another attempt, an account that may get locked is not worth many.
_MOST_PASSWORDS: Final = 3


class PortalSession:
    """One account's session. ``generation`` numbers the session in use; it grows with every renewal."""

    def __init__(
        self,
        account: str,
        store: SessionStore,
        *,
        clock: Clock,
        pacer: RequestPacer,
        on_sign_in: Callable[[SignInEvent], None],
    ) -> None:
        self._account = account
        self._store = store
        self._clock = clock
        self._pacer = pacer
        self._on_sign_in = on_sign_in
        self._lock = asyncio.Lock()
        self._saved = SavedSession()
        # Which sign-in the store held when it was last read or written: a different one is another process's.
        self._stored_at: str | None = None
        self._saved_at: datetime | None = None
        self._refusal: AmazonAeError | None = None
        self._attempts = 0
        # How often the password was typed since a sign-in last succeeded or ``login()`` was called.
        self._passwords = 0
        self._last_failure: AmazonAeError | None = None
        self.last_views: list[PageView] = []
        """The snapshots of the newest sign-in, for ``check()``."""
        self.last_evidence: SignInEvidence | None = None
        """The page on which it ended, where it failed."""
        self.generation: int = 0
        self.usable: bool = False
        """Whether there is a session that was good when it was last used."""

    async def load(self) -> SessionState | None:
        """The saved cookies to start the browser with; ``None`` if there are none."""
        if not self.usable:  # else another browser, with a window, signs in just now or has signed in
            self._read(await self._load())
            self.usable = self._saved.state is not None
        return self.state

    @property
    def state(self) -> SessionState | None:
        """The cookies of the newest session."""
        return None if self._saved.state is None else Hidden(self._saved.state)

    def invalidate(self, generation: int) -> None:
        """The session of ``generation`` was found to be lost."""
        if generation == self.generation:
            self.usable = False

    def allow_retry(self) -> None:
        """Allow a new attempt after a refusal."""
        self._refusal = None
        self._passwords = 0

    async def renew(
        self,
        cookies: SessionCookies,
        plan: SignInPlan,
        open_page: Callable[[], AbstractAsyncContextManager[Page]],
        *,
        generation: int,
    ) -> bool:
        """Make sure of a valid session; at once if the one in use is newer than ``generation``.

        Args:
            cookies: the session in the browser.
            open_page: lends a page of the same context.

        Returns:
            Whether the session in ``cookies`` is the newest; ``False`` where another browser or caller got it.

        Raises:
            PortalError: there is none; see ``SignIn.run``.
            StorageError: the store failed.
        """
        attempts = self._attempts
        async with self._lock:
            if self.usable and self.generation != generation:
                return False
            if self._attempts != attempts and self._last_failure is not None:
                raise self._last_failure.with_traceback(None)
            try:
                async with self._store.lock(self._account):
                    await self._renew_locked(cookies, plan, open_page)
            except AmazonAeError as error:
                self._attempts += 1
                self._last_failure = error
                self._refusal = self._refusal_after(error)
                raise
            self._attempts += 1
            self._last_failure = None
            self.generation += 1
            self.usable = True
            return True

    def _refusal_after(self, error: AmazonAeError) -> AmazonAeError | None:
        """The error of every further call, without an attempt of its own; ``None`` if the next one may try."""
        if isinstance(error, LoginRejected | ChallengeRequired | ConfigurationError):
            return error
        if not self._passwords:
            return None
        # The password was typed, and the page after it was unknown: each call would type it again.
        if not (isinstance(error, StorageError) or getattr(error, "retryable", False)):
            return error
        if self._passwords >= _MOST_PASSWORDS:
            return LoginRejected(
                f"the password was typed {self._passwords} times and no sign-in came to its end ({error}); look at the "
                "account in a browser, then call login() once",
                step="sign-in",
            )
        return None

    async def try_sign_in(self, context: BrowserContext, plan: SignInPlan) -> None:
        """Sign in somewhere else, with no cookies and for no other purpose than to see the pages. Keeps no session.

        After a refusal it is not tried, and a refusal is kept: a second wrong password may lock the account.
        """
        async with self._lock, self._store.lock(self._account):
            if self._refusal is not None:
                raise self._refusal.with_traceback(None)
            stored_at = self._stored_at
            self._read(await self._load())
            page = await new_page(context, plan.timeout_seconds)
            try:
                await self._sign_in(page, plan)
            except LoginRejected as error:
                self._refusal = error
                raise
            finally:
                self._stored_at = stored_at  # a newer session there was looked at, not taken
                await close_page(page)

    async def import_state(self, cookies: SessionCookies | None, state: SessionState) -> None:
        """Use a session that a person made in another browser, and save it."""
        async with self._lock, self._store.lock(self._account):
            saved = await self._load()
            if cookies is not None:
                await cookies.replace(state)
            await self._keep(attrs.evolve(saved, state=state.value, signed_in_at=self._stamp()))
            self._refusal = None
            self.generation += 1
            self.usable = True

    async def save(self, cookies: SessionCookies, *, at_once: bool = False) -> None:
        """Save the present cookies, unless it was done lately or another process has a newer session. Never raises."""
        now = self._clock.now()
        if not self.usable or not (at_once or self._saved_at is None or now - self._saved_at >= _SAVE_EVERY):
            return
        self._saved_at = now
        try:
            async with asyncio.timeout(_SAVE_TIMEOUT_SECONDS), self._store.lock(self._account):
                saved = await self._load()
                if saved.signed_in_at == self._stored_at:
                    state, at = await cookies.state(), self._saved.signed_in_at
                    await self._keep(attrs.evolve(saved, state=state.value, signed_in_at=at))
        except Exception as error:
            # The cookies of the last sign-in are still there; at worst the next run signs in once more.
            _log.warning("portal %s: the session was not saved: %s", self._account, type(error).__name__)

    async def _renew_locked(
        self, cookies: SessionCookies, plan: SignInPlan, open_page: Callable[[], AbstractAsyncContextManager[Page]]
    ) -> None:
        saved = await self._load()
        if saved.state is not None and saved.signed_in_at != self._stored_at:
            # Another process, or a person, signed in: the home page will show whether it is still valid.
            await cookies.replace(Hidden(saved.state))
            self._refusal = None
        elif self._refusal is not None:
            raise self._refusal.with_traceback(None)
        self._read(saved)
        async with open_page() as page:
            is_new = await self._sign_in(page, plan)
            # While the page is open: without a page of an origin Playwright opens one to read its storage.
            at = self._stamp() if is_new or self._saved.signed_in_at is None else self._saved.signed_in_at
            state = await cookies.state(plan.timeout_seconds)
            new = attrs.evolve(self._saved, state=state.value, signed_in_at=at)
        try:
            await self._keep(new)
        except StorageError as error:
            # The session is in the browser, and parcels wait. It is saved when the store works again (``save``).
            _log.warning("portal %s: the new session was not saved: %s", self._account, type(error).__name__)
            self._saved = new

    async def _sign_in(self, page: Page, plan: SignInPlan) -> bool:
        used_codes = UsedCodes(plan.secret, self._clock)

        async def reserve_code() -> CodePlan:
            planned = await used_codes.reserve(self._saved.last_counter)
            if planned.wait_seconds <= 0:
                # First remembered, then typed: a crash in between wastes a code, the other order would use one twice.
                await self._keep(attrs.evolve(self._saved, last_counter=planned.counter))
            return planned

        sign_in = SignIn(
            page,
            plan,
            clock=self._clock,
            pacer=self._pacer,
            reserve_code=reserve_code,
        )
        started = self._clock.now()
        outcome, detail = "cancelled", ""
        try:
            await sign_in.run()
            outcome = "signed in"
        except AmazonAeError as error:
            outcome = type(error).__name__
            detail = error.kind if isinstance(error, ChallengeRequired) else ""
            raise
        finally:
            self.last_views, self.last_evidence = sign_in.views, sign_in.evidence
            self._passwords = 0 if outcome == "signed in" else self._passwords + sign_in.password_typed
            _log.info("portal %s: sign-in: %s %s", self._account, outcome, detail)
            self._on_sign_in(
                SignInEvent(
                    at=self._clock.now(),
                    account=self._account,
                    outcome=outcome,
                    detail=detail,
                    pages=tuple(page.value for page in sign_in.pages),
                    typed=sign_in.typed,
                    headed=plan.person_seconds > 0,
                    seconds=(self._clock.now() - started).total_seconds(),
                    skew_seconds=sign_in.skew_seconds,
                )
            )
        return sign_in.typed or len(sign_in.pages) > 1

    def _read(self, saved: SavedSession) -> None:
        self._saved = saved
        self._stored_at = saved.signed_in_at

    async def _load(self) -> SavedSession:
        """The stored session. A store that fails counts as empty: a sign-in is due, and no parcel has to wait."""
        try:
            return SavedSession.from_bytes(await self._store.load(self._account))
        except Exception as error:
            _log.warning("portal %s: the session was not loaded: %s", self._account, type(error).__name__)
            return SavedSession(last_counter=self._saved.last_counter)

    async def _keep(self, saved: SavedSession) -> None:
        try:
            await self._store.save(self._account, saved.to_bytes())
        except StorageError:
            raise
        except Exception as error:
            raise StorageError(f"the session store failed: {type(error).__name__}") from None
        self._read(saved)
        self._saved_at = self._clock.now()

    def _stamp(self) -> str:
        return self._clock.now().isoformat()
