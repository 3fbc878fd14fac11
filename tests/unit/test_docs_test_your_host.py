"""The how-to "Test your host" is executed as a host would: its own folder, its own conftest, its own pytest."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

SETTINGS = """\
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "test-your-host.md"


def test_every_example_of_the_page_passes(tmp_path: Path) -> None:
    """The first block is the conftest, the others are one test file; warnings are errors there too."""
    conftest, *blocks = re.findall(
        r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    (tmp_path / "conftest.py").write_text(conftest)
    (tmp_path / "test_host.py").write_text("\n\n".join(blocks))
    (tmp_path / "pytest.ini").write_text(SETTINGS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{''.join(blocks).count('async def test_')} passed" in done.stdout


def test_the_packing_is_a_dozen_lines() -> None:
    """As the page says, its signature included."""
    body = re.search(r"(async def test_a_parcel_is_packed\(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert body is not None
    assert len(body[1].strip().splitlines()) == 12
