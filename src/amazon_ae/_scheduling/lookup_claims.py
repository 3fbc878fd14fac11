"""Which process looks up which order, so that a pickup costs one look-up and not one per process. Pure.

GetOrder allows 6 requests at once and one a minute (MWS Orders API, "GetOrder"). One small document per account: an
order that a process looks up is claimed for a while; an eligible order stays so for longer than it ever waits for its
feed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import attrs

__all__ = ["Claimed", "LookupClaims"]

_ELIGIBLE_FOR: Final = timedelta(minutes=30)
_VERSION: Final = 1


@attrs.frozen
class _Entry:
    """``eligible``: looked up, may be sent. Otherwise a process is looking it up until ``until``."""

    until: datetime
    eligible: bool


@attrs.frozen
class Claimed:
    """What one process may do with the orders that it asked for.

    Attributes:
        mine: to be looked up by this process.
        eligible: looked up already, by any process; they may be sent.
        wait_seconds: until the first look-up of another process is over at the latest; 0 if there is none.
    """

    mine: tuple[str, ...]
    eligible: frozenset[str]
    wait_seconds: float


@attrs.frozen
class LookupClaims:
    """The document's content."""

    entries: tuple[tuple[str, _Entry], ...] = ()

    @classmethod
    def read(cls, text: str | None) -> LookupClaims:
        """What ``to_text`` wrote; nothing where there is none, or another version's: it is only a cache."""
        try:
            value = json.loads(text) if text else {}
            if value.get("v") != _VERSION:
                return cls()
            return cls(
                tuple(
                    (str(key), _Entry(datetime.fromisoformat(until).astimezone(UTC), bool(eligible)))
                    for key, until, eligible in value["orders"]
                )
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
            return cls()

    def to_text(self) -> str | None:
        """The document; ``None`` where there is nothing to remember."""
        if not self.entries:
            return None
        orders = [[key, entry.until.isoformat(), entry.eligible] for key, entry in self.entries]
        return json.dumps({"v": _VERSION, "orders": orders}, separators=(",", ":"))

    def claim(self, keys: Sequence[str], now: datetime, seconds: float) -> tuple[LookupClaims, Claimed]:
        """Claim, for ``seconds``, every order that no process looks up or has looked up."""
        longest = max(_ELIGIBLE_FOR, timedelta(seconds=seconds))
        # An end beyond what is ever granted was written before the store's clock was set back.
        live = {key: entry for key, entry in self.entries if now < entry.until <= now + longest}
        mine = tuple(key for key in keys if key not in live)
        eligible = frozenset(key for key in keys if key in live and live[key].eligible)
        others = [live[key].until for key in keys if key in live and not live[key].eligible]
        wait = (min(others) - now).total_seconds() if others else 0.0
        live |= dict.fromkeys(mine, _Entry(now + timedelta(seconds=seconds), eligible=False))
        return LookupClaims(tuple(live.items())), Claimed(mine, eligible, wait)

    def looked_up(self, keys: Collection[str], eligible: Collection[str], now: datetime) -> LookupClaims:
        """A look-up of ``keys`` is over: the eligible ones are remembered, the others forgotten."""
        kept = tuple((key, entry) for key, entry in self.entries if key not in set(keys))
        return LookupClaims((*kept, *((key, _Entry(now + _ELIGIBLE_FOR, eligible=True)) for key in eligible)))
