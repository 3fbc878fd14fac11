"""Login with Amazon: the request for a token, its answer, and when a token is renewed. Pure.

1. A token is renewed ``RENEW_EARLY_SECONDS`` before it ends, so that none expires in transit.
2. Amazon answers 401 or 403 to an expired token too, so a call may get a new token, once.
3. A token that was made so within ``FORCE_AGAIN_SECONDS`` is not replaced again: then the cause is another one (a role,
   a path), and each refused call would cost an exchange.
4. No secret and no token is in an error's text.

Sources: developer guide, "Connecting to the Selling Partner API"; ``LwaExceptionErrorCode`` of Amazon's Java client.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

import attrs

from amazon_ae._exceptions import AccessDenied, AmazonAeError, InvalidRequest, NotSent
from amazon_ae._models.marketplaces import SpApiCredentials
from amazon_ae._spapi.errors import read_meta, scrub
from amazon_ae._spapi.values import integer, load, node, text

__all__ = [
    "FORCE_AGAIN_SECONDS",
    "LWA_ACTION",
    "LWA_PATH",
    "RENEW_EARLY_SECONDS",
    "AccessToken",
    "read_token",
    "rotation_warning",
    "token_form",
]

LWA_PATH: Final = "/auth/o2/token"
#: The ``action`` of its errors.
LWA_ACTION: Final = "Login with Amazon"
RENEW_EARLY_SECONDS: Final = 60.0  # Amazon's own Java client; its Python client takes 30
FORCE_AGAIN_SECONDS: Final = 5.0
_DEFAULT_SECONDS: Final = 1800  # Amazon's Python client, where expires_in is missing
_WARN: Final = timedelta(days=30)
_PASSING: Final = frozenset({"server_error", "temporarily_unavailable"})
_REQUEST: Final = frozenset({"invalid_request", "invalid_scope"})
_ADVICE: Final = {
    "invalid_client": "client id or client secret is wrong, or the secret was not rotated within 180 days",
    "invalid_grant": "the refresh token is wrong, or the seller withdrew the authorisation: authorise again",
    "unauthorized_client": "the application may not use this grant: look at its registration",
    "access_denied": "the application is not allowed: look at its registration",
}


@attrs.frozen(kw_only=True)
class AccessToken:
    """A token and its end.

    Attributes:
        value: sent in ``x-amz-access-token``; never shown.
        made_at, ends_at: on the local clock, aware UTC.
        replaces_refused: it was made because Amazon refused the one before.
        is_refused: Amazon refused it.
    """

    value: str = attrs.field(repr=False)
    made_at: datetime
    ends_at: datetime
    replaces_refused: bool = False
    is_refused: bool = False

    def usable(self, now: datetime) -> bool:
        """Whether a call may still use it. After the clock was set back it is unusable, since its end is unknown."""
        if self.is_refused:
            return False
        return self.made_at <= now < self.ends_at - timedelta(seconds=RENEW_EARLY_SECONDS)

    def replaceable(self, now: datetime) -> bool:
        """Whether an answer 401 or 403 is a reason to get a new one."""
        return not self.replaces_refused or abs((now - self.made_at).total_seconds()) >= FORCE_AGAIN_SECONDS

    def refused(self) -> AccessToken:
        """The same token, marked as refused."""
        return attrs.evolve(self, is_refused=True)

    def replacing(self, old: AccessToken | None) -> AccessToken:
        """The same token, marked as the replacement of ``old``."""
        return attrs.evolve(self, replaces_refused=old is not None and old.is_refused)


def token_form(credentials: SpApiCredentials, scope: str = "") -> bytes:
    """The form that asks for a seller's token, or with ``scope`` for a token of the application alone."""
    grant = (
        {"grant_type": "client_credentials", "scope": scope}
        if scope
        else {"grant_type": "refresh_token", "refresh_token": credentials.refresh_token}
    )
    return urlencode({**grant, "client_id": credentials.client_id, "client_secret": credentials.client_secret}).encode()


def read_token(status: int, headers: Mapping[str, str], body: bytes, *, asked_at: datetime) -> AccessToken:
    """The token in an answer.

    Args:
        asked_at: the local clock before the request left: a slow answer never prolongs a token.

    Raises:
        AccessDenied: client, secret or authorisation is refused: the message says which and what to do.
        InvalidRequest: the request itself is refused.
        NotSent: Login with Amazon has a fault; the call that needed the token was not sent. Retry later.
    """
    answer = _loaded(body)
    del body  # it may contain a token, and a traceback with locals would show it
    value = text(node(answer).get("access_token"))
    if 200 <= status < 300 and value is not None:
        seconds = integer(node(answer).get("expires_in"))
        seconds = _DEFAULT_SECONDS if seconds is None or seconds < 1 else seconds
        return AccessToken(value=value, made_at=asked_at, ends_at=asked_at + timedelta(seconds=seconds))
    raise _refusal(status, headers, answer)


def _loaded(body: bytes) -> Any:
    try:
        return load(body)
    except ValueError:
        return None


def _refusal(status: int, headers: Mapping[str, str], answer: object) -> AmazonAeError:
    code = scrub(text(node(answer).get("error")) or "")[:100]
    if code in _PASSING or status >= 500 or status == 429 or not code:
        return NotSent(f"Login with Amazon gave no token: {code or 'no error of its own'} (HTTP {status}); retry later")
    words = scrub(text(node(answer).get("error_description")) or "")[:300]
    advice = _ADVICE.get(code)
    meta = read_meta(headers)
    kind = InvalidRequest if code in _REQUEST else AccessDenied
    return kind(
        f"{words or 'no description'} ({advice})" if advice else words or "no description",
        status=status,
        code=code,
        request_id=meta.request_id,
        timestamp=meta.timestamp,
        action=LWA_ACTION,
    )


def rotation_warning(rotate_by: date | None, now: datetime) -> str | None:
    """A warning about the client secret's end; ``None`` while more than 30 days are left."""
    if rotate_by is None or rotate_by - now.date() > _WARN:
        return None
    days = (rotate_by - now.date()).days
    ends = f"ends in {days} days" if days > 1 else "ends within a day" if days >= 0 else "has ended"
    return (
        f"the client secret {ends} ({rotate_by}): rotate it, or Amazon refuses every call "
        "(refresh tokens survive a rotation)"
    )
