"""The right row of a chooser, or an error; never the wrong account and never a colleague."""

from __future__ import annotations

import pytest

from amazon_ae._exceptions import ConfigurationError, PageChanged
from amazon_ae._models.hidden import Hidden
from amazon_ae._portal.account_picker import PickerRow, choose_account_row, choose_user_row, is_marketplace_row

AE = ("United Arab Emirates", "الإمارات العربية المتحدة", "amazon.ae")
EVERY = (*AE, "Egypt", "Saudi Arabia")
UAE, EGYPT = "United Arab Emirates", "Egypt"


def rows(*texts: str) -> list[PickerRow]:
    """One row per text; leading dots are its depth, ``/`` separates lines."""
    return [PickerRow(tuple(text.lstrip(".").split("/")), len(text) - len(text.lstrip("."))) for text in texts]


def choose(*texts: str, name: str | None = None, opened: bool = False) -> int | None:
    """The row to click."""
    return choose_account_row(rows(*texts), account_name=name, ours=AE, every=EVERY, opened=opened)


@pytest.mark.parametrize(
    ("texts", "name", "opened", "row"),
    [
        # Nested, as the current picker: open the account, then its own marketplace.
        (("Dhow",), None, False, 0),
        (("Dhow", f".{EGYPT}", f".{UAE}"), None, True, 2),
        (("Dhow", f".{EGYPT}", f".{UAE} (current)"), None, False, 2),
        (("Dhow", "Dhow Trading"), "Dhow", False, 0),
        (("Dhow Trading", "Dhow"), "Dhow", False, 1),
        (("Dhow", f".{UAE}", "Dhow Trading", f".{UAE}"), "Dhow", False, 1),
        (("Dhow", f".{UAE}", "Dhow Trading", f".{UAE}"), "Dhow Trading", False, 3),
        (("Dhow", "Dhow Trading", f".{UAE}"), "Dhow", False, 0),
        ((f"{UAE} Goods", f".{EGYPT}", f".{UAE}"), None, False, 2),
        (("Egypt", f".{UAE}", "Dhow", f".{UAE}"), "Egypt", False, 1),
        # Columns, as the older one: the account first, even if marketplaces show already.
        (("Dhow", "Dhow Trading", EGYPT, UAE), "Dhow", False, 0),
        (("Dhow", "Dhow Trading", EGYPT, UAE), "Dhow", True, 3),
        (("Dhow", EGYPT, UAE), None, False, 2),
        # One list: an account, then its marketplaces.
        (("Dhow", UAE, "Dhow Trading", UAE), "Dhow", False, 1),
        ((EGYPT, UAE), None, False, 1),
        ((f"{UAE} Goods", "Dhow"), f"{UAE} Goods", False, 0),
        # What the eye does not see does not count; a second line does no harm.
        (("  Dhow\u200f  Trading /A1B2C3", f".{UAE}/current"), "Dhow Trading", False, 1),
        (("دهو", f".{AE[1]} (الحالي)"), None, False, 1),
        # Opened, and its marketplaces are still to be drawn.
        (("Dhow", "Dhow Trading"), "Dhow", True, None),
        (("Dhow",), None, True, None),
        (("Dhow", "Dhow Trading", f".{UAE}"), "Dhow", True, None),
    ],
)
def test_the_row_of_our_own_account_is_chosen(
    texts: tuple[str, ...], name: str | None, opened: bool, row: int | None
) -> None:
    """In each layout, whichever accounts stand beside it and are opened."""
    assert choose(*texts, name=name, opened=opened) == row


@pytest.mark.parametrize(
    ("texts", "name", "says"),
    [
        (("Dhow", "Dhow Trading"), None, "2 seller accounts"),
        (("Dhow Trading", "Dhow Traders"), "Dhow", "none of the 2"),
        (("Dhow", "dhow"), "DHOW", "none of the 2"),
        (("Dhow", "Dhow"), "Dhow", "2 of the 2"),
    ],
)
def test_no_exact_match_or_two_is_an_error_without_names(texts: tuple[str, ...], name: str | None, says: str) -> None:
    """It says how many there are; whose they are is the seller's business."""
    with pytest.raises(ConfigurationError, match=says) as caught:
        choose(*texts, name=name)
    assert "Dhow" not in str(caught.value)


def test_an_account_without_our_marketplace_is_an_error() -> None:
    """Egypt is not picked instead."""
    with pytest.raises(PageChanged, match="lists 1 marketplaces"):
        choose("Dhow", f".{EGYPT}")
    with pytest.raises(PageChanged, match="2 rows"):
        choose("Dhow", f".{UAE}", f".{UAE}")


def test_a_name_that_contains_a_country_is_no_marketplace() -> None:
    """Only the whole name counts, with a remark in parentheses or without."""
    assert is_marketplace_row(rows(f"{UAE} (current)")[0], AE)
    assert not is_marketplace_row(rows(f"{UAE} Goods")[0], AE)
    assert not is_marketplace_row(rows("Egypt")[0], AE)


def test_only_our_own_user_row_is_chosen() -> None:
    """Whole e-mails, whatever their case."""
    assert choose_user_row(rows("Aisha/a@example.ae", "Omar/OMAR@example.ae"), Hidden("omar@example.ae")) == 1
    for others in (("a@example.ae",), ("ma@example.ae", "a@example.aero"), ("o@example.ae", "o@example.ae")):
        with pytest.raises(ConfigurationError, match="exactly this e-mail") as caught:
            choose_user_row(rows(*others), Hidden("o@example.ae"))
        assert "@" not in str(caught.value)


def test_a_row_that_names_its_account_beside_the_marketplace_is_matched_by_it() -> None:
    """Where each row is account and marketplace at once, the only one of our marketplace may be another account's."""
    assert choose(f"Dhow/{UAE}", f"Dhow Trading/{UAE}", name="Dhow Trading") == 1
    with pytest.raises(ConfigurationError, match="none of the 2 rows"):
        choose(f"Dhow/{UAE}", f"Palm/{EGYPT}", name="Date")
    with pytest.raises(PageChanged, match="none is ours"):
        choose(f"Dhow/{UAE}", f"Palm/{EGYPT}", name="Palm")
    assert choose(f"{UAE}/Selected", EGYPT, name="Dhow") == 0, "a remark is no account"
