"""Deletes settled items after a time, a few rows at each step, in the process that writes next.

A step reads one page of items in the order of their primary key, and deletes those of the page that are old: no index
is needed for it, and no lock lasts long. Where the last step ended, and when the next one is due, is a document of the
store, so that any number of processes do the work of one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, NamedTuple

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.feeds import ItemKind
from amazon_ae._storage.rows import micros

__all__ = ["DEFAULT_RETENTION", "DOCUMENT", "PAGE_ROWS", "Retention", "RetentionProgress"]

DEFAULT_RETENTION: Final[Mapping[ItemKind, timedelta | None]] = MappingProxyType(
    {ItemKind.INVENTORY: timedelta(days=30), ItemKind.PICKUP: timedelta(days=90)}
)
"""Deleted stock is merely sent again when it is put again. A pickup is kept as long as a repeated request must find it;
90
days are longer than any parcel takes."""

DOCUMENT: Final = "amazon_ae/retention"
"""The document that holds the progress."""

PAGE_ROWS: Final = 1_000
"""Rows that one step reads: some milliseconds."""

_BUSY_SECONDS: Final = 1.0  # after a step that deleted something: more is likely to be old beside it
_NEXT_SECONDS: Final = 10.0
_REST_SECONDS: Final = 600.0  # after a pass over all items


class RetentionProgress(NamedTuple):
    """Where the last step ended, as (account, kind, key), and when the next one is due, in ``micros``."""

    after: tuple[str, str, str] = ("", "", "")
    next_at: int = 0

    @classmethod
    def read(cls, text: str | None) -> RetentionProgress:
        """Read back what ``to_text`` wrote; a fresh pass where there is nothing."""
        if text is None:
            return cls()
        *after, next_at = json.loads(text)
        return cls((after[0], after[1], after[2]), next_at)

    def to_text(self) -> str:
        """The document."""
        return json.dumps([*self.after, self.next_at], ensure_ascii=False)

    def stepped(self, last: tuple[str, str, str] | None, deleted: int, now: int) -> RetentionProgress:
        """The progress after a step that read up to ``last``; ``None``: up to the end."""
        seconds = _BUSY_SECONDS if deleted else _NEXT_SECONDS if last else _REST_SECONDS
        return RetentionProgress(last or ("", "", ""), now + round(seconds * 1_000_000))


class Retention:
    """How long settled items of each kind are kept, and when this process asks for the next step.

    Accepted items count from ``accepted_at``, rejected pickups from ``put_at``. Rejected stock, ``UNKNOWN`` items and
    everything that waits or is in flight stay.

    Args:
        periods: by kind; ``None``, or a kind that is left out, is kept forever.

    Raises:
        ConfigurationError: a period is no positive ``timedelta``.
    """

    def __init__(self, periods: Mapping[ItemKind, timedelta | None]) -> None:
        for kind, period in periods.items():
            if period is not None and (not isinstance(period, timedelta) or period <= timedelta(0)):
                raise ConfigurationError(f"retention of {kind} must be a positive timedelta or None, not {period!r}")
        self._periods = {ItemKind(kind).value: period for kind, period in periods.items() if period is not None}
        self._next_at: int | None = None

    def due(self, now: datetime) -> bool:
        """Whether a step should be tried; true once, until ``wait_until``."""
        at = micros(now)
        if not self._periods or (self._next_at is not None and at < self._next_at):
            return False
        # The first write of a process starts no step: a process may live only for a moment.
        first = self._next_at is None
        self._next_at = at + round(_NEXT_SECONDS * 1_000_000)
        return not first

    def wait_until(self, next_at: int) -> None:
        """Set when the next step is due, in ``micros``."""
        self._next_at = next_at

    def limits(self, now: int) -> dict[str, int]:
        """By kind, the instant before which a settled item is old, in ``micros``."""
        return {kind: now - period // timedelta(microseconds=1) for kind, period in self._periods.items()}
