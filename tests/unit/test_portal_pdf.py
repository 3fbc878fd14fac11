"""Bytes are believed only when everything fits, and reach a disk whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import attrs
import pypdf
import pytest
from hypothesis import given, settings, strategies as st

from amazon_ae._document_files import save_documents
from amazon_ae._exceptions import DocumentInvalid, DocumentNotReady, StorageError
from amazon_ae._models.documents import Document, DocumentKind, DocumentSet
from amazon_ae._pdf import inspect_pdf
from amazon_ae.testing._papers import PortalPickup, paper_pages, sample_order
from amazon_ae.testing._pdf import text_pages, write_pdf

NOW = datetime(2021, 11, 18, 9, 0, tzinfo=UTC)
ORDER = attrs.evolve(
    sample_order(7, purchased_at=NOW - timedelta(days=1)),
    pickup=PortalPickup(scheduled_at=NOW, day=NOW.date(), tracking_id="AE1"),
)
LABEL = write_pdf(paper_pages(DocumentKind.SHIPPING_LABEL, ORDER))
OTHER = write_pdf(paper_pages(DocumentKind.INVOICE, sample_order(8, purchased_at=NOW)))


def _document(kind: DocumentKind, content: bytes = LABEL) -> Document:
    return Document(
        order_id=ORDER.order_id, kind=kind, content=content, pages=1, width_mm=99.1, height_mm=139.0, fetched_at=NOW
    )


def test_a_good_label_is_measured() -> None:
    """Pages and paper size in millimetres, as Amazon's help page gives them for the label."""
    facts = inspect_pdf(LABEL, ORDER.order_id)
    assert (facts.pages, facts.width_mm, facts.height_mm) == (1, 99.1, 139.0)


def test_a_turned_page_is_measured_as_it_is_shown() -> None:
    """A rotation by 90 degrees swaps width and height."""
    writer = pypdf.PdfWriter(clone_from=BytesIO(LABEL))
    writer.pages[0].rotate(90)
    out = BytesIO()
    writer.write(out)
    facts = inspect_pdf(out.getvalue(), ORDER.order_id)
    assert (facts.width_mm, facts.height_mm) == (139.0, 99.1)


def _without_pages() -> bytes:
    out = BytesIO()
    pypdf.PdfWriter().write(out)
    return out.getvalue()


