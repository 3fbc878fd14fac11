"""Processing reports, XML and flat file: exactly one outcome per item. Pure, in slices, no I/O.

Rules, in this order (XML: ProcessingReport.xsd, 2017; flat file: recorded reports, its UAE form is UNVERIFIED):

1. An error row rejects its item. An error for message 0 concerns the whole feed and rejects every item. Two kinds of
   errors reject nothing: one that reports the value as equal to an earlier one (Amazon has it), and, for stock, one
   that reports a fault of Amazon's own (``RETRY``; the gateway bounds how often).
2. ``StatusCode`` Rejected rejects every item; Processing is no report yet.
3. An item without a row was accepted, but only if ``StatusCode`` is Complete and a summary agrees: every message was
   processed, no more failed than there are error rows, and enough were successful.
   (Whether Amazon counts a message with a warning as successful is not published: both are taken as agreement.)
4. An error that names no item of the batch, another ``StatusCode`` or a summary that disagrees leaves every item
   without an error row undecided. It gets the outcome that the caller chose: stock is sent again, a pickup is
   unknown. Where the summary claims more successes than the error rows leave, the rows count.
5. An item with warnings only was accepted with warnings. A result code other than Error counts as a warning.
6. ``EasyShipProcessingReport`` says the same in other elements; it has no ``StatusCode``; a summary
   completes it.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from itertools import islice
from typing import Final

import attrs

from amazon_ae._exceptions import AmazonError
from amazon_ae._models.feeds import FeedItem, ItemOutcome, Outcome
from amazon_ae._models.refusals import is_repetition, may_pass
from amazon_ae._mws.report_parsing import ProcessingReport, ReportRow, at_once

__all__ = ["outcome_steps", "outcomes"]

_SLICE_ITEMS: Final = 500
_LONGEST_MESSAGE: Final = 2_000  # our limit for the texts of Amazon in a dead letter


def outcomes(report: ProcessingReport, items: Sequence[FeedItem], *, undecided: Outcome) -> tuple[ItemOutcome, ...]:
    """One outcome per item; see ``outcome_steps``."""
    return at_once(outcome_steps(report, items, undecided=undecided))


def outcome_steps(
    report: ProcessingReport, items: Sequence[FeedItem], *, undecided: Outcome
) -> Generator[None, None, tuple[ItemOutcome, ...]]:
    """The outcome of each item, computed in slices of a few milliseconds; the return value has exactly one per item.

    Args:
        items: the batch, in ``message_id`` order.
        undecided: the outcome where the report is unclear: ``RETRY`` for stock, ``UNKNOWN`` for pickups.

    Raises:
        AmazonError: ``retryable``; Amazon is still processing the feed.
    """
    if report.status_code == "Processing":
        raise AmazonError(
            "Amazon is still processing this feed", status=200, code="FeedProcessingResultNotReady", retryable=True
        )
    rows = yield from _sort_rows(report, items)
    judge = _Judge(passing=Outcome.RETRY if undecided is Outcome.RETRY else Outcome.REJECTED)
    default = _default(report, len(items), rows, undecided, judge)
    result: list[ItemOutcome] = []
    for number, item in enumerate(items, 1):
        result.append(
            judge(item.key, rows.of(number), rows.whole, default)
            if number in rows.first
            else ItemOutcome(item.key, default.outcome, default.code, default.message)
        )
        if number % _SLICE_ITEMS == 0:
            yield
    return tuple(result)


@attrs.define
class _Rows:
    """Rows by the item they are about; an item rarely has more than one."""

    first: dict[int, ReportRow] = attrs.Factory(dict)
    more: dict[int, list[ReportRow]] = attrs.Factory(dict)
    whole: list[ReportRow] = attrs.Factory(list)  # about the whole feed
    failed: set[int] = attrs.Factory(set)  # items with an error
    errors: int = 0  # rows that are errors of items
    foreign: bool = False  # an error that names none of our items

    def add(self, number: int, row: ReportRow) -> None:
        """A row about the item with this number."""
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


def _sort_rows(report: ProcessingReport, items: Sequence[FeedItem]) -> Generator[None, None, _Rows]:
    by_key: dict[str, int] | None = None
    rows = _Rows()
    for count, row in enumerate(report.rows, 1):
        number = row.message_id if row.message_id is not None and 0 <= row.message_id <= len(items) else None
        if row.keys and (report.by_key or number is None):
            if by_key is None:
                by_key = {item.key: index for index, item in enumerate(items, 1)}
            number = next((by_key[key] for key in row.keys if key in by_key), number)
        if number is None:
            rows.foreign = rows.foreign or row.is_error
        elif number == 0:
            rows.whole.append(row)
        else:
            rows.add(number, row)
        if count % _SLICE_ITEMS == 0:
            yield
    return rows


def _default(report: ProcessingReport, size: int, rows: _Rows, undecided: Outcome, judge: _Judge) -> ItemOutcome:
    """The outcome of an item without a row of its own; its key is filled in later."""
    if any(_refuses(row) for row in rows.whole):
        return judge("", [], rows.whole, None)
    if report.status_code == "Rejected":
        errors = list(islice((row for row in report.rows if row.is_error), 5))
        if errors:
            return judge("", errors, [], None)
        return ItemOutcome("", Outcome.REJECTED, "FeedRejected", "Amazon refused the whole feed")
    if reason := _objection(report, size, rows):
        return ItemOutcome("", undecided, "ReportIncomplete", reason)
    return judge("", [], rows.whole, None)


def _objection(report: ProcessingReport, size: int, rows: _Rows) -> str:
    """The reason why items without a row do not count as accepted; ``""`` if they do."""
    if report.status_code != "Complete":
        return f"the report's StatusCode is {report.status_code[:40]!r}, not Complete"
    if report.processed is None and report.successful is None and report.with_error is None:
        return "the report has no summary"
    if rows.foreign:
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


def _refuses(row: ReportRow) -> bool:
    return row.is_error and not is_repetition(row.code, row.text)


@attrs.frozen
class _Judge:
    """Decides one item's outcome by its rows. ``passing``: the outcome where Amazon reports a fault of its own."""

    passing: Outcome

    def __call__(
        self, key: str, own: list[ReportRow], whole: list[ReportRow], default: ItemOutcome | None
    ) -> ItemOutcome:
        rows = own + whole
        errors = [row for row in rows if _refuses(row)]
        if errors:
            passing = all(may_pass(row.code, row.text) for row in errors)
            return ItemOutcome(key, self.passing if passing else Outcome.REJECTED, errors[0].code, _join(errors))
        if any(row.is_error for row in own):  # its value equals an earlier one: Amazon has it
            return ItemOutcome(key, Outcome.ACCEPTED_WITH_WARNINGS, own[0].code, _join(own))
        if default is not None and default.outcome not in (Outcome.ACCEPTED, Outcome.ACCEPTED_WITH_WARNINGS):
            return attrs.evolve(default, key=key)  # a warning doesn't decide an undecided report
        if rows:
            return ItemOutcome(key, Outcome.ACCEPTED_WITH_WARNINGS, rows[0].code, _join(rows))
        return ItemOutcome(key, Outcome.ACCEPTED)


def _join(rows: Sequence[ReportRow]) -> str:
    """All texts once, each with its code where several differ, bounded."""
    texts = dict.fromkeys(row.text for row in rows)
    if len(texts) > 1:
        texts = dict.fromkeys(f"{row.code}: {row.text}" if row.code else row.text for row in rows)
    return " | ".join(texts)[:_LONGEST_MESSAGE]
