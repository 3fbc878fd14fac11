"""Profiles that a killed driver left behind are removed; those of living browsers are not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from amazon_ae._portal.profile_folders import remove_orphaned_profiles


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere command lines cannot be read, and age decides")
def test_only_profiles_that_no_process_names_are_removed(tmp_path: Path) -> None:
    """Neither another program's folders, nor one that a driver makes at this moment."""
    names = ("playwright_chromiumdev_profile-dead", "playwright_chromiumdev_profile-used", "something_else")
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "Cookies").write_text("x")
        os.utime(tmp_path / name, (1, 1))
    (tmp_path / "playwright_chromiumdev_profile-new").mkdir()
    code = "import time; print('up', flush=True); time.sleep(60)"
    used = f"--user-data-dir={tmp_path / names[1]}"
    with subprocess.Popen([sys.executable, "-c", code, used], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        removed = remove_orphaned_profiles(tmp_path)
        process.kill()
    assert removed == [tmp_path / names[0]]
    assert {path.name for path in tmp_path.iterdir()} == {*names[1:], "playwright_chromiumdev_profile-new"}
