"""Matches labels to orders by the text on them, never by their position in an archive.

Amazon promises no order of labels (selling-partner-api-models issue 5196). A label names its order by the order id, the
carrier's tracking id or the package identifier, so all three are looked for. A picture has no text: it is matched by
an order id in its name, or where only one order was asked for.
"""

from __future__ import annotations

import re
import struct
import threading
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

import attrs

from amazon_ae._easy_ship.archives import ArchiveEntry, ArchiveLimits, MediaType, unpack
from amazon_ae._exceptions import DocumentError, DocumentInvalid
from amazon_ae._models.documents import Document, DocumentKind
from amazon_ae._models.text import ORDER_ID
from amazon_ae._pdf import inspect_pdf, page_texts, with_pages

__all__ = ["ArchiveReader", "KeptArchive", "LabelTexts", "choose_document", "match_labels"]

# A shorter package identifier ("7") may occur on any paper.
_SHORTEST_TEXT: Final = 6
_KIND_WORDS: Final = (
    (re.compile(r"post.?list|manifest|warrant|guarantee|instruction|handover", re.I), None),
    (re.compile(r"invoice|tax", re.I), DocumentKind.INVOICE),
    (re.compile(r"packing|pack.?slip", re.I), DocumentKind.PACKING_SLIP),
)
_FIELD_HEX: Final = re.compile(rb"_([0-9A-Fa-f]{2})")
_DOTS_PER_MM: Final = 8  # 203 dpi, ZPL's usual printer; the format does not say
_PNG_HEADER: Final = 24


@attrs.frozen(kw_only=True)
class LabelTexts:
    """The texts that may identify an order's label besides its order id."""

    tracking_id: str = ""
    package_identifier: str = ""

    def patterns(self, order_id: str) -> list[re.Pattern[str]]:
        """Any of them found in a text names the order. Blanks are ignored: typesetting splits ids."""
        texts = [order_id, *(text for text in (self.tracking_id, self.package_identifier) if text)]
        return [
            re.compile(rf"(?<![0-9A-Za-z]){re.escape(text)}(?![0-9A-Za-z])")
            for text in texts
            if len(text) >= _SHORTEST_TEXT
        ]


@attrs.frozen(kw_only=True)
class KeptArchive:
    """One archive as it was kept. ``orders`` are all whose labels it may hold; ``kept_at`` is aware UTC."""

    name: str
    content: bytes = attrs.field(repr=False)
    orders: Mapping[str, LabelTexts]
    kept_at: datetime


def match_labels(entries: Sequence[ArchiveEntry], orders: Mapping[str, LabelTexts]) -> dict[str, list[ArchiveEntry]]:
    """The documents of each order; one PDF of several orders is split by its pages.

    A page that names two orders, and one that names none in a PDF of several orders, is assigned to no order. Takes
    tens of
    milliseconds a PDF: run it in a thread.

    Args:
        orders: every order that the archive may concern.
    """
    found: dict[str, list[ArchiveEntry]] = {order_id: [] for order_id in orders}
    patterns = {order_id: texts.patterns(order_id) for order_id, texts in orders.items()}
    for entry in entries:
        for order_id, part in _parts(entry, patterns):
            found[order_id].append(part)
    return found


def choose_document(
    entries: Sequence[ArchiveEntry],
    order_id: str,
    kind: DocumentKind,
    *,
    media_types: Collection[str],
    fetched_at: datetime,
) -> Document | None:
    """The first entry of this kind in the first accepted format; ``None`` if there is none.

    Raises:
        DocumentInvalid: it is damaged.
    """
    for media_type in media_types:
        for entry in entries:
            if entry.media_type == media_type and _kind_of(entry.name) is kind:
                return _document(entry, order_id, kind, fetched_at)
    return None


class ArchiveReader:
    """Opens kept archives. Matching the labels of a hundred orders takes a second, so the last archives stay open.

    Args:
        limits: what opening an archive may cost.
        most_open: how many archives are remembered.
    """

    def __init__(self, *, limits: ArchiveLimits | None = None, most_open: int = 4) -> None:
        self._limits = limits
        self._most_open = most_open
        self._open: dict[str, Mapping[str, Sequence[ArchiveEntry]]] = {}
        # Concurrent requests for orders of one archive wait for the first instead of matching again.
        self._lock = threading.Lock()

    def documents(
        self,
        kept: Sequence[KeptArchive],
        order_id: str,
        kinds: Collection[DocumentKind],
        *,
        media_types: Collection[str],
        fetched_at: datetime,
    ) -> dict[DocumentKind, Document | DocumentError]:
        """The documents of one order out of kept archives, the newest first; kinds that none has are left out.

        Takes processor time: run it in a thread.
        """
        found: dict[DocumentKind, Document | DocumentError] = {}
        for archive in kept:
            try:
                entries = self._matched(archive)[order_id]
            except DocumentError as error:
                found.update((kind, error) for kind in kinds if kind not in found)
                continue
            for kind in kinds:
                if isinstance(found.get(kind), Document):
                    continue
                try:
                    document = choose_document(entries, order_id, kind, media_types=media_types, fetched_at=fetched_at)
                except DocumentError as error:
                    found[kind] = error
                else:
                    if document is not None:
                        found[kind] = document
        return found

    def _matched(self, archive: KeptArchive) -> Mapping[str, Sequence[ArchiveEntry]]:
        with self._lock:
            if archive.name not in self._open:
                entries = unpack(archive.content, limits=self._limits)
                self._open[archive.name] = match_labels(entries, archive.orders)
                while len(self._open) > self._most_open:
                    del self._open[next(iter(self._open))]
            return self._open[archive.name]


