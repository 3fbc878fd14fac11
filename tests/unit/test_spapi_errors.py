"""Error answers, by what the caller does next."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from amazon_ae import (
    AccessDenied,
    InvalidRequest,
    RegionNotSupported,
    RequestThrottled,
    ServiceUnavailable,
    UnreadableResponse,
)
from amazon_ae._exceptions import AmazonError, QuotaExceeded
from amazon_ae._spapi.errors import rate_of, read_body, read_error, read_meta

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)
HEADERS = {"x-amzn-requestid": "r-1", "date": "Sat, 28 Nov 2026 09:00:01 GMT"}


def error(status: int, body: object, headers: dict[str, str] | None = None) -> AmazonError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_error(status, HEADERS | (headers or {}), raw, action="getFeed", now=NOW, restore_seconds=0.5)


def errors(code: str, message: str | None = "no", details: str | None = None) -> dict[str, object]:
    return {"errors": [{"code": code, "message": message, "details": details}]}


def test_a_429_named_quota_exceeded_is_an_empty_bucket() -> None:
    """MWS's error of that name would hold up all stock for an hour."""
    found = error(429, errors("QuotaExceeded", "You exceeded your quota for the requested resource."))
    assert isinstance(found, RequestThrottled)
    assert not isinstance(found, QuotaExceeded)
    assert found.retry_at == NOW + timedelta(seconds=0.5)
    assert found.retryable


def test_a_stated_rate_dates_the_retry() -> None:
    """It is newer than the table's."""
    found = error(429, errors("QuotaExceeded"), {"x-amzn-ratelimit-limit": "0.1"})
    assert found.retry_at == NOW + timedelta(seconds=10)


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (400, "InvalidInput", "Request has missing parameters.", InvalidRequest),
        (400, "ResourceNotFound", "does not exist", InvalidRequest),
        (404, "RegionNotSupported", "no", RegionNotSupported),
        (400, "InvalidInput", "This operation is not available for the current marketplace.", RegionNotSupported),
        (401, "", "", AccessDenied),
        (403, "Unauthorized", "Access to requested resource is denied.", AccessDenied),
        (405, "OrderNotEligibleForRescheduling", "no", InvalidRequest),
        (413, "RequestTooLarge", "no", InvalidRequest),
        (500, "InternalFailure", "no", ServiceUnavailable),
        (503, "", "", ServiceUnavailable),
        (302, "", "", ServiceUnavailable),
    ],
)
def test_each_error_says_what_to_do(status: int, code: str, message: str, kind: type[AmazonError]) -> None:
    """The code decides before the status."""
    found = error(status, errors(code, message))
    assert type(found) is kind
    assert (found.status, found.request_id, found.timestamp) == (status, "r-1", NOW + timedelta(seconds=1))


def test_a_403_names_its_causes_in_order() -> None:
    """Token, role, authorisation, path."""
    text = str(error(403, errors("Unauthorized", "Access to requested resource is denied.")))
    assert text.index("access token") < text.index("role") < text.index("authorised") < text.index("percent-encoded")


def test_null_messages_are_read() -> None:
    """Amazon sends them, against its own model."""
    found = error(400, errors("InvalidInput", None, "the SKU is wrong"))
    assert (found.code, found.message) == ("InvalidInput", "the SKU is wrong")
    assert error(400, {"errors": [{"code": None, "message": None}]}).message.startswith("no error of Amazon's")


def test_a_page_of_a_proxy_is_named() -> None:
    """With its title, and without its content."""
    found = error(502, b"<html><head><title>Bad gateway</title></head><body>secret</body></html>")
    assert isinstance(found, ServiceUnavailable)
    assert "an HTML page titled 'Bad gateway'" in found.message
    assert "secret" not in found.message


def test_the_xml_of_a_document_store_is_read() -> None:
    """S3 answers so where the signature does not fit."""
    body = b'<?xml version="1.0"?><Error><Code>SignatureDoesNotMatch</Code><Message>The request</Message></Error>'
    found = error(403, body)
    assert (found.code, isinstance(found, AccessDenied)) == ("SignatureDoesNotMatch", True)


def test_the_error_type_header_stands_in_for_a_missing_code() -> None:
    """Seen live, in no model."""
    assert error(403, b"", {"x-amzn-errortype": "AccessDeniedException:http://x"}).code == "AccessDeniedException"


def test_no_token_and_no_signed_url_is_in_an_error() -> None:
    """Amazon repeats them."""
    words = "token Atza|abc.def and https://s3.example/doc?X-Amz-Signature=feed&X-Amz-Date=1 and amzn1.oa2-cs.v1.xyz"
    text = str(error(400, errors("InvalidInput", words)))
    assert not [secret for secret in ("abc.def", "feed", "v1.xyz") if secret in text]


@pytest.mark.parametrize(
    ("stated", "rate"), [("0.0056", 0.0056), ("5.0", 5.0), ("", None), ("often", None), ("0", None)]
)
def test_the_rate_header_is_read(stated: str, rate: float | None) -> None:
    """What is no rate is none."""
    assert rate_of({"x-amzn-ratelimit-limit": stated}) == rate
    assert rate_of({}) is None


def test_a_success_that_is_no_json_cannot_be_read() -> None:
    """A page will not change by asking again; what was cut off may."""
    with pytest.raises(UnreadableResponse, match="an HTML page") as page:
        read_body(200, HEADERS, b"<html></html>", action="getFeed")
    with pytest.raises(UnreadableResponse) as cut:
        read_body(200, HEADERS, b'{"feedId": "1', action="getFeed")
    assert (page.value.retryable, cut.value.retryable) == (False, True)
    assert read_body(200, HEADERS, b"", action="cancelFeed") == {}
    assert read_meta(HEADERS).request_id == "r-1"


def test_errors_in_a_200_are_no_success() -> None:
    """An answer of the Sellers or Orders v0 kind may hold both."""
    with pytest.raises(UnreadableResponse, match="InvalidInput"):
        read_body(200, HEADERS, json.dumps(errors("InvalidInput")).encode(), action="getAccount")
