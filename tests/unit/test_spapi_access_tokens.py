"""Login with Amazon: what is asked, what comes back, when to ask again."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qs

import pytest

from amazon_ae import AccessDenied, InvalidRequest, NotSent, SpApiCredentials
from amazon_ae._spapi.access_tokens import read_token, rotation_warning, token_form

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)
KEYS = SpApiCredentials(seller_id="A1", client_id="client", client_secret="s&cret", refresh_token="Atzr|ref/resh")


def answer(body: object, status: int = 200) -> bytes:
    return json.dumps(body).encode()


def test_the_form_asks_for_the_sellers_token() -> None:
    """Everything is encoded: a refresh token holds a bar."""
    form = token_form(KEYS)
    assert b"|" not in form
    assert parse_qs(form.decode()) == {
        "grant_type": ["refresh_token"],
        "refresh_token": ["Atzr|ref/resh"],
        "client_id": ["client"],
        "client_secret": ["s&cret"],
    }


def test_a_grantless_token_belongs_to_the_application() -> None:
    """No refresh token travels."""
    form = parse_qs(token_form(KEYS, "sellingpartnerapi::notifications").decode())
    assert form["grant_type"] == ["client_credentials"]
    assert form["scope"] == ["sellingpartnerapi::notifications"]
    assert "refresh_token" not in form


def test_a_token_is_renewed_a_minute_before_it_ends() -> None:
    """None ends on its way to Amazon."""
    token = read_token(200, {}, answer({"access_token": "Atza|1", "expires_in": 3600}), asked_at=NOW)
    assert token.usable(NOW)
    assert token.usable(NOW + timedelta(seconds=3539))
    assert not token.usable(NOW + timedelta(seconds=3540))
    assert not token.usable(NOW - timedelta(seconds=1)), "the clock was set back"
    assert "Atza" not in repr(token)


def test_a_token_without_an_end_lasts_half_an_hour() -> None:
    """As in Amazon's own client."""
    token = read_token(200, {}, answer({"access_token": "Atza|1"}), asked_at=NOW)
    assert token.ends_at == NOW + timedelta(seconds=1800)


def test_a_token_that_replaced_a_refused_one_is_not_replaced_at_once() -> None:
    """Then the refusal has another cause."""
    token = read_token(200, {}, answer({"access_token": "Atza|1"}), asked_at=NOW)
    assert token.replaceable(NOW)
    assert not token.refused().usable(NOW)
    second = token.replacing(token.refused())
    assert not second.replaceable(NOW + timedelta(seconds=4))
    assert second.replaceable(NOW + timedelta(seconds=5))


@pytest.mark.parametrize(
    ("code", "kind", "advice"),
    [
        ("invalid_grant", AccessDenied, "authorise again"),
        ("invalid_client", AccessDenied, "180 days"),
        ("unauthorized_client", AccessDenied, "registration"),
        ("invalid_request", InvalidRequest, "no such thing"),
        ("invalid_scope", InvalidRequest, "no such thing"),
    ],
)
def test_a_refusal_says_what_to_do(code: str, kind: type[Exception], advice: str) -> None:
    """Amazon's words and our advice."""
    body = answer({"error": code, "error_description": "no such thing"})
    with pytest.raises(kind, match=advice):
        read_token(400, {}, body, asked_at=NOW)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, answer({"error": "server_error"})),
        (400, answer({"error": "temporarily_unavailable"})),
        (503, b"<html></html>"),
        (200, b"{}"),
        (429, answer({"error": "slow_down"})),
    ],
)
def test_a_fault_of_amazons_means_that_the_call_did_not_leave(status: int, body: bytes) -> None:
    """So that a write is not taken for unanswered."""
    with pytest.raises(NotSent, match="Login with Amazon"):
        read_token(status, {}, body, asked_at=NOW)


def test_no_token_is_in_a_refusal() -> None:
    """Amazon repeats what it was sent."""
    body = answer({"error": "invalid_grant", "error_description": "Atzr|hidden is revoked"})
    with pytest.raises(AccessDenied) as caught:
        read_token(400, {}, body, asked_at=NOW)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("day", "words"),
    [
        (None, None),
        (date(2026, 12, 29), None),
        (date(2026, 12, 28), "ends in 30 days"),
        (date(2026, 11, 29), "ends within a day"),
        (date(2026, 11, 28), "ends within a day"),
        (date(2026, 11, 27), "has ended"),
    ],
)
def test_the_secrets_end_is_announced(day: date | None, words: str | None) -> None:
    """From 30 days before it."""
    warning = rotation_warning(day, NOW)
    assert warning is None if words is None else words in (warning or "")
