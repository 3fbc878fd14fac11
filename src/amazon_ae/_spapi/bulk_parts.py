"""The parts in which a batch goes out by a bulk call, where one order may break the whole call. Pure.

A call that Amazon refuses, or has not answered twice in a row, is halved until the order that breaks it is alone. An
outage looks the same: without any answer after ``_MOST_FAULTS`` calls, it is no order's fault.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from enum import Enum, auto
from typing import Final

from amazon_ae._exceptions import AmazonAeError, InvalidRequest, OutcomeUnknown, ServiceUnavailable

__all__ = ["BulkParts", "Failed"]

_MOST_UNANSWERED: Final = 2
_MOST_FAULTS: Final = 6


class Failed(Enum):
    """What a failed call means."""

    HALVED = auto()  # its halves go out after the other parts
    ALONE = auto()  # it is this order's fault, at least for now
    ALL = auto()  # nothing more goes out


class BulkParts:
    """The parts of one batch that are left.

    Args:
        order_ids: of the batch.
        suspects: those that failed before. They go alone, and last.
        unanswered: how many earlier calls in a row had no answer.

    Attributes:
        answered: whether a call was answered.
        unanswered: the same count after the calls so far.
    """

    def __init__(self, order_ids: Sequence[str], suspects: Collection[str], unanswered: int) -> None:
        self._together = [order_id for order_id in order_ids if order_id not in suspects]
        self._left = deque([self._together] if self._together else [])
        self._left += [[order_id] for order_id in order_ids if order_id in suspects]
        self._faults = 0
        self.unanswered: int = unanswered
        self.answered: bool = False

    def __bool__(self) -> bool:
        return bool(self._left)

    @property
    def next(self) -> list[str]:
        """The orders of the next call."""
        return self._left[0]

    def rest(self) -> list[str]:
        """All orders that are left."""
        return [order_id for part in self._left for order_id in part]

    def done(self) -> None:
        """The call was answered."""
        self._left.popleft()
        self._faults = self.unanswered = 0
        self.answered = True

    def failed(self, error: AmazonAeError) -> Failed:
        """The call failed."""
        if not isinstance(error, InvalidRequest | OutcomeUnknown | ServiceUnavailable):
            return Failed.ALL
        self._faults += 1
        part = self._left[0]
        if not isinstance(error, InvalidRequest) and part is self._together and not self.answered:
            self.unanswered += 1
            if self.unanswered < _MOST_UNANSWERED:
                return Failed.ALL  # it happens
        if self._faults == _MOST_FAULTS:
            return Failed.ALL
        self._left.popleft()
        if len(part) == 1:
            return Failed.ALONE
        middle = len(part) // 2
        self._left += [part[:middle], part[middle:]]
        return Failed.HALVED
