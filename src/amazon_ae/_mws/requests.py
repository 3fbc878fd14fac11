"""Builds and signs the HTTP request of a call. Pure functions, no I/O.

Source: MWS developer guide, "Required request parameters"; Feeds API reference, "SubmitFeed".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.marketplaces import MwsCredentials
from amazon_ae._mws.params import instant_text
from amazon_ae._mws.signing import signed_query, signing_host
from amazon_ae._transport.http import WireRequest

__all__ = ["SECTIONS", "build_request", "section_of"]

SECTIONS: Final[Mapping[str, str]] = {
    "Orders": "2013-09-01",
    "Feeds": "2009-01-01",
    "Reports": "2009-01-01",
    "Sellers": "2011-07-01",
    "EasyShip": "2018-09-01",
}
"""The sections this client knows, with their versions."""

_FORM: Final = "application/x-www-form-urlencoded; charset=utf-8"


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
    """Sign one POST. Parameters are the form body; with ``feed`` they are the URL's query and the feed is the body.

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
        "Timestamp": instant_text(timestamp),
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
