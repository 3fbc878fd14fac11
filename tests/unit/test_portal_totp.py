"""One-time codes: every form of the secret, and the rules of using a code once."""

from __future__ import annotations

import base64
import hmac
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, strategies as st

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.marketplaces import PortalCredentials
from amazon_ae._portal.totp import TotpSecret, clock_skew_seconds, plan_code

BASE32 = "JBSWY3DPEHPK3PXP"
KEY = bytes.fromhex("48656c6c6f21deadbeef")
EXAMPLE_EXPORT = "otpauth-migration://offline?data=CjEKCkhlbGxvId6tvu8SGEV4YW1wbGU6YWxpY2VAZ29vZ2xlLmNvbRoHRXhhbXBsZTAC"
RASPBERRY_EXPORT = (
    "otpauth-migration://offline?data="
    "CjUKEPqlBekzoNEukL7qlsjBCDYSDnBpQHJhc3BiZXJyeXBpGgtyYXNwYmVycnlwaSABKAEwAhABGAEgACjr4JKK%2B%2F%2F%2F%2F%2F8B"
)
STEP_START = datetime(2021, 11, 18, 9, 0, tzinfo=UTC)  # a multiple of 30 s


@pytest.mark.parametrize(
    "text",
    [
        "JBSWY3DPEHPK3PXP",
        "jbsw y3dp ehpk 3pxp",
        "  JBSW-Y3DP-EHPK-3PXP ",
        "JBSWY3DPEHPK3PXP======",
        "otpauth://totp/Example:alice@google.com?secret=JBSWY3DPEHPK3PXP&issuer=Example",
        "otpauth://totp/Example%3Aalice%40google.com?secret=jbswy3dpehpk3pxp&issuer=Example",
        "otpauth://totp/Example%3A%20alice@google.com?secret=JBSW%20Y3DP%20EHPK%203PXP&issuer=Example",
        "OTPAUTH://TOTP/alice?secret=JBSWY3DPEHPK3PXP",
        "otpauth://totp/Amazon:me#1@x.ae?secret=JBSWY3DPEHPK3PXP&issuer=AMAZON",
        "otpauth://totp/amazon%20Seller:me?issuer=Amazon+seller&secret=JBSWY3DPEHPK3PXP",
        "otpauth://totp/Amazon%3Ame@x.ae?secret=JBSWY3DPEHPK3PXP&amp;issuer=amazon",
        "'otpauth://totp/me?secret=JBSWY3DPEHPK3PXP&digits=6'",
        "secret=JBSWY3DPEHPK3PXP",
        "secret=JBSWY3DPEHPK3PXP&issuer=Amazon&digits=6&period=30",
        "issuer=Amazon&secret=JBSWY3DPEHPK3PXP",
        "?secret=JBSW Y3DP EHPK 3PXP",
        "Secret: jbsw y3dp ehpk 3pxp",
        "my secret = 'JBSWY3DPEHPK3PXP';",
        '"secret": "JBSWY3DPEHPK3PXP",',
        '"JBSWY3DPEHPK3PXP"',
        "\u201cJBSW Y3DP EHPK 3PXP\u201d",
        "\u00abJBSW\u00a0Y3DP\u202fEHPK\u20033PXP\u00bb",
        "\ufeffJBSW\u200bY3DP\u2060EHPK\u00ad3PXP\u200f",
        "JBSW\u2011Y3DP\u2013EHPK\u20143PXP",
        "JBSWY3DP\ufe0fEHPK\u3164\u28003PXP\x00",
        "\uff2a\uff22\uff33\uff37Y3DPEHPK3PXP",
        "JBSW Y3DP\r\n\tEHPK 3PXP\n",
        EXAMPLE_EXPORT,
        f'"{EXAMPLE_EXPORT}"',
    ],
)
def test_every_form_of_the_secret_gives_the_same_key(text: str) -> None:
    """Spaces, hyphens, case, padding, an encoded colon and Google's export make no difference."""
    assert TotpSecret.parse(text) == TotpSecret(key=KEY)


