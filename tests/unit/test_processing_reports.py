"""Processing reports: exactly one outcome per item, whatever Amazon sends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings, strategies as st
from loop_support import heartbeat
from report_support import items, judged

from amazon_ae._exceptions import AmazonError, UnreadableResponse
from amazon_ae._models.feeds import ItemOutcome, Outcome
from amazon_ae._models.refusals import RetryBudget, may_pass
from amazon_ae._mws.processing_reports import outcome_steps, outcomes
from amazon_ae._mws.report_parsing import ReportReference, read_report, report_steps
from amazon_ae._transport.slicing import in_slices


def result(message_id: int, code: str = "8541", kind: str = "Error", text: str = "no", extra: str = "") -> str:
    """One Result element."""
    return (
        f"<Result><MessageID>{message_id}</MessageID><ResultCode>{kind}</ResultCode>"
        f"<ResultMessageCode>{code}</ResultMessageCode><ResultDescription>{escape(text)}</ResultDescription>{extra}</Result>"
    )


def report(
    *results: str, status: str | None = "Complete", summary: tuple[int, int, int, int] | None = None, more: str = ""
) -> bytes:
    """A whole report; ``summary`` is processed, successful, with error, with warning."""
    counts = ""
    if summary is not None:
        names = ("Processed", "Successful", "WithError", "WithWarning")
        pairs = zip(names, summary, strict=True)
        counts = "".join(f"<Messages{name}>{count}</Messages{name}>" for name, count in pairs)
        counts = f"<ProcessingSummary>{counts}</ProcessingSummary>"
    code = "" if status is None else f"<StatusCode>{status}</StatusCode>"
    return (
        '<?xml version="1.0" encoding="UTF-8"?><AmazonEnvelope><Header><DocumentVersion>1.02</DocumentVersion>'
        "<MerchantIdentifier>A1</MerchantIdentifier></Header><MessageType>ProcessingReport</MessageType><Message>"
        "<MessageID>1</MessageID><ProcessingReport><DocumentTransactionID>4711</DocumentTransactionID>"
        f"{code}{counts}{''.join(results)}{more}</ProcessingReport></Message></AmazonEnvelope>"
    ).encode()


# XML


def test_no_row_means_accepted_where_the_summary_agrees() -> None:
    """Only errors and warnings have rows."""
    body = report(result(2, "8541", text="bad"), result(3, "5000", "Warning", "skipped"), summary=(4, 3, 1, 1))
    assert judged(body, 4) == ["accepted", "rejected:8541", "accepted_with_warnings:5000", "accepted"]


def test_without_a_summary_only_a_row_says_something() -> None:
    """The schema makes the summary optional; an item without a row is then open, not accepted."""
    assert judged(report(result(1)), 2) == ["rejected:8541", "retry:ReportIncomplete"]
    assert judged(report(), 1, Outcome.UNKNOWN) == ["unknown:ReportIncomplete"]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("5001", "system error, submit again"),
        ("5001", "Systemfehler"),
        ("9", "An internal error occurred."),
        ("9", "The service is temporarily unavailable, please try again."),
        ("9", "Your request timed out"),
        ("9", "Please resubmit this feed."),
    ],
)
def test_a_passing_fault_of_amazons_is_no_refusal_of_stock(code: str, text: str) -> None:
    """Stock is sent again; a pickup is refused with words that say it may pass."""
    for place in (0, 1):
        body = report(result(place, code, text=text), summary=(1, 0, 1, 0))
        assert judged(body, 1) == [f"retry:{code}"]
        assert judged(body, 1, Outcome.UNKNOWN) == [f"rejected:{code}"]
    assert may_pass(code, text)


@pytest.mark.parametrize(
    ("code", "text", "passing"),
    [
        ("internalerror", "", True),
        ("503", "", True),
        ("RequestThrottled", "", True),
        ("9", "Amazon system failure", True),
        ("9", "We have technical difficulties. Come back later.", True),
        ("9", "An unexpected error occurred", True),
        ("9", "This SKU is temporarily restricted", False),
        ("9", "Listing is blocked at this time", False),
        ("9", "The latency is invalid at this time", False),
        ("9", "Restock date must be later than today", False),
    ],
)
def test_words_tell_a_fault_of_amazons_from_a_refusal(code: str, text: str, passing: bool) -> None:
    """No list of codes is published."""
    assert may_pass(code, text) is passing


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("8541", "The SKU data provided conflicts. Correct the SKU and submit again."),
        ("6024", "Seller is not authorized to list products by this brand name."),
        ("18028", "The order was not found."),
        ("99001", "A value is required; please check it and try again"),
    ],
)
def test_a_refusal_of_the_value_stays_one(code: str, text: str) -> None:
    """Also where Amazon asks for a corrected value."""
    assert judged(report(result(1, code, text=text), summary=(1, 0, 1, 0)), 1) == [f"rejected:{code}"]
    assert not may_pass(code, text)


@pytest.mark.parametrize(
    ("code", "text"),
    [("5000", "x"), ("7", "The update for SKU 1 was skipped because it is identical to the update in feed 2.")],
)
def test_a_value_that_equals_an_earlier_one_is_no_refusal(code: str, text: str) -> None:
    """Amazon has it, whatever it calls the row."""
    body = report(result(1, code, text=text), summary=(2, 1, 1, 0))
    assert judged(body, 2) == [f"accepted_with_warnings:{code}", "accepted"]
    assert judged(report(result(1, code, text=text), status="Rejected"), 1) == [f"accepted_with_warnings:{code}"]


def test_items_that_stay_open_become_dead_letters() -> None:
    """Five reports in a row may leave one open; an accepted value begins anew."""
    budget = RetryBudget(5)
    open_, fine = ItemOutcome("A", Outcome.RETRY, "5001", "system error"), ItemOutcome("A", Outcome.ACCEPTED)
    assert [budget.apply([open_])[0].outcome for _ in range(5)] == [Outcome.RETRY] * 5
    (dead,) = budget.apply([open_])
    assert (dead.outcome, dead.code) == (Outcome.REJECTED, "5001")
    assert "6 times" in dead.message
    budget.apply([open_] * 3)
    assert budget.apply([fine]) == (fine,)
    assert [budget.apply([open_])[0].outcome for _ in range(5)] == [Outcome.RETRY] * 5


EASY_SHIP = """<?xml version="1.0" encoding="UTF-8"?>{open}<EasyShipProcessingReport>
<FeedSubmissionID>3788</FeedSubmissionID><MessagesProcessed>2</MessagesProcessed>
<MessagesSuccessful>1</MessagesSuccessful><MessagesWithError>1</MessagesWithError>
<SuccessMessage><MessageID>1</MessageID><AmazonOrderID>K1</AmazonOrderID>
<DocumentReportReferenceId>amzn1.easyship.document.1</DocumentReportReferenceId></SuccessMessage>
<ErrorMessage><MessageID>2</MessageID><AmazonOrderID>K2</AmazonOrderID><TotalErrors>1</TotalErrors>
<Error><ErrorType>Error</ErrorType><ErrorCode>610013</ErrorCode><ErrorMessage>no label</ErrorMessage></Error>
</ErrorMessage></EasyShipProcessingReport>{close}"""


@pytest.mark.parametrize(
    ("open_", "close"),
    [("", ""), ("<AmazonEnvelope><Header/><Message>", "</Message></AmazonEnvelope>")],
    ids=["bare", "in the envelope"],
)
def test_an_easy_ship_report_is_read(open_: str, close: str) -> None:
    """Bare or in the envelope: outcomes, the error's code and words, and the document's reference."""
    body = EASY_SHIP.format(open=open_, close=close).encode()
    found = read_report(body)
    assert (found.feed_id, found.processed, found.successful, found.with_error) == ("3788", 2, 1, 1)
    assert found.references == (ReportReference("amzn1.easyship.document.1", 1),)
    assert judged(body, 2, Outcome.UNKNOWN) == ["accepted", "rejected:610013"]
    assert found.rows[0].text == "no label"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: b"\n" + body,
        lambda body: body.replace(b"bad", b"b\x01ad"),
        lambda body: body.replace(b"bad", b"b&#x1;ad"),
        lambda body: body.replace(b"bad", b"b&ad"),
        lambda body: body.replace(b"bad", b"b\xe9d"),
    ],
)
def test_one_bad_character_does_not_cost_a_report(spoil: Callable[[bytes], bytes]) -> None:
    """Unreadable for good, it had the stock sent again without end."""
    body = report(result(2, "8541", text="bad"), summary=(2, 1, 1, 0))
    assert judged(spoil(body), 2) == ["accepted", "rejected:8541"]


def test_counts_may_be_grouped() -> None:
    """1,045 messages are no missing count."""
    body = report(summary=(0, 0, 0, 0)).replace(b"<MessagesProcessed>0", b"<MessagesProcessed>1,045")
    found = read_report(body)
    assert found.processed == 1045


def test_the_first_errors_code_stands_and_all_texts_are_joined() -> None:
    """An item with a warning and two errors."""
    body = report(
        result(1, "5000", "Warning", "old news"),
        result(1, "8541", text="first <&> error"),
        result(1, "99001", text="second"),
        summary=(1, 0, 1, 1),
    )
    (found,) = outcomes(read_report(body), items(1), undecided=Outcome.RETRY)
    assert found == ItemOutcome("K1", Outcome.REJECTED, "8541", "8541: first <&> error | 99001: second")


def test_what_a_dead_letter_keeps_is_bounded() -> None:
    """A thousand rows of a thousand letters become at most 2,000."""
    body = report(*(result(1, text=f"{number} {'x' * 1000}") for number in range(1000)))
    (found,) = outcomes(read_report(body), items(1), undecided=Outcome.RETRY)
    assert len(found.message) == 2_000


def test_an_error_for_message_zero_reaches_every_item() -> None:
    """Its text and code, beside an item's own."""
    body = report(result(0, "6001", text="broken file"), result(2, "8541", text="own"), summary=(0, 0, 1, 0))
    found = outcomes(read_report(body), items(3), undecided=Outcome.UNKNOWN)
    assert [(each.outcome, each.code) for each in found] == [
        (Outcome.REJECTED, "6001"),
        (Outcome.REJECTED, "8541"),
        (Outcome.REJECTED, "6001"),
    ]
    assert found[1].message == "8541: own | 6001: broken file"


