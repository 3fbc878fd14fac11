"""Checks that a PDF is the document of one order.

A PDF passes if it begins and ends as one, can be parsed, has a page, names the order, and has no page that names only
another order. A lost session returns a web page instead, a busy site nothing, a faulty one another order's document or
a
credit note: each has its own message.

No variable of the frames that an error leaves holds the content: error trackers collect variables, and the content has
names and addresses of buyers.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Final

import attrs

from amazon_ae._exceptions import ConfigurationError, DocumentInvalid
from amazon_ae._models.documents import DocumentKind
from amazon_ae._models.hidden import sealed
from amazon_ae._models.text import ORDER_ID

if TYPE_CHECKING:
    from pypdf import PdfReader

__all__ = ["PdfFacts", "inspect_pdf", "page_texts", "require_portal_extra", "with_pages"]

MOST_BYTES: Final = 20_000_000
_MOST_PAGES: Final = 200
_MOST_PAGES_SPLIT: Final = 1000
_POINT_MM: Final = 25.4 / 72
# The characters that typesetting puts in place of a hyphen: hyphen, non-breaking hyphen, figure dash, en dash, minus
# sign, soft hyphen.
_HYPHENS: Final = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2212\u00ad"), "-")
_FORMATS: Final = (
    (b"^XA", "a ZPL label (for Zebra printers)"),
    (b"~DG", "a ZPL label (for Zebra printers)"),
    (b"~DY", "a ZPL label (for Zebra printers)"),
    (b"CT~~CD", "a ZPL label (for Zebra printers)"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"RIFF", "a WebP picture"),
    (b"II*\x00", "a TIFF picture"),
    (b"MM\x00*", "a TIFF picture"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"%!PS", "a PostScript file"),
    (b"{", "JSON"),
    (b"[", "JSON"),
)
# The titles of a credit note, which stand before the word "invoice"; the text is compared without spaces.
_CREDIT_WORDS: Final = ("creditnote", "creditmemo", "إشعاردائن", "اشعاردائن")
_INVOICE_WORDS: Final = ("taxinvoice", "invoice", "فاتورة")


@attrs.frozen(kw_only=True)
class PdfFacts:
    """Number of pages and the paper size of the first one, as it is shown (rotation applied)."""

    pages: int
    width_mm: float
    height_mm: float


@attrs.frozen
class _Fault:
    """Why the bytes are not the document, and whether asking again may help."""

    message: str
    retryable: bool = False


def require_portal_extra(*, load: bool = False) -> None:
    """Check that pypdf and selectolax are installed; with ``load`` also import them, which takes a while once.

    Raises:
        ConfigurationError: one is missing; the message has the command.
    """
    for name in ("pypdf", "selectolax"):
        if importlib.util.find_spec(name) is None:
            raise ConfigurationError(f"the panel needs {name}: pip install 'amazon-ae[portal]'")
        if load:
            importlib.import_module("selectolax.lexbor" if name == "selectolax" else name)


@sealed
def inspect_pdf(
    content: bytes,
    order_id: str,
    *,
    kind: DocumentKind | None = None,
    step: str = "",
    require_order_id: bool = True,
) -> PdfFacts:
    """Check one PDF. Takes tens of milliseconds of processor time: run it in a thread.

    Args:
        kind: for an invoice it is also checked that it is no credit note.
        step: named in errors, e.g. ``"invoice"``.
        require_order_id: ``False`` for documents that are pictures without text.

    Raises:
        DocumentInvalid: it is not that order's document; the message names the failed check, never the text.
            Ask once more if it is ``retryable``.
        ConfigurationError: pypdf is not installed: ``pip install 'amazon-ae[portal]'``.
    """
    require_portal_extra()
    found = _examine(content, order_id if require_order_id else None, kind)
    if isinstance(found, _Fault):
        raise DocumentInvalid(found.message, retryable=found.retryable, step=step)
    return found


@sealed
def page_texts(content: bytes, *, step: str = "") -> list[str]:
    """The text of every page (the first thousand), hyphens made plain. Run it in a thread.

    Raises:
        DocumentInvalid: it cannot be read.
        ConfigurationError: pypdf is not installed.
    """
    require_portal_extra()
    import pypdf

    try:
        reader = pypdf.PdfReader(BytesIO(content), strict=False)
        return [page.extract_text().translate(_HYPHENS) for page in list(reader.pages)[:_MOST_PAGES_SPLIT]]
    except Exception as error:
        raise DocumentInvalid(f"the PDF cannot be read ({type(error).__name__})", retryable=True, step=step) from None


@sealed
def with_pages(content: bytes, numbers: Sequence[int], *, step: str = "") -> bytes:
    """A PDF of these pages only (counted from 0).

    Raises:
        DocumentInvalid: it cannot be read.
    """
    require_portal_extra()
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


def _examine(content: bytes, order_id: str | None, kind: DocumentKind | None) -> PdfFacts | _Fault:
    import pypdf

    if fault := _envelope_fault(content):
        return fault
    try:
        reader = pypdf.PdfReader(BytesIO(content), strict=False)
        # Invoices are often locked against changes: the password for reading is empty.
        if reader.is_encrypted and not reader.decrypt(""):
            return _Fault("the PDF asks for a password")
        return _size(reader) if order_id is None else _text_fault(reader, order_id, kind) or _size(reader)
    except Exception as error:  # pypdf fails in many ways over damaged bytes, recursion among them
        return _Fault(f"the PDF cannot be read ({type(error).__name__})", retryable=True)


def _envelope_fault(content: bytes) -> _Fault | None:
    """The fault that shows before the bytes are parsed as a PDF; ``None`` if there is none."""
    if not content:
        return _Fault("the answer is empty (zero bytes)", retryable=True)
    if len(content) > MOST_BYTES:
        return _Fault(f"the answer has more than {MOST_BYTES // 1_000_000} MB")
    start = content[:1024].removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start.startswith(b"%PDF-"):
        for magic, name in _FORMATS:
            if start.startswith(magic):
                return _Fault(f"the answer is {name}, not a PDF")
        what = "a web page" if b"<" in content[:64] else "no PDF"
        return _Fault(f"the answer is {what}, not a PDF", retryable=True)
    if b"%%EOF" not in content[-1024:]:
        return _Fault("the PDF ends early: it was cut on its way", retryable=True)
    return None


def _size(reader: PdfReader) -> PdfFacts | _Fault:
    pages = len(reader.pages)
    if not pages:
        return _Fault("the PDF has no page")
    first = reader.pages[0]
    unit = float(first.get("/UserUnit", 1)) * _POINT_MM
    width, height = abs(float(first.mediabox.width)) * unit, abs(float(first.mediabox.height)) * unit
    if int(first.rotation or 0) % 180:
        width, height = height, width
    if not (width and height):
        return _Fault("the PDF's page has no size")
    return PdfFacts(pages=pages, width_mm=round(width, 1), height_mm=round(height, 1))


def _text_fault(reader: PdfReader, order_id: str, kind: DocumentKind | None) -> _Fault | None:
    """Every page that names an order must name ours, and one of them must."""
    if not reader.pages:
        return _Fault("the PDF has no page")
    if len(reader.pages) > _MOST_PAGES:
        return _Fault(f"the PDF has more than {_MOST_PAGES} pages: it is not one order's")
    named = empty = 0
    whole = ""
    for number, page in enumerate(reader.pages, start=1):
        # Kerning and line ends may split an id: spaces are ignored.
        text = "".join(page.extract_text().split()).translate(_HYPHENS)
        empty += not text
        whole += text
        if order_id in text:
            named += 1
        elif ORDER_ID.search(text):
            return _Fault(f"the PDF is another order's (page {number} of {len(reader.pages)})")
    if not named:
        return _Fault("the PDF holds no text" if empty == len(reader.pages) else "the PDF does not name the order")
    if kind is DocumentKind.INVOICE and _is_credit_note(whole.casefold().replace("-", "")):
        return _Fault("the PDF is a credit note, not the invoice")
    return None


def _is_credit_note(text: str) -> bool:
    """Whether it calls itself a credit note first: an invoice may mention one, a credit note names its invoice."""
    credit = min((at for word in _CREDIT_WORDS if (at := text.find(word)) >= 0), default=None)
    invoice = min((at for word in _INVOICE_WORDS if (at := text.find(word)) >= 0), default=None)
    return credit is not None and (invoice is None or credit < invoice)
