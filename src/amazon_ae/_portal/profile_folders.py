"""Removes the browser profiles that a killed driver left in the temporary folder: cookies, and some megabytes each."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

__all__ = ["remove_orphaned_profiles"]

_PATTERN: Final = "playwright_chromiumdev_profile-*"
# A driver makes the folder just before it starts the browser.
_LEAST_AGE_SECONDS: Final = 1.0
_LEAST_AGE_UNSEEN_SECONDS: Final = 86_400.0


def remove_orphaned_profiles(folder: Path | None = None) -> list[Path]:
    """Remove every profile of this user that no living browser uses; returns them. Never raises.

    On Linux the command lines of all processes show which are in use; elsewhere a folder that is a day old counts as
    left.
    """
    used = _used_profiles()
    least_age = _LEAST_AGE_SECONDS if used is not None else _LEAST_AGE_UNSEEN_SECONDS
    removed: list[Path] = []
    for path in (folder or Path(tempfile.gettempdir())).glob(_PATTERN):
        try:
            found = path.lstat()
        except OSError:
            continue
        mine = not hasattr(os, "getuid") or found.st_uid == os.getuid()
        if mine and time.time() - found.st_mtime >= least_age and str(path) not in (used or ()):
            shutil.rmtree(path, ignore_errors=True)
            removed.append(path)
    return removed


def _used_profiles() -> set[str] | None:
    """The profile folders that running processes name; ``None`` where that cannot be read."""
    if sys.platform != "linux":
        return None
    used: set[str] = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                arguments = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            used.update(item.partition("=")[2] for item in arguments if item.startswith("--user-data-dir="))
    return used