def test_a_warning_for_message_zero_reaches_every_accepted_item() -> None:
    """And changes no rejection."""
    body = report(result(0, "99", "Warning", "note"), result(2), summary=(2, 1, 1, 0))
    assert judged(body, 2) == ["accepted_with_warnings:99", "rejected:8541"]


def test_a_rejected_feed_rejects_every_item() -> None:
    """With the errors that the report shows, or a code of our own."""
    assert judged(report(status="Rejected"), 2) == ["rejected:FeedRejected"] * 2
    assert judged(report(result(2, "77"), status="Rejected"), 2) == ["rejected:77"] * 2


def test_a_feed_in_processing_has_no_report_yet() -> None:
    """Retryable, like Amazon's own answer."""
    with pytest.raises(AmazonError) as caught:
        judged(report(status="Processing"), 1)
    assert caught.value.retryable
    assert caught.value.code == "FeedProcessingResultNotReady"


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (report(summary=(2, 2, 0, 0)), 3),  # not all processed
        (report(result(1), summary=(3, 1, 2, 0)), 3),  # an error without its row
        (report(result(1), summary=(3, 1, 1, 0)), 3),  # a success is missing
        (report(summary=(3, 0, 0, 0)), 3),  # nothing successful
        (report(result(9), summary=(3, 2, 1, 0)), 3),  # an error of no item
        (report(result(9)), 3),
        (report(status=None), 3),  # Amazon's own printed example breaks off like this
        (report(status="Sleeping", summary=(3, 3, 0, 0)), 3),
    ],
)
def test_doubt_is_never_called_accepted(body: bytes, count: int) -> None:
    """Stock may be sent again; of a pickup nobody can tell. An item with its own error stays rejected."""
    for undecided in (Outcome.RETRY, Outcome.UNKNOWN):
        found = judged(body, count, undecided)
        assert {outcome for outcome in found if not outcome.startswith("rejected")} == {f"{undecided}:ReportIncomplete"}


