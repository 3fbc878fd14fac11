"""Stock as patches and as a feed, and what comes back."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from amazon_ae import (
    ConfigurationError,
    InventoryUpdate,
    ListingIssue,
    ListingSubmission,
    Outcome,
    PickupRequest,
    UnreadableResponse,
)
from amazon_ae._models.feeds import FeedItem
from amazon_ae._spapi.stock_outcomes import read_listings_report, report_outcomes, submission_outcome
from amazon_ae._spapi.stock_values import StockFormat, listings_feed

FORM = StockFormat()


def items(*skus: str) -> tuple[FeedItem, ...]:
    return tuple(FeedItem(number, sku, InventoryUpdate(sku, number)) for number, sku in enumerate(skus, 1))


def report(size: int, *issues: dict[str, Any], **summary: int) -> bytes:
    refused = len({issue.get("messageId") for issue in issues if issue["severity"] == "ERROR"})
    counts = {"messagesProcessed": size, "messagesAccepted": size - refused, "messagesInvalid": refused} | summary
    header = {"sellerId": "A1", "version": "2.0", "feedId": "7"}
    return json.dumps({"header": header, "issues": list(issues), "summary": counts}).encode()


def issue(number: int | None, severity: str = "ERROR", **more: Any) -> dict[str, Any]:
    found = {"code": "90220", "severity": severity, "message": "is required"} | more
    return found if number is None else found | {"messageId": number}


def outcomes(body: bytes, *skus: str) -> list[tuple[str, Outcome]]:
    return [(one.key, one.outcome) for one in report_outcomes(read_listings_report(body), items(*skus))]


def test_a_patch_merges_the_quantity_alone() -> None:
    """What the update does not name, Amazon keeps."""
    assert FORM.patch_body(InventoryUpdate("SKU/1 a", 7)) == {
        "productType": "PRODUCT",
        "patches": [
            {
                "op": "merge",
                "path": "/attributes/fulfillment_availability",
                "value": [{"fulfillment_channel_code": "DEFAULT", "quantity": 7}],
            }
        ],
    }


def test_latency_and_restock_date_travel() -> None:
    """Where they are given."""
    update = InventoryUpdate("A", 0, fulfillment_latency_days=3, restock_date=date(2026, 12, 24))
    (value,) = FORM.patches(update)[0]["value"]
    assert value["lead_time_to_ship_max_days"] == 3
    assert value["restock_date"] == "2026-12-24"


def test_the_feed_is_amazons_own_schema(spapi_material: Path) -> None:
    """Validated whole, with every option set."""
    jsonschema = pytest.importorskip("jsonschema")
    update = InventoryUpdate("SKU/1 é", 0, fulfillment_latency_days=3, restock_date=date(2026, 12, 24))
    body = json.loads(b"".join(listings_feed("A1SELLER", [FeedItem(1, "SKU/1 é", update)], FORM)))
    for name, part in (("listings-feed-schema-v2", body), ("listings-feed-message-schema-v2", body["messages"][0])):
        schema = json.loads((spapi_material / "schemas" / f"{name}.json").read_text())
        jsonschema.validators.validator_for(schema)(schema).validate(part)


@pytest.mark.parametrize("size", [1, 499, 500, 501, 1000, 1203])
def test_a_feed_of_any_size_is_one_document(size: int) -> None:
    """Its chunks join without a comma too many."""
    chunks = list(listings_feed("A1", items(*(f"S{n}" for n in range(size))), FORM))
    body = json.loads(b"".join(chunks))
    assert [message["messageId"] for message in body["messages"]] == list(range(1, size + 1))
    assert body["messages"][-1]["sku"] == f"S{size - 1}"


def test_a_pickup_is_no_stock() -> None:
    """Nor is another SKU's update."""
    pickup = PickupRequest(order_id="404-1234567-1234567", pickup_date=date(2026, 11, 29))
    for wrong in (FeedItem(1, "404-1234567-1234567", pickup), FeedItem(1, "A", InventoryUpdate("B", 1))):
        with pytest.raises(ConfigurationError, match="no stock update"):
            b"".join(listings_feed("A1", [wrong], FORM))


def test_no_issue_and_counts_that_add_up_mean_accepted() -> None:
    """An error refuses its message, a warning does not."""
    body = report(4, issue(2, sku="B"), issue(3, "WARNING", sku="C"), issue(4, "INFO", sku="D"))
    assert outcomes(body, "A", "B", "C", "D") == [
        ("A", Outcome.ACCEPTED),
        ("B", Outcome.REJECTED),
        ("C", Outcome.ACCEPTED_WITH_WARNINGS),
        ("D", Outcome.ACCEPTED_WITH_WARNINGS),
    ]


@pytest.mark.parametrize(
    "summary", [{"messagesProcessed": 2}, {"messagesAccepted": 1}, {"messagesInvalid": 2}, {"messagesProcessed": 4}]
)
def test_counts_that_do_not_add_up_leave_the_silent_ones_unclear(summary: dict[str, int]) -> None:
    """What has an issue has its outcome all the same."""
    body = report(3, issue(2, sku="B"), **summary)
    assert outcomes(body, "A", "B", "C") == [("A", Outcome.RETRY), ("B", Outcome.REJECTED), ("C", Outcome.RETRY)]


