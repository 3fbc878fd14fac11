"""``SellerPortalScraper``: fetches packing slip, invoice and shipping label of an order from Seller Central.

Seller Central has no interface for programs. Whether a program may use it is for the seller to decide with Amazon's
policies (``docs/explanation/portal-policy.md``): nothing here starts by itself, hides what it is, solves a captcha, or
exceeds the rate that you set.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import timedelta
from pathlib import Path, PurePath
from types import TracebackType
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import attrs

from amazon_ae._clocks import SystemClock
from amazon_ae._exceptions import (
    AmazonAeError,
    BrowserLost,
    ChallengeRequired,
    ConfigurationError,
    DocumentError,
    PortalError,
)
from amazon_ae._models.documents import Document, DocumentKind, DocumentSet, kinds_asked
from amazon_ae._models.events import DocumentEvent, Event, EventSink
from amazon_ae._models.hidden import sealed
from amazon_ae._models.marketplaces import Marketplace, PortalCredentials
from amazon_ae._models.text import check_order_id
from amazon_ae._portal.browser import RunningBrowser
from amazon_ae._portal.browser_options import BrowserOptions
from amazon_ae._portal.browser_pool import BrowserPool
from amazon_ae._portal.check import CheckRecorder, PageWalk
from amazon_ae._portal.check_report import CheckReport
from amazon_ae._portal.cookies import read_session
from amazon_ae._portal.document_fetchers import fetch_document, fetch_order_page
from amazon_ae._portal.fetch_context import FetchContext, FetchedOrderPage
from amazon_ae._portal.http import PortalHttp
from amazon_ae._portal.pacing import RequestPacer
from amazon_ae._portal.session import PortalSession
from amazon_ae._portal.session_store import MemorySessionStore, SessionStore
from amazon_ae._portal.sign_in_flow import SignInPlan
from amazon_ae._portal.signed_in_browser import SignedInBrowser
from amazon_ae._portal.site_map import SITE, SiteMap
from amazon_ae._portal.snapshot import origin_of
from amazon_ae._portal.totp import TotpSecret
from amazon_ae._ports import Clock

__all__ = ["SellerPortalScraper"]

_log = logging.getLogger(__name__)
T = TypeVar("T")
_ALL: Final = tuple(DocumentKind)


class SellerPortalScraper:
    """Fetches the documents of orders from Seller Central. Implements ``DocumentSource``.

    ::

        async with SellerPortalScraper(AE, credentials, sessions=FileSessionStore("~/.amazon-ae")) as portal:
            papers = await portal.documents("408-1234567-1234567")
            papers[DocumentKind.SHIPPING_LABEL].content   # bytes of a verified PDF, or that kind's own error

    One browser, one session, at most ``max_pages`` pages, however many orders are asked for at once. The browser starts
    with the first order and signs in only if the stored session is not good any more. A browser that died is replaced
    at the next call.

    Args:
        marketplace: credentials are typed on its ``portal_origin`` and nowhere else.
        sessions: keeps the session between runs; by default it lives as long as this object.
        clock: times the waits between requests; the browser's own time-outs are real time.
        browser: which browser; by default an installed one is found.
        site: addresses and selectors; ``SITE.override(...)`` changes them.
        account: names the session in the store and in events; by default made of marketplace and a hash of the e-mail.
        account_name: the seller account to pick where the user has several.
        sign_in_origins: further origins on which credentials may be typed, where Amazon signs in elsewhere.
        timeout: for each answer of the site; seconds or ``timedelta``. To bound a whole call, put ``asyncio.timeout``
            around it: cancelling is safe at any moment.
        label_wait: how long a label in the making is waited for; seconds or ``timedelta``.
        max_pages: browser pages at the same time.
        burst, restore_seconds: the pace of this object: ``burst`` requests at once after a quiet time, then one per
            ``restore_seconds``. Three documents take four or five. Keep one object per account; where several processes
            share an account, give each its part of the pace.
        pictures_without_text: kinds whose PDFs hold no text, so that the order id cannot be looked for in them.
        stopped: the host's own kill switch, asked before every request.
        on_event: gets a ``SignInEvent`` per sign-in and a ``DocumentEvent`` per document.

    Raises:
        ConfigurationError: the authenticator secret cannot be read, or an option is out of bounds.
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
        if not isinstance(marketplace, Marketplace) or not isinstance(credentials, PortalCredentials):
            raise ConfigurationError("SellerPortalScraper takes a Marketplace first, then PortalCredentials")
        if isinstance(sessions, (str, PurePath)):
            raise ConfigurationError("sessions= takes a store, e.g. FileSessionStore(folder)")
        if max_pages < 1:
            raise ConfigurationError("max_pages is at least 1")
        self.account: str = account or _account_key(marketplace, credentials)
        self._marketplace = marketplace
        self._clock = clock or SystemClock()
        self._options = browser or BrowserOptions()
        self._site = site
        self._origin = origin_of(marketplace.portal_origin)
        self._timeout_seconds = _seconds("timeout", timeout)
        self._label_wait_seconds = _seconds("label_wait", label_wait)
        self._pictures = frozenset(pictures_without_text)
        self._routing = asyncio.Lock()
        self._label_batches: dict[str, str] = {}
        self._on_event = on_event
        self._pacer = RequestPacer(self._clock, burst=burst, restore_seconds=restore_seconds, stopped=stopped)
        self._session = PortalSession(
            self.account, sessions or MemorySessionStore(), clock=self._clock, pacer=self._pacer, on_sign_in=self._emit
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
        hosts = frozenset(urlsplit(origin).hostname or "" for origin in self._plan.origins)
        self._browser = BrowserPool(
            self._options,
            state=self._session.load,
            hosts=hosts,
            time_zone=marketplace.time_zone,
            timeout_seconds=self._timeout_seconds,
            max_pages=max_pages,
        )
        self._signed_in = SignedInBrowser(self._browser, self._session, self._plan, hosts=hosts)

    async def __aenter__(self) -> SellerPortalScraper:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Save the session and end the browser this object started; twice is fine."""
        running = self._browser.running
        try:
            if running is not None and running.alive:
                await self._session.save(self._signed_in.cookies(running), at_once=True)
        finally:
            await self._browser.aclose()

    def stop(self) -> None:
        """The kill switch: from now on nothing is sent; what runs ends with ``PortalStopped`` at its next request."""
        self._pacer.stop()

    def resume(self) -> None:
        """Undo ``stop``."""
        self._pacer.resume()

    async def documents(self, order_id: str, kinds: Collection[DocumentKind] = _ALL) -> DocumentSet:
        """The verified papers of one order, fetched side by side.

        Returns:
            Per kind the document or its own error. A lost session is renewed once, without an error.

        Raises:
            ConfigurationError: ``order_id`` is not 3-7-7 digits, a kind is unknown, or pypdf is missing.
            BrowserNotFound, PortalStopped: nothing was tried.
            ChallengeRequired, LoginRejected: there is no session. Nothing is tried again until ``login()``, or a newer
                session in the store.
        """
        check_order_id(order_id)
        wanted = kinds_asked(kinds)
        self._pacer.check("documents")
        running = await self._signed_in.running()
        if wanted:
            await self._signed_in.ensure_session(running)
        # Per session: the forms of a page hold tokens that end with the session they were made for.
        shared: dict[int, asyncio.Task[FetchedOrderPage]] = {}

        async def order_page() -> FetchedOrderPage:
            generation = self._session.generation
            task = shared.get(generation)
            if task is None or task.cancelled() or (task.done() and task.exception() is not None):
                task = shared[generation] = asyncio.ensure_future(fetch_order_page(self._context(running), order_id))
            return await asyncio.shield(task)

        results: dict[DocumentKind, Document | DocumentError | PortalError] = {}
        broken: list[BaseException] = []

        async def one(kind: DocumentKind) -> None:
            try:
                results[kind] = await self._document(running, order_id, kind, order_page)
            except (DocumentError, PortalError) as error:
                results[kind] = error
            except Exception as error:
                broken.append(error)

        try:
            async with asyncio.TaskGroup() as group:
                for kind in wanted:
                    group.create_task(one(kind))
        finally:
            if left := [task for task in shared.values() if not task.done()]:
                for task in left:
                    task.cancel()
                await asyncio.wait(left)
        if broken:
            raise broken[0]
        await self._session.save(self._signed_in.cookies(running))
        return DocumentSet(order_id, {kind: results[kind] for kind in wanted})

    async def login(self, *, headed: bool = False, person: float | timedelta = 300.0) -> None:
        """Have a good session, with a fresh attempt after an earlier refusal.

        Args:
            headed: show the browser. A person passes captcha, device approval and the like there; all
                other steps are automatic. Needs a screen.
            person: how long the person may take per page; seconds or ``timedelta``.

        Raises:
            ChallengeRequired, LoginRejected, PermissionMissing, PageChanged, ...: there is no session; see the error.
        """
        self._pacer.check("sign-in")
        self._session.allow_retry()
        if not headed:
            running = await self._signed_in.running()
            await self._signed_in.renew(running, self._session.generation)
            return
        plan = attrs.evolve(self._plan, person_seconds=_seconds("person", person))
        # A window of its own: orders that are being fetched go on, and take over the session that is made here.
        async with self._browser.headed() as running:
            try:
                await self._signed_in.sign_in(running, plan, self._session.generation)
            except ChallengeRequired as error:
                if running.owns_browser or not await running.is_headless():
                    raise
                kind, text = error.kind, str(error)
            else:
                return
        raise ChallengeRequired(
            kind,
            f"{text}. The browser that you passed has no window, so that nobody can see the page: start it headed, or "
            "leave context= and cdp_url= out for the sign-in",
        )

    @sealed
    async def import_session(self, state: Mapping[str, Any] | str | Path) -> None:
        """Take a session that a person made in another Playwright browser.

        Args:
            state: what ``BrowserContext.storage_state()`` gave, or the path of the file it wrote.

        Raises:
            ConfigurationError: it is no such state, or holds no cookie of this marketplace.
        """
        imported = await read_session(state, urlsplit(self._origin).hostname or "")
        running = self._browser.running
        await self._session.import_state(
            self._signed_in.cookies(running) if running and running.alive else None, imported
        )

    async def check(
        self, order_id: str | None = None, *, sign_in: bool = False, make_label: bool = False
    ) -> CheckReport:
        """Look at the pages with the real account and say, entry by entry, whether the site map still fits.

        Changes nothing at Amazon unless it is told to: it posts no form, makes no label and types no password after a
        refusal. Takes seconds.

        Args:
            order_id: the order to look at; by default the newest of the list of shipped ones.
            sign_in: also sign in anew in an empty browser profile, to see the sign-in's pages. A new profile may be
                answered with a captcha; use it when sign-in is what fails.
            make_label: also follow the label's link, which may make another label.

        Returns:
            The report: what fits, what is missing (with what stands there instead, and a picture), and why the rest was
            not looked for. ``print(report)`` shows it.

        Raises:
            ConfigurationError: ``order_id`` is not 3-7-7 digits.
        """
        if order_id is not None:
            check_order_id(order_id)
        recorder, session = CheckRecorder(self._site, self._marketplace.code), self._session

        async def fetch(step: str, work: Callable[[], Awaitable[T]]) -> T:
            session.last_views, failure = [], None
            try:
                return await self._signed_in.perform(running, step, work)
            except AmazonAeError as error:
                failure = error
                raise
            finally:
                if session.last_views:  # the stored session was no good any more
                    recorder.sign_in(session.last_views, session.last_evidence, failure)

        try:
            running = await self._signed_in.running()
            recorder.fits("browser: starts")
            await self._check_sign_in(running, recorder, sign_in=sign_in)
            if session.usable:
                walk = PageWalk(
                    self._site,
                    self._context(running),
                    recorder,
                    with_session=fetch,
                    documents=self.documents,
                    make_label=make_label,
                )
                await walk.run(order_id)
        except AmazonAeError as error:
            recorder.failed("check", error)
        return recorder.report()

    async def _check_sign_in(self, running: RunningBrowser, recorder: CheckRecorder, *, sign_in: bool) -> None:
        session = self._session
        session.last_views, session.last_evidence = [], None
        failure: AmazonAeError | None = None
        try:
            if not session.usable:
                await self._signed_in.renew(running, session.generation)
            elif sign_in:
                await self._signed_in.try_sign_in(running, locale=self._options.locale)
        except AmazonAeError as error:
            failure = error
        recorder.sign_in(session.last_views, session.last_evidence, failure)

    # One document

    async def _document(
        self,
        running: RunningBrowser,
        order_id: str,
        kind: DocumentKind,
        order_page: Callable[[], Awaitable[FetchedOrderPage]],
    ) -> Document:
        started = self._clock.now()
        outcome: Document | None = None
        name = "cancelled"
        try:
            context = self._context(running)
            fetched = await self._signed_in.perform(
                running, str(kind), lambda: fetch_document(context, kind, order_id, order_page)
            )
            facts = await asyncio.to_thread(fetched.inspect, kind not in self._pictures)
            outcome = Document(
                order_id=order_id,
                kind=kind,
                content=fetched.content,
                pages=facts.pages,
                width_mm=facts.width_mm,
                height_mm=facts.height_mm,
                fetched_at=self._clock.now(),
            )
            name = "ready"
            return outcome
        except Exception as error:
            name = type(error).__name__
            running.lost = running.lost or isinstance(error, BrowserLost)
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

    def _context(self, running: RunningBrowser) -> FetchContext:
        http = PortalHttp(
            running.context,
            origin=self._origin,
            site=self._site,
            pacer=self._pacer,
            clock=self._clock,
            timeout_seconds=self._timeout_seconds,
        )
        return FetchContext(
            http=http,
            site=self._site,
            origin=self._origin,
            pacer=self._pacer,
            clock=self._clock,
            open_page=lambda printing: self._browser.page(running, printing),
            timeout_seconds=self._timeout_seconds,
            label_wait_seconds=self._label_wait_seconds,
            pictures=self._pictures,
            label_batches=self._label_batches,
            routing=self._routing,
            turn=self._plan.turn,
        )

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


def _seconds(name: str, value: float | timedelta) -> float:
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if not seconds >= 0:
        raise ConfigurationError(f"{name} is not a length of time: {value!r}")
    return seconds
