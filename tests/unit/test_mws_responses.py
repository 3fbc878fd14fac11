"""(status, headers, body) becomes a value or the right error."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st
from mws_support import NOW, envelope, error as error_answer

from amazon_ae._exceptions import (
    AccessDenied,
    AmazonAeError,
    AmazonError,
    InvalidRequest,
    QuotaExceeded,
    RegionNotSupported,
    RequestExpired,
    RequestThrottled,
    ServiceUnavailable,
    SignatureMismatch,
    UnreadableResponse,
)
from amazon_ae._models.responses import ResponseMeta
from amazon_ae._mws.parsing import Node
from amazon_ae._mws.responses import excerpt, read_document, read_error, read_meta, read_result, scrub
from amazon_ae._mws.signing import content_md5
from amazon_ae._transport.retries import DamagedBody

ILL = (ServiceUnavailable, True)
WRONG = (InvalidRequest, False)
LATER = (InvalidRequest, True)
CLOSED = (AccessDenied, False)
# Every code of the developer guide's "Errors" and of the section pages: status as documented, class, retryable.
CODES = {
    "InputStreamDisconnected": (400, *LATER),
    "InvalidParameterValue": (400, *WRONG),
    "AccessDenied": (401, *CLOSED),
    "InvalidAccessKeyId": (403, *CLOSED),
    "SignatureDoesNotMatch": (403, SignatureMismatch, False),
    "InvalidAddress": (404, *WRONG),
    "InternalError": (500, *ILL),
    "QuotaExceeded": (503, QuotaExceeded, True),
    "RequestThrottled": (503, RequestThrottled, True),
    "ServiceUnavailable": (503, *ILL),
    "ValidationError": (400, *WRONG),
    "MissingParameter": (400, *WRONG),
    "MissingClientTokenId": (403, *WRONG),
    "InvalidQueryParameter": (400, *WRONG),
    "InvalidClientTokenId": (403, *CLOSED),
    "NextTokenCorrupted": (400, *WRONG),
    "InvalidMarketplace": (400, *WRONG),
    "UserAgentHeaderMalformed": (400, *WRONG),
    "RequestExpired": (400, RequestExpired, False),
    "FeedProcessingResultNotReady": (404, *LATER),
    "ContentMD5Missing": (400, *WRONG),
    "ContentMD5DoesNotMatch": (400, *LATER),
    "InvalidFeedSubmissionId": (400, *WRONG),
    "InvalidFeedType": (400, *WRONG),
    "InvalidRequest": (400, *WRONG),
    "InputDataError": (400, *WRONG),
    "FeedCanceled": (400, *WRONG),
    "FeedProcessingResultNoLongerAvailable": (400, *WRONG),
    "AccessToFeedProcessingResultDenied": (400, *CLOSED),
    "ResourceNotFound": (400, *WRONG),
    "RetryableAfterGettingNewSlots": (400, *WRONG),
    "SchedulesdPackageAlreadyExists": (400, *WRONG),
    "RegionNotSupported": (404, RegionNotSupported, False),
    "ScheduleWindowExpired": (404, *WRONG),
    "InvalidOrderState": (404, *WRONG),
    "PickupSlotNotAvailable": (404, *WRONG),
    "AccessToReportDenied": (400, *CLOSED),
    "InvalidReportId": (400, *WRONG),
    "InvalidReportRequestId": (400, *WRONG),
    "InvalidReportType": (400, *WRONG),
    "ReportNoLongerAvailable": (400, *WRONG),
    "ReportNotReady": (400, *LATER),
}


def error_of(status: int, body: bytes, headers: dict[str, str] | None = None, **options: float) -> AmazonError:
    return read_error(status, headers or {}, body, action="Act", now=NOW, **options)


@pytest.mark.parametrize("code", CODES)
def test_every_documented_code_has_its_class(code: str) -> None:
    """The code decides: class, retryable, and the words for support."""
    status, kind, retryable = CODES[code]
    error = error_of(status, error_answer(code, status).content, {"x-mws-timestamp": "2021-11-18T09:00:00.100Z"})
    assert type(error) is kind
    assert (error.code, error.status, error.retryable, error.request_id) == (code, status, retryable, "err-1")
    assert error.timestamp == datetime(2021, 11, 18, 9, 0, 0, 100_000, tzinfo=UTC)
    assert str(error).startswith(f"Act: {code} ({status})")


def test_the_code_decides_and_not_the_status() -> None:
    """A throttle is a throttle with every status; an unknown code keeps its name."""
    assert type(error_of(400, error_answer("RequestThrottled", 400).content)) is RequestThrottled
    error = error_of(418, error_answer("BrandNew", 418).content)
    assert (type(error), error.code, error.retryable) == (InvalidRequest, "BrandNew", False)


def test_a_throttle_is_over_after_one_restore_interval() -> None:
    """Amazon gives no instant with it."""
    error = error_of(503, error_answer("RequestThrottled", 503).content, restore_seconds=120)
    assert error.retry_at == NOW + timedelta(seconds=120)


@pytest.mark.parametrize(
    "written", ["2021-11-18T09:20:00.000Z", "Thu, 18 Nov 2021 09:20:00 GMT"], ids=["iso 8601", "rfc 1123"]
)
def test_a_used_up_hour_ends_when_the_header_says(written: str) -> None:
    """Both date forms of the header."""
    headers = {"x-mws-quota-max": "30.0", "x-mws-quota-remaining": "0.0", "x-mws-quota-resetson": written}
    error = error_of(503, error_answer("QuotaExceeded", 503).content, headers)
    assert error.retry_at == NOW + timedelta(minutes=20)
    quota = read_meta(headers).quota
    assert quota is not None
    assert (quota.maximum, quota.remaining, quota.resets_at) == (30.0, 0.0, NOW + timedelta(minutes=20))


def test_a_used_up_hour_ends_when_the_message_says() -> None:
    """Without headers the instant is in Amazon's text; two spaces, root without a namespace."""
    body = (
        b"<ErrorResponse><Error><Type>Sender</Type><Code>QuotaExceeded</Code><Message>You exceeded your quota of 30.0 "
        b"requests per 1 hour for operation Feeds/2009-01-01/SubmitFeed.  "
        b"Your quota will reset on Thu Nov 18 09:42:00 UTC 2021"
        b"</Message></Error><RequestID>q</RequestID></ErrorResponse>"
    )
    assert error_of(503, body).retry_at == NOW + timedelta(minutes=42)


