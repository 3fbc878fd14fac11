"""Parses processing reports, XML and flat file. Pure, in slices, no I/O.

Sources: ProcessingReport.xsd (2017), a recorded ``EasyShipProcessingReport``, recorded flat files (their UAE form is
UNVERIFIED). ``processing_reports`` decides what a report means for each item.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Generator, Sequence
from typing import Final, TypeVar
from xml.parsers import expat

import attrs

from amazon_ae._exceptions import UnreadableResponse
from amazon_ae._models.written import drop_forbidden
from amazon_ae._models.xml_repair import cleaned, decoded
from amazon_ae._mws.parsing import integer

__all__ = ["ProcessingReport", "ReportReference", "ReportRow", "at_once", "read_report", "report_steps"]

T = TypeVar("T")

_SLICE_BYTES: Final = 16_384  # of XML: about a millisecond
# Our own limits for Amazon's texts in a dead letter.
_LONGEST_TEXT: Final = 500

_WARNINGS: Final = frozenset(
    {"warning", "warnung", "avertissement", "advertencia", "avviso", "avvertenza", "waarschuwing", "ostrzeżenie"}
    | {"varning", "uyarı", "aviso", "تحذير", "警告"}
)
_COLUMNS: Final = {
    "original-record-number": "record",
    "record-number": "record",
    "error-code": "code",
    "error-type": "type",
    "error-message": "text",
}
# The positions of the columns in every recorded report, for headings in an unknown language.
_DEFAULT_COLUMNS: Final = {"record": 0, "code": 2, "type": 3, "text": 4}
# "<tab>Number of records processed<tab><tab>7" in any language; thousands may be grouped.
_COUNT: Final = re.compile(r"\t*[^\t]*[^\t\d][^\t]*\t[\t ]*(\d[\d.,\u00a0\u202f ]{0,15})\s*")


@attrs.frozen(kw_only=True)
class ReportRow:
    """One ``Result``: an error or a warning about one message.

    Attributes:
        message_id: the item's number in the feed, from 1; 0 is the whole feed; ``None`` where the row has none.
        is_error: else a warning.
        code: ``ResultMessageCode``; opaque, no full list is published.
        text: Amazon's, at most 500 characters.
        keys: other names of the item: SKU, order id, or all short cells of a flat file's line.
    """

    message_id: int | None
    is_error: bool
    code: str
    text: str
    keys: tuple[str, ...] = ()


@attrs.frozen
class ReportReference:
    """A ``ReportReferenceId``: under it the Reports section keeps an Easy Ship document."""

    value: str
    message_id: int | None = None


@attrs.frozen(kw_only=True)
class ProcessingReport:
    """The content of a processing report.

    Attributes:
        status_code: ``Complete``, ``Processing`` or ``Rejected``; ``""`` where there is none. A flat file with a
            summary counts as ``Complete``.
        feed_id: ``DocumentTransactionID``; ``None`` in a flat file.
        processed, successful, with_error: the summary's counts of messages, ``None`` where missing.
        by_key: rows name items by key rather than by number (flat files).
        references: every ``ReportReferenceId``, in any element (which one is not published).
    """

    status_code: str
    feed_id: str | None = None
    processed: int | None = None
    successful: int | None = None
    with_error: int | None = None
    rows: tuple[ReportRow, ...] = ()
    by_key: bool = False
    references: tuple[ReportReference, ...] = ()


def read_report(body: bytes, *, charset: str | None = None, first_record: int = 1) -> ProcessingReport:
    """Read a processing report; see ``report_steps``."""
    return at_once(report_steps(body, charset=charset, first_record=first_record))


def report_steps(
    body: bytes, *, charset: str | None = None, first_record: int = 1
) -> Generator[None, None, ProcessingReport]:
    """Read a processing report in slices of a few milliseconds: the generator's return value is the report.

    Args:
        body: the report as it came, XML or flat file.
        charset: from the answer's content type. UTF-8 is tried first, then this, then CP1252 and Latin-1.
        first_record: the number that a flat file gives the first order's line (UNVERIFIED for the UAE).

    Raises:
        UnreadableResponse: not a processing report, cut short, or XML with a document type.
    """
    if body.startswith((b"\xff\xfe<", b"\xfe\xff\0<")) or body[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return (yield from _read_xml(body))
    return _read_flat(decoded(body, charset), first_record)


def at_once(steps: Generator[None, None, T]) -> T:
    """Run a generator to its end in one go."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            value: T = stop.value
            return value


