"""The page about the fake Seller Central: its code runs, its tables are complete."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from amazon_ae.testing._seller_central import Challenge, Fault, SiteVariants
from amazon_ae.testing._seller_central.variants import choices_of

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "fake-seller-central.md"


@pytest.fixture(scope="module")
def text() -> str:
    """The page."""
    return PAGE.read_text(encoding="utf-8")


def rows(text: str, head: str) -> dict[str, str]:
    """The rows of the table with this first heading: each name in the first cell, and the rest of its row."""
    table = text.partition(f"| {head} |")[2].partition("\n\n")[0].splitlines()[2:]
    cells = [line.strip("| ").split(" | ", 1) for line in table]
    return {name: rest for first, rest in cells for name in re.findall(r"`(\w+)`", first)}


def test_every_variant_is_in_the_table(text: str) -> None:
    """With every value that it may have."""
    found = rows(text, "variant")
    assert list(found) == list(SiteVariants().to_changes())
    for name, rest in found.items():
        if name != "challenge":
            assert set(re.findall(r"`(\w+)`", rest.split(" | ")[0])) == set(choices_of(name)), name


def test_every_challenge_and_fault_is_in_its_table(text: str) -> None:
    """None is missing, none is invented."""
    assert set(rows(text, "challenge")) == set(Challenge)
    assert set(rows(text, "fault")) == set(Fault)


async def test_the_code_of_the_page_runs(text: str) -> None:
    """As it stands, top to bottom."""
    space: dict[str, object] = {}
    for code in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(code, space)
    origin = await space["try_it"]()  # type: ignore[operator]
    assert httpx.URL(origin).host == "127.0.0.1"
    assert await space["without_a_browser"]() == (1, "DocumentNotReady")  # type: ignore[operator]
