"""What the site remembers: users, browsers, sign-ins under way, sessions, and what was asked of it."""

from __future__ import annotations

import secrets
import uuid
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from math import ceil
from typing import TypeVar

import attrs

from amazon_ae._models.documents import DocumentKind
from amazon_ae._ports import Clock
from amazon_ae.testing._papers import PortalOrder
from amazon_ae.testing._seller_central.codes import STEP_SECONDS, code_of
from amazon_ae.testing._seller_central.faults import FaultBook
from amazon_ae.testing._seller_central.variants import Challenge, SiteVariants

__all__ = ["Browser", "Session", "SignIn", "SiteCounts", "SiteRequest", "SiteState", "SiteUser"]

T = TypeVar("T")
# Enough for any test; it only keeps a sandbox that runs for weeks from growing.
_REMEMBERED = 5_000
_SENDING_SECONDS = 5.0


def _is_base32(_: object, __: object, secret: str) -> None:
    try:
        code_of(secret, 0)
    except ValueError:
        raise ValueError("totp_secret must be Base32, spaces allowed") from None


@attrs.frozen(kw_only=True)
class SiteUser:
    """A person who may sign in.

    Attributes:
        totp_secret: Base32, spaces allowed; ``""`` means two-step verification is off.
        name: the seller account's name in the account picker; the orders are this account's.
        other_accounts: further seller accounts of this user, which have no orders.

    Raises:
        ValueError: ``totp_secret`` is not Base32.
    """

    email: str = attrs.field(repr=False)
    password: str = attrs.field(repr=False)
    totp_secret: str = attrs.field(default="", repr=False, validator=_is_base32)
    name: str = "Dhow Trading"
    other_accounts: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class SiteRequest:
    """One request as it was answered. ``status`` is 0 while unanswered, or where the connection was dropped."""

    method: str
    path: str
    at: datetime
    status: int
    kind: DocumentKind | None = None
    order_id: str | None = None


@attrs.define
class SiteCounts:
    """What happened so far, for assertions."""

    sign_ins: int = 0
    passwords: int = 0
    wrong_passwords: int = 0
    codes: int = 0
    accepted_codes: int = 0
    wrong_codes: int = 0
    reused_codes: int = 0
    messages_sent: int = 0
    documents: Counter[DocumentKind] = attrs.field(factory=Counter)
    accounts: Counter[str] = attrs.field(factory=Counter)
    requests: int = 0
    in_flight: int = 0
    most_in_flight: int = 0


@attrs.define(eq=False)
class Session:
    """A signed-in browser. ``marketplace`` and ``account`` are ``None`` until the account picker was answered."""

    session_id: str = attrs.field(repr=False)
    email: str = attrs.field(repr=False)
    csrf: str = attrs.field(repr=False)
    expires_at: datetime
    marketplace: str | None = None
    account: str | None = None


@attrs.define(eq=False)
class Browser:
    """One cookie jar. ``passed`` are challenges a person passed in it; ``closed`` are nags and tours it dismissed."""

    browser_id: str
    passed: set[Challenge] = attrs.field(factory=set)
    closed: set[str] = attrs.field(factory=set)


@attrs.define(eq=False)
class SignIn:
    """A sign-in under way.

    Attributes:
        return_to: path and query of the page that asked for it; never another site.
        by_message: an SMS was asked for, so the code to type is ``answer``, not the authenticator's.
        account_chosen: the "switch accounts" page was answered.
        answer: what the captcha shows, or the code that was sent by SMS.
        approved: the push message was confirmed on the other device.
    """

    sign_in_id: str
    browser: Browser
    return_to: str
    email: str = attrs.field(default="", repr=False)
    account_chosen: bool = False
    password_ok: bool = False
    device_chosen: bool = False
    by_message: bool = False
    code_ok: bool = False
    wrong_codes: int = 0
    answer: str = attrs.field(default="", repr=False)
    approved: bool = False


@attrs.define(eq=False)
class LabelBatch:
    """A label that is made in the background."""

    batch_id: str
    order_id: str
    ready_at: datetime


