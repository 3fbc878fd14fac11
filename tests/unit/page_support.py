"""Pages whose examples are tests: executed as a user would, in a folder and a pytest of their own."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["python_blocks", "run_as_tests"]

# Warnings are errors there too.
_SETTINGS = """\
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""


def python_blocks(page: Path) -> list[str]:
    """The page's Python examples, in order."""
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def run_as_tests(folder: Path, conftest: str, blocks: Sequence[str]) -> None:
    """Run the blocks as one file; every test of theirs passes."""
    (folder / "conftest.py").write_text(conftest)
    (folder / "test_page.py").write_text("\n\n".join(blocks))
    (folder / "pytest.ini").write_text(_SETTINGS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{''.join(blocks).count('async def test_')} passed" in done.stdout
