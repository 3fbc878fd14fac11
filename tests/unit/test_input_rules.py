"""What a host gives is checked where it comes in: by name, before anything is stored, sent or spent."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import attrs
import pytest
from mws_support import CREDENTIALS, NOW, Amazon, client_of, envelope

from amazon_ae import (
    CircuitPolicy,
    CircuitState,
    ConfigurationError,
    DocumentError,
    DocumentSet,
    FeedScheduler,
    FulfilledItem,
    InventoryBuffer,
    InventoryUpdate,
    ItemKind,
    LabelArchiveFolder,
    MemoryStorage,
    MwsClient,
    MwsGateway,
    OrderFulfillment,
    OrderSync,
    PackageDimensions,
    PackageWeight,
    PickupCalendar,
    PickupRequest,
    PickupSlot,
    PickupSlots,
    PortalCredentials,
    SchedulePickupFeed,
    SpApiCredentials,
    SQLiteStorage,
    save_documents,
)
from amazon_ae._models.checks import deadline_at
from amazon_ae._models.text import clean_pasted, invisible_edge
from amazon_ae._portal.totp import TotpSecret
from amazon_ae.testing import FakeMws, FakeSpApi, MwsFault, SpApiFault, VirtualClock, make_order

INVISIBLE = ["\ufeff", "\u200b", "\u200c", "\u200d", "\u200e", "\u200f", "\u202a", "\u202e", "\u2066", "\u2069",
             "\u2060", "\u00ad", "\u00a0", "\u3000", "\u034f", "\u115f", "\u2800", "\u3164"]  # fmt: skip
ORDER = "403-1111111-1111111"


@pytest.mark.parametrize("character", INVISIBLE, ids=lambda character: f"U+{ord(character):04X}")
@pytest.mark.parametrize("place", ["{0}SKU-1", "SKU-1{0}"])
def test_an_invisible_character_at_an_edge_is_refused_by_name(character: str, place: str) -> None:
    """Nobody sees it, and Amazon's report would never name such a SKU again."""
    text = place.format(character)
    with pytest.raises(ConfigurationError, match=rf"SKU .* begins or ends with .*U\+{ord(character):04X}"):
        InventoryUpdate(text, 1)
    for field in ("seller_id", "access_key_id", "secret_key", "auth_token"):
        with pytest.raises(
            ConfigurationError, match=rf"{field} begins or ends with .*U\+{ord(character):04X}"
        ) as caught:
            attrs.evolve(CREDENTIALS, **{field: text})
        assert "SKU-1" not in str(caught.value), "a key is never shown"


def test_what_stands_inside_or_can_be_seen_stays() -> None:
    """Arabic with its joiners, a dash, an emoji."""
    for text in ("قم\u200cیص", "A-1", "x \ufeff y", "😀", "é"):
        assert invisible_edge(text) is None
        InventoryUpdate(text, 1)


@pytest.mark.parametrize("character", [*INVISIBLE[:12], " ", "\n"])
def test_a_pasted_one_time_secret_is_cleaned(character: str) -> None:
    """People copy it out of a web page: the code is that of the clean secret."""
    clean = TotpSecret.parse("JBSWY3DPEHPK3PXP")
    dirty = (
        f"{character}JBSW{character}Y3DP EHPK{character} 3PXP{character}"
        if character.strip()
        else " JBSWY3DPEHPK3PXP\n"
    )
    assert TotpSecret.parse(dirty).code(1) == clean.code(1)
    credentials = PortalCredentials(email="a@b", password="x", totp=dirty)
    assert TotpSecret.parse(credentials.totp).code(1) == clean.code(1)
    assert clean_pasted(credentials.totp) == credentials.totp


def test_a_password_is_taken_as_typed_but_for_what_nobody_types() -> None:
    """A blank may belong to it; a byte order mark does not."""
    assert PortalCredentials(email="a@b", password=" x ", totp="JBSWY3DPEHPK3PXP").password == " x "
    for field in ("email", "password"):
        values = {"email": "a@b", "password": "x", "totp": "JBSWY3DPEHPK3PXP", field: "\ufeffsecret"}
        with pytest.raises(ConfigurationError, match=rf"{field} begins or ends with the invisible") as caught:
            PortalCredentials(**values)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "account",
    ["A1SELLER", "", "A1SELLER/", "/AE", "A1/AE/x", " A1/AE", "A1/AE\u200b", "A1/A\nE", "A1 /AE", "A1/ae", None, 5],
)
def test_a_wrong_account_cannot_swallow_stock(account: Any) -> None:
    """Items under it would wait forever: no scheduler serves it."""
    with pytest.raises(ConfigurationError, match="seller id"):
        InventoryBuffer(MemoryStorage(), account)
    if account:
        gateway = MwsGateway(client_of(Amazon(envelope("X", ""))))
        with pytest.raises(ConfigurationError, match="seller id"):
            OrderSync(MemoryStorage(), gateway, account=account)


