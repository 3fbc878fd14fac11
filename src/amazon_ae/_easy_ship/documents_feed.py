"""The documents feed (POST_EASYSHIP_DOCUMENTS): its body, and its processing report.

Sources: Amazon's recipe and recorded report; the tag of the report's reference is ``DocumentReportReferenceId`` there
and ``DocumentReportReferenceID`` in the prose, so tags are matched without case. Several orders in one feed:
selling-partner-api-models issue 5196.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import attrs

from amazon_ae._exceptions import UnreadableResponse
from amazon_ae._models.documents import DocumentKind
from amazon_ae._models.text import check_order_id
from amazon_ae._models.xml_repair import cleaned

__all__ = ["DOCUMENT_TYPES", "DocumentsReport", "RefusedDocument", "documents_feed", "read_documents_report"]

#: ``DocumentType`` by kind; Amazon has no packing slip.
DOCUMENT_TYPES: Final[Mapping[DocumentKind, str]] = {
    DocumentKind.SHIPPING_LABEL: "ShippingLabel",
    DocumentKind.INVOICE: "Invoice",
}


@attrs.frozen(kw_only=True)
class RefusedDocument:
    """Amazon's reason for not making an order's documents; ``order_id`` is ``""`` where the report names none."""

    order_id: str
    message_id: str
    code: str = ""
    message: str = ""


@attrs.frozen(kw_only=True)
class DocumentsReport:
    """The result of a documents feed.

    Attributes:
        references: the report ids under which the documents lie, each once.
        made: the orders whose documents were made.
        refused: the others, as far as the report names them.
    """

    references: tuple[str, ...]
    made: tuple[str, ...]
    refused: tuple[RefusedDocument, ...]


def documents_feed(seller_id: str, orders: Mapping[str, Collection[DocumentKind]]) -> bytes:
    """The feed that asks for these orders' documents, one message an order.

    Raises:
        ConfigurationError: no Amazon order id.
        KeyError: a kind that Amazon does not make.
    """
    messages = "".join(
        f"<Message><MessageID>{number}</MessageID><EasyShipDocument>"
        f"<AmazonOrderID>{check_order_id(order_id)}</AmazonOrderID>"
        + "".join(f"<DocumentType>{DOCUMENT_TYPES[kind]}</DocumentType>" for kind in kinds)
        + "</EasyShipDocument></Message>\n"
        for number, (order_id, kinds) in enumerate(orders.items(), start=1)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<AmazonEnvelope xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xsi:noNamespaceSchemaLocation="amzn-envelope.xsd">\n'
        f"<Header><DocumentVersion>1.01</DocumentVersion><MerchantIdentifier>{escape(seller_id)}</MerchantIdentifier>"
        f"</Header>\n<MessageType>EasyShipDocument</MessageType>\n{messages}</AmazonEnvelope>\n"
    ).encode()


def read_documents_report(content: bytes) -> DocumentsReport:
    """Read the feed's processing report, bare or in an envelope.

    Raises:
        UnreadableResponse: it is no such report.
    """
    root = _parse(content)
    rows = [element for element in root.iter() if _name(element) in ("successmessage", "errormessage")]
    if _name(root) != "easyshipprocessingreport" and not rows and not _has(root, "easyshipprocessingreport"):
        raise UnreadableResponse("the report of a documents feed is another document")
    good = [row for row in rows if _name(row) == "successmessage"]
    references = [text for row in good for tag, text in _texts(row) if tag.endswith("reportreferenceid") and text]
    return DocumentsReport(
        references=tuple(dict.fromkeys(references)),
        made=tuple(dict.fromkeys(order_id for row in good if (order_id := _text(row, "amazonorderid")))),
        refused=tuple(
            RefusedDocument(
                order_id=_text(row, "amazonorderid"),
                message_id=_text(row, "messageid"),
                code=_text(row, "errorcode"),
                message=_text(row, "errormessage"),
            )
            for row in rows
            if _name(row) == "errormessage" and len(row)
        ),
    )


def _parse(content: bytes) -> ElementTree.Element:
    plain = content.replace(b"\0", b"")  # UTF-16 too
    if b"<!DOCTYPE" in plain or b"<!ENTITY" in plain:
        raise UnreadableResponse("the report of a documents feed has a document type")
    try:
        return ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError):
        pass
    try:
        return ElementTree.fromstring(cleaned(content))
    except (ElementTree.ParseError, ValueError):
        raise UnreadableResponse("the report of a documents feed is no XML", retryable=True) from None


def _name(element: ElementTree.Element) -> str:
    return str(element.tag).rpartition("}")[2].lower()


def _has(root: ElementTree.Element, name: str) -> bool:
    return any(_name(element) == name for element in root.iter())


def _texts(row: ElementTree.Element) -> Iterator[tuple[str, str]]:
    for element in row.iter():
        if element is not row:
            yield _name(element), (element.text or "").strip()


def _text(row: ElementTree.Element, name: str) -> str:
    return next((text for tag, text in _texts(row) if tag == name), "")
