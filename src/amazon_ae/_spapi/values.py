"""From Amazon's JSON to plain values. Pure.

A reader returns ``None`` (or an empty list) for a field that is absent, ``null`` or not of its type, so that one odd
field never spoils an answer. Numbers with a fraction arrive as ``Decimal``.

Amazon passes on what buyers and sellers typed, so a document that a parser refuses is decoded by a ladder of encodings
and mended (raw control characters, escapes that JSON doesn't know, white space around it). Characters that no database
and no XML takes (NUL, other controls, halves of surrogate pairs) are dropped from every text.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from amazon_ae._exceptions import UnreadableResponse
from amazon_ae._models.money import Money
from amazon_ae._models.written import decimal_of, drop_forbidden, instant_of, mixed_text, whole

__all__ = [
    "Node",
    "boolean",
    "decimal",
    "every",
    "instant",
    "integer",
    "load",
    "money",
    "node",
    "nodes",
    "plain_name",
    "same",
    "same_name",
    "text",
    "texts",
    "to_json",
]

Node = Mapping[str, Any]
_EMPTY: Final[Node] = {}
# Escapes of controls and of halves of surrogate pairs.
_ESCAPED: Final = re.compile(r"\\u(?:00[01]|[dD][89a-fA-F]|[fF]{3}[eEfF])")
# An escape that JSON knows, or a backslash that begins none.
_ESCAPE: Final = re.compile(r"(\\(?:u[0-9a-fA-F]{4}|[\"\\/bfnrt]))|\\")
_MOST_DIGITS: Final = 30


def load(body: bytes) -> Any:
    """The JSON document in ``body``.

    Raises:
        ValueError: it is not JSON, or nested too deeply.
    """
    try:
        written = _decoded(body)
        try:
            value = _parsed(written)
        except ValueError:
            # White space and marks around it; a backslash that begins no escape; raw control characters.
            plain = written.strip("\ufeff\0 \t\r\n")
            value = _parsed(_ESCAPE.sub(lambda found: found[1] or "\\\\", plain), strict=False)
        return value if drop_forbidden(written) == written and not _ESCAPED.search(written) else _cleaned(value)
    except RecursionError as error:
        raise ValueError("JSON nested too deeply") from error


def _decoded(body: bytes) -> str:
    name = json.detect_encoding(body)
    return mixed_text(body) if name in ("utf-8", "utf-8-sig") else body.decode(name, "replace")


def _parsed(written: str, *, strict: bool = True) -> Any:
    return json.loads(
        written,
        strict=strict,
        parse_float=_float,
        parse_int=_int,
        parse_constant=lambda _: None,
        object_pairs_hook=_object,
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a repeated name the first value that is not empty counts."""
    found = dict(pairs)
    if len(found) != len(pairs):
        found |= {name: value for name, value in reversed(pairs) if value not in (None, "", [], {})}
    return found


def _float(written: str) -> Decimal | None:
    try:
        return Decimal(written)
    except InvalidOperation:
        return None


def _int(written: str) -> int | None:
    return int(written) if len(written) <= _MOST_DIGITS else None


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return drop_forbidden(value)
    if isinstance(value, list):
        return [_cleaned(each) for each in value]
    if isinstance(value, dict):
        return {drop_forbidden(name): _cleaned(each) for name, each in value.items()}
    return value


def to_json(value: object) -> bytes:
    """Compact JSON in UTF-8. A ``Decimal`` becomes a number.

    Raises:
        TypeError: a value that has no JSON form.
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


def every(value: object, name: str, what: str) -> list[Node]:
    """The objects of the list ``name`` in ``value``, all of them.

    Raises:
        UnreadableResponse: ``retryable``: it is no list, or something in it is no object. An answer that lists nothing
            is not the same as one that says nothing.
    """
    found = value.get(name) if isinstance(value, dict) else None
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise UnreadableResponse(f"{what} without {name} that can be read", retryable=True)
    return found


def same(found: str | None, asked: str, what: str) -> None:
    """Refuse an answer that is about another one than was asked for; one that does not say is taken.

    Raises:
        UnreadableResponse: ``retryable``: two answers were mixed up on their way.
    """
    if found is not None and not same_name(found, asked):
        raise UnreadableResponse(f"the answer is about another {what} than the asked one", retryable=True)


def same_name(found: str, asked: str) -> bool:
    """Whether two SKUs or ids may be the same: whether Amazon gives one back exactly as it got it is not published."""
    return plain_name(found) == plain_name(asked)


def plain_name(name: str) -> str:
    """An SKU or id without what may differ between two spellings: case, width, blanks around it."""
    return unicodedata.normalize("NFKC", name).casefold().strip()


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
    return whole(decimal(value))


def decimal(value: object) -> Decimal | None:
    """A finite number, also as text, its thousands grouped or not."""
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        return None
    return decimal_of(value)


def instant(value: object) -> datetime | None:
    """ISO 8601 (or RFC 1123) as aware UTC; no zone means UTC."""
    return instant_of(value) if isinstance(value, str) else None


def money(value: object) -> Money | None:
    """``amount`` and ``currencyCode``; ``None`` where the amount is missing or no number."""
    found = node(value)
    amount = decimal(found.get("amount"))
    return None if amount is None else Money(amount, text(found.get("currencyCode")) or "")
