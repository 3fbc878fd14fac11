"""The error tree is what its docstring draws."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from amazon_ae import _exceptions as exceptions


def test_the_drawing_in_the_docstring_is_the_tree() -> None:
    """Every class is drawn once, below its real parent."""
    drawn: dict[str, str] = {}
    parents: list[str] = ["AmazonAeError"]
    for line in (exceptions.__doc__ or "").splitlines():
        if match := re.match(r"^    ( (?:│   )*[ ]*)[├└] (\w+)", line.replace("     └", "     ├")):
            depth = len(match[1]) // 4 + 1
            parents[depth:] = [match[2]]
            drawn[match[2]] = parents[depth - 1]
    real = {
        name: next(
            base.__name__ for base in getattr(exceptions, name).__mro__[1:] if base.__module__ == exceptions.__name__
        )
        for name in exceptions.__all__
        if name != "AmazonAeError"
    }
    assert drawn == real


def test_a_clock_that_is_wrong_is_named_with_its_error() -> None:
    """People add 7320 seconds by hand when nobody tells them."""
    error = exceptions.RequestExpired("Request has expired", skew_seconds=-1234.4)
    assert "1234 s behind" in str(error)
    assert error.skew_seconds == -1234.4


def test_an_amazon_error_carries_what_support_asks_for() -> None:
    """Request id and timestamp."""
    at = datetime(2021, 11, 18, tzinfo=UTC)
    error = exceptions.AccessDenied(
        "denied", status=401, code="AccessDenied", request_id="r-1", timestamp=at, action="SubmitFeed"
    )
    assert str(error) == "SubmitFeed: AccessDenied (401): denied [request r-1]"
    assert (error.request_id, error.timestamp, error.retryable) == ("r-1", at, False)


def test_an_excerpt_is_bounded() -> None:
    """A page of HTML does not become a log line."""
    assert len(exceptions.UnreadableResponse("bad", excerpt="x" * 9999).excerpt) == 200