def test_amazons_own_example_does_not_add_up(spapi_material: Path) -> None:
    """Five messages were sent, four counted."""
    body = (spapi_material / "schemas" / "listings-feed-processing-report-schema-v2.example.json").read_bytes()
    found = outcomes(body, "A", "B2", "C", "My-SKU-B", "My-SKU-C")
    assert [outcome for _, outcome in found] == [Outcome.RETRY] * 3 + [Outcome.REJECTED] * 2


def test_an_error_of_the_whole_feed_accepts_nothing() -> None:
    """It names no message."""
    body = report(2, issue(None), messagesAccepted=2, messagesInvalid=0)
    assert outcomes(body, "A", "B") == [("A", Outcome.RETRY), ("B", Outcome.RETRY)]


def test_the_sku_decides_before_the_number() -> None:
    """A batch that was cut in the middle is numbered anew."""
    body = report(2, issue(1, sku="B"))
    assert outcomes(body, "A", "B") == [("A", Outcome.ACCEPTED), ("B", Outcome.REJECTED)]


def test_an_invalid_message_that_is_not_shown_leaves_the_silent_ones_unclear() -> None:
    """Two were refused and one is named: nobody can tell which of the others it was."""
    body = report(3, issue(2, sku="B"), messagesAccepted=1, messagesInvalid=2)
    assert outcomes(body, "A", "B", "C") == [("A", Outcome.RETRY), ("B", Outcome.REJECTED), ("C", Outcome.RETRY)]


@pytest.mark.parametrize("number", [0, -1, 99, 10**30])
@pytest.mark.parametrize("more", [{}, {"sku": "Z"}])
def test_an_error_about_none_of_our_messages_accepts_nothing(number: int, more: dict[str, str]) -> None:
    """Message 0 is the whole feed; any other number is not ours."""
    body = report(2, issue(number, **more), messagesAccepted=2, messagesInvalid=0)
    assert outcomes(body, "A", "B") == [("A", Outcome.RETRY), ("B", Outcome.RETRY)]


@pytest.mark.parametrize(
    ("severity", "outcome"),
    [
        ("error", Outcome.REJECTED),
        (" Error ", Outcome.REJECTED),
        ("warning", Outcome.ACCEPTED_WITH_WARNINGS),
        ("FATAL", Outcome.RETRY),
        ("", Outcome.RETRY),
    ],
)
def test_a_severity_is_read_in_any_case_and_guessed_in_none(severity: str, outcome: Outcome) -> None:
    """What Amazon has not documented is no acceptance."""
    body = report(2, issue(2, severity), messagesAccepted=1, messagesInvalid=1)
    assert outcomes(body, "A", "B")[1] == ("B", outcome)


@pytest.mark.parametrize("sku", ["b", " B ", "Ｂ"])
def test_a_sku_in_another_spelling_is_ours(sku: str) -> None:
    """Whether Amazon keeps case and width is not published; an error must not get lost."""
    assert outcomes(report(2, issue(None, sku=sku)), "A", "B")[1] == ("B", Outcome.REJECTED)


@pytest.mark.parametrize(
    ("code", "message", "outcome"),
    [
        ("5001", "system error, submit again", Outcome.RETRY),
        ("InternalError", "", Outcome.RETRY),
        ("INTERNALERROR", "x", Outcome.RETRY),
        ("9", "An unexpected error occurred, please resubmit later", Outcome.RETRY),
        ("503", "x", Outcome.RETRY),
        ("9", "It was skipped because it is identical to an earlier one", Outcome.ACCEPTED_WITH_WARNINGS),
        ("90220", "'x' is required; correct it and try again", Outcome.REJECTED),
        ("9", "This SKU is temporarily restricted", Outcome.REJECTED),
    ],
)
def test_a_passing_fault_is_no_refusal_whoever_says_it(code: str, message: str, outcome: Outcome) -> None:
    """A feed's report and a patch's answer alike."""
    body = report(2, issue(2, code=code, message=message))
    assert outcomes(body, "A", "B")[1] == ("B", outcome)
    found = submission_outcome("B", submission("INVALID", ListingIssue(code=code, message=message, severity="ERROR")))
    assert found.outcome is outcome


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"issues": [', b"<html>"])
def test_what_is_no_report_cannot_be_read(body: bytes) -> None:
    """And is no acceptance."""
    with pytest.raises(UnreadableResponse):
        read_listings_report(body)


def submission(status: str, *issues: ListingIssue) -> ListingSubmission:
    return ListingSubmission(sku="A", status=status, issues=issues)


def test_a_patch_is_accepted_warned_about_or_invalid() -> None:
    """INVALID comes with HTTP 200."""
    warning = ListingIssue(code="1", message="look", severity="WARNING")
    assert submission_outcome("A", submission("ACCEPTED")).outcome is Outcome.ACCEPTED
    assert submission_outcome("A", submission("ACCEPTED", warning)).outcome is Outcome.ACCEPTED_WITH_WARNINGS
    refused = submission_outcome("A", submission("INVALID", warning, ListingIssue(code="8541", severity="ERROR")))
    assert (refused.outcome, refused.code) == (Outcome.REJECTED, "8541")
    assert submission_outcome("A", submission("INVALID")).code == "INVALID"
    with pytest.raises(UnreadableResponse, match="PENDING"):
        submission_outcome("A", submission("PENDING"))