def test_a_used_up_hour_is_measured_on_amazons_clock() -> None:
    """With a local clock that is ten minutes ahead the wait is still twenty minutes."""
    headers = {
        "date": "Thu, 18 Nov 2021 08:50:00 GMT",
        "x-mws-quota-max": "30",
        "x-mws-quota-remaining": "0",
        "x-mws-quota-resetson": "2021-11-18T09:10:00Z",
    }
    assert error_of(503, error_answer("QuotaExceeded", 503).content, headers).retry_at == NOW + timedelta(minutes=20)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("used up", 300), ("reset on Thu Nov 99 09:42:00 UTC 2021", 300), ("reset on Thu Nov 18 08:00:00 UTC 2021", 1),
     ("reset on Thu Nov 18 23:00:00 UTC 2021", 3660)],
    ids=["no instant", "no date", "past", "too far"],
)  # fmt: skip
def test_a_used_up_hour_without_a_sane_end_is_asked_about_again(text: str, seconds: int) -> None:
    """Never at once, never after more than the hour."""
    error = error_of(503, error_answer("QuotaExceeded", 503, text).content)
    assert error.retry_at == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize("code", ["RequestExpired", "InvalidParameterValue"])
def test_a_wrong_clock_is_named_with_its_skew(code: str) -> None:
    """Local minus Amazon's Date; the reference files expired requests under InvalidParameterValue."""
    error = error_of(400, error_answer(code, 400).content, {"date": "Thu, 18 Nov 2021 08:40:00 GMT"})
    assert isinstance(error, RequestExpired)
    assert error.skew_seconds == 1200
    assert "1200 s ahead" in str(error)


