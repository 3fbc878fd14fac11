"""Reports 2009-01-01, as far as Easy Ship needs them: its documents, and the two pickup reports.

Source: Reports API reference, one page per operation; "How to get Easy Ship documents" (documented for India only).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from amazon_ae.testing._mws.state import FakeFeed, FakeReport, FeedMessage, State, iso
from amazon_ae.testing._mws.wire import Refused, Request, Result, invalid, wire_date
from amazon_ae.testing._mws.xml import element, leaf
from amazon_ae.testing._pdf import PdfPage, PdfText, write_pdf

__all__ = ["OPERATIONS", "make_documents"]

_DOCUMENTS: Final = "_GET_EASYSHIP_DOCUMENTS_"
_TABLES: Final = {
    "_GET_EASYSHIP_WAITING_FOR_PICKUP_": "PendingPickUp",
    "_GET_EASYSHIP_PICKEDUP_": "PickedUp",
}
_SECONDS: Final = 60.0
_REQUEST_LIST: Final = "GetReportRequestList"
_REPORT_LIST: Final = "GetReportList"
_COLUMNS: Final = ("order-id", "purchase-date", "order-item-id", "asin", "sku", "product-name", "quantity-purchased")


def make_documents(state: State, feed: FakeFeed, messages: Sequence[FeedMessage], now: datetime) -> str:
    """Make the PDF that a documents feed asked for; its ReportReferenceId."""
    kinds = feed.parameters.get("DocumentType")
    pages = []
    for message in messages:
        wanted = kinds or message.fields.get("DocumentType") or "ShippingLabel, Invoice"
        lines = (f"Easy Ship documents: {wanted}", f"Order {message.key}")
        texts = [PdfText(text=text, left_mm=20, top_mm=30 + 10 * row) for row, text in enumerate(lines)]
        pages.append(PdfPage(texts=texts))
    report = FakeReport(
        request_id=state.next_report_id(),
        report_id=state.next_report_id(),
        report_type=_DOCUMENTS,
        requested_at=now,
        started_at=now,
        ready_at=now,
        content=write_pdf(pages),
        content_type="application/pdf",
    )
    state.reports[report.request_id] = report
    return report.request_id


def request_report(state: State, request: Request) -> Result:
    """RequestReport."""
    report_type = request.text("ReportType")
    if report_type not in _TABLES:
        raise Refused(400, "InvalidReportType", f"The report type {report_type} is not valid.")
    begin = request.moment("StartDate") or request.now
    end = request.moment("EndDate") or request.now
    if end > request.now:
        raise invalid("EndDate", wire_date(end), "must not be in the future")
    content = _table(state, _TABLES[report_type])
    report = FakeReport(
        request_id=state.next_report_id(),
        report_id=state.next_report_id(),
        report_type=report_type,
        requested_at=request.now,
        started_at=request.now + timedelta(seconds=_SECONDS / 4),
        ready_at=request.now + timedelta(seconds=_SECONDS),
        content=content,
        content_type="text/plain;charset=UTF-8",
        start_date=begin,
        end_date=end,
        has_data=content.count(b"\n") > 1,
    )
    state.reports[report.request_id] = report
    return Result(_request_xml(report, request.now))


def get_report_request_list(state: State, request: Request) -> Result:
    """GetReportRequestList; ids override every other filter."""
    query = {
        "ids": request.texts("ReportRequestIdList.Id."),
        "types": request.texts("ReportTypeList.Type."),
        "statuses": request.texts("ReportProcessingStatusList.Status."),
        "from": iso(request.moment("RequestedFromDate") or request.now - timedelta(days=90)),
        "to": iso(request.moment("RequestedToDate") or request.now),
        "size": request.number("MaxCount", 10, low=1, high=100),
    }
    return _request_page(state, request, query, None)


def get_report_request_list_by_next_token(state: State, request: Request) -> Result:
    """GetReportRequestListByNextToken."""
    query = state.open_token(_REQUEST_LIST, request.text("NextToken"))
    return _request_page(state, request, query, query.pop("at"))


def _request_page(state: State, request: Request, query: dict[str, Any], below: str | None) -> Result:
    begin, end = datetime.fromisoformat(query["from"]), datetime.fromisoformat(query["to"])
    rows = [
        report
        for report in reversed(state.reports.values())
        if report.report_type != _DOCUMENTS
        and (
            report.request_id in query["ids"]
            if query["ids"]
            else (
                begin <= report.requested_at.replace(microsecond=0) <= end
                and (not query["types"] or report.report_type in query["types"])
                and (not query["statuses"] or _status(report, request.now) in query["statuses"])
            )
        )
        and (below is None or int(report.request_id) < int(below))
    ]
    page = rows[: query["size"]]
    more = len(rows) > len(page)
    token = leaf("NextToken", state.token(_REQUEST_LIST, {**query, "at": page[-1].request_id})) if more else ""
    return Result(token + leaf("HasNext", more) + "".join(_request_xml(report, request.now) for report in page))


def get_report_list(state: State, request: Request) -> Result:
    """GetReportList: reports that are ready; ids override every other filter. Nothing is ever acknowledged here."""
    query = {
        "ids": request.texts("ReportRequestIdList.Id."),
        "types": request.texts("ReportTypeList.Type."),
        "acknowledged": request.flag("Acknowledged"),
        "from": iso(request.moment("AvailableFromDate") or request.now - timedelta(days=90)),
        "to": iso(request.moment("AvailableToDate") or request.now),
        "size": request.number("MaxCount", 10, low=1, high=100),
    }
    return _report_page(state, request, query, None)


def get_report_list_by_next_token(state: State, request: Request) -> Result:
    """GetReportListByNextToken."""
    query = state.open_token(_REPORT_LIST, request.text("NextToken"))
    return _report_page(state, request, query, query.pop("at"))


def _report_page(state: State, request: Request, query: dict[str, Any], below: str | None) -> Result:
    begin, end = datetime.fromisoformat(query["from"]), datetime.fromisoformat(query["to"])
    rows = [
        report
        for report in reversed(state.reports.values())
        if report.ready_at <= request.now
        and report.has_data
        and (
            report.request_id in query["ids"]
            if query["ids"]
            else (
                not query["acknowledged"]
                and begin <= report.ready_at.replace(microsecond=0) <= end
                and (not query["types"] or report.report_type in query["types"])
            )
        )
        and (below is None or int(report.report_id) < int(below))
    ]
    page = rows[: query["size"]]
    more = len(rows) > len(page)
    token = leaf("NextToken", state.token(_REPORT_LIST, {**query, "at": page[-1].report_id})) if more else ""
    infos = [
        element(
            "ReportInfo",
            leaf("ReportId", report.report_id),
            leaf("ReportType", report.report_type),
            leaf("ReportRequestId", report.request_id),
            leaf("AvailableDate", wire_date(report.ready_at)),
            leaf("Acknowledged", False),
        )
        for report in page
    ]
    return Result(token + leaf("HasNext", more) + "".join(infos))


def get_report(state: State, request: Request) -> Result:
    """GetReport: the bytes themselves. A ReportReferenceId works directly, as another page of the guide states."""
    wanted = request.text("ReportId")
    for report in state.reports.values():
        if wanted == report.report_id or (report.report_type == _DOCUMENTS and wanted == report.request_id):
            if report.ready_at > request.now:
                raise Refused(404, "ReportNotReady", f"The report {wanted} is not ready.")
            return Result(report.content, report.content_type)
    raise Refused(400, "InvalidReportId", f"The report id {wanted} is not valid.")


OPERATIONS: Final[dict[str, Callable[[State, Request], Result]]] = {
    "RequestReport": request_report,
    "GetReportRequestList": get_report_request_list,
    "GetReportRequestListByNextToken": get_report_request_list_by_next_token,
    "GetReportList": get_report_list,
    "GetReportListByNextToken": get_report_list_by_next_token,
    "GetReport": get_report,
}


def _status(report: FakeReport, now: datetime) -> str:
    if report.ready_at <= now:
        return "_DONE_" if report.has_data else "_DONE_NO_DATA_"
    return "_IN_PROGRESS_" if report.started_at <= now else "_SUBMITTED_"


def _request_xml(report: FakeReport, now: datetime) -> str:
    status = _status(report, now)
    done = report.ready_at <= now
    return element(
        "ReportRequestInfo",
        leaf("ReportRequestId", report.request_id),
        leaf("ReportType", report.report_type),
        leaf("StartDate", wire_date(report.start_date or report.requested_at)),
        leaf("EndDate", wire_date(report.end_date or report.requested_at)),
        leaf("Scheduled", False),
        leaf("SubmittedDate", wire_date(report.requested_at)),
        leaf("ReportProcessingStatus", status),
        leaf("GeneratedReportId", report.report_id if status == "_DONE_" else None),
        leaf("StartedProcessingDate", wire_date(report.started_at) if report.started_at <= now else None),
        leaf("CompletedDate", wire_date(report.ready_at) if done else None),
    )


def _table(state: State, shipment_status: str) -> bytes:
    lines = ["\t".join(_COLUMNS)]
    for record in state.seller.orders.values():
        order = record.order
        if order.easy_ship_shipment_status != shipment_status:
            continue
        for item in record.items:
            cells = (
                order.amazon_order_id,
                "" if order.purchase_date is None else wire_date(order.purchase_date),
                item.order_item_id,
                item.asin,
                item.seller_sku or "",
                (item.title or "").replace("\t", " "),
                str(item.quantity_ordered),
            )
            lines.append("\t".join(cells))
    return ("\n".join(lines) + "\n").encode()
