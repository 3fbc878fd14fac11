"""The one-time codes that were typed, shared by all programs of this machine with the same secret.

Amazon takes a code once. Several scrapers may share a secret without sharing a session store (two objects of one
program, two programs, two names for one user), so the newest counter is also kept in a small file of this machine's
temporary folder, under a lock. The file's name is a digest of the secret, its content a number.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import stat
import tempfile
from pathlib import Path
from typing import Final

import filelock

from amazon_ae._clocks import SystemClock
from amazon_ae._portal.totp import CodePlan, TotpSecret, is_ahead, plan_code
from amazon_ae._ports import Clock

__all__ = ["UsedCodes"]

_log = logging.getLogger(__name__)
_LOCK_PAUSE_SECONDS: Final = 0.05
_LOCK_SECONDS: Final = 5.0


class UsedCodes:
    """The counters of one secret on one clock.

    Args:
        folder: where the file is kept; by default a folder of this user's in the machine's temporary folder.
    """

    def __init__(self, secret: TotpSecret, clock: Clock, *, folder: Path | None = None) -> None:
        self._secret = secret
        self._clock = clock
        self._folder = folder or Path(tempfile.gettempdir()) / f"amazon-ae-{getattr(os, 'getuid', lambda: 'user')()}"
        timeline = _timeline(clock)
        text = b"amazon-ae used codes\n" + timeline.encode() + b"\n" + secret.key if timeline else b""
        self._name = hashlib.sha256(text).hexdigest()[:32] if text else ""

    async def reserve(self, last_counter: int | None) -> CodePlan:
        """Plan a code that nobody typed before. If no wait is needed, it counts as typed from now on.

        Args:
            last_counter: the newest counter in the session store.

        Raises:
            ConfigurationError: as ``plan_code``.
        """
        if not self._name or not self._prepare_folder():
            return plan_code(self._secret, self._clock.now(), last_counter=last_counter)
        lock = filelock.FileLock(self._folder / f"{self._name}.lock", mode=0o600)
        waited = 0.0
        while not _try(lock):
            if waited >= _LOCK_SECONDS:  # held for milliseconds; a network drive may know no locks at all
                return plan_code(self._secret, self._clock.now(), last_counter=last_counter)
            waited += _LOCK_PAUSE_SECONDS
            await self._clock.sleep(_LOCK_PAUSE_SECONDS)
        try:
            return self._reserve(last_counter)
        finally:
            lock.release()

    def _reserve(self, last_counter: int | None) -> CodePlan:
        path = self._folder / self._name
        now = self._clock.now()
        shared = _read(path)
        if shared is not None and is_ahead(self._secret, shared, now):
            shared = None  # written by a clock that was set wrong
        known = [counter for counter in (last_counter, shared) if counter is not None]
        plan = plan_code(self._secret, now, last_counter=max(known, default=None))
        if plan.wait_seconds <= 0:
            try:
                path.write_text(str(plan.counter))
            except OSError as error:
                _log.warning("portal: the used one-time code was not noted for others: %s", type(error).__name__)
        return plan

    def _prepare_folder(self) -> bool:
        """Whether the folder is this user's alone; another user's folder of that name is not trusted."""
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = self._folder.lstat()
            if os.name != "posix":
                return stat.S_ISDIR(found.st_mode)
            return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
        return False


def _timeline(clock: Clock) -> str:
    """A name of the clock's time line: counters of different time lines are not compared."""
    if isinstance(clock, SystemClock):
        return "system"
    speed, origin = getattr(clock, "speed", None), getattr(clock, "origin", None)
    return f"{speed} {origin}" if speed is not None and origin is not None else ""


def _try(lock: filelock.BaseFileLock) -> bool:
    try:
        lock.acquire(timeout=0)
    except (filelock.Timeout, OSError):
        return False
    return True


def _read(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
