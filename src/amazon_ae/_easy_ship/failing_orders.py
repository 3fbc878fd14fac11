"""How long an order may wait whose pickup Amazon neither takes nor refuses. Pure.

Amazon fails with one order, or with all of them. An order is given up

1. after ``_MOST_FAILURES`` failures in a row, others having been booked since the last one;
2. after ``_LONGEST`` of failures in any case, so that it doesn't stand in front of the others forever.

One whose booking may have arrived is ``UNKNOWN`` then, a person looks; any other is ``REJECTED``.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import attrs

from amazon_ae._models.feeds import ItemOutcome, Outcome

__all__ = ["FailingOrders"]

_MOST_FAILURES: Final = 5
_LONGEST: Final = timedelta(hours=6)
_MOST_ORDERS: Final = 10_000


@attrs.define
class _Failing:
    since: datetime
    failures: int = 0
    others: int = 0  # how many others were dealt with at its last failure
    sure: bool = True  # nothing of it can have arrived


class FailingOrders:
    """The orders that fail, in memory: a process that starts anew counts anew."""

    def __init__(self) -> None:
        self._failing: dict[str, _Failing] = {}
        self._others = 0

    def is_suspect(self, order_id: str) -> bool:
        """Whether it failed last time."""
        return order_id in self._failing

    def judge(self, outcome: ItemOutcome, now: datetime, *, booked: bool = True) -> ItemOutcome:
        """The outcome of an attempt, as it counts.

        Args:
            booked: a booking was sent, so that it may have arrived.
        """
        if outcome.outcome is not Outcome.RETRY:
            self._failing.pop(outcome.key, None)
            self._others += 1
            return outcome
        order = self._failing.setdefault(outcome.key, _Failing(since=now, others=self._others))
        order.failures += 1
        order.sure = order.sure and not booked
        alone = order.failures > _MOST_FAILURES and self._others > order.others
        order.others = self._others
        if not alone and now - order.since < _LONGEST:
            while len(self._failing) > _MOST_ORDERS:
                del self._failing[next(iter(self._failing))]
            return outcome
        del self._failing[outcome.key]
        text = f"Amazon failed with this order {order.failures} times in a row, try again later: {outcome.message}"
        final = Outcome.REJECTED if order.sure else Outcome.UNKNOWN
        return attrs.evolve(outcome, outcome=final, message=text)