def _locked() -> bytes:
    writer = pypdf.PdfWriter(clone_from=BytesIO(LABEL))
    writer.encrypt("a password", algorithm="RC4-128")
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "reason", "retryable"),
    [
        (b"", "zero bytes", True),
        (b"<!doctype html><html>sign in</html>", "a web page", True),
        (b"%PSF", "no PDF", True),
        (b"{}", "JSON", False),
        (b"\n^XA^FO50,50^FDx^FS^XZ", "a ZPL label", False),
        (b"\x89PNG\r\n\x1a\n....", "a PNG picture", False),
        (b"PK\x03\x04....", "a ZIP archive", False),
        (b"PK\x05\x06" + bytes(18), "an empty ZIP archive", False),
        (b"\xef\xbb\xbf ^XA^XZ", "a ZPL label", False),
        (b"CT~~CD,~CC^~CT~^XA^XZ", "a ZPL label", False),
        (b"~DGR:LOGO.GRF,1,1,00^XA^XZ", "a ZPL label", False),
        (b"RIFF....WEBPVP8 ", "a WebP picture", False),
        (b"II*\x00....", "a TIFF picture", False),
        (b'[{"a": 1}]', "JSON", False),
        (b'<?xml version="1.0"?><!DOCTYPE html><html>', "a web page", True),
        (LABEL[: len(LABEL) // 2], "cut on its way", True),
        (b"%PDF-1.4\nrubbish\n%%EOF\n", "cannot be read", True),
        (_without_pages(), "no page", False),
        (_locked(), "asks for a password", False),
        (OTHER, "another order's", False),
        (
            write_pdf([page.without_text() for page in paper_pages(DocumentKind.SHIPPING_LABEL, ORDER)]),
            "holds no text",
            False,
        ),
    ],
)
def test_what_is_not_the_orders_document_is_refused(content: bytes, reason: str, retryable: bool) -> None:
    """Each fault has its own message, and says whether the same request may give something else."""
    with pytest.raises(DocumentInvalid, match=reason) as caught:
        inspect_pdf(content, ORDER.order_id, step="invoice")
    assert caught.value.retryable is retryable
    assert caught.value.step == "invoice"
    assert caught.value.__cause__ is None


def test_a_page_of_another_order_is_refused_wherever_it_is() -> None:
    """A batch of labels holds other buyers' addresses: the last of thirty pages counts as the first."""
    ours = paper_pages(DocumentKind.SHIPPING_LABEL, ORDER)
    other = paper_pages(DocumentKind.SHIPPING_LABEL, attrs.evolve(ORDER, order_id="408-7777777-7777777"))
    assert inspect_pdf(write_pdf(ours * 30), ORDER.order_id).pages == 30
    with pytest.raises(DocumentInvalid, match="page 31 of 31"):
        inspect_pdf(write_pdf(ours * 30 + other), ORDER.order_id)
    with pytest.raises(DocumentInvalid, match="page 1 of 2"):
        inspect_pdf(write_pdf(other + ours), ORDER.order_id)
    both = text_pages([f"Replaces order 408-7777777-7777777 by {ORDER.order_id}", "Terms"])
    assert inspect_pdf(write_pdf(both), ORDER.order_id).pages == 1


@pytest.mark.parametrize("algorithm", ["AES-256", "AES-128", "RC4-128"])
def test_a_pdf_that_is_only_locked_against_changes_is_read(algorithm: str) -> None:
    """Its password for reading is empty."""
    writer = pypdf.PdfWriter(clone_from=BytesIO(LABEL))
    writer.encrypt("", owner_password="the owner's", algorithm=algorithm)
    out = BytesIO()
    writer.write(out)
    assert inspect_pdf(out.getvalue(), ORDER.order_id).pages == 1


@pytest.mark.parametrize("title", ["Credit Note", "CREDIT NOTE No. 7", "Credit memo", "Tax Credit-Note"])
def test_a_credit_note_is_no_invoice(title: str) -> None:
    """It names the order and its invoice; an invoice may name a credit note further down."""
    lines = [title, f"Order {ORDER.order_id}", "for invoice INV-1"]
    content = write_pdf(text_pages(lines))
    with pytest.raises(DocumentInvalid, match="credit note") as caught:
        inspect_pdf(content, ORDER.order_id, kind=DocumentKind.INVOICE)
    assert not caught.value.retryable
    assert inspect_pdf(content, ORDER.order_id, kind=DocumentKind.PACKING_SLIP).pages == 1
    invoice = write_pdf(text_pages(["Tax invoice", f"Order {ORDER.order_id}", "A credit note follows on return."]))
    assert inspect_pdf(invoice, ORDER.order_id, kind=DocumentKind.INVOICE).pages == 1


def test_a_picture_may_be_let_through_without_its_order_id() -> None:
    """For documents without text the host says so, kind by kind."""
    content = write_pdf([page.without_text() for page in paper_pages(DocumentKind.SHIPPING_LABEL, ORDER)])
    assert inspect_pdf(content, ORDER.order_id, require_order_id=False).pages == 1


def test_a_part_of_an_order_id_is_not_enough() -> None:
    """The whole id must be there."""
    with pytest.raises(DocumentInvalid):
        inspect_pdf(LABEL, ORDER.order_id[:-1] + ("0" if ORDER.order_id[-1] != "0" else "1"))


@settings(max_examples=60, deadline=None)
@given(st.integers(min_value=0, max_value=len(LABEL) - 1), st.integers(min_value=0, max_value=255))
def test_a_damaged_byte_gives_a_document_or_the_typed_error(place: int, value: int) -> None:
    """Whatever the damage, nothing else is raised."""
    damaged = LABEL[:place] + bytes([value]) + LABEL[place + 1 :]
    try:
        facts = inspect_pdf(damaged, ORDER.order_id)
    except DocumentInvalid:
        return
    assert facts.pages == 1


def test_only_the_documents_that_arrived_are_saved(tmp_path: Path) -> None:
    """A failed kind is left out; the files carry order and kind in their names."""
    papers = DocumentSet(
        ORDER.order_id,
        {
            DocumentKind.SHIPPING_LABEL: _document(DocumentKind.SHIPPING_LABEL),
            DocumentKind.INVOICE: DocumentNotReady("later", retry_after_seconds=5),
        },
    )
    paths = save_documents(papers, tmp_path / "papers")
    path = tmp_path / "papers" / f"{ORDER.order_id}-shipping_label.pdf"
    assert paths == {DocumentKind.SHIPPING_LABEL: path}
    assert path.read_bytes() == LABEL
    assert list((tmp_path / "papers").iterdir()) == [path]


FULL_DISK = """
import resource, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from amazon_ae._exceptions import StorageError
from amazon_ae._models.documents import Document, DocumentKind
from amazon_ae._document_files import save_documents
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
paper = Document(order_id="408-1234567-1234567", kind=DocumentKind.INVOICE, content=b"x" * 5000, pages=1,
                 width_mm=1.0, height_mm=1.0, fetched_at=datetime.now(UTC))
try:
    save_documents({paper.kind: paper}, sys.argv[1])
except StorageError as error:
    print("typed:", error)
"""


def test_a_full_disk_is_typed_and_leaves_the_old_file(tmp_path: Path) -> None:
    """A real failed write (a file size limit), in a process of its own: no half file, no temporary file."""
    old = tmp_path / "408-1234567-1234567-invoice.pdf"
    old.write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "typed:" in done.stdout
    assert "free space" in done.stdout
    assert old.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [old]


def test_a_folder_that_cannot_be_made_is_typed(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot be written"):
        save_documents({DocumentKind.INVOICE: _document(DocumentKind.INVOICE)}, tmp_path / "taken" / "deeper")
