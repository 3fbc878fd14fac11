"""The front page of the documentation runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "index.md"


def test_the_front_page_packs_one_order(capsys: pytest.CaptureFixture[str]) -> None:
    """Its one example needs nothing but the package."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(code, str(PAGE), "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out.startswith("171-0000000-0000001 leaves on 20")
