"""What must hold after a chaos run, whatever happened in it. Plain functions of what Amazon has and what was told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs

from amazon_ae.testing._mws import FakeFeed, FakeMws

if TYPE_CHECKING:
    from amazon_ae._models.events import Event
    from amazon_ae.testing._simulation.chaos_plan import ChaosPlan

__all__ = ["ENDED", "Evidence", "Put", "Told", "find_violations"]

_STOCK_FEED: Final = "_POST_INVENTORY_AVAILABILITY_DATA_"
ENDED: Final = ("_DONE_", "_CANCELLED_")
_PER_HOUR: Final = 30  # SubmitFeed (MWS Feeds API, "SubmitFeed")
# A put that was not acknowledged may have been stored this much later: its host was frozen.
_LONGEST_FREEZE: Final = timedelta(seconds=960)
# A request that needs longer than this from its host to Amazon may arrive behind a newer one.
_LATE_SECONDS: Final = 60.0
# After crashes, freezes and lost answers: everything that arrived is visible after a quarter of an hour, several times.
_DISTURBED_SECONDS: Final = 7200.0
_STUCK_SECONDS: Final = 3600.0  # of one feed
_ENOUGH: Final = 10  # delays, to speak of their average


@attrs.define
class Put:
    """One stock change; ``acknowledged_at`` once ``put`` returned. One that never returned may or may not be stored.

    ``version`` is the store's: it says in which order the puts of a SKU were stored, whichever host made them.
    """

    sku: str
    quantity: int
    asked_at: datetime
    version: int | None = None
    acknowledged_at: datetime | None = None


@attrs.frozen
class Told:
    """A final word that some packer got about an order."""

    order_id: str
    outcome: str
    at: datetime
    code: str = ""


@attrs.define
class Evidence:
    """What the run did to its hosts, so that a doubt can be justified.

    Attributes:
        orders: whose submit, or report, had no good answer.
        stopped: instants at which a host was killed or frozen.
        under_way: for how many seconds the request of each feed was on its way, by feed id.
    """

    orders: set[str] = attrs.field(factory=set)
    stopped: list[datetime] = attrs.field(factory=list)
    under_way: dict[str, float] = attrs.field(factory=dict)


def find_violations(
    plan: ChaosPlan,
    fake: FakeMws,
    *,
    puts: Sequence[Put],
    told: Sequence[Told],
    asked: Mapping[str, datetime],
    events: Sequence[Event],
    left: Mapping[str, Any],
    evidence: Evidence,
    start: datetime,
) -> list[str]:
    """Every promise that was broken, one line each."""
    return [
        *_queues(fake, left),
        *_quota(plan, fake),
        *_final_stock(fake, puts),
        *_stock_order(fake, puts, evidence),
        *_pickups(fake, events),
        *_words(fake, told, asked),
        *_doubts(plan, told, asked, evidence, start),
        *_delays(plan, fake, puts, told, asked),
    ]


def _queues(fake: FakeMws, left: Mapping[str, Any]) -> list[str]:
    if any(feed.status not in ENDED for feed in fake.feeds):
        return []  # Amazon itself has not finished
    return [
        f"{kind}: {stats.waiting} waiting, {stats.in_flight} in flight hours after the last fault"
        for kind, stats in left.items()
        if stats.waiting or stats.in_flight
    ]


def _quota(plan: ChaosPlan, fake: FakeMws) -> list[str]:
    # One that arrives so late that its time has expired is refused before it is counted.
    sent = [seen for seen in fake.requests if seen.action == "SubmitFeed" and seen.is_authentic]
    broken = []
    admitted = [seen.at for seen in sent if seen.status != 503]
    for first, after in zip(admitted, admitted[_PER_HOUR:], strict=False):
        if after - first < timedelta(hours=1):
            broken.append(f"31 SubmitFeed requests within an hour, up to {after}")
    alone = not plan.foreign_per_hour and not plan.faults.arrives_late
    throttled = [seen for seen in sent if seen.status == 503 and seen.code in ("RequestThrottled", "QuotaExceeded")]
    if alone and throttled:
        broken.append(f"SubmitFeed throttled {len(throttled)} times although nobody else spends the quota")
    return broken


# Stock


def _final_stock(fake: FakeMws, puts: Sequence[Put]) -> list[str]:
    """The quantity at Amazon is that of the put that was stored last."""
    broken = []
    for sku, quantity in fake.stock.items():
        ours = [put for put in puts if put.sku == sku]
        stored = [put for put in ours if put.version is not None]
        if not stored:
            continue
        last = max(stored, key=lambda put: put.version or 0)
        # One that was never acknowledged may have been stored after it.
        open_since = last.asked_at - _LONGEST_FREEZE
        allowed = {put.quantity for put in ours if put.version is None and put.asked_at >= open_since}
        if quantity != last.quantity and quantity not in allowed:
            broken.append(f"{sku}: Amazon has {quantity}, the last put was {last.quantity}")
    return broken


def _stock_order(fake: FakeMws, puts: Sequence[Put], evidence: Evidence) -> list[str]:
    """No SKU goes back to an older value. A request that was under way for long may bring one back, until the next."""
    broken = []
    for sku in dict.fromkeys(put.sku for put in puts):
        ours = [put for put in puts if put.sku == sku]
        versions = sorted((put.version, put.quantity) for put in ours if put.version is not None)
        unordered = {put.quantity for put in ours if put.version is None}
        newest = 0
        for feed, quantity in _landed(fake, sku):
            if quantity in unordered:
                continue
            found = [version for version, each in versions if each == quantity]
            later = [version for version in found if version >= newest]
            if later:
                newest = later[0]
            elif evidence.under_way.get(feed.feed_id, 0.0) < _LATE_SECONDS:
                broken.append(f"{sku}: feed {feed.feed_id} brought {quantity} back after a newer value")
    return broken


def _landed(fake: FakeMws, sku: str) -> Iterator[tuple[FakeFeed, int]]:
    """Each quantity that Amazon took for a SKU, in its order."""
    feeds = [feed for feed in fake.feeds if feed.feed_type == _STOCK_FEED and feed.status == "_DONE_"]
    for feed in sorted(feeds, key=lambda feed: (feed.ends_at or feed.submitted_at, feed.feed_id)):
        for message in feed.messages:
            if message.key == sku:
                yield feed, int(message.fields["Quantity"])


# Pickups


def _pickups(fake: FakeMws, events: Sequence[Event]) -> list[str]:
    named = {getattr(event, "order_id", None) for event in events if type(event).__name__ == "PickupSentTwice"}
    twice = [order_id for order_id, count in fake.pickups_sent.items() if count > 1 and order_id not in named]
    return [f"pickup of {order_id} was sent {fake.pickups_sent[order_id]} times" for order_id in sorted(twice)]


def _words(fake: FakeMws, told: Sequence[Told], asked: Mapping[str, datetime]) -> list[str]:
    """Every packer is told something, and what is told is true at that instant."""
    heard = {word.order_id for word in told}
    broken = [f"pickup of {order_id}: nobody was ever told" for order_id in asked if order_id not in heard]
    for word in told:
        pickup = fake.pickups.get(word.order_id)
        if word.outcome == "accepted" and (pickup is None or pickup.at > word.at):
            broken.append(f"{word.order_id}: told accepted at {word.at}, but Amazon had no pickup")
        if word.outcome == "rejected" and pickup is not None and word.code:
            broken.append(f"{word.order_id}: told rejected {word.code} at {word.at}, but Amazon has the pickup")
    outcomes: dict[str, set[str]] = {}
    for word in told:
        outcomes.setdefault(word.order_id, set()).add(word.outcome)
    return broken + [
        f"{order_id}: told both accepted and rejected"
        for order_id, words in sorted(outcomes.items())
        if {"accepted", "rejected"} <= words
    ]


def _doubts(
    plan: ChaosPlan, told: Sequence[Told], asked: Mapping[str, datetime], evidence: Evidence, start: datetime
) -> list[str]:
    """Whoever was told "unknown" had a request without a good answer, or a host that stopped, while it was asked."""
    broken = []
    for word in told:
        since = asked[word.order_id]
        outages = [start + timedelta(seconds=begin) for begin, _ in plan.outages]
        stopped = any(since <= at <= word.at for at in (*evidence.stopped, *outages))
        if word.outcome == "unknown" and word.order_id not in evidence.orders and not stopped:
            broken.append(f"{word.order_id}: told unknown at {word.at}, though nothing of it was lost")
    return broken


# Delays


def _delays(
    plan: ChaosPlan, fake: FakeMws, puts: Sequence[Put], told: Sequence[Told], asked: Mapping[str, datetime]
) -> list[str]:
    """Bounds that leave room for chance: where nothing goes wrong by processing time, else by what went wrong."""
    waits = {
        "outcomes of pickups": [(word.at - asked[word.order_id]).total_seconds() for word in told],
        "stock": list(_stock_waits(fake, puts)),
    }
    broken = []
    for what, seconds in waits.items():
        if not seconds:
            continue
        most = (
            600 + 12 * plan.processing_seconds if plan.calm else _DISTURBED_SECONDS + _troubles(plan, fake, puts, asked)
        )
        mean = 300 + 2 * plan.processing_seconds
        if max(seconds) > most:
            broken.append(f"{what}: one took {max(seconds):.0f} s, more than {most:.0f}")
        if plan.calm and len(seconds) >= _ENOUGH and sum(seconds) / len(seconds) > mean:
            broken.append(f"{what}: {sum(seconds) / len(seconds):.0f} s on average, more than {mean:.0f}")
    return broken


def _troubles(plan: ChaosPlan, fake: FakeMws, puts: Sequence[Put], asked: Mapping[str, datetime]) -> float:
    """Seconds of outages, and of feeds, stuck or of another program, that kept those of their type waiting."""
    ours = {put.sku for put in puts} | set(asked)
    waited_for = sum(length for _, length in plan.outages)
    for feed in fake.feeds:
        if feed.starts_at is not None and feed.ends_at is not None:
            seconds = (feed.ends_at - feed.starts_at).total_seconds()
            foreign = ours.isdisjoint(message.key for message in feed.messages)
            waited_for += seconds if foreign or seconds > _STUCK_SECONDS else 0.0
    return waited_for


def _stock_waits(fake: FakeMws, puts: Sequence[Put]) -> Iterator[float]:
    """Seconds from each put until Amazon took it, or something newer."""
    for sku in dict.fromkeys(put.sku for put in puts):
        ours = [put for put in puts if put.sku == sku and put.version is not None]
        newest: dict[int, int] = {}
        for put in ours:
            newest[put.quantity] = max(newest.get(put.quantity, 0), put.version or 0)
        landed = [(feed.ends_at, newest.get(quantity, 0)) for feed, quantity in _landed(fake, sku)]
        for put in ours:
            taken = [at for at, version in landed if at is not None and version >= (put.version or 0)]
            if taken:
                yield max(0.0, (min(taken) - put.asked_at).total_seconds())
