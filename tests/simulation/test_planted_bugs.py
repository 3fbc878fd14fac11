"""The proof can fail: each planted bug is caught within a hundred seeds of the simulator.

``docs/explanation/proof.md`` has the whole table, with the bugs that a named test catches.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from planted_bugs import PLANTED

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_caught(name: str) -> None:
    """In a process with a fixed ``PYTHONHASHSEED``, so that a seed plays the same everywhere."""
    command = [sys.executable, str(Path(__file__).with_name("planted_bugs.py")), name]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("seed ")