def test_google_export_with_all_fields_is_read() -> None:
    """The second vector has a ten-byte varint (a negative batch id) and an encoded plus sign."""
    secret = TotpSecret.parse(RASPBERRY_EXPORT)
    assert base64.b32encode(secret.key).rstrip(b"=") == b"7KSQL2JTUDIS5EF65KLMRQIIGY"
    assert (secret.algorithm, secret.digits, secret.period) == ("SHA1", 6, 30)


def test_a_plus_that_became_a_space_is_repaired() -> None:
    """Form decoding turns an unencoded plus sign into a space; the export still reads."""
    assert TotpSecret.parse(RASPBERRY_EXPORT.replace("%2B", " ")) == TotpSecret.parse(RASPBERRY_EXPORT)
    assert TotpSecret.parse(RASPBERRY_EXPORT.replace("%2B", "+")) == TotpSecret.parse(RASPBERRY_EXPORT)


def test_parameters_of_the_uri_are_used() -> None:
    """Algorithm, digits and period of an otpauth address are kept."""
    secret = TotpSecret.parse(f"otpauth://totp/x?secret={BASE32}&algorithm=SHA256&digits=8&period=60")
    assert (secret.algorithm, secret.digits, secret.period) == ("SHA256", 8, 60)
    assert len(secret.code(1)) == 8


def _export(*entries: bytes) -> str:
    payload = b"".join(b"\x0a" + bytes([len(entry)]) + entry for entry in entries)
    return "otpauth-migration://offline?data=" + quote(base64.b64encode(payload))


def _entry(key: bytes, name: bytes, *, kind: int = 2, extra: bytes = b"") -> bytes:
    return b"\x0a" + bytes([len(key)]) + key + b"\x12" + bytes([len(name)]) + name + b"\x30" + bytes([kind]) + extra


def test_one_secret_is_picked_by_account_from_an_export_of_several() -> None:
    """With several secrets in one export the account's name decides; without it the export is refused."""
    export = _export(_entry(b"first-key", b"Bank:me@x.ae"), _entry(b"amazon-key", b"Amazon:Seller@x.ae"))
    assert TotpSecret.parse(export, account="seller@x.ae").key == b"amazon-key"
    with pytest.raises(ConfigurationError, match="2 secrets"):
        TotpSecret.parse(export)


def test_the_only_secret_of_an_export_needs_no_name() -> None:
    """People rename entries; counter-based ones and other services' exports do not count."""
    only = _entry(b"amazon-key", b"Panel")
    assert TotpSecret.parse(_export(only), account="seller@x.ae").key == b"amazon-key"
    assert TotpSecret.parse(_export(_entry(b"hotp", b"x", kind=1), only), account="seller@x.ae").key == b"amazon-key"
    with pytest.raises(ConfigurationError, match="for this account"):
        TotpSecret.parse(_export(only, _entry(b"other-key", b"Bank")), account="seller@x.ae")


def test_unknown_fields_of_an_export_are_skipped() -> None:
    """A newer app may add fields of any wire type."""
    extra = b"\x42\x02id" + b"\x4d\x00\x00\x00\x00" + b"\x51" + bytes(8) + b"\x58\x96\x01"
    assert TotpSecret.parse(_export(_entry(KEY, b"a", extra=extra))).key == KEY


