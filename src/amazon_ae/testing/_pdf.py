"""A small, correct PDF writer for fakes: pages of a given paper size, Helvetica text and filled boxes.

It needs no dependency and its output depends on nothing but its arguments, so equal documents are equal bytes. Text
that Helvetica's WinAnsi encoding lacks (Arabic, for one) is written as ``?``: fakes need to be read back, not shipped.

Source of the structure: ISO 32000-1 (PDF 1.7), sections 7.5 (file structure) and 9.6.2.2 (the standard fonts).
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

__all__ = ["A4_MM", "PdfBox", "PdfPage", "PdfText", "text_pages", "write_pdf"]

A4_MM = (210.0, 297.0)
_POINTS_PER_MM = 72 / 25.4
_CATALOG, _PAGES, _REGULAR, _BOLD = 1, 2, 3, 4
_FIRST_PAGE = 5


@attrs.frozen(kw_only=True)
class PdfText:
    """One line of text. ``left_mm`` and ``top_mm`` place its baseline, counted from the page's upper left corner."""

    text: str
    left_mm: float
    top_mm: float
    size_points: float = 10.0
    bold: bool = False


@attrs.frozen(kw_only=True)
class PdfBox:
    """A filled black box (a rule, a bar of a bar code), counted from the page's upper left corner."""

    left_mm: float
    top_mm: float
    width_mm: float
    height_mm: float


@attrs.frozen(kw_only=True)
class PdfPage:
    """One page; A4 upright by default."""

    texts: Sequence[PdfText] = ()
    boxes: Sequence[PdfBox] = ()
    width_mm: float = A4_MM[0]
    height_mm: float = A4_MM[1]

    def without_text(self) -> PdfPage:
        """The same page as a scanner would give it: a bar where each line of text was, and nothing to read."""
        bars = tuple(
            PdfBox(
                left_mm=line.left_mm,
                top_mm=line.top_mm - line.size_points / _POINTS_PER_MM * 0.6,
                width_mm=max(1.0, len(line.text) * line.size_points / _POINTS_PER_MM * 0.5),
                height_mm=line.size_points / _POINTS_PER_MM * 0.6,
            )
            for line in self.texts
        )
        return attrs.evolve(self, texts=(), boxes=(*self.boxes, *bars))


def write_pdf(pages: Sequence[PdfPage]) -> bytes:
    """The PDF file with these pages, at least one.

    Raises:
        ValueError: no page was given; a PDF needs one.
    """
    if not pages:
        raise ValueError("a PDF needs at least one page")
    kids = " ".join(f"{_FIRST_PAGE + 2 * index} 0 R" for index in range(len(pages)))
    bodies = [
        f"<< /Type /Catalog /Pages {_PAGES} 0 R >>".encode(),
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>",
    ]
    for index, page in enumerate(pages):
        content = _content(page)
        width, height = _number(page.width_mm * _POINTS_PER_MM), _number(page.height_mm * _POINTS_PER_MM)
        bodies.append(
            f"<< /Type /Page /Parent {_PAGES} 0 R /MediaBox [0 0 {width} {height}] "
            f"/Resources << /Font << /F1 {_REGULAR} 0 R /F2 {_BOLD} 0 R >> >> "
            f"/Contents {_FIRST_PAGE + 2 * index + 1} 0 R >>".encode()
        )
        bodies.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
    return _file(bodies)


def text_pages(
    lines: Sequence[str], *, width_mm: float = A4_MM[0], height_mm: float = A4_MM[1], size_points: float = 10.0
) -> list[PdfPage]:
    """Lines from top to bottom, on as many pages as they need; lines are not broken."""
    margin_mm = 12.0
    step_mm = size_points / _POINTS_PER_MM * 1.4
    room = max(1, int((height_mm - 2 * margin_mm) / step_mm))
    return [
        PdfPage(
            texts=[
                PdfText(text=text, left_mm=margin_mm, top_mm=margin_mm + (place + 1) * step_mm, size_points=size_points)
                for place, text in enumerate(lines[start : start + room])
            ],
            width_mm=width_mm,
            height_mm=height_mm,
        )
        for start in range(0, max(1, len(lines)), room)
    ]


def _file(bodies: Sequence[bytes]) -> bytes:
    # The second line marks the file as binary for programs that guess (ISO 32000-1, 7.5.2).
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, body in enumerate(bodies, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1)
    for offset in offsets:
        out += b"%010d 00000 n \n" % offset
    out += b"trailer\n<< /Size %d /Root %d 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(bodies) + 1, _CATALOG, start)
    return bytes(out)


def _content(page: PdfPage) -> bytes:
    parts: list[bytes] = []
    for box in page.boxes:
        left, width, height = (_number(value * _POINTS_PER_MM) for value in (box.left_mm, box.width_mm, box.height_mm))
        bottom = _number((page.height_mm - box.top_mm - box.height_mm) * _POINTS_PER_MM)
        parts.append(f"{left} {bottom} {width} {height} re f".encode())
    for line in page.texts:
        left, bottom = _number(line.left_mm * _POINTS_PER_MM), _number((page.height_mm - line.top_mm) * _POINTS_PER_MM)
        font = "F2" if line.bold else "F1"
        start = f"BT /{font} {_number(line.size_points)} Tf {left} {bottom} Td "
        parts.append(start.encode() + _string(line.text) + b" Tj ET")
    return b"\n".join(parts)


def _number(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")


def _string(text: str) -> bytes:
    plain = "".join(sign if sign.isprintable() else " " for sign in text).encode("cp1252", errors="replace")
    return b"(" + plain.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)") + b")"
