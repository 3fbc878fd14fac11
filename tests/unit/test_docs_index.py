"""The front page of the documentation runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "index.md"


def test_the_front_page_packs_one_order(capsys: pytest.CaptureFixture[str]) -> None:
    """Its ten lines with the program below them need nothing but the package."""
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
    exec(compile(code, str(PAGE), "exec", dont_inherit=True), {"__name__": "__main__"})
    assert re.fullmatch(r"\d{3}-\d{7}-\d{7} leaves on 20\d\d-\d\d-\d\d\n", capsys.readouterr().out)


def test_every_how_to_page_stands_in_one_group_of_the_menu() -> None:
    """Grouped by need: a page that is not listed would be found by nobody."""
    listed = re.findall(r"^how-to/([a-z-]+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(page.stem for page in (PAGE.parent / "how-to").glob("*.md"))
