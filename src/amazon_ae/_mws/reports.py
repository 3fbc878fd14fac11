"""Reports 2009-01-01, as far as Easy Ship's documents and pickup reports need them; ``client.call`` does the rest.

Source: MWS Reports API reference, one page per operation.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.checks import check_aware, check_count, check_text, listed
from amazon_ae._models.reports import ReportInfo, ReportRequest
from amazon_ae._models.responses import Download, ResponseMeta
from amazon_ae._mws.calls import MwsCall, MwsExecutor
from amazon_ae._mws.feeds import next_token
from amazon_ae._mws.field_tables import table_of
from amazon_ae._mws.paging import Listing, RawPage
from amazon_ae._mws.params import flatten
from amazon_ae._mws.parsing import Fields, Node, children, fields, required
from amazon_ae._mws.service import Section
from amazon_ae._transport.calls import WaitPolicy

__all__ = ["EASY_SHIP_DOCUMENTS", "EASY_SHIP_PICKED_UP", "EASY_SHIP_WAITING_FOR_PICKUP", "Reports"]

# Page "ReportType enumeration"; all three documented for India only.
EASY_SHIP_DOCUMENTS: Final = "_GET_EASYSHIP_DOCUMENTS_"
EASY_SHIP_PICKED_UP: Final = "_GET_EASYSHIP_PICKEDUP_"
EASY_SHIP_WAITING_FOR_PICKUP: Final = "_GET_EASYSHIP_WAITING_FOR_PICKUP_"


class Reports(Section):
    """The Reports section of one client."""

    name = "Reports"

    def __init__(self, calls: MwsExecutor, *, marketplace_id: str) -> None:
        super().__init__(calls)
        self._marketplace_id = marketplace_id

    async def request(
        self,
        report_type: str,
        *,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
        report_options: str | None = None,
        marketplace_ids: Sequence[str] | None = None,
        wait: bool = True,
        deadline: datetime | timedelta | None = None,
    ) -> ReportRequest:
        """RequestReport: have a report made. Follow it with ``requests``, then ``get`` its ``generated_report_id``.

        Args:
            end_date: not after now.
            marketplace_ids: the client's marketplace by default.

        Raises:
            OutcomeUnknown: it may have arrived; a second request costs a quota slot and does no other harm.
            ConfigurationError: a rule is broken; nothing was sent.
        """
        check_text("report_type", report_type)
        check_aware(start_date=start_date, end_date=end_date)
        params = flatten(
            {
                "ReportType": report_type,
                "StartDate": start_date,
                "EndDate": end_date,
                "ReportOptions": report_options,
                "MarketplaceIdList.Id": (
                    (self._marketplace_id,) if marketplace_ids is None else listed("marketplace_ids", marketplace_ids)
                ),
            }
        )
        if end_date is not None and end_date > self._calls.clock.now():
            raise ConfigurationError("RequestReport: end_date must not be after now")
        if start_date is not None and end_date is not None and start_date >= end_date:
            raise ConfigurationError("RequestReport: start_date must be earlier than end_date")
        call = MwsCall(section="Reports", action="RequestReport", params=params)
        return await self._calls.result(call, _read_requested, WaitPolicy(wait=wait, deadline=deadline))

    def requests(
        self,
        *,
        report_request_ids: Sequence[str] | None = None,
        report_types: Sequence[str] = (),
        statuses: Sequence[str] = (),
        requested_from: datetime | None = None,
        requested_to: datetime | None = None,
        max_count: int = 100,
        wait: bool = True,
        deadline: datetime | timedelta | None = None,
    ) -> Listing[ReportRequest]:
        """GetReportRequestList, and ...ByNextToken while ``HasNext`` is true: the status of requests.

        Args:
            report_request_ids: alone, because Amazon ignores every other filter beside them.
            requested_from: 90 days ago by default (Amazon's).
            max_count: requests per page, 1 to 100.
        """
        check_count("max_count", max_count, most=100)
        check_aware(requested_from=requested_from, requested_to=requested_to)
        filters = {
            "ReportTypeList.Type": listed("report_types", report_types),
            "ReportProcessingStatusList.Status": listed("statuses", statuses),
            "RequestedFromDate": requested_from,
            "RequestedToDate": requested_to,
        }
        ids = _ids(report_request_ids)
        if ids is not None and any(filters.values()):
            raise ConfigurationError(
                "GetReportRequestList: beside report_request_ids Amazon ignores every other filter"
            )
        params = flatten({"ReportRequestIdList.Id": ids, "MaxCount": max_count, **filters})
        return self._listing(
            "GetReportRequestList",
            params,
            _read_request_page,
            key=lambda request: request.report_request_id,
            policy=WaitPolicy(wait=wait, deadline=deadline),
        )

    def list(
        self,
        *,
        report_request_ids: Sequence[str] | None = None,
        report_types: Sequence[str] = (),
        acknowledged: bool | None = None,
        available_from: datetime | None = None,
        available_to: datetime | None = None,
        max_count: int = 100,
        wait: bool = True,
        deadline: datetime | timedelta | None = None,
    ) -> Listing[ReportInfo]:
        """GetReportList, and ...ByNextToken while ``HasNext`` is true: the reports that can be fetched.

        Args:
            report_request_ids: e.g. the ``ReportReferenceId`` out of an Easy Ship documents feed's report.
            max_count: reports per page, 1 to 100.
        """
        check_count("max_count", max_count, most=100)
        check_aware(available_from=available_from, available_to=available_to)
        params = flatten(
            {
                "ReportRequestIdList.Id": _ids(report_request_ids),
                "ReportTypeList.Type": listed("report_types", report_types),
                "Acknowledged": acknowledged,
                "AvailableFromDate": available_from,
                "AvailableToDate": available_to,
                "MaxCount": max_count,
            }
        )
        return self._listing(
            "GetReportList",
            params,
            _read_report_page,
            key=lambda report: report.report_id,
            policy=WaitPolicy(wait=wait, deadline=deadline),
        )

    async def get(self, report_id: str, *, wait: bool = True, deadline: datetime | timedelta | None = None) -> Download:
        """GetReport: the report as Amazon sent it (text or PDF), its MD5 checked; a wrong one is fetched again.

        Raises:
            AmazonError: ``code`` ``ReportNotReady`` (``retryable``), ``ReportNoLongerAvailable``, ``InvalidReportId``,
                ...
            UnreadableResponse: the MD5 stayed wrong, or the report is larger than the client's ``max_body_bytes``.
        """
        check_text("report_id", report_id)
        call = MwsCall(section="Reports", action="GetReport", params={"ReportId": report_id})
        return await self._calls.document(call, WaitPolicy(wait=wait, deadline=deadline))


_REQUEST: Final[Fields] = table_of(
    ReportRequest,
    names={"completed_date": ("CompletedDate", "CompletedProcessingDate")},
    leave_out={"report_request_id", "meta"},
)
_REPORT: Final[Fields] = table_of(ReportInfo, leave_out={"report_id"})


def _ids(report_request_ids: Sequence[str] | None) -> tuple[str, ...] | None:
    if report_request_ids is None:
        return None
    ids = listed("report_request_ids", report_request_ids)
    check_count("report_request_ids", ids, most=100)
    return ids


def _read_request(node: Node, meta: ResponseMeta) -> ReportRequest:
    request_id = required(node, "ReportRequestId", "a report request")
    return ReportRequest(report_request_id=request_id, meta=meta, **fields(node, _REQUEST))


def _read_requested(node: Node, meta: ResponseMeta) -> ReportRequest:
    return _read_request(node.get("ReportRequestInfo") or {}, meta)


def _read_request_page(node: Node, meta: ResponseMeta) -> RawPage[ReportRequest]:
    requests = [_read_request(request, meta) for request in children(node, "ReportRequestInfo")]
    return RawPage(
        items=tuple(requests), next_token=next_token(node, "GetReportRequestList", "ReportRequestInfo"), meta=meta
    )


def _read_report_page(node: Node, meta: ResponseMeta) -> RawPage[ReportInfo]:
    # Amazon's Java client calls the element ReportInfoList.
    nodes = children(node, "ReportInfo") or children(node, "ReportInfoList")
    reports = [ReportInfo(report_id=required(one, "ReportId", "a report"), **fields(one, _REPORT)) for one in nodes]
    return RawPage(
        items=tuple(reports), next_token=next_token(node, "GetReportList", "ReportInfo", "ReportInfoList"), meta=meta
    )
