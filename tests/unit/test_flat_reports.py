"""Processing reports as flat files: rows by key and by number, headings in other languages, encodings."""

from __future__ import annotations

import attrs
import pytest
from report_support import items, judged

from amazon_ae._models.feeds import ItemOutcome, Outcome
from amazon_ae._mws.processing_reports import outcomes
from amazon_ae._mws.report_parsing import ProcessingReport, ReportRow, read_report


def flat(*rows: str, processed: str = "3", successful: str = "2", heading: str | None = None) -> bytes:
    """A flat-file report."""
    heading = heading or "original-record-number\tsku\terror-code\terror-type\terror-message"
    return (
        "Feed Processing Summary:\n"
        f"\tNumber of records processed\t\t{processed}\n\tNumber of records successful\t\t{successful}\n\n"
        + "".join(f"{line}\n" for line in (heading, *rows))
    ).encode()


def test_a_flat_report_names_items_by_key_and_else_by_record_number() -> None:
    """The key wins over a number that contradicts it."""
    assert judged(flat("1\tK2\t90011\tError\talready"), 3) == ["accepted", "rejected:90011", "accepted"]
    assert judged(flat("2\t\t90011\tError\talready"), 3) == ["accepted", "rejected:90011", "accepted"]
    assert judged(flat("2\tmangled\t90011\tError\talready"), 3) == ["accepted", "rejected:90011", "accepted"]
    assert judged(flat("1\tK1\t1\tWarning\tlate", successful="3"), 3)[0] == "accepted_with_warnings:1"


def test_a_clean_flat_report_has_no_table() -> None:
    """Only the summary."""
    body = b"Feed Processing Summary:\r\n\tNumber of records processed\t\t3\r\n\tNumber of records successful\t\t3\r\n"
    assert judged(body, 3) == ["accepted"] * 3
    assert judged(body, 4, Outcome.UNKNOWN) == ["unknown:ReportIncomplete"] * 4


@pytest.mark.parametrize("junk", ["\t\t\t\t", " \t \t\t", "\x00\t\x00\t\t\t"])
def test_a_line_of_nothing_is_no_error(junk: str) -> None:
    """Spreadsheets leave them behind; a NUL in a text is dropped."""
    body = flat(f"{junk}\n2\tK2\t8541\tError\tn\x00o\n{junk}", processed="3", successful="2")
    assert [each.text for each in read_report(body).rows] == ["no"]
    assert judged(body, 3) == ["accepted", "rejected:8541", "accepted"]


def test_without_its_summary_a_flat_report_accepts_nothing() -> None:
    """It may have been cut short."""
    body = b"original-record-number\tsku\terror-code\terror-type\terror-message\n1\tK1\t5\tError\tno\n"
    assert judged(body, 2) == ["rejected:5", "retry:ReportIncomplete"]


@pytest.mark.parametrize(
    ("summary", "heading", "kind"),
    [
        (
            "Übersicht:\n\tAnzahl der verarbeiteten Datensätze\t\t1.003\n\tAnzahl der erfolgreichen\t\t1.002",
            "Ursprüngliche Datensatznummer\tSKU\tFehlercode\tFehlertyp\tFehlermeldung",
            "Fehler",
        ),
        (
            "ملخص معالجة الملف:\n\tعدد السجلات التي تمت معالجتها\t\t١٠٠٣\n\tعدد السجلات الناجحة\t\t١٠٠٢",
            "رقم السجل\tsku\tرمز الخطأ\tنوع الخطأ\tرسالة الخطأ",
            "خطأ",
        ),
        (
            "Récapitulatif:\n\tNombre d'enregistrements traités\t\t1 003\n\tNombre réussis\t\t1 002",
            "original-record-number\tsku\terror-code\terror-type\terror-message",
            "Erreur",
        ),
    ],
)
def test_headings_in_other_languages_are_tolerated(summary: str, heading: str, kind: str) -> None:
    """The columns stand where they always stand; numbers may be grouped or Arabic."""
    body = f"{summary}\n\n{heading}\n7\tK7\t90011\t{kind}\tnein\n".encode()
    found = outcomes(read_report(body), items(1003), undecided=Outcome.RETRY)
    assert [each.key for each in found if each.outcome is not Outcome.ACCEPTED] == ["K7"]
    assert found[6] == ItemOutcome("K7", Outcome.REJECTED, "90011", "nein")


