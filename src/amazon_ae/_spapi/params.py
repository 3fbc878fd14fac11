"""From Python values to query parameters. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from amazon_ae._exceptions import ConfigurationError

__all__ = ["Params", "Value", "flat", "instant_text"]

Value = str | int | bool | Decimal | datetime | None
Params = Mapping[str, "Value | Sequence[Value]"]


def flat(params: Params) -> list[tuple[str, tuple[str, ...]]]:
    """Names with their values as text; ``None`` and empty lists are left out.

    Raises:
        ConfigurationError: a value that cannot be sent; the message names its parameter.
    """
    found = []
    for name, value in params.items():
        listed = list(value) if isinstance(value, (list, tuple)) else [value]
        if values := tuple(_text(name, each) for each in listed if each is not None):
            found.append((name, values))
    return found


def instant_text(value: datetime, *, name: str = "an instant") -> str:
    """ISO 8601 in UTC with ``Z``; milliseconds only where there are any.

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
            return instant_text(value, name=name)
        case Decimal() if value.is_finite():
            return format(value, "f")
        case int():
            return str(value)
        case str():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise ConfigurationError(f"parameter {name} holds a lone surrogate") from None
            return value
    raise ConfigurationError(
        f"parameter {name}: {type(value).__name__} cannot be sent; give str, int, bool, Decimal or datetime"
    )
