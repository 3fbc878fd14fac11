"""The throttle table of the Selling Partner API, made of the operations' rows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from amazon_ae._spapi.operations import OPERATIONS, UNLISTED_BURST, UNLISTED_RATE, Operation
from amazon_ae._transport.throttles import Throttle, ThrottleTable

__all__ = ["SPAPI_UNLISTED", "spapi_throttles", "throttle_group"]

SPAPI_UNLISTED: Final = Throttle(("*",), UNLISTED_BURST, 1.0 / UNLISTED_RATE, source="UNVERIFIED")
"""The limits of an operation without a row: one request a second."""

# A validation preview has a rate of its own, and its answer states that one: learnt as the rate of patches, it would
# have them throttled. The page names no burst; a patch's is taken.
_PATCH: Final = "patchListingsItem"
_PREVIEW: Final = Throttle(
    (f"{_PATCH} VALIDATION_PREVIEW",), 5, 1.0 / 20.0, source="docs/listings-items-api-rate-limits"
)


def throttle_group(operation: str, query: Mapping[str, Any]) -> str:
    """The key of a call in the table."""
    return _PREVIEW.group if operation == _PATCH and query.get("mode") == "VALIDATION_PREVIEW" else operation


def spapi_throttles(rows: Iterable[Operation] = OPERATIONS, *, unlisted: Throttle = SPAPI_UNLISTED) -> ThrottleTable:
    """The table; ``spapi_throttles((*OPERATIONS, your_row))`` overrides a row."""
    found = [Throttle((row.name,), row.burst, row.restore_seconds, source=row.source) for row in rows]
    return ThrottleTable([_PREVIEW, *found], unlisted=unlisted)
