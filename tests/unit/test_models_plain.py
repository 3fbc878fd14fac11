"""``to_dict``: values as JSON's own types."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import attrs
import pytest

from amazon_ae import Address, ConfigurationError, Money, to_dict
from amazon_ae.testing import make_item, make_order

ORDER = attrs.evolve(
    make_order("171-0000000-0000001", items=[make_item("BOTTLE-1", 2, price="1234.50")]),
    shipping_address=Address(name="Layla", city="Dubai"),
    buyer_email="layla@example.ae",
    purchase_date=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
    items=(attrs.evolve(make_item("BOTTLE-1", 2), gift_message_text="For Layla"),),
)


def test_an_order_becomes_json_and_loses_nothing() -> None:
    """Every field is there, by its own name."""
    plain = to_dict(ORDER)
    assert json.loads(json.dumps(plain)) == plain
    assert set(plain) == {field.name for field in attrs.fields(type(ORDER))}
    assert plain["purchase_date"] == "2026-01-02T03:04:00+00:00"
    assert plain["shipping_address"]["name"] == "Layla"
    assert plain["items"][0]["gift_message_text"] == "For Layla"


def test_money_keeps_its_exact_amount() -> None:
    """As text: a float has no 1234.10."""
    assert to_dict(Money(Decimal("1234.10"), "AED")) == {"amount": "1234.10", "currency": "AED"}


def test_personal_data_can_be_left_out_at_every_depth() -> None:
    """Names, addresses and gift notes are nowhere in the text; the goods still are."""
    text = json.dumps(to_dict(ORDER, personal_data=False))
    assert "ayla" not in text
    assert "Dubai" not in text
    assert "BOTTLE-1" in text


@pytest.mark.parametrize("value", [Money, {"a": 1}, "text", None, b"bytes"])
def test_what_is_no_value_of_the_library_is_refused(value: object) -> None:
    """With its type's name, not its content."""
    with pytest.raises(ConfigurationError, match="to_dict takes one value"):
        to_dict(value)