def test_swapped_constructor_arguments_are_a_clear_error() -> None:
    """The storage comes first everywhere, the credentials before the marketplace."""
    storage, client = MemoryStorage(), client_of(Amazon(envelope("X", "")))
    gateway = MwsGateway(client)
    with pytest.raises(ConfigurationError, match="storage first"):
        OrderSync(gateway, storage)  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(ConfigurationError, match="storage first"):
        InventoryBuffer(gateway.account, storage)  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(ConfigurationError, match="MwsCredentials first"):
        MwsClient(client.marketplace, CREDENTIALS)  # type: ignore[arg-type]  # the mistake under test
    assert OrderSync(storage, gateway)
    assert FeedScheduler(storage, gateway)


@pytest.mark.parametrize("value", [750, Decimal("750"), "750", " 750 ", "7.5E+2"])
def test_a_weight_is_an_int_a_decimal_or_text(value: Any) -> None:
    """All mean the same."""
    request = PickupRequest(order_id=ORDER, pickup_date=date(2021, 11, 19), weight_grams=value, length_cm=value)
    assert request.weight_grams == request.length_cm == Decimal(750)
    assert PackageWeight(value).value == Decimal(750)
    assert PackageDimensions(value, 2, "3").width == Decimal(2)
    assert PickupRequest.from_text(ORDER, request.to_text()) == request


@pytest.mark.parametrize("value", [0, True, 1.5, "", "heavy", "1,5", "NaN", Decimal("inf"), b"7", 10**40, "1e-40"])
def test_anything_else_is_refused_by_the_fields_name(value: Any) -> None:
    """A float is no weight: 0.1 + 0.2 would be printed on a label."""
    with pytest.raises(ConfigurationError, match="weight_grams of order"):
        PickupRequest(order_id=ORDER, pickup_date=date(2021, 11, 19), weight_grams=value)
    with pytest.raises(ConfigurationError, match="PackageWeight: value"):
        PackageWeight(value)


NAIVE = datetime(2021, 11, 18, 9)  # noqa: DTZ001  # the mistake under test


NAIVE_CALLS: dict[str, Callable[[Any], Any]] = {
    "now": lambda _: PickupCalendar().pickup_date(NAIVE),
    "not_before": lambda _: PickupSlots(slots=(PickupSlot(slot_id="s", pickup_time_start=NOW),)).earliest(
        not_before=NAIVE
    ),
    "before": lambda folder: LabelArchiveFolder(folder).forget(before=NAIVE),
    "at": lambda folder: LabelArchiveFolder(folder).keep(b"x", {}, at=NAIVE),
    "now ": lambda _: CircuitState().may_ask(NAIVE),
    "now  ": lambda _: CircuitState().failed_with(DocumentError("x"), CircuitPolicy(), NAIVE),
    "start": lambda _: VirtualClock(NAIVE),
    "updated_at": lambda _: make_order(updated_at=NAIVE),
    "purchased_at": lambda _: make_order(purchased_at=NAIVE),
    "until": lambda _: FakeMws(clock=VirtualClock()).fail("*", MwsFault.INTERNAL_ERROR, until=NAIVE),
    "until ": lambda _: FakeSpApi(clock=VirtualClock()).fail("*", SpApiFault.INTERNAL_ERROR, until=NAIVE),
    "fulfilled_at": lambda _: OrderFulfillment(amazon_order_id=ORDER, fulfilled_at=NAIVE),
}


@pytest.mark.parametrize("name", NAIVE_CALLS)
async def test_a_naive_instant_is_refused_wherever_one_is_taken(name: str, tmp_path: Any) -> None:
    """By its name, not as a comparison that fails somewhere inside."""

    async def call() -> None:
        found = NAIVE_CALLS[name](tmp_path)
        if inspect.isawaitable(found):
            await found

    with pytest.raises(ConfigurationError, match=name.strip()):
        await call()


