"""``SellerPortalScraper``: packing slip, invoice and shipping label of an order, out of Seller Central.

Seller Central has no interface for programs. Whether a program may use it is for the seller to decide with Amazon's
policies at hand (``docs/explanation/portal-policy.md``): nothing here starts by itself, hides what it is, solves a
captcha, or goes faster than it is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

from amazon_ae.clocks import SystemClock
from amazon_ae.exceptions import ConfigurationError, PortalError, PortalUnavailable
from amazon_ae.models.documents import Document, DocumentKind, DocumentSet
from amazon_ae.models.events import DocumentEvent, Event, EventSink
from amazon_ae.models.marketplaces import Marketplace, PortalCredentials
from amazon_ae.portal.browser import BrowserOptions, RunningBrowser, close_page, new_page, start_browser
from amazon_ae.portal.calls import Gate
from amazon_ae.portal.fetching import Fetcher, SignedOut
from amazon_ae.portal.page_view import origin_of
from amazon_ae.portal.pages import SITE, SiteMap
from amazon_ae.portal.pdf import inspect_pdf, require_pypdf
from amazon_ae.portal.session import PortalSession
from amazon_ae.portal.sessions import MemorySessionStore, SessionStore
from amazon_ae.portal.signing_in import SignInPlan
from amazon_ae.portal.sources import OrderPage, Sources
from amazon_ae.portal.totp import TotpSecret
from amazon_ae.ports import Clock

if TYPE_CHECKING:
    from playwright.async_api import Page as BrowserPage

__all__ = ["SellerPortalScraper"]

_log = logging.getLogger(__name__)
T = TypeVar("T")
_ORDER_ID: Final = re.compile(r"\d{3}-\d{7}-\d{7}")
_ALL: Final = tuple(DocumentKind)
# A browser page grows a little with every load; after so many it is replaced.
_LOADS_PER_PAGE: Final = 50


@attrs.define(eq=False)
class _IdlePage:
    """A page between two uses. In a page that was printed clicks take seconds (measured), so printing has its own."""

    page: BrowserPage
    printing: bool
    loads: int = 0


class SellerPortalScraper:
    """Fetches the papers of orders from Seller Central. Implements ``DocumentSource``.

    ::

        async with SellerPortalScraper(AE, credentials, sessions=FileSessionStore("~/.amazon-ae")) as portal:
            papers = await portal.documents("408-1234567-1234567")
            papers[DocumentKind.SHIPPING_LABEL].content   # bytes of a verified PDF, or that kind's own error

    One browser, one session, at most ``max_pages`` pages, however many orders are asked for at once. The browser starts
    with the first order and signs in only if the stored session is not good any more. A browser that died is replaced
    at the next call.

    Args:
        marketplace: where credentials are typed: at its ``portal_origin`` and nowhere else.
        sessions: keeps the session between runs; by default it lives as long as this object.
        clock: every wait between requests; the browser's own time-outs are real time.
        browser: which browser; by default an installed one is found.
        site: addresses and selectors; ``SITE.override(...)`` changes them.
        account: names the session in the store and in events; by default made of marketplace and a hash of the e-mail.
        account_name: the seller account to pick where the user has several.
        sign_in_origins: further origins on which credentials may be typed, where Amazon signs in elsewhere.
        timeout: for each answer of the site; seconds or ``timedelta``.
        label_wait: how long a label in the making is waited for; seconds or ``timedelta``.
        max_pages: browser pages at the same time.
        burst, restore_seconds: the pace per account: ``burst`` requests at once after a quiet time, then one per
            ``restore_seconds``. Three documents take about six.
        pictures_without_text: kinds whose PDFs hold no text, so that the order id cannot be looked for in them.
        stopped: the host's own kill switch, asked before every request.
        on_event: gets a ``SignInEvent`` per sign-in and a ``DocumentEvent`` per document.

    Raises:
        ConfigurationError: the authenticator secret cannot be read, or an option makes no sense.
    """

    def __init__(
        self,
        marketplace: Marketplace,
        credentials: PortalCredentials,
        *,
        sessions: SessionStore | None = None,
        clock: Clock | None = None,
        browser: BrowserOptions | None = None,
        site: SiteMap = SITE,
        account: str | None = None,
        account_name: str | None = None,
        sign_in_origins: Collection[str] = (),
        timeout: float | timedelta = 30.0,
        label_wait: float | timedelta = 20.0,
        max_pages: int = 3,
        burst: float = 30.0,
        restore_seconds: float = 1.0,
        pictures_without_text: Collection[DocumentKind] = (),
        stopped: Callable[[], bool] | None = None,
        on_event: EventSink | None = None,
    ) -> None:
        if max_pages < 1:
            raise ConfigurationError("max_pages is at least 1")
        self.account = account or _account_key(marketplace, credentials)
        self._marketplace = marketplace
        self._clock = clock or SystemClock()
        self._options = browser or BrowserOptions()
        self._site = site
        self._origin = origin_of(marketplace.portal_origin)
        self._timeout_seconds = _seconds("timeout", timeout)
        self._label_wait_seconds = _seconds("label_wait", label_wait)
        self._pictures = frozenset(pictures_without_text)
        self._on_event = on_event
        self._gate = Gate(self._clock, burst=burst, restore_seconds=restore_seconds, stopped=stopped)
        self._session = PortalSession(
            self.account, sessions or MemorySessionStore(), clock=self._clock, gate=self._gate, on_sign_in=self._emit
        )
        self._plan = SignInPlan(
            marketplace=marketplace,
            credentials=credentials,
            secret=TotpSecret.parse(credentials.totp, account=credentials.email),
            site=site,
            origins=frozenset({self._origin, *(origin_of(origin) for origin in sign_in_origins)}),
            account_name=account_name,
            timeout_seconds=self._timeout_seconds,
        )
        self._running: RunningBrowser | None = None
        self._starting = asyncio.Lock()
        self._slots = asyncio.Semaphore(max_pages)
        self._max_pages = max_pages
        self._busy = 0
        self._idle: list[_IdlePage] = []
        self._closed = False

    async def __aenter__(self) -> SellerPortalScraper:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Save the session and end the browser this object started; twice is fine."""
        self._closed = True
        running = self._running
        try:
            if running is not None and running.alive:
                await self._session.remember(running.context, at_once=True)
        finally:
            await self._end_running()

    def stop(self) -> None:
        """The kill switch: from now on nothing is sent; what runs ends with ``PortalStopped`` at its next request."""
        self._gate.stop()

    def resume(self) -> None:
        """Undo ``stop``."""
        self._gate.resume()

    async def documents(self, order_id: str, kinds: Collection[DocumentKind] = _ALL) -> DocumentSet:
        """The verified papers of one order, fetched side by side.

        Returns:
            Per kind the document or its own error. A lost session is mended once, unseen.

        Raises:
            ConfigurationError: ``order_id`` is not 3-7-7 digits, or pypdf is missing.
            BrowserNotFound, PortalStopped: nothing could be tried.
            ChallengeRequired, LoginRejected: there is no session. Nothing is tried again until ``login()``, or a newer
                session in the store.
        """
        if not _ORDER_ID.fullmatch(order_id):
            raise ConfigurationError(f"an order id has 3-7-7 digits, not {order_id[:40]!r}")
        wanted = [kind for kind in _ALL if kind in kinds]
        self._gate.check("documents")
        running = await self._browser()
        if wanted and not self._session.usable:
            await self._mend(running, self._session.generation)
        shared: asyncio.Task[OrderPage] | None = None

        async def order_page() -> OrderPage:
            nonlocal shared
            if shared is None or shared.cancelled() or (shared.done() and shared.exception() is not None):
                shared = asyncio.ensure_future(self._sources(running).order_page(order_id))
            return await asyncio.shield(shared)

        results: dict[DocumentKind, Document | PortalError] = {}
        broken: list[BaseException] = []

        async def one(kind: DocumentKind) -> None:
            try:
                results[kind] = await self._document(running, order_id, kind, order_page)
            except PortalError as error:
                results[kind] = error
            except Exception as error:
                broken.append(error)

        try:
            async with asyncio.TaskGroup() as group:
                for kind in wanted:
                    group.create_task(one(kind))
        finally:
            if shared is not None and not shared.done():
                shared.cancel()
                await asyncio.wait([shared])
        if broken:
            raise broken[0]
        await self._session.remember(running.context)
        return DocumentSet(order_id, {kind: results[kind] for kind in wanted})

    async def login(self, *, headed: bool = False, person: float | timedelta = 300.0) -> None:
        """Have a good session, with a fresh attempt after an earlier refusal.

        Args:
            headed: show the browser. What only a person passes (captcha, device approval, ...) a person passes there;
                everything else goes on by itself. Needs a screen.
            person: how long the person may take per page; seconds or ``timedelta``.

        Raises:
            ChallengeRequired, LoginRejected, PermissionMissing, PageChanged, ...: there is no session; see the error.
        """
        self._gate.check("sign-in")
        self._session.forgive()
        if not headed:
            running = await self._browser()
            await self._mend(running, self._session.generation)
            return
        await self._end_running()
        async with self._starting:
            running = self._running = await self._start(headless=False)
        try:
            plan = attrs.evolve(self._plan, person_seconds=_seconds("person", person))
            await self._session.mend(running.context, plan, generation=self._session.generation)
        finally:
            # The next order works without a window, with the session that was made here.
            await self._end_running()

    async def import_session(self, state: Mapping[str, Any] | str | Path) -> None:
        """Take a session that a person made in another Playwright browser.

        Args:
            state: what ``BrowserContext.storage_state()`` gave, or the path of the file it wrote.

        Raises:
            ConfigurationError: it is no such state, or holds no cookie of this marketplace.
        """
        if isinstance(state, str | Path):
            try:
                values = json.loads(await asyncio.to_thread(Path(state).read_bytes))
            except (OSError, ValueError) as error:
                raise ConfigurationError(f"the session file cannot be read: {type(error).__name__}") from None
        else:
            values = dict(state)
        cookies = values.get("cookies") if isinstance(values, dict) else None
        host = self._origin.partition("://")[2].partition(":")[0]
        fits = isinstance(cookies, list) and any(
            isinstance(cookie, dict) and _belongs(host, str(cookie.get("domain", ""))) for cookie in cookies
        )
        if not fits:
            raise ConfigurationError(f"the session holds no cookie of {host}: sign in there, then export it again")
        running = self._running
        await self._session.import_state(running.context if running and running.alive else None, values)

    # One document

    async def _document(
        self, running: RunningBrowser, order_id: str, kind: DocumentKind, order_page: Callable[[], Awaitable[OrderPage]]
    ) -> Document:
        started = self._clock.now()
        outcome: Document | None = None
        name = "cancelled"
        try:
            content = await self._mended(
                running, str(kind), lambda: self._sources(running).content(kind, order_id, order_page)
            )
            facts = await asyncio.to_thread(
                inspect_pdf, content, order_id, step=str(kind), require_order_id=kind not in self._pictures
            )
            outcome = Document(
                order_id=order_id,
                kind=kind,
                content=content,
                pages=facts.pages,
                width_mm=facts.width_mm,
                height_mm=facts.height_mm,
                fetched_at=self._clock.now(),
            )
            name = "ready"
            return outcome
        except Exception as error:
            name = type(error).__name__
            raise
        finally:
            now = self._clock.now()
            self._emit(
                DocumentEvent(
                    at=now,
                    account=self.account,
                    order_id=order_id,
                    kind=kind,
                    outcome=name,
                    pages=outcome.pages if outcome else 0,
                    size=len(outcome.content) if outcome else 0,
                    sha256=outcome.sha256 if outcome else "",
                    seconds=(now - started).total_seconds(),
                )
            )

    async def _mended(self, running: RunningBrowser, step: str, work: Callable[[], Awaitable[T]]) -> T:
        """Do it; where the session turns out to be lost, mend it and do it once more."""
        generation = self._session.generation
        try:
            return await work()
        except SignedOut:
            self._session.lost(generation)
        await self._mend(running, generation)
        try:
            return await work()
        except SignedOut:
            pass
        raise PortalUnavailable("the site signs out again right after a sign-in; try again later", step=step)

    async def _mend(self, running: RunningBrowser, generation: int) -> None:
        await self._session.mend(running.context, self._plan, generation=generation)

    def _sources(self, running: RunningBrowser) -> Sources:
        fetcher = Fetcher(
            running.context,
            origin=self._origin,
            site=self._site,
            gate=self._gate,
            clock=self._clock,
            timeout_seconds=self._timeout_seconds,
        )
        return Sources(
            fetcher,
            site=self._site,
            origin=self._origin,
            gate=self._gate,
            clock=self._clock,
            open_page=lambda printing: self._page(running, printing),
            timeout_seconds=self._timeout_seconds,
            label_wait_seconds=self._label_wait_seconds,
        )

    # The browser

    async def _browser(self) -> RunningBrowser:
        if self._closed:
            raise ConfigurationError("this scraper was closed; make a new one")
        async with self._starting:
            if self._running is not None and self._running.alive:
                return self._running
            await self._end(self._running)
            self._running = None
            self._running = await self._start(headless=True)
            return self._running

    async def _start(self, *, headless: bool) -> RunningBrowser:
        require_pypdf()
        state = await self._session.load()
        # Reading PDFs takes 0.2 s to import: do it while the browser starts.
        warming = asyncio.ensure_future(asyncio.to_thread(require_pypdf, load=True))
        try:
            return await start_browser(
                self._options,
                headless=headless,
                time_zone=self._marketplace.time_zone,
                state=state,
                timeout_seconds=self._timeout_seconds,
            )
        finally:
            await asyncio.wait([warming])

    async def _end(self, running: RunningBrowser | None) -> None:
        """End a browser; where the host owns the context, at least the pages that were opened in it."""
        idle, self._idle = self._idle, []
        if running is None:
            return
        if not running.owns_context:
            for item in idle:
                await close_page(item.page)
        await running.aclose()

    async def _end_running(self) -> None:
        async with self._starting:
            running, self._running = self._running, None
            await self._end(running)

    @contextlib.asynccontextmanager
    async def _page(self, running: RunningBrowser, printing: bool) -> AsyncIterator[BrowserPage]:
        """Lend a page. One on which something failed is not lent again."""
        async with self._slots:
            self._busy += 1
            try:
                lent = await self._lend(running, printing)
                good = False
                try:
                    yield lent.page
                    good = True
                finally:
                    lent.loads += 1
                    if good and lent.loads < _LOADS_PER_PAGE and running is self._running:
                        self._idle.append(lent)
                    else:
                        await close_page(lent.page)
            finally:
                self._busy -= 1

    async def _lend(self, running: RunningBrowser, printing: bool) -> _IdlePage:
        self._idle = [item for item in self._idle if not item.page.is_closed()]
        for item in self._idle:
            if item.printing is printing:
                self._idle.remove(item)
                return item
        if self._idle and len(self._idle) + self._busy > self._max_pages:
            await close_page(self._idle.pop(0).page)
        return _IdlePage(await new_page(running.context, self._timeout_seconds), printing)

    def _emit(self, event: Event) -> None:
        if self._on_event is None:
            return
        try:
            self._on_event(event)
        except Exception as error:  # a broken dashboard must not stop parcels
            _log.warning("portal: an event sink failed: %s", type(error).__name__)


def _account_key(marketplace: Marketplace, credentials: PortalCredentials) -> str:
    """Names the account in stores and events without showing the e-mail."""
    text = f"{marketplace.portal_origin}\n{credentials.email.strip().casefold()}"
    return f"{marketplace.code}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _belongs(host: str, domain: str) -> bool:
    domain = domain.lstrip(".").lower()
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _seconds(name: str, value: float | timedelta) -> float:
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if not seconds >= 0:
        raise ConfigurationError(f"{name} is not a length of time: {value!r}")
    return seconds
