"""The events that a host receives through one typed sink, ``on_event: Callable[[Event], None]``.

Events carry numbers, ids and codes, never secrets, buyers or addresses. An exception in a sink is logged and dropped:
a broken dashboard must not stop parcels.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

import attrs

from amazon_ae._models.documents import DocumentKind
from amazon_ae._models.feeds import ItemKind, Outcome

__all__ = [
    "ClockRefused",
    "DocumentEvent",
    "DocumentSourceState",
    "Event",
    "EventSink",
    "FeedCancelled",
    "FeedDelayed",
    "FeedEvent",
    "FeedOfOtherRoute",
    "FeedPassed",
    "FeedReconciled",
    "FeedRefused",
    "FeedSentTwice",
    "FeedSettled",
    "FeedSubmitted",
    "FeedUnanswered",
    "LateFeedEnded",
    "LateFeedFound",
    "LookupFailed",
    "OrderCancelled",
    "OrderUnreadable",
    "PickupJoined",
    "PickupSentTwice",
    "PickupSettled",
    "QuotaCorrected",
    "SignInEvent",
    "StockDiffers",
]


@attrs.frozen(kw_only=True)
class Event:
    """The root of all events. ``at`` is aware UTC; ``account`` is the seller account it concerns."""

    at: datetime
    account: str


EventSink = Callable[[Event], None]


@attrs.frozen(kw_only=True)
class SignInEvent(Event):
    """Audit: a sign-in to Seller Central succeeded or failed. One per attempt.

    Attributes:
        outcome: ``"signed in"``, or the name of the error, e.g. ``"ChallengeRequired"``.
        detail: the kind of a challenge; ``""`` otherwise.
        pages: the pages seen, in order.
        typed: whether e-mail or password were typed (a session that was still good needs none).
        headed: whether a person could see and help.
        seconds: how long it took.
        skew_seconds: local clock minus the site's, where the site stated its time.
    """

    outcome: str
    detail: str = ""
    pages: tuple[str, ...] = ()
    typed: bool = False
    headed: bool = False
    seconds: float = 0.0
    skew_seconds: float | None = None


@attrs.frozen(kw_only=True)
class DocumentEvent(Event):
    """Audit: one document was requested, and arrived or failed.

    Attributes:
        outcome: ``"ready"``, or the name of the error, e.g. ``"DocumentNotReady"``.
        size: bytes; 0 where none came.
        sha256: of the document; ``""`` where none came.
        seconds: how long it took.
    """

    order_id: str
    kind: DocumentKind
    outcome: str
    pages: int = 0
    size: int = 0
    sha256: str = ""
    seconds: float = 0.0


@attrs.frozen(kw_only=True)
class DocumentSourceState(Event):
    """A document source of a ``DocumentSourceChain`` is not asked after failures, or answers again.

    Attributes:
        source: its name in the chain.
        asked: whether it is asked from now on.
        reason: the name of the last failure; ``""`` where it answers again.
        retry_at: when it is tried again, aware UTC; ``None`` where it answers again.
    """

    source: str
    asked: bool
    reason: str = ""
    retry_at: datetime | None = None


@attrs.frozen(kw_only=True)
class FeedEvent(Event):
    """An event about one feed. ``size`` is its number of items; ``feed_id`` is Amazon's, ``None`` before it is
    known.
    """

    kind: ItemKind
    batch_id: str
    size: int
    feed_id: str | None = None


@attrs.frozen(kw_only=True)
class FeedSubmitted(FeedEvent):
    """Amazon accepted a feed.

    Attributes:
        waited_seconds: how long its oldest item had waited.
        urgent: it left for urgent stock.
    """

    waited_seconds: float
    urgent: bool = False


@attrs.frozen(kw_only=True)
class FeedSettled(FeedEvent):
    """Every item of a feed has its outcome. ``seconds`` is from Amazon's acceptance; the counts are items."""

    seconds: float
    accepted: int
    warned: int
    rejected: int
    retried: int
    unknown: int


@attrs.frozen(kw_only=True)
class FeedRefused(FeedEvent):
    """A feed was not accepted; its items wait again. ``code`` is Amazon's, or the error's name where nothing
    answered.
    """

    code: str
    pause_seconds: float


@attrs.frozen(kw_only=True)
class FeedCancelled(FeedEvent):
    """Amazon cancelled a feed: nothing of it was taken; its items wait again. Its kind pauses for ``pause_seconds``."""

    pause_seconds: float


@attrs.frozen(kw_only=True)
class FeedDelayed(FeedEvent):
    """A feed takes too long, or Amazon holds it for manual review. ``status`` is Amazon's.

    Also one whose report does not come, and an unanswered one that cannot be looked up. Other pickups and
    urgent stock no longer wait for it; ordinary stock passes it after ``SchedulerTiming.pass_after_seconds``.
    ``FeedScheduler.abandon(feed_id)`` gives it up; for a feed without an id, pass its ``batch_id``.
    """

    status: str
    seconds: float


