"""Notices to the watchers of an account, and which puts are worth one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from amazon_ae._models.feeds import ItemKind

__all__ = ["CARRIED", "MAX_KEYS", "Leaving", "Notice", "Settled", "Watchers", "news", "queued", "settled"]

_log = logging.getLogger(__name__)

MAX_KEYS: Final = 100
"""The most keys in a notice; above that it has none, and the watcher reads the store."""

CARRIED: Final = ("carried",)
"""The keys of a notice whose items the putting process carries itself, because it watches the account too."""

Settled = Callable[[ItemKind, Sequence[str]], None]


class Notice(NamedTuple):
    """One event in an account: with a ``kind``, its ``keys`` have an outcome (no keys: some keys); without, items of
    the account can leave that could not before, and ``keys`` is empty or ``CARRIED``."""

    account: str
    kind: str = ""
    keys: tuple[str, ...] = ()


def queued(account: str) -> Notice:
    """The notice that an item of this account can leave that could not before."""
    return Notice(account)


def settled(account: str, kind: str, keys: Iterable[str]) -> Notice:
    """The notice that these keys have an outcome."""
    named = tuple(keys)
    return Notice(account, kind, named if len(named) <= MAX_KEYS else ())


class Leaving(NamedTuple):
    """Whether anything of one account and kind can leave now, by priority."""

    urgent: bool
    normal: bool


def news(kind: str, before: Leaving, put: Leaving) -> bool:
    """Whether a put is worth a notice: it let something leave that changes what a scheduler does next.

    Every pickup does, since its caller waits. Stock does where nothing as urgent was queued: a thousand changes of a
    seller whose queue is not empty anyway are one notice.

    Args:
        before: what could leave before the put.
        put: the items of the put that can leave and did not wait before, or were not urgent before.
    """
    if kind == ItemKind.PICKUP:
        return put.urgent or put.normal
    return (put.urgent and not before.urgent) or (put.normal and not before.urgent and not before.normal)


class _Watcher(NamedTuple):
    callback: Callable[[], None]
    settled: Settled | None


class Watchers:
    """Callbacks by account; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watchers: dict[str, dict[object, _Watcher]] = {}

    def add(self, account: str, callback: Callable[[], None], settled: Settled | None = None) -> Callable[[], None]:
        """Call ``callback`` from now on; returns a function that ends it, which may be called twice."""
        # The same function may be added twice: each addition has its own entry and its own end.
        entry = object()
        with self._lock:
            self._watchers.setdefault(account, {})[entry] = _Watcher(callback, settled)

        def undo() -> None:
            with self._lock:
                entries = self._watchers.get(account, {})
                entries.pop(entry, None)
                if not entries:
                    self._watchers.pop(account, None)

        return undo

    def accounts(self) -> list[str]:
        """The accounts that are watched."""
        with self._lock:
            return list(self._watchers)

    def __contains__(self, account: str) -> bool:
        return account in self._watchers

    def __bool__(self) -> bool:
        return bool(self._watchers)

    def call(self, notice: Notice) -> None:
        """Pass a notice on. An exception of a callback is logged: the write has been committed."""
        with self._lock:
            watchers = list(self._watchers.get(notice.account, {}).values())
        for watcher in watchers:
            try:
                if not notice.kind or watcher.settled is None:
                    watcher.callback()
                else:
                    watcher.settled(ItemKind(notice.kind), notice.keys)
            except Exception:
                _log.exception("a watcher of account %s failed", notice.account)
