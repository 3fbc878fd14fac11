"""What tests of processing reports share."""

from __future__ import annotations

from amazon_ae._models.feeds import FeedItem, InventoryUpdate, Outcome
from amazon_ae._mws.processing_reports import outcomes
from amazon_ae._mws.report_parsing import read_report

__all__ = ["items", "judged"]


def items(count: int) -> list[FeedItem]:
    """Items K1 to Kn."""
    return [FeedItem(number, f"K{number}", InventoryUpdate(f"K{number}", 1)) for number in range(1, count + 1)]


def judged(body: bytes, count: int, undecided: Outcome = Outcome.RETRY) -> list[str]:
    """Outcome and code of every item, in order."""
    found = outcomes(read_report(body), items(count), undecided=undecided)
    assert [each.key for each in found] == [f"K{number}" for number in range(1, count + 1)]
    return [f"{each.outcome}:{each.code}" if each.code else str(each.outcome) for each in found]
