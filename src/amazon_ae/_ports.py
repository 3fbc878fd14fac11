"""The protocols that a host may implement. No logic.

Arguments and results are business values. XML, pages, tokens and browsers never cross a protocol.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar, runtime_checkable

from amazon_ae._models.documents import DocumentKind, DocumentSet
from amazon_ae._models.feeds import (
    BatchTerms,
    FeedBatch,
    FeedReceipt,
    FeedReport,
    FeedStatus,
    ItemKind,
    ItemOutcome,
    Outcome,
    PickupRequest,
    QuotaRule,
)
from amazon_ae._models.orders import Order, OrderItem, OrderPage
from amazon_ae._models.stored import Change, QueueStats, Receipt, StoredBatch, StoredItem

__all__ = ["Clock", "DocumentSource", "FeedGateway", "OrderGateway", "PickupRescheduling", "PickupRoute", "Storage"]

T = TypeVar("T")
ClientT = TypeVar("ClientT", contravariant=True)


class Clock(Protocol):
    """The time, and sleeping: injected, so that tests run in virtual time."""

    def now(self) -> datetime:
        """The present instant, aware UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Sleep about ``seconds``. Callers ask ``now()`` again afterwards: a sleep may end early or late."""
        ...


class FeedGateway(Protocol):
    """Sends batches to a marketplace. The gateway, not the scheduler, knows which quota a batch draws on."""

    @property
    def account(self) -> str:
        """The account whose items this gateway carries, e.g. ``"A1SELLER/AE"``; the key of everything in storage."""
        ...

    @property
    def routes(self) -> frozenset[str]:
        """Every route that this gateway can carry; batches of other routes are another backend's."""
        ...

    def terms(self, kind: ItemKind, waiting: int, *, urgent: bool = False) -> BatchTerms:
        """The terms of the next batch. Pure and quick; asked on every pass, per priority class.

        Args:
            waiting: items of this class that could leave now.
            urgent: asked for urgent stock.

        Raises:
            ConfigurationError: this gateway cannot carry the kind; the message says what to configure.
        """
        ...

    async def submit(
        self, batch: FeedBatch, *, settle: Callable[[Sequence[ItemOutcome]], Awaitable[None]] | None = None
    ) -> FeedReceipt:
        """Send one batch, once. Never resends.

        Args:
            settle: a route without feeds awaits it with outcomes as they come, each at most once; they are durable
                when it returns. The receipt then has the outcomes of the other items.

        Raises:
            NotSent: it surely never left; the quota slot may be given back.
            OutcomeUnknown: it may have arrived: look with ``recent`` before resending.
            RequestThrottled, QuotaExceeded: nothing was taken; ``retry_at`` is when a slot is free.
            AmazonError: nothing was taken.
            ConfigurationError: the batch breaks a rule; nothing was sent.
        """
        ...

    async def status(self, feed_ids: Sequence[str]) -> Sequence[FeedStatus]:
        """The status of feeds, all ids in as few requests as the backend allows; unknown ids are left out."""
        ...

    async def report(self, feed_id: str, batch: FeedBatch) -> FeedReport:
        """The report of a feed that is ``DONE`` or ``FAILED``: exactly one outcome per item of ``batch``.

        Raises:
            AmazonError: with ``retryable`` where the report is not ready yet.
            UnreadableResponse: the report stayed unreadable.
        """
        ...

    async def recent(self, kind: ItemKind, since: datetime) -> Sequence[FeedStatus]:
        """Every feed of this kind's type that Amazon received at or after ``since``, oldest first.

        The scheduler reconciles unanswered requests with it.
        """
        ...


@runtime_checkable
class PickupRescheduling(Protocol):
    """A ``FeedGateway`` that can give a pickup at Amazon another slot; optional."""

    async def reschedule(self, request: PickupRequest) -> ItemOutcome:
        """Book the slot of ``request`` in place of the one that the order has.

        Raises:
            NotSupported: its route cannot; the message says how to do it by hand.
            OutcomeUnknown: it may have been booked: ask again, the result is the same.
            NotSent, AmazonError: it was not booked.
        """
        ...