def test_a_wrong_parameter_on_a_right_clock_is_no_expiry() -> None:
    """Fourteen minutes are within what Amazon takes."""
    error = error_of(400, error_answer("InvalidParameterValue", 400).content, {"date": "Thu, 18 Nov 2021 08:46:00 GMT"})
    assert type(error) is InvalidRequest


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (503, b"<html><head><title>503 Service Unavailable</title></head></html>", ServiceUnavailable),
        (502, b"", ServiceUnavailable),
        (500, b"<ErrorResponse><Error><Code>Cut", ServiceUnavailable),
        (403, b"<!DOCTYPE html><html>blocked</html>", AccessDenied),
        (404, b"not found", InvalidRequest),
        (302, b"", ServiceUnavailable),
        (408, b"<html>Request timeout</html>", ServiceUnavailable),
        (429, b"slow down", ServiceUnavailable),
        (500, b"<ErrorResponse/>", ServiceUnavailable),
        (500, b"<ErrorResponse><Error>text</Error></ErrorResponse>", ServiceUnavailable),
    ],
)
def test_an_error_without_amazons_words_goes_by_its_status(status: int, body: bytes, kind: type[AmazonError]) -> None:
    """Proxies, empty bodies, bodies that break off."""
    error = error_of(status, body, {"x-mws-request-id": "from-header"})
    assert type(error) is kind
    assert (error.status, error.code, error.request_id) == (status, "", "from-header")
    assert "no error of Amazon's but" in error.message
    assert error.retryable is (kind is ServiceUnavailable)


def test_several_errors_are_all_told() -> None:
    """The first one's code, every one's words."""
    body = (
        b"<ErrorResponse><Error><Code>A</Code><Message>one</Message></Error><Error><Code>B</Code><Message>two</Message>"
        b"</Error><RequestId>r</RequestId></ErrorResponse>"
    )
    error = error_of(400, body)
    assert (error.code, error.message, error.request_id) == ("A", "one; two", "r")


def test_amazons_words_never_repeat_credentials() -> None:
    """SignatureDoesNotMatch quotes the whole request; every message is bounded."""
    quoted = (
        "The Canonical String should have been 'POST\nmws.amazonservices.ae\n/\n"
        "AWSAccessKeyId=AKIAXYZ&amp;Action=A&amp;"
        "MWSAuthToken=amzn.mws.4ea38b7b-f563-7709-4bae-87aea&amp;SellerId=A1SELLER&amp;Signature=abc%3D' " + "x" * 5000
    )
    error = error_of(403, error_answer("SignatureDoesNotMatch", 403, quoted).content)
    assert isinstance(error, SignatureMismatch)
    for secret in ("AKIAXYZ", "4ea38b7b", "A1SELLER", "abc%3D"):
        assert secret not in str(error)
    assert len(error.message) <= 500
    assert scrub("token amzn.mws.12-ab.") == "token amzn.mws.…."


def result_of(status: int, body: bytes, headers: dict[str, str] | None = None) -> tuple[Node, ResponseMeta]:
    return read_result(status, headers or {}, body, action="Act", now=NOW)


def test_a_result_comes_with_what_identifies_it() -> None:
    """Request id out of the header, or out of the body where there is none."""
    body = envelope("Act", "<A>1</A>", request_id="in-body")
    assert result_of(200, body)[1].request_id == "in-body"
    node, meta = result_of(200, body, {"x-mws-request-id": "in-header", "x-mws-timestamp": "2021-11-18T09:00:00Z"})
    assert (dict(node), meta.request_id, meta.timestamp, meta.quota) == ({"A": "1"}, "in-header", NOW, None)


def test_the_date_stands_in_for_amazons_own_instant() -> None:
    """Answers of proxies have no other."""
    assert read_meta({"date": "Thu, 18 Nov 2021 09:00:00 GMT"}).timestamp == NOW
    both = {"date": "Thu, 18 Nov 2021 09:00:05 GMT", "x-mws-timestamp": "2021-11-18T09:00:00Z"}
    assert read_meta(both).timestamp == NOW


