"""What a host may listen to: one typed sink, ``on_event: Callable[[Event], None]``.

Events carry numbers, ids and codes, never secrets, buyers or addresses. An exception in a sink is logged and dropped:
a broken dashboard must not stop parcels.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import attrs

from amazon_ae.models.documents import DocumentKind

__all__ = ["DocumentEvent", "Event", "EventSink", "SignInEvent"]


@attrs.frozen(kw_only=True)
class Event:
    """The root of all events. ``at`` is aware UTC; ``account`` is the seller account it concerns."""

    at: datetime
    account: str


EventSink = Callable[[Event], None]


@attrs.frozen(kw_only=True)
class SignInEvent(Event):
    """Audit: a sign-in to Seller Central ended, well or not. One per attempt.

    Attributes:
        outcome: ``"signed in"``, or the name of the error, e.g. ``"ChallengeRequired"``.
        detail: the kind of a challenge; ``""`` otherwise.
        pages: the pages seen, in order.
        typed: whether e-mail or password were typed (a session that was still good needs none).
        headed: whether a person could see and help.
        seconds: how long it took.
        skew_seconds: local clock minus the site's, where the site said its time.
    """

    outcome: str
    detail: str = ""
    pages: tuple[str, ...] = ()
    typed: bool = False
    headed: bool = False
    seconds: float = 0.0
    skew_seconds: float | None = None


@attrs.frozen(kw_only=True)
class DocumentEvent(Event):
    """Audit: one document was asked for, and came or not.

    Attributes:
        outcome: ``"ready"``, or the name of the error, e.g. ``"DocumentNotReady"``.
        size: bytes; 0 where none came.
        sha256: of the document; ``""`` where none came.
        seconds: how long it took.
    """

    order_id: str
    kind: DocumentKind
    outcome: str
    pages: int = 0
    size: int = 0
    sha256: str = ""
    seconds: float = 0.0
