"""The life of a batch that one process carries: its phases, what can happen in each, and the phase that follows.

::

    OPENED ───SENT──> SENDING ──FEED_ACCEPTED──> SUBMITTED ──STORED──> PROCESSING ──ENDED──> REPORTING
                         │                           ^
                         └──NO_ANSWER──> UNANSWERED ─┴─FEED_FOUND

    OPENED      NOT_SENT                        ─┐
    SENDING     NOT_SENT, REFUSED, ANSWERED      │
    UNANSWERED  RESOLVED, GIVEN_UP               ├──> DECIDED ──SETTLED──> SETTLED
    PROCESSING  CANCELLED, GIVEN_UP              │
    REPORTING   REPORTED, GIVEN_UP              ─┘

In DECIDED each item's outcome is known. LEASE_LOST ends a batch from any phase: another process carries it. A batch
that is taken over begins in UNANSWERED, or in PROCESSING where the store has its feed id.

Each step makes one durable change. If it fails, or its process dies, the next pass, or the next process after the
lease, continues from the stored state. The quota slot is booked before the batch is settled: an unsettled batch owns an
unanswered slot.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

__all__ = ["TRANSITIONS", "BatchEvent", "BatchPhase", "IllegalTransition", "next_phase"]


class BatchPhase(Enum):
    """Where a batch is."""

    OPENED = auto()  # stored with its items, slot reserved; nothing has left
    SENDING = auto()  # the request is under way
    UNANSWERED = auto()  # the request may have arrived: Amazon's list and the orders are being checked
    SUBMITTED = auto()  # Amazon accepted the feed; its id is not stored yet
    PROCESSING = auto()  # the feed id is stored; its status is polled
    REPORTING = auto()  # the feed has ended; its report is fetched
    DECIDED = auto()  # every item has its outcome; none is stored yet
    SETTLED = auto()  # the outcomes are stored
    LOST = auto()  # another process took it over


class BatchEvent(Enum):
    """What can happen to a batch."""

    SENT = auto()  # the submit begins
    FEED_ACCEPTED = auto()  # the receipt names a feed
    ANSWERED = auto()  # the receipt has the outcomes: a route without feeds
    NOT_SENT = auto()  # the request surely never left
    REFUSED = auto()  # Amazon took nothing
    NO_ANSWER = auto()  # the request may have arrived
    FEED_FOUND = auto()  # the unanswered request became this feed
    RESOLVED = auto()  # the outcome of each item of an unanswered request was found
    STORED = auto()  # the feed id is durable
    ENDED = auto()  # Amazon is done with the feed
    CANCELLED = auto()  # Amazon cancelled the feed
    REPORTED = auto()  # the report was read
    GIVEN_UP = auto()  # Amazon's answer is no longer awaited
    SETTLED = auto()  # the outcomes are durable
    LEASE_LOST = auto()  # another process raised the fence


class IllegalTransition(RuntimeError):
    """The event cannot happen in this phase: a bug in the scheduler. The phase did not change."""


_P, _E = BatchPhase, BatchEvent

TRANSITIONS: Final[Mapping[BatchPhase, Mapping[BatchEvent, BatchPhase]]] = MappingProxyType(
    {
        _P.OPENED: {
            _E.SENT: _P.SENDING,
            _E.NOT_SENT: _P.DECIDED,
            _E.LEASE_LOST: _P.LOST,
        },
        _P.SENDING: {
            _E.FEED_ACCEPTED: _P.SUBMITTED,
            _E.ANSWERED: _P.DECIDED,
            _E.NOT_SENT: _P.DECIDED,
            _E.REFUSED: _P.DECIDED,
            _E.NO_ANSWER: _P.UNANSWERED,
            _E.LEASE_LOST: _P.LOST,
        },
        _P.UNANSWERED: {
            _E.FEED_FOUND: _P.SUBMITTED,
            _E.RESOLVED: _P.DECIDED,
            _E.GIVEN_UP: _P.DECIDED,
            _E.LEASE_LOST: _P.LOST,
        },
        _P.SUBMITTED: {
            _E.STORED: _P.PROCESSING,
            _E.LEASE_LOST: _P.LOST,
        },
        _P.PROCESSING: {
            _E.ENDED: _P.REPORTING,
            _E.CANCELLED: _P.DECIDED,
            _E.GIVEN_UP: _P.DECIDED,
            _E.LEASE_LOST: _P.LOST,
        },
        _P.REPORTING: {
            _E.REPORTED: _P.DECIDED,
            _E.GIVEN_UP: _P.DECIDED,
            _E.LEASE_LOST: _P.LOST,
        },
        _P.DECIDED: {
            _E.SETTLED: _P.SETTLED,
            _E.LEASE_LOST: _P.LOST,
        },
        _P.SETTLED: {},
        _P.LOST: {},
    }
)


def next_phase(phase: BatchPhase, event: BatchEvent) -> BatchPhase:
    """The phase after ``event``.

    Raises:
        IllegalTransition: ``event`` cannot happen in ``phase``.
    """
    try:
        return TRANSITIONS[phase][event]
    except KeyError:
        raise IllegalTransition(f"{event.name} cannot happen to a batch that is {phase.name}") from None
