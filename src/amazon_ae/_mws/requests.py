"""A request as it travels: built and signed in one place. Pure functions, no I/O.

Source: MWS developer guide, "Required request parameters", "User-Agent header"; Feeds API reference, "SubmitFeed".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

import attrs

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.marketplaces import MwsCredentials
from amazon_ae._mws.params import instant
from amazon_ae._mws.signing import signed_query, signing_host

__all__ = ["SECTIONS", "WireRequest", "build_request", "check_endpoint", "section_of", "user_agent"]

SECTIONS: Final[Mapping[str, str]] = {
    "Orders": "2013-09-01",
    "Feeds": "2009-01-01",
    "Reports": "2009-01-01",
    "Sellers": "2011-07-01",
    "EasyShip": "2018-09-01",
}
"""The sections this client knows, with their versions."""

_FORM: Final = "application/x-www-form-urlencoded; charset=utf-8"
_LONGEST_USER_AGENT: Final = 500


@attrs.frozen(kw_only=True)
class WireRequest:
    """What is sent: ``url`` and ``content`` hold exactly the bytes that were signed."""

    url: str = attrs.field(repr=False)
    headers: Mapping[str, str]
    content: bytes = attrs.field(repr=False)


def section_of(section: str) -> tuple[str, str]:
    """Name and version of ``"Orders"`` or, for a section that this client does not know, of ``"Products/2011-10-01"``.

    Raises:
        ConfigurationError: an unknown section without a version.
    """
    name, _, version = section.strip("/").partition("/")
    version = version or SECTIONS.get(name, "")
    if not name or not version or "/" in version:
        raise ConfigurationError(
            f"section {section!r}: give one of {', '.join(SECTIONS)}, or another as 'Name/version'"
        )
    return name, version


def check_endpoint(endpoint: str) -> str:
    """The endpoint without a trailing slash.

    Raises:
        ConfigurationError: it has a path, or it is not ``https``. Plain ``http`` is allowed for this machine only (a
            sandbox).
    """
    try:
        parts = urlsplit(endpoint)
        host = parts.hostname
        _ = parts.port  # raises for a port that is none
    except ValueError as error:
        raise ConfigurationError(f"MWS endpoint {endpoint!r} is not a URL: {error}") from error
    if not host or parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None:
        raise ConfigurationError(f"MWS endpoint must be scheme and host only, not {endpoint!r}")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise ConfigurationError(f"MWS endpoint must be https (http is for this machine only), not {endpoint!r}")
    return f"{parts.scheme}://{parts.netloc}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def user_agent(app_name: str, app_version: str, *, language: str, **attributes: str) -> str:
    """``AppName/Version (Language=...; Key=Value)``, escaped as Amazon asks.

    Raises:
        ConfigurationError: an empty name or version, a character that no header can carry, or more than 500 characters.
    """
    raw = (app_name, app_version, language, *attributes, *attributes.values())
    for part in raw:
        if not part or not part.isascii() or not part.isprintable():
            raise ConfigurationError(f"User-Agent: {part!r} must be printable ASCII and not empty")
    pairs = {"Language": language, **attributes}
    inside = "; ".join(f"{_escape(key, '=')}={_escape(value, ');')}" for key, value in pairs.items())
    header = f"{_escape(app_name, '/')}/{_escape(app_version, '(')} ({inside})"
    if len(header) > _LONGEST_USER_AGENT:
        raise ConfigurationError(
            f"User-Agent: at most {_LONGEST_USER_AGENT} characters are allowed, this has {len(header)}"
        )
    return header


def _escape(part: str, characters: str) -> str:
    for character in "\\" + characters:
        part = part.replace(character, "\\" + character)
    return part


def build_request(
    credentials: MwsCredentials,
    *,
    endpoint: str,
    section: str,
    action: str,
    params: Mapping[str, str],
    timestamp: datetime,
    agent: str,
    feed: bytes | None = None,
    content_type: str = _FORM,
) -> WireRequest:
    """Sign one POST. Parameters travel in the body; with ``feed`` they travel in the URL and the feed is the body.

    Args:
        params: flat, without the common ones.
        feed: the body of SubmitFeed.
        content_type: of ``feed``.
    """
    name, version = section_of(section)
    common = {
        "AWSAccessKeyId": credentials.access_key_id,
        "Action": action,
        "SellerId": credentials.seller_id,
        "SignatureMethod": "HmacSHA256",
        "SignatureVersion": "2",
        "Timestamp": instant(timestamp),
        "Version": version,
    }
    if credentials.auth_token:
        common["MWSAuthToken"] = credentials.auth_token
    if taken := sorted(common.keys() & params.keys()):
        raise ConfigurationError(f"{action}: {', '.join(taken)} is set by the client, not by the call")
    path = f"/{name}/{version}"
    query = signed_query("POST", signing_host(endpoint), path, {**params, **common}, credentials.secret_key)
    headers = {"User-Agent": agent, "Accept-Encoding": "gzip"}
    if feed is None:
        return WireRequest(
            url=f"{endpoint}{path}", headers={**headers, "Content-Type": _FORM}, content=query.encode("ascii")
        )
    return WireRequest(url=f"{endpoint}{path}?{query}", headers={**headers, "Content-Type": content_type}, content=feed)