@pytest.mark.parametrize(
    "text",
    [
        "not base32 at all 189",
        "",
        "----",
        "otpauth://hotp/a?secret=JBSWY3DPEHPK3PXP&counter=1",
        "otpauth://totp/a?issuer=x",
        "otpauth://totp/One:a?secret=JBSWY3DPEHPK3PXP&issuer=Two",
        "otpauth://totp/a?secret=JBSWY3DPEHPK3PXP&digits=x",
        "otpauth://totp/a?secret=JBSWY3DPEHPK3PXP&period=0",
        "otpauth://totp/a?secret=JBSWY3DPEHPK3PXP&algorithm=MD5",
        "otpauth-migration://offline?data=%%%",
        "otpauth-migration://offline?data=CjEKCkhlbGxv",
        "otpauth-migration://offline",
        _export(_entry(KEY, b"a", kind=1)),
        "https://example.com/?secret=JBSWY3DPEHPK3PXP",
        "secret=",
        "secret=JBSWY3DPEHPK3PX1",
        "otpauth://[JBSWY3DPEHPK3PXP",
        f"otpauth://totp/a?secret=JBSWY3DPEHPK3PXP&digits={'6' * 5000}",
        "/run/secrets/JBSWY3DPEHPK3PXP",
    ],
)
def test_a_bad_secret_is_refused_without_being_shown(text: str) -> None:
    """The error names the rule; neither it nor its traceback holds the secret."""
    with pytest.raises(ConfigurationError) as caught:
        TotpSecret.parse(text)
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
    own = [frame for frame in frames if not frame.filename.endswith("test_portal_totp.py")]
    shown = str(caught.value) + repr([frame.locals for frame in own])
    assert text not in shown or not text
    assert "JBSWY3DPEHPK3PX" not in shown
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize("text", ["AAAA", "AAAA BBBB", "secret=JBSW", "otpauth://totp/a?secret=AAAA", "JBSW Y3DP EHPK"])
def test_a_part_of_a_secret_is_refused(text: str) -> None:
    """One to three of Amazon's thirteen groups; the error says how many letters there are."""
    with pytest.raises(ConfigurationError, match=r"has (4|8|12) letters.*copy all"):
        TotpSecret.parse(text)


PICTURES: list[object] = [
    b"\x89PNG\r\n\x1a\n\x00\x00",
    b"\xff\xd8\xff\xe0\x00\x10JFIF",
    b"GIF89a",
    b"RIFF\x00\x00\x00\x00WEBP",
    b"\x00\x00\x00\x18ftypheic",
    bytearray(b"BM\x36"),
    Path("/home/me/qr.png"),
    Path("QR CODE.JPEG"),
    "/home/me/qr.png",
    "C:\\Users\\me\\Amazon QR.jpg",
    "file:///home/me/qr.webp",
    "https://example.com/qr.svg?size=200",
    '"qr.heic"',
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg==",
    "iVBORw0KGgoAAAANSUhEUg==",
    b"\x89PNG\r\n\x1a\n\x00".decode("latin-1"),
    b"\x89PNG\r\n\x1a\n\x00".decode("utf-8", "ignore"),
    b"\xff\xd8\xff\xe0".decode("latin-1"),
    '<svg xmlns="http://www.w3.org/2000/svg">',
]


@pytest.mark.parametrize("picture", PICTURES)
def test_a_picture_of_the_qr_code_says_how_to_get_its_text(picture: Any) -> None:
    """As a path, as bytes, as a data URI: at the credentials already."""
    with pytest.raises(ConfigurationError, match=r"picture of the QR code.*zbarimg.*can't scan the barcode"):
        PortalCredentials(email="me@x.ae", password="p", totp=picture)
    if isinstance(picture, str):
        with pytest.raises(ConfigurationError, match="picture of the QR code"):
            TotpSecret.parse(picture)


def test_other_bytes_are_no_picture() -> None:
    """A secret read in binary mode is refused as such."""
    with pytest.raises(ConfigurationError, match="must be a text, not bytes"):
        PortalCredentials(email="me@x.ae", password="p", totp=BASE32.encode())  # type: ignore[arg-type]


@given(st.binary(max_size=80))
def test_a_damaged_export_is_always_a_configuration_error(data: bytes) -> None:
    """Whatever the bytes, parsing ends with a secret or the one typed error."""
    try:
        secret = TotpSecret.parse("otpauth-migration://offline?data=" + quote(base64.b64encode(data)))
    except ConfigurationError:
        return
    assert secret.key


