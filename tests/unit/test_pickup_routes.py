"""The two ways of a pickup to Amazon."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import attrs
import httpx
import pytest

from amazon_ae._exceptions import AccessDenied, ConfigurationError, NotSent, RegionNotSupported
from amazon_ae._models.easy_ship import PackageItem
from amazon_ae._models.feeds import FeedBatch, FeedItem, ItemKind, ItemOutcome, Outcome, PickupRequest
from amazon_ae._mws.client import MwsClient
from amazon_ae._mws.feed_bodies import PickupFormat
from amazon_ae._mws.gateway import MwsGateway
from amazon_ae._mws.pickup_routes import EasyShipPickup, SchedulePickupFeed
from amazon_ae.testing import FakeMws, MwsFault, VirtualClock, make_order, make_order_id

DAY = date(2021, 11, 19)


def request(number: int, **changes: object) -> PickupRequest:
    """A parcel; ``changes`` override."""
    plain = PickupRequest(
        order_id=make_order_id(number),
        pickup_date=DAY,
        pickup_time="10:00 AM",
        weight_grams=Decimal(500),
        length_cm=Decimal(30),
        width_cm=Decimal(20),
        height_cm=Decimal("10.5"),
        package_identifier=f"SO-{number}",
    )
    return attrs.evolve(plain, **changes)  # type: ignore[arg-type]


def batch_of(*requests: PickupRequest) -> FeedBatch:
    """A batch of pickups."""
    items = tuple(FeedItem(number, each.order_id, each) for number, each in enumerate(requests, 1))
    return FeedBatch(batch_id="b-1", kind=ItemKind.PICKUP, items=items)


def told(outcomes: tuple[ItemOutcome, ...]) -> list[tuple[str, str]]:
    """Outcome and code of each, in order."""
    return [(str(each.outcome), each.code) for each in outcomes]


class Wire(httpx.AsyncBaseTransport):
    """The way to the fake, where something happens once before or after an operation, or to its answer."""

    def __init__(self, fake: FakeMws) -> None:
        self._fake = fake
        self.before: dict[str, Callable[[], None]] = {}
        self.after: dict[str, Callable[[], None]] = {}
        self.words: dict[str, tuple[bytes, bytes]] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        action = dict(parse_qsl(request.url.query.decode() or (await request.aread()).decode()))["Action"]
        self.before.pop(action, lambda: None)()
        answer = await self._fake.handle_async_request(request)
        self.after.pop(action, lambda: None)()
        if words := self.words.pop(action, None):
            return httpx.Response(answer.status_code, content=(await answer.aread()).replace(*words))
        return answer


@attrs.define
class World:
    clock: VirtualClock
    fake: FakeMws
    wire: Wire
    client: MwsClient

    async def by_feed(self, batch: FeedBatch, route: SchedulePickupFeed) -> tuple[ItemOutcome, ...]:
        gateway = MwsGateway(self.client, pickup_route=route)
        receipt = await gateway.submit(batch)
        assert receipt.feed_id is not None
        await self.clock.sleep(61)
        return tuple((await gateway.report(receipt.feed_id, batch)).outcomes)

    async def by_easy_ship(self, batch: FeedBatch, **options: Any) -> tuple[ItemOutcome, ...]:
        receipt = await MwsGateway(self.client, pickup_route=EasyShipPickup(**options)).submit(batch)
        assert receipt.feed_id is None
        assert receipt.outcomes is not None
        return receipt.outcomes


@pytest.fixture
async def world() -> AsyncIterator[World]:
    clock = VirtualClock()
    fake = FakeMws(clock=clock, easy_ship_api=True)
    for number in range(1, 9):
        fake.add_order(make_order(make_order_id(number)))
    wire = Wire(fake)
    async with httpx.AsyncClient(transport=wire) as http, MwsClient(fake.credentials, http=http, clock=clock) as client:
        yield World(clock, fake, wire, client)


# The Schedule Pickup file


@pytest.mark.parametrize("feed_type", [None, "", "  "])
def test_the_feed_route_asks_for_its_feed_type(feed_type: str | None) -> None:
    """Amazon does not publish it: no default, and the error says what to do."""
    with pytest.raises(ConfigurationError, match=r"needs a feed_type.*no default.*EasyShipPickup"):
        SchedulePickupFeed(feed_type)


async def test_pickups_share_one_feed_and_each_order_gets_its_own_outcome(world: World) -> None:
    """Three orders, one of them unknown to Amazon: one SubmitFeed."""
    batch = batch_of(request(1), request(99), request(2))
    outcomes = await world.by_feed(batch, SchedulePickupFeed(world.fake.pickup_feed_type))
    assert told(outcomes) == [("accepted", ""), ("rejected", "18028"), ("accepted", "")]
    assert [each.key for each in outcomes] == [item.key for item in batch.items]
    assert set(world.fake.pickups) == {make_order_id(1), make_order_id(2)}
    assert world.fake.pickups[make_order_id(1)].date == "2021-11-19"
    assert world.fake.pickups[make_order_id(1)].fields["package_height"] == "10.5"
    assert world.fake.count("SubmitFeed") == 1


async def test_an_order_that_the_file_cannot_carry_is_refused_alone(world: World) -> None:
    """Arabic in a Latin-1 file; the others go, and the report's record numbers still fit them."""
    route = SchedulePickupFeed(world.fake.pickup_feed_type, form=PickupFormat(charset="iso-8859-1"))
    batch = batch_of(request(1), request(2, package_identifier="طرد"), request(99), request(3))
    outcomes = await world.by_feed(batch, route)
    assert told(outcomes) == [("accepted", ""), ("rejected", "NotWritable"), ("rejected", "18028"), ("accepted", "")]
    assert "U+0637" in outcomes[1].message
    report = await MwsGateway(world.client, pickup_route=route).report(world.fake.feeds[0].feed_id, batch)
    assert report.processed == 4, "the feed is recognised by the size of its batch"
    assert set(world.fake.pickups) == {make_order_id(1), make_order_id(3)}


