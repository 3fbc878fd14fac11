"""Shared by the stores: the row of an item, instants as integers, and the checks of a caller's arguments."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from amazon_ae._exceptions import ConfigurationError, StorageError
from amazon_ae._models.feeds import ItemKind, ItemOutcome, Outcome
from amazon_ae._models.stored import Change, ItemState, Receipt, ReceiptState, StoredBatch, StoredItem

__all__ = [
    "BatchRow",
    "ItemRow",
    "by_key",
    "can_be_kept",
    "check_changes",
    "check_ledger",
    "check_resolution",
    "check_storable",
    "from_micros",
    "lease_end",
    "micros",
    "outcomes_of",
    "prefix_end",
    "receipts_in_order",
]

# Characters that a database may refuse or cut: NUL, and halves of surrogate pairs, which have no UTF-8 form.
_UNFIT: Final = re.compile("[\x00\ud800-\udfff]")
_INSTEAD: Final = "\ufffd"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def micros(at: datetime) -> int:
    """An aware instant as whole microseconds since 1970 UTC: exact, and compared as the instant is."""
    return (at - _EPOCH) // _MICROSECOND


def from_micros(value: int) -> datetime:
    """Read back what ``micros`` made, aware UTC.

    Raises:
        StorageError: it is none; the database was damaged, or written to by something else.
    """
    try:
        return _EPOCH + timedelta(microseconds=value)
    except (TypeError, ValueError, OverflowError):
        raise StorageError(f"the database holds no instant where one belongs: {value!r}") from None


def lease_end(now: datetime, lease_seconds: float) -> int:
    """When a lease of ``lease_seconds`` from ``now`` on runs out, in ``micros``."""
    return micros(now + timedelta(seconds=lease_seconds))


def _state(text: str) -> ItemState:
    try:
        return ItemState(text)
    except ValueError:
        raise StorageError(
            f"the database holds an item in the state {text!r}, which this library does not know"
        ) from None


def _kind(text: str) -> ItemKind:
    try:
        return ItemKind(text)
    except ValueError:
        raise StorageError(f"the database holds items of the kind {text!r}, which this library does not know") from None


class ItemRow(NamedTuple):
    """One item as a store keeps it: a newest value, at most one value in flight, and what was last accepted.

    A plain tuple, since 100,000 of them pass between driver and ``transitions`` in one call. Instants are ``micros``.

    Invariants: ``batch_id`` is set exactly while a value is in flight. ``state`` is that of the newest value:
    ``IN_FLIGHT``: the newest value is the one in flight; ``WAITING`` with a ``batch_id``: it waits behind an older one.
    ``ACCEPTED`` means ``value == accepted_value``. ``in_doubt``: Amazon may hold another value than the last accepted.
    ``resend``: after the outcome of the value in flight, the newest value leaves once more, even if it was accepted.
    ``id`` is the store's own number of the row, growing with the first put.
    """

    account: str
    kind: str
    key: str
    version: int
    state: str
    value: str
    urgent: int
    reference: str | None
    put_at: int
    batch_id: str | None = None
    flight_version: int | None = None
    flight_value: str | None = None
    flight_put_at: int | None = None
    accepted_version: int | None = None
    accepted_value: str | None = None
    accepted_at: int | None = None
    in_doubt: int = 0
    code: str = ""
    message: str = ""
    resend: int = 0
    id: int = 0

    def to_item(self, feed_id: str | None = None) -> StoredItem:
        """The item as a caller sees it; ``feed_id`` is its batch's."""
        return StoredItem(
            key=self.key,
            state=_state(self.state),
            version=self.version,
            value=self.value,
            urgent=bool(self.urgent),
            reference=self.reference,
            put_at=from_micros(self.put_at),
            batch_id=self.batch_id,
            feed_id=feed_id,
            accepted_value=self.accepted_value,
            accepted_version=self.accepted_version,
            accepted_at=None if self.accepted_at is None else from_micros(self.accepted_at),
            code=self.code,
            message=self.message,
        )


class BatchRow(NamedTuple):
    """One unsettled batch as a store keeps it. Instants are ``micros``; ``size`` counts the items it still carries."""

    batch_id: str
    account: str
    kind: str
    fence: int
    opened_at: int
    lease_until: int
    feed_id: str | None
    submitted_at: int | None
    size: int
    route: str = ""

    def to_batch(self, items: Iterable[tuple[str, int, str]] = ()) -> StoredBatch:
        """The batch as a caller sees it; ``items`` are (key, version, value) in any order."""
        return StoredBatch(
            batch_id=self.batch_id,
            account=self.account,
            kind=_kind(self.kind),
            fence=self.fence,
            opened_at=from_micros(self.opened_at),
            lease_until=from_micros(self.lease_until),
            feed_id=self.feed_id,
            submitted_at=None if self.submitted_at is None else from_micros(self.submitted_at),
            items=tuple(sorted(items)),
            size=self.size,
            route=self.route,
        )