class PickupRoute(Protocol[ClientT]):
    """How a pickup reaches Amazon. The gateway calls it with its own client; the scheduler never sees it."""

    @property
    def route(self) -> str:
        """The route's name, e.g. ``"mws:feed"``; see ``BatchTerms.route``."""
        ...

    @property
    def feed_type(self) -> str | None:
        """The backend's feed type, by which ``recent`` finds pickup feeds; ``None`` where the route spends no feed."""
        ...

    @property
    def max_pickups(self) -> int:
        """The most pickups in one batch."""
        ...

    def quota(self, submit_feed: QuotaRule) -> QuotaRule | None:
        """``submit_feed`` where the route spends SubmitFeed, ``None`` where it paces itself."""
        ...

    async def submit(
        self,
        client: ClientT,
        batch: FeedBatch,
        *,
        settle: Callable[[Sequence[ItemOutcome]], Awaitable[None]] | None = None,
    ) -> FeedReceipt:
        """As ``FeedGateway.submit``; a route without feeds puts one outcome per pickup into the receipt."""
        ...

    async def report(self, client: ClientT, feed_id: str, batch: FeedBatch) -> FeedReport:
        """As ``FeedGateway.report``; asked only where ``submit`` gave a feed id."""
        ...


class OrderGateway(Protocol):
    """Reads orders, without the backend's pages and tokens.

    Statuses are the library's words, MWS's spelling (``Unshipped``, ``Canceled``, ...): a backend with other words
    translates them both ways.
    """

    @property
    def poll_seconds(self) -> float:
        """Seconds between two polls of ``orders`` that the backend's rate allows."""
        ...

    def orders(
        self, *, updated_after: datetime, updated_before: datetime | None = None, statuses: Collection[str] = ()
    ) -> AsyncIterator[OrderPage]:
        """Pages of orders changed in the window. Each page carries the instant up to which the answer is complete.

        An order comes with its ``items`` where the backend gives both in one answer. One that cannot be read is named
        in ``OrderPage.unreadable`` and does not cost the others.
        """
        ...

    async def items(self, order_id: str) -> Sequence[OrderItem]:
        """All items of one order; not asked for where ``Order.items`` is there.

        Raises:
            UnreadableResponse: this order's items cannot be read.
        """
        ...

    async def get(self, order_ids: Sequence[str]) -> Sequence[Order]:
        """Orders by channel order id, any number; unknown ids are left out."""
        ...


class DocumentSource(Protocol):
    """Fetches the documents of a parcel."""

    async def documents(self, order_id: str, kinds: Collection[DocumentKind] = ...) -> DocumentSet:
        """The documents of one order, side by side; a kind that failed holds its own error."""
        ...


