"""What leaves now, or when to plan again: the spending policy, as plain functions of state.

A slot spent on one priority class is missing for the others, so the question is never *may we send* but *is this worth
a slot now*. Three classes compete:

``pickup``  a person waits at the bench;
``urgent``  stock that went to zero: the shop oversells until it is known;
``stock``   all other stock.

The policy in six rules. Each was found by simulation, and ``docs/explanation/quota.md`` shows what each one buys:

1. *Prompt classes leave at once while the hour is quiet.* As prompt feeds take more of the hour, they are spaced wider,
   up to ``prompt_spacing``, and share. Within the hour, recent feeds weigh more than old ones.
2. *The more items wait, the sooner the feed leaves*; a single one waits a little longer.
3. *No feed of pickups queues at Amazon if its items could travel with others.* Amazon processes feeds of one type one
   after another. A second feed behind an unfinished one finishes no earlier than one that leaves at its end, but
   whoever asks meanwhile would need a third. One that takes far longer than the latest did is no longer waited for.
4. *Stock is spread evenly over what prompt and foreign feeds leave of the hour.* Spending the burst first is bad
   spending: what leaves in a bunch comes back in a bunch, an hour later, forever.
5. *Stock never takes the last slot*, unless the next one is back before a prompt feed may leave.
6. *After an idle hour, stock makes what is left last until slots come back*: the first hour of a morning has all
   thirty, and none returns before it is over.

Lengths are in units of the quota's mean interval (SubmitFeed: 120 s), and "the hour" is the rule's horizon: its window,
or the time in which an empty bucket fills, if that is longer. So one policy fits every quota.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import attrs

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.feeds import ItemKind
from amazon_ae._scheduling.quota import FOREIGN, Ledger

__all__ = ["PICKUP", "STOCK", "URGENT", "Departure", "FeedPolicy", "Queue", "Send", "Wait", "decide", "plan"]

PICKUP: Final = "pickup"
URGENT: Final = "urgent"
STOCK: Final = "stock"
_PROMPT: Final = (PICKUP, URGENT)
_INVENTORY: Final = (URGENT, STOCK)
_SCARCE_SECONDS: Final = 20.0  # ours: half a minute between two feeds is scarce, seconds between two patches are not
_HOUR: Final = 3600.0  # the longest fixed distance of stock feeds


@attrs.frozen(kw_only=True)
class FeedPolicy:
    """How slots are spent. The default suits any load; the class methods give the two classic ways.

    Attributes:
        quiet_share: up to this part of the hour's slots, prompt feeds leave at once.
        busy_share: from this part on, they are ``prompt_spacing`` apart.
        prompt_spacing: in mean intervals; the widest regular distance of two prompt feeds of one class.
        queue_exponent: how strongly a long queue shortens that distance, and a single item lengthens it; 0 switches it
            off.
        freshness: how much more recent prompt feeds weigh than old ones: 0 not at all, 1 fully (twice when fresh, not
            at all after an hour).
        spare_slots: slots of the hour that the even spacing of stock leaves unplanned while prompt feeds are few.
        foreign_weight: how many slots of the next hour each feed of another program in the last one takes: a little
            more than one, because such a feed is known only when it has been sent.
        stock_every_seconds: a fixed distance between stock feeds instead of even spacing, at most 3,600; ``None`` for
            even.
    """

    quiet_share: float = 0.17
    busy_share: float = 0.53
    prompt_spacing: float = 2.37
    queue_exponent: float = 0.093
    freshness: float = 0.6
    spare_slots: float = 2.2
    foreign_weight: float = 1.05
    stock_every_seconds: float | None = None

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.quiet_share < self.busy_share:
            raise ConfigurationError("quiet_share must be at least 0 and below busy_share")
        if not 0 <= self.freshness <= 1:
            raise ConfigurationError("freshness must be between 0 and 1")
        if min(self.prompt_spacing, self.queue_exponent, self.spare_slots, self.foreign_weight) < 0:
            raise ConfigurationError("no value of a FeedPolicy may be negative")
        if self.stock_every_seconds is not None and not 0 < self.stock_every_seconds <= _HOUR:
            raise ConfigurationError("stock_every_seconds must be above 0 and at most 3600")

    @classmethod
    def every(cls, *, minutes: float) -> FeedPolicy:
        """Amazon's advice for inventory: one feed per so many minutes, at most 60; pickups and urgent stock at once."""
        return cls(prompt_spacing=0.0, stock_every_seconds=minutes * 60.0)

    @classmethod
    def hourly_flush(cls) -> FeedPolicy:
        """One stock feed an hour, all other slots for pickups, at once: the classic way, for comparison."""
        return cls.every(minutes=60)