def check_storable(name: str, text: str) -> None:
    """Refuse a name that a database cannot keep: empty, or with a NUL or half a surrogate pair.

    Raises:
        ConfigurationError: the message names the text and the reason; fix the call.
    """
    if not text:
        raise ConfigurationError(f"{name} must not be empty")
    if text.isascii():
        if "\x00" in text:
            raise ConfigurationError(f"{name} must not hold a NUL character: {text[:60]!r}")
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigurationError(f"{name} is not valid Unicode text (half a surrogate pair): {text[:60]!r}") from None
    if "\x00" in text:
        raise ConfigurationError(f"{name} must not hold a NUL character: {text[:60]!r}")


def can_be_kept(text: str) -> bool:
    """Whether a database can keep it. A text that it cannot keep was never put."""
    return _UNFIT.search(text) is None


def check_changes(account: str, changes: Sequence[Change], *, keep_first: bool) -> dict[str, Change]:
    """The change that counts for each key, by key, in the order of first mention; every text is checked.

    Raises:
        ConfigurationError: an account, key, value or reference that no database can keep.
    """
    check_storable("account", account)
    counts: dict[str, Change] = {}
    for change in changes:
        check_storable("key", change.key)
        check_storable("value", change.value)
        if change.reference:
            check_storable("reference", change.reference)
        if not (keep_first and change.key in counts):
            counts[change.key] = change
    return counts


def receipts_in_order(
    changes: Sequence[Change], receipts: Mapping[str, Receipt], *, keep_first: bool
) -> Sequence[Receipt]:
    """One receipt for each change, in order, from one for each key."""
    if not keep_first or len(changes) == len(receipts):
        return [receipts[change.key] for change in changes]
    seen: set[str] = set()
    answer: list[Receipt] = []
    for change in changes:
        receipt = receipts[change.key]
        answer.append(Receipt(change.key, receipt.version, ReceiptState.JOINED) if change.key in seen else receipt)
        seen.add(change.key)
    return answer


def check_ledger(ledger: str | None, admit: Callable[[str | None, datetime], str | None] | None, limit: int) -> None:
    """``ledger`` and ``admit`` go together, and a batch holds at least one item.

    Raises:
        ConfigurationError: one without the other, or a limit below 1.
    """
    if (ledger is None) != (admit is None):
        raise ConfigurationError("ledger and admit go together: give both or neither")
    if limit < 1:
        raise ConfigurationError(f"limit must be at least 1, not {limit}")


def by_key(outcomes: Collection[ItemOutcome]) -> dict[str, ItemOutcome]:
    """Outcomes by key; the last one of a key counts.

    Amazon's text is kept as far as any database can keep it: an odd character must not leave a batch unsettled
    forever. Characters that no database can keep become U+FFFD. An outcome whose key has one belongs to no item: left
    out.
    """
    kept: dict[str, ItemOutcome] = {}
    for outcome in outcomes:
        key, code, message = outcome.key, outcome.code, outcome.message
        if not can_be_kept(f"{key}{code}{message}"):
            if not can_be_kept(key):
                continue
            outcome = ItemOutcome(key, outcome.outcome, _UNFIT.sub(_INSTEAD, code), _UNFIT.sub(_INSTEAD, message))
        kept[key] = outcome
    return kept


def check_resolution(outcome: Outcome) -> None:
    """A dead letter is resolved by a sure outcome or by another try.

    Raises:
        ConfigurationError: for UNKNOWN, which resolves nothing.
    """
    if outcome is Outcome.UNKNOWN:
        raise ConfigurationError("UNKNOWN resolves nothing: say RETRY, ACCEPTED or REJECTED")


def outcomes_of(keys: Iterable[str], outcomes: Mapping[str, ItemOutcome]) -> Sequence[ItemOutcome]:
    """The outcomes that ``settle`` applied to these keys, sorted by key: RETRY where there was none."""
    return [outcomes.get(key) or ItemOutcome(key, Outcome.RETRY) for key in sorted(keys)]


def prefix_end(prefix: str) -> str | None:
    """The first text, by code points, after every text that begins with ``prefix``; ``None`` where there is none."""
    while prefix:
        last = ord(prefix[-1]) + 1
        if last == 0xD800:
            last = 0xE000  # halves of surrogate pairs are in no stored text
        if last <= 0x10FFFF:
            return prefix[:-1] + chr(last)
        prefix = prefix[:-1]
    return None
