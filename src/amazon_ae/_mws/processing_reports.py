"""Processing reports, XML and flat file: exactly one outcome per item. Pure, in slices, no I/O.

Rules, in this order (XML: ProcessingReport.xsd, 2017; flat file: recorded reports, its UAE form is UNVERIFIED):

1. An error row rejects its item. An error for message 0 concerns the whole feed and rejects every item.
2. ``StatusCode`` Rejected rejects every item; Processing is no report yet.
3. An item without a row was accepted, but only if ``StatusCode`` is Complete and nothing in the summary speaks
   against it: every message was processed, no more failed than there are error rows, and enough were successful.
   (Whether Amazon counts a message with a warning as successful is not published: both are taken as agreement.)
4. An error that names no item of the batch, another ``StatusCode`` or a summary that disagrees casts doubt on every
   item without an error row. A doubtful item gets the outcome that the caller chose: stock may be sent again, for a
   pickup nobody can tell. Where the summary claims more successes than the error rows leave, the rows count.
5. An item with warnings only was accepted with warnings. A result code other than Error counts as a warning.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from itertools import islice
from typing import Final, TypeVar
from xml.parsers import expat

import attrs

from amazon_ae._exceptions import AmazonError, UnreadableResponse
from amazon_ae._models.feeds import FeedItem, ItemOutcome, Outcome

__all__ = [
    "ProcessingReport",
    "ReportReference",
    "ReportRow",
    "outcome_steps",
    "outcomes",
    "read_report",
    "report_steps",
]

T = TypeVar("T")

_SLICE_BYTES: Final = 16_384  # of XML: about a millisecond
_SLICE_ITEMS: Final = 500
# Our own bounds: what a dead letter keeps of Amazon's words.
_LONGEST_TEXT: Final = 500
_LONGEST_MESSAGE: Final = 2_000

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
# Where the columns stand in every recorded report, for headings in a language not known here.
_PLACES: Final = {"record": 0, "code": 2, "type": 3, "text": 4}
# "<tab>Number of records processed<tab><tab>7" in any language; thousands may be grouped.
_COUNT: Final = re.compile(r"\t*[^\t]*[^\t\d][^\t]*\t[\t ]*(\d[\d.,\u00a0\u202f ]{0,15})\s*")
_DECLARED: Final = re.compile(rb"<\?xml[^>]{1,80}encoding\s*=\s*[\"']([A-Za-z0-9._-]+)")


@attrs.frozen(kw_only=True)
class ReportRow:
    """One ``Result``: an error or a warning about one message.

    Attributes:
        message_id: the item's place in the feed, from 1; 0 is the whole feed; ``None`` where the row has none.
        is_error: else a warning.
        code: ``ResultMessageCode``; opaque, no full list is published.
        text: Amazon's words, at most 500 characters.
        keys: what else names the item: SKU, order id, or all short cells of a flat file's line.
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
    """What a processing report says.

    Attributes:
        status_code: ``Complete``, ``Processing`` or ``Rejected``; ``""`` where there is none. A flat file with a
            summary counts as ``Complete``.
        feed_id: ``DocumentTransactionID``; ``None`` in a flat file.
        processed, successful, with_error: the summary's counts of messages, ``None`` where missing.
        by_key: rows name items by key rather than by number (flat files).
        references: every ``ReportReferenceId``, wherever it stands (its place in the XML is not published).
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
    return _at_once(report_steps(body, charset=charset, first_record=first_record))


def outcomes(report: ProcessingReport, items: Sequence[FeedItem], *, doubtful: Outcome) -> tuple[ItemOutcome, ...]:
    """One outcome per item; see ``outcome_steps``."""
    return _at_once(outcome_steps(report, items, doubtful=doubtful))


def report_steps(
    body: bytes, *, charset: str | None = None, first_record: int = 1
) -> Generator[None, None, ProcessingReport]:
    """Read a processing report in slices of a few milliseconds: the generator's return value is the report.

    Args:
        body: the report as it came, XML or flat file.
        charset: what the answer's content type says. Tried are UTF-8, then this, then CP1252 and Latin-1.
        first_record: the number that a flat file gives the first order's line (UNVERIFIED for the UAE).

    Raises:
        UnreadableResponse: not a processing report, cut short, or XML with a document type.
    """
    if body.startswith((b"\xff\xfe<", b"\xfe\xff\0<")) or body[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return (yield from _read_xml(body))
    return _read_flat(_decode(body, charset), first_record)


def outcome_steps(
    report: ProcessingReport, items: Sequence[FeedItem], *, doubtful: Outcome
) -> Generator[None, None, tuple[ItemOutcome, ...]]:
    """What came of each item, in slices of a few milliseconds: the return value has exactly one outcome per item.

    Args:
        items: the batch, in ``message_id`` order.
        doubtful: the outcome where the report leaves doubt: ``RETRY`` for stock, ``UNKNOWN`` for pickups.

    Raises:
        AmazonError: ``retryable``; the report says that Amazon is still processing.
    """
    if report.status_code == "Processing":
        raise AmazonError(
            "Amazon is still processing this feed", status=200, code="FeedProcessingResultNotReady", retryable=True
        )
    rows = yield from _sort_rows(report, items)
    default = _default(report, len(items), rows, doubtful)
    result: list[ItemOutcome] = []
    for number, item in enumerate(items, 1):
        result.append(
            _judge(item.key, rows.of(number), rows.whole, default)
            if number in rows.first
            else ItemOutcome(item.key, default.outcome, default.code, default.message)
        )
        if number % _SLICE_ITEMS == 0:
            yield
    return tuple(result)


@attrs.define
class _Rows:
    """Rows by the item they are about; hardly ever has an item more than one."""

    first: dict[int, ReportRow] = attrs.Factory(dict)
    more: dict[int, list[ReportRow]] = attrs.Factory(dict)
    whole: list[ReportRow] = attrs.Factory(list)  # about the whole feed
    failed: set[int] = attrs.Factory(set)  # items with an error
    errors: int = 0  # rows that are errors of items
    strangers: bool = False  # an error that names none of our items

    def add(self, number: int, row: ReportRow) -> None:
        """A row about the item in this place."""
        if number not in self.first:
            self.first[number] = row
        else:
            self.more.setdefault(number, []).append(row)
        if row.is_error:
            self.failed.add(number)
            self.errors += 1

    def of(self, number: int) -> list[ReportRow]:
        """An item's own rows, in Amazon's order."""
        return [self.first[number], *self.more.get(number, ())]


def _at_once(steps: Generator[None, None, T]) -> T:
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            value: T = stop.value
            return value


def _sort_rows(report: ProcessingReport, items: Sequence[FeedItem]) -> Generator[None, None, _Rows]:
    by_key: dict[str, int] | None = None
    rows = _Rows()
    for count, row in enumerate(report.rows, 1):
        number = row.message_id if row.message_id is not None and 0 <= row.message_id <= len(items) else None
        if row.keys and (report.by_key or number is None):
            if by_key is None:
                by_key = {item.key: place for place, item in enumerate(items, 1)}
            number = next((by_key[key] for key in row.keys if key in by_key), number)
        if number is None:
            rows.strangers = rows.strangers or row.is_error
        elif number == 0:
            rows.whole.append(row)
        else:
            rows.add(number, row)
        if count % _SLICE_ITEMS == 0:
            yield
    return rows


def _default(report: ProcessingReport, size: int, rows: _Rows, doubtful: Outcome) -> ItemOutcome:
    """The outcome of an item without a row of its own; its key is filled in later."""
    if any(row.is_error for row in rows.whole):
        return _judge("", [], rows.whole, None)
    if report.status_code == "Rejected":
        errors = list(islice((row for row in report.rows if row.is_error), 5))
        text = _join(errors) or "Amazon refused the whole feed"
        return ItemOutcome("", Outcome.REJECTED, errors[0].code if errors else "FeedRejected", text)
    if reason := _doubt(report, size, rows):
        return ItemOutcome("", doubtful, "ReportIncomplete", reason)
    return _judge("", [], rows.whole, None)


def _doubt(report: ProcessingReport, size: int, rows: _Rows) -> str:
    """Why the report does not show that the items without a row were accepted; ``""`` where it does."""
    if report.status_code != "Complete":
        return f"the report's StatusCode is {report.status_code[:40]!r}, not Complete"
    if rows.strangers:
        return "the report has an error for an item that is not in this feed"
    if report.processed is not None and report.processed < size:
        return f"Amazon processed {report.processed} of {size} messages"
    # A message may have several rows, and whether Amazon counts it once is not published: compare with the rows.
    if report.with_error is not None and report.with_error > rows.errors:
        return f"the report counts {report.with_error} messages with errors and shows {rows.errors}"
    failed, warned = len(rows.failed), len(rows.first) - len(rows.failed)
    if report.successful is not None and report.successful < size - failed - warned:
        return f"the report counts {report.successful} successful messages and shows {failed} errors among {size}"
    return ""


def _judge(key: str, own: list[ReportRow], whole: list[ReportRow], default: ItemOutcome | None) -> ItemOutcome:
    rows = own + whole
    errors = [row for row in rows if row.is_error]
    if errors:
        return ItemOutcome(key, Outcome.REJECTED, errors[0].code, _join(errors))
    if default is not None and default.outcome not in (Outcome.ACCEPTED, Outcome.ACCEPTED_WITH_WARNINGS):
        return attrs.evolve(default, key=key)  # a warning does not heal a doubtful report
    if rows:
        return ItemOutcome(key, Outcome.ACCEPTED_WITH_WARNINGS, rows[0].code, _join(rows))
    return ItemOutcome(key, Outcome.ACCEPTED)


def _join(rows: Sequence[ReportRow]) -> str:
    """All texts once, each with its code where several differ, bounded."""
    texts = dict.fromkeys(row.text for row in rows)
    if len(texts) > 1:
        texts = dict.fromkeys(f"{row.code}: {row.text}" if row.code else row.text for row in rows)
    return " | ".join(texts)[:_LONGEST_MESSAGE]


class _XmlReader:
    """Collects what matters by local names; unknown elements are passed over."""

    def __init__(self) -> None:
        self.root = ""
        self.seen_report = False
        self.values: dict[str, str] = {}
        self.rows: list[ReportRow] = []
        self.references: list[ReportReference] = []
        self._path: list[str] = []
        self._text: list[str] = []
        self._result: dict[str, str] | None = None

    def start(self, name: str, _attributes: object) -> None:
        local = name.rpartition(":")[2]
        self.root = self.root or local
        self.seen_report = self.seen_report or local == "ProcessingReport"
        if local == "Result" and self._result is None:
            self._result = {}
        self._path.append(local)
        self._text.clear()

    def characters(self, text: str) -> None:
        self._text.append(text)

    def end(self, _name: str) -> None:
        local = self._path.pop()
        text = "".join(self._text).strip()
        self._text.clear()
        if local == "Result" and "Result" not in self._path:
            self._close_result()
        elif self._result is not None:
            if text:
                self._result.setdefault(local, text)
        elif local == "ReportReferenceId" and text:
            self.references.append(ReportReference(text))
        elif text and "ProcessingReport" in self._path:
            self.values.setdefault(local, text)

    def _close_result(self) -> None:
        result, self._result = self._result or {}, None
        message_id = _count(result.get("MessageID"))
        if reference := result.get("ReportReferenceId"):
            self.references.append(ReportReference(reference, message_id))
        keys = (result.get("SKU"), result.get("AmazonOrderID"))
        self.rows.append(
            ReportRow(
                message_id=message_id,
                is_error=result.get("ResultCode", "").lower() == "error",
                code=result.get("ResultMessageCode", "")[:40],
                text=result.get("ResultDescription", "")[:_LONGEST_TEXT],
                keys=tuple(key for key in keys if key),
            )
        )


def _read_xml(body: bytes) -> Generator[None, None, ProcessingReport]:
    reader = _XmlReader()
    parser = _parser(reader, None)
    declared = _DECLARED.search(body[:200])
    if (declared is None or declared[1].lower() == b"utf-8") and body[:1] not in b"\xff\xfe" and not _is_utf8(body):
        # It says UTF-8 and is not: the same ladder as for flat files.
        body, parser = _decode(body, None).encode(), _parser(reader, "utf-8")
    try:
        for start in range(0, len(body), _SLICE_BYTES):
            parser.Parse(body[start : start + _SLICE_BYTES], False)
            yield
        parser.Parse(b"", True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise UnreadableResponse(f"processing report: not well-formed XML: {error}", retryable=True) from None
    if reader.root != "AmazonEnvelope" or not reader.seen_report:
        raise UnreadableResponse(f"not a processing report: its root is <{reader.root[:60]}>")
    values = reader.values
    return ProcessingReport(
        status_code=values.get("StatusCode", ""),
        feed_id=values.get("DocumentTransactionID"),
        processed=_count(values.get("MessagesProcessed")),
        successful=_count(values.get("MessagesSuccessful")),
        with_error=_count(values.get("MessagesWithError")),
        rows=tuple(reader.rows),
        references=tuple(reader.references),
    )


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
    return int(text) if text and re.fullmatch("[0-9]{1,20}", text) else None


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decode(body: bytes, charset: str | None) -> str:
    # What is UTF-8 by its bytes is UTF-8, whatever the header says; and CP1252 holds all that Latin-1 can print.
    said = "cp1252" if (charset or "").lower() in ("iso-8859-1", "latin-1", "us-ascii") else charset
    for name in ("utf-8-sig", said, "cp1252"):
        if name:
            try:
                return body.decode(name)
            except (ValueError, LookupError):  # another charset, or none that Python knows
                continue
    return body.decode("latin-1")


def _read_flat(text: str, first_record: int) -> ProcessingReport:
    counts: list[int] = []
    rows: list[ReportRow] = []
    places: dict[str, int] | None = None
    for line in re.split(r"\r\n|\r|\n", text):
        cells = [cell.strip() for cell in line.split("\t")]
        if places is None and (found := _COUNT.fullmatch(line)):
            counts.append(int(re.sub(r"\D", "", found[1])))
        elif len(cells) >= 4 and (places is not None or cells[0].isdecimal()):
            rows.append(_flat_row(cells, places or _PLACES, first_record))
        elif len(cells) >= 4 and sum(map(bool, cells)) >= 4:
            places = _find_columns(cells)
    if not counts and places is None:
        raise UnreadableResponse("not a processing report: neither XML nor a summary or table in a flat file")
    return ProcessingReport(
        # Without its summary the file does not say that it is whole.
        status_code="Complete" if len(counts) >= 2 else "",
        processed=counts[0] if counts else None,
        successful=counts[1] if len(counts) >= 2 else None,
        rows=tuple(rows),
        by_key=True,
    )


def _find_columns(headings: Sequence[str]) -> dict[str, int]:
    """Where the columns are: by their English names, else where they always stand."""
    known = {
        _COLUMNS[name]: place
        for place, heading in enumerate(headings)
        if (name := heading.lower().replace("_", "-").replace(" ", "-")) in _COLUMNS
    }
    return {**_PLACES, **known}


def _flat_row(cells: list[str], places: dict[str, int], first_record: int) -> ReportRow:
    def cell(name: str) -> str:
        return cells[places[name]] if places[name] < len(cells) else ""

    record = _count(cell("record"))
    message_id = record  # 0 is the whole feed
    if record:
        message_id = record - first_record + 1 if record >= first_record else None
    return ReportRow(
        message_id=message_id,
        is_error=cell("type").lower() not in _WARNINGS,
        code=cell("code")[:40],
        text=cell("text")[:_LONGEST_TEXT],
        keys=tuple(each for place, each in enumerate(cells) if each and place not in places.values()),
    )
