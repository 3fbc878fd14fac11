"""Which failures of a read may pass, and how long to wait for that."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from amazon_ae._exceptions import (
    AccessDenied,
    AmazonAeError,
    ConfigurationError,
    InvalidRequest,
    NotSent,
    OutcomeUnknown,
    QuotaExceeded,
    QuotaTimeout,
    RequestThrottled,
    ServiceUnavailable,
    UnreadableResponse,
)
from amazon_ae._transport.retries import DamagedBody, RetryPolicy, is_transient


@given(st.integers(0, 20), st.floats(0, 1, exclude_max=True))
def test_a_wait_is_at_least_amazons_advice_and_at_most_a_quarter_more(retry: int, random: float) -> None:
    """0, 1, 4, 10 and 30 s, then the end."""
    advice = (0.0, 1.0, 4.0, 10.0, 30.0)
    wait = RetryPolicy().delay(retry, random)
    if retry >= len(advice):
        assert wait is None
    else:
        assert wait is not None
        assert advice[retry] <= wait <= advice[retry] * 1.25


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (NotSent("x"), True),
        (OutcomeUnknown("x"), True),
        (ServiceUnavailable("x", status=503), True),
        (InvalidRequest("x", status=400, code="InputStreamDisconnected"), True),
        (InvalidRequest("x", status=500, code="BrandNew"), True),
        (UnreadableResponse("cut off", retryable=True), True),
        (UnreadableResponse("a web page"), False),
        (DamagedBody("x", retryable=True), False),
        (RequestThrottled("x", status=503), False),
        (QuotaExceeded("x", status=503), False),
        (AccessDenied("x", status=401), False),
        (InvalidRequest("x", status=404, code="FeedProcessingResultNotReady", retryable=True), False),
        (QuotaTimeout("x"), False),
        (ConfigurationError("x"), False),
    ],
)
def test_only_what_passes_within_a_minute_is_tried_again(error: AmazonAeError, transient: bool) -> None:
    """Throttles are waited for, documents are fetched again by their own rule, refusals stay refusals."""
    assert is_transient(error) is transient