@pytest.mark.parametrize("text", ["A\0B", "A\nB", "A\udcffB", "A\x7fB"])
@pytest.mark.parametrize("field", ["seller_id", "client_id", "client_secret", "refresh_token"])
def test_a_key_of_no_text_is_refused_without_showing_it(field: str, text: str) -> None:
    """An environment that is not UTF-8 gives such ones; signing or printing them fails later."""
    fields: dict[str, Any] = {"seller_id": "A1", "client_id": "c", "client_secret": "s", "refresh_token": "r"}
    with pytest.raises(ConfigurationError, match=field) as caught:
        SpApiCredentials(**{**fields, field: text})
    assert field == "seller_id" or text not in str(caught.value)


@pytest.mark.parametrize("seller", ["A1/AE", "A1 SELLER", "A1\u00a0SELLER"])
def test_a_seller_id_is_the_token_alone(seller: str) -> None:
    """With a marketplace behind it, the account would be one that nobody else means."""
    for credentials in (
        lambda: attrs.evolve(CREDENTIALS, seller_id=seller),
        lambda: SpApiCredentials(seller_id=seller, client_id="c", client_secret="s", refresh_token="r"),
    ):
        with pytest.raises(ConfigurationError, match=r"seller_id (is the merchant token|holds)"):
            credentials()


@pytest.mark.parametrize("field", ["package_identifier", "invoice_id", "pickup_time"])
@pytest.mark.parametrize("text", ["\u200bP", "P ", "\ufeffP", "", " ", 5, "A\tB", "\ud800"])
def test_a_text_of_a_pickup_is_checked_where_it_is_made(field: str, text: Any) -> None:
    """By name; a label or a file could not carry it, and nobody would see why."""
    with pytest.raises(ConfigurationError, match=field):
        PickupRequest(order_id=ORDER, pickup_date=date(2021, 11, 19), **{field: text})


@pytest.mark.parametrize("codes", ["AZ1", ("",), (" ",), (5,), (None,), ("\u200bAZ",), ("A\nB",), ("x",) * 11])
def test_transparency_codes_are_texts(codes: Any) -> None:
    """One text alone would become a code per letter."""
    with pytest.raises(ConfigurationError, match=r"[Tt]ransparency"):
        FulfilledItem(amazon_order_item_code="12345678901234", quantity=1, transparency_codes=codes)


def test_a_deadline_is_an_instant_or_a_length() -> None:
    """The same kinds everywhere."""
    assert deadline_at(timedelta(seconds=5), NOW) == deadline_at(NOW + timedelta(seconds=5), NOW)
    assert deadline_at(None, NOW) is None
    for wrong in (NAIVE, 5, 5.0, "soon", timedelta(seconds=-1)):
        with pytest.raises(ConfigurationError, match="deadline"):
            deadline_at(wrong, NOW)  # type: ignore[arg-type]  # the mistake under test


@pytest.mark.parametrize(
    "ask",
    [
        lambda c, deadline: c.orders.get(ORDER, deadline=deadline),
        lambda c, deadline: c.orders.list(created_after=NOW, deadline=deadline).all(),
        lambda c, deadline: c.feeds.count(deadline=deadline),
        lambda c, deadline: c.reports.list(deadline=deadline).all(),
        lambda c, deadline: c.sellers.participations(deadline=deadline),
        lambda c, deadline: c.easy_ship.get_scheduled_package(ORDER, deadline=deadline),
        lambda c, deadline: c.call("Orders", "GetServiceStatus", deadline=deadline),
    ],
)
async def test_every_call_checks_its_deadline(ask: Callable[[MwsClient, Any], Any]) -> None:
    """A naive one is refused by name, nothing is sent."""
    amazon = Amazon(envelope("X", ""))
    for wrong in (NAIVE, 5):
        with pytest.raises(ConfigurationError, match="deadline"):
            await ask(client_of(amazon), wrong)
    assert not amazon.asked


async def test_a_deadline_may_be_a_length_from_now() -> None:
    """The third call would wait five minutes for its slot."""
    from amazon_ae import QuotaTimeout

    amazon = Amazon(envelope("GetServiceStatus", "<Status>GREEN</Status>"))
    client = client_of(amazon)
    for _ in range(2):
        await client.orders.service_status(deadline=timedelta(seconds=1))
    with pytest.raises(QuotaTimeout):
        await client.orders.service_status(deadline=timedelta(minutes=4))
    await client.orders.service_status(deadline=timedelta(minutes=6))


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_a_naive_instant_is_refused_by_the_stores(kind: str, tmp_path: Any) -> None:
    """``purge`` takes an instant too."""
    clock = VirtualClock()
    storage = MemoryStorage(clock=clock) if kind == "memory" else SQLiteStorage(tmp_path / "s.db", clock=clock)
    with pytest.raises(ConfigurationError, match="settled_before"):
        await storage.purge("A1/AE", ItemKind.INVENTORY, settled_before=NAIVE)
    await storage.aclose()