def test_a_warning_does_not_heal_a_undecided_report() -> None:
    """The item is undecided all the same."""
    body = report(result(1, "5000", "Warning"), summary=(1, 1, 0, 1))
    assert judged(body, 2) == ["retry:ReportIncomplete"] * 2


def test_more_successes_than_the_rows_leave_do_not_undo_an_error() -> None:
    """The row is about one item, the count is not."""
    assert judged(report(result(1), summary=(2, 2, 0, 0)), 2) == ["rejected:8541", "accepted"]


@pytest.mark.parametrize("successful", [1, 2])
def test_a_message_with_a_warning_may_count_as_successful_or_not(successful: int) -> None:
    """Amazon does not publish which."""
    body = report(result(1, "5000", "Warning"), summary=(2, successful, 0, 1))
    assert judged(body, 2) == ["accepted_with_warnings:5000", "accepted"]


def test_two_errors_of_one_message_do_not_hide_another_messages_lost_row() -> None:
    """Two messages failed, both rows shown are of the first."""
    body = report(result(1), result(1, "2"), summary=(3, 1, 2, 0))
    assert judged(body, 3) == ["rejected:8541", "retry:ReportIncomplete", "retry:ReportIncomplete"]


def test_a_row_without_a_usable_number_finds_its_item_by_sku_or_order_id() -> None:
    """AdditionalInfo names it."""
    extra = "<AdditionalInfo><SKU>K2</SKU><AmazonOrderID>K3</AmazonOrderID></AdditionalInfo>"
    body = report(result(99, extra=extra), summary=(3, 2, 1, 0))
    assert judged(body, 3) == ["accepted", "rejected:8541", "accepted"]


