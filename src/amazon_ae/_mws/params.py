"""From Python values to parameters, and the rules that are checked before anything is sent. Pure functions.

Sources: MWS developer guide, "Required request parameters"; the operations' own pages for the rules.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from amazon_ae._exceptions import ConfigurationError

__all__ = [
    "Params",
    "Value",
    "check_aware",
    "check_count",
    "check_text",
    "flatten",
    "instant",
    "listed",
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
    return {f"{name}.{place}": _text(name, value) for place, value in enumerate(values, 1)}


def check_count(what: str, values: Collection[object] | int, *, least: int = 1, most: int) -> None:
    """Refuse a number (or a collection's size) outside ``least`` to ``most``."""
    count = len(values) if isinstance(values, Collection) and not isinstance(values, str) else values
    if type(count) is not int or not least <= count <= most:
        raise ConfigurationError(f"{what}: {least} to {most} are allowed, not {count!r}")


def check_text(what: str, value: str) -> str:
    """Refuse what is no text, and blanks: an empty filter is ignored by Amazon, and everything would match."""
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(f"{what} must be a text and not empty, not {value!r}")
    return value


def check_aware(**instants: datetime | None) -> None:
    """Refuse, by its name, what is neither an aware datetime nor ``None``."""
    for name, value in instants.items():
        if value is not None and (not isinstance(value, datetime) or value.tzinfo is None):
            raise ConfigurationError(f"{name} must be an aware datetime (with a time zone), not {value!r}")


def listed(what: str, values: Collection[str]) -> tuple[str, ...]:
    """The values as a tuple; refuses one text (its letters would be sent) and empty or foreign values."""
    if isinstance(values, str):
        raise ConfigurationError(f"{what} is a list of texts, not one text: [{values!r}]")
    if not isinstance(values, Collection):
        raise ConfigurationError(f"{what} is a list of texts, not {values!r}")
    for value in values:
        if not isinstance(value, str) or not value.strip():
            raise ConfigurationError(f"{what}: {value!r} is no text that Amazon could understand")
    return tuple(values)


def settled_before(before: datetime | None, *, now: datetime) -> datetime | None:
    """``CreatedBefore`` or ``LastUpdatedBefore``, at the latest two minutes before ``now``; ``None`` stays ``None``."""
    check_aware(before=before)
    return None if before is None else min(before, now - SETTLING)
