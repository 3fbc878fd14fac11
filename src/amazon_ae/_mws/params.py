"""From Python values to request parameters. Pure functions.

Sources: MWS developer guide, "Required request parameters"; the operations' own pages for the rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.checks import check_aware

__all__ = [
    "Params",
    "Value",
    "flatten",
    "instant",
    "numbered",
    "settled_before",
]

Value = str | int | bool | Decimal | datetime | None
Params = Mapping[str, "Value | Sequence[Value]"]

# ListOrders answers only up to two minutes before the request (recorded). What Amazon does with a later end of the
# window is UNVERIFIED, so a later one is never sent.
SETTLING: Final = timedelta(minutes=2)


def instant(value: datetime, *, name: str = "an instant") -> str:
    """ISO 8601 in UTC with ``Z``; milliseconds only where there are any (what is finer is cut off).

    Raises:
        ConfigurationError: the value has no time zone.
    """
    if value.tzinfo is None:
        raise ConfigurationError(f"{name} must be an aware datetime, {value!r} has no time zone")
    value = value.astimezone(UTC)
    precision = "milliseconds" if value.microsecond >= 1000 else "seconds"
    return value.replace(tzinfo=None).isoformat(timespec=precision) + "Z"


def _text(name: str, value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            return instant(value, name=name)
        case Decimal() if value.is_finite():
            return format(value, "f")
        case int():
            return str(value)
        case str():
            return value
    raise ConfigurationError(
        f"parameter {name}: {type(value).__name__} cannot be sent; give str, int, bool, Decimal or datetime"
    )


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
            flat[name] = _text(name, value)
    return flat


def numbered(name: str, values: Sequence[Value]) -> dict[str, str]:
    """``{name.1: first, name.2: second, ...}``."""
    return {f"{name}.{number}": _text(name, value) for number, value in enumerate(values, 1)}


def settled_before(before: datetime | None, *, now: datetime) -> datetime | None:
    """``CreatedBefore`` or ``LastUpdatedBefore``, at the latest two minutes before ``now``; ``None`` stays ``None``."""
    check_aware(before=before)
    return None if before is None else min(before, now - SETTLING)
