"""What leaves now, or when to look again: the spending policy, as plain functions of state.

A slot spent on one priority is missing on the others, so the question is never *may we send* but *is this worth a slot
now*. Three priorities compete:

``pickup``  a person waits at the bench;
``urgent``  stock that went to zero: the shop oversells until it is known;
``stock``   all other stock.

The policy in five rules, each found by simulation (``docs/explanation/quota.md`` shows the table):

1. *Prompt classes leave at once while the hour is quiet.* As prompt feeds take more of the hour, they are spaced wider,
   up to ``prompt_spacing``, and share. The share of the hour is weighted by age (a triangle over the hour): a feed
   that fades out slowly does not make the same hole an hour later that it made when it left.
2. *A crowd leaves sooner, a single parcel a little later*: spacing shrinks slowly with the number that waits.
3. *Stock is spread evenly over what prompt feeds leave of the hour.* Spending the burst first is bad spending: what
   leaves in a bunch comes back in a bunch, an hour later, for ever.
4. *Stock never takes the last slot*, unless the next one is back before a prompt feed is likely to want it.
5. *After an idle hour, stock makes what is left last until slots come back*: the first hour of a morning has all
   thirty, and none returns before it is over.

Lengths are in units of the quota's mean interval (an hour divided by the slots in it; SubmitFeed: 120 s), so that one
policy fits every quota.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import attrs

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.feeds import ItemKind
from amazon_ae._scheduling.quota import FOREIGN, Ledger

__all__ = ["PICKUP", "STOCK", "URGENT", "Departure", "FeedPolicy", "LookAgain", "Queue", "Send", "decide", "plan"]

PICKUP: Final = "pickup"
URGENT: Final = "urgent"
STOCK: Final = "stock"
_PROMPT: Final = (PICKUP, URGENT)
_INVENTORY: Final = (URGENT, STOCK)
_HOUR: Final = 3600.0  # the longest fixed distance of stock feeds


@attrs.frozen(kw_only=True)
class FeedPolicy:
    """How slots are spent. The default suits any load; the class methods give the two classic ways.

    Attributes:
        quiet_share: up to this part of the hour's slots, prompt feeds leave at once.
        busy_share: from this part on, they are ``prompt_spacing`` apart.
        prompt_spacing: in mean intervals; the widest regular distance of two prompt feeds of one priority.
        crowd_exponent: how strongly a crowd shortens the spacing, and a single parcel lengthens it; 0 switches it off.
        last_slot: in mean intervals; stock may take the last slot if the next is back within this time.
        spare_slots: slots of the hour that the even spacing of stock leaves unplanned.
        stock_every_seconds: a fixed distance between stock feeds instead of even spacing, at most 3,600; ``None`` for
            even.
    """

    quiet_share: float = 0.38
    busy_share: float = 0.48
    prompt_spacing: float = 2.125
    crowd_exponent: float = 0.1
    last_slot: float = 0.5
    spare_slots: float = 0.9
    stock_every_seconds: float | None = None

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.quiet_share < self.busy_share:
            raise ConfigurationError("quiet_share must be at least 0 and below busy_share")
        if min(self.prompt_spacing, self.crowd_exponent, self.last_slot, self.spare_slots) < 0:
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
    """How one kind stands.

    Attributes:
        waiting: items that could leave now; ``urgent`` of them are urgent (of inventory: gone to zero).
        busy: a feed of this kind is being processed; stock then waits, pickups and urgent stock do not.
        blocked: why nothing of this kind may leave at all, in words; ``""`` if nothing is in the way.
        blocked_seconds: for how long, where that is known; else ``inf``.
        ledgerless: this kind draws on no quota: its route paces itself.
    """

    kind: ItemKind
    waiting: int = 0
    urgent: int = 0
    busy: bool = False
    blocked: str = ""
    blocked_seconds: float = math.inf
    ledgerless: bool = False


@attrs.frozen
class Departure:
    """When the next feed of a priority leaves, if nothing else happens.

    Attributes:
        kind, priority: what leaves.
        wait_seconds: 0 for now; ``inf`` where only an event can tell.
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
class LookAgain:
    """Nothing leaves now. ``seconds`` is ``inf`` where only an event can change that; ``why`` is in words."""

    seconds: float
    why: str


