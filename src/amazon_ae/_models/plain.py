"""Values as plain data, for a host's own database, queue or JSON. Pure."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import attrs

from amazon_ae._exceptions import ConfigurationError

__all__ = ["to_dict"]


def to_dict(value: Any, *, personal_data: bool = True) -> dict[str, Any]:
    """One value of the library (an `Order`, an `OrderItem`, a `PickupOutcome`, an event ...) as JSON's own types.

    Args:
        value: an instance of one of the library's value classes. Not a document: its bytes are no JSON.
        personal_data: ``False`` leaves out what the value's ``repr`` hides: names, addresses, phone numbers, e-mail
            addresses, gift notes and the like. Amazon lets you keep these only as long as the shipment needs them.

    Returns:
        Field names to ``None``, booleans, numbers, text, lists and dictionaries. Instants and dates are ISO 8601 text;
        money is ``{"amount": "1234.50", "currency": "AED"}``, its amount text, because a float would change it.

    Raises:
        ConfigurationError: ``value`` is not such an instance, or has bytes in it.
    """
    if isinstance(value, type) or not attrs.has(type(value)):
        raise ConfigurationError(f"to_dict takes one value of this library, not {type(value).__name__}")
    # Items are hidden from an order's repr only because they are long.
    shown = [field for field in attrs.fields(type(value)) if personal_data or field.repr or field.name == "items"]
    return {field.name: _plain(getattr(value, field.name), personal_data) for field in shown}


def _plain(value: Any, personal_data: bool) -> Any:
    match value:
        case Enum():
            return value.value
        case None | bool() | int() | float() | str():
            return value
        case datetime() | date():
            return value.isoformat()
        case Decimal():
            return str(value)
        case tuple() | list() | set() | frozenset():
            return [_plain(part, personal_data) for part in value]
        case dict():
            return {_plain(key, personal_data): _plain(part, personal_data) for key, part in value.items()}
    return to_dict(value, personal_data=personal_data)
