"""Label archives are recognised by their bytes, opened within limits, and never believed."""

from __future__ import annotations

import contextlib
import gzip
import io
import random
import struct
import tarfile
import tracemalloc
import zipfile
import zlib

import pytest
from hypothesis import given, settings, strategies as st

from amazon_ae import ConfigurationError, DocumentInvalid
from amazon_ae._easy_ship.archives import ArchiveLimits, MediaType, sniff, unpack

PDF = b"%PDF-1.4\n1 0 obj\nendobj\n%%EOF\n"
ZPL = b"^XA\n^FO40,40^FD171-1234567-1234567^FS\n^XZ\n"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)


def compressed(content: bytes, level: int = 9, *, mtime: int = 0) -> bytes:
    """Gzip without the time of day, so that tests have the same names in every process."""
    return gzip.compress(content, level, mtime=mtime)


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(files: dict[str, bytes], *others: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in others:
            archive.addfile(info)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (PDF, "application/pdf"),
        (b"\r\n" + PDF, "application/pdf"),
        (ZPL, "application/zpl"),
        (b"\xef\xbb\xbf \n" + ZPL, "application/zpl"),
        (b"~DGR:LOGO.GRF,4,1,FFFF\n" + ZPL, "application/zpl"),
        (b"CT~~CD,~CC^~CT~\n" + ZPL, "application/zpl"),
        (PNG, "image/png"),
        (zipped({"a.pdf": PDF}), "zip"),
        (zipped({}), "zip"),
        (compressed(PDF), "gzip"),
        (tarred({"a.pdf": PDF}), "tar"),
        (b"<html>^XA</html>", None),
        (b"~ a tilde is no label", None),
        (b"", None),
    ],
)
def test_bytes_are_recognised_by_how_they_begin(content: bytes, kind: str | None) -> None:
    """Whatever a name or a header says."""
    assert sniff(content) == kind


@pytest.mark.parametrize(
    "content",
    [
        zipped({"001/label.pdf": PDF, "001/label.zpl": ZPL, "001/read me.txt": b"hello", "label.png": PNG}),
        tarred({"001/label.pdf": PDF, "001/label.zpl": ZPL, "001/read me.txt": b"hello", "label.png": PNG}),
        compressed(tarred({"001/label.pdf": PDF, "001/label.zpl": ZPL, "label.png": PNG})),
        zipped({"all.tar.gz": compressed(tarred({"001/label.pdf": PDF, "001/label.zpl": ZPL, "label.png": PNG}))}),
    ],
)
def test_every_document_of_an_archive_comes_with_its_media_type(content: bytes) -> None:
    """Other files are left out."""
    found = unpack(content)
    assert [(entry.name, entry.media_type, entry.content) for entry in found] == [
        ("001/label.pdf", MediaType.PDF, PDF),
        ("001/label.zpl", MediaType.ZPL, ZPL),
        ("label.png", MediaType.PNG, PNG),
    ]


def test_a_bare_document_is_one_entry() -> None:
    """Also compressed, and in several gzip members."""
    for content in (PDF, compressed(PDF), compressed(PDF[:9]) + compressed(PDF[9:])):
        assert [(entry.name, entry.content) for entry in unpack(content)] == [("", PDF)]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd.pdf", "etc/passwd.pdf"),
        ("/etc/cron.d/label.pdf", "etc/cron.d/label.pdf"),
        ("C:\\Windows\\label.pdf", "Windows/label.pdf"),
        ("..\\..\\label.pdf", "label.pdf"),
        ("a\x1b[31m\u202e.pdf", "a[31m.pdf"),
        ("x" * 5000 + ".pdf", ("x" * 5000 + ".pdf")[-200:]),
    ],
)
def test_names_cannot_lead_anywhere(name: str, shown: str) -> None:
    """They are shown and compared, and no file is ever written by them."""
    for content in (zipped({name: PDF}), tarred({name: PDF})):
        assert [entry.name for entry in unpack(content)] in ([shown], [shown.replace("\x1b", "")])


