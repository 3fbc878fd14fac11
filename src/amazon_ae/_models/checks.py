"""Input rules that every backend and store shares: accounts, instants, measures, counts and texts. Pure functions.

Each refuses with ``ConfigurationError`` and names the argument, before anything is stored or sent.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final, cast

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.text import invisible_edge

__all__ = [
    "check_account",
    "check_aware",
    "check_count",
    "check_deadline",
    "check_measure",
    "check_path",
    "check_storage_first",
    "check_text",
    "deadline_at",
    "listed",
    "measure",
]

# Of a weight or a length, before the point or behind it.
_MOST_DIGITS: Final = 9


def check_account(account: str) -> str:
    """Refuse a text that is not an account: items under it would wait forever, since no scheduler serves it.

    Raises:
        ConfigurationError: it is not ``"<seller id>/<marketplace code>"``.
    """
    seller, _, code = account.partition("/") if isinstance(account, str) else ("", "", "")
    written = bool(seller and code) and "/" not in code and code == code.upper() and not invisible_edge(code)
    if not written or any(part.isspace() for part in account) or invisible_edge(seller) or not account.isprintable():
        raise ConfigurationError(
            f'account is "<seller id>/<marketplace code>", e.g. "A1SELLER/AE" (the gateway\'s account), not {account!r}'
        )
    return account


def measure(value: int | Decimal | str | None) -> Decimal | None:
    """A weight or a length as ``Decimal``, given as int, ``Decimal`` or text; anything else is left to the check."""
    if type(value) is int:
        return Decimal(value)
    if isinstance(value, str):
        try:
            return Decimal(value.strip())
        except InvalidOperation:
            pass
    return cast("Decimal | None", value)  # anything else: `check_measure` refuses it, with the field's name


def check_measure(what: str, value: object) -> None:
    """Refuse a value that ``measure`` could not turn into a finite number above 0."""
    if not (isinstance(value, Decimal) and value.is_finite() and value > 0 and abs(value.adjusted()) < _MOST_DIGITS):
        shown = repr(value)[:60]
        raise ConfigurationError(f"{what} must be a number above 0 (int, Decimal or text, no float), not {shown}")


def check_count(what: str, values: Collection[object] | int, *, least: int = 1, most: int) -> None:
    """Refuse a number (or a collection's size) outside ``least`` to ``most``."""
    count = len(values) if isinstance(values, Collection) and not isinstance(values, str) else values
    if type(count) is not int or not least <= count <= most:
        raise ConfigurationError(f"{what}: {least} to {most} are allowed, not {count!r}")


def check_text(what: str, value: str) -> str:
    """Refuse anything but text, and blank text: Amazon ignores an empty filter and would return everything."""
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(f"{what} must be a text and not empty, not {value!r}")
    return value


def check_aware(**instants: datetime | None) -> None:
    """Refuse, by its name, what is neither an aware datetime nor ``None``."""
    for name, value in instants.items():
        if value is not None and (not isinstance(value, datetime) or value.tzinfo is None):
            raise ConfigurationError(f"{name} must be an aware datetime (with a time zone), not {value!r}")


def check_deadline(deadline: datetime | timedelta | None, *, name: str = "deadline") -> None:
    """Refuse a deadline that is neither an aware datetime nor a duration of at least zero nor ``None``."""
    if isinstance(deadline, timedelta):
        if deadline < timedelta(0):
            raise ConfigurationError(f"{name} is a negative duration: {deadline}")
    elif deadline is not None and (not isinstance(deadline, datetime) or deadline.tzinfo is None):
        raise ConfigurationError(f"{name} must be an aware datetime or a timedelta from now, not {deadline!r}")


def deadline_at(deadline: datetime | timedelta | None, now: datetime) -> datetime | None:
    """The instant of a deadline; a ``timedelta`` counts from ``now``.

    Raises:
        ConfigurationError: a naive datetime, a negative duration, or another type.
    """
    check_deadline(deadline)
    return now + deadline if isinstance(deadline, timedelta) else deadline


def listed(what: str, values: Collection[str]) -> tuple[str, ...]:
    """The values as a tuple; refuses one text (its letters would be sent) and empty or foreign values."""
    if isinstance(values, str):
        raise ConfigurationError(f"{what} is a list of texts, not one text: [{values!r}]")
    if not isinstance(values, Collection):
        raise ConfigurationError(f"{what} is a list of texts, not {values!r}")
    for value in values:
        if not isinstance(value, str) or not value.strip():
            raise ConfigurationError(f"{what}: {value!r} is not a text that Amazon could understand")
    return tuple(values)


def check_path(what: str, path: object) -> Path:
    """The path; refuses what is none, and a text with a NUL, which no file system takes."""
    try:
        found = Path(cast(Path, path))
    except TypeError:
        raise ConfigurationError(f"{what} must be a path (text or Path), not {type(path).__name__}") from None
    if "\0" in str(found):
        raise ConfigurationError(f"{what} must not hold a NUL character: {str(found)[:60]!r}")
    return found


def check_storage_first(owner: str, storage: object, gateway: object, verb: str) -> None:
    """Refuse swapped constructor arguments: the storage comes first everywhere.

    Args:
        owner: the class, for the message.
        verb: a verb that this kind of gateway has.

    Raises:
        ConfigurationError: the two are swapped.
    """
    if (hasattr(storage, verb) and not hasattr(storage, "put")) or (
        hasattr(gateway, "put") and not hasattr(gateway, verb)
    ):
        raise ConfigurationError(f"{owner} takes the storage first, then the gateway: these two are swapped")