def decide(ledger: Ledger | None, queues: Iterable[Queue], policy: FeedPolicy) -> Send | LookAgain:
    """The one decision: which kind leaves now, or when to look again. ``queues`` are those that draw on ``ledger``."""
    departures = plan(ledger, queues, policy)
    for departure in departures:
        if departure.wait_seconds <= 0:
            return Send(departure.kind, departure.priority)
    soonest = min(departures, key=lambda departure: departure.wait_seconds, default=None)
    return LookAgain(soonest.wait_seconds, soonest.why) if soonest else LookAgain(math.inf, "nothing waits")


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
    if ledger is None or queue.ledgerless:
        return Departure(queue.kind, priority, 0.0)
    return _longest(
        queue.kind,
        priority,
        (ledger.wait_seconds(), "a slot in the quota"),
        (_prompt_wait(ledger, priority, waiting, policy), "company: the quota is scarce, feeds are shared"),
    )


def _stock(ledger: Ledger | None, queue: Queue, pickup: Queue | None, policy: FeedPolicy) -> Departure:
    if queue.blocked:
        return Departure(queue.kind, STOCK, queue.blocked_seconds, queue.blocked)
    if queue.busy:
        return Departure(queue.kind, STOCK, math.inf, "the stock feed before this one is still being processed")
    if ledger is None or queue.ledgerless:
        return Departure(queue.kind, STOCK, 0.0)
    spacing = _spread(ledger, policy) if policy.stock_every_seconds is None else policy.stock_every_seconds
    waits = [
        (ledger.wait_seconds(), "a slot in the quota"),
        (_since(ledger, spacing, *_INVENTORY), "its turn: what packing leaves of the quota is spread evenly"),
    ]
    if pickup is not None:  # packing shares the quota: its next feed shall find a slot
        allowed = policy.last_slot * _interval(ledger)
        following = ledger.wait_seconds(2)
        if following > max(allowed, _prompt_wait(ledger, PICKUP, pickup.waiting, policy)):
            waits.append((following - allowed, "a second slot: the last one is kept for packing"))
    return _longest(queue.kind, STOCK, *waits)


def _prompt_wait(ledger: Ledger, priority: str, waiting: int, policy: FeedPolicy) -> float:
    """Seconds until spacing lets a prompt priority leave (rules 1 and 2)."""
    share = _prompt_slots(ledger) / _slots(ledger)
    busy = min(1.0, max(0.0, (share - policy.quiet_share) / (policy.busy_share - policy.quiet_share)))
    crowd = (2.0 / max(1, waiting)) ** policy.crowd_exponent
    return _since(ledger, policy.prompt_spacing * _interval(ledger) * busy**2 * crowd, priority)


def _spread(ledger: Ledger, policy: FeedPolicy) -> float:
    """The even distance of stock feeds in what prompt feeds leave of the hour (rule 3)."""
    left = _slots(ledger) - policy.spare_slots - _prompt_slots(ledger)
    return max(ledger.horizon_seconds / max(left, _slots(ledger) / 4), _thrift(ledger, policy))


def _thrift(ledger: Ledger, policy: FeedPolicy) -> float:
    """The distance that makes what is left of the hour last until slots come back (rule 5), twice as wide when prompt
    feeds take as much; 0 while slots come back all the time.
    """
    window = ledger.rule.window_seconds
    ages = [age for age in ledger.ages(*_PROMPT, STOCK, FOREIGN) if age <= window]
    dry = window - ages[-1] if ages else 0.0
    if ledger.rule.limit is None or dry < 5 * _interval(ledger):
        return 0.0
    prompt = min(1.0, _prompt_slots(ledger) / (policy.busy_share * _slots(ledger)))
    return (1.0 + prompt) * dry / max(1, ledger.rule.limit - ledger.used)


def _prompt_slots(ledger: Ledger) -> float:
    """Prompt feeds an hour, a fresh one counting twice and one of an hour ago not at all."""
    return 2.0 * sum(max(0.0, 1.0 - age / ledger.horizon_seconds) for age in ledger.ages(*_PROMPT, FOREIGN))


def _since(ledger: Ledger, spacing: float, *priorities: str) -> float:
    """Seconds until the last feed of these priorities is ``spacing`` seconds ago; 0 if there was none."""
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
