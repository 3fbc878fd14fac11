"""The demonstration tells the truth: it fails when the sandbox does not hold what was asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.browser
@pytest.mark.timeout(240)
@pytest.mark.parametrize("backend", ["mws", "spapi"])
def test_a_planted_difference_makes_the_demonstration_fail(backend: str, tmp_path: Path) -> None:
    """Everything else agrees, the kill included; one piece of stock does not, and the exit code says so."""
    command = [sys.executable, str(EXAMPLES / "demo.py"), "--folder", str(tmp_path / "out"), "--plant-difference"]
    command += ["--backend", backend]
    done = subprocess.run(command, capture_output=True, text=True, timeout=220, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.count("DIFFERS") == 1, done.stdout
    assert "SIGKILL" in done.stdout


def test_the_host_program_is_short() -> None:
    """What a host has to write fits on three screens."""
    assert len((EXAMPLES / "warehouse.py").read_text().splitlines()) <= 150
