"""Isolates the minutes whose orders make an answer unreadable, so that the orders around them are delivered.

Most damage costs one order and is named by the gateway (``OrderPage.unreadable``). What is left is an answer that
stays unreadable as a whole, or that Amazon itself fails to make. An outage looks the same (a proxy's page in place of
every answer), so:

1. Nothing is done until ``_FIRST_STRIKE`` polls in a row have failed that way; each further attempt waits twice as
   long.
2. The time span is halved again and again, down to two seconds, and every readable piece is read.
3. A piece is called unreadable only if others are readable at the same time, and it failed twice. Without a readable
   piece after ``_MOST_FAILURES`` requests it is an outage, and nothing is passed over.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from datetime import datetime
from typing import Final

import attrs

from amazon_ae._exceptions import ServiceUnavailable, UnreadableResponse
from amazon_ae._models.orders import UnreadableOrder
from amazon_ae._orders.reading import Window, WindowReader
from amazon_ae._orders.windows import EDGE, INDEX_DELAY, sortable_instant
from amazon_ae._ports import Clock

__all__ = ["Isolation"]

_FIRST_STRIKE: Final = 3
_MOST_FAILURES: Final = 12
_SMALLEST: Final = 2 * EDGE

Piece = tuple[datetime, datetime]


@attrs.define
class _Search:
    """The pieces still to read, the next one last, and the pieces that failed."""

    pieces: list[Piece]
    suspects: list[Piece] = attrs.field(factory=list)
    failures: int = 0
    readable: bool = False

    def split(self, piece: Piece) -> None:
        """Read its halves instead; one that is too small is a suspect."""
        after, before = piece
        if before - after <= _SMALLEST:
            self.suspects.append(piece)
            return
        middle = after + (before - after) / 2
        self.pieces += [(middle - EDGE / 2, before), (after, middle + EDGE / 2)]


class Isolation:
    """One consumer's unreadable minutes, in one process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._strikes = 0
        self._next_attempt = _FIRST_STRIKE
        self._known: list[Piece] = []

    def is_needed(self, start: datetime) -> bool:
        """Whether the poll that begins at ``start`` has to read around unreadable minutes."""
        self._known = [piece for piece in self._known if piece[1] > start]
        return bool(self._known) or self._strikes >= self._next_attempt

    def failed(self) -> None:
        """A poll met an unreadable answer."""
        self._strikes += 1
        if self._strikes > self._next_attempt:
            self._next_attempt = 2 * self._strikes

    def succeeded(self) -> None:
        """A poll read everything, or all but what is known to be unreadable."""
        self._strikes, self._next_attempt = 0, _FIRST_STRIKE

    async def windows(
        self, reader: WindowReader, start: datetime, statuses: Collection[str]
    ) -> AsyncGenerator[tuple[datetime, Window], None]:
        """Like ``WindowReader.windows`` up to now, around the unreadable minutes; those are windows too, marked as
        such.

        Raises:
            UnreadableResponse, ServiceUnavailable: it is an outage.
        """
        end = self._clock.now() - INDEX_DELAY
        search = _Search(self._around_known(start, end))
        while search.pieces:
            piece = search.pieces.pop()
            if piece in self._known:
                yield piece[0], _unreadable(piece, self._clock.now() - INDEX_DELAY)
                continue
            try:
                window = await reader.read(*piece, statuses)
            except (UnreadableResponse, ServiceUnavailable):
                search.failures += 1
                if not search.readable and search.failures >= _MOST_FAILURES:
                    raise
                search.split(piece)
                continue
            search.readable = True
            for suspect in _merged(search.suspects):
                yield suspect[0], await self._confirmed(reader, suspect, statuses)
            search.suspects.clear()
            yield piece[0], window
            if window.until is None and window.cut is not None:
                search.pieces += [(window.cut - EDGE, piece[1]), (piece[0], window.cut)]
        for suspect in _merged(search.suspects) if search.readable else ():
            yield suspect[0], await self._confirmed(reader, suspect, statuses)

    async def _confirmed(self, reader: WindowReader, piece: Piece, statuses: Collection[str]) -> Window:
        """Ask once more, now that another piece was readable."""
        try:
            return await reader.read(*piece, statuses)
        except (UnreadableResponse, ServiceUnavailable):
            self._known.append(piece)
            return _unreadable(piece, self._clock.now() - INDEX_DELAY)

    def _around_known(self, start: datetime, end: datetime) -> list[Piece]:
        """The pieces to read, the first one last; pieces known to be unreadable stay whole."""
        pieces: list[Piece] = []
        after = start
        for known in sorted(self._known):
            if known[0] > after:
                pieces.append((after, known[0] + EDGE / 2))
            pieces.append(known)
            after = known[1] - EDGE / 2
        if end > after:
            pieces.append((after, end))
        return pieces[::-1]


def _merged(pieces: Collection[Piece]) -> list[Piece]:
    """Neighbours as one: an order at the edge of two pieces spoils both."""
    merged: list[Piece] = []
    for after, before in sorted(pieces):
        if merged and after <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(before, merged[-1][1])
        else:
            merged.append((after, before))
    return merged


def _unreadable(piece: Piece, reach: datetime) -> Window:
    after, before = (sortable_instant(instant) for instant in piece)
    order = UnreadableOrder(
        order_id=None,
        reason=f"Amazon's answer for the orders updated from {after} to {before} cannot be read",
        digest=f"{after}--{before}",
    )
    return Window(orders=(), unreadable=(order,), until=piece[1], reach=reach)
