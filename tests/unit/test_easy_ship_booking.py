"""Bookings over the three verbs, without any backend: slot choice, outcomes, and the look-up after no answer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from amazon_ae._easy_ship.booking import BookingState, PickupBooking
from amazon_ae._easy_ship.slots import Parcel, choose_slot
from amazon_ae._exceptions import (
    AccessDenied,
    AmazonAeError,
    InvalidRequest,
    NotSent,
    OutcomeUnknown,
    RegionNotSupported,
    ServiceUnavailable,
    UnreadableResponse,
)
from amazon_ae._models.easy_ship import PickupSlot
from amazon_ae._models.feeds import FeedBatch, FeedItem, ItemKind, ItemOutcome, PickupRequest
from amazon_ae.testing import make_order_id

DUBAI = ZoneInfo("Asia/Dubai")
NOW = datetime(2021, 11, 18, 9, tzinfo=UTC)
DAY = date(2021, 11, 19)
SLOT = PickupSlot(
    slot_id="a", pickup_time_start=NOW + timedelta(days=1), pickup_time_end=NOW + timedelta(days=1, hours=3)
)


def refusal(code: str, *, retryable: bool = False) -> InvalidRequest:
    return InvalidRequest(f"{code} in words", status=400, code=code, retryable=retryable)


class Backend:
    """The three verbs with scripted answers; the order's state changes when a booking arrives."""

    scheduled_codes = frozenset({"AlreadyThere", "WrongState"})
    new_slots_codes = frozenset({"SlotGone"})

    def __init__(
        self,
        *,
        book: Sequence[AmazonAeError | None] = (),
        arrives: bool = False,
        state: BookingState = BookingState.ABSENT,
        slots: Sequence[PickupSlot] = (SLOT,),
        booked: AmazonAeError | None = None,
    ) -> None:
        self._book, self._arrives, self._slots, self._booked = list(book), arrives, slots, booked
        self.state = state
        self.calls: list[str] = []

    async def slots(self, parcel: Parcel) -> Sequence[PickupSlot]:
        self.calls.append("slots")
        return self._slots

    async def book(self, parcel: Parcel, slot: PickupSlot) -> None:
        self.calls.append("book")
        error = self._book.pop(0) if self._book else None
        if error is None or self._arrives:
            self.state = BookingState.SCHEDULED
        if error is not None:
            raise error

    async def booked(self, order_id: str) -> BookingState:
        self.calls.append("booked")
        if self._booked is not None:
            raise self._booked
        return self.state


def batch_of(count: int = 1) -> FeedBatch:
    requests = [
        PickupRequest(
            order_id=make_order_id(number), pickup_date=DAY, weight_grams=Decimal(1),
            length_cm=Decimal(1), width_cm=Decimal(1), height_cm=Decimal(1),
        )
        for number in range(1, count + 1)
    ]  # fmt: skip
    items = tuple(FeedItem(number, each.order_id, each) for number, each in enumerate(requests, 1))
    return FeedBatch(batch_id="b", kind=ItemKind.PICKUP, items=items)


async def book(backend: Backend, count: int = 1) -> list[tuple[str, str]]:
    outcomes = await PickupBooking().book_all(backend, batch_of(count), zone=DUBAI, now=lambda: NOW)
    return [(str(each.outcome), each.code) for each in outcomes]


