"""Ordered faults: which request meets one, how often, until when, or how likely. Shared by the fakes of Amazon."""

from __future__ import annotations

import random
from datetime import datetime

import attrs

from amazon_ae._models.checks import check_aware

__all__ = ["FaultPlan", "OrderedFault"]


@attrs.define(kw_only=True)
class OrderedFault:
    """A fault that waits for its request.

    Attributes:
        action: the operation; ``"*"`` is any.
        fault: which, by its word.
        times: how many requests it strikes; ``None`` for no limit.
        until: it ends at this instant of the fake's clock.
        probability: it strikes this share of the requests, drawn from ``chance``.
        seconds: of delay, where the fault has one.
        feed_type: only a feed of this type.
    """

    action: str
    fault: str
    times: int | None
    until: datetime | None
    probability: float
    chance: random.Random = attrs.field(repr=False)
    seconds: float
    feed_type: str | None


class FaultPlan:
    """The ordered faults, first come first served."""

    def __init__(self) -> None:
        self.waiting: list[OrderedFault] = []

    def order(
        self,
        *,
        action: str,
        fault: str,
        times: int | None,
        until: datetime | None,
        probability: float,
        seed: int,
        seconds: float,
        feed_type: str | None,
    ) -> None:
        """Order one fault, as ``OrderedFault`` describes it; ``seed`` starts its ``chance``."""
        check_aware(until=until)
        self.waiting.append(
            OrderedFault(
                action=action,
                fault=fault,
                times=times,
                until=until,
                probability=probability,
                chance=random.Random(seed),
                seconds=seconds,
                feed_type=feed_type,
            )
        )

    def take(self, action: str, feed_type: str | None, now: datetime) -> OrderedFault | None:
        """The fault for this request, if one was ordered."""
        self.waiting = [ordered for ordered in self.waiting if ordered.until is None or now < ordered.until]
        for ordered in self.waiting:
            if ordered.action not in (action, "*") or ordered.feed_type not in (None, feed_type):
                continue
            if ordered.probability < 1.0 and ordered.chance.random() >= ordered.probability:
                continue
            if ordered.times is not None:
                ordered.times -= 1
                if ordered.times <= 0:
                    self.waiting.remove(ordered)
            return ordered
        return None

    def clear(self) -> None:
        """Forget every fault that has not struck yet."""
        self.waiting.clear()
