"""Values become parameters, and what cannot be sent is refused by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazon_ae.exceptions import ConfigurationError
from amazon_ae.mws.params import check_count, flatten, instant, listed, settled_before


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
    read = datetime.fromisoformat(instant(moment))
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
    assert listed("feed_types", ["_A_"]) == ("_A_",)


def test_counts_are_held_to_their_bounds() -> None:
    """Numbers and sizes, both ends allowed."""
    for fine in (1, 100, ["x"], ["x"] * 100):
        check_count("what", fine, most=100)
    for broken in (0, 101, -1, [], ["x"] * 101, True):
        with pytest.raises(ConfigurationError, match="what: 1 to 100"):
            check_count("what", broken, most=100)


def test_the_end_of_a_window_is_clamped_and_must_be_aware() -> None:
    """Two minutes before now at the latest."""
    now = datetime(2021, 11, 18, 9, tzinfo=UTC)
    assert settled_before(None, now=now) is None
    assert settled_before(now, now=now) == now - timedelta(minutes=2)
    assert settled_before(now - timedelta(hours=1), now=now) == now - timedelta(hours=1)
    with pytest.raises(ConfigurationError, match="aware"):
        settled_before(datetime(2021, 1, 1), now=now)  # noqa: DTZ001