@pytest.mark.parametrize(
    ("backend", "outcome", "calls"),
    [
        (Backend(), ("accepted", ""), ["slots", "book"]),
        # Our own request was not answered: Amazon has the pickup, or it has not and the order waits.
        (Backend(book=[OutcomeUnknown("x")], arrives=True), ("accepted", ""), ["slots", "book", "booked"]),
        (Backend(book=[OutcomeUnknown("x")]), ("retry", "NotBooked"), ["slots", "book", "booked"]),
        (Backend(book=[UnreadableResponse("x")], arrives=True), ("accepted", ""), ["slots", "book", "booked"]),
        # Scheduled already, said or meant: ours.
        (Backend(book=[refusal("AlreadyThere")], arrives=True), ("accepted", ""), ["slots", "book", "booked"]),
        (Backend(book=[refusal("WrongState")], arrives=True), ("accepted", ""), ["slots", "book", "booked"]),
        (Backend(slots=(), state=BookingState.SCHEDULED), ("accepted", ""), ["slots", "booked"]),
        (Backend(book=[refusal("WrongState")]), ("rejected", "WrongState"), ["slots", "book", "booked"]),
        (Backend(slots=()), ("rejected", "NoPickupSlot"), ["slots", "booked"]),
        # A package without a pickup, and a look-up that is refused: a person looks.
        (
            Backend(book=[refusal("AlreadyThere")], state=BookingState.UNSCHEDULED),
            ("unknown", "PackageUnscheduled"),
            ["slots", "book", "booked"],
        ),
        (
            Backend(book=[OutcomeUnknown("x")], booked=refusal("InvalidRequest")),
            ("unknown", "InvalidRequest"),
            ["slots", "book", "booked"],
        ),
        # A look-up that failed for a while: booking again is safe.
        (
            Backend(book=[OutcomeUnknown("x")], booked=ServiceUnavailable("x", status=503)),
            ("retry", "ServiceUnavailable"),
            ["slots", "book", "booked"],
        ),
        (Backend(book=[OutcomeUnknown("x")], booked=NotSent("x")), ("retry", "NotSent"), ["slots", "book", "booked"]),
        # A slot that is gone is replaced once.
        (Backend(book=[refusal("SlotGone")]), ("accepted", ""), ["slots", "book", "slots", "book"]),
        (
            Backend(book=[refusal("SlotGone"), refusal("SlotGone")]),
            ("rejected", "SlotGone"),
            ["slots", "book", "slots", "book"],
        ),
        (Backend(book=[refusal("Later", retryable=True)]), ("retry", "Later"), ["slots", "book"]),
        (Backend(book=[refusal("Bad")]), ("rejected", "Bad"), ["slots", "book"]),
    ],
)
async def test_each_answer_has_its_outcome(backend: Backend, outcome: tuple[str, str], calls: list[str]) -> None:
    """And costs these requests, no more."""
    assert await book(backend) == [outcome]
    assert backend.calls == calls


async def test_scheduled_already_after_our_own_unanswered_request_is_accepted() -> None:
    """The look-up came too early; the next pass finds the booking that the first request made after all."""
    backend = Backend(book=[OutcomeUnknown("x"), refusal("AlreadyThere")])
    assert await book(backend) == [("retry", "NotBooked")]
    backend.state = BookingState.SCHEDULED  # the request arrives late
    assert await book(backend) == [("accepted", "")]
    assert backend.calls.count("book") == 2


@pytest.mark.parametrize("error", [AccessDenied("x", status=401), NotSent("x"), RegionNotSupported("x", status=404)])
async def test_an_error_about_all_orders_raises_at_the_first_and_leaves_the_rest_later(error: AmazonAeError) -> None:
    """Nothing of a batch that was booked is given back, nothing else is tried."""
    with pytest.raises(type(error)):
        await book(Backend(book=[error]), 3)
    code = getattr(error, "code", "") or type(error).__name__
    assert await book(Backend(book=[None, error]), 3) == [("accepted", ""), ("retry", code), ("retry", code)]


async def test_final_outcomes_are_settled_one_by_one() -> None:
    """Those that wait again stay in the receipt."""
    settled: list[list[ItemOutcome]] = []

    async def settle(outcomes: Sequence[ItemOutcome]) -> None:
        settled.append(list(outcomes))

    backend = Backend(book=[None, refusal("Later", retryable=True), refusal("Bad")])
    rest = await PickupBooking().book_all(backend, batch_of(3), zone=DUBAI, now=lambda: NOW, settle=settle)
    assert [(len(each), each[0].key, str(each[0].outcome)) for each in settled] == [
        (1, make_order_id(1), "accepted"), (1, make_order_id(3), "rejected"),
    ]  # fmt: skip
    assert [each.key for each in rest] == [make_order_id(2)]


@given(
    st.lists(st.tuples(st.integers(-30, 90), st.integers(0, 6)), max_size=8),
    st.integers(-10, 60),
    st.integers(0, 20),
)
def test_a_slot_is_never_too_early(spans: list[tuple[int, int]], hours: int, lead: int) -> None:
    """None begins before ``soonest``, none ends before the requested time, and the earliest of those is taken."""
    slots = [
        PickupSlot(
            slot_id=str(number),
            pickup_time_start=NOW + timedelta(hours=begin),
            pickup_time_end=NOW + timedelta(hours=begin + length),
        )
        for number, (begin, length) in enumerate(spans)
    ]
    requested, soonest = NOW + timedelta(hours=hours), NOW + timedelta(hours=lead)
    chosen = choose_slot(slots, requested, soonest=soonest)
    fitting = [
        (begin, end) for begin, length in spans if (end := begin + length) > hours or begin >= hours if begin >= lead
    ]
    if chosen is None:
        assert not [begin for begin, _ in fitting if begin >= hours]
    else:
        assert chosen.pickup_time_start is not None
        assert chosen.pickup_time_end is not None
        assert chosen.pickup_time_start >= soonest
        assert chosen.pickup_time_end > requested or chosen.pickup_time_start >= requested
        assert chosen.pickup_time_start == NOW + timedelta(hours=min(begin for begin, _ in fitting))