_REPORTS: Final = ("ProcessingReport", "EasyShipProcessingReport")
_RECORDS: Final = ("Result", "SuccessMessage", "ErrorMessage")
# The elements of EasyShipProcessingReport (recorded) under the names of ProcessingReport.xsd.
_NAMES: Final = {
    "DocumentReportReferenceId": "ReportReferenceId",
    "FeedSubmissionID": "DocumentTransactionID",
    "ErrorType": "ResultCode",
    "ErrorCode": "ResultMessageCode",
    "ErrorMessage": "ResultDescription",
}


_ROW: Final = re.compile(r"<Result>.*?</Result>", re.DOTALL)
_ROW_NUMBER: Final = re.compile(r"<MessageID>\s*(\d{1,20})")
_ROW_CODE: Final = re.compile(r"<ResultMessageCode>\s*(\w+)")
_ROW_WARNING: Final = re.compile(r"<ResultCode>\s*Warning\b", re.IGNORECASE)


class _XmlReader:
    """Collects the known elements by local name; unknown ones are skipped."""

    def __init__(self) -> None:
        self.root = ""
        self.seen_report = False
        self.easy_ship = False
        self.values: dict[str, str] = {}
        self.rows: list[ReportRow] = []
        self.references: list[ReportReference] = []
        self._path: list[str] = []
        self._text: list[str] = []
        self._result: dict[str, str] | None = None
        self._depth = 0

    def start(self, name: str, _attributes: object) -> None:
        local = name.rpartition(":")[2]
        self.root = self.root or local
        self.seen_report = self.seen_report or local in _REPORTS
        self.easy_ship = self.easy_ship or local == "EasyShipProcessingReport"
        self._path.append(local)
        if self._result is None and local in _RECORDS:
            self._result, self._depth = {"": local}, len(self._path)
        self._text.clear()

    def characters(self, text: str) -> None:
        self._text.append(text)

    def end(self, _name: str) -> None:
        depth, local = len(self._path), self._path.pop()
        text = "".join(self._text).strip()
        self._text.clear()
        if self._result is not None:
            if depth == self._depth:
                self._close_result()
            elif text:
                self._result.setdefault(_NAMES.get(local, local), text)
        elif _NAMES.get(local, local) == "ReportReferenceId" and text:
            self.references.append(ReportReference(text))
        elif text and any(report in self._path for report in _REPORTS):
            self.values.setdefault(_NAMES.get(local, local), text)

    def _close_result(self) -> None:
        result, self._result = self._result or {}, None
        message_id = _count(result.get("MessageID"))
        if reference := result.get("ReportReferenceId"):
            self.references.append(ReportReference(reference, message_id))
        if result[""] == "SuccessMessage":
            return
        keys = (result.get("SKU"), result.get("AmazonOrderID"))
        kind = result.get("ResultCode", "error" if result[""] == "ErrorMessage" else "")
        self.rows.append(
            ReportRow(
                message_id=message_id,
                is_error=kind.lower() == "error",
                code=result.get("ResultMessageCode", "")[:40],
                text=result.get("ResultDescription", "")[:_LONGEST_TEXT],
                keys=tuple(key for key in keys if key),
            )
        )


def _read_xml(body: bytes) -> Generator[None, None, ProcessingReport]:
    broken: list[ReportRow] = []
    try:
        reader = yield from _parse(body, None)
    except (expat.ExpatError, LookupError, ValueError):
        text = cleaned(body)
        try:
            reader = yield from _parse(text.encode(), "utf-8")
        except (expat.ExpatError, LookupError, ValueError):
            try:
                text, broken = _without_broken_rows(text)
                reader = yield from _parse(text.encode(), "utf-8")
            except (expat.ExpatError, LookupError, ValueError) as error:
                raise UnreadableResponse(f"processing report: not well-formed XML: {error}", retryable=True) from None
    if reader.root not in ("AmazonEnvelope", "EasyShipProcessingReport") or not reader.seen_report:
        raise UnreadableResponse(f"not a processing report: its root is <{reader.root[:60]}>")
    values = reader.values
    processed = _count(values.get("MessagesProcessed"))
    complete = "Complete" if reader.easy_ship and processed is not None else ""
    return ProcessingReport(
        status_code=values.get("StatusCode", complete),
        feed_id=values.get("DocumentTransactionID"),
        processed=processed,
        successful=_count(values.get("MessagesSuccessful")),
        with_error=_count(values.get("MessagesWithError")),
        rows=(*reader.rows, *broken),
        references=tuple(reader.references),
    )