def test_namespaces_prefixes_and_unknown_elements_are_passed_over() -> None:
    """Local names count; a new result code is a warning; order does not matter."""
    body = (
        b'<a:AmazonEnvelope xmlns:a="urn:new"><a:Message><a:ProcessingReport><a:News><a:StatusCode2>x</a:StatusCode2>'
        b"</a:News><a:Result><a:ResultDescription>t</a:ResultDescription><a:ResultCode>Hint</a:ResultCode>"
        b"<a:New/><a:MessageID>1</a:MessageID></a:Result><a:StatusCode>Complete</a:StatusCode>"
        b"<a:ProcessingSummary><a:MessagesProcessed>2</a:MessagesProcessed></a:ProcessingSummary>"
        b"</a:ProcessingReport></a:Message></a:AmazonEnvelope>"
    )
    assert judged(body, 2) == ["accepted_with_warnings", "accepted"]


@pytest.mark.parametrize(
    "more",
    [
        "<ReportReferenceId>555</ReportReferenceId>",
        "<Documents><Document><ReportReferenceId>555</ReportReferenceId></Document></Documents>",
    ],
)
def test_a_report_reference_is_found_wherever_it_stands(more: str) -> None:
    """Its place in the XML is not published."""
    assert read_report(report(more=more)).references == (ReportReference("555"),)
    inside = read_report(report(result(3, extra=f"<AdditionalInfo>{more}</AdditionalInfo>")))
    assert inside.references == (ReportReference("555", 3),)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "neither XML nor"),
        (b"just a sentence", "neither XML nor"),
        (report()[:-30], "not well-formed"),
        (b"<html><body>Sign in</body></html>", "its root is <html>"),
        (b"<!DOCTYPE html><html></html>", "document type"),
        (b'<!DOCTYPE a [<!ENTITY b "bbb"><!ENTITY c "&b;&b;">]><a>&c;</a>', "document type"),
        (b"<AmazonEnvelope><Header/></AmazonEnvelope>", "its root is <AmazonEnvelope>"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', "its root is <a>"),
    ],
)
def test_what_is_no_report_is_said_to_be_none(body: bytes, reason: str) -> None:
    """A bounded, clear error."""
    with pytest.raises(UnreadableResponse, match=reason):
        read_report(body)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "iso-8859-1", "utf-16"])
