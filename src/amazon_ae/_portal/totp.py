"""One-time codes: parses the seller's secret in any form, and plans which code to use when.

The rules (RFC 6238; Amazon uses SHA1, 6 digits, 30 seconds):

1. A code belongs to a counter, ``unix time // period``. A counter is used once ever, by any process.
2. Near the end of a step the code may be stale on arrival: wait for the next step.
3. A refused code is followed by the next counter at the earliest, and after two refusals by nothing.
   A step that is waited for is entered by two seconds, so that a clock slightly ahead does not cause it to be typed too
   early.
4. Where the site's ``Date`` header and this clock differ by more than half a step, the error names the clock.

Nothing here reads the time or waits: the caller passes an instant in and gets seconds to wait back.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import parse_qs, unquote, unquote_to_bytes, urlsplit

import attrs
from pyotp.hotp import HOTP

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.hidden import sealed
from amazon_ae._models.qr_pictures import QR_PICTURE, looks_like_picture
from amazon_ae._models.text import clean_pasted

__all__ = ["CodePlan", "TotpSecret", "clock_skew_seconds", "is_ahead", "plan_code", "refused_codes_text"]

_DIGESTS: Final = {"SHA1": hashlib.sha1, "SHA256": hashlib.sha256, "SHA512": hashlib.sha512}
# Google Authenticator's export, message OtpParameters: enum values as numbers (0 means "not said").
_MIGRATION_ALGORITHMS: Final = {0: "SHA1", 1: "SHA1", 2: "SHA256", 3: "SHA512"}
_MIGRATION_DIGITS: Final = {0: 6, 1: 6, 2: 8}
_MIGRATION_TOTP: Final = 2
# The shortest keys in use have 10 bytes, Amazon's 32. Less than 8 are one to three groups of a pasted secret.
_LEAST_BYTES: Final = 8
_QUOTES: Final = "\"'`\u00b4\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a,;<>[](){}"
# Letters by their category, and drawn as nothing.
_FILLERS: Final = "\u115f\u1160\u2800\u3164\uffa0"
# A part of an address, or a line of a settings file.
_NAMED: Final = re.compile(r"(?:^|[^a-z])(secret[\"']*\s*[=:])", re.IGNORECASE)
_FRESH_SECONDS: Final = 4.0
_INSIDE_SECONDS: Final = 2.0
# A difference this small is the network's, not the clock's: ``Date`` has whole seconds and travels a while.
_SAME_TIME_SECONDS: Final = 5.0
# Beyond this many steps into the future a used counter cannot be another process's: this clock went back.
_MOST_STEPS_AHEAD: Final = 4


@attrs.frozen(kw_only=True)
class TotpSecret:
    """An authenticator's key and its parameters. The key is never shown.

    Attributes:
        key: the raw key bytes.
        algorithm: ``SHA1`` (Amazon's), ``SHA256`` or ``SHA512``.
        digits: 6 (Amazon's) to 8.
        period: seconds per step, 30 for Amazon.
    """

    key: bytes = attrs.field(repr=False)
    algorithm: str = "SHA1"
    digits: int = 6
    period: int = 30

    @classmethod
    @sealed
    def parse(cls, text: str, *, account: str | None = None) -> TotpSecret:
        """Parse a secret in any usual form.

        Base32 in groups as Amazon shows it, ``otpauth://totp/...``, a part of that (``secret=...&digits=6``), or
        Google Authenticator's ``otpauth-migration://offline?data=...``; with quotes, blanks, dashes and invisible
        characters around and within.

        Args:
            account: picks one entry by its name where an export holds several; case and ``issuer:`` do not count.

        Raises:
            ConfigurationError: the text is none of these, or holds no single time-based secret. Neither the message
                nor a frame of its traceback shows the text.
        """
        if looks_like_picture(text):
            raise ConfigurationError(f"totp: {QR_PICTURE}")
        # "&amp;": copied out of the source of a web page.
        text = clean_pasted(text).strip(_QUOTES + " ").replace("&amp;", "&")
        scheme = text.partition(":")[0].strip().lower() if "://" in text else ""
        try:
            if scheme == "otpauth":
                return _from_uri(text)
            if scheme == "otpauth-migration":
                return _from_migration(text, account)
            if not scheme and (named := _NAMED.search(text)):
                return _from_query(text[text.rfind("?", 0, named.start(1)) + 1 :].replace(":", "="))
        except ValueError as error:
            if isinstance(error, ConfigurationError):
                raise
            raise ConfigurationError("totp: the address cannot be read; copy it again") from None
        if scheme or "/" in text or "\\" in text:
            raise ConfigurationError(
                "totp: expected a Base32 secret, otpauth:// or otpauth-migration://, not another address or a path"
            )
        return cls(key=_base32(text))

    def counter_at(self, instant: datetime) -> int:
        """The step of ``instant`` (aware)."""
        return int(instant.timestamp() // self.period)

    def code(self, counter: int) -> str:
        """The code of one step."""
        # HMAC fills a short key up with zeros, so this changes no code; pyotp refuses keys of less than 14 bytes.
        secret = base64.b32encode(self.key.ljust(20, b"\0")).decode("ascii")
        return HOTP(secret, digits=self.digits, digest=_DIGESTS[self.algorithm]).at(counter)


@attrs.frozen(kw_only=True)
class CodePlan:
    """Wait ``wait_seconds``, then plan again; at 0 use ``counter`` now (and remember it before the code is typed)."""

    wait_seconds: float
    counter: int


def plan_code(
    secret: TotpSecret, now: datetime, *, last_counter: int | None, fresh_seconds: float = _FRESH_SECONDS
) -> CodePlan:
    """The step whose code may be typed, and how long to wait for it.

    Args:
        now: the present instant, aware.
        last_counter: the newest counter ever used for this secret by any process; ``None`` if none was.
        fresh_seconds: with less than this left of a step, the next one is used.

    Raises:
        ConfigurationError: ``last_counter`` lies minutes in the future: this machine's clock went back. Set the clock.
    """
    seconds = now.timestamp()
    counter = secret.counter_at(now)
    if (counter + 1) * secret.period - seconds < fresh_seconds:
        counter += 1
    if last_counter is not None and last_counter >= counter:
        counter = last_counter + 1
    if is_ahead(secret, counter - 1, now):
        behind = counter * secret.period - seconds
        raise ConfigurationError(
            f"totp: a code {behind:.0f} s in the future was used already: this machine's clock went back; set the clock"
        )
    inside = _INSIDE_SECONDS if counter > secret.counter_at(now) else 0.0
    return CodePlan(wait_seconds=max(0.0, counter * secret.period + inside - seconds), counter=counter)


def is_ahead(secret: TotpSecret, counter: int, now: datetime) -> bool:
    """Whether a used counter lies so far in the future that a wrong clock must have made it."""
    return counter + 1 - secret.counter_at(now) > _MOST_STEPS_AHEAD


def refused_codes_text(skew_seconds: float | None) -> str:
    """The likely reason why Amazon refused two codes: the clocks if they differ, else the secret."""
    if skew_seconds is not None and abs(skew_seconds) > _SAME_TIME_SECONDS:
        side = "ahead of" if skew_seconds > 0 else "behind"
        return (
            f"Amazon refused the one-time code, and this machine's clock is {abs(skew_seconds):.0f} s {side} Amazon's: "
            "set the clock, then call login() once"
        )
    return (
        "Amazon refused two one-time codes: the authenticator secret is wrong, or another program types the same "
        "codes; correct it, then call login() once"
    )


def clock_skew_seconds(date_header: str | None, now: datetime) -> float | None:
    """Local clock minus the site's ``Date`` header, positive when the local clock is ahead; ``None`` without a date."""
    if not date_header:
        return None
    try:
        theirs = parsedate_to_datetime(date_header)
    except ValueError:
        return None
    if theirs.tzinfo is None:
        theirs = theirs.replace(tzinfo=UTC)
    return (now - theirs).total_seconds()


def _base32(text: str) -> bytes:
    letters = "".join(sign for sign in unicodedata.normalize("NFKC", text) if _counts(sign)).rstrip("=").upper()
    try:
        key = base64.b32decode(letters + "=" * (-len(letters) % 8))
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ConfigurationError(
            "totp: the secret is not Base32: letters A-Z and digits 2-7, in groups; there is no 0, 1, 8 or 9 in it"
        )
    if len(key) < _LEAST_BYTES:
        raise ConfigurationError(
            f"totp: the secret has {len(letters)} letters, and Amazon's have more: copy all of its groups"
        )
    return key


def _counts(sign: str) -> bool:
    """Whether a character is part of the secret: not a blank, a dash, a quote or an invisible one."""
    category = unicodedata.category(sign)
    return not (sign.isspace() or sign in _QUOTES + _FILLERS or category[0] in "CMZ" or category in ("Pd", "Pi", "Pf"))


def _from_uri(text: str) -> TotpSecret:
    # A "#" belongs to the account's name: these addresses have no fragment.
    parts = urlsplit(text, allow_fragments=False)
    if parts.netloc.lower() != "totp":
        raise ConfigurationError("totp: the otpauth:// address is not of type totp")
    # The label is "issuer:account"; the colon may be written %3A, so unquote first.
    issuer, colon, _ = unquote(parts.path.lstrip("/")).partition(":")
    return _from_query(parts.query, issuer=issuer if colon else "")


def _from_query(text: str, *, issuer: str = "") -> TotpSecret:
    """The parameters of an ``otpauth://`` address; ``issuer`` is the one of its label."""
    query = {
        name.strip(_QUOTES + " ").rpartition(" ")[2].lower(): values[-1] for name, values in parse_qs(text).items()
    }
    if issuer and "issuer" in query and _plain(issuer) != _plain(query["issuer"]):
        raise ConfigurationError("totp: the two issuers of the otpauth:// address differ")
    algorithm = query.get("algorithm", "SHA1").strip(_QUOTES + " ").upper().replace("-", "").removeprefix("HMAC")
    digits, period = _number(query, "digits", 6), _number(query, "period", 30)
    if algorithm not in _DIGESTS or digits not in (6, 7, 8) or not 0 < period <= 300:
        raise ConfigurationError("totp: unknown algorithm, digits or period in the otpauth:// address")
    return TotpSecret(key=_base32(query.get("secret", "")), algorithm=algorithm, digits=digits, period=period)


def _plain(issuer: str) -> str:
    """An issuer as it is compared: one of the two is often encoded or capitalised in another way."""
    return " ".join(unicodedata.normalize("NFKC", issuer).replace("+", " ").split()).casefold()


def _number(query: dict[str, str], name: str, default: int) -> int:
    value = query.get(name, str(default)).strip(_QUOTES + " ")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 4 else -1


def _from_migration(text: str, account: str | None) -> TotpSecret:
    raw = next((item[5:] for item in urlsplit(text).query.split("&") if item.startswith("data=")), "")
    # A "+" that nobody encoded reads as a space after form decoding; some exporters use the URL-safe alphabet.
    letters = unquote_to_bytes(raw).replace(b" ", b"+").replace(b"-", b"+").replace(b"_", b"/").rstrip(b"=")
    try:
        payload = base64.b64decode(letters + b"=" * (-len(letters) % 4), validate=True)
        entries = [_entry(value) for field, value in _fields(payload) if field == 1 and isinstance(value, bytes)]
    except (binascii.Error, ValueError):
        raise ConfigurationError("totp: the otpauth-migration:// export is damaged; export it again") from None
    every = [(name, secret) for name, secret in entries if secret]
    # The only one needs no name: people rename entries, and not every login is an e-mail.
    found = [secret for name, secret in every if len(every) == 1 or account is None or _same(name, account)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise ConfigurationError("totp: the otpauth-migration:// export holds no time-based secret for this account")
    raise ConfigurationError(f"totp: the otpauth-migration:// export holds {len(found)} secrets; export only Amazon's")


def _same(name: str, account: str) -> bool:
    return name.rpartition(":")[2].strip().casefold() == account.strip().casefold()


def _entry(data: bytes) -> tuple[str, TotpSecret | None]:
    values = dict(_fields(data))
    key, name = values.get(1, b""), values.get(2, b"")
    if not isinstance(key, bytes) or not isinstance(name, bytes):
        raise ValueError("wrong wire type")
    algorithm, digits = values.get(4, 0), values.get(5, 0)
    known = algorithm in _MIGRATION_ALGORITHMS and digits in _MIGRATION_DIGITS
    secret = None
    if len(key) >= _LEAST_BYTES and known and values.get(6, 0) == _MIGRATION_TOTP:
        secret = TotpSecret(
            key=key, algorithm=_MIGRATION_ALGORITHMS[int(algorithm)], digits=_MIGRATION_DIGITS[int(digits)]
        )
    return name.decode("utf-8", "replace"), secret


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Protocol Buffers' wire format: (field number, varint or bytes), unknown fields included."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield tag >> 3, value
            continue
        if wire == 2:
            size, at = _varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError("unknown wire type")
        if at + size > len(data):
            raise ValueError("truncated")
        yield tag >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    # A 64-bit number takes at most ten bytes of seven bits.
    for index in range(at, min(at + 10, len(data))):
        value |= (data[index] & 0x7F) << shift
        shift += 7
        if data[index] < 0x80:
            return value, index + 1
    raise ValueError("truncated")
