"""One-time codes, worked out apart from the library under test: a mistake there must not hide behind the same one here.

Source: RFC 4226 (HOTP) with RFC 6238's time steps of 30 seconds, SHA-1, six digits: what Amazon's set-up uses.
"""

from __future__ import annotations

import hmac
from base64 import b32decode
from datetime import datetime

__all__ = ["STEP_SECONDS", "code_of", "step_of"]

STEP_SECONDS = 30


def step_of(instant: datetime) -> int:
    """The number of the 30-second step that holds this instant."""
    return int(instant.timestamp()) // STEP_SECONDS


def code_of(secret: str, step: int) -> str:
    """The six digits of one step. ``secret`` is Base32, spaces and lower case allowed."""
    plain = secret.replace(" ", "").replace("-", "").upper().rstrip("=")
    key = b32decode(plain + "=" * (-len(plain) % 8))
    digest = hmac.digest(key, step.to_bytes(8, "big"), "sha1")
    place = digest[-1] & 0xF
    return f"{(int.from_bytes(digest[place : place + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06d}"
