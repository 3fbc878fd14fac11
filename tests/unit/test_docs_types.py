"""Every Python example of the documentation passes ``mypy --strict``, as a user's own module would."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Its blocks come out of a program that is checked as a whole.
EXCERPTS = {"README.md"}


@pytest.mark.slow
def test_every_example_passes_mypy_strict(tmp_path: Path) -> None:
    """Pasted page by page into modules, with nothing ignored but what has no types of its own."""
    pytest.importorskip("mypy")
    for page in PAGES:
        blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
        if blocks and page.name not in EXCERPTS:
            name = str(page.relative_to(ROOT).with_suffix("")).replace("/", "_").replace("-", "_")
            (tmp_path / f"{name}.py").write_text("\n\n".join(blocks), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", str(tmp_path / "cache"), "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == ""
