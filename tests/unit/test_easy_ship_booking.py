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
from amazon_ae._models.feeds import FeedBatch, FeedItem, ItemKind, ItemOutcome, Outcome, PickupRequest
from amazon_ae._models.refusals import may_pass
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


class Poisoned(Backend):
    """Amazon fails with some orders whenever it is asked about them."""

    def __init__(self, error: AmazonAeError, *poisoned: int, at: str = "slots") -> None:
        super().__init__()
        self.error, self.poisoned, self.at = error, {make_order_id(number) for number in poisoned}, at
        self.tried: list[str] = []

    async def slots(self, parcel: Parcel) -> Sequence[PickupSlot]:
        self.tried.append(parcel.order_id)
        self.state = BookingState.ABSENT
        if self.at == "slots" and parcel.order_id in self.poisoned:
            raise self.error
        return await super().slots(parcel)

    async def book(self, parcel: Parcel, slot: PickupSlot) -> None:
        if self.at == "book" and parcel.order_id in self.poisoned:
            raise self.error
        await super().book(parcel, slot)


FAULT = ServiceUnavailable("x", status=500, code="InternalError", retryable=True)


async def test_one_order_that_amazon_fails_with_does_not_hold_up_the_others() -> None:
    """It stands first in the queue: the others are booked, it is tried last, then given up as a passing refusal."""
    booking, backend = PickupBooking(), Poisoned(FAULT, 1)
    found = []
    for _ in range(6):
        outcomes = await booking.book_all(backend, batch_of(3), zone=DUBAI, now=lambda: NOW)
        found.append({each.key: each for each in outcomes}[make_order_id(1)])
        assert [str(each.outcome) for each in outcomes if each.key != make_order_id(1)] == ["accepted"] * 2
    assert backend.tried[:3] == [make_order_id(number) for number in (1, 2, 3)]
    assert backend.tried[-1] == make_order_id(1)
    assert [str(each.outcome) for each in found] == ["retry"] * 5 + ["rejected"]
    assert found[-1].code == "InternalError"
    assert may_pass(found[-1].code, found[-1].message)


async def test_in_an_outage_nothing_is_given_up_before_six_hours() -> None:
    """Two orders are tried, not ten; then the first stands in the way no longer."""
    booking, backend, now = PickupBooking(), Poisoned(FAULT, *range(1, 11)), [NOW]
    for _ in range(12):
        with pytest.raises(ServiceUnavailable):
            await booking.book_all(backend, batch_of(10), zone=DUBAI, now=lambda: now[0])
        now[0] += timedelta(minutes=29)
    assert len(backend.tried) == 24
    now[0] = NOW + timedelta(hours=6)
    outcomes = await booking.book_all(backend, batch_of(10), zone=DUBAI, now=lambda: now[0])
    given_up = [each for each in outcomes if each.outcome is Outcome.REJECTED]
    assert 1 <= len(given_up) <= 2
    assert {str(each.outcome) for each in outcomes} == {"rejected", "retry"}


@pytest.mark.parametrize(
    ("error", "at", "final", "code"),
    [
        (UnreadableResponse("x", retryable=True), "slots", Outcome.REJECTED, "SlotsUnreadable"),
        (OutcomeUnknown("x"), "book", Outcome.UNKNOWN, "NotBooked"),
        (UnreadableResponse("x"), "book", Outcome.UNKNOWN, "NotBooked"),
    ],
)
async def test_what_may_have_been_booked_ends_with_a_person(
    error: AmazonAeError, at: str, final: Outcome, code: str
) -> None:
    """What surely was not is refused. Nothing is tried without end."""
    booking, backend = PickupBooking(), Poisoned(error, 2, at=at)
    for _ in range(6):
        outcomes = await booking.book_all(backend, batch_of(3), zone=DUBAI, now=lambda: NOW)
    (last,) = [each for each in outcomes if each.key == make_order_id(2)]
    assert (last.outcome, last.code) == (final, code)


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
