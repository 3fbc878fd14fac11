"""``amazon-ae status``: what is queued, in flight and refused in a storage, for those who wait. It changes nothing."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from amazon_ae._clocks import SystemClock
from amazon_ae._exceptions import AmazonAeError, ConfigurationError
from amazon_ae._models.feeds import ItemKind
from amazon_ae._models.plain import to_dict
from amazon_ae._models.stored import ItemState, QueueStats, StoredBatch, StoredItem

if TYPE_CHECKING:
    from amazon_ae._ports import Clock, Storage

__all__ = ["AccountStatus", "QuotaUse", "read_status", "show_status", "status_lines"]

_ACCOUNT: Final = re.compile(r"^[A-Z0-9]+/[A-Z]{2}(?=/)")
_LEDGER: Final = frozenset(("v", "now", "full_at", "spent", "open", "blocked_until"))
_MOST_LETTERS: Final = 50


@attrs.frozen(kw_only=True)
class QuotaUse:
    """How much of one quota was spent: requests within the last hour, and those whose answer is not known yet."""

    name: str
    last_hour: int
    unanswered: int


@attrs.frozen(kw_only=True)
class AccountStatus:
    """One account as the storage has it.

    Attributes:
        account: e.g. ``"A1SELLER/AE"``.
        read_at: when it was read, aware UTC.
        queues: counts and ages, by kind.
        batches: unsettled batches, oldest first.
        quotas: what was spent of each quota that mentions the account's seller.
        dead_letters: (kind, item) of refused items and of those whose outcome is unknown, at most fifty of each kind.
    """

    account: str
    read_at: datetime
    queues: Mapping[ItemKind, QueueStats]
    batches: Sequence[StoredBatch]
    quotas: Sequence[QuotaUse]
    dead_letters: Sequence[tuple[ItemKind, StoredItem]]

    def to_dict(self) -> dict[str, Any]:
        """As JSON's own types."""
        return {
            "account": self.account,
            "read_at": self.read_at.isoformat(),
            "queues": {kind.value: to_dict(stats) for kind, stats in self.queues.items()},
            "batches": [to_dict(batch) for batch in self.batches],
            "quotas": [to_dict(quota) for quota in self.quotas],
            "dead_letters": [
                {
                    "kind": kind.value,
                    "key": item.key,
                    "state": item.state.value,
                    "code": item.code,
                    "message": item.message,
                    "settle_with": verb_for(kind, item),
                }
                for kind, item in self.dead_letters
            ],
        }


async def show_status(
    *,
    store: str,
    account: str | None,
    schema: str | None,
    watch_seconds: float | None,
    as_json: bool,
    write: Callable[[str], object] = print,
    clock: Clock | None = None,
) -> int:
    """Read one storage and write what is in it, once or every ``watch_seconds``.

    Args:
        store: a SQLite file, or a PostgreSQL address.
        account: only this one; ``None`` for every account that the storage knows.
        schema: PostgreSQL's schema, or SQLite's table prefix, where it is not the default.

    Returns:
        0; 1 where the storage cannot be read; 2 where the arguments name none.
    """
    clock = clock or SystemClock()
    try:
        async with _opened(store, schema) as storage:
            while True:
                accounts = [account] if account else await _accounts(storage)
                found = [await read_status(storage, name, clock.now()) for name in accounts]
                if as_json:
                    write(json.dumps([status.to_dict() for status in found], ensure_ascii=False))
                else:
                    write(
                        "\n\n".join("\n".join(status_lines(status)) for status in found) or "no account in this storage"
                    )
                if watch_seconds is None:
                    return 0
                await clock.sleep(watch_seconds)
    except ConfigurationError as error:
        print(f"amazon-ae status: {error}", file=sys.stderr)
        return 2
    except AmazonAeError as error:
        print(f"amazon-ae status: {error}", file=sys.stderr)
        return 1


