"""Request parameters as text, the same for every backend. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from amazon_ae._exceptions import ConfigurationError

__all__ = ["Params", "Value", "instant_text", "parameter_text"]

Value = str | int | bool | Decimal | datetime | None
Params = Mapping[str, "Value | Sequence[Value]"]


def instant_text(value: datetime, *, name: str = "an instant") -> str:
    """ISO 8601 in UTC with ``Z``; milliseconds only where there are any (anything finer is cut off).

    Raises:
        ConfigurationError: the value has no time zone.
    """
    if value.tzinfo is None:
        raise ConfigurationError(f"{name} must be an aware datetime, {value!r} has no time zone")
    value = value.astimezone(UTC)
    precision = "milliseconds" if value.microsecond >= 1000 else "seconds"
    return value.replace(tzinfo=None).isoformat(timespec=precision) + "Z"


def parameter_text(name: str, value: object) -> str:
    """One value in Amazon's format.

    Raises:
        ConfigurationError: the value cannot be sent; the message names its parameter.
    """
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