def test_a_naive_start_of_an_order_sync_is_refused() -> None:
    """By name."""
    gateway = MwsGateway(client_of(Amazon(envelope("X", ""))))
    with pytest.raises(ConfigurationError, match="first_since"):
        OrderSync(MemoryStorage(), gateway, first_since=NAIVE)


class Calls(MemoryStorage):
    """Counts what is stored."""

    stored = 0

    async def put(self, *args: Any, **options: Any) -> Any:
        """Count, then store."""
        self.stored += 1
        return await super().put(*args, **options)


def scheduler_of(clock: VirtualClock) -> tuple[FeedScheduler, Calls]:
    storage = Calls(clock=clock)
    gateway = MwsGateway(
        client_of(Amazon(envelope("X", "")), clock=clock), pickup_route=SchedulePickupFeed(feed_type="_X_")
    )
    return FeedScheduler(storage, gateway, clock=clock), storage


@pytest.mark.parametrize(
    ("order_id", "options", "rule"),
    [
        ("403-1111111-111111", {}, "3-7-7"),
        ("403-1111111-1111111\u200b", {}, "3-7-7"),
        ("٤٠٣-1111111-1111111", {}, "3-7-7"),
        (None, {}, "3-7-7"),
        (ORDER, {"pickup_date": date(2021, 11, 17)}, "in the past: today is 2021-11-18"),
        (ORDER, {"pickup_date": date(1999, 1, 1)}, "in the past"),
        (ORDER, {"pickup_date": datetime(2021, 11, 19)}, "must be a date"),  # noqa: DTZ001  # the mistake under test
        (ORDER, {"deadline": NAIVE}, "deadline"),
        (ORDER, {"deadline": 5}, "deadline"),
        (ORDER, {"weight_grams": 1.5}, "weight_grams"),
    ],
)
async def test_a_pickup_that_cannot_be_is_refused_before_it_is_stored(
    order_id: Any, options: dict[str, Any], rule: str
) -> None:
    """A mistyped id and yesterday cost nothing."""
    scheduler, storage = scheduler_of(VirtualClock(NOW))
    async with scheduler:
        with pytest.raises(ConfigurationError, match=rule):
            await scheduler.schedule_pickup(order_id, **options)
    assert storage.stored == 0


@pytest.mark.parametrize("path", ["a\0b", 5, None, b"x"])
def test_what_is_no_path_is_refused_by_name(path: Any) -> None:
    """Not as a foreign error at the first write."""
    for use in (
        lambda: SQLiteStorage(path),
        lambda: LabelArchiveFolder(path),
        lambda: save_documents(DocumentSet(ORDER, {}), path),
    ):
        with pytest.raises(ConfigurationError, match=r"NUL|must be a path"):
            use()


@pytest.mark.parametrize("order_id", ["403-1", f"\u200b{ORDER}", f"{ORDER} ", "x\0", "\ud800", "", None, 5])
async def test_every_verb_of_a_pickup_refuses_a_mistyped_order_id(order_id: Any) -> None:
    """``False`` or ``None`` would say that the pickup was never asked for."""
    scheduler, storage = scheduler_of(VirtualClock(NOW))
    async with scheduler:
        for verb in (
            lambda: scheduler.withdraw_pickup(order_id),
            lambda: scheduler.drop_pickup(order_id),
            lambda: scheduler.outcome(order_id),
            lambda: scheduler.resolve(order_id, scheduled=True),
            lambda: scheduler.reschedule_pickup(order_id, pickup_date=date(2021, 11, 22)),
        ):
            with pytest.raises(ConfigurationError, match="3-7-7"):
                await verb()
    assert storage.stored == 0


async def test_a_scheduler_that_does_not_run_says_so() -> None:
    """Outside of ``async with`` nothing would ever bring an outcome; the pickup stays queued for one that runs."""
    scheduler, storage = scheduler_of(VirtualClock(NOW))
    with pytest.raises(ConfigurationError, match="not running: use `async with`"):
        await scheduler.schedule_pickup(ORDER)
    assert storage.stored == 1


def test_a_scheduler_takes_the_storage_first() -> None:
    """Swapped, it says so."""
    gateway = MwsGateway(client_of(Amazon(envelope("X", ""))))
    with pytest.raises(ConfigurationError, match="storage first"):
        FeedScheduler(gateway, MemoryStorage())  # type: ignore[arg-type]  # the mistake under test