async def read_status(storage: Storage, account: str, now: datetime) -> AccountStatus:
    """Read one account; nothing is changed."""
    letters = [(kind, item) for kind in ItemKind for item in await storage.dead(account, kind, limit=_MOST_LETTERS)]
    return AccountStatus(
        account=account,
        read_at=now,
        queues={kind: await storage.stats(account, kind) for kind in ItemKind},
        batches=await storage.unfinished(account),
        quotas=await _quotas(storage, account.partition("/")[0]),
        dead_letters=letters,
    )


def status_lines(status: AccountStatus) -> list[str]:
    """The report of one account, as plain lines."""
    lines = [f"{status.account}, {status.read_at:%Y-%m-%d %H:%M:%S} UTC", ""]
    lines.append(f"  {'':10}{'queued':>8}{'urgent':>8}{'in flight':>11}{'refused':>9}{'unknown':>9}  oldest")
    for kind, stats in status.queues.items():
        oldest = "" if stats.oldest_at is None else f"{_age(status.read_at - stats.oldest_at)} ago"
        counts = f"{stats.waiting:8}{stats.urgent:8}{stats.in_flight:11}{stats.dead:9}{stats.unknown:9}"
        lines.append(f"  {kind.value:10}{counts}  {oldest}")
    lines += [
        f"  quota {quota.name}: {quota.last_hour} in the last hour, {quota.unanswered} unanswered"
        for quota in status.quotas
    ]
    lines += [f"  {_batch_line(batch, status.read_at)}" for batch in status.batches]
    for kind, item in status.dead_letters:
        reason = " ".join(filter(None, (item.code, item.message))) or "no reason given"
        lines.append(f"  {kind.value} {item.key}: {item.state.value}: {reason}; {verb_for(kind, item)}")
    return lines


def verb_for(kind: ItemKind, item: StoredItem) -> str:
    """The call that settles a dead letter."""
    if kind is ItemKind.INVENTORY:
        return f"buffer.retry([{item.key!r}]) or buffer.drop([{item.key!r}])"
    if item.state is ItemState.UNKNOWN:
        return f"look at the order, then scheduler.resolve({item.key!r}, scheduled=True or False)"
    return f"scheduler.schedule_pickup({item.key!r}, ...) once its cause is gone"


def _batch_line(batch: StoredBatch, now: datetime) -> str:
    size = f"{batch.size} {batch.kind.value} item{'' if batch.size == 1 else 's'}"
    since = _age(now - batch.opened_at)
    if batch.feed_id is None:
        return f"{size} sent {since} ago, no answer yet"
    return f"{size} in feed {batch.feed_id}, waiting for Amazon's report for {since}"


def _age(length: timedelta) -> str:
    seconds = max(0, int(length.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"


async def _accounts(storage: Storage) -> list[str]:
    return sorted({found[0] for name in await storage.names("") if (found := _ACCOUNT.match(name))})


async def _quotas(storage: Storage, seller_id: str) -> list[QuotaUse]:
    uses = []
    for name in await storage.names(f"{seller_id}/"):
        with contextlib.suppress(ValueError, TypeError, KeyError):
            document = json.loads(await storage.load(name) or "")
            if document.keys() >= _LEDGER:
                since = document["now"] - 3600 * 1_000_000
                recent = sum(at > since for at, _ in document["spent"])
                uses.append(QuotaUse(name=name, last_hour=recent, unanswered=len(document["open"])))
    return uses


@contextlib.asynccontextmanager
async def _opened(store: str, schema: str | None) -> AsyncIterator[Storage]:
    storage = _storage(store, schema)
    try:
        yield storage
    finally:
        await storage.aclose()


def _storage(store: str, schema: str | None) -> Storage:
    """The storage behind ``--store``; one that is not there is not made."""
    if store.startswith(("postgresql:", "postgres:")):
        from amazon_ae._storage.postgres.store import PostgresStorage

        return PostgresStorage(store, create_schema=False, schema=schema or "amazon_ae")
    from amazon_ae._storage.sqlite.schema import DEFAULT_PREFIX
    from amazon_ae._storage.sqlite.store import SQLiteStorage

    path = store.removeprefix("sqlite:")
    if not Path(path).is_file():
        raise ConfigurationError(f"there is no storage at {path}")
    return SQLiteStorage(path, create_schema=False, prefix=schema or DEFAULT_PREFIX)
