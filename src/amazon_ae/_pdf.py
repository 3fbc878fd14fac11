"""Decide whether bytes are that order's document, and put documents on a disk.

Bytes are believed only when everything fits: they begin as a PDF and end as one, can be read, have a page, and hold
the order's id in their text. A lost session answers with a web page, a hurried site with nothing, a confused one with
another order's paper: each of these is told apart in the error.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import tempfile
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Final

import attrs

from amazon_ae._exceptions import ConfigurationError, DocumentInvalid, StorageError
from amazon_ae._models.documents import Document, DocumentKind, DocumentSet
from amazon_ae._models.text import ORDER_ID

__all__ = [
    "PdfFacts",
    "inspect_pdf",
    "page_texts",
    "require_pypdf",
    "save_documents",
    "with_pages",
    "write_atomically",
]

MOST_BYTES: Final = 20_000_000
_MOST_PAGES_READ: Final = 20
_MOST_PAGES_SPLIT: Final = 1000
_POINT_MM: Final = 25.4 / 72
# What typesetting turns a hyphen into: hyphen, non-breaking hyphen, figure dash, en dash, minus sign, soft hyphen.
_HYPHENS: Final = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2212\u00ad"), "-")


@attrs.frozen(kw_only=True)
class PdfFacts:
    """Number of pages and the paper size of the first one, as it is shown (rotation applied)."""

    pages: int
    width_mm: float
    height_mm: float


def require_pypdf(*, load: bool = False) -> None:
    """Raise ``ConfigurationError`` if pypdf is missing; with ``load`` also import it, which takes a while once."""
    if importlib.util.find_spec("pypdf") is None:
        raise ConfigurationError("documents are verified with pypdf: pip install 'amazon-ae[portal]'")
    if load:
        importlib.import_module("pypdf")


def inspect_pdf(content: bytes, order_id: str, *, step: str = "", require_order_id: bool = True) -> PdfFacts:
    """Check one PDF. Takes tens of milliseconds of processor time: run it in a thread.

    Args:
        step: named in errors, e.g. ``"invoice"``.
        require_order_id: ``False`` for documents that are pictures without text.

    Raises:
        DocumentInvalid: it is not that order's document; the message says which check failed, never what the text is.
        ConfigurationError: pypdf is not installed: ``pip install 'amazon-ae[portal]'``.
    """
    require_pypdf()
    import pypdf

    if not content:
        raise DocumentInvalid("the answer is empty (zero bytes)", retryable=True, step=step)
    if len(content) > MOST_BYTES:
        raise DocumentInvalid(f"the answer has more than {MOST_BYTES // 1_000_000} MB", step=step)
    if not content[:1024].lstrip().startswith(b"%PDF-"):
        what = "a web page" if b"<" in content[:64] else "no PDF"
        raise DocumentInvalid(f"the answer is {what}, not a PDF", retryable=True, step=step)
    if b"%%EOF" not in content[-1024:]:
        raise DocumentInvalid("the PDF ends early: it was cut on its way", retryable=True, step=step)
    try:
        reader = pypdf.PdfReader(BytesIO(content), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise DocumentInvalid("the PDF asks for a password", step=step)
        pages = len(reader.pages)
        if not pages:
            raise DocumentInvalid("the PDF has no page", step=step)
        first = reader.pages[0]
        unit = float(first.get("/UserUnit", 1)) * _POINT_MM
        width, height = abs(float(first.mediabox.width)) * unit, abs(float(first.mediabox.height)) * unit
        if int(first.rotation or 0) % 180:
            width, height = height, width
        if not (width and height):
            raise DocumentInvalid("the PDF's page has no size", step=step)
        if require_order_id:
            _find_order(reader, order_id, step)
    except DocumentInvalid:
        raise
    except Exception as error:  # pypdf has many ways to stumble over damaged bytes, recursion among them
        # "from None": a parser's message may quote the document.
        raise DocumentInvalid(f"the PDF cannot be read ({type(error).__name__})", retryable=True, step=step) from None
    return PdfFacts(pages=pages, width_mm=round(width, 1), height_mm=round(height, 1))


def page_texts(content: bytes, *, step: str = "") -> list[str]:
    """The text of every page (the first thousand), hyphens made plain. Run it in a thread.

    Raises:
        DocumentInvalid: it cannot be read.
        ConfigurationError: pypdf is not installed.
    """
    require_pypdf()
    import pypdf

    try:
        reader = pypdf.PdfReader(BytesIO(content), strict=False)
        return [page.extract_text().translate(_HYPHENS) for page in list(reader.pages)[:_MOST_PAGES_SPLIT]]
    except Exception as error:
        raise DocumentInvalid(f"the PDF cannot be read ({type(error).__name__})", retryable=True, step=step) from None


def with_pages(content: bytes, numbers: Sequence[int], *, step: str = "") -> bytes:
    """A PDF of these pages only (counted from 0).

    Raises:
        DocumentInvalid: it cannot be read.
    """
    require_pypdf()
    import pypdf

    try:
        reader = pypdf.PdfReader(BytesIO(content), strict=False)
        writer = pypdf.PdfWriter()
        for number in numbers:
            writer.add_page(reader.pages[number])
        buffer = BytesIO()
        writer.write(buffer)
    except Exception as error:
        raise DocumentInvalid(f"the PDF cannot be read ({type(error).__name__})", retryable=True, step=step) from None
    return buffer.getvalue()


def _find_order(reader: object, order_id: str, step: str) -> None:
    others = False
    empty = True
    for page in list(reader.pages)[:_MOST_PAGES_READ]:  # type: ignore[attr-defined]  # pypdf is imported on use only
        # Kerning and line ends may tear an id apart: spaces do not count.
        text = "".join(page.extract_text().split()).translate(_HYPHENS)
        if order_id in text:
            return
        empty = empty and not text
        others = others or ORDER_ID.search(text) is not None
    if others:
        raise DocumentInvalid("the PDF is another order's", step=step)
    raise DocumentInvalid("the PDF holds no text" if empty else "the PDF does not name the order", step=step)


def save_documents(
    papers: DocumentSet | Mapping[DocumentKind, Document], folder: str | Path
) -> dict[DocumentKind, Path]:
    """Write the documents that arrived to ``<folder>/<order id>-<kind>.pdf``; each file is whole or not there at all.

    Returns:
        The path per kind; kinds that failed are left out (``papers.failed`` says why).

    Raises:
        StorageError: the disk is full or the folder cannot be written. Files already complete stay; call again.
    """
    ready = papers.ready if isinstance(papers, DocumentSet) else papers
    target = Path(folder)
    paths: dict[DocumentKind, Path] = {}
    for kind, document in ready.items():
        path = target / f"{document.order_id}-{document.file_name}"
        write_atomically(path, document.content)
        paths[kind] = path
    return paths


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside, flush to the disk, then replace.

    Raises:
        StorageError: nothing was changed, no half file is left.
    """
    name = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
        _flush_folder(path.parent)
    except BaseException as error:
        if name:
            with contextlib.suppress(OSError):
                os.unlink(name)
        if isinstance(error, OSError):
            raise StorageError(f"{path} cannot be written: {error.strerror}; free space and save again") from error
        raise


def _flush_folder(folder: Path) -> None:
    """Make a new name durable, where the system can (Windows cannot open a folder)."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
