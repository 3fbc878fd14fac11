"""How feeds in flight stand: one poll for all of them, and the search for those that nobody answered."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from amazon_ae._backoff import poll_wait
from amazon_ae._exceptions import AmazonAeError, StaleLease, StorageError
from amazon_ae._models import events
from amazon_ae._models.feeds import FeedState, FeedStatus
from amazon_ae._models.stored import StoredBatch
from amazon_ae._scheduling.batch_runner import Flight, Flights
from amazon_ae._scheduling.reconciliation import Verdict, candidates, claimed, judge, look_wait
from amazon_ae._scheduling.status_cache import POLL_INTERVAL_SECONDS, Board

__all__ = ["Tracker"]

logger: Final[logging.Logger] = logging.getLogger(__name__)

_POLL_LIMIT_SECONDS = 900.0
# Amazon's list is read from a little before the batch was opened: the two clocks may differ.
_LIST_FROM = timedelta(minutes=5)


class Tracker:
    """See the module."""

    __slots__ = ("_flights", "_room")

    def __init__(self, flights: Flights) -> None:
        self._flights = flights
        self._room = flights.room

    # Whose it is

    async def take_over(self, unfinished: Iterable[StoredBatch]) -> list[Flight]:
        """Batches of this account whose process died: ours from now on."""
        room, taken = self._room, []
        for batch in unfinished:
            if batch.batch_id in self._flights.held or batch.lease_until > room.store_now():
                continue
            terms = room.terms(batch.kind, batch.size)
            if terms is None:
                continue  # a gateway without this kind: another process's
            ours = await room.storage.take_over(batch.batch_id, lease_seconds=room.lease_seconds(terms))
            if ours is None:
                continue
            logger.info("took over batch %s (feed %s)", ours.batch_id, ours.feed_id)
            flight = self._flights.hold(ours, terms)
            flight.outcomes = None  # it was read once, and sent
            if ours.feed_id is None:
                # Its request left, if it ever did, within the time a request is given.
                left_by = ours.opened_at + timedelta(seconds=terms.answer_seconds)
                self._flights.doubt(flight, min(left_by, room.store_now()))
            else:
                self._flights.answered(flight)
                flight.saved = True
                await room.note(ours.feed_id)
            taken.append(flight)
        return taken

    async def renew(self) -> None:
        """A sign of life for every batch whose lease is half over."""
        room = self._room
        for flight in list(self._flights.held.values()):
            if flight.busy or self.renew_in(flight) > 0:
                continue
            try:
                seconds = room.lease_seconds(flight.terms)
                await room.storage.renew(flight.batch_id, flight.batch.fence, lease_seconds=seconds)
                flight.leased_at = room.now()
            except StaleLease:
                logger.info("batch %s is another process's now", flight.batch_id)
                self._flights.held.pop(flight.batch_id, None)

    def renew_in(self, flight: Flight) -> float:
        """Seconds until its lease wants a sign of life."""
        return self._room.lease_seconds(flight.terms) / 2 - (self._room.now() - flight.leased_at).total_seconds()

    # Status

    async def poll(self, feed_ids: Sequence[str]) -> list[Flight]:
        """Ask how feeds stand, if it is time; returns our flights that can go on.

        Args:
            feed_ids: every unsettled feed of the account, also those that other processes carry.
        """
        room = self._room
        now = room.now()
        due = [flight for flight in self._flights.held.values() if flight.polled and flight.look_at <= now]
        if not due:
            return []
        board, granted = await self._claim()
        ready = self._abandoned(board, due)
        due = [flight for flight in due if flight.outcomes is None]
        states: dict[str, FeedStatus] = dict(board.states)
        if granted:
            try:
                told = await room.answer(room.gateway.status(feed_ids))
            except StorageError:
                raise
            except AmazonAeError as error:
                logger.warning("asking for the status of %d feeds: %s", len(feed_ids), type(error).__name__)
                self._wait(due, POLL_INTERVAL_SECONDS)
                return ready
            states = {status.feed_id: status for status in told}
            if any(status.state is not FeedState.PROCESSING for status in told):
                await self._tell(told, feed_ids)
        wait = max(1.0, board.wait_seconds(room.store_now()))
        for flight in due:
            status = states.get(flight.feed_id or "")
            if status is not None:
                flight.state, flight.raw = status.state, status.raw
            if flight.state is FeedState.CANCELLED:
                self._flights.cancelled(flight)
            if flight.state is FeedState.DONE or flight.outcomes is not None:
                ready.append(flight)
            else:
                self._flights.tell_if_late(flight)
                self._wait([flight], wait)
        return ready

    async def abandon(self, name: str) -> bool:
        """Leave word for the process that carries this feed; returns whether anybody does."""
        room = self._room
        if not any(name in (batch.feed_id, batch.batch_id) for batch in await room.storage.unfinished(room.account)):
            return False

        def change(text: str | None, now: datetime) -> tuple[str, None]:
            return Board.read(text).abandon(name).to_text(), None

        await room.storage.change(room.board_name, change)
        return True

    async def hear(self, flight: Flight) -> None:
        """Whether the host gave up, through another process, on a feed whose report does not come."""
        self._abandoned(await self._board(), [flight])

    def _abandoned(self, board: Board, flights: Iterable[Flight]) -> list[Flight]:
        gone = [flight for flight in flights if {flight.feed_id, flight.batch_id} & set(board.abandoned)]
        for flight in gone:
            self._flights.abandon(flight)
        return gone

    async def _claim(self) -> tuple[Board, bool]:
        def change(text: str | None, now: datetime) -> tuple[str | None, tuple[Board, bool, datetime]]:
            board = Board.read(text)
            if board.wait_seconds(now) > 0:
                return text, (board, False, now)
            board = board.asking(now)
            return board.to_text(), (board, True, now)

        board, granted, now = await self._room.storage.change(self._room.board_name, change)
        self._room.store_said(now)
        return board, granted

    async def _tell(self, told: Sequence[FeedStatus], in_flight: Sequence[str]) -> None:
        def change(text: str | None, now: datetime) -> tuple[str, None]:
            return Board.read(text).told(told, in_flight).to_text(), None

        await self._room.storage.change(self._room.board_name, change)

    def _wait(self, flights: Iterable[Flight], at_least: float) -> None:
        now = self._room.now()
        for flight in flights:
            age = (now - flight.since).total_seconds()
            seconds = poll_wait(
                age, first=flight.terms.first_poll_seconds, interval=POLL_INTERVAL_SECONDS, limit=_POLL_LIMIT_SECONDS
            )
            flight.look_at = now + timedelta(seconds=max(seconds, at_least))

    # Doubt

    async def look_for(self, flight: Flight) -> None:
        """Look in Amazon's list for a feed that was sent and never answered."""
        room, batch, given_up_at = self._room, flight.batch, flight.given_up_at
        if flight.busy or given_up_at is None or flight.look_at > room.now():
            return
        flight.busy = True
        try:
            if self._abandoned(await self._board(), [flight]):
                return
            listed = await room.answer(room.gateway.recent(flight.kind, batch.opened_at - _LIST_FROM))
            # Only now: what another process has noted meanwhile is no candidate.
            board, unfinished = await self._board(), await room.storage.unfinished(room.account)
            known = {feed_id for feed_id, _ in board.known}
            known |= {other.feed_id for other in unfinished if other.feed_id}
            feeds = candidates(listed, opened_at=batch.opened_at, given_up_at=given_up_at, known=known)
            processed = {
                feed.feed_id: (await room.answer(room.gateway.report(feed.feed_id, flight.feed))).processed
                for feed in feeds
                if feed.state is FeedState.DONE
            }
            rivals = [
                (other.opened_at, other.size)
                for other in unfinished
                if other.kind is flight.kind and other.feed_id is None and other.batch_id != flight.batch_id
            ]
            if claims := claimed(feeds, processed, rivals):
                board = await self._contest(claims)  # before a rival looks: it will not see us any more
        except AmazonAeError as error:
            logger.warning("looking for batch %s: %s", flight.batch_id, type(error).__name__)
            flight.attempts += 1
            self._flights.later(flight, flight.attempts)
            self._flights.tell_if_late(flight)
            return
        finally:
            flight.busy = False
        waited = (room.store_now() - given_up_at).total_seconds()
        visible_after = room.timing.visible_after_seconds
        judgement = judge(
            flight.kind,
            len(flight.feed.items),
            feeds,
            processed,
            visible=waited >= visible_after,
            contested=board.contested,
        )
        if judgement.verdict is Verdict.LOOK_AGAIN:
            if judgement.feed is not None:
                flight.state, flight.raw = judgement.feed.state, judgement.feed.raw
                self._flights.tell_if_late(flight)
            flight.look_at = room.now() + timedelta(seconds=look_wait(waited, visible_after))
            return
        self._conclude(flight, judgement.verdict, judgement.feed)

    async def _board(self) -> Board:
        return Board.read(await self._room.storage.load(self._room.board_name))

    async def _contest(self, feed_ids: Iterable[str]) -> Board:
        def change(text: str | None, now: datetime) -> tuple[str, Board]:
            board = Board.read(text).contest(feed_ids)
            return board.to_text(), board

        return await self._room.storage.change(self._room.board_name, change)

    def _conclude(self, flight: Flight, verdict: Verdict, feed: FeedStatus | None) -> None:
        flight.attempts = 0
        if verdict is Verdict.FOUND and feed is not None:
            flight.feed_id, flight.submitted_at = feed.feed_id, feed.submitted_at
            flight.state, flight.raw = feed.state, feed.raw
        elif verdict is Verdict.ABSENT:
            flight.outcomes = ()
        else:
            self._flights.give_up(
                flight, "OutcomeUnknown", "what Amazon has cannot be told apart: look at the order in Seller Central"
            )
        self._room.emit(events.DoubtSettled(**self._flights.about(flight), verdict=verdict.name.lower()))
