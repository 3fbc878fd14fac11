"""``amazon-ae status``: shows what is queued, in flight and refused in a storage. It changes nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from amazon_ae._clocks import SystemClock
from amazon_ae._exceptions import AmazonAeError, ConfigurationError
from amazon_ae._models.feeds import ItemKind
from amazon_ae._models.plain import to_dict
from amazon_ae._models.stored import ItemState, QueueStats, StoredBatch, StoredItem
from amazon_ae._mws.throttles import mws_throttles
from amazon_ae._scheduling.late_feeds import LateFeed, late_prefix
from amazon_ae._scheduling.quota import Ledger
from amazon_ae._scheduling.status_cache import StatusCache

if TYPE_CHECKING:
    from amazon_ae._ports import Storage

__all__ = ["AccountStatus", "QuotaUse", "read_status", "show_status", "status_lines"]

_ACCOUNT: Final = re.compile(r"^[A-Z0-9]+/[A-Z]{2}(?=/)")
_LEDGER: Final = frozenset(("v", "now", "full_at", "spent", "open", "blocked_until"))
_MOST_LETTERS: Final = 50
_HOUR: Final = timedelta(hours=1)
# With items queued, a scheduler reads or writes something far more often than that, also where nothing may leave.
_AT_WORK: Final = timedelta(minutes=15)
_CLEAR: Final = "\x1b[H\x1b[2J"


@attrs.frozen(kw_only=True)
class QuotaUse:
    """The use of one quota.

    Attributes:
        name: the ledger's.
        last_hour: requests that were answered within the last hour.
        unanswered: requests whose answer is not known yet.
        free: requests that could leave now under Amazon's documented limits; ``None`` where they are not known here.
        blocked_until: Amazon admits none before, aware UTC; ``None`` if it did not say so.
    """

    name: str
    last_hour: int
    unanswered: int
    free: int | None = None
    blocked_until: datetime | None = None


@attrs.frozen(kw_only=True)
class AccountStatus:
    """The state of one account in storage.

    Attributes:
        account: e.g. ``"A1SELLER/AE"``.
        read_at: when it was read, aware UTC.
        queues: counts and ages, by kind.
        waits: what the queued items of a kind wait for; kinds without queued items are left out.
        last_seen_at: the last trace of a scheduler's work (a request, a status poll, a lease); ``None`` before any.
        batches: unsettled batches, oldest first.
        states: Amazon's word for feeds in flight, by feed id, where the last poll brought one.
        late: feeds that were given up before Amazon had ended them; Amazon is still asked about each.
        quotas: the use of each quota of the account's seller.
        dead_letters: (kind, item) of refused items and of those whose outcome is unknown, at most fifty of each kind.
    """

    account: str
    read_at: datetime
    queues: Mapping[ItemKind, QueueStats]
    waits: Mapping[ItemKind, str]
    last_seen_at: datetime | None
    batches: Sequence[StoredBatch]
    states: Mapping[str, str]
    late: Sequence[LateFeed]
    quotas: Sequence[QuotaUse]
    dead_letters: Sequence[tuple[ItemKind, StoredItem]]

    def to_dict(self) -> dict[str, Any]:
        """As JSON's own types."""
        return {
            "account": self.account,
            "read_at": self.read_at.isoformat(),
            "last_seen_at": None if self.last_seen_at is None else self.last_seen_at.isoformat(),
            "queues": {
                kind.value: {**to_dict(stats), "waits_for": self.waits.get(kind)} for kind, stats in self.queues.items()
            },
            "batches": [
                {**to_dict(batch), "amazon_says": self.states.get(batch.feed_id or "")} for batch in self.batches
            ],
            "late_feeds": [to_dict(late) for late in self.late],
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


def show_status(
    *, store: str, account: str | None, schema: str | None, watch_seconds: float | None, as_json: bool
) -> int:
    """Read one storage and print what is in it, once or every ``watch_seconds``.

    Args:
        store: a SQLite file, or a PostgreSQL address.
        account: only this one; ``None`` for every account that the storage knows.
        schema: PostgreSQL's schema, or SQLite's table prefix, where it is not the default.

    Returns:
        0; 1 where the storage cannot be read; 2 where the arguments name none.
    """
    clear = _CLEAR if watch_seconds is not None and not as_json and sys.stdout.isatty() else ""
    reports = _reports(store, account, schema, watch_seconds)

    async def next_report() -> Sequence[AccountStatus] | None:
        return await anext(reports, None)

    # Printed outside of the event loop: there Ctrl-C ends even a write to a pipe that nobody reads.
    with asyncio.Runner() as runner:
        try:
            while (found := runner.run(next_report())) is not None:
                if as_json:
                    print(json.dumps([status.to_dict() for status in found], ensure_ascii=False))
                else:
                    pages = "\n\n".join("\n".join(status_lines(status)) for status in found)
                    print(clear + (pages or "no account in this storage"))
                sys.stdout.flush()  # the reader of a pipe gets each report when it is made
        except ConfigurationError as error:
            print(f"amazon-ae status: {error}", file=sys.stderr)
            return 2
        except AmazonAeError as error:
            print(f"amazon-ae status: {error}", file=sys.stderr)
            return 1
        finally:
            runner.run(reports.aclose())
    return 0


async def _reports(
    store: str, account: str | None, schema: str | None, watch_seconds: float | None
) -> AsyncGenerator[Sequence[AccountStatus], None]:
    clock = SystemClock()
    async with _opened(store, schema) as storage:
        while True:
            accounts = [account] if account else await _accounts(storage)
            yield [await read_status(storage, name, clock.now()) for name in accounts]
            if watch_seconds is None:
                return
            await clock.sleep(watch_seconds)


async def read_status(storage: Storage, account: str, now: datetime) -> AccountStatus:
    """Read one account; nothing is changed."""
    letters = [(kind, item) for kind in ItemKind for item in await storage.dead(account, kind, limit=_MOST_LETTERS)]
    queues = {kind: await storage.stats(account, kind) for kind in ItemKind}
    batches = await storage.unfinished(account)
    cache = StatusCache.read(await storage.load(f"{account}/feeds"))
    ledgers = await _ledgers(storage, account.partition("/")[0])
    quotas = [_quota(name, text, now) for name, text in ledgers.items()]
    traces = [_instant(json.loads(text)["now"]) for text in ledgers.values()]
    traces += [batch.opened_at for batch in batches]
    traces += [cache.asked_at] if cache.asked_at is not None else []
    traces += [now] if any(batch.lease_until > now for batch in batches) else []
    last_seen_at = min(max(traces), now) if traces else None
    return AccountStatus(
        account=account,
        read_at=now,
        queues=queues,
        waits={
            kind: _waits_for(kind, quotas, batches, last_seen_at, now)
            for kind, queue in queues.items()
            if queue.waiting
        },
        last_seen_at=last_seen_at,
        batches=batches,
        states={feed_id: status.raw for feed_id, status in cache.states},
        late=await _late(storage, account),
        quotas=quotas,
        dead_letters=letters,
    )


def status_lines(status: AccountStatus) -> list[str]:
    """The report of one account, as plain lines."""
    now = status.read_at
    lines = [f"{status.account}, {now:%Y-%m-%d %H:%M:%S} UTC", ""]
    lines.append(f"  {'':10}{'queued':>8}{'urgent':>8}{'in flight':>11}{'refused':>9}{'unknown':>9}  oldest")
    for kind, stats in status.queues.items():
        oldest = "" if stats.oldest_at is None else f"{_age(now - stats.oldest_at)} ago"
        counts = f"{stats.waiting:8}{stats.urgent:8}{stats.in_flight:11}{stats.dead:9}{stats.unknown:9}"
        lines.append(f"  {kind.value:10}{counts}  {oldest}".rstrip())
    seen = "never" if status.last_seen_at is None else f"{_age(now - status.last_seen_at)} ago"
    lines.append(f"  a scheduler was last at work: {seen}")
    lines += [f"  queued {kind.value} items wait for {what}" for kind, what in status.waits.items()]
    lines += [f"  {_quota_line(quota)}" for quota in status.quotas]
    lines += [f"  {_batch_line(batch, status.states, now)}" for batch in status.batches]
    lines += [f"  {_late_line(late, now)}" for late in status.late]
    for kind, item in status.dead_letters:
        reason = " ".join(filter(None, (item.code, item.message.rstrip(".")))) or "no reason given"
        lines.append(f"  {kind.value} {item.key}: {item.state.value}: {reason}; {verb_for(kind, item)}")
    return lines


def verb_for(kind: ItemKind, item: StoredItem) -> str:
    """The call that settles a dead letter."""
    if kind is ItemKind.INVENTORY:
        return f"buffer.retry([{item.key!r}]) or buffer.drop([{item.key!r}])"
    if item.state is ItemState.UNKNOWN:
        return f"look at the order, then scheduler.resolve({item.key!r}, scheduled=True or False)"
    return f"scheduler.schedule_pickup({item.key!r}, ...) once its cause is gone"


def _waits_for(
    kind: ItemKind, quotas: Sequence[QuotaUse], batches: Sequence[StoredBatch], seen_at: datetime | None, now: datetime
) -> str:
    """The reason why queued items wait, as far as the storage shows it; ``scheduler.forecast()`` knows more."""
    if seen_at is None or now - seen_at > _AT_WORK:
        return "a scheduler: start a host of this account"
    blocked = [quota.blocked_until for quota in quotas if quota.blocked_until is not None]
    if blocked:
        return f"Amazon's quota, which admits no request before {max(blocked):%H:%M:%S} UTC"
    if any(quota.free == 0 for quota in quotas):
        return "a free quota slot"
    if any(batch.kind is kind for batch in batches):
        return "the batch in flight, or their turn in the quota"
    return "their turn in the quota"


def _quota_line(quota: QuotaUse) -> str:
    line = f"quota {quota.name}: {quota.last_hour} in the last hour, {quota.unanswered} unanswered"
    if quota.free is not None:
        line += f", {quota.free} free"
    return line if quota.blocked_until is None else f"{line}, blocked until {quota.blocked_until:%H:%M:%S} UTC"


def _batch_line(batch: StoredBatch, states: Mapping[str, str], now: datetime) -> str:
    size = _items(batch.size, batch.kind)
    since = _age(now - batch.opened_at)
    if batch.feed_id is None:
        return f"{size} sent {since} ago, no answer yet"
    said = f" ({state})" if (state := states.get(batch.feed_id)) else ""
    line = f"{size} in feed {batch.feed_id}{said}, waiting for Amazon's report for {since}"
    return line if now - batch.opened_at < _HOUR else f"{line}; scheduler.abandon({batch.feed_id!r}) gives it up"


def _late_line(late: LateFeed, now: datetime) -> str:
    name = f"feed {late.feed_id}" if late.feed_id else "a request that was never answered"
    return (
        f"{_items(len(late.keys), late.kind)} of {name}, given up {_age(now - late.since)} ago: Amazon is still asked"
    )


def _items(count: int, kind: ItemKind) -> str:
    return f"{count} {kind.value} item{'' if count == 1 else 's'}"


def _age(length: timedelta) -> str:
    seconds = max(0, int(length.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h" if seconds < 72 * 3600 else f"{seconds // 86400} days"


async def _accounts(storage: Storage) -> list[str]:
    return sorted({found[0] for name in await storage.names("") if (found := _ACCOUNT.match(name))})


async def _ledgers(storage: Storage, seller_id: str) -> dict[str, str]:
    """The quota ledgers of a seller: their documents by name."""
    found = {}
    for name in await storage.names(f"{seller_id}/"):
        text = await storage.load(name) or ""
        with contextlib.suppress(ValueError, AttributeError):
            if json.loads(text).keys() >= _LEDGER:
                found[name] = text
    return found


def _quota(name: str, text: str, now: datetime) -> QuotaUse:
    document = json.loads(text)
    blocked_until = _instant(document["blocked_until"])
    free = None
    if name.endswith("/SubmitFeed"):
        free = Ledger.read(text, mws_throttles().find("Feeds/SubmitFeed").rule(name), now).free
    return QuotaUse(
        name=name,
        last_hour=sum(_instant(at) > now - _HOUR for at, _ in document["spent"]),
        unanswered=len(document["open"]),
        free=free,
        blocked_until=blocked_until if blocked_until > now else None,
    )


async def _late(storage: Storage, account: str) -> list[LateFeed]:
    names = [name for kind in ItemKind for name in await storage.names(late_prefix(account, kind))]
    found = [LateFeed.read(await storage.load(name)) for name in names]
    return [late for late in found if late is not None]


def _instant(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC)


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

        # The pool logs each vain attempt to connect; the error that follows says it once.
        logging.getLogger("psycopg.pool").addHandler(logging.NullHandler())
        return PostgresStorage(store, create_schema=False, schema=schema or "amazon_ae", timeout_seconds=5)
    if "://" in store and not store.startswith("sqlite:"):
        raise ConfigurationError("--store is a SQLite file or a postgresql:// address")
    from amazon_ae._storage.sqlite.schema import DEFAULT_PREFIX
    from amazon_ae._storage.sqlite.store import SQLiteStorage

    path = store.removeprefix("sqlite:")
    if not Path(path).is_file():
        raise ConfigurationError(f"there is no storage at {path}")
    return SQLiteStorage(path, create_schema=False, prefix=schema or DEFAULT_PREFIX)
