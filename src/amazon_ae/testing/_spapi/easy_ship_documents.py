"""Labels by API: the archive of a bulk call, and the documents feed with its report.

Sources: Amazon's recipe of POST_EASYSHIP_DOCUMENTS and its recorded report and archive (Brazil); models#5196 (several
messages in one feed, labels in no promised order). Names inside archives are the sandbox's own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from amazon_ae._models.documents import DocumentKind
from amazon_ae.testing._mws.documents import Unreadable, read_feed
from amazon_ae.testing._papers import paper_pages
from amazon_ae.testing._pdf import write_pdf
from amazon_ae.testing._seller import SellerState
from amazon_ae.testing._seller.panel import portal_order
from amazon_ae.testing._spapi.account import Account, FakeSpApiFeed, FakeSpApiReport
from amazon_ae.testing._spapi.documents import tar_gz, zip_of

__all__ = ["label_archive", "process_documents_feed"]

_REPORT_TYPE = "GET_EASYSHIP_DOCUMENTS"


def label_archive(seller: SellerState, order_ids: Sequence[str], label_format: str) -> bytes:
    """The ZIP of a bulk call: one folder an order."""
    files = {}
    for number, order_id in enumerate(order_ids, start=1):
        name = f"{number:03d}/ShippingLabel"
        files[f"{name}.zpl" if label_format == "ZPL" else f"{name}.pdf"] = (
            _label_zpl(seller, order_id) if label_format == "ZPL" else _label_pdf(seller, [order_id])
        )
    return zip_of(files)


def process_documents_feed(account: Account, feed: FakeSpApiFeed, now: datetime) -> None:
    """Make the labels that a documents feed asks for, and its report."""
    good: list[tuple[int, str]] = []
    errors: list[tuple[int, str, str, str]] = []
    try:
        messages = read_feed("_POST_EASYSHIP_DOCUMENTS_", feed.body or b"").messages
    except Unreadable as error:
        feed.status = feed.end_status = "FATAL"
        errors.append((0, "", "6001", str(error)))
        messages = []
    feed.message_count = len(messages)
    for message in messages:
        if message.key in account.seller.packages:
            good.append((message.message_id, message.key))
        else:
            errors.append((message.message_id, message.key, "610013", "The order has no scheduled package."))
    reference = _make_report(account, feed, [order_id for _, order_id in good], now) if good else ""
    content = _report_xml(feed, len(messages), good, errors, account.settings.report_tag, reference)
    document = account.documents.add(
        "tortuga", "text/xml; charset=UTF-8", content, compress=account.settings.compresses
    )
    feed.report_id = document.document_id


def _make_report(account: Account, feed: FakeSpApiFeed, order_ids: list[str], now: datetime) -> str:
    text = hashlib.sha256(f"{account.seller.seller_id} {feed.feed_id}".encode()).hexdigest()
    reference = f"amzn1.easyship.document.{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:32]}"
    # Labels come in no promised order.
    shuffled = sorted(order_ids, reverse=True)
    if account.settings.easy_ship_documents == "tar":
        files = {}
        for order_id in shuffled:
            folder = str(int.from_bytes(order_id.encode(), "big") % 1_000_000_000)
            files[f"{folder}/label.zpl"] = _label_zpl(account.seller, order_id)
            files[f"{folder}/post-list.pdf"] = _label_pdf(account.seller, [order_id])
        document = account.documents.add("spdoc.1", "application/octet-stream", tar_gz(files))
        document.compression = "GZIP"
    else:
        content = _label_pdf(account.seller, shuffled)
        document = account.documents.add("spdoc.1", "application/pdf", content, compress=account.settings.compresses)
    account.reports[reference] = FakeSpApiReport(
        report_id=reference,
        report_type=_REPORT_TYPE,
        created_at=now,
        ready_at=now,
        document_id=document.document_id,
    )
    return reference


def _report_xml(
    feed: FakeSpApiFeed,
    processed: int,
    good: Sequence[tuple[int, str]],
    errors: Sequence[tuple[int, str, str, str]],
    tag: str,
    reference: str,
) -> bytes:
    rows = [
        f"  <SuccessMessage>\n    <MessageID>{number}</MessageID>\n    <AmazonOrderID>{order_id}</AmazonOrderID>\n"
        f"    <{tag}>{reference}</{tag}>\n  </SuccessMessage>\n"
        for number, order_id in good
    ]
    rows += [
        f"  <ErrorMessage>\n    <MessageID>{number}</MessageID>\n    <AmazonOrderID>{order_id}</AmazonOrderID>\n"
        "    <TotalErrors>1</TotalErrors>\n    <Error>\n      <ErrorType>Error</ErrorType>\n"
        f"      <ErrorCode>{code}</ErrorCode>\n      <ErrorMessage>{text}</ErrorMessage>\n    </Error>\n"
        "  </ErrorMessage>\n"
        for number, order_id, code, text in errors
    ]
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<EasyShipProcessingReport>\n'
        f"  <FeedSubmissionID>{feed.feed_id}</FeedSubmissionID>\n"
        f"  <MessagesProcessed>{processed}</MessagesProcessed>\n"
        f"  <MessagesSuccessful>{len(good)}</MessagesSuccessful>\n"
        f"  <MessagesWithError>{len(errors)}</MessagesWithError>\n"
        f"{''.join(rows)}</EasyShipProcessingReport>\n"
    ).encode()


def _label_pdf(seller: SellerState, order_ids: Sequence[str]) -> bytes:
    return write_pdf(
        [
            page
            for order_id in order_ids
            for page in paper_pages(DocumentKind.SHIPPING_LABEL, portal_order(seller, order_id))
        ]
    )


def _label_zpl(seller: SellerState, order_id: str) -> bytes:
    package = seller.packages[order_id]
    return (
        f"^XA\n^FO40,40^FDEasy Ship^FS\n^FO40,90^FDOrder {order_id}^FS\n"
        f"^FO40,140^BCN,120,Y,N,N^FD{package.tracking_id}^FS\n^XZ\n"
    ).encode()
