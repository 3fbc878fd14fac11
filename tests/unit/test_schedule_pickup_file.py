"""The Schedule Pickup tab file: columns, times, character sets, and what is refused."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.feeds import PickupRequest
from amazon_ae._mws.feed_bodies import (
    COLUMNS_2017,
    COLUMNS_WITH_INVOICE,
    COLUMNS_WITH_TRANSPARENCY,
    PickupFormat,
    join_feed,
    schedule_pickup_file,
)

ORDER = "171-1234567-1234567"


PICKUP = PickupRequest(
    order_id=ORDER,
    pickup_date=date(2021, 11, 19),
    pickup_time="10:00 AM",
    weight_grams=Decimal("500"),
    length_cm=Decimal("10"),
    width_cm=Decimal("30.50"),
    height_cm=Decimal("1E+1"),
    package_identifier="SO-1001",
    invoice_id="IN-7",
)


def rows(form: PickupFormat | None, *requests: PickupRequest) -> list[list[str]]:
    """The file's cells."""
    text = join_feed(schedule_pickup_file(requests, form)).decode((form or PickupFormat()).charset)
    assert text.endswith("\n")
    return [line.split("\t") for line in text.removesuffix("\n").split("\n")]


def test_the_pickup_file_is_the_published_template() -> None:
    """The largest side is the length, numbers are plain, empty cells stay."""
    assert rows(None, PICKUP, PickupRequest(order_id="171-7654321-7654321", pickup_date=date(2021, 11, 20))) == [
        list(COLUMNS_2017),
        [ORDER, "500", "30.5", "10", "10", "2021-11-19", "10:00 AM", "SO-1001"],
        ["171-7654321-7654321", "", "", "", "", "2021-11-20", "", ""],
    ]


def test_columns_headings_dates_times_and_charset_are_the_hosts_choice() -> None:
    """All of them are UNVERIFIED for the UAE."""
    form = PickupFormat(
        columns=COLUMNS_WITH_TRANSPARENCY,
        headings={"order_id": "order-id"},
        date_format="%Y/%m/%d",
        clock_hours=24,
        default_time="2:30 pm",
        charset="cp1256",
    )
    heading, first, second = rows(
        form,
        attrs.evolve(PICKUP, package_identifier="طرد"),
        attrs.evolve(PICKUP, order_id="171-7654321-7654321", pickup_time=None),
    )
    assert heading == ["order-id", *COLUMNS_WITH_TRANSPARENCY[1:]]
    assert first == [ORDER, "IN-7", "500", "30.5", "10", "10", "2021/11/19", "10:00", "طرد", ""]
    assert second[7] == "14:30"
    assert form.content_type == "text/tab-separated-values; charset=cp1256"
    assert COLUMNS_WITH_TRANSPARENCY[:-1] == COLUMNS_WITH_INVOICE


@pytest.mark.parametrize(
    ("given_time", "hours", "written"),
    [
        ("00:15", 12, "12:15 AM"),
        ("12:00", 12, "12:00 PM"),
        ("23:59", 12, "11:59 PM"),
        ("12:05 AM", 24, "00:05"),
        ("12:05pm", 24, "12:05"),
        ("1:05 PM", 24, "13:05"),
        ("10:00 - 13:00", 24, "10:00 - 13:00"),
        ("10:00 AM", None, "10:00 AM"),
    ],
)
def test_times_are_written_for_either_clock(given_time: str, hours: Any, written: str) -> None:
    """A slot in words of its own is left as it is."""
    form = PickupFormat(clock_hours=hours)
    assert rows(form, attrs.evolve(PICKUP, pickup_time=given_time))[1][6] == written


@pytest.mark.parametrize("character", ["\t", "\n", "\r", "\x00", "\x85", "\u2028"])
def test_what_would_break_a_line_is_refused_by_name(character: str) -> None:
    """By the model, and by the file for a value made behind its back."""
    found = rf"package_identifier of order '{ORDER}' holds U\+{ord(character):04X}"
    with pytest.raises(ConfigurationError, match=found):
        attrs.evolve(PICKUP, package_identifier=f"A{character}B")
    sneaky = attrs.evolve(PICKUP)
    object.__setattr__(sneaky, "package_identifier", f"A{character}B")
    with pytest.raises(ConfigurationError, match=rf"merchant_additional_identifier of order {ORDER} holds U\+"):
        join_feed(schedule_pickup_file([sneaky]))


def test_a_letter_that_the_charset_lacks_is_refused_with_order_and_column() -> None:
    """Arabic in Latin-1."""
    form = PickupFormat(charset="iso-8859-1")
    with pytest.raises(ConfigurationError, match=rf"merchant_additional_identifier of order {ORDER} holds U\+0637"):
        join_feed(schedule_pickup_file([attrs.evolve(PICKUP, package_identifier="طرد")], form))


def _orders(count: int) -> list[PickupRequest]:
    return [attrs.evolve(PICKUP, order_id=f"171-0000000-{number:07d}") for number in range(count)]


def test_a_pickup_file_holds_one_to_five_hundred_orders_each_once() -> None:
    """Amazon's limit, or a smaller one of the host's."""
    assert len(rows(None, *_orders(500))) == 501
    with pytest.raises(ConfigurationError, match="at most 500 orders"):
        join_feed(schedule_pickup_file(_orders(501)))
    with pytest.raises(ConfigurationError, match="at most 2 orders"):
        join_feed(schedule_pickup_file(_orders(3), PickupFormat(max_orders=2)))
    with pytest.raises(ConfigurationError, match="at least one order"):
        join_feed(schedule_pickup_file([]))
    with pytest.raises(ConfigurationError, match="in the batch twice"):
        join_feed(schedule_pickup_file([PICKUP, PICKUP]))
    with pytest.raises(ConfigurationError, match="3-7-7"):
        join_feed(schedule_pickup_file([attrs.evolve(PICKUP, order_id="SO-1001")]))


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"columns": ("order_id", "colour")}, "unknown column 'colour'"),
        ({"columns": ("package_weight",)}, "must hold order_id"),
        ({"columns": ("order_id", "order_id")}, "each name once"),
        ({"headings": {"order_id": "a\tb"}}, "tab"),
        ({"charset": "klingon"}, "unknown charset"),
        ({"charset": "utf-16"}, "as one byte"),
        ({"max_orders": 501}, "1-500"),
    ],
)
def test_a_format_that_cannot_work_is_refused(options: dict[str, Any], rule: str) -> None:
    """When it is made, not at the first pickup."""
    with pytest.raises(ConfigurationError, match=rule):
        PickupFormat(**options)


@pytest.mark.parametrize(
    "value", [Decimal(0), Decimal(-1), Decimal("NaN"), Decimal("Infinity"), 5.0, True, "five", "1,5", 0, -5]
)
def test_a_parcel_has_a_positive_finite_size(value: Any) -> None:
    """The error names order and field."""
    with pytest.raises(ConfigurationError, match=rf"weight_grams of order '{ORDER}'"):
        attrs.evolve(PICKUP, weight_grams=value)


def test_our_file_is_the_samples(samples: Path) -> None:
    """Byte by byte."""
    pickup = attrs.evolve(PICKUP, length_cm=Decimal(30), width_cm=Decimal(20), height_cm=Decimal(10))
    assert join_feed(schedule_pickup_file([pickup])) == (samples / "derived/schedule_pickup.flatfile.txt").read_bytes()
