"""Parses texts, numbers and instants in the spellings of Amazon's answers, for every backend. Pure.

A reader of numbers or instants returns ``None`` for a value that is not of its kind, so that one odd field never spoils
an answer.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import unquote

__all__ = ["decimal_of", "drop_forbidden", "instant_of", "mixed_text", "whole"]

# No quantity, count or amount of Amazon's is longer; a longer number is invalid, and calculating with it fails.
_MOST_DIGITS: Final = 30
# Groups of three behind an unchanging separator; then a decimal point or comma other than that separator.
_GROUPED: Final = re.compile(r"([+-]?\d{1,3})(?:([,.' ])(\d{3}(?:\2\d{3})*))?(?:([.,])(\d+))?")
# Lakhs and crores: pairs before the last three.
_INDIAN: Final = re.compile(r"[+-]?\d{1,2}(?:,\d\d)+,\d{3}(?:\.\d+)?")
_SEPARATORS: Final = str.maketrans({"\u066b": ".", "\u066c": ",", "\u00a0": " ", "\u202f": " ", "\u2019": "'"})

# XML 1.0, section 2.2: everything else is in no document of Amazon's, and no database takes all of it.
_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NO_UTF8: Final = re.compile("[\udc80-\udcff]+")


def mixed_text(body: bytes) -> str:
    """Text in UTF-8, with or without its mark, whose stray bytes are CP1252's or Latin-1's.

    One wrong byte doesn't turn the Arabic around it into gibberish.
    """
    return _NO_UTF8.sub(_stray, body.decode("utf-8-sig", "surrogateescape"))


def _stray(found: re.Match[str]) -> str:
    stray = found[0].encode("utf-8", "surrogateescape")
    try:
        return stray.decode("cp1252")
    except UnicodeDecodeError:
        return stray.decode("latin-1")


def drop_forbidden(text: str) -> str:
    """The text without characters that neither XML nor every database takes: controls, halves of surrogate pairs."""
    return _FORBIDDEN.sub("", text)


def decimal_of(written: str | int | Decimal) -> Decimal | None:
    """A finite decimal number, its thousands grouped or not, by a point or a comma."""
    try:
        number = Decimal(written)
    except InvalidOperation:
        plain = _ungrouped(written) if isinstance(written, str) else None
        if plain is None:
            return None
        number = Decimal(plain)
    return number if number.is_finite() and (not number or abs(number.adjusted()) < _MOST_DIGITS) else None


def whole(number: Decimal | None) -> int | None:
    """A whole number below 10^15; also ``2.0``, which some marketplaces send."""
    if number is None or not -1e15 < number < 1e15 or number != number.to_integral_value():
        return None
    return int(number)


def _ungrouped(written: str) -> str | None:
    """``1,045``, ``1,234.50``, ``1.234,50`` and ``1 234,50`` as Python writes them; ``None`` for all else."""
    if _INDIAN.fullmatch(written.strip()):
        return written.strip().replace(",", "")
    found = _GROUPED.fullmatch(written.strip().translate(_SEPARATORS))
    if found is None or found[2] is None or found[2] == found[4]:
        return None
    rest = "".join(character for character in found[3] or "" if character.isdecimal())
    return f"{found[1]}{rest}" + (f".{found[5]}" if found[5] else "")


def instant_of(written: str) -> datetime | None:
    """An instant as aware UTC, out of ISO 8601 or RFC 1123. No zone means UTC.

    Some of Amazon's examples are percent-encoded.
    """
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        other = _other_instant(written)
        if other is None:
            return None
        moment = other
    if moment.tzinfo is UTC:
        return moment
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        return None


def _other_instant(written: str) -> datetime | None:
    try:
        return datetime.fromisoformat(unquote(written).strip())
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(written)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
