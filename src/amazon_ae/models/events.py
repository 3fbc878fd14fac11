"""What a host may listen to: one typed sink, ``on_event: Callable[[Event], None]``.

Events carry numbers, ids and codes, never secrets, buyers or addresses. An exception in a sink is logged and dropped:
a broken dashboard must not stop parcels.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import attrs

__all__ = ["Event", "EventSink"]


@attrs.frozen(kw_only=True)
class Event:
    """The root of all events. ``at`` is aware UTC; ``account`` is the seller account it concerns."""

    at: datetime
    account: str


EventSink = Callable[[Event], None]