def _kind_of(name: str) -> DocumentKind | None:
    """The kind that a name states; a label by default, since that is what these archives hold."""
    for words, kind in _KIND_WORDS:
        if words.search(name):
            return kind
    return DocumentKind.SHIPPING_LABEL


def _parts(entry: ArchiveEntry, patterns: Mapping[str, Sequence[re.Pattern[str]]]) -> list[tuple[str, ArchiveEntry]]:
    named = [order_id for order_id in patterns if order_id in entry.name]
    if entry.media_type is MediaType.PNG:
        only = named or (list(patterns) if len(patterns) == 1 else [])
        return [(only[0], entry)] if len(only) == 1 else []
    if entry.media_type is MediaType.ZPL:
        orders = _named(_zpl_text(entry.content), patterns)
        return [(orders[0], entry)] if len(orders) == 1 and orders[0] in patterns else []
    try:
        pages = [_named(text, patterns) for text in page_texts(entry.content, step="label")]
    except DocumentInvalid:
        return [(named[0], entry)] if len(named) == 1 else []
    everyone = {order_id for page in pages for order_id in page}
    if len(everyone) == 1:
        (order_id,) = everyone
        return [(order_id, entry)] if order_id in patterns else []
    parts = []
    for order_id in patterns:
        numbers = [number for number, page in enumerate(pages) if page == [order_id]]
        if numbers:
            content = with_pages(entry.content, numbers, step="label")
            parts.append((order_id, attrs.evolve(entry, content=content)))
    return parts


def _named(text: str, patterns: Mapping[str, Sequence[re.Pattern[str]]]) -> list[str]:
    """The orders that a text names, known or not."""
    close = "".join(text.split())
    known = [
        order_id
        for order_id, wanted in patterns.items()
        if order_id in close or any(pattern.search(text) or pattern.search(close) for pattern in wanted)
    ]
    return known + [order_id for order_id in dict.fromkeys(ORDER_ID.findall(close)) if order_id not in known]


def _zpl_text(content: bytes) -> str:
    """ZPL with its hexadecimal escapes (``^FH``) resolved."""
    if b"^FH" in content:
        content = _FIELD_HEX.sub(lambda found: bytes([int(found[1], 16)]), content)
    return content.decode("latin-1")


def _document(entry: ArchiveEntry, order_id: str, kind: DocumentKind, fetched_at: datetime) -> Document:
    if entry.media_type is MediaType.PDF:
        facts = inspect_pdf(entry.content, order_id, step=kind, require_order_id=False)
        pages, width, height = facts.pages, facts.width_mm, facts.height_mm
    elif entry.media_type is MediaType.ZPL:
        pages, width, height = max(1, entry.content.count(b"^XA")), *_zpl_size(entry.content)
    else:
        pages, width, height = 1, *_png_size(entry.content)
    return Document(
        order_id=order_id,
        kind=kind,
        content=entry.content,
        pages=pages,
        width_mm=width,
        height_mm=height,
        fetched_at=fetched_at,
        media_type=entry.media_type,
    )


def _zpl_size(content: bytes) -> tuple[float, float]:
    """As ``^PW`` and ``^LL`` say, for a printer of 203 dpi; 0 where they are missing."""
    found = [re.search(rb"\^" + name + rb"(\d{1,6})", content) for name in (b"PW", b"LL")]
    width, height = (round(int(match[1]) / _DOTS_PER_MM, 1) if match else 0.0 for match in found)
    return width, height


def _png_size(content: bytes) -> tuple[float, float]:
    """As the picture's resolution says; 0 where it has none.

    Raises:
        DocumentInvalid: it ends early.
    """
    if len(content) < _PNG_HEADER or b"IEND" not in content[-16:]:
        raise DocumentInvalid("the picture ends early: it was cut on its way", retryable=True, step="label")
    width, height = struct.unpack(">II", content[16:24])
    at = content.find(b"pHYs")
    if at < 0 or len(content) < at + 13:
        return 0.0, 0.0
    across, down, unit = struct.unpack(">IIB", content[at + 4 : at + 13])
    if unit != 1 or not across or not down:
        return 0.0, 0.0
    return round(width / across * 1000, 1), round(height / down * 1000, 1)
