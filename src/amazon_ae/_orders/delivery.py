"""Delivers orders to the host: each version once, with its items, by one process at a time.

Open orders stay in memory. A poll lists what changed, ended orders included, so what it does not list is unchanged and
comes again from here without a request; its items are asked for once per version.

What one order alone spoils costs that order alone. An outage looks the same at first, so ``_orders.suspects`` tells the
two apart.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Sequence
from typing import Final

import attrs

from amazon_ae._exceptions import AmazonAeError, RequestExpired, SignatureMismatch
from amazon_ae._models.events import ClockRefused, Event, EventSink, OrderCancelled, OrderUnreadable
from amazon_ae._models.orders import Order, OrderItem, UnreadableOrder
from amazon_ae._models.text import invisible_edge
from amazon_ae._orders.suspects import Suspects, is_of_one_order, may_be_of_one_order
from amazon_ae._orders.versions import VersionStore
from amazon_ae._orders.windows import UNDATED, order_id_of, version_of
from amazon_ae._ports import Clock, OrderGateway

__all__ = ["CANCELLED", "Delivery", "Seen", "SyncedOrder"]

_log = logging.getLogger(__name__)

CANCELLED: Final = "Canceled"
_GET: Final = "get"
# So many requests without an answer are an outage.
_MOST_FAILURES: Final = 12


@attrs.frozen(kw_only=True)
class SyncedOrder:
    """One version of one order, to be acknowledged.

    Attributes:
        order: as Amazon listed it.
        items: all its items.
        version: names this version of the order; ``acknowledge`` and ``release`` take it in place of this object, in
            any process.
    """

    order: Order
    items: tuple[OrderItem, ...]
    version: str


@attrs.define
class Seen:
    """The versions that one poll has seen.

    Attributes:
        known: versions that have a document, by order id.
        offered: versions that were dealt with; none twice.
        current: the newest version of each order that an answer of this poll showed.
        open: the versions among them that are to be delivered.
    """

    known: dict[str, set[str]]
    offered: set[str] = attrs.field(factory=set)
    current: dict[str, str] = attrs.field(factory=dict)
    open: set[str] = attrs.field(factory=set)

    @classmethod
    def beside(cls, names: Collection[str]) -> Seen:
        """Nothing yet; ``names`` are the versions that have a document."""
        known: dict[str, set[str]] = {}
        for version in names:
            known.setdefault(order_id_of(version), set()).add(version)
        return cls(known)

    def older(self, version: str) -> set[str]:
        """The versions with a document that ``version`` replaces."""
        others = self.known.get(order_id_of(version), set())
        return {name for name in others if name != version and (name < version or name.startswith(UNDATED))}

    def is_outdated(self, version: str) -> bool:
        """Whether this poll saw a newer version of the order, or one has a document."""
        order_id = order_id_of(version)
        known = [name for name in self.known.get(order_id, ()) if not name.startswith(UNDATED)]
        return version < self.current.get(order_id, "") or (
            not version.startswith(UNDATED) and version < max(known, default="")
        )


class Delivery:
    """The open orders that this process knows, and the steps to deliver one. ``OrderSync`` explains the arguments."""

    def __init__(
        self,
        gateway: OrderGateway,
        versions: VersionStore,
        *,
        account: str,
        statuses: tuple[str, ...],
        cancellations: bool,
        on_event: EventSink | None,
        clock: Clock,
    ) -> None:
        self._gateway = gateway
        self._versions = versions
        self._account = account
        self._statuses = statuses
        self._cancellations = cancellations
        self._on_event = on_event
        self._clock = clock
        self._orders: dict[str, Order] = {}
        self._items: dict[str, tuple[OrderItem, ...]] = {}
        # By order id, as the answers of all polls and notifications showed them: a page that is read slowly gets old.
        self._newest: dict[str, str] = {}
        self._suspects = Suspects()

    def __len__(self) -> int:
        """How many versions are in memory, with items or without."""
        return len(self._orders.keys() | self._items.keys())

    @property
    def has_open_orders(self) -> bool:
        """Whether there are open orders in memory, so that the end of one matters."""
        return bool(self._orders)

    def known(self, version: str) -> Order | None:
        """An open order, from memory."""
        return self._orders.get(version)

    def drop(self, version: str) -> None:
        """Drop this version from memory."""
        self._orders.pop(version, None)
        self._items.pop(version, None)

    def forget(self, names: Collection[str], floor: str) -> None:
        """Forget the versions that the store forgot: below ``floor`` (as ``sortable_instant``) without a document."""
        known = set(names)
        for version in [version for version in self._orders if version < floor and version not in known]:
            self.drop(version)
        self._newest = {order_id: version for order_id, version in self._newest.items() if version >= floor}

    def clear(self) -> None:
        """Forget everything: it may be outdated."""
        self._orders.clear()
        self._items.clear()

    async def receive(self, seen: Seen, order: Order) -> SyncedOrder | None:
        """An order of an answer: its older versions go; it is delivered unless that was done, it has ended, or a newer
        version of it is known.
        """
        if poison := self._poison(order):
            await self.report([poison])
            return None
        version, order_id = version_of(order), order.amazon_order_id
        if version in seen.offered or seen.is_outdated(version) or version < self._newest.get(order_id, ""):
            return None
        seen.offered.add(version)
        seen.current[order_id] = version
        if not version.startswith(UNDATED):
            self._newest[order_id] = version
        older = seen.older(version)
        await self._versions.supersede(older)
        for name in older:
            self.drop(name)
        if self._statuses and order.order_status not in self._statuses:
            await self._versions.supersede((version,) if version in seen.known.get(order_id, ()) else ())
            self.drop(version)
            await self._report_end(order, version)
            return None
        seen.open.add(version)
        await self._versions.readable(order_id, version)
        return await self.prepare(order, version)

    async def prepare(self, order: Order, version: str) -> SyncedOrder | None:
        """The order with its items; ``None`` if it was acknowledged or another process has it."""
        if not await self._versions.take(version, self._clock.now()):
            if await self._versions.is_open(version):
                self._orders[version] = order
            return None
        self._orders[version] = order
        items = self._items.get(version, order.items)
        if items is None:
            items = await self._fetch_items(order, version)
            if items is None or await self._versions.settled_at(version):
                return None  # unreadable, or acknowledged elsewhere meanwhile
        if not items and self._statuses:  # nobody can pack an unfulfilled order of nothing
            await self.failed(version, "it has no items")
            return None
        self._items[version] = items
        return SyncedOrder(order=order, items=items, version=version)

    async def get(self, order_ids: Sequence[str]) -> list[Order]:
        """Orders by id. One that makes the answer unreadable is isolated by halving; the others are returned."""
        try:
            found = list(await self._gateway.get(order_ids))
        except AmazonAeError as error:
            if not is_of_one_order(error) and not (may_be_of_one_order(error) and self._suspects.failed(_GET)[0]):
                raise
            return await self._get_by_halving(order_ids, error)
        self._suspects.read(_GET)
        return found

    async def _get_by_halving(self, order_ids: Sequence[str], error: AmazonAeError) -> list[Order]:
        found: list[Order] = []
        pieces, failures = [(order_ids, error)], 0
        while pieces:
            piece, error = pieces.pop()
            if len(piece) == 1:
                _log.warning("order %s: %s", piece[0], _reason(error))
                continue
            middle = len(piece) // 2
            for half in (piece[:middle], piece[middle:]):
                try:
                    found += await self._gateway.get(half)
                except AmazonAeError as worse:
                    failures += 1
                    outage = not found and failures == _MOST_FAILURES
                    if outage or not (is_of_one_order(worse) or may_be_of_one_order(worse)):
                        raise
                    pieces.append((half, worse))
        return found

    async def report(self, unreadable: Sequence[UnreadableOrder]) -> None:
        """Orders of an answer that could not be read: each a dead letter and an event, once."""
        for order in unreadable:
            key = order.order_id or order.digest or "unknown"
            if await self._versions.bury(key, order.order_id, order.reason):
                self._emit_unreadable(order.order_id, order.reason, given_up=True)

    async def failed(self, version: str, reason: str, *, surely: bool = True) -> None:
        """This version could not be read: asked for again later, more and more rarely, then a dead letter.

        Args:
            surely: others can be read meanwhile. Otherwise it may be an outage, and is given up much later.
        """
        first, last = await self._versions.failed(version, reason, surely=surely)
        if first or last:
            self._emit_unreadable(order_id_of(version), reason, given_up=last)

    def explain(self, error: AmazonAeError) -> None:
        """Log why the orders wait; a clock that Amazon refuses is an event."""
        code = str(getattr(error, "code", "") or type(error).__name__)
        _log.warning("order sync waits: %s", code)
        if isinstance(error, RequestExpired | SignatureMismatch):
            skew = error.skew_seconds if isinstance(error, RequestExpired) else None
            self._emit(ClockRefused(at=self._clock.now(), account=self._account, code=code, skew_seconds=skew))

    async def _report_end(self, order: Order, version: str) -> None:
        if order.order_status != CANCELLED or not self._cancellations or not await self._versions.is_new(version):
            return
        # Emit the event first, then record it: a crash between the two repeats the event.
        self._emit(OrderCancelled(at=self._clock.now(), account=self._account, order_id=order.amazon_order_id))
        await self._versions.acknowledge(version)

    async def _fetch_items(self, order: Order, version: str) -> tuple[OrderItem, ...] | None:
        try:
            items = tuple(await self._gateway.items(order.amazon_order_id))
        except BaseException as error:
            if isinstance(error, AmazonAeError) and is_of_one_order(error):
                await self.failed(version, f"its items: {_reason(error)}")
                return None
            if isinstance(error, AmazonAeError) and may_be_of_one_order(error):
                again, others_were_read = self._suspects.failed(version)
                if again:
                    await self.failed(version, f"its items: {_reason(error)}", surely=others_were_read)
                    return None
            await self._versions.release(version)
            raise
        self._suspects.read(version)
        return items

    def _poison(self, order: Order) -> UnreadableOrder | None:
        """Names an order that nobody could deal with: an id that is no name, no status though statuses were asked for.

        ``None`` for every other one.
        """
        order_id = order.amazon_order_id
        if not order_id.isprintable() or "/" in order_id or invisible_edge(order_id) or not 0 < len(order_id) <= 100:
            digest = hashlib.blake2b(order_id.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
            return UnreadableOrder(order_id=None, reason="its order id is no id", digest=digest)
        if self._statuses and not order.order_status:
            return UnreadableOrder(order_id=order_id, reason="it has no status")
        return None

    def _emit_unreadable(self, order_id: str | None, reason: str, *, given_up: bool) -> None:
        _log.warning("order %s cannot be read: %s", order_id or "without an id", reason)
        now = self._clock.now()
        self._emit(OrderUnreadable(at=now, account=self._account, order_id=order_id, reason=reason, given_up=given_up))

    def _emit(self, event: Event) -> None:
        if self._on_event is None:
            return
        try:
            self._on_event(event)
        except Exception:
            _log.exception("the event sink failed on %s", type(event).__name__)


def _reason(error: AmazonAeError) -> str:
    """The reason without Amazon's message, which may quote a value of the answer."""
    return str(getattr(error, "code", "") or type(error).__name__)