@pytest.mark.parametrize("declared", ["own", "utf-8"])
def test_encodings_are_read_as_declared_and_as_they_are(encoding: str, declared: str) -> None:
    """A body that calls itself UTF-8 and is CP1252 is read all the same."""
    name = "utf-8" if encoding == "utf-8-sig" or declared == "utf-8" else encoding
    if encoding == "utf-16" and declared != "own":
        return
    text = report(result(1, text="größer €" if encoding != "iso-8859-1" else "größer")).decode()
    body = text.replace('encoding="UTF-8"', f'encoding="{name}"').encode(encoding)
    assert read_report(body).rows[0].text.startswith("größer")


@settings(deadline=None)  # the machine may be busy
@given(
    count=st.integers(1, 8),
    rows=st.lists(
        st.tuples(st.integers(0, 10), st.sampled_from(["Error", "Warning", "Odd"]), st.text("ab<&é", max_size=5)),
        max_size=12,
    ),
    status=st.sampled_from(["Complete", "Rejected", "Odd", None]),
    summary=st.none() | st.tuples(*[st.integers(0, 10)] * 4),
)
def test_any_report_gives_exactly_one_outcome_per_item_in_order(
    count: int,
    rows: list[tuple[int, str, str]],
    status: str | None,
    summary: tuple[int, int, int, int] | None,
) -> None:
    """And an item with an error row is never anything but rejected; nothing is accepted of a feed not Complete."""
    body = report(*(result(number, "1", kind, text) for number, kind, text in rows), status=status, summary=summary)
    found = outcomes(read_report(body), items(count), undecided=Outcome.UNKNOWN)
    assert [each.key for each in found] == [f"K{number}" for number in range(1, count + 1)]
    failed = {number for number, kind, _ in rows if kind == "Error"}
    for number, each in enumerate(found, 1):
        if number in failed or 0 in failed or status == "Rejected":
            assert each.outcome is Outcome.REJECTED
        elif status != "Complete" or (summary is not None and summary[0] < count):
            assert each.outcome is Outcome.UNKNOWN


async def test_a_report_on_thirty_thousand_errors_lets_others_run() -> None:
    """Reading and judging go in slices of a few hundred messages."""
    body = report(*(result(number, text="no record of this SKU") for number in range(1, 30_001)))
    batch = items(30_000)
    async with heartbeat() as beats:
        read = await in_slices(report_steps(body))
        found = await in_slices(outcome_steps(read, batch, undecided=Outcome.RETRY))
    assert len(found) == 30_000
    assert {each.outcome for each in found} == {Outcome.REJECTED}
    assert beats.count > 200


# Recorded reports


def test_recorded_reports(samples: Path) -> None:
    """Seven messages, six refused, the fifth without a row; one unknown order; a printed example that breaks off."""
    folder = samples / "processing_reports"
    seven = (folder / "interchange_00_error_6024_6025_6026.xml").read_bytes()
    assert judged(seven, 7) == [
        "rejected:6024",
        "rejected:6025",
        "rejected:6026",
        "rejected:6024",
        "accepted",
        "rejected:6024",
        "rejected:6024",
    ]
    assert judged((folder / "interchange_02_error_18028.xml").read_bytes(), 1) == ["rejected:18028"]
    printed = (samples / "docs" / "GetFeedSubmissionResult.response.xml").read_bytes()
    assert read_report(printed).feed_id == "4319742521"
    assert judged(printed, 1, Outcome.UNKNOWN) == ["unknown:ReportIncomplete"]
