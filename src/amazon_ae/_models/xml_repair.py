"""Makes XML readable that a parser refuses: wrong encodings, forbidden characters, one broken record. Pure.

Amazon passes on text as buyers and sellers typed it. One control character in one address must not make a page of
orders unreadable, so a body that cannot be parsed is decoded by a list of encodings in turn, and cleaned:

* white space and a byte order mark before the XML declaration are removed;
* characters and character references that XML forbids are dropped;
* an ampersand that begins no reference becomes ``&amp;``; HTML's named entities become their characters.

Where the structure itself is broken inside one record, that record is taken out and reported; the others are read.
"""

from __future__ import annotations

import re
from html.entities import html5
from typing import Final

from amazon_ae._models.written import drop_forbidden, mixed_text

__all__ = ["cleaned", "decoded", "split_records"]

_DECLARATION: Final = re.compile(r"<\?xml[^>]*\?>")
_DECLARED: Final = re.compile(rb"<\?xml[^>]{1,80}encoding\s*=\s*[\"']([A-Za-z0-9._-]+)")
# CDATA stays as it is; every other ampersand is looked at.
_REFERENCE: Final = re.compile(
    r"<!\[CDATA\[.*?\]\]>|&(?:#(\d{1,8}|[xX][0-9a-fA-F]{1,7});|([A-Za-z][A-Za-z0-9]{1,31});)?", re.DOTALL
)
_XML_NAMES: Final = frozenset({"amp", "lt", "gt", "quot", "apos"})


def decoded(body: bytes, charset: str | None = None) -> str:
    """The text of ``body``: by its byte order mark, as UTF-8, by ``charset``, else as UTF-8 with stray CP1252 bytes.

    Bytes that are valid UTF-8 are UTF-8, whatever a header states; CP1252 contains every printable character of
    Latin-1.
    """
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return body.decode("utf-16", "replace")
    name = (charset or "utf-8").lower()
    for said in ("utf-8-sig", "cp1252" if name in ("iso-8859-1", "latin-1") else name):
        try:
            return body.decode(said)
        except (ValueError, LookupError):  # another charset, or one that Python doesn't know
            continue
    return mixed_text(body)


def cleaned(body: bytes) -> str:
    """The body as text without characters that XML forbids, and without its XML declaration."""
    declared = _DECLARED.search(body[:300])
    text = decoded(body, declared[1].decode("ascii") if declared else None)
    text = drop_forbidden(text).lstrip("\ufeff \t\r\n")
    text = _DECLARATION.sub("", text, count=1) if text.startswith("<?xml") else text
    return _REFERENCE.sub(_legal, text)


def _legal(found: re.Match[str]) -> str:
    if found[0].startswith("<!"):
        return found[0]
    if number := found[1]:
        code = int(number[1:], 16) if number[0] in "xX" else int(number)
        legal = code < 0x110000 and drop_forbidden(chr(code))
        return found[0] if legal else ""
    if name := found[2]:
        return found[0] if name in _XML_NAMES else html5.get(f"{name};", f"&amp;{name};")
    return "&amp;"


def split_records(text: str, element: str) -> tuple[str, list[str], str]:
    """Splits ``text`` into the part before the first ``<element>``, each whole element, and the part after the last.

    A record without an end tag goes to the next one's start; the last, to its parent's end tag (``</elements>``).
    """
    starts = [found.start() for found in re.finditer(rf"<(?:[\w.-]+:)?{element}(?=[\s>/])", text)]
    if not starts:
        return text, [], ""
    parent = [found.start() for found in re.finditer(rf"</(?:[\w.-]+:)?{element}s\s*>", text)]
    end = parent[-1] if parent and parent[-1] > starts[-1] else len(text)
    end_tag = re.compile(rf"</(?:[\w.-]+:)?{element}\s*>")
    records = []
    for start, stop in zip(starts, [*starts[1:], end], strict=True):
        closed = end_tag.search(text, start, stop)
        records.append(text[start : closed.end() if closed else stop])
    return text[: starts[0]], records, text[end:]