def test_an_error_with_status_200_is_an_error() -> None:
    """And a result with an error's status is one too."""
    with pytest.raises(InvalidRequest, match="Odd"):
        result_of(200, error_answer("Odd", 200).content)
    with pytest.raises(ServiceUnavailable):
        result_of(500, envelope("Act", "<A>1</A>"))


@pytest.mark.parametrize(
    ("body", "words", "again"),
    [
        (b"", "an empty body", True),
        (b"<html><body>Welcome, Mr Secret</body></html>", "an HTML page", False),
        (b"<html><body>Welcome, Mr Secret", "an HTML page", False),
        (b"OK Secret", "not XML", False),
        (envelope("Act", "<Name>Mr Secret</Name>")[:-30], "cannot be read", True),
        (b'<!DOCTYPE a [<!ENTITY s "Secret">]><ActResponse>&s;</ActResponse>', "entities", False),
        (b"<Other>Secret</Other>", "<Other>", False),
    ],
)
def test_a_success_that_cannot_be_read_says_what_it_is(body: bytes, words: str, again: bool) -> None:
    """Bounded, clear, without a word of the body; only what was cut off may be whole the next time."""
    with pytest.raises(UnreadableResponse, match=words) as caught:
        result_of(200, body, {"x-mws-request-id": "r"})
    assert "Secret" not in str(caught.value) + caught.value.excerpt
    assert len(str(caught.value)) <= 500
    assert (caught.value.status, caught.value.request_id, caught.value.retryable) == (200, "r", again)


def test_an_excerpt_shows_the_markup_and_no_value() -> None:
    """Enough to see what came, nothing of what it said."""
    shown = excerpt(
        b'<html lang="ar"><!-- secret > x --><p id=\'x\'>Mr Secret</p><a b=secret href="mailto:secret@x">secret'
    )
    assert shown == "<html lang=…><!…>…<p id=…>…</p><a b=… href=…>…"


@given(st.sampled_from([200, 204, 302, 400, 404, 500, 503]), st.binary(max_size=300))
def test_any_answer_is_a_value_or_an_error_of_the_tree(status: int, body: bytes) -> None:
    """No input raises anything else."""
    for reader in (read_result, read_document):
        try:
            reader(status, {}, body, action="Act", now=NOW)
        except AmazonAeError:
            continue
        assert status in (200, 204)


def test_a_document_is_checked_against_its_md5() -> None:
    """Equal, absent, wrong."""
    body = "Feed Processing Summary:\tش".encode()
    for headers in ({}, {"content-md5": content_md5(body)}):
        assert read_document(200, headers, body, action="Act", now=NOW)[0] == body
    with pytest.raises(DamagedBody) as caught:
        read_document(200, {"content-md5": content_md5(b"other")}, body, action="Act", now=NOW)
    assert caught.value.retryable


@pytest.mark.parametrize(
    ("body", "again"),
    [(b"", True), (b" \n", True), (b"<!DOCTYPE html><p>Mr Secret", False), (b"<html>Mr Secret</html>", False)],
)
def test_a_page_or_nothing_in_place_of_a_document_is_refused(body: bytes, again: bool) -> None:
    """A proxy's answer must not be saved as a report. With Amazon's MD5 it is what Amazon sent."""
    with pytest.raises(UnreadableResponse, match="no Content-MD5 instead of the document") as caught:
        read_document(200, {}, body, action="Act", now=NOW)
    assert caught.value.retryable is again
    assert "Secret" not in str(caught.value) + caught.value.excerpt
    assert read_document(200, {"content-md5": content_md5(body)}, body, action="Act", now=NOW)[0] == body


def test_an_error_in_place_of_a_document_is_an_error() -> None:
    """Also with status 200."""
    for status in (200, 404):
        with pytest.raises(InvalidRequest) as caught:
            read_document(status, {}, error_answer("FeedProcessingResultNotReady", 404).content, action="A", now=NOW)
        assert caught.value.retryable
