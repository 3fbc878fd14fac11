"""The how-to "Write your own storage" is followed to the letter: its blocks, in order, are a store that passes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from amazon_ae.testing._storage_contract import STORAGE_CHECKS

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "write-your-own-storage.md"


def test_the_store_of_the_page_passes_every_check(tmp_path: Path) -> None:
    """Nothing is added to the page's code; it runs in a process of its own."""
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    script = tmp_path / "own_storage.py"
    script.write_text("\n".join(blocks), encoding="utf-8")
    command = [sys.executable, "-W", "error", str(script)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{len(STORAGE_CHECKS)} checks passed\n"