async def test_a_batch_of_which_nothing_can_be_written_is_answered_without_a_request(world: World) -> None:
    """The receipt has the outcomes; nothing was sent."""
    route = SchedulePickupFeed(world.fake.pickup_feed_type)
    receipt = await MwsGateway(world.client, pickup_route=route).submit(batch_of(request(1, order_id="not-amazon's")))
    assert receipt.feed_id is None
    assert told(receipt.outcomes or ()) == [("rejected", "NotWritable")]
    assert not world.fake.requests


async def test_a_file_that_amazon_cannot_read_rejects_every_order(world: World) -> None:
    """Record 0 is the whole file."""
    route = SchedulePickupFeed(
        world.fake.pickup_feed_type, form=PickupFormat(headings={"order_id": "Bestellnummer", "package_weight": "x"})
    )
    outcomes = await world.by_feed(batch_of(request(1), request(2)), route)
    assert told(outcomes) == [("rejected", "6001"), ("rejected", "6001")]


async def test_arabic_identifiers_arrive_unharmed(world: World) -> None:
    """UTF-8 by default."""
    await world.by_feed(
        batch_of(request(1, package_identifier="طرد ١")), SchedulePickupFeed(world.fake.pickup_feed_type)
    )
    assert world.fake.pickups[make_order_id(1)].fields["merchant_additional_identifier"] == "طرد ١"


async def test_a_report_that_leaves_doubt_never_calls_a_pickup_accepted(world: World) -> None:
    """A summary that counts fewer records than were sent: nobody can tell, so the host is told."""
    gateway = MwsGateway(world.client, pickup_route=SchedulePickupFeed(world.fake.pickup_feed_type))
    batch = batch_of(request(1), request(2))
    receipt = await gateway.submit(batch)
    await world.clock.sleep(61)
    feed = world.fake.feeds[0]
    feed.report = (feed.report or b"").replace(b"processed\t\t2", b"processed\t\t1")
    report = await gateway.report(receipt.feed_id or "", batch)
    assert told(tuple(report.outcomes)) == [("unknown", "ReportIncomplete")] * 2


# The Easy Ship operations


async def test_easy_ship_takes_the_earliest_slot_of_the_day(world: World) -> None:
    """Amazon does not sort its slots; the day counts in the marketplace's time zone."""
    assert told(await world.by_easy_ship(batch_of(request(1)))) == [("accepted", "")]
    pickup = world.fake.pickups[make_order_id(1)]
    assert (pickup.date, pickup.time) == ("2021-11-19", "10:00 AM")
    assert pickup.fields["PackageIdentifier"] == "SO-1"
    assert pickup.fields["PackageWeight.Value"] == "500"
    assert world.fake.count("SubmitFeed") == 0


