"""Finds our row in a picker: the seller account and marketplace, or the user. Exact matches only.

A wrong row is worse than an error: it shows another account's orders, or types our password for a colleague. So a row
matches only if a whole line of it *is* the name, never if it contains or begins with it, and two matches are an error.
Errors state the number of rows and never their text.

Two layouts are known. *Nested*: each account's marketplaces lie inside its own row (the current picker). *Columns*: all
accounts first, then the marketplaces of the selected one (the older picker); there the account is clicked first.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from typing import Final

import attrs

from amazon_ae._exceptions import ConfigurationError, PageChanged
from amazon_ae._models.hidden import Hidden

__all__ = ["PickerRow", "choose_account_row", "choose_user_row", "is_marketplace_row"]

_STEP: Final = "sign-in"
# "United Arab Emirates (current)", in any language.
_REMARK: Final = re.compile(r"\s*[(\uff08][^()]*[)\uff09]\s*$")


@attrs.frozen
class PickerRow:
    """One row, in the order of the page.

    Attributes:
        lines: its visible text, line by line.
        depth: the number of other rows around it.
    """

    lines: tuple[str, ...] = attrs.field(repr=False)
    depth: int = 0


def is_marketplace_row(row: PickerRow, names: Collection[str]) -> bool:
    """Whether a row is exactly one of these names, apart from a remark in parentheses."""
    wanted = {_plain(name).casefold() for name in names}
    texts = (text for line in row.lines for text in (line, _REMARK.sub("", line)))
    return any(_plain(text).casefold() in wanted for text in texts)


def choose_account_row(
    rows: Sequence[PickerRow],
    *,
    account_name: str | None,
    ours: Collection[str],
    every: Collection[str],
    opened: bool,
) -> int | None:
    """The index of the row to click next; ``None`` if the account's marketplaces are still to be drawn.

    Args:
        account_name: the seller account; ``None`` where the user has only one.
        ours: the wanted marketplace's names.
        every: all known marketplaces' names.
        opened: the account's row was clicked already.

    Raises:
        ConfigurationError: no account has this name, several do, or there are several and none was named.
        PageChanged: the account's marketplaces are listed and ours is not among them.
    """
    groups = _groups(rows, every)
    account, listed = _group(groups, account_name, rows)
    accounts = [index for index, _ in groups if index is not None]
    if len(accounts) > 1 and _in_columns(rows, groups):
        listed = groups[-1][1] if opened else []
    if account is None and account_name is not None:
        listed = _of_account(rows, listed, account_name, every)
    fitting = [index for index in listed if is_marketplace_row(rows[index], ours)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise PageChanged(f"{len(fitting)} rows of the account picker are this marketplace; run check()", step=_STEP)
    if not listed:
        return None if opened else account
    raise PageChanged(
        f"the account picker lists {len(listed)} marketplaces of this account, and none is ours; check the marketplace "
        "and SITE.override(marketplace_names=...)",
        step=_STEP,
    )


def choose_user_row(rows: Sequence[PickerRow], email: Hidden[str]) -> int:
    """The index of the row of our own e-mail, in a list of users who signed in here before.

    Raises:
        ConfigurationError: no row, or more than one, is exactly this e-mail.
    """
    fitting = [index for index, row in enumerate(rows) if any(_is_same(line, email.value) for line in row.lines)]
    if len(fitting) == 1:
        return fitting[0]
    raise ConfigurationError(
        f"sign-in: {len(fitting) or 'none'} of the {len(rows)} rows of the list of users is exactly this e-mail; "
        "nothing was typed. Let a person choose: login(headed=True), or use a session of your own"
    )


_Group = tuple[int | None, list[int]]
"""An account's row and the marketplaces listed below it."""


def _groups(rows: Sequence[PickerRow], every: Collection[str]) -> list[_Group]:
    """Nested rows are marketplaces whatever their text; where nothing is nested, their names distinguish them from
    accounts.
    """
    least = min((row.depth for row in rows), default=0)
    nested = any(row.depth > least for row in rows)
    groups: list[_Group] = []
    for index, row in enumerate(rows):
        if not (row.depth > least if nested else is_marketplace_row(row, every)):
            groups.append((index, []))
            continue
        if not groups:
            groups.append((None, []))
        groups[-1][1].append(index)
    return groups


def _in_columns(rows: Sequence[PickerRow], groups: Sequence[_Group]) -> bool:
    """Whether all accounts come first, so that the order of rows does not show whose the marketplaces are."""
    nested = len({row.depth for row in rows}) > 1
    return not nested and not any(listed for _, listed in groups[:-1])


def _group(groups: Sequence[_Group], name: str | None, rows: Sequence[PickerRow]) -> _Group:
    accounts = [group for group in groups if group[0] is not None]
    if name is None or not accounts:
        if len(accounts) > 1:
            raise ConfigurationError(f"this user has {len(accounts)} seller accounts: pass account_name= to pick one")
        return groups[0] if groups else (None, [])
    fitting = [
        (index, listed)
        for index, listed in groups
        if index is not None and _plain(name) in {_plain(line) for line in rows[index].lines}
    ]
    if len(fitting) != 1:
        raise ConfigurationError(
            f"account_name is exactly the name of {len(fitting) or 'none'} of the {len(accounts)} seller accounts that "
            "the account picker lists; give the whole name as it is shown there"
        )
    return fitting[0]


def _of_account(rows: Sequence[PickerRow], listed: Sequence[int], name: str, every: Collection[str]) -> list[int]:
    """Of rows below no account, those that name ours beside the marketplace; all of them if not each names one."""
    others = {
        index: {_plain(line) for line in rows[index].lines if not is_marketplace_row(PickerRow((line,)), every)}
        for index in listed
    }
    if not all(others.values()):
        return list(listed)
    named = [index for index, lines in others.items() if _plain(name) in lines]
    if not named:
        raise ConfigurationError(
            f"account_name is exactly the name of none of the {len(listed)} rows that the account picker lists; give "
            "the whole name as it is shown there"
        )
    return named


def _is_same(text: str, other: str) -> bool:
    return _plain(text).casefold() == _plain(other).casefold()


def _plain(text: str) -> str:
    """The text without invisible differences: direction marks, double spaces, composed letters."""
    visible = "".join(sign for sign in unicodedata.normalize("NFC", text) if unicodedata.category(sign) != "Cf")
    return " ".join(visible.split())
