"""Signature version 2 and the bytes on the wire."""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import unquote_to_bytes

import attrs
import httpx
import pytest
from hypothesis import given, strategies as st
from mws_support import CREDENTIALS, NOW, Amazon, client_of, envelope

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.marketplaces import AE
from amazon_ae._mws.requests import build_request
from amazon_ae._mws.signing import (
    canonical_query,
    content_md5,
    encode,
    sign,
    signed_query,
    signing_host,
    string_to_sign,
)
from amazon_ae._transport.http import check_endpoint
from amazon_ae._transport.user_agent import user_agent

_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"
SET_BY_THE_CLIENT = {
    *("", "AWSAccessKeyId", "Action", "MWSAuthToken", "SellerId"),
    *("Signature", "SignatureMethod", "SignatureVersion", "Timestamp", "Version"),
}
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def independent_signature(method: str, host: str, path: str, params: dict[str, str], secret: str) -> tuple[str, str]:
    """The rule once more, on bytes and without urllib: (query, signature)."""

    def quoted(text: str) -> bytes:
        return b"".join(bytes([byte]) if byte in _UNRESERVED else b"%%%02X" % byte for byte in text.encode())

    pairs = sorted((name.encode(), quoted(name) + b"=" + quoted(value)) for name, value in params.items())
    query = b"&".join(pair for _, pair in pairs)
    text = method.encode() + b"\n" + host.lower().encode() + b"\n" + path.encode() + b"\n" + query
    inner = hmac.HMAC(secret.encode(), text, hashlib.sha256)
    return query.decode(), base64.standard_b64encode(inner.digest()).decode()


def test_the_signature_of_the_published_example_is_reproduced() -> None:
    """The example of Amazon's signature version 2 documentation."""
    params = {
        "Action": "DescribeJobFlows",
        "Version": "2009-03-31",
        "AWSAccessKeyId": "AKIAIOSFODNN7EXAMPLE",
        "SignatureVersion": "2",
        "SignatureMethod": "HmacSHA256",
        "Timestamp": "2011-10-03T15:19:30",
    }
    text = string_to_sign("GET", "elasticmapreduce.amazonaws.com", "/", canonical_query(params))
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    assert sign(secret, text) == "i91nKc4PWAt0JJIdXwz9HxZCJDdiy6cf/Mj6vPxyYIs="


@given(
    st.dictionaries(texts.filter(lambda name: name != "Signature"), texts, max_size=8), st.text("abc+/é", min_size=1)
)
def test_any_parameters_are_signed_as_an_independent_implementation_signs_them(
    params: dict[str, str], secret: str
) -> None:
    """Query and signature agree on arbitrary Unicode."""
    query, signature = independent_signature("POST", "mws.amazonservices.ae", "/Orders/2013-09-01", params, secret)
    assert canonical_query(params) == query
    assert signed_query("POST", "mws.amazonservices.ae", "/Orders/2013-09-01", params, secret) == (
        f"{query}&Signature={encode(signature)}"
    )


@given(st.dictionaries(texts.filter(lambda name: name not in SET_BY_THE_CLIENT), texts))
def test_what_travels_is_what_was_signed(params: dict[str, str]) -> None:
    """Form body and feed URL hold the canonical query byte for byte, also after httpx has taken them."""
    for feed in (None, b"<feed/>"):
        wire = build_request(
            CREDENTIALS,
            endpoint=AE.mws_endpoint,
            section="Feeds",
            action="SubmitFeed",
            params=params,
            timestamp=NOW,
            agent="a/1 (Language=Python)",
            feed=feed,
        )
        request = httpx.Request("POST", wire.url, headers=wire.headers, content=wire.content)
        travels = request.content if feed is None else request.url.raw_path.partition(b"?")[2]
        signed, _, signature = travels.rpartition(b"&Signature=")
        text = string_to_sign("POST", "mws.amazonservices.ae", "/Feeds/2009-01-01", signed.decode())
        assert unquote_to_bytes(signature).decode() == sign(CREDENTIALS.secret_key, text)
        assert feed is None or request.content == feed


