"""From Python values to request parameters. Pure functions.

Sources: MWS developer guide, "Required request parameters"; the operations' own pages for the rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from amazon_ae._models.checks import check_aware
from amazon_ae._transport.parameters import Params, Value, instant_text, parameter_text

__all__ = [
    "Params",
    "Value",
    "flatten",
    "instant_text",
    "numbered",
    "settled_before",
]

# ListOrders answers only up to two minutes before the request (recorded). What Amazon does with a later end of the
# window is UNVERIFIED, so a later one is never sent.
SETTLING: Final = timedelta(minutes=2)


def flatten(params: Params) -> dict[str, str]:
    """Parameters as text.

    ``None`` is left out; a list under ``"OrderStatus.Status"`` becomes ``OrderStatus.Status.1``, ``.2`` and on.

    Raises:
        ConfigurationError: a value that cannot be sent; the message names its parameter.
    """
    flat: dict[str, str] = {}
    for name, value in params.items():
        if value is None:
            continue
        if isinstance(value, (list, tuple)):
            flat.update(numbered(name, value))
        else:
            flat[name] = parameter_text(name, value)
    return flat


def numbered(name: str, values: Sequence[Value]) -> dict[str, str]:
    """``{name.1: first, name.2: second, ...}``."""
    return {f"{name}.{number}": parameter_text(name, value) for number, value in enumerate(values, 1)}


def settled_before(before: datetime | None, *, now: datetime) -> datetime | None:
    """``CreatedBefore`` or ``LastUpdatedBefore``, at the latest two minutes before ``now``; ``None`` stays ``None``."""
    check_aware(before=before)
    return None if before is None else min(before, now - SETTLING)
