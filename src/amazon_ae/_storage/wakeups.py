"""Who wants to hear of a put, by account."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

__all__ = ["Watchers"]

_log = logging.getLogger(__name__)


class Watchers:
    """Callbacks by account; ``add`` and ``call`` from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: dict[str, list[Callable[[], None]]] = {}

    def add(self, account: str, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` from now on; returns the undo, which may be called twice."""
        # The same function may watch twice: each has its own entry and its own undo.
        entry = _Entry(callback)
        with self._lock:
            self._callbacks.setdefault(account, []).append(entry)

        def undo() -> None:
            with self._lock:
                entries = self._callbacks.get(account, [])
                if entry in entries:
                    entries.remove(entry)
                if not entries:
                    self._callbacks.pop(account, None)

        return undo

    def accounts(self) -> list[str]:
        """The accounts that somebody watches."""
        with self._lock:
            return list(self._callbacks)

    def call(self, account: str) -> None:
        """Tell everybody who watches ``account``. An exception of a callback is logged: the put has been committed."""
        with self._lock:
            callbacks = list(self._callbacks.get(account, ()))
        for callback in callbacks:
            try:
                callback()
            except Exception:
                _log.exception("a watcher of account %s failed", account)


class _Entry:
    """One call of ``add``; compared by identity."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback

    def __call__(self) -> None:
        self._callback()