class Storage(Protocol):
    """Keeps waiting items, batches, the quota ledger and cursors.

    Every verb is atomic, and durable when it returns. Any number of processes may use one store. ``account`` separates
    sellers. Instants are the store's own (``now`` of its clock, or the database's), aware UTC, read under the lock.

    An item has a newest value and, at most, one value in flight::

        put ──> waiting ──open──> in flight ──settle──> accepted | rejected (dead letter) | unknown | waiting again

    A value put while an older one is in flight waits until that one is settled: it is neither acknowledged by the older
    one's outcome nor sent beside it. An item is *in doubt* once a value of it came back without a sure outcome (RETRY,
    UNKNOWN), until a later one is accepted: Amazon may hold that value, so nothing counts as unchanged meanwhile.

    Versions grow by key for as long as the store remembers the key. Every failure raises ``StorageError`` with the
    driver's error as ``__cause__``; a caller's mistake (an empty key, ``ledger`` without ``admit``) raises
    ``ConfigurationError``. ``amazon_ae.testing.check_storage`` is this contract as code.
    """

    async def put(
        self,
        account: str,
        kind: ItemKind,
        changes: Sequence[Change],
        *,
        keep_first: bool = False,
        connection: Any = None,
    ) -> Sequence[Receipt]:
        """Store changes; one receipt each, in order.

        A key may occur twice: the later one wins and both get its receipt. A key that waits already keeps its
        ``put_at``. A value equal to the last accepted one, with nothing in flight and not in doubt, is not stored as
        waiting: ``UNCHANGED`` (an older waiting value or a dead letter is then withdrawn). With ``keep_first``,
        a key that is waiting, in flight, accepted or unknown keeps its value, as does the first of two equal keys, and
        the change is ``JOINED``; a rejected one is queued again.

        Args:
            connection: the host's own open connection (same database): the write takes part in its transaction and is
                neither committed nor rolled back here. A store that cannot do this raises ``ConfigurationError``.
        """
        ...

    async def open(
        self,
        account: str,
        kind: ItemKind,
        *,
        batch_id: str,
        limit: int,
        lease_seconds: float,
        exclusive: bool,
        route: str = "",
        keys: Collection[str] | None = None,
        ledger: str | None = None,
        admit: Callable[[str | None, datetime], str | None] | None = None,
    ) -> StoredBatch | None:
        """Take waiting items into a new batch and spend a quota slot for it, all or nothing.

        In one transaction: lock the document ``ledger``, call ``admit(text, now)`` (pure; it may be called again), and
        only if that returns the ledger's new text take up to ``limit`` waiting items, urgent ones first, then by
        ``put_at`` (equal ones in any order). Where ``admit`` refuses (returns ``None``), nothing waits, or
        ``exclusive`` and the account has another unsettled batch of this kind and route, nothing changes and ``None``
        is returned. What ``admit`` raises comes out, and nothing changes.

        Args:
            batch_id: new and unique; one that is in use raises ``StorageError``.
            keys: take only these.
            exclusive: at most one unsettled batch of this account, kind and route.
            route: stored with the batch, see ``StoredBatch.route``.
            ledger: goes with ``admit``: both or neither.
        """
        ...

    async def mark_submitted(
        self, batch_id: str, fence: int, *, feed_id: str, submitted_at: datetime, lease_seconds: float
    ) -> None:
        """Store the feed id that Amazon gave, and renew the lease.

        Raises ``StaleLease`` for an older fence or a settled batch.
        """
        ...

    async def renew(self, batch_id: str, fence: int, *, lease_seconds: float) -> None:
        """Renew the lease: it ends ``lease_seconds`` from now.

        Raises ``StaleLease`` for an older fence or a settled batch.
        """
        ...

    async def settle(self, batch_id: str, fence: int, outcomes: Sequence[ItemOutcome]) -> Sequence[ItemOutcome]:
        """Finish a batch: one outcome per item, by key; the batch is gone afterwards.

        ACCEPTED (with or without warnings): the value that was in flight becomes the last accepted one; a newer waiting
        value equal to it is withdrawn. REJECTED: a dead letter with code and message. RETRY: the value waits again with
        its old ``put_at``. UNKNOWN: the item stays aside until ``resolve``. After each of these three, a newer value
        that waits goes on instead (after RETRY with the older ``put_at``, since when the key is unsent). A key without
        an outcome is treated as RETRY; an outcome whose key is not in the batch is ignored.

        Returns:
            The outcome of each item that the batch still carried, sorted by key: only these happened.

        Raises:
            StaleLease: an older fence, or a settled batch; nothing changes.
        """
        ...

    async def settle_some(
        self, batch_id: str, fence: int, outcomes: Sequence[ItemOutcome], *, lease_seconds: float
    ) -> Sequence[ItemOutcome]:
        """Store the outcomes of some items and renew the lease; the batch goes on with the others.

        For routes that answer item by item: an item that has its outcome leaves the batch as by ``settle``, so that a
        crash keeps it. ``take_over`` loads the items that remain; ``settle`` finishes the batch, also when none remain.

        Returns:
            The outcomes of keys that the batch carried, sorted by key.

        Raises:
            StaleLease: an older fence, or a settled batch; nothing changes.
        """
        ...

    async def unfinished(self, account: str) -> Sequence[StoredBatch]:
        """All unsettled batches of the account, oldest first, without their items."""
        ...

    async def take_over(self, batch_id: str, *, lease_seconds: float) -> StoredBatch | None:
        """Take a batch whose lease ran out (``now >= lease_until``): its fence grows, the lease starts anew.

        Its items are loaded, in the order in which ``open`` gave them. ``None`` if another holds it or it is gone.
        """
        ...

    async def item(self, account: str, kind: ItemKind, key: str) -> StoredItem | None:
        """One item; ``None`` if it was never put (or was dropped)."""
        ...

    async def waiting(self, account: str, kind: ItemKind, *, limit: int) -> Sequence[StoredItem]:
        """Items that could leave now, in the order in which ``open`` would take them."""
        ...

    async def stats(self, account: str, kind: ItemKind) -> QueueStats:
        """Counts and ages, at a bounded cost however much waits: a count stops at a cap of the store's."""
        ...

    async def dead(self, account: str, kind: ItemKind, *, after: str = "", limit: int = 100) -> Sequence[StoredItem]:
        """Dead letters (``REJECTED`` and ``UNKNOWN``) in code point order of their keys, those above ``after``."""
        ...

    async def reject(self, account: str, kind: ItemKind, outcomes: Sequence[ItemOutcome]) -> Sequence[ItemOutcome]:
        """Make dead letters of items that could leave now, without sending them (the look-up refused them).

        Returns:
            The outcomes of the items that became dead letters, sorted by key; others are left alone.
        """
        ...

    async def resolve(
        self, account: str, kind: ItemKind, keys: Sequence[str], *, outcome: Outcome
    ) -> Sequence[ItemOutcome]:
        """Decide dead letters.

        RETRY: waits again with its old ``put_at``. ACCEPTED (with or without warnings): its value counts as accepted
        now. REJECTED: dropped: back to the last accepted value, or forgotten where there is none. UNKNOWN raises
        ``ConfigurationError``.

        Returns:
            ``outcome`` for each of the keys that was a dead letter, sorted by key.
        """
        ...

    async def requeue(self, account: str, kind: ItemKind, keys: Sequence[str]) -> int:
        """Send the newest values of these keys once more, although Amazon accepted them.

        For stock whose newest value may have been overwritten at Amazon by an older one. An accepted key waits again,
        with ``put_at`` of now, and is in doubt. A key in flight waits again after its outcome, even if that is
        ACCEPTED. A key that waits goes on waiting, and is not withdrawn by a put of the accepted value. Dead letters
        stay.

        Returns:
            The number of keys that are known and are not dead letters.
        """
        ...

    async def withdraw(self, account: str, kind: ItemKind, keys: Sequence[str]) -> Sequence[str]:
        """Drop values that wait and have not left: back to the last accepted value, or forgotten where there is none.

        A key with a value in flight is left alone: that value can no longer be stopped.

        Returns:
            The keys whose value was dropped, sorted.
        """
        ...

    async def load(self, name: str) -> str | None:
        """A small named document (cursor, ledger); ``None`` if there is none."""
        ...

    async def change(self, name: str, fn: Callable[[str | None, datetime], tuple[str | None, T]]) -> T:
        """Read, change and write one named document under its lock; returns what ``fn`` returned second.

        ``fn(text, now)`` is pure and quick; it may be called again. A new text of ``None`` deletes the document.
        """
        ...

    async def names(self, prefix: str) -> Sequence[str]:
        """The names of all documents that begin with ``prefix``, sorted."""
        ...

    async def purge(self, account: str, kind: ItemKind, *, settled_before: datetime) -> int:
        """Forget items accepted before that instant; returns how many. Dead letters and waiting items stay.

        May work in several transactions, so that a large purge does not hold up others.
        """
        ...

    def watch(
        self,
        account: str,
        callback: Callable[[], None],
        *,
        settled: Callable[[ItemKind, Sequence[str]], None] | None = None,
    ) -> Callable[[], None]:
        """Call back after commits in this account, also those of other processes where the store can see them.

        ``callback()``: something can leave that could not before: after a ``put``, ``requeue`` or ``resolve``. A put is
        worth a notice where it adds a pickup, or stock to a queue in which nothing as urgent waited; keys that waited
        already never are. Notices may be lost with a process or a connection: watchers also ask by themselves now
        and then. After a lost connection, a store calls back for accounts that have something queued.

        ``settled(kind, keys)``: these keys left the queue or the batch: after ``settle``, ``settle_some``, ``reject``,
        ``resolve`` and ``withdraw``. No keys: too many to name, read the store. Without ``settled``, ``callback`` is
        called instead.

        Callbacks are quick and thread-safe: any thread may call them.

        Returns:
            A function that ends the calls; calling it twice is fine.
        """
        ...

    async def aclose(self) -> None:
        """Close what this object opened; twice is fine."""
        ...
