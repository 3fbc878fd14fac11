"""The outcomes of stock updates, from a patch's answer and from the processing report of a feed. Pure.

1. A patch says ``INVALID`` in a 200: refused. Issues beside ``ACCEPTED`` are warnings, whatever their severity.
2. In a report an issue of severity ``ERROR`` refuses its message, one of ``WARNING`` or ``INFO`` is a warning. Any
   other severity leaves the message unclear.
3. A message without an issue was accepted only if the report's counts add up: all messages processed, each accepted or
   invalid, and every invalid one shown. Else it is *unclear*: Amazon's own example leaves out a message.
4. An issue that names no message of ours concerns the whole feed. If it is an error, no message without an issue
   counts as accepted.
5. Two kinds of errors refuse nothing: one that says the value equals an earlier one (Amazon has it), and one that
   speaks of a fault of Amazon's own (``RETRY``; the gateway bounds how often).

Sources: ``listingsItems_2021-08-01.json``; ``listings-feed-processing-report-schema-v2.json`` and its example.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from amazon_ae._exceptions import UnreadableResponse
from amazon_ae._models.feeds import FeedItem, ItemOutcome, Outcome
from amazon_ae._models.refusals import is_repetition, may_pass
from amazon_ae._spapi.errors import scrub
from amazon_ae._spapi.models import ListingSubmission
from amazon_ae._spapi.values import Node, integer, load, node, nodes, plain_name, text

__all__ = ["UNCLEAR", "ListingsReport", "read_listings_report", "refusal_of", "report_outcomes", "submission_outcome"]

_LONGEST: Final = 500
_WARNINGS: Final = frozenset({"WARNING", "INFO"})
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

    def adds_up(self, size: int, shown: int) -> bool:
        """Whether each of ``size`` messages was processed and either accepted or invalid, the latter all ``shown``."""
        if self.processed is None or self.accepted is None or self.invalid is None:
            return False
        return self.processed == size and self.accepted + self.invalid == self.processed and self.invalid <= shown


def submission_outcome(sku: str, found: ListingSubmission) -> ItemOutcome:
    """The outcome in the answer to patchListingsItem.

    Raises:
        UnreadableResponse: its status is none that this library knows.
    """
    ordered = sorted(found.issues, key=lambda issue: issue.severity.upper() != "ERROR")
    code = next((issue.code for issue in ordered if issue.code), "")
    message = "; ".join(dict.fromkeys(issue.message for issue in ordered[:3] if issue.message))[:_LONGEST]
    if found.status in ("ACCEPTED", "VALID"):
        kind = Outcome.ACCEPTED_WITH_WARNINGS if code or message else Outcome.ACCEPTED
        return ItemOutcome(sku, kind, code, message)
    if found.status == "INVALID":
        return refusal_of(sku, code or "INVALID", message or "Amazon gave no reason")
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
    known = {plain_name(key): key for key in keys.values()}
    found: dict[str, list[Node]] = {}
    whole: list[Node] = []
    for issue in report.issues:
        number, sku = integer(issue.get("messageId")), text(issue.get("sku"))
        # The SKU is the key; a batch that was cut in the middle may be numbered anew.
        key = known.get(plain_name(sku)) if sku is not None else keys.get(number or 0)
        if key is not None:
            found.setdefault(key, []).append(issue)
        elif _severity(issue) == "ERROR":
            whole.append(issue)
    shown = sum(any(_severity(issue) == "ERROR" for issue in issues) for issues in found.values())
    clear = report.adds_up(len(items), shown) and not whole
    why = _first_issue(whole) if whole else ("", "the report's counts do not add up")
    return tuple(_outcome(item.key, found.get(item.key, []), clear, why) for item in items)


def _outcome(key: str, issues: Sequence[Node], clear: bool, why: tuple[str, str]) -> ItemOutcome:
    errors = [issue for issue in issues if _severity(issue) == "ERROR"]
    if errors:
        code, message = _first_issue(errors)
        return refusal_of(key, code or "ERROR", message or "Amazon gave no reason")
    if strange := next((issue for issue in issues if _severity(issue) not in _WARNINGS), None):
        return ItemOutcome(key, Outcome.RETRY, UNCLEAR, f"an issue of severity {_severity(strange)[:40]!r}")
    if issues:
        return ItemOutcome(key, Outcome.ACCEPTED_WITH_WARNINGS, *_first_issue(issues))
    if clear:
        return ItemOutcome(key, Outcome.ACCEPTED)
    code, message = why
    return ItemOutcome(key, Outcome.RETRY, UNCLEAR, f"{code}: {message}" if code else message)


def refusal_of(key: str, code: str, message: str) -> ItemOutcome:
    """What an error of Amazon's really says about an item: no, not now, or that it has this value already."""
    if is_repetition(code, message):
        return ItemOutcome(key, Outcome.ACCEPTED_WITH_WARNINGS, code, message)
    return ItemOutcome(key, Outcome.RETRY if may_pass(code, message) else Outcome.REJECTED, code, message)


def _severity(issue: Node) -> str:
    return (text(issue.get("severity")) or "").strip().upper()


def _first_issue(issues: Sequence[Node]) -> tuple[str, str]:
    """Code of the first issue, an error before all others, and the texts of up to three."""
    ordered = sorted(issues, key=lambda issue: _severity(issue) != "ERROR")
    code = next((code for issue in ordered if (code := text(issue.get("code")))), "")
    shown = [words for issue in ordered[:3] if (words := text(issue.get("message")))]
    return code[:100], scrub("; ".join(dict.fromkeys(shown)))[:_LONGEST]