@attrs.frozen(kw_only=True)
class FeedPassed(FeedEvent):
    """Amazon did not finish a stock feed in time: its SKUs are sent again with their newest values.

    ``LateFeedEnded`` follows when Amazon has ended it after all. ``status`` is Amazon's; ``seconds`` is the feed's age.
    """

    status: str
    seconds: float


@attrs.frozen(kw_only=True)
class FeedUnanswered(FeedEvent):
    """A feed was sent and not answered, or its process died. Its items are not sent again until that is reconciled."""


@attrs.frozen(kw_only=True)
class FeedReconciled(FeedEvent):
    """An unanswered feed was reconciled.

    Attributes:
        verdict: ``found`` (Amazon has it), ``absent`` (what Amazon does not have waits again) or ``unknown`` (a person
            must decide about some of its orders).
    """

    verdict: str


@attrs.frozen(kw_only=True)
class FeedSentTwice(FeedEvent):
    """This process was frozen while it sent a feed, and another process had taken its items over meanwhile.

    No client can prevent that: both requests may have reached Amazon. Stock is sent once more with its newest values;
    an order whose pickup is scheduled already counts as accepted.
    """


@attrs.frozen(kw_only=True)
class PickupSentTwice(Event):
    """Two requests for one order's pickup may have reached Amazon, which makes one pickup of them.

    Attributes:
        batch_id: of the earlier request.
    """

    order_id: str
    batch_id: str


@attrs.frozen(kw_only=True)
class LateFeedFound(FeedEvent):
    """Amazon lists a feed that counted as lost, so its items may have been sent twice. Its outcome counts."""


@attrs.frozen(kw_only=True)
class LateFeedEnded(FeedEvent):
    """Amazon has ended a feed after its batch was settled without it.

    Attributes:
        status: Amazon's.
        requeued: SKUs whose newest value is sent once more, so that no old one remains.
    """

    status: str
    requeued: int


@attrs.frozen(kw_only=True)
class FeedOfOtherRoute(FeedEvent):
    """The store has an unsettled feed of another backend's ``route``: this scheduler leaves it alone.

    Keep a scheduler of that backend running until its feeds are settled.
    """

    route: str


@attrs.frozen(kw_only=True)
class PickupJoined(Event):
    """A pickup was asked for again with another request: the first one is kept.

    Attributes:
        pickup_date: the day that is kept.
        asked_date: the day that the repeat asked for.
    """

    order_id: str
    pickup_date: date
    asked_date: date


@attrs.frozen(kw_only=True)
class QuotaCorrected(Event):
    """Amazon's answer lowered the count of free slots. ``reason`` is ``RequestThrottled``, ``QuotaExceeded`` or
    ``headers``.

    Another program spends the same quota, or one of the two clocks is wrong.
    """

    quota: str
    reason: str
    quota_free: int


@attrs.frozen(kw_only=True)
class PickupSettled(Event):
    """One order's pickup has its outcome. ``code`` is the reason if it was rejected or is unknown."""

    order_id: str
    outcome: Outcome
    code: str = ""


@attrs.frozen(kw_only=True)
class LookupFailed(Event):
    """The orders of waiting pickups could not be looked up; tried again after ``retry_seconds``. ``code`` as in
    ``FeedRefused``.

    With an ``order_id``, Amazon's answer fails for this order only: it waits, the others' pickups leave.
    """

    code: str
    retry_seconds: float
    order_id: str | None = None


@attrs.frozen(kw_only=True)
class ClockRefused(Event):
    """Amazon refused a request's timestamp or signature: set this machine's clock (NTP), or correct the secret key.

    The request is repeated until that is done. ``skew_seconds`` is the local clock minus Amazon's, ``None`` where
    unknown.
    """

    code: str
    skew_seconds: float | None = None


@attrs.frozen(kw_only=True)
class OrderCancelled(Event):
    """An order was cancelled: if you took it over already, do not ship it.

    Comes at least once per cancellation, also for orders that were never delivered (cancelled while ``Pending``).
    """

    order_id: str


@attrs.frozen(kw_only=True)
class OrderUnreadable(Event):
    """One order, or its items, could not be read; the others are delivered. Open it in Seller Central.

    Attributes:
        order_id: ``None`` where not even that could be read.
        reason: why, without a value of the answer.
        given_up: it is a dead letter now: ``OrderSync.dead`` names it, ``OrderSync.retry`` asks for it again. Before
            that it is requested again automatically, less and less often.
    """

    order_id: str | None
    reason: str
    given_up: bool


@attrs.frozen(kw_only=True)
class StockDiffers(Event):
    """Amazon shows another quantity than the one that it accepted last.

    Attributes:
        accepted: the quantity that was accepted.
        shown: what Amazon shows; ``None`` where it shows none, or does not know the SKU.
        accepted_at: when it was accepted, aware UTC.
        is_resent: whether the accepted quantity waits to be sent again.
    """

    sku: str
    accepted: int
    shown: int | None
    accepted_at: datetime | None
    is_resent: bool
