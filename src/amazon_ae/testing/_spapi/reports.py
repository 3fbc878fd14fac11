"""Reports 2021-06-30, as far as orders, stock and Easy Ship need them.

Sources: the model; "Easy Ship reports attributes" (columns); models#4421 (GET_EASYSHIP_DOCUMENTS asked for directly
ends FATAL); "Tokens API use case guide" (restricted report types).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from amazon_ae.testing._spapi.account import Account, FakeSpApiReport
from amazon_ae.testing._spapi.feeds import PROCESSING_STATUSES, document_data
from amazon_ae.testing._spapi.wire import Refused, Reply, Request, instant, invalid, seal, unauthorized, unseal

__all__ = ["DOCUMENTS_REPORT", "OPERATIONS"]

DOCUMENTS_REPORT: Final = "GET_EASYSHIP_DOCUMENTS"
_WAITING: Final = "GET_EASYSHIP_WAITING_FOR_PICKUP"
_PICKED_UP: Final = "GET_EASYSHIP_PICKEDUP"
_LISTINGS: Final = "GET_MERCHANT_LISTINGS_ALL_DATA"
_TYPES: Final = frozenset((DOCUMENTS_REPORT, _WAITING, _PICKED_UP, _LISTINGS))
_SECONDS: Final = 60.0


def create_report(account: Account, request: Request) -> Reply:
    """createReport."""
    report_type = request.member("reportType")
    marketplaces = request.member("marketplaceIds", list)
    if report_type not in _TYPES:
        raise invalid("Invalid Input", f"The report type {report_type} is not valid.")
    if len(marketplaces) > 25 or account.seller.marketplace.marketplace_id not in marketplaces:
        raise invalid("Invalid Input", "marketplaceIds are not valid for this seller.")
    content = _content(account, report_type)
    document_id = None
    if content is not None:
        document_id = account.documents.add(
            "spdoc.1", "text/plain; charset=UTF-8", content, compress=account.settings.compresses
        ).document_id
    report = FakeSpApiReport(
        report_id=account.next_report_id(),
        report_type=report_type,
        created_at=request.now,
        ready_at=request.now + timedelta(seconds=_SECONDS),
        document_id=document_id,
        end_status="FATAL" if content is None else "DONE",
    )
    account.reports[report.report_id] = report
    return Reply(202, {"reportId": report.report_id})


def get_report(account: Account, request: Request) -> Reply:
    """getReport."""
    return Reply(200, _data(account, _report(account, request), request.now))


def get_reports(account: Account, request: Request) -> Reply:
    """getReports, newest first."""
    token = request.query.get("nextToken")
    if token is not None and set(request.query) - {"nextToken"}:
        raise invalid("Invalid Input", "nextToken must be the only parameter.")
    query: dict[str, Any] = (
        unseal(token, "nextToken")
        if token is not None
        else {
            "types": request.texts("reportTypes"),
            "statuses": request.texts("processingStatuses"),
            "size": request.number("pageSize", 10, low=1, high=100),
            "from": 0,
        }
    )
    if not PROCESSING_STATUSES.issuperset(query["statuses"]):
        raise invalid("Invalid Input", "processingStatuses has a value that is not valid.")
    if not query["types"]:
        raise invalid("Invalid Input", "reportTypes must have 1 to 10 values.")
    rows = [
        report
        for report in reversed(account.reports.values())
        if report.report_type in query["types"]
        and (not query["statuses"] or _status(report, request.now) in query["statuses"])
    ][query["from"] :]
    page = rows[: query["size"]]
    body: dict[str, Any] = {"reports": [_data(account, report, request.now) for report in page]}
    if len(rows) > len(page):
        body["nextToken"] = seal({**query, "from": query["from"] + len(page)})
    return Reply(200, body)


def cancel_report(account: Account, request: Request) -> Reply:
    """cancelReport."""
    report = _report(account, request)
    if _status(report, request.now) != "IN_QUEUE":
        raise invalid("Invalid Input", f"Report {report.report_id} can no longer be cancelled.")
    report.is_cancelled = True
    return Reply(200, None)


def get_report_document(account: Account, request: Request) -> Reply:
    """getReportDocument; Easy Ship's documents need a restricted data token."""
    document_id = request.parts["reportDocumentId"]
    for report in account.reports.values():
        if report.document_id == document_id and report.report_type == DOCUMENTS_REPORT and not request.is_restricted:
            raise unauthorized("The operation requires a restricted data token.")
    return Reply(200, document_data(account, request, "reportDocumentId"))


OPERATIONS: Final[dict[str, Callable[[Account, Request], Reply]]] = {
    "createReport": create_report,
    "getReport": get_report,
    "getReports": get_reports,
    "cancelReport": cancel_report,
    "getReportDocument": get_report_document,
}


def _report(account: Account, request: Request) -> FakeSpApiReport:
    report = account.reports.get(request.parts["reportId"])
    if report is None:
        raise Refused(404, "NotFound", f"The report {request.parts['reportId']} does not exist.", "")
    return report


def _status(report: FakeSpApiReport, now: datetime) -> str:
    if report.is_cancelled:
        return "CANCELLED"
    if now >= report.ready_at:
        return report.end_status
    return "IN_PROGRESS" if now >= report.created_at + (report.ready_at - report.created_at) / 4 else "IN_QUEUE"


def _data(account: Account, report: FakeSpApiReport, now: datetime) -> dict[str, Any]:
    status = _status(report, now)
    data: dict[str, Any] = {
        "reportId": report.report_id,
        "reportType": report.report_type,
        "marketplaceIds": [account.seller.marketplace.marketplace_id],
        "createdTime": _offset(report.created_at),
        "dataStartTime": _offset(report.created_at),
        "dataEndTime": _offset(report.created_at),
        "processingStatus": status,
    }
    if status in ("DONE", "FATAL"):
        data["processingStartTime"] = _offset(report.created_at)
        data["processingEndTime"] = _offset(report.ready_at)
    if status == "DONE" and report.document_id is not None:
        data["reportDocumentId"] = report.document_id
    return data


def _offset(value: datetime) -> str:
    return instant(value).replace("Z", "+00:00")


def _content(account: Account, report_type: str) -> bytes | None:
    """The table of a report; ``None`` where asking for it directly ends FATAL."""
    seller = account.seller
    if report_type == DOCUMENTS_REPORT:
        return None
    if report_type == _LISTINGS:
        rows = [["seller-sku", "quantity", "fulfillment-channel", "status"]]
        rows += [[sku, str(quantity), "DEFAULT", "Active"] for sku, quantity in seller.stock.items()]
    else:
        wanted = "PendingPickUp" if report_type == _WAITING else "PickedUp"
        rows = [["order-id", "tracking-id", "package-identifier", "pickup-slot", "carrier"]]
        rows += [
            [order_id, package.tracking_id, package.identifier, package.slot_start.isoformat(), "Easy Ship"]
            for order_id, package in seller.packages.items()
            if seller.orders[order_id].order.easy_ship_shipment_status == wanted
        ]
    return ("\n".join("\t".join(row) for row in rows) + "\n").encode()