def _without_broken_rows(text: str) -> tuple[str, list[ReportRow]]:
    """The report without the rows that no parser reads, and what can be told of each of these.

    Raises:
        ValueError: there is no such row; its structure is broken elsewhere, or it was cut off.
    """
    rows: list[ReportRow] = []

    def judge(found: re.Match[str]) -> str:
        with contextlib.suppress(expat.ExpatError):
            expat.ParserCreate().Parse(found[0].encode(), True)
            return found[0]
        number, code = _ROW_NUMBER.search(found[0]), _ROW_CODE.search(found[0])
        rows.append(
            ReportRow(
                message_id=_count(number[1]) if number else None,
                is_error=_ROW_WARNING.search(found[0]) is None,
                code=code[1][:40] if code else "",
                text="Amazon's words about this item cannot be read",
            )
        )
        return ""

    plain = _ROW.sub(judge, text)
    if not rows:
        raise ValueError("it is broken outside of its rows")
    return plain, rows


def _parse(body: bytes, encoding: str | None) -> Generator[None, None, _XmlReader]:
    reader = _XmlReader()
    parser = _parser(reader, encoding)
    for start in range(0, len(body), _SLICE_BYTES):
        parser.Parse(body[start : start + _SLICE_BYTES], False)
        yield
    parser.Parse(b"", True)
    return reader


def _parser(reader: _XmlReader, encoding: str | None) -> expat.XMLParserType:
    parser = expat.ParserCreate(encoding)
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    parser.StartDoctypeDeclHandler = _refuse_doctype
    return parser


def _refuse_doctype(*_: object) -> None:
    # Entities are declared in a document type, and expand without end; an HTML page has one too.
    raise UnreadableResponse("not a processing report: it has a document type (an HTML page?)")


def _count(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch("[0-9]{1,20}", text) else integer(text)


def _read_flat(text: str, first_record: int) -> ProcessingReport:
    counts: list[int] = []
    rows: list[ReportRow] = []
    columns: dict[str, int] | None = None
    for line in re.split(r"\r\n|\r|\n", drop_forbidden(text)):
        cells = [cell.strip() for cell in line.split("\t")]
        if not any(cells):
            continue
        if columns is None and (found := _COUNT.fullmatch(line)):
            counts.append(int(re.sub(r"\D", "", found[1])))
        elif len(cells) >= 4 and (columns is not None or cells[0].isdecimal()):
            rows.append(_flat_row(cells, columns or _DEFAULT_COLUMNS, first_record))
        elif len(cells) >= 4 and sum(map(bool, cells)) >= 4:
            columns = _find_columns(cells)
    if not counts and columns is None:
        raise UnreadableResponse("not a processing report: neither XML nor a summary or table in a flat file")
    return ProcessingReport(
        # Without its summary the file does not show that it is whole.
        status_code="Complete" if len(counts) >= 2 else "",
        processed=counts[0] if counts else None,
        successful=counts[1] if len(counts) >= 2 else None,
        rows=tuple(rows),
        by_key=True,
    )


def _find_columns(headings: Sequence[str]) -> dict[str, int]:
    """The positions of the columns: by their English names, else the usual ones."""
    known = {
        _COLUMNS[name]: index
        for index, heading in enumerate(headings)
        if (name := heading.lower().replace("_", "-").replace(" ", "-")) in _COLUMNS
    }
    return {**_DEFAULT_COLUMNS, **known}


def _flat_row(cells: list[str], columns: dict[str, int], first_record: int) -> ReportRow:
    def cell(name: str) -> str:
        return cells[columns[name]] if columns[name] < len(cells) else ""

    record = _count(cell("record"))
    message_id = record  # 0 is the whole feed
    if record:
        message_id = record - first_record + 1 if record >= first_record else None
    return ReportRow(
        message_id=message_id,
        is_error=cell("type").lower() not in _WARNINGS,
        code=cell("code")[:40],
        text=cell("text")[:_LONGEST_TEXT],
        keys=tuple(each for index, each in enumerate(cells) if each and index not in columns.values()),
    )
