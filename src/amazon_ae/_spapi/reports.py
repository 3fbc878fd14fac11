"""Reports 2021-06-30.

Source: ``reports_2021-06-30.json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from amazon_ae._exceptions import UnreadableResponse
from amazon_ae._models.checks import check_aware, check_text, deadline_at
from amazon_ae._models.responses import ResponseMeta
from amazon_ae._spapi.calls import SpApiCall, SpApiExecutor
from amazon_ae._spapi.feeds import read_signed
from amazon_ae._spapi.models import SpApiReport
from amazon_ae._spapi.operations import find_operation
from amazon_ae._spapi.params import instant_text
from amazon_ae._spapi.tokens import Tokens
from amazon_ae._spapi.transfers import Transfers
from amazon_ae._spapi.values import instant, node, same, text
from amazon_ae._transport.calls import WaitPolicy

__all__ = ["Reports"]


class Reports:
    """The reports of one seller."""

    def __init__(self, calls: SpApiExecutor, transfers: Transfers, tokens: Tokens, *, marketplace_id: str) -> None:
        self._calls = calls
        self._transfers = transfers
        self._tokens = tokens
        self._marketplace_id = marketplace_id

    async def create(
        self,
        report_type: str,
        *,
        data_start: datetime | None = None,
        data_end: datetime | None = None,
        options: Mapping[str, str] | None = None,
        wait: bool = True,
        deadline: datetime | timedelta | None = None,
    ) -> SpApiReport:
        """createReport: have a report made. Not sent again once it may have arrived.

        Raises:
            OutcomeUnknown: it may have arrived; a second one costs one more slot (1 a minute), nothing else.
        """
        check_aware(data_start=data_start, data_end=data_end)
        body: dict[str, Any] = {
            "reportType": check_text("report_type", report_type),
            "marketplaceIds": [self._marketplace_id],
        }
        if data_start is not None:
            body["dataStartTime"] = instant_text(data_start)
        if data_end is not None:
            body["dataEndTime"] = instant_text(data_end)
        if options:
            body["reportOptions"] = dict(options)

        def read(answer: Any, meta: ResponseMeta) -> SpApiReport:
            report_id = text(node(answer).get("reportId"))
            if report_id is None:
                raise UnreadableResponse("createReport: an answer without reportId", request_id=meta.request_id)
            return SpApiReport(report_id=report_id, report_type=report_type, created_at=meta.timestamp, meta=meta)

        call = SpApiCall(row=find_operation("createReport"), body=body)
        return await self._calls.json(call, read, WaitPolicy(wait=wait, deadline=deadline))

    async def get(
        self, report_id: str, *, wait: bool = True, deadline: datetime | timedelta | None = None
    ) -> SpApiReport:
        """getReport: the status of a report."""
        call = SpApiCall(row=find_operation("getReport"), fields={"reportId": report_id})

        def read(body: Any, meta: ResponseMeta) -> SpApiReport:
            same(text(node(body).get("reportId")), report_id, "report")
            return _read_report(body, meta)

        return await self._calls.json(call, read, WaitPolicy(wait=wait, deadline=deadline))

    async def cancel(self, report_id: str, *, wait: bool = True, deadline: datetime | timedelta | None = None) -> None:
        """cancelReport: only one in ``IN_QUEUE`` can be cancelled."""
        call = SpApiCall(row=find_operation("cancelReport"), fields={"reportId": report_id})
        await self._calls.json(call, lambda _body, _meta: None, WaitPolicy(wait=wait, deadline=deadline))

    async def download(
        self,
        document_id: str,
        *,
        restricted: bool = False,
        wait: bool = True,
        deadline: datetime | timedelta | None = None,
    ) -> bytes:
        """getReportDocument and the download: a report, unpacked.

        Args:
            restricted: the report's type contains buyers' data: a restricted data token is requested first.
        """
        row = find_operation("getReportDocument")
        fields = {"reportDocumentId": document_id}
        call = SpApiCall(row=row, fields=fields)
        if restricted:
            token = await self._tokens.restricted(row.method, row.url_path(fields), wait=wait, deadline=deadline)
            call = SpApiCall(row=row, fields=fields, token=token.value)
        document = await self._calls.json(call, _signed_report, WaitPolicy(wait=wait, deadline=deadline))
        return await self._transfers.download(document, deadline=deadline_at(deadline, self._calls.clock.now()))


_signed_report: Final = partial(read_signed, id_name="reportDocumentId")


def _read_report(body: Any, meta: ResponseMeta) -> SpApiReport:
    report_id, status = text(node(body).get("reportId")), text(node(body).get("processingStatus"))
    if report_id is None or status is None:
        raise UnreadableResponse("a report without reportId or processingStatus", request_id=meta.request_id)
    return SpApiReport(
        report_id=report_id,
        report_type=text(node(body).get("reportType")) or "",
        processing_status=status,
        created_at=instant(node(body).get("createdTime")),
        ended_at=instant(node(body).get("processingEndTime")),
        document_id=text(node(body).get("reportDocumentId")),
        meta=meta,
    )
