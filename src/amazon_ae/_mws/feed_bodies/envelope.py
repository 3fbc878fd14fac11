"""The envelope around every XML feed: header, messages, and the rules of size.

A feed is written as a stream of chunks, each a few hundred messages long, so that a caller can yield to the event loop
between them and never holds the feed twice. Text enters the document only through ``xml_text``, which escapes it.
Sources: amzn-envelope.xsd (2017) and the MWS Feeds API reference, "SubmitFeed".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import islice
from typing import Final, TypeVar

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.text import refuse_illegal_xml

__all__ = [
    "ADVISED_BYTES",
    "ADVISED_RECORDS",
    "CHUNK_RECORDS",
    "MAX_BYTES",
    "FeedWriter",
    "chunks_of",
    "is_plain",
    "join_feed",
    "xml_feed",
    "xml_text",
]

T = TypeVar("T")

#: SubmitFeed: "feeds must be smaller than 2 GiB" (2,147,483,648 bytes).
MAX_BYTES: Final = 2_147_483_647
#: SubmitFeed's advice, not a rule: up to 10 MiB and 30,000 records a feed.
ADVISED_BYTES: Final = 10 * 1024 * 1024
ADVISED_RECORDS: Final = 30_000
#: Messages written at a time: about a millisecond of work.
CHUNK_RECORDS: Final = 500

# Characters that must not appear unescaped in text: markup, what XML forbids, and the carriage return, which a parser
# would turn into a line feed.
_NOT_PLAIN: Final = re.compile("[&<>\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})


def is_plain(text: str) -> bool:
    """Whether ``text`` needs no escaping in XML."""
    return _NOT_PLAIN.search(text) is None


def xml_text(text: str, what: str) -> str:
    """``text``, escaped as the content of an XML element.

    Args:
        text: any text, Arabic included.
        what: whose text it is, for the error, e.g. ``"MerchantOrderID of order 171-..."``.

    Raises:
        ConfigurationError: XML cannot carry one of its characters; the message says which, where, and ``what``'s.
    """
    if is_plain(text):
        return text
    refuse_illegal_xml(text, what)
    return text.translate(_ESCAPES)


def chunks_of(things: Iterable[T], size: int = CHUNK_RECORDS) -> Iterator[list[T]]:
    """``things`` in lists of up to ``size``."""
    iterator = iter(things)
    while chunk := list(islice(iterator, size)):
        yield chunk


def xml_feed(seller_id: str, message_type: str, messages: Iterable[str]) -> Iterator[bytes]:
    """A whole feed in UTF-8, chunk by chunk.

    Args:
        seller_id: ``MerchantIdentifier``.
        message_type: Amazon's word, e.g. ``"Inventory"``.
        messages: one or more whole ``Message`` elements each, escaped already.

    Raises:
        ConfigurationError: there is no message (the envelope needs at least one).
    """
    head = (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<AmazonEnvelope xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xsi:noNamespaceSchemaLocation="amzn-envelope.xsd">\n'
        f"<Header><DocumentVersion>1.01</DocumentVersion>"
        f"<MerchantIdentifier>{xml_text(seller_id, 'MerchantIdentifier')}</MerchantIdentifier></Header>\n"
        f"<MessageType>{message_type}</MessageType>\n"
    ).encode()
    empty = True
    for text in messages:
        yield head + text.encode() if empty else text.encode()
        empty = False
    if empty:
        raise ConfigurationError(f"a feed needs at least one message; this {message_type} feed has none")
    yield b"</AmazonEnvelope>\n"


class FeedWriter:
    """Collects a feed's chunks into one body without ever holding it twice.

    Args:
        max_bytes: the body may not be larger; Amazon's own limit by default.
    """

    def __init__(self, *, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._buffer = BytesIO()

    def write(self, chunk: bytes) -> None:
        """Add a chunk.

        Raises:
            ConfigurationError: the feed became larger than ``max_bytes``. Send fewer items a feed.
        """
        self._buffer.write(chunk)
        if self._buffer.tell() > self._max_bytes:
            raise ConfigurationError(f"the feed is larger than {self._max_bytes:,} bytes: send fewer items in one feed")

    def body(self) -> bytes:
        """The whole feed; the buffer's own bytes, not a copy of them."""
        return self._buffer.getvalue()


def join_feed(chunks: Iterable[bytes], *, max_bytes: int = MAX_BYTES) -> bytes:
    """The whole body at once, for callers without an event loop.

    Raises:
        ConfigurationError: the feed is larger than ``max_bytes``, or an item in it breaks a rule.
    """
    writer = FeedWriter(max_bytes=max_bytes)
    for chunk in chunks:
        writer.write(chunk)
    return writer.body()