@pytest.mark.parametrize(
    ("asked", "day", "time"),
    [
        ("10:00 AM", "2021-11-19", "10:00 AM"),
        ("11:30", "2021-11-19", "10:00 AM"),  # inside the first slot
        ("2pm", None, None),
        ("2:00 pm", "2021-11-19", "02:00 PM"),
        ("14:30", "2021-11-19", "02:00 PM"),
        ("4:00 PM", "2021-11-20", "10:00 AM"),  # the last slot of the day has ended by then
        ("13:59", "2021-11-19", "02:00 PM"),  # between two slots: the next one
        ("morning", None, None),
        ("25:00", None, None),
    ],
)
async def test_easy_ship_takes_the_slot_of_the_time_that_was_asked_for(
    world: World, asked: str, day: str | None, time: str | None
) -> None:
    """Slots of 10:00-13:59 and 14:00-16:00 in Dubai; a time that cannot be read is refused, not passed over."""
    (outcome,) = await world.by_easy_ship(batch_of(request(1, pickup_time=asked)))
    if day is None:
        assert told((outcome,)) == [("rejected", "PickupTimeUnreadable")]
        assert repr(asked) in outcome.message
        assert not world.fake.requests
    else:
        pickup = world.fake.pickups[make_order_id(1)]
        assert (pickup.date, pickup.time) == (day, time)
        assert outcome.code == ("" if day == "2021-11-19" else "OtherPickupDay")


async def test_easy_ship_sends_the_serial_numbers_that_the_host_knows(world: World) -> None:
    """Per order; a fault of the host's own function refuses its order alone, NotSent lets it wait."""
    phone = PackageItem(order_item_id="68", serial_numbers=("IMEI-1", "IMEI-2"))

    async def packed(order_id: str) -> list[PackageItem]:
        if order_id == make_order_id(2):
            raise LookupError("not scanned")
        return [phone] if order_id == make_order_id(1) else []

    outcomes = await world.by_easy_ship(batch_of(request(1), request(2), request(3)), packed_items=packed)
    assert told(outcomes) == [("accepted", ""), ("rejected", "PackedItemsFailed"), ("accepted", "")]
    assert (await world.client.easy_ship.get_scheduled_package(make_order_id(1))).package_items == (phone,)
    assert (await world.client.easy_ship.get_scheduled_package(make_order_id(3))).package_items == ()

    async def down(order_id: str) -> list[PackageItem]:
        raise NotSent("our own database is down")

    with pytest.raises(NotSent, match="our own database"):
        await world.by_easy_ship(batch_of(request(4)), packed_items=down)


async def test_the_lead_keeps_off_slots_that_begin_too_soon(world: World) -> None:
    """It is 13:00 in Dubai: today's 14:00 slot is too soon with two hours' lead, so tomorrow's first is taken."""
    today = date(2021, 11, 18)
    assert told(await world.by_easy_ship(batch_of(request(1, pickup_date=today)))) == [("accepted", "")]
    assert world.fake.pickups[make_order_id(1)].date == "2021-11-18"
    outcomes = await world.by_easy_ship(batch_of(request(2, pickup_date=today)), lead=timedelta(hours=2))
    assert told(outcomes) == [("accepted_with_warnings", "OtherPickupDay")]
    assert "collects on 2021-11-19, not on 2021-11-18" in outcomes[0].message
    pickup = world.fake.pickups[make_order_id(2)]
    assert (pickup.date, pickup.time) == ("2021-11-19", "10:00 AM")


async def test_a_day_without_slots_and_a_parcel_without_size_are_refused_by_themselves(world: World) -> None:
    """The others of the batch are booked."""
    far = request(1, pickup_date=date(2022, 1, 1))
    outcomes = await world.by_easy_ship(batch_of(far, request(2, width_cm=None), request(99), request(3)))
    assert told(outcomes) == [
        ("rejected", "NoPickupSlot"),
        ("rejected", "PackageSizeMissing"),
        ("rejected", "ResourceNotFound"),
        ("accepted", ""),
    ]


async def test_an_order_that_is_scheduled_already_is_a_success(world: World) -> None:
    """Amazon's misspelt code; GetScheduledPackage confirms it."""
    await world.by_easy_ship(batch_of(request(1)))
    assert told(await world.by_easy_ship(batch_of(request(1)))) == [("accepted", "")]
    assert world.fake.count("GetScheduledPackage") == 1


async def test_a_package_without_a_pickup_is_not_called_a_success(world: World) -> None:
    """Amazon has the package and says itself that it is not scheduled: a person looks."""
    await world.by_easy_ship(batch_of(request(1)))
    world.wire.words["GetScheduledPackage"] = (b">Scheduled<", b">Unscheduled<")
    outcomes = await world.by_easy_ship(batch_of(request(1), request(2)))
    assert told(outcomes) == [("unknown", "PackageUnscheduled"), ("accepted", "")]


