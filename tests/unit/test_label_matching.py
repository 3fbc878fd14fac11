"""Labels that are pictures or printer commands: whose they are, and how large."""

from __future__ import annotations

import struct
import zlib
from datetime import UTC, datetime

import pytest

from amazon_ae import Document, DocumentInvalid, DocumentKind
from amazon_ae._easy_ship.archives import ArchiveEntry, MediaType
from amazon_ae._easy_ship.labels import ArchiveReader, KeptArchive, LabelTexts, choose_document, match_labels

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)
ONE, OTHER = "171-1234567-1234567", "171-7654321-7654321"
LABEL = DocumentKind.SHIPPING_LABEL


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def picture(*, width: int = 812, height: int = 1218, per_metre: int | None = 7992, unit: int = 1) -> bytes:
    """A PNG of 203 dpi, 4 x 6 inches, by default."""
    density = b"" if per_metre is None else chunk(b"pHYs", struct.pack(">IIB", per_metre, per_metre, unit))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + density + chunk(b"IEND", b"")


def entry(name: str, content: bytes, media_type: MediaType) -> ArchiveEntry:
    return ArchiveEntry(name=name, content=content, media_type=media_type)


def owners(*entries: ArchiveEntry, orders: tuple[str, ...] = (ONE, OTHER)) -> dict[str, int]:
    """How many entries each order got."""
    found = match_labels(entries, {order_id: LabelTexts() for order_id in orders})
    return {order_id: len(parts) for order_id, parts in found.items() if parts}


def test_a_picture_is_matched_by_its_name_or_where_one_order_was_asked_for() -> None:
    """It has no text; a guess would put a label on another parcel."""
    assert owners(entry(f"{OTHER}/label.png", picture(), MediaType.PNG)) == {OTHER: 1}
    assert owners(entry("label.png", picture(), MediaType.PNG), orders=(ONE,)) == {ONE: 1}
    assert owners(entry("label.png", picture(), MediaType.PNG)) == {}
    assert owners(entry(f"{ONE} {OTHER}.png", picture(), MediaType.PNG)) == {}


@pytest.mark.parametrize(
    ("content", "whose"),
    [
        (b"^XA^FO40,40^FD171-1234567-1234567^FS^XZ", {ONE: 1}),
        (b"^XA^FO40,40^FH^FD171_2D1234567_2D1234567^FS^XZ", {ONE: 1}),
        (b"^XA^FD171-1234567-1234567^FS^XZ^XA^FD171-7654321-7654321^FS^XZ", {}),
        (b"^XA^FD171-0000000-0000000^FS^XZ", {}),
        (b"^XA^FDno order^FS^XZ", {}),
    ],
)
def test_printer_commands_name_their_order(content: bytes, whose: dict[str, int]) -> None:
    """Escapes are resolved; of two orders, and of one that nobody asked for, it is nobody's."""
    assert owners(entry("1.zpl", content, MediaType.ZPL)) == whose


@pytest.mark.parametrize(
    ("content", "size"),
    [
        (picture(), (101.6, 152.4)),
        (picture(per_metre=None), (0.0, 0.0)),
        (picture(unit=0), (0.0, 0.0)),
        (picture(per_metre=0), (0.0, 0.0)),
    ],
)
def test_a_pictures_size_is_that_of_its_resolution(content: bytes, size: tuple[float, float]) -> None:
    """Without one it is not known."""
    document = choose_document(
        [entry("label.png", content, MediaType.PNG)], ONE, LABEL, media_types=["image/png"], fetched_at=NOW
    )
    assert document is not None
    assert (document.width_mm, document.height_mm, document.pages) == (*size, 1)


def test_a_picture_that_was_cut_is_no_label() -> None:
    """It is asked for again."""
    with pytest.raises(DocumentInvalid, match="cut") as caught:
        choose_document(
            [entry("label.png", picture()[:-13], MediaType.PNG)], ONE, LABEL, media_types=["image/png"], fetched_at=NOW
        )
    assert caught.value.retryable


def test_a_damaged_archive_does_not_hide_an_older_good_one() -> None:
    """And the newest good one comes first."""
    reader, texts = ArchiveReader(), {ONE: LabelTexts()}
    good = KeptArchive(name="good", content=b"^XA^PW812^LL1218^FD171-1234567-1234567^FS^XZ", orders=texts, kept_at=NOW)
    bad = KeptArchive(name="bad", content=b"PK\x03\x04 cut", orders=texts, kept_at=NOW)
    found = reader.documents([bad, good], ONE, [LABEL], media_types=["application/zpl"], fetched_at=NOW)
    label = found[LABEL]
    assert isinstance(label, Document)
    assert (label.width_mm, label.height_mm) == (101.5, 152.2)
    assert isinstance(
        reader.documents([bad], ONE, [LABEL], media_types=["application/zpl"], fetched_at=NOW)[LABEL], DocumentInvalid
    )
