"""Reports and requests for them (Reports 2009-01-01), as far as Easy Ship needs them."""

from __future__ import annotations

from datetime import datetime

import attrs

from amazon_ae._models.responses import ResponseMeta

__all__ = ["ReportInfo", "ReportRequest"]


@attrs.frozen(kw_only=True)
class ReportRequest:
    """A request for a report (``ReportRequestInfo``). Instants are aware UTC.

    Attributes:
        report_processing_status: ``_SUBMITTED_``, ``_IN_PROGRESS_``, ``_CANCELLED_``, ``_DONE_`` or ``_DONE_NO_DATA_``.
        generated_report_id: give it to ``client.reports.get``; ``None`` until the report is done.
    """

    report_request_id: str
    report_type: str = ""
    report_processing_status: str = ""
    start_date: datetime | None = None
    end_date: datetime | None = None
    scheduled: bool | None = None
    submitted_date: datetime | None = None
    started_processing_date: datetime | None = None
    completed_date: datetime | None = None
    generated_report_id: str | None = None
    meta: ResponseMeta = attrs.field(default=ResponseMeta(), eq=False)


@attrs.frozen(kw_only=True)
class ReportInfo:
    """A report that can be fetched. Instants are aware UTC."""

    report_id: str
    report_type: str = ""
    report_request_id: str | None = None
    available_date: datetime | None = None
    acknowledged: bool | None = None
    acknowledged_date: datetime | None = None
