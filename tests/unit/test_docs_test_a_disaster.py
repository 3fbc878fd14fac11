"""The how-to "Test a disaster" is executed as a user would: its own folder, its own conftest, its own pytest."""

from __future__ import annotations

import re
from pathlib import Path

from page_support import python_blocks, run_as_tests

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "test-a-disaster.md"


def test_every_example_of_the_page_passes(tmp_path: Path) -> None:
    """As one file of tests."""
    run_as_tests(tmp_path, 'pytest_plugins = ["amazon_ae.testing.pytest"]\n', python_blocks(PAGE))


def test_the_disaster_is_about_twenty_lines() -> None:
    """As the page says, its signature included."""
    body = re.search(r"(async def test_two_hosts_send.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert body is not None
    assert 18 <= len([line for line in body[1].splitlines() if line.strip()]) <= 23
