"""Converts values of ``PostgresStorage`` to database rows and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from amazon_ae._models.feeds import ItemKind, ItemOutcome
from amazon_ae._models.stored import Change, ItemState, QueueStats, StoredBatch, StoredItem
from amazon_ae._storage.postgres.sql import COUNT_CAP

__all__ = ["changes_json", "outcomes_json", "to_batch", "to_item", "to_stats", "utc"]


def changes_json(changes: Sequence[Change]) -> str:
    """Keys, values, urgency and references as columns: half the work of one object per change."""
    return json.dumps(
        {
            "k": [item.key for item in changes],
            "v": [item.value for item in changes],
            "u": [item.urgent for item in changes],
            "r": [item.reference for item in changes],
        }
    )


def outcomes_json(outcomes: Mapping[str, ItemOutcome]) -> str:
    """``{key: [outcome, code, message]}``."""
    return json.dumps({key: [one.outcome.value, one.code, one.message] for key, one in outcomes.items()})


def utc(at: datetime | None) -> datetime | None:
    """The session's time zone is the server's or the host's choice; instants leave as UTC."""
    return None if at is None else at.astimezone(UTC)


def to_item(row: tuple[Any, ...]) -> StoredItem:
    """The item in a row of ``sql``'s item columns."""
    (key, state, version, value, urgent, reference, put_at, batch_id, feed_id, accepted_value, accepted_version,
     accepted_at, code, message) = row  # fmt: skip
    return StoredItem(
        key=key,
        state=ItemState(state),
        version=version,
        value=value,
        urgent=urgent,
        reference=reference,
        put_at=put_at.astimezone(UTC),
        batch_id=batch_id,
        feed_id=feed_id,
        accepted_value=accepted_value,
        accepted_version=accepted_version,
        accepted_at=utc(accepted_at),
        code=code,
        message=message,
    )


def to_batch(row: tuple[Any, ...], items: Iterable[tuple[str, int, str]] = ()) -> StoredBatch:
    """The batch in a row of ``sql``'s batch columns; ``items`` are (key, version, value) in any order."""
    batch_id, account, kind, fence, opened_at, lease_until, feed_id, submitted_at, size, route = row
    return StoredBatch(
        batch_id=batch_id,
        account=account,
        kind=ItemKind(kind),
        fence=fence,
        opened_at=opened_at.astimezone(UTC),
        lease_until=lease_until.astimezone(UTC),
        feed_id=feed_id,
        submitted_at=utc(submitted_at),
        items=tuple(sorted(items)),
        size=size,
        route=route,
    )


def to_stats(row: tuple[Any, ...]) -> QueueStats:
    """The counts and ages in the row of ``sql``'s ``stats``."""
    normal, urgent, in_flight, dead, unknown, oldest_normal_at, oldest_urgent_at = row
    return QueueStats(
        waiting=min(normal + urgent, COUNT_CAP),
        urgent=urgent,
        in_flight=in_flight,
        dead=dead,
        unknown=unknown,
        oldest_at=utc(min((at for at in (oldest_normal_at, oldest_urgent_at) if at), default=None)),
        oldest_urgent_at=utc(oldest_urgent_at),
    )
