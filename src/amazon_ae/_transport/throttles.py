"""The throttle table: Amazon's limits per operation, as rows that each backend supplies.

Amazon counts per account and operation: a bucket that starts full and regains one slot per restore interval, and for
some operations also a limit per rolling window. Operations in one row share its limits.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.feeds import QuotaRule

__all__ = ["Throttle", "ThrottleTable"]


@attrs.frozen
class Throttle:
    """The limits of one group of operations.

    Attributes:
        operations: the operations that share the limits, e.g. ``("Feeds/SubmitFeed",)`` for MWS.
        burst: slots after a long idle time.
        restore_seconds: one slot comes back per this many seconds.
        limit: requests in any ``window_seconds``; ``None`` where Amazon sets no such quota.
        window_seconds: length of the rolling window; an hour for MWS.
        source: the page of the API reference that states the numbers.

    Raises:
        ConfigurationError: limits under which no call could ever leave.
    """

    operations: tuple[str, ...]
    burst: int
    restore_seconds: float
    limit: int | None = None
    window_seconds: float = attrs.field(default=3600.0, kw_only=True)
    source: str = attrs.field(kw_only=True)

    def __attrs_post_init__(self) -> None:
        if isinstance(self.operations, str) or not self.operations:
            raise ConfigurationError("a Throttle names its operations as a tuple of at least one")
        if self.burst < 1 or self.restore_seconds <= 0 or self.window_seconds <= 0:
            raise ConfigurationError(
                f"{self.group}: burst must be >= 1, restore_seconds and window_seconds above 0; "
                "a call would wait forever"
            )
        if self.limit is not None and self.limit < 1:
            raise ConfigurationError(f"{self.group}: limit must be >= 1 or None; a call would wait forever")

    @property
    def group(self) -> str:
        """The name of the limits: the first operation."""
        return self.operations[0]

    def rule(self, name: str) -> QuotaRule:
        """The limits as the scheduler's ledger takes them, under the name that Amazon counts by."""
        return QuotaRule(
            name=name,
            burst=self.burst,
            restore_seconds=self.restore_seconds,
            limit=self.limit,
            window_seconds=self.window_seconds,
        )


class ThrottleTable:
    """Finds the row of an operation.

    Args:
        rows: the backend's table; later rows win, so that ``(*MWS_THROTTLES, your_row)`` overrides one.
        unlisted: the limits of an operation without a row; each such operation gets a bucket of its own.
    """

    def __init__(self, rows: Iterable[Throttle], *, unlisted: Throttle) -> None:
        self._rows = {operation: row for row in rows for operation in row.operations}
        self._unlisted = unlisted

    def find(self, operation: str) -> Throttle:
        """The row of ``operation``; the unlisted one's limits under the operation's own name where there is none."""
        row = self._rows.get(operation)
        return attrs.evolve(self._unlisted, operations=(operation,)) if row is None else row
