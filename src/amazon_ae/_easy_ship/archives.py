"""Opens the labels that Amazon sends: a PDF, ZPL or PNG, or an archive of them (ZIP, gzip, tar, one inside another).

Bytes are recognised by how they begin, never by a name or a header. An archive is an untrusted file, so:

1. Names inside never become paths: entries are returned as bytes, names are only shown and compared.
2. What is unpacked is counted while it is unpacked: sizes that an archive states are not trusted.
3. Links, devices and sparse files of a tar, and encrypted entries of a ZIP, are not files.

Sources: Easy Ship 2022-03-23 (bulk: ZIP of PDF or ZPL); Amazon's recorded answer of POST_EASYSHIP_DOCUMENTS (gzip of a
tar of ``<id>/label.zpl`` and ``<id>/post-list.pdf``); names and layout elsewhere are UNVERIFIED.
"""

from __future__ import annotations

import io
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import IO, Final

import attrs

from amazon_ae._exceptions import ConfigurationError, DocumentInvalid

__all__ = ["ArchiveEntry", "ArchiveLimits", "MediaType", "refuse_damage", "sniff", "unpack"]

_STEP: Final = "archive"
_GZIP_WINDOW: Final = 31
_CHUNK: Final = 65_536
_NAME_LIMIT: Final = 200
# A ZIP's central directory: 46 bytes an entry and its name; one that claims more is not an archive of labels.
_DIRECTORY_ENTRY: Final = 46 + 1024
_ZIP_END: Final = b"PK\x05\x06"
_ZIP_END_SIZE: Final = 22
_ZIP_COMMENT: Final = 65_535


class MediaType(StrEnum):
    """The media types of documents; see ``Document.media_type``. ZPL has no registered name; this one is Amazon's."""

    PDF = "application/pdf"
    ZPL = "application/zpl"
    PNG = "image/png"


class _Container(StrEnum):
    ZIP = "zip"
    GZIP = "gzip"
    TAR = "tar"


@attrs.frozen(kw_only=True)
class ArchiveLimits:
    """The limits for opening an archive. The defaults are far above 100 labels.

    Attributes:
        most_bytes: of the archive, and of everything that is unpacked of it.
        most_entries: of all archives in it, folders and links counted too.
        most_levels: of an archive in an archive.

    Raises:
        ConfigurationError: one of them is below 1.
    """

    most_bytes: int = 100_000_000
    most_entries: int = 2_000
    most_levels: int = 3

    def __attrs_post_init__(self) -> None:
        if min(self.most_bytes, self.most_entries, self.most_levels) < 1:
            raise ConfigurationError("ArchiveLimits: every limit is at least 1")


@attrs.frozen(kw_only=True)
class ArchiveEntry:
    """One document of an archive. ``name`` is its path inside, cleaned: to be shown and compared, not for a disk."""

    name: str
    content: bytes = attrs.field(repr=False)
    media_type: MediaType


@attrs.define
class _Budget:
    """What is left of the limits."""

    bytes_left: int
    entries_left: int

    def entry(self) -> None:
        self.entries_left -= 1
        if self.entries_left < 0:
            raise DocumentInvalid("the archive has too many entries", step=_STEP)

    def spend(self, size: int) -> None:
        self.bytes_left -= size
        if self.bytes_left < 0:
            raise DocumentInvalid("the archive is too large unpacked", step=_STEP)

    def read(self, file: IO[bytes]) -> bytes:
        """All of a file, if it fits."""
        parts = []
        while part := file.read(_CHUNK):
            self.spend(len(part))
            parts.append(part)
        return b"".join(parts)


def sniff(content: bytes) -> str | None:
    """The format of these bytes: a ``MediaType``, ``"zip"``, ``"gzip"``, ``"tar"``, or ``None`` for anything else."""
    head = content[:1024].lstrip(b"\xef\xbb\xbf \t\r\n\x00")
    if head.startswith(b"%PDF-"):
        return MediaType.PDF
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return MediaType.PNG
    if content.startswith((b"PK\x03\x04", _ZIP_END)):
        return _Container.ZIP
    if content.startswith(b"\x1f\x8b"):
        return _Container.GZIP
    if content[257:262] == b"ustar":
        return _Container.TAR
    # ZPL: formats begin with ^XA; printer set-up, pictures and fonts (~DG, ~DY) may precede the first.
    if head.startswith((b"^XA", b"~", b"^", b"CT~~")) and b"^XA" in content[:_CHUNK]:
        return MediaType.ZPL
    return None


