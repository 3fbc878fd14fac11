"""What leaves now, or when to look again: the spending policy, as plain functions of state.

A place spent on one lane is missing on the others, so the question is never *may we send* but *is this worth a place
now*. Three lanes compete:

``pickup``  a person waits at the bench;
``urgent``  stock that went to zero: the shop oversells until it is known;
``stock``   all other stock.

The policy in five rules, each found by simulation (``docs/explanation/quota.md`` shows the table):

1. *Prompt lanes leave at once while the hour is quiet.* As prompt feeds take more of the hour, they are spaced wider,
   up to ``prompt_spacing``, and share. The share of the hour is weighted by age (a triangle over the hour): a feed
   that fades out slowly does not make the same hole an hour later that it made when it left.
2. *A crowd leaves sooner, a single parcel a little later*: spacing shrinks slowly with the number that waits.
3. *Stock is spread evenly over what prompt feeds leave of the hour.* Spending the burst first is bad spending: what
   leaves in a bunch comes back in a bunch, an hour later, for ever.
4. *Stock never takes the last place*, unless the next one is back before a prompt feed is likely to want it.
5. *After an idle hour, stock makes what is left last until places come back*: the first hour of a morning has all
   thirty, and none returns before it is over.

Lengths are in units of the quota's mean interval (an hour divided by the places in it; SubmitFeed: 120 s), so that one
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
_HOUR: Final = 3600.0


@attrs.frozen(kw_only=True)
class FeedPolicy:
    """How places are spent. The default suits any load; the class methods give the two classic ways.

    Attributes:
        quiet_share: up to this part of the hour's places, prompt feeds leave at once.
        busy_share: from this part on, they are ``prompt_spacing`` apart.
        prompt_spacing: in mean intervals; the widest regular distance of two prompt feeds of one lane.
        crowd_exponent: how strongly a crowd shortens the spacing, and a single parcel lengthens it; 0 switches it off.
        last_place: in mean intervals; stock may take the last place if the next is back within this time.
        spare_places: places of the hour that the even spacing of stock leaves unplanned.
        stock_every_seconds: a fixed distance between stock feeds instead of even spacing, at most 3,600; ``None`` for
            even.
    """

    quiet_share: float = 0.38
    busy_share: float = 0.48
    prompt_spacing: float = 2.125
    crowd_exponent: float = 0.1
    last_place: float = 0.5
    spare_places: float = 0.9
    stock_every_seconds: float | None = None

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.quiet_share < self.busy_share:
            raise ConfigurationError("quiet_share must be at least 0 and below busy_share")
        if min(self.prompt_spacing, self.crowd_exponent, self.last_place, self.spare_places) < 0:
            raise ConfigurationError("no value of a FeedPolicy may be negative")
        if self.stock_every_seconds is not None and not 0 < self.stock_every_seconds <= _HOUR:
            raise ConfigurationError("stock_every_seconds must be above 0 and at most 3600")

    @classmethod
    def every(cls, *, minutes: float) -> FeedPolicy:
        """Amazon's advice for inventory: one feed per so many minutes, at most 60; pickups and urgent stock at once."""
        return cls(prompt_spacing=0.0, stock_every_seconds=minutes * 60.0)

    @classmethod
    def hourly_flush(cls) -> FeedPolicy:
        """One stock feed an hour, all other places for pickups, at once: the classic way, for comparison."""
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
    """When the next feed of a lane leaves, if nothing else happens.

    Attributes:
        kind, lane: what leaves.
        wait_seconds: 0 for now; ``inf`` where only an event can tell.
        why: what it waits for, in words; ``""`` for now.
    """

    kind: ItemKind
    lane: str
    wait_seconds: float
    why: str = ""


@attrs.frozen
class Send:
    """Open a batch of this kind now."""

    kind: ItemKind
    lane: str


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
            return Send(departure.kind, departure.lane)
    soonest = min(departures, key=lambda departure: departure.wait_seconds, default=None)
    return LookAgain(soonest.wait_seconds, soonest.why) if soonest else LookAgain(math.inf, "nothing waits")