@attrs.frozen(kw_only=True)
class Queue:
    """The waiting items of one kind.

    Attributes:
        waiting: items that could leave now; ``urgent`` of them are urgent (of inventory: gone to zero).
        busy: a feed of this kind is being processed; stock then waits, pickups and urgent stock do not.
        blocked: the reason why nothing of this kind may leave; ``""`` if it may.
        blocked_seconds: how long that lasts; ``inf`` where it is not known.
        hold_seconds: for how long items wait at most for the feeds of this kind that Amazon has; 0 if it has none.
    """

    kind: ItemKind
    waiting: int = 0
    urgent: int = 0
    busy: bool = False
    blocked: str = ""
    blocked_seconds: float = math.inf
    hold_seconds: float = 0.0


@attrs.frozen
class Departure:
    """When the next feed of a priority leaves, if nothing else happens.

    Attributes:
        kind, priority: what leaves.
        wait_seconds: 0 for now; ``inf`` where only an event decides it.
        why: what it waits for, in words; ``""`` for now.
    """

    kind: ItemKind
    priority: str
    wait_seconds: float
    why: str = ""


@attrs.frozen
class Send:
    """Open a batch of this kind now."""

    kind: ItemKind
    priority: str


@attrs.frozen
class Wait:
    """Nothing leaves now. ``seconds`` is ``inf`` where only an event can change that; ``why`` is in words."""

    seconds: float
    why: str


def decide(ledger: Ledger | None, queues: Iterable[Queue], policy: FeedPolicy) -> Send | Wait:
    """Which kind leaves now, or when to decide again. ``queues`` are those that draw on ``ledger``."""
    departures = plan(ledger, queues, policy)
    for departure in departures:
        if departure.wait_seconds <= 0:
            return Send(departure.kind, departure.priority)
    soonest = min(departures, key=lambda departure: departure.wait_seconds, default=None)
    return Wait(soonest.wait_seconds, soonest.why) if soonest else Wait(math.inf, "nothing waits")


def plan(ledger: Ledger | None, queues: Iterable[Queue], policy: FeedPolicy) -> list[Departure]:
    """When each priority with something waiting would leave, most important priority first."""
    found = {queue.kind: queue for queue in queues}
    departures = []
    pickup, inventory = found.get(ItemKind.PICKUP), found.get(ItemKind.INVENTORY)
    if pickup is not None and pickup.waiting:
        departures.append(_prompt(ledger, pickup, PICKUP, pickup.waiting, policy))
    if inventory is not None and inventory.urgent:
        departures.append(_prompt(ledger, inventory, URGENT, inventory.urgent, policy))
    if inventory is not None and inventory.waiting > inventory.urgent:
        departures.append(_stock(ledger, inventory, pickup, policy))
    return departures


def _prompt(ledger: Ledger | None, queue: Queue, priority: str, waiting: int, policy: FeedPolicy) -> Departure:
    if queue.blocked:
        return Departure(queue.kind, priority, queue.blocked_seconds, queue.blocked)
    if ledger is None:
        return Departure(queue.kind, priority, 0.0)
    return _longest(
        queue.kind,
        priority,
        (ledger.wait_seconds(), "a slot in the quota"),
        (_spacing_wait(ledger, priority, waiting, policy), "others: the quota is scarce, feeds are shared"),
        (
            queue.hold_seconds if priority == PICKUP else 0.0,
            "the end of the feed before it, which Amazon still processes",
        ),
    )


