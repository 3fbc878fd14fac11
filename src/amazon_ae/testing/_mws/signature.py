"""Checking Signature Version 2, from the developer guide's words and not from the client's code.

Source: MWS developer guide, "Creating the string to sign", "Signing query requests", "Required request parameters".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from amazon_ae.testing._mws.user_agent import check_user_agent
from amazon_ae.testing._mws.wire import Refused, Request, invalid, seconds_instant

__all__ = ["authenticate", "expected_signature"]

_HASHES: Final = {"HmacSHA256": hashlib.sha256, "HmacSHA1": hashlib.sha1}
_LEEWAY: Final = timedelta(minutes=15)
_KEPT: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")
_ENCODED: Final = [chr(byte) if byte in _KEPT else f"%{byte:02X}" for byte in range(256)]


def _encode(data: bytes) -> str:
    return "".join([_ENCODED[byte] for byte in data])


def expected_signature(
    method: str, host: str, path: str, pairs: tuple[tuple[str, str], ...], secret_key: str, hash_name: str
) -> str:
    """The signature that a request with these parameters must carry."""
    rows = sorted((name.encode(), value.encode()) for name, value in pairs if name != "Signature")
    query = "&".join(f"{_encode(name)}={_encode(value)}" for name, value in rows)
    text = f"{method}\n{host.lower()}\n{path}\n{query}"
    digest = hmac.new(secret_key.encode(), text.encode(), _HASHES[hash_name]).digest()
    return base64.b64encode(digest).decode()


def authenticate(request: Request, secrets: Mapping[str, str], tokens: Mapping[tuple[str, str], str | None]) -> None:
    """Let only a request pass that a known developer signed just now, for a seller who authorised that developer.

    Args:
        secrets: secret key by access key id.
        tokens: MWS auth token by (access key id, seller id); ``None`` for a seller's own keys.

    Raises:
        Refused: with the documented status and code.
    """
    params = request.params
    check_user_agent(request.headers.get("user-agent", ""))
    for name in ("Signature", "SignatureMethod", "SignatureVersion", "Timestamp"):
        request.text(name)
    if not request.seller_id:
        raise Refused(400, "MissingParameter", "The request must contain the parameter SellerId.")
    if params["SignatureVersion"] != "2":
        raise invalid("SignatureVersion", params["SignatureVersion"], "must be 2")
    if params["SignatureMethod"] not in _HASHES:
        raise invalid("SignatureMethod", params["SignatureMethod"], "must be HmacSHA256 or HmacSHA1")
    _check_timestamp(request)
    key_id = params["AWSAccessKeyId"]
    secret = secrets.get(key_id)
    if secret is None:
        raise Refused(403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
    wanted = expected_signature(
        request.method, request.host, request.path, request.pairs, secret, params["SignatureMethod"]
    )
    if not hmac.compare_digest(wanted.encode(), params["Signature"].encode()):
        raise Refused(
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
        )
    seller = (key_id, request.seller_id)
    if seller not in tokens or (params.get("MWSAuthToken") or None) != tokens[seller]:
        raise Refused(401, "AccessDenied", f"Access to {request.section}.{request.action} is denied")


def _check_timestamp(request: Request) -> None:
    text = request.params["Timestamp"]
    try:
        sent_at = datetime.fromisoformat(text)
    except ValueError:
        raise invalid("Timestamp", text, "must be in ISO 8601 format") from None
    sent_at = sent_at.replace(tzinfo=UTC) if sent_at.tzinfo is None else sent_at
    if abs(request.now - sent_at) > _LEEWAY:
        # "API errors" lists an expired request under InvalidParameterValue.
        raise Refused(
            400,
            "InvalidParameterValue",
            f"Request has expired. Timestamp date is {text}, the server's is {seconds_instant(request.now)}.",
        )