def unpack(content: bytes, *, limits: ArchiveLimits | None = None) -> tuple[ArchiveEntry, ...]:
    """Every PDF, ZPL and PNG in these bytes, in the archive's order; a bare document is one entry without a name.

    Files of other kinds are left out. Takes processor time with the archive's size: run large ones in a thread.

    Raises:
        DocumentInvalid: too large, too many entries, too deep, or no archive and no document (ask for it elsewhere);
            with ``retryable`` where it was damaged or cut off on its way (download it again).
    """
    limits = limits or ArchiveLimits()
    if not content:
        raise DocumentInvalid("the answer is empty (zero bytes)", retryable=True, step=_STEP)
    if len(content) > limits.most_bytes:
        raise DocumentInvalid("the archive is too large", step=_STEP)
    if sniff(content) is None:
        what = "a web page" if b"<" in content[:64] else "no archive and no document"
        raise DocumentInvalid(f"the answer is {what}", retryable=True, step=_STEP)
    budget = _Budget(limits.most_bytes, limits.most_entries)
    try:
        return tuple(_documents("", content, budget, limits.most_levels))
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise DocumentInvalid(f"the archive is damaged ({type(error).__name__})", retryable=True, step=_STEP) from None
    except (RuntimeError, ValueError, OSError, LookupError, struct.error) as error:
        # What `zipfile` raises for a feature that it lacks (a `RuntimeError`), and for damaged fields.
        raise DocumentInvalid(f"the archive cannot be read ({type(error).__name__})", step=_STEP) from None


def refuse_damage(content: bytes) -> None:
    """Raise where a download was damaged or cut off, or is no archive at all: download it again before it is kept.

    What is whole but too large or unreadable here passes: a person may open it. Run large ones in a thread.

    Raises:
        DocumentInvalid: ``retryable``.
    """
    try:
        unpack(content)
    except DocumentInvalid as error:
        if error.retryable:
            raise


def _documents(name: str, content: bytes, budget: _Budget, levels: int) -> Iterator[ArchiveEntry]:
    kind = sniff(content)
    if kind in tuple(MediaType):
        yield ArchiveEntry(name=name, content=content, media_type=MediaType(str(kind)))
    elif kind is not None:
        if levels == 0:
            raise DocumentInvalid("the archive holds archives within archives", step=_STEP)
        for inner, data in _OPENERS[kind](name, content, budget):
            yield from _documents(inner, data, budget, levels - 1)


def _unzip(_: str, content: bytes, budget: _Budget) -> Iterator[tuple[str, bytes]]:
    _check_directory(content, budget)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for info in archive.infolist():
            budget.entry()
            if info.is_dir() or info.flag_bits & 0x1:  # encrypted: no file that can be read
                continue
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise DocumentInvalid("the archive uses a compression that is not read here", step=_STEP)
            with archive.open(info) as file:
                yield _clean(info.filename), budget.read(file)


def _check_directory(content: bytes, budget: _Budget) -> None:
    """``zipfile`` reads the whole directory at once: refuse one that could only be a bomb."""
    at = content.rfind(_ZIP_END, max(0, len(content) - _ZIP_END_SIZE - _ZIP_COMMENT))
    if at < 0:
        raise zipfile.BadZipFile
    size = int.from_bytes(content[at + 12 : at + 16], "little")
    if size > budget.entries_left * _DIRECTORY_ENTRY:
        raise DocumentInvalid("the archive has too many entries", step=_STEP)


def _untar(_: str, content: bytes, budget: _Budget) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
        for member in archive:
            budget.entry()
            file = archive.extractfile(member) if member.isreg() and not member.issparse() else None
            if file is not None:
                data = budget.read(file)
                if len(data) != member.size:
                    raise EOFError
                yield _clean(member.name), data


def _gunzip(name: str, content: bytes, budget: _Budget) -> Iterator[tuple[str, bytes]]:
    parts = []
    while content.startswith(b"\x1f\x8b"):  # several members may follow each other
        budget.entry()
        unpacker = zlib.decompressobj(_GZIP_WINDOW)
        parts.append(unpacker.decompress(content, budget.bytes_left + 1))
        budget.spend(len(parts[-1]))
        if not unpacker.eof:
            raise EOFError
        content = unpacker.unused_data
    yield name, b"".join(parts)


_OPENERS: Final[Mapping[str, Callable[[str, bytes, _Budget], Iterator[tuple[str, bytes]]]]] = {
    _Container.ZIP: _unzip,
    _Container.TAR: _untar,
    _Container.GZIP: _gunzip,
}


def _clean(name: str) -> str:
    """A path without roots, drives, dots and control characters; at most 200 characters of its end."""
    parts = re.split(r"[/\\]+", "".join(char for char in name if char.isprintable()))
    kept = [part for part in parts if part not in ("", ".", "..") and not re.fullmatch(r"[A-Za-z]:", part)]
    return "/".join(kept)[-_NAME_LIMIT:]
