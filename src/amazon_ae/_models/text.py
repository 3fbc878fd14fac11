"""Which texts may go to Amazon: order ids, and characters that a document can carry."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from amazon_ae._exceptions import ConfigurationError

__all__ = [
    "ORDER_ID",
    "check_order_id",
    "clean_pasted",
    "invisible_edge",
    "refuse_blank_edges",
    "refuse_control",
    "refuse_illegal_xml",
]

#: Orders API, "GetOrder": an order id in 3-7-7 format. Western digits only; ``\d`` would take Arabic ones too.
ORDER_ID: Final = re.compile("[0-9]{3}-[0-9]{7}-[0-9]{7}")

# XML 1.0, section 2.2: a document may contain any character except these, and no escape makes them legal. A lone
# surrogate is not a character and has no UTF-8 form.
_ILLEGAL_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# A tab file separates by tab and by line, and nothing escapes them. C1, U+2028 and U+2029 end a line for some readers.
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
# Letters, marks and symbols that show nothing: fillers, the blank Braille cell, the grapheme joiner.
_FILLERS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u2800\u3164\uffa0")


def check_order_id(order_id: str) -> str:
    """Refuse what is not an Amazon order id.

    Raises:
        ConfigurationError: it has not 3-7-7 digits: fix the call.
    """
    if not (isinstance(order_id, str) and ORDER_ID.fullmatch(order_id)):
        shown = order_id[:60] if isinstance(order_id, str) else order_id
        raise ConfigurationError(f"an Amazon order id has 3-7-7 digits (123-1234567-1234567), not {shown!r}")
    return order_id


def refuse_illegal_xml(text: str, what: str) -> None:
    """Raise ``ConfigurationError`` if XML cannot carry ``text``; it names ``what``, the character and its position."""
    if found := _ILLEGAL_XML.search(text):
        raise ConfigurationError(f"{what} holds {_name(found)}, which XML cannot carry")


def refuse_control(text: str, what: str, *, carrier: str = "a tab file") -> None:
    """Raise ``ConfigurationError`` if ``carrier`` cannot carry ``text``: tabs, line ends, controls."""
    if found := _CONTROL.search(text):
        raise ConfigurationError(f"{what} holds {_name(found)}, which {carrier} cannot carry")


def invisible_edge(text: str) -> str | None:
    """The name of the invisible character that ``text`` begins or ends with; ``None`` if it has none.

    White space, byte order marks, zero-width characters and direction marks, which copying from a spreadsheet, a web
    page or a file adds invisibly.
    """
    for character in (text[:1], text[-1:]):
        if character and (character.isspace() or _is_invisible(character)):
            if character.isspace():
                return "a blank or a line end" if character.isascii() else f"a blank (U+{ord(character):04X})"
            return f"the invisible character U+{ord(character):04X} ({unicodedata.name(character, 'unnamed').lower()})"
    return None


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) in ("Cf", "Cc", "Zl", "Zp") or character in _FILLERS


def refuse_blank_edges(text: str, what: str) -> None:
    """Raise ``ConfigurationError`` if ``text`` begins or ends with white space or another invisible character."""
    if found := invisible_edge(text):
        raise ConfigurationError(f"{what} begins or ends with {found}: strip it")


def clean_pasted(text: str) -> str:
    """A secret as a person pastes it, without invisible characters anywhere and without white space around it."""
    return "".join(each for each in text if unicodedata.category(each) != "Cf" and each not in _FILLERS).strip()


def _name(found: re.Match[str]) -> str:
    known = {"\t": " (tab)", "\n": " (line feed)", "\r": " (carriage return)"}
    return f"U+{ord(found[0]):04X}{known.get(found[0], '')} at position {found.start() + 1}"