def plan(ledger: Ledger | None, queues: Iterable[Queue], policy: FeedPolicy) -> list[Departure]:
    """When each lane with something waiting would leave, most important lane first."""
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


def _prompt(ledger: Ledger | None, queue: Queue, lane: str, waiting: int, policy: FeedPolicy) -> Departure:
    if queue.blocked:
        return Departure(queue.kind, lane, queue.blocked_seconds, queue.blocked)
    if ledger is None or queue.ledgerless:
        return Departure(queue.kind, lane, 0.0)
    return _longest(
        queue.kind,
        lane,
        (ledger.wait_seconds(), "a place in the quota"),
        (_prompt_wait(ledger, lane, waiting, policy), "company: the quota is scarce, feeds are shared"),
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
        (ledger.wait_seconds(), "a place in the quota"),
        (_since(ledger, spacing, *_INVENTORY), "its turn: what packing leaves of the quota is spread evenly"),
    ]
    if pickup is not None:  # packing shares the quota: its next feed shall find a place
        allowed = policy.last_place * _interval(ledger)
        following = ledger.wait_seconds(2)
        if following > max(allowed, _prompt_wait(ledger, PICKUP, pickup.waiting, policy)):
            waits.append((following - allowed, "a second place: the last one is kept for packing"))
    return _longest(queue.kind, STOCK, *waits)


def _prompt_wait(ledger: Ledger, lane: str, waiting: int, policy: FeedPolicy) -> float:
    """Seconds until spacing lets a prompt lane leave (rules 1 and 2)."""
    share = _prompt_places(ledger) / _per_hour(ledger)
    busy = min(1.0, max(0.0, (share - policy.quiet_share) / (policy.busy_share - policy.quiet_share)))
    crowd = (2.0 / max(1, waiting)) ** policy.crowd_exponent
    return _since(ledger, policy.prompt_spacing * _interval(ledger) * busy**2 * crowd, lane)


def _spread(ledger: Ledger, policy: FeedPolicy) -> float:
    """The even distance of stock feeds in what prompt feeds leave of the hour (rule 3)."""
    left = _per_hour(ledger) - policy.spare_places - _prompt_places(ledger)
    return max(_HOUR / max(left, _per_hour(ledger) / 4), _thrift(ledger, policy))


def _thrift(ledger: Ledger, policy: FeedPolicy) -> float:
    """The distance that makes what is left of the hour last until places come back (rule 5), twice as wide when prompt
    feeds take as much; 0 while places come back all the time.
    """
    ages = ledger.ages(*_PROMPT, STOCK, FOREIGN)
    dry = _HOUR - ages[-1] if ages else 0.0
    if ledger.rule.per_hour is None or dry < 5 * _interval(ledger):
        return 0.0
    prompt = min(1.0, _prompt_places(ledger) / (policy.busy_share * _per_hour(ledger)))
    return (1.0 + prompt) * dry / max(1, ledger.rule.per_hour - ledger.used)


def _prompt_places(ledger: Ledger) -> float:
    """Prompt feeds an hour, a fresh one counting twice and one of an hour ago not at all."""
    return 2.0 * sum(max(0.0, 1.0 - age / _HOUR) for age in ledger.ages(*_PROMPT, FOREIGN))


def _since(ledger: Ledger, spacing: float, *lanes: str) -> float:
    """Seconds until the last feed of these lanes is ``spacing`` seconds ago; 0 if there was none within the hour."""
    ages = ledger.ages(*lanes)
    return max(0.0, spacing - ages[0]) if ages else 0.0


def _per_hour(ledger: Ledger) -> float:
    restored = _HOUR / ledger.rule.restore_seconds
    return restored if ledger.rule.per_hour is None else min(restored, ledger.rule.per_hour)


def _interval(ledger: Ledger) -> float:
    return _HOUR / _per_hour(ledger)


def _longest(kind: ItemKind, lane: str, *waits: tuple[float, str]) -> Departure:
    seconds, why = max(waits)
    return Departure(kind, lane, seconds, why if seconds > 0 else "")
