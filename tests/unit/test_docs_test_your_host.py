"""The how-to "Test your host" is executed as a host would: its own folder, its own conftest, its own pytest."""

from __future__ import annotations

import re
from pathlib import Path

from page_support import python_blocks, run_as_tests

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "test-your-host.md"


def test_every_example_of_the_page_passes(tmp_path: Path) -> None:
    """The first block is the conftest, the others are one file of tests."""
    conftest, *blocks = python_blocks(PAGE)
    run_as_tests(tmp_path, conftest, blocks)


def test_the_packing_is_a_dozen_lines() -> None:
    """As the page says, its signature included."""
    body = re.search(r"(async def test_a_parcel_is_packed\(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert body is not None
    assert len(body[1].strip().splitlines()) == 12
