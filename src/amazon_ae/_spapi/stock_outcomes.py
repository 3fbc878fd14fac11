"""What came of stock updates: a patch's answer, and the processing report of a feed. Pure.

1. A patch says ``INVALID`` in a 200: refused. Issues beside ``ACCEPTED`` are warnings, whatever their severity.
2. In a report an issue of severity ``ERROR`` refuses its message; any other one is a warning.
3. A message without an issue was accepted only if the report's counts add up: all messages processed, each accepted or
   invalid. Else it is *unclear*: Amazon's own example leaves out a message.
4. An issue that names no message concerns the whole feed. If it is an error, no message without an issue counts as
   accepted.

Sources: ``listingsItems_2021-08-01.json``; ``listings-feed-processing-report-schema-v2.json`` and its example.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from amazon_ae._exceptions import UnreadableResponse
from amazon_ae._models.feeds import FeedItem, ItemOutcome, Outcome
from amazon_ae._spapi.errors import scrub
from amazon_ae._spapi.models import ListingSubmission
from amazon_ae._spapi.values import Node, integer, load, node, nodes, text

__all__ = ["UNCLEAR", "ListingsReport", "read_listings_report", "report_outcomes", "submission_outcome"]

_LONGEST: Final = 500
#: The code of an outcome that a report leaves open.
UNCLEAR: Final = "Unclear"


@attrs.frozen(kw_only=True)
class ListingsReport:
    """A processing report, read.

    Attributes:
        feed_id: the feed that it names.
        processed, accepted, invalid: Amazon's counts of messages; ``None`` where it states none.
        issues: as Amazon wrote them.
    """

    feed_id: str | None
    processed: int | None
    accepted: int | None
    invalid: int | None
    issues: tuple[Node, ...] = attrs.field(repr=False)

    def adds_up(self, size: int) -> bool:
        """Whether each of ``size`` messages was processed and either accepted or invalid."""
        if self.processed is None or self.accepted is None or self.invalid is None:
            return False
        return self.processed == size and self.accepted + self.invalid == self.processed


def submission_outcome(sku: str, found: ListingSubmission) -> ItemOutcome:
    """The outcome in the answer to patchListingsItem.

    Raises:
        UnreadableResponse: its status is none that this library knows.
    """
    ordered = sorted(found.issues, key=lambda issue: issue.severity != "ERROR")
    code = next((issue.code for issue in ordered if issue.code), "")
    message = "; ".join(dict.fromkeys(issue.message for issue in ordered[:3] if issue.message))[:_LONGEST]
    if found.status in ("ACCEPTED", "VALID"):
        kind = Outcome.ACCEPTED_WITH_WARNINGS if code or message else Outcome.ACCEPTED
        return ItemOutcome(sku, kind, code, message)
    if found.status == "INVALID":
        return ItemOutcome(sku, Outcome.REJECTED, code or "INVALID", message or "Amazon gave no reason")
    raise UnreadableResponse(f"patchListingsItem: a status of {found.status!r} in place of ACCEPTED or INVALID")


def read_listings_report(body: bytes) -> ListingsReport:
    """The report of a JSON_LISTINGS_FEED.

    Raises:
        UnreadableResponse: it is no such report; ``retryable`` where it was cut off.
    """
    try:
        value = load(body)
    except ValueError as error:
        raise UnreadableResponse("the feed's report is not JSON", retryable=True) from error
    if not isinstance(value, dict) or not (node(value, "header") or node(value, "summary")):
        raise UnreadableResponse("the feed's report has neither header nor summary")
    summary = node(value, "summary")
    return ListingsReport(
        feed_id=text(node(value, "header").get("feedId")),
        processed=integer(summary.get("messagesProcessed")),
        accepted=integer(summary.get("messagesAccepted")),
        invalid=integer(summary.get("messagesInvalid")),
        issues=tuple(nodes(value, "issues")),
    )


def report_outcomes(report: ListingsReport, items: Sequence[FeedItem]) -> tuple[ItemOutcome, ...]:
    """One outcome per item, in the items' order; an unclear one is ``RETRY`` with the code ``Unclear``."""
    keys = {item.message_id: item.key for item in items}
    known = set(keys.values())
    found: dict[str, list[Node]] = {}
    whole: list[Node] = []
    for issue in report.issues:
        number, sku = integer(issue.get("messageId")), text(issue.get("sku"))
        # The SKU is the key; a batch that was cut in the middle may be numbered anew.
        key = sku if sku in known else keys.get(number) if number is not None and sku is None else None
        if key is not None:
            found.setdefault(key, []).append(issue)
        elif number is None and sku is None and issue.get("severity") == "ERROR":
            whole.append(issue)
    clear = report.adds_up(len(items)) and not whole
    why = _first_issue(whole) if whole else ("", "the report's counts do not add up")
    return tuple(_outcome(item.key, found.get(item.key, []), clear, why) for item in items)


def _outcome(key: str, issues: Sequence[Node], clear: bool, why: tuple[str, str]) -> ItemOutcome:
    errors = [issue for issue in issues if issue.get("severity") == "ERROR"]
    if errors:
        code, message = _first_issue(errors)
        return ItemOutcome(key, Outcome.REJECTED, code or "ERROR", message or "Amazon gave no reason")
    if issues:
        return ItemOutcome(key, Outcome.ACCEPTED_WITH_WARNINGS, *_first_issue(issues))
    if clear:
        return ItemOutcome(key, Outcome.ACCEPTED)
    code, message = why
    return ItemOutcome(key, Outcome.RETRY, UNCLEAR, f"{code}: {message}" if code else message)


def _first_issue(issues: Sequence[Node]) -> tuple[str, str]:
    """Code of the first issue, an error before all others, and the texts of up to three."""
    ordered = sorted(issues, key=lambda issue: issue.get("severity") != "ERROR")
    code = next((code for issue in ordered if (code := text(issue.get("code")))), "")
    shown = [words for issue in ordered[:3] if (words := text(issue.get("message")))]
    return code[:100], scrub("; ".join(dict.fromkeys(shown)))[:_LONGEST]
