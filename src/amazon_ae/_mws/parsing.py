"""From Amazon's XML to plain values: by local names, in any namespace, in any order. Pure functions, no I/O.

``parse`` gives nested dicts whose leaves are text or ``None``. The readers below turn a leaf into a value and return
``None`` for an element that is absent or not of its type, so that one odd element never spoils a page. If an element is
repeated against the schema, every reader takes the first that is not empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TypeVar
from xml.parsers.expat import ExpatError, errors as expat_errors

import xmltodict

from amazon_ae._exceptions import UnreadableResponse
from amazon_ae._models.money import Money
from amazon_ae._models.written import decimal_of, instant_of, whole
from amazon_ae._models.xml_repair import cleaned, split_records

__all__ = [
    "BROKEN",
    "CutOff",
    "Fields",
    "Node",
    "boolean",
    "children",
    "decimal",
    "fields",
    "instant",
    "integer",
    "listed_in",
    "local_names",
    "money",
    "parse",
    "required",
    "same",
    "text",
    "values",
]

T = TypeVar("T")
Node = Mapping[str, Any]
Fields = Mapping[str, tuple[str, Callable[[Any], Any]]]
"""Element name -> (attribute name, reader)."""

# The end of an answer that was not cut off, whatever is broken inside.
_WHOLE: Final = re.compile(rb"</[\w.:-]+Response\s*>\s*$")
# Expat's error codes for a premature end.
_ENDS_TOO_SOON: Final = frozenset(
    expat_errors.codes[words]
    for words in (
        expat_errors.XML_ERROR_NO_ELEMENTS,
        expat_errors.XML_ERROR_UNCLOSED_TOKEN,
        expat_errors.XML_ERROR_PARTIAL_CHAR,
        expat_errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    )
)


BROKEN: Final = "#broken"
"""The key under which ``parse`` lists the records that it removed."""


class CutOff(ValueError):
    """XML that ends too soon: it was cut in transit."""


def parse(body: bytes, *, isolate: str | None = None) -> tuple[str, Node]:
    """The root's local name and its content.

    A body that a parser refuses is cleaned (``_models.xml_repair``) and parsed again.

    Args:
        isolate: an element whose broken records are taken out, e.g. ``"Order"``; the content lists
            them under ``BROKEN``.

    Raises:
        CutOff: it ends too soon.
        ValueError: not well-formed in spite of that, or it declares entities (which could expand without end).
    """
    wide = b"\0" in body[:4] or body[:2] in (b"\xff\xfe", b"\xfe\xff")  # UTF-16, with or without its mark
    if b"<!ENTITY" in (body.replace(b"\0", b"") if wide else body):
        raise ValueError("it declares entities, which could expand without end")
    # A prefix needs a declaration; without one (the normal case) the names are local already.
    plain = not wide and b"xmlns:" not in body
    try:
        return _parsed(body, plain=plain)
    except ValueError as error:
        if isinstance(error, CutOff) and not _WHOLE.search(body[-200:]):
            raise
        return _repaired(body, isolate)


def _parsed(document: bytes | str, *, plain: bool) -> tuple[str, Node]:
    try:
        found = xmltodict.parse(
            document, xml_attribs=False, disable_entities=True, postprocessor=None if plain else _local
        )
    except (ExpatError, LookupError, RecursionError, ValueError) as error:
        kind = CutOff if getattr(error, "code", None) in _ENDS_TOO_SOON else ValueError
        raise kind(f"not well-formed XML: {error}") from error
    (name, content), *_ = found.items() or [("", None)]
    return name, content if isinstance(content, dict) else {}


def _repaired(body: bytes, isolate: str | None) -> tuple[str, Node]:
    text = cleaned(body)
    try:
        return _parsed(text, plain=False)
    except ValueError:
        if isolate is None:
            raise
    head, records, tail = split_records(text, isolate)
    broken = [record for record in records if not _is_whole(record)]
    root, content = _parsed(head + "".join(record for record in records if record not in broken) + tail, plain=False)
    return root, {**content, BROKEN: broken}


def _is_whole(record: str) -> bool:
    try:
        _parsed(record, plain=False)
    except ValueError:
        return False
    return True


def _local(_path: object, key: str, value: Any) -> tuple[str, Any]:
    return key.rpartition(":")[2], value


def local_names(node: object, wanted: str) -> list[Any]:
    """Every value of elements named ``wanted``, anywhere below ``node``."""
    found: list[Any] = []
    waiting = [node]
    while waiting:
        here = waiting.pop()
        if isinstance(here, dict):
            for name, value in here.items():
                if name == wanted:
                    found.extend(value if isinstance(value, list) else [value])
                waiting.append(value)
        elif isinstance(here, list):
            waiting.extend(here)
    return found


def children(node: object, name: str) -> list[Any]:
    """The elements ``name`` directly below ``node``: none, one or many, always a list."""
    if not isinstance(node, dict) or name not in node:
        return []
    value = node[name]
    return value if isinstance(value, list) else [value]


def listed_in(node: Node, wrapper: str, name: str) -> list[Any]:
    """The elements ``name`` inside ``wrapper``, which an answer has even when it lists nothing.

    Raises:
        UnreadableResponse: no ``wrapper``: an empty list is not the same as a missing one.
    """
    if wrapper not in node:
        raise UnreadableResponse(f"the answer has no {wrapper}", retryable=True)
    return [child for each in children(node, wrapper) for child in children(each, name)]


def values(node: object, name: str) -> tuple[str, ...]:
    """The texts of the elements ``name`` directly below ``node``."""
    return tuple(value for each in children(node, name) if (value := text(each)) is not None)


def fields(node: object, table: Fields) -> dict[str, Any]:
    """The attributes that ``table`` reads from ``node``; unknown elements are skipped."""
    found: dict[str, Any] = {}
    if isinstance(node, dict):
        for name, value in node.items():
            row = table.get(name)
            if row is not None and value is not None:
                found[row[0]] = row[1](value)
    return found


def required(node: object, name: str, what: str) -> str:
    """The text of a required element.

    Raises:
        UnreadableResponse: it is not there.
    """
    value = text(node.get(name)) if isinstance(node, dict) else None
    if value is None:
        raise UnreadableResponse(f"{what} without {name}", retryable=True)
    return value


def same(found: str | None, asked: str, what: str) -> None:
    """Refuse an answer that is about another one than was asked for; one that does not say is taken.

    Raises:
        UnreadableResponse: ``retryable``: two answers were mixed up on their way.
    """
    if found is not None and found.strip() != asked.strip():
        raise UnreadableResponse(f"the answer is about another {what} than the asked one", retryable=True)


def _one(value: Any) -> Any:
    """Of a repeated element the first that is not empty."""
    return next((each for each in value if each is not None), None) if isinstance(value, list) else value


def text(value: Any) -> str | None:
    """Text stays text."""
    value = _one(value)
    if isinstance(value, dict):
        value = value.get("#text")
    return value if isinstance(value, str) else None


def boolean(value: Any) -> bool | None:
    """``true``/``false``, ``Yes``/``No``, ``1``/``0`` in any case."""
    match (text(value) or "").strip().lower():
        case "true" | "yes" | "1":
            return True
        case "false" | "no" | "0":
            return False
    return None


def integer(value: Any) -> int | None:
    """A whole number; also ``"2.0"``, which some marketplaces send, and ``"1,045"``."""
    return whole(decimal(value))


def decimal(value: Any) -> Decimal | None:
    """A finite decimal number, its thousands grouped or not, by a point or a comma."""
    written = text(value)
    return None if written is None else decimal_of(written)


def instant(value: Any) -> datetime | None:
    """An instant as aware UTC, out of ISO 8601 or RFC 1123; no zone means UTC."""
    written = text(value)
    return None if written is None else instant_of(written)


def money(value: Any) -> Money | None:
    """``CurrencyCode`` and ``Amount``; ``None`` where the amount is missing or is no number."""
    value = _one(value)
    if not isinstance(value, dict):
        return None
    amount = decimal(value.get("Amount"))
    return None if amount is None else Money(amount, text(value.get("CurrencyCode")) or "")
