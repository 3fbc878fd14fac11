"""The proof can fail: each planted bug is caught, within a hundred seeds of the simulator or by a named test."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from planted_bugs import PLANTED, SEEDS, first_seed

ROOT = Path(__file__).parents[2]
SIMULATED = [name for name, bug in PLANTED.items() if bug.seed is not None]
TESTED = [name for name, bug in PLANTED.items() if bug.seed is None]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.mark.parametrize("name", SIMULATED)
def test_a_seed_shows_a_planted_bug(name: str) -> None:
    """The named one; should another change have moved it, one of the first hundred."""
    named = PLANTED[name].seed
    assert named is not None
    assert named < SEEDS
    assert first_seed(name, [named, *(seed for seed in range(SEEDS) if seed != named)]) is not None


@pytest.mark.parametrize("name", TESTED)
def test_a_named_test_fails_with_a_planted_bug(name: str) -> None:
    """In a process of its own; without the bug it passes, with the other tests."""
    plugin = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "planted_bugs", "--plant", name]
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [*plugin, PLANTED[name].test],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    assert re.search(r"^FAILED ", done.stdout, re.MULTILINE), done.stdout
    assert not re.search(r"^ERROR |\d+ errors?\b", done.stdout, re.MULTILINE), done.stdout


def test_the_page_of_the_proof_names_every_planted_bug() -> None:
    """With the seed or test that catches it."""
    page = (ROOT / "docs" / "explanation" / "proof.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (.+?) \| ((?:seed|`test).+?) \|$", page, re.MULTILINE))
    assert rows == {bug.what: bug.caught_by for bug in PLANTED.values()}
    assert len(rows) >= 12