def test_names_are_sorted_by_their_bytes() -> None:
    """Id.10 before Id.2, capitals before small letters; an empty value keeps its equals sign; Signature is no part."""
    assert canonical_query({"b": "", "Id.2": "2", "Id.10": "10", "Signature": "x", "A b": "*~+/"}) == (
        "A%20b=%2A~%2B%2F&Id.10=10&Id.2=2&b="
    )


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        ("https://mws.amazonservices.ae", "mws.amazonservices.ae"),
        ("https://MWS.amazonservices.ae:443", "mws.amazonservices.ae"),
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("http://localhost:80", "localhost"),
        ("http://[::1]:8080", "[::1]:8080"),
    ],
)
def test_only_a_port_of_its_own_is_part_of_the_signed_host(endpoint: str, host: str) -> None:
    """No port unless non-standard."""
    assert signing_host(endpoint) == host


async def test_a_sandbox_port_is_signed_as_the_server_sees_it() -> None:
    """The Host header and the signed host agree for a sandbox on its own port."""
    amazon = Amazon(envelope("GetServiceStatus", "<Status>GREEN</Status>"))
    market = attrs.evolve(AE, mws_endpoint="http://localhost:8099")
    await client_of(amazon, marketplace=market).orders.service_status()
    (request,) = amazon.requests
    signed, _, signature = request.content.rpartition(b"&Signature=")
    text = string_to_sign("POST", request.headers["host"], "/Orders/2013-09-01", signed.decode())
    assert unquote_to_bytes(signature).decode() == sign(CREDENTIALS.secret_key, text)


@pytest.mark.parametrize(
    "endpoint",
    ["http://mws.amazonservices.ae", "http://127.0.0.1.evil.example", "ftp://localhost", "https://", "https://a/b",
     "https://user@host", "https://host:notaport", "mws.amazonservices.ae"],
)  # fmt: skip
def test_an_endpoint_that_would_leak_or_confuse_is_refused(endpoint: str) -> None:
    """Plain http is for this machine only; a path, a user or no host at all is a mistake."""
    with pytest.raises(ConfigurationError, match="endpoint"):
        check_endpoint(endpoint)


def test_a_lone_surrogate_is_refused_by_name() -> None:
    """No encoding can carry it."""
    with pytest.raises(ConfigurationError, match="surrogate"):
        canonical_query({"BuyerEmail": "\ud800"})


def test_md5_is_base64_of_the_raw_digest() -> None:
    """A known answer, and the empty body's."""
    assert content_md5(b"") == "1B2M2Y8AsgTpgAmY7PhCfg=="
    assert content_md5(b"mws") == "mA5nPbh1CSx9M3dbkr3Cyg=="


def test_the_user_agent_is_escaped_as_amazon_asks() -> None:
    r"""\ anywhere, / in the name, ( in the version, = in a key, ) and ; in a value."""
    header = user_agent(r"My/App\x", "1(beta", language="Python/3.11", Host="a;b)c")
    assert header == r"My\/App\\x/1\(beta (Language=Python/3.11; Host=a\;b\)c)"


@pytest.mark.parametrize("name", ["", "Größe", "line\nbreak", "x" * 600])
def test_a_user_agent_that_no_header_can_carry_is_refused(name: str) -> None:
    """Amazon answers 400 to a bad one, so it is not sent."""
    with pytest.raises(ConfigurationError, match="User-Agent"):
        user_agent(name, "1", language="Python")


async def test_the_common_parameters_cannot_be_overridden() -> None:
    """A call that brings its own SellerId is a mistake."""
    client = client_of(Amazon(b""))
    with pytest.raises(ConfigurationError, match="SellerId is set by the client"):
        await client.call("Orders", "GetServiceStatus", {"SellerId": "A2OTHER"})
