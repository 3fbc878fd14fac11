"""The browser with a session in it: signs in where there is none, and renews a session that was lost, once.

Orders share both. Work begins in one session and may end in another, so each session has a generation: whoever finds
an older one lost renews nothing that another has renewed already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from amazon_ae._exceptions import BrowserLost, ConfigurationError, PortalUnavailable
from amazon_ae._portal.browser import RunningBrowser, close_context
from amazon_ae._portal.browser_pool import BrowserPool
from amazon_ae._portal.cookies import SessionCookies
from amazon_ae._portal.http import SignedOut
from amazon_ae._portal.playwright_calls import PageClosed, run_step
from amazon_ae._portal.session import PortalSession
from amazon_ae._portal.sign_in_flow import SignInPlan
from amazon_ae._portal.sign_in_rules import CHALLENGES, TABLE
from amazon_ae._portal.site_map import PageKind

__all__ = ["SignedInBrowser"]

T = TypeVar("T")


class SignedInBrowser:
    """One account's browser and session.

    Args:
        hosts: those whose cookies belong to the session, in a context of the host's own.
    """

    def __init__(self, pool: BrowserPool, session: PortalSession, plan: SignInPlan, *, hosts: frozenset[str]) -> None:
        self._pool = pool
        self._session = session
        self._plan = plan
        self._hosts = hosts
        self._taking = asyncio.Lock()

    async def running(self) -> RunningBrowser:
        """The browser, with the generation of its session."""
        running = await self._pool.get()
        if running.session_generation < 0:
            running.session_generation = self._session.generation
        return running

    def cookies(self, running: RunningBrowser) -> SessionCookies:
        """Those of the session."""
        return SessionCookies(running.context, None if running.owns_context else self._hosts)

    async def ensure_session(self, running: RunningBrowser) -> None:
        """Sign in where there is no session; take over the newest where another browser has made one."""
        if not self._session.usable:
            await self.renew(running, self._session.generation)
        elif running.session_generation != self._session.generation:
            await self._take_newest(running)

    async def perform(self, running: RunningBrowser, step: str, work: Callable[[], Awaitable[T]]) -> T:
        """Perform the work; where the session turns out to be lost, renew it and perform the work once more."""
        generation = running.session_generation
        try:
            return await self._on_open_page(running, work)
        except SignedOut:
            self._session.invalidate(generation)
        await self.renew(running, generation)
        wall = PageKind.EMAIL
        try:
            return await self._on_open_page(running, work)
        except SignedOut as error:
            wall = error.page
        if wall in CHALLENGES:
            raise TABLE[wall].otherwise()
        raise PortalUnavailable("the site signs out again right after a sign-in; try again later", step=step)

    async def renew(self, running: RunningBrowser, generation: int) -> None:
        """Sign in anew, unless another has done it since the session of this generation."""
        try:
            await self._on_open_page(running, lambda: self.sign_in(running, self._plan, generation))
        except BrowserLost:
            running.lost = True
            raise

    async def sign_in(self, running: RunningBrowser, plan: SignInPlan, generation: int) -> None:
        """Sign in by ``plan``, by which a person may help, unless another has since the session of this generation."""
        cookies = self.cookies(running)
        if running.spare_state is not None:
            state, running.spare_state = running.spare_state, None
            await cookies.replace(state)
        is_newest = await self._session.renew(
            cookies, plan, lambda: self._pool.page(running, False), generation=generation
        )
        if is_newest:
            running.session_generation = self._session.generation
        else:
            await self._take_newest(running)

    async def try_sign_in(self, running: RunningBrowser, *, locale: str) -> None:
        """Sign in in an empty profile beside the session, which stays as it is."""
        if running.browser is None:
            raise ConfigurationError("check(sign_in=True) needs a browser of its own, not a context of the host")
        context = await run_step(
            running.browser.new_context(locale=locale, timezone_id=self._plan.marketplace.time_zone),
            "browser",
            self._plan.timeout_seconds,
        )
        try:
            await self._session.try_sign_in(context, self._plan)
        finally:
            await close_context(context)

    async def _on_open_page(self, running: RunningBrowser, work: Callable[[], Awaitable[T]]) -> T:
        """Perform the work, again where only its page was closed. A browser is lost only if it does not answer."""
        step = ""
        for last in (False, True):
            try:
                return await work()
            except PageClosed as error:
                if not await running.is_lost():
                    if last:
                        raise
                    continue
                step = error.step
            break
        running.lost = True
        raise BrowserLost("the browser ended; call again, a new one is started", step=step)

    async def _take_newest(self, running: RunningBrowser) -> None:
        """Put the newest session into a browser that holds an older one: it was made in another browser."""
        async with self._taking:
            generation, state = self._session.generation, self._session.state
            if running.session_generation != generation and state is not None:
                await self.cookies(running).replace(state)
                running.session_generation = generation