@pytest.mark.parametrize(
    "fault", [MwsFault.ANSWER_LOST, MwsFault.TRUNCATED, MwsFault.EMPTY, MwsFault.INTERNAL_ERROR, MwsFault.HTML_PAGE]
)
async def test_an_unanswered_booking_is_looked_up(world: World, fault: MwsFault) -> None:
    """Booked although the answer was lost: accepted. Not booked: it waits again, and is not called accepted."""
    world.fake.fail("CreateScheduledPackage", fault)
    outcomes = await world.by_easy_ship(batch_of(request(1), request(2)))
    booked = make_order_id(1) in world.fake.pickups
    assert told(outcomes) == [("accepted", "") if booked else ("retry", "NotBooked"), ("accepted", "")]
    assert world.fake.count("CreateScheduledPackage") == 2
    if not booked:
        assert told(await world.by_easy_ship(batch_of(request(1)))) == [("accepted", "")]


async def test_where_easy_ship_is_not_offered_the_error_names_the_other_route() -> None:
    """In the UAE, as documented; nothing was taken."""
    clock = VirtualClock()
    fake = FakeMws(clock=clock)
    fake.add_order(make_order(make_order_id(1)))
    async with httpx.AsyncClient(transport=fake) as http, MwsClient(fake.credentials, http=http, clock=clock) as client:
        with pytest.raises(RegionNotSupported, match=r"SchedulePickupFeed\(feed_type=") as caught:
            await MwsGateway(client, pickup_route=EasyShipPickup()).submit(batch_of(request(1)))
    assert caught.value.code == "RegionNotSupported"


async def test_a_fault_of_all_orders_raises_before_the_first_and_spares_what_is_done(world: World) -> None:
    """AccessDenied at the first order raises; in mid-batch it leaves the rest waiting."""
    world.wire.after["CreateScheduledPackage"] = lambda: world.fake.revoke(world.fake.credentials)
    route = EasyShipPickup()
    receipt = await route.submit(world.client, batch_of(request(1), request(2), request(3)))
    assert told(receipt.outcomes or ()) == [("accepted", ""), ("retry", "AccessDenied"), ("retry", "AccessDenied")]
    assert set(world.fake.pickups) == {make_order_id(1)}
    with pytest.raises(AccessDenied):
        await route.submit(world.client, batch_of(request(2)))


async def test_easy_ship_hands_out_each_outcome_as_it_comes(world: World) -> None:
    """A crash between two orders loses no answer; what waits again is left to the receipt."""
    batch = batch_of(request(1), request(2), request(3))
    came: list[tuple[str, int]] = []

    async def settle(outcomes: Sequence[ItemOutcome]) -> None:
        came.extend((each.key, world.fake.count("CreateScheduledPackage")) for each in outcomes)
        if len(came) == 2:
            world.fake.revoke(world.fake.credentials)

    receipt = await MwsGateway(world.client, pickup_route=EasyShipPickup()).submit(batch, settle=settle)
    assert came == [(batch.items[0].key, 1), (batch.items[1].key, 2)]
    assert receipt.outcomes is not None
    assert [(each.key, each.outcome) for each in receipt.outcomes] == [(batch.items[2].key, Outcome.RETRY)]


async def test_slots_that_vanish_are_asked_for_again_once(world: World) -> None:
    """It is 13:50 in Dubai; between the two requests the 14:00 slot passes."""
    world.clock.jump(50 * 60)
    world.wire.before["CreateScheduledPackage"] = lambda: world.clock.jump(11 * 60)
    outcomes = await world.by_easy_ship(batch_of(request(1, pickup_date=date(2021, 11, 18))))
    assert told(outcomes) == [("accepted_with_warnings", "OtherPickupDay")]
    assert world.fake.pickups[make_order_id(1)].date == "2021-11-19"
    assert world.fake.count("ListPickupSlots") == 2


def test_the_easy_ship_route_spends_no_feed() -> None:
    """It has throttles of its own."""
    route = EasyShipPickup(max_pickups=7)
    assert route.feed_type is None
    assert route.max_pickups == 7
    with pytest.raises(ConfigurationError):
        EasyShipPickup(max_pickups=0)
    with pytest.raises(ConfigurationError):
        EasyShipPickup(lead=timedelta(seconds=-1))


async def test_mixed_batches_are_refused(world: World) -> None:
    """A value that is not the key's pickup would book another order."""
    batch = batch_of(request(1))
    wrong = attrs.evolve(batch, items=(FeedItem(1, make_order_id(2), request(1)),))
    for route in (SchedulePickupFeed(world.fake.pickup_feed_type), EasyShipPickup()):
        with pytest.raises(ConfigurationError, match="is no pickup of"):
            await MwsGateway(world.client, pickup_route=route).submit(wrong)
    assert not world.fake.requests
    assert world.clock.now() == datetime(2021, 11, 18, 9, 0, tzinfo=UTC)
