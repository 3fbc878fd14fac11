"""Which classes of items may leave now, and what holds the others back: plain functions of the state that a pass
read.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

import attrs

from amazon_ae._models.feeds import BatchTerms, ItemKind, QuotaRule
from amazon_ae._models.stored import QueueStats, StoredBatch
from amazon_ae._scheduling.batch_phases import BatchPhase
from amazon_ae._scheduling.in_flight import InFlightBatch
from amazon_ae._scheduling.policy import PICKUP, STOCK, URGENT, Departure, Queue
from amazon_ae._scheduling.timing import SchedulerTiming

__all__ = [
    "Group",
    "ItemClass",
    "Obstacle",
    "busy",
    "classes_of",
    "grouped",
    "held_back",
    "obstacle",
    "urgent_first",
]

_INF: Final = math.inf
_MOMENT: Final = 0.1


@attrs.frozen(kw_only=True)
class ItemClass:
    """One priority class with something waiting.

    Attributes:
        waiting: its items that could leave now.
        oldest_at: the oldest ``put_at`` of them, the store's time.
        terms: the gateway's, for so many.
    """

    kind: ItemKind
    priority: str
    waiting: int
    oldest_at: datetime | None
    terms: BatchTerms


@attrs.frozen
class Obstacle:
    """The reason why nothing of a kind may leave, and for how many seconds: above 0; ``inf`` where only an event ends
    it.
    """

    seconds: float
    why: str


@attrs.frozen
class Group:
    """The queues that share one quota rule; ``None`` for routes that pace themselves."""

    rule: QuotaRule | None
    queues: tuple[Queue, ...]


def classes_of(
    stats: Mapping[ItemKind, QueueStats], terms: Mapping[tuple[ItemKind, str], BatchTerms]
) -> list[ItemClass]:
    """The classes with something waiting that the gateway carries, most important first."""
    pickup, stock = stats[ItemKind.PICKUP], stats[ItemKind.INVENTORY]
    counts = (
        (ItemKind.PICKUP, PICKUP, pickup.waiting, pickup.oldest_at),
        (ItemKind.INVENTORY, URGENT, stock.urgent, stock.oldest_urgent_at),
        (ItemKind.INVENTORY, STOCK, stock.waiting - stock.urgent, stock.oldest_at),
    )
    return [
        ItemClass(kind=kind, priority=priority, waiting=waiting, oldest_at=oldest, terms=terms[kind, priority])
        for kind, priority, waiting, oldest in counts
        if waiting > 0 and (kind, priority) in terms
    ]


def held_back(each: ItemClass, now: datetime, busy_routes: Collection[tuple[ItemKind, str]]) -> Departure | None:
    """The obstacle that keeps one class from leaving, whatever the policy decides; ``None`` if there is none."""
    if each.priority != STOCK and each.terms.exclusive and (each.kind, each.terms.route) in busy_routes:
        return Departure(each.kind, each.priority, _INF, "the batch before it, which is not settled yet")
    if each.oldest_at is None:
        return None
    seconds = each.terms.coalesce_seconds - max(0.0, (now - each.oldest_at).total_seconds())
    if seconds > 0:
        return Departure(each.kind, each.priority, seconds, "other changes, which travel together")
    return None


def grouped(
    classes: Iterable[ItemClass],
    terms: Mapping[tuple[ItemKind, str], BatchTerms],
    obstacles: Mapping[ItemKind, Obstacle],
    busy_routes: Collection[tuple[ItemKind, str]],
    holds: Mapping[ItemKind, float] | None = None,
) -> list[Group]:
    """The queues of these classes by the quota that they draw on.

    A queue is busy with a feed of its own route. A feed of another one keeps only its own items back, in the store.

    A kind is in every group whose quota it may draw on, also with nothing waiting: the policy keeps slots for packing.
    """
    rules: dict[str | None, QuotaRule | None] = {}
    kinds: dict[str | None, dict[ItemKind, list[ItemClass]]] = {}
    busy_queues: set[tuple[ItemKind, str | None]] = set()
    for (kind, _), each in terms.items():
        name = None if each.quota is None else each.quota.name
        rules[name] = each.quota
        if (kind, each.route) in busy_routes:
            busy_queues.add((kind, name))
        kinds.setdefault(name, {}).setdefault(kind, [])
    for item_class in classes:
        quota = item_class.terms.quota
        kinds[None if quota is None else quota.name][item_class.kind].append(item_class)
    return [
        Group(
            rules[name],
            tuple(
                _queue(kind, own, obstacles.get(kind), (kind, name) in busy_queues, (holds or {}).get(kind, 0.0))
                for kind, own in by.items()
            ),
        )
        for name, by in kinds.items()
    ]


def _queue(kind: ItemKind, classes: Sequence[ItemClass], blocked: Obstacle | None, is_busy: bool, hold: float) -> Queue:
    return Queue(
        kind=kind,
        waiting=sum(each.waiting for each in classes),
        urgent=sum(each.waiting for each in classes if each.priority == URGENT),
        busy=is_busy,
        blocked="" if blocked is None else blocked.why,
        blocked_seconds=_INF if blocked is None else blocked.seconds,
        hold_seconds=hold,
    )


def obstacle(
    kind: ItemKind,
    *,
    sending: bool,
    looking_up: bool,
    cooldown: tuple[float, str] | None,
    outage: tuple[float, datetime] | None,
) -> Obstacle | None:
    """The obstacle that holds back all items of a kind; ``None`` if there is none."""
    if cooldown is not None and not sending:
        return Obstacle(*cooldown)
    if outage is not None:
        seconds, since = outage
        return Obstacle(max(seconds, _MOMENT), f"Amazon, which has not been reachable since {since:%H:%M} UTC")
    if sending and looking_up and kind is ItemKind.PICKUP:
        return Obstacle(_INF, "an order lookup that is under way")
    if sending:
        return Obstacle(_INF, "a feed that is leaving right now")
    return None


def busy(
    kind: ItemKind,
    route: str,
    unfinished: Iterable[StoredBatch],
    carried: Mapping[str, InFlightBatch],
    now: datetime,
    timing: SchedulerTiming,
) -> bool:
    """Whether a feed of this kind and route is being processed that the next one should wait for.

    Not one whose answer is missing: it keeps only its own items back. Not one that is stuck either: pickups pass it
    then, and ordinary stock when its batch is settled (``SchedulerTiming.pass_after_seconds``).
    """
    for stored in unfinished:
        if stored.kind is not kind or stored.route not in ("", route):  # no route: an earlier version opened it
            continue
        batch = carried.get(stored.batch_id)
        if batch is not None and batch.phase is BatchPhase.UNANSWERED:
            continue
        age = (now - (stored.submitted_at or stored.opened_at)).total_seconds()
        if batch is None and stored.feed_id is None and age > timing.lease_seconds:
            continue
        if kind is ItemKind.PICKUP and age > timing.stuck_after_seconds:
            continue
        return True
    return False


def urgent_first(classes: Sequence[ItemClass]) -> list[ItemClass]:
    """The classes without ordinary stock that would take urgent stock along on a slower route.

    A store gives urgent items out first. Where they have a route of their own, a feed waits until they have left.
    """
    own = {each.terms.route for each in classes if each.priority == URGENT}
    return [each for each in classes if each.priority != STOCK or not own or each.terms.route in own]
