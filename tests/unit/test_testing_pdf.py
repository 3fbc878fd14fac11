"""The PDF writer of the fakes, read back by pypdf."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime

import attrs
import pypdf
import pytest
from hypothesis import given, settings, strategies as st

from amazon_ae._models.documents import DocumentKind
from amazon_ae.testing._papers import LABEL_MM, PortalPickup, paper_pages, sample_order
from amazon_ae.testing._pdf import PdfBox, PdfPage, PdfText, text_pages, write_pdf

NOW = datetime(2021, 11, 18, 9, 0, tzinfo=UTC)
PICKUP = PortalPickup(scheduled_at=NOW, day=NOW.date(), tracking_id="AE4711")
# What Helvetica's WinAnsi encoding has and what pypdf hands back sign by sign.
latin = st.text(st.characters(codec="cp1252", categories=["L", "N", "P", "Sc", "Sm"]), min_size=1, max_size=40)


def read(content: bytes) -> pypdf.PdfReader:
    """Open a PDF; every oddity is an error."""
    return pypdf.PdfReader(io.BytesIO(content), strict=True)


@settings(deadline=None)
@given(st.lists(latin, min_size=1, max_size=90))
def test_text_is_read_back(lines: list[str]) -> None:
    """Every line comes back, in its order, on as many pages as are needed."""
    pages = text_pages(lines)
    found = read(write_pdf(pages))
    assert len(found.pages) == len(pages)
    assert [line for page in found.pages for line in page.extract_text().split("\n")] == lines


@settings(deadline=None)
@given(st.floats(20, 1000), st.floats(20, 1000))
def test_paper_has_the_size_that_was_asked_for(width_mm: float, height_mm: float) -> None:
    """In millimetres, to a hundredth."""
    paper = read(write_pdf([PdfPage(width_mm=width_mm, height_mm=height_mm)])).pages[0].mediabox
    assert float(paper.width) / 72 * 25.4 == pytest.approx(width_mm, abs=0.01)
    assert float(paper.height) / 72 * 25.4 == pytest.approx(height_mm, abs=0.01)


def test_the_cross_reference_table_points_at_every_object() -> None:
    """A reader that trusts the table finds each object at its offset."""
    content = write_pdf([PdfPage(), PdfPage()])
    start = int(re.findall(rb"startxref\n(\d+)\n%%EOF\n$", content)[0])
    count, *entries = content[start:].split(b"trailer")[0].split(b"\n")[1:-1]
    assert count == b"0 %d" % len(entries)
    for number, entry in enumerate(entries[1:], start=1):
        assert len(entry) == 19  # 20 with its line end, as the standard wants
        assert content[int(entry[:10]) :].startswith(b"%d 0 obj\n" % number)


def test_signs_that_the_font_lacks_become_question_marks() -> None:
    """Arabic text does not break the file."""
    assert read(write_pdf(text_pages(["عود 12"]))).pages[0].extract_text() == "??? 12"


def test_parentheses_backslashes_and_line_ends_stay_text() -> None:
    """Nothing of the text becomes a PDF operator."""
    text = r"(a\b) Tj ET \051 (("
    assert read(write_pdf(text_pages([text, "a\nb"]))).pages[0].extract_text() == f"{text}\na b"


def test_equal_arguments_give_equal_bytes() -> None:
    """No date, no random id."""
    box = PdfBox(left_mm=1, top_mm=1, width_mm=2, height_mm=3)
    pages = [PdfPage(texts=[PdfText(text="x", left_mm=1, top_mm=5)], boxes=[box])]
    assert write_pdf(pages) == write_pdf(pages)


def test_a_pdf_needs_a_page() -> None:
    """None is refused."""
    with pytest.raises(ValueError, match="at least one page"):
        write_pdf([])


@pytest.mark.parametrize("kind", list(DocumentKind))
@pytest.mark.parametrize("number", [0, 1, 7, 9_999_999])
def test_every_paper_holds_its_order_id(kind: DocumentKind, number: int) -> None:
    """In its text, and not in that of the copy without text; each is more than a kilobyte."""
    order = sample_order(number, purchased_at=NOW, pickup=PICKUP)
    pages = paper_pages(kind, order)
    content = write_pdf(pages)
    assert order.order_id in read(content).pages[0].extract_text()
    assert len(content) > 1024
    assert read(write_pdf([page.without_text() for page in pages])).pages[0].extract_text() == ""


def test_the_label_has_amazons_size() -> None:
    """99.1 x 139 mm, or in the corner of an A4 sheet."""
    order = sample_order(1, purchased_at=NOW, pickup=PICKUP)
    (label,) = paper_pages(DocumentKind.SHIPPING_LABEL, order)
    assert (label.width_mm, label.height_mm) == LABEL_MM == (99.1, 139.0)
    (sheet,) = paper_pages(DocumentKind.SHIPPING_LABEL, order, label_on_a4=True)
    assert (sheet.width_mm, sheet.height_mm, sheet.texts) == (210.0, 297.0, label.texts)


def test_papers_that_do_not_exist_yet_are_refused() -> None:
    """No label without a pickup, no invoice without a number."""
    order = sample_order(1, purchased_at=NOW)
    with pytest.raises(ValueError, match="no scheduled pickup"):
        paper_pages(DocumentKind.SHIPPING_LABEL, order)
    with pytest.raises(ValueError, match="not uploaded"):
        paper_pages(DocumentKind.INVOICE, attrs.evolve(order, invoice_number=None))


@settings(deadline=None)
@given(st.integers(0, 9_999_999))
def test_sample_orders_have_well_formed_ids_of_their_own(number: int) -> None:
    """3-7-7 digits, equal for equal numbers, different for different ones."""
    order = sample_order(number, purchased_at=NOW)
    assert re.fullmatch(r"\d{3}-\d{7}-\d{7}", order.order_id)
    assert order == sample_order(number, purchased_at=NOW)
    assert order.order_id != sample_order((number + 1) % 10_000_000, purchased_at=NOW).order_id


def test_buyers_are_not_in_the_repr() -> None:
    """Nothing personal shows when a test prints an order."""
    order = sample_order(1, purchased_at=NOW)
    for text in (order.buyer_name, order.phone, *order.address[:1]):
        assert text not in repr(order)