class SiteState:
    """The state of one site; nothing is shared between two sites. ``SellerCentralSite`` describes the arguments."""

    def __init__(
        self, *, clock: Clock, users: Iterable[SiteUser], orders: Mapping[str, PortalOrder], variants: SiteVariants
    ) -> None:
        self.clock = clock
        self.orders = orders
        self.variants = variants
        self.faults: FaultBook = FaultBook()
        self.remembered_emails: tuple[str, ...] | None = None
        self.schedule: Callable[[str, date], None] | None = None
        self.session_seconds: float = 12 * 3600.0
        self.label_seconds: float = 0.0
        self.batch_seconds: float = 0.0
        # On a clock that runs fast, the seconds in which a browser sends a code are minutes for the authenticator.
        self.code_steps: int = max(1, ceil(getattr(clock, "speed", 1.0) * _SENDING_SECONDS / STEP_SECONDS))
        self.users: dict[str, SiteUser] = {user.email.casefold(): user for user in users}
        self.browsers: OrderedDict[str, Browser] = OrderedDict()
        self.sessions: OrderedDict[str, Session] = OrderedDict()
        self.sign_ins: OrderedDict[str, SignIn] = OrderedDict()
        self.trusted: OrderedDict[str, str] = OrderedDict()
        self.batches: OrderedDict[str, LabelBatch] = OrderedDict()
        self.invoices: OrderedDict[str, str] = OrderedDict()
        self.download_tokens: OrderedDict[str, str] = OrderedDict()
        self.used_codes: dict[str, deque[int]] = {}
        self.counts: SiteCounts = SiteCounts()
        self.requests: deque[SiteRequest] = deque(maxlen=_REMEMBERED)

    def user(self, email: str) -> SiteUser | None:
        """The user with this e-mail, whatever its case."""
        return self.users.get(email.strip().casefold())

    def browser(self, browser_id: str) -> Browser:
        """The browser with this id; a new one if it was never seen."""
        found = self.browsers.get(browser_id)
        return found if found is not None else self._keep(self.browsers, browser_id, Browser(browser_id))

    def start_sign_in(self, browser: Browser, return_to: str) -> SignIn:
        """Begin a sign-in."""
        sign_in_id = new_token()
        # Digits that are hard to confuse: the captcha's picture shows them, the SMS code is made of them.
        answer = "".join(secrets.choice("23456789") for _ in range(6))
        return self._keep(self.sign_ins, sign_in_id, SignIn(sign_in_id, browser, return_to, answer=answer))

    def set_password(self, email: str, password: str) -> None:
        """Give a user a new password."""
        user = self.users[email.casefold()]
        self.users[email.casefold()] = attrs.evolve(user, password=password)

    def open_session(self, email: str) -> Session:
        """Sign a browser in."""
        expires_at = self.clock.now() + timedelta(seconds=self.session_seconds)
        session = Session(new_token(), email, new_token(), expires_at)
        self.counts.sign_ins += 1
        return self._keep(self.sessions, session.session_id, session)

    def session(self, session_id: str, now: datetime) -> Session | None:
        """The live session with this id."""
        session = self.sessions.get(session_id)
        return session if session is not None and now < session.expires_at else None

    def trust(self, email: str) -> str:
        """Remember a device for this user; returns the cookie's value."""
        token = new_token()
        self._keep(self.trusted, token, email.casefold())
        return token

    def start_batch(self, order_id: str, ready_at: datetime) -> LabelBatch:
        """Begin to make a label."""
        batch_id = new_token()
        return self._keep(self.batches, batch_id, LabelBatch(batch_id, order_id, ready_at))

    def invoice_id(self, order_id: str) -> str:
        """The id under which an order's invoice is downloaded; ``invoices`` leads back to the order."""
        invoice_id = str(uuid.uuid5(uuid.NAMESPACE_URL, order_id))
        self._keep(self.invoices, invoice_id, order_id)
        return invoice_id

    def download_token(self, invoice_id: str) -> str:
        """Allow one download of this invoice."""
        token = new_token()
        self._keep(self.download_tokens, token, invoice_id)
        return token

    def label_ready_at(self, order: PortalOrder) -> datetime | None:
        """When the label is or will be there; ``None`` without a scheduled pickup."""
        return order.pickup.scheduled_at + timedelta(seconds=self.label_seconds) if order.pickup else None

    def spend_code(self, email: str, counter: int) -> bool:
        """Mark a one-time code as used; ``False`` if it was used before."""
        used = self.used_codes.setdefault(email.casefold(), deque(maxlen=_REMEMBERED))
        if counter in used:
            return False
        used.append(counter)
        return True

    @staticmethod
    def _keep(where: OrderedDict[str, T], key: str, value: T) -> T:
        where[key] = value
        while len(where) > _REMEMBERED:
            where.popitem(last=False)
        return value


def new_token() -> str:
    """A fresh random id, fit for cookies and URLs."""
    return secrets.token_urlsafe(18)
