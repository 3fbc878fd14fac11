"""Values become parameters, and what cannot be sent is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st
from mws_support import NOW, ORDER_ID, Amazon, client_of, envelope

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.checks import check_count, listed
from amazon_ae._mws.client import MwsClient
from amazon_ae._mws.params import flatten, instant_text, settled_before


def test_values_are_written_as_amazon_wants_them() -> None:
    """Lists from 1, truths in small letters, decimals without exponent, instants in UTC; None is left out."""
    assert flatten(
        {
            "A.Id": ["x", "y"],
            "None": None,
            "Empty": [],
            "Yes": True,
            "Number": 7,
            "Decimal": Decimal("1E+2"),
            "At": datetime(2021, 11, 18, 13, tzinfo=timezone(timedelta(hours=4))),
            "Text": "",
        }
    ) == {
        "A.Id.1": "x",
        "A.Id.2": "y",
        "Yes": "true",
        "Number": "7",
        "Decimal": "100",
        "At": "2021-11-18T09:00:00Z",
        "Text": "",
    }


@given(st.datetimes(timezones=st.timezones(), min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1)))  # noqa: DTZ001
def test_an_instant_loses_less_than_a_millisecond_and_never_moves_later(moment: datetime) -> None:
    """A window that begins a little early asks for nothing too little."""
    read = datetime.fromisoformat(instant_text(moment))
    assert timedelta(0) <= moment.astimezone(UTC) - read < timedelta(milliseconds=1)


@pytest.mark.parametrize("value", [1.5, b"x", object(), Decimal("NaN"), datetime(2021, 1, 1)])  # noqa: DTZ001
def test_what_cannot_be_sent_is_refused_by_name(value: object) -> None:
    """Alone and inside a list."""
    for given_value in (value, [value]):
        with pytest.raises(ConfigurationError, match="Name"):
            flatten({"Name": given_value})  # type: ignore[dict-item]


def test_one_text_in_place_of_a_list_is_refused() -> None:
    """Its letters would be sent."""
    with pytest.raises(ConfigurationError, match=r"feed_types is a list of texts, not one text: \['_A_'\]"):
        listed("feed_types", "_A_")
    for broken in ([""], [" "], [None], [1]):
        with pytest.raises(ConfigurationError, match="feed_types"):
            listed("feed_types", broken)  # type: ignore[arg-type]
    for no_list in (None, 7, True, object()):
        with pytest.raises(ConfigurationError, match="feed_types is a list of texts"):
            listed("feed_types", no_list)  # type: ignore[arg-type]
    assert listed("feed_types", ["_A_"]) == ("_A_",)


def test_counts_are_held_to_their_bounds() -> None:
    """Numbers and sizes, both ends allowed."""
    for fine in (1, 100, ["x"], ["x"] * 100):
        check_count("what", fine, most=100)
    unusable: list[Any] = [0, 101, -1, [], ["x"] * 101, True, "x", "5", None, 2.0]
    for broken in unusable:
        with pytest.raises(ConfigurationError, match="what: 1 to 100"):
            check_count("what", broken, most=100)


@pytest.mark.parametrize(
    ("ask", "named"),
    [
        # A string and a date are what a host has at hand; an empty filter would match everything.
        (lambda c: c.orders.list(created_after="2021-11-17"), "created_after must be an aware"),
        (lambda c: c.orders.list(created_after=date(2021, 11, 17)), "created_after must be an aware"),
        (lambda c: c.orders.list(created_after=NOW, created_before=5), "created_before must be an aware"),
        (lambda c: c.orders.list(created_after=NOW, seller_order_id=""), "seller_order_id must be a text"),
        (lambda c: c.orders.list(created_after=NOW, buyer_email=" "), "buyer_email must be a text"),
        (lambda c: c.orders.list(created_after=NOW, max_results_per_page="9"), "max_results_per_page: 1 to 100"),
        (lambda c: c.orders.service_status(deadline=9.0), "deadline must be an aware"),
        (lambda c: c.feeds.submit("_X_", "<x/>", content_type="text/xml"), "a feed's body is bytes, not str"),
        (lambda c: c.feeds.submit(" ", b"x", content_type="text/xml"), "feed_type must be a text"),
        (lambda c: c.feeds.submit("_X_", b"x", content_type=None), "content_type must be a text"),
        (lambda c: c.feeds.submit("_X_", b"x", content_type="a/b", purge_and_replace="false"), "True or False"),
        (lambda c: c.feeds.submit("_X_", b"x", content_type="a/b", amazon_order_id="7"), "3-7-7 digits"),
        (lambda c: c.feeds.list(feed_types=None), "feed_types is a list"),
        (lambda c: c.feeds.list(submitted_from="now"), "submitted_from must be an aware"),
        (lambda c: c.feeds.count(submitted_to=datetime(2021, 1, 1)), "submitted_to must be an aware"),  # noqa: DTZ001
        (lambda c: c.feeds.result(5), "feed_submission_id must be a text"),
        (lambda c: c.reports.request(None), "report_type must be a text"),
        (lambda c: c.reports.request("_X_", end_date="2021"), "end_date must be an aware"),
        (lambda c: c.reports.requests(requested_from="2021"), "requested_from must be an aware"),
        (lambda c: c.reports.list(available_to="2021"), "available_to must be an aware"),
        (lambda c: c.reports.get(""), "report_id must be a text"),
        (lambda c: c.easy_ship.get_scheduled_package(ORDER_ID, package_id=""), "package_id must be a text"),
        (lambda c: c.easy_ship.create_scheduled_package(ORDER_ID, " "), "slot_id must be a text"),
        (lambda c: c.call("Orders", ""), "action must be a text"),
    ],
)
async def test_a_wrong_type_is_refused_by_name_and_nothing_is_sent(ask: Callable[[MwsClient], Any], named: str) -> None:
    """A ConfigurationError that names the argument, not an AttributeError out of the depths."""
    amazon = Amazon(envelope("X", ""))
    with pytest.raises(ConfigurationError, match=named):
        await ask(client_of(amazon))
    assert not amazon.asked


def test_the_end_of_a_window_is_clamped_and_must_be_aware() -> None:
    """Two minutes before now at the latest."""
    now = datetime(2021, 11, 18, 9, tzinfo=UTC)
    assert settled_before(None, now=now) is None
    assert settled_before(now, now=now) == now - timedelta(minutes=2)
    assert settled_before(now - timedelta(hours=1), now=now) == now - timedelta(hours=1)
    with pytest.raises(ConfigurationError, match="aware"):
        settled_before(datetime(2021, 1, 1), now=now)  # noqa: DTZ001
