"""Gives up orders whose pickup Amazon neither accepts nor refuses. Pure.

Amazon may fail for one order or for all of them. An order is given up

1. after ``_MOST_FAILURES`` failures in a row, others having been booked since the last one;
2. after ``_LONGEST`` of failures in any case, so that it doesn't delay the others forever.

It is then ``UNKNOWN`` if its booking may have arrived (a person must check), else ``REJECTED``.
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
    others: int = 0  # orders that ended before its last failure
    sure: bool = True  # no booking of it can have arrived


class FailingOrders:
    """Counts the failures of orders. In memory: a restarted process counts from zero."""

    def __init__(self) -> None:
        self._failing: dict[str, _Failing] = {}
        self._others = 0

    def is_suspect(self, order_id: str) -> bool:
        """Whether the order's last attempt failed."""
        return order_id in self._failing

    def judge(self, outcome: ItemOutcome, now: datetime, *, booked: bool = True) -> ItemOutcome:
        """The outcome of an attempt; a repeated failure becomes final.

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