@pytest.mark.parametrize("word", ["Warning", "WARNING", "Warnung", "Avertissement", "تحذير"])
def test_warnings_are_known_in_other_languages(word: str) -> None:
    """What is not known to be a warning is an error: nothing refused is called accepted."""
    assert judged(flat(f"1\tK1\t5\t{word}\tx", successful="3"), 3)[0] == "accepted_with_warnings:5"
    assert judged(flat("1\tK1\t5\tSomething\tx"), 3)[0] == "rejected:5"


def test_columns_may_come_in_another_order_and_with_more_of_them() -> None:
    """English names say where they are; an order id is found in any column."""
    heading = "error-type\terror_code\tOrder ID\tother\tError Message\toriginal-record-number"
    body = flat("Error\t90012\tK3\tx\tnot easy ship\t1", heading=heading)
    found = outcomes(read_report(body), items(3), undecided=Outcome.UNKNOWN)
    assert found[2] == ItemOutcome("K3", Outcome.REJECTED, "90012", "not easy ship")
    assert found[0].outcome is Outcome.ACCEPTED


def test_record_numbers_may_begin_elsewhere() -> None:
    """Where the heading counts as line 1; a number below the first is nobody's."""
    body = flat("3\t\t7\tError\tx")
    second = outcomes(read_report(body, first_record=2), items(3), undecided=Outcome.UNKNOWN)
    assert [each.outcome for each in second] == [Outcome.ACCEPTED, Outcome.REJECTED, Outcome.ACCEPTED]
    nobody = outcomes(read_report(flat("1\t\t7\tError\tx"), first_record=2), items(3), undecided=Outcome.UNKNOWN)
    assert {each.outcome for each in nobody} == {Outcome.UNKNOWN}


def test_record_zero_is_the_whole_file() -> None:
    """As MessageID 0 is the whole feed."""
    assert judged(flat("0\t\t6001\tError\tbad header", processed="0", successful="0"), 2) == ["rejected:6001"] * 2


@pytest.mark.parametrize(
    ("encoding", "charset"),
    [("utf-8", "iso-8859-1"), ("utf-8", None), ("cp1252", "iso-8859-1"), ("cp1252", None), ("cp1256", "windows-1256")],
)
def test_flat_reports_are_read_by_their_bytes_first(encoding: str, charset: str | None) -> None:
    """UTF-8 under a Latin-1 header, CP1252 under none."""
    text = "تحذير" if encoding in ("utf-8", "cp1256") else "“größer”"
    body = flat("1\tK1\t5\tError\tXX").decode().replace("XX", text).encode(encoding)
    assert read_report(body, charset=charset).rows[0].text == text


@pytest.mark.parametrize("charset", [None, "nonsense", "undefined", "hex", "utf\0"])
def test_undecodable_bytes_are_no_reason_to_fail(charset: str | None) -> None:
    """Latin-1 is the last step: it reads everything. A header may name a charset that is none."""
    body = flat("1\tK1\t5\tError\tXX").replace(b"XX", b"\x81\xff")
    assert read_report(body, charset=charset).rows[0].text == "\x81\xff"


def test_values_are_frozen() -> None:
    """A report can be shared."""
    found = read_report(flat("1\tK1\t5\tError\tx"))
    assert found == ProcessingReport(
        status_code="Complete",
        processed=3,
        successful=2,
        rows=(ReportRow(message_id=1, is_error=True, code="5", text="x", keys=("K1",)),),
        by_key=True,
    )
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        found.status_code = "Rejected"  # type: ignore[misc]
