"""Distinguishes an order that spoils its own answer from an outage. Pure.

A read about one order that stays unreadable, or that Amazon answers with a fault of its own, may be about that
order or about all of them. The rules:

1. The first failure of that kind ends the poll: in an outage nothing else would come either.
2. The order is then a suspect. When it fails again the poll goes on with the others, and the order waits.
3. It is given up after six hours if the answer about another order was read between two of its failures, else after a
   day.
"""

from __future__ import annotations

from typing import Final

from amazon_ae._exceptions import (
    ConfigurationError,
    InvalidRequest,
    RegionNotSupported,
    ServiceUnavailable,
    UnreadableResponse,
)

__all__ = ["Suspects", "is_of_one_order", "may_be_of_one_order"]

_MOST: Final = 10_000


def is_of_one_order(error: BaseException) -> bool:
    """Whether the request failed because of this one order, for a reason that waiting does not cure."""
    if isinstance(error, RegionNotSupported):
        return False
    return isinstance(error, ConfigurationError) or (
        isinstance(error, InvalidRequest | UnreadableResponse) and not error.retryable
    )


def may_be_of_one_order(error: BaseException) -> bool:
    """Whether it may be this one order's fault, and may be an outage."""
    return isinstance(error, UnreadableResponse | ServiceUnavailable)


class Suspects:
    """Orders whose request failed. In memory: a restarted process meets each of them once more."""

    def __init__(self) -> None:
        self._read = 0
        self._failed_at: dict[str, int] = {}

    def read(self, name: str) -> None:
        """The answer about this one was read."""
        self._read += 1
        self._failed_at.pop(name, None)

    def failed(self, name: str) -> tuple[bool, bool]:
        """The answer about this one failed; returns whether it was a suspect already, and whether others were read
        since.
        """
        before = self._failed_at.pop(name, None)
        self._failed_at[name] = self._read
        while len(self._failed_at) > _MOST:
            del self._failed_at[next(iter(self._failed_at))]
        return before is not None, before is not None and self._read > before
