"""Pickup days, and what an order says about its pickup."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import attrs
import pytest
from hypothesis import given, strategies as st

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.marketplaces import EG
from amazon_ae._scheduling.eligibility import PickupEvidence, pickup_evidence, refusals
from amazon_ae._scheduling.pickup_days import PickupCalendar
from amazon_ae.testing._builders import make_order

THURSDAY_MORNING = datetime(2021, 11, 18, 5, 0, tzinfo=UTC)  # 9:00 in Dubai


def test_one_working_day_ahead() -> None:
    """Packed on Thursday morning, collected on Friday."""
    assert PickupCalendar().pickup_date(THURSDAY_MORNING) == date(2021, 11, 19)


def test_the_cut_off_is_local() -> None:
    """At 14:00 in Dubai (10:00 UTC) a parcel counts as the next day's."""
    before = PickupCalendar().pickup_date(datetime(2021, 11, 18, 9, 59, tzinfo=UTC))
    after = PickupCalendar().pickup_date(datetime(2021, 11, 18, 10, 0, tzinfo=UTC))
    assert (before, after) == (date(2021, 11, 19), date(2021, 11, 20))


def test_the_day_is_the_marketplaces() -> None:
    """The same instant is Friday in Dubai and still Thursday in Cairo."""
    late = datetime(2021, 11, 18, 21, 0, tzinfo=UTC)  # 01:00 on Friday in Dubai, 23:00 on Thursday in Cairo
    assert PickupCalendar(lead_days=0).pickup_date(late) == date(2021, 11, 19)
    assert PickupCalendar(lead_days=0, marketplace=EG, cut_off=time(23, 59)).pickup_date(late) == date(2021, 11, 18)


def test_days_off_and_holidays_are_skipped() -> None:
    """A lead of two days over a free Friday, a Saturday's holiday and a free Sunday."""
    policy = PickupCalendar(lead_days=2, working_days={0, 1, 2, 3, 5}, holidays={date(2021, 11, 20)})
    assert policy.pickup_date(THURSDAY_MORNING) == date(2021, 11, 23)


@pytest.mark.parametrize("days", [(), (7,), (-1, 3)])
def test_a_week_without_working_days_is_refused(days: tuple[int, ...]) -> None:
    """At once."""
    with pytest.raises(ConfigurationError, match="working_days"):
        PickupCalendar(working_days=frozenset(days))


def test_a_year_of_holidays_is_an_error_not_a_loop() -> None:
    """A calendar that was filled by mistake."""
    policy = PickupCalendar(holidays=frozenset(date.fromordinal(date(2021, 11, 1).toordinal() + n) for n in range(800)))
    with pytest.raises(ConfigurationError, match="no working day"):
        policy.pickup_date(THURSDAY_MORNING)


@given(
    now=st.integers(1_609_459_200, 1_893_456_000).map(lambda at: datetime.fromtimestamp(at, UTC)),
    lead=st.integers(0, 5),
    days=st.sets(st.integers(0, 6), min_size=1),
    hour=st.integers(0, 23),
)
def test_a_pickup_day_is_always_a_working_day_that_is_far_enough(
    now: datetime, lead: int, days: set[int], hour: int
) -> None:
    """For any calendar."""
    policy = PickupCalendar(lead_days=lead, working_days=frozenset(days), cut_off=time(hour))
    day = policy.pickup_date(now)
    assert day.weekday() in days
    assert (day - now.astimezone(policy.marketplace.zone).date()).days >= lead


def test_refusals_name_the_reason() -> None:
    """Unknown, cancelled, Amazon's own and already scheduled orders never cost a place."""
    orders = [
        make_order("171-0000000-0000001"),
        make_order("171-0000000-0000002", status="Canceled"),
        attrs.evolve(make_order("171-0000000-0000003"), fulfillment_channel="AFN"),
        make_order("171-0000000-0000004", easy_ship_shipment_status="PendingPickUp"),
        make_order("171-0000000-0000005", easy_ship_shipment_status="PendingSchedule"),
        make_order("171-0000000-0000006", status="Shipped"),
    ]
    ids = [f"171-0000000-000000{number}" for number in range(1, 8)]
    refused = {outcome.key[-1]: outcome.code for outcome in refusals(ids, orders)}
    assert refused == {
        "2": "OrderCanceled",
        "3": "NotEasyShip",
        "4": "AlreadyScheduled",
        "6": "AlreadyScheduled",
        "7": "OrderUnknown",
    }


@pytest.mark.parametrize("status", ["BrandNewWord", "PendingSchedule", "LabelCanceled", "", None])
def test_a_status_that_nobody_knows_says_nothing_of_the_pickup(status: str | None) -> None:
    """Amazon's list of words grows: its own answer decides, not a guess."""
    order = make_order("171-0000000-0000001", easy_ship_shipment_status=status)
    assert refusals([order.amazon_order_id], [order]) == []


@pytest.mark.parametrize(
    "status", ["pendingpickup", " PendingPickUp ", "PENDING_PICK_UP", "Scheduled", "\u200bPickedUp"]
)
def test_a_status_in_another_spelling_is_no_evidence(status: str) -> None:
    """Neither that Amazon has the pickup nor that it has none: nothing is refused, nothing sent again."""
    order = make_order("171-0000000-0000001", easy_ship_shipment_status=status)
    assert refusals([order.amazon_order_id], [order]) == []
    assert set(pickup_evidence([order.amazon_order_id], [order]).values()) == {PickupEvidence.UNCLEAR}


def test_an_order_without_a_status_is_no_evidence() -> None:
    """An answer that leaves out what no order can lack does not show that a pickup is missing."""
    order = attrs.evolve(make_order("171-0000000-0000001"), order_status="")
    assert set(pickup_evidence([order.amazon_order_id], [order]).values()) == {PickupEvidence.UNCLEAR}


@pytest.mark.parametrize("status", ["PendingPickUp", "PendingDropOff", "AtOriginFC", "Delivered", "Lost", "Damaged"])
def test_a_status_behind_the_booking_means_scheduled(status: str) -> None:
    """No slot of the quota is spent."""
    order = make_order("171-0000000-0000001", easy_ship_shipment_status=status)
    assert [outcome.code for outcome in refusals([order.amazon_order_id], [order])] == ["AlreadyScheduled"]


def test_the_host_may_say_what_easy_ship_carries() -> None:
    """The predicate replaces ours."""
    (refused,) = refusals(["171-0000000-0000001"], [make_order("171-0000000-0000001")], is_easy_ship=lambda _: False)
    assert refused.code == "NotEasyShip"


def test_an_order_says_whether_it_has_a_pickup() -> None:
    """A word that is not known says nothing: it neither refuses an order nor proves a pickup."""
    orders = [
        make_order("171-0000000-0000001"),
        make_order("171-0000000-0000002", status="Canceled"),
        make_order("171-0000000-0000003", easy_ship_shipment_status="PendingPickUp"),
        make_order("171-0000000-0000004", easy_ship_shipment_status="LabelCanceled"),
        make_order("171-0000000-0000005", easy_ship_shipment_status="AwaitingDrone"),
        make_order("171-0000000-0000006", status="Shipped"),
    ]
    ids = [f"171-0000000-000000{number}" for number in range(1, 8)]
    evidence = pickup_evidence(ids, orders)
    assert [evidence[order_id].name for order_id in ids] == [
        "UNSCHEDULED",
        "GONE",
        "SCHEDULED",
        "UNSCHEDULED",
        "UNCLEAR",
        "SCHEDULED",
        "GONE",
    ]
    assert not refusals([ids[4]], orders)
