"""The rules of an item's life, as plain functions from a row to the next row.

::

    put      any            -> WAITING, or ACCEPTED where Amazon surely has that value already
    take     WAITING        -> IN_FLIGHT                         (only if nothing of the key is in flight)
    settle   IN_FLIGHT      -> ACCEPTED | REJECTED | UNKNOWN | WAITING
             WAITING        -> WAITING | ACCEPTED                (a newer value waited behind the one in flight)
    reject   WAITING        -> REJECTED                          (only if nothing of the key is in flight)
    resolve  REJECTED, UNKNOWN -> WAITING | ACCEPTED | forgotten
    requeue  ACCEPTED       -> WAITING                           (in flight: once more after its outcome)
    withdraw WAITING        -> ACCEPTED | forgotten              (only if nothing of the key is in flight)

A function that changes nothing returns the row object it was given (``put``: ``None``), so that a store writes only
new objects.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from amazon_ae._models.feeds import ItemOutcome, Outcome
from amazon_ae._models.stored import Change, ItemState, ReceiptState
from amazon_ae._storage.rows import ItemRow

__all__ = ["NewValue", "StoredState", "first_put", "put", "reject", "requeue", "resolve", "settle", "take", "withdraw"]

_WAITING = ItemState.WAITING.value
_IN_FLIGHT = ItemState.IN_FLIGHT.value
_ACCEPTED = ItemState.ACCEPTED.value
_REJECTED = ItemState.REJECTED.value
_UNKNOWN = ItemState.UNKNOWN.value


class StoredState(Protocol):
    """The state that ``put`` needs of a key: an ``ItemRow``, or the few columns that a store reads for it."""

    @property
    def version(self) -> int: ...
    @property
    def state(self) -> str: ...
    @property
    def put_at(self) -> int: ...
    @property
    def batch_id(self) -> str | None: ...
    @property
    def accepted_value(self) -> str | None: ...
    @property
    def in_doubt(self) -> int: ...


class NewValue(NamedTuple):
    """The values that a put writes to a row; code and message become ``""``, the rest of the row is kept."""

    version: int
    state: str
    value: str
    urgent: int
    reference: str | None
    put_at: int


def first_put(change: Change, now: int) -> NewValue:
    """A change for a key that the store has not seen."""
    return NewValue(1, _WAITING, change.value, int(change.urgent), change.reference, now)


def put(row: StoredState, change: Change, now: int, *, keep_first: bool) -> tuple[NewValue | None, ReceiptState]:
    """A change for a known key; ``None``: nothing is written."""
    if keep_first and row.state != _REJECTED:
        return None, ReceiptState.JOINED
    if change.value == row.accepted_value and row.batch_id is None and not row.in_doubt:
        # Amazon has it.
        if row.state == _ACCEPTED:
            return None, ReceiptState.UNCHANGED
        state, answer = _ACCEPTED, ReceiptState.UNCHANGED
    else:
        state, answer = _WAITING, ReceiptState.WAITING
    # Since when the key is unsent: a second change does not send it to the back of the queue.
    put_at = row.put_at if row.state == _WAITING else now
    return NewValue(row.version + 1, state, change.value, int(change.urgent), change.reference, put_at), answer


def take(row: ItemRow, batch_id: str) -> ItemRow:
    """The newest value leaves in a batch. The caller has checked that it waits and that nothing is in flight."""
    return row._replace(
        state=_IN_FLIGHT,
        batch_id=batch_id,
        flight_version=row.version,
        flight_value=row.value,
        flight_put_at=row.put_at,
    )


def settle(row: ItemRow, outcome: ItemOutcome, now: int) -> ItemRow:
    """Apply the outcome of the value in flight; a newer value that waited behind it can leave now."""
    newest = row.state == _IN_FLIGHT
    in_doubt = row.in_doubt | row.resend
    settled = row._replace(
        batch_id=None, flight_version=None, flight_value=None, flight_put_at=None, in_doubt=in_doubt, resend=0
    )
    match outcome.outcome:
        case Outcome.ACCEPTED | Outcome.ACCEPTED_WITH_WARNINGS:
            settled = settled._replace(
                accepted_version=row.flight_version,
                accepted_value=row.flight_value,
                accepted_at=now,
                in_doubt=row.resend,
            )
            if row.resend:
                # An older value may have reached Amazon after this one: the newest one leaves once more.
                return settled._replace(state=_WAITING, put_at=now if newest else row.put_at)
            if newest or row.value == row.flight_value:
                return settled._replace(state=_ACCEPTED, code=outcome.code, message=outcome.message)
            return settled
        case Outcome.REJECTED:
            if newest:
                return settled._replace(state=_REJECTED, code=outcome.code, message=outcome.message)
            return settled
        case Outcome.UNKNOWN:
            settled = settled._replace(in_doubt=1)
            if newest:
                return settled._replace(state=_UNKNOWN, code=outcome.code, message=outcome.message)
            return settled
        case Outcome.RETRY:
            put_at = row.put_at if row.flight_put_at is None else row.flight_put_at
            return settled._replace(state=_WAITING, put_at=put_at, in_doubt=1)


def reject(row: ItemRow, outcome: ItemOutcome) -> ItemRow:
    """The look-up refused it before it was sent."""
    if row.state != _WAITING or row.batch_id is not None:
        return row
    return row._replace(state=_REJECTED, code=outcome.code, message=outcome.message)


def resolve(row: ItemRow, outcome: Outcome, now: int) -> ItemRow | None:
    """The host decided a dead letter; ``None``: delete the row."""
    if row.state not in (_REJECTED, _UNKNOWN):
        return row
    if outcome is Outcome.RETRY:
        return row._replace(state=_WAITING, code="", message="")
    if outcome in (Outcome.ACCEPTED, Outcome.ACCEPTED_WITH_WARNINGS):
        return row._replace(
            state=_ACCEPTED,
            accepted_version=row.version,
            accepted_value=row.value,
            accepted_at=now,
            in_doubt=0,
            code="",
            message="",
        )
    if row.accepted_value is None:
        return None
    return row._replace(state=_ACCEPTED, value=row.accepted_value, code="", message="")


def requeue(row: ItemRow, now: int) -> ItemRow:
    """Send the newest value once more, although Amazon accepted it: an older one may have overwritten it there."""
    if row.batch_id is not None:
        return row if row.resend else row._replace(resend=1)
    if row.state == _WAITING:
        return row if row.in_doubt else row._replace(in_doubt=1)
    if row.state == _ACCEPTED:
        return row._replace(state=_WAITING, put_at=now, in_doubt=1, code="", message="")
    return row


def withdraw(row: ItemRow) -> ItemRow | None:
    """Drop a value that has not left: back to the last accepted one; ``None``: delete the row."""
    if row.state != _WAITING or row.batch_id is not None:
        return row
    if row.accepted_value is None:
        return None
    return row._replace(state=_ACCEPTED, value=row.accepted_value, code="", message="")
