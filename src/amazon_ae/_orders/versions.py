"""The stored state of order versions: open, claimed, acknowledged, given up.

One small document per version (``.../v/<last update>/<order id>``), so that an acknowledgement is one small write
however many orders there are:

* ``open``: not acknowledged. ``until``: not delivered before (a claim, or the pause after a failed read).
* ``done``: acknowledged ``at``; forgotten once the cursor is past it for good and an hour has passed.
* ``dead``: could not be read, and is not requested any more; ``.../dead/<order id>`` has the reason.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any, Final

import attrs

from amazon_ae._backoff import doubling
from amazon_ae._orders.windows import OrderCursor, order_id_of, sortable_instant
from amazon_ae._ports import Storage

__all__ = ["DeadOrder", "VersionState", "VersionStore"]

_KEEP_DONE: Final = timedelta(hours=1)
# A read that failed is tried again after 5, 10, 20, 40 minutes, then hourly; after six hours it is a dead letter.
_FIRST_RETRY_SECONDS: Final = 300.0
_LAST_RETRY_SECONDS: Final = 3600.0
_MOST_TRIES: Final = 10
# Where it may have been an outage: after a day.
_MOST_UNSURE_TRIES: Final = 28


@attrs.frozen(kw_only=True)
class DeadOrder:
    """An order that could not be read, and is not asked for any more.

    Attributes:
        key: give it to ``OrderSync.retry``: the order id, or what names the unreadable bytes where there is none.
        order_id: Amazon's; ``None`` where not even that could be read.
        reason: why, without a value of the answer.
        at: since when, aware UTC.
    """

    key: str
    order_id: str | None
    reason: str
    at: datetime


@attrs.frozen(kw_only=True)
class VersionState:
    """The document of one version. ``state`` is ``open``, ``done`` or ``dead``; instants as ``sortable_instant``."""

    state: str = "open"
    until: str = ""
    at: str = ""
    tries: int = 0

    @property
    def settled(self) -> bool:
        """Not delivered any more: acknowledged, or given up."""
        return self.state != "open"

    def to_text(self) -> str:
        """The document's text, without empty fields."""
        value: dict[str, Any] = {"state": self.state}
        value.update((name, item) for name in ("until", "at", "tries") if (item := getattr(self, name)))
        return json.dumps(value)

    @classmethod
    def from_text(cls, text: str | None) -> VersionState | None:
        """Read back what ``to_text`` wrote."""
        if text is None:
            return None
        value = json.loads(text)
        return cls(
            state=value["state"],
            until=value.get("until") or "",
            at=value.get("at") or "",
            tries=value.get("tries") or 0,
        )