def test_links_devices_and_encrypted_entries_are_no_files() -> None:
    """A link could show a file of this machine."""
    link, hard, device = tarfile.TarInfo("link.pdf"), tarfile.TarInfo("hard.pdf"), tarfile.TarInfo("device.pdf")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    hard.type, hard.linkname = tarfile.LNKTYPE, "a.pdf"
    device.type = tarfile.CHRTYPE
    assert [entry.name for entry in unpack(tarred({"a.pdf": PDF}, link, hard, device))] == ["a.pdf"]
    content = bytearray(zipped({"a.pdf": PDF}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    assert unpack(bytes(content)) == ()


def test_a_bomb_costs_no_more_than_the_limit() -> None:
    """Memory is measured: what an archive claims is not believed."""
    zeros = bytes(200_000_000)
    bombs = [
        zipped({"a.pdf": zeros}),
        compressed(zeros, 1),
        compressed(compressed(zeros, 1), 1),
        compressed(tarred({"a.pdf": zeros}), 1),
    ]
    del zeros
    tracemalloc.start()
    try:
        for bomb in bombs:
            with pytest.raises(DocumentInvalid, match="too large"):
                unpack(bomb, limits=ArchiveLimits(most_bytes=2_000_000))
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_many_entries_and_deep_nesting_are_refused() -> None:
    """Before a directory of a million entries is built."""
    many = {f"{number}.txt": b"" for number in range(3000)}
    for content in (zipped(many), tarred(many)):
        with pytest.raises(DocumentInvalid, match="too many entries"):
            unpack(content)
    deep = PDF
    for _ in range(5):
        deep = zipped({"inner": deep})
    with pytest.raises(DocumentInvalid, match="within archives"):
        unpack(deep)
    lying = bytearray(zipped({"a.pdf": PDF}))
    at = lying.rindex(b"PK\x05\x06")
    lying[at + 12 : at + 16] = struct.pack("<I", 0xFFFFFFF0)
    with pytest.raises(DocumentInvalid):
        unpack(bytes(lying))


def test_a_zip_that_lies_about_a_size_is_damaged_or_counted() -> None:
    """Overlapping and over-long entries end in an error, not in memory."""
    content = bytearray(zipped({"a.pdf": PDF * 100}))
    at = content.index(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", 5)
    try:
        found = unpack(bytes(content))
    except DocumentInvalid:
        return
    assert sum(len(entry.content) for entry in found) <= len(PDF) * 100


@pytest.mark.parametrize(
    ("content", "retryable"),
    [
        (b"", True),
        (b"<!DOCTYPE html><title>Sign in</title>", True),
        (b"random text", True),
        (zipped({"a.pdf": PDF * 50})[:-30], True),
        (compressed(PDF * 50)[:-9], True),
        (tarred({"a.pdf": PDF * 200})[:1500], True),
    ],
    ids=["empty", "a page", "text", "cut zip", "cut gzip", "cut tar"],
)
def test_what_was_damaged_on_its_way_may_be_asked_for_again(content: bytes, retryable: bool) -> None:
    """What is wrong by itself, not."""
    with pytest.raises(DocumentInvalid) as caught:
        unpack(content)
    assert caught.value.retryable is retryable


def test_limits_that_make_no_sense_are_refused() -> None:
    """At construction."""
    with pytest.raises(ConfigurationError):
        ArchiveLimits(most_entries=0)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.binary(max_size=200))
def test_damaged_bytes_end_in_a_document_error_or_in_documents(seed: int, extra: bytes) -> None:
    """Whatever happened to them on their way."""
    dice = random.Random(seed)
    whole = dice.choice(
        [
            zipped({"1/label.pdf": PDF, "2/label.zpl": ZPL}),
            zipped({"1/label.pdf": PDF}, zipfile.ZIP_STORED),
            tarred({"1/label.pdf": PDF, "2/label.zpl": ZPL}),
            compressed(tarred({"1/label.pdf": PDF}), mtime=0),
            zlib.compress(PDF),
        ]
    )
    content = bytearray(whole)
    for _ in range(dice.randrange(6)):
        content[dice.randrange(len(content))] = dice.randrange(256)
    cut = bytes(content[: dice.choice([len(content), dice.randrange(len(content) + 1)])]) + extra
    with contextlib.suppress(DocumentInvalid):
        unpack(cut, limits=ArchiveLimits(most_bytes=1_000_000))