def test_the_key_is_not_in_the_repr() -> None:
    """A log line of the value gives nothing away."""
    assert "Hello" not in repr(TotpSecret(key=KEY))


def test_codes_are_those_of_rfc_6238() -> None:
    """The RFC's vectors (appendix B), truncated to the digits used."""
    secret = TotpSecret(key=b"12345678901234567890", digits=8)
    for seconds, code in [(59, "94287082"), (1111111109, "07081804"), (20000000000, "65353130")]:
        assert secret.code(secret.counter_at(datetime.fromtimestamp(seconds, UTC))) == code


def test_a_short_key_gives_the_code_of_rfc_4226() -> None:
    """Keys below pyotp's own minimum work too: computed here by hand from the RFC."""
    digest = hmac.new(KEY, (5).to_bytes(8, "big"), "sha1").digest()
    at = digest[-1] & 15
    by_hand = (int.from_bytes(digest[at : at + 4], "big") & 0x7FFFFFFF) % 1_000_000
    assert TotpSecret(key=KEY).code(5) == f"{by_hand:06}"


def test_a_code_is_used_at_once_early_in_its_step() -> None:
    """Ten seconds into a step there is nothing to wait for."""
    secret = TotpSecret(key=KEY)
    now = STEP_START + timedelta(seconds=10)
    plan = plan_code(secret, now, last_counter=None)
    assert (plan.wait_seconds, plan.counter) == (0.0, secret.counter_at(now))


def test_near_the_end_of_a_step_the_next_one_is_awaited() -> None:
    """With two seconds left the code would be stale on arrival; the next step is entered by two seconds."""
    secret = TotpSecret(key=KEY)
    now = STEP_START + timedelta(seconds=28)
    plan = plan_code(secret, now, last_counter=None)
    assert (plan.wait_seconds, plan.counter) == (4.0, secret.counter_at(now) + 1)


def test_a_used_counter_is_never_used_again() -> None:
    """The same step's code waits for the next step, even when another process used a later one."""
    secret = TotpSecret(key=KEY)
    now = STEP_START + timedelta(seconds=10)
    used = secret.counter_at(now)
    assert plan_code(secret, now, last_counter=used).wait_seconds == 22.0
    assert plan_code(secret, now, last_counter=used + 1).wait_seconds == 52.0


def test_a_clock_that_went_back_is_named() -> None:
    """A used counter an hour ahead is not waited for: the clock is wrong."""
    secret = TotpSecret(key=KEY)
    with pytest.raises(ConfigurationError, match="clock went back"):
        plan_code(secret, STEP_START, last_counter=secret.counter_at(STEP_START) + 120)


@given(
    st.integers(min_value=0, max_value=2**31),
    st.floats(min_value=0, max_value=29.999),
    st.integers(min_value=0, max_value=3),
)
def test_after_the_planned_wait_the_code_is_fresh_and_new(step: int, offset: float, ahead: int) -> None:
    """Whatever the instant: wait as told, plan again, and the code is unused and at least four seconds from its end."""
    secret = TotpSecret(key=KEY)
    now = datetime.fromtimestamp(step * 30 + offset, UTC)
    last = secret.counter_at(now) + ahead - 1
    first = plan_code(secret, now, last_counter=last)
    later = now + timedelta(seconds=first.wait_seconds + 0.001)
    again = plan_code(secret, later, last_counter=last)
    assert again.wait_seconds == 0.0
    assert again.counter > last
    assert (again.counter + 1) * 30 - later.timestamp() >= 4.0 - 0.002


def test_skew_is_local_minus_the_sites_date() -> None:
    """A clock 90 s ahead of the site's Date header has a skew of +90."""
    assert clock_skew_seconds("Thu, 18 Nov 2021 09:00:00 GMT", STEP_START + timedelta(seconds=90)) == 90.0
    assert clock_skew_seconds("rubbish", STEP_START) is None
    assert clock_skew_seconds(None, STEP_START) is None
