"""The documents of a parcel."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

import attrs

from amazon_ae._exceptions import ConfigurationError, DocumentError, PortalError

__all__ = ["Document", "DocumentKind", "DocumentSet", "kinds_asked"]

_SUFFIXES: Final = {"application/pdf": "pdf", "application/zpl": "zpl", "image/png": "png"}


class DocumentKind(StrEnum):
    """The documents that a packer needs."""

    PACKING_SLIP = "packing_slip"
    INVOICE = "invoice"
    SHIPPING_LABEL = "shipping_label"


def kinds_asked(kinds: Collection[DocumentKind]) -> list[DocumentKind]:
    """``kinds`` in the order of ``DocumentKind``, each once.

    Raises:
        ConfigurationError: one of them is unknown, or a text was given in place of a list: fix the call.
    """
    known = tuple(DocumentKind)
    if isinstance(kinds, str) or any(kind not in known for kind in kinds):
        names = ", ".join(f"DocumentKind.{kind.name}" for kind in known)
        raise ConfigurationError(f"kinds is a list of {names}, not {kinds!r}")
    return [kind for kind in known if kind in kinds]


@attrs.frozen(kw_only=True)
class Document:
    """One verified document: it is that order's, readable and not empty.

    Attributes:
        order_id: the channel (Amazon) order id, found in the document's text.
        content: the document's bytes.
        pages: number of pages, >= 1.
        width_mm, height_mm: paper size of the first page; 0 where the format does not say (ZPL, some pictures).
        fetched_at: aware UTC.
        media_type: what ``content`` is, e.g. ``"application/pdf"``.
    """

    order_id: str
    kind: DocumentKind
    content: bytes = attrs.field(repr=False)
    pages: int
    width_mm: float
    height_mm: float
    fetched_at: datetime
    media_type: str = "application/pdf"

    @property
    def sha256(self) -> str:
        """Hex digest of ``content``."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def file_name(self) -> str:
        """``"<kind>.pdf"``; with ``.zpl`` or ``.png`` for those media types."""
        return f"{self.kind}.{_SUFFIXES.get(self.media_type, 'bin')}"


@attrs.frozen
class DocumentSet(Mapping[DocumentKind, Document]):
    """The documents of one order. A kind that failed raises its own error when asked for, the others are not lost.

    ``papers[DocumentKind.INVOICE]`` gives the document or raises that kind's ``DocumentError`` or ``PortalError``;
    ``papers.ready`` and ``papers.failed`` give both sides without raising.
    """

    order_id: str
    results: Mapping[DocumentKind, Document | DocumentError | PortalError]

    def __getitem__(self, kind: DocumentKind) -> Document:
        result = self.results[kind]
        if isinstance(result, DocumentError | PortalError):
            raise result
        return result

    def __iter__(self) -> Iterator[DocumentKind]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    @property
    def ready(self) -> dict[DocumentKind, Document]:
        """The documents that arrived."""
        return {kind: item for kind, item in self.results.items() if isinstance(item, Document)}

    @property
    def failed(self) -> dict[DocumentKind, DocumentError | PortalError]:
        """The errors of the others."""
        return {kind: item for kind, item in self.results.items() if not isinstance(item, Document)}
