"""Compares the queues of watched accounts to find notices, for processes that cannot listen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from amazon_ae._models.feeds import ItemKind
from amazon_ae._storage.notices import Notice, queued, settled

if TYPE_CHECKING:
    from psycopg import AsyncCursor

    Cursor = AsyncCursor[tuple[Any, ...]]

__all__ = ["QueueState", "Queues", "changes", "read_queues"]


class QueueState(NamedTuple):
    """One account's queue of one kind.

    ``waiting`` counts up to 100; ``urgent``: any of it is; ``batches`` differs where unsettled batches differ.
    """

    waiting: int
    urgent: bool
    batches: str | None


Queues = Mapping[tuple[str, str], QueueState]
"""By account and kind."""


def changes(before: Queues, now: Queues) -> list[Notice]:
    """The notices for the difference between two states; none for an account that is new in the second.

    More waiting pickups, stock where none waited, or urgent stock where none was urgent: something can leave. Another
    set of batches, or fewer waiting items: keys may have an outcome.
    """
    notices: list[Notice] = []
    for (account, kind), state in now.items():
        last = before.get((account, kind))
        if last is None or state == last:
            continue
        grown = state.waiting > last.waiting and (kind == ItemKind.PICKUP or last.waiting == 0)
        if grown or (state.urgent and not last.urgent):
            notices.append(queued(account))
        if state.batches != last.batches or state.waiting < last.waiting:
            notices.append(settled(account, kind, ()))
    return notices


async def read_queues(cursor: Cursor, statement: bytes, accounts: Iterable[str]) -> Queues:
    """The queues of these accounts, in one statement whatever their number."""
    await cursor.execute(statement, {"accounts": list(accounts), "kinds": [kind.value for kind in ItemKind]})
    return {(account, kind): QueueState(*rest) for account, kind, *rest in await cursor.fetchall()}
