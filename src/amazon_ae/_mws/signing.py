"""Signature version 2: the signed bytes are the bytes sent.

Source: MWS developer guide, "Query string" and "Signing a query request". Pure functions; no I/O.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from amazon_ae._exceptions import ConfigurationError

__all__ = ["canonical_query", "content_md5", "encode", "sign", "signed_query", "signing_host", "string_to_sign"]

# Ports that a signature leaves out of the host ("no port unless non-standard").
_STANDARD_PORTS = {"https": 443, "http": 80}


def encode(text: str) -> str:
    """Percent-encode: unreserved characters stay, all others become ``%XY`` of their UTF-8 bytes, a space ``%20``.

    Raises:
        ConfigurationError: the text holds a lone surrogate, which no encoding can carry.
    """
    try:
        return quote(text, safe="-_.~")
    except UnicodeEncodeError as error:
        raise ConfigurationError("a parameter holds a lone surrogate (broken Unicode): correct the text") from error


def canonical_query(params: Mapping[str, str]) -> str:
    """All parameters but ``Signature``, sorted by the bytes of their names, encoded and joined by ``&``."""
    names = sorted(
        (name for name in params if name != "Signature"), key=lambda name: name.encode("utf-8", "surrogatepass")
    )
    return "&".join(f"{encode(name)}={encode(params[name])}" for name in names)


def string_to_sign(method: str, host: str, path: str, query: str) -> str:
    """What the signature covers. ``host`` carries a port only where it is not the scheme's own."""
    return "\n".join((method.upper(), host.lower(), path or "/", query))


def sign(secret_key: str, text: str) -> str:
    """Base64 of HMAC-SHA256."""
    digest = hmac.new(secret_key.encode("utf-8"), text.encode("utf-8"), hashlib.sha256).digest()
    return base64.b64encode(digest).decode("ascii")


def signed_query(method: str, host: str, path: str, params: Mapping[str, str], secret_key: str) -> str:
    """The query or form body to send: the canonical query with ``Signature`` behind it."""
    query = canonical_query(params)
    return f"{query}&Signature={encode(sign(secret_key, string_to_sign(method, host, path, query)))}"


def signing_host(endpoint: str) -> str:
    """The host of a URL as it is signed: lower case, with a port only where it is not the standard one."""
    parts = urlsplit(endpoint)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    if parts.port is not None and parts.port != _STANDARD_PORTS.get(parts.scheme):
        return f"{host}:{parts.port}"
    return host


def content_md5(content: bytes) -> str:
    """Base64 of the raw MD5, as in ``ContentMD5Value`` and ``Content-MD5``."""
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode("ascii")
