"""Login with Amazon and the tokens: who may call what, and for how long.

Sources: "Connecting to the Selling Partner API" and RFC 6749 for the error words; "Tokens API use case guide" for the
restricted data token.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl

import attrs

from amazon_ae._models.marketplaces import SpApiCredentials
from amazon_ae.testing._spapi.plans import OPERATIONS, Operation
from amazon_ae.testing._spapi.wire import Refused, unauthorized

__all__ = ["ROLES", "Access", "Token"]

ROLES: Final = frozenset(
    (
        "Product Listing",
        "Inventory and Order Tracking",
        "Direct to Consumer Shipping (Restricted)",
        "Tax Invoicing (Restricted)",
        "Tax Remittance (Restricted)",
    )
)
"""The roles that matter to orders, stock and Easy Ship, by Amazon's names."""

_SCOPES: Final = frozenset(
    (
        "sellingpartnerapi::notifications",
        "sellingpartnerapi::client_credential:rotation",
        "sellingpartnerapi::migration",
    )
)


@attrs.frozen
class Token:
    """An access token, or a restricted data token with the requests that it is for."""

    client_id: str
    ends_at: datetime
    resources: frozenset[tuple[str, str]] = frozenset()
    scope: str = ""


class Access:
    """The applications that the seller authorised, and the tokens given out.

    Args:
        token_seconds: how long a token is valid.
    """

    def __init__(self, *, token_seconds: float) -> None:
        self.token_seconds = token_seconds
        self.roles: set[str] = set(ROLES)
        self._secrets: dict[str, str] = {}
        self._refresh_tokens: dict[str, str] = {}
        self._tokens: dict[str, Token] = {}
        self._count = 0

    def authorise(self, credentials: SpApiCredentials) -> None:
        """Let an application work for this seller, or give a known one another secret."""
        self._secrets[credentials.client_id] = credentials.client_secret
        self._refresh_tokens[credentials.refresh_token] = credentials.client_id

    def revoke(self, credentials: SpApiCredentials) -> None:
        """The seller withdraws the authorisation."""
        self._refresh_tokens.pop(credentials.refresh_token, None)
        self._tokens = {text: token for text, token in self._tokens.items() if token.client_id != credentials.client_id}

    def expire_tokens(self) -> None:
        """Every token given out so far is worthless from now on."""
        self._tokens.clear()

    # Login with Amazon

    def exchange(self, headers: dict[str, str], body: bytes, now: datetime) -> dict[str, Any]:
        """Answer one token request, sent as a form or as JSON.

        Raises:
            Refused: with one of OAuth's error words.
        """
        given = _fields(headers, body)
        client_id = given.get("client_id", "")
        if client_id not in self._secrets or self._secrets[client_id] != given.get("client_secret"):
            raise Refused(401, "invalid_client", "Client authentication failed")
        grant = given.get("grant_type")
        if grant == "client_credentials":
            return self._grantless(given, client_id, now)
        if grant != "refresh_token":
            raise Refused(400, "unsupported_grant_type", "The authorization grant type is not supported")
        refresh_token = given.get("refresh_token", "")
        if not refresh_token:
            raise Refused(400, "invalid_request", "The request is missing a required parameter : refresh_token")
        if self._refresh_tokens.get(refresh_token) != client_id:
            raise Refused(400, "invalid_grant", "The request has an invalid grant parameter : refresh_token")
        return {**self._issue("Atza", Token(client_id, self._end(now))), "refresh_token": refresh_token}

    def _grantless(self, given: dict[str, str], client_id: str, now: datetime) -> dict[str, Any]:
        scope = given.get("scope", "")
        if scope not in _SCOPES:
            raise Refused(400, "invalid_scope", "The request has an invalid parameter : scope")
        return self._issue("Atc", Token(client_id, self._end(now), scope=scope))

    def _end(self, now: datetime) -> datetime:
        return now + timedelta(seconds=self.token_seconds)

    def _issue(self, prefix: str, token: Token) -> dict[str, Any]:
        return {
            "access_token": self._add(prefix, token),
            "token_type": "bearer",
            "expires_in": int(self.token_seconds),
        }

    def _add(self, prefix: str, token: Token) -> str:
        self._count += 1
        text = f"{prefix}|{hashlib.sha256(f'{token.client_id} {self._count}'.encode()).hexdigest()}"
        self._tokens[text] = token
        return text

    # The API's side

    def restricted(self, client_id: str, resources: frozenset[tuple[str, str]], now: datetime) -> dict[str, Any]:
        """A restricted data token for these (method, path) pairs."""
        return {
            "restrictedDataToken": self._add("Atz.sprdt", Token(client_id, self._end(now), resources)),
            "expiresIn": int(self.token_seconds),
        }

    def check(self, headers: dict[str, str], operation: Operation, path: str, now: datetime) -> Token:
        """The token of a request, if it opens this operation.

        Raises:
            Refused: 403 ``Unauthorized``; its details have the reason, as Amazon's sometimes do.
        """
        text = headers.get("x-amz-access-token")
        if not text:
            raise unauthorized("Access token is missing in the request header.")
        token = self._tokens.get(text)
        if token is None:
            raise unauthorized("The access token you provided is revoked, malformed or invalid.")
        if token.ends_at <= now:
            raise unauthorized("The access token you provided has expired.")
        if token.scope:
            raise unauthorized("The access token has no seller's authorisation.")
        if token.resources and (operation.method, path) not in token.resources:
            raise unauthorized("The restricted data token does not cover this operation.")
        if operation.needs and operation.needs not in self.roles:
            raise unauthorized()
        if operation.is_restricted and not token.resources:
            raise unauthorized("The operation requires a restricted data token.")
        return token


def _fields(headers: dict[str, str], body: bytes) -> dict[str, str]:
    if "json" not in headers.get("content-type", ""):
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    try:
        given = json.loads(body)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise Refused(400, "invalid_request", "The request body is not valid")
    return {str(name): str(value) for name, value in given.items()}


def operation_of_resource(method: str, path: str) -> Operation | None:
    """The operation that a restricted resource names; ``{name}`` in its path matches itself."""
    parts = path.split("/")
    for operation in OPERATIONS:
        names = operation.path.split("/")
        if operation.method != method or len(names) != len(parts):
            continue
        if all(name == part or (name.startswith("{") and part) for name, part in zip(names, parts, strict=True)):
            return operation
    return None