class VersionStore:
    """The documents of one consumer of one account; ``prefix`` names it."""

    def __init__(self, storage: Storage, prefix: str, claim: timedelta) -> None:
        self._storage = storage
        self._prefix = prefix
        self._claim = claim
        # Versions known to be settled in the store, and since when: saves reading them again. Forgotten when the store
        # forgets them.
        self._settled: dict[str, str] = {}
        self._dead: set[str] | None = None

    def __len__(self) -> int:
        """How many versions are known to be settled."""
        return len(self._settled)

    # The cursor

    async def cursor(self) -> OrderCursor | None:
        """How far this consumer has come; ``None`` before its first poll."""
        text = await self._storage.load(self._prefix + "cursor")
        return None if text is None else OrderCursor.from_text(text)

    async def advance(self, cursor: OrderCursor, open_versions: Iterable[str]) -> OrderCursor:
        """Store unacknowledged versions as open, then move the cursor; returns the furthest cursor of all processes."""
        known = await self.cursor()
        for version in sorted(open_versions):
            if version not in self._settled and (known is None or version >= sortable_instant(known.floor)):
                await self._storage.change(
                    self._name(version), lambda text, _: (VersionState().to_text() if text is None else text, None)
                )

        def advance(text: str | None, _: datetime) -> tuple[str | None, OrderCursor]:
            new = cursor if text is None else cursor.joined(OrderCursor.from_text(text))
            return new.to_text(), new

        return await self._storage.change(self._prefix + "cursor", advance)

    async def forget(self, floor: datetime) -> list[str]:
        """Drop documents of versions below ``floor`` that were settled an hour ago, and what this process knew.

        Returns the versions that had a document before.
        """
        names = await self.names()
        now = await self._storage.change(self._prefix + "cursor", lambda text, now: (text, now))
        limit = sortable_instant(now - _KEEP_DONE)

        def drop(text: str | None, _: datetime) -> tuple[str | None, bool]:
            state = VersionState.from_text(text)
            gone = state is None or (state.state == "done" and state.at < limit)
            return (None if gone else text), gone

        below = sortable_instant(floor)
        for version in names:
            if version >= below:
                break
            at = await self.settled_at(version)
            if at is not None and at < limit and await self._storage.change(self._name(version), drop):
                self._settled.pop(version, None)
        remembered = set(names)
        self._settled = {
            version: at for version, at in self._settled.items() if version in remembered or version >= below
        }
        return names

    # Versions

    async def names(self) -> list[str]:
        """Every version that has a document, the oldest update first."""
        start = len(self._prefix) + 2
        return sorted(name[start:] for name in await self._storage.names(self._prefix + "v/"))

    async def settled_at(self, version: str) -> str | None:
        """Since when this version is settled; ``None`` if it is not, as far as the store remembers."""
        if version not in self._settled:
            state = VersionState.from_text(await self._storage.load(self._name(version)))
            if state is None or not state.settled:
                return None
            self._settled[version] = state.at
        return self._settled[version]

    async def is_open(self, version: str) -> bool:
        """Whether this version has a document and is not settled."""
        state = VersionState.from_text(await self._storage.load(self._name(version)))
        return state is not None and not state.settled

    async def is_due(self, version: str, now: datetime) -> bool:
        """Whether this version is open and no process claims it now."""
        if version in self._settled:
            return False
        state = VersionState.from_text(await self._storage.load(self._name(version)))
        if state is not None and state.settled:
            self._settled[version] = state.at
        return state is not None and not state.settled and state.until <= sortable_instant(now)

    async def is_new(self, version: str) -> bool:
        """Whether this version is new: it has no document, and none was forgotten."""
        if version in self._settled or await self.is_behind(version):
            return False
        return await self._storage.load(self._name(version)) is None

    async def take(self, version: str, now: datetime) -> bool:
        """Whether this process may deliver the version now; with claims, no other process may for that long."""
        if version in self._settled:
            return False
        state = VersionState.from_text(await self._storage.load(self._name(version)))
        if state is None and await self.is_behind(version):
            return False  # another process settled its window while we held an old page: done, and forgotten
        if state is not None and state.settled:
            self._settled[version] = state.at
            return False
        if not self._claim:
            return state is None or state.until <= sortable_instant(now)

        def claim(text: str | None, now: datetime) -> tuple[str | None, bool]:
            state = VersionState.from_text(text) or VersionState()
            if state.settled or state.until > sortable_instant(now):
                return text, False
            return attrs.evolve(state, until=sortable_instant(now + self._claim)).to_text(), True

        return await self._storage.change(self._name(version), claim)

    async def acknowledge(self, version: str) -> bool:
        """Whether this call was the first to settle it."""
        forgotten = await self.is_behind(version)

        def finish(text: str | None, now: datetime) -> tuple[str | None, tuple[bool, str | None]]:
            state = VersionState.from_text(text)
            if state is None and forgotten:
                return None, (False, None)
            if state is not None and state.settled:
                return text, (False, state.at)
            at = sortable_instant(now)
            return VersionState(state="done", at=at).to_text(), (True, at)

        first, at = await self._storage.change(self._name(version), finish)
        if at is not None:
            self._settled[version] = at
        return first

    async def release(self, version: str) -> None:
        """End a claim."""

        def end(text: str | None, _: datetime) -> tuple[str | None, None]:
            state = VersionState.from_text(text)
            return (text if state is None or state.settled else VersionState(tries=state.tries).to_text()), None

        await self._storage.change(self._name(version), end)

    async def supersede(self, versions: Collection[str]) -> None:
        """Drop open documents of versions that are no longer current; one that is being handled becomes done."""

        def drop(text: str | None, now: datetime) -> tuple[str | None, None]:
            state = VersionState.from_text(text)
            if state is None or state.state == "done":
                return text, None
            if state.until > sortable_instant(now):  # a process with an old page must not deliver it too
                return VersionState(state="done", at=sortable_instant(now)).to_text(), None
            return None, None

        for version in versions:
            if version not in self._settled:
                await self._storage.change(self._name(version), drop)

    async def is_behind(self, version: str) -> bool:
        """Whether the cursor is so far past this version that without a document it counts as dealt with."""
        cursor = await self.cursor()
        return cursor is not None and version < sortable_instant(cursor.floor)

    # Unreadable orders

    async def failed(self, version: str, reason: str, *, surely: bool = True) -> tuple[bool, bool]:
        """This version could not be read once more; returns whether this was the first time and whether it was the
        last. Unless ``surely`` it was this one alone, there are more of them.
        """

        def count(text: str | None, now: datetime) -> tuple[str | None, VersionState]:
            state = VersionState.from_text(text) or VersionState()
            if state.settled:
                return text, state
            tries = state.tries + 1
            if tries >= (_MOST_TRIES if surely else _MOST_UNSURE_TRIES):
                state = VersionState(state="dead", at=sortable_instant(now), tries=tries)
            else:
                pause = doubling(tries, first=_FIRST_RETRY_SECONDS, limit=_LAST_RETRY_SECONDS)
                state = VersionState(until=sortable_instant(now + timedelta(seconds=pause)), tries=tries)
            return state.to_text(), state

        state = await self._storage.change(self._name(version), count)
        if state.state == "dead":
            self._settled[version] = state.at
            order_id = order_id_of(version)
            await self.bury(order_id, order_id, reason)
        return state.tries == 1, state.state == "dead"

    async def bury(self, key: str, order_id: str | None, reason: str) -> bool:
        """Write a dead letter; whether it is a new one."""

        def write(text: str | None, now: datetime) -> tuple[str | None, bool]:
            if text is not None:
                return text, False
            return json.dumps({"order_id": order_id, "reason": reason, "at": sortable_instant(now)}), True

        keys = await self._dead_keys()
        if key in keys:
            return False
        keys.add(key)
        return await self._storage.change(f"{self._prefix}dead/{key}", write)

    async def unbury(self, key: str) -> bool:
        """Drop a dead letter and let its version be asked for again; whether there was one."""

        def drop(text: str | None, _: datetime) -> tuple[str | None, bool]:
            return None, text is not None

        if not await self._storage.change(f"{self._prefix}dead/{key}", drop):
            return False
        (await self._dead_keys()).discard(key)

        def reopen(text: str | None, _: datetime) -> tuple[str | None, None]:
            state = VersionState.from_text(text)
            return (VersionState().to_text() if state is not None and state.state == "dead" else text), None

        for version in await self.names():
            if order_id_of(version) == key:
                self._settled.pop(version, None)
                await self._storage.change(self._name(version), reopen)
        return True

    async def readable(self, order_id: str, version: str) -> None:
        """This version of an order was read: drop the dead letter of an older one."""
        if order_id in await self._dead_keys() and version not in self._settled:
            state = VersionState.from_text(await self._storage.load(self._name(version)))
            if state is None:
                await self.unbury(order_id)

    async def dead(self) -> list[DeadOrder]:
        """All dead letters, by key."""
        start = len(self._prefix) + len("dead/")
        found = []
        for name in await self._storage.names(self._prefix + "dead/"):
            text = await self._storage.load(name)
            if text is not None:
                value = json.loads(text)
                found.append(
                    DeadOrder(
                        key=name[start:],
                        order_id=value["order_id"],
                        reason=value["reason"],
                        at=datetime.fromisoformat(value["at"]),
                    )
                )
        return found

    async def _dead_keys(self) -> set[str]:
        if self._dead is None:
            start = len(self._prefix) + len("dead/")
            self._dead = {name[start:] for name in await self._storage.names(self._prefix + "dead/")}
        return self._dead

    def _name(self, version: str) -> str:
        return f"{self._prefix}v/{version}"
