"""SQLite without its thread: work is done when it is submitted, so that a simulation replays exactly, and faster."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from typing import Any
from unittest import mock

__all__ = ["inline_sqlite"]


@contextlib.contextmanager
def inline_sqlite() -> Iterator[None]:
    """While this is open, `SQLiteStorage` works in the thread of its caller."""
    with mock.patch("amazon_ae._storage.sqlite.connection.ThreadPoolExecutor", _InlineExecutor):
        yield


class _InlineExecutor(Executor):
    """In the place of a store's thread."""

    def __init__(self, **_: Any) -> None:
        super().__init__()

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Do it now."""
        future: Future[Any] = Future()
        try:
            future.set_result(work(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future
