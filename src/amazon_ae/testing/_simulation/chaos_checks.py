"""What must hold after a chaos run, whatever happened in it. Plain functions of what Amazon has and what was told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs

from amazon_ae.testing._mws import FakeFeed, FakeMws

if TYPE_CHECKING:
    from amazon_ae._models.events import Event
    from amazon_ae.testing._simulation.chaos import ChaosPlan

__all__ = ["Put", "Told", "find_violations"]

_STOCK_FEED: Final = "_POST_INVENTORY_AVAILABILITY_DATA_"
_ENDED: Final = ("_DONE_", "_CANCELLED_")
_PER_HOUR: Final = 30  # SubmitFeed (MWS Feeds API, "SubmitFeed")


@attrs.define
class Put:
    """One stock change; ``acknowledged_at`` once ``put`` returned. One that never returned may or may not be stored."""

    sku: str
    quantity: int
    acknowledged_at: datetime | None = None


@attrs.frozen
class Told:
    """A final word that some packer got about an order."""

    order_id: str
    outcome: str
    at: datetime
    code: str = ""


def find_violations(
    plan: ChaosPlan,
    fake: FakeMws,
    *,
    puts: Sequence[Put],
    told: Sequence[Told],
    asked: set[str],
    events: Sequence[Event],
    left: Mapping[str, Any],
) -> list[str]:
    """Every promise that was broken, one line each."""
    return [
        *_queues(fake, left),
        *_quota(plan, fake),
        *_final_stock(fake, puts),
        *_stock_order(plan, fake, puts),
        *_pickups(plan, fake, events),
        *_words(plan, fake, told, asked),
    ]


def _queues(fake: FakeMws, left: Mapping[str, Any]) -> list[str]:
    if any(feed.status not in _ENDED for feed in fake.feeds):
        return []  # Amazon itself has not finished
    return [
        f"{kind}: {stats.waiting} waiting, {stats.in_flight} in flight hours after the last fault"
        for kind, stats in left.items()
        if stats.waiting or stats.in_flight
    ]


def _quota(plan: ChaosPlan, fake: FakeMws) -> list[str]:
    sent = [seen for seen in fake.requests if seen.action == "SubmitFeed"]
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


def _final_stock(fake: FakeMws, puts: Sequence[Put]) -> list[str]:
    broken = []
    for sku, quantity in fake.stock.items():
        ours = [put for put in puts if put.sku == sku]
        acknowledged = [index for index, put in enumerate(ours) if put.acknowledged_at is not None]
        if not acknowledged:
            continue
        # Puts of different hosts overlap: the last acknowledged one wins, or one that was under way beside it.
        last = max(acknowledged, key=lambda index: (ours[index].acknowledged_at, index))
        allowed = {ours[last].quantity}
        allowed |= {put.quantity for put in ours[max(0, last - 2) :] if put.acknowledged_at is None}
        allowed |= {put.quantity for put in ours[last + 1 :]}
        near = ours[last].acknowledged_at
        assert near is not None
        allowed |= {
            put.quantity
            for put in ours
            if put.acknowledged_at is not None and near - put.acknowledged_at < timedelta(seconds=1)
        }
        if quantity not in allowed:
            broken.append(f"{sku}: Amazon has {quantity}, the last put was {ours[last].quantity}")
    return broken


def _stock_order(plan: ChaosPlan, fake: FakeMws, puts: Sequence[Put]) -> list[str]:
    """No SKU goes back to an older value, except behind a feed that was passed as stuck or a request that came late."""
    if plan.stuck or plan.faults.arrives_late or plan.freezes_per_hour or plan.hosts > 1:
        return []  # also: puts that waited in a frozen host, or came from two, are stored in another order
    feeds = _ended(fake, _STOCK_FEED)
    broken = []
    for sku in fake.stock:
        values = [put.quantity for put in puts if put.sku == sku]
        position = 0
        for feed in feeds:
            for message in feed.messages:
                if message.key != sku:
                    continue
                quantity = int(message.fields["Quantity"])
                try:
                    position = values.index(quantity, position)
                except ValueError:
                    broken.append(f"{sku}: feed {feed.feed_id} brought {quantity} back after a newer value")
    return broken


def _ended(fake: FakeMws, feed_type: str) -> list[FakeFeed]:
    feeds = [feed for feed in fake.feeds if feed.feed_type == feed_type and feed.status == "_DONE_"]
    return sorted(feeds, key=lambda feed: (feed.ends_at or feed.submitted_at, feed.feed_id))


def _pickups(plan: ChaosPlan, fake: FakeMws, events: Sequence[Event]) -> list[str]:
    named = {getattr(event, "order_id", None) for event in events if type(event).__name__ == "PickupSentTwice"}
    twice = [order_id for order_id, count in fake.pickups_sent.items() if count > 1 and order_id not in named]
    return [f"pickup of {order_id} was sent {fake.pickups_sent[order_id]} times" for order_id in sorted(twice)]


def _words(plan: ChaosPlan, fake: FakeMws, told: Sequence[Told], asked: set[str]) -> list[str]:
    broken = [
        f"pickup of {order_id}: nobody was ever told" for order_id in sorted(asked - {word.order_id for word in told})
    ]
    for word in told:
        booked = word.order_id in fake.pickups
        if word.outcome == "accepted" and not booked:
            broken.append(f"{word.order_id}: told accepted at {word.at}, but Amazon has no pickup")
        if word.outcome == "rejected" and booked and word.code:
            broken.append(f"{word.order_id}: told rejected {word.code} at {word.at}, but Amazon has the pickup")
        if word.outcome == "unknown" and not plan.doubtful:
            broken.append(f"{word.order_id}: told unknown, though nothing was lost")
    outcomes: dict[str, set[str]] = {}
    for word in told:
        outcomes.setdefault(word.order_id, set()).add(word.outcome)
    return broken + [
        f"{order_id}: told both accepted and rejected"
        for order_id, words in sorted(outcomes.items())
        if {"accepted", "rejected"} <= words
    ]
