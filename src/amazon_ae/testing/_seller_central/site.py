"""``SellerCentralSite``: the look-alike as one ASGI application."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.routing import Route

from amazon_ae._models.documents import DocumentKind
from amazon_ae._ports import Clock
from amazon_ae.testing._papers import PortalOrder
from amazon_ae.testing._seller_central.control_handlers import ControlHandlers
from amazon_ae.testing._seller_central.fault_middleware import FaultMiddleware
from amazon_ae.testing._seller_central.faults import Fault, PlannedFault
from amazon_ae.testing._seller_central.seller_handlers import SellerHandlers
from amazon_ae.testing._seller_central.sign_in_handlers import SignInHandlers
from amazon_ae.testing._seller_central.state import SiteCounts, SiteRequest, SiteState, SiteUser
from amazon_ae.testing._seller_central.variants import SiteVariants
from amazon_ae.testing._serving import Receive, Scope, Send

__all__ = ["SellerCentralSite"]


class SellerCentralSite:
    """A look-alike of Seller Central for tests, demonstrations and people; an ASGI application.

    It shows the pages that public sources describe, with their addresses and ids, in any variant and with any fault::

        user = SiteUser(email="...", password="...", totp_secret="...")
        site = SellerCentralSite(clock=clock, users=[user], orders=orders)
        site.variants = attrs.evolve(site.variants, sign_in=SignInForm.ONE_PAGE)
        site.fail(DocumentKind.INVOICE, Fault.CUT)
        async with serve(site) as origin: ...

    A person does the same on ``/__sandbox``. It is a fake of a browser's counterpart, not of Amazon's security.

    Args:
        clock: checks one-time codes, ends sessions, makes labels; give it the clock of the program under test.
        users: who may sign in.
        orders: Seller Central's orders, by order id. It is read at every request, so a live view of another fake's
            orders keeps both the same.
        variants: the face to begin with.
        schedule: called with order id and day when a person schedules a pickup on the site; it makes ``orders`` show
            the pickup. Without it the page shows that pickups are scheduled elsewhere.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        users: Iterable[SiteUser],
        orders: Mapping[str, PortalOrder],
        variants: SiteVariants | None = None,
        schedule: Callable[[str, date], None] | None = None,
    ) -> None:
        self._state = SiteState(clock=clock, users=users, orders=orders, variants=variants or SiteVariants())
        self._state.schedule = schedule
        sign_in = SignInHandlers(self._state)
        app = Starlette(
            routes=[
                Route("/", lambda request: RedirectResponse("/home", 302)),
                Route("/favicon.ico", lambda request: PlainTextResponse("", status_code=204)),
                *ControlHandlers(self._state).routes(),
                *sign_in.routes(),
                *SellerHandlers(self._state, sign_in).routes(),
            ]
        )
        self._app = FaultMiddleware(self._state, app)

    @property
    def users(self) -> Sequence[SiteUser]:
        """Who may sign in. Assign others to replace them all."""
        return tuple(self._state.users.values())

    @users.setter
    def users(self, users: Iterable[SiteUser]) -> None:
        self._state.users = {user.email.casefold(): user for user in users}

    @property
    def variants(self) -> SiteVariants:
        """The face shown to everybody whose browser has none of its own (cookie ``sandbox-variants``)."""
        return self._state.variants

    @variants.setter
    def variants(self, variants: SiteVariants) -> None:
        self._state.variants = variants

    @property
    def label_seconds(self) -> float:
        """How long a label is in the making after its pickup was scheduled."""
        return self._state.label_seconds

    @label_seconds.setter
    def label_seconds(self, seconds: float) -> None:
        self._state.label_seconds = seconds

    @property
    def batch_seconds(self) -> float:
        """How long the background page (``LabelForm.BATCH``) works on one label."""
        return self._state.batch_seconds

    @batch_seconds.setter
    def batch_seconds(self, seconds: float) -> None:
        self._state.batch_seconds = seconds

    @property
    def remembered_emails(self) -> tuple[str, ...] | None:
        """Whom the list of users (``switch_accounts``) offers; ``None`` for every user."""
        return self._state.remembered_emails

    @remembered_emails.setter
    def remembered_emails(self, emails: tuple[str, ...] | None) -> None:
        self._state.remembered_emails = emails

    @property
    def session_seconds(self) -> float:
        """How long a session lives, from sign-in on."""
        return self._state.session_seconds

    @session_seconds.setter
    def session_seconds(self, seconds: float) -> None:
        self._state.session_seconds = seconds

    @property
    def code_steps(self) -> int:
        """How many 30-second steps a one-time code may be early or late; 1, or more on a clock that runs fast."""
        return self._state.code_steps

    @code_steps.setter
    def code_steps(self, steps: int) -> None:
        self._state.code_steps = steps

    @property
    def counts(self) -> SiteCounts:
        """What happened so far."""
        return self._state.counts

    @property
    def label_batches(self) -> int:
        """How many labels were begun on the page that makes them."""
        return len(self._state.batches)

    @property
    def requests(self) -> Sequence[SiteRequest]:
        """The last 5,000 requests, oldest first, without those of the control page."""
        return tuple(self._state.requests)

    @property
    def faults(self) -> Sequence[PlannedFault]:
        """The faults that are still to come."""
        return self._state.faults.planned

    def fail(
        self,
        where: DocumentKind | str,
        fault: Fault,
        *,
        times: int | None = 1,
        seconds: float = 0.0,
        order_id: str | None = None,
    ) -> None:
        """Let the next ``times`` requests to ``where`` go wrong.

        Args:
            where: a kind of document, or the beginning of a path: ``"/ap/mfa"``, ``"/orders-v3/order/"``, ``"/"``.
            times: ``None``: forever.
            seconds: the length of a ``DELAY``, or the ``Retry-After`` of ``NOT_READY``, ``THROTTLED`` and ``BUSY``.
            order_id: only requests about this order.

        Raises:
            ValueError: it could never happen: a document's fault on a path, or no times at all.
        """
        self._state.faults.add(PlannedFault(fault, where, seconds, times, order_id))

    def clear_faults(self) -> None:
        """Forget all faults that are still to come."""
        self._state.faults.clear()

    def expire_sessions(self) -> None:
        """End every session: each browser must sign in again (a trusted one without a code)."""
        self._state.sessions.clear()

    def forget_devices(self) -> None:
        """Trust no device any more, and let nobody have passed a challenge or closed a nag."""
        self._state.trusted.clear()
        self._state.browsers.clear()

    def approve(self) -> None:
        """Confirm the push message of every sign-in that waits for one, as a person does on the phone."""
        for sign_in in self._state.sign_ins.values():
            sign_in.approved = True

    def answer(self) -> str:
        """What the newest sign-in's captcha shows, and the code that its SMS holds: for a test that plays the person.

        Raises:
            LookupError: nobody is signing in.
        """
        if not self._state.sign_ins:
            raise LookupError("nobody is signing in")
        return next(reversed(self._state.sign_ins.values())).answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI 3)."""
        await self._app(scope, receive, send)
