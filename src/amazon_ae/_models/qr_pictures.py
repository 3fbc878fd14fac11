"""Recognises a picture of an authenticator's QR code in place of its text."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Final

__all__ = ["QR_PICTURE", "looks_like_picture"]

QR_PICTURE: Final = (
    "a picture of the QR code, not its text. Read it with a camera app that shows the text, or with "
    "'zbarimg --raw -q picture.png', and pass what begins with otpauth://; or let Amazon show the key as letters "
    '("can\'t scan the barcode") and pass those'
)
"""The message for a caller who passes one."""

_FILE_NAME: Final = re.compile(
    r"\.(png|jpe?g|gif|bmp|webp|tiff?|svg|heic|heif|avif|pdf)[\"'\s]*(\?\S*)?$", re.IGNORECASE
)
_FIRST_BYTES: Final = (
    b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"RIFF", b"II*\0", b"MM\0*", b"<svg", b"<?xml", b"%PDF-"
)  # fmt: skip
# The same read as text, with or without its undecodable bytes; in Base64; as a data URI.
_FIRST_LETTERS: Final = re.compile(
    r".{0,3}(PNG\r?\n\x1a|ÿØÿ|JFIF|Exif)|GIF8[79]a|RIFF.{4}WEBP|%PDF-|<svg|<\?xml|iVBORw0KGgo|/9j/|R0lGOD|data:image/",
    re.IGNORECASE | re.DOTALL,
)


def looks_like_picture(value: object) -> bool:
    """Whether ``value`` is a picture, or names one: bytes of it, a path, a data URI, an object of Pillow's."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        start = bytes(value[:16]).lstrip()
        return start.startswith(_FIRST_BYTES) or start[4:8] == b"ftyp"
    if isinstance(value, PurePath):
        return bool(_FILE_NAME.search(value.name))
    if not isinstance(value, str):
        return type(value).__module__.startswith("PIL.")
    text = value.strip()
    return not text.lower().startswith("otpauth") and bool(_FILE_NAME.search(text) or _FIRST_LETTERS.match(text))
