"""The throttle table of the Selling Partner API, made of the operations' rows. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from amazon_ae._spapi.operations import OPERATIONS, UNLISTED_BURST, UNLISTED_RATE, Operation
from amazon_ae._transport.throttles import Throttle, ThrottleTable

__all__ = ["SPAPI_UNLISTED", "spapi_throttles"]

SPAPI_UNLISTED: Final = Throttle(("*",), UNLISTED_BURST, 1.0 / UNLISTED_RATE, source="UNVERIFIED")
"""The limits of an operation without a row: one request a second."""


def spapi_throttles(rows: Iterable[Operation] = OPERATIONS, *, unlisted: Throttle = SPAPI_UNLISTED) -> ThrottleTable:
    """The table; ``spapi_throttles((*OPERATIONS, your_row))`` overrides a row."""
    return ThrottleTable(
        (Throttle((row.name,), row.burst, row.restore_seconds, source=row.source) for row in rows), unlisted=unlisted
    )
