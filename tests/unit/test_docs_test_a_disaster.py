"""The how-to "Test a disaster" is executed as a user would: its own folder, its own conftest, its own pytest."""

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
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "test-a-disaster.md"


def test_every_example_of_the_page_passes(tmp_path: Path) -> None:
    """Warnings are errors there too."""
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["amazon_ae.testing.pytest"]\n')
    (tmp_path / "test_disaster.py").write_text("\n\n".join(blocks))
    (tmp_path / "pytest.ini").write_text(SETTINGS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{''.join(blocks).count('async def test_')} passed" in done.stdout


def test_the_disaster_is_about_twenty_lines() -> None:
    """As the page says, its signature included."""
    body = re.search(r"(async def test_two_hosts_send.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert body is not None
    assert 18 <= len([line for line in body[1].splitlines() if line.strip()]) <= 23
