"""From Amazon's JSON to plain values. Pure.

A reader gives ``None`` (or an empty list) for what is absent, ``null`` or not of its type: one odd field never costs
the answer that it came in. Numbers with a fraction arrive as ``Decimal``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from amazon_ae._models.money import Money

__all__ = [
    "Node",
    "boolean",
    "decimal",
    "instant",
    "integer",
    "load",
    "money",
    "node",
    "nodes",
    "text",
    "texts",
    "to_json",
]

Node = Mapping[str, Any]
_EMPTY: Final[Node] = {}
# Beyond this no quantity, count or id of Amazon's lies; a longer number is not one.
_LARGEST: Final = 10**15


def load(body: bytes) -> Any:
    """The JSON document in ``body``.

    Raises:
        ValueError: it is not JSON in UTF-8, or nested too deeply.
    """
    try:
        return json.loads(body, parse_float=Decimal)
    except RecursionError as error:
        raise ValueError("JSON nested too deeply") from error


def to_json(value: object) -> bytes:
    """Compact JSON in UTF-8. A ``Decimal`` becomes a number.

    Raises:
        TypeError: a value that JSON does not know.
        UnicodeEncodeError: a text with a lone surrogate.
    """
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=_number, allow_nan=False).encode()


def _number(value: object) -> int | float:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON")


def node(value: object, *names: str) -> Node:
    """The object below ``value`` along ``names``; empty where any step is not an object."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else _EMPTY


def nodes(value: object, name: str) -> list[Node]:
    """The objects of the list ``name`` in ``value``."""
    found = value.get(name) if isinstance(value, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def text(value: object) -> str | None:
    """Text that is not empty. A number becomes text: some ids are sent as either."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return str(value)
    return None


def texts(value: object) -> tuple[str, ...]:
    """The texts in a list."""
    return tuple(each for each in value if isinstance(each, str) and each) if isinstance(value, list) else ()


def boolean(value: object) -> bool | None:
    """``true`` or ``false``."""
    return value if isinstance(value, bool) else None


def integer(value: object) -> int | None:
    """A whole number, also as text or as ``2.0``."""
    number = decimal(value)
    if number is None or abs(number) >= _LARGEST or number != number.to_integral_value():
        return None
    return int(number)


def decimal(value: object) -> Decimal | None:
    """A finite number, also as text."""
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def instant(value: object) -> datetime | None:
    """ISO 8601 as aware UTC; no zone means UTC."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def money(value: object) -> Money | None:
    """``amount`` and ``currencyCode``; ``None`` where the amount is missing or no number."""
    found = node(value)
    amount = decimal(found.get("amount"))
    return None if amount is None else Money(amount, text(found.get("currencyCode")) or "")