def _stock(ledger: Ledger | None, queue: Queue, pickup: Queue | None, policy: FeedPolicy) -> Departure:
    if queue.blocked:
        return Departure(queue.kind, STOCK, queue.blocked_seconds, queue.blocked)
    if queue.busy:
        return Departure(queue.kind, STOCK, math.inf, "the stock feed before this one is still being processed")
    if ledger is None:
        return Departure(queue.kind, STOCK, 0.0)
    spacing = _spread(ledger, policy) if policy.stock_every_seconds is None else policy.stock_every_seconds
    waits = [
        (ledger.wait_seconds(), "a slot in the quota"),
        (_since(ledger, spacing, *_INVENTORY), "its turn: what packing leaves of the quota is spread evenly"),
    ]
    if pickup is not None:  # pickups share the quota: keep a slot for their next feed (rule 5)
        following = ledger.wait_seconds(2)
        if following > _spacing_wait(ledger, PICKUP, pickup.waiting, policy):
            waits.append((following, "a second slot: the last one is kept for packing"))
    return _longest(queue.kind, STOCK, *waits)


def _spacing_wait(ledger: Ledger, priority: str, waiting: int, policy: FeedPolicy) -> float:
    """Seconds until spacing lets a prompt class leave (rules 1 and 2)."""
    if not _is_scarce(ledger):
        return 0.0
    spacing = policy.prompt_spacing * _interval(ledger) * _busy(ledger, policy) ** 2
    return _since(ledger, spacing * (2.0 / max(1, waiting)) ** policy.queue_exponent, priority)


def _spread(ledger: Ledger, policy: FeedPolicy) -> float:
    """The even distance of stock feeds in what the others leave of the hour (rule 4)."""
    if not _is_scarce(ledger):
        return 0.0
    spare = policy.spare_slots * (1.0 - _busy(ledger, policy))
    left = _slots(ledger) - spare - _prompt_slots(ledger, policy) - policy.foreign_weight * _recent(ledger, FOREIGN)
    return max(ledger.horizon_seconds / max(left, _slots(ledger) / 4), _thrift(ledger, policy))


def _thrift(ledger: Ledger, policy: FeedPolicy) -> float:
    """The distance that makes what is left of the hour last until slots come back (rule 6), twice as wide when prompt
    feeds take as much; 0 while slots come back all the time.
    """
    window = ledger.rule.window_seconds
    ages = [age for age in ledger.ages(*_PROMPT, STOCK, FOREIGN) if age <= window]
    dry = window - ages[-1] if ages else 0.0
    if ledger.rule.limit is None or dry < 5 * _interval(ledger):
        return 0.0
    prompt = min(1.0, _prompt_slots(ledger, policy) / (policy.busy_share * _slots(ledger)))
    return (1.0 + prompt) * dry / max(1, ledger.rule.limit - ledger.used)


def _is_scarce(ledger: Ledger) -> bool:
    """Whether a slot is worth saving. One that comes back within seconds (a block of patches) is not."""
    return _interval(ledger) >= _SCARCE_SECONDS


def _busy(ledger: Ledger, policy: FeedPolicy) -> float:
    """0 in a quiet hour, 1 in one in which prompt feeds take their share or more."""
    share = _prompt_slots(ledger, policy) / _slots(ledger)
    return min(1.0, max(0.0, (share - policy.quiet_share) / (policy.busy_share - policy.quiet_share)))


def _prompt_slots(ledger: Ledger, policy: FeedPolicy) -> float:
    """Prompt feeds of the last hour, weighted by age."""
    horizon, fresh = ledger.horizon_seconds, policy.freshness
    weights = (1.0 - fresh + 2.0 * fresh * (1.0 - age / horizon) for age in ledger.ages(*_PROMPT) if age <= horizon)
    return sum(weights)


def _recent(ledger: Ledger, priority: str) -> int:
    """Feeds of one class within the last hour."""
    return sum(age <= ledger.horizon_seconds for age in ledger.ages(priority))


def _since(ledger: Ledger, spacing: float, *priorities: str) -> float:
    """Seconds until the last feed of these classes is ``spacing`` seconds ago; 0 if there was none."""
    ages = ledger.ages(*priorities)
    return max(0.0, spacing - ages[0]) if ages else 0.0


def _slots(ledger: Ledger) -> float:
    """How many slots a horizon brings."""
    return ledger.horizon_seconds / _interval(ledger)


def _interval(ledger: Ledger) -> float:
    """The mean distance of two slots, in seconds."""
    rule = ledger.rule
    return max(rule.restore_seconds, 0.0 if rule.limit is None else rule.window_seconds / rule.limit)


def _longest(kind: ItemKind, priority: str, *waits: tuple[float, str]) -> Departure:
    seconds, why = max(waits)
    return Departure(kind, priority, seconds, why if seconds > 0 else "")
